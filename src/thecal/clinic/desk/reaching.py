"""How a patient is reached, what makes coming hard, and whether their visits may stand in calendars."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from thecal.clinic.desk.checking import GivenUp, attempt
from thecal.clinic.desk.lines import refresh
from thecal.clinic.record.tables import Patient
from thecal.clinic.refused import Refused

if TYPE_CHECKING:
    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record
    from thecal.clinic.who import Who

MOST_WORDS = 80
MOST_RISKS = 12


class No(StrEnum):
    """Why nothing was changed."""

    NO_PATIENT = "no-such-patient"
    WORDS = "not-allowed"


@dataclass(frozen=True, slots=True)
class Entry:
    """As it was entered: ``risks`` one a line, ``in_feeds`` "yes" or "no"."""

    phone: str = ""
    language: str = ""
    risks: str = ""
    in_feeds: str = ""


def change_reach(
    practice: Practice, who: Who, patient_id: int, seen: int, entry: Entry
) -> Patient | tuple[Refused, ...]:
    """Change it, and show it on the board; EditedMeanwhile where somebody else did so since revision ``seen``."""

    def made(record: Record) -> Patient:
        patient = record.get(Patient, patient_id)
        if patient is None:
            raise GivenUp(Refused(No.NO_PATIENT, f"patient {patient_id}", "a patient of this clinic", "look them up"))
        risks = [" ".join(line.split()) for line in entry.risks.splitlines() if line.strip()]
        wrong = _wrong(entry, risks)
        if wrong:
            raise GivenUp(*wrong)
        record.change(
            patient, "contact", seen, phone=" ".join(entry.phone.split()), language=" ".join(entry.language.split()),
            risks=list(dict.fromkeys(risks)), in_feeds=entry.in_feeds == "yes",
        )  # fmt: skip
        refresh(record, patient_id, practice.formulary)
        return patient

    return attempt(practice, who, "patient contact changed", patient_id, made)


def _wrong(entry: Entry, risks: list[str]) -> list[Refused]:
    wrong = []
    if len(entry.phone) > MOST_WORDS or not entry.phone.isprintable():
        wrong.append(Refused(No.WORDS, f"{len(entry.phone)} characters", f"up to {MOST_WORDS}", "shorten it", "phone"))
    if not 1 <= len(entry.language.strip()) <= MOST_WORDS or not entry.language.isprintable():
        found = entry.language.strip()[:40] or "no language"
        wrong.append(Refused(No.WORDS, found, "the name of a language", "say which one the patient wants", "language"))
    if len(risks) > MOST_RISKS or any(len(risk) > MOST_WORDS or not risk.isprintable() for risk in risks):
        allowed = f"up to {MOST_RISKS} lines of up to {MOST_WORDS} characters"
        wrong.append(Refused(No.WORDS, f"{len(risks)} lines", allowed, "shorten them", "risks"))
    if entry.in_feeds not in ("yes", "no"):
        wrong.append(Refused(No.WORDS, entry.in_feeds or "nothing", "yes, no", "choose one", "in_feeds"))
    return wrong
