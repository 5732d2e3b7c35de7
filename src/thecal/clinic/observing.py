"""What was seen of a patient: scores on scales that are data, each with the time at which it was seen."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select

from thecal.clinic.record.tables import Observation
from thecal.clinic.refused import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from thecal.clinic.practice import Practice
    from thecal.clinic.who import Who

_FILE = Path(__file__).with_name("observing.toml")
MOST_NOTE = 500
LATE_S = 86_400
"""How long after it was seen something may be written down here. Ours."""


class NotObserved(StrEnum):
    """Why an observation was not written down."""

    UNKNOWN_KIND = "unknown kind"
    OFF_SCALE = "off the scale"
    NOT_THEN = "not then"
    TOO_LONG = "too long"


@dataclass(frozen=True, slots=True)
class Kind:
    """Something that can be observed: whole numbers from ``low`` to ``high``; ``verified``: the source was read."""

    code: str
    name: str
    scale: str
    low: int
    high: int
    source: str
    verified: bool
    band: str


@cache
def kinds() -> Mapping[str, Kind]:
    """Every kind by its code."""
    return {code: Kind(code, **row) for code, row in tomllib.loads(_FILE.read_text("utf-8")).items()}


def observe(
    practice: Practice,
    who: Who,
    patient_id: int,
    kind: str,
    value: str,
    *,
    seen_utc_s: int | None = None,
    session_id: int | None = None,
    note: str = "",
) -> Observation | tuple[Refused, ...]:
    """Write down a score that was seen at ``seen_utc_s`` (now where it is None)."""
    now_s = practice.now_s()
    seen = now_s if seen_utc_s is None else seen_utc_s
    refused = tuple(_wrong(kind, value, note, now_s - seen))
    if refused:
        return refused
    with practice.writing(who, "observation added", patient_id) as record:
        row = Observation(
            patient_id=patient_id,
            session_id=session_id,
            kind=kind,
            value=str(int(value)),
            unit=kinds()[kind].scale,
            seen_utc_s=seen,
            note=note.strip(),
        )
        return record.keep(row)


def _wrong(kind: str, value: str, note: str, ago_s: int) -> list[Refused]:
    refused = []
    known = kinds().get(kind)
    if known is None:
        allowed = ", ".join(kinds())
        refused.append(Refused(NotObserved.UNKNOWN_KIND, repr(kind), allowed, "choose one of them", "kind"))
    elif not (value.isascii() and value.isdigit() and len(value) <= 3 and known.low <= int(value) <= known.high):
        allowed = f"a whole number from {known.low} to {known.high}"
        refused.append(Refused(NotObserved.OFF_SCALE, repr(value), allowed, "enter the score", "value"))
    if not 0 <= ago_s <= LATE_S:
        found = "a time that is to come" if ago_s < 0 else f"a time more than {LATE_S // 3600} h ago"
        refused.append(Refused(NotObserved.NOT_THEN, found, "the last 24 h", "correct the time", "seen"))
    if len(note) > MOST_NOTE:
        refused.append(
            Refused(NotObserved.TOO_LONG, f"{len(note)} characters", f"up to {MOST_NOTE}", "shorten it", "note")
        )
    return refused


def seen(db: Session, patient_id: int, from_s: int, until_s: int) -> list[Observation]:
    """Observations of a stretch of time, the oldest first."""
    query = (
        select(Observation)
        .where(Observation.patient_id == patient_id, Observation.seen_utc_s.between(from_s, until_s))
        .order_by(Observation.seen_utc_s, Observation.id)
    )
    return list(db.scalars(query))


def newest(db: Session, patient_id: int) -> dict[str, Observation]:
    """The newest observation of each kind."""
    seen_kinds = db.scalars(select(Observation.kind).where(Observation.patient_id == patient_id).distinct())
    found = {}
    for kind in sorted(seen_kinds):
        query = select(Observation).where(Observation.patient_id == patient_id, Observation.kind == kind)
        newest_of = query.order_by(Observation.seen_utc_s.desc(), Observation.id.desc()).limit(1)
        found[kind] = db.scalars(newest_of).one()
    return found
