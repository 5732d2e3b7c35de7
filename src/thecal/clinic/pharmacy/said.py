"""A worksheet and a label in words: every amount as it is shown, for screens and papers alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from thecal.clinic.pharmacy.labeling import label_lines
from thecal.clinic.pharmacy.mixtures import name_of, unit_of
from thecal.clinic.pharmacy.worksheets import lines_of, sheet_of
from thecal.clinic.record.tables import Act, Person, Preparation
from thecal.therapy.refusal import day_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from thecal.formulary import Formulary
    from thecal.therapy.compounding import LabelLine

NO_NOTE = "the formulary has no note on pH, osmolality or handling"


@dataclass(frozen=True, slots=True)
class SaidLine:
    """One ingredient of a worksheet, in words; ``weigh`` or ``draw`` is empty, whichever is not done."""

    name: str
    drug_class: str
    amount: str
    stock: str
    product: str
    lot: str
    expires: date
    weigh: str
    draw: str
    ph: str


@dataclass(frozen=True, slots=True)
class SaidSheet:
    """A worksheet in words. ``check_sum`` is every draw and the diluent; it equals ``total``."""

    lines: tuple[SaidLine, ...]
    volume: str
    overfill: str
    total: str
    diluent: str
    diluent_product: str
    diluent_lot: str
    check_sum: str
    ph: str
    osmolality: str
    beyond_use_source: str
    note: str
    by_name: str
    made: int


@dataclass(frozen=True, slots=True)
class SaidLabelLine:
    """One drug of a label: its name in tall-man letters, total amount per total volume, then the strength."""

    name: str
    drug_class: str
    main: str
    strength: str


def sheet_in_words(structure: Mapping[str, Any], formulary: Formulary) -> SaidSheet:
    """A kept worksheet for the eye."""
    sheet = sheet_of(structure)
    return SaidSheet(
        lines=_lines(structure, formulary),
        volume=sheet.volume.text("mL"),
        overfill=sheet.overfill.text("mL"),
        total=sheet.total.text("mL"),
        diluent=sheet.diluent.text("mL"),
        diluent_product=structure["diluent"]["product"],
        diluent_lot=structure["diluent"]["lot"],
        check_sum=sheet.check_sum.text("mL"),
        ph=structure["ph"] or "",
        osmolality=structure["osmolality"],
        beyond_use_source=structure["beyond_use_source"],
        note=structure["note"],
        by_name=structure["by_name"],
        made=structure["made"],
    )


def _lines(structure: Mapping[str, Any], formulary: Formulary) -> tuple[SaidLine, ...]:
    said = []
    for one in lines_of(structure):
        line, unit = one.line, unit_of(one.line.drug, formulary)
        said.append(
            SaidLine(
                name_of(line.drug, formulary),
                class_of(line.drug, formulary),
                line.amount.text(unit),
                one.stock_text(unit),
                one.product,
                one.lot,
                date.fromisoformat(one.expires),
                line.weigh.text(unit) if line.weigh else "",
                line.draw.text("mL") if line.draw else "",
                one.ph or "",
            )
        )
    return tuple(said)


def label_in_words(structure: Mapping[str, Any], formulary: Formulary) -> tuple[SaidLabelLine, ...]:
    """The drugs of a label for the eye."""
    return tuple(_label_line(line, formulary) for line in label_lines(structure, formulary))


def _label_line(line: LabelLine, formulary: Formulary) -> SaidLabelLine:
    name = name_of(line.drug, formulary)
    return SaidLabelLine(name, class_of(line.drug, formulary), line.main.removeprefix(f"{line.drug} "), line.strength)


def class_of(code: str, formulary: Formulary) -> str:
    """What a drug is, in words; the chip that carries its color carries them too."""
    drug = formulary.drugs.get(code)
    if drug is None:
        return "class not known"
    return "opioid" if drug.drug_class.is_opioid else str(drug.drug_class)


def handling_notes(drugs: tuple[str, ...], formulary: Formulary) -> tuple[tuple[str, str, str], ...]:
    """What the formulary says on pH, precipitation and handling of each drug: name, note, by whom."""
    notes = []
    for code in drugs:
        drug = formulary.drugs.get(code)
        held = drug.handling if drug is not None else ()
        name = name_of(code, formulary)
        notes += [(name, s.text, f"{s.source.name}{'' if s.source.verified else ', not verified'}") for s in held]
        if not held:
            notes.append((name, NO_NOTE, ""))
    return tuple(notes)


@dataclass(frozen=True, slots=True)
class Happened:
    """One act on a syringe: what, when, by whom, and what was said with it."""

    kind: str
    at_utc_s: int
    by: str
    said: str


def history(db: Session, preparation_id: int) -> tuple[Happened, ...]:
    """Everything that was done with a syringe, in order."""
    query = (
        select(Act, Person.name)
        .outerjoin(Person, Person.id == Act.by_person)
        .where(Act.subject_kind == Preparation.__tablename__, Act.subject_id == preparation_id)
        .order_by(Act.id)
    )
    return tuple(Happened(_kind(act), act.at_utc_s, name or "Thecal", _said(act)) for act, name in db.execute(query))


def _kind(act: Act) -> str:
    return {"made": "ordered", "prepared": "worksheet written"}.get(act.kind, act.kind)


def _said(act: Act) -> str:
    details = act.details
    if act.kind == "needed-by moved":
        why = f" ({details['why']})" if details.get("why") else ""
        return f"from {_day(details['was'])} to {_day(details['needed_by'])}{why}"
    if act.kind == "limit passed":
        last = details["overridden"][-1]
        return f"{last['what']}: {last['why']}"
    if act.kind == "labeled":
        return str(details["syringe_code"])
    return str(details.get("why") or details.get("carrier") or "")


def _day(iso: str) -> str:
    on = date.fromisoformat(iso)
    return day_text(on)


def person_who(db: Session, preparation_id: int, kind: str) -> str:
    """Who did the newest act of a kind on a syringe; empty where nobody did."""
    query = (
        select(Person.name)
        .join(Act, Act.by_person == Person.id)
        .where(Act.subject_kind == Preparation.__tablename__, Act.subject_id == preparation_id, Act.kind == kind)
        .order_by(Act.id.desc())
    )
    return db.scalars(query.limit(1)).first() or ""
