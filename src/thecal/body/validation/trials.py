"""One arm of a case, run: curves of what is read, profiles along the canal, steady states, and whole areas.

The engine is the one that the body chooses by itself; steady states and whole areas are one exact solve of the system.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse.linalg import spsolve

from thecal.body.spine.effect import DrugEffect, analgesia, effect_sites, nominal_effect, spinal_site, warning_index
from thecal.body.spine.endpoint import Combining
from thecal.body.spine.neuraxis import EffectSite, Neuraxis, build
from thecal.body.spine.response import Endpoint
from thecal.body.transport.engine import Prepared
from thecal.body.transport.system import PLASMA, Channels, Plasma, System
from thecal.body.validation.measures import Effect, Part, Place, Profile, Reading
from thecal.body.validation.observables import Curve, UnreadableError

if TYPE_CHECKING:
    from thecal.body.transport.course import Course
    from thecal.body.transport.tree import FloatArray, IntArray
    from thecal.body.validation.giving import Giving
    from thecal.body.validation.people import Subject
    from thecal.body.validation.positions import Position


@dataclass
class Account:
    """What the runs behind a number were made by: the engines, and their greatest error in time."""

    engines: set[str] = field(default_factory=set)
    time_error: float = 0.0

    def note(self, course: Course) -> None:
        """Count one run in."""
        self.engines.add(course.engine.value)
        self.time_error = max(self.time_error, course.time_error)

    def clear(self) -> None:
        """Begin anew, for the next number."""
        self.engines.clear()
        self.time_error = 0.0

    def solved(self) -> None:
        """Count one exact solve in."""
        self.engines.add("steady solve")


@dataclass(frozen=True, eq=False)
class Trial:
    """A person, a drug and what is given, on a grid of ``cells``; ``effects`` are those that will be read."""

    subject: Subject
    giving: Giving
    cells: int
    effects: tuple[Reading, ...]
    account: Account
    _prepared: dict[tuple[float, bytes], Prepared] = field(default_factory=dict)

    @cached_property
    def neuraxis(self) -> Neuraxis:
        """The system with the places in it, and a site of effect for each effect that is read."""
        physiology, kinetics, tip_cm = self.subject
        sites: tuple[EffectSite, ...] = ()
        if self.effects:
            dermatomes = sorted({reading.dermatome for reading in self.effects if reading.dermatome})
            together = any(reading.effect is Effect.TOGETHER for reading in self.effects)
            sites = effect_sites(self._effect, dermatomes, physiology, supraspinal=together)
        return build(
            physiology,
            kinetics,
            tip_cm,
            bolus_ml=self.giving.volumes_ml,
            cells=self.cells,
            effects=sites,
            own_ranges=True,  # ``people`` has looked: what is out of its range stands there with its reason
        )

    @cached_property
    def _effect(self) -> DrugEffect:
        return nominal_effect(self.subject.kinetics)

    @property
    def edges_cm(self) -> FloatArray:
        """The edges of cells, from the end of the sac; shape (cells + 1,)."""
        return np.linspace(0.0, self.subject.physiology.canal_cm, self.cells + 1)

    def cm(self, position: Position) -> float:
        """Where a position lies in this person, from the end of the sac."""
        return position.cm(self.subject.physiology.canal_cm, self.subject.tip_cm)

    def curve(self, reading: Reading) -> Curve:
        """What a reading is over time."""
        return Curve(lambda at_s: self._values(reading, at_s), lambda until: self.giving.until(until).t_s)

    def steady(self, reading: Reading) -> float:
        """What a reading is once everything that goes on has gone on for ever."""
        if reading.dose_in is not None:
            raise UnreadableError("a share of the dose is never steady")
        rate = self.giving.for_ever_ng_per_s()
        if not np.any(rate):
            raise UnreadableError("nothing is given for ever, so that nothing is steady")
        return float(self._of(reading, self._balance(rate)[:, None])[0])

    def whole_area(self, reading: Reading) -> float:
        """The area under a concentration for ever, in ng s/mL."""
        if reading.place is None:
            raise UnreadableError("only a concentration has an area for ever; say between")
        return float((self._weights(reading) @ self._balance(self.giving.in_all_ng()))[0])

    def profile(self, profile: Profile) -> tuple[FloatArray, FloatArray]:
        """Mass (ng) and concentration (ng/mL) in each cell of a place; shapes (cells,)."""
        pools = self._pools(profile.place)
        if profile.time == "steady":
            mass = self._balance(self.giving.for_ever_ng_per_s())[pools]
        else:
            weights = np.zeros((pools.size, self.neuraxis.system.size))
            weights[np.arange(pools.size), pools] = 1.0
            mass = self._run(self.neuraxis.system, weights, np.array([profile.time]))[:, 0]
        return mass, mass / self.neuraxis.volume_ml[pools]

    def _values(self, reading: Reading, at_s: FloatArray) -> FloatArray:
        """A reading at ascending times."""
        if reading.dose_in in {Part.ABSORBED, Part.UNABSORBED}:
            share = self._absorbed(at_s)
            return share if reading.dose_in is Part.ABSORBED else 1.0 - share
        if reading.effect is not None:
            if not self.neuraxis.system.lags:
                raise UnreadableError(f"{self.subject.kinetics.drug} has no model of {reading.effect}")
            everything = np.eye(self.neuraxis.system.size)[self.neuraxis.system.tree.size + PLASMA :]
            found = self._run(self.neuraxis.system, everything, at_s)
            return self._effects(reading, found)
        found = self._run(self.neuraxis.system, self._weights(reading), at_s)[0]
        return found if reading.dose_in is None else self._share(found, at_s)

    def _of(self, reading: Reading, state: FloatArray) -> FloatArray:
        """A reading of states (size, times)."""
        if reading.effect is not None:
            return self._effects(reading, state[self.neuraxis.system.tree.size + PLASMA :])
        return np.asarray(self._weights(reading)[0] @ state)

    def _effects(self, reading: Reading, lags: FloatArray) -> FloatArray:
        """Concentrations at the sites of effect (lags, times) as an effect, from 0 to 1."""
        drug = self.subject.kinetics.drug
        # What an engine leaves under zero by its stated error is none.
        at_sites = {
            drug: {lag.name: np.maximum(row, 0.0) for lag, row in zip(self.neuraxis.system.lags, lags, strict=True)}
        }
        if reading.effect is Effect.WARNING_INDEX:
            return np.asarray(warning_index(at_sites, {drug: self._effect}))
        if reading.effect is Effect.SPINAL:
            spinal = self._effect.targets.get(Endpoint.SPINAL)
            if spinal is None:
                raise UnreadableError(f"{drug} has no model of spinal analgesia")
            return np.asarray(spinal.curve.effect(at_sites[drug][spinal_site(reading.dermatome or "")]))
        both = Combining(supraspinal=True)
        return np.asarray(analgesia(at_sites, {drug: self._effect}, reading.dermatome or "", combining=both))

    def _absorbed(self, at_s: FloatArray) -> FloatArray:
        """The share of what was given that has entered blood: plasma that lets nothing out counts it."""
        system = self.neuraxis.system
        kept = replace(system, plasma=Plasma(1.0, 0.0), lags=())
        weights = np.zeros((1, kept.size))
        weights[0, kept.tree.size] = 1.0
        return self._share(self._run(kept, weights, at_s)[0], at_s)

    def _share(self, mass_ng: FloatArray, at_s: FloatArray) -> FloatArray:
        given = self.giving.given_ng(at_s)
        return np.asarray(np.divide(mass_ng, given, out=np.zeros_like(mass_ng), where=given > 0))

    def _run(self, system: System, weights: FloatArray, at_s: FloatArray) -> FloatArray:
        """What the weights (channels, size) read at ascending times; what an engine finds for them is kept."""
        key = (system.plasma.k10_per_s, weights.tobytes())
        if key not in self._prepared:
            names = tuple(f"reading {k}" for k in range(weights.shape[0]))
            self._prepared[key] = Prepared(system, Channels(names, weights))
        course = self._prepared[key].run(self.giving.until(float(at_s[-1])), at_s)
        self.account.note(course)
        return np.asarray(course.values)

    def _balance(self, given: FloatArray) -> FloatArray:
        """The state (size,) that a rate (inputs,) holds for ever; for a mass, the area under every state."""
        self.account.solved()
        system = self.neuraxis.system
        pools = np.asarray(spsolve(system.tree.matrix.tocsc(), -(system.inputs @ given)))
        return np.append(pools, np.linalg.solve(system.below, -(system.feed @ pools)))

    def _pools(self, place: str) -> IntArray:
        return np.asarray(getattr(self.neuraxis, "fluid" if place == "csf" else place), dtype=np.int64)

    def _weights(self, reading: Reading) -> FloatArray:
        """What gives a reading from the state; shape (1, size)."""
        if reading.dose_in is not None:
            return self._mass_weights(reading.dose_in)[None, :]
        place = "tissue" if reading.place is Place.TISSUE_WATER else str(reading.place)
        if reading.span is not None:
            found = self._span_weights(place, *(self.cm(position) for position in reading.span))
        else:
            found = self.neuraxis.reading(place, self.cm(reading.at) if reading.at is not None else 0.0)
        if reading.place is Place.TISSUE_WATER:
            found = found / self.subject.kinetics.tissue_partition
        return found[None, :]

    def _span_weights(self, place: str, one_cm: float, other_cm: float) -> FloatArray:
        """The mean over a stretch, by volume."""
        low, high, edges = min(one_cm, other_cm), max(one_cm, other_cm), self.edges_cm
        inside = np.clip(np.minimum(edges[1:], high) - np.maximum(edges[:-1], low), 0.0, None) / np.diff(edges)
        pools = self._pools(place)
        volume = float(inside @ self.neuraxis.volume_ml[pools])
        if volume <= 0:
            raise UnreadableError(f"no {place} between {low:g} and {high:g} cm")
        found = np.zeros(self.neuraxis.system.size)
        found[pools] = inside / volume
        return found

    def _mass_weights(self, part: Part) -> FloatArray:
        places, found = self.neuraxis.layout, np.zeros(self.neuraxis.system.size)
        n = self.neuraxis.system.tree.size
        pools = {
            Part.CSF: places.fluid, Part.TISSUE: places.tissue, Part.EPIDURAL: places.epidural, Part.FAT: places.fat,
            Part.CRANIAL: [places.cistern, places.cortical], Part.BRAIN: [places.brainstem, places.cortex],
            Part.BLOOD: [n, n + 1, n + 2],
        }  # fmt: skip
        found[np.asarray(pools[part])] = 1.0
        return found
