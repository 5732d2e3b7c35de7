"""The mixture itself: what each drug is approved for, what may be mixed, what keeps together and for how long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.formulary import FillCondition, Outcome, Status, UnknownDrug, Vessel
from thecal.therapy.refill import whole_days
from thecal.therapy.refusal import Refusal
from thecal.therapy.review.facts import strengths
from thecal.therapy.review.finding import Code, Measure, counted, said
from thecal.therapy.review.policy import find
from thecal.therapy.review.transition import ratio_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date

    from thecal.formulary import Source, Stability
    from thecal.therapy.review.facts import Case, Part
    from thecal.therapy.review.finding import Finding

_STATUS: Mapping[Status, tuple[Code, str]] = {
    Status.FORBIDDEN: (Code.DRUG_FORBIDDEN, "take it out: it kills by this route"),
    Status.DO_NOT_INFUSE: (Code.DRUG_DO_NOT_INFUSE, "take it out of the mixture"),
    Status.NOT_RECOMMENDED: (Code.DRUG_NOT_RECOMMENDED, "choose another drug, or give the reason"),
    Status.RESEARCH_ONLY: (Code.DRUG_RESEARCH_ONLY, "choose another drug, or name the study that it is given in"),
    Status.RESTRICTED: (Code.DRUG_RESTRICTED, "choose another drug, or give the reason"),
    Status.OFF_LABEL: (Code.DRUG_OFF_LABEL, "record that it is given off label, and why"),
}


def check(case: Case) -> Iterator[Finding]:
    """Everything about the mixture that does not depend on the dose."""
    for code in case.unknown:
        yield _unknown_drug(case, code)
    for part in case.parts:
        yield from _status(case, part)
    yield from _off_label(case)
    yield from _together(case)
    yield from _preservative(case)
    yield from _beyond_use(case)
    if not case.unknown:
        yield from _stability(case)


def _unknown_drug(case: Case, code: str) -> Finding:
    near: tuple[str, ...] = ()
    try:
        case.formulary.drug(code)
    except UnknownDrug as unknown:
        near = unknown.near
    return find(
        Code.UNKNOWN_DRUG,
        f"drug {code!r}",
        said("not in the formulary"),
        said("a drug that the formulary holds"),
        f"check the name; did you mean {' or '.join(near)}?"
        if near
        else "check the name, or add the drug with sources",
        drug=code,
    )


def _status(case: Case, part: Part) -> Iterator[Finding]:
    drug, source = part.drug, part.drug.approval.source
    if drug.status in _STATUS:
        code, then = _STATUS[drug.status]
        said_of_it = ": ".join([str(drug.status), *(w.text for w in drug.warnings[:1])])
        allowed = said("a drug approved for an implanted intrathecal pump")
        yield find(code, f"{part.name} in the mixture", said(said_of_it), allowed, then, drug=drug.code, source=source)
    if drug.approval.us is None:
        yield find(
            Code.APPROVAL_UNKNOWN,
            f"{part.name} approval",
            said("nobody has said"),
            said("approved or not, with the source"),
            "ask the pharmacy, and treat it as off label until then",
            drug=drug.code,
            source=source,
        )
    if drug.code not in case.order.pump.approved:
        approved = sorted(case.order.pump.approved)
        yield find(
            Code.PUMP_NOT_APPROVED,
            f"{part.name} in {case.order.pump.name}",
            said("a drug that the pump's labeling does not name"),
            said(", ".join(map(case.name, approved)) or "none is named"),
            "record that it is given off label, and why",
            drug=drug.code,
        )


def _statement(case: Case, rule: str) -> Source | None:
    return next((s.source for s in case.formulary.mixture_rules if s.code == rule), None)


def _off_label(case: Case) -> Iterator[Finding]:
    mixture, names = case.order.mixture, ", ".join(map(case.name, case.order.mixture.drugs))
    if case.mixed:
        yield find(
            Code.MIXTURE_OFF_LABEL,
            "mixture of two or more drugs",
            said(names),
            said("one approved drug alone"),
            "record that the mixture is off label, and why",
            source=_statement(case, "mixture-off-label"),
        )
    if mixture.compounded is None:
        yield find(
            Code.COMPOUNDED_UNKNOWN,
            "compounded or a product as sold",
            said("nobody has said"),
            said("yes or no"),
            "ask the pharmacy",
        )
    elif mixture.compounded:
        yield find(
            Code.COMPOUNDED_OFF_LABEL,
            "compounded drug",
            said(names),
            said("an approved product as sold"),
            "record that it is off label, and why",
            source=_statement(case, "compounded-off-label"),
        )
    elif case.mixed:
        yield find(
            Code.COMPOUNDED_CONTRADICTION,
            "a mixture that is said not to be compounded",
            said(names),
            said("a mixture of two or more drugs is compounded"),
            "check both facts with the pharmacy",
        )


def _together(case: Case) -> Iterator[Finding]:
    for part in case.parts:
        approval = part.drug.approval
        if case.mixed and (approval.do_not_mix or approval.monotherapy_only):
            others = ", ".join(case.name(c) for c in case.order.mixture.drugs if c != part.drug.code)
            yield find(
                Code.LABEL_DO_NOT_MIX,
                f"{part.name} with other drugs in the reservoir",
                said(f"mixed with {others}"),
                said(f"{part.name} alone"),
                "order it alone, or give the reason",
                drug=part.drug.code,
                source=approval.source,
            )
    if len(case.opioids) > 1:
        one, other = case.opioids[0].drug, case.opioids[1].drug
        yield find(
            Code.TWO_OPIOIDS,
            "more than one opioid in one mixture",
            said(f"{', '.join(p.name for p in case.opioids)}: {ratio_text(case.formulary, one, other)}"),
            said("one opioid"),
            "check that both are meant: look-alike names are the commonest mix-up",
        )


def _preservative(case: Case) -> Iterator[Finding]:
    free = case.order.mixture.preservative_free
    if free is None:
        yield find(
            Code.PRESERVATIVE_UNKNOWN,
            "preservative",
            said("nobody has said"),
            said("free of preservative, antioxidant and dextrose"),
            "read the label of every product that goes in",
            source=_statement(case, "preservative-free"),
        )
    elif not free:
        yield find(
            Code.PRESERVATIVE_PRESENT,
            "preservative",
            said("a mixture with preservative"),
            said("free of preservative, antioxidant and dextrose"),
            "compound it anew from preservative-free products",
            source=_statement(case, "preserved-product"),
        )


def _fill_date(case: Case) -> date | None:
    return case.order.fill.on if case.order.fill is not None and case.order.fill.on is not None else case.today


def _beyond_use(case: Case) -> Iterator[Finding]:
    """The beyond-use date ends when the fill begins; the day itself still counts."""
    mixture, on, source = case.order.mixture, _fill_date(case), _statement(case, "two-clocks")
    if case.order.fill is None and not case.mixture_changed and case.order.previous is not None:
        return
    if mixture.beyond_use is None:
        if mixture.compounded is not False:
            yield find(
                Code.BEYOND_USE_UNKNOWN,
                "beyond-use date",
                said("none stated"),
                said("the date on the label of the syringe"),
                "read it from the label before the fill",
                source=source,
            )
    elif on is None:
        yield find(
            Code.FILL_DATE_UNKNOWN,
            "date of the fill",
            said("none stated"),
            said(f"{mixture.beyond_use.isoformat()} or earlier"),
            "state the date of the fill",
            source=source,
        )
    elif on > mixture.beyond_use:
        yield find(
            Code.BEYOND_USE_PASSED,
            "beyond-use date",
            said(f"a fill on {on.isoformat()}"),
            said(f"{mixture.beyond_use.isoformat()} or earlier"),
            "do not fill; order a fresh preparation",
            source=source,
        )


# Stability ----------------------------------------------------------------------------------------------------------


def _stability(case: Case) -> Iterator[Finding]:
    facts = case.formulary.stability(case.order.mixture.drugs)
    degrades = [f for f in facts if f.outcome is Outcome.DEGRADES and f.vessel is not Vessel.PVC]
    kept = [f for f in facts if f.outcome is Outcome.STABLE and f.days is not None and _is_for(case, f)]
    held = strengths(case.order)
    tested = [f for f in kept if not f.outside(held)]
    if degrades:
        yield _degrades(case, degrades)
    elif not kept:
        yield _nothing_known(case)
    elif not tested:
        yield _untested(case, kept)
    yield from _too_long(case, tested or kept)


def _is_for(case: Case, fact: Stability) -> bool:
    """Only what was kept in a pump or where nobody says; and only the fill that it speaks of."""
    if fact.vessel not in (Vessel.PUMP, Vessel.NOT_STATED):
        return False
    if fact.condition is FillCondition.FIRST_FILL:
        return case.order.first_fill is not False
    if fact.condition is FillCondition.ANY:
        return True
    return not case.order.first_fill and (fact.condition is FillCondition.UNDILUTED) is _undiluted(case)


def _undiluted(case: Case) -> bool:
    """True where every drug has the strength of a product as sold."""
    return all(any(s.concentration == p.concentration for s in p.drug.strengths) for p in case.parts)


def _names(case: Case) -> str:
    return " with ".join(map(case.name, case.order.mixture.drugs))


def _degrades(case: Case, facts: Sequence[Stability]) -> Finding:
    worst = min(facts, key=lambda f: (not f.kind.binds, f.any_other))
    seen = "; ".join(dict.fromkeys(f.remaining or f.note or "degrades" for f in facts))
    return find(
        Code.MIXTURE_DEGRADES,
        f"{_names(case)} in one reservoir",
        said(f"degrades: {seen}"),
        said("a mixture that keeps until the next refill"),
        "order the drug alone, or plan early refills and give the reason",
        source=worst.source,
        kind=worst.kind,
    )


def _nothing_known(case: Case) -> Finding:
    return find(
        Code.STABILITY_UNKNOWN,
        f"how long {_names(case)} keeps in a pump",
        said("no source in the formulary; a vial or a syringe is not a pump"),
        said("a time with its source"),
        "ask the pharmacy; the volume alone does not make a date safe",
    )


def _untested(case: Case, kept: Sequence[Stability]) -> Finding:
    fact = kept[0]
    ranges = ", ".join(_range_text(case, r.drug, fact) for r in fact.outside(strengths(case.order)))
    return find(
        Code.STABILITY_UNTESTED,
        f"strengths of {_names(case)} that nobody tested",
        said(", ".join(f"{p.name} {p.concentration.text(p.drug.conc_unit)}" for p in case.parts)),
        said(f"tested: {ranges}"),
        "ask the pharmacy whether it keeps, or order a strength that was tested",
        source=fact.source,
    )


def _range_text(case: Case, code: str, fact: Stability) -> str:
    tested = next(r for r in fact.tested if r.drug == code)
    unit = next(p.drug.conc_unit for p in case.parts if p.drug.code == code)
    ends = [e.text(unit) for e in (tested.low, tested.high) if e is not None]
    return f"{case.name(code)} {' to '.join(dict.fromkeys(ends))}"


def _stays(case: Case) -> int | None:
    """Whole days until the low level by the base alone; None where the fill or its end is not known."""
    fill, totals = case.order.fill, case.primary.totals if case.primary is not None else None
    if fill is None or totals is None:
        return None
    level = case.program.low_level or case.order.pump.low_level
    per_day = case.order.mixture.volume_of(totals.average)
    days = whole_days(fill.volume, level, per_day)
    return None if isinstance(days, Refusal) else days


def _too_long(case: Case, facts: Sequence[Stability]) -> Iterator[Finding]:
    """Each limit on use by itself; of studies the longest, as a shorter one only ended earlier."""
    stays = _stays(case)
    if stays is None:
        return
    binding = [f for f in facts if f.kind.binds]
    studies = sorted((f for f in facts if not f.kind.binds), key=lambda f: f.days or 0)[-1:]
    for fact in (*binding, *studies):
        days = fact.days or 0
        if stays > days:
            where = f" {fact.kept}" if fact.vessel_name else ""
            yield find(
                Code.STABILITY_EXCEEDED,
                f"{_names(case)} in the pump until the low level",
                _days(stays),
                counted(days, "days", "at most ", where, one="day"),
                f"refill by day {days}, or fill less",
                source=fact.source,
                kind=fact.kind,
            )


def _days(days: int) -> Measure:
    return counted(days, "days", one="day")
