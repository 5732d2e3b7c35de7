"""What is laid out to come is what the pump then does; and the margins and limits of every question about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.core_world import STROKE_NL, World, packed, program, world

from thecal.pump.core import alarms as al
from thecal.pump.core import codes as k
from thecal.pump.core import foresight
from thecal.pump.core.window import KNOTS, SLACK, DoseWindow

if TYPE_CHECKING:
    from collections.abc import Callable

    from thecal.pump.core.program import Program

HOUR, DAY = k.HOUR_S, k.DAY_S
NG = 5_000_000 * STROKE_NL // 10**6  # a stroke of the programs here
Knots = list[tuple[int, int]]  # time, and strokes from now on


def laid_out(
    w: World,
    p: Program | None = None,
    in_s: int = 0,
    strokes: int = 0,
    seconds: int = 1,
    offset_s: int = k.NEVER,
) -> Knots:
    """What is laid out to come when ``p``, or a bolus, is asked for in ``in_s`` seconds."""
    w.c.mark()
    window = w.c.window
    window.clear_ahead()
    done = window.total()
    ahead = foresight.Ahead(w.c, w.c.base_epoch)
    assert ahead.lay_out(p or w.c.program, w.c.t + in_s, strokes, seconds, offset_s)
    found = [(window.t[i], window.strokes[i] - done) for i in range(window.n, window.n + window.ahead)]
    window.clear_ahead()
    return found


def happens(w: World, knots: Knots, since_s: int, spare: int) -> None:
    """Every knot is what was charged by then, or at most ``spare`` strokes more."""
    charged = sorted(s.t for s in w.motor.strokes if not s.free and s.t > since_s)
    for t, n in knots:
        assert 0 <= n - sum(s <= t for s in charged) <= spare, (t, n)


STEPS = [(0, 20_000_000), (7200, 33_333_333), (10_000, 0), (50_000, 8_000_001)]


def test_a_schedule_is_laid_out_step_by_step_for_a_day() -> None:
    p = program(rates=STEPS, bolus=None, fallback=9_000_000)
    p.anchor_s = 900
    w = world(p)
    assert w.k.set_clock(2700) == k.GRANTED
    w.c.run(1000)
    knots = laid_out(w)
    assert [t for t, _ in knots] == [5400, 8200, 48_200, DAY - 1800, 1000 + DAY]
    w.c.run(1000 + DAY)
    happens(w, knots, 1000, 0)


def test_one_rate_is_one_stretch() -> None:
    w = world(program(rates=((0, 20_000_000),), bolus=None))
    w.c.run(100)
    assert laid_out(w) == [(100 + DAY, (20_000_000 * (100 + DAY)) // w.c.unit - w.c.strokes)]


def test_what_runs_what_waits_and_what_is_asked_for_follow_each_other() -> None:
    w = world(program(rates=((0, 20_000_000),)))
    w.c.run(500)
    assert w.k.bolus(1) == k.GRANTED
    assert w.k.single(30, 300) == k.GRANTED
    assert w.k.single(7, 100) == k.GRANTED
    w.c.run(717)
    knots = laid_out(w, strokes=11, seconds=50)
    assert [t for t, _ in knots] == [1100, 1400, 1500, 1550, 1550 + DAY]
    assert w.k.single(11, 50) == k.GRANTED
    w.c.run(1550 + DAY)
    happens(w, knots, 717, 0)


def test_a_bolus_asked_for_later_begins_then_or_when_the_lane_is_free() -> None:
    w = world(program(rates=((0, 0),)))
    w.c.run(500)
    assert w.k.bolus(1) == k.GRANTED
    assert laid_out(w, in_s=900, strokes=7, seconds=100) == [
        (1100, 40),
        (1400, 40),
        (1500, 47),
        (1500 + DAY, 47),
    ]
    w.c.run(515)
    assert laid_out(w, in_s=100, strokes=7, seconds=100) == [
        (615, 7),  # 39 strokes in 585 s, rounded up
        (1100, 39),
        (1200, 46),
        (1200 + DAY, 46),
    ]
    assert laid_out(w, in_s=100) == [(615, 7), (1100, 39), (1100 + DAY, 39)]
    w.c.run(2000)
    assert laid_out(w, in_s=100) == [(2100, 0), (2100 + DAY, 0)]


def test_a_bolus_over_a_change_of_rate_is_split_with_it() -> None:
    w = world(program(rates=((0, 0), (1000, 20_000_000))))
    w.c.run(800)
    assert w.k.bolus(1) == k.GRANTED
    knots = laid_out(w)
    assert [t for t, _ in knots] == [1000, 1400, DAY, 1000 + DAY, 1400 + DAY]
    assert [n for _, n in knots[:2]] == [14, 40 + 20_000_000 * 400 // w.c.unit]
    w.c.run(1400 + DAY)
    happens(w, knots, 800, 1)


def test_a_bridge_is_laid_out_to_its_last_stroke_and_a_day_beyond() -> None:
    w = world(program(rates=((0, 10_000_000),), bridge=(30_000_001, 20_000_000, 0)))
    w.c.run(333)
    knots = laid_out(w)
    end = -(-30_000_001 * HOUR // 20_000_000)
    assert [t for t, _ in knots] == [end, end + DAY]
    w.c.run(end + DAY)
    happens(w, knots, 333, 0)


@pytest.mark.parametrize("begin_s", [0, 1000])
def test_a_bolus_shortens_its_bridge(begin_s: int) -> None:
    # 5,400 s at the rate of the bridge; from 4,800 s on a bolus moves three times as much, so it ends after 150 s.
    w = world(program(rates=((0, 10_000_000),)))
    w.c.run(begin_s)
    assert w.load(program(2, ((0, 10_000_000),), bridge=(30_000_000, 20_000_000, 40))) == k.GRANTED
    w.c.run(begin_s + 4800)
    assert w.k.bolus(1) == k.GRANTED
    w.c.run(begin_s + 4807)
    left, rest = w.c.bridge_left, w.c.b_n - w.c.b_done
    knots = laid_out(w)
    ends = [t for t, _ in knots]
    assert ends[1:] == [begin_s + 5400, ends[2]]
    assert ends[0] == begin_s + 4807 + next(
        s for s in range(600) if 20_000_000 * s + rest * s // 593 * w.c.unit >= left
    )
    assert begin_s + 4950 - 8 <= ends[0] <= begin_s + 4950 + 16, "to a stroke of the bolus"
    # The old drug that is left when the bolus was asked for may take until then without it.
    assert begin_s + 5400 + DAY < ends[2] <= begin_s + 5400 + DAY + 600
    w.c.run(ends[2])
    happens(w, knots, begin_s + 4807, 1)
    assert not w.c.bridging
    w.c.bridge_left = -5
    assert [t for t, _ in laid_out(w)] == [w.c.t + DAY], "what the last stroke drew too much is not a bridge"


@pytest.mark.parametrize("begin_s", [0, 1000])
def test_a_bolus_in_the_middle_of_a_bridge_shortens_it_too(begin_s: int) -> None:
    w = world(program(rates=((0, 10_000_000),)))
    w.c.run(begin_s)
    assert w.load(program(2, ((0, 10_000_000),), bridge=(30_000_000, 20_000_000, 40))) == k.GRANTED
    w.c.run(begin_s + 1000)
    assert w.k.bolus(1) == k.GRANTED
    knots = laid_out(w)
    assert [t for t, _ in knots] == [begin_s + 1600, begin_s + 3600, begin_s + 6000 + DAY]
    w.c.run(begin_s + 6000 + DAY)
    happens(w, knots, begin_s + 1000, 0)


def test_a_program_with_a_bridge_begins_where_it_is_asked_for() -> None:
    w = world(program(rates=((0, 10_000_000),), bolus=None))
    w.c.run(1000)
    new = program(2, ((0, 10_000_000),), bridge=(5_000_000, 2_000_000, 0), bolus=None)
    knots = laid_out(w, new, in_s=900)
    assert knots == [
        (1900, 10_000_000 * 1900 // w.c.unit - w.c.strokes),
        (1900 + 9000, (10_000_000 * 1900 + 2_000_000 * 9000) // w.c.unit - w.c.strokes),
        (1900 + 9000 + DAY, (10_000_000 * (1900 + DAY) + 2_000_000 * 9000) // w.c.unit - w.c.strokes),
    ]
    assert w.k.propose(packed(new)) == k.GRANTED
    w.c.run(1000 + 100)
    knots = laid_out(w, new)
    assert w.k.confirm(w.k.staged_digest()) == k.GRANTED
    w.c.run(1100 + 9000 + DAY)
    happens(w, knots, 1100, 0)


def test_the_program_that_takes_the_place_of_a_bridge_does_not_go_on_with_it() -> None:
    w = world(program(rates=((0, 10_000_000),), bridge=(50_000_000, 20_000_000, 0)))
    w.c.run(1000)
    new = program(2, ((0, 5_000_000),), bolus=None)
    knots = laid_out(w, new)
    assert [t for t, _ in knots] == [1000 + DAY]
    assert w.load(new) == k.GRANTED
    w.c.run(1000 + DAY)
    happens(w, knots, 1000, 0)


def test_a_stopped_pump_is_laid_out_from_its_start_at_its_new_clock() -> None:
    w = world(program(rates=STEPS, bolus=None))
    w.c.run(1000)
    w.k.stop(1)
    w.c.run(2000)
    assert laid_out(w) == [(2000 + DAY, 0)]
    knots = laid_out(w, in_s=900, offset_s=5000)
    assert knots[0] == (2900, 0)
    assert knots[1] == (5000, 33_333_333 * 2100 // w.c.unit)
    assert knots[-1][0] == 2900 + DAY
    w.c.run(2900)
    assert w.k.set_clock(5000) == k.GRANTED
    assert w.k.start(1) == k.GRANTED
    w.c.run(2900 + DAY)
    happens(w, knots, 2900, 1)


def test_the_base_waits_for_a_prime_and_the_prime_is_not_charged() -> None:
    w = world(program(rates=((0, 20_000_000),)))
    w.c.run(500)
    assert w.k.prime(1, 120 * STROKE_NL, 100 * STROKE_NL, near_field=True) == k.GRANTED
    assert (w.c.b_s, w.c.q_s[0]) == (90, 18)
    w.c.run(520)
    knots = laid_out(w)
    assert [t for t, _ in knots] == [590, 608, 608 + DAY]
    assert knots[0][1] == 0
    w.c.run(608 + DAY)
    happens(w, knots, 520, 0)


def test_while_it_falls_back_the_faster_of_both_rates_is_laid_out() -> None:
    # The alarm may be cleared at any time, so that either rate may be what comes.
    p = program(
        rates=((0, 20_000_000), (7200, 1_000_000)), responses=(0, 2, 1, 0, 0, 2), fallback=5_000_000, bolus=None
    )
    w = world(p)
    w.c.issue(al.POWER_LOST)
    w.c.run(1000)
    assert w.c.rate == 5_000_000
    first = (w.c.acc + 20_000_000 * 6200) // w.c.unit
    assert laid_out(w)[0] == (7200, first)
    assert laid_out(w)[1] == (DAY, (w.c.acc + 20_000_000 * 6200 + 5_000_000 * (DAY - 7200)) // w.c.unit)
    # A program that goes on instead answers to the alarm in its own way.
    other = program(2, ((0, 1_000_000),), bolus=None)
    assert laid_out(w, other) == [(1000 + DAY, (w.c.acc + 1_000_000 * DAY) // w.c.unit)]
    slow = program(3, ((0, 1_000_000),), bolus=None, responses=(0, 2, 1, 0, 0, 2), fallback=5_000_000)
    assert laid_out(w, slow) == [(1000 + DAY, (w.c.acc + 5_000_000 * DAY) // w.c.unit)]


@pytest.mark.parametrize(("fallback", "rate"), [(5_000_000, 5_000_000), (1_000_000, 2_000_000)])
def test_a_bridge_that_falls_back_runs_at_the_faster_of_both_rates(fallback: int, rate: int) -> None:
    p = program(
        rates=((0, 500_000),),
        responses=(0, 2, 1, 0, 0, 2),
        fallback=fallback,
        bolus=None,
        bridge=(20_000_000, 2_000_000, 0),
    )
    w = world(p)
    w.c.issue(al.POWER_LOST)
    w.c.plan()
    left = w.c.bridge_left
    knots = laid_out(w)
    assert knots[0] == (left // rate, left // w.c.unit)
    assert knots[-1][0] == 36_000 + DAY, "without the alarm it would last so long"


def test_memory_that_is_full_is_said() -> None:
    w = world(program(rates=[(i * 500, 2_000_000 + i % 2) for i in range(160)], bolus=None), start=False)
    w.k.start(1)
    ahead = foresight.Ahead(w.c, w.c.base_epoch)
    assert not ahead.lay_out(w.c.program, w.c.t + 2 * DAY, 0, 1, k.NEVER)
    w.c.window.clear_ahead()


# The quick test


def allowing(hour: int, day: int, **more: object) -> World:
    """A pump whose ceilings, margins taken off, leave so many strokes."""
    w = world(program(rates=((0, 0),), per_1h=(9000 * NG,), per_24h=(9000 * NG,), **more))  # type: ignore[arg-type]
    margin = SLACK + w.c.window.margin
    w.c.window.limit_fg[0] = (hour + margin) * NG * 10**6
    w.c.window.limit_fg[8] = (day + margin) * NG * 10**6
    assert (w.c.window.most_strokes(HOUR), w.c.window.most_strokes(DAY)) == (hour, day)
    return w


def test_what_surely_fits_fills_the_hour_and_the_day_to_the_stroke() -> None:
    w = allowing(100, 150)
    assert foresight._surely_fits(w.c, 100)
    assert not foresight._surely_fits(w.c, 101)
    w = allowing(150, 100)
    assert foresight._surely_fits(w.c, 100)
    assert not foresight._surely_fits(w.c, 101)


def test_what_surely_fits_counts_the_base_what_waits_and_what_was_given() -> None:
    w = allowing(200, 300)
    w.c.worst_hour, w.c.worst_day = 20, 60
    w.c.run(DAY)
    assert w.k.single(30, 100) == k.GRANTED
    assert w.k.single(25, 100) == k.GRANTED
    assert w.k.single(15, 100) == k.GRANTED
    room = 200 - 20 - 30 - 25 - 15
    assert foresight._surely_fits(w.c, room)
    assert not foresight._surely_fits(w.c, room + 1)
    w.c.run(DAY + 300 + HOUR - 1)
    assert foresight._surely_fits(w.c, 200 - 20 - 15)
    assert not foresight._surely_fits(w.c, 200 - 20 - 15 + 1)
    w.c.run(DAY + 300 + HOUR)
    assert foresight._surely_fits(w.c, 300 - 60 - 70)
    assert not foresight._surely_fits(w.c, 300 - 60 - 70 + 1)


def test_nothing_surely_fits_while_other_than_the_schedule_is_in_reach() -> None:
    w = allowing(100, 100)
    w.c.bridging = True
    assert not foresight._surely_fits(w.c, 1)
    w = allowing(100, 100)
    w.c.run(5000)
    assert w.k.set_clock(10) == k.GRANTED
    w.c.run(5000 + DAY - 1)
    assert not foresight._surely_fits(w.c, 1)
    w.c.run(5000 + DAY)
    assert foresight._surely_fits(w.c, 1)
    w.c.window.since_s = w.c.t
    assert not foresight._surely_fits(w.c, 1)


# Limits and margins of the questions


def test_the_base_alone_may_fill_the_hour_and_the_day_to_the_stroke() -> None:
    w = world(program())
    p = program(2, ((0, 20_000_000),), bolus=None)  # 80 strokes an hour, 1,920 a day
    assert (foresight.worst_strokes(p, HOUR), foresight.worst_strokes(p, DAY)) == (80, 1920)
    more = program(2, ((0, 20_000_001),), bolus=None)
    assert (foresight.worst_strokes(more, HOUR), foresight.worst_strokes(more, DAY)) == (81, 1921)
    for hour, day, answer in (
        (80, 1920, k.GRANTED),
        (79, 1920, k.CEILING_1H),
        (80, 1919, k.CEILING_24H),
        (79, 1919, k.CEILING_1H),
    ):
        w.c.window.limit_fg[0] = (hour + SLACK + w.c.window.margin) * NG * 10**6
        w.c.window.limit_fg[8] = (day + SLACK + w.c.window.margin) * NG * 10**6
        assert foresight.program_alone(w.c, p) == answer


def test_a_bolus_needs_eight_free_places_in_the_history() -> None:
    w = world(program(rates=((0, 0),)))
    w.c.run(1000)
    for i in range(KNOTS - 9):
        w.c.window.mark(100 + i, 1 + i % 2)
    assert w.c.window.room(1000) == 8
    assert foresight.bolus_fits(w.c, 1, 60, 0) == k.GRANTED
    w.c.window.mark(900, 1)
    assert foresight.bolus_fits(w.c, 1, 60, 0) == k.HISTORY_FULL


def test_the_fastest_base_is_that_of_the_bridge_of_a_step_or_of_the_fallback() -> None:
    w = world(program(rates=((0, 5), (100, 9), (200, 7)), bridge=(1, 3, 0)))
    assert foresight.top_rate(w.c) == 9
    w.c.program.bridge_rate_pl_per_h = 10
    assert foresight.top_rate(w.c) == 10
    w.c.program.fallback_pl_per_h = 11
    assert foresight.top_rate(w.c) == 11


class Asked:
    """Notes what the window is asked, and with which margins; answers from a list."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: int) -> None:
        self.asked: list[tuple[int, int, list[int]]] = []
        left = list(answers)

        def broken(window: DoseWindow, now_s: int, after_s: int) -> int:
            self.asked.append((now_s, after_s, list(window.margin_then)))
            return left.pop(0) if left else 0

        monkeypatch.setattr(DoseWindow, "broken", broken)


