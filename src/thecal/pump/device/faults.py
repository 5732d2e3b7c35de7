"""What can go wrong with a pump and around it: a closed set of faults, each with its time, its amount and its response.

Times are true seconds. A fault that lasts is there in every second from ``from_s`` until, not including, ``until_s``; a
fault of a moment happens at the beginning of second ``from_s``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from thecal.pump.core import alarms as al
from thecal.pump.core.codes import DAY_S, MAX_TIME_S


class FaultKind(StrEnum):
    """Every fault that can be asked for."""

    STALL = "stall"
    PARTIAL_STALL = "partial stall"
    LOST_STROKES = "lost strokes"
    OVER_DELIVERY = "over-delivery"
    EXTRA_TURNS = "extra turns"
    LEAK = "leak"
    OCCLUSION = "occlusion"
    FIELD = "field"
    FIELD_UNREAD = "field, recovery unread"
    VALVE_SHUT = "valve shut"
    EARLY_REPLACEMENT = "early replacement"
    LOW_BATTERY_RESET = "low battery reset"
    LOSS_OF_THERAPY = "loss of therapy"
    RESET = "reset"
    CORRUPT_STATE_0 = "corrupt state-0"
    CORRUPT_STATE_1 = "corrupt state-1"
    CORRUPT_PROGRAM = "corrupt program"
    CLOCK_DRIFT = "clock drift"
    CLOCK_JUMP = "clock jump"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: whether it lasts, bounds and meaning of its amount, the alarms it leads to, and what happens.

    ``alarms`` are those that this fault alone can raise on a pump that delivers; none where the pump cannot sense it.
    """

    lasts: bool
    least: int
    most: int
    amount: str
    alarms: tuple[int, ...]
    response: str


_NONE = "nothing; leave it out or write 0"
_BIT = "which bit of the area, counted from 0 and around its end"
_AFTER_RESET = (al.POWER_LOST, al.CLOCK_DOUBT)


def _lasting(least: int, most: int, amount: str, alarms: tuple[int, ...], response: str) -> Kind:
    return Kind(lasts=True, least=least, most=most, amount=amount, alarms=alarms, response=response)


def _moment(least: int, most: int, amount: str, alarms: tuple[int, ...], response: str) -> Kind:
    return Kind(lasts=False, least=least, most=most, amount=amount, alarms=alarms, response=response)


KINDS: Mapping[FaultKind, Kind] = MappingProxyType(
    {
        FaultKind.STALL: _lasting(
            0, 0, _NONE, (al.STALL,),
            "no stroke is confirmed; after three in a row the stall alarm, and what the program says for the motor",
        ),
        FaultKind.PARTIAL_STALL: _lasting(
            1, 100, "percent of the strokes that are neither moved nor confirmed", (al.STALL, al.SHORT_STALLS),
            "missed strokes are counted as not delivered; three in a row are a stall",
        ),
        FaultKind.LOST_STROKES: _lasting(
            1, 100, "percent of the strokes that turn the rotor and move no fluid", (),
            "the pump cannot sense it: it counts them; the refill shows too much left",
        ),
        FaultKind.OVER_DELIVERY: _lasting(
            1, 4_000_000, "how much more each stroke moves, in millionths of its nominal volume", (),
            "the pump cannot sense it: it counts nominal strokes; the refill shows too little left",
        ),
        FaultKind.EXTRA_TURNS: _lasting(
            1, 3_600, "strokes in an hour beyond the command", (al.OVER_DELIVERY,),
            "seen by feedback within a minute: over-delivery alarm, delivery stops, and what turned is counted",
        ),
        FaultKind.LEAK: _lasting(
            1, 1_000_000_000, "nL in an hour from the reservoir into the pocket", (),
            "the pump cannot sense it; the refill shows too little left",
        ),
        FaultKind.OCCLUSION: _lasting(
            0, 1_000_000, "nL that the tubing takes up, and lets go when the way is free again", (),
            "the pump cannot sense it: the rotor confirms, and what the tubing does not take up stays in the reservoir",
        ),
        FaultKind.FIELD: _lasting(
            0, DAY_S, "seconds after leaving the field in which the rotor still stands", (al.STALL,),
            "as a stall; a pump that was alarming when it came into the field stands until it is interrogated",
        ),
        FaultKind.FIELD_UNREAD: _lasting(
            0, DAY_S, "seconds after leaving the field in which the rotor still stands", (al.STALL,),
            "as in a field; the recovery is logged, and the alarm ends by itself, only after the second interrogation",
        ),
        FaultKind.VALVE_SHUT: _moment(
            0, 1_000_000, "nL that pass before the valve shuts; at most what the family lets through", (),
            "the pump cannot sense it: the program runs and counts, and nothing is delivered until the valve is reset",
        ),
        FaultKind.EARLY_REPLACEMENT: _moment(
            0, 0, _NONE, (al.REPLACE_SOON,),
            "the replacement date is now; service ends as long after it as the family says",
        ),
        FaultKind.LOW_BATTERY_RESET: _moment(
            0, 0, _NONE, (*_AFTER_RESET, al.BATTERY_RESET),
            "the pump resets itself, and does what the program says for power",
        ),
        FaultKind.LOSS_OF_THERAPY: _lasting(
            0, 0, _NONE, _AFTER_RESET,
            "no power: nothing is delivered, no tone, no answer; afterwards as after a reset",
        ),
        FaultKind.RESET: _lasting(
            0, 0, _NONE, _AFTER_RESET,
            "as loss of therapy, until ``until_s``; at least one second",
        ),
        FaultKind.CORRUPT_STATE_0: _moment(
            0, MAX_TIME_S, _BIT, (al.MEMORY_MINOR,),
            "written over within the hour; at a waking before that the other copy stands; both lost: the pump stops",
        ),
        FaultKind.CORRUPT_STATE_1: _moment(
            0, MAX_TIME_S, _BIT, (al.MEMORY_MINOR,),
            "written over within the hour; at a waking before that the other copy stands; both lost: the pump stops",
        ),
        FaultKind.CORRUPT_PROGRAM: _moment(
            0, MAX_TIME_S, _BIT, (al.MEMORY_MINOR,),
            "found at the daily check and written anew; at a waking before that critical memory alarm, and stop",
        ),
        FaultKind.CLOCK_DRIFT: _lasting(
            -100_000, 100_000, "parts per million by which uptime runs fast, or slow where it is below 0", (),
            "the pump cannot sense it: all its times are off by as much",
        ),
        FaultKind.CLOCK_JUMP: _moment(
            -DAY_S, DAY_S, "seconds by which the clock's main counter jumps", (al.CLOCK_DOUBT,),
            "a second counter disagrees: no time counts but the proven, and the pump does what the program says",
        ),
    }
)  # fmt: skip
"""Every kind of fault, once: what its amount means and what the pump does."""

