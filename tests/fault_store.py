"""Faults of durable memory and of power, for every test that needs a pump to fail at a known write.

``FaultStore`` is a store whose power fails at the n-th write (before it, torn within it, after it), that loses writes
it has reported, and whose bits flip. ``Life`` is one pump over many boots in true time: uptime stops with the power,
true time does not, and what was promised is checked against the strokes that really left the pump.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from hashlib import sha256
from struct import unpack_from
from typing import TYPE_CHECKING

from tests.core_world import Recorder, Stroke, broken_windows, hardware, packed, program

from thecal.pump.core import alarms as al
from thecal.pump.core import codes, record
from thecal.pump.core.commands import Commands
from thecal.pump.core.log import Log
from thecal.pump.core.record import STATE, Keeper, Store

if TYPE_CHECKING:
    from thecal.pump.core.controller import Controller
    from thecal.pump.core.program import Program

TEARS = BEFORE, OVERWRITTEN, TRUNCATED, AFTER = ("before", "overwritten", "truncated", "after")


class PowerCut(Exception):  # noqa: N818 - an event of the world, not an error of the program
    """The power is gone: nothing that was only in working memory exists any more."""


class FaultStore(Store):
    """A store with faults that are asked for by name. Writes are counted from 1."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0
        self.cut_at = 0  # the power fails at this write; 0: never
        self.tear = BEFORE
        self.torn_bytes = 0
        self.lost: set[int] = set()  # writes that are reported as done and are not

    def write(self, area: int, data: bytearray) -> None:
        self.writes += 1
        cut = self.writes == self.cut_at
        if cut and self.tear == OVERWRITTEN:
            self.areas[area] = bytes(data[: self.torn_bytes]) + self.areas[area][self.torn_bytes :]
        elif cut and self.tear == TRUNCATED:
            self.areas[area] = bytes(data[: self.torn_bytes])
        elif not (cut and self.tear == BEFORE) and self.writes not in self.lost:
            self.areas[area] = bytes(data)
        if cut:
            raise PowerCut

    def cut(self, writes_from_now: int, tear: str, torn_bytes: int = 0) -> None:
        """Let the power fail at a write to come (1 is the next one)."""
        self.cut_at = self.writes + writes_from_now
        self.tear = tear
        self.torn_bytes = torn_bytes

    def flip(self, area: int, byte: int, bit: int = 0) -> None:
        """Turn one bit of an area over."""
        held = bytearray(self.areas[area])
        held[byte % len(held)] ^= 1 << bit
        self.areas[area] = bytes(held)

    def copy(self) -> FaultStore:
        """Another store that holds the same."""
        other = FaultStore()
        other.areas = list(self.areas)
        return other


def kept_number(kept: bytes, name: str) -> int:
    """A whole number of the controller as a state record holds it."""
    at = record.HEAD + 8 * record.NUMBERS[0].split().index(name)
    value: int = unpack_from("<q", kept, at)[0]
    return value


@dataclass
class ReservedRecorder(Recorder):
    """A recorder that turns only for strokes that both copies in durable memory already count as delivered."""

    store: Store = field(default_factory=Store)
    commanded: int = 0
    requests: Counter[int] = field(default_factory=Counter)
    request: int = 0

    def turn(self, t0_s: int, t1_s: int, acc: int, rate: int, unit: int, strokes: int) -> int:
        assert self.controller is not None
        copies = [self.store.read(area) for area in STATE]
        assert copies[0] == copies[1], "delivered before both copies were written"
        self.commanded += strokes
        assert self.commanded <= kept_number(copies[0], "reserved"), "delivered beyond the reservation"
        if self.controller.b_kind == codes.PATIENT and unit == self.controller.b_s:
            self.requests[self.request] += strokes
        return super().turn(t0_s, t1_s, acc, rate, unit, strokes)


@dataclass(frozen=True)
class Grant:
    """A patient bolus that was granted: true time, request, size, and the lockout and count of its program."""

    at_s: int
    request: int
    strokes: int
    lockout_s: int
    most: int


def digest_of(p: Program) -> bytes:
    return sha256(packed(p)).digest()


