"""The client: "not known" as a state, therapy in two phases, the patient's one answer, a radio that loses frames."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.core_world import packed
from tests.link_machine import Lossy
from tests.link_world import (
    ANSWER_LOST,
    DOCUMENT,
    HEARD,
    LATE,
    NOT_SENT,
    OTHER,
    PATIENT,
    REQUEST_LOST,
    TWICE,
    BookOfMemory,
    Pump,
    Radio,
    Time,
    digest_of,
    ordered,
)

from thecal.link import talk as talking
from thecal.link.answering import Answering
from thecal.link.change import Change
from thecal.link.evidence import Finding
from thecal.link.interrogation import Interrogation
from thecal.link.ledger import NO_ANSWER, NO_RECORD, Outcome, Pending
from thecal.link.patient import Bolus, BolusAnswer
from thecal.link.reading import Status
from thecal.link.roles import Field, Role
from thecal.link.session import Session
from thecal.link.talk import READING_GOOD_FOR_S, Arm, Result, Talk, Why
from thecal.link.therapy_change import Proposal
from thecal.pump.core import alarms as al
from thecal.pump.core import codes
from thecal.pump.core.commands import Commands
from thecal.pump.core.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from thecal.link.talk import Exchange
    from thecal.pump.core.program import Program


class Clinic:
    """One pump, and a session of every role over a radio of its own; all share one ledger, as in the link service."""

    def __init__(self, pump: Pump | None = None) -> None:
        self.pump = pump or Pump(p=ordered())
        self.answering = Answering(self.pump)
        self.ledger = BookOfMemory()
        self.time = Time()
        self.radio = {role: Radio(self.pump, self.answering, role) for role in Role}
        self.radio[Role.PATIENT].field = Field.FAR
        self.session = {role: self.open(role) for role in Role}
        self.programmer = self.session[Role.PROGRAMMER]
        self.patient = self.session[Role.PATIENT]

    def open(self, role: Role) -> Session:
        return Session("T-1", role, self.radio[role], self.ledger, self.time)

    def fate(self, *fates: str, role: Role = Role.PROGRAMMER) -> None:
        self.radio[role].fates = deque(fates)

    def run(self, seconds: int) -> None:
        self.pump.run(seconds)
        self.time.s += seconds

    def last(self) -> Pending:
        return self.ledger.history("T-1")[-1]

    def power_cut(self) -> None:
        self.pump.wake()
        self.pump.settle()
        self.answering = Answering(self.pump)
        for radio in self.radio.values():
            radio.answering = self.answering


def go(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(coroutine)


def clinic(pump: Pump | None = None) -> Clinic:
    """Everybody has just read the pump."""
    made = Clinic(pump)
    assert isinstance(go(made.programmer.status()), Status)
    return made


# Commands whose answer is heard


@pytest.mark.requirement("P10", "AP-06", "AP-17")
def test_a_command_is_written_down_before_it_is_sent() -> None:
    c = clinic()
    seen: list[Pending] = []

    async def exchange(path: str, payload: bytes) -> bytes:
        seen.extend(c.ledger.pending("T-1"))
        return await c.radio[Role.PROGRAMMER](path, payload)

    session = Session("T-1", Role.PROGRAMMER, exchange, c.ledger, c.time)
    go(session.status())
    result = go(session.stop())
    assert (result.arm, result.command, result.said) == (Arm.GRANTED, 1, "stop: granted")
    assert [(p.path, p.command, p.fields, p.log_records) for p in seen] == [("stop", 1, {"command": 1}, 4)]
    done = c.last()
    assert (done.outcome, done.answer, done.said) == (Outcome.GRANTED, codes.GRANTED, "the pump remembers its answer")
    assert done.written_utc == done.resolved_utc == "2026-02-02T02:40:00+00:00"
    assert c.ledger.pending("T-1") == []


def test_a_refusal_says_why_and_when_to_ask_again() -> None:
    c = clinic()
    assert go(c.programmer.start()).said == "start: it is so already: nothing was changed"
    assert go(c.patient.bolus()).answer is Bolus.GRANTED
    result = go(c.programmer.prime(1, 10_000, 10_000))
    assert (result.arm, result.answer, result.wait_s) == (Arm.REFUSED, codes.RUNNING, 600)
    assert result.said == "prime: a bolus is being given; ask again in 10 min"
    assert (c.last().outcome, c.last().answer, c.last().wait_s) == (Outcome.REFUSED, codes.RUNNING, 600)


def test_every_command_reaches_the_core() -> None:
    c = clinic()
    s = c.programmer
    for result in (
        go(s.stop()),
        go(s.start()),
        go(s.single(10, 60)),
        go(s.refill(19_000_000)),
        go(s.set_clock(3600)),
        go(s.test_alarm(critical=True)),
    ):
        assert result.arm is Arm.GRANTED
    c.run(60)
    assert go(s.prime(1, 10_000, 10_000)).arm is Arm.GRANTED
    assert go(s.acknowledge(al.STALL)).answer == codes.NOT_NEEDED
    assert go(s.clear(al.STALL)).answer == codes.NOT_NEEDED
    assert c.pump.granted[3:] == ["stop", "start", "single", "refill", "clock", "prime"]
    assert [p.command for p in c.ledger.history("T-1")] == list(range(1, 10))


def test_a_value_out_of_bounds_is_not_sent() -> None:
    c = clinic()
    result = go(c.programmer.single(0, 60))
    assert (result.arm, result.why) == (Arm.BLOCKED, Why.BAD_VALUE)
    assert result.said == "single: field strokes: allowed is a whole number from 1 to 100000; nothing was sent"
    assert c.ledger.history("T-1") == []


@pytest.mark.requirement("SC-08")
def test_a_role_sends_only_what_the_catalogue_lets_it() -> None:
    c = clinic()
    for role in (Role.MONITOR, Role.PATIENT):
        result = go(c.session[role].stop())
        assert (result.arm, result.why) == (Arm.BLOCKED, Why.NOT_ALLOWED)
    for role in (Role.SERVICE, Role.CARD):
        assert go(c.session[role].start()).why is Why.NOT_ALLOWED
        assert go(c.session[role].bolus()).answer is Bolus.REFUSED
    assert [r.said for r in c.radio.values() if r.role is not Role.PROGRAMMER] == [[]] * 4
    assert go(c.session[Role.CARD].stop()).arm is Arm.GRANTED


# Promise 8: a reading of this session, and not an old one


@pytest.mark.requirement("P8", "IT-08")
def test_therapy_is_not_changed_on_an_old_reading() -> None:
    c = Clinic()
    result = go(c.programmer.start())
    assert (result.arm, result.why) == (Arm.BLOCKED, Why.NOT_READ)
    go(c.programmer.status())
    c.time.s += READING_GOOD_FOR_S
    assert go(c.programmer.start()).arm is Arm.REFUSED
    c.time.s += READING_GOOD_FOR_S + 1
    result = go(c.programmer.start())
    assert (result.arm, result.why) == (Arm.BLOCKED, Why.STALE)
    assert result.said == "the reading is 4 min old, at most 3 min is allowed; next: read the pump again"
    assert go(c.programmer.stop()).arm is Arm.GRANTED, "stopping needs no reading"


def test_a_first_command_that_changes_no_therapy_reads_the_pump_for_its_number() -> None:
    c = Clinic()
    c.pump.controller.ledger.seat_remember(1, 41, codes.GRANTED, 0, 0)
    assert go(c.session[Role.SERVICE].test_alarm(critical=False)).command == 42
    service = c.open(Role.SERVICE)
    c.fate(REQUEST_LOST, role=Role.SERVICE)
    result = go(service.test_alarm(critical=False))
    assert (result.arm, result.said) == (Arm.NOT_REACHED, "the pump was not read: no answer came; nothing was changed")
    assert c.last().command == 42


# Promise 10: not known is a state


@pytest.mark.requirement("P10", "AP-01", "AP-17")
def test_not_known_is_kept_said_and_blocks_everybody() -> None:
    c = clinic()
    c.fate(ANSWER_LOST)
    result = go(c.programmer.single(10, 60))
    assert (result.arm, result.command, result.status) == (Arm.NOT_KNOWN, 1, None)
    assert result.said == (
        "no answer came (no answer came); whether single (command 1 of the programmer, sent 2026-02-02T02:40:00+00:00) "
        "was done is not known; next: read the pump and resolve it"
    )
    assert [p.command for p in c.programmer.unresolved()] == [1]
    for session, ask in ((c.programmer, "start"), (c.programmer, "test_alarm"), (c.patient, "bolus")):
        before = list(c.ledger.rows)
        said = go(session.test_alarm(critical=True)) if ask == "test_alarm" else None
        if ask == "start":
            said = go(session.start())
            assert (said.arm, said.why) == (Arm.BLOCKED, Why.NOT_KNOWN)
            assert said.said == (
                "the outcome of single (command 1 of the programmer, sent 2026-02-02T02:40:00+00:00) is not known, and "
                "until it is no new command that changes delivery is sent; next: read the pump and resolve it, "
                "or give it up where the pump is lost for good (reading and stopping stay possible)"
            )
        if ask == "bolus":
            answer = go(session.bolus())
            assert answer.answer is Bolus.REFUSED
            assert answer.said.startswith("No extra dose was asked for: the last command of your clinic")
        assert list(c.ledger.rows) == before
    assert go(c.session[Role.SERVICE].test_alarm(critical=True)).arm is Arm.GRANTED, "no delivery, and another seat"
    refused = go(c.session[Role.SERVICE].clear(al.STALL))
    assert "resolve it as the programmer" in refused.said
    # Any status of this role resolves it.
    go(c.programmer.status())
    assert c.programmer.unresolved() == []
    assert c.ledger.history("T-1")[0].outcome is Outcome.GRANTED
    assert go(c.programmer.stop()).arm is Arm.GRANTED


@pytest.mark.requirement("P10", "AP-02", "AP-17")
def test_a_lost_request_is_resolved_only_by_withdrawing_it() -> None:
    c = clinic()
    c.fate(LATE)
    assert go(c.programmer.single(10, 60)).arm is Arm.NOT_KNOWN
    go(c.programmer.status())
    assert len(c.programmer.unresolved()) == 1, "a frame on its way may still arrive"
    (pending,) = go(c.programmer.resolve())
    assert (pending.outcome, pending.answer) == (Outcome.NEVER, codes.VOIDED)
    assert pending.said == "it had not arrived and was withdrawn: it will never be done"
    c.radio[Role.PROGRAMMER].arrive_late()
    assert "single" not in c.pump.granted
    assert go(c.programmer.single(10, 60)).arm is Arm.GRANTED


@pytest.mark.requirement("P10", "FD-6.3")
def test_a_frame_that_arrives_late_is_found_out() -> None:
    c = clinic()
    c.fate(LATE)
    go(c.programmer.single(10, 60))
    c.radio[Role.PROGRAMMER].arrive_late()
    (pending,) = go(c.programmer.resolve())
    assert (pending.outcome, pending.answer) == (Outcome.GRANTED, codes.GRANTED)


@pytest.mark.requirement("P2", "AP-14")
def test_a_command_that_arrives_twice_is_done_once() -> None:
    c = clinic()
    c.fate(TWICE)
    result = go(c.programmer.single(10, 60))
    assert (result.arm, result.answer, result.first) == (Arm.GRANTED, codes.DUPLICATE, codes.GRANTED)
    assert c.pump.granted.count("single") == 1
    assert c.last().outcome is Outcome.GRANTED


def test_what_is_withdrawn_while_it_arrives_keeps_its_first_outcome() -> None:
    c = clinic()
    c.fate(ANSWER_LOST, REQUEST_LOST)
    go(c.programmer.single(10, 60))
    (pending,) = go(c.programmer.resolve())
    assert pending.outcome is Outcome.NOT_KNOWN, "the pump was not reached"
    c.fate(HEARD)
    session = c.open(Role.PROGRAMMER)  # the service was started anew: the ledger is what it knows
    assert [p.command for p in session.unresolved()] == [1]
    (pending,) = go(session.resolve())
    assert pending.outcome is Outcome.GRANTED


def test_a_withdrawal_that_is_not_heard_leaves_it_not_known() -> None:
    c = clinic()
    c.fate(REQUEST_LOST, HEARD, ANSWER_LOST)
    go(c.programmer.single(10, 60))
    (pending,) = go(c.programmer.resolve())
    assert pending.outcome is Outcome.NOT_KNOWN
    (pending,) = go(c.programmer.resolve())
    assert pending.outcome is Outcome.NEVER
    c = clinic()
    c.fate(REQUEST_LOST)
    go(c.programmer.single(10, 60))
    c.radio[Role.PROGRAMMER].field = Field.FAR  # nothing is withdrawn from afar
    (pending,) = go(c.programmer.resolve())
    assert pending.outcome is Outcome.NOT_KNOWN


@pytest.mark.requirement("AP-17")
def test_what_certainly_did_not_leave_is_never_done() -> None:
    c = clinic()
    c.fate(NOT_SENT)
    result = go(c.programmer.start())
    assert (result.arm, result.said) == (Arm.NOT_REACHED, "start: counters are lost; nothing was done")
    assert (c.last().outcome, c.last().answer) == (Outcome.NEVER, NO_ANSWER)
    c.radio[Role.PROGRAMMER].field = Field.FAR
    result = go(c.programmer.stop())
    assert (result.arm, result.command) == (Arm.NOT_REACHED, 2)
    assert "only in near field" in result.said
    assert c.programmer.unresolved() == []


@pytest.mark.requirement("P10", "AP-03", "AP-05")
def test_a_pump_that_lost_its_memory_counts_as_having_delivered() -> None:
    c = clinic()
    c.fate(ANSWER_LOST)
    go(c.programmer.single(10, 60))
    c.pump.store.areas[0] = c.pump.store.areas[1] = b"damaged"
    c.power_cut()
    (pending,) = go(c.programmer.resolve())
    assert pending.outcome is Outcome.ASSUMED
    assert pending.said == "the pump lost its memory, and the command counts as done"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("stop", "given up: the command counts as not done: the pump is taken to have gone on delivering"),
        ("start", "given up: the command counts as done"),
        ("clock", "given up: of the clock before and after, the one with more drug counts"),
    ],
)
@pytest.mark.requirement("P10", "AP-03")
def test_what_can_never_be_found_out_counts_as_the_arm_with_more_drug(path: str, said: str) -> None:
    c = clinic()
    c.fate(REQUEST_LOST)
    if path == "clock":
        go(c.programmer.set_clock(1))
    else:
        go(c.programmer.stop() if path == "stop" else c.programmer.start())
    result = c.programmer.give_up(1)
    assert (result.arm, result.said, result.command) == (Arm.NOT_KNOWN, said, 1)
    assert (c.last().outcome, c.last().said) == (Outcome.ASSUMED, said)
    assert c.programmer.unresolved() == []
    result = c.programmer.give_up(1)
    assert (result.arm, result.why) == (Arm.BLOCKED, Why.NO_SUCH_COMMAND)
    assert result.said == "the programmer has no command 1 whose outcome is not known"


def test_an_answer_that_cannot_be_read_is_no_answer() -> None:
    c = clinic()

    async def exchange(path: str, payload: bytes) -> bytes:
        answer = await c.radio[Role.PROGRAMMER](path, payload)
        return answer if path == "status" else answer + b"\x00"

    session = Session("T-1", Role.PROGRAMMER, exchange, c.ledger, c.time)
    go(session.status())
    result = go(session.stop())
    assert result.arm is Arm.NOT_KNOWN
    assert "the answer cannot be read" in result.said
    assert not c.pump.controller.running


@pytest.mark.requirement("P10")
def test_an_exchange_that_is_cancelled_stays_not_known() -> None:
    c = clinic()

    async def hangs(path: str, payload: bytes) -> bytes:
        await c.radio[Role.PROGRAMMER](path, payload)
        if path == "status":
            return await c.radio[Role.PROGRAMMER](path, payload)
        await asyncio.sleep(3600)
        return b""

    async def cancelled() -> None:
        session = Session("T-1", Role.PROGRAMMER, hangs, c.ledger, c.time)
        await session.status()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(session.start(), 0.01)

    go(cancelled())
    assert [p.path for p in c.ledger.pending("T-1")] == ["start"]


def test_two_commands_at_once_are_one_command_and_a_refusal() -> None:
    c = clinic()

    async def both() -> tuple[Result, Result]:
        return await asyncio.gather(c.programmer.single(10, 60), c.programmer.single(20, 60))

    results = go(both())
    arms = {r.arm for r in results}
    assert Arm.GRANTED in arms
    assert c.pump.granted.count("single") == sum(r.arm is Arm.GRANTED for r in results)


def test_a_second_command_does_not_overtake_one_that_reads_first() -> None:
    c = Clinic()

    async def both() -> tuple[Result, Result]:
        service = c.session[Role.SERVICE]
        return await asyncio.gather(service.test_alarm(critical=True), service.test_alarm(critical=False))

    waiting = asyncio.Event()
    radio = c.radio[Role.SERVICE]

    async def slow(path: str, payload: bytes) -> bytes:
        answer = await radio(path, payload)
        if path == "status":
            await asyncio.sleep(0)
        else:
            waiting.set()
            await asyncio.sleep(0.01)
        return answer

    c.session[Role.SERVICE] = Session("T-1", Role.SERVICE, slow, c.ledger, c.time)
    results = go(both())
    assert sorted(r.arm for r in results) == [Arm.GRANTED, Arm.BLOCKED]
    assert len(c.pump.tones) == 1


@pytest.mark.requirement("AP-15")
def test_an_acknowledgment_whose_answer_is_lost_is_shown_as_not_known_until_it_is() -> None:
    c = clinic(Pump(p=ordered(low_nl=20_000_000)))
    c.run(10)
    low = 1 << al.LOW_RESERVOIR
    for fate, outcome, seen in ((REQUEST_LOST, Outcome.NEVER, 0), (ANSWER_LOST, Outcome.GRANTED, low)):
        c.fate(fate)
        assert go(c.programmer.acknowledge(al.LOW_RESERVOIR)).arm is Arm.NOT_KNOWN
        assert [p.path for p in c.programmer.unresolved()] == ["acknowledge"]
        assert go(c.patient.bolus()).answer is not Bolus.NOT_REACHED, "nothing of delivery is in doubt"
        (pending,) = go(c.programmer.resolve())
        assert pending.outcome is outcome
        assert go(c.programmer.status()).acknowledged == seen


# Stopping


def test_stopping_is_never_held_back() -> None:
    c = clinic()
    c.fate(REQUEST_LOST)
    assert go(c.programmer.start()).arm is Arm.NOT_KNOWN
    assert go(c.programmer.stop()).arm is Arm.GRANTED
    assert not c.pump.controller.running


def test_a_stop_that_was_not_heard_is_sent_again_as_itself() -> None:
    c = clinic()
    c.fate(ANSWER_LOST, ANSWER_LOST, HEARD)
    for arm in (Arm.NOT_KNOWN, Arm.NOT_KNOWN, Arm.GRANTED):
        result = go(c.programmer.stop())
        assert (result.arm, result.command) == (arm, 1)
    assert c.pump.granted.count("stop") == 1
    c.fate(REQUEST_LOST, NOT_SENT)
    go(c.programmer.start())
    go(c.programmer.resolve())
    c.fate(REQUEST_LOST, NOT_SENT)
    assert go(c.programmer.stop()).command == 3
    result = go(c.programmer.stop())
    assert (result.arm, result.command) == (Arm.NOT_KNOWN, 3)
    assert "it was not asked again (counters are lost)" in result.said


def test_a_stop_from_before_is_not_taken_for_a_new_one() -> None:
    """The stop was done and its answer lost; somebody else started again: the same number would stop nothing."""
    c = clinic()
    c.fate(ANSWER_LOST)
    assert go(c.programmer.stop()).arm is Arm.NOT_KNOWN
    assert c.pump.commands.start(1) == codes.GRANTED
    assert go(c.programmer.stop()).arm is Arm.GRANTED
    assert not c.pump.controller.running
    assert c.programmer.unresolved() == []


def test_a_stop_without_a_reading_finds_its_number() -> None:
    """A service whose ledger is new does not know the pump's numbers; the pump tells it, and is stopped."""
    c = Clinic()
    c.pump.controller.ledger.seat_remember(2, 900, codes.GRANTED, 0, 0)
    card = c.session[Role.CARD]
    c.fate(REQUEST_LOST, role=Role.CARD)  # the reading; the stop is sent all the same
    result = go(card.stop())
    assert (result.arm, result.command) == (Arm.GRANTED, 901)
    assert not c.pump.controller.running
    first, second = c.ledger.history("T-1")
    assert (first.outcome, first.answer, first.log_records) == (Outcome.REFUSED, codes.STALE_ID, NO_RECORD)
    assert second.outcome is Outcome.GRANTED


