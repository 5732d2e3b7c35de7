"""Another mixture: old and new beside each other, what is known of a swap of opioids, limits, and what a rinse leaves
behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thecal.clinic.pharmacy.ceilings import LimitLine, limit_lines
from thecal.clinic.programming.order_text import ingredient_rows
from thecal.clinic.refilling.case import case_of
from thecal.clinic.refilling.entries import Wrong, amount, entry, finish, open_here, volume_of
from thecal.clinic.refilling.hands import closed_by_filling
from thecal.clinic.refilling.syringe import chosen_syringe, new_mixture
from thecal.clinic.refused import Refused
from thecal.clinic.workflow import Step
from thecal.formulary import UnknownDrug
from thecal.quantities import Concentration, Volume
from thecal.therapy.mixture import Ingredient, Mixture
from thecal.therapy.reservoir import mixed
from thecal.therapy.review.transition import ratio_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    from sqlalchemy.orm import Session

    from thecal.clinic.practice import Practice
    from thecal.clinic.refilling.case import Case
    from thecal.clinic.who import Who
    from thecal.formulary import Formulary

LINES = 5
"""Lines for drugs in the form of a new mixture."""
YES_NO = {"yes": True, "no": False}


@dataclass(frozen=True, slots=True)
class Row:
    """One drug, before and after, each in the drug's own unit; the change as a word."""

    name: str
    before: str
    after: str
    change: str


def table(old: Mixture | None, new: Mixture | None, formulary: Formulary) -> tuple[Row, ...]:
    """Old and new mixture, drug by drug, those of the new one first."""
    one = {} if old is None else {i.drug: i.concentration for i in old.ingredients}
    other = {} if new is None else {i.drug: i.concentration for i in new.ingredients}
    rows = []
    for code in dict.fromkeys((*other, *one)):
        drug = formulary.drug(code)
        before, after = one.get(code), other.get(code)
        rows.append(
            Row(drug.display_name, _said(before, drug.conc_unit), _said(after, drug.conc_unit), _change(before, after))
        )
    return tuple(rows)


def _said(strength: Concentration | None, unit: str) -> str:
    return "none" if strength is None else strength.text(unit)


def _change(before: Concentration | None, after: Concentration | None) -> str:
    if before is None or after is None:
        return "new" if before is None else "gone"
    if before == after:
        return "same"
    return "stronger" if after > before else "weaker"


def swaps(old: Mixture | None, new: Mixture, formulary: Formulary) -> tuple[str, ...]:
    """What is known of the potency of each opioid that comes in place of another (rule L3)."""
    if old is None:
        return ()
    gone = [formulary.drug(d) for d in old.drugs if d not in new.drugs and formulary.drug(d).drug_class.is_opioid]
    come = [formulary.drug(d) for d in new.drugs if d not in old.drugs and formulary.drug(d).drug_class.is_opioid]
    return tuple(ratio_text(formulary, a, b) for a in gone for b in come)


def limits(new: Mixture, formulary: Formulary) -> tuple[LimitLine, ...]:
    """The limits of each ingredient's strength."""
    return limit_lines(new, formulary)


def enter(  # noqa: PLR0917 -- as a form asks for it
    practice: Practice, who: Who, session_id: int, seen: int, drugs: Sequence[str], strengths: Sequence[str], free: str
) -> Mixture | tuple[Refused, ...]:
    """Take the new mixture; entering another one voids everything that was derived from the one before (rule E10)."""
    with practice.reading() as db:
        case = case_of(practice, db, session_id)
        early = open_here(case.session, Step.MIXTURE)
        early = early or closed_by_filling(db, session_id)
    if early is not None:
        return (early,)
    found = read(drugs, strengths, free, practice.formulary)
    if isinstance(found, tuple):
        return found
    if case.held is not None and sorted(map(str, ingredient_rows(case.held))) == sorted(
        map(str, ingredient_rows(found))
    ):
        return (
            Refused(
                Wrong.NOT_ALLOWED,
                "the same mixture as in the pump",
                "another mixture or strength",
                "go back and answer 'same'",
                "drug-0",
            ),
        )
    value = {"ingredients": ingredient_rows(found), "preservative_free": found.preservative_free}
    return finish(practice, who, session_id, seen, Step.MIXTURE, value) or found


def read(
    drugs: Sequence[str], strengths: Sequence[str], free: str, formulary: Formulary
) -> Mixture | tuple[Refused, ...]:
    """A mixture as it was typed, line by line, or what is wrong at which field."""
    wrong: list[Refused] = []
    parts: list[Ingredient] = []
    for at, (name, strength) in enumerate(zip(drugs, strengths, strict=True)):
        if not name.strip() and not strength.strip():
            continue
        part = _part(name, strength, at, formulary)
        if isinstance(part, Refused):
            wrong.append(part)
        elif any(p.drug == part.drug for p in parts):
            wrong.append(
                Refused(
                    Wrong.NOT_ALLOWED, f"{name.strip()} again", "each drug once", "name each drug once", f"drug-{at}"
                )
            )
        else:
            parts.append(part)
    if not parts and not wrong:
        wrong.append(
            Refused(Wrong.MISSING, "no drug", "the drugs of the new mixture", "enter the first drug", "drug-0")
        )
    if free not in YES_NO:
        wrong.append(Refused(Wrong.MISSING, "no answer", "yes or no", "read the order", "free"))
    return tuple(wrong) if wrong else Mixture(tuple(parts), preservative_free=YES_NO[free])


