"""What a simulated run does beyond the tip, for its report: the whole run, and 72 h of it from near by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thecal.twin.asking import HOURS, MOST_HOURS
from thecal.twin.cases import LEAD_HOURS
from thecal.twin.events import Refill
from thecal.twin.preview import preview, with_band
from thecal.twin.spine import NoPreview

if TYPE_CHECKING:
    from collections.abc import Callable

    from thecal.twin.scenario import Scenario
    from thecal.twin.spine import SpineCourse

_FEW_HOURS = 96.0


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a run: what it is called, and the course, or why there is none."""

    key: str
    title: str
    course: SpineCourse | NoPreview


def looks(scenario: Scenario, progress: Callable[[float], None]) -> tuple[Look, ...]:
    """The looks at a run, with their bands; ``progress`` hears how much of the bands is drawn, from 0 to 1."""
    hours = scenario.run.length_s / 3600
    asked = [("run", "the whole run" if hours <= MOST_HOURS else "the first year", 0.0, min(hours, MOST_HOURS))]
    if hours > _FEW_HOURS:
        changed = next((e.at_s / 3600 for e in scenario.events if isinstance(e, Refill) and e.bridge), None)
        title = "the first 72 h" if changed is None else "72 h around the change of fluid"
        begin = 0.0 if changed is None else min(max(changed - LEAD_HOURS, 0.0), hours - HOURS)
        asked.append(("near", title, begin, HOURS))
    found: list[Look] = []
    for number, (key, title, from_hours, length) in enumerate(asked):
        course = preview(scenario, hours=length, from_hours=from_hours, band=False)
        if isinstance(course, NoPreview):
            return (Look(key, title, course),)

        def tell(done: float, number: int = number) -> None:
            progress((number + done) / len(asked))

        found.append(Look(key, title, with_band(course, progress=tell)))
    return tuple(found)
