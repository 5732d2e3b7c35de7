"""The line from the reservoir to the tip, against parcels of fluid that are pushed by hand."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tip_reference import RefillEvent, tip_reference

from thecal.body.catheter import Line, Parcel, TipArrival, front_width_ml, tip_arrival
from thecal.body.reservoir import FloatArray, Refill, Reservoir

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.tip_reference import Moment

# A search through many cases: single cases count the lines, and counting them here as well doubles its time.
search = pytest.mark.no_cover

DRUGS = ("morphine", "bupivacaine", "clonidine")
ML_PER_NL = Fraction(1, 10**6)


@dataclass(frozen=True)
class Case:
    """One run in exact numbers; volumes in mL, concentrations in mg/mL."""

    strokes: tuple[tuple[int, Fraction], ...]
    alike: bool
    refills: tuple[RefillEvent, ...]
    volume: Fraction
    unusable: Fraction
    c: Mapping[str, Fraction]
    line: tuple[tuple[Fraction, Mapping[str, Fraction]], ...]
    start_s: int

    @property
    def end_s(self) -> int:
        return max([self.start_s, *(t for t, _ in self.strokes), *(r.t_s for r in self.refills)])


def volumes(low_nl: int, high_nl: int) -> st.SearchStrategy[Fraction]:
    return st.integers(low_nl, high_nl).map(lambda n: n * ML_PER_NL)


fluids = st.dictionaries(
    st.sampled_from(DRUGS), st.integers(0, 40_000).map(lambda n: Fraction(n, 1000)), min_size=0, max_size=3
)
accuracies = st.sampled_from([Fraction(1), Fraction(1145, 1000), Fraction(968, 1000), Fraction(855, 1000)])


@st.composite
def stroke_times(draw: st.DrawFn, start_s: int) -> list[int]:
    """Bursts, steady runs and stops, one after the other; seconds may repeat."""
    times, now = list[int](), start_s
    for count, gap_s in draw(st.lists(st.tuples(st.integers(0, 25), st.sampled_from([0, 1, 43, 3600])), max_size=6)):
        times += [now + gap_s * n for n in range(count)]
        now += gap_s * count + draw(st.sampled_from([0, 1, 7_200, 400_000]))
    return times


@st.composite
def cases(draw: st.DrawFn) -> Case:
    start_s = draw(st.sampled_from([0, -500, 1_700_000_000]))
    times = draw(stroke_times(start_s))
    alike = draw(st.booleans())
    accuracy = draw(accuracies)
    sizes = [draw(volumes(50, 2_000)) * accuracy] * len(times)
    if not alike:
        sizes = [draw(st.one_of(volumes(50, 2_000), st.just(Fraction(0)))) * accuracy for _ in times]
    end_s = max([start_s, *times])
    moments = st.one_of(st.integers(start_s, end_s + 10), st.sampled_from(times or [start_s]))
    refills = tuple(
        RefillEvent(t, draw(volumes(0, 30_000)), draw(volumes(0, 60_000)), draw(fluids))
        for t in sorted(draw(st.lists(moments, max_size=4)))
    )
    parcels = tuple((draw(volumes(1, 9_000)), draw(fluids)) for _ in range(draw(st.integers(0, 3))))
    line = (*parcels, (draw(volumes(1, 20_000)), draw(fluids)))
    return Case(
        strokes=tuple(zip(times, sizes, strict=True)),
        alike=alike,
        refills=refills,
        volume=draw(volumes(0, 60_000)),
        unusable=draw(st.sampled_from([Fraction(0), 1_400 * ML_PER_NL])),
        c=draw(fluids),
        line=line,
        start_s=start_s,
    )


def floats(fluid: Mapping[str, Any]) -> dict[str, float]:
    return {k: float(v) for k, v in fluid.items()}


def run(case: Case, loss_per_day: Mapping[str, float] | None = None, sigma_ml: float = 0.0) -> TipArrival:
    sizes = [float(v) for _, v in case.strokes]
    return tip_arrival(
        np.array([t for t, _ in case.strokes], dtype=np.int64),
        sizes[0] if case.alike and sizes else np.array(sizes),
        Reservoir(float(case.volume), floats(case.c), loss_per_day or {}, float(case.unusable), case.start_s),
        Line(
            math.fsum(float(v) for v, _ in case.line),
            tuple(Parcel(float(v), floats(c)) for v, c in case.line),
            sigma_ml,
        ),
        [Refill(r.t_s, float(r.left), float(r.filled), floats(r.c)) for r in case.refills],
    )


def reference(case: Case, at_s: list[int], loss_per_day: Mapping[str, float] | None = None) -> list[Moment]:
    return tip_reference(
        case.strokes,
        case.refills,
        at_s,
        volume=case.volume,
        c=case.c,
        line=case.line,
        start_s=case.start_s,
        loss_per_day=loss_per_day,
        unusable=case.unusable,
    )


def table(found: TipArrival, masses: list[dict[str, Any]]) -> FloatArray:
    rows = [[float(m.get(drug, 0)) for m in masses] for drug in found.ingredients]
    return np.array(rows, dtype=np.float64).reshape(len(found.ingredients), len(masses))


def agree(found: FloatArray, expected: FloatArray) -> None:
    """To 1e-9 of the most there is (1e-12 mg where there is nothing)."""
    scale = float(np.max(np.abs(expected), initial=0.0))
    assert found.shape == expected.shape
    assert np.max(np.abs(found - expected), initial=0.0) <= 1e-9 * scale + 1e-12


def check(case: Case, loss_per_day: Mapping[str, float] | None = None) -> None:
    found = run(case, loss_per_day)
    at_s = sorted({case.start_s, case.end_s + 5, *(t for t, _ in case.strokes), *(r.t_s for r in case.refills)})
    expected = reference(case, at_s, loss_per_day)
    agree(found.delivered_mg(at_s), table(found, [m.delivered for m in expected]))
    agree(found.arrived_mg(at_s), table(found, [m.arrived for m in expected]))
    agree(found.pumped_ml(at_s), np.array([float(m.pumped) for m in expected]))
    agree(found.reservoir_at(at_s)[0], np.array([float(m.volume) for m in expected]))
    batches = {m.t_s: m.oldest for m in expected}
    for batch, front in enumerate(found.fronts, start=1):
        since_s = case.start_s if front.entered_s is None else front.entered_s
        times = [t for t, _ in case.strokes if batches[t] >= batch and t >= since_s]
        assert front.reaches_tip_s == (times[0] if times else None)


@search
@settings(max_examples=500, deadline=None)
@given(cases())
def test_agrees_with_parcels_pushed_by_hand(case: Case) -> None:
    check(case)


@search
@settings(deadline=None)
@given(cases(), st.fixed_dictionaries({d: st.sampled_from([0.0, 0.001, 0.3]) for d in DRUGS}))
def test_agrees_with_parcels_where_drug_is_lost_in_the_reservoir(case: Case, loss: dict[str, float]) -> None:
    check(case, loss)


@search
@settings(deadline=None)
@given(cases())
def test_every_stroke_agrees_and_dry_strokes_are_flagged(case: Case) -> None:
    found = run(case)
    exact, moved = list(case.strokes), list[bool]()
    for count in range(1, len(exact) + 1):
        before, after = (
            reference(replace(case, strokes=tuple(exact[:n])), [case.end_s])[0].pumped for n in (count - 1, count)
        )
        moved.append(after - before < exact[count - 1][1])
        if count > 20:
            break
    assert found.dry[: len(moved)].tolist() == moved
    assert np.all(found.moved_ml <= np.array([float(v) for _, v in exact]))
    agree(np.cumsum(found.moved_ml), found.pumped_ml())


@search
@settings(deadline=None)
@given(cases())
def test_no_mass_is_made_or_lost(case: Case) -> None:
    found = run(case)
    end = [case.end_s]
    line_mg = sum((row_mg(found, p) for p in found.line_at(case.end_s)), start=np.zeros(len(found.ingredients)))
    agree(found.in_line_mg(end)[:, 0], line_mg)
    volume_ml, c = found.reservoir_at(end)
    filled = [np.array([float(r.filled * r.c.get(d, 0)) for d in found.ingredients]) for r in case.refills]
    put_in = sum(filled, start=np.array([float(case.volume * case.c.get(d, 0)) for d in found.ingredients]))
    removed = sum((r.removed_mg for r in found.refills), start=np.zeros(len(found.ingredients)))
    agree(put_in, found.delivered_mg(end)[:, 0] + removed + volume_ml[0] * c[:, 0])


def row_mg(found: TipArrival, parcel: Parcel) -> FloatArray:
    return np.array([parcel.volume_ml * parcel.c_mg_per_ml[d] for d in found.ingredients])


@search
@settings(deadline=None)
@given(cases(), st.floats(0, 1), st.sampled_from([0.0, 0.2]))
def test_two_runs_in_a_row_are_one_run(case: Case, share: float, loss: float) -> None:
    """What line and reservoir hold at any second is all that the future needs."""
    cut_s = case.start_s + int(share * (case.end_s - case.start_s))
    rates = dict.fromkeys(DRUGS, loss)
    whole = run(case, rates)
    volume_ml, c = whole.reservoir_at([cut_s])
    later = [(t, v) for t, v in case.strokes if t > cut_s]
    second = tip_arrival(
        np.array([t for t, _ in later], dtype=np.int64),
        np.array([float(v) for _, v in later]),
        Reservoir(
            float(volume_ml[0]),
            dict(zip(whole.ingredients, c[:, 0].tolist(), strict=True)),
            rates,
            float(case.unusable),
            cut_s,
        ),
        Line(whole.line.dead_volume_ml, whole.line_at(cut_s)),
        [Refill(r.t_s, float(r.left), float(r.filled), floats(r.c)) for r in case.refills if r.t_s > cut_s],
    )
    end = [case.end_s]
    order = [second.ingredients.index(d) for d in whole.ingredients]
    agree(whole.arrived_mg([cut_s]) + second.arrived_mg(end)[order], whole.arrived_mg(end))


@search
@settings(deadline=None)
@given(cases())
def test_twice_the_strength_is_twice_the_mass(case: Case) -> None:
    double = replace(
        case,
        c={d: 2 * x for d, x in case.c.items()},
        line=tuple((v, {d: 2 * x for d, x in c.items()}) for v, c in case.line),
        refills=tuple(replace(r, c={d: 2 * x for d, x in r.c.items()}) for r in case.refills),
    )
    agree(run(double).arrived_mg(), 2 * run(case).arrived_mg())


def steady(flow_ml_per_day: float, stroke_ml: float, days: float) -> np.ndarray[Any, np.dtype[np.int64]]:
    count = int(flow_ml_per_day * days / stroke_ml)
    return np.arange(1, count + 1) * np.int64(86_400) * 1000 // np.int64(round(1000 * flow_ml_per_day / stroke_ml))


@pytest.mark.parametrize(
    ("flow_ml_per_day", "expected_s", "within_s"),
    [(0.5, 13.7 * 3600, 180), (0.1, 69 * 3600, 1800), (24.0, 17 * 60, 20)],
)
def test_dead_time_of_the_valve_catheter(flow_ml_per_day: float, expected_s: float, within_s: float) -> None:
    """transport-science 3.3: 0.286 mL takes 13.7 h at 0.5 mL/day, 69 h at 0.1 mL/day, 17 min at 1 mL/h."""
    t_s = steady(flow_ml_per_day, 0.00025, 4)
    found = tip_arrival(t_s, 0.00025, Reservoir(200.0, {"morphine": 10.0}), Line(0.286))
    assert found.fronts[0].reaches_tip_s == pytest.approx(expected_s, abs=within_s)
    assert not found.arrived_mg([int(expected_s) - within_s])[0, 0]


def test_a_year_of_strokes_keeps_twelve_digits() -> None:
    count, stroke = 730_000, Fraction(250, 10**6)
    t_s = np.arange(count) * 43
    fills = [Refill(d * 86_400, 1.0, 19.0, {"morphine": 10.0}) for d in range(30, 365, 30)]
    for stroke_ml in (float(stroke), np.full(count, float(stroke))):
        found = tip_arrival(t_s, stroke_ml, Reservoir(20.0, {"morphine": 10.0}), Line(0.4), fills)
        assert found.pumped_ml()[-1] == pytest.approx(float(count * stroke), rel=1e-13)
        assert found.arrived_mg()[0, -1] == pytest.approx(float((count * stroke - Fraction(4, 10)) * 10), rel=1e-12)
        assert not found.dry.any()


def test_a_stroke_that_straddles_a_front_splits_in_proportion() -> None:
    line = Line(0.1, (Parcel(0.1, {"morphine": 1.0}),))
    found = tip_arrival([10, 20], 0.06, Reservoir(1.0, {"morphine": 5.0}), line)
    assert found.arrived_mg()[0] == pytest.approx([0.06, 0.1 + 0.02 * 5])
    assert found.fronts[0].reaches_tip_s == 20
    assert found.tip_c_mg_per_ml([0, 10, 20])[0].tolist() == [1.0, 1.0, 5.0]


def test_a_fluid_without_volume_makes_no_front() -> None:
    line = Line(0.1, (Parcel(0.0, {"morphine": 9.0}), Parcel(0.1, {}), Parcel(0.0, {})))
    found = tip_arrival([1], 0.06, Reservoir(1.0, {"morphine": 5.0}), line)
    assert len(found.fronts) == 1
    assert found.arrived_mg()[0, 0] == 0


def test_where_each_front_is() -> None:
    refill = Refill(15, 0.0, 1.0, {"baclofen": 2.0})
    found = tip_arrival([10, 20, 30], 0.04, Reservoir(1.0, {"baclofen": 1.0}), Line(0.1), [refill])
    assert [f.entered_s for f in found.fronts] == [0, 15]
    assert [f.refill for f in found.fronts] == [None, 0]
    ahead_ml = found.ahead_ml([0, 10, 15, 20, 30])
    assert ahead_ml[0] == pytest.approx([0.1, 0.06, 0.06, 0.02, 0.0])
    assert np.isnan(ahead_ml[1, :2]).all()
    assert ahead_ml[1, 2:] == pytest.approx([0.1, 0.06, 0.02])
    assert found.ahead_ml().shape == (2, 3)
    assert [f.reaches_tip_s for f in found.fronts] == [30, None]


def test_a_front_that_meets_the_tip_exactly_is_there_and_nothing_of_it_has_left() -> None:
    found = tip_arrival([1, 2, 3, 4], 0.1, Reservoir(1.0, {"morphine": 1.0}), Line(0.3))
    assert found.fronts[0].reaches_tip_s == 3
    assert found.arrived_mg()[0] == pytest.approx([0, 0, 0, 0.1], abs=1e-15)


@pytest.mark.parametrize("count", [30, 86, 100, 114, 142])
def test_binary_rounding_neither_delays_a_front_nor_makes_a_stroke_short(count: int) -> None:
    """Strokes of 1 nL: so many of them are less in floats than the volume that they fill exactly."""
    found = tip_arrival(np.arange(1, count + 8), 1e-6, Reservoir(1.0, {"morphine": 1.0}), Line(count / 10**6))
    assert found.fronts[0].reaches_tip_s == count
    for number in (37, 44, 51, 58, count):
        found = tip_arrival(np.arange(number), 1e-6, Reservoir(number / 10**6, {"morphine": 1.0}), Line(0.3))
        assert not found.dry.any()


def test_a_refill_mixes_by_mass_and_says_what_it_found() -> None:
    reservoir = Reservoir(10.0, {"morphine": 4.0, "clonidine": 0.1})
    refill = Refill(100, 2.0, 18.0, {"morphine": 10.0, "bupivacaine": 5.0})
    found = tip_arrival([50, 100], 1.0, reservoir, Line(0.2), [refill])
    (done,) = found.refills
    assert found.ingredients == ("morphine", "clonidine", "bupivacaine")
    assert (done.t_s, done.found_ml, done.removed_ml, done.volume_ml) == (100, 9.0, 7.0, 20.0)
    assert done.removed_mg == pytest.approx([28, 0.7, 0])
    assert done.c_after_mg_per_ml == pytest.approx([(2 * 4 + 18 * 10) / 20, 0.2 / 20, 18 * 5 / 20])
    volume_ml, c = found.reservoir_at([0, 99, 100])
    assert volume_ml == pytest.approx([10, 9, 19])
    assert c[0] == pytest.approx([4, 4, 9.4])
    assert found.delivered_mg()[0] == pytest.approx([4, 13.4])


def test_aspirating_finds_less_than_expected_or_nothing_is_aspirated() -> None:
    reservoir = Reservoir(1.0, {"morphine": 4.0})
    some = tip_arrival([], 1.0, reservoir, Line(0.2), [Refill(5, 3.0, 1.0, {"morphine": 2.0})]).refills[0]
    none = tip_arrival([], 1.0, reservoir, Line(0.2), [Refill(5, math.inf, 1.0, {"morphine": 2.0})]).refills[0]
    assert some.removed_ml == none.removed_ml == 0
    assert none.c_after_mg_per_ml == pytest.approx([3.0])


def test_an_empty_reservoir_holds_no_drug() -> None:
    found = tip_arrival([5], 0.1, Reservoir(1.0, {"morphine": 4.0}), Line(0.2), [Refill(1, 0.0, 0.0, {})])
    assert found.dry.tolist() == [True]
    assert found.reservoir_at([2])[1].tolist() == [[0.0]]
    assert found.delivered_mg().tolist() == [[0.0]]


def test_running_dry_moves_the_rest_and_then_nothing_until_the_refill() -> None:
    reservoir = Reservoir(1.5, {"morphine": 2.0}, unusable_ml=1.4)
    refill = Refill(40, math.inf, 1.0, {"morphine": 2.0})
    found = tip_arrival([10, 20, 30, 40], 0.06, reservoir, Line(0.1), [refill])
    assert found.moved_ml == pytest.approx([0.06, 0.04, 0, 0.06], abs=1e-12)
    assert found.dry.tolist() == [False, True, True, False]
    assert found.pumped_ml() == pytest.approx([0.06, 0.1, 0.1, 0.16])
    assert found.refills[0].found_ml == pytest.approx(1.4)


def test_a_reservoir_emptied_to_the_last_stroke_is_not_short() -> None:
    found = tip_arrival(np.arange(80_001), 0.00025, Reservoir(20.0, {"morphine": 1.0}), Line(0.3))
    assert np.flatnonzero(found.dry).tolist() == [80_000]


@pytest.mark.requirement("FD-9.1")
def test_drug_that_is_lost_halves_in_its_half_life() -> None:
    reservoir = Reservoir(20.0, {"baclofen": 2.0, "clonidine": 1.0}, {"baclofen": math.log(2) / 10})
    found = tip_arrival([10 * 86_400, 20 * 86_400], 0.1, reservoir, Line(0.05))
    assert found.reservoir_at([0, 10 * 86_400])[1] == pytest.approx(np.array([[2, 1], [1, 1]]))
    assert found.delivered_mg() == pytest.approx(np.array([[0.1, 0.15], [0.1, 0.2]]))
    assert found.arrived_mg()[0] == pytest.approx([0.05, 0.1 + 0.025])


def test_no_strokes_move_nothing() -> None:
    found = tip_arrival([], 0.1, Reservoir(20.0, {"morphine": 2.0}), Line(0.3, (Parcel(0.3, {"morphine": 1.0}),)))
    assert found.delivered_mg().shape == (1, 0)
    assert found.arrived_mg([0, 100]).tolist() == [[0.0, 0.0]]
    assert found.in_line_mg([100])[0, 0] == pytest.approx(0.3)
    assert found.initial_line_mg[0] == pytest.approx(0.3)


# --- fronts with a width ----------------------------------------------------------------------------------------


def wide(sigma_ml: float, t_s: range, stroke_ml: float = 0.001) -> TipArrival:
    refill = Refill(2_000, 0.0, 20.0, {"morphine": 1.0})
    return tip_arrival(t_s, stroke_ml, Reservoir(20.0, {"morphine": 10.0}), Line(0.3, sigma_ml=sigma_ml), [refill])


def test_a_wide_front_arrives_early_and_late_and_keeps_the_mass() -> None:
    plug, broad = (wide(s, range(1, 3_001)) for s in (0.0, 0.02))
    gain = broad.arrived_mg()[0] - plug.arrived_mg()[0]
    assert gain[299] == pytest.approx(10 * 0.02 / math.sqrt(2 * math.pi), rel=1e-9)
    assert gain[2_298] < 0
    assert np.abs(gain[[50, 1_000, 1_500, 2_999]]).max() < 1e-12
    assert broad.in_line_mg()[0, -1] == pytest.approx(0.3)


def test_a_wide_front_is_the_mean_over_a_normal_volume() -> None:
    found = wide(0.02, range(1, 1_001))
    x = np.linspace(-9, 9, 20_001)
    weight = np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi) * (x[1] - x[0])
    for pumped_ml in (0.24, 0.29, 0.3, 0.31, 0.37):
        late_ml = pumped_ml - 0.3 + 0.02 * math.sqrt(pumped_ml / 0.3) * x
        expected = 10 * float(np.sum(np.maximum(late_ml, 0) * weight))
        assert found.arrived_mg([round(pumped_ml * 1000)])[0, 0] == pytest.approx(expected, rel=1e-6)


@search
@settings(deadline=None)
@given(cases(), st.floats(1e-4, 0.08))
@pytest.mark.requirement("OP-6.2.3", "HZ-1.14")
def test_wide_fronts_never_send_drug_back_or_before_it_entered(case: Case, share: float) -> None:
    dead_ml = math.fsum(float(v) for v, _ in case.line)
    plug, broad = run(case), run(case, sigma_ml=share * dead_ml)
    scale = float(np.max(np.abs(plug.arrived_mg()), initial=1.0))
    assert np.all(np.diff(broad.arrived_mg(), axis=1) >= -1e-9 * scale)
    assert np.all(broad.arrived_mg() >= -1e-9 * scale)
    quiet = broad.arrived_mg([case.start_s - 1])
    assert np.all(quiet == 0)


def test_width_of_a_front_from_taylor_and_aris() -> None:
    """transport-science 3.3: 1.3 % of the dead volume at 0.5 mL/day, 7.5 % at 1 mL/h, for the valve catheter."""
    assert front_width_ml(0.286, 110, 0.5, 6e-6) / 0.286 == pytest.approx(0.013, abs=0.0005)
    assert front_width_ml(0.286, 110, 24, 6e-6) / 0.286 == pytest.approx(0.075, abs=0.0005)


# --- what cannot be ---------------------------------------------------------------------------------------------

OK = Reservoir(20.0, {"morphine": 2.0})


@pytest.mark.parametrize(
    ("t_s", "stroke_ml", "words"),
    [
        ([1.5], 0.1, "whole seconds"),
        ([2, 1], 0.1, "ascend"),
        ([1, 2], [0.1], "one each"),
        ([[1, 2]], 0.1, "one each"),
        ([1], -0.1, "from 0"),
        ([1], math.nan, "from 0"),
        ([-1], 0.1, "before the time of the reservoir"),
    ],
)
@pytest.mark.requirement("OP-6.2.3", "HZ-1.14")
def test_strokes_that_cannot_be(t_s: Any, stroke_ml: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        tip_arrival(t_s, stroke_ml, OK, Line(0.3))


@pytest.mark.parametrize(
    "reservoir",
    [
        replace(OK, volume_ml=-1.0),
        replace(OK, unusable_ml=math.inf),
        replace(OK, c_mg_per_ml={"morphine": -2.0}),
        replace(OK, loss_per_day={"morphine": math.nan}),
    ],
)
def test_reservoirs_that_cannot_be(reservoir: Reservoir) -> None:
    with pytest.raises(ValueError, match="allowed is a finite number from 0"):
        tip_arrival([1], 0.1, reservoir, Line(0.3))


@pytest.mark.parametrize(
    "refills",
    [
        [Refill(5, -1.0, 1.0, {})],
        [Refill(5, math.nan, 1.0, {})],
        [Refill(5, 0.0, math.inf, {})],
        [Refill(5, 0.0, 1.0, {"morphine": math.inf})],
        [Refill(-5, 0.0, 1.0, {})],
        [Refill(5, 0.0, 1.0, {}), Refill(4, 0.0, 1.0, {})],
    ],
)
def test_refills_that_cannot_be(refills: list[Refill]) -> None:
    with pytest.raises(ValueError, match=r"from 0|ascend in time"):
        tip_arrival([1], 0.1, OK, Line(0.3), refills)


@pytest.mark.parametrize(
    "line",
    [
        Line(0.0),
        Line(-0.1),
        Line(0.3, sigma_ml=-0.1),
        Line(0.3, (Parcel(0.2, {}),)),
        Line(0.3, (Parcel(0.4, {}), Parcel(-0.1, {}))),
        Line(0.3, (Parcel(0.3, {"morphine": -1.0}),)),
    ],
)
def test_lines_that_cannot_be(line: Line) -> None:
    with pytest.raises(ValueError, match=r"from 0|more than 0|fill"):
        tip_arrival([1], 0.1, OK, line)
