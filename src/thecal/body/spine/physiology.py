"""One person's fluid and tissue, as numbers: what the transport of every drug has in common.

Positions run from the end of the dural sac (0) to the foramen magnum. Each field's range, spread and source stand in
``physiology.toml``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from thecal.body.spine.parameter import DataFileError, Parameter, read_parameters, read_toml

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = "physiology.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Physiology:
    """A person. Volumes in mL, flows in mL/min; ``kappa`` has no unit and scales dispersion.

    Dispersion at x is that of the molecule plus ``kappa`` times (beats per s x displacement^2), where displacement is
    the stroke volume at x over the area at x; the stroke volume falls from ``stroke_ml`` at the top to nothing at the
    sac, as (x / canal)^``stroke_exponent``. The same for breaths. ``conus_share`` is where the cord ends, as a share
    of the canal from the sac.
    """

    canal_cm: float
    csf_ml: float
    cord_ml: float
    root_ml: float
    conus_share: float
    dura_cm2: float
    production_ml_per_min: float
    spinal_share: float
    kappa: float
    stroke_ml: float
    stroke_exponent: float
    heart_per_min: float
    breath_stroke_ml: float
    breaths_per_min: float
    cistern_ml: float
    cortical_ml: float
    brainstem_ml: float
    cortex_ml: float
    top_exchange_ml_per_min: float
    cranial_exchange_ml_per_min: float
    tip_spread_cm: float
    epidural_cm2: float
    fat_cm2: float
    weight_kg: float


class Shape(BaseModel):
    """How the area of fluid runs along the canal: relative sizes at shares of its length, straight between them."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    share: tuple[float, ...] = Field(min_length=2)
    relative: tuple[float, ...] = Field(min_length=2)
    source: str = Field(min_length=3)
    verified: bool
    note: str = ""

    @model_validator(mode="after")
    def _runs_along(self) -> Self:
        ascends = all(a < b for a, b in zip(self.share, self.share[1:], strict=False))
        if len(self.share) != len(self.relative) or self.share[0] != 0 or self.share[-1] != 1 or not ascends:
            raise ValueError("allowed: as many shares as sizes, ascending from 0 to 1")
        if min(self.relative) <= 0:
            raise ValueError("allowed: sizes over 0")
        return self


def read_physiology(text: str, file: str = FILE) -> tuple[Mapping[str, Parameter], Shape]:
    """The parameters by field and the shape of the canal. DataFileError for anything missing, unknown or wrong."""
    tables = read_toml(text, file)
    try:
        shape = Shape.model_validate(tables.pop("area_shape", None))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(("area_shape", *(str(part) for part in first["loc"])))
        raise DataFileError(f"{file}: {where}: {first['msg']}, found {first['input']!r}") from error
    return read_parameters(tables, (f.name for f in fields(Physiology)), file), shape


@cache
def _shipped() -> tuple[Mapping[str, Parameter], Shape]:
    return read_physiology(resources.files(__package__).joinpath(FILE).read_text(encoding="utf-8"))


def physiology_parameters() -> Mapping[str, Parameter]:
    """Every shipped parameter by the name of its field in ``Physiology``."""
    return _shipped()[0]


def area_shape() -> Shape:
    """The shipped shape of the canal."""
    return _shipped()[1]
