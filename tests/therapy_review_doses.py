"""Cases of the review on numbers: limits, ceilings, change and slips. Each is an order and the keys it must give."""

from __future__ import annotations

from dataclasses import replace

from tests.therapy_review_orders import (
    BACLOFEN,
    BOLUS,
    CLEAN,
    CLONIDINE,
    FILL,
    PREVIOUS,
    PROGRAM,
    ZICONOTIDE,
    alone,
    base_of,
    before,
    ceiling,
    flow,
    mass,
    mix,
    ml,
    ordered,
    plan,
    repeated,
    single,
    steady,
    time,
)

from thecal.therapy.order import Indication, Order
from thecal.therapy.program import DaySchedule, MinimumRate, Stopped

Case = tuple[Order, list[str]]

# An order whose ceilings are so wide that only the dose is under test; the ceiling itself then is above the limits.
WIDE = ordered(program={"ceilings": (ceiling("morphine", "15 mg", "15 mg"),)})
LITTLE = replace(FILL, volume=ml("4"), syringe=ml("4"))
START = replace(CLEAN, previous=None, first_fill=True, fill=LITTLE)
SLOW = {"flow_min": flow("0.006")}
NAIVE = replace(START, patient=replace(START.patient, opioid_naive=True, systemic_opioids=()))
AT_RISK = "fail-safe-stop-risk"


def _same(order: Order, dose: str) -> Order:
    """Ordered and before alike, so that nothing changes."""
    same = replace(order.program, base=steady(dose))
    previous = order.previous or PREVIOUS
    return replace(order, program=same, previous=replace(previous, program=same))


def _from_to(old: str, new: str, order: Order = WIDE) -> Order:
    changed = replace(order.previous or PREVIOUS, program=replace(order.program, base=steady(old)))
    return replace(order, program=replace(order.program, base=steady(new)), previous=changed)


def _with_bolus(order: Order, dose: str, most: int = 4) -> Order:
    """The same bolus ordered and before."""
    same = replace(order.program, patient_bolus=replace(BOLUS, dose=mass(dose), most_per_24h=most))
    return replace(order, program=same, previous=replace(PREVIOUS, program=same))


# Doses per 24 h -----------------------------------------------------------------------------------------------------

