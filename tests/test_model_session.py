"""Every state that people, a bad radio and one small pump can bring a client into: no promise is broken in any of them.

Sessions, the pump's side of the link and the core are the real ones. An act is something that a person does, together
with what befalls one of the frames it needs; or time, a loss of power, a client that starts anew from its ledger, a
frame that arrives at last. What the pump truly did is told by its commands, by the frame they were granted for, and by
durable memory: what a loss of power undoes was never done. The same search finds the breach when a promise is broken
on purpose.
"""

from __future__ import annotations

import copy
import sys
from collections import Counter, deque
from struct import unpack
from typing import TYPE_CHECKING, Any

import pytest
from tests.core_world import packed
from tests.fault_store import PowerCut
from tests.link_world import (
    ANSWER_LOST,
    FATES,
    HEARD,
    LATE,
    PATIENT,
    REQUEST_LOST,
    BookOfMemory,
    Pump,
    Radio,
    Time,
    digest_of,
    ordered,
)
from tests.model_search import BrokenPromise, Explored, Model, explore

from thecal.link import patient
from thecal.link.answering import Answering
from thecal.link.catalogue import BY_PATH, Effect
from thecal.link.codec import Malformed, decode
from thecal.link.evidence import Finding
from thecal.link.ledger import Outcome, Pending
from thecal.link.outcome import NotHeard
from thecal.link.patient import Bolus, BolusAnswer
from thecal.link.roles import SEAT, Field, Role
from thecal.link.session import Session
from thecal.link.talk import Arm, Result, Talk
from thecal.link.therapy_change import Proposal
from thecal.pump.core import codes
from thecal.pump.core.commands import Commands
from thecal.pump.core.ledger import NEW, Ledger
from thecal.pump.core.log import RECORD

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable

    from thecal.link.answering import Answered
    from thecal.pump.core.program import Program

# A search through many lives: its lines are counted by the tests of each part, and counting them here doubles its time.
pytestmark = pytest.mark.no_cover

SERIAL = "T-1"
DOCUMENT = b"an order document"
BOLUS = (8, 120, 900, 6)  # strokes, seconds, lockout, most in 24 h
DIES_BEFORE, DIES_AFTER, AGAIN_LATE = "power fails before it is kept", "power fails once it is kept", "again, late"
BAD = (*(fate for fate in FATES if fate != HEARD), DIES_BEFORE, DIES_AFTER, AGAIN_LATE)
MOST_LATE = 2  # frames under way at once; any more are lost
ROLES = (Role.PROGRAMMER, Role.PATIENT, Role.CARD)
_TAKES_BACK = {"void", "withdraw"}


def therapy(number: int) -> Program:
    return ordered(number, rates=((0, 3_000_000 + number % 2),), document=DOCUMENT, bolus=BOLUS)


class Mortal(Pump):
    """A pump whose power can fail at the moment at which a command is made durable."""

    def __init__(self) -> None:
        self.durable = 0
        self.dies = ""
        super().__init__(p=therapy(1), document=DOCUMENT)
        self.granted.clear()
        self.durable = 0

    def wake(self) -> None:
        del self.granted[self.durable :]
        super().wake()

    def settle(self) -> None:
        dies, self.dies = self.dies, ""
        if dies == DIES_BEFORE:
            raise PowerCut
        super().settle()
        self.durable = len(self.granted)
        if dies:
            raise PowerCut

    def run(self, seconds: int) -> None:
        before = self.keeper.sequence
        super().run(seconds)
        if self.keeper.sequence != before:
            self.durable = len(self.granted)


class Air(Radio):
    """A radio that ends each exchange as it is told, sees what a client must have done before, and knows the truth."""

    world: World
    pump: Mortal

    async def __call__(self, path: str, payload: bytes) -> bytes:
        self.world.sends(self.role, path, payload)
        fate = self.fates[0] if self.fates else HEARD
        if fate in {DIES_BEFORE, DIES_AFTER}:
            self.pump.dies = fate
        elif fate == AGAIN_LATE:
            self.late.append((path, payload))
        try:
            return await super().__call__(path, payload)
        except PowerCut:
            self.world.lose_power()
            raise NotHeard("no answer came") from None
        finally:
            self.pump.dies = ""
            del self.late[MOST_LATE:]

    def arrive(self, path: str, payload: bytes) -> Answered:
        before = len(self.pump.granted)
        try:
            return super().arrive(path, payload)
        finally:
            for done in self.pump.granted[before:]:
                assert done == path, f"{path} did {done}"
                self.world.done.append((self.role, number_in(path, payload)))


