"""The session at a pump: read first, steps in order, review apart from send, every end said."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select
from tests.record_engines import ENGINES, new_url
from tests.session_world import an_order, begun, entered, now, programmed, proposed, sent, session_clinic, to_review

from thecal.clinic.record.tables import Act, BoardLine, Implant, Interrogation, LogRecord, Order, ProgramRun, Session
from thecal.clinic.refused import EditedMeanwhile, Refused
from thecal.clinic.session import (
    No,
    begin,
    close,
    command,
    enter,
    identity_of,
    poll,
    propose,
    read_again,
    reading,
    send,
    status_of,
    take_over,
    turn,
)
from thecal.clinic.session.ended import Ended, Sent
from thecal.clinic.workflow import Step, Workflow
from thecal.link.log_reading import Event
from thecal.link.talk import READING_GOOD_FOR_S, Arm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clinic_world import ClinicWorld

    from thecal.clinic.record.tables import Patient

FASTER = {'dose = "0.075 mg/h"': 'dose = "0.08 mg/h"'}


@pytest.fixture(scope="module", params=ENGINES)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClinicWorld]:
    folder = tmp_path_factory.mktemp("clinic")
    yield from session_clinic(folder, url=new_url(request.param, folder))


@pytest.fixture(scope="module")
def patient(world: ClinicWorld) -> Patient:
    patient = world.patient()
    programmed(world, patient)
    return patient


@pytest.fixture(autouse=True)
def left_in_order(world: ClinicWorld, patient: Patient) -> Iterator[None]:
    """Whatever a test leaves open is closed, and the pump runs, for the next one."""
    yield
    physician = world.people["physician"]
    with world.house.reading() as db:
        left = list(db.scalars(select(Session).where(Session.state == "open")))
    for session in left:
        take_over(world.house, physician, session.id, session.revision)
        if world.house.pumps.status(session.serial).running is False:  # type: ignore[union-attr]
            command(world.house, physician, session.id, "start")
        done = close(world.house, physician, session.id, now(world, session).revision, "running", "a test", "nobody")
        assert isinstance(done, Session), done


def refused(found: object, code: No) -> Refused:
    """A refusal with that code."""
    assert isinstance(found, Refused), found
    assert found.code is code, found
    return found


# Reading ----------------------------------------------------------------------------------------------------------


def test_a_program_goes_from_reading_to_running(world: ClinicWorld, patient: Patient) -> None:
    with world.house.reading() as db:
        run = db.scalars(select(ProgramRun).where(ProgramRun.serial == "B-1").order_by(ProgramRun.id)).first()
        row = reading(db, "B-1")
        order = db.scalars(select(Order).where(Order.id == (run.order_id if run else 0))).one()
    assert row is not None
    assert run is not None
    assert (run.number, order.patient_id) == (1, patient.id)
    assert "Day total" in " ".join(run.sentence)
    assert status_of(row).delivering
    assert identity_of(row).serial == "B-1"


@pytest.mark.usefixtures("patient")
def test_every_record_of_the_log_is_kept_exactly_once(world: ClinicWorld) -> None:
    world.pass_s(3 * 86_400)
    for _ in range(2):
        assert isinstance(poll(world.house, "B-1"), Interrogation)
    with world.house.reading() as db:
        numbers = list(db.scalars(select(LogRecord.number).where(LogRecord.serial == "B-1").order_by(LogRecord.number)))
        row = reading(db, "B-1")
        days = db.scalar(select(func.count()).where(LogRecord.serial == "B-1", LogRecord.event == int(Event.TOTAL)))
    assert row is not None
    assert numbers == list(range(1, row.log_last + 1))
    assert days == 3


def test_a_poll_where_nothing_happened_reads_the_status_alone(world: ClinicWorld, patient: Patient) -> None:
    first = poll(world.house, "B-1")
    world.pass_s(600)
    second = poll(world.house, "B-1")
    assert isinstance(first, Interrogation)
    assert isinstance(second, Interrogation)
    assert second.whole == 0
    assert (second.program, second.document, second.by_person) == (first.program, first.document, 0)
    assert status_of(second).level_nl < status_of(first).level_nl
    with world.house.reading() as db:
        line = db.get(BoardLine, patient.id)
    assert line is not None
    assert line.read_utc_s == second.read_utc_s


def test_a_session_reads_the_pump_before_anything_else(world: ClinicWorld, patient: Patient) -> None:
    session = begun(world, patient)
    row = now(world, session)
    with world.house.reading() as db:
        kept = db.get(Interrogation, row.reading_id)
    assert kept is not None
    assert (kept.session_id, kept.whole, row.step) == (session.id, 1, "read")


def test_a_pump_that_is_not_reached_opens_no_session(world: ClinicWorld) -> None:
    lonely = world.patient("1009", "B-9")
    found = refused(begin(world.house, world.people["nurse"], lonely.id), No.NOT_REACHED)
    assert "B-9" in found.found
    with world.house.reading() as db:
        assert db.scalars(select(Session).where(Session.patient_id == lonely.id)).first() is None


@pytest.mark.usefixtures("patient")
def test_patient_pump_and_order_must_agree_and_both_sides_are_named(world: ClinicWorld) -> None:
    other = world.patient("1002", None, given="Bo", family="Vik")
    with world.writing() as record:
        own = record.session.scalars(select(Implant).where(Implant.serial == "B-1")).first()
        assert own is not None
        copied = {c: getattr(own, c) for c in ("family", "model", "implanted_on", "stroke", "tubing")}
        record.keep(Implant(patient_id=other.id, serial="B-1", **copied))
    found = refused(begin(world.house, world.people["physician"], other.id), No.DISAGREE)
    assert "EXAMPLE-1001" in found.found
    assert "Bo Vik, 1002" in found.allowed


def test_a_second_session_at_a_pump_names_who_has_the_first(world: ClinicWorld, patient: Patient) -> None:
    session = begun(world, patient, role="nurse")
    found = refused(begin(world.house, world.people["physician"], patient.id), No.ALREADY_OPEN)
    assert "Nurse One" in found.found
    assert "take it over" in found.then
    held = enter(world.house, world.people["physician"], session.id, now(world, session).revision, Step.READ, {})
    assert isinstance(held, tuple)
    refused(held[0], No.HELD)
    taken = take_over(world.house, world.people["physician"], session.id, now(world, session).revision)
    assert isinstance(taken, Session)
    with world.house.reading() as db:
        act = db.scalars(select(Act).where(Act.kind == "taken over").order_by(Act.id.desc())).first()
    assert act is not None
    assert act.details["from_person"] == world.people["nurse"].person_id
    assert act.by_person == world.people["physician"].person_id


def test_a_session_that_somebody_else_changed_is_not_written_over(world: ClinicWorld, patient: Patient) -> None:
    session = begun(world, patient, Workflow.PROGRAM)
    seen = now(world, session).revision
    entered(world, session, Step.READ)
    with pytest.raises(EditedMeanwhile):
        enter(world.house, world.people["physician"], session.id, seen, Step.READ, {"again": "yes"})


def test_a_nurse_begins_no_program_session(world: ClinicWorld, patient: Patient) -> None:
    refused(begin(world.house, world.people["nurse"], patient.id, Workflow.PROGRAM), No.NOT_ALLOWED)
    session = begun(world, patient, role="nurse")
    seen = now(world, session).revision
    refused(turn(world.house, world.people["nurse"], session.id, seen, Workflow.PROGRAM), No.NOT_ALLOWED)


# Steps ------------------------------------------------------------------------------------------------------------


def test_there_is_no_short_way_to_send(world: ClinicWorld, patient: Patient) -> None:
    session = begun(world, patient, Workflow.PROGRAM)
    who, seen = world.people["physician"], now(world, session).revision
    for step in (Step.PROGRAM, Step.PREVIEW, Step.REVIEW, Step.SEND):
        found = enter(world.house, who, session.id, seen, step, {})
        assert isinstance(found, tuple), step
        refused(found[0], No.STEP)
    order = an_order(world, session, patient)
    refused(propose(world.house, who, session.id, order.id), No.STEP)
    refused(send(world.house, who, session.id, b"\x01" * 32), No.NOT_REVIEWED)


def test_changing_an_earlier_step_voids_the_review(world: ClinicWorld, patient: Patient) -> None:
    session, order = to_review(world, patient, FASTER)
    digest = proposed(world, session, order).digest
    entered(world, session, Step.PROGRAM, order=order.id, note="another")
    held = now(world, session)
    assert "review" not in held.entered
    assert "preview" not in held.entered
    assert held.step == "preview"
    refused(send(world.house, world.people["physician"], session.id, digest), No.NOT_REVIEWED)


def test_another_workflow_takes_back_what_was_entered(world: ClinicWorld, patient: Patient) -> None:
    session, _ = to_review(world, patient, FASTER)
    seen = now(world, session).revision
    turned = turn(world.house, world.people["physician"], session.id, seen, Workflow.CLOCK)
    assert isinstance(turned, Session)
    assert (set(turned.entered), turned.step) == ({"read"}, "clock")


# Review and send --------------------------------------------------------------------------------------------------


def test_what_was_read_back_is_what_is_sent_and_runs(world: ClinicWorld, patient: Patient) -> None:
    session, order = to_review(world, patient, FASTER)
    found = proposed(world, session, order)
    assert found.change[0].drug == "morphine"
    assert found.change[0].base_before != found.change[0].base_after
    before = world.house.pumps.status("B-1")
    assert before.digest != found.digest  # type: ignore[union-attr]
    end = sent(world, session, found.digest)
    assert isinstance(end, Sent)
    with world.house.reading() as db:
        runs = list(db.scalars(select(ProgramRun).where(ProgramRun.digest == found.digest)))
        running = list(db.scalars(select(Order).where(Order.serial == "B-1", Order.state == "running")))
        row = reading(db, "B-1")
    assert [(r.order_id, r.session_id, r.number) for r in runs] == [(order.id, session.id, found.number)]
    assert [o.id for o in running] == [order.id]
    assert row is not None
    assert status_of(row).digest == found.digest
    refused(send(world.house, world.people["physician"], session.id, found.digest), No.SENT)


def test_another_digest_is_not_sent(world: ClinicWorld, patient: Patient) -> None:
    session, order = to_review(world, patient)
    proposed(world, session, order)
    before = world.house.pumps.status("B-1")
    refused(send(world.house, world.people["physician"], session.id, b"\x07" * 32), No.NOT_REVIEWED)
    assert world.house.pumps.status("B-1").digest == before.digest  # type: ignore[union-attr]


def test_a_review_that_is_too_old_is_not_sent(world: ClinicWorld, patient: Patient) -> None:
    session, order = to_review(world, patient)
    found = proposed(world, session, order)
    world.pass_s(found.until_s - world.house.now_s() + 1)
    refused(send(world.house, world.people["physician"], session.id, found.digest), No.EXPIRED)


def test_a_reading_that_is_too_old_is_made_again_by_the_proposal(world: ClinicWorld, patient: Patient) -> None:
    session, order = to_review(world, patient)
    world.pass_s(READING_GOOD_FOR_S + 60)
    world.near()
    first = now(world, session).reading_id
    assert proposed(world, session, order).number > 1
    assert now(world, session).reading_id != first


@pytest.mark.parametrize("what", ["level", "alarm"])
def test_a_pump_that_changed_since_the_reading_is_named(world: ClinicWorld, patient: Patient, what: str) -> None:
    session, order = to_review(world, patient)
    if what == "level":
        world.house.pumps.command("refill", "B-1", level_nl=19_500_000)
    else:
        assert world.rig is not None
        world.house.pumps.command("stop", "B-1")
    found = refused(propose(world.house, world.people["physician"], session.id, order.id), No.CHANGED)
    assert ("19.5 mL" if what == "level" else "stands still") in found.found
    again = read_again(world.house, world.people["physician"], session.id, now(world, session).revision)
    assert isinstance(again, Session)
    assert proposed(world, session, order).digest


def test_a_pump_that_changed_between_review_and_send_is_named_and_nothing_is_sent(
    world: ClinicWorld, patient: Patient
) -> None:
    session, order = to_review(world, patient)
    digest = proposed(world, session, order).digest
    world.house.pumps.command("stop", "B-1")
    found = refused(send(world.house, world.people["physician"], session.id, digest), No.CHANGED)
    assert "stands still" in found.found
    assert world.house.pumps.status("B-1").digest != digest  # type: ignore[union-attr]


def test_a_review_is_sent_as_long_as_the_pump_holds_it(world: ClinicWorld, patient: Patient) -> None:
    session, order = to_review(world, patient)
    found = proposed(world, session, order)
    world.pass_s(READING_GOOD_FOR_S + 30)
    assert world.house.now_s() < found.until_s
    sent(world, session, found.digest)


def test_an_order_changed_after_the_review_is_not_sent(world: ClinicWorld, patient: Patient) -> None:
    session, order = to_review(world, patient)
    digest = proposed(world, session, order).digest
    with world.writing("physician", "signed an order") as record:
        row = record.get(Order, order.id)
        assert row is not None
        record.change(row, "withdrawn", state="withdrawn")
    refused(send(world.house, world.people["physician"], session.id, digest), No.ORDER)


def test_a_finding_without_a_reason_stops_the_proposal(world: ClinicWorld, patient: Patient) -> None:
    session, order = to_review(world, patient, {'dose = "0.075 mg/h"': 'dose = "0.1 mg/h"'})
    found = refused(propose(world.house, world.people["physician"], session.id, order.id), No.FINDINGS)
    assert "reason" in found.allowed


def test_out_of_near_field_the_pump_refuses_and_nothing_changes(world: ClinicWorld, patient: Patient) -> None:
    session = begun(world, patient)
    assert world.house.world is not None
    world.pass_s(700)  # the programmer is no longer held over it
    end = command(world.house, world.people["physician"], session.id, "single", strokes=4, seconds=60)
    assert isinstance(end, Ended)
    assert end.arm in {Arm.REFUSED, Arm.NOT_REACHED, Arm.BLOCKED}
    assert "near field" in end.said


def test_a_refusal_of_the_pump_says_when_to_ask_again(world: ClinicWorld, patient: Patient) -> None:
    session = begun(world, patient)
    who = world.people["physician"]
    first = command(world.house, who, session.id, "single", strokes=250, seconds=3_000)
    assert isinstance(first, Ended)
    assert first.arm is Arm.REFUSED
    assert "ceiling for 1 h" in first.said


def test_a_single_bolus_is_reviewed_and_sent(world: ClinicWorld, patient: Patient) -> None:
    session = begun(world, patient, Workflow.BOLUS)
    entered(world, session, Step.READ)
    entered(world, session, Step.BOLUS, dose="0.05 mg", over="5 min", reason="")
    found = propose(world.house, world.people["physician"], session.id)
    assert not isinstance(found, Refused), found
    end = sent(world, session, found.digest)
    assert end.operation == "single"
    world.pass_s(400)
    poll(world.house, "B-1")
    with world.house.reading() as db:
        last = db.scalars(
            select(LogRecord)
            .where(LogRecord.serial == "B-1", LogRecord.event == int(Event.BOLUS_END))
            .order_by(LogRecord.number.desc())
        ).first()
    assert last is not None
    assert last.fields["b"] == 50  # 0.05 mg of 4 mg/mL in strokes of 250 nL


def test_a_bolus_that_is_sent_twice_at_once_is_given_once(world: ClinicWorld, patient: Patient) -> None:
    session = begun(world, patient, Workflow.BOLUS)
    entered(world, session, Step.READ)
    entered(world, session, Step.BOLUS, dose="0.02 mg", over="2 min", reason="")
    found = propose(world.house, world.people["physician"], session.id)
    assert not isinstance(found, Refused), found
    digest, who = found.digest, world.people["physician"]
    with ThreadPoolExecutor(4) as pool:
        ends = list(pool.map(lambda _: send(world.house, who, session.id, digest), range(4)))
    granted = [e for e in ends if isinstance(e, Sent) and e.arm is Arm.GRANTED and e.parts]
    assert len(granted) == 1, ends
    world.pass_s(200)
    poll(world.house, "B-1")
    with world.house.reading() as db:
        rows = db.scalars(select(LogRecord).where(LogRecord.serial == "B-1", LogRecord.event == int(Event.BOLUS)))
        assert [r.fields["b"] for r in rows].count(20) == 1


# A stopped pump ---------------------------------------------------------------------------------------------------


def test_a_stopped_pump_is_not_left_without_a_reason_and_somebody_told(world: ClinicWorld, patient: Patient) -> None:
    session = begun(world, patient, role="nurse")
    who = world.people["nurse"]
    stopped = command(world.house, who, session.id, "stop")
    assert isinstance(stopped, Ended)
    assert stopped.arm is Arm.GRANTED
    found = refused(close(world.house, who, session.id, now(world, session).revision, "stopped"), No.STOPPED)
    assert found.field == "reason"
    again = close(world.house, who, session.id, now(world, session).revision, "stopped", "sedated")
    assert refused(again, No.STOPPED).field == "told"
    with world.house.reading() as db:
        line = db.get(BoardLine, patient.id)
        assert line is not None
        assert line.stopped_utc_s is not None
    done = close(world.house, who, session.id, now(world, session).revision, "stopped", "sedated", "Dr. One, in person")
    assert isinstance(done, Session)
    with world.house.reading() as db:
        line = db.get(BoardLine, patient.id)
        assert line is not None
        assert line.stopped_utc_s is not None
    begun(world, patient, role="nurse")


def test_anybody_who_may_stops_the_pump_in_somebody_elses_session(world: ClinicWorld, patient: Patient) -> None:
    session = begun(world, patient, role="physician")
    end = command(world.house, world.people["nurse"], session.id, "stop")
    assert isinstance(end, Ended)
    assert end.arm is Arm.GRANTED
    refused(command(world.house, world.people["nurse"], session.id, "start"), No.HELD)


def test_the_desk_asks_nothing_of_a_pump(world: ClinicWorld, patient: Patient) -> None:
    session = begun(world, patient)
    refused(command(world.house, world.people["desk"], session.id, "stop"), No.NOT_ALLOWED)
    no_actions = replace(world.people["nurse"], actions=frozenset())
    refused(begin(world.house, no_actions, patient.id), No.NOT_ALLOWED)
