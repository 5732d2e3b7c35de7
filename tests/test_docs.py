"""The documentation is run: every console and python example of docs/ and README.md does what it says.

A page is one session: its files are written and its blocks run from top to bottom, in the root of the project, with
the commands of this environment first on the path.

- A fence marked ``console`` holds commands after ``$`` and, where wanted, what they print. ``...`` stands for any text
  in a line, and on a line of its own for any lines. A command that fails is an error, unless ``$ echo $?`` follows.
- A command that ends with `` &`` goes on in the background until the page ends; what stands below it is waited for.
- ``$ kill -9 %1`` ends the first of them at once, as a crash does, and waits until it is gone.
- Each page has a home of its own for its pumps: THECAL_HOME is a new folder below ``out/``.
- A fence marked ``python`` is a doctest.
- ``<!-- file: out/x.toml -->`` before a fence writes its text to that file, below ``out/``.
- ``<!-- not run: reason -->`` before a fence leaves it alone.
"""

from __future__ import annotations

import doctest
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([ROOT / "README.md", *(p for p in (ROOT / "docs").rglob("*.md") if "_build" not in p.parts)])
RUNS = ("console", "python")
COMMANDS = ("thecal", "python", "echo", "cat")
READY_S = 60.0
KILL = re.compile(r"kill -9 %(?P<number>[1-9])")
DOCTEST = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
_FENCE = re.compile(r"^(?P<ticks>`{3,})\{?(?P<kind>[\w-]*)\}?[^`]*$")
_MARK = re.compile(r"^<!-- (?P<kind>not run|file):\s*(?P<text>.*?)\s*-->$")


@dataclass(frozen=True)
class Block:
    """A fenced block: its kind, its lines, the line of the page that it starts on, and the mark before it."""

    kind: str
    lines: tuple[str, ...]
    line: int
    file: str | None = None
    not_run: str | None = None


@dataclass(frozen=True)
class Command:
    """A command and the lines that it should print; none where the page shows none."""

    text: str
    expected: tuple[str, ...]
    line: int


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found: list[Block] = []
    mark: re.Match[str] | None = None
    opened: tuple[str, str, int] | None = None
    inside: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if opened is not None:
            if line.strip() == opened[0]:
                kind = mark["kind"] if mark else ""
                file = mark["text"] if mark and kind == "file" else None
                not_run = mark["text"] if mark and kind == "not run" else None
                found.append(Block(opened[1], tuple(inside), opened[2], file, not_run))
                opened, mark, inside = None, None, []
            else:
                inside.append(line)
        elif fence := _FENCE.match(line):
            opened = (fence["ticks"], fence["kind"], number)
        elif line.strip():
            mark = _MARK.match(line.strip())
    if opened is not None:
        raise ValueError(f"line {opened[2]}: a fence that is never closed")
    return found


def commands(block: Block) -> list[Command]:
    """The commands of a console block; a trailing backslash goes on with the next line."""
    found: list[Command] = []
    text, start = "", 0
    expected: list[str] = []
    for number, line in enumerate(block.lines, block.line + 1):
        if text.endswith("\\"):
            text = text[:-1] + line.strip()
        elif line.startswith("$ "):
            if text:
                found.append(Command(text, tuple(expected), start))
            text, expected, start = line[2:].strip(), [], number
        elif text:
            expected.append(line.rstrip())
        elif line.strip():
            raise ValueError(f"line {number}: a console block starts with a command after '$ '")
    if text:
        found.append(Command(text, tuple(expected), start))
    return found


def same(expected: tuple[str, ...], printed: str) -> bool:
    """Whether ``printed`` is what the page shows, with ``...`` for anything; showing nothing asks nothing."""
    lines = list(expected)
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        return True
    parts = []
    for line in lines:
        if line.strip() == "...":
            parts.append(r"(?:[^\n]*\n)*?")
        else:
            parts.append(r"[^\n]*?".join(re.escape(p) for p in line.split("...")) + r"[ ]*\n")
    return re.fullmatch("".join(parts), printed.rstrip("\n") + "\n") is not None


