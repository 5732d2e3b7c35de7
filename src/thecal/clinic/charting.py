"""What is drawn of a patient: the chart, and the day view in bands (rules C1, C2 and C5).

In comes the record; out come rows with units, which tables print and charts draw, so that the two never disagree. What
the record does not know is left out and said, never filled in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from thecal.clinic import observing, opioids
from thecal.clinic.implants import implant_of
from thecal.clinic.programmed import Rates, rates
from thecal.clinic.record.tables import (
    Act,
    BoardLine,
    Booking,
    Clinic,
    Fill,
    Interrogation,
    LogRecord,
    Observation,
    ProgramRun,
    Session,
)
from thecal.clinic.session.found import line
from thecal.clinic.session.readings import reading as reading_of
from thecal.link.log_reading import Event
from thecal.pump.core import codes
from thecal.quantities import Volume

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.orm import Session as Db

    from thecal.clinic.opioids import Load
    from thecal.clinic.practice import Practice
    from thecal.clinic.record.tables import Implant, Patient, Taper

DAY_S = 86_400
NEWEST = 20
"""Lines of each list on the chart; the lists themselves have all."""

_LANES = {
    Event.ALARM: "Alarm", Event.CLEAR: "Alarm", Event.STOP: "Delivery", Event.START: "Delivery",
    Event.PROGRAM: "Program", Event.BRIDGE_END: "Program", Event.BRIDGE_CUT: "Program", Event.REFILL: "Refill",
    Event.CLOCK: "Pump", Event.BOOT: "Pump",
}  # fmt: skip
"""Events that the day view shows, each in its lane of the band."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One patient on one page. ``age_s`` is how old the newest reading is, None where the pump was never read."""

    patient: Patient
    implant: Implant | None
    line: BoardLine | None
    reading: Interrogation | None
    age_s: int | None
    running: ProgramRun | None
    fills: list[Fill]
    sessions: list[Session]
    bookings: list[Booking]
    newest: dict[str, Observation]
    loads: list[Load]
    tapers: list[Taper]
    acts: list[Act]

    @property
    def level(self) -> str:
        """What the pump said was left in the reservoir."""
        return "not known" if self.reading is None else _ml(self.reading.status["level_nl"])


def chart(db: Db, practice: Practice, patient: Patient) -> Chart:
    """Everything about one patient, each list with its newest lines."""
    implant = implant_of(db, patient.id)
    reading = None if implant is None else reading_of(db, implant.serial)
    return Chart(
        patient=patient,
        implant=implant,
        line=db.get(BoardLine, patient.id),
        reading=reading,
        age_s=None if reading is None else practice.now_s() - reading.read_utc_s,
        running=None if implant is None else running(db, implant.serial),
        fills=_newest(db, Fill, Fill.patient_id == patient.id, Fill.filled_utc_s),
        sessions=_newest(db, Session, Session.patient_id == patient.id, Session.id),
        bookings=_newest(db, Booking, Booking.patient_id == patient.id, Booking.begins_utc_s),
        newest=observing.newest(db, patient.id),
        loads=opioids.loads(opioids.taken(db, patient.id)),
        tapers=opioids.tapers(db, patient.id),
        acts=_newest(db, Act, Act.patient_id == patient.id, Act.id),
    )


@dataclass(frozen=True, slots=True)
class Beside:
    """What stands beside a program while it is written: mood, crisis signs, pain, sedation, and the load by mouth."""

    newest: dict[str, Observation]
    crisis: Observation | None
    load: Load | None
    tapers: list[Taper]


def beside(db: Db, patient_id: int) -> Beside:
    """The newest of each; a crisis sign that was said stays until a later one denies it."""
    newest = observing.newest(db, patient_id)
    crisis = newest.get("crisis")
    loads = opioids.loads(opioids.taken(db, patient_id))
    said = crisis if crisis is not None and crisis.value == "1" else None
    return Beside(newest, said, loads[-1] if loads else None, opioids.tapers(db, patient_id))


def _newest(db: Db, kind: Any, which: Any, order: Any) -> list[Any]:
    return list(db.scalars(select(kind).where(which).order_by(order.desc()).limit(NEWEST)))


def running(db: Db, serial: str) -> ProgramRun | None:
    """What was confirmed last, None where nothing was."""
    return db.scalars(select(ProgramRun).where(ProgramRun.serial == serial).order_by(ProgramRun.number.desc())).first()


def zone_of(db: Db) -> ZoneInfo:
    """The clinic's zone."""
    clinic = db.scalars(select(Clinic)).first()
    return ZoneInfo("UTC" if clinic is None else clinic.zone)


def _ml(nanolitres: int) -> str:
    return Volume.of(nanolitres, "nL").text("mL")


