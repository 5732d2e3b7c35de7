"""One role's talk with one pump: every reply resolves what was not known, and no command is sent before it is kept.

Commands that change delivery wait while the outcome of any earlier one is not known (promise 10). How an exchange is
carried out is not known here; it ends in an answer, or in NotSent, NotHeard or Denied.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, cast

from thecal.link import wording
from thecal.link.catalogue import BY_PATH, Effect
from thecal.link.codec import Malformed, Reply, decode_answer, encode, wrong
from thecal.link.evidence import Finding, by_status
from thecal.link.ledger import NO_ANSWER, NO_RECORD, Outcome, Pending
from thecal.link.outcome import Denied, NotHeard, NotSent
from thecal.link.reading import Status
from thecal.link.roles import Role
from thecal.pump.core import codes

if TYPE_CHECKING:
    from thecal.link.catalogue import Message
    from thecal.link.ledger import Ledger, Value

READING_GOOD_FOR_S = 180
"""How old a reading of the pump may be for a change of therapy. Ours, after Open PCA EC24 (three minutes)."""


class Exchange(Protocol):
    """One message to the pump and its answer."""

    async def __call__(self, path: str, payload: bytes) -> bytes:
        """The payload of the answer; raises NotSent, NotHeard or Denied (``link.outcome``).

        Denied is raised only for what the pump itself said, under protection, of this very message.
        """


class Clock(Protocol):
    """The client's clock; both never go back."""

    def now_s(self) -> int:
        """Seconds since some instant."""

    def utc_s(self) -> int:
        """UTC in seconds since 1970."""


class Arm(StrEnum):
    """How something that was asked for ended."""

    GRANTED = "granted"
    REFUSED = "refused by the pump"
    BLOCKED = "not sent"  # refused here, before anything was sent
    NOT_REACHED = "not reached"  # certain: nothing was done
    NOT_KNOWN = "not known"  # it may have been done or not; it is written down


class Why(StrEnum):
    """Why something was not sent, or needs to be looked at."""

    NOT_KNOWN = "an earlier command is not resolved"
    NOT_ALLOWED = "not for this role"
    BAD_VALUE = "a value is out of bounds"
    NOT_READ = "the pump was not read in this session"
    STALE = "the reading is too old"
    OTHER_PUMP = "another pump"
    OTHER_PATIENT = "another patient"
    DOCUMENT = "another order document"
    BAD_PROGRAM = "not a sound program"
    NOT_PROPOSED = "not what was proposed"
    MISMATCH = "what was read back differs"
    NO_SUCH_COMMAND = "no such command is open"


@dataclass(frozen=True, slots=True)
class Result:
    """The end of one request in words and codes.

    ``answer`` and ``first`` are codes of the core, NO_ANSWER where the pump gave none; ``wait_s`` says when asking
    again would help; ``command`` is 0 where nothing was written down; ``status`` is what the pump told along with it.
    """

    arm: Arm
    said: str
    answer: int = NO_ANSWER
    first: int = NO_ANSWER
    wait_s: int = 0
    command: int = 0
    why: Why | None = None
    status: Status | None = None


def blocked(why: Why, said: str) -> Result:
    """Refused here: nothing was sent."""
    return Result(Arm.BLOCKED, said, why=why)


