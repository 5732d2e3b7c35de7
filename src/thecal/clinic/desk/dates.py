"""The dates of one pump, from its newest reading or fill and the order that runs: expected, worst, empty, stability.

All arithmetic is ``therapy.refill``'s. What cannot be known is said, and no date takes its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from thecal.clinic.desk.days import day_of, local
from thecal.clinic.programming.order_text import pump_envelope
from thecal.clinic.record.tables import Fill, Interrogation, LogRecord, ProgramRun
from thecal.pump.core.codes import DAY_S, E_BOLUS, PATIENT, WEEK_S
from thecal.quantities import Volume
from thecal.therapy.file_problems import FileRefused
from thecal.therapy.files import parse_order
from thecal.therapy.published import published
from thecal.therapy.refill import Dates, Due, Levels, refill_dates
from thecal.therapy.refusal import Refusal
from thecal.therapy.stability import stability_cap

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from sqlalchemy.orm import Session

    from thecal.clinic.desk.settings import Desk
    from thecal.formulary import Formulary
    from thecal.therapy.order import Order

_A_MONDAY = datetime(2001, 1, 1)  # noqa: DTZ001 -- a pump clock has no zone: seconds since a Monday
_EVERY = Fraction(10**6)
"""More boluses a day than any program allows: every one of them."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one pump: its newest reading, its newest fill, the program that it confirmed last."""

    reading: Interrogation | None
    fill: Fill | None
    run: ProgramRun | None


@dataclass(frozen=True, slots=True)
class Held:
    """How much is in the reservoir, since when that is known, and from where."""

    volume: Volume
    utc_s: int
    source: str


@dataclass(frozen=True, slots=True)
class LineDates:
    """Days since 1970 at the clinic, None where they cannot be known; ``unknown`` then says why.

    ``worst`` is with every patient bolus, ``expected`` with those that were seen. ``stable`` is the last day of the
    drug in the pump by a source. ``use`` is boluses a day as seen in the log, as text, None where the program has none
    or the log is too short.
    """

    expected: int | None = None
    worst: int | None = None
    empty: int | None = None
    stable: int | None = None
    stable_source: str = ""
    use: str | None = None
    held: Held | None = None
    unknown: str = ""

    @property
    def due(self) -> int:
        """The earlier of worst case and stability; 0 where the worst case is not known, and so before every other."""
        if self.worst is None:
            return 0
        return self.worst if self.stable is None else min(self.worst, self.stable)


def known_of(session: Session, serial: str, patient_id: int) -> Known:
    """The newest of each kind of row about one pump in one patient."""
    readings = select(Interrogation).where(Interrogation.serial == serial, Interrogation.patient_id == patient_id)
    reading = session.scalars(readings.order_by(Interrogation.read_utc_s.desc(), Interrogation.id.desc()).limit(1))
    fills = select(Fill).where(Fill.serial == serial, Fill.patient_id == patient_id, Fill.filled.is_not(None))
    fill = session.scalars(fills.order_by(Fill.filled_utc_s.desc(), Fill.id.desc()).limit(1))
    runs = select(ProgramRun).where(ProgramRun.serial == serial, ProgramRun.patient_id == patient_id)
    run = session.scalars(runs.order_by(ProgramRun.confirmed_utc_s.desc(), ProgramRun.id.desc()).limit(1))
    return Known(reading.first(), fill.first(), run.first())


def line_dates(session: Session, known: Known, formulary: Formulary, desk: Desk) -> LineDates:
    """The dates of one pump; those that cannot be known are None, and ``unknown`` says why."""
    held = _held(known)
    if known.run is None or held is None:
        missing = "no program was ever confirmed" if known.run is None else "no reading and no fill with its volume"
        return LineDates(unknown=missing, held=held)
    order = running_order(known.run.order_text, formulary)
    if isinstance(order, str):
        return LineDates(unknown=order, held=held)
    use = _bolus_use(session, known, desk.settings.use_days) if order.program.patient_bolus else Fraction(0)
    found = _dates(order, held, _pump_clock(known, held, desk.zone), _EVERY if use is None else use)
    if isinstance(found, Refusal):
        return LineDates(unknown=found.message, held=held)
    stable = _stable(order, known, formulary, desk.zone)
    worst = _day(found.worst_alert, held, desk.zone)
    return LineDates(
        expected=_day(found.expected_alert, held, desk.zone),
        worst=worst,
        empty=_day(found.worst_empty, held, desk.zone),
        stable=stable[0],
        stable_source=stable[1],
        use=None if use is None or order.program.patient_bolus is None else _tenths(use),
        held=held,
        unknown="" if worst is not None else _why(found.worst_alert),
    )


