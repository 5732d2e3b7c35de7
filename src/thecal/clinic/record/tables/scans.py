"""Scans: what was planned for a patient with a pump, and how the pump was read before and after."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from thecal.clinic.record.columns import Exact, Living, Structure, Whole, Words, of
from thecal.quantities import Volume


class Scan(Living):
    """One MRI of one patient. ``state`` is planned, away or closed (``clinic.mri``).

    ``cover`` says how the patient does without drug, ``without_s`` for how long that is planned. ``before`` and
    ``after`` are numbers of readings; ``emptied`` is what was aspirated where the family must be emptied first, and
    ``emptied_utc_s`` when. ``reset_utc_s`` is when a valve that the field keeps shut was reset, None before it was.
    """

    patient_id: Mapped[int] = mapped_column(of("patient"), index=True)
    serial: Mapped[str] = mapped_column(Words)
    family: Mapped[str] = mapped_column(Words)
    state: Mapped[str] = mapped_column(Words, index=True)
    cover: Mapped[str] = mapped_column(Words)
    without_s: Mapped[int] = mapped_column(Whole)
    before: Mapped[int | None] = mapped_column(Whole)
    emptied: Mapped[Volume | None] = mapped_column(Exact(Volume, "mL"))
    emptied_utc_s: Mapped[int | None] = mapped_column(Whole)
    reset_utc_s: Mapped[int | None] = mapped_column(Whole)
    after: Mapped[Any] = mapped_column(Structure, default=list)
