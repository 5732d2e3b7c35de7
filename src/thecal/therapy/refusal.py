"""How this room says no: a value with a code, what was found, what is allowed, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING

from thecal.quantities import number_text

if TYPE_CHECKING:
    from datetime import date, datetime

    from thecal.quantities import Quantity


class Code(StrEnum):
    """Why a piece of arithmetic has no answer."""

    UNKNOWN = "unknown"
    NEVER = "never"
    BEYOND_CALENDAR = "beyond the calendar"
    BELOW_FLOOR = "below the lowest dose"
    ABOVE_CEILING = "above the highest dose"
    FIXED_FLOW = "fixed flow"
    FROM_ZERO = "change from zero"
    LEAD_TOO_LONG = "lead longer than the interval"
    NOT_POSITIVE = "not more than zero"
    MORE_THAN_DISPENSED = "more than dispensed"
    MORE_THAN_RESERVOIR = "more than the reservoir holds"
    NO_ROOM = "no room left"
    TRIM_OUT_OF_RANGE = "trimmed length out of range"
    BRIDGE_INCONSISTENT = "bridge does not add up"
    STEP_TOO_BIG = "step too big"
    TOO_SOON = "too soon"
    TOO_MANY_PER_WEEK = "too many increases in 7 days"
    ABOVE_MAXIMUM = "above the maximum"
    NOT_AN_INCREASE = "not an increase"
    PREVIOUS_DOSE = "previous dose after a gap"
    DILUTED = "diluted first fill"
    NO_STOCK = "no stock"
    STOCK_TOO_WEAK = "stock too weak"
    OUT_OF_ORDER = "out of order"
    DOES_NOT_ADD_UP = "does not add up"
    AFTER_END_OF_SERVICE = "after the end of service"


@dataclass(frozen=True, slots=True)
class Refusal:
    """No answer, and why: ``found`` and ``allowed`` name the amounts, ``then`` says what to do next."""

    code: Code
    found: str
    allowed: str
    then: str

    @property
    def message(self) -> str:
        """One line for a person."""
        return f"found {self.found}; allowed: {self.allowed}; next: {self.then}"


SIGNIFICANT = 4  # digits of a bound in a message, as quantities prints them


def _step(number: Fraction) -> Fraction:
    """The last place that ``SIGNIFICANT`` digits of a number reach; ones where its whole part has that many or more."""
    step = Fraction(1)
    while number and number < step * 10 ** (SIGNIFICANT - 1):
        step /= 10
    return step


def at_most_text(amount: Quantity, unit: str) -> str:
    """An upper bound for the eye: rounded down, so that what is printed is allowed too."""
    number = amount.number(unit)
    step = _step(number)
    return f"{number_text((number // step) * step, SIGNIFICANT)} {unit}"


def at_least_text(amount: Quantity, unit: str) -> str:
    """A lower bound for the eye: rounded up, so that what is printed is allowed too."""
    number = amount.number(unit)
    step = _step(number)
    return f"{number_text(-(-number // step) * step, SIGNIFICANT)} {unit}"


def day_text(day: date) -> str:
    """A date with the month spelled, so that day and month cannot be taken for each other: 5 Feb 2027."""
    return f"{day.day} {day:%b %Y}"


def minute_text(moment: datetime) -> str:
    """A moment to the minute, with the month spelled and the hour out of 24: 5 Feb 2027 09:30."""
    return f"{day_text(moment)} {moment:%H:%M}"


def moment_text(moment: datetime) -> str:
    """A moment to the second, with the month spelled and the hour out of 24: 5 Feb 2027 09:30:00."""
    return f"{day_text(moment)} {moment:%H:%M:%S}"
