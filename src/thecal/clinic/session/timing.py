"""The clock task: pump clock against the wall, what each choice does in dose, what was decided (T1 to T6).

A reading and a zone come in; the difference, the choices and a draft for the patient come out. A pump clock is never
set as a side effect of anything else. What the clinic believes of a pump's clock is its newest decision.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from fractions import Fraction
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from thecal.clinic.record.tables import BoardLine, Clinic, ClockDecision
from thecal.clinic.refused import Refused
from thecal.clinic.session.ended import No
from thecal.clinic.session.held import held_in, held_of
from thecal.clinic.session.readings import believed_offset, identity_of, status_of
from thecal.pump.core.codes import DAY_S, WEEK_S
from thecal.pump.wall_clock import (
    Kind,
    NoClock,
    PumpClock,
    before_change,
    clock_task,
    compare,
    next_change,
    offset_text,
)
from thecal.pump.wall_clock.zone import zone_offset
from thecal.quantities import Concentration, DoseRate
from thecal.therapy.mixture import Ingredient, Mixture
from thecal.therapy.pattern import Pattern, Piece, pattern_of
from thecal.therapy.program import Continuous, MinimumRate, Stopped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session as Look

    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record
    from thecal.clinic.record.tables import Interrogation, Session
    from thecal.formulary import Formulary
    from thecal.link.interrogation import Interrogation as Read
    from thecal.pump.wall_clock import Choice, ClockTask, Difference, Notice
    from thecal.therapy.order import Order

_NO_PATTERN = Pattern(DAY_S, (Piece(Fraction(0), DoseRate.zero()),))
_NO_MIXTURE = Mixture((Ingredient("none", Concentration.of(1, "mg/mL")),))
NEVER_SET = "the pump clock was never set, or is wrong: it is more than a week from the clock on the wall"
UNKNOWN_REFILL_S = 366 * DAY_S
"""How far ahead a change of the clocks is looked for where nobody knows when the refill comes. Ours: a year."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One choice in sentences; ``sets`` says whether it asks something of the pump now."""

    kind: Kind
    lines: tuple[str, ...]
    sets: bool
    shift_s: int
    offset_s: int | None


@dataclass(frozen=True, slots=True)
class ClockView:
    """Both clocks at a reading, the choices, and the next change of the wall's clock where one comes before the refill.

    ``matters`` is whether any dose depends on the time of day. ``notice`` is for clinician and patient (rule T5).
    """

    difference: Difference
    believed: str
    zone: str
    choices: tuple[Shown, ...]
    notice: Notice | None
    matters: bool

    @property
    def differs(self) -> bool:
        """Whether pump clock and clock on the wall are apart."""
        return self.difference.seconds != 0

    @property
    def text(self) -> str:
        """Both clocks in a line."""
        return in_words(self.difference)


def zone_of(db: Look) -> ZoneInfo:
    """Where the clinic's clock stands."""
    clinic = db.scalars(select(Clinic)).first()
    return ZoneInfo("UTC" if clinic is None else clinic.zone)


def difference_text(db: Look, row: Interrogation) -> str:
    """The line for every screen while pump clock and wall differ (rule T4); empty where they agree."""
    status = status_of(row)
    clock = PumpClock(status.uptime_s, status.clock_s - status.uptime_s, believed_offset(db, row.serial))
    found = compare(clock, row.read_utc_s, zone_of(db))
    if abs(found.seconds) > WEEK_S:
        return "never set, or wrong by more than a week"
    return "" if found.seconds == 0 else found.text()


def in_words(difference: Difference) -> str:
    """A difference in words; a clock that was never set is not put as a time of the wall."""
    if abs(difference.seconds) > WEEK_S:
        return NEVER_SET
    return difference.text()


