"""What somebody has to do: raised once by what raised it, for a role, taken by a person, done or late or stopped.

``tasks_due`` is what a scheduler calls at every move of the clock and each minute: visits that nobody came to become
missed, the ladder behind them becomes tasks as its times come, tasks whose time has passed become late. Lines of the
board that were made under another zone or formulary are made anew first.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import or_, select

from thecal.clinic.desk.checking import GivenUp, alone, attempt
from thecal.clinic.desk.days import day_of
from thecal.clinic.desk.lines import refresh_behind
from thecal.clinic.desk.marks import missed_note
from thecal.clinic.desk.settings import desk_of
from thecal.clinic.record.tables import BoardLine, Booking, Fill, Session, Task
from thecal.clinic.refused import EditedMeanwhile, Refused
from thecal.clinic.who import SYSTEM

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.orm import Session as Look

    from thecal.clinic.desk.settings import Desk, Rung
    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record
    from thecal.clinic.who import Who

HOUR_S = 3600
PAGE = 50
LADDER_S = 30 * 86_400
"""How long after a missed visit its ladder may still raise something. Ours."""
MOST_NOTE = 400


class State(StrEnum):
    """Where a task stands (feature 40). A late or missed one can still be done."""

    PLANNED = "planned"
    LATE = "late"
    MISSED = "missed"
    DONE = "done"
    STOPPED = "stopped"


OPEN = (State.PLANNED.value, State.LATE.value, State.MISSED.value)
"""States in which there is still something to do."""


class No(StrEnum):
    """Why nothing was done to a task."""

    NO_TASK = "no-such-task"
    OVER = "task-is-over"
    NOT_YOURS = "for-another-role"
    REASON = "no-reason"


def raise_task(
    record: Record, raised_by: str, patient_id: int | None, *, kind: str, text: str, due_utc_s: int, for_role: str
) -> Task | None:
    """A new task, in the caller's transaction; None where the same thing has raised it before."""
    if record.session.scalars(select(Task.id).where(Task.raised_by == raised_by)).first() is not None:
        return None
    return record.keep(
        Task(patient_id=patient_id, kind=kind, text=text, due_utc_s=due_utc_s, state=State.PLANNED.value,
            for_role=for_role, raised_by=raised_by, taken_by=None)
    )  # fmt: skip


def finish_raised(record: Record, raised_by: str, note: str) -> None:
    """What was raised by something that is over now is done, in the caller's transaction."""
    task = record.session.scalars(select(Task).where(Task.raised_by == raised_by, Task.state.in_(OPEN))).first()
    if task is not None:
        record.change(task, State.DONE.value, details={"note": note}, state=State.DONE.value)


def finish_kind(record: Record, patient_id: int, kind: str, note: str) -> None:
    """Every open task of a kind for a patient is done, in the caller's transaction."""
    open_ones = select(Task).where(Task.patient_id == patient_id, Task.kind == kind, Task.state.in_(OPEN))
    for task in record.session.scalars(open_ones):
        record.change(task, State.DONE.value, details={"note": note}, state=State.DONE.value)


def take(practice: Practice, who: Who, task_id: int, seen: int) -> Task | tuple[Refused, ...]:
    """Take a task on oneself."""

    def made(record: Record) -> Task:
        task = _open(record, who, task_id, seen)
        return record.change(task, "taken", taken_by=who.person_id)

    return attempt(practice, who, "task taken", _patient_of(practice, task_id), made)


def finish(practice: Practice, who: Who, task_id: int, seen: int, note: str) -> Task | tuple[Refused, ...]:
    """Say that a task is done, and what was done."""
    return _over(practice, who, (task_id, seen), State.DONE, note)


def stop(practice: Practice, who: Who, task_id: int, seen: int, note: str) -> Task | tuple[Refused, ...]:
    """Say that a task need not be done, and why."""
    return _over(practice, who, (task_id, seen), State.STOPPED, note)


