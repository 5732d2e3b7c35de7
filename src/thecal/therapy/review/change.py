"""The change from before: how far, against what was delivered; what is stopped, and what starts again."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from thecal.formulary import Change, LimitKind, Phase, Source, WithdrawalRisk
from thecal.quantities import Mass
from thecal.therapy.doses import change_from, change_ratio
from thecal.therapy.order import Indication
from thecal.therapy.program import DAY
from thecal.therapy.published import published
from thecal.therapy.refusal import Refusal
from thecal.therapy.review.facts import applies, meets, off_drug, tolerance_rule
from thecal.therapy.review.finding import Code, amount, apart, percent, ratios_apart, said
from thecal.therapy.review.policy import find

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from thecal.formulary import Drug, Titration
    from thecal.therapy.doses import Totals
    from thecal.therapy.order import Patient, Previous
    from thecal.therapy.review.facts import Case, Part
    from thecal.therapy.review.finding import Finding

_DOSE_STEPS = {Indication.CANCER_PAIN: "malignant", Indication.NON_CANCER_PAIN: "non_malignant"}
_NOT_SURE = "programmed; what was delivered is not known"


class Step(NamedTuple):
    """The largest change that somebody states: a part of the dose before, who says so, and when it holds."""

    ratio: Fraction
    kind: LimitKind
    source: Source
    when: str


def check(case: Case) -> Iterator[Finding]:
    """Every ingredient against what it was, and what is no longer there."""
    previous = case.order.previous
    if previous is None:
        return
    yield from _unknown_delivery(previous)
    for part, totals in case.dosed:
        if part.before is not None and not part.starting:
            yield from _ups(case, part, totals, part.before, previous)
            yield from _downs(case, part, totals, part.before, previous)
        if part.before is not None and off_drug(part.drug, previous):
            yield from _restart(part, totals, part.before)
    yield from _removed(case, previous)


def _unknown_delivery(previous: Previous) -> Iterator[Finding]:
    if previous.gap is None and previous.delivered_per_day is None:
        yield find(
            Code.DELIVERY_BEFORE_UNKNOWN,
            "delivery before this order",
            said("neither what was delivered nor how long delivery stopped"),
            said("the pump's record, or a gap of 0 h"),
            "read the pump's record: a patient without drug is not used to the programmed dose",
        )


def steps_up(case: Case, drug: Drug) -> tuple[Step, ...]:
    """The largest increases that are stated for this drug or for this indication, each authority by itself."""
    found = [*_general(case), *_own(case, drug, Change.UP)]
    return tuple({(s.ratio, s.source.text): s for s in found}.values())


def _general(case: Case) -> Iterator[Step]:
    """The published steps for pain (example WE-31); both where nobody says what the pump is for."""
    for indication, code in _DOSE_STEPS.items():
        if case.patient.indication in (None, indication):
            share = published().dose_steps[code]
            yield Step(share.ratio, LimitKind.CONSENSUS, share.source, str(indication))


def _own(case: Case, drug: Drug, change: Change) -> Iterator[Step]:
    for rule in drug.titration:
        if rule.change is change and rule.percent_high is not None and _may_hold(rule, case.patient):
            words = [str(w) for w in (rule.population, rule.condition) if w]
            if rule.phase is not Phase.ANY:
                words.append(f"in {rule.phase}")
            yield Step(rule.percent_high / 100, rule.kind, rule.source, ", ".join(words))


def _may_hold(rule: Titration, patient: Patient) -> bool:
    return applies(rule.population, patient) is not False and meets(rule.condition, patient) is not False


def _strictest() -> Step:
    share = min(published().dose_steps.values(), key=lambda s: s.ratio)
    return Step(share.ratio, LimitKind.CONSENSUS, share.source, "")


class Moved(NamedTuple):
    """What changed per 24 h: from, to, the part of the dose before by which it changed, and what before means."""

    before: Mass
    after: Mass
    ratio: Fraction
    basis: str


def _moved(previous: Previous, drug: str, old: Totals, after: Mass) -> Moved | None:
    """The change per 24 h of one drug; against the old program, and saying so, where the delivery is not known."""
    delivered = previous.delivered_per_day
    if delivered is not None:
        delivered = previous.mixture.follow(drug, delivered)
    found = change_from(replace(previous, delivered_per_day=delivered), old.average, after)
    if not isinstance(found, Refusal):
        return Moved(found.before, found.after, found.ratio, str(found.basis))
    ratio = change_ratio(old.average, after)
    return None if isinstance(ratio, Refusal) else Moved(old.average, after, ratio, _NOT_SURE)


def _ups(case: Case, part: Part, totals: Totals, old: Totals, previous: Previous) -> Iterator[Finding]:
    steps = steps_up(case, part.drug)
    moved = _moved(previous, part.drug.code, old, totals.average)
    if moved is not None:
        yield from _too_far(Code.CHANGE_UP, part, "base per 24 h, up", moved, steps)
        yield from _by_amount(part, moved)
    new_worst, old_worst = totals.worst_24h.total, old.worst_24h.total
    with_boluses = new_worst > totals.worst_24h.base
    ratio = change_ratio(old_worst, new_worst)
    if with_boluses and not isinstance(ratio, Refusal):
        every = Moved(old_worst, new_worst, ratio, "programmed, with every allowed bolus")
        yield from _too_far(Code.CHANGE_UP_WITH_BOLUSES, part, "worst 24 h with every allowed bolus, up", every, steps)


def _too_far(code: Code, part: Part, what: str, moved: Moved, steps: Iterable[Step]) -> Iterator[Finding]:
    for step in steps:
        if moved.ratio > step.ratio:
            yield _step_finding(code, part, what, moved, step)


def _step_finding(code: Code, part: Part, what: str, moved: Moved, step: Step) -> Finding:
    unit = part.drug.dose_unit
    way = f" ({moved.before.text(unit)} to {moved.after.text(unit)} in 24 h; {moved.basis})"
    digits = ratios_apart(abs(moved.ratio), step.ratio)
    return find(
        code,
        f"{part.name} {what}",
        percent(abs(moved.ratio), after=way, digits=digits),
        percent(step.ratio, "at most ", f" ({step.when})" if step.when else "", digits),
        "take smaller steps, or give a reason",
        drug=part.drug.code,
        source=step.source,
        kind=step.kind,
    )


def _by_amount(part: Part, moved: Moved) -> Iterator[Finding]:
    """Steps that are stated as a dose and not in percent, as for ziconotide."""
    step = (moved.after - moved.before) / DAY
    for rule in part.drug.titration:
        if rule.change is Change.UP and rule.step_max is not None and step > rule.step_max:
            unit = part.drug.rate_unit
            digits = apart(step, rule.step_max, unit)
            yield find(
                Code.CHANGE_UP,
                f"{part.name} base, up",
                amount(step, unit, after=f" more than before ({moved.basis})", digits=digits),
                amount(rule.step_max, unit, "at most ", " more in one step", digits),
                "take smaller steps, or give a reason",
                drug=part.drug.code,
                source=rule.source,
                kind=rule.kind,
            )


def _downs(case: Case, part: Part, totals: Totals, old: Totals, previous: Previous) -> Iterator[Finding]:
    """A decrease matters where stopping does harm. What was delivered is compared with every bolus taken."""
    if part.drug.withdrawal.risk is WithdrawalRisk.NONE:
        return
    after = totals.average if previous.delivered_per_day is None else totals.average_with_boluses
    moved = _moved(previous, part.drug.code, old, after)
    if moved is None:
        return
    steps = [s for s in (*_general(case), *_own(case, part.drug, Change.DOWN)) if -moved.ratio > s.ratio]
    if part.drug.withdrawal.risk is WithdrawalRisk.MODERATE:
        for step in steps:
            yield _step_finding(Code.CHANGE_DOWN, part, "base per 24 h, down", moved, step)
    elif steps or -moved.ratio > _strictest().ratio:
        step = min(steps, key=lambda s: s.ratio, default=_strictest())
        yield _withdrawal(Code.WITHDRAWAL_RISK, part.drug, moved, step)


def _withdrawal(code: Code, drug: Drug, moved: Moved, step: Step) -> Finding:
    unit, digits = drug.dose_unit, ratios_apart(abs(moved.ratio), step.ratio)
    way = f" ({moved.before.text(unit)} to {moved.after.text(unit)} in 24 h; {moved.basis})"
    return find(
        code,
        f"{drug.display_name} decrease: {drug.withdrawal.text}",
        percent(abs(moved.ratio), after=way, digits=digits),
        percent(step.ratio, "at most ", digits=digits),
        "taper, or give the reason and the plan for withdrawal",
        drug=drug.code,
        source=step.source,
        kind=step.kind,
    )


def _removed(case: Case, previous: Previous) -> Iterator[Finding]:
    """Drugs that ran before and are no longer in the mixture; an opioid in place of another is a swap, not a stop."""
    for code, old in case.old.items():
        drug = case.drug_or_none(code)
        gone = code not in case.order.mixture.drugs and old.average_with_boluses > Mass.zero()
        if drug is None or not gone or off_drug(drug, previous):
            continue
        if drug.withdrawal.risk is WithdrawalRisk.NONE or (drug.drug_class.is_opioid and case.opioids):
            continue
        moved = Moved(old.average_with_boluses, Mass.zero(), Fraction(-1), "no longer in the mixture")
        at_risk = drug.withdrawal.risk.physician_must_choose
        yield _withdrawal(Code.WITHDRAWAL_RISK if at_risk else Code.CHANGE_DOWN, drug, moved, _strictest())


def _restart(part: Part, totals: Totals, old: Totals) -> Iterator[Finding]:
    """The old dose, or nearly so, after a time without drug (worked example WE-13)."""
    rule = tolerance_rule(part.drug)
    ratio = change_ratio(old.average, totals.average)
    if isinstance(ratio, Refusal) or ratio < -_strictest().ratio:
        return
    unit = part.drug.dose_unit
    lowest = old.average * (1 - _strictest().ratio)
    yield find(
        Code.RESTART_OLD_DOSE,
        f"{part.name} restart after a time without drug (tolerance taken as lost after {rule.after.text('h')})",
        amount(totals.average, unit, after=f" in 24 h; {old.average.text(unit)} before the gap"),
        amount(lowest, unit, "a start from low doses, less than ", " in 24 h"),
        "plan it as a first dose, with a watch; a second physician agrees to more",
        drug=part.drug.code,
        source=rule.source,
    )
