"""Sessions at a pump, and the checks in them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from thecal.clinic.record.columns import Kept, Living, Structure, Whole, Words, of


class Session(Living):
    """One sitting at one pump: it begins with an interrogation and ends with a word about how the pump was left.

    ``workflow`` is a word of ``clinic.workflow``; ``step`` the step where it stands; ``state`` open, closed or given
    up. ``parent`` is the session before it at this pump, so that sessions form a tree. ``entered`` holds what was
    entered and not yet sent: it is a draft, and nothing of it is true of the pump. ``person_id`` is who works in it
    now, ``reading_id`` the interrogation that everything in it rests on. A pump has at most one open session.
    """

    __table_args__ = (
        Index(
            "ix_session_one_open_at_a_pump",
            "serial",
            unique=True,
            sqlite_where=text("state = 'open'"),
            postgresql_where=text("state = 'open'"),
        ),
        {"sqlite_strict": True},
    )

    patient_id: Mapped[int] = mapped_column(of("patient"), index=True)
    serial: Mapped[str] = mapped_column(Words, index=True)
    workflow: Mapped[str] = mapped_column(Words)
    step: Mapped[str] = mapped_column(Words)
    state: Mapped[str] = mapped_column(Words, index=True)
    parent: Mapped[int | None] = mapped_column(Whole)
    entered: Mapped[Any] = mapped_column(Structure, default=dict)
    person_id: Mapped[int] = mapped_column(Whole, default=0)
    reading_id: Mapped[int | None] = mapped_column(Whole)
    ended_utc_s: Mapped[int | None] = mapped_column(Whole)


class Override(Kept):
    """A soft finding that somebody went past, with the reason, the value, the limit and whose limit it was."""

    patient_id: Mapped[int] = mapped_column(of("patient"), index=True)
    session_id: Mapped[int | None] = mapped_column(Whole, index=True)
    order_id: Mapped[int | None] = mapped_column(Whole)
    finding: Mapped[str] = mapped_column(Words, index=True)
    drug: Mapped[str | None] = mapped_column(Words)
    found: Mapped[str] = mapped_column(Words)
    allowed: Mapped[str] = mapped_column(Words)
    authority: Mapped[str] = mapped_column(Words)
    reason: Mapped[str] = mapped_column(Words)


class NearMiss(Kept):
    """Something that was entered or scanned and stopped here: a hard finding, a mismatch, a failed second entry."""

    patient_id: Mapped[int | None] = mapped_column(Whole, index=True)
    session_id: Mapped[int | None] = mapped_column(Whole, index=True)
    where: Mapped[str] = mapped_column(Words)
    code: Mapped[str] = mapped_column(Words, index=True)
    found: Mapped[str] = mapped_column(Words)
    allowed: Mapped[str] = mapped_column(Words)


class DoubleCheck(Kept):
    """A second person entered the key values without seeing the first entry; the machine compared both.

    ``matched`` is 1 where all were the same. ``first`` and ``second`` are what each entered. ``by_person`` is the
    second.
    """

    patient_id: Mapped[int] = mapped_column(of("patient"), index=True)
    session_id: Mapped[int | None] = mapped_column(Whole, index=True)
    what: Mapped[str] = mapped_column(Words)
    first_person: Mapped[int] = mapped_column(Whole)
    first: Mapped[Any] = mapped_column(Structure)
    second: Mapped[Any] = mapped_column(Structure)
    matched: Mapped[int] = mapped_column(Whole)


class Watch(Living):
    """Watching a patient after a refill, a bridge, a bolus or a restart: from when, until when, what at which times.

    ``begins_utc_s`` is when the new drug arrives at the tip, not when somebody pressed send. ``plan`` lists what is
    to be looked at and when; what was seen are observations with this ``watch_id``.
    """

    patient_id: Mapped[int] = mapped_column(of("patient"), index=True)
    session_id: Mapped[int | None] = mapped_column(Whole, index=True)
    why: Mapped[str] = mapped_column(Words)
    begins_utc_s: Mapped[int] = mapped_column(Whole)
    ends_utc_s: Mapped[int] = mapped_column(Whole, index=True)
    plan: Mapped[Any] = mapped_column(Structure)
    state: Mapped[str] = mapped_column(Words)
