"""What a person and a drug can be: numbers in their shipped ranges, or at least numbers that can be at all.

Every neuraxis is built through this door. An animal or a tracer has numbers of its own, outside the ranges of people
and their drugs; whoever builds one says so, and only what nothing can be is then refused.
"""

from __future__ import annotations

import math
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING

from thecal.body.spine.kinetics import Kinetics, kinetics_parameters
from thecal.body.spine.physiology import Physiology, physiology_parameters
from thecal.body.transport.untrusted import Doubt, UntrustedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from thecal.body.spine.parameter import Parameter

FLOOR_CM2_PER_S = 1e-6  # ours: half of the slowest molecule here; the grid was not examined under it
# What may be nothing: rates that a drug can do without, motion, and parts that a body can lack.
_MAY_BE_0 = frozenset({
    "tissue_loss_per_min", "dura_cm_per_min", "epidural_loss_per_min", "fat_exchange_cm2_per_min", "k10_per_min",
    "k12_per_min", "k21_per_min", "k13_per_min", "k31_per_min", "brain_to_plasma", "cord_ml", "root_ml", "kappa",
    "stroke_ml", "stroke_exponent", "heart_per_min", "breath_stroke_ml", "breaths_per_min", "conus_share",
    "spinal_share",
})  # fmt: skip
_SHARES = ("conus_share", "spinal_share")


def check(physiology: Physiology, kinetics: Kinetics) -> None:
    """Refuse (UntrustedError) a number that is none, that is out of its range, or a dispersion under the floor."""
    possible(physiology, kinetics)
    for name, parameter in physiology_parameters().items():
        inside(name, getattr(physiology, name), parameter)
    for name, parameter in _known(kinetics.drug).items():
        inside(f"{kinetics.drug} {name}", getattr(kinetics, name), parameter)


def possible(physiology: Physiology, kinetics: Kinetics) -> None:
    """Refuse (UntrustedError) what no body and no drug can be, whatever its ranges."""
    numbers = (*_of_person(physiology), *_of_drug(kinetics))
    for name, number in zip((*_PERSON, *_DRUG), numbers, strict=True):
        if not math.isfinite(number):
            raise UntrustedError(Doubt.NOT_A_NUMBER, f"{name} {number}", "a finite number")
        if number < 0 or (number == 0 and name not in _MAY_BE_0):
            allowed = "a number from 0" if name in _MAY_BE_0 else "a number over 0"
            raise UntrustedError(Doubt.OUT_OF_RANGE, f"{name} {number:g}", allowed)
    for name in _SHARES:
        share = getattr(physiology, name)
        if not share < 1:
            raise UntrustedError(Doubt.OUT_OF_RANGE, f"{name} {share:g}", "a share from 0, under 1")
    if not kinetics.molecular_cm2_per_s >= FLOOR_CM2_PER_S:
        raise UntrustedError(
            Doubt.DISPERSION_FLOOR, f"{kinetics.molecular_cm2_per_s:g} cm2/s", f"{FLOOR_CM2_PER_S:g} cm2/s or more"
        )


def inside(name: str, number: float, parameter: Parameter) -> float:
    """The number, where it lies in the range of its parameter; UntrustedError names both otherwise."""
    if not math.isfinite(number):
        raise UntrustedError(Doubt.NOT_A_NUMBER, f"{name} {number}", "a finite number")
    if not parameter.low <= number <= parameter.high:
        raise UntrustedError(
            Doubt.OUT_OF_RANGE,
            f"{name} {number:g} {parameter.unit}",
            f"{parameter.low:g} to {parameter.high:g} {parameter.unit}",
        )
    return number


@cache
def _known(drug: str) -> Mapping[str, Parameter]:
    return kinetics_parameters(drug)


_PERSON = tuple(f.name for f in fields(Physiology))
_DRUG = tuple(f.name for f in fields(Kinetics) if f.name != "drug")
_of_person, _of_drug = attrgetter(*_PERSON), attrgetter(*_DRUG)
