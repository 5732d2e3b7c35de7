"""Who saw what is complete: no page that names a patient opens without a link of the audit chain by whoever opened it.

The walk takes its addresses from the application, so that a page that is added tomorrow is walked too.
"""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from tests.clinic_world import NOW_S, ClinicWorld, delivering
from tests.desk_world import give_booking
from tests.session_world import begun, session_clinic
from tests.test_web_doors import doors, routes

from thecal.clinic.desk.lines import refresh
from thecal.clinic.people.permissions import permissions
from thecal.clinic.record.tables import Audit, BoardLine, Mixture, Preparation
from thecal.clinic.workflow import Workflow
from thecal.quantities import Volume

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fastapi.testclient import TestClient

# Its lines are counted by the tests of the pages; counting them here as well doubles its time.
pytestmark = pytest.mark.no_cover

NAMED = ("Lindqvist", "Zebrowska")
"""Family names of the patients: a page that holds one of them names a patient."""
ASKED: dict[str, list[dict[str, str]]] = {
    "/pharmacy/order": [{"find": "Zebrowska"}, {"patient": "1"}],
    "/patients": [{}, {"find": "Zebrowska"}],
    "/bookings/new": [{"patient": "1"}],
    "/board": [{}],
}
"""What is asked for at an address that shows nobody where nothing is asked."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClinicWorld]:
    folder: Path = tmp_path_factory.mktemp("seen")
    for made in session_clinic(folder):
        patient = delivering(made)
        made.patient("1002", None, family="Zebrowska", given="Zofia")
        session = begun(made, patient, Workflow.LOOK)
        assert (patient.id, session.id) == (1, 1)
        with made.writing("desk") as record:
            give_booking(record, patient, NOW_S + 86_400)
            some = {"volume": Volume.parse("20 mL"), "overfill": Volume.parse("0 mL"), "needed_by": date(2026, 10, 1)}
            made_of = record.keep(Mixture(key="m", ingredients=[{"drug": "morphine", "concentration": "4 mg/mL"}]))
            facts = {"patient_id": patient.id, "mixture_id": made_of.id, "state": "ordered", "diluent": "saline"}
            record.keep(Preparation(**facts, **some))
            refresh(record, patient.id)
        yield made


def links(world: ClinicWorld, role: str, after: int) -> list[Audit]:
    with world.house.reading() as session:
        query = select(Audit).where(Audit.by_person == world.people[role].person_id, Audit.seq > after)
        return list(session.scalars(query))


def newest(world: ClinicWorld) -> int:
    with world.house.reading() as session:
        return session.scalars(select(Audit.seq).order_by(Audit.seq.desc())).first() or 0


def looked_at() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Every page with a door, one role that may open it, and what is asked for there."""
    for route in routes():
        if "GET" in (route.methods or set()) and doors(route):
            role = sorted(role.value for role in permissions()[doors(route)[0].action].roles)[-1]
            path = re.sub(r"\{serial[^}]*\}", "B-1", route.path)
            path = re.sub(r"\{[^}]*id[^}]*\}", "1", path)
            for asked in ASKED.get(route.path, [{}]):
                yield path, role, asked


def main_of(page: str) -> str:
    """A page without the bar of stopped pumps, which stands on every one."""
    return re.sub(r'<div class="bar bar-stopped".*?</div>\s*</div>', "", page, flags=re.DOTALL)


def test_every_page_that_names_a_patient_leaves_a_link(world: ClinicWorld) -> None:
    clients: dict[str, TestClient] = {}
    wrong, opened = [], 0
    for path, role, asked in looked_at():
        client = clients.setdefault(role, world.client(role))
        before = newest(world)
        found = client.get(path, params=asked)
        assert found.status_code < 500, path
        if not any(name in main_of(found.text) for name in NAMED):
            continue
        opened += 1
        if not links(world, role, before):
            wrong.append(f"{path} {asked} as {role}: {found.status_code}")
    assert not wrong, "\n".join(wrong)
    assert opened >= 15, "the walk sees the pages that name somebody"


def test_pages_of_one_patient_say_whose_they_were(world: ClinicWorld) -> None:
    client = world.client("nurse")
    for path in ("", "/facts", "/implant", "/days", "/profile", "/history", "/mri", "/session"):
        before = newest(world)
        assert client.get(f"/patients/1{path}").status_code == 200, path
        assert [link.patient_id for link in links(world, "nurse", before)] == [1], path


def test_a_form_that_comes_back_with_a_message_was_seen_too(world: ClinicWorld) -> None:
    client = world.client("nurse")
    before = newest(world)
    assert client.post("/patients/1/implant", data={}).status_code == 422
    assert [link.patient_id for link in links(world, "nurse", before)] == [1]


def test_a_stopped_pump_names_nobody_to_whom_the_board_is_closed(world: ClinicWorld) -> None:
    with world.store.noting() as session:
        session.get_one(BoardLine, 1).stopped_utc_s = NOW_S
    for role, named in (("nurse", True), ("desk", True), ("engineer", True), ("administrator", False)):
        page = world.client(role).get("/help").text
        assert "PUMP STOPPED" in page, role
        assert any(name in page for name in NAMED) == named, role
