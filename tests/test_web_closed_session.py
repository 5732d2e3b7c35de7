"""A session that is over shows what was recorded in it, whatever was read, filled and programmed since."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.refilling_world import (
    DAY_S,
    answered,
    aspirated,
    checked,
    filled,
    fine,
    gap_seen,
    opened,
    prepared,
    refill_clinic,
    rev,
    running,
    syringed,
    typed,
    volume_entered,
)
from tests.session_world import now

from thecal.clinic.record.tables import Fill, Session
from thecal.clinic.refilling import second
from thecal.clinic.refilling.case import case_of
from thecal.clinic.refilling.gap import aspirated_of, expected, gap_of
from thecal.clinic.session import close, propose, send
from thecal.clinic.session_account import account_of
from thecal.clinic.workflow import WAYS, Step, Workflow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.orm import Session as Db
    from tests.clinic_world import ClinicWorld

    from thecal.clinic.record.tables import Patient


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClinicWorld]:
    yield from refill_clinic(tmp_path_factory.mktemp("closed"))


@pytest.fixture(scope="module")
def patient(world: ClinicWorld) -> Patient:
    return running(world)


@pytest.fixture(scope="module")
def refilled(world: ClinicWorld, patient: Patient) -> tuple[Session, dict[str, str]]:
    """A refill that was done whole and closed, with its pages as they were first; then a later refill, and readings."""
    session = _refill(world, patient)
    before = {step: text_of(world, session, step) for step in _steps(session)}
    world.pass_s(3 * DAY_S)
    _refill(world, patient, volume="18")
    return now(world, session), before


def _steps(session: Session) -> list[str]:
    return [s.value for s in WAYS[Workflow(session.workflow)].steps if s is not Step.WATCH]


def _refill(world: ClinicWorld, patient: Patient, volume: str = "19.5") -> Session:
    session = opened(world, patient)
    who, house = world.people["nurse"], world.house
    answered(world, session)
    syringed(world, session, prepared(world, patient))
    aspirated(world, session)
    gap_on_page(world, session)
    fine(volume_entered(world, session, volume))
    fine(checked(world, session, typed(volume=f"{volume} mL")))
    fine(filled(world, session))
    fine(second.leave(house, who, session.id, rev(world, session)))
    world.near(session.serial)
    made = fine(propose(house, who, session.id, None))
    fine(send(house, who, session.id, made.digest))
    fine(close(house, who, session.id, rev(world, session), f"running after {volume} mL", "a test", "nobody"))
    return now(world, session)


def gap_on_page(world: ClinicWorld, session: Session) -> None:
    client, at = world.client("nurse"), f"/sessions/{session.id}/gap"
    seen = re.search(r'name="seen" value="(\d+)"', client.get(at).text)
    assert seen is not None
    answer = client.post(at, data={"seen": seen[1], "note": "looked at the line"})
    assert answer.status_code == 303, answer.text


def text_of(world: ClinicWorld, session: Session, step: str) -> str:
    """The page's own part, without what the frame of every page says of the whole clinic."""
    answer = world.client("nurse").get(f"/sessions/{session.id}/{step}")
    assert answer.status_code == 200, answer.text
    found = re.search(r'<div class="session-head">(.*)</main>', answer.text, re.DOTALL)
    assert found is not None
    return found[1]


def test_every_page_of_a_closed_refill_says_the_same_after_a_later_refill(
    world: ClinicWorld, refilled: tuple[Session, dict[str, str]]
) -> None:
    session, before = refilled
    for step, text in before.items():
        assert text_of(world, session, step) == text, step


def test_the_residual_of_a_closed_refill_is_what_was_found_then(
    world: ClinicWorld, refilled: tuple[Session, dict[str, str]]
) -> None:
    session, _ = refilled
    with world.house.reading() as db:
        fill = db.query(Fill).filter(Fill.session_id == session.id).one()
        today = _today(world, db, session)
    assert fill.expected is not None and fill.aspirated is not None
    held, page = session.entered["gap"], text_of(world, session, "gap")
    assert held["expected"] == fill.expected.text("mL")
    assert held["difference"] != today
    assert today not in page
    for said in (held["difference"], held["expected"], fill.aspirated.text("mL"), "looked at the line"):
        assert said in page, said


def _today(world: ClinicWorld, db: Db, session: Session) -> str:
    """What the arithmetic of a refill would say of this session now."""
    case = case_of(world.house, db, session.id)
    return gap_of(case, expected(case, db), aspirated_of(case), world.house.now_s()).difference_text


def test_a_closed_session_says_who_and_when_and_has_no_form(
    world: ClinicWorld, refilled: tuple[Session, dict[str, str]]
) -> None:
    session, before = refilled
    for step, page in before.items():
        assert "Shown as it was recorded" in page, step
        assert f'action="/sessions/{session.id}' not in page, step
        assert "as soon as it is sent" not in page, step
    page = before["close"]
    assert "running after 19.5 mL" in page
    assert world.people["nurse"].name in page and world.people["nurse2"].name in page
    assert "were not kept" in before["fill"]


def test_what_was_not_kept_is_said_and_not_computed(world: ClinicWorld, patient: Patient) -> None:
    """A refill of a version that kept no words of its residual."""
    session = opened(world, patient)
    answered(world, session)
    syringed(world, session, prepared(world, patient))
    aspirated(world, session)
    gap_seen(world, session)
    who = world.people["nurse"]
    fine(close(world.house, who, session.id, rev(world, session), "dry", "a test", "nobody"))
    page = text_of(world, session, "gap")
    assert "The difference and what each rule said were not kept." in page
    assert re.search(r"Difference</th><td>not kept<", page)
    assert "Not done in this session." in text_of(world, session, "fill")


def test_a_post_to_a_closed_session_is_refused_in_words(
    world: ClinicWorld, refilled: tuple[Session, dict[str, str]]
) -> None:
    session, _ = refilled
    for step in ("medication", "gap", "fill", "review"):
        answer = world.client("nurse").post(f"/sessions/{session.id}/{step}", data={"seen": "1"})
        assert answer.status_code in {409, 422}, step
        assert "Shown as it was recorded" in answer.text, step


def test_a_step_that_the_filling_fixed_shows_the_record_in_an_open_session(
    world: ClinicWorld, patient: Patient
) -> None:
    session = opened(world, patient)
    answered(world, session)
    syringed(world, session, prepared(world, patient))
    aspirated(world, session)
    gap_on_page(world, session)
    live = world.client("nurse").get(f"/sessions/{session.id}/gap").text
    assert 'name="note"' in live
    fine(volume_entered(world, session))
    fine(checked(world, session))
    fine(filled(world, session))
    page = text_of(world, session, "gap")
    assert "Residual, as it was recorded" in page and "cannot be changed any more" in page
    assert now(world, session).entered["gap"]["difference"] in page
    assert 'name="note"' not in page
    who = world.people["nurse"]
    fine(close(world.house, who, session.id, rev(world, session), "filled", "a test", "nobody"))


def test_the_paper_of_a_closed_session_has_no_dates_of_a_later_fill(
    world: ClinicWorld, refilled: tuple[Session, dict[str, str]]
) -> None:
    account = account_of(world.house, refilled[0].id)
    assert account is not None
    assert account.refill == (("dates after this session", "not kept: the pump was filled or programmed again since"),)
