"""The formulary's pages, and those of overrides and near misses, without scripts."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

import pytest
from tests.clinic_world import clinic_world
from tests.test_clinic_formulary_versions import STRONGER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi.testclient import TestClient
    from tests.clinic_world import ClinicWorld


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClinicWorld]:
    made = clinic_world(tmp_path_factory.mktemp("formulary"))
    yield made
    made.end()


@pytest.fixture(scope="module")
def clients(world: ClinicWorld) -> dict[str, TestClient]:
    return {role: world.client(role) for role in world.people}


def test_written_signed_and_in_force_without_a_restart(clients: dict[str, TestClient]) -> None:
    writer = clients["pharmacist"]
    done = writer.post(
        "/formulary/write", data={"file": "morphine", "text": STRONGER, "why": "our pharmacy makes it", "press": "keep"}
    )
    assert done.status_code == 303, done.text
    page = done.headers["location"]
    assert "Draft: not in force" in writer.get(page).text
    assert "somebody else signs it" in writer.get(page).text
    assert writer.post(page, data={"decision": "signed"}).status_code == 409
    assert "21 mg/mL" not in clients["nurse"].get("/formulary/morphine").text
    before = re.search(r"formulary ([0-9a-f]{12})", writer.get("/help").text)
    assert clients["physician"].post(page, data={"decision": "signed"}).status_code == 303
    assert "21 mg/mL" in clients["nurse"].get("/formulary/morphine").text
    after = re.search(r"formulary ([0-9a-f]{12})", writer.get("/help").text)
    assert before is not None
    assert after is not None
    assert before[1] != after[1]
    assert "In force" in writer.get(page).text
    assert writer.post(page, data={"decision": "signed"}).status_code == 409


def test_errors_stand_at_the_text_with_their_line(clients: dict[str, TestClient]) -> None:
    wrong = STRONGER.replace("21 mg/mL", "21 furlongs")
    answer = clients["pharmacist"].post(
        "/formulary/write", data={"file": "morphine", "text": wrong, "why": "a try", "press": "keep"}
    )
    assert answer.status_code == 422
    assert "line 2" in answer.text
    assert "21 furlongs" in answer.text
    assert re.search(r'id="f-text"[^>]*aria-invalid', answer.text)
    assert re.search(r'id="f-why"[^>]*aria-invalid', answer.text)


def test_the_side_form_adds_to_the_text_and_keeps_nothing(clients: dict[str, TestClient]) -> None:
    side = {
        "max_concentration": "22 mg/mL",
        "authority": "Test clinic",
        "edition": "2026",
        "source": "standard 7",
        "verified": "yes",
    }
    answer = clients["pharmacist"].post("/formulary/write", data={"file": "baclofen", "press": "add", **side})
    assert answer.status_code == 200
    text = html.unescape(re.search(r'<textarea[^>]*id="f-text"[^>]*>\n?(.*?)</textarea>', answer.text, re.S)[1])  # type: ignore[index]
    assert 'extends = "baclofen"' in text
    assert 'high = "22 mg/mL"' in text
    assert "baclofen" not in clients["pharmacist"].get("/formulary").text.split("Newest versions")[1]


def test_a_decision_is_one_of_two_words(clients: dict[str, TestClient]) -> None:
    done = clients["pharmacist"].post(
        "/formulary/write",
        data={"file": "clonidine", "text": STRONGER.replace("morphine", "clonidine"), "why": "our pharmacy makes it"},
    )
    assert done.status_code == 303, done.text
    page = done.headers["location"]
    assert clients["physician"].post(page, data={"decision": "perhaps"}).status_code == 422
    assert clients["physician"].post(page, data={"decision": "turned down"}).status_code == 422
    assert (
        clients["physician"].post(page, data={"decision": "turned down", "why": "no source in it"}).status_code == 303
    )
    assert "no source in it" in clients["nurse"].get(page).text


@pytest.mark.parametrize("path", ["/formulary/versions/99999", "/formulary/not-a-drug"])
def test_what_is_not_there_is_not_found(clients: dict[str, TestClient], path: str) -> None:
    assert clients["pharmacist"].get(path).status_code == 404


def test_every_drug_has_a_page(clients: dict[str, TestClient], world: ClinicWorld) -> None:
    for code in world.house.formulary.drugs:
        assert clients["nurse"].get(f"/formulary/{code}").status_code == 200, code
    assert "HYDROmorphone" in clients["nurse"].get("/formulary?find=hydro").text


def test_overrides_are_counted_listed_and_handed_out(clients: dict[str, TestClient]) -> None:
    for path in ("/overrides", "/overrides/list", "/overrides/list?what=near-misses&find=x"):
        assert clients["administrator"].get(path).status_code == 200, path
    table = clients["pharmacist"].get("/overrides/file?what=overrides&form=csv")
    assert table.headers["content-type"].startswith("text/csv")
    assert table.headers["content-disposition"] == 'attachment; filename="overrides.csv"'
    assert clients["pharmacist"].get("/overrides/file?what=near-misses&form=json").json() == []
    assert clients["pharmacist"].get("/overrides/file?what=secrets").status_code == 422
