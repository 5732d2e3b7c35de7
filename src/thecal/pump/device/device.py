"""A virtual pump as a thing of its own: the core with durable memory, and the hardware and people around it.

In come true time, faults, and what the link asks; out come strokes. It keeps delivering whatever happens to whoever
asks, and whatever is cut off it wakes from its memory alone.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from thecal.pump.core import alarms as al
from thecal.pump.core.codes import MAX_TIME_S
from thecal.pump.device.awake import Awake
from thecal.pump.device.documents import Documents
from thecal.pump.device.faults import Fault, FaultKind
from thecal.pump.device.faulty_memory import FaultyDisk, PowerCut
from thecal.pump.device.identity import read_identity
from thecal.pump.device.memory import PROGRAM, STATE
from thecal.pump.device.reservoir import FL_PER_NL
from thecal.pump.device.truth import Believed, Truth
from thecal.pump.device.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from thecal.pump.core.commands import Commands
    from thecal.pump.core.controller import Controller
    from thecal.pump.device.buzzer import Tone
    from thecal.pump.device.memory import Disk
    from thecal.pump.device.motor import Witness


class NoPower(RuntimeError):  # noqa: N818 - a state of the pump that a person reads about
    """The pump has no power: nobody can be answered."""


class Device:
    """One pump. ``now_s`` is the last true second that has passed; asking it anything is asking it at that second.

    It satisfies ``link.surface.Surface``. IdentityError where the disk holds no pump that could be woken.
    """

    def __init__(self, disk: Disk, true_s: int) -> None:
        self._disk = disk
        self._identity = read_identity(disk)
        self._documents = Documents(disk)
        self._world = World.kept(self._identity, disk)
        self._awake: Awake | None = None
        self._cut = True
        self.boot(true_s)

    # Power and time

    @property
    def powered(self) -> bool:
        """Whether the pump has power."""
        return self._awake is not None

    @property
    def now_s(self) -> int:
        """The last true second that has passed."""
        return self._world.now_s

    def cut_power(self) -> None:
        """Take the power away until ``boot``; nothing is written."""
        self._cut = True
        self._lose_power()

    def boot(self, true_s: int) -> None:
        """Give power back at a true second; a fault that takes it away goes on doing so."""
        self.advance(true_s)
        self._cut = False
        self._begin()

    def advance(self, true_s: int) -> None:
        """Let true time pass up to and including a second, with everything that happens in it."""
        if true_s < self.now_s:
            raise ValueError(f"found true second {true_s:,}; allowed: {self.now_s:,} or later: time does not go back")
        while self.now_s < true_s:
            self._begin()
            if self._awake is None:
                end = min(true_s, self._world.even_until())
                self._world.pass_to(end, powered=False)
            else:
                self._run(self._awake, true_s)

    def due_s(self) -> int:
        """The true second at which it should next be advanced: something happens then, or memory must be written."""
        changes = self._world.even_until() + 1
        a = self._awake
        if a is None:
            return max(self.now_s + 1, changes)
        if a.c.dirty:
            return self.now_s
        return max(self.now_s + 1, min(a.oscillator.true_s(a.due_s()), changes, MAX_TIME_S))

    def _begin(self) -> None:
        """Feel what begins with the next second, and wake or lose power by it."""
        world = self._world
        before = world.ppm
        a = self._awake
        begun = world.begin(alarming=a is not None and a.c.alarms.active != 0)
        if world.dark:
            self._lose_power()
        for fault in begun:
            self._strike(fault)
        if begun:
            self._save_world()  # what has begun is not begun again by another process
        if self._awake is None and not world.dark and not self._cut:
            self._wake()
        elif self._awake is not None and world.ppm != before:
            self._awake.oscillator.drift(world.now_s, world.ppm)

    def _run(self, a: Awake, true_s: int) -> None:
        """Run the core up to a true second, or to where something other than delivery happens."""
        world = self._world
        a.plan_poll()
        stop = min(a.next_check_s, a.next_poll_s) if world.motor.doubtful() else a.next_check_s
        end = min(true_s, world.even_until(), max(world.now_s + 1, a.oscillator.true_s(stop)))
        self._deliver(a, min(a.oscillator.uptime_s(end), MAX_TIME_S))
        world.pass_to(end, powered=True)
        if a.c.t >= a.next_poll_s and world.motor.unread:
            a.c.turned(world.motor.read())
            self.settle()
        if a.c.t >= a.next_check_s:
            a.test_memory()
            a.measure_battery()
            self.settle()

    def _deliver(self, a: Awake, until_s: int) -> None:
        while a.c.run(until_s) < until_s or a.c.dirty:
            self.settle()
        a.sound()

    def _wake(self) -> None:
        """Start the pump from its memory."""
        with self._power():
            a = self._awake = Awake(self._disk, self._world, self._identity)
        if self._world.low_battery:
            a.c.issue(al.BATTERY_RESET)
        a.measure_battery()
        self.settle()
        self._world.low_battery = False

    def _lose_power(self) -> None:
        if self._awake is not None:
            self._awake = None
            self._world.motor.controller = None
            self._world.motor.oscillator = None
            if isinstance(self._disk, FaultyDisk):
                self._disk.power_cut()

    @contextmanager
    def _power(self) -> Iterator[None]:
        """Where memory cuts the power, the pump is dark from the second on that its core had reached."""
        try:
            yield
        except PowerCut:
            a = self._awake
            self._cut = True
            if a is not None:
                died_s = max(self.now_s, a.oscillator.true_s(a.c.t))
                self._world.pass_to(died_s, powered=True)
            self._lose_power()
            raise

    # Faults of the electronics

    def inject(self, fault: Fault) -> None:
        """Let a fault come; FaultError where this pump cannot have it."""
        self._world.inject(fault)
        self._save_world()

    def heal(self, kind: FaultKind) -> int:
        """End every fault of a kind, and forget those to come; the answer is how many there were."""
        healed = self._world.heal(kind)
        self._save_world()
        return healed

    def faults(self) -> list[Fault]:
        """Every fault that is there or is still to come."""
        return self._world.faults()

    def _strike(self, fault: Fault) -> None:
        """What begins with a fault in the electronics."""
        if fault.kind in _CORRUPTS:
            self._corrupt(_CORRUPTS[fault.kind], fault.amount)
        a = self._awake
        if fault.kind == FaultKind.CORRUPT_PROGRAM:
            # In the dark nobody can say which of the two is running.
            for area in PROGRAM if a is None else (PROGRAM[a.keeper.saved_area - len(STATE)],):
                self._corrupt(area, fault.amount)
        if a is None:
            return
        if fault.kind == FaultKind.EARLY_REPLACEMENT:
            a.measure_battery()
            self.settle()
        elif fault.kind == FaultKind.CLOCK_JUMP:
            a.oscillator.jump(fault.amount)
            if not a.oscillator.agree(self.now_s) and a.c.loaded:
                a.c.issue(al.CLOCK_DOUBT)
                self.settle()
        elif fault.kind == FaultKind.FIELD_UNREAD:
            a.c.alarms.unread = True

    def _corrupt(self, area: str, bit: int) -> None:
        """Turn one bit of memory over, behind the back of the pump."""
        held = bytearray(self._disk.read(area))
        if held:
            held[bit // 8 % len(held)] ^= 1 << bit % 8
            with self._power():
                self._disk.write(area, bytes(held))

    # What the link asks

    @property
    def controller(self) -> Controller:
        """The running core; NoPower while there is none."""
        return self._on().c

    @property
    def commands(self) -> Commands:
        """Its commands; NoPower while there are none."""
        return self._on().commands

    def settle(self) -> None:
        """Make everything durable that was done, log first; only then may it be answered for."""
        with self._power():
            self._on().settle()

    def family(self) -> str:
        """The name of its family."""
        return self._identity.family

    def serial(self) -> str:
        """Its serial number."""
        return self._identity.serial

    def tubing_nl(self) -> int:
        """Volume of the tubing between reservoir and catheter, in nL."""
        return self._identity.constants().tubing_nl

    def battery_percent(self) -> int:
        """What is left of the battery, 0 to 100."""
        return self._world.battery.percent(self._on().c.t)

    def document(self) -> bytes:
        """The order document of the running program; empty where there is none."""
        return self._documents.held(self._running_document())

    def keep_document(self, document: bytes) -> bool:
        """Store the document of a proposed program beside that of the running one; whether it reads back."""
        with self._power():
            return self._documents.keep(document, self._running_document())

    def _running_document(self) -> bytes:
        c = self._on().c
        return bytes(c.program.order_digest) if c.loaded else b""

    def log_piece(self, first: int, most: int) -> tuple[bytes, bytes]:
        """Up to ``most`` records of the log from number ``first`` on, and the digest of the record before them.

        Both are empty where that record is no longer held.
        """
        return self._on().history.piece(first, most)

    def test_alarm(self, *, critical: bool) -> None:
        """Sound the tone of an alarm once, so that a patient learns it."""
        a = self._on()
        a.buzzer.test(a.c.t, critical=critical)

    def signal(self) -> None:
        """Let the patient hear that somebody talks to the pump in near field: the single tone, once."""
        a = self._on()
        a.buzzer.test(a.c.t, critical=False)

    def interrogated(self) -> None:
        """Somebody has read the pump: some pumps log a recovery, or resume delivery, only then."""
        c = self._on().c
        if self._world.interrogated():
            c.alarms.unread = self._world.field.unread > 0
            self._save_world()

    # What people and the rig do and see

    def heard(self, frames: int = 1) -> None:
        """The radio was used: frames cost battery."""
        self._world.battery.frames += frames

    def sounded_since(self, number: int) -> list[Tone]:
        """The tones after the one with this number (0: from the first one on); none while there is no power."""
        return self._awake.buzzer.since(number) if self._awake else []

    def fill(self, volume_nl: int) -> None:
        """Somebody fills fluid into the reservoir; ReservoirError where there is no room for it."""
        self._world.fill(volume_nl)
        self._save_world()

    def draw(self) -> int:
        """Somebody empties the reservoir; the answer is what was in it, in whole nL."""
        drawn = self._world.draw()
        self._save_world()
        return drawn

    def reset_valve(self) -> bool:
        """Somebody resets a valve that stays shut; whether it was."""
        was = self._world.reservoir.shut
        self._world.reservoir.shut = False
        self._save_world()
        return was

    def watch(self, witness: Witness | None) -> None:
        """Be told of every train of strokes that the rotor makes: for a body that the pump delivers into."""
        self._world.motor.witness = witness

    def truth(self) -> Truth:
        """What is true, and what the pump believes. What was once said here is kept, even if the process ends now."""
        if self._world.unsaved():
            self._save_world()
        r = self._world.reservoir
        leaking = r.leaking_fl(self.now_s)
        return Truth(
            true_s=self.now_s,
            powered=self.powered,
            reservoir_nl=(r.volume_fl - leaking) // FL_PER_NL,
            delivered_nl=r.delivered_fl // FL_PER_NL,
            pocket_nl=(r.pocket_fl + leaking) // FL_PER_NL,
            tubing_nl=r.tubing_fl // FL_PER_NL,
            filled_nl=r.filled_fl // FL_PER_NL,
            drawn_nl=r.drawn_fl // FL_PER_NL,
            stayed_nl=r.stayed_fl // FL_PER_NL,
            dry_nl=r.dry_fl // FL_PER_NL,
            strokes={why.value: n for why, n in r.strokes.items()},
            lost_strokes=r.lost_strokes,
            valve_shut=r.shut,
            believed=self._believed(),
        )

    def _believed(self) -> Believed | None:
        if self._awake is None:
            return None
        c = self._awake.c
        return Believed(c.t, c.level_nl, c.strokes, c.missed, c.commanded, c.alarms.active, c.running)

    def _save_world(self) -> None:
        with self._power():
            self._world.save()

    def _on(self) -> Awake:
        if self._awake is None:
            raise NoPower(f"pump {self.serial()} has no power: nobody can be answered")
        return self._awake


_CORRUPTS = {FaultKind.CORRUPT_STATE_0: STATE[0], FaultKind.CORRUPT_STATE_1: STATE[1]}
