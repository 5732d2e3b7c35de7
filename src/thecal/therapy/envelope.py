"""What therapy needs to know of a pump and a catheter: limits of flow and shape, never how they are reached.

``pump.families`` supplies envelopes; therapy only reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from thecal.quantities import Flow, Length, LinearVolume, Volume


class Can(StrEnum):
    """What a pump family is able to do; what is not listed is refused."""

    STOP = "stop"
    MINIMUM_RATE = "minimum rate"
    SET_RATE = "set rate"
    ZERO_RATE = "zero rate"
    DAY_SCHEDULE = "day schedule"
    WEEKDAYS = "weekday patterns"
    REPEATED_DOSES = "repeated doses"
    SINGLE_BOLUS = "single bolus"
    PATIENT_BOLUS = "patient bolus"
    PRIME = "priming bolus"
    BRIDGE = "bridge bolus"


@dataclass(frozen=True, slots=True)
class Envelope:
    """What one pump can deliver. ``flow_min`` is the lowest flow that can be ordered apart from zero.

    ``tubing`` is the volume between reservoir and catheter; ``stroke`` the smallest volume that moves (None for a
    pump without strokes); ``fixed_flow`` the only flow of a constant-flow pump; ``approved`` the drugs that the
    pump's own labelling names, ``youngest_years`` the lowest age that it allows by drug, ``no_patient_bolus_of`` the
    drugs that its patient controller is not for. ``unverified`` lists the field names whose value was not read in a
    source.
    """

    family: str
    name: str
    reservoir: Volume
    tubing: Volume
    flow_min: Flow
    flow_max: Flow
    low_level: Volume
    steps_per_day: int
    can: frozenset[Can]
    approved: frozenset[str]
    minimum_rate: Flow | None = None
    fixed_flow: Flow | None = None
    stroke: Volume | None = None
    unverified: frozenset[str] = frozenset()
    youngest_years: tuple[tuple[str, int], ...] = ()
    no_patient_bolus_of: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Catheter:
    """A catheter as implanted: supplied length, what was trimmed off, volume per length, and where its tip lies."""

    supplied: Length
    removed: Length
    volume_per_length: LinearVolume
    tip_level: str | None = None

    def __post_init__(self) -> None:
        if not self.removed.zero() <= self.removed < self.supplied:
            raise ValueError(
                f"removed {self.removed.text('cm')}: allowed from 0 cm to under the {self.supplied.text('cm')} supplied"
            )

    @property
    def length(self) -> Length:
        """What was implanted (device-facts F4)."""
        return self.supplied - self.removed

    @property
    def volume(self) -> Volume:
        """The fluid that the implanted catheter holds (device-facts F4)."""
        return self.length * self.volume_per_length
