"""Field notices of makers: entered, matched with every pump in use, and closed when each patient was dealt with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from thecal.clinic.desk.checking import GivenUp, alone, attempt
from thecal.clinic.desk.lines import refresh
from thecal.clinic.desk.matching import bad_range, matches
from thecal.clinic.record.tables import BoardLine, FieldNotice, Implant, Interrogation, NoticeHandled, Patient
from thecal.clinic.refused import EditedMeanwhile, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record
    from thecal.clinic.who import Who

MOST_WORDS = 400
MOST_LISTED = 500
LISTS = ("families", "models", "serials", "softwares", "catheters")
"""What a notice is matched by: the fields of its entry and of its row."""
PAGE = 50


class No(StrEnum):
    """Why a notice was not entered, handled or closed."""

    MISSING = "missing"
    DAY = "not-a-day"
    MATCHES_ALL = "matches-all"
    TOO_MANY = "too-many"
    RANGE = "not-a-range"
    NO_NOTICE = "no-such-notice"
    NOT_MATCHED = "not-about-this-patient"
    ALREADY = "already-handled"
    CLOSED = "notice-is-closed"
    OPEN_PATIENTS = "patients-not-handled"


@dataclass(frozen=True, slots=True)
class Entry:
    """A notice as it was entered; lists are one entry a line or with commas. ``all_pumps`` is "yes" for every pump."""

    title: str = ""
    source: str = ""
    published_on: str = ""
    action: str = ""
    families: str = ""
    models: str = ""
    serials: str = ""
    softwares: str = ""
    catheters: str = ""
    all_pumps: str = ""


@dataclass(frozen=True, slots=True)
class Matched:
    """A patient whose pump a notice is about; ``software`` is None where unknown, ``handled`` None where still open."""

    patient: Patient
    implant: Implant
    software: str | None
    handled: NoticeHandled | None


def enter(practice: Practice, who: Who, entry: Entry) -> FieldNotice | tuple[Refused, ...]:
    """Keep a notice, and show it on the board for every pump that it is about."""

    def made(record: Record) -> FieldNotice:
        day = _checked(entry)
        notice = record.keep(
            FieldNotice(
                title=entry.title.strip(),
                source=entry.source.strip(),
                published_on=day,
                action=entry.action.strip(),
                open=True,
                **{name: listed(getattr(entry, name)) for name in LISTS},
            )
        )
        _onto_lines(record, notice)
        return notice

    return attempt(practice, who, "field notice entered", None, made)


def handle(
    practice: Practice, who: Who, notice_id: int, patient_id: int, how: str
) -> NoticeHandled | tuple[Refused, ...]:
    """Say what was done for one patient under a notice."""

    def made(record: Record) -> NoticeHandled:
        alone(record)
        notice = _notice(record, notice_id)
        said = _words(how, "how")
        found = {m.patient.id: m for m in matched(record.session, notice)}.get(patient_id)
        if found is None:
            allowed = "a patient whose pump the notice is about"
            raise GivenUp(Refused(No.NOT_MATCHED, f"patient {patient_id}", allowed, "choose one of the list"))
        if found.handled is not None:
            raise GivenUp(Refused(No.ALREADY, "a patient who was dealt with", "an open one", "look at what was done"))
        row = record.keep(NoticeHandled(notice_id=notice_id, patient_id=patient_id, how=said))
        record.act("field_notice", notice_id, "handled", {"how": said, "patient_id": patient_id}, patient_id)
        refresh(record, patient_id, practice.formulary)
        return row

    return attempt(practice, who, "field notice handled", patient_id, made)


def close(practice: Practice, who: Who, notice_id: int, seen: int, reason: str) -> FieldNotice | tuple[Refused, ...]:
    """Close a notice: where every patient was dealt with, or else with a reason. EditedMeanwhile as ever."""

    def made(record: Record) -> FieldNotice:
        alone(record)
        notice = _notice(record, notice_id)
        if notice.revision != seen:
            raise EditedMeanwhile(f"field notice {notice_id}", seen, notice.revision)
        left = sum(m.handled is None for m in matched(record.session, notice))
        if left and not reason.strip():
            allowed, then = "none, or a reason", "deal with them, or say why the notice is closed over them"
            raise GivenUp(Refused(No.OPEN_PATIENTS, f"{left} not dealt with", allowed, then, "reason"))
        details = {"reason": _words(reason, "reason")} if left else {"reason": reason.strip()[:MOST_WORDS]}
        record.change(notice, "closed", details=details, open=False)
        _onto_lines(record, notice)
        return notice

    return attempt(practice, who, "field notice closed", None, made)


@dataclass(frozen=True, slots=True)
class Pumps:
    """Every pump in use with its patient, by name, and the software that each named when it was read last."""

    in_use: tuple[tuple[Patient, Implant], ...]
    software: Mapping[str, str]

    @classmethod
    def of(cls, session: Session) -> Pumps:
        """All of them, in two queries."""
        rows = session.execute(
            select(Patient, Implant)
            .join(Implant, Implant.patient_id == Patient.id)
            .where(Implant.until.is_(None), Patient.active.in_((True,)))
            .order_by(Patient.family, Patient.given, Patient.id)
        )
        newest = select(func.max(Interrogation.id)).group_by(Interrogation.serial)
        read = session.execute(select(Interrogation.serial, Interrogation.identity).where(Interrogation.id.in_(newest)))
        named = {serial: str(identity["software"]) for serial, identity in read if identity.get("software")}
        return cls(tuple((patient, implant) for patient, implant in rows), named)

    def about(self, notice: FieldNotice) -> list[tuple[Patient, Implant, str | None]]:
        """Those that a notice is about, with their software, None where nobody knows it."""
        known = ((p, i, self.software.get(i.serial) or i.software_at_implant or None) for p, i in self.in_use)
        return [(p, i, software) for p, i, software in known if matches(notice, i, software)]


def matched(session: Session, notice: FieldNotice, pumps: Pumps | None = None) -> list[Matched]:
    """Patients whose pump a notice is about, by name, with what was done for each."""
    rows = session.scalars(select(NoticeHandled).where(NoticeHandled.notice_id == notice.id))
    handled = {row.patient_id: row for row in rows}
    return [Matched(p, i, s, handled.get(p.id)) for p, i, s in (pumps or Pumps.of(session)).about(notice)]


def notices(session: Session, page: int = 1) -> tuple[list[FieldNotice], int]:
    """Notices, open ones first, the newest first; and how many pages there are."""
    total = session.scalar(select(func.count()).select_from(FieldNotice)) or 0
    pages = max(1, -(-total // PAGE))
    at = (min(max(1, page), pages) - 1) * PAGE
    query = select(FieldNotice).order_by(
        FieldNotice.open.desc(), FieldNotice.published_on.desc(), FieldNotice.id.desc()
    )
    return list(session.scalars(query.limit(PAGE).offset(at))), pages


def known_softwares(session: Session) -> list[str]:
    """Software versions that pumps in use named when they were read, for whoever enters a notice."""
    return sorted(set(Pumps.of(session).software.values()))[:MOST_LISTED]


def listed(text: str) -> list[str]:
    """Entries of a list as it was typed: one a line, or with commas; each once."""
    parts = (" ".join(part.split()) for line in text.splitlines() for part in line.split(","))
    return list(dict.fromkeys(part for part in parts if part))


def _checked(entry: Entry) -> date:
    """The day it was published; GivenUp with everything that is wrong."""
    wrong = [
        Refused(No.MISSING, text.strip()[:40] or "nothing", f"3 to {MOST_WORDS} characters", f"enter the {what}", field)
        for field, what, text in (
            ("title", "title", entry.title),
            ("source", "source", entry.source),
            ("action", "action that is asked for", entry.action),
        )
        if not 3 <= len(text.strip()) <= MOST_WORDS
    ]
    try:
        day = date.fromisoformat(entry.published_on.strip())
    except ValueError:
        found = entry.published_on or "no day"
        wrong.append(Refused(No.DAY, found, "a day as in 2026-11-23", "enter when it was published", "published_on"))
        day = date.min
    wrong += [fault for name in LISTS for fault in _list_faults(name, listed(getattr(entry, name)))]
    if not any(listed(getattr(entry, name)) for name in LISTS) and entry.all_pumps != "yes":
        allowed = "at least one family, model, serial number, software or catheter, or that it is about every pump"
        wrong.append(Refused(No.MATCHES_ALL, "nothing to match pumps by", allowed, "enter one", "all_pumps"))
    if wrong:
        raise GivenUp(*wrong)
    return day


def _list_faults(name: str, entries: list[str]) -> list[Refused]:
    """A list that is too long, for nothing of it may be left out, and ranges that are none."""
    wrong = []
    if len(entries) > MOST_LISTED:
        then = "write a range, or enter a second notice with the rest"
        wrong.append(Refused(No.TOO_MANY, f"{len(entries):,} entries", f"up to {MOST_LISTED}", then, name))
    allowed = "as in NGP100000 to NGP199999: one series, the lower number first"
    bad = [entry for entry in entries if name == "serials" and bad_range(entry)]
    return wrong + [Refused(No.RANGE, f"“{entry[:60]}”", allowed, "correct the range", name) for entry in bad[:5]]


def _notice(record: Record, notice_id: int) -> FieldNotice:
    notice = record.get(FieldNotice, notice_id)
    if notice is None:
        raise GivenUp(Refused(No.NO_NOTICE, f"notice {notice_id}", "a notice of this clinic", "look at the list"))
    if not notice.open:
        raise GivenUp(Refused(No.CLOSED, "a notice that is closed", "an open one", "enter it again if it is needed"))
    return notice


def _words(text: str, field: str) -> str:
    said = text.strip()
    if not 3 <= len(said) <= MOST_WORDS:
        raise GivenUp(Refused(No.MISSING, said[:40] or "nothing", f"3 to {MOST_WORDS} characters", "say it", field))
    return said


def _onto_lines(record: Record, notice: FieldNotice) -> None:
    """Put an open notice on the lines that it is about, or take a closed one off: nothing else of a line changes."""
    about = {m.patient.id for m in matched(record.session, notice) if m.handled is None}
    for line in record.session.scalars(select(BoardLine)):
        others = [n for n in line.shown["notices"] if n["id"] != notice.id]
        if notice.open and line.patient_id in about:
            others.append({"id": notice.id, "title": notice.title})
        if len(others) != line.notices:
            line.shown, line.notices = {**line.shown, "notices": others}, len(others)
    record.session.flush()
