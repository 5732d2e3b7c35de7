"""What a pump makes of an order: every number that was asked for beside the one that it gives (rule N10)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from thecal.pump.compile import Compiled, FixedFlow, Refused, compile_program, patient_reference
from thecal.quantities import Concentration, DoseRate, Duration, Mass, Quantity, duration_text, percent_text
from thecal.therapy.review.finding import apart

if TYPE_CHECKING:
    from collections.abc import Iterator

    from thecal.formulary import Drug, Formulary
    from thecal.pump.setting import Setting
    from thecal.therapy.order import Order

_FOLLOWS = ("base from ", "ceiling of ", "strength that is charged", "low level")


@dataclass(frozen=True, slots=True)
class Achieved:
    """One setting as text: what was asked for, what the pump gives, and by how much they differ."""

    name: str
    asked: str
    given: str
    difference: str
    ratio: Fraction | None = Fraction(0)
    """How much more is given than was asked for, as a part of it; None where nothing was asked for."""

    @property
    def exact(self) -> bool:
        """Whether it is given as asked."""
        return self.difference == "none"

    @property
    def leads(self) -> bool:
        """False where it is given as asked and another row or the sentence says as much."""
        return not self.exact or not any(word in self.name for word in _FOLLOWS)


@dataclass(frozen=True, slots=True)
class Achievable:
    """The settings of a pump for an order and what it admits under its ceilings; ``made`` says it where it refuses."""

    rows: tuple[Achieved, ...]
    notes: tuple[str, ...]
    made: Compiled | FixedFlow | Refused

    @property
    def refused(self) -> Refused | None:
        """Why the pump takes nothing of it, None where it takes it."""
        return self.made if isinstance(self.made, Refused) else None

    @property
    def farthest(self) -> Achieved | None:
        """The setting that is given least exactly; None where all are given as asked."""
        missed = [r for r in self.rows if r.ratio]
        return max(missed, key=lambda r: abs(r.ratio or Fraction(0)), default=None)


def achievable(order: Order, formulary: Formulary, document: bytes = b"") -> Achievable:
    """The order compiled for its pump as a first program with this document; nothing is sent anywhere."""
    reference = patient_reference(order.patient.reference)
    made = compile_program(order, number=1, patient_ref=reference, order_document=document)
    if isinstance(made, Refused):
        return Achievable((), (), in_drug_names(made, order, formulary))
    drugs = [formulary.drug(code) for code in order.mixture.drugs]
    if isinstance(made, FixedFlow):
        return Achievable((), tuple(_fixed(made, formulary)), made)
    return Achievable(tuple(_row(s, drugs) for s in made.settings), tuple(_notes(made, formulary)), made)


def in_drug_names(refused: Refused, order: Order, formulary: Formulary) -> Refused:
    """What a pump refuses, with every drug of the order as people read it, and not by its code."""
    names = {re.escape(code): formulary.drug(code).display_name for code in order.mixture.drugs}
    return replace(refused, found=_named(refused.found, names), allowed=_named(refused.allowed, names))


def _named(text: str, names: dict[str, str]) -> str:
    for code, name in names.items():
        text = re.sub(rf"\b{code}\b", name, text)
    return text


def _row(setting: Setting, drugs: list[Drug]) -> Achieved:
    """Both numbers in the unit of the drug that they are about, with as many digits as tell them apart."""
    drug = next((d for d in drugs if setting.name.startswith(d.code)), drugs[0])
    name = setting.name.replace(drug.code, drug.display_name, 1)
    ratio = setting.difference.value / setting.asked.value if setting.asked else None
    if isinstance(setting.asked, Duration) and isinstance(setting.achieved, Duration):
        said = (duration_text(setting.asked), duration_text(setting.achieved))
    else:
        unit = unit_of(setting.asked, drug)
        digits = apart(setting.asked, setting.achieved, unit)
        said = (setting.asked.text(unit, digits), setting.achieved.text(unit, digits))
    return Achieved(name, *said, difference_text(ratio), ratio)


def unit_of(amount: Quantity, drug: Drug) -> str:
    """The unit that an amount is shown in: a drug's own for doses and strengths, the first for other dimensions."""
    match amount:
        case Mass():
            return drug.dose_unit
        case DoseRate():
            return drug.rate_unit
        case Concentration():
            return drug.conc_unit
        case _:
            return next(iter(type(amount).UNITS))


def difference_text(ratio: Fraction | None) -> str:
    """How much more or less is given than was asked for, in words."""
    if ratio is None:
        return "not asked for"
    return f"{percent_text(abs(ratio), 2)} {'more' if ratio > 0 else 'less'}" if ratio else "none"


def _notes(made: Compiled, formulary: Formulary) -> Iterator[str]:
    for admission in made.admissions:
        drug = formulary.drug(admission.drug)
        digits = apart(admission.ceiling, admission.admitted, drug.dose_unit)
        admitted = admission.admitted.text(drug.dose_unit, digits)
        under = f"under a ceiling of {admission.ceiling.text(drug.dose_unit, digits)}"
        other = "" if admission.tightest else " (another drug's ceiling is tighter)"
        yield f"{drug.display_name}: in any {admission.window} the pump admits {admitted} {under}{other}"
    if made.stops_unasked:
        yield f"no response is ordered for a fault of {', '.join(made.stops_unasked)}: the pump stops"
    if not made.start:
        yield "this order leaves the pump stopped"


def _fixed(made: FixedFlow, formulary: Formulary) -> Iterator[str]:
    yield f"this pump has one flow, {made.flow.text('mL/day')}; nothing in it is programmed and it holds no ceiling"
    for code, mass in made.per_day:
        drug = formulary.drug(code)
        yield f"{drug.display_name}: {mass.text(drug.dose_unit)} in 24 h"
