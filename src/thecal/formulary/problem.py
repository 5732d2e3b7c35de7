"""What is wrong with a formulary file: where, what was found, what is allowed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: file, keys and list indices (from 0) that lead to it, what was found and is allowed."""

    file: str
    where: tuple[str | int, ...]
    found: str
    allowed: str

    @property
    def field(self) -> str:
        """The path of the field, such as ``starting_dose[0].low``; empty where it is about the whole file."""
        return "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in self.where).removeprefix(".")

    def __str__(self) -> str:
        where = f"{self.file}: {self.field}" if self.where else self.file
        return f"{where}: found {self.found}; allowed: {self.allowed}"


class FormularyError(ValueError):
    """A formulary that cannot be used: ``problems`` has one entry for each thing that is wrong."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(str(p) for p in problems))
        self.problems = problems
