"""``thecal clinic run``: its processes beside each other, each started again when it dies, and settled in the end."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.demonstration_world import PRESSER, small_world

from thecal.cli.clinic_process import webs
from thecal.rig.beside import Standing, read_note
from thecal.rig.home import Home

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

THECAL = [sys.executable, "-m", "thecal.cli", "clinic"]
WITHIN_S = 90.0


class Running:
    """A clinic that runs in a process of its own, as from a terminal."""

    def __init__(self, home: Path, *options: str) -> None:
        self.home = Home(home)
        words = [*THECAL, "run", "--home", str(home), "--port", "0", *options]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.said = ""
        assert self.process.stdout is not None
        while "Ctrl-C" not in self.said:
            line = self.process.stdout.readline()
            assert line, self.process.stderr.read() if self.process.stderr else ""
            self.said += line
        found = re.search(r"http://\S+", self.said)
        assert found is not None, self.said
        self.url = found[0]

    def pids(self) -> dict[str, int]:
        return {noted.name: noted.pid for noted in read_note(self.home.run / "processes.json")}

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/sign-in", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def end(self) -> str:
        """Ctrl-C, and what it said on its way out."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        _, errors = self.process.communicate(timeout=60)
        return errors


def until(reached: object, within_s: float = WITHIN_S) -> None:
    deadline = time.monotonic() + within_s
    while not reached():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.1)


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def command(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*THECAL, *words], capture_output=True, text=True, timeout=120, env={**os.environ, **more}, check=False
    )


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "demonstration"
    small_world(folder, PRESSER)
    return folder


@pytest.fixture(scope="module")
def running(demonstration: Path) -> Iterator[Running]:
    made = Running(demonstration, "--demonstration")
    yield made
    made.end()


def test_it_says_where_it_is_and_who_may_sign_in_once_it_answers(running: Running) -> None:
    assert running.answers()
    for login in ("physician", "nurse", "pharmacist", "desk", "engineer", "administrator"):
        assert re.search(rf"^{login} +{login} +look around, {login}", running.said, re.MULTILINE), running.said
    assert "Not a medical device" in running.said


def test_each_process_is_one_of_its_own_and_the_web_is_started_again(running: Running) -> None:
    before = running.pids()
    assert set(before) == {"rig", "link", "preview", *(name for name, _ in webs(os.cpu_count() or 1))}
    assert len({*before.values(), running.process.pid}) == len(before) + 1
    os.kill(before["web"], signal.SIGKILL)
    until(lambda: running.pids()["web"] != before["web"] and running.answers())
    after = running.pids()
    assert {**after, "web": 0} == {**before, "web": 0}, "pumps go on, and so do the others"
    assert all(noted.standing is Standing.RUNNING for noted in read_note(running.home.run / "processes.json"))


def test_a_second_start_is_refused_by_the_process_that_holds_it(running: Running, demonstration: Path) -> None:
    second = command("run", "--demonstration", "--home", str(demonstration), "--port", "0")
    assert second.returncode == 5
    assert f"process {running.process.pid}" in second.stderr
    assert running.answers()


def test_a_port_in_use_is_said_with_the_next_step(running: Running, tmp_path: Path) -> None:
    port = running.url.rsplit(":", 1)[1]
    second = command("run", "--home", str(tmp_path), "--port", port)
    assert second.returncode == 5
    assert f"--port {int(port) + 1}" in second.stderr


@pytest.mark.long
def test_a_demonstration_and_a_clinic_of_ones_own_are_never_taken_for_one_another(
    demonstration: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    words = (
        "--name",
        "Own",
        "--zone",
        "America/Chicago",
        "--phone",
        "+1 312 555 0100",
        "--on-call",
        "+1 312 555 0199",
        "--login",
        "ada",
    )
    made = subprocess.run(
        [*THECAL, "init", "--home", str(own), *words, "--administrator", "Ada Ames", "--password-stdin"],
        input="four words nobody knows\n", capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert command("run", "--demonstration", "--home", str(own), "--port", "0").returncode == 64
    assert command("run", "--demonstration", "--fresh", "--yes", "--home", str(own), "--port", "0").returncode == 64
    assert (own / "clinic.sqlite").exists(), "a clinic of one's own is never taken away"
    clinic = Running(own)
    try:
        assert clinic.answers()
        assert "password" not in clinic.said
        assert "/world/move" not in httpx.get(f"{clinic.url}/sign-in").text
    finally:
        clinic.end()


def test_nothing_listens_beyond_this_machine_unless_told_to(running: Running) -> None:
    port = int(running.url.rsplit(":", 1)[1])
    for address in {i[4][0] for i in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {
        "127.0.0.1",
        "127.0.1.1",
    }:
        with closing(socket.socket()) as calling:
            calling.settimeout(2)
            assert calling.connect_ex((str(address), port)) != 0
    told = command("run", "--listen", "0.0.0.0", "--port", "0")  # noqa: S104 -- that is what is refused
    assert told.returncode == 64, "others reach it: --origin is needed"


def test_ctrl_c_ends_all_of_it_and_the_same_world_goes_on(demonstration: Path, running: Running) -> None:
    pids = running.pids()
    running.end()
    assert running.process.returncode == 0
    assert not any(runs(pid) for pid in pids.values())
    again = Running(demonstration, "--demonstration")
    assert again.answers()
    assert "Making" not in again.end()


def test_when_whoever_started_them_is_killed_nobody_is_left_behind(demonstration: Path) -> None:
    started = Running(demonstration, "--demonstration")
    pids = started.pids()
    started.process.kill()
    started.process.communicate(timeout=60)
    until(lambda: not any(runs(pid) for pid in pids.values()))
