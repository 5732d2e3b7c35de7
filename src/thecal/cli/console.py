"""The terminal: width, color and tables that still read without color and in 40 columns."""

from __future__ import annotations

import re
import sys
from textwrap import wrap
from typing import TYPE_CHECKING

from rich.box import ASCII2, SIMPLE_HEAD
from rich.console import Console
from rich.segment import Segment, Segments
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

NARROWEST, WIDEST = 40, 200
_GAP = 2
_GLUE = "\ue000"  # one column wide and never in a text; a no-break space would be broken at all the same
_UNIT = re.compile(r"(?<=[0-9]) (?=(?:mg|mcg|mL|nL|cm|h|min|s|days?|%)(?![A-Za-z]))")
_LEAST = 12  # columns that a cell of several words gets at least, before a table becomes a list


class Screen(Console):
    """A console whose reader may go away."""

    def on_broken_pipe(self) -> None:
        """Say so to whoever ends the command; rich itself would leave with the code of another answer."""
        raise BrokenPipeError


def screen(*, stderr: bool = False) -> Screen:
    """A console for stdout or stderr, 40 to 200 columns wide; text from files is never read as markup."""
    file = sys.stderr if stderr else sys.stdout
    console = Screen(file=file, markup=False, emoji=False, highlight=False)
    console.width = min(max(console.width, NARROWEST), WIDEST)
    return console


def unbroken(console: Console, text: str, style: str = "") -> None:
    """One line that is never broken, however narrow the terminal: a path that somebody wants to copy."""
    console.print(Text(text, style=style), soft_wrap=True)


def heading(console: Console, text: str) -> None:
    """A line that begins a section."""
    console.print()
    line(console, text, style="bold")


def line(console: Console, text: str, style: str = "", indent: int = 0) -> None:
    """One paragraph, wrapped and indented as a block."""
    for piece in _pieces(text, console.width - indent) or [""]:
        console.print(Text(" " * indent + piece, style=style), soft_wrap=True)


def _pieces(text: str, width: int, hang: str = "") -> list[str]:
    """The lines of a paragraph; a number stays with its unit."""
    glued = wrap(_UNIT.sub(_GLUE, text), width, subsequent_indent=hang, break_on_hyphens=False)
    return [piece.replace(_GLUE, " ") for piece in glued]


def bullets(console: Console, lines: Sequence[str], mark: str = "-", indent: int = 0) -> None:
    """Lines, each behind a mark."""
    for text in lines:
        marked(console, mark, text, indent=indent)


def marked(console: Console, mark: str, text: str, *, style: str = "", indent: int = 0) -> None:
    """A paragraph that hangs behind a mark or a word; ``style`` is the mark's."""
    hang = indent + min(len(mark) + 1, console.width // 3)
    pieces = _pieces(" " * indent + mark + " " + text, console.width, " " * hang)
    for number, piece in enumerate(pieces):
        shown = Text(piece)
        if number == 0 and style:
            shown.stylize(style, indent, indent + len(mark))
        console.print(shown, soft_wrap=True)


def table(console: Console, columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> None:
    """A table where it fits; where the terminal is too narrow for it, each row as a block of "name: value" lines.

    ``numbers`` are the columns that are set flush right.
    """
    glued = [[_UNIT.sub(_GLUE, cell) for cell in row] for row in rows]
    if _least(columns, glued) > console.width:
        _blocks(console, columns, rows)
        return
    box = SIMPLE_HEAD if console.encoding.startswith("utf") else ASCII2
    shown = Table(box=box, pad_edge=False, show_edge=False, padding=(0, 1))
    for number, name in enumerate(columns):
        shown.add_column(name, justify="right" if number in numbers else "left", overflow="fold")
    for row in glued:
        shown.add_row(*(Text(cell) for cell in row))
    parts = [Segment(s.text.replace(_GLUE, " "), s.style, s.control) for s in console.render(shown)]
    console.print(Segments(parts), end="")


def _least(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """The width below which cells would break into pieces that nobody likes to read."""
    cells = [[row[n] for row in (columns, *rows)] for n in range(len(columns))]
    return sum(max(*map(_longest_word, c), min(max(map(len, c)), _LEAST)) + _GAP + 1 for c in cells)


def _longest_word(text: str) -> int:
    return max(map(len, text.split()), default=0)


def _blocks(console: Console, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    for row in rows:
        line(console, row[0], style="bold")
        for name, cell in zip(columns[1:], row[1:], strict=True):
            if cell:
                marked(console, f"{name}:", cell, indent=2)
