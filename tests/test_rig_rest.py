"""A pump that rests goes on in the same second, as if nobody had left; else it wakes as after a loss of power."""

from __future__ import annotations

import pickle

import pytest
from tests.core_world import packed
from tests.link_world import DOCUMENT
from tests.rig_world import an_order

from thecal.pump.core import alarms
from thecal.pump.core.codes import GRANTED
from thecal.pump.device import Device, Identity, RamDisk, make
from thecal.pump.families import Calibration
from thecal.rig.rest import AREA, lay_down, wake

DAY_S = 86_400


def delivering() -> tuple[RamDisk, Device]:
    disk = RamDisk()
    make(disk, Identity("bench-20", "R-1", Calibration()))
    device = Device(disk, 0)
    device.fill(18_000_000)
    device.commands.refill(18_000_000)
    device.keep_document(DOCUMENT)
    assert device.commands.propose(packed(an_order())) == GRANTED
    assert device.commands.confirm(device.commands.staged_digest()) == GRANTED
    assert device.commands.start(1) == GRANTED
    device.settle()
    device.advance(DAY_S)
    return disk, device


def left(disk: RamDisk) -> RamDisk:
    """The disk as the next process finds it."""
    other = RamDisk()
    for area in (
        "identity",
        "state-0",
        "state-1",
        "program-0",
        "program-1",
        "log",
        "document-0",
        "document-1",
        "world-0",
        "world-1",
        AREA,
    ):
        other.write(area, disk.read(area))
    return other


def test_a_rested_pump_delivers_on_as_if_nobody_had_left() -> None:
    disk, device = delivering()
    lay_down(device, disk)
    woken = wake(left(disk), DAY_S)
    device.advance(9 * DAY_S)
    woken.advance(9 * DAY_S)
    assert woken.truth() == device.truth()
    assert not woken.controller.alarms.on(alarms.POWER_LOST)


def test_a_rest_is_good_once() -> None:
    disk, device = delivering()
    lay_down(device, disk)
    other = left(disk)
    wake(other, DAY_S)
    again = wake(other, DAY_S)
    assert again.controller.alarms.on(alarms.POWER_LOST), "the second waking is a loss of power"


def test_a_rest_of_another_memory_is_not_used() -> None:
    disk, device = delivering()
    lay_down(device, disk)
    held = disk.read(AREA)
    device.advance(3 * DAY_S)
    device.settle()
    disk.write(AREA, held)
    woken = wake(left(disk), 3 * DAY_S)
    assert woken.controller.alarms.on(alarms.POWER_LOST)
    assert woken.truth().delivered_nl == device.truth().delivered_nl


@pytest.mark.parametrize("damage", [b"", b"x" * 200])
def test_a_damaged_rest_is_a_loss_of_power(damage: bytes) -> None:
    disk, device = delivering()
    lay_down(device, disk)
    disk.write(AREA, disk.read(AREA)[:100] + damage)
    assert wake(left(disk), DAY_S).controller.alarms.on(alarms.POWER_LOST)


def test_a_rest_holds_nothing_but_a_pump() -> None:
    from io import BytesIO

    from thecal.rig import rest

    with pytest.raises(pickle.UnpicklingError, match="what a pump is made of"):
        rest._Unpickler(BytesIO(pickle.dumps(print)), RamDisk()).load()
