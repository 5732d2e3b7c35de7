"""Orders and scenarios that reach beyond the tip: a tip at a level, few cells, few draws."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.therapy_builders import mixture, per_day
from tests.twin_builders import MORPHINE, order, program, scenario

from thecal.therapy.order import Previous
from thecal.therapy.program import Continuous
from thecal.twin.preview import preview
from thecal.twin.spine import Comparison, SpineCourse

if TYPE_CHECKING:
    from typing import Unpack

    import numpy as np
    import numpy.typing as npt

    from thecal.therapy.mixture import Mixture
    from thecal.therapy.order import Order
    from thecal.therapy.program import Program
    from thecal.twin.asking import Asked
    from thecal.twin.events import Event
    from thecal.twin.scenario import Scenario
    from thecal.twin.spine import NoPreview

CELLS = 40
DRAWS = 5
STRONG = mixture(morphine="20")
UNKNOWN_TOO = mixture(morphine="10", ketamine="5")


def at_tip(made: Order, level: str | None = "T10") -> Order:
    """The order with the tip of its catheter at a level."""
    assert made.catheter is not None
    return replace(made, catheter=replace(made.catheter, tip_level=level))


def steady(dose: str = "10", mixed: Mixture = MORPHINE, **others: object) -> Program:
    """A continuous program."""
    return program(Continuous(per_day(dose)), mixed, **others)  # type: ignore[arg-type]


def spine_order(ordered: Program | None = None, mixed: Mixture = MORPHINE, **others: object) -> Order:
    """An order with its tip at T10; nothing ran before."""
    return at_tip(order(ordered, mixed, **others))  # type: ignore[arg-type]


def ran_long(made: Order) -> Order:
    """The order after its own program has run for long."""
    return replace(made, previous=Previous(made.mixture, made.program))


def long_running(*events: Event, ordered: Program | None = None, mixed: Mixture = MORPHINE, days: int = 3) -> Scenario:
    """A scenario of a program that has run for long."""
    return scenario(ran_long(spine_order(ordered, mixed)), *events, days=days)


def seen(made: Scenario, **asked: Unpack[Asked]) -> SpineCourse:
    """The preview, quick: few cells, few draws."""
    asked.setdefault("cells", CELLS)
    asked.setdefault("draws", DRAWS)
    asked.setdefault("band", False)
    found = preview(made, **asked)
    assert isinstance(found, SpineCourse), found
    return found


def both(found: Comparison | NoPreview) -> Comparison:
    """A comparison that is one."""
    assert isinstance(found, Comparison), found
    return found


def central(course: SpineCourse, key: str, drug: str | None = "morphine") -> npt.NDArray[np.float64]:
    """One central line."""
    return course.line(key, drug).central
