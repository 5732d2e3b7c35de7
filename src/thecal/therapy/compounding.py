"""The compounding worksheet: amounts, volumes to draw, diluent, overfill and check sum, and the label's main line.

What comes in is a mixture, a volume and the stock; what goes out is exact and adds up, or is a refusal. Powder is
counted as taking no volume: the diluent is made up to the mark (q.s.).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thecal.quantities import Mass, Volume
from thecal.therapy.mixture import Ingredient, Mixture
from thecal.therapy.refusal import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from fractions import Fraction

    from thecal.quantities import Concentration, DoseRate, Duration, Flow


@dataclass(frozen=True, slots=True)
class Powder:
    """Drug as powder; ``content`` is the part of the powder's mass that is the drug as ordered, by its certificate."""

    content: Fraction


@dataclass(frozen=True, slots=True)
class Solution:
    """Drug in solution."""

    concentration: Concentration


Stock = Powder | Solution


@dataclass(frozen=True, slots=True)
class Line:
    """One ingredient of a worksheet: the drug in it, and what to weigh or to draw (the other is nothing)."""

    drug: str
    amount: Mass
    weigh: Mass
    draw: Volume


@dataclass(frozen=True, slots=True)
class Worksheet:
    """What to take: a line for each ingredient, and diluent up to ``total``, which is the volume and the overfill."""

    lines: tuple[Line, ...]
    volume: Volume
    overfill: Volume
    diluent: Volume

    @property
    def total(self) -> Volume:
        """What is made."""
        return self.volume + self.overfill

    @property
    def check_sum(self) -> Volume:
        """Every volume that is drawn, and the diluent: it equals the total."""
        return sum((line.draw for line in self.lines), start=self.diluent)

    def concentration(self, drug: str) -> Concentration:
        """What the worksheet makes of a drug, from its line alone; KeyError where it has none."""
        for line in self.lines:
            if line.drug == drug:
                return line.amount / self.total
        raise KeyError(drug)


def _line(ingredient: Ingredient, total: Volume, stock: Stock) -> Line:
    amount = ingredient.concentration * total
    if isinstance(stock, Powder):
        return Line(ingredient.drug, amount, amount / stock.content, Volume.zero())
    return Line(ingredient.drug, amount, Mass.zero(), amount / stock.concentration)


def worksheet(mixture: Mixture, volume: Volume, overfill: Volume, stocks: Mapping[str, Stock]) -> Worksheet | Refusal:
    """What to take for ``volume`` of a mixture and an overfill; refused without stock, or where stock is too weak."""
    if volume.value <= 0 or overfill.value < 0:
        return Refusal(
            Code.NOT_POSITIVE,
            f"{volume.text('mL')} with an overfill of {overfill.text('mL')}",
            "a volume of more than 0 mL and an overfill of 0 mL or more",
            "state both volumes",
        )
    missing = [drug for drug in mixture.drugs if drug not in stocks]
    if missing:
        return Refusal(
            Code.NO_STOCK,
            "no stock for " + ", ".join(missing),
            "a powder or a solution for every ingredient",
            "enter the stock with its strength",
        )
    total = volume + overfill
    lines = tuple(_line(i, total, stocks[i.drug]) for i in mixture.ingredients)
    diluent = total - sum((line.draw for line in lines), start=Volume.zero())
    return _too_weak(lines, total) if diluent.value < 0 else Worksheet(lines, volume, overfill, diluent)


def _too_weak(lines: Sequence[Line], total: Volume) -> Refusal:
    drawn = sum((line.draw for line in lines), start=Volume.zero())
    worst = max(lines, key=lambda line: line.draw.value)
    return Refusal(
        Code.STOCK_TOO_WEAK,
        f"{drawn.text('mL')} of stock for {total.text('mL')}, most of it {worst.draw.text('mL')} of {worst.drug}",
        f"at most {total.text('mL')} of stock",
        f"use a stronger stock or powder, first of {worst.drug}",
    )


@dataclass(frozen=True, slots=True)
class LabelLine:
    """One drug on a label: total amount per total volume, with the unit in which this drug is shown."""

    drug: str
    amount: Mass
    volume: Volume
    unit: str

    @property
    def main(self) -> str:
        """The main statement: total amount per total volume."""
        return f"{self.drug} {self.amount.text(self.unit)} per {self.volume.text('mL')}"

    @property
    def strength(self) -> str:
        """The second statement: amount per mL."""
        return f"({(self.amount / self.volume).text(f'{self.unit}/mL')})"


def label(sheet: Worksheet, units: Mapping[str, str]) -> tuple[LabelLine, ...]:
    """The drugs of a label, as made, the overfill included; ``units`` holds the unit of each drug."""
    return tuple(LabelLine(line.drug, line.amount, sheet.total, units[line.drug]) for line in sheet.lines)


def mixture_of_label(lines: Sequence[LabelLine]) -> Mixture:
    """The mixture that a label states, to compare with the order."""
    return Mixture(tuple(Ingredient(line.drug, line.amount / line.volume) for line in lines))


@dataclass(frozen=True, slots=True)
class Recipe:
    """The fill of a constant-flow pump: how long it lasts, how much drug it holds, and the worksheet."""

    lasts: Duration
    drug: Mass
    sheet: Worksheet


def constant_flow_recipe(
    drug: str, *, reservoir: Volume, flow: Flow, dose: DoseRate, stock: Concentration, overfill: Volume
) -> Recipe | Refusal:
    """What to fill so that a pump with one flow gives a dose (device-facts F11); the overfill is made on top."""
    if flow.value <= 0 or dose.value <= 0:
        return Refusal(
            Code.NOT_POSITIVE,
            f"a flow of {flow.text('mL/day')} and a dose of {dose.text('mg/day')}",
            "a flow and a dose of more than zero",
            "check the model of the pump and the order",
        )
    lasts = reservoir / flow
    mixture = Mixture((Ingredient(drug, dose / flow),))
    sheet = worksheet(mixture, reservoir, overfill, {drug: Solution(stock)})
    return sheet if isinstance(sheet, Refusal) else Recipe(lasts, dose * lasts, sheet)
