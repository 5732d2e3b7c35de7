"""The system that is built: nothing is made or lost between pools, and places are where they are said to be."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thecal.body.spine.grid import area_cm2
from thecal.body.spine.neuraxis import CELLS, EffectSite, Leaves, Neuraxis, build, channels, layout
from thecal.body.spine.prior import draws, kinetics_of, modelled_drugs, nominal_kinetics, nominal_physiology, person
from thecal.body.transport.dosing import Dosing
from thecal.body.transport.modal import Modes
from thecal.body.transport.untrusted import Doubt, UntrustedError

if TYPE_CHECKING:
    from thecal.body.spine.kinetics import Kinetics
    from thecal.body.spine.physiology import Physiology
    from thecal.body.transport.tree import FloatArray

MINE, MORPHINE = nominal_physiology(), nominal_kinetics("morphine")
TIP_CM = 14.5
drugs = st.sampled_from(modelled_drugs())
every_leaves = st.sampled_from(list(Leaves))


def small(physiology: Physiology = MINE, kinetics: Kinetics = MORPHINE, leaves: Leaves = Leaves.ALL) -> Neuraxis:
    return build(physiology, kinetics, TIP_CM, cells=30, leaves=leaves, own_ranges=True)


def steady(neuraxis: Neuraxis) -> FloatArray:
    """Amounts in the tree under 1 ng/s for ever."""
    matrix = np.asarray(neuraxis.system.tree.matrix.todense())
    return np.asarray(np.linalg.solve(-matrix, neuraxis.system.inputs[:, 0]))


def test_the_sizes_are_those_of_the_published_problem() -> None:
    effects = tuple(EffectSite(name, "tissue", 30.0, 0.01) for name in "abc")
    lean = build(MINE, MORPHINE, TIP_CM, effects=effects, leaves=Leaves.TISSUE)
    assert lean.system.size == 410
    assert lean.epidural.size == lean.fat.size == 0
    whole = build(MINE, MORPHINE, TIP_CM, effects=effects)
    assert whole.system.size == 4 * CELLS + 4 + 3 + 3
    assert whole.x_cm.size == whole.epidural.size == whole.fat.size == CELLS


@given(seed=st.integers(0, 500), drug=drugs, leaves=every_leaves)
def test_nothing_is_made_or_lost_between_pools(seed: int, drug: str, leaves: Leaves) -> None:
    tree = small(person(seed, 0, {"canal_cm": 60.0}), kinetics_of(drug, seed, 0), leaves).system.tree
    matrix = np.asarray(tree.matrix.todense())
    assert np.all(matrix[~np.eye(tree.size, dtype=bool)] >= 0)
    left = matrix.sum(axis=0) + tree.loss_per_s
    assert np.max(np.abs(left) / tree.outflow_per_s) < 1e-12
    assert np.array_equal(tree.loss_per_s, tree.to_plasma_per_s)


@given(seed=st.integers(0, 500), drug=drugs)
def test_volumes_sum_to_the_persons(seed: int, drug: str) -> None:
    mine = person(seed, 0)
    built = build(mine, kinetics_of(drug, seed, 0), 0.25 * mine.canal_cm, cells=30)
    sums = {"fluid": mine.csf_ml, "tissue": mine.cord_ml + mine.root_ml}
    sums |= {"epidural": mine.epidural_cm2 * mine.canal_cm, "fat": mine.fat_cm2 * mine.canal_cm}
    for name, total in sums.items():
        assert built.volume_ml[getattr(built, name)].sum() == pytest.approx(total, rel=1e-12), name
    last = built.volume_ml[-4:].tolist()
    assert last == [mine.brainstem_ml, mine.cistern_ml, mine.cortex_ml, mine.cortical_ml]


def test_fluid_flows_as_it_is_made_and_absorbed() -> None:
    """A concentration that is the same everywhere stays so in the canal: what flows in is absorbed or flows on."""
    bare = replace(MORPHINE, tissue_partition=1e-12)
    built = small(kinetics=bare, leaves=Leaves.TISSUE)
    even = np.zeros(built.system.tree.size)
    fluid = [*built.fluid, built.layout.cistern, built.layout.cortical]
    even[fluid] = built.volume_ml[fluid]
    change = built.system.tree.matrix @ even
    assert change[built.fluid] == pytest.approx(np.zeros(30), abs=1e-12)
    made = MINE.production_ml_per_min / 60
    assert change[built.layout.cistern] == pytest.approx(-made, rel=1e-6)  # fresh fluid dilutes it there
    assert change[built.layout.cortical] == pytest.approx(0.0, abs=1e-9)
    taken = built.system.tree.loss_per_s * built.volume_ml
    assert taken[built.fluid].sum() == pytest.approx(made * MINE.spinal_share, rel=1e-12)
    assert taken[built.fluid] == pytest.approx(np.full(30, made * MINE.spinal_share / 30), rel=1e-12)
    assert taken[built.layout.cortical] == pytest.approx(made * (1 - MINE.spinal_share), rel=1e-12)


def test_the_drift_comes_down_and_ends_at_the_sac() -> None:
    """Flow through each face: what an even concentration carries down less what it carries up."""
    built = small()
    tree, volume = built.system.tree, built.volume_ml
    above = np.append(built.fluid[1:], built.layout.cistern)
    down = tree.down_per_s[built.fluid] * volume[above] - tree.up_per_s[built.fluid] * volume[built.fluid]
    drift = MINE.production_ml_per_min / 60 * MINE.spinal_share
    assert down == pytest.approx(drift * (np.arange(30) + 1) / 30, rel=1e-9)
    assert np.count_nonzero(tree.parent == built.fluid[0]) == 2  # its tissue and epidural space: nothing below


@given(kappa=st.floats(1e-9, 1e3), made=st.floats(1e-3, 1e3), cells=st.sampled_from([10, 200]))
def test_no_rate_is_negative_at_any_peclet_number(kappa: float, made: float, cells: int) -> None:
    mine = replace(MINE, kappa=kappa, production_ml_per_min=made)
    slow = replace(MORPHINE, molecular_cm2_per_s=1e-6)
    tree = build(mine, slow, TIP_CM, cells=cells, own_ranges=True).system.tree
    for rates in (tree.up_per_s, tree.down_per_s, tree.loss_per_s):
        assert np.all(np.isfinite(rates))
        assert np.all(rates >= 0)


def test_tissue_comes_half_way_to_unchanging_fluid_in_its_half_time() -> None:
    built = small(kinetics=replace(MORPHINE, tissue_loss_per_min=0.0))
    tree, volume = built.system.tree, built.volume_ml
    for leaf in (*built.tissue, built.layout.brainstem, built.layout.cortex):
        fluid = tree.parent[leaf]
        amount, gain, rate = 0.0, tree.down_per_s[leaf] * volume[fluid], tree.up_per_s[leaf]
        after = (gain / rate) * (1 - math.exp(-rate * MORPHINE.tissue_exchange_min * 60)) + amount
        assert after / volume[leaf] == pytest.approx(MORPHINE.tissue_partition / 2, rel=1e-9)


def test_epidural_space_and_fat_come_to_their_partitions() -> None:
    built = small(kinetics=replace(MORPHINE, epidural_loss_per_min=0.0, epidural_partition=1.3, fat_partition=4.0))
    tree, volume = built.system.tree, built.volume_ml
    epidural = tree.down_per_s[built.epidural] * volume[built.fluid] / tree.up_per_s[built.epidural]
    assert epidural / volume[built.epidural] == pytest.approx(np.full(30, 1.3))
    fat = tree.down_per_s[built.fat] * volume[built.epidural] / tree.up_per_s[built.fat]
    assert fat / volume[built.fat] == pytest.approx(np.full(30, 4.0))
    through = tree.down_per_s[built.epidural] * volume[built.fluid]
    assert through.sum() == pytest.approx(MORPHINE.dura_cm_per_min / 60 * MINE.dura_cm2)
    into_fat = tree.down_per_s[built.fat] * volume[built.epidural]
    assert into_fat.sum() == pytest.approx(MORPHINE.fat_exchange_cm2_per_min / 60 * MINE.canal_cm)


def test_all_that_is_given_reaches_plasma() -> None:
    built = small()
    assert steady(built) @ built.system.tree.to_plasma_per_s == pytest.approx(1.0, rel=1e-9)


def test_the_way_into_the_cistern_is_half_a_cell_and_the_exchange() -> None:
    """Without drift, the conductance from the topmost cell is that of both, one behind the other."""
    still = replace(MINE, production_ml_per_min=1e-9)
    built = small(still)
    top = still.top_exchange_ml_per_min / 60
    beats = still.heart_per_min / 60 * still.stroke_ml**2 + still.breaths_per_min / 60 * still.breath_stroke_ml**2
    wide = float(area_cm2(still, np.array([60.0]))[0])
    half_cell = wide * (MORPHINE.molecular_cm2_per_s + still.kappa * beats / wide**2) / 1.0
    through = built.system.tree.up_per_s[built.fluid[-1]] * built.volume_ml[built.fluid[-1]]
    assert through == pytest.approx(1 / (1 / top + 1 / half_cell), rel=1e-6)


def test_a_bolus_lies_wider_the_greater_it_is() -> None:
    built = build(MINE, MORPHINE, TIP_CM, bolus_ml=(0.0, 2.0, 10.0))
    widths = []
    for k, ml in enumerate(built.bolus_ml):
        share = built.system.inputs[built.fluid, k]
        middle = share @ built.x_cm
        widths.append(math.sqrt(share @ (built.x_cm - middle) ** 2))
        assert built.system.inputs[:, k].sum() == pytest.approx(1.0)
        if ml < 5:
            assert middle == pytest.approx(TIP_CM, abs=0.01)
    local = float(area_cm2(MINE, np.array([TIP_CM]))[0])
    assert widths[0] == pytest.approx(MINE.tip_spread_cm, rel=0.01)
    assert widths[1] == pytest.approx(math.hypot(MINE.tip_spread_cm, 2.0 / (2 * local)), rel=0.02)
    assert widths[0] < widths[1] < widths[2]


def test_readings_are_concentrations_at_places() -> None:
    built = build(MINE, MORPHINE, TIP_CM, effects=(EffectSite("ache", "tissue", 30.0, 0.01),))
    state = np.zeros(built.system.size)
    state[built.fluid] = built.volume_ml[built.fluid] * built.x_cm  # as many ng/mL as cm
    for at_cm in (0.15, 0.3, 14.4321, 59.85):
        assert built.reading("csf", at_cm) @ state == pytest.approx(at_cm)
    assert built.reading("csf", 0.0) @ state == pytest.approx(built.x_cm[0])
    assert built.reading("csf", 60.0) @ state == pytest.approx(built.x_cm[-1])
    for k, place in enumerate(("brainstem", "cistern", "cortex", "cortical")):
        pool = built.system.tree.size - 4 + k
        assert getattr(built.layout, place) == pool
        assert built.reading(place)[pool] == pytest.approx(1 / built.volume_ml[pool])
        assert np.count_nonzero(built.reading(place)) == 1
    for place in ("tissue", "epidural", "fat"):
        pools = np.flatnonzero(built.reading(place, 30.0))
        assert set(pools) <= set(getattr(built, place).tolist())
    assert built.reading("plasma")[-4] == pytest.approx(1 / (250 * 70))
    assert built.reading("ache").tolist() == [0.0] * (built.system.size - 1) + [1.0]
    both = channels(built, {"a": ("csf", 14.0), "b": ("ache", 0.0)})
    assert both.names == ("a", "b")
    assert np.array_equal(both.weights, [built.reading("csf", 14.0), built.reading("ache")])


@pytest.mark.parametrize("place", ["heart", "epidural", "fat"])
def test_a_place_that_is_not_there_is_refused(place: str) -> None:
    built = small(leaves=Leaves.TISSUE)
    with pytest.raises(UntrustedError, match="csf, tissue") as refused:
        built.reading(place, 10.0)
    assert refused.value.doubt is Doubt.OUT_OF_RANGE


@pytest.mark.parametrize("at_cm", [-0.1, 60.1, float("nan")])
def test_a_place_outside_the_canal_is_refused(at_cm: float) -> None:
    with pytest.raises(UntrustedError, match="0 to 60 cm"):
        small().reading("csf", at_cm)


def test_a_lag_follows_its_place_and_a_share_of_plasma() -> None:
    effects = (
        EffectSite("warning", "brainstem", 0.0, 0.6, 0.5),
        EffectSite("blood", "plasma", 0.0, 0.6),
        EffectSite("cord", "tissue", 30.0, 0.6),
    )
    built = build(MINE, MORPHINE, TIP_CM, effects=effects, cells=30)
    warning, blood, cord = built.system.lags
    n = built.system.tree.size
    v1 = 250 * 70
    assert warning.ke0_per_s == pytest.approx(0.01)
    assert warning.plasma_weight == pytest.approx(0.5 / v1)
    assert np.array_equal(warning.weights, built.reading("brainstem")[:n])
    assert blood.plasma_weight == pytest.approx(1 / v1)
    assert not blood.weights.any()
    assert cord.plasma_weight == 0
    assert np.array_equal(cord.weights, built.reading("tissue", 30.0)[:n])
    at_rest = -np.linalg.solve(built.system.below, built.system.feed @ steady(built))
    whole = np.concatenate((steady(built), at_rest))
    expected = (built.reading("brainstem") + 0.5 * built.reading("plasma")) @ whole
    assert built.reading("warning") @ whole == pytest.approx(expected)


@pytest.mark.parametrize("tip_cm", [0.0, 60.0, -1.0, float("nan"), float("inf")])
def test_a_tip_outside_the_canal_is_refused(tip_cm: float) -> None:
    with pytest.raises(UntrustedError, match="a tip at"):
        build(MINE, MORPHINE, tip_cm, cells=30)


@pytest.mark.parametrize("cells", [9, 6401])
def test_a_grid_too_coarse_or_too_fine_is_refused(cells: int) -> None:
    with pytest.raises(UntrustedError, match=f"{cells} cells"):
        build(MINE, MORPHINE, TIP_CM, cells=cells)


@pytest.mark.parametrize("bolus_ml", [(), (-1.0,), (51.0,), (float("nan"),)])
def test_a_bolus_that_is_none_is_refused(bolus_ml: tuple[float, ...]) -> None:
    with pytest.raises(UntrustedError, match="boluses of"):
        build(MINE, MORPHINE, TIP_CM, bolus_ml=bolus_ml, cells=30)


@pytest.mark.parametrize(
    ("physiology", "kinetics", "doubt"),
    [
        (replace(MINE, kappa=-1.0), MORPHINE, Doubt.OUT_OF_RANGE),
        (replace(MINE, kappa=float("nan")), MORPHINE, Doubt.NOT_A_NUMBER),
        (replace(MINE, conus_share=1.0), MORPHINE, Doubt.OUT_OF_RANGE),
        (replace(MINE, tip_spread_cm=-1.0), MORPHINE, Doubt.OUT_OF_RANGE),
        (MINE, replace(MORPHINE, tissue_exchange_min=0.0), Doubt.OUT_OF_RANGE),
        (MINE, replace(MORPHINE, molecular_cm2_per_s=1e-9), Doubt.DISPERSION_FLOOR),
        (MINE, replace(MORPHINE, tissue_partition=float("nan")), Doubt.NOT_A_NUMBER),
        (MINE, replace(MORPHINE, tissue_loss_per_min=-1.0), Doubt.OUT_OF_RANGE),
        (MINE, replace(MORPHINE, v1_ml_per_kg=0.0), Doubt.OUT_OF_RANGE),
    ],
)
def test_rates_that_are_none_are_refused(physiology: Physiology, kinetics: Kinetics, doubt: Doubt) -> None:
    with pytest.raises(UntrustedError) as refused:
        small(physiology, kinetics)
    assert refused.value.doubt is doubt


@pytest.mark.parametrize(
    ("physiology", "kinetics", "named"),
    [
        (replace(MINE, weight_kg=1e9), MORPHINE, "weight_kg"),
        (replace(MINE, kappa=1e-9), MORPHINE, "kappa"),
        (MINE, replace(MORPHINE, tissue_loss_per_min=5.0), "morphine tissue_loss_per_min"),
    ],
)
def test_a_number_outside_its_range_is_refused_unless_it_is_said_to_be_ones_own(
    physiology: Physiology, kinetics: Kinetics, named: str
) -> None:
    with pytest.raises(UntrustedError, match=f"out of range: found {named} ") as refused:
        build(physiology, kinetics, TIP_CM, cells=30)
    assert refused.value.doubt is Doubt.OUT_OF_RANGE
    assert build(physiology, kinetics, TIP_CM, cells=30, own_ranges=True).physiology is physiology


def test_a_tracer_that_no_file_knows_needs_ranges_of_its_own() -> None:
    tracer = replace(MORPHINE, drug="tracer")
    with pytest.raises(UntrustedError, match="no model: found 'tracer'"):
        build(MINE, tracer, TIP_CM, cells=30)
    assert build(MINE, tracer, TIP_CM, cells=30, own_ranges=True).kinetics is tracer


def test_the_layout_is_shared_and_cannot_be_changed() -> None:
    built = small()
    with pytest.raises(ValueError, match="read-only"):
        built.layout.parent[0] = 99


def test_the_layout_is_a_tree_found_once() -> None:
    assert layout(30, Leaves.ALL) is layout(30, Leaves.ALL)
    found = layout(30, Leaves.ALL)
    pools = np.concatenate((found.fluid, found.tissue, found.epidural, found.fat))
    alone = [found.brainstem, found.cistern, found.cortex, found.cortical]
    assert sorted([*pools.tolist(), *alone]) == list(range(124))
    assert np.all(found.parent[:-1] > np.arange(123))


def cranial_auc(physiology: Physiology, *, bolus_ml: float = 1.0, over_s: float = 60.0) -> float:
    built = build(physiology, MORPHINE, 11.0, bolus_ml=(bolus_ml,), cells=30)
    at_s = np.arange(0.0, 24.5, 0.5) * 3600
    run = Modes(built.system).run(Dosing.bolus(1e6, over_s=over_s), at_s, channels(built, {"c": ("cistern", 0.0)}))
    return float(np.trapezoid(run.of("c"), at_s))


def test_signs_of_what_reaches_the_head() -> None:
    """Khani 2022, PMC8796513: more pulsation, far more; three times the volume, at most twice; the rate, nothing."""
    usual = cranial_auc(MINE)
    assert cranial_auc(replace(MINE, stroke_ml=2 * MINE.stroke_ml)) > 1.4 * usual
    assert cranial_auc(replace(MINE, breath_stroke_ml=2 * MINE.breath_stroke_ml)) > usual
    assert 0.98 * usual < cranial_auc(MINE, bolus_ml=3.0) < 2 * usual
    assert cranial_auc(MINE, over_s=12.0) == pytest.approx(usual, rel=0.01)


def test_ranks_of_exposure() -> None:
    """Ummenhofer 2000, Anesthesiology 92:739: free morphine in the cord above the others; fentanyl into fat."""
    cord, fat = {}, {}
    for drug in ("morphine", "fentanyl", "sufentanil"):
        kinetics = nominal_kinetics(drug)
        built = build(MINE, kinetics, 19.0, cells=60)
        amounts = steady(built)
        cord[drug] = amounts[built.tissue].sum() / kinetics.tissue_partition
        fat[drug] = amounts[built.fat].sum()
    assert cord["morphine"] == max(cord.values())
    assert fat["fentanyl"] == max(fat.values())


@pytest.mark.long
def test_every_draw_of_every_drug_builds() -> None:
    for drug in modelled_drugs():
        for physiology, kinetics in draws(drug, 200, 3):
            tree = build(physiology, kinetics, 0.2 * physiology.canal_cm).system.tree
            assert np.isfinite(tree.scale_ratio)
