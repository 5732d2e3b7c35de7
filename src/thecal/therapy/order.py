"""An order: for whom, into which pump and catheter, which mixture, which program, and what came before.

These are facts as the physician states them. Whatever is unknown is None: the review turns it into a finding, and
nothing fills it in.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

    from thecal.quantities import Duration, Mass, Volume
    from thecal.therapy.envelope import Catheter, Envelope
    from thecal.therapy.mixture import Mixture
    from thecal.therapy.program import Program


class Indication(StrEnum):
    """What the pump is for; limits differ by it."""

    CANCER_PAIN = "cancer pain"
    NON_CANCER_PAIN = "non-cancer pain"
    SPASTICITY_SPINAL = "spasticity of spinal origin"
    SPASTICITY_CEREBRAL = "spasticity of cerebral origin"


@dataclass(frozen=True, slots=True)
class Patient:
    """Facts about the patient that the review needs; None means that nobody has said."""

    reference: str
    indication: Indication | None = None
    opioid_naive: bool | None = None
    sedatives: tuple[str, ...] | None = None
    sleep_apnea: bool | None = None
    systemic_opioids: tuple[str, ...] | None = None
    contraindications: tuple[str, ...] | None = None
    """Conditions from the formulary's contraindication codes that the patient has; an empty tuple means none."""
    age_years: int | None = None


@dataclass(frozen=True, slots=True)
class Previous:
    """What ran before: mixture and program, and what is known of how delivery went.

    ``gap`` is how long no drug arrived (zero when delivery never stopped); ``delivered_per_day`` is what was really
    delivered of the old primary ingredient, where the pump's record says so.
    """

    mixture: Mixture
    program: Program
    gap: Duration | None = None
    delivered_per_day: Mass | None = None


@dataclass(frozen=True, slots=True)
class Fill:
    """What is put into the reservoir: volume drawn up in the syringe, volume filled, and when."""

    volume: Volume
    syringe: Volume | None = None
    residual: Volume | None = None
    on: date | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """One order, complete enough to be reviewed; ``first_fill`` is True where the pump never held drug before."""

    patient: Patient
    pump: Envelope
    catheter: Catheter | None
    mixture: Mixture
    program: Program
    fill: Fill | None = None
    previous: Previous | None = None
    first_fill: bool | None = None
