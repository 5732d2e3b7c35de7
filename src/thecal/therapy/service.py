"""Replacement notice and end of service of a pump with a battery (device-facts F12, example WE-22).

What goes out is always a calendar date, or a refusal; never a date past the end of service.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import MAXYEAR, date, timedelta

from thecal.therapy.refusal import Code, Refusal, day_text

MONTHS = 12


def end_of_service(notice: date, notice_days: int) -> date | Refusal:
    """The day on which a pump stops, so many days after the replacement notice."""
    try:
        return notice + timedelta(days=notice_days)
    except OverflowError:
        return Refusal(
            Code.BEYOND_CALENDAR,
            f"a notice on {day_text(notice)}",
            "dates up to the year 9999",
            "read the date of the notice again",
        )


@dataclass(frozen=True, slots=True)
class ReplaceBy:
    """A replacement date that lies between the notice and the end of service."""

    on: date
    end_of_service: date


def check_replace_by(notice: date, replace_by: date, notice_days: int) -> ReplaceBy | Refusal:
    """A replacement date against notice and end of service."""
    end = end_of_service(notice, notice_days)
    if isinstance(end, Refusal):
        return end
    if notice <= replace_by <= end:
        return ReplaceBy(replace_by, end)
    return Refusal(
        Code.AFTER_END_OF_SERVICE if replace_by > end else Code.OUT_OF_ORDER,
        f"a replacement on {day_text(replace_by)}",
        f"{day_text(notice)} to {day_text(end)}",
        "book the replacement before the pump stops",
    )


def latest_planned(implanted: date, life_years: int, months_before: int) -> date | Refusal:
    """The last day for a planned replacement: so many months before the end of the service life.

    A day that the month does not have becomes its last day.
    """
    year, month = divmod(
        implanted.year * MONTHS + implanted.month - 1 + life_months_to_plan(life_years, months_before), MONTHS
    )
    if year > MAXYEAR:
        return Refusal(
            Code.BEYOND_CALENDAR,
            f"a replacement in the year {year}",
            "dates up to the year 9999",
            "read the date of the implant again",
        )
    return date(year, month + 1, min(implanted.day, monthrange(year, month + 1)[1]))


def life_months_to_plan(life_years: int, months_before: int) -> int:
    """The age in months at which a replacement is planned at the latest."""
    return life_years * MONTHS - months_before
