"""Doses, boluses and concentrations against what the authorities state: above, below, and where nobody speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.formulary import LimitKind, Population, PumpKind
from thecal.quantities import Mass, percent_text
from thecal.therapy.program import DAY, RepeatedDoses
from thecal.therapy.review.bounds import Bound, above, below, highs, lows
from thecal.therapy.review.finding import Code, percent, ratios_apart, said
from thecal.therapy.review.policy import find
from thecal.therapy.review.rules import rules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from thecal.quantities import DoseRate
    from thecal.therapy.doses import Totals
    from thecal.therapy.review.facts import Case, Part
    from thecal.therapy.review.finding import Finding


def check(case: Case) -> Iterator[Finding]:
    """Every limit of every ingredient."""
    for part, totals in case.dosed:
        yield from _daily(case, part, totals)
        yield from _start(case, part, totals)
        yield from _low(case, part, totals)
    for part in case.parts:
        yield from _concentration(part)
        yield from _boluses(case, part)
        yield from _nobody_says(part)
    yield from _share(case)


def _per_day(mass: Mass) -> DoseRate:
    return mass / DAY


def _daily(case: Case, part: Part, totals: Totals) -> Iterator[Finding]:
    bounds = tuple(b for b in highs(part.drug.max_daily_dose) if b.counts(case.patient))
    window = totals.worst_24h
    yield from above(Code.DAILY_DOSE_ABOVE, part, "per 24 h, base alone", _per_day(window.base), bounds)
    if window.total > window.base:
        what = "per 24 h with every allowed bolus and the single boluses"
        base = f" (base alone {_per_day(window.base).text(part.drug.rate_unit)})"
        yield from above(Code.DAILY_DOSE_ABOVE_WITH_BOLUSES, part, what, _per_day(window.total), bounds, after=base)


def _start(case: Case, part: Part, totals: Totals) -> Iterator[Finding]:
    bounds = tuple(b for b in highs(part.drug.starting_dose) if _is_start_bound(b, case, part))
    yield from above(Code.START_DOSE_ABOVE, part, "first dose per 24 h", _per_day(totals.worst_24h.base), bounds)
    yield from _after_screening(part, totals)


def _after_screening(part: Part, totals: Totals) -> Iterator[Finding]:
    """A first dose that follows from a screening dose, which the order does not hold (drug-and-clinical-facts 2.3)."""
    rule, base = part.drug.start_rule, _per_day(totals.worst_24h.base)
    if not part.starting or rule is None or base.value <= 0:
        return
    steps = [step for ladder in part.drug.trial_ladders for step in ladder.steps]
    if steps:
        text = f"{rule.multiple} times the largest screening dose"
        most = Bound(_per_day(max(steps) * rule.multiple), LimitKind.LABEL, rule.source, None, text)
        yield from above(Code.START_DOSE_ABOVE, part, "first dose per 24 h", base, (most,))
    yield find(
        Code.SCREENING_DOSE_UNKNOWN,
        f"{part.name} first dose after screening",
        said("no screening dose in the order"),
        said(f"at most {rule.multiple} times the screening dose that worked"),
        "check the first dose against the screening record",
        drug=part.drug.code,
        source=rule.source,
    )


def _is_start_bound(bound: Bound[DoseRate], case: Case, part: Part) -> bool:
    if part.starting:
        return bound.counts(case.patient)
    return bound.population is Population.OPIOID_NAIVE and case.patient.opioid_naive is True


def _low(case: Case, part: Part, totals: Totals) -> Iterator[Finding]:
    """A start below what each authority starts with, or any dose below everything that was ever stated or observed."""
    total = _per_day(totals.worst_24h.total)
    starts = [b for b in lows(part.drug.starting_dose) if b.holds(case.patient)]
    observed = [b for b in lows(d for d in part.drug.max_daily_dose if not d.kind.binds) if b.holds(case.patient)]
    if total.value <= 0 or not (starts or observed):
        return
    lowest = min((*starts, *observed), key=lambda b: b.amount)
    if total * rules().tenfold.value <= lowest.amount:
        yield from below(Code.DAILY_DOSE_TENFOLD_LOW, part, "per 24 h, a tenth or less", total, (lowest,))
    else:
        bounds = starts if part.starting and starts else (lowest,)
        yield from below(Code.DAILY_DOSE_BELOW, part, "per 24 h with every allowed bolus", total, bounds)


def _concentration(part: Part) -> Iterator[Finding]:
    def inside(pump: PumpKind | None) -> bool:
        return pump in (None, PumpKind.INTERNAL)

    most = highs(c for c in part.drug.max_concentration if inside(c.pump))
    least = lows(c for c in part.drug.min_concentration if inside(c.pump))
    yield from above(
        Code.CONCENTRATION_ABOVE, part, "concentration", part.concentration, most, then="order a weaker mixture"
    )
    yield from below(Code.CONCENTRATION_BELOW, part, "concentration", part.concentration, least)


def _boluses(case: Case, part: Part) -> Iterator[Finding]:
    """The largest bolus against single trial doses: no source gives limits for a bolus from an implanted pump."""
    program, mixture = case.program, case.order.mixture
    named = [("single bolus", b.dose) for b in program.single_boluses]
    if program.patient_bolus is not None:
        named.append(("patient bolus", program.patient_bolus.dose))
    if isinstance(program.base, RepeatedDoses):
        named.append(("repeated dose", program.base.dose))
    if not named:
        return
    name, dose = max(named, key=lambda pair: pair[1])
    bounds = tuple(b for b in highs(part.drug.trial_bolus) if b.may_hold(case.patient))
    what = f"{name} against trial doses"
    yield from above(Code.BOLUS_ABOVE_TRIAL, part, what, mixture.follow(part.drug.code, dose), bounds)


def _nobody_says(part: Part) -> Iterator[Finding]:
    if not any(limit.kind.binds and limit.high is not None for limit in part.drug.max_daily_dose):
        yield find(
            Code.NO_DAILY_LIMIT,
            f"{part.name} per 24 h",
            said("no limit in the formulary"),
            said("a limit with its authority"),
            "say what the dose is judged by, and set the ceilings by it",
            drug=part.drug.code,
        )
    if not any(limit.kind is not LimitKind.OBSERVED for limit in part.drug.max_concentration):
        yield find(
            Code.NO_CONCENTRATION_LIMIT,
            f"{part.name} concentration",
            said("no limit in the formulary"),
            said("a limit with its authority"),
            "ask the pharmacy what the concentration is judged by",
            drug=part.drug.code,
        )


def _share(case: Case) -> Iterator[Finding]:
    """The size of a patient bolus beside the base of a day (device-facts 2)."""
    part, bolus = case.primary, case.program.patient_bolus
    if part is None or part.totals is None or bolus is None or part.totals.average <= Mass.zero():
        return
    share, usual, factor = bolus.dose / part.totals.average, rules().share, rules().share_factor
    low, high = usual.value / factor, usual.value * factor
    if low <= share <= high:
        return
    digits = ratios_apart(share, low if share < low else high)
    yield find(
        Code.BOLUS_SHARE,
        f"{part.name} patient bolus of {bolus.dose.text(part.drug.dose_unit)} as a part of the base of a day",
        percent(share, digits=digits),
        percent(usual.value, "about ", f", from {percent_text(low)} to {percent_text(high)}"),
        "check the size of the bolus and its unit, or say why it is right",
        drug=part.drug.code,
        source=usual.source,
    )
