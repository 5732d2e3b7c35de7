"""What is drawn of a patient: the chart, the day view in bands, and the therapy profile (rules C1 to C5).

In comes the record; out come rows with units, which tables print and charts draw, so that the two never disagree. What
the record does not know is left out and said, never filled in.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from thecal.clinic import observing, opioids
from thecal.clinic.patients import implant_of
from thecal.clinic.programming.order_text import parsed
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
from thecal.link.log_reading import NAME, Event
from thecal.pump.core import codes
from thecal.quantities import Duration, Volume, number_text
from thecal.therapy.pattern import pattern_of
from thecal.therapy.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.orm import Session as Db

    from thecal.clinic.opioids import Load
    from thecal.clinic.practice import Practice
    from thecal.clinic.record.tables import Implant, Patient

DAY_S = 86_400
SPANS = (7, 14, 28)
"""Days that the profile may fold; 14 unless another is chosen (rule C4)."""
NEWEST = 20
"""Lines of each list on the chart; the lists themselves have all."""
WEEKDAYS = {"all": frozenset(range(7)), "weekdays": frozenset(range(5)), "weekend": frozenset({5, 6})}
DECILES = (Fraction(1, 10), Fraction(1, 4), Fraction(1, 2), Fraction(3, 4), Fraction(9, 10))

_EVENTS = (Event.ALARM, Event.CLEAR, Event.STOP, Event.START, Event.PROGRAM, Event.REFILL, Event.BRIDGE_END,
           Event.CLOCK, Event.BOOT)  # fmt: skip


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
    acts: list[Act]

    @property
    def level(self) -> str:
        """What the pump said was left in the reservoir."""
        return "not known" if self.reading is None else _ml(self.reading.status["level_nl"])


def chart(db: Db, practice: Practice, patient: Patient) -> Chart:
    """Everything about one patient, each list with its newest lines."""
    implant = implant_of(db, patient.id)
    reading = None if implant is None else newest_reading(db, implant.serial)
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
        acts=_newest(db, Act, Act.patient_id == patient.id, Act.id),
    )


def _newest(db: Db, kind: Any, which: Any, order: Any) -> list[Any]:
    return list(db.scalars(select(kind).where(which).order_by(order.desc()).limit(NEWEST)))


def newest_reading(db: Db, serial: str) -> Interrogation | None:
    """How the pump was last read, None where it never was."""
    query = select(Interrogation).where(Interrogation.serial == serial)
    return db.scalars(query.order_by(Interrogation.read_utc_s.desc(), Interrogation.id.desc())).first()


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
    """Something at a moment: UTC in s, what it is in words, its amount as text where it has one, and how it ended."""

    at_utc_s: int
    what: str
    amount: str = ""
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class RateStep:
    """From a moment on a dose rate of the primary ingredient, as exact text and as a number for drawing."""

    at_utc_s: int
    text: str
    per_hour: float


@dataclass(frozen=True, slots=True)
class DayView:
    """One day of one patient in bands, from local midnight to the next. ``notes`` say what is not known."""

    day: date
    from_s: int
    until_s: int
    events: list[Mark]
    scores: list[Mark]
    boluses: list[Mark]
    rates: list[RateStep]
    levels: list[Mark]
    rate_unit: str = ""
    scale_top: str = ""
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
    from_s, until_s = _midnight(chosen, zone), _midnight(chosen + timedelta(days=1), zone)
    implant = implant_of(db, patient.id)
    notes = [] if implant is not None else ["This patient has no pump here."]
    records = [] if implant is None else _log(db, implant.serial, from_s, until_s)
    reading = None if implant is None else newest_reading(db, implant.serial)
    if reading is not None and reading.read_utc_s < until_s:
        notes.append("The pump was last read before the end of this day: what it did since is not known.")
    drawn = _Drawn() if reading is None else _rates(db, practice, reading, from_s, until_s)
    return DayView(
        day=chosen,
        from_s=from_s,
        until_s=until_s,
        events=[Mark(r.utc_s, _event(r)) for r in records if r.event in _EVENTS],
        scores=[_score(row) for row in observing.seen(db, patient.id, from_s, until_s - 1)],
        boluses=_boluses(records),
        rates=drawn.steps,
        levels=[] if implant is None else _levels(db, implant.serial, from_s, until_s),
        rate_unit=drawn.unit,
        scale_top=drawn.top,
        notes=notes + drawn.notes,
    )


def _midnight(day: date, zone: ZoneInfo) -> int:
    return int(datetime.combine(day, time(), zone).timestamp())


def _log(db: Db, serial: str, from_s: int, until_s: int) -> list[LogRecord]:
    query = select(LogRecord).where(LogRecord.serial == serial, LogRecord.utc_s >= from_s, LogRecord.utc_s < until_s)
    return list(db.scalars(query.order_by(LogRecord.number)))


def _event(record: LogRecord) -> str:
    return NAME.get(record.event, f"event {record.event}")


def _score(row: Observation) -> Mark:
    kind = observing.kinds().get(row.kind)
    return Mark(row.seen_utc_s, kind.name if kind else row.kind, row.value, row.note)


def _boluses(records: Iterable[LogRecord]) -> list[Mark]:
    """Boluses that were given, whole or in part, and requests that were refused; without an end it is not confirmed."""
    found: list[Mark] = []
    for record in records:
        match record.event:
            case Event.BOLUS:
                found.append(Mark(record.utc_s, _kind(record), _strokes(record), "not confirmed"))
            case Event.BOLUS_END | Event.BOLUS_CUT if found and found[-1].outcome == "not confirmed":
                ended = "given" if record.event == Event.BOLUS_END else "cut short"
                found[-1] = Mark(found[-1].at_utc_s, _kind(record), _strokes(record), ended)
            case Event.REFUSED:
                found.append(Mark(record.utc_s, "request", "", "refused"))
    return found


def _kind(record: LogRecord) -> str:
    kinds = {codes.PATIENT: "patient bolus", codes.SINGLE: "single bolus", codes.PRIME: "prime"}
    return kinds.get(record.fields["a"], "bolus")


def _strokes(record: LogRecord) -> str:
    count = record.fields["b"]
    return f"{count:,} stroke{'' if count == 1 else 's'}"


def _levels(db: Db, serial: str, from_s: int, until_s: int) -> list[Mark]:
    query = select(Interrogation).where(
        Interrogation.serial == serial, Interrogation.read_utc_s >= from_s, Interrogation.read_utc_s < until_s
    )
    rows = db.scalars(query.order_by(Interrogation.read_utc_s))
    return [Mark(r.read_utc_s, "reservoir, by the pump's own account", _ml(r.status["level_nl"])) for r in rows]


@dataclass
class _Drawn:
    """Programmed rates of a day; ``top`` is the end of the scale: the plan's own 1 h ceiling where it has one."""

    steps: list[RateStep] = field(default_factory=list)
    unit: str = ""
    top: str = ""
    notes: list[str] = field(default_factory=list)


