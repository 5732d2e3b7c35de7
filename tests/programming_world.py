"""Orders to be written in tests: a patient and a bench pump as rows of the record, frames without a database, and
entries.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

from tests.clinic_world import FIRST_ORDER, SERIAL
from tests.session_world import begun, entered, now, proposed, sent

from thecal.clinic.implants import implant_of
from thecal.clinic.programming.composing import composed
from thecal.clinic.programming.entries import CeilingRow, Fields, ReasonRow, StepRow
from thecal.clinic.programming.frame import Frame
from thecal.clinic.programming.order_text import digest_of, tables_of
from thecal.clinic.record.tables import Implant, Order, Patient, Session
from thecal.clinic.refused import Refused
from thecal.clinic.session import close, command
from thecal.clinic.session.ended import Ended
from thecal.clinic.workflow import Step, Workflow
from thecal.formulary import load
from thecal.quantities import Length, LinearVolume, Volume

if TYPE_CHECKING:
    from tests.clinic_world import ClinicWorld

    from thecal.clinic.programming.order_text import Tables

TODAY = date(2026, 9, 21)
FORMULARY = load()
FIRST = tables_of(FIRST_ORDER.split("[run]")[0])
BACLOFEN: Tables = {
    "preservative_free": True,
    "compounded": False,
    "diluent": "none",
    "beyond_use": date(2027, 1, 31),
    "ingredients": [{"drug": "baclofen", "concentration": "500 mcg/mL"}],
}
SAFE = {
    "reservoir": "fallback",
    "motor": "stop",
    "power": "fallback",
    "clock": "continue",
    "fallback_dose": "50 mcg/day",
    "reason": "Baclofen must not stop abruptly.",
}


def patient_row(**facts: Any) -> Patient:
    """A patient as the record has one, not kept anywhere."""
    known: dict[str, Any] = {
        "id": 1,
        "number": "1001",
        "reference": "EXAMPLE-1001",
        "given": "Ada",
        "family": "Lindqvist",
        "birth_date": date(1965, 3, 9),
        "indication": "cancer pain",
        "opioid_naive": False,
        "sleep_apnea": False,
        "sedatives": [],
        "systemic_opioids": [],
        "contraindications": [],
        "weight_g": None,
    }
    return Patient(**{**known, **facts})


def implant_row(**facts: Any) -> Implant:
    """A bench pump as the record has one, not kept anywhere."""
    known: dict[str, Any] = {
        "id": 1,
        "patient_id": 1,
        "serial": SERIAL,
        "family": "bench-20",
        "model": "Bench 20",
        "implanted_on": date(2026, 3, 2),
        "stroke": Volume.of(250, "nL"),
        "tubing": Volume.of(150_000, "nL"),
        "catheter_supplied": Length.of(100, "cm"),
        "catheter_removed": Length.of(32, "cm"),
        "catheter_volume": LinearVolume.parse("0.002 mL/cm"),
        "tip_level": "T10",
    }
    return Implant(**{**known, **facts})


def frame(**changes: Any) -> Frame:
    """What a session orders around a program: baclofen, nothing before, every field empty."""
    made = Frame(
        session=Session(
            id=7, patient_id=1, serial=SERIAL, workflow="refill-new", step="program", state="open", entered={}
        ),
        patient=patient_row(indication="spasticity of spinal origin"),
        implant=implant_row(),
        today=TODAY,
        mixture=BACLOFEN,
        fill={"volume": "18 mL", "syringe": "18 mL", "on": TODAY},
        previous=None,
        first_fill=True,
        running=None,
        begins=None,
    )
    return replace(made, **changes)


def morphine_frame(**changes: Any) -> Frame:
    """The fluid of the first example, as after its first fill."""
    facts = {"mixture": FIRST["mixture"], "fill": FIRST["fill"], "patient": patient_row(), "first_fill": False}
    return frame(**{**facts, **changes})


def repeated(every: str, plan: tuple[str, ...] = ("60 mcg",), **changes: Any) -> Fields:
    """60 mcg of baclofen over 30 min, again and again, with ceilings that leave room for what is meant."""
    made = Fields(
        base="repeated doses",
        plan=plan,
        repeated={"dose": "60 mcg", "duration": "30 min", "every": every, "background": "0 mcg/h"},
        ceilings=(CeilingRow("baclofen", "75 mcg", "400 mcg"),),
        fail_safe=SAFE,
    )
    return replace(made, **changes)


def steps(*rows: tuple[str, str] | tuple[str, str, str]) -> tuple[StepRow, ...]:
    """Steps as typed: from, dose, and where three are given, from, until, dose."""
    return tuple(StepRow(r[0], r[1] if len(r) == 3 else "", r[-1]) for r in rows)


def scheduled(
    *rows: tuple[str, str] | tuple[str, str, str], plan: tuple[str, ...] = ("1.4 mg",), **changes: Any
) -> Fields:
    """A day schedule of morphine, every day alike, with ceilings for the three of the first example."""
    made = Fields(
        base="day schedule",
        days="every day alike",
        plan=plan,
        steps=(steps(*rows),),
        ceilings=(
            CeilingRow("morphine", "0.25 mg", "2 mg"),
            CeilingRow("bupivacaine", "0.625 mg", "5 mg"),
            CeilingRow("clonidine", "9.375 mcg", "75 mcg"),
        ),
        fail_safe={**SAFE, "fallback_dose": "0.6 mg/day", "reason": "Clonidine must not stop abruptly."},
        low_level="2 mL",
    )
    return replace(made, **changes)


def open_session(world: ClinicWorld, patient: Patient, workflow: str = "program") -> Session:
    """A session at the patient's pump, kept by hand."""
    with world.writing("physician", "began a session") as record:
        return record.keep(
            Session(
                patient_id=patient.id,
                serial=SERIAL,
                workflow=workflow,
                step="program",
                state="open",
                entered={"read": {}},
                person_id=world.people["physician"].person_id,
            )
        )


