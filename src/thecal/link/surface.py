"""What the link needs of a pump: the core with its commands, durable memory, and what the core knows nothing about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from thecal.pump.core.commands import Commands
    from thecal.pump.core.controller import Controller


class Surface(Protocol):
    """A pump as the one who answers for it sees it. Times are pump uptime in seconds."""

    @property
    def controller(self) -> Controller:
        """The running core; another object after each start of the pump."""

    @property
    def commands(self) -> Commands:
        """Its commands."""

    def settle(self) -> None:
        """Make everything durable that was done; only then may it be answered for."""

    def family(self) -> str:
        """The name of its family."""

    def serial(self) -> str:
        """Its serial number."""

    def tubing_nl(self) -> int:
        """Volume of the tubing between reservoir and catheter, in nL."""

    def battery_percent(self) -> int:
        """What is left of the battery, 0 to 100."""

    def document(self) -> bytes:
        """The order document of the running program; empty where there is none."""

    def keep_document(self, document: bytes) -> bool:
        """Store the document of a proposed program beside that of the running one; whether it reads back."""

    def log_piece(self, first: int, most: int) -> tuple[bytes, bytes]:
        """Up to ``most`` records of the log from number ``first`` on, and the digest of the record before them.

        Both are empty where that record is no longer held.
        """

    def test_alarm(self, *, critical: bool) -> None:
        """Sound the tone of an alarm once, so that a patient learns it."""

    def signal(self) -> None:
        """Let the patient hear that somebody talks to the pump in near field."""

    def interrogated(self) -> None:
        """Somebody has read the pump: some pumps log a recovery, or resume delivery, only then."""
