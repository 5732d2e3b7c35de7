"""What a session orders around the program: for whom, into which pump, which mixture and fill, and what ran before.

In a change of the program the fluid is what the pump holds, and the program in the pump is what the writing begins
with: it is what runs now, and not another patient's value. In a refill with a new mixture and in a restart nothing is
taken over (N12).
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from thecal.clinic.implants import implant_of
from thecal.clinic.programming.order_text import (
    Tables,
    known,
    mixture_tables,
    order_text,
    parsed_by,
    previous_tables,
    tables_of,
)
from thecal.clinic.record.tables import Clinic, Implant, Interrogation, LogRecord, Patient, Preparation, Session
from thecal.clinic.refused import Refused
from thecal.clinic.session.fluid import against_other_fluid
from thecal.clinic.session.readings import status_of
from thecal.clinic.session.without_drug import stands_since
from thecal.clinic.workflow import Workflow
from thecal.link.log_reading import Event
from thecal.pump.document import OrderDocument, UnreadableDocument
from thecal.quantities import Duration, Volume
from thecal.therapy.program import DAY_S

if TYPE_CHECKING:
    from sqlalchemy.orm import Session as Look

    from thecal.clinic.practice import Practice
    from thecal.therapy.files import OrderFile

ONCE = ("single_bolus", "priming", "bridge")
"""What a program did once at its start: it stays in what ran before, and is never ordered again by itself."""


class Unframed(StrEnum):
    """Why there is nothing to write a program for."""

    NO_SESSION = "no session"
    NO_IMPLANT = "no pump in use"
    NO_MIXTURE = "no mixture"
    NOT_HERE = "no program in this workflow"


@dataclass(frozen=True, slots=True)
class Frame:
    """Everything of an order but the program. ``running`` is the text of the order in the pump, None where none is
    readable.

    ``begins`` is the program that the writing begins with, None where the fields open empty.
    """

    session: Session
    patient: Patient
    implant: Implant
    today: date
    mixture: Tables
    fill: Tables | None
    previous: Tables | None
    first_fill: bool | None
    running: str | None
    begins: Tables | None

    @property
    def primary(self) -> str:
        """The drug that doses are ordered in, as the mixture names it."""
        return str(self.mixture["ingredients"][0]["drug"])

    @property
    def drugs(self) -> list[str]:
        """Every drug of the mixture, the primary one first."""
        return [str(i["drug"]) for i in self.mixture["ingredients"]]

    def text(self, program: Tables) -> str:
        """The order with a program."""
        return order_text(
            self.patient,
            self.implant,
            self.today,
            mixture=self.mixture,
            program=program,
            fill=self.fill,
            previous=self.previous,
            first_fill=self.first_fill,
            title=f"Order of session {self.session.id}",
        )

    def holds(self, text: str) -> bool:
        """Whether a text is about this mixture. Where it is not, all that came of the other one is void (E10)."""
        try:
            return bool(tables_of(text)["mixture"]["ingredients"] == self.mixture["ingredients"])
        except (tomllib.TOMLDecodeError, KeyError, TypeError):
            return False


def day_at(look: Look, utc_s: int) -> date:
    """The day on the clinic's wall."""
    zone = look.scalars(select(Clinic.zone)).first() or "UTC"
    return datetime.fromtimestamp(utc_s, UTC).astimezone(ZoneInfo(zone)).date()


def frame_of(practice: Practice, look: Look, session_id: int, now_s: int) -> Frame | Refused:
    """The frame of a session's program at ``now_s`` (UTC)."""
    session = look.get(Session, session_id)
    if session is None:
        return Refused(Unframed.NO_SESSION, f"no session {session_id}", "a session of this clinic", "begin a session")
    patient, implant = look.get(Patient, session.patient_id), implant_of(look, session.patient_id, session.serial)
    if patient is None or implant is None:
        found = f"pump {session.serial} out of use"
        return Refused(Unframed.NO_IMPLANT, found, "a pump in use in this patient", "look at the patient's chart")
    reading = look.get(Interrogation, session.reading_id) if session.reading_id is not None else None
    running = running_text(reading, practice)
    previous = _previous(look, session, reading, running, now_s)
    common = {"session": session, "patient": patient, "implant": implant, "today": day_at(look, now_s)}
    match Workflow(session.workflow):
        case Workflow.PROGRAM:
            other = _other_fluid(look, session.serial, running)
            return other or _of_change(common, running, previous)
        case Workflow.REFILL_NEW | Workflow.RESTART:
            return _of_refill(look, common, running, previous)
        case _:
            found = f"a program in the workflow {session.workflow!r}"
            return Refused(Unframed.NOT_HERE, found, "a workflow that ends in a program", "choose another workflow")


