"""A lot of stock is recalled: what was made of it and is not used yet is given up, and whose pump holds it is a task.

From then on no worksheet takes the lot. All of it is one transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thecal.clinic.pharmacy.lookup import FromLot, lot_key, recalled, stock_lot
from thecal.clinic.pharmacy.refusing import Why, refused
from thecal.clinic.pharmacy.states import OPEN, State
from thecal.clinic.pharmacy.stepping import canceled
from thecal.clinic.record.tables import RecalledLot

if TYPE_CHECKING:
    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record
    from thecal.clinic.refused import Refused
    from thecal.clinic.who import Who

SHORTEST_WHY = 8
MOST_LOT = 100


@dataclass(frozen=True, slots=True)
class Recalled:
    """What a recall did: syringes that were given up, and those of which a pump was filled, by their number."""

    lot: RecalledLot
    given_up: tuple[int, ...]
    in_pumps: tuple[int, ...]


def recall(practice: Practice, who: Who, lot: str, why: str) -> Recalled | tuple[Refused, ...]:
    """Recall a lot, by name and with a reason; refused where it is recalled already."""
    said, reason = " ".join(lot.split()), " ".join(why.split())
    wrong = []
    if not 0 < len(said) <= MOST_LOT or not said.isprintable():
        wrong.append(refused(Why.MISSING, repr(said[:40]), "the lot, as its label has it", "enter it", "lot"))
    if len(reason) < SHORTEST_WHY:
        allowed = "a reason in words, such as the number of the maker's notice"
        wrong.append(refused(Why.MISSING, repr(reason), allowed, "say why it is recalled", "why"))
    if wrong:
        return tuple(wrong)
    with practice.writing(who, "lot recalled", lot=said) as record:
        if recalled(record.session, (said,)):
            allowed = "a lot that is in use"
            return (refused(Why.OUT_OF_ORDER, f"the lot {said}, recalled already", allowed, "look at its syringes"),)
        row = record.keep(RecalledLot(lot=said, lot_key=lot_key(said), why=reason))
        return _followed(record, row)


def _followed(record: Record, row: RecalledLot) -> Recalled:
    """Give up what is on its way, and raise a task for each pump that was filled."""
    why = f"lot {row.lot} is recalled: {row.why}"
    found = {one.preparation.id: one for one in stock_lot(record.session, row.lot) if one.current}
    given_up = [number for number, one in found.items() if one.where in OPEN]
    in_pumps = [number for number, one in found.items() if one.where is State.USED]
    for number in given_up:
        canceled(record, number, why)
    for number in in_pumps:
        _in_a_pump(record, found[number], row)
    return Recalled(row, tuple(given_up), tuple(in_pumps))


def _in_a_pump(record: Record, one: FromLot, row: RecalledLot) -> None:
    from thecal.clinic.desk.tasks import raise_task  # noqa: PLC0415  (the desk reads the pharmacy's states)

    what = f"{one.taken.product}, lot {row.lot}, is recalled ({row.why}), and went into this patient's pump"
    raise_task(record, f"lot {row.lot_key} recalled, preparation {one.preparation.id}", one.patient.id, kind="recall",
        text=f"{what}. Decide what is done.", due_utc_s=record.now_s, for_role="physician")  # fmt: skip