DAILY: dict[str, Case] = {
    "nothing to find": (CLEAN, []),
    "at the consensus ceiling": (_same(WIDE, "15 mg/day"), []),
    "above the consensus ceiling": (
        _same(WIDE, "15.001 mg/day"),
        ["ceiling-below-program:morphine", "daily-dose-above:morphine"],
    ),
    "at the caution of the label": (
        _same(ordered(program={"ceilings": (ceiling("morphine", "20 mg", "20 mg"),)}), "20 mg/day"),
        ["ceiling-above-limit:morphine", "daily-dose-above:morphine"],
    ),
    "above the caution of the label too": (
        _same(ordered(program={"ceilings": (ceiling("morphine", "20 mg", "20 mg"),)}), "20.001 mg/day"),
        [
            "ceiling-above-limit:morphine",
            "ceiling-below-program:morphine",
            "daily-dose-above:morphine",
            "daily-dose-above:morphine",
        ],
    ),
    "at the ceiling with every bolus": (_with_bolus(_same(WIDE, "13.8 mg/day"), "0.3 mg"), ["bolus-share:morphine"]),
    "above the ceiling with every bolus": (
        _with_bolus(_same(WIDE, "13.81 mg/day"), "0.3 mg"),
        ["bolus-share:morphine", "ceiling-below-program:morphine", "daily-dose-above-with-boluses:morphine"],
    ),
    "above the ceiling with a single bolus": (
        ordered(_same(WIDE, "14.6 mg/day"), program={"single_boluses": (single("0.5 mg"),)}),
        ["ceiling-below-program:morphine", "daily-dose-above-with-boluses:morphine"],
    ),
    "above the ceiling on one day of the week": (
        base_of(
            WIDE,
            DaySchedule(
                (
                    plan((0, "3 mg/day"), days=frozenset(range(6))),
                    plan((0, "16 mg/day"), days=frozenset({6})),
                )
            ),
        ),
        ["ceiling-below-program:morphine", "change-up:morphine", "change-up:morphine", "daily-dose-above:morphine"],
    ),
    "ziconotide: FDA and PACC differ from EMA and UK": (
        _same(ZICONOTIDE, "20 mcg/day"),
        ["ceiling-below-program:ziconotide", *["daily-dose-above:ziconotide"] * 3],
    ),
    "ziconotide above all of them": (
        _same(ZICONOTIDE, "21.7 mcg/day"),
        ["ceiling-below-program:ziconotide", *["daily-dose-above:ziconotide"] * 5],
    ),
    "baclofen above the summary, within what was observed": (
        _same(ordered(BACLOFEN, program={"ceilings": (ceiling("baclofen", "999 mcg", "1,000 mcg"),)}), "1,001 mcg/day"),
        [f"{AT_RISK}:baclofen", "ceiling-below-program:baclofen", "daily-dose-above:baclofen"],
    ),
    "baclofen of cerebral origin above what was observed": (
        _same(
            ordered(
                BACLOFEN,
                patient={"indication": Indication.SPASTICITY_CEREBRAL},
                program={"ceilings": (ceiling("baclofen", "999 mcg", "1,000 mcg"),)},
            ),
            "1,401 mcg/day",
        ),
        [
            f"{AT_RISK}:baclofen",
            "ceiling-below-program:baclofen",
            "daily-dose-above:baclofen",
            "daily-dose-above:baclofen",
        ],
    ),
    "baclofen in a child above what was observed": (
        _same(
            ordered(
                BACLOFEN,
                patient={"age_years": 11},
                program={"ceilings": (ceiling("baclofen", "999 mcg", "1,000 mcg"),)},
            ),
            "1,200 mcg/day",
        ),
        [
            f"{AT_RISK}:baclofen",
            "ceiling-below-program:baclofen",
            "daily-dose-above:baclofen",
            "daily-dose-above:baclofen",
        ],
    ),
    "a program whose doses cannot be computed": (
        ordered(program={"base": MinimumRate()}, pump={"minimum_rate": None}),
        ["minimum-rate-unknown"],
    ),
}

# Starts -------------------------------------------------------------------------------------------------------------

STARTS: dict[str, Case] = {
    "tolerant, within the label and above the consensus": (START, ["start-dose-above:morphine"]),
    "tolerant, at both": (base_of(START, steady("0.5 mg/day")), ["daily-dose-below:morphine"]),
    "tolerant, above the consensus by a little": (
        base_of(START, steady("0.501 mg/day")),
        ["daily-dose-below:morphine", "start-dose-above:morphine"],
    ),
    "tolerant, at the low end of the label": (base_of(START, steady("1 mg/day")), ["start-dose-above:morphine"]),
    "tolerant, above the label": (
        base_of(START, steady("10.001 mg/day")),
        ["start-dose-above:morphine", "start-dose-above:morphine"],
    ),
    "naive, at the consensus": (base_of(NAIVE, steady("0.5 mg/day")), []),
    "naive, above the consensus": (base_of(NAIVE, steady("0.501 mg/day")), ["start-dose-above:morphine"]),
    "naive, at the label": (base_of(NAIVE, steady("1 mg/day")), ["start-dose-above:morphine"]),
    "naive, above the label": (
        base_of(NAIVE, steady("1.001 mg/day")),
        ["start-dose-above:morphine", "start-dose-above:morphine"],
    ),
    "naive, below the label": (
        ordered(base_of(NAIVE, steady("0.199 mg/day")), pump=SLOW),
        ["daily-dose-below:morphine"],
    ),
    "naive, below the consensus and the label": (
        ordered(base_of(NAIVE, steady("0.09 mg/day")), pump=SLOW),
        ["daily-dose-below:morphine", "daily-dose-below:morphine", "stability-exceeded"],
    ),
    "nobody says whether naive": (
        ordered(base_of(START, steady("5 mg/day")), patient={"opioid_naive": None}),
        ["opioid-naive-unknown", "start-dose-above:morphine", "start-dose-above:morphine"],
    ),
    "naive, and the pump runs already": (
        ordered(patient={"opioid_naive": True, "systemic_opioids": ()}),
        ["start-dose-above:morphine"],
    ),
    "ziconotide within the FDA, above the consensus": (
        replace(base_of(ZICONOTIDE, steady("2.4 mcg/day")), previous=None, first_fill=True, fill=LITTLE),
        ["stability-exceeded", "start-dose-above:ziconotide", "start-dose-above:ziconotide"],
    ),
    "baclofen after a screening dose that nobody states": (
        replace(base_of(BACLOFEN, steady("200 mcg/day")), previous=None, first_fill=True, fill=LITTLE),
        [f"{AT_RISK}:baclofen", "screening-dose-unknown:baclofen"],
    ),
    "baclofen above twice the largest screening dose": (
        replace(base_of(BACLOFEN, steady("201 mcg/day")), previous=None, first_fill=True, fill=LITTLE),
        [f"{AT_RISK}:baclofen", "screening-dose-unknown:baclofen", "start-dose-above:baclofen"],
    ),
    "baclofen with nothing yet": (
        replace(base_of(BACLOFEN, steady("0 mcg/day")), previous=None, first_fill=True),
        [f"{AT_RISK}:baclofen"],
    ),
}

