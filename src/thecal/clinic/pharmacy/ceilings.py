"""What limits say of each ingredient, and which of them nobody may go past without a name and a reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thecal.clinic.programming.order_text import parsed_by
from thecal.formulary import PumpKind
from thecal.therapy.files import OrderFile
from thecal.therapy.review import Code, review
from thecal.therapy.review.bounds import highs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from thecal.clinic.record.tables import Order
    from thecal.formulary import Drug, Formulary
    from thecal.therapy.mixture import Ingredient, Mixture

NO_LIMIT = "no-concentration-limit"
ABOVE = "concentration-above"


@dataclass(frozen=True, slots=True)
class LimitLine:
    """One limit of one ingredient beside what is ordered. ``blocks`` is True where only a named person can go past it.

    ``finding`` is the word under which going past it is recorded.
    """

    drug: str
    name: str
    what: str
    finding: str
    found: str
    allowed: str
    authority: str
    verified: bool
    blocks: bool

    @property
    def key(self) -> str:
        """The same for the same limit of the same drug."""
        return f"{self.finding}:{self.drug}:{self.allowed}:{self.authority}"


def limit_lines(mixture: Mixture, formulary: Formulary, order: Order | None = None) -> tuple[LimitLine, ...]:
    """Every limit on the strength of each ingredient and, with a therapy order, what its day goes past."""
    strengths = [line for i in mixture.ingredients for line in _strength(i, formulary.drugs.get(i.drug))]
    return (*strengths, *(_of_the_day(order, formulary) if order is not None else ()))


def blocking(lines: Sequence[LimitLine], overridden: Sequence[Mapping[str, object]]) -> tuple[LimitLine, ...]:
    """The limits that still need a name and a reason."""
    past = {str(one["key"]) for one in overridden}
    return tuple(line for line in lines if line.blocks and line.key not in past)


def _strength(ingredient: Ingredient, drug: Drug | None) -> Iterator[LimitLine]:
    if drug is None:
        found = "not in the formulary in force"
        yield LimitLine(
            ingredient.drug,
            ingredient.drug,
            "drug",
            "unknown-drug",
            found,
            "a drug that it holds",
            "",
            verified=False,
            blocks=True,
        )
        return
    found = ingredient.concentration.text(drug.conc_unit)
    bounds = highs(c for c in drug.max_concentration if c.pump in (None, PumpKind.INTERNAL))
    for bound in bounds:
        above = ingredient.concentration > bound.amount
        allowed = f"at most {bound.amount.text(drug.conc_unit)}{bound.for_whom}"
        finding = ABOVE if above else "within"
        yield LimitLine(
            drug.code, drug.display_name, f"strength, {bound.kind}", finding, found, allowed, bound.source.name,
            verified=bound.source.verified, blocks=above and bound.kind.binds,
        )  # fmt: skip
    if not any(bound.kind.binds for bound in bounds):
        allowed = "a limit with its authority"
        yield LimitLine(
            drug.code, drug.display_name, "strength", NO_LIMIT, found, allowed, "no source", verified=False, blocks=True
        )


def _of_the_day(order: Order, formulary: Formulary) -> Iterator[LimitLine]:
    """What a day of the therapy order goes past; an order that cannot be read any more is a limit of its own."""
    read = parsed_by(order.text, formulary)
    if not isinstance(read, OrderFile):
        found = "the therapy order cannot be read by the formulary in force"
        yield LimitLine(
            "",
            "therapy order",
            "day",
            "order-unreadable",
            found,
            "an order that reads",
            "",
            verified=False,
            blocks=True,
        )
        return
    for finding in review(read.order, formulary).of(Code.DAILY_DOSE_ABOVE):
        drug = formulary.drugs.get(finding.drug or "")
        yield LimitLine(
            finding.drug or "", drug.display_name if drug else finding.drug or "", finding.what, str(finding.code),
            finding.found.text, finding.allowed.text, finding.source.name, verified=finding.verified, blocks=True,
        )  # fmt: skip
