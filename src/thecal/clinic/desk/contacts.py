"""Tries to reach a patient: how, about what, and what came of it. Each is kept and never edited."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import select

from thecal.clinic.desk.checking import GivenUp, attempt
from thecal.clinic.desk.lines import refresh
from thecal.clinic.record.tables import Contact, Patient
from thecal.clinic.refused import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Select

    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record
    from thecal.clinic.who import Who

MOST_NOTE = 400

WAYS = {
    "call": "Call by a person",
    "message": "Text message",
    "letter": "Letter",
    "email": "E-mail",
    "relative": "Somebody close to the patient",
    "in person": "In person",
}
ABOUT = {
    "refill": "The next refill",
    "missed": "A missed visit",
    "notice": "A field notice",
    "reading": "An old reading or a stopped pump",
    "help": "Help with coming: transport, language, time off",
    "other": "Something else",
}
OUTCOMES = {
    "reached": "Reached, agreed",
    "reached, not agreed": "Reached, not agreed",
    "message left": "Message left",
    "no answer": "No answer",
    "wrong number": "Wrong number",
}


class No(StrEnum):
    """Why a try was not written down."""

    NO_PATIENT = "no-such-patient"
    NOT_ALLOWED = "not-allowed"


@dataclass(frozen=True, slots=True)
class Entry:
    """A try as it was entered."""

    way: str = ""
    about: str = ""
    outcome: str = ""
    note: str = ""


def write_down(practice: Practice, who: Who, patient_id: int, entry: Entry) -> Contact | tuple[Refused, ...]:
    """Keep a try to reach a patient, and show it on the board."""

    def made(record: Record) -> Contact:
        if record.get(Patient, patient_id) is None:
            raise GivenUp(Refused(No.NO_PATIENT, f"patient {patient_id}", "a patient of this clinic", "look them up"))
        wrong = [*_choice("way", entry.way, WAYS), *_choice("about", entry.about, ABOUT)]
        wrong += [*_choice("outcome", entry.outcome, OUTCOMES), *_note(entry.note)]
        if wrong:
            raise GivenUp(*wrong)
        contact = record.keep(
            Contact(
                patient_id=patient_id,
                way=entry.way,
                about=entry.about,
                outcome=entry.outcome,
                note=entry.note.strip(),
            )
        )
        refresh(record, patient_id, practice.formulary)
        return contact

    return attempt(practice, who, "contact written down", patient_id, made)


def _choice(field: str, found: str, allowed: Mapping[str, str]) -> list[Refused]:
    if found in allowed:
        return []
    return [Refused(No.NOT_ALLOWED, found or "nothing", ", ".join(allowed.values()), "choose one", field)]


def _note(text: str) -> list[Refused]:
    if len(text.strip()) <= MOST_NOTE:
        return []
    return [Refused(No.NOT_ALLOWED, f"{len(text)} characters", f"up to {MOST_NOTE}", "shorten it", "note")]


def contacts_of(patient_id: int) -> Select[Contact]:
    """A patient's tries, the newest first."""
    query = select(Contact).where(Contact.patient_id == patient_id)
    return query.order_by(Contact.at_utc_s.desc(), Contact.id.desc())
