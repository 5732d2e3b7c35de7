"""What the body is given: no mass is made or lost, nothing is early, and what ran before is in step with the clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st
from tests.spine_builders import long_running, spine_order, steady
from tests.therapy_builders import day, mg, ml, per_day, time
from tests.twin_builders import BOLUS, DAY, MONDAY, MORPHINE, STRONGER, TRIPLE, bridge, program, scenario

from thecal.quantities import Duration
from thecal.therapy.order import Previous
from thecal.therapy.program import (
    EVERY_DAY,
    Continuous,
    DaySchedule,
    MinimumRate,
    PrimingBolus,
    RepeatedDoses,
    SingleBolus,
    Stopped,
)
from thecal.therapy.refusal import Refusal
from thecal.twin.events import Accuracy, Event, GivenBolus, Press, Prime, Refill, Run, Stall, Start, Stop
from thecal.twin.giving import (
    NEAR_S,
    NOTHING_BEFORE,
    RUN_IN_S,
    SETTLE_S,
    Given,
    Strokes,
    Window,
    before,
    cumulated_ng,
    given,
    pushed,
    window_of,
)
from thecal.twin.simulate import simulate

if TYPE_CHECKING:
    from thecal.twin.scenario import Scenario
    from thecal.twin.trace import Trace

HOUR = 3600
_REFILLED = Refill(6 * HOUR, ml("15"), left=ml("0.5"), mixture=STRONGER, bridge=bridge("0.05", "10"))


def given_ng(one: Given, from_s: float = 0.0) -> float:
    """All that is given from a time on."""
    dosing = one.dosing
    held = dosing.rate_ng_per_s[:, :-1] * np.diff(dosing.t_s)
    return float(held[:, dosing.t_s[:-1] >= from_s].sum() + dosing.mass_ng.sum())


def traced(*events: Event, days: int = 1) -> Trace:
    return simulate(scenario(spine_order(program(Continuous(per_day("10")), bolus=BOLUS)), *events, days=days))


# Mass -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strokes", Strokes)
@pytest.mark.parametrize(
    "made",
    [
        scenario(spine_order()),
        scenario(spine_order(steady("10", TRIPLE), TRIPLE, old=MORPHINE)),
        scenario(spine_order(program(Continuous(per_day("10")), bolus=BOLUS)), Press(4 * HOUR), Press(8 * HOUR)),
        scenario(spine_order(), _REFILLED, days=2),
        scenario(spine_order(), Stop(5 * HOUR), Start(9 * HOUR)),
        scenario(
            spine_order(), faults=(Accuracy(1 + Duration.of(1, "s").number("s") / 10, 0, DAY), Stall(HOUR, 3 * HOUR))
        ),
        scenario(spine_order(program(Stopped()))),
        scenario(spine_order(), sigma=ml("0.004")),
    ],
)
def test_what_is_given_is_what_arrived(made: Scenario, strokes: Strokes) -> None:
    trace = simulate(made)
    for until_s in (made.run.length_s, 7 * HOUR + 1):
        window = Window(0, until_s, 600)
        _, (boluses,) = pushed([trace], 1.0, 1.6)
        found = given(trace, window, boluses=boluses, strokes=strokes)
        arrived_ng = trace.arrived_mg([until_s])[:, 0] * 1e6
        assert list(found) == list(trace.ingredients)
        for drug, ng in zip(trace.ingredients, arrived_ng, strict=True):
            assert given_ng(found[drug]) == pytest.approx(ng, rel=1e-12, abs=1e-6)


@settings(max_examples=25, deadline=None)
@for_all(st.lists(st.integers(0, 2 * DAY - 1), max_size=6), st.integers(HOUR, 2 * DAY), st.integers(0, DAY))
def test_mass_at_any_presses_and_windows(presses: list[int], length_s: int, from_s: int) -> None:
    trace = traced(*(Press(s) for s in presses), days=3)
    window = window_of(from_s, length_s)
    groups, (boluses,) = pushed([trace], 0.02, 1.6)
    found = given(trace, window, boluses=boluses, groups=len(groups))["morphine"]
    assert given_ng(found) == pytest.approx(trace.arrived_mg([window.until_s])[0, 0] * 1e6, rel=1e-12)
    at_s = np.arange(0.0, window.until_s, 977)
    ahead = cumulated_ng(found.dosing, at_s) - trace.arrived_mg(at_s.astype(np.int64))[0] * 1e6
    assert np.all(np.abs(ahead) <= found.displaced_ng + found.displaced_before_ng + 1e-6)


def test_each_stroke_is_an_impulse_at_its_second() -> None:
    trace = traced()
    one = given(trace, Window(0, DAY, 600), strokes=Strokes.EACH)["morphine"]
    given_s = one.dosing.t_s[one.dosing.mass_ng[0] > 0]
    arrived = np.diff(np.concatenate(([0.0], trace.arrived_mg(trace.stroke_s)[0])))
    assert given_s.tolist() == trace.stroke_s[arrived > 0].tolist()
    assert not one.dosing.rate_ng_per_s.any()
    assert one.displaced_ng == one.displaced_before_ng == 0.0


def test_even_strokes_are_late_by_about_one() -> None:
    trace = traced()
    one = given(trace, Window(0, DAY, 600))["morphine"]
    stroke_ng = float(np.diff(trace.arrived_mg(trace.stroke_s[-2:])[0])[0]) * 1e6
    assert 0.9 * stroke_ng < one.displaced_ng < 2.1 * stroke_ng
    assert one.displaced_before_ng == 0.0


def test_strokes_long_before_the_window_are_joined_by_the_hour() -> None:
    trace = traced(Press(HOUR), days=4)
    close = given(trace, Window(0, 4 * DAY, 600))["morphine"]
    late = given(trace, Window(3 * DAY, 4 * DAY, 600))["morphine"]
    assert late.dosing.t_s.size < 0.6 * close.dosing.t_s.size
    assert late.displaced_before_ng > 0
    steps = np.diff(late.dosing.t_s[late.dosing.t_s >= 3 * DAY - NEAR_S])
    assert steps.max() <= 600


# The catheter's delay -------------------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@for_all(st.integers(0, 3 * HOUR), st.integers(HOUR, DAY))
def test_nothing_is_seen_before_its_stroke(from_s: int, length_s: int) -> None:
    trace = traced(days=2)
    first_s = next(f.tip_s for f in trace.fronts if f.tip_s is not None)
    window = window_of(from_s, length_s)
    one = given(trace, window)["morphine"]
    seen = cumulated_ng(one.dosing, window.at_s)
    assert not seen[window.at_s < first_s].any()
    assert np.all(seen[window.at_s > first_s + 120] > 0)


# Boluses --------------------------------------------------------------------------------------------------------------


def test_small_boluses_are_strokes_and_large_ones_a_group() -> None:
    big = GivenBolus(2 * HOUR, SingleBolus(mg("5"), time("1 h")))
    trace = traced(Press(8 * HOUR), big, days=1)
    groups, (boluses,) = pushed([trace], 1.0, 1.6)
    assert [b.group for b in boluses] == [1, 0]
    assert groups[0] == 0.0
    assert groups[1] == pytest.approx(0.5 + 1 / 24, rel=0.01)
    one = given(trace, Window(0, DAY, 600), boluses=boluses, groups=len(groups))["morphine"]
    of_group = float(np.sum(one.dosing.rate_ng_per_s[1, :-1] * np.diff(one.dosing.t_s)))
    assert of_group == pytest.approx(boluses[0].volume_ml * 10 * 1e6, rel=0.01)
    each = given(trace, Window(0, DAY, 600), boluses=boluses, groups=len(groups), strokes=Strokes.EACH)["morphine"]
    assert float(each.dosing.mass_ng[1].sum()) == pytest.approx(of_group, rel=0.01)


def test_groups_are_shared_and_their_widths_differ() -> None:
    small, large = (GivenBolus(2 * HOUR, SingleBolus(mg(d), time("90 min"))) for d in ("5", "10"))
    traces = [traced(small), traced(large)]
    groups, found = pushed(traces, 1.0, 1.6)
    assert len(groups) == 2 + 1
    assert [[b.group for b in boluses] for boluses in found] == [[1], [2]]
    widths = [np.hypot(1.0, g / 3.2) for g in groups]
    assert all(b > 1.01 * a for a, b in pairwise(widths))
    assert pushed(traces, 100.0, 1.6)[0] == (0.0,)


def test_a_bolus_that_the_run_cuts_ends_with_it() -> None:
    trace = traced(GivenBolus(DAY - 60, SingleBolus(mg("0.1"), time("5 min"))))
    _, (boluses,) = pushed([trace], 1.0, 1.6)
    assert [(b.began_s >= DAY - 60, b.ended_s) for b in boluses] == [(True, DAY)]


def test_a_prime_moves_fluid_as_a_bolus_does() -> None:
    made = spine_order(program(Continuous(per_day("10")), priming=PrimingBolus(ml("0.05"))))
    trace = simulate(scenario(made))
    _, (boluses,) = pushed([trace], 1.0, 1.6)
    assert boluses[0].volume_ml == pytest.approx(0.05, rel=0.05)


# What ran before ------------------------------------------------------------------------------------------------------


def previous(**others: object) -> Previous:
    return Previous(TRIPLE, steady("12", TRIPLE), **others)  # type: ignore[arg-type]


def test_a_steady_program_of_before() -> None:
    found = before(previous(), MONDAY, None)
    assert not isinstance(found, Refusal)
    per_s = 12e6 / DAY
    first = {drug: rate[0] for drug, rate in found.rate_ng_per_s.items()}
    assert first == pytest.approx({"morphine": per_s, "bupivacaine": 0.75 * per_s, "clonidine": 0.015 * per_s})
    assert found.t_s[:2].tolist() == [-RUN_IN_S - SETTLE_S, -RUN_IN_S]
    assert found.rate_ng_per_s["morphine"] == pytest.approx(np.full(found.t_s.size, per_s))


def test_a_day_of_before_is_in_step_with_the_clock() -> None:
    base = DaySchedule((day(EVERY_DAY, (0, "4.8"), (12, "14.4")),))
    start = MONDAY + timedelta(hours=15)
    found = before(Previous(MORPHINE, program(base)), start, None)
    assert not isinstance(found, Refusal)
    clock_h = ((found.t_s[1:] / HOUR + 15) % 24).tolist()
    rates = found.rate_ng_per_s["morphine"][1:].tolist()
    for hour, rate in zip(clock_h, rates, strict=True):
        assert rate == pytest.approx((0.2e6 if hour < 12 else 0.6e6) / HOUR)
    assert found.rate_ng_per_s["morphine"][0] == pytest.approx(0.4e6 / HOUR)


def test_a_gap_lies_between_before_and_the_run() -> None:
    found = before(previous(gap=Duration.of(30, "h")), MONDAY, None)
    assert not isinstance(found, Refusal)
    assert found.t_s[1] == -RUN_IN_S - 30 * HOUR
    assert found.t_s[-1] == -30 * HOUR
    assert found.rate_ng_per_s["morphine"][-1] == 0.0


@pytest.mark.parametrize("delivered", ["6", "12", "18"])
def test_what_was_delivered_goes_before_what_was_programmed(delivered: str) -> None:
    found = before(previous(delivered_per_day=mg(delivered)), MONDAY, None)
    assert not isinstance(found, Refusal)
    assert found.rate_ng_per_s["morphine"][0] == pytest.approx(float(delivered) * 1e6 / DAY)
    assert found.rate_ng_per_s["clonidine"][0] == pytest.approx(float(delivered) * 15e3 / DAY)


def test_more_than_repeated_doses_gave_is_added_evenly() -> None:
    base = RepeatedDoses(mg("0.5"), time("10 min"), time("6 h"), per_day("0"))
    found = before(Previous(MORPHINE, program(base), None, mg("3")), MONDAY, None)
    assert not isinstance(found, Refusal)
    assert found.rate_ng_per_s["morphine"].min() == pytest.approx(1e6 / DAY)


def test_a_minimum_rate_that_nobody_states_is_refused() -> None:
    found = before(Previous(MORPHINE, program(MinimumRate())), MONDAY, None)
    assert isinstance(found, Refusal)


def test_what_ran_before_comes_first_in_the_dosing() -> None:
    trace = simulate(long_running(days=1))
    earlier = before(previous(), MONDAY, None)
    assert not isinstance(earlier, Refusal)
    found = given(trace, Window(0, DAY, 600), earlier=earlier, drugs=("ziconotide",))
    assert list(found) == ["morphine", "bupivacaine", "clonidine", "ziconotide"]
    for drug in found:
        assert found[drug].dosing.t_s[0] == -RUN_IN_S - SETTLE_S
    assert cumulated_ng(found["bupivacaine"].dosing, np.array([0.0]))[0] == pytest.approx((365 + 7) * 9e6)
    assert given_ng(found["bupivacaine"]) == 0.0
    assert given_ng(found["ziconotide"], -2.0 * SETTLE_S) == 0.0
    assert not NOTHING_BEFORE.t_s.size


# Windows --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours", "step_s"), [(1, 10), (24, 300), (72, 600), (24 * 7, 1800), (24 * 30, 7200), (8760, 86_400)]
)
def test_resolution(hours: int, step_s: int) -> None:
    window = window_of(0, hours * HOUR)
    assert window.step_s == step_s
    assert window.at_s.size <= 452
    assert window.at_s[-1] == hours * HOUR


def test_a_window_ends_where_it_should_end() -> None:
    at_s = Window(100, 1150, 600).at_s
    assert at_s.tolist() == [100.0, 700.0, 1150.0]


def test_cumulated_counts_rates_and_masses() -> None:
    trace = traced()
    one = given(trace, Window(0, DAY, 600))["morphine"]
    total = cumulated_ng(one.dosing, np.array([-5.0, 0.0, float(DAY), 2.0 * DAY]))
    assert total[:2].tolist() == [0.0, 0.0]
    assert total[2] == pytest.approx(given_ng(one))
    assert total[3] == pytest.approx(total[2])


def test_a_run_without_strokes() -> None:
    trace = simulate(replace(scenario(spine_order(program(Stopped()))), run=Run(MONDAY, 1, 7, timedelta())))
    for strokes in Strokes:
        one = given(trace, Window(0, DAY, 600), strokes=strokes)["morphine"]
        assert given_ng(one) == 0.0
        assert one.displaced_ng == 0.0


def test_one_stroke_lasts_until_the_end() -> None:
    trace = simulate(scenario(spine_order(), Prime(HOUR, ml("0.02")), Stop(10)))
    one = given(trace, Window(0, DAY, 600))["morphine"]
    assert given_ng(one) == pytest.approx(trace.arrived_mg([DAY])[0, 0] * 1e6, abs=1e-9)
