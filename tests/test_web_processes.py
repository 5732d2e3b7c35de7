"""Several web processes of one clinic: what one of them is told, the others follow at the next page."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from fastapi.testclient import TestClient
from tests.clinic_world import ORIGIN, clinic_world

from thecal.cli.clinic_process import MOST_WEBS, webs
from thecal.clinic.formulary_versions import Decision, decide, write
from thecal.clinic.record import Store
from thecal.clinic.record.tables import FormularyDecision, FormularyVersion, Observation
from thecal.web.app import make_app
from thecal.web.door import COOKIE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.clinic_world import ClinicWorld

STRONGER = """extends = "morphine"
max_concentration = [{ kind = "consensus", high = "21 mg/mL", source = "ours" }]
[sources]
ours = { authority = "Test clinic", edition = "2026", text = "pharmacy standard 7", verified = true }
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ClinicWorld]:
    made = clinic_world(tmp_path)
    yield made
    made.end()


@pytest.mark.parametrize(("processors", "count"), [(1, 1), (2, 2), (3, 3), (MOST_WEBS, MOST_WEBS), (64, MOST_WEBS)])
def test_a_machine_has_a_web_process_for_each_processor_up_to_a_few(processors: int, count: int) -> None:
    names = [name for name, _ in webs(processors)]
    assert len(names) == len(set(names)) == count
    assert names[0] == "web"


def test_a_formulary_that_is_signed_in_one_process_is_in_force_in_the_next_page_of_another(world: ClinicWorld) -> None:
    other = replace(world.house, store=Store(world.store.url))
    nurse = TestClient(make_app(other), base_url=ORIGIN, headers={"origin": ORIGIN}, follow_redirects=False)
    nurse.cookies.set(COOKIE, world.token("nurse"))
    patient, before = world.patient(), other.formulary.version
    draft = write(world.house, world.people["pharmacist"], "morphine", STRONGER, "our pharmacy makes it")
    assert isinstance(draft, FormularyVersion)
    nurse.get(f"/patients/{patient.id}")
    assert other.formulary.version == before
    assert isinstance(decide(world.house, world.people["pharmacist2"], draft.id, Decision.SIGNED), FormularyDecision)
    score = {"kind": "pain-now", "value": "3", "note": ""}
    assert nurse.post(f"/patients/{patient.id}/observations", data=score).status_code == 303
    with world.store.reading() as db:
        seen = db.query(Observation).one()
    assert seen.formulary == world.house.formulary.version != before
    assert other.formulary.version == seen.formulary
    other.store.close()


def test_a_sign_in_of_one_process_is_one_of_every_process_and_so_is_its_end(world: ClinicWorld) -> None:
    other = replace(world.house, store=Store(world.store.url))
    here = world.client("nurse")
    there = TestClient(make_app(other), base_url=ORIGIN, headers={"origin": ORIGIN}, follow_redirects=False)
    there.cookies.set(COOKIE, here.cookies[COOKIE])
    assert there.get("/board").status_code == 200
    assert here.post("/sign-out").status_code == 303
    gone = there.get("/board")
    assert gone.status_code == 303 and gone.headers["location"].startswith("/sign-in")
    other.store.close()
