"""The page: valid in form, asking nobody for anything, readable without color, and the same bytes every time."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import pytest

from thecal.cli import main
from thecal.cli.report.markup import Markup, folded, joined, listed, table, tag, terms

EMPTY = {"meta", "br", "hr", "col", "link", "img", "input"}
EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
FIRST = (EXAMPLES / "first-patient.toml").read_text("utf-8")


class Reader(HTMLParser):
    """Checks that tags close in order, and collects what the tests ask about."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.headings: list[int] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text: list[str] = []
        self.references: list[str] = []
        self.after_figure: list[str] = []

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(name)
        found = dict(attributes)
        assert len(found) == len(attributes), f"an attribute twice in {name}"
        self.attributes |= set(found)
        if found.get("id") is not None:
            self.ids.append(str(found["id"]))
        if re.fullmatch(r"h[1-6]", name):
            self.headings.append(int(name[1]))
        for key in ("href", "src"):
            if found.get(key) is not None:
                self.links.append(str(found[key]))
        self.references += [str(found[k]) for k in ("aria-labelledby",) if found.get(k)]
        if name == "details" and "figure" in self.open:
            self.after_figure.append("details")
        if name not in EMPTY:
            self.open.append(name)

    def handle_startendtag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(name, attributes)
        if name not in EMPTY:
            self.open.pop()

    def handle_endtag(self, name: str) -> None:
        assert self.open, f"</{name}> closes nothing"
        assert self.open.pop() == name

    def handle_data(self, data: str) -> None:
        if data.strip() and self.open[-1:] != ["style"]:
            self.text.append(data)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report")
    text = re.sub(r"title = .*", 'title = "<b>First</b> & last"', FIRST, count=1)
    (path / "scenario.toml").write_text(text, "utf-8")
    assert main(["simulate", str(path / "scenario.toml"), "--report", str(path / "a.html")]) == 0
    assert main(["simulate", str(path / "scenario.toml"), "--report", str(path / "b.html")]) == 0
    first = (path / "a.html").read_text("utf-8")
    assert (path / "b.html").read_text("utf-8") == first
    assert "20\N{NO-BREAK SPACE}mL" in first, "a line never ends between a number and its unit"
    return first.replace("\N{NO-BREAK SPACE}", " ")


@pytest.fixture(scope="module")
def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader


def test_it_is_well_formed(page: str, read: Reader) -> None:
    assert page.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert read.open == []
    assert len(read.ids) == len(set(read.ids))
    assert set(read.references) <= set(read.ids)
    assert {"main", "header", "footer", "nav", "h1"} <= read.tags


def test_it_asks_nobody_for_anything(page: str, read: Reader) -> None:
    assert "://" not in page
    assert not read.tags & {"script", "img", "link", "iframe", "object", "embed", "form", "base"}
    assert all(link.startswith("#") for link in read.links)
    assert {link[1:] for link in read.links} <= set(read.ids)
    assert not [a for a in read.attributes if a.startswith("on")]
    assert "src" not in read.attributes
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)
    assert "default-src 'none'" in unescape(page)


def test_headings_are_in_order(read: Reader) -> None:
    assert read.headings[0] == 1
    assert read.headings.count(1) == 1
    assert all(b <= a + 1 for a, b in zip(read.headings, read.headings[1:], strict=False))


def test_text_from_the_file_stays_text(page: str, read: Reader) -> None:
    assert "<b>" not in page
    assert "<b>First</b> & last" in read.text


def test_every_chart_has_its_numbers_behind_it(page: str, read: Reader) -> None:
    figures = page.count("<figure ")
    spine = re.findall(r'<figure id="(?:run|near)-', page)
    run, near = 3 * 2 + 2, 3 * 5 + 2  # of each drug: map and fluid; map, profiles, fluid, tissue, plasma; two effects
    assert len(spine) >= run + near
    assert figures == 1 + 3 + 3 + 1 + 1 + len(spine)  # the day, three drugs twice, the reservoir, one front
    assert len(read.after_figure) == figures
    assert page.count("<svg ") == 2 * figures
    assert page.count('role="img"') == 2 * figures


def test_it_says_what_one_must_know(page: str, read: Reader) -> None:
    text = " ".join(read.text)
    for words in (
        "Not a medical device. Virtual pump. Simulation.",
        "EXAMPLE-0001, cancer pain, 61 years",
        "bench pump, 20 mL",
        "cloNIDine 150 mcg/mL",
        "Numbers are rounded to four digits for the eye only",
        "as a plug: this is an assumption",
        "Unaccounted for: less than 0.000001 mg",
        "refused: old drug is still ahead of the new one",
        "given solid, refused hollow",
        "Scale: 0 to 2.4 mg, the ceiling of 24 h.",
        "Pump log",
        "digest",
        "Formulary",
        "What changes:",
        "low level: alarm",
        "At this use it would be empty on",
    ):
        assert words in text, words
    assert re.search(r"[0-9a-f]{64}", text)


