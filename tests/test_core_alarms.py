"""The alarm table row by row, the marks of reservoir, service and time to the second, and what a motor's faults do."""

from __future__ import annotations

import json
from array import array
from functools import reduce
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core_world import World, hardware, program, world

from thecal.pump.core import alarms as al
from thecal.pump.core import codes
from thecal.pump.core.alarms import Alarms
from thecal.pump.core.hardware import Hardware, Motor
from thecal.pump.core.log import RECORD

DAY = codes.DAY_S
NO, STOP, CHOSEN = "nothing", "stop", "as chosen"
CLASSES = {
    "reservoir": codes.F_RESERVOIR,
    "motor": codes.F_MOTOR,
    "power": codes.F_POWER,
    "memory": codes.F_MEMORY,
    "over": codes.F_OVER,
    "clock": codes.F_CLOCK,
}
# alarm: critical, class of fault, what it does to the base, whether it forbids boluses
ROWS = {
    al.LOW_RESERVOIR: (False, "reservoir", NO, False),
    al.EMPTY_RESERVOIR: (True, "reservoir", STOP, True),
    al.REPLACE_SOON: (False, "power", NO, False),
    al.END_OF_SERVICE: (True, "power", STOP, True),
    al.STALL: (True, "motor", CHOSEN, True),
    al.STOPPED_48H: (True, "reservoir", NO, False),
    al.MEMORY_MINOR: (False, "memory", NO, False),
    al.MEMORY_CRITICAL: (True, "memory", STOP, True),
    al.OVER_DELIVERY: (True, "over", STOP, True),
    al.HELD: (True, "over", NO, True),
    al.POWER_LOST: (False, "power", CHOSEN, False),
    al.CLOCK_DOUBT: (False, "clock", CHOSEN, False),
    al.BATTERY_RESET: (True, "power", CHOSEN, True),
    al.SHORT_STALLS: (False, "motor", NO, False),
}
ANSWERS = (
    "GRANTED DUPLICATE STOPPED NO_PROGRAM NO_BOLUS LOCKOUT COUNT RUNNING BRIDGE CEILING_1H CEILING_24H HISTORY_FULL "
    "EMPTY ALARM STALE_ID BAD_VALUE NEAR_FIELD PRIMED QUEUE_FULL UNKNOWN EXPIRED MEMORY NOT_NEEDED "
    "VOIDED OTHER_PATIENT DOCUMENT"
)
EVENTS = (
    "E_BOOT E_PROGRAM E_STOP E_START E_BOLUS E_BOLUS_END E_BOLUS_CUT E_REFUSED E_REFILL E_ALARM E_CLEAR E_ACK "
    "E_BRIDGE_END E_HELD E_CLOCK E_PRIME E_TOTAL E_EXTRA E_BRIDGE_CUT E_VOIDED E_TEST E_SESSION"
)
SETS = st.sets(st.sampled_from(sorted(ROWS)))


def effect(alarm: int, response: int) -> int:
    """What one alarm alone does to the base, where its class of fault has this response."""
    return {NO: codes.R_CONTINUE, STOP: codes.R_STOP, CHOSEN: response}[ROWS[alarm][2]]


def active(*which: int) -> Alarms:
    alarms = Alarms()
    for alarm in which:
        assert alarms.issue(alarm, 5)
    return alarms


@pytest.mark.requirement("OP-6.4.1", "OP-6.41.2", "UM-59", "SF-A9")
def test_every_alarm_has_a_row() -> None:
    assert sorted(ROWS) == list(range(al.N_ALARMS))
    assert len(al.TABLE) == al.N_ALARMS
    assert (al.NON_CRITICAL, al.CRITICAL) == (0, 1)
    assert (al.B_NONE, al.B_STOP, al.B_CHOSEN) == (0, 1, 2)


