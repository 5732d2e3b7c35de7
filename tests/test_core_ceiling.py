"""The ceilings, the lockout and the count against an adversary that searches over whole pumps.

A script of acts is drawn over programs that lie close to their ceilings; afterwards every stroke is looked at.
"""

from __future__ import annotations

import copy
import struct
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tests.core_world import STROKE_NL, World, broken_windows, program, world

from thecal.pump.core import codes as k
from thecal.pump.core import controller as controller_module
from thecal.pump.core import foresight
from thecal.pump.core.monitor import Monitor

if TYPE_CHECKING:
    from thecal.pump.core.program import Program

# A search through many lives: its lines are counted by the tests of each part, and counting them here doubles its time.
pytestmark = pytest.mark.no_cover

HOUR, DAY = k.HOUR_S, k.DAY_S
SEARCH = settings(max_examples=120, deadline=None)
WIDE = settings(max_examples=3000, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))


class Row(NamedTuple):
    """One record of the log."""

    number: int
    t: int
    clock: int
    event: int
    a: int
    b: int


def rows(w: World) -> list[Row]:
    w.c.log.seal()
    return [Row(*struct.unpack("<IIIIqq", w.c.log.record(i))) for i in range(w.c.log.oldest(), w.c.log.sealed + 1)]


class Recipe(NamedTuple):
    """A program near its ceilings: what is spared over the worst base, in strokes of an hour and of a day."""

    rates: tuple[int, ...]  # pL/h, evenly over the cycle
    cycle_s: int
    spare_hour: int
    spare_day: int
    strengths: tuple[int, ...]
    bolus: tuple[int, int, int, int] | None
    bridge: tuple[int, int, int] | None
    fallback: int
    low_nl: int

    def program(self, number: int) -> Program:
        steps = [(i * (self.cycle_s // len(self.rates)), r) for i, r in enumerate(self.rates)]
        made = program(
            number,
            steps,
            strengths=self.strengths,
            bolus=self.bolus,
            bridge=self.bridge,
            cycle_s=self.cycle_s,
            fallback=self.fallback,
            responses=(0, 1 if self.fallback else 2, 2, 0, 0, 2),
            low_nl=self.low_nl,
        )
        hour = foresight.worst_strokes(made, HOUR) * 64 // 62 + self.spare_hour
        day = max(hour, foresight.worst_strokes(made, DAY) * 256 // 253 + self.spare_day)
        hour = max(hour, 12 + day // 256 + foresight.worst_strokes(made, HOUR))
        for c, s in enumerate(self.strengths):
            # The last channel is the tightest; those before it have room to spare.
            room = len(self.strengths) - 1 - c
            made.ceiling_1h_ng[c] = -(-hour * s * STROKE_NL // 10**6) * (4 + room) // 4
            made.ceiling_24h_ng[c] = -(-day * s * STROKE_NL // 10**6) * (4 + room) // 4
        return made


BOLUS = st.builds(
    lambda n, s, extra, most: (n, s, s + extra, most),
    st.integers(1, 60),
    st.sampled_from([60, 300, 599, 600, 1801]),
    st.sampled_from([0, 1, 299, 900, 3000]),
    st.integers(1, 12),
)
RECIPES = st.builds(
    Recipe,
    st.lists(st.sampled_from([0, 1_000_000, 3_333_333, 9_000_001, 20_000_000]), min_size=1, max_size=5).map(tuple),
    st.sampled_from([DAY, HOUR, DAY // 6, 7 * DAY]),
    st.integers(12, 160),
    st.integers(13, 400),
    st.lists(st.sampled_from([1_000_000, 5_000_000, 333_333, 20_000_000]), min_size=1, max_size=3).map(tuple),
    st.one_of(BOLUS, BOLUS, BOLUS, BOLUS, BOLUS, st.none()),
    st.one_of(
        st.none(),
        st.none(),
        st.tuples(st.integers(1, 400_000_000), st.sampled_from([2_000_000, 15_000_000, 60_000_000]), st.just(0)),
    ),
    st.sampled_from([0, 0, 2_000_000, 12_000_000]),
    st.sampled_from([0, 500_000]),
)
WAITS = st.one_of(
    st.sampled_from([0, 1, 59, 600, 900, 3599, 3600, 3601, 7200, 21_600, 86_399, 86_400, 86_401]),
    st.integers(0, 30_000),
    st.just(-1),  # as long as the last refusal said
)
ACTS = st.one_of(
    st.tuples(st.just("press"), st.just(0)),
    st.tuples(st.just("press"), st.just(0)),
    st.tuples(st.just("burst"), st.integers(1, 900)),
    st.tuples(st.just("single"), st.integers(1, 90)),
    st.tuples(st.just("press"), st.just(0)),
    st.tuples(st.just("stop"), st.integers(0, 20_000)),
    st.tuples(st.just("start"), st.just(0)),
    st.tuples(st.just("clock"), st.integers(0, 7 * 24 * 4)),
    st.tuples(st.just("prime"), st.integers(1, 60)),
    st.tuples(st.just("refill"), st.integers(0, 20)),
    st.tuples(st.just("clear"), st.integers(0, 11)),
    st.tuples(st.just("program"), RECIPES),
)
SCRIPTS = st.lists(st.tuples(WAITS, ACTS), min_size=1, max_size=14)


class Play:
    """One pump under one script; ``answers`` keeps every answer with its time to wait."""

    def __init__(self, recipe: Recipe, *, level_nl: int = 20_000_000) -> None:
        self.w = world(level_nl=level_nl)
        self.request = 0
        self.number = 0
        self.prime = 0
        self.wait_s = 0
        self.singles: list[tuple[int, int]] = []
        self.program(recipe)
        self.w.k.start(1)

    def program(self, recipe: Recipe) -> int:
        self.number += 1
        return self.w.load(recipe.program(self.number))

    def ask(self, act: tuple[str, object]) -> int:
        """One act; its answer."""
        kind, x = act
        w = self.w
        if isinstance(x, Recipe):
            return self.program(x)
        assert isinstance(x, int)
        if kind == "press":
            self.request += 1
            return w.k.bolus(self.request)
        if kind == "single":
            return w.k.single(x, 60 + 20 * x)
        if kind == "stop":
            w.k.stop(1)
            w.c.run(w.c.t + x)
            return w.k.start(1)
        if kind == "start":
            return w.k.start(1)
        if kind == "clock":
            return w.k.set_clock(x * 900)
        if kind == "prime":
            self.prime += 1
            return w.k.prime(self.prime, x * STROKE_NL, 20 * STROKE_NL, near_field=True)
        if kind == "refill":
            return w.k.refill(x * 1_000_000)
        assert kind == "clear"
        return w.k.clear(x)

    def act(self, act: tuple[str, object]) -> None:
        if act[0] == "burst":
            assert isinstance(act[1], int)
            for _ in range(8):
                self.act(("press", 0))
                self.w.c.run(self.w.c.t + act[1])
            return
        self.ask(act)
        self.wait_s = self.w.k.wait_s

    def run(self, script: list[tuple[int, tuple[str, object]]]) -> None:
        for wait, act in script:
            self.w.c.run(self.w.c.t + (self.wait_s if wait < 0 else wait))
            self.act(act)
        self.w.c.run(self.w.c.t + DAY + 3601)


def check_boluses(play: Play, limits: dict[int, tuple[int, int]], *, whole: bool) -> None:
    """Lockout from start to start, count in any 24 h, whole delivery, by the log alone."""
    found = rows(play.w)
    starts: list[int] = []
    number = 0
    open_n = 0
    for r in found:
        if r.event == k.E_PROGRAM:
            number = r.a
        if r.event == k.E_BOLUS:
            assert open_n == 0, "one lane"
            open_n = r.b
            if r.a == k.PATIENT:
                lockout, most = limits[number]
                assert not starts or r.t - starts[-1] >= lockout
                starts.append(r.t)
                assert sum(1 for s in starts if s > r.t - DAY) <= most
        if r.event == k.E_BOLUS_END:
            assert r.b == open_n or not whole, "granted is given whole"
            open_n = 0
        if r.event == k.E_BOLUS_CUT:
            assert r.b <= open_n
            open_n = 0
    assert open_n == 0
    patient = sum(1 for r in found if r.event == k.E_BOLUS and r.a == k.PATIENT)
    assert patient <= play.request


def limits_of(recipes: list[Recipe]) -> dict[int, tuple[int, int]]:
    return {i: (r.bolus[2], r.bolus[3]) if r.bolus else (DAY, 0) for i, r in enumerate(recipes, 1)}


def recipes_of(recipe: Recipe, script: list[tuple[int, tuple[str, object]]]) -> list[Recipe]:
    return [recipe, *(a[1] for _, a in script if isinstance(a[1], Recipe))]


def attack(recipe: Recipe, script: list[tuple[int, tuple[str, object]]], *, stall: tuple[int, int] | None) -> Play:
    play = Play(recipe)
    if stall:
        play.w.motor.stalls = [(stall[0], stall[0] + stall[1])]
    play.run(script)
    assert broken_windows(play.w.motor.strokes) == []
    check_boluses(play, limits_of(recipes_of(recipe, script)), whole=stall is None)
    return play


@SEARCH
@given(recipe=RECIPES, script=SCRIPTS)
@pytest.mark.requirement("P1", "MX-06")
def test_no_script_breaks_a_window_or_makes_the_monitor_hold(
    recipe: Recipe, script: list[tuple[int, tuple[str, object]]]
) -> None:
    play = attack(recipe, script, stall=None)
    assert [r for r in rows(play.w) if r.event == k.E_HELD] == []


@settings(SEARCH, max_examples=60)
@given(recipe=RECIPES, script=SCRIPTS, stall=st.tuples(st.integers(0, 90_000), st.integers(1, 20_000)))
@pytest.mark.requirement("P1")
def test_no_script_with_a_stall_breaks_a_window(
    recipe: Recipe, script: list[tuple[int, tuple[str, object]]], stall: tuple[int, int]
) -> None:
    attack(recipe, script, stall=stall)


@pytest.mark.long
@WIDE
@given(recipe=RECIPES, script=st.lists(st.tuples(WAITS, ACTS), min_size=1, max_size=40))
@pytest.mark.requirement("P1")
def test_long_scripts_break_no_window(recipe: Recipe, script: list[tuple[int, tuple[str, object]]]) -> None:
    play = attack(recipe, script, stall=None)
    assert [r for r in rows(play.w) if r.event == k.E_HELD] == []


def fork(play: Play) -> Play:
    """The same pump again, without its past strokes."""
    kept = play.w.motor.strokes
    play.w.motor.strokes = []
    other = copy.deepcopy(play)
    play.w.motor.strokes = kept
    return other


LATER = {  # what may still be in the way when the first reason has passed, where nothing else happens
    k.LOCKOUT: {k.COUNT, k.RUNNING, k.CEILING_1H, k.CEILING_24H, k.BRIDGE, k.EMPTY},
    k.COUNT: {k.LOCKOUT, k.RUNNING, k.CEILING_1H, k.CEILING_24H, k.BRIDGE, k.EMPTY},
    k.RUNNING: {k.RUNNING, k.CEILING_1H, k.CEILING_24H, k.EMPTY, k.LOCKOUT, k.COUNT, k.PRIMED},
    k.BRIDGE: {k.LOCKOUT, k.COUNT, k.RUNNING, k.CEILING_1H, k.CEILING_24H, k.EMPTY},
    k.CEILING_1H: {k.EMPTY, k.STOPPED},
    k.CEILING_24H: {k.EMPTY, k.STOPPED},
    k.HISTORY_FULL: {k.HISTORY_FULL, k.CEILING_1H, k.CEILING_24H, k.EMPTY},
}
ENDS = {k.GRANTED, k.EMPTY, k.NOT_NEEDED, k.ALARM}


def check_wait(play: Play, act: tuple[str, object], answer: int) -> None:
    """Waiting exactly as long as said helps, or names a later reason; in the end it is granted."""
    other = fork(play)
    seen = [answer]
    for _ in range(12):
        wait = other.w.k.wait_s
        if wait == 0:
            break
        other.w.c.run(other.w.c.t + wait)
        again = other.ask(act)
        assert again in LATER[seen[-1]] | ENDS, (seen, again, act)
        seen.append(again)
    assert seen[-1] in ENDS or (other.w.k.wait_s == 0 and seen[-1] in (k.CEILING_1H, k.CEILING_24H)), seen
    if seen[-2] in (k.CEILING_1H, k.CEILING_24H):
        assert seen[-1] in ENDS, seen


ASKED = st.one_of(
    st.tuples(st.just("press"), st.just(0)),
    st.tuples(st.just("single"), st.integers(1, 90)),
    st.tuples(st.just("clock"), st.integers(0, 7 * 24 * 4)),
    st.tuples(st.just("prime"), st.integers(1, 60)),
    st.tuples(st.just("program"), RECIPES),
)


@SEARCH
@given(recipe=RECIPES, script=SCRIPTS, asked=ASKED)
@pytest.mark.requirement("P9", "AP-12")
def test_waiting_as_long_as_said_helps(
    recipe: Recipe, script: list[tuple[int, tuple[str, object]]], asked: tuple[str, object]
) -> None:
    play = Play(recipe)
    for wait, act in script:
        play.w.c.run(play.w.c.t + (play.wait_s if wait < 0 else wait))
        play.act(act)
    for _ in range(3):
        answer = play.ask(asked)
        if answer != k.GRANTED and play.w.k.wait_s:
            check_wait(play, asked, answer)


@pytest.mark.long
@WIDE
@given(recipe=RECIPES, script=SCRIPTS, asked=ASKED)
@pytest.mark.requirement("P9")
def test_waiting_as_long_as_said_helps_in_long(
    recipe: Recipe, script: list[tuple[int, tuple[str, object]]], asked: tuple[str, object]
) -> None:
    play = Play(recipe)
    play.run(script)
    answer = play.ask(asked)
    if answer != k.GRANTED and play.w.k.wait_s:
        check_wait(play, asked, answer)


# Either of the two guards alone

SHOT = 40  # strokes of the patient bolus in the examples below


def near(rates: list[tuple[int, int]], hour: int, day: int, **more: object) -> Program:
    """A program of one channel whose ceilings are ``hour`` and ``day`` strokes."""
    ng = 5_000_000 * STROKE_NL // 10**6
    return program(1, rates, per_1h=(hour * ng,), per_24h=(day * ng,), **more)  # type: ignore[arg-type]


def greedy(p: Program, monkeypatch: pytest.MonkeyPatch, *, admission: bool, monitor: bool) -> World:
    """Two days of a press every ten minutes and of singles, with a guard left out."""
    w = world(p)
    if not admission:
        monkeypatch.setattr(foresight, "_surely_fits", lambda *_: True)
        monkeypatch.setattr(foresight, "_try", lambda *_: k.GRANTED)
    if not monitor:
        monkeypatch.setattr(Monitor, "room", lambda *_: k.MAX_STROKES)
    for i in range(1, 289):
        w.k.bolus(i)
        if i % 7 == 0:
            w.k.single(30, 120)
        w.c.run(600 * i)
    return w


def greedy_program() -> Program:
    return near([(0, 5_000_000), (43_200, 20_000_000)], 200, 2000, bolus=(SHOT, 300, 600, 48))


def test_with_both_guards_nothing_breaks_and_nothing_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    w = greedy(greedy_program(), monkeypatch, admission=True, monitor=True)
    assert broken_windows(w.motor.strokes) == []
    assert not [r for r in rows(w) if r.event == k.E_HELD]


@pytest.mark.requirement("P5", "UM-20", "AG-08", "IT-16")
def test_the_monitor_alone_keeps_the_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    w = greedy(greedy_program(), monkeypatch, admission=False, monitor=True)
    assert broken_windows(w.motor.strokes) == []
    assert [r for r in rows(w) if r.event == k.E_HELD], "it had to hold"


def test_admission_alone_keeps_the_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    w = greedy(greedy_program(), monkeypatch, admission=True, monitor=False)
    assert broken_windows(w.motor.strokes) == []


@pytest.mark.requirement("P1")
def test_with_neither_guard_the_checker_finds_broken_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    w = greedy(greedy_program(), monkeypatch, admission=False, monitor=False)
    assert {length for _, length, _ in broken_windows(w.motor.strokes)} == {HOUR, DAY}


@settings(SEARCH, max_examples=40)
@given(recipe=RECIPES, script=SCRIPTS)
@pytest.mark.requirement("P5", "OP-7.1.1")
def test_the_monitor_alone_keeps_the_ceiling_under_any_script(
    recipe: Recipe, script: list[tuple[int, tuple[str, object]]]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(foresight, "_surely_fits", lambda *_: True)
        patch.setattr(foresight, "_try", lambda *_: k.GRANTED)
        play = Play(recipe)
        play.run(script)
        assert broken_windows(play.w.motor.strokes) == []


@settings(SEARCH, max_examples=20)
@given(recipe=RECIPES, script=SCRIPTS)
def test_admission_alone_keeps_the_ceiling_under_any_script(
    recipe: Recipe, script: list[tuple[int, tuple[str, object]]]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Monitor, "room", lambda *_: k.MAX_STROKES)
        play = Play(recipe)
        play.run(script)
        assert broken_windows(play.w.motor.strokes) == []


@pytest.mark.parametrize("lost", ["room", "reservoir"])
def test_a_limit_that_forgets_the_monitor_is_found(lost: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def limit(c: controller_module.Controller, *_: int) -> int:
        return c.usable_strokes() if lost == "room" else c.monitor.room(c.t)

    monkeypatch.setattr(controller_module.Controller, "_limit", limit)
    w = greedy(greedy_program(), monkeypatch, admission=False, monitor=True)
    assert (broken_windows(w.motor.strokes) != []) is (lost == "room")


# Flaws of published rules, and the edges of windows


@pytest.mark.requirement("FV-1")
def test_base_that_follows_a_bolus_counts() -> None:
    # At the press nothing was delivered for hours; the base of the hour after it does not fit beside the bolus.
    w = world(near([(0, 0), (36_000, 20_000_000)], 110, 3000, bolus=(SHOT, 600, 3600, 6)))
    w.c.run(36_000 - 650)
    assert w.k.bolus(1) == k.CEILING_1H
    w.c.run(36_000 - 3600 - 650)
    w = world(near([(0, 0), (36_000, 20_000_000)], 110, 3000, bolus=(SHOT, 600, 3600, 6)))
    w.c.run(36_000 - 4200)
    assert w.k.bolus(1) == k.GRANTED, "an hour earlier it does"
    w.c.run(3 * DAY)
    assert broken_windows(w.motor.strokes) == []
    assert not [r for r in rows(w) if r.event == k.E_HELD]


@pytest.mark.parametrize("bucket_s", [300, 900, 3600])
@pytest.mark.parametrize("offset_s", [-1, 0, 1])
@pytest.mark.requirement("FV-2", "FV-3")
def test_bursts_at_the_edges_of_buckets(bucket_s: int, offset_s: int) -> None:
    # All that is allowed at the end of one bucket, and all again when a record in buckets would have dropped it.
    w = world(near([(0, 0)], 5 * SHOT, 5 * SHOT + 40, bolus=(SHOT, 60, 60, 48)))
    request = 0
    for start in (DAY - 400, DAY - 400 + DAY - bucket_s + offset_s, 3 * DAY - bucket_s + offset_s):
        w.c.run(start)
        for i in range(400):
            request += 1
            w.k.bolus(request)
            w.c.run(start + i + 1)
    w.c.run(4 * DAY)
    assert broken_windows(w.motor.strokes) == []
    assert len(w.motor.strokes) >= 6 * SHOT, "and it does deliver"
    assert not [r for r in rows(w) if r.event == k.E_HELD]


@pytest.mark.parametrize(("length", "reason"), [(HOUR, k.CEILING_1H), (DAY, k.CEILING_24H)])
@pytest.mark.requirement("OP-5.2.5")
def test_a_second_bolus_fits_exactly_when_the_first_has_left(length: int, reason: int) -> None:
    # One bolus of 40 strokes fits, two do not. Windows hold their start and not their end, so that the same bolus a
    # full window later, stroke under stroke, is never more than one and what it overlaps by a stroke.
    hour, day = (SHOT + 18, 40_000) if length == HOUR else (30_000, SHOT + 18)
    if length == DAY:
        hour = day
    w = world(near([(0, 0)], hour, day, bolus=(SHOT, 600, 600, 48)))
    w.c.run(1000)
    assert w.k.bolus(1) == k.GRANTED
    earliest = 0
    for early in range(300, -1, -1):
        w.c.run(1000 + length - early)
        answer = w.k.bolus(1000 - early)
        assert answer in (k.GRANTED, reason, k.CEILING_1H)
        if answer == k.GRANTED:
            earliest = early
            break
    assert w.c.t == 1000 + length - earliest
    w.c.run(w.c.t + 2 * DAY)
    assert len(w.motor.strokes) == 2 * SHOT
    assert broken_windows(w.motor.strokes) == []
    assert not [r for r in rows(w) if r.event == k.E_HELD]


def test_the_checker_counts_a_window_from_its_start_to_before_its_end() -> None:
    w = world(near([(0, 0)], 100, 1000, bolus=None))
    for t, found in ((HOUR, 0), (HOUR - 1, 1)):
        w.motor.strokes.clear()
        w.motor.turn(0, 1, 0, 60, 1, 60)
        w.motor.turn(t, t + 1, 0, 60, 1, 60)
        assert len(broken_windows(w.motor.strokes)) == found


@pytest.mark.parametrize("every_s", [1, 7, 60])
@pytest.mark.requirement("P2", "OP-5.2.3", "UM-25.3", "UM-25.5", "MX-06", "AG-02", "HZ-1.2", "FD-6.6")
def test_a_press_every_second_for_two_days(every_s: int) -> None:
    w = world(near([(0, 3_000_000), (7200, 12_000_000), (9000, 0)], 130, 1400, bolus=(20, 200, 700, 30)))
    starts = []
    request = 0
    while w.c.t < 2 * DAY:
        request += 1
        if w.k.bolus(request) == k.GRANTED:
            starts.append(w.c.t)
        # Presses that can only meet the lockout are alike: the first and the last minute of it are pressed through.
        left = starts[-1] + 700 - w.c.t if starts else 0
        w.c.run(w.c.t + (left - 60 if every_s == 1 and 60 < left < 640 else every_s))
    assert broken_windows(w.motor.strokes) == []
    assert len(starts) > 20
    assert min(b - a for a, b in pairwise(starts)) >= 700
    for s in starts:
        assert sum(1 for o in starts if s <= o < s + DAY) <= 30
    assert not [r for r in rows(w) if r.event == k.E_HELD]


@pytest.mark.requirement("P2", "UM-25.4", "HZ-1.2")
def test_the_count_of_a_day_slides() -> None:
    w = world(near([(0, 0)], 500, 4000, bolus=(5, 60, 600, 3)))
    asked = [(0, k.GRANTED), (700, k.GRANTED), (1400, k.GRANTED), (2100, k.COUNT), (DAY - 1, k.COUNT), (DAY, k.GRANTED)]
    for i, (t, answer) in enumerate(asked, 1):
        w.c.run(t)
        assert w.k.bolus(i) == answer
    assert w.k.bolus(99) == k.LOCKOUT
    w.c.run(DAY + 600)
    assert w.k.bolus(100) == k.COUNT
    assert w.k.wait_s == 100


@pytest.mark.requirement("P2", "FD-6.6", "AP-14")
def test_one_request_never_delivers_twice() -> None:
    w = world(near([(0, 0)], 500, 4000, bolus=(5, 60, 60, 48)))
    assert w.k.bolus(7) == k.GRANTED
    for t in (0, 59, 60, 3600, DAY, 5 * DAY):
        w.c.run(t)
        assert w.k.bolus(7) == k.DUPLICATE
        assert w.k.first == k.GRANTED
    for i in range(8, 50):
        w.c.run(w.c.t + 61)
        w.k.bolus(i)
    assert w.k.bolus(7) == k.STALE_ID, "forgotten, and still refused"
    given_n = len([r for r in rows(w) if r.event == k.E_BOLUS])
    w.c.run(w.c.t + DAY)
    assert len(w.motor.strokes) == 5 * given_n


# What an earlier form of the code did wrong


def test_a_bolus_at_the_beginning_of_history_counts_in_the_windows_that_begin_there() -> None:
    # 40 at once at uptime 0, and the base begins steeply before they have left.
    w = world(near([(0, 0), (3000, 15_000_000)], 90, 1600, bolus=(SHOT, 600, 600, 48)))
    answer = w.k.bolus(1)
    w.c.run(2 * DAY)
    assert broken_windows(w.motor.strokes) == []
    assert not [r for r in rows(w) if r.event == k.E_HELD]
    assert answer == k.GRANTED


def test_a_long_bridge_is_looked_at_in_full_when_a_bolus_is_asked_for() -> None:
    # After a day of bridge nothing but the bridge is in reach; its rate, not that of the schedule, must be counted.
    p = near([(0, 1_000_000)], 100, 1900, bolus=(SHOT, 600, 3600, 24), bridge=(1_000_000_000, 18_000_000, SHOT))
    w = world(p)
    w.c.run(30 * HOUR)
    assert w.c.bridging
    given_n = 0
    for i in range(1, 20):
        given_n += w.k.bolus(i) == k.GRANTED
        w.c.run(w.c.t + HOUR)
    assert broken_windows(w.motor.strokes) == []
    assert not [r for r in rows(w) if r.event == k.E_HELD]
    assert given_n < 19


def test_a_bolus_shortens_the_bridge_that_is_laid_out() -> None:
    # Boluses draw old drug in too: the schedule behind the bridge, which is faster, begins earlier than without them.
    w = world(near([(0, 20_000_000)], 125, 4000, bolus=(SHOT, 600, 600, 40), bridge=(10_500_000, 2_000_000, 25)))
    for i in range(1, 400):
        w.k.bolus(i)
        w.c.run(w.c.t + 97)
    assert broken_windows(w.motor.strokes) == []
    assert not [r for r in rows(w) if r.event == k.E_HELD]


def test_lower_ceilings_are_held_from_their_first_stroke_on() -> None:
    # 60 strokes lie in the hour behind; a ceiling under them is refused until they have left, and then kept.
    w = world(near([(0, 1_000_000)], 150, 2000, bolus=(60, 600, 3600, 6)))
    w.c.run(1000)
    assert w.k.bolus(1) == k.GRANTED
    w.c.run(1000 + 700)
    lower = near([(0, 4_000_000)], 50, 600, bolus=None)
    lower.number = 2
    assert w.load(lower) == k.CEILING_1H
    wait = w.k.wait_s
    assert 0 < wait <= HOUR
    w.c.run(w.c.t + wait)
    assert w.load(lower) == k.GRANTED
    w.c.run(w.c.t + DAY)
    assert broken_windows(w.motor.strokes) == []
    assert not [r for r in rows(w) if r.event == k.E_HELD]


@pytest.mark.requirement("FD-6.1")
def test_groups_of_a_wider_program_do_not_make_the_monitor_hold() -> None:
    # The monitor counted in groups of many strokes under high ceilings; under low ones such a group is much.
    wide = near([(0, 10_000_000)], 300, 6_000, bolus=(100, 600, 600, 20))
    w = world(wide)
    w.c.run(DAY)
    tight = near([(0, 10_000_000)], 100, 1100, bolus=(20, 300, 600, 20))
    tight.number = 2
    while w.load(tight) != k.GRANTED:
        assert w.k.wait_s > 0
        w.c.run(w.c.t + w.k.wait_s)
    given_n = 0
    for i in range(1, 300):
        given_n += w.k.bolus(i) == k.GRANTED
        w.c.run(w.c.t + 601)
    assert given_n > 5
    assert broken_windows(w.motor.strokes) == []
    assert not [r for r in rows(w) if r.event == k.E_HELD]


def test_small_ceilings_do_not_overfill_the_ring_of_the_monitor() -> None:
    # 400 strokes a day, one in a group: more groups than the ring has places for.
    w = world(near([(0, 3_000_000)], 420, 500, bolus=(20, 300, 600, 40)))
    given_n = 0
    for i in range(1, 600):
        given_n += w.k.bolus(i) == k.GRANTED
        w.c.run(w.c.t + 601)
    assert given_n > 10
    assert broken_windows(w.motor.strokes) == []
    assert not [r for r in rows(w) if r.event == k.E_HELD]


def test_a_strong_program_of_last_week_leaves_room_for_a_weak_one() -> None:
    strong = program(
        1, [(0, 1_000_000)], strengths=(40_000_000,), per_1h=(2_000_000,), per_24h=(4_000_000,), bolus=None
    )
    w = world(strong)
    w.c.run(DAY)
    ng = 1_000_000 * STROKE_NL // 10**6
    weak = program(
        2, [(0, 5_000_000)], strengths=(1_000_000,), per_1h=(90 * ng,), per_24h=(700 * ng,), bolus=(SHOT, 600, 3600, 4)
    )
    assert w.load(weak) == k.CEILING_24H
    assert w.k.wait_s == 0, "not while the strong one runs"
    w.k.stop(1)
    w.c.run(w.c.t + 3600)
    assert w.load(weak) == k.CEILING_24H
    w.c.run(w.c.t + w.k.wait_s)
    assert w.load(weak) == k.GRANTED
    w.k.start(1)
    w.c.run(w.c.t + 2 * DAY)
    assert w.k.set_clock(5) == k.GRANTED, "which is looked at knot by knot"
    assert w.k.bolus(1) == k.GRANTED


def test_the_clock_is_not_moved_while_an_empty_pump_waits_for_its_refill() -> None:
    # 80 strokes an hour once a day; the clock may not repeat them while they are in reach, running or empty.
    p = near([(0, 0), (7200, 20_000_000), (14_400, 0)], 120, 200, bolus=None)
    w = world(p, level_nl=170 * STROKE_NL)
    w.c.run(16_000)
    assert w.k.refill(0) == k.GRANTED
    assert w.k.set_clock(7 * DAY - 9000) == k.CEILING_24H
    assert w.k.wait_s > 0
    assert w.k.refill(20_000_000) == k.GRANTED
    w.c.run(3 * DAY)
    assert not [r for r in rows(w) if r.event == k.E_HELD]


@pytest.mark.requirement("OP-6.5.22")
def test_a_clock_that_was_moved_while_stopped_is_looked_at_when_started() -> None:
    p = near([(0, 0), (7200, 20_000_000), (14_400, 0)], 120, 200, bolus=None)
    w = world(p)
    w.c.run(16_000)
    w.k.stop(1)
    assert w.k.set_clock(7 * DAY - 9000) == k.GRANTED
    assert w.k.start(1) == k.CEILING_24H
    wait = w.k.wait_s
    assert wait > 0
    w.c.run(w.c.t + wait)
    assert w.k.start(1) == k.GRANTED
    w.c.run(4 * DAY)
    assert broken_windows(w.motor.strokes) == []
    assert not [r for r in rows(w) if r.event == k.E_HELD]


def test_what_follows_a_prime_is_looked_at_where_it_will_be() -> None:
    # The prime takes half an hour; the bolus beyond it then meets the steeper step.
    w = world(near([(0, 0), (7200, 20_000_000), (10_900, 0)], 130, 3000, bolus=None))
    w.c.hw.prime_rate_pl_per_h = 50_000_000
    w.c.run(7200 - 3600 - 700)
    answer = w.k.prime(1, 160 * STROKE_NL, 100 * STROKE_NL, near_field=True)
    w.c.run(DAY)
    assert broken_windows(w.motor.strokes) == []
    assert not [r for r in rows(w) if r.event == k.E_HELD]
    assert answer in (k.GRANTED, k.CEILING_1H)


@pytest.mark.requirement("UM-12")
def test_endless_stops_and_starts_fill_the_memory_and_break_nothing() -> None:
    w = world(near([(0, 20_000_000)], 130, 2200, bolus=(SHOT, 600, 600, 48)))
    refused = 0
    for i in range(1, 200):
        w.k.stop(1)
        w.c.run(w.c.t + 40)
        w.k.start(1)
        w.c.run(w.c.t + 60)
        refused += w.k.bolus(i) == k.HISTORY_FULL
    assert refused > 30
    w.c.run(w.c.t + 100)
    for i in range(200, 240):
        w.k.bolus(i)
        w.c.run(w.c.t + 1800)
    assert broken_windows(w.motor.strokes) == []
    assert not [r for r in rows(w) if r.event == k.E_HELD]
