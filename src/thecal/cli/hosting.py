"""``thecal pump run`` and ``thecal link run``: processes that go on until they are stopped."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from thecal.cli.answer import Answer
from thecal.cli.asking import ended, ended_by, home_at
from thecal.cli.console import line, marked, screen
from thecal.cli.exits import Exit
from thecal.link.key import Side, kept_key
from thecal.link.roles import Role
from thecal.pump.device import FileDisk
from thecal.rig.clock import WorldFileError
from thecal.rig.host import InUseError, run
from thecal.rig.ledger import LedgerError
from thecal.rig.local import AlreadyServedError, answers
from thecal.rig.service import serve_link

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from rich.console import Console

    from thecal.rig.home import Home
    from thecal.rig.host import Host

_SERVICE_WITHIN_S = 10.0
"""How long the pumps wait for the link service beside them, so that whoever sees them run can ask it. Ours."""
_LOOK_AGAIN_S = 0.05
_NAMED = 3
"""For how many pumps that nobody is paired with the next command is written out."""


def run_pumps(given: Path | None, serials: Sequence[str], speed: int, *, link: bool, quiet: bool = False) -> Answer:
    """Host pumps in this process until it is told to stop."""
    home = home_at(given).ready()
    known = home.serials()
    for serial in serials:
        if serial not in known:
            allowed = ", ".join(known) or "none is made yet"
            raise ended(Exit.USAGE, f"pump {serial}", allowed, f"make it: thecal pump new {serial} --family bench-20")
    if not known:
        raise ended(Exit.USAGE, "no pump here", "at least one", "make one: thecal pump new T-0001 --family bench-20")
    wanted = list(serials) or known

    def ready(host: Host) -> None:
        if not quiet:
            _begun(home, host, speed)

    with _link_beside(home, wanted=link):
        try:
            asyncio.run(run(home, speed, wanted, ready=ready))
        except (InUseError, AlreadyServedError, WorldFileError, OSError) as held:
            raise ended_by(Exit.NOT_REACHED, held, "end the other process, or use another --home") from held
    return Answer(Exit.GO_ON, {"pumps": wanted, "speed": speed}, _over)


def _over(console: Console) -> None:
    line(console, "The rig has ended. To its pumps that is a loss of power: they start again from their memory.")


def _begun(home: Home, host: Host, speed: int) -> None:
    """What runs, and what its owner does next."""
    console = screen()
    pace = "under a test clock" if speed == 0 else "in real time" if speed == 1 else f"at {speed:,} times real time"
    count = len(host.pumps)
    line(console, f"{count:,} virtual pump{' runs' if count == 1 else 's run'} {pace}. Not a medical device.")
    for pump in host.pumps.values():
        if pump.failed:
            marked(console, f"FAILED: pump {pump.serial}:", pump.failed, style="bold red")
    alone = [serial for serial in host.pumps if not _paired(home, serial)]
    for serial in alone[:_NAMED]:
        line(console, f"Nobody is paired with {serial}. Next: thecal pump pair {serial} programmer")
    if len(alone) > _NAMED:
        line(console, f"Nobody is paired with {len(alone) - _NAMED:,} more; thecal pump list names all pumps.")
    if speed == 0:
        line(console, 'Time stands still until thecal pump advance "1 h".')
    line(console, "Ctrl-C, or thecal pump stop, ends it; to the pumps that is a loss of power.")


def _paired(home: Home, serial: str) -> bool:
    """Whether the pump holds a key of anybody."""
    memory = FileDisk(home.pump(serial))
    return any(kept_key(memory, Side.PUMP, role, serial) is not None for role in Role)


@contextmanager
def _link_beside(home: Home, *, wanted: bool) -> Iterator[None]:
    """The link service as a process of its own, unless one runs: whatever happens to it, the pumps go on."""
    if not wanted or answers(home.service_socket):
        yield
        return
    words = [sys.executable, "-m", "thecal.cli", "link", "run", "--quiet", "--home", str(home.folder)]
    beside = subprocess.Popen(words, stdin=subprocess.DEVNULL)  # noqa: S603 -- our own interpreter and module
    deadline = time.monotonic() + _SERVICE_WITHIN_S
    while beside.poll() is None and not answers(home.service_socket) and time.monotonic() < deadline:
        time.sleep(_LOOK_AGAIN_S)
    try:
        yield
    finally:
        beside.terminate()
        beside.wait()


def run_link(given: Path | None, *, quiet: bool) -> Answer:
    """Be the link service until told to stop."""
    home = home_at(given)

    def ready() -> None:
        if not quiet:
            line(screen(), "The link service runs: it alone holds keys, sequence numbers and pending commands.")

    try:
        asyncio.run(serve_link(home, ready=ready))
    except (InUseError, AlreadyServedError, OSError) as held:
        raise ended_by(Exit.NOT_REACHED, held, "use the one that runs") from held
    except LedgerError as wrong:
        raise ended_by(Exit.FILE_REFUSED, wrong) from wrong
    return Answer(Exit.GO_ON, {"home": str(home.folder)}, lambda _console: None)
