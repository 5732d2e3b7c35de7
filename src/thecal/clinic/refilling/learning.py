"""Why a pump ran dry, and the case as a learning report without anybody's name: for people elsewhere to learn from.

No name, number, reference, serial or date leaves: moments are days and hours since the last fill, and words that people
wrote are searched for what would tell who it was.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from thecal.clinic.record.tables import Act, DoubleCheck, Fill, NearMiss, Person
from thecal.clinic.refilling.case import name_of
from thecal.clinic.refilling.entries import Wrong, entry
from thecal.clinic.refilling.restarting import options, since
from thecal.clinic.refused import Refused
from thecal.clinic.workflow import Step
from thecal.pump.core.codes import DAY_S
from thecal.quantities import Volume, percent_text
from thecal.therapy.published import published
from thecal.therapy.residual import Cause, Visit, causes

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from thecal.clinic.practice import Practice
    from thecal.clinic.refilling.case import Case
    from thecal.clinic.who import Who

ROOT = "root cause written"
MOST_TEXT = 2000
HIDDEN = "(left out)"
_DATES = (
    r"\b\d{1,2}[./ -](?:\d{1,2}|[A-Za-z]{3,9})[./ -]\d{2,4}\b",
    r"\b\d{4}-\d{2}-\d{2}\b",
    r"\b[A-Za-z]{3,9} \d{1,2},? \d{4}\b",
    r"\b\d{6,}\b",
)
"""What looks like a day, or like a number that somebody is known by."""


@dataclass(frozen=True, slots=True)
class Early:
    """How much sooner than projected a fill was gone, as a share of the time it was to last; None where not known."""

    share: Fraction | None
    over: bool
    bound: Fraction

    @property
    def text(self) -> str:
        """In words."""
        if self.share is None:
            return "When the fill was to be gone, or when it was, is not known."
        if self.share <= 0:
            return "The fill lasted as long as was projected, or longer."
        gone, bound = percent_text(self.share), percent_text(self.bound)
        return f"The fill was gone {gone} sooner than projected; above {bound} a wrong volume comes first."


def early(case: Case, db: Session, now_s: int) -> Early:
    """Depletion against projection: by the log of the pump, or by an empty reservoir that should not have
    been empty.
    """
    bound = published().early_depletion.ratio
    found = since(case, db, now_s)
    gone = (
        found.by_log_s
        if found.by_log_s is not None
        else (now_s if _empty(case) and found.by_arithmetic_s is None else None)
    )
    projected = _projected_s(case)
    if gone is None or projected is None or found.filled_s is None or projected <= 0:
        return Early(None, over=False, bound=bound)
    share = 1 - Fraction(gone - found.filled_s, projected)
    return Early(share, over=share > bound, bound=bound)


def _empty(case: Case) -> bool:
    found = entry(case.session, Step.CHECKLIST).get("aspirated")
    return found is not None and Fraction(found) == 0


def _projected_s(case: Case) -> int | None:
    from thecal.clinic.refilling.gap import pump_time  # noqa: PLC0415
    from thecal.therapy.pattern import pattern_of, week_second  # noqa: PLC0415
    from thecal.therapy.refusal import Refusal  # noqa: PLC0415

    last, order = case.last, case.order
    if last is None or last.programmed is None or order is None or case.read is None:
        return None
    pattern = pattern_of(order.program.base, order.mixture, order.pump.minimum_rate)
    if isinstance(pattern, Refusal):
        return None
    first = week_second(pump_time(case, last.filled_utc_s))
    seconds = pattern.seconds_to(first, last.programmed * order.mixture.primary.concentration)
    return None if seconds is None else int(seconds)


def ranked(case: Case, found: Early) -> tuple[Cause, ...]:
    """Causes, the most likely first: a wrong volume entered leads where the fill was gone too soon by over the set
    share.
    """
    full = Volume.of(1, "mL")
    visit = Visit(case.pump.reservoir, filled=full, programmed=Volume.zero(), aspirated=Volume.zero())
    return causes(visit, Fraction(0) if found.over else Fraction(1))


def write_root(practice: Practice, who: Who, case: Case, root: str, text: str) -> tuple[Refused, ...]:
    """Keep what made the pump run dry, in a word and in words; written again, the newest counts and all stay."""
    wrong = []
    if root not in {o.id for o in options("root")}:
        wrong.append(Refused(Wrong.MISSING, "no cause", "one of the list", "choose one", "root"))
    if not text.strip() or len(text) > MOST_TEXT:
        wrong.append(
            Refused(
                Wrong.MISSING, f"{len(text.strip())} characters", f"1 to {MOST_TEXT}", "write what happened", "text"
            )
        )
    if wrong:
        return tuple(wrong)
    with practice.writing(who, ROOT, case.patient.id, session=case.session.id) as record:
        record.act("session", case.session.id, ROOT, {"root": root, "text": text.strip()}, case.patient.id)
    return ()


def root_of(db: Session, session_id: int) -> dict[str, str] | None:
    """The cause that was written last; None where none was."""
    query = select(Act).where(Act.subject_kind == "session", Act.subject_id == session_id, Act.kind == ROOT)
    found = db.scalars(query.order_by(Act.id.desc()).limit(1)).first()
    return None if found is None else dict(found.details)


def report(case: Case, db: Session, now_s: int) -> dict[str, Any]:
    """The case without anybody's name, as plain text and whole numbers."""
    found = since(case, db, now_s)
    zero = found.filled_s if found.filled_s is not None else now_s
    timeline = entry(case.session, Step.TIMELINE)
    root = root_of(db, case.session.id)
    words = {o.id: o.what for kind in ("symptom", "needle", "root") for o in options(kind)}
    hide = _hide(case, db)
    return {
        "kind": "learning report",
        "layout": 1,
        "day_zero": "the last fill",
        "pump": {"family": case.implant.family, "reservoir_ml": case.pump.reservoir.text("mL")},
        "mixture": None if case.held is None else name_of(case.held, case.formulary),
        "empty": {"by_log": _when(found.by_log_s, zero), "by_arithmetic": _when(found.by_arithmetic_s, zero)},
        "boluses_refused_since": found.refused_boluses,
        "hours_without_drug_at_the_tip": None if "gap_s" not in timeline else int(timeline["gap_s"]) // 3600,
        "tolerance_taken_as_lost": timeline.get("from_empty"),
        "symptoms": [words[s] for s in timeline.get("symptoms", [])],
        "needle_place": words.get(timeline.get("needle", "")),
        "depletion": early(case, db, now_s).text,
        "causes": [str(c) for c in ranked(case, early(case, db, now_s))],
        "root_cause": None if root is None else {"what": words[root["root"]], "text": hide(root["text"])},
        "fills": [_fill(f, zero) for f in _fills(case, db)],
        "stopped_here": [
            {"where": m.where, "found": hide(m.found), "allowed": hide(m.allowed)} for m in _of(db, NearMiss, case)
        ],
        "double_checks": [{"what": c.what, "matched": bool(c.matched)} for c in _of(db, DoubleCheck, case)],
    }


