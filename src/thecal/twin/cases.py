"""Comparisons that a clinic asks for again and again, each as one call: what changes, beside what would be otherwise.

Proposed against current, a refill with and without its bridge, a refill that was missed and the restart, a stop as for
MRI. The real controller runs both sides. What a case shows is a computation with nominal and drawn parameters; it is no
advice on a dose, and a share of a dose is always the caller's own.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from thecal.pump.families import Calibration, family
from thecal.quantities import Volume
from thecal.therapy.order import Fill, Previous
from thecal.therapy.pattern import pattern_of
from thecal.therapy.program import BridgeBolus, Continuous, DayPlan, DaySchedule, Program, RepeatedDoses, Step
from thecal.therapy.refusal import Refusal as NoAnswer
from thecal.twin.asking import HOURS, Asking, as_running
from thecal.twin.comparing import compared
from thecal.twin.events import NoBridge, PlannedBridge, Refill, Start, Stop
from thecal.twin.spine import Comparison, NoPreview, NoPreviewWhy

if TYPE_CHECKING:
    from typing import Unpack

    from thecal.therapy.envelope import Envelope
    from thecal.therapy.program import Base
    from thecal.twin.asking import Asked
    from thecal.twin.events import Event
    from thecal.twin.scenario import Scenario

_MOST_HOURS = 8760.0
LEAD_HOURS = 6.0
"""How long before an event a case begins to look."""
DRY_AFTER_HOURS = 24.0
"""A refill that was missed: how long after the beginning the reservoir runs dry."""


def change(current: Scenario, proposed: Scenario, **asked: Unpack[Asked]) -> Comparison | NoPreview:
    """A proposed order against the one that runs: both begin from the steady state of the running one.

    What the proposed order says of a gap and of what was really delivered is kept where it names the same mixture and
    program as the running one.
    """
    order = current.order
    before = proposed.order.previous
    if before is None or (before.mixture, before.program) != (order.mixture, order.program):
        before = Previous(order.mixture, order.program)
    now, then = (replace(s, order=replace(s.order, previous=before)) for s in (current, proposed))
    return compared((now, then), "proposed against current", Asking(**asked))


# With and without the bridge --------------------------------------------------------------------------------------


def bridge(scenario: Scenario, **asked: Unpack[Asked]) -> Comparison | NoPreview:
    """The first refill of a scenario that changes the fluid: without a bridge, and with the one stated or planned."""
    refill = next((e for e in scenario.events if isinstance(e, Refill) and e.bridge is not None), None)
    if refill is None:
        found = "a scenario in which no refill changes the fluid"
        return NoPreview(NoPreviewWhy.NO_SUCH_EVENT, found, "a refill with another mixture", "add such a refill")
    planned = refill.bridge if isinstance(refill.bridge, BridgeBolus) else PlannedBridge()
    without = _with_event(scenario, refill, replace(refill, bridge=NoBridge("to be compared with a bridge")))
    with_one = _with_event(scenario, refill, replace(refill, bridge=planned))
    asked.setdefault("from_hours", _lead(refill.at_s))
    return compared((without, with_one), "with the bridge against without", Asking(**asked), whole=True)


def _with_event(scenario: Scenario, old: Event, new: Event) -> Scenario:
    return replace(scenario, events=tuple(new if e is old else e for e in scenario.events))


def _lead(at_s: int) -> float:
    return max(at_s / 3600 - LEAD_HOURS, 0.0)


# A missed refill --------------------------------------------------------------------------------------------------


def missed_refill(
    scenario: Scenario, restart: Program, *, gap_hours: float, **asked: Unpack[Asked]
) -> Comparison | NoPreview:
    """A reservoir that runs dry a day after the beginning, ``gap_hours`` until it is filled, and the restart.

    Current: at the dose that ran before. Proposed: with ``restart`` (see ``scaled``). Both begin from the steady state
    of the scenario's program, whatever else the scenario holds; the fluid stays the same. The window runs on for 72 h
    after the refill unless asked otherwise.
    """
    refused = _not_a_time("a gap", gap_hours)
    if refused is not None:
        return refused
    order = scenario.order
    fill = _lasts(order.pump, scenario, DRY_AFTER_HOURS)
    if isinstance(fill, NoPreview):
        return fill
    at_s = round((DRY_AFTER_HOURS + gap_hours) * 3600)
    plain = replace(order, fill=Fill(fill), program=_alone(order.program))
    base = as_running(replace(scenario, order=plain, events=(), pressers=(), faults=()))
    left = _residual(order.pump)
    room = order.pump.reservoir - left
    refilled = [
        replace(base, title=title, events=(Refill(at_s, room, left, program=program),))
        for title, program in (("restart at the dose of before", plain.program), ("other restart", _alone(restart)))
    ]
    title = f"after {gap_hours:g} h without drug: another restart against the dose of before"
    asked.setdefault("hours", DRY_AFTER_HOURS + gap_hours + HOURS)
    return compared((refilled[0], refilled[1]), title, Asking(**asked), whole=True)


def _alone(program: Program) -> Program:
    """A program without what is done once at its start."""
    return replace(program, bridge=None, priming=None, single_boluses=())


def _lasts(pump: Envelope, scenario: Scenario, hours: float) -> Volume | NoPreview:
    """The fill that a base empties in so many hours."""
    order = scenario.order
    pattern = pattern_of(order.program.base, order.mixture, pump.minimum_rate)
    if isinstance(pattern, NoAnswer) or not pattern.total:
        found = "a program that delivers nothing by itself"
        return NoPreview(NoPreviewWhy.NO_SUCH_EVENT, found, "a base with a dose", "ask for a program that runs dry")
    used = order.mixture.volume_of(pattern.total) / pattern.period_s * Fraction(hours * 3600)
    return _residual(pump) + used


def _residual(pump: Envelope) -> Volume:
    """What a dry reservoir still holds."""
    if pump.fixed_flow is not None:
        return Volume.zero()
    constants = family(pump.family).hardware_constants(Calibration(stroke=pump.stroke, tubing=pump.tubing))
    return Volume.zero() if constants is None else Volume.of(constants.residual_nl, "nL")


def scaled(program: Program, share: Fraction) -> Program:
    """A program with every dose times ``share`` (over 0), the fallback's too; times and ceilings stay."""
    bolus, safe = program.patient_bolus, program.fail_safe
    if safe is not None and safe.fallback_dose is not None:
        safe = replace(safe, fallback_dose=safe.fallback_dose * share)
    return replace(
        program,
        base=_scaled(program.base, share),
        patient_bolus=None if bolus is None else replace(bolus, dose=bolus.dose * share),
        fail_safe=safe,
    )


