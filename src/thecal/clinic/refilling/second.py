"""The blind second entry of a refill: which acts need it, the first entry (what was entered step by step), and its end.

Where the two entries differ everybody goes back to the source: syringe and volume are entered anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.clinic import double_check
from thecal.clinic.double_check import Act, Compared, Values, values_of
from thecal.clinic.refilling import filling
from thecal.clinic.refilling import hands as by_hand
from thecal.clinic.refilling.case import Case, case_of, proposed_order
from thecal.clinic.refilling.entries import (
    BEGUN,
    Wrong,
    begun,
    change_begun,
    finish,
    open_here,
)
from thecal.clinic.refilling.rinsing import kept_apart
from thecal.clinic.refilling.syringe import chosen_syringe, same_fluid
from thecal.clinic.refused import Refused
from thecal.clinic.session.stepping import at_step, first_not_done, who_entered, without
from thecal.clinic.workflow import Step, Workflow
from thecal.therapy.doses import totals
from thecal.therapy.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.orm import Session

    from thecal.clinic.double_check import Typed
    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record
    from thecal.clinic.record.tables import DoubleCheck
    from thecal.clinic.record.tables import Session as SessionRow
    from thecal.clinic.refilling.hands import Hands
    from thecal.clinic.who import Who
    from thecal.quantities import Mass
    from thecal.therapy.order import Order


def order_after(practice: Practice, db: Session, case: Case) -> Order | None:
    """The order that runs after this refill: the one written here, else the one in the pump."""
    if case.session.workflow == Workflow.REFILL_SAME:
        return case.order
    found = proposed_order(practice, db, case.session)
    return None if found is None else found[1].order


def day_total(order: Order | None) -> Mass | None:
    """The base of the primary drug on the day with the most; None where it cannot be told."""
    if order is None:
        return None
    found = totals(order.program, order.mixture, order.pump)
    return None if isinstance(found, Refusal) else max(found[0].by_weekday)


def high_risk(practice: Practice, db: Session, case: Case) -> tuple[Act, ...]:
    """The acts of the list that this refill is."""
    found = ["refill"] if case.session.workflow == Workflow.REFILL_SAME else []
    if case.session.workflow == Workflow.RESTART:
        found.append("restart")
    if case.last is None:
        found.append("first fill")
    syringe = chosen_syringe(case, db)
    if syringe is not None and case.held is not None and not same_fluid(case.held, syringe.mixture):
        found.append("strength" if set(case.held.drugs) == set(syringe.mixture.drugs) else "new mixture")
    if _dose_changes(case.order, order_after(practice, db, case)):
        found.append("dose change")
    return double_check.needs(found)


def _dose_changes(before: Order | None, after: Order | None) -> bool:
    one, other, share = day_total(before), day_total(after), double_check.acts()["dose change"].over
    if one is None or other is None or share is None or before is None or after is None:
        return before is not after
    if before.mixture.primary.drug != after.mixture.primary.drug or not one:
        return True
    return abs(other / one - 1) > share


def first_entry(practice: Practice, db: Session, case: Case) -> Values | None:
    """The key values as they were entered step by step; None where something is missing."""
    syringe, volume = chosen_syringe(case, db), filling.accepted(case.session)
    if syringe is None or volume is None:
        return None
    return values_of(syringe.mixture, volume[0], day_total(order_after(practice, db, case)))


def settled(practice: Practice, db: Session, case: Case) -> DoubleCheck | None:
    """The double check that holds for what is entered now; None where there is none, or something changed since."""
    newest, first = double_check.newest(db, case.session.id), first_entry(practice, db, case)
    if newest is None or not newest.matched or first is None or newest.first != first.plain():
        return None
    return newest


def second_done(practice: Practice, db: Session, case: Case) -> bool:
    """Whether fluid may go in as far as the second entry is concerned."""
    return not high_risk(practice, db, case) or settled(practice, db, case) is not None


def first_people(db: Session, case: Case) -> frozenset[int]:
    """Everybody who made a part of the first entry, whoever works in the session now: none of them is the second."""
    made = who_entered(db, case.session.id, Step.MIXTURE, Step.SYRINGE, Step.FILL, Step.PROGRAM)
    return made | {case.session.person_id}


def enter(practice: Practice, second: Who, session_id: int, typed: Typed) -> Compared | tuple[Refused, ...]:
    """Take the second entry and compare. Both are kept whatever comes of it; where they differ, syringe and volume are
    void: or the program, where the fluid is in already.
    """
    with practice.reading() as db:
        case = case_of(practice, db, session_id)
        moved = by_hand.went_in(db, session_id)
        settled_here = moved and settled(practice, db, case) is not None
        early = open_here(case.session, Step.SECOND)
        early = early or (by_hand.closed_by_filling(db, session_id) if settled_here else None)
        first, people = first_entry(practice, db, case), first_people(db, case)
    early = early or double_check.against(second, people)
    if early is not None:
        return (early,)
    if first is None:
        return (Refused(Wrong.MISSING, "no first entry", "a syringe and a volume", "go back to the syringe"),)
    values = double_check.read(typed, practice.formulary)
    if isinstance(values, tuple):
        return values
    with practice.writing(second, "double check", case.patient.id, session=session_id) as record:
        session = by_hand.locked(record, session_id)
        refused = _changed_meanwhile(practice, record, session, first)
        if refused is not None:
            return (refused,)
        found = double_check.compare(
            record,
            session,
            ", ".join(a.id for a in high_risk(practice, record.session, case)),
            session.person_id,
            first,
            values,
        )
        if found.matched:
            change_begun(record, session, Step.SECOND, {**begun(session, Step.SECOND), "check": found.row.id}, None)
        else:
            _back_to_the_source(record, session, moved=moved)
    return found


def _changed_meanwhile(practice: Practice, record: Record, session: SessionRow, first: Values) -> Refused | None:
    """Why an entry that was compared outside of the lock does not count: the session ended, or went another way."""
    early = open_here(session, Step.SECOND)
    now = (
        None
        if early is not None
        else first_entry(practice, record.session, case_of(practice, record.session, session.id))
    )
    if early is not None or (now is not None and now.plain() == first.plain()):
        return early
    return Refused(
        Wrong.NOT_ALLOWED, "a first entry that changed meanwhile", "both entries of one thing", "make the entry again"
    )


def _back_to_the_source(record: Record, session: SessionRow, *, moved: bool) -> None:
    """Void the syringe and the volume, so that both are read off label and syringe again.

    Once fluid is in they stand as they were: then it is the program that is written and signed anew.
    """
    if moved:
        left = without(session.entered, *([Step.PROGRAM] if Step.PROGRAM.value in session.entered else []), Step.SECOND)
        record.change(session, "back to the program", entered=left, step=first_not_done(session, left).value)
        return
    left = without(session.entered, Step.SYRINGE, Step.FILL)
    started = {k: v for k, v in (session.entered.get(BEGUN) or {}).items() if k not in (Step.SYRINGE, Step.SECOND)}
    left = {k: v for k, v in left.items() if k not in (Step.SYRINGE, Step.FILL)} | {BEGUN: started}
    record.change(session, "back to the source", entered=left, step=first_not_done(session, left).value)


def fill_now(  # noqa: PLR0917 -- as a form asks for it
    practice: Practice, hands: Hands | None, who: Who, session_id: int, seen: int, done: Iterable[str]
) -> int | tuple[Refused, ...]:
    """Put the volume in, once; refused before the second entry agrees."""
    with practice.reading() as db:
        case = case_of(practice, db, session_id)
        checked = second_done(practice, db, case)
        found = at_step(db, session_id, who, Step.SECOND)
        refused = found if isinstance(found, Refused) else kept_apart(db, who, session_id)
    if refused is not None:
        return (refused,)
    return filling.fill(practice, hands, who, session_id, seen, done, second_done=checked)


def restart_stop(practice: Practice, who: Who, session_id: int) -> Refused | None:
    """The hard stop of the dose of before, which no page may leave out."""
    from thecal.clinic.refilling.restarting import against_previous  # noqa: PLC0415 -- it reads this module

    return against_previous(practice, who, session_id)


def leave(practice: Practice, who: Who, session_id: int, seen: int) -> tuple[Refused, ...]:
    """Finish the step: the second entry agrees with what is entered now where one is needed, and the fluid is in."""
    with practice.reading() as db:
        case = case_of(practice, db, session_id)
        refused = open_here(case.session, Step.SECOND)
        if refused is None and not second_done(practice, db, case):
            allowed = "a second person's blind entry of what is entered now"
            then = "let a second person enter the values, day total and all"
            refused = Refused(Wrong.NOT_CONFIRMED, "no second entry that agrees", allowed, then)
        newest = double_check.newest(db, session_id)
        nl = by_hand.filled_nl(db, session_id)
    if refused is not None:
        return (refused,)
    if nl is None:
        return (
            Refused(
                Wrong.NOT_CONFIRMED,
                "a reservoir that was not filled",
                "the volume in the reservoir",
                "fill it, then go on",
                "items",
            ),
        )
    stop = restart_stop(practice, who, session_id)
    if stop is not None:
        return (stop,)
    check = newest.id if newest is not None and newest.matched else None
    value = {**begun(case.session, Step.SECOND), "check": check, "filled_nl": nl}
    return finish(practice, who, session_id, seen, Step.SECOND, value)
