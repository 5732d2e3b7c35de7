"""Rinses, done: each goes in and is drawn out again, once, after a second person has entered the new fluid blind.

The plan (``mixing.enter_rinse``) is a physician's; whoever rinses is who it is kept under.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.clinic.double_check import newest
from thecal.clinic.refilling import hands as by_hand
from thecal.clinic.refilling.case import case_of
from thecal.clinic.refilling.entries import Wrong, entry, near_miss, volume_of
from thecal.clinic.refilling.syringe import chosen_syringe, stops
from thecal.clinic.refused import Refused
from thecal.clinic.workflow import Step

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from thecal.clinic.practice import Practice
    from thecal.clinic.record.tables import Session as SessionRow
    from thecal.clinic.refilling.hands import Hands
    from thecal.clinic.who import Who
    from thecal.quantities import Volume


def planned(session: SessionRow) -> tuple[int, Volume | None]:
    """How many rinses are planned, and with how much each; none where the session has no such step."""
    found = entry(session, Step.RINSE)
    return int(found.get("times", 0)), volume_of(found.get("each"))


def left_to_rinse(db: Session, session: SessionRow) -> int:
    """How many rinses are still to be made."""
    return max(0, planned(session)[0] - by_hand.rinses_done(db, session.id))


def kept_apart(db: Session, who: Who, session_id: int) -> Refused | None:
    """Whoever made the second entry moves no fluid: it would be checked and done by one person."""
    check = newest(db, session_id)
    if check is None or not check.matched or check.by_person != who.person_id:
        return None
    then = "let somebody else move the fluid, or let another person make the second entry"
    return Refused(Wrong.NOT_ALLOWED, f"{who.name}, who made the second entry", "another person", then)


def left_nl(session: SessionRow) -> int:
    """What was seen to stay in the pump after the aspiration, in nL."""
    left = volume_of(entry(session, Step.CHECKLIST).get("left"))
    return 0 if left is None else left.floor("nL")


def rinse_now(practice: Practice, hands: Hands | None, who: Who, session_id: int, number: str) -> int | Refused:
    """Make the rinse with this number; the answer is nL that were drawn out, the same however often it is asked.

    Refused before the second entry agrees, for whoever made it, and where the syringe must not be used any more.
    """
    from thecal.clinic.refilling.second import second_done  # noqa: PLC0415 -- it reads this module

    with practice.reading() as db:
        case = case_of(practice, db, session_id)
        times, each = planned(case.session)
        checked = second_done(practice, db, case)
        refused = kept_apart(db, who, session_id)
        syringe, begun = chosen_syringe(case, db), by_hand.went_in(db, session_id)
        wrong = () if begun or syringe is None else stops(case, db, syringe, practice.now_s())
    at = int(number) if number.isascii() and number.isdigit() and len(number) < 3 else 0
    if not 0 < at <= times or each is None:
        return Refused(Wrong.MISSING, f"rinse {number[:20]!r}", f"1 to {times}", "go by the plan of rinses")
    if not checked:
        allowed = "a second person's blind entry that agrees"
        return Refused(Wrong.NOT_CONFIRMED, "no second entry", allowed, "let a second person enter the values")
    if refused is not None or syringe is None:
        return refused or Refused(Wrong.MISSING, "no syringe", "one that was confirmed", "go back to the syringe")
    if wrong:
        near_miss(practice, who, case.session, "refill: rinse", wrong)
        return wrong[0]
    return by_hand.rinse(practice, hands, who, session_id, at, each.floor("nL"), left_nl(case.session))
