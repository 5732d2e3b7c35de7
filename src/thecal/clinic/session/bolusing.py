"""One bolus by the clinic: a dose of the primary ingredient in whole strokes, with what every ingredient gets of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from thecal.clinic.refused import Refused
from thecal.clinic.session.ended import No
from thecal.clinic.session.held import held_of
from thecal.pump.boluses import bolus_strokes
from thecal.pump.core.codes import DAY_S
from thecal.pump.refused import Refused as PumpRefused
from thecal.pump.setting import volume_of
from thecal.quantities import AmountError, Duration, Mass, duration_text
from thecal.therapy.program import SingleBolus
from thecal.therapy.review import review

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from thecal.clinic.record.tables import Session
    from thecal.formulary import Formulary
    from thecal.link.interrogation import Interrogation as Read
    from thecal.therapy.order import Order
    from thecal.therapy.review import Finding


@dataclass(frozen=True, slots=True)
class Planned:
    """A single bolus as it was asked for and as the pump gives it: ``rows`` are drug, asked, given."""

    strokes: int
    seconds: int
    rows: tuple[tuple[str, str, str], ...]
    volume: str
    over: str

    @property
    def sentence(self) -> str:
        """In a sentence (rules E3 and E4)."""
        given = ", ".join(f"{amount} {drug}" for drug, _, amount in self.rows)
        return f"Once, over {self.over}, beginning as soon as it is sent: {given}. It adds to the base."


def plan_bolus(
    values: Mapping[str, Any], order: Order | None, stroke_nl: int, formulary: Formulary
) -> Planned | tuple[Refused, ...]:
    """A bolus from what was typed (``dose`` of the primary ingredient, ``over``), or what is wrong with each."""
    if order is None:
        return (_no(No.ORDER, "a pump whose order cannot be read", "an order in the pump", "write a program first"),)
    dose = _read(Mass, "dose", values)
    over = _read(Duration, "over", values)
    refused = tuple(r for r in (dose, over) if isinstance(r, Refused))
    if isinstance(dose, Refused) or isinstance(over, Refused):
        return refused
    seconds = over.ceil("s")
    if not 0 < seconds <= DAY_S:
        return (
            _no(No.VALUE, f"a bolus over {duration_text(over)}", "more than 0 s, at most 24 h", "correct it", "over"),
        )
    strokes = bolus_strokes(dose, order.mixture, stroke_nl, "a single bolus")
    if isinstance(strokes, PumpRefused):
        return (_no(No.PUMP_CANNOT, strokes.found, strokes.allowed, strokes.then, "dose"),)
    volume = volume_of(strokes, stroke_nl)
    rows = []
    for ingredient in order.mixture.ingredients:
        drug = formulary.drug(ingredient.drug)
        asked = order.mixture.follow(ingredient.drug, dose)
        given = volume * ingredient.concentration
        rows.append((drug.display_name, asked.text(drug.dose_unit), given.text(drug.dose_unit)))
    return Planned(strokes, seconds, tuple(rows), volume.text("mL"), duration_text(Duration.of(seconds, "s")))


def findings_of_bolus(
    values: Mapping[str, Any], order: Order, formulary: Formulary, today: date
) -> tuple[Finding, ...]:
    """What the review says of the running order with this bolus that it does not say without it."""
    bolus = SingleBolus(Mass.parse(values["dose"]), Duration.parse(values["over"]))
    before = {(f.key, f.message) for f in review(order, formulary, today=today).findings}
    asked = replace(order, program=replace(order.program, single_boluses=(bolus,)))
    found = review(asked, formulary, today=today).findings
    return tuple(f for f in found if (f.key, f.message) not in before)


def against_bolus(values: Mapping[str, Any], order: Order, formulary: Formulary, today: date) -> Refused | None:
    """The finding that stops a bolus: a hard one, or one that needs a reason where none is given."""
    reason = str(values.get("reason", "")).strip()
    for finding in findings_of_bolus(values, order, formulary, today):
        if finding.hard:
            return _no(No.FINDINGS, finding.message, "a bolus without a hard finding", finding.next_step, "dose")
        if finding.reason is None and not reason:
            return _no(No.FINDINGS, finding.message, "a reason for going past it", "state the reason", "reason")
    return None


def bolus_part(formulary: Formulary, session: Session, read: Read) -> list[dict[str, Any]] | Refused:
    """What is sent for the bolus that was entered, for the pump as it was read just now."""
    held = held_of(read.program, read.document, formulary)
    order = None if held.file is None else held.file.order
    made = plan_bolus(session.entered.get("bolus") or {}, order, read.identity.stroke_nl, formulary)
    if isinstance(made, tuple):
        return made[0]
    fields = {"strokes": made.strokes, "seconds": made.seconds}
    return [{"operation": "single", "fields": fields, "said": f"give a single bolus. {made.sentence}"}]


def _read(kind: Any, name: str, values: Mapping[str, Any]) -> Any:
    text = str(values.get(name, "")).strip()
    if not text:
        return _no(No.VALUE, "nothing entered", f"an amount such as {kind.example()}", "enter it", name)
    try:
        found = kind.parse(text)
    except AmountError as wrong:
        return _no(No.VALUE, wrong.found, wrong.hint, "correct it", name)
    if found.value <= 0:
        return _no(No.VALUE, text, "more than nothing", "correct it", name)
    return found


def _no(code: No, found: str, allowed: str, then: str, field: str = "") -> Refused:
    return Refused(code, found, allowed, then, field)
