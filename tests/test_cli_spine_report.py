"""Pictures of the neuraxis and charts of courses: well formed, told in words, and the same numbers as the data."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html import unescape
from importlib.resources import files
from io import StringIO
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from tests.spine_courses import TIP, X_CM, comparison, course
from tests.test_cli_report import Reader, _luminance

from thecal.cli.report import neuraxis, spine_charts
from thecal.cli.report.plot import Axis, Frame, Plot, nice
from thecal.cli.report.preview_page import comparison_page, course_page
from thecal.cli.report.scale import COLORS, scale_of
from thecal.cli.report.spine import course_parts, overview_parts, tip_of
from thecal.cli.report.time_axis import MOST_POINTS, TimeAxis, drawable
from thecal.cli.spine_figures import NO_CLOCK, NOT_A_PREDICTION, after_text, figure_text, figures, site_text
from thecal.cli.spine_view import show_band, show_chart, show_comparison, show_ratios
from thecal.twin.spine import FigureName, HeatMap, Line, SpineCourse

if TYPE_CHECKING:
    from collections.abc import Callable


def names(code: str) -> str:
    return {"clonidine": "cloNIDine"}.get(code, code)


@pytest.fixture(scope="module")
def page() -> str:
    return course_page(course(drugs=("morphine", "clonidine")), names, [("Patient", "<nobody> & co")])


@pytest.fixture(scope="module")
def compared() -> str:
    return comparison_page(comparison(), names, [])


def svgs(page: str) -> list[ET.Element]:
    """Every chart of a page, read as XML."""
    return [ET.fromstring(found) for found in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]  # noqa: S314 -- our own


def points(d: str) -> list[list[tuple[float, float]]]:
    """The lines of a path of absolute starts and relative ways."""
    found = []
    for piece in re.findall(r"M([^M]*)", d):
        head, _, way = piece.rstrip("z").partition("l")
        x, y = (float(n) for n in head.split())
        line = [(x, y)]
        steps = [float(n) for n in re.findall(r"-?(?:\d+(?:\.\d+)?|\.\d+)", way)]
        for dx, dy in zip(steps[::2], steps[1::2], strict=True):
            x, y = x + dx, y + dy
            line.append((x, y))
        found.append(line)
    return found


def drawn_lines(plot: Plot, kind: str) -> list[list[tuple[float, float]]]:
    """What was drawn as one kind of line or area, in points."""
    found = [re.fullmatch(rf'<path class="{kind}" d="([^"h]*)"/>', part) for part in plot.parts]  # h: of the legend
    return [line for match in found if match for line in points(match[1])]


# The page -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["page", "compared"])
def test_a_page_is_well_formed_and_asks_nobody(which: str, request: pytest.FixtureRequest) -> None:
    page: str = request.getfixturevalue(which)
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    assert len(reader.ids) == len(set(reader.ids))
    assert all(b <= a + 1 for a, b in zip(reader.headings, reader.headings[1:], strict=False))
    assert not reader.tags & {"script", "img", "link", "iframe", "object", "embed", "form", "base", "image"}
    assert "://" not in page
    assert not re.search(r"url\((?!#)", page)
    assert "default-src 'none'" in unescape(page)
    assert {link[1:] for link in reader.links} <= set(reader.ids)
    assert "Not a medical device." in page
    body = page[page.index("<body>") :]
    assert not re.search(r"#[0-9a-fA-F]{6}\b", body)


@pytest.mark.parametrize("which", ["page", "compared"])
def test_every_chart_has_a_title_and_says_in_words_what_it_shows(which: str, request: pytest.FixtureRequest) -> None:
    page: str = request.getfixturevalue(which)
    charts = svgs(page)
    assert len(charts) == 2 * page.count("<figure ")
    for chart in charts:
        title, desc = chart.find("title"), chart.find("desc")
        assert chart.get("role") == "img"
        assert title is not None and title.text and chart.get("aria-labelledby") == title.get("id")
        assert desc is not None and desc.text and chart.get("aria-describedby") == desc.get("id")
        assert re.search(r"[0-9]|nothing|no difference", desc.text)


@pytest.mark.parametrize("which", ["page", "compared"])
def test_a_warning_index_is_never_shown_without_its_words(which: str, request: pytest.FixtureRequest) -> None:
    page: str = request.getfixturevalue(which)
    for figure in re.findall(r'<figure id="warning.*?</figure>', page, re.DOTALL):
        assert figure.count(NOT_A_PREDICTION) >= 5  # caption, title, words, panel and table, twice as a chart
    assert page.count("warning index") == page.count(NOT_A_PREDICTION)
    assert "prediction" not in page.replace(NOT_A_PREDICTION, "")


def test_text_stays_text_and_doses_follow_the_rules(page: str) -> None:
    assert "&lt;nobody&gt; &amp; co" in page
    text = " ".join(re.sub(r"<style>.*?</style>|<[^>]*>", " ", page, flags=re.DOTALL).split())
    assert "cloNIDine along the spine" in text
    assert not re.search(r"(?<![0-9.])\.[0-9]", text)
    assert not re.search(r"[0-9]\.[0-9]*0 (mg|mcg|mL|ng)\b", text)
    assert not re.search(r"\b(ug|cc|QD)\b|\u00b5|\u03bc", text)
    for words in ("Error in time: less than 0.001 %", "Error in space: 0.15 %.", "Error of the model: "):
        assert words in text, words


def test_the_same_course_makes_the_same_bytes(page: str) -> None:
    assert course_page(course(drugs=("morphine", "clonidine")), names, [("Patient", "<nobody> & co")]) == page


def test_steps_of_color_can_be_told_apart_in_light_dark_and_print() -> None:
    style = (files("thecal.cli.report") / "style.css").read_text("utf-8")
    themes = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    assert len(themes) == 3
    for theme, way in zip(themes, (-1, 1, -1), strict=True):
        shades = [_luminance(dict(re.findall(r"--heat-(\d): (#[0-9a-f]+)", theme))[str(n)]) for n in range(COLORS)]
        assert all(way * (b - a) > 0 for a, b in pairwise(shades)), theme
        high, low = max(shades), min(shades)
        assert (high + 0.05) / (low + 0.05) > 10


# Numbers --------------------------------------------------------------------------------------------------------------


def test_lines_and_bands_lie_where_the_numbers_are() -> None:
    found = course()
    lines = [line for line in found.lines if line.drug == "morphine"][:4]
    plot = Plot(533.0, 400.0, narrow=False)
    spine_charts.draw_sites(plot, found, lines)
    frames = spine_charts.site_frames(plot, found, lines)
    drawn = drawn_lines(plot, "line first")
    bands = drawn_lines(plot, "band")
    assert len(drawn) == len(lines)
    assert found.at_s.size < MOST_POINTS
    for line, frame, own in zip(lines, frames, drawn, strict=False):
        x, y = np.array(own).T
        assert np.allclose(x, frame.x(found.at_s / 3600), atol=0.051)
        assert np.allclose(y, frame.y(line.central), atol=0.051)
    for line, frame, own in zip(lines[1:], frames[1:], bands, strict=False):
        assert line.band is not None
        _, y = np.array(own).T
        assert np.allclose(y[: found.at_s.size], frame.y(line.band.p90), atol=0.051)
        assert np.allclose(y[found.at_s.size :][::-1], frame.y(line.band.p10), atol=0.051)


def test_a_difference_lies_where_its_numbers_are() -> None:
    found = comparison()
    line = next(one for one in found.differences if one.site.key == "plasma")
    pair = spine_charts.Pair(found.current.line("plasma", "morphine"), found.proposed.line("plasma", "morphine"), line)
    plot = Plot(266.0, 400.0, narrow=True)
    spine_charts.draw_pairs(plot, found.proposed, [pair])
    ((upper, lower),) = spine_charts.pair_frames(plot, found.proposed, [pair])
    (gap,) = drawn_lines(plot, "line plain")
    assert np.allclose(np.array(gap)[:, 1], lower.y(line.central), atol=0.051)
    now = drawn_lines(plot, "line second")[0]
    assert np.allclose(np.array(now)[:, 1], upper.y(pair.current.central), atol=0.051)


def test_a_color_lies_where_the_fluid_is_over_its_edge() -> None:
    found = course(hours=24)
    drawn = _drawn(found)
    plot = Plot(533.0, 290.0, narrow=False)
    neuraxis.draw_heat(plot, drawn)
    frame = neuraxis.heat_frame(plot, drawn)
    at_x = frame.x(drawn.time.x(drawn.heat.at_s))
    for step, edge in enumerate(drawn.scale.edges[:-1], start=1):
        boxes = [
            tuple(float(n) for n in box)
            for part in plot.parts
            if part.startswith(f'<path class="heat-{step}" ')
            for box in re.findall(r"M([\d.]+) ([\d.]+)h([\d.]+)v([\d.]+)h-", part)
        ]
        high = np.zeros((drawn.heat.at_s.size, drawn.heat.x_cm.size), dtype=bool)
        for left, top, width, height in boxes:
            columns = (at_x >= left - 0.06) & (at_x <= left + width - 0.35)
            rows = (frame.y(drawn.heat.x_cm) > top) & (frame.y(drawn.heat.x_cm) < top + height)
            high |= columns[:, None] & rows[None, :]
        truly = drawn.heat.csf_ng_per_ml >= edge
        # a cell whose middle lies within a tenth of a point of a border may fall to either side
        assert np.mean(high != truly) < 0.005, step


def test_a_profile_lies_where_its_numbers_are() -> None:
    drawn = _drawn(course(hours=24))
    plot = Plot(533.0, 235.0, narrow=False)
    neuraxis.draw_profiles(plot, drawn, None)
    frames = neuraxis.profile_frames(plot, drawn)
    fluid = drawn.heat.profile(drawn.instants[1])
    seen = fluid >= drawn.scale.floor
    x, y = np.array(drawn_lines(plot, "line first")[1]).T
    assert np.allclose(x, frames[1].x(fluid[seen]), atol=0.051)
    assert np.allclose(y, frames[1].y(X_CM[seen]), atol=0.051)


def test_tables_behind_charts_hold_the_figures_of_the_data(page: str) -> None:
    found = course(drugs=("morphine", "clonidine"))
    line = found.line("csf-T10", "morphine")
    peak = int(np.argmax(line.central))
    figure = re.search(r'<figure id="morphine-fluid">.*?</figure>', page, re.DOTALL)
    assert figure is not None
    said = unescape(figure[0]).replace("\N{NO-BREAK SPACE}", " ")
    when, nominal = after_text(float(found.at_s[peak])), figure_text(float(line.central[peak]))
    assert f'<th scope="row">{when}</th>' in said
    assert f'<td class="number">{nominal}</td>' in said
    assert f"highest {nominal} ng/mL after {when}" in said


# Courses at the edge --------------------------------------------------------------------------------------------------


def _drawn(found: SpineCourse) -> neuraxis.Drawn:
    scale = scale_of(found.heat)
    assert scale is not None
    return neuraxis.Drawn("k", "morphine", found.heat[0], scale, tip_of(found), TimeAxis.of(found))


def test_a_long_course_is_drawn_by_stretches_and_keeps_its_peak() -> None:
    found = course(hours=24 * 90, step_s=3600)
    line = found.line("csf-T10", "morphine")
    shown = drawable(found.at_s, line.central)
    assert not shown.whole
    assert shown.at_s.size < MOST_POINTS < found.at_s.size
    assert shown.high.max() == line.central.max()
    assert shown.low.min() == line.central.min()
    assert np.all((shown.low <= shown.mean + 1e-9) & (shown.mean <= shown.high + 1e-9))
    page = course_page(found, names, [])
    assert len(page) < 600_000
    assert "2 Mar" in page
    assert 'class="line first thin"' in page


def test_a_map_of_many_times_is_joined_by_its_highest() -> None:
    seen = np.asarray(np.arange(0.0, 72 * 3600, 300), dtype=np.float64)
    values = np.ones((seen.size, X_CM.size))
    values[500, 30] = 900.0
    heat = HeatMap("morphine", seen, X_CM, values, (("T10", 30.5),))
    found = replace(course(), heat=(heat,))
    plot = Plot(266.0, 290.0, narrow=True)
    neuraxis.draw_heat(plot, _drawn(found))
    assert any(part.startswith(f'<path class="heat-{COLORS - 1}" d="M') for part in plot.parts)


def test_nothing_in_the_fluid_is_said_in_words() -> None:
    empty = course(dose=0.0, band=False)
    text = course_page(empty, names, [])
    assert "No morphine reaches the spinal fluid in this time." in text
    assert "never" in text
    assert "cistern: nothing." in text


def test_a_drug_without_a_model_has_its_tip_alone() -> None:
    found = course()
    whole = replace(
        found,
        drugs=("morphine", "ketamine"),
        no_model=("ketamine",),
        lines=(*found.lines, Line(TIP, "ketamine", found.at_s)),
    )
    parts = {part.key: part.inside for part in course_parts(whole, names)}
    assert parts["spine-ketamine"].count("<figure ") == 1
    assert "ketamine has no model beyond the tip: it is left out here, not zero." in course_page(whole, names, [])


def test_a_course_without_effects_or_clock() -> None:
    found = course(hours=120, band=False)
    plain = replace(found, start=NO_CLOCK, lines=tuple(line for line in found.lines if line.drug is not None), notes=())
    text = course_page(plain, names, [])
    assert "days after the start" in text
    assert "10 to 90" not in text.replace("10 to 90 of 100 persons drawn", "")
    assert [part.key for part in course_parts(plain, names)] == ["spine-morphine"]
    assert [part.key for part in overview_parts(plain, names, "run-")] == ["run-spine-morphine"]
    with pytest.raises(ValueError, match="tip"):
        tip_of(replace(plain, lines=()))


def test_two_courses_without_effects_and_without_a_change() -> None:
    found = comparison()
    kept = tuple(line for line in found.differences if line.drug is not None)
    same = tuple(replace(line, central=np.zeros_like(line.central), band=None) for line in kept)
    text = comparison_page(replace(found, differences=same), names, [])
    assert "Effect" not in re.findall(r"<h2[^>]*>([^<]*)", text)
    assert "plasma: no difference." in text
    assert "Shaded below" not in text


def test_two_courses_where_only_one_holds_a_drug() -> None:
    found = comparison()
    other = replace(found.current, drugs=(), lines=(), heat=())
    text = comparison_page(replace(found, current=other), names, [])
    assert text.count('id="morphine-heat-') >= 1
    assert "morphine-fluid" not in text


# Parts ----------------------------------------------------------------------------------------------------------------


@given(st.floats(1e-6, 1e9), st.floats(1.0, 1e4))
def test_a_scale_reaches_over_all_and_its_steps_ascend(most: float, spread: float) -> None:
    values = np.geomspace(most / spread, most, 200).reshape(10, 20)
    heat = HeatMap("morphine", np.arange(10.0), np.arange(20.0), values, ())
    scale = scale_of([heat])
    assert scale is not None
    assert len(scale.edges) == COLORS
    assert all(a < b for a, b in zip(scale.edges, scale.edges[1:], strict=False))
    assert scale.top >= most * (1 - 1e-9)
    assert scale.step(most) >= COLORS - 2
    assert scale.step(scale.floor * 0.99) == 0


def test_there_is_no_scale_of_nothing() -> None:
    assert scale_of([]) is None


@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=1, max_size=50))
def test_a_line_comes_back_from_its_path(values: list[tuple[float, float]]) -> None:
    x, y = np.array(values).T
    plot = Plot(533.0, 290.0, narrow=False)
    frame = Frame(0.0, 0.0, 2000.0, 2000.0, Axis(-1000.0, 1000.0), Axis(-1000.0, 1000.0))
    plot.line(frame, x, y, "first")
    (back,) = drawn_lines(plot, "line first")
    assert np.allclose(np.array(back), np.column_stack((frame.x(x), frame.y(y))), atol=0.0501)


def test_a_line_is_broken_where_there_is_no_number() -> None:
    plot = Plot(533.0, 290.0, narrow=False)
    frame = Frame(0.0, 0.0, 10.0, 10.0, Axis(0.0, 10.0), Axis(1.0, 100.0, log=True))
    plot.line(frame, np.arange(5.0), np.array([1.0, 10.0, np.nan, 10.0, 0.0]), "first")
    assert drawn_lines(plot, "line first") == [[(0.0, 10.0), (1.0, 5.0)], [(3.0, 5.0)]]
    plot.cells([], "heat-1")
    assert len(plot.parts) == 1


@given(st.floats(-10, 10), st.floats(1e-6, 1e6), st.integers(1, 12))
def test_round_numbers_are_even_and_not_too_many(begin: float, length: float, most: int) -> None:
    low = begin * length
    found = nice(low, low + length, most)
    assert len(found) <= most + 1
    assert all(low - 1e-6 * length <= n <= low + length * (1 + 1e-6) for n in found)


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.0, "0"), (4228.3, "4,230"), (0.00042, "less than 0.001"), (-0.00042, "0 to -0.001"), (-12.345, "-12.3"),
     (0.5, "0.5"), (1_234_567.0, "1,230,000"), (0.9999, "1")],
)  # fmt: skip
def test_figures_for_the_eye(value: float, said: str) -> None:
    assert figure_text(value) == said


@pytest.mark.parametrize(
    ("at_s", "said"),
    [(0, "0 min"), (1800, "30 min"), (3600, "1 h"), (7800, "2 h 10 min"), (72 * 3600, "72 h"),
     (96 * 3600, "4 days"), (25 * 86_400 + 7200, "25 days 2 h"), (100 * 86_400, "100 days")],
)  # fmt: skip
def test_times_for_the_eye(at_s: float, said: str) -> None:
    assert after_text(at_s) == said


def test_the_figures_of_a_line_are_those_of_its_numbers() -> None:
    found = course()
    line = found.line("plasma", "morphine")
    told = figures(line, found)
    late = found.at_s >= found.at_s[-1] - 24 * 3600
    assert told.peak == line.central.max()
    assert found.at_s[np.argmax(line.central)] == told.peak_s
    assert told.lowest == line.central[late].min()
    assert told.mean == pytest.approx(np.trapezoid(line.central[late], found.at_s[late]) / (24 * 3600))
    assert line.band is not None
    top = int(np.argmax(line.central))
    assert told.at_peak == (line.band.p10[top], line.band.p50[top], line.band.p90[top])
    assert told.end_s == 24 * 3600


# The terminal ---------------------------------------------------------------------------------------------------------


def shown(show: Callable[[Console], None]) -> str:
    console = Console(file=StringIO(), width=120, markup=False, highlight=False)
    show(console)
    assert isinstance(console.file, StringIO)
    return " ".join(console.file.getvalue().split())


def test_bands_on_the_terminal_leave_out_what_has_none() -> None:
    found = course()
    alone = replace(found, lines=(*found.lines, Line(TIP, "ketamine", found.at_s)))
    text = shown(lambda console: show_band(console, alone, names))
    assert "from 64 drawn persons" in text
    assert "ketamine" not in text
    assert shown(lambda console: show_band(console, course(band=False), names)) == ""


def test_ratios_on_the_terminal_leave_out_what_has_none() -> None:
    found = comparison()
    hours = replace(found.figures[0], name=FigureName.HOURS_BELOW_HALF, unit="h", ratio=None, current=0.0, proposed=0.0)
    some = replace(hours, proposed=2.5)
    bare = replace(found.figures[0], drug="ketamine", ratio=None, ratio_p10=None, ratio_p50=None, ratio_p90=None)
    text = shown(lambda console: show_ratios(console, replace(found, figures=(*found.figures, bare)), names))
    assert "1.4 to 1.6" in text
    assert "ketamine" not in text
    text = shown(lambda console: show_comparison(console, replace(found, figures=(hours, some, bare)), names))
    assert text.count("hours below half") == 1
    assert "2.5 h" in text
    none = replace(found, differences=tuple(replace(line, band=None) for line in found.differences))
    assert shown(lambda console: show_ratios(console, none, names)) == ""


def test_no_chart_on_the_terminal_where_there_is_nothing_to_draw() -> None:
    found = course()
    assert shown(lambda console: show_chart(console, replace(found, heat=()), names)) == ""
    assert shown(lambda console: show_chart(console, replace(found, lines=()), names)) == ""
    assert shown(lambda console: show_chart(console, course(dose=0.0), names)) == ""
    faint = replace(found, lines=(found.line("csf-T10", "morphine"), _faint(found)))
    assert "x spinal fluid at C7-T1" in shown(lambda console: show_chart(console, faint, names))


def _faint(found: SpineCourse) -> Line:
    line = found.line("csf-C7-T1", "morphine")
    return replace(line, central=1e-9 * line.central)


def test_an_axis_without_ticks() -> None:
    plot = Plot(533.0, 290.0, narrow=False)
    plot.foot_ticks(Frame(0.0, 0.0, 10.0, 10.0, Axis(0.0, 1.0), Axis(0.0, 1.0)), [])
    assert plot.parts == ['<path class="line axis" d="M0 10H10"/>']


def test_a_title_that_is_too_long_is_pressed_and_never_cut() -> None:
    narrow = Plot(266.0, 290.0, narrow=True)
    narrow.title(0, 10, "plasma, ng/mL")
    narrow.title(0, 20, f"brainstem, times its EC50 ({NOT_A_PREDICTION})")
    assert "textLength" not in narrow.parts[0]
    assert 'textLength="266"' in narrow.parts[1]


def test_a_unit_is_said_once() -> None:
    found = course()
    assert site_text(found.line("warning-drive", None).site) == f"brainstem, times its EC50 ({NOT_A_PREDICTION})"
    assert site_text(found.line("warning", None).site) == f"breathing ({NOT_A_PREDICTION}), 0 to 1"
    assert site_text(found.line("plasma", "morphine").site) == "plasma, ng/mL"
    assert site_text(found.line("analgesia-T10", None).site) == "relief at T10"
