"""Patients: looking them up, taking them on, what is known of them, and which pump and catheter they have.

In come entries as they were typed; out come rows, or refusals at the field. Facts that nobody has said stay unknown:
the review asks for them, and nothing here fills them in.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, or_, select

from thecal.clinic.desk.lines import refresh
from thecal.clinic.record.tables import Implant, Patient
from thecal.clinic.refused import Refused
from thecal.clinic.sought import folded, sought
from thecal.pump.families import Calibration, CalibrationError, family, load_families
from thecal.quantities import AmountError, Length, LinearVolume, Quantity, Volume
from thecal.therapy.order import Indication

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from thecal.clinic.practice import Practice
    from thecal.clinic.who import Who

PAGE = 50
"""Lines on one page of a list. Ours."""
MOST_WORDS = 200
OLDEST_YEARS = 130
HEAVIEST_G = 500_000
YES_NO = {"yes": True, "no": False, "": None}


class Wrong(StrEnum):
    """Why a patient or an implant was not written down."""

    MISSING = "missing"
    NOT_ALLOWED = "not allowed"
    TAKEN = "taken"
    IN_USE = "in use"


@dataclass(frozen=True, slots=True)
class Found:
    """One page of patients that a search found. ``page`` counts from 1."""

    rows: list[Patient]
    total: int
    page: int

    @property
    def pages(self) -> int:
        """How many pages there are, at least one."""
        return max(1, -(-self.total // PAGE))


def find(db: Session, text: str = "", page: int = 1) -> Found:
    """Patients whose name or number holds every word of ``text``; a page beyond the last is the last."""
    query = select(Patient)
    for word in sought(text):
        query = query.where(Patient.search.contains(word, autoescape=True))
    total = db.scalar(select(func.count()).select_from(query.subquery())) or 0
    at = min(max(1, page), max(1, -(-total // PAGE)))
    ordered = query.order_by(func.lower(Patient.family), func.lower(Patient.given), Patient.id)
    return Found(list(db.scalars(ordered.limit(PAGE).offset((at - 1) * PAGE))), total, at)


# What is entered ------------------------------------------------------------------------------------------------------


@dataclass
class _Entry:
    """Entries of one form, read one by one; ``refused`` gathers what is wrong with them."""

    values: Mapping[str, str]
    refused: list[Refused] = field(default_factory=list)

    def wrong(self, name: str, found: str, allowed: str, then: str, code: Wrong = Wrong.NOT_ALLOWED) -> None:
        self.refused.append(Refused(code, found, allowed, then, name))

    def words(self, name: str, what: str, *, needed: bool = True) -> str:
        text = " ".join(self.values.get(name, "").split())
        if needed and not text:
            self.wrong(name, f"no {what}", "some words", f"enter the {what}", Wrong.MISSING)
        elif len(text) > MOST_WORDS or not text.isprintable():
            self.wrong(name, f"{len(text)} characters", f"up to {MOST_WORDS} printable ones", "shorten it")
        return text

    def choice(self, name: str, what: str, allowed: tuple[str, ...], *, needed: bool = False) -> str | None:
        text = self.values.get(name, "")
        if not text and not needed:
            return None
        if text not in allowed:
            self.wrong(name, repr(text) if text else f"no {what}", ", ".join(allowed), "choose one of them")
            return None
        return text

    def yes_no(self, name: str, what: str) -> bool | None:
        text = self.choice(name, what, ("yes", "no"))
        return YES_NO[text or ""]

    def names(self, name: str) -> list[str] | None:
        """A list with commas; "none" says that there is none, nothing says that nobody knows."""
        text = self.values.get(name, "").strip()
        if not text:
            return None
        if text.lower() == "none":
            return []
        found = [" ".join(part.split()) for part in text.split(",")]
        if any(not part for part in found) or len(set(found)) != len(found) or len(text) > MOST_WORDS:
            self.wrong(name, repr(text), 'names with commas between them, each once, or "none"', "correct the list")
            return None
        return found

    def day(self, name: str, what: str, latest: date, *, needed: bool = True) -> date | None:
        text = self.values.get(name, "").strip()
        if not text and not needed:
            return None
        try:
            found = date.fromisoformat(text)
        except ValueError:
            found = None
        earliest = latest.replace(year=latest.year - OLDEST_YEARS, day=1)
        if found is None or not earliest <= found <= latest:
            allowed = f"a day from {earliest.isoformat()} to {latest.isoformat()}, year first"
            self.wrong(name, repr(text) if text else f"no {what}", allowed, f"enter the {what}")
            return None
        return found

    def amount(self, name: str, kind: type[Quantity], *, needed: bool = False) -> Any:
        text = self.values.get(name, "").strip()
        if not text and not needed:
            return None
        try:
            return kind.parse(text)
        except AmountError as wrong:
            self.wrong(
                name, repr(text) if text else "no amount", f"an amount as {kind.example()} ({wrong})", "correct it"
            )
            return None


def take_on(practice: Practice, who: Who, entered: Mapping[str, str]) -> Patient | tuple[Refused, ...]:
    """Take a patient on. The reference that goes into orders and pumps is made here and says nothing of the person."""
    entry = _Entry(entered)
    number = entry.words("number", "clinic's number")
    known = _facts(entry) | _contact(entry) | _person(entry, practice)
    with practice.reading() as db:
        if number and db.scalars(select(Patient.id).where(Patient.number == number)).first() is not None:
            entry.wrong(
                "number", f"{number}, which another patient has", "a number that is free", "check it", Wrong.TAKEN
            )
    if entry.refused:
        return tuple(entry.refused)
    with practice.writing(who, "patient taken on") as record:
        reference = f"T-{secrets.token_hex(6)}"
        return record.keep(Patient(number=number, reference=reference, search=_search(known, number), **known))


def change_facts(
    practice: Practice, who: Who, patient_id: int, seen: int, entered: Mapping[str, str]
) -> Patient | tuple[Refused, ...]:
    """Change what the review knows of a patient; EditedMeanwhile where somebody else did so since revision ``seen``."""
    entry = _Entry(entered)
    known = _facts(entry)
    if entry.refused:
        return tuple(entry.refused)
    with practice.writing(who, "patient facts changed", patient_id) as record:
        patient = record.get(Patient, patient_id)
        if patient is None:
            raise LookupError(f"no patient {patient_id}")
        record.change(patient, "facts", seen, **known)
        refresh(record, patient_id, practice.formulary)
        return patient


def _person(entry: _Entry, practice: Practice) -> dict[str, Any]:
    today = datetime.fromtimestamp(practice.now_s(), UTC).date()
    return {
        "given": entry.words("given", "given name"),
        "family": entry.words("family", "family name"),
        "birth_date": entry.day("birth_date", "birth date", today),
    }


def _contact(entry: _Entry) -> dict[str, Any]:
    return {
        "phone": entry.words("phone", "telephone", needed=False),
        "language": entry.words("language", "language"),
        "risks": entry.names("risks") or [],
    }


def _facts(entry: _Entry) -> dict[str, Any]:
    weight = entry.values.get("weight_kg", "").strip()
    grams = _grams(entry, weight) if weight else None
    return {
        "indication": entry.choice("indication", "indication", tuple(Indication)),
        "opioid_naive": entry.yes_no("opioid_naive", "answer"),
        "sleep_apnea": entry.yes_no("sleep_apnea", "answer"),
        "sedatives": entry.names("sedatives"),
        "systemic_opioids": entry.names("systemic_opioids"),
        "contraindications": entry.names("contraindications"),
        "weight_g": grams,
    }


def _grams(entry: _Entry, text: str) -> int | None:
    whole, point, part = text.partition(".")
    sound = whole.isascii() and whole.isdigit() and len(whole) <= 3
    good = sound and (not point or (part.isascii() and part.isdigit() and len(part) <= 3))
    grams = int(whole) * 1000 + int(part.ljust(3, "0") or 0) if good else 0
    if not 0 < grams <= HEAVIEST_G:
        entry.wrong("weight_kg", repr(text), f"kilograms, over 0 and up to {HEAVIEST_G // 1000}", "correct the weight")
        return None
    return grams


def _search(known: Mapping[str, Any], number: str) -> str:
    return folded(f"{known['given']} {known['family']} {number}")


# Pump and catheter ----------------------------------------------------------------------------------------------------


def implant(practice: Practice, who: Who, patient_id: int, entered: Mapping[str, str]) -> Implant | tuple[Refused, ...]:
    """Write down which pump and catheter a patient has, as measured at the implant.

    The dead volume comes of it, so that lengths and the volume for each length are needed together or not at all.
    """
    entry = _Entry(entered)
    made = _implant(entry, practice, patient_id)
    with practice.reading() as db:
        _free(entry, db, patient_id, made["serial"])
    if entry.refused:
        return tuple(entry.refused)
    with practice.writing(who, "implant written down", patient_id) as record:
        implant = record.keep(Implant(**made))
        refresh(record, patient_id, practice.formulary)
        return implant


def _implant(entry: _Entry, practice: Practice, patient_id: int) -> dict[str, Any]:
    today = datetime.fromtimestamp(practice.now_s(), UTC).date()
    chosen = entry.choice("family", "family of pumps", tuple(load_families()), needed=True)
    lengths = {
        "catheter_supplied": entry.amount("catheter_supplied", Length),
        "catheter_removed": entry.amount("catheter_removed", Length),
        "catheter_volume": entry.amount("catheter_volume", LinearVolume),
    }
    if 0 < sum(value is None for value in lengths.values()) < len(lengths):
        found = "a part of the catheter's measures"
        entry.wrong("catheter_supplied", found, "all three of them, or none", "enter the others", Wrong.MISSING)
    supplied, removed = lengths["catheter_supplied"], lengths["catheter_removed"]
    if supplied is not None and removed is not None and not removed < supplied:
        found = f"{removed.text('cm')} removed of {supplied.text('cm')}"
        entry.wrong("catheter_removed", found, "less than was supplied", "measure again")
    measured = {"stroke": entry.amount("stroke", Volume), "tubing": entry.amount("tubing", Volume)}
    if chosen is not None:
        try:
            family(chosen).envelope(Calibration(stroke=measured["stroke"], tubing=measured["tubing"]))
        except CalibrationError as wrong:
            entry.wrong("stroke", str(wrong), "what a pump of this family can have", "read the pump's label again")
    return {
        "patient_id": patient_id,
        "serial": entry.words("serial", "serial number"),
        "family": chosen or "",
        "model": entry.words("model", "model"),
        "lot": entry.words("lot", "lot", needed=False),
        "udi": entry.words("udi", "UDI", needed=False),
        "implanted_on": entry.day("implanted_on", "day of the implant", today),
        "site": entry.words("site", "site", needed=False),
        "catheter_model": entry.words("catheter_model", "model of the catheter", needed=False),
        "tip_level": entry.words("tip_level", "level of the tip", needed=False) or None,
        **lengths,
        **measured,
    }


def _free(entry: _Entry, db: Session, patient_id: int, serial: str) -> None:
    """A pump is in one patient, and a patient has one pump."""
    query = select(Implant).where(
        Implant.until.is_(None), or_(Implant.serial == serial, Implant.patient_id == patient_id)
    )
    for other in db.scalars(query):
        if other.serial == serial:
            entry.wrong(
                "serial", f"pump {serial}, which is in a patient", "a pump that is in nobody", "check it", Wrong.IN_USE
            )
        else:
            found = f"a patient who has pump {other.serial}"
            entry.wrong("serial", found, "a patient without a pump", "write down the explant first", Wrong.IN_USE)