def test_the_window_is_asked_with_the_margins_of_that_time(monkeypatch: pytest.MonkeyPatch) -> None:
    w = world(program(strengths=(5_000_000, 2_000_000)))
    w.c.run(700)
    asked = Asked(monkeypatch)
    margins = {0: 1, 1: -2}
    calls = []

    def margin_at(monitor: object, at_s: int, channel: int, going_on: bool = False) -> int:
        calls.append((at_s, channel, going_on))
        return w.c.window.margin + margins[channel]

    monkeypatch.setattr(type(w.c.monitor), "margin_at", margin_at)
    assert foresight.base_fits(w.c, 0) == k.GRANTED
    assert asked.asked == [(700, 700, [1, 0, 0, 0, 0, 0, 0, 0])]
    assert calls == [(700, 0, False), (700, 1, False)]
    assert list(w.c.window.margin_then) == [0] * 8, "and they are gone again"
    assert w.c.window.ahead == 0
    new = program(2, strengths=(5_000_000, 2_000_000))
    for in_s, running, going_on in ((0, True, False), (900, True, True), (900, False, False)):
        calls.clear()
        w.c.running = running
        foresight.program_fits(w.c, new, 700 + in_s)
        assert calls == [(700 + in_s, 0, going_on), (700 + in_s, 1, going_on)]
        assert asked.asked[-1][:2] == (700, 700 + in_s)
    calls.clear()
    w.c.running = True
    foresight._try(w.c, w.c.program, 700 + 900, 1, 60)
    assert calls == [(1600, 0, False), (1600, 1, False)]


