"""A clinic whose bench pump holds an order, for tests of sessions: programmed through one like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.clinic_world import SERIAL, ClinicWorld, clinic_world, order_text, with_pumps

from thecal.clinic.programming.order_text import digest_of
from thecal.clinic.record.tables import Order, Session
from thecal.clinic.refused import Refused
from thecal.clinic.session import begin, close, command, enter, propose, send
from thecal.clinic.session.ended import Ended, Proposed
from thecal.clinic.workflow import Step, Workflow
from thecal.link.talk import Arm

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from thecal.clinic.record.tables import Patient

HOURLY = 'dose = "0.05 mg/h"'


def session_clinic(folder: Path, *serials: str, url: str = "") -> Iterator[ClinicWorld]:
    """A clinic with pumps, on the run's engine where no record is named, ended after the tests."""
    world = clinic_world(url or folder)
    try:
        yield with_pumps(world, folder / "rig", *serials)
    finally:
        world.end()


def begun(world: ClinicWorld, patient: Patient, workflow: Workflow = Workflow.LOOK, role: str = "physician") -> Session:
    """A session that is open; the programmer is held over the pump."""
    world.near(serial_of(world, patient))
    found = begin(world.house, world.people[role], patient.id, workflow)
    assert isinstance(found, Session), found
    return found


def serial_of(world: ClinicWorld, patient: Patient) -> str:
    """The pump of a patient."""
    from thecal.clinic.implants import implant_of

    with world.house.reading() as db:
        implant = implant_of(db, patient.id)
    assert implant is not None
    return implant.serial


def entered(world: ClinicWorld, session: Session, step: Step, role: str = "physician", **values: object) -> Session:
    """A step that is entered, at the revision that is there now."""
    seen = now(world, session).revision
    found = enter(world.house, world.people[role], session.id, seen, step, dict(values))
    assert isinstance(found, Session), found
    return found


def now(world: ClinicWorld, session: Session) -> Session:
    """A session as it is now."""
    with world.house.reading() as db:
        found = db.get(Session, session.id)
    assert found is not None
    return found


def an_order(world: ClinicWorld, session: Session, patient: Patient, replace: Mapping[str, str] | None = None) -> Order:
    """A signed order for a session: the first example, with pieces of its text replaced."""
    text = order_text(world, patient, session.serial)
    for old, new in (replace or {}).items():
        assert old in text
        text = text.replace(old, new)
    with world.writing("physician", "signed an order") as record:
        return record.keep(
            Order(
                patient_id=patient.id,
                serial=session.serial,
                session_id=session.id,
                title="An order",
                state="signed",
                text=text,
                digest=digest_of(text),
            )
        )


def to_review(
    world: ClinicWorld, patient: Patient, text_changes: dict[str, str] | None = None
) -> tuple[Session, Order]:
    """A program session up to the review."""
    session = begun(world, patient, Workflow.PROGRAM)
    order = an_order(world, session, patient, replace=text_changes)
    entered(world, session, Step.READ)
    entered(world, session, Step.PROGRAM, order=order.id)
    entered(world, session, Step.PREVIEW, seen="yes")
    return session, order


def proposed(world: ClinicWorld, session: Session, order: Order) -> Proposed:
    """The proposal of a session at its review."""
    found = propose(world.house, world.people["physician"], session.id, order.id)
    assert isinstance(found, Proposed), found
    return found


def sent(world: ClinicWorld, session: Session, digest: bytes) -> Ended:
    """A proposal that the pump confirmed."""
    found = send(world.house, world.people["physician"], session.id, digest)
    assert isinstance(found, Ended), found
    assert found.arm is Arm.GRANTED, found
    return found


def programmed(world: ClinicWorld, patient: Patient, level_nl: int = 19_000_000) -> None:
    """Fill the patient's pump, program it with the first example and start it, through sessions; none is left open."""
    assert world.house.world is not None
    world.house.world.fill(serial_of(world, patient), level_nl)
    session, order = to_review(world, patient)
    who = world.people["physician"]
    for operation, fields in (("refill", {"level_nl": level_nl}),):
        told = command(world.house, who, session.id, operation, **fields)
        assert isinstance(told, Ended) and told.arm is Arm.GRANTED, told
    sent(world, session, proposed(world, session, order).digest)
    told = command(world.house, who, session.id, "start")
    assert isinstance(told, Ended) and told.arm is Arm.GRANTED, told
    ended = close(world.house, who, session.id, now(world, session).revision, "running")
    assert not isinstance(ended, Refused), ended


__all__ = [
    "SERIAL",
    "an_order",
    "begun",
    "entered",
    "now",
    "programmed",
    "proposed",
    "sent",
    "session_clinic",
    "to_review",
]
