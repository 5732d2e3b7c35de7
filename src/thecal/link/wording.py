"""Answers of a pump in words: what was found, and where time heals it, when to ask again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.pump.core import codes

if TYPE_CHECKING:
    from thecal.link.ledger import Pending

_WORDS = {
    codes.GRANTED: "granted",
    codes.DUPLICATE: "this number was used before, and its first answer stands",
    codes.STOPPED: "the pump is stopped: start it first",
    codes.NO_PROGRAM: "the pump holds no program: program it first",
    codes.NO_BOLUS: "the program holds no patient bolus",
    codes.LOCKOUT: "the lockout since the last bolus has not passed",
    codes.COUNT: "as many boluses as 24 h allow were started",
    codes.RUNNING: "a bolus is being given",
    codes.BRIDGE: "the bridge runs: old drug is still ahead of the new one",
    codes.CEILING_1H: "a ceiling for 1 h would be passed",
    codes.CEILING_24H: "a ceiling for 24 h would be passed",
    codes.HISTORY_FULL: "more changed in 24 h than the pump can account for",
    codes.EMPTY: "the reservoir does not hold enough",
    codes.ALARM: "an active alarm forbids it: look at the alarms",
    codes.STALE_ID: "the number is older than what the pump has taken already: read the pump and ask again",
    codes.BAD_VALUE: "a value is outside of what this pump allows",
    codes.NEAR_FIELD: "it is allowed in near field only: hold the programmer over the pump",
    codes.PRIMED: "this catheter state was primed before",
    codes.QUEUE_FULL: "too many boluses wait already",
    codes.UNKNOWN: "the pump does not hold what was named: bring the program and its document again",
    codes.EXPIRED: "the confirmation came too late: propose the program again",
    codes.MEMORY: "the pump's memory is in doubt: look at the alarms",
    codes.NOT_NEEDED: "it is so already: nothing was changed",
    codes.VOIDED: "it was withdrawn before it arrived, and will never be done",
    codes.OTHER_PATIENT: "the program is for another patient than the one whose pump this is",
    codes.DOCUMENT: "the order document that the program names is not the one that was brought, or cannot be kept",
}


def words(answer: int, wait_s: int = 0) -> str:
    """An answer of the core in words for a clinician, with the time after which asking again helps (0: none)."""
    said = _WORDS.get(answer, f"the pump answered {answer}, which this version does not know")
    return f"{said}; ask again in {duration(wait_s)}" if wait_s else said


def duration(seconds: int) -> str:
    """A time to wait, rounded up to whole minutes from one minute on."""
    if seconds < 60:
        return f"{seconds} s"
    hours, minutes = divmod(-(-seconds // 60), 60)
    parts = [f"{hours:,} h"] if hours else []
    if minutes:
        parts.append(f"{minutes} min")
    return " ".join(parts)


def of_pending(pending: Pending) -> str:
    """A command that was written down, named so that a person knows which one."""
    return f"{pending.path} (command {pending.command} of the {pending.role}, sent {pending.written_utc})"
