"""The tree of a patient's sessions, two programs compared, and going back to one as a draft that is reviewed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from tests.session_world import now, programmed, proposed, sent, session_clinic, to_review

from thecal.clinic.programming.draft import draft_in
from thecal.clinic.record.tables import ProgramRun, Session
from thecal.clinic.refused import Refused
from thecal.clinic.session import No, close
from thecal.clinic.session.history import compare_runs, go_back, rows_of, tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clinic_world import ClinicWorld

    from thecal.clinic.record.tables import Patient

FASTER = {'dose = "0.075 mg/h"': 'dose = "0.08 mg/h"'}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClinicWorld]:
    yield from session_clinic(tmp_path_factory.mktemp("history"))


@pytest.fixture(scope="module")
def patient(world: ClinicWorld) -> Patient:
    """A patient with two programs, one after the other."""
    patient = world.patient()
    programmed(world, patient)
    session, order = to_review(world, patient, FASTER)
    sent(world, session, proposed(world, session, order).digest)
    done = close(world.house, world.people["physician"], session.id, now(world, session).revision, "running")
    assert isinstance(done, Session)
    return patient


def runs_of(world: ClinicWorld, patient: Patient) -> list[ProgramRun]:
    with world.house.reading() as db:
        query = select(ProgramRun).where(ProgramRun.patient_id == patient.id).order_by(ProgramRun.id)
        return list(db.scalars(query))


def test_two_programs_are_compared_setting_by_setting(world: ClinicWorld, patient: Patient) -> None:
    first, second = runs_of(world, patient)
    with world.house.reading() as db:
        found = compare_runs(world.house, db, patient.id, second.id, first.id)
    assert not isinstance(found, Refused)
    assert (found.old.id, found.new.id) == (first.id, second.id)
    changed = {r.name: (r.old, r.new, r.word) for r in found.rows if r.changed}
    assert changed["From 06:00, every day"] == ("0.075 mg/h", "0.08 mg/h", "more")
    assert changed["morphine, base, every day"] == ("1.4 mg", "1.44 mg", "more")
    assert all(r.sign for r in found.rows if r.changed)
    assert {r.part for r in found.rows} >= {"Medication", "Base", "In 24 h", "Patient bolus", "Ceilings", "On a fault"}


def test_programs_of_somebody_else_are_not_compared(world: ClinicWorld, patient: Patient) -> None:
    first, second = runs_of(world, patient)
    with world.house.reading() as db:
        found = compare_runs(world.house, db, patient.id + 1000, first.id, second.id)
    assert isinstance(found, Refused)


def test_going_back_is_a_new_draft_and_sends_nothing(world: ClinicWorld, patient: Patient) -> None:
    first, second = runs_of(world, patient)
    nurse = go_back(world.house, world.people["nurse"], patient.id, first.id)
    assert isinstance(nurse, Refused)
    assert nurse.code is No.NOT_ALLOWED
    world.near()
    made = go_back(world.house, world.people["physician"], patient.id, first.id)
    assert isinstance(made, Session), made
    draft = draft_in(now(world, made))
    assert draft is not None
    assert draft.now.text == first.order_text
    assert made.step == "read"
    assert world.house.pumps.status("B-1").digest == second.digest  # type: ignore[union-attr]
    with world.house.reading() as db:
        rows = [(depth, b.session.id, b.went_back_to) for depth, b in rows_of(tree(db, patient.id))]
        first_session = first.session_id
        branch = next(b for b in tree(db, patient.id) if b.session.id == first_session)
    assert rows[-1][1:] in {(made.id, first.id), (second.session_id, None)}
    assert {b.session.id for b in branch.below} == {second.session_id, made.id}
