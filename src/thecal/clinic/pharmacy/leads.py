"""The countdown of a syringe: which step is due on which day, by the site's lead times, and what history says of them.

Days are days at the clinic on which the pharmacy works: all of them, unless the site says which are free. The numbers
that ship are unverified and ours; a site sets its own.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from statistics import median_low
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from thecal.clinic.pharmacy.states import State, reached
from thecal.clinic.pharmacy.workdays import closed_of
from thecal.clinic.record.tables import Act, Clinic, Preparation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from sqlalchemy.orm import Session

SETTING = "pharmacy_leads"
"""The name in ``Clinic.settings``: step to days."""
LONGEST_DAYS = 60
LEARNED_FROM = 100
"""So many of the newest syringes are looked at. Ours."""
DAY_S = 86_400


class Lead(StrEnum):
    """A step of the countdown."""

    PRESCRIPTION = "prescription"
    MAKE = "make"
    QUALITY_CHECK = "quality_check"
    SHIP = "ship"


DONE_AT = {
    Lead.PRESCRIPTION: State.ACCEPTED,
    Lead.MAKE: State.MADE,
    Lead.QUALITY_CHECK: State.RELEASED,
    Lead.SHIP: State.RECEIVED,
}
BEGUN_AT = {
    Lead.PRESCRIPTION: State.ORDERED,
    Lead.MAKE: State.ACCEPTED,
    Lead.QUALITY_CHECK: State.MADE,
    Lead.SHIP: State.RELEASED,
}


@dataclass(frozen=True, slots=True)
class LeadTime:
    """How long a step takes here: ``days`` and whose number it is; ``verified`` is False for the ones that ship."""

    lead: Lead
    name: str
    days: int
    by: str
    verified: bool


@dataclass(frozen=True, slots=True)
class DueStep:
    """One step of a countdown: done, or due on a day; ``late`` where that day is over and it is not done."""

    lead: Lead
    name: str
    due: date
    done: bool
    late: bool
    days_left: int


@dataclass(frozen=True, slots=True)
class Countdown:
    """Every step up to the day a syringe is needed. ``order_by`` is the last day to order."""

    needed_by: date
    order_by: date
    steps: tuple[DueStep, ...]

    @property
    def next(self) -> DueStep | None:
        """The first step that is not done; None where all are."""
        return next((s for s in self.steps if not s.done), None)

    @property
    def late(self) -> bool:
        """Whether any step is late."""
        return any(s.late for s in self.steps)


@cache
def _shipped() -> Mapping[str, Any]:
    return tomllib.loads(Path(__file__).with_name("leads.toml").read_text("utf-8"))


def lead_times(settings: Mapping[str, Any]) -> tuple[LeadTime, ...]:
    """The steps with their days: what the site set (``Clinic.settings``), else what ships."""
    set_here = settings.get(SETTING, {})
    return tuple(_lead_time(lead, set_here) for lead in Lead)


def _lead_time(lead: Lead, set_here: Mapping[str, Any]) -> LeadTime:
    ours = _shipped()[lead.value]
    if lead.value in set_here:
        return LeadTime(lead, ours["name"], int(set_here[lead.value]), "this site", verified=True)
    source = ours["source"]
    return LeadTime(lead, ours["name"], int(ours["days"]), source["authority"], verified=source["verified"])


def countdown(
    preparation: Preparation | None, settings: Mapping[str, Any], today: date, needed_by: date | None = None
) -> Countdown:
    """Which step is due when, and which is late; without a preparation nothing is done, and ``needed_by`` is needed.

    ValueError where neither is given.
    """
    last = preparation.needed_by if preparation is not None else needed_by
    if last is None:
        raise ValueError("a countdown needs a preparation or the day on which the drug is needed")
    times, closed = lead_times(settings), closed_of(settings)
    state = preparation.state if preparation is not None else None
    steps = []
    for at, time in enumerate(times):
        due = closed.open_before(last, sum(later.days for later in times[at + 1 :]))
        done = state is not None and reached(state, DONE_AT[time.lead])
        steps.append(DueStep(time.lead, time.name, due, done, not done and today > due, (due - today).days))
    return Countdown(last, closed.open_before(last, sum(t.days for t in times)), tuple(steps))


@dataclass(frozen=True, slots=True)
class Learned:
    """What a step took in the newest syringes: how many were seen, the middle and the longest, in whole days begun."""

    lead: Lead
    seen: int
    middle_days: int | None
    longest_days: int | None


def learned(db: Session) -> tuple[Learned, ...]:
    """How long the steps took, from the acts of the newest syringes."""
    newest = select(Preparation.id).order_by(Preparation.id.desc()).limit(LEARNED_FROM)
    query = select(Act.subject_id, Act.kind, Act.at_utc_s).where(
        Act.subject_kind == Preparation.__tablename__, Act.subject_id.in_(newest)
    )
    times: dict[int, dict[str, int]] = {}
    for subject, kind, at in db.execute(query.order_by(Act.id)):
        times.setdefault(subject, {})[State.ORDERED if kind == "made" else kind] = at
    return tuple(_learned(lead, list(times.values())) for lead in Lead)


def _learned(lead: Lead, times: Sequence[Mapping[str, int]]) -> Learned:
    begun, done = f"{BEGUN_AT[lead]}", f"{DONE_AT[lead]}"
    days = [-(-(t[done] - t[begun]) // DAY_S) for t in times if begun in t and done in t and t[done] >= t[begun]]
    return Learned(lead, len(days), median_low(days) if days else None, max(days) if days else None)


def settings_of(db: Session) -> Mapping[str, Any]:
    """What the clinic set for itself."""
    clinic = db.scalars(select(Clinic)).first()
    return {} if clinic is None else clinic.settings
