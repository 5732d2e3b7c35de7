"""The account of a run: the trace beside the orders that led to it, in the units that people read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from thecal.quantities import Mass, number_text
from thecal.therapy.refusal import minute_text

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from thecal.cli.references import References
    from thecal.cli.reviewing import Reviewed
    from thecal.cli.scenario_orders import OrderAt
    from thecal.formulary import Drug
    from thecal.twin.records import Source
    from thecal.twin.scenario import Scenario
    from thecal.twin.trace import Trace

    FloatArray = npt.NDArray[np.float64]

_NOTHING_MG = 1e-9  # below this an amount is the rounding of sums, and is said to be nothing


@dataclass(frozen=True, slots=True)
class Judged:
    """An order of the run with everything that was said about it."""

    at: OrderAt
    reviewed: Reviewed


@dataclass(frozen=True, slots=True)
class Account:
    """A finished run; ``teach`` is True where the review stops one of its orders and it ran all the same."""

    scenario: Scenario
    trace: Trace
    judged: tuple[Judged, ...]
    known: References
    teach: bool

    def clock(self, at_s: int) -> str:
        """A second of the run as the pump clock shows it."""
        return minute_text(self.scenario.run.moment(at_s))

    @property
    def drugs(self) -> tuple[DrugAccount, ...]:
        """Every ingredient of the run, in the order of the trace."""
        return tuple(DrugAccount(self, n, self.known.words(code)) for n, code in enumerate(self.trace.ingredients))

    def answers(self, source: Source) -> Counter[str]:
        """What the pump answered to those who asked for a bolus, and how often."""
        return Counter(str(b.answer) for b in self.trace.boluses if b.source is source)


@dataclass(frozen=True, slots=True)
class DrugAccount:
    """One ingredient of a run, in its own unit."""

    account: Account
    row: int
    drug: Drug

    @property
    def per_mg(self) -> float:
        """How many of the drug's unit are in 1 mg."""
        return float(Mass.of(1, "mg").number(self.drug.dose_unit))

    def daily(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Ordered, delivered and arrived in each 24 h of the run."""
        import numpy as np

        days = self.account.trace.days()
        rows = ([d.ordered_mg for d in days], [d.delivered_mg for d in days], [d.arrived_mg for d in days])
        ordered, delivered, arrived = (np.array(r)[:, self.row] * self.per_mg for r in rows)
        return ordered, delivered, arrived

    def cumulative(self, at_s: npt.ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Ordered, delivered and arrived since the start."""
        trace = self.account.trace
        found = (trace.ordered_mg(at_s), trace.delivered_mg(at_s), trace.arrived_mg(at_s))
        ordered, delivered, arrived = (mass[self.row] * self.per_mg for mass in found)
        return ordered, delivered, arrived

    def ceilings(self) -> tuple[tuple[int, Fraction | None], ...]:
        """The ceiling of 24 h in the drug's unit, from each order of the run on; None where it states none."""
        stated = [(j.at.at_s, j.reviewed.file.order.program.ceiling(self.drug.code)) for j in self.account.judged]
        return tuple((at_s, c.per_24h.number(self.drug.dose_unit) if c else None) for at_s, c in stated)

    def ceiling(self) -> Fraction | None:
        """The highest of the ceilings: the top of the scale. None where no order states one."""
        return max((c for _, c in self.ceilings() if c is not None), default=None)

    def text(self, mg: float) -> str:
        """An amount of this drug for the eye."""
        return mass_text(mg, self.drug.dose_unit)


def mass_text(mg: float, unit: str) -> str:
    """A computed mass for the eye: four digits, and nothing at all where only rounding is left."""
    exact = Fraction(mg) if abs(mg) >= _NOTHING_MG else Fraction(0)
    return Mass.of(exact, "mg").text(unit)


def volume_text(ml: float) -> str:
    """A computed volume for the eye."""
    exact = Fraction(ml) if abs(ml) >= _NOTHING_MG else Fraction(0)
    return f"{number_text(exact)} mL"


def wait_text(seconds: int) -> str:
    """How long to wait, to the minute and rounded up."""
    minutes = -(-seconds // 60)
    hours, rest = divmod(minutes, 60)
    return " ".join(f"{n} {u}" for n, u in ((hours, "h"), (rest, "min")) if n) or "0 min"


def number(value: float) -> str:
    """A computed number for the eye, by the rules of amounts."""
    return number_text(Fraction(value) if abs(value) > _NOTHING_MG else 0)


def scale_text(ceiling: Fraction | None, top: float, unit: str) -> str:
    """What the scale of a chart is tied to: the ceiling of 24 h, unless more than it was delivered."""
    if ceiling is None:
        return f"0 to {number(top)} {unit}"
    if top > float(ceiling):
        return f"0 to {number(top)} {unit}; the ceiling of 24 h is {number_text(ceiling)} {unit}"
    return f"0 to {number_text(ceiling)} {unit}, the ceiling of 24 h"


def counted(count: int, noun: str, nouns: str = "") -> str:
    """So many of something: "1 fill", "3 fills"."""
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"
