"""Printed papers, one source in two forms: plain data becomes HTML for the screen and a tagged PDF for print.

In come amounts as text, made by ``quantities``; nothing here computes or decides. Every meaning is in words or signs,
so that a black-and-white print says all of it.
"""

from thecal.exchange.papers.html import as_html
from thecal.exchange.papers.paper import (
    Block,
    Chart,
    Fact,
    Facts,
    Heading,
    Paper,
    Paragraph,
    Person,
    Sheet,
    Signatures,
    Symbol,
    Table,
    words_of,
)
from thecal.exchange.papers.pdf import as_pdf

__all__ = [
    "Block",
    "Chart",
    "Fact",
    "Facts",
    "Heading",
    "Paper",
    "Paragraph",
    "Person",
    "Sheet",
    "Signatures",
    "Symbol",
    "Table",
    "as_html",
    "as_pdf",
    "words_of",
]
