"""A rig in processes of its own, for tests that start it, ask it, and kill it: real files, real sockets."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.core_world import packed
from tests.link_world import DOCUMENT, PATIENT, ordered

from thecal.link.caller import Patience
from thecal.link.interrogation import Interrogation
from thecal.link.roles import Role
from thecal.link.talk import Arm
from thecal.link.therapy_change import Proposal
from thecal.pump.device import Identity
from thecal.pump.families import Calibration
from thecal.rig.connect import connect
from thecal.rig.host import make_pump
from thecal.rig.local import LocalClient, UnreachableError
from thecal.rig.refusal import Refusal
from thecal.rig.wire import told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from thecal.pump.core.program import Program
    from thecal.rig.connect import Link
    from thecal.rig.home import Home

SERIAL = "B-1"
PATIENCE = Patience(first_s=1.0, spread=1.25, repeats=4)
"""For pumps that answer, on a machine that is busy with other tests."""
SHORT = Patience(first_s=0.1, spread=1.0, repeats=1)
"""For pumps that do not."""
LEVEL_NL = 19_000_000

HOST = """
import asyncio, logging, sys
from pathlib import Path
from thecal.rig.home import Home
from thecal.rig.host import run
logging.basicConfig(level=logging.INFO)
asyncio.run(run(Home(Path(sys.argv[1])), int(sys.argv[2]), sys.argv[3:] or None, witness=True,
    ready=lambda host: print("ready", flush=True)))
"""
SERVICE = f"""
import asyncio, sys
from pathlib import Path
from thecal.link.caller import Patience
from thecal.rig.home import Home
from thecal.rig.service import serve_link
asyncio.run(serve_link(Home(Path(sys.argv[1])), {PATIENCE!r}, lambda: print("ready", flush=True)))
"""


def bench_pump(home: Home, serial: str = SERIAL) -> Path:
    """A factory-new pump of the bench family in a home."""
    return make_pump(home, Identity("bench-20", serial, Calibration()))


def an_order(number: int = 1, **others: Any) -> Program:
    """A program for a pump of the bench family, with its document and patient."""
    p = ordered(number, **others)
    p.max_rate_pl_per_h = Identity("bench-20", SERIAL, Calibration()).constants().max_rate_pl_per_h
    return p


def until(reached: Callable[[], bool], within_s: float = 60.0) -> None:
    """Wait for something that will come; fail where it does not."""
    deadline = time.monotonic() + within_s
    while not reached():
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.01)


@dataclass
class Process:
    """A process of a rig, which says when it is ready."""

    program: str
    arguments: list[str]
    process: subprocess.Popen[str] | None = None
    said: list[str] = field(default_factory=list)

    def start(self) -> Process:
        command = [sys.executable, "-c", self.program, *self.arguments]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=os.fspath(ROOT)
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line == "ready\n", self.rest()
        return self

    def rest(self) -> str:
        """What it said on its way out."""
        assert self.process is not None
        _, errors = self.process.communicate(timeout=60)
        return errors

    def kill(self) -> None:
        """End it as a crash does, at this very instant."""
        assert self.process is not None
        self.process.kill()
        self.rest()
        self.process = None

    def stop(self) -> str:
        """Ask it to end, and see that it did so well; what it logged is returned."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        said = self.rest()
        assert self.process.returncode == 0, said
        self.process = None
        return said

    def end(self) -> None:
        if self.process is not None:
            self.kill()


def _root() -> Path:
    from pathlib import Path

    return Path(__file__).resolve().parent.parent


ROOT = _root()


@dataclass
class Rig:
    """A home with its host process."""

    home: Home
    host: Process | None = None

    def start(self, speed: int = 0, *serials: str) -> Rig:
        self.host = Process(HOST, [str(self.home.folder), str(speed), *serials]).start()
        return self

    def kill(self) -> None:
        assert self.host is not None
        self.host.kill()

    def end(self) -> None:
        if self.host is not None:
            self.host.end()

    def leave(self) -> None:
        """Let the host end as it should, where it still runs."""
        if self.host is not None and self.host.process is not None and self.host.process.poll() is None:
            self.host.stop()
        self.end()

    def try_owner(self, operation: str, **fields: Any) -> dict[str, Any] | Refusal:
        return LocalClient(self.home.rig_socket).ask(operation, **fields)

    def owner(self, operation: str, **fields: Any) -> dict[str, Any]:
        """What the owner of the world does; a refusal is a failure of the test."""
        answer = self.try_owner(operation, **fields)
        assert not isinstance(answer, Refusal), answer.message
        return answer

    def near(self, serial: str = SERIAL) -> None:
        self.owner("near", serial=serial, seconds=3600)

    def pass_s(self, seconds: int) -> int:
        """Move the test clock on."""
        now: int = self.owner("advance", seconds=seconds)["true_s"]
        return now

    def truth(self, serial: str = SERIAL) -> dict[str, Any]:
        return self.owner("truth", serial=serial)

    def is_up(self) -> bool:
        try:
            self.try_owner("time")
        except UnreachableError:
            return False
        return True


def asked(link: Link, operation: str, serial: str = SERIAL, **fields: Any) -> Any:
    """The link's own answer to an operation; a refusal of the service is a failure of the test."""
    answer = link.ask(operation, serial=serial, **fields)
    assert not isinstance(answer, Refusal), answer.message
    return told(answer)


def paired(rig: Rig, link: Link, *roles: Role, serial: str = SERIAL) -> None:
    for role in roles:
        answer = link.ask("pair", serial=serial, role=role.value)
        assert not isinstance(answer, Refusal), answer.message


def granted(result: Any) -> None:
    assert result.arm is Arm.GRANTED, result


def base64_of(data: bytes) -> str:
    import base64

    return base64.b64encode(data).decode()


def programmed(rig: Rig, link: Link, p: Program | None = None, serial: str = SERIAL) -> Program:
    """Fill, pair and program a pump the way people do, and start it; somebody is near then."""
    p = p or an_order()
    rig.owner("fill", serial=serial, volume_nl=LEVEL_NL)
    paired(rig, link, Role.PROGRAMMER, Role.PATIENT, serial=serial)
    rig.near(serial)
    interrogated(link, serial)
    granted(asked(link, "refill", serial, level_nl=LEVEL_NL))
    reprogrammed(link, p, serial)
    granted(asked(link, "start", serial))
    return p


def interrogated(link: Link, serial: str = SERIAL) -> Interrogation:
    read = asked(link, "interrogate", serial)
    assert isinstance(read, Interrogation), read
    return read


def reprogrammed(link: Link, p: Program, serial: str = SERIAL) -> None:
    fields = {"program": packed(p), "document": DOCUMENT, "patient": PATIENT}
    proposal = asked(link, "propose", serial, **{name: base64_of(bytes(data)) for name, data in fields.items()})
    assert isinstance(proposal, Proposal), proposal
    granted(asked(link, "confirm", serial, digest=base64_of(proposal.digest)))


def linked(rig: Rig) -> Iterator[Link]:
    with connect(rig.home, PATIENCE) as link:
        yield link
