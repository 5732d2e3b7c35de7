"""Watching a patient: from when the drug arrives, what is looked at when, what is late or missed, and how it ends.

A watch cannot be closed with scores outstanding unless somebody says why. What was seen are observations.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from thecal.clinic.record.tables import Observation, Patient, Watch
from thecal.clinic.refused import Refused
from thecal.clinic.sought import sought
from thecal.clinic.watch_plans import late_after_s, missed_after_s, plans, scales

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.orm import Session

    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record
    from thecal.clinic.record.tables import Session as SessionRow
    from thecal.clinic.watch_plans import Plan, Scale
    from thecal.clinic.who import Who

OPEN, CLOSED = "open", "closed"
PAGE = 50
"""Watches on one page. Ours."""
MOST_NOTE = 500


class NotWatched(StrEnum):
    """Why a score or the end of a watch was not taken."""

    NO_WATCH = "no such watch"
    NOT_OPEN = "not open"
    NOT_PLANNED = "not planned"
    OFF_SCALE = "off the scale"
    TOO_EARLY = "too early"
    OUTSTANDING = "scores outstanding"
    MISSING = "missing"
    TOO_LONG = "too long"


class Standing(StrEnum):
    """Where one planned score stands."""

    PLANNED = "planned"
    DUE = "due now"
    LATE = "late"
    MISSED = "missed"
    DONE = "done"


# Beginning ----------------------------------------------------------------------------------------------------------


def begin(record: Record, session: SessionRow, why: str, begins_utc_s: int) -> Watch:
    """Begin a watch within the caller's transaction, once for each reason in a session; an open one is brought to the
    new time.
    """
    plan = plans()[why]
    query = select(Watch).where(Watch.session_id == session.id, Watch.why == why, Watch.state == OPEN)
    there = record.session.scalars(query).first()
    planned = [{"what": look, "at_utc_s": begins_utc_s + m * 60} for m in plan.at_minutes for look in plan.look]
    ends = begins_utc_s + plan.minutes * 60
    if there is None:
        return record.keep(
            Watch(
                patient_id=session.patient_id,
                session_id=session.id,
                why=why,
                begins_utc_s=begins_utc_s,
                ends_utc_s=ends,
                plan={"scores": planned},
                state=OPEN,
            )
        )
    if there.begins_utc_s == begins_utc_s:
        return there
    return record.change(
        there, "begins at", begins_utc_s=begins_utc_s, ends_utc_s=ends, plan={**there.plan, "scores": planned}
    )


# Where it stands ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Score:
    """One planned score as it stands; ``seen`` is the observation, None where there is none."""

    number: int
    scale: Scale
    at_utc_s: int
    standing: Standing
    seen: Observation | None

    @property
    def outstanding(self) -> bool:
        """Whether it was never seen."""
        return self.seen is None


@dataclass(frozen=True, slots=True)
class Shown:
    """A watch with its scores, as of an instant."""

    watch: Watch
    plan: Plan
    scores: tuple[Score, ...]
    now_s: int

    @property
    def begun(self) -> bool:
        """Whether the drug is there by now."""
        return self.now_s >= self.watch.begins_utc_s

    @property
    def outstanding(self) -> tuple[Score, ...]:
        """Scores that were not seen."""
        return tuple(s for s in self.scores if s.outstanding)

    @property
    def next_s(self) -> int | None:
        """When the next score is due, None where all are seen or missed."""
        return min(
            (s.at_utc_s for s in self.scores if s.outstanding and s.standing is not Standing.MISSED), default=None
        )

    @property
    def late(self) -> int:
        """Scores that are late or missed."""
        return sum(1 for s in self.scores if s.standing in (Standing.LATE, Standing.MISSED))


def shown(db: Session, watch: Watch, now_s: int) -> Shown:
    """A watch with its scores."""
    seen: dict[str, Observation] = {}
    for row in db.scalars(select(Observation).where(Observation.watch_id == watch.id).order_by(Observation.id)):
        seen.setdefault(row.note.partition(":")[0], row)
    scores = []
    for number, planned in enumerate(watch.plan["scores"]):
        found = seen.get(_mark(number))
        scores.append(
            Score(
                number,
                scales()[planned["what"]],
                planned["at_utc_s"],
                _standing(planned["at_utc_s"], found, now_s),
                found,
            )
        )
    return Shown(watch, plans()[watch.why], tuple(scores), now_s)


def _mark(number: int) -> str:
    """How an observation names the planned score that it answers."""
    return f"score {number + 1}"


def _standing(at_s: int, found: Observation | None, now_s: int) -> Standing:
    if found is not None:
        return Standing.DONE
    if now_s < at_s:
        return Standing.PLANNED
    if now_s < at_s + late_after_s():
        return Standing.DUE
    return Standing.LATE if now_s < at_s + missed_after_s() else Standing.MISSED


def of_session(db: Session, session_id: int, now_s: int) -> tuple[Shown, ...]:
    """The watches of a session, the first begun first."""
    rows = db.scalars(select(Watch).where(Watch.session_id == session_id).order_by(Watch.begins_utc_s, Watch.id))
    return tuple(shown(db, row, now_s) for row in rows)


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of the list of open watches."""

    shown: Shown
    patient: Patient


@dataclass(frozen=True, slots=True)
class Watches:
    """One page of the open watches, those that began first on top; pages count from 1."""

    lines: tuple[Listed, ...]
    found: int
    page: int
    pages: int


