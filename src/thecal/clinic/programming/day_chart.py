"""The dose of each hour of a day, as it runs and as proposed: the numbers of the chart of 24 h (features 19 and 20).

Exact totals of each hour; the scale is tied to the ceiling of 1 h or to the plan, never to what is drawn (rule C5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thecal.clinic.programming.planned import planned_mass
from thecal.quantities import Mass, exact_number_text, number_text
from thecal.therapy.pattern import Pattern, pattern_of
from thecal.therapy.program import DAY_S
from thecal.therapy.wording import clock_text, day_groups, weekdays_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thecal.formulary import Drug, Formulary
    from thecal.therapy.order import Order

HOUR_S = 3600
OVER_PLAN = 4
"""Where no ceiling is stated, the scale reaches this many times the planned dose of an hour. Ours."""


@dataclass(frozen=True, slots=True)
class HourDose:
    """One hour of the pump clock: what runs gives in it and what is proposed, as text; None where nothing is known."""

    start_s: int
    clock: str
    current: str | None
    proposed: str


@dataclass(frozen=True, slots=True)
class DayChart:
    """One group of days. ``top`` is the number at the top of the scale, ``scale`` says why; ``above`` what lies above
    it.
    """

    days: str
    drug: str
    unit: str
    top: str
    scale: str
    rows: tuple[HourDose, ...]
    above: str


def hourly(order: Order, weekday: int) -> tuple[Mass, ...]:
    """The base of the primary ingredient in each hour of a weekday (Monday = 0); nothing where it has no total."""
    pattern = pattern_of(order.program.base, order.mixture, order.pump.minimum_rate)
    if not isinstance(pattern, Pattern):
        return ()
    starts = range(weekday * DAY_S, (weekday + 1) * DAY_S, HOUR_S)
    return tuple(pattern.between(start, start + HOUR_S) for start in starts)


def day_charts(
    current: Order | None, proposed: Order, plan: Sequence[str], formulary: Formulary
) -> tuple[DayChart, ...]:
    """One chart for each group of days of the proposed program, in the unit of its primary ingredient."""
    drug = formulary.drug(proposed.mixture.primary.drug)
    top, why = _top(current, proposed, plan, drug)
    same = current is not None and current.mixture.primary.drug == drug.code
    charts = []
    for days in day_groups(proposed.program):
        new = hourly(proposed, min(days))
        old = hourly(current, min(days)) if current is not None and same else ()
        if new:
            charts.append(_chart(weekdays_text(days), drug, (old, new), top or max(new), why))
    return tuple(charts)


def _chart(days: str, drug: Drug, doses: tuple[Sequence[Mass], Sequence[Mass]], top: Mass, why: str) -> DayChart:
    unit, (old, new) = drug.dose_unit, doses
    rows = tuple(
        HourDose(h * HOUR_S, clock_text(h * HOUR_S), old[h].text(unit) if old else None, mass.text(unit))
        for h, mass in enumerate(new)
    )
    over = [f"{row.proposed} from {row.clock}" for row, mass in zip(rows, new, strict=True) if mass > top]
    above = f"Above the scale: {over[0]}{f', and {len(over) - 1} more hours' if len(over) > 1 else ''}" if over else ""
    number = number_text(top.number(unit), 4).replace(",", "")
    return DayChart(days, drug.display_name, unit, number, f"0 to {top.text(unit)} in 1 h, {why}", rows, above)


def _top(current: Order | None, proposed: Order, plan: Sequence[str], drug: Drug) -> tuple[Mass | None, str]:
    for order, whose in ((proposed, "the ceiling ordered"), (current, "the ceiling that holds now")):
        ceiling = None if order is None else order.program.ceiling(drug.code)
        if ceiling is not None:
            return ceiling.per_1h, whose
    planned = [mass for mass in (planned_mass("plan", text) for text in plan) if isinstance(mass, Mass) and mass]
    if planned:
        return max(planned) / 24 * OVER_PLAN, f"{OVER_PLAN} times the plan"
    return None, "the highest hour: no ceiling and no plan are stated"


def drawing_scale(running: Order | None, ceiling_1h: str, plan: Sequence[str], drug: Drug) -> tuple[str, str] | None:
    """Top of the scale on which steps are drawn, in the drug's unit per h, and why; None where nothing ties it."""
    top: Mass | None = None
    why = "the ceiling of 1 h"
    typed = planned_mass("ceiling", ceiling_1h)
    if isinstance(typed, Mass) and typed:
        top = typed
    elif running is not None and (held := running.program.ceiling(drug.code)) is not None:
        top, why = held.per_1h, "the ceiling of 1 h that holds now"
    else:
        planned = [m for m in (planned_mass("plan", text) for text in plan) if isinstance(m, Mass) and m]
        if planned:
            top, why = max(planned) / 24 * OVER_PLAN, f"{OVER_PLAN} times the plan"
    if top is None:
        return None
    try:
        return exact_number_text(top.number(drug.dose_unit)).replace(",", ""), why
    except ValueError:
        return number_text(top.number(drug.dose_unit), 6).replace(",", ""), why
