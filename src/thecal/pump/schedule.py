"""The base of a program as a cycle of steps in whole seconds and picolitres per hour.

A base and the pump's envelope come in; steps go out, every rate rounded down, or a refusal that names the flow found
and the flows allowed. Cycles are laid out against the pump clock, whose second 0 is a Monday 00:00.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from thecal.pump.core.codes import MAX_STEPS
from thecal.pump.refused import Refused, Why
from thecal.pump.setting import Setting, flow_of, rate_of
from thecal.quantities import Duration
from thecal.therapy.envelope import Can
from thecal.therapy.pattern import Pattern, pattern_of
from thecal.therapy.program import (
    DAY_S,
    Continuous,
    DaySchedule,
    MinimumRate,
    RepeatedDoses,
    Stopped,
)
from thecal.therapy.wording import WEEKDAYS, clock_text

if TYPE_CHECKING:
    from thecal.quantities import Flow
    from thecal.therapy.envelope import Envelope
    from thecal.therapy.mixture import Mixture
    from thecal.therapy.program import Base


@dataclass(frozen=True, slots=True)
class Schedule:
    """Steps of one cycle: where each starts in it (s), its rate (pL/h), and what was asked for in ``settings``."""

    cycle_s: int
    starts_s: tuple[int, ...]
    rates_pl_per_h: tuple[int, ...]
    settings: tuple[Setting, ...]

    def pl_s_per_h(self, start_s: int, end_s: int) -> int:
        """What the steps give from one second of the first cycle to another, in pL/h times s."""
        ends = (*self.starts_s[1:], self.cycle_s)
        return sum(
            rate * max(0, min(end, end_s) - max(start, start_s))
            for start, end, rate in zip(self.starts_s, ends, self.rates_pl_per_h, strict=True)
        )

    def changes_in(self, window_s: int) -> int:
        """The most steps that begin in any window of that length."""
        if len(self.starts_s) == 1:
            return 0
        cycles, rest_s = divmod(window_s, self.cycle_s)
        most = max(sum((s - first) % self.cycle_s < rest_s for s in self.starts_s) for first in self.starts_s)
        return cycles * len(self.starts_s) + most


def needs(base: Base) -> tuple[Can, ...]:
    """What a pump must be able to do to run this base."""
    match base:
        case Stopped():
            return (Can.STOP,)
        case MinimumRate():
            return (Can.MINIMUM_RATE,)
        case Continuous():
            return (Can.SET_RATE,)
        case DaySchedule(plans=plans):
            return (Can.DAY_SCHEDULE, Can.WEEKDAYS) if len(plans) > 1 else (Can.DAY_SCHEDULE,)
        case RepeatedDoses():
            return (Can.REPEATED_DOSES,)


def cannot(pump: Envelope, needed: Can) -> Refused:
    """The refusal of something that the pump is not able to do."""
    able = ", ".join(sorted(pump.can)) or "nothing: its flow is fixed"
    return Refused(Why.CANNOT, f"{needed} on {pump.name}", able, "order what this pump can do, or choose another pump")


def check_flow(flow: Flow, pump: Envelope, what: str) -> Refused | None:
    """None where the pump can give this flow; zero is asked for apart."""
    allowed = f"{pump.flow_min.text('mL/day')} to {pump.flow_max.text('mL/day')}"
    found = f"{what} at {flow.text('mL/day')}"
    if flow < pump.flow_min or (flow and not rate_of(flow)):
        return Refused(Why.FLOW_BELOW_FLOOR, found, allowed, "order more, or a lower concentration")
    if flow > pump.flow_max:
        return Refused(Why.FLOW_ABOVE_MAXIMUM, found, allowed, "order less, or a higher concentration")
    return None


def schedule_of(base: Base, mixture: Mixture, pump: Envelope) -> Schedule | Refused:
    """The steps of a base, or the first reason why the pump cannot run it."""
    for needed in needs(base):
        if needed not in pump.can:
            return cannot(pump, needed)
    refused = _count(base, pump) if isinstance(base, DaySchedule) else None
    if refused is not None:
        return refused
    asked, given = pattern_of(base, mixture, pump.minimum_rate), pattern_of(_whole(base), mixture, pump.minimum_rate)
    if not (isinstance(asked, Pattern) and isinstance(given, Pattern)):
        return Refused(
            Why.UNKNOWN, f"the minimum rate of {pump.name}", "a pump that states one", "order a continuous dose instead"
        )
    refused = None if isinstance(base, Stopped | MinimumRate) else _flows(given, mixture, pump)
    return refused or _steps(base, asked, given, mixture)


def _count(base: DaySchedule, pump: Envelope) -> Refused | None:
    in_day = max(len(p.steps) for p in base.plans)
    in_cycle = sum(len(p.steps) * len(p.weekdays) for p in base.plans) if len(base.plans) > 1 else in_day
    if in_day <= pump.steps_per_day and in_cycle <= MAX_STEPS:
        return None
    return Refused(
        Why.TOO_MANY_STEPS,
        f"{in_day:,} steps in a day, {in_cycle:,} until the schedule repeats",
        f"at most {pump.steps_per_day:,} in a day on {pump.name}, and {MAX_STEPS:,} until the schedule repeats",
        "join steps that are alike",
    )


def _whole(base: Base) -> Base:
    """The same base with a repeated dose that lasts a whole number of seconds, rounded up: never faster."""
    if not isinstance(base, RepeatedDoses):
        return base
    return replace(base, duration=Duration.of(base.duration.ceil("s"), "s"))


def _flows(pattern: Pattern, mixture: Mixture, pump: Envelope) -> Refused | None:
    for piece in pattern.pieces:
        flow = mixture.flow_of(piece.dose)
        if not flow and Can.ZERO_RATE not in pump.can:
            return cannot(pump, Can.ZERO_RATE)
        refused = (
            check_flow(flow, pump, f"the base from {_when(int(piece.start_s), pattern.period_s)}") if flow else None
        )
        if refused is not None:
            return refused
    return None


def _when(start_s: int, period_s: int) -> str:
    day, second = divmod(start_s, DAY_S)
    return f"{WEEKDAYS[day]} {clock_text(second)}" if period_s > DAY_S else clock_text(second)


def _steps(base: Base, asked: Pattern, given: Pattern, mixture: Mixture) -> Schedule:
    starts = tuple(int(p.start_s) for p in given.pieces)
    rates = tuple(rate_of(mixture.flow_of(p.dose)) for p in given.pieces)
    if isinstance(base, RepeatedDoses):
        rates, settings = _repeated(base, mixture)
    else:
        settings = tuple(
            Setting(f"base from {_when(start, given.period_s)}", p.dose, flow_of(rate) * mixture.primary.concentration)
            for start, rate, p in zip(starts, rates, asked.pieces, strict=True)
        )
    bare = Schedule(given.period_s, starts, rates[: len(starts)], ())
    return replace(bare, settings=(*settings, *_days(asked, bare, mixture)))


def _repeated(base: RepeatedDoses, mixture: Mixture) -> tuple[tuple[int, int], tuple[Setting, ...]]:
    """The rates while a dose is given and between, each part rounded down by itself."""
    lasts = Duration.of(base.duration.ceil("s"), "s")
    background, extra = rate_of(mixture.flow_of(base.background)), rate_of(mixture.flow_of(base.dose / lasts))
    strength = mixture.primary.concentration
    settings = (
        Setting("background", base.background, flow_of(background) * strength),
        Setting("repeated dose", base.dose, flow_of(extra) * lasts * strength),
        Setting("duration of a repeated dose", base.duration, lasts),
    )
    return (background + extra, background), settings


def _days(asked: Pattern, schedule: Schedule, mixture: Mixture) -> tuple[Setting, ...]:
    """The base of each day per ingredient; of one day where all are alike."""
    week = schedule.cycle_s > DAY_S
    found = []
    for day in range(7 if week else 1):
        wanted = asked.between(day * DAY_S, (day + 1) * DAY_S)
        if week:
            given = schedule.pl_s_per_h(day * DAY_S, (day + 1) * DAY_S)
        else:
            given = schedule.pl_s_per_h(0, schedule.cycle_s) * (DAY_S // schedule.cycle_s)
        volume = flow_of(given) * Duration.of(1, "s")
        for drug in mixture.drugs:
            name = f"{drug}, base of {WEEKDAYS[day] if week else 'a day'}"
            found.append(Setting(name, mixture.follow(drug, wanted), volume * mixture.concentration(drug)))
    return tuple(found)
