"""One person's body under what it is given: every drug by itself, then the effects of all of them together.

Comes in: a person, the sites, one or more givings that are to be compared. Goes out: rows of readings, the same rows
for every person, so that persons can be put beside each other. Systems are linear; only effects combine drugs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from thecal.body.spine.effect import (
    WARNING_SITE,
    DrugEffect,
    analgesia,
    draw_effect,
    effect_drugs,
    effect_sites,
    nominal_effect,
    spinal_site,
    times_ec50,
    warning_index,
)
from thecal.body.spine.levels import level
from thecal.body.spine.neuraxis import build, channels
from thecal.body.spine.prior import kinetics_of, nominal_kinetics, nominal_physiology, person
from thecal.body.spine.resolution import estimate
from thecal.body.spine.response import Endpoint
from thecal.body.transport.course import Engine
from thecal.body.transport.dosing import Dosing
from thecal.body.transport.engine import run
from thecal.body.transport.reduced import Reduced
from thecal.body.transport.untrusted import Doubt, UntrustedError
from thecal.twin.giving import NEAR_S, cumulated_ng
from thecal.twin.sites import is_concentration, is_drive, is_effect, place_of
from thecal.twin.spine import SiteKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from thecal.body.spine.kinetics import Kinetics
    from thecal.body.spine.neuraxis import EffectSite
    from thecal.body.spine.physiology import Physiology
    from thecal.body.transport.course import Course
    from thecal.twin.giving import Given, Window
    from thecal.twin.spine import Site

    FloatArray = npt.NDArray[np.float64]
    Givings = Mapping[str, Given]


@dataclass(frozen=True, slots=True)
class Person:
    """One person: physiology, and for each drug its kinetics and, where it has any, its effects."""

    physiology: Physiology
    kinetics: Mapping[str, Kinetics]
    effects: Mapping[str, DrugEffect]


def nominal_person(drugs: Sequence[str], weight_kg: float | None = None) -> Person:
    """The shipped person with every drug at its nominal numbers. UntrustedError for a drug without a model."""
    kinetics = {drug: nominal_kinetics(drug) for drug in drugs}
    effects = {drug: nominal_effect(k) for drug, k in kinetics.items() if drug in effect_drugs()}
    return Person(nominal_physiology(weight_kg), kinetics, effects)


def drawn_person(drugs: Sequence[str], seed: int, draw: int, weight_kg: float | None = None) -> Person:
    """Person ``draw`` of ``seed``: the same in every preview, whatever else is drawn."""
    kinetics = {drug: kinetics_of(drug, seed, draw) for drug in drugs}
    effects = {drug: draw_effect(k, seed, draw) for drug, k in kinetics.items() if drug in effect_drugs()}
    known = {} if weight_kg is None else {"weight_kg": weight_kg}
    return Person(person(seed, draw, known), kinetics, effects)


@dataclass(frozen=True, eq=False, slots=True)
class Looking:
    """What is read: where, when (``window``), of which modelled drugs, with how many cells along the canal.

    ``bolus_ml`` are the volumes of the groups of boluses that every giving is made for.
    """

    tip_level: str
    sites: tuple[Site, ...]
    window: Window
    drugs: tuple[str, ...]
    bolus_ml: tuple[float, ...]
    cells: int

    def rows(self) -> tuple[tuple[Site, str | None], ...]:
        """What each row of readings is of; an effect is left out where no drug has a model for it."""
        alone = [(site, drug) for site in self.sites if is_concentration(site) for drug in self.drugs]
        drives = [(site, drug) for site in self.sites if is_drive(site) for drug in self.acting(site)]
        together = [(site, None) for site in self.sites if is_effect(site) and self.acting(site)]
        return (*alone, *drives, *together)

    def acting(self, site: Site) -> tuple[str, ...]:
        """The drugs that have a model for an effect or a drive."""
        known = effect_drugs(endpoint_of(site))
        return tuple(drug for drug in self.drugs if drug in known)


def endpoint_of(site: Site) -> Endpoint:
    """What an effect or a drive is of; relief is that of the cord alone."""
    return Endpoint.SPINAL if site.kind in {SiteKind.ANALGESIA, SiteKind.SPINAL_DRIVE} else Endpoint.WARNING_INDEX


# One drug ---------------------------------------------------------------------------------------------------------


TOLERANCE = 1e-7
BAND_TOLERANCE = 1e-5
"""Persons of a band and pictures need fewer digits than the central line."""


class Body:
    """One drug in one person: its system, reduced once for any number of givings."""

    def __init__(self, drug: str, person: Person, looking: Looking, tolerance: float = TOLERANCE) -> None:
        canal_cm = person.physiology.canal_cm
        self._looking, self._tolerance = looking, tolerance
        self.neuraxis = build(
            person.physiology,
            person.kinetics[drug],
            level(looking.tip_level).at_cm(canal_cm),
            bolus_ml=looking.bolus_ml,
            cells=looking.cells,
            effects=_lags(drug, person, looking),
        )
        places = {s.key: place_of(s, canal_cm) for s in looking.sites if is_concentration(s)}
        lags = {lag.name: (lag.name, 0.0) for lag in self.neuraxis.system.lags}
        self.channels = channels(self.neuraxis, {**places, **lags})
        self._reduced: Reduced | None = None

    def course(self, given: Given) -> Course:
        """The readings of a giving at the times of the window."""
        return self.run(given.dosing, self._looking.window.at_s)

    def run(self, dosing: Dosing, at_s: FloatArray) -> Course:
        """The readings of a dosing: by the reduced engine, or by stepping where that cannot show its error."""
        system = self.neuraxis.system
        try:
            if self._reduced is None:
                self._reduced = Reduced(system, self.channels, tolerance=self._tolerance)
            return self._reduced.run(dosing, at_s)
        except UntrustedError as error:
            if error.doubt is not Doubt.LOST_DIGITS:
                raise
        return run(system, dosing, at_s, self.channels, engine=Engine.STEPPING, tolerance=self._tolerance)

    def fluid(self, given: Given, at_s: FloatArray) -> FloatArray:
        """The fluid of every cell at some times (times, cells)."""
        cells = channels(self.neuraxis, {f"{x:g}": ("csf", float(x)) for x in self.neuraxis.x_cm})
        system = self.neuraxis.system
        try:
            return Reduced(system, cells, tolerance=BAND_TOLERANCE).run(given.dosing, at_s).values.T
        except UntrustedError as error:
            if error.doubt is not Doubt.LOST_DIGITS:
                raise
        return run(system, given.dosing, at_s, cells, engine=Engine.STEPPING, tolerance=BAND_TOLERANCE).values.T

    def ripple(self, given: Given, course: Course) -> FloatArray:
        """The most that giving strokes evenly can move a reading, as a share of the greatest of its channel: one number
        for each channel of the course.

        The answer to one ng rises and then falls: what is early or late moves a reading by at most the peak of it; what
        lies long before, by at most what is left of it by then.
        """
        if not given.displaced_ng + given.displaced_before_ng:
            return np.zeros(len(course.names))
        groups = len(self._looking.bolus_ml)
        one = np.zeros((groups, 1))
        one[0] = 1.0
        at_s = np.concatenate(([0.0], np.geomspace(1.0, 30 * NEAR_S, 120)))
        answer = self.run(Dosing(np.zeros(1), np.zeros((groups, 1)), one), at_s).values
        moved = answer.max(axis=1) * given.displaced_ng
        moved += answer[:, at_s >= NEAR_S].max(axis=1) * given.displaced_before_ng
        greatest = np.abs(course.values).max(axis=1)
        return np.asarray(np.divide(moved, greatest, out=np.zeros_like(moved), where=greatest > 0))


def _lags(drug: str, person: Person, looking: Looking) -> tuple[EffectSite, ...]:
    if drug not in person.effects:
        return ()
    dermatomes = [s.level for s in looking.sites if s.kind is SiteKind.ANALGESIA and s.level is not None]
    return effect_sites(person.effects[drug], dermatomes, person.physiology)


# All drugs --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, slots=True)
class Read:
    """Rows (rows, T) as ``Looking.rows`` names them, and the greatest error in time of the runs behind them."""

    rows: FloatArray
    time_error: float


def read(
    person: Person, looking: Looking, givings: Sequence[Givings], tolerance: float = TOLERANCE
) -> tuple[Read, ...]:
    """What is read of each giving in one person."""
    courses: list[dict[str, Course]] = [{} for _ in givings]
    for drug in looking.drugs:
        body = Body(drug, person, looking, tolerance)
        for found, giving in zip(courses, givings, strict=True):
            found[drug] = body.course(giving[drug])
    return tuple(Read(table(person, looking, found), time_error(found)) for found in courses)


def readings(
    person: Person, looking: Looking, givings: Sequence[Givings], tolerance: float = TOLERANCE
) -> tuple[FloatArray, ...]:
    """For each giving the rows (rows, T) of ``looking.rows()`` in one person."""
    return tuple(found.rows for found in read(person, looking, givings, tolerance))


def time_error(courses: Mapping[str, Course]) -> float:
    """The greatest error in time of any drug's course; 0 without a drug."""
    return max((course.time_error for course in courses.values()), default=0.0)


