"""The way of a syringe in a demonstration: ordered, made, checked blind, labeled, released, shipped, received.

Everything is done by the functions of the pharmacy. Stock is made up: of one strength for a drug alone, four times as
strong where drugs are mixed.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from thecal.clinic.pharmacy import checking, ordering, worksheets
from thecal.clinic.pharmacy.states import State
from thecal.clinic.pharmacy.way import put_label, receive, release, step
from thecal.clinic.pharmacy.worksheets import sheet_of
from thecal.clinic.record.tables import Preparation
from thecal.demonstration.acts import done

if TYPE_CHECKING:
    from datetime import date

    from thecal.clinic.practice import Practice
    from thecal.clinic.record.tables import Patient
    from thecal.clinic.who import Who
    from thecal.demonstration.scenario import Therapy
    from thecal.quantities import Concentration, Volume
    from thecal.therapy.mixture import Mixture

_OVERFILL = "1 mL"
_DILUENT = "sodium chloride 0.9 %, preservative-free"
_STOCK_DAYS = 300
_BEYOND_USE_DAYS = 30
_MIXED = 4


class Pharmacists:
    """A pharmacist and a second one, who make syringes for a nurse to receive; a physician orders them."""

    def __init__(self, practice: Practice, physician: Who, nurse: Who, first: Who, second: Who) -> None:
        self._practice = practice
        self._physician = physician
        self._nurse = nurse
        self._first = first
        self._second = second

    def order(self, patient: Patient, therapy: Therapy, volume: Volume, today: date, needed_by: date) -> int:
        """Order a syringe of a therapy's mixture; the number of its preparation."""
        parts = therapy.mixture.ingredients
        entry = ordering.Entry(
            patient.id,
            drugs=tuple(part.drug for part in parts),
            strengths=tuple(part.concentration.text("mg/mL", 6) for part in parts),
            volume=volume.text("mL"),
            diluent=_DILUENT,
            preservative_free="yes",
            needed_by=needed_by.isoformat(),
        )
        made: Any = done(
            ordering.order(self._practice, self._physician, entry, today), f"a syringe for {patient.number}"
        )
        done(step(self._practice, self._first, made.id, State.ACCEPTED), f"accepting the syringe of {patient.number}")
        return int(made.id)

    def make(self, preparation_id: int, mixture: Mixture, today: date) -> None:
        """Write the worksheet, check it blind, label and release."""
        what = f"preparation {preparation_id}"
        written: Any = done(
            worksheets.write(self._practice, self._first, preparation_id, _sheet(mixture, today), today), what
        )
        sheet = sheet_of(written.worksheet)
        second = checking.Entry(
            drugs=tuple(line.drug for line in sheet.lines),
            strengths=tuple(_stock(mixture, line.drug).text("mg/mL", 6) for line in sheet.lines),
            draws=tuple(line.draw.text("mL", 6) for line in sheet.lines if line.draw is not None),
            total=sheet.total.text("mL", 6),
        )
        done(checking.check(self._practice, self._second, preparation_id, second), what)
        done(put_label(self._practice, self._first, preparation_id), what)
        done(release(self._practice, self._first, preparation_id), what)

    def ship(self, preparation_id: int) -> None:
        """Hand it to the courier."""
        done(step(self._practice, self._first, preparation_id, State.SHIPPED, carrier="own driver"), "shipping")

    def receive(self, preparation_id: int) -> str:
        """Take it in at the clinic; its code."""
        with self._practice.reading() as db:
            row = db.get(Preparation, preparation_id)
        assert row is not None and row.syringe_code is not None  # noqa: S101 -- it was labeled here
        done(receive(self._practice, self._nurse, row.syringe_code), f"receiving {row.syringe_code}")
        return row.syringe_code


def _stock(mixture: Mixture, drug: str) -> Concentration:
    """The strength of the made-up stock of a drug."""
    wanted = next(i.concentration for i in mixture.ingredients if i.drug == drug)
    return wanted if len(mixture.ingredients) == 1 else wanted * _MIXED


def _sheet(mixture: Mixture, today: date) -> worksheets.Entry:
    drugs = [i.drug for i in mixture.ingredients]
    many = len(drugs)
    expires = (today + timedelta(days=_STOCK_DAYS)).isoformat()
    return worksheets.Entry(
        kinds=("solution",) * many,
        strengths=tuple(_stock(mixture, drug).text("mg/mL", 6) for drug in drugs),
        products=tuple(f"{drug} for injection (made up)" for drug in drugs),
        lots=tuple(f"LOT-{drug[:3].upper()}-7" for drug in drugs),
        expires=(expires,) * many,
        preservative_free=("yes",) * many,
        phs=("",) * many,
        overfill=_OVERFILL,
        diluent_product="Sodium chloride 0.9 %",
        diluent_lot="LOT-NACL-2",
        diluent_expires=expires,
        diluent_free="yes",
        beyond_use=(today + timedelta(days=_BEYOND_USE_DAYS)).isoformat(),
        beyond_use_source="The pharmacy's own sterility test (made up)",
    )
