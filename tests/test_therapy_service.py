"""Replacement notice and end of service."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.therapy_builders import refused

from thecal.therapy.refusal import Code
from thecal.therapy.service import (
    ReplaceBy,
    check_replace_by,
    end_of_service,
    latest_planned,
    life_months_to_plan,
)


@given(st.dates(max_value=date(9999, 10, 2)))
@pytest.mark.requirement("OP-7.3.4")
def test_the_pump_stops_ninety_days_after_the_notice(notice: date) -> None:
    end = end_of_service(notice, 90)
    assert isinstance(end, date)
    assert end - notice == timedelta(days=90)
    for good in (notice, end):
        assert check_replace_by(notice, good, 90) == ReplaceBy(good, end)


def test_a_date_outside_is_refused() -> None:
    notice = date(2026, 8, 17)
    late = refused(check_replace_by(notice, date(2026, 11, 16), 90), Code.AFTER_END_OF_SERVICE)
    assert late.found == "a replacement on 16 Nov 2026"
    assert late.allowed == "17 Aug 2026 to 15 Nov 2026"
    refused(check_replace_by(notice, date(2026, 8, 16), 90), Code.OUT_OF_ORDER)
    refused(end_of_service(date(9999, 12, 1), 90), Code.BEYOND_CALENDAR)
    refused(check_replace_by(date(9999, 12, 1), date(9999, 12, 2), 90), Code.BEYOND_CALENDAR)


@pytest.mark.parametrize(
    ("implanted", "latest"),
    [
        (date(2020, 1, 31), date(2026, 7, 31)),
        (date(2020, 8, 31), date(2027, 2, 28)),
        (date(2021, 8, 30), date(2028, 2, 29)),
        (date(2020, 6, 15), date(2026, 12, 15)),
        (date(2020, 7, 1), date(2027, 1, 1)),
        (date(9993, 6, 1), date(9999, 12, 1)),
    ],
)
def test_the_latest_planned_replacement(implanted: date, latest: date) -> None:
    assert latest_planned(implanted, 7, 6) == latest


def test_the_calendar_ends() -> None:
    found = refused(latest_planned(date(9993, 7, 1), 7, 6), Code.BEYOND_CALENDAR)
    assert found.found == "a replacement in the year 10000"
    assert life_months_to_plan(7, 6) == 78
