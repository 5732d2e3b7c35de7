"""The board: every pump by the days that are left, in bands that are computed from today where the board is asked.

One query sorts, searches and pages in the database over an index that holds all it needs; a second one fetches the
lines of the page. Nothing that depends on today is stored, so that a board is right at any instant, over midnight and
over a change of the clocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, func, literal, or_, select

from thecal.clinic.desk.days import as_date, day_of
from thecal.clinic.desk.settings import desk_of
from thecal.clinic.pharmacy.leads import countdown, settings_of
from thecal.clinic.record.tables import BoardLine, Preparation
from thecal.clinic.sought import sought

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.orm import Session

    from thecal.clinic.desk.settings import Desk, DeskSettings
    from thecal.clinic.pharmacy.leads import Countdown

PAGE = 50
"""Lines of one page."""


class Band(IntEnum):
    """How soon somebody has to act; the smallest number is the gravest."""

    NOW = 0
    SOON = 1
    NEXT = 2
    LATER = 3


BAND_WORDS = {Band.NOW: "Act now", Band.SOON: "Soon", Band.NEXT: "Plan", Band.LATER: "Later"}
BAND_SHAPES = {Band.NOW: "\u25a0", Band.SOON: "\u25b2", Band.NEXT: "\u25c6", Band.LATER: "\u25cb"}
"""A square, a triangle, a diamond, a ring: the bands without color."""


class Only(StrEnum):
    """What the board can be narrowed to."""

    STOPPED = "stopped"
    STALE = "stale"
    UNBOOKED = "unbooked"
    WITHDRAWAL = "withdrawal"
    NOTICE = "notice"
    LOOK = "look"


ONLY_WORDS = {
    Only.STOPPED: "Pump stopped",
    Only.STALE: "Old reading",
    Only.UNBOOKED: "No refill booked",
    Only.WITHDRAWAL: "Dangerous to stop",
    Only.NOTICE: "Field notice",
    Only.LOOK: "Something to look at",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What of the board is wanted: a search, a band, what to narrow it to, and the page from 1 on."""

    search: str = ""
    band: Band | None = None
    only: Only | None = None
    page: int = 1


@dataclass(frozen=True, slots=True)
class Row:
    """A line with what today makes of it. ``why`` says in words what put it into its band.

    ``book_by`` is the last day for a refill by the clinic's rule; ``countdown`` that of the drug, for the syringe that
    is on its way, or for the visit that is booked, or for ``book_by``. None where no date is known.
    """

    line: BoardLine
    band: Band
    today: int
    stale: bool
    why: tuple[str, ...]
    book_by: int | None
    countdown: Countdown | None

    @property
    def days_left(self) -> int | None:
        """Whole days to the worst case, below zero behind it; None where it is not known."""
        return None if self.line.worst_day is None else self.line.worst_day - self.today

    @property
    def booked(self) -> bool:
        """Whether a refill is booked for today or later."""
        return self.line.booked_day is not None and self.line.booked_day >= self.today


@dataclass(frozen=True, slots=True)
class Board:
    """One page of the board: rows, how many lines each band has under the same search, and how many pages there are."""

    rows: tuple[Row, ...]
    counts: Mapping[Band, int]
    today: int
    page: int
    pages: int

    @property
    def total(self) -> int:
        """Lines in all bands."""
        return sum(self.counts.values())


