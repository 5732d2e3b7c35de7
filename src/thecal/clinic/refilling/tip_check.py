"""What leaves the tip after a change of fluid: plug flow on paper beside the twin's simulation, ingredient by
ingredient.

Floats stand on the side of the simulation alone. Both sides assume plug flow, and the answer says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from thecal.quantities import Duration, Mass, percent_text
from thecal.therapy.bridge import Pumped, Slug, plan_bridge, pumped_by, tip_timeline
from thecal.therapy.line import dead_volume
from thecal.therapy.pattern import pattern_of
from thecal.therapy.refusal import Refusal
from thecal.twin.events import Run
from thecal.twin.scenario import Scenario
from thecal.twin.simulate import simulate

if TYPE_CHECKING:
    from datetime import datetime
    from fractions import Fraction

    from thecal.therapy.bridge import Timeline
    from thecal.therapy.order import Order

DAYS = 3
"""Days that are compared: longer than any bridge of a line of half a mL at common flows. Ours."""
ASSUMES = (
    "Both sides assume plug flow: old and new fluid do not mix in tubing and catheter. "
    "In a person they do, most of all at high flow."
)


@dataclass(frozen=True, slots=True)
class AtTip:
    """One ingredient over the whole time: by plug flow on paper, by the twin, and how far apart as a share."""

    drug: str
    paper: Mass
    twin: Mass
    apart: Fraction | None

    @property
    def apart_text(self) -> str:
        """The difference in percent."""
        return "not known" if self.apart is None else percent_text(self.apart)


def tip_check(order: Order, start: datetime, days: int = DAYS) -> tuple[AtTip, ...] | str:
    """Mass of every ingredient at the tip from ``start`` (pump clock) on; words where it cannot be simulated.

    Boluses are left out on both sides.
    """
    plain = replace(order, program=replace(order.program, patient_bolus=None, single_boluses=()))
    paper = _on_paper(plain, start, days)
    if isinstance(paper, str):
        return paper
    scenario = Scenario("the tip after a change of fluid", plain, Run(start, days, 0, timedelta(0)))
    try:
        trace = simulate(scenario)
    except ValueError as wrong:
        return str(wrong)
    last = trace.arrived_mg(days * 86_400 - 1)[:, 0]
    twin = {
        drug: Mass.of(round(float(mg) * 10**9), "ng") / 1000
        for drug, mg in zip(trace.arrival.ingredients, last, strict=True)
    }
    return tuple(_row(drug, mass, twin.get(drug, Mass.zero())) for drug, mass in paper.items())


def _row(drug: str, paper: Mass, twin: Mass) -> AtTip:
    return AtTip(drug, paper, twin, abs(twin / paper - 1) if paper else None)


def _on_paper(order: Order, start: datetime, days: int) -> dict[str, Mass] | str:
    """By plug flow: the line holds the old fluid, the pump pushes the new one behind it, first as a bridge."""
    if order.previous is None or order.catheter is None:
        return "what ran before, or the catheter, is not known"
    old, program = order.previous.mixture, order.program
    dead = dead_volume(order.pump.tubing, order.catheter.volume)
    pattern = pattern_of(program.base, order.mixture, order.pump.minimum_rate)
    if isinstance(pattern, Refusal):
        return pattern.message
    pumped: list[Pumped] = []
    begins, left = start, Duration.of(days, "day")
    if program.bridge is not None:
        bridge = plan_bridge(program.bridge.volume, old, program.bridge.dose)
        if isinstance(bridge, Refusal):
            return bridge.message
        lasts = min(bridge.duration, left)
        pumped.append(Pumped(lasts, bridge.flow, order.mixture))
        begins, left = start + timedelta(seconds=lasts.floor("s")), left - lasts
    if left:
        pumped.extend(pumped_by(pattern, order.mixture, begins, left))
    return _masses(tip_timeline([Slug(dead, old)], pumped), (*order.mixture.drugs, *old.drugs))


def _masses(timeline: Timeline, drugs: tuple[str, ...]) -> dict[str, Mass]:
    found = {drug: Mass.zero() for drug in drugs}
    for part in timeline.at_tip:
        for i in () if part.mixture is None else part.mixture.ingredients:
            found[i.drug] += part.volume * i.concentration
    return found
