"""The label's lines, and the proof that they say what was ordered: read back from print, they give the order."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from thecal.clinic.pharmacy.mixtures import unit_of
from thecal.clinic.pharmacy.refusing import Why, refused
from thecal.clinic.pharmacy.worksheets import sheet_of
from thecal.quantities import Mass, Volume
from thecal.therapy.compounding import LabelLine, label, mixture_of_label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from thecal.clinic.refused import Refused
    from thecal.formulary import Formulary
    from thecal.therapy.mixture import Mixture

TOLERANCE = Fraction(1, 500)
"""What printing may change: amount and volume are each rounded to four digits, at most one part in two thousand each,
so that a strength read from the label lies within one part in five hundred of the order."""


def label_lines(structure: Mapping[str, object], formulary: Formulary) -> tuple[LabelLine, ...]:
    """The drugs of a label, as made, the overfill included, in the units in which each is shown."""
    sheet = sheet_of(structure)
    return label(sheet, {line.drug: unit_of(line.drug, formulary) for line in sheet.lines})


def as_printed(lines: Sequence[LabelLine]) -> tuple[LabelLine, ...]:
    """The lines as somebody reads them off the paper: the printed amounts, and nothing behind their last digit."""
    return tuple(_printed(line) for line in lines)


def _printed(line: LabelLine) -> LabelLine:
    amount, volume = Mass.parse(line.amount.text(line.unit)), Volume.parse(line.volume.text("mL"))
    return LabelLine(line.drug, amount, volume, line.unit)


def not_the_order(lines: Sequence[LabelLine], ordered: Mixture) -> tuple[Refused, ...]:
    """What a label, read back, does not give of the order; nothing where it gives all of it within the tolerance."""
    read = mixture_of_label(as_printed(lines))
    if read.drugs != ordered.drugs:
        found = f"a label of {', '.join(read.drugs)}"
        return (refused(Why.LABEL, found, ", ".join(ordered.drugs), "write the worksheet anew"),)
    wrong = [
        refused(
            Why.LABEL,
            f"{i.drug} {read.concentration(i.drug).text('mg/mL')} by the label",
            f"{i.concentration.text('mg/mL')} to one part in five hundred",
            "write the worksheet anew",
        )
        for i in ordered.ingredients
        if abs(read.concentration(i.drug) - i.concentration) > i.concentration * TOLERANCE
    ]
    return tuple(wrong)
