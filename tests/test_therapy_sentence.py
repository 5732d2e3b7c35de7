from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thecal.quantities import Concentration, DoseRate, Duration, Flow, Mass, Volume
from thecal.therapy.mixture import Ingredient, Mixture
from thecal.therapy.program import (
    EVERY_DAY,
    Base,
    BridgeBolus,
    Ceiling,
    Continuous,
    DayPlan,
    DaySchedule,
    MinimumRate,
    PatientBolus,
    PrimingBolus,
    Program,
    RepeatedDoses,
    SingleBolus,
    Step,
    Stopped,
)
from thecal.therapy.sentence import Sentence, say, say_change
from thecal.therapy.wording import clock_text, weekdays_text

HOUR = 3600


@dataclass(frozen=True)
class Shown:
    display_name: str
    dose_unit: str


SHOWN = {
    "morphine": Shown("morphine", "mg"),
    "bupivacaine": Shown("bupivacaine", "mg"),
    "clonidine": Shown("cloNIDine", "mcg"),
    "baclofen": Shown("baclofen", "mcg"),
}


def words(drug: str) -> Shown:
    return SHOWN[drug]


def mixture(**concentrations: str) -> Mixture:
    return Mixture(tuple(Ingredient(d, Concentration.parse(c)) for d, c in concentrations.items()))


MORPHINE = mixture(morphine="4 mg/mL")
THREE = mixture(morphine="4 mg/mL", bupivacaine="10 mg/mL", clonidine="150 mcg/mL")
BACLOFEN = mixture(baclofen="1,000 mcg/mL")
PRESS = PatientBolus(Mass.parse("0.1 mg"), Duration.of(10, "min"), Duration.of(3, "h"), 4)


def steady(dose: str) -> Program:
    return Program(Continuous(DoseRate.parse(dose)))


def day(*steps: tuple[int, str], weekdays: frozenset[int] = EVERY_DAY) -> DayPlan:
    return DayPlan(weekdays, tuple(Step(h * HOUR, DoseRate.parse(d)) for h, d in steps))


def lines(program: Program, of: Mixture = MORPHINE) -> tuple[str, ...]:
    return say(program, of, words).lines


# Bases ----------------------------------------------------------------------------------------------------------------


def test_continuous() -> None:
    assert lines(steady("1.2 mg/day")) == (
        "All day: 0.05 mg/h morphine (1.2 mg/day), the same every day.",
        "Day total: 1.2 mg morphine, in 0.3 mL.",
    )


def test_continuous_of_nothing() -> None:
    assert lines(steady("0 mg/day")) == (
        "All day: no delivery, the same every day.",
        "Day total: 0 mg morphine, in 0 mL.",
    )


def test_stopped() -> None:
    program = Program(Stopped(), PRESS, (SingleBolus(Mass.parse("1 mg"), Duration.of(5, "min")),))
    sentence = say(program, MORPHINE, words)
    assert "The pump is stopped: no delivery, and boluses are refused." in sentence.lines
    assert "Once: 1 mg morphine over 5 min, which a stopped pump refuses." in sentence.lines
    assert sentence.lines[-1] == "While the pump is stopped, every press is refused."
    assert sentence.total("morphine", 0).with_every_bolus == Mass.zero()


def test_minimum_rate_with_and_without_the_pump() -> None:
    program = Program(MinimumRate(), PRESS)
    known = say(program, MORPHINE, words, minimum_rate=Flow.parse("0.006 mL/day"))
    assert known.lines[0] == "The slowest flow of the pump, all day: 0.006 mL/day, 0.001 mg/h morphine (0.024 mg/day)."
    assert known.total("morphine", 3).base == Mass.parse("0.024 mg")
    unknown = say(program, MORPHINE, words)
    assert unknown.lines[:2] == (
        "The slowest flow of the pump, all day: the dose depends on the pump and is not known here.",
        "Day total: not known without the pump.",
    )
    assert len(unknown.lines) == 3
    total = unknown.total("morphine", 3)
    assert (total.base, total.with_patient_boluses, total.with_every_bolus) == (None, None, None)
    assert unknown.as_json()["totals"][0]["base"] is None


