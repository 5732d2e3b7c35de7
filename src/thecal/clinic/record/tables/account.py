"""The account of what was done: acts, and the chain that shows whether any of it was changed since."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from thecal.clinic.record.columns import Base, Kept, Raw, Structure, Whole, Words


class Act(Kept):
    """One thing that was done to something: the timeline of every living row, and of whatever else has one.

    ``subject_kind`` is the table's name, ``subject_id`` its row, ``revision`` the one that the act made (0 where the
    subject has none). ``patient_id`` stands where it is about a patient. ``details`` holds what was entered or found.
    """

    __table_args__ = (
        Index(None, "subject_kind", "subject_id", "id"),
        Index(None, "patient_id", "id"),
        {"sqlite_strict": True},
    )

    subject_kind: Mapped[str] = mapped_column(Words)
    subject_id: Mapped[int] = mapped_column(Whole)
    revision: Mapped[int] = mapped_column(Whole)
    kind: Mapped[str] = mapped_column(Words)
    patient_id: Mapped[int | None] = mapped_column(Whole)
    details: Mapped[Any] = mapped_column(Structure)


class Audit(Base):
    """One link of the audit chain: what one transaction wrote, or what somebody saw.

    ``hash`` is SHA-256 of ``prev`` and the canonical JSON of the other columns; ``rows`` names each row written with
    the digest of its content. ``machine_utc_s`` is the machine's clock, beside the clinic's world in ``at_utc_s``.
    """

    seq: Mapped[int] = mapped_column(Whole, primary_key=True, autoincrement=False)
    at_utc_s: Mapped[int] = mapped_column(Whole, index=True)
    machine_utc_s: Mapped[int] = mapped_column(Whole)
    by_person: Mapped[int] = mapped_column(Whole, index=True)
    action: Mapped[str] = mapped_column(Words)
    patient_id: Mapped[int | None] = mapped_column(Whole, index=True)
    details: Mapped[Any] = mapped_column(Structure)
    rows: Mapped[Any] = mapped_column(Structure)
    software: Mapped[str] = mapped_column(Words)
    prev: Mapped[bytes] = mapped_column(Raw)
    hash: Mapped[bytes] = mapped_column(Raw)


class AuditHead(Base):
    """The newest link: one row, held by whoever appends, so that links are appended one after the other."""

    __table_args__ = (CheckConstraint("one = 1", name="one"), {"sqlite_strict": True})

    one: Mapped[int] = mapped_column(Whole, primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(Whole)
    hash: Mapped[bytes] = mapped_column(Raw)