@pytest.mark.parametrize("alarm", sorted(ROWS))
@pytest.mark.parametrize("response", [codes.R_STOP, codes.R_FALLBACK, codes.R_CONTINUE])
@pytest.mark.requirement("P11", "OP-5.1.4", "OP-6.41.1", "OP-6.41.2", "UM-59", "SF-03", "SF-04", "SF-A1", "SF-A3")
@pytest.mark.requirement("SF-A9", "FV-4", "FD-7.4", "ST-05")
def test_every_row(alarm: int, response: int) -> None:
    critical, kind, _, forbids = ROWS[alarm]
    assert al.TABLE[alarm][0] == (al.CRITICAL if critical else al.NON_CRITICAL)
    assert al.TABLE[alarm][1] == CLASSES[kind]
    chosen = bytearray([codes.R_CONTINUE] * codes.N_FAULTS)
    chosen[CLASSES[kind]] = response
    assert active(alarm).base(chosen) == effect(alarm, response)
    others = bytearray([response] * codes.N_FAULTS)
    others[CLASSES[kind]] = codes.R_CONTINUE
    assert active(alarm).base(others) == effect(alarm, codes.R_CONTINUE), "the response of another class is not its own"
    assert active(alarm).forbids_bolus() == forbids
    assert al.TABLE[alarm][3] == int(forbids)


@pytest.mark.requirement("OP-6.4.1", "OP-6.41.1", "SF-A1", "SF-A8", "FD-7.4", "ST-05")
def test_the_published_classes() -> None:
    """Critical and non-critical as published for the peristaltic family: WE-23 of the worked examples."""
    published = {
        "low reservoir": al.LOW_RESERVOIR,
        "elective/estimated replacement date reached": al.REPLACE_SOON,
        "non-critical memory error": al.MEMORY_MINOR,
        "empty reservoir": al.EMPTY_RESERVOIR,
        "end of service": al.END_OF_SERVICE,
        "motor stall": al.STALL,
        "pump stopped longer than 48 h": al.STOPPED_48H,
        "critical memory error": al.MEMORY_CRITICAL,
    }
    held = Path(__file__).parent / "data" / "worked-examples.json"
    case = next(c for c in json.loads(held.read_text()) if c["id"] == "WE-23")
    words = {al.NON_CRITICAL: "non-critical", al.CRITICAL: "critical"}
    assert [words[al.TABLE[published[event]][0]] for event in case["inputs"]["events"]] == case["expected"]["class"]
    assert len(case["inputs"]["events"]) == len(published)


def test_new_alarms_are_all_off() -> None:
    held = {n: (v.typecode, v.tolist()) if isinstance(v, array) else v for n, v in vars(Alarms()).items()}
    times = ("I", [0] * al.N_ALARMS)
    assert held == {
        "active": 0,
        "unread": False,
        "stalls": 0,
        "stalls_since_s": 0,
        "issued_s": times,
        "acknowledged_s": times,
        "cleared_s": times,
    }


def test_no_alarm_no_restriction() -> None:
    alarms = Alarms()
    assert alarms.base(bytearray(codes.N_FAULTS)) == codes.R_CONTINUE
    assert not alarms.forbids_bolus()
    assert not any(alarms.on(a) for a in range(al.N_ALARMS))


@given(which=SETS, response=st.lists(st.integers(0, 2), min_size=6, max_size=6))
@pytest.mark.requirement("UM-30", "UM-60", "UM-61", "UM-64")
def test_restrictions_are_the_union_of_all(which: set[int], response: list[int]) -> None:
    chosen = bytearray(response)
    alarms = active(*which)
    assert alarms.base(chosen) == min(
        (effect(a, response[CLASSES[ROWS[a][1]]]) for a in which), default=codes.R_CONTINUE
    )
    assert alarms.forbids_bolus() == any(ROWS[a][3] for a in which)
    assert alarms.active == reduce(int.__or__, (1 << a for a in which), 0)


