"""The rational stepping engine: coefficients, sweeps in numpy and compiled, long steps, pieces, the stated error."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import TYPE_CHECKING

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.transport_systems import (
    any_systems,
    dosings,
    everything,
    exact,
    random_dosing,
    random_system,
    shipped,
    strip,
)

from thecal.body.transport import stepping
from thecal.body.transport.course import Engine, scaled_error
from thecal.body.transport.dosing import Dosing
from thecal.body.transport.kernels import stepping as kernels
from thecal.body.transport.system import Channels, Lag, Plasma, System
from thecal.body.transport.tree import Tree
from thecal.body.transport.untrusted import Doubt, UntrustedError

if TYPE_CHECKING:
    from thecal.body.transport.tree import FloatArray

# Pusa 2012, arXiv 1206.2880: poles and residues as printed, to 20 digits.
PRINTED = {
    16: (
        "2.1248537104952237488e-16",
        (
            "-10.843917078696988026 19.277446167181652284 -5.0901521865224915650e-7 -2.4220017652852287970e-5",
            "-5.2649713434426468895 16.220221473167927305 2.1151742182466030907e-4 4.3892969647380673918e-3",
            "5.9481522689511774808 3.5874573620183222829 1.1339775178483930527e2 1.0194721704215856450e2",
            "3.5091036084149180974 8.4361989858843750826 1.5059585270023467528e1 -5.7514052776421819979",
            "6.4161776990994341923 1.1941223933701386874 -6.4500878025539646595e1 -2.2459440762652096056e2",
            "1.4193758971856659786 10.925363484496722585 -1.4793007113557999718 1.7686588323782937906",
            "4.9931747377179963991 5.9968817136039422260 -6.2518392463207918892e1 -1.1190391094283228480e1",
            "-1.4139284624888862114 13.497725698892745389 4.1023136835410021273e-2 -1.5743466173455468191e-1",
        ),
    ),
    14: (
        "1.8321743782540412751e-14",
        (
            "-8.8977731864688888199 16.630982619902085304 -7.1542880635890672853e-5 1.4361043349541300111e-4",
            "-3.7032750494234480603 13.656371871483268171 9.4390253107361688779e-3 -1.7184791958483017511e-2",
            "-0.2087586382501301251 10.991260561901260913 -3.7636003878226968717e-1 3.3518347029450104214e-1",
            "3.9933697105785685194 6.0048316422350373178 -2.3498232091082701191e1 -5.8083591297142074004",
            "5.0893450605806245066 3.5888240290270065102 4.6933274488831293047e1 4.5643649768827760791e1",
            "5.6231425727459771248 1.1940690463439669766 -2.7875161940145646468e1 -1.0214733999056451434e2",
            "2.2697838292311127097 8.4617379730402214019 4.8071120988325088907 -1.3209793837428723881",
        ),
    ),
}  # fmt: skip
TABLES = {16: (stepping.DEGREE_16, stepping.FAR_16), 14: (stepping.DEGREE_14, stepping.FAR_14)}


def _miss(x: Decimal, far: Decimal, pairs: list[tuple[Decimal, ...]]) -> Decimal:
    """The approximation at ``x`` less the exponential."""
    found = far
    for pole_re, pole_im, re, im in pairs:
        a, b = x - pole_re, -pole_im
        found += 2 * (re * a + im * b) / (a * a + b * b)
    return found - x.exp()


@pytest.mark.parametrize("degree", PRINTED)
def test_the_printed_coefficients_are_the_best_approximation(degree: int) -> None:
    """A rational function of degree n is the best where its error swings 2n + 2 times to the same height."""
    with localcontext() as context:
        context.prec = 40
        far = Decimal(PRINTED[degree][0])
        pairs = [tuple(map(Decimal, pair.split())) for pair in PRINTED[degree][1]]
        miss = [_miss(-(Decimal(10) ** (Decimal(k) / 100)), far, pairs) for k in range(-200, 400)]
        miss = [_miss(Decimal(0), far, pairs), *miss, far]
    swings: list[float] = []
    for value in map(float, miss):
        if swings and value * swings[-1] > 0:
            swings[-1] = max(swings[-1], value, key=abs)
        else:
            swings.append(value)
    assert len(swings) == 2 * degree + 2
    assert np.allclose(np.abs(swings), float(far), rtol=0.03)


@pytest.mark.parametrize("degree", PRINTED)
def test_the_table_is_what_is_printed(degree: int) -> None:
    pairs, far = TABLES[degree]
    parts = [tuple(map(float, pair.split())) for pair in PRINTED[degree][1]]
    printed = [(complex(a, b), complex(c, d)) for a, b, c, d in parts]
    assert list(pairs) == printed
    assert far == float(PRINTED[degree][0])


def caratheodory_fejer(degree: int) -> tuple[FloatArray, FloatArray]:
    """Poles and residues of the near-best approximation of exp on the negative axis, as Trefethen, Weideman and
    Schmelzer 2006 find them: Chebyshev coefficients of the transplanted function, and a singular vector of their Hankel
    matrix, whose roots outside the circle are the poles.
    """
    terms, points, scale = 75, 1024, 9.0
    w = np.exp(2j * np.pi * np.arange(points) / points)
    with np.errstate(over="ignore"):
        moved = np.exp(scale * (w.real - 1) / (w.real + 1 + 1e-16))
    c = np.real(np.fft.fft(moved)) / points
    analytic = np.polyval(c[terms::-1], w)
    hankel = np.array([[c[i + j + 1] if i + j < terms else 0.0 for j in range(terms)] for i in range(terms)])
    left, size, right = np.linalg.svd(hankel)
    u, v = left[::-1, degree], right[degree]
    zeros = np.zeros(points - terms)
    blaschke = np.fft.fft(np.concatenate((u, zeros))) / np.fft.fft(np.concatenate((v, zeros)))
    extended = analytic - size[degree] * w**terms * blaschke
    roots = np.roots(v)
    poles = roots[np.abs(roots) > 1]
    above = np.real(np.fft.fft(extended * np.polyval(np.poly(poles), w))) / points
    residues = np.array([np.polyval(above[degree::-1], q) / np.polyval(np.poly(poles[poles != q]), q) for q in poles])
    found = scale * (poles - 1) ** 2 / (poles + 1) ** 2
    return found, 4 * residues * found / (poles**2 - 1)


def test_the_published_algorithm_finds_the_same_poles_and_residues() -> None:
    """In double precision the method gives four digits of degree 14; the tables were made with more."""
    poles, residues = caratheodory_fejer(12)
    x = -(10.0 ** np.linspace(-3, 3, 200))
    found = np.real(np.sum(residues / (x[:, None] - poles), axis=1))
    assert np.max(np.abs(found - np.exp(x))) < 5e-12
    poles, residues = caratheodory_fejer(14)
    for pole, residue in stepping.DEGREE_14:
        nearest = int(np.argmin(np.abs(poles - pole)))
        assert abs(poles[nearest] - pole) < 1e-3
        assert abs(residues[nearest] - residue) < 1e-3 * abs(residue)


def _two(system: System) -> tuple[kernels.Forest, FloatArray, FloatArray, FloatArray]:
    """A forest, room for its factorization and its right-hand sides, and amounts in both halves."""
    random = np.random.default_rng(3)
    rows = (system.size, 2, kernels.LANES)
    return stepping.forest(system), np.empty(rows), np.empty(rows), random.uniform(0, 9, (system.size, 2))


def test_the_operations_mean_the_same_in_numpy_and_compiled() -> None:
    """Compiled anew, so that it is the instructions of today that are compared, and not what was kept."""
    system = random_system(5, 9, lags=2)
    dose = np.linspace(0, 3, system.size)
    results = []
    compiled = numba.njit(error_model="numpy")
    for factor, advance in (
        (kernels.factor.py_func, kernels.advance.py_func),
        (compiled(kernels.factor.py_func), compiled(kernels.advance.py_func)),
        (kernels.factor, kernels.advance),
    ):
        trees, g, f, x = _two(system)
        factor(trees, stepping.SCHEME[0], 700.0, g)
        advance(trees, stepping.SCHEME, 700.0, g, f, x, dose)
        results.append(x)
    plain, fresh, kept = results
    assert np.array_equal(fresh, kept)
    assert np.allclose(fresh, plain, rtol=1e-12, atol=1e-12)


def test_the_march_means_the_same_in_python() -> None:
    system = random_system(5, 9, lags=2)
    results = []
    for march in (kernels.march, kernels.march.py_func):
        trees, _, _, x = _two(system)
        line = (
            np.array([40.0, 700.0]), np.array([0, 1, 1, 0]), np.array([-1, 0, -1, 1, 2]),
            np.array([[0.0, 2.0, 0.0, 0.0, 1.0]]), np.array([[1.0, 0.0, 2.0, 3.0]]),
        )  # fmt: skip
        factors, ready = np.empty((2, system.size, 2, kernels.LANES)), np.full(2, -1)
        found, seen = np.zeros((3, 2)), np.zeros((3, 2))
        readings = np.array([0, 1, 3]), np.array([4, 2, 13]), np.array([1.0, 0.5, 2.0])
        march(
            trees, stepping.SCHEME, system.inputs, line, (3, np.array([1, 0]), factors, ready), readings, x, found, seen
        )
        assert np.allclose(found[2], [x[4, 0], 0.5 * x[2, 0] + 2 * x[13, 0]])
        results.append((x, found, seen))
    for compiled, plain in zip(*results, strict=True):
        assert np.allclose(compiled, plain, rtol=1e-12)


def test_what_is_read_is_followed() -> None:
    readings = np.array([0, 1, 3]), np.array([1, 0, 1]), np.array([1.0, 3.0, 1.0])
    for read in (kernels.read, kernels.read.py_func):
        row, seen = np.zeros(2), np.zeros((3, 2))
        read(np.array([[1.0, 4.0], [-2.0, 3.0]]), readings, row, seen)
        assert row.tolist() == [-2, 1]
        assert seen.tolist() == [[5, 14], [2, 1], [-2, 0]]
        read(np.array([[0.5, 0.5], [0.0, 0.0]]), readings, row, seen)
        assert row.tolist() == [0, 1.5]
        assert seen.tolist() == [[5, 14], [2, 1.5], [-2, 0]]


def _is_exact(system: System, dosing: Dosing, seed: int) -> None:
    at_s = np.sort(np.random.default_rng(seed).uniform(dosing.t_s[0], 9000.0, 6))
    course = stepping.run(system, dosing, at_s)
    truth = exact(system, dosing, at_s)
    assert course.engine is Engine.STEPPING
    assert course.time_error < 1e-9
    gap = np.max(np.abs(course.values - truth), axis=1)
    size = np.maximum(np.max(np.abs(truth), axis=1), stepping.floor(system, None, dosing, float(at_s[-1])))
    assert np.all(gap <= max(2 * course.time_error, 1e-12) * size)
    assert course.state is not None
    assert np.array_equal(course.state, course.values[:, -1])


@settings(max_examples=30)
@given(any_systems, dosings, st.integers(0, 10**6))
def test_it_is_exact_within_what_it_states(system: System, dosing: Dosing, seed: int) -> None:
    """Any tree, edges that go one way included, at any times, against a dense exponential of every step."""
    _is_exact(system, dosing, seed)


@pytest.mark.long
@settings(max_examples=2000)
@given(any_systems, dosings, st.integers(0, 10**6))
def test_it_is_exact_within_what_it_states_at_length(system: System, dosing: Dosing, seed: int) -> None:
    _is_exact(system, dosing, seed)


def test_channels_read_what_the_state_holds() -> None:
    system = random_system(11, 12)
    dosing, at_s = random_dosing(11), np.array([5400.0, 5400.0, 7000.0, 9000.5])
    whole = stepping.run(system, dosing, at_s)
    weights = np.random.default_rng(1).random((3, system.size))
    course = stepping.run(system, dosing, at_s, Channels(("a", "b", "c"), weights))
    assert np.allclose(course.values, weights @ whole.values, rtol=1e-13)
    assert np.array_equal(course.of("b"), course.values[1])
    assert np.array_equal(course.values[:, 0], course.values[:, 1])
    assert whole.names[0] == "state 0"


def test_many_readings_are_those_of_few() -> None:
    system = random_system(12, 6)
    dosing = random_dosing(12)
    begin = float(dosing.t_s[0])
    at_s = np.concatenate((np.linspace(begin, 9000, 700), [9000.0]))
    some = np.array([0, 255, 256, 257, 511, 512, 699, 700])
    many, few = stepping.run(system, dosing, at_s), stepping.run(system, dosing, at_s[some])
    assert many.values.shape == (system.size, 701)
    assert scaled_error(many.values[:, some], few.values) < 1e-11


def test_many_lengths_of_step_share_what_memory_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    system = random_system(13, 10)
    dosing = Dosing.steady(2.0)
    at_s = np.cumsum(np.tile([1.0, 2.0, 3.0, 5.0], 4))
    before = stepping.run(system, dosing, at_s)
    monkeypatch.setattr(stepping, "_MOST_FACTORS", 2 * system.size * 2 * kernels.LANES * 8)
    assert np.array_equal(stepping.run(system, dosing, at_s).values, before.values)


@pytest.mark.parametrize("kappa", [0.15, 1e-3, 1e-4, 1e-5])
def test_low_dispersion_loses_no_digits(kappa: float) -> None:
    """The scale ratio goes from 98 to infinity; the truth is the same run at steps of a tenth and less."""
    neuraxis = shipped(kappa=kappa, cells=100)
    dosing = Dosing(np.array([0.0, 600.0]), np.array([[1.0, 2.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [5e5, 0.0]]))
    at_s = np.arange(1, 49) * 3600.0
    course = stepping.run(neuraxis.system, dosing, at_s)
    assert course.time_error < 1e-9
    fine = stepping.run(neuraxis.system, dosing, np.arange(1, 48 * 12 + 1) * 300.0)
    assert np.max(np.abs(course.values - fine.values[:, 11::12])) / 5e5 < 1e-12


def test_pure_drift_takes_shorter_steps() -> None:
    """A row of one-way edges is the least symmetric that a tree can be: a long step misses, and is made of several."""
    system = strip(120, d_cm2_per_s=0.0, drift_cm_per_s=0.02, step_cm=0.5)
    dosing = Dosing.bolus(1000.0)
    at_s = np.array([2400.0])
    course = stepping.run(system, dosing, at_s)
    loose = stepping.run(system, dosing, at_s, tolerance=0.5)
    truth = exact(system, dosing, at_s)
    assert loose.time_error > 1e-9 > course.time_error
    for found in (loose, course):
        assert scaled_error(found.values[50:100], truth[50:100]) < found.time_error


def test_a_goal_that_rounding_forbids_gives_the_best() -> None:
    system = random_system(14, 10)
    course = stepping.run(system, Dosing.bolus(1.0), np.array([3000.0]), tolerance=1e-30)
    assert 1e-30 < course.time_error < 1e-11


def test_a_month_in_one_step_and_nothing_given() -> None:
    neuraxis = shipped(cells=50)
    dosing = Dosing.steady(11.0)
    rows = Dosing(dosing.t_s, np.vstack((dosing.rate_ng_per_s, [[0.0]])), np.zeros((2, 1)))
    month = stepping.run(neuraxis.system, rows, np.array([30 * 86400.0]))
    daily = stepping.run(neuraxis.system, rows, np.arange(1, 31) * 86400.0)
    assert scaled_error(month.values[:, 0], daily.values[:, -1]) < 1e-10
    none = stepping.run(neuraxis.system, Dosing(np.zeros(1), np.zeros((2, 1)), np.zeros((2, 1))), np.array([0.0, 9.0]))
    assert none.time_error == 0
    assert not none.values.any()


def test_a_lone_pool_and_a_lag_of_blood_alone() -> None:
    tree = Tree(np.array([-1]), np.zeros(1), np.zeros(1), np.array([3e-3]), np.array([1e-3]))
    system = System(tree, np.ones((1, 1)), Plasma(10.0, 1e-4), (Lag("blood", 1e-3, np.zeros(1), 0.1),))
    at_s = np.array([10.0, 1000.0, 50000.0])
    course = stepping.run(system, Dosing.bolus(5.0), at_s)
    assert np.allclose(course.values[0], 5 * np.exp(-3e-3 * at_s), rtol=1e-9, atol=1e-12)
    assert np.allclose(course.values, exact(system, Dosing.bolus(5.0), at_s), rtol=1e-10, atol=1e-12)


def test_what_is_negative_is_counted_as_error() -> None:
    """Far from the tip, soon after a bolus, there is nothing but rounding: it is left as it is, and stated."""
    neuraxis = shipped(cells=200)
    dosing = Dosing(np.zeros(1), np.zeros((2, 1)), np.array([[0.0], [1e6]]))
    course = stepping.run(neuraxis.system, dosing, np.array([5.0, 30.0, 60.0]), tolerance=1e-3)
    greatest = np.max(np.abs(course.values), axis=1)
    assert np.min(course.values) < 0
    floor = stepping.NOTHING * 1e6
    assert np.all(np.min(course.values, axis=1) >= -course.time_error * np.maximum(greatest, floor))
    signed = Dosing(np.zeros(1), np.zeros((2, 1)), np.array([[0.0], [-1e6]]))
    mirrored = stepping.run(neuraxis.system, signed, np.array([5.0, 30.0, 60.0]), tolerance=1e-3)
    assert np.array_equal(mirrored.values, -course.values)
    assert mirrored.time_error <= course.time_error


@pytest.mark.parametrize(
    ("change", "doubt"),
    [
        ({"state": np.zeros(3)}, Doubt.SHAPE),
        ({"state": np.full(8, np.nan)}, Doubt.SHAPE),
        ({"tolerance": 0.0}, Doubt.OUT_OF_RANGE),
        ({"tolerance": float("nan")}, Doubt.OUT_OF_RANGE),
        ({"at_s": np.array([np.inf])}, Doubt.TIME),
        ({"at_s": np.array([2.0, 1.0])}, Doubt.TIME),
        ({"at_s": np.array([np.nan])}, Doubt.TIME),
        ({"at_s": np.array([-1.0])}, Doubt.TIME),
        ({"at_s": np.zeros((2, 2))}, Doubt.SHAPE),
        ({"dosing": Dosing(np.zeros(1), np.zeros((2, 1)), np.zeros((2, 1)))}, Doubt.SHAPE),
        ({"channels": Channels(("a",), np.ones((1, 4)))}, Doubt.SHAPE),
        (
            {"dosing": Dosing(np.zeros(1), np.full((1, 1), 1e308), np.zeros((1, 1))), "at_s": np.array([1e7])},
            Doubt.OUT_OF_RANGE,
        ),
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, object], doubt: Doubt) -> None:
    system = random_system(1, 5, lags=0)
    asked = {"dosing": Dosing.bolus(1.0), "at_s": np.array([1.0])} | change
    with pytest.raises(UntrustedError) as refused:
        stepping.run(system, **asked)  # type: ignore[arg-type]
    assert refused.value.doubt is doubt


def test_too_many_steps_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stepping, "MOST_STEPS", 3)
    with pytest.raises(UntrustedError, match="too many steps"):
        stepping.run(random_system(1, 5), Dosing.bolus(1.0), np.arange(1.0, 9.0))
    system = strip(120, d_cm2_per_s=0.0, drift_cm_per_s=0.02, step_cm=0.5)
    assert stepping.run(system, Dosing.bolus(1.0), np.array([2400.0])).time_error > stepping.TOLERANCE


def test_what_goes_beyond_numbers_is_refused() -> None:
    """Rates that are numbers, and times them what is none."""
    tree = Tree(np.array([1, -1]), np.array([1e307, 0.0]), np.array([1e307, 0.0]), np.zeros(2), np.zeros(2))
    system = System(tree, np.array([[1.0], [0.0]]), Plasma(1.0, 0.0))
    with pytest.raises(UntrustedError, match="not finite"):
        stepping.run(system, Dosing.bolus(1.0), np.array([1e3]))


def test_a_very_long_time_ends_in_nothing() -> None:
    course = stepping.run(shipped(cells=20).system, Dosing(np.zeros(1), np.zeros((2, 1)), np.ones((2, 1))), [1e12])
    assert np.max(np.abs(course.values)) < 1e-12


def test_pieces_of_the_same_system_are_the_system() -> None:
    system = random_system(21, 9, inputs=2)
    dosing = random_dosing(21, 2)
    cut = float(dosing.t_s[5])
    at_s = np.sort(np.append(np.linspace(float(dosing.t_s[0]), 9000, 9), [cut, cut]))
    whole = stepping.run(system, dosing, at_s)
    pieces = ((-5.0, system), (0.0, system), (cut, system), (cut + 77.7, system), (99999.0, system))
    parted = stepping.run_pieces(pieces, dosing, at_s)
    assert scaled_error(parted.values, whole.values) < 1e-11
    assert np.allclose(parted.state, whole.state, rtol=1e-10)  # type: ignore[arg-type]
    named = everything(system)
    each = stepping.run_pieces(pieces, dosing, at_s, [named] * len(pieces))
    assert np.array_equal(each.values, parted.values)


def test_pieces_go_on_from_what_is_there() -> None:
    """Two systems one after the other, against a dense exponential of each; a reading at the change sees the second."""
    first, second = random_system(31, 8), random_system(31, 8)
    tree = second.tree
    faster = Tree(tree.parent, 3 * tree.up_per_s, tree.down_per_s, 2 * tree.loss_per_s, tree.to_plasma_per_s)
    second = System(faster, first.inputs, first.plasma, first.lags)
    dosing = Dosing(np.array([0.0, 50.0, 1000.0]), np.array([[1.0, 0.0, 0.5]]), np.array([[3.0, 100.0, 40.0]]))
    at_s = np.array([500.0, 1000.0, 1500.0])
    weights = [Channels(("all",), np.full((1, first.size), factor)) for factor in (1.0, 2.0)]
    course = stepping.run_pieces(((0.0, first), (1000.0, second)), dosing, at_s, weights)
    until = Dosing(dosing.t_s[:2], dosing.rate_ng_per_s[:, :2], dosing.mass_ng[:, :2])
    before = exact(first, until, np.array([500.0, 1000.0]))
    after = exact(second, Dosing(dosing.t_s[2:], dosing.rate_ng_per_s[:, 2:], dosing.mass_ng[:, 2:]),
                  np.array([1000.0, 1500.0]), before[:, 1])  # fmt: skip
    truth = np.array([before[:, 0].sum(), 2 * after[:, 0].sum(), 2 * after[:, 1].sum()])
    assert np.allclose(course.values[0], truth, rtol=1e-11)


def test_pieces_that_do_not_fit_are_refused() -> None:
    system, dosing, at_s = random_system(1, 5), Dosing.bolus(1.0), np.array([9.0])
    named = everything(system)
    other = Channels(tuple(f"other {n}" for n in named.names), named.weights)
    for pieces, channels, doubt in (
        ((), None, Doubt.TIME),
        (((1.0, system),), None, Doubt.TIME),
        (((0.0, system), (0.0, system)), None, Doubt.TIME),
        (((float("nan"), system),), None, Doubt.TIME),
        (((0.0, system), (5.0, random_system(2, 5))), None, Doubt.SHAPE),
        (((0.0, system), (5.0, random_system(1, 5, lags=1))), None, Doubt.SHAPE),
        (((0.0, system), (5.0, random_system(1, 5, inputs=2))), None, Doubt.SHAPE),
        (((0.0, system), (5.0, system)), [named], Doubt.SHAPE),
        (((0.0, system), (5.0, system)), [named, other], Doubt.SHAPE),
    ):
        with pytest.raises(UntrustedError) as refused:
            stepping.run_pieces(pieces, dosing, at_s, channels)
        assert refused.value.doubt is doubt
