"""What happens at an event and when the next one comes: ends of bridges, days, and what the monitor holds back."""

from __future__ import annotations

from struct import unpack

import pytest
from tests.core_world import World, hardware, program, world

from thecal.pump.core import agenda
from thecal.pump.core import alarms as al
from thecal.pump.core import codes as k
from thecal.pump.core.log import RECORD

HOUR, DAY = k.HOUR_S, k.DAY_S
LEAP = pytest.mark.parametrize("leap", [True, False])


def rows(w: World, *which: int) -> list[tuple[int, int, int, int]]:
    """Uptime, event and both numbers of every record, or of those of some events."""
    w.c.log.seal()
    raw = [unpack(RECORD, w.c.log.record(n)) for n in range(1, w.c.log.sealed + 1)]
    return [(r[1], r[3], r[4], r[5]) for r in raw if not which or r[3] in which]


def go(w: World, until_s: int, *, leap: bool) -> None:
    if leap:
        w.c.run(until_s)
    else:
        w.step(until_s - w.c.t)


@LEAP
@pytest.mark.parametrize("begin_s", [0, 1000])
@pytest.mark.parametrize("look_s", [0, 37, 100])
@pytest.mark.requirement("UM-28", "UM-35")
def test_a_bridge_ends_with_the_stroke_that_moves_its_last_drop(leap: bool, begin_s: int, look_s: int) -> None:
    # 5,400 s at the rate of the bridge; from 4,800 s on a bolus moves three times as much, so it ends after 150 s.
    w = world(program(rates=((0, 10_000_000),)))
    go(w, begin_s, leap=leap)
    assert w.load(program(2, ((0, 10_000_000),), bridge=(30_000_000, 20_000_000, 40))) == k.GRANTED
    go(w, begin_s + 4800, leap=leap)
    assert w.k.bolus(1) == k.GRANTED
    go(w, begin_s + 4800 + look_s, leap=leap)
    w.c.plan()
    assert w.c.due() == begin_s + 4950
    go(w, begin_s + 4950 - 1, leap=leap)
    assert (w.c.bridging, w.c.rate) == (True, 20_000_000)
    go(w, begin_s + 4950, leap=leap)
    assert (w.c.bridging, w.c.rate) == (False, 10_000_000)
    assert w.c.regular_at_s == begin_s + 4950
    assert rows(w, k.E_BRIDGE_END) == [(begin_s + 4950, k.E_BRIDGE_END, 110 + 10, 0)]
    assert w.c.due() == begin_s + 5400, "its bolus goes on to its end"


@LEAP
@pytest.mark.requirement("UM-78")
def test_every_day_has_its_totals(leap: bool) -> None:
    w = world(program(rates=((0, 20_000_000),), responses=(0, 2, 2, 0, 0, 2)))
    w.motor.stalls = [(1000, 1100)]
    go(w, 100, leap=leap)
    assert w.c.due() == DAY
    go(w, 2 * DAY + 5, leap=leap)
    missed = w.c.missed
    assert missed > 0
    assert rows(w, k.E_TOTAL) == [(DAY, k.E_TOTAL, 1920 - missed, missed), (2 * DAY, k.E_TOTAL, 1920, 0)]
    assert (w.c.total_s, w.c.day_strokes, w.c.day_missed) == (3 * DAY, 0, 0)


