"""Trial ladders with volumes and times, and the first pump day."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import pytest
from tests.therapy_builders import HERE, MONDAY, ml, refused, time

from thecal.formulary.limits import StartRule, TrialLadder
from thecal.quantities import Concentration, Duration, Mass
from thecal.therapy.refusal import Code
from thecal.therapy.trial import Shot, first_pump_day, growth, plan_trial, volume_of_dose

SCREENING = Concentration.parse("50 mcg/mL")


def mcg(text: str) -> Mass:
    return Mass.parse(f"{text} mcg")


LADDER = TrialLadder(
    steps=(mcg("50"), mcg("75"), mcg("100")),
    source=HERE,
    interval=time("24 h"),
    observe_low=time("4 h"),
    observe_high=time("8 h"),
)
RULE = StartRule(
    multiple=Fraction(2), multiple_long=Fraction(4, 5), long_effect=time("8 h"), hold=time("24 h"), source=HERE
)


def test_volumes_and_times() -> None:
    assert volume_of_dose(mcg("75"), SCREENING) == ml("1.5")
    found = plan_trial(LADDER, SCREENING, MONDAY)
    assert found == tuple(
        Shot(MONDAY + timedelta(days=n), mcg(dose), ml(volume), time("4 h"), time("8 h"))
        for n, (dose, volume) in enumerate([("50", "1"), ("75", "1.5"), ("100", "2")])
    )


def test_a_ladder_without_an_interval() -> None:
    bare = TrialLadder(steps=LADDER.steps, source=HERE)
    found = refused(plan_trial(bare, SCREENING, MONDAY), Code.UNKNOWN)
    assert found.found == "a ladder without an interval, by test"
    refused(plan_trial(replace(bare, steps=LADDER.steps[:2]), SCREENING, MONDAY), Code.UNKNOWN)
    single = replace(bare, steps=(mcg("50"),))
    assert plan_trial(single, SCREENING, MONDAY) == (Shot(MONDAY, mcg("50"), ml("1"), None, None),)


def test_a_ladder_past_the_calendar() -> None:
    far = replace(LADDER, interval=Duration.of(10**7, "days"))
    refused(plan_trial(far, SCREENING, MONDAY), Code.BEYOND_CALENDAR)


def test_growth() -> None:
    assert growth((mcg("25"), mcg("50"), mcg("100"))) == (Fraction(2), Fraction(2))
    assert growth(LADDER.steps) == (Fraction(3, 2), Fraction(4, 3))
    assert growth((mcg("25"),)) == ()


@pytest.mark.parametrize(("lasted", "first"), [("7 h", "150"), ("8 h", "150"), ("8.5 h", "60")])
def test_the_first_pump_day(lasted: str, first: str) -> None:
    assert first_pump_day(mcg("75"), time(lasted), RULE) == mcg(first)


@pytest.mark.parametrize("rule", [replace(RULE, multiple_long=None), replace(RULE, long_effect=None)])
def test_a_rule_without_a_long_effect(rule: StartRule) -> None:
    assert first_pump_day(mcg("75"), time("20 h"), rule) == mcg("150")