def running_text(reading: Interrogation | None, practice: Practice) -> str | None:
    """The text of the order in the pump as it was read; None where there is none, or none that can be read."""
    if reading is None or not reading.document:
        return None
    try:
        text = OrderDocument.decode(reading.document).order
    except UnreadableDocument:
        return None
    return None if isinstance(parsed_by(text, practice.formulary), tuple) else text


def _other_fluid(look: Look, serial: str, running: str | None) -> Refused | None:
    ran = {} if running is None else tables_of(running)["mixture"]
    return against_other_fluid(look, serial, ran["ingredients"]) if ran else None


def _of_change(common: Any, running: str | None, previous: Tables | None) -> Frame | Refused:
    if running is None:
        return Refused(
            Unframed.NO_MIXTURE,
            "no order that can be read in the pump",
            "a pump whose order says what it holds",
            "refill with a new mixture, so that mixture and program are written together",
        )
    ran = tables_of(running)
    begins = {name: value for name, value in ran["program"].items() if name not in ONCE}
    return Frame(
        **common,
        mixture=ran["mixture"],
        fill=ran.get("fill"),
        previous=previous,
        first_fill=False,
        running=running,
        begins=begins,
    )


def _of_refill(look: Look, common: Any, running: str | None, previous: Tables | None) -> Frame | Refused:
    session: Session = common["session"]
    entered = session.entered.get("mixture") or {}
    ingredients = entered.get("ingredients") or (tables_of(running)["mixture"]["ingredients"] if running else None)
    if not ingredients:
        allowed = "the mixture that goes into the pump"
        return Refused(Unframed.NO_MIXTURE, "no mixture in this session", allowed, "enter the mixture first")
    syringe = _syringe(look, session)
    mixture = mixture_tables(
        ({"drug": i["drug"], "concentration": i["concentration"]} for i in ingredients),
        preservative_free=entered.get("preservative_free", None if syringe is None else syringe.preservative_free),
        compounded=None if syringe is None else True,
        diluent=None if syringe is None else syringe.diluent or None,
        beyond_use=None if syringe is None else syringe.beyond_use,
    )
    fill = _fill(session, syringe, common["today"])
    return Frame(
        **common,
        mixture=mixture,
        fill=fill,
        previous=previous,
        first_fill=None if running is None else False,
        running=running,
        begins=None,
    )


def _syringe(look: Look, session: Session) -> Preparation | None:
    """The syringe that was scanned or typed in this session."""
    number = (session.entered.get("syringe") or {}).get("preparation_id")
    return None if number is None else look.get(Preparation, int(number))


def _fill(session: Session, syringe: Preparation | None, today: date) -> Tables | None:
    """``[fill]`` from the step where the volume was entered; None before it was."""
    volume = (session.entered.get("fill") or {}).get("volume")
    if volume is None:
        return None
    left = (session.entered.get("fill") or {}).get("left")
    return known(
        {
            "volume": _ml(volume),
            "syringe": None if syringe is None else syringe.volume.exact_text("mL"),
            "residual": None if left is None else _ml(left),
            "on": today,
        }
    )


def _ml(number: str) -> str:
    return Volume.of(Fraction(number), "mL").exact_text("mL")


# What ran before --------------------------------------------------------------------------------------------------


def _previous(
    look: Look, session: Session, reading: Interrogation | None, running: str | None, now_s: int
) -> Tables | None:
    if running is None or reading is None:
        return None
    gap = gap_before(look, reading, now_s)
    hours = (session.entered.get("timeline") or {}).get("gap_s")
    if hours is not None:
        gap = Duration.of(int(hours), "s")
    return previous_tables(running, gap=None if gap is None else gap.exact_text("s"))


def gap_before(look: Look, reading: Interrogation, now_s: int) -> Duration | None:
    """How long no drug came before now, as far as the pump's log shows it: zero where delivery never stopped for a
    day.

    None where the log is not whole, or where delivery was stopped and went on within the day: then nobody knows how
    much is missing, and the review asks.
    """
    if reading.log_missing or reading.log_fault:
        return None
    status = status_of(reading)
    if not status.running:
        return Duration.of(max(status.uptime_s - status.stopped_s + now_s - reading.read_utc_s, 0), "s")
    if not status.delivering or status.held:
        since = stands_since(reading)
        return None if since is None else Duration.of(max(now_s - since, 0), "s")
    query = select(LogRecord.id).where(
        LogRecord.serial == reading.serial,
        LogRecord.event.in_((int(Event.STOP), int(Event.HELD))),
        LogRecord.utc_s > now_s - DAY_S,
    )
    return Duration.zero() if look.scalars(query.limit(1)).first() is None else None


def read_order(text: str | None, practice: Practice) -> OrderFile | None:
    """An order's text read again; None where there is none, or none that can be read."""
    found = () if text is None else parsed_by(text, practice.formulary)
    return None if isinstance(found, tuple) else found