@given(which=SETS, cleared=SETS, response=st.lists(st.integers(0, 2), min_size=6, max_size=6))
@pytest.mark.requirement("UM-66")
def test_clearing_one_never_lifts_what_another_asks_for(
    which: set[int], cleared: set[int], response: list[int]
) -> None:
    chosen = bytearray(response)
    alarms = active(*which)
    for alarm in cleared:
        assert alarms.clear(alarm, 9) == (alarm in which)
    left = active(*(which - cleared))
    assert alarms.base(chosen) == left.base(chosen)
    assert alarms.forbids_bolus() == left.forbids_bolus()


@pytest.mark.parametrize(("one", "other"), list(combinations(sorted(ROWS), 2)))
@pytest.mark.requirement("UM-65")
def test_one_of_two_stays(one: int, other: int) -> None:
    alarms = active(one, other)
    assert alarms.clear(one, 8)
    assert not alarms.on(one)
    assert alarms.on(other)


@pytest.mark.parametrize("alarm", sorted(ROWS))
@pytest.mark.requirement("UM-71", "FD-10.3")
def test_issued_acknowledged_cleared(alarm: int) -> None:
    alarms = Alarms()
    assert not alarms.acknowledge(alarm, 1)
    assert not alarms.clear(alarm, 1)
    assert alarms.acknowledged_s[alarm] == alarms.cleared_s[alarm] == 0
    assert alarms.issue(alarm, 10)
    assert not alarms.issue(alarm, 11)
    assert alarms.issued_s[alarm] == 10
    assert alarms.acknowledge(alarm, 12)
    assert alarms.on(alarm), "seen is not gone"
    assert alarms.acknowledged_s[alarm] == 12
    assert alarms.clear(alarm, 13)
    assert not alarms.on(alarm)
    assert alarms.cleared_s[alarm] == 13
    assert alarms.issue(alarm, 20)
    assert (alarms.issued_s[alarm], alarms.acknowledged_s[alarm], alarms.cleared_s[alarm]) == (20, 0, 13)
    others = [a for a in ROWS if a != alarm]
    assert not any(alarms.issued_s[a] or alarms.acknowledged_s[a] or alarms.cleared_s[a] for a in others)


@pytest.mark.requirement("FV-4")
def test_the_codes_are_closed_sets() -> None:
    """A value is part of logs and records: it never gets a second meaning, and its number never moves."""
    assert [getattr(codes, name) for name in ANSWERS.split()] == list(range(26))
    assert [getattr(codes, name) for name in EVENTS.split()] == list(range(1, 23))
    assert (codes.PATIENT, codes.SINGLE, codes.PRIME) == (1, 2, 3)
    assert list(CLASSES.values()) == list(range(codes.N_FAULTS))
    assert (codes.R_STOP, codes.R_FALLBACK, codes.R_CONTINUE) == (0, 1, 2)
    assert (codes.HOUR_S, codes.DAY_S, codes.WEEK_S) == (3600, 86_400, 604_800)
    assert codes.STOPPED_TOO_LONG_S == 48 * 3600
    assert codes.MAX_TIME_S == codes.MAX_STROKES == codes.NEVER == 2**31 - 1
    assert (codes.MAX_CHANNELS, codes.MAX_STEPS) == (8, 168)


def test_hardware_and_motor_as_they_come() -> None:
    hw = Hardware(7, 9)
    assert (hw.stroke_nl, hw.reservoir_nl, hw.residual_nl) == (7, 9, 0)
    assert hw.max_rate_pl_per_h == hw.prime_rate_pl_per_h == 10**9
    assert hw.replace_soon_s == hw.end_of_service_s == codes.NEVER
    assert Motor().turn(0, 10, 0, 1, 1, 7) == 7
    assert Motor().good_until(5) == codes.NEVER


# On a running pump; each mark is the same for leaping and stepping.


def rows(w: World) -> list[tuple[int, int, int]]:
    """Uptime, event and a of every record."""
    import struct

    w.c.log.seal()
    raw = [w.c.log.record(n) for n in range(1, w.c.log.sealed + 1)]
    return [(r[1], r[3], r[4]) for r in (struct.unpack(RECORD, one) for one in raw)]