# What the log shows


def overtaken(ask: str, fate: str, **values: Any) -> tuple[Clinic, Pending]:
    """A command that is not known, and a stop after it, so that the pump remembers only the stop."""
    c = clinic()
    if ask == "start":
        go(c.programmer.stop())
    c.fate(fate)
    assert go(getattr(c.programmer, ask)(**values)).arm is Arm.NOT_KNOWN
    assert go(c.programmer.stop()).arm is Arm.GRANTED or ask == "start"
    (pending,) = go(c.programmer.resolve())
    return c, pending


OVERTAKEN = [
    ("start", {}),
    ("single", {"strokes": 10, "seconds": 60}),
    ("prime", {"catheter": 3, "volume_nl": 10_000, "dead_nl": 10_000}),
    ("refill", {"level_nl": 18_000_000}),
    ("set_clock", {"offset_s": 7200}),
]


@pytest.mark.parametrize(("ask", "values"), OVERTAKEN, ids=[a for a, _ in OVERTAKEN])
@pytest.mark.requirement("AP-02")
def test_the_log_shows_what_became_of_a_command_that_a_stop_overtook(ask: str, values: dict[str, Any]) -> None:
    c, pending = overtaken(ask, ANSWER_LOST, **values)
    if ask == "single":
        assert pending.outcome is Outcome.ASSUMED, "the log does not tell one bolus from another"
        assert pending.said == "the pump's log shows a bolus that may have been it: the command counts as done"
    else:
        assert (pending.outcome, pending.said) == (Outcome.GRANTED, "the pump's log shows it")
    c, pending = overtaken(ask, LATE, **values)
    assert pending.outcome is Outcome.NEVER
    assert pending.said == "the pump took a later command, and its log shows that this one was not done"
    granted = list(c.pump.granted)
    c.radio[Role.PROGRAMMER].arrive_late()
    assert c.pump.granted == granted