# Below, boluses and concentrations -----------------------------------------------------------------------------------

SIZES: dict[str, Case] = {
    "the lowest dose that anybody states": (
        ordered(_same(CLEAN, "0.1 mg/day"), pump=SLOW),
        ["stability-exceeded"],
    ),
    "below the lowest dose that anybody states": (
        ordered(_same(CLEAN, "0.099 mg/day"), pump=SLOW),
        ["daily-dose-below:morphine", "stability-exceeded"],
    ),
    "a little above a tenth of it": (
        ordered(_same(CLEAN, "0.011 mg/day"), pump={"flow_min": flow("0.001")}),
        ["daily-dose-below:morphine", "stability-exceeded"],
    ),
    "a tenth of it": (
        ordered(_same(CLEAN, "0.01 mg/day"), pump={"flow_min": flow("0.001")}),
        ["daily-dose-tenfold-low:morphine", "stability-exceeded"],
    ),
    "a low base, and boluses enough": (
        ordered(_with_bolus(_same(CLEAN, "0.01 mg/day"), "0.5 mg"), pump={"flow_min": flow("0.001")}),
        ["bolus-share:morphine", "stability-exceeded"],
    ),
    "bupivacaine below the observed range, above the consensus start": (
        alone("bupivacaine", "7.5 mg/mL", "1 mg/day", "9 mg"),
        ["drug-off-label:bupivacaine", "stability-exceeded"],
    ),
    "patient bolus as large as a trial dose": (_with_bolus(CLEAN, "0.5 mg"), []),
    "patient bolus above a trial dose": (_with_bolus(CLEAN, "0.505 mg"), ["bolus-above-trial:morphine"]),
    "patient bolus above both editions": (
        _with_bolus(_same(WIDE, "6 mg/day"), "1.005 mg", 2),
        ["bolus-above-trial:morphine", "bolus-above-trial:morphine"],
    ),
    "a single bolus for a naive patient": (
        ordered(base_of(NAIVE, steady("0.5 mg/day")), program={"single_boluses": (single("0.15 mg"),)}),
        [],
    ),
    "too large a single bolus for a naive patient": (
        ordered(base_of(NAIVE, steady("0.5 mg/day")), program={"single_boluses": (single("0.151 mg"),)}),
        ["bolus-above-trial:morphine", "dose-quantized:morphine"],
    ),
    "the largest of several boluses counts": (
        ordered(
            _with_bolus(CLEAN, "0.3 mg"),
            program={"single_boluses": (single("0.2 mg"), single("0.6 mg"), single("0.1 mg"))},
        ),
        ["bolus-above-trial:morphine", "ceiling-below-program:morphine"],
    ),
    "a repeated dose above a trial dose": (
        base_of(CLEAN, repeated("0.6 mg", "4 h")),
        ["bolus-above-trial:morphine"],
    ),
    "a patient bolus of half the usual part": (_with_bolus(CLEAN, "0.15 mg"), []),
    "a patient bolus of less": (_with_bolus(CLEAN, "0.1475 mg"), ["bolus-share:morphine"]),
    "a patient bolus of twice the usual part": (_with_bolus(_same(CLEAN, "2.5 mg/day"), "0.5 mg"), []),
    "a patient bolus of more": (_with_bolus(_same(CLEAN, "2.4 mg/day"), "0.5 mg"), ["bolus-share:morphine"]),
    "boluses on a base of zero": (_with_bolus(_same(CLEAN, "0 mg/day"), "0.3 mg"), []),
    "strength at the consensus": (
        ordered(
            mixture={"ingredients": mix(morphine="20 mg/mL").ingredients},
            previous={"mixture": mix(morphine="20 mg/mL")},
        ),
        [],
    ),
    "strength above the consensus, as sold": (
        ordered(
            mixture={"ingredients": mix(morphine="25 mg/mL").ingredients},
            previous={"mixture": mix(morphine="25 mg/mL")},
        ),
        ["concentration-above:morphine"],
    ),
    "strength above what is sold": (
        ordered(
            mixture={"ingredients": mix(morphine="26 mg/mL").ingredients},
            previous={"mixture": mix(morphine="26 mg/mL")},
        ),
        ["concentration-above:morphine", "concentration-above:morphine"],
    ),
    "ziconotide weaker than a pump inside may hold": (
        alone("ziconotide", "24 mcg/mL", "6 mcg/day", "19 mcg"),
        ["concentration-below:ziconotide", "stability-exceeded"],
    ),
    "a drug without any limit": (
        alone("ropivacaine", "8 mg/mL", "6 mg/day", "19 mg"),
        [
            "concentration-above:ropivacaine",
            "drug-restricted:ropivacaine",
            f"{AT_RISK}:ropivacaine",
            "no-concentration-limit:ropivacaine",
            "no-daily-limit:ropivacaine",
            "pump-not-approved:ropivacaine",
            "stability-unknown",
        ],
    ),
}

