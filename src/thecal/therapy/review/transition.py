"""From the old mixture to the new: opioid swaps, the bridge, priming, and the dead volume that they rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.formulary import Route
from thecal.quantities import number_text
from thecal.therapy.bridge import check_flow, plan_bridge
from thecal.therapy.program import DAY, Stopped
from thecal.therapy.published import published
from thecal.therapy.refusal import Code as Why
from thecal.therapy.refusal import Refusal
from thecal.therapy.review.feasibility import of_pump
from thecal.therapy.review.finding import Code, Measure, amount, apart, percent, ratios_apart, said
from thecal.therapy.review.policy import find

if TYPE_CHECKING:
    from collections.abc import Iterator

    from thecal.formulary import Drug, Formulary
    from thecal.therapy.order import Previous
    from thecal.therapy.program import BridgeBolus
    from thecal.therapy.review.facts import Case
    from thecal.therapy.review.finding import Finding


def check(case: Case) -> Iterator[Finding]:
    """What has to be right while one mixture follows another."""
    yield from _unknown(case)
    yield from _swaps(case)
    yield from _bridge(case)
    yield from _priming(case)


def _unknown(case: Case) -> Iterator[Finding]:
    order = case.order
    if order.previous is None and order.first_fill is False:
        yield find(
            Code.PREVIOUS_UNKNOWN,
            "what ran before",
            said("nothing stated, and the pump held drug before"),
            said("the mixture and the program before"),
            "read the pump; until then every dose is judged as a start",
        )
    needs = order.previous is None or case.mixture_changed or order.program.priming or order.program.bridge
    if case.dead_volume is None and needs:
        yield find(
            Code.DEAD_VOLUME_UNKNOWN,
            "volume of tubing and catheter",
            said("no catheter stated"),
            said("its length, what was trimmed off, and its volume per cm"),
            "state the catheter as implanted; priming, bridge and arrival rest on it",
        )


def ratio_text(formulary: Formulary, one: Drug, other: Drug) -> str:
    """What is known of the potency of two opioids in spinal fluid, for the eye and never for a calculation."""
    for first, second in ((one, other), (other, one)):
        for found in formulary.conversions_of(first.code, Route.INTRATHECAL, second.code, Route.INTRATHECAL):
            numbers = f"{number_text(found.low_ratio)} to {number_text(found.high_ratio)}"
            return f"potency ratio {first.display_name} and {second.display_name}: {numbers}. {found.warning}"
    return f"no potency ratio for {one.display_name} and {other.display_name} is published for spinal fluid"


def _swaps(case: Case) -> Iterator[Finding]:
    """One opioid in place of another: the same number is another dose."""
    previous = case.order.previous
    if previous is None:
        return
    before = [d for d in map(case.drug_or_none, previous.mixture.drugs) if d is not None and d.drug_class.is_opioid]
    gone = [d for d in before if d.code not in case.order.mixture.drugs]
    for part in case.opioids:
        for drug in gone:
            if part.drug not in before:
                yield find(
                    Code.OPIOID_SWAP,
                    f"{part.name} in place of {drug.display_name}",
                    said(ratio_text(case.formulary, drug, part.drug)),
                    said("no automatic conversion; start low and titrate"),
                    "check the drug by its name and the dose by the ratio, and give the reason",
                    drug=part.drug.code,
                )


def _bridge(case: Case) -> Iterator[Finding]:
    bridge, previous = case.program.bridge, case.order.previous
    if bridge is None:
        if case.mixture_changed and not isinstance(case.program.base, Stopped):
            yield find(
                Code.NO_BRIDGE,
                "mixture or strength changed",
                said("no bridge: old drug in tubing and catheter would run at the new program's flow"),
                said("a bridge over the volume of tubing and catheter"),
                "order a bridge, or have the physician give the reason for leaving it out",
            )
        return
    if previous is None or not case.mixture_changed:
        yield find(
            Code.BRIDGE_WITHOUT_CHANGE,
            "bridge",
            said("the same mixture before and after, or none before"),
            said("a bridge where mixture or strength changes"),
            "leave the bridge out, or check the mixture",
        )
    yield from _bridge_volume(case, bridge)
    if previous is not None:
        yield from _bridge_dose(case, bridge, previous)


def _bridge_volume(case: Case, bridge: BridgeBolus) -> Iterator[Finding]:
    dead = case.dead_volume
    if dead is not None and bridge.volume != dead:
        digits = apart(bridge.volume, dead, "mL")
        yield find(
            Code.BRIDGE_VOLUME,
            "bridge volume",
            amount(bridge.volume, "mL", digits=digits),
            amount(dead, "mL", after=" in tubing and catheter", digits=digits),
            "correct the volume, or say why it differs",
        )


def _bridge_dose(case: Case, bridge: BridgeBolus, previous: Previous) -> Iterator[Finding]:
    """The bridge runs old drug: within the pump's flow, and at about the old dose (worked example WE-28)."""
    primary = previous.mixture.primary.drug
    drug = case.drug_or_none(primary)
    unit = "mg/day" if drug is None else drug.rate_unit
    planned = plan_bridge(bridge.volume, previous.mixture, bridge.dose)
    refused = planned if isinstance(planned, Refusal) else check_flow(planned, case.order.pump)
    if isinstance(refused, Refusal):
        high = refused.code is Why.ABOVE_CEILING
        yield find(
            Code.FLOW_ABOVE_MAXIMUM if high else Code.FLOW_BELOW_FLOOR,
            f"bridge in {case.name(primary)}",
            amount(bridge.dose, unit, after=f": {refused.found}"),
            said(refused.allowed),
            refused.then,
            drug=primary,
            source=of_pump(case, "flow_max" if high else "flow_min"),
        )
    old = case.old.get(primary)
    share = min(published().dose_steps.values(), key=lambda s: s.ratio)
    if old is not None and old.average.value > 0:
        off = bridge.dose * DAY / old.average - 1
        if abs(off) > share.ratio:
            digits = ratios_apart(abs(off), share.ratio)
            yield find(
                Code.BRIDGE_DOSE,
                f"bridge of {bridge.dose.text(unit)} in {case.name(primary)} against the old base",
                percent(abs(off), after=" more" if off > 0 else " less", digits=digits),
                percent(share.ratio, "at most ", f" off {(old.average / DAY).text(unit)}", digits),
                "bridge at the dose that ran before, or give the reason",
                drug=primary,
                source=share.source,
            )


