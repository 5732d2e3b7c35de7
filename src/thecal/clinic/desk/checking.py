"""A transaction that is given up with refusals: what is checked inside it is still true when it writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import select

from thecal.clinic.record.tables import AuditHead

if TYPE_CHECKING:
    from collections.abc import Callable

    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record
    from thecal.clinic.refused import Refused
    from thecal.clinic.who import Who

T = TypeVar("T")


class GivenUp(Exception):  # noqa: N818 - carries refusals out of a transaction, and never leaves the desk
    """Nothing is written; ``refused`` says why."""

    def __init__(self, *refused: Refused) -> None:
        super().__init__(*(r.message for r in refused))
        self.refused = refused


def attempt(
    practice: Practice, who: Who, action: str, patient_id: int | None, made: Callable[[Record], T]
) -> T | tuple[Refused, ...]:
    """Do something in one transaction of its own; the refusals where it was given up, and then nothing is written."""
    try:
        with practice.writing(who, action, patient_id) as record:
            return made(record)
    except GivenUp as given_up:
        return given_up.refused


def alone(record: Record) -> None:
    """Let others who write wait until this transaction has ended, so that two cannot take the same time."""
    record.session.execute(select(AuditHead).with_for_update())
