"""The test problem of the spine: 410 states, 30 days, 24 rates and 6 boluses a day, 16 channels every 10 minutes.

200 cells of fluid and tissue, two pools of cranial fluid and their tissue, three compartments of plasma, three effects
(transport-science 6.2). The shipped model, with its epidural and fat leaves, is the same person under the same dosing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from thecal.body.spine import prior
from thecal.body.spine.neuraxis import EffectSite, Leaves, Neuraxis, build
from thecal.body.transport.cohort import Patient
from thecal.body.transport.dosing import Dosing
from thecal.body.transport.system import Channels, System

if TYPE_CHECKING:
    from thecal.body.spine.kinetics import Kinetics
    from thecal.body.spine.physiology import Physiology
    from thecal.body.transport.tree import FloatArray

CELLS, DAYS, SEED = 200, 30, 62
DAY_S, HOUR_S, LOOK_S, BOLUS_S = 86_400, 3_600, 600, 240
RATES_A_DAY, BOLUSES_A_DAY = 24, 6
DRUG, CANAL_CM = "morphine", 60.0
TIP_CM = 14.5  # L2-3 (transport-science 3.1)
BASE_NG_PER_DAY, BOLUS_NG = 700_000.0, 50_000.0  # with six boluses 1 mg of morphine a day: a round figure of ours
KE0_PER_MIN = 0.00263  # a half-time of 4.4 h (transport-science 3.5, Dahan 2004, pubmed 15505457)
EFFECTS = (("effect T10", "tissue", 27.0), ("effect C7", "tissue", 48.0), ("effect brainstem", "brainstem", 0.0))
SITES = {
    "csf L5-S1": ("csf", 4.0),
    "csf L4-5": ("csf", 7.5),
    "csf L3-4": ("csf", 11.0),
    "csf L2-3": ("csf", 14.5),
    "csf T10": ("csf", 27.0),
    "csf C7-T1": ("csf", 48.0),
    "csf C1-2": ("csf", 58.5),
    "tissue L2-3": ("tissue", 14.5),
    "tissue T10": ("tissue", 27.0),
    "tissue C7-T1": ("tissue", 48.0),
    "cistern": ("cistern", 0.0),
    "brainstem": ("brainstem", 0.0),
    "plasma": ("plasma", 0.0),
    **{name: (name, 0.0) for name, _, _ in EFFECTS},
}


@dataclass(frozen=True)
class Problem:
    """A system under a dosing, when it is looked at and through which channels."""

    name: str
    system: System
    dosing: Dosing
    at_s: FloatArray
    channels: Channels

    @property
    def states(self) -> int:
        """Length of the state."""
        return self.system.size

    def first(self, days: float) -> Problem:
        """The same, looked at for the first days only."""
        return Problem(self.name, self.system, self.dosing, self.at_s[self.at_s <= days * DAY_S], self.channels)


def neuraxis(physiology: Physiology, kinetics: Kinetics, leaves: Leaves, cells: int = CELLS) -> Neuraxis:
    """A person with the three effects of the problem; levels lie at the same shares of every canal."""
    along = physiology.canal_cm / CANAL_CM
    effects = tuple(EffectSite(name, place, at_cm * along, KE0_PER_MIN) for name, place, at_cm in EFFECTS)
    tip_cm = TIP_CM * along
    return build(physiology, kinetics, tip_cm, cells=cells, effects=effects, leaves=leaves, own_ranges=True)


def readings(of: Neuraxis) -> Channels:
    """The 16 channels."""
    along = of.physiology.canal_cm / CANAL_CM
    return Channels(tuple(SITES), np.array([of.reading(place, at_cm * along) for place, at_cm in SITES.values()]))


def dosing(days: int = DAYS, boluses: int = BOLUSES_A_DAY, seed: int = SEED) -> Dosing:
    """Each day the same 24 rates of an hour; boluses of 4 minutes at other whole seconds each day, none on another."""
    chance = np.random.default_rng(seed)
    hour = chance.uniform(0.5, 1.5, RATES_A_DAY)
    hour *= BASE_NG_PER_DAY / HOUR_S / hour.sum()
    starts = np.concatenate([day * DAY_S + _apart(chance, boluses) for day in range(days)])
    t_s = np.unique(np.concatenate((np.arange(days * RATES_A_DAY + 1) * HOUR_S, starts, starts + BOLUS_S)))
    under = np.searchsorted(starts, t_s, side="right")
    ends = np.concatenate(([-1], starts + BOLUS_S))
    rate = hour[(t_s % DAY_S) // HOUR_S] + np.where(t_s < ends[under], BOLUS_NG / BOLUS_S, 0.0)
    return Dosing(t_s.astype(np.float64), rate[None, :], np.zeros((1, t_s.size)))


def _apart(chance: np.random.Generator, count: int) -> FloatArray:
    """Whole seconds of a day at which boluses begin, each over a minute or more before the next and the next day."""
    each_s = BOLUS_S + 60
    return np.asarray(np.sort(chance.integers(0, DAY_S - count * each_s, count)) + np.arange(count) * each_s)


def looks(days: int = DAYS) -> FloatArray:
    """Every 10 minutes, from the tenth minute to the end."""
    return np.arange(LOOK_S, days * DAY_S + 1, LOOK_S, dtype=np.float64)


def problem(
    *, days: int = DAYS, cells: int = CELLS, boluses: int = BOLUSES_A_DAY, leaves: Leaves = Leaves.TISSUE
) -> Problem:
    """The test problem (410 states with 200 cells), or with all leaves the shipped model under the same dosing."""
    of = neuraxis(prior.nominal_physiology(), prior.nominal_kinetics(DRUG), leaves, cells)
    name = "test problem" if leaves is Leaves.TISSUE else "shipped model"
    return Problem(name, of.system, dosing(days, boluses), looks(days), readings(of))


def patient(number: int, leaves: Leaves = Leaves.TISSUE) -> Patient:
    """A virtual patient, with a physiology and kinetics of his own, and what is read of him."""
    of = neuraxis(prior.person(SEED, number), prior.kinetics_of(DRUG, SEED, number), leaves)
    return Patient(of.system, readings(of))