def test_a_pump_that_forgot_and_took_a_stop_counts_as_having_delivered() -> None:
    c = clinic()
    c.fate(ANSWER_LOST)
    go(c.programmer.start())
    c.pump.store.areas[0] = c.pump.store.areas[1] = b"damaged"
    c.power_cut()
    assert go(c.programmer.stop()).answer == codes.NOT_NEEDED
    (pending,) = go(c.programmer.resolve())
    assert (pending.outcome, pending.said) == (
        Outcome.ASSUMED,
        "the pump lost its memory, and the command counts as done",
    )


def test_a_bolus_that_may_still_wait_its_turn_stays_not_known() -> None:
    c = clinic()
    c.fate(LATE)
    go(c.programmer.single(10, 60))
    go(c.programmer.stop())
    assert c.pump.commands.start(1) == c.pump.commands.bolus(1) == codes.GRANTED
    (pending,) = go(c.programmer.resolve())
    assert pending.outcome is Outcome.NOT_KNOWN
    c.run(600)
    (pending,) = go(c.programmer.resolve())
    assert pending.outcome is Outcome.NEVER


def test_a_bolus_that_may_have_waited_when_power_was_lost_counts_as_given() -> None:
    c = clinic()
    c.fate(LATE)
    go(c.programmer.single(10, 60))
    c.power_cut()
    go(c.programmer.stop())
    (pending,) = go(c.programmer.resolve())
    assert pending.outcome is Outcome.ASSUMED
    assert pending.said == (
        "the pump lost power since, and a bolus that waited then left nothing in its log: the command counts as done"
    )