def alarm_events(w: World, alarm: int) -> list[tuple[int, int]]:
    return [(t, e) for t, e, a in rows(w) if a == alarm and e in (codes.E_ALARM, codes.E_CLEAR)]


def go(w: World, until_s: int, *, leap: bool) -> None:
    if leap:
        w.c.run(until_s)
    else:
        w.step(until_s - w.c.t)


LEAP = pytest.mark.parametrize("leap", [True, False])


@LEAP
@pytest.mark.parametrize("odd_nl", [0, 1, 249])
@pytest.mark.requirement("OP-6.8.9", "UM-18", "UM-80", "SF-A8", "HZ-1.8")
def test_low_reservoir_is_told_at_its_stroke(leap: bool, odd_nl: int) -> None:
    w = world(program(rates=((0, 25_000_000),), bolus=None, low_nl=900_000), level_nl=902_500 + odd_nl)
    strokes = 10 if odd_nl == 0 else 11
    go(w, strokes * 36 - 1, leap=leap)
    assert not w.c.alarms.on(al.LOW_RESERVOIR)
    go(w, strokes * 36 + 500, leap=leap)
    assert alarm_events(w, al.LOW_RESERVOIR) == [(strokes * 36, codes.E_ALARM)]
    assert w.c.rate == 25_000_000, "low changes nothing"
    assert w.k.refill(900_000) == codes.GRANTED
    assert w.c.alarms.on(al.LOW_RESERVOIR), "at the level is low"
    assert w.k.refill(900_001) == codes.GRANTED
    assert not w.c.alarms.on(al.LOW_RESERVOIR)


@LEAP
@pytest.mark.parametrize(("level", "residual", "given"), [(2500, 0, 9), (2749, 0, 9), (2750, 250, 9), (2600, 101, 8)])
@pytest.mark.requirement("OP-6.2.2", "OP-6.8.10", "OP-7.2.7", "UM-02", "UM-23", "AG-07", "AG-03", "SF-03")
@pytest.mark.requirement("HZ-1.8")
def test_empty_stops_in_the_same_second(leap: bool, level: int, residual: int, given: int) -> None:
    """One stroke is left in the reservoir, so that two due in one second could not both be asked of it."""
    hw = hardware()
    hw.residual_nl = residual
    w = world(program(rates=((0, 25_000_000),), low_nl=1000), level_nl=level, hw=hw)
    go(w, given * 36 - 1, leap=leap)
    assert w.c.rate == 25_000_000
    go(w, given * 36, leap=leap)
    assert w.c.rate == 0
    assert alarm_events(w, al.EMPTY_RESERVOIR) == [(given * 36, codes.E_ALARM)]
    go(w, given * 36 + 5000, leap=leap)
    assert len(w.times()) == given
    assert w.c.commanded == given
    assert w.c.level_nl == level - given * 250 >= residual
    assert w.k.bolus(1) == codes.EMPTY
    assert w.k.refill(20_000_000) == codes.GRANTED
    assert w.c.rate == 25_000_000
    assert w.k.bolus(2) == codes.GRANTED


@LEAP
@pytest.mark.requirement("OP-5.2.6")
def test_empty_cuts_a_bolus(leap: bool) -> None:
    w = world(program(rates=((0, 0),), low_nl=0), level_nl=250 * 43)
    assert w.k.bolus(1) == codes.GRANTED
    w.k.refill(250 * 21)
    go(w, 2000, leap=leap)
    assert len(w.times()) == 20
    assert (300, codes.E_BOLUS_CUT, codes.PATIENT) in rows(w)
    assert w.c.b_kind == 0


