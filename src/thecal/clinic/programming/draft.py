"""The draft of a program: a text with its plan, the ones before it, and the ones that were undone (rule E9).

A draft lies in ``Session.entered["draft"]`` until the program step is finished; leaving it takes it away, and what runs
in the pump was never touched. What is undone comes back byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from thecal.clinic.refused import Refused
from thecal.clinic.session.stepping import SENT, is_open, patient_of, session_of
from thecal.clinic.session.writing import written
from thecal.clinic.workflow import Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record
    from thecal.clinic.record.tables import Session
    from thecal.clinic.who import Who

DRAFT = "draft"
"""Where a session keeps the draft; no step has this name, for a step counts as done where something is entered for
it.
"""
MOST_BACK = 12
"""How many steps back are kept."""


class Undrafted(StrEnum):
    """Why a draft is not changed."""

    STEP = "step not open"
    SENT = "already sent"
    NOTHING = "nothing to do"


@dataclass(frozen=True, slots=True)
class Written:
    """What is written: the text of the order, and the plan of 24 h for each group of days."""

    text: str
    plan: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """``now`` is what counts; ``back`` what undo restores, the newest last; ``forth`` what redo does, the next last."""

    now: Written
    back: tuple[Written, ...] = ()
    forth: tuple[Written, ...] = ()

    def applied(self, new: Written) -> Draft:
        """The draft with something else written; the same where nothing is new."""
        return self if new == self.now else Draft(new, (*self.back, self.now)[-MOST_BACK:])

    def undone(self) -> Draft:
        """What was written before; the same where there is nothing before."""
        if not self.back:
            return self
        return Draft(self.back[-1], self.back[:-1], (*self.forth, self.now))

    def redone(self) -> Draft:
        """What was undone last; the same where nothing was."""
        if not self.forth:
            return self
        return Draft(self.forth[-1], (*self.back, self.now), self.forth[:-1])

    def as_entered(self) -> dict[str, Any]:
        """As a session keeps it."""
        return {
            "now": _plain(self.now),
            "back": [_plain(w) for w in self.back],
            "forth": [_plain(w) for w in self.forth],
        }


def _plain(written_: Written) -> dict[str, Any]:
    return {"text": written_.text, "plan": list(written_.plan)}


def _read(plain: dict[str, Any]) -> Written:
    return Written(plain["text"], tuple(plain["plan"]))


def draft_in(session: Session) -> Draft | None:
    """The draft of a session, None where nothing was applied yet."""
    held = session.entered.get(DRAFT)
    if held is None:
        return None
    return Draft(_read(held["now"]), tuple(_read(w) for w in held["back"]), tuple(_read(w) for w in held["forth"]))


def apply(  # noqa: PLR0917 -- who and where come before what is written
    practice: Practice, who: Who, session_id: int, seen: int, new: Written, before: Written | None = None
) -> Session | Refused:
    """Write something else into the draft. ``before`` is what undo leads back to where nothing was applied yet.

    EditedMeanwhile where somebody else changed the session since revision ``seen``.
    """

    def changed(row: Session) -> Draft:
        held = draft_in(row)
        if held is None:
            return Draft(new, (before,) if before is not None and before != new else ())
        return held.applied(new)

    return _change(practice, who, _At(session_id, seen, "program applied"), changed)


def undo(practice: Practice, who: Who, session_id: int, seen: int) -> Session | Refused:
    """Go one step back."""
    return _change(practice, who, _At(session_id, seen, "program undone"), lambda row: _held(row).undone())


def redo(practice: Practice, who: Who, session_id: int, seen: int) -> Session | Refused:
    """Go forth again."""
    return _change(practice, who, _At(session_id, seen, "program redone"), lambda row: _held(row).redone())


def leave(practice: Practice, who: Who, session_id: int, seen: int) -> Session | Refused:
    """Leave the draft: what was written is gone, what is committed stands as it did."""

    def left(record: Record) -> Session | Refused:
        row = _open(record, session_id)
        if isinstance(row, Refused) or DRAFT not in row.entered:
            return row
        entered = {name: value for name, value in row.entered.items() if name != DRAFT}
        return record.change(row, "draft left", seen, entered=entered)

    return written(practice, who, "draft left", patient_of(practice, session_id), left, session=session_id)


def _held(row: Session) -> Draft:
    return draft_in(row) or Draft(Written(""))


class _At(NamedTuple):
    """Which session, at which revision, and what is done to its draft."""

    session_id: int
    seen: int
    kind: str


def _change(practice: Practice, who: Who, at: _At, changed: Callable[[Session], Draft]) -> Session | Refused:
    def kept(record: Record) -> Session | Refused:
        row = _open(record, at.session_id)
        if isinstance(row, Refused):
            return row
        new = changed(row)
        if DRAFT in row.entered and new == draft_in(row):
            return row
        if new.now == Written(""):
            return Refused(Undrafted.NOTHING, "nothing that was applied", "a draft", "write the program and apply it")
        return record.change(row, at.kind, at.seen, entered={**row.entered, DRAFT: new.as_entered()})

    patient_id = patient_of(practice, at.session_id)
    return written(practice, who, at.kind, patient_id, kept, session=at.session_id)


def _open(record: Record, session_id: int) -> Session | Refused:
    """The session where this person may write a program now."""
    row = session_of(record.session, session_id, record.who)
    if isinstance(row, Refused):
        return row
    if SENT in row.entered:
        then = "close this session and begin another one"
        return Refused(Undrafted.SENT, "a program of a session that was sent", "a session before it is sent", then)
    if not is_open(row, Step.PROGRAM):
        return Refused(Undrafted.STEP, "the program", "the steps before it first", "finish the steps before it")
    return row