# Ceilings -----------------------------------------------------------------------------------------------------------

CEILINGS: dict[str, Case] = {
    "no ceiling": (ordered(program={"ceilings": ()}), ["ceiling-missing:morphine"]),
    "ceilings just wide enough": (ordered(program={"ceilings": (ceiling("morphine", "0.125 mg", "3 mg"),)}), []),
    "too low for 1 h": (
        ordered(program={"ceilings": (ceiling("morphine", "0.124 mg", "3 mg"),)}),
        ["ceiling-below-program:morphine"],
    ),
    "too low for 24 h": (
        ordered(program={"ceilings": (ceiling("morphine", "0.125 mg", "2.999 mg"),)}),
        ["ceiling-below-program:morphine"],
    ),
    "too low for both": (
        ordered(program={"ceilings": (ceiling("morphine", "0.1 mg", "2 mg"),)}),
        ["ceiling-below-program:morphine", "ceiling-below-program:morphine"],
    ),
    "too low once boluses are taken": (
        ordered(_with_bolus(CLEAN, "0.3 mg"), program={"ceilings": (ceiling("morphine", "0.424 mg", "4.2 mg"),)}),
        ["ceiling-below-program:morphine"],
    ),
    "at the consensus": (ordered(program={"ceilings": (ceiling("morphine", "1 mg", "15 mg"),)}), []),
    "above the consensus": (
        ordered(program={"ceilings": (ceiling("morphine", "1 mg", "15.1 mg"),)}),
        ["ceiling-above-limit:morphine"],
    ),
    "exchanged": (
        ordered(program={"ceilings": (ceiling("morphine", "12 mg", "3 mg"),)}),
        ["ceilings-reversed:morphine"],
    ),
    "twice": (
        ordered(program={"ceilings": (ceiling("morphine", "1 mg", "12 mg"), ceiling("morphine", "1 mg", "12 mg"))}),
        ["ceiling-twice:morphine"],
    ),
    "for another drug": (
        ordered(program={"ceilings": (ceiling("morphine", "1 mg", "12 mg"), ceiling("hydromorphone", "2 mg", "1 mg"))}),
        ["ceiling-not-in-mixture:hydromorphone", "ceilings-reversed:hydromorphone"],
    ),
    "for a drug that nobody knows": (
        ordered(program={"ceilings": (ceiling("morphine", "1 mg", "12 mg"), ceiling("morfine", "2 mg", "1 mg"))}),
        ["ceiling-not-in-mixture:morfine", "ceilings-reversed:morfine"],
    ),
}

