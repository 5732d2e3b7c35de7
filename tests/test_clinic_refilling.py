"""The refill with the same medication: residual, syringe, checklist, volume, second entry, fluid in once, dates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from tests.refilling_world import (
    DAY_S,
    HYDRO,
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
    to_second,
    typed,
    volume_entered,
)
from tests.session_world import now

from thecal.clinic.record.tables import Fill, NearMiss, Preparation, Watch
from thecal.clinic.refilling import hands, second, syringe
from thecal.clinic.refilling.case import case_of
from thecal.clinic.refilling.gap import expected, gap_of
from thecal.clinic.refused import EditedMeanwhile, Refused
from thecal.clinic.session import close, propose, send
from thecal.clinic.session.ended import Ended, Proposed
from thecal.clinic.workflow import Step
from thecal.link.talk import Arm
from thecal.quantities import Volume

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clinic_world import ClinicWorld

    from thecal.clinic.record.tables import Patient, Session


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClinicWorld]:
    yield from refill_clinic(tmp_path_factory.mktemp("refill"))


@pytest.fixture(scope="module")
def patient(world: ClinicWorld) -> Patient:
    return running(world)


@pytest.fixture
def session(world: ClinicWorld, patient: Patient) -> Iterator[Session]:
    found = opened(world, patient)
    yield found
    if now(world, found).state == "open":
        nurse, left = world.people["nurse"], ("a test ends here", "nobody: it is a test")
        ended = close(world.house, nurse, found.id, rev(world, found), "running", *left)
        assert not isinstance(ended, Refused), ended


def near_misses(world: ClinicWorld, session: Session) -> list[NearMiss]:
    with world.house.reading() as db:
        return list(db.scalars(select(NearMiss).where(NearMiss.session_id == session.id)))


def test_a_refill_from_the_reading_to_a_running_pump(world: ClinicWorld, patient: Patient, session: Session) -> None:
    code = prepared(world, patient)
    to_second(world, patient, session, code)
    assert fine(checked(world, session)).matched
    assert fine(filled(world, session)) == 19_500_000
    fine(second.leave(world.house, world.people["nurse"], session.id, rev(world, session)))
    world.near()
    made = propose(world.house, world.people["nurse"], session.id)
    assert isinstance(made, Proposed), made
    end = send(world.house, world.people["nurse"], session.id, made.digest)
    assert isinstance(end, Ended) and end.arm is Arm.GRANTED, end
    assert end.status is not None and end.status.level_nl == 19_500_000 and end.status.delivering
    with world.house.reading() as db:
        fill = db.scalars(select(Fill).where(Fill.session_id == session.id)).one()
        watch = db.scalars(select(Watch).where(Watch.session_id == session.id)).one()
        row = db.get(Preparation, fill.preparation_id)
    assert row is not None and row.state == "used"
    assert (fill.filled, fill.left, fill.programmed) == (
        Volume.parse("19.5 mL"),
        Volume.zero(),
        Volume.parse("19.5 mL"),
    )
    assert watch.begins_utc_s == fill.filled_utc_s and watch.why == "refill"
    truth = world.house.world.moved("B-1")  # type: ignore[union-attr]
    assert truth.filled_nl == 19_000_000 + 19_500_000


def test_40_typed_when_20_was_dispensed_is_a_hard_stop_that_names_both(
    world: ClinicWorld, patient: Patient, session: Session
) -> None:
    answered(world, session)
    syringed(world, session, prepared(world, patient))
    aspirated(world, session)
    gap_seen(world, session)
    refused = volume_entered(world, session, "40")
    assert isinstance(refused, tuple)
    assert any("40 mL" in r.found and "20 mL" in r.found for r in refused)
    assert all(r.field == "volume" for r in refused)
    kept = near_misses(world, session)
    assert any("40 mL typed when 20 mL was dispensed" in m.found for m in kept)
    assert now(world, session).step == Step.FILL
    assert isinstance(volume_entered(world, session, ".5"), tuple)
    assert isinstance(volume_entered(world, session, ""), tuple)


def test_13_expected_and_11_5_found_is_not_green(world: ClinicWorld, patient: Patient, session: Session) -> None:
    from dataclasses import replace

    from thecal.therapy.residual import Cause, Verdict

    with world.house.reading() as db:
        case = case_of(world.house, db, session.id)
        found = replace(expected(case, db), by_pump=Volume.of(13, "mL"), filled=Volume.of(20, "mL"))
    gap = gap_of(case, found, Volume.parse("11.5 mL"), world.house.now_s())
    assert "1.5 mL less" in gap.difference_text and "11.5 %" in gap.difference_text
    assert Cause.POCKET_FILL in gap.report.causes
    assert gap.report.verdict in (Verdict.FIRED, Verdict.UNPROVEN, Verdict.NOT_JUDGED)
    same = gap_of(case, found, Volume.of(13, "mL"), world.house.now_s())
    assert "proves nothing" in same.difference_text
    assert "volume alone" in str(same.report.verdict)


def test_what_should_be_left_by_the_pump_and_by_the_program(
    world: ClinicWorld, patient: Patient, session: Session
) -> None:
    with world.house.reading() as db:
        found = expected(case_of(world.house, db, session.id), db)
    assert found.by_pump is not None and found.by_program is not None
    assert abs(found.by_pump - found.by_program) < Volume.parse("0.05 mL")


@pytest.mark.requirement("OP-6.8.1", "HZ-1.4")
@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"days": -1}, syringe.Stop.BEYOND_USE, "beyond-use date"),
        ({"state": "shipped"}, syringe.Stop.NOT_RECEIVED, "shipped"),
        ({"state": "used"}, syringe.Stop.USED, "used before"),
        ({"parts": HYDRO}, syringe.Stop.OTHER_MIXTURE, "HYDROmorphone"),
    ],
)
def test_a_syringe_that_must_not_go_in(
    world: ClinicWorld, patient: Patient, session: Session, changes: dict[str, object], code: syringe.Stop, said: str
) -> None:
    answered(world, session)
    wrong = prepared(world, patient, **changes)  # type: ignore[arg-type]
    refused = syringe.choose(world.house, world.people["nurse"], session.id, wrong, rev(world, session))
    assert isinstance(refused, tuple)
    assert [r.code for r in refused] == [code]
    assert said in refused[0].found
    assert near_misses(world, session)[-1].code == str(code)
    assert not now(world, session).entered.get("begun")


@pytest.mark.requirement("OP-6.8.6", "OP-8.1.3", "OP-6.10.1")
def test_a_syringe_of_another_patient_and_one_that_nobody_knows(
    world: ClinicWorld, patient: Patient, session: Session
) -> None:
    answered(world, session)
    other = world.patient("1002", None, given="Eva", family="Berg")
    refused = syringe.choose(
        world.house, world.people["nurse"], session.id, prepared(world, other), rev(world, session)
    )
    assert isinstance(refused, tuple)
    assert refused[0].code is syringe.Stop.OTHER_PATIENT
    assert "Berg" not in refused[0].found, "whose it is belongs to another patient's chart"
    for code in ("", "TH-0000-0000-1", "nothing"):
        refused = syringe.choose(world.house, world.people["nurse"], session.id, code, rev(world, session))
        assert isinstance(refused, tuple)
        assert refused[0].field == "code"


@pytest.mark.requirement("OP-6.8.5")
def test_entries_that_differ_send_everybody_back_to_the_source(
    world: ClinicWorld, patient: Patient, session: Session
) -> None:
    code = prepared(world, patient)
    to_second(world, patient, session, code)
    assert isinstance(checked(world, session, role="nurse"), tuple), "the first person is not the second"
    assert isinstance(checked(world, session, role="desk"), tuple)
    assert isinstance(checked(world, session, typed(volume="")), tuple)
    assert now(world, session).step == Step.SECOND
    stop = filled(world, session)
    assert isinstance(stop, tuple) and "second" in stop[0].found
    found = fine(checked(world, session, typed(volume="19 mL")))
    assert not found.matched
    row = now(world, session)
    assert row.step == Step.SYRINGE and "fill" not in row.entered and "checklist" in row.entered
    assert any(m.where == "double check" and "volume" in m.found for m in near_misses(world, session))
    assert not any("19.5" in m.found for m in near_misses(world, session))
    syringed(world, session, code)
    assert now(world, session).step == Step.FILL
    fine(volume_entered(world, session))
    assert fine(checked(world, session)).matched
    # another volume afterwards voids the agreement
    fine(volume_entered(world, session, "19"))
    assert isinstance(filled(world, session), tuple)


def test_two_people_in_one_session(world: ClinicWorld, patient: Patient, session: Session) -> None:
    answered(world, session)
    old = rev(world, session)
    fine(syringe.choose(world.house, world.people["nurse"], session.id, prepared(world, patient), old))
    with pytest.raises(EditedMeanwhile):
        syringe.choose(world.house, world.people["nurse"], session.id, prepared(world, patient), old)
    refused = syringe.confirm(world.house, world.people["nurse2"], session.id, rev(world, session))
    assert refused and "Nurse One" in refused[0].found


def test_fluid_moves_once_however_often_it_is_asked(world: ClinicWorld, patient: Patient, session: Session) -> None:
    answered(world, session)
    syringed(world, session, prepared(world, patient))
    assert world.house.world is not None
    before = world.house.world.moved("B-1")
    nurse = world.people["nurse"]
    out = [hands.aspirate(world.house, world.house.world, nurse, session.id) for _ in range(3)]
    assert len(set(map(str, out))) == 1
    assert world.house.world.moved("B-1").drawn_nl - before.drawn_nl == out[0]
    left = close(world.house, nurse, session.id, rev(world, session), "running")
    assert isinstance(left, Refused)
    assert "was not told what it holds" in left.found
    world.house.world.fill("B-1", int(str(out[0])))


def test_the_refill_date_moves_earlier_when_bolus_use_rises(
    world: ClinicWorld, patient: Patient, session: Session
) -> None:
    from fractions import Fraction

    from thecal.clinic.record.tables import LogRecord
    from thecal.clinic.refilling import dates
    from thecal.pump.core.codes import E_BOLUS, PATIENT
    from thecal.therapy.refill import Due

    with world.house.reading() as db:
        case = case_of(world.house, db, session.id)
        assert case.read is not None and case.order is not None
        quiet = dates.after_fill(case, db, case.order, Volume.of(20, "mL"), world.house.now_s())
    assert isinstance(quiet, dates.After) and quiet.book_by is not None
    assert quiet.lead_days == 7
    if quiet.use is None:
        world.pass_s(2 * DAY_S)
    with world.writing("nurse", "a log of presses") as record:
        for n in range(60):
            record.keep(
                LogRecord(
                    serial="B-1", number=9_000_000 + n, uptime_s=n, utc_s=case.read.read_utc_s - n * 60, event=E_BOLUS,
                    fields={"clock_s": 0, "a": PATIENT, "b": 1}, interrogation_id=case.read.id,
                )
            )  # fmt: skip
    with world.house.reading() as db:
        busy = dates.after_fill(case, db, case.order, Volume.of(20, "mL"), world.house.now_s())
    assert isinstance(busy, dates.After)
    assert isinstance(busy.dates.expected_alert, Due) and isinstance(quiet.dates.expected_alert, Due)
    assert (busy.use or Fraction(0)) > (quiet.use or Fraction(0)) or quiet.use is None
    if quiet.use is not None:
        assert busy.dates.expected_alert.days < quiet.dates.expected_alert.days
    assert isinstance(busy.dates.worst_alert, Due)
    assert busy.dates.expected_alert.days >= busy.dates.worst_alert.days
