"""Restart after a gap: hours without drug at the tip, whether tolerance must be taken as lost, and where to begin.

A restart begins from zero. Nothing here returns the dose that ran before, and a proposal that repeats it after a gap
is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from thecal.quantities import DoseRate, Duration, Flow, Volume
from thecal.therapy.pattern import elapsed
from thecal.therapy.refusal import Code, Refusal, moment_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from thecal.formulary.drug import DrugClass
    from thecal.therapy.published import ToleranceRule


class Line(StrEnum):
    """What tubing and catheter hold when delivery begins again."""

    DRUG = "drug"
    """Filled to the tip with the mixture that is pumped: drug leaves the tip at once."""
    NO_DRUG = "no drug"
    """Aspirated, rinsed or run dry: the line must fill before drug leaves the tip."""


def gap_at_tip(
    stopped: datetime, restarts: datetime, line: Line, dead_volume: Volume, flow: Flow
) -> Duration | Refusal:
    """How long no drug leaves the tip: from the last drug to the restart, and until the line has filled again."""
    if restarts < stopped:
        return Refusal(
            Code.OUT_OF_ORDER,
            f"a restart at {moment_text(restarts)} before the stop at {moment_text(stopped)}",
            "a restart at or after the stop",
            "check both moments",
        )
    still = elapsed(stopped, restarts)
    if line is Line.DRUG:
        return still
    if flow.value <= 0:
        return Refusal(
            Code.NEVER,
            "a line without drug and a flow of zero",
            "a flow of more than zero",
            "prime the line, or order a dose",
        )
    return still + dead_volume / flow


class Tolerance(StrEnum):
    """What is known of tolerance after a gap. No outcome says that it is kept."""

    LOST = "must be taken as lost"
    NOT_PROVEN = "not shown to be lost; not proven to be kept"
    UNKNOWN = "no rule for this drug: must be taken as lost"


@dataclass(frozen=True, slots=True)
class DrugTolerance:
    """Tolerance to one drug, with the rule that says so; None where there is none."""

    drug: str
    state: Tolerance
    rule: ToleranceRule | None


@dataclass(frozen=True, slots=True)
class Restart:
    """The state of a patient after a gap, drug by drug. A plan begins at ``begins_at``, which is nothing."""

    gap: Duration
    drugs: tuple[DrugTolerance, ...]

    @property
    def from_empty(self) -> bool:
        """True where any tolerance must be taken as lost: the physician enters a first dose and gives the reason."""
        return any(d.state is not Tolerance.NOT_PROVEN for d in self.drugs)

    @property
    def begins_at(self) -> DoseRate:
        """Where a plan begins: from zero, never from the last dose."""
        return DoseRate.zero()


def _tolerance(
    drug: str, drug_class: DrugClass | None, gap: Duration, rules: Mapping[DrugClass, ToleranceRule]
) -> DrugTolerance:
    rule = None if drug_class is None else rules.get(drug_class)
    if rule is None:
        return DrugTolerance(drug, Tolerance.UNKNOWN, None)
    return DrugTolerance(drug, Tolerance.LOST if gap >= rule.after else Tolerance.NOT_PROVEN, rule)


def restart(
    gap: Duration, classes: Mapping[str, DrugClass | None], rules: Mapping[DrugClass, ToleranceRule]
) -> Restart:
    """What a gap means for every drug; ``classes`` holds the class of each, None where nobody knows it."""
    return Restart(gap, tuple(_tolerance(drug, kind, gap, rules) for drug, kind in classes.items()))


@dataclass(frozen=True, slots=True)
class FirstDose:
    """A dose that a physician entered for a restart, below the one that ran before."""

    dose: DoseRate
    reason: str


def check_first_dose(
    state: Restart, proposed: DoseRate, previous: DoseRate, reason: str, unit: str = "mg/day"
) -> FirstDose | Refusal:
    """The first dose after a gap: with a reason always, and below the previous dose where tolerance may be lost."""
    if state.from_empty and proposed >= previous:
        return Refusal(
            Code.PREVIOUS_DOSE,
            f"{proposed.text(unit)} after {state.gap.text('h')} without drug, where {previous.text(unit)} ran before",
            f"less than {previous.text(unit)}, planned from zero",
            "enter a starting dose as for a patient who is not used to the drug; a second physician decides otherwise",
        )
    if not reason.strip():
        return Refusal(
            Code.UNKNOWN,
            "a restart without a reason",
            "a dose with the physician's reason",
            "write why this dose is right after the gap",
        )
    return FirstDose(proposed, reason)
