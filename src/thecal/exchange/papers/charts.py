"""Bars drawn as SVG, black on white: every bar has its name and its number in words beside it."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME_PX, BAR_PX, ROW_PX, END_PX = 230, 340, 26, 70


def bars_svg(rows: Sequence[tuple[str, int]]) -> str:
    """Horizontal bars from zero, one for each name; the longest fills the width."""
    most = max((count for _, count in rows), default=0) or 1
    height = ROW_PX * max(len(rows), 1) + 8
    width = NAME_PX + BAR_PX + END_PX
    parts = [_bar(at, name, count, most) for at, (name, count) in enumerate(rows)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="13"><rect width="{width}" height="{height}" fill="#fff"/>'
        f'<line x1="{NAME_PX}" x2="{NAME_PX}" y1="0" y2="{height}" stroke="#000"/>{"".join(parts)}</svg>'
    )


def _bar(at: int, name: str, count: int, most: int) -> str:
    top, length = at * ROW_PX + 4, BAR_PX * count // most
    shown = name if len(name) <= 32 else name[:31] + "\u2026"
    return (
        f'<text x="{NAME_PX - 8}" y="{top + 14}" text-anchor="end">{escape(shown)}</text>'
        f'<rect x="{NAME_PX}" y="{top}" width="{length}" height="{ROW_PX - 8}" fill="#4a4a4a" stroke="#000"/>'
        f'<text x="{NAME_PX + length + 8}" y="{top + 14}">{count:,}</text>'
    )
