"""A bad path between people and a real pump: each frame of each exchange hit in turn, then all faults at once by seed.

Real sockets, real protection, a device whose power fails: no double dose, no wrong program, and whatever was not known
is found out or counts as more.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from contextlib import suppress
from itertools import count
from random import Random
from typing import TYPE_CHECKING

import pytest
from tests.campaign_world import BOLUS, DOCUMENT, FULL_NL, PATIENT, ROLES, SINGLE, Campaign, therapy
from tests.core_world import packed
from tests.device_world import digest_of
from tests.link_parts import play
from tests.lossy_link import Fault, Kind, Planned, Seeded, Way

from thecal.link.caller import Patience
from thecal.link.interrogation import Interrogation
from thecal.link.ledger import Outcome
from thecal.link.patient import Bolus
from thecal.link.roles import Role
from thecal.link.talk import Arm
from thecal.link.therapy_change import Proposal
from thecal.pump.core.ledger import NEW, Ledger
from thecal.pump.device import Tear
from thecal.rig.ledger import SqliteLedger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

# A search through many lives: its lines are counted by the tests of each part, and counting them here doubles its time.
pytestmark = pytest.mark.no_cover

P, T, C = Role.PROGRAMMER, Role.PATIENT, Role.CARD

# What people do; each can be done again and again, and says whether it came to its end.


async def read(c: Campaign) -> bool:
    return not hasattr(await c.session(P).status(), "arm")


async def interrogate(c: Campaign) -> bool:
    return isinstance(await c.session(P).interrogate(c.log_end), Interrogation)


async def change_program(c: Campaign) -> bool:
    session = c.session(P)
    found = await session.interrogate(c.log_end)
    if not isinstance(found, Interrogation):
        return False
    c.log_end = found.log_end
    new = therapy(c.next_program())
    made = await session.propose(bytes(packed(new)), DOCUMENT, PATIENT)
    if not isinstance(made, Proposal):
        return False
    c.digests.add(made.digest)
    result = await session.confirm(made.digest)
    if result.arm is Arm.GRANTED and result.why is None:
        assert digest_of(c.implant.pump.c.program) == made.digest
    return result.arm is Arm.GRANTED


async def press(c: Campaign) -> bool:
    c.presses += 1
    before = c.implant.granted.paths["bolus"]
    answer = await c.session(T).bolus()
    assert c.implant.granted.paths["bolus"] - before <= 1, "one press, two boluses"
    return answer.answer in {Bolus.GRANTED, Bolus.DELIVERING, Bolus.DUPLICATE}


async def single(c: Campaign) -> bool:
    return (await c.session(P).single(*SINGLE)).arm is Arm.GRANTED


async def refill(c: Campaign) -> bool:
    await c.implant.refill()
    return (await c.session(P).refill(FULL_NL)).arm is Arm.GRANTED


async def stop(c: Campaign) -> bool:
    result = await c.session(P).stop()
    if result.arm is Arm.GRANTED:
        assert not c.implant.pump.c.running
    return result.arm is Arm.GRANTED


async def stop_with_the_card(c: Campaign) -> bool:
    return (await c.session(C).stop()).arm is Arm.GRANTED


async def start(c: Campaign) -> bool:
    return (await c.session(P).start()).arm is Arm.GRANTED


SCRIPTS: dict[str, tuple[Callable[[Campaign], Awaitable[bool]], Role]] = {
    "status": (read, P),
    "interrogation": (interrogate, P),
    "program": (change_program, P),
    "bolus": (press, T),
    "single": (single, P),
    "refill": (refill, P),
    "stop": (stop, P),
}
HARMLESS = {Kind.DROP: 0, Kind.TWICE: 0, Kind.SWAP: 0, Kind.LATE: 30}
SPOILS = {Kind.CUT: 9, Kind.FLIP: -1}  # a bit of the last byte
QUICK = Patience(first_s=0.1, spread=1.1, repeats=5)
HASTY = Patience(first_s=0.1, spread=1.2, repeats=1)


async def each_frame_in_turn(name: str, faults: Sequence[Fault], way: Way) -> int:
    """Do one thing again and again, each time with the next of its frames hit; the answer is how many there were."""
    act, role = SCRIPTS[name]
    async with Campaign(QUICK, lambda _: Planned()) as c:
        plan = c.desk[role].link.plan
        assert isinstance(plan, Planned)
        for hit in count(1):
            await c.implant.wait(BOLUS[2] + 60)
            await refreshed(c)
            frames = len(c.desk[role].link.frames(way))
            hits = len(c.desk[role].link.hit)
            fault = faults[hit % len(faults)]
            plan.faults = {(way, frames + hit): fault}
            ended = await act(c)
            plan.faults = {}
            c.judge()
            if len(c.desk[role].link.hit) == hits:
                assert ended
                await c.the_end()
                assert c.unresolved() == []
                return hit - 1
            assert ended or fault.kind in SPOILS, f"{name}: {fault.kind} of frame {hit} {way} was one too many"
            await c.resolve()
            assert c.unresolved() == []
    raise AssertionError


async def refreshed(c: Campaign) -> None:
    """The pump runs, and the programmer has just read it."""
    assert await read(c)
    if not c.implant.pump.c.running:
        assert await start(c)


FAULTS = [Fault(kind, amount) for kind, amount in (HARMLESS | SPOILS).items()]
AT_LEAST = {"interrogation": 5, "program": 12}


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.requirement("P2", "P6", "P7", "P10")
def test_each_frame_of_each_exchange_is_hit_in_turn(name: str) -> None:
    """Each exchange by every kind of fault; of the long one, each frame by another kind."""
    kinds = [FAULTS] if name == "program" else [[fault] for fault in FAULTS]

    async def scene() -> list[int]:
        return await asyncio.gather(*(each_frame_in_turn(name, faults, way) for way in Way for faults in kinds))

    assert min(play(scene())) >= AT_LEAST.get(name, 1)


@pytest.mark.long
@pytest.mark.requirement("P2", "P6", "P7", "P10")
def test_each_frame_of_a_change_of_program_is_hit_by_every_kind_of_fault() -> None:
    async def scene() -> list[int]:
        return await asyncio.gather(*(each_frame_in_turn("program", [fault], way) for way in Way for fault in FAULTS))

    assert min(play(scene())) >= AT_LEAST["program"]


@pytest.mark.requirement("P2")
def test_a_pump_that_forgets_numbers_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The account of a campaign can fail: an answer that is lost, a pump that starts anew, and the same press again."""
    monkeypatch.setattr(Ledger, "first_outcome", lambda self, request: NEW)
    monkeypatch.setattr(Ledger, "lockout_left", lambda self, lockout_s, now_s: 0)

    async def scene() -> None:
        async with Campaign(HASTY, lambda _: Planned()) as c:
            link = c.desk[T].link
            assert await read(c)
            status, *answers = ((Way.TO_CALLER, number) for number in range(1, 10))
            link.plan = Planned(dict.fromkeys(answers, Fault(Kind.DROP)))
            assert not await press(c), f"only {status} was answered"
            link.plan = Planned()
            await c.implant.wait(2 * BOLUS[1])
            await c.implant.wake_up(1)
            c.judge()
            await press(c)
            with pytest.raises(AssertionError, match=r"twice|more than one"):
                c.judge()

    play(scene())


