"""The pages of a session, as a browser without scripts asks for them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.record_engines import record_in
from tests.session_world import an_order, begun, entered, now, programmed, session_clinic

from thecal.clinic.session import close
from thecal.clinic.workflow import Step, Workflow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clinic_world import ClinicWorld

    from thecal.clinic.record.tables import Patient, Session


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, record_engine: str) -> Iterator[ClinicWorld]:
    folder = tmp_path_factory.mktemp("clinic")
    yield from session_clinic(folder, "B-1", "B-2", url=record_in(folder, record_engine))


@pytest.fixture(scope="module")
def patient(world: ClinicWorld) -> Patient:
    patient = world.patient()
    programmed(world, patient)
    return patient


def ended(world: ClinicWorld, session: Session) -> None:
    """Leave no session open for the next test."""
    close(
        world.house, world.people["physician"], session.id, now(world, session).revision, "running", "a test", "nobody"
    )


def seen(page: str) -> str:
    """The revision that a page shows."""
    found = re.search(r'name="seen" value="(\d+)"', page)
    assert found is not None
    return found[1]


@pytest.mark.both_engines
def test_a_session_goes_through_its_pages_to_a_running_program(world: ClinicWorld, patient: Patient) -> None:
    client = world.client("physician")
    page = client.get(f"/patients/{patient.id}/session")
    assert page.status_code == 200
    assert "Change the program" in page.text
    answer = client.post(f"/patients/{patient.id}/session", data={"workflow": "program"})
    assert answer.status_code == 303, answer.text
    at = answer.headers["location"].removesuffix("/read")
    page = client.get(f"{at}/read")
    assert page.status_code == 200
    assert "Lindqvist, Ada" in page.text
    assert "9 Mar 1965" in page.text
    answer = client.post(f"{at}/read", data={"seen": seen(page.text), "workflow": "program"})
    assert answer.headers["location"] == f"{at}/program"
    session = begun_as(world, at)
    order = an_order(world, session, patient, replace={'dose = "0.075 mg/h"': 'dose = "0.08 mg/h"'})
    entered(world, session, Step.PROGRAM, order=order.id)
    entered(world, session, Step.PREVIEW, seen="yes")
    page = client.get(f"{at}/review")
    assert page.status_code == 200, page.text
    assert "0.08 mg/h" in page.text
    assert client.post(f"{at}/review", data={"seen": seen(page.text)}).status_code == 422
    answer = client.post(f"{at}/review", data={"seen": seen(page.text), "compared": "yes"})
    assert answer.status_code == 303, answer.text
    page = client.get(f"{at}/send")
    digest = re.search(r'name="digest" value="([0-9a-f]{64})"', page.text)
    assert digest is not None, page.text
    answer = client.post(f"{at}/send", data={"seen": seen(page.text), "digest": digest[1]})
    assert answer.status_code == 303, answer.text
    page = client.get(answer.headers["location"])
    assert "Granted" in page.text
    assert "The pump delivers." in page.text
    page = client.get(f"{at}/close")
    answer = client.post(f"{at}/close", data={"seen": seen(page.text), "how_left": "running"})
    assert answer.status_code == 303, answer.text


def begun_as(world: ClinicWorld, at: str) -> Session:
    """The session of an address."""
    from thecal.clinic.record.tables import Session as Row

    with world.house.reading() as db:
        found = db.get(Row, int(at.rsplit("/", 1)[1]))
    assert found is not None
    return found


def test_a_page_that_is_out_of_date_writes_nothing_and_says_so(world: ClinicWorld, patient: Patient) -> None:
    session = begun(world, patient, Workflow.PROGRAM)
    client = world.client("physician")
    old = seen(client.get(f"/sessions/{session.id}/read").text)
    entered(world, session, Step.READ)
    answer = client.post(f"/sessions/{session.id}/read", data={"seen": old, "workflow": "clock"})
    assert answer.status_code == 409
    assert now(world, session).workflow == "program"
    ended(world, session)


def test_somebody_else_looks_and_takes_over(world: ClinicWorld, patient: Patient) -> None:
    session = begun(world, patient, role="nurse")
    client = world.client("physician")
    page = client.get(f"/sessions/{session.id}/read").text
    assert "Nurse One works in this session." in page
    answer = client.post(f"/sessions/{session.id}/read", data={"seen": seen(page), "workflow": "look"})
    assert answer.status_code == 409
    assert "take the session over" in answer.text
    assert client.post(f"/sessions/{session.id}/take-over", data={"seen": seen(page)}).status_code == 303
    assert now(world, session).person_id == world.people["physician"].person_id
    ended(world, session)


@pytest.mark.requirement("UM-49")
def test_steps_are_not_jumped_over(world: ClinicWorld, patient: Patient) -> None:
    session = begun(world, patient, Workflow.BOLUS)
    client = world.client("physician")
    for step in ("bolus", "review", "send"):
        answer = client.get(f"/sessions/{session.id}/{step}")
        assert answer.status_code == 409, step
        assert "Not yet" in answer.text
    assert client.post(f"/sessions/{session.id}/send", data={"digest": "00" * 32}).status_code == 409
    ended(world, session)


@pytest.mark.parametrize(
    "address", ["/sessions/999", "/sessions/999/read", "/sessions/0/review", "/patients/999/session",
    "/patients/999/history", "/pumps/nobody"],
)  # fmt: skip
def test_what_there_is_not_is_404(world: ClinicWorld, address: str) -> None:
    assert world.client("physician").get(address).status_code == 404


def test_a_pump_that_cannot_be_reached_shows_its_last_reading_and_sends_nothing(world: ClinicWorld) -> None:
    lonely = world.patient("1003", "B-2", given="Eva", family="Holm")
    programmed(world, lonely)
    world.house.world.ask("cut", serial="B-2")  # type: ignore[union-attr]
    world.pass_s(2 * 86_400)
    client = world.client("physician")
    page = client.get(f"/patients/{lonely.id}/session")
    assert "2 days old" in page.text
    assert "Day total" in page.text
    answer = client.post(f"/patients/{lonely.id}/session", data={"workflow": "look"})
    assert answer.status_code == 409
    assert "B-2" in answer.text
    assert "2 days old" in answer.text


def test_bad_entries_are_answered_at_their_field_and_kept(world: ClinicWorld, patient: Patient) -> None:
    session = begun(world, patient, Workflow.BOLUS)
    entered(world, session, Step.READ)
    client = world.client("physician")
    page = client.get(f"/sessions/{session.id}/bolus").text
    for dose, over in (
        (".5 mg", "10 min"),
        ("5", "10 min"),
        ("0.1 mg", ""),
        ("0.1 mg", "30 h"),
        ("1,000 mg", "10 min"),
    ):
        answer = client.post(f"/sessions/{session.id}/bolus", data={"seen": seen(page), "dose": dose, "over": over})
        assert answer.status_code == 422, (dose, over)
        assert f'value="{dose}"' in answer.text
        assert 'aria-invalid="true"' in answer.text
    ended(world, session)


def test_every_look_at_a_session_is_audited(world: ClinicWorld, patient: Patient) -> None:
    from sqlalchemy import select

    from thecal.clinic.record.tables import Audit

    session = begun(world, patient)
    client = world.client("nurse")
    client.get(f"/sessions/{session.id}/read")
    client.get("/pumps/B-1")
    with world.house.reading() as db:
        newest = list(db.scalars(select(Audit).order_by(Audit.seq.desc()).limit(2)))
    assert [a.action for a in newest] == ["saw the log of a pump", "saw a reading"]
    assert {a.patient_id for a in newest} == {patient.id}
    assert {a.by_person for a in newest} == {world.people["nurse"].person_id}
    ended(world, session)


def test_the_desk_sees_no_session(world: ClinicWorld, patient: Patient) -> None:
    session = begun(world, patient)
    client = world.client("desk")
    for address in (f"/sessions/{session.id}/read", f"/patients/{patient.id}/session", "/pumps/B-1"):
        assert client.get(address).status_code == 403
    ended(world, session)
