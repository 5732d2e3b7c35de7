"""Every train of strokes as the rotor made it, in a file that is only ever appended to and outlives its process.

It is the truth for studies and for tests; no pump reads it. A line is one JSON object: ``program`` says what a stroke
carries and what its ceilings are from there on, ``train`` how many strokes fell on which true seconds.
"""

from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING, Any

from thecal.rig.home import OWNER_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from thecal.pump.core.program import Program
    from thecal.pump.device import Device, Stroke

_log = logging.getLogger(__name__)


class Witness:
    """Writes down what the rotor of one pump does since it woke. A file that cannot be written is said once.

    True seconds are told from uptime at the waking: they are right while the pump's clock neither drifts nor restarts.
    """

    def __init__(self, path: Path, device: Device) -> None:
        self._device = device
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, OWNER_FILE)
        self._ahead_s = device.now_s - device.controller.t if device.powered else 0
        self._program = -1
        self._broken = False

    def turned(self, t0_s: int, t1_s: int, acc: int, rate: int, unit: int, strokes: int, why: Stroke) -> None:  # noqa: PLR0917
        """Strokes were made: number k of them on the first second x with acc + rate * x >= k * unit."""
        program = self._device.controller.program
        if program.number != self._program:
            self._program = program.number
            self._write({"program": program.number, "stroke_nl": program.stroke_nl, "channels": _channels(program)})
        at = {"from_s": t0_s + self._ahead_s, "to_s": t1_s + self._ahead_s}
        self._write({"train": strokes, **at, "acc": acc, "rate": rate, "unit": unit, "why": why.value})

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def _write(self, line: dict[str, Any]) -> None:
        # One write of one line: a killed process leaves it whole or not at all, or cut at the end of the file.
        try:
            os.write(self._file, json.dumps(line, separators=(",", ":")).encode() + b"\n")
        except OSError as fault:
            if not self._broken:
                _log.warning("strokes cannot be written down: %s", fault)
            self._broken = True


def _channels(program: Program) -> list[list[int]]:
    """Strength in ng per mL, ceilings of 1 h and of 24 h in ng, for each channel that the program uses."""
    return [
        [program.strength_ng_per_ml[i], program.ceiling_1h_ng[i], program.ceiling_24h_ng[i]]
        for i in range(program.n_channels)
    ]
