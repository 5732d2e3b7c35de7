"""Found empty or late: since when, how long no drug reached the tip, what that means for tolerance, and the plan from
zero.

The dose that ran before is never offered. Sending it after a gap needs a second physician.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from thecal.clinic.record.tables import Act, LogRecord, Override
from thecal.clinic.refilling.case import Case, case_of, proposed_order
from thecal.clinic.refilling.entries import Wrong, entry, finish, near_miss, open_here
from thecal.clinic.refilling.gap import pump_time
from thecal.clinic.refilling.second import day_total
from thecal.clinic.refused import Refused
from thecal.clinic.session import second_physician
from thecal.clinic.workflow import WAYS, Step, Workflow
from thecal.formulary.limits import Source
from thecal.pump.core.alarms import EMPTY_RESERVOIR
from thecal.pump.core.codes import E_ALARM, E_REFUSED
from thecal.quantities import Duration, Flow, Volume
from thecal.therapy.pattern import pattern_of, week_second
from thecal.therapy.published import published
from thecal.therapy.refusal import Refusal
from thecal.therapy.restart import Line, Restart, gap_at_tip, restart

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

    from thecal.clinic.practice import Practice
    from thecal.clinic.who import Who
    from thecal.therapy.published import ToleranceRule

_FILE = Path(__file__).with_name("restarting.toml")
AGREED = second_physician.AGREED
MOST_NOTE = 500
LEAST_REASON = 20
"""Characters that the second physician's reason has at least. Ours."""


@dataclass(frozen=True, slots=True)
class Option:
    """One choice of a form that is data; ``source`` is None where the words alone are ours."""

    id: str
    what: str
    source: Source | None


@cache
def options(kind: str) -> tuple[Option, ...]:
    """Options of one kind: needle, symptom, root."""
    rows = tomllib.loads(_FILE.read_text("utf-8"))[kind]
    return tuple(Option(r["id"], r["what"], Source(**r["source"]) if "source" in r else None) for r in rows)


@dataclass(frozen=True, slots=True)
class Since:
    """Since when no drug was there to be pumped: by the pump's log, or by arithmetic; UTC in s, None where
    not known.
    """

    by_log_s: int | None
    by_arithmetic_s: int | None
    filled_s: int | None
    refused_boluses: int
    why: str = ""

    @property
    def shown_s(self) -> int | None:
        """The log before arithmetic."""
        return self.by_arithmetic_s if self.by_log_s is None else self.by_log_s


def since(case: Case, db: Session, now_s: int) -> Since:
    """When the reservoir was empty, and how many boluses were refused since."""
    filled = case.last.filled_utc_s if case.last is not None else (case.runs[-1].confirmed_utc_s if case.runs else None)
    from_s = 0 if filled is None else filled
    by_log = db.scalars(_records(case, E_ALARM, from_s).order_by(LogRecord.utc_s)).all()
    empty = [r.utc_s for r in by_log if r.fields.get("a") == EMPTY_RESERVOIR]
    expected = _expected_empty(case, now_s)
    at = empty[0] if empty else (expected if isinstance(expected, int) else None)
    refused = (
        db.scalar(select(func.count()).select_from(_records(case, E_REFUSED, at).subquery())) if at is not None else 0
    )
    return Since(
        empty[0] if empty else None,
        expected if isinstance(expected, int) else None,
        filled,
        refused or 0,
        expected if isinstance(expected, str) else "",
    )


def _records(case: Case, event: int, from_s: int) -> Select[LogRecord]:
    return select(LogRecord).where(
        LogRecord.serial == case.session.serial, LogRecord.event == event, LogRecord.utc_s >= from_s
    )


def _expected_empty(case: Case, now_s: int) -> int | str:
    """When the last fill was to be empty by the program alone; words where that is not known or still to come."""
    last, order = case.last, case.order
    if last is None or last.programmed is None:
        return "no earlier fill with its volume is on record"
    if order is None:
        return "no order that can be read in the pump"
    pattern = pattern_of(order.program.base, order.mixture, order.pump.minimum_rate)
    if isinstance(pattern, Refusal):
        return pattern.message
    first = week_second(pump_time(case, last.filled_utc_s))
    seconds = pattern.seconds_to(first, last.programmed * order.mixture.primary.concentration)
    if seconds is None:
        return "the program delivers nothing"
    at = last.filled_utc_s + int(seconds)
    return at if at <= now_s else "by the program there should still be drug in the reservoir"


@dataclass(frozen=True, slots=True)
class AtTip:
    """Hours without drug at the tip, and what that means for every ingredient."""

    gap: Duration
    state: Restart


