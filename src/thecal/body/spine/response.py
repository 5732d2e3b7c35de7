"""What is known of a drug's effect: EC50, steepness, delay and greatest effect, each with range, spread and source.

One file for each drug stands in ``effects/``. An endpoint for which no number was found says why and has no model.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from thecal.body.spine.parameter import DataFileError, Parameter, read_parameters, read_toml
from thecal.body.transport.untrusted import Doubt, UntrustedError

if TYPE_CHECKING:
    from collections.abc import Mapping

Choice = TypeVar("Choice", bound=StrEnum)


class Mechanism(StrEnum):
    """Drugs of one mechanism can stand in for each other."""

    OPIOID = "opioid"
    ALPHA2 = "alpha-2 agonist"
    SODIUM_CHANNEL = "sodium channel"
    GABA_B = "GABA-B agonist"
    CALCIUM_CHANNEL = "N-type calcium channel"


class Endpoint(StrEnum):
    """What an effect is of. The warning index concerns breathing: a number from 0 to 1, not a prediction."""

    SPINAL = "spinal analgesia"
    SUPRASPINAL = "supraspinal analgesia"
    WARNING_INDEX = "warning index"

    @property
    def key(self) -> str:
        """The name of its table in a file."""
        return self.value.replace(" ", "_")


class Site(StrEnum):
    """Where a drug acts, by the names of ``Neuraxis.reading``."""

    FLUID = "csf"
    TISSUE = "tissue"
    BRAINSTEM = "brainstem"


class Reference(StrEnum):
    """Where an EC50 was measured: in plasma, or in spinal fluid (for tissue: in fluid in equilibrium with it)."""

    PLASMA = "plasma"
    FLUID = "fluid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of one endpoint of a drug. The parameters' names are those of a file."""

    site: Site
    reference: Reference
    ec50_ng_per_ml: Parameter
    gamma: Parameter
    emax: Parameter
    ke0_half_time_min: Parameter


@dataclass(frozen=True, slots=True)
class Response:
    """A drug's mechanism and endpoints; ``no_model`` says for each endpoint that has none why it has none."""

    drug: str
    mechanism: Mechanism
    endpoints: Mapping[Endpoint, Facts]
    no_model: Mapping[Endpoint, str]


PARAMETERS = tuple(f.name for f in fields(Facts) if f.name not in {"site", "reference"})


@cache
def responses() -> Mapping[str, Response]:
    """Every drug on file by its formulary name, those without a model too."""
    folder = resources.files(__package__).joinpath("effects")
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    names = [f.name.removesuffix(".toml") for f in files]
    return MappingProxyType({n: read_response(f.read_text(encoding="utf-8"), n) for n, f in zip(names, files)})  # noqa: B905


def response(drug: str) -> Response:
    """What is known of a drug: UntrustedError NO_MODEL, naming the drugs on file, for one that is not."""
    found = responses().get(drug)
    if found is None:
        raise UntrustedError(Doubt.NO_MODEL, repr(drug), f"a drug with a file of effects: {', '.join(responses())}")
    return found


def read_response(text: str, drug: str) -> Response:
    """A drug's file. DataFileError for anything missing, unknown or wrong."""
    file = f"effects/{drug}.toml"
    tables = read_toml(text, file)
    wanted = {"drug", "mechanism"} | {e.key for e in Endpoint}
    if set(tables) != wanted or tables["drug"] != drug:
        found = f"fields {sorted(tables)}, drug {tables.get('drug')!r}"
        raise DataFileError(f"{file}: found {found}; allowed: {sorted(wanted)}, drug {drug!r}")
    read = {e: _endpoint(tables[e.key], file, e) for e in Endpoint}
    return Response(
        drug,
        _choice(Mechanism, tables["mechanism"], f"{file}: mechanism"),
        MappingProxyType({e: one for e, one in read.items() if isinstance(one, Facts)}),
        MappingProxyType({e: one for e, one in read.items() if isinstance(one, str)}),
    )


def _endpoint(table: object, file: str, endpoint: Endpoint) -> Facts | str:
    where = f"{file}: {endpoint.key}"
    if not isinstance(table, dict):
        raise DataFileError(f"{where}: found {table!r}; allowed: a table")
    if set(table) == {"no_model"} and isinstance(table["no_model"], str) and table["no_model"]:
        return table["no_model"]
    rest = dict(table)
    site = _choice(Site, rest.pop("site", None), f"{where}.site")
    reference = _choice(Reference, rest.pop("reference", None), f"{where}.reference")
    numbers = read_parameters(rest, PARAMETERS, where)
    for name, number in numbers.items():
        if number.low <= 0:
            raise DataFileError(f"{where}.{name}.low: found {number.low:g}; allowed: over 0")
    return Facts(site=site, reference=reference, **numbers)


def _choice(kind: type[Choice], found: object, where: str) -> Choice:
    allowed = [one.value for one in kind]
    if found not in allowed:
        raise DataFileError(f"{where}: found {found!r}; allowed: {', '.join(allowed)}")
    return kind(found)
