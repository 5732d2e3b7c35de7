"""``thecal validate``: which cases are meant, what is wrong in a file of them, and what came of each."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thecal.body.validation.judging import Verdict, judge_case
from thecal.body.validation.reading import CasesRefused, read, shipped
from thecal.body.validation.wording import (
    STATUS_WORDS,
    inside_text,
    model_text,
    ratio_text,
    space_error_text,
    time_error_text,
    verdict_text,
)
from thecal.cli import refusals
from thecal.cli.answer import Answer
from thecal.cli.ended import Ended
from thecal.cli.exits import Exit
from thecal.therapy.file_problems import FileRefused, Problem, Trouble, field_text
from thecal.therapy.toml_places import parse_document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from thecal.body.validation.cases import Case, CaseFile
    from thecal.body.validation.judging import Finding
    from thecal.body.validation.reading import Problem as CaseProblem

NO_PROOF = "No proof that the model is right, and nothing here is fit for dosing decisions."
_SUFFIX = ".toml"

Chosen = tuple[tuple["Case", "CaseFile"], ...]


def run_cases(wanted: tuple[str, ...], *, only_list: bool) -> Answer:
    """The cases of these ids, numbers and files, or all that ship: listed, or run and judged."""
    chosen = _chosen(wanted)
    if only_list:
        cases = [_case_json(case) for case, _ in chosen]
        return Answer(Exit.GO_ON, {"cases": cases}, lambda console: _list(console, cases))
    findings = [finding for case, file in chosen for finding in judge_case(case, file)]
    counts = Counter(str(finding.verdict) for finding in findings)
    body = {"counts": dict(counts), "findings": [_finding_json(finding) for finding in findings]}
    return Answer(Exit.GO_ON, body, lambda console: _show(console, findings, counts))


def _chosen(wanted: tuple[str, ...]) -> Chosen:
    ours = tuple((case, cases.file) for cases in shipped() for case in cases.file.case)
    if not wanted:
        return ours
    found: list[tuple[Case, CaseFile]] = []
    for word in wanted:
        if word.endswith(_SUFFIX):
            file = _file(Path(word))
            found += [(case, file) for case in file.case]
            continue
        named = [(case, file) for case, file in ours if word in {case.id, case.number}]
        if not named:
            allowed = f"a file that ends in {_SUFFIX}, or one of {', '.join(case.id for case, _ in ours)}"
            raise Ended(refusals.of_words("unknown-case", word, "no case of this id or number", allowed))
        found += named
    return tuple(found)


def _file(path: Path) -> CaseFile:
    """A file of cases; what is wrong in it is said with its line."""
    try:
        return read(path).file
    except CasesRefused as refused:
        raise _placed(path, refused) from None


def _placed(path: Path, refused: CasesRefused) -> FileRefused:
    """The same problems where they stand in the file, as far as it can be read at all."""
    try:
        document = parse_document(path.read_bytes(), str(path))
    except FileRefused as unreadable:
        return unreadable
    except OSError:
        return FileRefused(tuple(_problem(problem, Trouble.UNREADABLE) for problem in refused.problems))
    return FileRefused(
        tuple(
            Problem(
                Trouble.OUT_OF_RANGE,
                str(path),
                field_text(problem.field),
                problem.found,
                problem.allowed,
                document.value(problem.field),
            )
            for problem in refused.problems
        )
    )


def _problem(problem: CaseProblem, trouble: Trouble) -> Problem:
    return Problem(trouble, problem.path, problem.field_text, problem.found, problem.allowed)


def _case_json(case: Case) -> dict[str, Any]:
    return {
        "id": case.id,
        "number": case.number or None,
        "title": case.title,
        "status": str(case.status),
        "source": case.source,
        "checks": [check.what for check in case.check],
    }


def _finding_json(finding: Finding) -> dict[str, Any]:
    return {
        "case": finding.case.id,
        "number": finding.case.number or None,
        "title": finding.case.title,
        "status": str(finding.status),
        "source": finding.check.source or finding.case.source,
        "check": finding.check.what,
        "paper": finding.check.paper,
        "model": finding.model,
        "unit": finding.unit,
        "ratio": finding.ratio,
        "inside_if": inside_text(finding),
        "verdict": str(finding.verdict),
        "why": finding.why or None,
        "note": " ".join(note for note in (finding.case.note, finding.check.note) if note),
        "engines": list(finding.engines),
        "cells": finding.cells or None,
        "time_error": finding.time_error,
        "space_error": finding.space_error,
    }


def _list(console: Console, cases: Sequence[dict[str, Any]]) -> None:
    from thecal.cli.console import table

    rows = [(case["id"], case["number"] or "", case["status"], case["title"], case["source"]) for case in cases]
    table(console, ("id", "number", "status", "case", "source"), rows)


def _show(console: Console, findings: Sequence[Finding], counts: Counter[str]) -> None:
    from thecal.cli.console import heading, line, marked

    seen = ""
    for finding in findings:
        if finding.case.id != seen:
            seen = finding.case.id
            heading(console, f"{finding.case.id}: {finding.case.title}")
            marked(console, "source:", finding.case.source, indent=2)
            if finding.case.note:
                marked(console, "note:", finding.case.note, indent=2)
        _show_check(console, finding)
    line(console, "")
    line(
        console,
        f"{len(findings):,} check{'' if len(findings) == 1 else 's'}: "
        + ", ".join(f"{number} {name}" for name, number in counts.items()),
    )
    line(console, NO_PROOF)


def _show_check(console: Console, finding: Finding) -> None:
    from thecal.cli.console import marked

    style = "bold" if finding.verdict is Verdict.OUTSIDE else ""
    marked(console, f"[{verdict_text(finding)}]", finding.check.what, indent=2, style=style)
    said = (
        ("paper:", finding.check.paper),
        ("model:", model_text(finding)),
        ("ratio:", ratio_text(finding)),
        ("inside if:", inside_text(finding)),
        ("status:", STATUS_WORDS[finding.status]),
        ("note:", finding.check.note),
        ("run:", _run_text(finding)),
    )
    for name, text in said:
        if text:
            marked(console, name, text, indent=4)


def _run_text(finding: Finding) -> str:
    if finding.model is None:
        return ""
    engines = ", ".join(finding.engines)
    errors = f"error in time {time_error_text(finding)}, in space {space_error_text(finding)}"
    return f"{finding.cells} cells, {engines}; {errors}"