def number_in(path: str, payload: bytes) -> int:
    values = decode(BY_PATH[path].fields, payload)
    assert not isinstance(values, Malformed)
    return int(values["command"])


class World:
    """One pump, the people at three workplaces, what they were told, and what is true."""

    def __init__(self) -> None:
        self.pump = Mortal()
        self.answering = Answering(self.pump)
        self.ledger = BookOfMemory()
        self.time = Time()
        self.done: list[tuple[Role, int]] = []  # what the pump did, each time it did it
        self.presses = 0
        self.number = 1
        self.proposal: Proposal | None = None
        self.confirmed = {digest_of(therapy(1))}
        self.air = {role: Air(self.pump, self.answering, role) for role in ROLES}
        for air in self.air.values():
            air.world = self
        self.air[Role.PATIENT].field = Field.FAR
        self.open_sessions()

    def __deepcopy__(self, memo: dict[int, Any]) -> World:
        """What is never changed is shared."""
        fixed = [*self.ledger.rows.values(), *self.pump.motor.strokes]
        fixed += [told for told in map(status_of, self.session.values()) if told]
        memo.update((id(one), one) for one in fixed)
        other = World.__new__(World)
        memo[id(self)] = other
        other.__dict__ = copy.deepcopy(self.__dict__, memo)
        return other

    def open_sessions(self) -> None:
        """The client starts anew: its ledger is all that it knows."""
        self.session = {role: Session(SERIAL, role, self.air[role], self.ledger, self.time) for role in ROLES}
        self.proposal = None

    def lose_power(self) -> None:
        self.pump.wake()
        del self.done[len(self.pump.granted) :]
        self.pump.settle()
        self.answering = Answering(self.pump)
        for air in self.air.values():
            air.answering = self.answering

    def lose_memory(self) -> None:
        """Both copies of the pump's state are damaged: it wakes without program, history and numbers."""
        self.pump.store.areas[:2] = [b"damaged", b"damaged"]
        self.lose_power()

    def wait(self, seconds: int) -> None:
        self.pump.run(seconds)
        self.time.s += seconds

    def go(self, role: Role, fates: tuple[str, ...], act: Coroutine[Any, Any, Any]) -> Any:
        """Carry out what a person asks for; nothing in it waits."""
        self.air[role].fates = deque(fates)
        try:
            act.send(None)
        except StopIteration as end:
            return end.value
        finally:
            act.close()
            self.air[role].fates.clear()
        raise AssertionError("a session waited for something")

    # What must hold

    def sends(self, role: Role, path: str, payload: bytes) -> None:
        """A client writes down what it sends, and sends nothing that delivers while something is not known."""
        message = BY_PATH[path]
        if not message.numbered or path in _TAKES_BACK:
            return
        me = (role, number_in(path, payload))
        unknown = {(p.role, p.command): p for p in self.ledger.pending(SERIAL)}
        assert me in unknown, "sent, and not written down"
        if message.effect is Effect.ANY:
            others = [p for who, p in unknown.items() if who != me and BY_PATH[p.path].effect is not Effect.NONE]
            assert not others, "sent while another command is not known"

    def told(self, role: Role, said: Result) -> None:
        """What a person was told is what is true."""
        times = self.done.count((role, said.command))
        if said.arm is Arm.GRANTED:
            assert times == 1, f"told that {said.said}"
        elif said.arm in {Arm.REFUSED, Arm.NOT_REACHED} and said.command and said.answer != codes.NOT_NEEDED:
            assert times == 0, f"told that {said.said}"

    def judge(self) -> None:
        """What holds in every state."""
        times = Counter(self.done)
        assert all(n == 1 for n in times.values()), "one number had its effect twice"
        boluses = [p for p in self.ledger.history(SERIAL) if p.path == "bolus"]
        assert sum(times[p.role, p.command] for p in boluses) <= len(boluses) <= self.presses, (
            "more boluses than presses"
        )
        assert all(n <= BOLUS[0] for request, n in self.pump.motor.of_request.items() if request)
        c = self.pump.controller
        assert not c.loaded or digest_of(c.program) in self.confirmed, "a program runs that nobody confirmed"
        for p in self.ledger.history(SERIAL):
            n = times[p.role, p.command]
            if p.outcome is Outcome.GRANTED:
                assert n == 1, f"{p.path} is written down as granted and was not done"
            elif p.outcome in {Outcome.REFUSED, Outcome.NEVER}:
                assert n == 0, f"{p.path} is written down as {p.outcome} and was done"

    def judge_the_ends(self) -> None:
        """And where it can end: everything under way arrives, the pump is reached, and everything is known."""
        late = sum(len(air.late) for air in self.air.values())
        for last_first in (False, True)[:late]:
            end = copy.deepcopy(self)
            end.all_arrive(last_first=last_first)
            end.judge()
            end.find_out()
        if late or self.ledger.pending(SERIAL):
            end = copy.deepcopy(self)
            end.find_out()
            end.all_arrive(last_first=False)
            end.judge()

    def all_arrive(self, *, last_first: bool) -> None:
        for air in self.air.values():
            while air.late:
                air.arrive_late(-1 if last_first else 0)

    def find_out(self) -> None:
        for role in ROLES:
            self.go(role, (), self.session[role].resolve())
        if self.ledger.pending(SERIAL):  # a bolus behind another one shows in the log once it begins
            self.wait(1200)
            for role in ROLES:
                self.go(role, (), self.session[role].resolve())
        self.judge()
        left = [p.path for p in self.ledger.pending(SERIAL)]
        assert not left, f"the pump is there, and what became of {left} is not found out"