def at_tip(case: Case, since_s: int, now_s: int, line: Line) -> AtTip | Refusal:
    """The gap from the last drug until now, and where the line holds no drug until it has filled again at
    the old flow.
    """
    order = case.order
    flow = Flow.zero()
    if order is not None:
        pattern = pattern_of(order.program.base, order.mixture, order.pump.minimum_rate)
        if not isinstance(pattern, Refusal):
            flow = order.mixture.flow_of(pattern.total / Duration.of(pattern.period_s, "s"))
    found = gap_at_tip(_utc(since_s), _utc(now_s), line, case.dead or Volume.zero(), flow)
    if isinstance(found, Refusal):
        return found
    drugs = case.held.drugs if case.held is not None else ()
    classes = {d: case.drug(d).drug_class for d in drugs}
    return AtTip(found, restart(found, classes, published().tolerance))


def _utc(utc_s: int) -> datetime:
    return datetime(1970, 1, 1) + timedelta(seconds=utc_s)  # noqa: DTZ001 -- only differences count


# The step ----------------------------------------------------------------------------------------------------------


def enter_timeline(
    practice: Practice,
    who: Who,
    session_id: int,
    seen: int,
    *,
    line: str,
    symptoms: Sequence[str],
    needle: str,
    cover: str,
    told_hours: str,
) -> tuple[Refused, ...]:
    """Keep since when, how long, what is seen, how the needle's place is found, and how the patient is covered
    meanwhile.

    ``told_hours`` is for a gap that neither log nor arithmetic knows.
    """
    now_s = practice.now_s()
    with practice.reading() as db:
        case = case_of(practice, db, session_id)
        early = open_here(case.session, Step.TIMELINE)
        found = since(case, db, now_s)
    if early is not None:
        return (early,)
    wrong = [
        r
        for r in (
            _choice(line, [s.value for s in Line], "line"),
            _choice(needle, [o.id for o in options("needle")], "needle"),
            _symptoms(symptoms),
            _cover(cover),
        )
        if r
    ]
    at = found.shown_s
    if at is None:
        hours = _hours(told_hours)
        if isinstance(hours, Refused):
            wrong.append(hours)
        else:
            at = now_s - hours * 3600
    if wrong or at is None:
        return tuple(wrong)
    tip = at_tip(case, at, now_s, Line(line))
    if isinstance(tip, Refusal):
        return (Refused(tip.code, tip.found, tip.allowed, tip.then, "line"),)
    value = {
        "since_utc_s": at,
        "known_by": _known_by(found),
        "line": line,
        "gap_s": tip.gap.floor("s"),
        "from_empty": tip.state.from_empty,
        "symptoms": sorted(set(symptoms)),
        "needle": needle,
        "cover": cover.strip(),
    }
    return finish(practice, who, session_id, seen, Step.TIMELINE, value)


def _known_by(found: Since) -> str:
    """What says since when the patient is without drug."""
    if found.by_log_s is not None:
        return "log"
    return "told" if found.by_arithmetic_s is None else "arithmetic"


def _choice(value: str, allowed: Sequence[str], field: str) -> Refused | None:
    return None if value in allowed else Refused(Wrong.MISSING, "no answer", ", ".join(allowed), "choose one", field)


def _symptoms(found: Sequence[str]) -> Refused | None:
    known = {o.id for o in options("symptom")}
    if not found or not set(found) <= known:
        return Refused(
            Wrong.MISSING, "no answer about symptoms", "what is seen now, or none", "look, ask, and tick", "symptoms"
        )
    if "none" in found and len(set(found)) > 1:
        return Refused(
            Wrong.NOT_ALLOWED, "none, and symptoms beside it", "one or the other", "correct the ticks", "symptoms"
        )
    return None


def _cover(text: str) -> Refused | None:
    if not text.strip():
        return Refused(
            Wrong.MISSING,
            "no plan for the time until then",
            "what covers the patient by mouth, or that nothing does",
            "write it",
            "cover",
        )
    return (
        None
        if len(text) <= MOST_NOTE
        else Refused(Wrong.NOT_ALLOWED, f"{len(text)} characters", f"up to {MOST_NOTE}", "shorten it", "cover")
    )


def _hours(text: str) -> int | Refused:
    typed = text.strip()
    if typed.isascii() and typed.isdigit() and 0 < len(typed) <= 4:
        return int(typed)
    found = f"{typed[:20]!r} hours" if typed else "no number of hours"
    return Refused(Wrong.MISSING, found, "whole hours, 0 to 9999", "enter since how many hours", "told_hours")


