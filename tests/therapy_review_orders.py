"""Orders for the tests of the review: one with nothing to find, and small changes to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any

from thecal import formulary
from thecal.quantities import Concentration, DoseRate, Duration, Flow, Length, LinearVolume, Mass, Volume
from thecal.therapy.envelope import Can, Catheter, Envelope
from thecal.therapy.mixture import Ingredient, Mixture
from thecal.therapy.order import Fill, Indication, Order, Patient, Previous
from thecal.therapy.program import (
    DAY_S,
    EVERY_DAY,
    BridgeBolus,
    Ceiling,
    Continuous,
    DayPlan,
    DaySchedule,
    FailSafe,
    FaultClass,
    PatientBolus,
    PrimingBolus,
    Program,
    RepeatedDoses,
    Response,
    SingleBolus,
    Step,
)
from thecal.therapy.review import Code, Finding, Review, review

if TYPE_CHECKING:
    from collections.abc import Mapping

    from thecal.formulary import Formulary
    from thecal.therapy.program import Base

STOP_ALL = FailSafe(dict.fromkeys(FaultClass, Response.STOP))


@cache
def known() -> Formulary:
    """The formulary that ships."""
    return formulary.load()


def mass(text: str) -> Mass:
    return Mass.parse(text)


def rate(text: str) -> DoseRate:
    return DoseRate.parse(text)


def steady(text: str) -> Continuous:
    return Continuous(rate(text))


def ml(text: str) -> Volume:
    return Volume.parse(f"{text} mL")


def flow(text: str) -> Flow:
    return Flow.parse(f"{text} mL/day")


def time(text: str) -> Duration:
    return Duration.parse(text)


PUMP = Envelope(
    family="test-20",
    name="Test 20",
    reservoir=ml("20"),
    tubing=ml("0.14"),
    flow_min=flow("0.048"),
    flow_max=flow("24"),
    low_level=ml("2"),
    steps_per_day=13,
    can=frozenset(Can),
    approved=frozenset({"morphine", "ziconotide", "baclofen", "clonidine", "hydromorphone", "bupivacaine"}),
    minimum_rate=flow("0.006"),
    stroke=Volume.parse("250 nL"),
)
CATHETER = Catheter(Length.parse("100 cm"), Length.parse("20 cm"), LinearVolume.parse("0.002 mL/cm"))  # dead: 0.3 mL
PATIENT = Patient(
    "test",
    Indication.NON_CANCER_PAIN,
    opioid_naive=False,
    sedatives=(),
    sleep_apnea=False,
    systemic_opioids=("oxycodone",),
    contraindications=(),
    age_years=60,
)
FILL = Fill(ml("18"), ml("18"), ml("1"), date(2026, 8, 20))


def mix(**strengths: str) -> Mixture:
    """Drugs with their strengths, as sold and without preservative."""
    held = tuple(Ingredient(drug, Concentration.parse(text)) for drug, text in strengths.items())
    return Mixture(held, preservative_free=True, compounded=False)


def ceiling(drug: str, per_1h: str, per_24h: str) -> Ceiling:
    return Ceiling(drug, mass(per_1h), mass(per_24h))


MORPHINE = mix(morphine="10 mg/mL")
PROGRAM = Program(steady("3 mg/day"), ceilings=(ceiling("morphine", "1 mg", "12 mg"),), fail_safe=STOP_ALL)
PREVIOUS = Previous(MORPHINE, PROGRAM, Duration.zero())
CLEAN = Order(PATIENT, PUMP, CATHETER, MORPHINE, PROGRAM, FILL, PREVIOUS, first_fill=False)

BOLUS = PatientBolus(mass("0.3 mg"), time("10 min"), time("4 h"), 4)
CLEAN_BOLUS = replace(PROGRAM, patient_bolus=BOLUS)


def ordered(
    start: Order = CLEAN,
    *,
    patient: Mapping[str, Any] | None = None,
    pump: Mapping[str, Any] | None = None,
    mixture: Mapping[str, Any] | None = None,
    program: Mapping[str, Any] | None = None,
    fill: Mapping[str, Any] | None = None,
    previous: Mapping[str, Any] | None = None,
    **whole: Any,
) -> Order:
    """``start`` with fields of its parts changed, and then whole parts replaced."""
    order = replace(
        start,
        patient=replace(start.patient, **(patient or {})),
        pump=replace(start.pump, **(pump or {})),
        mixture=replace(start.mixture, **(mixture or {})),
        program=replace(start.program, **(program or {})),
    )
    if fill is not None:
        order = replace(order, fill=replace(FILL, **fill))
    if previous is not None:
        order = replace(order, previous=replace(start.previous or PREVIOUS, **previous))
    return replace(order, **whole)


def base_of(order: Order, base: Base) -> Order:
    """The same order with another base."""
    return ordered(order, program={"base": base})


def alone(drug: str, strength: str, dose: str, top: str, *, indication: Indication | None = None) -> Order:
    """One drug alone that ran before just as it is ordered; ``top`` is a wide ceiling for it."""
    held = mix(**{drug: strength})
    program = Program(
        steady(dose),
        ceilings=(ceiling(drug, top, top),),
        fail_safe=replace(STOP_ALL, reason="the patient lives next to the hospital"),
    )
    return ordered(
        patient={"indication": indication or PATIENT.indication},
        mixture={"ingredients": held.ingredients},
        program={"base": program.base, "ceilings": program.ceilings, "fail_safe": program.fail_safe},
        previous={"mixture": held, "program": program},
    )


BACLOFEN = alone("baclofen", "500 mcg/mL", "300 mcg/day", "900 mcg", indication=Indication.SPASTICITY_SPINAL)
ZICONOTIDE = alone("ziconotide", "25 mcg/mL", "6 mcg/day", "19 mcg")
CLONIDINE = alone("clonidine", "100 mcg/mL", "60 mcg/day", "500 mcg")


def plan(*steps: tuple[int, str], days: frozenset[int] = EVERY_DAY) -> DayPlan:
    """A day plan from (second, dose) pairs."""
    return DayPlan(days, tuple(Step(start, rate(dose)) for start, dose in steps))


def even_day(count: int, dose: str = "3 mg/day") -> DaySchedule:
    """A day in so many equal steps."""
    return DaySchedule((plan(*((i * (DAY_S // count), dose) for i in range(count))),))


def single(dose: str, duration: str = "10 min") -> SingleBolus:
    return SingleBolus(mass(dose), time(duration))


def repeated(dose: str, every: str, background: str = "0 mg/day", duration: str = "10 min") -> RepeatedDoses:
    return RepeatedDoses(mass(dose), time(duration), time(every), rate(background))


def bridge(volume: str, dose: str) -> BridgeBolus:
    return BridgeBolus(ml(volume), rate(dose))


def priming(volume: str) -> PrimingBolus:
    return PrimingBolus(ml(volume))


def before(**changes: Any) -> dict[str, Any]:
    """Changes of what ran before, given as changes of its program."""
    return {"program": replace(PROGRAM, **changes)}


def reviewed(order: Order, *, today: date | None = None) -> Review:
    return review(order, known(), today=today)


def found(order: Order, code: Code) -> list[Finding]:
    return list(reviewed(order).of(code))


def only(order: Order, code: Code) -> Finding:
    """The one finding with this code."""
    (finding,) = found(order, code)
    return finding
