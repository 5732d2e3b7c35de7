"""The dose window against a slow oracle that looks at every window start, second by second."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core_world import program

from thecal.pump.core.codes import DAY_S, HOUR_S, MAX_CHANNELS
from thecal.pump.core.window import AHEAD, EPOCHS, KNOTS, SLACK, DoseWindow

LANES = 4  # strokes: two lanes, each true to one, at both ends of a window: what SLACK stands for
ROUNDING = 2  # strokes: both ends of a window are rounded to the strict side
STRICTEST = SLACK + LANES + ROUNDING  # how far under a ceiling, in strokes and without margin, a refusal may lie
STRENGTHS = (1_000, 3_000, 20_000, 7_000)


@dataclass
class Lane:
    """Evenly spaced strokes with a carried remainder, as the controller gives them."""

    acc: int
    unit: int

    def give(self, rate: int, n_s: int) -> list[int]:
        """The seconds, counted from 1, of the strokes of the next ``n_s`` seconds."""
        whole = self.acc + rate * n_s
        seconds = [-(-(k * self.unit - self.acc) // rate) for k in range(1, whole // self.unit + 1)] if rate else []
        self.acc = whole % self.unit
        return seconds


@dataclass
class History:
    """A window that is fed, and beside it the strokes of every second with what each charges in two channels."""

    w: DoseWindow
    t: int = 0
    base: Lane = field(default_factory=lambda: Lane(0, 3600))
    charges: list[tuple[int, int, int]] = field(default_factory=list)  # second, strokes, epoch strength
    strengths: tuple[int, int] = (1, 1)
    rows: list[tuple[int, int, int, int]] = field(default_factory=list)

    def stretch(self, seconds: int, rate: int, bolus: int, *, ahead: bool = False) -> None:
        """``rate`` strokes an hour and a bolus of ``bolus`` strokes over the stretch; of no length: a burst."""
        n = 0
        if seconds == 0:
            n = bolus
            if n:
                self.rows.append((self.t, n, *self.strengths))
        else:
            given = self.base.give(rate, seconds) + Lane(0, seconds).give(bolus, seconds)
            self.rows += [(self.t + s, 1, *self.strengths) for s in given]
            n = len(given)
        self.t += seconds
        if ahead:
            assert self.w.lay(self.t, n)
        else:
            self.w.mark(self.t, n)

    def load(self, strengths: tuple[int, int], number: int = 1) -> bool:
        """Take other strengths from now on, at ceilings that the test sets itself."""
        p = program(number, strengths=strengths, per_1h=(1, 1), per_24h=(1, 1), stroke_nl=1)
        if not self.w.load(p, self.t):
            return False
        self.strengths = strengths
        return True

    def worst(self, channel: int, window_s: int, now_s: int) -> int:
        """The most that any window that ends after ``now_s`` holds of a channel, in fg."""
        per_second = np.zeros(self.t + window_s + 2, dtype=np.int64)
        if self.rows:
            rows = np.array(self.rows, dtype=np.int64)
            np.add.at(per_second, rows[:, 0], rows[:, 1] * rows[:, 2 + channel])
        total = np.concatenate([[0], np.cumsum(per_second)])  # total[i]: strokes in seconds before i
        ends = np.arange(now_s + 1, self.t + 1)
        if not len(ends):
            return 0
        starts = np.maximum(ends - window_s, -1)
        return int((total[ends + 1] - total[starts + 1]).max())


STRETCH = st.tuples(
    st.one_of(st.just(0), st.integers(1, 400), st.integers(1, 9000), st.sampled_from([HOUR_S, 1, DAY_S // 4])),
    st.one_of(st.just(0), st.integers(1, 300), st.integers(1, 4000)),
    st.one_of(st.just(0), st.integers(1, 60)),
)
PAIR = st.tuples(st.sampled_from(STRENGTHS), st.sampled_from(STRENGTHS))


def dearest(rows: list[tuple[int, int, int, int]], channel: int, strengths: tuple[int, int], now_s: int) -> int:
    """The most that one stroke in reach charges."""
    reach = [r[2 + channel] for r in rows if r[0] > now_s - DAY_S]
    return max([*reach, strengths[channel]])


@settings(max_examples=150, deadline=None)
@given(
    past=st.lists(st.tuples(STRETCH, st.one_of(st.none(), st.none(), PAIR)), min_size=1, max_size=12),
    future=st.lists(STRETCH, min_size=1, max_size=12),
    acc=st.integers(0, 3599),
    margin=st.integers(0, 30),
    over=st.one_of(st.integers(-3, -1), st.integers(-3, STRICTEST + 33)),
    channel=st.integers(0, 1),
    window_s=st.sampled_from([HOUR_S, DAY_S]),
)
@pytest.mark.requirement("P1", "MX-06", "FV-3")
def test_broken_is_never_too_lenient_and_too_strict_by_at_most_its_bound(
    past: list[tuple[tuple[int, int, int], tuple[int, int] | None]],
    future: list[tuple[int, int, int]],
    acc: int,
    margin: int,
    over: int,
    channel: int,
    window_s: int,
) -> None:
    h = History(DoseWindow(), base=Lane(acc, 3600))
    h.load((1_000, 3_000))
    for stretch, strengths in past:
        if strengths:
            h.load(strengths)
        h.stretch(*stretch)
    now = h.t
    if now == 0:
        return
    h.w.margin = margin
    h.w.clear_ahead()
    h.w.ahead_epoch = h.w.now_epoch
    for stretch in future:
        h.stretch(*stretch, ahead=True)
    most = {(c, s): h.worst(c, s, now) for c in (0, 1) for s in (HOUR_S, DAY_S)}
    unit = dearest(h.rows, channel, h.strengths, now)
    for c in (0, 1):
        for i, s in enumerate((HOUR_S, DAY_S)):
            limit = most[c, s] + over * unit if (c, s) == (channel, window_s) else 10**15
            h.w.limit_fg[i * MAX_CHANNELS + c] = limit
    found = h.w.broken(now, now)
    limit = most[channel, window_s] + over * unit
    only = h.w.one_strength(now)
    if over < 0 and most[channel, window_s] > 0:
        assert found == window_s, "too lenient"
    if found:
        assert found == window_s
        assert now < h.w.at_s <= h.t
        assert most[channel, window_s] > limit - (STRICTEST + margin) * unit, "too strict"
    assert not only or h.w.since_s + DAY_S <= now


def test_a_window_holds_its_first_second_and_not_the_one_after_its_last() -> None:
    # 100 strokes in second 1000 and 100 in second 1000 + W are in no common window; one second less, they are.
    for window_s, first in ((HOUR_S, 0), (DAY_S, MAX_CHANNELS)):
        for gap, together in ((window_s, False), (window_s - 1, True)):
            h = History(DoseWindow())
            h.load((1_000, 1_000))
            for c in range(2 * MAX_CHANNELS):
                h.w.limit_fg[c] = 10**15
            h.w.limit_fg[first] = (150 + SLACK) * 1_000
            h.stretch(999, 0, 0)
            h.stretch(1, 0, 100)
            h.w.clear_ahead()
            h.stretch(gap - 1, 0, 0, ahead=True)
            h.stretch(1, 0, 100, ahead=True)
            assert (h.w.broken(1000, 1000) == window_s) is together
            assert not together or h.w.at_s == 1000 + gap


def test_bursts_a_window_apart_are_in_no_common_window() -> None:
    h = History(DoseWindow())
    h.load((1_000, 1_000))
    for c in range(2 * MAX_CHANNELS):
        h.w.limit_fg[c] = 10**15
    h.stretch(100, 0, 0)
    h.stretch(0, 0, 50)
    h.stretch(0, 0, 50)
    h.stretch(HOUR_S - 10, 0, 0)
    h.w.clear_ahead()
    h.stretch(10, 0, 0, ahead=True)
    h.stretch(0, 0, 60, ahead=True)
    h.w.limit_fg[0] = (100 + SLACK) * 1_000
    assert h.w.broken(h.t - 10, h.t - 10) == 0
    h.w.limit_fg[0] = (99 + SLACK) * 1_000
    assert h.w.broken(h.t - 10, h.t - 10) == HOUR_S, "the first burst is still in windows that end before the second"


def test_a_window_that_begins_with_history_is_tried() -> None:
    # Seven strokes in the first second, then eight in an hour: the first hour holds fourteen, no later one does.
    h = History(DoseWindow())
    h.load((1_000, 1_000))
    h.stretch(1, 0, 7)
    h.w.clear_ahead()
    h.stretch(HOUR_S, 0, 8, ahead=True)
    for c in range(2 * MAX_CHANNELS):
        h.w.limit_fg[c] = 10**15
    h.w.limit_fg[0] = (14 + SLACK) * 1_000
    assert h.w.broken(1, 1) == HOUR_S, "fifteen, with the eighth rounded up"
    assert h.w.at_s == HOUR_S
    h.w.limit_fg[0] += 1_000
    assert h.w.broken(1, 1) == 0


def test_the_slack_is_charged_to_the_stroke() -> None:
    h = History(DoseWindow())
    h.load((1_000, 1_000))
    h.w.margin = 7
    for c in range(2 * MAX_CHANNELS):
        h.w.limit_fg[c] = 10**15
    h.stretch(10, 0, 10)
    h.w.clear_ahead()
    h.stretch(10, 0, 10, ahead=True)
    h.w.limit_fg[0] = (20 + SLACK + 7) * 1_000
    assert h.w.broken(10, 10) == 0
    h.w.limit_fg[0] -= 1
    assert h.w.broken(10, 10) == HOUR_S
    assert h.w.at_s == 20


def test_the_day_is_looked_at_before_the_hour_and_nothing_that_is_over_already() -> None:
    h = History(DoseWindow())
    h.load((1_000, 1_000))
    h.stretch(10, 0, 10)
    h.w.clear_ahead()
    h.stretch(DAY_S, 0, 0, ahead=True)
    for c in range(2 * MAX_CHANNELS):
        h.w.limit_fg[c] = 0
    h.w.limit_fg[0] = 0
    assert h.w.broken(10, 10) == DAY_S
    h.w.limit_fg[MAX_CHANNELS] = h.w.limit_fg[MAX_CHANNELS + 1] = 10**9
    assert h.w.broken(10, 10) == HOUR_S
    h.w.limit_fg[0] = h.w.limit_fg[1] = SLACK * 1_000
    assert h.w.broken(10, 10) == HOUR_S, "the strokes of the first ten seconds are in windows to come"
    assert h.w.broken(10 + HOUR_S, 10 + HOUR_S) == 0, "and later no more"


@pytest.mark.parametrize("channel", [0, 1])
def test_where_strengths_differ_in_time_each_channel_is_charged_its_own(channel: int) -> None:
    h = History(DoseWindow())
    h.load((1_000, 3_000))
    h.stretch(100, 0, 100)
    h.load((20_000, 1_000))
    h.w.clear_ahead()
    h.w.ahead_epoch = h.w.now_epoch
    h.stretch(100, 0, 100, ahead=True)
    exact = (100 * 1_000 + 100 * 20_000, 100 * 3_000 + 100 * 1_000)[channel]
    unit = (20_000, 3_000)[channel]
    for c in range(2 * MAX_CHANNELS):
        h.w.limit_fg[c] = 10**15
    h.w.limit_fg[channel] = exact + SLACK * unit
    assert h.w.broken(100, 100) == 0
    h.w.limit_fg[channel] -= 1
    assert h.w.broken(100, 100) == HOUR_S


def test_a_strength_that_no_window_reaches_any_more_makes_nothing_stricter() -> None:
    h = History(DoseWindow())
    h.load((20_000, 20_000))
    h.stretch(100, 0, 100)
    h.load((1_000, 1_000))
    h.stretch(DAY_S, 0, 0)
    h.stretch(1, 0, 10)
    h.w.clear_ahead()
    h.w.ahead_epoch = h.w.now_epoch
    h.stretch(1, 0, 10, ahead=True)
    for c in range(2 * MAX_CHANNELS):
        h.w.limit_fg[c] = 10**15
    h.w.limit_fg[0] = (20 + SLACK) * 1_000
    assert h.w.broken(h.t - 1, h.t - 1) == 0


def test_most_strokes_is_of_the_tightest_channel_with_its_margins_off() -> None:
    w = DoseWindow()
    p = program(strengths=(4_000_000, 1_000_000), per_1h=(1_000_999, 100_000), per_24h=(9_000_000, 9_000_000))
    assert w.load(p, 0)
    w.margin = 11
    assert w.most_strokes(HOUR_S) == 100_000 * 10**6 // (1_000_000 * 250) - SLACK - 11
    assert w.most_strokes(DAY_S) == 9_000_000 * 10**6 // (4_000_000 * 250) - SLACK - 11


def test_a_second_strength_has_its_own_charges_and_margin() -> None:
    h = History(DoseWindow())
    h.load((1_000, 1_000))
    h.stretch(10, 0, 1)
    h.load((1_000, 4_000))
    h.w.margin = 3
    for c in range(2 * MAX_CHANNELS):
        h.w.limit_fg[c] = 10**15
    h.w.limit_fg[1] = 80_000
    assert h.w.most_strokes(HOUR_S) == 20 - SLACK - 3
    h.stretch(DAY_S, 0, 0)
    h.w.clear_ahead()
    h.w.ahead_epoch = h.w.now_epoch
    h.stretch(10, 0, 12, ahead=True)
    assert h.w.broken(h.t - 10, h.t - 10) == 0
    h.w.limit_fg[1] -= 1
    assert h.w.broken(h.t - 10, h.t - 10) == HOUR_S


def test_one_channel_decides_where_there_is_one_strength() -> None:
    h = History(DoseWindow())
    h.load((1_000, 1_000))
    h.stretch(DAY_S, 0, 50)
    h.w.clear_ahead()
    h.stretch(100, 0, 50, ahead=True)
    for limits in ((49, 10**6), (10**6, 49)):
        for c in range(2 * MAX_CHANNELS):
            h.w.limit_fg[c] = 10**15
        h.w.limit_fg[0], h.w.limit_fg[1] = limits[0] * 1_000, limits[1] * 1_000
        assert h.w.one_strength(DAY_S)
        assert h.w.broken(DAY_S, DAY_S) == HOUR_S


def test_since_when_there_is_one_strength() -> None:
    h = History(DoseWindow())
    assert h.w.one_strength(0), "an empty history has one"
    h.load((1_000, 1_000))
    assert h.w.one_strength(0), "a first load is no change"
    h.stretch(500, 0, 5)
    h.load((3_000, 1_000))
    assert not h.w.one_strength(500 + DAY_S - 1)
    assert h.w.one_strength(500 + DAY_S)
    h.stretch(100, 0, 5)
    h.load((3_000, 1_000))
    assert h.w.one_strength(500 + DAY_S), "the same strengths again are no change"
    h.load((1_000, 1_000))
    assert not h.w.one_strength(500 + DAY_S)
    assert h.w.one_strength(600 + DAY_S)


def test_more_strengths_than_memory_has_are_refused_until_a_day_has_passed() -> None:
    h = History(DoseWindow())
    for i in range(EPOCHS):
        assert h.load((1_000 + i, 1_000))
        h.stretch(100, 0, 5)
    before = (bytes(h.w.charge), h.w.now_epoch, h.w.since_s)
    assert not h.load((9_000, 1_000))
    assert (bytes(h.w.charge), h.w.now_epoch, h.w.since_s) == before
    assert h.load((1_001, 1_000)), "a strength that it knows"
    assert h.load((1_003, 1_000))
    h.stretch(DAY_S - 300 - 1, 0, 0)
    assert not h.load((9_000, 1_000))
    h.stretch(1, 0, 0)
    assert h.load((9_000, 1_000)), "the first strength has left"


def test_a_strength_without_strokes_takes_no_place() -> None:
    h = History(DoseWindow())
    for i in range(3 * EPOCHS):
        assert h.load((1_000 + i, 1_000))
    h.stretch(1, 0, 1)
    for i in range(3 * EPOCHS):
        assert h.load((2_000 + i, 1_000))


def test_unused_channels_never_break() -> None:
    w = DoseWindow()
    p = program(strengths=(1_000,), per_1h=(10**12,), per_24h=(10**12,))
    for i in range(1, MAX_CHANNELS):
        p.strength_ng_per_ml[i] = 10**9
        p.ceiling_1h_ng[i] = p.ceiling_24h_ng[i] = 1 << 62
    assert w.load(p, 0)
    w.mark(10, 1000)
    w.lay(20, 1000)
    assert w.broken(10, 10) == 0


def test_memory_forgets_what_no_window_reaches_and_keeps_the_rest() -> None:
    h = History(DoseWindow())
    h.load((1_000, 1_000))
    for _ in range(500):
        assert h.w.room(h.t) > 0
        h.stretch(DAY_S // 100, 0, 3)
        h.stretch(DAY_S // 100, 0, 5)
    assert h.w.n < KNOTS
    h.w.clear_ahead()
    h.stretch(10, 0, 1, ahead=True)
    now = h.t - 10
    for over, expected in ((-1, DAY_S), (0, 0)):
        for c in range(2 * MAX_CHANNELS):
            h.w.limit_fg[c] = 10**15
        h.w.limit_fg[MAX_CHANNELS] = h.worst(0, DAY_S, now) + (over + SLACK) * 1_000
        assert h.w.broken(now, now) == expected


@pytest.mark.parametrize("every_s", [900, 700, 3600])
def test_memory_that_forgets_while_it_is_full_keeps_its_count(every_s: int) -> None:
    # Nobody asks for room: the mark that finds memory full forgets by itself.
    h = History(DoseWindow())
    h.load((1_000, 1_000))
    for i in range(3 * KNOTS):
        h.stretch(every_s, 0, 1 + i % 7)
        in_memory = [r for r in h.rows if r[0] > h.w.t[0]]
        assert h.w.total() == sum(r[1] for r in in_memory)
    now = h.t
    h.w.clear_ahead()
    h.stretch(10, 0, 1, ahead=True)
    for over, expected in ((-1, DAY_S), (0, 0)):
        for c in range(2 * MAX_CHANNELS):
            h.w.limit_fg[c] = 10**15
        h.w.limit_fg[MAX_CHANNELS] = h.worst(0, DAY_S, now) + (over * 2 + 1 + SLACK) * 1_000
        assert h.w.broken(now, now) == expected


def test_room_counts_down_and_comes_back() -> None:
    h = History(DoseWindow())
    h.load((1_000, 1_000))
    rooms = []
    for i in range(KNOTS):
        rooms.append(h.w.room(h.t))
        h.stretch(10, 0, 1 + i % 2)
    assert rooms[:3] == [KNOTS - 1, KNOTS - 2, KNOTS - 3]
    assert rooms[-1] == 0
    assert h.w.room(h.t) == 0
    assert h.w.room(KNOTS * 10 + DAY_S) == KNOTS - 1


def test_a_pause_takes_one_knot_and_an_empty_mark_none() -> None:
    w = DoseWindow()
    assert w.mark(0, 0)
    assert w.n == 1
    w.mark(10, 5)
    w.mark(10, 0)
    assert w.n == 2
    w.mark(20, 0)
    w.mark(30, 0)
    w.mark(40, 0)
    assert (w.n, w.t[2], w.total()) == (3, 40, 5)
    w.mark(50, 1)
    assert (w.n, w.total()) == (4, 6)


@settings(max_examples=60, deadline=None)
@given(
    filler=st.integers(KNOTS - 8, KNOTS + 40),
    stretches=st.lists(
        st.tuples(st.integers(0, 4000), st.sampled_from([0, 0, 300, 3000]), st.integers(0, 40)), min_size=1, max_size=30
    ),
    window_s=st.sampled_from([HOUR_S, DAY_S]),
)
def test_a_full_memory_is_never_too_lenient(filler: int, stretches: list[tuple[int, int, int]], window_s: int) -> None:
    h = History(DoseWindow())
    h.load((1_000, 1_000))
    for i in range(filler):
        h.stretch(20, 0, 1 + i % 2)
    for s in stretches:
        h.stretch(*s)
    now = h.t
    h.w.clear_ahead()
    h.stretch(10, 0, 1, ahead=True)
    for c in range(2 * MAX_CHANNELS):
        h.w.limit_fg[c] = 10**15
    h.w.limit_fg[0 if window_s == HOUR_S else MAX_CHANNELS] = h.worst(0, window_s, now) - 1_000
    assert h.w.broken(now, now) == window_s
    assert h.w.total() >= sum(r[1] for r in h.rows if r[0] > now - DAY_S and r[0] <= now)


def test_a_full_memory_says_so_and_takes_no_other_strength() -> None:
    h = History(DoseWindow())
    h.load((1_000, 1_000))
    for i in range(KNOTS - 1):
        assert h.w.mark(10 * i + 10, 1 + i % 2)
    h.t = KNOTS * 10
    assert not h.w.mark(h.t, 3)
    assert not h.load((3_000, 1_000)), "strokes of two strengths in one stretch could not be told apart"
    assert h.load((1_000, 1_000))


def test_what_is_laid_out_is_bounded_too() -> None:
    w = DoseWindow()
    assert w.load(program(), 0)
    for i in range(AHEAD):
        assert w.lay(i + 1, 1)
    assert not w.lay(AHEAD + 1, 1)
    w.clear_ahead()
    assert w.lay(1, 1)
    assert w.total() == 0


def test_what_is_laid_out_after_a_full_memory_is_seen() -> None:
    h = History(DoseWindow())
    h.load((1_000, 1_000))
    for i in range(KNOTS - 1):
        h.stretch(10, 0, 1 + i % 2)
    now = h.t
    h.w.clear_ahead()
    for _ in range(AHEAD):
        h.stretch(1, 0, 1, ahead=True)
    for over, expected in ((-1, HOUR_S), (0, 0)):
        for c in range(2 * MAX_CHANNELS):
            h.w.limit_fg[c] = 10**15
        h.w.limit_fg[0] = h.worst(0, HOUR_S, now) + (over + SLACK) * 1_000
        assert h.w.broken(now, now) == expected


# One boundary each: what a window, a strength or a margin counts to the stroke and to the second


def loose(h: History) -> None:
    """Ceilings that nothing breaks; what is laid out from here on has the present strength."""
    h.w.ahead_epoch = h.w.now_epoch
    for c in range(2 * MAX_CHANNELS):
        h.w.limit_fg[c] = 10**15


def tight_to(h: History, at: int, exact_fg: int, now_s: int, window_s: int) -> None:
    """The ceiling at ``at`` is just kept at ``exact_fg``, and broken a femtogram under it."""
    h.w.limit_fg[at] = exact_fg
    assert h.w.broken(now_s, now_s) == 0
    h.w.limit_fg[at] = exact_fg - 1
    assert h.w.broken(now_s, now_s) == window_s


def test_a_new_window_is_empty() -> None:
    w = DoseWindow()
    arrays = {n: (v.typecode, v.tolist()) for n, v in vars(w).items() if isinstance(v, array)}
    assert arrays == {
        "t": ("I", [0] * (KNOTS + AHEAD)),
        "strokes": ("I", [0] * (KNOTS + AHEAD)),
        "charge": ("q", [0] * (EPOCHS * MAX_CHANNELS)),
        "limit_fg": ("q", [0] * (2 * MAX_CHANNELS)),
        "margin_then": ("q", [0] * MAX_CHANNELS),
    }
    assert w.epoch == bytearray(KNOTS + AHEAD)
    numbers = {n: v for n, v in vars(w).items() if isinstance(v, int) and v != 0}
    assert numbers == {"n": 1, "since_s": -DAY_S}
    assert w.channels == w.at_s == w.ahead == w.margin == 0


def test_a_full_memory_takes_changes_again_after_a_day() -> None:
    w = DoseWindow()
    assert w.load(program(), 0)
    for i in range(KNOTS - 1):
        assert w.mark(10 * i + 10, 1 + i % 2)
    total = w.total()
    assert not w.mark(KNOTS * 10, 3)
    assert (w.t[KNOTS - 3], w.t[KNOTS - 2], w.t[KNOTS - 1]) == (10 * (KNOTS - 3), KNOTS * 10, KNOTS * 10)
    assert w.total() == total + 3
    assert w.mark(KNOTS * 10 + DAY_S, 4)
    assert (w.n, w.total()) == (2, 4)


def test_forgetting_keeps_the_strength_of_what_stays() -> None:
    h = History(DoseWindow())
    for i, strength in enumerate((1_000, 3_000, 7_000)):
        h.load((strength, 1))
        h.stretch(100 + i, 0, 5 + i)
    assert h.load((9_000, 1))
    h.t = 100 + DAY_S
    assert h.load((20_000, 1))
    assert (h.w.n, h.w.t[0], h.w.t[1], h.w.t[2]) == (3, 100, 201, 303)
    assert (list(h.w.strokes[:3]), list(h.w.epoch[1:3])) == ([0, 6, 13], [1, 2])


def test_memory_is_looked_through_when_it_is_more_than_half_full() -> None:
    w = DoseWindow()
    for i in range(KNOTS // 2 - 1):
        w.mark(10 * i + 10, 1)
    assert w.n == KNOTS // 2
    assert w.room(2 * DAY_S) == KNOTS - KNOTS // 2
    w.mark(DAY_S, 1)
    assert w.room(3 * DAY_S) == KNOTS - 1


def test_another_strength_needs_two_free_places() -> None:
    for free, taken in ((2, True), (1, False)):
        h = History(DoseWindow())
        h.load((1_000, 1_000))
        for i in range(KNOTS - 1 - free):
            h.stretch(10, 0, 1 + i % 2)
        assert h.w.room(h.t) == free
        assert h.load((3_000, 1_000)) is taken


def test_a_program_is_charged_as_it_says_and_only_in_its_channels() -> None:
    w = DoseWindow()
    p = program(strengths=(1_000, 7), per_1h=(11, 12), per_24h=(13, 14))
    p.strength_ng_per_ml[2] = p.ceiling_1h_ng[2] = p.ceiling_24h_ng[2] = 5
    assert w.load(p, 0)
    assert list(w.charge[:MAX_CHANNELS]) == [250_000, 1_750, 0, 0, 0, 0, 0, 0]
    assert list(w.limit_fg[:2]) == [11_000_000, 12_000_000]
    assert list(w.limit_fg[MAX_CHANNELS : MAX_CHANNELS + 2]) == [13_000_000, 14_000_000]
    assert set(w.limit_fg[2:MAX_CHANNELS]) == set(w.limit_fg[MAX_CHANNELS + 2 :]) == {1 << 61}


def test_the_present_strength_keeps_its_place_while_another_is_tried() -> None:
    h = History(DoseWindow())
    h.load((1_000, 1_000))
    h.stretch(100, 0, 5)
    assert h.w.n == 2
    for i in range(1, EPOCHS):
        assert h.load((1_000 + i, 1_000))
        assert h.w.now_epoch == i if i < 3 else h.w.now_epoch != 2
    assert h.load((1_002, 1_000))
    assert h.w.now_epoch == 2, "it can be put back as it was"


def test_most_strokes_are_whole_ones() -> None:
    w = DoseWindow()
    assert w.load(program(strengths=(4_000_000,), per_1h=(1_000_999,), per_24h=(9_000_999,)), 0)
    assert w.most_strokes(HOUR_S) == 1000 - SLACK
    assert w.most_strokes(DAY_S) == 9000 - SLACK


@pytest.mark.parametrize("window_s", [HOUR_S, DAY_S])
def test_after_a_change_of_strength_every_channel_is_looked_at(window_s: int) -> None:
    # In strokes of the present strength the first channel is the tightest; the second one is full of earlier strokes.
    h = History(DoseWindow())
    h.load((1_000, 20_000))
    h.stretch(100, 0, 100)
    h.load((1_000, 1_000))
    loose(h)
    h.stretch(10, 0, 1, ahead=True)
    first = 0 if window_s == HOUR_S else MAX_CHANNELS
    h.w.limit_fg[first] = 300_000
    h.w.limit_fg[first + 1] = 1_500_000
    assert h.w.broken(100, 100) == window_s


@pytest.mark.parametrize("window_s", [HOUR_S, DAY_S])
@pytest.mark.parametrize("tightest", [0, 1, 2])
def test_the_tightest_of_three_channels_decides(tightest: int, window_s: int) -> None:
    w = DoseWindow()
    p = program(strengths=(1_000, 3_000, 2_000), per_1h=(1,) * 3, per_24h=(1,) * 3, stroke_nl=1)
    assert w.load(p, 0)
    w.mark(DAY_S, 0)
    w.lay(DAY_S + 100, 50)
    first = 0 if window_s == HOUR_S else MAX_CHANNELS
    for fits, answer in ((50, 0), (49, window_s)):
        for c in range(2 * MAX_CHANNELS):
            w.limit_fg[c] = 10**15
        for c, strength in enumerate((1_000, 3_000, 2_000)):
            w.limit_fg[first + c] = ((fits if c == tightest else 60) + SLACK) * strength
        assert w.broken(DAY_S, DAY_S) == answer


def test_a_margin_for_earlier_strengths_is_kept_free_too() -> None:
    h = History(DoseWindow())
    h.load((1_000, 1_000))
    h.w.margin = 7
    h.w.margin_then[1] = 3
    h.stretch(10, 0, 10)
    loose(h)
    h.stretch(10, 0, 10, ahead=True)
    tight_to(h, 1, (20 + SLACK + 7 + 3) * 1_000, 10, HOUR_S)
    loose(h)
    tight_to(h, 0, (20 + SLACK + 7) * 1_000, 10, HOUR_S)


def test_the_first_window_to_come_is_tried() -> None:
    # What fell in the first second is in the window that ends at HOUR_S, and in none after it.
    h = History(DoseWindow())
    h.load((1_000, 1_000))
    h.stretch(1, 0, 100)
    h.stretch(HOUR_S - 2, 0, 0)
    loose(h)
    h.stretch(HOUR_S, 0, 0, ahead=True)
    h.w.limit_fg[0] = (99 + SLACK) * 1_000
    assert h.w.broken(HOUR_S - 1, HOUR_S - 1) == HOUR_S
    assert h.w.at_s == HOUR_S
    assert h.w.broken(HOUR_S, HOUR_S) == 0


def test_a_window_that_has_ended_is_not_tried() -> None:
    h = History(DoseWindow())
    h.load((1_000, 1_000))
    h.stretch(100, 0, 0)
    h.stretch(0, 0, 50)
    h.stretch(HOUR_S - 1, 0, 0)
    loose(h)
    h.stretch(100, 0, 0, ahead=True)
    h.w.limit_fg[0] = (49 + SLACK) * 1_000
    assert h.w.broken(98 + HOUR_S, 98 + HOUR_S) == HOUR_S
    assert h.w.broken(100 + HOUR_S, 100 + HOUR_S) == 0


@pytest.mark.parametrize("channel", [0, 1])
def test_a_window_that_ends_within_a_stretch_holds_its_part_of_it(channel: int) -> None:
    # 50 strokes from 1000 to 1100, then one every 100 s: the hour that begins at 1000 holds 50 + 35.
    h = History(DoseWindow())
    h.load((1_000, 3_000))
    h.stretch(1000, 0, 0)
    h.stretch(100, 0, 50)
    loose(h)
    h.stretch(7000, 0, 70, ahead=True)
    tight_to(h, channel, (85 + SLACK) * (1_000, 3_000)[channel], 1100, HOUR_S)
    assert h.w.at_s == 1000 + HOUR_S


def test_parts_of_a_stretch_are_rounded_to_the_strict_side() -> None:
    h = History(DoseWindow())
    h.load((1_000, 1_000))
    h.stretch(1000, 0, 7)
    loose(h)
    h.stretch(HOUR_S - 500, 0, 10, ahead=True)
    # The hour that ends with the second stretch begins in the middle of the first: 3.5 strokes are out, so 3 are.
    tight_to(h, 0, (4 + 10 + SLACK) * 1_000, HOUR_S + 499, HOUR_S)
    h = History(DoseWindow())
    h.load((1_000, 1_000))
    h.stretch(1, 0, 7)
    loose(h)
    h.stretch(HOUR_S, 0, 8, ahead=True)
    tight_to(h, 0, (7 + 8 + SLACK) * 1_000, 1, HOUR_S)


def test_a_window_that_lies_within_one_stretch() -> None:
    h = History(DoseWindow())
    h.load((1_000, 1_000))
    loose(h)
    h.stretch(3 * HOUR_S, 0, 300, ahead=True)
    tight_to(h, 0, (100 + SLACK) * 1_000, 2 * HOUR_S - 1, HOUR_S)


def test_the_slack_is_that_of_the_dearest_stroke_in_reach() -> None:
    # Strokes of 1,000 fg; the present strength is dearer and has given none.
    h = History(DoseWindow())
    h.load((1_000, 1_000))
    h.stretch(100, 0, 100)
    h.load((1_000, 20_000))
    loose(h)
    h.stretch(10, 0, 0, ahead=True)
    tight_to(h, 1, 100 * 1_000 + SLACK * 20_000, 100, HOUR_S)
    # A dearer strength that was loaded for a pause, and gave nothing.
    h = History(DoseWindow())
    h.load((1_000, 1_000))
    h.stretch(100, 0, 100)
    h.load((20_000, 1_000))
    h.stretch(10, 0, 0)
    h.load((1_000, 1_000))
    loose(h)
    h.stretch(10, 0, 0, ahead=True)
    tight_to(h, 0, 100 * 1_000 + SLACK * 1_000, 110, HOUR_S)


def test_a_dearer_strength_is_out_of_reach_a_day_after_its_last_stroke() -> None:
    for early, unit in ((1, 20_000), (0, 1_000)):
        h = History(DoseWindow())
        h.load((20_000, 20_000))
        h.stretch(100, 0, 1)
        h.load((1_000, 1_000))
        h.stretch(DAY_S - early, 0, 0)
        loose(h)
        h.stretch(10, 0, 10, ahead=True)
        tight_to(h, 0, 10 * 1_000 + SLACK * unit, 100 + DAY_S - early, HOUR_S)
