"""Asking the rig and the link service, and ending the command in words where they say no or do not answer."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from thecal.cli.answer import Answer
from thecal.cli.ended import Ended
from thecal.cli.exits import Exit
from thecal.cli.figures import for_people
from thecal.link.outcome import Denial
from thecal.link.talk import Arm, Result
from thecal.link.talk import Why as TalkWhy
from thecal.rig.connect import connect
from thecal.rig.exchange import addresses
from thecal.rig.home import find
from thecal.rig.host import InUseError
from thecal.rig.ledger import LedgerError
from thecal.rig.local import LocalClient, UnreachableError, answers
from thecal.rig.refusal import Refusal, Why
from thecal.rig.wire import plain, told

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console

    from thecal.rig.connect import Link
    from thecal.rig.home import Home

CORRECT = "correct it and run the command again"
KEEP_SESSION = (
    "nothing here remembers what is proposed: start what does, thecal link run (thecal pump run does it by itself), "
    "and propose again; or propose with --confirm"
)
_CODES = {
    Why.NOT_RUNNING: Exit.NOT_REACHED,
    Why.BUSY: Exit.NOT_REACHED,
    Why.IN_USE: Exit.NOT_REACHED,
    Why.NO_KEY: Exit.NOT_REACHED,
    Why.CANNOT: Exit.PUMP_REFUSED,
    Why.WRONG_CLOCK: Exit.PUMP_REFUSED,
    Why.DEFECT: Exit.INTERNAL,
}
_ARMS = {
    Arm.GRANTED: Exit.GO_ON,
    Arm.REFUSED: Exit.PUMP_REFUSED,
    Arm.BLOCKED: Exit.STOPPED,
    Arm.NOT_REACHED: Exit.NOT_REACHED,
    Arm.NOT_KNOWN: Exit.NOT_KNOWN,
}
_PARTS = re.compile(
    r"(?:found )?(?P<found>.+?)(?:[;:] allowed(?::| is) (?P<allowed>.+?))?(?:; next: (?P<then>.+))?", re.DOTALL
)


def ended(exit_: Exit, found: str, allowed: str, then: str) -> Ended:
    """The end of a command, with what was found, what is allowed and what to do next."""
    body = {"problems": [{"code": exit_.word, "found": found, "allowed": allowed, "next": then}]}

    def show(console: Console) -> None:
        from thecal.cli.console import marked

        marked(console, "found:  ", for_people(found))
        if allowed:
            marked(console, "allowed:", for_people(allowed))
        marked(console, "next:   ", then)

    return Ended(Answer(exit_, body, show, on_stderr=True))


def ended_by(exit_: Exit, said: object, then: str = CORRECT) -> Ended:
    """The same from one message of another room, "found ...; allowed: ...; next: ..."; ``then`` where it has none."""
    parts = _PARTS.fullmatch(str(said))
    assert parts is not None, "a message that says nothing"  # noqa: S101 -- every one has at least one character
    return ended(exit_, parts["found"], parts["allowed"] or "", parts["then"] or then)


@dataclass(frozen=True, slots=True)
class At:
    """The pump that a command is about, the home where it is looked for, and whether a link service runs there.

    Without one the command is the service itself, and what it remembers of the pump ends with it.
    """

    home: Home
    serial: str
    service: bool = False

    def near(self) -> bool:
        """Whether something is held over the pump now."""
        return "near" in addresses(self.home, self.serial)

    def next_step(self, role: str = "programmer") -> str:
        """What to do so that ``role`` reaches the pump."""
        if self.serial not in self.home.serials():
            here = ", ".join(self.home.serials())
            made = f"thecal pump new {self.serial} --family bench-20"
            return f"check the serial number; pumps here: {here}" if here else f"make it: {made}"
        if not answers(self.home.rig_socket):
            return "let the pumps run: thecal pump run"
        if not addresses(self.home, self.serial):
            return f"see thecal pump list; where it has no power: thecal pump power {self.serial} --on"
        if not self.near():
            return f"hold the {role} over the pump: thecal pump near {self.serial}; then run the command again"
        return f"read the pump: thecal programmer read {self.serial}; then run the command again"


def pump_at(given: Path | None, serial: str) -> At:
    """A pump of the home that the option names; Ended where the serial number can name none."""
    home = home_at(given)
    try:
        home.pump(serial)
    except ValueError as wrong:
        raise ended_by(Exit.USAGE, wrong) from wrong
    return At(home, serial, answers(home.service_socket))


def home_at(given: Path | None) -> Home:
    """The home that the option names, else the environment, else the user's data folder."""
    return find(given)


class World:
    """The rig of a home, as its owner asks it."""

    def __init__(self, home: Home) -> None:
        self._client = LocalClient(home.rig_socket)

    def ask(self, operation: str, **fields: Any) -> dict[str, Any]:
        """One operation of the owner; Ended where it is refused, or no rig runs."""
        try:
            found = self._client.ask(operation, **fields)
        except UnreachableError as gone:
            if gone.asked:
                then = "look what became of it: thecal pump list"
                raise ended(Exit.NOT_KNOWN, "the rig ended, or is busy, while it was asked", "", then) from gone
            then = "start it: thecal pump run"
            raise ended(Exit.NOT_REACHED, "no rig runs pumps here", "a running rig", then) from gone
        return _sound(found, _world_next(found))


