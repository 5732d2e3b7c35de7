"""Columns that mean the same in SQLite and in PostgreSQL: exact amounts, days, moments, yes and no, structures."""

from __future__ import annotations

import json
from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, ForeignKey, Integer, LargeBinary, MetaData, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from sqlalchemy import Dialect

    from thecal.quantities import Quantity

Whole = BigInteger().with_variant(Integer, "sqlite")
"""A whole number of 64 bits. SQLite's strict tables know it as INTEGER alone."""
Words = Text()
Raw = LargeBinary()


class YesNo(TypeDecorator[bool]):
    """Yes or no, as 1 or 0: SQLite's strict tables know nothing else."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: bool | None, dialect: Dialect) -> int | None:
        """1 for yes, 0 for no."""
        return None if value is None else int(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> bool | None:
        """Yes or no again."""
        return None if value is None else bool(value)


class Exact(TypeDecorator[Any]):
    """An exact amount: ``Exact(Volume, "mL")`` keeps 2.7 mL as the text "2.7", and a third of one as "1/3".

    The unit belongs to the column, and so to its name in reports; nothing is rounded.
    """

    impl = Text
    cache_ok = True

    def __init__(self, kind: type[Quantity], unit: str) -> None:
        super().__init__()
        self.kind = kind
        self.unit = unit

    def process_bind_param(self, value: Quantity | None, dialect: Dialect) -> str | None:
        """The number in the column's unit."""
        if value is None:
            return None
        if not isinstance(value, self.kind):
            raise TypeError(f"found {type(value).__name__}; allowed: {self.kind.__name__}")
        return exact_text(value.number(self.unit))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Quantity | None:
        """The amount again."""
        return None if value is None else self.kind.of(Fraction(value), self.unit)


def exact_text(number: Fraction) -> str:
    """A number without loss: decimals where they end, else a fraction."""
    rest = number.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest != 1:
        return f"{number.numerator}/{number.denominator}"
    digits = 0
    while (number * 10**digits).denominator != 1:
        digits += 1
    whole = abs(number.numerator * 10**digits // number.denominator)
    text = str(whole).rjust(digits + 1, "0")
    sign = "-" if number < 0 else ""
    return f"{sign}{text[:-digits]}.{text[-digits:]}" if digits else f"{sign}{text}"


class Day(TypeDecorator[date]):
    """A day as text, year first; it sorts as days do."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: date | None, dialect: Dialect) -> str | None:
        """Year, month, day."""
        return None if value is None else value.isoformat()

    def process_result_value(self, value: str | None, dialect: Dialect) -> date | None:
        """The day again."""
        return None if value is None else date.fromisoformat(value)


class Structure(TypeDecorator[Any]):
    """Lists and maps of text, whole numbers and yes or no. Floats are refused: no dose is kept as one."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """As JSON with sorted names."""
        if value is None:
            return None
        _without_floats(value)
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """The structure again."""
        return None if value is None else json.loads(value)


def _without_floats(value: Any) -> None:
    if isinstance(value, float):
        raise TypeError("found a float; allowed: text, whole numbers, yes or no: amounts are kept exactly, as text")
    if isinstance(value, dict):
        for inner in value.values():
            _without_floats(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _without_floats(inner)


class Base(DeclarativeBase):
    """All tables. Constraints are named by rule, so that migrations can name them too."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    __table_args__: Any = {"sqlite_strict": True}

    @declared_attr.directive
    @classmethod
    def __tablename__(cls) -> str:
        """The class in small letters, words apart."""
        name = cls.__name__
        return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))


class Stamped(Base):
    """What every row says of its making: UTC of the clinic's world in s since 1970, who, and which versions.

    ``pump_clock_s`` and ``pump_offset_s`` are the two other times of rule T3, where the row came off a pump: the pump's
    own clock, and what was believed of its offset from UTC.
    """

    __abstract__ = True

    id: Mapped[int] = mapped_column(Whole, primary_key=True)
    at_utc_s: Mapped[int] = mapped_column(Whole, index=True)
    by_person: Mapped[int] = mapped_column(Whole)
    software: Mapped[str] = mapped_column(Words)
    formulary: Mapped[str] = mapped_column(Words)


class Kept(Stamped):
    """A row that is never changed and never taken away; a correction is another row. The database sees to it."""

    __abstract__ = True


class Living(Stamped):
    """A row whose present state may change: each change raises ``revision`` by one and leaves an act behind.

    ``at_utc_s`` and ``by_person`` are of its making; who changed it since stands in the acts.
    """

    __abstract__ = True

    revision: Mapped[int] = mapped_column(Whole, default=1)


def of(table: str) -> Any:
    """A reference to another table's row."""
    return ForeignKey(f"{table}.id")