def test_doses_on_the_page_follow_the_rules(read: Reader) -> None:
    text = " ".join(read.text)
    assert not re.search(r"(?<![0-9.])\.[0-9]", text)
    assert not re.search(r"[0-9]\.[0-9]*0 (mg|mcg|mL)\b", text)
    assert not re.search(r"\b(ug|cc|QD)\b|\u00b5|\u03bc", text)


def test_colors_come_from_the_page_alone(page: str) -> None:
    body = page[page.index("<body>") :]
    assert not re.search(r"#[0-9a-fA-F]{6}\b", body)
    assert "var(--ink)" in body


def _luminance(color: str) -> float:
    digits = color.lstrip("#")
    digits = "".join(2 * c for c in digits) if len(digits) == 3 else digits
    parts = [int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_contrast_is_enough_in_light_dark_and_print() -> None:
    style = (files("thecal.cli.report") / "style.css").read_text("utf-8")
    themes = [
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+)", block))
        for block in re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    ]
    assert len(themes) == 3
    for theme in themes:
        pairs = [(name, paper) for name in ("ink", "soft", "first", "second", "alert") for paper in ("paper", "panel")]
        for front, back in [*pairs, ("on-banner", "banner"), ("ink", "fill")]:
            high, low = sorted((_luminance(theme[front]), _luminance(theme[back])), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 4.5, (front, back, theme)


def _page(path: Path, order: str, events: str, capsys: pytest.CaptureFixture[str]) -> str:
    run = '\n[run]\nstart = 2026-03-02T09:30:00\ndays = 2\nseed = 1\nutc_offset = "-05:00"\nfront_sigma = "0.01 mL"\n'
    text = (EXAMPLES / order).read_text("utf-8")
    (path / "scenario.toml").write_text(text + run + events, "utf-8")
    main(["simulate", str(path / "scenario.toml"), "--teach", "--report", str(path / "page.html")])
    assert capsys.readouterr().err == ""
    page = (path / "page.html").read_text("utf-8").replace("\N{NO-BREAK SPACE}", " ")
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return unescape(page)


def test_a_week_with_two_kinds_of_days(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = _page(tmp_path, "baclofen.toml", "", capsys)
    assert "program from 2 Mar 2026 09:30, Monday to Friday" in page
    assert "program from 2 Mar 2026 09:30, Saturday and Sunday" in page
    assert "Nobody asked for a bolus." in page
    assert "The fluid stayed the same all the time." in page
    assert "5 h behind UTC" in page
    assert "The front has a width of 0.01 mL." in page


def test_a_first_fill_with_its_prime(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = _page(tmp_path, "ziconotide-first-fill.toml", "", capsys)
    assert "Front of the fluid filled in on 2 Mar 2026 09:30" in page
    assert "prime" in page


def test_repeated_doses_within_the_day(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (EXAMPLES / "hourly-instead-of-daily.toml").name
    page = _page(tmp_path, text, '\n[[events]]\nkind = "press"\nday = 0\ntime = "12:00"\n', capsys)
    assert "TEACHING RUN" in page
    assert "The pump refuses it, " in page


# Markup -----------------------------------------------------------------------------------------------------------


def test_text_is_escaped_and_markup_is_not() -> None:
    assert tag("p", "a < b & c") == "<p>a &lt; b &amp; c</p>"
    assert tag("p", tag("b", "x")) == "<p><b>x</b></p>"
    assert tag("p", "x", title='"', class_="a", aria_label="b", lang=None) == (
        '<p title="&quot;" class="a" aria-label="b">x</p>'
    )
    assert tag("br") == "<br>"
    assert isinstance(joined(["a", Markup("<i>")]), Markup)
    assert joined(["<", Markup("<i>")]) == "&lt;<i>"


def test_lists_terms_and_tables() -> None:
    assert listed(["<", "b"]) == "<ul><li>&lt;</li><li>b</li></ul>"
    assert terms([("a", "b")]) == "<dl><div><dt>a</dt><dd>b</dd></div></dl>"
    made = table("What", ["a", "b"], [["1", "2"]], numbers=(1,))
    assert '<th scope="row">1</th><td class="number">2</td>' in made
    assert "<caption>What</caption>" in made
    assert folded("more", "x") == "<details><summary>more</summary>x</details>"
    assert folded("more", "x", printed=True).startswith('<details class="printed">')
