"""What happens beyond the tip, on the terminal: tables of figures, and one chart of the fluid at some sites."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from thecal.cli.console import bullets, heading, line, table
from thecal.cli.spine_figures import (
    NO_BAND,
    band_columns,
    band_row,
    beside_lines,
    columns,
    comparison_columns,
    comparison_row,
    figure_text,
    ratio_row,
    row,
    start_text,
    told,
)
from thecal.twin.spine import SiteKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console

    from thecal.twin.spine import Comparison, Line, SpineCourse

    Names = Callable[[str], str]

_MARKS = "ox+*"
_WIDEST, _HEIGHT, _TICKS, _DECADES = 110, 16, 6, 3


def show_course(console: Console, course: SpineCourse, names: Names) -> None:
    """The figures of every line, drug by drug."""
    heads = columns(course)
    for drug in dict.fromkeys(one.drug for one in course.lines):
        rows = [row(one, course) for one in course.lines if one.drug == drug]
        heading(console, whose(drug, names))
        table(console, heads, rows, numbers=range(1, len(heads)))


def show_chart(console: Console, course: SpineCourse, names: Names) -> None:
    """The first drug in spinal fluid, each site with a mark of its own; nothing where there is none."""
    if not course.heat:
        return
    drug = course.heat[0].drug
    chosen = [one for one in course.lines if one.drug == drug and one.site.kind is SiteKind.CSF][: len(_MARKS)]
    if not any(one.central.any() for one in chosen):
        return
    if not console.encoding.startswith("utf"):
        line(console, "Charts need a terminal that shows UTF-8; the numbers are above and in --json.")
        return
    heading(console, f"{names(drug)} in spinal fluid, ng/mL on a scale by tens; h after {start_text(course)}")
    line(console, "   ".join(f"{mark} {one.site.label}" for mark, one in zip(_MARKS, chosen, strict=False)))
    _draw(console, course, chosen)


def show_band(console: Console, course: SpineCourse, names: Names) -> None:
    """The bands, drug by drug; where there are none, why, if a note says so."""
    bullets(console, [note for note in course.notes if note.startswith(NO_BAND)])
    draws = next((one.band.draws for one in course.lines if one.band is not None), 0)
    if not draws:
        return
    heading(console, f"How far people differ: 10 to 90 of 100, from {draws:,} drawn persons")
    heads = band_columns(course)
    for drug in dict.fromkeys(one.drug for one in course.lines):
        rows = [cells for one in course.lines if one.drug == drug and (cells := band_row(one, course)) is not None]
        _named_table(console, whose(drug, names), heads, rows)
    line(console, f"Error of the model: {course.errors.model}")


def show_comparison(console: Console, found: Comparison, names: Names) -> None:
    """The figures of both courses, drug by drug."""
    heads, counted = comparison_columns(found), told(found)
    for drug in dict.fromkeys(figure.drug for figure in counted):
        rows = [comparison_row(figure)[: len(heads)] for figure in counted if figure.drug == drug]
        heading(console, whose(drug, names))
        table(console, heads, rows, numbers=range(1, len(heads)))


def show_ratios(console: Console, found: Comparison, names: Names) -> None:
    """What the ratios lie between, drug by drug; where there is no band, why, if a note says so."""
    bullets(console, [note for note in found.proposed.notes if note.startswith(NO_BAND)])
    draws = next((one.band.draws for one in found.differences if one.band is not None), 0)
    if not draws:
        return
    heading(console, f"How far the ratio differs: 10 to 90 of 100, from {draws:,} drawn persons, each in both")
    for drug in dict.fromkeys(figure.drug for figure in found.figures):
        rows = [cells for f in told(found) if f.drug == drug and (cells := ratio_row(f)) is not None]
        _named_table(console, whose(drug, names), ["site", "ratio", "10 to 90", "median"], rows)
    line(console, f"Error of the model: {found.proposed.errors.model}")


def _named_table(console: Console, name: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if rows:
        line(console, name, style="bold")
        table(console, heads, rows, numbers=range(1, len(heads)))


def show_beside(console: Console, course: SpineCourse, names: Names) -> None:
    """What must be known beside the figures, and the errors."""
    console.print()
    bullets(console, beside_lines(course, names))


def whose(drug: str | None, names: Names) -> str:
    """A drug's name, or that of all together."""
    return "All drugs together" if drug is None else names(drug)


def _draw(console: Console, course: SpineCourse, chosen: Sequence[Line]) -> None:
    """Three decades down from the highest, on a scale by tens."""
    from plotext import figure

    width = min(console.width, _WIDEST)
    figure.clear()
    figure.theme("colorless")
    figure.plot_size(width, _HEIGHT)
    top = max(float(one.central.max()) for one in chosen)
    high = math.ceil(math.log10(top))
    least = min(float(one.central[one.central > 0].min()) for one in chosen if one.central.any())
    low = max(high - _DECADES, min(math.floor(math.log10(least)), high - 1))
    every = max(course.at_s.size // width, 1)
    for mark, one in reversed(list(zip(_MARKS, chosen, strict=False))):
        seen = one.central[::every] >= 10.0**low
        if seen.any():
            hours = course.at_s[::every][seen] / 3600
            logs = np.log10(one.central[::every][seen])
            figure.draw(figure.signal(hours.tolist(), logs.tolist(), marker=mark))
    decades = list(range(low, high + 1))
    figure.ruler("y", "left").lim(decades[0], decades[-1])
    figure.ruler("y", "left").ticks(decades, [figure_text(10.0**n) for n in decades])
    last = float(course.at_s[-1]) / 3600
    figure.ruler("x", "lower").lim(0, last)
    at = [last * n / _TICKS for n in range(_TICKS + 1)]
    figure.ruler("x", "lower").ticks(at, [figure_text(hour) for hour in at])
    console.print(figure.build().string(colorless=True).rstrip("\n"), soft_wrap=True)
    figure.clear()