def answered(fields: Fields, at: Frame) -> str:
    """The text of a program with a reason for every soft finding."""
    first = composed(fields, at, FORMULARY)
    reasons = tuple(ReasonRow(a.key, a.found, "Discussed with the patient", "") for a in first.asked)
    found = composed(replace(fields, reasons=reasons), at, FORMULARY)
    assert found.judged is not None and found.written is not None, found.refused
    assert found.judged.may_go_on, (found.judged.plan, found.judged.hard, found.judged.unreasoned)
    return found.written.text


def baclofen_runs(world: ClinicWorld, patient: Patient) -> None:
    """Fill a patient's pump and program it with 60 mcg of baclofen once a day; no session is left open."""
    with world.house.reading() as db:
        implant = implant_of(db, patient.id)
    assert implant is not None and world.house.world is not None
    world.house.world.fill(implant.serial, 19_000_000)
    session = begun(world, patient, Workflow.PROGRAM)
    text = answered(repeated("24 h"), frame(patient=patient, implant=implant, session=session))
    with world.writing("physician", "signed an order") as record:
        order = record.keep(
            Order(
                patient_id=patient.id,
                serial=implant.serial,
                session_id=session.id,
                title="Baclofen",
                state="signed",
                text=text,
                digest=digest_of(text),
            )
        )
    entered(world, session, Step.READ)
    entered(world, session, Step.PROGRAM, order=order.id)
    entered(world, session, Step.PREVIEW, seen="yes")
    who = world.people["physician"]
    assert isinstance(command(world.house, who, session.id, "refill", level_nl=19_000_000), Ended)
    sent(world, session, proposed(world, session, order).digest)
    assert isinstance(command(world.house, who, session.id, "start"), Ended)
    ended = close(world.house, who, session.id, now(world, session).revision, "running")
    assert not isinstance(ended, Refused), ended
