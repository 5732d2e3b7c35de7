"""Back from a scan: a task until the pump was read, a reset valve, a refilled reservoir, an unknown family."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from tests.clinic_world import SERIAL, ClinicWorld, clinic_world, delivering, with_pumps
from tests.desk_world import give_fill, line_of
from tests.test_clinic_mri import _went as went

from thecal.clinic import mri
from thecal.clinic.desk.board import Band, line_row
from thecal.clinic.mri import No
from thecal.clinic.record.tables import Implant, Patient, Scan, Task
from thecal.clinic.refused import Refused
from thecal.pump.families import InField, load_families

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOUR_S = 3600


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ClinicWorld]:
    found = with_pumps(clinic_world(tmp_path), tmp_path / "rig")
    yield found
    found.end()


def away(world: ClinicWorld, patient: Patient, valve: bool = False) -> Scan:
    """A patient who went to a scan; with ``valve`` the pump counts as one of the family that is emptied first."""
    nurse, house = world.people["nurse"], world.house
    world.near()
    scan = mri.plan(house, nurse, patient.id, cover="oral cover", without="4 h")
    assert isinstance(scan, Scan), scan
    scan = went(mri.read_before(house, nurse, scan.id, scan.revision))
    if valve:
        code = next(c for c, pump in load_families().items() if pump.in_field is InField.STAYS_SHUT)
        with house.writing(nurse, "a test") as record:
            scan = record.change(record.session.get_one(Scan, scan.id), "another family", family=code)
        scan = went(mri.emptied(house, nurse, scan.id, scan.revision, "12.4 mL"))
    return went(mri.go_to_scan(house, nurse, scan.id, scan.revision))


def task_of(world: ClinicWorld, scan: Scan) -> Task:
    with world.house.reading() as db:
        return db.scalars(select(Task).where(Task.raised_by == f"scan {scan.id} away")).one()


def refusal(found: Scan | Refused) -> str:
    assert isinstance(found, Refused), found
    return str(found.code)


def test_who_is_away_is_a_task_and_a_mark_until_the_return_is_signed_off(world: ClinicWorld) -> None:
    patient, nurse, house = delivering(world), world.people["nurse"], world.house
    scan = away(world, patient)
    task = task_of(world, scan)
    assert (task.state, task.for_role, task.kind) == ("planned", "nurse", "mri")
    assert task.due_utc_s == task.at_utc_s + 4 * HOUR_S
    line = line_of(world, patient)
    assert line is not None
    assert "mri" in [m["kind"] for m in line.shown["marks"]]
    with house.reading() as db:
        assert line_row(db, line, house.now_s()).band <= Band.SOON
    world.near()
    scan = went(mri.read_after(house, nurse, scan.id, scan.revision))
    world.pass_s(mri.APART_S)
    world.near()
    scan = went(mri.read_after(house, nurse, scan.id, scan.revision))
    went(mri.close(house, nurse, scan.id, scan.revision))
    assert task_of(world, scan).state == "done"
    line = line_of(world, patient)
    assert line is not None
    assert "mri" not in [m["kind"] for m in line.shown["marks"]]


def test_a_valve_that_stays_shut_is_not_signed_off_on_the_pumps_own_word(world: ClinicWorld) -> None:
    patient, nurse, house = delivering(world), world.people["nurse"], world.house
    scan = away(world, patient, valve=True)
    world.near()
    scan = went(mri.read_after(house, nurse, scan.id, scan.revision))
    assert refusal(mri.close(house, nurse, scan.id, scan.revision)) == No.NOT_RESET
    world.pass_s(60)
    scan = went(mri.reset(house, nurse, scan.id, scan.revision))
    assert refusal(mri.close(house, nurse, scan.id, scan.revision)) == No.NOT_RESET  # the reading is of before
    world.near()
    scan = went(mri.read_after(house, nurse, scan.id, scan.revision))
    assert refusal(mri.close(house, nurse, scan.id, scan.revision)) == No.NOT_REFILLED
    with world.writing("nurse") as record:
        give_fill(record, patient, SERIAL, house.now_s(), filled="20", left="0")
    assert went(mri.close(house, nurse, scan.id, scan.revision)).state == "closed"


def test_a_refill_of_before_the_emptying_does_not_count(world: ClinicWorld) -> None:
    patient, nurse, house = delivering(world), world.people["nurse"], world.house
    with world.writing("nurse") as record:
        give_fill(record, patient, SERIAL, house.now_s(), filled="20", left="0")
    world.pass_s(60)
    scan = away(world, patient, valve=True)
    scan = went(mri.reset(house, nurse, scan.id, scan.revision))
    world.near()
    scan = went(mri.read_after(house, nurse, scan.id, scan.revision))
    assert refusal(mri.close(house, nurse, scan.id, scan.revision)) == No.NOT_REFILLED


def test_a_family_that_is_not_known_is_refused_on_every_page(world: ClinicWorld) -> None:
    patient, nurse, house = world.patient(), world.people["nurse"], world.house
    with world.writing() as record:
        implant = record.session.scalars(select(Implant)).one()
        record.change(implant, "a test", family="a-pump-of-2031")
    made = mri.plan(house, nurse, patient.id, cover="oral cover", without="4 h")
    assert isinstance(made, tuple)
    assert [r.code for r in made] == [No.UNKNOWN_FAMILY]
    page = world.client("nurse").get(f"/patients/{patient.id}/mri")
    assert page.status_code == 200
    assert "ask its maker" in page.text
    assert "Begin the worksheet" not in page.text
    for paper in ("mri", "implant"):
        assert world.client("nurse").get(f"/papers/{paper}/{patient.id}").status_code == 409


def test_worksheets_of_before_are_paged(world: ClinicWorld) -> None:
    patient = world.patient()
    with world.writing() as record:
        for _ in range(mri.PAGE + 1):
            record.keep(Scan(patient_id=patient.id, serial=SERIAL, family="bench-20", state="closed", cover="x",
                without_s=60, after=[]))  # fmt: skip
    with world.house.reading() as db:
        first, pages = mri.closed_scans(db, patient.id)
        last, _ = mri.closed_scans(db, patient.id, 99)
    assert (len(first), pages, len(last)) == (mri.PAGE, 2, 1)
    assert first[0].id > last[0].id
    page = world.client("nurse").get(f"/patients/{patient.id}/mri?page=2").text
    assert f"Worksheet {last[0].id}," in page
    assert f"Worksheet {first[0].id}," not in page
