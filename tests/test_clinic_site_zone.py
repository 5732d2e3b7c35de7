"""The clinic's zone changes while visits are booked: nothing moves unsaid, and the board follows whatever happens."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from tests.clinic_world import NOW_S, ClinicWorld, clinic_world
from tests.desk_world import give_booking, line_of, pump_at_work
from tests.test_clinic_site import FACTS, the_clinic

from thecal.clinic import site
from thecal.clinic.desk.feeds import make_feed, visits_of
from thecal.clinic.desk.lines import refresh, refresh_behind
from thecal.clinic.desk.tasks import tasks_due
from thecal.clinic.record.tables import BoardLine, Booking, Clinic, Feed
from thecal.clinic.site import SiteFault, change_site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY_S = 86_400
CHICAGO, BERLIN = ZoneInfo("America/Chicago"), ZoneInfo("Europe/Berlin")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ClinicWorld]:
    made = clinic_world(tmp_path)
    yield made
    made.end()


def at(day: int, hour: int, zone: ZoneInfo = CHICAGO, month: int = 10) -> int:
    return int(datetime(2026, month, day, hour, 30, tzinfo=zone).timestamp())


def changed(world: ClinicWorld, zone: str, stays: str = "") -> Clinic | tuple[object, ...]:
    admin, facts = world.people["administrator"], replace(FACTS, zone=zone)
    return change_site(world.house, admin, facts, "a4", the_clinic(world).revision, stays=stays)


def booked(world: ClinicWorld, begins_utc_s: int) -> int:
    patient = pump_at_work(world)
    with world.writing() as record:
        booking = give_booking(record, patient, begins_utc_s)
        refresh(record, patient.id)
    return booking.id


def begins(world: ClinicWorld, booking_id: int) -> Booking:
    with world.house.reading() as db:
        return db.get_one(Booking, booking_id)


def test_visits_to_come_are_asked_about_and_nothing_is_changed(world: ClinicWorld) -> None:
    number = booked(world, at(5, 9))
    found = changed(world, "Europe/Berlin")
    assert isinstance(found, tuple)
    assert [(r.code, r.field) for r in found] == [(SiteFault.BOOKINGS, "stays")]  # type: ignore[attr-defined]
    assert the_clinic(world).zone == "America/Chicago"
    assert begins(world, number).begins_utc_s == at(5, 9)


def test_a_name_is_changed_without_being_asked(world: ClinicWorld) -> None:
    booked(world, at(5, 9))
    assert isinstance(changed(world, "America/Chicago"), Clinic)


def test_their_time_on_the_wall_stays_and_calendars_are_told(world: ClinicWorld) -> None:
    number = booked(world, at(5, 9))
    assert isinstance(changed(world, "Europe/Berlin", "wall"), Clinic)
    now = begins(world, number)
    assert (now.begins_utc_s, now.sequence) == (at(5, 9, BERLIN), 1)


def test_their_moment_stays(world: ClinicWorld) -> None:
    number = booked(world, at(5, 22))
    assert isinstance(changed(world, "Europe/Berlin", "moment"), Clinic)
    now = begins(world, number)
    assert (now.begins_utc_s, now.sequence) == (at(5, 22), 0)
    patient_id = now.patient_id
    with world.house.reading() as db:
        line = db.get_one(BoardLine, patient_id)
    assert line.booked_day == (datetime(2026, 10, 6, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days


def test_a_time_that_the_new_zone_skips_is_the_one_behind_the_change(world: ClinicWorld) -> None:
    skipped = int(datetime(2027, 3, 28, 2, 30, tzinfo=CHICAGO).timestamp())
    number = booked(world, skipped)
    assert isinstance(changed(world, "Europe/Berlin", "wall"), Clinic)
    wall = datetime.fromtimestamp(begins(world, number).begins_utc_s, BERLIN)
    assert (wall.day, wall.hour, wall.minute) == (28, 3, 30)


def test_visits_that_were_stay_where_they_were(world: ClinicWorld) -> None:
    number = booked(world, NOW_S - DAY_S)
    assert isinstance(changed(world, "Europe/Berlin"), Clinic)
    assert begins(world, number).begins_utc_s == NOW_S - DAY_S


def test_a_feed_tells_the_new_moment_under_the_same_identity(world: ClinicWorld) -> None:
    number = booked(world, at(5, 9))
    made = make_feed(world.house, world.people["desk"], "All", "")
    assert isinstance(made[0], Feed)
    with world.house.reading() as db:
        before = visits_of(db, made[0], NOW_S)
    changed(world, "Europe/Berlin", "wall")
    with world.house.reading() as db:
        after = visits_of(db, made[0], NOW_S)
    assert [v.uid for v in before] == [v.uid for v in after] == [begins(world, number).uid]
    assert (after[0].begins_utc_s, after[0].sequence) == (at(5, 9, BERLIN), before[0].sequence + 1)


def test_a_kill_behind_the_change_leaves_a_board_that_the_next_round_makes_anew(
    world: ClinicWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = pump_at_work(world)
    before = line_of(world, patient)

    def killed(_practice: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(site, "refresh_behind", killed)
    with pytest.raises(KeyboardInterrupt):
        changed(world, "Pacific/Kiritimati")
    assert the_clinic(world).zone == "Pacific/Kiritimati"
    tasks_due(world.house)
    after = line_of(world, patient)
    assert before is not None
    assert after is not None
    assert before.worst_day is not None
    assert after.worst_day == before.worst_day + 1
    assert refresh_behind(world.house) == 0
