"""The dates after a refill: low volume with and without every bolus, empty, the last day of the drug, and by when to
come again.

All arithmetic is ``therapy.refill``'s. A date is an estimate: a pump that gives more than programmed runs dry before
it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

from sqlalchemy import select

from thecal.clinic.record.tables import LogRecord
from thecal.clinic.refilling.gap import pump_time
from thecal.clinic.refilling.syringe import today_of
from thecal.pump.core.codes import DAY_S, E_BOLUS, PATIENT
from thecal.quantities import number_text
from thecal.therapy.published import published
from thecal.therapy.refill import Due, Levels, Planned, refill_dates
from thecal.therapy.refusal import Refusal, day_text
from thecal.therapy.stability import stability_cap

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from thecal.clinic.refilling.case import Case
    from thecal.formulary import Stability
    from thecal.quantities import Volume
    from thecal.therapy.order import Order
    from thecal.therapy.refill import Dates

LEAD = "medtronic-week"
"""The lead that is used: a visit at least a week before the worst case (rule E1 of J4, ``published.toml``)."""
SEEN_DAYS = 90
"""How far back the use of boluses is counted. Ours."""


@dataclass(frozen=True, slots=True)
class Line:
    """One date for the eye; ``on`` is None where there is none, and ``why`` says why."""

    what: str
    on: date | None
    days: int | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class After:
    """The dates after a fill. ``book_by`` is the last day for the next visit, None where none can be planned.

    ``use`` is boluses a day as the log shows, None where that is not known: then every one is counted.
    """

    dates: Dates
    lines: tuple[Line, ...]
    book_by: date | None
    use: Fraction | None
    stability: Stability | None
    lead_days: int
    notes: tuple[str, ...]
    worst_empty: date | None
    """Empty with every bolus taken, on the clinic's calendar."""


def after_fill(case: Case, db: Session, order: Order, held: Volume, now_s: int) -> After | Refusal:
    """The dates of ``held`` in the reservoir from now on, under ``order``."""
    lead = next(entry for entry in published().leads if entry.code == LEAD)
    cap = stability_cap(order, case.formulary)
    use = bolus_use(case, db) if order.program.patient_bolus is not None else Fraction(0)
    levels = Levels(order.program.low_level or order.pump.low_level, published().bolus_end_volume.volume)

    def counted(per_day: Fraction | int) -> Dates | Refusal:
        return refill_dates(
            order.program,
            order.mixture,
            order.pump,
            volume=held,
            start=pump_time(case, now_s),
            levels=levels,
            lead_days=lead.days,
            stability_days=None if cap is None else cap.days,
            boluses_per_day=per_day,
        )

    found, quiet = counted(10**6 if use is None else use), counted(0)
    if isinstance(found, Refusal):
        return found
    if isinstance(quiet, Refusal):
        return quiet
    today = today_of(db, now_s)
    shown = _lines(found, quiet, levels, use, presses=order.program.patient_bolus is not None)
    lines = tuple(_line(what, due, today) for what, due in shown)
    planned, empty = found.planned, found.worst_empty
    book_by = today + timedelta(days=planned.due.days) if isinstance(planned, Planned) else None
    gone = today + timedelta(days=empty.days) if isinstance(empty, Due) else None
    return After(found, lines, book_by, use, cap, lead.days, _notes(found, cap, use), gone)


def _lines(
    found: Dates, quiet: Dates, levels: Levels, use: Fraction | None, *, presses: bool
) -> list[tuple[str, Due | Refusal]]:
    """Low volume and empty, without boluses, as they are used, and with every one."""
    low, worst = levels.low.text("mL"), levels.worst.text("mL")
    if not presses:
        alert = (f"low volume ({low})", quiet.expected_alert)
        return [alert, ("empty", quiet.empty), ("last day of the drug in the pump", quiet.stability)]
    rows = [(f"low volume ({low}), without boluses", quiet.expected_alert)]
    if use is not None:
        rows.append((f"low volume ({low}), {number_text(use)} boluses a day, as seen", found.expected_alert))
    rows += [
        (f"low volume ({worst}), every bolus taken", found.worst_alert),
        ("empty, without boluses", quiet.empty),
        ("empty, every bolus taken", found.worst_empty),
        ("last day of the drug in the pump", found.stability),
    ]
    return rows


def _line(what: str, due: Due | Refusal, today: date) -> Line:
    if isinstance(due, Refusal):
        return Line(what, None, None, due.message)
    return Line(what, today + timedelta(days=due.days), due.days)


def _notes(found: Dates, cap: Stability | None, use: Fraction | None) -> tuple[str, ...]:
    notes = []
    if isinstance(found.planned, Planned):
        notes.append(f"The next visit is set by {found.planned.limit}.")
    else:
        notes.append(f"No visit can be planned: {found.planned.message}")
    if cap is None:
        notes.append(
            "No source gives a stability time for this mixture: that is unknown, not unlimited. Ask the pharmacy."
        )
    else:
        read = "" if cap.source.verified else ", not read in its source"
        notes.append(f"Stability: {cap.days:,} days {cap.kept} ({cap.source.name}{read}).")
    if use is None:
        notes.append("The use of boluses is not known yet: every one is counted.")
    notes.append("Dates are estimates: a pump that delivers more than programmed runs dry before them.")
    return tuple(notes)


def bolus_use(case: Case, db: Session) -> Fraction | None:
    """Patient boluses a day by the log since the last fill, over at most 90 days; None where under a day is known."""
    if case.read is None:
        return None
    since = case.read.read_utc_s - SEEN_DAYS * DAY_S
    if case.last is not None:
        since = max(since, case.last.filled_utc_s)
    elif case.runs:
        since = max(since, case.runs[-1].confirmed_utc_s)
    else:
        return None
    seconds = case.read.read_utc_s - since
    if seconds < DAY_S:
        return None
    query = select(LogRecord).where(
        LogRecord.serial == case.session.serial,
        LogRecord.event == E_BOLUS,
        LogRecord.utc_s > since,
        LogRecord.utc_s <= case.read.read_utc_s,
    )
    given = sum(1 for record in db.scalars(query) if record.fields.get("a") == PATIENT)
    return Fraction(given * DAY_S, seconds)


def syringe_against_dates(beyond_use: date | None, after: After) -> str:
    """The two clocks of the drug, in words: the syringe's beyond-use date, and when the reservoir will be empty."""
    if beyond_use is None:
        return "The syringe has no beyond-use date."
    empty = after.worst_empty
    said = f"To be used by {day_text(beyond_use)}"
    if empty is None:
        return f"{said}; when the reservoir will be empty is not known."
    way = "before" if beyond_use < empty else "not before"
    return (
        f"{said}, {way} the reservoir is empty in the worst case ({day_text(empty)}). "
        "The beyond-use date is for filling; how long the drug keeps in the pump is a clock of its own, in the table."
    )
