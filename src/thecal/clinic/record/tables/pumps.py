"""What pumps said of themselves, and what was programmed into them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from thecal.clinic.record.columns import Kept, Raw, Structure, Whole, Words, of


class Interrogation(Kept):
    """A pump as it was read over the link. Boards and pages read this, never the pump.

    ``status`` and ``identity`` are the link's own words for them; ``program`` and ``document`` are empty where the pump
    held none. ``pump_clock_s`` is the pump clock as read, ``pump_offset_s`` what was believed of its offset from UTC.
    """

    __table_args__ = (Index(None, "serial", "read_utc_s"), {"sqlite_strict": True})

    serial: Mapped[str] = mapped_column(Words)
    patient_id: Mapped[int | None] = mapped_column(of("patient"), index=True)
    session_id: Mapped[int | None] = mapped_column(Whole, index=True)
    read_utc_s: Mapped[int] = mapped_column(Whole)
    uptime_s: Mapped[int] = mapped_column(Whole)
    pump_clock_s: Mapped[int] = mapped_column(Whole)
    pump_offset_s: Mapped[int] = mapped_column(Whole)
    whole: Mapped[int] = mapped_column(Whole)  # 1: everything was read; 0: the status alone
    status: Mapped[Any] = mapped_column(Structure)
    identity: Mapped[Any] = mapped_column(Structure)
    program: Mapped[bytes] = mapped_column(Raw)
    document: Mapped[bytes] = mapped_column(Raw)
    log_last: Mapped[int] = mapped_column(Whole)
    log_digest: Mapped[bytes] = mapped_column(Raw)
    log_missing: Mapped[int] = mapped_column(Whole)
    log_fault: Mapped[str] = mapped_column(Words)


class LogRecord(Kept):
    """One record of a pump's log: boluses given and refused, alarms, stops, refills, totals. Each is kept once.

    ``utc_s`` is our estimate from the interrogation that brought it; the pump's own time is ``uptime_s``.
    """

    __table_args__ = (
        UniqueConstraint("serial", "number"),
        Index(None, "serial", "event", "utc_s"),
        Index(None, "serial", "utc_s"),
        {"sqlite_strict": True},
    )

    serial: Mapped[str] = mapped_column(Words)
    number: Mapped[int] = mapped_column(Whole)
    uptime_s: Mapped[int] = mapped_column(Whole)
    utc_s: Mapped[int] = mapped_column(Whole)
    event: Mapped[int] = mapped_column(Whole)
    fields: Mapped[Any] = mapped_column(Structure)
    interrogation_id: Mapped[int] = mapped_column(of("interrogation"))


class ProgramRun(Kept):
    """A program that a pump confirmed: what runs from then on, with the order behind it."""

    __table_args__ = (UniqueConstraint("serial", "number"), {"sqlite_strict": True})

    serial: Mapped[str] = mapped_column(Words)
    patient_id: Mapped[int] = mapped_column(of("patient"), index=True)
    session_id: Mapped[int | None] = mapped_column(Whole)
    order_id: Mapped[int] = mapped_column(of("order"))
    order_revision: Mapped[int] = mapped_column(Whole)
    number: Mapped[int] = mapped_column(Whole)
    digest: Mapped[bytes] = mapped_column(Raw)
    program: Mapped[bytes] = mapped_column(Raw)
    document: Mapped[bytes] = mapped_column(Raw)
    order_text: Mapped[str] = mapped_column(Words)
    sentence: Mapped[Any] = mapped_column(Structure)
    change: Mapped[Any] = mapped_column(Structure)
    confirmed_utc_s: Mapped[int] = mapped_column(Whole)
