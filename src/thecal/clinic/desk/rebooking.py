"""A booking as somebody would enter it, so that it can be moved from there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from thecal.clinic.desk.bookings import Entry
from thecal.clinic.desk.days import WhyNoMoment, local, moment_at
from thecal.clinic.refused import Refused

if TYPE_CHECKING:
    from thecal.clinic.desk.settings import Desk
    from thecal.clinic.record.tables import Booking


def entry_of(booking: Booking, desk: Desk) -> Entry:
    """A booking as somebody would enter it, to be moved from there; ``which`` where its hour comes twice."""
    at = local(booking.begins_utc_s, desk.zone)
    entry = Entry(
        kind=booking.kind, day=at.date().isoformat(), time=f"{at:%H:%M}", minutes=str(booking.minutes),
        person_id="" if booking.person_id is None else str(booking.person_id), place=booking.place,
    )  # fmt: skip
    again = moment_at(entry.day, entry.time, "", desk.zone)
    odd = isinstance(again, Refused) and again.code is WhyNoMoment.TWICE
    return replace(entry, which=("second" if at.fold else "first") if odd else "")
