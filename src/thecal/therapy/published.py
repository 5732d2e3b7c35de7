"""Rules and constants of refill, line, restart and service that sources publish, read from ``published.toml``.

What goes out is exact amounts, each with its source. Where sources disagree, each entry is kept and the caller
chooses. The arithmetic of this room takes these as arguments and never looks them up itself.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from thecal.formulary.drug import DrugClass
from thecal.formulary.limits import Source
from thecal.quantities import Duration, Volume, parse_number

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Lead:
    """How many days before the expected low level a refill is planned."""

    code: str
    days: int
    source: Source


@dataclass(frozen=True, slots=True)
class Level:
    """A volume with its source: a low level, an end volume, an overfill."""

    volume: Volume
    source: Source


class Measure(StrEnum):
    """What a gap rule looks at."""

    RESIDUAL = "residual"
    """mL expected in the reservoir against mL aspirated."""
    AFTER_REFILL = "after refill"
    """mL injected against mL measured in the reservoir after the refill."""
    DELIVERED = "delivered"
    """Volume delivered against volume programmed, as a part of the programmed."""
    PREDICTED = "predicted"
    """mL expected against mL aspirated, as a part of the expected."""


class Direction(StrEnum):
    """Which way a gap counts for a rule."""

    EITHER = "either"
    OVER = "over"
    """Only where more left the reservoir than was programmed."""


@dataclass(frozen=True, slots=True)
class GapRule:
    """A gap of more than ``more_than`` fires the rule: a volume, or a part for the measures that are parts.

    ``reservoir`` is the size of pump that the rule is for, None where it is for every size.
    """

    code: str
    measure: Measure
    more_than: Volume | Fraction
    direction: Direction
    source: Source
    reservoir: Volume | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """A part with its source: ``Fraction(1, 2)`` is 50 %."""

    ratio: Fraction
    source: Source


@dataclass(frozen=True, slots=True)
class Visits:
    """A number of visits with its source."""

    count: int
    source: Source


@dataclass(frozen=True, slots=True)
class Tubing:
    """One version of a pump family's tubing volume; ``replaced`` where a later one holds."""

    family: str
    version: str
    volume: Volume
    replaced: bool
    source: Source


@dataclass(frozen=True, slots=True)
class ToleranceRule:
    """After so long without drug, tolerance to a drug of this class must be taken as lost."""

    drug_class: DrugClass
    after: Duration
    source: Source


@dataclass(frozen=True, slots=True)
class Service:
    """Days from the replacement notice to the end of service, and months before shut-off to plan for."""

    notice_days: int
    planned_months_before: int
    source: Source


@dataclass(frozen=True, slots=True)
class Published:
    """Everything in ``published.toml``."""

    leads: tuple[Lead, ...]
    bolus_end_volume: Level
    low_levels: Mapping[str, Level]
    gap_rules: tuple[GapRule, ...]
    early_depletion: Share
    repeated_gap: Visits
    tubing: tuple[Tubing, ...]
    tolerance: Mapping[DrugClass, ToleranceRule]
    dose_steps: Mapping[str, Share]
    service: Service
    set_overfill: Level

    def tubing_of(self, family: str) -> Tubing:
        """The tubing volume of a family that holds now; KeyError where none is published."""
        for entry in self.tubing:
            if entry.family == family and not entry.replaced:
                return entry
        raise KeyError(family)


def _source(entry: Mapping[str, Any]) -> Source:
    return Source(**entry["source"])


def _percent(text: str) -> Fraction:
    return parse_number(text) / 100


def _level(entry: Mapping[str, Any]) -> Level:
    return Level(Volume.parse(entry["volume"]), _source(entry))


def _gap_rule(entry: Mapping[str, Any]) -> GapRule:
    bound: Volume | Fraction
    bound = Volume.parse(entry["more_than"]) if "more_than" in entry else _percent(entry["more_than_percent"])
    size = Volume.parse(entry["reservoir"]) if "reservoir" in entry else None
    measure, direction = Measure(entry["measure"]), Direction(entry["direction"])
    return GapRule(entry["code"], measure, bound, direction, _source(entry), size)


def _tolerance(entry: Mapping[str, Any]) -> ToleranceRule:
    return ToleranceRule(DrugClass(entry["drug_class"]), Duration.parse(entry["after"]), _source(entry))


def _tubing(entry: Mapping[str, Any]) -> Tubing:
    volume = Volume.parse(entry["volume"])
    return Tubing(entry["family"], entry["version"], volume, entry["replaced"], _source(entry))


def read(text: str) -> Published:
    """Read a file of published rules; raises where an entry is missing or is not what it should be."""
    found = tomllib.loads(text)
    service = found["service"]
    return Published(
        leads=tuple(Lead(e["code"], e["days"], _source(e)) for e in found["lead"]),
        bolus_end_volume=_level(found["bolus_end_volume"]),
        low_levels={e["code"]: _level(e) for e in found["low_level"]},
        gap_rules=tuple(_gap_rule(e) for e in found["gap_rule"]),
        early_depletion=Share(_percent(found["early_depletion"]["percent"]), _source(found["early_depletion"])),
        repeated_gap=Visits(found["repeated_gap"]["visits"], _source(found["repeated_gap"])),
        tubing=tuple(_tubing(e) for e in found["tubing"]),
        tolerance={rule.drug_class: rule for rule in map(_tolerance, found["tolerance"])},
        dose_steps={e["code"]: Share(_percent(e["percent"]), _source(e)) for e in found["dose_step"]},
        service=Service(service["notice_days"], service["planned_months_before"], _source(service)),
        set_overfill=_level(found["set_overfill"]),
    )


@cache
def published() -> Published:
    """The rules that come with Thecal."""
    return read(resources.files("thecal.therapy").joinpath("published.toml").read_text(encoding="utf-8"))
