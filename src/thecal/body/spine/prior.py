"""What is believed of people and drugs: the shipped values, seeded draws from their distributions, and what is refused.

A draw is a function of the seed, its number and the name of the parameter, and of nothing else: not of how many draws
are made, nor of the order, nor of the drug where the parameter is of the person. So current and proposed pair.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from thecal.body.spine.kinetics import Kinetics, kinetics_parameters, modelled_drugs
from thecal.body.spine.physiology import Physiology, physiology_parameters
from thecal.body.spine.trust import check, inside
from thecal.body.transport.untrusted import Doubt, UntrustedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from thecal.body.spine.parameter import Parameter

__all__ = [
    "check",
    "draws",
    "kinetics_of",
    "modelled_drugs",
    "nominal_kinetics",
    "nominal_physiology",
    "person",
    "share",
]

_BITS = 52  # with the half that is added, all that a float holds: the share is never 1


def nominal_physiology(weight_kg: float | None = None) -> Physiology:
    """The shipped person: every parameter at its value, and the weight where one is given."""
    found = {name: parameter.value for name, parameter in physiology_parameters().items()}
    if weight_kg is not None:
        found["weight_kg"] = inside("weight_kg", weight_kg, physiology_parameters()["weight_kg"])
    return Physiology(**found)


def nominal_kinetics(drug: str) -> Kinetics:
    """The shipped drug: every parameter at its value. UntrustedError (no model) names the drugs that have one."""
    return Kinetics(drug=drug, **{name: parameter.value for name, parameter in kinetics_parameters(drug).items()})


def person(seed: int, draw: int, known: Mapping[str, float] | None = None) -> Physiology:
    """One drawn person; what is ``known`` (by field, within its range) is taken as it is."""
    parameters = physiology_parameters()
    fixed = known or {}
    unknown = sorted(set(fixed) - set(parameters))
    if unknown:
        raise UntrustedError(Doubt.OUT_OF_RANGE, f"{', '.join(unknown)}", f"among {', '.join(parameters)}")
    return Physiology(**{
        name: inside(name, fixed[name], parameter) if name in fixed else _drawn(seed, draw, name, parameter)
        for name, parameter in parameters.items()
    })  # fmt: skip


def kinetics_of(drug: str, seed: int, draw: int) -> Kinetics:
    """One drawn set of a drug's numbers."""
    drawn = {
        name: _drawn(seed, draw, f"{drug}.{name}", parameter) for name, parameter in kinetics_parameters(drug).items()
    }
    return Kinetics(drug=drug, **drawn)


def draws(
    drug: str,
    count: int,
    seed: int,
    weight_kg: float | None = None,
    *,
    known: Mapping[str, float] | None = None,
    first: int = 0,
) -> Iterator[tuple[Physiology, Kinetics]]:
    """``count`` people with their drug, from draw ``first`` on; the weight is drawn too where none is given."""
    fixed = dict(known or {})
    if weight_kg is not None:
        fixed["weight_kg"] = weight_kg
    kinetics_parameters(drug)
    return ((person(seed, draw, fixed), kinetics_of(drug, seed, draw)) for draw in range(first, first + count))


def share(seed: int, draw: int, name: str) -> float:
    """Where a draw lies in the spread of what is named: over 0, under 1, and the same for the same three."""
    digest = hashlib.blake2b(f"{seed}/{draw}/{name}".encode(), digest_size=8).digest()
    return ((int.from_bytes(digest, "big") >> (64 - _BITS)) + 0.5) / (1 << _BITS)


def _drawn(seed: int, draw: int, name: str, parameter: Parameter) -> float:
    return parameter.quantile(share(seed, draw, name))