def status_of(session: Session) -> Any:
    return session._talk.status


# What can be done


def press(w: World, fates: tuple[str, ...]) -> None:
    w.presses += 1
    before = len(w.done)
    known = len(w.ledger.rows)
    answer: BolusAnswer = w.go(Role.PATIENT, fates, w.session[Role.PATIENT].bolus())
    given = len(w.done) - before
    assert given <= 1, "one press, two boluses"
    assert len(w.ledger.rows) <= known + 1, "one press, two requests"
    if answer.answer is Bolus.GRANTED:
        assert given == 1, "told that it was granted"
    elif answer.answer not in {Bolus.DELIVERING, Bolus.DUPLICATE} and not answer.pending:
        assert given == 0, f"told that {answer.said}"


def commanded(
    role: Role, act: Callable[[Session], Coroutine[Any, Any, Result]]
) -> Callable[[World, tuple[str, ...]], None]:
    return lambda w, fates: w.told(role, w.go(role, fates, act(w.session[role])))


def stop(role: Role) -> Callable[[World, tuple[str, ...]], None]:
    def act(w: World, fates: tuple[str, ...]) -> None:
        result: Result = w.go(role, fates, w.session[role].stop())
        assert result.arm is not Arm.BLOCKED, "a stop was held back"
        if result.arm in {Arm.GRANTED, Arm.REFUSED}:
            assert not w.pump.controller.running, "told that the pump is stopped"
        w.told(role, result)

    return act


def propose(w: World, fates: tuple[str, ...]) -> None:
    programmer = w.session[Role.PROGRAMMER]
    new = therapy(w.number + 1)
    w.go(Role.PROGRAMMER, (), programmer.interrogate())
    made = w.go(Role.PROGRAMMER, fates, programmer.propose(bytes(packed(new)), DOCUMENT, PATIENT))
    w.number += 1
    w.proposal = made if isinstance(made, Proposal) else None


def confirm(w: World, fates: tuple[str, ...]) -> None:
    if w.proposal is None:
        return
    w.confirmed.add(w.proposal.digest)
    result: Result = w.go(Role.PROGRAMMER, fates, w.session[Role.PROGRAMMER].confirm(w.proposal.digest))
    if result.arm is Arm.GRANTED and result.why is None:
        assert digest_of(w.pump.controller.program) == w.proposal.digest, "told that it was read again as proposed"
    if result.arm is not Arm.BLOCKED:
        w.proposal = None
    w.told(Role.PROGRAMMER, result)


def read(role: Role) -> Callable[[World, tuple[str, ...]], None]:
    return lambda w, fates: w.go(role, fates, w.session[role].status())


def resolve(role: Role) -> Callable[[World, tuple[str, ...]], None]:
    return lambda w, fates: w.go(role, fates, w.session[role].resolve())


def give_up(role: Role) -> Callable[[World], None]:
    def act(w: World) -> None:
        mine = [p for p in w.ledger.pending(SERIAL) if p.role is role]
        if mine:
            assert w.session[role].give_up(mine[0].command).arm is Arm.NOT_KNOWN

    return act


def arrives(role: Role) -> Callable[[World], None]:
    return lambda w: w.air[role].arrive_late() if w.air[role].late else None


def single(session: Session) -> Coroutine[Any, Any, Result]:
    return session.single(2, 60)