_FIELDS = ("kind", "from_s", "until_s", "amount")


class FaultError(ValueError):
    """A fault that cannot be: says what was found, what is allowed, and what to do next."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. ``until_s`` is ``from_s`` for a fault of a moment; what ``amount`` means stands in KINDS."""

    kind: FaultKind
    from_s: int
    until_s: int
    amount: int = 0

    def __post_init__(self) -> None:
        kind = KINDS[self.kind]
        if not 0 <= self.from_s <= MAX_TIME_S:
            raise FaultError(f"from_s: found {self.from_s:,}; allowed: 0 to {MAX_TIME_S:,}, a true second")
        if kind.lasts:
            least = self.from_s if self.kind == FaultKind.RESET else self.from_s + 1
            if not least <= self.until_s <= MAX_TIME_S + 1:
                raise FaultError(
                    f"until_s: found {self.until_s:,}; allowed for {self.kind}: {least:,} to {MAX_TIME_S + 1:,}, "
                    "the true second at which it is over"
                )
        elif self.until_s != self.from_s:
            raise FaultError(
                f"until_s: found {self.until_s:,}; {self.kind} is a matter of a moment: leave it out, "
                f"or write {self.from_s:,} as in from_s"
            )
        if not kind.least <= self.amount <= kind.most or (self.amount == 0 and self.kind in _NOT_ZERO):
            but = ", but not 0" if self.kind in _NOT_ZERO else ""
            raise FaultError(
                f"amount: found {self.amount:,}; allowed for {self.kind}: {kind.least:,} to {kind.most:,}{but} "
                f"({kind.amount})"
            )

    @classmethod
    def parse(cls, fields: object) -> Fault:
        """Read what ``as_json`` gives; ``until_s`` and ``amount`` may be left out where they can say only one thing."""
        if not isinstance(fields, Mapping):
            raise FaultError(f"found {type(fields).__name__}; allowed: a fault with the fields {', '.join(_FIELDS)}")
        for name in fields:
            if name not in _FIELDS:
                raise FaultError(f"found the field {name!r}; allowed: {', '.join(_FIELDS)}")
        kind = _kind(fields.get("kind"))
        from_s = _whole(fields, "from_s", None)
        return cls(
            kind,
            from_s,
            _whole(fields, "until_s", None if KINDS[kind].lasts else from_s),
            _whole(fields, "amount", 0 if KINDS[kind].least <= 0 and kind not in _NOT_ZERO else None),
        )

    def as_json(self) -> dict[str, str | int]:
        """As a document for files and ``--json``."""
        return {"kind": self.kind.value, "from_s": self.from_s, "until_s": self.until_s, "amount": self.amount}


_NOT_ZERO = (FaultKind.CLOCK_DRIFT, FaultKind.CLOCK_JUMP)


def _kind(found: object) -> FaultKind:
    for kind in FaultKind:
        if found == kind.value:
            return kind
    raise FaultError(f"kind: found {found!r}; allowed: {'; '.join(FaultKind)}")


def _whole(fields: Mapping[str, object], name: str, missing: int | None) -> int:
    found = fields.get(name, missing)
    if found is None:
        raise FaultError(f"{name}: not found; write a whole number")
    if type(found) is not int:
        raise FaultError(f"{name}: found {found!r}; allowed: a whole number")
    return found
