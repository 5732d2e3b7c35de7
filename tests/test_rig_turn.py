"""One at a time, of threads and of processes: a turn that ends with whoever has it."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from thecal.rig.hold import Turn

if TYPE_CHECKING:
    from pathlib import Path

KEEPS = "import sys; from thecal.rig.hold import Turn; from pathlib import Path; t = Turn(Path(sys.argv[1])); "
KEEPS += "print(t.acquire(blocking=False), flush=True); sys.stdin.read()"


def elsewhere(path: Path) -> tuple[subprocess.Popen[str], bool]:
    """Another process that tries to have the turn, and whether it has."""
    words = [sys.executable, "-c", KEEPS, str(path)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline() == "True\n"


def test_a_second_thread_waits_or_is_told_no(tmp_path: Path) -> None:
    turn, order = Turn(tmp_path / "turn.lock"), ["first"]

    def second() -> None:
        with turn:
            order.append("second")

    with turn:
        assert not turn.acquire(blocking=False)
        waiting = threading.Thread(target=second)
        waiting.start()
        waiting.join(0.2)
        assert order == ["first"]
    waiting.join(30)
    assert order == ["first", "second"]
    assert turn.acquire(blocking=False)
    turn.release()


def test_another_process_is_told_no_and_has_it_once_this_one_let_go(tmp_path: Path) -> None:
    path = tmp_path / "turn.lock"
    with Turn(path):
        process, has = elsewhere(path)
        process.communicate("")
        assert not has
    process, has = elsewhere(path)
    assert has
    assert not Turn(path).acquire(blocking=False)
    process.communicate("")


def test_a_process_that_is_killed_leaves_its_turn_to_whoever_waits(tmp_path: Path) -> None:
    path = tmp_path / "turn.lock"
    process, has = elsewhere(path)
    assert has
    got = threading.Event()
    turn = Turn(path)

    def wait() -> None:
        with turn:
            got.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert not got.wait(0.2)
    process.kill()
    process.communicate()
    assert got.wait(30)
    waiting.join(30)