def test_a_day_in_steps() -> None:
    plan = day((0, "0.05 mg/h"), (2, "0.1 mg/h"), (6, "0.05 mg/h"))
    assert lines(Program(DaySchedule((plan,)))) == (
        "Every day, in morphine: 00:00 to 02:00: 0.05 mg/h; 02:00 to 06:00: 0.1 mg/h; 06:00 to 24:00: 0.05 mg/h.",
        "Day total: 1.4 mg morphine, in 0.35 mL.",
    )


def test_equal_neighbors_are_one_and_zero_is_said() -> None:
    plan = day((0, "0 mg/h"), (2, "0 mg/h"), (6, "0.05 mg/h"))
    assert lines(Program(DaySchedule((plan,))))[0] == (
        "Every day, in morphine: 00:00 to 06:00: no delivery; 06:00 to 24:00: 0.05 mg/h."
    )


def test_plans_for_some_days() -> None:
    week = day((0, "0.05 mg/h"), weekdays=frozenset(range(5)))
    end = day((0, "0.1 mg/h"), weekdays=frozenset({5, 6}))
    sentence = say(Program(DaySchedule((end, week)), PRESS), THREE, words)
    assert sentence.lines[:4] == (
        "Monday to Friday, in morphine: 00:00 to 24:00: 0.05 mg/h.",
        "Saturday and Sunday, in morphine: 00:00 to 24:00: 0.1 mg/h.",
        "Day total without boluses, Monday to Friday: "
        "1.2 mg morphine, 3 mg bupivacaine and 45 mcg cloNIDine, in 0.3 mL.",
        "Day total without boluses, Saturday and Sunday: "
        "2.4 mg morphine, 6 mg bupivacaine and 90 mcg cloNIDine, in 0.6 mL.",
    )
    assert sentence.lines[-1] == (
        "Day total with every patient bolus, Saturday and Sunday: "
        "2.8 mg morphine, 7 mg bupivacaine and 105 mcg cloNIDine."
    )
    assert sentence.total("clonidine", 6).base == Mass.parse("90 mcg")
    with pytest.raises(KeyError, match="baclofen"):
        sentence.total("baclofen", 0)


def test_a_raised_rate_is_counted() -> None:
    ups = [(h, "0.1 mg/h" if h % 2 else "0.05 mg/h") for h in range(24)]
    assert "Every day, 0.1 mg/h morphine comes 12 times a day." in lines(Program(DaySchedule((day(*ups),))))


def test_a_rate_over_midnight_is_one() -> None:
    plan = day((0, "0.1 mg/h"), (6, "0.05 mg/h"), (22, "0.1 mg/h"))
    assert not any("times a day" in line for line in lines(Program(DaySchedule((plan,)))))
    twice = day((0, "0.1 mg/h"), (6, "0.05 mg/h"), (12, "0.1 mg/h"), (13, "0.05 mg/h"), (22, "0.1 mg/h"))
    assert "Every day, 0.1 mg/h morphine comes 2 times a day." in lines(Program(DaySchedule((twice,))))
    some = frozenset({0})
    monday = DayPlan(some, plan.steps)
    rest = day((0, "0.05 mg/h"), weekdays=EVERY_DAY - some)
    assert "Monday, 0.1 mg/h morphine comes 2 times a day." in lines(Program(DaySchedule((monday, rest))))


def repeated(dose: str, every: str, background: str) -> Program:
    base = RepeatedDoses(Mass.parse(dose), Duration.of(30, "min"), Duration.parse(every), DoseRate.parse(background))
    return Program(base)


@pytest.mark.requirement("HZ-8.10", "IT-06")
def test_the_hourly_dose_that_was_meant_daily() -> None:
    sentence = say(repeated("60 mcg", "1 h", "10 mcg/h"), BACLOFEN, words)
    assert sentence.lines == (
        "60 mcg baclofen over 30 min, 24 times a day, every 1 h, the first at 00:00.",
        "These doses together in 24 h: 1,440 mcg baclofen.",
        "All day, beneath the doses: 10 mcg/h baclofen (240 mcg/day).",
        "Day total: 1,680 mcg baclofen, in 1.68 mL.",
    )
    meant = say(repeated("60 mcg", "1 day", "10 mcg/h"), BACLOFEN, words)
    assert "once a day" in meant.text
    assert "These doses together in 24 h: 60 mcg baclofen." in meant.lines


