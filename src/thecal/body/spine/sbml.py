"""A system with its dosing as SBML Level 3 Version 2, so that other programs can run it.

Species are amounts in ng, volumes are in mL, time is in s, and every number carries its unit. Time 0 of the file is the
first instant of the dosing. Not a medical device: each file says so. Needs libsbml, which ``thecal[sbml]`` brings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from thecal.body.spine.levels import label
from thecal.body.transport.system import PLASMA
from thecal.body.transport.untrusted import Doubt, UntrustedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import ModuleType

    from thecal.body.spine.neuraxis import Neuraxis
    from thecal.body.transport.dosing import Dosing
    from thecal.body.transport.system import Channels, Lag, System
    from thecal.body.transport.tree import FloatArray

NOTICE = (
    "Not a medical device. A model for teaching and research: its figures are no advice on the dose or the care of "
    "any person."
)
MOST_INSTANTS = 20_000
LEAST = 1e-300  # below the least normal double, readers take a number for text: what is smaller is written as nothing
INSTALL = "pip install 'thecal[sbml]'"
_XHTML = "http://www.w3.org/1999/xhtml"
_BLOOD = (
    ("plasma_central", "plasma, central compartment"),
    ("plasma_second", "plasma, second compartment"),
    ("plasma_third", "plasma, third compartment"),
)


@dataclass(frozen=True, slots=True)
class Pool:
    """What a pool of a tree is called in the file: an identifier, words for people, and its volume where it has one."""

    key: str
    label: str
    volume_ml: float | None = None


def of_system(
    system: System,
    dosing: Dosing,
    channels: Channels | None = None,
    *,
    pools: Sequence[Pool] | None = None,
    title: str = "A linear system of pools, plasma and lags",
    state: FloatArray | None = None,
) -> str:
    """The text of an SBML file: the system from ``state`` (n + 3 + lags; nothing anywhere where None) under a dosing.

    ``channels`` become readings in ng/mL (weights in 1/mL for amounts). UntrustedError where shapes do not fit or
    instants are more than ``MOST_INSTANTS``; ModuleNotFoundError where libsbml is missing.
    """
    named = [Pool(f"pool_{n + 1:04}", f"pool {n + 1}") for n in range(system.tree.size)] if pools is None else pools
    _check(system, dosing, channels, named, state)
    begun = np.zeros(system.size) if state is None else state
    return _Writer(library(), system, list(named), title).text(dosing, channels, begun)


def of_neuraxis(
    neuraxis: Neuraxis,
    dosing: Dosing,
    channels: Channels | None = None,
    *,
    title: str | None = None,
    state: FloatArray | None = None,
) -> str:
    """The same for a whole neuraxis, its pools named by place and level; doubts as in ``of_system``."""
    said = f"{neuraxis.kinetics.drug} along the neuraxis, tip {neuraxis.tip_cm:g} cm from the end of the sac"
    return of_system(
        neuraxis.system, dosing, channels, pools=places(neuraxis), title=said if title is None else title, state=state
    )


def places(neuraxis: Neuraxis) -> list[Pool]:
    """The pools of a neuraxis by name: ``csf_050`` is the fluid of the 50th cell from the end of the sac."""
    canal_cm, laid = neuraxis.physiology.canal_cm, neuraxis.layout
    words = {
        laid.brainstem: ("brainstem", "brainstem"),
        laid.cistern: ("cistern", "cistern"),
        laid.cortex: ("cortex", "cortex"),
        laid.cortical: ("cortical", "fluid around the cortex"),
    }
    rows = {"csf": laid.fluid, "tissue": laid.tissue, "epidural": laid.epidural, "fat": laid.fat}
    levels = [(at_cm, label(at_cm, canal_cm)) for at_cm in map(float, neuraxis.x_cm)]
    for place, numbers in rows.items():
        said = "CSF" if place == "csf" else place
        for cell, (pool, (at_cm, level)) in enumerate(zip(numbers, levels, strict=False), start=1):
            words[int(pool)] = f"{place}_{cell:03}", f"{said} at {level}, {at_cm:.2f} cm from the end of the sac"
    return [Pool(*words[n], float(ml)) for n, ml in enumerate(neuraxis.volume_ml)]


def problems(text: str) -> tuple[str, ...]:
    """What libsbml's checks (identifiers, units, consistency, practice) find in a file; nothing where all is well."""
    lib = library()
    document = lib.readSBMLFromString(text)
    document.checkConsistency()
    found = (document.getError(n) for n in range(document.getNumErrors()))
    return tuple(f"line {e.getLine()}: {e.getShortMessage()}: {e.getMessage().strip()}" for e in found)


