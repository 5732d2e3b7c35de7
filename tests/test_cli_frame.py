"""The frame: help stays quick, exit codes are those of the table, and nothing that a user does ends in a traceback."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
import typer

from thecal.cli import app, guard, main, versions
from thecal.cli.controller_app import app as controller_app
from thecal.cli.exits import Exit
from thecal.cli.link_app import app as link_app
from thecal.cli.programmer_app import app as programmer_app
from thecal.cli.pump_app import app as pump_app

ROOT = Path(__file__).resolve().parent.parent
ORDER = str(ROOT / "examples" / "baclofen.toml")
THECAL = [sys.executable, "-m", "thecal.cli"]
HEAVY = ("rich", "numpy", "matplotlib", "plotext", "tomllib", "tree_sitter", "thecal.quantities")


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*THECAL, *words], capture_output=True, text=True, check=False, env={**os.environ, **environment}, timeout=60
    )


@pytest.mark.parametrize(
    ("words", "heavy"),
    [
        (["--help"], (*HEAVY, "pydantic")),
        (["--version"], (*HEAVY, "pydantic")),
        (["review", "--help"], HEAVY),  # typer itself reads the options of a command with pydantic
        (["simulate", "--help"], HEAVY),
        (["pump", "run", "--help"], (*HEAVY, "aiocoap", "cbor2")),
        (["programmer", "read", "--help"], (*HEAVY, "aiocoap", "cbor2")),
    ],
)
def test_help_and_version_import_nothing_heavy(words: list[str], heavy: tuple[str, ...]) -> None:
    program = (
        "import sys; before = set(sys.modules); from thecal.cli import main; code = main(sys.argv[1:]); "
        f"print([m for m in {heavy!r} if m in sys.modules and m not in before], code, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[] 0"
    assert done.stdout


@pytest.mark.parametrize("command", ["review", "plan", "simulate", "formulary"])
def test_help_of_a_command_has_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == Exit.GO_ON
    out = capsys.readouterr().out
    assert "Examples:" in out
    assert f"  thecal {command}" in out
    assert "--json" in out


COMMANDS = {
    group: sorted(command.name or "" for command in found.registered_commands)
    for group, found in (
        ("pump", pump_app),
        ("programmer", programmer_app),
        ("controller", controller_app),
        ("link", link_app),
    )
}


@pytest.mark.parametrize(
    ("group", "command"), [(group, command) for group, commands in COMMANDS.items() for command in commands]
)
def test_help_of_every_command_about_a_pump(group: str, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([group, command, "--help"]) == Exit.GO_ON
    out = capsys.readouterr().out
    assert f"  thecal {group} {command}" in out.partition("Examples:")[2]
    assert "Exit codes: " in out
    assert all(f"{int(code)} " in out for code in Exit)
    assert "--json" in out
    assert "--home" in out


@pytest.mark.parametrize("group", COMMANDS)
def test_help_of_a_group_about_pumps(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([group, "--help"]) == Exit.GO_ON
    out = capsys.readouterr().out
    assert f"  thecal {group} " in out.partition("Examples:")[2]
    assert out.count('"') % 2 == 0


def test_every_example_of_a_command_can_be_read() -> None:
    for group, found in (("pump", pump_app), ("programmer", programmer_app), ("controller", controller_app)):
        for command in found.registered_commands:
            for line in (command.epilog or "").splitlines():
                if line.startswith("  thecal "):
                    assert shlex.split(line)[1:3] == [group, command.name]


def test_help_names_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    out = capsys.readouterr().out
    assert all(f"{int(code)} " in out for code in Exit)
    assert "Not a medical device" in out


def test_no_command_shows_help_and_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == Exit.USAGE
    assert "Commands:" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["bogus"],
        ["review"],
        ["review", ORDER, "--bogus"],
        ["review", ORDER, "--today", "2026-02-30"],
        ["plan", "x", "--only", "y"],
    ],
)
def test_a_wrong_command_line_is_a_usage_error(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == Exit.USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Error:" in captured.err
    assert main([*words, "--json"]) == Exit.USAGE
    captured = capsys.readouterr()
    body = json.loads(captured.out)
    assert (body["exit"], body["outcome"], captured.err) == (64, "usage", "")
    assert body["problems"][0]["found"]


def test_a_wrong_date_says_what_is_allowed(capsys: pytest.CaptureFixture[str]) -> None:
    main(["review", ORDER, "--today", "1/2/2026"])
    assert "allowed: a date that exists, as in 2026-03-01" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == Exit.GO_ON
    assert capsys.readouterr().out.startswith("thecal ")


def test_completion_can_be_shown() -> None:
    # A shell that stays the parent: completion is for the shell that asks.
    line = " ".join([*THECAL, "--show-completion; exit $?"])
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, timeout=60)
    script = run(_THECAL_COMPLETE="source_bash")
    assert (done.returncode, script.returncode) == (0, 0)
    assert "_THECAL_COMPLETE" in script.stdout
    words = run(_THECAL_COMPLETE="complete_bash", COMP_WORDS="thecal ", COMP_CWORD="1")
    assert {"review", "plan", "simulate", "formulary"} <= set(words.stdout.split())


def test_exit_codes_are_stable() -> None:
    assert {code.word: int(code) for code in Exit} == {
        "go-on": 0,
        "reason-needed": 1,
        "stopped": 2,
        "file-refused": 3,
        "pump-refused": 4,
        "not-reached": 5,
        "not-known": 6,
        "usage": 64,
        "internal": 70,
        "not-written": 73,
        "interrupted": 130,
        "pipe-closed": 141,
    }


def test_a_defect_has_an_exit_code_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("an invariant")

    monkeypatch.setattr("thecal.cli.reviewing.review_order", broken)
    assert main(["review", ORDER]) == Exit.INTERNAL
    err = capsys.readouterr().err
    assert "RuntimeError: an invariant" in err
    assert "defect of Thecal" in err


def test_ctrl_c_is_an_end_and_not_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("thecal.cli.reviewing.review_order", stopped)
    assert main(["review", ORDER]) == Exit.INTERRUPTED
    assert capsys.readouterr().err == "\nStopped by the user. Nothing more was done.\n"


def test_ctrl_c_in_a_process() -> None:
    program = (
        "import sys, time; import thecal.cli.reviewing as r; from thecal.cli import main\n"
        "def wait(*_):\n    print('ready', file=sys.stderr, flush=True); time.sleep(60)\n"
        f"r.review_order = wait; sys.exit(main(['review', {ORDER!r}]))"
    )
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    assert child.stderr.readline() == "ready\n"
    time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=30)
    assert (child.returncode, out) == (130, "")
    assert "Traceback" not in err


@pytest.mark.parametrize("words", [["review", ORDER], ["formulary", "show", "morphine", "--json"], ["--help"]])
def test_a_closed_pipe_is_an_end_and_not_a_traceback(words: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run([*THECAL, *words], stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_pipe_that_closes_while_we_print(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*_: object, **__: object) -> int:
        raise BrokenPipeError

    monkeypatch.setattr("thecal.cli.answer.deliver", closed)
    monkeypatch.setattr(guard, "hush", lambda: int(Exit.PIPE_CLOSED))
    assert main(["review", ORDER]) == Exit.PIPE_CLOSED


def test_a_prompt_that_is_broken_off(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def abort(*_: object, **__: object) -> None:
        raise typer.Abort

    monkeypatch.setattr(app, "app", abort)
    assert app.run([]) == Exit.INTERRUPTED
    assert "Stopped by the user." in capsys.readouterr().err


def test_an_error_of_typer_without_a_face(capsys: pytest.CaptureFixture[str]) -> None:
    assert guard.usage(typer.TyperException("odd"), []) == Exit.USAGE
    assert capsys.readouterr().err == "Error: odd\n"


def test_a_tree_that_was_never_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> str:
        raise PackageNotFoundError

    monkeypatch.setattr(versions, "version", missing)
    assert versions.software_version() == "unknown"


def test_typer_may_leave_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(*_: object, **__: object) -> None:
        raise SystemExit(3)

    monkeypatch.setattr(app, "app", leave)
    assert app.run([]) == 3


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("words", [["review", ORDER], ["plan", ORDER], ["formulary", "show", "clonidine"]])
def test_every_width_is_kept_to(words: list[str], columns: int) -> None:
    done = run(*words, COLUMNS=str(columns), NO_COLOR="1")
    assert "\x1b" not in done.stdout
    assert done.stderr == ""
    lines = [text for text in done.stdout.splitlines() if ORDER not in text]  # a path is never broken
    assert max(map(len, lines)) <= columns


def test_output_to_a_file_has_no_color() -> None:
    assert "\x1b" not in run("review", ORDER).stdout


def test_color_is_an_extra() -> None:
    plain = run("review", ORDER, NO_COLOR="1", COLUMNS="100").stdout
    colored = run("review", ORDER, FORCE_COLOR="1", TERM="xterm-256color", COLUMNS="100", NO_COLOR="").stdout
    assert "\x1b[" in colored
    assert "reason given" in plain


def test_a_terminal_that_knows_only_ascii() -> None:
    done = run("review", ORDER, PYTHONIOENCODING="ascii", COLUMNS="100")
    assert done.returncode in {0, 1, 2}
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("words", "found", "allowed"),
    [
        (["plan", ORDER, "--lead", "5d"], "5d", "a whole number, 0 or more"),
        (["plan", ORDER, "--lead", "-1"], "-1", "a whole number, 0 or more"),
        (["plan", ORDER, "--boluses", "1.5"], "1.5", "a whole number, 0 or more"),
        (["simulate", ORDER, "--seed", "-1"], "-1", "a whole number, 0 or more"),
        (["plan", ORDER, "--only", "nothing"], "nothing", "dates, bridge, prime"),
    ],
)
def test_a_wrong_value_is_said_in_our_words(
    words: list[str], found: str, allowed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == Exit.USAGE
    err = " ".join(capsys.readouterr().err.split())
    assert f"found '{found}'; allowed: {allowed}" in err
    assert "; next: write one" in err
    assert "Input should" not in err
    assert "Value error" not in err


def test_the_parts_of_a_plan_complete() -> None:
    words = run(_THECAL_COMPLETE="complete_bash", COMP_WORDS="thecal plan --only ", COMP_CWORD="3")
    assert {"dates", "restart", "worksheet"} <= set(words.stdout.split())
