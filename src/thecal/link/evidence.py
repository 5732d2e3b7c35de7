"""What became of a command, from the pump's own record: its newest answer, its running program, its log."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from thecal.link.ledger import NO_ANSWER, Outcome, Pending
from thecal.link.roles import WHO
from thecal.pump.core import codes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thecal.link.log_chain import Record
    from thecal.link.reading import Status
    from thecal.link.roles import Role


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of a command, and by what it is known; ``answer`` is a code of the core, ``wait_s`` goes with it."""

    outcome: Outcome
    said: str
    answer: int = NO_ANSWER
    wait_s: int = 0

    def settle(self, pending: Pending, utc: str) -> Pending:
        """The command as it is to be kept now."""
        return replace(
            pending,
            outcome=self.outcome,
            answer=self.answer,
            wait_s=self.wait_s,
            said=self.said,
            resolved_utc=utc,
        )


def of_answer(pending: Pending, answer: int, wait_s: int, status: Status, *, sure: bool = False) -> Finding:
    """What a pump that remembers, or now gives, this answer to a command shows of it.

    A pump that lost its memory since may have done before what it refuses, or takes as withdrawn, now. It is only
    ``sure`` where the command was sent once, and this is the answer to it.
    """
    outcome = Outcome.REFUSED
    said = "the pump remembers its answer"
    if answer == codes.GRANTED:
        outcome = Outcome.GRANTED
    elif not sure and status.forgot(pending.log_records):
        outcome = Outcome.ASSUMED
        said = f"the pump lost its memory, and {more_drug(pending)}"
    elif answer == codes.VOIDED:
        outcome = Outcome.NEVER
        said = "it had not arrived and was withdrawn: it will never be done"
    return Finding(outcome, said, answer, wait_s)


def by_status(pending: Pending, role: Role, status: Status, *, sure: bool = False) -> Finding | None:
    """What a status that ``role`` was told shows of a command; None where it leaves it open.

    A newest number below that of the command leaves it open: a frame on its way may still arrive.
    """
    if pending.role is role and pending.command == status.newest and status.newest_answer != NO_ANSWER:
        return of_answer(pending, status.newest_answer, status.newest_wait_s, status, sure=sure)
    if pending.path == "confirm" and status.loaded and status.digest == pending.fields["digest"]:
        return Finding(Outcome.GRANTED, "the pump runs the program that was confirmed", codes.GRANTED)
    return None


_NOT_DONE = Finding(Outcome.NEVER, "the pump took a later command, and its log shows that this one was not done")


def by_log(pending: Pending, records: Sequence[Record], status: Status) -> Finding | None:
    """What the log shows of a command whose number the pump no longer remembers, and so will never do any more.

    ``records`` are all of the log since the command was written down; None where they leave it open.
    """
    if status.forgot(pending.log_records):
        return Finding(Outcome.ASSUMED, f"the pump lost its memory, and {more_drug(pending)}")
    if pending.path == "single":
        return _bolus_by_log(pending, records, status)
    if not any(_traces(pending, record) for record in records):
        return _NOT_DONE
    if pending.path == "stop":
        return None  # the later command was a stop as well, and the log does not tell them apart
    return Finding(Outcome.GRANTED, "the pump's log shows it", codes.GRANTED)


def _bolus_by_log(pending: Pending, records: Sequence[Record], status: Status) -> Finding | None:
    """A bolus may wait its turn unseen, and the log does not tell one from another: in doubt it counts as given."""
    said = ""
    if any(_traces(pending, record) for record in records):
        said = "the pump's log shows a bolus that may have been it"
    elif status.bolus_kind:
        return None  # it may be waiting behind the bolus that runs
    elif any(record.event == codes.E_BOOT for record in records):
        said = "the pump lost power since, and a bolus that waited then left nothing in its log"
    return Finding(Outcome.ASSUMED, f"{said}: {more_drug(pending)}") if said else _NOT_DONE


def _traces(pending: Pending, record: Record) -> bool:
    """Whether a record is what the command would have left, had it been granted."""
    event, a, b = record.event, record.a, record.b
    fields = pending.fields
    match pending.path:
        case "confirm":
            digest = fields["digest"]
            return event == codes.E_PROGRAM and isinstance(digest, bytes) and b == int.from_bytes(digest[:7], "big")
        case "single":
            return event in {codes.E_BOLUS, codes.E_BOLUS_CUT} and a == codes.SINGLE
        case "clock":
            return event == codes.E_CLOCK and b == fields["offset_s"]
        case path:
            wanted = {
                "start": (codes.E_START, WHO[pending.role]),
                "stop": (codes.E_STOP, WHO[pending.role]),
                "prime": (codes.E_PRIME, fields.get("catheter")),
                "refill": (codes.E_REFILL, fields.get("level_nl")),
                "clear": (codes.E_CLEAR, fields.get("alarm")),
                "acknowledge": (codes.E_ACK, fields.get("alarm")),
                "alarm-test": (codes.E_TEST, int(fields.get("critical") is True)),
            }
            return (event, a) == wanted.get(path)


def more_drug(pending: Pending) -> str:
    """How a command counts that can never be found out: of done and not done, the arm with more drug (promise 10)."""
    match pending.path:
        case "stop":
            return "the command counts as not done: the pump is taken to have gone on delivering"
        case "confirm":
            return "of the program before and the one confirmed, each ingredient counts at the higher dose"
        case "clock":
            return "of the clock before and after, the one with more drug counts"
        case _:
            return "the command counts as done"
