"""The plan: how much of the primary ingredient 24 h are to give, entered before the program and held against it.

A dose for each day that was entered for each hour is 24 times its plan (ISMP, baclofen): the plan is what shows it
where nothing ran before. Totals are exact; the tolerance and the reasons for soft findings are in ``rules.toml``.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from thecal.clinic.refused import Refused
from thecal.quantities import AmountError, Mass, number_text, parse_number, percent_text
from thecal.therapy.doses import Totals, totals
from thecal.therapy.program import RepeatedDoses
from thecal.therapy.refusal import Refusal
from thecal.therapy.review.finding import apart
from thecal.therapy.wording import day_groups, weekdays_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from thecal.formulary import Formulary
    from thecal.therapy.order import Order

_FILE = Path(__file__).with_name("rules.toml")


class Unplanned(StrEnum):
    """What can be wrong between a plan and the program."""

    PLAN_MISSING = "plan missing"
    PLAN_UNREADABLE = "plan cannot be read"
    TOTAL_DIFFERS = "total differs from the plan"


@dataclass(frozen=True, slots=True)
class Rules:
    """How far a total may lie from its plan, as a part of it, who says so, and the reasons that are offered."""

    tolerance: Fraction
    by: str
    verified: bool
    reasons: tuple[str, ...]

    @property
    def said_by(self) -> str:
        """Whose tolerance it is, and whether it was read in a source."""
        return self.by if self.verified else f"{self.by}, not verified"


@cache
def rules() -> Rules:
    """The rules of ``rules.toml``."""
    read = tomllib.loads(_FILE.read_text("utf-8"))
    plan = read["plan"]
    by = f"{plan['authority']}, {plan['edition']}"
    return Rules(parse_number(plan["tolerance_percent"]) / 100, by, plan["verified"], tuple(read["soft"]["reasons"]))


def against_plan(order: Order, plan: Sequence[str], formulary: Formulary) -> tuple[Refused, ...]:
    """Every group of days whose base total is not what was planned for it, within the tolerance; all of them are hard.

    ``plan`` has one amount as text for each group of days of the program, the one with the earliest day first; where
    doses are repeated on a background, one more for the repeated doses alone.
    """
    found = totals(order.program, order.mixture, order.pump)
    if isinstance(found, Refusal):
        return ()  # the review says why there is no total
    drug = formulary.drug(order.mixture.primary.drug)
    given = _given(order, found[0])
    texts = [*plan, *[""] * len(given)]
    return tuple(
        refused
        for number, (of_what, total) in enumerate(given)
        for refused in _held(f"plan.{number}", texts[number], total, of_what, drug.dose_unit)
    )


def _given(order: Order, found: Totals) -> list[tuple[str, Mass]]:
    """What is held against the plan: the base of each group of days, and repeated doses by themselves."""
    base, groups = order.program.base, day_groups(order.program)
    given = [("" if len(groups) == 1 else f", {weekdays_text(d)}", found.by_weekday[min(d)]) for d in groups]
    if isinstance(base, RepeatedDoses) and base.background:
        given.append((f" of repeated doses, {base.times_per_day:,} times a day", base.dose * base.times_per_day))
    return given


def _held(field: str, text: str, total: Mass, of_what: str, unit: str) -> Iterator[Refused]:
    planned = planned_mass(field, text, of_what)
    if isinstance(planned, Refused):
        yield planned
        return
    off = total - planned
    if abs(off) <= planned * rules().tolerance:
        return
    digits = apart(total, planned, unit)
    yield Refused(
        Unplanned.TOTAL_DIFFERS,
        f"{total.text(unit, digits)} in 24 h{of_what}{_times(total, planned)}",
        f"the plan, {planned.text(unit, digits)}, within {percent_text(rules().tolerance)} ({rules().said_by})",
        "check whether a dose for each day was entered for each hour, then correct the program or the plan",
        field,
    )


def _times(total: Mass, planned: Mass) -> str:
    if not planned:
        return ", where nothing is planned"
    times = total / planned
    return f", {number_text(times)} times the plan" if times >= 2 or times <= Fraction(1, 2) else ""


def planned_mass(field: str, text: str, of_what: str = "") -> Mass | Refused:
    """The amount of a plan as somebody wrote it."""
    if not text.strip():
        allowed = "the dose of 24 h that is meant, without boluses, as in 1.4 mg"
        return Refused(Unplanned.PLAN_MISSING, f"no planned total{of_what}", allowed, "enter the plan first", field)
    try:
        return Mass.parse(text.strip())
    except AmountError as wrong:
        return Refused(Unplanned.PLAN_UNREADABLE, f"{wrong.found}: {wrong.problem}", wrong.hint, "correct it", field)
