"""A refill at a pump that gave nothing: the same medication would simply go on at the dose of before (J9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.clinic.refilling.entries import Wrong, entry, volume_of
from thecal.clinic.refused import Refused
from thecal.clinic.session.readings import status_of
from thecal.clinic.session.without_drug import against_going_on, stands_since
from thecal.clinic.workflow import Step, Workflow
from thecal.quantities import Volume

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from thecal.clinic.refilling.case import Case

_THEN = "close this session with a word about the pump; a physician begins 'Found empty or late'"


def against_same(case: Case, db: Session, now_s: int) -> Refused | None:
    """Why a refill does not leave everything else as it is: too long without drug by the pump's own account."""
    found = against_going_on(db, case.read, case.formulary, now_s)
    if found is None:
        return None
    return Refused(Wrong.HARD_STOP, found.found, found.allowed, _THEN, "medication")


def found_dry(case: Case, db: Session, now_s: int) -> Refused | None:
    """Why a reservoir that was found empty is not filled with all else as it was: since when is not known, or too long.

    A pump that says by its log that it ran dry a short while ago may be filled.
    """
    noted = entry(case.session, Step.CHECKLIST)
    if (
        case.session.workflow != Workflow.REFILL_SAME
        or volume_of(noted.get("aspirated"))
        or volume_of(noted.get("left"))
    ):
        return None
    if case.read is None or "aspirated" not in noted:
        return None
    if stands_since(case.read) is not None:
        return against_same(case, db, now_s)
    level = max(Volume.of(status_of(case.read).level_nl, "nL"), Volume.zero())
    found = f"an empty reservoir where the pump counts {level.text('mL')}: since when no drug came is not known"
    allowed = "a refill of a reservoir that still held drug"
    return Refused(Wrong.HARD_STOP, found, allowed, _THEN, "volume")
