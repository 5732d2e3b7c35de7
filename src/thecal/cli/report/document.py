"""The frame of a page: it asks nobody for anything, and holds its own style."""

from __future__ import annotations

from importlib.resources import files

from thecal.cli.report.markup import Markup, tag

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def document(title: str, *body: str) -> str:
    """The whole file."""
    return f"<!DOCTYPE html>\n{tag('html', _head(title), tag('body', *body), lang='en')}\n"


def section(key: str, title: str, *inside: str) -> Markup:
    """A part of the page under a heading that the contents point to."""
    return tag("section", tag("h2", title, id=f"{key}-title"), *inside, aria_labelledby=f"{key}-title")


def contents(parts: list[tuple[str, str]]) -> Markup:
    """The parts by key and title, as links."""
    links = (tag("li", tag("a", title, href=f"#{key}-title")) for key, title in parts)
    return tag("nav", tag("ul", *links), aria_label="Contents")


def _head(title: str) -> Markup:
    style = Markup((files("thecal.cli.report") / "style.css").read_text("utf-8"))
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("title", f"{title} · Thecal"),
        tag("style", style),
    )
