"""Delivery: counts, remainders, schedules, and leaping against stepping."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core_world import STROKE_NL, World, hardware, program, world

from thecal.pump.core import codes
from thecal.pump.core.controller import Controller
from thecal.pump.core.hardware import Motor
from thecal.pump.core.log import Log

DAY = codes.DAY_S


def volume_by(rates: list[tuple[int, int]], cycle: int, seconds: int) -> Fraction:
    """What a schedule holds in the first ``seconds``, in pL, second by second."""
    total = 0
    for t in range(seconds):
        phase = t % cycle
        total += [r for s, r in rates if s <= phase][-1]
    return Fraction(total, 3600)


@pytest.mark.requirement("OP-6.8.2")
def test_steady_rate_counts_whole_strokes_and_rounds_down() -> None:
    w = world(program(rates=((0, 20_833_333),), bolus=None))
    w.c.run(DAY)
    assert w.c.strokes == 20_833_333 * 24 // (STROKE_NL * 1000)
    assert len(w.motor.strokes) == w.c.strokes
    assert w.c.level_nl == 20_000_000 - w.c.strokes * STROKE_NL


@pytest.mark.requirement("FD-3.4")
def test_strokes_are_evenly_spaced() -> None:
    w = world(program(rates=((0, 25_000_000),), bolus=None))
    w.c.run(DAY)
    assert w.times() == [36 * i for i in range(1, 2401)]


@pytest.mark.requirement("P3", "OP-5.1.3", "UM-16")
def test_a_year_is_right_to_one_stroke() -> None:
    rates = [(i * 3600, 15_000_000 + 777_777 * (i % 7)) for i in range(24)]
    w = world(program(rates=rates, bolus=None))
    for month in range(1, 13):
        w.c.run(month * 30 * DAY)
        w.k.refill(20_000_000)
    exact = 12 * 30 * sum(r for _, r in rates)
    assert 0 <= Fraction(exact, STROKE_NL * 1000) - w.c.strokes < 1


@pytest.mark.requirement("OP-6.2.1", "UM-34")
def test_schedule_follows_the_pump_clock() -> None:
    w = world(program(rates=((0, 0), (7200, 36_000_000), (10_800, 0)), bolus=None), start=False)
    assert w.k.set_clock(3600) == codes.GRANTED
    w.k.start(1)
    w.c.run(DAY)
    times = w.times()
    assert len(times) == 144
    assert 3600 < times[0] <= 3625
    assert times[-1] == 7200


def test_a_week_of_different_days() -> None:
    weekend = 5 * DAY
    w = world(program(rates=((0, 10_000_000), (weekend, 20_000_000)), cycle_s=codes.WEEK_S, bolus=None))
    w.c.run(codes.WEEK_S)
    per_day = [sum(1 for t in w.times() if d * DAY < t <= (d + 1) * DAY) for d in range(7)]
    assert per_day == [960] * 5 + [1920] * 2


@pytest.mark.requirement("OP-5.2.1", "UM-40", "FD-3.4")
def test_base_zero_delivers_boluses_alone() -> None:
    w = world(program(rates=((0, 0),)))
    w.c.run(1000)
    assert w.k.bolus(1) == codes.GRANTED
    w.c.run(DAY)
    assert w.times() == [1000 + 15 * i for i in range(1, 41)]


@pytest.mark.requirement("OP-5.2.2", "OP-6.2.1", "UM-35", "UM-36")
def test_bolus_adds_to_the_base_and_keeps_its_duration() -> None:
    base = world(program(rates=((0, 25_000_000),)))
    w = world(program(rates=((0, 25_000_000),)))
    base.c.run(2000)
    w.c.run(500)
    assert w.k.bolus(1) == codes.GRANTED
    w.c.run(2000)
    extra = sorted(set(w.times()) - set(base.times()))
    assert len(w.times()) == len(base.times()) + 40
    assert max(extra) <= 1100


@pytest.mark.requirement("OP-6.2.1", "UM-16", "UM-28", "UM-40")
def test_bridge_runs_at_its_own_rate_until_its_volume_is_gone() -> None:
    w = world(program(rates=((0, 10_000_000),), bridge=(300_000_000, 20_000_000, 0)))
    w.c.run(2 * DAY)
    end = 300_000_000 * 3600 // 20_000_000
    before = sum(1 for t in w.times() if t <= end)
    assert before == 300_000 // STROKE_NL
    w.c.log.seal()
    ends = [w.c.log.record(i) for i in range(w.c.log.oldest(), w.c.log.sealed + 1)]
    import struct

    rows = [struct.unpack("<IIIIqq", r) for r in ends]
    assert [(r[1], r[4]) for r in rows if r[3] == codes.E_BRIDGE_END] == [(end, before)]


@pytest.mark.requirement("OP-6.2.2", "OP-6.5.6", "OP-6.5.22", "OP-7.2.1")
def test_stop_and_start_keep_the_schedule_and_the_remainder() -> None:
    w = world(program(rates=((0, 25_000_000),), bolus=None))
    w.c.run(50)
    assert w.k.stop(1) == codes.GRANTED
    w.c.run(5000)
    assert len(w.times()) == 1
    assert w.k.start(1) == codes.GRANTED
    w.c.run(5100)
    assert w.times() == [36, 5022, 5058, 5094]


@pytest.mark.requirement("UM-05", "UM-12", "UM-46")
def test_stopping_cuts_a_bolus_short() -> None:
    w = world(program(rates=((0, 0),)))
    w.k.bolus(1)
    w.c.run(300)
    w.k.stop(1)
    w.c.run(4000)
    assert len(w.times()) == 20
    assert w.k.start(1) == codes.GRANTED
    w.c.run(5000)
    assert len(w.times()) == 20, "an interrupted bolus is never resumed"
    assert w.k.bolus(2) == codes.GRANTED, "its lockout ran from its start"


@pytest.mark.requirement("OP-5.1.5")
def test_fallback_rate_replaces_the_schedule_while_the_motor_stalls() -> None:
    w = world(program(rates=((0, 25_000_000),), responses=(0, 1, 2, 0, 0, 2), fallback=5_000_000, bolus=None))
    w.motor.stalls = [(1000, 3000)]
    w.c.run(6000)
    commanded_in_stall = w.c.missed
    assert 3 <= commanded_in_stall < 60, "after three failures the fallback rate tries less often"
    assert w.c.alarms.active == 0, "the stall cleared with the first confirmed stroke"


def test_stall_with_stop_stays_stopped_until_cleared() -> None:
    w = world(program(rates=((0, 25_000_000),), responses=(0, 0, 2, 0, 0, 2), bolus=None))
    w.motor.stalls = [(1000, 3000)]
    w.c.run(10_000)
    assert max(w.times()) < 1000
    assert w.k.clear(4) == codes.GRANTED
    w.c.run(11_000)
    assert max(w.times()) > 10_000


def test_extra_strokes_stop_the_pump() -> None:
    w = world(program(rates=((0, 25_000_000),), bolus=None))
    w.motor.extra_at = 5000
    w.c.run(DAY)
    assert max(w.times()) <= 5004
    assert w.c.alarms.on(8)


def act(w: World, action: tuple[str, int]) -> None:
    """One outside act; requests number themselves by time."""
    kind, x = action
    if kind == "press":
        w.k.bolus(w.c.t + 1)
    elif kind == "single":
        w.k.single(1 + x % 50, 60 + x % 600)
    elif kind == "stop":
        w.k.stop(1)
    elif kind == "start":
        w.k.start(1)
    elif kind == "clock":
        w.k.set_clock(x * 100)
    elif kind == "refill":
        w.k.refill(1_000_000 + x * 1000)


ACTIONS = st.tuples(
    st.sampled_from(["press", "single", "stop", "start", "clock", "refill"]),
    st.integers(0, 900),
)
RATES = st.lists(st.integers(0, 90_000_000), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(
    rates=RATES,
    script=st.lists(st.tuples(st.integers(1, 5000), ACTIONS), min_size=1, max_size=8),
    stall=st.one_of(st.none(), st.tuples(st.integers(0, 20_000), st.integers(1, 9000))),
    response=st.integers(0, 2),
    level=st.integers(300_000, 3_000_000),
    splits=st.lists(st.integers(1, 4000), max_size=20),
)
def test_leaping_stepping_and_any_splitting_are_the_same(
    rates: list[int],
    script: list[tuple[int, tuple[str, int]]],
    stall: tuple[int, int] | None,
    response: int,
    level: int,
    splits: list[int],
) -> None:
    steps = [(i * (DAY // 8 // len(rates)), r) for i, r in enumerate(rates)]
    p = program(rates=steps, responses=(0, response, 2, 0, 0, 2), fallback=3_000_000, cycle_s=DAY // 8)
    worlds = [world(p, level_nl=level) for _ in range(3)]
    leap, step, split = worlds
    for w in worlds:
        if stall:
            w.motor.stalls = [(stall[0], stall[0] + stall[1])]
    cuts = iter(splits)
    for wait, action in script:
        end = leap.c.t + wait
        leap.c.run(end)
        step.step(wait)
        while split.c.t < end:
            split.c.run(min(end, split.c.t + next(cuts, end)))
        for w in worlds:
            act(w, action)
    for w in worlds:
        w.c.run(w.c.t + 5000)
    assert leap.times() == step.times() == split.times()
    assert leap.digest() == step.digest() == split.digest()
    assert leap.c.log.sealed == step.c.log.sealed


@pytest.mark.parametrize("window", [3600, 86_400])
def test_due_is_never_passed_by_an_event(window: int) -> None:
    w = world(program(rates=((0, 10_000_000), (4000, 30_000_000))))
    w.c.run(100)
    w.k.bolus(1)
    before = w.c.log.count()
    due = w.c.due()
    w.c.run(due - 1)
    assert w.c.log.count() == before
    w.c.run(due)
    assert w.c.due() > due


@settings(max_examples=40, deadline=None)
@given(rates=RATES, seconds=st.integers(1, 8000))
@pytest.mark.requirement("P3", "OP-5.1.3", "UM-40", "FD-S3")
def test_counted_strokes_are_the_volume_of_the_schedule_rounded_down(rates: list[int], seconds: int) -> None:
    steps = [(i * 300, r) for i, r in enumerate(rates)]
    w = world(program(rates=steps, cycle_s=3600, bolus=None))
    w.c.run(seconds)
    assert w.c.strokes == int(volume_by(steps, 3600, seconds) / (STROKE_NL * 1000))


@pytest.mark.requirement("P5", "OP-5.3.7", "UM-20", "SF-A3")
def test_a_bolus_is_cut_where_the_monitor_holds_it_without_a_base() -> None:
    w = world(program(rates=((0, 0),)))
    w.k.bolus(1)
    w.c.run(100)
    given = len(w.times())
    w.c.monitor.most_hour = 0
    w.c.run(5000)
    assert len(w.times()) == given
    assert w.c.b_kind == 0
    assert w.c.alarms.on(9)


@pytest.mark.requirement("FD-7.2")
def test_time_has_an_end() -> None:
    w = world(program(), start=False)
    w.c.t = codes.MAX_TIME_S - 100
    w.c.plan()
    assert w.c.run(codes.MAX_TIME_S + 1000) == codes.MAX_TIME_S


def test_what_may_be_commanded_is_the_least_of_what_three_leave() -> None:
    w = world(program())
    c = w.c
    room = c.monitor.room(c.t)
    assert 100 < room < 10**6
    assert [c._limit(n) for n in (10**9, room, room - 1, 1, 0)] == [room, room, room - 1, 1, 0]
    c.reserved = c.commanded + 7
    assert c._limit(10**9) == room, "nobody keeps it"
    c.guarded = True
    for reserved, left in ((7, 7), (room + 100, room), (0, 0), (-1, 0)):
        c.reserved = c.commanded + reserved
        assert c._limit(10**9) == left


def test_the_ring_of_boluses_says_when_it_is_too_short() -> None:
    w = world(program(rates=((0, 0),)))
    w.c.regular_at_s = -DAY
    w.c.run(1000)
    w.c.begin_bolus(codes.SINGLE, 3, 100)
    assert w.c.regular_at_s == 1000, "what the ring holds ended less than a day ago, for all it knows"
    w = world(program(rates=((0, 0),)))
    w.c.regular_at_s = -DAY
    w.c.run(DAY)
    for i in range(64):
        w.c.begin_bolus(codes.SINGLE, 1 + i, 100)
        w.c.run(w.c.t + 100)
    assert w.c.regular_at_s == -DAY
    assert w.c.recent_boluses(DAY) == 64 * 65 // 2
    assert w.c.recent_boluses(1000) == sum(range(55, 65)), "the eleventh ended a thousand seconds ago"
    w.c.begin_bolus(codes.SINGLE, 1000, 100)
    assert w.c.regular_at_s == DAY + 6400
    assert w.c.recent_boluses(100) == 1000 + 64
    assert w.c.recent_boluses(DAY) == 1000 + 64 * 65 // 2 - 1


def test_the_end_of_a_ring_of_boluses_is_a_day_old_to_the_second() -> None:
    for early, regular in ((0, -DAY), (1, 2 * DAY + 99)):
        w = world(program(rates=((0, 0),)))
        w.c.regular_at_s = -DAY
        w.c.run(DAY)
        w.c.begin_bolus(codes.SINGLE, 1, 100)
        w.c.run(DAY + 200)
        w.c.recent_end_s[w.c.recent] = DAY + 100
        w.c.run(2 * DAY + 100 - early)
        w.c.begin_bolus(codes.SINGLE, 1, 100)
        assert w.c.regular_at_s == regular


def test_strokes_of_which_some_were_confirmed_are_no_stall() -> None:
    w = world(program(rates=((0, 0),)))
    w.c.run(100)
    w.c.failed_row = 2
    w.c._account(50, 10, 7, 10)
    assert (w.c.missed, w.c.day_missed, w.c.failed_row, w.c.seg_strokes) == (3, 3, 0, 10)
    assert (w.c.commanded, w.c.strokes, w.c.day_strokes) == (10, 7, 7)
    w.c._account(60, 2, 0, 2)
    assert (w.c.missed, w.c.day_missed, w.c.failed_row) == (5, 5, 2)
    assert not w.c.alarms.on(4)
    w.c._account(70, 1, 0, 1)
    assert w.c.alarms.on(4)


def test_strokes_alone_are_no_event() -> None:
    w = world(program(rates=((0, 25_000_000),), low_nl=19_999_000))
    w.c.guarded, w.c.dirty = True, False
    w.c.reserved = w.c.commanded + 100
    w.c.run(36 * 3 + 1)
    assert (w.c.commanded, w.c.dirty) == (3, False)
    w.c.run(36 * 4)
    assert w.c.alarms.on(0)
    assert w.c.dirty
    w.c.dirty = False
    w.c.run(36 * 8 + 1)
    assert (w.c.t, w.c.commanded, w.c.dirty) == (36 * 8 + 1, 8, False), "it is told once"


def test_a_new_controller_has_done_nothing() -> None:
    c = Controller(hardware(), Motor(), Log(4))
    numbers = {n: v for n, v in vars(c).items() if isinstance(v, int) and v}
    assert numbers == {
        "staged_at_s": codes.NEVER,
        "unit": STROKE_NL * 1000 * 3600,
        "step_end_s": codes.NEVER,
        "total_s": DAY,
        "reserved": codes.MAX_STROKES,
        "event_s": DAY,
    }
    assert not any(v is None for v in vars(c).values())
    for flag in (c.loaded, c.running, c.bridging, c.guarded, c.dirty):
        assert flag is False
    assert (c.q_kind, c.q_n, c.q_s) == (bytearray(4), [0] * 4, [0] * 4)
    for ring in (c.recent_end_s, c.recent_n):
        assert (ring.typecode, ring.tolist()) == ("I", [0] * 64)


class Answering(Motor):
    """A motor that turns more or less than it was told, call by call; told to do nothing it is not asked."""

    def __init__(self, *more: int) -> None:
        self.more = list(more)

    def turn(self, t0_s: int, t1_s: int, acc: int, rate: int, unit: int, strokes: int) -> int:
        assert strokes > 0
        return strokes + (self.more.pop(0) if self.more else 0)


@pytest.mark.parametrize(("more", "charged"), [(2, 12), (0, 10), (-3, 10), (-10, 10)])
def test_the_base_is_charged_what_was_told_or_what_turned_whichever_is_more(more: int, charged: int) -> None:
    w = world(program(rates=((0, 5_000_000),), bridge=(100_000_000, 25_000_000, 0), responses=(0, 2, 2, 0, 0, 2)))
    left = w.c.bridge_left
    w.c.motor = Answering(more)
    w.c.run(360)
    assert w.c.window.total() + w.c.seg_strokes == charged
    assert (w.c.commanded, w.c.strokes, w.c.bridge_strokes) == (10, 10 + more, 10 + more)
    assert w.c.bridge_left == left - 25_000_000 * 360 - more * w.c.unit
    assert w.c.monitor.total == 10 + more


@pytest.mark.parametrize(("more", "charged"), [(2, 42), (0, 40), (-3, 40)])
def test_a_bolus_is_charged_what_was_told_or_what_turned_whichever_is_more(more: int, charged: int) -> None:
    w = world(program(rates=((0, 0),)))
    assert w.k.bolus(1) == codes.GRANTED
    w.c.motor = Answering(more)
    w.c.run(600)
    assert w.c.window.total() + w.c.seg_strokes == charged
    assert (w.c.commanded, w.c.strokes, w.c.b_given) == (40, 40 + more, 40 + more)


def test_nothing_is_asked_of_the_motor_where_nothing_is_due() -> None:
    w = world(program(rates=((0, 25_000_000),)))
    w.c.motor = Answering()
    w.step(100)
    assert w.k.bolus(1) == codes.GRANTED
    w.step(100)
    assert w.c.strokes == 5 + 6


@pytest.mark.parametrize(
    ("level", "usable", "low"),
    [(2_000_000, 7996, 0), (2_000_001, 7996, 1), (2_000_251, 7997, 2), (1250, 1, 0), (1249, 0, 0), (0, 0, 0)],
)
def test_what_is_in_the_reservoir_in_strokes(level: int, usable: int, low: int) -> None:
    hw = hardware()
    hw.residual_nl = 1000
    w = world(program(low_nl=2_000_000), hw=hw)
    w.c.level_nl = level
    assert (w.c.usable_strokes(), w.c.low_strokes()) == (usable, low)
    assert type(w.c.low_strokes()) is int
    assert w.c.empty() == (usable < 2)


def test_a_leap_to_just_behind_a_mark_tells_it_at_its_stroke() -> None:
    w = world(program(rates=((0, 25_000_000),), bolus=None, low_nl=900_000), level_nl=902_500)
    w.c.run(10 * 36 + 5)
    assert w.c.alarms.issued_s[0] == 10 * 36


def test_a_leap_into_a_hold_gives_all_that_is_allowed() -> None:
    w = world(program(rates=((0, 25_000_000),), bolus=None))
    w.c.monitor.most_hour = 10
    w.c.run(1000)
    assert w.times() == [36 * i for i in range(1, 11)]
    assert w.c.alarms.issued_s[9] == 396
    assert w.c.held == 27 - 10


def test_where_memory_reserves_no_more_the_pump_waits_for_it_and_holds_nothing() -> None:
    w = world(program(rates=((0, 25_000_000),), bolus=None))
    w.c.guarded, w.c.dirty = True, False
    w.c.reserved = w.c.commanded + 2
    assert w.c.run(1000) == 107
    assert (w.c.commanded, w.c.held, w.c.dirty) == (2, 0, False)
    w.c.reserved += 1
    assert w.c.run(1000) == 143
    assert w.times() == [36, 72, 108]


def test_what_memory_allows_and_the_monitor_does_not_is_held() -> None:
    w = world(program(rates=((0, 900_000_000),), bolus=None))  # a stroke each second
    w.c.guarded, w.c.dirty = True, False
    w.c.reserved = w.c.commanded + 1
    w.c.monitor.most_hour = 0
    assert w.c.run(1000) == 1
    assert (w.c.commanded, w.c.held, w.c.dirty) == (0, 1, True)
