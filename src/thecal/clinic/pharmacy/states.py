"""Where a syringe stands on its way, and which way it may go from there: a closed table, nothing else is allowed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """One word for where a syringe stands; it is what the record holds."""

    ORDERED = "ordered"
    ACCEPTED = "accepted"
    MADE = "prepared"
    CHECKED = "checked"
    LABELED = "labeled"
    RELEASED = "released"
    SHIPPED = "shipped"
    RECEIVED = "received"
    USED = "used"
    CANCELED = "canceled"


_S = State
NEXT: dict[State, frozenset[State]] = {
    _S.ORDERED: frozenset({_S.ACCEPTED, _S.CANCELED}),
    _S.ACCEPTED: frozenset({_S.MADE, _S.CANCELED}),
    _S.MADE: frozenset({_S.MADE, _S.CHECKED, _S.CANCELED}),
    _S.CHECKED: frozenset({_S.MADE, _S.LABELED, _S.CANCELED}),
    _S.LABELED: frozenset({_S.RELEASED, _S.CANCELED}),
    _S.RELEASED: frozenset({_S.SHIPPED, _S.CANCELED}),
    _S.SHIPPED: frozenset({_S.RECEIVED, _S.CANCELED}),
    _S.RECEIVED: frozenset({_S.USED, _S.CANCELED}),
    _S.USED: frozenset(),
    _S.CANCELED: frozenset(),
}
"""Every allowed step; MADE again is a worksheet that is written anew."""

WAY = (_S.ORDERED, _S.ACCEPTED, _S.MADE, _S.CHECKED, _S.LABELED, _S.RELEASED, _S.SHIPPED, _S.RECEIVED, _S.USED)
"""The way without detours."""
OPEN = tuple(s for s in WAY if s is not _S.USED)
"""States in which somebody still has something to do."""


@dataclass(frozen=True, slots=True)
class Said:
    """A state in words: what was done, and what comes next."""

    done: str
    then: str


IN_WORDS: dict[State, Said] = {
    _S.ORDERED: Said("ordered by the physician", "the pharmacy accepts the prescription"),
    _S.ACCEPTED: Said("prescription accepted", "write the worksheet"),
    _S.MADE: Said("worksheet written", "a second pharmacist enters the key values blind"),
    _S.CHECKED: Said("checked by a second person", "make the label"),
    _S.LABELED: Said("labeled", "release it"),
    _S.RELEASED: Said("released", "ship it"),
    _S.SHIPPED: Said("shipped", "the clinic receives it by scan"),
    _S.RECEIVED: Said("received at the clinic", "it is used at the refill"),
    _S.USED: Said("used at a refill", "nothing"),
    _S.CANCELED: Said("canceled", "nothing"),
}


def reached(state: str, at_least: State) -> bool:
    """Whether a syringe has come to a place on its way, or past it; False for one that is canceled."""
    now = State(state)
    return now in WAY and WAY.index(now) >= WAY.index(at_least)
