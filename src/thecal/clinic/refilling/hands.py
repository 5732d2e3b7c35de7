"""Fluid in and out of a reservoir by hand, each exactly once, however often a button is pressed or a process dies.

What is intended is written down with how much was ever moved before; then it is done; then it is written down what came
of it. Whoever finds an intention without an end looks at what was moved since, and only then acts.

In the virtual world the syringe draws all there is. What somebody saw to stay in the pump goes back in with the next
movement, so that the reservoir holds what the arithmetic of residue says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import func, select

from thecal.clinic.record.tables import Act, Interrogation, LogRecord
from thecal.clinic.record.tables import Session as SessionRow
from thecal.clinic.refilling.entries import OPEN, Wrong, open_here
from thecal.clinic.refused import Refused
from thecal.clinic.session.stepping import at_step
from thecal.clinic.workflow import Step
from thecal.pump.core.codes import E_REFILL

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record
    from thecal.clinic.who import Who

DRAW, RINSE, FILL = "draw", "rinse", "fill"
INTENDED = {DRAW: "aspiration intended", RINSE: "rinse intended", FILL: "filling intended"}
DONE = {DRAW: "aspirated by hand", RINSE: "rinsed by hand", FILL: "filled by hand"}
NOT_DONE = {
    DRAW: "aspiration did not happen",
    RINSE: "rinse did not happen",
    FILL: "filling did not happen",
}
_STEPS = {DRAW: Step.CHECKLIST, RINSE: Step.SECOND, FILL: Step.SECOND}
"""The step at which each movement is made, and so who may make it."""


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


def rinses_done(db: Session, session_id: int) -> int:
    """How many rinses were made in a session."""
    query = select(func.count()).where(
        Act.subject_kind == "session", Act.subject_id == session_id, Act.kind == DONE[RINSE]
    )
    return db.scalar(query) or 0


def went_in(db: Session, session_id: int) -> bool:
    """Whether fluid of the syringe went into the pump in a session, or may have: a rinse, or the fill."""
    rinsed = rinses_done(db, session_id) > 0 or under_way(db, session_id, RINSE)
    return rinsed or filled_nl(db, session_id) is not None or under_way(db, session_id, FILL)


def closed_by_filling(db: Session, session_id: int) -> Refused | None:
    """What is in the pump cannot be entered anew: the refusal once fluid went in, or may have."""
    if not went_in(db, session_id):
        return None
    return Refused(
        Wrong.NOT_ALLOWED,
        "a change of what was entered before fluid went in",
        "entries as they were when the reservoir was filled",
        "go on with the step of the second entry",
    )


def aspirate(practice: Practice, hands: Hands, who: Who, session_id: int) -> int | Refused:
    """Draw everything out of the reservoir, once for each session; the answer is nL, the same however often it is
    asked. Refused where somebody may not, and once fluid went in.
    """
    with practice.reading() as db:
        again = last_of(db, session_id, DRAW) is not None
        refused = None if again else closed_by_filling(db, session_id)
    return refused or _once(practice, hands, who, session_id, _Wanted(DRAW))


def rinse(  # noqa: PLR0917 -- as a form asks for it
    practice: Practice, hands: Hands | None, who: Who, session_id: int, number: int, each_nl: int, left_nl: int
) -> int | Refused:
    """Put ``each_nl`` in and draw it out again, as rinse ``number`` of a session, once; the answer is nL drawn out.

    ``left_nl`` was seen to stay in the pump. Without hands somebody has done it by their own.
    """
    wanted = _Wanted(RINSE, each_nl, number, _put_back(practice, session_id, left_nl))
    return (
        _said(practice, who, session_id, wanted) if hands is None else _once(practice, hands, who, session_id, wanted)
    )


def fill(  # noqa: PLR0917 -- as a form asks for it
    practice: Practice,
    hands: Hands | None,
    who: Who,
    session_id: int,
    volume_nl: int,
    left_nl: int,
    also: Callable[[Record, SessionRow, int], None],
) -> int | Refused:
    """Fill a volume, once for each session; ``also`` writes what goes with it in the same transaction as its end.

    ``left_nl`` was seen to stay in the pump. Without hands somebody has done it by their own: what they say is written
    down.
    """
    wanted = _Wanted(FILL, volume_nl, 1, _put_back(practice, session_id, left_nl))
    if hands is None:
        return _said(practice, who, session_id, wanted, also)
    return _once(practice, hands, who, session_id, wanted, also)


def untold(db: Session, session: SessionRow) -> Act | None:
    """The newest movement of fluid in another session of this pump of which the pump was never told a new level.

    A refill that was left before it was sent: the pump's own account of the reservoir does not hold then. The pump's
    log says whether it was told since.
    """
    others = select(SessionRow.id).where(SessionRow.serial == session.serial, SessionRow.id != session.id)
    moved = select(Act).where(Act.subject_kind == "session", Act.subject_id.in_(others), Act.kind.in_(DONE.values()))
    last = db.scalars(moved.order_by(Act.id.desc()).limit(1)).first()
    if last is None:
        return None
    told = select(LogRecord.id).where(
        LogRecord.serial == session.serial,
        LogRecord.event == E_REFILL,
        LogRecord.number > int(last.details.get("log_last", 0)),
    )
    return None if db.scalars(told.limit(1)).first() is not None else last


def _log_last(db: Session, serial: str) -> int:
    """The newest record of the pump's log that is kept: whatever it says of a level came before a movement now."""
    query = select(Interrogation.log_last).where(Interrogation.serial == serial)
    return db.scalars(query.order_by(Interrogation.id.desc()).limit(1)).first() or 0


