"""The patients' pages without scripts: what is entered is kept or refused at its field, and every look is audited."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from tests.clinic_world import clinic_world

from thecal.clinic.record.tables import Audit, Implant, Observation, Patient, SystemicOpioid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi.testclient import TestClient
    from tests.clinic_world import ClinicWorld

PERSON = {
    "number": "2001",
    "given": "Grace",
    "family": "Okafor",
    "birth_date": "1958-11-30",
    "language": "English",
    "indication": "cancer pain",
    "opioid_naive": "no",
    "sedatives": "none",
    "weight_kg": "72.5",
}
PUMP = {
    "serial": "BENCH-77",
    "family": "bench-20",
    "model": "Bench 20",
    "implanted_on": "2026-03-02",
    "catheter_supplied": "100 cm",
    "catheter_removed": "32 cm",
    "catheter_volume": "0.002 mL/cm",
    "tip_level": "T10",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClinicWorld]:
    folder = tmp_path_factory.mktemp("patients")
    found = clinic_world(folder)
    yield found
    found.end()


@pytest.fixture(scope="module")
def nurse(world: ClinicWorld) -> TestClient:
    return world.client("nurse")


@pytest.fixture(scope="module")
def taken_on(world: ClinicWorld, nurse: TestClient) -> int:
    answer = nurse.post("/patients/new", data=PERSON)
    assert answer.status_code == 303, answer.text
    return int(answer.headers["location"].rsplit("/", 1)[1])


def test_what_nobody_has_said_stays_unknown(world: ClinicWorld, taken_on: int) -> None:
    with world.house.reading() as db:
        patient = db.get_one(Patient, taken_on)
    assert (patient.sleep_apnea, patient.systemic_opioids, patient.contraindications) == (None, None, None)
    assert (patient.opioid_naive, patient.sedatives, patient.weight_g) == (False, [], 72_500)
    assert patient.number not in patient.reference
    assert patient.family.lower() not in patient.reference.lower()


@pytest.mark.parametrize(
    ("name", "entered", "said"),
    [
        ("number", "", "no clinic&#39;s number"),
        ("given", "x" * 201, "201 characters"),
        ("family", "a\u202eb", "printable"),
        ("birth_date", "30.11.1958", "year first"),
        ("birth_date", "2999-01-01", "a day from"),
        ("birth_date", "", "no birth date"),
        ("indication", "headache", "cancer pain, non-cancer pain"),
        ("opioid_naive", "maybe", "yes, no"),
        ("sedatives", "a,,b", "names with commas"),
        ("weight_kg", "72,5", "kilograms"),
        ("weight_kg", "0", "kilograms"),
        ("weight_kg", "72.", "kilograms"),
        ("weight_kg", "5000", "up to 500"),
    ],
)
def test_bad_input_gets_its_message_and_nothing_is_lost(nurse: TestClient, name: str, entered: str, said: str) -> None:
    answer = nurse.post("/patients/new", data={**PERSON, "number": "2999", name: entered})
    assert answer.status_code == 422
    place = answer.text.index(f'id="w-{name}"')
    assert said in answer.text[place : place + 600]
    assert 'value="Grace"' in answer.text or name == "given"


def test_a_number_that_is_taken(nurse: TestClient, taken_on: int) -> None:
    answer = nurse.post("/patients/new", data=PERSON)
    assert answer.status_code == 422
    assert "another patient has" in answer.text


def test_the_chart_is_audited(world: ClinicWorld, nurse: TestClient, taken_on: int) -> None:
    assert nurse.get(f"/patients/{taken_on}").status_code == 200
    with world.house.reading() as db:
        newest = db.scalars(select(Audit).order_by(Audit.seq.desc())).first()
    assert newest is not None
    assert (newest.action, newest.patient_id) == ("saw the chart", taken_on)
    assert newest.by_person == world.people["nurse"].person_id


@pytest.mark.parametrize("patient_id", ["0", "99999", "-1", str(2**70)])
def test_a_patient_that_there_is_not(nurse: TestClient, patient_id: str) -> None:
    for page in ("", "/facts", "/implant", "/days", "/profile"):
        assert nurse.get(f"/patients/{patient_id}{page}").status_code == 404


def test_the_list_is_searched_by_every_word(nurse: TestClient, taken_on: int) -> None:
    assert "Okafor" in nurse.get("/patients", params={"find": "okaf gra"}).text
    assert "Nobody is found" in nurse.get("/patients", params={"find": "okafor ada"}).text
    assert "Nobody is found" in nurse.get("/patients", params={"find": "%"}).text


def test_the_list_is_paged(world: ClinicWorld, nurse: TestClient) -> None:
    for number in range(3000, 3060):
        world.patient(str(number), serial=None, family="Many")
    first = nurse.get("/patients", params={"find": "many"}).text
    assert "60 patients, page 1 of 2" in first
    assert "Next page" in first
    last = nurse.get("/patients", params={"find": "many", "page": 9}).text
    assert "page 2 of 2" in last
    assert last.count("Many, ") == 10


def test_two_people_change_the_same_facts(world: ClinicWorld, nurse: TestClient, taken_on: int) -> None:
    with world.house.reading() as db:
        seen = db.get_one(Patient, taken_on).revision
    form = {**PERSON, "sleep_apnea": "yes", "revision": str(seen)}
    assert nurse.post(f"/patients/{taken_on}/facts", data=form).status_code == 303
    second = world.client("physician").post(f"/patients/{taken_on}/facts", data={**form, "sleep_apnea": "no"})
    assert second.status_code == 409
    assert "Nothing of your entry was written" in second.text
    with world.house.reading() as db:
        assert db.get_one(Patient, taken_on).sleep_apnea is True


def test_pump_and_catheter(world: ClinicWorld, nurse: TestClient, taken_on: int) -> None:
    url = f"/patients/{taken_on}/implant"
    part = nurse.post(url, data={**PUMP, "catheter_volume": ""})
    assert part.status_code == 422
    assert "all three of them, or none" in part.text
    longer = nurse.post(url, data={**PUMP, "catheter_removed": "100 cm"})
    assert "less than was supplied" in longer.text
    stroke = nurse.post(url, data={**PUMP, "stroke": "0.5 nL"})
    assert stroke.status_code == 422
    assert nurse.post(url, data=PUMP).status_code == 303
    with world.house.reading() as db:
        row = db.scalars(select(Implant).where(Implant.patient_id == taken_on)).one()
        assert row.catheter_removed is not None
        assert row.catheter_removed.text("cm") == "32 cm"
    again = nurse.post(url, data={**PUMP, "serial": "BENCH-78"})
    assert "Write down the explant first" in again.text
    other = world.patient("2002", serial=None)
    taken = nurse.post(f"/patients/{other.id}/implant", data=PUMP)
    assert "which is in a patient" in taken.text


def test_a_score_is_on_its_scale(world: ClinicWorld, nurse: TestClient, taken_on: int) -> None:
    url = f"/patients/{taken_on}/observations"
    for value in ("11", "-1", "3.5", "", "²"):
        answer = nurse.post(url, data={"kind": "pain-now", "value": value})
        assert answer.status_code == 422
        assert "a whole number from 0 to 10" in answer.text
    assert nurse.post(url, data={"kind": "nonsense", "value": "1"}).status_code == 422
    assert nurse.post(url, data={"kind": "pain-now", "value": "7", "note": "after walking"}).status_code == 303
    with world.house.reading() as db:
        assert db.scalars(select(Observation.value).where(Observation.patient_id == taken_on)).all() == ["7"]
    assert "after walking" in nurse.get(f"/patients/{taken_on}/days").text
    assert '<td class="num">7</td>' in nurse.get(f"/patients/{taken_on}/profile").text


def test_the_load_of_opioids_over_time(world: ClinicWorld, nurse: TestClient, taken_on: int) -> None:
    url = f"/patients/{taken_on}/opioids"
    bad = nurse.post(url, data={"drug": "heroin", "from_day": "tomorrow", "per_day": "30"})
    assert bad.status_code == 422
    assert all(word in bad.text for word in ("&#39;heroin&#39;", "year first", "&#39;30&#39;"))
    rows = (
        ("oxycodone", "2026-05-01", "60 mg"),
        ("oxycodone", "2026-07-01", "20 mg"),
        ("tramadol", "2026-07-01", "100 mg"),
    )
    for drug, day, amount in rows:
        entered = {"drug": drug, "route": "mouth", "from_day": day, "per_day": amount}
        assert nurse.post(url, data=entered).status_code == 303
    page = nurse.get(f"/patients/{taken_on}").text
    assert "50 MME a day" in page  # 20 mg oxycodone at 1.5 and 100 mg tramadol at 0.2
    assert "90 MME a day" in page
    with world.house.reading() as db:
        tables = set(db.scalars(select(SystemicOpioid.table)))
    assert tables == {"cdc-2022"}


@pytest.mark.requirement("OP-8.2.1")
def test_nobody_sees_a_chart_who_may_not(world: ClinicWorld, taken_on: int) -> None:
    assert world.client("desk").get(f"/patients/{taken_on}").status_code == 403
    assert world.client("engineer").get("/patients").status_code == 403
    assert world.client(None).get(f"/patients/{taken_on}").status_code == 303


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ("", "0 lines"),
        ("tomorrow 30 mg", "line 1: tomorrow 30 mg"),
        ("2026-12-01 30", "line 1"),
        ("2026-12-01 30 mg\n2026-12-01 20 mg", "a day after"),
        ("2026-12-01 30 mg\n2026-12-08 40 mg", "no more than"),
    ],
)
def test_a_plan_to_come_down_goes_down(world: ClinicWorld, taken_on: int, steps: str, said: str) -> None:
    doctor = world.client("physician")
    bad = doctor.post(f"/patients/{taken_on}/taper", data={"taper_drug": "oxycodone", "steps": steps})
    assert bad.status_code == 422
    assert said in bad.text


def test_a_new_plan_takes_the_place_of_the_one_before(world: ClinicWorld, taken_on: int) -> None:
    doctor = world.client("physician")
    url = f"/patients/{taken_on}/taper"
    for steps in ("2026-12-01 30 mg\n2026-12-08 15 mg", "2026-12-01 40 mg\n\n2026-12-15 0 mg"):
        assert doctor.post(url, data={"taper_drug": "oxycodone", "steps": steps}).status_code == 303
    page = doctor.get(f"/patients/{taken_on}").text
    assert page.count("Plan to come down from oxycodone") == 1
    assert "15 Dec 2026" in page
    assert (
        world.client("nurse").post(url, data={"taper_drug": "oxycodone", "steps": "2026-12-01 1 mg"}).status_code == 403
    )
