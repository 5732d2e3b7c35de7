"""Virtual people for tests of transport: a canal with tissue, with or without epidural space and fat, drawn far wider
than any person is. Nothing of it is shared with the builder that ships; numbers are round and stand for nobody.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import erf

from thecal.body.transport.cohort import Patient
from thecal.body.transport.dosing import Dosing
from thecal.body.transport.system import Channels, Lag, Plasma, System
from thecal.body.transport.tree import FloatArray, Tree

CELLS = 200
_SHAPE = np.array(
    ((0.0, 0.7), (0.12, 1.5), (0.3, 1.4), (0.45, 0.8), (0.7, 0.7), (0.85, 0.9), (1.0, 1.4))
).T  # share of the canal, relative area


class Person(NamedTuple):
    """A person and a drug: cm, mL, minutes."""

    canal: float = 60.0
    csf: float = 97.0
    cord: float = 20.0
    made: float = 0.35
    spinal: float = 0.35
    kappa: float = 0.15
    stroke: float = 2.1
    power: float = 1.0
    cistern: float = 25.0
    cortical: float = 110.0
    brainstem: float = 30.0
    top: float = 2.0
    across: float = 1.5
    spread: float = 1.0
    tip: float = 14.5
    partition: float = 1.0
    exchange: float = 60.0
    tissue_loss: float = 0.002
    dura: float = 0.01
    epidural_loss: float = 0.01
    fatty: float = 0.01
    v1: float = 17500.0
    k10: float = 0.07
    k12: float = 0.13
    k21: float = 0.026
    k13: float = 0.018
    k31: float = 0.0016
    ke0: float = 0.0026


def drawn(seed: int, number: int) -> Person:
    """A person of his own: kappa lognormal with sigma 0.8, volumes, clearances and rates up to 3 times or a third."""
    random = np.random.default_rng([seed, number])
    third = {name: value * 3.0 ** random.uniform(-1, 1) for name, value in Person()._asdict().items()}
    return Person(**third)._replace(
        canal=random.uniform(54, 66),
        csf=97 * 1.6 ** random.uniform(-1, 1),
        cord=20 * 1.3 ** random.uniform(-1, 1),
        made=0.35 * 1.4 ** random.uniform(-1, 1),
        spinal=random.uniform(0.2, 0.5),
        kappa=0.15 * np.exp(0.8 * random.standard_normal()),
        stroke=2.1 * 1.4 ** random.uniform(-1, 1),
        power=random.uniform(0.7, 1.3),
        spread=random.uniform(0.5, 1.5),
        tip=random.uniform(10, 40),
    )


def _bernoulli(z: FloatArray) -> FloatArray:
    safe = np.where(np.abs(z) < 1e-8, 1.0, z)
    return np.asarray(np.where(np.abs(z) < 1e-8, 1 - z / 2, safe / np.expm1(safe)))


def _area(person: Person, at_cm: FloatArray) -> FloatArray:
    mean = np.trapezoid(_SHAPE[1], _SHAPE[0])
    return np.asarray(np.interp(at_cm / person.canal, *_SHAPE) / mean * person.csf / person.canal)


def patient(person: Person, *, deep: bool = False, cells: int = CELLS, bolus_ml: tuple[float, ...] = (0.0,)) -> Patient:
    """The system of a person, 2 or (``deep``) 4 pools for each cell and four above, and 16 readings of it."""
    wide, step = 4 if deep else 2, person.canal / cells
    x = np.asarray((np.arange(cells) + 0.5) * step, dtype=np.float64)
    n = wide * cells + 4
    fluid = np.arange(cells) * wide + wide - 1
    tissue, cistern, brainstem, cortical = fluid - 1, n - 3, n - 4, n - 1
    leaf, stem = np.append(tissue, (brainstem, n - 2)), np.append(fluid, (cistern, cortical))
    parent = np.full(n, -1)
    parent[leaf], parent[fluid], parent[cistern] = stem, np.append(fluid[1:], cistern), cortical
    volume = np.empty(n)
    volume[fluid], volume[tissue] = _area(person, x) * step, person.cord / cells
    volume[[cistern, brainstem, cortical, n - 2]] = person.cistern, person.brainstem, person.cortical, 300.0
    rates = np.zeros((3, n))
    _flow(person, x, volume, (fluid, cistern, cortical), rates)
    exchange = np.log(2) / (person.exchange * 60)
    rates[0, leaf], rates[1, leaf] = exchange, exchange * person.partition * volume[leaf] / volume[stem]
    rates[2, leaf] = person.tissue_loss / 60
    through = person.dura / 60 * step / volume[fluid]
    if deep:
        epidural, fat = fluid - 2, fluid - 3
        parent[epidural], parent[fat] = fluid, epidural
        rates[1, epidural], rates[0, epidural] = through, person.dura / 60
        rates[2, epidural] = person.epidural_loss / 60
        rates[1, fat], rates[0, fat] = person.fatty / 60, person.fatty / 120
    else:
        rates[2, fluid] += through
    tree = Tree(parent, rates[0], rates[1], rates[2], rates[2].copy())
    edges = np.append(x - step / 2, person.canal)
    inputs = np.zeros((n, len(bolus_ml)))
    for k, ml in enumerate(bolus_ml):
        width = np.hypot(person.spread, ml / (2 * _area(person, np.array([person.tip]))[0]))
        share = np.diff(erf((edges - person.tip) / (width * np.sqrt(2))))
        inputs[fluid, k] = share / share.sum()
    plasma = Plasma(
        person.v1, *(k / 60 for k in (person.k10, person.k12, person.k21, person.k13, person.k31))
    )  # fmt: skip
    lags = (
        Lag("cord", person.ke0 / 60, _one(n, tissue[cells // 2], volume)),
        Lag("brainstem", person.ke0 / 60, _one(n, brainstem, volume), 0.5 / person.v1),
        Lag("blood", person.ke0 / 60, np.zeros(n), 1 / person.v1),
    )
    places = [fluid[int(share * cells)] for share in (0.07, 0.12, 0.18, 0.24, 0.3, 0.45, 0.63, 0.8, 0.97)]
    rows = [_one(n + 6, place, volume) for place in (*places, tissue[cells // 2], tissue[-9], cistern, brainstem)]
    below = np.eye(n + 6)[[n, n + 3, n + 4]] / np.array([[person.v1], [1.0], [1.0]])
    names = (*(f"fluid {k}" for k in range(9)), "cord", "neck", "cistern", "brainstem", "plasma", "lag 0", "lag 1")
    return Patient(System(tree, inputs, plasma, lags), Channels(names, np.vstack((*rows, below))))


def _one(size: int, place: int, volume: FloatArray) -> FloatArray:
    weights = np.zeros(size)
    weights[place] = 1 / volume[place]
    return weights


def _flow(person: Person, x: FloatArray, volume: FloatArray, pools: tuple, rates: FloatArray) -> None:  # type: ignore[type-arg]
    fluid, cistern, cortical = pools
    step = x[1] - x[0]
    face = x[:-1] + step / 2
    area, fall = _area(person, face), (face / person.canal) ** person.power
    mix = area * (6e-6 + person.kappa * 1.1 * (person.stroke * fall / area) ** 2) / step
    taken = person.made / 60 * person.spinal / person.canal
    peclet = -taken * face / mix
    rates[0, fluid[:-1]] = mix * _bernoulli(-peclet) / volume[fluid[:-1]]
    rates[1, fluid[:-1]] = mix * _bernoulli(peclet) / volume[fluid[1:]]
    rates[2, fluid] = taken * step / volume[fluid]
    drift, outward = taken * person.canal, person.made / 60 * (1 - person.spinal)
    for low, high, mixing, down, up in (
        (fluid[-1], cistern, person.top / 60, drift, 0.0),
        (cistern, cortical, person.across / 60, 0.0, outward),
    ):
        half = mixing * _bernoulli(np.array([(down + up) / mixing]))[0]
        rates[0, low], rates[1, low] = (half + up) / volume[low], (half + down) / volume[high]
    rates[2, cortical] = outward / volume[cortical]


def month(days: int = 30, boluses: int = 6, seed: int = 3) -> Dosing:
    """24 rates a day and boluses of 4 minutes at random seconds, about 1 mg a day."""
    random = np.random.default_rng(seed)
    hours = np.arange(24 * days) * 3600.0
    rates = 8.0 * (1 + 0.5 * np.sin(np.arange(24) / 24 * 2 * np.pi))
    starts = np.concatenate(
        [day * 86400 + np.sort(random.choice(280, boluses, replace=False)) * 300 for day in range(days)]
    )
    starts = starts + random.integers(0, 59, starts.size)
    t_s = np.unique(np.concatenate((hours, starts, starts + 240)))
    within = np.searchsorted(starts, t_s, side="right") - np.searchsorted(starts + 240, t_s, side="right")
    rate = np.tile(rates, days)[np.searchsorted(hours, t_s, side="right") - 1] + within * 200.0
    return Dosing(t_s, rate[None, :], np.zeros((1, t_s.size)))


def looks(days: int = 30, every_s: float = 600.0) -> FloatArray:
    """Every so many seconds, from the first to the end."""
    return np.asarray(np.arange(1, int(days * 86400 / every_s) + 1) * every_s, dtype=np.float64)


def shallow(number: int) -> Patient:
    """Patient of a number, without epidural space: as a factory that another process can import."""
    return patient(drawn(5, number))


def coarse(number: int) -> Patient:
    """The same on few cells, quick; every seventh cannot be symmetric, and number 12 is nobody."""
    found = patient(drawn(5, number), cells=24)
    if number % 7 == 3:
        tree = found.system.tree
        down = tree.down_per_s.copy()
        down[1] = 0.0
        one_way = Tree(tree.parent, tree.up_per_s, down, tree.loss_per_s, tree.to_plasma_per_s)
        return Patient(System(one_way, found.system.inputs, found.system.plasma, found.system.lags), found.channels)
    if number == 12:
        return patient(drawn(5, number)._replace(v1=-1.0), cells=24)
    return found
