"""What a clinic sets for its desk: times, thresholds and the ladder after a missed visit. All defaults are ours.

They stand in ``Clinic.settings`` under "desk", as whole numbers, words and lists.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from thecal.clinic.record.tables import Clinic

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

HOUR_S = 3600
LEAST_BEFORE = 7
"""Days that a refill is booked before its worst case at the least, unless the clinic gives a reason for fewer.

A week, for bad weather or transport: Medtronic, in ``therapy/published.toml``.
"""


@dataclass(frozen=True, slots=True)
class Rung:
    """One rung of the ladder after a missed visit: so many hours after it, what is to be done, and by which role.

    ``high_risk`` rungs are for patients whom it is dangerous to lose: a withdrawal-risk drug, or a noted risk.
    """

    after_hours: int
    what: str
    role: str
    high_risk: bool = False


LADDER = (
    Rung(
        0,
        "Call in person, in the patient's language: the visit was missed and the pump runs low",
        "nurse",
        high_risk=True,
    ),
    Rung(2, "Call the patient and offer a new time", "desk"),
    Rung(24, "Call again, and the person who is to be called in an emergency", "desk"),
    Rung(24, "Offer a refill at home", "nurse", high_risk=True),
    Rung(48, "Tell the physician: the patient has not been reached", "physician"),
)
"""Ours: no source gives times."""


@dataclass(frozen=True, slots=True)
class DeskSettings:
    """Times and thresholds of the desk; days are whole days at the clinic.

    ``book_before_days`` is how many days before the worst case a refill must be booked (fewer than LEAST_BEFORE only
    with ``book_before_reason``); ``book_within_days`` how near the worst case may come without a booking; ``soon_days``
    and ``later_days`` are where the lower bands begin; ``stale_hours`` how old a reading may be; ``use_days`` how far
    back boluses are counted; ``missed_after_minutes`` when a visit that nobody marked is over; ``canceled_task_hours``
    how long there is to find a new time; ``task_missed_hours`` when a late task counts as missed; ``canceled_days`` how
    long a canceled visit stays in calendars; ``identify_by`` is what they say of a patient, "initials" or "number".
    """

    book_before_days: int = 7
    book_within_days: int = 21
    soon_days: int = 14
    later_days: int = 42
    stale_hours: int = 24 * 120
    use_days: int = 28
    missed_after_minutes: int = 60
    canceled_days: int = 14
    canceled_task_hours: int = 4
    task_missed_hours: int = 7 * 24
    book_before_reason: str = ""
    identify_by: str = "initials"
    ladder: tuple[Rung, ...] = LADDER

    def __post_init__(self) -> None:
        if self.book_before_days < LEAST_BEFORE and not self.book_before_reason.strip():
            raise ValueError(
                f"found a refill booked {self.book_before_days} days before the worst case; allowed: at least "
                f"{LEAST_BEFORE}, or fewer with a reason in book_before_reason"
            )
        if self.identify_by not in ("initials", "number"):
            raise ValueError(f'found "{self.identify_by}" to tell patients apart; allowed: initials, number')

    @property
    def stale_s(self) -> int:
        """How old a reading may be, in s."""
        return self.stale_hours * HOUR_S


def desk_settings(clinic: Clinic | None) -> DeskSettings:
    """What the clinic sets, with ours where it sets nothing; TypeError or ValueError for what no desk can have."""
    found: dict[str, Any] = dict((clinic.settings or {}).get("desk", {})) if clinic is not None else {}
    known = {f.name for f in fields(DeskSettings)}
    if unknown := set(found) - known:
        raise ValueError(
            f"found {', '.join(sorted(unknown))} in the desk's settings; allowed: {', '.join(sorted(known))}"
        )
    if "ladder" in found:
        found["ladder"] = tuple(Rung(**rung) for rung in found["ladder"])
    return DeskSettings(**found)


@dataclass(frozen=True, slots=True)
class Desk:
    """The clinic's zone and the settings of its desk, as read once for one piece of work."""

    zone: ZoneInfo
    settings: DeskSettings


def desk_of(session: Session) -> Desk:
    """The desk of this record's clinic; UTC and our settings where no clinic is entered yet."""
    clinic = session.scalars(select(Clinic).order_by(Clinic.id).limit(1)).first()
    return Desk(ZoneInfo(clinic.zone if clinic is not None else "UTC"), desk_settings(clinic))
