"""An order becomes integers that never give more than was asked for, or it is refused with a reason."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.therapy_builders import WEEKDAYS, WEEKEND, day, day_schedules, flow, mg, mixture, ml, per_day, time
from tests.twin_builders import BENCH, BOLUS, MORPHINE, STOPS, STRONGER, TRIPLE, bridge, order, program

from thecal.pump.boluses import prime_strokes
from thecal.pump.channels import Channel, ChannelMap
from thecal.pump.compile import Compiled, FixedFlow, Refused, Why, compile_program, patient_reference
from thecal.pump.core.commands import Commands
from thecal.pump.core.controller import Controller
from thecal.pump.core.hardware import Hardware, Motor
from thecal.pump.core.log import Log
from thecal.pump.core.monitor import Monitor
from thecal.pump.core.program import Program
from thecal.pump.core.window import SLACK
from thecal.pump.fixed_flow import fixed_flow
from thecal.quantities import Concentration, DoseRate, Duration, Flow, Mass, Volume
from thecal.therapy.envelope import Can
from thecal.therapy.mixture import Ingredient, Mixture
from thecal.therapy.pattern import Pattern, pattern_of
from thecal.therapy.program import (
    Ceiling,
    Continuous,
    DayPlan,
    DaySchedule,
    FailSafe,
    FaultClass,
    MinimumRate,
    PatientBolus,
    PrimingBolus,
    RepeatedDoses,
    Response,
    SingleBolus,
    Step,
    Stopped,
)

if TYPE_CHECKING:
    from thecal.therapy.order import Order
    from thecal.therapy.program import Base

REF = patient_reference("TEST-1")
STEADY = Continuous(per_day("10"))


def compiled(ordered: Order, channels: ChannelMap | None = None, in_use: tuple[str, ...] = ()) -> Compiled:
    found = attempt(ordered, channels, in_use)
    assert isinstance(found, Compiled), found
    return found


def attempt(
    ordered: Order, channels: ChannelMap | None = None, in_use: tuple[str, ...] = ()
) -> Compiled | FixedFlow | Refused:
    return compile_program(
        ordered, number=3, patient_ref=REF, order_document=b"order", channels=channels, in_use=in_use
    )


def achieved(made: Compiled, name: str) -> Fraction:
    return made.setting(name).achieved.value


# What comes out ---------------------------------------------------------------------------------------------------


def test_steady_rate_is_the_flow_in_picolitres_an_hour() -> None:
    made = compiled(order(program(STEADY)))
    core = made.program()
    assert core.fault() == ""
    assert core.number == 3
    assert core.n_steps == 1
    assert core.rate_pl_per_h[0] == 10**9 // 24  # 1 mL a day
    assert core.stroke_nl == 250
    assert core.max_rate_pl_per_h == 900_000_000
    assert bytes(core.order_digest) == hashlib.sha256(b"order").digest()
    assert bytes(core.patient_ref) == REF
    assert made.start
    setting = made.setting("base from 00:00")
    assert setting.asked == per_day("10")
    assert DoseRate.zero() <= -setting.difference < DoseRate.of(Fraction(24, 10**8), "mg/day")


@pytest.mark.requirement("OP-5.1.1", "OP-6.3.1")
def test_packed_program_is_what_the_core_reads_back() -> None:
    made = compiled(order(program(STEADY, bolus=BOLUS)))
    controller = Controller(Hardware(250, 20_000_000), Motor(), Log(8))
    controller.hw.max_rate_pl_per_h = 900_000_000
    commands = Commands(controller)
    commands.refill(20_000_000)
    assert commands.propose(bytearray(made.packed)) == 0
    assert bytes(commands.staged_digest()) == made.digest
    assert commands.confirm(made.digest) == 0


def test_weekdays_and_weekend_are_laid_out_from_monday() -> None:
    base = DaySchedule((day(WEEKDAYS, (0, "5"), (6, "10")), day(WEEKEND, (0, "6"))))
    made = compiled(order(program(base)))
    core = made.program()
    assert core.cycle_s == 7 * 86_400
    assert core.anchor_s == 0
    assert core.n_steps == 12
    assert list(core.step_s[:4]) == [0, 21_600, 86_400, 108_000]
    assert core.step_s[10] == 5 * 86_400
    assert core.rate_pl_per_h[10] == core.rate_pl_per_h[11] == 6 * 10**8 // 24
    assert made.setting("base from Saturday 00:00").asked == per_day("6")
    assert made.setting("morphine, base of Monday").asked == mg("8.75")
    assert made.setting("morphine, base of Sunday").asked == mg("6")


@pytest.mark.requirement("UM-24", "UM-34")
def test_repeated_doses_are_a_cycle_of_two_steps() -> None:
    base = RepeatedDoses(mg("0.5"), Duration.of(Fraction(601, 2), "s"), time("2 h"), per_day("1"))
    made = compiled(order(program(base)))
    core = made.program()
    assert core.cycle_s == 7200
    assert list(core.step_s[:2]) == [0, 301]  # half a second is rounded up
    background = 10**8 // 24
    assert core.rate_pl_per_h[1] == background
    assert core.rate_pl_per_h[0] == background + 50_000_000 * 3600 // 301
    assert Mass.zero() <= -made.setting("repeated dose").difference < mg("0.000001")
    assert made.setting("duration of a repeated dose").achieved == Duration.of(301, "s")
    assert made.setting("morphine, base of a day").asked == mg("7")


def test_repeated_doses_without_pause_are_one_step() -> None:
    made = compiled(order(program(RepeatedDoses(mg("0.5"), time("2 h"), time("2 h"), per_day("1")))))
    assert made.program().n_steps == 1
    assert made.setting("morphine, base of a day").asked == mg("7")


@pytest.mark.requirement("UM-24")
def test_doses_every_20_min_are_as_many_changes_as_the_pump_remembers() -> None:
    base = RepeatedDoses(mg("0.1"), time("5 min"), time("20 min"), per_day("1"))
    made = compiled(order(program(base)))
    assert made.schedule.changes_in(86_400) == 144
    assert made.schedule.changes_in(86_400 + 600) == 146
    assert isinstance(
        attempt(order(program(base, bolus=PatientBolus(mg("0.1"), time("5 min"), time("3 h"), 1)))), Refused
    )


def test_minimum_rate_is_the_pumps_own() -> None:
    made = compiled(order(program(MinimumRate())))
    assert made.program().rate_pl_per_h[0] == 250_000  # 0.006 mL a day
    assert made.setting("base from 00:00").asked == per_day("0.06")


def test_stopped_pump_gets_a_program_that_is_not_started() -> None:
    ordered = program(Stopped(), bolus=BOLUS, single_boluses=(SingleBolus(mg("1"), time("5 min")),))
    made = compiled(order(ordered))
    core = made.program()
    assert not made.start
    assert core.rate_pl_per_h[0] == 0
    assert core.bolus_strokes == 0
    assert made.singles == ()


def test_zero_base_gives_boluses_alone() -> None:
    made = compiled(order(program(Continuous(DoseRate.zero()), bolus=BOLUS)))
    assert made.start
    assert made.program().rate_pl_per_h[0] == 0
    assert made.program().bolus_strokes == 40


@pytest.mark.requirement("OP-5.2.1")
def test_patient_bolus_in_strokes_with_every_ingredient() -> None:
    odd = PatientBolus(mg("0.0995"), Duration.of(Fraction(181, 2), "s"), time("3.5 min"), 3)
    made = compiled(order(program(Continuous(per_day("1")), TRIPLE, odd), TRIPLE))
    core = made.program()
    assert core.bolus_strokes == 39  # 9.95 mcL
    assert core.bolus_s == 91
    assert core.lockout_s == 210
    assert core.bolus_most == 3
    assert made.setting("morphine, patient bolus").achieved == mg("0.0975")
    assert made.setting("clonidine, patient bolus").achieved == mg("0.0975") * Fraction(15, 1000)
    assert made.setting("duration of a patient bolus").difference == Duration.of(Fraction(1, 2), "s")


def test_bridge_runs_at_its_dose_in_the_old_drug() -> None:
    ordered = program(STEADY, STRONGER, BOLUS, bridge=bridge("0.05", "5", "0.05"))
    made = compiled(order(ordered, STRONGER, old=MORPHINE))
    core = made.program()
    assert core.bridge_pl == 50_000_000
    assert core.bridge_rate_pl_per_h == 5 * 10**8 // 24
    assert core.bridge_bolus_strokes == 20
    assert core.bolus_strokes == 20
    assert made.setting("volume of the bridge").achieved == ml("0.05")
    assert made.setting("morphine, bridge").asked == per_day("5")
    assert made.setting("patient bolus while the bridge runs").achieved == mg("0.05")


@pytest.mark.requirement("OP-5.3.1")
def test_single_boluses_and_prime_are_commands_of_their_own() -> None:
    single = SingleBolus(mg("0.2501"), Duration.of(Fraction(601, 2), "s"))
    made = compiled(order(program(STEADY, single_boluses=(single, single), priming=PrimingBolus(ml("0.0501")))))
    assert [(s.strokes, s.seconds) for s in made.singles] == [(100, 301)] * 2
    assert made.prime is not None
    assert (made.prime.strokes, made.prime.seconds) == (200, 0)
    assert made.setting("priming volume").achieved == ml("0.05")
    assert made.setting("morphine, single bolus").achieved == mg("0.25")


def test_strength_that_is_not_whole_is_rounded_up_so_that_no_stroke_is_charged_too_little() -> None:
    third = Mixture((Ingredient("morphine", Concentration.of(Fraction(10, 3), "mg/mL")),))
    made = compiled(order(program(STEADY, third), third))
    assert made.program().strength_ng_per_ml[0] == 3_333_334
    setting = made.setting("morphine, strength that is charged")
    assert Concentration.zero() < setting.difference < Concentration.of(1, "ng/mL")


def test_ceilings_round_down_and_low_level_up() -> None:
    tight = (Ceiling("morphine", Mass.of(Fraction(5, 2) * 10**6, "ng") + Mass.of(Fraction(1, 2), "ng"), mg("20")),)
    low = Volume.of(Fraction(2_000_001, 2), "nL")
    made = compiled(order(program(STEADY, ceilings=tight, low_level=low)))
    assert made.program().ceiling_1h_ng[0] == 2_500_000
    assert made.program().low_nl == 1_000_001
    assert made.setting("morphine, ceiling of 1 h").difference == Mass.of(Fraction(-1, 2), "ng")
    assert made.setting("low level").difference == Volume.of(Fraction(1, 2), "nL")


@pytest.mark.requirement("FD-7.6")
def test_low_level_of_the_pump_where_the_order_states_none() -> None:
    assert compiled(order(program(STEADY))).program().low_nl == 2_000_000


@pytest.mark.requirement("P11", "OP-5.1.4", "UM-43")
def test_responses_by_class_of_fault() -> None:
    chosen = FailSafe(
        {FaultClass.MOTOR: Response.FALLBACK, FaultClass.POWER: Response.CONTINUE, FaultClass.MEMORY: Response.STOP},
        per_day("2"),
    )
    made = compiled(order(program(STEADY, fail_safe=chosen)))
    assert list(made.program().response) == [0, 1, 2, 0, 0, 0]
    assert made.program().fallback_pl_per_h == 2 * 10**8 // 24
    assert made.stops_unasked == (FaultClass.RESERVOIR, FaultClass.CLOCK)


@pytest.mark.requirement("IT-20")
def test_fault_without_a_response_stops_and_is_named() -> None:
    made = compiled(order(program(STEADY, fail_safe=None)))
    assert list(made.program().response) == [0] * 6
    assert FaultClass.OVER_DELIVERY not in made.stops_unasked
    assert len(made.stops_unasked) == 4
    assert compiled(order(program(STEADY, fail_safe=STOPS))).stops_unasked == ()


@pytest.mark.requirement("OP-5.1.5")
def test_fallback_may_be_the_minimum_rate_of_the_pump() -> None:
    slow = replace(BENCH, flow_min=flow("0.048"))
    chosen = FailSafe({FaultClass.MOTOR: Response.FALLBACK}, per_day("0.06"))
    made = compiled(order(program(STEADY, fail_safe=chosen), pump=slow))
    assert made.program().fallback_pl_per_h == 250_000


def test_what_the_pump_really_admits_is_shown() -> None:
    ceilings = (Ceiling("morphine", mg("1"), mg("20")), Ceiling("bupivacaine", mg("1"), mg("20")))
    two = mixture(morphine="10", bupivacaine="5")
    made = compiled(order(program(STEADY, two, ceilings=ceilings), two))
    found = {(a.drug, a.window): a for a in made.admissions}
    hour = found["morphine", "1 h"]
    margin = SLACK + fresh_monitor(made).margin()
    assert 5 < margin < 100
    assert hour.ceiling == mg("1")
    assert hour.by_ceiling == mg("0.0025") * (400 - margin)
    assert hour.admitted == hour.by_ceiling
    assert hour.tightest
    assert not found["bupivacaine", "1 h"].tightest
    assert found["bupivacaine", "1 h"].admitted == mg("0.00125") * (400 - margin)
    assert hour.as_json()["admitted"]["unit"] == "mg"


def test_as_json_shows_asked_and_achieved() -> None:
    found = compiled(order(program(STEADY))).as_json()
    assert found["start"] is True
    assert found["channels"] == ["morphine"]
    first = found["settings"][0]
    assert first["name"] == "base from 00:00"
    assert first["asked"]["value"] == "10"
    assert first["difference"]["exact"].startswith("-")


def test_settings_are_found_by_name() -> None:
    with pytest.raises(KeyError):
        compiled(order(program(STEADY))).setting("lockout")


def fresh_monitor(made: Compiled) -> Monitor:
    monitor = Monitor()
    assert monitor.load(made.program(), 0, 0)
    return monitor


# Channels ---------------------------------------------------------------------------------------------------------


def test_drug_keeps_its_channel_and_a_used_one_is_not_given_away() -> None:
    before = compiled(order(program(STEADY, TRIPLE), TRIPLE)).channels
    assert before.drugs == ("morphine", "bupivacaine", "clonidine")
    new = mixture(clonidine="0.1", ziconotide="0.01")
    made = compiled(order(program(Continuous(per_day("0.1")), new), new), before, ("morphine", "bupivacaine"))
    assert made.channels.drugs == ("morphine", "bupivacaine", "clonidine", "ziconotide")
    core = made.program()
    assert list(core.strength_ng_per_ml[:4]) == [1, 1, 100_000, 10_000]
    assert core.ceiling_1h_ng[0] == before.channels[0].ceiling_1h_ng  # type: ignore[union-attr]


def test_channel_of_a_drug_long_gone_is_free() -> None:
    before = compiled(order(program(STEADY, TRIPLE), TRIPLE)).channels
    new = mixture(clonidine="0.1", ziconotide="0.01")
    made = compiled(order(program(Continuous(per_day("0.1")), new), new), before)
    assert [c.drug if c else None for c in made.channels.channels] == ["ziconotide", None, "clonidine"]
    assert list(made.program().strength_ng_per_ml[:3]) == [10_000, 1, 100_000]
    assert made.program().fault() == ""
    assert made.channels.number("clonidine") == 2
    with pytest.raises(KeyError):
        made.channels.number("morphine")


def test_channels_at_the_end_are_dropped() -> None:
    before = compiled(order(program(STEADY, TRIPLE), TRIPLE)).channels
    made = compiled(order(program(STEADY)), before)
    assert made.channels.drugs == ("morphine",)
    assert made.program().n_channels == 1


def test_ninth_drug_is_refused_until_24_h_have_passed() -> None:
    many = ChannelMap(tuple(Channel(f"drug-{n}", 10**6, 10**7) for n in range(8)))
    found = attempt(order(program(STEADY)), many, many.drugs)
    assert isinstance(found, Refused)
    assert found.why is Why.TOO_MANY_DRUGS
    assert isinstance(attempt(order(program(STEADY)), many, many.drugs[1:]), Compiled)


def test_channel_map_names_each_drug_once() -> None:
    with pytest.raises(ValueError, match="each drug"):
        ChannelMap((Channel("morphine", 1, 1), Channel("morphine", 1, 1)))


# Refusals ---------------------------------------------------------------------------------------------------------


def without(*cans: Can) -> Order:
    return order(pump=replace(BENCH, can=BENCH.can - set(cans)))


def put(ordered: Order, base: Base, **others: object) -> Order:
    return replace(ordered, program=program(base, ordered.mixture, **others))  # type: ignore[arg-type]


LOW = replace(BENCH, flow_min=flow("0.048"))
WEEK = DaySchedule((day(WEEKDAYS, (0, "5")), day(WEEKEND, (0, "6"))))
DAILY = DaySchedule((day(frozenset(range(7)), (0, "5"), (6, "10")),))
HOURLY = RepeatedDoses(mg("0.1"), time("15 min"), time("2 h"), per_day("1"))
MANY = DayPlan(frozenset(range(7)), tuple(Step(n * 600, per_day(str(n + 1))) for n in range(49)))
HALF_HOURS = tuple(Step(n * 1800, per_day(str(n + 1))) for n in range(48))
ONCE = SingleBolus(mg("0.5"), time("5 min"))
SMALL = PatientBolus(mg("0.002"), time("5 min"), time("3 h"), 4)

REFUSED: dict[str, tuple[Order, Why]] = {
    "stop": (put(without(Can.STOP), Stopped()), Why.CANNOT),
    "minimum rate": (put(without(Can.MINIMUM_RATE), MinimumRate()), Why.CANNOT),
    "set rate": (put(without(Can.SET_RATE), STEADY), Why.CANNOT),
    "zero rate": (put(without(Can.ZERO_RATE), Continuous(DoseRate.zero())), Why.CANNOT),
    "pause between doses": (
        put(without(Can.ZERO_RATE), replace(HOURLY, background=DoseRate.zero())),
        Why.CANNOT,
    ),
    "day schedule": (put(without(Can.DAY_SCHEDULE), DAILY), Why.CANNOT),
    "weekdays": (put(without(Can.WEEKDAYS), WEEK), Why.CANNOT),
    "repeated doses": (put(without(Can.REPEATED_DOSES), HOURLY), Why.CANNOT),
    "single bolus": (put(without(Can.SINGLE_BOLUS), STEADY, single_boluses=(ONCE,)), Why.CANNOT),
    "patient bolus": (put(without(Can.PATIENT_BOLUS), STEADY, bolus=BOLUS), Why.CANNOT),
    "prime": (put(without(Can.PRIME), STEADY, priming=PrimingBolus(ml("0.05"))), Why.CANNOT),
    "bridge": (put(without(Can.BRIDGE), STEADY, bridge=bridge("0.05", "5")), Why.CANNOT),
    "minimum rate unknown": (put(order(pump=replace(BENCH, minimum_rate=None)), MinimumRate()), Why.UNKNOWN),
    "flow floor": (put(order(pump=LOW), Continuous(per_day("0.1"))), Why.FLOW_BELOW_FLOOR),
    "under a picolitre an hour": (
        put(order(pump=replace(BENCH, flow_min=flow("0"))), Continuous(DoseRate.of(Fraction(1, 10**9), "mg/day"))),
        Why.FLOW_BELOW_FLOOR,
    ),
    "background under the floor": (
        put(order(pump=LOW), replace(HOURLY, background=per_day("0.1"))),
        Why.FLOW_BELOW_FLOOR,
    ),
    "flow maximum": (put(order(), Continuous(per_day("217"))), Why.FLOW_ABOVE_MAXIMUM),
    "a step on one weekday": (
        put(order(), replace(WEEK, plans=(WEEK.plans[0], day(WEEKEND, (0, "217"))))),
        Why.FLOW_ABOVE_MAXIMUM,
    ),
    "steps in a day": (put(order(), DaySchedule((MANY,))), Why.TOO_MANY_STEPS),
    "steps in a week": (
        put(order(), DaySchedule((DayPlan(WEEKDAYS, HALF_HOURS), DayPlan(WEEKEND, HALF_HOURS)))),
        Why.TOO_MANY_STEPS,
    ),
    "a dose every 15 min": (
        put(order(), RepeatedDoses(mg("0.1"), time("5 min"), time("15 min"), per_day("1"))),
        Why.TOO_MANY_CHANGES,
    ),
    "doses and boluses": (
        put(
            order(),
            RepeatedDoses(mg("0.1"), time("5 min"), time("30 min"), per_day("1")),
            bolus=PatientBolus(mg("0.1"), time("5 min"), time("5 min"), 24),
        ),
        Why.TOO_MANY_CHANGES,
    ),
    "bolus under a stroke": (put(order(), STEADY, bolus=SMALL), Why.BOLUS_UNDER_STROKE),
    "bolus too big": (put(order(), STEADY, bolus=replace(BOLUS, dose=mg("300"))), Why.BOLUS_TOO_BIG),
    "bolus too fast": (put(order(), STEADY, bolus=replace(BOLUS, duration=time("10 s"))), Why.BOLUS_FLOW),
    "bridge bolus too fast": (
        put(order(old=MORPHINE), STEADY, bolus=BOLUS, bridge=bridge("0.05", "5", "3")),
        Why.BOLUS_FLOW,
    ),
    "lockout": (put(order(), STEADY, bolus=replace(BOLUS, lockout=time("25 h"))), Why.LOCKOUT_TOO_LONG),
    "boluses a day": (put(order(), STEADY, bolus=replace(BOLUS, most_per_24h=49)), Why.TOO_MANY_BOLUSES),
    "single under a stroke": (
        put(order(), STEADY, single_boluses=(SingleBolus(mg("0.002"), time("5 min")),)),
        Why.BOLUS_UNDER_STROKE,
    ),
    "single too long": (
        put(order(), STEADY, single_boluses=(replace(ONCE, duration=time("25 h")),)),
        Why.BOLUS_TOO_BIG,
    ),
    "single at once": (
        put(order(), STEADY, single_boluses=(replace(ONCE, duration=Duration.zero()),)),
        Why.BOLUS_TOO_BIG,
    ),
    "single too fast": (put(order(), STEADY, single_boluses=(replace(ONCE, duration=time("5 s")),)), Why.BOLUS_FLOW),
    "prime under a stroke": (put(order(), STEADY, priming=PrimingBolus(ml("0.0001"))), Why.PRIME_UNDER_STROKE),
    "no ceiling": (put(order(), STEADY, ceilings=()), Why.CEILING_MISSING),
    "ceiling of nothing": (put(order(), STEADY, ceilings=(Ceiling("morphine", mg("0"), mg("1")),)), Why.CEILING_RANGE),
    "ceilings the wrong way": (
        put(order(), STEADY, ceilings=(Ceiling("morphine", mg("30"), mg("20")),)),
        Why.CEILING_RANGE,
    ),
    "ceiling beyond the core": (
        put(order(), STEADY, ceilings=(Ceiling("morphine", mg("1"), mg("1,000,001")),)),
        Why.CEILING_RANGE,
    ),
    "ceiling of 1 h below the base": (
        put(order(), STEADY, ceilings=(Ceiling("morphine", mg("0.4"), mg("20")),)),
        Why.CEILING_TOO_LOW,
    ),
    "ceiling of 24 h below the base": (
        put(order(), STEADY, ceilings=(Ceiling("morphine", mg("5"), mg("10")),)),
        Why.CEILING_TOO_LOW,
    ),
    "ceiling below the bridge": (
        put(
            order(mixed=STRONGER, old=MORPHINE),
            Continuous(per_day("1")),
            bridge=bridge("0.05", "20"),
            ceilings=(Ceiling("morphine", mg("0.9"), mg("5")),),
        ),
        Why.CEILING_TOO_LOW,
    ),
    "strength": (put(order(mixed=mixture(morphine="1,001")), Continuous(per_day("100"))), Why.STRENGTH_RANGE),
    "bridge after nothing": (put(order(), STEADY, bridge=bridge("0.05", "5")), Why.NOTHING_TO_BRIDGE),
    "bridge without volume": (put(order(old=MORPHINE), STEADY, bridge=bridge("0", "5")), Why.BRIDGE_RANGE),
    "bridge without dose": (put(order(old=MORPHINE), STEADY, bridge=bridge("0.05", "0")), Why.BRIDGE_RANGE),
    "bridge too long": (put(order(old=MORPHINE), STEADY, bridge=bridge("0.35", "0.1")), Why.BRIDGE_RANGE),
    "bridge too big": (put(order(old=MORPHINE), STEADY, bridge=bridge("10.1", "5")), Why.BRIDGE_RANGE),
    "bridge too fast": (put(order(old=MORPHINE), STEADY, bridge=bridge("0.05", "300")), Why.FLOW_ABOVE_MAXIMUM),
    "bridge too slow": (put(order(old=MORPHINE), STEADY, bridge=bridge("0.05", "0.05")), Why.FLOW_BELOW_FLOOR),
    "bridge bolus under a stroke": (
        put(order(old=MORPHINE), STEADY, bolus=BOLUS, bridge=bridge("0.05", "5", "0.002")),
        Why.BOLUS_UNDER_STROKE,
    ),
    "bridge bolus alone": (put(order(old=MORPHINE), STEADY, bridge=bridge("0.05", "5", "0.05")), Why.UNKNOWN),
    "memory goes on": (
        put(order(), STEADY, fail_safe=FailSafe({FaultClass.MEMORY: Response.CONTINUE})),
        Why.MUST_STOP,
    ),
    "fallback to nothing": (
        put(order(), STEADY, fail_safe=FailSafe({FaultClass.MOTOR: Response.FALLBACK})),
        Why.FALLBACK_MISSING,
    ),
    "fallback too low": (
        put(order(pump=LOW), STEADY, fail_safe=FailSafe({FaultClass.MOTOR: Response.FALLBACK}, per_day("0.1"))),
        Why.FLOW_BELOW_FLOOR,
    ),
    "low level": (put(order(), STEADY, low_level=ml("20.1")), Why.LOW_LEVEL_RANGE),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.requirement("P9", "OP-5.1.2", "UM-51", "AP-12")
def test_refused(name: str) -> None:
    ordered, why = REFUSED[name]
    found = attempt(ordered)
    assert isinstance(found, Refused), found
    assert found.why is why
    assert found.found
    assert found.allowed
    assert found.then
    assert found.message == f"found {found.found}; allowed: {found.allowed}; next: {found.then}"


def test_every_reason_has_a_case() -> None:
    elsewhere = {Why.TOO_MANY_DRUGS, Why.FIXED_FLOW}
    assert {why for _, why in REFUSED.values()} | elsewhere == set(Why)


def test_callers_mistakes_are_errors() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        compile_program(order(), number=1, patient_ref=b"short", order_document=b"")
    with pytest.raises(ValueError, match="numbered from 1"):
        compile_program(order(), number=0, patient_ref=REF, order_document=b"")
    with pytest.raises(ValueError, match="does not count"):
        attempt(order(pump=replace(BENCH, flow_max=flow("50"))))
    with pytest.raises(ValueError, match="no stroke"):
        attempt(order(pump=replace(BENCH, stroke=None)))


def test_damaged_program_is_an_error() -> None:
    made = compiled(order())
    with pytest.raises(RuntimeError, match="does not unpack"):
        replace(made, packed=bytes(len(made.packed))).program()


def test_program_that_the_core_would_not_run_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Program, "fault", lambda _: "n_steps")
    with pytest.raises(RuntimeError, match="would not run: n_steps"):
        attempt(order())


# The constant-flow pump -------------------------------------------------------------------------------------------

HALF = replace(
    BENCH,
    name="Fixed 0.5",
    flow_min=flow("0.5"),
    flow_max=flow("0.5"),
    fixed_flow=flow("0.5"),
    stroke=None,
    can=frozenset(),
)


def test_constant_flow_pump_has_a_flow_and_no_program() -> None:
    found = attempt(order(program(Continuous(per_day("5")), TRIPLE), TRIPLE, pump=HALF))
    assert isinstance(found, FixedFlow)
    assert found.flow == flow("0.5")
    assert found.per_day == (("morphine", mg("5")), ("bupivacaine", mg("3.75")), ("clonidine", mg("0.075")))
    assert found.as_json()["per_day"]["clonidine"]["value"] == "0.075"


FIXED_REFUSED: dict[str, tuple[Order, Why]] = {
    "another dose": (put(order(pump=HALF), Continuous(per_day("6"))), Why.FIXED_FLOW),
    "nothing": (put(order(pump=HALF), Continuous(DoseRate.zero())), Why.CANNOT),
    "a schedule": (put(order(pump=HALF), DAILY), Why.CANNOT),
    "a bolus": (put(order(pump=HALF), Continuous(per_day("5")), bolus=BOLUS), Why.CANNOT),
    "a bridge": (put(order(pump=HALF), Continuous(per_day("5")), bridge=bridge("0.05", "5")), Why.CANNOT),
}


@pytest.mark.parametrize("name", FIXED_REFUSED)
def test_constant_flow_pump_refuses(name: str) -> None:
    ordered, why = FIXED_REFUSED[name]
    found = attempt(ordered)
    assert isinstance(found, Refused)
    assert found.why is why


def test_fixed_flow_is_asked_only_of_a_pump_that_has_one() -> None:
    with pytest.raises(ValueError, match="no fixed flow"):
        fixed_flow(order())


def test_prime_is_refused_without_a_stroke() -> None:
    assert isinstance(prime_strokes(ml("1"), HALF), Refused)


# Properties -------------------------------------------------------------------------------------------------------

strengths = st.fractions(min_value=Fraction(1, 1000), max_value=50, max_denominator=1000)
PL_PER_H = Flow.of(Fraction(1, 1000), "nL/h")


@st.composite
def mixtures(draw: st.DrawFn) -> Mixture:
    found = draw(st.lists(strengths, min_size=1, max_size=8))
    return Mixture(tuple(Ingredient(f"drug-{n}", Concentration.of(c, "mg/mL")) for n, c in enumerate(found)))


@st.composite
def repeated(draw: st.DrawFn) -> RepeatedDoses:
    every = draw(st.sampled_from([900, 1200, 3600, 5400, 7200, 43_200, 86_400]))
    lasts = Duration.of(draw(st.fractions(min_value=Fraction(1, 2), max_value=every, max_denominator=7)), "s")
    dose = draw(st.fractions(min_value=Fraction(1, 1000), max_value=5, max_denominator=1000))
    background = draw(st.fractions(min_value=0, max_value=10, max_denominator=1000))
    return RepeatedDoses(Mass.of(dose, "mg"), lasts, Duration.of(every, "s"), DoseRate.of(background, "mg/day"))


continuous = st.fractions(min_value=0, max_value=50, max_denominator=10_000).map(
    lambda d: Continuous(DoseRate.of(d, "mg/day"))
)
bases: st.SearchStrategy[Base] = st.one_of(
    continuous, day_schedules(), repeated(), st.just(MinimumRate()), st.just(Stopped())
)


@st.composite
def boluses(draw: st.DrawFn) -> PatientBolus:
    lasts = draw(st.fractions(min_value=1, max_value=3600, max_denominator=7))
    lockout = draw(st.fractions(min_value=lasts, max_value=86_400, max_denominator=7))
    dose = draw(st.fractions(min_value=Fraction(1, 1000), max_value=2, max_denominator=1000))
    return PatientBolus(
        Mass.of(dose, "mg"), Duration.of(lasts, "s"), Duration.of(lockout, "s"), draw(st.integers(1, 48))
    )


@st.composite
def orders(draw: st.DrawFn) -> Order:
    mixed = draw(mixtures())
    bolus = draw(st.none() | boluses())
    pump = replace(BENCH, flow_min=flow("0"))
    return order(program(draw(bases), mixed, bolus), mixed, pump=pump)


@given(orders())
@pytest.mark.requirement("P3", "HZ-1.25")
def test_whatever_is_compiled_runs_and_never_gives_more_than_was_asked(ordered: Order) -> None:
    found = attempt(ordered)
    if isinstance(found, Refused):
        return
    assert isinstance(found, Compiled)
    core = found.program()
    assert core.fault() == ""
    strength = ordered.mixture.primary.concentration
    for setting in found.settings:
        less = -setting.difference
        match setting.asked:
            case DoseRate() as asked:
                assert isinstance(less, DoseRate)
                assert DoseRate.zero() <= less < PL_PER_H * strength, asked
            case Duration():
                assert Duration.zero() <= setting.difference < Duration.of(1, "s")
            case Concentration():
                assert Concentration.zero() <= setting.difference < Concentration.of(1, "ng/mL")
            case Mass():
                assert isinstance(less, Mass)
                assert Mass.zero() <= less
                if "bolus" in setting.name:
                    drug = setting.name.split(",")[0]
                    assert less < Volume.of(250, "nL") * ordered.mixture.concentration(drug)


@given(orders())
@pytest.mark.requirement("OP-5.1.3")
def test_integral_of_the_compiled_schedule_is_the_days_total_to_rounding(ordered: Order) -> None:
    found = attempt(ordered)
    if not isinstance(found, Compiled):
        return
    core = found.program()
    pattern = pattern_of(ordered.program.base, ordered.mixture, ordered.pump.minimum_rate)
    assert isinstance(pattern, Pattern)
    for weekday in range(7):
        given_pl_s = 0
        second = weekday * 86_400
        while second < (weekday + 1) * 86_400:  # an own walk over the steps
            phase = second % core.cycle_s
            step = max(i for i in range(core.n_steps) if core.step_s[i] <= phase)
            end = core.step_s[step + 1] if step + 1 < core.n_steps else core.cycle_s
            given_pl_s += core.rate_pl_per_h[step] * (end - phase)
            second += end - phase
        asked = ordered.mixture.volume_of(pattern.between(weekday * 86_400, (weekday + 1) * 86_400))
        got = Volume.of(Fraction(given_pl_s, 3600 * 1000), "nL")
        assert Volume.zero() <= asked - got < Volume.of(Fraction(2 * 24, 1000), "nL")  # two parts, each under 1 pL/h


@given(orders())
@pytest.mark.requirement("OP-6.3.1")
def test_what_the_compiler_lets_through_a_new_pump_takes(ordered: Order) -> None:
    found = attempt(ordered)
    if not isinstance(found, Compiled):
        return
    controller = Controller(Hardware(250, 20_000_000), Motor(), Log(8))
    controller.hw.max_rate_pl_per_h = 900_000_000
    commands = Commands(controller)
    commands.refill(20_000_000)
    assert commands.propose(bytearray(found.packed)) == 0
    assert commands.confirm(found.digest) == 0
    if found.start:
        assert commands.start(1) == 0


@given(st.lists(st.sampled_from("abcdefghijkl"), min_size=1, max_size=4, unique=True), st.data())
def test_channels_never_mix_drugs(first: list[str], data: st.DataObject) -> None:
    channels = ChannelMap()
    used: set[str] = set()
    for _ in range(5):
        drugs = data.draw(st.lists(st.sampled_from("abcdefghijkl"), min_size=1, max_size=4, unique=True))
        used = {d for d in used if data.draw(st.booleans())}
        new = channels.assign([Channel(d, 1, 1) for d in drugs], used)
        if new is None:
            assert len(used | set(drugs)) > 8
            break
        for drug in drugs:
            assert drug in new.drugs
            if drug in channels.drugs:
                assert new.number(drug) == channels.number(drug)
        for drug in used & set(channels.drugs):
            assert new.number(drug) == channels.number(drug)
        assert len(new.channels) <= 8
        used |= set(drugs)
        channels = new
    assert first
