"""Cases of the review on the pump, the fail-safe and the way from one mixture to the next."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.therapy_review_orders import (
    BACLOFEN,
    BOLUS,
    CLEAN,
    CLONIDINE,
    MORPHINE,
    PREVIOUS,
    PROGRAM,
    base_of,
    before,
    bridge,
    ceiling,
    even_day,
    flow,
    mix,
    ml,
    ordered,
    plan,
    priming,
    rate,
    repeated,
    single,
    steady,
    time,
)

from thecal.quantities import Volume
from thecal.therapy.envelope import Can
from thecal.therapy.order import Order
from thecal.therapy.program import DaySchedule, FailSafe, FaultClass, MinimumRate, Response, Stopped

if TYPE_CHECKING:
    from thecal.therapy.mixture import Mixture

Case = tuple[Order, list[str]]
AT_RISK = "fail-safe-stop-risk"
EVERY = frozenset(Can)


def _without(*missing: Can) -> dict[str, Any]:
    return {"can": EVERY - set(missing)}


def _alike(order: Order) -> Order:
    """What ran before is the program ordered, on the same mixture."""
    return replace(order, previous=replace(PREVIOUS, mixture=order.mixture, program=order.program))


WEEKEND = DaySchedule((plan((0, "3 mg/day"), days=frozenset(range(5))), plan((0, "3 mg/day"), days=frozenset({5, 6}))))
FIXED: dict[str, Any] = {
    "flow_min": flow("0.3"),
    "flow_max": flow("0.3"),
    "fixed_flow": flow("0.3"),
    "stroke": None,
    "can": frozenset(),
}


def beside(**strengths: str) -> Mixture:
    """Morphine with other drugs."""
    return replace(MORPHINE, ingredients=(*MORPHINE.ingredients, *mix(**strengths).ingredients))


# The pump ------------------------------------------------------------------------------------------------------------

PUMPS: dict[str, Case] = {
    "stopped": (_alike(base_of(CLEAN, Stopped())), []),
    "cannot stop": (_alike(ordered(base_of(CLEAN, Stopped()), pump=_without(Can.STOP))), ["pump-cannot"]),
    "minimum rate": (
        ordered(_alike(base_of(CLEAN, MinimumRate())), fill={"volume": ml("3"), "syringe": ml("3")}),
        ["daily-dose-below:morphine"],
    ),
    "no minimum rate": (
        ordered(_alike(base_of(CLEAN, MinimumRate())), pump={**_without(Can.MINIMUM_RATE), "minimum_rate": None}),
        ["minimum-rate-unknown", "pump-cannot"],
    ),
    "cannot set a rate": (ordered(pump=_without(Can.SET_RATE)), ["pump-cannot"]),
    "a day in as many steps as it holds": (ordered(base_of(CLEAN, even_day(12)), pump={"steps_per_day": 12}), []),
    "a step too many": (ordered(base_of(CLEAN, even_day(12)), pump={"steps_per_day": 11}), ["too-many-steps"]),
    "a day schedule, every day alike": (ordered(base_of(CLEAN, even_day(2)), pump=_without(Can.WEEKDAYS)), []),
    "cannot tell weekdays": (ordered(base_of(CLEAN, WEEKEND), pump=_without(Can.WEEKDAYS)), ["pump-cannot"]),
    "cannot step at all": (
        ordered(base_of(CLEAN, WEEKEND), pump=_without(Can.WEEKDAYS, Can.DAY_SCHEDULE)),
        ["pump-cannot", "pump-cannot"],
    ),
    "cannot repeat": (
        ordered(base_of(CLEAN, repeated("0.25 mg", "2 h")), pump=_without(Can.REPEATED_DOSES)),
        ["pump-cannot"],
    ),
    "cannot give boluses": (
        _alike(
            ordered(
                program={"patient_bolus": BOLUS, "single_boluses": (single("0.3 mg"),)},
                pump=_without(Can.PATIENT_BOLUS, Can.SINGLE_BOLUS),
            )
        ),
        ["pump-cannot", "pump-cannot"],
    ),
    "cannot prime or bridge": (
        ordered(
            program={"priming": priming("0.3"), "bridge": bridge("0.3", "3 mg/day")},
            pump=_without(Can.PRIME, Can.BRIDGE),
        ),
        ["bridge-without-change", "priming-again", "pump-cannot", "pump-cannot"],
    ),
    "can do nothing": (ordered(pump={"can": frozenset()}), ["pump-cannot"]),
    "at the floor": (_alike(base_of(CLEAN, steady("0.48 mg/day"))), ["stability-exceeded"]),
    "below the floor": (
        _alike(base_of(CLEAN, steady("0.479 mg/day"))),
        ["flow-below-floor:morphine", "stability-exceeded"],
    ),
    "one step below the floor": (
        base_of(CLEAN, DaySchedule((plan((0, "3 mg/day"), (3600, "0.4 mg/day"), (7200, "3 mg/day")),))),
        ["flow-below-floor:morphine"],
    ),
    "at the maximum": (
        _alike(ordered(pump={"flow_max": flow("0.3")})),
        [],
    ),
    "above the maximum": (
        _alike(ordered(pump={"flow_max": flow("0.299")})),
        ["flow-above-maximum:morphine"],
    ),
    "a base of zero": (_alike(ordered(program={"base": steady("0 mg/day")})), []),
    "cannot run at zero": (
        _alike(ordered(program={"base": steady("0 mg/day")}, pump=_without(Can.ZERO_RATE))),
        ["zero-base:morphine"],
    ),
    "cannot pause between repeated doses": (
        ordered(program={"base": repeated("0.25 mg", "2 h")}, pump=_without(Can.ZERO_RATE)),
        ["zero-base:morphine"],
    ),
    "a repeated dose too fast": (
        ordered(program={"base": repeated("0.25 mg", "2 h")}, pump={"flow_max": flow("3.5")}),
        ["flow-above-maximum:morphine"],
    ),
    "a bolus as fast as can be": (
        _alike(ordered(program={"patient_bolus": BOLUS}, pump={"flow_max": flow("4.62")})),
        [],
    ),
    "a bolus too fast": (
        _alike(ordered(program={"patient_bolus": BOLUS}, pump={"flow_max": flow("4.61")})),
        ["bolus-flow-above-maximum:morphine"],
    ),
    "single boluses, one too fast": (
        _alike(
            ordered(
                program={"single_boluses": (single("0.3 mg"), single("0.3 mg", "1 min"))}, pump={"flow_max": flow("5")}
            )
        ),
        ["bolus-flow-above-maximum:morphine"],
    ),
    "a bolus with no room beside the base": (
        _alike(ordered(program={"patient_bolus": BOLUS}, pump={"flow_max": flow("0.3")})),
        ["bolus-flow-above-maximum:morphine"],
    ),
    "the highest step counts for a bolus": (
        ordered(
            program={
                "base": DaySchedule((plan((0, "2.4 mg/day"), (43_200, "3.6 mg/day")),)),
                "patient_bolus": BOLUS,
            },
            previous=before(patient_bolus=BOLUS),
            pump={"flow_max": flow("4.65")},
        ),
        ["bolus-flow-above-maximum:morphine"],
    ),
    "a bolus of one stroke": (
        _alike(ordered(program={"single_boluses": (single("0.0025 mg"),)})),
        [],
    ),
    "a bolus of less than one stroke": (
        _alike(ordered(program={"single_boluses": (single("0.0024 mg"),)})),
        ["bolus-under-stroke:morphine"],
    ),
    "a bolus of a stroke and a half": (
        _alike(ordered(program={"single_boluses": (single("0.00375 mg"),)})),
        ["dose-quantized:morphine"],
    ),
    "a repeated dose in part of a stroke": (
        base_of(CLEAN, repeated("0.2512 mg", "2 h")),
        ["dose-quantized:morphine"],
    ),
    "a stroke that nobody knows": (
        _alike(ordered(program={"patient_bolus": BOLUS}, pump={"stroke": None})),
        ["stroke-unknown"],
    ),
    "a stroke that nobody knows, and no bolus": (ordered(pump={"stroke": None}), []),
    "a stroke of nothing": (
        _alike(ordered(program={"patient_bolus": BOLUS}, pump={"stroke": Volume.zero()})),
        [],
    ),
    "a bolus of nothing": (_alike(ordered(program={"single_boluses": (single("0 mg"),)})), ["bolus-empty:morphine"]),
    "a bolus in no time": (
        _alike(ordered(program={"single_boluses": (single("0.3 mg", "0 min"),)})),
        ["bolus-empty:morphine"],
    ),
    "boluses on a stopped pump": (
        _alike(ordered(program={"base": Stopped(), "patient_bolus": BOLUS})),
        ["bolus-while-stopped"],
    ),
    "constants that nobody read": (
        ordered(pump={"unverified": frozenset({"flow_max", "stroke"})}),
        ["pump-unverified"],
    ),
    "a constant flow that fits": (ordered(pump=FIXED), []),
    "a constant flow that does not fit": (
        _alike(ordered(program={"base": steady("2.9 mg/day")}, pump=FIXED)),
        ["fixed-flow:morphine"],
    ),
    "a constant flow, more than it gives": (
        _alike(ordered(program={"base": steady("3.1 mg/day")}, pump=FIXED)),
        ["fixed-flow:morphine"],
    ),
    "a constant flow and a bolus": (
        _alike(ordered(program={"single_boluses": (single("0.3 mg"),)}, pump=FIXED)),
        ["bolus-flow-above-maximum:morphine", "pump-cannot"],
    ),
    "an unknown drug on the floor": (
        ordered(
            mixture={"ingredients": mix(xqzzy="10 mg/mL").ingredients},
            program={"base": steady("0.4 mg/day"), "ceilings": (ceiling("xqzzy", "1 mg", "12 mg"),)},
            previous={"mixture": mix(xqzzy="10 mg/mL")},
        ),
        ["flow-below-floor:xqzzy", "unknown-drug:xqzzy"],
    ),
}

# The fail-safe -------------------------------------------------------------------------------------------------------

STOP = Response.STOP
CLASSES = (FaultClass.RESERVOIR, FaultClass.MOTOR, FaultClass.POWER, FaultClass.CLOCK)


def _safe(
    order: Order,
    other: Response = STOP,
    *,
    dose: str | None = None,
    reason: str | None = "seen daily",
    **set_to: Response,
) -> Order:
    """A response for every class that needs one, with some set by name."""
    responses = dict.fromkeys(CLASSES, other) | {FaultClass[name]: response for name, response in set_to.items()}
    return ordered(order, program={"fail_safe": FailSafe(responses, None if dose is None else rate(dose), reason)})


FAIL_SAFES: dict[str, Case] = {
    "none, no risk": (ordered(program={"fail_safe": None}), ["fail-safe-missing"]),
    "none, a drug at risk": (ordered(BACLOFEN, program={"fail_safe": None}), ["fail-safe-not-chosen"]),
    "one class left out": (
        ordered(program={"fail_safe": FailSafe(dict.fromkeys(CLASSES[1:], STOP))}),
        ["fail-safe-missing"],
    ),
    "one class left out, a drug at risk": (
        ordered(BACLOFEN, program={"fail_safe": FailSafe(dict.fromkeys(CLASSES[1:], Response.CONTINUE), None, "why")}),
        ["fail-safe-not-chosen"],
    ),
    "over-delivery and memory need no choice": (_safe(CLEAN, reason=None), []),
    "a choice without a reason": (_safe(BACLOFEN, Response.CONTINUE, reason=" "), ["fail-safe-no-reason"]),
    "a choice with no reason at all": (_safe(BACLOFEN, Response.CONTINUE, reason=None), ["fail-safe-no-reason"]),
    "a choice with its reason": (_safe(BACLOFEN, Response.CONTINUE), []),
    "stop on one class": (_safe(BACLOFEN, Response.CONTINUE, MOTOR=STOP), [f"{AT_RISK}:baclofen"]),
    "stop without a reason": (
        _safe(BACLOFEN, reason=None),
        ["fail-safe-no-reason", f"{AT_RISK}:baclofen"],
    ),
    "memory goes on": (_safe(CLEAN, MEMORY=Response.CONTINUE), ["fail-safe-must-stop"]),
    "over-delivery and memory go on": (
        _safe(CLEAN, MEMORY=Response.FALLBACK, OVER_DELIVERY=Response.CONTINUE, dose="3 mg/day"),
        ["fail-safe-must-stop", "fail-safe-must-stop"],
    ),
    "fallback without a dose": (_safe(CLEAN, Response.FALLBACK), ["fallback-missing:morphine"]),
    "fallback at the base": (_safe(CLEAN, Response.FALLBACK, dose="3 mg/day"), []),
    "fallback above the base": (
        _safe(CLEAN, Response.FALLBACK, dose="3.001 mg/day"),
        ["fallback-above-base:morphine"],
    ),
    "fallback above the lowest day": (
        _safe(
            base_of(
                CLEAN,
                DaySchedule(
                    (plan((0, "3 mg/day"), days=frozenset(range(6))), plan((0, "2.9 mg/day"), days=frozenset({6})))
                ),
            ),
            Response.FALLBACK,
            dose="3 mg/day",
        ),
        ["fallback-above-base:morphine"],
    ),
    "fallback at the floor": (_safe(CLEAN, Response.FALLBACK, dose="0.48 mg/day"), []),
    "fallback below the floor": (
        _safe(CLEAN, Response.FALLBACK, dose="0.479 mg/day"),
        ["fallback-below-floor:morphine"],
    ),
    "fallback of nothing": (_safe(CLEAN, Response.FALLBACK, dose="0 mg/day"), ["fallback-below-floor:morphine"]),
    "a fallback dose that nothing asks for": (_safe(CLEAN, dose="9 mg/day"), []),
    "fallback while stopped": (
        _alike(_safe(base_of(CLEAN, Stopped()), Response.FALLBACK, dose="0.48 mg/day")),
        ["fallback-above-base:morphine"],
    ),
    "fallback with doses that cannot be computed": (
        ordered(
            _safe(base_of(CLEAN, MinimumRate()), Response.FALLBACK, dose="0.48 mg/day"), pump={"minimum_rate": None}
        ),
        ["minimum-rate-unknown"],
    ),
    "fallback of an unknown drug": (
        ordered(
            _safe(CLEAN, Response.FALLBACK, dose="9 mg/day"),
            mixture={"ingredients": mix(xqzzy="10 mg/mL").ingredients},
            program={"ceilings": (ceiling("xqzzy", "1 mg", "12 mg"),)},
            previous={"mixture": mix(xqzzy="10 mg/mL")},
        ),
        ["unknown-drug:xqzzy"],
    ),
}

# From one mixture to the next -----------------------------------------------------------------------------------------

STRONGER = ordered(previous={"mixture": mix(morphine="20 mg/mL")})
HYDRO = ordered(
    mixture={"ingredients": mix(hydromorphone="10 mg/mL").ingredients},
    program={
        "base": steady("0.5 mg/day"),
        "ceilings": (ceiling("hydromorphone", "0.1 mg", "4 mg"),),
        "bridge": bridge("0.3", "3 mg/day"),
    },
    fill={"volume": ml("4"), "syringe": ml("4")},
)
SWAP = ["drug-off-label:hydromorphone", "opioid-swap:hydromorphone", "start-dose-above:hydromorphone"]

TRANSITIONS: dict[str, Case] = {
    "strength without a bridge": (STRONGER, ["no-bridge"]),
    "strength with its bridge": (ordered(STRONGER, program={"bridge": bridge("0.3", "3 mg/day")}), []),
    "another strength, and stopped": (
        ordered(STRONGER, program={"base": Stopped()}),
        ["change-down:morphine"],
    ),
    "a drug more without a bridge": (
        ordered(
            previous={
                "mixture": replace(
                    MORPHINE, ingredients=(*MORPHINE.ingredients, *mix(ziconotide="25 mcg/mL").ingredients)
                )
            }
        ),
        ["no-bridge"],
    ),
    "a bridge and the same mixture": (
        ordered(program={"bridge": bridge("0.3", "3 mg/day")}),
        ["bridge-without-change"],
    ),
    "a bridge and nothing before": (
        replace(ordered(program={"bridge": bridge("0.3", "3 mg/day")}), previous=None, first_fill=True),
        ["bridge-without-change", "start-dose-above:morphine"],
    ),
    "a bridge of another volume": (
        ordered(STRONGER, program={"bridge": bridge("0.31", "3 mg/day")}),
        ["bridge-volume"],
    ),
    "a bridge below the floor": (
        ordered(STRONGER, program={"bridge": bridge("0.3", "0.9 mg/day")}, pump={"flow_min": flow("0.05")}),
        ["bridge-dose:morphine", "flow-below-floor:morphine"],
    ),
    "a bridge at the floor": (
        ordered(STRONGER, program={"bridge": bridge("0.3", "3 mg/day")}, pump={"flow_min": flow("0.15")}),
        [],
    ),
    "a bridge above the maximum": (
        ordered(
            previous={"mixture": mix(morphine="5 mg/mL")},
            program={"bridge": bridge("0.3", "3 mg/day")},
            pump={"flow_max": flow("0.5")},
        ),
        ["flow-above-maximum:morphine"],
    ),
    "a bridge of nothing": (
        ordered(STRONGER, program={"bridge": bridge("0.3", "0 mg/day")}),
        ["bridge-dose:morphine", "flow-below-floor:morphine"],
    ),
    "a bridge 30 % above the old dose": (ordered(STRONGER, program={"bridge": bridge("0.3", "3.9 mg/day")}), []),
    "a bridge further above the old dose": (
        ordered(STRONGER, program={"bridge": bridge("0.3", "3.91 mg/day")}),
        ["bridge-dose:morphine"],
    ),
    "a bridge 30 % below the old dose": (ordered(STRONGER, program={"bridge": bridge("0.3", "2.1 mg/day")}), []),
    "a bridge further below the old dose": (
        ordered(STRONGER, program={"bridge": bridge("0.3", "2.09 mg/day")}),
        ["bridge-dose:morphine"],
    ),
    "a bridge out of a stopped pump": (
        ordered(
            STRONGER,
            program={"bridge": bridge("0.3", "3 mg/day")},
            previous={"program": replace(PROGRAM, base=Stopped()), "mixture": mix(morphine="20 mg/mL")},
        ),
        ["start-dose-above:morphine"],
    ),
    "a bridge in an unknown drug": (
        ordered(program={"bridge": bridge("0.3", "90 mg/day")}, previous={"mixture": mix(xqzzy="1 mg/mL")}),
        ["bridge-dose:xqzzy", "flow-above-maximum:xqzzy", "start-dose-above:morphine"],
    ),
    "no catheter, nothing changes": (replace(CLEAN, catheter=None), []),
    "no catheter, another strength": (replace(STRONGER, catheter=None), ["dead-volume-unknown", "no-bridge"]),
    "no catheter, a bridge": (
        replace(ordered(program={"bridge": bridge("9", "3 mg/day")}), catheter=None),
        ["bridge-without-change", "dead-volume-unknown"],
    ),
    "no catheter, priming": (
        replace(ordered(program={"priming": priming("9")}), catheter=None),
        ["dead-volume-unknown", "priming-again"],
    ),
    "no catheter, the first program": (
        replace(CLEAN, catheter=None, previous=None, first_fill=True),
        ["dead-volume-unknown", "start-dose-above:morphine"],
    ),
    "priming a new pump": (
        replace(ordered(program={"priming": priming("0.3")}), previous=None, first_fill=True),
        ["start-dose-above:morphine"],
    ),
    "priming more than the dead volume": (
        replace(ordered(program={"priming": priming("0.301")}), previous=None, first_fill=True),
        ["priming-above-dead-volume", "start-dose-above:morphine"],
    ),
    "priming again": (ordered(program={"priming": priming("0.3")}), ["priming-again"]),
    "priming again over an unknown drug": (
        ordered(
            program={"priming": priming("0.3"), "bridge": bridge("0.3", "3 mg/day")},
            previous={"mixture": mix(xqzzy="10 mg/mL")},
        ),
        ["priming-again", "start-dose-above:morphine"],
    ),
    "priming a pump that held something": (
        replace(ordered(program={"priming": priming("0.3")}), previous=None, first_fill=False),
        ["previous-unknown", "priming-again", "start-dose-above:morphine"],
    ),
    "priming where nobody says": (
        replace(ordered(program={"priming": priming("0.3")}), previous=None, first_fill=None),
        ["first-fill-unknown", "start-dose-above:morphine"],
    ),
    "hydromorphone in place of morphine": (HYDRO, SWAP),
    "morphine in place of hydromorphone": (
        ordered(previous={"mixture": mix(hydromorphone="10 mg/mL")}, program={"bridge": bridge("0.3", "3 mg/day")}),
        ["opioid-swap:morphine", "start-dose-above:morphine"],
    ),
    "hydromorphone in place of nothing": (
        ordered(HYDRO, previous={"mixture": mix(bupivacaine="10 mg/mL")}),
        ["drug-off-label:hydromorphone", "start-dose-above:hydromorphone"],
    ),
    "hydromorphone beside morphine": (
        ordered(
            HYDRO,
            mixture={"ingredients": (*HYDRO.mixture.ingredients, *MORPHINE.ingredients)},
            program={"ceilings": (*HYDRO.program.ceilings, *PROGRAM.ceilings)},
        ),
        [
            "change-down:morphine",
            "compounded-contradiction",
            "drug-off-label:hydromorphone",
            "mixture-off-label",
            "stability-unknown",
            "start-dose-above:hydromorphone",
            "two-opioids",
        ],
    ),
    "hydromorphone beside morphine left out": (
        ordered(previous={"mixture": beside(hydromorphone="1 mg/mL")}, program={"bridge": bridge("0.3", "3 mg/day")}),
        [],
    ),
    "clonidine left out": (
        ordered(
            previous={
                "mixture": replace(
                    MORPHINE, ingredients=(*MORPHINE.ingredients, *mix(clonidine="100 mcg/mL").ingredients)
                )
            },
            program={"bridge": bridge("0.3", "3 mg/day")},
        ),
        ["withdrawal-risk:clonidine"],
    ),
    "clonidine left out long ago": (
        ordered(
            previous={
                "mixture": replace(
                    MORPHINE, ingredients=(*MORPHINE.ingredients, *mix(clonidine="100 mcg/mL").ingredients)
                ),
                "gap": time("48 h"),
            },
            program={"bridge": bridge("0.3", "3 mg/day"), "base": steady("0.5 mg/day")},
            fill={"volume": ml("4"), "syringe": ml("4")},
        ),
        ["daily-dose-below:morphine"],
    ),
    "clonidine left out, of which nothing ran": (
        ordered(
            previous={
                "mixture": mix(clonidine="100 mcg/mL"),
                "program": replace(PROGRAM, base=Stopped()),
            },
            program={"bridge": bridge("0.3", "1 mg/day")},
        ),
        ["start-dose-above:morphine"],
    ),
    "morphine left out, and no opioid in its place": (
        ordered(
            CLONIDINE,
            previous={"mixture": MORPHINE, "program": PROGRAM},
            program={"bridge": bridge("0.3", "3 mg/day")},
            fill={"volume": ml("4"), "syringe": ml("4")},
        ),
        ["drug-off-label:clonidine", f"{AT_RISK}:clonidine", "stability-unknown", "change-down:morphine"],
    ),
    "bupivacaine left out": (
        ordered(
            previous={
                "mixture": replace(
                    MORPHINE, ingredients=(*MORPHINE.ingredients, *mix(bupivacaine="10 mg/mL").ingredients)
                )
            },
            program={"bridge": bridge("0.3", "3 mg/day")},
        ),
        [],
    ),
    "nothing is known of what ran": (
        replace(CLEAN, previous=None),
        ["previous-unknown", "start-dose-above:morphine"],
    ),
}

CASES = {
    f"{group}: {name}": case
    for group, cases in {"pump": PUMPS, "fail-safe": FAIL_SAFES, "transition": TRANSITIONS}.items()
    for name, case in cases.items()
}