def test_a_stop_that_a_stop_overtook_is_left_to_a_person() -> None:
    c = clinic()
    c.fate(LATE)
    go(c.programmer.stop())
    c.pump.commands.stop(1)
    c.pump.commands.start(1)
    c.pump.controller.ledger.seat_remember(0, 2, codes.GRANTED, 0, 0)
    (pending,) = go(c.programmer.resolve())
    assert pending.outcome is Outcome.NOT_KNOWN
    assert c.programmer.give_up(1).said.startswith("given up: the command counts as not done")


def test_a_log_that_cannot_be_read_shows_nothing() -> None:
    for spoil in ("lost", "gone", "unknown"):
        c = clinic()
        c.fate(LATE)
        go(c.programmer.start())
        go(c.programmer.stop())
        if spoil == "lost":
            c.fate(HEARD, HEARD, REQUEST_LOST)
        elif spoil == "gone":
            c.pump.records.clear()
        else:
            key = ("T-1", Role.PROGRAMMER, 1)
            c.ledger.rows[key] = replace(c.ledger.rows[key], log_records=NO_RECORD)
        assert go(c.programmer.resolve())[0].outcome is Outcome.NOT_KNOWN


# The therapy change


def proposed(c: Clinic, p: Program | None = None, document: bytes = DOCUMENT, patient: bytes = PATIENT) -> Any:
    return go(c.programmer.propose(bytes(packed(p or ordered(2))), document, patient))


@pytest.mark.requirement("P7", "IT-07")
def test_a_program_is_read_back_confirmed_and_read_again() -> None:
    c = clinic()
    new = ordered(2, rates=((0, 30_000_000),), document=b"another order")
    assert isinstance(go(c.programmer.interrogate()), Interrogation)
    proposal = proposed(c, new, b"another order")
    assert isinstance(proposal, Proposal)
    assert (proposal.digest, proposal.number, proposal.confirm_within_s) == (digest_of(new), 2, 300)
    assert proposal.change[0] == Change(2_400_000, 3_600_000, 2_700_000, 3_900_000)
    assert c.pump.controller.program.number == 1
    result = go(c.programmer.confirm(proposal.digest))
    assert (result.arm, result.why) == (Arm.GRANTED, None)
    assert result.said == "confirm: granted, and read again as proposed"
    assert result.status is not None
    assert result.status.digest == digest_of(new)
    assert go(c.programmer.confirm(proposal.digest)).why is Why.NOT_PROPOSED
    # The pump was read again: the next program can follow.
    assert isinstance(proposed(c, ordered(3)), Proposal)


@pytest.mark.requirement("P8", "IT-08")
def test_a_program_goes_only_to_a_pump_that_was_interrogated_in_this_session() -> None:
    c = clinic()
    assert proposed(c).why is Why.NOT_READ
    go(c.programmer.interrogate())
    assert isinstance(proposed(c), Proposal)
    assert proposed_by(c, c.open(Role.PROGRAMMER)).why is Why.NOT_READ
    c.time.s += READING_GOOD_FOR_S + 1
    assert proposed(c).why is Why.STALE
    result = go(c.programmer.confirm(digest_of(ordered(2))))
    assert result.why in {Why.STALE, Why.NOT_PROPOSED}
    go(c.programmer.status())
    # Another programmer changes the program in between.
    assert c.pump.commands.propose(packed(ordered(5))) == codes.GRANTED
    assert c.pump.commands.confirm(digest_of(ordered(5))) == codes.GRANTED
    go(c.programmer.status())
    result = proposed(c)
    assert (result.why, result.arm) == (Why.STALE, Arm.BLOCKED)
    assert result.said == "the pump runs another program than when it was read; next: interrogate it again"


