"""A part of a plan: a title, lines, a table and notes for people, and the same for scripts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from rich.console import Console

    from thecal.therapy.refusal import Refusal


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: the names of its columns, its rows as text, and which columns are numbers."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a plan; ``missing`` says which facts it would need."""

    key: str
    title: str
    facts: Sequence[tuple[str, str]] = ()
    grid: Grid | None = None
    notes: Sequence[str] = ()
    missing: Sequence[str] = ()
    refusals: Sequence[Refusal] = ()
    body: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            **self.body,
            "missing": list(self.missing),
            "refused": [refusal_json(r) for r in self.refusals],
            "notes": list(self.notes),
        }

    def show(self, console: Console) -> None:
        """On the terminal."""
        from thecal.cli.console import bullets, heading, marked, table

        heading(console, self.title)
        width = max((len(name) for name, _ in self.facts), default=0)
        for name, text in self.facts:
            marked(console, f"{name}:".ljust(min(width, console.width // 3) + 1), text)
        if self.grid is not None:
            table(console, self.grid.columns, self.grid.rows, self.grid.numbers)
        for refusal in self.refusals:
            marked(console, "REFUSED:", refusal.message, style="bold red")
        for text in self.missing:
            marked(console, "MISSING:", text, style="magenta")
        bullets(console, list(self.notes))


def refusal_json(refusal: Refusal) -> dict[str, str]:
    """A refusal of therapy for ``--json``."""
    return {"code": str(refusal.code), "found": refusal.found, "allowed": refusal.allowed, "next": refusal.then}


def tick_text(day: date) -> str:
    """A day under an axis: 2 Mar."""
    return f"{day.day} {day:%b}"
