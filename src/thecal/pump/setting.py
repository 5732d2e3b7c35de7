"""Numbers of a program as ordered and as the pump holds them, side by side: what cannot be made is never shown as made.

An exact amount comes in, and how much of it the integers of the pump give; nothing here decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from thecal.quantities import Flow, Quantity, Volume

if TYPE_CHECKING:
    from thecal.quantities import Mass


@dataclass(frozen=True, slots=True)
class Setting:
    """One number: what was asked for and what the pump does instead, both exact and of one dimension."""

    name: str
    asked: Quantity
    achieved: Quantity

    @property
    def difference(self) -> Quantity:
        """What the pump does more than was asked for; below zero where it does less."""
        return self.achieved - self.asked

    def as_json(self) -> dict[str, Any]:
        """For ``--json``: both amounts and their difference in the first unit of their dimension."""
        unit = next(iter(type(self.asked).UNITS))
        return {
            "name": self.name,
            "asked": self.asked.as_json(unit),
            "achieved": self.achieved.as_json(unit),
            "difference": self.difference.as_json(unit),
        }


@dataclass(frozen=True, slots=True)
class Admission:
    """What the pump admits of one drug in any window: at most ``ceiling``, less what its own counting may miss by.

    ``by_ceiling`` is what this drug's ceiling leaves, ``admitted`` what the tightest ceiling of all drugs leaves: every
    drug of a mixture comes with every stroke. ``window`` is "1 h" or "24 h".
    """

    drug: str
    window: str
    ceiling: Mass
    by_ceiling: Mass
    admitted: Mass

    @property
    def tightest(self) -> bool:
        """Whether it is this drug's ceiling that decides."""
        return self.by_ceiling == self.admitted

    def as_json(self) -> dict[str, Any]:
        """For ``--json``: amounts in mg."""
        amounts = {"ceiling": self.ceiling, "by_ceiling": self.by_ceiling, "admitted": self.admitted}
        return {"drug": self.drug, "window": self.window, **{k: a.as_json("mg") for k, a in amounts.items()}}


def rate_of(flow: Flow) -> int:
    """A flow in whole picolitres per hour, rounded down."""
    return (flow.number("nL/h") * 1000).__floor__()


def flow_of(rate_pl_per_h: int) -> Flow:
    """The flow of a rate of the core."""
    return Flow.of(Fraction(rate_pl_per_h, 1000), "nL/h")


def volume_of(strokes: int, stroke_nl: int) -> Volume:
    """The nominal volume of strokes."""
    return Volume.of(strokes * stroke_nl, "nL")
