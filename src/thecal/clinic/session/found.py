"""What a reading found, in words: clocks first, then alarms, boluses, events, what runs, and what is left.

Kept rows come in, so that a page can be made without the pump. Times are UTC by our estimate from the reading that
brought a record; the pump's own stand beside them in the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import pack
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from thecal.clinic.record.tables import LogRecord, Session
from thecal.clinic.refused import Refused
from thecal.clinic.session.held import held_in, withdrawal_of
from thecal.clinic.session.readings import identity_of, status_of
from thecal.clinic.session.timing import clock_view
from thecal.link import wording
from thecal.link.log_chain import Record
from thecal.link.log_reading import Event, Words, event_name, record_text
from thecal.pump.annunciation import (
    Facts,
    Priority,
    alarm_table,
    before_stop,
    for_clinician,
    found_in,
    in_order,
    states_of,
)
from thecal.pump.core import codes
from thecal.quantities import Volume

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.orm import Session as Look

    from thecal.clinic.record.tables import Interrogation
    from thecal.clinic.session.held import Held
    from thecal.clinic.session.timing import ClockView
    from thecal.formulary import Formulary
    from thecal.pump.annunciation import AlarmState, Condition, Withdrawal

PAGE = 50
"""Records of a log on one page. Ours."""
MOST_READ = 20_000
"""Records since the last visit that one page counts. Ours."""


@dataclass(frozen=True, slots=True)
class AlarmShown:
    """One alarm or finding with sign, cause and next action (rule A2); times in UTC s, None where there is none."""

    number: int | None
    name: str
    sign: str
    priority: str
    critical: bool
    active: bool
    what: str
    pump: str
    risk: tuple[str, ...]
    cause: str
    check: str
    act: str
    clears: str
    issued_s: int | None
    acknowledged_s: int | None
    cleared_s: int | None
    count: int = 1


@dataclass(frozen=True, slots=True)
class LogLine:
    """One record of the log: both clocks, what happened, in words."""

    number: int
    utc_s: int
    pump_clock_s: int
    uptime_s: int
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Boluses:
    """Boluses since a moment, by the log: given, cut short, refused. ``sure`` is False with lost records."""

    given: int
    cut: int
    single: int
    refused: tuple[tuple[str, int], ...]
    sure: bool

    @property
    def refused_in_all(self) -> int:
        """How many requests were refused."""
        return sum(count for _, count in self.refused)


@dataclass(frozen=True, slots=True)
class Account:
    """Everything that the first page of a session says."""

    clock: ClockView | Refused
    alarms: tuple[AlarmShown, ...]
    findings: tuple[AlarmShown, ...]
    since_s: int | None
    boluses: Boluses
    events: tuple[LogLine, ...]
    events_in_all: int
    held: Held
    before_stop: tuple[str, ...]
    level: str
    rate: str
    software: str
    battery_percent: int


def account(db: Look, row: Interrogation, session: Session, formulary: Formulary) -> Account:
    """What the newest reading of a session's pump found since the visit before."""
    held = held_in(row, formulary)
    status, identity = status_of(row), identity_of(row)
    since = last_visit(db, session)
    records = records_since(db, row.serial, since)
    drugs = withdrawal_of(held, formulary)
    read = [_record(r) for r in records]
    clock = clock_view(db, row, formulary)
    off = 0 if isinstance(clock, Refused) else clock.difference.seconds
    facts = Facts(
        stopped=status.loaded and not status.running,
        log_broken=bool(row.log_fault),
        records_missing=row.log_missing,
        clock_off_s=off,
    )
    findings = tuple(_shown(f.condition, held, drugs, _At(count=f.count)) for f in found_in(read, facts))
    return Account(
        clock=clock,
        alarms=tuple(a for a in alarms(row, held, formulary) if a.active),
        findings=findings,
        since_s=since,
        boluses=boluses(read, sure=not (row.log_missing or row.log_fault)),
        events=tuple(line(r) for r in records[-12:][::-1]),
        events_in_all=len(records),
        held=held,
        before_stop=before_stop(drugs),
        level=Volume.of(status.level_nl, "nL").text("mL"),
        rate=f"{status.rate_pl_per_h}",
        software=identity.software,
        battery_percent=status.battery_percent,
    )


def last_visit(db: Look, session: Session) -> int | None:
    """When the session before ended, in UTC s; None where there was none."""
    query = select(Session.ended_utc_s).where(
        Session.serial == session.serial, Session.id < session.id, Session.ended_utc_s.is_not(None)
    )
    return db.scalars(query.order_by(Session.id.desc()).limit(1)).first()


def records_since(db: Look, serial: str, since_s: int | None) -> list[LogRecord]:
    """The newest records of a pump's log since a moment, in their order."""
    query = select(LogRecord).where(LogRecord.serial == serial)
    if since_s is not None:
        query = query.where(LogRecord.utc_s >= since_s)
    return list(db.scalars(query.order_by(LogRecord.number.desc()).limit(MOST_READ)))[::-1]


