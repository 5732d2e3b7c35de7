"""What is ordered: mixtures, and orders as the files that people write."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from thecal.clinic.record.columns import Kept, Living, Structure, Whole, Words, YesNo, of


class Mixture(Kept):
    """What is mixed: each drug with its strength, as exact amounts in text; the same mixture has the same ``key``."""

    key: Mapped[str] = mapped_column(Words, unique=True)
    ingredients: Mapped[Any] = mapped_column(Structure)
    preservative_free: Mapped[bool | None] = mapped_column(YesNo)


class Order(Living):
    """A therapy order: one order file (docs/reference/order-file.md), word for word, in ``text``.

    ``state`` is draft, signed, running, replaced or withdrawn. Every revision's text stands in its acts. ``session_id``
    is the session that it was written in; ``replaces`` the order that ran before.
    """

    patient_id: Mapped[int] = mapped_column(of("patient"), index=True)
    serial: Mapped[str] = mapped_column(Words, index=True)
    session_id: Mapped[int | None] = mapped_column(Whole, index=True)
    replaces: Mapped[int | None] = mapped_column(Whole)
    title: Mapped[str] = mapped_column(Words)
    state: Mapped[str] = mapped_column(Words)
    text: Mapped[str] = mapped_column(Words)
    digest: Mapped[str] = mapped_column(Words)
    mixture_id: Mapped[int | None] = mapped_column(of("mixture"))
