"""What the pharmacy makes, and what went into pumps."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from thecal.clinic.record.columns import Day, Exact, Kept, Living, Structure, Whole, Words, YesNo, of
from thecal.quantities import Volume


class Preparation(Living):
    """One syringe to be made for one patient: from the order over worksheet, check, label and release to its receipt.

    ``state`` is a word of ``clinic.pharmacy``. ``syringe_code`` is what is scanned, None before the label.
    ``needed_by`` is the day at the clinic; ``beyond_use`` the last day of the syringe; stability in the pump is a clock of
    its own and begins with the fill.
    """

    patient_id: Mapped[int] = mapped_column(of("patient"), index=True)
    order_id: Mapped[int | None] = mapped_column(Whole, index=True)
    mixture_id: Mapped[int] = mapped_column(of("mixture"))
    volume: Mapped[Volume] = mapped_column(Exact(Volume, "mL"))
    overfill: Mapped[Volume] = mapped_column(Exact(Volume, "mL"))
    diluent: Mapped[str] = mapped_column(Words)
    preservative_free: Mapped[bool | None] = mapped_column(YesNo)
    state: Mapped[str] = mapped_column(Words, index=True)
    needed_by: Mapped[date] = mapped_column(Day, index=True)
    beyond_use: Mapped[date | None] = mapped_column(Day)
    syringe_code: Mapped[str | None] = mapped_column(Words, unique=True)
    worksheet: Mapped[Any] = mapped_column(Structure, nullable=True)


class Fill(Kept):
    """What was found in a reservoir and what was put into it, at one refill.

    ``expected`` is what the pump's own account said was left; ``aspirated`` what came out; ``filled`` what went in by the
    syringe, None where nothing was. ``left`` is what the account says was left in the pump after aspiration.
    """

    patient_id: Mapped[int] = mapped_column(of("patient"), index=True)
    serial: Mapped[str] = mapped_column(Words, index=True)
    session_id: Mapped[int | None] = mapped_column(Whole)
    preparation_id: Mapped[int | None] = mapped_column(Whole)
    mixture_id: Mapped[int] = mapped_column(of("mixture"))
    filled_utc_s: Mapped[int] = mapped_column(Whole, index=True)
    expected: Mapped[Volume | None] = mapped_column(Exact(Volume, "mL"))
    aspirated: Mapped[Volume | None] = mapped_column(Exact(Volume, "mL"))
    filled: Mapped[Volume | None] = mapped_column(Exact(Volume, "mL"))
    left: Mapped[Volume | None] = mapped_column(Exact(Volume, "mL"))
    programmed: Mapped[Volume | None] = mapped_column(Exact(Volume, "mL"))
