"""One drug's numbers between the fluid, tissue, fat, blood and the brain.

Each field's value, range, distribution, source and whether it was verified stand in ``kinetics/<drug>.toml``. What a
concentration then does is not here: see the effect data.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from thecal.body.spine.parameter import DataFileError, Parameter, read_parameters, read_toml
from thecal.body.transport.untrusted import Doubt, UntrustedError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinetics:
    """A drug. Partitions are tissue over fluid at equilibrium; half-times in min; rates in 1/min; volumes per kg.

    ``tissue_exchange_min`` is the half-time with which cord tissue comes into equilibrium with fluid that does not
    change. ``dura_cm_per_min`` is the permeability of the dura, ``fat_exchange_cm2_per_min`` the conductance between
    the epidural space and fat on each cm of canal. ``brain_to_plasma`` is the share of a plasma concentration that the
    brain sees, for effects stated in plasma.
    """

    drug: str
    molecular_cm2_per_s: float
    tissue_partition: float
    tissue_exchange_min: float
    tissue_loss_per_min: float
    dura_cm_per_min: float
    epidural_partition: float
    epidural_loss_per_min: float
    fat_partition: float
    fat_exchange_cm2_per_min: float
    v1_ml_per_kg: float
    k10_per_min: float
    k12_per_min: float
    k21_per_min: float
    k13_per_min: float
    k31_per_min: float
    brain_to_plasma: float


def read_kinetics(text: str, drug: str) -> Mapping[str, Parameter]:
    """The parameters of a drug by field. DataFileError for anything missing, unknown or wrong."""
    file = f"kinetics/{drug}.toml"
    tables = read_toml(text, file)
    named = tables.pop("drug", None)
    if named != drug:
        raise DataFileError(f"{file}: drug: found {named!r}; allowed: {drug!r}, as the file is named")
    return read_parameters(tables, (f.name for f in fields(Kinetics) if f.name != "drug"), file)


@cache
def modelled_drugs() -> tuple[str, ...]:
    """The drugs that have kinetics, by their names in the formulary, in alphabetical order."""
    folder = resources.files(__package__).joinpath("kinetics")
    return tuple(sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")))


@cache
def kinetics_parameters(drug: str) -> Mapping[str, Parameter]:
    """Every shipped parameter of a drug. UntrustedError (no model) for another drug, naming those that have one."""
    if drug not in modelled_drugs():
        raise UntrustedError(Doubt.NO_MODEL, repr(drug), f"a drug with kinetics: {', '.join(modelled_drugs())}")
    folder = resources.files(__package__).joinpath("kinetics")
    return read_kinetics(folder.joinpath(f"{drug}.toml").read_text(encoding="utf-8"), drug)