def _over(practice: Practice, who: Who, which: tuple[int, int], state: State, note: str) -> Task | tuple[Refused, ...]:
    def made(record: Record) -> Task:
        task = _open(record, who, *which)
        said = note.strip()
        if not 3 <= len(said) <= MOST_NOTE:
            then = "say what was done" if state is State.DONE else "say why it need not be done"
            raise GivenUp(Refused(No.REASON, said or "nothing", f"3 to {MOST_NOTE} characters", then, "note"))
        return record.change(task, state.value, details={"note": said}, state=state.value)

    return attempt(practice, who, f"task {state}", _patient_of(practice, which[0]), made)


def _open(record: Record, who: Who, task_id: int, seen: int) -> Task:
    task = record.get(Task, task_id)
    if task is None:
        raise GivenUp(Refused(No.NO_TASK, f"task {task_id}", "a task of this clinic", "look at the list"))
    if task.revision != seen:
        raise EditedMeanwhile(f"task {task_id}", seen, task.revision)
    if task.state not in OPEN:
        raise GivenUp(Refused(No.OVER, f"a task that is {task.state}", "an open one", "look at what there is to do"))
    if task.for_role not in who.roles and task.taken_by != who.person_id:
        then = f"leave it to a {task.for_role}"
        raise GivenUp(Refused(No.NOT_YOURS, f"a task for a {task.for_role}", "a task for one of your roles", then))
    return task


def _patient_of(practice: Practice, task_id: int) -> int | None:
    with practice.reading() as session:
        task = session.get(Task, task_id)
        return None if task is None else task.patient_id


def listed(role: str, state: str, patient_id: int | None = None) -> Select[Task]:
    """Tasks for a role (every role where empty), in a state ("" for those still to do), the earliest first."""
    query = select(Task).where(Task.state == state if state else Task.state.in_(OPEN))
    if role:
        query = query.where(Task.for_role == role)
    if patient_id is not None:
        query = query.where(Task.patient_id == patient_id)
    return query.order_by(Task.due_utc_s, Task.id)


def stop_ladders(record: Record, patient_id: int) -> None:
    """A new visit was found, or took place: what is still open of ladders and of finding a new one is stopped."""
    open_ones = select(Task).where(
        Task.patient_id == patient_id, Task.kind.in_(("rebook", "missed")), Task.state.in_(OPEN)
    )
    for task in record.session.scalars(open_ones):
        record.change(task, State.STOPPED.value, details={"note": "a visit was found"}, state=State.STOPPED.value)


def tasks_due(practice: Practice) -> int:
    """Everything whose time has come, each in a transaction of its own that may run again; how much was done."""
    now_s = practice.now_s()
    refresh_behind(practice)
    with practice.reading() as session:
        desk = desk_of(session)
        gone_by = list(session.scalars(_gone_by(now_s, desk)))
        missed = list(session.scalars(_on_ladders(now_s)))
        late = list(session.scalars(select(Task.id).where(_late(now_s, desk))))
    done = sum(_nobody_came(practice, booking_id, desk) for booking_id in gone_by)
    done += sum(_climb(practice, booking_id, now_s) for booking_id in dict.fromkeys([*missed, *gone_by]))
    return done + sum(_has_passed(practice, task_id, now_s, desk) for task_id in late)


def _gone_by(now_s: int, desk: Desk) -> Select[int]:
    grace_s = desk.settings.missed_after_minutes * 60
    ends = Booking.begins_utc_s + Booking.minutes * 60
    booked = Booking.state == "booked"
    return select(Booking.id).where(booked, Booking.begins_utc_s < now_s - grace_s, ends + grace_s < now_s)


def _nobody_came(practice: Practice, booking_id: int, desk: Desk) -> int:
    """A visit whose time is over and that nobody marked: attended where the record shows it, else missed."""
    from thecal.clinic.desk.bookings import State as Visit  # noqa: PLC0415 - bookings raise tasks
    from thecal.clinic.desk.bookings import ended  # noqa: PLC0415

    with practice.writing(SYSTEM, "visit over", _visitor(practice, booking_id)) as record:
        alone(record)
        booking = record.get(Booking, booking_id)
        if booking is None or booking.state != "booked":
            return 0
        state = Visit.ATTENDED if _was_here(record.session, booking, desk) else Visit.MISSED
        ended(record, booking, state, practice.formulary)
    return 1


def _visitor(practice: Practice, booking_id: int) -> int | None:
    with practice.reading() as session:
        booking = session.get(Booking, booking_id)
        return None if booking is None else booking.patient_id


