"""People at every workplace over a radio that loses, repeats and delays frames, against one pump: the promises hold.

The truth is what the core granted, told apart by the frame that it was granted for. The client is right where it says
"granted" or "refused", and where it says "not known" it blocks; nothing is ever done twice.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.core_world import broken_windows, packed
from tests.link_world import DOCUMENT, FATES, PATIENT, BookOfMemory, Pump, Radio, Time, digest_of, ordered

from thecal.link.answering import Answering
from thecal.link.catalogue import BY_PATH, Effect
from thecal.link.codec import Malformed, decode
from thecal.link.ledger import Outcome
from thecal.link.patient import Bolus
from thecal.link.readout import status_of
from thecal.link.roles import Field, Role
from thecal.link.session import Session
from thecal.link.talk import Arm, Result
from thecal.link.therapy_change import Proposal

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from thecal.link.answering import Answered

FATE = st.lists(st.sampled_from(FATES), max_size=4)
WHERE = st.sampled_from((Role.PROGRAMMER, Role.SERVICE, Role.CARD))
_OPEN_TO = {"stop", "void", "withdraw"}


class WatchedRadio(Radio):
    """A radio that knows which frame the pump granted what for, and what a client must have done before it sends."""

    machine: Lossy

    async def __call__(self, path: str, payload: bytes) -> bytes:
        values = decode(BY_PATH[path].fields, payload)
        assert not isinstance(values, Malformed)
        if BY_PATH[path].numbered and path not in {"void", "withdraw"}:
            open_now = self.machine.ledger.pending("T-1")
            number = values["command"]
            assert [p for p in open_now if (p.role, p.command) == (self.role, number)], "sent and not written down"
            if BY_PATH[path].effect is not Effect.NONE and path not in _OPEN_TO:
                others = [p for p in open_now if (p.role, p.command) != (self.role, number)]
                assert all(BY_PATH[p.path].effect is Effect.NONE for p in others), "sent while another is not known"
        return await super().__call__(path, payload)

    def arrive(self, path: str, payload: bytes) -> Answered:
        before = len(self.pump.granted)
        answered = super().arrive(path, payload)
        for done in self.pump.granted[before:]:
            values = decode(BY_PATH[path].fields, payload)
            assert not isinstance(values, Malformed)
            assert done == path, f"{path} did {done}"
            self.machine.granted[self.role, int(values["command"])] += 1
        return answered


class Lossy(RuleBasedStateMachine):
    """One pump, the people around it, and every fate that a frame can have."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.ledger = BookOfMemory()
        self.time = Time()
        self.granted: Counter[tuple[Role, int]] = Counter()
        self.presses = 0
        self.proposal: Proposal | None = None
        self.number = 1
        self.confirmed: set[bytes] = set()  # digests that a person confirmed

    @initialize()
    def implant(self) -> None:
        first = ordered(self.number, bolus=(20, 300, 900, 4))
        self.pump = Pump(p=first)
        self.confirmed.add(digest_of(first))
        self.pump.granted.clear()
        self.answering = Answering(self.pump)
        self.radio = {role: WatchedRadio(self.pump, self.answering, role) for role in Role}
        for radio in self.radio.values():
            radio.machine = self
        self.radio[Role.PATIENT].field = Field.FAR
        self.session = {role: self.open(role) for role in Role}

    def open(self, role: Role) -> Session:
        return Session("T-1", role, self.radio[role], self.ledger, self.time)

    def go(self, role: Role, fates: list[str], coroutine: Coroutine[Any, Any, Any]) -> Any:
        self.radio[role].fates = deque(fates)
        found = self.runner.run(coroutine)
        self.radio[role].fates.clear()
        return found

    # What people do

    @rule(role=st.sampled_from(Role), fates=FATE)
    def read(self, role: Role, fates: list[str]) -> None:
        self.go(role, fates, self.session[role].status())

    @rule(fates=FATE)
    def press(self, fates: list[str]) -> None:
        self.presses += 1
        before = self.pump.granted.count("bolus")
        answer = self.go(Role.PATIENT, fates, self.session[Role.PATIENT].bolus())
        given = self.pump.granted.count("bolus") - before
        assert given <= 1, "one press, one bolus"
        if answer.answer is Bolus.GRANTED:
            assert given == 1
        elif answer.answer in {Bolus.REFUSED, Bolus.STOPPED} or not answer.pending:
            assert given == 0 or answer.answer in {Bolus.DELIVERING, Bolus.DUPLICATE}

    @rule(fates=FATE, strokes=st.integers(1, 8), seconds=st.integers(60, 600))
    def single(self, fates: list[str], strokes: int, seconds: int) -> None:
        self.judge(self.go(Role.PROGRAMMER, fates, self.session[Role.PROGRAMMER].single(strokes, seconds)))

    @rule(fates=FATE)
    def start(self, fates: list[str]) -> None:
        self.judge(self.go(Role.PROGRAMMER, fates, self.session[Role.PROGRAMMER].start()))

    @rule(role=WHERE, fates=FATE)
    def stop(self, role: Role, fates: list[str]) -> None:
        result = self.go(role, fates, self.session[role].stop())
        assert result.arm is not Arm.BLOCKED, "stopping is never held back"
        if result.arm is Arm.GRANTED or (result.status is not None and result.arm is Arm.REFUSED):
            assert not self.pump.controller.running
        self.judge(result)

    @rule(fates=FATE, level=st.integers(10_000_000, 20_000_000))
    def refill(self, fates: list[str], level: int) -> None:
        self.judge(self.go(Role.PROGRAMMER, fates, self.session[Role.PROGRAMMER].refill(level)))

    @rule(fates=FATE, role=st.sampled_from((Role.PROGRAMMER, Role.SERVICE)))
    def test_alarm(self, fates: list[str], role: Role) -> None:
        self.judge(self.go(role, fates, self.session[role].test_alarm(critical=False)))

    @rule(fates=FATE, rate=st.sampled_from((10_000_000, 20_000_000, 30_000_000)))
    def propose(self, fates: list[str], rate: int) -> None:
        self.number += 1
        session = self.session[Role.PROGRAMMER]
        self.runner.run(session.interrogate())
        new = ordered(self.number, rates=((0, rate),), bolus=(20, 300, 900, 4))
        made = self.go(Role.PROGRAMMER, fates, session.propose(bytes(packed(new)), DOCUMENT, PATIENT))
        self.proposal = made if isinstance(made, Proposal) else None

    @rule(fates=FATE)
    def change_therapy(self, fates: list[str]) -> None:
        """The whole of it at once, so that it is often reached."""
        self.runner.run(self.session[Role.PROGRAMMER].resolve())
        self.propose([], 20_000_000)
        if self.proposal is not None:
            self.confirm(fates)

    @precondition(lambda self: self.proposal is not None)
    @rule(fates=FATE)
    def confirm(self, fates: list[str]) -> None:
        assert self.proposal is not None
        self.confirmed.add(self.proposal.digest)
        result = self.go(Role.PROGRAMMER, fates, self.session[Role.PROGRAMMER].confirm(self.proposal.digest))
        if result.arm is Arm.GRANTED and result.why is None:
            assert digest_of(self.pump.controller.program) == self.proposal.digest
        self.judge(result)

    def judge(self, result: Result) -> None:
        """What a person was told of a command is what is true of it."""
        key = self.ledger_key(result)
        if key is None:
            return
        done = self.granted[key]
        if result.arm is Arm.GRANTED:
            assert done == 1 or self.path_of(key) == "alarm-test"
        elif result.arm in {Arm.REFUSED, Arm.NOT_REACHED}:
            assert done == 0

    def ledger_key(self, result: Result) -> tuple[Role, int] | None:
        rows = [p for p in self.ledger.history("T-1") if p.command == result.command]
        return (rows[-1].role, rows[-1].command) if len({p.role for p in rows}) == 1 else None

    def path_of(self, key: tuple[Role, int]) -> str:
        return self.ledger.rows["T-1", key[0], key[1]].path

    # What happens

    @rule(seconds=st.integers(1, 1200))
    def wait(self, seconds: int) -> None:
        self.pump.run(seconds)
        self.time.s += seconds

    @rule(role=st.sampled_from(Role), which=st.integers(0, 3))
    def arrive_late(self, role: Role, which: int) -> None:
        late = self.radio[role].late
        if late:
            self.radio[role].arrive_late(which % len(late))

    @rule()
    def lose_power(self) -> None:
        self.pump.wake()
        self.pump.settle()
        self.answering = Answering(self.pump)
        for radio in self.radio.values():
            radio.answering = self.answering

    @rule(role=st.sampled_from(Role))
    def service_starts_anew(self, role: Role) -> None:
        self.session[role] = self.open(role)
        if role is Role.PROGRAMMER:
            self.proposal = None

    # What becomes of it

    @rule(role=st.sampled_from(Role), fates=FATE)
    def resolve(self, role: Role, fates: list[str]) -> None:
        self.go(role, fates, self.session[role].resolve())

    @invariant()
    def the_ledger_is_true(self) -> None:
        """Nothing is done twice; what was refused or withdrawn was not done, now or later; granted is granted."""
        assert all(n <= 1 for n in self.granted.values()), "one number was done twice"
        for p in self.ledger.history("T-1"):
            done = self.granted[p.role, p.command]
            if p.path in {"alarm-test", "acknowledge"}:
                continue
            if p.outcome is Outcome.GRANTED:
                assert done == 1, f"{p.path} {p.command} is written down as granted"
            elif p.outcome in {Outcome.REFUSED, Outcome.NEVER}:
                assert done == 0, f"{p.path} {p.command} is written down as {p.outcome}"

    @invariant()
    def the_program_is_one_that_was_confirmed(self) -> None:
        if hasattr(self, "pump"):
            assert digest_of(self.pump.controller.program) in self.confirmed

    @invariant()
    def what_is_reported_agrees_with_itself(self) -> None:
        """A pump that is said not to deliver has no rate and no bolus, and one that delivers has a program and runs."""
        if hasattr(self, "pump"):
            told = status_of(self.pump, Role.MONITOR, near=True)
            if told["delivering"]:
                assert told["loaded"]
                assert told["running"]
            else:
                assert (told["rate_pl_per_h"], told["bolus_kind"]) == (0, 0)

    def teardown(self) -> None:
        """On a quiet radio everything is resolved, or left to a person who gives it up; then nothing stands open."""
        try:
            if hasattr(self, "pump"):
                self.the_end()
        finally:
            self.runner.close()

    def the_end(self) -> None:
        for role in Role:
            self.go(role, [], self.session[role].resolve())
        for p in self.ledger.pending("T-1"):
            assert p.path == "stop", "only a stop that a stop overtook cannot be found out"
            assert self.session[p.role].give_up(p.command).arm is Arm.NOT_KNOWN
        for role in Role:
            while self.radio[role].late:
                self.radio[role].arrive_late()
        self.the_ledger_is_true()
        assert self.ledger.pending("T-1") == []
        assert self.pump.granted.count("bolus") <= self.presses
        self.pump.run(1000)
        assert broken_windows(self.pump.motor.strokes) == []
        assert all(n <= 20 for request, n in self.pump.motor.of_request.items() if request)