# Change from before --------------------------------------------------------------------------------------------------

UP, DOWN = "change-up:morphine", "change-down:morphine"
CANCER = {"indication": Indication.CANCER_PAIN}
PREVIOUS_BOLUS = replace(PROGRAM, patient_bolus=BOLUS)


def _delivered(order: Order, amount: str | None, gap: str | None = "0 h") -> Order:
    return ordered(
        order,
        previous={
            "delivered_per_day": None if amount is None else mass(amount),
            "gap": None if gap is None else time(gap),
        },
    )


CHANGES: dict[str, Case] = {
    "up by a quarter": (_from_to("2 mg/day", "2.5 mg/day"), []),
    "up by more than common practice": (_from_to("2 mg/day", "2.52 mg/day"), [UP]),
    "up by 30 %": (_from_to("2 mg/day", "2.6 mg/day"), [UP]),
    "up by more than 30 %": (_from_to("2 mg/day", "2.602 mg/day"), [UP, UP]),
    "cancer, up by 50 %": (_from_to("2 mg/day", "3 mg/day", ordered(WIDE, patient=CANCER)), [UP]),
    "cancer, up by more": (_from_to("2 mg/day", "3.002 mg/day", ordered(WIDE, patient=CANCER)), [UP, UP]),
    "nobody says what for, up by more than 50 %": (
        _from_to("2 mg/day", "3.002 mg/day", ordered(WIDE, patient={"indication": None})),
        [UP, UP, UP, "indication-unknown"],
    ),
    "from what was delivered, not from what was programmed": (
        _delivered(_from_to("3 mg/day", "3 mg/day"), "2 mg"),
        [UP, UP],
    ),
    "delivered more than programmed": (_delivered(CLEAN, "4.2857 mg"), []),
    "down by more than 30 % of what was delivered": (_delivered(CLEAN, "4.29 mg"), [DOWN]),
    "delivered with boluses, which may still be taken": (
        _delivered(ordered(program={"patient_bolus": BOLUS}, previous={"program": PREVIOUS_BOLUS}), "4.2 mg"),
        [],
    ),
    "down by 30 %": (_from_to("4 mg/day", "2.8 mg/day"), []),
    "down by more": (_from_to("4 mg/day", "2.796 mg/day"), [DOWN]),
    "nobody knows what was delivered": (_delivered(CLEAN, None, None), ["delivery-before-unknown"]),
    "nobody knows what was delivered, and up": (
        _delivered(_from_to("2 mg/day", "2.602 mg/day"), None, None),
        [UP, UP, "delivery-before-unknown"],
    ),
    "a short gap": (_delivered(CLEAN, None, "23 h"), []),
    "every bolus, up by 30 %": (
        ordered(program={"patient_bolus": replace(BOLUS, most_per_24h=3)}),
        ["change-up-with-boluses:morphine"],
    ),
    "every bolus, up by more": (
        ordered(program={"patient_bolus": BOLUS}),
        ["change-up-with-boluses:morphine", "change-up-with-boluses:morphine"],
    ),
    "boluses before and none now": (ordered(previous={"program": PREVIOUS_BOLUS}), []),
    "boluses alone before": (
        _from_to("0 mg/day", "3 mg/day", ordered(program={"patient_bolus": BOLUS})),
        ["change-up-with-boluses:morphine"] * 2,
    ),
    "ziconotide up by the step of the experts": (_from_to("6 mcg/day", "6.5 mcg/day", ZICONOTIDE), []),
    "ziconotide up by more": (
        _from_to("6 mcg/day", "6.501 mcg/day", ZICONOTIDE),
        ["change-up:ziconotide"],
    ),
    "ziconotide up by more than a step of the labels": (
        _from_to("6 mcg/day", "8.401 mcg/day", ZICONOTIDE),
        ["change-up:ziconotide"] * 5,
    ),
    "ziconotide stopped": (base_of(ZICONOTIDE, Stopped()), []),
    "baclofen up by 30 %": (_from_to("300 mcg/day", "390 mcg/day", BACLOFEN), [f"{AT_RISK}:baclofen"]),
    "baclofen up by more": (
        _from_to("300 mcg/day", "391 mcg/day", BACLOFEN),
        [f"{AT_RISK}:baclofen", "change-up:baclofen"],
    ),
    "baclofen down by 20 %": (_from_to("400 mcg/day", "320 mcg/day", BACLOFEN), [f"{AT_RISK}:baclofen"]),
    "baclofen down by more": (
        _from_to("400 mcg/day", "319 mcg/day", BACLOFEN),
        [f"{AT_RISK}:baclofen", "withdrawal-risk:baclofen"],
    ),
    "baclofen stopped": (base_of(BACLOFEN, Stopped()), [f"{AT_RISK}:baclofen", "withdrawal-risk:baclofen"]),
    "clonidine down by 30 %": (
        _from_to("100 mcg/day", "70 mcg/day", CLONIDINE),
        ["drug-off-label:clonidine", f"{AT_RISK}:clonidine", "stability-unknown"],
    ),
    "clonidine down by more": (
        _from_to("100 mcg/day", "69 mcg/day", CLONIDINE),
        ["drug-off-label:clonidine", f"{AT_RISK}:clonidine", "stability-unknown", "withdrawal-risk:clonidine"],
    ),
    "clonidine for spasticity down by more": (
        _from_to("100 mcg/day", "69 mcg/day", ordered(CLONIDINE, patient={"indication": Indication.SPASTICITY_SPINAL})),
        ["drug-off-label:clonidine", f"{AT_RISK}:clonidine", "stability-unknown", "withdrawal-risk:clonidine"],
    ),
    "bupivacaine stopped": (
        base_of(alone("bupivacaine", "7.5 mg/mL", "2 mg/day", "9 mg"), Stopped()),
        ["drug-off-label:bupivacaine"],
    ),
}

