"""Outcomes that are not known: a process that dies at the worst moment, a link that goes away, a pump that is lost."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from tests.rig_world import ROOT, SERVICE, Process
from tests.session_world import begun, now, programmed, proposed, session_clinic, to_review

from thecal.clinic.record.tables import ProgramRun, PumpAnswer, PumpAsk, Session
from thecal.clinic.refused import Refused
from thecal.clinic.session import (
    PAST_TELLING,
    No,
    close,
    command,
    give_up,
    open_asks,
    propose,
    resolve,
    send,
)
from thecal.clinic.session.ended import Ended
from thecal.clinic.session.reviewing import asked_in
from thecal.link.talk import Arm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clinic_world import ClinicWorld

    from thecal.clinic.record.tables import Patient

FASTER = {'dose = "0.075 mg/h"': 'dose = "0.08 mg/h"'}

DYING = """
import os, signal, sys
from thecal.rig import exchange
asked, when = sys.argv[2:4]
sent = exchange.RigExchange.__call__
async def dies(self, path, payload):
    if path == asked and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    answer = await sent(self, path, payload)
    if path == asked:
        os.kill(os.getpid(), signal.SIGKILL)
    return answer
exchange.RigExchange.__call__ = dies
"""
"""A link service that is killed before a message is sent, or between the pump's answer and hearing it."""

SENDER = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import select
from thecal.clinic.practice import Practice
from thecal.clinic.pumps import Pumps
from thecal.clinic.record.store import Store
from thecal.clinic.record.tables import Person
from thecal.clinic.people.signing_in import who_is
from thecal.clinic.session import send
from thecal.clinic.session import asking
from thecal.formulary import load
from thecal.rig.home import Home
from thecal.web.beside import LinkAsk, RigWorld
url, folder, session, digest, when = sys.argv[1:6]
home = Home(Path(folder))
practice = Practice(Store(url), Pumps(LinkAsk(home)), load(), RigWorld(home).utc_s, "test")
with practice.reading() as db:
    who = who_is(db.scalars(select(Person).where(Person.login == "physician")).one())
put = asking.Question.put
def dies(self, practice, serial):
    if when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    put(self, practice, serial)
    os.kill(os.getpid(), signal.SIGKILL)
asking.Question.put = dies
send(practice, who, int(session), digest)
"""
"""A web process that is killed before it asks, or between the pump's yes and the record."""


@pytest.fixture
def world(tmp_path: pytest.TempPathFactory) -> Iterator[ClinicWorld]:
    yield from session_clinic(tmp_path)  # type: ignore[arg-type]


@pytest.fixture
def patient(world: ClinicWorld) -> Patient:
    patient = world.patient()
    programmed(world, patient)
    return patient