def proposed_by(c: Clinic, session: Session) -> Any:
    go(session.status())
    return go(session.propose(bytes(packed(ordered(2))), DOCUMENT, PATIENT))


def test_a_confirmation_that_is_held_back_can_still_be_given() -> None:
    c = clinic()
    go(c.programmer.interrogate())
    proposal = proposed(c)
    c.time.s += READING_GOOD_FOR_S + 1
    assert go(c.programmer.confirm(proposal.digest)).why is Why.STALE
    go(c.programmer.status())
    assert go(c.programmer.confirm(proposal.digest)).arm is Arm.GRANTED


UNFIT: dict[str, tuple[bytes, bytes, bytes, Why, str]] = {
    "no program": (b"x", DOCUMENT, PATIENT, Why.BAD_PROGRAM, "not sound (the whole)"),
    "not sound": (bytes(packed(ordered(0))), DOCUMENT, PATIENT, Why.BAD_PROGRAM, "not sound (number)"),
    "document": (bytes(packed(ordered(2))), b"x", PATIENT, Why.DOCUMENT, "is not the one that the program names"),
    "no document": (
        bytes(packed(ordered(2, document=b""))),
        b"",
        PATIENT,
        Why.DOCUMENT,
        "is not the one that the program names",
    ),
    "screen": (bytes(packed(ordered(2))), DOCUMENT, OTHER, Why.OTHER_PATIENT, "than the one on the screen"),
    "pump": (bytes(packed(ordered(2, patient=OTHER))), DOCUMENT, OTHER, Why.OTHER_PATIENT, "the pump is another"),
}


@pytest.mark.parametrize(("program", "document", "patient", "why", "said"), UNFIT.values(), ids=UNFIT)
@pytest.mark.requirement("OP-8.1.2", "HZ-8.6")
def test_what_does_not_fit_together_is_not_sent(
    program: bytes, document: bytes, patient: bytes, why: Why, said: str
) -> None:
    c = clinic()
    go(c.programmer.interrogate())
    sent = len(c.radio[Role.PROGRAMMER].said)
    result = go(c.programmer.propose(program, document, patient))
    assert (result.arm, result.why) == (Arm.BLOCKED, why)
    assert said in result.said
    assert len(c.radio[Role.PROGRAMMER].said) == sent


def test_the_first_program_of_a_pump_is_for_the_patient_on_the_screen() -> None:
    c = clinic(Pump())
    read = go(c.programmer.interrogate())
    assert (read.program, read.document, read.running()) == (b"", b"", None)
    proposal = proposed(c, ordered(1))
    assert proposal.change[0].base_before_ng == 0
    assert go(c.programmer.confirm(proposal.digest)).arm is Arm.GRANTED


def test_what_the_pump_refuses_is_said_and_changes_nothing() -> None:
    c = clinic()
    go(c.programmer.interrogate())
    result = proposed(c, ordered(1))
    assert (result.arm, result.answer) == (Arm.REFUSED, codes.STALE_ID)
    assert result.said.endswith("the running one is untouched")
    proposal = proposed(c)
    c.time.s = 0
    c.pump.run(301)
    result = go(c.programmer.confirm(proposal.digest))
    assert (result.arm, result.answer) == (Arm.REFUSED, codes.EXPIRED)
    assert c.pump.controller.program.number == 1


@pytest.mark.requirement("P7")
def test_a_proposal_that_is_not_heard_changes_nothing() -> None:
    for fates in ((ANSWER_LOST,), (HEARD, REQUEST_LOST), (HEARD,) * 6 + (ANSWER_LOST,)):
        c = clinic()
        go(c.programmer.interrogate())
        c.fate(*fates)
        result = proposed(c)
        assert (result.arm, c.programmer.unresolved()) == (Arm.NOT_REACHED, [])
        assert go(c.programmer.confirm(digest_of(ordered(2)))).why is Why.NOT_PROPOSED
        assert isinstance(proposed(c), Proposal), "it can be proposed again at once"


def spoiled(c: Clinic, path: str, **changes: Any) -> Session:
    """A programmer whose answers to ``path`` are changed on the way: a pump with a defect."""
    from thecal.link import codec
    from thecal.link.catalogue import BY_PATH

    spoils = path

    async def exchange(path: str, payload: bytes) -> bytes:
        answer = await c.radio[Role.PROGRAMMER](path, payload)
        kind = BY_PATH[path].answer
        reply = codec.decode_answer(kind, answer)
        assert isinstance(reply, codec.Reply)
        if path != spoils:
            return answer
        made = {k: v(reply.values[k]) if callable(v) else v for k, v in changes.items()}
        return codec.encode_answer(kind, {**reply.values, **made}, reply.status)

    return Session("T-1", Role.PROGRAMMER, exchange, c.ledger, c.time)


@pytest.mark.parametrize(
    ("field", "value"), [("digest", bytes(32)), ("number", 3), ("change", bytes(256)), ("change", b"")]
)
@pytest.mark.requirement("P7")
def test_what_is_read_back_otherwise_cannot_be_confirmed(field: str, value: object) -> None:
    c = clinic()
    session = spoiled(c, "propose", **{field: value})
    go(session.interrogate())
    result = go(session.propose(bytes(packed(ordered(2))), DOCUMENT, PATIENT))
    assert (result.arm, result.why) == (Arm.BLOCKED, Why.MISMATCH)
    assert result.said.startswith(f"the {field} that the pump read back is not what was sent")
    assert go(session.confirm(digest_of(ordered(2)))).why is Why.NOT_PROPOSED


def test_pieces_that_do_not_arrive_in_order_are_not_proposed() -> None:
    c = clinic()
    session = spoiled(c, "bring", held=5)
    go(session.interrogate())
    result = go(session.propose(bytes(packed(ordered(2))), DOCUMENT, PATIENT))
    assert result.said == "the program did not arrive in order: nothing was changed; next: propose it again"


@pytest.mark.requirement("AP-02")
def test_a_confirmation_that_is_not_heard_is_known_by_the_program_that_runs() -> None:
    c = clinic()
    go(c.programmer.interrogate())
    proposal = proposed(c)
    c.fate(ANSWER_LOST)
    result = go(c.programmer.confirm(proposal.digest))
    assert result.arm is Arm.NOT_KNOWN
    assert proposed(c, ordered(3)).why is Why.NOT_KNOWN
    go(c.session[Role.MONITOR].status())  # anybody who reads the pump sees which program runs
    assert c.last().outcome is Outcome.GRANTED
    assert c.last().said == "the pump runs the program that was confirmed"
    # The session starts again from a reading.
    assert proposed(c, ordered(3)).why is Why.NOT_READ


@pytest.mark.requirement("P7")
def test_a_confirmation_that_never_arrived_never_will() -> None:
    c = clinic()
    go(c.programmer.interrogate())
    proposal = proposed(c)
    c.fate(LATE)
    go(c.programmer.confirm(proposal.digest))
    assert c.programmer.give_up(7).why is Why.NO_SUCH_COMMAND
    (pending,) = go(c.programmer.resolve())
    assert pending.outcome is Outcome.NEVER
    c.radio[Role.PROGRAMMER].arrive_late()
    assert c.pump.controller.program.number == 1


