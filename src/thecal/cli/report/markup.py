"""HTML from text: everything that is not markup already is escaped, so that a file's words stay words."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_NUMBER_AND_UNIT = re.compile(r"(?<=\d) (?=(?:mg|mcg|ng|mL|nL|cm|h|min|s|days?|weeks?|%)(?![A-Za-z]))")
_EMPTY = frozenset({"meta", "link", "br", "hr", "col"})


class Markup(str):
    """Text that is HTML."""

    __slots__ = ()


def tag(name: str, /, *inside: str, **attributes: str | None) -> Markup:
    """One element; ``class_`` writes class, ``aria_label`` writes aria-label, None leaves an attribute out."""
    said = "".join(f' {_attribute(k)}="{escape(v)}"' for k, v in attributes.items() if v is not None)
    if name in _EMPTY:
        return Markup(f"<{name}{said}>")
    return Markup(f"<{name}{said}>{joined(inside)}</{name}>")


def joined(parts: Iterable[str]) -> Markup:
    """Parts one after the other, each escaped unless it is markup."""
    return Markup("".join(p if isinstance(p, Markup) else _kept_together(escape(p, quote=False)) for p in parts))


def _kept_together(text: str) -> str:
    """A line never ends between a number and its unit."""
    return _NUMBER_AND_UNIT.sub("\N{NO-BREAK SPACE}", text)


def listed(items: Iterable[str]) -> Markup:
    """A list with bullets."""
    return tag("ul", *(tag("li", item) for item in items))


def table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = ()) -> Markup:
    """A table with a caption, in a frame that scrolls where the page is too narrow; the first column names the row."""
    head = tag("tr", *(tag("th", c, scope="col", class_=_cell_class(n, numbers)) for n, c in enumerate(columns)))
    body = [
        tag(
            "tr",
            *(
                tag("td" if n else "th", cell, scope=None if n else "row", class_=_cell_class(n, numbers))
                for n, cell in enumerate(row)
            ),
        )
        for row in rows
    ]
    made = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", *body))
    return tag("div", made, class_="scroll", tabindex="0", role="region", aria_label=caption)


def folded(summary: str, *inside: str, printed: bool = False) -> Markup:
    """Content that opens on demand; with ``printed`` it is open on paper."""
    return tag("details", tag("summary", summary), *inside, class_="printed" if printed else None)


def terms(pairs: Iterable[tuple[str, str]]) -> Markup:
    """Names with what they mean here."""
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", text)) for name, text in pairs))


def _cell_class(number: int, numbers: Sequence[int]) -> str | None:
    return "number" if number in numbers else None


def _attribute(name: str) -> str:
    return name.rstrip("_").replace("_", "-")
