"""Accuracy on the bench: every family with strokes, at its lowest, a middle and its highest rate, and in boluses.

The pump counts in whole strokes, so what it commands may be short by less than one stroke and is never more.
"""

from __future__ import annotations

from fractions import Fraction

import pytest
from tests.core_world import packed, program

from thecal.pump.core import codes
from thecal.pump.core.commands import Commands
from thecal.pump.core.controller import Controller
from thecal.pump.core.hardware import Motor
from thecal.pump.core.log import Log
from thecal.pump.families import Calibration, load_families
from thecal.pump.setting import rate_of
from thecal.quantities import Volume
from thecal.twin.implant import hardware_of

ENVELOPES = {
    code: f.envelope(Calibration(stroke=Volume.parse("250 nL")) if not f.stroke else None)
    for code, f in load_families().items()
    if not f.fixed_flow
}
POINTS = ("lowest", "middle", "highest")


def rates(code: str) -> dict[str, int]:
    pump = ENVELOPES[code]
    lowest, highest = rate_of(pump.flow_min), rate_of(pump.flow_max)
    return dict(zip(POINTS, (lowest, (lowest + highest) // 2, highest), strict=True))


def pump_at(code: str, rate: int, bolus: tuple[int, int, int, int] | None = None) -> tuple[Controller, Commands, int]:
    """A pump of the family that runs at ``rate`` pL/h, with a reservoir that does not end."""
    hw = hardware_of(ENVELOPES[code])
    hw.reservoir_nl = 1_000_000_000
    c = Controller(hw, Motor(), Log(256))
    k = Commands(c)
    assert k.refill(1_000_000_000) == codes.GRANTED
    p = program(
        rates=((0, rate),),
        stroke_nl=hw.stroke_nl,
        bolus=bolus,
        strengths=(1_000,),
        per_1h=(10**9,),
        per_24h=(10**9,),
        low_nl=0,
    )
    p.max_rate_pl_per_h = hw.max_rate_pl_per_h
    assert k.propose(packed(p)) == codes.GRANTED
    assert k.confirm(k.staged_digest()) == codes.GRANTED
    assert k.start(1) == codes.GRANTED
    return c, k, hw.stroke_nl


@pytest.mark.requirement("FD-S3", "P3")
@pytest.mark.parametrize("code", sorted(ENVELOPES))
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("hours", [1, 24, 240])
def test_the_base_is_short_by_less_than_a_stroke(code: str, point: str, hours: int) -> None:
    rate = rates(code)[point]
    c, _, stroke_nl = pump_at(code, rate)
    begun = c.t
    while c.t < begun + hours * codes.HOUR_S:
        c.run(min(c.t + codes.DAY_S, begun + hours * codes.HOUR_S))
    ordered_nl = Fraction(rate * hours, 1000)
    short_nl = ordered_nl - c.strokes * stroke_nl
    assert 0 <= short_nl < stroke_nl, f"{float(short_nl)} nL of {float(ordered_nl)} nL"


@pytest.mark.requirement("FD-S3", "P3")
@pytest.mark.parametrize("code", sorted(ENVELOPES))
@pytest.mark.parametrize("strokes", [1, 100, 1000])
def test_a_bolus_is_given_to_the_stroke(code: str, strokes: int) -> None:
    """The smallest that there is, and ones that take as long as the pump's highest flow needs."""
    hw = hardware_of(ENVELOPES[code])
    seconds = -(-strokes * hw.stroke_nl * 1000 * codes.HOUR_S // hw.max_rate_pl_per_h) + 1
    c, k, _ = pump_at(code, 0)
    assert k.single(strokes, seconds) == codes.GRANTED
    c.run(c.t + seconds)
    assert c.strokes == strokes
    assert c.b_kind == 0
