"""Several people at one refill: whose hands, whose prescription, whose second entry; rinses that move fluid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select
from tests.refilling_world import (
    SAME,
    STRONGER,
    answered,
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
from tests.test_clinic_refilling_new import mixed, programmed_here

from thecal.clinic.record.tables import Act, Fill, NearMiss, Session
from thecal.clinic.refilling import bridging, checklist, hands, mixing, rinsing, second
from thecal.clinic.refilling.checklist import Phase
from thecal.clinic.refused import Refused
from thecal.clinic.session import Proposed, close, enter, propose, send, take_over
from thecal.clinic.session.ended import Ended
from thecal.clinic.workflow import Step
from thecal.link.talk import Arm
from thecal.quantities import Volume

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clinic_world import ClinicWorld

    from thecal.clinic.record.tables import Patient

LEFT = "0.5"
EACH = "2"
WENT_IN = "15.5"
"""mL: 20 in the syringe, two rinses of 2, and what the syringe keeps."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClinicWorld]:
    yield from refill_clinic(tmp_path_factory.mktemp("together"))


@pytest.fixture(scope="module")
def patient(world: ClinicWorld) -> Patient:
    return running(world, days=20)


@pytest.fixture
def session(world: ClinicWorld, patient: Patient) -> Iterator[Session]:
    found = opened(world, patient, role="physician")
    yield found
    row = now(world, found)
    if row.state == "open":
        holder = next(w for w in world.people.values() if w.person_id == row.person_id)
        ended = close(world.house, holder, found.id, row.revision, "running", "a test", "nobody")
        assert not isinstance(ended, Refused), ended


def by_hand(world: ClinicWorld, session: Session, role: str = "nurse", left: str = LEFT) -> int:
    """Everything drawn out and noted, by somebody's hands; nL that came."""
    assert world.house.world is not None
    who = world.people[role]
    nl: int = fine(hands.aspirate(world.house, world.house.world, who, session.id))
    items = [i.id for i in checklist.items(Phase.ASPIRATE)]
    out = Volume.of(nl, "nL") - Volume.parse(f"{left} mL")
    text = out.text("mL", 3).removesuffix(" mL")
    fine(checklist.note(world.house, who, session.id, rev(world, session), items, text, left, whole=True))
    return nl


def to_rinse(world: ClinicWorld, patient: Patient, session: Session, times: str = "2") -> None:
    """A physician's new mixture, a nurse's hands, up to the second entry that agreed."""
    physician = world.people["physician"]
    mixed(world, session)
    syringed(world, session, prepared(world, patient, STRONGER), "nurse")
    by_hand(world, session)
    gap_seen(world, session, "nurse")
    fine(mixing.enter_rinse(world.house, physician, session.id, rev(world, session), times, EACH))
    fine(volume_entered(world, session, WENT_IN, role="nurse"))
    to_second_of(world, session)


def to_second_of(world: ClinicWorld, session: Session) -> None:
    physician = world.people["physician"]
    programmed_here(world, session)
    values = {"boluses": "blocked", "bolus_dose": "", "reason": ""}
    fine(bridging.decide(world.house, physician, session.id, rev(world, session), "bridge", **values))
    fine(enter(world.house, physician, session.id, rev(world, session), Step.PREVIEW, {"seen": "yes"}))
    second_typed = typed(STRONGER, volume=f"{WENT_IN} mL", total="1.5 mg")
    assert fine(checked(world, session, second_typed, role="pharmacist")).matched


def rinsed(world: ClinicWorld, session: Session, number: int, role: str = "nurse") -> Any:
    return rinsing.rinse_now(world.house, world.house.world, world.people[role], session.id, str(number))


def reservoir(world: ClinicWorld) -> int:
    """nL that are really in the pump."""
    return int(world.house.world.ask("truth", serial="B-1")["reservoir_nl"])  # type: ignore[union-attr]


def acts(world: ClinicWorld, session: Session) -> dict[str, int]:
    with world.house.reading() as db:
        rows = db.scalars(select(Act).where(Act.subject_kind == "session", Act.subject_id == session.id))
        return {row.kind: row.by_person for row in rows}