def alarms(row: Interrogation, held: Held, formulary: Formulary) -> tuple[AlarmShown, ...]:
    """Every alarm that the pump ever issued, the active ones first by priority; with texts for a clinician."""
    status, identity = status_of(row), identity_of(row)
    drugs = withdrawal_of(held, formulary)
    times = b"".join(pack("<3I", t.issued_s, t.acknowledged_s, t.cleared_s) for t in identity.alarms)
    states = states_of(status.alarms, times) or ()
    past = sorted((s for s in states if s.ever and not s.active), key=lambda s: -(s.cleared_s or 0))

    def utc(uptime_s: int | None) -> int | None:
        return None if uptime_s is None else row.read_utc_s - (row.uptime_s - uptime_s)

    def one(state: AlarmState) -> AlarmShown:
        times = (utc(state.issued_s), utc(state.acknowledged_s), utc(state.cleared_s))
        return _shown(state.condition, held, drugs, _At(state.condition.core, state.active, *times))

    return tuple(one(state) for state in (*in_order(states), *past))


@dataclass(frozen=True, slots=True)
class _At:
    """Which alarm of the pump it is, whether it is active, and its times."""

    number: int | None = None
    active: bool = False
    issued_s: int | None = None
    acknowledged_s: int | None = None
    cleared_s: int | None = None
    count: int = 1


def _shown(condition: Condition, held: Held, drugs: Iterable[Withdrawal], at: _At) -> AlarmShown:
    text = for_clinician(condition, held.chosen, drugs)
    return AlarmShown(
        at.number,
        condition.name,
        condition.priority.sign,
        condition.priority.value,
        condition.priority is Priority.CRITICAL,
        at.active,
        text.what,
        text.pump,
        text.risk,
        condition.cause,
        text.check,
        text.act,
        text.clears,
        at.issued_s,
        at.acknowledged_s,
        at.cleared_s,
        at.count,
    )


def boluses(records: Sequence[Record], *, sure: bool) -> Boluses:
    """What the log says of boluses; the log does not say what a refused request asked for, and a refusal is counted."""
    given = sum(r.event == Event.BOLUS_END and r.a == codes.PATIENT for r in records)
    cut = sum(r.event == Event.BOLUS_CUT and r.a == codes.PATIENT for r in records)
    single = sum(r.event in {Event.BOLUS_END, Event.BOLUS_CUT} and r.a == codes.SINGLE for r in records)
    reasons: dict[str, int] = {}
    for record in records:
        if record.event == Event.REFUSED:
            reason = wording.words(record.a)
            reasons[reason] = reasons.get(reason, 0) + 1
    return Boluses(given, cut, single, tuple(sorted(reasons.items())), sure)


def words() -> Words:
    """How numbers in records are said."""
    return Words(
        alarms=tuple(c.name for c in alarm_table().of_core),
        answers={code: wording.words(code) for code in range(codes.DOCUMENT + 1)},
    )


def line(row: LogRecord) -> LogLine:
    """A kept record as a line."""
    record = _record(row)
    return LogLine(
        row.number, row.utc_s, record.clock_s, row.uptime_s, event_name(row.event), record_text(record, words())
    )


def _record(row: LogRecord) -> Record:
    held = row.fields
    return Record(row.number, row.uptime_s, int(held["clock_s"]), row.event, int(held["a"]), int(held["b"]))


@dataclass(frozen=True, slots=True)
class LogPage:
    """One page of a pump's log, the newest first; ``faults`` are alarms, held strokes and the like alone."""

    lines: tuple[LogLine, ...]
    total: int
    page: int
    faults: bool

    @property
    def pages(self) -> int:
        """How many pages there are, at least one."""
        return max(1, -(-self.total // PAGE))


FAULTS = tuple(
    int(e) for e in (Event.ALARM, Event.CLEAR, Event.ACK, Event.HELD, Event.EXTRA, Event.BOOT, Event.BOLUS_CUT)
)
"""Events that make the fault log."""


def log_page(db: Look, serial: str, page: int, *, faults: bool) -> LogPage:
    """One page of the log of a pump; a page beyond the last is the last."""
    query = select(LogRecord).where(LogRecord.serial == serial)
    if faults:
        query = query.where(LogRecord.event.in_(FAULTS))
    total = db.scalar(select(func.count()).select_from(query.subquery())) or 0
    at = min(max(1, page), max(1, -(-total // PAGE)))
    rows = db.scalars(query.order_by(LogRecord.number.desc()).limit(PAGE).offset((at - 1) * PAGE))
    return LogPage(tuple(line(r) for r in rows), total, at, faults)
