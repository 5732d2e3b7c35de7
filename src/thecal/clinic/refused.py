"""What the clinic says instead of doing something: what was found, what is allowed, what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Refused:
    """One reason why something was not done. Nothing was written when one is returned.

    ``code`` is of a closed set that belongs to the module which refuses; ``field`` names the entry of a form that it is
    about, as dots and numbers ("program.steps.2.dose"), and is empty where it is about the whole.
    """

    code: StrEnum
    found: str
    allowed: str
    then: str
    field: str = ""

    @property
    def message(self) -> str:
        """All of it in one line."""
        allowed = f"; allowed: {self.allowed}" if self.allowed else ""
        return f"found {self.found}{allowed}; next: {self.then}"


class EditedMeanwhile(Exception):  # noqa: N818 - one of the ends of a transaction, not a fault of the program
    """Somebody else changed the same thing since it was read: the whole transaction is given up, nothing is written.

    ``what`` names it for a person, ``seen`` and ``now`` are the revisions.
    """

    def __init__(self, what: str, seen: int, now: int) -> None:
        super().__init__(
            f"found {what} changed by somebody else meanwhile (you saw revision {seen}, it is now {now}); "
            "allowed: a change of what is there now; next: look at the new one, then make your change again"
        )
        self.what, self.seen, self.now = what, seen, now
