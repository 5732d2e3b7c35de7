"""What the checks look at: the order beside what the formulary knows, with every total computed once.

An order and a formulary come in, a ``Case`` goes out. Nothing here judges.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thecal.formulary import Population
from thecal.quantities import Mass
from thecal.therapy.doses import totals
from thecal.therapy.line import dead_volume
from thecal.therapy.published import published
from thecal.therapy.refusal import Refusal
from thecal.therapy.review.rules import rules

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from thecal.formulary import Drug, Formulary
    from thecal.quantities import Concentration, Volume
    from thecal.therapy.doses import Totals
    from thecal.therapy.order import Order, Patient, Previous
    from thecal.therapy.program import Program
    from thecal.therapy.published import ToleranceRule


@dataclass(frozen=True, slots=True)
class Part:
    """One ingredient that the formulary knows.

    ``totals`` is None where the program has no dose that can be computed, ``before`` where the drug did not run
    before. ``starting`` is True where the patient is not used to this drug: nothing ran before, or drug stayed away
    for too long.
    """

    drug: Drug
    concentration: Concentration
    totals: Totals | None
    before: Totals | None
    starting: bool

    @property
    def name(self) -> str:
        """For the eye."""
        return self.drug.display_name


@dataclass(frozen=True, slots=True)
class Case:
    """An order under review. ``parts`` are the known ingredients, primary first; ``unknown`` the codes of the others.

    ``old`` is what the program before gave, by drug; empty where nothing ran or its doses cannot be computed.
    """

    order: Order
    formulary: Formulary
    today: date | None
    parts: tuple[Part, ...]
    unknown: tuple[str, ...]
    old: Mapping[str, Totals]

    @property
    def program(self) -> Program:
        """The program ordered."""
        return self.order.program

    @property
    def patient(self) -> Patient:
        """The patient."""
        return self.order.patient

    @property
    def primary(self) -> Part | None:
        """The ingredient that doses are ordered in; None where the formulary does not know it."""
        code = self.order.mixture.primary.drug
        return next((p for p in self.parts if p.drug.code == code), None)

    @property
    def dose_unit(self) -> str:
        """The unit of the primary ingredient; mg where the formulary does not know it."""
        return self.primary.drug.dose_unit if self.primary else "mg"

    @property
    def dosed(self) -> tuple[tuple[Part, Totals], ...]:
        """The ingredients whose doses can be computed."""
        return tuple((p, p.totals) for p in self.parts if p.totals is not None)

    @property
    def opioids(self) -> tuple[Part, ...]:
        """The opioids of the mixture."""
        return tuple(p for p in self.parts if p.drug.drug_class.is_opioid)

    @property
    def mixed(self) -> bool:
        """True for a mixture of two drugs or more."""
        return len(self.order.mixture.ingredients) > 1

    @property
    def mixture_changed(self) -> bool:
        """True where other drugs, or the same in another strength, ran before."""
        previous = self.order.previous
        return previous is not None and strengths(previous) != strengths(self.order)

    @property
    def dead_volume(self) -> Volume | None:
        """What lies between reservoir and tip; None where the catheter is not known."""
        catheter = self.order.catheter
        return None if catheter is None else dead_volume(self.order.pump.tubing, catheter.volume)

    def drug_or_none(self, code: str) -> Drug | None:
        """The drug, where the formulary holds it."""
        return self.formulary.drugs.get(code)

    def name(self, code: str) -> str:
        """A drug for the eye: its display name, or the code as written where it is not known."""
        drug = self.drug_or_none(code)
        return code if drug is None else drug.display_name


def strengths(held: Order | Previous) -> dict[str, Concentration]:
    """What is in each mL, by drug."""
    return {i.drug: i.concentration for i in held.mixture.ingredients}


def applies(population: Population | None, patient: Patient) -> bool | None:
    """Whether a number for ``population`` is for this patient; None where a fact about the patient is missing."""
    match population:
        case None:
            return True
        case Population.OPIOID_NAIVE:
            return patient.opioid_naive
        case Population.OPIOID_TOLERANT:
            return None if patient.opioid_naive is None else not patient.opioid_naive
        case Population.CHILD:
            return None if patient.age_years is None else patient.age_years < rules().child_below
        case _:
            return None if patient.indication is None else str(patient.indication) == str(population)


def meets(condition: str | None, patient: Patient) -> bool | None:
    """Whether a limit's condition is met; None where it is about something that an order does not say."""
    if condition is None:
        return True
    young = applies(Population.CHILD, patient)
    if condition not in ("adult", "under 12 years") or young is None:
        return None
    return young is (condition != "adult")


def tolerance_rule(drug: Drug) -> ToleranceRule:
    """After how long without a drug tolerance is taken as lost; the shortest of all for a class that no rule names."""
    by_class = published().tolerance
    shortest = min(by_class.values(), key=lambda rule: rule.after)
    return by_class.get(drug.drug_class, shortest)


def off_drug(drug: Drug, previous: Previous) -> bool:
    """True where so little of a drug came for so long that tolerance must be taken as lost."""
    if previous.delivered_per_day is not None and not previous.delivered_per_day:
        return True
    return previous.gap is not None and previous.gap >= tolerance_rule(drug).after


def _starting(drug: Drug, order: Order, before: Totals | None) -> bool:
    if order.previous is None or drug.code not in order.previous.mixture.drugs:
        return True
    if before is not None and before.average_with_boluses <= Mass.zero():
        return True
    return off_drug(drug, order.previous)


def _by_drug(found: tuple[Totals, ...] | Refusal) -> dict[str, Totals]:
    return {} if isinstance(found, Refusal) else {t.drug: t for t in found}


def case_of(order: Order, formulary: Formulary, today: date | None) -> Case:
    """Everything that the checks need, computed once."""
    previous = order.previous
    new = _by_drug(totals(order.program, order.mixture, order.pump))
    old = {} if previous is None else _by_drug(totals(previous.program, previous.mixture, order.pump))
    parts: list[Part] = []
    unknown: list[str] = []
    for ingredient in order.mixture.ingredients:
        code, drug = ingredient.drug, formulary.drugs.get(ingredient.drug)
        if drug is None:
            unknown.append(code)
        else:
            before = old.get(code)
            parts.append(Part(drug, ingredient.concentration, new.get(code), before, _starting(drug, order, before)))
    return Case(order, formulary, today, tuple(parts), tuple(unknown), old)
