"""The fields of the program's form and the tables of the order file: out of one comes the other.

Entries come in as somebody typed them; tables in the order file's words go out, or what is wrong at which field.
Doses are written with their unit, in the drug's own unit (rule N8), and every field opens empty but where what runs
is changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from thecal.clinic.refused import Refused
from thecal.quantities import AmountError, DoseRate, Mass
from thecal.therapy.program import ALWAYS_STOP, FaultClass
from thecal.therapy.program_file import WEEKDAYS, BaseKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from thecal.clinic.programming.order_text import Tables
    from thecal.formulary import Drug, Formulary

BASES = (
    (BaseKind.CONTINUOUS, "Continuous: one rate all the time"),
    (BaseKind.DAY_SCHEDULE, "Day schedule: steps by the time of day"),
    (BaseKind.REPEATED_DOSES, "Repeated doses: the same dose again and again"),
)
"""What may be written here; a pump is stopped elsewhere, with the risk of it shown."""
MOST_ROWS = 48


class Wrong(StrEnum):
    """What can be wrong with an entry before the order is read."""

    NOTHING_CHOSEN = "nothing chosen"
    OTHER_UNIT = "another unit than the drug's"
    REASON_IN_WORDS = "reason without words"


class Days(StrEnum):
    """How the days of a week are planned."""

    ALIKE = "every day alike"
    WEEKEND = "weekdays and weekend"
    EACH = "each day of the week"


_WEEK: dict[Days, tuple[tuple[str, Any], ...]] = {
    Days.ALIKE: (("Every day", "every day"),),
    Days.WEEKEND: (("Monday to Friday", "weekdays"), ("Saturday and Sunday", "weekend")),
    Days.EACH: tuple((day, [day]) for day in WEEKDAYS),
}
FAULTS = tuple(f for f in FaultClass if f not in ALWAYS_STOP)
BOLUS = ("dose", "duration", "lockout", "most_per_24h")
REPEATED = ("dose", "duration", "every", "background")


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step as it was typed: from, until (may be empty: until the next one), and the dose per time."""

    start: str = ""
    end: str = ""
    dose: str = ""

    @property
    def blank(self) -> bool:
        """Whether nothing was typed in it."""
        return not (self.start or self.end or self.dose)


@dataclass(frozen=True, slots=True)
class CeilingRow:
    """The most of one drug in any 1 h and any 24 h, as typed."""

    drug: str
    per_1h: str = ""
    per_24h: str = ""


