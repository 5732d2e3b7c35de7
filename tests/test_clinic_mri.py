"""The MRI worksheet: what each family asks for, and when a return may be signed off. Pumps are real, in their rig."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.clinic_world import SERIAL, clinic_world, delivering, with_pumps

from thecal.clinic import mri
from thecal.clinic.mri import No
from thecal.clinic.record.tables import Interrogation, Scan
from thecal.clinic.refused import EditedMeanwhile, Refused
from thecal.link.talk import Arm
from thecal.pump.annunciation import Priority
from thecal.pump.core.alarms import STALL
from thecal.pump.families import load_families
from thecal.web.beside import RigWorld

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.clinic_world import ClinicWorld


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ClinicWorld]:
    found = with_pumps(clinic_world(tmp_path), tmp_path / "rig")
    yield found
    found.end()


def test_the_valve_family_is_emptied_first_and_the_card_says_so_first() -> None:
    for code, pump in load_families().items():
        lines = mri.card(pump)
        assert lines, code
        if pump.empty_before_field:
            assert lines[0].text.startswith("EMPTY FIRST")
        assert mri.empty_first(pump) or pump.empty_before_field is False


def test_a_plan_needs_cover_and_a_time(world: ClinicWorld) -> None:
    patient = world.patient(serial=None)
    made = mri.plan(world.house, world.people["nurse"], patient.id, cover=" ", without="4")
    assert isinstance(made, tuple)
    assert {(r.code, r.field) for r in made} == {(No.NO_COVER, "cover"), (No.BAD_AMOUNT, "without"), (No.NO_PUMP, "")}


def test_before_away_back_and_signed_off(world: ClinicWorld) -> None:
    patient = delivering(world)
    nurse, house = world.people["nurse"], world.house
    scan = mri.plan(house, nurse, patient.id, cover="oral morphine as needed", without="4 h")
    assert isinstance(scan, Scan)
    again = mri.plan(house, nurse, patient.id, cover="x", without="1 h")
    assert isinstance(again, tuple)
    assert again[0].code == No.OPEN
    early = mri.go_to_scan(house, nurse, scan.id, scan.revision)
    assert isinstance(early, Refused)
    assert early.code == No.NOT_READ
    scan = _went(mri.read_before(house, nurse, scan.id, scan.revision))
    with pytest.raises(EditedMeanwhile):
        mri.go_to_scan(house, nurse, scan.id, scan.revision - 1)
    scan = _went(mri.go_to_scan(house, nurse, scan.id, scan.revision))
    nothing = mri.close(house, nurse, scan.id, scan.revision)
    assert isinstance(nothing, Refused)
    assert nothing.code == No.NOT_READ
    scan = _went(mri.read_after(house, nurse, scan.id, scan.revision))
    soon = mri.close(house, nurse, scan.id, scan.revision)
    assert isinstance(soon, Refused)
    assert soon.code == No.NOT_RECOVERED
    world.pass_s(19 * 60)
    world.near()
    scan = _went(mri.read_after(house, nurse, scan.id, scan.revision))
    assert isinstance(mri.close(house, nurse, scan.id, scan.revision), Refused)
    world.pass_s(60)
    world.near()
    scan = _went(mri.read_after(house, nurse, scan.id, scan.revision))
    done = _went(mri.close(house, nurse, scan.id, scan.revision))
    assert (done.state, len(done.after)) == ("closed", 3)
    late = mri.read_after(house, nurse, scan.id, done.revision)
    assert isinstance(late, Refused)
    assert late.code == No.WRONG_STATE


@pytest.mark.requirement("OP-6.42.4")
def test_a_stall_keeps_it_open_and_a_recovery_in_the_log_is_enough(world: ClinicWorld) -> None:
    patient = delivering(world)
    nurse, house = world.people["nurse"], world.house
    scan = mri.plan(house, nurse, patient.id, cover="none needed for an hour", without="2 h")
    assert isinstance(scan, Scan)
    scan = _went(mri.read_before(house, nurse, scan.id, scan.revision))
    scan = _went(mri.go_to_scan(house, nurse, scan.id, scan.revision))
    rig = house.world
    assert isinstance(rig, RigWorld)
    rig.ask("inject", serial=SERIAL, kind="field")
    world.pass_s(3 * 3600)
    world.near()
    scan = _went(mri.read_after(house, nurse, scan.id, scan.revision))
    held = mri.close(house, nurse, scan.id, scan.revision)
    assert isinstance(held, Refused), held
    alarms = world.client("nurse").get(f"/pumps/{SERIAL}").text
    assert f'aria-hidden="true">{Priority.CRITICAL.sign}</span>' in alarms
    rig.ask("heal", serial=SERIAL, kind="field")
    world.near()
    house.pumps.status(SERIAL)
    assert house.pumps.command("clear", SERIAL, alarm=STALL).arm is Arm.GRANTED
    scan = _went(mri.read_after(house, nurse, scan.id, scan.revision))
    with house.reading() as db:
        newest = db.get_one(Interrogation, scan.after[-1])
        recovered = mri.recovery(db, scan)
    done = mri.close(house, nurse, scan.id, scan.revision)
    assert recovered is True
    assert newest.status["delivering"] is True
    assert isinstance(done, Scan)


@pytest.mark.requirement("IT-12")
def test_a_pump_that_must_be_emptied_does_not_go_full(world: ClinicWorld) -> None:
    patient = delivering(world)
    nurse, house = world.people["nurse"], world.house
    scan = mri.plan(house, nurse, patient.id, cover="oral cover", without="4 h")
    assert isinstance(scan, Scan)
    scan = _went(mri.read_before(house, nurse, scan.id, scan.revision))
    with house.writing(nurse, "a test") as record:
        valve = next(code for code, pump in load_families().items() if pump.empty_before_field)
        scan = record.change(record.session.get_one(Scan, scan.id), "another family", family=valve)
    full = mri.go_to_scan(house, nurse, scan.id, scan.revision)
    assert isinstance(full, Refused)
    assert full.code == No.NOT_EMPTIED
    much = mri.emptied(house, nurse, scan.id, scan.revision, "900 mL")
    assert isinstance(much, Refused)
    scan = _went(mri.emptied(house, nurse, scan.id, scan.revision, "12.4 mL"))
    assert _went(mri.go_to_scan(house, nurse, scan.id, scan.revision)).state == "away"


def _went(found: Scan | Refused) -> Scan:
    assert isinstance(found, Scan), found
    return found