def library() -> ModuleType:
    """The module libsbml; ModuleNotFoundError that says how to install it where it is missing."""
    try:
        import libsbml  # noqa: PLC0415 -- an extra that few need
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            f"python-libsbml is not installed; it comes with: {INSTALL}", name="libsbml"
        ) from None
    module: ModuleType = libsbml
    return module


def _plain(value: float) -> float:
    """A number that every reader takes for one."""
    return float(value) if abs(value) >= LEAST else 0.0


def _check(
    system: System, dosing: Dosing, channels: Channels | None, pools: Sequence[Pool], state: FloatArray | None
) -> None:
    rows, instants = dosing.rate_ng_per_s.shape
    if rows != system.inputs.shape[1]:
        raise UntrustedError(Doubt.SHAPE, f"a dosing of {rows} inputs", f"{system.inputs.shape[1]}, as the system has")
    if instants > MOST_INSTANTS:
        raise UntrustedError(Doubt.TIME, f"{instants} instants of dosing", f"up to {MOST_INSTANTS} events in a file")
    if channels is not None and channels.weights.shape[1] != system.size:
        raise UntrustedError(Doubt.SHAPE, f"weights {channels.weights.shape}", f"{system.size} for each reading")
    if len(pools) != system.tree.size:
        raise UntrustedError(Doubt.SHAPE, f"{len(pools)} names", f"one for each of {system.tree.size} pools")
    if state is not None and not (state.shape == (system.size,) and np.all(np.isfinite(state))):
        raise UntrustedError(Doubt.SHAPE, f"a state of shape {state.shape}", f"({system.size},), finite")


