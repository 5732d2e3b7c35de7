"""What a pump said of itself, as the client holds it: names and types in place of maps."""

from __future__ import annotations

from dataclasses import dataclass
from struct import unpack
from typing import TYPE_CHECKING, Any

from thecal.pump.core.alarms import MEMORY_CRITICAL, N_ALARMS

if TYPE_CHECKING:
    from thecal.link.codec import Decoded


@dataclass(frozen=True, slots=True)
class Status:
    """The status of a pump; the fields are those of the catalogue. Times in s of pump uptime, volumes in nL."""

    uptime_s: int
    clock_s: int
    boots: int
    loaded: bool
    running: bool
    delivering: bool
    bridging: bool
    bridge_left_s: int
    held: bool
    rate_pl_per_h: int
    level_nl: int
    strokes: int
    program: int
    digest: bytes
    staged: bytes
    bolus_kind: int
    bolus_strokes: int
    bolus_given: int
    bolus_left_s: int
    has_bolus: bool
    lockout_left_s: int
    count_left_s: int
    stopped_s: int
    alarms: int
    acknowledged: int
    newest: int
    newest_answer: int
    newest_wait_s: int
    battery_percent: int
    log_records: int
    near: bool

    @classmethod
    def of(cls, values: Decoded) -> Status:
        """A status from the values of an answer that was decoded."""
        known: dict[str, Any] = {**values}
        return cls(**known)

    def alarm(self, alarm: int) -> bool:
        """Whether an alarm is active."""
        return (self.alarms >> alarm) & 1 == 1

    def forgot(self, log_records: int) -> bool:
        """Whether the pump may have lost its memory of commands since its log had ``log_records`` records."""
        return self.alarm(MEMORY_CRITICAL) or self.log_records < log_records


@dataclass(frozen=True, slots=True)
class AlarmTimes:
    """When an alarm was issued, acknowledged and cleared last, in s of uptime; 0 where it never was."""

    issued_s: int
    acknowledged_s: int
    cleared_s: int


@dataclass(frozen=True, slots=True)
class Totals:
    """Strokes since the beginning, and confirmed and missed ones since the day's totals were logged last."""

    confirmed: int
    missed: int
    commanded: int
    day_confirmed: int
    day_missed: int


@dataclass(frozen=True, slots=True)
class Identity:
    """Which pump this is, whose, and its accounts; the fields are those of the catalogue, with names as text."""

    family: str
    serial: str
    software: str
    stroke_nl: int
    reservoir_nl: int
    residual_nl: int
    tubing_nl: int
    offset_s: int
    replace_soon_s: int
    end_of_service_s: int
    patient: bytes
    order_digest: bytes
    catheter: int
    alarms: tuple[AlarmTimes, ...]
    log_oldest: int
    log_newest: int
    log_digest: bytes
    totals: Totals

    @classmethod
    def of(cls, values: Decoded) -> Identity:
        """An identity from the values of an answer that was decoded; ValueError where tables in it are not whole."""
        known: dict[str, Any] = {**values}
        for name in ("family", "serial", "software"):
            known[name] = known[name].decode("utf-8", "replace")
        if len(known["alarms"]) != 12 * N_ALARMS or len(known["totals"]) != 20:
            raise ValueError("tables of another length than this version knows")
        times = unpack(f"<{3 * N_ALARMS}I", known["alarms"])
        known["alarms"] = tuple(AlarmTimes(*times[3 * i : 3 * i + 3]) for i in range(N_ALARMS))
        known["totals"] = Totals(*unpack("<5I", known["totals"]))
        return cls(**known)
