"""The log on disk: over boots, crashes, damage and a full ring the chain of what is counted verifies."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.device_world import Pump, new, order, running
from tests.test_pump_device_memory import BrokenDisk

from thecal.pump.core import alarms as al
from thecal.pump.core import codes
from thecal.pump.core.log import SIZE, Log
from thecal.pump.device import LOG_RECORDS, FaultyDisk, PowerCut, RamDisk, Tear
from thecal.pump.device.history import SLOT, History


def waken(disk: FaultyDisk, log: Log | None = None) -> History:
    """The history of a pump whose state counts what ``log`` had sealed; without one, all that is on disk."""
    history = History(disk)
    if log is not None:
        history.log.sealed = log.sealed
        history.log.digest[:] = log.digest
    return history


def append(history: History, n: int) -> None:
    for _ in range(n):
        history.log.append(history.log.count(), 0, codes.E_TEST, 1, 2)
        if history.log.n_pending == 16:
            assert history.flush()
    assert history.flush()


def chain(history: History, first: int = 0) -> list[int]:
    """The numbers of all records from ``first`` (0: the oldest) on, with their chain followed to the newest digest."""
    number = first or history.log.oldest()
    if number == 0:
        return []
    digest, found = history.piece(number, 1)[1], []
    while number <= history.log.sealed:
        records, before = history.piece(number, 24)
        assert before == digest
        for at in range(0, len(records), SIZE):
            digest = sha256(digest + records[at : at + SIZE]).digest()
            found.append(int.from_bytes(records[at : at + 4], "little"))
        number = found[-1] + 1
    assert digest == bytes(history.log.digest)
    return found


@pytest.mark.parametrize("n", [0, 1, 15, 16, 17, LOG_RECORDS - 1, LOG_RECORDS, LOG_RECORDS + 1, 2 * LOG_RECORDS + 7])
@pytest.mark.requirement("P12", "OP-6.6.5", "OP-6.6.7", "MX-07")
def test_records_are_there_after_waking(n: int) -> None:
    disk = FaultyDisk(RamDisk())
    history = waken(disk)
    assert history.verify()
    append(history, n)
    again = waken(disk, history.log)
    assert again.verify()
    assert chain(again) == list(range(max(0, n - LOG_RECORDS) + 1, n + 1))
    append(again, 3)
    assert chain(again)[-3:] == [n + 1, n + 2, n + 3]


def test_pieces_have_a_first_record_and_a_length() -> None:
    disk = FaultyDisk(RamDisk())
    history = waken(disk)
    assert history.verify()
    assert history.piece(1, 5) == (b"", b"")
    append(history, 20)
    assert [len(history.piece(at, 24)[0]) // SIZE for at in (0, 1, 5, 20, 21)] == [0, 20, 16, 1, 0]
    assert history.piece(1, 1)[1] == bytes(32)
    assert len(history.piece(3, 2)[0]) == 2 * SIZE
    history.log.append(0, 0, codes.E_TEST, 0, 0)
    history.log.seal()
    assert history.piece(21, 1) == (b"", b""), "not on disk yet"


@pytest.mark.parametrize("n", [40, LOG_RECORDS + 40])
@pytest.mark.parametrize("more", [1, 5])
def test_records_that_no_state_counts_are_written_over(n: int, more: int) -> None:
    disk = FaultyDisk(RamDisk())
    history = waken(disk)
    assert history.verify()
    append(history, n)
    counted = Log(1)
    counted.sealed, counted.digest[:] = history.log.sealed, history.log.digest
    append(history, more)
    again = waken(disk, counted)
    assert again.verify(), "a crash explains what is missing"
    assert again.log.lost == max(0, n + more - LOG_RECORDS)
    append(again, more + 2)
    assert chain(again)[-1] == n + more + 2
    third = waken(disk, again.log)
    assert third.verify()
    assert chain(third) == chain(again)


@settings(max_examples=60)
@given(
    n=st.integers(1, 60),
    at=st.integers(0, 59),
    byte=st.integers(0, SLOT - 1),
    bit=st.integers(0, 7),
)
def test_a_damaged_record_ends_the_chain_and_is_said_once(n: int, at: int, byte: int, bit: int) -> None:
    disk = FaultyDisk(RamDisk())
    history = waken(disk)
    assert history.verify()
    append(history, n)
    at %= n
    disk.flip("log", at * SLOT + byte, bit)
    again = waken(disk, history.log)
    assert not again.verify()
    assert again.log.lost == at + 1
    assert chain(again) == list(range(at + 2, n + 1))
    third = waken(disk, history.log)
    assert third.verify()
    assert third.log.lost == at + 1
    append(third, 2)
    assert chain(third) == list(range(at + 2, n + 3))


@pytest.mark.parametrize("n", [1, 5, 16, 100])
def test_without_any_state_the_log_goes_on_behind_the_newest_record(n: int) -> None:
    disk = FaultyDisk(RamDisk())
    history = waken(disk)
    assert history.verify()
    append(history, n)
    again = waken(disk)
    assert again.verify()
    assert (again.log.sealed, bytes(again.log.digest)) == (n, bytes(history.log.digest))
    append(again, 4)
    assert chain(again) == list(range(1, n + 5))


def test_without_any_state_a_record_that_follows_nothing_is_not_believed() -> None:
    disk = FaultyDisk(RamDisk())
    history = waken(disk)
    assert history.verify()
    append(history, 10)
    disk.flip("log", 8 * SLOT)
    again = waken(disk)
    assert again.log.sealed == 8
    assert again.verify()
    assert chain(again) == list(range(1, 9))


@pytest.mark.parametrize("tear", list(Tear))
@pytest.mark.parametrize("torn", [0, 32, 64, 100, 1000])
def test_a_torn_write_leaves_what_was_counted(tear: Tear, torn: int) -> None:
    for n in (30, LOG_RECORDS - 8, LOG_RECORDS + 30):
        disk = FaultyDisk(RamDisk())
        history = waken(disk)
        assert history.verify()
        append(history, n)
        counted = Log(1)
        counted.sealed, counted.digest[:] = history.log.sealed, history.log.digest
        for _ in range(16):
            history.log.append(0, 0, codes.E_TEST, 3, 4)
        disk.cut(1, tear, torn)
        with pytest.raises(PowerCut):
            history.flush()
        disk.calm()
        again = waken(disk, counted)
        again.verify()
        assert again.log.lost <= max(0, n + 16 - LOG_RECORDS)
        append(again, 20)
        assert chain(again)[-1] == n + 20


def test_what_does_not_read_back_is_tried_again() -> None:
    disk = FaultyDisk(RamDisk())
    history = waken(disk)
    assert history.verify()
    append(history, 3)
    history.log.append(0, 0, codes.E_TEST, 1, 1)
    disk.lose_write(1)
    assert not history.flush()
    assert history.piece(4, 1) == (b"", b"")
    append(history, 1)
    again = waken(disk, history.log)
    assert again.verify()
    assert chain(again) == [1, 2, 3, 4, 5]


def test_in_a_full_ring_what_passes_its_end_is_lost_in_both_parts() -> None:
    for lost in (1, 2):
        disk = FaultyDisk(RamDisk())
        history = waken(disk)
        assert history.verify()
        append(history, LOG_RECORDS - 4)
        for _ in range(10):
            history.log.append(0, 0, codes.E_TEST, 1, 1)
        disk.lose_write(lost)
        assert not history.flush()
        assert history.flush()


def test_a_disk_that_refuses_does_not_end_the_pump() -> None:
    history = History(BrokenDisk(reads=True))
    assert history.verify()
    for i in range(2 * LOG_RECORDS):
        history.log.append(0, 0, codes.E_TEST, 1, 1)
        assert i % 1000 or not history.flush()
    assert not history.flush()
    assert history.log.oldest() == LOG_RECORDS + 1
    assert History(BrokenDisk(reads=False)).verify()


@pytest.mark.requirement("OP-6.6.6", "UM-85")
def test_a_pump_keeps_its_log_over_boots_and_says_what_is_lost() -> None:
    pump = running()
    for i in range(30):
        pump.press(i + 1)
        pump.reboot(10)
    rows = pump.events()
    assert len(rows) == pump.c.log.sealed
    assert pump.c.log.lost == 0
    assert next(a for _, event, a, _ in rows if event == codes.E_BOOT) == 0
    assert LOG_RECORDS >= 10 * 183, "ten records a day for more than half a year"


def test_a_log_of_another_pump_is_not_taken_over() -> None:
    a, b = running(), running(order(2))
    a.press(1)
    for pump, other in ((a, b), (b, a)):
        pump.disk.write("log", other.disk.read("log"))
    a.device.cut_power()
    a.device.boot(a.device.now_s)
    a.watch()
    assert al.MEMORY_MINOR in a.alarms()
    assert a.c.log.oldest() == a.c.log.sealed - len(a.events()) + 1


def test_a_new_pump_has_an_empty_log() -> None:
    pump = new()
    assert [event for _, event, _, _ in pump.events()] == [codes.E_BOOT]
    fresh = Pump(pump.device, pump.disk)
    assert fresh.device.log_piece(0, 10) == (b"", b"")
