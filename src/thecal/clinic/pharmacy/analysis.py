"""Overrides and near misses counted: how often alerts come, how often people pass them, and what was stopped when.

It is no list of blame: counts are by finding, by role and by month; a name stands in the single row alone. What is
counted is what was recorded: a soft finding that made somebody change the order leaves no row.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sqlalchemy import Select, case, func, or_, select

from thecal.clinic.record.tables import Clinic, NearMiss, Override, Patient, Person, ProgramRun
from thecal.quantities import number_text, percent_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

MONTHS = 12
"""So many months up to now are counted. Ours."""
PAGE = 50
OVERRIDES, NEAR_MISSES = "overrides", "near-misses"


@dataclass(frozen=True, slots=True)
class Share:
    """How often something was passed, of how many alerts."""

    name: str
    passed: int
    alerts: int

    @property
    def text(self) -> str:
        """The share for the eye."""
        return percent_text(Fraction(self.passed, self.alerts)) if self.alerts else "none"


@dataclass(frozen=True, slots=True)
class MonthRow:
    """Near misses of one kind, month by month in the order of ``Overview.months``."""

    kind: str
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.counts)


@dataclass(frozen=True, slots=True)
class Overview:
    """The last twelve months at the clinic."""

    months: tuple[str, ...]
    programs: int
    overrides: int
    near_misses: int
    by_finding: tuple[Share, ...]
    by_role: tuple[Share, ...]
    by_month: tuple[MonthRow, ...]

    @property
    def per_hundred(self) -> str:
        """Alerts for every hundred programs that were confirmed; "no program" without any."""
        if not self.programs:
            return "no program"
        return number_text(Fraction(100 * (self.overrides + self.near_misses), self.programs))


def overview(db: Session, now_s: int) -> Overview:
    """Everything counted in the database, over the twelve months up to now."""
    bounds = _months(db, now_s)
    since = bounds[0][1]
    passed = _counts(db, Override.finding, Override.at_utc_s, since)
    stopped = _counts(db, NearMiss.code, NearMiss.at_utc_s, since)
    programs = db.scalar(select(func.count(ProgramRun.id)).where(ProgramRun.confirmed_utc_s >= since)) or 0
    findings = [Share(name, passed[name], passed[name] + stopped[name]) for name in {*passed, *stopped}]
    return Overview(
        tuple(name for name, _, _ in bounds),
        programs,
        passed.total(),
        stopped.total(),
        tuple(sorted(findings, key=lambda s: (-s.alerts, s.name))),
        _by_role(db, since),
        _by_month(db, bounds),
    )


def _counts(db: Session, name: Any, at: Any, since: int) -> Counter[str]:
    query = select(name, func.count()).where(at >= since).group_by(name)
    found: Counter[str] = Counter()
    for key, count in db.execute(query):
        found[key] = count
    return found


def _by_role(db: Session, since: int) -> tuple[Share, ...]:
    """By what people are now; whoever is several things counts in each."""
    roles: dict[int, list[str]] = {person: held for person, held in db.execute(select(Person.id, Person.roles))}  # noqa: C416
    passed, alerts = Counter[str](), Counter[str]()
    for table, into in ((Override, (passed, alerts)), (NearMiss, (alerts,))):
        query = select(table.by_person, func.count()).where(table.at_utc_s >= since).group_by(table.by_person)
        for person, count in db.execute(query):
            for role in roles.get(person, ["unknown"]):
                for counter in into:
                    counter[role] += count
    return tuple(Share(role, passed[role], alerts[role]) for role in sorted(alerts))


def _by_month(db: Session, bounds: Sequence[tuple[str, int, int]]) -> tuple[MonthRow, ...]:
    at = NearMiss.at_utc_s
    columns = [func.sum(case(((at >= begin) & (at < end), 1), else_=0)) for _, begin, end in bounds]
    query = select(NearMiss.code, *columns).where(at >= bounds[0][1]).group_by(NearMiss.code)
    rows = [MonthRow(code, tuple(int(c) for c in counts)) for code, *counts in db.execute(query)]
    return tuple(sorted(rows, key=lambda r: (-r.total, r.kind)))


def _months(db: Session, now_s: int) -> list[tuple[str, int, int]]:
    """The last months at the clinic: name, begin and end in UTC, the oldest first."""
    clinic = db.scalars(select(Clinic)).first()
    zone = ZoneInfo(clinic.zone if clinic is not None else "UTC")
    now = datetime.fromtimestamp(now_s, UTC).astimezone(zone)
    first = now.year * 12 + now.month - MONTHS
    starts = [datetime(at // 12, at % 12 + 1, 1, tzinfo=zone) for at in range(first, first + MONTHS + 1)]
    return [(f"{begin:%b %Y}", int(begin.timestamp()), int(end.timestamp())) for begin, end in pairwise(starts)]


@dataclass(frozen=True, slots=True)
class OneRow:
    """One override or near miss, with the name of the person who was there."""

    number: int
    at_utc_s: int
    kind: str
    where: str
    drug: str
    found: str
    allowed: str
    authority: str
    reason: str
    person: str
    patient: str


@dataclass(frozen=True, slots=True)
class Rows:
    """One page of single rows, the newest first."""

    rows: tuple[OneRow, ...]
    found: int
    page: int
    pages: int


def rows(db: Session, what: str, *, kind: str = "", text: str = "", page: int = 1) -> Rows:
    """Single rows of OVERRIDES or NEAR_MISSES; ``kind`` is a finding or code, ``text`` words in what was found."""
    query = _query(what, kind, text)
    table = Override if what == OVERRIDES else NearMiss
    found = db.scalar(query.with_only_columns(func.count(table.id)).order_by(None)) or 0
    pages = max(1, -(-found // PAGE))
    page = min(max(page, 1), pages)
    return Rows(_read(db, what, query.offset((page - 1) * PAGE).limit(PAGE)), found, page, pages)


def kinds(db: Session, what: str) -> list[str]:
    """Every kind that there is."""
    column = Override.finding if what == OVERRIDES else NearMiss.code
    return list(db.scalars(select(column).distinct().order_by(column)))


def _query(what: str, kind: str, text: str) -> Select[Any]:
    table: Any = Override if what == OVERRIDES else NearMiss
    of_kind = table.finding if what == OVERRIDES else table.code
    query = (
        select(table, Person.name, Patient.number)
        .outerjoin(Person, Person.id == table.by_person)
        .outerjoin(Patient, Patient.id == table.patient_id)
        .order_by(table.id.desc())
    )
    if kind:
        query = query.where(of_kind == kind)
    for word in text.lower().split()[:8]:
        parts = [func.lower(c).contains(word, autoescape=True) for c in (table.found, table.allowed, of_kind)]
        query = query.where(or_(*parts))
    return query


def _read(db: Session, what: str, query: Select[Any]) -> tuple[OneRow, ...]:
    return tuple(_one(what, *row) for row in db.execute(query))


def _one(what: str, row: Any, person: str | None, patient: str | None) -> OneRow:
    override = what == OVERRIDES
    return OneRow(
        row.id,
        row.at_utc_s,
        row.finding if override else row.code,
        "" if override else row.where,
        (row.drug or "") if override else "",
        row.found,
        row.allowed,
        row.authority if override else "",
        row.reason if override else "",
        person or "Thecal",
        patient or "",
    )


def as_json(db: Session, what: str, kind: str, text: str) -> str:
    """Every row as JSON; the patient by the clinic's number alone."""
    return json.dumps([asdict(row) for row in _read(db, what, _query(what, kind, text))], ensure_ascii=False, indent=1)


def as_csv(db: Session, what: str, kind: str, text: str) -> str:
    """Every row as CSV; what a spreadsheet would take for a formula is made text."""
    out = io.StringIO()
    names = list(OneRow.__dataclass_fields__)
    writer = csv.writer(out)
    writer.writerow(names)
    for row in _read(db, what, _query(what, kind, text)):
        writer.writerow([_cell(getattr(row, name)) for name in names])
    return out.getvalue()


def _cell(value: object) -> str:
    text = str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
