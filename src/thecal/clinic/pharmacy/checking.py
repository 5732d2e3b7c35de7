"""The second pharmacist: enters drug, strength and volume of every draw without seeing them; the machine compares."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from thecal.clinic.pharmacy.entries import Entered
from thecal.clinic.pharmacy.refusing import Why, refused, stopped
from thecal.clinic.pharmacy.states import State
from thecal.clinic.pharmacy.stepping import before, changed
from thecal.clinic.pharmacy.worksheets import SheetLine, lines_of, sheet_of
from thecal.clinic.record.columns import exact_text
from thecal.clinic.record.tables import DoubleCheck, Preparation
from thecal.clinic.refused import Refused
from thecal.quantities import Concentration, Mass, Quantity, Volume
from thecal.therapy.compounding import Powder, Solution

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thecal.clinic.practice import Practice
    from thecal.clinic.who import Who

TOLERANCE = Fraction(1, 100)
"""Two readings of the same draw may differ by so much of it: 1 %. Ours, not verified."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the second person entered: drug, strength of the stock, and what was drawn or weighed."""

    drugs: Sequence[str] = ()
    strengths: Sequence[str] = ()
    draws: Sequence[str] = ()
    total: str = ""


def check(
    practice: Practice, who: Who, preparation_id: int, entry: Entry, seen: int | None = None
) -> Preparation | tuple[Refused, ...]:
    """Compare a blind second entry with the worksheet. A match takes the syringe on; a difference is kept and refused.

    The refusal names the line and what differs, never what the first person entered.
    """
    with practice.reading() as db:
        found = before(db, preparation_id, State.CHECKED)
    if isinstance(found, Refused):
        return (found,)
    if found.worksheet["by"] == who.person_id:
        allowed = f"anybody but {found.worksheet['by_name']}, who wrote the worksheet"
        return (refused(Why.SAME_PERSON, who.name, allowed, "ask a second pharmacist"),)
    different = _compared(entry, lines_of(found.worksheet), sheet_of(found.worksheet).total)
    unread = tuple(r for r in different if r.code in (Why.MISSING, Why.UNREADABLE))
    if unread:
        return unread
    with practice.writing(who, "worksheet checked", found.patient_id) as record:
        record.keep(_kept(found, who, entry, matched=not different))
        if not different:
            row = changed(record, preparation_id, State.CHECKED, seen)
            return (row,) if isinstance(row, Refused) else row
    return stopped(practice, who, found.patient_id, different)


def _kept(row: Preparation, who: Who, entry: Entry, *, matched: bool) -> DoubleCheck:
    second: dict[str, Any] = {
        "drugs": list(entry.drugs),
        "strengths": list(entry.strengths),
        "draws": list(entry.draws),
        "total": entry.total,
        "person": who.name,
    }
    return DoubleCheck(
        patient_id=row.patient_id,
        session_id=None,
        what=f"worksheet of preparation {row.id}",
        first_person=row.worksheet["by"],
        first={"lines": row.worksheet["lines"], "made": row.worksheet["made"]},
        second=second,
        matched=int(matched),
    )


def _compared(entry: Entry, lines: Sequence[SheetLine], total: Volume) -> tuple[Refused, ...]:
    reading = Entered()
    left = {line.line.drug: line for line in lines}
    for at in range(len(lines)):
        drug = _at(entry.drugs, at)
        line = left.pop(drug, None)
        if not drug:
            reading.wrong(Why.MISSING, "no drug", "the drug of each draw", "read it from the vial", f"drugs.{at}")
        elif line is None:
            _differs(reading, f"drugs.{at}", "drug")
        elif isinstance(line.stock, Powder):
            _powder(reading, entry, at, line, line.stock)
        else:
            _solution(reading, entry, at, line, line.stock)
    whole = reading.amount("total", entry.total, Volume, "21 mL")
    if whole is not None and not _same(whole, total):
        _differs(reading, "total", "total volume")
    return tuple(reading.refused)


def _powder(reading: Entered, entry: Entry, at: int, line: SheetLine, stock: Powder) -> None:
    name, text = f"strengths.{at}", _at(entry.strengths, at)
    content = reading.number(name, text.removesuffix("%").strip()) if text.endswith("%") else None
    if content is None:
        allowed = "the content of the powder, such as 98 %"
        reading.wrong(Why.MISSING, repr(text[:40]), allowed, "read it from the certificate", name)
    elif content / 100 != stock.content:
        _differs(reading, name, "content of the powder")
    weighed = reading.amount(f"draws.{at}", _at(entry.draws, at), Mass, "120 mg")
    if weighed is not None and not _same(weighed, line.line.weigh):
        _differs(reading, f"draws.{at}", "amount weighed")


def _solution(reading: Entered, entry: Entry, at: int, line: SheetLine, stock: Solution) -> None:
    strength = reading.amount(f"strengths.{at}", _at(entry.strengths, at), Concentration, "25 mg/mL")
    if strength is not None and strength != stock.concentration:
        _differs(reading, f"strengths.{at}", "strength of the stock")
    volume = reading.amount(f"draws.{at}", _at(entry.draws, at), Volume, "1.6 mL")
    if volume is not None and not _same(volume, line.line.draw):
        _differs(reading, f"draws.{at}", "volume drawn")


def _differs(reading: Entered, name: str, what: str) -> None:
    reading.wrong(
        Why.MISMATCH,
        f"a {what} that is not what the worksheet has",
        "both entries the same",
        "look at vials and syringes together; enter it again, or write the worksheet anew",
        name,
    )


def _same(one: Quantity, other: Quantity) -> bool:
    return type(one) is type(other) and abs(one - other) <= abs(other) * TOLERANCE  # type: ignore[operator]


def _at(values: Sequence[str], index: int) -> str:
    return values[index].strip() if index < len(values) else ""


def tolerance_text() -> str:
    """The tolerance for the eye."""
    return f"{exact_text(TOLERANCE * 100)} %"
