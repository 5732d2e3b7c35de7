"""What pumps said of themselves, and what was programmed into them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from thecal.clinic.record.columns import Kept, Raw, Structure, Whole, Words, of


class Interrogation(Kept):
    """A pump as it was read over the link. Boards and pages read this, never the pump.

    ``status`` and ``identity`` are the link's own words for them; ``program`` and ``document`` are empty where the pump
    held none. ``pump_clock_s`` is the pump clock as read, ``pump_offset_s`` what was believed of its offset from UTC,
    None where nobody had written it down. Where only the status was read (``whole`` is 0) the rest is that of the
    newest whole reading, which the pump's own digest and count of records show to hold still.
    """

    __table_args__ = (Index(None, "serial", "read_utc_s"), {"sqlite_strict": True})

    serial: Mapped[str] = mapped_column(Words)
    patient_id: Mapped[int | None] = mapped_column(of("patient"), index=True)
    session_id: Mapped[int | None] = mapped_column(Whole, index=True)
    read_utc_s: Mapped[int] = mapped_column(Whole)
    uptime_s: Mapped[int] = mapped_column(Whole)
    pump_clock_s: Mapped[int] = mapped_column(Whole)
    pump_offset_s: Mapped[int | None] = mapped_column(Whole)
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


class PumpProposal(Kept):
    """A program that was brought to a pump and read back: it may be confirmed until ``until_s`` (UTC).

    ``settings`` is what was asked for beside what the pump gives, ``change`` the dose of 24 h before and after in
    words.
    """

    serial: Mapped[str] = mapped_column(Words, index=True)
    patient_id: Mapped[int] = mapped_column(of("patient"), index=True)
    session_id: Mapped[int] = mapped_column(Whole, index=True)
    order_id: Mapped[int] = mapped_column(of("order"))
    order_revision: Mapped[int] = mapped_column(Whole)
    number: Mapped[int] = mapped_column(Whole)
    digest: Mapped[bytes] = mapped_column(Raw)
    program: Mapped[bytes] = mapped_column(Raw)
    document: Mapped[bytes] = mapped_column(Raw)
    order_text: Mapped[str] = mapped_column(Words)
    sentence: Mapped[Any] = mapped_column(Structure)
    change: Mapped[Any] = mapped_column(Structure)
    settings: Mapped[Any] = mapped_column(Structure)
    start: Mapped[int] = mapped_column(Whole)  # 0: the order is a stopped pump
    until_s: Mapped[int] = mapped_column(Whole)


class PumpAsk(Kept):
    """Something that is about to be asked of a pump, written down before it is asked.

    ``operation`` is the link's, ``fields`` what goes with it (bytes as hex). ``newest`` is the number of the newest
    command that the link's ledger held before, so that the one which came of this can be told from all others. Until
    an answer is kept whose ``arm`` is another one than "not known", what came of it is not known.
    """

    serial: Mapped[str] = mapped_column(Words, index=True)
    patient_id: Mapped[int] = mapped_column(of("patient"), index=True)
    session_id: Mapped[int] = mapped_column(Whole, index=True)
    operation: Mapped[str] = mapped_column(Words)
    fields: Mapped[Any] = mapped_column(Structure)
    said: Mapped[str] = mapped_column(Words)
    order_id: Mapped[int | None] = mapped_column(Whole)
    newest: Mapped[int] = mapped_column(Whole)
    machine_utc_s: Mapped[int] = mapped_column(Whole)


class PumpAnswer(Kept):
    """What came of something that was asked: an arm of the link, or that it was counted as the arm with more drug.

    One is added where more becomes known; the newest counts. ``command`` is the link's number, 0 where none was given
    out.
    """

    ask_id: Mapped[int] = mapped_column(of("pump_ask"), index=True)
    arm: Mapped[str] = mapped_column(Words)
    said: Mapped[str] = mapped_column(Words)
    answer: Mapped[int] = mapped_column(Whole)
    wait_s: Mapped[int] = mapped_column(Whole)
    command: Mapped[int] = mapped_column(Whole)


class ClockDecision(Kept):
    """What somebody decided about a pump's clock: leave it, set it now, set it later; with its preview in dose.

    ``utc_offset_s`` is what the clinic believes from ``uptime_s`` of the pump on; ``preview`` the lines that were
    shown, ``message`` what was drafted for the patient, empty where the day of no dose moves. ``later_utc_s`` is when
    it is to be set, where it is to be set later.
    """

    serial: Mapped[str] = mapped_column(Words, index=True)
    patient_id: Mapped[int] = mapped_column(of("patient"), index=True)
    session_id: Mapped[int | None] = mapped_column(Whole, index=True)
    kind: Mapped[str] = mapped_column(Words)
    zone: Mapped[str] = mapped_column(Words)
    uptime_s: Mapped[int] = mapped_column(Whole)
    utc_offset_s: Mapped[int] = mapped_column(Whole)
    shift_s: Mapped[int] = mapped_column(Whole)
    preview: Mapped[Any] = mapped_column(Structure)
    message: Mapped[str] = mapped_column(Words)
    reason: Mapped[str] = mapped_column(Words)
    later_utc_s: Mapped[int | None] = mapped_column(Whole)
