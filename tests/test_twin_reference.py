"""The twin against a pump that counts second by second and a line that pushes parcels: no shared code, same strokes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st
from tests.slow_pump import DAY, Plan, SlowPump
from tests.therapy_builders import mixture, ml
from tests.tip_reference import RefillEvent, tip_reference
from tests.twin_builders import MONDAY, order, program, scenario

from thecal.quantities import Concentration, DoseRate, Duration, Mass, Volume
from thecal.therapy.mixture import Ingredient, Mixture
from thecal.therapy.program import BridgeBolus, Continuous, DayPlan, DaySchedule, PatientBolus, RepeatedDoses, Step
from thecal.twin.events import Accuracy, NewProgram, NoBridge, PlannedBridge, Press, Refill, Stall, Start, Stop
from thecal.twin.records import Source
from thecal.twin.simulate import simulate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from thecal.therapy.program import Base, Program
    from thecal.twin.events import Bridge, Event, Fault
    from thecal.twin.scenario import Scenario
    from thecal.twin.trace import Trace

# A search through many lives: its lines are counted by the tests of each part, and counting them here doubles its time.
pytestmark = pytest.mark.no_cover

STROKE_NL = 250

# What is drawn ----------------------------------------------------------------------------------------------------

seconds = st.integers(1, DAY - 1)
strengths = st.fractions(min_value=Fraction(1, 2), max_value=30, max_denominator=20)


@st.composite
def mixtures(draw: st.DrawFn) -> Mixture:
    drugs = draw(st.lists(st.sampled_from(["clonidine", "bupivacaine"]), max_size=2, unique=True))
    return Mixture(
        tuple(Ingredient(d, Concentration.of(draw(strengths), "mg/mL")) for d in ("morphine", *drugs)),
    )


def rate(flow_ml: Fraction, mixed: Mixture) -> DoseRate:
    return DoseRate.of(flow_ml * mixed.primary.concentration.number("mg/mL"), "mg/day")


@st.composite
def bases(draw: st.DrawFn, mixed: Mixture) -> Base:
    flows = st.fractions(min_value=Fraction(1, 5), max_value=3, max_denominator=100)
    kind = draw(st.sampled_from(["continuous", "steps", "week", "doses"]))
    if kind == "continuous":
        return Continuous(rate(draw(flows), mixed))
    if kind == "doses":
        every = draw(st.sampled_from([3600, 7200, 21_600]))
        lasts = draw(st.integers(every // 4, every))
        dose = rate(draw(flows), mixed) * Duration.of(every, "s")
        background = rate(draw(flows | st.just(Fraction(0))), mixed)
        return RepeatedDoses(dose, Duration.of(lasts, "s"), Duration.of(every, "s"), background)
    plans = []
    for days in [frozenset(range(7))] if kind == "steps" else [frozenset(range(5)), frozenset({5, 6})]:
        starts = [0, *sorted(draw(st.sets(seconds, max_size=3)))]
        first, *others = starts
        steps = [Step(first, rate(draw(flows), mixed))]
        steps += [Step(s, rate(draw(flows | st.just(Fraction(0))), mixed)) for s in others]
        plans.append(DayPlan(days, tuple(steps)))
    return DaySchedule(tuple(plans))


@st.composite
def programs(draw: st.DrawFn, mixed: Mixture) -> Program:
    bolus = None
    if draw(st.booleans()):
        volume = Fraction(draw(st.integers(1, 200)), 4_000) + Fraction(1, 12_345)
        dose = Mass.of(volume * mixed.primary.concentration.number("mg/mL"), "mg")
        lasts, lockout = draw(st.integers(300, 1200)), draw(st.integers(1200, 20_000))
        bolus = PatientBolus(dose, Duration.of(lasts, "s"), Duration.of(lockout, "s"), draw(st.integers(1, 6)))
    return program(draw(bases(mixed)), mixed, bolus)


@st.composite
def bridges(draw: st.DrawFn, old: Mixture, ordered: Program) -> BridgeBolus:
    volume = Fraction(draw(st.integers(1, 80)), 1000)
    flow = draw(st.fractions(min_value=Fraction(1, 2), max_value=5, max_denominator=10))
    bolus = None
    if ordered.patient_bolus is not None and draw(st.booleans()):
        bolus = Mass.of(Fraction(draw(st.integers(1, 60)), 4_000) * old.primary.concentration.number("mg/mL"), "mg")
    return BridgeBolus(Volume.of(volume, "mL"), rate(flow, old), bolus)


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    old, first = draw(mixtures()), draw(mixtures())
    ordered = draw(programs(first))
    behind = draw(st.none() | st.just(old))
    if behind is not None and draw(st.booleans()):
        ordered = replace(ordered, bridge=draw(bridges(behind, ordered)))
    events: list[Event] = [Press(s) for s in draw(st.lists(seconds, max_size=8))]
    mixed = first
    for at_s in sorted(draw(st.lists(seconds, max_size=4))):
        match draw(st.sampled_from(["stop", "start", "refill", "change", "program"])):
            case "stop":
                events.append(Stop(at_s))
            case "start":
                events.append(Start(at_s))
            case "program":
                events.append(NewProgram(at_s, draw(programs(mixed))))
            case "refill":
                left = Volume.of(Fraction(draw(st.integers(0, 19)), 10), "mL")
                events.append(Refill(at_s, Volume.of(draw(st.integers(5, 18)), "mL"), left=left))
            case _:
                new = draw(mixtures())
                other = draw(programs(new))
                bridge: Bridge = draw(
                    st.one_of(st.just(PlannedBridge()), st.just(NoBridge("a test")), bridges(mixed, other))
                )
                drawn = Volume.of(draw(st.integers(0, 19)), "mL")
                events.append(
                    Refill(at_s, Volume.of(1, "mL"), aspirated=drawn, mixture=new, program=other, bridge=bridge)
                    if draw(st.booleans())
                    else Refill(at_s, Volume.of(15, "mL"), left=ml("1"), mixture=new, program=other, bridge=bridge)
                )
                mixed = new
    faults: list[Fault] = []
    if draw(st.booleans()):
        from_s = draw(seconds)
        faults.append(Stall(from_s, min(from_s + draw(st.integers(1, 20_000)), DAY)))
    if draw(st.booleans()):
        from_s = draw(seconds)
        faults.append(Accuracy(draw(st.fractions(Fraction(1, 2), 2, max_denominator=50)), from_s, DAY))
    start = MONDAY + timedelta(seconds=draw(st.integers(0, 7 * DAY - 1)))
    line = Volume.of(Fraction(draw(st.integers(15, 120)), 1000), "mL")
    made = order(ordered, first, old=behind, line=line, filled="18")
    return scenario(made, *events, start=start, faults=tuple(faults))


# The slow way -----------------------------------------------------------------------------------------------------


def pl_per_h(dose: DoseRate, mixed: Mixture) -> int:
    ml_per_day = dose.number("mg/day") / mixed.primary.concentration.number("mg/mL")
    return int(ml_per_day * 10**9 / 24)


def whole_strokes(dose: Mass, mixed: Mixture) -> int:
    return int(dose.number("mg") / mixed.primary.concentration.number("mg/mL") * 10**6 / STROKE_NL)


def plan_of(ordered: Program, mixed: Mixture, bridge: BridgeBolus | None, old: Mixture | None) -> Plan:
    base = ordered.base
    steps: list[tuple[int, int]]
    cycle = DAY
    match base:
        case Continuous():
            steps = [(0, pl_per_h(base.dose, mixed))]
        case RepeatedDoses():
            cycle, on = int(base.every.number("s")), int(base.duration.number("s"))
            extra, background = pl_per_h(base.dose / base.duration, mixed), pl_per_h(base.background, mixed)
            steps = [(0, background + extra)] + ([(on, background)] if on < cycle else [])
        case DaySchedule(plans=(one,)):
            steps = [(s.start_s, pl_per_h(s.dose, mixed)) for s in one.steps]
        case DaySchedule():
            cycle = 7 * DAY
            steps = [(d * DAY + s.start_s, pl_per_h(s.dose, mixed)) for d in range(7) for s in base.plan(d).steps]
        case _:
            raise AssertionError(base)
    plan = Plan(steps, cycle)
    if ordered.patient_bolus is not None:
        bolus = ordered.patient_bolus
        plan.bolus_strokes, plan.bolus_s = whole_strokes(bolus.dose, mixed), int(bolus.duration.number("s"))
        plan.lockout_s, plan.most = int(bolus.lockout.number("s")), bolus.most_per_24h
    if bridge is not None:
        assert old is not None
        plan.bridge_pl = int(bridge.volume.number("nL") * 1000)
        plan.bridge_rate = pl_per_h(bridge.dose, old)
        if bridge.bolus_in_old_drug is not None:
            plan.bridge_bolus = whole_strokes(bridge.bolus_in_old_drug, old) if ordered.patient_bolus else 0
    return plan


class Slow:
    """Carries out a scenario on the slow pump."""

    def __init__(self, made: Scenario) -> None:
        first = made.order
        self.made = made
        self.mixed, self.program = first.mixture, first.program
        self.old = first.previous.mixture if first.previous else None
        self.bridge = first.program.bridge
        start = made.run.start
        clock = start.weekday() * DAY + start.hour * 3600 + start.minute * 60 + start.second
        plan = plan_of(self.program, self.mixed, self.bridge, self.old)
        stalls = [(f.from_s, f.until_s) for f in made.faults if isinstance(f, Stall)]
        self.pump = SlowPump(STROKE_NL, plan, clock, stalls, 18 * 10**6)
        self.refills: list[tuple[int, Refill, Mixture]] = []

    def run(self) -> None:
        others = [e for e in self.made.events if not isinstance(e, Press)]
        for event in sorted([*others, *self.made.presses()], key=lambda e: e.at_s):
            self.pump.run(event.at_s)
            self.do(event)
        self.pump.run(self.made.run.length_s)

    def do(self, event: Event) -> None:
        pump = self.pump
        match event:
            case Press():
                pump.press()
            case Stop():
                pump.stop()
            case Start():
                pump.look()
                pump.start()
            case NewProgram():
                pump.look()
                if pump.bolus is None:
                    self._take(event.program, self.mixed, self._rest(), self.old)
                    pump.start()
            case Refill():
                self._refill(event)
            case _:
                raise AssertionError(event)

    def _take(self, ordered: Program, mixed: Mixture, bridge: BridgeBolus | None, old: Mixture | None) -> None:
        self.pump.take(plan_of(ordered, mixed, bridge, old))
        self.program, self.mixed = ordered, mixed
        self.bridge, self.old = bridge, old

    def _rest(self) -> BridgeBolus | None:
        if not self.pump.bridging or self.bridge is None:
            return None
        return replace(self.bridge, volume=Volume.of(Fraction(self.pump.left, 3600 * 1000), "nL"))

    def _refill(self, event: Refill) -> None:
        pump, was_running = self.pump, self.pump.running
        left = event.left.number("nL") if event.left is not None else Fraction(0)
        if event.aspirated is not None:
            left = max(pump.level_nl - event.aspirated.number("nL"), Fraction(0))
        if left + event.volume.number("nL") > 20 * 10**6:
            return
        new = event.mixture or self.mixed
        bridge = None if event.mixture is None else self._bridge(event, new)
        if bridge is not None and not 1 <= bridge.dose.number("mg/day") * 100 / strength(self.mixed) <= 2160:
            return  # slower or faster than the pump runs
        pump.look()
        pump.stop()
        pump.level_nl = int(left + event.volume.number("nL"))
        self.refills.append((event.at_s, event, new))
        if event.mixture is not None:
            assert event.program is not None
            self._take(event.program, new, bridge, self.mixed)
        if was_running or event.mixture is not None:
            pump.start()

    def _bridge(self, event: Refill, new: Mixture) -> BridgeBolus | None:
        if isinstance(event.bridge, BridgeBolus):
            return event.bridge
        if not isinstance(event.bridge, PlannedBridge):
            return None
        assert event.program is not None
        order_ = self.made.order
        assert order_.catheter is not None
        base = event.program.base
        match base:
            case Continuous():
                average = base.dose
            case RepeatedDoses():
                average = base.background + base.dose / base.every
            case DaySchedule():
                week = [base.plan(d).total for d in range(7)]
                average = sum(week[1:], start=week[0]) / Duration.of(7, "days")
            case _:
                raise AssertionError(base)
        return BridgeBolus(order_.pump.tubing + order_.catheter.volume, average)


def strength(mixed: Mixture) -> Fraction:
    return mixed.primary.concentration.number("mg/mL")


def fluid(mixed: Mixture) -> Mapping[str, Fraction]:
    return {i.drug: i.concentration.number("mg/mL") for i in mixed.ingredients}


def volumes(slow: Slow) -> list[tuple[int, Fraction]]:
    found = []
    for t in slow.pump.strokes:
        factor = Fraction(1)
        for fault in slow.made.faults:
            if isinstance(fault, Accuracy) and fault.from_s <= t < fault.until_s:
                factor = fault.factor
        found.append((t, factor * Fraction(STROKE_NL, 10**6)))
    return found


def as_events(slow: Slow, strokes: list[tuple[int, Fraction]]) -> list[RefillEvent]:
    """Refills after the strokes of their second; what was aspirated becomes what is left of what was really there."""
    events, volume, done = [], Fraction(18), 0
    for at_s, event, new in slow.refills:
        while done < len(strokes) and strokes[done][0] <= at_s:
            volume -= min(volume, strokes[done][1])
            done += 1
        if event.left is not None:
            left = min(event.left.number("mL"), volume)
        else:
            assert event.aspirated is not None
            left = max(volume - event.aspirated.number("mL"), Fraction(0))
        events.append(RefillEvent(at_s + 1, left, event.volume.number("mL"), fluid(new)))
        volume = left + event.volume.number("mL")
    return events


def check_masses(trace: Trace, slow: Slow) -> None:
    made = slow.made.order
    assert made.catheter is not None
    dead = (made.pump.tubing + made.catheter.volume).number("mL")
    before = fluid(made.previous.mixture) if made.previous else {}
    strokes = volumes(slow)
    at_s = sorted({*(h.at_s for h in trace.happenings), *range(0, DAY, 9_000), DAY})
    moments = tip_reference(
        strokes,
        as_events(slow, strokes),
        at_s,
        volume=Fraction(18),
        c=fluid(made.mixture),
        line=[(dead, before)],
        start_s=0,
    )
    delivered, arrived, level = trace.delivered_mg(at_s), trace.arrived_mg(at_s), trace.level_ml(at_s)
    for n, moment in enumerate(moments):
        assert level[n] == pytest.approx(float(moment.volume), rel=1e-9, abs=1e-9)
        for row, drug in enumerate(trace.ingredients):
            assert delivered[row, n] == pytest.approx(float(moment.delivered.get(drug, 0)), rel=1e-9, abs=1e-9)
            assert arrived[row, n] == pytest.approx(float(moment.arrived.get(drug, 0)), rel=1e-9, abs=1e-9)


# One example takes about 0.2 s: shrinking one would take minutes.
QUICK = (Phase.explicit, Phase.reuse, Phase.generate)


@settings(max_examples=80, phases=QUICK)
@given(scenarios())
@pytest.mark.requirement("P3", "HZ-1.25")
def test_every_stroke_answer_and_mass_is_that_of_the_slow_way(made: Scenario) -> None:
    slow = Slow(made)
    slow.run()
    trace = simulate(made)
    # The slow pump knows no fastest and no slowest flow: what passes one is refused by the compiler alone.
    assume(not any("mL/day" in r.why for r in trace.refusals))
    assert trace.stroke_s.tolist() == slow.pump.strokes
    answers = [(b.at_s, b.answer.name) for b in trace.boluses if b.source is Source.PATIENT]
    assert answers == slow.pump.answers
    assert [h.at_s for h in trace.happenings if h.kind == "bridge end"] == slow.pump.bridge_ends
    check_masses(trace, slow)
    for total in trace.totals:
        assert abs(total.unaccounted) < 1e-9


@settings(max_examples=6, phases=QUICK)
@given(scenarios())
def test_stepping_gives_the_same_trace_to_the_byte(made: Scenario) -> None:
    leap, step = simulate(made), simulate(made, stepping=True)
    assert np.array_equal(leap.stroke_s, step.stroke_s)
    assert json.dumps(leap.as_json()) == json.dumps(step.as_json())


def test_the_slow_way_counts_what_a_day_holds() -> None:
    made = scenario(order(program(Continuous(rate(Fraction(1), mixture(morphine="10"))))))
    slow = Slow(made)
    slow.run()
    assert len(slow.pump.strokes) == 3999  # 1 mL a day, rounded down to a picolitre an hour