def clock_view(
    db: Look, row: Interrogation, formulary: Formulary, later_utc_s: int | None = None, until_s: int | None = None
) -> ClockView | Refused:
    """Both clocks at a kept reading, with every choice; ``until_s`` is when the refill comes, where that is known."""
    status, identity = status_of(row), identity_of(row)
    held = held_in(row, formulary)
    order = None if held.file is None else held.file.order
    until_s = next_refill_s(db, row) if until_s is None else until_s
    return clock_view_of(
        PumpClock(status.uptime_s, identity.offset_s, believed_offset(db, row.serial)),
        row.read_utc_s,
        zone_of(db),
        order,
        formulary,
        later_utc_s=later_utc_s,
        until_s=until_s,
    )


def next_refill_s(db: Look, row: Interrogation) -> int | None:
    """The latest that the next refill of the pump's patient can be, in UTC s; None where nobody knows.

    It lies behind every day that is booked or expected.
    """
    line = db.get(BoardLine, row.patient_id) if row.patient_id is not None else None
    days = [] if line is None else [d for d in (line.booked_day, line.worst_day, line.expected_day) if d is not None]
    return max(row.read_utc_s, (max(days) + 2) * DAY_S) if days else None


def clock_view_of(
    clock: PumpClock,
    utc_s: int,
    zone: ZoneInfo,
    order: Order | None,
    formulary: Formulary,
    *,
    later_utc_s: int | None = None,
    until_s: int | None = None,
) -> ClockView | Refused:
    """The same from its parts."""
    wanted = zone_offset(zone, utc_s)
    task = _task(clock, utc_s, wanted, order, later_utc_s)
    if isinstance(task, NoClock):
        return Refused(No.PUMP_CANNOT, task.found, task.allowed, task.then)
    change = next_change(zone, utc_s, until_s if until_s is not None else utc_s + UNKNOWN_REFILL_S)
    keeps = wanted if clock.utc_offset_s is None else clock.utc_offset_s
    return ClockView(
        compare(clock, utc_s, zone),
        "not written down" if clock.utc_offset_s is None else offset_text(clock.utc_offset_s),
        zone.key,
        tuple(_shown(choice, formulary, programmed=order is not None) for choice in task.choices),
        None if change is None else before_change(change, keeps),
        order is not None and not isinstance(order.program.base, Continuous | MinimumRate | Stopped),
    )


def _task(
    clock: PumpClock, utc_s: int, wanted: int, order: Order | None, later_utc_s: int | None
) -> ClockTask | NoClock:
    if order is None:
        return clock_task(clock, utc_s, wanted, _NO_PATTERN, _NO_MIXTURE, later_utc_s=later_utc_s)
    pattern = pattern_of(order.program.base, order.mixture, order.pump.minimum_rate)
    if not isinstance(pattern, Pattern):
        pattern = _NO_PATTERN
    return clock_task(clock, utc_s, wanted, pattern, order.mixture, later_utc_s=later_utc_s)


def _shown(choice: Choice, formulary: Formulary, *, programmed: bool) -> Shown:
    """A choice in sentences; over more than a week no sum of doses says anything to anybody."""
    if not programmed:
        first = (choice.lines(formulary.drug)[0],) if not choice.shift_s else _only_first(choice, formulary)
        return Shown(choice.kind, first, choice.kind is Kind.NOW, choice.shift_s, choice.offset_s)
    lines = choice.lines(formulary.drug)
    if abs(choice.shift_s) > WEEK_S:
        lines = (lines[0], "That is more than a week: the pump clock was never set, or it is wrong.", *lines[3:])
    return Shown(choice.kind, lines, choice.kind is Kind.NOW, choice.shift_s, choice.offset_s)


def _only_first(choice: Choice, formulary: Formulary) -> tuple[str, ...]:
    from dataclasses import replace  # noqa: PLC0415

    return (replace(choice, skipped={}, repeated={}, next_24h={}).lines(formulary.drug)[0],)


