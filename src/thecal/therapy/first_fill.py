"""The first fill of a pump that never held a drug: rinses, the volume as entered, and when to fill again.

Made for ziconotide, whose first fill loses drug to the pump and to dead volume. Sources disagree on what the rinses
leave in a vial, so the volume filled is what was entered, never a constant.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from thecal.formulary.stability import FillCondition
from thecal.therapy.refusal import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thecal.formulary.drug import FirstFill
    from thecal.formulary.stability import Stability
    from thecal.quantities import Concentration, Mass, Volume


@dataclass(frozen=True, slots=True)
class FirstFillPlan:
    """Rinses, the fill, what is drawn in all, and the last day by which the pump is filled again."""

    rinses: int
    rinse: Volume
    fill: Volume
    drug: Mass
    refill_by: date

    @property
    def drawn(self) -> Volume:
        """Rinses and fill together."""
        return self.rinse * self.rinses + self.fill


def plan_first_fill(
    entered: Volume | None, concentration: Concentration, reservoir: Volume, on: date, rule: FirstFill
) -> FirstFillPlan | Refusal:
    """The first fill by the drug's rule; refused where it is diluted, not entered, or more than the reservoir."""
    if entered is None or entered.value <= 0:
        return Refusal(
            Code.UNKNOWN,
            "no volume for the first fill",
            f"the volume that goes in after {rule.rinses} rinses of {rule.rinse.text('mL')}",
            "measure what is left in the syringe after the rinses and enter it",
        )
    if concentration != rule.concentration:
        return Refusal(
            Code.DILUTED,
            f"a first fill at {concentration.text('mcg/mL')}",
            f"{rule.concentration.text('mcg/mL')}, undiluted, by {rule.source.name}",
            "use the undiluted product for the first fill",
        )
    if entered > reservoir:
        return Refusal(
            Code.MORE_THAN_RESERVOIR,
            f"{entered.text('mL')} for a reservoir of {reservoir.text('mL')}",
            f"at most {reservoir.text('mL')}",
            "check the model of the pump and the volume",
        )
    return FirstFillPlan(rule.rinses, rule.rinse, entered, entered * concentration, on + timedelta(days=rule.days))


def days_by_dilution(
    concentration: Concentration, undiluted: Concentration, facts: Sequence[Stability]
) -> int | Refusal:
    """The longest a later fill stays in the pump, by whether it is diluted; the shortest of the facts that say so."""
    wanted = FillCondition.UNDILUTED if concentration >= undiluted else FillCondition.DILUTED
    days = [fact.days for fact in facts if fact.condition is wanted and fact.days is not None]
    if not days:
        return Refusal(
            Code.UNKNOWN,
            f"no time for a '{wanted}'",
            "a time with its source",
            "ask the pharmacy; the volume alone does not make a date safe",
        )
    return min(days)