# Times without drug ---------------------------------------------------------------------------------------------------

RESTART = "restart-old-dose:morphine"
FIRST = "start-dose-above:morphine"

GAPS: dict[str, Case] = {
    "a day without drug": (_delivered(CLEAN, None, "24 h"), [RESTART, FIRST]),
    "a day without drug, and 30 % less": (
        _delivered(_from_to("3 mg/day", "2.1 mg/day"), None, "24 h"),
        [RESTART, FIRST],
    ),
    "a day without drug, and less": (_delivered(_from_to("3 mg/day", "2.09 mg/day"), None, "24 h"), [FIRST]),
    "nothing was delivered": (_delivered(CLEAN, "0 mg", None), [RESTART, FIRST]),
    "nothing ran before": (_from_to("0 mg/day", "3 mg/day"), [FIRST]),
    "nothing was delivered of nothing": (_delivered(_from_to("0 mg/day", "3 mg/day"), "0 mg"), [FIRST]),
    "clonidine, a day and a half without": (
        _delivered(CLONIDINE, None, "47 h"),
        ["drug-off-label:clonidine", f"{AT_RISK}:clonidine", "stability-unknown"],
    ),
    "clonidine, two days without": (
        _delivered(CLONIDINE, None, "48 h"),
        ["drug-off-label:clonidine", f"{AT_RISK}:clonidine", "restart-old-dose:clonidine", "stability-unknown"],
    ),
    "ziconotide, no rule: a day without": (
        _delivered(_same(ZICONOTIDE, "1 mcg/day"), None, "24 h"),
        [
            "daily-dose-below:ziconotide",
            "flow-below-floor:ziconotide",
            "restart-old-dose:ziconotide",
            "stability-exceeded",
            "start-dose-above:ziconotide",
        ],
    ),
    "stopped after a gap": (_delivered(base_of(CLEAN, Stopped()), None, "24 h"), []),
}

# Slips ----------------------------------------------------------------------------------------------------------------

HOURLY = "hourly-for-daily:morphine"
EVERY_HOUR = "repeated-hourly:morphine"
TENFOLD = "tenfold-change:morphine"

