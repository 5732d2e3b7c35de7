"""Pumps as the desk knows them: readings, programs, fills and bookings put into a clinic's record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from tests.clinic_world import NOW_S, order_text

from thecal.clinic.desk.lines import refresh
from thecal.clinic.record.tables import (
    BoardLine,
    Booking,
    Fill,
    Interrogation,
    LogRecord,
    Mixture,
    Order,
    ProgramRun,
)
from thecal.pump.core.codes import DAY_S, E_BOLUS, PATIENT
from thecal.quantities import Volume

if TYPE_CHECKING:
    from tests.clinic_world import ClinicWorld

    from thecal.clinic.record import Record
    from thecal.clinic.record.tables import Patient

HOUR_S = 3600
STATUS = {"loaded": True, "running": True, "delivering": True, "bridging": False, "held": False, "alarms": 0}
BACLOFEN = """
[patient]
reference = "{reference}"
[pump]
family = "bench-20"
serial = "{serial}"
[mixture]
ingredients = [ {{ drug = "{drug}", concentration = "{strength}" }} ]
[program]
base = "continuous"
dose = "{dose}"
low_level = "2 mL"
"""


def plain_order(patient: Patient, serial: str, drug: str, strength: str, dose: str) -> str:
    """A steady dose of one drug."""
    return BACLOFEN.format(reference=patient.reference, serial=serial, drug=drug, strength=strength, dose=dose)


def give_reading(record: Record, patient: Patient, serial: str, **facts: Any) -> Interrogation:
    """A reading: ``level`` in mL as text, ``read_utc_s``, and fields of the status."""
    level = Volume.parse(f"{facts.pop('level', '18')} mL")
    read = facts.pop("read_utc_s", NOW_S)
    software = facts.pop("software", "1.0")
    uptime = facts.pop("uptime_s", 90 * DAY_S)
    status = {**STATUS, "level_nl": int(level.number("nL")), "uptime_s": uptime, "stopped_s": 0, **facts}
    return record.keep(
        Interrogation(
            serial=serial, patient_id=patient.id, read_utc_s=read, uptime_s=uptime, pump_clock_s=uptime,
            pump_offset_s=0, whole=1, status=status, identity={"software": software, "serial": serial}, program=b"p",
            document=b"d", log_last=0, log_digest=bytes(32), log_missing=0, log_fault="",
        )
    )  # fmt: skip


def give_program(record: Record, patient: Patient, serial: str, text: str, confirmed_utc_s: int) -> ProgramRun:
    """A program that the pump confirmed, with its order."""
    facts = {"serial": serial, "patient_id": patient.id}
    order = record.keep(Order(**facts, title="", state="running", text=text, digest="d"))
    number = uuid4().int % 10**9
    return record.keep(
        ProgramRun(
            **facts, order_id=order.id, order_revision=1, number=number, digest=b"", program=b"", document=b"",
            order_text=text, sentence=["A sentence."], change={}, confirmed_utc_s=confirmed_utc_s,
        )
    )  # fmt: skip


def give_fill(record: Record, patient: Patient, serial: str, filled_utc_s: int, **volumes: str | None) -> Fill:
    """A refill: expected, aspirated, filled, left, programmed in mL as text."""
    mixture = record.session.get(Mixture, 1) or record.keep(
        Mixture(key="m", ingredients=[{"drug": "morphine", "concentration": "4 mg/mL"}])
    )
    amounts = {name: None if text is None else Volume.parse(f"{text} mL") for name, text in volumes.items()}
    facts = {"serial": serial, "patient_id": patient.id, "mixture_id": mixture.id, "filled_utc_s": filled_utc_s}
    return record.keep(Fill(**facts, **amounts))


def give_booking(record: Record, patient: Patient, begins_utc_s: int, **facts: Any) -> Booking:
    """A booked refill."""
    known = {"kind": "refill", "minutes": 30, "state": "booked", "place": "clinic", **facts}
    uid = f"{uuid4()}@test"
    return record.keep(
        Booking(patient_id=patient.id, begins_utc_s=begins_utc_s, uid=uid, changed_utc_s=record.now_s, **known)
    )


def give_boluses(record: Record, serial: str, reading: Interrogation, *at_utc_s: int, kind: int = PATIENT) -> None:
    """Boluses in the pump's log."""
    for number, at in enumerate(at_utc_s, 1):
        record.keep(
            LogRecord(serial=serial, number=number, uptime_s=number, utc_s=at, event=E_BOLUS,
                fields={"a": kind, "b": 100}, interrogation_id=reading.id)
        )  # fmt: skip


def pump_at_work(world: ClinicWorld, number: str = "1001", serial: str = "B-1", **facts: Any) -> Patient:
    """A patient whose pump runs the first example, or ``drug`` at ``strength`` and ``dose`` alone."""
    steady = [facts.pop(name, None) for name in ("drug", "strength", "dose")]
    about = facts.pop("about", {})
    patient = world.patient(number, serial, **about)
    text = plain_order(patient, serial, *steady) if all(steady) else order_text(world, patient, serial)
    with world.writing() as record:
        give_program(record, patient, serial, text, NOW_S - 30 * DAY_S)
        give_reading(record, patient, serial, **facts)
        refresh(record, patient.id)
    return patient


def line_of(world: ClinicWorld, patient: Patient) -> BoardLine | None:
    """The patient's line as it stands."""
    with world.store.reading() as session:
        return session.get(BoardLine, patient.id)
