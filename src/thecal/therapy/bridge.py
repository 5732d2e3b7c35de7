"""The bridge: old drug pushed out of tubing and catheter at a stated dose before the new drug reaches the tip.

Formula F6 of device-facts 3, by plug flow. What comes in is the dead volume, the old mixture and pump-clock moments;
what goes out is exact volumes, times and doses of the old mixture. No arrival time is a promise.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from thecal.quantities import DoseRate, Duration, Flow, Volume
from thecal.therapy.line import BRIDGE_CAUTIONS, Caution
from thecal.therapy.pattern import later, pattern_of, week_second
from thecal.therapy.refusal import Code, Refusal, at_least_text, at_most_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from thecal.quantities import Concentration
    from thecal.therapy.envelope import Envelope
    from thecal.therapy.mixture import Mixture
    from thecal.therapy.pattern import Pattern
    from thecal.therapy.program import Program

    Ordered = tuple[Program, Mixture]

SECOND = Duration.of(1, "s")


@dataclass(frozen=True, slots=True)
class DrugDose:
    """Dose per time of one drug."""

    drug: str
    dose: DoseRate


def doses_at(flow: Flow, mixture: Mixture) -> tuple[DrugDose, ...]:
    """What a flow of a mixture gives of every ingredient."""
    return tuple(DrugDose(i.drug, i.concentration * flow) for i in mixture.ingredients)


@dataclass(frozen=True, slots=True)
class Bridge:
    """A bridge: how much, how long, how fast, and what it gives of every ingredient of the old mixture."""

    volume: Volume
    duration: Duration
    flow: Flow
    doses: tuple[DrugDose, ...]
    cautions: tuple[Caution, ...] = BRIDGE_CAUTIONS

    def ends(self, start: datetime) -> datetime | Refusal:
        """When the new drug reaches the tip and its program starts, rounded down to the second."""
        return later(start, self.duration)


def _no_flow() -> Refusal:
    return Refusal(
        Code.NEVER,
        "a dose of nothing in the old drug",
        "a dose of more than zero, so that the old drug moves on",
        "state the dose that the bridge shall give in the old drug",
    )


def plan_bridge(volume: Volume, old: Mixture, dose: DoseRate) -> Bridge | Refusal:
    """The bridge that gives ``dose`` of the old primary ingredient (device-facts F6)."""
    if dose.value <= 0:
        return _no_flow()
    flow = old.flow_of(dose)
    return Bridge(volume, volume / flow, flow, doses_at(flow, old))


def check_flow(bridge: Bridge, pump: Envelope) -> Bridge | Refusal:
    """The same bridge where the pump can give its flow; a refusal with the pump's range where it cannot."""
    if pump.flow_min <= bridge.flow <= pump.flow_max:
        return bridge
    low = bridge.flow < pump.flow_min
    return Refusal(
        Code.BELOW_FLOOR if low else Code.ABOVE_CEILING,
        f"a bridge at {bridge.flow.text('mL/day')}",
        f"{at_least_text(pump.flow_min, 'mL/day')} to {at_most_text(pump.flow_max, 'mL/day')}",
        "state a higher dose for the bridge" if low else "state a lower dose for the bridge",
    )


def bridge_between(volume: Volume, before: Ordered, after: Ordered, pump: Envelope) -> Bridge | Refusal:
    """The bridge from one mixture to the next, at one steady dose of the old primary ingredient.

    Where that drug goes on it is the new program's average dose, else the old program's. ``before`` and ``after`` are
    a program with its mixture.
    """
    (_, old), (_, new) = before, after
    drug = old.primary.drug
    program, mixture = after if drug in new.drugs else before
    pattern = pattern_of(program.base, mixture, pump.minimum_rate)
    if isinstance(pattern, Refusal):
        return pattern
    average = pattern.total / Duration.of(pattern.period_s, "s")
    made = plan_bridge(volume, old, mixture.follow(drug, average))
    return made if isinstance(made, Refusal) else check_flow(made, pump)


