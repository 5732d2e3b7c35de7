"""A preview for people: lines, band and figures of each drug at one place, as text and with the scale that goes with
them.

Courses of the twin come in; rows of tables come out, numbers rounded for the eye. Nothing is computed here but the
thinning of readings to what a table can hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from thecal.quantities import number_text
from thecal.therapy.refusal import minute_text
from thecal.therapy.wording import clock_text
from thecal.twin.spine import Comparison, KeyFigure, SpineCourse

if TYPE_CHECKING:
    from thecal.formulary import Formulary
    from thecal.twin.spine import Line, Site

EVERY_S = 3600
"""A table holds a reading every so many s; key figures are of every reading."""
ROOM = 2
"""The scale reaches at least so many times the highest value of what runs now. Ours."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One moment: s since the beginning, its name, and the cells beside it in the order of the chart's columns."""

    at_s: int
    name: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a chart's table: its name, how it is drawn, and for the edges of a band the column of its line."""

    name: str
    line: str
    of: int | None = None


@dataclass(frozen=True, slots=True)
class SiteChart:
    """One drug (or all together) at one place: the columns, the readings, and the scale with its reason."""

    title: str
    unit: str
    top: str
    scale: str
    columns: tuple[Column, ...]
    rows: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of both courses at a place, as text; ``ratio`` and ``spread`` are empty where there is none."""

    what: str
    place: str
    drug: str
    current: str
    proposed: str
    ratio: str
    spread: str


@dataclass(frozen=True, slots=True)
class Arriving:
    """A preview of one place: charts, figures, places to choose from, drugs without a model, notes and errors in
    words.
    """

    place: str
    places: tuple[tuple[str, str], ...]
    charts: tuple[SiteChart, ...]
    figures: tuple[Figure, ...]
    without: tuple[str, ...]
    notes: tuple[str, ...]
    errors: tuple[str, ...]
    begins: str
    hours: int
    draws: int


def arriving(made: Comparison | SpineCourse, site: str, formulary: Formulary) -> Arriving:
    """What is shown of a preview at the place ``site``; the fluid at the tip where there is no such place."""
    course = made.proposed if isinstance(made, Comparison) else made
    places = {line.site.key: line.site for line in course.lines}
    chosen = places.get(site) or places.get("csf-tip") or next(iter(places.values()))
    names = {code: formulary.drug(code).display_name for code in course.drugs}
    drugs = tuple(dict.fromkeys(line.drug for line in course.lines if line.site.key == chosen.key))
    figures = made.figures if isinstance(made, Comparison) else ()
    return Arriving(
        place=chosen.key,
        places=tuple((key, place.label) for key, place in places.items()),
        charts=tuple(_chart(made, chosen, drug, names) for drug in drugs),
        figures=tuple(_figure(f, names) for f in figures),
        without=tuple(names[d] for d in course.no_model),
        notes=tuple(dict.fromkeys((*(made.current.notes if isinstance(made, Comparison) else ()), *course.notes))),
        errors=_errors(course),
        begins=minute_text(course.start),
        hours=round(float(course.at_s[-1]) / 3600),
        draws=max((line.band.draws for line in course.lines if line.band is not None), default=0),
    )


def _errors(course: SpineCourse) -> tuple[str, ...]:
    found = course.errors
    return (
        f"Error of the arithmetic in time: {_share(found.time)} of a line's highest value.",
        f"Error of the grid: {_share(found.space)} of a line's highest value.",
        f"Error of the model: {found.model}",
    )


def _share(share: float) -> str:
    return "less than 0.1 %" if share < 1e-3 else f"{number_text(Fraction(share) * 100, 2)} %"


def _chart(made: Comparison | SpineCourse, site: Site, drug: str | None, names: dict[str, str]) -> SiteChart:
    """The lines of one drug at a place, with the bands that are there."""
    pairs = (
        [
            ("runs now", "solid", made.current.line(site.key, drug)),
            ("proposed", "outline", made.proposed.line(site.key, drug)),
        ]
        if isinstance(made, Comparison)
        else [("proposed", "solid", made.line(site.key, drug))]
    )
    columns: list[Column] = []
    values = []
    for name, style, line in pairs:
        at = len(columns) + 1
        columns.append(Column(name[:1].upper() + name[1:], style))
        values.append(line.central)
        if line.band is not None:
            columns += [Column(f"{name}, 10 of 100 below", "low", at), Column(f"{name}, 90 of 100 below", "high", at)]
            values += [line.band.p10, line.band.p90]
    course = made.proposed if isinstance(made, Comparison) else made
    every = max(1, round(EVERY_S / course.step_s))
    top, scale = _scale([line for _, _, line in pairs], site.unit)
    rows = tuple(
        Reading(round(float(course.at_s[n])), clock_of(course, n), tuple(_text(float(v[n]), top) for v in values))
        for n in range(0, course.at_s.size, every)
    )
    who = "all drugs together" if drug is None else names.get(drug, drug)
    title = f"{who[:1].upper() + who[1:] if drug is None else who}: {site.label}"
    return SiteChart(title, site.unit, number_text(top, 4).replace(",", ""), scale, tuple(columns), rows)


def clock_of(course: SpineCourse, n: int) -> str:
    """A reading's moment: day and time since the beginning, by the pump clock."""
    seconds = course.start.hour * 3600 + course.start.minute * 60 + course.start.second + round(float(course.at_s[n]))
    days, rest = divmod(seconds, 86400)
    return f"day {days}, {clock_text(rest)}"


