"""What the drugs in a person do together: pain relief at a dermatome, and a warning index that concerns breathing.

Each drug has its own linear system, with a lag for every site of effect. Here, and only here, the concentrations of
those lags become effects and drugs are combined. The warning index is not a prediction; nothing here is fit for
dosing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from thecal.body.spine.endpoint import Agent, Between, Combining, Curve, Within, bliss, greatest, loewe
from thecal.body.spine.levels import dermatome as standard_dermatome
from thecal.body.spine.levels import dermatome_cm
from thecal.body.spine.neuraxis import EffectSite
from thecal.body.spine.prior import share
from thecal.body.spine.response import PARAMETERS, Endpoint, Facts, Mechanism, Reference, Site, response, responses
from thecal.body.transport.tree import FloatArray
from thecal.body.transport.untrusted import Doubt, UntrustedError

if TYPE_CHECKING:
    from thecal.body.spine.kinetics import Kinetics
    from thecal.body.spine.parameter import Parameter
    from thecal.body.spine.physiology import Physiology

WARNING_WORDS = "a warning index, not a prediction"
SUPRASPINAL_SITE = "supraspinal effect"
WARNING_SITE = "warning index"

OURS = Combining()
"""Relief from the cord alone, without synergy: ``Combining`` says why."""

Concentrations = Mapping[str, Mapping[str, FloatArray]]  # drug, name of the site of effect
Sensitivity = Mapping[str, float | FloatArray]


@dataclass(frozen=True, slots=True)
class Target:
    """One site of effect of a drug: where it is, how fast it follows, how much plasma counts there, and the curve.

    ``plasma_factor`` is the concentration at the site over that in plasma, in equilibrium; ``curve`` is in ng/mL at
    the site.
    """

    site: Site
    ke0_per_min: float
    plasma_factor: float
    curve: Curve


@dataclass(frozen=True, slots=True)
class DrugEffect:
    """A drug's targets in one person; an endpoint that the drug has no model for is not among them."""

    drug: str
    mechanism: Mechanism
    targets: Mapping[Endpoint, Target]


def effect_drugs(endpoint: Endpoint | None = None) -> tuple[str, ...]:
    """The drugs that have an effect model: for this endpoint, or for any."""
    return tuple(d for d, r in responses().items() if (r.endpoints if endpoint is None else endpoint in r.endpoints))


def why_no_model(drug: str, endpoint: Endpoint) -> str | None:
    """Why a drug has no model for an endpoint, in words; None where it has one. UntrustedError for an unknown drug."""
    return response(drug).no_model.get(endpoint)


def nominal_effect(kinetics: Kinetics) -> DrugEffect:
    """The targets of a drug at its nominal numbers. UntrustedError NO_MODEL for a drug without any.

    Kinetics give what plasma, fluid and tissue have in common: at the brainstem, a concentration in plasma counts as
    ``brain_to_plasma`` of it in fluid (transport-science 3.5), and as ``tissue_partition`` times that in tissue.
    """
    return _effect(kinetics, lambda parameter, _: parameter.value)


def draw_effect(kinetics: Kinetics, seed: int, k: int) -> DrugEffect:
    """The targets of a drug in person ``k`` of ``seed``, whose kinetics these are.

    A parameter depends on (seed, k, its name) only. Drugs of one mechanism share the name, and so a person who is
    sensitive to one is sensitive to the others: our choice, so that a change of drug is compared within one person.
    """
    return _effect(kinetics, lambda parameter, name: parameter.quantile(share(seed, k, name)))


def effect_sites(
    effect: DrugEffect, dermatomes: Sequence[str], physiology: Physiology, *, supraspinal: bool = False
) -> tuple[EffectSite, ...]:
    """The lags that ``build`` needs for a drug: one for each dermatome, that of the warning index, and the supraspinal
    one where it is asked for.

    Their names are ``spinal_site(dermatome)``, ``SUPRASPINAL_SITE`` and ``WARNING_SITE``.
    """
    spinal = effect.targets.get(Endpoint.SPINAL)
    found = []
    if spinal is not None:
        canal, end = physiology.canal_cm, physiology.conus_share
        found += [_site(spinal_site(d), spinal, dermatome_cm(d, canal, end)) for d in dermatomes]
    above = ((Endpoint.SUPRASPINAL, SUPRASPINAL_SITE),) if supraspinal else ()
    for endpoint, name in (*above, (Endpoint.WARNING_INDEX, WARNING_SITE)):
        if endpoint in effect.targets:
            found.append(_site(name, effect.targets[endpoint], 0.0))
    return tuple(found)


