"""What a program changes in dose: for each channel the amount of 24 h before and after, in whole ng, rounded down.

Pump and programmer compute it by the same rule, each from the program that it holds, and the two are compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING

from thecal.pump.core.codes import DAY_S, HOUR_S, MAX_CHANNELS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thecal.pump.core.program import Program

_ROW = Struct("<4Q")
_PL_PER_ML = 10**9
SIZE = _ROW.size * MAX_CHANNELS
"""Bytes of a change."""


@dataclass(frozen=True, slots=True)
class Change:
    """One channel's dose of 24 h in ng: of the base alone, and together with every patient bolus that may be taken.

    The base is the mean day of its cycle. A pump without a program has 0 before.
    """

    base_before_ng: int
    base_after_ng: int
    most_before_ng: int
    most_after_ng: int


def change(before: Program | None, after: Program) -> tuple[Change, ...]:
    """What ``after`` changes in each of the MAX_CHANNELS channels; a program that is None delivers nothing."""
    rows = []
    for channel in range(MAX_CHANNELS):
        old, new = _day_ng(before, channel), _day_ng(after, channel)
        rows.append(Change(old[0], new[0], old[1], new[1]))
    return tuple(rows)


def pack_change(rows: Sequence[Change]) -> bytes:
    """A change as bytes: for each channel its four numbers, 64-bit, little-endian, in the order of the fields."""
    return b"".join(_ROW.pack(r.base_before_ng, r.base_after_ng, r.most_before_ng, r.most_after_ng) for r in rows)


def change_of(data: bytes) -> tuple[Change, ...]:
    """A change from its bytes; ValueError where they are not SIZE bytes."""
    if len(data) != SIZE:
        raise ValueError(f"a change of {len(data)} bytes; allowed: {SIZE}")
    return tuple(Change(*row) for row in _ROW.iter_unpack(data))


def _day_ng(program: Program | None, channel: int) -> tuple[int, int]:
    """Dose of 24 h in ng: the base alone, and with every bolus."""
    if program is None or channel >= program.n_channels:
        return 0, 0
    strength = program.strength_ng_per_ml[channel]
    whole = DAY_S * _cycle_pl_s_per_h(program) * strength
    per_ng = program.cycle_s * HOUR_S * _PL_PER_ML
    boluses_pl = program.bolus_strokes * program.bolus_most * program.stroke_nl * 1000
    return whole // per_ng, (whole + boluses_pl * strength * program.cycle_s * HOUR_S) // per_ng


def _cycle_pl_s_per_h(program: Program) -> int:
    """The volume of one cycle of the base, in pL/h times s."""
    total = 0
    for i in range(program.n_steps):
        end = program.step_s[i + 1] if i + 1 < program.n_steps else program.cycle_s
        total += program.rate_pl_per_h[i] * (end - program.step_s[i])
    return total