class _Writer:
    """Builds one document; every part is made through ``_named``, so that each has an identifier and words."""

    def __init__(self, lib: Any, system: System, pools: list[Pool], title: str) -> None:
        self.lib = lib
        self.system = system
        self.pools = pools
        self.used: set[str] = set()
        self.again: dict[str, int] = {}
        self.document = lib.SBMLDocument(3, 2)
        self.model = self.document.createModel()
        self.model.setId("thecal_spine")
        self.model.setName(title)
        self.keys = [self._key(p.key) for p in pools] + [self._key(key) for key, _ in _BLOOD]
        self.keys += [self._key(f"effect_{lag.name}") for lag in system.lags]

    def text(self, dosing: Dosing, channels: Channels | None, state: FloatArray) -> str:
        begin_s = float(dosing.t_s[0])
        said = f"{NOTICE} Time 0 is {begin_s!r} s of the dosing that was exported."
        self.model.setNotes(f'<body xmlns="{_XHTML}"><p>{said}</p></body>')
        self._units()
        self._pools(state + np.concatenate((self.system.inputs @ dosing.mass_ng[:, 0], np.zeros(state.size - self.n))))
        self._tree()
        self._plasma()
        for row, lag in enumerate(self.system.lags, start=self.n + PLASMA):
            self._lag(lag, self.keys[row], float(state[row]))
        rates = self._inputs(dosing.rate_ng_per_s[:, 0])
        self._events(dosing, rates)
        if channels is not None:
            for name, weights in zip(channels.names, channels.weights, strict=True):
                self._sum(self._key(f"read_{name}"), name, weights)
        return str(self.lib.writeSBMLToString(self.document))

    @property
    def n(self) -> int:
        return self.system.tree.size

    def _key(self, wanted: str) -> str:
        """An identifier that no other part has."""
        base = re.sub(r"\W", "_", wanted, flags=re.ASCII)
        base = base if re.match(r"[A-Za-z_]", base) else f"_{base}"
        key = base
        while key in self.used:
            self.again[base] = self.again.get(base, 1) + 1
            key = f"{base}_{self.again[base]}"
        self.used.add(key)
        return key

    def _units(self) -> None:
        gram, liter, second = self.lib.UNIT_KIND_GRAM, self.lib.UNIT_KIND_LITRE, self.lib.UNIT_KIND_SECOND
        kinds = {
            "ng": ((gram, 1, -9),),
            "mL": ((liter, 1, -3),),
            "per_s": ((second, -1, 0),),
            "per_mL": ((liter, -1, -3),),
            "ng_per_s": ((gram, 1, -9), (second, -1, 0)),
            "ng_per_mL": ((gram, 1, -9), (liter, -1, -3)),
        }
        for key, parts in kinds.items():
            definition = self.model.createUnitDefinition()
            definition.setId(key)
            self.used.add(key)
            for kind, exponent, scale in parts:
                unit = definition.createUnit()
                unit.setKind(kind)
                unit.setExponent(exponent)
                unit.setScale(scale)
                unit.setMultiplier(1.0)
        self.model.setSubstanceUnits("ng")
        self.model.setExtentUnits("ng")
        self.model.setVolumeUnits("mL")
        self.model.setTimeUnits("second")

    def _named(self, part: Any, key: str, label: str) -> Any:
        part.setId(key)
        part.setName(label)
        return part

    def _formula(self, text: str) -> Any:
        tree = self.lib.parseL3Formula(text)
        if tree is None:
            raise AssertionError(f"a formula that libsbml cannot read: {text}: {self.lib.getLastParseL3Error()}")
        return tree

    def _parameter(self, key: str, label: str, unit: str, value: float | None = None, *, constant: bool = True) -> str:
        parameter = self._named(self.model.createParameter(), key, label)
        parameter.setUnits(unit)
        parameter.setConstant(constant)
        if value is not None:
            parameter.setValue(_plain(value))
        return key

    def _pools(self, amount_ng: FloatArray) -> None:
        """A compartment of its own for every pool that has a volume; the others share one that stands for none."""
        shared: str | None = None
        plasma = self._compartment("volume_plasma", "plasma, central", self.system.plasma.v1_ml)
        for n, pool in enumerate(self.pools):
            if pool.volume_ml is not None:
                place = self._compartment(f"volume_{pool.key}", pool.label, pool.volume_ml)
            else:
                shared = shared or self._compartment("volume_unknown", "holds amounts whose volume is not in use", 1.0)
                place = shared
            self._species(self.keys[n], pool.label, place, float(amount_ng[n]))
        for n, (_, words) in enumerate(_BLOOD, start=self.n):
            self._species(self.keys[n], words, plasma, float(amount_ng[n]))

    def _compartment(self, wanted: str, label: str, volume_ml: float) -> str:
        key = self._key(wanted)
        compartment = self._named(self.model.createCompartment(), key, label)
        compartment.setSpatialDimensions(3)
        compartment.setSize(volume_ml)
        compartment.setUnits("mL")
        compartment.setConstant(True)
        return key

    def _species(self, key: str, label: str, compartment: str, amount_ng: float) -> None:
        species = self._named(self.model.createSpecies(), key, label)
        species.setCompartment(compartment)
        species.setSubstanceUnits("ng")
        species.setInitialAmount(_plain(amount_ng))
        species.setHasOnlySubstanceUnits(True)
        species.setBoundaryCondition(False)
        species.setConstant(False)

    def _tree(self) -> None:
        tree = self.system.tree
        central = self.n
        for n in range(self.n):
            if n < self.n - 1:
                self._exchange(n, int(tree.parent[n]), float(tree.up_per_s[n]), float(tree.down_per_s[n]))
            to_plasma = float(tree.to_plasma_per_s[n])
            self._exchange(n, central, to_plasma, 0.0)
            self._exchange(n, None, float(tree.loss_per_s[n]) - to_plasma, 0.0)

    def _plasma(self) -> None:
        plasma, central = self.system.plasma, self.n
        self._exchange(central, central + 1, plasma.k12_per_s, plasma.k21_per_s)
        self._exchange(central, central + 2, plasma.k13_per_s, plasma.k31_per_s)
        self._exchange(central, None, plasma.k10_per_s, 0.0)

    def _label(self, n: int | None) -> str:
        if n is None:
            return "out of the body"
        return self.pools[n].label if n < self.n else _BLOOD[n - self.n][1]

    def _exchange(self, one: int, other: int | None, out_per_s: float, back_per_s: float) -> None:
        """Mass action between two species, or from one out of the model."""
        terms = []
        there = "out" if other is None else self.keys[other]
        for rate, a, b in ((out_per_s, one, other), (back_per_s, other, one)):
            if rate >= LEAST and a is not None:
                key = self._key(f"k_{self.keys[a]}_to_{there if a == one else self.keys[one]}")
                self._parameter(key, f"{self._label(a)} to {self._label(b)}", "per_s", rate)
                terms.append((a, b, f"{key} * {self.keys[a]}"))
        if not terms:
            return
        reaction = self._named(
            self.model.createReaction(),
            self._key(f"move_{self.keys[one]}_{there}"),
            f"{self._label(one)} and {self._label(other)}",
        )
        reaction.setReversible(len(terms) == 2)
        source, target, _ = terms[0]
        self._reference(reaction.createReactant(), source, 1.0)
        if target is not None:
            self._reference(reaction.createProduct(), target, 1.0)
        reaction.createKineticLaw().setMath(self._formula(" - ".join(term for _, _, term in terms)))

    def _reference(self, reference: Any, n: int, share: float) -> None:
        reference.setSpecies(self.keys[n])
        reference.setStoichiometry(share)
        reference.setConstant(True)

    def _lag(self, lag: Lag, key: str, begun: float) -> None:
        plasma = np.zeros(PLASMA + len(self.system.lags))
        plasma[0] = lag.plasma_weight
        site = self._sum(self._key(f"site_{lag.name}"), f"site of {lag.name}", np.concatenate((lag.weights, plasma)))
        ke0 = self._parameter(self._key(f"ke0_{lag.name}"), f"ke0 of {lag.name}", "per_s", lag.ke0_per_s)
        self._parameter(key, f"effect compartment: {lag.name}", "ng_per_mL", begun, constant=False)
        rule = self.model.createRateRule()
        rule.setVariable(key)
        rule.setMath(self._formula(f"{ke0} * ({site} - {key})"))

    def _sum(self, key: str, label: str, weights: FloatArray) -> str:
        """A concentration that is a weighted sum of the state."""
        self._parameter(key, label, "ng_per_mL", constant=False)
        amounts = self.n + PLASMA
        units = ("per_mL" if n < amounts else "dimensionless" for n in range(weights.size))
        parts = zip(weights, units, self.keys, strict=True)
        terms = [f"({_plain(w)!r} {unit}) * {name}" for w, unit, name in parts if _plain(w)]
        rule = self.model.createAssignmentRule()
        rule.setVariable(key)
        rule.setMath(self._formula(" + ".join(terms) or "0 ng_per_mL"))
        return key

    def _inputs(self, rate_ng_per_s: FloatArray) -> list[str]:
        """A reaction for each input, at a rate that events change; its products are the shares of each pool."""
        keys = []
        for number, rate in enumerate(rate_ng_per_s, start=1):
            key = self._key(f"rate_{number}")
            self._parameter(key, f"given through input {number}", "ng_per_s", float(rate), constant=False)
            reaction = self._named(
                self.model.createReaction(), self._key(f"give_{number}"), f"what is given through input {number}"
            )
            reaction.setReversible(False)
            shares = self.system.inputs[:, number - 1]
            for n in np.flatnonzero(shares >= LEAST):
                self._reference(reaction.createProduct(), int(n), float(shares[n]))
            reaction.createKineticLaw().setMath(self._formula(key))
            keys.append(key)
        return keys

    def _events(self, dosing: Dosing, rates: list[str]) -> None:
        steps = pairwise(range(dosing.t_s.size))
        for before, now in steps:
            changed = np.flatnonzero(dosing.rate_ng_per_s[:, now] != dosing.rate_ng_per_s[:, before])
            changes = [(rates[i], f"{_plain(dosing.rate_ng_per_s[i, now])!r} ng_per_s") for i in changed]
            mass = self.system.inputs @ dosing.mass_ng[:, now]
            changes += [
                (self.keys[n], f"{self.keys[n]} + ({float(mass[n])!r} ng)")
                for n in np.flatnonzero(np.abs(mass) >= LEAST)
            ]
            if changes:
                self._event(float(dosing.t_s[now] - dosing.t_s[0]), changes)

    def _event(self, at_s: float, changes: Iterable[tuple[str, str]]) -> None:
        event = self._named(self.model.createEvent(), self._key("change"), f"at {at_s!r} s")
        event.setUseValuesFromTriggerTime(True)
        trigger = event.createTrigger()
        trigger.setInitialValue(False)
        trigger.setPersistent(True)
        trigger.setMath(self._formula(f"time >= {at_s!r} second"))
        for variable, value in changes:
            assignment = event.createEventAssignment()
            assignment.setVariable(variable)
            assignment.setMath(self._formula(value))
