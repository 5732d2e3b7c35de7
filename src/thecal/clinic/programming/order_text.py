"""The order file of a session: what the record knows of patient, pump and catheter, and what is ordered, as one TOML
text.

Tables in the words of the order file (docs/reference/order-file.md) come in, amounts as text; the text goes out, and
is read by the same parser as every other order (``therapy.files.parse_order``). Nothing is filled in here that is not
known.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import tomli_w
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from thecal.clinic.record.tables import Mixture as MixtureRow
from thecal.clinic.refused import Refused
from thecal.pump.families import Calibration, family
from thecal.therapy.files import FileRefused, OrderFile, parse_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record
    from thecal.clinic.record.tables import Implant, Patient
    from thecal.formulary import Formulary
    from thecal.therapy.envelope import Envelope
    from thecal.therapy.file_problems import Problem
    from thecal.therapy.files import Measured
    from thecal.therapy.mixture import Mixture

Tables = dict[str, Any]
"""Tables in the words of the order file: text, whole numbers, yes or no, days, lists and tables of them."""

_CALLED = "the order"
_PLACE = re.compile(r"\[(\d+)\]")
_FACTS = ("indication", "opioid_naive", "sedatives", "sleep_apnea", "systemic_opioids", "contraindications")


# From the record to the text --------------------------------------------------------------------------------------


def order_text(
    patient: Patient,
    implant: Implant,
    today: date,
    *,
    mixture: Tables,
    program: Tables,
    fill: Tables | None = None,
    previous: Tables | None = None,
    first_fill: bool | None = None,
    title: str | None = None,
) -> str:
    """The text of an order for this patient and pump. ``today`` decides the age; what is None is left out, as not
    known.
    """
    parts: Tables = {"title": title, "first_fill": first_fill}
    parts |= head_tables(patient, implant, today)
    parts |= {"mixture": mixture, "program": program, "fill": fill, "previous": previous}
    return tomli_w.dumps(known(parts))


def head_tables(patient: Patient, implant: Implant, today: date) -> Tables:
    """``[patient]``, ``[pump]`` and ``[catheter]`` as the record has them now."""
    return {
        "patient": _patient(patient, today),
        "pump": _pump(implant),
        "catheter": _catheter(implant),
    }


def known(tables: Mapping[str, Any]) -> Tables:
    """The tables without what is None, at every depth."""
    return {name: _known(value) for name, value in tables.items() if value is not None}


def _known(value: Any) -> Any:
    if isinstance(value, dict):
        return known(value)
    return [_known(inner) for inner in value] if isinstance(value, list | tuple) else value


def _patient(patient: Patient, today: date) -> Tables:
    facts = {name: getattr(patient, name) for name in _FACTS}
    return {"reference": patient.reference, "age_years": age_years(patient.birth_date, today), **facts}


def age_years(born: date, today: date) -> int:
    """Whole years on a day; nobody is younger than 0."""
    before_birthday = (today.month, today.day) < (born.month, born.day)
    return max(today.year - born.year - before_birthday, 0)


def _pump(implant: Implant) -> Tables:
    stroke = None if implant.stroke is None else implant.stroke.exact_text("nL")
    tubing = None if implant.tubing is None else implant.tubing.exact_text("nL")
    calibration = {"stroke": stroke, "tubing": tubing} if stroke or tubing else None
    return {"family": implant.family, "serial": implant.serial, "calibration": calibration}


def _catheter(implant: Implant) -> Tables | None:
    supplied, removed, per_length = implant.catheter_supplied, implant.catheter_removed, implant.catheter_volume
    if supplied is None or removed is None or per_length is None:
        return None
    return {
        "supplied": supplied.exact_text("cm"),
        "removed": removed.exact_text("cm"),
        "volume_per_length": per_length.exact_text("mL/cm"),
        "tip_level": implant.tip_level,
    }


def tables_of(text: str) -> Tables:
    """The tables of an order that was read before; TOMLDecodeError for what is no TOML."""
    return tomllib.loads(text)


def previous_tables(text: str, *, gap: str | None = None, delivered_per_day: str | None = None) -> Tables:
    """``[previous]`` from the order that ran: its mixture and program, and what is known of how delivery went.

    ``gap`` is how long no drug arrived ("0 h": delivery never stopped), ``delivered_per_day`` what the pump's record
    says of the old primary ingredient; None where nobody knows.
    """
    ran = tables_of(text)
    return known(
        {"gap": gap, "delivered_per_day": delivered_per_day, "mixture": ran["mixture"], "program": ran["program"]}
    )


# From the text to the order ---------------------------------------------------------------------------------------


def parsed(text: str, practice: Practice) -> OrderFile | tuple[Refused, ...]:
    """The order in a text, or everything that is wrong with it; ``field`` is the dotted path
    ("program.steps.2.dose").
    """
    return parsed_by(text, practice.formulary)


def parsed_by(text: str, formulary: Formulary) -> OrderFile | tuple[Refused, ...]:
    """``parsed`` with a formulary alone. The texts that were read last are not read again: one page asks often."""
    return _read(text, _Known(formulary.version, formulary))


@dataclass(frozen=True, slots=True)
class _Known:
    """A formulary that is the same as another one of its version."""

    version: str
    formulary: Formulary = field(compare=False)


@lru_cache(maxsize=256)
def _read(text: str, known: _Known) -> OrderFile | tuple[Refused, ...]:
    try:
        return parse_order(text, _CALLED, drugs=lambda name: known.formulary.drug(name).code, pumps=pump_envelope)
    except FileRefused as refused:
        return tuple(refusal_of(problem) for problem in refused.problems)


def refusal_of(problem: Problem) -> Refused:
    """A problem of a file as the refusal of an entry."""
    allowed = problem.allowed.removeprefix("allowed ")
    return Refused(problem.trouble, problem.found, allowed, "correct this entry", dotted(problem.field))


def dotted(field: str) -> str:
    """A field of a file as a form names it: ``program.steps[2].dose`` is ``program.steps.2.dose``."""
    return _PLACE.sub(r".\1", field)


def pump_envelope(name: str, measured: Measured) -> Envelope:
    """What one pump can deliver; UnknownFamily or CalibrationError for what there is not."""
    calibration = Calibration(
        stroke=measured.stroke,
        tubing=measured.tubing,
        fixed_flow=measured.fixed_flow,
        flow_factor=measured.flow_factor,
    )
    return family(name).envelope(calibration)


def digest_of(text: str) -> str:
    """SHA-256 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