def open_watches(db: Session, now_s: int, text: str = "", page: int = 1) -> Watches:
    """Watches that are not closed, searched by name or number of the patient."""
    query = select(Watch, Patient).join(Patient, Patient.id == Watch.patient_id).where(Watch.state == OPEN)
    for word in sought(text):
        query = query.where(Patient.search.contains(word, autoescape=True))
    found = db.scalar(select(func.count()).select_from(query.with_only_columns(Watch.id).subquery())) or 0
    pages = max(1, -(-found // PAGE))
    page = min(max(page, 1), pages)
    ordered = query.order_by(Watch.begins_utc_s, Watch.id).offset((page - 1) * PAGE).limit(PAGE)
    lines = tuple(Listed(shown(db, watch, now_s), patient) for watch, patient in db.execute(ordered))
    return Watches(lines, found, page, pages)


# Scores and the end -------------------------------------------------------------------------------------------------


def score(  # noqa: PLR0917 -- as a form asks for it
    practice: Practice, who: Who, watch_id: int, number: int, value: str, note: str = ""
) -> Observation | tuple[Refused, ...]:
    """Write down one planned score, seen now. A score before its time is refused; one after it is taken,
    late as it is.
    """
    now_s = practice.now_s()
    with practice.writing(who, "watched", watch=watch_id) as record:
        watch = record.get(Watch, watch_id)
        if watch is None or watch.state != OPEN:
            return (_no_watch(watch),)
        found = shown(record.session, watch, now_s)
        wrong = _wrong_score(found, number, value, note)
        if wrong:
            return wrong
        planned = found.scores[number]
        return record.keep(
            Observation(
                patient_id=watch.patient_id,
                session_id=watch.session_id,
                watch_id=watch.id,
                kind=planned.scale.id,
                value=str(int(value)),
                unit=planned.scale.scale,
                seen_utc_s=now_s,
                note=f"{_mark(number)}: {note.strip()}".rstrip(": ") if note.strip() else _mark(number),
            )
        )


def _no_watch(watch: Watch | None) -> Refused:
    found = "no such watch" if watch is None else f"a watch that is {watch.state}"
    code = NotWatched.NO_WATCH if watch is None else NotWatched.NOT_OPEN
    return Refused(code, found, "an open watch", "look at the list of watches")


def _wrong_score(found: Shown, number: int, value: str, note: str) -> tuple[Refused, ...]:
    if not 0 <= number < len(found.scores):
        return (
            Refused(
                NotWatched.NOT_PLANNED,
                f"score {number + 1}",
                f"1 to {len(found.scores)}",
                "choose a planned score",
                "number",
            ),
        )
    planned, wrong = found.scores[number], []
    if planned.seen is not None:
        wrong.append(
            Refused(
                NotWatched.NOT_PLANNED,
                f"score {number + 1}, which was seen",
                "one that is outstanding",
                "choose the next one",
                "number",
            )
        )
    if found.now_s < planned.at_utc_s:
        wrong.append(
            Refused(
                NotWatched.TOO_EARLY,
                "a score before its time",
                "a score at its time or later",
                "wait until it is due",
                "number",
            )
        )
    scale = planned.scale
    if not (value.isascii() and value.isdigit() and len(value) <= 3 and scale.low <= int(value) <= scale.high):
        wrong.append(
            Refused(
                NotWatched.OFF_SCALE,
                repr(value[:20]),
                f"a whole number from {scale.low} to {scale.high}",
                "enter the score",
                "value",
            )
        )
    if len(note) > MOST_NOTE:
        wrong.append(
            Refused(NotWatched.TOO_LONG, f"{len(note)} characters", f"up to {MOST_NOTE}", "shorten it", "note")
        )
    return tuple(wrong)


@dataclass(frozen=True, slots=True)
class Leaving:
    """How a patient goes home: whether naloxone is at hand, who drives, and why, where scores are outstanding."""

    naloxone: str
    drives: str
    reason: str


NALOXONE = (
    ("at home", "Naloxone is at home, and somebody there can give it"),
    ("given", "Naloxone was given to take home, and shown"),
    ("not needed", "No opioid is in the pump"),
    ("declined", "Offered and declined"),
)


def close(practice: Practice, who: Who, watch_id: int, seen: int, leaving: Leaving) -> tuple[Refused, ...]:
    """End a watch. With scores outstanding a reason is needed; naloxone and who drives home are asked in every case."""
    now_s = practice.now_s()
    with practice.writing(who, "watch closed", watch=watch_id) as record:
        watch = record.get(Watch, watch_id)
        if watch is None or watch.state != OPEN:
            return (_no_watch(watch),)
        found = shown(record.session, watch, now_s)
        wrong = tuple(_wrong_leaving(leaving, found.outstanding))
        if wrong:
            return wrong
        details = {
            "naloxone": leaving.naloxone,
            "drives": leaving.drives.strip(),
            "reason": leaving.reason.strip(),
            "outstanding": len(found.outstanding),
        }
        record.change(watch, "closed", seen=seen, state=CLOSED, plan={**watch.plan, "left": details})
    return ()


def _wrong_leaving(leaving: Leaving, outstanding: Iterable[Score]) -> Iterable[Refused]:
    if leaving.naloxone not in dict(NALOXONE):
        yield Refused(
            NotWatched.MISSING, "no answer about naloxone", "one of the answers", "ask, and choose", "naloxone"
        )
    if not leaving.drives.strip():
        yield Refused(
            NotWatched.MISSING, "nobody named", "who drives the patient home", "ask, and write the name", "drives"
        )
    left = len(tuple(outstanding))
    if left and not leaving.reason.strip():
        found = f"{left} score{'s' if left > 1 else ''} outstanding and no reason"
        yield Refused(
            NotWatched.OUTSTANDING, found, "every score, or a reason", "see the patient, or write why not", "reason"
        )
    for field, text in (("drives", leaving.drives), ("reason", leaving.reason)):
        if len(text) > MOST_NOTE:
            yield Refused(NotWatched.TOO_LONG, f"{len(text)} characters", f"up to {MOST_NOTE}", "shorten it", field)
