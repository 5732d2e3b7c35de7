"""The desk: bookings, contacts, tasks, field notices, calendar feeds, and the board that is read off all of it."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from thecal.clinic.record.columns import Base, Day, Kept, Living, Structure, Whole, Words, YesNo, of


class Booking(Living):
    """A visit that is agreed: ``state`` is booked, moved, cancelled, attended or missed. ``person_id`` is the clinician.

    ``uid`` is the event's identity in calendars and stays over a move.
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


class Contact(Kept):
    """A try to reach a patient: how, about what, and what came of it."""

    patient_id: Mapped[int] = mapped_column(of("patient"), index=True)
    way: Mapped[str] = mapped_column(Words)
    about: Mapped[str] = mapped_column(Words)
    outcome: Mapped[str] = mapped_column(Words)
    note: Mapped[str] = mapped_column(Words, default="")


class Task(Living):
    """Something that somebody has to do: ``state`` is planned, done, late, missed or stopped (feature 40).

    ``raised_by`` names what raised it ("booking 17 cancelled"), so that the same thing raises it once.
    """

    patient_id: Mapped[int | None] = mapped_column(Whole, index=True)
    kind: Mapped[str] = mapped_column(Words)
    text: Mapped[str] = mapped_column(Words)
    due_utc_s: Mapped[int] = mapped_column(Whole, index=True)
    state: Mapped[str] = mapped_column(Words, index=True)
    for_role: Mapped[str] = mapped_column(Words)
    raised_by: Mapped[str] = mapped_column(Words, unique=True)


class FieldNotice(Living):
    """A maker's notice about pumps: matched by family, model, serial numbers and software; empty lists match all."""

    title: Mapped[str] = mapped_column(Words)
    source: Mapped[str] = mapped_column(Words)
    published_on: Mapped[date] = mapped_column(Day)
    action: Mapped[str] = mapped_column(Words)
    families: Mapped[Any] = mapped_column(Structure, default=list)
    models: Mapped[Any] = mapped_column(Structure, default=list)
    serials: Mapped[Any] = mapped_column(Structure, default=list)
    softwares: Mapped[Any] = mapped_column(Structure, default=list)
    open: Mapped[bool] = mapped_column(YesNo, default=True)


class Feed(Living):
    """A calendar feed: of the whole clinic, or of one clinician. The address holds a secret; here is its digest alone."""

    person_id: Mapped[int | None] = mapped_column(Whole)
    name: Mapped[str] = mapped_column(Words)
    token_digest: Mapped[str] = mapped_column(Words, unique=True)
    active: Mapped[bool] = mapped_column(YesNo, default=True)


class BoardLine(Base):
    """One line of the board: a projection, made anew from the record whenever something it shows has changed.

    Days are days since 1970 in the clinic's zone, so that the database can sort and search them. ``band`` is 0 for the
    gravest. ``stopped_utc_s`` is since when the pump
    stands still, None while it delivers. ``shown`` holds what the page prints.
    """

    __table_args__ = (Index(None, "band", "rank", "worst_day", "patient_id"), {"sqlite_strict": True})

    patient_id: Mapped[int] = mapped_column(of("patient"), primary_key=True, autoincrement=False)
    serial: Mapped[str] = mapped_column(Words, index=True)
    search: Mapped[str] = mapped_column(Words)
    band: Mapped[int] = mapped_column(Whole)
    rank: Mapped[int] = mapped_column(Whole)
    worst_day: Mapped[int] = mapped_column(Whole)
    expected_day: Mapped[int] = mapped_column(Whole)
    booked_day: Mapped[int | None] = mapped_column(Whole)
    read_utc_s: Mapped[int | None] = mapped_column(Whole)
    stale: Mapped[bool] = mapped_column(YesNo, default=False)
    stopped_utc_s: Mapped[int | None] = mapped_column(Whole, index=True)
    shown: Mapped[Any] = mapped_column(Structure)