def _of(db: Session, kind: Any, case: Case) -> list[Any]:
    return list(db.scalars(select(kind).where(kind.session_id == case.session.id).order_by(kind.id)))


def _fills(case: Case, db: Session) -> list[Fill]:
    here = list(db.scalars(select(Fill).where(Fill.session_id == case.session.id)))
    return [*reversed(case.fills), *here]


def _fill(fill: Fill, zero_s: int) -> dict[str, str | None]:
    def ml(volume: Volume | None) -> str | None:
        return None if volume is None else volume.text("mL")

    return {
        "at": _when(fill.filled_utc_s, zero_s),
        "expected": ml(fill.expected),
        "aspirated": ml(fill.aspirated),
        "filled": ml(fill.filled),
    }


def _when(utc_s: int | None, zero_s: int) -> str | None:
    """Days and hours since the last fill."""
    if utc_s is None:
        return None
    days, rest = divmod(utc_s - zero_s, DAY_S)
    return f"day {days}, hour {rest // 3600}"


def _hide(case: Case, db: Session) -> Any:
    """Takes out of words that people wrote whatever would tell who it was: names, numbers, serials, dates."""
    p = case.patient
    known = [p.given, p.family, p.number, p.reference, case.session.serial, p.phone]
    known += [part for name in db.scalars(select(Person.name)) for part in name.split()]
    names = "|".join(re.escape(k) for k in sorted({k for k in known if len(k) > 2}, key=len, reverse=True))
    dates = "|".join(_DATES)
    pattern = re.compile(f"{names}|{dates}" if names else dates, re.IGNORECASE)
    return lambda text: pattern.sub(HIDDEN, text)
