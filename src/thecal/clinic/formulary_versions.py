"""The site's formulary as versions: one person writes, another signs, and from then on it is in force.

A version is one file of the site (``morphine``, ``mixtures``, ``conversions``), read over what ships; an
empty text takes the site's file away again. Versions and decisions are kept rows: nothing of them is ever edited.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, replace
from difflib import unified_diff
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from thecal.clinic.desk.lines import refresh_behind
from thecal.clinic.record.tables import FormularyDecision, FormularyVersion, Person
from thecal.clinic.record.unusable import StoreError, Trouble
from thecal.clinic.refused import Refused
from thecal.formulary import Formulary, FormularyError, load
from thecal.therapy.file_problems import FileRefused
from thecal.therapy.toml_places import parse_document

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy.orm import Session

    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Store
    from thecal.clinic.who import Who
    from thecal.formulary import Problem
    from thecal.therapy.file_problems import Problem as FileProblem

FILE_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LONGEST_NAME = 60
LONGEST_TEXT = 200_000
SHORTEST_WHY = 8


class Why(StrEnum):
    """Why a version is not taken."""

    NAME = "file name"
    TOO_LONG = "too long"
    NOT_USABLE = "not usable"
    NO_REASON = "no reason"
    SAME = "nothing new"
    NOT_THERE = "no such version"
    DECIDED = "decided already"
    OWN = "own version"
    BEHIND = "written over another version"


class Decision(StrEnum):
    """What another person said of a version."""

    SIGNED = "signed"
    TURNED_DOWN = "turned down"


@dataclass(frozen=True, slots=True)
class Version:
    """A version with its writer, and what was decided about it by whom and when; None while it is a draft."""

    row: FormularyVersion
    writer: str
    decision: FormularyDecision | None = None
    decider: str = ""

    @property
    def state(self) -> str:
        """draft, signed, or turned down."""
        return "draft" if self.decision is None else self.decision.decision


PAGE = 10
"""Versions on one page of a list. Ours."""


def signed_last(db: Session, file: str) -> int:
    """The number of the version of a file that was signed last, an empty one too; 0 where none ever was."""
    query = (
        select(FormularyVersion.id)
        .join(FormularyDecision, FormularyDecision.version_id == FormularyVersion.id)
        .where(FormularyVersion.file == file, FormularyDecision.decision == Decision.SIGNED)
    )
    return db.scalars(query.order_by(FormularyDecision.id.desc()).limit(1)).first() or 0


def _behind(file: str, over: int, now: int) -> Refused:
    found = f"a text that was written over {_version_text(over)}, while {_version_text(now)} is signed since"
    then = "look at the difference, and write it anew over what is in force"
    return Refused(Why.BEHIND, found, f"one that was written over what is in force of {file}", then, "text")


def _version_text(number: int) -> str:
    return f"version {number}" if number else "what ships"


def texts_in_force(db: Session) -> dict[str, FormularyVersion]:
    """The version of each file that was signed last; files whose last signed version is empty are the shipped ones."""
    newest = (
        select(FormularyVersion.file, func.max(FormularyDecision.id).label("decision"))
        .join(FormularyDecision, FormularyDecision.version_id == FormularyVersion.id)
        .where(FormularyDecision.decision == Decision.SIGNED)
        .group_by(FormularyVersion.file)
        .subquery()
    )
    query = (
        select(FormularyVersion)
        .join(FormularyDecision, FormularyDecision.version_id == FormularyVersion.id)
        .join(newest, newest.c.decision == FormularyDecision.id)
    )
    return {row.file: row for row in db.scalars(query.order_by(FormularyVersion.file)) if row.text.strip()}


def in_force(record: Practice | Store) -> Formulary:
    """What may be given here now, by its record: what ships with every signed file of the site over it.

    FormularyError where the files do not fit what ships any more; nothing is left out silently.
    """
    with record.reading() as db:
        rows = texts_in_force(db)
    return _loaded({name: row.text for name, row in rows.items()})


def bring_into_force(practice: Practice) -> Formulary:
    """Let the practice work with what is in force from now on; every row written then is stamped with its version."""
    with practice.reading() as db:
        practice.decided = _decided(db)  # before it is loaded: what is signed meanwhile is taken up the next time
    practice.formulary = in_force(practice)
    return practice.formulary


def follow(practice: Practice, db: Session) -> None:
    """Take up what was signed since, by another process too; ``db`` is any look at the record."""
    if _decided(db) != practice.decided:
        bring_into_force(practice)


def _decided(db: Session) -> int:
    """The newest decision on any version; 0 before the first."""
    return db.scalar(select(func.max(FormularyDecision.id))) or 0


def at_start(practice: Practice) -> Formulary:
    """The same where a clinic is opened; StoreError where a signed file cannot be used by this software any more."""
    try:
        return bring_into_force(practice)
    except FormularyError as wrong:
        found = f"a signed formulary that this software cannot use ({_plain(str(wrong))})"
        then = "start it with the software of before, and write and sign the file anew there"
        raise StoreError(Trouble.DAMAGED, found, "signed files that fit what ships", then) from wrong


def _loaded(texts: Mapping[str, str]) -> Formulary:
    if not texts:
        return load()
    with _folder(texts) as folder:
        found = load(folder)
    return replace(found, site_files=tuple(f"{name}.toml" for name in sorted(texts)))


@contextmanager
def _folder(texts: Mapping[str, str]) -> Iterator[Path]:
    with TemporaryDirectory(prefix="thecal-formulary-") as made:
        folder = Path(made)
        for name, text in texts.items():
            (folder / f"{name}.toml").write_text(text, "utf-8")
        yield folder


def wrong_with(db: Session, file: str, text: str) -> tuple[Refused, ...]:
    """Everything that is wrong with a file over what is in force, each with line and field."""
    if not FILE_NAME.fullmatch(file) or len(file) > LONGEST_NAME:
        allowed = 'the code of a drug ("morphine"), mixtures or conversions'
        return (Refused(Why.NAME, repr(file[:80]), allowed, "small letters, digits and single dashes", "file"),)
    if len(text) > LONGEST_TEXT:
        return (Refused(Why.TOO_LONG, f"{len(text):,} characters", f"{LONGEST_TEXT:,}", "write less", "text"),)
    try:
        parse_document(text, file)
    except FileRefused as wrong:
        return tuple(_not_toml(problem) for problem in wrong.problems)
    texts = {name: row.text for name, row in texts_in_force(db).items() if name != file}
    if text.strip():
        texts[file] = text
    try:
        _loaded(texts)
    except FormularyError as wrong:
        return tuple(_refused(file, text, problem) for problem in wrong.problems)
    return ()


def _not_toml(problem: FileProblem) -> Refused:
    place = f" (line {problem.place.line}, column {problem.place.column})" if problem.place is not None else ""
    return Refused(Why.NOT_USABLE, f"{problem.found}{place}", problem.allowed, "correct it there", "text")


def _refused(file: str, text: str, problem: Problem) -> Refused:
    """A problem with its place: the line where it can be found, the field, and the file where it is another one."""
    other = Path(problem.file).stem
    line = _line_of(text, problem.where) if other == file else None
    places = [f"file {other}" if other != file else "", f"line {line}" if line else "", problem.field]
    where = ", ".join(place for place in places if place)
    found = f"{problem.found} ({where})" if where else problem.found
    return Refused(Why.NOT_USABLE, _plain(found), _plain(problem.allowed), "correct it there", "text")


def _plain(text: str) -> str:
    """Without the name of the folder that the files were read from."""
    return re.sub(r"\S*/thecal-formulary-[^/\s]*/", "", text)


def _line_of(text: str, where: tuple[str | int, ...]) -> int | None:
    """The line of a field, or of the nearest table around it; None where the whole file is meant."""
    return parse_document(text, "text").key(where).line if where else None


def write(
    practice: Practice, who: Who, file: str, text: str, why: str, *, over: int | None = None
) -> FormularyVersion | tuple[Refused, ...]:
    """Keep a new version as a draft; everything that is wrong with it instead.

    ``over`` is the version whose text the writer began with: refused where another one was signed since.
    """
    file, text = file.strip(), text.replace("\r\n", "\n").strip() + "\n"
    text = "" if text == "\n" else text
    with practice.reading() as db:
        found = list(wrong_with(db, file, text))
        now, newest = texts_in_force(db).get(file), signed_last(db, file)
    if over is not None and over != newest:
        found.append(_behind(file, over, newest))
    if len(why.strip()) < SHORTEST_WHY:
        found.append(
            Refused(Why.NO_REASON, repr(why.strip()[:40]), "a reason in words", "say what changes and why", "why")
        )
    if not found and text == (now.text if now is not None else ""):
        found.append(Refused(Why.SAME, "the text that is in force", "a change", "change it, or leave", "text"))
    if found:
        return tuple(found)
    digest = sha256(text.encode()).hexdigest()
    with practice.writing(who, "formulary version written", file=file) as record:
        words = " ".join(why.split())
        return record.keep(FormularyVersion(file=file, text=text, digest=digest, why=words, over=newest))


def decide(
    practice: Practice, who: Who, version_id: int, decision: Decision, why: str = ""
) -> FormularyDecision | tuple[Refused, ...]:
    """Sign a version off or turn it down, as somebody else than its writer. A signed one is in force from now on."""
    with practice.reading() as db:
        found = _undecided(db, who, version_id, decision)
        if isinstance(found, Refused):
            return (found,)
        wrong = wrong_with(db, found.file, found.text) if decision is Decision.SIGNED else ()
    if decision is Decision.TURNED_DOWN and len(why.strip()) < SHORTEST_WHY:
        return (Refused(Why.NO_REASON, repr(why.strip()[:40]), "a reason in words", "say why", "why"),)
    if wrong:
        return wrong
    with practice.writing(who, f"formulary version {decision}", file=found.file) as record:
        again = _undecided(record.session, who, version_id, decision)
        if isinstance(again, Refused):
            return (again,)
        done = record.keep(FormularyDecision(version_id=version_id, decision=str(decision), why=why.strip()))
    if decision is Decision.SIGNED:
        bring_into_force(practice)
        refresh_behind(practice)
    return done


def _undecided(db: Session, who: Who, version_id: int, decision: Decision) -> FormularyVersion | Refused:
    row = db.get(FormularyVersion, version_id)
    if row is None:
        return Refused(Why.NOT_THERE, f"no version {version_id}", "a version of the list", "look at the list")
    if db.scalars(select(FormularyDecision).where(FormularyDecision.version_id == version_id)).first() is not None:
        return Refused(Why.DECIDED, "a version that was decided already", "a draft", "look at it again")
    if row.by_person == who.person_id:
        return Refused(Why.OWN, f"{who.name}, who wrote it", "anybody else who may sign", "ask another person")
    now = signed_last(db, row.file)
    if decision is Decision.SIGNED and row.over != now:
        return replace(_behind(row.file, row.over, now), field="")
    return row


def version(db: Session, version_id: int) -> Version | None:
    """One version; None where there is none."""
    return next(iter(_versions(db, FormularyVersion.id == version_id, 1)), None)


@dataclass(frozen=True, slots=True)
class Versions:
    """One page of versions, the newest first; ``page`` counts from 1."""

    rows: tuple[Version, ...]
    page: int
    pages: int


def versions(db: Session, file: str | None = None, page: int = 1) -> Versions:
    """Versions of one file or of all; a page behind the last one is the last."""
    where = FormularyVersion.file == file if file is not None else None
    counted = select(func.count(FormularyVersion.id))
    found = db.scalar(counted if where is None else counted.where(where)) or 0
    pages = max(1, -(-found // PAGE))
    at = min(max(1, page), pages)
    return Versions(_versions(db, where, PAGE, (at - 1) * PAGE), at, pages)


def _versions(db: Session, where: object, most: int, skip: int = 0) -> tuple[Version, ...]:
    writer, decider = Person.__table__.alias("writer"), Person.__table__.alias("decider")
    query = (
        select(FormularyVersion, writer.c.name, FormularyDecision, decider.c.name)
        .outerjoin(writer, writer.c.id == FormularyVersion.by_person)
        .outerjoin(FormularyDecision, FormularyDecision.version_id == FormularyVersion.id)
        .outerjoin(decider, decider.c.id == FormularyDecision.by_person)
        .order_by(FormularyVersion.id.desc())
        .limit(most)
        .offset(skip)
    )
    if where is not None:
        query = query.where(where)  # type: ignore[arg-type]
    return tuple(Version(row, wrote or "", decision, by or "") for row, wrote, decision, by in db.execute(query))


def before_it(db: Session, one: FormularyVersion) -> str:
    """The text that was in force when a version was written; empty where what ships was."""
    below = db.get(FormularyVersion, one.over) if one.over else None
    return below.text if below is not None else ""


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line of a difference: ``sign`` is + for new, - for gone, empty for what stays."""

    sign: str
    text: str


