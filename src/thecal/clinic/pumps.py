"""The one way from the clinic to a pump: operations of the link service, and the link's own words for how they ended.

Nothing here decides anything. Who owns keys and sequence numbers is the link service; whoever runs the clinic hands
over a way to ask it (``Ask``).
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Protocol, cast

from thecal.link.interrogation import FROM_THE_START
from thecal.link.roles import Role

if TYPE_CHECKING:
    from thecal.link.interrogation import Interrogation
    from thecal.link.ledger import Pending
    from thecal.link.reading import Status
    from thecal.link.talk import Result
    from thecal.link.therapy_change import Proposal


class LinkAway(Exception):  # noqa: N818 - one of the ends of asking, not a fault of the program
    """The link service could not be asked, or does not know this pump. ``asked``: something may have been done."""

    def __init__(self, message: str, *, asked: bool) -> None:
        super().__init__(message)
        self.asked = asked


class Ask(Protocol):
    """One operation of the link service."""

    def __call__(self, operation: str, **fields: object) -> Any:
        """The link's own type (``rig.wire.KINDS``); LinkAway where nobody answers."""


class Pumps:
    """Pumps, as the clinic asks them. Every method may raise LinkAway."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def status(self, serial: str) -> Status | Result:
        """What the pump does now."""
        return cast("Status | Result", self._ask("status", serial=serial))

    def interrogate(self, serial: str, known: tuple[int, bytes] = FROM_THE_START) -> Interrogation | Result:
        """Everything the pump holds, its log from behind ``known`` on."""
        after, digest = known
        return cast(
            "Interrogation | Result", self._ask("interrogate", serial=serial, after=after, digest=_text(digest))
        )

    def propose(self, serial: str, program: bytes, document: bytes, patient: bytes) -> Proposal | Result:
        """Bring a program and read it back; the running one is untouched."""
        fields = {"program": _text(program), "document": _text(document), "patient": _text(patient)}
        return cast("Proposal | Result", self._ask("propose", serial=serial, **fields))

    def confirm(self, serial: str, digest: bytes) -> Result:
        """Confirm what was read back."""
        return cast("Result", self._ask("confirm", serial=serial, digest=_text(digest)))

    def command(self, operation: str, serial: str, **fields: object) -> Result:
        """start, stop, single, prime, refill, clock, acknowledge, clear, alarm_test, with the catalogue's fields."""
        return cast("Result", self._ask(operation, serial=serial, **fields))

    def resolve(self, serial: str, role: Role = Role.PROGRAMMER) -> tuple[Pending, ...] | Result:
        """Ask the pump what became of commands that are not known."""
        return cast("tuple[Pending, ...] | Result", self._ask("resolve", serial=serial, role=role.value))

    def give_up(self, serial: str, command: int, role: Role = Role.PROGRAMMER) -> Result:
        """Count a command that can never be found out as the arm with more drug."""
        return cast("Result", self._ask("give_up", serial=serial, role=role.value, command=command))

    def pending(self, serial: str) -> tuple[Pending, ...]:
        """Commands whose outcome is not known."""
        return cast("tuple[Pending, ...]", self._ask("pending", serial=serial))

    def history(self, serial: str) -> tuple[Pending, ...]:
        """Every command ever written down for this pump."""
        return cast("tuple[Pending, ...]", self._ask("history", serial=serial))

    def pair(self, serial: str, role: Role) -> None:
        """Have a pump make a new key for a role; the one that the role had before ends."""
        self._ask("pair", serial=serial, role=role.value)

    def paired(self, serial: str) -> tuple[Role, ...]:
        """The roles that have a key of a pump."""
        found = self._ask("paired")["paired"]
        return tuple(Role(row["role"]) for row in found if row["serial"] == serial)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
