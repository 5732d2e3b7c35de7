"""The dates of a refill, the account of a fill, accuracy."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.therapy_builders import (
    BOLUS,
    HOURLY,
    MONDAY,
    MORPHINE,
    PUMP,
    WEEK_AND_END,
    bases,
    boluses,
    mg,
    ml,
    per_day,
    positive,
    program,
    refused,
    steady,
    time,
)

from thecal.quantities import DoseRate, Volume
from thecal.therapy.pattern import Pattern, pattern_of, week_second
from thecal.therapy.program import Base, Continuous, MinimumRate, PatientBolus, Program, Stopped
from thecal.therapy.refill import (
    Account,
    Dates,
    Due,
    Levels,
    Limit,
    Planned,
    RefillDue,
    account,
    accuracy,
    alarm_precedes,
    programmed_volume,
    refill_dates,
    refill_due,
    whole_days,
)
from thecal.therapy.refusal import Code, Refusal

LEVELS = Levels(low=ml("2"), bolus_end=ml("3"))
NO_MINIMUM = replace(PUMP, minimum_rate=None)


def dates(order: Program, **changes: Any) -> Dates:
    given_ = {
        "volume": ml("20"),
        "start": MONDAY,
        "levels": LEVELS,
        "lead_days": 7,
        "stability_days": None,
        **changes,
    }
    found = refill_dates(order, MORPHINE, PUMP, **given_)
    assert not isinstance(found, Refusal)
    return found


def due(days: int) -> Due:
    return Due(days, MONDAY.date() + timedelta(days=days))


@pytest.mark.parametrize(
    ("volume", "level", "daily", "days"),
    [("20", "2", "0.5", 36), ("20", "2", "0.51", 35), ("2", "2", "0.5", 0), ("1", "2", "0.5", 0), ("20", "2", "18", 1)],
)
def test_whole_days_round_down(volume: str, level: str, daily: str, days: int) -> None:
    assert whole_days(ml(volume), ml(level), ml(daily)) == days


def test_a_volume_that_does_not_fall_never_reaches_its_level() -> None:
    refused(whole_days(ml("20"), ml("2"), ml("0")), Code.NEVER)
    assert whole_days(ml("2"), ml("2"), ml("0")) == 0


@given(positive, positive, positive)
def test_the_day_before_is_above_the_level(volume: Fraction, level: Fraction, daily: Fraction) -> None:
    v, low, d = (Volume.of(x, "mL") for x in (volume, level, daily))
    days = whole_days(v, low, d)
    assert isinstance(days, int)
    assert days == 0 or v - d * days >= low
    assert v - d * (days + 1) < max(low, v)
    assert v <= low or v - d * (days + 1) < low


@pytest.mark.parametrize(
    ("volume_days", "stability", "lead", "days", "limit"),
    [
        (489, 180, 0, 180, Limit.STABILITY),
        (100, 180, 7, 93, Limit.VOLUME),
        (187, 180, 7, 180, Limit.STABILITY),
        (186, 180, 7, 179, Limit.VOLUME),
        (7, None, 7, 0, Limit.VOLUME),
        (90, None, 3, 87, Limit.VOLUME),
    ],
)
def test_the_earlier_limit_is_named(
    volume_days: int, stability: int | None, lead: int, days: int, limit: Limit
) -> None:
    assert refill_due(volume_days, stability, lead) == RefillDue(days, limit)


def test_a_lead_longer_than_the_interval_is_refused() -> None:
    found = refused(refill_due(6, 180, 7), Code.LEAD_TOO_LONG)
    assert found.found == "the low level in 6 days with a lead of 7 days"


def test_steady_dates() -> None:
    # 0.5 mL a day of 10 mg/mL: 36 days to 2 mL, 40 to empty.
    found = dates(steady("5"), stability_days=90)
    assert found == Dates(due(36), due(36), Planned(due(29), Limit.VOLUME), due(40), due(40), due(90))
    assert found.empty == Due(40, date(2026, 9, 26))


@pytest.mark.requirement("OP-6.8.9", "IT-10")
def test_every_bolus_brings_the_dates_forward() -> None:
    # 0.5 mL of base and 4 boluses of 0.01 mL: 0.54 mL a day; 17 mL to the 3 mL of the patient's date.
    found = dates(steady("5", BOLUS))
    assert found.expected_alert == due(36)
    assert found.worst_alert == due(31)
    assert found.worst_empty == due(37)
    assert found.planned == Planned(due(24), Limit.VOLUME)
    assert found.empty == due(40)
    refused(found.stability, Code.UNKNOWN)
    some = dates(steady("5", BOLUS), boluses_per_day=2)
    assert some.expected_alert == due(34)
    assert some.empty == due(38)
    most = dates(steady("5", BOLUS), boluses_per_day=99)
    assert most.expected_alert == due(33)
    assert most.empty == most.worst_empty


def test_the_worst_case_ends_at_the_higher_level() -> None:
    assert LEVELS.worst == ml("3")
    high = Levels(low=ml("4"), bolus_end=ml("3"))
    assert high.worst == ml("4")
    assert dates(steady("5", BOLUS), levels=high).worst_alert == due(29)


@pytest.mark.requirement("FD-9.1")
def test_stability_caps_the_plan() -> None:
    found = dates(steady("1"), stability_days=90)
    assert found.expected_alert == due(180)
    assert found.planned == Planned(due(90), Limit.STABILITY)


def test_a_stopped_pump_is_planned_by_stability_alone() -> None:
    found = dates(program(Stopped(), BOLUS), stability_days=90)
    for never in (found.expected_alert, found.worst_alert, found.empty, found.worst_empty):
        refused(never, Code.NEVER)
    assert found.planned == Planned(due(90), Limit.STABILITY)
    refused(dates(program(Stopped())).planned, Code.NEVER)


def test_boluses_alone_have_a_worst_case_only() -> None:
    found = dates(program(Continuous(per_day("0")), BOLUS))
    refused(found.expected_alert, Code.NEVER)
    assert found.worst_alert == due(425)


def test_a_lead_longer_than_the_fill_lasts_is_refused() -> None:
    refused(dates(steady("5"), volume=ml("5")).planned, Code.LEAD_TOO_LONG)
    assert dates(steady("5"), volume=ml("1.5")).expected_alert == due(0)


def test_dates_past_the_calendar_are_refused() -> None:
    found = dates(steady("0.00001"), stability_days=60)
    refused(found.empty, Code.BEYOND_CALENDAR)
    assert found.planned == Planned(due(60), Limit.STABILITY)
    refused(dates(steady("5"), stability_days=10**8).stability, Code.BEYOND_CALENDAR)


def test_the_minimum_rate_needs_the_pump() -> None:
    assert dates(program(MinimumRate())).empty == due(3333)
    found = refill_dates(
        program(MinimumRate()),
        MORPHINE,
        NO_MINIMUM,
        volume=ml("20"),
        start=MONDAY,
        levels=LEVELS,
        lead_days=7,
        stability_days=None,
    )
    refused(found, Code.UNKNOWN)


def test_fewer_boluses_than_none_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="none or more"):
        dates(steady("5"), boluses_per_day=-1)


def test_a_schedule_counts_the_weekdays_as_they_come() -> None:
    # 10.75 mg a week: the first day reaches 1.35 mg from Monday, 2 mg from Saturday.
    saturday = MONDAY + timedelta(days=5)
    small = ml("2.2")
    assert dates(program(WEEK_AND_END), volume=small, lead_days=0).expected_alert == due(1)
    weekend = dates(program(WEEK_AND_END), volume=small, lead_days=0, start=saturday)
    assert weekend.expected_alert == Due(1, date(2026, 8, 23))
    # From noon on Friday, 2 mg end at 06:04:48 on Saturday... and days are counted from the fill, not from midnight.
    friday = datetime(2026, 8, 21, 12, tzinfo=MONDAY.tzinfo)
    assert dates(program(WEEK_AND_END), volume=ml("2.1"), lead_days=0, start=friday).expected_alert == Due(
        0, date(2026, 8, 21)
    )


@given(bases(), boluses(), st.integers(0, 12), st.integers(0, 12), st.integers(0, 7 * 1440 - 1))
@pytest.mark.requirement("IT-10")
def test_more_boluses_never_move_a_date_back(base: Base, bolus: PatientBolus, a: int, b: int, minute: int) -> None:
    start = MONDAY + timedelta(minutes=minute)
    few = dates(program(base, bolus), boluses_per_day=min(a, b), start=start)
    many = dates(program(base, bolus), boluses_per_day=max(a, b), start=start)
    for early, late in (
        (many.expected_alert, few.expected_alert),
        (many.empty, few.empty),
        (few.worst_alert, many.expected_alert),
        (few.worst_empty, many.empty),
        (few.worst_alert, few.worst_empty),
    ):
        if isinstance(late, Due):
            assert isinstance(early, Due)
            assert early.days <= late.days
            assert early.on == start.date() + timedelta(days=early.days)


@given(bases(), positive, st.integers(0, 7 * 1440 - 1))
def test_on_the_day_the_level_is_not_yet_passed(base: Base, volume: Fraction, minute: int) -> None:
    start = MONDAY + timedelta(minutes=minute)
    filled = Volume.of(volume, "mL") + ml("2")
    found = dates(program(base), volume=filled, start=start, lead_days=0).expected_alert
    pattern = pattern_of(base, MORPHINE, None)
    assert isinstance(pattern, Pattern)
    if isinstance(found, Refusal):
        assert found.code in {Code.NEVER, Code.BEYOND_CALENDAR}
        return
    first = week_second(start)
    gone = [MORPHINE.volume_of(pattern.between(first, first + n * 86_400)) for n in (found.days, found.days + 1)]
    assert filled - gone[0] >= ml("2")
    assert filled - gone[1] <= ml("2")  # equal where the level is reached and then nothing is given


def given_by(order: Program, start: datetime, end: datetime, count: int) -> Volume:
    found = programmed_volume(order, MORPHINE, PUMP, start=start, end=end, boluses=count)
    assert isinstance(found, Volume)
    return found


def test_programmed_volume_counts_base_and_boluses() -> None:
    week = MONDAY + timedelta(days=7)
    assert given_by(program(WEEK_AND_END), MONDAY, week, 0) == ml("1.075")
    assert given_by(program(WEEK_AND_END, BOLUS), MONDAY, week, 3) == ml("1.105")
    assert given_by(program(HOURLY), MONDAY, MONDAY, 0) == ml("0")
    half = MONDAY + timedelta(hours=12, seconds=30, microseconds=500_000)
    assert given_by(steady("2"), MONDAY, half, 0) == Volume.of(Fraction(86_461, 864_000), "mL")


def test_programmed_volume_at_the_minimum_rate() -> None:
    assert given_by(program(MinimumRate()), MONDAY, MONDAY + timedelta(days=10), 0) == ml("0.06")


def test_programmed_volume_refuses() -> None:
    early = MONDAY - timedelta(seconds=1)
    found = refused(
        programmed_volume(steady("5"), MORPHINE, PUMP, start=MONDAY, end=early, boluses=0), Code.OUT_OF_ORDER
    )
    assert found.found == "an end at 16 Aug 2026 23:59:59 before the start at 17 Aug 2026 00:00:00"
    later = MONDAY + timedelta(days=1)
    none = programmed_volume(steady("5"), MORPHINE, PUMP, start=MONDAY, end=later, boluses=1)
    assert refused(none, Code.UNKNOWN).found == "patient boluses counted (1) with a program that has none"
    order = program(MinimumRate())
    refused(programmed_volume(order, MORPHINE, NO_MINIMUM, start=MONDAY, end=later, boluses=0), Code.UNKNOWN)


@pytest.mark.requirement("OP-6.8.2")
def test_account() -> None:
    assert account(ml("20"), ml("7")) == Account(ml("20"), ml("7"), ml("7"), ml("13"))
    assert not account(ml("20"), ml("20")).ran_dry
    dry = account(ml("20"), ml("22"))
    assert (dry.delivered, dry.residual, dry.ran_dry) == (ml("20"), ml("0"), True)


@given(positive, positive)
def test_residual_and_delivered_are_what_was_filled(filled: Fraction, programmed: Fraction) -> None:
    found = account(Volume.of(filled, "mL"), Volume.of(programmed, "mL"))
    assert found.residual + found.delivered == found.filled
    assert found.residual >= Volume.zero()
    assert found.delivered <= found.programmed


def test_accuracy() -> None:
    assert accuracy(ml("9.68"), ml("10")) == Fraction(968, 1000)
    refused(accuracy(ml("1"), ml("0")), Code.NOT_POSITIVE)


@pytest.mark.parametrize(("level", "precedes"), [("2", False), ("3.8", False), ("4", True)])
def test_an_alarm_precedes_symptoms_above_every_residual(level: str, precedes: bool) -> None:
    assert alarm_precedes(ml(level), ml("3.8")) is precedes


def test_amounts_of_the_builders() -> None:
    assert mg("1") / time("1 day") == DoseRate.parse("1 mg/day")
