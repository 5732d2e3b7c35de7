"""The zone that a calendar states, read by a third program (dateutil's reader of VTIMEZONE), in zones that are odd."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from zoneinfo import ZoneInfo

import pytest
from dateutil.tz import tzical  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.test_exchange_calendar import PLACE, expected, moments, visit

from thecal.exchange.calendar import feed_calendar

ODD = [
    "America/New_York",
    "Europe/Berlin",
    "Europe/Dublin",  # winter time is said to be the change
    "Australia/Lord_Howe",  # by half an hour
    "Africa/Casablanca",  # behind in the month of fasting, by the moon
    "America/St_Johns",
    "Pacific/Chatham",
    "America/Sao_Paulo",
]
ENDED = [("America/Mexico_City", 2022), ("Asia/Tehran", 2022), ("Europe/Istanbul", 2016), ("Asia/Amman", 2022)]
"""Zones that gave the change of their clocks up, and in which year."""


def stated(body: bytes, zone: str) -> object:
    """The zone as the file alone states it."""
    text = body.decode()
    begin, end = text.index("BEGIN:VTIMEZONE"), text.index("END:VTIMEZONE")
    return tzical(StringIO(text[begin:end] + "END:VTIMEZONE\r\n")).get(zone)


def agrees(zone: str, begins: datetime) -> None:
    """Half a year around a visit, every seven hours, the file's own zone has the offset of the tz database."""
    one = visit(begins)
    body = feed_calendar("All visits", replace(PLACE, zone=ZoneInfo(zone)), [one])
    assert moments(body) == expected(one)
    if b"VTIMEZONE" not in body:
        return
    found = stated(body, zone)
    for hours in range(-4200, 4200, 7):
        at = begins.astimezone(UTC) + timedelta(hours=hours)
        true = at.astimezone(ZoneInfo(zone))
        if true.replace(fold=1 - true.fold).utcoffset() != true.utcoffset():
            continue  # an hour that comes twice, or none: a time of the wall does not say which
        assert true.replace(tzinfo=found).utcoffset() == true.utcoffset(), at  # type: ignore[arg-type]


@pytest.mark.parametrize("zone", ODD)
@pytest.mark.parametrize("month", [1, 4, 7, 10])
def test_j8_the_feed_survives_the_changes_of_the_clocks_in_a_third_parser(zone: str, month: int) -> None:
    agrees(zone, datetime(2027, month, 12, 9, 30, tzinfo=ZoneInfo(zone)))


@pytest.mark.parametrize(("zone", "year"), ENDED)
@pytest.mark.parametrize("after", [-1, 0, 1])
def test_a_zone_that_gave_its_changes_up(zone: str, year: int, after: int) -> None:
    agrees(zone, datetime(year + after, 10, 12, 9, 30, tzinfo=ZoneInfo(zone)))


@given(st.sampled_from(ODD), st.integers(28_927_000, 33_600_000))
@settings(max_examples=25, deadline=None)
def test_any_minute_in_an_odd_zone(zone: str, minutes: int) -> None:
    agrees(zone, datetime.fromtimestamp(minutes * 60, ZoneInfo(zone)))
