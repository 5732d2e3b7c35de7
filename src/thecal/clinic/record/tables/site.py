"""The clinic itself."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from thecal.clinic.record.columns import Living, Structure, Words, YesNo


class Clinic(Living):
    """One row: what the clinic is called, where its clock stands, whom to call, and what it sets for itself.

    ``zone`` is a name of the tz database; ``settings`` holds lead times, thresholds and ladders by name (``site``).
    """

    name: Mapped[str] = mapped_column(Words)
    zone: Mapped[str] = mapped_column(Words)
    phone: Mapped[str] = mapped_column(Words)
    on_call: Mapped[str] = mapped_column(Words)
    address: Mapped[str] = mapped_column(Words)
    demonstration: Mapped[bool] = mapped_column(YesNo)
    settings: Mapped[Any] = mapped_column(Structure, default=dict)
