"""A pump in time: leaping is stepping, nothing is late for a host that sleeps, and the link sees a pump."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core_world import broken_windows, packed
from tests.device_world import BENCH, DAY, HOUR, RATE, STROKE_NL, Pump, new, order, running

from thecal.pump.core import alarms as al
from thecal.pump.core import codes
from thecal.pump.device import Device, FaultKind, FaultyDisk, NoPower, RamDisk, make
from thecal.pump.device.faults import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from thecal.link.surface import Surface

K = FaultKind
_FAMILY_FAULTS = [kind for kind in K if kind != K.VALVE_SHUT]

FAULTS = st.lists(
    st.tuples(
        st.sampled_from(_FAMILY_FAULTS), st.integers(1, 9000), st.integers(1, 5000), st.integers(0, 3600), st.booleans()
    ),
    max_size=5,
)
ACTS = st.lists(
    st.tuples(
        st.integers(1, 9000),
        st.sampled_from(["press", "stop", "start", "fill", "look", "clear", "single", "test", "valve", "second"]),
    ),
    max_size=8,
)


def inject(pump: Pump, kind: FaultKind, after_s: int, lasts_s: int, amount: int, *, least: bool) -> None:
    rule = KINDS[kind]
    bounded = max(rule.least, min(rule.most, amount))
    if kind in {K.CLOCK_DRIFT, K.CLOCK_JUMP}:
        bounded = -amount - 1 if least else amount + 1
    pump.inject(kind, after_s, lasts_s if rule.lasts else 0, bounded)


def do(pump: Pump, i: int, act: str) -> None:
    if act == "valve":
        pump.device.reset_valve()
    if not pump.powered():
        return
    commands = pump.device.commands
    deeds: dict[str, Callable[[], object]] = {
        "press": lambda: pump.press(i + 1),
        "stop": pump.stop,
        "start": pump.start,
        "fill": lambda: pump.fill(1_000_000),
        "look": pump.device.interrogated,
        "clear": lambda: [commands.clear(alarm) for alarm in al.CLEARABLE],
        "single": lambda: commands.single(20, 500),
        "test": lambda: pump.device.test_alarm(critical=True),
    }
    if act in deeds:
        deeds[act]()
        pump.device.settle()


def lived(
    faults: list[tuple[FaultKind, int, int, int, bool]],
    acts: list[tuple[int, str]],
    step_s: int,
    programs: int = 0,
) -> Pump:
    """The same life, with time in steps of at most so many seconds."""
    rates = (((0, RATE),), ((0, RATE), (3600, 0), (7200, 4 * RATE)))[programs % 2]
    responses = ((0, 2, 2, 0, 0, 2), (0, 1, 1, 0, 0, 1), (0, 0, 0, 0, 0, 0))[programs % 3]
    pump = new()
    pump.fill(400_000)
    pump.load(order(rates=rates, responses=responses, fallback=RATE // 3))
    pump.start()
    for kind, after_s, lasts_s, amount, least in faults:
        inject(pump, kind, after_s, lasts_s, amount, least=least)
    for i, (wait_s, act) in enumerate([*acts, (4000, "second")]):
        end_s = pump.device.now_s + wait_s
        while pump.device.now_s < end_s:
            pump.device.advance(min(end_s, pump.device.now_s + step_s))
        do(pump, i, act)
    pump.device.cut_power()
    pump.device.boot(pump.device.now_s + 1)
    if pump.powered():
        pump.device.advance(pump.device.now_s + 1)
    return pump


def account(pump: Pump) -> list[object]:
    """Everything that may not depend on how time came in."""
    true = pump.device.truth()
    rows: list[object] = [true.as_json()]
    if pump.powered():
        rows += [bytes(pump.c.log.digest), pump.events(), [t.uptime_s for t in pump.device.sounded_since(0)]]
    return rows


def strokes(pump: Pump) -> list[int]:
    return sorted(s.t for s in pump.strokes)


@settings(max_examples=10)
@given(faults=FAULTS, acts=ACTS, programs=st.integers(0, 5))
def test_leaping_is_advancing_second_by_second(
    faults: list[tuple[FaultKind, int, int, int, bool]], acts: list[tuple[int, str]], programs: int
) -> None:
    leaped, stepped = lived(faults, acts, DAY, programs), lived(faults, acts, 1, programs)
    assert strokes(leaped) == strokes(stepped)
    assert account(leaped) == account(stepped)


@pytest.mark.long
@settings(max_examples=400)
@given(faults=FAULTS, acts=ACTS, programs=st.integers(0, 5))
def test_leaping_is_advancing_second_by_second_for_long(
    faults: list[tuple[FaultKind, int, int, int, bool]], acts: list[tuple[int, str]], programs: int
) -> None:
    test_leaping_is_advancing_second_by_second.hypothesis.inner_test(faults, acts, programs)  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", _FAMILY_FAULTS)
def test_each_fault_alone_leaped_and_stepped(kind: FaultKind) -> None:
    faults = [(kind, 1000, 2500, 77, False)]
    acts = [(1500, "press"), (2000, "look"), (700, "look"), (900, "clear")]
    leaped = lived(faults, acts, DAY)
    stepped = lived(faults, acts, 1)
    odd = lived(faults, acts, 77)
    assert strokes(leaped) == strokes(stepped) == strokes(odd)
    assert account(leaped) == account(stepped) == account(odd)


# A host that sleeps


@pytest.mark.parametrize("kind", [None, K.STALL, K.EXTRA_TURNS, K.EARLY_REPLACEMENT, K.RESET, K.CLOCK_DRIFT, K.FIELD])
@pytest.mark.parametrize("press", [False, True])
def test_for_a_host_that_sleeps_until_it_is_due_nothing_is_late(kind: FaultKind | None, *, press: bool) -> None:
    """Every record is written, and every tone sounds, in the very second at which the host wakes."""
    pump = new()
    pump.fill(2_030_000)  # low after some strokes
    pump.load(order())
    pump.start()
    if kind:
        inject(pump, kind, 3000, 5000, 60, least=False)
    at_s, seen, heard, wakes = 4000, len(pump.events()), 0, 0
    while pump.device.now_s < DAY:
        due_s = pump.device.due_s()
        assert due_s > pump.device.now_s
        pump.device.advance(min(due_s, at_s if press and pump.device.now_s < at_s else due_s))
        wakes += 1
        if press and pump.device.now_s == at_s and pump.powered():
            pump.press(1)
        if not pump.powered():
            continue
        rows = pump.events()
        fresh = [up_s for up_s, event, _, _ in rows[seen:] if event != codes.E_BOOT]
        assert all(pump.c.t - up_s <= 1 for up_s in fresh), (fresh, pump.c.t)
        seen = len(rows)
        tones = pump.device.sounded_since(heard)
        assert all(pump.c.t - tone.uptime_s <= 1 for tone in tones)
        heard = tones[-1].number if tones else heard
    assert wakes < (2500 if kind == K.EXTRA_TURNS else 900)


def test_a_pump_that_waits_for_memory_is_due_at_once() -> None:
    pump = running()
    pump.device.commands.stop(1)
    assert pump.device.due_s() == pump.device.now_s
    pump.device.settle()
    assert pump.device.due_s() > pump.device.now_s


def test_a_stopped_pump_is_due_within_the_hour_and_a_dark_one_when_something_changes() -> None:
    pump = running()
    pump.stop()
    assert pump.device.now_s < pump.device.due_s() <= pump.device.now_s + HOUR
    pump.device.cut_power()
    assert pump.device.due_s() > pump.device.now_s + 10 * DAY
    pump.inject(K.LEAK, 1000, 10, 5)
    pump.wait(1)
    assert pump.device.due_s() == pump.device.now_s + 999


def test_true_time_does_not_go_back() -> None:
    pump = running()
    with pytest.raises(ValueError, match="found true second 4,999; allowed: 5,000 or later"):
        pump.device.advance(4999)
    pump.device.advance(5000)
    pump.device.settle()
    with pytest.raises(ValueError, match="time does not go back"):
        Device(pump.disk, 4999)


# Power


@pytest.mark.requirement("P4")
def test_after_a_power_cut_uptime_stands_still() -> None:
    pump = running()
    pump.device.settle()
    up_s = pump.c.t
    pump.device.cut_power()
    pump.device.cut_power()
    pump.wait(5000)
    assert not pump.powered()
    pump.device.boot(pump.device.now_s + 1000)
    assert pump.c.t == up_s
    pump.device.boot(pump.device.now_s + 10)
    assert pump.c.t == up_s + 10, "it had power already"


def test_nobody_is_answered_without_power() -> None:
    device = running().device
    device.cut_power()
    for ask in (
        lambda: device.controller,
        lambda: device.commands,
        device.settle,
        device.battery_percent,
        device.document,
        lambda: device.keep_document(b"x"),
        lambda: device.log_piece(1, 1),
        lambda: device.test_alarm(critical=True),
        device.interrogated,
    ):
        with pytest.raises(NoPower, match="pump B-1 has no power"):
            ask()
    assert (device.family(), device.serial(), device.tubing_nl()) == ("bench-20", "B-1", 150_000)


@pytest.mark.requirement("P2", "P4")
def test_a_command_number_is_done_once_over_restarts() -> None:
    pump = running()
    for number in range(1, 6):
        for _ in range(3):
            assert pump.command(number, lambda: pump.device.commands.single(4, 60)) == codes.GRANTED
            pump.restart()
        assert pump.command(number - 1, lambda: pump.device.commands.single(4, 60)) == codes.STALE_ID
        pump.wait(100)
    assert len(pump.happened(codes.E_BOLUS)) == 5


# Truth


@pytest.mark.requirement("P3")
@settings(max_examples=20)
@given(faults=FAULTS, acts=ACTS)
def test_fluid_is_never_lost_nor_made(
    faults: list[tuple[FaultKind, int, int, int, bool]], acts: list[tuple[int, str]]
) -> None:
    pump = lived(faults, acts, DAY)
    true = pump.device.truth()
    parts = true.reservoir_nl, true.delivered_nl, true.pocket_nl, true.tubing_nl, true.drawn_nl
    assert 0 <= true.filled_nl - sum(parts) < len(parts)
    assert min(parts) >= 0
    if not any(kind in {K.EXTRA_TURNS, K.CLOCK_DRIFT} for kind, *_ in faults):
        assert broken_windows(pump.strokes) == []
    forgets = (K.EXTRA_TURNS, K.CORRUPT_STATE_0, K.CORRUPT_STATE_1)
    if true.believed and not any(kind in forgets for kind, *_ in faults):
        assert true.believed.strokes >= true.turned


def test_what_is_true_and_what_is_believed_stand_side_by_side() -> None:
    pump = running()
    pump.press(1)
    pump.wait(700)
    true = pump.device.truth()
    assert true.believed is not None
    assert (true.true_s, true.believed.uptime_s, true.powered) == (5700, 5700, True)
    assert true.strokes == {"base": 126, "patient bolus": 40, "single bolus": 0, "prime": 0, "extra": 0}
    assert true.turned == true.believed.strokes == 166
    assert true.delivered_nl == 166 * STROKE_NL
    assert true.reservoir_nl == true.believed.level_nl
    document = true.as_json()
    assert document["believed"]["running"] is True
    assert document["strokes"]["base"] == 126
    assert set(document) >= {"true_s", "reservoir_nl", "delivered_nl", "pocket_nl", "valve_shut"}


def test_what_was_said_to_be_true_is_still_true_after_the_process_died() -> None:
    pump = running()
    pump.wait(500)
    true = pump.device.truth()
    pump.restart()
    assert pump.device.truth().delivered_nl == true.delivered_nl
    assert pump.c.strokes >= true.turned


def test_a_witness_sees_every_stroke_of_every_kind() -> None:
    pump = running()
    pump.device.commands.prime(1, 5_000, 5_000, near_field=True)
    pump.device.settle()
    pump.wait(600)
    pump.device.commands.single(10, 60)
    pump.device.settle()
    pump.wait(600)
    true = pump.device.truth()
    assert true.strokes["prime"] == 20
    assert true.strokes["single bolus"] == 10
    assert len(pump.strokes) == true.turned
    assert sum(1 for s in pump.strokes if s.free) == 20
    pump.device.watch(None)
    pump.wait(HOUR)
    assert len(pump.strokes) == true.turned


# The link's view


def surface(pump: Pump) -> Surface:
    """mypy says whether a device is a surface."""
    return pump.device


@pytest.mark.requirement("P7")
def test_a_device_is_what_the_link_needs() -> None:
    asked = surface(new())
    asked.commands.refill(18_000_000)
    document = b"an order"
    assert asked.keep_document(document)
    assert asked.commands.propose(packed(order(document=document))) == codes.GRANTED
    assert asked.document() == b""
    assert asked.commands.confirm(asked.commands.staged_digest()) == codes.GRANTED
    asked.settle()
    assert asked.document() == document
    assert asked.battery_percent() == 100
    records, before = asked.log_piece(1, 2)
    assert (len(records), before) == (64, bytes(32))


# Many pumps


@pytest.mark.outside
def test_a_thousand_pumps_need_less_than_two_gigabytes() -> None:
    code = """