@dataclass(frozen=True, slots=True)
class ReasonRow:
    """A reason for the findings under one key: ``found`` names what they had found when it was given."""

    key: str
    found: str
    choice: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class Fields:
    """Everything in the form, as typed. ``plan`` and ``steps`` have one entry for each group of days."""

    base: str = ""
    days: str = ""
    plan: tuple[str, ...] = ()
    continuous: str = ""
    steps: tuple[tuple[StepRow, ...], ...] = ()
    repeated: dict[str, str] = field(default_factory=dict)
    bolus: dict[str, str] = field(default_factory=dict)
    ceilings: tuple[CeilingRow, ...] = ()
    fail_safe: dict[str, str] = field(default_factory=dict)
    low_level: str = ""
    reasons: tuple[ReasonRow, ...] = ()

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups of days of a day schedule, in words."""
        return tuple(name for name, _ in _WEEK[Days(self.days)]) if self.days in _DAYS else ()

    def planned(self) -> tuple[tuple[str, str], ...]:
        """What a total is planned for: a name and what was typed, by field ``plan.0`` and so on."""
        names: tuple[str, ...] = ("24 h",)
        if self.base == BaseKind.DAY_SCHEDULE and self.groups:
            names = tuple(f"24 h, {name}" for name in self.groups) if len(self.groups) > 1 else names
        if self.base == BaseKind.REPEATED_DOSES:
            names = ("24 h, repeated doses and background", "24 h, repeated doses alone")
        typed = (*self.plan, *[""] * len(names))
        return tuple(zip(names, typed, strict=False))


_DAYS = {d.value for d in Days}


# From the form to the order ---------------------------------------------------------------------------------------


def program_tables(fields: Fields) -> tuple[Tables, tuple[Refused, ...]]:
    """``[program]`` without reasons, and what is wrong with entries that no parser could tell."""
    base, wrong = _base(fields)
    program: Tables = {**base, "low_level": fields.low_level.strip() or None}
    if any(fields.bolus.get(name) for name in BOLUS):
        bolus = {name: _typed(fields.bolus.get(name)) for name in BOLUS}
        program["patient_bolus"] = {**bolus, "most_per_24h": _whole(fields.bolus.get("most_per_24h", ""))}
    ceilings = [
        {"drug": row.drug, "per_1h": _typed(row.per_1h), "per_24h": _typed(row.per_24h)}
        for row in fields.ceilings
        if row.per_1h or row.per_24h
    ]
    if ceilings:
        program["ceilings"] = ceilings
    program["fail_safe"] = _fail_safe(fields)
    return {name: value for name, value in program.items() if value is not None}, wrong


def _typed(text: str | None) -> str | None:
    return (text or "").strip() or None


def _whole(text: str) -> int | str | None:
    """A whole number; anything else as it is, for the parser to refuse."""
    digits = text.strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else digits or None


def _base(fields: Fields) -> tuple[Tables, tuple[Refused, ...]]:
    match fields.base:
        case BaseKind.CONTINUOUS:
            return {"base": str(fields.base), "dose": _typed(fields.continuous)}, ()
        case BaseKind.REPEATED_DOSES:
            return {"base": str(fields.base), "repeated": {n: _typed(fields.repeated.get(n)) for n in REPEATED}}, ()
        case BaseKind.DAY_SCHEDULE if fields.days in _DAYS:
            return {"base": str(fields.base), "days": _day_tables(fields)}, ()
        case BaseKind.DAY_SCHEDULE:
            return {"base": str(fields.base)}, (_not_chosen("program.days", ", ".join(Days)),)
        case _:
            return {}, (_not_chosen("program.base", ", ".join(kind for kind, _ in BASES)),)


def _not_chosen(where: str, allowed: str) -> Refused:
    return Refused(Wrong.NOTHING_CHOSEN, "nothing chosen", allowed, "choose one", where)


def _day_tables(fields: Fields) -> list[Tables]:
    rows = (*fields.steps, *[()] * len(fields.groups))
    return [
        {"weekdays": weekdays, "steps": [_step(row) for row in steps if not row.blank]}
        for (_, weekdays), steps in zip(_WEEK[Days(fields.days)], rows, strict=False)
    ]


def _step(row: StepRow) -> Tables:
    return {"from": _typed(row.start), "to": _typed(row.end), "dose": _typed(row.dose)}


def _fail_safe(fields: Fields) -> Tables | None:
    typed = {name: text.strip() for name, text in fields.fail_safe.items() if text.strip()}
    if not typed:
        return None
    always = {f.value.replace("-", "_"): "stop" for f in sorted(ALWAYS_STOP)}
    return {**typed, **always} if any(f.value in typed for f in FAULTS) else typed


def unit_refusals(program: Tables, formulary: Formulary, drugs: Sequence[str]) -> tuple[Refused, ...]:
    """Doses that are not in the unit of their drug: it never flips between screens (rule N8)."""
    primary = formulary.drug(drugs[0])
    return tuple(
        refused
        for where, text, code in _doses(program)
        for refused in _other_unit(where, text, primary if code is None else _drug(formulary, code, primary))
    )


def _drug(formulary: Formulary, code: str, otherwise: Drug) -> Drug:
    return formulary.drugs.get(code, otherwise)


def _doses(program: Tables) -> Iterator[tuple[str, Any, str | None]]:
    """Every dose with its place and, where it is not of the primary ingredient, its drug."""
    yield "program.dose", program.get("dose"), None
    for table in ("repeated", "patient_bolus"):
        for name in ("dose", "background"):
            yield f"program.{table}.{name}", (program.get(table) or {}).get(name), None
    yield "program.fail_safe.fallback_dose", (program.get("fail_safe") or {}).get("fallback_dose"), None
    for d, day in enumerate(program.get("days") or ()):
        for s, step in enumerate(day["steps"]):
            yield f"program.days.{d}.steps.{s}.dose", step["dose"], None
    for c, ceiling in enumerate(program.get("ceilings") or ()):
        for name in ("per_1h", "per_24h"):
            yield f"program.ceilings.{c}.{name}", ceiling[name], ceiling["drug"]


def _other_unit(where: str, text: Any, drug: Drug) -> Iterator[Refused]:
    unit = str(text or "").strip().rpartition(" ")[2].partition("/")[0]
    if unit != drug.dose_unit and unit in Mass.UNITS:
        allowed = f"{drug.display_name} in {drug.dose_unit}"
        yield Refused(Wrong.OTHER_UNIT, str(text), allowed, f"write the dose in {drug.dose_unit}", where)


# From the order to the form ---------------------------------------------------------------------------------------


def fields_of(program: Tables | None, plan: Sequence[str], formulary: Formulary, drugs: Sequence[str]) -> Fields:
    """What the form shows for a program; every field empty where there is none."""
    if program is None:
        return Fields(plan=tuple(plan), ceilings=tuple(CeilingRow(drug) for drug in drugs))
    primary, base = formulary.drug(drugs[0]), str(program.get("base", ""))
    days, steps = _steps_of(program, primary)
    repeated = program.get("repeated") or {}
    bolus = program.get("patient_bolus") or {}
    safe = program.get("fail_safe") or {}
    return Fields(
        base=base if base in {k.value for k, _ in BASES} else "",
        days=days,
        plan=tuple(plan),
        continuous=in_unit(program.get("dose", ""), primary),
        steps=steps,
        repeated={n: in_unit(str(repeated.get(n, "")), primary) for n in REPEATED},
        bolus={n: in_unit(str(bolus.get(n, "")), primary) for n in BOLUS},
        ceilings=tuple(_ceiling_of(program, drug, formulary) for drug in drugs),
        fail_safe={
            n: in_unit(str(safe.get(n, "")), primary) for n in (*(f.value for f in FAULTS), "fallback_dose", "reason")
        },
        low_level=str(program.get("low_level", "")),
    )


def in_unit(text: str, drug: Drug) -> str:
    """A dose in its drug's own unit, exactly, and whatever is no dose as it is."""
    for kind, units in (
        (Mass, (drug.dose_unit,)),
        (DoseRate, tuple(f"{drug.dose_unit}/{t}" for t in ("h", "day", "min"))),
    ):
        try:
            amount = kind.parse(text)
        except AmountError:
            continue
        asked = next((u for u in units if text.endswith(u.rpartition("/")[2])), units[0])
        try:
            return amount.exact_text(asked)
        except ValueError:
            return text
    return text


