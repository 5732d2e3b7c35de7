"""The clinic's own settings and its list of pumps, as somebody changes and searches them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from tests.clinic_world import clinic_world
from tests.desk_world import give_reading, line_of, pump_at_work

from thecal.clinic.devices import PAGE, find_pumps
from thecal.clinic.record.tables import Act, Audit, Clinic
from thecal.clinic.refused import EditedMeanwhile
from thecal.clinic.site import Facts, change_site, clinic_of, facts_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.clinic_world import ClinicWorld

FACTS = Facts("Lake clinic", "Europe/Berlin", "+49 30 5550100", "+49 30 5550199", "1 Lake Road")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ClinicWorld]:
    made = clinic_world(tmp_path)
    yield made
    made.end()


def the_clinic(world: ClinicWorld) -> Clinic:
    with world.house.reading() as db:
        found = clinic_of(db)
    assert found is not None
    return found


def test_a_change_is_kept_with_what_was_before(world: ClinicWorld) -> None:
    made = change_site(world.house, world.people["administrator"], FACTS, "a4", the_clinic(world).revision)
    assert isinstance(made, Clinic), made
    found = the_clinic(world)
    assert facts_of(found) == {
        "name": "Lake clinic", "zone": "Europe/Berlin", "phone": "+49 30 5550100", "on_call": "+49 30 5550199",
        "address": "1 Lake Road", "sheet": "a4",
    }  # fmt: skip
    with world.house.reading() as db:
        act = db.scalars(select(Act).order_by(Act.id.desc())).first()
        link = db.scalars(select(Audit).where(Audit.action == "clinic's settings changed")).one()
    assert act is not None
    assert act.details["before"]["name"] == "Test clinic"
    assert link.by_person == world.people["administrator"].person_id


def test_what_else_is_set_stays(world: ClinicWorld) -> None:
    with world.writing() as record:
        clinic = clinic_of(record.session)
        assert clinic is not None
        record.change(clinic, "a test", settings={"lead_times": {"mix": 2}})
    change_site(world.house, world.people["administrator"], FACTS, "a4", the_clinic(world).revision)
    assert the_clinic(world).settings == {"lead_times": {"mix": 2}, "paper_size": "a4"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 201),
        ("name", "two\nlines"),
        ("zone", "Chicago"),
        ("zone", "../../etc/passwd"),
        ("phone", "call us"),
        ("on_call", ""),
        ("address", "a\tb"),
    ],
)
def test_a_wrong_fact_is_refused_at_its_field(world: ClinicWorld, field: str, value: str) -> None:
    before = the_clinic(world)
    wrong = replace(FACTS, **{field: value})
    made = change_site(world.house, world.people["administrator"], wrong, "a4", before.revision)
    assert isinstance(made, tuple)
    assert [r.field for r in made] == [field]
    assert facts_of(the_clinic(world)) == facts_of(before)


def test_paper_that_there_is_not_is_refused_beside_what_else_is_wrong(world: ClinicWorld) -> None:
    made = change_site(world.house, world.people["administrator"], replace(FACTS, zone="x"), "legal", 1)
    assert isinstance(made, tuple)
    assert [r.field for r in made] == ["zone", "sheet"]


def test_a_change_over_somebody_elses_is_refused(world: ClinicWorld) -> None:
    seen = the_clinic(world).revision
    change_site(world.house, world.people["administrator"], FACTS, "a4", seen)
    with pytest.raises(EditedMeanwhile):
        change_site(world.house, world.people["administrator2"], replace(FACTS, name="Hill"), "a4", seen)
    assert the_clinic(world).name == "Lake clinic"


def test_in_another_zone_the_board_has_other_days(world: ClinicWorld) -> None:
    patient = pump_at_work(world)
    before = line_of(world, patient)
    there = replace(FACTS, zone="Pacific/Kiritimati")
    change_site(world.house, world.people["administrator"], there, "a4", the_clinic(world).revision)
    after = line_of(world, patient)
    assert before is not None
    assert after is not None
    assert before.worst_day is not None
    assert after.worst_day == before.worst_day + 1


def test_pumps_are_found_by_serial_family_and_model_a_page_at_a_time(world: ClinicWorld) -> None:
    patient = world.patient("1001", "B-0000")
    with world.writing() as record:
        give_reading(record, patient, "B-0000", software="0.9")
        give_reading(record, patient, "B-0000", software="1.1", delivering=False)
        give_reading(record, patient, "C-1")
    for number in range(PAGE):
        world.patient(str(2000 + number), f"B-{number + 1:04}")
    with world.house.reading() as db:
        first, last = find_pumps(db), find_pumps(db, page=99)
        assert (first.total, first.pages, len(first.pumps)) == (PAGE + 2, 2, PAGE)
        assert (last.page, [p.serial for p in last.pumps]) == (2, ["B-0050", "C-1"])
        known, stranger = first.pumps[0], last.pumps[-1]
        assert (known.serial, known.family, known.software, known.delivers) == ("B-0000", "bench-20", "1.1", False)
        assert (stranger.implant, stranger.software, stranger.delivers) == (None, "1.0", True)
        assert first.pumps[1].delivers is None
        assert [p.serial for p in find_pumps(db, "bench 0007").pumps] == ["B-0007"]
        assert find_pumps(db, "%").total == 0
