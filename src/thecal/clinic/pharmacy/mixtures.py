"""Mixtures as the record keeps them, and as therapy counts with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.quantities import Concentration
from thecal.therapy.mixture import Ingredient, Mixture

if TYPE_CHECKING:
    from thecal.clinic.record.tables import Mixture as MixtureRow
    from thecal.formulary import Formulary

UNIT = "mg/mL"


def mixture_of(row: MixtureRow) -> Mixture:
    """What a row of the record says is mixed, exactly."""
    parts = tuple(Ingredient(part["drug"], Concentration.parse(part["concentration"])) for part in row.ingredients)
    return Mixture(parts, preservative_free=row.preservative_free)


def mixture_text(mixture: Mixture, formulary: Formulary) -> str:
    """A mixture for the eye: names in tall-man letters, strengths in each drug's own unit."""
    return " + ".join(
        f"{name_of(i.drug, formulary)} {i.concentration.text(unit_of(i.drug, formulary) + '/mL')}"
        for i in mixture.ingredients
    )


def name_of(code: str, formulary: Formulary) -> str:
    """A drug for the eye; its code where the formulary does not hold it."""
    drug = formulary.drugs.get(code)
    return code if drug is None else drug.display_name


def unit_of(code: str, formulary: Formulary) -> str:
    """The unit in which amounts of a drug are shown; mg where the formulary does not hold it."""
    drug = formulary.drugs.get(code)
    return "mg" if drug is None else drug.dose_unit
