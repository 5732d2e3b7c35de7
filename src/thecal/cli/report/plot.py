"""Charts written as SVG by hand: many small ones in no time, twice each, wide and narrow, styled by the page alone.

A ``Frame`` turns values into points; a ``Plot`` collects lines, areas, cells and words, and knows nothing of drugs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from thecal.cli.report.markup import Markup, tag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy.typing as npt

    FloatArray = npt.NDArray[np.float64]

SIZES = {"wide": 533.0, "narrow": 266.0}
"""Points in width: the page gives as many pixels, or more."""
CHARACTER = 4.9
"""Points that a character of a label is wide at most, on average."""
_BOLD = 5.2  # the same for a heading
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)

Tick = tuple[float, str]


@dataclass(frozen=True, slots=True)
class Axis:
    """Values from ``low`` to ``high``, even, or even in their logarithms."""

    low: float
    high: float
    log: bool = False

    def share(self, values: npt.ArrayLike) -> FloatArray:
        """Where values lie: 0 at the low end, 1 at the high one."""
        if self.log:
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.asarray(np.log(np.asarray(values) / self.low) / math.log(self.high / self.low))
        return np.asarray((np.asarray(values, dtype=np.float64) - self.low) / (self.high - self.low))


@dataclass(frozen=True, slots=True)
class Frame:
    """A rectangle of a chart, in points from its upper left corner, with its axes."""

    left: float
    top: float
    width: float
    height: float
    across: Axis
    upwards: Axis

    def x(self, values: npt.ArrayLike) -> FloatArray:
        """Points across."""
        return np.asarray(self.left + self.width * self.across.share(values))

    def y(self, values: npt.ArrayLike) -> FloatArray:
        """Points down."""
        return np.asarray(self.top + self.height * (1 - self.upwards.share(values)))

    @property
    def foot(self) -> float:
        """The lower edge."""
        return self.top + self.height

    @property
    def right(self) -> float:
        """The right edge."""
        return self.left + self.width


@dataclass(slots=True)
class Plot:
    """What is drawn on ``width`` times ``height`` points; ``narrow`` where there is little room."""

    width: float
    height: float
    narrow: bool
    parts: list[str] = field(default_factory=list)

    def line(self, frame: Frame, across: npt.ArrayLike, upwards: npt.ArrayLike, kind: str) -> None:
        """A line through values; where one is not a number it is broken."""
        self._path(_through(frame.x(across), frame.y(upwards)), f"line {kind}")

    def area(
        self, frame: Frame, across: npt.ArrayLike, low: npt.ArrayLike, high: npt.ArrayLike, kind: str = "band"
    ) -> None:
        """What lies between two lines."""
        x, top, foot = frame.x(across), frame.y(high), frame.y(low)
        self._path(_run(np.concatenate((x, x[::-1])), np.concatenate((top, foot[::-1]))) + "z", kind)

    def cells(self, boxes: Iterable[tuple[float, float, float, float]], kind: str) -> None:
        """Rectangles in points (left, top, width, height) as one shape."""
        made = "".join(f"M{_p(x)} {_p(y)}h{_p(w)}v{_p(h)}h{_p(-w)}z" for x, y, w, h in boxes)
        if made:
            self._path(made, kind)

    def across(self, frame: Frame, value: float, kind: str) -> None:
        """A level line through a frame."""
        self._path(f"M{_p(frame.left)} {_p(float(frame.y(value)))}H{_p(frame.right)}", f"line {kind}")

    def title(self, x: float, y: float, text: str) -> None:
        """A heading; one that is too long for the chart is pressed together, so that no word of it is lost."""
        room = self.width - x
        pressed = f' textLength="{_p(room)}" lengthAdjust="spacingAndGlyphs"' if _BOLD * len(text) > room else ""
        self.parts.append(f'<text x="{_p(x)}" y="{_p(y)}" class="title"{pressed}>{escape(text, quote=False)}</text>')

    def text(self, x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> None:
        """Words; ``y`` is their base line."""
        name = f' class="{kind}"' if kind else ""
        where = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self.parts.append(f'<text x="{_p(x)}" y="{_p(y)}"{name}{where}>{escape(text, quote=False)}</text>')

    def left_ticks(self, frame: Frame, ticks: Sequence[Tick], *, grid: bool = True) -> None:
        """Numbers or names at the left, with lines behind."""
        for value, said in ticks:
            if grid:
                self.across(frame, value, "grid")
            self.text(frame.left - 4, float(frame.y(value)) + 3, said, anchor="end")
        self._path(f"M{_p(frame.left)} {_p(frame.top)}V{_p(frame.foot)}", "line axis")

    def foot_ticks(
        self, frame: Frame, ticks: Sequence[Tick], label: str = "", *, named: bool = True, grid: bool = True
    ) -> None:
        """The axis at the foot, with lines behind, or short ones below; words only where ``named``."""
        top, foot = (frame.top, frame.foot) if grid else (frame.foot, frame.foot + 3)
        lines = "".join(f"M{_p(float(frame.x(value)))} {_p(top)}V{_p(foot)}" for value, _ in ticks)
        if lines:
            self._path(lines, "line grid" if grid else "line axis")
        self._path(f"M{_p(frame.left)} {_p(frame.foot)}H{_p(frame.right)}", "line axis")
        if not named:
            return
        for value, said in ticks:
            self.text(self._within(frame, float(frame.x(value)), said), frame.foot + 11, said, anchor="middle")
        if label:
            self.text(frame.right, frame.foot + 23, label, "soft", anchor="end")

    def _within(self, frame: Frame, x: float, said: str) -> float:
        """Where a label stands so that it does not reach into the next frame."""
        half = CHARACTER * len(said) / 2
        return min(max(x, frame.left - 8 + half), frame.right + 8 - half)

    def legend(self, right: float, base: float, entries: Sequence[tuple[str, str]]) -> None:
        """A row of (kind, words) that ends at ``right``."""
        at = right - sum(26 + CHARACTER * len(words) for _, words in entries)
        for kind, words in entries:
            if kind == "band":
                self.cells([(at, base - 7, 16, 8)], "band")
            else:
                self._path(f"M{_p(at)} {_p(base - 3)}h16", f"line {kind}")
            self.text(at + 19, base, words)
            at += 26 + CHARACTER * len(words)

    def _path(self, d: str, kind: str) -> None:
        self.parts.append(f'<path class="{kind}" d="{d}"/>')


def figure(
    key: str, title: str, said: str, *, heights: tuple[float, float], draw: Callable[[Plot], None], data: Markup
) -> Markup:
    """A figure with its caption and, behind it, its numbers; ``heights`` in points, wide and narrow.

    ``said`` tells in words what the eye would see, to whoever does not see it.
    """
    drawn = []
    for (size, width), height in zip(SIZES.items(), heights, strict=True):
        plot = Plot(width, height, narrow=size == "narrow")
        draw(plot)
        name = f"{key}-{size}"
        words = tag("title", title, id=f"{name}-title") + tag("desc", said, id=f"{name}-desc")
        svg = (
            f'<svg class="plot" viewBox="0 0 {_p(width)} {_p(height)}" role="img" '
            f'aria-labelledby="{name}-title" aria-describedby="{name}-desc">{words}{"".join(plot.parts)}</svg>'
        )
        drawn.append(tag("div", Markup(svg), class_=f"chart {size}"))
    return tag("figure", *drawn, tag("figcaption", title), data, id=key)


def nice(low: float, high: float, most: int) -> list[float]:
    """At most ``most`` + 1 round numbers from ``low`` to ``high``, evenly apart."""
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(s * power for s in _STEPS if (high - low) / (s * power) <= most)
    first = math.ceil(low / step - 1e-9)
    return [float(f"{n * step:.10g}") for n in range(first, math.floor(high / step + 1e-9) + 1)]


def _p(value: float) -> str:
    """A coordinate to a tenth of a point."""
    return f"{value:.1f}".removesuffix(".0")


def _run(x: FloatArray, y: FloatArray) -> str:
    """A line through points: the first as it is, each other as the way from the one before, in tenths of a point."""
    tenths = np.rint(np.column_stack((x, y)) * 10).astype(np.int64)
    way = "".join(f"{_short(dx)}{_short(dy)}" for dx, dy in np.diff(tenths, axis=0).tolist())
    first = f"M{_p(tenths[0, 0] / 10)} {_p(tenths[0, 1] / 10)}"
    return f"{first}l{way.lstrip()}" if way else first


def _short(tenths: int) -> str:
    """Tenths of a point behind a blank or a sign, without a zero before the point."""
    whole, rest = divmod(abs(tenths), 10)
    text = (str(whole) if whole or not rest else "") + (f".{rest}" if rest else "")
    return f"-{text}" if tenths < 0 else f" {text}"


def _through(x: FloatArray, y: FloatArray) -> str:
    sound = np.isfinite(x) & np.isfinite(y)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], sound, [False])).astype(np.int8)))
    return "".join(_run(x[a:b], y[a:b]) for a, b in zip(edges[::2], edges[1::2], strict=True))