def test_a_confirmation_that_a_stop_overtook_is_in_the_log() -> None:
    for fate, outcome in ((LATE, Outcome.NEVER), (ANSWER_LOST, Outcome.GRANTED)):
        c = clinic()
        go(c.programmer.interrogate())
        proposal = proposed(c)
        c.fate(fate)
        go(c.programmer.confirm(proposal.digest))
        go(c.programmer.stop())
        c.pump.commands.propose(packed(ordered(9)))
        c.pump.commands.confirm(digest_of(ordered(9)))  # so that the running digest says nothing
        if fate == LATE:
            go(c.programmer.resolve())
        assert c.ledger.rows["T-1", Role.PROGRAMMER, 1].outcome is outcome


@pytest.mark.requirement("AP-03")
def test_a_confirmation_that_cannot_be_found_out_counts_at_the_higher_dose() -> None:
    c = clinic()
    go(c.programmer.interrogate())
    proposal = proposed(c)
    c.fate(LATE)
    go(c.programmer.confirm(proposal.digest))
    said = c.programmer.give_up(1).said
    assert said == "given up: of the program before and the one confirmed, each ingredient counts at the higher dose"


def test_a_program_that_is_not_read_again_is_said_to_be_looked_at() -> None:
    c = clinic()
    go(c.programmer.interrogate())
    proposal = proposed(c)
    c.fate(HEARD, REQUEST_LOST)
    result = go(c.programmer.confirm(proposal.digest))
    assert (result.arm, result.why) == (Arm.GRANTED, Why.NOT_READ)
    assert "but it was not read again" in result.said


def test_a_pump_that_holds_something_else_afterwards_is_said_to_be_looked_at() -> None:
    c = clinic()
    third = ordered(3)

    async def exchange(path: str, payload: bytes) -> bytes:
        answer = await c.radio[Role.PROGRAMMER](path, payload)
        if path == "confirm":
            assert c.pump.commands.propose(packed(third)) == codes.GRANTED
            assert c.pump.commands.confirm(digest_of(third)) == codes.GRANTED
        return answer

    session = Session("T-1", Role.PROGRAMMER, exchange, c.ledger, c.time)
    go(session.interrogate())
    proposal = go(session.propose(bytes(packed(ordered(2))), DOCUMENT, PATIENT))
    result = go(session.confirm(proposal.digest))
    assert (result.arm, result.why) == (Arm.GRANTED, Why.MISMATCH)
    assert "the pump holds something else" in result.said


# Interrogation


@pytest.mark.requirement("OP-6.7.2")
def test_an_interrogation_reads_everything_once() -> None:
    c = clinic()
    c.run(7200)
    readings = c.pump.readings
    read = go(c.programmer.interrogate())
    assert isinstance(read, Interrogation)
    assert c.pump.readings == readings + 1, "one interrogation is one reading (facts 1.3)"
    assert read.program == bytes(packed(ordered()))
    running = read.running()
    assert running is not None
    assert running.number == 1
    assert (read.document, read.missing, read.read_utc) == (DOCUMENT, 0, "2026-02-02T04:40:00+00:00")
    assert read.status.digest == sha256(read.program).digest()
    identity = read.identity
    assert (identity.family, identity.serial, identity.patient) == ("bench-20", "T-1", PATIENT)
    assert (identity.stroke_nl, identity.tubing_nl, identity.residual_nl) == (250, 10_000, 0)
    assert identity.totals.confirmed == identity.totals.commanded == c.pump.controller.strokes
    assert len(identity.alarms) == al.N_ALARMS
    assert [r.number for r in read.records] == list(range(1, len(c.pump.records) + 1))
    assert read.log_end == (len(c.pump.records), c.pump.chain[-1])
    assert read.records[0].event == codes.E_REFILL
    # The next one goes on from there.
    assert go(c.programmer.interrogate(read.log_end)).records == ()
    go(c.programmer.stop())
    (record,) = go(c.programmer.interrogate(read.log_end)).records
    assert (record.event, record.a, record.uptime_s) == (codes.E_STOP, 1, 7200)


@pytest.mark.requirement("OP-6.7.2")
def test_a_long_log_is_read_in_pieces() -> None:
    c = clinic()
    for _ in range(60):
        c.pump.controller.note(codes.E_TEST, 0, 0)
    c.pump.settle()
    read = go(c.programmer.interrogate())
    assert len(read.records) == len(c.pump.records) > 60


def test_what_the_pump_no_longer_holds_of_its_log_is_counted() -> None:
    c = clinic()
    for _ in range(300):
        c.pump.controller.note(codes.E_TEST, 0, 0)
        c.pump.settle()
    held = c.pump.log_piece

    def short(first: int, most: int) -> tuple[bytes, bytes]:
        return held(first, most) if first >= c.pump.controller.log.oldest() else (b"", b"")

    c.pump.log_piece = short  # type: ignore[method-assign]
    read = go(c.programmer.interrogate())
    oldest = c.pump.controller.log.oldest()
    assert oldest > 1
    assert read.missing == oldest - 1
    assert read.records[0].number == oldest
    assert go(c.programmer.interrogate((5, c.pump.chain[5]))).missing == oldest - 6


def test_a_log_that_was_changed_is_a_finding_and_the_rest_is_read() -> None:
    c = clinic()
    for _ in range(60):
        c.pump.controller.note(codes.E_TEST, 0, 0)
    c.pump.settle()
    good = list(c.pump.records)
    end = (len(good), c.pump.chain[-1])
    changes: list[tuple[int, bytes, str]] = [
        (2, good[2][:-1] + b"\x01", "the chain is broken at record 1"),
        (len(good) - 1, good[-1][:-1] + b"\x01", "the pump gives another digest for its newest record"),
        (3, good[4], "it has the number 5"),
        (3, b"x", "it has the number"),
    ]
    for at, record, said in changes:
        c.pump.records[:] = good
        c.pump.records[at] = record
        read = go(c.programmer.interrogate())
        assert said in read.log_fault
        assert read.log_end == (0, bytes(32)), "the next reading begins where this one did"
        assert (read.program, read.document) == (bytes(packed(ordered())), DOCUMENT)
    c.pump.records[:] = good
    for known, said in (
        ((5, bytes(32)), "the chain is broken at record 6"),
        ((len(good), bytes(32)), f"record {len(good)} is not the one that was read before"),
        ((900, bytes(32)), "record 900 was read before and is gone"),
    ):
        read = go(c.programmer.interrogate(known))
        assert said in read.log_fault
        assert read.log_end == known
    c.pump.records.clear()
    read = go(c.programmer.interrogate())
    assert (read.records, read.missing) == ((), len(good))
    assert read.log_fault == f"records up to {len(good)} are said to be there, and are not shown"
    c.pump.records[:] = good
    read = go(c.programmer.interrogate())
    assert (read.log_fault, read.log_end) == ("", end)
    assert isinstance(proposed(c), Proposal)


