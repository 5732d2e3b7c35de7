"""The desk: bookings, contacts, tasks, field notices, calendar feeds, and the board that is read off all of it."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from thecal.clinic.record.columns import Base, Day, Kept, Living, Structure, Whole, Words, YesNo, of


class Booking(Living):
    """A visit that is agreed: ``state`` is booked, moved, canceled, attended or missed. ``person_id`` is the clinician.

    ``uid`` is the event's identity in calendars and stays over a move; ``sequence`` rises with each change of it.
    ``changed_utc_s`` is when it was changed last.
    """

    patient_id: Mapped[int] = mapped_column(of("patient"), index=True)
    kind: Mapped[str] = mapped_column(Words)
    begins_utc_s: Mapped[int] = mapped_column(Whole, index=True)
    minutes: Mapped[int] = mapped_column(Whole)
    person_id: Mapped[int | None] = mapped_column(Whole, index=True)
    place: Mapped[str] = mapped_column(Words, default="clinic")
    state: Mapped[str] = mapped_column(Words, index=True)
    uid: Mapped[str] = mapped_column(Words, unique=True)
    sequence: Mapped[int] = mapped_column(Whole, default=0)
    changed_utc_s: Mapped[int] = mapped_column(Whole, index=True)


class Contact(Kept):
    """A try to reach a patient: how, about what, and what came of it; each is a word of ``clinic.desk.contacts``."""

    patient_id: Mapped[int] = mapped_column(of("patient"), index=True)
    way: Mapped[str] = mapped_column(Words)
    about: Mapped[str] = mapped_column(Words)
    outcome: Mapped[str] = mapped_column(Words)
    note: Mapped[str] = mapped_column(Words, default="")


class Task(Living):
    """Something that somebody has to do: ``state`` is planned, done, late, missed or stopped (feature 40).

    ``raised_by`` names what raised it ("booking 17 canceled"), so that the same thing raises it once. ``taken_by`` is
    the person who took it on, None while nobody has.
    """

    patient_id: Mapped[int | None] = mapped_column(Whole, index=True)
    kind: Mapped[str] = mapped_column(Words)
    text: Mapped[str] = mapped_column(Words)
    due_utc_s: Mapped[int] = mapped_column(Whole, index=True)
    state: Mapped[str] = mapped_column(Words, index=True)
    for_role: Mapped[str] = mapped_column(Words)
    raised_by: Mapped[str] = mapped_column(Words, unique=True)
    taken_by: Mapped[int | None] = mapped_column(Whole, index=True)


class FieldNotice(Living):
    """A maker's notice: matched by family, model, serial numbers, software and catheter; empty lists match all."""

    title: Mapped[str] = mapped_column(Words)
    source: Mapped[str] = mapped_column(Words)
    published_on: Mapped[date] = mapped_column(Day)
    action: Mapped[str] = mapped_column(Words)
    families: Mapped[Any] = mapped_column(Structure, default=list)
    models: Mapped[Any] = mapped_column(Structure, default=list)
    serials: Mapped[Any] = mapped_column(Structure, default=list)
    softwares: Mapped[Any] = mapped_column(Structure, default=list)
    catheters: Mapped[Any] = mapped_column(Structure, default=list)
    open: Mapped[bool] = mapped_column(YesNo, default=True)


class NoticeHandled(Kept):
    """What was done about one patient under one field notice; who and when stand in every row."""

    __table_args__ = (UniqueConstraint("notice_id", "patient_id"), {"sqlite_strict": True})

    notice_id: Mapped[int] = mapped_column(of("field_notice"))
    patient_id: Mapped[int] = mapped_column(of("patient"), index=True)
    how: Mapped[str] = mapped_column(Words)


class Feed(Living):
    """A calendar feed: of the whole clinic, or of one clinician. The address holds a secret; here is its digest."""

    person_id: Mapped[int | None] = mapped_column(Whole)
    name: Mapped[str] = mapped_column(Words)
    token_digest: Mapped[str] = mapped_column(Words, unique=True)
    active: Mapped[bool] = mapped_column(YesNo, default=True)


class BoardLine(Base):
    """One line of the board: a projection, made anew from the record whenever something it shows has changed.

    Days are days since 1970 in the clinic's zone. Nothing here depends on today: the band is computed where the board
    is asked (``clinic.desk.board``), so that no line is wrong because a night went by. ``due_day`` is the earlier of
    the worst case and the last day of the drug, 0 where either cannot be known. ``rank`` is 0 where stopping is
    dangerous. ``stopped_utc_s`` is since when the pump stands still, None while it delivers. ``looks`` counts what
    somebody has to look at; ``shown`` holds what the page prints. ``made_under`` names the zone, the formulary and the
    settings that it was made under: where they are others by now, it is made anew.
    """

    __table_args__ = (
        Index("ix_board_line_order", "due_day", "rank", "patient_id", "booked_day", "stopped_utc_s", "read_utc_s",
              "looks", "notices"),
        {"sqlite_strict": True},
    )  # fmt: skip

    patient_id: Mapped[int] = mapped_column(of("patient"), primary_key=True, autoincrement=False)
    serial: Mapped[str] = mapped_column(Words, index=True)
    search: Mapped[str] = mapped_column(Words)
    rank: Mapped[int] = mapped_column(Whole)
    due_day: Mapped[int] = mapped_column(Whole)
    worst_day: Mapped[int | None] = mapped_column(Whole)
    expected_day: Mapped[int | None] = mapped_column(Whole)
    booked_day: Mapped[int | None] = mapped_column(Whole)
    read_utc_s: Mapped[int | None] = mapped_column(Whole)
    stopped_utc_s: Mapped[int | None] = mapped_column(Whole, index=True)
    looks: Mapped[int] = mapped_column(Whole, default=0)
    notices: Mapped[int] = mapped_column(Whole, default=0)
    shown: Mapped[Any] = mapped_column(Structure)
    made_under: Mapped[str] = mapped_column(Words, default="")
