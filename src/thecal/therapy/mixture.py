"""What is in the reservoir: drugs, each with its concentration.

The first ingredient is the primary one: doses are ordered in it, and the dose of every other ingredient follows
from the ratio of concentrations. Nothing here knows a limit or a pump.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from datetime import date
    from fractions import Fraction

    from thecal.quantities import Concentration, DoseRate, Flow, Mass, Volume

Dose = TypeVar("Dose", "Mass", "DoseRate")


@dataclass(frozen=True, slots=True)
class Ingredient:
    """One drug of a mixture: its formulary code, and how much of it is in each mL (more than zero)."""

    drug: str
    concentration: Concentration


@dataclass(frozen=True, slots=True)
class Mixture:
    """Ingredients, the primary one first; facts that are not known are None and are findings in the review."""

    ingredients: tuple[Ingredient, ...]
    preservative_free: bool | None = None
    compounded: bool | None = None
    diluent: str | None = None
    beyond_use: date | None = None

    def __post_init__(self) -> None:
        drugs = self.drugs
        if not drugs:
            raise ValueError("a mixture needs at least one ingredient")
        if len(set(drugs)) != len(drugs):
            raise ValueError(f"a mixture names each drug once; found {', '.join(drugs)}")
        if any(i.concentration.value <= 0 for i in self.ingredients):
            raise ValueError("every concentration is more than zero")

    @property
    def primary(self) -> Ingredient:
        """The ingredient that doses are ordered in."""
        return self.ingredients[0]

    @property
    def drugs(self) -> tuple[str, ...]:
        """The drug codes, primary first."""
        return tuple(i.drug for i in self.ingredients)

    def concentration(self, drug: str) -> Concentration:
        """How much of ``drug`` is in each mL; KeyError where it is not in the mixture."""
        for ingredient in self.ingredients:
            if ingredient.drug == drug:
                return ingredient.concentration
        raise KeyError(drug)

    def share(self, drug: str) -> Fraction:
        """How much of ``drug`` comes with one part of the primary ingredient, by mass."""
        return self.concentration(drug) / self.primary.concentration

    def follow(self, drug: str, primary_dose: Dose) -> Dose:
        """The dose of ``drug`` that comes with ``primary_dose`` of the primary ingredient (device-facts F3)."""
        return primary_dose * self.share(drug)

    def volume_of(self, primary_dose: Mass) -> Volume:
        """The volume that holds ``primary_dose`` of the primary ingredient."""
        return primary_dose / self.primary.concentration

    def flow_of(self, primary_dose: DoseRate) -> Flow:
        """The flow that gives ``primary_dose`` of the primary ingredient."""
        return primary_dose / self.primary.concentration
