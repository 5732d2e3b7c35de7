"""So many pumps in one process, each with its own memory and keys, in steady delivery at real time.

Prints the share of one core and the resident memory of the hosting process over so many seconds, as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RATE_PL_PER_H = 20_000_000  # 0.48 mL a day


def fill(home_folder: Path, pumps: int) -> None:
    """Make pumps with a program of two ingredients that runs, at different places in its day, and a key each."""
    from thecal.link.key import Side, new_key
    from thecal.link.protection import pair
    from thecal.link.roles import Role
    from thecal.pump.core.codes import GRANTED
    from thecal.pump.core.program import RECORD_SIZE, Program
    from thecal.pump.device import Device, FileDisk, Identity
    from thecal.pump.families import Calibration
    from thecal.rig.home import Home
    from thecal.rig.host import make_pump

    home = Home(home_folder)
    chance = random.Random(1)
    for number in range(pumps):
        serial = f"T-{number:04}"
        folder = make_pump(home, Identity("bench-20", serial, Calibration()), quick_disk)
        disk = FileDisk(folder, flush=False)
        device = Device(disk, 0)
        p = Program()
        p.number, p.stroke_nl, p.n_channels, p.n_steps = 1, device.controller.hw.stroke_nl, 2, 24
        for step in range(24):
            p.step_s[step], p.rate_pl_per_h[step] = step * 3600, RATE_PL_PER_H * (10 + step % 5) // 12
        for channel, strength in enumerate((5_000_000, 20_000)):
            p.strength_ng_per_ml[channel] = strength
            p.ceiling_24h_ng[channel] = 2 * 24 * RATE_PL_PER_H * strength // 10**9
            p.ceiling_1h_ng[channel] = p.ceiling_24h_ng[channel] // 6
        p.max_rate_pl_per_h = device.controller.hw.max_rate_pl_per_h
        commands = device.commands
        packed = bytearray(RECORD_SIZE)
        p.pack(packed)
        device.fill(19_000_000)
        answers = [commands.refill(19_000_000), commands.propose(packed), commands.confirm(commands.staged_digest())]
        answers += [commands.set_clock(chance.randrange(86_400)), commands.start(1)]
        if answers != [GRANTED] * 5:
            raise SystemExit(f"a pump of the bench was refused its program: {answers}")
        device.settle()
        pair(disk, Side.PUMP, new_key(Role.MONITOR, serial))


def quick_disk(folder: Path) -> object:
    from thecal.pump.device import FileDisk

    return FileDisk(folder, flush=False)


def used(pid: int) -> tuple[float, float]:
    """Processor seconds, and resident MB, of a process (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()
    ticks = int(fields[11]) + int(fields[12])
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE") / 1e6


HOSTING = """
import asyncio, sys
from pathlib import Path
from thecal.rig.home import Home
from thecal.rig.host import run
asyncio.run(run(Home(Path(sys.argv[1])), 1, ready=lambda host: print("ready", flush=True)))
"""


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--pumps", type=int, default=1000)
    asked.add_argument("--seconds", type=int, default=120)
    args = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        fill(Path(folder), args.pumps)
        made_s = time.monotonic() - began
        began = time.monotonic()
        with subprocess.Popen([sys.executable, "-c", HOSTING, folder], stdout=subprocess.PIPE, text=True) as host:
            assert host.stdout is not None
            if host.stdout.readline() != "ready\n":
                raise SystemExit("the host did not start")
            started_s = time.monotonic() - began
            time.sleep(5)
            began = time.monotonic()
            before, _ = used(host.pid)
            time.sleep(args.seconds)
            after, resident_mb = used(host.pid)
            passed_s = time.monotonic() - began
            host.send_signal(signal.SIGTERM)
            began = time.monotonic()
            left = host.wait()
            figures = {
                "pumps": args.pumps,
                "over_s": round(passed_s, 1),
                "share_of_one_core": round((after - before) / passed_s, 4),
                "resident_mb": round(resident_mb),
                "made_s": round(made_s, 1),
                "started_s": round(started_s, 1),
                "left_s": round(time.monotonic() - began, 1),
                "left_with": left,
            }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
