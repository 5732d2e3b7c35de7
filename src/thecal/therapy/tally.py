"""Counts and rates of events: totals that must add up, and rates against a reference (examples WE-19, WE-36, WE-37)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from thecal.therapy.refusal import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping


def rate(events: int, of: int) -> Fraction | Refusal:
    """Events as a part of the occasions on which they could happen."""
    if of <= 0 or not 0 <= events <= of:
        return Refusal(
            Code.NOT_POSITIVE,
            f"{events:,} of {of:,}",
            "at least one occasion, and no more events than occasions",
            "check the counts",
        )
    return Fraction(events, of)


def times_reference(found: Fraction, reference: Fraction) -> Fraction:
    """How many times as high a rate is as a reference of more than zero."""
    return found / reference


@dataclass(frozen=True, slots=True)
class Reconciled:
    """Counts by kind that add up to the total."""

    total: int


def reconcile(counts: Mapping[str, int], stated: int) -> Reconciled | Refusal:
    """Counts by kind against a stated total; a refusal names both where they differ."""
    total = sum(counts.values())
    if total == stated:
        return Reconciled(total)
    return Refusal(
        Code.DOES_NOT_ADD_UP,
        f"kinds that add up to {total:,} with a stated total of {stated:,}",
        "kinds that add up to the total",
        "find the reports that are missing or counted twice",
    )
