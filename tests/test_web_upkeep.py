"""What a clinic does by itself: pumps that nobody read for long are read, one that is away waits for its turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select
from tests.clinic_world import SERIAL, clinic_world, delivering, with_pumps

from thecal.clinic.record.tables import BoardLine, Interrogation, Task
from thecal.web.upkeep import OLD_S, Upkeep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clinic_world import ClinicWorld

    from thecal.clinic.record.tables import Patient


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClinicWorld]:
    folder = tmp_path_factory.mktemp("upkeep")
    found = with_pumps(clinic_world(folder), folder / "rig")
    yield found
    found.end()


@pytest.fixture(scope="module")
def patient(world: ClinicWorld) -> Patient:
    return delivering(world)


def readings(world: ClinicWorld) -> int:
    with world.house.reading() as db:
        return db.scalar(select(func.count()).select_from(Interrogation)) or 0


def test_a_pump_is_read_when_its_reading_is_old_and_not_before(world: ClinicWorld, patient: Patient) -> None:
    upkeep = Upkeep(world.house)
    assert upkeep.round() == [SERIAL]
    with world.house.reading() as db:
        line = db.get(BoardLine, patient.id)
    assert line is not None
    assert line.read_utc_s is not None
    before = readings(world)
    world.pass_s(OLD_S)
    assert upkeep.round() == []
    world.pass_s(60)
    assert upkeep.round() == [SERIAL]
    assert readings(world) == before + 1


def test_one_that_is_away_waits_for_its_turn(world: ClinicWorld, patient: Patient) -> None:
    away = world.patient("7001", serial="NOT-THERE")
    upkeep = Upkeep(world.house)
    world.pass_s(OLD_S + 60)
    assert upkeep.old() == ["NOT-THERE", SERIAL]
    assert upkeep.round() == [SERIAL]
    assert upkeep.old() == []
    with world.house.reading() as db:
        assert db.scalars(select(Interrogation).where(Interrogation.serial == "NOT-THERE")).first() is None
        assert db.scalars(select(Task).where(Task.patient_id == away.id)).all() == []
