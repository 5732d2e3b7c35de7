"""A whole link on a bad path, for campaigns: a device that can lose its power, and people with keys, over real sockets.

What the pump truly did is told by its rotor, by its commands with the frame that each was granted for, and, where the
power failed within one, by what it woke with. Time is the device's own and moves only between what people do.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.core_world import broken_windows
from tests.device_world import STROKE_NL, Pump, digest_of, order, running
from tests.link_parts import PLENTY, Memory, ask
from tests.link_world import BookOfMemory
from tests.lossy_link import LossyLink

from thecal.link.answering import Answering, Code
from thecal.link.caller import Caller
from thecal.link.catalogue import BY_PATH
from thecal.link.codec import Malformed, decode, decode_answer
from thecal.link.endpoint import Endpoint
from thecal.link.interrogation import FROM_THE_START
from thecal.link.key import Side, new_key
from thecal.link.ledger import Outcome
from thecal.link.protection import pair
from thecal.link.radio import Radio
from thecal.link.roles import SEAT, Field, Role
from thecal.link.session import Session
from thecal.pump.core import codes
from thecal.pump.device import PowerCut
from thecal.pump.device.reservoir import Stroke as Why

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from tests.lossy_link import Plan

    from thecal.link.answering import Answered
    from thecal.link.caller import Patience
    from thecal.link.key import Key
    from thecal.link.ledger import Ledger
    from thecal.pump.core.program import Program

SERIAL = "B-1"
DOCUMENT = b"an order document, as long as it needs to be " * 20
PATIENT = bytes(16)
RATES = (10_000_000, 20_000_000, 30_000_000)
BOLUS = (12, 300, 900, 20)  # strokes, seconds, lockout, most in 24 h
ROLES = (Role.PROGRAMMER, Role.PATIENT, Role.CARD)
SINGLE = (2, 60)  # strokes, seconds
FULL_NL = 18_000_000
NOT_AN_EFFECT = {"void", "withdraw"}


def therapy(number: int) -> Program:
    return order(number, ((0, RATES[number % 3]),), bolus=BOLUS, document=DOCUMENT)


@dataclass
class Granted:
    """What the pump granted: how often each number, and what that comes to."""

    times: Counter[tuple[Role, int]] = field(default_factory=Counter)
    paths: Counter[str] = field(default_factory=Counter)
    single_strokes: int = 0
    doubtful: list[tuple[Role, str, dict[str, Any]]] = field(default_factory=list)


class Implant:
    """A device, its end of the link and its radio, over all its boots. ``granted`` is what it did."""

    def __init__(self) -> None:
        self.pump: Pump = running(therapy(1))
        self.keep_document()
        self.granted = Granted()
        self.numbers = {1: digest_of(therapy(1))}
        self.boots = 0
        self.torn = 0  # losses of power within a write
        self.changes = 0
        self.true_rate = RATES[1]  # what was confirmed, while it is started
        self.true_running = True
        self.base_pl_s = 0  # what the base should come to, in pL/h times s, since the account began
        self.base_before = self.turned(Why.BASE)
        self.ports = {Field.NEAR: 0, Field.FAR: 0}
        self.followers: list[Callable[[], None]] = []  # whoever must know where the radio is now
        self.keys: dict[Role, Key] = {}
        for role in ROLES:
            self.keys[role] = new_key(role, SERIAL)
            pair(self.pump.disk, Side.PUMP, self.keys[role])
        self._one_at_a_time = asyncio.Lock()
        self._waking: set[asyncio.Task[None]] = set()
        self._fit()

    def keep_document(self) -> None:
        assert self.pump.device.keep_document(DOCUMENT)

    def turned(self, why: Why) -> int:
        return self.pump.device.truth().strokes.get(why.value, 0)

    def _fit(self) -> None:
        self.answering = Answering(self.pump.device)
        self.endpoint = Endpoint(self.pump.disk, SERIAL, self)
        self.radio = Radio(self.endpoint, lambda: self.pump.c.t, self._broken, PLENTY)

    async def open(self) -> None:
        for each in self.ports:
            self.ports[each] = (await self.radio.open(each))[1]
        for follow in self.followers:
            follow()

    def close(self) -> None:
        self.radio.close()

    # Answers

    def answer(self, role: Role, where: Field, path: str, payload: bytes) -> Answered:
        message = BY_PATH.get(path)
        values = decode(message.fields, payload) if message else Malformed("unknown")
        numbered = message is not None and message.numbered and path not in NOT_AN_EFFECT
        try:
            answered = self.answering.answer(role, where, path, payload)
        except Exception:
            if numbered and not isinstance(values, Malformed):
                self.granted.doubtful.append((role, path, dict(values)))
            raise
        if answered.code is Code.DONE and numbered and not isinstance(values, Malformed):
            told = decode_answer("done", answered.payload)
            assert not isinstance(told, Malformed)
            if told.values["answer"] == codes.GRANTED:
                self._did(role, path, dict(values))
        return answered

    def _did(self, role: Role, path: str, values: dict[str, Any]) -> None:
        number = values["command"]
        self.granted.times[role, number] += 1
        self.granted.paths[path] += 1
        self.changes += path in {"start", "stop", "confirm"}
        if path == "bolus":
            self.pump.request = number
        elif path == "single":
            self.granted.single_strokes += values["strokes"]
        elif path in {"start", "stop"}:
            self.true_running = path == "start"
        elif path == "confirm":
            (confirmed,) = (n for n, digest in self.numbers.items() if digest == values["digest"])
            self.true_rate = RATES[confirmed % 3]

    # Power

    def _broken(self, fault: Exception) -> None:
        """The power failed within an answer, and comes back at once."""
        assert isinstance(fault, PowerCut), fault
        self.torn += 1
        waking = asyncio.get_running_loop().create_task(self.wake_up(1))
        self._waking.add(waking)
        waking.add_done_callback(self._waking.discard)

    async def wake_up(self, dark_s: int) -> None:
        """Lose the power now, where it is still there, and have it back."""
        async with self._one_at_a_time:
            await self._wake_up(dark_s)

    async def _wake_up(self, dark_s: int) -> None:
        self.radio.close()
        self.boots += 1
        self.pump.disk.calm()
        self.pump.reboot(dark_s)
        self._fit()
        for role, path, values in self.granted.doubtful:
            ledger, number = self.pump.c.ledger, values["command"]
            known = ledger.first_outcome(number) if path == "bolus" else ledger.seat_outcome(SEAT[role], number)
            if known == codes.GRANTED and not self.granted.times[role, number]:
                self._did(role, path, values)
        self.granted.doubtful.clear()
        await self.open()

    async def awake(self) -> None:
        """Wait until a loss of power is over."""
        while self._waking:
            await asyncio.gather(*self._waking)

    async def wait(self, seconds: int) -> None:
        """Let time pass, up to a loss of power at the most."""
        began_s = self.pump.device.now_s
        try:
            self.pump.wait(seconds)
        except PowerCut:
            self.torn += 1
            await self.wake_up(1)
        finally:
            if self.true_running:
                self.base_pl_s += self.true_rate * (self.pump.device.now_s - began_s)

    async def refill(self) -> None:
        """Somebody fills the reservoir, and has told nobody yet."""
        with suppress(PowerCut):
            self.pump.device.draw()
            self.pump.device.fill(FULL_NL)
            return
        self.torn += 1
        await self.wake_up(1)
        await self.refill()

    # What must hold

    def judge(self) -> None:
        """What left the pump is what granted commands ordered, and no window holds more than its ceiling."""
        assert all(n == 1 for n in self.granted.times.values()), "one number had its effect twice"
        assert digest_of(self.pump.c.program) in self.numbers.values()
        given = self.pump.presses
        assert all(self.granted.times[Role.PATIENT, request] for request in given), "a bolus that nobody was granted"
        assert all(strokes <= BOLUS[0] for strokes in given.values()), "one press, more than one bolus"
        assert self.turned(Why.SINGLE) <= self.granted.single_strokes
        self.pump.check()
        assert self.pump.c.program.number in self.numbers

    def judge_the_end(self) -> None:
        """Nothing is under way any more: nothing is missing either, but what a stop or a loss of power cut."""
        self.judge()
        assert broken_windows(self.pump.strokes) == []
        events = self.pump.events()
        cut = Counter(a for _, event, a, _ in events if event == codes.E_BOLUS_CUT)
        short = [n for n in self.pump.presses.values() if n < BOLUS[0]]
        boluses = self.granted.paths["bolus"]
        assert len(short) + boluses - len(self.pump.presses) <= cut[codes.PATIENT], "a bolus was not given whole"
        missing = self.granted.single_strokes - self.turned(Why.SINGLE)
        assert missing <= SINGLE[0] * (cut[codes.SINGLE] + self.boots), "what waits is forgotten when power is lost"
        base = self.turned(Why.BASE) - self.base_before
        due = self.base_pl_s // (3600 * 1000 * STROKE_NL)
        assert abs(base - due) <= 1 + self.changes + self.boots, f"{base} base strokes, {due} ordered"


class Desk:
    """One role's end: its keys, its caller, its bad path, its session; ``restart`` leaves it what is durable."""

    def __init__(self, campaign: Campaign, role: Role, plan: Plan | None = None) -> None:
        self.campaign = campaign
        self.role = role
        self.vault = Memory()
        pair(self.vault, Side.CALLER, campaign.implant.keys[role])
        self.link = LossyLink(("127.0.0.1", 1), plan)
        campaign.implant.followers.append(self._follow)
        self._sit_down()

    def _follow(self) -> None:
        """The pump is elsewhere after each start."""
        where = Field.FAR if self.role is Role.PATIENT else Field.NEAR
        self.link.target = ("127.0.0.1", self.campaign.implant.ports[where])

    def _sit_down(self) -> None:
        campaign = self.campaign
        self.caller = Caller(self.vault, campaign.implant.keys[self.role], campaign.patience)
        self.session = Session(SERIAL, self.role, self.exchange, campaign.ledger, campaign)

    async def exchange(self, path: str, payload: bytes) -> bytes:
        self.campaign.exchanges += 1
        self.campaign.said[path] += 1
        return await self.caller.exchange(self.link.address, path, payload)

    async def restart(self) -> None:
        await self.caller.close()
        self._sit_down()

    async def replay(self, frame: bytes) -> None:
        """A frame from before, or a bad one, reaches the pump from somewhere else; nobody waits for an answer."""
        await ask(self.link.target, frame, wait_s=0.001)


