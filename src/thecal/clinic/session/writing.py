"""Writing in one transaction what may still be refused inside it: then nothing at all is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from thecal.clinic.refused import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record
    from thecal.clinic.who import Who

T = TypeVar("T")


class _GivenUp(Exception):  # noqa: N818 - carries a refusal out of the transaction, and never leaves this module
    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.message)
        self.refused = refused


def written(
    practice: Practice,
    who: Who,
    action: str,
    patient_id: int | None,
    do: Callable[[Record], T | Refused],
    **details: Any,
) -> T | Refused:
    """What ``do`` wrote in one transaction, or its refusal, with which the whole transaction is given up."""
    try:
        with practice.writing(who, action, patient_id, **details) as record:
            done = do(record)
            if isinstance(done, Refused):
                raise _GivenUp(done)  # noqa: TRY301 -- it is what ends the transaction
            return done
    except _GivenUp as given_up:
        return given_up.refused
