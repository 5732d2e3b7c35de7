"""What the staff of a demonstration do: every act by the clinic's own functions, refused as it would be for people.

A refusal here is a mistake in the scenario, or a defect: the making ends with it, and nothing half-made is kept.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from thecal.clinic import observing, opioids, patients
from thecal.clinic import session as sessions
from thecal.clinic.desk import bookings, contacts, notices
from thecal.clinic.implants import implant_of
from thecal.clinic.programming.finishing import BRIDGED_LATER
from thecal.clinic.programming.judging import judged
from thecal.clinic.programming.order_text import order_text, previous_tables
from thecal.clinic.programming.signing import running_order, sign
from thecal.clinic.record.tables import Implant, Patient, Session
from thecal.clinic.refilling.first_fill import write_first
from thecal.clinic.refused import Refused
from thecal.clinic.who import StaffRole
from thecal.clinic.workflow import Step, Workflow
from thecal.link.talk import Arm
from thecal.pump.wall_clock import Kind as ClockKind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from zoneinfo import ZoneInfo

    from thecal.clinic.practice import Practice
    from thecal.clinic.who import Who
    from thecal.demonstration.scenario import NoticeSaid, PatientSaid, Therapy
    from thecal.quantities import Volume

T = TypeVar("T")


class NotMade(RuntimeError):  # noqa: N818 -- the end of a making that a person reads about
    """The world could not be made: what was refused, for whom, and why."""


def done(found: T | Refused | tuple[Refused, ...], what: str) -> T:
    """What was done; NotMade where it was refused."""
    refused = found if isinstance(found, tuple) and found and isinstance(found[0], Refused) else ()
    if isinstance(found, Refused):
        refused = (found,)
    if refused:
        raise NotMade(f"{what}: {'; '.join(r.message for r in refused)}")
    return found  # type: ignore[return-value]


class Staff:
    """The people of a demonstration at work. ``people`` is who has which role, whoever acts first."""

    def __init__(
        self, practice: Practice, people: Mapping[StaffRole, list[Who]], zone: ZoneInfo, reasons: Mapping[str, str]
    ) -> None:
        self.practice = practice
        self.people = people
        self._zone = zone
        self._reasons = reasons

    @property
    def physician(self) -> Who:
        """The physician."""
        return self.people[StaffRole.PHYSICIAN][0]

    @property
    def nurse(self) -> Who:
        """The nurse."""
        return self.people[StaffRole.NURSE][0]

    @property
    def desk(self) -> Who:
        """The desk."""
        return self.people[StaffRole.DESK][0]

    def today(self) -> date:
        """The day by UTC, as orders are judged by it."""
        return datetime.fromtimestamp(self.practice.now_s(), UTC).date()

    def clinic_day(self) -> date:
        """The day on the clinic's wall."""
        return datetime.fromtimestamp(self.practice.now_s(), UTC).astimezone(self._zone).date()

    # Patients

    def take_on(self, said: PatientSaid) -> Patient:
        """Take a patient on."""
        facts = {name: _entered(value) for name, value in said.facts.items()}
        entered = {
            "number": said.number,
            "given": said.given,
            "family": said.family,
            "language": said.language,
            "birth_date": said.born.isoformat(),
            "phone": said.phone,
            "risks": ", ".join(said.risks),
            **facts,
        }
        return done(patients.take_on(self.practice, self.physician, entered), f"taking {said.number} on")

    def implant(self, patient: Patient, said: PatientSaid) -> Implant:
        """Write pump and catheter down, as measured at the implant."""
        pump = said.pump
        entered = {
            "serial": pump.serial,
            "family": pump.family,
            "model": pump.model,
            "lot": pump.lot,
            "site": pump.site,
            "implanted_on": self.today().isoformat(),
            "catheter_supplied": pump.supplied.text("cm"),
            "catheter_removed": pump.removed.text("cm"),
            "catheter_volume": pump.per_length.text("mL/cm"),
            "tip_level": pump.tip_level,
        }
        return done(
            patients.implant(self.practice, self.physician, patient.id, entered), f"the implant of {said.number}"
        )

    # Sessions

    def begin(self, patient: Patient, who: Who, workflow: Workflow) -> Session:
        """Begin a session: the pump is read, and what it said is looked at."""
        session: Session = done(
            sessions.begin(self.practice, who, patient.id, workflow), f"a session with {patient.number}"
        )
        self.enter(session, who, Step.READ, {"seen": True})
        return session

    def now(self, session: Session) -> Session:
        """A session as it is now."""
        with self.practice.reading() as db:
            found = db.get(Session, session.id)
        assert found is not None  # noqa: S101 -- it was begun here
        return found

    def enter(self, session: Session, who: Who, step: Step, entered: dict[str, Any]) -> None:
        """Enter something for a step."""
        seen = self.now(session).revision
        done(
            sessions.enter(self.practice, who, session.id, seen, step, entered), f"the step {step} at {session.serial}"
        )

    def ask(self, session: Session, who: Who, operation: str, **fields: Any) -> None:
        """Ask one thing of the pump, which does it."""
        end = done(sessions.command(self.practice, who, session.id, operation, **fields), operation)
        if end.arm is not Arm.GRANTED:
            raise NotMade(f"{operation} at {session.serial}: {end.said}")

    def send(self, session: Session, who: Who, order_id: int | None = None) -> None:
        """Review, read back, send."""
        proposed = done(sessions.propose(self.practice, who, session.id, order_id), f"a proposal to {session.serial}")
        end = done(sessions.send(self.practice, who, session.id, proposed.digest), f"sending to {session.serial}")
        if end.arm is not Arm.GRANTED:
            raise NotMade(f"sending to {session.serial}: {end.said}")

    def close(self, session: Session, who: Who, how_left: str, reason: str = "", told: str = "") -> None:
        """Leave a session."""
        seen = self.now(session).revision
        done(sessions.close(self.practice, who, session.id, seen, how_left, reason, told), f"leaving {session.serial}")

    def first_fill(self, session: Session, therapy: Therapy, volume: Volume) -> None:
        """Write down what went into a new pump, in the session that programs it."""
        written = write_first(self.practice, self.physician, session.id, therapy.mixture, volume)
        done(written, f"the first fill of {session.serial}")

    def set_clock(self, patient: Patient) -> None:
        """Set the pump's clock by the wall."""
        session = self.begin(patient, self.physician, Workflow.CLOCK)
        chosen = {"kind": ClockKind.NOW.value, "zone": self._zone.key, "reason": "the pump is new"}
        self.enter(session, self.physician, Step.CLOCK, chosen)
        self.send(session, self.physician)
        self.close(session, self.physician, "The clock is set; no program yet.")

    def program(self, session: Session, patient: Patient, therapy: Therapy, fill: Volume | None, *, first: bool) -> int:
        """Write and sign the program of a session; the number of its order."""
        who = self.physician
        text = self._text(session, patient, therapy, fill, first=first)
        later = BRIDGED_LATER if session.workflow == Workflow.REFILL_NEW else ()
        signed = sign(self.practice, who, session.id, text, self.today(), therapy.plan, later=later)
        order: Any = done(signed, f"the order of {patient.number}")
        self.enter(session, who, Step.PROGRAM, {"order": order.id, "plan": list(therapy.plan)})
        return int(order.id)

    def _text(self, session: Session, patient: Patient, therapy: Therapy, fill: Volume | None, *, first: bool) -> str:
        """The order as a file, with a reason for everything that the review asks one for."""
        with self.practice.reading() as db:
            implant, before = implant_of(db, patient.id), running_order(db, patient.id, session.serial)
        assert implant is not None  # noqa: S101 -- every patient of a scenario has a pump
        mixture = dict(therapy.tables["mixture"])
        if therapy.beyond_use_days is not None:
            mixture["beyond_use"] = self.today() + timedelta(days=therapy.beyond_use_days)
        filled = None if fill is None else {"volume": fill.text("mL"), "syringe": fill.text("mL"), "on": self.today()}
        program = dict(therapy.tables["program"])

        def text() -> str:
            return order_text(
                patient, implant, self.today(), mixture=mixture, program=program, fill=filled, first_fill=first,
                previous=None if before is None else previous_tables(before.text, gap="0 h"), title=therapy.title,
            )  # fmt: skip

        later = BRIDGED_LATER if session.workflow == Workflow.REFILL_NEW else ()
        asked = [f for f in judged(text(), self.practice, self.today(), therapy.plan).unreasoned if f.code not in later]
        if asked:
            program["reasons"] = {**program.get("reasons", {}), **self._answers(asked, patient)}
        return text()

    def _answers(self, findings: Any, patient: Patient) -> dict[str, str]:
        missing = sorted({str(f.code) for f in findings if str(f.code) not in self._reasons})
        if missing:
            raise NotMade(f"{patient.number}: the scenario gives no reason for {', '.join(missing)}")
        return {str(f.code): self._reasons[str(f.code)] for f in findings}

    # Beside the pump

    def observe(self, patient: Patient, values: Mapping[str, Any]) -> None:
        """Write down what was seen."""
        found = observing.observe(
            self.practice, self.nurse, patient.id, values["what"], values["value"], note=values["note"]
        )
        done(found, f"an observation of {patient.number}")

    def opioid(self, patient: Patient, values: Mapping[str, Any]) -> None:
        """Write down an opioid by mouth or patch."""
        found = opioids.write_down(
            self.practice, self.physician, patient.id, from_day=self.today().isoformat(), **values
        )
        done(found, f"an opioid of {patient.number}")

    def book(self, patient: Patient, values: Mapping[str, Any]) -> None:
        """Agree on a visit."""
        day = self.clinic_day()
        hour, minute = divmod(values["hour_s"] // 60, 60)
        entry = bookings.Entry(
            kind=values["visit"],
            day=(day + timedelta(days=values["in_days"])).isoformat(),
            time=f"{hour:02d}:{minute:02d}",
            minutes=str(values["minutes"]),
            person_id=str(self.nurse.person_id),
            late_reason="The day that the patient can come.",
            clash="yes",
        )
        done(bookings.book(self.practice, self.desk, patient.id, entry), f"a booking of {patient.number}")

    def contact(self, patient: Patient, values: Mapping[str, Any]) -> None:
        """Write down a try to reach a patient."""
        entry = contacts.Entry(**values)
        done(contacts.write_down(self.practice, self.desk, patient.id, entry), f"a contact with {patient.number}")

    def notice(self, said: NoticeSaid) -> None:
        """Enter a maker's notice."""
        entry = notices.Entry(
            title=said.title,
            source=said.source,
            published_on=self.clinic_day().isoformat(),
            action=said.action,
            families="\n".join(said.families),
            models="\n".join(said.models),
            serials="\n".join(said.serials),
        )
        done(notices.enter(self.practice, self.people[StaffRole.ENGINEER][0], entry), "a field notice")


def _entered(value: Any) -> str:
    """A fact as a form has it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    return "" if value is None else str(value)


__all__ = ["NotMade", "Staff", "done"]