def difference(old: str, new: str) -> tuple[DiffLine, ...]:
    """What a text changes of another one, with three lines around each change."""
    lines = list(unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=3))[2:]
    return tuple(
        DiffLine({"+": "+", "-": "-"}.get(line[:1], ""), line[1:]) for line in lines if not line.startswith("@@")
    )


@dataclass(frozen=True, slots=True)
class SideEntry:
    """The side form for the limits that sites set most often: each amount may stay empty, the source may not."""

    max_concentration: str = ""
    max_daily_dose: str = ""
    authority: str = ""
    edition: str = ""
    source: str = ""
    verified: str = ""


def with_limits(code: str, text: str, entry: SideEntry) -> str:
    """The text of a drug's file with limits from the side form added to it; it is checked like anything typed.

    A new file extends what ships; a limit that the text sets already is left to the hand that wrote it.
    """
    head = text.strip() or f'extends = "{code}"'
    key = "site-" + sha256(f"{entry.authority}{entry.edition}{entry.source}".encode()).hexdigest()[:6]
    parts = [("max_concentration", entry.max_concentration), ("max_daily_dose", entry.max_daily_dose)]
    lines = [
        f'{name} = [{{ kind = "consensus", high = {_quoted(amount)}, source = "{key}" }}]'
        for name, amount in parts
        if amount.strip() and not re.search(rf"^{name}\s*=", head, re.MULTILINE)
    ]
    source = (
        f"{key} = {{ authority = {_quoted(entry.authority)}, edition = {_quoted(entry.edition or 'not stated')}, "
        f"text = {_quoted(entry.source)}, verified = {str(entry.verified == 'yes').lower()} }}"
    )
    before, table, after = head.partition("[sources]")
    return "\n".join([before.rstrip(), "", *lines, "", table or "[sources]", source, after.strip()]).strip() + "\n"


def _quoted(text: str) -> str:
    said = " ".join(text.split()).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{said}"'


def changes_of(old: Formulary, new: Formulary) -> Sequence[str]:
    """The codes of drugs that two formularies hold differently."""
    codes = sorted({*old.drugs, *new.drugs})
    return [code for code in codes if old.drugs.get(code) != new.drugs.get(code)]