class Campaign:
    """One pump and everybody around it. It is the clock of the sessions too."""

    def __init__(self, patience: Patience, plan: Callable[[Role], Plan | None], ledger: Ledger | None = None) -> None:
        self.patience = patience
        self.ledger: Ledger = ledger or BookOfMemory()
        self.exchanges = 0
        self.said: Counter[str] = Counter()
        self.implant = Implant()
        self.desk = {role: Desk(self, role, plan(role)) for role in ROLES}
        self.number = 1
        self.digests = {digest_of(therapy(1))}  # of every program that somebody confirmed
        self.presses = 0
        self.log_end = FROM_THE_START

    def now_s(self) -> int:
        return self.implant.pump.device.now_s

    def utc_s(self) -> int:
        return 1_770_000_000 + self.now_s()

    def reopen(self, ledger: Ledger) -> None:
        """The client that starts anew finds what it wrote down."""
        self.ledger.close()  # type: ignore[attr-defined]
        self.ledger = ledger

    async def __aenter__(self) -> Campaign:
        await self.implant.open()
        for desk in self.desk.values():
            await desk.link.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(asyncio.CancelledError):
            await self.implant.awake()
        for desk in self.desk.values():
            await desk.caller.close()
            await desk.link.__aexit__(None, None, None)
        self.implant.close()
        await asyncio.sleep(0)

    def session(self, role: Role) -> Session:
        return self.desk[role].session

    def next_program(self) -> int:
        """The number of another program."""
        self.number += 1
        self.implant.numbers[self.number] = digest_of(therapy(self.number))
        return self.number

    def unresolved(self) -> list[str]:
        return [p.path for p in self.ledger.pending(SERIAL)]

    def judge(self) -> None:
        """What was written down is what was done, and the program that runs is one that somebody confirmed."""
        implant = self.implant
        implant.judge()
        assert digest_of(implant.pump.c.program) in self.digests, "a program runs that nobody confirmed"
        for p in self.ledger.history(SERIAL):
            done = implant.granted.times[p.role, p.command]
            if p.outcome is Outcome.GRANTED:
                assert done == 1, f"{p.path} {p.command} is written down as granted ({p.said}), and was not done"
            elif p.outcome in {Outcome.REFUSED, Outcome.NEVER}:
                assert done == 0, f"{p.path} {p.command} is written down as {p.outcome} ({p.said}), and was done"

    async def resolve(self) -> None:
        """On a good path everything is found out, or is given up and counts as more."""
        for role in ROLES:
            await self.session(role).resolve()

    async def the_end(self) -> None:
        """Everything comes to rest, and is compared."""
        await self.resolve()
        await self.implant.wait(2 * BOLUS[1])
        await self.resolve()
        self.judge()
        self.implant.judge_the_end()