def test_repeated_doses_of_a_mixture_on_nothing() -> None:
    assert lines(repeated("0.1 mg", "2 h", "0 mg/h"), THREE)[:3] == (
        "0.1 mg morphine, 0.25 mg bupivacaine and 3.75 mcg cloNIDine over 30 min, "
        "12 times a day, every 2 h, the first at 00:00.",
        "These doses together in 24 h: 1.2 mg morphine, 3 mg bupivacaine and 45 mcg cloNIDine.",
        "Between doses: no delivery.",
    )


# Boluses --------------------------------------------------------------------------------------------------------------


def test_patient_bolus() -> None:
    said = lines(replace(steady("1.2 mg/day"), patient_bolus=PRESS), THREE)
    assert said[-2:] == (
        "The patient may press for 0.1 mg morphine, 0.25 mg bupivacaine and 3.75 mcg cloNIDine over 10 min, "
        "at most 4 times in 24 h, not again within 3 h from the start of the last one.",
        "Day total with every patient bolus: 1.6 mg morphine, 4 mg bupivacaine and 60 mcg cloNIDine.",
    )
    once = replace(PRESS, most_per_24h=1)
    assert "at most once in 24 h" in say(replace(steady("1.2 mg/day"), patient_bolus=once), MORPHINE, words).text


def test_a_lockout_that_is_stricter_than_the_count() -> None:
    program = replace(steady("1.2 mg/day"), patient_bolus=replace(PRESS, lockout=Duration.of(10, "h")))
    assert "The lockout itself lets at most 3 start in 24 h." in lines(program)
    assert say(program, MORPHINE, words).total("morphine", 0).patient == Mass.parse("0.3 mg")


def test_what_happens_once() -> None:
    program = replace(
        steady("1.2 mg/day"),
        single_boluses=(SingleBolus(Mass.parse("0.2 mg"), Duration.of(20, "min")),),
        priming=PrimingBolus(Volume.parse("0.29 mL")),
    )
    sentence = say(program, MORPHINE, words)
    assert sentence.lines[:2] == (
        "Once, at the start: 0.29 mL to prime tubing and catheter.",
        "Once: 0.2 mg morphine over 20 min.",
    )
    assert sentence.total("morphine", 0).with_every_bolus == Mass.parse("1.4 mg")
    assert sentence.total("morphine", 0).with_patient_boluses == Mass.parse("1.2 mg")


def test_bridge_with_and_without_the_old_mixture() -> None:
    bridge = BridgeBolus(Volume.parse("0.286 mL"), DoseRate.parse("240 mcg/day"))
    program = replace(steady("1.2 mg/day"), bridge=bridge)
    told = say(program, MORPHINE, words, old_mixture=BACLOFEN)
    assert told.lines[:2] == (
        "First a bridge: 0.286 mL of the old mixture at 10 mcg/h baclofen (240 mcg/day), for 1 day 4 h 36 min.",
        "During the bridge patient boluses are blocked.",
    )
    bare = say(program, MORPHINE, words)
    assert bare.lines[0] == (
        "First a bridge: 0.286 mL of the old mixture at 0.01 mg/h the old primary drug (0.24 mg/day)."
    )
    bolus = replace(program, bridge=replace(bridge, bolus_in_old_drug=Mass.parse("20 mcg")))
    assert (
        "During the bridge a patient bolus is 20 mcg baclofen." in say(bolus, THREE, words, old_mixture=BACLOFEN).text
    )
    assert "During the bridge a patient bolus is 0.02 mg the old primary drug." in say(bolus, THREE, words).text
    nothing = replace(program, bridge=replace(bridge, dose=DoseRate.zero()))
    assert ", for " not in say(nothing, MORPHINE, words, old_mixture=BACLOFEN).lines[0]


def test_ceilings_are_said_when_asked_for() -> None:
    program = replace(steady("1.2 mg/day"), ceilings=(Ceiling("morphine", Mass.parse("0.3 mg"), Mass.parse("2 mg")),))
    said = say(program, mixture(morphine="4 mg/mL", clonidine="150 mcg/mL"), words, ceilings=True).lines
    assert said[-2:] == (
        "The pump gives at most 0.3 mg morphine in any 1 h and 2 mg morphine in any 24 h, from all sources together.",
        "No ceiling is stated for cloNIDine.",
    )