def test_what_is_prescribed_stays_with_the_physician(world: ClinicWorld, patient: Patient, session: Session) -> None:
    nurse = world.people["nurse"]
    answered(world, session, "different", "physician")
    seen = rev(world, session)
    refused = mixing.enter(world.house, nurse, session.id, seen, ["morphine"], ["6 mg/mL"], "yes")
    assert isinstance(refused, tuple) and "Physician One" in refused[0].found
    mixed(world, session)
    desk = syringe_by(world, patient, session, "desk")
    assert isinstance(desk, tuple) and "Physician One" in desk[0].found, "the table of permissions decides"
    assert not isinstance(syringe_by(world, patient, session, "nurse"), tuple)


def syringe_by(world: ClinicWorld, patient: Patient, session: Session, role: str) -> Any:
    from thecal.clinic.refilling import syringe

    code = prepared(world, patient, STRONGER)
    return syringe.choose(world.house, world.people[role], session.id, code, rev(world, session))


@pytest.mark.parametrize("role", ["physician", "nurse"])
def test_nobody_who_made_a_part_of_the_first_entry_makes_the_second(
    world: ClinicWorld, patient: Patient, session: Session, role: str
) -> None:
    mixed(world, session)
    syringed(world, session, prepared(world, patient, STRONGER), "nurse")
    by_hand(world, session, left="0")
    gap_seen(world, session, "nurse")
    fine(mixing.enter_rinse(world.house, world.people["physician"], session.id, rev(world, session), "0", ""))
    fine(volume_entered(world, session, WENT_IN, role="nurse"))
    to_second_of(world, session)
    fine(volume_entered(world, session, "15", role="nurse"))  # another volume: everything after it is made again
    row = now(world, session)
    assert "program" not in row.entered, "the order says what was filled"
    assert row.step == Step.PROGRAM
    assert isinstance(filled(world, session, "nurse"), tuple)
    programmed_here(world, session)
    values = {"boluses": "blocked", "bolus_dose": "", "reason": ""}
    who = world.people["physician"]
    fine(bridging.decide(world.house, who, session.id, rev(world, session), "bridge", **values))
    fine(enter(world.house, who, session.id, rev(world, session), Step.PREVIEW, {"seen": "yes"}))
    refused = checked(world, session, typed(STRONGER, volume="15 mL", total="1.5 mg"), role=role)
    assert isinstance(refused, tuple) and refused[0].code == "the same person"


def test_taking_a_session_over_makes_nobody_a_second_person(world: ClinicWorld, patient: Patient) -> None:
    session = opened(world, patient)
    to_second(world, patient, session, prepared(world, patient))
    taken = take_over(world.house, world.people["nurse2"], session.id, rev(world, session))
    assert isinstance(taken, Session)
    refused = checked(world, session, typed(), role="nurse")
    assert isinstance(refused, tuple) and refused[0].code == "the same person", "Nurse One made the first entry"
    assert isinstance(checked(world, session, typed(), role="nurse2"), tuple)
    ended = close(world.house, world.people["nurse2"], session.id, rev(world, session), "running", "a test", "nobody")
    assert not isinstance(ended, Refused)