def test_a_program_is_proposed_to_no_pump_whose_reading_failed() -> None:
    c = clinic()
    go(c.programmer.interrogate())
    c.fate(HEARD, REQUEST_LOST)
    result = go(c.programmer.interrogate())
    assert result.said == ("the pump was not read to the end: no answer came; nothing was changed; next: read it again")
    assert proposed(c).why is Why.NOT_READ


ODD: list[tuple[str, dict[str, Any], Why, str]] = [
    ("identity", {"serial": b"T-2"}, Why.OTHER_PUMP, "pump T-2 answers in place of T-1"),
    ("identity", {"patient": OTHER}, Why.MISMATCH, "the program that was read is not the pump's"),
    ("identity", {"order_digest": bytes(32)}, Why.DOCUMENT, "is not the one that its program names"),
    ("identity", {"alarms": b"x"}, Why.MISMATCH, "the identity of the pump cannot be read"),
    ("identity", {"totals": b"x"}, Why.MISMATCH, "the identity of the pump cannot be read"),
    ("piece", {"digest": bytes(32)}, Why.MISMATCH, "the program that was read is not whole"),
    ("piece", {"whole": 10_000}, Why.MISMATCH, "the program that was read is not whole"),
    ("piece", {"whole": 65_537}, Why.MISMATCH, "the program is said to have 65,537 bytes, at most 65,536 are allowed"),
    ("piece", {"data": b"", "whole": 0, "digest": b""}, Why.MISMATCH, "the pump runs a program that it does not show"),
]


@pytest.mark.parametrize(("path", "changes", "why", "said"), ODD)
@pytest.mark.requirement("AP-07")
def test_a_reading_that_does_not_fit_together_is_refused(path: str, changes: Any, why: Why, said: str) -> None:
    result = go(spoiled(clinic(), path, **changes).interrogate())
    assert (result.arm, result.why) == (Arm.NOT_REACHED, why)
    assert said in result.said


def changed_after(c: Clinic, pieces: int) -> Exchange:
    """A pump that is programmed by somebody else after some pieces were read."""
    asked = 0

    async def exchange(path: str, payload: bytes) -> bytes:
        nonlocal asked
        asked += path == "piece"
        if asked == pieces + 1 and c.pump.controller.program.number == 1:
            c.pump.commands.propose(packed(ordered(2)))
            c.pump.commands.confirm(digest_of(ordered(2)))
        return await c.radio[Role.PROGRAMMER](path, payload)

    return exchange


def test_a_program_that_changes_while_it_is_read_is_read_again() -> None:
    for change_at in (1, 4):
        c = clinic()
        session = Session("T-1", Role.PROGRAMMER, changed_after(c, change_at), c.ledger, c.time)
        result = go(session.interrogate())
        assert result.why is Why.MISMATCH
        assert "was changed while it was read" in result.said
        assert isinstance(go(session.interrogate()), Interrogation)


# The patient


def press(c: Clinic, *fates: str) -> BolusAnswer:
    c.fate(*fates, role=Role.PATIENT)
    answer = go(c.patient.bolus())
    assert isinstance(answer, BolusAnswer)
    return answer


@pytest.mark.requirement("FD-10.5", "AP-04", "AP-13")
def test_one_press_has_one_answer() -> None:
    c = clinic()
    answer = press(c)
    assert (answer.answer, answer.reason, answer.wait_s, answer.pending) == (Bolus.GRANTED, codes.GRANTED, 3600, False)
    assert answer.said == "Your extra dose has started. The next one is possible in 1 h."
    c.run(100)
    answer = press(c)
    assert (answer.answer, answer.reason, answer.wait_s) == (Bolus.DELIVERING, codes.LOCKOUT, 3500)
    assert answer.said == (
        "Your extra dose is being given. No other one was started. The next one is possible in 59 min."
    )
    c.run(600)
    answer = press(c)
    assert (answer.answer, answer.reason, answer.wait_s) == (Bolus.REFUSED, codes.LOCKOUT, 2900)
    assert answer.said == (
        "No extra dose was started. It is too soon after your last extra dose. The next one is possible in 49 min."
    )
    go(c.session[Role.CARD].stop())
    answer = press(c)
    assert (answer.answer, answer.said) == (
        Bolus.STOPPED,
        "Your pump is stopped. No extra dose was started. Call your clinic.",
    )
    assert c.pump.granted.count("bolus") == 1


@pytest.mark.requirement("AP-04")
def test_a_pump_that_is_not_reached_was_not_asked() -> None:
    c = clinic()
    answer = press(c, REQUEST_LOST)
    assert (answer.answer, answer.pending, answer.command) == (Bolus.NOT_REACHED, False, 0)
    assert answer.said.startswith("Your pump could not be reached. Nothing was asked for.")
    answer = press(c, HEARD, NOT_SENT)
    assert (answer.answer, answer.pending) == (Bolus.NOT_REACHED, False)
    assert c.patient.unresolved() == []


@pytest.mark.requirement("P2", "AP-13", "AP-14")
def test_a_press_that_was_not_answered_is_asked_again_as_itself() -> None:
    c = clinic()
    answer = press(c, HEARD, ANSWER_LOST)
    assert (answer.answer, answer.pending, answer.command) == (Bolus.NOT_REACHED, True, 1)
    assert "It is not known whether the extra dose was started" in answer.said
    answer = press(c, REQUEST_LOST)
    assert (answer.answer, answer.pending, answer.command) == (Bolus.NOT_REACHED, True, 1)
    answer = press(c)
    assert (answer.answer, answer.reason, answer.command) == (Bolus.DELIVERING, codes.GRANTED, 1)
    assert c.pump.granted.count("bolus") == 1
    assert c.ledger.history("T-1")[-1].outcome is Outcome.GRANTED
    # The same, and the dose is over when the patient presses again.
    c.run(3600)
    assert press(c, HEARD, ANSWER_LOST).pending
    c.run(700)
    answer = press(c)
    assert (answer.answer, answer.reason, answer.wait_s) == (Bolus.DUPLICATE, codes.GRANTED, 2900)
    assert answer.said == (
        "You asked for this extra dose before, and it was started. No other one was started. "
        "The next one is possible in 49 min."
    )
    assert c.pump.granted.count("bolus") == 2


@pytest.mark.requirement("P2")
def test_a_press_that_never_arrived_is_given_by_the_next_one() -> None:
    c = clinic()
    assert press(c, HEARD, LATE).pending
    answer = press(c)
    assert (answer.answer, answer.command) == (Bolus.GRANTED, 1)
    c.radio[Role.PATIENT].arrive_late()
    assert c.pump.granted.count("bolus") == 1
    c.run(3600)
    assert press(c, HEARD, LATE).pending
    answer = press(c, HEARD, TWICE)
    assert (answer.answer, answer.reason) == (Bolus.DELIVERING, codes.GRANTED), "the repeat was answered"
    c.run(3600)
    assert press(c, HEARD, REQUEST_LOST).pending
    answer = press(c, HEARD, NOT_SENT)
    assert answer.pending, "a press that may have arrived before stays not known"


