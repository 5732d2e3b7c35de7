"""What a site sets for its pharmacy: lead times of the countdown, free days, and its own notes on controlled drugs.

Rules for controlled drugs differ by state and by country: the notes are the site's words, shown beside the order, and
nothing here asserts a rule.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from thecal.clinic.pharmacy.leads import LONGEST_DAYS, SETTING, Lead
from thecal.clinic.pharmacy.refusing import Why, refused
from thecal.clinic.pharmacy.workdays import SETTING as CLOSED
from thecal.clinic.pharmacy.workdays import read_closed
from thecal.clinic.record.tables import Clinic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from thecal.clinic.practice import Practice
    from thecal.clinic.refused import Refused
    from thecal.clinic.who import Who

NOTES = "controlled_notes"
"""The name in ``Clinic.settings``: schedule to the site's own note."""
SCHEDULES = ("II", "III", "IV", "V")
LONGEST_NOTE = 2000


def notes_of(settings: Mapping[str, Any]) -> dict[str, str]:
    """The site's note on each schedule; empty where it has none."""
    kept = settings.get(NOTES, {})
    return {schedule: str(kept.get(schedule, "")) for schedule in SCHEDULES}


def set_for_site(
    practice: Practice,
    who: Who,
    days: Mapping[str, str],
    notes: Mapping[str, str],
    closed: tuple[Sequence[str], str] = ((), ""),
    *,
    seen: int | None = None,
) -> Clinic | tuple[Refused, ...]:
    """Set lead times (an empty one goes back to what ships), notes and free days; everything that is wrong instead.

    ``closed`` are free weekdays by number, 0 for Monday, and single days as text.
    """
    free = read_closed(*closed)
    wrong = (free if isinstance(free, tuple) else ()) + tuple(
        r for lead in Lead if (r := _wrong_days(lead, days.get(lead, "").strip())) is not None
    )
    if wrong or isinstance(free, tuple):
        return wrong
    with practice.writing(who, "pharmacy settings changed") as record:
        clinic = record.session.scalars(select(Clinic)).first()
        if clinic is None:
            return (refused(Why.UNKNOWN, "no clinic in the record", "a clinic that was begun", "thecal clinic init"),)
        leads = {lead.value: int(text) for lead in Lead if (text := days.get(lead, "").strip())}
        kept = {s: text.strip()[:LONGEST_NOTE] for s, text in notes.items() if s in SCHEDULES and text.strip()}
        settings = {**clinic.settings, SETTING: leads, NOTES: kept, CLOSED: free}
        return record.change(clinic, "pharmacy settings", seen, settings=settings)


def _wrong_days(lead: Lead, text: str) -> Refused | None:
    if not text or (text.isascii() and text.isdigit() and int(text) <= LONGEST_DAYS):
        return None
    allowed = f"whole days from 0 to {LONGEST_DAYS}, or nothing for what ships"
    return refused(Why.UNREADABLE, repr(text[:20]), allowed, "enter whole days", lead.value)