SLIPS: dict[str, Case] = {
    "nine times": (_from_to("0.5 mg/day", "4.95 mg/day"), [UP, UP]),
    "ten times": (_from_to("0.5 mg/day", "5 mg/day"), [UP, UP, TENFOLD]),
    "a tenth": (_from_to("12 mg/day", "1.2 mg/day"), [DOWN, TENFOLD]),
    "a little more than a tenth": (_from_to("12 mg/day", "1.21 mg/day"), [DOWN]),
    "a bolus ten times as large": (
        ordered(
            program={"patient_bolus": replace(BOLUS, dose=mass("0.3 mg"), most_per_24h=1)},
            previous=before(patient_bolus=replace(BOLUS, dose=mass("0.03 mg"), most_per_24h=1)),
        ),
        [TENFOLD],
    ),
    "strength ten times, the same dose": (
        ordered(
            mixture={"ingredients": mix(morphine="10 mg/mL").ingredients},
            previous={"mixture": mix(morphine="1 mg/mL")},
            program={"bridge": None},
        ),
        ["no-bridge", "tenfold-strength:morphine"],
    ),
    "strength nine times": (
        ordered(previous={"mixture": mix(morphine="1.1 mg/mL")}),
        ["no-bridge"],
    ),
    "once a day entered for each hour": (
        ordered(
            program={"base": repeated("0.06 mg", "1 h", "1 mg/day")},
            previous=before(base=repeated("0.06 mg", "24 h", "1 mg/day")),
        ),
        [UP, UP, EVERY_HOUR, HOURLY],
    ),
    "not quite each hour": (
        ordered(
            program={"base": repeated("0.06 mg", "90 min", "1 mg/day")},
            previous=before(base=repeated("0.06 mg", "24 h", "1 mg/day")),
        ),
        [UP, UP],
    ),
    "the step of an hour entered for the whole day": (
        ordered(
            program={"base": steady("2.44 mg/day")},
            previous=before(base=DaySchedule((plan((0, "1 mg/day"), (3600, "2.44 mg/day"), (7200, "1 mg/day")),))),
        ),
        [UP, UP, HOURLY],
    ),
    "the whole base 24 times": (
        ordered(WIDE, program={"base": steady("12 mg/day")}, previous=before(base=steady("0.5 mg/day"))),
        [UP, UP, HOURLY, TENFOLD],
    ),
    "patient boluses 24 times": (
        ordered(
            program={"patient_bolus": replace(BOLUS, dose=mass("0.15 mg"), lockout=time("1 h"), most_per_24h=24)},
            previous=before(patient_bolus=replace(BOLUS, dose=mass("0.15 mg"), most_per_24h=1)),
        ),
        ["change-up-with-boluses:morphine", "change-up-with-boluses:morphine", HOURLY],
    ),
    "a single bolus repeated each hour": (
        ordered(program={"base": repeated("0.1 mg", "1 h"), "single_boluses": (single("0.1 mg"),)}),
        [EVERY_HOUR, HOURLY],
    ),
    "the single bolus before, repeated each hour": (
        ordered(program={"base": repeated("0.1 mg", "1 h")}, previous=before(single_boluses=(single("0.1 mg"),))),
        [EVERY_HOUR, HOURLY],
    ),
    "24 times another drug": (
        ordered(
            program={"base": repeated("0.05 mg", "1 h", "0.5 mg/day")},
            previous={
                "mixture": mix(bupivacaine="10 mg/mL"),
                **before(base=repeated("0.05 mg", "24 h", "0.5 mg/day")),
            },
        ),
        ["no-bridge", EVERY_HOUR, FIRST],
    ),
    "24 times what cannot be computed": (
        ordered(previous=before(base=MinimumRate()), pump={"minimum_rate": None}),
        [],
    ),
}

CASES = {
    f"{group}: {name}": case
    for group, cases in {
        "daily": DAILY,
        "start": STARTS,
        "size": SIZES,
        "ceiling": CEILINGS,
        "change": CHANGES,
        "gap": GAPS,
        "slip": SLIPS,
    }.items()
    for name, case in cases.items()
}
