"""The clock of a demonstration that runs: it moves with pumps, patients and desk, and stands still between two runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select
from tests.demonstration_world import BRIDGE, PRESSER, record_of, small_world
from tests.rig_world import Process

from thecal.clinic.practice import Practice
from thecal.clinic.pumps import Pumps
from thecal.clinic.record.tables import Interrogation, LogRecord
from thecal.demonstration.moving import Moving
from thecal.demonstration.pressing import presses_between
from thecal.formulary import load
from thecal.link.log_reading import Event
from thecal.rig.clock import WorldClock
from thecal.rig.hold import Turn
from thecal.rig.home import Home
from thecal.web.beside import LinkAsk, RigWorld

if TYPE_CHECKING:
    from collections.abc import Iterator

    from thecal.demonstration.scenario import Scenario

RIG = """
import asyncio, sys
from pathlib import Path
from thecal.pump.device import FileDisk
from thecal.rig.ground import Ground
from thecal.rig.home import Home
from thecal.rig.host import run
asyncio.run(run(Home(Path(sys.argv[1])), 0, disk_of=lambda f: Ground(FileDisk(f, flush=False)), rest=True,
    ready=lambda host: print("ready", flush=True)))
"""
LINK = """
import asyncio, sys
from pathlib import Path
from thecal.clinic.pending import RecordLedger
from thecal.clinic.record.store import Stamp
from thecal.clinic.who import SYSTEM
from thecal.rig.home import Home
from thecal.rig.service import serve_link
from tests.demonstration_world import record_of
from tests.rig_world import PATIENCE
home = Home(Path(sys.argv[1]))
stamp = Stamp(SYSTEM, 0, 0, "test", "test")
ledger = RecordLedger(record_of(home.folder), lambda: stamp)
asyncio.run(serve_link(home, PATIENCE, lambda: print("ready", flush=True), ledger))
"""


class World:
    """A small demonstration with its rig and its link service."""

    def __init__(self, home: Home, scenario: Scenario) -> None:
        self.home = home
        self.store = record_of(home.folder)
        clock = WorldClock(home.world)
        self.practice = Practice(self.store, Pumps(LinkAsk(home)), load(), clock.utc_s, "test")
        self.moving = Moving(scenario, self.practice, LinkAsk(home), RigWorld(home), Turn(home.run / "moving.lock"))
        self.start()

    def start(self) -> None:
        self.rig = Process(RIG, [str(self.home.folder)]).start()
        self.link = Process(LINK, [str(self.home.folder)]).start()

    def stop(self) -> None:
        self.link.stop()
        self.rig.stop()

    def count(self, event: Event, serial: str) -> int:
        query = select(func.count()).select_from(LogRecord).where(LogRecord.event == event, LogRecord.serial == serial)
        with self.store.reading() as db:
            return db.scalar(query) or 0


@pytest.fixture(scope="module")
def scenario_and_home(tmp_path_factory: pytest.TempPathFactory) -> tuple[Scenario, Home]:
    folder = tmp_path_factory.mktemp("moving") / "world"
    return small_world(folder, PRESSER, BRIDGE), Home(folder)


@pytest.fixture(scope="module")
def world(scenario_and_home: tuple[Scenario, Home]) -> Iterator[World]:
    scenario, home = scenario_and_home
    made = World(home, scenario)
    yield made
    made.stop()
    made.store.close()


def serial_of(world: World, number: str) -> str:
    return next(p.pump.serial for p in world.moving.scenario.patients if p.number == number)


def test_a_day_brings_the_patients_presses_through_the_link(world: World) -> None:
    serial, said = serial_of(world, PRESSER), next(p for p in world.moving.scenario.patients if p.number == PRESSER)
    assert said.presses is not None
    before = world.count(Event.BOLUS, serial) + world.count(Event.REFUSED, serial)
    now_s = world.practice.now_s()
    pressed = list(presses_between(PRESSER, said.presses, world.moving.scenario.zone, now_s, now_s + 86_400))
    assert world.moving.move(86_400) == now_s + 86_400
    assert pressed
    assert world.count(Event.BOLUS, serial) + world.count(Event.REFUSED, serial) == before + len(pressed)


def test_after_a_move_every_pump_was_read(world: World) -> None:
    now_s = world.moving.move(3600)
    with world.store.reading() as db:
        newest = dict(
            db.execute(
                select(Interrogation.serial, func.max(Interrogation.read_utc_s)).group_by(Interrogation.serial)
            ).all()
        )
    assert set(newest) == {p.pump.serial for p in world.moving.scenario.patients}
    assert all(now_s - at <= 1 for at in newest.values())


def test_the_next_event_is_ahead_and_the_bridge_ends_by_and_by(world: World) -> None:
    for _ in range(12):
        seconds = world.moving.next_event_s()
        assert 0 < seconds <= 86_400 + 60
        world.moving.move(seconds)
        if world.count(Event.BRIDGE_END, serial_of(world, BRIDGE)):
            return
    world.moving.move(86_400)
    assert world.count(Event.BRIDGE_END, serial_of(world, BRIDGE)) == 1


def test_the_seconds_of_the_machine_pass_in_the_world(world: World) -> None:
    now_s = world.practice.now_s()
    world.moving.tick(5)
    world.moving.tick(0)
    assert world.practice.now_s() == now_s + 5


def test_between_two_runs_the_world_stands_still_and_no_pump_loses_power(world: World) -> None:
    boots = {p.pump.serial: world.count(Event.BOOT, p.pump.serial) for p in world.moving.scenario.patients}
    now_s = world.practice.now_s()
    world.stop()
    time.sleep(1.1)
    world.start()
    assert world.practice.now_s() == now_s
    world.moving.move(60)
    assert {serial: world.count(Event.BOOT, serial) for serial in boots} == boots
