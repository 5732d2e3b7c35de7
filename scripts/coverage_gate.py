"""The coverage gate: every line and branch of the arithmetic that carries a dose, and nearly all of the rest.

Reads the data file that the test run leaves behind, prints one row for each module that has to be complete and one
for the whole, and exits 1 where a row falls short. The modules are those that [tool.mutmut] of pyproject.toml names:
what is mutated has to be covered first. One of them that was never measured falls short too.
"""

from __future__ import annotations

import json
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from coverage import Coverage

WHOLE_PERCENT = 95.0


@dataclass(frozen=True)
class Complete:
    """Which modules have to be complete: path patterns, and those taken out again."""

    chosen: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    @classmethod
    def of_project(cls, root: Path) -> Complete:
        table = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"]["mutmut"]
        return cls(tuple(table["only_mutate"]), tuple(table.get("do_not_mutate", ())))

    def covers(self, name: str) -> bool:
        return any(fnmatch(name, p) for p in self.chosen) and not any(fnmatch(name, p) for p in self.left_out)


@dataclass(frozen=True)
class Row:
    """Lines and branches of one module, all and covered, and the first ones that were missed."""

    name: str
    lines: int
    lines_covered: int
    branches: int
    branches_covered: int
    missed: str = ""

    @classmethod
    def of_report(cls, name: str, entry: dict[str, Any]) -> Row:
        s = entry["summary"]
        missed = [str(n) for n in entry.get("missing_lines", [])]
        missed += [f"{a}->{b}" for a, b in entry.get("missing_branches", [])]
        branches, covered = s.get("num_branches", 0), s.get("covered_branches", 0)
        return cls(name, s["num_statements"], s["covered_lines"], branches, covered, ", ".join(missed[:8]))

    @property
    def percent(self) -> float:
        total = self.lines + self.branches
        return 100.0 if total == 0 else 100 * (self.lines_covered + self.branches_covered) / total

    @property
    def complete(self) -> bool:
        return self.lines == self.lines_covered and self.branches == self.branches_covered


def judge(report: dict[str, Any], wanted: Complete) -> tuple[list[Row], list[str]]:
    """The rows to show, the whole last, and what falls short."""
    whole = Row.of_report("whole", {"summary": report["totals"]})
    if not report["meta"]["branch_coverage"]:
        return [whole], ["branches were not measured; set branch = true"]
    rows = [Row.of_report(n, entry) for n, entry in sorted(report["files"].items()) if wanted.covers(n)]
    short = [f"{r.name}: missed {r.missed}; every line and branch is needed" for r in rows if not r.complete]
    if whole.percent < WHOLE_PERCENT:
        short.append(f"whole: {whole.percent:.1f} %; at least {WHOLE_PERCENT:g} % is needed")
    return [*rows, whole], short


def unmeasured(root: Path, report: dict[str, Any], wanted: Complete) -> list[str]:
    """Modules that exist and must be complete but are not in the report at all."""
    there = [p.relative_to(root).as_posix() for p in sorted((root / "src").rglob("*.py"))]
    return [
        f"{n}: not measured; a test has to import it" for n in there if wanted.covers(n) and n not in report["files"]
    ]


def exported(root: Path) -> dict[str, Any]:
    """The report of coverage's own JSON exporter."""
    coverage = Coverage(data_file=str(root / ".coverage"), config_file=str(root / "pyproject.toml"))
    coverage.load()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "coverage.json"
        coverage.json_report(outfile=str(out))
        report: dict[str, Any] = json.loads(out.read_text("utf-8"))
    return report


def show(rows: list[Row]) -> None:
    width = max(len(r.name) for r in rows)
    print(f"{'module':{width}}  {'lines':>11}  {'branches':>11}  {'percent':>8}")
    for r in rows:
        lines, branches = f"{r.lines_covered}/{r.lines}", f"{r.branches_covered}/{r.branches}"
        print(f"{r.name:{width}}  {lines:>11}  {branches:>11}  {r.percent:>7.2f}%")


def main() -> int:
    root = Path(__file__).resolve().parent.parent
    if not (root / ".coverage").exists():
        print("no coverage data; run `make unit`, which measures and then comes here")
        return 1
    report, wanted = exported(root), Complete.of_project(root)
    rows, short = judge(report, wanted)
    short += unmeasured(root, report, wanted)
    show(rows)
    for message in short:
        print(message)
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