def check_bridge(
    volume: Volume, duration: Duration, old_concentration: Concentration, dose: DoseRate
) -> Flow | Refusal:
    """The flow of a stated bridge, where volume, duration and dose agree to the second (example WE-28).

    The flow of a bridge times the old concentration must be the intended dose; otherwise the refusal names both.
    """
    if dose.value <= 0:
        return _no_flow()
    if duration.value <= 0:
        return Refusal(
            Code.NOT_POSITIVE,
            f"a bridge that lasts {duration.text('h')}",
            "a duration of more than 0 h",
            "state how long the bridge runs",
        )
    right = volume / (dose / old_concentration)
    if abs(right - duration) > SECOND:
        given = volume / duration * old_concentration
        return Refusal(
            Code.BRIDGE_INCONSISTENT,
            f"{volume.text('mL')} in {duration.text('h')}, which gives {given.text('mg/day')} "
            f"where {dose.text('mg/day')} is intended",
            f"{right.text('h')} for {volume.text('mL')} at {dose.text('mg/day')}",
            "correct the duration, the volume or the dose",
        )
    return dose / old_concentration


@dataclass(frozen=True, slots=True)
class Arrival:
    """When the front of a new fluid reaches the tip: exactly so long after the start, and that moment rounded down."""

    after: Duration
    at: datetime
    cautions: tuple[Caution, ...] = BRIDGE_CAUTIONS


def front_arrives(pattern: Pattern, mixture: Mixture, volume: Volume, start: datetime) -> Arrival | Refusal:
    """When a program has pumped the dead volume, following its day schedule from ``start`` on the pump clock.

    With the old program and the old mixture this is the bridge that keeps the old schedule; with the new ones it is
    the arrival without a bridge.
    """
    seconds = pattern.seconds_to(week_second(start), volume * mixture.primary.concentration)
    if seconds is None:
        return _no_flow()
    after = Duration.of(seconds, "s")
    at = later(start, after)
    return at if isinstance(at, Refusal) else Arrival(after, at)


@dataclass(frozen=True, slots=True)
class Slug:
    """A volume of one mixture in the line, or pumped into it."""

    volume: Volume
    mixture: Mixture | None
    """None is fluid without drug, such as water or spinal fluid."""


@dataclass(frozen=True, slots=True)
class Pumped:
    """For ``duration`` the pump moves ``flow`` of a mixture into the line; a flow of zero is a stop."""

    duration: Duration
    flow: Flow
    mixture: Mixture | None


def pumped_by(pattern: Pattern, mixture: Mixture, start: datetime, duration: Duration) -> tuple[Pumped, ...]:
    """What a program pumps from ``start`` on the pump clock, cut where its dose changes."""
    first = week_second(start)
    return tuple(
        Pumped(Duration.of(end - begin, "s"), mixture.flow_of(dose), mixture)
        for begin, end, dose in pattern.slices(first, first + duration.number("s"))
    )


@dataclass(frozen=True, slots=True)
class AtTip:
    """From ``start`` to ``end`` after the beginning, this mixture leaves the tip at this flow."""

    start: Duration
    end: Duration
    flow: Flow
    mixture: Mixture | None

    @property
    def volume(self) -> Volume:
        """What leaves the tip meanwhile."""
        return self.flow * (self.end - self.start)

    @property
    def doses(self) -> tuple[DrugDose, ...]:
        """Dose per time of every ingredient; none for a stop or for fluid without drug."""
        return doses_at(self.flow, self.mixture) if self.mixture is not None and self.flow else ()


@dataclass(frozen=True, slots=True)
class Timeline:
    """What leaves the tip in time, and what is in the line at the end, the nearest to the tip first."""

    at_tip: tuple[AtTip, ...]
    in_line: tuple[Slug, ...]


def tip_timeline(line: Sequence[Slug], pumped: Sequence[Pumped]) -> Timeline:
    """Plug flow: what is pumped in pushes out what lay in the line, the nearest to the tip (first) first.

    A line without volume delivers what is pumped at once.
    """
    slugs = deque(slug for slug in line if slug.volume)
    at_tip: list[AtTip] = []
    now = Duration.zero()
    for stretch in (p for p in pumped if p.duration):
        end = now + stretch.duration
        if stretch.flow:
            slugs.append(Slug(stretch.flow * stretch.duration, stretch.mixture))
            at_tip.extend(_push_out(slugs, now, end, stretch.flow))
        else:
            at_tip.append(AtTip(now, end, stretch.flow, None))
        now = end
    return Timeline(tuple(at_tip), tuple(slugs))


def _push_out(slugs: deque[Slug], start: Duration, end: Duration, flow: Flow) -> list[AtTip]:
    out: list[AtTip] = []
    while start < end:
        first = slugs.popleft()
        leaves = min(start + first.volume / flow, end)
        out.append(AtTip(start, leaves, flow, first.mixture))
        left = first.volume - flow * (leaves - start)
        if left:
            slugs.appendleft(Slug(left, first.mixture))
        start = leaves
    return out
