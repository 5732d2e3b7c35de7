"""The worksheet of a syringe: stock off the shelf with product and lot, and what is to be weighed and drawn of it.

The arithmetic is ``therapy.compounding``; here it is read from what a pharmacist typed, and kept without loss.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from thecal.clinic.pharmacy.entries import Entered
from thecal.clinic.pharmacy.lookup import lot_key, mixture_in, recalled
from thecal.clinic.pharmacy.mixtures import UNIT
from thecal.clinic.pharmacy.refusing import Why, of_therapy, refused, stopped
from thecal.clinic.pharmacy.states import State
from thecal.clinic.pharmacy.stepping import before, changed
from thecal.clinic.record.columns import exact_text
from thecal.clinic.record.tables import Preparation, StockTaken
from thecal.clinic.refused import Refused
from thecal.quantities import Concentration, Mass, Volume, percent_text
from thecal.therapy.compounding import Line, Powder, Solution, Stock, Worksheet, worksheet
from thecal.therapy.refusal import Refusal, day_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from sqlalchemy.orm import Session

    from thecal.clinic.practice import Practice
    from thecal.clinic.who import Who
    from thecal.therapy.mixture import Mixture

SOLUTION, POWDER = "solution", "powder"
LOWEST_PH = Fraction(3)
"""At or under it a formulation is contraindicated in the reservoir (pump label; rule "preserved-product")."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The worksheet's form as filled in; the lists have one entry for each ingredient, in the order of the mixture.

    ``strengths`` hold an amount per mL for a solution, and the content of a powder ("98 %").
    """

    kinds: Sequence[str] = ()
    strengths: Sequence[str] = ()
    products: Sequence[str] = ()
    lots: Sequence[str] = ()
    expires: Sequence[str] = ()
    preservative_free: Sequence[str] = ()
    phs: Sequence[str] = ()
    overfill: str = ""
    diluent_product: str = ""
    diluent_lot: str = ""
    diluent_expires: str = ""
    diluent_free: str = ""
    beyond_use: str = ""
    beyond_use_source: str = ""
    osmolality: str = ""
    ph: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """One product off the shelf."""

    what: str
    product: str
    lot: str
    expires: date
    stock: Stock | None = None
    ph: Fraction | None = None


@dataclass
class _Reading(Entered):
    entry: Entry = field(default_factory=Entry)
    today: date | None = None

    def at(self, name: str, index: int) -> str:
        """One entry of one of the lists; empty where the form had none."""
        values: Sequence[str] = getattr(self.entry, name)
        return values[index] if index < len(values) else ""


def write(
    practice: Practice, who: Who, preparation_id: int, entry: Entry, today: date, *, seen: int | None = None
) -> Preparation | tuple[Refused, ...]:
    """Write a worksheet, or write it anew; a new one needs a new second check. Everything that is wrong instead."""
    with practice.reading() as db:
        found = before(db, preparation_id, State.MADE)
        if isinstance(found, Refused):
            return (found,)
        mixture = mixture_in(db, found)
        back = _recalled(db, entry)
    read = _read(entry, mixture, found.volume, today)
    if isinstance(read, tuple) or back:
        return stopped(practice, who, found.patient_id, (*back, *(read if isinstance(read, tuple) else ())))
    structure, taken, beyond_use = read.structure, read.taken, read.beyond_use
    made = int((found.worksheet or {}).get("made", 0)) + 1
    structure |= {"made": made, "by": who.person_id, "by_name": who.name}
    with practice.writing(who, "worksheet written", found.patient_id) as record:
        back = _recalled(record.session, entry)  # a recall may have been faster
        if back:
            return back
        row = changed(
            record, preparation_id, State.MADE, seen, worksheet=structure, overfill=read.sheet.overfill,
            beyond_use=beyond_use, overridden=[],
        )  # fmt: skip
        if isinstance(row, Refused):
            return (row,)
        for one in taken:
            record.keep(
                StockTaken(
                    preparation_id=row.id, patient_id=row.patient_id, made=made, what=one.what, product=one.product,
                    lot=one.lot, lot_key=lot_key(one.lot), expires=one.expires,
                )
            )  # fmt: skip
        return row


def _recalled(db: Session, entry: Entry) -> tuple[Refused, ...]:
    """Lots of the entry that are recalled, each at its field."""
    fields = {f"lots.{at}": lot for at, lot in enumerate(entry.lots)} | {"diluent_lot": entry.diluent_lot}
    back = {row.lot_key: row for row in recalled(db, [lot for lot in fields.values() if lot.strip()])}
    return tuple(
        refused(Why.RECALLED, f"the lot {row.lot}, recalled: {row.why}", "a lot in use", "take another lot", name)
        for name, lot in fields.items()
        if (row := back.get(lot_key(lot))) is not None
    )


@dataclass(frozen=True, slots=True)
class _Read:
    sheet: Worksheet
    taken: tuple[Taken, ...]
    beyond_use: date | None
    structure: dict[str, Any]


def _read(entry: Entry, mixture: Mixture, volume: Volume, today: date) -> _Read | tuple[Refused, ...]:
    reading = _Reading(entry=entry, today=today)
    taken = [_stock(reading, at, i.drug) for at, i in enumerate(mixture.ingredients)]
    diluent = _diluent(reading)
    overfill = reading.amount("overfill", entry.overfill, Volume, "1 mL", zero=True)
    beyond_use = _beyond_use(reading)
    _not_behind_stock(reading, beyond_use, [*taken, diluent])
    ph = reading.number("ph", entry.ph)
    _acid(reading, ph, "the mixture", "ph")
    if reading.refused or overfill is None or diluent is None:
        return tuple(reading.refused)
    whole = [t for t in taken if t is not None and t.stock is not None]
    stocks = {t.what: t.stock for t in whole if t.stock is not None}
    sheet = worksheet(mixture, volume, overfill, stocks)
    if isinstance(sheet, Refusal):
        return (of_therapy(sheet, f"strengths.{_weakest(mixture, volume + overfill, stocks)}"),)
    return _Read(sheet, (*whole, diluent), beyond_use, _structure(sheet, whole, diluent, entry, ph))


def _weakest(mixture: Mixture, total: Volume, stocks: Mapping[str, Stock]) -> int:
    """The ingredient of which most stock would be drawn: what is wrong is said there."""
    drawn = [
        i.concentration * total / stock.concentration if isinstance(stock, Solution) else Volume.zero()
        for i in mixture.ingredients
        for stock in (stocks.get(i.drug),)
    ]
    return drawn.index(max(drawn))


def _stock(reading: _Reading, at: int, drug: str) -> Taken | None:
    kind = reading.at("kinds", at)
    if kind not in (SOLUTION, POWDER):
        reading.wrong(Why.MISSING, "no kind of stock", "solution or powder", "choose one", f"kinds.{at}")
    stock = _strength(reading, at, kind)
    product = reading.words(f"products.{at}", reading.at("products", at), "the product, as its label has it")
    lot = reading.words(f"lots.{at}", reading.at("lots", at), "the lot, as its label has it")
    expires = _expiry(reading, f"expires.{at}", reading.at("expires", at))
    _free(reading, f"preservative_free.{at}", reading.at("preservative_free", at), product or "the product")
    ph = reading.number(f"phs.{at}", reading.at("phs", at))
    _acid(reading, ph, product or "the product", f"phs.{at}")
    return None if stock is None or expires is None else Taken(drug, product, lot, expires, stock, ph)


def _strength(reading: _Reading, at: int, kind: str) -> Stock | None:
    name, text = f"strengths.{at}", reading.at("strengths", at).strip()
    if kind != POWDER:
        strength = reading.amount(name, text, Concentration, "25 mg/mL, from the label of the vial")
        return None if strength is None else Solution(strength)
    number = text.removesuffix("%").strip()
    content = reading.number(name, number) if text.endswith("%") else None
    if content is None or not 0 < content <= 100:
        reading.wrong(
            Why.UNREADABLE,
            repr(text[:40]),
            "the content of the powder by its certificate, such as 98 %",
            "enter more than 0 % and at most 100 %",
            name,
        )
        return None
    return Powder(content / 100)


def _expiry(reading: _Reading, name: str, text: str) -> date | None:
    expires = reading.day(name, text)
    if expires is not None and reading.today is not None and expires < reading.today:
        reading.wrong(
            Why.EXPIRED,
            f"stock that expired on {day_text(expires)}",
            f"{day_text(reading.today)} or later",
            "take another lot",
            name,
        )
    return expires


def _free(reading: _Reading, name: str, text: str, product: str) -> None:
    if reading.yes_no(name, text) is False:
        allowed = "preservative-free products only (contraindicated in the reservoir otherwise)"
        reading.wrong(Why.PRESERVED, f"{product}: preserved", allowed, "take a preservative-free product", name)


def _acid(reading: _Reading, ph: Fraction | None, what: str, name: str) -> None:
    if ph is not None and ph <= LOWEST_PH:
        reading.wrong(
            Why.ACID,
            f"{what} at a pH of {_plain(ph)}",
            "a pH above 3 (contraindicated in the reservoir otherwise)",
            "take another product, or do not make it",
            name,
        )


def _diluent(reading: _Reading) -> Taken | None:
    entry = reading.entry
    product = reading.words("diluent_product", entry.diluent_product, "the diluent's product")
    lot = reading.words("diluent_lot", entry.diluent_lot, "the diluent's lot")
    expires = _expiry(reading, "diluent_expires", entry.diluent_expires)
    _free(reading, "diluent_free", entry.diluent_free, product or "the diluent")
    return None if expires is None else Taken("diluent", product, lot, expires)


def _beyond_use(reading: _Reading) -> date | None:
    entry = reading.entry
    day = reading.day("beyond_use", entry.beyond_use, optional=True)
    source = entry.beyond_use_source.strip()
    if day is not None and not source:
        reading.wrong(
            Why.MISSING,
            "a beyond-use day without a source",
            "who says so: a standard, a study, the site's own test",
            "name it, or leave both open",
            "beyond_use_source",
        )
    if source and day is None and entry.beyond_use == "":
        reading.wrong(
            Why.MISSING,
            "a source without a day",
            "the last day on which the fill may begin",
            "enter it, or leave both open",
            "beyond_use",
        )
    if day is not None and reading.today is not None and day < reading.today:
        reading.wrong(
            Why.BEYOND_USE,
            f"{day_text(day)}, which is over",
            f"{day_text(reading.today)} or later",
            "check the day",
            "beyond_use",
        )
    return day


def _not_behind_stock(reading: _Reading, beyond_use: date | None, taken: Sequence[Taken | None]) -> None:
    """A mixture does not outlast what it is made of."""
    usable = (t for t in taken if t is not None and (reading.today is None or t.expires >= reading.today))
    first = min(usable, key=lambda t: t.expires, default=None)
    if beyond_use is not None and first is not None and beyond_use > first.expires:
        found = f"{day_text(beyond_use)}, while {first.product}, lot {first.lot}, expires on {day_text(first.expires)}"
        allowed = "a day up to the first expiry of what goes in"
        reading.wrong(Why.BEYOND_USE, found, allowed, "enter an earlier day, or take another lot", "beyond_use")


def _plain(number: Fraction) -> str:
    return exact_text(number)


def _structure(
    sheet: Worksheet, taken: Sequence[Taken], diluent: Taken, entry: Entry, ph: Fraction | None
) -> dict[str, Any]:
    by_drug = {t.what: t for t in taken}
    return {
        "lines": [_line(line, by_drug[line.drug]) for line in sheet.lines],
        "volume_mL": exact_text(sheet.volume.number("mL")),
        "overfill_mL": exact_text(sheet.overfill.number("mL")),
        "diluent_mL": exact_text(sheet.diluent.number("mL")),
        "diluent": {"product": diluent.product, "lot": diluent.lot, "expires": diluent.expires.isoformat()},
        "beyond_use_source": " ".join(entry.beyond_use_source.split()),
        "osmolality": " ".join(entry.osmolality.split()),
        "ph": None if ph is None else _plain(ph),
        "note": entry.note.strip(),
    }


def _line(line: Line, taken: Taken) -> dict[str, Any]:
    powder = isinstance(taken.stock, Powder)
    return {
        "drug": line.drug,
        "amount_mg": exact_text(line.amount.number("mg")),
        "weigh_mg": exact_text(line.weigh.number("mg")),
        "draw_mL": exact_text(line.draw.number("mL")),
        "kind": POWDER if powder else SOLUTION,
        "stock": _stock_exact(taken.stock),
        "product": taken.product,
        "lot": taken.lot,
        "expires": taken.expires.isoformat(),
        "ph": None if taken.ph is None else _plain(taken.ph),
    }


def _stock_exact(stock: Stock | None) -> str:
    if isinstance(stock, Powder):
        return exact_text(stock.content)
    assert stock is not None  # noqa: S101  (only stock with a strength comes here)
    return exact_text(stock.concentration.number(UNIT))


@dataclass(frozen=True, slots=True)
class SheetLine:
    """One ingredient of a kept worksheet, as amounts again, with the product that it comes from."""

    line: Line
    stock: Stock
    product: str
    lot: str
    expires: str
    ph: str | None

    def stock_text(self, unit: str) -> str:
        """The strength of the stock for the eye."""
        if isinstance(self.stock, Powder):
            return f"powder, {percent_text(self.stock.content)}"
        return self.stock.concentration.text(f"{unit}/mL")


def lines_of(structure: Mapping[str, Any]) -> tuple[SheetLine, ...]:
    """The ingredients of a kept worksheet."""
    return tuple(_sheet_line(line) for line in structure["lines"])


def _sheet_line(line: Mapping[str, Any]) -> SheetLine:
    exact = Fraction(line["stock"])
    stock = Powder(exact) if line["kind"] == POWDER else Solution(Concentration.of(exact, UNIT))
    made = Line(
        line["drug"],
        Mass.of(Fraction(line["amount_mg"]), "mg"),
        Mass.of(Fraction(line["weigh_mg"]), "mg"),
        Volume.of(Fraction(line["draw_mL"]), "mL"),
    )
    return SheetLine(made, stock, line["product"], line["lot"], line["expires"], line["ph"])


def sheet_of(structure: Mapping[str, Any]) -> Worksheet:
    """A kept worksheet as therapy made it, to the last digit."""
    return Worksheet(
        tuple(line.line for line in lines_of(structure)),
        Volume.of(Fraction(structure["volume_mL"]), "mL"),
        Volume.of(Fraction(structure["overfill_mL"]), "mL"),
        Volume.of(Fraction(structure["diluent_mL"]), "mL"),
    )
