"""Calendar feeds, read back by parsers that are not ours: the ``ical`` package, and ical.js by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ical.calendar_stream import IcsCalendarStream
from icalendar import Calendar
from tests.clinic_world import NOW_S, ClinicWorld, clinic_world
from tests.desk_world import HOUR_S, give_booking

from thecal.clinic.desk.feeds import Visit, feed_of, make_feed, revoke, visits_of
from thecal.clinic.record.tables import Booking, Clinic, Feed, Patient
from thecal.clinic.refused import EditedMeanwhile
from thecal.exchange.calendar import Place, feed_calendar, visit_calendar
from thecal.pump.core.codes import DAY_S

if TYPE_CHECKING:
    from collections.abc import Iterator

CHICAGO = ZoneInfo("America/Chicago")
PLACE = Place("Test clinic, north; wing", "1 Test Street, Chicago", "+1 312 555 0100", CHICAGO)


def visit(local: datetime, **facts: Any) -> Visit:
    known: dict[str, Any] = {
        "uid": "a@thecal", "sequence": 0, "kind": "refill", "who": "A.L.", "minutes": 45, "place": "clinic",
        "canceled": False, "changed_utc_s": NOW_S,
    }  # fmt: skip
    return Visit(begins_utc_s=int(local.timestamp()), **{**known, **facts})


def moments(body: bytes) -> list[tuple[datetime, datetime]]:
    """Begin and end of every event in UTC, as the ``ical`` package reads them."""
    events = IcsCalendarStream.calendar_from_ics(body.decode()).events
    return [(_utc(e.dtstart), _utc(e.end)) for e in events]


def _utc(at: Any) -> datetime:
    assert isinstance(at, datetime) and at.tzinfo is not None
    return at.astimezone(UTC)


def expected(*visits: Visit) -> list[tuple[datetime, datetime]]:
    begins = [datetime.fromtimestamp(v.begins_utc_s, UTC) for v in visits]
    return [(b, b + timedelta(minutes=v.minutes)) for b, v in zip(begins, visits, strict=True)]


AROUND_THE_CHANGES = [
    datetime(2026, 10, 31, 9, 30, tzinfo=CHICAGO),
    datetime(2026, 11, 1, 0, 30, tzinfo=CHICAGO),  # ends in the hour that comes twice
    datetime(2026, 11, 1, 1, 30, tzinfo=CHICAGO),
    datetime(2026, 11, 1, 1, 30, tzinfo=CHICAGO, fold=1),
    datetime(2026, 11, 2, 9, 30, tzinfo=CHICAGO),
    datetime(2027, 3, 14, 1, 30, tzinfo=CHICAGO),  # ends behind the hour that is skipped
    datetime(2027, 3, 14, 3, 0, tzinfo=CHICAGO),
    datetime(2027, 3, 15, 9, 30, tzinfo=CHICAGO),
]


def test_j8_the_feed_survives_the_changes_of_the_clocks_in_an_independent_parser() -> None:
    visits = [visit(at, uid=f"{n}@thecal", minutes=60) for n, at in enumerate(AROUND_THE_CHANGES)]
    assert moments(feed_calendar("All visits", PLACE, visits)) == expected(*visits)


@given(
    st.integers(28_927_000, 34_710_000),  # minutes since 1970: the years 2025 to 2035
    st.integers(1, 480),
    st.sampled_from(["America/Chicago", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"]),
)
@settings(max_examples=60, deadline=None)
def test_every_moment_in_every_zone_is_read_back(at: int, minutes: int, zone: str) -> None:
    place = replace(PLACE, zone=ZoneInfo(zone))
    one = visit(datetime.fromtimestamp(at * 60, UTC), minutes=minutes)
    assert moments(feed_calendar("All visits", place, [one])) == expected(one)


def stated_onsets(body: bytes) -> list[tuple[datetime, timedelta]]:
    """When which offset begins by the VTIMEZONE alone, read as RFC 5545 3.6.5 has it: in the time before the onset."""
    (zone,) = Calendar.from_ical(body).timezones
    return sorted(
        ((part.decoded("dtstart") - part.decoded("tzoffsetfrom")).replace(tzinfo=UTC), part.decoded("tzoffsetto"))
        for part in zone.subcomponents
    )


@given(
    st.integers(28_927_000, 34_710_000), st.sampled_from(["America/Chicago", "Europe/Berlin", "Australia/Lord_Howe"])
)
@settings(max_examples=30, deadline=None)
@example(int(datetime(2027, 3, 14, 3, 30, tzinfo=CHICAGO).timestamp()) // 60, "America/Chicago")
@example(int(datetime(2026, 11, 1, 3, 30, tzinfo=CHICAGO).timestamp()) // 60, "America/Chicago")
def test_the_zone_is_described_in_the_file_itself(at: int, name: str) -> None:
    """Without a database of zones: half a year around a visit, hour by hour, the file states the clinic's offsets."""
    zone = ZoneInfo(name)
    body = feed_calendar("All visits", replace(PLACE, zone=zone), [visit(datetime.fromtimestamp(at * 60, UTC))])
    if b"VTIMEZONE" not in body:
        return
    onsets = stated_onsets(body)
    for hours in range(-4400, 4400, 61):
        utc_s = at * 60 + hours * HOUR_S
        stated = [offset for onset, offset in onsets if onset <= datetime.fromtimestamp(utc_s, UTC)][-1]
        assert stated == datetime.fromtimestamp(utc_s, zone).utcoffset(), (name, utc_s)


