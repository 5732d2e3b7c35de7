"""Small pumps, orders and scenarios for the tests of compiler and twin: a bench pump with short tubes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

from tests.therapy_builders import mg, mixture, ml, per_day, time

from thecal.pump.families import Calibration, family
from thecal.quantities import Length, LinearVolume
from thecal.therapy.envelope import Catheter, Envelope
from thecal.therapy.order import Fill, Order, Patient, Previous
from thecal.therapy.program import (
    Ceiling,
    Continuous,
    FailSafe,
    FaultClass,
    PatientBolus,
    Program,
    Response,
)
from thecal.twin.events import Event, Fault, Presser, Run
from thecal.twin.scenario import Scenario

if TYPE_CHECKING:
    from thecal.quantities import Volume
    from thecal.therapy.mixture import Mixture
    from thecal.therapy.program import Base, BridgeBolus

DAY = 86_400
MONDAY = datetime(2026, 3, 2)  # noqa: DTZ001  (pump-clock time carries no zone)
BENCH = family("bench-20").envelope(Calibration(tubing=ml("0.01")))
MORPHINE = mixture(morphine="10")
STRONGER = mixture(morphine="20")
TRIPLE = mixture(morphine="10", bupivacaine="7.5", clonidine="0.15")
BOLUS = PatientBolus(mg("0.1"), time("5 min"), time("3 h"), 4)
STOPS = FailSafe(dict.fromkeys(FaultClass, Response.STOP))
GOES_ON = FailSafe({f: Response.CONTINUE for f in FaultClass if f not in {FaultClass.MEMORY, FaultClass.OVER_DELIVERY}})


def wide(drugs: tuple[str, ...]) -> tuple[Ceiling, ...]:
    """Ceilings that nothing meets."""
    return tuple(Ceiling(d, mg("100,000"), mg("900,000")) for d in drugs)


def catheter(volume: Volume) -> Catheter:
    per_cm = LinearVolume.of(Fraction(1, 500), "mL/cm")
    return Catheter(volume / per_cm, Length.zero(), per_cm)


def program(base: Base, mixed: Mixture = MORPHINE, bolus: PatientBolus | None = None, **others: object) -> Program:
    made = Program(base, bolus, ceilings=wide(mixed.drugs), fail_safe=GOES_ON)
    return replace(made, **others)  # type: ignore[arg-type]


def order(
    ordered: Program | None = None,
    mixed: Mixture = MORPHINE,
    *,
    old: Mixture | None = None,
    pump: Envelope = BENCH,
    line: Volume | None = None,
    filled: str = "20",
) -> Order:
    """An order for a pump whose line holds ``line`` (0.05 mL) of ``old``, or of no drug."""
    ordered = ordered or program(Continuous(per_day("10")), mixed)
    behind = (line or ml("0.05")) - pump.tubing
    previous = None if old is None else Previous(old, ordered)
    return Order(Patient("TEST-1"), pump, catheter(behind), mixed, ordered, Fill(ml(filled)), previous)


def scenario(
    ordered: Order,
    *events: Event,
    days: int = 1,
    start: datetime = MONDAY,
    faults: tuple[Fault, ...] = (),
    pressers: tuple[Presser, ...] = (),
    sigma: Volume | None = None,
) -> Scenario:
    run = Run(start, days, 7, timedelta(), sigma)
    return Scenario("a test", ordered, run, tuple(sorted(events, key=lambda e: e.at_s)), pressers, faults)


def bridge(volume: str, dose: str, bolus: str | None = None) -> BridgeBolus:
    from thecal.therapy.program import BridgeBolus as Made

    return Made(ml(volume), per_day(dose), None if bolus is None else mg(bolus))
