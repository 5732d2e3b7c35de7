"""The residual of a refill: what the pump's account and the program say should be left, what came out, and why they
differ.

Nothing here ever says that all is well: a fill beside the reservoir can leave an unremarkable residual.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from datetime import timedelta
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from thecal.clinic.programming.order_text import parsed_by
from thecal.clinic.record.tables import Interrogation, LogRecord
from thecal.clinic.refilling.entries import entry, volume_of
from thecal.clinic.refilling.hands import DONE, DRAW, FILL, RINSE, untold
from thecal.clinic.workflow import Step
from thecal.formulary.limits import Source
from thecal.link.log_reading import Event
from thecal.pump.core.codes import E_BOLUS_CUT, E_BOLUS_END
from thecal.pump.wall_clock import PumpClock
from thecal.quantities import Volume, percent_text
from thecal.therapy.bridge import plan_bridge
from thecal.therapy.files import OrderFile
from thecal.therapy.pattern import elapsed
from thecal.therapy.published import published
from thecal.therapy.refill import account, programmed_volume
from thecal.therapy.refusal import Refusal
from thecal.therapy.residual import Cause, GapReport, Judged, Trend, Visit, gap_report, trend

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.orm import Session

    from thecal.clinic.record.tables import Act, ProgramRun
    from thecal.clinic.refilling.case import Case
    from thecal.therapy.order import Order

_FILE = Path(__file__).with_name("gap.toml")
_CODES = {
    Cause.POCKET_FILL: "pocket fill",
    Cause.WRONG_VOLUME: "wrong volume",
    Cause.OVER_INFUSION: "over-infusion",
    Cause.INCOMPLETE_ASPIRATION: "incomplete aspiration",
    Cause.LEAK: "leak",
    Cause.DIVERSION: "diversion",
    Cause.UNDER_INFUSION: "under-infusion",
    Cause.CATHETER: "catheter",
    Cause.STOPPED: "stopped",
    Cause.ADDED: "added",
}

LEAST_SHARE = Fraction(1, 1000)
"""Shares below it are said as one, and not in figures. Ours."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do about one cause, and who says so."""

    what: str
    source: Source


@cache
def advice() -> Mapping[Cause, Advice]:
    """What to do about every cause; KeyError where the file leaves one out."""
    rows = {row["cause"]: row for row in tomllib.loads(_FILE.read_text("utf-8"))["cause"]}
    return {c: Advice(rows[code]["what"], Source(**rows[code]["source"])) for c, code in _CODES.items()}


@dataclass(frozen=True, slots=True)
class Expected:
    """What should be left: by the pump's own account, and by the program since the last fill.

    Each is None where it is not known; ``why`` says why the program's is not. ``since_utc_s`` is when the last fill
    was, or, where none is on record, the earlier reading from which the program is counted (``by_reading``); ``filled``
    is what the reservoir held then. ``untold`` says what was moved without the pump being told: then its own account
    counts for nothing.
    """

    by_pump: Volume | None
    by_program: Volume | None
    programmed: Volume | None
    filled: Volume | None
    since_utc_s: int | None
    why: str = ""
    by_reading: bool = False
    untold: str = ""

    @property
    def shown(self) -> Volume | None:
        """What the gap is counted from: the pump's own account, else the program's."""
        return self.by_program if self.by_pump is None else self.by_pump


def expected(case: Case, db: Session) -> Expected:
    """What should be left at the reading."""
    moved = untold(db, case.session)
    if moved is not None:
        return _without_account(case, db, moved)
    by_pump = None
    if case.read is not None:
        by_pump = max(Volume.of(int(case.read.status["level_nl"]), "nL"), Volume.zero())
    last = case.last
    filled = None if last is None else held_after(last.left, last.filled)
    if case.read is None:
        return Expected(
            by_pump, None, None, filled, None if last is None else last.filled_utc_s, "no reading of the pump"
        )
    if last is None or filled is None:
        return _since_reading(case, db, by_pump, filled)
    return _since(case, db, by_pump, filled, last.filled_utc_s)


def _since(case: Case, db: Session, by_pump: Volume | None, held: Volume, since_s: int) -> Expected:
    programmed = programmed_since(case, db, since_s)
    if isinstance(programmed, str):
        return Expected(by_pump, None, None, held, since_s, programmed)
    return Expected(by_pump, account(held, programmed).residual, programmed, held, since_s)


