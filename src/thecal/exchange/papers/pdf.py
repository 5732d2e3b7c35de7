"""A paper as PDF: tagged by PDF/UA-1, with fonts that come with its parts, and without asking any network.

The template stands beside this module; the paper goes to it as JSON, so that no text is ever read as markup.
"""

from __future__ import annotations

import json
import os
import unicodedata
from dataclasses import asdict
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thecal.exchange.papers.paper import Block, Chart, Paragraph, Symbol
from thecal.exchange.papers.symbols import symbol_svg

if TYPE_CHECKING:
    from thecal.exchange.papers.paper import Paper

HERE = Path(__file__).parent
BOX = "\u25a1"
UNPRINTABLE = f"Characters that cannot be printed here stand as {BOX}; the screen shows them."


def as_pdf(paper: Paper, *, made_utc_s: int | None = None) -> bytes:
    """The paper as PDF; ``made_utc_s`` is stamped into it, so that the same paper gives the same bytes."""
    import typst  # noqa: PLC0415  (heavy: only where a PDF is asked for)

    made = typst.compile(
        os.fspath(HERE / "paper.typ"),
        format="pdf",
        font_paths=[_fonts()],
        ignore_system_fonts=True,
        sys_inputs={"paper": json.dumps(_plain(paper))},
        pdf_standards="ua-1",
        timestamp=made_utc_s if made_utc_s is not None else 0,
    )
    if not isinstance(made, bytes):
        raise TypeError("typst gave no PDF")
    return made


def _plain(paper: Paper) -> dict[str, Any]:
    """The paper for the template, with a word about it where a character had to be left out."""
    plain = asdict(paper)
    plain["person"] = None if paper.person is None else {"line": paper.person.line}
    plain["blocks"] = [_block(block) for block in paper.blocks]
    plain = json.loads(json.dumps(plain))
    shown: dict[str, Any] = _shown(plain)
    if shown != plain:
        shown["blocks"].append(_block(Paragraph(UNPRINTABLE, strong=True)))
    return shown


def _shown(value: Any) -> Any:
    """The same with every character that the font has not as a box: an untagged or silent gap would be worse."""
    if isinstance(value, str):
        return "".join(c if c == "\n" or ord(c) in _characters() else BOX for c in value)
    if isinstance(value, dict):
        return {name: inner if name == "svg" else _shown(inner) for name, inner in value.items()}
    return [_shown(inner) for inner in value] if isinstance(value, list | tuple) else value


def _block(block: Block) -> dict[str, Any]:
    plain = {"kind": type(block).__name__, **asdict(block)}
    if isinstance(block, Symbol):
        plain["svg"] = symbol_svg(block.payload)
    if isinstance(block, Chart):
        plain["svg"] = block.svg
    return plain


@cache
def _characters() -> frozenset[int]:
    """The characters that both weights of the font have, without the controls."""
    from matplotlib.ft2font import FT2Font  # noqa: PLC0415  (heavy: only where a PDF is asked for)

    faces = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf")
    held = [frozenset(FT2Font(os.fspath(Path(_fonts()) / face)).get_charmap()) for face in faces]
    return frozenset(c for c in held[0] & held[1] if c >= ord(" ") and unicodedata.category(chr(c)) not in ("Cc", "Co"))


@cache
def _fonts() -> str:
    """DejaVu Sans as matplotlib carries it: legible when small, and the same on every machine."""
    found = find_spec("matplotlib")
    if found is None or found.origin is None:
        raise RuntimeError("matplotlib is not installed; its fonts are those of the papers")
    return os.fspath(Path(found.origin).parent / "mpl-data" / "fonts" / "ttf")
