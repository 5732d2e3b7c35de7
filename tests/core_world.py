"""A pump for the tests of the core: a recording motor, a way to make programs, and an exact checker of ceilings.

The checker shares no code with the core: it looks at every stroke, and at every window that ends on one.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from thecal.pump.core import codes
from thecal.pump.core.commands import Commands
from thecal.pump.core.controller import Controller
from thecal.pump.core.hardware import Hardware, Motor
from thecal.pump.core.log import Log
from thecal.pump.core.program import RECORD_SIZE, Program

if TYPE_CHECKING:
    from collections.abc import Sequence

STROKE_NL = 250


@dataclass
class Stroke:
    """Strokes of one second with what each charges in every channel, and the ceilings in force then."""

    t: int
    n: int
    charge_fg: tuple[int, ...]
    limits_fg: tuple[tuple[int, int], ...]
    free: bool


@dataclass
class Recorder(Motor):
    """A motor that turns as commanded, save in stalls, and remembers every stroke to the second."""

    controller: Controller | None = None
    strokes: list[Stroke] = field(default_factory=list)
    stalls: list[tuple[int, int]] = field(default_factory=list)
    extra_at: int = codes.NEVER

    def turn(self, t0_s: int, t1_s: int, acc: int, rate: int, unit: int, strokes: int) -> int:
        assert self.controller is not None
        c = self.controller
        free = c.b_kind == codes.PRIME
        charge = tuple(
            c.program.strength_ng_per_ml[i] * c.program.stroke_nl if i < c.program.n_channels else 0 for i in range(8)
        )
        limits = tuple(
            (c.program.ceiling_1h_ng[i] * 10**6, c.program.ceiling_24h_ng[i] * 10**6)
            for i in range(c.program.n_channels)
        )
        done = 0
        for k in range(1, strokes + 1):
            t = t0_s + -(-(k * unit - acc) // rate)
            assert t0_s < t <= t1_s
            if not any(a <= t < b for a, b in self.stalls):
                self.strokes.append(Stroke(t, 1, charge, limits, free))
                done += 1
        if t0_s < self.extra_at <= t1_s:
            self.strokes.append(Stroke(self.extra_at, 1, charge, limits, free))
            self.extra_at = codes.NEVER
            done += 1
        return done

    def good_until(self, now_s: int) -> int:
        if self.extra_at != codes.NEVER:
            return now_s
        for a, b in self.stalls:
            if now_s < b:
                return max(now_s, a - 1) if now_s < a else now_s
        return codes.NEVER


def program(
    number: int = 1,
    rates: Sequence[tuple[int, int]] = ((0, 20_000_000),),
    *,
    strengths: Sequence[int] = (5_000_000,),
    per_1h: Sequence[int] | None = None,
    per_24h: Sequence[int] | None = None,
    bolus: tuple[int, int, int, int] | None = (40, 600, 3600, 6),
    bridge: tuple[int, int, int] | None = None,
    cycle_s: int = 86_400,
    responses: Sequence[int] = (0, 2, 2, 0, 0, 2),
    fallback: int = 0,
    low_nl: int = 2_000_000,
    stroke_nl: int = STROKE_NL,
) -> Program:
    """A program; ceilings default to three times the mean day and half a day's base an hour."""
    p = Program()
    p.number = number
    p.stroke_nl = stroke_nl
    p.n_channels = len(strengths)
    p.cycle_s = cycle_s
    p.n_steps = len(rates)
    for i, (start, rate) in enumerate(rates):
        p.step_s[i] = start
        p.rate_pl_per_h[i] = rate
    top = max(1_000_000, *(r for _, r in rates))
    for i, s in enumerate(strengths):
        p.strength_ng_per_ml[i] = s
        day_ng = 3 * 24 * top * s // 10**9 + 3 * 6 * 40 * stroke_nl * s // 10**6
        p.ceiling_24h_ng[i] = per_24h[i] if per_24h else day_ng
        p.ceiling_1h_ng[i] = per_1h[i] if per_1h else max(1, day_ng // 4)
    if bolus:
        p.bolus_strokes, p.bolus_s, p.lockout_s, p.bolus_most = bolus
    if bridge:
        p.bridge_pl, p.bridge_rate_pl_per_h, p.bridge_bolus_strokes = bridge
    for i, r in enumerate(responses):
        p.response[i] = r
    p.fallback_pl_per_h = fallback
    p.low_nl = low_nl
    p.max_rate_pl_per_h = 1_000_000_000
    return p


def packed(p: Program) -> bytearray:
    buf = bytearray(RECORD_SIZE)
    p.pack(buf)
    return buf


@dataclass
class World:
    """One pump with its commands and its recorder."""

    c: Controller
    k: Commands
    motor: Recorder

    def load(self, p: Program) -> int:
        """Propose, read back, confirm."""
        answer = self.k.propose(packed(p))
        if answer != codes.GRANTED:
            return answer
        return self.k.confirm(self.k.staged_digest())

    def step(self, seconds: int) -> None:
        for _ in range(seconds):
            self.c.run(self.c.t + 1)

    def times(self) -> list[int]:
        return sorted(s.t for s in self.motor.strokes)

    def digest(self) -> bytes:
        self.c.log.seal()
        return bytes(self.c.log.digest)


def hardware(stroke_nl: int = STROKE_NL) -> Hardware:
    hw = Hardware(stroke_nl, 20_000_000)
    hw.residual_nl = 0
    return hw


def world(
    p: Program | None = None, *, start: bool = True, level_nl: int = 20_000_000, hw: Hardware | None = None
) -> World:
    """A filled pump that runs ``p``."""
    motor = Recorder()
    c = Controller(hw or hardware(p.stroke_nl if p else STROKE_NL), motor, Log(4096))
    motor.controller = c
    w = World(c, Commands(c), motor)
    assert w.k.refill(level_nl) == codes.GRANTED
    if p is not None:
        assert w.load(p) == codes.GRANTED
        if start:
            assert w.k.start(1) == codes.GRANTED
    return w


def broken_windows(strokes: Sequence[Stroke]) -> list[tuple[int, int, int]]:
    """Every window of 1 h or 24 h that ends on a stroke and holds more than the ceiling in force at that stroke.

    Windows are (e - W, e] in whole seconds, which is [s, s + W) with s = e - W + 1. Rows: end, length, channel.
    """
    found = []
    ordered = sorted((s for s in strokes if not s.free), key=lambda s: s.t)
    for which, length in ((0, 3600), (1, 86_400)):
        inside: deque[Stroke] = deque()
        total = [0] * 8
        i = 0
        while i < len(ordered):
            e = ordered[i].t
            while i < len(ordered) and ordered[i].t == e:
                s = ordered[i]
                inside.append(s)
                for ch in range(8):
                    total[ch] += s.n * s.charge_fg[ch]
                last = s
                i += 1
            while inside[0].t <= e - length:
                gone = inside.popleft()
                for ch in range(8):
                    total[ch] -= gone.n * gone.charge_fg[ch]
            found += [(e, length, ch) for ch, lim in enumerate(last.limits_fg) if total[ch] > lim[which]]
    return found
