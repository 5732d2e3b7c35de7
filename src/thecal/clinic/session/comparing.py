"""Two programs side by side, setting by setting: what it is, what it was, and which way it changed (rule E2).

Orders come in, read from their texts; rows of text come out, each with a word and a sign for its change, so that
nothing is said by color alone. Every amount is exact when it is compared, and in the one unit of its drug when it is
shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from thecal.clinic.session.ended import DoseChange
from thecal.quantities import Duration, Mass, Quantity, duration_text
from thecal.therapy.doses import totals
from thecal.therapy.program import (
    DAY,
    Continuous,
    DaySchedule,
    FaultClass,
    MinimumRate,
    RepeatedDoses,
    Stopped,
)
from thecal.therapy.refusal import Refusal
from thecal.therapy.sentence import say, say_change
from thecal.therapy.wording import clock_text, day_groups, weekdays_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from thecal.formulary import Drug, Formulary
    from thecal.link.change import Change
    from thecal.pump.channels import ChannelMap
    from thecal.therapy.mixture import Mixture
    from thecal.therapy.order import Order

SIGNS = {"more": "\u25b2", "less": "\u25bc", "other": "\u2260", "new": "+", "gone": "\u2212", "same": ""}
"""A sign for each way in which a setting can change; the word always stands beside it."""
WORDS = {"more": "more", "less": "less", "other": "changed", "new": "new", "gone": "gone", "same": "same"}
NONE = "none"


@dataclass(frozen=True, slots=True)
class Row:
    """One setting before and after; ``change`` is a key of SIGNS. ``part`` is the heading that it stands under."""

    part: str
    name: str
    old: str
    new: str
    change: str

    @property
    def changed(self) -> bool:
        """Whether anything changed."""
        return self.change != "same"

    @property
    def sign(self) -> str:
        """The sign of the change."""
        return SIGNS[self.change]

    @property
    def word(self) -> str:
        """The word of the change."""
        return WORDS[self.change]


Value = tuple[str, Fraction | None]
"""A setting as text, and as a number where it is one."""


def compared(old: Order | None, new: Order | None, formulary: Formulary) -> tuple[Row, ...]:
    """Every setting of two programs; what one of them does not have is said as none."""
    before = {} if old is None else dict(_settings(old, formulary))
    after = {} if new is None else dict(_settings(new, formulary))
    keys = [*after, *(k for k in before if k not in after)]
    order = {part: n for n, part in enumerate(_PARTS)}
    return tuple(sorted((_row(k, before.get(k), after.get(k)) for k in keys), key=lambda r: order[r.part]))


_PARTS = (
    "Medication",
    "Base",
    "In 24 h",
    "Patient bolus",
    "Single bolus and bridge",
    "Ceilings",
    "On a fault",
    "Reservoir",
)


def _row(key: tuple[str, str], old: Value | None, new: Value | None) -> Row:
    part, name = key
    if old is None or new is None:
        said = "new" if old is None else "gone"
        return Row(part, name, old[0] if old else NONE, new[0] if new else NONE, said)
    if old == new:
        return Row(part, name, old[0], new[0], "same")
    if old[1] is None or new[1] is None or old[1] == new[1]:
        return Row(part, name, old[0], new[0], "other")
    return Row(part, name, old[0], new[0], "more" if new[1] > old[1] else "less")


def _settings(order: Order, formulary: Formulary) -> Iterator[tuple[tuple[str, str], Value]]:
    drug = formulary.drug(order.mixture.primary.drug)
    yield from _medication(order.mixture, formulary)
    yield from _base(order, drug)
    yield from _totals(order, formulary)
    yield from _patient_bolus(order, formulary)
    yield from _once(order, drug, formulary)
    for ceiling in order.program.ceilings:
        of = formulary.drug(ceiling.drug)
        yield ("Ceilings", f"{of.display_name}, any 1 h"), _amount(ceiling.per_1h, of.dose_unit)
        yield ("Ceilings", f"{of.display_name}, any 24 h"), _amount(ceiling.per_24h, of.dose_unit)
    yield from _faults(order, drug)
    level = order.program.low_level or order.pump.low_level
    yield ("Reservoir", "Low level"), _amount(level, "mL")


def _amount(amount: Quantity, unit: str) -> Value:
    return amount.text(unit), amount.number(unit)


def _time(duration: Duration) -> Value:
    return duration_text(duration), duration.number("s")


def _medication(mixture: Mixture, formulary: Formulary) -> Iterator[tuple[tuple[str, str], Value]]:
    for ingredient in mixture.ingredients:
        drug = formulary.drug(ingredient.drug)
        yield ("Medication", drug.display_name), _amount(ingredient.concentration, drug.conc_unit)


def _base(order: Order, drug: Drug) -> Iterator[tuple[tuple[str, str], Value]]:
    unit = f"{drug.dose_unit}/h"
    match order.program.base:
        case Stopped():
            yield ("Base", "Kind"), ("stopped: nothing is delivered", None)
        case MinimumRate():
            yield ("Base", "Kind"), ("minimum rate of the pump", None)
        case Continuous(dose):
            yield ("Base", "Kind"), ("continuous", None)
            yield ("Base", f"All day, {drug.display_name}"), _amount(dose, unit)
        case DaySchedule(plans):
            yield ("Base", "Kind"), ("day schedule", None)
            for plan in plans:
                for step in plan.steps:
                    name = f"From {clock_text(step.start_s)}, {weekdays_text(plan.weekdays)}"
                    yield ("Base", name), _amount(step.dose, unit)
        case RepeatedDoses() as repeated:
            yield ("Base", "Kind"), ("repeated doses", None)
            yield ("Base", f"Each dose, {drug.display_name}"), _amount(repeated.dose, drug.dose_unit)
            yield ("Base", "How often"), (f"{repeated.times_per_day:,} times a day", Fraction(repeated.times_per_day))
            yield ("Base", "Each lasts"), _time(repeated.duration)
            yield ("Base", "Beneath them"), _amount(repeated.background, unit)


def _totals(order: Order, formulary: Formulary) -> Iterator[tuple[tuple[str, str], Value]]:
    found = totals(order.program, order.mixture, order.pump)
    if isinstance(found, Refusal):
        return
    for days in day_groups(order.program):
        day, on = min(days), weekdays_text(days)
        for total in found:
            drug = formulary.drug(total.drug)
            base, most = total.by_weekday[day], total.by_weekday_with_boluses[day]
            yield ("In 24 h", f"{drug.display_name}, base, {on}"), _amount(base, drug.dose_unit)
            yield ("In 24 h", f"{drug.display_name}, with every patient bolus, {on}"), _amount(most, drug.dose_unit)
        strength = order.mixture.primary.concentration
        yield ("In 24 h", f"Volume, base, {on}"), _amount(found[0].by_weekday[day] / strength, "mL")


def _patient_bolus(order: Order, formulary: Formulary) -> Iterator[tuple[tuple[str, str], Value]]:
    bolus, part = order.program.patient_bolus, "Patient bolus"
    if bolus is None:
        yield (part, "Patient bolus"), (NONE, None)
        return
    for code in order.mixture.drugs:
        drug = formulary.drug(code)
        yield (part, f"Each, {drug.display_name}"), _amount(order.mixture.follow(code, bolus.dose), drug.dose_unit)
    yield (part, "Each lasts"), _time(bolus.duration)
    yield (part, "From start to start at least"), _time(bolus.lockout)
    count = bolus.starts_in(DAY)
    yield (part, "At most"), (f"{count:,} time{'' if count == 1 else 's'} a day", Fraction(count))


def _once(order: Order, drug: Drug, formulary: Formulary) -> Iterator[tuple[tuple[str, str], Value]]:
    part, program = "Single bolus and bridge", order.program
    for number, single in enumerate(program.single_boluses, 1):
        yield (part, f"Single bolus {number}, {drug.display_name}"), _amount(single.dose, drug.dose_unit)
        yield (part, f"Single bolus {number} lasts"), _time(single.duration)
    if program.priming is not None:
        yield (part, "Prime"), _amount(program.priming.volume, "mL")
    if program.bridge is not None and order.previous is not None:
        old = formulary.drug(order.previous.mixture.primary.drug)
        yield (part, "Bridge, volume of old fluid"), _amount(program.bridge.volume, "mL")
        yield (part, f"Bridge, {old.display_name}"), _amount(program.bridge.dose, f"{old.dose_unit}/h")


def _faults(order: Order, drug: Drug) -> Iterator[tuple[tuple[str, str], Value]]:
    safe = order.program.fail_safe
    for fault in FaultClass:
        answer = None if safe is None else safe.responses.get(fault)
        yield ("On a fault", str(fault).capitalize()), (str(answer) if answer else "stop (nothing is ordered)", None)
    if safe is not None and safe.fallback_dose is not None:
        yield ("On a fault", f"Fallback, {drug.display_name}"), _amount(safe.fallback_dose, drug.rate_unit)


def change_rows(change: Sequence[Change], channels: ChannelMap, formulary: Formulary) -> tuple[DoseChange, ...]:
    """The dose of 24 h before and after, drug by drug, as pump and clinic computed it and agree on it."""
    rows = []
    for channel, row in zip(channels.channels, change, strict=False):
        if channel is None:
            continue
        drug = formulary.drug(channel.drug)
        amounts = (row.base_before_ng, row.base_after_ng, row.most_before_ng, row.most_after_ng)
        rows.append(DoseChange(drug.display_name, *(Mass.of(ng, "ng").text(drug.dose_unit) for ng in amounts)))
    return tuple(rows)


def consequence(running: Order | None, new: Order, formulary: Formulary) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The new program in sentences, and what changes against the one that the pump really runs."""
    after, least = (new.program, new.mixture), new.pump.minimum_rate
    if running is None:
        return say(*after, formulary.drug, minimum_rate=least, ceilings=True).lines, ("Nothing ran before.",)
    before = (running.program, running.mixture)
    told = say_change(before, after, formulary.drug, minimum_rate=least, ceilings=True)
    return told.after.lines, told.changes
