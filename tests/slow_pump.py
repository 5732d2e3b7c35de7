"""A pump the slow and obvious way: one second after the other, plain integers, nothing laid out ahead.

It shares no code with the controller. Ceilings are not its business: it is given programs that nothing holds back.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

DAY = 86_400
PL_S = 3600 * 1000  # pL/h times s in one nL


@dataclass
class Plan:
    """A program in plain numbers: (start in the cycle, pL/h), and the patient's bolus."""

    steps: list[tuple[int, int]]
    cycle_s: int = DAY
    bolus_strokes: int = 0
    bolus_s: int = 1
    lockout_s: int = 1
    most: int = 0
    bridge_pl: int = 0
    bridge_rate: int = 0
    bridge_bolus: int = 0

    def __post_init__(self) -> None:
        self.starts = [start for start, _ in self.steps]

    def rate(self, clock_s: int) -> int:
        return self.steps[bisect_right(self.starts, clock_s % self.cycle_s) - 1][1]


@dataclass
class SlowPump:
    stroke_nl: int
    plan: Plan
    clock_s: int = 0
    """Second of the week at the start."""
    stalls: list[tuple[int, int]] = field(default_factory=list)
    level_nl: int = 0
    running: bool = True
    t: int = 0
    acc: int = 0
    left: int = 0
    bridging: bool = False
    bolus: list[int] | None = None  # start, seconds, strokes, given out
    starts: list[int] = field(default_factory=list)
    fails: int = 0
    stalled: bool = False
    strokes: list[int] = field(default_factory=list)
    answers: list[tuple[int, str]] = field(default_factory=list)
    bridge_ends: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.take(self.plan)

    def second(self) -> None:
        unit = self.stroke_nl * PL_S
        rate = 0
        if self.running and not self.empty:
            rate = self.plan.bridge_rate if self.bridging else self.plan.rate(self.clock_s + self.t)
        self.t += 1
        self.acc += rate
        base = 0
        while self.acc >= unit:
            self.acc -= unit
            base += 1
        extra = 0
        if self.bolus is not None:
            start, seconds, n, done = self.bolus
            extra = (self.t - start) * n // seconds - done
            self.bolus[3] += extra
        if self.bolus is not None and self.t == self.bolus[0] + self.bolus[1]:
            self.bolus = None
        if self.bridging and rate:
            self.left -= rate
        if base or extra:
            self._strokes(base, extra)
        if self.bridging and self.left <= 0:
            self.bridging = False
            self.bridge_ends.append(self.t)

    def _strokes(self, base: int, extra: int) -> None:
        """Strokes that are due in this second move, unless the motor stalls."""
        moved = not any(a <= self.t < b for a, b in self.stalls)
        if self.bridging:
            self.left += 0 if moved else base * self.stroke_nl * PL_S
            self.left -= extra * self.stroke_nl * PL_S if moved else 0
        if moved:
            self.strokes += [self.t] * (base + extra)
            self.level_nl -= self.stroke_nl * (base + extra)
        self._feedback(base + extra, moved=moved)
        if self.empty:
            self.bolus = None

    @property
    def empty(self) -> bool:
        """One stroke may be left: two that fall on one second must both find fluid."""
        return self.level_nl // self.stroke_nl <= 1

    def _feedback(self, sent: int, *, moved: bool) -> None:
        """Three failed strokes in a row are a stall until one moves again."""
        if moved:
            self.fails = 0
            self.stalled = False
        else:
            self.fails += sent
            if self.fails >= 3:
                self.stalled = True
                self.bolus = None

    def press(self) -> None:
        self.answers.append((self.t, self._press()))

    def _press(self) -> str:
        plan = self.plan
        n = plan.bridge_bolus if self.bridging else plan.bolus_strokes
        reasons = (
            ("STOPPED", not self.running),
            ("EMPTY", self.empty),
            ("ALARM", self.stalled),
            ("NO_BOLUS", not plan.bolus_strokes),
            ("BRIDGE", not n),
            ("LOCKOUT", bool(self.starts) and self.t < self.starts[-1] + plan.lockout_s),
            ("COUNT", len([s for s in self.starts if s > self.t - DAY]) >= plan.most),
            ("RUNNING", self.bolus is not None),
            ("EMPTY", self.level_nl // self.stroke_nl <= n + 1),
        )
        for reason, holds in reasons:
            if holds:
                return reason
        self.starts.append(self.t)
        self._begin(n, plan.bolus_s)
        return "GRANTED"

    def _begin(self, strokes: int, seconds: int) -> None:
        self.bolus = [self.t, seconds, strokes, 0]

    def single(self, strokes: int, seconds: int) -> None:
        assert self.bolus is None
        self._begin(strokes, seconds)

    def stop(self) -> None:
        self.running = False
        self.bolus = None

    def start(self) -> None:
        self.running = True

    def look(self) -> None:
        """Somebody clears the alarm."""
        if self.stalled:
            self.stalled = False
            self.fails = 0

    def take(self, plan: Plan) -> None:
        self.plan = plan
        self.left = plan.bridge_pl * 3600
        self.bridging = self.left > 0

    def run(self, until_s: int) -> None:
        while self.t < until_s:
            self.second()