def test_a_nurses_hands_in_a_physicians_refill_each_kept_under_who_did_it(
    world: ClinicWorld, patient: Patient, session: Session
) -> None:
    physician, nurse = world.people["physician"], world.people["nurse"]
    to_rinse(world, patient, session)
    assert now(world, session).person_id == physician.person_id, "nobody took the session over"
    assert fine(rinsed(world, session, 1)) == 2_000_000
    assert fine(rinsed(world, session, 2)) == 2_000_000
    assert fine(filled(world, session, "nurse")) == 15_500_000
    # what stayed and what went in: reservoir, arithmetic and pump agree to the stroke
    assert reservoir(world) == 16_000_000
    fine(second.leave(world.house, physician, session.id, rev(world, session)))
    world.near()
    order = now(world, session).entered["program"]["order"]
    refused = propose(world.house, nurse, session.id, order)
    assert isinstance(refused, Refused), "sending stays with whoever prescribed"
    made = propose(world.house, physician, session.id, order)
    assert isinstance(made, Proposed), made
    end = send(world.house, physician, session.id, made.digest)
    assert isinstance(end, Ended) and end.arm is Arm.GRANTED, end
    assert world.house.pumps.status("B-1").level_nl == 16_000_000  # type: ignore[union-attr]
    did = acts(world, session)
    mine = {k for k, person in did.items() if person == nurse.person_id}
    assert {"entered syringe", "entered checklist", "entered gap", "entered fill"} <= mine
    assert {"aspirated by hand", "rinsed by hand", "filled by hand"} <= mine
    theirs = {k for k, person in did.items() if person == physician.person_id}
    assert {"entered mixture", "entered rinse", "entered program", "entered bridge", "sent"} <= theirs
    with world.house.reading() as db:
        fill = db.scalars(select(Fill).where(Fill.session_id == session.id)).one()
    assert (fill.left, fill.filled, fill.programmed) == tuple(Volume.parse(t) for t in ("0.5 mL", "15.5 mL", "16 mL"))
    world.pass_s(7 * 86_400)


def test_rinses_come_in_order_once_each_after_the_second_entry_and_before_the_fill(
    world: ClinicWorld, patient: Patient, session: Session
) -> None:
    physician = world.people["physician"]
    mixed(world, session, SAME)  # back to the strength of before
    syringed(world, session, prepared(world, patient, SAME), "nurse")
    by_hand(world, session)
    gap_seen(world, session, "nurse")
    fine(mixing.enter_rinse(world.house, physician, session.id, rev(world, session), "2", EACH))
    fine(volume_entered(world, session, WENT_IN, role="nurse"))
    early = rinsed(world, session, 1)
    assert isinstance(early, Refused) and "second" in early.found, "nothing unchecked goes into a pump"
    programmed_here(world, session)
    values = {"boluses": "blocked", "bolus_dose": "", "reason": ""}
    fine(bridging.decide(world.house, physician, session.id, rev(world, session), "bridge", **values))
    fine(enter(world.house, physician, session.id, rev(world, session), Step.PREVIEW, {"seen": "yes"}))
    assert fine(checked(world, session, typed(SAME, volume=f"{WENT_IN} mL", total="1.5 mg"), role="nurse2")).matched
    before = world.house.world.moved("B-1")  # type: ignore[union-attr]
    stop = filled(world, session, "nurse")
    assert isinstance(stop, tuple) and "0 of 2 rinses" in stop[0].found
    assert isinstance(rinsed(world, session, 2), Refused)
    assert isinstance(rinsed(world, session, 1, "nurse2"), Refused), "who made the second entry moves no fluid"
    for odd in ("0", "3", "-1", "one", "²", ""):
        assert isinstance(
            rinsing.rinse_now(world.house, world.house.world, world.people["nurse"], session.id, odd), Refused
        )
    assert [fine(rinsed(world, session, 1)) for _ in range(3)] == [2_000_000] * 3
    moved = world.house.world.moved("B-1")  # type: ignore[union-attr]
    assert moved.filled_nl - before.filled_nl == 2_500_000, "what stayed, and one rinse"
    assert reservoir(world) == 0, "the syringe drew all there is"
    locked = mixing.enter_rinse(world.house, physician, session.id, rev(world, session), "0", "")
    assert isinstance(locked, tuple) and "before fluid went in" in locked[0].found
    assert isinstance(volume_entered(world, session, "15", role="nurse"), tuple)
    fine(rinsed(world, session, 2))
    assert isinstance(filled(world, session, "nurse2"), tuple)
    assert fine(filled(world, session, "nurse")) == 15_500_000
    assert reservoir(world) == 16_000_000
    with world.house.reading() as db:
        assert not db.scalars(select(NearMiss).where(NearMiss.where == "refill: rinse")).all()