def _stable(order: Order, known: Known, formulary: Formulary, zone: ZoneInfo) -> tuple[int | None, str]:
    """The last day of the drug in the pump, from the fill on, and whose number that is."""
    cap = stability_cap(order, formulary)
    if cap is None or cap.days is None:
        return None, ""
    return None if known.fill is None else day_of(known.fill.filled_utc_s + cap.days * DAY_S, zone), cap.source.name


def _why(due: Due | Refusal) -> str:
    return due.message if isinstance(due, Refusal) else ""


def _day(due: Due | Refusal, held: Held, zone: ZoneInfo) -> int | None:
    """The day of an instant, never later than the drug lasts: whole days from the reading, on the clinic's wall."""
    return None if isinstance(due, Refusal) else day_of(held.utc_s + due.days * DAY_S, zone)


def _tenths(use: Fraction) -> str:
    whole, tenth = divmod(round(use * 10), 10)
    return f"{whole}.{tenth}" if tenth else f"{whole}"


def _held(known: Known) -> Held | None:
    """The newer of reading and fill."""
    reading, fill = known.reading, known.fill
    if fill is not None and (reading is None or fill.filled_utc_s > reading.read_utc_s):
        volume = _filled(fill)
        return None if volume is None else Held(volume, fill.filled_utc_s, "fill")
    if reading is None or "level_nl" not in reading.status:
        return None
    return Held(Volume.of(int(reading.status["level_nl"]), "nL"), reading.read_utc_s, "reading")


def _filled(fill: Fill) -> Volume | None:
    if fill.programmed is not None:
        return fill.programmed
    if fill.filled is None or fill.left is None:
        return None
    return fill.left + fill.filled


def _pump_clock(known: Known, held: Held, zone: ZoneInfo) -> datetime:
    """Where the pump's own week stands at the instant of ``held``; the clinic's wall where it was never read."""
    if known.reading is None:
        at = local(held.utc_s, zone)
        return at.replace(tzinfo=None)
    clock_s = known.reading.pump_clock_s + held.utc_s - known.reading.read_utc_s
    return _A_MONDAY + timedelta(seconds=clock_s % WEEK_S)


def _dates(order: Order, held: Held, start: datetime, use: Fraction) -> Dates | Refusal:
    levels = Levels(order.program.low_level or order.pump.low_level, published().bolus_end_volume.volume)
    return refill_dates(
        order.program,
        order.mixture,
        order.pump,
        volume=held.volume,
        start=start,
        levels=levels,
        lead_days=0,
        stability_days=None,
        boluses_per_day=use,
    )


def _bolus_use(session: Session, known: Known, days: int) -> Fraction | None:
    """Patient boluses a day in the log of the last ``days`` under the program that runs; None for under a day of it."""
    assert known.run is not None  # noqa: S101 -- the caller looked
    if known.reading is None:
        return None
    until = known.reading.read_utc_s
    since = max(known.run.confirmed_utc_s, until - days * DAY_S)
    if until - since < DAY_S:
        return None
    rows = session.scalars(
        select(LogRecord.fields).where(
            LogRecord.serial == known.reading.serial,
            LogRecord.event == E_BOLUS,
            LogRecord.utc_s >= since,
            LogRecord.utc_s <= until,
        )
    )
    return Fraction(sum(1 for fields in rows if _of_patient(fields)) * DAY_S, until - since)


def _of_patient(fields: Any) -> bool:
    return isinstance(fields, dict) and fields.get("a") == PATIENT


def running_order(text: str, formulary: Formulary) -> Order | str:
    """The order behind a program; why it cannot be read, where it cannot. The same text is read once."""
    return _parsed(text, _Reader(formulary))


class _Reader:
    """A formulary as a key: two of one version read an order alike."""

    def __init__(self, formulary: Formulary) -> None:
        self.formulary = formulary

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reader) and other.formulary.version == self.formulary.version

    def __hash__(self) -> int:
        return hash(self.formulary.version)


@lru_cache(maxsize=512)
def _parsed(text: str, reader: _Reader) -> Order | str:
    drugs = lambda code: reader.formulary.drug(code).code  # noqa: E731
    try:
        return parse_order(text, "the running order", drugs=drugs, pumps=pump_envelope).order
    except FileRefused as refused:
        return f"the running order cannot be read: {refused.problems[0].field}"


def last_gaps(session: Session, serial: str, patient_id: int, most: int) -> list[Volume]:
    """Expected less aspirated at the last refills where both are known, oldest first."""
    rows = session.scalars(
        select(Fill)
        .where(Fill.serial == serial, Fill.patient_id == patient_id)
        .where(Fill.expected.is_not(None), Fill.aspirated.is_not(None))
        .order_by(Fill.filled_utc_s.desc())
        .limit(most)
    )
    gaps = [f.expected - f.aspirated for f in rows if f.expected is not None and f.aspirated is not None]
    return gaps[::-1]