EVERY = frozenset((HEARD, *BAD))
WORST = frozenset((HEARD, ANSWER_LOST, LATE, DIES_BEFORE, AGAIN_LATE))
LOST = ((), (REQUEST_LOST,))
ONE = ((), *((fate,) for fate in BAD))
TWO = ((), (REQUEST_LOST,), *((HEARD, fate) for fate in BAD))
P, T, C = Role.PROGRAMMER, Role.PATIENT, Role.CARD

ASKED: dict[str, tuple[Callable[[World, tuple[str, ...]], None], tuple[tuple[str, ...], ...]]] = {
    "press": (press, TWO),
    "single": (commanded(P, single), ONE),
    "start": (commanded(P, Session.start), ONE),
    "stop": (stop(P), ONE),
    "stop with the card": (stop(C), ONE + TWO[2:]),
    "propose": (propose, ((), (HEARD, HEARD, HEARD, ANSWER_LOST))),
    "confirm": (confirm, (*ONE, (HEARD, REQUEST_LOST))),
    "read": (read(P), LOST),
    "read by the patient": (read(T), LOST),
    "resolve": (resolve(P), (*TWO, (HEARD, HEARD, REQUEST_LOST))),
    "resolve for the patient": (resolve(T), TWO),
    "resolve for the card": (resolve(C), TWO),
}
HAPPENS: dict[str, Callable[[World], None]] = {
    "given up": give_up(P),
    "given up for the patient": give_up(T),
    "given up for the card": give_up(C),
    "1 min passes": lambda w: w.wait(60),
    "20 min pass": lambda w: w.wait(1200),
    "the pump loses power": World.lose_power,
    "the pump loses its memory": World.lose_memory,
    "the client starts anew": World.open_sessions,
    "an old frame arrives": arrives(P),
    "an old frame of the patient arrives": arrives(T),
    "an old frame of the card arrives": arrives(C),
}


def acts(*names: str, fates: frozenset[str] = EVERY) -> dict[str, Callable[[World], None]]:
    """Everything that can happen, or these alone; what a person asks for, with each of these fates of its frames."""
    found: dict[str, Callable[[World], None]] = {}
    for name in names or (*ASKED, *HAPPENS):
        if name in HAPPENS:
            found[name] = HAPPENS[name]
            continue
        act, ways = ASKED[name]
        for way in ways:
            if fates.issuperset(way):
                found[f"{name} ({', '.join(way)})" if way else name] = with_fates(act, way)
    return found


def with_fates(act: Callable[[World, tuple[str, ...]], None], fates: tuple[str, ...]) -> Callable[[World], None]:
    return lambda w: act(w, fates)


# Which states are one


