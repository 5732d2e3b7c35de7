"""Power: lost at every write, again and again, and in the middle of delivery; what was promised holds in true time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fault_store import (
    AFTER,
    BEFORE,
    DEAD_NL,
    DEAD_STROKES,
    FIRST,
    OVERWRITTEN,
    TEARS,
    TRUNCATED,
    Life,
    PowerCut,
    digest_of,
    factory_new,
    running,
    tight,
)

from thecal.pump.core import alarms as al
from thecal.pump.core import codes
from thecal.pump.core.record import STATE

if TYPE_CHECKING:
    from thecal.pump.core.program import Program

# A search through many lives: its lines are counted by the tests of each part, and counting them here doubles its time.
pytestmark = pytest.mark.no_cover

DAY = codes.DAY_S
# The parity of the numbers says nothing about where a program may be written.
SECOND = tight(
    3,
    (4_000_000, 2_500_000),
    ((0, 15_000_000), (7200, 30_000_000), (14_400, 10_000_000)),
    bridge=(10_000_000, 20_000_000, 0),
    per_day=1600,
)


def load_when_it_fits(life: Life, p: Program) -> None:
    """Program the pump; where strokes in doubt fill the window, at the time that the refusal names."""
    answer = life.load(p)
    if answer != codes.GRANTED:
        assert answer in (codes.CEILING_1H, codes.CEILING_24H)
        assert 0 < life.k.wait_s <= DAY
        life.wait_until(life.true_s() + life.k.wait_s)
        assert life.load(p) == codes.GRANTED


Act = Callable[[Life], object]
ACTS: tuple[Act, ...] = (
    lambda life: life.refill(18_000_000),
    lambda life: life.load(FIRST),
    lambda life: life.start(),
    lambda life: life.prime(1, DEAD_NL + 5000, DEAD_NL),
    lambda life: life.wait_until(7100),
    lambda life: life.press(1),
    lambda life: life.wait_until(7300),
    lambda life: life.single(20, 300),
    lambda life: life.wait_until(9000),
    lambda life: life.press(2),
    lambda life: life.wait_until(12_000),
    lambda life: life.press(3),
    lambda life: life.wait_until(12_100),
    lambda life: life.stop(),
    lambda life: life.wait_until(16_000),
    lambda life: life.refill(19_000_000),
    lambda life: load_when_it_fits(life, SECOND),
    lambda life: life.start(),
    lambda life: life.wait_until(16_600),
    lambda life: life.press(4),
    lambda life: life.wait_until(20_000),
    lambda life: life.press(5),
    lambda life: life.acknowledge(al.POWER_LOST),
    lambda life: life.clear(al.POWER_LOST),
    lambda life: life.wait_until(90_000),
    lambda life: life.press(6),
    lambda life: life.wait_until(100_000),
)


def live(life: Life, acts: tuple[Act, ...] = ACTS, dark_s: int = 100, recut: Callable[[], None] = lambda: None) -> int:
    """Do every act; after each power cut wake and do the same act again. The answer is how often power failed."""
    cuts = 0
    for act in acts:
        while True:
            try:
                act(life)
                break
            except PowerCut:
                cuts += 1
                life.power_cut(dark_s)
                recut()
        life.check()
    life.judge(DEAD_STROKES)
    return cuts


def cut_at_every_write(
    tears: Callable[[int], tuple[tuple[str, int], ...]], dark_s: int, acts: tuple[Act, ...] = ACTS
) -> None:
    """Power fails at write n, for every n until none fails."""
    n = 0
    failed = True
    while failed:
        n += 1
        for tear, torn in tears(n):
            life = factory_new()
            life.store.cut(n, tear, torn)
            failed = live(life, acts, dark_s) == 1
            assert digest_of(life.c.program) == digest_of(SECOND)
            assert life.c.running
            if not failed:
                break
    assert n > 60


def test_the_scenario_delivers_and_refuses() -> None:
    """The campaign below is worth something: boluses are given, one is refused, a bridge runs and ends."""
    life = factory_new()
    live(life)
    given_to = {r for r, n in (life.requests + life.motor.requests).items() if n}
    assert given_to == {1, 3, 5, 6}
    assert life.delivered() > 1000
    assert not life.c.bridging


@pytest.mark.requirement("P4", "OP-6.6.4", "UM-86")
def test_power_fails_at_every_write() -> None:
    kinds = ((BEFORE, 0), (OVERWRITTEN, 1900), (TRUNCATED, 40), (AFTER, 0), (OVERWRITTEN, 30), (TRUNCATED, 0))
    cut_at_every_write(lambda n: (kinds[n % len(kinds)],), 100, ACTS[:-3])


EVERY_TEAR = (
    *((BEFORE, 0), (AFTER, 0)),
    *((OVERWRITTEN, torn) for torn in (1, 22, 300, 1900, 6000)),
    *((TRUNCATED, torn) for torn in (0, 24, 3000)),
)


@pytest.mark.long
@pytest.mark.parametrize("dark_s", [0, 4000])
@pytest.mark.parametrize("tear", EVERY_TEAR)
@pytest.mark.requirement("P4")
def test_power_fails_at_every_write_with_every_tear(tear: tuple[str, int], dark_s: int) -> None:
    cut_at_every_write(lambda _: (tear,), dark_s)


CUTS = st.lists(
    st.tuples(st.integers(1, 40), st.sampled_from(TEARS), st.integers(0, 7000), st.integers(0, 9000)),
    min_size=1,
    max_size=6,
)


def live_with_cuts(cuts: list[tuple[int, str, int, int]]) -> None:
    life = factory_new()
    ahead = iter(cuts)

    def next_cut() -> None:
        writes, tear, torn, _ = next(ahead, (0, BEFORE, 0, 0))
        if writes:
            life.store.cut(writes, tear, torn)

    next_cut()
    live(life, dark_s=cuts[0][3], recut=next_cut)


@settings(max_examples=25)
@given(cuts=CUTS)
@pytest.mark.requirement("P1", "P4")
def test_power_fails_again_and_again(cuts: list[tuple[int, str, int, int]]) -> None:
    live_with_cuts(cuts)


@pytest.mark.long
@given(cuts=st.lists(CUTS.filter(bool), min_size=1, max_size=5).map(lambda parts: [c for p in parts for c in p]))
@pytest.mark.requirement("P4")
def test_power_fails_again_and_again_for_long(cuts: list[tuple[int, str, int, int]]) -> None:
    live_with_cuts(cuts)


@settings(max_examples=30)
@given(
    at=st.lists(st.tuples(st.integers(1, 6000), st.integers(0, 5000)), min_size=1, max_size=8), presses=st.booleans()
)
@pytest.mark.requirement("P2", "P4", "OP-5.2.3", "FD-10.6")
def test_power_fails_in_the_middle_of_delivery(at: list[tuple[int, int]], presses: bool) -> None:
    life = factory_new()
    life.refill(18_000_000)
    life.load(FIRST)
    life.start()
    for i, (wait, dark) in enumerate(at):
        if presses:
            life.press(i + 1)
        target = life.true_s() + wait
        while life.true_s() < target:
            life.c.run(target - life.off_s)
            if life.true_s() < target:
                life.settle()
        life.power_cut(dark)
        assert life.press(i + 1) in (codes.DUPLICATE, codes.STALE_ID) if presses else True
    life.wait_until(life.true_s() + 90_000)
    life.judge()


def test_a_program_never_overwrites_the_one_that_runs() -> None:
    """Numbers of one parity, power lost in the middle of the second program."""
    life = running(1)
    old = digest_of(life.c.program)
    new = tight(3, (5_000_000,), ((0, 10_000_000),))
    life.store.cut(1, OVERWRITTEN, 800)
    with pytest.raises(PowerCut):
        life.load(new)
    life.power_cut(10)
    assert digest_of(life.c.program) == old
    assert life.c.running
    assert life.load(new) == codes.GRANTED


def test_after_a_half_written_state_the_whole_copy_outlives_the_next_cut() -> None:
    life = running()
    life.store.flip(STATE[1], 700)
    life.power_cut(0)
    assert life.c.alarms.on(al.MEMORY_MINOR)
    life.store.cut(1, TRUNCATED, 5)
    with pytest.raises(PowerCut):
        life.settle()
    life.power_cut(0)
    assert life.c.loaded, "the damaged copy is the one to be written first"


@pytest.mark.requirement("FD-6.1")
def test_a_cut_between_the_copies_and_another_in_the_next_write() -> None:
    """A new program in the newest copy only; its successor must not take the older copy's program with it."""
    life = running()
    second = tight(2, (5_000_000,), ((0, 10_000_000),))
    life.store.cut(2, AFTER)
    with pytest.raises(PowerCut):
        life.load(second)
    life.power_cut(0)
    assert life.c.program.number == 2
    life.digests = {digest_of(second)}
    life.store.cut(2, TRUNCATED, 5)
    with pytest.raises(PowerCut):
        life.load(tight(3, (5_000_000,), ((0, 8_000_000),)))
    life.power_cut(0)
    assert life.c.program.number in (2, 3)
