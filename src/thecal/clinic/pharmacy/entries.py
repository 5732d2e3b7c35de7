"""What people type, as values: each entry is read once, and what cannot be read is a refusal at its field."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, TypeVar

from thecal.clinic.pharmacy.refusing import Why, refused
from thecal.quantities import AmountError, Quantity, parse_number

if TYPE_CHECKING:
    from fractions import Fraction

    from thecal.clinic.refused import Refused

Q = TypeVar("Q", bound=Quantity)

FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2199, 12, 31)
"""Days outside are slips of the finger, and beyond what sums of days can hold. Ours."""


@dataclass
class Entered:
    """Reads entries one after the other and collects what is wrong with them."""

    refused: list[Refused] = field(default_factory=list)

    def amount(self, name: str, text: str, kind: type[Q], example: str, *, zero: bool = False) -> Q | None:
        """An amount with its unit; None after a refusal."""
        if not text.strip():
            self._missing(name, f"an amount such as {example}")
            return None
        try:
            found = kind.parse(text.strip())
        except AmountError as wrong:
            self.wrong(
                Why.UNREADABLE,
                f"{text.strip()[:60]!r}: {wrong.problem}",
                f"an amount such as {example}",
                wrong.hint,
                name,
            )
            return None
        if found.value < 0 or (not zero and found.value == 0):
            self.wrong(Why.UNREADABLE, text.strip()[:60], "an amount above zero", "check the number", name)
            return None
        return found

    def day(self, name: str, text: str, *, optional: bool = False) -> date | None:
        """A day as year-month-day; None after a refusal, or where nothing is entered and nothing has to be."""
        if not text.strip():
            if not optional:
                self._missing(name, "a day such as 2026-12-01")
            return None
        try:
            on = date.fromisoformat(text.strip())
        except ValueError:
            on = date.max
        if not FIRST_DAY <= on <= LAST_DAY:
            self.wrong(
                Why.UNREADABLE, repr(text.strip()[:60]), "a day such as 2026-12-01", "enter year, month and day", name
            )
            return None
        return on

    def number(self, name: str, text: str) -> Fraction | None:
        """A plain number; None where nothing is entered or after a refusal."""
        if not text.strip():
            return None
        try:
            return parse_number(text.strip())
        except AmountError as wrong:
            self.wrong(
                Why.UNREADABLE, f"{text.strip()[:60]!r}: {wrong.problem}", "a number such as 4.5", wrong.hint, name
            )
            return None

    def words(self, name: str, text: str, what: str) -> str:
        """Words that have to be there."""
        if not text.strip():
            self._missing(name, what)
        return " ".join(text.split())

    def yes_no(self, name: str, text: str) -> bool | None:
        """Yes or no, chosen by a person; None after a refusal."""
        if text in ("yes", "no"):
            return text == "yes"
        self.wrong(Why.MISSING, "no choice" if not text else repr(text[:60]), "yes or no", "choose one", name)
        return None

    def wrong(self, code: Why, found: str, allowed: str, then: str, name: str) -> None:
        """One more refusal."""
        self.refused.append(refused(code, found, allowed, then, name))

    def _missing(self, name: str, allowed: str) -> None:
        self.wrong(Why.MISSING, "nothing", allowed, "enter it", name)