@LEAP
@pytest.mark.parametrize("at", [1, 3601, 200_000])
@pytest.mark.requirement("OP-5.2.6", "OP-6.41.3", "OP-7.3.4", "UM-10", "FD-5.1")
def test_replacement_and_end_of_service(leap: bool, at: int) -> None:
    hw = hardware()
    hw.replace_soon_s = at
    hw.end_of_service_s = at + 1000
    w = world(program(rates=((0, 5_000_000),)), hw=hw)
    go(w, at - 1, leap=leap)
    assert w.c.alarms.active == 0
    go(w, at + 999, leap=leap)
    assert w.c.alarms.active == 1 << al.REPLACE_SOON
    assert w.c.rate == 5_000_000
    assert w.k.bolus(1) == codes.GRANTED
    go(w, at + 1000, leap=leap)
    assert w.c.rate == 0
    assert w.c.b_kind == 0, "its bolus ends with its service"
    assert w.k.bolus(2) == codes.ALARM
    count = w.c.commanded
    go(w, at + 9000, leap=leap)
    assert w.c.commanded == count
    assert alarm_events(w, al.REPLACE_SOON) == [(at, codes.E_ALARM)]
    assert alarm_events(w, al.END_OF_SERVICE) == [(at + 1000, codes.E_ALARM)]
    assert w.k.clear(al.END_OF_SERVICE) == codes.NOT_NEEDED, "it does not go away by being cleared"


@LEAP
@pytest.mark.requirement("UM-05", "UM-10", "UM-15", "UM-44", "FD-10.2")
def test_stopped_for_48_hours(leap: bool) -> None:
    w = world(program(rates=((0, 5_000_000),)))
    go(w, 700, leap=leap)
    w.k.stop(1)
    go(w, 700 + 172_799, leap=leap)
    assert w.c.alarms.active == 0
    go(w, 700 + 172_801, leap=leap)
    assert alarm_events(w, al.STOPPED_48H) == [(700 + 172_800, codes.E_ALARM)]
    w.k.start(1)
    assert alarm_events(w, al.STOPPED_48H)[-1] == (700 + 172_801, codes.E_CLEAR)
    assert w.c.rate == 5_000_000


@LEAP
@pytest.mark.requirement("UM-15")
def test_a_program_that_is_never_started(leap: bool) -> None:
    w = world(program(), start=False)
    go(w, 172_800, leap=leap)
    assert alarm_events(w, al.STOPPED_48H) == [(172_800, codes.E_ALARM)]


@pytest.mark.requirement("UM-15", "SF-05")
def test_a_pump_without_a_program_has_nothing_to_tell_about_its_reservoir() -> None:
    w = world()
    w.k.refill(0)
    w.c.run(4 * DAY)
    assert w.c.alarms.active == 0


@LEAP
@pytest.mark.parametrize(
    ("response", "rate"), [(codes.R_STOP, 0), (codes.R_FALLBACK, 3_600_000), (codes.R_CONTINUE, 25_000_000)]
)
@pytest.mark.requirement("P11", "OP-5.1.4", "OP-6.4.3", "OP-6.6.2", "UM-17", "UM-37", "UM-43", "AG-10", "SF-04")
@pytest.mark.requirement("HZ-6.6", "FD-8.3", "IT-03")
def test_a_stall_is_found_after_three_strokes(leap: bool, response: int, rate: int) -> None:
    p = program(rates=((0, 25_000_000),), responses=(0, response, 2, 0, 0, 2), fallback=3_600_000)
    w = world(p)
    w.motor.stalls = [(1000, 5000)]
    go(w, 1008 + 2 * 36 - 1, leap=leap)
    assert not w.c.alarms.on(al.STALL)
    assert w.c.missed == 2
    go(w, 1008 + 2 * 36, leap=leap)
    assert alarm_events(w, al.STALL) == [(1080, codes.E_ALARM)]
    assert w.c.rate == rate
    assert w.k.bolus(1) == codes.ALARM
    go(w, 4999, leap=leap)
    assert w.c.missed == 3 + rate * (4999 - 1080) // w.c.unit
    go(w, 6000, leap=leap)
    if response == codes.R_STOP:
        assert w.c.alarms.on(al.STALL)
        assert max(w.times()) < 1000
        assert w.k.clear(al.STALL) == codes.GRANTED
        assert w.c.rate == 25_000_000
        assert w.c.failed_row == 0
    else:
        first = min(t for t in w.times() if t >= 5000)
        assert alarm_events(w, al.STALL) == [(1080, codes.E_ALARM), (first, codes.E_CLEAR)]
        assert w.c.rate == 25_000_000
    assert w.c.strokes == len(w.times()) == w.c.commanded - w.c.missed
    assert w.c.level_nl == 20_000_000 - w.c.strokes * 250


