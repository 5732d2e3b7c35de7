"""What can be wrong with a file that a person wrote, and how that is said.

A problem names the file, the line and column, the field, what was found and what is allowed. Nothing here reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction

_SHOWN = 60  # characters of a file that a message repeats

Where = tuple[str | int, ...]
"""The keys and list positions that lead to a value: ``("program", "steps", 2, "dose")``."""


class Trouble(StrEnum):
    """What can be wrong with a file; closed, so that scripts can rely on it."""

    MISSING_FILE = "missing-file"
    NOT_A_FILE = "not-a-file"
    UNREADABLE = "unreadable"
    TOO_LARGE = "too-large"
    NOT_UTF8 = "not-utf-8"
    NOT_TOML = "not-toml"
    KEY_TWICE = "key-twice"
    UNKNOWN_FIELD = "unknown-field"
    MISSING_FIELD = "missing-field"
    MISPLACED_FIELD = "misplaced-field"
    WRONG_TYPE = "wrong-type"
    NUMBER_WITHOUT_UNIT = "number-without-unit"
    WRONG_UNIT = "wrong-unit"
    BAD_AMOUNT = "bad-amount"
    UNKNOWN_WORD = "unknown-word"
    UNKNOWN_DRUG = "unknown-drug"
    UNKNOWN_PUMP = "unknown-pump"
    DRUG_TWICE = "drug-twice"
    BAD_DATE = "bad-date"
    BAD_TIME = "bad-time"
    GAP = "gap"
    OVERLAP = "overlap"
    OUT_OF_RANGE = "out-of-range"
    OUTSIDE_RUN = "outside-run"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A line and a column, both counted from 1, the column in characters."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a file: where, what was found, what is allowed or to be done.

    ``field`` counts list positions from 0, as in ``program.steps[2].dose``; it is empty for the file as a whole.
    """

    trouble: Trouble
    path: str
    field: str
    found: str
    allowed: str
    place: Place | None = None

    def __str__(self) -> str:
        at = f":{self.place.line}:{self.place.column}" if self.place else ""
        name = f" {self.field}:" if self.field else ""
        return f"{self.path}{at}:{name} {self.found}; {self.allowed}"

    def as_json(self) -> dict[str, str | int | None]:
        """For ``--json``: flat, with null where a line is not known."""
        return {
            "code": self.trouble.value,
            "path": self.path,
            "line": self.place.line if self.place else None,
            "column": self.place.column if self.place else None,
            "field": self.field,
            "found": self.found,
            "allowed": self.allowed,
        }


class FileRefused(Exception):  # noqa: N818 -- a refusal of what a person wrote, not an error of the program
    """A file that cannot be used: every problem that was found in it, in the order of its lines."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(p) for p in problems))
        self.problems = problems


def field_text(where: Where) -> str:
    """A field as people read it: ``program.steps[2].dose``."""
    return "".join(f"[{w}]" if isinstance(w, int) else f".{w}" for w in where).removeprefix(".")


def shortened(text: str) -> str:
    """Text for a message, cut where it is long, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 3] + "..."


def with_article(noun: str) -> str:
    """A noun with its article: "a mass", "an amount"."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def plain_number(number: Fraction) -> str:
    """A limit as a decimal; it must have one that ends soon."""
    return str(Decimal(number.numerator) / Decimal(number.denominator))


_KINDS: Mapping[type, str] = {
    bool: "the truth value",
    str: "the text",
    int: "the number",
    Decimal: "the number",
    list: "the list",
    dict: "the table",
}


def kind_text(raw: object) -> str:
    """What kind of value a file gives, in words."""
    return _KINDS.get(type(raw), "the date or time")


def written(raw: object) -> str:
    """A value as the file has it, shortened."""
    if isinstance(raw, bool):
        return str(raw).lower()
    if isinstance(raw, dict):
        return "with " + shortened(", ".join(raw)) if raw else "without fields"
    if isinstance(raw, str):
        return f'"{shortened(raw)}"'
    if isinstance(raw, list):
        return shortened("[" + ", ".join(written(r) for r in raw) + "]")
    return shortened(str(raw))


def lookup_hint(error: KeyError, otherwise: str) -> str:
    """What to do about an unknown name: names like it, or all there are, where the error has them."""
    near: tuple[str, ...] = getattr(error, "near", ())
    known: tuple[str, ...] = getattr(error, "known", ())
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"allowed: {', '.join(known)}" if known else otherwise
