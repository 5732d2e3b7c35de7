"""The pharmacy's pages without scripts: every form refuses at its field, every step answers by the syringe's page."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select
from tests.clinic_world import clinic_world

from thecal.clinic.pharmacy.states import State
from thecal.clinic.record.tables import Audit, BoardLine, Clinic, Preparation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi.testclient import TestClient
    from httpx2 import Response
    from tests.clinic_world import ClinicWorld

    from thecal.clinic.record.tables import Patient

ORDER: dict[str, Any] = {
    "drugs": ["hydromorphone", "bupivacaine", "", "", "", ""],
    "strengths": ["4 mg/mL", "10 mg/mL", "", "", "", ""],
    "volume": "20 mL",
    "diluent": "sodium chloride 0.9 %, preservative-free",
    "preservative_free": "yes",
    "needed_by": "2026-10-05",
    "refill_by": "2026-11-30",
}
SHEET: dict[str, Any] = {
    "kinds": ["solution", "powder"],
    "strengths": ["10 mg/mL", "98 %"],
    "products": ["Hydromorphone vial", "Bupivacaine powder"],
    "lots": ["H-77", "B-12"],
    "expires": ["2027-01-31", "2027-06-30"],
    "preservative_free": ["yes", "yes"],
    "phs": ["", "5.5"],
    "overfill": "1 mL",
    "diluent_product": "Sodium chloride 0.9 %",
    "diluent_lot": "S-1",
    "diluent_expires": "2027-03-31",
    "diluent_free": "yes",
    "beyond_use": "2026-10-20",
    "beyond_use_source": "USP <797>, category 2",
}
SECOND: dict[str, Any] = {
    "drugs": ["bupivacaine", "hydromorphone"],
    "strengths": ["98 %", "10 mg/mL"],
    "draws": ["214.3 mg", "8.4 mL"],
    "total": "21 mL",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClinicWorld]:
    made = clinic_world(tmp_path_factory.mktemp("pharmacy"))
    yield made
    made.end()


@pytest.fixture(scope="module")
def patient(world: ClinicWorld) -> Patient:
    return world.patient()


@pytest.fixture(scope="module")
def clients(world: ClinicWorld) -> dict[str, TestClient]:
    return {role: world.client(role) for role in (*world.people,)}


def seen(client: TestClient, path: str) -> str:
    found = re.search(r'name="seen" value="(\d+)"', client.get(path).text)
    assert found is not None, path
    return found[1]


def row_of(world: ClinicWorld, preparation_id: int) -> Preparation:
    with world.house.reading() as db:
        row = db.get(Preparation, preparation_id)
    assert row is not None
    return row


def step(clients: dict[str, TestClient], role: str, preparation_id: int, what: str, **fields: Any) -> Response:
    page = f"/pharmacy/{preparation_id}"
    revision = seen(clients["pharmacist"], page)
    return clients[role].post(f"{page}/{what}", data={"seen": revision, **fields})


def ordered(clients: dict[str, TestClient], patient: Patient, **over: Any) -> int:
    done = clients["physician"].post("/pharmacy/order", data={"patient": str(patient.id), **ORDER, **over})
    assert done.status_code == 303, done.text
    return int(done.headers["location"].rsplit("/", 1)[1])


def made(clients: dict[str, TestClient], patient: Patient, sheet: dict[str, Any] = SHEET, **over: Any) -> int:
    number = ordered(clients, patient, **over)
    assert step(clients, "pharmacist", number, "accept").status_code == 303
    done = step(clients, "pharmacist", number, "worksheet", **sheet)
    assert done.status_code == 303, done.text
    return number


def labeled(clients: dict[str, TestClient], patient: Patient) -> int:
    number = made(clients, patient)
    assert step(clients, "pharmacist2", number, "check", **SECOND).status_code == 303
    assert step(clients, "pharmacist", number, "label").status_code == 303
    return number


def test_the_order_form_opens_empty(clients: dict[str, TestClient], patient: Patient) -> None:
    page = clients["physician"].get(f"/pharmacy/order?patient={patient.id}").text
    assert re.findall(r'<input class="form-control[^>]*value="([^"]+)"', page) == []
    assert " selected" not in page.split('<form method="post" action="/pharmacy/order"')[1]


def test_a_wrong_order_keeps_what_was_entered(clients: dict[str, TestClient], patient: Patient) -> None:
    wrong = {**ORDER, "volume": ".5 mL", "strengths": ["4", "10 mg/mL", "", "", "", ""], "diluent": "water <b>"}
    answer = clients["physician"].post("/pharmacy/order", data={"patient": str(patient.id), **wrong})
    assert answer.status_code == 422
    assert 'value=".5 mL"' in answer.text
    assert "water &lt;b&gt;" in answer.text
    for field in ("f-volume", "f-strengths.0"):
        assert re.search(rf'id="{re.escape(field)}"[^>]*aria-invalid', answer.text), field
    assert "rite 0.5 mL" in answer.text


@pytest.mark.parametrize("data", [{}, {"patient": "x"}, {"patient": "999999"}])
def test_an_order_for_nobody_is_not_found(clients: dict[str, TestClient], data: dict[str, str]) -> None:
    assert clients["physician"].post("/pharmacy/order", data=data).status_code == 404


def test_choose_a_patient_first(clients: dict[str, TestClient], patient: Patient) -> None:
    page = clients["physician"].get("/pharmacy/order?find=lindqvist").text
    assert f"/pharmacy/order?patient={patient.id}" in page
    assert "Nobody is found" in clients["physician"].get("/pharmacy/order?find=nobody+there").text


def test_the_whole_way_over_the_pages(clients: dict[str, TestClient], world: ClinicWorld, patient: Patient) -> None:
    number = labeled(clients, patient)
    page = clients["pharmacist"].get(f"/pharmacy/{number}").text
    assert "HYDROmorphone 84 mg per 21 mL" in page
    assert step(clients, "pharmacist", number, "release").status_code == 303
    assert step(clients, "pharmacist", number, "ship", carrier="own driver").status_code == 303
    code = str(row_of(world, number).syringe_code)
    done = clients["nurse"].post("/pharmacy/receive", data={"code": code})
    assert done.headers["location"] == f"/pharmacy/{number}"
    page = clients["nurse"].get(f"/pharmacy/{number}").text
    for said in ("Received", "Nurse One", "Pharmacist Two", "own driver", code):
        assert said in page


def test_the_second_person_sees_nothing_of_the_first(clients: dict[str, TestClient], patient: Patient) -> None:
    number = made(clients, patient)
    for path in (f"/pharmacy/{number}", f"/pharmacy/{number}/check"):
        page = clients["pharmacist2"].get(path).text
        assert "8.4 mL" not in page, path
        assert "214.3 mg" not in page, path
    assert "8.4 mL" in clients["pharmacist"].get(f"/pharmacy/{number}").text
    assert clients["pharmacist2"].get(f"/papers/worksheet/{number}").status_code == 409
    wrong = step(clients, "pharmacist2", number, "check", **{**SECOND, "draws": ["214.3 mg", "4.8 mL"]})
    assert wrong.status_code == 422
    assert "8.4 mL" not in wrong.text
    assert 'value="4.8 mL"' in wrong.text


def test_stock_that_must_not_go_in_is_said_at_its_field(clients: dict[str, TestClient], patient: Patient) -> None:
    number = ordered(clients, patient)
    step(clients, "pharmacist", number, "accept")
    answer = step(
        clients, "pharmacist", number, "worksheet", **{**SHEET, "preservative_free": ["no", "yes"], "phs": ["2.8", ""]}
    )
    assert answer.status_code == 422
    for field in ("f-preservative_free.0", "f-phs.0"):
        assert re.search(rf'id="{re.escape(field)}"[^>]*aria-invalid', answer.text), field
    assert 'value="H-77"' in answer.text


def test_out_of_order_is_a_conflict(clients: dict[str, TestClient], patient: Patient) -> None:
    number = ordered(clients, patient)
    for what in ("label", "release", "ship"):
        answer = step(clients, "pharmacist", number, what)
        assert answer.status_code == 409, what
        assert "ordered by the physician" in answer.text
    assert clients["pharmacist"].get(f"/pharmacy/{number}/worksheet").status_code == 409


def test_a_page_that_is_old_changes_nothing(
    clients: dict[str, TestClient], world: ClinicWorld, patient: Patient
) -> None:
    number = ordered(clients, patient)
    assert clients["pharmacist"].post(f"/pharmacy/{number}/accept", data={"seen": "77"}).status_code == 409
    assert clients["pharmacist"].post(f"/pharmacy/{number}/accept", data={}).status_code == 409
    assert row_of(world, number).state == State.ORDERED


def test_moving_the_day_updates_the_board(clients: dict[str, TestClient], world: ClinicWorld) -> None:
    person = world.patient("1009", serial="B-9")
    number = ordered(clients, person)
    assert step(clients, "nurse", number, "needed-by", needed_by="2026-09-29", why="moved up").status_code == 303
    with world.house.reading() as db:
        line = db.get(BoardLine, person.id)
    assert line is not None
    assert line.shown["order"]["needed_by"] == "2026-09-29"
    assert "from 5 Oct 2026 to 29 Sep 2026 (moved up)" in clients["nurse"].get(f"/pharmacy/{number}").text
    wrong = step(clients, "nurse", number, "needed-by", needed_by="tomorrow")
    assert wrong.status_code == 422
    assert re.search(r'id="f-needed_by"[^>]*aria-invalid', wrong.text)


def test_above_a_ceiling_only_by_name(clients: dict[str, TestClient], world: ClinicWorld, patient: Patient) -> None:
    high = {"strengths": ["20 mg/mL", "10 mg/mL", "", "", "", ""]}
    number = made(clients, patient, {**SHEET, "strengths": ["50 mg/mL", "98 %"]}, **high)
    step(clients, "pharmacist2", number, "check", **{**SECOND, "strengths": ["98 %", "50 mg/mL"]})
    step(clients, "pharmacist", number, "label")
    assert step(clients, "pharmacist", number, "release").status_code == 422
    while keys := re.findall(r'name="key" value="([^"]+)"', clients["pharmacist"].get(f"/pharmacy/{number}").text):
        short = step(clients, "pharmacist", number, "override", key=keys[0], why="no")
        assert short.status_code == 422
        assert step(clients, "pharmacist", number, "override", key=keys[0], why="palliative, agreed").status_code == 303
    assert step(clients, "pharmacist", number, "release").status_code == 303
    assert (
        "passed by Pharmacist One. Reason: palliative, agreed" in clients["physician"].get(f"/pharmacy/{number}").text
    )


def test_the_queue_finds_by_words_and_state(clients: dict[str, TestClient], patient: Patient) -> None:
    number = ordered(clients, patient, needed_by="2027-01-01", refill_by="")
    page = clients["pharmacist"].get("/pharmacy?find=lindqvist+hydromorphone&state=ordered").text
    assert f'href="/pharmacy/{number}"' in page
    assert "1 Jan 2027" in page
    assert f'href="/pharmacy/{number}"' not in clients["pharmacist"].get("/pharmacy?state=received").text


def test_recall_by_lot(clients: dict[str, TestClient], patient: Patient) -> None:
    number = made(clients, patient, {**SHEET, "lots": ["LOT-BAD", "B-12"]})
    page = clients["pharmacist"].get("/pharmacy/recall?lot=lot-bad").text
    assert f'href="/pharmacy/{number}"' in page


def test_a_lot_is_recalled_over_the_page(clients: dict[str, TestClient], patient: Patient) -> None:
    page = clients["pharmacist"].get("/pharmacy/recall?lot=R-1").text
    assert "Recall the lot R-1" in page
    assert "Recall the lot R-1" not in clients["nurse"].get("/pharmacy/recall?lot=R-1").text
    short = clients["pharmacist"].post("/pharmacy/recall", data={"lot": "R-1", "why": "no"})
    assert short.status_code == 422
    assert "say why it is recalled" in short.text.lower()
    done = clients["pharmacist"].post("/pharmacy/recall", data={"lot": "R-1", "why": "notice 7 of the maker"})
    assert done.headers["location"] == "/pharmacy/recall?lot=R-1"
    assert "notice 7 of the maker" in clients["nurse"].get("/pharmacy/recall?lot=r-1").text
    assert clients["pharmacist"].post(
        "/pharmacy/recall", data={"lot": "R-1", "why": "notice 7 of the maker"}
    ).status_code == 409  # fmt: skip
    assert clients["nurse"].post("/pharmacy/recall", data={"lot": "R-2", "why": "notice 7"}).status_code == 403


def test_the_sites_lead_times_and_notes(clients: dict[str, TestClient], world: ClinicWorld, patient: Patient) -> None:
    page = clients["administrator"].get("/pharmacy/settings").text
    assert "2 days (Ours, not verified)" in page
    revision = seen(clients["administrator"], "/pharmacy/settings")
    wrong = clients["administrator"].post("/pharmacy/settings", data={"seen": revision, "make": "-1"})
    assert wrong.status_code == 422
    done = clients["pharmacist"].post(
        "/pharmacy/settings", data={"seen": revision, "make": "3", "note_II": "By our own courier."}
    )
    assert done.status_code == 303
    with world.house.reading() as db:
        assert db.scalars(select(Clinic)).one().settings["pharmacy_leads"] == {"make": 3}
    number = ordered(clients, patient)
    assert "By our own courier." in clients["nurse"].get(f"/pharmacy/{number}").text
    assert "3 days (this site)" in clients["pharmacist"].get("/pharmacy/settings").text


def test_seeing_a_syringe_is_written_down(clients: dict[str, TestClient], world: ClinicWorld, patient: Patient) -> None:
    number = ordered(clients, patient)
    clients["nurse"].get(f"/pharmacy/{number}")
    with world.house.reading() as db:
        last = db.scalars(select(Audit).order_by(Audit.seq.desc())).first()
    assert last is not None
    assert (last.action, last.patient_id, last.by_person) == (
        "saw a syringe",
        patient.id,
        world.people["nurse"].person_id,
    )


def test_papers_of_a_syringe(clients: dict[str, TestClient], patient: Patient) -> None:
    number = labeled(clients, patient)
    for what in ("label", "worksheet"):
        page = clients["pharmacist"].get(f"/papers/{what}/{number}")
        assert (page.status_code, "Lindqvist, Ada" in page.text) == (200, True)
        assert "style=" not in page.text
        pdf = clients["pharmacist"].get(f"/papers/{what}/{number}?form=pdf")
        assert pdf.headers["content-type"] == "application/pdf"
        assert pdf.content.startswith(b"%PDF-")
    assert clients["pharmacist"].get(f"/papers/label/{number}?form=docx").status_code == 422
    assert clients["pharmacist"].get(f"/papers/label/{ordered(clients, patient)}").status_code == 409


@pytest.mark.parametrize(
    "path", ["/pharmacy/999999", "/pharmacy/999999/worksheet", "/pharmacy/999999/check", "/papers/label/999999"]
)
def test_what_is_not_there_is_not_found(clients: dict[str, TestClient], path: str) -> None:
    assert clients["pharmacist"].get(path).status_code == 404


def test_dates_spell_the_month() -> None:
    from thecal.web.screen import day

    assert day(date(2026, 10, 5)) == "5 Oct 2026"
