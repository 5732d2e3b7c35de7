"""Everything that is wrong with what a person wrote, said in one way: where, what was found, what is allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thecal.cli.answer import Answer
from thecal.cli.exits import Exit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from thecal.formulary import FormularyError
    from thecal.therapy.file_problems import FileRefused

_NEXT = "Nothing was done. Mend what is named and run the command again."


def of_file(refused: FileRefused) -> Answer:
    """A file that therapy refused."""
    return _answer([p.as_json() for p in refused.problems])


def of_formulary(refused: FormularyError) -> Answer:
    """A site's formulary that was refused."""
    problems = [
        {
            "code": "bad-formulary",
            "path": p.file,
            "line": None,
            "column": None,
            "field": p.field,
            "found": p.found,
            "allowed": p.allowed,
        }
        for p in refused.problems
    ]
    return _answer(problems)


def of_words(
    code: str, path: str, found: str, allowed: str, exit_: Exit = Exit.FILE_REFUSED, *, then: str = _NEXT
) -> Answer:
    """One problem that has no line: a directory that is not there, a drug that nobody knows, a file not written."""
    problem = {
        "code": code,
        "path": path,
        "line": None,
        "column": None,
        "field": "",
        "found": found,
        "allowed": allowed,
    }
    return _answer([problem], exit_, then)


def _answer(problems: Sequence[dict[str, Any]], exit_: Exit = Exit.FILE_REFUSED, then: str = _NEXT) -> Answer:
    return Answer(exit_, {"problems": list(problems)}, lambda console: _show(console, problems, then), on_stderr=True)


def _show(console: Console, problems: Sequence[dict[str, Any]], then: str) -> None:
    from thecal.cli.console import line, marked, unbroken

    for problem in problems:
        unbroken(console, _place(problem), style="bold")
        marked(console, "found:  ", problem["found"], indent=2)
        marked(console, "allowed:", problem["allowed"], indent=2)
    count = len(problems)
    line(console, f"{count:,} problem{'' if count == 1 else 's'}. {then}")


def _place(problem: dict[str, Any]) -> str:
    at = f":{problem['line']}:{problem['column']}" if problem["line"] is not None else ""
    return f"{problem['path']}{at}" + (f": {problem['field']}" if problem["field"] else "")