def spinal_site(dermatome: str) -> str:
    """The name of the site of spinal analgesia at a dermatome, such as ``analgesia T10``."""
    return f"analgesia {standard_dermatome(dermatome).name}"


def analgesia(
    concentrations: Concentrations,
    effects: Mapping[str, DrugEffect],
    dermatome: str,
    *,
    combining: Combining = OURS,
    ec50_factor: Sensitivity | None = None,
) -> FloatArray:
    """Pain relief at a dermatome from all drugs together, from 0 to 1, in the shape of the concentrations.

    ``concentrations[drug][site]`` in ng/mL, as ``effect_sites`` names the sites; every drug needs a model for relief
    that counts (from the cord, and with ``combining.supraspinal`` from the cord or above), else UntrustedError
    NO_MODEL. ``ec50_factor`` is tolerance, off unless given: a factor on EC50 by drug, a number or an array over time.
    It stands outside the linear systems, and no source gives its size.
    """
    wanted = [(Endpoint.SPINAL, spinal_site(dermatome))]
    if combining.supraspinal:
        wanted.append((Endpoint.SUPRASPINAL, SUPRASPINAL_SITE))
    return _together(concentrations, effects, wanted, combining, ec50_factor or {})


def warning_index(
    concentrations: Concentrations,
    effects: Mapping[str, DrugEffect],
    *,
    combining: Combining = OURS,
    ec50_factor: Sensitivity | None = None,
) -> FloatArray:
    """A warning index that concerns breathing, from 0 to 1, in the shape of the concentrations; not a prediction.

    As ``analgesia``, of the site ``WARNING_SITE``. No source supports bands such as low or high, and there are none.
    """
    wanted = ((Endpoint.WARNING_INDEX, WARNING_SITE),)
    return _together(concentrations, effects, wanted, combining, ec50_factor or {})


def times_ec50(
    concentrations: Concentrations,
    effects: Mapping[str, DrugEffect],
    endpoint: Endpoint,
    dermatome: str | None = None,
) -> dict[str, FloatArray]:
    """How many times its EC50 each drug has at the site of one endpoint, from 0, in the shape of its concentration.

    Linear in the dose, so that it still tells two programs apart where the effect of both is nearly whole. Every drug
    needs a model for the endpoint, else UntrustedError NO_MODEL; ``Endpoint.SPINAL`` needs the dermatome, else SHAPE.
    """
    names = {Endpoint.SUPRASPINAL: SUPRASPINAL_SITE, Endpoint.WARNING_INDEX: WARNING_SITE}
    if endpoint is Endpoint.SPINAL:
        if dermatome is None:
            raise UntrustedError(Doubt.SHAPE, "spinal analgesia nowhere", "a dermatome")
        names[endpoint] = spinal_site(dermatome)
    wanted = ((endpoint, names[endpoint]),)
    found = {drug: _agents(at_sites, _known(effects, drug), wanted, 1.0) for drug, at_sites in concentrations.items()}
    return {drug: agents[endpoint].share for drug, agents in found.items()}


def _effect(kinetics: Kinetics, number: Callable[[Parameter, str], float]) -> DrugEffect:
    known = response(kinetics.drug)
    if not known.endpoints:
        reasons = "; ".join(sorted(set(known.no_model.values())))
        raise UntrustedError(Doubt.NO_MODEL, f"{kinetics.drug}: {reasons}", f"a drug of {', '.join(effect_drugs())}")
    targets = {}
    for endpoint, facts in known.endpoints.items():
        name = f"{known.mechanism.value} {endpoint.value}"
        targets[endpoint] = _target(kinetics, facts, {
            field: number(getattr(facts, field), f"{name} {field}") for field in PARAMETERS
        })  # fmt: skip
    return DrugEffect(kinetics.drug, known.mechanism, targets)


def _target(kinetics: Kinetics, facts: Facts, found: Mapping[str, float]) -> Target:
    fluid_to_site = 1.0 if facts.site is Site.FLUID else kinetics.tissue_partition
    plasma_to_site = kinetics.brain_to_plasma * fluid_to_site
    to_site = plasma_to_site if facts.reference is Reference.PLASMA else fluid_to_site
    return Target(
        facts.site,
        math.log(2) / found["ke0_half_time_min"],
        plasma_to_site if facts.site is Site.BRAINSTEM else 0.0,
        Curve(found["ec50_ng_per_ml"] * to_site, found["gamma"], found["emax"]),
    )


