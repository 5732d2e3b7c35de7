"""The neuraxis in pictures: a drug in the spinal fluid by level and time, and along the canal at some instants.

A color stands for a range of concentrations that is written at the scale; it grows darker, or lighter on a dark page,
with every step, so that it reads in gray too. Nothing is told by color alone: the numbers stand in a table behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from thecal.cli.report.markup import Markup, folded, table
from thecal.cli.report.plot import CHARACTER, Axis, Frame, Plot, figure
from thecal.cli.report.scale import COLORS
from thecal.cli.spine_figures import after_text, figure_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from thecal.cli.report.plot import Tick
    from thecal.cli.report.scale import Scale
    from thecal.cli.report.time_axis import TimeAxis
    from thecal.twin.spine import HeatMap, Site

    FloatArray = npt.NDArray[np.float64]

_COLUMNS = {False: 240, True: 120}
_LEFT = 34.0  # points for the names of levels
_LAP = 0.4  # points that a column reaches over the next, so that no gap shows between them
_LINE = 11.5  # points from one name to the next


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a picture of one drug needs: its map, the scale that it shares with others, the tip, and the time."""

    key: str
    name: str
    heat: HeatMap
    scale: Scale
    tip: Site
    time: TimeAxis

    @property
    def where(self) -> str:
        """The level of the tip, as people say it."""
        return self.tip.level or f"{figure_text(self.tip_cm)} cm"

    @property
    def tip_cm(self) -> float:
        """Where the tip is, from the end of the sac."""
        return self.tip.at_cm or 0.0

    @property
    def length_cm(self) -> float:
        """The canal: as far beyond the last cell's middle as the first one's is from the sac."""
        return float(self.heat.x_cm[-1] + self.heat.x_cm[0])

    @property
    def instants(self) -> tuple[float, ...]:
        """At which profiles are shown; within what the map covers."""
        return tuple(min(at_s, float(self.heat.at_s[-1])) for at_s in self.time.instants())

    def at_ends(self, at_s: float) -> tuple[float, float, float, float]:
        """An instant, and the fluid then at the tip, at the end of the sac and at the upper end."""
        fluid = self.heat.profile(at_s)
        return at_s, float(np.interp(self.tip_cm, self.heat.x_cm, fluid)), float(fluid[0]), float(fluid[-1])

    def levels(self, height: float) -> list[Tick]:
        """Names of levels that do not overlap on so many points, from below."""
        shown: list[Tick] = []
        near = _LINE * self.length_cm / height
        for name, cm in sorted(self.heat.levels, key=lambda level: level[1]):
            if 0 <= cm <= self.length_cm and (not shown or cm - shown[-1][0] >= near):
                shown.append((cm, name))
        return shown


# Level against time ---------------------------------------------------------------------------------------------------


def heat_map(drawn: Drawn, title: str) -> Markup:
    """The map of one drug with its scale."""
    caption = (
        f"{title}: {drawn.name} in the spinal fluid, by level and time. Each color is a range of concentrations, "
        f"in ng/mL; below {figure_text(drawn.scale.floor)} ng/mL nothing is told apart. The dashed line is the tip "
        f"of the catheter ({drawn.where})."
    )
    data = folded("Numbers of this picture", _numbers(drawn, caption))
    said = _in_words(drawn)
    return figure(drawn.key, caption, said, heights=(290, 290), draw=lambda plot: draw_heat(plot, drawn), data=data)


def heat_frame(plot: Plot, drawn: Drawn) -> Frame:
    """Where the map lies: levels upwards, time across."""
    right = 12 + CHARACTER * max(3, len(drawn.where))
    axis = Axis(0.0, drawn.length_cm)
    return Frame(_LEFT, 14, plot.width - _LEFT - right, plot.height - 90, drawn.time.axis, axis)


def draw_heat(plot: Plot, drawn: Drawn) -> None:
    """The map above, its scale below."""
    frame = heat_frame(plot, drawn)
    plot.text(0, 8, "level of the spine", "soft")
    plot.cells([(frame.left, frame.top, frame.width, frame.height)], "heat-0")
    at_s, fluid = _fewer(drawn.heat, _COLUMNS[plot.narrow])
    borders = _borders(frame.x(drawn.time.x(at_s)), frame)
    for step, edge in enumerate(drawn.scale.edges[:-1], start=1):
        plot.cells(_over(frame, drawn, fluid, borders, edge), f"heat-{step}")
    plot.left_ticks(frame, drawn.levels(frame.height), grid=False)
    plot.across(frame, drawn.tip_cm, "halo")
    plot.across(frame, drawn.tip_cm, "tip")
    tip = float(frame.y(drawn.tip_cm))
    plot.text(frame.right + 4, tip - 1, "tip")
    plot.text(frame.right + 4, tip + 9, drawn.where)
    plot.foot_ticks(frame, drawn.time.ticks(narrow=plot.narrow), drawn.time.label, grid=False)
    _legend(plot, drawn.scale, frame.foot + 36)


