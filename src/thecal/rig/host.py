"""The process that hosts pumps: each woken when it is due, all in one event loop, none in another's way.

A pump belongs to one process at a time, and so does a home. The process may be killed at any instant: the next one
wakes every pump from its own memory, as after any loss of power.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
from typing import TYPE_CHECKING

from thecal.pump.device import Disk, FileDisk, make
from thecal.rig.clock import RealClock, TestClock, open_clock
from thecal.rig.ground import ground
from thecal.rig.hold import Held, Hold, hold
from thecal.rig.home import private_folder
from thecal.rig.hosted import SLICE_S, HostedPump
from thecal.rig.local import LocalServer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from thecal.pump.device import Identity
    from thecal.rig.home import Home

    DiskOf = Callable[[Path], Disk]

FILES_EACH = 8
"""Files and sockets that one pump may have open at once."""
FILES_BESIDE = 256

_log = logging.getLogger(__name__)


class InUseError(RuntimeError):
    """Another process has the home, or one of its pumps; the message says which one."""


def make_pump(home: Home, identity: Identity, disk_of: DiskOf = FileDisk) -> Path:
    """Make a factory-new pump in its own folder; IdentityError or InUseError where that cannot be."""
    folder = private_folder(home.ready().pump(identity.serial))
    held = _hold_pump(folder, identity.serial)
    try:
        make(disk_of(folder), identity)
    finally:
        held.release()
    return folder


def _hold_pump(folder: Path, serial: str) -> Hold:
    held = hold(folder / "host.lock", f"pump {serial}", "hosts pumps")
    if isinstance(held, Held):
        raise InUseError(held.message)
    return held


class Host:
    """The pumps of one home in this process. ``pumps`` are those it runs; ``witness`` writes down every stroke.

    Where they ``rest``, the world stands still while no host runs, and a pump goes on in the second it was left in.
    """

    def __init__(
        self,
        home: Home,
        clock: RealClock | TestClock,
        *,
        disk_of: DiskOf = ground,
        witness: bool = False,
        rest: bool = False,
    ) -> None:
        self.home = home
        self.clock = clock
        self.pumps: dict[str, HostedPump] = {}
        self.leaving = asyncio.Event()
        self._disk_of = disk_of
        self._witness = witness
        self._rest = rest
        self._holds: dict[str, Hold] = {}
        self._moving = asyncio.Lock()

    async def adopt(self, serial: str) -> None:
        """Run a pump of this home; InUseError where another process does."""
        folder = self.home.pump(serial)
        self._holds[serial] = _hold_pump(folder, serial)
        truth = folder / "strokes.jsonl" if self._witness else None
        disk = self._disk_of(folder)
        pump = self.pumps[serial] = HostedPump(
            serial, disk, self.clock, self.home.address(serial), truth, rests=self._rest
        )
        await pump.open()

    async def close(self) -> None:
        """Settle every pump and leave."""
        for serial, pump in self.pumps.items():
            await pump.close()
            self._holds.pop(serial).release()
        self.pumps.clear()

    async def advance(self, seconds: int) -> int:
        """Move a test clock on, with every pump; the answer is the true second reached. TypeError for a real clock.

        The world moves in slices, so that no pump is ever further behind than one of them.
        """
        if not isinstance(self.clock, TestClock):
            raise TypeError("a real clock is not moved by hand")
        async with self._moving:
            end_s = self.clock.now_s() + seconds
            while self.clock.now_s() < end_s:
                self.clock.advance(min(SLICE_S, end_s - self.clock.now_s()))
                for pump in list(self.pumps.values()):
                    pump.wake()
                    await asyncio.sleep(0)
            return self.clock.now_s()


def raise_file_limit(pumps: int) -> None:
    """Let this process open as many files as so many pumps need; OSError where the system allows fewer."""
    needed = pumps * FILES_EACH + FILES_BESIDE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard not in {resource.RLIM_INFINITY} and hard < needed:
        raise OSError(
            f"found a limit of {hard} open files; allowed for {pumps} pumps: {needed} or more; "
            "next: raise the limit, or host fewer pumps in one process"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


async def run(
    home: Home,
    speed: int,
    serials: Sequence[str] | None = None,
    *,
    disk_of: DiskOf = ground,
    witness: bool = False,
    rest: bool = False,
    ready: Callable[[Host], None] | None = None,
) -> None:
    """Host pumps (all of the home where none is named) until SIGTERM, SIGINT or the owner's word.

    ``speed`` is true seconds in each real one, 0 for a test clock, under which pumps may ``rest`` while no host runs;
    ``ready`` is called when all are on the radio.
    InUseError where another process hosts this home or one of the pumps; OSError where the system is too small.
    """
    from thecal.rig.control import Control  # noqa: PLC0415 -- it needs the host's own type

    home.ready()
    held = hold(home.run / "rig.lock", "this home", "hosts pumps")
    if isinstance(held, Held):
        raise InUseError(held.message)
    wanted = home.serials() if serials is None else list(serials)
    try:
        raise_file_limit(len(wanted))
        host = Host(home, open_clock(home.world, speed), disk_of=disk_of, witness=witness, rest=rest)
        server = LocalServer(home.rig_socket, Control(host).answer)
        loop = asyncio.get_running_loop()
        for ending in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(ending, host.leaving.set)
        try:
            home.forget_addresses()  # of a process that was killed
            await server.open()
            for serial in wanted:
                if not host.leaving.is_set():
                    await host.adopt(serial)
            if ready is not None:
                ready(host)
            await host.leaving.wait()
        finally:
            await server.close()
            await host.close()
            for ending in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(ending)
    finally:
        held.release()
