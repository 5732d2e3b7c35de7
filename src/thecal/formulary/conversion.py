"""Conversions between drugs and routes: always a range with a warning and a direction, never one number.

Published ratios between routes differ about thirty-fold, so a point value would be an invention
(drug-and-clinical-facts 3). What comes out is a range and which of its ends is the safe one to start from.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

from thecal.quantities import DoseRate, Mass

if TYPE_CHECKING:
    from fractions import Fraction

    from thecal.formulary.limits import Source

Dose = TypeVar("Dose", Mass, DoseRate)


class Route(StrEnum):
    """How a drug is given."""

    ORAL = "oral"
    INTRAVENOUS = "intravenous"
    EPIDURAL = "epidural"
    INTRATHECAL = "intrathecal"


class Operation(StrEnum):
    """What is done with the ratio."""

    DIVIDE = "divide"
    MULTIPLY = "multiply"


class SafeEnd(StrEnum):
    """Which ratio gives the smallest, and so the safe, dose in this direction."""

    HIGHEST_DIVISOR = "highest divisor"
    LOWEST_MULTIPLIER = "lowest multiplier"


@dataclass(frozen=True, slots=True)
class Report:
    """Ratios that one source reports, from ``low`` to ``high``; equal where it reports only one."""

    low: Fraction
    high: Fraction
    text: str
    source: Source


@dataclass(frozen=True, slots=True)
class DoseRange(Generic[Dose]):
    """Doses that published ratios lead to, from ``low`` to ``high`` (never equal), with the warning that goes with it.

    ``safe_end`` says why the low end is the one that does not overdose. It has no middle and is not a number.
    """

    low: Dose
    high: Dose
    safe_end: SafeEnd
    warning: str
    reports: tuple[Report, ...]

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError("a conversion is a range: its low end lies below its high end")


@dataclass(frozen=True, slots=True)
class Conversion:
    """From a drug by one route to a drug by another: the ratios reported, and what to do with them."""

    from_drug: str
    from_route: Route
    to_drug: str
    to_route: Route
    operation: Operation
    reports: tuple[Report, ...]
    warning: str

    def __post_init__(self) -> None:
        if not self.reports or not 0 < self.low_ratio < self.high_ratio:
            raise ValueError("a conversion needs reported ratios that differ: one ratio alone is not a range")

    @property
    def low_ratio(self) -> Fraction:
        """The lowest ratio that any source reports."""
        return min(r.low for r in self.reports)

    @property
    def high_ratio(self) -> Fraction:
        """The highest ratio that any source reports."""
        return max(r.high for r in self.reports)

    @property
    def safe_end(self) -> SafeEnd:
        """The ratio that gives the smallest dose: the highest divisor, or the lowest multiplier."""
        return SafeEnd.HIGHEST_DIVISOR if self.operation is Operation.DIVIDE else SafeEnd.LOWEST_MULTIPLIER

    def of(self, dose: Dose) -> DoseRange[Dose]:
        """The range of doses by the other route; ValueError for a dose that is not more than zero."""
        if dose.value <= 0:
            raise ValueError(f"a dose of {dose.value} cannot be converted: it has to be more than zero")
        if self.operation is Operation.DIVIDE:
            low, high = dose * (1 / self.high_ratio), dose * (1 / self.low_ratio)
        else:
            low, high = dose * self.low_ratio, dose * self.high_ratio
        return DoseRange(low, high, self.safe_end, self.warning, self.reports)
