"""What kind of number a measure gives, and what it reads: enough to check a case before anything runs."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from thecal.body.spine.kinetics import Kinetics
from thecal.body.spine.physiology import Physiology
from thecal.body.validation.measures import (
    Area,
    Arrival,
    DecayLength,
    Difference,
    HalfLife,
    Order,
    PeakTime,
    Profile,
    Ratio,
    Reading,
    Sensitivity,
    Spread,
    TimeOver,
)
from thecal.body.validation.units import BadAmountError, Dimension, amount

if TYPE_CHECKING:
    from collections.abc import Iterator

    from thecal.body.validation.cases import Check
    from thecal.body.validation.measures import Measure

PLAIN, TIME, LENGTH = Dimension(), Dimension(time=1), Dimension(length=1)
CONCENTRATION = Dimension(mass=1, length=-3)
GIVEN = ("dose", "volume", "over")
LEVERS = (*GIVEN, *(f.name for f in (*fields(Physiology), *fields(Kinetics)) if f.name != "drug"))
"""What a sensitivity may be to."""
_USUAL = {
    PLAIN: "", TIME: "min", LENGTH: "cm", CONCENTRATION: "ng/mL", Dimension(mass=1, length=-3, time=1): "ng*h/mL",
}  # fmt: skip


def parts(measure: Measure) -> tuple[Measure, ...]:
    """The measures that one is made of; none where it reads a run itself."""
    match measure:
        case Ratio():
            return (measure.of, measure.over)
        case Difference():
            return (measure.of, measure.less)
        case Order():
            return measure.falling
        case Sensitivity():
            return (measure.of,)
        case _:
            return ()


def whole(measure: Measure) -> Iterator[Measure]:
    """A measure and everything in it."""
    yield measure
    for part in parts(measure):
        yield from whole(part)


def leaves(measure: Measure) -> Iterator[Reading | Profile]:
    """Everything in it that reads a run."""
    for one in whole(measure):
        if isinstance(one, Reading | Profile):
            yield one


def dimension(measure: Measure) -> Dimension:
    """The dimension of its number; BadAmountError where it compares numbers of different kinds."""
    inner = [dimension(part) for part in parts(measure)]
    if len(set(inner)) > 1:
        raise BadAmountError(f"a {measure.kind} of different kinds of numbers", "numbers of one kind")
    match measure:
        case Ratio() | Order() | Sensitivity():
            return PLAIN
        case Difference():
            return inner[0]
        case HalfLife() | PeakTime() | Arrival() | TimeOver():
            return TIME
        case Spread() | DecayLength():
            return LENGTH
        case Area():
            return Dimension(*(a + b for a, b in zip(_of_reading(measure), TIME, strict=True)))
        case _:
            return _of_reading(measure)


def _of_reading(reading: Reading) -> Dimension:
    return PLAIN if reading.place is None else CONCENTRATION


def level_of(measure: TimeOver) -> float:
    """The level that is to be passed, in the unit of what is read; BadAmountError where it is another kind."""
    return amount(measure.level, _of_reading(measure))


def number(value: str | float, meant: Dimension) -> float:
    """An expected value as a number in ng, cm, s; bare numbers only where there is no dimension."""
    if isinstance(value, str):
        return amount(value, meant)
    if meant != PLAIN:
        return amount(f"{value:g}", meant)
    return float(value)


def shown_unit(check: Check, meant: Dimension) -> str:
    """The unit in which a check is shown: its own, that of what is expected, or the usual one."""
    if check.unit is not None:
        return check.unit
    expected = check.expected
    if expected is not None:
        for text in (expected.value, expected.least, expected.most):
            if isinstance(text, str):
                return text.partition(" ")[2]
    return _USUAL.get(meant, "")
