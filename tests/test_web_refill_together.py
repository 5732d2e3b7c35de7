"""The pages of a physician's refill with another mixture, at which a nurse's hands work: two browsers, one session."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.refilling_world import STRONGER, opened, prepared, refill_clinic, running
from tests.session_world import now
from tests.test_clinic_refilling_new import mixed
from tests.test_clinic_refilling_together import to_second_of

from thecal.clinic.refilling import checklist
from thecal.clinic.refilling.checklist import Phase
from thecal.clinic.session import close

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi.testclient import TestClient
    from tests.clinic_world import ClinicWorld

    from thecal.clinic.record.tables import Patient, Session


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClinicWorld]:
    yield from refill_clinic(tmp_path_factory.mktemp("two"))


@pytest.fixture(scope="module")
def patient(world: ClinicWorld) -> Patient:
    return running(world, days=20)


@pytest.fixture(scope="module")
def session(world: ClinicWorld, patient: Patient) -> Session:
    found = opened(world, patient, role="physician")
    mixed(world, found)
    return found


def posted(client: TestClient, session: Session, at: str, **values: object) -> tuple[int, str]:
    """A form of a page, sent with the revision that the page showed; status and where it leads, or the page."""
    address = f"/sessions/{session.id}"
    page = client.get(f"{address}/{at.partition('/')[0]}").text
    found = re.search(r'name="seen" value="(\d+)"', page)
    answer = client.post(f"{address}/{at}", data={"seen": "" if found is None else found[1], **values})
    return answer.status_code, answer.headers.get("location", answer.text)


def test_a_nurse_works_with_her_hands_at_the_pages_of_a_physicians_refill(
    world: ClinicWorld, patient: Patient, session: Session
) -> None:
    nurse, physician = world.client("nurse"), world.client("physician")
    page = nurse.get(f"/sessions/{session.id}/syringe").text
    assert "Physician One works in this session" in page and "kept under your name" in page
    assert nurse.get(f"/sessions/{session.id}/mixture").status_code == 403, "what is prescribed is not hers"
    code = prepared(world, patient, STRONGER)
    assert posted(nurse, session, "syringe", code=code)[0] == 303
    assert posted(nurse, session, "syringe/agrees")[1].endswith("/checklist")
    ticks = [i.id for i in checklist.items(Phase.ASPIRATE)]
    values = {"items": ticks, "aspirated": "12", "left": "0", "press": "done"}
    status, text = posted(nurse, session, "checklist", **values)
    assert status == 422 and "nothing aspirated" in text, "a volume that nobody drew is made up"
    for _ in range(2):  # a double click
        assert posted(nurse, session, "checklist/aspirate")[0] == 303
    page = nurse.get(f"/sessions/{session.id}/checklist").text
    drawn = re.search(r"the syringe holds <strong class=\"number\">([0-9.]+) mL", page)
    assert drawn is not None
    kept_out = f"{float(drawn[1]) - 0.5:.1f}".removesuffix(".0")
    values = {"items": ticks, "aspirated": kept_out, "left": "0.5", "press": "done"}
    assert posted(nurse, session, "checklist", **values)[1].endswith("/gap")
    assert posted(nurse, session, "gap", note="looked at")[1].endswith("/gap"), "the rinse is not hers to plan"
    page = nurse.get(f"/sessions/{session.id}/gap").text
    assert "stands at the step Rinse" in page and "Physician One" in page
    assert posted(physician, session, "rinse", times="1", each="2")[1].endswith("/fill")
    assert posted(nurse, session, "fill", volume="15.5")[1].endswith("/fill")
    to_second_of(world, session)


def test_the_rinse_is_a_button_before_the_fill_and_moves_fluid_once(world: ClinicWorld, session: Session) -> None:
    nurse, pharmacist = world.client("nurse"), world.client("pharmacist")
    page = nurse.get(f"/sessions/{session.id}/second").text
    assert "Now rinse: 1 of 1" in page and "Now fill" not in page
    assert world.house.world is not None
    before = world.house.world.moved("B-1")
    fills = [i.id for i in checklist.items(Phase.FILL)]
    status, text = posted(nurse, session, "second/fill", items=fills)
    assert status == 409 and "0 of 1 rinses" in text
    assert posted(pharmacist, session, "second/rinse", number="1")[0] == 403
    for number in ("2", "x", "1" * 39):
        assert posted(nurse, session, "second/rinse", number=number)[0] in {409, 422}
    for _ in range(3):
        assert posted(nurse, session, "second/rinse", number="1")[0] == 303
    assert world.house.world.moved("B-1").filled_nl - before.filled_nl == 2_500_000
    page = nurse.get(f"/sessions/{session.id}/second").text
    assert "1 rinse of 2 mL done" in page and "Now fill: 15.5 mL" in page
    for _ in range(2):
        assert posted(nurse, session, "second/fill", items=fills)[0] == 303
    assert world.house.world.moved("B-1").filled_nl - before.filled_nl == 2_500_000 + 16_000_000
    done = posted(nurse, session, "second/done")
    assert done[0] == 303, done[1]
    row = now(world, session)
    assert row.step == "review" and row.person_id == world.people["physician"].person_id
    page = nurse.get(f"/sessions/{session.id}/review").text
    assert "Bring it to the pump" not in page, "what is sent stays with whoever prescribed it"
    physician = world.client("physician")
    assert "Bring it to the pump" in physician.get(f"/sessions/{session.id}/review").text
    close(world.house, world.people["physician"], session.id, row.revision, "running", "a test", "nobody")


def test_a_stop_of_a_start_after_a_long_time_is_said_on_the_page(world: ClinicWorld, patient: Patient) -> None:
    from tests.session_world import begun

    from thecal.clinic.session import command
    from thecal.clinic.workflow import Workflow

    session = begun(world, patient, Workflow.LOOK, "nurse")
    command(world.house, world.people["nurse"], session.id, "stop")
    world.pass_s(30 * 3600)
    world.near()
    nurse = world.client("nurse")
    status, text = posted(nurse, session, "command", operation="start")
    if status == 422:  # the command's page is the reading
        pytest.fail(text)
    assert status == 409 and "after 30 h without drug" in text and "Found empty or late" in text
    row = now(world, session)
    close(world.house, world.people["nurse"], session.id, row.revision, "stopped", "a test", "nobody")
