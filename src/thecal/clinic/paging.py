"""One page of a list, counted and cut in the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sqlalchemy import func, select

if TYPE_CHECKING:
    from sqlalchemy import Select
    from sqlalchemy.orm import Session

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Paged(Generic[T]):
    """One page of rows; ``page`` counts from 1, and ``total`` is how many rows there are on all of them."""

    rows: tuple[T, ...]
    page: int
    pages: int
    total: int


def paged(db: Session, query: Select[Any], page: int, size: int) -> Paged[Any]:
    """One page of an ordered query of one entity; a page behind the last one is the last, one before the first it."""
    total = db.scalar(select(func.count()).select_from(query.order_by(None).subquery())) or 0
    pages = max(1, -(-total // size))
    at = min(max(1, page), pages)
    return Paged(tuple(db.scalars(query.limit(size).offset((at - 1) * size))), at, pages, total)