def key(w: World) -> Hashable:
    """What decides about what comes. Numbers count from the newest one given out, and times by what they decide."""
    c = w.pump.controller
    newest = {role: w.ledger.numbers.get((SERIAL, role), 0) for role in ROLES}
    seats = tuple((c.ledger.seat_id[SEAT[role]] - newest[role], c.ledger.seat_answer[SEAT[role]]) for role in (P, C))
    unknown = tuple(row(w, p, newest) for p in w.ledger.pending(SERIAL))
    late = tuple(tuple(frame(w, role, f, newest) for f in w.air[role].late) for role in ROLES)
    return (
        (c.running, c.b_kind, c.q_len, c.alarms.active, c.ledger.lockout_left(BOLUS[2], c.t) // 300),
        (w.number - c.program.number, staged(w), c.ledger.newest - newest[T], seats, unknown, late),
        tuple(session_key(w, role, newest) for role in ROLES),
    )


def staged(w: World) -> tuple[int, bool, bool]:
    c = w.pump.controller
    held = w.pump.commands.staged_digest()
    proposed = w.proposal is not None
    return (w.number - c.staged.number if held else -1, proposed, proposed and c.t - c.staged_at_s <= 300)


def row(w: World, p: Pending, newest: dict[Role, int]) -> Hashable:
    ran = p.fields.get("digest") == digest_of(w.pump.controller.program)
    mine = p.path == "bolus" and w.pump.controller.ledger.first_outcome(p.command)
    return (
        p.role,
        p.path,
        p.command - newest[p.role],
        since(w, p.log_records),
        w.done.count((p.role, p.command)),
        ran,
        mine,
    )


def since(w: World, log_records: int) -> Hashable:
    """The kinds of record that the log got since it had so many."""
    if log_records < 0:
        return None
    return frozenset(unpack(RECORD, record)[3:5] for record in w.pump.records[log_records:])


def frame(w: World, role: Role, late: tuple[str, bytes], newest: dict[Role, int]) -> Hashable:
    path, payload = late
    if not BY_PATH[path].numbered:
        return (path, payload)
    number = number_in(path, payload)
    kept = w.ledger.rows[SERIAL, role, number]
    return (path, number - newest[role], kept.outcome, w.done.count((role, number)))


def session_key(w: World, role: Role, newest: dict[Role, int]) -> Hashable:
    told = status_of(w.session[role])
    if told is None:
        return None
    age_s = w.pump.controller.t - told.uptime_s
    same = told.digest == digest_of(w.pump.controller.program)
    return (told.newest - newest[role], age_s > 180, since(w, told.log_records), same, told.running)


def begin() -> World:
    w = World()
    w.go(P, (), w.session[P].status())
    w.wait(60)
    return w


def searched(depth: int, *names: str, fates: frozenset[str] = EVERY, most_states: int = 1_000_000) -> Explored:
    """The search; the ends of a state are looked at once."""
    looked_at = set()

    def check(w: World) -> None:
        w.judge()
        k = key(w)
        if k not in looked_at:
            looked_at.add(k)
            w.judge_the_ends()

    return explore(Model(begin, acts(*names, fates=fates), key, check), depth=depth, most_states=most_states)


def tell(capsys: pytest.CaptureFixture[str], found: Explored) -> None:
    with capsys.disabled():
        sys.stdout.write(f"\n{found.states:,} states, {found.tried:,} acts tried, {found.depth} deep\n")


OF_THE_PATIENT = ("press", "resolve for the patient", "an old frame of the patient arrives", "20 min pass")
OF_COMMANDS = ("single", "stop", "resolve", "an old frame arrives")
OF_PROGRAMS = ("propose", "confirm", "an old frame arrives", "the pump loses power")
KINDS = ("presses", "commands", "programs", "together")
TOGETHER = ("press", "single", "stop with the card", "resolve")


@pytest.mark.parametrize(
    ("depth", "names"),
    [(3, OF_THE_PATIENT), (3, OF_COMMANDS), (4, OF_PROGRAMS), (2, TOGETHER)],
    ids=KINDS,
)
@pytest.mark.requirement("P2", "P7", "P10")
def test_no_promise_is_broken_within_a_few_acts(depth: int, names: tuple[str, ...]) -> None:
    found = searched(depth, *names, fates=WORST - {AGAIN_LATE})
    assert found.depth == depth
    assert found.states > 30


@pytest.mark.requirement("P10")
def test_a_bolus_that_waited_when_power_was_lost_is_never_said_not_to_have_arrived() -> None:
    """A pump does not keep what waits, and its log shows a bolus only once it begins."""
    w = begin()
    for name in ("press", f"single ({DIES_AFTER})", "stop"):
        acts()[name](w)
    w.find_out()
    assert [p.outcome for p in w.ledger.history(SERIAL) if p.path == "single"] == [Outcome.ASSUMED]


@pytest.mark.requirement("P12")
def test_a_granted_bolus_that_waits_is_not_dropped_without_a_record() -> None:
    w = begin()
    for name in ("press", "single"):
        acts()[name](w)
    assert [p.outcome for p in w.ledger.history(SERIAL)] == [Outcome.GRANTED] * 2
    w.lose_power()
    cut = [unpack(RECORD, record)[4] for record in w.pump.records if unpack(RECORD, record)[3] == codes.E_BOLUS_CUT]
    assert cut == [codes.PATIENT, codes.SINGLE]


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("depth", "fates"), [(2, EVERY), (3, WORST)], ids=["every fate", "the worst fates"])
@pytest.mark.requirement("P2", "P7", "P10")
def test_no_promise_is_broken_by_acts_of_any_kind(
    capsys: pytest.CaptureFixture[str], depth: int, fates: frozenset[str]
) -> None:
    found = searched(depth, fates=fates)
    tell(capsys, found)
    assert found.depth == depth
    assert found.states > 1_000


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("names", [OF_THE_PATIENT, OF_COMMANDS, OF_PROGRAMS, TOGETHER], ids=KINDS)
@pytest.mark.requirement("P2", "P7", "P10")
def test_no_promise_is_broken_in_two_thousand_states_of_a_kind(
    capsys: pytest.CaptureFixture[str], names: tuple[str, ...]
) -> None:
    found = searched(6, *names, "the client starts anew", fates=WORST, most_states=2_000)
    tell(capsys, found)
    assert found.depth >= 3