def _fewer(heat: HeatMap, columns: int) -> tuple[FloatArray, FloatArray]:
    """At most so many columns as a screen shows; of those that are joined the highest counts."""
    if heat.at_s.size <= columns:
        return heat.at_s, heat.csf_ng_per_ml
    edges = np.linspace(0, heat.at_s.size, columns + 1).astype(np.int64)
    middle = heat.at_s[(edges[:-1] + edges[1:] - 1) // 2].copy()
    middle[0], middle[-1] = heat.at_s[0], heat.at_s[-1]
    return middle, np.maximum.reduceat(heat.csf_ng_per_ml, edges[:-1], axis=0)


def _borders(x: FloatArray, frame: Frame) -> FloatArray:
    """Between columns, halfway; the first and the last reach the frame."""
    return np.concatenate(([frame.left], (x[:-1] + x[1:]) / 2, [frame.right]))


def _over(
    frame: Frame, drawn: Drawn, fluid: FloatArray, borders: FloatArray, edge: float
) -> Iterator[tuple[float, float, float, float]]:
    """Where each column is over a concentration, in points."""
    x_cm = drawn.heat.x_cm
    for column, values in enumerate(fluid):
        for low, high in _spans(x_cm, values, edge, drawn.length_cm):
            top, foot = float(frame.y(high)), float(frame.y(low))
            right = min(float(borders[column + 1]) + _LAP, frame.right)
            yield float(borders[column]), top, right - float(borders[column]), foot - top


def _spans(x_cm: FloatArray, values: FloatArray, edge: float, length_cm: float) -> Iterator[tuple[float, float]]:
    """The stretches of the canal, in cm, on which values are ``edge`` or more; straight between cells."""
    over = values >= edge
    turns = np.flatnonzero(over[1:] != over[:-1])
    share = (edge - values[turns]) / (values[turns + 1] - values[turns])
    crossed = (x_cm[turns] + share * (x_cm[turns + 1] - x_cm[turns])).tolist()
    ends = ([0.0] if over[0] else []) + crossed + ([length_cm] if over[-1] else [])
    return zip(ends[::2], ends[1::2], strict=True)


def _legend(plot: Plot, scale: Scale, top: float) -> None:
    """Ten boxes, with the concentration at which each color begins."""
    left = _LEFT
    wide = (plot.width - left - 46) / COLORS
    for step in range(COLORS):
        plot.cells([(left + step * wide, top, wide, 10)], f"heat-{step} edged")
    every = 3 if plot.narrow else 1
    for n, edge in enumerate(scale.edges):
        if (len(scale.edges) - 1 - n) % every == 0:
            plot.text(left + (n + 1) * wide, top + 21, figure_text(edge), anchor="middle")
    plot.text(plot.width, top + 9, "ng/mL", "soft", anchor="end")


def _in_words(drawn: Drawn) -> str:
    heat = drawn.heat
    when, where = np.unravel_index(int(np.argmax(heat.csf_ng_per_ml)), heat.csf_ng_per_ml.shape)
    most = float(heat.csf_ng_per_ml[when, where])
    end, top = heat.csf_ng_per_ml[-1], heat.csf_ng_per_ml[:, -1]
    late, last = int(np.argmax(top)), int(np.argmax(end))
    return (
        f"Heat map of {drawn.name}, from the end of the sac below to the foramen magnum above, over "
        f"{after_text(drawn.time.span_s)}. Highest: {figure_text(most)} ng/mL near {_nearest(heat, int(where))}, "
        f"{after_text(float(heat.at_s[when]))} after the start. At the upper end at most "
        f"{figure_text(float(top[late]))} ng/mL, after {after_text(float(heat.at_s[late]))}. At the end of the time: "
        f"{figure_text(float(end[last]))} ng/mL near {_nearest(heat, last)}, {figure_text(float(end[-1]))} ng/mL at "
        f"the upper end."
    )


def _nearest(heat: HeatMap, cell: int) -> str:
    """The named level nearest to a cell."""
    cm = float(heat.x_cm[cell])
    return min(heat.levels, key=lambda level: abs(level[1] - cm), default=(f"{figure_text(cm)} cm", cm))[0]


def _numbers(drawn: Drawn, caption: str) -> Markup:
    """Levels by rows from above, instants by columns."""
    fluid = [drawn.heat.profile(at_s) for at_s in drawn.instants]
    heads = ["level", "cm from the sac", *(f"after {after_text(at_s)}, ng/mL" for at_s in drawn.instants)]
    rows = [
        [name, figure_text(cm), *(figure_text(float(np.interp(cm, drawn.heat.x_cm, values))) for values in fluid)]
        for name, cm in sorted(drawn.heat.levels, key=lambda level: -level[1])
    ]
    return table(caption, heads, rows, numbers=range(1, len(heads)))


# Along the canal at an instant ----------------------------------------------------------------------------------------


def profiles(key: str, drawn: Drawn, before: HeatMap | None = None) -> Markup:
    """The fluid along the canal at four instants; ``before`` is drawn beside it, as the current program's."""
    beside = " Solid: proposed. Dotted: current." if before is not None else ""
    caption = (
        f"{drawn.name} along the canal at four instants, in ng/mL on a scale by tens, levels as above.{beside} The "
        f"dashed line is the tip of the catheter ({drawn.where})."
    )
    data = folded("Numbers of this chart", _numbers(drawn, caption))
    said = " ".join(
        f"After {after_text(at_s)}: {figure_text(tip)} ng/mL at the tip, {figure_text(low)} at the end of the sac, "
        f"{figure_text(high)} at the upper end."
        for at_s, tip, low, high in map(drawn.at_ends, drawn.instants)
    )
    return figure(
        key, caption, said, heights=(235, 430), draw=lambda plot: draw_profiles(plot, drawn, before), data=data
    )


def profile_frames(plot: Plot, drawn: Drawn) -> list[Frame]:
    """Four frames that share their scales: in a row, or two by two."""
    rows, columns = (2, 2) if plot.narrow else (1, 4)
    wide, tall = (plot.width - _LEFT + 10) / columns, plot.height / rows
    axes = Axis(drawn.scale.floor, drawn.scale.top, log=True), Axis(0.0, drawn.length_cm)
    return [
        Frame(_LEFT + wide * column, tall * row + 16, wide - 24, tall - 46, *axes)
        for row in range(rows)
        for column in range(columns)
    ]


def _ticks(scale: Scale, width: float) -> list[Tick]:
    """Tens; where there are fewer than two, also twos and fives; so many as have room."""
    tens = [10.0**power for power in range(-9, 13)]
    told = [ten for ten in tens if scale.floor <= ten <= scale.top * 1.001]
    more = [s * ten for ten in tens for s in (1.0, 2.0, 5.0) if scale.floor <= s * ten <= scale.top * 1.001]
    found, most = told if len(told) > 1 else more, max(int(width // 30), 1)
    return [(value, figure_text(value)) for value in found[:: -(-len(found) // most)]]


def draw_profiles(plot: Plot, drawn: Drawn, before: HeatMap | None) -> None:
    """Four small pictures."""
    ticks = _ticks(drawn.scale, profile_frames(plot, drawn)[0].width)
    for n, (frame, at_s) in enumerate(zip(profile_frames(plot, drawn), drawn.instants, strict=True)):
        named = frame.left < _LEFT + 1
        levels = drawn.levels(frame.height)
        plot.left_ticks(frame, levels if named else [(cm, "") for cm, _ in levels])
        plot.foot_ticks(frame, ticks, "ng/mL" if n == 3 else "")
        plot.across(frame, drawn.tip_cm, "tip")
        plot.text(frame.left, frame.top - 5, f"after {after_text(at_s)}", "title")
        seen = False
        for heat, kind in ((before, "second"), (drawn.heat, "first")):
            if heat is not None:
                fluid = heat.profile(min(at_s, float(heat.at_s[-1])))
                plot.line(frame, np.where(fluid >= drawn.scale.floor, fluid, np.nan), heat.x_cm, kind)
                seen = seen or bool(np.any(fluid >= drawn.scale.floor))
        if not seen:
            for row, words in enumerate(("everywhere", "less than", f"{figure_text(drawn.scale.floor)} ng/mL")):
                plot.text(frame.left + frame.width / 2, frame.top + 20 + 11 * row, words, "soft", anchor="middle")
