"""How long a mixture keeps in a pump, by the shortest published time that applies to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.formulary import FillCondition, Outcome, Vessel

if TYPE_CHECKING:
    from thecal.formulary import Formulary, Stability
    from thecal.therapy.order import Order


def stability_cap(order: Order, formulary: Formulary) -> Stability | None:
    """The shortest published time for just these drugs in a pump and this kind of fill; None where there is none.

    None is unknown, not unlimited. UnknownDrug for a drug that the formulary does not have.
    """
    facts = formulary.stability(order.mixture.drugs)
    stable = [f for f in facts if f.outcome is not Outcome.NOT_STATED and f.days is not None]
    return min((f for f in stable if _applies(order, formulary, f)), key=lambda f: f.days or 0, default=None)


def _applies(order: Order, formulary: Formulary, fact: Stability) -> bool:
    if fact.vessel not in {Vessel.PUMP, Vessel.NOT_STATED}:
        return False
    primary = order.mixture.primary
    rule = formulary.drug(primary.drug).first_fill
    diluted = rule is not None and primary.concentration < rule.concentration
    match fact.condition:
        case FillCondition.FIRST_FILL:
            return order.first_fill is not False
        case FillCondition.UNDILUTED:
            return not diluted
        case FillCondition.DILUTED:
            return diluted
        case _:
            return True
