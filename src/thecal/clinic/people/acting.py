"""A transaction on the record in which something may still be refused, and which then leaves nothing behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from thecal.clinic.refused import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record
    from thecal.clinic.who import Who

T = TypeVar("T")


class _GivenUpError(Exception):
    def __init__(self, why: Refused) -> None:
        super().__init__(why.message)
        self.why = why


def unless_refused(
    practice: Practice, who: Who, action: str, do: Callable[[Record], T | Refused], **details: Any
) -> T | Refused:
    """One transaction by somebody, with what ``do`` makes of it; where that is a refusal, nothing is written."""
    try:
        with practice.writing(who, action, **details) as record:
            return _done(do(record))
    except _GivenUpError as given_up:
        return given_up.why


def _done(done: T | Refused) -> T:
    if isinstance(done, Refused):
        raise _GivenUpError(done)
    return done
