"""Making the world of a demonstration: everything that happens, in the order of its time, to pumps that run.

A clock begins as many days before today as the scenario says. Staff, patients and nature act one after the other, while
pumps run in a process of their own (``shelf``). In the end pumps and record lie in one folder, all of it or nothing.
"""

from __future__ import annotations

import heapq
import os
import shutil
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import tomli_w
from sqlalchemy import event

from thecal.clinic.keeping import backup, look_for_room, restore
from thecal.clinic.pending import RecordLedger
from thecal.clinic.people.passwords import set_password
from thecal.clinic.people.signing_in import who_is
from thecal.clinic.practice import Practice
from thecal.clinic.pumps import Pumps
from thecal.clinic.record.store import Stamp, Store
from thecal.clinic.record.tables import Clinic, Person
from thecal.clinic.site import RECORD, SETTINGS
from thecal.clinic.who import SYSTEM, StaffRole
from thecal.demonstration.acts import Staff, done
from thecal.demonstration.bench import Bench, BenchClock
from thecal.demonstration.history import Histories
from thecal.rig.clock import Anchor, Machine, write_anchor
from thecal.rig.home import Home, private_folder, write_private

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from thecal.clinic.who import Who
    from thecal.demonstration.scenario import Scenario
    from thecal.formulary import Formulary

POLL_AT_S = 5 * 3600
POLL_EVERY_DAYS = 21
"""How often every pump is read by schedule while the world is made. Ours."""


@dataclass(order=True)
class _Due:
    """Something that happens at a moment; of two at one moment the one that was planned first."""

    utc_s: int
    number: int
    do: Callable[[], None] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Making:
    """What a world is made from: the scenario, the moment that is its end, and which software makes it."""

    scenario: Scenario
    formulary: Formulary
    now_s: int
    software: str
    record: str = ""
    """The address of its record where that is not to lie in its folder: PostgreSQL, or a file elsewhere."""

    @property
    def birth_utc_s(self) -> int:
        """The midnight at the clinic with which the world begins."""
        today = datetime.fromtimestamp(self.now_s, UTC).astimezone(self.scenario.zone).date()
        first = today - timedelta(days=self.scenario.days)
        return int(datetime(first.year, first.month, first.day, tzinfo=self.scenario.zone).timestamp())

    def moment(self, days_ago: int, at_s: int) -> int:
        """UTC of a second of a day at the clinic."""
        today = datetime.fromtimestamp(self.now_s, UTC).astimezone(self.scenario.zone).date()
        day = today - timedelta(days=days_ago)
        return int(datetime(day.year, day.month, day.day, tzinfo=self.scenario.zone).timestamp()) + at_s


def make_world(folder: Path, making: Making, tell: Callable[[float], None] = lambda _done: None) -> None:
    """Make the world of a scenario in a folder that does not exist yet; it is there whole in the end, or not at all.

    ``tell`` hears which part of it is done, 0 to 1. NotMade where something in the scenario was refused, StoreError
    where a record elsewhere was named that cannot be made there.
    """
    if making.record:
        look_for_room(making.record)
    beside = folder.with_name(f".{folder.name}.making-{os.getpid()}")
    shutil.rmtree(beside, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    private_folder(beside)
    try:
        _made(Home(beside), making, tell)
        if making.record:
            _elsewhere(Home(beside), making)
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _made(home: Home, making: Making, tell: Callable[[float], None]) -> None:
    home.ready()
    clock = BenchClock(making.birth_utc_s)
    store = Store(f"sqlite:///{home.folder / RECORD}")
    _without_flushing(store)
    who = lambda: Stamp(SYSTEM, clock.utc_s(), making.now_s, making.software, making.formulary.version)  # noqa: E731
    ledger = RecordLedger(store, who)
    bench = Bench(clock, ledger)
    try:
        practice = Practice(store, Pumps(bench), making.formulary, clock.utc_s, making.software)
        World(making, bench, practice).run(tell)
        bench.lay_down(home)
        machine = Machine.now()
        write_anchor(home.world, Anchor(clock.now_s(), making.birth_utc_s, 0, machine))
    finally:
        bench.close()
        store.close()
    _flush(home.folder / RECORD)


def _elsewhere(home: Home, making: Making) -> None:
    """Carry the record over to its address, whole or not at all, and let the folder say where it is."""
    made, kept = home.folder / RECORD, home.folder / f"made.{RECORD}"
    stamp = Stamp(SYSTEM, making.now_s, making.now_s, making.software, making.formulary.version)
    with closing(Store(f"sqlite:///{made}", make=False)) as store:
        backup(store, kept)
    restore(kept, making.record, stamp)
    for left in home.folder.glob(f"*{RECORD}*"):
        left.unlink()
    write_private(home.folder / SETTINGS, tomli_w.dumps({"record": making.record}).encode(), durable=True)


def _without_flushing(store: Store) -> None:
    """Nobody relies on a world before it is whole: it is flushed once, at the end."""

    @event.listens_for(store.engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA synchronous = OFF").close()

    store.engine.dispose()


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class World:
    """A world that is being made: what is due, and who does it."""

    def __init__(self, making: Making, bench: Bench, practice: Practice) -> None:
        self._making = making
        self._bench = bench
        self._practice = practice
        self._due: list[_Due] = []
        self._numbers = count()

    def run(self, tell: Callable[[float], None]) -> None:
        """Let everything happen, up to now."""
        making, clock = self._making, self._bench.clock
        staff = self._staff()
        histories = Histories(making, self._bench, staff)
        polls = tuple(
            making.moment(days_ago, POLL_AT_S) for days_ago in range(1, making.scenario.days, POLL_EVERY_DAYS)
        )
        for said in making.scenario.patients:
            for utc_s, do in histories.of(said, (*polls, making.now_s)):
                self._plan(utc_s, do)
        for utc_s, do in histories.notices():
            self._plan(utc_s, do)
        for utc_s in polls:
            self._plan(utc_s, histories.poll)
        begun_s = clock.utc_s()
        while self._due and self._due[0].utc_s <= making.now_s:
            due = heapq.heappop(self._due)
            clock.move_to(max(clock.utc_s(), due.utc_s))
            due.do()
            self._bench.over()
            tell((clock.utc_s() - begun_s) / max(1, making.now_s - begun_s))
        clock.move_to(max(clock.utc_s(), making.now_s))
        histories.poll()
        tell(1.0)

    def _plan(self, utc_s: int, do: Callable[[], None]) -> None:
        heapq.heappush(self._due, _Due(utc_s, next(self._numbers), do))

    def _staff(self) -> Staff:
        scenario, practice = self._making.scenario, self._practice
        said = scenario.clinic
        with practice.writing(SYSTEM, "demonstration clinic made") as record:
            record.keep(Clinic(**asdict(said), demonstration=True, settings={}))
            people: dict[StaffRole, list[Who]] = {}
            for one in scenario.staff:
                person = record.keep(Person(login=one.login, name=one.name, roles=[role.value for role in one.roles]))
                fault = set_password(record, person, one.password)
                done(fault, f"the password of {one.login}") if fault is not None else None
                for role in one.roles:
                    people.setdefault(role, []).append(who_is(person))
        return Staff(practice, people, scenario.zone, scenario.reasons)
