"""``thecal clinic run``: the processes of a clinic beside each other, until Ctrl-C.

The demonstration is made first, where there is none.
"""

from __future__ import annotations

import asyncio
import ipaddress
import shutil
import signal
import socket
import sys
import time
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from thecal.cli.answer import Answer
from thecal.cli.asking import ended, ended_by
from thecal.cli.clinic_place import held_by_us, look_at_provider, place_at, refusing
from thecal.cli.clinic_process import Running
from thecal.cli.console import heading, line, marked, screen, table
from thecal.cli.exits import Exit
from thecal.cli.progress import bar
from thecal.cli.versions import software_version
from thecal.clinic.people.sealing import seal_of
from thecal.clinic.record import Store
from thecal.clinic.record.opening import address
from thecal.clinic.site import RECORD
from thecal.rig.beside import Keeper, NotReadyError
from thecal.rig.home import Home, private_folder
from thecal.web.beside import NOTE

if TYPE_CHECKING:
    from thecal.cli.clinic_place import Place
    from thecal.rig.hold import Hold

LOOPBACK = "127.0.0.1"
DEMONSTRATION = Path("out/demonstration")
"""Where the demonstration lies where no home is named: beside the reports of the other examples. Ours."""
_BACKLOG = 128


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a clinic is to run. ``origin`` is what browsers name it, where that is not this address."""

    home: Path | None
    port: int
    listen: str
    origin: str | None
    demonstration: bool
    fresh: bool
    sure: bool


def run(wanted: Wanted) -> Answer:
    """Run a clinic until Ctrl-C."""
    if wanted.fresh and not wanted.demonstration:
        raise ended(Exit.USAGE, "--fresh without --demonstration", "a demonstration made anew", "leave --fresh out")
    if wanted.demonstration:
        wanted = replace(wanted, home=wanted.home or DEMONSTRATION)
    with closing(_listening(wanted)) as listening:
        place = place_at(wanted.home)
        begun_s = time.monotonic()
        if wanted.demonstration:
            _demonstration(wanted, place)
        held = _held(place)
        try:
            with refusing():
                _look(place, demonstration=wanted.demonstration)
            port = int(listening.getsockname()[1])
            origin = wanted.origin or f"http://{_host(wanted.listen)}:{port}"
            running = Running(
                str(place.folder), place.address, origin, wanted.demonstration, origin.startswith("https:"),
                listening.fileno(),
            )  # fmt: skip
            asyncio.run(_run(running, wanted, begun_s))
        finally:
            held.release()
    return Answer(
        Exit.GO_ON, {"home": str(place.folder), "origin": origin}, lambda console: line(console, "All has ended.")
    )


def _host(listen: str) -> str:
    return f"[{listen}]" if ":" in listen else listen


def _listening(wanted: Wanted) -> socket.socket:
    """The socket of the web, before anything else: a port in use is said at once."""
    try:
        address = ipaddress.ip_address(wanted.listen)
    except ValueError as wrong:
        then = f"leave --listen out for {LOOPBACK}, or write one as in 192.0.2.7"
        raise ended(Exit.USAGE, f"--listen {wanted.listen}", "an address of this machine", then) from wrong
    if not address.is_loopback and wanted.origin is None:
        then = "write --origin https://clinic.example, as people's browsers name it, and put TLS in front"
        raise ended(Exit.USAGE, f"--listen {wanted.listen}, which others reach, without --origin", "both", then)
    found = socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((wanted.listen, wanted.port))
        found.listen(_BACKLOG)
    except OSError as wrong:
        found.close()
        then = f"end what uses it, or choose another one: --port {wanted.port + 1 if wanted.port < 65_535 else 8081}"
        found_ = f"{_host(wanted.listen)}:{wanted.port}: {wrong.strerror}"
        raise ended(Exit.NOT_REACHED, found_, "a free port of this machine", then) from wrong
    return found


def _held(place: Place) -> Hold:
    home = Home(place.folder)
    if not home.folder.is_dir():
        then = "make one: thecal clinic init; or look around in one: thecal clinic run --demonstration"
        raise ended(Exit.USAGE, f"no clinic at {place.folder}", "the folder of a clinic", then)
    return held_by_us(place, "runs the clinic")


def _look(place: Place, *, demonstration: bool) -> None:
    """Open the record once, so that it is brought up to date before anybody else uses it."""
    from sqlalchemy import select

    from thecal.clinic.record.migrating import look_at_layout
    from thecal.clinic.record.tables import Clinic

    with closing(Store(place.address, make=False)) as store, store.reading() as db:
        look_at_layout(db.connection())
        clinic = db.scalars(select(Clinic)).first()
        seal_of(place.folder, db)
    look_at_provider(place)
    if clinic is None:
        raise ended(Exit.USAGE, "a record without a clinic", "the record of a clinic", "make it: thecal clinic init")
    if clinic.demonstration and not demonstration:
        raise ended(Exit.USAGE, "the demonstration", "a clinic of one's own", "add --demonstration")
    if demonstration and not clinic.demonstration:
        then = "leave --demonstration out, or name another --home: a demonstration never lies in a clinic's folder"
        raise ended(Exit.USAGE, f"a clinic of one's own at {place.folder}", "a demonstration", then)


# The demonstration ----------------------------------------------------------------------------------------------------


def _demonstration(wanted: Wanted, place: Place) -> None:
    """Make the world of the demonstration where there is none, or anew where that was asked for and is sure."""
    from thecal.demonstration.making import Making, make_world
    from thecal.demonstration.scenario import FILE, read_scenario
    from thecal.formulary import load

    here = address(f"sqlite:///{place.folder.absolute() / RECORD}").render_as_string(hide_password=False)
    elsewhere = "" if place.address == here else place.address
    if place.folder.exists():
        if not wanted.fresh:
            return
        _clear(wanted, place, elsewhere)
    formulary = load()
    scenario = read_scenario(FILE, formulary)
    making = Making(scenario, formulary, int(time.time()), software_version(), elsewhere)
    said = f"{len(scenario.patients)} made-up patients, whose pumps run for up to {scenario.days} days."
    line(screen(stderr=True), f"Making the demonstration: {said}")
    with refusing(), bar("running the pumps") as tell:
        make_world(place.folder, making, tell)


def _clear(wanted: Wanted, place: Place, elsewhere: str) -> None:
    """Take the demonstration away, once somebody has said that they are sure. A record elsewhere is left as it is."""
    if elsewhere:
        found = f"--fresh for a record at {address(elsewhere).render_as_string()}"
        then = f"take {place.folder} away, and name an empty database; or run another --home"
        raise ended(Exit.USAGE, found, "a record in the folder of the demonstration", then)
    held = _held(place)
    try:
        with refusing():
            _look(place, demonstration=True)
        if not wanted.sure:
            if not sys.stdin.isatty():
                raise ended(Exit.USAGE, "--fresh without a terminal to ask in", "a yes", "add --yes")
            typer.confirm(f"Take the demonstration in {place.folder} away and make it anew?", abort=True, err=True)
    finally:
        held.release()
    shutil.rmtree(place.folder)


# Running --------------------------------------------------------------------------------------------------------------


async def _run(running: Running, wanted: Wanted, begun_s: float) -> None:
    home = running.at()
    console = screen(stderr=True)
    logs = private_folder(home.folder / "log")
    keeper = Keeper(running.besides(), home.run / NOTE, logs, lambda said: marked(console, "!", said))
    leaving = asyncio.Event()
    loop = asyncio.get_running_loop()
    for ending in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(ending, leaving.set)
    try:
        starting = asyncio.create_task(keeper.start())
        stopped = asyncio.create_task(leaving.wait())
        await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            _ready(running, wanted, time.monotonic() - begun_s)
            await stopped
        else:
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
        line(console, "Ending: pumps settle first.")
    except NotReadyError as wrong:
        raise ended_by(Exit.NOT_REACHED, wrong) from wrong
    finally:
        await keeper.end()


def _ready(running: Running, wanted: Wanted, seconds: float) -> None:
    """The address, and in a demonstration who may sign in as what."""
    console = screen()
    line(console, f"Ready after {seconds:.0f} s: {running.origin}", style="bold")
    if not ipaddress.ip_address(wanted.listen).is_loopback:
        marked(
            console,
            "CAREFUL:",
            f"others reach {wanted.listen}. Nothing here encrypts: TLS must be in front.",
            style="bold",
        )
    if running.demonstration:
        _sign_ins()
    line(console, "Not a medical device: it drives virtual pumps. Ctrl-C ends it.")
    sys.stdout.flush()


def _sign_ins() -> None:
    from thecal.demonstration.scenario import FILE, read_scenario
    from thecal.formulary import load

    console = screen()
    heading(console, "Demonstration: nobody in it is real, and anybody may sign in as any of these.")
    staff = read_scenario(FILE, load()).staff
    table(console, ("login", "role", "password"), [(s.login, ", ".join(s.roles), s.password) for s in staff])
