"""A demonstration is made by running its pumps: every row about a pump has the pump's own log behind it."""

from __future__ import annotations

from contextlib import closing
from struct import unpack
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from tests.demonstration_world import AWAY, BRIDGE, NOTICE, NOW_S, STOPPED, UNRESOLVED, record_of, small_world, some_of

from thecal.clinic.record.tables import (
    Audit,
    BoardLine,
    Fill,
    Implant,
    Interrogation,
    LinkCommand,
    LinkOutcome,
    LogRecord,
    NoticeHandled,
    Patient,
    ProgramRun,
)
from thecal.clinic.session import reading, status_of
from thecal.demonstration.acts import NotMade
from thecal.demonstration.making import Making, make_world
from thecal.formulary import load
from thecal.link.log_reading import Event
from thecal.pump.core import alarms
from thecal.pump.core.log import RECORD, SIZE
from thecal.pump.device import FileDisk
from thecal.rig.clock import read_anchor
from thecal.rig.home import Home
from thecal.rig.rest import wake

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.orm import Session

    from thecal.pump.device import Device

Log = dict[int, tuple[int, int, int, int, int]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("making") / "world"
    small_world(folder, STOPPED, UNRESOLVED, BRIDGE, AWAY, NOTICE)
    return Home(folder)


@pytest.fixture(scope="module")
def pumps(home: Home) -> dict[str, Device]:
    """Every pump as it goes on from where it was laid down."""
    anchor = read_anchor(home.world)
    assert anchor is not None
    return {serial: wake(FileDisk(home.pump(serial), flush=False), anchor.true_s) for serial in home.serials()}


@pytest.fixture(scope="module")
def logs(pumps: dict[str, Device]) -> dict[str, Log]:
    return {serial: log_of(device) for serial, device in pumps.items() if device.powered}


def log_of(device: Device) -> Log:
    """A pump's own log: number, uptime, event and what it holds."""
    found: Log = {}
    while True:
        data, _ = device.log_piece(len(found) + 1, 40)
        if not data:
            return found
        for at in range(0, len(data), SIZE):
            number, *rest = unpack(RECORD, data[at : at + SIZE])
            found[number] = (number, *rest)


@pytest.fixture(scope="module")
def db(home: Home) -> Iterator[Session]:
    with closing(record_of(home.folder)) as store, store.reading() as session:
        yield session


def serial_of(db: Session, number: str) -> str:
    query = select(Implant.serial).join(Patient, Patient.id == Implant.patient_id).where(Patient.number == number)
    return db.scalars(query).one()


def test_every_record_of_a_log_is_the_pumps_own(db: Session, logs: dict[str, Log]) -> None:
    rows = db.scalars(select(LogRecord)).all()
    assert len(rows) > 300
    for row in rows:
        if row.serial in logs:
            number, uptime_s, _clock_s, event, *_ = logs[row.serial][row.number]
            assert (row.number, row.uptime_s, row.event) == (number, uptime_s, event)


def test_every_program_and_every_fill_is_in_the_log_of_its_pump(db: Session, logs: dict[str, Log]) -> None:
    events = {(row.serial, row.event) for row in db.scalars(select(LogRecord))}
    runs = db.scalars(select(ProgramRun)).all()
    assert len(runs) == 6, "each pump its first program, and one another one"
    for run in runs:
        confirmed = [
            row
            for row in db.scalars(
                select(LogRecord).where(LogRecord.serial == run.serial, LogRecord.event == Event.PROGRAM)
            )
            if row.fields["b"] == int.from_bytes(run.digest[:7], "big")
        ]
        assert len(confirmed) == 1
    fills = db.scalars(select(Fill)).all()
    assert fills
    for fill in fills:
        assert (fill.serial, Event.REFILL) in events


def test_pumps_go_on_in_the_second_in_which_the_world_ended(db: Session, pumps: dict[str, Device]) -> None:
    away = serial_of(db, AWAY)
    for serial, device in pumps.items():
        if serial != away:
            assert not device.controller.alarms.on(alarms.POWER_LOST)
    assert not pumps[away].powered


def test_what_a_visitor_looks_for_is_there(db: Session) -> None:
    stopped = reading(db, serial_of(db, STOPPED))
    assert stopped is not None
    assert not status_of(stopped).running
    bridge = reading(db, serial_of(db, BRIDGE))
    assert bridge is not None
    assert status_of(bridge).bridge_left_s > 0
    away = reading(db, serial_of(db, AWAY))
    assert away is not None
    assert NOW_S - away.read_utc_s > 86_400
    open_ = (
        select(LinkCommand).outerjoin(LinkOutcome, LinkOutcome.row == LinkCommand.row).where(LinkOutcome.row.is_(None))
    )
    assert [(c.serial, c.path) for c in db.scalars(open_)] == [(serial_of(db, UNRESOLVED), "bolus")]
    lines = {line.serial: line for line in db.scalars(select(BoardLine))}
    assert lines[serial_of(db, STOPPED)].stopped_utc_s is not None
    assert not db.scalars(select(NoticeHandled)).all()


def test_the_record_was_written_in_the_order_of_the_worlds_time(db: Session) -> None:
    times = list(db.scalars(select(Audit.at_utc_s).order_by(Audit.seq)))
    assert times == sorted(times)
    assert times[-1] == NOW_S
    assert max(row.read_utc_s for row in db.scalars(select(Interrogation))) == NOW_S


def test_what_cannot_be_made_leaves_nothing_behind(tmp_path: Path) -> None:
    from dataclasses import replace

    scenario = replace(some_of([STOPPED]), reasons={})
    with pytest.raises(NotMade, match="gives no reason"):
        make_world(tmp_path / "world", Making(scenario, load(), NOW_S, "test"))
    assert list(tmp_path.iterdir()) == []
