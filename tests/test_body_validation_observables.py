"""Each observable against curves and profiles whose numbers are known."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thecal.body.validation import observables
from thecal.body.validation.observables import Curve, UnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from thecal.body.transport.tree import FloatArray

H = 3600.0


def curve(at: Callable[[FloatArray], FloatArray], instants: tuple[float, ...] = (0.0,)) -> Curve:
    return Curve(lambda t_s: np.asarray(at(t_s)), lambda until: np.array([t for t in instants if t <= until]))


def bateman(ka: float, ke: float) -> Curve:
    """One compartment behind another, each rate in 1/s."""
    return curve(lambda t_s: ka / (ka - ke) * (np.exp(-ke * t_s) - np.exp(-ka * t_s)))


@given(st.floats(5.0, 60.0), st.floats(70.0, 600.0))
def test_the_peak_of_a_bateman_curve(absorption_min: float, elimination_min: float) -> None:
    ka, ke = math.log(2) / (60 * absorption_min), math.log(2) / (60 * elimination_min)
    when = math.log(ka / ke) / (ka - ke)
    found_s, found = observables.peak(bateman(ka, ke), 0.0, 48 * H)
    assert found_s == pytest.approx(when, rel=1e-4)
    assert found == pytest.approx(float(bateman(ka, ke).at(np.array([when]))[0]), rel=1e-8)


def test_a_peak_at_an_instant_is_taken_as_it_is() -> None:
    fall = curve(lambda t_s: np.where(t_s < 600, t_s / 600, np.exp(-(t_s - 600) / H)), (0.0, 600.0))
    assert observables.peak(fall, 0.0, 10 * H) == (600.0, 1.0)
    assert observables.peak(curve(lambda t_s: np.exp(-t_s / H)), 0.0, H) == (0.0, 1.0)


def test_a_peak_that_is_still_to_come_is_refused() -> None:
    with pytest.raises(UnreadableError, match="still rises"):
        observables.peak(curve(lambda t_s: t_s), 0.0, H)
    with pytest.raises(UnreadableError, match="nothing arrives"):
        observables.peak(curve(lambda t_s: 0 * t_s), 0.0, H)


def test_a_top_with_a_corner_is_not_rounded_off() -> None:
    flat = curve(lambda t_s: np.minimum(t_s, 600.0) * np.where(t_s < 5 * H, 1.0, 0.5))
    assert observables.peak(flat, 0.0, 10 * H)[1] == pytest.approx(600.0, rel=2e-3)
    step = curve(lambda t_s: np.where(t_s < 700, 0.0, np.where(t_s < 5 * H, 1.0, 0.5)))
    assert observables.peak(step, 0.0, 10 * H)[1] == 1.0


@given(st.floats(10.0, 1000.0), st.floats(0.0, 5.0))
def test_the_half_life_of_an_exponential(half_life_min: float, start_h: float) -> None:
    fall = curve(lambda t_s: 7 * 0.5 ** (t_s / (60 * half_life_min)))
    assert observables.half_life(fall, start_h * H, start_h * H + 2 * H) == pytest.approx(60 * half_life_min, rel=1e-9)


def test_a_half_life_of_what_rises_or_is_gone_is_refused() -> None:
    with pytest.raises(UnreadableError, match="does not fall"):
        observables.half_life(curve(lambda t_s: 1 + t_s), 0.0, H)
    with pytest.raises(UnreadableError, match="nothing is left"):
        observables.half_life(curve(lambda t_s: np.where(t_s > 1800, 0.0, 1.0)), 0.0, H)


@given(st.floats(1.0, 500.0), st.floats(0.0, 10.0), st.floats(0.5, 48.0))
def test_area_and_mean_of_an_exponential(half_life_min: float, start_h: float, for_h: float) -> None:
    rate = math.log(2) / (60 * half_life_min)
    a, b = start_h * H, (start_h + for_h) * H
    true = (math.exp(-rate * a) - math.exp(-rate * b)) / rate
    fall = curve(lambda t_s: np.exp(-rate * t_s))
    assert observables.area(fall, a, b) == pytest.approx(true, rel=1e-6)
    assert observables.mean(fall, a, b) == pytest.approx(true / (b - a), rel=1e-6)


def test_an_area_over_jumps_is_exact_where_the_instants_are_known() -> None:
    jumps = curve(lambda t_s: np.floor(t_s / H), tuple(H * k for k in range(1, 10)))
    assert observables.area(jumps, 0.0, 4 * H) == pytest.approx(6 * H)


def test_the_value_at_a_time() -> None:
    assert observables.value(curve(lambda t_s: t_s + 1), 41.0) == 42.0


def test_arrival_is_the_first_crossing_of_a_share() -> None:
    rise = curve(lambda t_s: np.minimum(t_s / H, 1.0) * np.where(t_s > 3 * H, 0.5, 1.0), (0.0, H))
    assert observables.arrival(rise, 0.0, 5 * H, 0.1) == pytest.approx(0.1 * H, rel=1e-9)
    assert observables.arrival(curve(lambda t_s: np.exp(-t_s / H)), 0.0, H, 0.5) == 0.0


def test_the_time_over_a_level() -> None:
    triangle = curve(lambda t_s: np.maximum(1 - np.abs(t_s / H - 2), 0.0), (0.0, H, 2 * H, 3 * H))
    assert observables.time_over(triangle, 0.0, 10 * H, 0.5) == pytest.approx(H, rel=1e-9)
    assert observables.time_over(triangle, 0.0, 10 * H, 2.0) == 0.0
    assert observables.time_over(curve(lambda t_s: 1 + t_s), 0.0, H, 0.5) == pytest.approx(H)


@given(st.floats(0.5, 4.0), st.floats(20.0, 40.0), st.sampled_from([(0.5, 0.67449), (0.8, 1.28155)]))
def test_the_spread_of_a_normal_density(width_cm: float, middle_cm: float, share: tuple[float, float]) -> None:
    edges = np.linspace(0.0, 60.0, 1201)
    below = np.array([0.5 * math.erfc((middle_cm - e) / (width_cm * math.sqrt(2))) for e in edges])
    found = observables.spread(edges, np.diff(below), share[0])
    assert found == pytest.approx(2 * share[1] * width_cm, rel=2e-3)


def test_the_spread_at_a_wall_and_of_nothing() -> None:
    edges = np.linspace(0.0, 10.0, 11)
    mass = np.where(np.arange(10) < 2, 0.5, 0.0)
    assert observables.spread(edges, mass, 0.5) == pytest.approx(1.0)
    assert observables.spread(edges, mass, 0.75) == pytest.approx(1.5)
    with pytest.raises(UnreadableError, match="nothing is there"):
        observables.spread(edges, 0 * mass, 0.5)


@given(st.floats(0.5, 50.0))
def test_the_decay_length_of_an_exponential(length_cm: float) -> None:
    x = np.linspace(0.15, 59.85, 200)
    fall = np.exp(-np.abs(x - 20.0) / length_cm)
    assert observables.decay_length(x, fall, 20.0, 40.0) == pytest.approx(length_cm, rel=1e-9)
    assert observables.decay_length(x, fall, 20.0, 5.0) == pytest.approx(length_cm, rel=1e-9)


def test_a_decay_length_of_what_does_not_fall_is_refused() -> None:
    x = np.linspace(0.5, 59.5, 60)
    for values, ends, says in (
        (np.exp(x / 9), (10.0, 20.0), "does not fall"),
        (0 * x, (10.0, 20.0), "nothing is there"),
        (1 + x, (10.0, 10.2), "fewer than two"),
    ):
        with pytest.raises(UnreadableError, match=says):
            observables.decay_length(x, values, *ends)
