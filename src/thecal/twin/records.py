"""What a run leaves behind, each thing as a value: what happened, what was answered, what was refused and until when.

Times are whole seconds after the start of the run. Nothing here computes a dose.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from thecal.pump.core import codes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from thecal.pump.compile import Compiled
    from thecal.therapy.mixture import Mixture


class Answer(StrEnum):
    """What a pump answers to a command, in words."""

    GRANTED = "granted"
    DUPLICATE = "the same request again"
    STOPPED = "the pump is stopped"
    NO_PROGRAM = "the pump has no program"
    NO_BOLUS = "the program has no patient bolus"
    LOCKOUT = "the lockout still runs"
    COUNT = "as many boluses as 24 h may hold were given"
    RUNNING = "another bolus is being given"
    BRIDGE = "old drug is still ahead of the new one"
    CEILING_1H = "the ceiling of 1 h would be passed"
    CEILING_24H = "the ceiling of 24 h would be passed"
    HISTORY_FULL = "the pump's memory of the past 24 h is full"
    EMPTY = "the reservoir holds too little"
    ALARM = "an alarm forbids it"
    STALE_ID = "the number is older than what the pump remembers"
    BAD_VALUE = "the pump does not take this value"
    NEAR_FIELD = "only with the programmer on the skin"
    PRIMED = "this catheter was primed before"
    QUEUE_FULL = "as many boluses wait as the pump can hold"
    UNKNOWN = "nothing to confirm, or not what was read back"
    EXPIRED = "the confirmation came too late"
    MEMORY = "the pump's memory is in doubt"
    NOT_NEEDED = "nothing to do"
    VOIDED = "withdrawn before it arrived"
    OTHER_PATIENT = "the program is for another patient than this pump"
    DOCUMENT = "the order document that the program names is not held whole"


_ANSWERS = {getattr(codes, answer.name): answer for answer in Answer}


def answer_of(code: int) -> Answer:
    """The words for an answer of the core."""
    return _ANSWERS[code]


class AlarmName(StrEnum):
    """Every alarm of the pump, in the order of the core's table."""

    LOW_RESERVOIR = "low reservoir"
    EMPTY_RESERVOIR = "empty reservoir"
    REPLACE_SOON = "replacement date reached"
    END_OF_SERVICE = "end of service"
    STALL = "motor stall"
    STOPPED_48H = "stopped for more than 48 h"
    MEMORY_MINOR = "one copy of a record was damaged"
    MEMORY_CRITICAL = "memory in doubt"
    OVER_DELIVERY = "the rotor turned further than commanded"
    HELD = "strokes held back by the monitor"
    POWER_LOST = "power was lost"
    CLOCK_DOUBT = "the pump clock may be wrong"
    BATTERY_RESET = "the battery was too low and the pump reset itself"
    SHORT_STALLS = "several short stalls in a week"


ALARMS = tuple(AlarmName)


class Kind(StrEnum):
    """What an entry of the time line is about."""

    FILL = "fill"
    PROGRAM = "program"
    START = "start"
    STOP = "stop"
    BOLUS = "bolus"
    BOLUS_END = "bolus end"
    BOLUS_CUT = "bolus interrupted"
    REFUSED = "refused"
    PRIME = "prime"
    BRIDGE_END = "bridge end"
    BRIDGE_CUT = "bridge cut"
    ALARM = "alarm"
    CLEARED = "alarm cleared"
    HELD = "held"
    FRONT = "front at the tip"
    FAULT = "fault"
    FAULT_END = "fault end"


@dataclass(frozen=True, slots=True)
class Happening:
    """One entry of the time line: when, on the pump clock (ISO text) too, and what, in words."""

    at_s: int
    clock: str
    kind: Kind
    text: str

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {"at_s": self.at_s, "clock": self.clock, "kind": str(self.kind), "text": self.text}


class Source(StrEnum):
    """Who asked for a bolus."""

    PATIENT = "patient"
    CLINICIAN = "clinician"
    PRIME = "prime"


@dataclass(frozen=True, slots=True)
class Bolus:
    """A bolus that was asked for at ``at_s``.

    Refused: ``answer`` says why and ``wait_s`` when asking again would help (0: time does not heal it). Granted: it
    began at ``began_s`` and ended at ``ended_s`` (None: not within the run) with ``given`` of its ``strokes``;
    ``cut`` where it was interrupted or dropped. ``dose_mg`` is what its strokes hold nominally at the tip of the pump.
    """

    at_s: int
    source: Source
    answer: Answer
    wait_s: int = 0
    strokes: int = 0
    seconds: int = 0
    began_s: int | None = None
    ended_s: int | None = None
    given: int = 0
    cut: bool = False
    dose_mg: Mapping[str, float] = field(default_factory=dict)

    @property
    def granted(self) -> bool:
        """Whether the pump gave it."""
        return self.answer is Answer.GRANTED

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "at_s": self.at_s,
            "source": str(self.source),
            "granted": self.granted,
            "answer": str(self.answer),
            "wait_s": self.wait_s,
            "strokes": self.strokes,
            "seconds": self.seconds,
            "began_s": self.began_s,
            "ended_s": self.ended_s,
            "given": self.given,
            "cut": self.cut,
            "dose_mg": dict(self.dose_mg),
        }


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm from when it was issued until it was cleared (None: not within the run)."""

    name: AlarmName
    critical: bool
    issued_s: int
    cleared_s: int | None = None

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "name": str(self.name),
            "critical": self.critical,
            "issued_s": self.issued_s,
            "cleared_s": self.cleared_s,
        }


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something other than a bolus that was not done; ``fits_at_s`` is None where time does not heal it."""

    at_s: int
    what: str
    why: str
    fits_at_s: int | None = None

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {"at_s": self.at_s, "what": self.what, "why": self.why, "fits_at_s": self.fits_at_s}


@dataclass(frozen=True, slots=True)
class Installed:
    """A program from when it was committed on."""

    at_s: int
    mixture: Mixture
    compiled: Compiled

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {"at_s": self.at_s, **self.compiled.as_json()}


@dataclass(frozen=True, slots=True)
class Filled:
    """A fill of the reservoir: what the pump was told it holds (mL), and what was found, removed and held really.

    ``believed_ml`` is what the pump expected to find.
    """

    at_s: int
    believed_ml: float
    told_ml: float
    found_ml: float
    removed_ml: float
    volume_ml: float

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Arrived:
    """The front of a fluid: when it was filled in (None: in the line at the start) and when it reached the tip."""

    filled_s: int | None
    tip_s: int | None
    after_mg_per_ml: Mapping[str, float]

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {"filled_s": self.filled_s, "tip_s": self.tip_s, "after_mg_per_ml": dict(self.after_mg_per_ml)}
