"""Leaving a session: with a word about how the pump was left, and never with a stopped pump unseen (rule E12)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.clinic.refused import Refused
from thecal.clinic.session.asking import granted_in, open_asks
from thecal.clinic.session.ended import No
from thecal.clinic.session.readings import keep_reading, read_whole, reading, refresh, status_of
from thecal.clinic.session.stepping import patient_of, session_of
from thecal.clinic.session.writing import written

if TYPE_CHECKING:
    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record
    from thecal.clinic.record.tables import Interrogation, Session
    from thecal.clinic.who import Who
    from thecal.link.interrogation import Interrogation as Read
    from thecal.link.reading import Status

MOST_WORDS = 2000


def stands_still(status: Status) -> bool:
    """Whether a pump that holds a program delivers nothing: stopped by somebody, or by an alarm."""
    return status.loaded and not status.delivering


def close(  # noqa: PLR0917 -- as a form asks for it
    practice: Practice, who: Who, session_id: int, seen: int, how_left: str, reason: str = "", told: str = ""
) -> Session | Refused:
    """End a session. The pump is read once more; where it cannot be, its last reading counts.

    ``how_left`` says how the pump was left. While the pump stands still, or the outcome of something is not known, it
    is refused unless ``reason`` and who was ``told`` are given; a stopped pump stays on the bar all the same.
    """
    how_left, reason, told = how_left.strip(), reason.strip(), told.strip()
    if not how_left:
        allowed = "a word about how the pump was left"
        return Refused(No.VALUE, "nothing entered", allowed, "write how the pump was left", "how_left")
    with practice.reading() as db:
        found = session_of(db, session_id, who)
    if isinstance(found, Refused):
        return found
    read = read_whole(practice, found.serial)
    whole = None if isinstance(read, Refused) else read

    def closed(record: Record) -> Session | Refused:
        row = session_of(record.session, session_id, who)
        if isinstance(row, Refused):
            return row
        kept = _kept_now(record, row, whole)
        refused = _against(record, row, kept, reason, told)
        if refused is not None:
            return refused
        details = {"how_left": how_left, "reason": reason, "told": told, "read": whole is not None}
        record.change(row, "closed", seen, details, state="closed", ended_utc_s=record.now_s)
        refresh(record, row.patient_id)
        return row

    return written(practice, who, "closed a session", patient_of(practice, session_id), closed, session=session_id)


def _kept_now(record: Record, row: Session, whole: Read | None) -> Interrogation | None:
    if whole is None:
        return reading(record.session, row.serial)
    return keep_reading(record, whole, row.patient_id, row.id)


def _against(record: Record, row: Session, kept: Interrogation | None, reason: str, told: str) -> Refused | None:
    found = _unseen(record, row, kept)
    if found is None:
        return None
    for name, value, wanted in (("reason", reason, "why it is left so"), ("told", told, "who was told")):
        if not value:
            then = "put it right, or write the reason and who was told"
            return Refused(No.STOPPED, found, wanted, then, name)
    return None


def _unseen(record: Record, row: Session, kept: Interrogation | None) -> str | None:
    """What must not be left behind unseen; None where there is no such thing."""
    if kept is None or stands_still(status_of(kept)):
        return "the pump does not deliver"
    if open_asks(record.session, row.serial):
        return "the outcome of what was asked of the pump is not known"
    if _not_told(record, row):
        return "fluid was moved by hand, and the pump was not told what it holds now"
    return None


def _not_told(record: Record, row: Session) -> bool:
    """Whether fluid went in or out in this session, or may have, and no level was granted by the pump since."""
    from thecal.clinic.refilling.hands import DONE, DRAW, FILL, INTENDED, RINSE, last_of  # noqa: PLC0415 - it reads sessions

    moved = [last_of(record.session, row.id, what) for what in (DRAW, RINSE, FILL)]
    kinds = {*DONE.values(), *INTENDED.values()}
    told = any(operation == "refill" for operation, _ in granted_in(record.session, row.id))
    return not told and any(act is not None and act.kind in kinds for act in moved)
