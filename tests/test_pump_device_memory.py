"""Disks: what is written is there, in whole and in part; what is told to fail fails just so."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.device_world import STROKE_NL, running

from thecal.pump.core.record import PROGRAM, STATE
from thecal.pump.device import Disk, FaultyDisk, FileDisk, PowerCut, RamDisk, Tear
from thecal.pump.device.memory import CoreStore

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["ram", "files", "unflushed files", "faulty"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Disk:
    made: dict[str, Disk] = {
        "ram": RamDisk(),
        "files": FileDisk(tmp_path / "a" / "b"),
        "unflushed files": FileDisk(tmp_path / "c", flush=False),
        "faulty": FaultyDisk(FileDisk(tmp_path / "d")),
    }
    return made[request.param]


def test_what_is_written_is_read(disk: Disk) -> None:
    assert disk.read("log") == b""
    disk.write("log", b"abcdef")
    assert disk.read("log") == b"abcdef"
    disk.write("log", b"xy")
    assert disk.read("log") == b"xy"
    disk.write_at("log", 1, b"12")
    assert disk.read("log") == b"x12"
    disk.write_at("log", 5, b"z")
    assert disk.read("log") == b"x12\0\0z"
    disk.write_at("log", 1, b"...")
    assert disk.read("log") == b"x...\0z"
    disk.erase("log")
    disk.erase("log")
    assert disk.read("log") == b""
    disk.write_at("log", 2, b"a")
    assert disk.read("log") == b"\0\0a"


@pytest.mark.parametrize("name", ["", "Log", "../log", "a/b", "-a", "a" * 65, "log\n", "l.g"])
def test_areas_have_plain_names(disk: Disk, name: str) -> None:
    for act in (lambda: disk.read(name), lambda: disk.write(name, b"x"), lambda: disk.erase(name)):
        with pytest.raises(ValueError, match="lower-case letters, digits and hyphens"):
            act()


def test_files_are_for_their_owner_alone_and_outlive_the_disk(tmp_path: Path) -> None:
    folder = tmp_path / "pump"
    FileDisk(folder).write("state-0", b"a" * 100_000)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "state-0").stat().st_mode & 0o777 == 0o600
    assert FileDisk(folder).read("state-0") == b"a" * 100_000


def test_a_pump_runs_on_files(tmp_path: Path) -> None:
    pump = running(inner=FileDisk(tmp_path))
    before = pump.device.truth()
    pump.restart(100)
    after = pump.device.truth()
    assert (after.delivered_nl, after.strokes) == (before.delivered_nl, before.strokes)
    assert before.delivered_nl == 111 * STROKE_NL
    assert pump.c.loaded


# Faults

OLD, NEW = b"the older text", b"NEW"


@pytest.mark.parametrize(
    ("tear", "torn", "left"),
    [
        (Tear.BEFORE, 2, OLD),
        (Tear.OVERWRITTEN, 2, b"NEe older text"),
        (Tear.OVERWRITTEN, 99, b"NEW older text"),
        (Tear.TRUNCATED, 2, b"NE"),
        (Tear.TRUNCATED, 0, b""),
        (Tear.AFTER, 0, NEW),
    ],
)
def test_a_write_is_torn(tear: Tear, torn: int, left: bytes) -> None:
    disk = FaultyDisk(RamDisk())
    disk.write("a", OLD)
    disk.cut(2, tear, torn)
    disk.write("b", b"before the cut")
    with pytest.raises(PowerCut):
        disk.write("a", NEW)
    assert disk.read("a") == left
    assert disk.writes == 3
    disk.write("a", NEW)
    assert disk.read("a") == NEW


@pytest.mark.parametrize(
    ("tear", "torn", "left"),
    [
        (Tear.BEFORE, 2, OLD),
        (Tear.OVERWRITTEN, 2, b"the NEder text"),
        (Tear.TRUNCATED, 2, b"the NE\0er text"),
        (Tear.AFTER, 0, b"the NEWer text"),
    ],
)
def test_a_write_of_a_part_is_torn(tear: Tear, torn: int, left: bytes) -> None:
    disk = FaultyDisk(RamDisk())
    disk.write("a", OLD)
    disk.cut(1, tear, torn)
    with pytest.raises(PowerCut):
        disk.write_at("a", 4, NEW)
    assert disk.read("a") == left


def test_erasing_is_a_write_too() -> None:
    disk = FaultyDisk(RamDisk())
    disk.write("a", OLD)
    disk.cut(1, Tear.BEFORE)
    with pytest.raises(PowerCut):
        disk.erase("a")
    assert disk.read("a") == OLD


def test_a_lost_write_is_not_there() -> None:
    disk = FaultyDisk(RamDisk())
    disk.write("a", OLD)
    disk.lose_write(1)
    disk.write("a", NEW)
    assert disk.read("a") == OLD
    disk.write("a", NEW)
    assert disk.read("a") == NEW


def test_a_lost_flush_is_there_until_the_power_goes() -> None:
    disk = FaultyDisk(RamDisk())
    disk.write("a", OLD)
    disk.lose_flush(1)
    disk.lose_flush(2)
    disk.lose_flush(3)
    disk.write("a", b"first")
    disk.write("a", NEW)
    disk.write("b", NEW)
    assert (disk.read("a"), disk.read("b")) == (NEW, NEW)
    disk.power_cut()
    assert (disk.read("a"), disk.read("b")) == (OLD, b"")
    disk.power_cut()
    assert disk.read("a") == OLD


def test_a_later_flush_carries_a_lost_one_with_it() -> None:
    disk = FaultyDisk(RamDisk())
    disk.lose_flush(1)
    disk.write("a", OLD)
    disk.write_at("a", 0, NEW)
    disk.power_cut()
    assert disk.read("a") == b"NEW older text"


def test_a_write_that_the_power_cut_carries_nothing_with_it() -> None:
    disk = FaultyDisk(RamDisk())
    disk.write("a", OLD)
    disk.lose_flush(1)
    disk.write("a", NEW)
    disk.cut(1, Tear.OVERWRITTEN, 1)
    with pytest.raises(PowerCut):
        disk.write("a", b"xyz")
    assert disk.read("a") == OLD


def test_faults_that_did_not_come_can_be_called_off() -> None:
    disk = FaultyDisk(RamDisk())
    disk.cut(1)
    disk.lose_write(1)
    disk.lose_flush(1)
    disk.calm()
    disk.write("a", OLD)
    disk.power_cut()
    assert disk.read("a") == OLD


def test_a_bit_is_turned_over() -> None:
    disk = FaultyDisk(RamDisk())
    disk.flip("a", 3)
    assert disk.read("a") == b""
    disk.write("a", b"\0\0")
    disk.flip("a", 3, 4)
    assert disk.read("a") == b"\0\x10"
    assert disk.writes == 1


@given(
    parts=st.lists(st.tuples(st.integers(0, 300), st.binary(min_size=1, max_size=100)), max_size=12), whole=st.binary()
)
def test_all_disks_splice_alike(
    tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[int, bytes]], whole: bytes
) -> None:
    disks: list[Disk] = [RamDisk(), FileDisk(tmp_path_factory.mktemp("d"), flush=False), FaultyDisk(RamDisk())]
    for d in disks:
        d.write("a", whole)
        for at, data in parts:
            d.write_at("a", at, data)
    assert len({d.read("a") for d in disks}) == 1


# What the core sees of a disk


class BrokenDisk(RamDisk):
    """A disk on which a write, or a read, is refused by the machine."""

    def __init__(self, *, reads: bool) -> None:
        super().__init__()
        self.reads = reads

    def read(self, name: str) -> bytes:
        if not self.reads:
            raise OSError(5, os.strerror(5))
        return super().read(name)

    def write(self, name: str, data: bytes) -> None:
        raise OSError(28, os.strerror(28), name)


def test_the_core_writes_and_reads_its_areas() -> None:
    disk = RamDisk()
    store = CoreStore(disk)
    for area in (*STATE, *PROGRAM):
        store.write(area, bytearray(b"data of %d" % area))
        assert store.holds(area, bytearray(b"data of %d" % area))
        assert not store.holds(area, bytearray(b"data"))
    assert [disk.read(n) for n in ("state-0", "state-1", "program-0", "program-1")] == [
        b"data of %d" % a for a in range(4)
    ]


def test_a_state_that_is_gone_is_damaged_unless_the_pump_is_new() -> None:
    assert CoreStore(RamDisk(), new=True).read(STATE[0]) == b""
    assert CoreStore(RamDisk()).read(STATE[0]) != b""
    assert CoreStore(RamDisk()).read(PROGRAM[0]) == b""


def test_what_the_machine_refuses_does_not_read_back() -> None:
    store = CoreStore(BrokenDisk(reads=True))
    store.write(0, bytearray(b"x"))
    assert not store.holds(0, bytearray(b"x"))
    unreadable = CoreStore(BrokenDisk(reads=False), new=True)
    assert unreadable.read(0) != b""
    assert not unreadable.holds(0, bytearray(b""))