def _was_here(session: Look, booking: Booking, desk: Desk) -> bool:
    """Whether a fill or a session of that day shows that the patient came."""
    day = day_of(booking.begins_utc_s, desk.zone)
    about = booking.begins_utc_s - 86_400, booking.begins_utc_s + 86_400
    fills = select(Fill.filled_utc_s).where(Fill.patient_id == booking.patient_id, Fill.filled_utc_s.between(*about))
    sittings = select(Session.at_utc_s).where(
        Session.patient_id == booking.patient_id, Session.at_utc_s.between(*about)
    )
    return any(day_of(at, desk.zone) == day for query in (fills, sittings) for at in session.scalars(query))


def _on_ladders(now_s: int) -> Select[int]:
    return select(Booking.id).where(Booking.state == "missed", Booking.begins_utc_s > now_s - LADDER_S)


def _climb(practice: Practice, booking_id: int, now_s: int) -> int:
    """The rungs of one missed visit that are due and were not raised yet; none once another visit was found."""
    with practice.reading() as session:
        booking = session.get(Booking, booking_id)
        if booking is None or booking.state != "missed" or _found_another(session, booking):
            return 0
        desk = desk_of(session)
        high = high_risk(session.get(BoardLine, booking.patient_id))
        rungs = _rungs(session, booking, desk, now_s, high=high)
    if not rungs:
        return 0
    with practice.writing(SYSTEM, "missed visit", booking.patient_id) as record:
        made = [_rung(record, booking, number, rung) for number, rung in rungs]
    return sum(task is not None for task in made)


def _rungs(session: Look, booking: Booking, desk: Desk, now_s: int, *, high: bool) -> list[tuple[int, Rung]]:
    raised = set(session.scalars(select(Task.raised_by).where(Task.raised_by.like(f"booking {booking.id} missed, %"))))
    return [
        (number, rung)
        for number, rung in enumerate(desk.settings.ladder, 1)
        if booking.begins_utc_s + rung.after_hours * HOUR_S <= now_s
        and (high or not rung.high_risk)
        and _raised_by(booking, number) not in raised
    ]


def _rung(record: Record, booking: Booking, number: int, rung: Rung) -> Task | None:
    due = booking.begins_utc_s + (rung.after_hours + 1) * HOUR_S
    return raise_task(record, _raised_by(booking, number), booking.patient_id, kind="missed", text=rung.what,
        due_utc_s=max(due, record.now_s), for_role=rung.role)  # fmt: skip


def _raised_by(booking: Booking, number: int) -> str:
    return f"booking {booking.id} missed, rung {number}"


def _found_another(session: Look, booking: Booking) -> bool:
    """Another visit of the kind that is booked or took place after this one."""
    later = select(Booking.id).where(
        Booking.patient_id == booking.patient_id, Booking.kind == booking.kind, Booking.id != booking.id,
        or_(Booking.state == "booked", Booking.state == "attended"), Booking.begins_utc_s > booking.begins_utc_s,
    )  # fmt: skip
    return session.scalars(later.limit(1)).first() is not None


def high_risk(line: BoardLine | None) -> bool:
    """Whether a person has to call: a drug that is dangerous to stop, or a risk that somebody noted."""
    if line is None:
        return False
    return line.rank == 0 or any(risk != missed_note(1) for risk in line.shown.get("risks", []))


def _late(now_s: int, desk: Desk) -> ColumnElement[bool]:
    missed = now_s - desk.settings.task_missed_hours * HOUR_S
    planned, late = Task.state == State.PLANNED.value, Task.state == State.LATE.value
    return or_(planned & (Task.due_utc_s < now_s), late & (Task.due_utc_s < missed))


def _has_passed(practice: Practice, task_id: int, now_s: int, desk: Desk) -> int:
    with practice.writing(SYSTEM, "task late", _patient_of(practice, task_id)) as record:
        task = record.get(Task, task_id)
        if task is None or task.state not in (State.PLANNED, State.LATE):
            return 0
        gone = task.due_utc_s < now_s - desk.settings.task_missed_hours * HOUR_S
        state = State.MISSED if gone else State.LATE
        if task.state != state:
            record.change(task, state.value, state=state.value)
    return 1