import resource
from tests.device_world import BENCH, order, packed
from thecal.pump.device import Device, RamDisk, make
pumps = []
for i in range(51):
    if i == 1:
        alone = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    disk = RamDisk()
    make(disk, BENCH)
    pump = Device(disk, 0)
    pump.fill(18_000_000)
    pump.commands.refill(18_000_000)
    pump.commands.propose(packed(order()))
    pump.commands.confirm(pump.commands.staged_digest())
    pump.commands.start(1)
    pump.settle()
    for _ in range(4096):
        pump.controller.note(21, 0, 0)
    pump.advance(3600)
    pumps.append(pump)
with_fifty_more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((alone + 20 * (with_fifty_more - alone)) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 2000, "MB of the process and 1,000 pumps with full logs, disks in memory included"


def test_two_months_of_steady_delivery() -> None:
    disk = FaultyDisk(RamDisk())
    make(disk, BENCH)
    pump = Pump(Device(disk, 0), disk)
    pump.fill()
    pump.load(order(rates=((0, 4_000_000),), bolus=None))
    pump.start()
    pump.device.watch(None)
    pump.wait(60 * DAY)
    true = pump.device.truth()
    assert true.turned == 60 * DAY * 4_000_000 // pump.c.unit
    assert true.delivered_nl == true.turned * STROKE_NL
    assert len(pump.events()) == pump.c.log.sealed < 70
