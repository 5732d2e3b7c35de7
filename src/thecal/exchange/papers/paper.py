"""What a paper is made of: a head that says whose it is, and blocks one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Sheet(StrEnum):
    """The size of paper. The label and the card are of our own size; the others are standard."""

    LETTER = "letter"
    A4 = "a4"
    LABEL = "label"
    CARD = "card"


@dataclass(frozen=True, slots=True)
class Person:
    """Whose paper it is: name, birth date with its month spelled, and the clinic's number; on every page."""

    name: str
    birth_date: str
    number: str

    @property
    def line(self) -> str:
        """All of it in one line."""
        return f"{self.name} · born {self.birth_date} · number {self.number}"


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading inside the paper; level 2 or 3."""

    text: str
    level: int = 2


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Words. ``strong`` is said by weight and by a sign in front of it, never by color alone."""

    text: str
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Fact:
    """A name with what it is; ``main`` ones are printed large."""

    name: str
    value: str
    main: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """Names with their values, one below the other."""

    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows below a head that repeats on every page; every row has as many cells as the head.

    ``numbers`` are the columns that are set to the right, counted from 0.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if any(len(row) != len(self.head) for row in self.rows):
            raise ValueError("every row of a table has as many cells as its head")


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing as SVG; ``text`` says in words what it shows, for whoever cannot see it."""

    svg: str
    text: str


@dataclass(frozen=True, slots=True)
class Symbol:
    """A code to be scanned (``payload``) with the same code in characters below it."""

    payload: str
    text: str


@dataclass(frozen=True, slots=True)
class Signatures:
    """A line to be signed by each of these."""

    who: tuple[str, ...]


Block = Heading | Paragraph | Facts | Table | Chart | Symbol | Signatures


@dataclass(frozen=True, slots=True)
class Paper:
    """A paper. ``clinic`` and ``made`` (when, by which software and formulary) stand at the foot of every page."""

    title: str
    clinic: str
    made: str
    blocks: tuple[Block, ...]
    person: Person | None = None
    sheet: Sheet = Sheet.LETTER
    language: str = "en"


def words_of(paper: Paper) -> Iterator[str]:
    """Every piece of text that the paper has to show, in its order; both forms must hold all of it."""
    yield paper.title
    if paper.person is not None:
        yield paper.person.line
    for block in paper.blocks:
        yield from _words(block)
    yield paper.clinic
    yield paper.made


def _words(block: Block) -> Iterator[str]:
    match block:
        case Heading(text=text) | Paragraph(text=text) | Chart(text=text) | Symbol(text=text):
            yield text
        case Facts(facts=facts):
            for fact in facts:
                yield from (fact.name, fact.value)
        case Table(caption=caption, head=head, rows=rows):
            yield from (caption, *head, *(cell for row in rows for cell in row))
        case Signatures(who=who):
            yield from who
