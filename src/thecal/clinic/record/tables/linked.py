"""The ledger of the link service: numbers given out, commands before they are sent, and what became of them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from thecal.clinic.record.columns import Base, Structure, Whole, Words


class LinkNumber(Base):
    """The newest command number of one role at one pump; it only rises."""

    __table_args__ = (CheckConstraint("newest > 0", name="newest"), {"sqlite_strict": True})

    serial: Mapped[str] = mapped_column(Words, primary_key=True)
    role: Mapped[str] = mapped_column(Words, primary_key=True)
    newest: Mapped[int] = mapped_column(Whole)


class LinkCommand(Base):
    """A command, written down before it is sent. Never edited. In ``fields`` bytes are {"bytes": hex}."""

    __table_args__ = (
        UniqueConstraint("serial", "role", "command"),
        CheckConstraint("command > 0", name="command"),
        {"sqlite_strict": True},
    )

    row: Mapped[int] = mapped_column(Whole, primary_key=True)
    serial: Mapped[str] = mapped_column(Words, index=True)
    role: Mapped[str] = mapped_column(Words)
    command: Mapped[int] = mapped_column(Whole)
    path: Mapped[str] = mapped_column(Words)
    fields: Mapped[Any] = mapped_column(Structure)
    written_utc: Mapped[str] = mapped_column(Words)
    log_records: Mapped[int] = mapped_column(Whole)


class LinkOutcome(Base):
    """What became of a command. One for each, never edited."""

    row: Mapped[int] = mapped_column(Whole, ForeignKey("link_command.row"), primary_key=True, autoincrement=False)
    outcome: Mapped[str] = mapped_column(Words)
    answer: Mapped[int] = mapped_column(Whole)
    wait_s: Mapped[int] = mapped_column(Whole)
    said: Mapped[str] = mapped_column(Words)
    resolved_utc: Mapped[str] = mapped_column(Words)