# Changes --------------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("IT-07")
def test_change_of_a_dose() -> None:
    plan = day((0, "0.05 mg/h"), (2, "0.1 mg/h"), (6, "0.05 mg/h"))
    change = say_change((steady("1.2 mg/day"), MORPHINE), (Program(DaySchedule((plan,))), MORPHINE), words)
    assert change.changes == ("Day total: 1.4 mg morphine. Was 1.2 mg (16.7 % more).",)
    assert change.text.endswith("Was 1.2 mg (16.7 % more).")
    assert change.lines[: len(change.after.lines)] == change.after.lines
    back = say_change((Program(DaySchedule((plan,))), MORPHINE), (steady("1.2 mg/day"), MORPHINE), words)
    assert back.changes == ("Day total: 1.2 mg morphine. Was 1.4 mg (14.3 % less).",)


def test_change_of_boluses_only() -> None:
    before, after = steady("1.2 mg/day"), replace(steady("1.2 mg/day"), patient_bolus=PRESS)
    assert say_change((before, MORPHINE), (after, MORPHINE), words).changes == (
        "Day total: 1.2 mg morphine, unchanged.",
        "With every patient bolus: 1.6 mg morphine. Was 1.2 mg (33.3 % more).",
    )


def test_boluses_that_end_are_a_change_of_their_own() -> None:
    before, after = replace(steady("1.2 mg/day"), patient_bolus=PRESS), steady("1.2 mg/day")
    assert say_change((before, MORPHINE), (after, MORPHINE), words).changes == (
        "Day total: 1.2 mg morphine, unchanged.",
        "With every patient bolus: 1.2 mg morphine. Was 1.6 mg (25 % less).",
    )


def test_a_change_is_said_with_the_pump_the_old_mixture_and_the_ceilings() -> None:
    slow, fast = Program(MinimumRate()), steady("1.2 mg/day")
    rate = Flow.parse("0.006 mL/day")
    up = say_change((slow, MORPHINE), (fast, MORPHINE), words, minimum_rate=rate)
    assert up.changes == ("Day total: 1.2 mg morphine. Was 0.024 mg (4,900 % more).",)
    down = say_change((fast, MORPHINE), (slow, MORPHINE), words, minimum_rate=rate)
    assert down.changes == ("Day total: 0.024 mg morphine. Was 1.2 mg (98 % less).",)
    bridged = replace(fast, bridge=BridgeBolus(Volume.parse("0.286 mL"), DoseRate.parse("240 mcg/day")))
    change = say_change((steady("240 mcg/day"), BACLOFEN), (bridged, MORPHINE), words)
    assert "of the old mixture at 10 mcg/h baclofen" in change.lines[0]
    none = "No ceiling is stated for morphine."
    assert none not in change.lines
    assert none in say_change((fast, MORPHINE), (fast, MORPHINE), words, ceilings=True).after.lines


def test_change_of_drugs() -> None:
    change = say_change((steady("240 mcg/day"), BACLOFEN), (steady("1.2 mg/day"), MORPHINE), words)
    assert change.changes == (
        "Day total: 1.2 mg morphine. Was none.",
        "Day total: 0 mcg baclofen. Was 240 mcg (100 % less).",
    )


def test_change_by_weekday() -> None:
    week = day((0, "0.05 mg/h"), weekdays=frozenset(range(5)))
    end = day((0, "0.1 mg/h"), weekdays=frozenset({5, 6}))
    change = say_change((steady("1.2 mg/day"), MORPHINE), (Program(DaySchedule((week, end))), MORPHINE), words)
    assert change.changes == (
        "Day total, Monday to Friday: 1.2 mg morphine, unchanged.",
        "Day total, Saturday and Sunday: 2.4 mg morphine. Was 1.2 mg (100 % more).",
    )


def test_change_from_and_to_what_is_not_known() -> None:
    slow = Program(MinimumRate())
    assert say_change((slow, MORPHINE), (steady("1.2 mg/day"), MORPHINE), words).changes == (
        "Day total: 1.2 mg morphine. What it was is not known.",
    )
    assert say_change((steady("1.2 mg/day"), MORPHINE), (slow, MORPHINE), words).changes == (
        "Day total: not known for morphine. Was 1.2 mg.",
    )


