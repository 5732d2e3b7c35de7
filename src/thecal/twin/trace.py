"""The trace of a run: what was ordered, what left the reservoir, what reached the tip, and everything that happened.

All of it is fixed once made. Masses are mg since the start of the run, one row for each of ``ingredients``; a time
counts every stroke up to and including its second, and any whole second of the run may be asked for.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thecal.therapy.program import DAY_S

if TYPE_CHECKING:
    from datetime import datetime

    import numpy.typing as npt

    from thecal.body.catheter import TipArrival
    from thecal.twin.ordered import Curve
    from thecal.twin.records import Alarm, Arrived, Bolus, Filled, Happening, Installed, Refusal

    FloatArray = npt.NDArray[np.float64]
    IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Total:
    """Where one ingredient is at the end of the run, in mg.

    ``line_at_start`` and ``filled`` came in; ``removed`` was drawn out at refills, ``lost`` decayed in the reservoir.
    """

    ingredient: str
    ordered: float
    delivered: float
    arrived: float
    in_line: float
    in_reservoir: float
    line_at_start: float
    filled: float
    removed: float
    lost: float

    @property
    def unaccounted(self) -> float:
        """What came in less all that is somewhere: nothing but rounding."""
        gone = self.removed + self.lost + self.in_reservoir + self.in_line + self.arrived
        return self.line_at_start + self.filled - gone


@dataclass(frozen=True, slots=True)
class Day:
    """24 h of the run: mg of each ingredient, in their order, and the levels at the end of it (mL)."""

    day: int
    date: str
    ordered_mg: tuple[float, ...]
    delivered_mg: tuple[float, ...]
    arrived_mg: tuple[float, ...]
    level_ml: float
    believed_level_ml: float


@dataclass(frozen=True, slots=True)
class Trace:
    """One run, with its strokes through the body in ``arrival`` and what was ordered in ``curve``."""

    title: str
    start: datetime
    days_long: int
    seed: int
    stroke_nl: int
    arrival: TipArrival
    curve: Curve
    happenings: tuple[Happening, ...]
    boluses: tuple[Bolus, ...]
    alarms: tuple[Alarm, ...]
    refusals: tuple[Refusal, ...]
    installed: tuple[Installed, ...]
    fills: tuple[Filled, ...]
    fronts: tuple[Arrived, ...]
    totals: tuple[Total, ...]
    lost_strokes: int
    log_records: int
    log_digest: str

    @property
    def ingredients(self) -> tuple[str, ...]:
        """The rows of every mass array."""
        return self.arrival.ingredients

    @property
    def length_s(self) -> int:
        """How long the run was."""
        return self.days_long * DAY_S

    @property
    def stroke_s(self) -> IntArray:
        """The second of every stroke that moved."""
        return self.arrival.t_s

    def ordered_mg(self, at_s: npt.ArrayLike) -> FloatArray:
        """What the order asked for up to each time, bridges and granted boluses with it."""
        return self.curve.mass(at_s)

    def delivered_mg(self, at_s: npt.ArrayLike) -> FloatArray:
        """What had left the reservoir by each time."""
        return self.arrival.delivered_mg(at_s)

    def arrived_mg(self, at_s: npt.ArrayLike) -> FloatArray:
        """What had left the tip by each time."""
        return self.arrival.arrived_mg(at_s)

    def level_ml(self, at_s: npt.ArrayLike) -> FloatArray:
        """What is really in the reservoir at each time; a fill counts from the second after it on."""
        return self.arrival.reservoir_at(at_s)[0]

    def believed_level_ml(self, at_s: npt.ArrayLike) -> FloatArray:
        """What the pump believes to be in the reservoir at each time; a fill counts from the second after it on."""
        times = np.atleast_1d(np.asarray(at_s, dtype=np.int64))
        if not self.fills:
            return np.zeros(times.size)
        filled_s = np.array([f.at_s for f in self.fills])
        number = np.maximum(np.searchsorted(filled_s[1:], times - 1, side="right"), 0)
        strokes = np.searchsorted(self.stroke_s, times, side="right")
        before = np.searchsorted(self.stroke_s, filled_s, side="right")[number]
        told = np.array([f.told_ml for f in self.fills])[number]
        return np.asarray(told - (strokes - before) * self.stroke_nl / 1e6)

    def event_s(self) -> IntArray:
        """Every second at which something happened, with start and end: where curves have their corners."""
        times = [h.at_s for h in self.happenings]
        return np.unique(np.array([0, *times, self.length_s], dtype=np.int64))

    def days(self) -> tuple[Day, ...]:
        """The run day by day, each 24 h from the time of day of the start."""
        edges = np.arange(self.days_long + 1, dtype=np.int64) * DAY_S
        ordered, delivered, arrived = (
            np.diff(mass).T.tolist()
            for mass in (self.ordered_mg(edges), self.delivered_mg(edges), self.arrived_mg(edges))
        )
        level, believed = self.level_ml(edges[1:]).tolist(), self.believed_level_ml(edges[1:]).tolist()
        dates = np.datetime64(self.start.date()) + np.arange(self.days_long)
        return tuple(
            Day(n, str(dates[n]), tuple(ordered[n]), tuple(delivered[n]), tuple(arrived[n]), level[n], believed[n])
            for n in range(self.days_long)
        )

    def as_json(self) -> dict[str, Any]:
        """For ``--json``: plain values only, the same for the same scenario on every run."""
        return {
            "title": self.title,
            "start": self.start.isoformat(),
            "days": self.days_long,
            "seed": self.seed,
            "ingredients": list(self.ingredients),
            "totals_mg": [{**asdict(t), "unaccounted": t.unaccounted} for t in self.totals],
            "strokes": int(self.stroke_s.size),
            "strokes_lost": self.lost_strokes,
            "programs": [p.as_json() for p in self.installed],
            "fills": [f.as_json() for f in self.fills],
            "fronts": [f.as_json() for f in self.fronts],
            "boluses": [b.as_json() for b in self.boluses],
            "alarms": [a.as_json() for a in self.alarms],
            "refusals": [r.as_json() for r in self.refusals],
            "time_line": [h.as_json() for h in self.happenings],
            "series": [asdict(d) for d in self.days()],
            "log": {"records": self.log_records, "digest": self.log_digest},
        }
