"""A home with a rig in a process of its own, and the commands run in this process, for tests of the command line."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thecal.cli import main
from thecal.rig.home import Home

ROOT = Path(__file__).resolve().parent.parent
THECAL = (sys.executable, "-m", "thecal.cli")
FIRST = ROOT / "examples" / "first-patient.toml"
WITHIN_S = 60.0
_READY = "ends it; to the pumps that is a loss of power."


@dataclass(frozen=True)
class Ran:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def flat(self) -> str:
        """Everything that was printed, on one line: where it is broken depends on the terminal."""
        return " ".join((self.out + " " + self.err).split())

    def first(self) -> str:
        """The first line on standard output."""
        return self.out.splitlines()[0]


def thecal(*words: str) -> Ran:
    """One command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(list(words))
    return Ran(code, out.getvalue(), err.getvalue())


def body(*words: str) -> dict[str, Any]:
    """The JSON of a command; its head is checked."""
    ran = thecal(*words, "--json")
    found: dict[str, Any] = json.loads(ran.out)
    assert (found["exit"], ran.err) == (ran.code, "")
    assert {"thecal", "notice", "command", "outcome"} <= set(found)
    return found


@dataclass
class CliRig:
    """A home, with its rig where one was started."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None
    made: int = 0

    @property
    def home(self) -> Home:
        return Home(self.folder)

    def start(self, *options: str) -> None:
        """Start the rig, and wait until it can be asked."""
        words = [*THECAL, "pump", "run", *options, "--home", str(self.folder)]
        with (self.folder / "said").open("ab") as said:
            before = self.said().count(_READY)
            self.process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env={**os.environ, "COLUMNS": "200"}
            )
        self.wait(before + 1)

    def said(self) -> str:
        """What the rig has printed."""
        return (self.folder / "said").read_text("utf-8")

    def wait(self, starts: int) -> None:
        deadline = time.monotonic() + WITHIN_S
        while self.said().count(_READY) < starts:
            assert self.process is not None
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, "the rig did not start in time"
            time.sleep(0.02)

    def kill(self) -> None:
        """End it as a crash does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(timeout=WITHIN_S)
        self.process = None

    def end(self) -> None:
        """Ask it to end, and see that it does."""
        if self.process is not None:
            self.process.terminate()
            assert self.process.wait(timeout=WITHIN_S) == 0, self.said()
            self.process = None

    def leave(self) -> None:
        """Leave nothing behind, whatever became of the test: no rig, and no link service that outlived one."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=WITHIN_S)
        with suppress(OSError, ValueError):
            service = json.loads((self.home.link / "service.holder").read_bytes())["pid"]
            if service != os.getpid():
                os.kill(service, signal.SIGTERM)

    # Pumps

    def pump_alone(self, serial: str = "ALONE") -> None:
        """A pump that nobody is paired with, made before any rig runs."""
        assert thecal("pump", "new", serial, "--family", "bench-20").code == 0

    def pump(self, *roles: str) -> str:
        """A new pump that the rig runs, with these roles paired."""
        self.made += 1
        serial = f"BENCH-{self.made:04}"
        ran = thecal("pump", "new", serial, "--family", "bench-20", "--stroke", "250 nL", "--tubing", "0.15 mL")
        assert ran.code == 0, ran.flat
        assert thecal("pump", "adopt", serial).code == 0
        for role in roles:
            assert thecal("pump", "pair", serial, role).code == 0
        return serial

    def programmed(self, *roles: str) -> str:
        """A new pump that delivers the first patient's program, with the programmer and these roles paired."""
        serial = self.pump("programmer", *roles)
        near(serial)
        thecal("pump", "fill", serial, "20 mL")
        assert thecal("programmer", "refill", serial, "20 mL").code == 0
        ran = thecal("programmer", "propose", serial, str(self.order(serial)), "--confirm")
        assert ran.code == 0, ran.flat
        assert thecal("programmer", "start", serial).code == 0
        return serial

    def order(self, serial: str, *changes: tuple[str, str]) -> Path:
        """The first patient's order for this pump."""
        text = FIRST.read_text("utf-8").replace("BENCH-0001", serial)
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        path = self.folder / f"{serial}.toml"
        path.write_text(text, "utf-8")
        return path


def near(serial: str) -> None:
    """Hold something over a pump."""
    assert thecal("pump", "near", serial).code == 0


def advance(time_: str) -> None:
    """Let the world go on."""
    assert thecal("pump", "advance", time_).code == 0
