"""One alarm condition: a row of the table, as values of closed sets."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from thecal.therapy.program import FaultClass


class Priority(StrEnum):
    """How an alarm sounds and how it is ranked; the words of device-facts 4."""

    CRITICAL = "critical"
    NON_CRITICAL = "non-critical"

    @property
    def sign(self) -> str:
        """The sign that stands beside the text, so that color never carries it alone (users-and-interfaces 4.4, A2)."""
        return "***" if self is Priority.CRITICAL else "*"


class Raised(StrEnum):
    """Who finds a condition."""

    PUMP = "by the pump"
    READING = "when the pump is read"
    LINK = "by the link"
    PROGRAMMER = "by the programmer"
    CONTROLLER = "by the controller"
    REFILL = "at the refill"
    PATIENT = "in the patient"

    @property
    def sensed(self) -> bool:
        """False where no part of the system senses it: people find it."""
        return self not in (Raised.REFILL, Raised.PATIENT)


class Base(StrEnum):
    """What a condition does to the base."""

    NO_CHANGE = "no change"
    STOP = "stop"
    AS_CHOSEN = "as chosen"
    """As the program chose for the class of fault."""


class Supply(StrEnum):
    """What becomes of the drug, apart from what the pump does about it."""

    GOES_ON = "goes on"
    MAY_END = "may end"
    ENDS = "ends"


class Call(StrEnum):
    """How soon a patient calls; two families of messages and no third (users-and-interfaces 4.4, A9)."""

    NOW = "now"
    SOON = "soon"
    NO = "no"


class Clears(StrEnum):
    """How a condition ends."""

    BY_ITSELF = "by itself"
    BY_CLINICIAN = "by a clinician"
    EITHER = "by itself or by a clinician"
    WITH_ITS_CAUSE = "with its cause"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Said:
    """What people are told of a condition: what happened, what to do, and for each reader what else belongs to it.

    ``pump`` says what the pump does where the base is not touched, and adds to it otherwise. A clinician is told what
    to ``check`` and how it ``clears``, a patient what to ``avoid``; the other texts are empty.
    """

    what: str
    act: str
    pump: str = ""
    check: str = ""
    clears: str = ""
    avoid: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """One row of the table. ``core`` is the number of the core's alarm, None where the pump does not raise it.

    ``fault`` is the class by which a program chooses (None: no choice). ``verified`` is True where the condition with
    its priority was read in ``source``; ``requirements`` are ids of the requirement table.
    """

    code: str
    name: str
    raised: Raised
    cause: str
    priority: Priority
    base: Base
    forbids_bolus: bool
    supply: Supply
    call: Call
    clears: Clears
    source: str
    verified: bool
    requirements: tuple[str, ...]
    clinician: Said
    patient: Said
    core: int | None = None
    fault: FaultClass | None = None
    note: str | None = None
