"""Processes that belong together and run beside each other: each started again when it dies, so often and no more.

Whatever happens to one of them, the others go on. A note in the home says how each of them is, for whoever shows that
to people. They end together: each is asked to, in the reverse order of its start, and none outlives who started it.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from thecal.rig.home import OWNER_FILE, write_private

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

READY_WITHIN_S = 60.0
"""Real seconds within which a process must say that it is ready. Ours."""
END_WITHIN_S = 20.0
"""Real seconds that a process may take to settle and leave. Ours."""
MOST_STARTS = 5
"""How often a process is started again within STARTS_WITHIN_S before it is left alone. Ours."""
STARTS_WITHIN_S = 120.0
WAIT_S = 0.5
"""Real seconds before a process that died is started again. Ours."""
READY = b"ready\n"
"""What a process says on its standard output once it can be used."""


class Standing(StrEnum):
    """How a process is."""

    STARTING = "starting"
    RUNNING = "running"
    AGAIN = "ended and is being started again"
    LEFT = "ended too often and is not started again"


@dataclass(frozen=True, slots=True)
class Beside:
    """One process: its name, what people call it, its command line, and files that it inherits open.

    ``told`` are variables of its environment besides ours: what no other user of the machine may read stands there, and
    not on the command line.
    """

    name: str
    what: str
    words: tuple[str, ...]
    files: tuple[int, ...] = ()
    told: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Noted:
    """What the note says of one process."""

    name: str
    what: str
    pid: int
    standing: Standing


class NotReadyError(RuntimeError):
    """A process did not come up; the message says which one, and where its own words are."""


def read_note(path: Path) -> tuple[Noted, ...]:
    """How the processes of a home are, as whoever keeps them wrote it last; empty where nobody does."""
    try:
        rows = json.loads(path.read_bytes())
        return tuple(Noted(row["name"], row["what"], int(row["pid"]), Standing(row["standing"])) for row in rows)
    except (OSError, ValueError, KeyError, TypeError):
        return ()


@dataclass
class _Kept:
    beside: Beside
    process: asyncio.subprocess.Process | None = None
    standing: Standing = Standing.STARTING
    ended_at: list[float] = field(default_factory=list)


class Keeper:
    """Keeps processes running. ``said`` is told, in one line each time, what a person should know."""

    def __init__(self, besides: Sequence[Beside], note: Path, logs: Path, said: Callable[[str], None]) -> None:
        self._kept = [_Kept(beside) for beside in besides]
        self._note = note
        self._logs = logs
        self._said = said
        self._leaving = False
        self._watching: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start the first, then all others at once, and watch them from then on; NotReadyError where one stays away."""
        for group in (self._kept[:1], self._kept[1:]):
            ready = await asyncio.gather(*(self._up(kept) for kept in group))
            for kept, up in zip(group, ready, strict=True):
                if not up:
                    raise NotReadyError(
                        f"found {kept.beside.what} not ready; allowed: ready within {READY_WITHIN_S:g} s; "
                        f"next: read {self._log(kept)}"
                    )
                self._watching.append(asyncio.create_task(self._watch(kept)))

    async def end(self) -> None:
        """Ask each to settle and leave, the last one first; what does not leave in time is ended."""
        self._leaving = True
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        for kept in reversed(self._kept):
            await self._leave(kept)
        self._note.unlink(missing_ok=True)

    def pid(self, name: str) -> int:
        """The process of a name, 0 where it does not run."""
        kept = next(k for k in self._kept if k.beside.name == name)
        return 0 if kept.process is None or kept.process.returncode is not None else kept.process.pid

    async def _up(self, kept: _Kept) -> bool:
        """Start one and wait until it says that it is ready."""
        with self._log(kept).open("ab") as log:
            kept.process = await asyncio.create_subprocess_exec(
                *kept.beside.words,
                stdin=asyncio.subprocess.PIPE,  # it ends when this does: nobody is left behind
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                pass_fds=kept.beside.files,
                env={**os.environ, **dict(kept.beside.told)},
                start_new_session=True,  # Ctrl-C is for whoever keeps it
            )
        assert kept.process.stdout is not None  # noqa: S101 -- it was asked for above
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                ready = await kept.process.stdout.readline() == READY
        except TimeoutError:
            ready = False
        if ready:
            self._stand(kept, Standing.RUNNING)
        else:
            await self._leave(kept)
        return ready

    async def _watch(self, kept: _Kept) -> None:
        """Start one again whenever it dies, until that was too often."""
        while True:
            if kept.process is not None:
                await kept.process.wait()
            now = time.monotonic()
            kept.ended_at = [at for at in kept.ended_at if now - at < STARTS_WITHIN_S] + [now]
            if len(kept.ended_at) > MOST_STARTS:
                self._stand(kept, Standing.LEFT)
                self._said(
                    f"{kept.beside.what} ended {len(kept.ended_at)} times within {STARTS_WITHIN_S:g} s and is not "
                    f"started again. The others go on. Next: read {self._log(kept)}, then end and start all of it"
                )
                return
            self._stand(kept, Standing.AGAIN)
            self._said(f"{kept.beside.what} ended by itself and is started again; the others go on")
            await asyncio.sleep(WAIT_S)
            await self._up(kept)

    async def _leave(self, kept: _Kept) -> None:
        process = kept.process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(END_WITHIN_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    def _log(self, kept: _Kept) -> Path:
        path = self._logs / f"{kept.beside.name}.log"
        path.touch(mode=OWNER_FILE)
        return path

    def _stand(self, kept: _Kept, standing: Standing) -> None:
        kept.standing = standing
        rows = [
            {"name": k.beside.name, "what": k.beside.what, "pid": k.process.pid, "standing": k.standing.value}
            for k in self._kept
            if k.process is not None
        ]
        write_private(self._note, json.dumps(rows).encode())
