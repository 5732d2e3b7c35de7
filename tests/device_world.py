"""A whole virtual pump for tests: on a disk that can fail, with people and a link around it, in true time.

``Pump`` asks a device as the link would: it lets time pass, asks, settles, and only then hears the answer; a command
that was numbered is done once. Every stroke that left the pump is kept in true time, over every loss of power.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from struct import unpack
from typing import TYPE_CHECKING

from tests.core_world import Stroke, packed, program

from thecal.pump.core import alarms as al
from thecal.pump.core import codes
from thecal.pump.core.ledger import NEW
from thecal.pump.core.log import RECORD, SIZE
from thecal.pump.device import Device, Fault, FaultKind, FaultyDisk, Identity, RamDisk, make
from thecal.pump.device.reservoir import Stroke as Why
from thecal.pump.families import Calibration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from thecal.pump.core.controller import Controller
    from thecal.pump.core.program import Program
    from thecal.pump.device import Disk

BENCH = Identity("bench-20", "B-1", Calibration())
PERISTALTIC = Identity("peristaltic-20", "P-1", Calibration())
VALVE = Identity("valve-20", "V-1", Calibration())

STROKE_NL = 250
RATE = 20_000_000  # pL/h: 80 strokes an hour
HOUR, DAY = codes.HOUR_S, codes.DAY_S
SEAT = 0


def order(
    number: int = 1,
    rates: Sequence[tuple[int, int]] = ((0, RATE),),
    *,
    responses: Sequence[int] = (0, 2, 2, 0, 0, 2),
    fallback: int = 0,
    bolus: tuple[int, int, int, int] | None = (40, 600, 3600, 6),
    strengths: Sequence[int] = (5_000_000,),
    per_24h: Sequence[int] | None = None,
    bridge: tuple[int, int, int] | None = None,
    document: bytes = b"",
) -> Program:
    """A program for a pump of 250 nL a stroke; ``responses`` as in core_world.program."""
    p = program(
        number,
        rates,
        strengths=strengths,
        per_24h=per_24h,
        bolus=bolus,
        bridge=bridge,
        responses=responses,
        fallback=fallback,
    )
    p.max_rate_pl_per_h = 900_000_000
    if document:
        p.order_digest[:] = sha256(document).digest()
    return p


def digest_of(p: Program) -> bytes:
    return sha256(packed(p)).digest()


@dataclass
class Pump:
    """One pump over all its boots, with what really happened."""

    device: Device
    disk: FaultyDisk
    strokes: list[Stroke] = field(default_factory=list)
    presses: Counter[int] = field(default_factory=Counter)
    """Strokes of patient boluses, by the request that was granted last."""
    request: int = 0
    off_s: int = 0
    seen: dict[int, bytes] = field(default_factory=dict)
    """Every record of the log that was ever read, by number."""

    def __post_init__(self) -> None:
        self.watch()

    def watch(self) -> None:
        """Keep strokes in true time from this waking on."""
        self.off_s = self.device.now_s - self.device.controller.t
        self.device.watch(self._saw)

    def _saw(self, t0_s: int, t1_s: int, acc: int, rate: int, unit: int, strokes: int, why: Why) -> None:
        c = self.device.controller
        p = c.program
        charge = tuple(p.strength_ng_per_ml[i] * p.stroke_nl if i < p.n_channels else 0 for i in range(8))
        limits = tuple((p.ceiling_1h_ng[i] * 10**6, p.ceiling_24h_ng[i] * 10**6) for i in range(p.n_channels))
        for k in range(1, strokes + 1):
            t = t0_s + -(-(k * unit - acc) // rate)
            assert t0_s < t <= t1_s
            self.strokes.append(Stroke(t + self.off_s, 1, charge, limits, why == Why.PRIME))
        if why == Why.PATIENT:
            self.presses[self.request] += strokes

    # Time and power

    def powered(self) -> bool:
        return self.device.powered

    @property
    def c(self) -> Controller:
        return self.device.controller

    def wait(self, seconds: int) -> None:
        self.device.advance(self.device.now_s + seconds)

    def wait_until(self, true_s: int) -> None:
        self.device.advance(max(true_s, self.device.now_s))

    def reboot(self, dark_s: int = 0) -> None:
        """Lose power now and have it back after a dark time."""
        self.device.cut_power()
        self.device.boot(self.device.now_s + dark_s)
        self.watch()
        self.check()

    def restart(self, dark_s: int = 0) -> None:
        """The process dies; another one finds what is on disk."""
        at_s = self.device.now_s
        self.disk.power_cut()
        self.device = Device(self.disk, at_s + dark_s)
        self.watch()

    def inject(self, kind: FaultKind, after_s: int = 1, lasts_s: int = 0, amount: int = 0) -> None:
        """A fault that begins in some seconds from now (1: with the next one)."""
        at_s = self.device.now_s + after_s
        self.device.inject(Fault(kind, at_s, at_s + lasts_s, amount))

    # What people and the link do

    def command(self, number: int, act: Callable[[], int]) -> int:
        """Do a numbered command once, as the one who answers for a pump does; the answer is the first outcome."""
        ledger = self.c.ledger
        known = ledger.seat_outcome(SEAT, number)
        if known != NEW:
            return known if known >= 0 else codes.STALE_ID
        answer = act()
        ledger.seat_remember(SEAT, number, answer, self.device.commands.wait_s, self.c.t)
        self.c.dirty = True
        self.device.settle()
        return answer

    def fill(self, volume_nl: int = 18_000_000) -> int:
        """Empty the reservoir, fill it, and tell the pump."""
        self.device.draw()
        self.device.fill(volume_nl)
        answer = self.device.commands.refill(volume_nl)
        self.device.settle()
        return answer

    def load(self, p: Program) -> int:
        k = self.device.commands
        answer = k.propose(packed(p)) or k.confirm(k.staged_digest())
        self.device.settle()
        return answer

    def start(self) -> int:
        answer = self.device.commands.start(1)
        self.device.settle()
        return answer

    def stop(self) -> int:
        answer = self.device.commands.stop(1)
        self.device.settle()
        return answer

    def press(self, request: int) -> int:
        answer = self.device.commands.bolus(request)
        if answer == codes.GRANTED:
            assert self.presses[request] == 0, "one request delivered, and granted again"
            self.request = request
        self.device.settle()
        return answer

    def clear(self, alarm: int) -> int:
        answer = self.device.commands.clear(alarm)
        self.device.settle()
        return answer

    # What is to be seen

    def alarms(self) -> set[int]:
        """Every alarm that is active."""
        return {alarm for alarm in range(al.N_ALARMS) if self.c.alarms.on(alarm)}

    def events(self) -> list[tuple[int, int, int, int]]:
        """Uptime, event, a and b of every record that is held; the chain is followed as a reader would."""
        self.device.settle()
        log = self.c.log
        first = log.oldest()
        if first == 0:
            return []
        digest, found = b"", b""
        while first <= log.sealed:
            records, before = self.device.log_piece(first, 24)
            assert len(before) == 32
            assert digest in {b"", before}, "two pieces of the log do not fit"
            digest = before
            for at in range(0, len(records), SIZE):
                digest = sha256(digest + records[at : at + SIZE]).digest()
            found += records
            first += len(records) // SIZE
        assert digest == bytes(log.digest), "the chain of the log does not verify"
        rows = []
        for at in range(0, len(found), SIZE):
            record = found[at : at + SIZE]
            number, up_s, _, event, a, b = unpack(RECORD, record)
            assert self.seen.setdefault(number, record) == record, "a record was changed"
            rows.append((up_s, event, a, b))
        return rows

    def happened(self, event: int) -> list[tuple[int, int]]:
        """``a`` and ``b`` of every record of an event."""
        return [(a, b) for _, e, a, b in self.events() if e == event]

    def check(self) -> None:
        """Nothing is lost: where its fluid is, and that the pump never believes in less than what left it."""
        true = self.device.truth()
        parts = (true.reservoir_nl, true.delivered_nl, true.pocket_nl, true.tubing_nl, true.drawn_nl)
        assert 0 <= true.filled_nl - sum(parts) < len(parts)
        assert true.believed is not None
        assert true.believed.strokes >= true.turned


def new(identity: Identity = BENCH, inner: Disk | None = None, true_s: int = 0) -> Pump:
    """A factory-new pump that was woken at ``true_s``."""
    disk = FaultyDisk(inner or RamDisk())
    make(disk, identity)
    return Pump(Device(disk, true_s), disk)


def running(p: Program | None = None, identity: Identity = BENCH, inner: Disk | None = None, true_s: int = 0) -> Pump:
    """A filled pump that delivers, and has done so for more than an hour."""
    pump = new(identity, inner, true_s)
    assert pump.fill() == codes.GRANTED
    assert pump.load(p or order()) == codes.GRANTED
    assert pump.start() == codes.GRANTED
    pump.wait(5000)
    return pump
