"""Bookings, the tasks behind them, and the ladder after a missed visit."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from threading import Barrier, Thread
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from tests.clinic_world import NOW_S, ClinicWorld, clinic_world
from tests.desk_world import HOUR_S, give_booking, give_fill, line_of, plain_order, pump_at_work

from thecal.clinic.desk import bookings, tasks
from thecal.clinic.desk.bookings import Entry, No, State
from thecal.clinic.desk.contacts import Entry as Try
from thecal.clinic.desk.contacts import write_down
from thecal.clinic.desk.days import WhyNoMoment, as_date, day_of, moment_at
from thecal.clinic.desk.lines import refresh
from thecal.clinic.desk.reaching import Entry as Reach
from thecal.clinic.desk.reaching import change_reach
from thecal.clinic.desk.rebooking import entry_of
from thecal.clinic.desk.settings import desk_of
from thecal.clinic.record.tables import Act, Audit, Booking, Clinic, Override, Patient, Person, Preparation, Task
from thecal.clinic.refused import EditedMeanwhile, Refused
from thecal.pump.core.codes import DAY_S
from thecal.quantities import Volume

if TYPE_CHECKING:
    from collections.abc import Iterator

CHICAGO = ZoneInfo("America/Chicago")
TODAY = day_of(NOW_S, CHICAGO)
IN_TIME = Entry(day="2026-10-05", time="09:30", minutes="30")
"""Two weeks on; the pumps here reach their worst case 33 or 40 days on."""


@pytest.fixture
def world(tmp_path: Any) -> Iterator[ClinicWorld]:
    made = clinic_world(tmp_path)
    yield made
    made.end()


def risky(world: ClinicWorld, number: str = "1001", serial: str = "B-1", **more: Any) -> Patient:
    return pump_at_work(world, number, serial, drug="baclofen", strength="500 mcg/mL", dose="200 mcg/day", **more)


def plain(world: ClinicWorld, number: str = "1001", serial: str = "B-1") -> Patient:
    return pump_at_work(world, number, serial, drug="morphine", strength="4 mg/mL", dose="1.6 mg/day")


def booked(world: ClinicWorld, patient: Patient, entry: Entry = IN_TIME) -> Booking:
    made = bookings.book(world.house, world.people["desk"], patient.id, entry)
    assert isinstance(made, Booking), made
    return made


def refused(found: Any) -> list[tuple[str, str]]:
    assert isinstance(found, tuple), found
    return [(r.code, r.field) for r in found]


def all_tasks(world: ClinicWorld) -> list[Task]:
    with world.store.reading() as session:
        return list(session.scalars(select(Task).order_by(Task.due_utc_s, Task.id)))


def at(world: ClinicWorld, now_s: int) -> None:
    world.house.now_s = lambda: now_s


def test_a_visit_is_booked_at_the_clinics_time_and_stands_on_the_board(world: ClinicWorld) -> None:
    patient = risky(world)
    booking = booked(world, patient)
    assert booking.begins_utc_s == int(datetime(2026, 10, 5, 9, 30, tzinfo=CHICAGO).timestamp())
    line = line_of(world, patient)
    assert line is not None and as_date(line.booked_day or 0) == date(2026, 10, 5)
    assert line.shown["booking"]["id"] == booking.id


def test_everything_wrong_with_an_entry_is_said_at_its_field_and_nothing_is_written(world: ClinicWorld) -> None:
    patient = risky(world)
    with world.store.reading() as session:
        links = session.query(Audit).count()
    found = bookings.book(
        world.house, world.people["desk"], patient.id, Entry("tea", "5 Oct", "9.30", "", "", "99", "moon")
    )
    assert refused(found) == [
        (No.KIND, "kind"), (No.PLACE, "place"), (No.MINUTES, "minutes"), (No.CLINICIAN, "person_id"),
        (WhyNoMoment.NOT_A_DAY, "day"),
    ]  # fmt: skip
    with world.store.reading() as session:
        assert session.query(Audit).count() == links


@pytest.mark.parametrize("minutes", ["0", "-5", "481", "1e2", "٣٠", "30.5", ""])
def test_a_length_is_a_whole_number_of_minutes(world: ClinicWorld, minutes: str) -> None:
    found = bookings.book(world.house, world.people["desk"], risky(world).id, replace(IN_TIME, minutes=minutes))
    assert (No.MINUTES, "minutes") in refused(found)


def test_a_time_that_the_clocks_skip_is_refused(world: ClinicWorld) -> None:
    assert refused((moment_at("2027-03-14", "02:30", "", CHICAGO),)) == [(WhyNoMoment.SKIPPED, "time")]
    assert isinstance(moment_at("2027-03-14", "03:00", "", CHICAGO), int)
    entry = replace(IN_TIME, day="2027-03-14", time="02:00", late_reason="the only day")
    assert refused(bookings.book(world.house, world.people["desk"], risky(world).id, entry)) == [
        (WhyNoMoment.SKIPPED, "time")
    ]


def test_a_time_that_comes_twice_is_asked_about(world: ClinicWorld) -> None:
    asked = moment_at("2026-11-01", "01:30", "", CHICAGO)
    assert refused((asked,)) == [(WhyNoMoment.TWICE, "which")]
    first, second = (moment_at("2026-11-01", "01:30", which, CHICAGO) for which in ("first", "second"))
    assert isinstance(first, int) and isinstance(second, int)
    assert (first, second - first) == (int(datetime(2026, 11, 1, 6, 30, tzinfo=UTC).timestamp()), HOUR_S)


def test_a_booking_in_the_second_of_two_hours_is_moved_from_there(world: ClinicWorld) -> None:
    patient = risky(world)
    entry = Entry("other", "2026-11-01", "01:30", "second", "30")
    booking = booked(world, patient, entry)
    with world.store.reading() as session:
        desk = desk_of(session)
    assert entry_of(booking, desk).which == "second"
    assert entry_of(booked(world, patient), desk).which == ""


def test_the_past_is_refused(world: ClinicWorld) -> None:
    found = bookings.book(world.house, world.people["desk"], risky(world).id, replace(IN_TIME, day="2026-09-20"))
    assert refused(found) == [(No.PAST, "time")]


def test_a_refill_is_booked_the_forced_days_before_the_worst_case_or_by_name(world: ClinicWorld) -> None:
    """Worst case on day 40: day 33 is the last by the rule of seven days, day 34 needs a reason."""
    patient = risky(world)
    last = as_date(TODAY + 33)
    late = replace(IN_TIME, day=(last + timedelta(days=1)).isoformat())
    found = bookings.book(world.house, world.people["desk"], patient.id, late)
    assert refused(found) == [(No.TOO_LATE, "late_reason")]
    assert (
        isinstance(found, tuple)
        and f"{last.day} {last:%b %Y} or earlier: 7 days before the worst case" in found[0].allowed
    )
    booked(world, patient, replace(late, late_reason="The patient is abroad until then"))
    with world.store.reading() as session:
        override = session.query(Override).one()
    assert (override.finding, override.reason) == (No.TOO_LATE, "The patient is abroad until then")
    assert override.by_person == world.people["desk"].person_id
    with world.writing() as record:
        refresh(record, patient.id)


def test_on_the_last_day_of_the_rule_no_reason_is_needed(world: ClinicWorld) -> None:
    booked(world, risky(world), replace(IN_TIME, day=as_date(TODAY + 33).isoformat()))
    with world.store.reading() as session:
        assert session.query(Override).count() == 0


def test_the_clinic_may_force_more_days_and_fewer_only_with_a_reason(world: ClinicWorld) -> None:
    patient = risky(world)
    with world.writing() as record:
        clinic = record.session.query(Clinic).one()
        record.change(clinic, "settings", settings={"desk": {"book_before_days": 10}})
    entry = replace(IN_TIME, day=as_date(TODAY + 31).isoformat())
    assert refused(bookings.book(world.house, world.people["desk"], patient.id, entry)) == [
        (No.TOO_LATE, "late_reason")
    ]
    from thecal.clinic.desk.settings import DeskSettings

    with pytest.raises(ValueError, match="at least 7"):
        DeskSettings(book_before_days=6)
    assert DeskSettings(book_before_days=3, book_before_reason="refills at home, weekly").book_before_days == 3


def test_a_pump_without_a_known_date_is_booked_by_name(world: ClinicWorld) -> None:
    patient = world.patient()
    with world.writing() as record:
        refresh(record, patient.id)
    found = bookings.book(world.house, world.people["desk"], patient.id, IN_TIME)
    assert refused(found) == [(No.TOO_LATE, "late_reason")]
    booked(world, patient, replace(IN_TIME, late_reason="first reading at that visit"))


def test_two_visits_of_one_clinician_at_once_are_warned_about(world: ClinicWorld) -> None:
    nurse = str(world.people["nurse"].person_id)
    first, second = risky(world), plain(world, "2", "B-2")
    booked(world, first, replace(IN_TIME, person_id=nurse, minutes="45"))
    over = replace(IN_TIME, person_id=nurse, time="10:00")
    assert refused(bookings.book(world.house, world.people["desk"], second.id, over)) == [(No.CLASH, "clash")]
    booked(world, second, replace(over, clash="yes"))
    third = plain(world, "3", "B-3")
    booked(world, third, replace(over, time="10:30"))  # begins where the other one ends


def test_two_at_the_same_instant_do_not_both_take_the_clinicians_time(world: ClinicWorld) -> None:
    nurse = str(world.people["nurse"].person_id)
    patients = [risky(world, str(n), f"B-{n}") for n in (1, 2, 3)]
    barrier, made = Barrier(3), []

    def one(patient: Patient) -> None:
        barrier.wait()
        made.append(bookings.book(world.house, world.people["desk"], patient.id, replace(IN_TIME, person_id=nurse)))

    threads = [Thread(target=one, args=(p,)) for p in patients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(m, Booking) for m in made) == 1
    assert sum(isinstance(m, tuple) and m[0].code is No.CLASH for m in made) == 2


def test_one_refill_of_a_patient_at_a_time(world: ClinicWorld) -> None:
    patient = risky(world)
    booked(world, patient)
    found = bookings.book(world.house, world.people["desk"], patient.id, replace(IN_TIME, day="2026-10-06"))
    assert refused(found) == [(No.TWICE, "")]


def test_moving_keeps_the_identity_and_raises_the_sequence(world: ClinicWorld) -> None:
    patient = risky(world)
    booking = booked(world, patient)
    moved = bookings.move(
        world.house, world.people["desk"], booking.id, booking.revision, replace(IN_TIME, day="2026-10-12")
    )
    assert isinstance(moved, Booking)
    assert (moved.uid, moved.sequence, moved.state) == (booking.uid, 1, State.BOOKED)
    line = line_of(world, patient)
    assert line is not None and as_date(line.booked_day or 0) == date(2026, 10, 12)
    with world.store.reading() as session:
        act = session.scalars(select(Act).where(Act.subject_kind == "booking", Act.kind == "moved")).one()
    assert act.details["from_utc_s"] == booking.begins_utc_s


def test_two_who_move_the_same_visit_do_not_overwrite_each_other(world: ClinicWorld) -> None:
    booking = booked(world, risky(world))
    bookings.move(world.house, world.people["desk"], booking.id, 1, replace(IN_TIME, day="2026-10-12"))
    with pytest.raises(EditedMeanwhile):
        bookings.move(world.house, world.people["nurse"], booking.id, 1, replace(IN_TIME, day="2026-10-13"))
    with pytest.raises(EditedMeanwhile):
        bookings.cancel(world.house, world.people["nurse"], booking.id, 1, "does not suit")


def test_the_countdown_of_the_drug_follows_a_move(world: ClinicWorld) -> None:
    patient = risky(world)
    with world.writing() as record:
        give_fill(record, patient, "B-1", NOW_S - DAY_S, filled="18", left="0")
        amounts = {"volume": Volume.parse("20 mL"), "overfill": Volume.parse("1 mL")}
        record.keep(
            Preparation(patient_id=patient.id, mixture_id=1, diluent="", state="ordered", needed_by=date(2026, 10, 1),
                **amounts)
        )  # fmt: skip
    booking = booked(world, patient)
    line = line_of(world, patient)
    assert line is not None and line.shown["order"]["needed_by"] == "2026-10-05"
    moved = bookings.move(world.house, world.people["desk"], booking.id, 1, replace(IN_TIME, day="2026-10-12"))
    assert isinstance(moved, Booking), moved
    line = line_of(world, patient)
    assert line is not None and line.shown["order"]["needed_by"] == "2026-10-12"
    with world.store.reading() as session:
        acts = session.scalars(select(Act).where(Act.subject_kind == "preparation", Act.kind == "needed-by moved"))
        assert [a.details["was"] for a in acts] == ["2026-10-01", "2026-10-05"]


def test_j8_canceling_a_visit_without_a_new_one_raises_a_task_at_once(world: ClinicWorld) -> None:
    patient = risky(world)
    booking = booked(world, patient)
    found = bookings.cancel(world.house, world.people["desk"], booking.id, 1, "The patient is in hospital")
    assert isinstance(found, Booking) and found.state == State.CANCELED and found.sequence == 1
    (task,) = all_tasks(world)
    assert (task.kind, task.for_role, task.state, task.patient_id) == ("rebook", "nurse", "planned", patient.id)
    assert task.due_utc_s == NOW_S + 4 * HOUR_S and "The patient is in hospital" in task.text
    with world.store.reading() as session:
        acts = session.scalars(select(Act).where(Act.patient_id == patient.id).order_by(Act.id.desc()).limit(2)).all()
    assert {a.kind for a in acts} == {"made", "canceled"}
    booked(world, patient, replace(IN_TIME, day="2026-10-07"))
    assert [t.state for t in all_tasks(world)] == ["stopped"]


def test_canceling_where_another_visit_is_booked_raises_no_task(world: ClinicWorld) -> None:
    patient = plain(world)
    booking = booked(world, patient)
    with world.writing() as record:
        give_booking(record, patient, NOW_S + 10 * DAY_S)
    bookings.cancel(world.house, world.people["desk"], booking.id, 1, "booked twice")
    assert all_tasks(world) == []


@pytest.mark.parametrize("why", ["", "  ", "no", "x" * 401])
def test_canceling_needs_a_reason(world: ClinicWorld, why: str) -> None:
    booking = booked(world, plain(world))
    assert refused(bookings.cancel(world.house, world.people["desk"], booking.id, 1, why)) == [(No.REASON, "why")]
    assert all_tasks(world) == []


def test_nothing_is_marked_before_its_time_and_nothing_twice(world: ClinicWorld) -> None:
    booking = booked(world, plain(world))
    desk = world.people["desk"]
    assert refused(bookings.mark(world.house, desk, booking.id, 1, State.MISSED)) == [(No.NOT_YET, "")]
    at(world, booking.begins_utc_s)
    assert isinstance(bookings.mark(world.house, desk, booking.id, 1, State.ATTENDED), Booking)
    assert refused(bookings.mark(world.house, desk, booking.id, 2, State.MISSED)) == [(No.OVER, "")]
    assert refused(bookings.cancel(world.house, desk, booking.id, 2, "too late now")) == [(No.OVER, "")]
    assert refused(bookings.mark(world.house, desk, 999, 1, State.MISSED)) == [(No.NO_BOOKING, "")]


def climbed(world: ClinicWorld, patient: Patient) -> tuple[Booking, list[tuple[float, str, str]]]:
    """A visit that nobody came to, and when each task came up, in hours after it."""
    booking = booked(world, patient)
    seen: list[tuple[float, str, str]] = []
    for half_hours in range(110):
        now = booking.begins_utc_s + half_hours * HOUR_S // 2
        at(world, now)
        tasks.tasks_due(world.house)
        seen += [(half_hours / 2, t.for_role, t.text) for t in all_tasks(world)[len(seen) :]]
    return booking, seen


@pytest.mark.requirement("IT-15")
def test_j8_a_missed_visit_climbs_the_ladder_at_its_times_with_a_person_call_and_a_home_visit(
    world: ClinicWorld,
) -> None:
    booking, seen = climbed(world, risky(world))
    assert [(hours, role) for hours, role, _ in seen] == [
        (2, "nurse"), (2, "desk"), (24, "desk"), (24, "nurse"), (48, "physician"),
    ]  # fmt: skip
    texts = [text for _, _, text in seen]
    assert texts[0].startswith("Call in person") and any("at home" in text for text in texts)
    with world.store.reading() as session:
        assert session.get_one(Booking, booking.id).state == State.MISSED


def test_the_ladder_of_somebody_at_low_risk_has_no_rungs_for_high_risk(world: ClinicWorld) -> None:
    _, seen = climbed(world, plain(world))
    assert [(hours, role) for hours, role, _ in seen] == [(2, "desk"), (24, "desk"), (48, "physician")]


def test_a_mark_of_missed_begins_the_ladder_at_once(world: ClinicWorld) -> None:
    booking = booked(world, risky(world))
    at(world, booking.begins_utc_s + 600)
    bookings.mark(world.house, world.people["desk"], booking.id, 1, State.MISSED)
    tasks.tasks_due(world.house)
    assert [t.for_role for t in all_tasks(world)] == ["nurse"]


def test_a_leap_of_the_clock_raises_every_rung_once(world: ClinicWorld) -> None:
    booking = booked(world, risky(world))
    at(world, booking.begins_utc_s + 9 * DAY_S)
    tasks.tasks_due(world.house)
    tasks.tasks_due(world.house)
    assert len(all_tasks(world)) == 5 and len({t.raised_by for t in all_tasks(world)}) == 5


def test_a_new_booking_ends_the_ladder(world: ClinicWorld) -> None:
    patient = risky(world)
    booking = booked(world, patient)
    at(world, booking.begins_utc_s + 3 * HOUR_S)
    tasks.tasks_due(world.house)
    assert {t.state for t in all_tasks(world)} == {"planned"}
    booked(world, patient, replace(IN_TIME, day="2026-10-08"))
    at(world, booking.begins_utc_s + 50 * HOUR_S)
    tasks.tasks_due(world.house)
    assert [t.state for t in all_tasks(world)] == ["stopped", "stopped"]


def test_the_ladder_is_the_clinics_own(world: ClinicWorld) -> None:
    with world.writing() as record:
        ladder = [{"after_hours": 1, "what": "Send the taxi", "role": "desk"}]
        record.change(record.session.query(Clinic).one(), "settings", settings={"desk": {"ladder": ladder}})
    _, seen = climbed(world, risky(world))
    assert seen == [(2, "desk", "Send the taxi")]


def test_a_visit_that_a_fill_shows_was_attended(world: ClinicWorld) -> None:
    patient = risky(world)
    booking = booked(world, patient)
    with world.writing() as record:
        give_fill(record, patient, "B-1", booking.begins_utc_s + 600, filled="18", left="0")
    at(world, booking.begins_utc_s + 9 * HOUR_S)
    tasks.tasks_due(world.house)
    with world.store.reading() as session:
        assert session.get_one(Booking, booking.id).state == State.ATTENDED
    assert all_tasks(world) == []


def test_tasks_become_late_and_missed_and_can_still_be_done(world: ClinicWorld) -> None:
    booking = booked(world, plain(world))
    bookings.cancel(world.house, world.people["desk"], booking.id, 1, "the patient called")
    (task,) = all_tasks(world)
    for after, state in ((0, "planned"), (1, "late"), (7 * DAY_S, "late"), (7 * DAY_S + 1, "missed")):
        at(world, task.due_utc_s + after)
        tasks.tasks_due(world.house)
        assert [t.state for t in all_tasks(world)] == [state]
    assert tasks.tasks_due(world.house) == 0
    seen = all_tasks(world)[0].revision
    done = tasks.finish(world.house, world.people["desk"], task.id, seen, "booked by telephone")
    assert isinstance(done, Task) and done.state == "done"


def test_a_task_is_for_a_role_and_is_taken_by_a_person(world: ClinicWorld) -> None:
    booking = booked(world, plain(world))
    bookings.cancel(world.house, world.people["desk"], booking.id, 1, "the patient called")
    (task,) = all_tasks(world)
    assert refused(tasks.take(world.house, world.people["nurse"], task.id, 1)) == [(tasks.No.NOT_YOURS, "")]
    taken = tasks.take(world.house, world.people["desk"], task.id, 1)
    assert isinstance(taken, Task) and taken.taken_by == world.people["desk"].person_id
    with pytest.raises(EditedMeanwhile):
        tasks.take(world.house, world.people["desk2"], task.id, 1)
    assert refused(tasks.finish(world.house, world.people["desk"], task.id, 2, "")) == [(tasks.No.REASON, "note")]
    assert isinstance(tasks.stop(world.house, world.people["desk"], task.id, 2, "moved away"), Task)
    assert refused(tasks.finish(world.house, world.people["desk"], task.id, 3, "done")) == [(tasks.No.OVER, "")]


def test_a_try_is_kept_and_stands_on_the_board(world: ClinicWorld) -> None:
    patient = risky(world)
    made = write_down(world.house, world.people["desk"], patient.id, Try("call", "refill", "no answer", "at noon"))
    assert not isinstance(made, tuple)
    at(world, NOW_S + HOUR_S)
    write_down(world.house, world.people["nurse"], patient.id, Try("call", "refill", "reached", ""))
    line = line_of(world, patient)
    assert line is not None
    assert line.shown["contact"] == {"tries": 2, "outcome": "reached", "way": "call", "at_utc_s": NOW_S + HOUR_S}
    found = write_down(world.house, world.people["desk"], patient.id, Try("pigeon", "", "eaten", "x" * 401))
    assert [field for _, field in refused(found)] == ["way", "about", "outcome", "note"]


def test_risks_that_the_desk_enters_stand_on_the_board_in_the_same_transaction(world: ClinicWorld) -> None:
    patient = plain(world)
    entry = Reach("+1 312 555", "Polish", "far away\n\n deep implant ", "no")
    made = change_reach(world.house, world.people["desk"], patient.id, 1, entry)
    assert isinstance(made, Patient) and not made.in_feeds
    line = line_of(world, patient)
    assert line is not None and line.shown["risks"] == ["far away", "deep implant", "language: Polish"]
    with pytest.raises(EditedMeanwhile):
        change_reach(world.house, world.people["nurse"], patient.id, 1, Reach("", "English", "", "yes"))
    wrong = change_reach(world.house, world.people["desk"], patient.id, 2, Reach("\x00", "", "x" * 90, "maybe"))
    assert [field for _, field in refused(wrong)] == ["phone", "language", "risks", "in_feeds"]


def test_a_worse_reading_behind_a_booking_brings_the_patient_to_the_top(world: ClinicWorld) -> None:
    from tests.desk_world import give_reading

    from thecal.clinic.desk.board import Asked, Band, board

    patient = risky(world)
    booked(world, patient, replace(IN_TIME, day=as_date(TODAY + 30).isoformat()))
    with world.writing() as record:
        give_reading(record, patient, "B-1", level="10", read_utc_s=NOW_S)
        refresh(record, patient.id)
    with world.store.reading() as session:
        (row,) = board(session, Asked(), NOW_S).rows
    assert (row.band is Band.NOW and row.why == ("the date has come",)) or "booked too late" in row.why


def test_somebody_who_has_left_is_not_booked(world: ClinicWorld) -> None:
    patient = plain(world)
    with world.writing() as record:
        record.change(record.session.get_one(Patient, patient.id), "left", active=False)
        record.change(record.session.query(Person).filter_by(login="nurse").one(), "left", active=False)
    nurse = str(world.people["nurse"].person_id)
    found = bookings.book(world.house, world.people["desk"], patient.id, replace(IN_TIME, person_id=nurse))
    assert refused(found) == [(No.NO_PATIENT, "")]


def test_an_order_text_of_the_desks_tests_is_an_order(world: ClinicWorld) -> None:
    assert "baclofen" in plain_order(world.patient(), "B-1", "baclofen", "500 mcg/mL", "200 mcg/day")


def test_a_refusal_says_what_to_do_next() -> None:
    found = moment_at("soon", "09:00", "", CHICAGO)
    assert isinstance(found, Refused) and found.then
