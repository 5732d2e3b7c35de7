"""One chart as inline SVG: twice, wide and narrow, in colors that follow the page, and the same bytes every time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from thecal.cli.report.markup import Markup, tag

if TYPE_CHECKING:
    from collections.abc import Callable

INK, SOFT, GRID, FIRST, SECOND, ALERT, FILL = (f"#0a0b{n:02x}" for n in range(1, 8))
"""Stand-ins for the colors of the page, replaced by its variables when a chart is written."""
_VARIABLES = {
    INK: "--ink",
    SOFT: "--soft",
    GRID: "--grid",
    FIRST: "--first",
    SECOND: "--second",
    ALERT: "--alert",
    FILL: "--fill",
}
_SIZES = {"wide": 7.4, "narrow": 3.7}  # inches: as many points as the page gives it pixels
_STYLE: Any = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.5,
    "hatch.color": SOFT,
    "hatch.linewidth": 0.6,
    "path.simplify": False,
}


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a chart is drawn on, and whether there is little room."""

    figure: Figure
    narrow: bool


def chart(key: str, title: str, height: float, draw: Callable[[Sheet], None], table: Markup) -> Markup:
    """A figure with its caption and, behind it, its numbers; ``height`` is in inches, ``key`` unique on the page."""
    drawn = [_drawn(f"{key}-{size}", title, size, height, draw) for size in _SIZES]
    return tag("figure", *drawn, tag("figcaption", title), table, id=key)


def _drawn(key: str, title: str, size: str, height: float, draw: Callable[[Sheet], None]) -> Markup:
    with rc_context(_STYLE), rc_context({"svg.hashsalt": key}):
        figure = Figure(figsize=(_SIZES[size], height), layout="constrained")
        draw(Sheet(figure, narrow=size == "narrow"))
        out = StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return tag("div", Markup(_cleaned(out.getvalue(), key, title)), class_=f"chart {size}")


def _cleaned(svg: str, key: str, title: str) -> str:
    """The svg element alone: no declarations, no metadata, names of its own, colors of the page, a title."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", svg)
    svg = re.sub(r"<style [^>]*>.*?</style>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r'\bid="', f'id="{key}-', svg)
    svg = re.sub(r'(?:xlink:)?href="#', f'href="#{key}-', svg)
    svg = svg.replace("url(#", f"url(#{key}-")
    svg = re.sub(r"font: ([0-9.]+)px [^;\"]*", r"font-size: \1px", svg)
    svg = re.sub(r"font-family: [^;\"]*; ?", "", svg)
    svg = re.sub(r"\n\s*", " ", svg)
    svg = re.sub(r"<[^>]*>", _short, svg)
    for color, variable in _VARIABLES.items():
        svg = svg.replace(color, f"var({variable})")
    svg = re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', rf'<svg \1 role="img" aria-labelledby="{key}-title">', svg)
    name = tag("title", title, id=f"{key}-title")
    return svg.replace(">", f">{name}", 1)


def _short(element: re.Match[str]) -> str:
    """Coordinates to a hundredth of a point: nobody sees more, and a page is read on phones too."""
    return re.sub(r"-?\d+\.\d{3,}", lambda n: f"{float(n[0]):.2f}".rstrip("0").rstrip("."), element[0])
