"""Why the pharmacy says no, and how what was stopped is written down."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from thecal.clinic.record.tables import NearMiss
from thecal.clinic.refused import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from thecal.clinic.practice import Practice
    from thecal.clinic.who import Who
    from thecal.therapy.refusal import Refusal

WHERE = "pharmacy"


class Why(StrEnum):
    """Reason codes of the pharmacy."""

    MISSING = "missing"
    UNREADABLE = "unreadable"
    UNKNOWN = "unknown"
    NOT_ALLOWED = "not allowed"
    OUT_OF_ORDER = "out of order"
    PRESERVED = "preserved product"
    ACID = "pH at or under 3"
    EXPIRED = "expired"
    COMPOUNDING = "worksheet impossible"
    SAME_PERSON = "same person"
    MISMATCH = "second entry differs"
    ABOVE_CEILING = "above a ceiling"
    NO_CODE = "no such syringe"
    BEYOND_USE = "beyond use"
    RECALLED = "recalled lot"
    LABEL = "label does not give the order"


HARD = frozenset(
    {
        *(Why.PRESERVED, Why.ACID, Why.EXPIRED, Why.MISMATCH, Why.ABOVE_CEILING, Why.BEYOND_USE, Why.NO_CODE),
        Why.RECALLED,
    }
)
"""What is written down as a near miss when it stops somebody."""


def refused(code: Why, found: str, allowed: str, then: str, field: str = "") -> Refused:
    """One refusal."""
    return Refused(code, found, allowed, then, field)


def of_therapy(refusal: Refusal, field: str = "") -> Refused:
    """What the arithmetic refused, in the clinic's form."""
    return Refused(Why.COMPOUNDING, refusal.found, refusal.allowed, refusal.then, field)


def stopped(practice: Practice, who: Who, patient_id: int | None, found: Iterable[Refused]) -> tuple[Refused, ...]:
    """The same refusals; those that count as near misses are written down, in a transaction of their own."""
    all_of_them = tuple(found)
    hard = [r for r in all_of_them if r.code in HARD]
    if hard:
        with practice.writing(who, "stopped in the pharmacy", patient_id) as record:
            for r in hard:
                record.keep(
                    NearMiss(
                        patient_id=patient_id,
                        session_id=None,
                        where=WHERE,
                        code=str(r.code),
                        found=r.found,
                        allowed=r.allowed,
                    )
                )
    return all_of_them
