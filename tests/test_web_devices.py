"""An engineer pairs a pump over a page: a role gets a key by the link service, and the clinic knows the pump."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from tests.clinic_world import ClinicWorld, clinic_world, with_pumps
from tests.rig_world import bench_pump

from thecal.clinic import devices
from thecal.clinic.devices import No, keys_of
from thecal.clinic.pumps import LinkAway, Pumps
from thecal.clinic.record.tables import Audit, Interrogation
from thecal.clinic.refused import Refused
from thecal.link.interrogation import Interrogation as Read
from thecal.link.roles import Role
from thecal.web.beside import RigWorld

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NEW = "C-7"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClinicWorld]:
    folder: Path = tmp_path_factory.mktemp("devices")
    made = with_pumps(clinic_world(folder), folder / "rig")
    assert made.rig is not None
    bench_pump(made.rig.home, NEW)
    rig = made.house.world
    assert isinstance(rig, RigWorld)
    rig.ask("adopt", serial=NEW)
    yield made
    made.end()


def post(world: ClinicWorld, **form: str) -> tuple[int, str]:
    answer = world.client("engineer").post("/devices/pair", data=form)
    return answer.status_code, answer.text


def kept(world: ClinicWorld, action: str) -> list[dict[str, object]]:
    with world.house.reading() as db:
        return [a.details for a in db.scalars(select(Audit).where(Audit.action == action).order_by(Audit.seq))]


def test_a_new_pump_is_paired_read_and_listed(world: ClinicWorld) -> None:
    engineer = world.client("engineer")
    assert NEW not in engineer.get("/devices").text
    assert "Nobody has a key of it" in engineer.get(f"/devices/pair?serial={NEW}").text
    status, _ = post(world, serial=f" {NEW} ", role="programmer")
    assert status == 303
    page = engineer.get(f"/devices/pair?serial={NEW}").text
    assert "the clinic's programmer</strong>" in page.replace("&#39;", "'")
    assert "bench-20" in page
    assert NEW in engineer.get("/devices").text
    assert kept(world, "pump pairing begun")[-1] == kept(world, "pump paired")[-1]
    with world.house.reading() as db:
        read = db.scalars(select(Interrogation).where(Interrogation.serial == NEW)).one()
    assert (read.patient_id, read.whole) == (None, 1)
    assert post(world, serial=NEW, role="patient")[0] == 303
    assert keys_of(world.house, NEW) == (Role.PROGRAMMER, Role.PATIENT)


def test_a_key_that_is_there_ends_only_where_somebody_says_so(world: ClinicWorld) -> None:
    status, page = post(world, serial="B-1", role="programmer")
    assert status == 422
    assert "say that its key may end" in page.lower()
    begun = len(kept(world, "pump pairing begun"))
    assert post(world, serial="B-1", role="programmer", again="yes")[0] == 303
    assert len(kept(world, "pump pairing begun")) == begun + 1
    world.near("B-1")
    assert isinstance(world.house.pumps.interrogate("B-1"), Read)  # the new key is the one that is used


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"serial": "", "role": "programmer"}, "f-serial"),
        ({"serial": "../../etc", "role": "programmer"}, "f-serial"),
        ({"serial": NEW, "role": ""}, "f-role"),
        ({"serial": NEW, "role": "service"}, "f-role"),
        ({"serial": "x" * 1000, "role": "programmer"}, "f-serial"),
    ],
)
def test_a_wrong_form_comes_back_with_what_was_entered(world: ClinicWorld, form: dict[str, str], field: str) -> None:
    status, page = post(world, **form)
    assert status == 422
    assert f'id="{field}"' in page
    assert 'aria-invalid="true"' in page


def test_a_pump_that_no_rig_runs_is_refused_and_written_down(world: ClinicWorld) -> None:
    status, page = post(world, serial="D-404", role="programmer")
    assert status == 409
    assert "let the rig adopt it first" in page
    assert kept(world, "pump pairing failed")[-1] == {"serial": "D-404", "role": "programmer", "known": True}
    assert kept(world, "pump paired")[-1]["serial"] != "D-404"


@pytest.mark.parametrize("role", ["physician", "nurse", "pharmacist", "desk", "administrator"])
def test_nobody_but_an_engineer(world: ClinicWorld, role: str) -> None:
    client = world.client(role)
    assert client.get("/devices/pair").status_code == 403
    assert client.post("/devices/pair", data={"serial": NEW, "role": "programmer"}).status_code == 403


def test_a_pump_with_a_command_of_unknown_outcome_keeps_its_key(
    world: ClinicWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pumps, "pending", lambda _self, _serial: (object(),))
    made = devices.pair(
        world.house, world.people["engineer"], "B-1", "programmer", again=True, before=lambda _serial: None
    )
    assert isinstance(made, Refused)
    assert made.code == No.PENDING


def test_no_answer_is_said_as_not_known(world: ClinicWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(_self: Pumps, _serial: str, _role: Role) -> None:
        raise LinkAway("the link service ended", asked=True)

    monkeypatch.setattr(Pumps, "pair", lost)
    made = devices.pair(world.house, world.people["engineer"], NEW, "patient", again=True, before=lambda _serial: None)
    assert isinstance(made, Refused)
    assert made.code == No.UNKNOWN
    assert kept(world, "pump pairing failed")[-1]["known"] is False


def test_without_a_link_service_the_page_says_so(tmp_path: Path) -> None:
    world = clinic_world(tmp_path)
    try:
        page = world.client("engineer").get("/devices/pair?serial=B-1")
        assert page.status_code == 200
        assert "no link service runs" in page.text
        status, text = post(world, serial="B-1", role="programmer")
        assert status == 409
        assert "no link service runs" in text
    finally:
        world.end()