def _site(name: str, target: Target, at_cm: float) -> EffectSite:
    return EffectSite(name, target.site.value, at_cm, target.ke0_per_min, target.plasma_factor)


def _known(effects: Mapping[str, DrugEffect], drug: str) -> DrugEffect:
    if drug not in effects:
        raise UntrustedError(Doubt.NO_MODEL, repr(drug), f"a drug with an effect model here: {', '.join(effects)}")
    return effects[drug]


def _agents(
    concentrations: Mapping[str, FloatArray],
    effect: DrugEffect,
    wanted: Sequence[tuple[Endpoint, str]],
    ec50_factor: float | FloatArray,
) -> dict[Endpoint, Agent]:
    """The agent of one drug at each of the endpoints that it has."""
    if np.any(~np.isfinite(ec50_factor)) or np.any(np.asarray(ec50_factor) <= 0):
        raise UntrustedError(Doubt.OUT_OF_RANGE, f"a factor on the EC50 of {effect.drug}", "finite factors over 0")
    found = {}
    for endpoint, name in wanted:
        if endpoint not in effect.targets:
            continue
        if name not in concentrations:
            raise UntrustedError(
                Doubt.SHAPE, f"{effect.drug} at {', '.join(concentrations)}", f"a concentration at {name}"
            )
        curve = effect.targets[endpoint].curve
        found[endpoint] = Agent(curve.share(concentrations[name]) / ec50_factor, curve)
    if not found:
        endpoints = " or ".join(endpoint.value for endpoint, _ in wanted)
        raise UntrustedError(Doubt.NO_MODEL, f"{effect.drug} for {endpoints}", f"one of {', '.join(effect.targets)}")
    return found


def _together(
    concentrations: Concentrations,
    effects: Mapping[str, DrugEffect],
    wanted: Sequence[tuple[Endpoint, str]],
    combining: Combining,
    ec50_factor: Sensitivity,
) -> FloatArray:
    """The effect of all drugs: within each mechanism, then between mechanisms."""
    groups = _groups(concentrations, effects, wanted, ec50_factor).values()
    each = [_of_mechanism(group, combining) for group in groups]
    return bliss(each) if combining.between is Between.BLISS else greatest(each)


def _groups(
    concentrations: Concentrations,
    effects: Mapping[str, DrugEffect],
    wanted: Sequence[tuple[Endpoint, str]],
    ec50_factor: Sensitivity,
) -> dict[Mechanism, list[Mapping[Endpoint, Agent]]]:
    """The agents of every drug by mechanism, in one order, so that the last digit does not depend on that of drugs."""
    if not concentrations:
        raise UntrustedError(Doubt.SHAPE, "no drug", "the concentrations of one or more drugs")
    groups: dict[Mechanism, list[Mapping[Endpoint, Agent]]] = {}
    for drug in sorted(concentrations):
        effect = _known(effects, drug)
        found = _agents(concentrations[drug], effect, wanted, ec50_factor.get(drug, 1.0))
        groups.setdefault(effect.mechanism, []).append(found)
    return groups


def _of_mechanism(group: Sequence[Mapping[Endpoint, Agent]], combining: Combining) -> FloatArray:
    if combining.within is Within.BLISS:
        return bliss([loewe(_with_synergy([drug], combining.synergy)) for drug in group])
    return loewe(_with_synergy(group, combining.synergy))


def _with_synergy(group: Sequence[Mapping[Endpoint, Agent]], synergy: float) -> list[Agent]:
    """All agents of a group, and one more for what its spinal and supraspinal ones do beyond their sum."""
    plain = [agent for drug in group for agent in drug.values()]
    spinal = [drug[Endpoint.SPINAL] for drug in group if Endpoint.SPINAL in drug]
    above = [drug[Endpoint.SUPRASPINAL] for drug in group if Endpoint.SUPRASPINAL in drug]
    if not (synergy and spinal and above):
        return plain
    both = np.sqrt(sum(agent.share for agent in spinal) * sum(agent.share for agent in above))
    gamma = math.exp(sum(math.log(agent.curve.gamma) for agent in plain) / len(plain))
    return [*plain, Agent(synergy * np.asarray(both), Curve(1.0, gamma, plain[0].curve.emax))]
