"""A TOML file with the place of everything in it, or what is wrong with it.

A path comes in; out goes a ``Document``: values as tomllib reads them (decimal numbers exact) beside the line and
column of every key and value. A file that cannot be read at all is refused here, with all that can be said of it.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from thecal.therapy.file_problems import FileRefused, Place, Problem, Trouble, field_text, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tree_sitter import Node

    from thecal.therapy.file_problems import Where

T = TypeVar("T")

MOST_BYTES = 1024 * 1024  # an order is some kilobytes; what is larger is not an order
MOST_PROBLEMS = 100  # a file with more of them is not read to its end


@dataclass(frozen=True, slots=True)
class Document:
    """A TOML file that was read: its values, and the places of keys and of values by their ``Where``."""

    path: str
    values: Mapping[str, object]
    keys: Mapping[Where, Place]
    spots: Mapping[Where, Place]

    def key(self, where: Where) -> Place:
        """The place of a key, or of the nearest table around it."""
        return self._nearest(self.keys, where)

    def value(self, where: Where) -> Place:
        """The place of a value, or of the nearest table around it."""
        return self._nearest(self.spots, where)

    def _nearest(self, places: Mapping[Where, Place], where: Where) -> Place:
        for end in range(len(where), 0, -1):
            found = places.get(where[:end]) or self.spots.get(where[:end])
            if found is not None:
                return found
        return Place(1, 1)


@dataclass(slots=True)
class Reading:
    """A document being read, with the problems found so far."""

    document: Document
    _noted: list[tuple[Place, Problem]] = field(default_factory=list)
    _unsound: set[Where] = field(default_factory=set)

    def note(self, trouble: Trouble, where: Where, found: str, allowed: str, place: Place) -> None:
        """Record one problem; everything around it is unsound from then on."""
        self._noted.append((place, Problem(trouble, self.document.path, field_text(where), found, allowed, place)))
        self._unsound |= {where[:end] for end in range(len(where) + 1)}

    def sound(self, where: Where) -> bool:
        """True where nothing at or below ``where`` is wrong so far."""
        return where not in self._unsound

    def result(self, value: T) -> T:
        """The value, or FileRefused with the problems in the order of the file (the first 100 of them)."""
        if self._noted:
            in_order = sorted(self._noted, key=lambda noted: noted[0])
            raise FileRefused(tuple(problem for _, problem in in_order[:MOST_PROBLEMS]))
        return value


def read_document(path: str | Path) -> Document:
    """Read a TOML file of at most 1 MiB; FileRefused says why it cannot be read."""
    return parse_document(_content(Path(path)), str(path))


def parse_document(content: bytes | str, path: str) -> Document:
    """Read TOML that is already in memory; ``path`` is what the messages call it."""
    data = content.encode() if isinstance(content, str) else content
    if len(data) > MOST_BYTES:
        raise _refused(Trouble.TOO_LARGE, path, "more than 1 MiB", "an order or a scenario has at most 1 MiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = Place(data[: error.start].count(b"\n") + 1, error.start - data.rfind(b"\n", 0, error.start))
        found = f"byte 0x{data[error.start]:02x}, which is not UTF-8"
        raise _refused(Trouble.NOT_UTF8, path, found, "save the file as UTF-8 text", place) from None
    return _document(text, path)


def _refused(trouble: Trouble, path: str, found: str, allowed: str, place: Place | None = None) -> FileRefused:
    return FileRefused((Problem(trouble, path, "", found, allowed, place),))


def _content(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise _refused(Trouble.NOT_A_FILE, str(path), "a directory", "name a TOML file in it")
        if not path.is_file():
            if path.exists():
                raise _refused(Trouble.NOT_A_FILE, str(path), "not a regular file", "name a TOML file")
            raise _refused(Trouble.MISSING_FILE, str(path), "no such file", "check the path and its spelling")
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise _refused(Trouble.UNREADABLE, str(path), said, "a file that may be read is needed") from None


def _document(text: str, path: str) -> Document:
    try:
        values = _values(text)
    except RecursionError:
        raise _refused(Trouble.NOT_TOML, path, "lists or tables nested too deep", "flatten the file") from None
    except ValueError as error:
        values = _second_reading(text, path, error)
    walk = _walk(text)
    return Document(path, values, walk.keys, walk.spots)


def _values(text: str) -> dict[str, object]:
    # Decimal keeps what was written: a factor of 1.05 stays exact, and messages can repeat it.
    return tomllib.loads(text, parse_float=Decimal)


def _second_reading(text: str, path: str, error: ValueError) -> dict[str, object]:
    """The values after an error, where it was only an impossible date; FileRefused for every other error."""
    if str(error).startswith(("Cannot", "Duplicate")) and (twice := _walk(text).twice):
        raise FileRefused(tuple(_twice(path, *t) for t in twice[:MOST_PROBLEMS]))
    impossible = [found.span(1) for found in _DATE.finditer(text) if not _possible(found[1])]
    if impossible:
        try:
            # As text, an impossible date meets the check of its own field, together with all other problems.
            return _values(_quoted(text, impossible))
        except ValueError as second:
            error = second
    raise FileRefused((_syntax(text, path, error),))


_DATE = re.compile(
    r"[=,\[]\s*([0-9]{4}-[0-9]{2}-[0-9]{2}(?:[Tt ][0-9:.]+)?|[0-9]{2}:[0-9]{2}:[0-9]{2})(?=\s|[,\]}#]|$)"
)


def _possible(text: str) -> bool:
    for kind in (date, datetime, time):
        try:
            kind.fromisoformat(text)
        except ValueError:
            continue
        return True
    return False


def _quoted(text: str, spans: list[tuple[int, int]]) -> str:
    for start, end in reversed(spans):
        text = f'{text[:start]}"{text[start:end]}"{text[end:]}'
    return text


_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_BARE_AMOUNT = re.compile(r"=\s*(\.?[0-9][0-9.]*\s*[A-Za-z\u00b5\u03bc%/]+)")
_BARE_CLOCK = re.compile(r"=\s*([0-9]{1,2}:[0-9]{2})\b")
_BARE_POINT = re.compile(r"=\s*(\.[0-9]+)")


def _syntax(text: str, path: str, error: ValueError) -> Problem:
    said = str(error)
    found = _AT.search(said)
    lines = text.split("\n")
    place = Place(int(found[1]), int(found[2])) if found and found[1] else Place(len(lines), len(lines[-1]) + 1)
    line = lines[place.line - 1] if place.line <= len(lines) else ""
    said = "a number with too many digits" if said.startswith("Exceeds") else _AT.sub("", said)
    what = f"not TOML: {said}, near {shortened(line)!r}"
    return Problem(Trouble.NOT_TOML, path, "", what, _syntax_hint(line), place)


def _syntax_hint(line: str) -> str:
    for pattern, advice in (
        (_BARE_CLOCK, "a time of day is text: write it in quotes, as in"),
        (_BARE_AMOUNT, "an amount is text: write it in quotes, as in"),
        (_BARE_POINT, "write the zero before the point, and an amount in quotes with its unit, as in"),
    ):
        if (found := pattern.search(line)) is not None:
            return f'{advice} "{"0" if found[1].startswith(".") else ""}{found[1]}"'
    return "mend the TOML in this line"


def _twice(path: str, where: Where, first: Place, again: Place) -> Problem:
    found = f"given twice, first in line {first.line}"
    return Problem(Trouble.KEY_TWICE, path, field_text(where), found, "give it once", again)


@dataclass(slots=True)
class _Walk:
    """What a walk over the syntax tree collects."""

    lines: list[bytes]
    keys: dict[Where, Place] = field(default_factory=dict)
    spots: dict[Where, Place] = field(default_factory=dict)
    counts: dict[Where, int] = field(default_factory=dict)
    headed: dict[Where, Place] = field(default_factory=dict)
    twice: list[tuple[Where, Place, Place]] = field(default_factory=list)

    def place(self, node: Node) -> Place:
        row, column = node.start_point
        return Place(row + 1, len(self.lines[row][:column].decode()) + 1)

    def document(self, root: Node) -> None:
        for node in root.named_children:
            if node.type == "pair":
                self.pair(node, ())
            elif node.type in {"table", "table_array_element"}:
                self.table(node)

    def table(self, node: Node) -> None:
        named = node.named_children
        where = self.within(_key(named[0]))
        if node.type == "table_array_element":
            self.keys.setdefault(where, self.place(named[0]))
            number = self.counts.get(where, 0)
            self.counts[where] = number + 1
            where = (*where, number)
        elif where in self.headed:
            self.twice.append((where, self.headed[where], self.place(named[0])))
            return
        self.headed.setdefault(where, self.place(named[0]))
        self.keys.setdefault(where, self.place(named[0]))
        self.spots.setdefault(where, self.place(node))
        for child in named[1:]:
            if child.type == "pair":
                self.pair(child, where)

    def within(self, key: tuple[str, ...]) -> Where:
        """The place a header names: below an array of tables it means the last one of it."""
        where: Where = ()
        for part in key[:-1]:
            where = (*where, part)
            if where in self.counts:
                where = (*where, self.counts[where] - 1)
        return (*where, key[-1])

    def pair(self, node: Node, outer: Where) -> None:
        named = [n for n in node.named_children if n.type != "comment"]
        where = (*outer, *_key(named[0]))
        if where in self.spots:
            self.twice.append((where, self.keys[where], self.place(named[0])))
            return
        for end in range(len(outer) + 1, len(where) + 1):
            self.keys.setdefault(where[:end], self.place(named[0]))
        self.value(named[-1], where)

    def value(self, node: Node, where: Where) -> None:
        self.spots[where] = self.place(node)
        inner = [n for n in node.named_children if n.type != "comment"]
        if node.type == "inline_table":
            for child in inner:
                self.pair(child, where)
        elif node.type == "array":
            for number, child in enumerate(inner):
                self.value(child, (*where, number))


def _text(node: Node) -> str:
    return (node.text or b"").decode()


def _key(node: Node) -> tuple[str, ...]:
    return tuple(_parts(node))


def _parts(node: Node) -> Iterator[str]:
    if node.type == "dotted_key":
        for child in node.named_children:
            yield from _parts(child)
    elif node.type == "quoted_key":
        yield from tomllib.loads(f"{_text(node)} = 0")
    else:
        yield _text(node)


def _walk(text: str) -> _Walk:
    import tree_sitter_toml  # noqa: PLC0415 -- only where a file is read, so that help stays quick
    from tree_sitter import Language, Parser  # noqa: PLC0415

    data = text.encode()
    walk = _Walk(data.split(b"\n"))
    walk.document(Parser(Language(tree_sitter_toml.language())).parse(data).root_node)
    return walk
