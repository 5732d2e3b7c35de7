"""Pictures of a refill as whole numbers for SVG: the last gaps as bars, and the front in the line. Each has a table
beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from thecal.quantities import Volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thecal.clinic.refilling.bridging import Front
    from thecal.clinic.refilling.gap import PastGap

HEIGHT, WIDTH, STEP = 180, 620, 100
LEAST = Volume.of(3, "mL")
"""The scale reaches at least so far, so that a small gap looks small (rule C5)."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its left edge, top and height in px, and the number over it."""

    x: int
    y: int
    height: int
    label: str
    label_y: int
    at_utc_s: int


@dataclass(frozen=True, slots=True)
class GapChart:
    """Bars around a middle line; ``reach`` is the end of the scale in words."""

    bars: tuple[Bar, ...]
    middle: int
    reach: str


def gap_chart(gaps: Sequence[PastGap]) -> GapChart:
    """Expected less aspirated; up is less found than expected."""
    reach = max([LEAST, *(abs(g.gap) for g in gaps)])
    middle = HEIGHT // 2
    bars = []
    for n, gap in enumerate(gaps):
        height = round(abs(gap.gap) / reach * (middle - 24))
        up = gap.gap.value >= 0
        y = middle - height if up else middle
        bars.append(
            Bar(20 + n * STEP, y, max(height, 2), _label(gap.gap), y - 6 if up else y + height + 16, gap.at_utc_s)
        )
    return GapChart(tuple(bars), middle, reach.text("mL"))


def _label(gap: Volume) -> str:
    if not gap:
        return "0 mL"
    return f"{abs(gap).text('mL')} {'less' if gap.value > 0 else 'more'}"


@dataclass(frozen=True, slots=True)
class LineChart:
    """The line from pump to tip: where tubing ends and where the front is, in px of WIDTH."""

    tubing: int
    front: int
    share: str


def line_chart(front: Front) -> LineChart:
    """Where the front is now."""
    return LineChart(
        round(front.tubing_share * WIDTH),
        round(min(front.now.share, Fraction(1)) * WIDTH),
        f"{round(front.now.share * 100)} %",
    )