def _put_back(practice: Practice, session_id: int, left_nl: int) -> int:
    """What the virtual syringe drew although it stayed in the pump: nothing where it drew nothing."""
    with practice.reading() as db:
        return left_nl if drawn_nl(db, session_id) is not None else 0


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One movement: which, how much (nL), the how-manieth of its kind, and what goes in with it that had stayed."""

    what: str
    volume_nl: int = 0
    number: int = 1
    back_nl: int = 0


def _once(  # noqa: PLR0917 -- as a form asks for it
    practice: Practice,
    hands: Hands,
    who: Who,
    session_id: int,
    wanted: _Wanted,
    also: Callable[[Record, SessionRow, int], None] | None = None,
) -> int | Refused:
    serial = _serial(practice, session_id)
    if isinstance(serial, Refused):
        return serial
    try:
        before = hands.moved(serial)
    except RuntimeError as away:
        return _world_away(away)
    intended = _intend(practice, who, session_id, wanted, before)
    if isinstance(intended, int | Refused):
        return intended
    try:
        came = _act(hands, serial, wanted.what, intended.details)
    except RuntimeError as away:  # the intention stands: whoever asks again finds what came of it
        return _world_away(away)
    return _end(practice, who, session_id, wanted.what, came, intended, also)


def _world_away(away: RuntimeError) -> Refused:
    found = f"the virtual world does not say what was moved: {away}"
    return Refused(Wrong.NOT_KNOWN, found, "a world that answers", "press once more when it runs again")


def _intend(practice: Practice, who: Who, session_id: int, wanted: _Wanted, before: Moved) -> Act | int | Refused:
    """Write the intention down, or find the one that is there; the volume where it has an end already."""
    what = wanted.what
    with practice.writing(who, INTENDED[what], session=session_id) as record:
        session = locked(record, session_id)
        refused = _may(record.session, who, session, what)
        if refused is not None:
            return refused
        last = last_of(record.session, session_id, what)
        if last is not None and last.kind == INTENDED[what]:
            return last
        ended = _ended(record.session, session_id, wanted)
        if ended is not None:
            return ended
        details = {
            "before_nl": before.drawn_nl if what == DRAW else before.filled_nl,
            "drawn_nl": before.drawn_nl,
            "volume_nl": wanted.volume_nl,
            "back_nl": wanted.back_nl,
            "number": wanted.number,
        }
        return record.act("session", session_id, INTENDED[what], details, session.patient_id)


def _may(db: Session, who: Who, session: SessionRow, what: str) -> Refused | None:
    """Why somebody cannot move fluid in a session now; None where they can."""
    if session.state != OPEN:
        return Refused(Wrong.NOT_OPEN, f"a session that is {session.state}", "an open session", "begin a new session")
    found = at_step(db, session.id, who, _STEPS[what])
    return found if isinstance(found, Refused) else open_here(session, _STEPS[what])


def _ended(db: Session, session_id: int, wanted: _Wanted) -> int | Refused | None:
    """nL of this very movement where it was made; the refusal where it is not the next of its kind."""
    query = select(Act).where(
        Act.subject_kind == "session", Act.subject_id == session_id, Act.kind == DONE[wanted.what]
    )
    done = list(db.scalars(query.order_by(Act.id)))
    if wanted.number <= len(done):
        return int(done[wanted.number - 1].details["volume_nl"])
    if wanted.number == len(done) + 1:
        return None
    found = f"{wanted.what} {wanted.number} after {len(done)}"
    return Refused(Wrong.NOT_IN_ORDER, found, f"number {len(done) + 1}", "do the one before it first")


_Came = int | str | None
"""nL that were moved; why nothing was; None where it is half done and goes on when it is asked again."""


def _act(hands: Hands, serial: str, what: str, wanted: dict[str, Any]) -> _Came:
    """Do it, unless it was done since the intention. Whatever is raised on the way, what the world moved decides."""
    if what == DRAW:
        return _drawn(hands, serial, int(wanted["before_nl"]))
    back_nl = int(wanted.get("back_nl", 0))
    came = _filled(hands, serial, int(wanted["before_nl"]), int(wanted["volume_nl"]) + back_nl)
    if isinstance(came, str):
        return came
    if what == FILL:
        return came - back_nl
    out = _drawn(hands, serial, int(wanted["drawn_nl"]))
    return out - back_nl if isinstance(out, int) else None


def _drawn(hands: Hands, serial: str, before_nl: int) -> int | str:
    why = ""
    if hands.moved(serial).drawn_nl == before_nl:
        try:
            hands.draw(serial, only_at=before_nl)
        except RuntimeError as wrong:
            why = str(wrong)
    came = hands.moved(serial).drawn_nl - before_nl
    return came if came or not why else why


def _filled(hands: Hands, serial: str, before_nl: int, volume_nl: int) -> int | str:
    why = ""
    if hands.moved(serial).filled_nl == before_nl:
        try:
            hands.fill(serial, volume_nl, only_at=before_nl)
        except RuntimeError as wrong:
            why = str(wrong)
    came = hands.moved(serial).filled_nl - before_nl
    return came if came or not why else why


def _end(  # noqa: PLR0917 -- as a form asks for it
    practice: Practice,
    who: Who,
    session_id: int,
    what: str,
    came: _Came,
    intended: Act,
    also: Callable[[Record, SessionRow, int], None] | None,
) -> int | Refused:
    if came is None:
        found = "a rinse that went in and was not drawn out again"
        return Refused(Wrong.NOT_CONFIRMED, found, "fluid that is drawn out", "press once more")
    kind = NOT_DONE[what] if isinstance(came, str) else DONE[what]
    details: dict[str, Any] = {"why": came} if isinstance(came, str) else {"volume_nl": came, "virtual": True}
    with practice.writing(who, kind, session=session_id) as record:
        session = locked(record, session_id)
        last = last_of(record.session, session_id, what)
        if last is not None and last.kind == DONE[what]:
            return int(last.details["volume_nl"])
        if last is not None and last.id == intended.id:
            details["log_last"] = _log_last(record.session, session.serial)
            record.act("session", session_id, kind, details, session.patient_id)
            if not isinstance(came, str) and also is not None:
                also(record, session, came)
    return (
        Refused(Wrong.NOT_ALLOWED, came, "fluid that can be moved", "look at pump and syringe, then try again")
        if isinstance(came, str)
        else came
    )


def _said(
    practice: Practice,
    who: Who,
    session_id: int,
    wanted: _Wanted,
    also: Callable[[Record, SessionRow, int], None] | None = None,
) -> int | Refused:
    """Keep what somebody says to have done by their own hands."""
    with practice.writing(who, DONE[wanted.what], session=session_id) as record:
        session = locked(record, session_id)
        refused = _may(record.session, who, session, wanted.what)
        if refused is not None:
            return refused
        ended = _ended(record.session, session_id, wanted)
        if ended is not None:
            return ended
        log_last = _log_last(record.session, session.serial)
        details = {"volume_nl": wanted.volume_nl, "virtual": False, "log_last": log_last}
        record.act("session", session_id, DONE[wanted.what], details, session.patient_id)
        if also is not None:
            also(record, session, wanted.volume_nl)
    return wanted.volume_nl


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
