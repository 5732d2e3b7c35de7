"""A number of the body as data: its value, what it may be, how it spreads, and where it comes from.

One table of a TOML file for each number. A file that is wrong in any field is refused with the file, the field, what
was found and what is allowed.
"""

from __future__ import annotations

import math
import tomllib
from enum import StrEnum
from functools import cached_property
from statistics import NormalDist
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NORMAL = NormalDist()

# The end of a field's name says its unit; longer endings first.
_UNITS = (
    ("_cm2_per_min", "cm2/min"),
    ("_cm2_per_s", "cm2/s"),
    ("_cm_per_min", "cm/min"),
    ("_ng_per_ml", "ng/mL"),
    ("_ml_per_min", "mL/min"),
    ("_ml_per_kg", "mL/kg"),
    ("_per_min", "1/min"),
    ("_cm2", "cm2"),
    ("_cm", "cm"),
    ("_ml", "mL"),
    ("_kg", "kg"),
    ("_min", "min"),
)


class DataFileError(ValueError):
    """A file of parameters that is wrong: which file, which field, what was found, what is allowed."""


class Distribution(StrEnum):
    """How a number spreads over people and over what is not known; every one is cut off at the stated range."""

    FIXED = "fixed"
    UNIFORM = "uniform"
    NORMAL = "normal"
    LOGNORMAL = "lognormal"


class Parameter(BaseModel):
    """One number with its range, spread, source and mark.

    ``spread`` is the standard deviation, in ``unit``, of a normal distribution about ``value``, or the standard
    deviation of the natural logarithm of a lognormal one with median ``value``. ``prior`` is what was believed before
    calibration, where the value comes from one. ``verified`` means that the number was read in the named source.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    value: float
    unit: str
    low: float
    high: float
    distribution: Distribution
    spread: float | None = Field(default=None, gt=0)
    prior: float | None = None
    source: str = Field(min_length=3)
    verified: bool
    note: str = Field(default="", min_length=0)

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"value {self.value:g}; allowed: from low {self.low:g} to high {self.high:g}")
        if self.prior is not None and not self.low <= self.prior <= self.high:
            raise ValueError(f"prior {self.prior:g}; allowed: from low {self.low:g} to high {self.high:g}")
        spreads = self.distribution in {Distribution.NORMAL, Distribution.LOGNORMAL}
        if spreads != (self.spread is not None):
            raise ValueError(f"spread {self.spread}; allowed: a number for normal and lognormal, none for others")
        if self.distribution is not Distribution.FIXED and self.low == self.high:
            raise ValueError(f"a range of one number, {self.low:g}; allowed: low under high unless it is fixed")
        if self.distribution is Distribution.LOGNORMAL and self.low <= 0:
            raise ValueError(f"low {self.low:g}; allowed: over 0 for a lognormal number")
        return self

    @cached_property
    def _cut(self) -> tuple[float, float]:
        """Where the range begins in the uncut distribution, and how much of that lies within it."""
        begin = _NORMAL.cdf(self._score(self.low))
        return begin, _NORMAL.cdf(self._score(self.high)) - begin

    @property
    def _unit_spread(self) -> float:
        """The spread, of a distribution that has one."""
        return 0.0 if self.spread is None else self.spread

    def _score(self, number: float) -> float:
        """How many spreads a number lies from the value."""
        gap = math.log(number / self.value) if self.distribution is Distribution.LOGNORMAL else number - self.value
        return gap / self._unit_spread

    def quantile(self, share: float) -> float:
        """The number under which ``share`` (over 0, under 1) of the cut distribution lies; always within the range."""
        if self.distribution is Distribution.FIXED:
            return self.value
        if self.distribution is Distribution.UNIFORM:
            return self.low + share * (self.high - self.low)
        begin, within = self._cut
        score = _NORMAL.inv_cdf(begin + share * within) * self._unit_spread
        found = self.value * math.exp(score) if self.distribution is Distribution.LOGNORMAL else self.value + score
        return min(max(found, self.low), self.high)  # only rounding can leave the range


def unit_of(field: str) -> str:
    """The unit that a field's name ends in, ``1`` where it has none."""
    return next((unit for ending, unit in _UNITS if field.endswith(ending)), "1")


def read_toml(text: str, file: str) -> dict[str, object]:
    """The file as tables. DataFileError where it is not TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataFileError(f"{file}: {error}; allowed: TOML") from error


def read_parameters(tables: Mapping[str, object], fields: Iterable[str], file: str) -> dict[str, Parameter]:
    """A parameter for each field, in the order of ``fields``. DataFileError for anything missing, unknown or wrong."""
    wanted = tuple(fields)
    unknown = sorted(set(tables) - set(wanted))
    missing = [name for name in wanted if name not in tables]
    if unknown or missing:
        raise DataFileError(f"{file}: unknown {unknown}, missing {missing}; allowed: each of {', '.join(wanted)} once")
    return {name: _parameter(tables[name], name, file) for name in wanted}


def _parameter(table: object, name: str, file: str) -> Parameter:
    try:
        found = Parameter.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join((name, *(str(part) for part in first["loc"])))
        raise DataFileError(f"{file}: {where}: {first['msg']}, found {first['input']!r}") from error
    if found.unit != unit_of(name):
        raise DataFileError(f"{file}: {name}.unit: found {found.unit!r}; allowed: {unit_of(name)!r}")
    return found