def test_a_calendar_of_nothing_is_a_calendar() -> None:
    assert moments(feed_calendar("All visits", PLACE, [])) == []


def test_a_feed_says_no_more_of_a_patient_than_it_must() -> None:
    body = feed_calendar("All visits", PLACE, [visit(AROUND_THE_CHANGES[0], place="home")]).decode()
    (event,) = IcsCalendarStream.calendar_from_ics(body).events
    assert event.summary == "Refill: A.L." and event.location is None and not event.description
    assert event.classification == "PRIVATE"


def test_the_patients_own_file_names_nobody_and_says_whom_to_call() -> None:
    body = visit_calendar(PLACE, visit(AROUND_THE_CHANGES[0]))
    (event,) = IcsCalendarStream.calendar_from_ics(body.decode()).events
    assert event.summary == "Visit at Test clinic, north; wing" and "A.L." not in body.decode()
    assert event.description == "To move this visit call +1 312 555 0100."
    assert event.location == "1 Test Street, Chicago"
    assert moments(body) == expected(visit(AROUND_THE_CHANGES[0]))


def test_no_event_repeats() -> None:
    body = feed_calendar("All visits", PLACE, [visit(at, uid=f"{n}@x") for n, at in enumerate(AROUND_THE_CHANGES)])
    events = body.decode().split("BEGIN:VEVENT")[1:]
    assert len(events) == len(AROUND_THE_CHANGES) and not any("RRULE" in e or "RDATE" in e for e in events)


def test_the_same_visits_give_the_same_bytes() -> None:
    visits = [visit(AROUND_THE_CHANGES[0])]
    assert feed_calendar("All", PLACE, visits) == feed_calendar("All", PLACE, visits)


# The record's side ----------------------------------------------------------------------------------------------------


@pytest.fixture
def world(tmp_path: Any) -> Iterator[ClinicWorld]:
    made = clinic_world(tmp_path)
    yield made
    made.end()


def fetched(world: ClinicWorld, secret: str, now_s: int = NOW_S) -> list[Visit]:
    with world.store.reading() as session:
        feed = feed_of(session, secret)
        assert feed is not None
        return visits_of(session, feed, now_s)


def fed(world: ClinicWorld, person: str = "") -> str:
    made = make_feed(world.house, world.people["desk"], "telephone", person)
    assert isinstance(made[0], Feed) and isinstance(made[1], str)
    return made[1]


