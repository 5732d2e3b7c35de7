"""The steps of a syringe beside its worksheet: accept, label, pass a limit by name, release, ship, receive, use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thecal.clinic.pharmacy.ceilings import LimitLine, blocking, limit_lines
from thecal.clinic.pharmacy.labeling import label_lines, not_the_order
from thecal.clinic.pharmacy.lookup import by_code, mixture_in
from thecal.clinic.pharmacy.refusing import Why, refused, stopped
from thecal.clinic.pharmacy.states import OPEN, State
from thecal.clinic.pharmacy.stepping import before, canceled, changed, clinic_day, refresh_board
from thecal.clinic.pharmacy.syringe_code import code_for, normal
from thecal.clinic.record.tables import Clinic, Order, Override, Preparation
from thecal.clinic.refused import Refused
from thecal.therapy.refusal import day_text

if TYPE_CHECKING:
    from datetime import date

    from sqlalchemy.orm import Session

    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record
    from thecal.clinic.who import Who
    from thecal.formulary import Formulary

SHORTEST_REASON = 8
"""Characters of a reason: fewer say nothing. Ours."""


def step(
    practice: Practice, who: Who, preparation_id: int, to: State, seen: int | None = None, **details: Any
) -> Preparation | Refused:
    """A step that asks for nothing but to be next: accept, ship. ``details`` go into its act."""
    with practice.reading() as db:
        found = before(db, preparation_id, to)
    if isinstance(found, Refused):
        return found
    with practice.writing(who, f"syringe {to}", found.patient_id) as record:
        return changed(record, preparation_id, to, seen, details or None)


def cancel(
    practice: Practice, who: Who, preparation_id: int, why: str, seen: int | None = None
) -> Preparation | Refused:
    """Give a syringe up, with the reason; it cannot come back."""
    if len(why.strip()) < SHORTEST_REASON:
        return refused(Why.MISSING, repr(why.strip()), "a reason in words", "say why it is not needed", "why")
    with practice.reading() as db:
        found = before(db, preparation_id, State.CANCELED)
    if isinstance(found, Refused):
        return found
    with practice.writing(who, f"syringe {State.CANCELED}", found.patient_id) as record:
        return canceled(record, preparation_id, why.strip(), seen)


def put_label(
    practice: Practice, who: Who, preparation_id: int, seen: int | None = None
) -> Preparation | tuple[Refused, ...]:
    """Give the syringe its code. Refused where the label, read back, would not give the order."""
    with practice.reading() as db:
        found = before(db, preparation_id, State.LABELED)
        if isinstance(found, Refused):
            return (found,)
        wrong = not_the_order(label_lines(found.worksheet, practice.formulary), mixture_in(db, found))
        clinic = db.query(Clinic).first()
    if wrong:
        return stopped(practice, who, found.patient_id, wrong)
    with practice.writing(who, "syringe labeled", found.patient_id) as record:
        code = code_for(clinic.name if clinic is not None else "", found.id, found.at_utc_s)
        row = changed(
            record, preparation_id, State.LABELED, seen, syringe_code=code, search=f"{found.search} {code.lower()}"
        )
        return (row,) if isinstance(row, Refused) else row


def limits_on(db: Session, row: Preparation, formulary: Formulary) -> tuple[LimitLine, ...]:
    """Every limit on what a syringe is to hold; its beyond-use day is one of them once there is a worksheet.

    A day that nobody knows, and one before the day on which the syringe is needed, are passed by name alone.
    """
    ordered = db.get(Order, row.order_id) if row.order_id is not None else None
    lines = limit_lines(mixture_in(db, row), formulary, ordered)
    if row.worksheet is None:
        return lines
    if row.beyond_use is not None:
        return (*lines, *_ends_early(row))
    unknown = LimitLine(
        "", "whole syringe", "beyond-use day", "beyond-use-unknown", "unknown", "a day with its source", "no source",
        verified=False, blocks=True,
    )  # fmt: skip
    return (*lines, unknown)


def _ends_early(row: Preparation) -> tuple[LimitLine, ...]:
    if row.beyond_use is None or row.beyond_use >= row.needed_by:
        return ()
    found, allowed = day_text(row.beyond_use), f"{day_text(row.needed_by)} or later, when it is needed"
    early = LimitLine(
        "", "whole syringe", "beyond-use day", "beyond-use-before-needed", found, allowed, "this order",
        verified=True, blocks=True,
    )  # fmt: skip
    return (early,)


def override(
    practice: Practice, who: Who, preparation_id: int, key: str, why: str, *, seen: int | None = None
) -> Preparation | Refused:
    """Go past one limit of one syringe, by name and with a reason; it is kept as an override of that limit."""
    with practice.reading() as db:
        row = db.get(Preparation, preparation_id)
        if row is None or row.state not in OPEN or row.worksheet is None:
            return refused(
                Why.OUT_OF_ORDER, "no syringe with a worksheet", "one on its way", "write the worksheet first"
            )
        lines = blocking(limits_on(db, row, practice.formulary), row.overridden)
    line = next((one for one in lines if one.key == key), None)
    if line is None:
        return refused(
            Why.UNKNOWN, "no such limit in the way", "a limit that the page lists", "look at the page as it is now"
        )
    if len(why.strip()) < SHORTEST_REASON:
        return refused(
            Why.MISSING, repr(why.strip()), "a reason in words", "say why this syringe may go past the limit", "why"
        )
    with practice.writing(who, "limit passed by name", row.patient_id) as record:
        return _passed(record, preparation_id, line, why.strip(), seen)


def _passed(record: Record, preparation_id: int, line: LimitLine, why: str, seen: int | None) -> Preparation:
    row = record.get(Preparation, preparation_id)
    assert row is not None  # noqa: S101  (read a moment ago; never taken away)
    kept = record.keep(
        Override(
            patient_id=row.patient_id, session_id=None, order_id=row.order_id, finding=line.finding,
            drug=line.drug or None, found=line.found, allowed=line.allowed, authority=line.authority, reason=why,
        )
    )  # fmt: skip
    one = {"key": line.key, "override": kept.id, "by": record.who.name, "why": why, "what": f"{line.name}, {line.what}"}
    return record.change(row, "limit passed", seen, {"preparation": row.id}, overridden=[*row.overridden, one])


def release(
    practice: Practice, who: Who, preparation_id: int, seen: int | None = None
) -> Preparation | tuple[Refused, ...]:
    """Release a labeled syringe. Refused while any ingredient lies above a ceiling that nobody went past by name."""
    with practice.reading() as db:
        found = before(db, preparation_id, State.RELEASED)
        if isinstance(found, Refused):
            return (found,)
        today = clinic_day(db, practice.now_s())
        lines = blocking(limits_on(db, found, practice.formulary), found.overridden)
    wrong = (*(_in_the_way(line) for line in lines), *_beyond_use(found, today))
    if wrong:
        return stopped(practice, who, found.patient_id, wrong)
    with practice.writing(who, "syringe released", found.patient_id) as record:
        row = changed(record, preparation_id, State.RELEASED, seen)
        return (row,) if isinstance(row, Refused) else row


def _in_the_way(line: LimitLine) -> Refused:
    authority = f" ({line.authority})" if line.authority else ""
    then = "go past it by name and with a reason, or have it ordered anew"
    return refused(Why.ABOVE_CEILING, f"{line.name}, {line.what}: {line.found}", f"{line.allowed}{authority}", then)


def _beyond_use(row: Preparation, today: date) -> tuple[Refused, ...]:
    if row.beyond_use is None or row.beyond_use >= today:
        return ()
    found = f"a syringe whose beyond-use day was {day_text(row.beyond_use)}"
    return (refused(Why.BEYOND_USE, found, f"{day_text(today)} or later", "discard it, and make a fresh one"),)


def receive(practice: Practice, who: Who, code: str) -> Preparation | tuple[Refused, ...]:
    """Take a syringe in at the clinic by its code, scanned or typed; refused out of order and past its day."""
    with practice.reading() as db:
        row, today = by_code(db, code), clinic_day(db, practice.now_s())
    if row is None:
        known = "a code that was mistyped" if normal(code) is None else "a code that no syringe has"
        wrong = refused(
            Why.NO_CODE,
            f"{code.strip()[:40]!r}: {known}",
            "a code such as TH-0000-0000-0",
            "scan it again, or read it from the label",
            "code",
        )
        return stopped(practice, who, None, (wrong,)) if normal(code) is not None else (wrong,)
    late = _beyond_use(row, today)
    if late:
        return stopped(practice, who, row.patient_id, late)
    done = step(practice, who, row.id, State.RECEIVED)
    return (done,) if isinstance(done, Refused) else done


def use(record: Record, preparation: Preparation, session_id: int) -> Preparation | Refused:
    """Mark a received syringe as used in a session, within the refill's own transaction; refused the second time."""
    return changed(record, preparation.id, State.USED, details={"session": session_id})


def move_needed_by(
    practice: Practice, who: Who, preparation_id: int, needed_by: date, why: str, *, seen: int | None = None
) -> Preparation | Refused:
    """Change the day on which a syringe is needed; the old day and the reason stay in its acts."""
    with practice.reading() as db:
        row, today = db.get(Preparation, preparation_id), clinic_day(db, practice.now_s())
    if row is None or row.state not in OPEN:
        return refused(Why.OUT_OF_ORDER, "no syringe on its way", "one that is not used or canceled", "order a new one")
    if needed_by < today:
        return refused(
            Why.NOT_ALLOWED,
            f"{day_text(needed_by)}, which is over",
            f"{day_text(today)} or later",
            "enter the day of the refill",
            "needed_by",
        )
    with practice.writing(who, "needed-by day moved", row.patient_id) as record:
        now = record.get(Preparation, preparation_id)
        assert now is not None  # noqa: S101  (read a moment ago; never taken away)
        details = {"was": now.needed_by.isoformat(), "why": why.strip()}
        moved = record.change(now, "needed-by moved", seen, details, needed_by=needed_by)
        refresh_board(record, now.patient_id)
        return moved
