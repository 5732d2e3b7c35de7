"""How the compiler says no: a value with a reason, what was found, what is allowed, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Why(StrEnum):
    """Why an order does not become a program of this pump."""

    CANNOT = "the pump cannot do it"
    FIXED_FLOW = "fixed flow"
    UNKNOWN = "unknown"
    FLOW_BELOW_FLOOR = "flow below the lowest"
    FLOW_ABOVE_MAXIMUM = "flow above the highest"
    TOO_MANY_STEPS = "too many steps"
    TOO_MANY_CHANGES = "too many changes of rate in 24 h"
    BOLUS_UNDER_STROKE = "bolus under one stroke"
    BOLUS_TOO_BIG = "bolus too big"
    BOLUS_FLOW = "base and bolus above the highest flow"
    LOCKOUT_TOO_LONG = "lockout too long"
    TOO_MANY_BOLUSES = "too many boluses"
    CEILING_MISSING = "ceiling missing"
    CEILING_RANGE = "ceiling out of range"
    CEILING_TOO_LOW = "ceiling below the program"
    STRENGTH_RANGE = "strength out of range"
    TOO_MANY_DRUGS = "too many drugs"
    NOTHING_TO_BRIDGE = "nothing to bridge"
    BRIDGE_RANGE = "bridge out of range"
    MUST_STOP = "must stop"
    FALLBACK_MISSING = "fallback dose missing"
    LOW_LEVEL_RANGE = "low level out of range"
    PRIME_UNDER_STROKE = "prime under one stroke"


@dataclass(frozen=True, slots=True)
class Refused:
    """No program, and why; ``then`` says what to do next."""

    why: Why
    found: str
    allowed: str
    then: str

    @property
    def message(self) -> str:
        """One line for a person."""
        return f"found {self.found}; allowed: {self.allowed}; next: {self.then}"