def test_a_feed_is_opened_by_its_secret_alone_and_only_the_digest_is_kept(world: ClinicWorld) -> None:
    secret = fed(world)
    with world.store.reading() as session:
        feed = feed_of(session, secret)
        assert feed is not None and secret not in feed.token_digest and len(secret) >= 43
        assert feed_of(session, secret + "x") is None and feed_of(session, "") is None
        assert feed_of(session, feed.token_digest) is None
    with pytest.raises(EditedMeanwhile):
        revoke(world.house, world.people["desk"], feed.id, 9)
    assert isinstance(revoke(world.house, world.people["desk"], feed.id, 1), Feed)
    with world.store.reading() as session:
        assert feed_of(session, secret) is None
    assert isinstance(revoke(world.house, world.people["desk"], feed.id, 2), tuple)


def test_a_feed_is_of_the_clinic_or_of_one_clinician(world: ClinicWorld) -> None:
    patient = world.patient()
    nurse = world.people["nurse"].person_id
    with world.writing() as record:
        first = give_booking(record, patient, NOW_S + DAY_S, person_id=nurse)
        second = give_booking(record, patient, NOW_S + 2 * DAY_S)
    assert [v.uid for v in fetched(world, fed(world))] == [first.uid, second.uid]
    assert [v.uid for v in fetched(world, fed(world, str(nurse)))] == [first.uid]
    assert isinstance(make_feed(world.house, world.people["desk"], "x", "999")[0], type(refusal(world)))


def refusal(world: ClinicWorld) -> Any:
    return make_feed(world.house, world.people["desk"], "", "")[0]


@pytest.mark.parametrize("gone", ["active", "in_feeds"])
def test_j8_removing_a_patient_removes_the_event_at_the_next_refresh(world: ClinicWorld, gone: str) -> None:
    patient, secret = world.patient(), fed(world)
    with world.writing() as record:
        give_booking(record, patient, NOW_S + DAY_S)
    assert len(fetched(world, secret)) == 1
    with world.writing() as record:
        still: dict[str, Any] = {gone: False}
        record.change(record.session.get_one(Patient, patient.id), "left", **still)
    assert fetched(world, secret) == []
    assert moments(feed_calendar("All", PLACE, fetched(world, secret))) == []


def test_a_canceled_visit_is_marked_for_a_time_and_then_gone(world: ClinicWorld) -> None:
    patient, secret = world.patient(), fed(world)
    with world.writing() as record:
        booking = give_booking(record, patient, NOW_S + 30 * DAY_S)
        record.change(booking, "canceled", state="canceled", sequence=1, changed_utc_s=NOW_S)
    body = feed_calendar("All", PLACE, fetched(world, secret)).decode()
    (event,) = IcsCalendarStream.calendar_from_ics(body).events
    assert (event.status and event.status.value, event.sequence, event.uid) == ("CANCELLED", 1, booking.uid)
    assert len(fetched(world, secret, NOW_S + 14 * DAY_S - 1)) == 1
    assert fetched(world, secret, NOW_S + 14 * DAY_S) == []


def test_a_moved_visit_keeps_its_uid_and_raises_its_sequence(world: ClinicWorld) -> None:
    patient, secret = world.patient(), fed(world)
    with world.writing() as record:
        booking = give_booking(record, patient, NOW_S + DAY_S)
    before = feed_calendar("All", PLACE, fetched(world, secret))
    with world.writing() as record:
        row = record.session.get_one(Booking, booking.id)
        record.change(row, "moved", begins_utc_s=NOW_S + 2 * DAY_S, sequence=1, changed_utc_s=NOW_S + HOUR_S)
    after = feed_calendar("All", PLACE, fetched(world, secret))
    (old,), (new,) = (IcsCalendarStream.calendar_from_ics(b.decode()).events for b in (before, after))
    assert (old.uid, old.sequence, new.uid, new.sequence) == (booking.uid, 0, booking.uid, 1)
    assert moments(after)[0][0] - moments(before)[0][0] == timedelta(days=1)


def test_the_clinic_chooses_initials_or_numbers(world: ClinicWorld) -> None:
    patient, secret = world.patient("4711"), fed(world)
    with world.writing() as record:
        give_booking(record, patient, NOW_S + DAY_S)
    assert [v.who for v in fetched(world, secret)] == ["A.L."]
    with world.writing() as record:
        record.change(record.session.query(Clinic).one(), "settings", settings={"desk": {"identify_by": "number"}})
    assert [v.who for v in fetched(world, secret)] == ["4711"]
