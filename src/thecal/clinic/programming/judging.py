"""What is said about an order before anybody signs it: the sentence, totals, what the pump makes of it, and findings.

A text comes in and a ``Judged`` goes out; nothing is written and nothing is sent. ``today`` is an argument.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thecal.clinic.programming.achieving import Achievable, achievable
from thecal.clinic.programming.order_text import parsed_by
from thecal.clinic.programming.planned import against_plan
from thecal.therapy.doses import Totals, totals
from thecal.therapy.files import OrderFile
from thecal.therapy.pattern import pattern_of
from thecal.therapy.program import DAY_S
from thecal.therapy.refusal import Refusal
from thecal.therapy.review import Review, review
from thecal.therapy.sentence import ChangeSentence, Sentence, say, say_change
from thecal.therapy.wording import day_groups, weekdays_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from thecal.clinic.practice import Practice
    from thecal.clinic.refused import Refused
    from thecal.formulary import Drug, Formulary
    from thecal.therapy.order import Order
    from thecal.therapy.review import Finding


@dataclass(frozen=True, slots=True)
class DayDose:
    """What one ingredient gets on the days ``days`` of 24 h, as text in its own unit, and what the volume is (N9)."""

    drug: str
    name: str
    days: str
    base: str
    with_boluses: str
    lowest_rate: str
    highest_rate: str
    volume: str
    volume_with_boluses: str


@dataclass(frozen=True, slots=True)
class Judged:
    """Everything that is said about one order text. Where ``refused`` is not empty it could not be read, and that is
    all.

    ``plan`` are totals that are not as planned: they stop, as hard findings do. ``totals`` are exact, by ingredient.
    """

    text: str
    refused: tuple[Refused, ...] = ()
    file: OrderFile | None = None
    sentence: Sentence | ChangeSentence | None = None
    days: tuple[DayDose, ...] = ()
    totals: tuple[Totals, ...] = ()
    achievable: Achievable | None = None
    review: Review | None = None
    plan: tuple[Refused, ...] = ()

    @property
    def order(self) -> Order | None:
        """The order, None where it could not be read."""
        return None if self.file is None else self.file.order

    @property
    def lines(self) -> tuple[str, ...]:
        """The program in words, and what changes by it."""
        return () if self.sentence is None else self.sentence.lines

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the review found, the gravest first."""
        return () if self.review is None else self.review.findings

    @property
    def hard(self) -> tuple[Finding, ...]:
        """Findings that no reason carries the order past."""
        return tuple(f for f in self.findings if f.hard)

    @property
    def unreasoned(self) -> tuple[Finding, ...]:
        """Soft findings that still need a reason."""
        return tuple(f for f in self.findings if f.stops and not f.hard)

    @property
    def stopped(self) -> bool:
        """True where no reason helps: it cannot be read, is against the plan, or meets a hard finding or the pump's
        no.
        """
        refused_by_pump = self.achievable is not None and self.achievable.refused is not None
        return bool(self.refused or self.plan or self.hard or refused_by_pump)

    @property
    def may_go_on(self) -> bool:
        """True where nothing that is known here stands in the way; that is not proof that the order is right."""
        return not self.stopped and not self.unreasoned


def judged(text: str, practice: Practice, today: date, plan: Sequence[str] | None = None) -> Judged:
    """Everything that is said about an order. ``plan`` has the planned total of each group of days; None asks for
    none.
    """
    return judged_by(text, practice.formulary, today, plan)


def judged_by(text: str, formulary: Formulary, today: date, plan: Sequence[str] | None = None) -> Judged:
    """``judged`` with a formulary alone."""
    file = parsed_by(text, formulary)
    if not isinstance(file, OrderFile):
        return Judged(text, refused=file)
    order = file.order
    found = totals(order.program, order.mixture, order.pump)
    return Judged(
        text,
        file=file,
        sentence=in_words(order, formulary),
        days=() if isinstance(found, Refusal) else _days(order, found, formulary),
        totals=() if isinstance(found, Refusal) else found,
        achievable=achievable(order, formulary),
        review=review(order, formulary, today=today),
        plan=() if plan is None else against_plan(order, plan, formulary),
    )


def in_words(order: Order, formulary: Formulary) -> Sentence | ChangeSentence:
    """The program in words, beside what ran before where something did, with every ceiling."""
    after, least = (order.program, order.mixture), order.pump.minimum_rate
    if order.previous is None:
        return say(*after, formulary.drug, minimum_rate=least, ceilings=True)
    before = (order.previous.program, order.previous.mixture)
    return say_change(before, after, formulary.drug, minimum_rate=least, ceilings=True)


def _days(order: Order, found: tuple[Totals, ...], formulary: Formulary) -> tuple[DayDose, ...]:
    return tuple(
        _day(order, total, days, formulary.drug(total.drug)) for days in day_groups(order.program) for total in found
    )


def _day(order: Order, total: Totals, days: frozenset[int], drug: Drug) -> DayDose:
    day, strength = min(days), order.mixture.concentration(total.drug)
    base, most = total.by_weekday[day], total.by_weekday_with_boluses[day]
    low, high = _rates(order, days, drug)
    return DayDose(
        total.drug,
        drug.display_name,
        weekdays_text(days),
        base.text(drug.dose_unit),
        most.text(drug.dose_unit),
        low,
        high,
        (base / strength).text("mL"),
        (most / strength).text("mL"),
    )


def _rates(order: Order, days: frozenset[int], drug: Drug) -> tuple[str, str]:
    """The lowest and the highest rate of a drug's base on such a day."""
    pattern = pattern_of(order.program.base, order.mixture, order.pump.minimum_rate)
    assert not isinstance(pattern, Refusal)  # noqa: S101 -- there are totals
    start_s = min(days) * DAY_S
    rates = [dose for _, _, dose in pattern.slices(start_s, start_s + DAY_S)]
    share, unit = order.mixture.share(drug.code), f"{drug.dose_unit}/h"
    return (min(rates) * share).text(unit), (max(rates) * share).text(unit)
