"""Sites over time: central line, median and 10 to 90 band; and two courses in pairs with their difference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from thecal.cli.report.markup import Markup, folded, table
from thecal.cli.report.plot import CHARACTER, Axis, Frame, Plot, figure, nice
from thecal.cli.report.time_axis import TimeAxis, drawable
from thecal.cli.spine_figures import NOT_A_PREDICTION, WARNINGS, after_text, figure_text, figures, site_text, unit_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from thecal.cli.report.plot import Tick
    from thecal.twin.spine import Line, SpineCourse

    FloatArray = npt.NDArray[np.float64]

_PANEL, _LOWER = 82.0, 56.0  # points from one site to the next, and more where a difference stands below
_HEAD, _FOOT = 14.0, 30.0  # points for what stands above and below all of them
_ROWS = 13


@dataclass(frozen=True, slots=True)
class Pair:
    """One site of two courses: what runs now, what is proposed, and proposed less current draw by draw."""

    current: Line
    proposed: Line
    difference: Line


# One course -----------------------------------------------------------------------------------------------------------


def sites(key: str, title: str, course: SpineCourse, lines: Sequence[Line]) -> Markup:
    """Sites of one course, one below the other, each on a scale of its own."""
    draws = next((line.band.draws for line in lines if line.band), 0)
    band = f" Shaded: 10 to 90 of 100 persons, dotted: their median ({draws:,} drawn)." if draws else ""
    caption = f"{title}. Line: nominal parameters.{band}"
    tables = (_numbers(f"{line.site.label}{_warning([line])}", course, line) for line in lines)
    data = folded("Numbers of this chart", *tables)
    said = " ".join(_in_words(line, course) for line in lines)
    height = _HEAD + _PANEL * len(lines) + _FOOT
    return figure(
        key, caption, said, heights=(height, height), draw=lambda plot: draw_sites(plot, course, lines), data=data
    )


def site_frames(plot: Plot, course: SpineCourse, lines: Sequence[Line]) -> list[Frame]:
    """A frame for each line, from nothing to the highest of line and band."""
    tops = [float(max(line.central.max(), line.band.p90.max() if line.band else 0.0)) for line in lines]
    axes = [Axis(0.0, top * 1.05 or 1.0) for top in tops]
    left = _left(axes)
    time = TimeAxis.of(course).axis
    return [
        Frame(left, _HEAD + _PANEL * n + 14, plot.width - left - 8, _PANEL - 26, time, axis)
        for n, axis in enumerate(axes)
    ]


def draw_sites(plot: Plot, course: SpineCourse, lines: Sequence[Line]) -> None:
    """A panel for each line."""
    time = TimeAxis.of(course)
    frames = site_frames(plot, course, lines)
    for line, frame in zip(lines, frames, strict=True):
        _grid(plot, frame, time, named=frame is frames[-1])
        if line.band is not None:
            p10, p50, p90 = (drawable(course.at_s, row) for row in (line.band.p10, line.band.p50, line.band.p90))
            plot.area(frame, time.x(p10.at_s), p10.mean, p90.mean)
            plot.line(frame, time.x(p50.at_s), p50.mean, "median")
        _line(plot, frame, course, line, "first")
        _named(plot, frame, line)
    if any(line.band for line in lines):
        entries = [("first", "nominal"), ("median", "median"), ("band", "10 to 90 of 100")]
        plot.legend(plot.width, 8, entries)


def _line(plot: Plot, frame: Frame, course: SpineCourse, line: Line, kind: str) -> None:
    """A line; where it is drawn by stretches, thin ones for what it moves between."""
    time, shown = TimeAxis.of(course), drawable(course.at_s, line.central)
    if not shown.whole:
        plot.line(frame, time.x(shown.at_s), shown.high, f"{kind} thin")
        plot.line(frame, time.x(shown.at_s), shown.low, f"{kind} thin")
    plot.line(frame, time.x(shown.at_s), shown.mean, kind)


def _left(axes: Sequence[Axis]) -> float:
    """Points for the longest number at the left."""
    return 8 + CHARACTER * max(len(said) for axis in axes for _, said in _ticks(axis))


def _ticks(axis: Axis) -> list[Tick]:
    return [(value, figure_text(value)) for value in nice(axis.low, axis.high, 4)]


def _grid(plot: Plot, frame: Frame, time: TimeAxis, *, named: bool) -> None:
    plot.foot_ticks(frame, time.ticks(narrow=plot.narrow), time.label, named=named)
    plot.left_ticks(frame, _ticks(frame.upwards))


def _named(plot: Plot, frame: Frame, line: Line) -> None:
    plot.title(0, frame.top - 5, site_text(line.site))


def _warning(lines: Sequence[Line]) -> str:
    """The words that never leave a warning index alone, where its label does not say them already."""
    said = (line for line in lines if line.site.kind in WARNINGS)
    return f" ({NOT_A_PREDICTION})" if any(NOT_A_PREDICTION not in line.site.label for line in said) else ""


def _in_words(line: Line, course: SpineCourse) -> str:
    found, unit = figures(line, course), line.site.unit
    if not found.peak > 0:
        return f"{line.site.label}: nothing."
    band = found.at_peak
    between = f", 10 to 90 there {figure_text(band[0])} to {figure_text(band[2])}" if band else ""
    return (
        f"{line.site.label}{_warning([line])}: highest {figure_text(found.peak)} {unit} after "
        f"{after_text(found.peak_s)}{between}; at the end {figure_text(float(line.central[-1]))} {unit}."
    ).replace(" ;", ";")


def _numbers(caption: str, course: SpineCourse, line: Line) -> Markup:
    unit = unit_text(line.site)
    heads = ["after", f"nominal{unit}"]
    columns = [line.central]
    if line.band is not None:
        heads += [f"{name}{unit}" for name in ("10 of 100 below", "median", "90 of 100 below")]
        columns += [line.band.p10, line.band.p50, line.band.p90]
    rows = [
        [after_text(float(course.at_s[n])), *(figure_text(float(column[n])) for column in columns)]
        for n in _places(course, line)
    ]
    return table(caption, heads, rows, numbers=range(1, len(heads)))


def _places(course: SpineCourse, *lines: Line) -> list[int]:
    """Which times a table shows: evenly spread, with the highest of each line."""
    even = np.linspace(0, course.at_s.size - 1, _ROWS).round().astype(int)
    return sorted({*even.tolist(), *(int(np.argmax(np.abs(line.central))) for line in lines)})


# Two courses ----------------------------------------------------------------------------------------------------------


def pairs(key: str, title: str, course: SpineCourse, found: Sequence[Pair]) -> Markup:
    """Sites of two courses: both above, their difference below."""
    draws = next((p.difference.band.draws for p in found if p.difference.band), 0)
    band = f" Shaded below: 10 to 90 of 100 persons, the same {draws:,} in both." if draws else ""
    caption = (
        f"{title}: current dotted, proposed solid; below each pair proposed less current, nominal parameters.{band}"
    )
    data = folded("Numbers of this chart", *(_pair_numbers(course, p, _warning([p.proposed])) for p in found))
    said = " ".join(_pair_in_words(pair, course) for pair in found)
    height = _HEAD + (_PANEL + _LOWER) * len(found) + _FOOT
    return figure(
        key, caption, said, heights=(height, height), draw=lambda plot: draw_pairs(plot, course, found), data=data
    )


def pair_frames(plot: Plot, course: SpineCourse, found: Sequence[Pair]) -> list[tuple[Frame, Frame]]:
    """For each pair a frame for both lines, and below it one for their difference, as far up as down."""
    time = TimeAxis.of(course).axis
    axes = []
    for pair in found:
        top = float(max(pair.current.central.max(), pair.proposed.central.max()))
        lines = [pair.difference.central]
        if pair.difference.band is not None:
            lines += [pair.difference.band.p10, pair.difference.band.p90]
        low, high = min(0.0, *(float(line.min()) for line in lines)), max(0.0, *(float(line.max()) for line in lines))
        room = (high - low) * 0.06 or 1.0
        axes.append((Axis(0.0, top * 1.05 or 1.0), Axis(low - room, high + room)))
    left = _left([axis for both in axes for axis in both])
    wide, step = plot.width - left - 8, _PANEL + _LOWER
    return [
        (
            Frame(left, _HEAD + step * n + 14, wide, _PANEL - 26, time, upper),
            Frame(left, _HEAD + step * n + _PANEL + 6, wide, _LOWER - 20, time, lower),
        )
        for n, (upper, lower) in enumerate(axes)
    ]


def draw_pairs(plot: Plot, course: SpineCourse, found: Sequence[Pair]) -> None:
    """Two panels for each pair."""
    time = TimeAxis.of(course)
    frames = pair_frames(plot, course, found)
    for pair, (upper, lower) in zip(found, frames, strict=True):
        _grid(plot, upper, time, named=False)
        for line, kind in ((pair.current, "second"), (pair.proposed, "first")):
            _line(plot, upper, course, line, kind)
        _named(plot, upper, pair.proposed)
        _grid(plot, lower, time, named=lower is frames[-1][1])
        if pair.difference.band is not None:
            p10, p90 = (drawable(course.at_s, row) for row in (pair.difference.band.p10, pair.difference.band.p90))
            plot.area(lower, time.x(p10.at_s), p10.mean, p90.mean)
        plot.across(lower, 0.0, "axis")
        _line(plot, lower, course, pair.difference, "plain")
        plot.text(lower.left + 4, lower.top - 4, "proposed less current", "soft")
    plot.legend(plot.width, 8, [("second", "current"), ("first", "proposed")])


def _pair_in_words(pair: Pair, course: SpineCourse) -> str:
    most = int(np.argmax(np.abs(pair.difference.central)))
    by, unit = float(pair.difference.central[most]), pair.proposed.site.unit
    way = "more" if by > 0 else "less"
    if not by:
        return f"{pair.proposed.site.label}: no difference."
    return (
        f"{pair.proposed.site.label}{_warning([pair.proposed])}: the largest difference is {figure_text(abs(by))} "
        f"{unit} {way}, after {after_text(float(course.at_s[most]))}."
    )


def _pair_numbers(course: SpineCourse, pair: Pair, warning: str) -> Markup:
    unit = unit_text(pair.proposed.site)
    heads = ["after", f"current{unit}", f"proposed{unit}", f"difference{unit}"]
    columns = [pair.current.central, pair.proposed.central, pair.difference.central]
    if pair.difference.band is not None:
        heads += [f"{name}{unit}" for name in ("10 of 100 below", "90 of 100 below")]
        columns += [pair.difference.band.p10, pair.difference.band.p90]
    rows = [
        [after_text(float(course.at_s[n])), *(figure_text(float(column[n])) for column in columns)]
        for n in _places(course, pair.proposed, pair.difference)
    ]
    return table(f"{pair.proposed.site.label}{warning}", heads, rows, numbers=range(1, len(heads)))