def _rates(db: Db, practice: Practice, reading: Interrogation, from_s: int, until_s: int) -> _Drawn:
    """What the programs of a day asked for, by the pump's own clock as it was last read."""
    query = select(ProgramRun).where(ProgramRun.serial == reading.serial, ProgramRun.confirmed_utc_s < until_s)
    runs = list(db.scalars(query.order_by(ProgramRun.confirmed_utc_s, ProgramRun.id)))
    drawn = _Drawn()
    ends = [run.confirmed_utc_s for run in runs[1:]] + [until_s] * bool(runs)
    for run, end_s in zip(runs, ends, strict=True):
        start_s = max(from_s, run.confirmed_utc_s)
        if start_s < min(end_s, until_s):
            _draw(drawn, practice, run, reading.pump_clock_s - reading.read_utc_s, (start_s, min(end_s, until_s)))
    return drawn


def _draw(drawn: _Drawn, practice: Practice, run: ProgramRun, ahead_s: int, span: tuple[int, int]) -> None:
    """The steps of one program from ``span[0]`` to ``span[1]``; ``ahead_s`` is pump clock minus UTC."""
    file = parsed(run.order_text, practice)
    if isinstance(file, tuple):
        drawn.notes.append("The order behind a program of this day cannot be read: its rates are not drawn.")
        return
    order = file.order
    pattern = pattern_of(order.program.base, order.mixture, order.pump.minimum_rate)
    if isinstance(pattern, Refusal):
        drawn.notes.append(pattern.message)
        return
    primary = order.mixture.primary.drug
    drawn.unit = f"{practice.formulary.drug(primary).dose_unit}/h"
    for start, _end, dose in pattern.slices(span[0] + ahead_s, span[1] + ahead_s):
        step = RateStep(int(start) - ahead_s, dose.text(drawn.unit), float(dose.number(drawn.unit)))
        if not drawn.steps or drawn.steps[-1].text != step.text:
            drawn.steps.append(step)
    ceiling = next((c.per_1h for c in order.program.ceilings if c.drug == primary), None)
    if ceiling is not None:
        drawn.top = (ceiling / Duration.of(1, "h")).text(drawn.unit)