# The day view ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mark:
    """Something at a moment: UTC in s, what it is in words, its amount as text where it has one, and how it ended.

    ``kind`` is the code of what was scored.
    """

    at_utc_s: int
    what: str
    amount: str = ""
    outcome: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class DayView:
    """One day of one patient in bands, from local midnight to the next. ``notes`` say what is not known.

    ``refill`` says when the next refill is planned, ``empty`` when the reservoir would be empty at the latest use.
    """

    day: date
    from_s: int
    until_s: int
    events: list[Mark]
    scores: list[Mark]
    boluses: list[Mark]
    rates: Rates
    levels: list[Mark]
    reservoir: str = ""
    refill: date | None = None
    empty: date | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def before(self) -> date:
        """The day before."""
        return self.day - timedelta(days=1)

    @property
    def after(self) -> date:
        """The day after."""
        return self.day + timedelta(days=1)


def day_view(db: Db, practice: Practice, patient: Patient, day: date | None) -> DayView:
    """A day as it was; today where ``day`` is None."""
    zone = zone_of(db)
    chosen = day or datetime.fromtimestamp(practice.now_s(), UTC).astimezone(zone).date()
    from_s, until_s = midnight(chosen, zone), midnight(chosen + timedelta(days=1), zone)
    implant = implant_of(db, patient.id)
    notes = [] if implant is not None else ["This patient has no pump here."]
    records = [] if implant is None else log_of(db, implant.serial, from_s, until_s)
    reading = None if implant is None else reading_of(db, implant.serial)
    if reading is not None and reading.read_utc_s < until_s:
        notes.append("The pump was last read before the end of this day: what it did since is not known.")
    asked = Rates() if reading is None else rates(db, practice, reading, (from_s, until_s))
    board = db.get(BoardLine, patient.id)
    return DayView(
        day=chosen,
        from_s=from_s,
        until_s=until_s,
        events=[_event(record) for record in records if record.event in _LANES],
        scores=[_score(row) for row in observing.seen(db, patient.id, from_s, until_s - 1)],
        boluses=boluses(records, _stroke_nl(reading)),
        rates=asked,
        levels=[] if implant is None else _levels(db, implant.serial, from_s, until_s),
        reservoir="" if reading is None else _ml(reading.identity["reservoir_nl"]),
        refill=None if board is None else _day(board.booked_day),
        empty=None if board is None else _day(board.shown.get("empty")),
        notes=notes + asked.notes,
    )


def midnight(day: date, zone: ZoneInfo) -> int:
    """When a day begins in a zone, in UTC s."""
    return int(datetime.combine(day, time(), zone).timestamp())


def log_of(db: Db, serial: str, from_s: int, until_s: int) -> list[LogRecord]:
    """Records of a pump's log from ``from_s`` on, up to but not at ``until_s``."""
    query = select(LogRecord).where(LogRecord.serial == serial, LogRecord.utc_s >= from_s, LogRecord.utc_s < until_s)
    return list(db.scalars(query.order_by(LogRecord.number)))


def _event(record: LogRecord) -> Mark:
    return Mark(record.utc_s, line(record).text, kind=_LANES[Event(record.event)])


def _day(since_1970: int | None) -> date | None:
    return None if since_1970 is None else date(1970, 1, 1) + timedelta(days=since_1970)


def _score(row: Observation) -> Mark:
    kind = observing.kinds().get(row.kind)
    return Mark(row.seen_utc_s, kind.name if kind else row.kind, row.value, row.note, row.kind)


def _stroke_nl(reading: Interrogation | None) -> int:
    """What one stroke of a pump moves, as it said itself; 0 where it was never read."""
    return 0 if reading is None else int(reading.identity["stroke_nl"])


def boluses(records: Iterable[LogRecord], stroke_nl: int) -> list[Mark]:
    """Boluses that were given, whole or in part, and requests that were refused; without an end it is not confirmed."""
    found: list[Mark] = []
    for record in records:
        match record.event:
            case Event.BOLUS:
                found.append(Mark(record.utc_s, _kind(record), _moved(record, stroke_nl), "not confirmed"))
            case Event.BOLUS_END | Event.BOLUS_CUT if found and found[-1].outcome == "not confirmed":
                ended = "given" if record.event == Event.BOLUS_END else "cut short"
                found[-1] = Mark(found[-1].at_utc_s, _kind(record), _moved(record, stroke_nl), ended)
            case Event.REFUSED:
                found.append(Mark(record.utc_s, "request", "", "refused"))
    return found


def _kind(record: LogRecord) -> str:
    kinds = {codes.PATIENT: "patient bolus", codes.SINGLE: "single bolus", codes.PRIME: "prime"}
    return kinds.get(record.fields["a"], "bolus")


def _moved(record: LogRecord, stroke_nl: int) -> str:
    """The volume of a bolus, or its strokes where nobody knows what one moves."""
    count = record.fields["b"]
    return _ml(count * stroke_nl) if stroke_nl else f"{count:,} stroke{'' if count == 1 else 's'}"


def _levels(db: Db, serial: str, from_s: int, until_s: int) -> list[Mark]:
    query = select(Interrogation).where(
        Interrogation.serial == serial, Interrogation.read_utc_s >= from_s, Interrogation.read_utc_s < until_s
    )
    rows = db.scalars(query.order_by(Interrogation.read_utc_s))
    return [Mark(r.read_utc_s, "reservoir, by the pump's own account", _ml(r.status["level_nl"])) for r in rows]
