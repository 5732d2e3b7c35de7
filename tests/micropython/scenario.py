"""Scenarios of the core in the language that CPython and MicroPython share; each prints everything it did.

Run as ``scenario.py <folder above core> <name> [step]``: the answers, the log in hex, every stroke in a sum,
and the digest of the log. Two interpreters, or leaping and stepping, must print the same bytes.
"""

# The core is a top-level package here, and annotations beyond the plain ones cannot be evaluated.
# mypy: ignore-errors

import sys

sys.path.insert(0, sys.argv[1])

from binascii import hexlify
from hashlib import sha256
from struct import pack

from core import codes as k
from core.commands import Commands
from core.hardware import Hardware, Motor
from core.log import Log
from core.program import RECORD_SIZE, Program
from core.record import Keeper, Store

STEP = len(sys.argv) > 3


class Counted(Motor):
    """A motor with planned stalls that keeps count of every stroke and its second."""

    def __init__(self) -> None:
        self.stalls = []
        self.n = 0
        self.total = 0

    def turn(self, t0_s, t1_s, acc, rate, unit, strokes):
        done = 0
        for i in range(1, strokes + 1):
            t = t0_s - (-(i * unit - acc) // rate)
            stalled = False
            for a, b in self.stalls:
                if a <= t < b:
                    stalled = True
            if not stalled:
                # A leap may call for two lanes in another order than steps do: the sum does not depend on order.
                self.n += 1
                done += 1
                h = sha256(pack("<I", t)).digest()
                self.total = (self.total + int.from_bytes(h[:7], "little")) % 0xFFFFFFFFFFFFFF
        return done

    def good_until(self, now_s):
        for a, b in self.stalls:
            if now_s < b:
                return a - 1 if now_s < a - 1 else now_s
        return k.NEVER


def program(number, steps, strengths, cycle_s=86400, bolus=40, bridge_pl=0):
    p = Program()
    p.number = number
    p.stroke_nl = 250
    p.n_channels = len(strengths)
    for i in range(len(strengths)):
        s = strengths[i]
        p.strength_ng_per_ml[i] = s
        p.ceiling_1h_ng[i] = 260 * 250 * s // 1000000
        p.ceiling_24h_ng[i] = 3000 * 250 * s // 1000000
    p.cycle_s = cycle_s
    p.n_steps = len(steps)
    for i in range(len(steps)):
        p.step_s[i] = steps[i][0]
        p.rate_pl_per_h[i] = steps[i][1]
    p.bolus_strokes = bolus
    p.bolus_s = 600
    p.lockout_s = 3600
    p.bolus_most = 6
    if bridge_pl:
        p.bridge_pl = bridge_pl
        p.bridge_rate_pl_per_h = 20000000
    p.fallback_pl_per_h = 3000000
    responses = (0, 1, 2, 0, 0, 2)
    for i in range(6):
        p.response[i] = responses[i]
    p.low_nl = 2000000
    p.max_rate_pl_per_h = 1000000000
    return p


DAY_STEPS = ((0, 20000000), (7200, 40000000), (14400, 10000000), (50000, 33333333))


class Scene:
    """A pump with a store, run by leaping or by stepping; every answer is printed."""

    def __init__(self, level_nl=18000000):
        self.store = Store()
        self.motor = Counted()
        self.boot()
        self.say("refill", self.k.refill(level_nl))
        self.keeper.settle(self.c)

    def boot(self) -> None:
        self.log = Log(40)
        self.keeper = Keeper(self.store)
        self.c = self.keeper.wake(Hardware(250, 20000000), self.motor, self.log)
        self.k = Commands(self.c)
        self.keeper.settle(self.c)
        self.shown = 0

    def say(self, what, answer):
        print(
            self.c.t, what, answer, self.k.wait_s, self.c.strokes, self.c.missed, self.c.level_nl, self.c.alarms.active
        )
        self.keeper.settle(self.c)

    def run(self, seconds):
        end = self.c.t + seconds
        while self.c.t < end:
            until = self.c.t + 1 if STEP else end
            if self.c.run(until) < until or self.c.dirty:
                self.keeper.settle(self.c)
            self.show()
        self.keeper.settle(self.c)

    def show(self) -> None:
        """Print the records that were sealed since the last time."""
        while self.shown < self.log.sealed:
            self.shown += 1
            raw = self.log.record(self.shown)
            if raw:
                print(hexlify(raw).decode())

    def load(self, p):
        b = bytearray(RECORD_SIZE)
        p.pack(b)
        self.say("propose", self.k.propose(b))
        d = self.k.staged_digest()
        print(hexlify(d).decode())
        self.say("confirm", self.k.confirm(d))

    def end(self) -> None:
        self.show()
        print(hexlify(self.log.digest).decode(), self.motor.n, self.motor.total, self.c.strokes, self.c.level_nl)


def day() -> None:
    """A mixture on a day schedule with boluses, refusals, a single, a prime and a stop."""
    s = Scene()
    s.load(program(1, DAY_STEPS, (5000000, 2000000, 100000)))
    s.say("start", s.k.start(1))
    s.say("prime", s.k.prime(1, 12000, 10000, True))
    s.run(3000)
    for i in range(30):
        s.say("bolus", s.k.bolus(i + 1))
        s.say("again", s.k.bolus(i + 1))
        s.run(1700 + 13 * i)
        if i == 7:
            s.say("single", s.k.single(25, 450))
            s.say("single", s.k.single(25, 450))
        if i == 12:
            s.say("stop", s.k.stop(2))
            s.run(777)
            s.say("start", s.k.start(2))
        if i == 20:
            s.say("clock", s.k.set_clock(3600))
    s.end()


def refusals() -> None:
    """Everything that is refused, with its reason and its time."""
    s = Scene()
    s.say("no program", s.k.start(1))
    s.say("no program", s.k.bolus(1))
    bad = program(1, DAY_STEPS, (5000000,))
    bad.cycle_s = 11
    s.load(bad)
    s.say("unknown", s.k.confirm(bytes(32)))
    s.load(program(1, DAY_STEPS, (5000000,)))
    s.say("stopped", s.k.bolus(2))
    s.say("start", s.k.start(1))
    s.say("not needed", s.k.start(1))
    s.say("value", s.k.bolus(0))
    s.say("bolus", s.k.bolus(3))
    s.say("stale", s.k.bolus(1 << 40))
    s.say("stale", s.k.bolus(4))
    s.say("prime", s.k.prime(1, 10000, 10000, True))
    s.say("near field", s.k.prime(1, 10000, 10000, False))
    s.say("single", s.k.single(0, 10))
    s.say("single", s.k.single(90000, 86400))
    s.say("refill", s.k.refill(-1))
    s.say("clock", s.k.set_clock(-1))
    s.say("clear", s.k.clear(3))
    s.say("ack", s.k.acknowledge(99))
    s.load(program(2, DAY_STEPS, (5000000,)))
    s.run(1000)
    s.load(program(1, DAY_STEPS, (5000000,)))
    over = program(3, ((0, 80000000),), (5000000,))
    s.load(over)
    s.end()


def restart() -> None:
    """Strengths change over a bridge, power is lost in between, memory is damaged once."""
    s = Scene()
    s.load(program(1, DAY_STEPS, (5000000, 2000000)))
    s.say("start", s.k.start(1))
    for i in range(12):
        s.run(4000)
        s.say("bolus", s.k.bolus(i + 1))
        s.run(100)
        if i % 3 == 1:
            s.show()
            s.boot()
            s.say("boot", s.c.boots)
            s.say("again", s.k.bolus(i + 1))
        if i == 6:
            s.run(900)
            s.say("refill", s.k.refill(19000000))
            s.load(program(3, DAY_STEPS, (4000000, 2500000), bridge_pl=30000000))
        if i == 9:
            held = bytearray(s.store.areas[0])
            held[500] ^= 4
            s.store.areas[0] = bytes(held)
            s.show()
            s.boot()
            s.say("damaged", s.c.boots)
    s.say("clear", s.k.clear(6))
    for area in (0, 1):
        print("state", len(s.store.areas[area]), hexlify(sha256(s.store.areas[area]).digest()).decode())
    s.store.areas[0] = b"1"
    s.store.areas[1] = b"2"
    s.show()
    s.boot()
    s.say("lost", s.c.boots)
    s.say("start", s.k.start(1))
    s.end()


def sweep() -> None:
    """Rates and cycles of many sizes, an almost empty reservoir and a stalling motor."""
    for cycle_s in (1350, 3600, 86400, 604800):
        for n in (1, 2, 5, 24):
            steps = []
            for i in range(n):
                steps.append((cycle_s * i // n, (i * 7919 * 4001 + n * 1234567) % 41000000))
            s = Scene(1500000 + n * 1000)
            s.motor.stalls = [(9000, 9000 + n * 500)]
            s.load(program(1, steps, (5000000, 900)[: 1 + n % 2], cycle_s))
            s.say("start", s.k.start(1))
            s.run(12000)
            s.say("bolus", s.k.bolus(n))
            s.run(30000)
            s.end()


SCENES = (("day", day), ("refusals", refusals), ("restart", restart), ("sweep", sweep))
for name, scene in SCENES:
    if name == sys.argv[2]:
        scene()
