"""The pages of a refill without scripts: every field keeps what was entered, every stop names both sides."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.refilling_world import (
    DAY_TOTAL,
    SAME,
    opened,
    prepared,
    refill_clinic,
    rev,
    running,
)
from tests.session_world import now

from thecal.clinic.refilling import checklist
from thecal.clinic.refilling.checklist import Phase
from thecal.clinic.session import close

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clinic_world import ClinicWorld

    from thecal.clinic.record.tables import Patient, Session


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClinicWorld]:
    yield from refill_clinic(tmp_path_factory.mktemp("pages"))


@pytest.fixture(scope="module")
def patient(world: ClinicWorld) -> Patient:
    return running(world)


@pytest.fixture
def session(world: ClinicWorld, patient: Patient) -> Iterator[Session]:
    found = opened(world, patient)
    yield found
    row = now(world, found)
    if row.state == "open":
        holder = next(n for n, w in world.people.items() if w.person_id == row.person_id)
        close(world.house, world.people[holder], found.id, rev(world, found), "running", "a test", "nobody")


def seen(text: str) -> str:
    found = re.search(r'name="seen" value="(\d+)"', text)
    assert found is not None, text
    return found[1]


def test_the_whole_path_on_pages(world: ClinicWorld, patient: Patient, session: Session) -> None:
    client, at = world.client("nurse"), f"/sessions/{session.id}"

    def get(step: str) -> str:
        answer = client.get(f"{at}/{step}")
        assert answer.status_code == 200, answer.text
        return answer.text

    def post(step: str, to: str, **values: object) -> None:
        page = get(step.split("/", maxsplit=1)[0])
        answer = client.post(f"{at}/{step}", data={"seen": seen(page), **values})
        assert answer.status_code == 303, answer.text
        assert answer.headers["location"].endswith(to), answer.headers["location"]

    code = prepared(world, patient)
    post("medication", "/syringe", medication="same", consent="patient")
    post("syringe", "/syringe", code=code)
    page = get("syringe")
    assert "Twenty milliliters in the syringe" in page
    assert "Clonidine" in page or "cloNIDine" in page
    post("syringe/agrees", "/checklist")
    post("checklist/aspirate", "/checklist")
    post("checklist/aspirate", "/checklist")
    volume = re.search(r"the syringe holds <strong class=\"number\">([0-9.]+) mL", get("checklist"))
    assert volume is not None
    ticks = [i.id for i in checklist.items(Phase.ASPIRATE)]
    post("checklist", "/gap", items=ticks, aspirated=volume[1], left="0", press="done")
    page = get("gap")
    assert "drug beside the reservoir at a refill (pocket fill)" in page.lower()
    assert "green" not in page and "text-success" not in page
    post("gap", "/fill", note="looked at")
    post("fill", "/second", volume="19.5")
    page = get("second")
    assert "19.5" not in page and "4 mg/mL" not in page and "1.4 mg" not in page
    other = world.client("nurse2")
    blind = other.get(f"{at}/second").text
    assert "19.5" not in blind and "4 mg/mL" not in blind
    drugs = {"drugs": [d for d, _ in SAME], "strengths": [c for _, c in SAME]}
    answer = other.post(
        f"{at}/second", data={"seen": seen(blind), **drugs, "volume": "19.5 mL", "day_total": DAY_TOTAL}
    )
    assert answer.status_code == 303, answer.text
    assert "Both entries are the same" in get("second")
    fills = [i.id for i in checklist.items(Phase.FILL)]
    post("second/fill", "/second", items=fills)
    post("second/fill", "/second", items=fills)
    assert world.house.world is not None
    assert world.house.world.moved("B-1").filled_nl == 19_000_000 + 19_500_000
    assert "Next visit on or before" in get("second")
    post("second/done", "/review")
    assert other.get("/watches").status_code == 200