def _steps_of(program: Tables, primary: Drug) -> tuple[str, tuple[tuple[StepRow, ...], ...]]:
    plans = program.get("days") or (
        [{"weekdays": "every day", "steps": program["steps"]}] if "steps" in program else []
    )
    if not plans:
        return "", ()
    by_day = {day: plan["steps"] for plan in plans for day in _weekdays(plan["weekdays"])}
    days = Days.EACH
    for simpler in (Days.ALIKE, Days.WEEKEND):
        groups = [_weekdays(weekdays) for _, weekdays in _WEEK[simpler]]
        if all(by_day.get(day) == by_day.get(group[0]) for group in groups for day in group):
            days = simpler
            break
    firsts = [_weekdays(weekdays)[0] for _, weekdays in _WEEK[days]]
    return days, tuple(tuple(_row(step, primary) for step in by_day.get(first, ())) for first in firsts)


def _weekdays(said: Any) -> tuple[str, ...]:
    if isinstance(said, list):
        return tuple(day[:3] for day in said)
    return {"every day": WEEKDAYS, "weekdays": WEEKDAYS[:5], "weekend": WEEKDAYS[5:]}.get(said, ())


def _row(step: Tables, primary: Drug) -> StepRow:
    return StepRow(str(step["from"]), str(step.get("to", "")), in_unit(str(step["dose"]), primary))


def _ceiling_of(program: Tables, drug: str, formulary: Formulary) -> CeilingRow:
    shown = formulary.drug(drug)
    for row in program.get("ceilings") or ():
        if formulary.drug(row["drug"]).code == shown.code:
            return CeilingRow(drug, in_unit(row["per_1h"], shown), in_unit(row["per_24h"], shown))
    return CeilingRow(drug)