# All at once, by seed

PATIENT_ENOUGH = Patience(first_s=0.2, spread=1.2, repeats=6)
SHARES = (0.0, 0.05, 0.3, 0.7)
TEARS = list(Tear)


class Mishaps:
    """One pump and its people by one seed: what they do, what befalls it, and the account of it."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.chance = Random(seed)  # noqa: S311 - chance to be repeated, not a secret
        self.path = folder / f"ledger-{seed}"
        self.seed = seed
        self.happened: Counter[str] = Counter()
        self.given_up = 0
        self.not_known: set[tuple[Role, int]] = set()  # commands that were not known for a while

    async def go(self, exchanges: int) -> Campaign:
        """Let at least so many exchanges happen, and compare; what is not known at the end is found out."""
        ledger = SqliteLedger(self.path)
        c = Campaign(HASTY, lambda _: None, ledger)
        async with c:
            while c.exchanges < exchanges:
                await self.something(c)
                await c.implant.awake()
                c.judge()
                self.not_known |= {(p.role, p.command) for p in c.ledger.pending("B-1")}
            for role in ROLES:
                self.spoil(c, role, 0)
                c.patience = PATIENT_ENOUGH
                await c.desk[role].restart()
            await c.the_end()
            for role in ROLES:
                for p in c.ledger.pending("B-1"):
                    if p.role is role:
                        c.session(role).give_up(p.command)
                        self.given_up += 1
            c.judge()
        return c

    def spoil(self, c: Campaign, role: Role, share: float) -> None:
        c.desk[role].link.plan = Seeded(self.chance.randrange(1 << 30), share)

    async def something(self, c: Campaign) -> None:
        """Somebody does something on a path of some quality, or something befalls pump or client."""
        act, role = self.chance.choices([one for one, _ in DEEDS], [weight for _, weight in DEEDS])[0]
        share = self.chance.choice(SHARES)
        self.spoil(c, role, share)
        if self.chance.random() < 0.12:
            c.implant.pump.disk.cut(self.chance.randint(1, 8), self.chance.choice(TEARS), self.chance.randrange(200))
        await c.implant.wait(self.chance.choice((1, 20, 70, 130, 400, 1000)))
        doing = asyncio.ensure_future(act(c))
        if self.chance.random() < 0.05:
            await self.client_dies(c, role, doing)
        elif self.chance.random() < 0.05:
            await asyncio.sleep(self.chance.random() * 0.03)
            await self.pump_dies(c)
        with suppress(asyncio.CancelledError):
            await doing
        if self.chance.random() < 0.1:
            await self.old_frame(c, role)
        c.implant.pump.disk.calm()

    async def client_dies(self, c: Campaign, role: Role, doing: asyncio.Future[bool]) -> None:
        """At any instant; what it wrote down is what it finds."""
        self.happened["client started anew"] += 1
        await asyncio.sleep(self.chance.random() * 0.05)
        doing.cancel()
        with suppress(asyncio.CancelledError):
            await doing
        c.reopen(SqliteLedger(self.path))
        for each in ROLES:
            await c.desk[each].restart()

    async def pump_dies(self, c: Campaign) -> None:
        if c.implant.pump.powered():
            await c.implant.wake_up(self.chance.choice((1, 30, 3000)))

    async def old_frame(self, c: Campaign, role: Role) -> None:
        """A frame from before comes again, as it was or with a bit turned over."""
        frames = c.desk[role].link.frames(Way.TO_PUMP)
        if not frames:
            return
        self.happened["old frame again"] += 1
        frame = bytearray(self.chance.choice(frames[-80:]))
        if self.chance.random() < 0.3:
            frame[self.chance.randrange(len(frame))] ^= 1 << self.chance.randrange(8)
        await c.desk[role].replay(bytes(frame))


async def resolve(c: Campaign) -> bool:
    await c.session(P).resolve()
    return True


async def resolve_for_the_patient(c: Campaign) -> bool:
    await c.session(T).resolve()
    return True


async def resolve_for_the_card(c: Campaign) -> bool:
    await c.session(C).resolve()
    return True


DEEDS: list[tuple[tuple[Callable[[Campaign], Awaitable[bool]], Role], int]] = [
    ((read, P), 6),
    ((interrogate, P), 2),
    ((change_program, P), 4),
    ((press, T), 8),
    ((single, P), 6),
    ((refill, P), 2),
    ((stop, P), 1),
    ((stop_with_the_card, C), 1),
    ((start, P), 5),
    ((resolve, P), 5),
    ((resolve_for_the_patient, T), 2),
    ((resolve_for_the_card, C), 1),
]


async def all_at_once(folder: Path, seeds: Sequence[int], exchanges: int) -> str:
    """So many pumps beside one another, each with its share of the exchanges; the account of all."""
    mishaps = [Mishaps(seed, folder) for seed in seeds]
    ended = await asyncio.gather(*(one.go(exchanges) for one in mishaps))
    faults: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    happened: Counter[str] = Counter()
    for one, c in zip(mishaps, ended, strict=True):
        faults.update(fault.kind.value for desk in c.desk.values() for fault in desk.link.hit)
        outcomes.update(p.outcome.value for p in c.ledger.history("B-1"))
        happened.update(one.happened)
        happened["power lost"] += c.implant.boots
        happened["of them within a write"] += c.implant.torn
    twice = sum(n > 1 for c in ended for n in c.implant.granted.times.values())
    strokes = sum(len(c.implant.pump.strokes) for c in ended)
    unresolved = outcomes[Outcome.NOT_KNOWN.value]
    wrong = sum(digest_of(c.implant.pump.c.program) not in c.digests for c in ended)
    return (
        f"\n{sum(c.exchanges for c in ended):,} exchanges with {len(seeds)} pumps, {sum(faults.values()):,} frames hit"
        f": {dict(faults.most_common())}; {dict(happened)}; {sum(outcomes.values()):,} commands: "
        f"{dict(outcomes.most_common())}, {sum(len(one.not_known) for one in mishaps)} of them not known for a while; "
        f"{sum(c.implant.granted.paths['confirm'] for c in ended)} changes of program; "
        f"{strokes:,} strokes; double doses {twice}, wrong programs {wrong}, unresolved {unresolved}, "
        f"given up {sum(one.given_up for one in mishaps)}\n"
    )


NOTHING_WRONG = "double doses 0, wrong programs 0, unresolved 0"


@pytest.mark.requirement("P2", "P4", "P6", "P7", "P10")
def test_all_faults_at_once_for_a_short_while(tmp_path: Path) -> None:
    assert NOTHING_WRONG in play(all_at_once(tmp_path, (1, 2), 60))


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.requirement("P2", "P4", "P6", "P7", "P10")
def test_all_faults_at_once_over_ten_thousand_exchanges(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = play(all_at_once(tmp_path, range(100, 120), 500))
    with capsys.disabled():
        sys.stdout.write(said)
    assert NOTHING_WRONG in said
