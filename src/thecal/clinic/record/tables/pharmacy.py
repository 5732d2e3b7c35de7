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
    ``needed_by`` is the day at the clinic; ``beyond_use`` the last day of the syringe; stability in the pump is a clock
    of its own and begins with the fill; it is held against ``refill_by``, the day by which the pump is refilled again,
    None where nobody has said. ``search`` is patient and drugs in small letters; ``overridden`` lists the findings that
    somebody went past by name.
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
    refill_by: Mapped[date | None] = mapped_column(Day)
    beyond_use: Mapped[date | None] = mapped_column(Day)
    syringe_code: Mapped[str | None] = mapped_column(Words, unique=True)
    worksheet: Mapped[Any] = mapped_column(Structure, nullable=True)
    overridden: Mapped[Any] = mapped_column(Structure, default=list)
    search: Mapped[str] = mapped_column(Words, default="")


class Fill(Kept):
    """What was found in a reservoir and what was put into it, at one refill.

    ``expected`` is what the pump's own account said was left; ``aspirated`` what came out; ``filled`` what went in by
    the syringe, None where nothing was. ``left`` is what was seen to stay in the pump after the aspiration;
    ``programmed`` is what the pump is told that it holds from then on.
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


class StockTaken(Kept):
    """A product with its lot that a worksheet names: what a recall is looked up in. ``lot_key`` is the lot in capitals.

    A worksheet that is written anew has new rows; ``made`` is the worksheet's number, so that both stay.
    """

    preparation_id: Mapped[int] = mapped_column(of("preparation"), index=True)
    patient_id: Mapped[int] = mapped_column(of("patient"), index=True)
    made: Mapped[int] = mapped_column(Whole)
    what: Mapped[str] = mapped_column(Words)
    product: Mapped[str] = mapped_column(Words)
    lot: Mapped[str] = mapped_column(Words)
    lot_key: Mapped[str] = mapped_column(Words, index=True)
    expires: Mapped[date | None] = mapped_column(Day)


class RecalledLot(Kept):
    """A lot of stock that is recalled, and why: nothing is made of it any more. ``lot_key`` is the lot in capitals."""

    lot: Mapped[str] = mapped_column(Words)
    lot_key: Mapped[str] = mapped_column(Words, unique=True)
    why: Mapped[str] = mapped_column(Words)


class FormularyVersion(Kept):
    """One file of the site's formulary as somebody wrote it: a draft until a decision about it is kept.

    ``file`` is its name without ".toml"; an empty ``text`` takes the site's file away again. ``digest`` is SHA-256.
    ``over`` is the version of the file that was signed last when this one was written, 0 where none ever was.
    """

    file: Mapped[str] = mapped_column(Words, index=True)
    text: Mapped[str] = mapped_column(Words)
    digest: Mapped[str] = mapped_column(Words)
    why: Mapped[str] = mapped_column(Words)
    over: Mapped[int] = mapped_column(Whole, default=0)


class FormularyDecision(Kept):
    """What another person decided about a version: signed (it is in force from then on) or turned down, and why."""

    version_id: Mapped[int] = mapped_column(of("formulary_version"), unique=True)
    decision: Mapped[str] = mapped_column(Words)
    why: Mapped[str] = mapped_column(Words)