@LEAP
@pytest.mark.requirement("OP-6.4.3", "FD-6.5", "FD-10.3")
def test_two_missed_strokes_are_no_stall(leap: bool) -> None:
    w = world(program(rates=((0, 25_000_000),)))
    w.motor.stalls = [(1000, 1060)]
    go(w, 3000, leap=leap)
    assert w.c.missed == 2
    assert alarm_events(w, al.STALL) == []
    assert w.c.failed_row == 0


@LEAP
@pytest.mark.requirement("P3", "P11", "OP-6.4.2", "OP-6.6.1", "OP-6.6.2", "UM-19", "MX-10")
def test_an_extra_stroke_stops_the_pump_whatever_was_chosen(leap: bool) -> None:
    w = world(program(rates=((0, 25_000_000),), responses=(2, 2, 2, 0, 0, 2)))
    w.motor.extra_at = 5004
    go(w, 9000, leap=leap)
    told = alarm_events(w, al.OVER_DELIVERY)
    assert len(told) == 1
    assert told[0][0] == 5004
    assert [a for _, e, a in rows(w) if e == codes.E_EXTRA] == [1]
    assert w.c.rate == 0
    assert w.c.strokes == len(w.times()) == w.c.commanded + 1
    assert w.c.level_nl == 20_000_000 - w.c.strokes * 250, "the account counts what turned"
    assert w.c.window.total() + w.c.seg_strokes == w.c.strokes
    assert w.k.bolus(1) == codes.ALARM
    assert w.k.clear(al.OVER_DELIVERY) == codes.GRANTED
    assert w.c.rate == 25_000_000


@LEAP
@pytest.mark.requirement("P11", "UM-02", "UM-30", "UM-47", "UM-61", "UM-63", "AG-03")
def test_an_alarm_that_chooses_stop_stops_from_its_own_second(leap: bool) -> None:
    """Power and clock doubts as on waking, with each response, and with another alarm beside them."""
    p = program(rates=((0, 25_000_000),), responses=(0, 2, 1, 0, 0, 0), fallback=3_600_000)
    w = world(p)
    go(w, 100, leap=leap)
    w.c.alarms.issue(al.POWER_LOST, w.c.t)
    w.c.plan()
    assert w.c.rate == 3_600_000
    w.c.alarms.issue(al.CLOCK_DOUBT, w.c.t)
    w.c.plan()
    assert w.c.rate == 0
    assert w.k.clear(al.CLOCK_DOUBT) == codes.GRANTED
    assert w.c.rate == 3_600_000, "the other one still asks for the fallback rate"
    assert w.k.bolus(1) == codes.GRANTED, "neither forbids a bolus"
    assert w.k.clear(al.POWER_LOST) == codes.GRANTED
    assert w.c.rate == 25_000_000


@pytest.mark.requirement("OP-7.4.6", "UM-67")
def test_clearing_the_minor_memory_alarm_never_lifts_the_critical_one() -> None:
    w = world(program(rates=((0, 25_000_000),)))
    for alarm in (al.MEMORY_MINOR, al.MEMORY_CRITICAL):
        w.c.alarms.issue(alarm, w.c.t)
    w.c.plan()
    assert w.k.clear(al.MEMORY_MINOR) == codes.GRANTED
    w.c.run(DAY - 1)
    assert w.times() == []
    assert w.k.clear(al.MEMORY_CRITICAL) == codes.MEMORY
    assert w.k.wait_s == 1
    w.c.run(DAY)
    assert w.k.clear(al.MEMORY_CRITICAL) == codes.GRANTED
    assert w.c.rate == 25_000_000
