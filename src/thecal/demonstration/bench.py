"""The link to pumps on the shelf: the same keys, protection and sessions as with a rig, without a radio in between.

In the end every pump is laid down in a folder of a rig, where it goes on in the same second, paired anew.
"""

from __future__ import annotations

import asyncio
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

from aiocoap import CON, Message
from aiocoap.numbers import codes as coap

from thecal.clinic.pumps import LinkAway
from thecal.clinic.refilling.hands import Moved
from thecal.demonstration.shelf import serve
from thecal.link.key import Side, new_key
from thecal.link.ledger import Outcome
from thecal.link.outcome import Denial, Denied, NotHeard, NotSent
from thecal.link.protection import Context, pair
from thecal.link.roles import Role
from thecal.link.session import Session
from thecal.pump.device import RamDisk
from thecal.rig.home import private_folder
from thecal.rig.keyring import Keyring
from thecal.rig.operations import check
from thecal.rig.refusal import Refusal
from thecal.rig.service import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from thecal.link.key import Key
    from thecal.link.ledger import Ledger, Pending
    from thecal.pump.device import FaultKind, Identity
    from thecal.rig.home import Home

ROLES = (Role.PROGRAMMER, Role.PATIENT)
"""Who is paired with each pump."""
_DENIED = {
    coap.FORBIDDEN: Denial.FORBIDDEN,
    coap.NOT_FOUND: Denial.UNKNOWN_PATH,
    coap.BAD_REQUEST: Denial.MALFORMED,
}
_METHODS = {"clock": "set_clock", "alarm_test": "test_alarm", "withdraw": "resolve"}
_OF_PATIENT = {"bolus", "withdraw"}


class BenchClock:
    """The time of a world on the bench: true seconds from its birth, moved by hand and never back."""

    def __init__(self, birth_utc_s: int) -> None:
        self.birth_utc_s = birth_utc_s
        self._true_s = 0

    def now_s(self) -> int:
        """True seconds since the birth of the world."""
        return self._true_s

    def utc_s(self) -> int:
        """UTC of the world, in seconds since 1970."""
        return self.birth_utc_s + self._true_s

    def move_to(self, utc_s: int) -> None:
        """Move on to a moment; ValueError for one that has passed."""
        if utc_s < self.utc_s():
            raise ValueError(f"found the moment {utc_s}; allowed: {self.utc_s()} or later: time does not go back")
        self._true_s = utc_s - self.birth_utc_s


class _Wire:
    """One role's exchanges with one pump, protected as over the air (``link.talk.Exchange``)."""

    def __init__(self, bench: Bench, serial: str, key: Key, vault: RamDisk) -> None:
        pair(vault, Side.CALLER, key)
        self._bench = bench
        self._serial = serial
        self._context = Context(vault, Side.CALLER, key)
        self._mid = 0

    async def __call__(self, path: str, payload: bytes) -> bytes:
        """Say one message; NotSent, NotHeard or Denied."""
        code = coap.POST if payload else coap.GET
        message, request_id = self._context.protect(Message(code=code, uri_path=(path,), payload=payload))
        self._mid = (self._mid + 1) & 0xFFFF
        message.mtype, message.mid, message.token = CON, self._mid, b"bench"
        frame = self._bench.heard(self._serial, message.encode())
        if frame is None:
            raise NotSent(f"pump {self._serial} is not on the radio: it has no power")
        if not frame or self._bench.is_lost(self._serial, path):
            raise NotHeard("no answer came: it may have been done or not")
        answer = Message.decode(frame)
        if answer.opt.oscore is None:
            # As in link.caller: after a start a pump refuses the numbers that it stored ahead.
            self._context.skip()
            return await self(path, payload)
        inner, _ = self._context.unprotect(answer, request_id)
        if inner.code in _DENIED:
            raise Denied(_DENIED[inner.code])
        said: bytes = inner.payload
        return said


