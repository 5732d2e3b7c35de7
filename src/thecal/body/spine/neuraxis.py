"""Builds the system of one drug in one person: fluid, tissue, epidural space and fat by level, cranial space, blood.

Each cell of the canal is a pool of fluid with three leaves: tissue, the epidural space, and fat behind it. Above the
last cell lie the cistern, with the brainstem as its leaf, and the fluid around the cortex. It is one tree.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from thecal.body.spine.grid import (
    area_cm2,
    bernoulli,
    centers_cm,
    dispersion_cm2_per_s,
    edge_shares,
    fluid_shares,
    spread,
    tissue_ml,
)
from thecal.body.spine.trust import FLOOR_CM2_PER_S, check, possible
from thecal.body.transport.system import Channels, Lag, Plasma, System
from thecal.body.transport.tree import FloatArray, IntArray, Tree
from thecal.body.transport.untrusted import Doubt, UntrustedError

if TYPE_CHECKING:
    from thecal.body.spine.kinetics import Kinetics
    from thecal.body.spine.physiology import Physiology

CELLS = 200
FEWEST_CELLS, MOST_CELLS = 10, 6400
MOST_BOLUS_ML = 50.0  # ours: half of the fluid in the canal
_CRANIAL = 4


class Leaves(StrEnum):
    """What hangs on each cell of fluid."""

    TISSUE = "tissue"
    ALL = "tissue, epidural space and fat"


@dataclass(frozen=True, slots=True)
class EffectSite:
    """Where an effect takes place: a concentration that follows a place with a delay of its own.

    ``place`` and ``at_cm`` are as ``Neuraxis.reading`` takes them. What is followed is the concentration there plus
    ``plasma_factor`` times that in plasma (ng/mL). ``ke0_per_min`` is more than 0.
    """

    name: str
    place: str
    at_cm: float
    ke0_per_min: float
    plasma_factor: float = 0.0


@dataclass(frozen=True, eq=False, slots=True)
class Layout:
    """Which pool is which, for a number of cells: ``fluid``, ``tissue``, ``epidural`` and ``fat`` (cells,) from the
    sac up (the last two empty where they are left out), the four cranial pools, and the parent of each.
    """

    leaves: Leaves
    parent: IntArray
    fluid: IntArray
    tissue: IntArray
    epidural: IntArray
    fat: IntArray
    brainstem: int
    cistern: int
    cortex: int
    cortical: int


@cache
def layout(cells: int, leaves: Leaves) -> Layout:
    """Children stand before their parents: fat, epidural space, tissue, fluid of each cell, then the cranial pools."""
    deep = leaves is Leaves.ALL
    wide = 4 if deep else 2
    first = np.arange(cells, dtype=np.int64) * wide
    fluid, tissue = first + wide - 1, first + wide - 2
    epidural, fat = (first + 1, first) if deep else (first[:0], first[:0])
    brainstem, cistern, cortex, cortical = (wide * cells + k for k in range(_CRANIAL))
    parent = np.empty(wide * cells + _CRANIAL, dtype=np.int64)
    parent[fluid] = np.append(fluid[1:], cistern)
    parent[tissue] = fluid
    if deep:
        parent[epidural], parent[fat] = fluid, epidural
    parent[[brainstem, cistern, cortex, cortical]] = cistern, cortical, cortical, -1
    for array in (parent, fluid, tissue, epidural, fat):
        array.setflags(write=False)  # one layout is shared by all that are built
    return Layout(leaves, parent, fluid, tissue, epidural, fat, brainstem, cistern, cortex, cortical)


@dataclass(frozen=True, eq=False)
class Neuraxis:
    """A system and the places in it. ``x_cm`` (cells,) are the middles of cells; ``volume_ml`` (n,) turns amounts in
    the pools of ``layout`` into concentrations. Input k of the system is a bolus of ``bolus_ml[k]``.
    """

    physiology: Physiology
    kinetics: Kinetics
    tip_cm: float
    bolus_ml: tuple[float, ...]
    system: System
    x_cm: FloatArray
    layout: Layout
    volume_ml: FloatArray

    @property
    def fluid(self) -> IntArray:
        """The pool of fluid in each cell, from the sac up."""
        return self.layout.fluid

    @property
    def tissue(self) -> IntArray:
        """The pool of cord and roots in each cell."""
        return self.layout.tissue

    @property
    def epidural(self) -> IntArray:
        """The pool of the epidural space at each cell; empty where it is left out."""
        return self.layout.epidural

    @property
    def fat(self) -> IntArray:
        """The pool of fat at each cell; empty where it is left out."""
        return self.layout.fat

    def reading(self, place: str, at_cm: float = 0.0) -> FloatArray:
        """Weights (n + 3 + lags,) that give the concentration (ng/mL) at a place: ``csf``, ``tissue``, ``epidural``,
        ``fat`` at ``at_cm``; ``cistern``, ``cortical``, ``brainstem``, ``cortex``; ``plasma``; or the name of a lag.
        UntrustedError for a place that is not there.
        """
        weights = np.zeros(self.system.size)
        n = self.system.tree.size
        if place == "plasma":
            weights[n] = 1 / self.system.plasma.v1_ml
            return weights
        for row, lag in enumerate(self.system.lags, start=n + 3):
            if lag.name == place:
                weights[row] = 1.0
                return weights
        weights[:n] = _site(self.physiology.canal_cm, self.layout, self.volume_ml, place, at_cm)
        return weights


def build(
    physiology: Physiology,
    kinetics: Kinetics,
    tip_cm: float,
    *,
    bolus_ml: tuple[float, ...] = (0.0,),
    cells: int = CELLS,
    effects: tuple[EffectSite, ...] = (),
    leaves: Leaves = Leaves.ALL,
    own_ranges: bool = False,
) -> Neuraxis:
    """The neuraxis of a drug: an input for each volume in ``bolus_ml``, a lag for each effect.

    A bolus of volume V first lies as a normal density of width sqrt(tip_spread^2 + (V / 2A)^2) about the tip.
    UntrustedError for a number outside its range, a tip outside the canal, a dispersion under the floor. With
    ``own_ranges`` (an animal, a tracer, a sensitivity) numbers may leave the ranges of people and drugs, and only what
    nothing can be is refused.
    """
    (possible if own_ranges else check)(physiology, kinetics)
    _refuse(physiology, tip_cm, bolus_ml, cells)
    places = layout(cells, leaves)
    volume = _volumes(physiology, places, cells)
    tree = _tree(physiology, kinetics, places, volume)
    inputs = np.zeros((tree.size, len(bolus_ml)))
    inputs[places.fluid] = spread(physiology.canal_cm, cells, tip_cm, _widths_cm(physiology, tip_cm, bolus_ml))
    plasma = _plasma(physiology, kinetics)
    lags = tuple(_lag(site, physiology, places, volume, plasma) for site in effects)
    system = System(tree, inputs, plasma, lags)
    x_cm = centers_cm(physiology.canal_cm, cells)
    return Neuraxis(physiology, kinetics, tip_cm, bolus_ml, system, x_cm, places, volume)


def channels(neuraxis: Neuraxis, wanted: dict[str, tuple[str, float]]) -> Channels:
    """Readings by name: (place, cm) for each, as ``Neuraxis.reading`` takes them."""
    return Channels(tuple(wanted), np.array([neuraxis.reading(*where) for where in wanted.values()]))


def _refuse(physiology: Physiology, tip_cm: float, bolus_ml: tuple[float, ...], cells: int) -> None:
    if not FEWEST_CELLS <= cells <= MOST_CELLS:
        raise UntrustedError(Doubt.OUT_OF_RANGE, f"{cells} cells", f"{FEWEST_CELLS} to {MOST_CELLS}")
    if not 0 < tip_cm < physiology.canal_cm:
        raise UntrustedError(
            Doubt.OUT_OF_RANGE, f"a tip at {tip_cm:g} cm", f"over 0 and under {physiology.canal_cm:g} cm from the sac"
        )
    if not bolus_ml or not all(0 <= ml <= MOST_BOLUS_ML for ml in bolus_ml):
        raise UntrustedError(Doubt.OUT_OF_RANGE, f"boluses of {bolus_ml} mL", f"0 to {MOST_BOLUS_ML:g} mL, one or more")


def _site(canal_cm: float, places: Layout, volume: FloatArray, place: str, at_cm: float) -> FloatArray:
    """Weights (n,) of a place in the tree, straight between the middles of two cells."""
    weights = np.zeros(volume.size)
    rows = {"csf": places.fluid, "tissue": places.tissue, "epidural": places.epidural, "fat": places.fat}
    alone = {
        "cistern": places.cistern,
        "cortical": places.cortical,
        "brainstem": places.brainstem,
        "cortex": places.cortex,
    }
    if place in alone:
        weights[alone[place]] = 1 / volume[alone[place]]
        return weights
    if place not in rows or not rows[place].size:
        raise UntrustedError(Doubt.OUT_OF_RANGE, f"the place {place!r}", ", ".join((*rows, *alone, "plasma, a lag")))
    if not 0 <= at_cm <= canal_cm:
        raise UntrustedError(Doubt.OUT_OF_RANGE, f"{place} at {at_cm:g} cm", f"0 to {canal_cm:g} cm from the sac")
    cells = places.fluid.size
    # Outside the outer middles the nearest cell is read: nothing crosses the wall of the sac.
    where = min(max(at_cm / canal_cm * cells - 0.5, 0.0), cells - 1.0)
    low = min(int(where), cells - 2)
    for cell, part in ((low, low + 1 - where), (low + 1, where - low)):
        weights[rows[place][cell]] = part / volume[rows[place][cell]]
    return weights


def _volumes(physiology: Physiology, places: Layout, cells: int) -> FloatArray:
    """The volume of every pool."""
    step_cm = physiology.canal_cm / cells
    volume = np.empty(places.parent.size)
    volume[places.fluid] = fluid_shares(cells) * physiology.csf_ml
    volume[places.tissue] = tissue_ml(physiology, cells)
    volume[places.epidural] = physiology.epidural_cm2 * step_cm
    volume[places.fat] = physiology.fat_cm2 * step_cm
    volume[places.brainstem :] = (
        physiology.brainstem_ml,
        physiology.cistern_ml,
        physiology.cortex_ml,
        physiology.cortical_ml,
    )
    return volume


class _Rates(NamedTuple):
    """What the tree is made of, in 1/s; each (n,), written pool by pool."""

    up: FloatArray
    down: FloatArray
    loss: FloatArray


def _tree(physiology: Physiology, kinetics: Kinetics, places: Layout, volume: FloatArray) -> Tree:
    rates = _Rates(*np.zeros((3, volume.size)))
    _fluid(physiology, kinetics, places, volume, rates)
    _tissues(kinetics, places, volume, rates)
    if places.leaves is Leaves.ALL:
        _epidural(physiology, kinetics, places, volume, rates)
    return Tree(places.parent, rates.up, rates.down, rates.loss, rates.loss)


def _faces(physiology: Physiology, kinetics: Kinetics, cells: int) -> tuple[FloatArray, FloatArray]:
    """Mixing and flow (mL/s) through the upper face of each cell, then between the cistern and the cortical fluid.

    Flow in the canal is towards the sac, and the last one outward. Fluid is absorbed evenly along the canal, so the
    drift falls evenly to nothing at the sac. The way into the cistern is half a cell of canal and the exchange at the
    foramen magnum, one behind the other. All fluid is made above it; what does not go down goes outward.
    """
    share = edge_shares(cells)[1:]
    at_cm = share * physiology.canal_cm
    dispersion = dispersion_cm2_per_s(physiology, kinetics.molecular_cm2_per_s, at_cm)
    least = float(np.minimum(dispersion.min(), kinetics.molecular_cm2_per_s))  # the molecule's is that at the sac
    if not least >= FLOOR_CM2_PER_S:
        raise UntrustedError(Doubt.DISPERSION_FLOOR, f"{least:.3g} cm2/s", f"{FLOOR_CM2_PER_S:g} cm2/s or more")
    made = physiology.production_ml_per_min / 60
    mix, flow = np.empty((2, cells + 1))
    mix[:cells] = area_cm2(physiology, at_cm) * dispersion * (cells / physiology.canal_cm)
    within, top = 2 * mix[cells - 1], physiology.top_exchange_ml_per_min / 60
    mix[cells - 1] = within * top / (within + top)
    mix[cells] = physiology.cranial_exchange_ml_per_min / 60
    flow[:cells] = made * physiology.spinal_share * share
    flow[cells] = made * (1 - physiology.spinal_share)
    return mix, flow


def _fluid(physiology: Physiology, kinetics: Kinetics, places: Layout, volume: FloatArray, rates: _Rates) -> None:
    """Dispersion, drift and absorption. Exponentially fitted: conservative, and no rate is negative at any Peclet."""
    cells = places.fluid.size
    mix, flow = _faces(physiology, kinetics, cells)
    against = mix * bernoulli(flow / mix)
    along = against + flow
    chain = np.append(volume[places.fluid], volume[places.cistern])
    rates.up[places.fluid] = against[:cells] / chain[:cells]
    rates.down[places.fluid] = along[:cells] / chain[1:]
    rates.loss[places.fluid] = flow[cells - 1] / cells / chain[:cells]
    rates.up[places.cistern] = along[cells] / chain[cells]
    rates.down[places.cistern] = against[cells] / volume[places.cortical]
    rates.loss[places.cortical] = flow[cells] / volume[places.cortical]


def _tissues(kinetics: Kinetics, places: Layout, volume: FloatArray, rates: _Rates) -> None:
    """Cord, roots, brainstem and cortex: exchange with their fluid, loss to blood."""
    leaf = np.append(places.tissue, (places.brainstem, places.cortex))
    exchange = math.log(2) / (kinetics.tissue_exchange_min * 60)
    rates.up[leaf] = exchange
    rates.down[leaf] = exchange * kinetics.tissue_partition * volume[leaf] / volume[places.parent[leaf]]
    rates.loss[leaf] = kinetics.tissue_loss_per_min / 60


def _epidural(physiology: Physiology, kinetics: Kinetics, places: Layout, volume: FloatArray, rates: _Rates) -> None:
    """Through the dura into the epidural space, from there to blood and into fat; conductances in mL/s."""
    cells = places.fluid.size
    dura = kinetics.dura_cm_per_min / 60 * physiology.dura_cm2 / cells
    fatty = kinetics.fat_exchange_cm2_per_min / 60 * physiology.canal_cm / cells
    rates.down[places.epidural] = dura / volume[places.fluid]
    rates.up[places.epidural] = dura / (kinetics.epidural_partition * volume[places.epidural])
    rates.loss[places.epidural] = kinetics.epidural_loss_per_min / 60
    rates.down[places.fat] = fatty / volume[places.epidural]
    rates.up[places.fat] = fatty / (kinetics.fat_partition * volume[places.fat])


def _widths_cm(physiology: Physiology, tip_cm: float, bolus_ml: tuple[float, ...]) -> FloatArray:
    """How wide each bolus lies at first: the spread at the tip, and half the length of canal that it would fill."""
    local = area_cm2(physiology, np.array([tip_cm]))
    return np.asarray(np.hypot(physiology.tip_spread_cm, np.array(bolus_ml) / (2 * local)))


def _plasma(physiology: Physiology, kinetics: Kinetics) -> Plasma:
    return Plasma(
        kinetics.v1_ml_per_kg * physiology.weight_kg,
        k10_per_s=kinetics.k10_per_min / 60,
        k12_per_s=kinetics.k12_per_min / 60,
        k21_per_s=kinetics.k21_per_min / 60,
        k13_per_s=kinetics.k13_per_min / 60,
        k31_per_s=kinetics.k31_per_min / 60,
    )


def _lag(site: EffectSite, physiology: Physiology, places: Layout, volume: FloatArray, plasma: Plasma) -> Lag:
    if site.place == "plasma":
        weights, of_plasma = np.zeros(volume.size), 1.0 + site.plasma_factor
    else:
        weights, of_plasma = _site(physiology.canal_cm, places, volume, site.place, site.at_cm), site.plasma_factor
    return Lag(site.name, site.ke0_per_min / 60, weights, of_plasma / plasma.v1_ml)
