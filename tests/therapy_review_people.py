"""Cases of the review on the patient, the mixture and the fill. Each is an order and the keys it must give."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from tests.therapy_review_orders import (
    BACLOFEN,
    BOLUS,
    CLEAN,
    FILL,
    PREVIOUS,
    PROGRAM,
    ZICONOTIDE,
    alone,
    base_of,
    before,
    ceiling,
    mass,
    mix,
    ml,
    ordered,
    steady,
)

from thecal.quantities import Concentration
from thecal.therapy.mixture import Ingredient
from thecal.therapy.order import Indication, Order
from thecal.therapy.program import Stopped

Case = tuple[Order, list[str]]
AT_RISK = "fail-safe-stop-risk"

# The patient ---------------------------------------------------------------------------------------------------------

WITH_BOLUS = ordered(program={"patient_bolus": BOLUS}, previous=before(patient_bolus=BOLUS))
NAIVE = {"opioid_naive": True, "systemic_opioids": ()}


def _pressing(order: Order) -> Order:
    """A patient bolus of a tenth of the day, ordered and before."""
    assert order.previous is not None
    assert order.previous.program.base == order.program.base
    dose = mass("1 mcg")
    program = replace(order.program, patient_bolus=replace(BOLUS, dose=dose))
    return replace(order, program=program, previous=replace(order.previous, program=program))


PATIENTS: dict[str, Case] = {
    "a contraindication of the drug": (
        ordered(patient={"contraindications": ("maoi-14-days",)}),
        ["patient-contraindicated:morphine"],
    ),
    "a contraindication of every pump": (
        ordered(patient={"contraindications": ("raised-intracranial-pressure",)}),
        ["patient-contraindicated"],
    ),
    "a contraindication of another drug": (ordered(patient={"contraindications": ("psychosis-history",)}), []),
    "a condition that nobody knows, twice": (
        ordered(patient={"contraindications": ("psychosys", "psychosys")}),
        ["condition-unknown"],
    ),
    "nobody asked for contraindications": (
        ordered(patient={"contraindications": None}),
        ["contraindications-unknown"],
    ),
    "nobody says whether naive": (ordered(patient={"opioid_naive": None}), ["opioid-naive-unknown"]),
    "nobody says which opioids": (ordered(patient={"systemic_opioids": None}), ["systemic-opioids-unknown"]),
    "naive and on opioids": (
        ordered(
            base_of(CLEAN, steady("1 mg/day")), patient={"opioid_naive": True}, previous=before(base=steady("1 mg/day"))
        ),
        ["naive-on-opioids"],
    ),
    "tolerant by this pump alone": (ordered(patient={"systemic_opioids": ()}), []),
    "tolerant by nothing": (
        replace(ordered(patient={"systemic_opioids": ()}), previous=None, first_fill=True),
        ["start-dose-above:morphine", "tolerance-unexplained"],
    ),
    "sedatives": (ordered(patient={"sedatives": ("lorazepam", "zolpidem")}), ["sedatives-present"]),
    "nobody says which sedatives": (ordered(patient={"sedatives": None}), ["sedatives-unknown"]),
    "sleep apnea": (ordered(patient={"sleep_apnea": True}), ["sleep-apnea-present"]),
    "nobody says whether sleep apnea": (ordered(patient={"sleep_apnea": None}), ["sleep-apnea-unknown"]),
    "no opioid, and nobody says anything": (
        ordered(
            ZICONOTIDE,
            patient={"opioid_naive": None, "systemic_opioids": None, "sedatives": None, "sleep_apnea": None},
        ),
        [],
    ),
    "morphine for spasticity": (
        ordered(patient={"indication": Indication.SPASTICITY_SPINAL}),
        ["indication-off-label:morphine"],
    ),
    "baclofen for pain": (
        ordered(BACLOFEN, patient={"indication": Indication.CANCER_PAIN}),
        [f"{AT_RISK}:baclofen", "indication-off-label:baclofen"],
    ),
    "ziconotide for cancer": (ordered(ZICONOTIDE, patient={"indication": Indication.CANCER_PAIN}), []),
    "ziconotide for spasticity": (
        ordered(ZICONOTIDE, patient={"indication": Indication.SPASTICITY_CEREBRAL}),
        ["indication-off-label:ziconotide"],
    ),
    "nobody says what for": (ordered(patient={"indication": None}), ["indication-unknown"]),
    "baclofen at 4 years": (ordered(BACLOFEN, patient={"age_years": 4}), [f"{AT_RISK}:baclofen"]),
    "baclofen at 3 years": (
        ordered(BACLOFEN, patient={"age_years": 3}),
        [f"{AT_RISK}:baclofen", "age-below-label:baclofen"],
    ),
    "baclofen at an unknown age": (
        ordered(BACLOFEN, patient={"age_years": None}),
        [f"{AT_RISK}:baclofen", "age-unknown"],
    ),
    "morphine at an unknown age": (ordered(patient={"age_years": None}), []),
    "a pump for adults": (
        ordered(patient={"age_years": 21}, pump={"youngest_years": (("morphine", 22), ("baclofen", 12))}),
        ["age-below-label:morphine"],
    ),
    "a pump for adults, just old enough": (
        ordered(patient={"age_years": 22}, pump={"youngest_years": (("morphine", 22), ("baclofen", 12))}),
        [],
    ),
    "below the age of the drug and of the pump": (
        ordered(BACLOFEN, patient={"age_years": 3}, pump={"youngest_years": (("baclofen", 12),)}),
        [f"{AT_RISK}:baclofen", "age-below-label:baclofen", "age-below-label:baclofen"],
    ),
    "a patient bolus for a naive patient": (
        ordered(
            base_of(WITH_BOLUS, steady("0.5 mg/day")),
            patient=NAIVE,
            program={"patient_bolus": replace(BOLUS, dose=mass("0.05 mg"))},
            previous=before(base=steady("0.5 mg/day"), patient_bolus=replace(BOLUS, dose=mass("0.05 mg"))),
            fill={"volume": ml("4"), "syringe": ml("4")},
        ),
        ["patient-bolus-naive:morphine"],
    ),
    "a patient bolus that no source speaks of": (
        _pressing(ZICONOTIDE),
        ["patient-bolus-not-stated:ziconotide"],
    ),
    "a patient bolus that this pump's controller is not for": (
        ordered(WITH_BOLUS, pump={"no_patient_bolus_of": frozenset({"morphine"})}),
        ["patient-bolus-not-allowed:morphine"],
    ),
    "a patient bolus that the drug's rule names this pump for": (
        ordered(
            BACLOFEN,
            pump={"name": "PROMETRA II"},
            program={"patient_bolus": replace(BOLUS, dose=mass("30 mcg"), most_per_24h=1)},
            previous={
                "program": replace(BACLOFEN.program, patient_bolus=replace(BOLUS, dose=mass("30 mcg"), most_per_24h=1))
            },
        ),
        [f"{AT_RISK}:baclofen", "bolus-above-trial:baclofen", "patient-bolus-not-allowed:baclofen"],
    ),
}

# The mixture ---------------------------------------------------------------------------------------------------------

TOPS = {
    "morphine": "14 mg",
    "bupivacaine": "10 mg",
    "clonidine": "600 mcg",
    "hydromorphone": "4 mg",
    "fentanyl": "1 mg",
    "ziconotide": "19 mcg",
    "baclofen": "1 mg",
}


def _mixed(fail_safe_reason: str = "", dose: str = "3 mg/day", **strengths: str) -> Order:
    """A mixture that ran before just as it is ordered, with ceilings for all and nothing else to say."""
    held = replace(mix(**strengths), compounded=True, beyond_use=date(2026, 9, 30))
    ceilings = tuple(ceiling(drug, TOPS[drug], TOPS[drug]) for drug in strengths)
    fail_safe = replace(PROGRAM.fail_safe, reason=fail_safe_reason) if PROGRAM.fail_safe else None
    program = replace(PROGRAM, base=steady(dose), ceilings=ceilings, fail_safe=fail_safe)
    return replace(CLEAN, mixture=held, program=program, previous=replace(PREVIOUS, mixture=held, program=program))


OFF_LABEL = ["compounded-off-label", "drug-off-label:bupivacaine", "mixture-off-label"]
TOO_LONG = "stability-exceeded"

MIXTURES: dict[str, Case] = {
    "an unknown drug": (
        ordered(
            mixture={"ingredients": mix(morfine="10 mg/mL").ingredients},
            previous={"mixture": mix(morfine="10 mg/mL")},
            program={"ceilings": (ceiling("morfine", "1 mg", "12 mg"),)},
        ),
        ["unknown-drug:morfine"],
    ),
    "an unknown drug like no other": (
        ordered(
            mixture={"ingredients": (*CLEAN.mixture.ingredients, Ingredient("xqzzy", Concentration.parse("1 mg/mL")))},
            program={"ceilings": (*PROGRAM.ceilings, ceiling("xqzzy", "1 mg", "2 mg"))},
        ),
        ["compounded-contradiction", "mixture-off-label", "no-bridge", "unknown-drug:xqzzy"],
    ),
    "the known partner of an unknown drug": (
        ordered(
            mixture={"ingredients": (Ingredient("xqzzy", Concentration.parse("1 mg/mL")), *CLEAN.mixture.ingredients)},
            program={"ceilings": (*PROGRAM.ceilings, ceiling("xqzzy", "1 mg", "4 mg"))},
        ),
        [
            "ceiling-below-program:morphine",
            "ceiling-below-program:morphine",
            "change-up:morphine",
            "change-up:morphine",
            "compounded-contradiction",
            "daily-dose-above:morphine",
            "daily-dose-above:morphine",
            "mixture-off-label",
            "no-bridge",
            "tenfold-change:morphine",
            "unknown-drug:xqzzy",
        ],
    ),
    "vincristine": (
        alone("vincristine", "1 mg/mL", "0.1 mg/day", "1 mg"),
        [
            "approval-unknown:vincristine",
            "drug-forbidden:vincristine",
            f"{AT_RISK}:vincristine",
            "no-concentration-limit:vincristine",
            "no-daily-limit:vincristine",
            "pump-not-approved:vincristine",
            "stability-unknown",
        ],
    ),
    "lidocaine": (
        alone("lidocaine", "10 mg/mL", "1 mg/day", "9 mg"),
        [
            "drug-do-not-infuse:lidocaine",
            f"{AT_RISK}:lidocaine",
            "no-concentration-limit:lidocaine",
            "no-daily-limit:lidocaine",
            "pump-not-approved:lidocaine",
            "stability-unknown",
        ],
    ),
    "methadone": (
        alone("methadone", "10 mg/mL", "1 mg/day", "9 mg"),
        [
            "drug-not-recommended:methadone",
            "no-concentration-limit:methadone",
            "no-daily-limit:methadone",
            "pump-not-approved:methadone",
            "stability-unknown",
        ],
    ),
    "midazolam": (
        alone("midazolam", "1 mg/mL", "0.1 mg/day", "9 mg"),
        [
            "drug-research-only:midazolam",
            f"{AT_RISK}:midazolam",
            "no-concentration-limit:midazolam",
            "no-daily-limit:midazolam",
            "pump-not-approved:midazolam",
            "stability-unknown",
        ],
    ),
    "a pump that is approved for nothing": (
        ordered(pump={"approved": frozenset()}),
        ["pump-not-approved:morphine"],
    ),
    "a pump that is approved for another drug": (
        ordered(pump={"approved": frozenset({"baclofen", "hydromorphone"})}),
        ["pump-not-approved:morphine"],
    ),
    "two drugs, tested strengths": (
        _mixed(morphine="12 mg/mL", bupivacaine="37 mg/mL"),
        [*OFF_LABEL, "concentration-above:bupivacaine", TOO_LONG],
    ),
    "two drugs, a strength that nobody tested": (
        _mixed(morphine="10 mg/mL", bupivacaine="10 mg/mL"),
        [*OFF_LABEL, "stability-untested"],
    ),
    "two drugs, both strengths untested": (
        _mixed(morphine="11 mg/mL", bupivacaine="38 mg/mL"),
        [
            *OFF_LABEL,
            "ceiling-below-program:bupivacaine",
            "concentration-above:bupivacaine",
            "concentration-above:bupivacaine",
            "daily-dose-above:bupivacaine",
            "stability-untested",
        ],
    ),
    "three drugs, tested": (
        _mixed("known", morphine="10 mg/mL", bupivacaine="10 mg/mL", clonidine="100 mcg/mL"),
        [*OFF_LABEL, "drug-off-label:clonidine", f"{AT_RISK}:clonidine"],
    ),
    "two opioids with a published ratio": (
        _mixed(morphine="10 mg/mL", hydromorphone="1 mg/mL"),
        [
            "compounded-off-label",
            "drug-off-label:hydromorphone",
            "mixture-off-label",
            "stability-unknown",
            "two-opioids",
        ],
    ),
    "two opioids without a ratio": (
        _mixed(morphine="10 mg/mL", fentanyl="10 mcg/mL"),
        [
            "compounded-off-label",
            "daily-dose-below:fentanyl",
            "drug-off-label:fentanyl",
            "mixture-off-label",
            "pump-not-approved:fentanyl",
            "stability-unknown",
            "two-opioids",
        ],
    ),
    "ziconotide with morphine": (
        _mixed(morphine="10 mg/mL", ziconotide="25 mcg/mL"),
        [
            "compounded-off-label",
            "label-do-not-mix:ziconotide",
            "mixture-degrades",
            "mixture-off-label",
        ],
    ),
    "baclofen with clonidine": (
        _mixed("known", "300 mcg/day", baclofen="500 mcg/mL", clonidine="200 mcg/mL"),
        [
            "compounded-off-label",
            "drug-off-label:clonidine",
            f"{AT_RISK}:baclofen",
            f"{AT_RISK}:clonidine",
            "indication-off-label:baclofen",
            "label-do-not-mix:baclofen",
            "mixture-off-label",
        ],
    ),
    "morphine with baclofen, in a pump and in a syringe": (
        _mixed("known", "0.5 mg/day", morphine="1 mg/mL", baclofen="500 mcg/mL"),
        [
            "compounded-off-label",
            f"{AT_RISK}:baclofen",
            "indication-off-label:baclofen",
            "label-do-not-mix:baclofen",
            "mixture-off-label",
            TOO_LONG,
        ],
    ),
    "sufentanil, tested in tubing alone": (
        alone("sufentanil", "10 mcg/mL", "10 mcg/day", "400 mcg"),
        ["drug-off-label:sufentanil", "pump-not-approved:sufentanil", "stability-unknown"],
    ),
    "nobody says whether compounded": (
        ordered(mixture={"compounded": None}),
        ["beyond-use-unknown", "compounded-unknown"],
    ),
    "compounded, one drug": (
        ordered(mixture={"compounded": True, "beyond_use": date(2026, 8, 20)}),
        ["compounded-off-label"],
    ),
    "a mixture that is said not to be compounded": (
        ordered(_mixed(morphine="10 mg/mL", bupivacaine="10 mg/mL"), mixture={"compounded": False}),
        ["compounded-contradiction", *OFF_LABEL[1:], "stability-untested"],
    ),
    "nobody says whether preservative": (ordered(mixture={"preservative_free": None}), ["preservative-unknown"]),
    "preservative": (ordered(mixture={"preservative_free": False}), ["preservative-present"]),
    "filled on the last day": (ordered(mixture={"beyond_use": date(2026, 8, 20)}), []),
    "filled a day too late": (ordered(mixture={"beyond_use": date(2026, 8, 19)}), ["beyond-use-passed"]),
    "nobody says when it is filled": (
        ordered(mixture={"beyond_use": date(2026, 8, 19)}, fill={"on": None}),
        ["fill-date-unknown"],
    ),
    "no fill and no change: an old date does not matter": (
        replace(ordered(mixture={"compounded": None}), fill=None),
        ["compounded-unknown"],
    ),
    "no fill for a changed mixture": (
        replace(ordered(previous={"mixture": mix(morphine="20 mg/mL")}), fill=None),
        ["fill-unknown", "no-bridge"],
    ),
    "compounded and no date": (
        ordered(mixture={"compounded": True}),
        ["beyond-use-unknown", "compounded-off-label"],
    ),
}

# The fill ------------------------------------------------------------------------------------------------------------

FILLS: dict[str, Case] = {
    "the whole reservoir": (ordered(fill={"volume": ml("20"), "syringe": ml("20")}), []),
    "more than the reservoir": (
        ordered(fill={"volume": ml("20.1"), "syringe": ml("21")}),
        ["fill-impossible", "syringe-not-emptied"],
    ),
    "40 typed when 20 was dispensed": (
        ordered(fill={"volume": ml("40"), "syringe": ml("20")}),
        ["fill-above-syringe", "fill-impossible"],
    ),
    "40 typed when 20 was dispensed, for a pump that holds it": (
        ordered(fill={"volume": ml("40"), "syringe": ml("20")}, pump={"reservoir": ml("40")}),
        ["fill-above-syringe"],
    ),
    "nothing": (
        ordered(fill={"volume": ml("0"), "syringe": ml("0")}),
        ["fill-impossible", "low-level-above-fill"],
    ),
    "a syringe that is not emptied": (ordered(fill={"volume": ml("17.9")}), ["syringe-not-emptied"]),
    "nobody says what the syringe held": (ordered(fill={"syringe": None}), ["syringe-unknown"]),
    "a low level as the family's": (ordered(program={"low_level": ml("2")}), []),
    "a lower low level": (ordered(program={"low_level": ml("1.9")}), ["low-level-low"]),
    "a higher low level": (ordered(program={"low_level": ml("4")}), []),
    "a little more than the low level": (
        ordered(fill={"volume": ml("4.01"), "syringe": ml("4.01")}, program={"low_level": ml("4")}),
        [],
    ),
    "no more than the low level": (
        ordered(fill={"volume": ml("4"), "syringe": ml("4")}, program={"low_level": ml("4")}),
        ["low-level-above-fill"],
    ),
    "no more than the family's low level": (
        ordered(fill={"volume": ml("2"), "syringe": ml("2")}),
        ["low-level-above-fill"],
    ),
    "a first fill without a fill": (
        replace(CLEAN, previous=None, first_fill=True, fill=None),
        ["fill-unknown", "start-dose-above:morphine"],
    ),
    "nobody says whether first, and nothing ran": (
        replace(CLEAN, previous=None, first_fill=None),
        ["first-fill-unknown", "start-dose-above:morphine"],
    ),
    "nobody says whether first, and something ran": (replace(CLEAN, first_fill=None), []),
    "nobody says whether first, for a drug that a pump takes up": (
        replace(ZICONOTIDE, first_fill=None, fill=replace(FILL, volume=ml("5"), syringe=ml("5"))),
        ["first-fill-unknown"],
    ),
    "ziconotide, first fill, undiluted": (
        replace(ZICONOTIDE, first_fill=True, fill=replace(FILL, volume=ml("5"), syringe=ml("5"))),
        [],
    ),
    "ziconotide, first fill, too much": (replace(ZICONOTIDE, first_fill=True), [TOO_LONG]),
    "ziconotide, first fill, another strength": (
        replace(
            alone("ziconotide", "100 mcg/mL", "6 mcg/day", "19 mcg"),
            first_fill=True,
            fill=replace(FILL, volume=ml("2.5"), syringe=ml("2.5")),
        ),
        ["first-fill-diluted:ziconotide", "stability-untested"],
    ),
    "ziconotide, nobody says whether first, for long": (
        replace(alone("ziconotide", "25 mcg/mL", "4 mcg/day", "19 mcg"), first_fill=None),
        ["first-fill-unknown", TOO_LONG, TOO_LONG],
    ),
    "ziconotide, first fill, for long": (
        replace(alone("ziconotide", "25 mcg/mL", "4 mcg/day", "19 mcg"), first_fill=True),
        [TOO_LONG],
    ),
    "ziconotide, refill, for long": (alone("ziconotide", "25 mcg/mL", "4 mcg/day", "19 mcg"), [TOO_LONG]),
    "ziconotide, diluted": (
        alone("ziconotide", "50 mcg/mL", "6 mcg/day", "19 mcg"),
        [TOO_LONG],
    ),
    "morphine until its last day": (
        ordered(
            base_of(CLEAN, steady("0.88 mg/day")),
            previous=before(base=steady("0.88 mg/day")),
            fill={"volume": ml("17.84"), "syringe": ml("17.84")},
        ),
        [],
    ),
    "morphine for a day longer": (
        ordered(
            base_of(CLEAN, steady("0.88 mg/day")),
            previous=before(base=steady("0.88 mg/day")),
            fill={"volume": ml("17.928"), "syringe": ml("17.928")},
        ),
        [TOO_LONG],
    ),
    "a stopped pump never empties": (base_of(CLEAN, Stopped()), ["change-down:morphine"]),
}

CASES = {
    f"{group}: {name}": case
    for group, cases in {"patient": PATIENTS, "mixture": MIXTURES, "fill": FILLS}.items()
    for name, case in cases.items()
}