@dataclass
class Session:
    """What one page runs in: a folder, a home for its pumps, and what goes on in the background."""

    root: Path
    name: str
    background: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def home(self) -> Path:
        """Where the pumps of this page are; it is new for each run."""
        return self.root / "out" / "homes" / self.name

    def environment(self) -> dict[str, str]:
        """As a reader has it, with the commands of this environment first on the path; lines are counted elsewhere."""
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_PROCESS")},
            "PATH": str(Path(sys.executable).parent) + os.pathsep + os.environ.get("PATH", ""),
            "THECAL_HOME": str(self.home),
            "COLUMNS": "100",
            "LC_ALL": "C.UTF-8",
            "NO_COLOR": "1",
            "TERM": "dumb",
        }

    def run(self, command: Command, code: int) -> subprocess.CompletedProcess[str]:
        """Run one command after one that ended with ``code``."""
        return subprocess.run(
            ["bash", "-c", f"(exit {code}); {command.text}"],
            cwd=self.root,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=120,
            check=False,
        )

    def start(self, command: Command) -> str:
        """Start a command and wait until it has printed what the page shows; what it printed where it did not."""
        said = self.home.parent / f"{self.name}-{len(self.background)}.txt"
        said.parent.mkdir(parents=True, exist_ok=True)
        with said.open("w", encoding="utf-8") as out:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {command.text.removesuffix('&')}"],
                cwd=self.root,
                env=self.environment(),
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                text=True,
            )
        self.background.append(process)
        deadline = time.monotonic() + READY_S
        while not same(command.expected, said.read_text("utf-8")):
            if process.poll() is not None or time.monotonic() > deadline:
                return said.read_text("utf-8") or "nothing"
            time.sleep(0.05)
        return ""

    def kill(self, number: int) -> str:
        """End a process of the background at once; what is wrong where there is none."""
        if number > len(self.background):
            return f"only {len(self.background)} processes were started"
        self.background[number - 1].kill()
        self.background[number - 1].wait(timeout=READY_S)
        return ""

    def close(self) -> None:
        """End what still goes on: commands in the background, and a link service that outlived its rig."""
        for process in self.background:
            process.terminate()
        for process in self.background:
            process.wait(timeout=READY_S)
        with suppress(OSError, ValueError, KeyError):
            os.kill(json.loads((self.home / "link" / "service.holder").read_bytes())["pid"], signal.SIGTERM)


def run_commands(found: list[Command], session: Session) -> list[str]:
    """What went wrong in the commands of one block."""
    wrong: list[str] = []
    code = 0
    for number, command in enumerate(found):
        if kill := KILL.fullmatch(command.text):
            said = session.kill(int(kill["number"]))
            wrong += [f"line {command.line}: {said}"] if said else []
            continue
        first = command.text.split()[0]
        if first not in COMMANDS:
            wrong.append(f"line {command.line}: {first} is not run here; mark the block with <!-- not run: reason -->")
            continue
        if command.text.endswith(" &"):
            said = session.start(command)
            wrong += [f"line {command.line}: {command.text!r} is not ready; it prints:\n{said}"] if said else []
            continue
        done = session.run(command, code)
        code = done.returncode
        asked = number + 1 < len(found) and found[number + 1].text == "echo $?"
        if code and not asked:
            wrong.append(f"line {command.line}: {command.text!r} exits {code}; it prints:\n{done.stdout}")
        if not same(command.expected, done.stdout):
            shown = "\n".join(command.expected)
            wrong.append(f"line {command.line}: {command.text!r} should print:\n{shown}\nit prints:\n{done.stdout}")
    return wrong


def run_python(block: Block, name: str, names: dict[str, object]) -> list[str]:
    """What went wrong in the examples of one block; ``names`` is what the page defined before, and is added to."""
    test = doctest.DocTestParser().get_doctest("\n".join(block.lines) + "\n", names, name, name, block.line)
    if not test.examples:
        return [f"line {block.line}: a python block without '>>>' shows nothing that can be checked"]
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=DOCTEST)
    runner.run(test, out=said.append, clear_globs=False)
    names.update(test.globs)
    return said if runner.failures else []


def failures(page: Path, root: Path) -> list[str]:
    """What went wrong on one page, in the order of its lines; empty where every example holds."""
    session = Session(root, "-".join(page.relative_to(root).with_suffix("").parts))
    shutil.rmtree(session.home, ignore_errors=True)
    try:
        return _failures(page, session)
    finally:
        session.close()