@pytest.mark.parametrize("refusals", [1, 2, 98, 99])
def test_a_wait_is_the_first_quarter_of_an_hour_that_helps(refusals: int, monkeypatch: pytest.MonkeyPatch) -> None:
    w = world(program())
    w.c.run(700)
    new = program(2)
    said = 0 if refusals == 99 else 900 * (refusals + 1)
    waits: tuple[Callable[[], int], ...] = (
        lambda: foresight.bolus_wait(w.c, 5, 60, 30),
        lambda: foresight.base_wait(w.c, 77),
        lambda: foresight.program_wait(w.c, new),
    )
    for wait in waits:
        asked = Asked(monkeypatch, *[HOUR] * refusals)
        assert wait() == said
        first = 700 + 900 + (30 if len(asked.asked) and asked.asked[0][1] % 100 == 30 else 0)
        assert asked.asked[0][1] == first
        assert len(asked.asked) == min(refusals + 1, foresight.TRIES - 1)


def test_a_wait_is_found_with_strokes_to_spare(monkeypatch: pytest.MonkeyPatch) -> None:
    w = world(program())
    calls: list[tuple[object, ...]] = []

    def remember(*asked: object) -> int:
        calls.append(asked[1:])
        return k.GRANTED

    monkeypatch.setattr(foresight, "_try", remember)
    p, new = w.c.program, program(2)
    assert foresight.bolus_wait(w.c, 5, 60, 30) == 900
    assert foresight.base_wait(w.c, 77) == 900
    w.c.offset_s = 66
    assert foresight.program_wait(w.c, new) == 900
    assert calls == [(p, 930, 5 + 2, 60), (p, 900, 2, 1, 77), (new, 900, 2, 1, 66)]
    calls.clear()
    foresight.program_fits(w.c, new, 44)
    foresight.base_fits(w.c, 77)
    w.c.regular_at_s = 1
    foresight.bolus_fits(w.c, 5, 60, 30)
    assert calls == [(new, 44, 0, 1, 66), (p, 0, 0, 1, 77), (p, 30, 5, 60)]