def _part(name: str, strength: str, at: int, formulary: Formulary) -> Ingredient | Refused:
    try:
        code = formulary.drug(name.strip().casefold()).code
    except UnknownDrug as unknown:
        return Refused(
            Wrong.NOT_KNOWN,
            f"{name.strip()[:60]!r}",
            "a drug of the formulary",
            f"check the name ({unknown})"[:200],
            f"drug-{at}",
        )
    found = (
        amount(strength, Concentration, "mg/mL", f"strength-{at}", "the strength")
        if any(c.isalpha() for c in strength)
        else Refused(
            Wrong.NOT_AN_AMOUNT,
            repr(strength[:40]),
            "a strength with its unit, as 0.5 mg/mL",
            "enter the strength with its unit",
            f"strength-{at}",
        )
    )
    if isinstance(found, Refused):
        return found
    if found.value <= 0:
        return Refused(
            Wrong.NOT_ALLOWED, found.text("mg/mL"), "more than nothing", "enter the strength", f"strength-{at}"
        )
    return Ingredient(code, found)


# The rinse --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Trace:
    """What stays of an old drug, as a share of its old strength; exact."""

    name: str
    share: Fraction
    strength: str


@dataclass(frozen=True, slots=True)
class Rinsed:
    """A rinse plan: how often, with how much, and what stays after it and the fill."""

    times: int
    each: Volume
    left: Volume
    after: Mixture
    traces: tuple[Trace, ...]


def rinse(case: Case, times: int, each: Volume, fill: Volume) -> Rinsed | None:
    """What ``times`` rinses of ``each`` leave behind, and then a fill of ``fill``; None where something is not known.

    Each rinse mixes well with what stayed and is drawn out as far as that; it is done with the new mixture.
    """
    left = volume_of(entry(case.session, Step.CHECKLIST).get("left"))
    new, old = new_mixture(case.session), case.held
    if left is None or new is None or old is None:
        return None
    after = old
    for volume in (*[each] * times, fill):
        after = mixed(left, after, volume, new)
    traces = tuple(
        _trace(case, old, new, after, i) for i in after.ingredients if i.drug in old.drugs and i.drug not in new.drugs
    )
    return Rinsed(times, each, left, after, traces)


def _trace(case: Case, old: Mixture, _new: Mixture, after: Mixture, part: Ingredient) -> Trace:
    drug = case.drug(part.drug)
    return Trace(
        drug.display_name,
        part.concentration / old.concentration(part.drug),
        after.concentration(part.drug).text(drug.conc_unit),
    )


def enter_rinse(  # noqa: PLR0917 -- as a form asks for it
    practice: Practice, who: Who, session_id: int, seen: int, times: str, each: str
) -> Rinsed | tuple[Refused, ...]:
    """Take the rinse plan: none (0 times), or so often with so much of the syringe's own fluid."""
    with practice.reading() as db:
        case = case_of(practice, db, session_id)
        early = open_here(case.session, Step.RINSE) or closed_by_filling(db, session_id)
        syringe = _volume(case, db)
    if early is not None:
        return (early,)
    count = int(times) if times.isascii() and times.isdigit() and len(times) < 3 else -1
    volume = Volume.zero() if count == 0 else amount(each, Volume, "mL", "each", "the volume of one rinse")
    wrong = [volume] if isinstance(volume, Refused) else []
    if not 0 <= count <= MOST_RINSES:
        wrong.append(Refused(Wrong.NOT_ALLOWED, repr(times[:20]), f"0 to {MOST_RINSES}", "enter how often", "times"))
    elif not isinstance(volume, Refused) and syringe is not None and volume * count >= syringe:
        wrong.append(
            Refused(
                Wrong.HARD_STOP,
                f"{(volume * count).text('mL')} for rinses of a syringe of {syringe.text('mL')}",
                "less than the syringe holds",
                "rinse less, or ask for another syringe",
                "each",
            )
        )
    if wrong or isinstance(volume, Refused):
        return tuple(wrong)
    planned = rinse(case, count, volume, (syringe or case.pump.reservoir) - volume * count)
    if planned is None:
        return (
            Refused(
                Wrong.NOT_KNOWN,
                "what is in the pump, or what stays in it, is not known",
                "both",
                "go back to the checklist",
            ),
        )
    value = {"times": count, "each": str(volume.number("mL"))}
    return finish(practice, who, session_id, seen, Step.RINSE, value) or planned


def _volume(case: Case, db: Session) -> Volume | None:
    found = chosen_syringe(case, db)
    return None if found is None else found.row.volume


MOST_RINSES = 9
"""Rinses that may be planned. Ours; the only published plan has three (ziconotide, first fill)."""
