"""Power fails at every write of a whole pump, flushes are lost, bits turn over, processes are killed: what holds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core_world import broken_windows
from tests.device_world import BENCH, DAY, HOUR, Pump, digest_of, new, order, running

from thecal.pump.core import alarms as al
from thecal.pump.core import codes
from thecal.pump.core.log import SIZE
from thecal.pump.device import (
    LOG_RECORDS,
    Device,
    Fault,
    FaultKind,
    FaultyDisk,
    FileDisk,
    IdentityError,
    PowerCut,
    RamDisk,
    Tear,
    make,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from thecal.pump.core.program import Program

# A search through many lives: its lines are counted by the tests of each part, and counting them here doubles its time.
pytestmark = pytest.mark.no_cover

DEAD_NL = 10_000
DOCUMENTS = (b"the first order", b"the second order")
FIRST = order(1, ((0, 20_000_000), (7200, 40_000_000), (14_400, 10_000_000)), document=DOCUMENTS[0])
SECOND = order(
    3,
    ((0, 15_000_000), (7200, 30_000_000)),
    strengths=(4_000_000, 2_500_000),
    bridge=(5_000_000, 20_000_000, 0),
    document=DOCUMENTS[1],
)
DIGESTS = {digest_of(FIRST), digest_of(SECOND)}


def load(pump: Pump, p: Program, document: bytes) -> int:
    """What a programmer does: the document first, then the program, in doubt both again."""
    if pump.c.loaded and digest_of(pump.c.program) == digest_of(p):
        assert pump.device.document() == document
        return codes.GRANTED
    assert pump.device.keep_document(document)
    answer = pump.load(p)
    while answer in {codes.CEILING_1H, codes.CEILING_24H, codes.RUNNING}:
        wait_s = pump.device.commands.wait_s
        assert 0 < wait_s <= DAY
        pump.wait(wait_s)
        answer = pump.load(p)
    return answer


def refill(pump: Pump, number: int) -> int:
    """The nurse works once; the command may have to be sent again."""
    if pump.device.truth().reservoir_nl != 18_000_000:
        pump.device.draw()
        pump.device.fill(18_000_000)
    return pump.command(number, lambda: pump.device.commands.refill(18_000_000))


def prime(pump: Pump, number: int) -> int:
    commands = pump.device.commands
    return pump.command(number, lambda: commands.prime(number, DEAD_NL + 5000, DEAD_NL, near_field=True))


def single(pump: Pump, number: int) -> int:
    return pump.command(number, lambda: pump.device.commands.single(20, 300))


def clear(pump: Pump, number: int, alarm: int) -> int:
    return pump.command(number, lambda: pump.device.commands.clear(alarm))


ACTS: tuple[Callable[[Pump], object], ...] = (
    lambda p: refill(p, 1),
    lambda p: load(p, FIRST, DOCUMENTS[0]),
    lambda p: p.command(2, lambda: p.device.commands.start(1)),
    lambda p: prime(p, 3),
    lambda p: p.wait_until(7100),
    lambda p: p.press(1),
    lambda p: p.wait_until(7400),
    lambda p: single(p, 4),
    lambda p: p.wait_until(9000),
    lambda p: p.press(2),
    lambda p: p.inject(FaultKind.STALL, 60, 600) if not p.device.faults() else None,
    lambda p: p.wait_until(12_000),
    lambda p: p.press(3),
    lambda p: p.wait_until(12_100),
    lambda p: p.command(5, lambda: p.device.commands.stop(1)),
    lambda p: p.wait_until(13_000),
    lambda p: refill(p, 6),
    lambda p: load(p, SECOND, DOCUMENTS[1]),
    lambda p: p.command(7, lambda: p.device.commands.start(1)),
    lambda p: p.wait_until(17_000),
    lambda p: p.press(4),
    lambda p: p.command(8, lambda: p.device.commands.acknowledge(al.POWER_LOST)),
    lambda p: clear(p, 9, al.POWER_LOST),
    lambda p: p.wait_until(18_500),
)


def wake(pump: Pump, dark_s: int, *, whole: bool = True) -> None:
    """Bring a pump back that lost its power, and look at it."""
    assert not pump.device.powered
    pump.device.boot(pump.device.now_s + dark_s)
    pump.watch()
    look(pump, whole=whole)


def look(pump: Pump, *, whole: bool = True) -> None:
    pump.check()
    c = pump.c
    assert not c.alarms.on(al.MEMORY_CRITICAL)
    if c.loaded:
        assert digest_of(c.program) in DIGESTS
        assert pump.device.document() == DOCUMENTS[digest_of(c.program) == digest_of(SECOND)]
    else:
        assert c.program.number == 0
    if whole:
        pump.events()


def live(pump: Pump, dark_s: int = 100, recut: Callable[[], bool] = lambda: False) -> int:
    """Do every act; after each loss of power the same act again, as the link would. The answer: how often it failed."""
    cuts = 0
    pending = True
    for act in ACTS:
        done = False
        while not done:
            try:
                if not pump.device.powered:
                    wake(pump, dark_s, whole=not pending)
                act(pump)
                done = True
            except PowerCut:
                cuts += 1
                pending = recut()
    pump.disk.calm()
    judge(pump)
    return cuts


def judge(pump: Pump) -> None:
    """The promises over the whole life, from the strokes that truly left the pump."""
    look(pump)
    assert broken_windows(pump.strokes) == []
    assert sum(1 for s in pump.strokes if s.free) * 250 <= DEAD_NL
    assert all(given <= 40 for given in pump.presses.values())
    assert pump.c.level_nl <= pump.device.truth().reservoir_nl
    assert digest_of(pump.c.program) == digest_of(SECOND)
    assert pump.c.running
    # A command of which there is a record in the log was done once, whatever happened around it.
    assert [a for a, _ in pump.happened(codes.E_PRIME)] == [3]
    assert len(pump.happened(codes.E_REFILL)) == 2
    assert len(pump.happened(codes.E_PROGRAM)) == 2
    assert len(pump.happened(codes.E_STOP)) == 1
    assert len(pump.happened(codes.E_START)) == 2
    assert len([b for a, b in pump.happened(codes.E_BOLUS) if (a, b) == (codes.SINGLE, 20)]) <= 2  # single, and prime


def test_the_scenario_delivers_and_alarms() -> None:
    """The campaigns below are worth something."""
    pump = new()
    assert live(pump) == 0
    assert {r for r, n in pump.presses.items() if n} == {1, 3, 4}
    assert al.STALL in {a for a, _ in pump.happened(codes.E_ALARM)}
    assert len(pump.strokes) > 400


def cut_at_every_write(tear: Tear, torn: tuple[int, ...], dark_s: int, step: int = 1, first: int = 1) -> int:
    """Power fails at write n, for every n (or every ``step``-th) until none fails; the answer is that n."""
    n = first
    while True:
        pump = new()
        pump.disk.cut(n, tear, torn[n % len(torn)])
        if live(pump, dark_s, lambda: False) == 0:
            return n
        n += step


TORN = (0, 1, 33, 64, 300, 1900, 6000, 12_000)


@pytest.mark.requirement("P4", "P12", "OP-6.6.4", "OP-6.6.5", "MX-07")
@pytest.mark.parametrize(("i", "tear"), list(enumerate(Tear)))
def test_power_fails_at_writes_throughout(i: int, tear: Tear) -> None:
    last = cut_at_every_write(tear, TORN, 100, step=len(Tear), first=1 + i)
    assert last > 130


@pytest.mark.long
@pytest.mark.requirement("P4", "P12")
@pytest.mark.parametrize("dark_s", [0, 4000])
@pytest.mark.parametrize("tear", list(Tear))
def test_power_fails_at_every_write(tear: Tear, dark_s: int) -> None:
    for torn in TORN if tear in {Tear.OVERWRITTEN, Tear.TRUNCATED} else (0,):
        assert cut_at_every_write(tear, (torn,), dark_s) > 130


CUTS = st.lists(
    st.tuples(st.integers(1, 60), st.sampled_from(Tear), st.integers(0, 13_000)),
    min_size=1,
    max_size=6,
)


def live_with_cuts(cuts: list[tuple[int, Tear, int]], dark_s: int) -> None:
    pump = new()
    ahead = iter(cuts)

    def recut() -> bool:
        following = next(ahead, None)
        if following:
            pump.disk.cut(*following)
        return following is not None

    recut()
    live(pump, dark_s, recut)


@settings(max_examples=20)
@given(cuts=CUTS, dark_s=st.integers(0, 9000))
def test_power_fails_again_and_again(cuts: list[tuple[int, Tear, int]], dark_s: int) -> None:
    live_with_cuts(cuts, dark_s)


@pytest.mark.long
@given(
    cuts=st.lists(CUTS, min_size=1, max_size=4).map(lambda parts: [c for part in parts for c in part]),
    dark_s=st.integers(0, 9000),
)
def test_power_fails_again_and_again_for_long(cuts: list[tuple[int, Tear, int]], dark_s: int) -> None:
    live_with_cuts(cuts, dark_s)


@pytest.mark.requirement("P1", "P2", "P4")
@settings(max_examples=12)
@given(at=st.lists(st.tuples(st.integers(1, 6000), st.integers(0, 5000), st.booleans()), min_size=1, max_size=8))
def test_power_fails_in_the_middle_of_delivery(at: list[tuple[int, int, bool]]) -> None:
    pump = running()
    for i, (wait_s, dark_s, press) in enumerate(at):
        if press:
            pump.press(i + 1)
        pump.wait(wait_s)
        pump.reboot(dark_s)
        pump.events()
        if press:
            assert pump.press(i + 1) in {codes.DUPLICATE, codes.STALE_ID}
    pump.wait(DAY)
    pump.check()
    assert broken_windows(pump.strokes) == []


@pytest.mark.requirement("P4")
@settings(max_examples=25)
@given(
    writes=st.lists(st.integers(1, 120), min_size=1, max_size=4), cut=st.integers(60, 200), dark_s=st.integers(0, 99)
)
def test_lost_flushes_leave_a_pump_that_says_what_it_lost(writes: list[int], cut: int, dark_s: int) -> None:
    """A disk that lies about a flush takes away what it held only there; what is left is whole or is doubted."""
    pump = new()
    for n in writes:
        pump.disk.lose_flush(n)
    pump.disk.cut(cut, Tear.BEFORE)
    try:
        for act in ACTS:
            act(pump)
    except PowerCut:
        pass
    pump.disk.calm()
    if not pump.device.powered:
        pump.device.boot(pump.device.now_s + dark_s)
        pump.watch()
    c = pump.c
    assert not c.loaded or digest_of(c.program) in DIGESTS
    if c.alarms.on(al.MEMORY_CRITICAL):
        assert not c.allowed()
    pump.events()
    pump.wait(HOUR)
    assert broken_windows(pump.strokes) == []


def test_one_lost_flush_of_a_state_loses_no_request() -> None:
    for lost in (3, 4):  # world and log come first, then a state and the other one
        pump = running()
        pump.disk.lose_flush(lost)
        assert pump.press(1) == codes.GRANTED
        pump.reboot()
        assert pump.press(1) == codes.DUPLICATE
        assert al.MEMORY_CRITICAL not in pump.alarms()


def test_a_record_whose_flush_was_lost_ends_the_log_and_is_said_to() -> None:
    pump = running()
    sealed = pump.c.log.sealed
    pump.disk.lose_flush(2)
    pump.press(1)
    pump.reboot()
    assert pump.c.log.lost == sealed + 1
    assert al.MEMORY_MINOR in pump.alarms()
    assert pump.clear(al.MEMORY_MINOR) == codes.GRANTED
    pump.reboot()
    assert pump.c.log.lost == sealed + 1, "what is known to be lost is not said again"
    assert al.MEMORY_MINOR not in pump.alarms()


@pytest.mark.parametrize(("area", "heals"), [("state-0", True), ("state-1", True), ("log", True)])
def test_a_bit_turned_over_in_one_copy_is_found_and_mended(area: str, *, heals: bool) -> None:
    pump = running()
    before = pump.c.commanded
    pump.disk.flip(area, 700)
    pump.device.cut_power()
    pump.device.boot(pump.device.now_s)
    pump.watch()
    if area == "log":
        pump.reboot()
    else:
        assert al.MEMORY_MINOR in pump.alarms()
    assert pump.c.loaded is heals
    assert pump.c.commanded >= before
    assert pump.c.allowed()
    pump.clear(al.MEMORY_MINOR)
    pump.reboot()
    assert al.MEMORY_MINOR not in pump.alarms()


@settings(max_examples=20)
@given(area=st.sampled_from(["state-0", "state-1"]), byte=st.integers(0, 20_000), bit=st.integers(0, 7))
def test_any_bit_of_either_state(area: str, byte: int, bit: int) -> None:
    pump = running()
    pump.press(1)
    pump.wait(100)
    pump.disk.flip(area, byte, bit)
    pump.reboot(10)
    assert al.MEMORY_MINOR in pump.alarms()
    assert pump.c.loaded
    assert pump.press(1) == codes.DUPLICATE
    pump.wait(HOUR)
    assert broken_windows(pump.strokes) == []


def test_both_states_damaged_stop_the_pump_and_the_log_goes_on() -> None:
    pump = running()
    before = pump.events()
    pump.disk.flip("state-0", 700)
    pump.disk.flip("state-1", 900)
    pump.device.cut_power()
    pump.device.boot(pump.device.now_s)
    pump.watch()
    assert al.MEMORY_CRITICAL in pump.alarms()
    assert not pump.c.allowed()
    assert pump.events()[: len(before)] == before
    assert pump.load(order(2)) == codes.MEMORY


def test_states_that_are_gone_are_damaged_and_not_new() -> None:
    pump = running()
    pump.disk.erase("state-0")
    pump.disk.erase("state-1")
    pump.device.cut_power()
    pump.device.boot(pump.device.now_s)
    assert al.MEMORY_CRITICAL in pump.alarms()


def test_a_damaged_program_stops_the_pump_at_waking() -> None:
    pump = running()
    pump.disk.flip("program-0", 100)
    pump.device.cut_power()
    pump.device.boot(pump.device.now_s)
    assert al.MEMORY_CRITICAL in pump.alarms()
    assert not pump.c.allowed()


@pytest.mark.requirement("OP-7.4.2")
def test_a_damaged_program_is_mended_at_the_daily_check() -> None:
    pump = running()
    pump.disk.flip("program-0", 100)
    pump.wait(DAY)
    assert pump.alarms() == {al.MEMORY_MINOR}
    pump.reboot()
    assert pump.c.loaded
    assert al.MEMORY_CRITICAL not in pump.alarms()


def test_a_damaged_state_is_written_over_within_the_hour() -> None:
    pump = new()
    pump.disk.flip("state-0", 100)
    pump.disk.flip("state-1", 100)
    pump.wait(HOUR)
    pump.reboot()
    assert pump.alarms() == set()


def test_a_disk_that_keeps_nothing_stops_the_pump() -> None:
    pump = running()
    for n in range(1, 60):
        pump.disk.lose_write(n)
    pump.wait(2 * HOUR)
    assert al.MEMORY_CRITICAL in pump.alarms()
    assert not pump.c.allowed()


def test_the_power_fails_while_a_damaged_log_is_looked_at() -> None:
    pump = running()
    pump.disk.flip("log", 100)
    pump.device.cut_power()
    pump.disk.cut(1, Tear.OVERWRITTEN, 30)
    with pytest.raises(PowerCut):
        pump.device.boot(pump.device.now_s)
    assert not pump.powered()
    pump.device.boot(pump.device.now_s)
    pump.watch()
    assert pump.c.loaded
    assert pump.alarms() >= {al.MEMORY_MINOR}
    pump.events()


def test_a_disk_without_a_fault_layer_loses_power_too() -> None:
    disk = RamDisk()
    make(disk, BENCH)
    device = Device(disk, 0)
    device.cut_power()
    device.boot(10)
    assert device.controller.boots == 2
    device.inject(Fault(FaultKind.CORRUPT_PROGRAM, 20, 20))
    device.advance(30)
    assert device.powered


# Making a pump


@pytest.mark.parametrize("tear", list(Tear))
@pytest.mark.parametrize("torn", [0, 70, 5000])
def test_making_a_pump_is_cut_at_every_write(tear: Tear, torn: int) -> None:
    n = 0
    whole = False
    while not whole:
        n += 1
        disk = FaultyDisk(RamDisk())
        disk.cut(n, tear, torn)
        try:
            make(disk, BENCH)
            whole = True
        except PowerCut:
            pass
        disk.calm()
        try:
            Device(disk, 0)
        except IdentityError:
            assert not whole
            make(disk, BENCH)
        assert Pump(Device(disk, 10), disk).alarms() == set()
    assert n > 5


def test_the_first_waking_is_cut_at_every_write() -> None:
    for n in range(1, 8):
        disk = FaultyDisk(RamDisk())
        make(disk, BENCH)
        disk.cut(n, Tear.OVERWRITTEN, 40)
        try:
            device = Device(disk, 0)
            device.settle()
        except PowerCut:
            device = Device(disk, 0)
        pump = Pump(device, disk)
        assert pump.alarms() <= {al.MEMORY_MINOR}
        assert pump.c.strokes == 0
    assert n == 7


def test_a_pump_that_waits_for_its_program_counts_nothing_over_restarts() -> None:
    pump = new()
    for _ in range(4):
        pump.wait(DAY)
        pump.reboot(100)
    assert (pump.c.strokes, pump.c.level_nl) == (0, 0)
    assert pump.fill() == codes.GRANTED
    assert pump.load(order()) == codes.GRANTED
    assert pump.alarms() == set()  # nobody stopped it, so it was not stopped for too long


# Killing the process

LIFE = """
import sys
from pathlib import Path
from tests.device_world import Pump
from thecal.pump.device import Device, FaultyDisk, FileDisk
disk = FaultyDisk(FileDisk(Path(sys.argv[1]), flush=False))
pump = Pump(Device(disk, int(sys.argv[2])), disk)
print(pump.device.truth().turned, flush=True)
request = pump.c.ledger.newest
while True:
    request += 1
    print("ask", request, flush=True)
    print("heard", request, pump.press(request), flush=True)
    for _ in range(40):
        pump.wait(100)
    print("at", pump.device.now_s, pump.c.strokes, flush=True)
