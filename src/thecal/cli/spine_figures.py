"""The figures of a course beyond the tip as people read them: peak, when, lowest and mean at the end.

Three digits at most: people differ several-fold, and a fourth would say more than anybody knows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from thecal.quantities import number_text
from thecal.therapy.refusal import minute_text
from thecal.twin.spine import FigureName, SiteKind

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from thecal.twin.spine import Comparison, KeyFigure, Line, Site, SpineCourse

    FloatArray = npt.NDArray[np.float64]

DIGITS = 3
WINDOW_S = 24 * 3600.0
"""What is said of the end of a course is said of its last 24 h."""
_SMALLEST = 0.001
_SHARES = ("", "0 to 1")
_LONG_S = 96 * 3600
NO_CLOCK = datetime(1, 1, 1)  # noqa: DTZ001 -- the pump clock has no zone
"""The start of a course that begins at no time of any clock."""
NO_BAND = "There is no band:"
"""So begins a note where a drawn person was refused."""
NOT_A_PREDICTION = "warning index, not a prediction"
WARNINGS = frozenset({SiteKind.WARNING_INDEX, SiteKind.WARNING_DRIVE})
"""What is never named without those words."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One line in numbers, in the unit of its site. Times are seconds of the course; the end is the last 24 h, or the
    last half of a course that is shorter than 48 h. Values at the peak have the band where there is one.
    """

    peak: float
    peak_s: float
    at_peak: tuple[float, float, float] | None
    end_s: float
    lowest: float
    mean: float

    def as_json(self, unit: str) -> dict[str, Any]:
        """For ``--json``, with the unit in each name."""
        low, middle, high = self.at_peak or (None, None, None)
        return {
            f"peak_{unit}": self.peak,
            "peak_at_s": self.peak_s,
            f"p10_at_peak_{unit}": low,
            f"p50_at_peak_{unit}": middle,
            f"p90_at_peak_{unit}": high,
            "end_lasts_s": self.end_s,
            f"lowest_at_end_{unit}": self.lowest,
            f"mean_at_end_{unit}": self.mean,
        }


def figures(line: Line, course: SpineCourse) -> Figures:
    """The figures of one line; the mean is over time."""
    at_s, values = course.at_s, line.central
    top = int(np.argmax(values))
    end_s = end_of(course)
    late = at_s >= at_s[-1] - end_s
    band = line.band
    at_peak = None if band is None else (float(band.p10[top]), float(band.p50[top]), float(band.p90[top]))
    return Figures(
        float(values[top]), float(at_s[top]), at_peak, end_s, float(values[late].min()), _mean(values, course)
    )


def _mean(values: FloatArray, course: SpineCourse) -> float:
    """The mean over time of the end of a course."""
    late = course.at_s >= course.at_s[-1] - end_of(course)
    seconds = course.at_s[late]
    span = float(seconds[-1] - seconds[0])
    return float(np.trapezoid(values[late], seconds)) / span if span else float(values[-1])


def end_of(course: SpineCourse) -> float:
    """How many seconds the end of a course lasts."""
    return min(WINDOW_S, float(course.at_s[-1] - course.at_s[0]) / 2)


def figure_text(value: float) -> str:
    """A computed number for the eye: three digits, and no more zeros before them than anybody can count."""
    if not value:
        return "0"
    if abs(value) < _SMALLEST:
        return f"less than {_SMALLEST}" if value > 0 else f"0 to -{_SMALLEST}"
    sign = "-" if value < 0 else ""
    return sign + number_text(Fraction(f"{abs(value):.{DIGITS}g}"))


def after_text(at_s: float) -> str:
    """A time since the start in words of fitting size: 40 min, 2 h 10 min, 5 days 3 h."""
    minutes = round(at_s / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if at_s < _LONG_S:
        return f"{hours} h" + (f" {rest} min" if rest else "")
    days, hours = divmod(round(at_s / 3600), 24)
    return f"{days} {'day' if days == 1 else 'days'}" + (f" {hours} h" if hours else "")


def span_text(course: SpineCourse) -> str:
    """How long a course is."""
    return after_text(float(course.at_s[-1] - course.at_s[0]))


def unit_name(unit: str) -> str:
    """A unit as part of a name: ng/mL becomes ng_per_ml; a number without unit is a share."""
    return "share" if unit in _SHARES else re.sub(r"[^a-z0-9]+", "_", unit.lower().replace("/", "_per_"))


def unit_text(site: Site) -> str:
    """The unit behind a comma, or nothing where there is none or where the label says it."""
    said = set(re.findall(r"\w+", site.label))
    return "" if said.issuperset(re.findall(r"\w+", site.unit)) else f", {site.unit}"


def columns(course: SpineCourse) -> list[str]:
    """The heads of a table of figures."""
    end = after_text(end_of(course))
    heads = ["site", "peak", "when", f"lowest, last {end}", f"mean, last {end}"]
    return [*heads, "10 to 90 at the peak"] if any(line.band for line in course.lines) else heads


def row(line: Line, course: SpineCourse) -> list[str]:
    """The cells of one line under ``columns``; the unit stands with the site."""
    found = figures(line, course)
    peak = [figure_text(found.peak), after_text(found.peak_s)] if found.peak > 0 else ["0", "never"]
    cells = [site_text(line.site), *peak, figure_text(found.lowest), figure_text(found.mean)]
    if not any(other.band for other in course.lines):
        return cells
    at_peak = found.at_peak
    return [*cells, "" if at_peak is None else f"{figure_text(at_peak[0])} to {figure_text(at_peak[2])}"]


def site_text(site: Site) -> str:
    """A site with its unit, and the words that never leave a warning index alone."""
    silent = site.kind in WARNINGS and NOT_A_PREDICTION not in site.label
    return f"{site.label}{f' ({NOT_A_PREDICTION})' if silent else ''}{unit_text(site)}"


def share_text(share: float) -> str:
    """A share as a percentage for the eye."""
    return f"{figure_text(100 * share)} %"


def start_text(course: SpineCourse) -> str:
    """When a course begins."""
    return "the start" if course.start == NO_CLOCK else minute_text(course.start)


def band_columns(course: SpineCourse) -> list[str]:
    """The heads of a table of bands."""
    return ["site", "at the peak: 10 to 90", "median", f"mean, last {after_text(end_of(course))}: 10 to 90", "median"]


def band_row(line: Line, course: SpineCourse) -> list[str] | None:
    """The cells of the band of one line; None where it has none."""
    if line.band is None:
        return None
    low, middle, high = figures(line, course).at_peak or (0.0, 0.0, 0.0)
    means = [_mean(values, course) for values in (line.band.p10, line.band.p50, line.band.p90)]
    return [
        site_text(line.site),
        f"{figure_text(low)} to {figure_text(high)}",
        figure_text(middle),
        f"{figure_text(means[0])} to {figure_text(means[2])}",
        figure_text(means[1]),
    ]


def told(found: Comparison) -> list[KeyFigure]:
    """The figures that say something: hours below half are left out where there are none on either side."""
    return [f for f in found.figures if f.name is not FigureName.HOURS_BELOW_HALF or f.current or f.proposed]


def comparison_columns(found: Comparison) -> list[str]:
    """The heads of a table of two courses."""
    heads = ["site", "current", "proposed", "ratio"]
    return [*heads, "ratio, 10 to 90 of 100"] if any(f.ratio_p10 is not None for f in found.figures) else heads


def comparison_row(figure: KeyFigure) -> list[str]:
    """The cells of one figure of two courses."""
    unit = "" if figure.unit in _SHARES else f" {figure.unit}"
    said = [f"{figure_text(value)}{unit}" for value in (figure.current, figure.proposed)]
    return [_counted(figure), *said, _ratio(figure), _ratio_band(figure)]


def ratio_row(figure: KeyFigure) -> list[str] | None:
    """Site, ratio, what it lies between, and the median; None where it has no band."""
    if figure.ratio_p50 is None:
        return None
    return [_counted(figure), _ratio(figure), _ratio_band(figure), figure_text(figure.ratio_p50)]


def _counted(figure: KeyFigure) -> str:
    return f"{site_text(replace(figure.site, unit=''))}: {figure.name}"


def _ratio(figure: KeyFigure) -> str:
    return "" if figure.ratio is None else figure_text(figure.ratio)


def _ratio_band(figure: KeyFigure) -> str:
    if figure.ratio_p10 is None or figure.ratio_p90 is None:
        return ""
    return f"{figure_text(figure.ratio_p10)} to {figure_text(figure.ratio_p90)}"


def beside_lines(course: SpineCourse, names: Callable[[str], str]) -> list[str]:
    """What must be known beside figures: drugs without a model, what was assumed, and the errors, each by itself."""
    errors = course.errors
    strokes = f"; of strokes that are given evenly, at most {share_text(errors.strokes)}" if errors.strokes else ""
    without = [f"{names(drug)} has no model beyond the tip: it is left out here, not zero." for drug in course.no_model]
    return [
        *without,
        *course.notes,
        f"Error in time: {share_text(errors.time)} of the highest value of a line{strokes}.",
        f"Error in space: {share_text(errors.space)}.",
        f"Error of the model: {errors.model}",
    ]
