"""A paper as HTML: semantic, without scripts and without inline style, with a print style sheet beside it."""

from __future__ import annotations

import base64
from functools import cache
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from thecal.exchange.papers.symbols import symbol_svg

if TYPE_CHECKING:
    from thecal.exchange.papers.paper import Paper


def as_html(paper: Paper, *, style: str = "/static/paper.css", pdf: str = "") -> str:
    """A whole page; ``style`` is the address of its style sheet, ``pdf`` of the other form (no link if empty)."""
    return _environment().get_template("paper.html").render(paper=paper, style=style, pdf=pdf)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("thecal.exchange.papers", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(kind=lambda block: type(block).__name__, symbol=symbol_svg, picture=_picture)
    return made


def _picture(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