def _priming(case: Case) -> Iterator[Finding]:
    priming, dead = case.program.priming, case.dead_volume
    if priming is None:
        return
    if dead is not None and priming.volume > dead:
        digits = apart(priming.volume, dead, "mL")
        yield find(
            Code.PRIMING_ABOVE_DEAD_VOLUME,
            "priming volume",
            amount(priming.volume, "mL", digits=digits),
            amount(dead, "mL", "at most ", " in tubing and catheter", digits),
            "correct the volume: what goes beyond it is a dose at once",
        )
    if case.order.previous is not None or case.order.first_fill is False:
        yield find(
            Code.PRIMING_AGAIN,
            "priming of a pump that held drug before",
            _pushed(case),
            said("a priming bolus once, into a line without drug"),
            "leave it out, or say what was replaced: drug in the line would be a dose at once",
        )


def _pushed(case: Case) -> Measure:
    """What a prime pushes out where the line still holds the old mixture."""
    previous, priming = case.order.previous, case.program.priming
    if previous is None or priming is None:
        return said("a pump that held drug before")
    code = previous.mixture.primary.drug
    drug = case.drug_or_none(code)
    mass = priming.volume * previous.mixture.primary.concentration
    return amount(mass, "mg" if drug is None else drug.dose_unit, after=f" of {case.name(code)} in the line at once")
