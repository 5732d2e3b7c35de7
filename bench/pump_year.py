"""A pump-year of the bench family by leaping against stepping each second, in the same interpreter.

0.5 mL a day, 24 steps a day, 6 boluses a day, one refill a month. The same controller, motor and log on both sides;
the two must end with the same strokes and the same log digest, or the figures mean nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from thecal.pump.core.codes import DAY_S, GRANTED
from thecal.pump.core.commands import Commands
from thecal.pump.core.controller import Controller
from thecal.pump.core.hardware import Hardware, Motor
from thecal.pump.core.log import Log
from thecal.pump.core.program import RECORD_SIZE, Program

PRESSES = [h * 3600 + 1800 for h in (2, 6, 10, 14, 18, 22)]


@dataclass(frozen=True)
class Figures:
    """Process seconds of one run, and what must be the same for every way of running it."""

    seconds: float
    strokes: int
    digest: str


def a_program(headroom_percent: int) -> Program:
    """Three ingredients, 24 different hours, ceilings ``headroom_percent`` over the day with every bolus."""
    p = Program()
    p.number, p.stroke_nl, p.n_channels, p.n_steps = 1, 250, 3, 24
    for i in range(24):
        p.step_s[i] = i * 3600
        p.rate_pl_per_h[i] = 20_833_333 * (10 + i % 5) // 12
    p.bolus_strokes, p.bolus_s, p.lockout_s, p.bolus_most = 80, 900, 7200, 6
    day_nl = sum(p.rate_pl_per_h[i] for i in range(24)) // 1000 + 6 * 80 * 250
    for c, strength in enumerate((5_000_000, 2_000_000, 100_000)):
        p.strength_ng_per_ml[c] = strength
        p.ceiling_24h_ng[c] = day_nl * strength // 10**6 * (100 + headroom_percent) // 100
        p.ceiling_1h_ng[c] = p.ceiling_24h_ng[c] // 5
    p.max_rate_pl_per_h, p.low_nl = 1_000_000_000, 2_000_000
    for i, response in enumerate((2, 2, 2, 0, 0, 2)):
        p.response[i] = response
    return p


def run(days: int, *, leap: bool, headroom_percent: int = 50) -> Figures:
    """Run the pump for ``days``; time is that of the process, set-up included."""
    began = time.process_time()
    c = Controller(Hardware(250, 40_000_000), Motor(), Log(64))
    k = Commands(c)
    buf = bytearray(RECORD_SIZE)
    a_program(headroom_percent).pack(buf)
    answers = [k.refill(40_000_000), k.propose(buf), k.confirm(k.staged_digest()), k.start(1)]
    if answers != [GRANTED] * 4:
        raise RuntimeError(f"the bench program was refused: {answers}")
    request = 0
    for day in range(days):
        for press in PRESSES:
            end = day * DAY_S + press
            if leap:
                c.run(end)
            else:
                while c.t < end:
                    c.run(c.t + 1)
            request += 1
            k.bolus(request)
        if day % 30 == 29:
            k.refill(40_000_000)
    c.run(days * DAY_S)
    c.log.seal()
    return Figures(time.process_time() - began, c.strokes, bytes(c.log.digest).hex())


def compare(days: int, rounds: int, headroom_percent: int) -> dict[str, object]:
    """Leap and step interleaved, the median of ``rounds`` each."""
    leaps = [run(days, leap=True, headroom_percent=headroom_percent)]
    steps = []
    for _ in range(rounds):
        steps.append(run(days, leap=False, headroom_percent=headroom_percent))
        leaps.append(run(days, leap=True, headroom_percent=headroom_percent))
    if len({(f.strokes, f.digest) for f in leaps + steps}) != 1:
        raise RuntimeError("leaping and stepping differ")
    leap = sorted(f.seconds for f in leaps)[len(leaps) // 2]
    step = sorted(f.seconds for f in steps)[len(steps) // 2]
    return {
        "days": days,
        "headroom_percent": headroom_percent,
        "strokes": leaps[0].strokes,
        "leap_s": round(leap, 4),
        "step_s": round(step, 2),
        "ratio": round(step / leap, 1),
    }


if __name__ == "__main__":
    for headroom in (100, 50, 10):
        print(compare(365, 1, headroom))