def test_json() -> None:
    change = say_change((steady("1.2 mg/day"), MORPHINE), (steady("1.4 mg/day"), THREE), words)
    said = json.loads(json.dumps(change.as_json()))
    assert said["changes"] == list(change.changes)
    total = said["after"]["totals"][2]
    assert total["drug"] == "clonidine"
    assert total["base"] == {"value": "52.5", "unit": "mcg", "exact": "105/2"}
    assert total["weekdays"][0] == "Monday"
    assert said["before"]["lines"] == list(change.before.lines)


# Parts ----------------------------------------------------------------------------------------------------------------


def test_a_total_as_json() -> None:
    program = replace(
        steady("1.2 mg/day"),
        patient_bolus=PRESS,
        single_boluses=(SingleBolus(Mass.parse("0.2 mg"), Duration.of(20, "min")),),
    )
    (total,) = say(program, MORPHINE, words).as_json()["totals"]
    days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    assert (total.pop("weekdays"), total.pop("drug")) == (days, "morphine")
    assert {name: amount["value"] for name, amount in total.items()} == {
        "base": "1.2",
        "patient_boluses": "0.4",
        "single_boluses": "0.2",
        "with_patient_boluses": "1.6",
        "with_every_bolus": "1.8",
    }


def test_only_raised_rates_are_counted_and_each_of_them() -> None:
    twice = day((0, "0.05 mg/h"), (6, "0.1 mg/h"), (9, "0.05 mg/h"), (12, "0.1 mg/h"), (15, "0.05 mg/h"))
    assert lines(Program(DaySchedule((twice,))))[1:] == (
        "Every day, 0.1 mg/h morphine comes 2 times a day.",
        "Day total: 1.5 mg morphine, in 0.375 mL.",
    )


def test_every_group_of_days_has_its_total_with_boluses() -> None:
    week = day((0, "0.05 mg/h"), weekdays=frozenset(range(5)))
    end = day((0, "0.1 mg/h"), weekdays=frozenset({5, 6}))
    assert lines(Program(DaySchedule((week, end)), PRESS))[-2:] == (
        "Day total with every patient bolus, Monday to Friday: 1.6 mg morphine.",
        "Day total with every patient bolus, Saturday and Sunday: 2.8 mg morphine.",
    )


def test_priming_comes_before_the_bridge_and_a_bolus_meanwhile_brings_every_old_ingredient() -> None:
    bridge = BridgeBolus(Volume.parse("0.3 mL"), DoseRate.parse("1.2 mg/day"), Mass.parse("0.1 mg"))
    program = replace(steady("240 mcg/day"), priming=PrimingBolus(Volume.parse("0.3 mL")), bridge=bridge)
    assert say(program, BACLOFEN, words, old_mixture=THREE).lines[:3] == (
        "Once, at the start: 0.3 mL to prime tubing and catheter.",
        "First a bridge: 0.3 mL of the old mixture at 0.05 mg/h morphine (1.2 mg/day), for 1 day.",
        "During the bridge a patient bolus is 0.1 mg morphine, 0.25 mg bupivacaine and 3.75 mcg cloNIDine.",
    )


def test_ceilings_after_one_that_is_missing_are_said_too() -> None:
    program = replace(steady("1.2 mg/day"), ceilings=(Ceiling("clonidine", Mass.parse("9 mcg"), Mass.parse("90 mcg")),))
    said = say(program, mixture(morphine="4 mg/mL", clonidine="150 mcg/mL"), words, ceilings=True).lines
    assert said[-2:] == (
        "No ceiling is stated for morphine.",
        "The pump gives at most 9 mcg cloNIDine in any 1 h and 90 mcg cloNIDine in any 24 h, "
        "from all sources together.",
    )


# Words and properties -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weekdays", "text"),
    [
        ({0, 1, 2, 3, 4, 5, 6}, "every day"),
        ({0, 1, 2}, "Monday to Wednesday"),
        ({2, 3, 4}, "Wednesday to Friday"),
        ({0, 1}, "Monday and Tuesday"),
        ({0, 2, 4}, "Monday, Wednesday and Friday"),
        ({3}, "Thursday"),
    ],
)
def test_weekdays(weekdays: set[int], text: str) -> None:
    assert weekdays_text(weekdays) == text


