"""Bookings seen from their change: one as somebody would enter it, and all of them when the clinic's zone changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from thecal.clinic.desk.bookings import Entry, State, needed_by_follows
from thecal.clinic.desk.days import WhyNoMoment, local, moment_at
from thecal.clinic.desk.lines import REFILL_KINDS
from thecal.clinic.record.tables import Booking
from thecal.clinic.refused import Refused

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from thecal.clinic.desk.settings import Desk
    from thecal.clinic.record import Record


class Stays(StrEnum):
    """What of a visit stays when the clinic's zone changes: its time on the wall, as it was said, or its moment."""

    WALL = "wall"
    MOMENT = "moment"


STAYS_WORDS = {
    Stays.WALL: "their time on the wall: a visit at 09:00 is at 09:00 by the new zone, and calendars are told",
    Stays.MOMENT: "their moment: a visit is when it was, and its time on the wall is another",
}


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


def to_come(session: Session, now_s: int) -> int:
    """How many visits are booked for a time to come."""
    return session.scalar(select(func.count(Booking.id)).where(*_to_come(now_s))) or 0


def _to_come(now_s: int) -> tuple[ColumnElement[bool], ...]:
    return Booking.state == State.BOOKED, Booking.begins_utc_s >= now_s


def zone_changed(record: Record, old: ZoneInfo, new: ZoneInfo, stays: Stays) -> None:
    """Carry the visits to come over a change of the zone, within its transaction; drug orders follow their day.

    A time that the new zone skips becomes the one as far behind the change of its clocks.
    """
    for booking in record.session.scalars(select(Booking).where(*_to_come(record.now_s)).order_by(Booking.id)):
        if stays is Stays.WALL:
            _same_wall(record, booking, old, new)
        if booking.kind in REFILL_KINDS:
            needed_by_follows(record, booking)


def _same_wall(record: Record, booking: Booking, old: ZoneInfo, new: ZoneInfo) -> None:
    at = local(booking.begins_utc_s, old)
    begins = int(datetime.combine(at.date(), at.time(), new).replace(fold=at.fold).timestamp())
    if begins == booking.begins_utc_s:
        return
    details = {"from_utc_s": booking.begins_utc_s, "why": f"the clinic's zone was {old.key} and is {new.key}"}
    record.change(
        booking, "moved", details=details, begins_utc_s=begins, sequence=booking.sequence + 1,
        changed_utc_s=record.now_s,
    )  # fmt: skip
