"""The patient's bolus: one press, one clear answer, and never two boluses for one press."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from thecal.link import wording
from thecal.link.ledger import NO_ANSWER, Outcome
from thecal.link.talk import Arm, Result
from thecal.pump.core import codes

if TYPE_CHECKING:
    from thecal.link.ledger import Pending
    from thecal.link.reading import Status
    from thecal.link.talk import Talk


class Bolus(StrEnum):
    """What became of a press."""

    GRANTED = "granted"
    DELIVERING = "delivering"  # the one asked for before is being given
    REFUSED = "refused"
    DUPLICATE = "asked for before"  # and that press has its answer
    STOPPED = "pump stopped"
    NOT_REACHED = "could not reach the pump"


@dataclass(frozen=True, slots=True)
class BolusAnswer:
    """The answer to one press. ``reason`` is a code of the core, NO_ANSWER where the pump gave none.

    ``wait_s`` says when the next press can be granted, 0 where that is not known; ``pending`` is True where the press
    may have been granted or not, and the pump was not there to say.
    """

    answer: Bolus
    said: str
    reason: int = NO_ANSWER
    wait_s: int = 0
    command: int = 0
    pending: bool = False


_REASONS = {
    codes.NO_PROGRAM: "Your pump has no program.",
    codes.NO_BOLUS: "Your program has no extra doses.",
    codes.LOCKOUT: "It is too soon after your last extra dose.",
    codes.COUNT: "You have had all the extra doses that 24 hours allow.",
    codes.RUNNING: "Your pump is giving a dose now.",
    codes.BRIDGE: "Your pump is changing over to a new medicine. Extra doses are not possible yet.",
    codes.EMPTY: "Your pump does not hold enough medicine. Call your clinic.",
    codes.ALARM: "Your pump has an alarm. Call your clinic.",
    codes.STALE_ID: "Your controller was behind your pump. Press again.",
    codes.VOIDED: "That request was taken back.",
}
_BLOCKED = (
    "No extra dose was asked for: the last command of your clinic to the pump has no answer yet. Call your clinic."
)
_BEFORE = "It is not known whether the extra dose that you asked for before was started."
_LIMIT = "The limit set for you would be passed."


async def press(talk: Talk) -> BolusAnswer:
    """The patient presses: the pump is asked how it is first, and a press that was never answered is asked again.

    The same number is sent for it, so that it is given once or never.
    """
    before = talk.mine("bolus")
    read = await talk.read()
    if isinstance(read, Result):
        return _not_reached(before)
    if before:
        answer = await _again(talk, before[-1], read)
        if answer is not None:
            return answer
    refused = talk.against("bolus")
    if refused is not None:
        return BolusAnswer(Bolus.REFUSED, _BLOCKED)
    return _answer(await talk.send(talk.write_down("bolus")))


async def _again(talk: Talk, before: Pending, status: Status) -> BolusAnswer | None:
    """What became of an earlier press; None where it was refused, so that this one counts."""
    if talk.is_open(before):
        if talk.against("bolus", before) is not None:
            return BolusAnswer(Bolus.REFUSED, f"{_BLOCKED} {_BEFORE}", command=before.command, pending=True)
        return _answer(await talk.send(before, again=True))
    if talk.as_it_stands(before).outcome is Outcome.GRANTED:
        return _given_before(before.command, status)
    return None


def _given_before(command: int, status: Status) -> BolusAnswer:
    wait_s = max(status.lockout_left_s, status.count_left_s)
    if status.bolus_kind == codes.PATIENT:
        return _delivering(command, codes.GRANTED, wait_s)
    said = f"You asked for this extra dose before, and it was started. No other one was started.{_next(wait_s)}"
    return BolusAnswer(Bolus.DUPLICATE, said, codes.GRANTED, wait_s, command)


def _delivering(command: int, reason: int, wait_s: int) -> BolusAnswer:
    said = f"Your extra dose is being given. No other one was started.{_next(wait_s)}"
    return BolusAnswer(Bolus.DELIVERING, said, reason, wait_s, command)


def _not_reached(before: list[Pending]) -> BolusAnswer:
    if before:
        return _unknown(before[-1].command)
    said = "Your pump could not be reached. Nothing was asked for. Hold the controller closer and press again."
    return BolusAnswer(Bolus.NOT_REACHED, said)


def _unknown(command: int) -> BolusAnswer:
    said = (
        "Your pump could not be reached. It is not known whether the extra dose was started. "
        "Hold the controller closer and press again: the same dose is asked for, and it is never given twice."
    )
    return BolusAnswer(Bolus.NOT_REACHED, said, command=command, pending=True)


def _answer(result: Result) -> BolusAnswer:
    """The one answer that a result means for the patient."""
    command, status = result.command, result.status
    if result.arm is Arm.NOT_KNOWN:
        return _unknown(command)
    if result.arm is Arm.NOT_REACHED or status is None:
        return _not_reached([])
    if result.answer == codes.DUPLICATE and result.first == codes.GRANTED:
        return _given_before(command, status)
    if result.answer == codes.GRANTED:
        wait_s = max(status.lockout_left_s, status.count_left_s)
        return BolusAnswer(
            Bolus.GRANTED, f"Your extra dose has started.{_next(wait_s)}", codes.GRANTED, wait_s, command
        )
    if result.answer == codes.DUPLICATE:
        said = f"You asked for this extra dose before. {_reason(result.first)}{_next(result.wait_s)}"
        return BolusAnswer(Bolus.DUPLICATE, said, result.first, result.wait_s, command)
    return _refused(result, status)


def _refused(result: Result, status: Status) -> BolusAnswer:
    if result.answer == codes.STOPPED:
        said = "Your pump is stopped. No extra dose was started. Call your clinic."
        return BolusAnswer(Bolus.STOPPED, said, result.answer, 0, result.command)
    if status.bolus_kind == codes.PATIENT:
        return _delivering(result.command, result.answer, result.wait_s)
    said = f"No extra dose was started. {_reason(result.answer)}{_next(result.wait_s)}"
    return BolusAnswer(Bolus.REFUSED, said, result.answer, result.wait_s, result.command)


def _reason(code: int) -> str:
    if code in {codes.CEILING_1H, codes.CEILING_24H, codes.HISTORY_FULL}:
        return _LIMIT
    return _REASONS.get(code, "Your pump refused it.")


def _next(wait_s: int) -> str:
    return f" The next one is possible in {wording.duration(wait_s)}." if wait_s else ""
