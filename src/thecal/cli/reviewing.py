"""``thecal review``: an order read, said in words, compiled for its pump and judged."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from thecal.cli.achievable import achievable_json
from thecal.cli.answer import Answer
from thecal.cli.exits import Exit
from thecal.cli.references import references, spoken
from thecal.cli.review_view import show
from thecal.clinic.programming.achieving import Achievable, achievable
from thecal.therapy.review import review
from thecal.therapy.sentence import ChangeSentence, Sentence, say, say_change

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from thecal.cli.references import References
    from thecal.therapy.files import OrderFile
    from thecal.therapy.order import Order
    from thecal.therapy.review import Review


@dataclass(frozen=True, slots=True)
class Reviewed:
    """An order with everything that is said about it."""

    file: OrderFile
    sentence: Sentence | ChangeSentence
    achievable: Achievable
    review: Review

    @property
    def exit(self) -> Exit:
        """Hard findings before the pump's refusal, which they explain; then reasons that are missing."""
        if self.review.hard:
            return Exit.STOPPED
        if self.achievable.refused is not None:
            return Exit.PUMP_REFUSED
        return Exit.REASON_NEEDED if self.review.unreasoned else Exit.GO_ON

    @property
    def verdict(self) -> str:
        """The answer in one sentence."""
        hard, soft = len(self.review.hard), len(self.review.unreasoned)
        match self.exit:
            case Exit.STOPPED:
                return f"STOPPED: {_count(hard, 'hard finding')}. No reason helps; the order or a fact has to change."
            case Exit.PUMP_REFUSED:
                return "STOPPED: the pump cannot run this order."
            case Exit.REASON_NEEDED:
                return f"REASONS NEEDED: {_count(soft, 'finding')} without one. Write them under [program.reasons]."
            case _:
                return "MAY GO ON: nothing that is known here stands in the way. That is not proof that it is right."

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        order = self.file.order
        return {
            "title": self.file.title,
            "patient": order.patient.reference,
            "pump": {"family": order.pump.family, "name": order.pump.name, "serial": self.file.serial},
            "verdict": self.verdict,
            "sentence": self.sentence.as_json(),
            "achievable": achievable_json(self.achievable),
            "review": self.review.as_json(),
        }


def review_order(path: Path, site: Path | None, today: date) -> Answer:
    """The order in ``path``, judged by ``today``."""
    known = references(site)
    reviewed = judge(known.order(path), known, today)
    body = {**reviewed.as_json(), "later_orders": reviewed.file.later}
    return Answer(reviewed.exit, body, lambda console: show(console, spoken(path), reviewed, known))


def judge(file: OrderFile, known: References, today: date | None) -> Reviewed:
    """Everything that is said about an order."""
    found = review(file.order, known.formulary, today=today)
    given = achievable(file.order, known.formulary, hashlib.sha256(repr(file.order).encode()).digest())
    return Reviewed(file, in_words(file.order, known), given, found)


def in_words(order: Order, known: References) -> Sentence | ChangeSentence:
    """The program in words, beside what ran before where something did."""
    after = (order.program, order.mixture)
    if order.previous is None:
        return say(*after, known.words, minimum_rate=order.pump.minimum_rate, ceilings=True)
    before = (order.previous.program, order.previous.mixture)
    return say_change(before, after, known.words, minimum_rate=order.pump.minimum_rate, ceilings=True)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
