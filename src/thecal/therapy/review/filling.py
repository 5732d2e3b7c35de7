"""The fill: against the syringe, the reservoir and the low level, and the first fill of a drug that asks for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.quantities import Volume
from thecal.therapy.refusal import Code as Why
from thecal.therapy.reservoir import FillRefused, check_fill
from thecal.therapy.review.feasibility import of_pump
from thecal.therapy.review.finding import Code, Measure, amount, apart, said
from thecal.therapy.review.policy import find

if TYPE_CHECKING:
    from collections.abc import Iterator

    from thecal.therapy.order import Fill
    from thecal.therapy.review.facts import Case, Part
    from thecal.therapy.review.finding import Finding


def check(case: Case) -> Iterator[Finding]:
    """The fill, where there is one or has to be one."""
    fill = case.order.fill
    if fill is not None:
        yield from _volume(case, fill)
        yield from _syringe(fill)
    elif case.mixture_changed or case.order.first_fill:
        yield find(
            Code.FILL_UNKNOWN,
            "fill",
            said("none stated for a new mixture"),
            said("volume, syringe and date"),
            "state the fill; without it no date can be given",
        )
    yield from _low_level(case, fill)
    for part in case.parts:
        yield from _first(case, part)


def _volume(case: Case, fill: Fill) -> Iterator[Finding]:
    """What is typed against what was dispensed and against the room in the reservoir (closed claim: 40 for 20 mL)."""
    checked = check_fill(fill.volume, fill.syringe or fill.volume, case.order.pump, Volume.zero())
    if not isinstance(checked, FillRefused):
        return
    for refused in checked.refusals:
        syringe = refused.code is Why.MORE_THAN_DISPENSED
        yield find(
            Code.FILL_ABOVE_SYRINGE if syringe else Code.FILL_IMPOSSIBLE,
            "fill volume",
            Measure(refused.found, fill.volume.number("mL"), "mL"),
            said(refused.allowed),
            refused.then,
            source=None if syringe else of_pump(case, "reservoir"),
        )


def _syringe(fill: Fill) -> Iterator[Finding]:
    if fill.syringe is None:
        yield find(
            Code.SYRINGE_UNKNOWN,
            "volume in the syringe",
            said("none stated"),
            said("the volume on the label of the syringe"),
            "read it from the syringe and compare it with the fill",
        )
    elif fill.syringe > fill.volume:
        digits = apart(fill.volume, fill.syringe, "mL")
        yield find(
            Code.SYRINGE_NOT_EMPTIED,
            "fill volume less than the syringe",
            amount(fill.volume, "mL", digits=digits),
            amount(fill.syringe, "mL", after=" in the syringe", digits=digits),
            "say what becomes of the rest, or correct the volume",
        )


def _low_level(case: Case, fill: Fill | None) -> Iterator[Finding]:
    level, least = case.program.low_level, case.order.pump.low_level
    if level is not None and level < least:
        digits = apart(level, least, "mL")
        yield find(
            Code.LOW_LEVEL_LOW,
            "low level",
            amount(level, "mL", digits=digits),
            amount(least, "mL", "at least ", digits=digits),
            "set it higher: some patients have withdrawal before a low level is reached",
            source=of_pump(case, "low_level"),
        )
    warns = level or least
    if fill is not None and warns >= fill.volume:
        digits = apart(warns, fill.volume, "mL")
        yield find(
            Code.LOW_LEVEL_ABOVE_FILL,
            "low level against the fill",
            amount(warns, "mL", digits=digits),
            amount(fill.volume, "mL", "less than ", " filled", digits),
            "fill more, or lower the level: the alarm would sound at once",
        )


def _first(case: Case, part: Part) -> Iterator[Finding]:
    """A drug that a new pump takes up: its first fill is undiluted (drug-and-clinical-facts 2.2)."""
    rule, first = part.drug.first_fill, case.order.first_fill
    if first is None and (rule is not None or (part is case.parts[0] and case.order.previous is None)):
        yield find(
            Code.FIRST_FILL_UNKNOWN,
            "first fill of this pump or not",
            said("nobody has said"),
            said("yes or no"),
            "read the pump's record",
            source=None if rule is None else rule.source,
        )
    if rule is not None and first and part.concentration != rule.concentration:
        unit = part.drug.conc_unit
        digits = apart(part.concentration, rule.concentration, unit)
        rinses = f" undiluted after {rule.rinses} rinses of {rule.rinse.text('mL')}"
        yield find(
            Code.FIRST_FILL_DILUTED,
            f"{part.name} first fill",
            amount(part.concentration, unit, digits=digits),
            amount(rule.concentration, unit, after=rinses, digits=digits),
            f"fill undiluted, and refill within {rule.days} days",
            drug=part.drug.code,
            source=rule.source,
        )
