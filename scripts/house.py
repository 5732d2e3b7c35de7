"""The house rules that no other tool checks; prints one line for each breach and exits 1 if there is any.

Checked are the length of modules and functions under src, error-prone dose expressions in everything that people
read, and machine paths or registry addresses in anything that is tracked. Lines that must break a rule, such as the
parser's own table of spellings, are listed in pyproject.toml under [tool.house], each with its reason; an entry that
lets nothing through any more is itself a breach.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
import tomllib
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MODULE_LINES = 400
FUNCTION_LINES = 60

_AMOUNT_UNIT = r"(?:mg|mcg|ng|g|kg|mL|mcL|nL|L|cm|mm|h|min|s|days?|weeks?)(?![A-Za-z_])"
_SPOKEN = ("src/*.py", "src/*.toml", "src/*.html", "src/*.j2", "docs/*", "examples/*", "*.md")

_START, _END = r"(?<![A-Za-z_.])", r"(?![A-Za-z_])"

# Rule, pattern, what to write instead (ISMP list of error-prone abbreviations).
DOSE_TEXT: tuple[tuple[str, re.Pattern[str], str], ...] = (
    ("micro sign", re.compile(r"[\u00b5\u03bc][gLl]"), "write mcg or mcL"),
    ("ug", re.compile(rf"{_START}ug{_END}"), "write mcg"),
    ("cc", re.compile(rf"{_START}(?:cc|CC){_END}"), "write mL"),
    ("ml", re.compile(rf"{_START}ml{_END}"), "write mL"),
    ("daily", re.compile(rf"{_START}(?:QO?D|qo?d|q\.(?:o\.)?d\.){_END}"), "write daily or every other day"),
    ("unit", re.compile(rf"{_START}IU{_END}|[0-9] ?U{_END}"), "write units"),
    ("trailing zero", re.compile(rf"(?<![0-9.,])[0-9][0-9,]*\.[0-9]*0 ?{_AMOUNT_UNIT}"), "leave the last zeros out"),
    ("no leading zero", re.compile(rf"(?<![0-9A-Za-z_.,)\]])\.[0-9]+ ?{_AMOUNT_UNIT}"), "put a zero before the point"),
    ("no space", re.compile(rf"(?<![A-Za-z_0-9.])[0-9][0-9.,]*(?:mg|mcg|mL|mcL){_END}"), "put a space before the unit"),
)
MACHINE: tuple[tuple[str, re.Pattern[str], str], ...] = (
    (
        "machine path",
        re.compile(r"(?<![\w.)}\]*])/(?:work|root|home|Users|opt/venv|mnt)/[\w.]"),
        "write a path relative to the project",
    ),
    (
        "registry host",
        re.compile(r"\b(?:pypi\.org|pythonhosted\.org|npmjs\.(?:org|com)|anaconda\.org|conda\.io)\b"),
        "leave addresses to the installer's own settings",
    ),
    (
        "registry option",
        re.compile(r"--(?:(?:extra|default)-)?index-url|--find-link[s]|--trusted-hos[t]"),
        "leave addresses to the installer's own settings",
    ),
)
LOCK: tuple[tuple[str, re.Pattern[str], str], ...] = (
    ("address in lock", re.compile(r"://"), "pin by version and hash alone"),
    ("direct reference in lock", re.compile(r" @ "), "pin by version and hash alone"),
    ("path in lock", re.compile(r"^\s*(?:-e\s+)?(?:\.{0,2}/|file:)"), "pin by version and hash alone"),
)


@dataclass(frozen=True, order=True)
class Breach:
    """One line that breaks a rule."""

    path: str
    line: int
    rule: str
    found: str
    hint: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.found}; {self.hint}"


@dataclass
class Allowance:
    """A line that may break a rule: path pattern, a part of the line, and the reason."""

    path: str
    line: str
    why: str
    used: bool = False

    def covers(self, path: str, text: str) -> bool:
        found = fnmatch(path, self.path) and self.line in text
        self.used = self.used or found
        return found


@dataclass
class Rules:
    """What pyproject.toml says under [tool.house]."""

    allow: list[Allowance] = field(default_factory=list)
    long_modules: dict[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, root: Path) -> Rules:
        table = tomllib.loads((root / "pyproject.toml").read_text("utf-8")).get("tool", {}).get("house", {})
        return cls([Allowance(**entry) for entry in table.get("allow", [])], dict(table.get("long-modules", {})))


def project_files(root: Path) -> list[str]:
    """What git tracks or would track, relative to ``root``; without git every file outside hidden directories."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        check=False,
    )
    inside = listed.returncode == 0 and (root / ".git").exists()
    if inside:
        names = listed.stdout.decode().split("\0")
    else:
        names = [p.relative_to(root).as_posix() for p in root.rglob("*")]
        names = [n for n in names if not any(part.startswith(".") or part == "__pycache__" for part in Path(n).parts)]
    return sorted({n for n in names if n and (root / n).is_file()})


