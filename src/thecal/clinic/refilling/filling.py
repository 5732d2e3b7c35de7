"""What goes in: the volume against syringe, model and room; fluid in, once; and what the record keeps of it."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from thecal.clinic import watching
from thecal.clinic.pharmacy.way import use
from thecal.clinic.programming.order_text import kept_mixture
from thecal.clinic.record.tables import Fill, Preparation
from thecal.clinic.refilling import hands as by_hand
from thecal.clinic.refilling.case import Case, case_of
from thecal.clinic.refilling.checklist import Phase, items, ticks
from thecal.clinic.refilling.entries import (
    Wrong,
    amount,
    begun,
    change_begun,
    entry,
    finish,
    kept,
    near_miss,
    open_here,
    volume_of,
)
from thecal.clinic.refilling.gap import expected
from thecal.clinic.refilling.rinsing import left_nl, left_to_rinse, planned
from thecal.clinic.refilling.syringe import Syringe, chosen_syringe, stops
from thecal.clinic.refilling.without_drug import found_dry
from thecal.clinic.refused import Refused
from thecal.clinic.session.readings import refresh
from thecal.clinic.workflow import Step, Workflow
from thecal.quantities import Volume
from thecal.therapy.reservoir import FillAccepted, check_fill

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.orm import Session

    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record
    from thecal.clinic.record.tables import Session as SessionRow
    from thecal.clinic.refilling.hands import Hands
    from thecal.clinic.who import Who
    from thecal.therapy.refusal import Refusal


def checked(case: Case, syringe: Syringe | None, typed: Volume) -> FillAccepted | tuple[Refused, ...]:
    """The volume typed against the syringe dispensed, the model's reservoir and the room left; each miss is a hard
    stop.
    """
    dispensed = None if syringe is None else syringe.row.volume - rinsed(case.session)
    left = volume_of(entry(case.session, Step.CHECKLIST).get("left"))
    found = check_fill(typed, dispensed, case.pump, left)
    if isinstance(found, FillAccepted):
        return found
    return tuple(refused_of(r, "volume") for r in found.refusals)


def rinsed(session: SessionRow) -> Volume:
    """What of the syringe goes into rinses before the fill."""
    found = entry(session, Step.RINSE)
    return Volume.of(Fraction(found["each"]) * int(found["times"]), "mL") if found else Volume.zero()


def refused_of(refusal: Refusal, field: str = "") -> Refused:
    """What therapy refuses, as the clinic says it."""
    return Refused(refusal.code, refusal.found, refusal.allowed, refusal.then, field)


def enter_volume(
    practice: Practice, who: Who, session_id: int, seen: int, text: str
) -> FillAccepted | tuple[Refused, ...]:
    """Take the volume that shall go in. A hard stop is kept as a near miss, with both numbers."""
    with practice.reading() as db:
        case = case_of(practice, db, session_id)
        early = open_here(case.session, Step.FILL) or by_hand.closed_by_filling(db, session_id)
        syringe = chosen_syringe(case, db)
        dry = None if early is not None else found_dry(case, db, practice.now_s())
    if early is not None:
        return (early,)
    if dry is not None:
        near_miss(practice, who, case.session, "refill: found empty", [dry])
        return (dry,)
    typed = amount(text, Volume, "mL", "volume", "the volume that goes in")
    if isinstance(typed, Refused):
        return (typed,)
    found = checked(case, syringe, typed)
    if isinstance(found, tuple):
        near_miss(practice, who, case.session, "refill: volume", found)
        return found
    value = {
        "volume": kept(typed),
        "in_reservoir": kept(found.in_reservoir),
        "left": entry(case.session, Step.CHECKLIST).get("left"),
        "level_nl": found.in_reservoir.floor("nL"),
    }
    return finish(practice, who, session_id, seen, Step.FILL, value) or found


def accepted(session: SessionRow) -> tuple[Volume, Volume] | None:
    """The volume that shall go in, and what the reservoir holds after it; None where none was accepted yet."""
    found = entry(session, Step.FILL)
    volume, held = volume_of(found.get("volume")), volume_of(found.get("in_reservoir"))
    return None if volume is None or held is None else (volume, held)


def may_fill(case: Case, db: Session, *, second_done: bool) -> Refused | None:
    """Why fluid may not go in now; None where it may."""
    early = open_here(case.session, Step.SECOND)
    if early is not None:
        return early
    if not second_done:
        return Refused(
            Wrong.NOT_CONFIRMED,
            "no second entry",
            "a second person's blind entry that agrees",
            "let a second person enter the values",
        )
    if left_to_rinse(db, case.session):
        times = planned(case.session)[0]
        found = f"{times - left_to_rinse(db, case.session)} of {times} rinses"
        return Refused(Wrong.NOT_IN_ORDER, found, "every rinse of the plan", "rinse, then fill")
    if by_hand.filled_nl(db, case.session.id) is not None or by_hand.under_way(db, case.session.id, by_hand.FILL):
        return None
    syringe = chosen_syringe(case, db)
    if syringe is None:
        return Refused(Wrong.MISSING, "no syringe", "one that was confirmed", "go back to the syringe")
    return None


def fill(  # noqa: PLR0917 -- as a form asks for it
    practice: Practice,
    hands: Hands | None,
    who: Who,
    session_id: int,
    seen: int,
    done: Iterable[str],
    *,
    second_done: bool,
) -> int | tuple[Refused, ...]:
    """Put the accepted volume in, once; what went in, the syringe's end and the watch are written in one transaction.

    Every item of the filling is ticked first. The answer is nL.
    """
    with practice.reading() as db:
        case = case_of(practice, db, session_id)
        refused = may_fill(case, db, second_done=second_done)
        already = by_hand.last_of(db, session_id, by_hand.FILL) is not None
        wanted = accepted(case.session)
        syringe = chosen_syringe(case, db)
        again = () if already or syringe is None else stops(case, db, syringe, practice.now_s())
    if refused is not None:
        return (refused,)
    if wanted is None:
        return (Refused(Wrong.MISSING, "no volume", "a volume that was accepted", "go back to the volume"),)
    if again:
        near_miss(practice, who, case.session, "refill: filling", again)
        return again
    if not already:
        open_items = _tick(practice, who, session_id, seen, done)
        if open_items:
            return open_items
    came = by_hand.fill(
        practice,
        hands,
        who,
        session_id,
        wanted[0].floor("nL"),
        left_nl(case.session),
        lambda record, session, nl: _keep_fill(practice, record, session, nl),
    )
    return (came,) if isinstance(came, Refused) else came


def _tick(practice: Practice, who: Who, session_id: int, seen: int, done: Iterable[str]) -> tuple[Refused, ...]:
    with practice.writing(who, "ticked", session=session_id) as record:
        session = by_hand.locked(record, session_id)
        now = ticks(session, Phase.FILL, done, who, record.now_s)
        value = {**begun(session, Step.SECOND), "items": now}
        change_begun(record, session, Step.SECOND, value, seen)
    missing = [i for i in items(Phase.FILL) if i.id not in now]
    return tuple(
        Refused(
            Wrong.NOT_CONFIRMED,
            f"not ticked: {i.text}",
            "every item ticked by whoever did it",
            "do it, then tick it",
            "items",
        )
        for i in missing
    )


def _keep_fill(practice: Practice, record: Record, session: SessionRow, volume_nl: int) -> None:
    """What was found and what went in; the syringe is used; watching begins (a needle beside the port shows
    only so).
    """
    case = case_of(practice, record.session, session.id)
    syringe = chosen_syringe(case, record.session)
    if syringe is None:
        raise RuntimeError("a reservoir was filled in a session without a syringe")
    found = expected(case, record.session)
    noted = entry(session, Step.CHECKLIST)
    left, volume = volume_of(noted.get("left")), Volume.of(volume_nl, "nL")
    record.keep(
        Fill(
            patient_id=session.patient_id,
            serial=session.serial,
            session_id=session.id,
            preparation_id=syringe.row.id,
            mixture_id=kept_mixture(record, syringe.mixture).id,
            filled_utc_s=record.now_s,
            expected=found.shown,
            aspirated=volume_of(noted.get("aspirated")),
            filled=volume,
            left=left,
            programmed=None if left is None else left + volume,
        )
    )
    row = record.get(Preparation, syringe.row.id)
    used = None if row is None else use(record, row, session.id)
    if row is not None and isinstance(used, Refused):  # it is in all the same: that is kept, and so is what was wrong
        record.act("preparation", row.id, "used all the same", {"found": used.found}, session.patient_id)
    why = "restart" if session.workflow == Workflow.RESTART else "refill"
    watching.begin(record, session, why, record.now_s)
    refresh(record, session.patient_id)