def killed_while_sending(world: ClinicWorld, session: Session, digest: bytes, when: str) -> None:
    """Send in a process of its own that is killed."""
    assert world.rig is not None
    arguments = [str(world.store.url), str(world.rig.home.folder), str(session.id), digest.hex(), when]
    died = subprocess.run(
        [sys.executable, "-c", SENDER, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert died.returncode == -signal.SIGKILL, died.stderr


def runs_with(world: ClinicWorld, digest: bytes) -> int:
    with world.house.reading() as db:
        return len(list(db.scalars(select(ProgramRun).where(ProgramRun.digest == digest))))


def relinked(world: ClinicWorld, dying: tuple[str, str] | None = None) -> None:
    """Another link service; one that dies at a message where that is named."""
    assert world.rig is not None
    if world.link is not None:
        world.link.end()
    folder = str(world.rig.home.folder)
    program = SERVICE if dying is None else DYING + SERVICE
    world.link = Process(program, [folder, *(dying or ())]).start()


def test_a_process_that_dies_after_the_pump_confirmed_finds_its_program_and_records_it_once(
    world: ClinicWorld, patient: Patient
) -> None:
    session, order = to_review(world, patient, FASTER)
    digest = proposed(world, session, order).digest
    killed_while_sending(world, session, digest, "after")
    assert world.house.pumps.status("B-1").digest == digest  # type: ignore[union-attr]
    assert runs_with(world, digest) == 0
    with world.house.reading() as db:
        told = asked_in(db, session.id)[0]
    assert told.arm == "not known"
    assert "never written down: it may have been done" in told.said
    blocked = command(world.house, world.people["physician"], session.id, "single", strokes=4, seconds=60)
    assert isinstance(blocked, Refused)
    assert blocked.code is No.UNKNOWN_OUTCOME
    for _ in range(2):
        ends = resolve(world.house, world.people["nurse"], session.id)
        assert not isinstance(ends, Refused), ends
    assert runs_with(world, digest) == 1
    row = now(world, session)
    assert row.entered["send"]["digest"] == digest.hex()
    with world.house.reading() as db:
        assert open_asks(db, "B-1") == []
        assert asked_in(db, session.id)[0].arm == Arm.GRANTED.value
    again = send(world.house, world.people["physician"], session.id, digest)
    assert isinstance(again, Refused)
    assert again.code is No.SENT


def test_a_process_that_dies_before_it_asked_did_nothing_and_says_so(
    world: ClinicWorld, patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, order = to_review(world, patient, FASTER)
    digest = proposed(world, session, order).digest
    before = world.house.pumps.status("B-1").digest  # type: ignore[union-attr]
    killed_while_sending(world, session, digest, "before")
    early = resolve(world.house, world.people["physician"], session.id)
    assert not isinstance(early, Refused)
    assert [e.arm for e in early] == [Arm.NOT_KNOWN]  # the link may still be about to write it down
    machine_s = world.house.machine_s
    monkeypatch.setattr(world.house, "machine_s", lambda: machine_s() + 120)
    late = resolve(world.house, world.people["physician"], session.id)
    assert not isinstance(late, Refused)
    assert [e.arm for e in late] == [Arm.NOT_REACHED]
    assert world.house.pumps.status("B-1").digest == before  # type: ignore[union-attr]
    assert runs_with(world, digest) == 0
    world.near()
    found = propose(world.house, world.people["physician"], session.id, order.id)
    assert not isinstance(found, Refused), found
    end = send(world.house, world.people["physician"], session.id, found.digest)
    assert isinstance(end, Ended)
    assert end.arm is Arm.GRANTED
    assert runs_with(world, found.digest) == 1


def test_an_answer_that_was_lost_is_not_known_blocks_and_is_resolved_by_the_pump(
    world: ClinicWorld, patient: Patient
) -> None:
    session, order = to_review(world, patient, FASTER)
    relinked(world, ("confirm", "after"))
    world.near()
    digest = proposed(world, session, order).digest
    end = send(world.house, world.people["physician"], session.id, digest)
    assert isinstance(end, Ended)
    assert end.arm is Arm.NOT_KNOWN
    assert "ask the pump" in end.then
    relinked(world)
    world.near()
    refused = send(world.house, world.people["physician"], session.id, digest)
    assert isinstance(refused, Refused)
    assert refused.code is No.UNKNOWN_OUTCOME
    ends = resolve(world.house, world.people["physician"], session.id)
    assert not isinstance(ends, Refused)
    assert [e.arm for e in ends] == [Arm.GRANTED]
    assert runs_with(world, digest) == 1


def test_stopping_is_not_held_back_by_what_is_not_known(world: ClinicWorld, patient: Patient) -> None:
    session = begun(world, patient)
    relinked(world, ("single", "after"))
    world.near()
    end = command(world.house, world.people["physician"], session.id, "single", strokes=4, seconds=60)
    assert isinstance(end, Ended)
    assert end.arm is Arm.NOT_KNOWN
    relinked(world)
    world.near()
    stopped = command(world.house, world.people["nurse"], session.id, "stop")
    assert isinstance(stopped, Ended)
    assert stopped.arm is Arm.GRANTED


def test_only_a_physician_counts_a_lost_command_as_given_and_says_why(world: ClinicWorld, patient: Patient) -> None:
    session = begun(world, patient)
    relinked(world, ("single", "after"))
    world.near()
    command(world.house, world.people["physician"], session.id, "single", strokes=4, seconds=60)
    relinked(world)
    world.house.world.ask("cut", serial="B-1")  # type: ignore[union-attr] # the pump is gone for good
    nobody = resolve(world.house, world.people["physician"], session.id)
    assert isinstance(nobody, Refused)
    assert nobody.code is No.NOT_REACHED
    with world.house.reading() as db:
        (ask,) = open_asks(db, "B-1")
    nurse = give_up(world.house, world.people["nurse"], session.id, ask.id, "burnt")
    assert isinstance(nurse, Refused)
    assert nurse.code is No.NOT_ALLOWED
    silent = give_up(world.house, world.people["physician"], session.id, ask.id, " ")
    assert isinstance(silent, Refused)
    assert silent.field == "reason"
    end = give_up(world.house, world.people["physician"], session.id, ask.id, "the pump was explanted and burnt")
    assert isinstance(end, Ended)
    with world.house.reading() as db:
        assert open_asks(db, "B-1") == []
        answer = db.scalars(
            select(PumpAnswer).where(PumpAnswer.ask_id == ask.id).order_by(PumpAnswer.id.desc())
        ).first()
    assert answer is not None
    assert (answer.arm, "burnt" in answer.said) == (PAST_TELLING, True)


def test_what_is_intended_is_kept_before_the_pump_is_asked(world: ClinicWorld, patient: Patient) -> None:
    session = begun(world, patient)
    seen: list[int] = []
    ask = world.house.pumps._ask

    def watched(operation: str, **fields: object) -> object:
        if operation == "stop":
            with world.house.reading() as db:
                seen.extend(a.id for a in db.scalars(select(PumpAsk).where(PumpAsk.operation == "stop")))
                assert len(open_asks(db, "B-1")) == 1
        return ask(operation, **fields)

    world.house.pumps._ask = watched
    end = command(world.house, world.people["physician"], session.id, "stop")
    assert isinstance(end, Ended)
    assert seen == [end.ask_id]


def test_a_session_with_something_not_known_is_not_left_without_a_word(world: ClinicWorld, patient: Patient) -> None:
    session = begun(world, patient)
    relinked(world, ("single", "before"))
    world.near()
    command(world.house, world.people["physician"], session.id, "single", strokes=4, seconds=60)
    relinked(world)
    found = close(world.house, world.people["physician"], session.id, now(world, session).revision, "running")
    assert isinstance(found, Refused)
    assert "not known" in found.found
