"""What arrives at the tip, the slow and obvious way: parcels of fluid pushed through the line, stroke by stroke.

Plain Python; it shares no code with what it checks. With Fractions everything is exact. A rate of loss makes the
concentrations floats, because an exponential has no exact value.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Number = Any  # int or Fraction; float where drug is lost
Mass = dict[str, Number]


@dataclass(frozen=True)
class RefillEvent:
    """Before the strokes of its second: keep at most ``left`` mL, add ``filled`` mL of ``c`` mg/mL."""

    t_s: int
    left: Number
    filled: Number
    c: Mapping[str, Number]


@dataclass(frozen=True)
class Moment:
    """All that happened up to and including second ``t_s``."""

    t_s: int
    pumped: Number
    delivered: Mass
    arrived: Mass
    volume: Number
    oldest: int
    """The batch of fluid at the tip: a number that rises with every boundary; see ``tip_reference``."""


@dataclass
class _Run:
    volume: Number
    c: Mass
    now: int
    loss: Mapping[str, float]
    unusable: Number
    line: deque[tuple[Number, Mass, int]]
    batch: int
    pumped: Number = Fraction(0)
    delivered: Mass = field(default_factory=dict)
    arrived: Mass = field(default_factory=dict)

    def wait(self, t_s: int) -> None:
        days = Fraction(t_s - self.now, 86_400)
        self.now = t_s
        for drug, rate in self.loss.items():
            if rate:
                self.c[drug] = float(self.c.get(drug, 0)) * math.exp(-rate * float(days))

    def refill(self, event: RefillEvent) -> None:
        left = min(event.left, self.volume)
        total = left + event.filled
        drugs = {*self.c, *event.c}
        if total:
            self.c = {d: (left * self.c.get(d, 0) + event.filled * event.c.get(d, 0)) / total for d in drugs}
        else:
            self.c = dict.fromkeys(drugs, Fraction(0))
        self.volume = total
        self.batch += 1

    def stroke(self, asked: Number) -> None:
        moved = min(asked, max(self.volume - self.unusable, 0))
        self.volume -= moved
        self.pumped += moved
        _add(self.delivered, self.c, moved)
        if moved:
            self.line.append((moved, dict(self.c), self.batch))
        while moved:
            there, c, batch = self.line.popleft()
            out = min(there, moved)
            _add(self.arrived, c, out)
            moved -= out
            if there > out:
                self.line.appendleft((there - out, c, batch))

    def moment(self, t_s: int) -> Moment:
        return Moment(t_s, self.pumped, dict(self.delivered), dict(self.arrived), self.volume, self.line[0][2])


def _add(total: Mass, c: Mapping[str, Number], volume: Number) -> None:
    for drug, strength in c.items():
        total[drug] = total.get(drug, 0) + strength * volume


def tip_reference(
    strokes: Sequence[tuple[int, Number]],
    refills: Sequence[RefillEvent],
    at_s: Sequence[int],
    *,
    volume: Number,
    c: Mapping[str, Number],
    line: Sequence[tuple[Number, Mapping[str, Number]]],
    start_s: int = 0,
    loss_per_day: Mapping[str, float] | None = None,
    unusable: Number = 0,
) -> list[Moment]:
    """The state at each of ``at_s`` (ascending).

    ``strokes``: (second, volume in mL), ascending. ``line``: (mL, mg/mL) from the tip to the pump, at the start.
    Fluids are numbered in batches: those in the line 0, 1, ...; then the first of the reservoir; one more per refill.
    """
    contents = deque((v, dict(strength), n) for n, (v, strength) in enumerate(line))
    run = _Run(volume, dict(c), start_s, loss_per_day or {}, unusable, contents, batch=len(line))
    events: list[tuple[int, int, Any]] = [(r.t_s, 0, r) for r in refills]
    events += [(t, 1, v) for t, v in strokes]
    events += [(t, 2, None) for t in at_s]
    found: list[Moment] = []
    for t_s, kind, what in sorted(events, key=lambda e: e[:2]):
        run.wait(t_s)
        if kind == 0:
            run.refill(what)
        elif kind == 1:
            run.stroke(what)
        else:
            found.append(run.moment(t_s))
    return found
