"""The history of sessions as a tree, two programs compared, and going back to one as a draft (feature 29).

Going back never sends anything: it opens a session of its own with the old order as its draft, and that is reviewed
like any change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from thecal.clinic.implants import implant_of
from thecal.clinic.paging import Paged, paged
from thecal.clinic.programming.draft import DRAFT, Draft, Written
from thecal.clinic.programming.order_text import parsed
from thecal.clinic.record.tables import Act, Person, ProgramRun, Session
from thecal.clinic.refused import Refused
from thecal.clinic.session.beginning import begin
from thecal.clinic.session.comparing import compared
from thecal.clinic.session.ended import No
from thecal.clinic.session.held import held_in
from thecal.clinic.session.readings import reading
from thecal.clinic.session.stepping import not_allowed, session_of
from thecal.clinic.session.writing import written
from thecal.clinic.workflow import WAYS, Workflow

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.orm import Session as Look

    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record
    from thecal.clinic.record.tables import Interrogation
    from thecal.clinic.session.comparing import Row
    from thecal.clinic.who import Who

PAGE = 50
"""Sessions, and programs, on one page. Ours."""


@dataclass(frozen=True, slots=True)
class Branch:
    """One session with the program that came of it, None where none did, and the sessions that grew from it.

    ``went_back_to`` is the run that a session went back to, None where it did not.
    """

    session: Session
    workflow: str
    by: str
    run: ProgramRun | None
    how_left: str
    went_back_to: int | None
    below: tuple[Branch, ...]


def runs_of(db: Look, patient_id: int, page: int = 1) -> Paged[ProgramRun]:
    """One page of the programs that ran in a patient, the newest first."""
    query = select(ProgramRun).where(ProgramRun.patient_id == patient_id).order_by(ProgramRun.id.desc())
    return paged(db, query, page, PAGE)


def numbers_of(db: Look, runs: Iterable[int]) -> dict[int, int]:
    """The numbers of programs by which people know them."""
    rows = db.execute(select(ProgramRun.id, ProgramRun.number).where(ProgramRun.id.in_(set(runs))))
    return {run: number for run, number in rows}  # noqa: C416 -- a row is no tuple to the type checker


def sessions_of(db: Look, patient_id: int, page: int = 1) -> Paged[Session]:
    """One page of a patient's sessions, the newest first."""
    query = select(Session).where(Session.patient_id == patient_id).order_by(Session.id.desc())
    return paged(db, query, page, PAGE)


def tree(db: Look, patient_id: int, page: int = 1) -> tuple[Branch, ...]:
    """One page of sessions as a tree: one that went back hangs from the one whose program it took up.

    What grew from a session of another page stands at the root, and its line says from which.
    """
    sessions = list(sessions_of(db, patient_id, page).rows)[::-1]
    here = {s.id for s in sessions}
    runs = {r.session_id: r for r in db.scalars(select(ProgramRun).where(ProgramRun.session_id.in_(here)))}
    people = {p.id: p.name for p in db.scalars(select(Person).where(Person.id.in_({s.person_id for s in sessions})))}
    back = {s.id: _went_back(db, s) for s in sessions}
    by_run = {r.id: r.session_id for r in runs.values()}
    below: dict[int | None, list[Session]] = {}
    known = {s.id for s in sessions}
    for session in sessions:
        run_id = back[session.id]
        above = session.parent if run_id is None else by_run.get(run_id)
        below.setdefault(above if above in known else None, []).append(session)

    def grown(above: int | None) -> tuple[Branch, ...]:
        return tuple(one(s) for s in below.get(above, []))

    def one(session: Session) -> Branch:
        return Branch(
            session,
            WAYS[Workflow(session.workflow)].name,
            people.get(session.person_id, "nobody who is known"),
            runs.get(session.id),
            how_left(db, session),
            back[session.id],
            grown(session.id),
        )

    return grown(None)


