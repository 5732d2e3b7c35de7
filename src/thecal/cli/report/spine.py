"""What happens beyond the tip, as parts of a page: each drug along the neuraxis, in tissue and blood, and in effect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thecal.cli.report import neuraxis, spine_charts
from thecal.cli.report.markup import Markup, joined, listed, table, tag
from thecal.cli.report.scale import scale_of
from thecal.cli.report.time_axis import TimeAxis
from thecal.cli.spine_figures import (
    NOT_A_PREDICTION,
    beside_lines,
    columns,
    comparison_columns,
    comparison_row,
    row,
    told,
)
from thecal.twin.spine import SiteKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from thecal.twin.spine import Comparison, HeatMap, Line, Site, SpineCourse

    Names = Callable[[str], str]

Group = tuple[str, str, tuple[SiteKind, ...]]
"""A chart's name, where it is about, and the sites that it shows."""
_GROUPS: tuple[Group, ...] = (
    ("fluid", "at the tip and in the spinal fluid", (SiteKind.TIP, SiteKind.CSF, SiteKind.CISTERN)),
    ("tissue", "in tissue", (SiteKind.TISSUE, SiteKind.BRAINSTEM)),
    ("plasma", "in plasma", (SiteKind.PLASMA,)),
)
_EFFECTS = (
    ("cord", "Cord, times its EC50, by dermatome", SiteKind.SPINAL_DRIVE),
    ("analgesia", "Analgesia by dermatome", SiteKind.ANALGESIA),
    ("warning-drive", f"Brainstem, times its EC50 ({NOT_A_PREDICTION})", SiteKind.WARNING_DRIVE),
    ("warning", f"Breathing ({NOT_A_PREDICTION})", SiteKind.WARNING_INDEX),
)
READING = (
    "Every line is computed, none is measured. A line with nominal parameters is no average person, and a band says "
    "how far made-up persons differ when their parameters are drawn; it does not say how well those parameters are "
    "known. No number here is a dose, and none may be read as advice about one."
)
INDEX = (
    f"The breathing line is a {NOT_A_PREDICTION}: it shows when drug reaches the brainstem, and says nothing about "
    "whether somebody breathes. A line from 0 to 1 is near 1 for many doses: two programs are told apart by how many "
    "times its EC50 a drug is there, and no height of either line is a limit."
)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a page: its key, its title and what it holds."""

    key: str
    title: str
    inside: Markup


def course_parts(course: SpineCourse, names: Names, prefix: str = "") -> list[Part]:
    """One course: a part for each drug, and one for effects. ``prefix`` keeps the names of charts apart on a page."""
    return _parts(course, names, prefix, _GROUPS)


def overview_parts(course: SpineCourse, names: Names, prefix: str = "") -> list[Part]:
    """The same in short: the neuraxis over time, the spinal fluid and effects."""
    return _parts(course, names, prefix, _GROUPS[:1], along=False)


def _parts(
    course: SpineCourse, names: Names, prefix: str, groups: Sequence[Group], *, along: bool = True
) -> list[Part]:
    found = []
    for drug in course.drugs:
        heat = [("The neuraxis", course, one) for one in course.heat if one.drug == drug]
        made = _maps(f"{prefix}{drug}", names(drug), heat, along=along)
        for name, where, kinds in groups:
            chosen = [line for line in course.lines if line.drug == drug and line.site.kind in kinds]
            if chosen:
                made.append(spine_charts.sites(f"{prefix}{drug}-{name}", f"{names(drug)} {where}", course, chosen))
        found.append(Part(f"{prefix}spine-{drug}", f"{names(drug)} along the spine", joined(made)))
    effects = [
        spine_charts.sites(f"{prefix}{name}-{drug or 'all'}", f"{title}, {_whose(drug, names)}", course, own)
        for name, title, kind in _EFFECTS
        for drug, own in _by_drug(line for line in course.lines if line.site.kind is kind)
    ]
    return [*found, Part(f"{prefix}spine-effect", "Effect", joined([*effects, tag("p", INDEX)]))] if effects else found


def comparison_parts(found: Comparison, names: Names) -> list[Part]:
    """Two courses: a part for each drug, and one for effects."""
    both = (("Current", found.current), ("Proposed", found.proposed))
    parts = []
    for drug in dict.fromkeys([*found.current.drugs, *found.proposed.drugs]):
        heat = [(title, course, one) for title, course in both for one in course.heat if one.drug == drug]
        made = _maps(drug, names(drug), heat)
        for name, where, kinds in _GROUPS:
            made += _pairs(f"{drug}-{name}", f"{names(drug)} {where}", found, drug, kinds)
        parts.append(Part(f"spine-{drug}", f"{names(drug)} along the spine", joined(made)))
    effects = [
        chart
        for name, title, kind in _EFFECTS
        for drug in dict.fromkeys(line.drug for line in found.differences)
        for chart in _pairs(f"{name}-{drug or 'all'}", f"{title}, {_whose(drug, names)}", found, drug, (kind,))
    ]
    return [*parts, Part("spine-effect", "Effect", joined([*effects, tag("p", INDEX)]))] if effects else parts


def _whose(drug: str | None, names: Names) -> str:
    return "all drugs together" if drug is None else names(drug)


def _by_drug(lines: Iterable[Line]) -> list[tuple[str | None, list[Line]]]:
    found: dict[str | None, list[Line]] = {}
    for line in lines:
        found.setdefault(line.drug, []).append(line)
    return list(found.items())


def _pairs(key: str, title: str, found: Comparison, drug: str | None, kinds: Sequence[SiteKind]) -> list[Markup]:
    pairs = [
        spine_charts.Pair(current, proposed, difference)
        for difference in found.differences
        if difference.drug == drug
        and difference.site.kind in kinds
        and (current := _line(found.current, difference)) is not None
        and (proposed := _line(found.proposed, difference)) is not None
    ]
    return [spine_charts.pairs(f"{key}-pairs", title, found.proposed, pairs)] if pairs else []


def _line(course: SpineCourse, like: Line) -> Line | None:
    return next((line for line in course.lines if line.site.key == like.site.key and line.drug == like.drug), None)


def _maps(
    key: str, name: str, chosen: Sequence[tuple[str, SpineCourse, HeatMap]], *, along: bool = True
) -> list[Markup]:
    """A heat map for each, on one scale, and, along the canal, the profiles of the last beside those of the first."""
    if not chosen:
        return []
    scale = scale_of([heat for _, _, heat in chosen])
    if scale is None:
        return [tag("p", f"No {name} reaches the spinal fluid in this time.")]
    drawn = [
        neuraxis.Drawn(f"{key}-heat-{n}", name, heat, scale, tip_of(course), TimeAxis.of(course))
        for n, (_, course, heat) in enumerate(chosen)
    ]
    maps = [neuraxis.heat_map(one, title) for one, (title, _, _) in zip(drawn, chosen, strict=True)]
    if not along:
        return maps
    before = chosen[0][2] if len(chosen) > 1 else None
    return [*maps, neuraxis.profiles(f"{key}-profiles", drawn[-1], before)]


def tip_of(course: SpineCourse) -> Site:
    """Where the drug comes in; ValueError for a course without a tip."""
    tips = [line.site for line in course.lines if line.site.kind is SiteKind.TIP]
    if not tips:
        raise ValueError("a course has a line for the tip")
    return tips[0]


# In figures -----------------------------------------------------------------------------------------------------------


def course_glance(course: SpineCourse, names: Names) -> Markup:
    """The figures of every line, and what must be known beside them."""
    heads = columns(course)
    tables = []
    for drug in dict.fromkeys(line.drug for line in course.lines):
        rows = [row(line, course) for line in course.lines if line.drug == drug]
        name = "All drugs together" if drug is None else names(drug)
        tables.append(table(f"{name}, with nominal parameters", heads, rows, numbers=range(1, len(heads))))
    return joined([tag("div", *tables, class_="figures"), beside(course, names)])


def comparison_glance(found: Comparison, names: Names) -> Markup:
    """The figures of both courses, with their ratio."""
    heads = comparison_columns(found)
    tables = []
    for drug in dict.fromkeys(figure.drug for figure in told(found)):
        rows = [comparison_row(figure)[: len(heads)] for figure in told(found) if figure.drug == drug]
        name = "All drugs together" if drug is None else names(drug)
        tables.append(table(f"{name}, with nominal parameters", heads, rows, numbers=range(1, len(heads))))
    return joined([tag("div", *tables, class_="figures"), beside(found.proposed, names)])


def beside(course: SpineCourse, names: Names) -> Markup:
    """Drugs without a model, what was assumed, and the errors."""
    return tag("div", listed(beside_lines(course, names)), class_="errors")