def _text(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        return None


def lengths(name: str, text: str, rules: Rules) -> Iterator[Breach]:
    """Modules and functions that are too long."""
    count = len(text.splitlines())
    limit = rules.long_modules.get(name, MODULE_LINES)
    if count > limit:
        yield Breach(name, 1, "module length", f"{count} lines", f"at most {limit}: give one idea a module of its own")
    if name in rules.long_modules and count <= MODULE_LINES:
        yield Breach("pyproject.toml", 1, "stale exception", name, "remove it from tool.house.long-modules")
    for node in ast.walk(ast.parse(text, name)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES:
                found = f"{node.name} has {lines} lines"
                yield Breach(name, node.lineno, "function length", found, f"at most {FUNCTION_LINES}: name its parts")


def spoken(name: str, text: str) -> str:
    """What people read of a file: of Python only text in quotes and comments, on the lines where they stand."""
    if not name.endswith(".py"):
        return text
    lines = [""] * (text.count("\n") + 2)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.STRING, tokenize.COMMENT):
            for offset, part in enumerate(token.string.split("\n")):
                lines[token.start[0] - 1 + offset] += " " + re.sub(r"\{[^{}]*\}", "{}", part)
    return "\n".join(lines)


def scan(
    name: str, text: str, patterns: Iterable[tuple[str, re.Pattern[str], str]], rules: Rules, shown: str | None = None
) -> Iterator[Breach]:
    """Lines of ``shown`` (``text`` itself where not given) that a pattern finds and that no allowance covers."""
    lines = text.splitlines()
    for number, line in enumerate((text if shown is None else shown).splitlines(), start=1):
        for rule, pattern, hint in patterns:
            found = pattern.search(line)
            if found and not any(a.covers(name, lines[number - 1]) for a in rules.allow):
                yield Breach(name, number, rule, repr(found.group().strip()), hint)


def check(root: Path) -> list[Breach]:
    """Every breach under ``root``, in the order of files and lines."""
    rules = Rules.read(root)
    found: list[Breach] = []
    for name in project_files(root):
        text = _text(root / name)
        if text is None:
            continue
        if name.startswith("src/") and name.endswith(".py"):
            found += lengths(name, text, rules)
        if any(fnmatch(name, pattern) for pattern in _SPOKEN):
            found += scan(name, text, DOSE_TEXT, rules, spoken(name, text))
        if fnmatch(name, "requirements*.lock"):
            found += scan(name, text, LOCK, rules)
        found += scan(name, text, MACHINE, rules)
    found += [
        Breach("pyproject.toml", 1, "stale exception", f"{a.path}: {a.line!r}", "remove it from tool.house.allow")
        for a in rules.allow
        if not a.used
    ]
    return sorted(found)


def main(arguments: list[str]) -> int:
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    breaches = check(root)
    for breach in breaches:
        print(breach)
    if breaches:
        print(f"{len(breaches)} house rule(s) broken; lines that must stay go into [tool.house] of pyproject.toml")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