def _scaled(base: Base, share: Fraction) -> Base:
    match base:
        case Continuous(dose=dose):
            return Continuous(dose * share)
        case DaySchedule(plans=plans):
            return DaySchedule(tuple(_day(plan, share) for plan in plans))
        case RepeatedDoses():
            return replace(base, dose=base.dose * share, background=base.background * share)
        case _:
            return base


def _day(plan: DayPlan, share: Fraction) -> DayPlan:
    return DayPlan(plan.weekdays, tuple(Step(s.start_s, s.dose * share) for s in plan.steps))


# A stop as for MRI ------------------------------------------------------------------------------------------------


def mri_stop(
    scenario: Scenario, *, stop_hours: float, at_hours: float = LEAD_HOURS, **asked: Unpack[Asked]
) -> Comparison | NoPreview:
    """The pump is stopped ``at_hours`` after the start of the run and started ``stop_hours`` later, against going on.

    Only the stop is shown; what a magnet does to a pump is another matter. A patient whose order names neither what ran
    before nor a first fill begins from the steady state of the program.
    """
    refused = _not_a_time("a stop", stop_hours) or _not_a_time("a stop that begins", at_hours)
    if refused is not None:
        return refused
    order = scenario.order
    if order.previous is None and not order.first_fill:
        scenario = as_running(scenario)
    stop_s, start_s = round(at_hours * 3600), round((at_hours + stop_hours) * 3600)
    events = sorted([*scenario.events, Stop(stop_s), Start(start_s)], key=lambda e: e.at_s)
    stopped = replace(scenario, title=f"stopped for {stop_hours:g} h", events=tuple(events))
    going_on = replace(scenario, title="going on")
    asked.setdefault("from_hours", _lead(stop_s))
    return compared((going_on, stopped), f"stopped for {stop_hours:g} h, as for MRI", Asking(**asked), whole=True)


def _not_a_time(what: str, hours: float) -> NoPreview | None:
    if 0 < hours <= _MOST_HOURS:
        return None
    found, allowed = f"{what} of {hours:g} h", f"over 0 h, up to {_MOST_HOURS:g} h"
    return NoPreview(NoPreviewWhy.WINDOW, found, allowed, "state another time")
