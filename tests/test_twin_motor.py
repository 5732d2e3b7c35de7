"""The virtual motor keeps every stroke at its second, however the train was cut, and a stall moves nothing."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thecal.pump.core.codes import NEVER
from thecal.twin.events import Stall
from thecal.twin.motor import VirtualMotor

UNIT = 900_000_000


def naive(t0: int, t1: int, acc: int, rate: int, unit: int) -> list[int]:
    found = []
    for second in range(t0 + 1, t1 + 1):
        acc += rate
        while acc >= unit:
            acc -= unit
            found.append(second)
    return found


trains = st.tuples(
    st.integers(0, 5000), st.integers(1, 3000), st.integers(0, UNIT - 1), st.integers(1, 3 * UNIT), st.just(UNIT)
)
stalls = st.lists(st.tuples(st.integers(0, 9000), st.integers(1, 400)), max_size=3)


@given(trains, stalls)
@pytest.mark.requirement("OP-6.2.1")
def test_every_stroke_falls_on_its_second_and_stalls_lose_theirs(
    train: tuple[int, int, int, int, int], stalled: list[tuple[int, int]]
) -> None:
    t0, length, acc, rate, unit = train
    motor = VirtualMotor([Stall(a, a + n) for a, n in stalled])
    due = naive(t0, t0 + length, acc, rate, unit)
    good = [s for s in due if not any(a <= s < a + n for a, n in stalled)]
    assert motor.turn(t0, t0 + length, acc, rate, unit, len(due)) == len(good)
    assert motor.stroke_s().tolist() == good
    assert motor.lost == len(due) - len(good)


@given(trains, st.lists(st.integers(1, 2999), max_size=4))
def test_cutting_a_train_changes_nothing(train: tuple[int, int, int, int, int], cuts: list[int]) -> None:
    t0, length, acc, rate, unit = train
    whole, parts = VirtualMotor(), VirtualMotor()
    whole.turn(t0, t0 + length, acc, rate, unit, 0)
    edges = sorted({0, length, *(c for c in cuts if c < length)})
    for a, b in pairwise(edges):
        n = (acc + rate * (b - a)) // unit
        assert parts.turn(t0 + a, t0 + b, acc, rate, unit, n) == n
        acc = (acc + rate * (b - a)) % unit
    assert whole.stroke_s().tolist() == parts.stroke_s().tolist()


@given(stalls, st.integers(0, 9500))
def test_good_until_never_promises_a_lost_stroke(stalled: list[tuple[int, int]], now: int) -> None:
    motor = VirtualMotor([Stall(a, a + n) for a, n in stalled])

    def bad(second: int) -> bool:
        return any(a <= second < a + n for a, n in stalled)

    good = motor.good_until(now)
    assert good == now or not bad(now + 1)
    if good == now:
        assert bad(now + 1)
    elif good == NEVER:
        assert not any(bad(s) for s in range(now + 1, 9500))
    else:
        assert not any(bad(s) for s in range(now + 1, good + 1))
        assert bad(good + 1)


def test_no_stroke_is_no_time() -> None:
    motor = VirtualMotor()
    assert motor.stroke_s().size == 0
    assert motor.turn(0, 10, 0, 1, UNIT, 0) == 0
    assert motor.stroke_s().size == 0