def _world_next(found: dict[str, Any] | Refusal) -> str:
    """What to do next where the rig itself names nothing better than to correct the request."""
    match found:
        case Refusal(why=Why.UNKNOWN_PUMP):
            return "name one of them; thecal pump list shows all of this home"
        case Refusal(why=Why.WRONG_CLOCK):
            return "end the rig and start it again: thecal pump run --test-clock"
        case Refusal(then=then) if then != _NO_ADVICE:
            return then
    return CORRECT


_NO_ADVICE = Refusal(Why.CANNOT, "", "").then


def _sound(found: dict[str, Any] | Refusal, then: str) -> dict[str, Any]:
    if not isinstance(found, Refusal):
        return found
    exit_ = _CODES.get(found.why, Exit.USAGE)
    if not found.allowed:
        raise ended_by(exit_, found.found, then)
    raise ended(exit_, found.found, found.allowed, then)


class Asked:
    """The link service of a home, as a command asks it."""

    def __init__(self, home: Home, link: Link) -> None:
        self._home = home
        self._link = link

    def plain(self, operation: str, **fields: Any) -> dict[str, Any]:
        """One operation; its answer as JSON. Ended where it is refused or nobody answers."""
        try:
            found = self._link.ask(operation, **fields)
        except UnreachableError as gone:
            then = "look with thecal programmer pending SERIAL before asking again"
            raise ended(Exit.NOT_KNOWN, "the link service ended while it was asked", "", then) from gone
        except InUseError as held:
            raise ended_by(Exit.NOT_REACHED, held, "wait until that process has ended") from held
        except LedgerError as wrong:
            raise ended_by(Exit.FILE_REFUSED, wrong) from wrong
        if isinstance(found, Refusal) and found.why is Why.NO_KEY:
            role = "patient" if operation == "bolus" else fields.get("role", "programmer")
            return _sound(found, self._pairing(fields["serial"], role))
        return _sound(found, _world_next(found))

    def _pairing(self, serial: str, role: str) -> str:
        at = At(self._home, serial)
        if serial in self._home.serials() and answers(self._home.rig_socket):
            return f"pair them: thecal pump pair {serial} {role}"
        return at.next_step()

    def told(self, operation: str, **fields: Any) -> Any:
        """One operation; its answer as the link's own type."""
        return told(self.plain(operation, **fields))


@contextmanager
def asking(home: Home) -> Iterator[Asked]:
    """The link service that runs, or this command for as long as it lasts."""
    with connect(home) as link:
        yield Asked(home, link)


def of_result(result: Result, at: At, *more: str, role: str = "programmer", then: str = "") -> Answer:
    """How a command to a pump ended, with what else has to be said and what comes ``then``."""
    next_ = _next_of(result, at, role) or then
    said = _sentence(result, at, cut=bool(next_))

    def show(console: Console) -> None:
        from thecal.cli.console import line, marked
        from thecal.cli.pump_view import show_mode, show_state

        still = result.status is not None and not result.status.delivering
        if result.status is not None and still:
            show_mode(console, result.status)
        style = "bold green" if result.arm is Arm.GRANTED else "bold red"
        marked(console, f"{result.arm.upper()}:", said, style=style)
        for text in more:
            marked(console, "!", text, style="bold")
        if result.arm is Arm.NOT_KNOWN:
            line(console, "It is written down. Nothing that changes delivery is sent until it is resolved.")
        if next_:
            marked(console, "Next:", next_)
        if result.status is not None:
            console.print()
            show_state(console, result.status, mode_shown=still)

    body = {"result": plain(result), "notes": list(more), "next": next_}
    return Answer(_ARMS[result.arm], body, show)


def _sentence(result: Result, at: At, *, cut: bool) -> str:
    """What the link says, in a sentence; its own next step is ``cut`` where there is a better one."""
    said = result.said.removesuffix(": granted") if result.arm is Arm.GRANTED else result.said
    if cut:
        said = re.sub(r"; next: .*", "", said)
    if not at.near():
        said = said.replace(Denial.FORBIDDEN.value, "only in near field, and nothing is held over the pump")
    return f"{for_people(said)}."


def _next_of(result: Result, at: At, role: str) -> str:  # noqa: PLR0911 -- one for each end
    """What the end of a command asks for, whatever command it was."""
    resolve = f"thecal programmer resolve {at.serial} --role {role}".removesuffix(" --role programmer")
    read = f"thecal programmer read {at.serial}"
    match result.arm, result.why:
        case Arm.NOT_KNOWN, _:
            return f"as soon as the pump can be reached: {resolve}"
        case Arm.NOT_REACHED, _:
            return at.next_step(role)
        case Arm.BLOCKED, TalkWhy.NOT_KNOWN:
            return f"see it: thecal programmer pending {at.serial}; resolve it: {resolve}"
        case Arm.BLOCKED, TalkWhy.STALE | TalkWhy.NOT_READ:
            return f"look at the pump: {read}; then run the command again"
        case Arm.BLOCKED, TalkWhy.NOT_PROPOSED:
            return f"propose it again: thecal programmer propose {at.serial} ORDER.toml" if at.service else KEEP_SESSION
        case Arm.REFUSED, _ if result.wait_s == 0:
            return f"{read} shows the program, the alarms and the log"
        case _:
            return ""
