"""What the totals of a run do not say by themselves: a bridge, and a fluid that is not quite what its label says."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from thecal.cli.account import volume_text
from thecal.quantities import Concentration
from thecal.therapy.refusal import day_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from thecal.cli.account import Account, Judged
    from thecal.twin.records import Filled

_LEAST_ML = 1e-9  # below this what stayed is the rounding of sums


def fluid_notes(account: Account, see: str) -> tuple[str, ...]:
    """One line for bridges, then one for each fill that makes a fluid of its own; ``see`` is the section on fronts."""
    bridged = any(_stronger(account, one) for one in account.judged)
    said = f"While a bridge runs, stronger fluid leaves the reservoir than arrives; see '{see}'."
    return (*([said] if bridged else []), *_residuals(account))


def _stronger(account: Account, one: Judged) -> bool:
    """True where a bridge went before a stronger fluid, and more of the drug was delivered than ordered."""
    order = one.at.file.order
    filled = any(fill.at_s == one.at.at_s for fill in account.trace.fills)
    if order.program.bridge is None or order.previous is None or not filled:
        return False
    before = {i.drug: i.concentration for i in order.previous.mixture.ingredients}
    rising = {i.drug for i in order.mixture.ingredients if i.drug not in before or i.concentration > before[i.drug]}
    totals = zip(account.drugs, account.trace.totals, strict=True)
    return any(one.drug.code in rising and total.delivered > total.ordered for one, total in totals)


def _residuals(account: Account) -> Iterator[str]:
    for fill in account.trace.fills:
        stayed = fill.found_ml - fill.removed_ml
        held = ", ".join(_held(account, fill)) if stayed > _LEAST_ML else ""
        if held:
            day = day_text(account.scenario.run.moment(fill.at_s))
            old = f"{volume_text(stayed)} of the old fluid stayed"
            yield f"After the refill of {day} the reservoir holds {held}: {old}."


def _held(account: Account, fill: Filled) -> Iterator[str]:
    """Every drug whose strength is not the one on the label, to the digits that people read."""
    labeled = {i.drug: i.concentration for i in account.scenario.mixture_at(fill.at_s).ingredients}
    _, strengths = account.trace.arrival.reservoir_at(fill.at_s + 1)  # a fill counts from the second after it on
    for one, (strength,) in zip(account.drugs, strengths.tolist(), strict=True):
        unit, name = one.drug.conc_unit, one.drug.display_name
        is_there = Concentration.of(Fraction(strength), "mg/mL").text(unit)
        wanted = labeled.get(one.drug.code, Concentration.zero()).text(unit)
        if is_there != wanted:
            yield f"{is_there} {name} ({f'ordered {wanted}' if one.drug.code in labeled else 'not ordered'})"
