"""The clock of a demonstration that runs: moved on by hand or by the seconds of the machine, with everybody in it.

While it moves, patients go on pressing by their pattern, through the link; afterwards pumps that can be reached are
read, and what is due at the desk is done. The pumps themselves are the rig's, and go on whatever happens here.
"""

from __future__ import annotations

import heapq
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import select

from thecal.clinic import session as sessions
from thecal.clinic.desk.tasks import OPEN, tasks_due
from thecal.clinic.programming.order_text import parsed_by
from thecal.clinic.pumps import LinkAway
from thecal.clinic.record.tables import Booking, Implant, ProgramRun, Task
from thecal.demonstration.pressing import presses_between
from thecal.therapy.program import DaySchedule

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from sqlalchemy.orm import Session

    from thecal.clinic.practice import Practice
    from thecal.clinic.pumps import Ask
    from thecal.demonstration.scenario import PatientSaid, Scenario
    from thecal.link.reading import Status
    from thecal.rig.hold import Turn

HOUR_S = 3600
DAY_S = 86_400
LOOK_AHEAD_S = 7 * DAY_S
"""How far the next event is looked for; where there is none, the clock moves by a day. Ours."""
READERS = 4
"""Pumps that are read at a time. Ours."""
AFTER_S = 60
"""So long after an event the clock stops, so that it is seen to have happened. Ours."""


class RigClock(Protocol):
    """The clock of the rig, as its owner moves it."""

    def utc_s(self) -> int:
        """UTC of the world."""

    def advance(self, seconds: int) -> None:
        """Move the test clock on, with every pump."""


@dataclass
class Moving:
    """Moves the world of a scenario on. One move at a time, by whichever process; a second one waits."""

    scenario: Scenario
    practice: Practice
    link: Ask
    rig: RigClock
    turn: Turn

    def move(self, seconds: int) -> int:
        """Move on, with presses on the way and readings at the end; UTC of the world after it."""
        with self.turn:
            self._pass(seconds)
            self.read()
            return self.rig.utc_s()

    def tick(self, seconds: int) -> None:
        """Let some seconds of the machine pass in the world too; nothing where it is being moved already."""
        if seconds > 0 and self.turn.acquire(blocking=False):
            try:
                self._pass(seconds)
            finally:
                self.turn.release()

    def _pass(self, seconds: int) -> None:
        now_s = self.rig.utc_s()
        end_s = now_s + seconds
        for at_s, serial in self._presses(now_s, end_s):
            self.rig.advance(at_s - now_s)
            now_s = at_s
            self._press(serial)
        self.rig.advance(end_s - now_s)

    def _presses(self, after_s: int, until_s: int) -> Iterator[tuple[int, str]]:
        """Every press of every patient who presses, in the order of time."""
        return heapq.merge(
            *(self._presses_of(said, after_s, until_s) for said in self.scenario.patients if said.presses)
        )

    def _presses_of(self, said: PatientSaid, after_s: int, until_s: int) -> Iterator[tuple[int, str]]:
        assert said.presses is not None  # noqa: S101 -- asked for by the caller
        for at_s in presses_between(said.number, said.presses, self.scenario.zone, after_s, until_s):
            yield at_s, said.pump.serial

    def _press(self, serial: str) -> None:
        """The patient presses, unless an earlier press is not resolved; the pump's log says what came of it."""
        try:
            if not self.practice.pumps.pending(serial):
                self.link("bolus", serial=serial)
        except LinkAway:
            pass  # to a patient that is a controller that does not reach the pump

    def read(self) -> None:
        """Read every pump by schedule, and do at the desk what is due."""
        with self.practice.reading() as db:
            serials = list(db.scalars(select(Implant.serial).where(Implant.until.is_(None))))
        with ThreadPoolExecutor(READERS) as pool:
            list(pool.map(lambda serial: sessions.poll(self.practice, serial), serials))
        tasks_due(self.practice)

    # What comes next

    def next_event_s(self) -> int:
        """Seconds until just after what happens next: a press, another rate, a low level, a bridge's end, a visit."""
        now_s = self.rig.utc_s()
        end_s = now_s + LOOK_AHEAD_S
        coming = [at_s for at_s, _ in _first(self._presses(now_s, end_s))]
        with self.practice.reading() as db:
            coming += [at for at in self._of_desk(db, now_s) if at > now_s]
            serials = list(db.scalars(select(Implant.serial).where(Implant.until.is_(None))))
            for serial in serials:
                coming += [at for at in self._of_pump(db, serial, now_s) if at > now_s]
        return min((at for at in coming if at <= end_s), default=now_s + DAY_S) - now_s + AFTER_S

    @staticmethod
    def _of_desk(db: Session, now_s: int) -> Iterator[int]:
        """The next visit and the next task."""
        visit = select(Booking.begins_utc_s).where(Booking.state == "booked", Booking.begins_utc_s > now_s)
        task = select(Task.due_utc_s).where(Task.state.in_(OPEN), Task.due_utc_s > now_s)
        yield from db.scalars(visit.order_by(Booking.begins_utc_s).limit(1))
        yield from db.scalars(task.order_by(Task.due_utc_s).limit(1))

    def _of_pump(self, db: Session, serial: str, now_s: int) -> Iterator[int]:
        """What a pump is going to do, by its newest reading and its program."""
        row = sessions.reading(db, serial)
        query = select(ProgramRun).where(ProgramRun.serial == serial).order_by(ProgramRun.id.desc()).limit(1)
        run = db.scalars(query).first()
        if row is None or run is None:
            return
        status = sessions.status_of(row)
        if not status.delivering:
            return
        if status.bridge_left_s:
            yield row.read_utc_s + status.bridge_left_s
        file = parsed_by(run.order_text, self.practice.formulary)
        if isinstance(file, tuple):
            return
        program = file.order.program
        if program.low_level is not None:
            yield from _low(status, program.low_level.floor("nL"), row.read_utc_s)
        if isinstance(program.base, DaySchedule):
            yield _next_step(program.base, self.scenario.zone, now_s)


def _low(status: Status, low_nl: int, read_s: int) -> Iterator[int]:
    """When a reservoir reaches its low level at the rate of now."""
    left_nl = status.level_nl - low_nl
    if left_nl > 0 and status.rate_pl_per_h:
        yield read_s + left_nl * 1000 * HOUR_S // status.rate_pl_per_h


def _next_step(base: DaySchedule, zone: ZoneInfo, now_s: int) -> int:
    """When the next step of a day schedule begins, by the wall."""
    day = datetime.fromtimestamp(now_s, UTC).astimezone(zone).date()
    for later in range(9):
        on = day + timedelta(days=later)
        midnight = int(datetime(on.year, on.month, on.day, tzinfo=zone).timestamp())
        starts = sorted(s.start_s for plan in base.plans if on.weekday() in plan.weekdays for s in plan.steps)
        found = next((midnight + start for start in starts if midnight + start > now_s), None)
        if found is not None:
            return found
    return now_s + DAY_S


def _first(presses: Iterator[tuple[int, str]]) -> list[tuple[int, str]]:
    found = next(presses, None)
    return [] if found is None else [found]
