"""The desk on SQLite and on PostgreSQL alike: the board's order, its search, bookings, tasks, notices, feeds."""

from __future__ import annotations

from dataclasses import replace
from threading import Barrier, Thread
from typing import TYPE_CHECKING

import pytest
from tests.clinic_world import NOW_S, ClinicWorld, clinic_world
from tests.desk_world import pump_at_work
from tests.record_engines import urls_fixture  # noqa: F401 -- a fixture

from thecal.clinic.desk import bookings, notices, tasks
from thecal.clinic.desk.board import Asked, Band, Only, board
from thecal.clinic.desk.bookings import Entry
from thecal.clinic.desk.feeds import feed_of, make_feed, visits_of
from thecal.clinic.record.tables import Booking, Feed, FieldNotice, Task
from thecal.pump.core.codes import DAY_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.record_engines import RecordUrls

IN_TIME = Entry(day="2026-10-05", time="09:30", minutes="30")


@pytest.fixture
def world(record_urls: RecordUrls) -> Iterator[ClinicWorld]:
    made = clinic_world(record_urls())
    pump_at_work(made, "1", "B-1", drug="morphine", strength="4 mg/mL", dose="1.6 mg/day", level="18")
    pump_at_work(
        made, "2", "B-2", drug="baclofen", strength="500 mcg/mL", dose="200 mcg/day", level="18", software="1.3"
    )
    pump_at_work(made, "3", "B-3", drug="morphine", strength="4 mg/mL", dose="1.6 mg/day", running=False)
    yield made
    made.end()


def ids(world: ClinicWorld, now_s: int = NOW_S, **asked: object) -> list[int]:
    with world.store.reading() as session:
        return [r.line.patient_id for r in board(session, replace(Asked(), **asked), now_s).rows]  # type: ignore[arg-type]


def test_the_board_is_ordered_searched_and_narrowed(world: ClinicWorld) -> None:
    assert ids(world) == [3, 2, 1]
    assert ids(world, search="b-2") == [2] and ids(world, search="100%") == []
    assert ids(world, only=Only.WITHDRAWAL) == [2] and ids(world, band=Band.NOW) == [3]
    assert ids(world, NOW_S + 20 * DAY_S, band=Band.NOW) == [3, 2, 1]


def test_a_visit_its_task_its_feed_and_a_notice(world: ClinicWorld) -> None:
    desk = world.people["desk"]
    booking = bookings.book(world.house, desk, 2, IN_TIME)
    assert isinstance(booking, Booking)
    made = make_feed(world.house, desk, "telephone", "")
    assert isinstance(made[0], Feed)
    with world.store.reading() as session:
        feed = feed_of(session, str(made[1]))
        assert feed is not None and [v.uid for v in visits_of(session, feed, NOW_S)] == [booking.uid]
    world.house.now_s = lambda: booking.begins_utc_s + 3 * DAY_S
    assert tasks.tasks_due(world.house) > 5
    assert tasks.tasks_due(world.house) >= 0
    with world.store.reading() as session:
        assert session.query(Task).count() == 5
    entry = notices.Entry("Stall", "Maker", "2026-09-01", "Read it", softwares="1.3")
    notice = notices.enter(world.house, world.people["engineer"], entry)
    assert isinstance(notice, FieldNotice) and ids(world, only=Only.NOTICE) == [2]


def test_two_at_the_same_instant_do_not_both_take_the_clinicians_time(world: ClinicWorld) -> None:
    entry = replace(IN_TIME, person_id=str(world.people["nurse"].person_id))
    barrier = Barrier(3)
    made: list[object] = []

    def one(patient_id: int) -> None:
        barrier.wait()
        made.append(bookings.book(world.house, world.people["desk"], patient_id, entry))

    threads = [Thread(target=one, args=(n,)) for n in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(m, Booking) for m in made) == 1


def test_a_character_that_no_database_keeps_is_answered(world: ClinicWorld) -> None:
    client = world.client("desk")
    form = {"way": "call", "about": "refill", "outcome": "reached", "note": "a\x00b"}
    reach = {"language": "\x00", "in_feeds": "yes", "revision": "1"}
    answers = (
        client.get("/board?find=a%00b&only=%00"),
        client.get("/bookings?day=%00&person=%00"),
        client.post("/contacts/1", data=form),
        client.post("/contacts/1/reach", data=reach),
        client.post("/feeds", data={"name": "a\x00b"}),
        client.get("/calendar/a%00b.ics"),
    )
    assert {answer.status_code for answer in answers} == {400}
