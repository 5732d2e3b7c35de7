"""What the review of a session shows: what would be sent, old against new, what speaks against it (E2, E3).

Nothing is asked of the pump here and nothing is written; ``propose`` does both and judges once more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from thecal.clinic.programming.judging import judged
from thecal.clinic.record.tables import Interrogation, PumpAnswer, PumpAsk
from thecal.clinic.refused import Refused
from thecal.clinic.session.bolusing import findings_of_bolus, plan_bolus
from thecal.clinic.session.comparing import compared, consequence
from thecal.clinic.session.ended import No
from thecal.clinic.session.held import held_in
from thecal.clinic.session.proposing import PROGRAMS, day_of, draft_of
from thecal.clinic.session.readings import identity_of
from thecal.clinic.session.second_physician import against_old_dose
from thecal.clinic.session.timing import clock_view
from thecal.clinic.workflow import Step, Workflow
from thecal.pump.wall_clock import Kind
from thecal.quantities import Volume

if TYPE_CHECKING:
    from sqlalchemy.orm import Session as Look

    from thecal.clinic.practice import Practice
    from thecal.clinic.programming.achieving import Achievable
    from thecal.clinic.record.tables import Order as OrderRow
    from thecal.clinic.record.tables import Session
    from thecal.clinic.session.comparing import Row
    from thecal.therapy.review import Finding


@dataclass(frozen=True, slots=True)
class ReviewView:
    """Everything on the review page. ``lines`` is the consequence in sentences, ``changes`` what it was before.

    ``stops`` is why it cannot be sent as it is; ``sends`` says part by part what will be asked of the pump.
    """

    lines: tuple[str, ...]
    changes: tuple[str, ...]
    sends: tuple[str, ...]
    rows: tuple[Row, ...] = ()
    achievable: Achievable | None = None
    bolus_rows: tuple[tuple[str, str, str], ...] = ()
    findings: tuple[Finding, ...] = ()
    stops: tuple[Refused, ...] = ()
    order: OrderRow | None = None
    reason: str = ""


def review_view(practice: Practice, db: Look, session: Session) -> ReviewView | Refused:
    """What is reviewed in a session, by its workflow."""
    row = None if session.reading_id is None else db.get(Interrogation, session.reading_id)
    if row is None:
        return Refused(No.NOT_REACHED, "a session that rests on no reading", "one that does", "read the pump again")
    workflow = Workflow(session.workflow)
    if workflow in PROGRAMS:
        return _of_program(practice, db, session, row)
    if workflow is Workflow.BOLUS:
        return _of_bolus(practice, session, row)
    if workflow is Workflow.CLOCK:
        return _of_clock(practice, db, session, row)
    return _of_fill(session)


def _of_program(practice: Practice, db: Look, session: Session, row: Interrogation) -> ReviewView | Refused:
    order = draft_of(db, session)
    if order is None:
        return Refused(No.ORDER, "no order in this session", "a signed order", "finish the step of the program")
    found = judged(order.text, practice, day_of(practice.now_s()))
    held = held_in(row, practice.formulary)
    running = None if held.file is None else held.file.order
    if found.order is None:
        return ReviewView((), (), (), stops=found.refused, order=order)
    lines, changes = consequence(running, found.order, practice.formulary)
    sends = (*fill_said(session), "run this program")
    second = against_old_dose(db, session, order, found)
    return ReviewView(
        lines,
        changes,
        sends,
        compared(running, found.order, practice.formulary),
        found.achievable,
        findings=found.findings,
        stops=(*_stops(found.achievable), *([second] if second is not None else [])),
        order=order,
    )


def _stops(achievable: Achievable | None) -> tuple[Refused, ...]:
    refused = None if achievable is None else achievable.refused
    return () if refused is None else (Refused(No.PUMP_CANNOT, refused.found, refused.allowed, refused.then),)


def fill_said(session: Session) -> tuple[str, ...]:
    """What the pump is told of the reservoir, in words; nothing where nothing was filled."""
    fill = session.entered.get(Step.FILL.value) or {}
    if "level_nl" not in fill:
        return ()
    return (f"count from {Volume.of(int(fill['level_nl']), 'nL').text('mL')} in the reservoir",)


def _of_fill(session: Session) -> ReviewView:
    said = fill_said(session)
    return ReviewView(("The program stays as it is.",), (), said or ("nothing",))


def _of_bolus(practice: Practice, session: Session, row: Interrogation) -> ReviewView | Refused:
    held = held_in(row, practice.formulary)
    running = None if held.file is None else held.file.order
    values = session.entered.get(Step.BOLUS.value) or {}
    made = plan_bolus(values, running, identity_of(row).stroke_nl, practice.formulary)
    if isinstance(made, tuple) or running is None:
        return (
            made[0] if isinstance(made, tuple) else Refused(No.ORDER, "no order", "an order in the pump", "program it")
        )
    found = findings_of_bolus(values, running, practice.formulary, day_of(practice.now_s()))
    lines = (made.sentence, f"That is {made.volume} in {made.strokes:,} strokes. The program does not change.")
    sends = (f"give a single bolus over {made.over}",)
    return ReviewView(lines, (), sends, bolus_rows=made.rows, findings=found, reason=str(values.get("reason", "")))


def _of_clock(practice: Practice, db: Look, session: Session, row: Interrogation) -> ReviewView | Refused:
    chosen = session.entered.get(Step.CLOCK.value) or {}
    view = clock_view(db, row, practice.formulary, later_utc_s=chosen.get("later_utc_s"))
    if isinstance(view, Refused):
        return view
    kind = Kind(chosen["kind"])
    lines = tuple(chosen.get("preview") or ())
    sends = ("set the pump clock",) if kind is Kind.NOW else ("nothing: the decision is written down",)
    return ReviewView(lines, (view.text,), sends, reason=str(chosen.get("reason", "")))


@dataclass(frozen=True, slots=True)
class Asked:
    """Something that was asked, and what came of it; ``arm`` is "not known" where nothing was written down."""

    ask: PumpAsk
    arm: str
    said: str
    then: str
    at_s: int


def asked_in(db: Look, session_id: int, most: int = 20) -> list[Asked]:
    """What was asked in a session, the newest first, with what came of each."""
    asks = db.scalars(select(PumpAsk).where(PumpAsk.session_id == session_id).order_by(PumpAsk.id.desc()).limit(most))
    return [_asked(db, ask) for ask in asks]


def _asked(db: Look, ask: PumpAsk) -> Asked:
    newest = select(PumpAnswer).where(PumpAnswer.ask_id == ask.id).order_by(PumpAnswer.id.desc()).limit(1)
    answer = db.scalars(newest).first()
    if answer is None:
        said = f"The pump was asked to {ask.said}, and what came of it was never written down: it may have been done"
        return Asked(ask, "not known", said, "ask the pump what became of it", ask.at_utc_s)
    then = "ask the pump what became of it" if answer.arm == "not known" else ""
    return Asked(ask, answer.arm, answer.said, then, answer.at_utc_s)


_MAYBE = {
    "confirm": ("The pump runs the program that was proposed.", "The pump goes on with the program before it."),
    "start": ("The pump delivers.", "The pump stands still."),
    "stop": ("The pump stands still.", "The pump goes on delivering."),
    "single": ("The bolus is being given, or was.", "No bolus was given."),
    "refill": (
        "The pump counts from the new level.",
        "The pump counts from the old level, and warns too early or too late.",
    ),
    "clock": ("The pump clock was set: the day schedule has moved.", "The pump clock is as it was."),
    "acknowledge": ("The alarm is marked as seen.", "The alarm is not marked as seen."),
    "clear": ("The alarm is cleared.", "The alarm is still active."),
    "alarm_test": ("The tone sounded.", "No tone sounded."),
}


def may_have_happened(operation: str) -> tuple[str, str]:
    """Both things that can be true while the outcome of something is not known."""
    return _MAYBE[operation]