class _Remembering:
    """A ledger that need not look up what is open (``link.ledger.Ledger``): it alone writes while a world is made."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._open: dict[str, list[Pending]] = {}
        self.next_command = ledger.next_command
        self.history = ledger.history

    def write_down(self, pending: Pending) -> None:
        """Keep a command that is about to be sent."""
        self._ledger.write_down(pending)
        self._open.setdefault(pending.serial, []).append(pending)

    def pending(self, serial: str) -> list[Pending]:
        """Commands whose outcome is not known."""
        return list(self._open.get(serial, ()))

    def resolve(self, resolved: Pending) -> None:
        """Keep what became of a command."""
        self._ledger.resolve(resolved)
        key = (resolved.role, resolved.command)
        left = [p for p in self._open[resolved.serial] if (p.role, p.command) != key]
        self._open[resolved.serial] = left
        assert resolved.outcome is not Outcome.NOT_KNOWN  # noqa: S101 -- the ledger refuses it


class Bench:
    """The link to all pumps of a world that is being made (``clinic.pumps.Ask``), and hands at them (``Hands``)."""

    def __init__(self, clock: BenchClock, ledger: Ledger) -> None:
        self.clock = clock
        self._ledger = _Remembering(ledger)
        self._vault = RamDisk()
        self._sessions: dict[tuple[str, Role], Session] = {}
        self._near: set[str] = set()
        self._losing: set[tuple[str, str]] = set()
        self._loop = asyncio.new_event_loop()
        here, there = get_context("spawn").Pipe()
        self._shelf = here
        self._process = get_context("spawn").Process(target=serve, args=(there,), name="shelf", daemon=True)
        self._process.start()
        there.close()

    def close(self) -> None:
        """End the process of the pumps."""
        self._shelf.close()
        self._process.join(10)
        if self._process.is_alive():
            self._process.kill()
        self._loop.close()

    def _ask(self, operation: str, *fields: Any) -> Any:
        self._shelf.send((operation, (self.clock.now_s(), *fields)))
        well, answer = self._shelf.recv()
        if not well:
            raise answer
        return answer

    # Pumps

    def make(self, identity: Identity, visits_utc_s: Iterable[int]) -> None:
        """A factory-new pump, paired with its roles; ``visits_utc_s`` is when somebody will talk to it."""
        visits = tuple(sorted(at - self.clock.birth_utc_s for at in visits_utc_s))
        keys = tuple(new_key(role, identity.serial, 1) for role in ROLES)
        self._ask("make", identity, keys, visits)
        for role, key in zip(ROLES, keys, strict=True):
            wire = _Wire(self, identity.serial, key, self._vault)
            self._sessions[identity.serial, role] = Session(identity.serial, role, wire, self._ledger, self.clock)

    def over(self) -> None:
        """An act is over: until the next visit pumps may be taken on."""
        self._ask("over")

    def serials(self) -> tuple[str, ...]:
        """Every pump that was made."""
        return tuple(dict.fromkeys(serial for serial, _ in self._sessions))

    def near(self, serial: str) -> None:
        """Hold a programmer over a pump."""
        self._near.add(serial)

    def away(self, serial: str) -> None:
        """Take it away."""
        self._near.discard(serial)

    def heard(self, serial: str, frame: bytes) -> bytes | None:
        """A pump's answer to a frame; empty for silence, None where it has no power."""
        answer: bytes | None = self._ask("heard", serial, frame, serial in self._near)
        return answer

    def lose_answer(self, serial: str, path: str) -> None:
        """Let the radio lose the answer to the next message of a path."""
        self._losing.add((serial, path))

    def is_lost(self, serial: str, path: str) -> bool:
        """Whether the answer to this message is lost; it is, once."""
        lost = (serial, path) in self._losing
        self._losing.discard((serial, path))
        return lost

    def fault(self, serial: str, kind: FaultKind, until_s: int, amount: int) -> None:
        """Let a fault come, up to a true second."""
        self._ask("fault", serial, kind, until_s, amount)

    # Hands

    def moved(self, serial: str) -> Moved:
        """What was ever filled in and drawn out."""
        return Moved(*self._ask("moved", serial))

    def draw(self, serial: str, only_at: int | None = None) -> int:
        """Aspirate all there is; nL that came out."""
        if only_at is not None and self.moved(serial).drawn_nl != only_at:
            raise RuntimeError("it was drawn meanwhile")
        return int(self._ask("draw", serial))

    def fill(self, serial: str, volume_nl: int, only_at: int | None = None) -> int:
        """Put fluid in; nL in the reservoir after it."""
        if only_at is not None and self.moved(serial).filled_nl != only_at:
            raise RuntimeError("it was filled meanwhile")
        return int(self._ask("fill", serial, volume_nl))

    # The link service

    def __call__(self, operation: str, **fields: object) -> Any:
        """One operation of the link service; LinkAway for what it would not take up."""
        asked = check(OPERATIONS, {"operation": operation, **fields})
        if isinstance(asked, Refusal):
            raise LinkAway(asked.message, asked=False)
        values = dict(asked.values)
        serial = str(values.pop("serial"))
        role = Role.PATIENT if operation in _OF_PATIENT else Role(values.pop("role", Role.PROGRAMMER))
        if operation in {"pending", "history"}:
            return tuple(getattr(self._ledger, operation)(serial))
        session = self._sessions.get((serial, role))
        if session is None:
            raise LinkAway(f"the {role} is not paired with pump {serial}", asked=False)
        if operation == "give_up":
            return session.give_up(values["command"])
        if operation == "interrogate":
            values = {"known": (values["after"], values["digest"])}
        method: Callable[..., Any] = getattr(session, _METHODS.get(operation, operation))
        return self._loop.run_until_complete(method(**values))

    def lay_down(self, home: Home) -> None:
        """Let every pump rest in its folder of a rig, paired anew: a copy of keys is never brought to life."""
        keyring = Keyring(home.ready().link / "keys")
        try:
            for serial in self.serials():
                keys = tuple(new_key(role, serial, 2) for role in ROLES)
                self._ask("lay_down", serial, private_folder(home.pump(serial)), keys)
                for key in keys:
                    keyring.keep(key)
        finally:
            keyring.close()