def test_times_of_day() -> None:
    assert [clock_text(s) for s in (0, 21_600, 86_400, 30, 86_399)] == [
        "00:00",
        "06:00",
        "24:00",
        "00:00:30",
        "23:59:59",
    ]


DOSES = st.builds(
    lambda n, d: DoseRate.of(Fraction(n, d), "mg/day"), st.integers(0, 5000), st.sampled_from([1, 3, 7, 10, 1000])
)


@st.composite
def schedules(draw: st.DrawFn) -> DaySchedule:
    split = draw(st.sets(st.integers(0, 6), max_size=6))
    groups = [g for g in (frozenset(split), EVERY_DAY - frozenset(split)) if g]
    plans = []
    for weekdays in groups:
        starts = sorted({0, *draw(st.sets(st.integers(1, 1439), max_size=6))})
        plans.append(DayPlan(weekdays, tuple(Step(60 * m, draw(DOSES)) for m in starts)))
    return DaySchedule(tuple(plans))


BASES: st.SearchStrategy[Base] = st.one_of(
    st.just(Stopped()),
    st.just(MinimumRate()),
    st.builds(Continuous, DOSES),
    schedules(),
    st.builds(
        RepeatedDoses,
        st.builds(lambda n: Mass.of(Fraction(n, 7), "mg"), st.integers(1, 999)),
        st.builds(lambda m: Duration.of(m, "min"), st.integers(1, 30)),
        st.sampled_from([Duration.of(m, "min") for m in (30, 60, 90, 120, 1440)]),
        DOSES,
    ),
)
PROGRAMS = st.builds(Program, BASES, st.none() | st.just(PRESS))


def slow_total(base: Base, weekday: int, minimum: DoseRate) -> Mass:
    """Minute by minute, in the most obvious way there is."""
    total = Fraction(0)
    for minute in range(1440):
        match base:
            case Stopped():
                pass
            case MinimumRate():
                total += minimum.number("mg/day") / 1440
            case Continuous(dose=dose):
                total += dose.number("mg/day") / 1440
            case DaySchedule():
                step = [s for s in base.plan(weekday).steps if s.start_s <= minute * 60][-1]
                total += step.dose.number("mg/day") / 1440
            case RepeatedDoses():
                into = minute % base.every.number("min")
                total += base.background.number("mg/day") / 1440
                if into < base.duration.number("min"):
                    total += base.dose.number("mg") / base.duration.number("min")
    return Mass.of(total, "mg")


MINIMUM = Flow.parse("0.006 mL/day")


@given(PROGRAMS, st.integers(0, 6))
def test_totals_are_exact(program: Program, weekday: int) -> None:
    sentence = say(program, THREE, words, minimum_rate=MINIMUM)
    expected = slow_total(program.base, weekday, MINIMUM * THREE.primary.concentration)
    for drug, share in {"morphine": Fraction(1), "bupivacaine": Fraction(5, 2), "clonidine": Fraction(3, 80)}.items():
        total = sentence.total(drug, weekday)
        assert total.base == expected * share
        assert total.with_patient_boluses == total.with_every_bolus


WORD = re.compile(r"([0-9][0-9,.]*) (mg|mcg|mL)\b")


def check_text(sentence: Sentence) -> None:
    for line in sentence.lines:
        assert line.endswith(".")
        assert line[0].isupper() or line[0].isdigit()
        assert "  " not in line and "None" not in line
        assert not re.search(
            r"(?<![0-9])\.[0-9]|[0-9]\.[0-9]*0(?![0-9])|µ|\bcc\b|\bug\b|\bQD\b|[0-9](?:mg|mcg|mL)", line
        )
        for number, unit in WORD.findall(line):
            (Volume if unit == "mL" else Mass).parse(f"{number.rstrip('.,')} {unit}")


@given(PROGRAMS, PROGRAMS)
def test_the_text_follows_the_rules(before: Program, after: Program) -> None:
    check_text(say(after, THREE, words, minimum_rate=MINIMUM, ceilings=True))
    check_text(say(after, THREE, words))
    change = say_change((before, MORPHINE), (after, THREE), words, minimum_rate=MINIMUM)
    check_text(Sentence(change.changes, ()))