def clock_part(practice: Practice, session: Session, read: Read) -> list[dict[str, Any]] | Refused:
    """What is sent for the choice that was made, for the pump as just read; nothing where the clock is left."""
    chosen = session.entered.get("clock") or {}
    if chosen.get("kind") != Kind.NOW.value:
        return []
    with practice.reading() as db:
        zone, believed = zone_of(db), believed_offset(db, session.serial)
    held = held_of(read.program, read.document, practice.formulary)
    order = None if held.file is None else held.file.order
    clock = PumpClock(read.status.uptime_s, read.identity.offset_s, believed)
    view = clock_view_of(clock, practice.now_s(), zone, order, practice.formulary)
    if isinstance(view, Refused):
        return view
    now = next(c for c in view.choices if c.kind is Kind.NOW)
    return [
        {
            "operation": "clock",
            "fields": {"offset_s": now.offset_s},
            "said": f"set the pump clock. {' '.join(now.lines)}",
        }
    ]


def keep_decision(record: Record, session: Session, row: Interrogation, formulary: Formulary) -> ClockDecision | None:
    """Write down what was decided about the clock, with its preview in dose and the draft for the patient."""
    chosen = session.entered.get("clock") or {}
    if not chosen:
        return None
    later = chosen.get("later_utc_s")
    view = clock_view(record.session, row, formulary, later_utc_s=later)
    if isinstance(view, Refused):
        return None
    kind = Kind(chosen["kind"])
    choice = next((c for c in view.choices if c.kind is kind), view.choices[0])
    zone = zone_of(record.session)
    wall, believed = zone_offset(zone, row.read_utc_s), believed_offset(record.session, row.serial)
    keeps = wall if kind is Kind.NOW or believed is None else believed
    return record.keep(
        ClockDecision(
            serial=row.serial,
            patient_id=session.patient_id,
            session_id=session.id,
            kind=kind.value,
            zone=zone.key,
            uptime_s=row.uptime_s,
            utc_offset_s=keeps,
            shift_s=choice.shift_s if kind is Kind.NOW else 0,
            preview=list(chosen.get("preview") or choice.lines),
            message=str(chosen.get("message") or ""),
            reason=str(chosen.get("reason") or ""),
            later_utc_s=later,
        )
    )


def clock_entry(
    db: Look, row: Interrogation, formulary: Formulary, values: Mapping[str, str], now_s: int
) -> dict[str, Any] | Refused:
    """What is kept of a choice about the clock: its kind, the preview as shown, why, the patient's message."""
    try:
        kind = Kind(values.get("kind", ""))
    except ValueError:
        allowed = ", ".join(k.value for k in Kind)
        return Refused(No.VALUE, "no choice", allowed, "choose one", "kind")
    if not values.get("reason", "").strip():
        return Refused(No.VALUE, "no reason", "why it is left, or set", "write the reason", "reason")
    later = _later(values, now_s, zone_of(db)) if kind is Kind.LATER else None
    if isinstance(later, Refused):
        return later
    view = clock_view(db, row, formulary, later_utc_s=later)
    if isinstance(view, Refused):
        return view
    choice = next(c for c in view.choices if c.kind is kind)
    message = values.get("message", "").strip()
    made: dict[str, Any] = {"kind": kind.value, "reason": values["reason"].strip(), "message": message}
    return {**made, "zone": view.zone, "preview": list(choice.lines), "later_utc_s": later}


def _later(values: Mapping[str, str], now_s: int, zone: ZoneInfo) -> int | Refused:
    """Noon on the day that was typed, in the clinic's zone."""
    text = values.get("later_on", "").strip()
    try:
        day = date.fromisoformat(text)
        at = int(datetime.combine(day, time(12), zone).timestamp())
    except (ValueError, OverflowError):
        return Refused(No.VALUE, text or "no day", "a day as 2026-11-02", "write the day", "later_on")
    if at <= now_s:
        return Refused(No.VALUE, f"{text}, which has passed", "a day to come", "choose another day", "later_on")
    return at