# The therapy profile --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour of the folded day: scores of pain at the shares of ``DECILES``, None without any, and boluses."""

    hour: int
    n: int
    scores: tuple[Fraction, ...] | None
    given: int
    refused: int

    @property
    def texts(self) -> tuple[str, ...]:
        """The scores as they are shown."""
        return () if self.scores is None else tuple(number_text(score) for score in self.scores)


@dataclass(frozen=True, slots=True)
class Profile:
    """Days folded on one: each hour, how often pain was at or under the patient's own goal, and each day by itself."""

    days: int
    weekdays: str
    from_day: date
    until_day: date
    hours: list[Hour]
    goal: int | None
    at_goal: int
    scored: int
    each_day: list[tuple[date, int, str]]


def profile(db: Db, practice: Practice, patient: Patient, days: int, weekdays: str) -> Profile:
    """The past ``days`` days (7, 14 or 28) up to today, of all days, weekdays or the weekend."""
    zone = zone_of(db)
    today = datetime.fromtimestamp(practice.now_s(), UTC).astimezone(zone).date()
    first = today - timedelta(days=days - 1)
    chosen = weekdays if weekdays in WEEKDAYS else "all"
    from_s, until_s = _midnight(first, zone), _midnight(today + timedelta(days=1), zone)
    wanted = WEEKDAYS[chosen]

    def local(utc_s: int) -> datetime:
        return datetime.fromtimestamp(utc_s, UTC).astimezone(zone)

    rows = [r for r in observing.seen(db, patient.id, from_s, until_s) if r.kind == "pain-now"]
    scores = [(local(r.seen_utc_s), int(r.value)) for r in rows if local(r.seen_utc_s).weekday() in wanted]
    implant = implant_of(db, patient.id)
    marks = [] if implant is None else _boluses(_log(db, implant.serial, from_s, until_s))
    given, refused = Counter[int](), Counter[int]()
    for mark in marks:
        at = local(mark.at_utc_s)
        if at.weekday() in wanted:
            (refused if mark.outcome == "refused" else given)[at.hour] += 1
    goal_row = observing.newest(db, patient.id).get("pain-goal")
    goal = None if goal_row is None else int(goal_row.value)
    return Profile(
        days=days,
        weekdays=chosen,
        from_day=first,
        until_day=today,
        hours=[_hour(h, [v for at, v in scores if at.hour == h], given[h], refused[h]) for h in range(24)],
        goal=goal,
        at_goal=0 if goal is None else sum(value <= goal for _, value in scores),
        scored=len(scores),
        each_day=_each_day(scores),
    )


def _hour(hour: int, values: Sequence[int], given: int, refused: int) -> Hour:
    shares = tuple(quantile(values, share) for share in DECILES) if values else None
    return Hour(hour, len(values), shares, given, refused)


def quantile(values: Sequence[int], share: Fraction) -> Fraction:
    """The value under which a share of the values lies, between neighbors in proportion (Hyndman and Fan, type 7)."""
    ordered = sorted(values)
    at = share * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (at - low) * (ordered[high] - ordered[low])


def _each_day(scores: Sequence[tuple[datetime, int]]) -> list[tuple[date, int, str]]:
    by_day: dict[date, list[int]] = {}
    for at, value in scores:
        by_day.setdefault(at.date(), []).append(value)
    half = Fraction(1, 2)
    return [(day, len(values), number_text(quantile(values, half))) for day, values in sorted(by_day.items())]