# The dose of before ------------------------------------------------------------------------------------------------


def repeats_previous(practice: Practice, db: Session, case: Case) -> bool:
    """Whether the program written here gives the dose of before, or more, after a gap over the set hours."""
    if case.session.workflow != Workflow.RESTART or not entry(case.session, Step.TIMELINE).get("from_empty"):
        return False
    drafted = proposed_order(practice, db, case.session)
    before, after = day_total(case.order), day_total(None if drafted is None else drafted[1].order)
    if before is None or after is None or case.order is None or drafted is None:
        return True
    return case.order.mixture.primary.drug == drafted[1].order.mixture.primary.drug and after >= before


def agreed(db: Session, case: Case, digest: str) -> Act | None:
    """The second physician's agreement to the very order that is written here."""
    return second_physician.agreed(db, case.session.id, digest)


def against_previous(practice: Practice, who: Who, session_id: int) -> Refused | None:
    """The hard stop where the dose of before would be sent again; a second physician lifts it. It is kept as a near
    miss.
    """
    with practice.reading() as db:
        case = case_of(practice, db, session_id)
        drafted = proposed_order(practice, db, case.session)
        stop = repeats_previous(practice, db, case) and (drafted is None or agreed(db, case, drafted[0].digest) is None)
    if not stop:
        return None
    hours = Duration.of(int(entry(case.session, Step.TIMELINE).get("gap_s", 0)), "s")
    refused = Refused(
        Wrong.HARD_STOP,
        f"the dose of before, or more, after {hours.text('h')} without drug",
        "a lower dose, planned from zero" if who.may("restart.write") else "a physician, and a second physician",
        "write a first dose as for somebody who is not used to the drug; a second physician decides otherwise",
        "dose",
    )
    near_miss(practice, who, case.session, "restart: dose of before", [refused])
    return refused


def agree(practice: Practice, second: Who, session_id: int, reason: str) -> tuple[Refused, ...]:
    """A second physician agrees to the dose of before, with a reason; it is kept as an override of this very order."""
    with practice.reading() as db:
        case = case_of(practice, db, session_id)
        drafted = proposed_order(practice, db, case.session)
        at = Step.SECOND if Step.SECOND in WAYS[Workflow(case.session.workflow)].steps else Step.REVIEW
        early, wrote = open_here(case.session, at), second_physician.wrote(db, case.session)
    if early is not None:
        return (early,)
    if drafted is None:
        return (Refused(Wrong.MISSING, "no program", "a signed program", "finish the program first"),)
    if not second.may("restart.second") or second.person_id in wrote:
        refused = Refused(
            Wrong.HARD_STOP,
            second.name,
            "a second physician, and not one who works here or wrote the program",
            "ask another physician",
            "reason",
        )
        near_miss(practice, second, case.session, "restart: second physician", [refused])
        return (refused,)
    if not LEAST_REASON <= len(reason.strip()) <= MOST_NOTE:
        return (
            Refused(
                Wrong.MISSING,
                f"{len(reason.strip())} characters",
                f"{LEAST_REASON} to {MOST_NOTE}: why this dose is right",
                "write the reason",
                "reason",
            ),
        )
    with practice.writing(second, AGREED, case.patient.id, session=session_id) as record:
        record.act(
            "session", session_id, AGREED, {"digest": drafted[0].digest, "reason": reason.strip()}, case.patient.id
        )
        record.keep(
            Override(
                patient_id=case.patient.id,
                session_id=session_id,
                order_id=drafted[0].id,
                finding="restart-old-dose",
                drug=drafted[1].order.mixture.primary.drug,
                found="the dose of before, after a gap",
                allowed="a lower dose, planned from zero",
                authority="site",
                reason=reason.strip(),
            )
        )
    return ()


def _rule_text(rule: ToleranceRule) -> str:
    read = "" if rule.source.verified else ", not read in a source"
    return f"{rule.after.text('h')} ({rule.source.name}{read})"


def tolerance_lines(case: Case, tip: AtTip) -> tuple[Mapping[str, str], ...]:
    """Each ingredient with the hours without it, what must be taken of tolerance, and by which rule."""
    lines = []
    for found in tip.state.drugs:
        drug = case.drug(found.drug)
        rule = "no rule for this drug" if found.rule is None else _rule_text(found.rule)
        lines.append(
            {
                "name": drug.display_name,
                "hours": tip.gap.text("h"),
                "state": str(found.state),
                "rule": rule,
                "withdrawal": drug.withdrawal.text,
            }
        )
    return tuple(lines)
