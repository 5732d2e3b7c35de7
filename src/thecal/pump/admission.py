"""What the pump really admits under its ceilings, and programs that it could never admit.

A program of the core comes in; out goes the most of each drug in any window, as the core's own window and monitor
count it. Their counting is never too lenient and a little too strict: people should see by how much.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.pump.core.codes import DAY_S, HOUR_S
from thecal.pump.core.foresight import worst_strokes
from thecal.pump.core.monitor import Monitor
from thecal.pump.core.window import AHEAD, KNOTS, DoseWindow
from thecal.pump.refused import Refused, Why
from thecal.pump.setting import Admission, volume_of
from thecal.quantities import Mass

if TYPE_CHECKING:
    from thecal.pump.channels import ChannelMap
    from thecal.pump.core.program import Program
    from thecal.pump.schedule import Schedule
    from thecal.therapy.mixture import Mixture

_WINDOWS = ((HOUR_S, "1 h"), (DAY_S, "24 h"))
_SPARE = 16  # changes that are kept free: stops, a bridge, boluses of a clinician, and what the core keeps itself


def most_strokes(program: Program) -> dict[int, int]:
    """By length of window in s, the most strokes that a pump with no history admits in any of them."""
    window = _window(program)
    return {length_s: window.most_strokes(length_s) for length_s, _ in _WINDOWS}


def _window(program: Program) -> DoseWindow:
    window, monitor = DoseWindow(), Monitor()
    window.load(program, 0)
    monitor.load(program, 0, 0)
    window.margin = monitor.margin()
    return window


def _alone(program: Program, channel: int) -> Program:
    """A program with this channel only, so that its own ceiling decides."""
    one = type(program)()
    one.stroke_nl, one.n_channels = program.stroke_nl, 1
    for field in ("strength_ng_per_ml", "ceiling_1h_ng", "ceiling_24h_ng"):
        getattr(one, field)[0] = getattr(program, field)[channel]
    return one


def admissions(program: Program, mixture: Mixture, channels: ChannelMap) -> tuple[Admission, ...]:
    """For every drug of the mixture and both windows, what is admitted of it."""
    window = _window(program)
    found = []
    for drug in mixture.drugs:
        channel = channels.number(drug)
        alone = DoseWindow()
        alone.load(_alone(program, channel), 0)
        alone.margin = window.margin
        strength = mixture.concentration(drug)
        for length_s, name in _WINDOWS:
            ceilings = program.ceiling_1h_ng if length_s == HOUR_S else program.ceiling_24h_ng
            own, all_drugs = (max(w.most_strokes(length_s), 0) for w in (alone, window))
            found.append(
                Admission(
                    drug,
                    name,
                    Mass.of(ceilings[channel], "ng"),
                    volume_of(own, program.stroke_nl) * strength,
                    volume_of(all_drugs, program.stroke_nl) * strength,
                )
            )
    return tuple(found)


def refuse_changes(program: Program, schedule: Schedule) -> Refused | None:
    """Steps and boluses of 24 h against what the dose window remembers of them, back and ahead."""
    steps = schedule.changes_in(DAY_S + program.bolus_s)
    found = steps + 2 * program.bolus_most
    most = min(KNOTS, AHEAD) - _SPARE
    if found <= most:
        return None
    return Refused(
        Why.TOO_MANY_CHANGES,
        f"{found:,} changes of rate in 24 h: {steps:,} steps and {program.bolus_most:,} boluses",
        f"at most {most:,}",
        "give larger doses less often, or fewer boluses",
    )


def refuse_base(program: Program, channels: ChannelMap) -> Refused | None:
    """The base alone against the ceilings, in the worst window: what the pump would refuse at any time."""
    most = most_strokes(program)
    for length_s, name in _WINDOWS:
        need = worst_strokes(program, length_s)
        if need > most[length_s]:
            return _too_low(program, channels, f"the base moves {_ml(program, need)} in {name}", most[length_s])
    return None


def refuse_bridge(program: Program, channels: ChannelMap) -> Refused | None:
    """The bridge alone against the ceilings: the pump charges what leaves it, and that is the new drug."""
    if not program.bridge_pl:
        return None
    most = most_strokes(program)
    for length_s, name in _WINDOWS:
        volume_pl = min(program.bridge_pl, program.bridge_rate_pl_per_h * length_s // HOUR_S)
        need = volume_pl // (program.stroke_nl * 1000)
        if need > most[length_s]:
            found = f"the bridge draws in {_ml(program, need)} of the new mixture in {name}"
            return _too_low(program, channels, found, most[length_s])
    return None


def _ml(program: Program, strokes: int) -> str:
    return volume_of(max(strokes, 0), program.stroke_nl).text("mL")


def _too_low(program: Program, channels: ChannelMap, found: str, most: int) -> Refused:
    return Refused(
        Why.CEILING_TOO_LOW,
        found,
        f"{_ml(program, most)} under the ceilings of {', '.join(channels.drugs)}",
        "order less, or raise the ceiling with a reason",
    )
