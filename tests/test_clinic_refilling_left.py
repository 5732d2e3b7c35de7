"""Refills that were left or came late: a pump that gave nothing, one that was not told, one that waited over night."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from tests.clinic_world import SERIAL
from tests.refilling_world import (
    DAY_S,
    HYDRO,
    answered,
    aspirated,
    checked,
    filled,
    fine,
    gap_seen,
    mixture,
    opened,
    prepared,
    refill_clinic,
    rev,
    running,
    syringed,
    to_second,
    volume_entered,
)
from tests.session_world import begun, now, programmed

from thecal.clinic.programming.frame import frame_of
from thecal.clinic.programming.order_text import kept_mixture
from thecal.clinic.record.tables import Fill, NearMiss
from thecal.clinic.record.tables import Session as SessionRow
from thecal.clinic.refilling import checklist, hands, medication, second
from thecal.clinic.refilling.case import case_of
from thecal.clinic.refilling.checklist import Phase
from thecal.clinic.refilling.gap import expected, gap_of
from thecal.clinic.refused import Refused
from thecal.clinic.session import Proposed, close, command, propose, send
from thecal.clinic.session.ended import Ended, No
from thecal.clinic.workflow import Step, Workflow
from thecal.link.talk import Arm
from thecal.quantities import Volume
from thecal.therapy.residual import Cause, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clinic_world import ClinicWorld

    from thecal.clinic.record.tables import Patient, Session

HOUR_S = 3600


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClinicWorld]:
    yield from refill_clinic(tmp_path_factory.mktemp("left"), "B-1", "B-3")


@pytest.fixture(scope="module")
def patient(world: ClinicWorld) -> Patient:
    return running(world, days=10)


@pytest.fixture(autouse=True)
def _none_left_open(world: ClinicWorld) -> Iterator[None]:
    """A test that fails leaves no session that stops the next one."""
    yield
    with world.house.reading() as db:
        rows = db.scalars(select(SessionRow).where(SessionRow.state == "open")).all()
    for row in rows:
        holder = next(w for w in world.people.values() if w.person_id == row.person_id)
        close(world.house, holder, row.id, row.revision, "as it is", "a test ended", "nobody")


def left(world: ClinicWorld, session: Session, role: str = "nurse") -> None:
    row = now(world, session)
    ended = close(world.house, world.people[role], session.id, row.revision, "as it is", "a test", "nobody")
    assert not isinstance(ended, Refused), ended


def near_misses(world: ClinicWorld, session: Session) -> list[str]:
    with world.house.reading() as db:
        return list(db.scalars(select(NearMiss.where).where(NearMiss.session_id == session.id)))


# With no earlier fill -----------------------------------------------------------------------------------------------


def test_without_an_earlier_fill_the_program_is_counted_from_the_reading_before(world: ClinicWorld) -> None:
    patient = world.patient("1003", "B-3", given="Una", family="Fill")
    programmed(world, patient)
    world.near("B-3")
    look = begun(world, patient, Workflow.LOOK, "nurse")
    left(world, look)
    world.pass_s(10 * DAY_S)
    session = opened(world, patient)
    with world.house.reading() as db:
        case = case_of(world.house, db, session.id)
        found = expected(case, db)
    assert case.last is None
    assert found.by_pump is not None and found.by_program is not None
    assert abs(found.by_pump - found.by_program) < Volume.parse("0.05 mL")
    assert found.by_reading and "no earlier fill" in found.why
    gap = gap_of(case, found, found.by_pump - Volume.parse("3 mL"), world.house.now_s())
    assert gap.report.verdict is Verdict.FIRED
    assert gap.report.causes[0] in {Cause.POCKET_FILL, Cause.WRONG_VOLUME}
    assert gap.trend is not None and gap.trend.run == 1 and not gap.trend.repeated, "one gap is no trend"
    judged = {j.rule.measure: j.outcome for j in gap.report.judged}
    assert "could not be judged" not in {str(o) for m, o in judged.items() if "programmed" in str(m)}
    unknown = gap_of(case, found, None, world.house.now_s())
    assert set(unknown.report.causes) == set(Cause) and unknown.trend is None
    left(world, session)


# Long without drug --------------------------------------------------------------------------------------------------


def test_a_stopped_pump_does_not_simply_start_after_a_day(world: ClinicWorld, patient: Patient) -> None:
    session = begun(world, patient, Workflow.LOOK, "nurse")
    nurse = world.people["nurse"]
    assert command(world.house, nurse, session.id, "stop").arm is Arm.GRANTED  # type: ignore[union-attr]
    world.pass_s(23 * HOUR_S)
    world.near()
    again = command(world.house, nurse, session.id, "start")
    assert isinstance(again, Ended) and again.arm is Arm.GRANTED, again
    assert command(world.house, nurse, session.id, "stop").arm is Arm.GRANTED  # type: ignore[union-attr]
    world.pass_s(25 * HOUR_S)
    world.near()
    for role in ("nurse", "physician"):
        if role == "physician":
            left(world, session)
            session = begun(world, patient, Workflow.LOOK, role)
        refused = command(world.house, world.people[role], session.id, "start")
        assert isinstance(refused, Refused) and refused.code is No.LONG_WITHOUT, refused
        assert "25 h" in refused.found
        assert near_misses(world, session) == ["start"]
    assert not world.house.pumps.status(SERIAL).delivering  # type: ignore[union-attr]
    left(world, session, "physician")
    session = opened(world, patient)
    stop = medication.answer(world.house, nurse, session.id, rev(world, session), "same", "patient", "")
    assert stop and "without drug" in stop[0].found and stop[0].field == "medication"
    assert near_misses(world, session) == ["refill: the same medication"]
    left(world, session)


def test_the_dose_of_before_after_a_stop_needs_two_physicians_in_a_change_of_program(
    world: ClinicWorld, patient: Patient
) -> None:
    from thecal.clinic.programming.draft import Written
    from thecal.clinic.programming.finishing import finish
    from thecal.clinic.programming.judging import judged
    from thecal.clinic.refilling import restarting
    from thecal.clinic.session import enter, take_over

    who, other = world.people["physician"], world.people["physician2"]
    session = opened(world, patient, Workflow.PROGRAM, "physician")
    with world.house.reading() as db:
        frame = frame_of(world.house, db, session.id, world.house.now_s())
    assert not isinstance(frame, Refused), frame
    assert frame.begins is not None
    reasons: dict[str, str] = {}
    for _ in range(3):
        text = frame.text({**frame.begins, "reasons": reasons})
        found = judged(text, world.house, frame.today)
        reasons |= {str(f.code): "Known to us for years; watched in the ward." for f in found.findings if not f.hard}
    assert "restart-old-dose" in reasons
    found = judged(text, world.house, frame.today)
    plan = tuple(t.by_weekday[0].text("mg", 6) for t in found.totals[:1])
    fine(finish(world.house, who, session.id, rev(world, session), Written(text, plan), frame.today))
    fine(enter(world.house, who, session.id, rev(world, session), Step.PREVIEW, {"seen": "yes"}))
    order = now(world, session).entered["program"]["order"]
    world.near()
    refused = propose(world.house, who, session.id, order)
    assert isinstance(refused, Refused) and refused.code is No.SECOND_PHYSICIAN, refused
    taken = take_over(world.house, other, session.id, rev(world, session))
    assert not isinstance(taken, Refused)
    reason = "Both of us have seen the patient this morning."
    for person in (who, other, world.people["nurse"]):
        assert restarting.agree(world.house, person, session.id, reason), "who wrote it, who holds it, no physician"
    back = take_over(world.house, who, session.id, rev(world, session))
    assert not isinstance(back, Refused)
    assert restarting.agree(world.house, other, session.id, reason) == ()
    made = propose(world.house, who, session.id, order)
    assert isinstance(made, Proposed), made
    end = send(world.house, who, session.id, made.digest)
    assert isinstance(end, Ended) and end.arm is Arm.GRANTED, end
    started = command(world.house, who, session.id, "start")
    assert isinstance(started, Ended) and started.arm is Arm.GRANTED, "a program was confirmed since it stood still"
    left(world, session, "physician")


def test_a_reservoir_found_dry_that_the_pump_counts_as_full_is_not_refilled(
    world: ClinicWorld, patient: Patient
) -> None:
    """TMLT: the pump counts what was entered; nobody knows since when the patient is without drug."""
    world.house.world.draw(SERIAL)  # type: ignore[union-attr]
    session = opened(world, patient)
    answered(world, session)
    syringed(world, session, prepared(world, patient))
    aspirated(world, session, volume="0")
    gap_seen(world, session)
    refused = volume_entered(world, session, "18")
    assert isinstance(refused, tuple) and "since when no drug came is not known" in refused[0].found
    assert "refill: found empty" in near_misses(world, session)
    left(world, session)


# Left half-done -----------------------------------------------------------------------------------------------------


def test_a_refill_that_was_left_after_the_aspiration_says_so_in_the_next(world: ClinicWorld, patient: Patient) -> None:
    session = opened(world, patient)
    answered(world, session)
    syringed(world, session, prepared(world, patient))
    drawn = aspirated(world, session)
    refused = close(world.house, world.people["nurse"], session.id, rev(world, session), "emptied")
    assert isinstance(refused, Refused) and "was not told" in refused.found
    left(world, session)
    again = opened(world, patient, put_right=False)
    with world.house.reading() as db:
        case = case_of(world.house, db, again.id)
        found = expected(case, db)
    assert f"session {session.id}" in found.untold and drawn.text("mL") in found.untold
    assert found.by_pump is None and found.by_program is None and found.shown is None
    gap = gap_of(case, found, Volume.zero(), world.house.now_s())
    assert gap.difference_text == "not known" and not gap.gaps, "a gap that nobody can know is not in the trend"
    left(world, again)


def test_a_refill_that_was_left_after_the_fill_counts_from_that_fill(world: ClinicWorld, patient: Patient) -> None:
    session = opened(world, patient)
    to_second(world, patient, session, prepared(world, patient))
    assert fine(checked(world, session)).matched
    fine(filled(world, session))
    left(world, session)
    world.pass_s(2 * DAY_S)
    again = opened(world, patient, put_right=False)
    with world.house.reading() as db:
        found = expected(case_of(world.house, db, again.id), db)
    assert found.by_pump is None and "was filled in" in found.untold
    assert found.by_program is not None
    really = int(world.house.world.ask("truth", serial=SERIAL)["reservoir_nl"])  # type: ignore[union-attr]
    assert abs(found.by_program - Volume.of(really, "nL")) < Volume.parse("0.05 mL")
    answered(world, again)
    syringed(world, again, prepared(world, patient))
    assert aspirated(world, again) == Volume.of(really, "nL")
    gap_seen(world, again)
    fine(volume_entered(world, again))
    assert fine(checked(world, again)).matched
    fine(filled(world, again))
    fine(second.leave(world.house, world.people["nurse"], again.id, rev(world, again)))
    _sent(world, again)
    left(world, again)
    after = opened(world, patient, put_right=False)
    with world.house.reading() as db:
        assert not expected(case_of(world.house, db, after.id), db).untold, "the pump was told since"
    left(world, after)


def _sent(world: ClinicWorld, session: Session) -> None:
    world.near()
    made = propose(world.house, world.people["nurse"], session.id)
    assert isinstance(made, Proposed), made
    end = send(world.house, world.people["nurse"], session.id, made.digest)
    assert isinstance(end, Ended) and end.arm is Arm.GRANTED, end


def test_another_mixture_in_the_reservoir_than_in_the_program_stops_whatever_reckons_with_one(
    world: ClinicWorld, patient: Patient
) -> None:
    with world.writing("physician", "left a refill with another mixture") as record:
        record.keep(
            Fill(
                patient_id=patient.id, serial=SERIAL, session_id=None, preparation_id=None,
                mixture_id=kept_mixture(record, mixture(HYDRO)).id, filled_utc_s=record.now_s,
                expected=None, aspirated=None, filled=Volume.of(18, "mL"), left=Volume.zero(),
                programmed=Volume.of(18, "mL"),
            )
        )  # fmt: skip
    session = opened(world, patient)
    nurse = world.people["nurse"]
    refused = medication.answer(world.house, nurse, session.id, rev(world, session), "same", "patient", "")
    assert refused and "HYDROmorphone" in refused[0].found and "one mixture" in refused[0].allowed
    left(world, session)
    session = opened(world, patient, Workflow.PROGRAM, "physician")
    with world.house.reading() as db:
        frame = frame_of(world.house, db, session.id, world.house.now_s())
    assert isinstance(frame, Refused) and "hydromorphone" in frame.found
    left(world, session, "physician")
    session = opened(world, patient, Workflow.BOLUS, "physician")
    from tests.session_world import entered

    entered(world, session, Step.BOLUS, dose="0.1 mg", over="10 min", reason="a test")
    world.near()
    bolus = propose(world.house, world.people["physician"], session.id)
    assert isinstance(bolus, Refused) and "hydromorphone" in bolus.found
    left(world, session, "physician")
    with world.writing("physician", "put right") as record:
        from tests.refilling_world import SAME

        record.keep(
            Fill(
                patient_id=patient.id, serial=SERIAL, session_id=None, preparation_id=None,
                mixture_id=kept_mixture(record, mixture(SAME)).id, filled_utc_s=record.now_s,
                expected=None, aspirated=None, filled=Volume.of(18, "mL"), left=Volume.zero(),
                programmed=Volume.of(18, "mL"),
            )
        )  # fmt: skip


# Entered anew, over night -------------------------------------------------------------------------------------------


def test_what_stays_entered_anew_voids_the_volume_that_was_reckoned_from_it(
    world: ClinicWorld, patient: Patient
) -> None:
    session = opened(world, patient)
    to_second(world, patient, session, prepared(world, patient))
    assert fine(checked(world, session)).matched
    nurse = world.people["nurse"]
    with world.house.reading() as db:
        drawn = hands.drawn_nl(db, session.id)
    assert drawn is not None
    items = [i.id for i in checklist.items(Phase.ASPIRATE)]
    out = (Volume.of(drawn, "nL") - Volume.of(2, "mL")).text("mL", 3).removesuffix(" mL")
    fine(checklist.note(world.house, nurse, session.id, rev(world, session), items, out, "2", whole=True))
    row = now(world, session)
    assert row.step == Step.GAP and not {"gap", "fill", "second"} & set(row.entered)
    gap_seen(world, session)
    refused = volume_entered(world, session, "19.5")
    assert isinstance(refused, tuple) and "2 mL left" in refused[0].found
    fine(volume_entered(world, session, "17.5"))
    assert isinstance(filled(world, session), tuple), "the second entry was about another volume"
    left(world, session)


def test_a_session_left_over_night_tells_the_pump_what_is_really_there(world: ClinicWorld, patient: Patient) -> None:
    session = opened(world, patient)
    to_second(world, patient, session, prepared(world, patient))
    assert fine(checked(world, session)).matched
    fine(filled(world, session))
    fine(second.leave(world.house, world.people["nurse"], session.id, rev(world, session)))
    world.pass_s(14 * HOUR_S)
    _sent(world, session)
    status = world.house.pumps.status(SERIAL)
    really = int(world.house.world.ask("truth", serial=SERIAL)["reservoir_nl"])  # type: ignore[union-attr]
    assert really < 19_400_000, "the pump gave something meanwhile"
    assert 0 <= really - status.level_nl < 20_000  # type: ignore[union-attr]
    left(world, session)


def test_an_empty_pump_is_not_refilled_with_all_else_as_it_was(world: ClinicWorld, patient: Patient) -> None:
    """The last one: the pump runs dry by its own account, and stays so for more than a day."""
    rig, pumps = world.house.world, world.house.pumps
    assert rig is not None
    world.near()
    rig.draw(SERIAL)
    rig.fill(SERIAL, 500_000)
    pumps.interrogate(SERIAL)
    assert pumps.command("refill", SERIAL, level_nl=500_000).arm is Arm.GRANTED
    for _ in range(4):
        world.pass_s(DAY_S)
    session = opened(world, patient, put_right=False)
    nurse = world.people["nurse"]
    refused = medication.answer(world.house, nurse, session.id, rev(world, session), "same", "patient", "")
    assert refused and "without drug" in refused[0].found
    assert "Found empty or late" in refused[0].then
    left(world, session)