"""


def kill_again_and_again(folder: Path, kills: int) -> None:
    pump = running(inner=FileDisk(folder, flush=False))
    at_s, believed, heard = pump.device.now_s, pump.c.strokes, dict[int, int]()
    for i in range(kills):
        with subprocess.Popen(
            [sys.executable, "-c", LIFE, str(folder), str(at_s)],
            stdout=subprocess.PIPE,
            text=True,
            env=dict(os.environ),
        ) as child:
            assert child.stdout is not None
            child.stdout.readline()
            time.sleep(0.01 * (i % 7) + 0.003 * (i % 3))
            child.send_signal(signal.SIGKILL)
            said = child.stdout.read().splitlines()
        for words in (line.split() for line in said if line.endswith(tuple("0123456789"))):
            if words[0] == "heard" and len(words) == 3:
                heard[int(words[1])] = int(words[2])
            if words[0] == "at" and len(words) == 3:
                at_s, believed = int(words[1]), int(words[2])
        pump = Pump(Device(FaultyDisk(FileDisk(folder, flush=False)), at_s + 2 * HOUR), pump.disk)
        at_s = pump.device.now_s
        pump.check()
        assert pump.c.strokes >= believed
        # A write of a state may have been torn by the kill; the other copy stands.
        assert pump.alarms() <= {
            *(al.POWER_LOST, al.CLOCK_DOUBT, al.MEMORY_MINOR),
            *(al.LOW_RESERVOIR, al.EMPTY_RESERVOIR),
        }
        for request, answer in heard.items():
            if request > pump.c.ledger.newest - 30:
                assert pump.c.ledger.first_outcome(request) == answer
        assert len(pump.events()) == pump.c.log.sealed + 1 - pump.c.log.oldest()
        # In a full ring, records that no state counted may have taken the place of the oldest ones.
        assert pump.c.log.lost <= max(0, pump.c.log.sealed - LOG_RECORDS + 40)


@pytest.mark.requirement("P4")
def test_the_process_is_killed(tmp_path: Path) -> None:
    kill_again_and_again(tmp_path, 5)


@pytest.mark.long
@pytest.mark.requirement("P4")
@pytest.mark.timeout(3000)
def test_the_process_is_killed_hundreds_of_times(tmp_path: Path) -> None:
    kill_again_and_again(tmp_path, 300)


def test_a_record_has_the_size_that_the_tests_read() -> None:
    assert SIZE == 32