def space_error(looking: Looking, rows: FloatArray, finer: FloatArray) -> float:
    """An estimate of the error of the grid that ``rows`` were read on, from the same on cells half as long.

    A share of the greatest value of a line, the worst of all lines that hold one drug; 0 without any.
    """
    alone = np.array([drug is not None for _, drug in looking.rows()], dtype=bool)
    return float(np.max(estimate(rows[alone], finer[alone]), initial=0.0))


def table(person: Person, looking: Looking, courses: Mapping[str, Course]) -> FloatArray:
    """The rows of one giving from the course of each drug."""
    rows = [_row(site, drug, person, looking, courses) for site, drug in looking.rows()]
    return np.array(rows).reshape(len(rows), looking.window.at_s.size)


def _row(site: Site, drug: str | None, person: Person, looking: Looking, courses: Mapping[str, Course]) -> FloatArray:
    if is_concentration(site):
        return courses[str(drug)].of(site.key)
    endpoint = endpoint_of(site)
    name = WARNING_SITE if endpoint is Endpoint.WARNING_INDEX else spinal_site(str(site.level))
    acting = looking.acting(site) if drug is None else (drug,)
    at_sites = {one: {name: courses[one].of(name)} for one in acting}
    if drug is not None:
        return times_ec50(at_sites, person.effects, endpoint, site.level)[drug]
    if endpoint is Endpoint.WARNING_INDEX:
        return warning_index(at_sites, person.effects)
    return analgesia(at_sites, person.effects, str(site.level))


def tip_row(given: Given, window: Window) -> FloatArray:
    """What leaves the tip, in mcg/h: the mean since the reading before."""
    at_s = np.concatenate(([window.from_s - window.step_s], window.at_s))
    steps_s = np.diff(at_s)
    upto = cumulated_ng(given.dosing, at_s)
    return np.asarray(np.diff(upto) / steps_s * 3.6)
