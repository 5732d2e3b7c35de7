"""What lies between reservoir and tip: bridge, priming, first fill, and when the new drug arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thecal.cli.parts import Grid, Part, refusal_json
from thecal.pump.families import family
from thecal.quantities import duration_text
from thecal.therapy.bridge import (
    Arrival,
    Bridge,
    bridge_between,
    check_flow,
    doses_at,
    front_arrives,
    plan_bridge,
)
from thecal.therapy.first_fill import plan_first_fill
from thecal.therapy.line import BRIDGE_CAUTIONS, prime
from thecal.therapy.pattern import pattern_of
from thecal.therapy.refusal import Refusal, day_text, minute_text

if TYPE_CHECKING:
    from datetime import datetime

    from thecal.cli.planning import Case
    from thecal.quantities import Flow, Volume
    from thecal.therapy.bridge import DrugDose
    from thecal.therapy.mixture import Mixture
    from thecal.therapy.order import Order, Previous
    from thecal.therapy.program import Program

_NO_CATHETER = "the catheter: its length and volume set the dead volume. State [catheter]."


def dead_volume(case: Case) -> Volume | None:
    """Tubing and catheter; None where the catheter is not known."""
    catheter = case.order.catheter
    return None if catheter is None else case.order.pump.tubing + catheter.volume


def bridge(case: Case) -> Part:
    """The bridge of an order whose mixture changes, the one ordered beside the one that arithmetic gives."""
    title, dead, previous = "Bridge and arrival at the tip", dead_volume(case), case.order.previous
    if dead is None:
        return Part("bridge", title, missing=[_NO_CATHETER])
    facts = [("dead volume", _dead_text(case, dead))]
    body: dict[str, Any] = {"dead_volume": dead.as_json("mL")}
    if previous is None or previous.mixture.ingredients == case.order.mixture.ingredients:
        said = "nothing ran before" if previous is None else "the fluid stays the same"
        facts.append(("bridge", f"none: {said}"))
        return Part("bridge", title, [*facts, *_fresh(case, dead, previous, body)], notes=_cautions(), body=body)
    return _bridged(case, dead, previous, facts, body)


def _dead_text(case: Case, dead: Volume) -> str:
    catheter = case.order.catheter
    parts = f"tubing {case.order.pump.tubing.text('mL')} + catheter {catheter.volume.text('mL')}" if catheter else ""
    doubt = ", tubing NOT READ in a source" if "tubing" in case.order.pump.unverified else ""
    return f"{dead.text('mL')} ({parts}{doubt})"


def _fresh(case: Case, dead: Volume, previous: Previous | None, body: dict[str, Any]) -> list[tuple[str, str]]:
    """Without a change of fluid: when what is filled now leaves the tip."""
    found = _arrival(case.order.program, case.order.mixture, case, dead)
    if isinstance(found, Refusal):
        return [("arrival", found.message)]
    body["arrival"] = {"at": found.at.isoformat(), "after": found.after.as_json("h")}
    what = "the line is empty of drug until" if previous is None else "what is filled now reaches the tip on"
    after = f"{duration_text(found.after)} after the start, if nothing is primed"
    return [("arrival", f"{what} {minute_text(found.at)}, {after}")]


def _bridged(case: Case, dead: Volume, previous: Previous, facts: list[tuple[str, str]], body: dict[str, Any]) -> Part:
    ordered = case.order.program.bridge
    rows: list[list[str]] = []
    refusals = []
    if ordered is not None:
        made = plan_bridge(ordered.volume, previous.mixture, ordered.dose)
        checked = made if isinstance(made, Refusal) else check_flow(made, case.order.pump)
        rows += _bridge_rows("ordered", checked, case)
        refusals += [checked] if isinstance(checked, Refusal) else []
        body["ordered"] = _bridge_json(checked, case.start)
        if ordered.volume != dead:
            facts.append(("CHECK", f"the bridge ordered has {ordered.volume.text('mL')}, the line {dead.text('mL')}"))
    else:
        facts.append(("bridge", "NONE IS ORDERED although the fluid changes"))
    name, planned = _planned(case, dead, previous)
    rows += _bridge_rows(name, planned, case)
    body["planned"] = _bridge_json(planned, case.start)
    facts += _without(case, dead, previous, body)
    return Part(
        "bridge",
        "Bridge and arrival at the tip",
        facts,
        Grid(["bridge", "volume", "lasts", "flow", "gives of the old mixture", "new drug at the tip"], rows),
        _cautions(),
        refusals=refusals,
        body=body,
    )


def _planned(case: Case, dead: Volume, previous: Previous) -> tuple[str, Bridge | Refusal]:
    goes_on = previous.mixture.primary.drug in case.order.mixture.drugs
    return f"by arithmetic, at the {'new' if goes_on else 'old'} dose", planned_bridge(case.order, dead, previous)


def planned_bridge(order: Order, dead: Volume, previous: Previous) -> Bridge | Refusal:
    """The bridge that therapy plans from what ran before to this order."""
    before, after = (previous.program, previous.mixture), (order.program, order.mixture)
    return bridge_between(dead, before, after, order.pump)


def _bridge_rows(name: str, made: Bridge | Refusal, case: Case) -> list[list[str]]:
    if isinstance(made, Refusal):
        return [[name, "none", made.message, "", "", ""]]
    ends = made.ends(case.start)
    at = ends.message if isinstance(ends, Refusal) else minute_text(ends)
    doses = ", ".join(_dose_text(d, case) for d in made.doses)
    return [[name, made.volume.text("mL"), duration_text(made.duration), made.flow.text("mL/day"), doses, at]]


def _dose_text(dose: DrugDose, case: Case) -> str:
    drug = case.known.words(dose.drug)
    return f"{dose.dose.text(drug.rate_unit)} {drug.display_name}"


def _bridge_json(made: Bridge | Refusal, start: datetime) -> dict[str, Any]:
    if isinstance(made, Refusal):
        return {"refused": refusal_json(made)}
    ends = made.ends(start)
    return {
        "volume": made.volume.as_json("mL"),
        "duration": made.duration.as_json("h"),
        "flow": made.flow.as_json("mL/day"),
        "doses": {d.drug: d.dose.as_json("mg/day") for d in made.doses},
        "new_drug_at_tip": None if isinstance(ends, Refusal) else ends.isoformat(),
    }


def _without(case: Case, dead: Volume, previous: Previous, body: dict[str, Any]) -> list[tuple[str, str]]:
    """What the tip would get meanwhile without a bridge: the old strength at the new flow."""
    found = _arrival(case.order.program, case.order.mixture, case, dead)
    if isinstance(found, Refusal):
        return [("without a bridge", found.message)]
    flow = dead / found.after if found.after else None
    body["without_bridge"] = {"new_drug_at_tip": found.at.isoformat(), "after": found.after.as_json("h")}
    meanwhile = ", ".join(_dose_text(d, case) for d in doses_at(flow, previous.mixture)) if flow else "nothing"
    return [
        (
            "without a bridge",
            f"the old fluid at the new flow would give {meanwhile} until {minute_text(found.at)}"
            f" ({duration_text(found.after)})",
        )
    ]


def _arrival(program: Program, mixture: Mixture, case: Case, dead: Volume) -> Arrival | Refusal:
    pattern = pattern_of(program.base, mixture, case.order.pump.minimum_rate)
    return pattern if isinstance(pattern, Refusal) else front_arrives(pattern, mixture, dead, case.start)


def _cautions() -> list[str]:
    return [str(c) for c in BRIDGE_CAUTIONS]


def prime_part(case: Case) -> Part:
    """Priming volumes, the one ordered beside them, and the first fill of a drug that has a rule for it."""
    title, catheter, pump = "Priming", case.order.catheter, case.order.pump
    if catheter is None:
        return Part("prime", title, missing=[_NO_CATHETER])
    full, primed = (prime(pump.tubing, catheter.volume, pump_primed=p) for p in (False, True))
    rate = family(pump.family).prime_rate
    facts = [
        ("tubing and catheter", _prime_text(full.volume, rate)),
        ("catheter alone", _prime_text(primed.volume, rate) + "; where the pump was primed before the implant"),
        ("ordered", _ordered_prime(case, full.volume)),
    ]
    body: dict[str, Any] = {
        "tubing_and_catheter": full.volume.as_json("mL"),
        "catheter": primed.volume.as_json("mL"),
        "ordered": case.order.program.priming.volume.as_json("mL") if case.order.program.priming else None,
    }
    first, refusals = _first_fill(case, body)
    return Part("prime", title, [*facts, *first], notes=[str(c) for c in full.cautions], refusals=refusals, body=body)


def _prime_text(volume: Volume, rate: Flow | None) -> str:
    return volume.text("mL") + (f", {duration_text(volume / rate)} at {rate.text('mL/h')}" if rate else "")


def _ordered_prime(case: Case, dead: Volume) -> str:
    ordered = case.order.program.priming
    if ordered is None:
        return "none"
    if ordered.volume > dead:
        return f"{ordered.volume.text('mL')}, MORE THAN TUBING AND CATHETER HOLD"
    return ordered.volume.text("mL")


def _first_fill(case: Case, body: dict[str, Any]) -> tuple[list[tuple[str, str]], list[Refusal]]:
    order = case.order
    rule = case.known.words(order.mixture.primary.drug).first_fill
    if rule is None or order.first_fill is not True:
        return [], []
    filled = order.fill.volume if order.fill is not None else None
    made = plan_first_fill(filled, order.mixture.primary.concentration, order.pump.reservoir, case.start.date(), rule)
    if isinstance(made, Refusal):
        return [], [made]
    drug = case.known.words(order.mixture.primary.drug)
    body["first_fill"] = {
        "rinses": made.rinses,
        "rinse": made.rinse.as_json("mL"),
        "fill": made.fill.as_json("mL"),
        "drawn": made.drawn.as_json("mL"),
        "refill_by": made.refill_by.isoformat(),
    }
    text = (
        f"{made.rinses} rinses of {made.rinse.text('mL')}, then {made.fill.text('mL')} with "
        f"{made.drug.text(drug.dose_unit)} {drug.display_name}; {made.drawn.text('mL')} drawn in all; "
        f"fill again by {day_text(made.refill_by)} ({rule.source.name})"
    )
    return [("first fill", text)], []