# The search can fail: each promise broken on purpose is found.


def forget_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pump takes every number for a new one."""
    monkeypatch.setattr(Ledger, "first_outcome", lambda self, request: NEW)
    monkeypatch.setattr(Ledger, "seat_outcome", lambda self, seat, command: NEW)


def withdraw_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pump says that a command is withdrawn, and does not mark its number."""
    monkeypatch.setattr(
        Answering, "_void", lambda self, asked: {"answer": codes.VOIDED, "first": codes.VOIDED, "wait_s": 0}
    )


def withdraw_a_press_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client takes a press that is not known for withdrawn as soon as it has said so."""
    before = Session._withdraw

    async def withdraw(self: Session, pending: Pending) -> None:
        if pending.path == "bolus":
            self._talk.settle(pending, Finding(Outcome.NEVER, "withdrawn"))
        else:
            await before(self, pending)

    monkeypatch.setattr(Session, "_withdraw", withdraw)


def send_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The session sends, and writes down afterwards."""
    write_down, send = Talk.write_down, Talk.send

    def only_number(self: Talk, path: str, **values: Any) -> Pending:
        keep, self._ledger.write_down = self._ledger.write_down, lambda pending: None  # type: ignore[method-assign]
        try:
            return write_down(self, path, **values)
        finally:
            self._ledger.write_down = keep  # type: ignore[method-assign]

    async def sent(self: Talk, pending: Pending, *, again: bool = False) -> Result:
        result = await send(self, pending, again=again)
        self._ledger.write_down(pending)
        return result

    monkeypatch.setattr(Talk, "write_down", only_number)
    monkeypatch.setattr(Talk, "send", sent)


def go_on_regardless(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not known holds nothing back."""
    monkeypatch.setattr(Talk, "_waits_for", lambda self, message, pending: False)


def take_silence_for_no(monkeypatch: pytest.MonkeyPatch) -> None:
    """What had no answer is written down as never arrived; then it arrives."""

    def never(self: Talk, pending: Pending, why: str) -> Result:
        self.settle(pending, Finding(Outcome.NEVER, why))
        return Result(Arm.NOT_KNOWN, why, command=pending.command)

    monkeypatch.setattr(Talk, "_not_known", never)


def press_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """A press that was not answered counts as never arrived, and the next one goes out under another number."""

    async def again(talk: Talk, before: Pending, status: object) -> None:
        if talk.is_open(before):
            talk.settle(before, Finding(Outcome.NEVER, "no answer came"))

    monkeypatch.setattr(patient, "_again", again)


def answer_before_it_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pump answers for what a loss of power undoes."""
    monkeypatch.setattr(Answering, "_settle", lambda self: None)


def commit_what_is_proposed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proposal runs before anybody confirms it."""
    before = Answering._propose

    def propose_and_run(self: Answering, asked: Any) -> Any:
        values = before(self, asked)
        k = self._surface.commands
        Commands.confirm(k, k.staged_digest())
        return values

    monkeypatch.setattr(Answering, "_propose", propose_and_run)


def never_find_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody asks what became of what had no answer."""

    async def nothing(self: Session) -> tuple[Pending, ...]:
        return ()

    monkeypatch.setattr(Session, "resolve", nothing)


@pytest.mark.parametrize(
    ("broken", "says", "names"),
    [
        (forget_numbers, "twice", ("stop", "single", "an old frame arrives")),
        (withdraw_in_words, "never arrived and was done", ("single", "resolve", "an old frame arrives")),
        (withdraw_a_press_in_words, "and was done", ("press", "resolve for the patient")),
        (send_first, "not written down", ("single",)),
        (go_on_regardless, "while another", ("single", "start")),
        (take_silence_for_no, "and was done", ("single", "an old frame arrives")),
        (press_anew, "and was done", ("press", "an old frame of the patient arrives")),
        (answer_before_it_is_kept, "was not done", ("single", "the pump loses power")),
        (commit_what_is_proposed, "nobody confirmed", ("propose",)),
        (never_find_out, "not found out", ("single",)),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
@pytest.mark.requirement("P2", "P7", "P10")
def test_a_promise_broken_on_purpose_is_found(
    monkeypatch: pytest.MonkeyPatch, broken: Callable[[pytest.MonkeyPatch], None], says: str, names: tuple[str, ...]
) -> None:
    assert searched(2, *names).states > 1, "whole, it holds"
    broken(monkeypatch)
    with pytest.raises(BrokenPromise, match=says):
        searched(3, *names)
