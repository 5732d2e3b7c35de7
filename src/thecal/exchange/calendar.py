"""Visits as iCalendar (RFC 5545): a feed for calendars to fetch again and again, and one visit as a file.

Times are the clinic's own with its zone described in the file, so that a calendar shows them right over a change of the
clocks; a visit that touches an hour that comes twice, or lies over a change, is written in UTC, which every calendar
reads alike.
Nothing here names a drug, a dose or a whole name.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from icalendar import Calendar, Event, Timezone, TimezoneDaylight, TimezoneStandard

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from thecal.clinic.desk.feeds import Visit

PRODUCT = "-//Thecal//Clinic desk//EN"
REFRESH = timedelta(hours=1)
"""How often calendars are asked to fetch a feed again. Ours."""
DAY_S = 86_400
A_YEAR_S = 366 * DAY_S


@dataclass(frozen=True, slots=True)
class Place:
    """What a calendar says of the clinic: its name, its address, its telephone, and its zone."""

    name: str
    address: str
    phone: str
    zone: ZoneInfo


def feed_calendar(title: str, place: Place, visits: Sequence[Visit]) -> bytes:
    """A feed. The same visits give the same bytes, whenever it is asked for."""
    made = _calendar(place, visits)
    made.add("x-wr-calname", title)
    made.add("name", title)
    made.add("refresh-interval", REFRESH, {"VALUE": "DURATION"})
    made.add("x-published-ttl", "PT1H")
    for visit in visits:
        made.add_component(_event(visit, place, f"{visit.kind.capitalize()}: {visit.who}"))
    return bytes(made.to_ical())


def visit_calendar(place: Place, visit: Visit) -> bytes:
    """One visit as a file for the patient, who knows who they are: nothing of it names them."""
    made = _calendar(place, [visit])
    event = _event(visit, place, f"Visit at {place.name}" if visit.place == "clinic" else f"Visit of {place.name}")
    event.add("description", f"To move this visit call {place.phone}.")
    made.add_component(event)
    return bytes(made.to_ical())


def _calendar(place: Place, visits: Sequence[Visit]) -> Calendar:
    made = Calendar()
    made.add("prodid", PRODUCT)
    made.add("version", "2.0")
    made.add("calscale", "GREGORIAN")
    made.add("method", "PUBLISH")
    if any(_named(v, place.zone) for v in visits):
        made.add_component(_zone(place.zone, visits))
    return made


def _zone(zone: ZoneInfo, visits: Sequence[Visit]) -> Timezone:
    """The zone with every change of the clocks from a year before the first visit to a year behind the last.

    Written here: the ``icalendar`` package gives the onset of summer time in the time behind it, where RFC 5545 3.6.5
    wants the time before it, so that strict readers are an hour wrong on that morning.
    """
    first = min(visit.begins_utc_s for visit in visits) - A_YEAR_S
    last = max(visit.begins_utc_s for visit in visits) + A_YEAR_S
    made = Timezone()
    made.add("tzid", zone.key)
    offset = _local(first, zone).utcoffset() or timedelta(0)
    made.add_component(_observance(_local(first, zone), offset))
    for at in _changes(zone, first, last):
        made.add_component(_observance(_local(at, zone), _local(at - 1, zone).utcoffset() or timedelta(0)))
    return made


def _observance(begins: datetime, before: timedelta) -> TimezoneStandard | TimezoneDaylight:
    """The time that holds from ``begins`` on; its onset is written in the offset of ``before``."""
    made = TimezoneDaylight() if begins.dst() else TimezoneStandard()
    made.add("dtstart", (begins.astimezone(UTC) + before).replace(tzinfo=None))
    made.add("tzoffsetfrom", before)
    made.add("tzoffsetto", begins.utcoffset() or timedelta(0))
    made.add("tzname", begins.tzname() or "")
    return made


def _changes(zone: ZoneInfo, first: int, last: int) -> list[int]:
    """The seconds at which the offset changes, in UTC: by days, and within a day by halves."""
    found = []
    for begins in range(first, last, DAY_S):
        low, high = begins, begins + DAY_S
        if _offset(low, zone) == _offset(high, zone):
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if _offset(middle, zone) == _offset(low, zone) else (low, middle)
        found.append(high)
    return found


def _local(utc_s: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(utc_s, UTC).astimezone(zone)


def _offset(utc_s: int, zone: ZoneInfo) -> timedelta | None:
    return _local(utc_s, zone).utcoffset()


def _event(visit: Visit, place: Place, summary: str) -> Event:
    event = Event()
    changed = datetime.fromtimestamp(visit.changed_utc_s, UTC)
    event.add("uid", visit.uid)
    event.add("sequence", visit.sequence)
    event.add("dtstamp", changed)
    event.add("last-modified", changed)
    zone = place.zone if _named(visit, place.zone) else UTC
    event.add("dtstart", _begins(visit).astimezone(zone))
    event.add("dtend", _ends(visit).astimezone(zone))
    event.add("summary", summary)
    event.add("class", "PRIVATE")
    event.add("status", "CANCELLED" if visit.canceled else "CONFIRMED")
    event.add("transp", "TRANSPARENT" if visit.canceled else "OPAQUE")
    if visit.place == "clinic":
        event.add("location", place.address or place.name)
    return event


def _begins(visit: Visit) -> datetime:
    return datetime.fromtimestamp(visit.begins_utc_s, UTC)


def _ends(visit: Visit) -> datetime:
    return _begins(visit) + timedelta(minutes=visit.minutes)


def _named(visit: Visit, zone: ZoneInfo) -> bool:
    """Whether the wall's time names both ends: it does not in the hour that comes twice, nor over a change."""
    ends = [at.astimezone(zone) for at in (_begins(visit), _ends(visit))]
    offsets = {at.replace(fold=fold).utcoffset() for at in ends for fold in (0, 1)}
    return len(offsets) == 1
