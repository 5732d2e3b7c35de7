"""Sessions and programs of many years, a page at a time; and the clinic's zone changed over its page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.clinic_world import NOW_S, ClinicWorld, clinic_world
from tests.desk_world import give_booking, give_program, plain_order, pump_at_work

from thecal.clinic.record.tables import Session
from thecal.clinic.session.history import PAGE, rows_of, runs_of, sessions_of, tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from thecal.clinic.record.tables import Patient

DAY_S = 86_400


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ClinicWorld]:
    made = clinic_world(tmp_path)
    yield made
    made.end()


def many(world: ClinicWorld, count: int) -> Patient:
    """A patient with so many sessions, each grown from the one before, and programs."""
    patient = pump_at_work(world, drug="morphine", strength="10 mg/mL", dose="1 mg/day")
    text = plain_order(patient, "B-1", "morphine", "10 mg/mL", "1 mg/day")
    parent = None
    with world.writing("physician") as record:
        for _ in range(count):
            session = record.keep(Session(
                patient_id=patient.id, serial="B-1", workflow="look", state="closed", step="", entered={},
                person_id=world.people["physician"].person_id, parent=parent,
            ))  # fmt: skip
            parent = session.id
            give_program(record, patient, "B-1", text, NOW_S)
    return patient


def test_every_session_is_on_one_page_and_no_other(world: ClinicWorld) -> None:
    patient = many(world, PAGE + 7)
    with world.house.reading() as db:
        pages = [rows_of(tree(db, patient.id, page)) for page in (1, 2)]
        found = sessions_of(db, patient.id, 99)
        programs = runs_of(db, patient.id)
    ids = [[branch.session.id for _, branch in rows] for rows in pages]
    assert [len(page) for page in ids] == [PAGE, 7]
    assert not set(ids[0]) & set(ids[1])
    assert max(ids[1]) < min(ids[0])
    assert (found.page, found.pages, found.total) == (2, 2, PAGE + 7)
    assert (len(programs.rows), programs.pages) == (PAGE, 2)


def test_the_page_leads_through_all_of_them_and_keeps_what_runs_to_compare_with(world: ClinicWorld) -> None:
    patient = many(world, PAGE + 7)
    client = world.client("physician")
    first = client.get(f"/patients/{patient.id}/history").text
    assert "Page 1 of 2" in first
    last = client.get(f"/patients/{patient.id}/history?page=2&programs=2").text
    assert last.count("Page 2 of 2") == 2
    assert "(runs)" in last  # the newest program stands first on every page, so that any can be compared with it
    for odd in ("page=99", "programs=0", "page=x", "page=-1", "programs=999999999"):
        assert client.get(f"/patients/{patient.id}/history?{odd}").status_code == 200


def test_the_zone_is_asked_about_on_the_page_where_visits_are_booked(world: ClinicWorld) -> None:
    patient = pump_at_work(world)
    client = world.client("administrator")
    assert "What stays of visits to come" not in client.get("/site").text
    with world.writing() as record:
        give_booking(record, patient, NOW_S + 9 * DAY_S)
    page = client.get("/site").text
    assert "What stays of visits to come" in page
    revision = page.split('name="revision" value="')[1].split('"')[0]
    form = {"name": "Test clinic", "zone": "Europe/Berlin", "phone": "+49 30 5550100", "on_call": "+49 30 5550199",
            "address": "", "sheet": "a4", "revision": revision}  # fmt: skip
    wrong = client.post("/site", data=form)
    assert wrong.status_code == 422
    assert "1 visit to come, booked by America/Chicago" in wrong.text
    assert client.post("/site", data={**form, "stays": "wall"}).status_code == 303
