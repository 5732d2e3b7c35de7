"""The pages of people and audit, for administrators, as a browser without scripts sees them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from tests.clinic_world import NOW_S, ClinicWorld, clinic_world, plain_clinic
from tests.people_world import PASSWORD, Machine, sign_in, with_passwords, with_second
from tests.record_engines import record_in, unguarded

from thecal.clinic.people import auditing, staff
from thecal.clinic.people.signing_in import who_is
from thecal.clinic.people.staff import Change, StaffFault
from thecal.clinic.record.tables import Act, Audit, Person, SignIn
from thecal.clinic.refused import Refused
from thecal.clinic.who import StaffRole

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fastapi.testclient import TestClient


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ClinicWorld]:
    yield from plain_clinic(tmp_path)


@pytest.fixture
def machine(world: ClinicWorld) -> Machine:
    return with_passwords(world, "nurse", "administrator")


@pytest.fixture
def nurse(world: ClinicWorld, machine: Machine) -> TestClient:
    return world.client("nurse")


@pytest.fixture
def administrator(world: ClinicWorld, machine: Machine) -> TestClient:
    return world.client("administrator")


# People


def test_an_administrator_makes_somebody_who_then_chooses_a_password(
    administrator: TestClient, world: ClinicWorld, machine: Machine
) -> None:
    made = administrator.post("/people/new", data={"login": "eva", "name": "Eva Berg", "roles": ["nurse", "desk"]})
    handed = re.search(r'class="number"><code>([a-z2-9-]+)</code>', made.text)
    assert handed is not None
    client = world.client(None)
    first = sign_in(client, "eva", handed.group(1))
    assert first.headers["location"] == "/sign-in/password?next=/"
    assert client.get("/sign-in/enroll").headers["location"].startswith("/sign-in/password"), "no step is left out"
    same = {"password": handed.group(1), "again": handed.group(1)}
    assert client.post("/sign-in/password", data=same).status_code == 422
    chosen = client.post("/sign-in/password", data={"password": PASSWORD, "again": PASSWORD})
    assert chosen.headers["location"].startswith("/sign-in/enroll")
    assert sign_in(world.client(None), "eva", handed.group(1)).status_code == 422, "it serves once"


def test_a_password_that_was_handed_out_ends_after_three_days(
    administrator: TestClient, world: ClinicWorld, machine: Machine
) -> None:
    made = administrator.post("/people/new", data={"login": "eva", "name": "Eva Berg", "roles": ["nurse"]})
    handed = re.search(r'class="number"><code>([a-z2-9-]+)</code>', made.text)
    assert handed is not None
    machine.now_s += staff.TEMPORARY_S
    assert sign_in(world.client(None), "eva", handed.group(1)).status_code == 422


@pytest.mark.parametrize(
    ("entered", "said"),
    [
        ({"login": "Nurse", "name": "Eva Berg", "roles": ["nurse"]}, "the login nurse, which somebody has"),
        ({"login": "e", "name": "Eva Berg", "roles": ["nurse"]}, "2 to 32 small letters"),
        ({"login": "eva", "name": " ", "roles": ["nurse"]}, "enter the name"),
        ({"login": "eva", "name": "Eva Berg", "roles": []}, "no role"),
        ({"login": "eva", "name": "Eva Berg", "roles": ["nurse", "king"]}, "nurse, king"),
    ],
)
def test_somebody_new_with_a_wrong_entry_is_refused_at_the_field_and_nothing_is_lost(
    administrator: TestClient, world: ClinicWorld, entered: dict[str, Any], said: str
) -> None:
    before = count(world)
    found = administrator.post("/people/new", data=entered)
    assert found.status_code == 422
    assert said.casefold() in found.text.casefold()
    assert f'value="{entered["login"]}"' in found.text
    assert count(world) == before


def test_changed_roles_hold_at_once_and_are_written_down(
    administrator: TestClient, nurse: TestClient, world: ClinicWorld
) -> None:
    who = world.people["nurse"].person_id
    assert nurse.get("/patients").status_code == 200
    done = administrator.post(f"/people/{who}/roles", data={"roles": ["engineer"], "reason": "changed her work"})
    assert done.status_code == 303
    assert nurse.get("/patients").headers["location"].startswith("/sign-in")
    assert world.client("nurse").get("/patients").status_code == 403
    with world.house.reading() as session:
        act = session.scalars(select(Act).where(Act.kind == "roles changed")).one()
    assert act.details["before"] == ["nurse"]
    assert act.details["reason"] == "changed her work"
    assert act.by_person == world.people["administrator"].person_id
    page = administrator.get(f"/people/{who}").text
    assert "changed her work" in page


def test_somebody_inactive_is_out_at_once_and_comes_in_no_more(
    administrator: TestClient, nurse: TestClient, world: ClinicWorld
) -> None:
    who = world.people["nurse"].person_id
    assert administrator.post(f"/people/{who}/inactive", data={"reason": "has left us"}).status_code == 303
    assert nurse.get("/help").status_code == 303
    assert sign_in(world.client(None), "nurse").status_code == 422
    assert administrator.post(f"/people/{who}/active", data={"reason": "is back again"}).status_code == 303
    assert nurse.get("/help").status_code == 303, "an old sign-in does not come back"
    assert sign_in(world.client(None), "nurse").status_code == 303


def test_a_reset_of_the_second_factor_needs_a_reason_and_leads_to_a_new_one(
    administrator: TestClient, world: ClinicWorld, machine: Machine
) -> None:
    code = with_second(world, "nurse")
    who = world.people["nurse"].person_id
    assert administrator.post(f"/people/{who}/second-factor", data={"reason": " "}).status_code == 422
    assert sign_in(world.client(None), "nurse").headers["location"].startswith("/sign-in/second")
    assert administrator.post(f"/people/{who}/second-factor", data={"reason": "lost the phone"}).status_code == 303
    client = world.client(None)
    assert sign_in(client, "nurse").headers["location"].startswith("/sign-in/enroll")
    assert client.post("/sign-in/second", data={"code": code.at(machine.now_s)}).status_code == 422


def test_own_roles_are_changed_by_somebody_else_alone(administrator: TestClient, world: ClinicWorld) -> None:
    own = world.people["administrator"].person_id
    for what in ("roles", "inactive", "second-factor", "password"):
        found = administrator.post(
            f"/people/{own}/{what}", data={"roles": ["physician", "administrator"], "reason": "because I want to"}
        )
        assert found.status_code == 422
        assert "your own name" in found.text
    page = administrator.get(f"/people/{own}").text
    assert "another administrator changes them" in page
    assert f'action="/people/{own}/' not in page


def test_the_last_active_administrator_stays_one(world: ClinicWorld, machine: Machine) -> None:
    one, two = world.people["administrator"], world.people["administrator2"]
    house = world.house
    assert not isinstance(staff.make_inactive(house, one, Change(two.person_id, "has left us")), Refused)
    with world.writing() as record:
        nurse = record.keep(Person(login="other", name="Other One", roles=["nurse"]))
    by = who_is(nurse)
    for found in (
        staff.make_inactive(house, by, Change(one.person_id, "has left us")),
        staff.set_roles(house, by, Change(one.person_id, "changed work"), ["nurse"]),
    ):
        assert isinstance(found, Refused)
        assert found.code is StaffFault.LAST
    assert not isinstance(
        staff.set_roles(house, by, Change(one.person_id, "changed work"), ["nurse", "administrator"]), Refused
    )


def test_nothing_is_written_where_a_change_is_refused(world: ClinicWorld, machine: Machine) -> None:
    before = count(world)
    own = world.people["administrator"]
    assert isinstance(staff.make_inactive(world.house, own, Change(own.person_id, "has left us")), Refused)
    assert count(world) == before


def test_two_administrators_who_change_the_same_person_do_not_overwrite_each_other(
    administrator: TestClient, world: ClinicWorld
) -> None:
    who = world.people["nurse"].person_id
    entered = {"reason": "changed her work", "revision": "1"}
    assert administrator.post(f"/people/{who}/roles", data={**entered, "roles": ["desk"]}).status_code == 303
    late = administrator.post(f"/people/{who}/roles", data={**entered, "roles": ["engineer"]})
    assert late.status_code == 409
    with world.house.reading() as session:
        assert session.get_one(Person, who).roles == ["desk"]


def test_people_are_found_by_name_and_paged_in_the_database(administrator: TestClient, world: ClinicWorld) -> None:
    with world.writing() as record:
        for n in range(staff.PAGE + 5):
            record.keep(Person(login=f"extra{n}", name=f"Extra {n:03d}", roles=["desk"]))
    found = administrator.get("/people", params={"find": "extra"}).text
    assert f"{staff.PAGE + 5} people" in found
    assert found.count('href="/people/') == staff.PAGE + 1
    assert "Page 2 of 2" in administrator.get("/people", params={"find": "extra", "page": 2}).text
    assert "0 people" in administrator.get("/people", params={"find": "%"}).text
    assert administrator.get("/people/999999").status_code == 404
    assert administrator.post("/people/999999/inactive", data={"reason": "has left us"}).status_code == 404


def test_the_first_administrator_is_made_once(tmp_path: Path) -> None:
    world = clinic_world(tmp_path)
    found = staff.first_administrator(world.house, "root", "Root One", PASSWORD)
    assert isinstance(found, Refused)
    assert found.code is StaffFault.NOT_FIRST
    world.end()


def test_the_first_administrator_of_an_empty_clinic_comes_in_with_a_second_factor(tmp_path: Path) -> None:
    from tests.clinic_world import nobody_answers

    from thecal.clinic.pumps import Pumps
    from thecal.clinic.record import Store
    from thecal.formulary import load
    from thecal.web.house import House

    store = Store(record_in(tmp_path))
    house = House(store, Pumps(nobody_answers), load(), lambda: NOW_S, "test")
    assert isinstance(staff.first_administrator(house, "root", "Root One", "short"), Refused)
    made = staff.first_administrator(house, "Root", "Root One", PASSWORD)
    assert not isinstance(made, Refused)
    assert made.roles == {StaffRole.ADMINISTRATOR}
    client = ClinicWorld(store, house).client(None)
    assert sign_in(client, "root").headers["location"].startswith("/sign-in/enroll")
    store.close()


# Audit


def test_the_account_is_filtered_by_person_patient_action_and_day(
    administrator: TestClient, world: ClinicWorld
) -> None:
    patient = world.patient("1001", None)
    with world.writing("nurse", "saw chart", patient_id=patient.id):
        pass
    with world.writing("physician", "order checked", patient_id=patient.id):
        pass
    nurse = world.people["nurse"].person_id
    assert rows(administrator, person=nurse, action="saw") == ["saw chart"]
    assert rows(administrator, patient="1001") == ["order checked", "saw chart"]
    assert rows(administrator, patient="9999") == []
    assert rows(administrator, action="order che") == ["order checked"]
    day = datetime.fromtimestamp(NOW_S, ZoneInfo("America/Chicago")).date()
    assert "saw chart" in rows(administrator, day=day.isoformat())
    assert rows(administrator, day="2020-01-01") == []


def test_looking_at_the_account_is_in_the_account(administrator: TestClient, world: ClinicWorld) -> None:
    rows(administrator, action="chart")
    with world.house.reading() as session:
        newest = session.scalars(select(Audit).order_by(Audit.seq.desc())).first()
    assert newest is not None
    assert newest.action == "saw the account"
    assert newest.details == {"looked": {"action": "chart"}}


def test_the_account_is_paged_in_the_database(administrator: TestClient, world: ClinicWorld) -> None:
    for n in range(auditing.PAGE + 7):
        with world.writing("nurse", f"saw number {n:03d}"):
            pass
    page = administrator.get("/audit", params={"action": "saw number"}).text
    assert len(re.findall(r"<td>saw number \d+</td>", page)) == auditing.PAGE
    older = re.search(r'href="(/audit\?[^"]+)">Older', page)
    assert older is not None
    rest = administrator.get(older.group(1).replace("&amp;", "&")).text
    assert len(re.findall(r"<td>saw number \d+</td>", rest)) == 7
    assert "Older" not in rest


@pytest.mark.parametrize("entered", [{"day": "yesterday"}, {"person": "x"}, {"before": "-1"}, {"day": "0001-01-01"}])
def test_a_wrong_filter_is_refused_with_a_message(administrator: TestClient, entered: dict[str, str]) -> None:
    found = administrator.get("/audit", params=entered)
    assert found.status_code == 422
    assert next(iter(entered.values())) in found.text


def test_a_link_that_was_changed_behind_the_programs_back_is_shown(
    administrator: TestClient, world: ClinicWorld
) -> None:
    assert "follow from one another" in administrator.get("/audit").text
    unguarded(world.store, "audit", "UPDATE audit SET action = 'nothing' WHERE seq = 3")
    found = administrator.get("/audit").text
    assert "The account was tampered with" in found
    assert "link 3 does not follow" in found


def test_every_step_of_signing_in_leaves_a_link(world: ClinicWorld, machine: Machine) -> None:
    code = with_second(world, "nurse")
    client = world.client(None)
    sign_in(client, "nurse", "not the password")
    sign_in(client, "nurse")
    client.post("/sign-in/second", data={"code": code.at(machine.now_s)})
    client.post("/sign-out")
    with world.house.reading() as session:
        found = list(session.scalars(select(Audit.action).order_by(Audit.seq.desc()).limit(4)))[::-1]
        ended = session.scalars(select(SignIn)).all()
    assert found == ["sign-in refused", "password right", "second factor", "signed out"]
    assert all(row.ended for row in ended)


def rows(client: TestClient, **entered: Any) -> list[str]:
    """What the account shows, the newest first; that it was looked at is left out."""
    page = client.get("/audit", params=entered)
    assert page.status_code == 200
    body = page.text.split("<tbody>")[1].split("</tbody>")[0]
    found = [re.findall(r"<td[^>]*>(.*?)</td>", row)[3] for row in body.split("<tr>")[1:]]
    return [action for action in found if action != "saw the account"]


def count(world: ClinicWorld) -> tuple[int, int]:
    with world.house.reading() as session:
        return len(session.scalars(select(Person.id)).all()), len(session.scalars(select(Act.id)).all())
