"""The staff, and how they sign in."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from thecal.clinic.record.columns import Base, Living, Structure, Whole, Words, YesNo, of


class Person(Living):
    """Somebody of the staff. ``roles`` are words of ``StaffRole``; whoever leaves is made inactive, never taken away."""

    login: Mapped[str] = mapped_column(Words, unique=True)
    name: Mapped[str] = mapped_column(Words)
    roles: Mapped[Any] = mapped_column(Structure)
    active: Mapped[bool] = mapped_column(YesNo, default=True)


class SignIn(Base):
    """Somebody's sitting at a screen: begun with a password, ended by leaving, by time, or by being locked.

    The cookie holds a secret; here is its digest alone. Times are of the machine's clock.
    """

    token_digest: Mapped[str] = mapped_column(Words, primary_key=True)
    person_id: Mapped[int] = mapped_column(of("person"), index=True)
    begun_s: Mapped[int] = mapped_column(Whole)
    seen_s: Mapped[int] = mapped_column(Whole)
    locked: Mapped[bool] = mapped_column(YesNo, default=False)
    second_done: Mapped[bool] = mapped_column(YesNo, default=False)
    ended: Mapped[bool] = mapped_column(YesNo, default=False)
