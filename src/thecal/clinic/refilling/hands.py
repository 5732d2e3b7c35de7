"""Fluid in and out of a reservoir by hand, each exactly once, however often a button is pressed or a process dies.

What is intended is written down with how much was ever moved before; then it is done; then it is written down what came
of
it. Whoever finds an intention without an end looks at what was moved since, and only then acts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import select

from thecal.clinic.record.tables import Act
from thecal.clinic.record.tables import Session as SessionRow
from thecal.clinic.refilling.entries import OPEN, Wrong
from thecal.clinic.refused import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record
    from thecal.clinic.who import Who

DRAW, FILL = "draw", "fill"
INTENDED = {DRAW: "aspiration intended", FILL: "filling intended"}
DONE = {DRAW: "aspirated by hand", FILL: "filled by hand"}
NOT_DONE = {DRAW: "aspiration did not happen", FILL: "filling did not happen"}


@dataclass(frozen=True, slots=True)
class Moved:
    """nL that were ever filled into a reservoir and ever drawn out of it."""

    filled_nl: int
    drawn_nl: int


class Hands(Protocol):
    """Hands in the virtual world. ``only_at`` is how much was ever moved before: where that changed,
    nothing is done.
    """

    def moved(self, serial: str) -> Moved:
        """What was ever filled in and drawn out."""

    def draw(self, serial: str, only_at: int | None = None) -> int:
        """Aspirate all there is; nL that came out."""

    def fill(self, serial: str, volume_nl: int, only_at: int | None = None) -> int:
        """Put fluid in; nL in the reservoir after it."""


def last_of(db: Session, session_id: int, what: str) -> Act | None:
    """The newest act about a movement in a session: intended, done, or found not to have happened."""
    kinds = (INTENDED[what], DONE[what], NOT_DONE[what])
    query = select(Act).where(Act.subject_kind == "session", Act.subject_id == session_id, Act.kind.in_(kinds))
    return db.scalars(query.order_by(Act.id.desc()).limit(1)).first()


def moved_nl(db: Session, session_id: int, what: str) -> int | None:
    """nL that were moved in a session; None where nothing was, or it is not known yet."""
    last = last_of(db, session_id, what)
    return int(last.details["volume_nl"]) if last is not None and last.kind == DONE[what] else None


def drawn_nl(db: Session, session_id: int) -> int | None:
    """nL that the virtual world gave at the aspiration; None where there was none, or no virtual world."""
    last = last_of(db, session_id, DRAW)
    if last is None or last.kind != DONE[DRAW] or not last.details["virtual"]:
        return None
    return int(last.details["volume_nl"])


def filled_nl(db: Session, session_id: int) -> int | None:
    """nL that went into the reservoir in this session."""
    return moved_nl(db, session_id, FILL)


def under_way(db: Session, session_id: int, what: str) -> bool:
    """Whether a movement was intended and nobody knows yet what came of it."""
    last = last_of(db, session_id, what)
    return last is not None and last.kind == INTENDED[what]


def closed_by_filling(db: Session, session_id: int) -> Refused | None:
    """What is in the pump cannot be entered anew: the refusal once fluid went in, or may have."""
    if filled_nl(db, session_id) is None and not under_way(db, session_id, FILL):
        return None
    return Refused(
        Wrong.NOT_ALLOWED,
        "a change of what was entered before fluid went in",
        "entries as they were when the reservoir was filled",
        "go on with the step of the second entry",
    )


def aspirate(practice: Practice, hands: Hands, who: Who, session_id: int) -> int | Refused:
    """Draw everything out of the reservoir, once for each session; the answer is nL, the same however often it is
    asked.
    """
    return _once(practice, hands, who, session_id, DRAW, 0, lambda _record, _session, _nl: None)


def fill(  # noqa: PLR0917 -- as a form asks for it
    practice: Practice,
    hands: Hands | None,
    who: Who,
    session_id: int,
    volume_nl: int,
    also: Callable[[Record, SessionRow, int], None],
) -> int | Refused:
    """Fill a volume, once for each session; ``also`` writes what goes with it in the same transaction as its end.

    Without hands somebody has done it by their own: what they say is written down.
    """
    if hands is None:
        return _said(practice, who, session_id, volume_nl, also)
    return _once(practice, hands, who, session_id, FILL, volume_nl, also)


def _once(  # noqa: PLR0917 -- as a form asks for it
    practice: Practice,
    hands: Hands,
    who: Who,
    session_id: int,
    what: str,
    volume_nl: int,
    also: Callable[[Record, SessionRow, int], None],
) -> int | Refused:
    serial = _serial(practice, session_id)
    if isinstance(serial, Refused):
        return serial
    intended = _intend(practice, who, session_id, what, volume_nl, _counted(hands, serial, what))
    if isinstance(intended, int | Refused):
        return intended
    before, wanted = int(intended.details["before_nl"]), int(intended.details["volume_nl"])
    came = _act(hands, serial, what, before, wanted)
    return _end(practice, who, session_id, what, came, intended, also)


def _counted(hands: Hands, serial: str, what: str) -> int:
    found = hands.moved(serial)
    return found.drawn_nl if what == DRAW else found.filled_nl


def _intend(  # noqa: PLR0917 -- as a form asks for it
    practice: Practice, who: Who, session_id: int, what: str, volume_nl: int, before_nl: int
) -> Act | int | Refused:
    """Write the intention down, or find the one that is there; the volume where it has an end already."""
    with practice.writing(who, INTENDED[what], session=session_id) as record:
        session = locked(record, session_id)
        if session.state != OPEN:
            return Refused(
                Wrong.NOT_OPEN, f"a session that is {session.state}", "an open session", "begin a new session"
            )
        last = last_of(record.session, session_id, what)
        if last is not None and last.kind == DONE[what]:
            return int(last.details["volume_nl"])
        if last is not None and last.kind == INTENDED[what]:
            return last
        details = {"before_nl": before_nl, "volume_nl": volume_nl}
        return record.act("session", session_id, INTENDED[what], details, session.patient_id)


def _act(hands: Hands, serial: str, what: str, before_nl: int, volume_nl: int) -> int | str:
    """Do it, unless it was done since the intention; nL that were moved, or why nothing was.

    Whatever is raised on the way, what the world moved since decides.
    """
    why = ""
    if _counted(hands, serial, what) == before_nl:
        try:
            if what == DRAW:
                hands.draw(serial, only_at=before_nl)
            else:
                hands.fill(serial, volume_nl, only_at=before_nl)
        except RuntimeError as wrong:
            why = str(wrong)
    came = _counted(hands, serial, what) - before_nl
    return came if came or not why else why


def _end(  # noqa: PLR0917 -- as a form asks for it
    practice: Practice,
    who: Who,
    session_id: int,
    what: str,
    came: int | str,
    intended: Act,
    also: Callable[[Record, SessionRow, int], None],
) -> int | Refused:
    kind = NOT_DONE[what] if isinstance(came, str) else DONE[what]
    details: dict[str, Any] = {"why": came} if isinstance(came, str) else {"volume_nl": came, "virtual": True}
    with practice.writing(who, kind, session=session_id) as record:
        session = locked(record, session_id)
        last = last_of(record.session, session_id, what)
        if last is not None and last.kind == DONE[what]:
            return int(last.details["volume_nl"])
        if last is not None and last.id == intended.id:
            record.act("session", session_id, kind, details, session.patient_id)
            if not isinstance(came, str):
                also(record, session, came)
    return (
        Refused(Wrong.NOT_ALLOWED, came, "fluid that can be moved", "look at pump and syringe, then try again")
        if isinstance(came, str)
        else came
    )


def _said(
    practice: Practice, who: Who, session_id: int, volume_nl: int, also: Callable[[Record, SessionRow, int], None]
) -> int | Refused:
    with practice.writing(who, DONE[FILL], session=session_id) as record:
        session = locked(record, session_id)
        if session.state != OPEN:
            return Refused(
                Wrong.NOT_OPEN, f"a session that is {session.state}", "an open session", "begin a new session"
            )
        last = last_of(record.session, session_id, FILL)
        if last is not None and last.kind == DONE[FILL]:
            return int(last.details["volume_nl"])
        record.act("session", session_id, DONE[FILL], {"volume_nl": volume_nl, "virtual": False}, session.patient_id)
        also(record, session, volume_nl)
    return volume_nl


def _serial(practice: Practice, session_id: int) -> str | Refused:
    with practice.reading() as db:
        session = db.get(SessionRow, session_id)
    if session is None:
        return Refused(Wrong.NOT_KNOWN, f"no session {session_id}", "a session of this clinic", "begin a session")
    return session.serial


def locked(record: Record, session_id: int) -> SessionRow:
    """The session, held until the transaction ends, so that two presses follow one another."""
    query = select(SessionRow).where(SessionRow.id == session_id).with_for_update()
    return record.session.scalars(query).one()