class Life:
    """One pump from its first boot on, in true time, with everything that really happened."""

    def __init__(self, store: FaultStore | None = None) -> None:
        self.store = store or FaultStore()
        self.off_s = 0  # true time less uptime
        self.strokes: list[Stroke] = []  # of former boots, in true time
        self.requests: Counter[int] = Counter()
        self.grants: list[Grant] = []
        self.filled_nl = 0
        self.at_fill = 0
        self.digests: set[bytes] = set()  # the program that must run, or, while another is committed, either
        self.boot()

    def boot(self) -> None:
        """Wake the pump from its store."""
        self.motor = ReservedRecorder(store=self.store)
        self.keeper = Keeper(self.store)
        self.c: Controller = self.keeper.wake(hardware(), self.motor, Log(64))
        self.motor.controller = self.c
        self.motor.commanded = self.c.commanded
        self.k = Commands(self.c)

    def true_s(self) -> int:
        return self.c.t + self.off_s

    def all_strokes(self) -> list[Stroke]:
        return self.strokes + [replace(s, t=s.t + self.off_s) for s in self.motor.strokes]

    def power_cut(self, dark_s: int) -> None:
        """Lose working memory, stay dark, wake; what must hold then is checked."""
        now = self.true_s()
        self.strokes = self.all_strokes()
        self.requests += self.motor.requests
        self.boot()
        before = self.off_s
        self.off_s = now + dark_s - self.c.t
        assert self.off_s >= before, "uptime ran ahead of true time"
        self.check()

    def check(self) -> None:
        """What the pump believes is never better than what is true."""
        assert self.c.strokes >= self.delivered()
        assert self.c.level_nl <= self.content_nl()
        assert not self.c.alarms.on(al.MEMORY_CRITICAL)
        if self.c.loaded:
            assert digest_of(self.c.program) in self.digests
            assert self.c.window.limit_fg[0] == self.c.program.ceiling_1h_ng[0] * 10**6
            assert self.c.monitor.limit_fg[8] == self.c.program.ceiling_24h_ng[0] * 10**6
        else:
            assert self.c.program.number == 0

    def delivered(self) -> int:
        return sum(s.n for s in self.strokes) + sum(s.n for s in self.motor.strokes)

    def content_nl(self) -> int:
        """What the reservoir truly holds."""
        return self.filled_nl - (self.delivered() - self.at_fill) * 250

    # Acts; each may end in PowerCut, and may then be asked for again.

    def settle(self) -> None:
        self.keeper.settle(self.c)

    def wait_until(self, true_s: int) -> None:
        while self.true_s() < true_s:
            self.c.run(true_s - self.off_s)
            self.settle()

    def load(self, p: Program) -> int:
        """Program the pump, unless it runs this program already."""
        wanted = digest_of(p)
        if self.c.loaded and digest_of(self.c.program) == wanted:
            self.digests = {wanted}
            return codes.GRANTED
        answer = self.k.propose(packed(p)) or self.k.confirm(self.k.staged_digest())
        if answer == codes.GRANTED:
            self.digests.add(wanted)
        self.settle()
        if answer == codes.GRANTED:
            self.digests = {wanted}
        return answer

    def press(self, request: int) -> int:
        answer = self.k.bolus(request)
        if answer == codes.GRANTED:
            p = self.c.program
            assert (self.requests + self.motor.requests)[request] == 0, "one request delivered, and granted again"
            self.grants.append(Grant(self.true_s(), request, self.c.b_n, p.lockout_s, p.bolus_most))
            self.motor.request = request
        self.settle()
        return answer

    def refill(self, level_nl: int) -> int:
        answer = self.k.refill(level_nl)
        self.filled_nl = level_nl
        self.at_fill = self.delivered()
        self.settle()
        return answer

    def single(self, strokes: int, seconds: int) -> int:
        answer = self.k.single(strokes, seconds)
        self.settle()
        return answer

    def prime(self, catheter_state: int, volume_nl: int, dead_nl: int) -> int:
        answer = self.k.prime(catheter_state, volume_nl, dead_nl, near_field=True)
        self.settle()
        return answer

    def start(self) -> int:
        answer = self.k.start(1)
        self.settle()
        return answer

    def stop(self) -> int:
        answer = self.k.stop(1)
        self.settle()
        return answer

    def clear(self, alarm: int) -> int:
        answer = self.k.clear(alarm)
        self.settle()
        return answer

    def acknowledge(self, alarm: int) -> int:
        answer = self.k.acknowledge(alarm)
        self.settle()
        return answer

    # What must have been true all along

    def judge(self, dead_strokes: int = 0) -> None:
        """The promises over the whole life, from true strokes alone."""
        self.check()
        strokes = self.all_strokes()
        assert broken_windows(strokes) == []
        assert sum(s.n for s in strokes if s.free) <= dead_strokes
        given = self.requests + self.motor.requests
        # A request whose grant was lost with the power may be granted again: its last grant is the one that delivered.
        last = {g.request: g for g in self.grants}
        real = sorted((g for g in last.values() if given[g.request]), key=lambda g: g.at_s)
        assert set(given) <= set(last)
        for i, g in enumerate(real):
            assert given[g.request] <= g.strokes
            assert i == 0 or g.at_s - real[i - 1].at_s >= g.lockout_s
            assert sum(1 for e in real[: i + 1] if e.at_s > g.at_s - codes.DAY_S) <= g.most


# A pump for the tests of memory and power

DEAD_NL = 10_000
DEAD_STROKES = 40


def per(strokes: int, strength: int) -> int:
    """A ceiling in ng that allows this many strokes."""
    return strokes * 250 * strength // 10**6


def tight(
    number: int,
    strengths: tuple[int, ...],
    rates: tuple[tuple[int, int], ...],
    bridge: tuple[int, int, int] | None = None,
    per_day: int = 2600,
) -> Program:
    """A program whose ceilings leave little over its base: what is forgotten would be seen."""
    return program(
        number,
        rates,
        strengths=strengths,
        per_1h=[per(260, s) for s in strengths],
        per_24h=[per(per_day, s) for s in strengths],
        bolus=(40, 600, 3600, 4),
        bridge=bridge,
    )


FIRST = tight(1, (5_000_000, 2_000_000), ((0, 20_000_000), (7200, 40_000_000), (14_400, 10_000_000)), per_day=1600)


def factory_new() -> Life:
    """A pump that was settled once, before anything happened to it."""
    life = Life()
    life.settle()
    return life


def running(number: int = 1) -> Life:
    life = factory_new()
    life.refill(18_000_000)
    life.load(tight(number, (5_000_000,), ((0, 20_000_000),)))
    life.start()
    life.wait_until(5000)
    return life


def events(c: Controller) -> list[tuple[int, int, int]]:
    """Event, a and b of every record that is still here."""
    c.log.seal()
    rows = [c.log.record(i) for i in range(max(1, c.log.oldest()), c.log.sealed + 1)]
    return [(r[3], r[4], r[5]) for r in (tuple(unpack_from("<IIIIqq", raw)) for raw in rows if raw)]
