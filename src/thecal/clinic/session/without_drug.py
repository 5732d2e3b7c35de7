"""How long a pump has given nothing by its own account, and what that forbids: going on at the dose of before.

A patient who was without drug for longer than the rule of any ingredient is not used to it any more (J9). Then delivery
does not simply go on: a physician plans it from zero, or writes a program whose review knows of the gap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from thecal.clinic.record.tables import ProgramRun
from thecal.clinic.refused import Refused
from thecal.clinic.session.ended import No
from thecal.clinic.session.held import held_in, known
from thecal.clinic.session.readings import identity_of, status_of
from thecal.pump.core.alarms import CRITICAL, EMPTY_RESERVOIR, TABLE
from thecal.quantities import Duration
from thecal.therapy.published import published
from thecal.therapy.review.facts import tolerance_rule

if TYPE_CHECKING:
    from sqlalchemy.orm import Session as Look

    from thecal.clinic.record.tables import Interrogation
    from thecal.formulary import Formulary

_STOPPING = tuple(n for n, row in enumerate(TABLE) if row[0] == CRITICAL)


def stands_since(row: Interrogation) -> int | None:
    """Since when a pump that holds a program gives nothing, in UTC s, by a kept reading; None where it gives something,
    or where the reading does not tell.
    """
    status, identity = status_of(row), identity_of(row)
    if not status.loaded or status.delivering:
        return None
    if not status.running:
        return row.read_utc_s - (status.uptime_s - status.stopped_s)
    empty = (EMPTY_RESERVOIR,) if status.alarm(EMPTY_RESERVOIR) else _STOPPING
    issued = [identity.alarms[n].issued_s for n in empty if status.alarm(n)]
    return row.read_utc_s - (status.uptime_s - min(issued)) if issued else None


def off_for(row: Interrogation, formulary: Formulary, now_s: int) -> Duration | None:
    """How long the patient has been without drug where that is longer than tolerance is taken to last for any
    ingredient in the pump; None where it is not, or is not known.
    """
    since = stands_since(row)
    if since is None:
        return None
    gap = Duration.of(max(now_s - since, 0), "s")
    held = held_in(row, formulary)
    codes = () if held.document is None else tuple(i.drug for i in held.document.mixture)
    drugs = [d for d in (known(formulary, code) for code in codes) if d is not None]
    rules = [tolerance_rule(drug) for drug in drugs]
    if len(drugs) < len(codes) or not codes:
        rules += published().tolerance.values()
    return gap if any(gap >= rule.after for rule in rules) else None


def against_going_on(db: Look, row: Interrogation | None, formulary: Formulary, now_s: int) -> Refused | None:
    """Why delivery does not go on with the program that is there; None where it may.

    It may where a program was confirmed since the pump stood still: then the dose is not the one of before.
    """
    gap = None if row is None else off_for(row, formulary, now_s)
    since = None if row is None else stands_since(row)
    if row is None or gap is None or since is None:
        return None
    written = select(ProgramRun.id).where(ProgramRun.serial == row.serial, ProgramRun.confirmed_utc_s >= since)
    if db.scalars(written.limit(1)).first() is not None:
        return None
    return Refused(
        No.LONG_WITHOUT,
        f"delivery at the dose of before, after {gap.text('h')} without drug",
        "a dose that a physician plans for somebody who is not used to the drug any more",
        "a physician begins 'Found empty or late', or changes the program",
    )