def _failures(page: Path, session: Session) -> list[str]:
    wrong: list[str] = []
    names: dict[str, object] = {}
    root = session.root
    for block in blocks(page.read_text("utf-8")):
        if block.not_run is not None:
            if not block.not_run:
                wrong.append(f"line {block.line}: say why it is not run: <!-- not run: reason -->")
            continue
        if block.file is not None:
            target = (root / block.file).resolve()
            if not target.is_relative_to((root / "out").resolve()):
                wrong.append(f"line {block.line}: {block.file} is not below out/")
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text("\n".join(block.lines) + "\n", "utf-8")
        elif block.kind == "console":
            wrong += run_commands(commands(block), session)
        elif block.kind == "python":
            wrong += run_python(block, page.name, names)
    return wrong


@pytest.mark.outside
@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_example_does_what_the_page_says(page: Path) -> None:
    wrong = failures(page, ROOT)
    assert not wrong, "\n\n".join([f"{page.relative_to(ROOT)}:", *wrong])


def _page(tmp_path: Path, text: str) -> list[str]:
    page = tmp_path / "page.md"
    page.write_text(text, "utf-8")
    return failures(page, tmp_path)


GOOD = [
    "```console\n$ echo hello\nhello\n```\n",
    "```console\n$ echo hello\n```\n",
    "```console\n$ echo hello world\nhello ...\n```\n",
    "```console\n$ python -c 'for i in range(9): print(i)'\n0\n...\n8\n```\n",
    "```console\n$ python -c 'for i in range(9): print(i)'\n0\n...\n```\n",
    "```console\n$ echo one \\\n  two\none two\n$ echo three\nthree\n```\n",
    "```console\n$ python -c 'raise SystemExit(3)'\n$ echo $?\n3\n```\n",
    "```python\n>>> 1 + 1\n2\n```\n\nlater\n\n```python\n>>> x = 3\n```\n```python\n>>> x\n3\n```\n",
    "<!-- not run: it needs a network -->\n```console\n$ curl something\n```\n",
    "<!-- not run: shown only -->\n\n```python\nbroken(\n```\n",
    "<!-- file: out/a/b.txt -->\n```text\nkept\n```\n```console\n$ cat out/a/b.txt\nkept\n```\n",
    "```toml\nanything = here\n```\n",
    "```console\n$ python -c 'import time; print(1, flush=True); time.sleep(600)' &\n1\n$ echo next\nnext\n```\n",
    "```console\n$ python -c 'import time; time.sleep(600)' &\n$ kill -9 %1\n```\n",
    "```console\n$ python -c 'import os; print(os.environ[\"THECAL_HOME\"])'\n.../out/homes/page\n```\n",
    "````\n```console\n$ false\n```\n````\n",
]
BAD = [
    ("```console\n$ python -c 'print(1)' &\n2\n```\n", "is not ready"),
    ("```console\n$ kill -9 %1\n```\n", "only 0 processes were started"),
    ("```console\n$ echo hello\nhell\n```\n", "should print"),
    ("```console\n$ echo hello\nhello\nagain\n```\n", "should print"),
    ("```console\n$ python -c 'for i in range(9): print(i)'\n0\n8\n```\n", "should print"),
    ("```console\n$ python -c 'raise SystemExit(3)'\n```\n", "exits 3"),
    ("```console\n$ python -c 'raise SystemExit(3)'\n$ echo $?\n0\n```\n", "should print"),
    ("```console\n$ thecal no-such-command-at-all\n```\n", "exits"),
    ("```console\n$ curl something\n```\n", "curl is not run here"),
    ("```python\n>>> 1 + 1\n3\n```\n", "Expected"),
    ("```python\n>>> undefined\n```\n", "NameError"),
    ("```python\n1 + 1\n```\n", "without '>>>'"),
    ("<!-- not run: -->\n```console\n$ curl something\n```\n", "say why"),
    ("<!-- not run: too far away -->\n\ntext\n\n```python\n>>> 1\n2\n```\n", "Expected"),
    ("<!-- file: ../x -->\n```text\nx\n```\n", "not below out/"),
]


@pytest.mark.parametrize("text", GOOD)
def test_an_example_that_holds_passes(tmp_path: Path, text: str) -> None:
    assert _page(tmp_path, text) == []


@pytest.mark.parametrize(("text", "said"), BAD)
def test_an_example_that_does_not_hold_fails(tmp_path: Path, text: str, said: str) -> None:
    wrong = _page(tmp_path, text)
    assert len(wrong) >= 1
    assert said in "\n".join(wrong)


@pytest.mark.parametrize("text", ["```console\n$ echo\n", "```console\nhello\n$ echo\n```\n"])
def test_a_block_that_cannot_be_read_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match="line "):
        _page(tmp_path, text)
