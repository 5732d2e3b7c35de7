"""A constant-flow pump: nothing is programmed, so an order is what the flow gives, or it is refused.

No program of the core comes out: such a pump has no electronics. Ceilings and fail-safes are not held by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from thecal.pump.refused import Refused, Why
from thecal.pump.schedule import cannot, needs
from thecal.therapy.doses import check_dose
from thecal.therapy.envelope import Can
from thecal.therapy.program import DAY, Continuous
from thecal.therapy.refusal import Refusal

if TYPE_CHECKING:
    from thecal.quantities import Flow, Mass
    from thecal.therapy.order import Order


@dataclass(frozen=True, slots=True)
class FixedFlow:
    """What a constant-flow pump gives: its flow, and per 24 h of every drug, primary first."""

    flow: Flow
    per_day: tuple[tuple[str, Mass], ...]

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {"flow": self.flow.as_json("mL/day"), "per_day": {d: m.as_json("mg") for d, m in self.per_day}}


def fixed_flow(order: Order) -> FixedFlow | Refused:
    """The flow of the pump where the order asks for just that; otherwise what was asked for and is not possible."""
    pump, program, mixture = order.pump, order.program, order.mixture
    flow = pump.fixed_flow
    if flow is None:
        raise ValueError(f"{pump.name} has no fixed flow")
    if not isinstance(program.base, Continuous):
        return cannot(pump, needs(program.base)[0])
    wanted = {
        Can.PATIENT_BOLUS: program.patient_bolus,
        Can.SINGLE_BOLUS: program.single_boluses,
        Can.PRIME: program.priming,
        Can.BRIDGE: program.bridge,
    }
    for needed, asked in wanted.items():
        if asked:
            return cannot(pump, needed)
    if not program.base.dose:
        return cannot(pump, Can.ZERO_RATE)
    fits = check_dose(program.base.dose, pump, mixture.primary.concentration)
    if isinstance(fits, Refusal):
        return Refused(Why.FIXED_FLOW, fits.found, fits.allowed, fits.then)
    return FixedFlow(flow, tuple((i.drug, flow * i.concentration * DAY) for i in mixture.ingredients))
