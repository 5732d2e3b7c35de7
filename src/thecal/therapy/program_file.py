"""The words of a ``[program]`` and a ``[mixture]`` in a file: base, boluses, ceilings, fail-safe, ingredients.

A section comes in, a program or a mixture goes out; everything wrong is noted in the section's reading. Whether a
dose is right for a patient is not asked here.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from thecal.quantities import Concentration, DoseRate, Duration, Mass, Volume
from thecal.therapy.file_problems import Trouble, lookup_hint
from thecal.therapy.mixture import Ingredient, Mixture
from thecal.therapy.program import (
    DAY_S,
    EVERY_DAY,
    BridgeBolus,
    Ceiling,
    Continuous,
    DayPlan,
    DaySchedule,
    FailSafe,
    FaultClass,
    MinimumRate,
    PatientBolus,
    PrimingBolus,
    Program,
    RepeatedDoses,
    Response,
    SingleBolus,
    Step,
    Stopped,
)
from thecal.therapy.wording import clock_text

if TYPE_CHECKING:
    from thecal.therapy.program import Base
    from thecal.therapy.toml_fields import Section

DrugLookup = Callable[[str], str]
"""From a drug as written to its code; KeyError for an unknown one, with ``near`` (codes like it) where it can."""

T = TypeVar("T")

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_FULL = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_GROUPS = {"every day": EVERY_DAY, "weekdays": frozenset(range(5)), "weekend": frozenset({5, 6})}
_WEEKDAYS_ALLOWED = '"every day", "weekdays", "weekend", or a list of days such as ["Mon", "Thu"]'
MOST_BOLUSES = 1_000  # starts in 24 h: more of them would be a base and not a bolus


class BaseKind(StrEnum):
    """What ``base`` may say."""

    STOPPED = "stopped"
    MINIMUM_RATE = "minimum rate"
    CONTINUOUS = "continuous"
    DAY_SCHEDULE = "day schedule"
    REPEATED_DOSES = "repeated doses"


class Part(StrEnum):
    """What a program may keep from the one before it."""

    PATIENT_BOLUS = "patient_bolus"
    CEILINGS = "ceilings"
    FAIL_SAFE = "fail_safe"
    LOW_LEVEL = "low_level"
    REASONS = "reasons"


def drug_in(section: Section, key: str, drugs: DrugLookup) -> str:
    """The code of the drug that ``key`` names."""
    text = section.text(key)
    try:
        return drugs(text) if section.sound_at(key) else text
    except KeyError as error:
        hint = lookup_hint(error, "write the code of a drug in the formulary")
        section.refuse(Trouble.UNKNOWN_DRUG, key, f'unknown drug "{text}"', hint)
        return text


def mixture_in(section: Section, drugs: DrugLookup) -> Mixture:
    """A mixture: ``ingredients`` (the primary one first) and what is known of how it was made."""
    parts = section.sections("ingredients", least=1)
    named = [drug_in(part, "drug", drugs) for part in parts]
    _once(parts, named)
    ingredients = [_ingredient(part, drug) for part, drug in zip(parts, named, strict=True)]
    preservative_free = section.flag_or_none("preservative_free")
    compounded = section.flag_or_none("compounded")
    diluent = section.text_or_none("diluent")
    beyond_use = section.date_or_none("beyond_use")
    return section.made(lambda: Mixture(tuple(ingredients), preservative_free, compounded, diluent, beyond_use))


def _ingredient(section: Section, drug: str) -> Ingredient:
    concentration = section.amount("concentration", Concentration)
    return section.made(lambda: Ingredient(drug, concentration))


def _once(parts: list[Section], named: list[str]) -> None:
    for number, (part, drug) in enumerate(zip(parts, named, strict=True)):
        if part.sound_at("drug") and drug in named[:number]:
            part.refuse(Trouble.DRUG_TWICE, "drug", f'drug "{drug}" a second time', "each drug is named once")


def program_in(
    section: Section, drugs: DrugLookup, mixture: Mixture | None, before: Program | None = None, *, keeps: bool = False
) -> Program:
    """A program; ``mixture`` is what it runs with, where that could be read.

    With ``keeps`` the field ``keep`` may name parts of ``before``, the program in force until then, that stay.
    """
    base = _base(section)
    kept = _kept(section) if keeps else frozenset()
    patient = _optional(section, "patient_bolus", _patient_bolus)
    singles = tuple(_single_bolus(s) for s in section.sections("single_bolus"))
    priming = _optional(section, "priming", _priming)
    bridge = _optional(section, "bridge", bridge_bolus_in)
    ceilings = _ceilings(section, drugs, mixture)
    fail_safe = _optional(section, "fail_safe", _fail_safe)
    low_level = section.amount_or_none("low_level", Volume)
    reasons = _optional(section, "reasons", _reasons) or {}
    if before is not None:
        patient = before.patient_bolus if Part.PATIENT_BOLUS in kept else patient
        ceilings = before.ceilings if Part.CEILINGS in kept else ceilings
        fail_safe = before.fail_safe if Part.FAIL_SAFE in kept else fail_safe
        low_level = before.low_level if Part.LOW_LEVEL in kept else low_level
        reasons = dict(before.reasons) if Part.REASONS in kept else reasons
    return section.made(
        lambda: Program(base, patient, singles, priming, bridge, ceilings, fail_safe, low_level, reasons)
    )


def _kept(section: Section) -> frozenset[Part]:
    names = section.names_or_none("keep") or ()
    known = {p.value for p in Part}
    for name in names:
        if name not in known:
            section.refuse(Trouble.UNKNOWN_WORD, "keep", f'"{name}"', "what can be kept: " + ", ".join(Part))
        elif section.has(name):
            section.misplaced([name], f'"keep" takes {name} from the program before; leave one of the two out')
    return frozenset(Part(n) for n in names if n in known)


def _optional(section: Section, key: str, read: Callable[[Section], T]) -> T | None:
    inner = section.section_or_none(key)
    return None if inner is None else read(inner)


# The base ---------------------------------------------------------------------------------------------------------

_FIELDS_OF = {
    BaseKind.STOPPED: (),
    BaseKind.MINIMUM_RATE: (),
    BaseKind.CONTINUOUS: ("dose",),
    BaseKind.DAY_SCHEDULE: ("days", "steps"),
    BaseKind.REPEATED_DOSES: ("repeated",),
}


def _base(section: Section) -> Base:
    kind = section.choice("base", BaseKind)
    if kind is None:
        section.ignore(*(f for fields in _FIELDS_OF.values() for f in fields))
        return Stopped()
    others = [f for k, fields in _FIELDS_OF.items() if k is not kind for f in fields]
    section.misplaced(others, f'base = "{kind}" takes {" or ".join(_FIELDS_OF[kind]) or "no dose"}')
    match kind:
        case BaseKind.STOPPED:
            return Stopped()
        case BaseKind.MINIMUM_RATE:
            return MinimumRate()
        case BaseKind.CONTINUOUS:
            return Continuous(section.amount("dose", DoseRate, zero=True))
        case BaseKind.DAY_SCHEDULE:
            return _day_schedule(section)
        case _:
            return _repeated(section)


def _repeated(section: Section) -> Base:
    inner = section.section("repeated", "a table with dose, duration, every and background is needed")
    if inner is None:
        return Stopped()
    dose, duration = inner.amount("dose", Mass), inner.amount("duration", Duration)
    every, background = inner.amount("every", Duration), inner.amount("background", DoseRate, zero=True)
    return inner.made(lambda: RepeatedDoses(dose, duration, every, background), at="every")


def _day_schedule(section: Section) -> Base:
    if section.has("steps"):
        section.misplaced(["days"], '"steps" plans every day alike; leave one of the two out')
        plans = [_day_plan(section, EVERY_DAY)]
    else:
        days = section.sections("days", least=1)
        named = [_weekdays(day) for day in days]
        _cover(section, days, named)
        plans = [_closed(day, _day_plan(day, weekdays)) for day, weekdays in zip(days, named, strict=True)]
    return DaySchedule(tuple(plans)) if section.sound else Stopped()


def _closed(section: Section, plan: DayPlan) -> DayPlan:
    section.close()
    return plan


def _weekdays(section: Section) -> frozenset[int]:
    """The weekdays that a plan names; empty where they could not be read (then noted)."""
    if section.is_text("weekdays"):
        word = section.text("weekdays")
        if word not in _GROUPS:
            section.refuse(Trouble.UNKNOWN_WORD, "weekdays", f'"{word}"', _WEEKDAYS_ALLOWED)
        return _GROUPS.get(word, frozenset())
    names = section.names_or_none("weekdays")
    if names is None:
        if not section.has("weekdays"):
            section.missing("weekdays", _WEEKDAYS_ALLOWED)
        return frozenset()
    numbers = {n: i for names_of in (WEEKDAYS, _FULL) for i, n in enumerate(names_of)}
    for name in names:
        if name not in numbers:
            section.refuse(Trouble.UNKNOWN_WORD, "weekdays", f'"{name}"', "days are " + ", ".join(WEEKDAYS))
    return frozenset(numbers[n] for n in names if n in numbers)


def _cover(section: Section, days: list[Section], named: list[frozenset[int]]) -> None:
    """Every weekday in exactly one plan."""
    seen: set[int] = set()
    for day, weekdays in zip(days, named, strict=True):
        if twice := sorted(seen & weekdays):
            found = f"{', '.join(WEEKDAYS[d] for d in twice)} planned a second time"
            day.refuse(Trouble.OVERLAP, "weekdays", found, "each weekday is in one plan")
        seen |= weekdays
    left = sorted(EVERY_DAY - seen)
    if left and days and all(named):
        found = f"no plan for {', '.join(WEEKDAYS[d] for d in left)}"
        section.refuse(Trouble.GAP, "days", found, "every weekday is in one plan; write a dose of 0 mg/h for none")


def _day_plan(section: Section, weekdays: frozenset[int]) -> DayPlan:
    """The steps of a day: each ends where the next one starts, the first starts at 00:00."""
    parts = section.sections("steps", least=1)
    steps = [_step(part) for part in parts]
    ends = [part.clock_or_none("to", midnight_ends=True) for part in parts]
    for part in parts:
        part.close()
    if not parts or not all(p.sound for p in parts):
        return DayPlan(EVERY_DAY, (Step(0, DoseRate.zero()),))
    _in_order(parts, [s.start_s for s in steps])
    _no_gaps(parts, [s.start_s for s in steps], ends)
    sound = all(p.sound for p in parts) and weekdays
    return DayPlan(weekdays, tuple(steps)) if sound else DayPlan(EVERY_DAY, (Step(0, DoseRate.zero()),))


def _step(section: Section) -> Step:
    return Step(section.clock("from"), section.amount("dose", DoseRate, zero=True))


def _in_order(parts: list[Section], starts: list[int]) -> None:
    if starts[0] != 0:
        found = f"nothing planned from 00:00 to {clock_text(starts[0])}"
        parts[0].refuse(Trouble.GAP, "from", found, 'the first step starts at "00:00"')
    for part, before, start in zip(parts[1:], starts, starts[1:], strict=False):
        if start <= before:
            found = f"{clock_text(start)} after a step from {clock_text(before)}"
            part.refuse(Trouble.OVERLAP, "from", found, "steps start one after the other")


def _no_gaps(parts: list[Section], starts: list[int], ends: list[int | None]) -> None:
    """Where a step says its end, that is the start of the next one, or 24:00."""
    for part, end, following in zip(parts, ends, [*starts[1:], DAY_S], strict=True):
        if end is not None and end != following:
            trouble = Trouble.GAP if end < following else Trouble.OVERLAP
            what = "nothing planned" if end < following else "two steps planned"
            low, high = sorted((end, following))
            found = f"{what} from {clock_text(low)} to {clock_text(high)}"
            part.refuse(trouble, "to", found, f'a step lasts until the next one: "{clock_text(following)}" here')


# Boluses, ceilings, fail-safe -------------------------------------------------------------------------------------


def _patient_bolus(section: Section) -> PatientBolus:
    dose, duration = section.amount("dose", Mass), section.amount("duration", Duration)
    lockout = section.amount("lockout", Duration)
    most = section.whole("most_per_24h", 1, MOST_BOLUSES)
    return section.made(lambda: PatientBolus(dose, duration, lockout, most), at="lockout")


def single_bolus_in(section: Section) -> SingleBolus:
    """A single bolus, from the fields ``dose`` and ``duration``; the caller closes the section."""
    dose, duration = section.amount("dose", Mass), section.amount("duration", Duration)
    return SingleBolus(dose, duration)


def _single_bolus(section: Section) -> SingleBolus:
    bolus = single_bolus_in(section)
    return section.made(lambda: bolus)


def _priming(section: Section) -> PrimingBolus:
    volume = section.amount("volume", Volume)
    return section.made(lambda: PrimingBolus(volume))


def bridge_bolus_in(section: Section) -> BridgeBolus:
    """A bridge with its numbers: volume, dose of the old primary ingredient, and what a patient bolus is meanwhile."""
    volume, dose = section.amount("volume", Volume), section.amount("dose", DoseRate)
    bolus = section.amount_or_none("bolus_in_old_drug", Mass)
    return section.made(lambda: BridgeBolus(volume, dose, bolus))


def _ceilings(section: Section, drugs: DrugLookup, mixture: Mixture | None) -> tuple[Ceiling, ...]:
    parts = section.sections("ceilings")
    named = [drug_in(part, "drug", drugs) for part in parts]
    _once(parts, named)
    for part, drug in zip(parts, named, strict=True):
        if mixture is not None and part.sound_at("drug") and drug not in mixture.drugs:
            found = f'drug "{drug}", which the mixture does not hold'
            part.refuse(Trouble.UNKNOWN_DRUG, "drug", found, "drugs of the mixture: " + ", ".join(mixture.drugs))
    return tuple(_ceiling(part, drug) for part, drug in zip(parts, named, strict=True))


def _ceiling(section: Section, drug: str) -> Ceiling:
    per_1h, per_24h = section.amount("per_1h", Mass), section.amount("per_24h", Mass)
    if section.sound and per_1h > per_24h:
        found = "a ceiling for 1 h above the ceiling for 24 h"
        section.refuse(Trouble.OUT_OF_RANGE, "per_1h", found, "at most what per_24h says")
    return section.made(lambda: Ceiling(drug, per_1h, per_24h))


def _fail_safe(section: Section) -> FailSafe:
    found = {fault: section.choice_or_none(fault.value.replace("-", "_"), Response) for fault in FaultClass}
    responses = {fault: response for fault, response in found.items() if response is not None}
    dose = section.amount_or_none("fallback_dose", DoseRate)
    reason = section.text_or_none("reason")
    if Response.FALLBACK in responses.values() and not section.has("fallback_dose"):
        section.missing("fallback_dose", 'a dose per time is needed where a response is "fallback"')
    return section.made(lambda: FailSafe(responses, dose, reason))


def _reasons(section: Section) -> dict[str, str]:
    return {key: section.text(key) for key in section.names()}
