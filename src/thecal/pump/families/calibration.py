"""What was measured on one pump, or printed on its label, in place of a constant of its family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thecal.quantities import Flow, Volume, number_text, parse_number

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction

_FIELDS = ("stroke", "tubing", "fixed_flow", "flow_factor")


class CalibrationError(ValueError):
    """A calibration that no pump of the family can have: says what was found and what is allowed."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Measured constants of one pump; None where the family's constant stands.

    ``stroke`` and ``tubing`` are whole numbers of nanolitres, because the controller counts in them. A constant-flow
    pump is one of several models: ``fixed_flow`` is the model's flow, and ``flow_factor`` (more than 0) what this
    pump was measured to deliver as a part of it. CalibrationError for anything else.
    """

    stroke: Volume | None = None
    tubing: Volume | None = None
    fixed_flow: Flow | None = None
    flow_factor: Fraction | None = None

    def __post_init__(self) -> None:
        if self.stroke is not None:
            _whole("a stroke", self.stroke, least=1)
        if self.tubing is not None:
            _whole("the tubing", self.tubing, least=0)
        if self.flow_factor is not None and self.flow_factor <= 0:
            raise CalibrationError(
                f"a flow factor of {number_text(self.flow_factor)}: allowed is more than 0, such as 1.02"
            )

    @classmethod
    def parse(cls, texts: Mapping[str, str]) -> Calibration:
        """Read ``{"stroke": "248 nL", "tubing": "0.14 mL"}``; AmountError or CalibrationError says what is wrong."""
        for name in texts:
            if name not in _FIELDS:
                raise CalibrationError(f"{name!r} is not calibrated: allowed are {', '.join(_FIELDS)}")
        return cls(
            stroke=Volume.parse(texts["stroke"]) if "stroke" in texts else None,
            tubing=Volume.parse(texts["tubing"]) if "tubing" in texts else None,
            fixed_flow=Flow.parse(texts["fixed_flow"]) if "fixed_flow" in texts else None,
            flow_factor=parse_number(texts["flow_factor"]) if "flow_factor" in texts else None,
        )


def _whole(what: str, volume: Volume, least: int) -> None:
    number = volume.number("nL")
    if number.denominator != 1 or number < least:
        raise CalibrationError(
            f"{what} of {volume.text('nL', 12)}: allowed is a whole number of nL, {least} or more; "
            "the controller counts in whole nanolitres"
        )
