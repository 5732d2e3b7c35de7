"""What a field of a case may hold: amounts with units, places along the canal, plain words and numbers."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictStr
from pydantic_core import PydanticCustomError

from thecal.body.spine.levels import dermatome_cm
from thecal.body.transport.untrusted import UntrustedError
from thecal.body.validation.positions import NOMINAL_CM, Position, position
from thecal.body.validation.units import BadAmountError, Dimension, amount


def refusal(found: str, allowed: str) -> PydanticCustomError:
    """A value of a file that is not allowed, in the two halves that every message has."""
    return PydanticCustomError("thecal", "found {found}; allowed: {allowed}", {"found": found, "allowed": allowed})


def _amount(dimension: Dimension, *, over_zero: bool) -> BeforeValidator:
    def read(raw: object) -> float:
        if not isinstance(raw, str):
            raise refusal(repr(raw), 'text with a unit, as in "1 mg"')
        try:
            found = amount(raw, dimension)
        except BadAmountError as wrong:
            raise refusal(wrong.found, wrong.allowed) from None
        if found < 0 or (over_zero and found == 0):
            raise refusal(repr(raw), "more than 0" if over_zero else "0 or more")
        return found

    return BeforeValidator(read)


def _position(raw: object) -> Position:
    if not isinstance(raw, str):
        raise refusal(repr(raw), 'text, as in "L2-3", "14 cm" or "tip + 5 cm"')
    try:
        return position(raw)
    except BadAmountError as wrong:
        raise refusal(wrong.found, wrong.allowed) from None


def _dermatome(raw: object) -> str:
    if not isinstance(raw, str):
        raise refusal(repr(raw), 'text, as in "T10"')
    try:
        dermatome_cm(raw, NOMINAL_CM)
    except UntrustedError as wrong:
        raise refusal(wrong.found, wrong.allowed) from None
    return raw


_MASS, _VOLUME, _TIME = Dimension(mass=1), Dimension(length=3), Dimension(time=1)
Mass = Annotated[float, _amount(_MASS, over_zero=True)]
Volume = Annotated[float, _amount(_VOLUME, over_zero=False)]
Moment = Annotated[float, _amount(_TIME, over_zero=False)]
Lapse = Annotated[float, _amount(_TIME, over_zero=True)]
MassRate = Annotated[float, _amount(Dimension(mass=1, time=-1), over_zero=True)]
Flow = Annotated[float, _amount(Dimension(length=3, time=-1), over_zero=True)]
Strength = Annotated[float, _amount(Dimension(mass=1, length=-3), over_zero=True)]
Where = Annotated[Position, BeforeValidator(_position)]
Dermatome = Annotated[str, BeforeValidator(_dermatome)]
Word = Annotated[StrictStr, Field(min_length=1)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Count = Annotated[int, Field(strict=True, ge=0)]
Share = Annotated[Number, Field(gt=0, lt=1)]
Quantity = StrictStr | Number
"""Text with a unit, or a bare number where there is none."""


class Table(BaseModel):
    """A table of a file: nothing that is not known, and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)
