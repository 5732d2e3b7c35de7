"""The account of one session, gathered from the record for its report: what was found, changed, checked and left.

In comes the number of a session; out comes text in rows, every amount as ``quantities`` prints it. What the record does
not know is said, never filled in.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from thecal.clinic.desk.dates import known_of, line_dates
from thecal.clinic.desk.days import as_date
from thecal.clinic.desk.settings import desk_of
from thecal.clinic.pharmacy.mixtures import mixture_of, name_of, unit_of
from thecal.clinic.programming.order_text import parsed_by
from thecal.clinic.record.tables import (
    Act,
    Booking,
    DoubleCheck,
    Fill,
    Implant,
    LogRecord,
    Override,
    Person,
    ProgramRun,
    Session,
)
from thecal.clinic.record.tables import Mixture as MixtureRow
from thecal.clinic.session import comparing
from thecal.clinic.session.found import line
from thecal.clinic.workflow import WAYS, Workflow
from thecal.therapy.files import OrderFile
from thecal.therapy.refusal import day_text, minute_text

if TYPE_CHECKING:
    from sqlalchemy.orm import Session as Db

    from thecal.clinic.practice import Practice
    from thecal.quantities import Volume
    from thecal.therapy.mixture import Mixture
    from thecal.therapy.order import Order

MOST_EVENTS = 200
"""Lines of the log on the paper; how many more there are is said. Ours."""
UNKNOWN = "not known"

Rows = tuple[tuple[str, ...], ...]
Facts = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Account:
    """What a session's report says, all as text; the names of the fields are those of the report's parts."""

    patient_id: int
    session: Facts
    device: Facts
    mixture: Rows
    sentence: tuple[str, ...]
    settings: Rows
    reservoir: Facts
    refill: Facts
    log: Rows
    checks: Rows
    passed: Rows
    done_by: str


def account_of(practice: Practice, session_id: int) -> Account | None:
    """The account of a session; None where there is none."""
    with practice.reading() as db:
        row = db.get(Session, session_id)
        return None if row is None else _Gathering(practice, db, row).whole()


class _Gathering:
    """One look at the record about one session."""

    def __init__(self, practice: Practice, db: Db, row: Session) -> None:
        self.practice, self.db, self.row = practice, db, row
        self.desk = desk_of(db)
        self.until_s = row.ended_utc_s if row.ended_utc_s is not None else practice.now_s()
        self.run = self._run(of_session=True)
        self.before = self._run(of_session=False)
        self.fill = self._fill()

    def whole(self) -> Account:
        new = self._order(self.run or self.before)
        old = self._order(self.before)
        return Account(
            self.row.patient_id,
            self._session(),
            self._device(),
            self._mixture(new),
            self._sentence(),
            self._settings(old, new),
            self._reservoir(),
            self._refill(),
            self._log(),
            self._checks(),
            self._passed(),
            self._name(self.row.person_id or self.row.by_person),
        )

    def _run(self, *, of_session: bool) -> ProgramRun | None:
        """The program that the session confirmed last, or the one that ran before it."""
        query = select(ProgramRun).where(ProgramRun.serial == self.row.serial)
        if of_session:
            query = query.where(ProgramRun.session_id == self.row.id)
        else:
            query = query.where(ProgramRun.confirmed_utc_s <= self.row.at_utc_s)
            query = query.where(ProgramRun.session_id.is_distinct_from(self.row.id))
        newest = query.order_by(ProgramRun.confirmed_utc_s.desc(), ProgramRun.id.desc()).limit(1)
        return self.db.scalars(newest).first()

    def _fill(self) -> Fill | None:
        query = select(Fill).where(Fill.serial == self.row.serial, Fill.filled_utc_s <= self.until_s)
        return self.db.scalars(query.order_by(Fill.filled_utc_s.desc(), Fill.id.desc()).limit(1)).first()

    def _order(self, run: ProgramRun | None) -> Order | None:
        read = parsed_by(run.order_text, self.practice.formulary) if run is not None else None
        return read.order if isinstance(read, OrderFile) else None

    def _session(self) -> Facts:
        way = WAYS.get(Workflow(self.row.workflow)) if self.row.workflow in list(Workflow) else None
        return (
            ("session", f"{self.row.id}, {way.name if way is not None else self.row.workflow}"),
            ("begun", self._moment(self.row.at_utc_s)),
            ("ended", self._ended()),
            ("how the pump was left", self._how_left()),
            ("software", self.row.software),
            ("formulary", self.row.formulary[:12]),
        )

    def _ended(self) -> str:
        ended = self.row.ended_utc_s
        return f"{self.row.state}, not ended" if ended is None else self._moment(ended)

    def _how_left(self) -> str:
        query = select(Act).where(Act.subject_kind == "session", Act.subject_id == self.row.id, Act.kind == "closed")
        act = self.db.scalars(query.order_by(Act.id.desc()).limit(1)).first()
        if act is None:
            return "not said yet"
        said = [act.details.get(name, "") for name in ("how_left", "reason", "told")]
        return "; ".join(str(part) for part in said if part)

    def _device(self) -> Facts:
        query = select(Implant).where(Implant.serial == self.row.serial, Implant.patient_id == self.row.patient_id)
        held = self.db.scalars(query.order_by(Implant.id.desc()).limit(1)).first()
        if held is None:
            return (("pump", f"{self.row.serial}; no implant is written down"),)
        return (
            ("pump", f"{held.model}, serial number {held.serial}"),
            ("family", held.family),
            ("implanted", day_text(held.implanted_on)),
            ("catheter", catheter_text(held)),
            ("tip", held.tip_level or UNKNOWN),
        )

    def _mixture(self, order: Order | None) -> Rows:
        held = self._held(order)
        if held is None:
            return ()
        formulary = self.practice.formulary
        return tuple(
            (name_of(i.drug, formulary), i.concentration.text(f"{unit_of(i.drug, formulary)}/mL"))
            for i in held.ingredients
        )

    def _held(self, order: Order | None) -> Mixture | None:
        if self.fill is not None:
            row = self.db.get(MixtureRow, self.fill.mixture_id)
            return None if row is None else mixture_of(row)
        return None if order is None else order.mixture

    def _sentence(self) -> tuple[str, ...]:
        run = self.run or self.before
        return tuple(str(said) for said in run.sentence) if run is not None else ()

    def _settings(self, old: Order | None, new: Order | None) -> Rows:
        if new is None:
            return ()
        found = comparing.compared(old, new, self.practice.formulary)
        return tuple((f"{r.part}: {r.name}", r.old, r.new, f"{r.sign} {r.word}".strip()) for r in found)

    def _reservoir(self) -> Facts:
        fill = self.fill if self.fill is not None and self.fill.session_id == self.row.id else None
        if fill is None:
            return (("refill in this session", "none"),)
        return (
            ("expected before aspiration", _ml(fill.expected)),
            ("aspirated", _ml(fill.aspirated)),
            ("filled", _ml(fill.filled)),
            ("programmed as in the reservoir", _ml(fill.programmed)),
        )

    def _refill(self) -> Facts:
        if self._went_on():
            return (("dates after this session", "not kept: the pump was filled or programmed again since"),)
        known = known_of(self.db, self.row.serial, self.row.patient_id)
        dates = line_dates(self.db, known, self.practice.formulary, self.desk)
        query = select(Booking).where(
            Booking.patient_id == self.row.patient_id, Booking.state == "booked", Booking.kind == "refill"
        )
        booked = self.db.scalars(query.order_by(Booking.begins_utc_s.desc()).limit(1)).first()
        return (
            ("low level expected", _day_or(dates.expected, dates.unknown)),
            ("low level with every bolus", _day_or(dates.worst, dates.unknown)),
            ("drug stable until", _day_or(dates.stable, "no source")),
            ("booked", self._moment(booked.begins_utc_s) if booked is not None else "no visit is booked"),
        )

    def _went_on(self) -> bool:
        """Whether the dates of today are those of a later fill or program, and not of this session."""
        filled = select(Fill.id).where(Fill.serial == self.row.serial, Fill.filled_utc_s > self.until_s)
        runs = select(ProgramRun.id).where(
            ProgramRun.serial == self.row.serial, ProgramRun.confirmed_utc_s > self.until_s
        )
        return any(self.db.scalars(query.limit(1)).first() is not None for query in (filled, runs))

    def _log(self) -> Rows:
        parent = self.db.get(Session, self.row.parent) if self.row.parent is not None else None
        since = parent.at_utc_s if parent is not None else 0
        here = [LogRecord.serial == self.row.serial, LogRecord.utc_s > since, LogRecord.utc_s <= self.until_s]
        found = self.db.scalar(select(func.count(LogRecord.id)).where(*here)) or 0
        query = select(LogRecord).where(*here).order_by(LogRecord.number.desc()).limit(MOST_EVENTS)
        rows = [(self._moment(r.utc_s), line(r).text) for r in self.db.scalars(query)][::-1]
        if found > MOST_EVENTS:
            rows.insert(0, ("before these", f"{found - MOST_EVENTS:,} more records, in the pump's log"))
        return tuple(rows)

    def _checks(self) -> Rows:
        query = select(DoubleCheck).where(DoubleCheck.session_id == self.row.id).order_by(DoubleCheck.id)
        return tuple(
            (c.what, self._name(c.first_person), self._name(c.by_person), "the same" if c.matched else "NOT the same")
            for c in self.db.scalars(query)
        )

    def _passed(self) -> Rows:
        query = select(Override).where(Override.session_id == self.row.id).order_by(Override.id)
        return tuple((o.finding, o.found, f"{o.allowed} ({o.authority})", o.reason) for o in self.db.scalars(query))

    def _name(self, person_id: int) -> str:
        person = self.db.get(Person, person_id)
        return person.name if person is not None else "Thecal"

    def _moment(self, utc_s: int) -> str:
        at = datetime.fromtimestamp(utc_s, UTC).astimezone(self.desk.zone)
        return minute_text(at)


def catheter_text(held: Implant) -> str:
    """Supplied and removed length of a catheter, and its volume for each length."""
    parts = (
        f"supplied {held.catheter_supplied.text('cm')}" if held.catheter_supplied is not None else "",
        f"removed {held.catheter_removed.text('cm')}" if held.catheter_removed is not None else "",
        held.catheter_volume.text("mL/cm") if held.catheter_volume is not None else "",
    )
    return ", ".join(part for part in parts if part) or UNKNOWN


def _ml(volume: Volume | None) -> str:
    return UNKNOWN if volume is None else volume.text("mL")


def _day_or(day: int | None, why: str) -> str:
    if day is None:
        return f"{UNKNOWN}: {why}" if why else UNKNOWN
    return day_text(as_date(day))
