"""``thecal pump``: pumps made, run, handled and broken by the owner of their world, over a real rig."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from tests.cli_world import THECAL, CliRig, advance, body, near, thecal

from thecal.cli.exits import Exit
from thecal.rig.local import LocalClient, answers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CliRig]:
    """A rig with a test clock; each test has a pump of its own in it."""
    with pytest.MonkeyPatch.context() as patch:
        rig = CliRig(tmp_path_factory.mktemp("home"))
        patch.setenv("THECAL_HOME", str(rig.folder))
        patch.setenv("COLUMNS", "100")
        rig.pump_alone()
        rig.start("--test-clock", "--no-link")
        yield rig
        rig.end()


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CliRig]:
    """A home where nothing runs, and nothing is left running."""
    monkeypatch.setenv("THECAL_HOME", str(tmp_path))
    rig = CliRig(tmp_path)
    yield rig
    rig.leave()


# Making


def test_a_pump_is_made(empty: CliRig) -> None:
    assert "No pump here. Next: thecal pump new" in thecal("pump", "list").flat
    ran = thecal("pump", "new", "T-1", "--family", "bench-20", "--stroke", "248 nL")
    assert ran.code == Exit.GO_ON
    assert "Pump T-1 is made: bench pump, 20 mL, 248 nL a stroke." in ran.flat
    assert "Next: thecal pump run; then thecal pump pair T-1 programmer" in ran.flat
    found = body("pump", "new", "T-2", "--family", "bench-20")
    assert (found["command"], found["serial"], found["family"]) == ("pump new", "T-2", "bench-20")
    ran = thecal("pump", "list")
    assert "T-1 bench-20 NO RIG RUNS IT closed" in ran.flat
    assert "No rig runs. Next: thecal pump run" in ran.flat
    assert body("pump", "list")["pumps"][0] == {"serial": "T-1", "family": "bench-20", "runs": False}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("T-1", "--family", "bench-2"), "pump family 'bench-2' is not known; did you mean bench-20?"),
        (("T/1", "--family", "bench-20"), "found: serial number 'T/1' allowed: 1 to 32 letters"),
        (("T-1", "--family", "bench-20", "--stroke", "248"), "found: '248'"),
        (("T-1", "--family", "bench-20", "--stroke", "0 nL"), "found: a stroke of 0 nL allowed: a whole number"),
        (("T-1", "--family", "constant-flow-30"), "comes in fixed flows"),
    ],
)
def test_a_pump_that_cannot_be_made(empty: CliRig, words: tuple[str, ...], said: str) -> None:
    ran = thecal("pump", "new", *words)
    assert (ran.code, ran.out) == (Exit.USAGE, "")
    assert said in ran.flat
    assert "next:" in ran.flat
    problem = body("pump", "new", *words)["problems"][0]
    assert (problem["code"], bool(problem["found"]), bool(problem["next"])) == ("usage", True, True)
    assert thecal("pump", "list").flat.startswith("No pump here")


def test_a_serial_number_is_given_once(empty: CliRig) -> None:
    thecal("pump", "new", "T-1", "--family", "bench-20")
    ran = thecal("pump", "new", "T-1", "--family", "bench-20")
    assert ran.code == Exit.USAGE
    assert "pump T-1, which is here already" in ran.flat


def test_a_pump_that_cannot_say_who_it_is(empty: CliRig) -> None:
    thecal("pump", "new", "T-1", "--family", "bench-20")
    (empty.home.pump("T-1") / "identity").write_bytes(b"?")
    assert "T-1 not known NO RIG RUNS IT closed" in thecal("pump", "list").flat
    assert body("pump", "list")["pumps"][0]["family"] == ""


# Without a rig


@pytest.mark.parametrize(
    "words", [("near", "T-1"), ("advance", "1 h"), ("truth", "T-1"), ("stop",), ("fault", "T-1", "stall")]
)
def test_without_a_rig(empty: CliRig, words: tuple[str, ...]) -> None:
    ran = thecal("pump", *words)
    assert ran.code == Exit.NOT_REACHED
    assert ran.flat == "found: no rig runs pumps here allowed: a running rig next: start it: thecal pump run"
    assert body("pump", *words)["problems"][0]["next"] == "start it: thecal pump run"


def test_a_rig_that_ends_while_it_is_asked(empty: CliRig) -> None:
    empty.home.ready()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(empty.home.rig_socket))
        listening.listen()
        closing = threading.Thread(target=_accept_and_close, args=(listening, 1))
        closing.start()
        ran = thecal("pump", "near", "T-1")
        closing.join()
    assert ran.code == Exit.NOT_KNOWN
    assert "the rig ended, or is busy, while it was asked" in ran.flat
    assert "thecal pump list" in ran.flat


# Running


def test_nothing_to_run(empty: CliRig) -> None:
    ran = thecal("pump", "run")
    assert ran.code == Exit.USAGE
    assert "make one: thecal pump new" in ran.flat
    ran = thecal("pump", "run", "T-9")
    assert ran.code == Exit.USAGE
    assert "found: pump T-9 allowed: none is made yet next: make it: thecal pump new T-9" in ran.flat
    thecal("pump", "new", "T-1", "--family", "bench-20")
    assert "allowed: T-1 next" in thecal("pump", "run", "T-9").flat


def meanwhile(reached: Callable[[], bool], then: Callable[[], object]) -> threading.Thread:
    """Do something as soon as a process, which is this one, has come as far as that."""

    def wait() -> None:
        deadline = time.monotonic() + 60
        while not reached() and time.monotonic() < deadline:
            time.sleep(0.02)
        then()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def _ready() -> bool:
    """Whether the rig in this process has said that it is."""
    said = sys.stdout.getvalue() if isinstance(sys.stdout, io.StringIO) else ""
    return "ends it; to the pumps" in said


def test_a_rig_says_what_to_do_next(empty: CliRig) -> None:
    for number in range(5):
        thecal("pump", "new", f"T-{number}", "--family", "bench-20")
    (empty.home.pump("T-4") / "identity").write_bytes(b"?")
    rig = LocalClient(empty.home.rig_socket)

    def leave() -> None:
        rig.ask("stop", sure=True)

    def pair_and_leave() -> None:
        rig.ask("pair", serial="T-0", role="monitor")
        leave()

    asking = meanwhile(_ready, leave)
    ran = thecal("pump", "run", "--test-clock")
    asking.join()
    assert ran.code == Exit.GO_ON
    assert "5 virtual pumps run under a test clock. Not a medical device." in ran.flat
    assert "FAILED: pump T-4:" in ran.flat
    assert "Nobody is paired with T-0. Next: thecal pump pair T-0 programmer" in ran.flat
    assert "Nobody is paired with 2 more" in ran.flat
    assert "Time stands still until thecal pump advance" in ran.flat
    assert "To its pumps that is a loss of power" in ran.flat
    assert not answers(empty.home.service_socket)
    asking = meanwhile(_ready, pair_and_leave)
    assert "1 virtual pump runs in real time" in thecal("pump", "run", "T-0", "--no-link").flat
    asking.join()
    asking = meanwhile(_ready, leave)
    ran = thecal("pump", "run", "T-0", "--speed", "60", "--no-link", "--home", str(empty.folder))
    asking.join()
    assert "1 virtual pump runs at 60 times real time" in ran.flat
    assert "Nobody is paired" not in ran.flat
    asking = meanwhile(lambda: answers(empty.home.rig_socket), leave)
    ran = thecal("pump", "run", "T-0", "--no-link", "--json")
    asking.join()
    assert json.loads(ran.out)["pumps"] == ["T-0"]


def test_one_rig_for_a_home(rig: CliRig) -> None:
    ran = thecal("pump", "run", "--no-link")
    assert ran.code == Exit.NOT_REACHED
    assert "this home in use by process" in ran.flat
    assert "next:" in ran.flat
    assert "1 virtual pump runs under a test clock." in rig.said()
    assert "Next: thecal pump pair ALONE programmer" in rig.said()


def test_a_pump_that_another_process_has(rig: CliRig, tmp_path: Path) -> None:
    ran = thecal("pump", "adopt", "ALONE")
    assert ran.code == Exit.NOT_REACHED
    assert "which this rig runs already" in ran.flat
    assert thecal("pump", "adopt", "NOBODY").code == Exit.USAGE


def test_a_link_service_is_started_beside_a_rig_and_outlives_its_crash(empty: CliRig) -> None:
    thecal("pump", "new", "T-1", "--family", "bench-20")
    empty.start("--test-clock")
    deadline = time.monotonic() + 60
    while not answers(empty.home.service_socket):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert thecal("pump", "pair", "T-1", "programmer").code == Exit.GO_ON
    service = json.loads((empty.home.link / "service.holder").read_bytes())["pid"]
    assert service not in {os.getpid(), 0}
    ran = thecal("link", "run")
    assert ran.code == Exit.NOT_REACHED
    assert "in use by process" in ran.flat
    empty.kill()
    assert thecal("programmer", "status", "T-1").code == Exit.NOT_REACHED
    empty.start("--test-clock")  # and uses the service that is there
    assert thecal("programmer", "status", "T-1").code == Exit.GO_ON
    os.kill(service, signal.SIGKILL)
    assert (
        thecal("programmer", "status", "T-1").code == Exit.GO_ON
    )  # this command is the service for as long as it runs
    assert "T-1 programmer" in thecal("link", "paired").flat
    assert thecal("pump", "stop").code == Exit.GO_ON
    assert empty.process is not None
    assert empty.process.wait(timeout=60) == 0


def test_a_link_service_alone(empty: CliRig) -> None:
    assert "Nobody is paired." in thecal("link", "paired").flat
    assert body("link", "paired")["paired"] == []

    def leave() -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    asking = meanwhile(lambda: answers(empty.home.service_socket), leave)
    ran = thecal("link", "run")
    asking.join()
    assert ran.code == Exit.GO_ON
    assert "it alone holds keys" in ran.flat
    asking = meanwhile(lambda: answers(empty.home.service_socket), leave)
    ran = thecal("link", "run", "--json")
    asking.join()
    assert json.loads(ran.out)["command"] == "link run"


def test_a_ledger_that_is_damaged(empty: CliRig) -> None:
    empty.home.ready()
    (empty.home.link / "ledger.sqlite").write_bytes(b"no ledger at all" * 100)
    for words in (("link", "paired"), ("link", "run")):
        ran = thecal(*words)
        assert ran.code == Exit.FILE_REFUSED
        assert "a ledger that cannot be read" in ran.flat
        assert "next: restore it from a copy" in ran.flat


# Handling


def test_near_and_away(rig: CliRig) -> None:
    serial = rig.pump()
    assert f"{serial}: its near field is open for 10 min" in thecal("pump", "near", serial).flat
    assert "open for 10 min" in thecal("pump", "list").flat
    assert body("pump", "near", serial, "--for", "1 min")["near_left_s"] == 60
    advance("30 s")
    assert "open for 30 s" in thecal("pump", "list").flat
    assert "is closed" in thecal("pump", "away", serial).flat
    assert body("pump", "away", serial)["near_left_s"] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("near", "ALONE", "--for", "2 h"), "a whole number from 1 to 3600"),
        (("near", "ALONE", "--for", "0 s"), "whole seconds, 1 or more"),
        (("near", "ALONE", "--for", "0.5 s"), "whole seconds, 1 or more"),
        (("near", "ALONE", "--for", "10"), "'10'"),
        (("near", "NOBODY"), "thecal pump list shows all of this home"),
        (("near", "a/b"), "a serial number"),
        (("advance", "1h"), "write 1 h"),
        (("fill", "ALONE", "20 ml"), "write mL"),
        (("pair", "ALONE", "nurse"), "programmer, patient, monitor, service, card"),
        (("fault", "ALONE", "rust"), "thecal pump faults says what each does"),
        (("heal", "ALONE", "rust"), "thecal pump faults says what each does"),
        (("fault", "ALONE", "clock jump", "--for", "1 h", "--amount", "60"), "it is over in a moment"),
        (("pair", "a/b", "monitor"), "as a serial number"),
    ],
)
def test_what_is_written_wrong(rig: CliRig, words: tuple[str, ...], said: str) -> None:
    ran = thecal("pump", *words)
    assert (ran.code, ran.out) == (Exit.USAGE, "")
    assert said in ran.flat
    assert "next:" in ran.flat
    assert body("pump", *words)["outcome"] == "usage"


def test_fluid(rig: CliRig) -> None:
    serial = rig.pump("programmer")
    ran = thecal("pump", "fill", serial, "18.5 mL")
    assert "holds 18.5 mL." in ran.flat
    assert f'thecal programmer refill {serial} "18.5 mL"' in ran.flat
    ran = thecal("pump", "fill", serial, "5 mL")
    assert ran.code == Exit.PUMP_REFUSED
    assert "found: 5 mL to fill" in ran.flat
    assert "draw first" in ran.flat
    assert "18.5 mL" in thecal("pump", "draw", serial).flat
    assert body("pump", "draw", serial)["drawn_nl"] == 0


def test_power(rig: CliRig) -> None:
    serial = rig.pump("programmer")
    ran = thecal("pump", "power", serial, "--off")
    assert "NO POWER: it gives nothing and answers nobody" in ran.flat
    assert f"{serial} bench-20 NO POWER closed" in thecal("pump", "list").flat
    assert thecal("pump", "truth", serial).first() == f"Pump {serial} has NO POWER."
    ran = thecal("pump", "pair", serial, "card")
    assert ran.code == Exit.NOT_REACHED
    assert "restore its power" in ran.flat
    assert body("pump", "power", serial, "--on")["powered"]
    assert "has started from its memory" in thecal("pump", "power", serial, "--on").flat


def test_a_pump_that_does_not_start(rig: CliRig) -> None:
    rig.made += 1
    serial = f"BENCH-{rig.made:04}"
    thecal("pump", "new", serial, "--family", "bench-20")
    (rig.home.pump(serial) / "identity").write_bytes(b"?")
    assert thecal("pump", "adopt", serial).code == Exit.GO_ON
    assert f"{serial} not known FAILED: IdentityError" in thecal("pump", "list").flat
    ran = thecal("pump", "power", serial, "--on")
    assert ran.code == Exit.NOT_REACHED
    assert "which failed" in ran.flat


def test_the_valve(rig: CliRig) -> None:
    rig.made += 1
    serial = f"VALVE-{rig.made:04}"
    thecal("pump", "new", serial, "--family", "valve-20")
    thecal("pump", "adopt", serial)
    assert "was open" in thecal("pump", "valve", serial).flat
    assert thecal("pump", "fault", serial, "valve shut").code == Exit.GO_ON
    advance("1 min")
    assert "The valve is shut, and the pump cannot feel it." in thecal("pump", "truth", serial).flat
    assert "was shut, and is open now" in thecal("pump", "valve", serial).flat


def test_faults(rig: CliRig) -> None:
    serial = rig.programmed()
    assert "Nothing fails" in thecal("pump", "faults", serial).flat
    ran = thecal("pump", "fault", serial, "stall", "--for", "2 h")
    assert f"Pump {serial}: stall, from now on, for 2 h. What happens: no stroke is confirmed" in ran.flat
    assert thecal("pump", "fault", serial, "leak", "--after", "1 h", "--amount", "500000").code == Exit.GO_ON
    ran = thecal("pump", "fault", serial, "reset", "--after", "3 h", "--for", "1 min")
    assert "reset, in 3 h, for 1 min" in ran.flat
    assert "until it is over" in ran.flat
    assert "clock jump, now, amount 60" in thecal("pump", "fault", serial, "clock jump", "--amount", "60").flat
    later = thecal("pump", "fault", serial, "early replacement", "--after", "5 h").flat
    assert "early replacement, in 5 h." in later
    flat = thecal("pump", "faults", serial).flat
    assert "- stall, from now on, for 2 h" in flat
    assert "- leak, in 1 h, until it is healed, amount 500,000" in flat
    assert "stall is over" in thecal("pump", "heal", serial, "stall").flat
    assert "has no stall" in thecal("pump", "heal", serial, "stall").flat
    assert "stall" not in thecal("pump", "faults", serial).flat
    thecal("pump", "fault", serial, "stall", "--for", "2 h")
    advance("1 h")
    assert "- stall, from now on, for 1 h" in thecal("pump", "faults", serial).flat
    assert body("pump", "faults", serial)["faults"][-1]["kind"] == "stall"
    assert thecal("pump", "truth", serial).first().startswith(f"Pump {serial} is started. Alarms: motor stall")
    ran = thecal("pump", "fault", serial, "leak")
    assert ran.code == Exit.PUMP_REFUSED
    assert "found: amount: found 0 allowed: for leak" in ran.flat or "amount: found 0; allowed for leak" in ran.flat


def test_every_kind_of_fault_is_explained(rig: CliRig) -> None:
    kinds = body("pump", "faults")["kinds"]
    assert {"stall", "leak", "valve shut", "clock jump"} <= {k["kind"] for k in kinds}
    ran = thecal("pump", "faults")
    assert "--amount" in ran.out
    assert "``" not in ran.out
    assert all(k["kind"].split()[0] in ran.out for k in kinds)


def test_truth_beside_belief(rig: CliRig) -> None:
    serial = rig.programmed()
    thecal("pump", "fault", serial, "leak", "--amount", "1000000")
    thecal("pump", "fault", serial, "lost strokes", "--amount", "100", "--for", "1 h")
    advance("2 h")
    thecal("pump", "fault", serial, "occlusion")
    advance("2 h")
    thecal("pump", "draw", serial)
    advance("2 h")
    ran = thecal("pump", "truth", serial)
    assert ran.first() == f"Pump {serial} is started."
    for name in ("leaked into the pocket", "strokes that moved nothing", "held back by a shut way", "of uptime"):
        assert name in ran.flat
    found = body("pump", "truth", serial)
    assert found["believed"]["level_nl"] > found["reservoir_nl"]
    near(serial)
    assert thecal("programmer", "stop", serial).code == Exit.GO_ON
    assert thecal("pump", "truth", serial).first() == f"Pump {serial} is STOPPED."


def test_tones(rig: CliRig) -> None:
    serial = rig.pump("programmer")
    assert "has sounded nothing since it started" in thecal("pump", "tones", serial).flat
    near(serial)
    assert thecal("programmer", "alarm-test", serial).code == Exit.GO_ON
    assert thecal("programmer", "alarm-test", serial, "--critical").code == Exit.GO_ON
    flat = thecal("pump", "tones", serial).flat
    assert "number at uptime tone lasts" in flat
    assert "non-critical, a test 1 s" in flat
    assert "critical, a test 3 s" in flat
    assert body("pump", "tones", serial)["tones"][-1]["critical"]


@pytest.mark.requirement("SC-20")
def test_refused_frames_are_counted_and_shown(rig: CliRig) -> None:
    silent = rig.pump()
    assert "has heard nothing" in thecal("pump", "heard", silent).flat
    serial = rig.pump("programmer")
    assert thecal("programmer", "start", serial).code == Exit.NOT_REACHED
    ran = thecal("pump", "heard", serial)
    assert ran.first() == "REFUSED: 1 frame. It changed nothing."
    assert "far field denied 1" in ran.flat
    assert thecal("programmer", "start", serial).code == Exit.NOT_REACHED
    ran = thecal("pump", "heard", serial)
    assert ran.first() == "REFUSED: 2 frames. They changed nothing."
    assert body("pump", "heard", serial)["heard"]["far"]["denied"] == 2


# Time


def test_a_test_clock_is_moved(rig: CliRig) -> None:
    before = body("pump", "advance", "1 s")["true_s"]
    found = body("pump", "advance", "25 h")
    assert found["true_s"] == before + 25 * 3_600
    assert " since this world began." in thecal("pump", "advance", "1 min").flat


def test_a_clock_that_runs_by_itself_is_not_moved(empty: CliRig) -> None:
    thecal("pump", "new", "T-1", "--family", "bench-20")
    empty.start("--speed", "60", "--no-link")
    ran = thecal("pump", "advance", "1 h")
    assert ran.code == Exit.PUMP_REFUSED
    assert "a clock that runs by itself" in ran.flat
    assert "thecal pump run --test-clock" in ran.flat
    empty.end()


# Keys


def test_a_key_for_a_stock_client(rig: CliRig, tmp_path: Path) -> None:
    serial = rig.pump()
    ran = thecal("pump", "pair", serial, "monitor", "--export", str(tmp_path / "key"))
    assert ran.code == Exit.GO_ON
    assert f"is the monitor of pump {serial}" in ran.flat
    assert {p.name for p in (tmp_path / "key").iterdir()} >= {"credentials.json", "secret.json", "settings.json"}
    for folder in (tmp_path / "key", tmp_path / "no" / "key"):
        ran = thecal("pump", "pair", serial, "monitor", "--export", str(folder))
        assert ran.code == Exit.NOT_WRITTEN
        assert "a folder that is not there yet" in ran.flat


def test_pairing_says_what_comes_next(rig: CliRig) -> None:
    serial = rig.pump()
    for role in ("programmer", "patient", "monitor", "service", "card"):
        ran = thecal("pump", "pair", serial, role)
        assert f"The {role} is paired with pump {serial}." in ran.flat
        assert serial in ran.flat.partition("Next: ")[2]
    assert body("pump", "pair", serial, "card")["role"] == "card"


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_every_width_is_kept_to(rig: CliRig, columns: int) -> None:
    serial = rig.pump("programmer")
    for words in (["pump", "faults"], ["pump", "list"], ["pump", "truth", serial], ["programmer", "read", serial]):
        done = subprocess.run(
            [*THECAL, *words],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "COLUMNS": str(columns), "NO_COLOR": "1"},
        )
        assert max(map(len, done.stdout.splitlines())) <= columns


def _accept_and_close(listening: socket.socket, times: int) -> None:
    """Somebody who is asked, and ends."""
    for _ in range(times):
        listening.accept()[0].close()
