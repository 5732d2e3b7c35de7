"""What the pump does on a fault (promise 11): chosen, complete, able to run, and with its risk in plain view."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.therapy.doses import check_dose
from thecal.therapy.program import ALWAYS_STOP, DAY, FaultClass, Response
from thecal.therapy.refusal import Refusal
from thecal.therapy.review.feasibility import of_pump
from thecal.therapy.review.finding import Code, amount, apart, said
from thecal.therapy.review.policy import find

if TYPE_CHECKING:
    from collections.abc import Iterator

    from thecal.therapy.program import FailSafe
    from thecal.therapy.review.facts import Case, Part
    from thecal.therapy.review.finding import Finding


def check(case: Case) -> Iterator[Finding]:
    """The response to every class of fault."""
    chosen = case.program.fail_safe
    at_risk = tuple(p for p in case.parts if p.drug.withdrawal.risk.physician_must_choose)
    yield from _choice(chosen, at_risk)
    if chosen is not None:
        yield from _must_stop(chosen)
        yield from _stop_risk(chosen, at_risk)
        yield from _fallback(case, chosen)


def _open(chosen: FailSafe | None) -> tuple[FaultClass, ...]:
    """The classes that nobody chose for; over-delivery and memory need no choice."""
    made = {} if chosen is None else chosen.responses
    return tuple(fault for fault in FaultClass if fault not in made and fault not in ALWAYS_STOP)


def _choice(chosen: FailSafe | None, at_risk: tuple[Part, ...]) -> Iterator[Finding]:
    left = _open(chosen)
    if left:
        names = ", ".join(p.name for p in at_risk)
        yield find(
            Code.FAIL_SAFE_NOT_CHOSEN if at_risk else Code.FAIL_SAFE_MISSING,
            f"what the pump does on a fault{f', with {names} that may not stop abruptly' if names else ''}",
            said("no response for: " + ", ".join(left)),
            said("stop, fallback or continue, for each class of fault"),
            "choose a response for each" + (" and give the reason" if at_risk else "; the pump stops otherwise"),
        )
    if at_risk and chosen is not None and not (chosen.reason or "").strip():
        yield find(
            Code.FAIL_SAFE_NO_REASON,
            "reason for what the pump does on a fault",
            said("none given"),
            said("the physician's reason: " + "; ".join(f"{p.name}: {p.drug.withdrawal.text}" for p in at_risk)),
            "give the reason",
        )


def _must_stop(chosen: FailSafe) -> Iterator[Finding]:
    for fault in sorted(ALWAYS_STOP):
        response = chosen.responses.get(fault, Response.STOP)
        if response is not Response.STOP:
            yield find(
                Code.FAIL_SAFE_MUST_STOP,
                f"response to {fault}",
                said(str(response)),
                said(str(Response.STOP)),
                "choose stop: in doubt about memory or over-delivery the pump always stops",
            )


def _stop_risk(chosen: FailSafe, at_risk: tuple[Part, ...]) -> Iterator[Finding]:
    """Stop for a drug that may not stop abruptly: shown with its risk; the fail-safe's own reason carries it."""
    stops = [f for f in FaultClass if f not in ALWAYS_STOP and chosen.responses.get(f) is Response.STOP]
    for part in at_risk if stops else ():
        yield find(
            Code.FAIL_SAFE_STOP_RISK,
            f"{part.name} stops on a fault",
            said(f"stop on {', '.join(stops)}: {part.drug.withdrawal.text}"),
            said("a fallback dose, or a stop with its reason"),
            "order a fallback dose, or give the reason and the plan for withdrawal",
            drug=part.drug.code,
            source=part.drug.withdrawal.source,
            reason=(chosen.reason or "").strip() or None,
        )


def _fallback(case: Case, chosen: FailSafe) -> Iterator[Finding]:
    if Response.FALLBACK not in chosen.responses.values():
        return
    dose, unit, code = chosen.fallback_dose, f"{case.dose_unit}/day", case.order.mixture.primary.drug
    if dose is None:
        yield find(
            Code.FALLBACK_MISSING,
            "fallback dose",
            said("a fallback on a fault, and no dose for it"),
            said("a dose of the primary ingredient per day"),
            "state the fallback dose, or choose another response",
            drug=code,
        )
        return
    refused = check_dose(dose, case.order.pump, case.order.mixture.primary.concentration, case.dose_unit)
    if dose.value <= 0 or isinstance(refused, Refusal):
        yield find(
            Code.FALLBACK_BELOW_FLOOR,
            "fallback dose outside what the pump can give",
            amount(dose, unit),
            said(refused.allowed if isinstance(refused, Refusal) else "more than nothing"),
            refused.then if isinstance(refused, Refusal) else "choose stop where nothing shall be given",
            drug=code,
            source=of_pump(case, "flow_min"),
        )
    totals = case.primary.totals if case.primary is not None else None
    least = None if totals is None else min(totals.by_weekday) / DAY
    if least is not None and dose > least:
        digits = apart(dose, least, unit)
        yield find(
            Code.FALLBACK_ABOVE_BASE,
            "fallback dose above the base",
            amount(dose, unit, digits=digits),
            amount(least, unit, "at most ", " as on the day with the lowest base", digits),
            "order the base or less: a fault never raises the dose",
            drug=code,
        )
