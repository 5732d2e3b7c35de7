"""What an arm gives, as rates and masses into the inputs of its neuraxis: one for infusions, one for each volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from thecal.body.transport.dosing import Dosing
from thecal.body.validation.cases import MOST_REPEATS
from thecal.body.validation.observables import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from thecal.body.transport.tree import FloatArray
    from thecal.body.validation.cases import Arm, Bolus

ON_ITS_OWN_ML = 0.0  # the input of infusions: no volume to speak of


@dataclass(frozen=True, slots=True)
class Giving:
    """Boluses and infusions of an arm, with factors on dose, volume and duration, for sensitivities."""

    arm: Arm
    dose: float = 1.0
    volume: float = 1.0
    over: float = 1.0

    @classmethod
    def of(cls, arm: Arm, factors: Mapping[str, float]) -> Giving:
        """The giving of an arm with those of the factors that concern it."""
        return cls(arm, **{name: f for name, f in factors.items() if name in {"dose", "volume", "over"}})

    @property
    def volumes_ml(self) -> tuple[float, ...]:
        """The volume of each input, that of infusions first."""
        return tuple(sorted({ON_ITS_OWN_ML, *(self._volume_ml(bolus) for bolus in self.arm.bolus)}))

    def _volume_ml(self, bolus: Bolus) -> float:
        return bolus.volume * self.volume

    def _starts(self, bolus: Bolus, until_s: float) -> FloatArray:
        """When a bolus begins, up to a time."""
        if bolus.every is None:
            return np.array([bolus.at], dtype=np.float64)
        count = int(max(until_s - bolus.at, 0.0) / bolus.every) + 1
        count = min(count, bolus.times or count)
        if count > MOST_REPEATS:
            raise UnreadableError(f"{count} boluses up to this time, and {MOST_REPEATS} are the most")
        return np.asarray(bolus.at + bolus.every * np.arange(count), dtype=np.float64)

    def until(self, until_s: float) -> Dosing:
        """Everything that is given up to a time, and some of what comes later."""
        row = {ml: k for k, ml in enumerate(self.volumes_ml)}
        steps: list[tuple[float, int, float]] = []  # when, input, change of the rate
        masses: list[tuple[float, int, float]] = []
        for infusion in self.arm.infusion:
            rate = infusion.rate_ng_per_s * self.dose
            steps.append((infusion.start, 0, rate))
            if infusion.lasting is not None:
                steps.append((infusion.start + infusion.lasting, 0, -rate))
        for bolus in self.arm.bolus:
            mass, over_s, k = bolus.dose * self.dose, bolus.over * self.over, row[self._volume_ml(bolus)]
            for start in self._starts(bolus, until_s):
                if over_s:
                    steps += [(start, k, mass / over_s), (start + over_s, k, -mass / over_s)]
                else:
                    masses.append((start, k, mass))
        t_s = np.unique([0.0, *(t for t, _, _ in steps), *(t for t, _, _ in masses)])
        rate_ng_per_s, mass_ng = np.zeros((2, len(row), t_s.size))
        for t, k, change in steps:
            rate_ng_per_s[k, np.searchsorted(t_s, t)] += change
        for t, k, mass in masses:
            mass_ng[k, np.searchsorted(t_s, t)] += mass
        rate_ng_per_s = np.cumsum(rate_ng_per_s, axis=1)
        # What rounding leaves of a rate that was turned off is none.
        rate_ng_per_s[np.abs(rate_ng_per_s) < 1e-12 * np.max(np.abs(rate_ng_per_s), initial=0.0)] = 0.0
        return Dosing(t_s, rate_ng_per_s, mass_ng)

    def given_ng(self, at_s: FloatArray) -> FloatArray:
        """What was given in all up to each time, that of the instant included."""
        dosing = self.until(float(at_s[-1]))
        rate = dosing.rate_ng_per_s.sum(axis=0)
        before = np.append(0.0, np.cumsum(rate[:-1] * np.diff(dosing.t_s))) + np.cumsum(dosing.mass_ng.sum(axis=0))
        held = np.searchsorted(dosing.t_s, at_s, side="right") - 1
        return np.asarray(before[held] + rate[held] * (at_s - dosing.t_s[held]))

    def for_ever_ng_per_s(self) -> FloatArray:
        """The rate (inputs,) of what never ends; repeated boluses count as their mean."""
        row = {ml: k for k, ml in enumerate(self.volumes_ml)}
        rate = np.zeros(len(row))
        for infusion in self.arm.infusion:
            if infusion.lasting is None:
                rate[0] += infusion.rate_ng_per_s * self.dose
        for bolus in self.arm.bolus:
            if bolus.every is not None and bolus.times is None:
                rate[row[self._volume_ml(bolus)]] += bolus.dose * self.dose / bolus.every
        return rate

    def in_all_ng(self) -> FloatArray:
        """The whole mass (inputs,) of what ends. UnreadableError where something is given for ever."""
        if np.any(self.for_ever_ng_per_s()):
            raise UnreadableError("drug is given for ever, so that there is no area under the whole curve")
        row = {ml: k for k, ml in enumerate(self.volumes_ml)}
        mass = np.zeros(len(row))
        for infusion in self.arm.infusion:
            mass[0] += infusion.rate_ng_per_s * self.dose * (infusion.lasting or 0.0)
        for bolus in self.arm.bolus:
            mass[row[self._volume_ml(bolus)]] += bolus.dose * self.dose * (bolus.times or 1)
        return mass