@LEAP
@pytest.mark.requirement("UM-20", "AG-08", "IT-17")
def test_what_is_held_back_lets_its_time_pass(leap: bool) -> None:
    # A stroke every 36 s; the monitor allows ten in an hour. The first leaves the hour in second 3636: not in time
    # for the stroke of that second, and so the next one comes 36 s later.
    w = world(program(rates=((0, 25_000_000),), bolus=None))
    w.c.monitor.most_hour, w.c.monitor.group = 10, 1
    for second in (*range(36, 361, 36), 395):  # the monitor hears of each stroke
        go(w, second, leap=leap)
    assert (w.c.held, w.c.alarms.on(al.HELD)) == (0, False)
    go(w, 396, leap=leap)
    assert (w.c.held, w.c.alarms.on(al.HELD)) == (1, True)
    assert w.c.acc == 0
    go(w, 36 * 12 - 1, leap=leap)
    assert (w.c.held, w.c.acc) == (1, 25_000_000 * 35)
    go(w, 36 * 12, leap=leap)
    assert w.c.held == 2
    assert (w.c.window.total(), w.c.seg_strokes) == (10, 0)
    assert w.c.window.t[w.c.window.n - 1] == 395, "the pause begins where strokes end"
    go(w, 3671, leap=leap)
    assert w.c.held == 101 - 10
    go(w, 3672, leap=leap)
    assert (w.c.held, w.c.alarms.on(al.HELD)) == (0, False)
    assert w.times() == [36 * i for i in range(1, 11)] + [3672]
    assert (w.c.window.total(), w.c.seg_strokes, w.c.strokes, w.c.commanded) == (10, 1, 11, 11)
    assert w.c.window.t[w.c.window.n - 1] == 3671, "and ends before the next"
    assert rows(w)[-3:] == [
        (396, k.E_HELD, 1, 0),
        (396, k.E_ALARM, al.HELD, w.c.level_nl + 250),
        (3672, k.E_CLEAR, al.HELD, 0),
    ]


def stalled(w: World, at_s: int) -> None:
    """A stall that is found at ``at_s`` and ends."""
    w.motor.stalls.append((at_s - 2 * 36, at_s + 200))
    w.c.run(at_s + 300)
    assert w.c.alarms.issued_s[al.STALL] == at_s
    assert not w.c.alarms.on(al.STALL)


@pytest.mark.parametrize(("early", "stalls"), [(36, 3), (0, 1)])
def test_a_week_of_stalls_ends_with_its_last_second(early: int, stalls: int) -> None:
    w = world(program(rates=((0, 25_000_000),), responses=(0, 2, 2, 0, 0, 2), bolus=None))
    w.c.alarms.stalls_since_s = 36 * 1000
    w.c.alarms.stalls = 1
    stalled(w, 36 * 2000)
    assert (w.c.alarms.stalls, w.c.alarms.stalls_since_s) == (2, 36 * 1000)
    w.k.refill(20_000_000)
    w.c.run(36 * 1000 + k.WEEK_S - 5000)
    stalled(w, 36 * 1000 + k.WEEK_S - early)
    assert w.c.alarms.stalls == stalls
    assert w.c.alarms.stalls_since_s == (36 * 1000 if early else 36 * 1000 + k.WEEK_S)
    assert w.c.alarms.on(al.SHORT_STALLS) == (stalls == 3)
    if stalls == 3:
        assert w.k.clear(al.SHORT_STALLS) == k.GRANTED
        assert w.c.alarms.stalls == 0


def test_what_turned_by_itself_is_counted_at_its_second() -> None:
    w = world(program(rates=((0, 0),)))
    w.c.run(5000)
    w.c.monitor.group = 1
    w.c.turned(20)
    m = w.c.monitor
    assert [m.t[(m.first + i) % len(m.t)] for i in range(m.n)] == [5000] * 20
    w.c.mark()
    assert (w.c.window.t[w.c.window.n - 1], w.c.window.total()) == (5000, 20)


@LEAP
def test_the_first_stroke_that_fits_ends_the_hold(leap: bool) -> None:
    w = world(program(rates=((0, 25_000_000),), bolus=None))
    w.c.monitor.most_hour = 0
    go(w, 100, leap=leap)
    assert w.c.held == 2
    w.c.monitor.most_hour = 1000
    go(w, 1000, leap=leap)
    assert w.times()[0] == 108
    assert rows(w)[-1] == (108, k.E_CLEAR, al.HELD, 0)


def test_a_bridge_is_over_when_nothing_is_left_of_it() -> None:
    w = world(program(bridge=(5_000_000, 18_000_000, 0)))
    w.c.bridge_left = 1
    agenda.handle(w.c)
    assert w.c.bridging
    w.c.bridge_left = 0
    agenda.handle(w.c)
    assert not w.c.bridging