def _since_reading(case: Case, db: Session, by_pump: Volume | None, filled: Volume | None) -> Expected:
    """By the level of the oldest reading since the pump was told one last, where no fill with its volume is on record.

    It shows whether account and program went apart since, and not whether the fill itself was as somebody said.
    """
    since = None if case.last is None else case.last.filled_utc_s
    missing = "no earlier fill with its volume is on record"
    first = _first_reading(case, db)
    if first is None:
        return Expected(by_pump, None, None, filled, since, missing)
    held = max(Volume.of(int(first.status["level_nl"]), "nL"), Volume.zero())
    found = _since(case, db, by_pump, held, first.read_utc_s)
    return replace(found, why=found.why or f"{missing}: counted from the reading at that moment", by_reading=True)


def _first_reading(case: Case, db: Session) -> Interrogation | None:
    """The oldest reading since the pump's level was set last and a program runs; None where that is this visit's."""
    if case.read is None:
        return None
    told = select(func.max(LogRecord.number)).where(
        LogRecord.serial == case.session.serial,
        LogRecord.event == int(Event.REFILL),
        LogRecord.number <= case.read.log_last,
    )
    query = select(Interrogation).where(
        Interrogation.serial == case.session.serial,
        Interrogation.log_last >= (db.scalar(told) or 0),
        Interrogation.read_utc_s >= (case.runs[0].confirmed_utc_s if case.runs else 0),
        Interrogation.read_utc_s < case.read.read_utc_s,
        Interrogation.session_id.is_distinct_from(case.session.id),
    )
    return db.scalars(query.order_by(Interrogation.read_utc_s, Interrogation.id).limit(1)).first()


_MOVED = {DONE[DRAW]: "was drawn out", DONE[RINSE]: "was rinsed through", DONE[FILL]: "was filled in"}


def _without_account(case: Case, db: Session, moved: Act) -> Expected:
    """Where fluid was moved and the pump was not told: by the program since that fill, or not known at all."""
    volume = Volume.of(int(moved.details["volume_nl"]), "nL").text("mL")
    said = f"in session {moved.subject_id} {volume} {_MOVED[moved.kind]} and the pump was not told what it holds"
    last = case.last
    filled = None if last is None else held_after(last.left, last.filled)
    whole = moved.kind == DONE[FILL] and last is not None and filled is not None and case.read is not None
    if not whole or last is None or filled is None:
        return Expected(None, None, None, None, None if last is None else last.filled_utc_s, said, untold=said)
    return replace(_since(case, db, None, filled, last.filled_utc_s), untold=said)


def held_after(left: Volume | None, filled: Volume | None) -> Volume | None:
    """What the reservoir held after a fill; None where either part is not known."""
    return None if left is None or filled is None else left + filled


def programmed_since(case: Case, db: Session, since_s: int) -> Volume | str:
    """What the programs gave from ``since_s`` to the reading: bases by their schedules, boluses by the pump's log.

    Words in place of a volume say why it cannot be told. Stops are not taken off: what they cost shows as a gap.
    """
    if case.read is None:
        return "no reading of the pump"
    runs = _in_force(case.runs, since_s)
    if not runs:
        return "no program that ran since is on record"
    given = _boluses(case, db, since_s)
    previous = None
    for run, end_s in zip(runs, [r.confirmed_utc_s for r in runs[1:]] + [case.read.read_utc_s], strict=True):
        order = _order_of(case, run)
        if order is None:
            return f"the order of program {run.number} cannot be read"
        part = _base(
            case, order, previous, max(run.confirmed_utc_s, since_s), end_s, whole=run.confirmed_utc_s >= since_s
        )
        if isinstance(part, str):
            return part
        given, previous = given + part, order
    return given


def _in_force(runs: tuple[ProgramRun, ...], since_s: int) -> list[ProgramRun]:
    before = [r for r in runs if r.confirmed_utc_s < since_s]
    return [*before[-1:], *(r for r in runs if r.confirmed_utc_s >= since_s)]


def _order_of(case: Case, run: ProgramRun) -> Order | None:
    found = parsed_by(run.order_text, case.formulary)
    return found.order if isinstance(found, OrderFile) else None


def _base(case: Case, order: Order, previous: Order | None, start_s: int, end_s: int, *, whole: bool) -> Volume | str:
    """What one program's bridge and base gave; ``whole`` where it began in this stretch, and its bridge with it."""
    start, end = pump_time(case, start_s), pump_time(case, end_s)
    given = Volume.zero()
    bridge = order.program.bridge
    before = previous.mixture if previous is not None else (order.previous.mixture if order.previous else None)
    if whole and bridge is not None and before is not None:
        planned = plan_bridge(bridge.volume, before, bridge.dose)
        if isinstance(planned, Refusal):
            return planned.message
        until = start + timedelta(seconds=planned.duration.floor("s"))
        if until >= end:
            return planned.flow * elapsed(start, end)
        given, start = planned.volume, until
    found = programmed_volume(order.program, order.mixture, order.pump, start=start, end=max(start, end), boluses=0)
    return found.message if isinstance(found, Refusal) else given + found


