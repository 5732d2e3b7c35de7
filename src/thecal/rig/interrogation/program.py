"""The running program as the document shows it: the pump's integers, and what they mean for every channel.

A bare rate is never shown: each comes with its flow and the dose of every channel. Amounts of drug are in mg.
"""

from __future__ import annotations

from fractions import Fraction
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from thecal.pump.annunciation.table import FAULT
from thecal.pump.core.codes import DAY_S, R_CONTINUE, R_FALLBACK, R_STOP
from thecal.pump.core.program import RECORD_SIZE, Program
from thecal.pump.setting import flow_of, volume_of
from thecal.quantities import Concentration, Duration, Mass, Volume
from thecal.therapy.program import FaultClass, Response
from thecal.therapy.wording import WEEKDAYS, clock_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RESPONSE = {R_STOP: Response.STOP, R_FALLBACK: Response.FALLBACK, R_CONTINUE: Response.CONTINUE}
Drugs = tuple[str | None, ...]
"""The drug of each channel; None where it is a gap, or not known."""


def unpacked(packed: bytes) -> Program | None:
    """The program of some bytes; None where they are damaged, or are none that the core would run."""
    program = Program()
    if len(packed) != RECORD_SIZE or not program.unpack(packed) or program.fault():
        return None
    return program


def chosen(program: Program | None) -> Mapping[FaultClass, Response]:
    """What a program chose for each class of fault; nothing, and so to stop, where there is no program."""
    if program is None:
        return {}
    return {fault: RESPONSE[program.response[number]] for fault, number in FAULT.items()}


def program_json(program: Program, packed: bytes, drugs: Drugs, words: Sequence[str] | None) -> dict[str, Any]:
    """The section of the running program."""
    return {
        "number": program.number,
        "digest": sha256(packed).hexdigest(),
        "order_digest": bytes(program.order_digest).hex(),
        "patient": bytes(program.patient_ref).hex(),
        "words": None if words is None else list(words),
        "stroke": volume_of(1, program.stroke_nl).as_json("nL"),
        "cycle_s": program.cycle_s,
        "anchor_s": program.anchor_s,
        "channels": _channels(program, drugs),
        "steps": [_step(program, i, drugs) for i in range(program.n_steps)],
        "days": _days(program, drugs),
        "patient_bolus": _bolus(program, drugs),
        "bridge": _bridge(program),
        "fallback": rate_json(program, program.fallback_pl_per_h, drugs) if program.fallback_pl_per_h else None,
        "most_flow": flow_of(program.max_rate_pl_per_h).as_json("mL/day"),
        "low_level": Volume.of(program.low_nl, "nL").as_json("mL"),
        "on_fault": {str(fault): str(response) for fault, response in chosen(program).items()},
        "packed": packed.hex(),
    }


def _channels(program: Program, drugs: Drugs) -> list[dict[str, Any]]:
    return [
        {
            "channel": i,
            "drug": drug_of(drugs, i),
            "strength": _strength(program, i).as_json("mg/mL"),
            "ceiling_1h": Mass.of(program.ceiling_1h_ng[i], "ng").as_json("mg"),
            "ceiling_24h": Mass.of(program.ceiling_24h_ng[i], "ng").as_json("mg"),
        }
        for i in range(program.n_channels)
    ]


def drug_of(drugs: Drugs, channel: int) -> str | None:
    """The drug of a channel, where it is known."""
    return drugs[channel] if channel < len(drugs) else None


def _strength(program: Program, channel: int) -> Concentration:
    return Concentration.of(program.strength_ng_per_ml[channel], "ng/mL")


def doses(program: Program | None, volume: Volume, drugs: Drugs) -> list[dict[str, Any]]:
    """What a volume holds in every channel, at the strengths of this program; nothing where it is not known."""
    if program is None:
        return []
    return [
        {"channel": i, "drug": drug_of(drugs, i), "dose": (_strength(program, i) * volume).as_json("mg")}
        for i in range(program.n_channels)
    ]


def rate_json(program: Program | None, rate_pl_per_h: int, drugs: Drugs) -> dict[str, Any]:
    """A rate of the core with its flow and the dose of every channel in 24 h."""
    flow = flow_of(rate_pl_per_h)
    return {
        "rate_pl_per_h": rate_pl_per_h,
        "flow": flow.as_json("mL/day"),
        "doses_24h": doses(program, flow * Duration.of(1, "day"), drugs),
    }


def _step(program: Program, index: int, drugs: Drugs) -> dict[str, Any]:
    day, second = divmod(program.step_s[index] + program.anchor_s, DAY_S)
    clock = clock_text(second)
    weekly = program.cycle_s > DAY_S
    return {
        "start_s": program.step_s[index],
        "from": f"{WEEKDAYS[day % 7]} {clock}" if weekly else clock,
        **rate_json(program, program.rate_pl_per_h[index], drugs),
    }


def _days(program: Program, drugs: Drugs) -> list[dict[str, Any]]:
    """The base of every day of the cycle, from the anchor on; of one day where all are alike."""
    weekly = program.cycle_s > DAY_S
    found = []
    for day in range(program.cycle_s // DAY_S if weekly else 1):
        volume = _volume(program, day * DAY_S, (day + 1) * DAY_S)
        weekday = WEEKDAYS[(day + program.anchor_s // DAY_S) % 7] if weekly else "every day"
        found.append({"day": weekday, "volume": volume.as_json("mL"), "doses": doses(program, volume, drugs)})
    return found


def _volume(program: Program, start_s: int, end_s: int) -> Volume:
    """What the base gives from one second after the anchor to another."""
    ends = [*program.step_s[1 : program.n_steps], program.cycle_s]
    total = 0
    for cycle in range(start_s // program.cycle_s, -(-end_s // program.cycle_s)):
        first = cycle * program.cycle_s
        for i, end in enumerate(ends):
            inside = min(first + end, end_s) - max(first + program.step_s[i], start_s)
            total += program.rate_pl_per_h[i] * max(0, inside)
    return Volume.of(Fraction(total, 3600 * 1000), "nL")


def _bolus(program: Program, drugs: Drugs) -> dict[str, Any] | None:
    if not program.bolus_strokes:
        return None
    volume = volume_of(program.bolus_strokes, program.stroke_nl)
    return {
        "strokes": program.bolus_strokes,
        "seconds": program.bolus_s,
        "lockout_s": program.lockout_s,
        "most_in_24h": program.bolus_most,
        "volume": volume.as_json("mL"),
        "doses": doses(program, volume, drugs),
        "strokes_in_bridge": program.bridge_bolus_strokes,
    }


def _bridge(program: Program) -> dict[str, Any] | None:
    """The old drug ahead of the program; what it holds of which drug is for the document of the program before."""
    if not program.bridge_pl:
        return None
    return {
        "volume": Volume.of(Fraction(program.bridge_pl, 1000), "nL").as_json("mL"),
        "rate_pl_per_h": program.bridge_rate_pl_per_h,
        "flow": flow_of(program.bridge_rate_pl_per_h).as_json("mL/day"),
    }