def _scale(lines: list[Line], unit: str) -> tuple[Fraction, str]:
    """The top of the scale, tied to what runs now; and the words for it. It is the same for every line of the chart."""
    now = float(lines[0].central.max())
    most = max(float(line.central.max()) for line in lines)
    edges = max((float(line.band.p90.max()) for line in lines if line.band is not None), default=0.0)
    if unit == "0 to 1":
        return Fraction(1), "0 to 1"
    top = _rounded(ROOM * now)
    tied = len(lines) > 1 and now > 0 and max(most, edges) <= top
    top = top if tied else _rounded(max(most, edges))
    why = (
        f"linear, at least {ROOM} times the highest of what runs now"
        if tied
        else "linear, up to the highest of all lines"
    )
    return top, f"0 to {number_text(top, 4)} {unit}, {why}"


def _rounded(value: float) -> Fraction:
    """The next of 1, 2, 5 times a power of ten."""
    if value <= 0:
        return Fraction(1)
    power = Fraction(1)
    while power > value:
        power /= 10
    while power * 10 <= value:
        power *= 10
    return next(power * k for k in (1, 2, 5, 10) if power * k >= Fraction(value))


def _text(value: float, top: Fraction) -> str:
    """A number for the eye; what is less than a millionth of the scale is nothing."""
    return "0" if abs(value) < top * Fraction(1, 10**6) else number_text(Fraction(value), 3)


def _figure(figure: KeyFigure, names: dict[str, str]) -> Figure:
    top = Fraction(max(figure.current, figure.proposed, 1e-12))
    spread = ""
    if figure.ratio_p10 is not None and figure.ratio_p90 is not None:
        spread = f"{_ratio(figure.ratio_p10)} to {_ratio(figure.ratio_p90)}"
    return Figure(
        str(figure.name),
        figure.site.label,
        "all together" if figure.drug is None else names.get(figure.drug, figure.drug),
        f"{_text(figure.current, top)} {figure.unit}",
        f"{_text(figure.proposed, top)} {figure.unit}",
        "" if figure.ratio is None else _ratio(figure.ratio),
        spread,
    )


def _ratio(ratio: float) -> str:
    return f"{number_text(Fraction(ratio), 3)} times"
