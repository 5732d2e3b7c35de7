"""A run from an order to the tip: what is granted, refused, delivered and arrived, and when."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.therapy_builders import WEEKDAYS, WEEKEND, day, flow, mg, mixture, ml, per_day, time
from tests.twin_builders import (
    BENCH,
    BOLUS,
    DAY,
    MONDAY,
    MORPHINE,
    STOPS,
    STRONGER,
    TRIPLE,
    bridge,
    order,
    program,
    scenario,
)

from thecal.pump.core import codes
from thecal.pump.core.commands import Commands
from thecal.pump.families import Calibration, family
from thecal.quantities import DoseRate
from thecal.therapy.program import (
    EVERY_DAY,
    Ceiling,
    Continuous,
    DayPlan,
    DaySchedule,
    FailSafe,
    FaultClass,
    MinimumRate,
    PrimingBolus,
    Response,
    SingleBolus,
    Step,
    Stopped,
)
from thecal.twin.bedside import Bedside
from thecal.twin.diary import Diary
from thecal.twin.events import (
    Accuracy,
    DrugLoss,
    GivenBolus,
    NewProgram,
    NoBridge,
    PlannedBridge,
    Press,
    Presser,
    Prime,
    Refill,
    Stall,
    Start,
    Stop,
)
from thecal.twin.implant import Entry, Implant, hardware_of
from thecal.twin.motor import VirtualMotor
from thecal.twin.records import AlarmName, Answer, Kind, Source, answer_of
from thecal.twin.scenario import read_scenario
from thecal.twin.simulate import simulate

if TYPE_CHECKING:
    from thecal.therapy.envelope import Envelope
    from thecal.therapy.files import Measured
    from thecal.therapy.order import Order
    from thecal.twin.events import Event
    from thecal.twin.trace import Trace

STROKE_ML = 0.00025
HOUR = 3600
HOURS = DaySchedule((DayPlan(EVERY_DAY, tuple(Step(n * HOUR, per_day(str(40 + n % 2))) for n in range(24))),))
STEADY = Continuous(per_day("10"))  # 1 mL a day: a stroke every 21.6 s


def texts(trace: Trace, kind: Kind) -> list[str]:
    return [h.text for h in trace.happenings if h.kind is kind]


def total(trace: Trace, drug: str = "morphine") -> dict[str, float]:
    found = next(t for t in trace.totals if t.ingredient == drug)
    return {name: getattr(found, name) for name in found.__slots__ if name != "ingredient"}


# Volumes and masses -----------------------------------------------------------------------------------------------


def test_a_steady_day() -> None:
    trace = simulate(scenario(order(program(STEADY, TRIPLE), TRIPLE)))
    assert trace.stroke_s.size == 3999  # 1 mL, rounded down to a picolitre an hour
    assert trace.ingredients == ("morphine", "bupivacaine", "clonidine")
    found = total(trace)
    assert found["ordered"] == 10
    assert found["delivered"] == pytest.approx(3999 * STROKE_ML * 10)
    assert found["arrived"] == pytest.approx((3999 * STROKE_ML - 0.05) * 10)
    assert found["in_line"] == pytest.approx(0.5)
    assert found["in_reservoir"] == pytest.approx((20 - 3999 * STROKE_ML) * 10)
    assert found["line_at_start"] == 0
    assert total(trace, "clonidine")["arrived"] == pytest.approx(found["arrived"] * 0.015)
    assert all(abs(t.unaccounted) < 1e-9 for t in trace.totals)
    assert trace.refusals == ()
    assert trace.lost_strokes == 0
    assert trace.start == MONDAY


@pytest.mark.requirement("IT-01")
def test_no_drug_arrives_before_the_dead_volume_has_been_pumped() -> None:
    trace = simulate(scenario(order(program(STEADY))))
    front = trace.fronts[0]
    assert front.tip_s is not None
    strokes = round(0.05 / STROKE_ML)
    assert front.tip_s == trace.stroke_s[strokes - 1]
    assert trace.arrived_mg(front.tip_s)[0, 0] == pytest.approx(0, abs=1e-12)
    after = int(trace.stroke_s[strokes])
    assert trace.arrived_mg(after)[0, 0] == pytest.approx(STROKE_ML * 10)
    assert abs(front.tip_s - 0.05 * DAY) <= 1  # 1 mL a day


def test_delivered_and_arrived_at_any_second_are_what_the_strokes_say() -> None:
    trace = simulate(scenario(order(program(STEADY))))
    at_s = np.arange(0, DAY + 1, 977)
    strokes = np.array([(trace.stroke_s <= t).sum() for t in at_s])
    assert trace.delivered_mg(at_s)[0] == pytest.approx(strokes * STROKE_ML * 10)
    assert trace.arrived_mg(at_s)[0] == pytest.approx(np.maximum(strokes * STROKE_ML - 0.05, 0) * 10)
    assert trace.level_ml(at_s) == pytest.approx(20 - strokes * STROKE_ML)
    assert trace.believed_level_ml(at_s) == pytest.approx(20 - strokes * STROKE_ML)


def test_a_schedule_follows_the_pump_clock() -> None:
    base = DaySchedule((day(WEEKDAYS, (0, "5"), (12, "10")), day(WEEKEND, (0, "20"))))
    friday_noon = MONDAY + timedelta(days=4, hours=12)
    trace = simulate(scenario(order(program(base)), days=2, start=friday_noon))
    delivered = trace.delivered_mg([12 * HOUR, 36 * HOUR, 48 * HOUR])[0]
    assert np.diff([0, *delivered]) == pytest.approx([5, 20, 10], abs=2 * STROKE_ML * 10)
    assert trace.ordered_mg([12 * HOUR, 36 * HOUR, 48 * HOUR])[0].tolist() == pytest.approx([5, 25, 35])


@pytest.mark.requirement("FD-3.5")
def test_accuracy_moves_another_volume_and_the_pump_does_not_know() -> None:
    made = scenario(order(program(STEADY)), faults=(Accuracy(Fraction(11, 10), 12 * HOUR, DAY),))
    trace = simulate(made)
    n = trace.stroke_s.size
    late = int((trace.stroke_s >= 12 * HOUR).sum())
    assert total(trace)["delivered"] == pytest.approx((n + late / 10) * STROKE_ML * 10)
    assert trace.believed_level_ml(DAY)[0] == pytest.approx(20 - n * STROKE_ML)
    assert trace.level_ml(DAY)[0] == pytest.approx(20 - (n + late / 10) * STROKE_ML)
    assert texts(trace, Kind.FAULT) == ["strokes move another volume than they should"]


def test_drug_loss_is_accounted_for() -> None:
    loss = DrugLoss("morphine", Fraction(1, 100))
    refill = Refill(2 * DAY, ml("18"), left=ml("1"))
    trace = simulate(scenario(order(program(STEADY, TRIPLE), TRIPLE), refill, days=5, faults=(loss,)))
    found = {t.ingredient: t for t in trace.totals}
    assert found["morphine"].lost == pytest.approx(190 * 0.01 * 2 + 175 * 0.01 * 3, rel=0.02)
    assert found["bupivacaine"].lost == pytest.approx(0, abs=1e-12)
    assert all(abs(t.unaccounted) < 1e-9 for t in trace.totals)


def test_wide_front_arrives_earlier_and_loses_nothing() -> None:
    plug = simulate(scenario(order(program(STEADY))))
    wide_front = simulate(scenario(order(program(STEADY)), sigma=ml("0.005")))
    early = round(0.9 * 0.05 * DAY)
    assert plug.arrived_mg(early)[0, 0] == 0
    assert wide_front.arrived_mg(early)[0, 0] > 0
    assert abs(total(wide_front)["arrived"] - total(plug)["arrived"]) < 1e-6
    assert all(abs(t.unaccounted) < 1e-9 for t in wide_front.totals)


# Boluses ----------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("UM-26", "UM-27")
def test_presses_are_answered_one_by_one() -> None:
    presses = [Press(HOUR), Press(HOUR + 60), Press(2 * HOUR), Press(4 * HOUR), Press(8 * HOUR), Press(12 * HOUR)]
    presses += [Press(16 * HOUR)]
    trace = simulate(scenario(order(program(STEADY, bolus=BOLUS)), *presses))
    answers = [(b.answer, b.wait_s) for b in trace.boluses]
    assert answers == [
        (Answer.GRANTED, 0),
        (Answer.LOCKOUT, 3 * HOUR - 60),
        (Answer.LOCKOUT, 2 * HOUR),
        (Answer.GRANTED, 0),
        (Answer.GRANTED, 0),
        (Answer.GRANTED, 0),
        (Answer.COUNT, 9 * HOUR),
    ]
    first = trace.boluses[0]
    assert (first.source, first.strokes, first.seconds, first.given) == (Source.PATIENT, 40, 300, 40)
    assert (first.began_s, first.ended_s, first.cut) == (HOUR, HOUR + 300, False)
    assert first.dose_mg == {"morphine": pytest.approx(0.1)}
    assert total(trace)["ordered"] == pytest.approx(10.4)
    assert total(trace)["delivered"] == pytest.approx(10.4, abs=2 * STROKE_ML * 10)
    assert "it fits in 2 h 59 min, at 2026-03-02 04:00:00" in texts(trace, Kind.REFUSED)[0]


def test_press_without_a_bolus_in_the_program() -> None:
    trace = simulate(scenario(order(program(STEADY)), Press(10)))
    assert [b.answer for b in trace.boluses] == [Answer.NO_BOLUS]


def test_habit_of_pressing_is_the_same_for_one_seed_and_another_for_another() -> None:
    habit = Presser(Fraction(8), Fraction(1, 2), 0, DAY, 0, 9)
    made = scenario(order(program(STEADY, bolus=BOLUS)), days=3, pressers=(habit,))
    other = replace(made, run=replace(made.run, seed=8))
    one, again, two = simulate(made), simulate(made), simulate(other)
    assert json.dumps(one.as_json()) == json.dumps(again.as_json())
    assert [b.at_s for b in one.boluses] != [b.at_s for b in two.boluses]
    assert {b.answer for b in one.boluses} >= {Answer.GRANTED, Answer.LOCKOUT}


def test_bolus_that_a_stop_cuts_counts_what_it_gave() -> None:
    trace = simulate(scenario(order(program(STEADY, bolus=BOLUS)), Press(HOUR), Stop(HOUR + 150)))
    bolus = trace.boluses[0]
    assert bolus.granted
    assert bolus.cut
    assert bolus.given == 20
    assert bolus.ended_s == HOUR + 150
    assert texts(trace, Kind.BOLUS_CUT) == ["patient bolus interrupted after 20 of 40 strokes"]
    assert total(trace)["ordered"] == pytest.approx(10 * (HOUR + 150) / DAY + 0.05)
    assert trace.stroke_s[-1] <= HOUR + 150


def test_single_boluses_wait_for_each_other_and_a_stop_drops_them() -> None:
    once = SingleBolus(mg("0.5"), time("10 min"))
    ordered = program(STEADY, single_boluses=(once, once))
    trace = simulate(scenario(order(ordered), GivenBolus(HOUR, once), GivenBolus(HOUR, once), Stop(HOUR + 300)))
    assert [b.began_s for b in trace.boluses] == [0, 600, HOUR, None]
    assert [b.given for b in trace.boluses] == [200, 200, 100, 0]
    assert [b.cut for b in trace.boluses] == [False, False, True, True]
    assert all(b.source is Source.CLINICIAN and b.granted for b in trace.boluses)


def test_single_bolus_refused_by_compiler_or_pump_is_written_down() -> None:
    tiny, fast = SingleBolus(mg("0.001"), time("10 min")), SingleBolus(mg("0.5"), time("10 min"))
    trace = simulate(scenario(order(program(STEADY)), GivenBolus(10, tiny), Stop(20), GivenBolus(30, fast)))
    assert trace.refusals[0].what == "single bolus"
    assert "at least one stroke" in trace.refusals[0].why
    assert trace.boluses[0].answer is Answer.STOPPED
    assert trace.boluses[0].dose_mg == {}


@pytest.mark.requirement("HZ-1.24", "IT-01")
def test_priming_fills_the_line_once_and_is_no_dose() -> None:
    ordered = program(STEADY, priming=PrimingBolus(ml("0.05")))
    trace = simulate(scenario(order(ordered), Prime(HOUR, ml("0.05"))))
    prime, again = trace.boluses
    assert (prime.source, prime.strokes, prime.seconds, prime.given) == (Source.PRIME, 200, 200, 200)
    assert again.answer is Answer.PRIMED
    assert trace.fronts[0].tip_s == 200
    assert total(trace)["ordered"] == 10
    assert total(trace)["delivered"] == pytest.approx(10.5, abs=0.03)


def test_what_a_prime_gives_beyond_the_dead_volume_is_a_dose() -> None:
    trace = simulate(scenario(order(program(STEADY, priming=PrimingBolus(ml("0.06"))))))
    prime, beyond = trace.boluses
    assert (prime.strokes, beyond.strokes) == (200, 40)
    assert beyond.began_s == prime.ended_s == 200
    assert total(trace)["ordered"] == pytest.approx(10.1)


def test_prime_under_one_stroke_is_refused() -> None:
    trace = simulate(scenario(order(program(STEADY)), Prime(HOUR, ml("0.0001"))))
    assert [r.what for r in trace.refusals] == ["prime"]


# Refills and bridges ----------------------------------------------------------------------------------------------


def test_refill_with_the_same_fluid_goes_on() -> None:
    trace = simulate(scenario(order(program(STEADY)), Refill(12 * HOUR, ml("18"), left=ml("0.5"))))
    first, second = trace.fills
    found = 20 - 1999 * STROKE_ML
    assert (first.at_s, first.told_ml) == (0, 20)
    assert second.at_s == 12 * HOUR
    assert second.found_ml == pytest.approx(found)
    assert second.believed_ml == pytest.approx(found)
    assert second.removed_ml == pytest.approx(found - 0.5)
    assert second.told_ml == second.volume_ml == pytest.approx(18.5)
    assert trace.stroke_s.size == 3999
    assert len(trace.fronts) == 1  # of the first fill: the second one is the same fluid
    assert trace.believed_level_ml([12 * HOUR, 12 * HOUR + 1]).tolist() == pytest.approx(
        [found, 18.5], abs=2 * STROKE_ML
    )
    assert all(abs(t.unaccounted) < 1e-9 for t in trace.totals)


def test_partly_aspirated_refill_leaves_what_is_really_there() -> None:
    fault = Accuracy(Fraction(2), 0, DAY)
    made = scenario(
        order(program(STEADY), filled="10"), Refill(12 * HOUR, ml("10"), aspirated=ml("5")), faults=(fault,)
    )
    fill = simulate(made).fills[1]
    moved = 1999 * STROKE_ML
    assert fill.believed_ml == pytest.approx(10 - moved)
    assert fill.told_ml == pytest.approx(10 - moved - 5 + 10)
    assert fill.found_ml == pytest.approx(10 - 2 * moved)
    assert fill.volume_ml == pytest.approx(10 - 2 * moved - 5 + 10)


def test_refill_that_does_not_fit_is_refused_before_anything_is_touched() -> None:
    trace = simulate(scenario(order(program(STEADY)), Refill(12 * HOUR, ml("20"), left=ml("0.5"))))
    assert [(r.at_s, r.what) for r in trace.refusals] == [(12 * HOUR, "the refill")]
    assert "nothing was done" in trace.refusals[0].why
    assert trace.stroke_s.size == 3999
    assert len(trace.fills) == 1
    assert Kind.STOP not in {h.kind for h in trace.happenings}


def test_first_fill_that_does_not_fit_leaves_the_pump_alone() -> None:
    trace = simulate(
        scenario(order(program(STEADY), filled="20.5"), Press(10), GivenBolus(20, SingleBolus(mg("1"), time("5 min"))))
    )
    assert [r.what for r in trace.refusals] == ["the first fill"]
    assert trace.stroke_s.size == 0
    assert trace.fills == ()
    assert [b.answer for b in trace.boluses] == [Answer.NO_PROGRAM, Answer.NO_PROGRAM]
    assert trace.believed_level_ml([0, DAY]).tolist() == [0, 0]
    assert all(abs(t.unaccounted) < 1e-9 for t in trace.totals)


def changed(**others: object) -> Refill:
    made = Refill(
        2 * HOUR,
        ml("18"),
        left=ml("0"),
        mixture=STRONGER,
        program=program(STEADY, STRONGER, BOLUS),
        bridge=PlannedBridge(),
    )
    return replace(made, **others)  # type: ignore[arg-type]


def test_planned_bridge_keeps_the_dose_until_the_new_drug_arrives() -> None:
    made = scenario(
        order(program(STEADY, bolus=BOLUS), old=MORPHINE), changed(), Press(2 * HOUR + 600), Press(4 * HOUR)
    )
    trace = simulate(made)
    # 0.05 mL at 1 mL a day: the old drug at 10 mg a day, as the new program orders.
    end = next(h.at_s for h in trace.happenings if h.kind is Kind.BRIDGE_END)
    assert abs(end - (2 * HOUR + 0.05 * DAY)) <= 1
    front = trace.fronts[-1]
    assert front.filled_s == 2 * HOUR
    assert front.tip_s is not None
    assert abs(front.tip_s - end) <= 22  # a stroke
    refused = trace.boluses[0]
    assert refused.answer is Answer.BRIDGE
    assert abs(refused.at_s + refused.wait_s - end) <= 1
    assert trace.boluses[1].granted
    assert trace.boluses[1].dose_mg == {"morphine": pytest.approx(0.1)}
    dose = trace.arrived_mg([2 * HOUR, end, end + 2400])[0]
    assert np.diff(dose) == pytest.approx([10 * 0.05, 10 / 36], abs=2 * STROKE_ML * 20)
    assert "0.05 mL of the old drug over 1 h 12 min" in " ".join(texts(trace, Kind.PROGRAM))


@pytest.mark.parametrize("ml_per_day", ["0.5", "1", "2", "7.2"])
@pytest.mark.requirement("IT-18")
def test_bridge_at_the_start_ends_and_arrives_as_plug_flow_says(ml_per_day: str) -> None:
    dose = per_day(ml_per_day) * 10
    ordered = program(STEADY, STRONGER, bridge=bridge("0.2", "1"))
    assert ordered.bridge is not None
    ordered = replace(ordered, bridge=replace(ordered.bridge, dose=dose))
    trace = simulate(scenario(order(ordered, STRONGER, old=MORPHINE, line=ml("0.2"))))
    analytic = 0.2 / float(ml_per_day) * DAY
    end = next(h.at_s for h in trace.happenings if h.kind is Kind.BRIDGE_END)
    assert abs(end - analytic) <= 1
    tip = trace.fronts[0].tip_s
    assert tip is not None
    assert abs(tip - analytic) <= 1
    arrived = trace.arrived_mg(tip)[0, 0]
    assert arrived == pytest.approx(0.2 * 10, rel=1e-3)
    assert trace.ordered_mg(end)[0, 0] == pytest.approx(2, rel=1e-3)


def test_stated_bridge_with_its_own_bolus() -> None:
    refill = changed(bridge=bridge("0.05", "5", "0.05"))
    trace = simulate(scenario(order(program(STEADY, bolus=BOLUS), old=MORPHINE), refill, Press(2 * HOUR + 600)))
    bolus = trace.boluses[0]
    assert bolus.granted
    assert bolus.strokes == 20
    end = next(h.at_s for h in trace.happenings if h.kind is Kind.BRIDGE_END)
    assert end - 2 * HOUR == pytest.approx((0.05 - 20 * STROKE_ML) / 0.5 * DAY, abs=1)
    ordered = np.diff(trace.ordered_mg([2 * HOUR, 2 * HOUR + 599, 2 * HOUR + 900])[0])
    assert ordered == pytest.approx([599 / DAY * 5, 301 / DAY * 5 + 0.05])


def test_no_bridge_is_written_down_and_the_new_program_runs_at_once() -> None:
    trace = simulate(scenario(order(program(STEADY)), changed(bridge=NoBridge("the physician says so"))))
    assert "no bridge: the physician says so" in texts(trace, Kind.FILL)
    assert Kind.BRIDGE_END not in {h.kind for h in trace.happenings}


def test_a_bridge_before_another_drug_keeps_the_old_dose() -> None:
    other = mixture(ziconotide="0.025")
    refill = changed(mixture=other, program=program(Continuous(per_day("0.01")), other))
    trace = simulate(scenario(order(program(STEADY)), refill))
    assert trace.refusals == ()
    bridges = [i.compiled.program() for i in trace.installed if i.compiled.program().bridge_pl]
    assert [p.bridge_rate_pl_per_h for p in bridges] == [trace.installed[0].compiled.program().rate_pl_per_h[0]]


def test_bridge_in_a_second_drug_of_the_old_mixture_is_planned_from_it() -> None:
    other = mixture(clonidine="0.1")
    refill = changed(mixture=other, program=program(Continuous(per_day("0.15")), other))
    trace = simulate(scenario(order(program(STEADY, TRIPLE), TRIPLE), refill))
    assert trace.refusals == ()
    end = next(h.at_s for h in trace.happenings if h.kind is Kind.BRIDGE_END)
    assert abs(end - (2 * HOUR + 0.05 * DAY)) <= 1  # 0.15 mg of clonidine a day are 1 mL of the old mixture


def test_bridge_for_a_minimum_rate_that_nobody_knows_cannot_be_planned() -> None:
    refill = changed(program=program(MinimumRate(), STRONGER))
    ordered = order(program(STEADY), pump=replace(BENCH, minimum_rate=None))
    assert "the minimum rate" in simulate(scenario(ordered, refill)).refusals[0].why


def test_bridge_for_a_base_of_nothing_cannot_be_planned() -> None:
    refill = changed(program=program(Continuous(DoseRate.zero()), STRONGER, BOLUS))
    assert "a dose of nothing" in simulate(scenario(order(program(STEADY)), refill)).refusals[0].why


def test_refill_that_the_compiler_refuses_is_not_begun() -> None:
    refill = changed(program=program(STEADY, STRONGER, ceilings=()))
    trace = simulate(scenario(order(program(STEADY)), refill))
    assert "no ceiling for morphine" in trace.refusals[0].why
    assert len(trace.fills) == 1
    assert trace.stroke_s.size == 3999


def test_mixture_change_under_the_same_program_in_doses() -> None:
    trace = simulate(scenario(order(program(STEADY), old=MORPHINE), changed(program=None)))
    assert len(trace.installed) == 2
    assert trace.delivered_mg([12 * HOUR, DAY])[0].tolist() == pytest.approx(
        [5 + 0.5, 10 + 0.5], abs=0.02
    )  # the bridge drew 0.05 mL of the new drug instead of 0.025


def test_new_drug_without_a_program_stays_stopped() -> None:
    """Ceilings that hold for the new program alone, but not with what was given before it."""
    tight = (Ceiling("morphine", mg("5"), mg("11")),)
    before = program(HOURS)
    refill = changed(
        at_s=20 * HOUR, program=program(Continuous(per_day("5")), STRONGER, ceilings=tight), bridge=NoBridge("test")
    )
    trace = simulate(scenario(order(before), refill, Press(21 * HOUR)))
    refusal = trace.refusals[0]
    assert refusal.what == "the program of the refill"
    assert refusal.why == str(Answer.CEILING_24H)
    assert "the pump stays stopped" in texts(trace, Kind.STOP)
    assert trace.stroke_s[-1] <= 20 * HOUR
    assert trace.boluses[0].answer is Answer.STOPPED
    # Where the pump does not name a time, the history is gone after a day.
    later = replace(refill, at_s=refusal.fits_at_s or 45 * HOUR)
    again = simulate(scenario(order(before), Stop(20 * HOUR), later, days=3))
    assert again.refusals == ()
    assert len(again.installed) == 2


# Programs, stops and starts ---------------------------------------------------------------------------------------


def test_new_program_takes_over_at_its_second() -> None:
    trace = simulate(scenario(order(program(STEADY)), NewProgram(12 * HOUR, program(Continuous(per_day("20"))))))
    assert trace.delivered_mg([12 * HOUR, DAY])[0].tolist() == pytest.approx([5, 15], abs=0.01)
    assert [p.at_s for p in trace.installed] == [0, 12 * HOUR]
    assert [p.compiled.number for p in trace.installed] == [1, 2]


def test_refused_program_leaves_the_old_one_running() -> None:
    new = NewProgram(12 * HOUR, program(Continuous(per_day("300"))))
    during = NewProgram(HOUR + 60, program(Continuous(per_day("20"))))
    trace = simulate(scenario(order(program(STEADY, bolus=BOLUS)), Press(HOUR), during, new))
    running, flow_ = trace.refusals
    assert (running.why, running.fits_at_s) == (str(Answer.RUNNING), HOUR + 300)
    assert "30 mL/day" in flow_.why
    assert flow_.fits_at_s is None
    assert [r["fits_at_s"] for r in trace.as_json()["refusals"]] == [HOUR + 300, None]
    assert total(trace)["ordered"] == pytest.approx(10.1)
    assert len(trace.installed) == 1


def test_new_program_during_a_bridge_lets_the_rest_of_it_go_first() -> None:
    new = NewProgram(2 * HOUR + 36 * 60, program(Continuous(per_day("20")), STRONGER))
    trace = simulate(scenario(order(program(STEADY), old=MORPHINE), changed(), new))
    assert "0.025 mL of the bridge are left and go before the new program" in texts(trace, Kind.PROGRAM)
    ends = [h.at_s for h in trace.happenings if h.kind is Kind.BRIDGE_END]
    assert ends == [pytest.approx(2 * HOUR + 0.05 * DAY, abs=1)]
    assert trace.ordered_mg(ends[0])[0, 0] == pytest.approx(10 * ends[0] / DAY)


def test_refill_with_a_new_program_and_the_same_fluid_during_a_bridge_goes_on_with_the_bridge() -> None:
    again = Refill(2 * HOUR + 36 * 60, ml("18"), left=ml("0"), program=program(Continuous(per_day("20")), STRONGER))
    trace = simulate(scenario(order(program(STEADY), old=MORPHINE), changed(), again))
    ends = [h.at_s for h in trace.happenings if h.kind is Kind.BRIDGE_END]
    assert ends == [pytest.approx(2 * HOUR + 0.05 * DAY, abs=1)]


def test_refill_whose_program_is_refused_goes_on_with_the_old_one_where_the_fluid_is_the_same() -> None:
    tight = program(Continuous(per_day("5")), ceilings=(Ceiling("morphine", mg("5"), mg("11")),))
    refill = Refill(20 * HOUR, ml("18"), left=ml("0"), program=tight)
    trace = simulate(scenario(order(program(HOURS)), refill))
    assert trace.refusals[0].why == str(Answer.CEILING_24H)
    assert len(trace.fills) == 2
    assert total(trace)["delivered"] == pytest.approx(40.5, abs=0.01)


@pytest.mark.requirement("SF-13")
def test_stop_and_start() -> None:
    trace = simulate(
        scenario(order(program(STEADY)), Stop(6 * HOUR), Stop(7 * HOUR), Start(18 * HOUR), Start(19 * HOUR))
    )
    assert total(trace)["ordered"] == pytest.approx(5)
    assert total(trace)["delivered"] == pytest.approx(5, abs=0.01)
    assert not np.any((trace.stroke_s > 6 * HOUR) & (trace.stroke_s <= 18 * HOUR))
    assert texts(trace, Kind.STOP) == ["the pump is stopped"]
    assert len(texts(trace, Kind.START)) == 2


@pytest.mark.requirement("OP-6.5.3")
def test_refill_does_not_start_a_pump_that_was_stopped() -> None:
    trace = simulate(scenario(order(program(STEADY)), Stop(10), Refill(20, ml("18"), left=ml("0"))))
    assert trace.stroke_s.size == 0


@pytest.mark.requirement("UM-44")
def test_pump_stopped_for_48_h_alarms() -> None:
    trace = simulate(scenario(order(program(STEADY)), Stop(HOUR), Start(60 * HOUR), days=3))
    alarm = trace.alarms[0]
    assert alarm.name is AlarmName.STOPPED_48H
    assert alarm.critical
    assert alarm.issued_s == 49 * HOUR
    assert alarm.cleared_s == 60 * HOUR


def test_order_for_a_stopped_pump_is_committed_and_not_started() -> None:
    trace = simulate(scenario(order(program(Stopped())), Press(10), NewProgram(HOUR, program(STEADY))))
    assert trace.boluses[0].answer is Answer.STOPPED
    assert trace.stroke_s[0] > HOUR
    stopped_again = simulate(scenario(order(program(STEADY)), NewProgram(HOUR, program(Stopped()))))
    assert stopped_again.stroke_s[-1] <= HOUR
    assert total(stopped_again)["ordered"] == pytest.approx(10 / 24)


def test_refill_with_an_order_to_stop_stays_stopped() -> None:
    refill = changed(program=program(Stopped(), STRONGER), bridge=NoBridge("stopped"))
    trace = simulate(scenario(order(program(STEADY)), refill))
    assert trace.stroke_s[-1] <= 2 * HOUR
    assert len(trace.installed) == 2


@pytest.mark.requirement("UM-06", "UM-13", "SF-05")
def test_order_that_is_refused_delivers_nothing_and_says_so() -> None:
    trace = simulate(scenario(order(program(STEADY, ceilings=())), Start(HOUR)))
    assert [r.what for r in trace.refusals] == ["the order", "the start"]
    assert trace.refusals[1].why == str(Answer.NO_PROGRAM)
    assert trace.stroke_s.size == 0
    assert trace.installed == ()


# Faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("HZ-6.6", "IT-03")
def test_stall_loses_strokes_and_goes_on_where_the_program_says_so() -> None:
    trace = simulate(
        scenario(order(program(STEADY, bolus=BOLUS)), Press(7 * HOUR), faults=(Stall(6 * HOUR, 8 * HOUR),))
    )
    alarm = trace.alarms[0]
    assert alarm.name is AlarmName.STALL
    assert 6 * HOUR < alarm.issued_s < 6 * HOUR + 90
    assert alarm.cleared_s is not None
    assert 8 * HOUR <= alarm.cleared_s < 8 * HOUR + 30
    assert not np.any((trace.stroke_s >= 6 * HOUR) & (trace.stroke_s < 8 * HOUR))
    assert trace.lost_strokes == pytest.approx(2 * HOUR / 21.6, abs=1)
    assert trace.boluses[0].answer is Answer.ALARM
    assert total(trace)["ordered"] == 10
    assert texts(trace, Kind.FAULT) == ["the motor stalls"]
    assert texts(trace, Kind.FAULT_END) == ["the stall is over"]


@pytest.mark.requirement("FD-8.3")
def test_stall_that_stops_the_pump_lasts_until_somebody_looks() -> None:
    faults = (Stall(6 * HOUR, 7 * HOUR),)
    ordered = order(program(STEADY, fail_safe=STOPS))
    alone = simulate(scenario(ordered, faults=faults))
    assert alone.stroke_s[-1] < 6 * HOUR
    assert alone.alarms[0].cleared_s is None
    seen = simulate(scenario(ordered, Start(12 * HOUR), faults=faults))
    assert seen.stroke_s[-1] > 23 * HOUR
    assert seen.alarms[0].cleared_s == 12 * HOUR


def test_fallback_after_a_stall() -> None:
    falls = FailSafe({FaultClass.MOTOR: Response.FALLBACK}, per_day("2"))
    trace = simulate(scenario(order(program(STEADY, fail_safe=falls)), faults=(Stall(HOUR, 2 * HOUR),)))
    assert trace.lost_strokes == pytest.approx(3 + (HOUR - 65) / 108, abs=2)


@pytest.mark.requirement("OP-5.2.6", "OP-6.4.5", "UM-37")
def test_stall_cuts_a_running_bolus() -> None:
    trace = simulate(
        scenario(order(program(STEADY, bolus=BOLUS)), Press(HOUR), faults=(Stall(HOUR + 100, HOUR + 200),))
    )
    assert trace.boluses[0].cut
    assert trace.boluses[0].given < 40


@pytest.mark.requirement("HZ-1.8")
def test_reservoir_runs_low_and_empty() -> None:
    trace = simulate(scenario(order(program(Continuous(per_day("60"))), filled="4")))
    low, empty = trace.alarms
    assert (low.name, low.critical) == (AlarmName.LOW_RESERVOIR, False)
    assert (empty.name, empty.critical) == (AlarmName.EMPTY_RESERVOIR, True)
    assert low.issued_s == pytest.approx(DAY / 3, abs=5)
    assert empty.issued_s == pytest.approx(DAY * 2 / 3, abs=5)
    assert trace.level_ml(DAY)[0] == pytest.approx(0.00025)


# The trace --------------------------------------------------------------------------------------------------------


def test_days_add_up_to_the_totals() -> None:
    trace = simulate(scenario(order(program(STEADY, TRIPLE, BOLUS), TRIPLE), Press(HOUR), Press(30 * HOUR), days=3))
    days = trace.days()
    assert [d.date for d in days] == ["2026-03-02", "2026-03-03", "2026-03-04"]
    for row, found in enumerate(trace.totals):
        assert sum(d.ordered_mg[row] for d in days) == pytest.approx(found.ordered)
        assert sum(d.delivered_mg[row] for d in days) == pytest.approx(found.delivered)
        assert sum(d.arrived_mg[row] for d in days) == pytest.approx(found.arrived)
    assert days[-1].level_ml == pytest.approx(days[-1].believed_level_ml)


@pytest.mark.requirement("OP-6.6.1")
def test_events_are_in_order_and_on_the_pump_clock() -> None:
    start = MONDAY + timedelta(hours=9, minutes=30)
    trace = simulate(scenario(order(program(STEADY, bolus=BOLUS)), Press(HOUR), Stop(2 * HOUR), start=start))
    assert [h.at_s for h in trace.happenings] == sorted(h.at_s for h in trace.happenings)
    press = next(h for h in trace.happenings if h.kind is Kind.BOLUS)
    assert press.clock == "2026-03-02T10:30:00"
    events = trace.event_s()
    assert events[0] == 0
    assert events[-1] == DAY
    assert {HOUR, HOUR + 300, 2 * HOUR} <= set(events.tolist())


def test_json_is_plain_and_whole() -> None:
    made = scenario(order(program(STEADY, bolus=BOLUS), old=MORPHINE), changed(), Press(HOUR), Press(HOUR + 1))
    found = json.loads(json.dumps(simulate(made).as_json()))
    assert found["ingredients"] == ["morphine"]
    assert found["strokes"] > 0
    assert len(found["programs"]) == 2
    assert len(found["programs"][0]["digest"]) == 64
    assert found["boluses"][1]["answer"] == "the lockout still runs"
    assert found["boluses"][1]["granted"] is False
    assert len(found["log"]["digest"]) == 64
    assert found["series"][0]["day"] == 0
    assert abs(found["totals_mg"][0]["unaccounted"]) < 1e-9
    assert {"fills", "fronts", "alarms", "refusals", "time_line"} <= set(found)


def test_progress_rises_to_one() -> None:
    seen: list[float] = []
    simulate(scenario(order(program(STEADY)), days=4), progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert len(seen) >= 4


def test_a_short_scenario_with_everything_steps_as_it_leaps() -> None:
    once = SingleBolus(mg("0.3"), time("10 min"))
    events: list[Event] = [
        Press(HOUR),
        Press(HOUR + 5),
        GivenBolus(9 * HOUR, once),
        GivenBolus(9 * HOUR, once),
        Stop(11 * HOUR),
    ]
    events += [Start(12 * HOUR), Prime(13 * HOUR, ml("0.05")), changed(at_s=14 * HOUR), Press(14 * HOUR + 60)]
    made = scenario(
        order(program(STEADY, bolus=BOLUS, priming=PrimingBolus(ml("0.06")))),
        *events,
        faults=(Stall(20 * HOUR, 21 * HOUR), Accuracy(Fraction(9, 10), 0, DAY), DrugLoss("morphine", Fraction(1, 50))),
    )
    assert json.dumps(simulate(made).as_json()) == json.dumps(simulate(made, stepping=True).as_json())


def pumps(name: str, measured: Measured) -> Envelope:
    return family(name).envelope(Calibration(stroke=measured.stroke, tubing=measured.tubing))


def test_the_first_patient() -> None:
    path = Path(__file__).parent.parent / "examples" / "first-patient.toml"
    made = read_scenario(path, drugs=lambda drug: drug, pumps=pumps)
    trace = simulate(made)
    assert trace.refusals == ()
    assert trace.days_long == 90
    assert len(trace.fills) == 3
    assert {b.answer for b in trace.boluses} >= {Answer.GRANTED, Answer.LOCKOUT, Answer.COUNT, Answer.BRIDGE}
    front = trace.fronts[-1]
    assert front.filled_s is not None
    assert front.tip_s is not None
    assert front.tip_s - front.filled_s == pytest.approx(0.286 / 0.4 * DAY, abs=60)
    assert all(abs(t.unaccounted) < 1e-9 for t in trace.totals)


# Broken invariants ------------------------------------------------------------------------------------------------


def test_every_answer_of_the_core_has_words() -> None:
    known = {n for n in vars(codes) if n in Answer.__members__}
    assert known == set(Answer.__members__)
    assert [answer_of(n).name for n in range(len(Answer))] == list(Answer.__members__)


def test_pump_without_a_controller_is_refused() -> None:
    fixed = replace(BENCH, fixed_flow=flow("0.5"))
    with pytest.raises(ValueError, match="has no controller"):
        simulate(scenario(order(pump=fixed)))


def test_run_needs_a_fill_and_a_catheter() -> None:
    made = scenario(replace(order(), fill=None))
    with pytest.raises(ValueError, match="a catheter and a fill"):
        simulate(made)


def bedside(ordered: Order) -> Bedside:
    return Bedside(scenario(ordered), Implant(hardware_of(BENCH), VirtualMotor(), stepping=False))


def test_program_that_the_pump_does_not_take_is_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Commands, "propose", lambda *_: codes.BAD_VALUE)
    trace = simulate(scenario(order(program(STEADY))))
    assert [(r.what, r.why) for r in trace.refusals] == [("the order", str(Answer.BAD_VALUE))]


def test_checked_fill_that_the_pump_does_not_take_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Commands, "refill", lambda *_: codes.BAD_VALUE)
    with pytest.raises(RuntimeError, match="a checked fill was refused"):
        simulate(scenario(order(program(STEADY))))


def test_strokes_that_the_monitor_holds_back_are_written_down() -> None:
    diary = Diary(scenario(order()).run, 250, lambda *_: None)
    diary.read(Entry(1, 60, codes.E_HELD, 1, 0))
    assert [(h.at_s, h.kind) for h in diary.happenings] == [(60, Kind.HELD)]


def test_programs_of_a_run_say_when_they_began() -> None:
    found = simulate(scenario(order(program(STEADY)))).as_json()["programs"]
    assert [(p["at_s"], p["number"], p["channels"]) for p in found] == [(0, 1, ["morphine"])]


def test_constant_flow_pump_has_no_bedside() -> None:
    fixed = replace(BENCH, fixed_flow=flow("0.5"), flow_min=flow("0.5"), flow_max=flow("0.5"))
    with pytest.raises(TypeError, match="has no controller"):
        bedside(order(program(Continuous(per_day("5"))), pump=fixed)).begin()


def test_base_without_a_pattern_is_an_error() -> None:
    made = bedside(order(pump=replace(BENCH, minimum_rate=None)))
    with pytest.raises(TypeError, match="without a pattern"):
        made.pattern(program(MinimumRate()), MORPHINE)


def test_implant_moves_a_day_at_most() -> None:
    implant = Implant(hardware_of(BENCH), VirtualMotor(), stepping=False)
    with pytest.raises(ValueError, match="a day"):
        implant.run(DAY + 1)


def test_log_that_was_read_too_late_is_an_error() -> None:
    implant = Implant(hardware_of(BENCH), VirtualMotor(), stepping=False)
    for _ in range(4097):
        implant.commands.refill(1000)
    with pytest.raises(RuntimeError, match="more log entries"):
        implant.news()
