"""The double check: a second person enters the key values without seeing the first entry, and the machine compares
them.

This asks for what is known already, on purpose: the second entry is the safety measure (WCAG 3.3.7 names that
exception).
Both entries are kept, whatever comes of it.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from thecal.clinic.people.entering import Then, enter, say_second
from thecal.clinic.people.signing_in import end, signed_in
from thecal.clinic.record.columns import exact_text
from thecal.clinic.record.tables import DoubleCheck, NearMiss
from thecal.clinic.refused import Refused
from thecal.formulary import UnknownDrug
from thecal.formulary.limits import Source
from thecal.quantities import AmountError, Concentration, Mass, Quantity, Volume, parse_number

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy.orm import Session

    from thecal.clinic.people.signing_in import Visitor
    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record
    from thecal.clinic.record.tables import Session as SessionRow
    from thecal.clinic.who import Who
    from thecal.formulary import Formulary
    from thecal.therapy.mixture import Mixture

_FILE = Path(__file__).with_name("double_check.toml")
MAY = "check.second"
LINES = 4
"""Lines for drugs in the form of the second entry, at least: their number gives nothing away."""


class NotChecked(StrEnum):
    """Why a second entry was not taken, or did not agree."""

    NOT_ALLOWED = "not allowed"
    SAME_PERSON = "the same person"
    MISSING = "missing"
    UNKNOWN_DRUG = "unknown drug"
    TWICE = "named twice"
    NOT_AN_AMOUNT = "not an amount"
    MISMATCH = "entries differ"
    NOT_SIGNED_IN = "not signed in"


@dataclass(frozen=True, slots=True)
class Act:
    """An act that needs a second entry; ``over`` is the share from which a change of dose does."""

    id: str
    what: str
    source: Source
    over: Fraction | None = None


@cache
def acts() -> Mapping[str, Act]:
    """Every act by its name."""
    rows = tomllib.loads(_FILE.read_text("utf-8"))["act"]
    return {
        r["id"]: Act(
            r["id"],
            r["what"],
            Source(**r["source"]),
            parse_number(r["over_percent"]) / 100 if "over_percent" in r else None,
        )
        for r in rows
    }


@dataclass(frozen=True, slots=True)
class Values:
    """The key values, exact: each drug with its strength, the volume that goes in, and the primary drug's day total.

    The day total is the base alone, on the day with the most; None where no program is known, and then nothing agrees.
    """

    strengths: tuple[tuple[str, Concentration], ...]
    volume: Volume
    day_total: Mass | None

    def plain(self) -> dict[str, Any]:
        """As the record keeps them: exact numbers, in mg/mL, mL and mg."""
        return {
            "drugs": [[drug, exact_text(c.number("mg/mL"))] for drug, c in sorted(self.strengths)],
            "volume": exact_text(self.volume.number("mL")),
            "day_total": None if self.day_total is None else exact_text(self.day_total.number("mg")),
        }


def values_of(mixture: Mixture, volume: Volume, day_total: Mass | None) -> Values:
    """The key values of a mixture and a volume."""
    return Values(tuple((i.drug, i.concentration) for i in mixture.ingredients), volume, day_total)


def needs(found: Sequence[str]) -> tuple[Act, ...]:
    """The acts of the list that are among what happens."""
    return tuple(act for name, act in acts().items() if name in found)


# The second entry --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Typed:
    """The second entry as it was typed: drugs with strengths, line by line, volume, day total."""

    drugs: tuple[str, ...]
    strengths: tuple[str, ...]
    volume: str
    day_total: str


def read(typed: Typed, formulary: Formulary) -> Values | tuple[Refused, ...]:
    """The values in a second entry, or what cannot be read, each at its field."""
    wrong: list[Refused] = []
    lines: list[tuple[str, Concentration]] = []
    for at, (drug, strength) in enumerate(zip(typed.drugs, typed.strengths, strict=True)):
        if not drug.strip() and not strength.strip():
            continue
        line = _line(drug, strength, at, formulary)
        if isinstance(line, Refused):
            wrong.append(line)
        elif any(line[0] == code for code, _ in lines):
            wrong.append(
                Refused(
                    NotChecked.TWICE, f"{drug.strip()} again", "each drug once", "enter each drug once", f"drug-{at}"
                )
            )
        else:
            lines.append(line)
    if not lines and not wrong:
        wrong.append(Refused(NotChecked.MISSING, "no drug", "every drug on the label", "read the label", "drug-0"))
    volume = _amount(typed.volume, Volume, "mL", "volume", "the volume that goes in")
    total = _amount(typed.day_total, Mass, "mg", "day_total", "the day total")
    wrong += [r for r in (volume, total) if isinstance(r, Refused)]
    if wrong or isinstance(volume, Refused) or isinstance(total, Refused):
        return tuple(wrong)
    return Values(tuple(lines), volume, total)


def _line(drug: str, strength: str, at: int, formulary: Formulary) -> tuple[str, Concentration] | Refused:
    try:
        code = formulary.drug(drug.strip().casefold()).code
    except UnknownDrug:
        return Refused(
            NotChecked.UNKNOWN_DRUG,
            f"{drug.strip()[:60]!r}",
            "a drug of the formulary",
            "read the label again",
            f"drug-{at}",
        )
    found = _amount(strength, Concentration, "mg/mL", f"strength-{at}", "the strength")
    return found if isinstance(found, Refused) else (code, found)


def _amount(text: str, kind: type[Quantity], unit: str, field: str, what: str) -> Any:
    try:
        return kind.parse(text.strip())
    except AmountError as wrong:
        found = f"{text.strip()[:60]!r}: {wrong.problem}" if text.strip() else f"no entry for {what}"
        return Refused(
            NotChecked.NOT_AN_AMOUNT,
            found,
            f"an amount with its unit, as 0.5 {unit}; {wrong.hint}",
            f"enter {what} again",
            field,
        )


@dataclass(frozen=True, slots=True)
class Compared:
    """The two entries beside each other, and whether all is the same."""

    row: DoubleCheck
    matched: bool


def differs(first: Values, second: Values) -> tuple[str, ...]:
    """What is not the same, in words without any of the numbers."""
    one, other = first.plain(), second.plain()
    names = {"drugs": "drugs or strengths", "volume": "volume", "day_total": "day total"}
    return tuple(said for key, said in names.items() if one[key] is None or one[key] != other[key])


def against(who: Who, first: int | Collection[int]) -> Refused | None:
    """Why somebody cannot be the second person; None where they can. ``first`` is who made the first entry, or parts
    of it.
    """
    if not who.may(MAY):
        return Refused(NotChecked.NOT_ALLOWED, who.name, "somebody who may be the second person", "ask another person")
    if who.person_id in ((first,) if isinstance(first, int) else first):
        then = "let another person sign in here or at another screen"
        return Refused(NotChecked.SAME_PERSON, f"{who.name}, who made the first entry", "another person", then)
    return None


def compare(  # noqa: PLR0917 -- as a form asks for it
    record: Record, session: SessionRow, what: str, first_person: int, first: Values, second: Values
) -> Compared:
    """Keep both entries with what came of comparing them, within the caller's transaction; a mismatch is a near miss
    too.
    """
    apart = differs(first, second)
    row = record.keep(
        DoubleCheck(
            patient_id=session.patient_id,
            session_id=session.id,
            what=what,
            first_person=first_person,
            first=first.plain(),
            second=second.plain(),
            matched=0 if apart else 1,
        )
    )
    if apart:
        record.keep(
            NearMiss(
                patient_id=session.patient_id,
                session_id=session.id,
                where="double check",
                code=str(NotChecked.MISMATCH),
                found=f"two entries that differ in {', '.join(apart)}",
                allowed="two entries that are the same",
            )
        )
    return Compared(row, not apart)


def newest(db: Session, session_id: int) -> DoubleCheck | None:
    """The newest double check of a session."""
    query = select(DoubleCheck).where(DoubleCheck.session_id == session_id)
    return db.scalars(query.order_by(DoubleCheck.id.desc()).limit(1)).first()


def vouched(practice: Practice, login: str, password: str, code: str, visitor: Visitor) -> Who | Refused:
    """Who the second person at the same screen is: signed in as anybody is, for this one entry, and signed
    out at once.
    """
    entered = enter(practice, login, password, visitor)
    if not isinstance(entered, Refused) and entered.then is Then.SECOND:
        token = entered.token
        entered = say_second(practice, token, code, visitor)
        if isinstance(entered, Refused):
            return _at(entered, "second_code")
    if isinstance(entered, Refused):
        return _at(entered, "second_login")
    try:
        with practice.reading() as db:
            who = signed_in(db, entered.token, practice.machine_s())
    finally:
        with practice.store.noting() as session:
            end(session, entered.token)
    if who is None:
        then = "sign in once at a screen of your own and set up what is missing"
        return Refused(
            NotChecked.NOT_SIGNED_IN,
            "a sign-in that is not complete",
            "password and second factor",
            then,
            "second_login",
        )
    return who


def _at(refused: Refused, field: str) -> Refused:
    return Refused(refused.code, refused.found, refused.allowed, refused.then, field)


def beside(check: DoubleCheck, formulary: Formulary) -> list[tuple[str, str, str, bool]]:
    """Both entries, line by line: what, first, second, whether they are the same. Only for when both are in."""
    one, other = check.first, check.second
    drugs = dict.fromkeys(d for d, _ in [*one["drugs"], *other["drugs"]])
    strengths = [dict(map(tuple, entry["drugs"])) for entry in (one, other)]
    lines = []
    for code in drugs:
        drug = formulary.drug(code)
        said = [_shown(Concentration, s.get(code), "mg/mL", drug.conc_unit) for s in strengths]
        lines.append((drug.display_name, said[0], said[1], said[0] == said[1]))
    for name, kind, inside in (("volume", Volume, "mL"), ("day_total", Mass, "mg")):
        said = [_shown(kind, entry[name], inside, inside) for entry in (one, other)]
        lines.append((name.replace("_", " "), said[0], said[1], one[name] == other[name]))
    return lines


def _shown(kind: type[Quantity], number: str | None, inside: str, unit: str) -> str:
    return "not named" if number is None else kind.of(Fraction(number), inside).text(unit, 12)
