"""The page of a preview: figures first, then the pictures, then how to read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.cli.answer import NOTICE
from thecal.cli.report.document import contents, document, section
from thecal.cli.report.markup import Markup, listed, tag, terms
from thecal.cli.report.spine import (
    INDEX,
    READING,
    Part,
    comparison_glance,
    comparison_parts,
    course_glance,
    course_parts,
    tip_of,
)
from thecal.cli.versions import software_version

if TYPE_CHECKING:
    from collections.abc import Callable

    from thecal.twin.spine import Comparison, SpineCourse

    Names = Callable[[str], str]

_NOTICE = f"{NOTICE} Preview: computed, not measured."


def course_page(course: SpineCourse, names: Names, facts: list[tuple[str, str]]) -> str:
    """The page of one course."""
    parts = [Part("glance", "At a glance", course_glance(course, names)), *course_parts(course, names)]
    return _page(course.title, course, names, facts, parts)


def comparison_page(found: Comparison, names: Names, facts: list[tuple[str, str]]) -> str:
    """The page of two courses."""
    parts = [Part("glance", "At a glance", comparison_glance(found, names)), *comparison_parts(found, names)]
    return _page(found.title, found.proposed, names, facts, parts)


def _page(title: str, course: SpineCourse, names: Names, facts: list[tuple[str, str]], parts: list[Part]) -> str:
    reading = listed([
        READING,
        INDEX,
        "Numbers are rounded to three digits for the eye only; --json has them in full.",
        "Where there are more readings than a screen shows, a line is the mean of each stretch of time, with thin "
        "lines for the lowest and the highest in it.",
    ])  # fmt: skip
    whole = [*parts, Part("method", "How to read this", reading)]
    tip = tip_of(course)
    known = [
        *facts,
        ("Drugs", ", ".join(names(drug) for drug in course.drugs) or "none that has a model"),
        ("Tip", tip.level or tip.label),
    ]
    return document(
        title,
        tag("div", _NOTICE, class_="banner", role="note"),
        tag("header", tag("h1", title), terms(known)),
        tag(
            "main",
            contents([(part.key, part.title) for part in whole]),
            *(section(part.key, part.title, part.inside) for part in whole),
        ),
        _footer(),
    )


def _footer() -> Markup:
    return tag("footer", tag("p", f"{_NOTICE} Nothing here is a dose recommendation. Thecal {software_version()}."))
