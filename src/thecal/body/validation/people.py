"""The person and the drug of an arm: as shipped or drawn, then changed by name, in their ranges or with a reason."""

from __future__ import annotations

import math
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from thecal.body.spine.grid import dispersion_cm2_per_s
from thecal.body.spine.kinetics import kinetics_parameters
from thecal.body.spine.physiology import physiology_parameters
from thecal.body.spine.prior import check, kinetics_of, nominal_kinetics, nominal_physiology, person
from thecal.body.transport.untrusted import Doubt, UntrustedError
from thecal.body.validation.cases import ADULT, Change, Variant
from thecal.body.validation.units import BadAmountError, amount, unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from thecal.body.spine.kinetics import Kinetics
    from thecal.body.spine.parameter import Parameter
    from thecal.body.spine.physiology import Physiology
    from thecal.body.validation.cases import Arm, CaseFile

DISPERSION = "dispersion_at_tip"
_DISPERSION_UNIT = "cm2/s"


# Rates that a drug or tracer may do without.
_MAY_BE_0 = frozenset({
    "tissue_loss_per_min", "dura_cm_per_min", "epidural_loss_per_min", "fat_exchange_cm2_per_min", "stroke_exponent",
})  # fmt: skip


class Subject(NamedTuple):
    """A person, a drug, and the tip in cm from the end of the sac."""

    physiology: Physiology
    kinetics: Kinetics
    tip_cm: float


class Misfit(NamedTuple):
    """A change that cannot be made: its name, what was found, what is allowed."""

    name: str
    found: str
    allowed: str


def parameters_of(variant: Variant, *, drug: bool) -> Mapping[str, Parameter]:
    """The parameters that a variant may change."""
    return kinetics_parameters(variant.like or "") if drug else physiology_parameters()


def changes(variant: Variant, *, drug: bool) -> tuple[dict[str, float], list[Misfit]]:
    """Every change in the unit of its parameter, and what is wrong with the others."""
    known = parameters_of(variant, drug=drug)
    units = {name: parameter.unit for name, parameter in known.items()}
    if not drug:
        units[DISPERSION] = _DISPERSION_UNIT
    found, misfits = {}, []
    for name, change in variant.change.items():
        if name not in units:
            misfits.append(Misfit(name, "a parameter that is not known", ", ".join(units)))
            continue
        try:
            found[name] = _in_unit(change.value if isinstance(change, Change) else change, units[name])
        except BadAmountError as wrong:
            misfits.append(Misfit(name, wrong.found, wrong.allowed))
    return found, misfits


def _in_unit(value: str | float, name: str) -> float:
    """A number in a parameter's own unit, which its data file names."""
    meant = unit(name.removeprefix("1"))
    if isinstance(value, str):
        return amount(value, meant.dimension) / meant.factor
    if meant.dimension != unit("").dimension:
        raise BadAmountError(f"{value:g}, which has no unit", f"text with a unit such as {name!r}")
    return float(value)


def subject(file: CaseFile, arm: Arm, factors: Mapping[str, float] = MappingProxyType({})) -> Subject:
    """Who gets what drug where, in one arm. ``factors`` multiply parameters by name, for sensitivities.

    UntrustedError for a number out of its range, a place outside the canal, or a dispersion that cannot be had.
    """
    who = file.person.get(arm.person or ADULT, Variant())
    what = file.drug.get(arm.drug or "", Variant(like=arm.drug))
    body = nominal_physiology() if who.seed is None else person(who.seed, who.draw)
    named = what.like or ""
    drug = nominal_kinetics(named) if what.seed is None else kinetics_of(named, what.seed, what.draw)
    changed, _ = changes(who, drug=False)
    wanted = changed.pop(DISPERSION, None)
    body, drug = _changed(body, changed), _changed(drug, changes(what, drug=True)[0])
    tip_cm = arm.place.cm(body.canal_cm, 0.0)
    if wanted is not None:
        body = replace(body, kappa=_kappa(body, drug, tip_cm, wanted))
    body = _changed(body, {k: getattr(body, k) * f for k, f in factors.items() if k in physiology_parameters()})
    drug = _changed(drug, {k: getattr(drug, k) * f for k, f in factors.items() if k in kinetics_parameters(named)})
    _refuse(body, drug, who, what)
    return Subject(body, drug, tip_cm)


Owner = TypeVar("Owner", "Physiology", "Kinetics")


def _changed(owner: Owner, numbers: Mapping[str, float]) -> Owner:
    """The same with other numbers; a name that it does not have is a defect."""
    known: dict[str, Any] = dict(numbers)
    return replace(owner, **known)


def _kappa(body: Physiology, drug: Kinetics, tip_cm: float, wanted: float) -> float:
    """The scale of dispersion by pulsation that gives this dispersion at the tip."""
    molecular = drug.molecular_cm2_per_s
    by_pulse = float(dispersion_cm2_per_s(replace(body, kappa=1.0), molecular, np.array([tip_cm]))[0]) - molecular
    if wanted <= molecular or by_pulse <= 0:
        raise UntrustedError(Doubt.OUT_OF_RANGE, f"{DISPERSION} {wanted:g} cm2/s", f"more than {molecular:g} cm2/s")
    return (wanted - molecular) / by_pulse


def _refuse(body: Physiology, drug: Kinetics, who: Variant, what: Variant) -> None:
    """What ships is held to its ranges; what may leave them is still held to numbers that can be."""
    check(
        nominal_physiology() if who.outside_range else body,
        nominal_kinetics(drug.drug) if what.outside_range else drug,
    )
    for owner, parameters in ((body, physiology_parameters()), (drug, kinetics_parameters(drug.drug))):
        for name, parameter in parameters.items():
            number = getattr(owner, name)
            if not math.isfinite(number) or number < 0 or (number == 0 and parameter.low > 0 and name not in _MAY_BE_0):
                raise UntrustedError(
                    Doubt.OUT_OF_RANGE, f"{name} {number:g} {parameter.unit}", "a finite number over 0"
                )