def rows_of(branches: tuple[Branch, ...], depth: int = 0) -> list[tuple[int, Branch]]:
    """A tree line by line, with how deep each line hangs. A single line of descent does not go deeper."""
    found: list[tuple[int, Branch]] = []
    for number, branch in enumerate(branches):
        at = depth + (1 if number < len(branches) - 1 else 0)
        found.append((at, branch))
        found.extend(rows_of(branch.below, at))
    return found


def _went_back(db: Look, session: Session) -> int | None:
    act = select(Act.details).where(
        Act.subject_kind == "session", Act.subject_id == session.id, Act.kind == "went back to a program"
    )
    found = db.scalars(act).first()
    return None if found is None else int(found["run"])


def how_left(db: Look, session: Session) -> str:
    """How the pump was left at the end of a session, in the words that were written; empty where it is open."""
    act = select(Act.details).where(Act.subject_kind == "session", Act.subject_id == session.id, Act.kind == "closed")
    found = db.scalars(act).first()
    return "" if found is None else str(found.get("how_left", ""))


@dataclass(frozen=True, slots=True)
class Compared:
    """Two programs of a patient side by side."""

    old: ProgramRun
    new: ProgramRun
    rows: tuple[Row, ...]


def compare_runs(practice: Practice, db: Look, patient_id: int, first: int, second: int) -> Compared | Refused:
    """Two programs that ran, setting by setting, the earlier one first; Refused where one is not this patient's."""
    runs = [db.get(ProgramRun, run_id) for run_id in sorted((first, second)) if 0 < run_id < 2**63]
    if len(runs) != 2 or any(r is None or r.patient_id != patient_id for r in runs):
        return Refused(No.NOTHING, "two programs to compare", "two programs of this patient", "choose two")
    old, new = (r for r in runs if r is not None)
    before, after = parsed(old.order_text, practice), parsed(new.order_text, practice)
    if isinstance(before, tuple) or isinstance(after, tuple):
        wrong = before if isinstance(before, tuple) else after
        return wrong[0] if isinstance(wrong, tuple) else _unreadable()
    return Compared(old, new, compared(before.order, after.order, practice.formulary))


def _unreadable() -> Refused:
    return Refused(No.ORDER, "an order that cannot be read", "an order file", "look at the order")


def go_back(practice: Practice, who: Who, patient_id: int, run_id: int) -> Session | Refused:
    """Open a session whose draft is a program that ran before. Nothing is sent: it is reviewed like any change."""
    if not who.may("program.write"):
        return not_allowed(f"{who.name} writing a program", "ask a physician")
    with practice.reading() as db:
        run, implant = db.get(ProgramRun, run_id), implant_of(db, patient_id)
        newest = None if run is None else reading(db, run.serial)
    if run is None or implant is None or run.patient_id != patient_id or run.serial != implant.serial:
        return Refused(No.NOTHING, f"program {run_id}", "a program of the pump that this patient has", "choose another")
    other = None if newest is None else _other_mixture(practice, run, newest)
    if other is not None:
        return other
    session = begin(practice, who, patient_id, Workflow.PROGRAM)
    if isinstance(session, Refused):
        return session
    return written(
        practice, who, "went back to a program", patient_id, lambda r: _gone_back(r, session.id, run), run=run_id
    )


def _other_mixture(practice: Practice, run: ProgramRun, newest: Interrogation) -> Refused | None:
    """Why a program is not taken up again: another mixture is in the pump than it was written for."""
    held, then = held_in(newest, practice.formulary), parsed(run.order_text, practice)
    if isinstance(then, tuple):
        return then[0]
    if held.file is None or held.file.order.mixture.ingredients == then.order.mixture.ingredients:
        return None
    return Refused(
        No.ORDER,
        f"program {run.number}, written for another mixture than the one in the pump",
        "a program of the mixture that is in the pump",
        "write a new program, or refill with that mixture first",
    )


def _gone_back(record: Record, session_id: int, run: ProgramRun) -> Session | Refused:
    row = session_of(record.session, session_id, record.who)
    if isinstance(row, Refused):
        return row
    entered = {**row.entered, DRAFT: Draft(Written(run.order_text)).as_entered()}
    details = {"run": run.id, "number": run.number}
    return record.change(row, "went back to a program", row.revision, details, entered=entered)
