"""The monitor against an exact oracle that keeps every stroke."""

from __future__ import annotations

import ast
from array import array
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core_world import program

from thecal.pump.core import monitor as monitor_module
from thecal.pump.core.codes import DAY_S, HOUR_S, MAX_CHANNELS, MAX_STROKES
from thecal.pump.core.monitor import EPOCHS, GROUPS, PAD, Monitor
from thecal.pump.core.program import Program


def strict(strengths: tuple[int, ...], hour: tuple[int, ...], day: tuple[int, ...]) -> Program:
    """A program of strokes of 1 nL: a stroke charges its strength in fg, and ceilings are given in strokes."""
    p = program(strengths=strengths, stroke_nl=1)
    for c, s in enumerate(strengths):
        # Ceilings are whole ng and strokes here are less: round up to a ng.
        p.ceiling_1h_ng[c] = -(-hour[c] * s // 10**6)
        p.ceiling_24h_ng[c] = -(-day[c] * s // 10**6)
    return p


class Oracle:
    """Every stroke with its time and what it charges."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, int, tuple[int, ...]]] = []  # second, strokes, fg by channel
        self.p = Program()

    def add(self, t: int, n: int) -> None:
        self.rows.append((t, n, tuple(self.p.strength_ng_per_ml[c] * self.p.stroke_nl for c in range(MAX_CHANNELS))))

    def room(self, now: int) -> int:
        least = MAX_STROKES
        for c in range(self.p.n_channels):
            own = self.p.strength_ng_per_ml[c] * self.p.stroke_nl
            for w, limit in ((HOUR_S, self.p.ceiling_1h_ng[c]), (DAY_S, self.p.ceiling_24h_ng[c])):
                used = sum(n * fg[c] for t, n, fg in self.rows if t > now - w)
                least = min(least, (limit * 10**6 - used) // own)
        return max(least, 0)


def lanes(t0: int, t1: int, base: int, bolus: int, phase: int) -> list[int]:
    """The seconds of the strokes of two even lanes; the base begins within its remainder."""
    span = t1 - t0
    return sorted(
        [t0 + -(-(k * 100 - phase) * span // (base * 100)) for k in range(1, base + 1) if base]
        + [t0 + -(-k * span // bolus) for k in range(1, bolus + 1) if bolus]
    )


def give(m: Monitor, o: Oracle, t0: int, t1: int, base: int, bolus: int, *, train: bool, phase: int) -> None:
    """Report strokes to both, as one train or one by one."""
    if t1 == t0:
        m.count(t0, t1, base + bolus)
        o.add(t1, base + bolus)
        return
    times = lanes(t0, t1, base, bolus, phase)
    for t in times:
        o.add(t, 1)
    if train:
        m.count(t0, t1, len(times))
        return
    before = t0
    for t in times:
        m.count(before, t, 1)
        before = t


CEILINGS = st.one_of(st.integers(1, 12), st.integers(12, 700), st.integers(700, 30_000))
STRENGTHS = st.lists(st.sampled_from([1_000_000, 3_000_000, 20_000_000]), min_size=1, max_size=3).map(tuple)


@st.composite
def programs(draw: st.DrawFn) -> Program:
    strengths = draw(STRENGTHS)
    hour = tuple(draw(CEILINGS) for _ in strengths)
    day = tuple(h * draw(st.integers(1, 30)) for h in hour)
    return strict(strengths, hour, day)


STEP = st.tuples(
    st.one_of(st.sampled_from([0, 1, 3599, 3600, 3601, 86_400]), st.integers(1, 4000), st.integers(1, 40_000)),
    st.integers(0, 100),  # how much of the room is used, in percent
    st.integers(0, 100),  # of that, how much is bolus
    st.booleans(),
    st.integers(0, 99),
)


@settings(max_examples=150, deadline=None)
@given(p=programs(), steps=st.lists(STEP, min_size=1, max_size=14))
@pytest.mark.requirement("P5", "OP-6.1.1", "MX-10", "IT-16")
def test_room_is_never_too_much_and_too_little_by_at_most_the_margin(
    p: Program, steps: list[tuple[int, int, int, bool, int]]
) -> None:
    m, o = Monitor(), Oracle()
    assert m.load(p, 0, 0)
    o.p = p
    now = 0
    for dt, percent, bolus, train, phase in steps:
        room = m.room(now)
        exact = o.room(now)
        assert room <= exact
        assert room > exact - m.margin() or room == exact
        n = min(room * percent // 100, 3000)
        n = min(n, 2 * dt) if dt else n
        part = n * bolus // 100
        give(m, o, now, now + dt, n - part, part, train=train, phase=phase)
        now += dt
        for late in (now, now + HOUR_S, now + DAY_S):
            assert o.room(late) >= 0
    assert m.total == sum(n for _, n, _ in o.rows)


@settings(max_examples=120, deadline=None)
@given(parts=st.lists(st.tuples(programs(), st.lists(STEP, min_size=1, max_size=5)), min_size=2, max_size=EPOCHS + 2))
def test_over_several_programs_room_is_never_too_much_and_too_little_by_at_most_the_margin_then(
    parts: list[tuple[Program, list[tuple[int, int, int, bool, int]]]],
) -> None:
    m, o = Monitor(), Oracle()
    now = 0
    for p, steps in parts:
        if not m.load(p, 0, now):
            continue
        o.p = p
        for dt, percent, bolus, train, phase in steps:
            room = m.room(now)
            exact = o.room(now)
            assert room <= exact
            if exact < MAX_STROKES // 2:
                assert room >= exact - max(m.margin_at(now, c) for c in range(m.channels)) or room == exact
            n = min(room * percent // 100, 3000)
            n = min(n, 2 * dt) if dt else n
            part = n * bolus // 100
            give(m, o, now, now + dt, n - part, part, train=train, phase=phase)
            now += dt


def test_a_stroke_leaves_the_hour_and_the_day_in_their_exact_second() -> None:
    m = Monitor()
    m.load(strict((1_000_000,), (10,), (15,)), 0, 0)
    m.count(99, 100, 10)
    assert m.room(100) == 0
    assert m.room(100 + HOUR_S - 1) == 0
    assert m.room(100 + HOUR_S) == 5
    m.count(100 + HOUR_S, 101 + HOUR_S, 5)
    assert m.room(100 + DAY_S - 1) == 0
    assert m.room(100 + DAY_S) == 10


def test_what_makes_a_group() -> None:
    m = Monitor()
    for hour, day, group in (
        (1, 1, 1),
        (63, 63, 1),
        (256, 256, 4),
        (100, 256, 1),
        (100, 257, 2),
        (100, 2400, 10),
        (100, 10**6, 10),
        (106, 10**6, 10),
        (106, 2600, 10),
        (6400, 25_600, 100),
        (6_400_000, 25_600_000, 100_000),
    ):
        m.load(strict((1_000_000,), (hour,), (day,)), 0, 0)
        assert m.group == group, (hour, day)
        assert m.margin() == group + PAD + 1


def test_a_ceiling_of_less_than_a_stroke_leaves_no_room() -> None:
    m = Monitor()
    p = program(strengths=(5_000_000,), per_1h=(1249,), per_24h=(1249,))
    assert m.load(p, 0, 0)
    assert m.room(0) == 0
    assert m.group == 1


def test_a_full_day_of_any_ceiling_finds_room_in_the_ring() -> None:
    for day in (255, 257, 511, 513, 767, 1023, 40_001):
        m = Monitor()
        m.load(strict((1_000_000,), (day // 4,), (day,)), 0, 0)
        now = 0
        while now < 2 * DAY_S:
            if m.room(now):
                m.count(now, now + 1, 1)
            now += max(1, DAY_S // (2 * day))
            assert m.n < GROUPS


def test_millions_of_strokes() -> None:
    m, o = Monitor(), Oracle()
    o.p = strict((1_000_000,), (4_000_000,), (50_000_000,))
    m.load(o.p, 0, 0)
    for hour in range(40):
        n = m.room(hour * HOUR_S) * 9 // 10
        m.count(hour * HOUR_S, hour * HOUR_S + HOUR_S, n)
        for second in range(36):
            o.add(hour * HOUR_S + 100 * second + 100, n * (second + 1) // 36 - n * second // 36)
        # The oracle is told in steps of 100 s, so it is late by what one of them holds.
        assert abs(m.room((hour + 1) * HOUR_S) - o.room((hour + 1) * HOUR_S)) <= m.margin() + n // 36 + 1


def test_the_room_of_the_tightest_channel_counts() -> None:
    m = Monitor()
    m.load(strict((1_000_000, 3_000_000), (100, 20), (1000, 900)), 0, 0)
    assert m.room(0) == 20
    m.load(strict((1_000_000, 3_000_000), (100, 200), (90, 900)), 0, 0)
    assert m.room(0) == 90


def test_strokes_of_another_strength_are_charged_at_theirs() -> None:
    m = Monitor()
    m.load(strict((20_000_000,), (100,), (1000,)), 0, 0)
    m.count(0, 10, 10)
    m.load(strict((1_000_000,), (300,), (3000,)), 0, 10)
    assert m.room(10) == 300 - 10 * 20
    assert m.room(10 + HOUR_S) == 300
    m.count(10 + HOUR_S, 20 + HOUR_S, 300)
    assert m.room(20 + HOUR_S) == 0
    assert m.room(20 + 2 * HOUR_S) == 300
    m.load(strict((1_000_000,), (300,), (350,)), 0, 20 + 2 * HOUR_S)
    assert m.room(20 + 2 * HOUR_S) == 0, "250 are charged already, 200 of them as ten strong ones"
    assert m.room(9 + DAY_S) == 0
    assert m.room(10 + DAY_S) == 50


def test_margin_of_wider_and_of_stronger_groups_until_they_have_left() -> None:
    m = Monitor()
    m.load(strict((1_000_000,), (6400,), (6400,)), 0, 0)
    assert m.margin_at(0, 0) == 100 + PAD + 1
    m.count(0, 100, 250)
    m.load(strict((1_000_000,), (640,), (640,)), 0, 100)
    assert m.margin() == 10 + PAD + 1
    assert m.margin_at(100, 0) == 100 + PAD + 1
    assert m.margin_at(99 + DAY_S, 0) == 50 + PAD + 1, "two have left, and the one that the change closed has not"
    assert m.margin_at(100 + DAY_S, 0) == m.margin()
    m.load(strict((500_000,), (640,), (640,)), 0, 200)
    assert m.margin_at(200, 0) == 2 * (100 + PAD + 1)
    assert m.margin_at(100 + DAY_S, 0) == m.margin()


def test_an_open_group_that_grew_is_part_of_the_margin() -> None:
    m = Monitor()
    m.load(strict((1_000_000,), (100,), (100,)), 0, 0)
    m.open_n = 50
    assert m.margin_at(0, 0) == 50 + PAD + 1


def test_an_open_group_is_closed_after_an_hour_and_leaves() -> None:
    m = Monitor()
    m.load(strict((1_000_000,), (640,), (640,)), 0, 0)
    m.count(0, 10, 3)
    assert m.room(10 + HOUR_S - 1) == 637
    assert m.open_n == 3
    assert m.room(10 + HOUR_S) == 637
    assert m.open_n == 0
    assert m.room(10 + DAY_S) == 640


def test_a_report_of_no_strokes_does_not_renew_a_group() -> None:
    m = Monitor()
    m.load(strict((1_000_000,), (640,), (640,)), 0, 0)
    m.count(0, 10, 3)
    m.count(10, 5000, 0)
    assert m.open_t == 10
    assert m.room(10 + HOUR_S) == 637
    m.count(10 + HOUR_S, 20 + HOUR_S, 637)
    assert m.room(10 + DAY_S) == 3


def test_a_strength_without_strokes_takes_no_place() -> None:
    m = Monitor()
    for i in range(3 * EPOCHS):
        assert m.load(strict((1_000_000 + i,), (640,), (640,)), 0, i)
        assert m.now_epoch == 0


def test_a_full_ring_makes_its_newest_group_longer() -> None:
    m, o = Monitor(), Oracle()
    o.p = strict((1_000_000,), (256,), (256,))
    m.load(o.p, 0, 0)
    m.group = 1
    o.p = strict((1_000_000,), (2000,), (2000,))
    for c in (0, MAX_CHANNELS):
        m.limit_fg[c] = 2000 * 10**6
    m.most_hour = m.most_day = 2000
    for i in range(GROUPS + 100):
        m.count(i, i + 1, 1)
        o.add(i + 1, 1)
        assert m.room(i + 1) == o.room(i + 1)
    assert m.n == GROUPS
    m.count(GROUPS + 100, GROUPS + 200, 5)
    for t in range(GROUPS + 100, GROUPS + 101):
        o.add(t, 5)
    for later in (HOUR_S, HOUR_S + 300, HOUR_S + GROUPS + 99):
        assert m.room(later) <= o.room(later)
    assert m.room(HOUR_S + GROUPS + 200) == m.room(DAY_S)


def test_a_full_ring_of_another_strength_keeps_its_newest_group_open_and_takes_no_third() -> None:
    m = Monitor()
    m.load(strict((20_000_000,), (2000,), (2000,)), 0, 0)
    m.group = 1
    for i in range(GROUPS):
        m.count(i, i + 1, 1)
    assert m.load(strict((1_000_000,), (60_000,), (60_000,)), 0, GROUPS)
    m.group = 2
    m.count(GROUPS, GROUPS + 10, 5)
    assert m.open_n == 5
    assert m.room(GROUPS + 10) == 60_000 - 20 * GROUPS - 5
    assert not m.load(strict((3_000_000,), (60_000,), (60_000,)), 0, GROUPS + 20)
    assert m.margin_at(GROUPS + 20, 0) > 5
    m.count(GROUPS + 20, GROUPS + 30, 5)
    assert m.open_n == 10
    assert m.room(GROUPS + 30 + DAY_S) == 60_000 - 10, "it stays open for as long as the ring is full"
    assert m.room(GROUPS + 30 + DAY_S) == 60_000
    assert m.open_n == 0
    assert m.load(strict((3_000_000,), (60_000,), (60_000,)), 0, GROUPS + 30 + DAY_S)


def test_a_ring_that_the_hour_has_left_gets_no_later_strokes() -> None:
    # The newest group is out of the hour; strokes added to it would be missing from the hour.
    m, o = Monitor(), Oracle()
    o.p = strict((1_000_000,), (500,), (2000,))
    m.load(o.p, 0, 0)
    m.group = 1
    for i in range(GROUPS):
        m.count(i, i + 1, 1)
        o.add(i + 1, 1)
    now = GROUPS + HOUR_S
    assert m.room(now) == 500
    m.count(now, now + 10, 100)
    o.add(now + 10, 100)
    assert m.room(now + 10) <= o.room(now + 10) == 400
    assert m.room(now + 10 + HOUR_S) <= o.room(now + 10 + HOUR_S)


def test_more_strengths_than_memory_has_are_refused_and_change_nothing() -> None:
    m = Monitor()
    for i in range(EPOCHS):
        assert m.load(strict((1_000_000 + i,), (1000,), (1000,)), 0, 10 * i)
        m.count(10 * i, 10 * i + 10, 5)
    before = (m.now_epoch, bytes(m.charge), bytes(m.limit_fg), m.group)
    assert not m.load(strict((9_000_000,), (10,), (10,)), 0, 50)
    assert (m.now_epoch, bytes(m.charge), bytes(m.limit_fg), m.group) == before
    assert m.load(strict((1_000_001,), (1000,), (1000,)), 0, 60)
    assert not m.load(strict((9_000_000,), (10,), (10,)), 0, 9 + DAY_S)
    assert m.load(strict((9_000_000,), (10,), (10,)), 0, 10 + DAY_S)


def test_a_prime_is_an_allowance_once_for_each_newer_state_and_at_most_the_dead_volume() -> None:
    m = Monitor()
    m.load(strict((1_000_000,), (10,), (10,)), 50, 0)
    assert not m.prime(0, 1), "a state that was never recorded"
    assert not m.prime(1, 51), "more than the dead volume"
    assert m.prime(1, 50)
    assert m.room(0) == 60
    assert not m.prime(1, 1), "the same state again"
    m.count(0, 100, 45)
    assert (m.free, m.total, m.room(100)) == (5, 0, 15)
    m.count(100, 200, 9)
    assert (m.free, m.total) == (0, 4), "beyond the allowance strokes are charged"
    assert m.room(200) == 6
    assert m.prime(7, 50)
    assert not m.prime(6, 1), "an older state"
    assert m.primed_state == 7


def test_a_prime_keeps_its_own_dead_volume_over_reprogramming() -> None:
    m = Monitor()
    m.load(strict((1_000_000,), (10,), (10,)), 50, 0)
    m.load(strict((3_000_000,), (10,), (10,)), 20, 0)
    assert not m.prime(1, 21)
    assert m.prime(1, 20)


def test_unused_channels_are_not_read() -> None:
    m = Monitor()
    p = strict((1_000_000,), (10,), (10,))
    for c in range(1, MAX_CHANNELS):
        p.strength_ng_per_ml[c] = p.ceiling_1h_ng[c] = p.ceiling_24h_ng[c] = (1 << 62) + 1
    assert m.load(p, 0, 0)
    assert m.room(0) == 10


@pytest.mark.parametrize("banned", ["controller", "window", "foresight", "commands"])
@pytest.mark.requirement("P5", "OP-7.1.1", "ST-02")
def test_it_imports_neither_the_controller_nor_the_window(banned: str) -> None:
    tree = ast.parse(Path(monitor_module.__file__).read_text(encoding="utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names |= {node.module or "", *(a.name for a in node.names)}
        if isinstance(node, ast.Import):
            names |= {a.name for a in node.names}
    assert not any(banned in name for name in names)
    assert "codes" in names


def test_while_the_earlier_program_goes_on_its_groups_are_part_of_the_margin() -> None:
    m = Monitor()
    m.load(strict((1_000_000,), (6400,), (6400,)), 0, 0)
    m.load(strict((1_000_000,), (640,), (640,)), 0, 100)
    assert m.margin_at(100, 0) == 10 + PAD + 1
    assert m.margin_at(100, 0, going_on=True) == 100 + PAD + 1
    m.load(strict((1_000_000,), (12_800,), (12_800,)), 0, 200)
    assert m.margin_at(200, 0, going_on=True) == 200 + PAD + 1, "the wider of the two"


def test_strokes_of_another_strength_count_by_what_they_charge_in_each_channel() -> None:
    m = Monitor()
    m.load(strict((3_000_000, 1_000_000), (6400, 6400), (6400, 6400)), 0, 0)
    m.count(0, 100, 100)
    m.load(strict((2_000_000, 4_000_000), (640, 640), (640, 640)), 0, 100)
    assert m.margin_at(100, 0) == -(-(100 + PAD + 1) * 3 // 2)
    assert m.margin_at(100, 1) == -(-(100 + PAD + 1) // 4)
    assert m.margin_at(100, 0, going_on=True) == -(-(100 + PAD + 1) * 3 // 2)
    assert m.margin_at(100 + DAY_S, 1, going_on=True) == -(-(100 + PAD + 1) // 4)


def test_the_last_stroke_that_fits() -> None:
    m = Monitor()
    m.load(strict((1_000_000,), (64,), (64,)), 0, 0)
    m.count(0, 10, 63)
    assert m.room(10) == 1
    m.count(10, 11, 1)
    assert m.room(11) == 0


def test_a_new_monitor_has_counted_nothing() -> None:
    m = Monitor()
    numbers = {n: v for n, v in vars(m).items() if isinstance(v, int) and v}
    assert numbers == {"group": 1, "group_before": 1, "since_s": -DAY_S}
    assert not any(v is None for v in vars(m).values())
    arrays = {n: (v.typecode, v.tolist()) for n, v in vars(m).items() if isinstance(v, array)}
    assert arrays == {
        "t": ("I", [0] * GROUPS),
        "upto": ("I", [0] * GROUPS),
        "charge": ("q", [0] * (EPOCHS * MAX_CHANNELS)),
        "limit_fg": ("q", [0] * (2 * MAX_CHANNELS)),
    }
    assert m.epoch == bytearray(GROUPS)


def test_a_group_is_taken_to_end_a_little_later_than_even_strokes_do() -> None:
    m = Monitor()
    m.load(strict((1_000_000,), (64,), (64,)), 0, 0)
    m.count(0, 1000, 10)
    assert [m.t[i] for i in range(m.n)] == [501, 601, 701, 801, 901, 1000, 1000, 1000, 1000, 1000]
    assert [m.upto[i] for i in range(m.n)] == list(range(1, 11))
    m = Monitor()
    m.load(strict((1_000_000,), (192,), (192,)), 0, 0)
    m.count(0, 1000, 10)
    assert [(m.t[i], m.upto[i]) for i in range(m.n)] == [(701, 3), (1000, 6), (1000, 9)]
    assert (m.open_n, m.open_t) == (1, 1000)


def test_an_hour_of_a_full_ring_is_counted_from_its_oldest_group() -> None:
    m = Monitor()
    m.load(strict((1_000_000,), (1000,), (2000,)), 0, 0)
    m.group = 1
    for i in range(GROUPS + 100):
        m.count(i, i + 1, 1)
    assert m.n == GROUPS
    assert m.room(GROUPS + 100) == 1000 - GROUPS - 100
    at = [(m.first + i) % GROUPS for i in range(GROUPS)]
    assert [m.t[g] for g in at] == [*range(1, GROUPS), GROUPS + 100]
    assert [m.upto[g] for g in at] == [*range(1, GROUPS), GROUPS + 100], "the newest has become longer"


def test_the_present_strength_keeps_its_place_while_another_is_tried() -> None:
    m = Monitor()
    m.load(strict((1_000_000,), (640,), (640,)), 0, 0)
    m.count(0, 10, 1)
    for i, epoch in ((1, 1), (2, 2), (3, 1), (4, 2)):
        assert m.load(strict((1_000_000 + i,), (640,), (640,)), 0, 10 + i)
        assert (m.n, m.now_epoch) == (1, epoch)


def test_a_program_is_charged_as_it_says_and_only_in_its_channels() -> None:
    m = Monitor()
    p = program(strengths=(1_000, 7), per_1h=(11, 12), per_24h=(13, 14))
    p.strength_ng_per_ml[2] = p.ceiling_1h_ng[2] = p.ceiling_24h_ng[2] = 5
    assert m.load(p, 0, 0)
    assert list(m.charge[:MAX_CHANNELS]) == [250_000, 1_750, 0, 0, 0, 0, 0, 0]
    assert list(m.limit_fg) == [11 * 10**6, 12 * 10**6, 0, 0, 0, 0, 0, 0, 13 * 10**6, 14 * 10**6, 0, 0, 0, 0, 0, 0]