def test_durable_memory_hears_of_an_event_that_the_log_does_not() -> None:
    w = world(program(rates=((0, 20_000_000), (7200, 10_000_000)), bolus=None))
    w.c.guarded, w.c.dirty = True, False
    w.c.plan()
    logged = w.c.log.count()
    for second in (3600, 7200, 10_800):
        assert w.c.due() == second
        assert w.c.run(20_000) == second
        assert w.c.dirty is True
        w.c.dirty = False
    assert w.c.log.count() == logged


def test_strokes_of_both_lanes_are_counted() -> None:
    w = world(program(rates=((0, 20_000_000),)))
    w.c.run(1000)
    assert w.k.bolus(1) == k.GRANTED
    w.c.run(1100)
    assert [w.c._count(t) for t in (1100, 1105, 1500, 2000)] == [0, 1, 9 + 27, 20 + 34]


def test_alarms_that_follow_stand_beside_each_other() -> None:
    hw = hardware()
    hw.replace_soon_s = 3 * DAY
    hw.end_of_service_s = 4 * DAY
    w = world(program(low_nl=1_000_000, responses=(0, 2, 2, 0, 0, 2)), hw=hw)
    w.c.issue(al.STALL)
    w.k.refill(1_000_000)
    found = 1 << al.STALL | 1 << al.LOW_RESERVOIR
    assert w.c.alarms.active == found
    w.k.refill(0)
    found |= 1 << al.EMPTY_RESERVOIR
    assert w.c.alarms.active == found
    w.k.stop(1)
    for until_s, alarm in ((2 * DAY, al.STOPPED_48H), (3 * DAY, al.REPLACE_SOON), (4 * DAY, al.END_OF_SERVICE)):
        w.c.run(until_s - 1)
        assert w.c.alarms.active == found
        w.c.run(until_s)
        found |= 1 << alarm
        assert w.c.alarms.active == found
    w.k.refill(20_000_000)
    found &= ~(1 << al.LOW_RESERVOIR | 1 << al.EMPTY_RESERVOIR)
    assert w.c.alarms.active == found, "what does not follow from accounts stays"


@pytest.mark.parametrize("prime", [False, True])
def test_an_alarm_that_forbids_boluses_cuts_one_but_not_a_prime(prime: bool) -> None:
    w = world(program(responses=(0, 2, 2, 0, 0, 2)))
    assert (w.k.prime(1, 9000, 9000, near_field=True) if prime else w.k.bolus(1)) == k.GRANTED
    w.c.run(1)
    w.c.issue(al.STALL)
    w.c.run(2)
    assert (w.c.b_kind == k.PRIME) == prime


def test_a_pump_that_runs_has_no_event_for_how_long_it_was_stopped() -> None:
    w = world()
    w.c.run(50)
    assert w.load(program(bolus=None)) == k.GRANTED
    assert w.k.start(1) == k.GRANTED
    w.c.run(2 * DAY)
    assert w.c.due() == 3 * DAY


def test_one_rate_has_no_event_at_the_end_of_its_cycle() -> None:
    assert world(program(bolus=None, cycle_s=HOUR)).c.due() == DAY


def test_the_cycle_begins_at_its_anchor() -> None:
    p = program(rates=((0, 1_000_000), (7200, 20_000_000)), bolus=None)
    p.anchor_s = 3000
    w = world(p)
    assert (w.c.rate, w.c.due()) == (20_000_000, 3000)
    w.c.run(3000)
    assert (w.c.rate, w.c.due()) == (1_000_000, 10_200)


def test_there_is_no_event_after_the_end_of_time() -> None:
    w = world(program(bolus=None))
    w.c.t = k.MAX_TIME_S - 100
    w.c.total_s = k.MAX_TIME_S + 5
    w.c.plan()
    assert w.c.due() == k.MAX_TIME_S
