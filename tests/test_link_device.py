"""The whole virtual pump behind the link: read, programmed and asked; its power lost at every write of a command."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from tests.core_world import packed
from tests.device_world import BENCH, Pump, new, order
from tests.link_world import DOCUMENT, PATIENT, BookOfMemory, Time, digest_of

from thecal.link.answering import Answering, Code
from thecal.link.interrogation import Interrogation
from thecal.link.ledger import Outcome
from thecal.link.outcome import Denial, Denied, NotHeard
from thecal.link.patient import Bolus
from thecal.link.roles import Field, Role
from thecal.link.session import Session
from thecal.link.talk import Arm
from thecal.link.therapy_change import Proposal
from thecal.pump.core import codes
from thecal.pump.device import NoPower, PowerCut, Tear

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from thecal.link.surface import Surface
    from thecal.pump.core.program import Program


def ordered(number: int, rate: int = 20_000_000) -> Program:
    p = order(number, ((0, rate),), document=DOCUMENT)
    p.patient_ref[:] = PATIENT
    return p


class Bench:
    """A virtual pump that runs, and the sessions of a programmer and its patient."""

    def __init__(self) -> None:
        self.pump: Pump = new()
        self.answering = self.awake()
        self.ledger = BookOfMemory()
        self.time = Time()
        self.programmer = self.open(Role.PROGRAMMER, Field.NEAR)
        self.patient = self.open(Role.PATIENT, Field.FAR)
        self.pump.fill()
        assert self.program(ordered(1)).arm is Arm.GRANTED
        assert go(self.programmer.start()).arm is Arm.GRANTED
        self.pump.wait(7200)

    def open(self, role: Role, field: Field) -> Session:
        async def exchange(path: str, payload: bytes) -> bytes:
            try:
                answered = self.answering.answer(role, field, path, payload)
            except (PowerCut, NoPower) as dark:
                raise NotHeard("no answer came") from dark
            if answered.code is not Code.DONE:
                raise Denied(Denial.FORBIDDEN)
            return answered.payload

        return Session(BENCH.serial, role, exchange, self.ledger, self.time)

    def program(self, p: Program) -> Any:
        proposal = self.propose(p)
        return go(self.programmer.confirm(proposal.digest))

    def propose(self, p: Program) -> Proposal:
        assert isinstance(go(self.programmer.interrogate()), Interrogation)
        proposal = go(self.programmer.propose(bytes(packed(p)), DOCUMENT, PATIENT))
        assert isinstance(proposal, Proposal)
        return proposal

    def reboot(self) -> None:
        self.pump.disk.calm()
        self.pump.reboot()
        self.answering = self.awake()

    def awake(self) -> Answering:
        surface: Surface = self.pump.device
        return Answering(surface)

    def events(self, event: int) -> list[int]:
        return [a for a, _ in self.pump.happened(event)]


def go(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(coroutine)


def test_a_virtual_pump_is_read_programmed_and_asked() -> None:
    bench = Bench()
    read = go(bench.programmer.interrogate())
    assert (read.program, read.document) == (bytes(packed(ordered(1))), DOCUMENT)
    assert (read.identity.serial, read.identity.family) == (BENCH.serial, BENCH.family)
    assert (read.log_fault, read.missing, read.log_end[0]) == ("", 0, len(read.records))
    assert read.identity.totals.confirmed == bench.pump.c.strokes > 100
    assert bench.program(ordered(2, 30_000_000)).said == "confirm: granted, and read again as proposed"
    assert go(bench.patient.bolus()).answer is Bolus.GRANTED
    bench.pump.wait(600)
    assert go(bench.patient.bolus()).answer is Bolus.REFUSED
    bench.reboot()
    status = go(bench.programmer.status())
    assert (status.boots, status.digest) == (2, digest_of(ordered(2, 30_000_000)))
    bench.pump.device.cut_power()
    assert go(bench.programmer.stop()).arm is Arm.NOT_KNOWN


def stopped(bench: Bench) -> bool:
    return not bench.pump.c.running


def bolus_of(kind: int) -> Callable[[Bench], bool]:
    return lambda bench: kind in bench.events(codes.E_BOLUS)


COMMANDS: dict[str, tuple[Callable[[Bench], Any], Callable[[Bench], bool]]] = {
    "stop": (lambda b: go(b.programmer.stop()), stopped),
    "single": (lambda b: go(b.programmer.single(20, 300)), bolus_of(codes.SINGLE)),
    "bolus": (lambda b: go(b.patient.bolus()), bolus_of(codes.PATIENT)),
    "confirm": (lambda b: go(b.programmer.confirm(digest_of(ordered(2)))), lambda b: b.pump.c.program.number == 2),
}


@pytest.mark.parametrize("tear", [Tear.BEFORE, Tear.OVERWRITTEN, Tear.AFTER])
@pytest.mark.parametrize("name", COMMANDS)
def test_power_lost_at_any_write_of_a_command_leaves_it_done_or_not_and_known(name: str, tear: Tear) -> None:
    ask, done = COMMANDS[name]
    for write in range(1, 40):
        bench = Bench()
        go(bench.programmer.status())
        if name == "confirm":
            bench.propose(ordered(2))
        bench.pump.disk.cut(write, tear, 100)
        ask(bench)
        if bench.pump.powered():
            bench.pump.disk.calm()
            break
        bench.reboot()
        for session in (bench.programmer, bench.patient):
            go(session.resolve())
        last = bench.ledger.history(BENCH.serial)[-1]
        assert last.path == name
        assert last.outcome is (Outcome.GRANTED if done(bench) else Outcome.NEVER), f"at write {write}"
    assert write > 3, "there was nothing to cut"
    assert not bench.programmer.unresolved()
    assert done(bench)
