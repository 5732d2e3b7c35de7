"""The desk's pages: visits, tasks, tries to reach people, field notices, calendar feeds."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from ical.calendar_stream import IcsCalendarStream
from sqlalchemy import select
from tests.clinic_world import NOW_S, ClinicWorld, clinic_world
from tests.desk_world import line_of, pump_at_work

from thecal.clinic.desk.setting import NUMBERS
from thecal.clinic.record.tables import Booking, Feed, FieldNotice, Patient, Task
from thecal.web.fetching import Fetches

if TYPE_CHECKING:
    from collections.abc import Iterator

VISIT = {"kind": "refill", "day": "2026-10-05", "time": "09:30", "minutes": "30", "place": "clinic"}


@pytest.fixture
def world(tmp_path: Any) -> Iterator[ClinicWorld]:
    made = clinic_world(tmp_path)
    yield made
    made.end()


def at_work(world: ClinicWorld, **more: Any) -> Patient:
    return pump_at_work(world, drug="baclofen", strength="500 mcg/mL", dose="200 mcg/day", **more)


def posted(world: ClinicWorld, address: str, role: str = "desk", **form: str) -> Any:
    return world.client(role).post(address, data=form)


def booked(world: ClinicWorld, patient: Patient, **more: str) -> Booking:
    answer = posted(world, "/bookings/new", patient=str(patient.id), **{**VISIT, **more})
    assert answer.status_code == 303, answer.text
    with world.store.reading() as session:
        return session.get_one(Booking, int(answer.headers["location"].rsplit("/", 1)[1]))


def test_a_visit_is_booked_shown_moved_and_canceled(world: ClinicWorld) -> None:
    patient = at_work(world)
    booking = booked(world, patient)
    page = world.client("physician").get(f"/bookings/{booking.id}").text
    assert "5 Oct 2026 09:30" in page and "Cancel the visit" not in page
    moved = {**VISIT, "day": "2026-10-06", "revision": "1"}
    assert posted(world, f"/bookings/{booking.id}/move", **moved).status_code == 303
    again = posted(world, f"/bookings/{booking.id}/move", **moved)
    assert again.status_code == 409 and "Changed meanwhile" in again.text
    short = posted(world, f"/bookings/{booking.id}/cancel", revision="2", note="")
    assert short.status_code == 422 and "no reason" in short.text
    assert posted(world, f"/bookings/{booking.id}/cancel", revision="2", note="in hospital").status_code == 303
    late = posted(world, f"/bookings/{booking.id}/cancel", revision="3", note="in hospital")
    assert late.status_code == 409 and "a visit that is canceled" in late.text
    page = world.client("nurse").get("/tasks").text
    assert "canceled without a new one: in hospital" in page and "○ planned" in page


def test_a_wrong_form_comes_back_with_what_was_entered_and_a_message_at_each_field(world: ClinicWorld) -> None:
    patient = at_work(world)
    answer = posted(world, "/bookings/new", patient=str(patient.id), day="tomorrow", time="25:00", minutes="x")
    assert answer.status_code == 422
    for kept in ('value="tomorrow"', 'value="25:00"', 'value="x"'):
        assert kept in answer.text
    assert answer.text.count('aria-invalid="true"') == 4
    assert posted(world, "/bookings/new", patient=str(patient.id), day="x" * 2001).status_code == 422


def test_a_form_opens_empty(world: ClinicWorld) -> None:
    page = world.client("desk").get(f"/bookings/new?patient={at_work(world).id}").text
    for name in ("day", "time", "minutes"):
        assert re.search(rf'name="{name}"[^>]*value=""', page), name


def test_what_is_asked_about_appears_at_its_field(world: ClinicWorld) -> None:
    patient = at_work(world)
    late = {**VISIT, "day": "2026-10-27", "patient": str(patient.id)}
    answer = posted(world, "/bookings/new", **late)
    assert answer.status_code == 422 and 'name="late_reason"' in answer.text
    assert posted(world, "/bookings/new", **late, late_reason="abroad until then").status_code == 303
    twice = {**VISIT, "kind": "other", "day": "2026-11-01", "time": "01:15", "patient": str(patient.id)}
    answer = posted(world, "/bookings/new", **twice)
    assert answer.status_code == 422 and 'name="which"' in answer.text
    assert posted(world, "/bookings/new", **twice, which="second").status_code == 303


def test_a_patient_who_came_or_did_not(world: ClinicWorld) -> None:
    patient = at_work(world)
    booking = booked(world, patient)
    early = posted(world, f"/bookings/{booking.id}/missed", revision="1")
    assert early.status_code == 409 and "a visit whose time has come" in early.text
    world.house.now_s = lambda: booking.begins_utc_s + 1800
    page = world.client("desk").get(f"/bookings/{booking.id}").text
    assert "The patient did not come" in page
    assert posted(world, f"/bookings/{booking.id}/missed", revision="1").status_code == 303
    with world.store.reading() as session:
        tasks = list(session.scalars(select(Task)))
    assert [t.for_role for t in tasks] == ["nurse"]
    page = world.client("nurse").get(f"/contacts/{patient.id}").text
    assert "A person has to call" in page and "Book a visit at home" in page


def test_tasks_are_taken_and_done_by_their_role(world: ClinicWorld) -> None:
    booking = booked(world, at_work(world))
    posted(world, f"/bookings/{booking.id}/cancel", revision="1", note="in hospital")
    assert posted(world, "/tasks/1/take", revision="1").status_code == 409
    assert posted(world, "/tasks/1/take", "nurse", revision="1").status_code == 303
    assert posted(world, "/tasks/1/done", "nurse", revision="1", note="called").status_code == 409
    empty = posted(world, "/tasks/1/done", "nurse", revision="2", note="")
    assert empty.status_code == 422 and 'aria-invalid="true"' in empty.text
    assert posted(world, "/tasks/1/done", "nurse", revision="2", note="called, new time").status_code == 303
    assert "There is nothing to do here" in world.client("nurse").get("/tasks").text
    assert "✓ done" in world.client("nurse").get("/tasks?state=done&role=nurse").text


def test_a_try_and_the_way_to_reach_a_patient(world: ClinicWorld) -> None:
    patient = at_work(world)
    assert posted(world, f"/contacts/{patient.id}", way="call", about="refill", outcome="reached").status_code == 303
    wrong = posted(world, f"/contacts/{patient.id}", way="pigeon", note="kept words")
    assert wrong.status_code == 422 and "kept words" in wrong.text and wrong.text.count('aria-invalid="true"') == 3
    form = {
        "phone": "+1 312 555 0101",
        "language": "Polish",
        "risks": "deep implant",
        "in_feeds": "no",
        "revision": "1",
    }
    assert posted(world, f"/contacts/{patient.id}/reach", **form).status_code == 303
    assert posted(world, f"/contacts/{patient.id}/reach", **form).status_code == 409
    line = line_of(world, patient)
    assert line is not None and line.shown["risks"] == ["deep implant", "language: Polish"]
    assert "deep implant" in world.client("physician").get(f"/contacts/{patient.id}").text


def test_a_field_notice_from_its_entry_to_its_end(world: ClinicWorld) -> None:
    patient = at_work(world, software="1.3")
    form = {"title": "Motor stall", "source": "Maker FN-7", "published_on": "2026-09-01", "action": "Read the pump"}
    nothing = posted(world, "/notices/new", "engineer", **form)
    assert nothing.status_code == 422 and "Motor stall" in nothing.text
    made = posted(world, "/notices/new", "engineer", **form, softwares="1.3\n1.4")
    assert made.status_code == 303
    address = made.headers["location"]
    assert "Lindqvist" in world.client("nurse").get(address).text
    assert "Motor stall" in world.client("nurse").get("/board?only=notice").text
    short = posted(world, f"{address}/handle", "nurse", patient=str(patient.id), how="")
    assert short.status_code == 422
    left = posted(world, f"{address}/close", "engineer", revision="1", note="")
    assert left.status_code == 422 and "1 not dealt with" in left.text
    done = posted(world, f"{address}/handle", "nurse", patient=str(patient.id), how="Log read, no stall")
    assert done.status_code == 303
    assert posted(world, f"{address}/close", "engineer", revision="1", note="").status_code == 303
    page = world.client("administrator").get(address).text
    assert "✓ Log read, no stall" in page and "Nurse One" in page and "Closed" in page
    with world.store.reading() as session:
        assert not session.get_one(FieldNotice, 1).open


def new_feed(world: ClinicWorld, **form: str) -> str:
    answer = posted(world, "/feeds", **{"name": "telephone", **form})
    found = re.search(r"/calendar/([\w-]+)\.ics", answer.text)
    assert answer.status_code == 200 and found is not None, answer.text
    return found.group(0)


def test_the_address_of_a_feed_is_shown_once(world: ClinicWorld) -> None:
    address = new_feed(world)
    assert address not in world.client("desk").get("/feeds").text
    assert posted(world, "/feeds", name="").status_code == 422


def test_a_feed_is_fetched_without_signing_in_and_says_when_nothing_changed(world: ClinicWorld) -> None:
    address = new_feed(world)
    patient = at_work(world)
    booking = booked(world, patient)
    anybody = world.client(None)
    first = anybody.get(address)
    assert first.status_code == 200 and first.headers["content-type"].startswith("text/calendar")
    (event,) = IcsCalendarStream.calendar_from_ics(first.text).events
    assert event.uid == booking.uid and event.summary == "Refill: A.L." and "baclofen" not in first.text
    assert event.dtstart.astimezone(UTC) == datetime.fromtimestamp(booking.begins_utc_s, UTC)  # type: ignore[union-attr]
    tag = first.headers["etag"]
    assert anybody.get(address, headers={"if-none-match": tag}).status_code == 304
    with world.writing() as record:
        record.change(record.session.get_one(Patient, patient.id), "left", active=False)
    second = anybody.get(address, headers={"if-none-match": tag})
    assert second.status_code == 200 and "BEGIN:VEVENT" not in second.text


def test_a_feed_that_has_ended_and_an_address_that_is_none_answer_alike(world: ClinicWorld) -> None:
    address = new_feed(world)
    assert posted(world, "/feeds/1/end", revision="1").status_code == 303
    assert posted(world, "/feeds/1/end", revision="1").status_code == 409
    ended, never = world.client(None).get(address), world.client(None).get("/calendar/nothing.ics")
    assert (ended.status_code, ended.text) == (never.status_code, never.text) == (404, ended.text)


def test_a_feed_is_rationed(world: ClinicWorld) -> None:
    client = world.client(None)
    world.house.machine_s = lambda: 6_000_000
    codes = [client.get("/calendar/nothing.ics").status_code for _ in range(Fetches.MOST + 2)]
    assert codes == [404] * Fetches.MOST + [429, 429]
    world.house.machine_s = lambda: 6_000_000 + Fetches.WINDOW_S
    assert client.get("/calendar/nothing.ics").status_code == 404


def test_the_ration_keeps_no_more_addresses_than_it_may() -> None:
    fetches = Fetches()
    for number in range(Fetches.ADDRESSES + 5):
        assert fetches.may(str(number), 0)
    assert len(fetches._seen) == Fetches.ADDRESSES


def test_the_patients_file_of_one_visit(world: ClinicWorld) -> None:
    booking = booked(world, at_work(world))
    answer = world.client("desk").get(f"/bookings/{booking.id}/visit.ics")
    assert answer.headers["content-disposition"] == f'attachment; filename="visit-{booking.id}.ics"'
    (event,) = IcsCalendarStream.calendar_from_ics(answer.text).events
    assert event.summary == "Visit at Test clinic"
    assert world.client(None).get(f"/bookings/{booking.id}/visit.ics").status_code == 303


@pytest.mark.parametrize(
    "address",
    [
        "/bookings/99",
        "/bookings/99/visit.ics",
        "/contacts/99",
        "/notices/99",
        "/bookings/new",
        "/bookings/new?patient=x",
    ],
)
def test_what_is_not_there(world: ClinicWorld, address: str) -> None:
    assert world.client("nurse" if "notices" in address else "desk").get(address).status_code == 404


@pytest.mark.parametrize(
    "address", ["/bookings?day=nonsense&person=x&page=0", "/tasks?role=x&state=y", "/notices?page=x"]
)
def test_whatever_is_asked_of_a_list_is_answered(world: ClinicWorld, address: str) -> None:
    assert world.client("desk").get(address).status_code == 200


def test_only_what_the_table_allows(world: ClinicWorld) -> None:
    patient = at_work(world)
    assert posted(world, "/bookings/new", "physician", patient=str(patient.id), **VISIT).status_code == 403
    assert posted(world, "/notices/new", "nurse").status_code == 403
    assert posted(world, "/feeds", "nurse").status_code == 403
    assert posted(world, f"/contacts/{patient.id}", "engineer").status_code == 403
    assert world.client("pharmacist").get("/bookings").status_code == 403
    with world.store.reading() as session:
        assert session.query(Booking).count() == session.query(Feed).count() == 0


def test_pages_of_bookings(world: ClinicWorld) -> None:
    patient = at_work(world)
    with world.writing() as record:
        from tests.desk_world import give_booking

        for number in range(51):
            give_booking(record, patient, NOW_S + 3600 * (number + 1), kind="other")
    page = world.client("desk").get("/bookings").text
    assert "Page 1 of 2" in page and 'rel="next"' in page
    assert "Page 2 of 2" in world.client("desk").get("/bookings?page=2").text


def test_the_clinics_own_settings_hold_at_once_and_wrong_ones_come_back(world: ClinicWorld) -> None:
    patient = at_work(world)
    client = world.client("administrator")
    page = client.get("/site/desk").text
    form = {name: re.search(rf'name="{name}"[^>]*value="([^"]*)"', page)[1] for name in NUMBERS}  # type: ignore[index]
    ladder = "0; nurse; high risk; Call in person\n24; desk; Call again"
    form |= {"identify_by": "number", "ladder": ladder, "revision": "1", "book_within_days": "40"}
    assert client.post("/site/desk", data=form).status_code == 303
    assert client.post("/site/desk", data=form).status_code == 409
    assert "■" in (world.client("desk").get("/board?band=now&find=lindqvist").text) and patient.id
    assert 'id="p1"' in world.client("desk").get("/board?band=now").text
    kept = client.get("/site/desk").text
    assert ladder in kept.replace("\r", "")
    wrong = {
        **form,
        "revision": "2",
        "book_before_days": "3",
        "soon_days": "x",
        "ladder": "soon; nobody",
        "identify_by": "",
    }
    answer = client.post("/site/desk", data=wrong)
    assert answer.status_code == 422 and answer.text.count("&#9650; Found") == 4
    assert client.post("/site/desk", data={**form, "revision": "2", "later_days": "5"}).status_code == 422
    assert world.client("desk").get("/site/desk").status_code == 403