# Mixtures ---------------------------------------------------------------------------------------------------------


def mixture_tables(
    ingredients: Iterable[Mapping[str, str]],
    *,
    preservative_free: bool | None = None,
    compounded: bool | None = None,
    diluent: str | None = None,
    beyond_use: date | None = None,
) -> Tables:
    """``[mixture]`` from a row's ingredients (``drug``, ``concentration``), the primary one first, and what is known
    of it.
    """
    facts = {"preservative_free": preservative_free, "compounded": compounded, "diluent": diluent}
    return known({**facts, "beyond_use": beyond_use, "ingredients": [dict(i) for i in ingredients]})


def ingredient_rows(mixture: Mixture) -> list[dict[str, str]]:
    """The ingredients as a row of the record holds them: each ``drug`` with its ``concentration``, exact, in mg/mL."""
    return [{"drug": i.drug, "concentration": i.concentration.exact_text("mg/mL")} for i in mixture.ingredients]


def mixture_key(mixture: Mixture) -> str:
    """The same for the same drugs in the same order and strengths, with or without preservative."""
    said = [f"{i['drug']}={i['concentration']}" for i in ingredient_rows(mixture)]
    return digest_of("|".join([*said, f"preservative-free={mixture.preservative_free}"]))


def kept_mixture(record: Record, mixture: Mixture) -> MixtureRow:
    """The row of a mixture: the one that is there, else a new one."""
    query = select(MixtureRow).where(MixtureRow.key == mixture_key(mixture))
    found = record.session.scalars(query).one_or_none()
    if found is not None:
        return found
    row = MixtureRow(
        key=mixture_key(mixture),
        ingredients=ingredient_rows(mixture),
        preservative_free=mixture.preservative_free,
    )
    try:
        with record.session.begin_nested():
            return record.keep(row)
    except IntegrityError:  # somebody else kept the same one a moment ago
        return record.session.scalars(query).one()
