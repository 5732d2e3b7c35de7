"""How a rig says no: a value with a reason, what was found, what is allowed, and what to do next."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Why(StrEnum):
    """Why a request over a local socket was not carried out."""

    MALFORMED = "malformed"  # not one JSON object on one line
    TOO_LONG = "too-long"
    UNKNOWN_OPERATION = "unknown-operation"
    FIELD = "field"  # missing, unknown, of another type, or out of range
    UNKNOWN_PUMP = "unknown-pump"
    NOT_RUNNING = "not-running"  # the pump has no power, or its process ended
    NO_KEY = "no-key"
    WRONG_CLOCK = "wrong-clock"
    IN_USE = "in-use"
    BUSY = "busy"
    CANNOT = "cannot"  # what was asked is not possible as things are
    DEFECT = "defect"  # an error of the program, which is in its own report


@dataclass(frozen=True, slots=True)
class Refusal:
    """No, and why; ``then`` says what to do next. Without ``allowed``, ``found`` says all of it."""

    why: Why
    found: str
    allowed: str
    then: str = "correct the request"

    @property
    def message(self) -> str:
        """One line for a person."""
        return f"found {self.found}; allowed: {self.allowed}; next: {self.then}" if self.allowed else self.found

    def as_json(self) -> dict[str, Any]:
        """What goes over a local socket."""
        return {"error": {**asdict(self), "why": self.why.value}}

    @classmethod
    def from_json(cls, error: dict[str, Any]) -> Refusal:
        """What came over a local socket; ValueError or KeyError where it is not a refusal."""
        return cls(Why(error["why"]), str(error["found"]), str(error["allowed"]), str(error["then"]))
