"""Patients, what is implanted in them, and what was seen of them."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from thecal.clinic.record.columns import Day, Exact, Kept, Living, Structure, Whole, Words, YesNo, of
from thecal.quantities import Length, LinearVolume, Mass, Volume


class Patient(Living):
    """A person who is treated. Facts that the review asks about are None where nobody has said them.

    ``number`` is the clinic's own; ``search`` is names and number in small letters, for lookups. ``risks`` are words
    that the board shows (distance, language, missed visits, deep implant). ``reference`` goes into order and pump.
    ``in_feeds`` says whether visits may stand in calendars.
    """

    number: Mapped[str] = mapped_column(Words, unique=True)
    reference: Mapped[str] = mapped_column(Words, unique=True)
    given: Mapped[str] = mapped_column(Words)
    family: Mapped[str] = mapped_column(Words)
    birth_date: Mapped[date] = mapped_column(Day)
    search: Mapped[str] = mapped_column(Words, index=True)
    language: Mapped[str] = mapped_column(Words, default="English")
    phone: Mapped[str] = mapped_column(Words, default="")
    risks: Mapped[Any] = mapped_column(Structure, default=list)
    indication: Mapped[str | None] = mapped_column(Words)
    opioid_naive: Mapped[bool | None] = mapped_column(YesNo)
    sleep_apnea: Mapped[bool | None] = mapped_column(YesNo)
    sedatives: Mapped[Any] = mapped_column(Structure, nullable=True)
    systemic_opioids: Mapped[Any] = mapped_column(Structure, nullable=True)
    contraindications: Mapped[Any] = mapped_column(Structure, nullable=True)
    weight_g: Mapped[int | None] = mapped_column(Whole)
    active: Mapped[bool] = mapped_column(YesNo, default=True)
    in_feeds: Mapped[bool] = mapped_column(YesNo, default=True)


class Implant(Living):
    """One pump with its catheter in one patient. ``until`` is the day of explant, None while it is in use.

    A pump that was never in anybody has none. ``model``, ``software`` and ``catheter_model`` are what field notices
    are matched with.
    """

    patient_id: Mapped[int] = mapped_column(of("patient"), index=True)
    serial: Mapped[str] = mapped_column(Words, index=True)
    family: Mapped[str] = mapped_column(Words)
    model: Mapped[str] = mapped_column(Words)
    lot: Mapped[str] = mapped_column(Words, default="")
    udi: Mapped[str] = mapped_column(Words, default="")
    software_at_implant: Mapped[str] = mapped_column(Words, default="")
    implanted_on: Mapped[date] = mapped_column(Day)
    until: Mapped[date | None] = mapped_column(Day)
    site: Mapped[str] = mapped_column(Words, default="")
    stroke: Mapped[Volume | None] = mapped_column(Exact(Volume, "nL"))
    tubing: Mapped[Volume | None] = mapped_column(Exact(Volume, "nL"))
    catheter_model: Mapped[str] = mapped_column(Words, default="")
    catheter_supplied: Mapped[Length | None] = mapped_column(Exact(Length, "cm"))
    catheter_removed: Mapped[Length | None] = mapped_column(Exact(Length, "cm"))
    catheter_volume: Mapped[LinearVolume | None] = mapped_column(Exact(LinearVolume, "mL/cm"))
    tip_level: Mapped[str | None] = mapped_column(Words)


class Observation(Kept):
    """Something that was seen, measured or said: pain, sedation, gait, mood, a crisis sign, a symptom.

    ``kind`` is a word of ``clinic.observing``; ``value`` is as it was entered, ``unit`` its scale. ``seen_utc_s`` is
    when it was seen, which may be earlier than when it was written down.
    """

    __table_args__ = (Index(None, "patient_id", "kind", "seen_utc_s"), {"sqlite_strict": True})

    patient_id: Mapped[int] = mapped_column(of("patient"))
    session_id: Mapped[int | None] = mapped_column(Whole, index=True)
    watch_id: Mapped[int | None] = mapped_column(Whole, index=True)
    kind: Mapped[str] = mapped_column(Words)
    value: Mapped[str] = mapped_column(Words)
    unit: Mapped[str] = mapped_column(Words)
    seen_utc_s: Mapped[int] = mapped_column(Whole)
    note: Mapped[str] = mapped_column(Words, default="")


class SystemicOpioid(Kept):
    """An opioid by mouth or patch from a day on: its dose of a day, and what that is in morphine, by which table."""

    patient_id: Mapped[int] = mapped_column(of("patient"), index=True)
    drug: Mapped[str] = mapped_column(Words)
    route: Mapped[str] = mapped_column(Words)
    from_day: Mapped[date] = mapped_column(Day)
    per_day: Mapped[Mass] = mapped_column(Exact(Mass, "mg"))
    factor: Mapped[str | None] = mapped_column(Words)
    table: Mapped[str] = mapped_column(Words)


class Taper(Living):
    """A plan to come down from an opioid by mouth or patch: from which day on how much a day, as a physician wrote it.

    ``steps`` are pairs of a day (year first) and an amount as text; ``state`` is planned or given up.
    """

    patient_id: Mapped[int] = mapped_column(of("patient"), index=True)
    drug: Mapped[str] = mapped_column(Words)
    steps: Mapped[Any] = mapped_column(Structure)
    state: Mapped[str] = mapped_column(Words)
