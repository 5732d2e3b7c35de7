"""One table of a file, read field by field: every wrong field becomes a ``Problem``, and reading goes on.

A ``Section`` hands out typed values. Where a field is wrong or missing it notes the problem and hands out a value
that must not be used; ``made`` therefore builds nothing from a section with problems, and ``Reading.result`` refuses
the whole file. So one reading finds everything that is wrong.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from difflib import get_close_matches
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeVar, cast

from thecal.quantities import (
    AmountError,
    Concentration,
    DoseRate,
    Duration,
    Flow,
    Length,
    LinearVolume,
    Mass,
    Quantity,
    Volume,
)
from thecal.therapy.file_problems import (
    Trouble,
    field_text,
    kind_text,
    plain_number,
    with_article,
    written,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from thecal.therapy.file_problems import Where
    from thecal.therapy.toml_places import Reading

T = TypeVar("T")
Q = TypeVar("Q", bound=Quantity)
E = TypeVar("E", bound=StrEnum)

_CLOCK = re.compile(r"([0-9]{2}):([0-9]{2})(?::([0-9]{2}))?")
_KINDS: tuple[type[Quantity], ...] = (
    *(Mass, Volume, Duration, Concentration, Flow, DoseRate),
    *(Length, LinearVolume),
)


class Section:
    """A table of a file; each getter takes one key, and keys that nobody asked for are refused by ``made``."""

    def __init__(self, reading: Reading, where: Where, table: Mapping[str, object]) -> None:
        self.reading = reading
        self.where = where
        self._table = table
        self._asked: list[str] = []

    @classmethod
    def top(cls, reading: Reading) -> Section:
        """The document itself as a section."""
        return cls(reading, (), reading.document.values)

    # What is there ----------------------------------------------------------------------------------------------

    def has(self, key: str) -> bool:
        """True where the file gives ``key``."""
        return key in self._table

    def names(self) -> tuple[str, ...]:
        """The keys as the file gives them, for tables whose keys are names."""
        return tuple(self._table)

    def ignore(self, *keys: str) -> None:
        """Allow keys that somebody else reads."""
        self._asked += keys

    @property
    def sound(self) -> bool:
        """True where nothing in this section is wrong so far."""
        return self.reading.sound(self.where)

    def sound_at(self, key: str) -> bool:
        """True where nothing at or below ``key`` is wrong so far."""
        return self.reading.sound((*self.where, key))

    def is_text(self, key: str) -> bool:
        """True where ``key`` holds text, for fields that take a word or a list."""
        return isinstance(self._table.get(key), str)

    def made(self, make: Callable[[], T], at: str | None = None) -> T:
        """What ``make`` builds where the section is sound and holds nothing unknown.

        Its ValueError becomes a problem of the field ``at``, or of the section.
        """
        self.close()
        if self.sound:
            try:
                return make()
            except ValueError as error:
                where = (*self.where, at) if at else self.where
                place = self.reading.document.value(where)
                self.reading.note(Trouble.OUT_OF_RANGE, where, self._shown(at), str(error), place)
        return cast("T", None)

    def close(self) -> None:
        """Refuse the keys that nobody asked for, with the names that come near."""
        allowed = list(dict.fromkeys(self._asked))
        for key in self._table:
            if key not in allowed:
                near = get_close_matches(key, allowed, n=2) or [k for k in allowed if k.startswith(key)]
                hint = f"did you mean {' or '.join(near)}?" if near else f"allowed here: {', '.join(allowed)}"
                self._note_key(Trouble.UNKNOWN_FIELD, key, f"unknown field {key!r}", hint)
                self._asked.append(key)

    # Refusals ---------------------------------------------------------------------------------------------------

    def refuse(self, trouble: Trouble, key: str | None, found: str, allowed: str) -> None:
        """Record a problem with the value of ``key``, or with the whole section."""
        where = self.where if key is None else (*self.where, key)
        self.reading.note(trouble, where, found, allowed, self.reading.document.value(where))

    def misplaced(self, keys: Iterable[str], allowed: str) -> None:
        """Refuse ``keys`` where they are given: they have no meaning beside what else is said here."""
        for key in keys:
            self._asked.append(key)
            if self.has(key):
                self._note_key(Trouble.MISPLACED_FIELD, key, f"{key!r} has no meaning here", allowed)

    def _note_key(self, trouble: Trouble, key: str, found: str, allowed: str) -> None:
        where = (*self.where, key)
        self.reading.note(trouble, where, found, allowed, self.reading.document.key(where))

    def missing(self, key: str, allowed: str) -> None:
        """Record that ``key`` is needed and not there."""
        where = (*self.where, key)
        self.reading.note(
            Trouble.MISSING_FIELD, where, f"{key!r} is missing", allowed, self.reading.document.key(self.where)
        )

    def _shown(self, key: str | None) -> str:
        return written(self._table[key]) if key is not None and key in self._table else "what this table says"

    # Values -----------------------------------------------------------------------------------------------------

    def _get(self, key: str, kind: type[T] | tuple[type, ...], allowed: str) -> T | None:
        """The raw value where it has the right kind; None where it is absent or wrong (then noted)."""
        self._asked.append(key)
        if key not in self._table:
            return None
        raw = self._table[key]
        if not isinstance(raw, kind) or (isinstance(raw, bool) and kind is not bool):
            self.refuse(Trouble.WRONG_TYPE, key, f"{kind_text(raw)} {written(raw)}", allowed)
            return None
        return cast("T", raw)

    def _required(self, key: str, value: T | None, allowed: str) -> T:
        if value is None and key not in self._table:
            self.missing(key, allowed)
        return cast("T", value)

    def text_or_none(self, key: str) -> str | None:
        """Text that is not empty."""
        found: str | None = self._get(key, str, "text in quotes is needed")
        if found is not None and not found.strip():
            self.refuse(Trouble.OUT_OF_RANGE, key, "empty text", "write something, or leave the field out")
        return found

    def text(self, key: str) -> str:
        """Text that must be there."""
        return self._required(key, self.text_or_none(key), "text in quotes is needed")

    def flag_or_none(self, key: str) -> bool | None:
        """True or false."""
        return self._get(key, bool, "true or false is needed, without quotes")

    def choice_or_none(self, key: str, words: type[E]) -> E | None:
        """One of a closed set of words."""
        allowed = "one of: " + ", ".join(f'"{w.value}"' for w in words)
        found: str | None = self._get(key, str, allowed)
        if found is None:
            return None
        if found not in {w.value for w in words}:
            near = get_close_matches(found, [w.value for w in words], n=1)
            hint = f'did you mean "{near[0]}"? ' if near else ""
            self.refuse(Trouble.UNKNOWN_WORD, key, written(found), hint + allowed)
            return None
        return words(found)

    def choice(self, key: str, words: type[E]) -> E | None:
        """One of a closed set of words that must be there; None (noted) where it is not."""
        if not self.has(key):
            self.missing(key, "one of: " + ", ".join(f'"{w.value}"' for w in words))
        return self.choice_or_none(key, words)

    def whole_or_none(self, key: str, low: int, high: int) -> int | None:
        """A whole number from ``low`` to ``high``."""
        allowed = f"a whole number from {low:,} to {high:,} is needed"
        found: int | None = self._get(key, int, allowed)
        if found is not None and not low <= found <= high:
            self.refuse(Trouble.OUT_OF_RANGE, key, f"number {found}", allowed)
        return found

    def whole(self, key: str, low: int, high: int) -> int:
        """A whole number that must be there."""
        return self._required(
            key, self.whole_or_none(key, low, high), f"a whole number from {low:,} to {high:,} is needed"
        )

    def number_or_none(self, key: str, low: Fraction, high: Fraction) -> Fraction | None:
        """An exact plain number from ``low`` to ``high``; it has no unit and so no quotes."""
        allowed = f"a number from {plain_number(low)} to {plain_number(high)} is needed, without quotes"
        found: int | Decimal | None = self._get(key, (int, Decimal), allowed)
        if found is None:
            return None
        if not Decimal(found).is_finite() or not low <= Fraction(found) <= high:
            self.refuse(Trouble.OUT_OF_RANGE, key, f"number {found}", allowed)
            return None
        return Fraction(found)

    def number(self, key: str, low: Fraction, high: Fraction) -> Fraction:
        """An exact plain number that must be there."""
        allowed = f"a number from {plain_number(low)} to {plain_number(high)} is needed, without quotes"
        return self._required(key, self.number_or_none(key, low, high), allowed)

    def names_or_none(self, key: str) -> tuple[str, ...] | None:
        """A list of texts, each once; an empty list says "none"."""
        allowed = "a list of texts is needed, each once; [] says that there is none"
        found: list[object] | None = self._get(key, list, allowed)
        if found is None:
            return None
        names = [n for n in found if isinstance(n, str) and n.strip()]
        if len(names) != len(found) or len(set(names)) != len(names):
            self.refuse(Trouble.WRONG_TYPE, key, f"list {written(found)}", allowed)
            return None
        return tuple(names)

    def amount_or_none(self, key: str, kind: type[Q], *, zero: bool = False) -> Q | None:
        """An exact amount; zero only where ``zero`` says so."""
        self._asked.append(key)
        raw = self._table.get(key)
        allowed = f'{with_article(kind.NAME)} is needed, as text with its unit, as in "{kind.example()}"'
        if isinstance(raw, int | Decimal) and not isinstance(raw, bool):
            self.refuse(Trouble.NUMBER_WITHOUT_UNIT, key, f"number {written(raw)} without a unit", allowed)
            return None
        text = cast("str | None", self._get(key, str, allowed))
        if text is None:
            return None
        amount = self._parsed(key, text, kind)
        if amount is not None and amount.value == 0 and not zero:
            self.refuse(
                Trouble.OUT_OF_RANGE, key, written(text), f"{with_article(kind.NAME)} of more than zero is needed"
            )
        return amount

    def amount(self, key: str, kind: type[Q], *, zero: bool = False) -> Q:
        """An exact amount that must be there."""
        found = self.amount_or_none(key, kind, zero=zero)
        return self._required(key, found, f'{with_article(kind.NAME)} is needed, as in "{kind.example()}"')

    def _parsed(self, key: str, text: str, kind: type[Q]) -> Q | None:
        try:
            return kind.parse(text)
        except AmountError as error:
            other = next((k for k in _KINDS if k is not kind and _reads(k, text)), None)
            if other is not None:
                allowed = f"{with_article(kind.NAME)} is needed; allowed units: {', '.join(kind.UNITS)}"
                self.refuse(Trouble.WRONG_UNIT, key, f"{written(text)}, which is {with_article(other.NAME)}", allowed)
            else:
                trouble = Trouble.WRONG_UNIT if "is not a unit" in error.problem else Trouble.BAD_AMOUNT
                self.refuse(trouble, key, f"{written(text)}: {error.problem}", error.hint)
            return None

    def date_or_none(self, key: str) -> date | None:
        """A calendar date: 2026-03-01, with or without quotes."""
        allowed = "a date that exists is needed, as in 2026-03-01"
        found: date | str | None = self._get(key, (date, str), allowed)
        if isinstance(found, str):
            try:
                return date.fromisoformat(found) if len(found) == 10 else _no_date()
            except ValueError:
                self.refuse(Trouble.BAD_DATE, key, written(found), allowed)
                return None
        if isinstance(found, datetime):
            self.refuse(Trouble.BAD_DATE, key, f"a date with a time {found}", allowed)
            return None
        return found

    def moment(self, key: str) -> datetime:
        """A date and time of the pump clock, without an offset: 2026-03-01T09:00:00."""
        allowed = "a date and time of the pump clock is needed, as in 2026-03-01T09:00:00, without an offset"
        found: datetime | str | None = self._get(key, (datetime, str), allowed)
        try:
            moment = datetime.fromisoformat(found) if isinstance(found, str) else found
        except ValueError:
            moment = None
        if found is not None and (moment is None or moment.tzinfo is not None or moment.microsecond):
            self.refuse(Trouble.BAD_DATE, key, written(found), allowed)
        return self._required(key, moment, allowed)

    def clock_or_none(self, key: str, *, midnight_ends: bool = False) -> int | None:
        """A time of day in seconds from midnight: "06:00"; "24:00" only where ``midnight_ends``."""
        allowed = f'a time of day from "00:00" to "{"24:00" if midnight_ends else "23:59"}" is needed, in quotes'
        found: str | None = self._get(key, str, allowed)
        if found is None:
            return None
        seconds = _seconds(found)
        if seconds is None or seconds > 86_400 or (seconds == 86_400 and not midnight_ends):
            self.refuse(Trouble.BAD_TIME, key, written(found), allowed)
            return None
        return seconds

    def clock(self, key: str) -> int:
        """A time of day that must be there, in seconds from midnight."""
        return self._required(key, self.clock_or_none(key), 'a time of day is needed, as in "06:00"')

    # Tables in the table ----------------------------------------------------------------------------------------

    def section_or_none(self, key: str) -> Section | None:
        """A table in this one."""
        found: dict[str, Any] | None = self._get(key, dict, "a table is needed")
        return None if found is None else Section(self.reading, (*self.where, key), found)

    def section(self, key: str, allowed: str = "a table is needed") -> Section | None:
        """A table that must be there; None (noted) where it is not."""
        return self._required(key, self.section_or_none(key), allowed)

    def sections(self, key: str, least: int = 0) -> list[Section]:
        """A list of tables, with at least ``least`` of them."""
        allowed = f"a list of tables is needed, as in [[{field_text((*self.where, key))}]]"
        found: list[object] | None = self._get(key, list, allowed)
        if found is None:
            if key not in self._table and least:
                self.missing(key, allowed)
            return []
        if len(found) < least:
            self.refuse(Trouble.OUT_OF_RANGE, key, "an empty list", f"at least {least} is needed")
        return [s for n, raw in enumerate(found) if (s := self._item(key, n, raw)) is not None]

    def _item(self, key: str, number: int, raw: object) -> Section | None:
        where = (*self.where, key, number)
        if isinstance(raw, dict):
            return Section(self.reading, where, raw)
        found = f"{kind_text(raw)} {written(raw)}"
        self.reading.note(Trouble.WRONG_TYPE, where, found, "a table is needed", self.reading.document.value(where))
        return None


def _no_date() -> date:
    raise ValueError


def _seconds(text: str) -> int | None:
    found = _CLOCK.fullmatch(text)
    if found is None:
        return None
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds if minutes < 60 and seconds < 60 else None


def _reads(kind: type[Quantity], text: str) -> bool:
    try:
        kind.parse(text)
    except AmountError:
        return False
    return True
