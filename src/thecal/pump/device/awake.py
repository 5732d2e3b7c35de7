"""A pump with power: what is made anew at every waking, from memory alone, and ends with the power."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.pump.core import alarms as al
from thecal.pump.core.codes import DAY_S, NEVER
from thecal.pump.core.commands import Commands
from thecal.pump.core.log import Log
from thecal.pump.core.program import RECORD_SIZE
from thecal.pump.core.record import Keeper
from thecal.pump.device.buzzer import Buzzer
from thecal.pump.device.history import History
from thecal.pump.device.identity import Identity, hardware, refuse_existing, write_identity
from thecal.pump.device.memory import DOCUMENT, PROGRAM, STATE, CoreStore
from thecal.pump.device.oscillator import Oscillator
from thecal.pump.device.world import World

if TYPE_CHECKING:
    from thecal.pump.device.memory import Disk

POLL_S = 60
"""How often feedback is read while nothing is commanded, in s of uptime."""


def make(disk: Disk, identity: Identity) -> None:
    """Make a factory-new pump; IdentityError where one is there already, or where memory does not hold it.

    The identity comes last: a pump whose making was cut short is none, and can be made again.
    """
    refuse_existing(disk)
    for area in (*PROGRAM, *DOCUMENT, *STATE):
        disk.erase(area)
    world = World(identity, disk)
    keeper = Keeper(CoreStore(disk, new=True))
    keeper.settle(keeper.wake(hardware(identity.constants()), world.motor, Log(1)))
    world.save()
    write_identity(disk, identity)


class Awake:
    """The core of a pump that has power, its memory, its clock and its buzzer. Times are uptime in s."""

    def __init__(self, disk: Disk, world: World, identity: Identity) -> None:
        self._world = world
        self.history = History(disk)
        self.keeper = Keeper(CoreStore(disk))
        self._hw = hardware(identity.constants())
        self._hw.replace_soon_s = world.battery.replace_soon_s()
        self._hw.end_of_service_s = world.battery.end_of_service_s()
        c = self.c = self.keeper.wake(self._hw, world.motor, self.history.log)
        c.alarms.unread = world.field.unread > 0
        self.commands = Commands(c)
        self.buzzer = Buzzer(identity.kind())
        self.oscillator = Oscillator(world.now_s, c.t)
        self.oscillator.drift(world.now_s, world.ppm)
        world.motor.controller = c
        world.motor.oscillator = self.oscillator
        self.next_poll_s = _after(c.t, POLL_S)
        self.next_check_s = _after(c.t, DAY_S)
        if not self.history.verify():
            c.issue(al.MEMORY_MINOR)

    def measure_battery(self) -> None:
        """Set the dates of replacement and end by what the battery has left."""
        c, battery = self.c, self._world.battery
        battery.measure(c.t, c.commanded)
        self._hw.replace_soon_s = battery.replace_soon_s()
        self._hw.end_of_service_s = battery.end_of_service_s()
        c.check()
        c.plan()

    def due_s(self) -> int:
        """The uptime at which something next happens that is more than even delivery."""
        due = min(self.c.due(), self.next_check_s, self._stroke_due_s(), self.buzzer.next_s())
        return min(due, self.next_poll_s) if self._world.motor.doubtful() else due

    def _stroke_due_s(self) -> int:
        """The uptime, or one before it, of the next stroke that leads to more than being counted."""
        c = self.c
        n = c.reserved - c.commanded + 1  # this one must be written down first
        n = min(n, c.low_strokes() or n, max(1, c.usable_strokes() - 1))
        if self._world.motor.doubtful() or c.held or c.failed_row or c.alarms.on(al.STALL):
            n = 1
        base_s, bolus_s = NEVER, NEVER
        if c.b_kind:
            n = max(1, n - (c.b_n - c.b_done))  # as if the whole bolus came before
            bolus_s = c.b_t0 - (-(c.b_done + 1) * c.b_s // c.b_n)
        if c.rate:
            base_s = c.t - (-(n * c.unit - c.acc) // c.rate)
        return min(base_s, bolus_s) if n == 1 else base_s

    def plan_poll(self) -> None:
        """Set when feedback is read next, where that time has passed."""
        if self.next_poll_s <= self.c.t:
            self.next_poll_s = _after(self.c.t, POLL_S)

    def test_memory(self) -> None:
        """Once a day: whether memory still holds the running program, while working memory can mend it.

        A state needs no such look: it is written anew every hour at least.
        """
        self.next_check_s = _after(self.c.t, DAY_S)
        keeper, c = self.keeper, self.c
        if not c.loaded:
            return
        packed = bytearray(RECORD_SIZE)
        c.program.pack(packed)
        if not keeper.store.holds(keeper.saved_area, packed):
            keeper.saved_number = 0  # the next settling writes it beside the damaged one, and the state names that
            c.issue(al.MEMORY_MINOR)
            c.dirty = True

    def settle(self) -> None:
        """Make everything durable: what is true, the log, and only then the state that counts it."""
        c = self.c
        self._world.save()
        c.dirty = True
        while c.dirty:  # an alarm about memory is something to write down too; each is issued once
            if not self.history.flush():
                c.issue(al.MEMORY_MINOR)
                self.history.flush()
            self.keeper.settle(c)
        self.sound()

    def sound(self) -> None:
        """Let the buzzer know of the time and of the alarms."""
        self.buzzer.update(self.c.t, self.c.alarms)


def _after(uptime_s: int, every_s: int) -> int:
    """The next whole multiple of ``every_s`` after ``uptime_s``."""
    return uptime_s - uptime_s % every_s + every_s
