"""Found empty: since when, hours without drug, tolerance, a plan from zero, the dose of before, the learning report
(J9).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from tests.refilling_world import (
    DAY_S,
    SAME,
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
from tests.test_clinic_refilling_new import PROGRAM, programmed_here

from thecal.clinic.record.tables import NearMiss, Override, Watch
from thecal.clinic.refilling import learning, restarting, second
from thecal.clinic.refilling.case import case_of
from thecal.clinic.session import close, enter
from thecal.clinic.workflow import Step, Workflow
from thecal.therapy.residual import Cause
from thecal.therapy.restart import Line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clinic_world import ClinicWorld

    from thecal.clinic.record.tables import Patient, Session
    from thecal.clinic.refused import Refused

OLD = PROGRAM.replace("1.5 mg/day", "1.4 mg/day")
LOW = PROGRAM.replace("1.5 mg/day", "0.7 mg/day")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClinicWorld]:
    yield from refill_clinic(tmp_path_factory.mktemp("empty"))


@pytest.fixture(scope="module")
def patient(world: ClinicWorld) -> Patient:
    return running(world, days=70)


@pytest.fixture(scope="module")
def session(world: ClinicWorld, patient: Patient) -> Session:
    return opened(world, patient, Workflow.RESTART, "physician")


def timeline(world: ClinicWorld, session: Session, **changes: object) -> tuple[Refused, ...]:
    values = {
        "line": "no drug",
        "symptoms": ["withdrawal"],
        "needle": "two-needle",
        "cover": "oral morphine, tapered",
        "told_hours": "",
    }
    return restarting.enter_timeline(
        world.house,
        world.people["physician"],
        session.id,
        rev(world, session),
        **{**values, **changes},  # type: ignore[arg-type]
    )


def test_empty_since_by_the_log_and_by_the_program(world: ClinicWorld, session: Session) -> None:
    now_s = world.house.now_s()
    with world.house.reading() as db:
        case = case_of(world.house, db, session.id)
        found = restarting.since(case, db, now_s)
    assert found.by_log_s is not None, "the pump's log shows when it ran dry"
    assert found.by_arithmetic_s is not None
    assert abs(found.by_log_s - found.by_arithmetic_s) < DAY_S
    tip = restarting.at_tip(case, found.by_log_s, now_s, Line.NO_DRUG)
    still = restarting.at_tip(case, found.by_log_s, now_s, Line.DRUG)
    assert isinstance(tip, restarting.AtTip) and isinstance(still, restarting.AtTip)
    assert tip.gap > still.gap
    lines = restarting.tolerance_lines(case, tip)
    assert len(lines) == 3
    assert tip.state.from_empty
    assert {line["state"] for line in lines} >= {"must be taken as lost"}


def test_the_timeline_asks_for_everything(world: ClinicWorld, session: Session) -> None:
    refused = timeline(world, session, line="", symptoms=[], needle="", cover="")
    assert {r.field for r in refused} == {"line", "symptoms", "needle", "cover"}
    assert timeline(world, session, symptoms=["none", "pain"])[0].field == "symptoms"
    assert timeline(world, session) == ()
    entered = now(world, session).entered["timeline"]
    assert entered["known_by"] == "log" and entered["from_empty"] is True


def test_the_dose_of_before_is_a_hard_stop_and_needs_a_second_physician(
    world: ClinicWorld, patient: Patient, session: Session
) -> None:
    who = world.people["physician"]
    syringed(world, session, prepared(world, patient), "physician")
    assert aspirated(world, session, "physician", volume="0").floor("mL") == 0
    gap_seen(world, session, "physician")
    fine(volume_entered(world, session, role="physician"))
    programmed_here(world, session, OLD, ("1.4 mg",))
    assert not isinstance(
        enter(world.house, who, session.id, rev(world, session), Step.PREVIEW, {"seen": "yes"}), tuple
    )
    assert fine(checked(world, session, typed(SAME, total="1.4 mg"))).matched
    fine(filled(world, session, "physician"))
    for role in ("physician", "nurse"):
        stop = restarting.against_previous(world.house, world.people[role], session.id)
        assert stop is not None and "the dose of before" in stop.found
    with world.house.reading() as db:
        assert len(db.scalars(select(NearMiss).where(NearMiss.where == "restart: dose of before")).all()) == 2
    why = "Known to us for ten years; two hours of watching in the ward."
    for role in ("physician", "nurse"):
        refused = restarting.agree(world.house, world.people[role], session.id, why)
        assert refused and "second physician" in refused[0].allowed
    assert restarting.agree(world.house, world.people["physician2"], session.id, why) == ()
    assert restarting.against_previous(world.house, who, session.id) is None
    with world.house.reading() as db:
        override = db.scalars(
            select(Override).where(Override.finding == "restart-old-dose", Override.reason == why)
        ).one()
        watch = db.scalars(select(Watch).where(Watch.session_id == session.id)).one()
    assert override.by_person == world.people["physician2"].person_id
    assert watch.why == "restart"
    fine(second.leave(world.house, who, session.id, rev(world, session)))


def test_a_lower_dose_needs_no_second_physician(world: ClinicWorld, session: Session) -> None:
    who = world.people["physician"]
    programmed_here(world, session, LOW, ("0.7 mg",))
    assert not isinstance(
        enter(world.house, who, session.id, rev(world, session), Step.PREVIEW, {"seen": "yes"}), tuple
    )
    assert restarting.against_previous(world.house, who, session.id) is None


def test_the_learning_report_says_nothing_of_who_it_was(world: ClinicWorld, patient: Patient, session: Session) -> None:
    with world.house.reading() as db:
        case = case_of(world.house, db, session.id)
    who = f"Ada Lindqvist, number {patient.number}, B-1"
    text = f"{who}, came on 12 Sep 2026 (2026-09-12); Nurse One had booked her too late."
    assert learning.write_root(world.house, world.people["nurse"], case, "", "")[0].field == "root"
    assert learning.write_root(world.house, world.people["nurse"], case, "schedule", text) == ()
    with world.house.reading() as db:
        case = case_of(world.house, db, session.id)
        found = learning.report(case, db, world.house.now_s())
    whole = json.dumps(found)
    for secret in ("Ada", "Lindqvist", patient.number, patient.reference, '"B-1"', "12 Sep", "2026", "Nurse One"):
        assert secret not in whole, secret
    assert found["root_cause"]["what"].startswith("The visit was too late")
    assert found["empty"]["by_log"].startswith("day ")
    assert found["hours_without_drug_at_the_tip"] > 24


def test_depletion_far_too_early_puts_a_wrong_volume_first(world: ClinicWorld) -> None:
    from fractions import Fraction

    bound = Fraction(1, 2)
    with world.house.reading() as db:
        case = case_of(world.house, db, 1) if db.get(type(_any_session(world)), 1) else None
    assert case is not None
    assert learning.ranked(case, learning.Early(Fraction(6, 10), over=True, bound=bound))[0] is Cause.WRONG_VOLUME
    assert learning.ranked(case, learning.Early(Fraction(1, 10), over=False, bound=bound))[0] is Cause.POCKET_FILL


def _any_session(world: ClinicWorld) -> Session:
    from thecal.clinic.record.tables import Session as SessionRow

    with world.house.reading() as db:
        return db.scalars(select(SessionRow)).first()  # type: ignore[return-value]


def test_a_fill_of_20_entered_as_40_is_gone_too_early(world: ClinicWorld) -> None:
    """TMLT: the record says 38 mL, the pump held 19: gone at half of the projected time."""
    from tests.refilling_world import mixture

    from thecal.clinic.programming.order_text import kept_mixture
    from thecal.clinic.record.tables import Fill
    from thecal.quantities import Volume

    with world.house.reading() as db:
        session = db.scalars(select(type(_any_session(world))).order_by(type(_any_session(world)).id.desc())).first()
        assert session is not None
        first = db.scalars(select(Fill).order_by(Fill.id)).first()
        assert first is not None
        at = first.filled_utc_s
    with world.writing("nurse", "a fill with the wrong volume") as record:
        wrong = Fill(
            patient_id=session.patient_id, serial=session.serial, session_id=None, preparation_id=None,
            mixture_id=kept_mixture(record, mixture(SAME)).id, filled_utc_s=at + 1, expected=None, aspirated=None,
            filled=Volume.of(39, "mL"), left=Volume.zero(), programmed=Volume.of(39, "mL"),
        )  # fmt: skip
        record.keep(wrong)
    with world.house.reading() as db:
        case = case_of(world.house, db, session.id)
        found = learning.early(case, db, world.house.now_s())
    assert found.over and found.share is not None
    assert learning.ranked(case, found)[0] is Cause.WRONG_VOLUME


__all__ = ["close"]
