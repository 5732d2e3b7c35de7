"""The ceilings that are ordered: there for every ingredient, wide enough for the program, and within the limits."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from thecal.therapy.program import DAY
from thecal.therapy.review.bounds import above, highs
from thecal.therapy.review.finding import Code, amount, apart, counted, said
from thecal.therapy.review.policy import find

if TYPE_CHECKING:
    from collections.abc import Iterator

    from thecal.quantities import Mass
    from thecal.therapy.doses import Totals
    from thecal.therapy.review.facts import Case, Part
    from thecal.therapy.review.finding import Finding


def check(case: Case) -> Iterator[Finding]:
    """Every ceiling, and every ingredient without one."""
    yield from _missing(case)
    yield from _strange(case)
    for part, totals in case.dosed:
        yield from _too_low(case, part, totals)
    for part in case.parts:
        yield from _too_high(case, part)


def _missing(case: Case) -> Iterator[Finding]:
    for code in case.order.mixture.drugs:
        if case.program.ceiling(code) is None:
            yield find(
                Code.CEILING_MISSING,
                f"{case.name(code)} ceilings",
                said("none ordered"),
                said("the most of each ingredient in any 1 h and in any 24 h"),
                "order both ceilings; the pump delivers nothing without them",
                drug=code,
            )


def _strange(case: Case) -> Iterator[Finding]:
    """Ceilings that contradict the order or themselves."""
    for code, times in Counter(c.drug for c in case.program.ceilings).items():
        if code not in case.order.mixture.drugs:
            yield find(
                Code.CEILING_NOT_IN_MIXTURE,
                f"ceilings for {case.name(code)}",
                said("a drug that the mixture does not hold"),
                said("ceilings for " + ", ".join(map(case.name, case.order.mixture.drugs))),
                "check the mixture and the ceilings: one of them is for another order",
                drug=code,
            )
        if times > 1:
            yield find(
                Code.CEILING_TWICE,
                f"{case.name(code)} ceilings",
                counted(times, "pairs of ceilings"),
                counted(1, "pairs of ceilings", one="pair of ceilings"),
                "keep the pair that is meant",
                drug=code,
            )
    for ceiling in case.program.ceilings:
        if ceiling.per_1h > ceiling.per_24h:
            drug = case.drug_or_none(ceiling.drug)
            unit = "mg" if drug is None else drug.dose_unit
            digits = apart(ceiling.per_1h, ceiling.per_24h, unit)
            yield find(
                Code.CEILINGS_REVERSED,
                f"{case.name(ceiling.drug)} ceiling for 1 h above that for 24 h",
                amount(ceiling.per_1h, unit, after=" in any 1 h", digits=digits),
                amount(ceiling.per_24h, unit, "at most ", " as in any 24 h", digits),
                "check whether the two were exchanged",
                drug=ceiling.drug,
            )


def _too_low(case: Case, part: Part, totals: Totals) -> Iterator[Finding]:
    """A program that needs more than its own ceiling would be refused by the pump."""
    ceiling = case.program.ceiling(part.drug.code)
    if ceiling is None:
        return
    yield from _against(part, totals.worst_1h.total, ceiling.per_1h, "1 h")
    yield from _against(part, totals.worst_24h.total, ceiling.per_24h, "24 h")


def _against(part: Part, need: Mass, ceiling: Mass, window: str) -> Iterator[Finding]:
    if need > ceiling:
        unit = part.drug.dose_unit
        digits = apart(need, ceiling, unit)
        yield find(
            Code.CEILING_BELOW_PROGRAM,
            f"{part.name} that the program gives in the worst {window} with every bolus, against its ceiling",
            amount(need, unit, after=f" in {window}", digits=digits),
            amount(ceiling, unit, "at most ", f" in any {window}", digits),
            "raise the ceiling, or order less; the pump refuses a program above its ceiling",
            drug=part.drug.code,
        )


def _too_high(case: Case, part: Part) -> Iterator[Finding]:
    ceiling = case.program.ceiling(part.drug.code)
    if ceiling is None:
        return
    limits = (limit for limit in part.drug.max_daily_dose if limit.kind.binds)
    bounds = tuple(b for b in highs(limits) if b.may_hold(case.patient))
    per_day = ceiling.per_24h / DAY
    yield from above(Code.CEILING_ABOVE_LIMIT, part, "ceiling per 24 h", per_day, bounds, then="lower the ceiling")
