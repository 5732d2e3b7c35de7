"""What a pump makes of an order: every number asked for beside the one that it gives, or why it gives none."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from thecal.pump.compile import FixedFlow, Refused, compile_program, patient_reference
from thecal.quantities import (
    Concentration,
    DoseRate,
    Duration,
    Mass,
    Quantity,
    duration_text,
    percent_text,
)
from thecal.therapy.review.finding import apart

if TYPE_CHECKING:
    from collections.abc import Iterable

    from thecal.cli.references import References
    from thecal.formulary import Drug
    from thecal.pump.compile import Compiled
    from thecal.pump.setting import Setting
    from thecal.therapy.order import Order


_FOLLOWS = ("base from ", "ceiling of ", "strength that is charged", "low level")


@dataclass(frozen=True, slots=True)
class Row:
    """One setting as text."""

    name: str
    asked: str
    given: str
    difference: str
    ratio: Fraction | None = Fraction(0)
    """How much more is given than was asked for, as a part of it; None where nothing was asked for."""

    @property
    def leads(self) -> bool:
        """False where it was asked for and is given, and another row or the sentence says as much."""
        return self.difference != "none" or not any(word in self.name for word in _FOLLOWS)


@dataclass(frozen=True, slots=True)
class Achievable:
    """Rows for people and ``body`` for scripts; ``refused`` where the pump takes nothing of it."""

    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    refused: Refused | None
    body: dict[str, Any]

    @property
    def farthest(self) -> Row | None:
        """The setting that is given least exactly; None where all are given as asked."""
        missed = [r for r in self.rows if r.ratio]
        return max(missed, key=lambda r: abs(r.ratio or Fraction(0)), default=None)


def achievable(order: Order, known: References) -> Achievable:
    """The order compiled for its pump as a first program: nothing is sent anywhere."""
    made = compile_program(
        order,
        number=1,
        patient_ref=patient_reference(order.patient.reference),
        order_document=hashlib.sha256(repr(order).encode()).digest(),
    )
    if isinstance(made, Refused):
        body = {"why": str(made.why), "found": made.found, "allowed": made.allowed, "next": made.then}
        return Achievable((), (), made, {"refused": body})
    drugs = [known.words(code) for code in order.mixture.drugs]
    if isinstance(made, FixedFlow):
        return Achievable((), tuple(_fixed(made, known)), None, {"refused": None, **made.as_json()})
    rows = tuple(_row(s, drugs) for s in made.settings)
    return Achievable(rows, tuple(_notes(made, known)), None, {"refused": None, **made.as_json()})


def _row(setting: Setting, drugs: list[Drug]) -> Row:
    """Both numbers in the unit of the drug that the setting is about, with as many digits as tell them apart."""
    drug = next((d for d in drugs if setting.name.startswith(d.code)), drugs[0])
    name = setting.name.replace(drug.code, drug.display_name, 1)
    ratio = setting.difference.value / setting.asked.value if setting.asked else None
    if isinstance(setting.asked, Duration) and isinstance(setting.achieved, Duration):
        said = (duration_text(setting.asked), duration_text(setting.achieved))
    else:
        unit = unit_of(setting.asked, drug)
        digits = apart(setting.asked, setting.achieved, unit)
        said = (setting.asked.text(unit, digits), setting.achieved.text(unit, digits))
    return Row(name, *said, ratio_text(ratio), ratio)


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


def ratio_text(ratio: Fraction | None) -> str:
    """How much more or less is given than was asked for, in words."""
    if ratio is None:
        return "not asked for"
    return f"{percent_text(abs(ratio), 2)} {'more' if ratio > 0 else 'less'}" if ratio else "none"


def _notes(made: Compiled, known: References) -> Iterable[str]:
    for a in made.admissions:
        drug = known.words(a.drug)
        digits = apart(a.ceiling, a.admitted, drug.dose_unit)
        says = f"{drug.display_name}: in any {a.window} the pump admits {a.admitted.text(drug.dose_unit, digits)}"
        under = f"under a ceiling of {a.ceiling.text(drug.dose_unit, digits)}"
        yield f"{says} {under}" + ("" if a.tightest else " (another drug's ceiling is tighter)")
    if made.stops_unasked:
        yield "no response is ordered for a fault of " + ", ".join(made.stops_unasked) + ": the pump stops"
    if not made.start:
        yield "this order leaves the pump stopped"


def _fixed(made: FixedFlow, known: References) -> Iterable[str]:
    yield f"this pump has one flow, {made.flow.text('mL/day')}; nothing in it is programmed and it holds no ceiling"
    for code, mass in made.per_day:
        drug = known.words(code)
        yield f"{drug.display_name}: {mass.text(drug.dose_unit)} in 24 h"
