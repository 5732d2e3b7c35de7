"""The time of the virtual world: real, accelerated by a factor, or moved by hand.

True seconds are counted from the birth of the world, which has a UTC. A file anchors them, so that time goes on while
no process runs, and so that every process of a rig reads the same time. True time never goes back.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol

from thecal.rig.home import write_private

MOST_SPEED = 100_000
MOST_TRUE_S = (1 << 31) - 1
_BOOT_FILE = Path("/proc/sys/kernel/random/boot_id")
_NS = 1_000_000_000


class Clock(Protocol):
    """What a host must know of time."""

    def now_s(self) -> int:
        """True seconds since the birth of the world; never less than before."""

    def utc_s(self) -> int:
        """UTC of the virtual world, in seconds since 1970."""

    def wait_s(self, true_s: int) -> float:
        """Real seconds until ``true_s`` is reached; 0 where it is, infinity where only a hand moves this clock."""


@dataclass(frozen=True, slots=True)
class Machine:
    """The clocks of this machine at one instant; ``boot`` names its start, empty where that cannot be known."""

    monotonic_ns: int
    utc_s: int
    boot: str

    @classmethod
    def now(cls) -> Machine:
        """Read them."""
        try:
            boot = _BOOT_FILE.read_text("ascii").strip()
        except OSError:
            boot = ""
        return cls(time.monotonic_ns(), int(time.time()), boot)


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where true time stood at one instant of the machine, and how fast it runs; a ``speed`` of 0 is moved by hand."""

    true_s: int
    birth_utc_s: int
    speed: int
    machine: Machine

    def true_at(self, machine: Machine) -> int:
        """True seconds at another instant: by the monotonic clock of the same start of the machine, else by its UTC."""
        if self.speed == 0:
            return self.true_s
        if machine.boot and machine.boot == self.machine.boot and machine.monotonic_ns >= self.machine.monotonic_ns:
            passed_ns = machine.monotonic_ns - self.machine.monotonic_ns
        else:
            passed_ns = max(0, machine.utc_s - self.machine.utc_s) * _NS
        return min(self.true_s + passed_ns * self.speed // _NS, MOST_TRUE_S)

    def moved(self, machine: Machine, speed: int) -> Anchor:
        """The anchor of the same world at another instant, from where it runs at ``speed``."""
        return replace(self, true_s=self.true_at(machine), speed=speed, machine=machine)


class WorldFileError(ValueError):
    """The file that anchors the time of a world cannot be read; the message says which, and what to do next."""


def read_anchor(path: Path) -> Anchor | None:
    """The anchor that a file holds; None where there is none. WorldFileError for anything that is not one."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        found = json.loads(text)
        anchor = Anchor(**{**found, "machine": Machine(**found["machine"])})
        numbers = (anchor.true_s, anchor.birth_utc_s, anchor.speed, anchor.machine.monotonic_ns, anchor.machine.utc_s)
    except (ValueError, TypeError, KeyError) as wrong:
        raise _damaged(path, str(wrong)) from wrong
    if any(type(n) is not int for n in numbers) or not 0 <= anchor.speed <= MOST_SPEED or anchor.true_s < 0:
        raise _damaged(path, "a number that no clock writes")
    return anchor


def _damaged(path: Path, why: str) -> WorldFileError:
    return WorldFileError(
        f"found a time file that is damaged ({path.name}: {why}); allowed: what a rig wrote; "
        "next: restore it from a copy, or make a new home"
    )


def write_anchor(path: Path, anchor: Anchor) -> None:
    """Replace the anchor as a whole, safe against loss of power."""
    write_private(path, json.dumps(asdict(anchor)).encode(), durable=True)


class RealClock:
    """True time by the machine's monotonic clock, ``anchor.speed`` true seconds in each real one (1 to MOST_SPEED)."""

    def __init__(self, anchor: Anchor) -> None:
        if not 1 <= anchor.speed <= MOST_SPEED:
            raise ValueError(f"a speed of {anchor.speed}; allowed: 1 to {MOST_SPEED}")
        self.anchor = anchor

    def now_s(self) -> int:
        """True seconds since the birth of the world."""
        return self.anchor.true_at(replace(self.anchor.machine, monotonic_ns=time.monotonic_ns(), boot=_boot(self)))

    def utc_s(self) -> int:
        """UTC of the virtual world, in seconds since 1970."""
        return self.anchor.birth_utc_s + self.now_s()

    def wait_s(self, true_s: int) -> float:
        """Real seconds until ``true_s`` is reached, 0 where it is."""
        target_ns = self.anchor.machine.monotonic_ns + -(-(true_s - self.anchor.true_s) * _NS // self.anchor.speed)
        return max(0.0, (target_ns - time.monotonic_ns()) / _NS)


def _boot(clock: RealClock) -> str:
    """A clock never outlives the start of the machine that it was anchored in."""
    return clock.anchor.machine.boot or "this one"


class TestClock:
    """True time that only ``advance`` moves; where it has a file, each move is written down before it counts."""

    __test__ = False  # not a class of tests

    def __init__(self, anchor: Anchor, path: Path | None = None) -> None:
        self.anchor = replace(anchor, speed=0)
        self._path = path

    def now_s(self) -> int:
        """True seconds since the birth of the world."""
        return self.anchor.true_s

    def utc_s(self) -> int:
        """UTC of the virtual world, in seconds since 1970."""
        return self.anchor.birth_utc_s + self.now_s()

    def wait_s(self, true_s: int) -> float:
        """0 where ``true_s`` is reached, else infinity."""
        return 0.0 if true_s <= self.anchor.true_s else math.inf

    def advance(self, seconds: int) -> int:
        """Move on by ``seconds`` (0 or more) and say what time it is; ValueError beyond MOST_TRUE_S."""
        after = self.anchor.true_s + seconds
        if seconds < 0 or after > MOST_TRUE_S:
            raise ValueError(f"a move of {seconds} s; allowed: 0 to {MOST_TRUE_S - self.anchor.true_s} s")
        anchor = replace(self.anchor, true_s=after)
        if self._path is not None:
            write_anchor(self._path, anchor)
        self.anchor = anchor
        return after


def open_clock(path: Path, speed: int, machine: Machine | None = None) -> RealClock | TestClock:
    """The clock that a host runs by: the world of ``path`` from where it is now, or a new one born this second.

    ``speed`` is true seconds for each real one, 0 for a clock that is moved by hand. True time went on at the last
    speed while no host ran.
    """
    now = machine or Machine.now()
    found = read_anchor(path)
    anchor = Anchor(0, now.utc_s, speed, now) if found is None else found.moved(now, speed)
    write_anchor(path, anchor)
    return RealClock(anchor) if speed else TestClock(anchor, path)


class WorldClock:
    """The time of a world that another process runs, from its file; from the machine where there is no world yet."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def now_s(self) -> int:
        """True seconds since the birth of the world; 0 where there is none yet."""
        anchor = read_anchor(self._path)
        return 0 if anchor is None else anchor.true_at(Machine.now())

    def utc_s(self) -> int:
        """UTC of the virtual world, in seconds since 1970."""
        anchor = read_anchor(self._path)
        now = Machine.now()
        return now.utc_s if anchor is None else anchor.birth_utc_s + anchor.true_at(now)
