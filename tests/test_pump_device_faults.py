"""Each fault, over what a pump may be doing, leads to the response that is declared for it, and to nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core_world import broken_windows
from tests.device_world import BENCH, DAY, HOUR, PERISTALTIC, RATE, STROKE_NL, VALVE, Pump, new, order, running

from thecal.pump.core import alarms as al
from thecal.pump.core import codes
from thecal.pump.device import KINDS, Fault, FaultError, FaultKind, NoPower
from thecal.pump.device.world import MOST_FAULTS

K = FaultKind

AMOUNTS = {
    K.PARTIAL_STALL: 80,
    K.LOST_STROKES: 50,
    K.OVER_DELIVERY: 145_000,  # the greatest that the accuracy of the peristaltic family allows, in millionths
    K.EXTRA_TURNS: 60,
    K.LEAK: 1_000_000,
    K.OCCLUSION: 5_000,
    K.FIELD: 900,
    K.FIELD_UNREAD: 900,
    K.VALVE_SHUT: 10_000,
    K.CORRUPT_STATE_0: 4_000,
    K.CORRUPT_STATE_1: 4_000,
    K.CORRUPT_PROGRAM: 400,
    K.CLOCK_DRIFT: 100,
    K.CLOCK_JUMP: 600,
}
SITUATIONS = ("basal", "bolus", "stopped", "refill", "field")
POWER = {al.POWER_LOST, al.CLOCK_DOUBT}
STALL, SHORT = {al.STALL}, {al.SHORT_STALLS}

# The alarms that are raised in each of the situations above; in a field the rotor stands anyway.
RAISES: dict[FaultKind, tuple[set[int], set[int], set[int], set[int], set[int]]] = {
    K.STALL: (STALL, STALL, set(), STALL, STALL),
    K.PARTIAL_STALL: (STALL | SHORT, STALL | SHORT, set(), STALL | SHORT, STALL),
    K.LOST_STROKES: (set(), set(), set(), set(), STALL),
    K.OVER_DELIVERY: (set(), set(), set(), set(), STALL),
    K.EXTRA_TURNS: ({al.OVER_DELIVERY}, {al.OVER_DELIVERY}, {al.OVER_DELIVERY}, {al.OVER_DELIVERY}, STALL),
    K.LEAK: (set(), set(), set(), set(), STALL),
    K.OCCLUSION: (set(), set(), set(), set(), STALL),
    K.FIELD: (STALL, STALL, set(), STALL, STALL),
    K.FIELD_UNREAD: (STALL, STALL, set(), STALL, STALL),
    K.EARLY_REPLACEMENT: (*({al.REPLACE_SOON},) * 4, STALL | {al.REPLACE_SOON}),
    K.LOW_BATTERY_RESET: (*(POWER | {al.BATTERY_RESET},) * 4, POWER | STALL | {al.BATTERY_RESET}),
    K.LOSS_OF_THERAPY: (*(POWER,) * 4, POWER | STALL),
    K.RESET: (*(POWER,) * 4, POWER | STALL),
    K.CORRUPT_STATE_0: (set(), set(), set(), set(), STALL),
    K.CORRUPT_STATE_1: (set(), set(), set(), set(), STALL),
    K.CORRUPT_PROGRAM: (set(), set(), set(), set(), STALL),
    K.CLOCK_DRIFT: (set(), set(), set(), set(), STALL),
    K.CLOCK_JUMP: (*({al.CLOCK_DOUBT},) * 4, STALL | {al.CLOCK_DOUBT}),
    K.VALVE_SHUT: (set(), set(), set(), set(), set()),
}


def lead_to(situation: str, pump: Pump) -> None:
    if situation == "bolus":
        assert pump.press(1) == codes.GRANTED
        pump.wait(60)
    elif situation == "stopped":
        assert pump.stop() == codes.GRANTED
    elif situation == "field":
        pump.inject(K.FIELD, 1, 3 * HOUR)
        pump.wait(10)


@pytest.mark.parametrize(
    ("kind", "situation"),
    # A valve pump has no rotor that would stand in a field.
    [(kind, situation) for kind in K for situation in SITUATIONS if (kind, situation) != (K.VALVE_SHUT, "field")],
)
@pytest.mark.requirement("OP-6.41.2", "OP-7.3.5", "OP-7.3.6", "OP-7.3.8", "HZ-4.13", "FD-4.2", "FD-5.1", "FD-6.5")
@pytest.mark.requirement("IT-13")
def test_each_fault_in_each_situation(kind: FaultKind, situation: str) -> None:
    """An hour of every fault: what was declared is raised, within the hour, and nothing else; nothing is lost."""
    pump = running(identity=VALVE if kind == K.VALVE_SHUT else BENCH)
    lead_to(situation, pump)
    pump.inject(kind, 10, HOUR if KINDS[kind].lasts else 0, AMOUNTS.get(kind, 0))
    seen: set[int] = set()
    for i in range(40):
        pump.wait(100)
        if pump.device.powered:
            seen |= pump.alarms()
        if i == 20 and situation == "refill" and pump.device.powered:
            assert pump.fill(17_000_000) == codes.GRANTED
            assert pump.c.level_nl == 17_000_000
    expected = RAISES[kind][SITUATIONS.index(situation)]
    assert seen == expected
    if situation != "field":
        assert seen <= set(KINDS[kind].alarms)
    pump.check()
    pump.events()
    assert broken_windows([s for s in pump.strokes if kind != K.EXTRA_TURNS]) == []
    moved = pump.device.truth()
    if situation == "stopped" and kind not in {K.EXTRA_TURNS, K.VALVE_SHUT}:
        assert moved.turned == 111
    pump.wait(DAY + 3 * HOUR)
    pump.check()
    assert pump.c.running is (situation != "stopped")


# What the program chooses (promise 11), where the class of fault leaves it a choice


@pytest.mark.requirement("P11", "IT-20", "OP-5.1.4", "OP-6.4.3")
@pytest.mark.parametrize(
    ("response", "rate"), [(codes.R_STOP, 0), (codes.R_FALLBACK, RATE // 4), (codes.R_CONTINUE, RATE)]
)
@pytest.mark.parametrize(
    ("kind", "of"),
    [
        (K.STALL, codes.F_MOTOR),
        (K.FIELD, codes.F_MOTOR),
        (K.RESET, codes.F_POWER),
        (K.LOW_BATTERY_RESET, codes.F_POWER),
    ],
)
def test_the_program_chooses_the_response(kind: FaultKind, of: int, response: int, rate: int) -> None:
    responses = [0, 2, 2, 0, 0, 2]
    responses[of] = response
    pump = running(order(responses=responses, fallback=RATE // 4))
    pump.inject(kind, 1, 2 * HOUR if kind != K.RESET and KINDS[kind].lasts else 0)
    pump.wait(HOUR)
    assert pump.c.rate == rate
    pump.wait(2 * HOUR)
    if of == codes.F_MOTOR:
        # A rotor that is tried turns again and says so; one that is not tried waits for somebody.
        assert pump.alarms() == (STALL if response == codes.R_STOP else set())
        pump.clear(al.STALL)
    else:
        for alarm in (al.POWER_LOST, al.BATTERY_RESET):
            pump.clear(alarm)
    assert pump.c.rate == RATE


@pytest.mark.parametrize("running_now", [True, False])
@pytest.mark.requirement("OP-6.4.2", "MX-10", "FD-3.2")
def test_a_rotor_that_turns_by_itself_is_seen_within_a_minute(*, running_now: bool) -> None:
    pump = running()
    if not running_now:
        pump.stop()
    before = pump.device.truth()
    pump.inject(K.EXTRA_TURNS, 1, 600, 360)
    pump.wait(80)  # the first turn comes after 10 s
    assert pump.alarms() == {al.OVER_DELIVERY}
    assert pump.c.rate == 0
    pump.wait(2 * HOUR)
    after = pump.device.truth()
    assert after.strokes["extra"] == 60
    assert after.turned - before.turned <= 62
    assert pump.c.strokes == after.turned, "what turned is counted"
    assert pump.c.level_nl == after.reservoir_nl
    assert sum(a for a, _ in pump.happened(codes.E_EXTRA)) == 60
    assert pump.clear(al.OVER_DELIVERY) == codes.GRANTED
    assert pump.c.rate == (RATE if running_now else 0)


def test_turns_that_nobody_read_before_the_power_went_are_true_and_not_believed() -> None:
    pump = running(order(rates=((0, 0),)))
    pump.stop()
    pump.inject(K.EXTRA_TURNS, 1, 600, 3600)
    pump.wait(30)
    pump.device.cut_power()
    pump.wait(100)
    assert pump.device.truth().strokes["extra"] == 30
    pump.device.boot(pump.device.now_s)
    assert pump.c.strokes == 0
    pump.wait(700)
    assert pump.device.truth().strokes["extra"] == 30 + 600 - 130
    assert pump.c.strokes == 600 - 130


@pytest.mark.requirement("OP-6.1.2", "HZ-1.7", "FD-3.1", "ST-07")
def test_a_blocked_way_keeps_the_drug_and_lets_a_bounded_part_of_it_go_at_once() -> None:
    pump = running()
    before = pump.device.truth()
    pump.inject(K.OCCLUSION, 1, HOUR, 5_000)
    pump.wait(HOUR)
    blocked = pump.device.truth()
    assert blocked.delivered_nl == before.delivered_nl
    assert blocked.tubing_nl == 5_000
    assert blocked.stayed_nl == 80 * STROKE_NL - 5_000
    assert pump.alarms() == set(), "a pump without a sensor of pressure cannot see it"
    pump.wait(1)
    after = pump.device.truth()
    assert after.tubing_nl == 0
    assert after.delivered_nl == before.delivered_nl + 5_000
    pump.check()


@pytest.mark.requirement("FD-3.6")
def test_a_leak_goes_into_the_pocket_and_empties_the_reservoir_before_the_pump_says_so() -> None:
    pump = running()
    pump.inject(K.LEAK, 1, DAY, 1_000_000)
    pump.wait(HOUR + 1800)
    true = pump.device.truth()
    assert true.pocket_nl == 1_500_000
    pump.wait(DAY)
    dry = pump.device.truth()
    assert dry.reservoir_nl == 0
    assert dry.dry_nl > 0
    assert pump.alarms() == set(), "a level that is computed cannot see it"
    pump.check()
    assert pump.device.draw() == 0


@pytest.mark.parametrize("millionths", [10_000, 145_000, 1_000_000])
@pytest.mark.requirement("FD-3.5")
def test_over_delivery_shows_only_at_the_refill(millionths: int) -> None:
    """device-facts 3: at 14.5 % over, a 20 mL pump is dry at 17.5 units of time, its alarm comes at 18."""
    pump = running(order(rates=((0, 800_000_000),), per_24h=[1_000_000_000], bolus=None), identity=PERISTALTIC)
    pump.inject(K.OVER_DELIVERY, 1, 5 * DAY, millionths)
    start = pump.device.truth()
    pump.wait(6 * HOUR)
    true = pump.device.truth()
    moved = (true.turned - start.turned) * STROKE_NL
    assert true.delivered_nl - start.delivered_nl == moved + moved * millionths // 1_000_000
    assert true.believed is not None
    assert start.believed is not None
    assert start.believed.level_nl - true.believed.level_nl == moved
    pump.check()


@pytest.mark.requirement("HZ-4.13", "FD-6.5")
def test_lost_strokes_are_counted_and_move_nothing() -> None:
    pump = running()
    before = pump.device.truth()
    pump.inject(K.LOST_STROKES, 1, HOUR, 25)
    pump.wait(HOUR)
    after = pump.device.truth()
    assert after.turned - before.turned == 80
    assert after.lost_strokes == 20
    assert after.delivered_nl - before.delivered_nl == 60 * STROKE_NL
    assert pump.c.strokes == after.turned


@pytest.mark.requirement("OP-6.4.3")
def test_a_partial_stall_is_counted_as_missed() -> None:
    pump = running()
    pump.inject(K.PARTIAL_STALL, 1, HOUR, 50)
    pump.wait(HOUR)
    assert (pump.c.missed, pump.c.strokes) == (40, 151)
    assert pump.device.truth().delivered_nl == 151 * STROKE_NL
    assert pump.alarms() == set()


@pytest.mark.requirement("IT-13")
def test_a_valve_that_stays_shut_lets_the_program_run_and_delivers_nothing_until_it_is_reset() -> None:
    pump = running(identity=VALVE)
    before = pump.device.truth()
    pump.inject(K.VALVE_SHUT, 1, 0, 10_000)
    pump.wait(6 * HOUR)
    shut = pump.device.truth()
    assert shut.valve_shut
    assert shut.delivered_nl - before.delivered_nl == 10_000
    assert pump.c.strokes == 111 + 480
    assert pump.alarms() == set()
    pump.reboot()
    pump.restart()
    assert pump.device.truth().valve_shut, "only somebody's hand opens it"
    assert pump.device.reset_valve()
    assert not pump.device.reset_valve()
    pump.wait(HOUR)
    assert pump.device.truth().delivered_nl > shut.delivered_nl
    pump.check()


# Fields


@pytest.mark.parametrize("delay_s", [0, 900, 7200])
@pytest.mark.requirement("FD-4.2")
def test_in_a_field_the_rotor_stands_and_turns_again_after_a_delay(delay_s: int) -> None:
    pump = running()
    turned = pump.device.truth().turned
    pump.inject(K.FIELD, 1, HOUR, delay_s)
    pump.wait(HOUR + delay_s)
    assert pump.device.truth().turned == turned
    assert pump.alarms() == STALL
    pump.wait(100)
    assert pump.device.truth().turned > turned
    assert pump.alarms() == set()
    assert [a for a, _ in pump.happened(codes.E_CLEAR)] == [al.STALL]


@pytest.mark.parametrize("reboots", [False, True])
@pytest.mark.requirement("FD-4.2")
def test_a_recovery_is_logged_only_after_the_second_interrogation(*, reboots: bool) -> None:
    pump = running()
    pump.inject(K.FIELD_UNREAD, 1, HOUR, 900)
    pump.wait(HOUR)
    for _ in range(3):
        pump.device.interrogated()  # in the field, or before the rotor turns: nothing to be read yet
    pump.wait(2 * HOUR)
    if reboots:
        pump.reboot()
        pump.restart()
    turned = pump.device.truth().turned
    pump.device.interrogated()
    pump.wait(HOUR)
    assert pump.device.truth().turned > turned, "it delivers, and says nothing of it"
    assert al.STALL in pump.alarms()
    assert (al.STALL, 0) not in pump.happened(codes.E_CLEAR)
    pump.device.interrogated()
    assert al.STALL in pump.alarms()
    pump.wait(100)
    assert al.STALL not in pump.alarms()
    assert (al.STALL, 0) in pump.happened(codes.E_CLEAR)


def test_a_recovery_that_was_not_read_can_be_cleared_by_hand() -> None:
    pump = running()
    pump.inject(K.FIELD_UNREAD, 1, HOUR)
    pump.wait(2 * HOUR)
    assert pump.clear(al.STALL) == codes.GRANTED
    pump.wait(HOUR)
    assert pump.alarms() == set()


@pytest.mark.requirement("FD-4.2")
def test_a_pump_that_alarms_in_a_field_stands_until_somebody_interrogates_it() -> None:
    """The trap of device-facts 1.3."""
    pump = running()
    pump.inject(K.EARLY_REPLACEMENT)
    pump.wait(10)
    turned = pump.device.truth().turned
    pump.inject(K.FIELD, 1, HOUR, 900)
    pump.wait(600)
    pump.device.interrogated()  # still in the field: it does not help
    pump.wait(DAY)
    assert pump.device.truth().turned == turned
    pump.restart()
    pump.wait(HOUR)
    assert pump.device.truth().turned == turned
    pump.device.interrogated()
    pump.wait(HOUR)
    assert pump.device.truth().turned > turned
    assert al.STALL not in pump.alarms()


# Battery, power, clock


@pytest.mark.requirement("OP-7.3.2", "OP-7.3.5", "FD-5.1", "IT-04")
def test_a_film_on_the_battery_brings_replacement_now_and_the_end_ninety_days_later() -> None:
    pump = running()
    pump.inject(K.EARLY_REPLACEMENT)
    pump.wait(5)
    at_s = pump.c.hw.replace_soon_s
    assert at_s <= pump.c.t
    assert pump.alarms() == {al.REPLACE_SOON}
    assert pump.c.rate == RATE
    pump.restart()
    assert pump.c.hw.end_of_service_s == at_s + 90 * DAY
    pump.stop()
    pump.clear(al.POWER_LOST)
    pump.wait(91 * DAY)
    assert al.END_OF_SERVICE in pump.alarms()
    assert pump.start() == codes.GRANTED
    assert pump.c.rate == 0
    assert pump.device.battery_percent() == 0


def test_a_film_that_comes_in_the_dark_is_measured_at_waking() -> None:
    pump = running()
    pump.inject(K.EARLY_REPLACEMENT, 10)
    pump.inject(K.CORRUPT_STATE_0, 10)
    pump.inject(K.CLOCK_JUMP, 10, amount=5)
    pump.inject(K.FIELD_UNREAD, 10, 60)
    pump.device.cut_power()
    pump.wait(100)
    pump.device.boot(pump.device.now_s)
    assert al.REPLACE_SOON in pump.alarms()
    assert al.MEMORY_MINOR in pump.alarms()


@pytest.mark.parametrize("dark_s", [0, 1, 500])
@pytest.mark.requirement("OP-6.41.3", "OP-7.3.6", "MX-03")
def test_a_reset_takes_the_power_for_a_time_and_ends_a_bolus(dark_s: int) -> None:
    pump = running()
    pump.press(1)
    pump.wait(100)
    at_s = pump.device.now_s
    kept_s = pump.c.t - 100  # what memory knows of uptime
    pump.inject(K.RESET, 50, dark_s)
    pump.wait(49)
    assert pump.powered()
    turned = pump.device.truth().turned
    if dark_s:
        pump.wait(dark_s)
        assert not pump.powered()
        with pytest.raises(NoPower, match="B-1"):
            _ = pump.device.commands
        assert pump.device.sounded_since(0) == []
        assert pump.device.truth().believed is None
        assert pump.device.due_s() == at_s + 50 + dark_s
    pump.wait_until(at_s + 49 + max(1, dark_s) + 1)
    assert pump.powered()
    assert pump.c.b_kind == 0
    assert pump.c.t == kept_s + 1
    assert pump.device.truth().turned <= turned + 1
    assert pump.c.alarms.active == 1 << al.POWER_LOST | 1 << al.CLOCK_DOUBT
    assert len(pump.happened(codes.E_BOLUS_CUT)) == 1


def test_a_reset_goes_on_when_its_process_is_started_anew() -> None:
    pump = running()
    pump.inject(K.RESET, 1, 1000)
    pump.wait(500)
    assert not pump.device.powered
    device = type(pump.device)(pump.disk, pump.device.now_s + 100)
    assert not device.powered
    device.boot(device.now_s + 100)
    assert not device.powered
    device.advance(device.now_s + 299)
    assert not device.powered
    device.advance(device.now_s + 2)
    assert device.powered


@pytest.mark.parametrize("ppm", [-100_000, -50, 50, 100_000])
@pytest.mark.requirement("OP-6.6.8")
def test_a_clock_that_drifts_takes_delivery_with_it(ppm: int) -> None:
    pump = running()
    before, at_s = pump.c.t, pump.device.now_s
    pump.inject(K.CLOCK_DRIFT, 1, 10 * DAY, ppm)
    pump.wait(5 * DAY)
    passed = 5 * DAY * (1_000_000 + ppm) // 1_000_000
    assert pump.c.t - before == passed
    assert pump.device.truth().turned == (before + passed) * RATE // pump.c.unit
    pump.wait(10 * DAY)
    assert pump.c.t - before == (15 * DAY - 10 * DAY) + 10 * DAY * (1_000_000 + ppm) // 1_000_000
    assert pump.device.now_s - at_s == 15 * DAY


@pytest.mark.parametrize("seconds", [-DAY, -1, 1, DAY])
def test_a_clock_that_jumps_delivers_nothing_more_and_nothing_less(seconds: int) -> None:
    pump = running()
    up_s = pump.c.t
    pump.inject(K.CLOCK_JUMP, 1, amount=seconds)
    pump.wait(HOUR)
    assert pump.c.t == up_s + HOUR
    assert pump.device.truth().turned == (5000 + HOUR) * RATE // pump.c.unit
    assert pump.alarms() == {al.CLOCK_DOUBT}


def test_a_clock_that_jumps_before_there_is_a_program_is_no_alarm() -> None:
    pump = new()
    pump.inject(K.CLOCK_JUMP, 1, amount=100)
    pump.wait(10)
    assert pump.alarms() == set()
    assert pump.c.t == 10


@pytest.mark.parametrize("responses", [(0, 2, 2, 0, 0, 0), (0, 2, 2, 0, 0, 1), (0, 2, 2, 0, 0, 2)])
def test_a_clock_in_doubt_does_what_the_program_says(responses: tuple[int, ...]) -> None:
    pump = running(order(responses=responses, fallback=RATE // 2))
    pump.inject(K.CLOCK_JUMP, 1, amount=10)
    pump.wait(10)
    assert pump.c.rate == (0, RATE // 2, RATE)[responses[codes.F_CLOCK]]


# Memory


@pytest.mark.requirement("FD-6.4", "OP-7.4.2")
@pytest.mark.parametrize(
    ("kinds", "raised", "goes_on"),
    [
        ((K.CORRUPT_STATE_0,), al.MEMORY_MINOR, True),
        ((K.CORRUPT_STATE_1,), al.MEMORY_MINOR, True),
        ((K.CORRUPT_STATE_0, K.CORRUPT_STATE_1), al.MEMORY_CRITICAL, False),
        ((K.CORRUPT_PROGRAM,), al.MEMORY_CRITICAL, False),
    ],
)
@pytest.mark.parametrize("bit", [0, 4_003, 99_999])
def test_memory_that_is_corrupt_at_waking(
    kinds: tuple[FaultKind, ...], raised: int, bit: int, *, goes_on: bool
) -> None:
    pump = running()
    for kind in kinds:
        pump.inject(kind, 1, amount=bit)
    pump.inject(K.RESET, 1)
    pump.wait(10)
    assert raised in pump.alarms()
    assert pump.c.allowed() is goes_on
    turned = pump.device.truth().turned
    pump.wait(HOUR)
    assert (pump.device.truth().turned > turned) is goes_on
    if not goes_on:
        assert pump.clear(al.MEMORY_CRITICAL) == codes.MEMORY, "lost history counts as a full day of drug"


def test_a_corrupt_program_in_the_dark_is_found_at_waking() -> None:
    pump = running()
    pump.inject(K.CORRUPT_PROGRAM, 5, amount=77)
    pump.device.cut_power()
    pump.wait(10)
    pump.device.boot(pump.device.now_s)
    assert al.MEMORY_CRITICAL in pump.alarms()


def test_areas_that_were_never_written_cannot_be_corrupted() -> None:
    pump = running()
    assert pump.disk.read("program-1") == b""
    pump.inject(K.CORRUPT_PROGRAM, 5, amount=77)
    pump.device.cut_power()
    pump.wait(10)
    assert pump.disk.read("program-1") == b""


# Asking for faults


@pytest.mark.parametrize("kind", list(K))
def test_a_fault_goes_through_json(kind: FaultKind) -> None:
    fault = Fault(kind, 10, 20 if KINDS[kind].lasts else 10, AMOUNTS.get(kind, 0))
    assert Fault.parse(json.loads(json.dumps(fault.as_json()))) == fault
    assert KINDS[kind].least <= fault.amount <= KINDS[kind].most
    assert KINDS[kind].response
    assert KINDS[kind].amount


@given(kind=st.sampled_from(K), from_s=st.integers(), lasts_s=st.integers(), amount=st.integers())
def test_a_fault_is_sound_or_refused(kind: FaultKind, from_s: int, lasts_s: int, amount: int) -> None:
    try:
        fault = Fault(kind, from_s, from_s + lasts_s, amount)
    except FaultError as refused:
        assert "allowed" in str(refused) or "leave it out" in str(refused)
        return
    assert Fault.parse(fault.as_json()) == fault


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (None, "found NoneType; allowed: a fault with the fields kind, from_s, until_s, amount"),
        ([], "found list"),
        ({"kind": "stall", "from_s": 1, "until": 2}, "found the field 'until'; allowed: kind, from_s, until_s, amount"),
        ({"from_s": 1}, "kind: found None; allowed: stall; partial stall"),
        ({"kind": "melt", "from_s": 1}, "kind: found 'melt'; allowed: stall"),
        ({"kind": ["stall"], "from_s": 1}, "kind: found ['stall']"),
        ({"kind": "stall"}, "from_s: not found; write a whole number"),
        ({"kind": "stall", "from_s": 1}, "until_s: not found"),
        ({"kind": "stall", "from_s": True, "until_s": 2}, "from_s: found True; allowed: a whole number"),
        ({"kind": "stall", "from_s": 1.5, "until_s": 2}, "from_s: found 1.5"),
        ({"kind": "stall", "from_s": -1, "until_s": 2}, "from_s: found -1; allowed: 0 to 2,147,483,647"),
        ({"kind": "stall", "from_s": 5, "until_s": 5}, "until_s: found 5; allowed for stall: 6 to 2,147,483,648"),
        ({"kind": "reset", "from_s": 5, "until_s": 4}, "until_s: found 4; allowed for reset: 5 to"),
        ({"kind": "stall", "from_s": 5, "until_s": 6, "amount": 1}, "amount: found 1; allowed for stall: 0 to 0"),
        ({"kind": "valve shut", "from_s": 5, "until_s": 6}, "valve shut is a matter of a moment: leave it out"),
        ({"kind": "leak", "from_s": 5, "until_s": 6}, "amount: not found"),
        ({"kind": "clock jump", "from_s": 5}, "amount: not found"),
        (
            {"kind": "clock jump", "from_s": 5, "amount": 0},
            "found 0; allowed for clock jump: -86,400 to 86,400, but not 0",
        ),
    ],
)
def test_what_is_no_fault_is_refused_with_what_is_allowed(fields: object, says: str) -> None:
    with pytest.raises(FaultError) as refused:
        Fault.parse(fields)
    assert says in str(refused.value)


def test_what_can_say_only_one_thing_may_be_left_out() -> None:
    assert Fault.parse({"kind": "valve shut", "from_s": 5}) == Fault(K.VALVE_SHUT, 5, 5, 0)
    assert Fault.parse({"kind": "stall", "from_s": 5, "until_s": 7}) == Fault(K.STALL, 5, 7, 0)


@pytest.mark.parametrize(
    ("pump", "kind", "amount", "says"),
    [
        (BENCH, K.VALVE_SHUT, 0, "no such valve: use field"),
        (PERISTALTIC, K.VALVE_SHUT, 0, "no such valve: use field"),
        (VALVE, K.FIELD, 0, "its valve shuts in a field: use valve shut"),
        (VALVE, K.FIELD_UNREAD, 0, "use valve shut"),
        (VALVE, K.VALVE_SHUT, 10_001, "found 10,001; allowed for valve-20: 0 to 10,000 nL"),
    ],
)
def test_a_pump_has_only_the_faults_of_its_family(pump: object, kind: FaultKind, amount: int, says: str) -> None:
    asked = running(identity=pump)  # type: ignore[arg-type]
    with pytest.raises(FaultError, match=says):
        asked.inject(kind, 1, 10 if KINDS[kind].lasts else 0, amount)
    assert asked.device.faults() == []


def test_faults_are_listed_until_they_are_over_and_kept_over_restarts() -> None:
    pump = running()
    pump.inject(K.LEAK, 100, 50, 10)
    pump.inject(K.EARLY_REPLACEMENT, 120)
    first, second = pump.device.faults()
    pump.restart()
    assert pump.device.faults() == [first, second]
    pump.wait(120)
    assert pump.device.faults() == [first]
    pump.restart()
    assert pump.device.faults() == [first]
    pump.wait(30)
    assert pump.device.faults() == []


def test_faults_are_bounded() -> None:
    pump = running()
    for _ in range(MOST_FAULTS):
        pump.inject(K.LEAK, 1, 10, 1)
    with pytest.raises(FaultError, match="found 256 faults that are not over"):
        pump.inject(K.LEAK, 1, 10, 1)
    pump.wait(11)
    pump.inject(K.LEAK, 1, 10, 1)


def test_faults_of_one_kind_at_once() -> None:
    """Leaks, drifts and extra turns add up; of others the worst counts."""
    pump = running()
    for amount in (100_000, 200_000):
        pump.inject(K.LEAK, 1, HOUR, amount)
    for amount in (20, 50, 30):
        pump.inject(K.LOST_STROKES, 1, HOUR, amount)
    pump.wait(HOUR)
    true = pump.device.truth()
    assert true.pocket_nl == 300_000
    assert true.lost_strokes == 40


def test_a_fault_whose_time_has_begun_begins_with_the_next_second() -> None:
    pump = running()
    pump.device.inject(Fault(K.LEAK, 10, pump.device.now_s + HOUR + 1, 1_000_000))
    pump.wait(HOUR)
    assert pump.device.truth().pocket_nl == 1_000_000


# Healing


def test_a_fault_that_is_healed_is_over_with_the_next_second() -> None:
    pump = running()
    device = pump.device
    now_s = device.now_s
    device.inject(Fault(K.STALL, now_s + 1, codes.MAX_TIME_S))
    device.advance(now_s + 600)
    assert device.controller.alarms.on(al.STALL)
    before = device.truth().turned
    assert device.heal(K.STALL) == 1
    assert device.faults() == []
    device.advance(now_s + 1800)
    assert device.truth().turned > before
    assert device.heal(K.STALL) == 0


def test_a_fault_that_is_still_to_come_is_forgotten() -> None:
    device = running().device
    now_s = device.now_s
    device.inject(Fault(K.LEAK, now_s + HOUR, now_s + DAY, 1_000_000))
    device.inject(Fault(K.STALL, now_s + HOUR, now_s + DAY))
    assert device.heal(K.LEAK) == 1
    assert [f.kind for f in device.faults()] == [K.STALL]
    device.advance(now_s + 2 * HOUR)
    assert device.truth().pocket_nl == 0


def test_a_pump_that_is_taken_out_of_a_field_turns_again() -> None:
    device = running().device
    now_s = device.now_s
    device.inject(Fault(K.FIELD, now_s + 1, now_s + DAY, 900))
    device.advance(now_s + 600)
    assert device.controller.alarms.on(al.STALL)
    assert device.heal(K.FIELD) == 1
    device.advance(now_s + 1800)
    assert not device.controller.alarms.on(al.STALL)


def test_what_a_moment_did_stays_done() -> None:
    device = running().device
    now_s = device.now_s
    device.inject(Fault(K.EARLY_REPLACEMENT, now_s + 1, now_s + 1))
    device.advance(now_s + 60)
    assert device.heal(K.EARLY_REPLACEMENT) == 0
    device.advance(now_s + 120)
    assert device.controller.alarms.on(al.REPLACE_SOON)