def test_a_press_whose_first_answer_was_a_refusal_counts_anew() -> None:
    c = clinic()
    press(c)
    c.run(700)
    assert press(c, HEARD, ANSWER_LOST).pending
    c.run(3000)
    assert press(c).answer is Bolus.GRANTED, "that press was refused, and this one is another"
    assert c.last().command == 3


def test_a_refused_press_that_arrives_twice_is_told_as_one() -> None:
    c = clinic()
    press(c)
    c.run(700)
    answer = press(c, HEARD, TWICE)
    assert (answer.answer, answer.reason, answer.wait_s) == (Bolus.DUPLICATE, codes.LOCKOUT, 2900)
    assert answer.said == (
        "You asked for this extra dose before. It is too soon after your last extra dose. "
        "The next one is possible in 49 min."
    )


def test_two_presses_at_once_are_answered_one_after_the_other() -> None:
    c = clinic()

    async def both() -> list[BolusAnswer]:
        return list(await asyncio.gather(c.patient.bolus(), c.patient.bolus()))

    assert [a.answer for a in go(both())] == [Bolus.GRANTED, Bolus.DELIVERING]
    assert c.pump.granted.count("bolus") == 1


def test_a_press_can_be_taken_back() -> None:
    c = clinic()
    press(c, HEARD, LATE)
    (pending,) = go(c.patient.resolve())
    assert pending.outcome is Outcome.NEVER
    c.radio[Role.PATIENT].arrive_late()
    assert "bolus" not in c.pump.granted
    press(c, HEARD, ANSWER_LOST)
    (pending,) = go(c.patient.resolve())
    assert pending.outcome is Outcome.GRANTED
    c.run(3600)
    press(c, HEARD, LATE)
    c.radio[Role.PATIENT].arrive_late()
    c.pump.controller.ledger.remember(90, codes.VOIDED, 0)  # a newer one of another controller
    (pending,) = go(c.patient.resolve())
    assert pending.outcome is Outcome.GRANTED, "the pump remembers the patient's requests longer"


def test_a_press_is_not_asked_again_while_a_stop_is_not_known() -> None:
    c = clinic()
    assert press(c, HEARD, LATE).pending
    c.fate(REQUEST_LOST)
    assert go(c.programmer.stop()).arm is Arm.NOT_KNOWN
    answer = press(c)
    assert (answer.answer, answer.pending, answer.command) == (Bolus.REFUSED, True, 1)
    assert answer.said.endswith("It is not known whether the extra dose that you asked for before was started.")
    assert "bolus" not in c.pump.granted
    assert go(c.programmer.stop()).arm is Arm.GRANTED
    assert press(c).answer is Bolus.STOPPED


def test_a_request_that_the_pump_has_forgotten_is_left_to_a_person() -> None:
    c = clinic()
    press(c, HEARD, LATE)
    for request in range(2, 40):
        c.pump.controller.ledger.remember(request, codes.VOIDED, 0)
    (pending,) = go(c.patient.resolve())
    assert pending.outcome is Outcome.NOT_KNOWN
    answer = press(c)
    assert (answer.answer, answer.pending) == (Bolus.NOT_REACHED, True)
    assert c.patient.give_up(1).said == "given up: the command counts as done"
    assert press(c).command == 40


@pytest.mark.parametrize(
    ("setup", "reason", "said"),
    [
        ({"bolus": None}, codes.NO_BOLUS, "No extra dose was started. Your program has no extra doses."),
        (
            {"per_1h": (130_000,), "per_24h": (8_000_000,)},
            codes.CEILING_1H,
            "No extra dose was started. The limit set for you would be passed.",
        ),
        (
            {"bridge": (80_000_000, 10_000_000, 0)},
            codes.BRIDGE,
            "No extra dose was started. Your pump is changing over to a new medicine. "
            "Extra doses are not possible yet. The next one is possible in 8 h.",
        ),
    ],
)
def test_each_refusal_has_plain_words(setup: dict[str, Any], reason: int, said: str) -> None:
    c = clinic(Pump(p=ordered(**setup)))
    answer = press(c)
    assert (answer.answer, answer.reason, answer.said) == (Bolus.REFUSED, reason, said)


def test_the_session_is_told_of_codes_it_does_not_know() -> None:
    from thecal.link.wording import duration, words

    assert words(99) == "the pump answered 99, which this version does not know"
    assert [duration(s) for s in (0, 59, 60, 61, 3600, 3601, 90_000)] == [
        *("0 s", "59 s", "1 min", "2 min", "1 h", "1 h 1 min", "25 h"),
    ]
    for code, name in ((v, k) for k, v in vars(codes).items() if isinstance(v, int) and v <= codes.DOCUMENT):
        assert name
        assert words(code)
    assert talking.READING_GOOD_FOR_S == 180


# People, a pump and a radio that loses frames


def searched(examples: int, steps: int) -> settings:
    """To shrink what was found takes minutes, and it is found again by its seed."""
    phases = [Phase.explicit, Phase.reuse, Phase.generate]
    return settings(max_examples=examples, stateful_step_count=steps, deadline=None, phases=phases)


@pytest.mark.requirement("P2", "P7", "P10", "SF-10", "AP-02", "AP-05", "FD-6.3")
def test_no_frame_that_is_lost_repeated_or_late_breaks_a_promise() -> None:
    run_state_machine_as_test(Lossy, settings=searched(60, 25))


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_no_frame_that_is_lost_repeated_or_late_breaks_a_promise_at_length() -> None:
    run_state_machine_as_test(Lossy, settings=searched(2000, 60))


_PROPOSE: Callable[[Commands, bytearray], int] = Commands.propose
SABOTAGE: dict[str, tuple[object, str, object]] = {
    "seats forget": (Ledger, "seat_remember", lambda *_: None),
    "requests are forgotten": (Ledger, "remember", lambda *_: None),
    "nothing is settled": (Answering, "_settle", lambda _: None),
    "nothing blocks": (Talk, "_waits_for", lambda *_: False),
    "an open number counts as never": (
        talking,
        "by_status",
        lambda p, role, status, sure: Finding(Outcome.NEVER, "") if p.role is role and not sure else None,
    ),
    "a withdrawal is not remembered": (Answering, "_void", lambda _, asked: {"answer": 23, "first": 23, "wait_s": 0}),
    "a proposal runs at once": (Commands, "propose", lambda k, p: _PROPOSE(k, p) or k.confirm(k.staged_digest())),
    "commands are sent and not written down": (BookOfMemory, "write_down", lambda *_: None),
}


@pytest.mark.parametrize(("owner", "name", "broken"), SABOTAGE.values(), ids=SABOTAGE)
def test_the_search_finds_a_promise_that_is_broken(
    owner: object, name: str, broken: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, broken)
    hunt = settings(
        searched(400, 40),
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        print_blob=False,
        report_multiple_bugs=False,
    )
    with pytest.raises((AssertionError, StopIteration, KeyError)):
        run_state_machine_as_test(Lossy, settings=hunt)
