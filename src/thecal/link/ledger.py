"""What a client must never forget: the number of every command, and every command whose outcome is not known.

A command is written down before it is sent (promise 10). Everything here is durable when the method returns, and what
was written is never edited but by ``resolve``, once.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from thecal.link.roles import Role

Value = int | bool | bytes | str
"""What a field of a message holds."""

NO_ANSWER = 255
"""In place of a code of the core, where the pump gave none."""

NO_RECORD = -1
"""In place of a number of the log, where the pump was not read before."""


class Outcome(StrEnum):
    """What became of a command."""

    NOT_KNOWN = "not known"
    GRANTED = "granted"
    REFUSED = "refused"
    NEVER = "never arrived"  # and never will: withdrawn, or certain not to have left
    ASSUMED = "counted as more drug"  # it could not be found out: of done and not done, the one with more drug


@dataclass(frozen=True, slots=True)
class Pending:
    """One numbered command as it was written down, and what is known of its outcome.

    ``command`` is its number, unique for a pump and role; ``fields`` is its payload; ``log_records`` is how many
    records the pump's log had before it was sent (NO_RECORD where that was not read). ``answer`` is a code of the core,
    NO_ANSWER where the pump gave none; ``wait_s`` belongs to it; ``said`` tells a person what was found. Times are
    UTC as text, from the clock of the client; ``resolved_utc`` is empty while the outcome is not known.
    """

    serial: str
    role: Role
    command: int
    path: str
    fields: Mapping[str, Value]
    written_utc: str
    log_records: int = NO_RECORD
    outcome: Outcome = Outcome.NOT_KNOWN
    answer: int = NO_ANSWER
    wait_s: int = 0
    said: str = ""
    resolved_utc: str = ""


class Ledger(Protocol):
    """The durable record of one client. A method that cannot make its work durable raises, and nothing is sent."""

    def next_command(self, serial: str, role: Role, newest_at_pump: int) -> int:
        """A number that was never given out before for this pump and role, above every one that was.

        It is also above ``newest_at_pump`` (0 where the pump was not read). It is stored ahead: after a crash the
        next one is higher still.
        """

    def write_down(self, pending: Pending) -> None:
        """Keep a command that is about to be sent; ValueError where its number is already written down."""

    def pending(self, serial: str) -> list[Pending]:
        """Every command of this pump, of whatever role, whose outcome is not known, in the order written."""

    def resolve(self, resolved: Pending) -> None:
        """Keep what became of a command: ``resolved`` is the one written down, with outcome, answer and time.

        ValueError where it is not written down, is resolved already, or the outcome is not known.
        """

    def history(self, serial: str) -> list[Pending]:
        """Every command of this pump that was ever written down, in the order written."""
