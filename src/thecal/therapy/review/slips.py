"""Slips that look like orders: tenfold doses and strengths, and a dose for each day entered for each hour.

They are measured against the program before as it was programmed, whatever came of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from thecal.quantities import Mass, number_text
from thecal.therapy.doses import patient_boluses_in
from thecal.therapy.pattern import pattern_of
from thecal.therapy.program import DAY, RepeatedDoses
from thecal.therapy.refusal import Refusal
from thecal.therapy.review.facts import strengths
from thecal.therapy.review.finding import Code, Measure, amount, counted, said
from thecal.therapy.review.policy import find
from thecal.therapy.review.rules import rules

if TYPE_CHECKING:
    from collections.abc import Iterator
    from fractions import Fraction

    from thecal.therapy.mixture import Mixture
    from thecal.therapy.program import Program
    from thecal.therapy.review.facts import Case, Part
    from thecal.therapy.review.finding import Finding


def check(case: Case) -> Iterator[Finding]:
    """Every slip that the numbers show."""
    yield from _tenfold(case)
    yield from _hourly(case)
    yield from _every_hour(case)


def _is_tenfold(before: Fraction, after: Fraction) -> bool:
    factor = rules().tenfold.value
    return before > 0 and after > 0 and (after >= before * factor or before >= after * factor)


def _tenfold(case: Case) -> Iterator[Finding]:
    previous = case.order.previous
    if previous is None:
        return
    held = strengths(previous)
    old_bolus, new_bolus = previous.program.patient_bolus, case.program.patient_bolus
    for part in case.parts:
        code, unit = part.drug.code, part.drug.dose_unit
        if code in held and _is_tenfold(held[code].value, part.concentration.value):
            strength = part.drug.conc_unit
            before = held[code].text(strength)
            yield _tenfold_finding(
                Code.TENFOLD_STRENGTH, part, "strength", amount(part.concentration, strength), before
            )
        if part.before is not None and part.totals is not None:
            old, new = part.before.worst_24h.base, part.totals.worst_24h.base
            if _is_tenfold(old.value, new.value):
                found = amount(new, unit, after=" in 24 h")
                yield _tenfold_finding(Code.TENFOLD_CHANGE, part, "base", found, old.text(unit))
        if code in held and old_bolus is not None and new_bolus is not None:
            was, now = previous.mixture.follow(code, old_bolus.dose), case.order.mixture.follow(code, new_bolus.dose)
            if _is_tenfold(was.value, now.value):
                yield _tenfold_finding(Code.TENFOLD_CHANGE, part, "patient bolus", amount(now, unit), was.text(unit))


def _tenfold_finding(code: Code, part: Part, what: str, found: Measure, before: str) -> Finding:
    factor = rules().tenfold
    times = number_text(factor.value)
    return find(
        code,
        f"{part.name} {what}, ten times or a tenth of what it was",
        found,
        said(f"more than 1/{times} of {before} and less than {times} times that"),
        "check the decimal point and the unit",
        drug=part.drug.code,
        source=factor.source,
    )


class Daily(NamedTuple):
    """Something given per day, of the primary ingredient."""

    name: str
    mass: Mass


def _hourly(case: Case) -> Iterator[Finding]:
    """Exactly 24 times what was declared for a day (worked example WE-14)."""
    part, times = case.primary, rules().hourly
    if part is None:
        return
    for new, declared in _pairs(case):
        if declared.mass > Mass.zero() and new.mass == declared.mass * times.value:
            unit = part.drug.dose_unit
            yield find(
                Code.HOURLY_FOR_DAILY,
                f"{part.name}: {new.name} {number_text(times.value)} times what {declared.name} per 24 h",
                amount(new.mass, unit, after=" in 24 h"),
                amount(declared.mass, unit, after=" in 24 h"),
                "check whether a dose for each day was entered for each hour",
                drug=part.drug.code,
                source=times.source,
            )
            return


def _pairs(case: Case) -> Iterator[tuple[Daily, Daily]]:
    """What is given now beside what of the same kind was declared, in the same primary ingredient."""
    repeated = _repeated(case.program)
    for single in case.program.single_boluses:
        yield repeated, Daily("the single bolus gives", single.dose)
    previous = case.order.previous
    if previous is None or previous.mixture.primary.drug != case.order.mixture.primary.drug:
        return
    for single in previous.program.single_boluses:
        yield repeated, Daily("the single bolus gave", single.dose)
    yield repeated, Daily("the repeated dose gave", _repeated(previous.program).mass)
    bolus = Daily("the patient boluses give", patient_boluses_in(case.program, DAY))
    yield bolus, Daily("the patient boluses gave", patient_boluses_in(previous.program, DAY))
    yield from _bases(case, previous.program, previous.mixture)


def _repeated(program: Program) -> Daily:
    base = program.base
    dose = base.dose * base.times_per_day if isinstance(base, RepeatedDoses) else Mass.zero()
    return Daily("the repeated dose gives", dose)


def _bases(case: Case, before: Program, mixture: Mixture) -> Iterator[tuple[Daily, Daily]]:
    """The base as a whole, and what it gives above the lowest rate of the base before."""
    pump = case.order.pump
    old = pattern_of(before.base, mixture, pump.minimum_rate)
    new = pattern_of(case.program.base, case.order.mixture, pump.minimum_rate)
    if isinstance(old, Refusal) or isinstance(new, Refusal):
        return
    week = DAY * 7
    background = min(piece.dose for piece in old.pieces) * DAY
    was, now = old.between(0, week.floor("s")) / 7, new.between(0, week.floor("s")) / 7
    yield Daily("the base gives", now), Daily("the base gave", was)
    yield Daily("the base gives above its background", now - background), Daily("its steps gave", was - background)


def _every_hour(case: Case) -> Iterator[Finding]:
    part, base, times = case.primary, case.program.base, rules().hourly
    if part is None or not isinstance(base, RepeatedDoses) or base.times_per_day != times.value:
        return
    unit = part.drug.dose_unit
    total = amount(base.dose * base.times_per_day, unit, after=" in 24 h")
    yield find(
        Code.REPEATED_HOURLY,
        f"{part.name} {base.dose.text(unit)} {base.times_per_day} times a day, {total.text} besides the background",
        counted(base.times_per_day, "times a day"),
        said("as often as is meant; a dose for each day entered for each hour looks like this"),
        "say that each hour is meant, or repeat it every 24 h",
        drug=part.drug.code,
        source=times.source,
    )
