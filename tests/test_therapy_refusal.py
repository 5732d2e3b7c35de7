"""Every refusal of therapy's arithmetic, word for word: what was found, what is allowed, what to do next."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from tests.therapy_builders import (
    FIXED,
    HERE,
    MONDAY,
    MORPHINE,
    PUMP,
    flow,
    mg,
    ml,
    per_day,
    program,
    steady,
    strength,
    time,
)

from thecal.formulary.drug import FirstFill
from thecal.formulary.limits import LimitKind, Titration, TrialLadder
from thecal.quantities import Concentration, Length, LinearVolume, Volume
from thecal.therapy import (
    bridge,
    compounding,
    doses,
    first_fill,
    line,
    pattern,
    refill,
    reservoir,
    residual,
    restart,
    service,
    tally,
    titration,
    trial,
)
from thecal.therapy.order import Previous
from thecal.therapy.program import Continuous, MinimumRate
from thecal.therapy.refusal import Refusal, at_least_text, at_most_text, day_text, moment_text

if TYPE_CHECKING:
    from collections.abc import Callable

LEVELS = refill.Levels(ml("2"), ml("3"))
NO_MINIMUM = replace(PUMP, minimum_rate=None)
RULE = Titration(kind=LimitKind.LABEL, source=HERE, step_max=per_day("2"), interval_min=time("24 h"), max_per_week=1)
FIRST = FirstFill(rinses=3, rinse=ml("2"), concentration=Concentration.parse("25 mcg/mL"), days=14, source=HERE)
LADDER = TrialLadder(steps=(mg("1"), mg("2")), source=HERE)
LOST = restart.restart(time("60 h"), {"x": None}, {})
PER_CM = LinearVolume.parse("0.0026 mL/cm")
DAY = timedelta(days=1)


def dated(*amounts: str) -> list[titration.DatedDose]:
    return [titration.DatedDose(MONDAY + DAY * n, per_day(text)) for n, text in enumerate(amounts)]


def raised(history: list[titration.DatedDose], to: str, hours: int, most: str | None = None) -> object:
    proposed = titration.DatedDose(history[-1].at + timedelta(hours=hours), per_day(to))
    return titration.check_increase(history, proposed, RULE, None if most is None else per_day(most))


def ramp(step: str, interval: str) -> object:
    (start,) = dated("1")
    return titration.plan(start, per_day("9"), per_day(step), time(interval), rule=RULE, maximum=None)


def typed(volume: str, left: str | None = "0") -> object:
    return reservoir.check_fill(ml(volume), ml("20"), PUMP, None if left is None else ml(left))


def refill_of(dose: str, stability: int | None = 60) -> refill.Dates:
    found = refill.refill_dates(
        steady(dose),
        MORPHINE,
        PUMP,
        volume=ml("20"),
        start=MONDAY,
        levels=LEVELS,
        lead_days=7,
        stability_days=stability,
    )
    assert isinstance(found, refill.Dates)
    return found


def given_from(start_after: timedelta, boluses: int) -> object:
    start = MONDAY + start_after
    return refill.programmed_volume(steady("5"), MORPHINE, PUMP, start=start, end=MONDAY, boluses=boluses)


def recipe(rate: str) -> object:
    return compounding.constant_flow_recipe(
        "x", reservoir=ml("20"), flow=flow(rate), dose=per_day("1"), stock=strength("9"), overfill=ml("0")
    )


def slow_bridge() -> object:
    found = bridge.plan_bridge(ml("0.3"), MORPHINE, per_day("0.4"))
    assert isinstance(found, bridge.Bridge)
    return bridge.check_flow(found, PUMP)


ASKED: list[tuple[Callable[[], object], str, str, str]] = [
    (
        lambda: doses.check_dose(per_day("0.1"), PUMP, strength("10")),
        "0.1 mg/day",
        "0.48 mg/day to 240 mg/day at 10 mg/mL",
        "dilute to 2.083 mg/mL or less",
    ),
    (
        lambda: doses.check_dose(per_day("500"), PUMP, strength("10")),
        "500 mg/day",
        "0.48 mg/day to 240 mg/day at 10 mg/mL",
        "compound 20.84 mg/mL or more, or order less",
    ),
    (
        lambda: doses.check_dose(per_day("4"), FIXED, strength("10")),
        "4 mg/day",
        "5 mg/day",
        "this pump has one flow: compound 8 mg/mL, or order 5 mg/day",
    ),
    (
        lambda: doses.change_ratio(mg("0"), mg("1")),
        "no drug before",
        "a change in percent from more than zero",
        "treat it as a start, not as a change",
    ),
    (
        lambda: doses.change_from(Previous(MORPHINE, steady("2")), mg("2"), mg("1")),
        "a delivery gap of unknown length and no record of what was delivered",
        "a change from drug that was delivered",
        "read the pump's record, or plan a restart from zero",
    ),
    (
        lambda: doses.change_from(Previous(MORPHINE, steady("2"), time("9 h")), mg("2"), mg("1")),
        "a delivery gap of 9 h and no record of what was delivered",
        "a change from drug that was delivered",
        "read the pump's record, or plan a restart from zero",
    ),
    (
        lambda: pattern.pattern_of(MinimumRate(), MORPHINE, None),
        "the minimum rate of a pump that states none",
        "a pump family with a minimum rate",
        "order a continuous dose or stop the pump",
    ),
    (
        lambda: pattern.later(MONDAY, time("9,999,999 days")),
        "a moment 9,999,999 days away",
        "moments up to the year 9999",
        "check the dose and the volume",
    ),
    (
        lambda: refill.whole_days(ml("20"), ml("2"), ml("0")),
        "a pump that delivers nothing",
        "a date for a pump that delivers",
        "plan by the drug's stability, and check that the pump should be stopped",
    ),
    (
        lambda: refill.refill_due(1000, None, 1001),
        "the low level in 1,000 days with a lead of 1,001 days",
        "a lead no longer than the days to the low level",
        "book the refill now, or fill more, or order less volume",
    ),
    (
        lambda: refill_of("0.00001").empty,
        "a date 20,000,000 days away",
        "dates up to the year 9999",
        "check the dose, the strength and the volume",
    ),
    (
        lambda: refill_of("5", None).stability,
        "no stability time for this mixture",
        "a time with its source",
        "ask the pharmacy; the volume alone does not make a date safe",
    ),
    (
        lambda: given_from(DAY, 0),
        "an end at 17 Aug 2026 00:00:00 before the start at 18 Aug 2026 00:00:00",
        "an end at or after the start",
        "check both moments",
    ),
    (
        lambda: given_from(-DAY, 1),
        "patient boluses counted (1) with a program that has none",
        "boluses of a program with a patient bolus",
        "find the program that was running",
    ),
    (
        lambda: refill.accuracy(ml("1"), ml("0")),
        "a programmed volume of 0 mL",
        "a programmed volume of more than 0 mL",
        "read the pump's record",
    ),
    (
        lambda: typed("21"),
        "21 mL typed when 20 mL was dispensed",
        "at most 20 mL",
        "read the syringe and type the volume that goes in",
    ),
    (lambda: typed("0"), "0 mL typed", "more than 0 mL, at most 20 mL", "type the volume that goes in"),
    (
        lambda: typed("18", None),
        "no entry for the volume left in the reservoir",
        "a volume in mL",
        "measure and enter the volume left in the reservoir",
    ),
    (
        lambda: typed("19", "2"),
        "19 mL typed with 2 mL left in a reservoir of 20 mL",
        "at most 18 mL",
        "aspirate what is left, or fill less",
    ),
    (
        lambda: reservoir.check_fill(ml("18"), None, PUMP, ml("0")),
        "no entry for the volume dispensed",
        "a volume in mL",
        "measure and enter the volume dispensed",
    ),
    (
        lambda: reservoir.check_fill(ml("18"), ml("9"), PUMP, ml("0")),
        "18 mL typed when 9 mL was dispensed",
        "at most 9 mL",
        "read the syringe and type the volume that goes in",
    ),
    (
        lambda: reservoir.partial_fill(ml("18"), ml("19"), ml("0")),
        "19 mL injected of 18 mL",
        "0 mL to 18 mL",
        "measure what is left in the syringe",
    ),
    (
        lambda: line.implanted_catheter(Length.parse("110 cm"), Length.parse("111 cm"), PER_CM),
        "111 cm trimmed off 110 cm",
        "0 cm to 110 cm",
        "measure the piece that was cut off",
    ),
    (
        lambda: bridge.plan_bridge(ml("0.3"), MORPHINE, per_day("0")),
        "a dose of nothing in the old drug",
        "a dose of more than zero, so that the old drug moves on",
        "state the dose that the bridge shall give in the old drug",
    ),
    (slow_bridge, "a bridge at 0.04 mL/day", "0.048 mL/day to 24 mL/day", "state a higher dose for the bridge"),
    (
        lambda: bridge.check_bridge(ml("0.16"), time("6 h"), strength("10"), per_day("5")),
        "0.16 mL in 6 h, which gives 6.4 mg/day where 5 mg/day is intended",
        "7.68 h for 0.16 mL at 5 mg/day",
        "correct the duration, the volume or the dose",
    ),
    (
        lambda: bridge.check_bridge(ml("0.16"), time("0 h"), strength("10"), per_day("5")),
        "a bridge that lasts 0 h",
        "a duration of more than 0 h",
        "state how long the bridge runs",
    ),
    (
        lambda: raised(dated("1"), "1", 24),
        "1 mg/day after 1 mg/day",
        "more than 1 mg/day",
        "order a decrease as a decrease",
    ),
    (lambda: raised(dated("1"), "4", 24), "a step of 3 mg/day", "at most 2 mg/day, by test", "order at most 3 mg/day"),
    (
        lambda: raised(dated("1"), "2", 12),
        "an increase 12 h after the last",
        "24 h or more, by test",
        "wait 12 h longer",
    ),
    (
        lambda: raised(dated("1", "2"), "3", 24),
        "2 increases in 7 days",
        "1 in any 7 days, by test",
        "wait until 25 Aug 2026 00:00:00",
    ),
    (
        lambda: raised(dated("1"), "2", 24, "1.5"),
        "2 mg/day",
        "at most 1.5 mg/day",
        "stay at or below the maximum, or give the reason in the review",
    ),
    (
        lambda: ramp("0", "48 h"),
        "steps of 0 mg/day every 48 h from 1 mg/day to 9 mg/day",
        "steps and an interval of more than zero, and a ceiling at or above the start",
        "state step, interval and ceiling; a percentage needs a start of more than zero",
    ),
    (lambda: ramp("3", "48 h"), "a step of 3 mg/day", "at most 2 mg/day, by test", "order at most 3 mg/day"),
    (
        lambda: trial.plan_trial(LADDER, strength("1"), MONDAY),
        "a ladder without an interval, by test",
        "an interval between trial doses",
        "state the interval in the site's formulary",
    ),
    (
        lambda: restart.gap_at_tip(MONDAY, MONDAY - DAY, restart.Line.DRUG, ml("0.3"), flow("1")),
        "a restart at 16 Aug 2026 00:00:00 before the stop at 17 Aug 2026 00:00:00",
        "a restart at or after the stop",
        "check both moments",
    ),
    (
        lambda: restart.gap_at_tip(MONDAY, MONDAY, restart.Line.NO_DRUG, ml("0.3"), flow("0")),
        "a line without drug and a flow of zero",
        "a flow of more than zero",
        "prime the line, or order a dose",
    ),
    (
        lambda: restart.check_first_dose(LOST, per_day("2"), per_day("2"), "pain"),
        "2 mg/day after 60 h without drug, where 2 mg/day ran before",
        "less than 2 mg/day, planned from zero",
        "enter a starting dose as for a patient who is not used to the drug; a second physician decides otherwise",
    ),
    (
        lambda: restart.check_first_dose(LOST, per_day("1"), per_day("2"), " "),
        "a restart without a reason",
        "a dose with the physician's reason",
        "write why this dose is right after the gap",
    ),
    (
        lambda: first_fill.plan_first_fill(None, FIRST.concentration, ml("20"), MONDAY.date(), FIRST),
        "no volume for the first fill",
        "the volume that goes in after 3 rinses of 2 mL",
        "measure what is left in the syringe after the rinses and enter it",
    ),
    (
        lambda: first_fill.plan_first_fill(ml("9"), strength("1"), ml("20"), MONDAY.date(), FIRST),
        "a first fill at 1,000 mcg/mL",
        "25 mcg/mL, undiluted, by test",
        "use the undiluted product for the first fill",
    ),
    (
        lambda: first_fill.plan_first_fill(ml("21"), FIRST.concentration, ml("20"), MONDAY.date(), FIRST),
        "21 mL for a reservoir of 20 mL",
        "at most 20 mL",
        "check the model of the pump and the volume",
    ),
    (
        lambda: first_fill.days_by_dilution(strength("1"), FIRST.concentration, ()),
        "no time for a 'refill, undiluted'",
        "a time with its source",
        "ask the pharmacy; the volume alone does not make a date safe",
    ),
    (
        lambda: service.end_of_service(date(9999, 12, 31), 90),
        "a notice on 31 Dec 9999",
        "dates up to the year 9999",
        "read the date of the notice again",
    ),
    (
        lambda: service.check_replace_by(MONDAY.date(), date(2027, 1, 1), 90),
        "a replacement on 1 Jan 2027",
        "17 Aug 2026 to 15 Nov 2026",
        "book the replacement before the pump stops",
    ),
    (
        lambda: service.latest_planned(date(9999, 1, 1), 7, 6),
        "a replacement in the year 10005",
        "dates up to the year 9999",
        "read the date of the implant again",
    ),
    (
        lambda: tally.rate(2, 1),
        "2 of 1",
        "at least one occasion, and no more events than occasions",
        "check the counts",
    ),
    (
        lambda: tally.reconcile({"a": 1}, 2),
        "kinds that add up to 1 with a stated total of 2",
        "kinds that add up to the total",
        "find the reports that are missing or counted twice",
    ),
    (
        lambda: compounding.worksheet(MORPHINE, ml("0"), ml("0"), {}),
        "0 mL with an overfill of 0 mL",
        "a volume of more than 0 mL and an overfill of 0 mL or more",
        "state both volumes",
    ),
    (
        lambda: compounding.worksheet(MORPHINE, ml("20"), ml("0"), {}),
        "no stock for morphine",
        "a powder or a solution for every ingredient",
        "enter the stock with its strength",
    ),
    (
        lambda: compounding.worksheet(MORPHINE, ml("20"), ml("0"), {"morphine": compounding.Solution(strength("5"))}),
        "40 mL of stock for 20 mL, most of it 40 mL of morphine",
        "at most 20 mL of stock",
        "use a stronger stock or powder, first of morphine",
    ),
    (
        lambda: recipe("0"),
        "a flow of 0 mL/day and a dose of 1 mg/day",
        "a flow and a dose of more than zero",
        "check the model of the pump and the order",
    ),
]


@pytest.mark.parametrize(("ask", "seen", "allowed", "then"), ASKED)
@pytest.mark.requirement("P9")
def test_a_refusal_says_what_was_found_what_is_allowed_and_what_to_do(
    ask: Callable[[], object], seen: str, allowed: str, then: str
) -> None:
    found = ask()
    if isinstance(found, reservoir.FillRefused):
        found = found.refusals[0]
    if isinstance(found, tuple):
        (found,) = found
    assert isinstance(found, Refusal)
    assert (found.found, found.allowed, found.then) == (seen, allowed, then)
    assert found.message == f"found {seen}; allowed: {allowed}; next: {then}"


def test_wrong_calls_say_what_is_missing() -> None:
    with pytest.raises(ValueError, match=r"^an increase needs the dose that runs now$"):
        titration.check_increase([], dated("1")[0], RULE, None)
    with pytest.raises(ValueError, match=r"^a trend needs the gap of at least one visit$"):
        residual.trend([], 2)
    with pytest.raises(ValueError, match=r"^pieces start at 0 and follow one another within the period$"):
        pattern.Pattern(10, ())
    with pytest.raises(ValueError, match=r"^boluses per day are none or more$"):
        refill.refill_dates(
            program(Continuous(per_day("1"))),
            MORPHINE,
            NO_MINIMUM,
            volume=ml("20"),
            start=MONDAY,
            levels=LEVELS,
            lead_days=7,
            stability_days=None,
            boluses_per_day=Fraction(-1, 2),
        )


@pytest.mark.parametrize(
    ("exact", "most", "least"),
    [
        (Fraction(25, 12), "2.083 mL", "2.084 mL"),
        (Fraction(1, 48), "0.02083 mL", "0.02084 mL"),
        (Fraction(123_456, 10), "12,345 mL", "12,346 mL"),
        (Fraction(99_999, 10), "9,999 mL", "10,000 mL"),
        (Fraction(99_999, 100), "999.9 mL", "1,000 mL"),
        (Fraction(5, 2), "2.5 mL", "2.5 mL"),
        (Fraction(1000), "1,000 mL", "1,000 mL"),
        (Fraction(0), "0 mL", "0 mL"),
    ],
)
def test_a_bound_is_printed_so_that_it_is_allowed(exact: Fraction, most: str, least: str) -> None:
    amount = Volume.of(exact, "mL")
    assert at_most_text(amount, "mL") == most
    assert at_least_text(amount, "mL") == least
    assert Volume.parse(most) <= amount <= Volume.parse(least)


def test_dates_spell_the_month() -> None:
    assert day_text(date(2026, 8, 9)) == "9 Aug 2026"
    assert moment_text(MONDAY + timedelta(hours=15, seconds=7)) == "17 Aug 2026 15:00:07"