class Talk:
    """The talk of ``role`` with pump ``serial``. ``status`` is the newest one heard, None before the first."""

    def __init__(self, serial: str, role: Role, exchange: Exchange, ledger: Ledger, clock: Clock) -> None:
        self.serial = serial
        self.role = role
        self.status: Status | None = None
        self._ledger = ledger
        self._exchange = exchange
        self._clock = clock
        self._asked_s = 0  # when the newest status was asked for
        self._once: set[int] = set()  # commands that are being sent for the first time

    def now_s(self) -> int:
        """The client's clock."""
        return self._clock.now_s()

    def utc(self) -> str:
        """UTC now, as text."""
        return datetime.fromtimestamp(self._clock.utc_s(), UTC).isoformat(timespec="seconds")

    async def ask(self, path: str, **values: Value) -> Reply:
        """One exchange; the status in its answer passes the resolver. NotSent, NotHeard and Denied go through."""
        message = BY_PATH[path]
        asked_s = self.now_s()
        reply = decode_answer(message.answer, await self._exchange(path, encode(message.fields, values)))
        if isinstance(reply, Malformed):
            raise NotHeard(f"the answer cannot be read ({reply.reason})")
        if reply.status:
            self._hear(Status.of(reply.status), asked_s)
        return reply

    async def read(self) -> Status | Result:
        """Ask for the status; a result only where none came."""
        try:
            return Status.of((await self.ask("status")).status)
        except (NotSent, NotHeard, Denied) as why:
            return Result(Arm.NOT_REACHED, f"the pump was not read: {why}; nothing was changed")

    def _hear(self, status: Status, asked_s: int) -> None:
        self.status, self._asked_s = status, asked_s
        for pending in self.open():
            found = by_status(pending, self.role, status, sure=self._sure(pending))
            if found is not None:
                self.settle(pending, found)

    def _sure(self, pending: Pending) -> bool:
        return pending.role is self.role and pending.command in self._once

    # What is not known

    def open(self) -> list[Pending]:
        """Every command of this pump whose outcome is not known, of whatever role."""
        return self._ledger.pending(self.serial)

    def mine(self, path: str = "") -> list[Pending]:
        """Those of this role, and of one path where it is named."""
        return [p for p in self.open() if p.role is self.role and path in {"", p.path}]

    def settle(self, pending: Pending, found: Finding) -> Pending:
        """Keep what became of a command."""
        settled = found.settle(pending, self.utc())
        self._ledger.resolve(settled)
        return settled

    def is_open(self, pending: Pending) -> bool:
        """Whether the outcome of a command is still not known."""
        return any((p.role, p.command) == (pending.role, pending.command) for p in self.open())

    def as_it_stands(self, pending: Pending) -> Pending:
        """A command that was written down, with what is known of it by now."""
        key = (pending.role, pending.command)
        return next(p for p in self._ledger.history(self.serial) if (p.role, p.command) == key)

    # Before anything is sent

    def against(self, path: str, again: Pending | None = None) -> Result | None:
        """What stands against sending a message now; None where nothing does.

        ``again`` is the command that is to be sent again, which does not stand in its own way.
        """
        message = BY_PATH[path]
        if self.role not in message.roles:
            return blocked(Why.NOT_ALLOWED, f"{path} is not for the {self.role}: nothing was sent")
        for pending in self.open():
            if pending != again and self._waits_for(message, pending):
                return blocked(Why.NOT_KNOWN, self._unknown(pending))
        return self.unread() if self.role is Role.PROGRAMMER and message.effect is Effect.ANY else None

    def _waits_for(self, message: Message, pending: Pending) -> bool:
        if message.path == "stop":
            return False  # stopping is always allowed: it lowers
        delivers = BY_PATH[pending.path].effect is not Effect.NONE
        return (delivers and message.effect is not Effect.NONE) or (message.numbered and pending.role is self.role)

    def _unknown(self, pending: Pending) -> str:
        then = "resolve it"
        if pending.role is not self.role:
            then = f"resolve it as the {pending.role}"
        return (
            f"the outcome of {wording.of_pending(pending)} is not known, and until it is no new command that changes "
            f"delivery is sent; next: read the pump and {then}, or give it up where the pump is lost for good "
            "(reading and stopping stay possible)"
        )

    def unread(self) -> Result | None:
        """The refusal where this pump was not read, or not lately (promise 8)."""
        if self.status is None:
            return blocked(Why.NOT_READ, "the pump was not read in this session; next: read it")
        age_s = self.now_s() - self._asked_s
        if age_s > READING_GOOD_FOR_S:
            age, most = wording.duration(age_s), wording.duration(READING_GOOD_FOR_S)
            return blocked(Why.STALE, f"the reading is {age} old, at most {most} is allowed; next: read the pump again")
        return None

    # Commands

    async def command(self, path: str, **values: Value) -> Result:
        """Write a numbered command down and send it, unless something stands against it."""
        refused = self.against(path)
        if refused is not None:
            return refused
        fault = wrong(BY_PATH[path].fields[1:], values)
        if fault:
            return blocked(Why.BAD_VALUE, f"{path}: {fault}; nothing was sent")
        if self.status is None:
            read = await self.read()
            if isinstance(read, Result):
                return read
            refused = self.against(path)  # while it was read, another one may have been sent
            if refused is not None:
                return refused
        return await self.send(self.write_down(path, **values))

    def write_down(self, path: str, **values: Value) -> Pending:
        """Keep a command under a new number; from now on it is not known."""
        newest = self.status.newest if self.status else 0
        log_records = self.status.log_records if self.status else NO_RECORD
        command = self._ledger.next_command(self.serial, self.role, newest)
        fields = {"command": command, **values}
        pending = Pending(self.serial, self.role, command, path, fields, self.utc(), log_records)
        self._ledger.write_down(pending)
        return pending

    async def send(self, pending: Pending, *, again: bool = False) -> Result:
        """Send a command that is written down; ``again`` where it may have arrived before."""
        if not again:
            self._once.add(pending.command)
        try:
            reply = await self.ask(pending.path, **pending.fields)
            return self._answered(pending, reply, again=again)
        except NotHeard as why:
            return self._not_known(pending, f"no answer came ({why})")
        except (NotSent, Denied) as why:
            if again:
                return self._not_known(pending, f"it was not asked again ({why})")
            self.settle(pending, Finding(Outcome.NEVER, f"nothing was done: {why}"))
            return Result(Arm.NOT_REACHED, f"{pending.path}: {why}; nothing was done", command=pending.command)
        finally:
            self._once.discard(pending.command)

    def _not_known(self, pending: Pending, why: str) -> Result:
        said = f"{why}; whether {wording.of_pending(pending)} was done is not known; next: read the pump and resolve it"
        return Result(Arm.NOT_KNOWN, said, command=pending.command)

    def _answered(self, pending: Pending, reply: Reply, *, again: bool) -> Result:
        answer, first, wait_s = (cast("int", reply.values[name]) for name in ("answer", "first", "wait_s"))
        outcome = first if answer == codes.DUPLICATE else answer
        if self.is_open(pending):
            # The number is older than another one that the pump took.
            if again:
                return self._not_known(pending, wording.words(answer))
            self.settle(pending, Finding(Outcome.REFUSED, "the pump did not take its number", answer))
        arm = Arm.GRANTED if outcome == codes.GRANTED else Arm.REFUSED
        said = f"{pending.path}: {wording.words(outcome, wait_s)}"
        return Result(arm, said, answer, first, wait_s, pending.command, status=self.status)