def _boluses(case: Case, db: Session, since_s: int) -> Volume:
    """Boluses that the pump's log shows as given, the clinic's and the patient's, in whole strokes."""
    if case.read is None:
        return Volume.zero()
    query = select(LogRecord).where(
        LogRecord.serial == case.session.serial,
        LogRecord.event.in_((E_BOLUS_END, E_BOLUS_CUT)),
        LogRecord.utc_s >= since_s,
        LogRecord.utc_s <= case.read.read_utc_s,
    )
    strokes = sum(int(record.fields["b"]) for record in db.scalars(query))
    return Volume.of(strokes * int(case.read.identity["stroke_nl"]), "nL")


def pump_time(case: Case, utc_s: int) -> datetime:
    """What the pump clock read, or will read, at a moment, by its newest reading."""
    read = case.read
    if read is None:
        raise ValueError("a pump that was never read has no clock here")
    return PumpClock(read.pump_clock_s, 0, None).reading + timedelta(seconds=utc_s - read.read_utc_s)


# The gap ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Gap:
    """The gap panel: the report of the rules, the last gaps (newest last), and the trend; None where there
    is no gap.
    """

    expected: Expected
    report: GapReport
    gaps: tuple[PastGap, ...]
    trend: Trend | None

    @property
    def difference_text(self) -> str:
        """The difference in mL and in percent, in words for the way it goes."""
        visit = self.report.visit
        if visit.difference is None:
            return "not known"
        if not visit.difference:
            return "0 mL: just what was expected, which proves nothing"
        way = "less" if visit.difference.value > 0 else "more"
        share = f" ({_share_text(abs(visit.share))} of what was expected)" if visit.share is not None else ""
        return f"{abs(visit.difference).text('mL')} {way} than expected{share}"


def _share_text(share: Fraction) -> str:
    """A share for the eye: what no eye can read off a syringe is said to be less than that. The rules see it whole."""
    return f"under {percent_text(LEAST_SHARE)}" if share < LEAST_SHARE else percent_text(share)


@dataclass(frozen=True, slots=True)
class PastGap:
    """Expected less aspirated at one refill; above zero where less was found."""

    at_utc_s: int
    expected: Volume
    aspirated: Volume

    @property
    def gap(self) -> Volume:
        """The difference."""
        return self.expected - self.aspirated


def gap_of(case: Case, found: Expected, aspirated: Volume | None, now_s: int) -> Gap:
    """The panel for what was drawn out now."""
    rules = published()
    visit = _visit(case, found, aspirated)
    report = gap_report(visit, rules.gap_rules, rules.early_depletion.ratio)
    gaps = [
        PastGap(f.filled_utc_s, f.expected, f.aspirated)
        for f in reversed(case.fills)
        if f.expected is not None and f.aspirated is not None
    ]
    if found.shown is not None and aspirated is not None:
        gaps.append(PastGap(now_s, found.shown, aspirated))
    shown = tuple(gaps[-6:])
    run = trend([g.gap for g in shown], rules.repeated_gap.count) if shown else None
    return Gap(found, report, shown, run)


def as_shown(gap: Gap) -> dict[str, Any]:
    """The panel in words as it stood when it was looked at, for the record: later readings must not change it."""
    visit, shown = gap.report.visit, gap.expected.shown
    return {
        "fired": bool(gap.report.fired),
        "expected": "not known" if shown is None else shown.text("mL"),
        "aspirated": "not known" if visit.aspirated is None else visit.aspirated.text("mL"),
        "difference": gap.difference_text,
        "rules": [
            [f"{j.rule.source.name}: {_bound_text(j.rule.more_than)}, {j.rule.measure}", _judged_text(j)]
            for j in gap.report.judged
        ],
    }


def _bound_text(bound: Volume | Fraction) -> str:
    return bound.text("mL") if isinstance(bound, Volume) else percent_text(bound)


def _judged_text(judged: Judged) -> str:
    return f"{judged.outcome}: {judged.why}" if judged.why else str(judged.outcome)


def _visit(case: Case, found: Expected, aspirated: Volume | None) -> Visit:
    """What the rules look at. Where no earlier fill is known, the account alone is what was there to be
    delivered from.
    """
    size = case.pump.reservoir
    if found.shown is None:
        return Visit(size, aspirated=aspirated)
    if found.filled is None or found.filled < found.shown:
        return Visit(size, filled=found.shown, programmed=Volume.zero(), aspirated=aspirated)
    return Visit(size, filled=found.filled, programmed=found.filled - found.shown, aspirated=aspirated)


def aspirated_of(case: Case) -> Volume | None:
    """What was noted as drawn out in this session; None where it was not noted yet."""
    return volume_of(entry(case.session, Step.CHECKLIST).get("aspirated"))