def board(session: Session, asked: Asked, now_s: int) -> Board:
    """The board as it is at ``now_s``; a page behind the last one is the last."""
    desk = desk_of(session)
    today = day_of(now_s, desk.zone)
    band = band_at(today, now_s, desk.settings)
    conditions = _conditions(asked, today, now_s, desk.settings)
    counts = _counts(session, band, conditions)
    lines = sum(n for b, n in counts.items() if asked.band in (None, b))
    pages = max(1, -(-lines // PAGE))
    page = min(max(1, asked.page), pages)
    found = session.execute(page_query(asked, today, now_s, desk.settings).limit(PAGE).offset((page - 1) * PAGE)).all()
    return Board(_rows(session, found, today, now_s, desk), counts, today, page, pages)


def band_at(today: int, now_s: int, settings: DeskSettings) -> ColumnElement[int]:
    """The band of a line on a day, as the database computes it.

    In the gravest: a pump that delivers nothing; a day that is not known, is today or is past; a refill booked behind
    the day; no refill booked, and the day nearer than the clinic lets it come. A line with something to look at, or
    with an old reading, is never lower than the second.
    """
    due, booked = BoardLine.due_day, BoardLine.booked_day
    unbooked = _unbooked(today)
    now = or_(
        BoardLine.stopped_utc_s.is_not(None),
        due <= today,
        and_(booked >= today, booked > due),
        and_(unbooked, due <= today + settings.book_within_days),
    )
    near = or_(
        due <= today + settings.soon_days,
        and_(booked >= today, booked > due - settings.book_before_days),
        BoardLine.looks > 0,
        BoardLine.notices > 0,
        _stale(now_s, settings),
    )
    return case(
        (now, int(Band.NOW)),
        (near, int(Band.SOON)),
        (due <= today + settings.later_days, int(Band.NEXT)),
        else_=int(Band.LATER),
    )


def page_query(asked: Asked, today: int, now_s: int, settings: DeskSettings) -> Select[int, int]:
    """Which lines in which order: by band, then by days left; dangerous drugs above equals.

    Stopped pumps come first, the dangerous ones before all others: their days do not run down, the patient does.
    """
    band = band_at(today, now_s, settings)
    query = select(BoardLine.patient_id, band.label("band")).where(*_conditions(asked, today, now_s, settings))
    if asked.band is not None:
        query = query.where(band == int(asked.band))
    stands = case((BoardLine.stopped_utc_s.is_not(None), 0), else_=1)
    gravest = case((BoardLine.stopped_utc_s.is_not(None), BoardLine.rank), else_=0)
    return query.order_by(band, stands, gravest, BoardLine.due_day, BoardLine.rank, BoardLine.patient_id)


def _unbooked(today: int) -> ColumnElement[bool]:
    return or_(BoardLine.booked_day.is_(None), BoardLine.booked_day < today)


def _stale(now_s: int, settings: DeskSettings) -> ColumnElement[bool]:
    return or_(BoardLine.read_utc_s.is_(None), BoardLine.read_utc_s < now_s - settings.stale_s)


def _conditions(asked: Asked, today: int, now_s: int, settings: DeskSettings) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [
        BoardLine.search.contains(word, autoescape=True) for word in sought(asked.search)
    ]
    narrowed: dict[Only, ColumnElement[bool]] = {
        Only.STOPPED: BoardLine.stopped_utc_s.is_not(None),
        Only.STALE: _stale(now_s, settings),
        Only.UNBOOKED: _unbooked(today),
        Only.WITHDRAWAL: BoardLine.rank == literal(0),
        Only.NOTICE: BoardLine.notices > 0,
        Only.LOOK: BoardLine.looks > 0,
    }
    return found if asked.only is None else [*found, narrowed[asked.only]]


def _counts(session: Session, band: ColumnElement[int], conditions: list[ColumnElement[bool]]) -> dict[Band, int]:
    banded = select(band.label("band")).where(*conditions).subquery()
    rows = session.execute(select(banded.c.band, func.count()).group_by(banded.c.band))
    counted = {int(b): n for b, n in rows}
    return {b: counted.get(int(b), 0) for b in Band}


def _rows(session: Session, found: Any, today: int, now_s: int, desk: Desk) -> tuple[Row, ...]:
    bands = {patient_id: Band(band) for patient_id, band in found}
    lines = {
        line.patient_id: line for line in session.scalars(select(BoardLine).where(BoardLine.patient_id.in_(bands)))
    }
    drugs = _Drugs(session, lines.values(), settings_of(session))
    return tuple(_row(lines[p], band, (today, now_s), desk.settings, drugs) for p, band in bands.items() if p in lines)


class _Drugs:
    """The countdowns of one page: its syringes, read together, and the site's lead times."""

    def __init__(self, session: Session, lines: Iterable[BoardLine], settings: Mapping[str, Any]) -> None:
        wanted = [line.shown["order"]["id"] for line in lines if line.shown.get("order")]
        rows = session.scalars(select(Preparation).where(Preparation.id.in_(wanted)))
        self._syringes = {row.id: row for row in rows}
        self._settings = settings

    def countdown(self, line: BoardLine, today: int, book_by: int | None) -> Countdown | None:
        """For the syringe that is on its way, else for the visit that is booked, else for the last day to book."""
        order = line.shown.get("order")
        syringe = self._syringes.get(order["id"]) if order else None
        booked = line.booked_day if line.booked_day is not None and line.booked_day >= today else book_by
        if syringe is None and booked is None:
            return None
        needed = None if booked is None else as_date(booked)
        return countdown(syringe, self._settings, as_date(today), needed)


def _row(line: BoardLine, band: Band, now: tuple[int, int], settings: DeskSettings, drugs: _Drugs) -> Row:
    today, now_s = now
    stale = line.read_utc_s is None or line.read_utc_s < now_s - settings.stale_s
    book_by = last_day_to_book(line, settings)
    why = tuple(_why(line, today, settings))
    return Row(line, band, today, stale, why, book_by, drugs.countdown(line, today, book_by))


def last_day_to_book(line: BoardLine, settings: DeskSettings) -> int | None:
    """The last day for a refill: the forced days before the worst case, or the drug's last day; None where unknown."""
    if line.worst_day is None:
        return None
    before, stable = line.worst_day - settings.book_before_days, line.shown["dates"]["stable"]
    return before if stable is None else min(before, stable)


def line_row(session: Session, line: BoardLine, now_s: int) -> Row:
    """One line as the board has it."""
    desk = desk_of(session)
    today = day_of(now_s, desk.zone)
    band = band_at(today, now_s, desk.settings)
    found = session.scalars(select(band).where(BoardLine.patient_id == line.patient_id)).one()
    drugs = _Drugs(session, [line], settings_of(session))
    return _row(line, Band(found), (today, now_s), desk.settings, drugs)


def _why(line: BoardLine, today: int, settings: DeskSettings) -> list[str]:
    """What put a line into the gravest band, in words; empty where nothing did."""
    why = []
    if line.stopped_utc_s is not None:
        why.append("the pump is stopped")
    if line.due_day == 0:
        why.append("the date is not known")
    elif line.due_day <= today:
        why.append("the date has come" if line.due_day == today else "the date has passed")
    booked = line.booked_day is not None and line.booked_day >= today
    if booked and line.due_day and (line.booked_day or 0) > line.due_day:
        why.append("booked too late")
    if not booked and line.due_day and line.due_day <= today + settings.book_within_days:
        why.append("no refill booked")
    return why
