"""20,000 steps of one second each under a locked heap, and how much heap the core needs; for MicroPython only.

Run as ``steps.py <folder above core> [path]``; where durable memory is to be used, its files begin with that path.
Prints what the code, a controller and its program hold in bytes; a step that allocates under the lock raises.
"""

# The core is a top-level package here, and annotations beyond the plain ones cannot be evaluated.
# mypy: ignore-errors

import gc
import os
import sys

import micropython

sys.path.insert(0, sys.argv[1])
gc.threshold(1024)  # compiling leaves gaps where a record no longer fits, unless swept

# Small modules first, with what compiling leaves behind let go: where heap is short, the largest source comes to an
# almost empty one.

gc.collect()

gc.collect()

gc.collect()

gc.collect()

gc.collect()
from core.commands import Commands  # noqa: E402
from core.controller import Controller  # noqa: E402
from core.hardware import Hardware, Motor  # noqa: E402
from core.log import Log  # noqa: E402
from core.program import RECORD_SIZE  # noqa: E402
from core.record import Keeper, Store  # noqa: E402

KEEPER = len(sys.argv) > 2
STEPS = 20000


def held(what):
    gc.collect()
    print(what, gc.mem_alloc())


class Flash(Store):
    """Durable memory outside the heap, as an implant has it: a file for each area, compared piece by piece."""

    def path(self, area):
        return sys.argv[2] + str(area)

    def write(self, area, data):
        f = open(self.path(area), "wb")  # noqa: SIM115
        f.write(data)
        f.close()

    def read(self, area):
        try:
            data = bytearray(os.stat(self.path(area))[6])
        except OSError:
            return b""
        f = open(self.path(area), "rb")  # noqa: SIM115
        f.readinto(data)
        f.close()
        return data

    def holds(self, area, data):
        f = open(self.path(area), "rb")  # noqa: SIM115
        same = True
        for at in range(0, len(data) + 1, 256):
            if f.read(256) != data[at : at + 256]:
                same = False
        f.close()
        return same


class Guarded:
    """Durable memory where it is asked for, and nothing where it is not."""

    def __init__(self) -> None:
        self.keeper = Keeper(Flash()) if KEEPER else None

    def controller(self):
        hw = Hardware(250, 20000000)
        if self.keeper:
            return self.keeper.wake(hw, Motor(), Log(16))
        return Controller(hw, Motor(), Log(16))

    def settle(self, c):
        if self.keeper:
            self.keeper.settle(c)
        else:
            c.log.seal()


def fill(p):
    """24 steps a day at 0.5 mL, three channels, a patient bolus."""
    p.number = 1
    p.stroke_nl = 250
    p.n_channels = 3
    strengths = (5000000, 2000000, 100000)
    for i in range(3):
        s = strengths[i]
        p.strength_ng_per_ml[i] = s
        p.ceiling_24h_ng[i] = 1100 * s // 1000
        p.ceiling_1h_ng[i] = p.ceiling_24h_ng[i] // 6
    p.n_steps = 24
    for i in range(24):
        p.step_s[i] = i * 600
        p.rate_pl_per_h[i] = 500000 * 1000 // 24 * (10 + i % 5) // 12
    p.cycle_s = 14400
    p.bolus_strokes = 80
    p.bolus_s = 900
    p.lockout_s = 7200
    p.bolus_most = 6
    p.max_rate_pl_per_h = 1000000000
    p.low_nl = 2000000
    responses = (0, 2, 2, 0, 0, 2)
    for i in range(6):
        p.response[i] = responses[i]


held("code")
g = Guarded()
c = g.controller()
cmd = Commands(c)
held("with a controller")
fill(c.staged)
b = bytearray(RECORD_SIZE)
c.staged.pack(b)
assert cmd.refill(20000000) == 0
assert cmd.propose(b) == 0
assert cmd.confirm(cmd.staged_digest()) == 0
assert cmd.start(1) == 0
g.settle(c)
c.total_s = 5000  # the day's totals fall into the steps
c.plan()
assert cmd.bolus(1) == 0
g.settle(c)
assert c.b_kind == 1
held("with a program")


def step(until):
    """One second at a time, until ``until`` or until durable memory must be written."""
    while c.t < until:
        t = c.t + 1
        if c.run(t) < t:
            return


c.run(c.t + 1)
first = c.t
end = first + STEPS
locked = before = after = begin = 0
while c.t < end:
    begin = c.t
    gc.collect()
    before = gc.mem_alloc()
    micropython.heap_lock()
    step(end)
    micropython.heap_unlock()
    after = gc.mem_alloc()
    assert after == before, "the steps allocated"
    locked += c.t - begin
    if c.t < end:
        assert KEEPER
        g.settle(c)
assert locked == STEPS
assert c.b_kind == 0
assert c.total_s > 5000
print("steps", locked, "strokes", c.strokes, "records", c.log.count())
g.settle(c)
# A later day with another bolus, everything through durable memory.
while c.t < 2 * 86400:
    if c.run(2 * 86400) < 2 * 86400:
        g.settle(c)
assert cmd.bolus(2) == 0
g.settle(c)
if g.keeper:
    k = Keeper(g.keeper.store)
    g.keeper = c = cmd = None  # power was lost: of the old controller nothing is left
    gc.collect()
    c = k.wake(Hardware(250, 20000000), Motor(), Log(16))
    k.settle(c)
    assert c.boots == 1
held("in the end")
