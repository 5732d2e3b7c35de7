"""The pump of a run: the real controller with its commands, a virtual motor, and its log as it is written.

Time comes in second by second or in leaps, with the same result; log entries come out once each, in order.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import unpack
from typing import TYPE_CHECKING

from thecal.pump.core.codes import DAY_S
from thecal.pump.core.commands import Commands
from thecal.pump.core.controller import Controller
from thecal.pump.core.hardware import Hardware
from thecal.pump.core.log import RECORD, Log
from thecal.pump.families import Calibration, family
from thecal.pump.setting import rate_of

if TYPE_CHECKING:
    from thecal.therapy.envelope import Envelope
    from thecal.twin.motor import VirtualMotor

LOG_RECORDS = 4_096


@dataclass(frozen=True, slots=True)
class Entry:
    """One record of the pump's log: number, uptime in s, event code and its two numbers."""

    number: int
    at_s: int
    event: int
    a: int
    b: int


def hardware_of(pump: Envelope) -> Hardware:
    """The constants of a pump with a controller; ValueError for one without, KeyError for an unknown family."""
    constants = None
    if pump.fixed_flow is None:
        constants = family(pump.family).hardware_constants(Calibration(stroke=pump.stroke, tubing=pump.tubing))
    if constants is None:
        raise ValueError(f"{pump.name} has no controller")
    made = Hardware(constants.stroke_nl, pump.reservoir.floor("nL"))
    made.residual_nl = constants.residual_nl
    made.max_rate_pl_per_h = rate_of(pump.flow_max)
    made.prime_rate_pl_per_h = constants.prime_rate_pl_per_h
    made.replace_soon_s = constants.replace_soon_s
    made.end_of_service_s = constants.end_of_service_s
    return made


class Implant:
    """One pump: ``commands`` to ask it, ``run`` to let time pass, ``news`` to read what it wrote since."""

    def __init__(self, hardware: Hardware, motor: VirtualMotor, *, stepping: bool) -> None:
        self.motor = motor
        self.controller = Controller(hardware, motor, Log(LOG_RECORDS))
        self.commands = Commands(self.controller)
        self._stepping = stepping
        self._read = 0

    @property
    def now_s(self) -> int:
        """Uptime, which is also the time since the start of the run."""
        return self.controller.t

    def run(self, until_s: int) -> None:
        """Let time pass up to and including ``until_s``; at most a day between two readings of the log."""
        if until_s - self.now_s > DAY_S:
            raise ValueError(f"{until_s - self.now_s:,} s at once; allowed: a day")
        step_s = 1 if self._stepping else DAY_S
        while self.now_s < until_s:
            self.controller.run(min(self.now_s + step_s, until_s))

    def news(self) -> list[Entry]:
        """Every entry of the log that was not read before."""
        log = self.controller.log
        log.seal()
        if log.sealed - self._read > LOG_RECORDS:
            raise RuntimeError("more log entries in a day than the ring holds")
        found = []
        for number in range(self._read + 1, log.sealed + 1):
            n, at_s, _, event, a, b = unpack(RECORD, log.record(number))
            found.append(Entry(n, at_s, event, a, b))
        self._read = log.sealed
        return found

    def log_digest(self) -> str:
        """The digest of the newest record of the whole log, in hex."""
        self.controller.log.seal()
        return bytes(self.controller.log.digest).hex()
