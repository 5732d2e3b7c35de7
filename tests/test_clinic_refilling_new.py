"""A refill with another mixture: what is wiped, what stays, the bridge to the second, the front, the tip, the watch
(J5).
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from tests.clinic_world import order_text
from tests.record_engines import record_in
from tests.refilling_world import (
    HYDRO,
    STRONGER,
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
    typed,
    volume_entered,
)
from tests.session_world import now

from thecal.clinic.programming.draft import Written
from thecal.clinic.programming.finishing import finish as finish_program
from thecal.clinic.programming.frame import frame_of
from thecal.clinic.programming.order_text import tables_of
from thecal.clinic.record.tables import NearMiss, Override, Watch
from thecal.clinic.refilling import bridging, mixing, second
from thecal.clinic.refilling.case import case_of, proposed_order
from thecal.clinic.refilling.gap import pump_time
from thecal.clinic.refilling.tip_check import ASSUMES, tip_check
from thecal.clinic.refused import Refused
from thecal.clinic.session import Proposed, close, command, enter, propose, send
from thecal.clinic.session.ended import Ended
from thecal.clinic.workflow import Step
from thecal.link.talk import Arm
from thecal.quantities import Duration, Volume

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clinic_world import ClinicWorld

    from thecal.clinic.record.tables import Patient, Session

PROGRAM = """
base = "continuous"
dose = "1.5 mg/day"
low_level = "2 mL"
ceilings = [
  { drug = "morphine", per_1h = "0.25 mg", per_24h = "3 mg" },
  { drug = "bupivacaine", per_1h = "0.625 mg", per_24h = "7.5 mg" },
  { drug = "clonidine", per_1h = "9.375 mcg", per_24h = "112.5 mcg" },
]
[patient_bolus]
dose = "0.12 mg"
duration = "10 min"
lockout = "3 h"
most_per_24h = 4
[fail_safe]
reservoir = "fallback"
motor = "stop"
power = "fallback"
memory = "stop"
over_delivery = "stop"
clock = "fallback"
fallback_dose = "0.6 mg/day"
reason = "Clonidine must not stop abruptly: a lower steady dose goes on until the patient is seen."
"""
REASON = "Reviewed with the pharmacy and the patient; the first days are watched."


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, record_engine: str) -> Iterator[ClinicWorld]:
    folder = tmp_path_factory.mktemp("new")
    yield from refill_clinic(folder, url=record_in(folder, record_engine))


@pytest.fixture(scope="module")
def patient(world: ClinicWorld) -> Patient:
    return running(world, days=20)


@pytest.fixture
def session(world: ClinicWorld, patient: Patient) -> Iterator[Session]:
    found = opened(world, patient, role="physician")
    yield found
    row = now(world, found)
    if row.state == "open":
        ended = close(
            world.house, world.people["physician"], found.id, rev(world, found), "running", "a test", "nobody"
        )
        assert not isinstance(ended, Refused), ended


def mixed(world: ClinicWorld, session: Session, parts: tuple[tuple[str, str], ...] = STRONGER) -> None:
    answered(world, session, "different", "physician")
    drugs, strengths = [d for d, _ in parts], [c for _, c in parts]
    fine(mixing.enter(world.house, world.people["physician"], session.id, rev(world, session), drugs, strengths, "yes"))


def to_program(world: ClinicWorld, patient: Patient, session: Session) -> None:
    """Up to the program step."""
    mixed(world, session)
    syringed(world, session, prepared(world, patient, STRONGER), "physician")
    aspirated(world, session, "physician")
    gap_seen(world, session, "physician")
    fine(mixing.enter_rinse(world.house, world.people["physician"], session.id, rev(world, session), "0", ""))
    fine(volume_entered(world, session, role="physician"))


def programmed_here(
    world: ClinicWorld, session: Session, program: str = PROGRAM, plan: tuple[str, ...] = ("1.5 mg",)
) -> None:
    """The program step, with a reason for every soft finding."""
    from thecal.clinic.programming.judging import judged

    with world.house.reading() as db:
        frame = frame_of(world.house, db, session.id, world.house.now_s())
    assert not isinstance(frame, Refused), frame
    tables = tables_of(program)
    reasons: dict[str, str] = {}
    for _ in range(3):
        text = frame.text({**tables, "reasons": reasons})
        found = judged(text, world.house, frame.today, plan)
        assert not found.refused, found.refused
        reasons |= {str(f.code): REASON for f in found.findings if not f.hard and str(f.code) != "no-bridge"}
    done = finish_program(
        world.house, world.people["physician"], session.id, rev(world, session), Written(text, plan), frame.today
    )
    assert not isinstance(done, tuple), done


def to_bridge(world: ClinicWorld, patient: Patient, session: Session) -> None:
    to_program(world, patient, session)
    programmed_here(world, session)


def decided(
    world: ClinicWorld, session: Session, choice: str = "bridge", role: str = "physician", **more: str
) -> tuple[Refused, ...]:
    values = {"boluses": "blocked", "bolus_dose": "", "reason": "", **more}
    return bridging.decide(world.house, world.people[role], session.id, rev(world, session), choice, **values)


def test_another_medication_wipes_what_was_derived_and_is_for_a_physician(world: ClinicWorld, patient: Patient) -> None:
    from thecal.clinic.refilling import medication

    session = opened(world, patient)
    answered(world, session)
    refused = medication.answer(
        world.house, world.people["nurse"], session.id, rev(world, session), "different", "patient", ""
    )
    assert refused and "Nurse" in refused[0].found
    assert now(world, session).workflow == "refill-same"
    ended = close(world.house, world.people["nurse"], session.id, rev(world, session), "running")
    assert not isinstance(ended, Refused)
    session = opened(world, patient, role="physician")
    answered(world, session, role="physician")
    syringed(world, session, prepared(world, patient), "physician")
    answered(world, session, "different", "physician")
    row = now(world, session)
    assert row.workflow == "refill-new"
    assert set(row.entered) <= {"read", "medication"}
    ended = close(world.house, world.people["physician"], session.id, rev(world, session), "running")
    assert not isinstance(ended, Refused)


def test_old_and_new_beside_each_other_with_the_opioid_ratio(world: ClinicWorld, session: Session) -> None:
    mixed(world, session, HYDRO)
    with world.house.reading() as db:
        case = case_of(world.house, db, session.id)
    new = mixture(HYDRO)
    rows = {r.name: (r.before, r.after, r.change) for r in mixing.table(case.held, new, case.formulary)}
    assert rows["HYDROmorphone"] == ("none", "2 mg/mL", "new")
    assert rows["BUPivacaine" if "BUPivacaine" in rows else "bupivacaine"][2] == "same"
    assert next(v for k, v in rows.items() if k.lower() == "clonidine")[2] == "gone"
    ratio = " ".join(mixing.swaps(case.held, new, case.formulary))
    assert "morphine" in ratio and "HYDROmorphone" in ratio and "ratio" in ratio
    assert {line.name for line in mixing.limits(new, case.formulary)} >= {"HYDROmorphone"}


def test_the_rinse_leaves_an_exact_share(world: ClinicWorld, patient: Patient, session: Session) -> None:
    mixed(world, session, HYDRO)
    syringed(world, session, prepared(world, patient, HYDRO), "physician")
    from thecal.clinic.refilling import checklist, hands
    from thecal.clinic.refilling.checklist import Phase

    assert world.house.world is not None
    nl = fine(hands.aspirate(world.house, world.house.world, world.people["physician"], session.id))
    items = [i.id for i in checklist.items(Phase.ASPIRATE)]
    read = f"{nl / 10**6:.1f}".removesuffix(".0")
    fine(
        checklist.note(
            world.house, world.people["physician"], session.id, rev(world, session), items, read, "0.5", whole=True
        )
    )
    world.house.world.fill("B-1", nl)
    with world.house.reading() as db:
        case = case_of(world.house, db, session.id)
    found = mixing.rinse(case, 2, Volume.of(2, "mL"), Volume.of(16, "mL"))
    assert found is not None
    stays = {t.name.lower(): t.share for t in found.traces}
    left = Fraction(1, 2)
    assert stays["morphine"] == (left / (left + 2)) ** 2 * (left / (left + 16))
    assert "bupivacaine" not in stays


@pytest.mark.both_engines
def test_bridge_front_tip_and_watch(world: ClinicWorld, patient: Patient, session: Session) -> None:  # noqa: PLR0915 -- one journey
    to_bridge(world, patient, session)
    with world.house.reading() as db:
        case = case_of(world.house, db, session.id)
        drafted = proposed_order(world.house, db, now(world, session))
    assert drafted is not None
    plan = bridging.planned(case, drafted[1].order)
    assert isinstance(plan, bridging.Planned), plan
    assert case.dead == plan.dead
    exact = plan.dead / plan.bridge.flow
    assert abs(exact - Duration.of(plan.seconds, "s")) <= Duration.of(1, "s")
    refused = decided(world, session, boluses="")
    assert [r.field for r in refused] == ["boluses"]
    assert decided(world, session) == ()
    with world.house.reading() as db:
        case = case_of(world.house, db, session.id)
        drafted = proposed_order(world.house, db, now(world, session))
        assert drafted is not None and drafted[1].order.program.bridge is not None
        order = drafted[1].order
        before = bridging.front_of(world.house, db, case, world.house.now_s())
    assert isinstance(before, bridging.Front) and not before.running
    # The tip: plug flow on paper, and the twin
    rows = tip_check(order, pump_time(case, world.house.now_s()))
    assert isinstance(rows, tuple), rows
    assert {r.drug for r in rows} == {"morphine", "bupivacaine", "clonidine"}
    assert all(r.apart is not None and r.apart < Fraction(1, 1000) for r in rows), rows
    assert "assume plug flow" in ASSUMES
    # Send
    who = world.people["physician"]
    assert isinstance(
        enter(world.house, who, session.id, rev(world, session), Step.PREVIEW, {"seen": "yes"}), type(session)
    )
    assert fine(checked(world, session, typed(STRONGER, total="1.5 mg"))).matched
    fine(filled(world, session, "physician"))
    fine(second.leave(world.house, who, session.id, rev(world, session)))
    world.near()
    made = propose(world.house, who, session.id, drafted[0].id)
    assert isinstance(made, Proposed), made
    end = send(world.house, who, session.id, made.digest)
    assert isinstance(end, Ended) and end.arm is Arm.GRANTED, end
    with world.house.reading() as db:
        case = case_of(world.house, db, session.id)
        front = bridging.front_of(world.house, db, case, world.house.now_s())
        watch = db.scalars(select(Watch).where(Watch.session_id == session.id, Watch.why == "new drug")).one()
    assert isinstance(front, bridging.Front) and front.running and not front.arrived
    assert front.arrives_utc_s - front.starts_utc_s == plan.seconds
    assert watch.begins_utc_s == front.arrives_utc_s > world.house.now_s()
    assert bridging.patient_text("Ada", "19 Aug 2026 21:40").endswith(
        "new medicine reaches you about 19 Aug 2026 21:40."
    )
    # The front moves with the clinic's clock, and the pump's own bridge ends when the front is there
    half = plan.seconds // 2
    world.pass_s(half)
    with world.house.reading() as db:
        midway = bridging.front_of(world.house, db, case, world.house.now_s())
    assert isinstance(midway, bridging.Front)
    assert abs(midway.now.share - Fraction(1, 2)) < Fraction(1, 100)
    assert world.house.pumps.status("B-1").bridging  # type: ignore[union-attr]
    world.pass_s(plan.seconds - half + 120)
    with world.house.reading() as db:
        there = bridging.front_of(world.house, db, case, world.house.now_s())
    assert isinstance(there, bridging.Front) and there.arrived
    assert not world.house.pumps.status("B-1").bridging  # type: ignore[union-attr]


def test_leaving_the_bridge_out_needs_a_physicians_justification(
    world: ClinicWorld, patient: Patient, session: Session
) -> None:
    mixed(world, session, (("morphine", "5 mg/mL"), ("bupivacaine", "12.5 mg/mL"), ("clonidine", "0.1875 mg/mL")))
    parts = (("morphine", "5 mg/mL"), ("bupivacaine", "12.5 mg/mL"), ("clonidine", "0.1875 mg/mL"))
    syringed(world, session, prepared(world, patient, parts), "physician")
    aspirated(world, session, "physician")
    gap_seen(world, session, "physician")
    fine(mixing.enter_rinse(world.house, world.people["physician"], session.id, rev(world, session), "0", ""))
    fine(volume_entered(world, session, role="physician"))
    programmed_here(world, session)
    refused = decided(world, session, "waive", reason="too long")
    assert refused and refused[0].field == "reason"
    stopped = decided(world, session, "waive", role="nurse", reason="A nurse's reason that is long enough to pass.")
    assert stopped and "physician" in stopped[0].allowed
    with world.house.reading() as db:
        assert db.scalars(select(NearMiss).where(NearMiss.where == "refill: bridge")).all()
    why = "The catheter was replaced this morning and its line holds no drug."
    assert decided(world, session, "waive", reason=why) == ()
    with world.house.reading() as db:
        override = db.scalars(select(Override).where(Override.finding == "no-bridge")).one()
        drafted = proposed_order(world.house, db, now(world, session))
        case = case_of(world.house, db, session.id)
        front = bridging.front_of(world.house, db, case, world.house.now_s())
    assert override.reason == why
    assert drafted is not None and drafted[1].order.program.bridge is None
    assert isinstance(front, bridging.Front)
    world.house.world.fill("B-1", 5_000_000)  # type: ignore[union-attr]


__all__ = ["command", "order_text", "replace"]
