"""One process of a clinic that runs: the pumps, the link service, the previews, or the web.

``thecal clinic run`` starts each.
A process says ``ready`` on its standard output, settles and leaves on SIGTERM, and does the same when whoever started
it is gone: its standard input ends then. Its log is its standard error.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from thecal.cli.versions import software_version
from thecal.rig.beside import READY, Beside
from thecal.rig.home import Home

if TYPE_CHECKING:
    from collections.abc import Callable


WEB = "web"
MOST_WEBS = 4
"""Python lets one thread of a process work at a time, so that pages want a process for each processor. Ours."""
KEPT_S = 75
"""So long a browser's connection is kept between two requests: the default of proxies. Ours."""
TOLD = "THECAL_CLINIC_PROCESS"
"""The variable that says how the clinic runs: the record's address may hold a password, and command lines are open."""


@dataclass(frozen=True, slots=True)
class Running:
    """How a clinic runs: its home, where its record is, what browsers name it, and the socket of the web (0: none)."""

    home: str
    record: str
    origin: str
    demonstration: bool
    secure: bool
    socket: int = 0

    def at(self) -> Home:
        """The home."""
        return Home(Path(self.home))

    def besides(self) -> tuple[Beside, ...]:
        """The processes, in the order in which they start: pumps first, so that they deliver whatever comes."""
        return (
            self._beside("rig", "the rig with the virtual pumps"),
            self._beside("link", "the link service"),
            self._beside("preview", "the process that computes previews"),
            *(self._beside(name, what, self.socket) for name, what in webs(os.cpu_count() or 1)),
        )

    def _beside(self, name: str, what: str, *files: int) -> Beside:
        words = (sys.executable, "-m", "thecal.cli.clinic_process", name)
        return Beside(name, what, words, files, ((TOLD, json.dumps(asdict(self))),))


def webs(processors: int) -> list[tuple[str, str]]:
    """The web processes of a machine, by name and in words: one for each processor, up to MOST_WEBS.

    They share one socket: whoever is free takes the next browser. Nothing that matters is in the memory of any of them.
    """
    others = range(2, min(processors, MOST_WEBS) + 1)
    return [(WEB, "the web process"), *((f"{WEB}-{n}", f"web process {n}") for n in others)]


def rig(running: Running) -> None:
    """Host every pump of the home."""
    from thecal.pump.device import FileDisk
    from thecal.rig.ground import Ground, ground
    from thecal.rig.host import run

    def quick(folder: Path) -> Ground:
        # A demonstration leaps by days: what it writes outlives its processes, and need not outlive the machine.
        return Ground(FileDisk(folder, flush=False))

    disk_of = quick if running.demonstration else ground
    speed = 0 if running.demonstration else 1
    rests = running.demonstration
    asyncio.run(run(running.at(), speed, disk_of=disk_of, rest=rests, ready=lambda _host: _say_ready()))


def link(running: Running) -> None:
    """Be the one link service, with its ledger in the record."""
    import time

    from thecal.clinic.pending import RecordLedger
    from thecal.clinic.record import Store
    from thecal.clinic.record.store import Stamp
    from thecal.clinic.who import SYSTEM
    from thecal.formulary import load
    from thecal.rig.clock import WorldClock
    from thecal.rig.service import serve_link

    store, clock, formulary = Store(running.record, make=False), WorldClock(running.at().world), load()

    def stamp() -> Stamp:
        return Stamp(SYSTEM, clock.utc_s(), int(time.time()), software_version(), formulary.version)

    try:
        asyncio.run(serve_link(running.at(), ledger=RecordLedger(store, stamp), ready=_say_ready))
    finally:
        store.close()


def preview(running: Running) -> None:
    """Compute what arrives beyond the tip for whoever looks at it."""
    from thecal.clinic.record import Store
    from thecal.web.previews import serve_previews

    store = Store(running.record, make=False)
    try:
        asyncio.run(serve_previews(running.at(), store, _say_ready))
    finally:
        store.close()


def web(running: Running, *, first: bool = True) -> None:
    """Serve the pages on the socket that was handed over; the ``first`` also does what a clinic does by itself."""
    import uvicorn

    from thecal.web.app import make_app
    from thecal.web.beside import open_house
    from thecal.web.patience import Patient

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            _say_ready()

    house = open_house(
        running.at(),
        running.record,
        software_version(),
        running.origin,
        demonstration=running.demonstration,
        secure=running.secure,
        first=first,
    )
    config = uvicorn.Config(
        make_app(house), lifespan="off", access_log=False, log_config=None, server_header=False, proxy_headers=False,
        timeout_graceful_shutdown=5, timeout_keep_alive=KEPT_S, http=Patient,
    )  # fmt: skip
    with socket.socket(fileno=running.socket) as listening:
        Server(config).run(sockets=[listening])


def _say_ready() -> None:
    os.write(sys.stdout.fileno(), READY)


def _leave_with_starter() -> None:
    """Leave, settled, when the standard input ends."""

    def wait() -> None:
        while os.read(sys.stdin.fileno(), 1):  # not by its buffer, whose lock the interpreter asks for at its end
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="starter", daemon=True).start()


_PROCESSES: dict[str, Callable[[Running], None]] = {"rig": rig, "link": link, "preview": preview}


def main() -> None:
    """Be one of the processes, as the command line says."""
    (name,), said = sys.argv[1:], os.environ.pop(TOLD)
    running = Running(**json.loads(said))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("aiocoap").setLevel(logging.ERROR)
    _leave_with_starter()
    if name.startswith(WEB):
        web(running, first=name == WEB)
    else:
        _PROCESSES[name](running)


if __name__ == "__main__":
    main()
