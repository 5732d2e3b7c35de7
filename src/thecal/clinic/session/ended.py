"""How something that was asked of a pump in a session ended, and why the session refuses."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from thecal.link.reading import Status
    from thecal.link.talk import Arm


class No(StrEnum):
    """Why a session does not do something."""

    NOT_ALLOWED = "not allowed"
    NO_PATIENT = "no such patient"
    NO_PUMP = "no pump"
    NO_SESSION = "no such session"
    NOT_OPEN = "session not open"
    HELD = "somebody else works here"
    ALREADY_OPEN = "pump in another session"
    NOT_REACHED = "pump not reached"
    DISAGREE = "patient, pump and order disagree"
    STEP = "step not open"
    SENT = "already sent"
    UNKNOWN_OUTCOME = "outcome not known"
    CHANGED = "pump changed meanwhile"
    ORDER = "order"
    FINDINGS = "findings"
    PUMP_CANNOT = "pump cannot"
    NOT_REVIEWED = "not reviewed"
    EXPIRED = "proposal expired"
    STOPPED = "pump stopped"
    VALUE = "value"
    NOTHING = "nothing to do"
    LONG_WITHOUT = "long without drug"
    SECOND_PHYSICIAN = "second physician"


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of one thing that was asked of a pump: ``arm`` of the link, the sentence, what to do next.

    ``wait_s`` says when asking again would help, ``status`` what the pump told with it (None where it told nothing).
    ``operation`` is what was asked for, ``ask_id`` its row (0 where nothing was written down, since nothing was asked).
    """

    arm: Arm
    said: str
    then: str
    operation: str = ""
    wait_s: int = 0
    command: int = 0
    ask_id: int = 0
    status: Status | None = None


@dataclass(frozen=True, slots=True)
class Sent(Ended):
    """The end of a send of several things: ``parts`` in their order; the last one is what the whole ended with."""

    parts: tuple[Ended, ...] = ()


@dataclass(frozen=True, slots=True)
class DoseChange:
    """The dose of 24 h of one drug, before and after, as the pump reads it: base, and with every patient bolus."""

    drug: str
    base_before: str
    base_after: str
    most_before: str
    most_after: str


@dataclass(frozen=True, slots=True)
class Proposed:
    """A program that the pump holds and has read back: ``digest`` is what is sent, until ``until_s`` (UTC).

    ``change`` is on what pump and clinic agree; ``entered`` is what the session keeps of it.
    """

    digest: bytes
    number: int
    until_s: int
    change: tuple[DoseChange, ...]
    sentence: tuple[str, ...]
    entered: Mapping[str, object]