@pytest.mark.parametrize(("length", "answer"), [(HOUR, k.CEILING_1H), (DAY, k.CEILING_24H), (0, k.GRANTED)])
def test_a_broken_window_is_named_by_its_length(length: int, answer: int, monkeypatch: pytest.MonkeyPatch) -> None:
    w = world(program())
    Asked(monkeypatch, length)
    assert foresight.base_fits(w.c, 0) == answer


def test_what_was_delivered_since_the_last_knot_is_laid_out_too(monkeypatch: pytest.MonkeyPatch) -> None:
    w = world(program(rates=((0, 20_000_000),), bolus=None))
    w.c.run(1000)
    seen: list[tuple[int, int, int]] = []

    def broken(window: DoseWindow, now_s: int, after_s: int) -> int:
        i = window.n
        seen.append((window.t[i], window.strokes[i] - window.strokes[i - 1], window.epoch[i]))
        return 0

    monkeypatch.setattr(DoseWindow, "broken", broken)
    foresight.base_fits(w.c, 0)
    assert seen == [(1000, 22, 0)]
    w.c.mark()
    foresight.base_fits(w.c, 0)
    assert seen[-1] == (1000 + DAY, (w.c.acc + 20_000_000 * DAY) // w.c.unit, 0)
    w.c.base_epoch = 2
    w.c.window.now_epoch = 3
    w.c.seg_strokes = 4
    foresight.base_fits(w.c, 0)
    assert seen[-1] == (1000, 4, 2), "a burst, of the strength that runs"
