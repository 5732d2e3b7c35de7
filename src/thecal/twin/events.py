"""What happens in a run: its clock, what people do at what second, habits of pressing, and faults.

Times are whole seconds after the start of the run. Everything here is stated, not computed, except the presses that a
habit brings forth: those are drawn by the run's seed, the same on every machine.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from thecal.therapy.program import DAY_S, BridgeBolus

if TYPE_CHECKING:
    from datetime import datetime
    from fractions import Fraction

    from thecal.quantities import Volume
    from thecal.therapy.mixture import Mixture
    from thecal.therapy.program import Program, SingleBolus

_WAIT_S = 900  # a patient who waits for the lockout presses within a quarter of an hour after it


@dataclass(frozen=True, slots=True)
class Run:
    """When the run starts (pump-clock time, no zone), its length in days, its seed, and the pump clock's offset to UTC.

    ``front_sigma`` is the standard deviation, in pumped volume, of a front between two fluids that has gone the whole
    way through tubing and catheter; None means plug flow.
    """

    start: datetime
    days: int
    seed: int
    utc_offset: timedelta
    front_sigma: Volume | None = None

    @property
    def length_s(self) -> int:
        """The length of the run in seconds; the last second that belongs to it is one less."""
        return self.days * DAY_S

    @property
    def start_s(self) -> int:
        """Seconds from midnight of the pump clock at which the run starts."""
        return self.start.hour * 3600 + self.start.minute * 60 + self.start.second

    def moment(self, at_s: int) -> datetime:
        """The pump-clock time ``at_s`` seconds after the start."""
        return self.start + timedelta(seconds=at_s)


# Events -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Press:
    """The patient presses for a bolus; the pump grants or refuses it."""

    at_s: int


@dataclass(frozen=True, slots=True)
class PlannedBridge:
    """The bridge that therapy plans: tubing and catheter at the new program's dose of the old primary ingredient."""


@dataclass(frozen=True, slots=True)
class NoBridge:
    """No bridge although the fluid changes, and why."""

    reason: str


Bridge = BridgeBolus | PlannedBridge | NoBridge


@dataclass(frozen=True, slots=True)
class Refill:
    """The reservoir is emptied and filled with ``volume``.

    Exactly one of two is given: ``left`` (what stays in the reservoir, whatever was in it) or ``aspirated`` (what was
    drawn out; it may be nothing). ``mixture`` and ``program`` are None where they stay; ``bridge`` is given exactly
    where the mixture changes.
    """

    at_s: int
    volume: Volume
    left: Volume | None = None
    aspirated: Volume | None = None
    mixture: Mixture | None = None
    program: Program | None = None
    bridge: Bridge | None = None


@dataclass(frozen=True, slots=True)
class NewProgram:
    """Another program with the same mixture."""

    at_s: int
    program: Program


@dataclass(frozen=True, slots=True)
class Stop:
    """The pump is stopped until a ``Start`` or a new program."""

    at_s: int


@dataclass(frozen=True, slots=True)
class Start:
    """A stopped pump goes on with the program it holds."""

    at_s: int


@dataclass(frozen=True, slots=True)
class GivenBolus:
    """A clinician gives a single bolus."""

    at_s: int
    bolus: SingleBolus


@dataclass(frozen=True, slots=True)
class Prime:
    """Tubing and catheter are primed with ``volume``."""

    at_s: int
    volume: Volume


Event = Press | Refill | NewProgram | Stop | Start | GivenBolus | Prime


# Habits and faults ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Presser:
    """A habit of pressing: on average ``presses_per_day``, from ``from_s`` until ``until_s`` seconds after midnight.

    A press that falls within the lockout of this habit's last press waits until the lockout is over, except for
    ``heedless_share`` of the presses (0 to 1), which come when they come. Days run from ``from_day`` up to, not
    including, ``until_day``, counted in pump-clock dates from the day of the start.
    """

    presses_per_day: Fraction
    heedless_share: Fraction
    from_s: int
    until_s: int
    from_day: int
    until_day: int


@dataclass(frozen=True, slots=True)
class Stall:
    """The motor moves nothing from ``from_s`` until ``until_s``, whatever is commanded."""

    from_s: int
    until_s: int


@dataclass(frozen=True, slots=True)
class Accuracy:
    """A stroke really moves ``factor`` times its nominal volume, from ``from_s`` until ``until_s``."""

    factor: Fraction
    from_s: int
    until_s: int


@dataclass(frozen=True, slots=True)
class DrugLoss:
    """``drug`` is lost in the reservoir by a first-order rate per day, for the whole run."""

    drug: str
    rate_per_day: Fraction


Fault = Stall | Accuracy | DrugLoss


# Draws ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, order=True)
class Wish:
    """A press that comes to mind at ``at_s``: whether it ignores the lockout, and how long after it it comes if not."""

    at_s: int
    heedless: bool
    wait_s: int


def wishes(run: Run, number: int, presser: Presser) -> list[Wish]:
    """When the patient would press by one habit, in order of time; ``number`` tells the habits of a run apart."""
    whole, part = divmod(presser.presses_per_day, 1)
    found = []
    for day in range(presser.from_day, presser.until_day):
        draw = _Draws(f"{run.seed}/presser {number}/day {day}")
        count = int(whole) + int(draw.below(part.denominator) < part.numerator)
        for _ in range(count):
            clock_s = presser.from_s + draw.below(presser.until_s - presser.from_s)
            share = presser.heedless_share
            heedless, wait_s = draw.below(share.denominator) < share.numerator, draw.below(_WAIT_S)
            found.append(Wish(day * DAY_S + clock_s - run.start_s, heedless, wait_s))
    return sorted(w for w in found if w.at_s >= 0)


class _Draws:
    """Whole numbers from a name, the same for ever and in every language: SHA-256 of the name and a counter."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._count = 0

    def below(self, limit: int) -> int:
        """A number from 0 up to, not including, ``limit``; its bias is below ``limit`` / 2**256."""
        digest = hashlib.sha256(f"{self._name}/{self._count}".encode()).digest()
        self._count += 1
        return int.from_bytes(digest, "big") % limit
