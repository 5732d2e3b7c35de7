"""Tubing and catheter: their volumes, the priming volume, and what plug flow leaves out.

Formulas F4 and F5 of device-facts 3. What goes out is nominal: drug and fluid mix, above all at priming speed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING

from thecal.quantities import Length, Volume
from thecal.therapy.refusal import Code, Refusal

if TYPE_CHECKING:
    from thecal.quantities import LinearVolume

PI = Fraction(31_415_926_535_897_932_384_626_433_832_795, 10**31)  # 32 digits: exact far below any volume that matters


class Caution(StrEnum):
    """What a person must know beside a volume or a time that plug flow gives."""

    PLUG_FLOW = "Plug flow is nominal: the time of arrival is an estimate, not a promise."
    MIXING = "Drug and fluid mix in tubing and catheter, most of all at priming speed."
    EARLY_DRUG = "Some drug arrives before the priming bolus ends; a period of low concentration follows."


BRIDGE_CAUTIONS = (Caution.PLUG_FLOW, Caution.MIXING)
PRIME_CAUTIONS = (Caution.PLUG_FLOW, Caution.MIXING, Caution.EARLY_DRUG)


@dataclass(frozen=True, slots=True)
class Implanted:
    """What is left of a catheter after trimming."""

    length: Length
    volume: Volume


def implanted_catheter(supplied: Length, trimmed: Length, per_length: LinearVolume) -> Implanted | Refusal:
    """Length and volume of the implanted catheter (device-facts F4, example WE-09)."""
    if not Length.zero() <= trimmed <= supplied:
        return Refusal(
            Code.TRIM_OUT_OF_RANGE,
            f"{trimmed.text('cm')} trimmed off {supplied.text('cm')}",
            f"0 cm to {supplied.text('cm')}",
            "measure the piece that was cut off",
        )
    length = supplied - trimmed
    return Implanted(length, length * per_length)


def bore_volume(inner_diameter: Length, length: Length) -> Volume:
    """The volume of a round bore, from geometry (1 cubic centimeter is 1 mL)."""
    radius = inner_diameter.number("cm") / 2
    return Volume.of(PI * radius * radius * length.number("cm"), "mL")


def dead_volume(tubing: Volume, catheter: Volume) -> Volume:
    """What lies between reservoir and tip."""
    return tubing + catheter


@dataclass(frozen=True, slots=True)
class Prime:
    """A priming volume by its parts, with what to tell the people who give it."""

    tubing: Volume
    catheter: Volume
    cautions: tuple[Caution, ...] = PRIME_CAUTIONS

    @property
    def volume(self) -> Volume:
        """Tubing and catheter together."""
        return self.tubing + self.catheter


def prime(tubing: Volume, catheter: Volume, *, pump_primed: bool) -> Prime:
    """The priming volume (device-facts F5): only the catheter where the pump was primed before the implant."""
    return Prime(Volume.zero() if pump_primed else tubing, catheter)


@dataclass(frozen=True, slots=True)
class TubingCorrection:
    """How far a corrected tubing volume lies below the old one, and as a part of the old one."""

    reduction: Volume
    ratio: Fraction


def tubing_correction(old: Volume, new: Volume) -> TubingCorrection:
    """What a full prime by the old volume pushed out too much (example WE-11); ``old`` is more than zero."""
    return TubingCorrection(old - new, (old - new) / old)
