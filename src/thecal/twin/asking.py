"""What somebody asks of a preview, and the run that answers it: a scenario cut to its window, with what ran before.

Nothing is filled in that an order does not say, except where it is said: a full reservoir for an order without a fill,
and nothing before for an order that names nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, TypedDict

from thecal.body.spine import neuraxis
from thecal.therapy.order import Fill, Order, Previous
from thecal.therapy.program import DAY_S
from thecal.therapy.refusal import Refusal, minute_text
from thecal.twin.events import Run
from thecal.twin.giving import NOTHING_BEFORE, Before, Window, before, window_of
from thecal.twin.scenario import MOST_DAYS, Scenario
from thecal.twin.simulate import simulate
from thecal.twin.sites import DERMATOMES, LEVELS
from thecal.twin.spine import NoPreview, NoPreviewWhy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from thecal.twin.trace import Trace

HOURS = 72.0
LEAST_HOURS, MOST_HOURS = 1.0, 8760.0
DRAWS, MOST_DRAWS = 64, 1024
SEED = 1
CELLS = 200
LEAST_CELLS, MOST_CELLS = neuraxis.FEWEST_CELLS, neuraxis.MOST_CELLS // 2
"""Cells that may be asked for: the grid that the error in space is estimated from has twice as many."""
_AT_START = frozenset({"the first fill", "the order", "the start"})


class Asked(TypedDict, total=False):
    """What every preview takes, all of it optional: see ``Asking``."""

    hours: float
    from_hours: float
    levels: Sequence[str] | None
    dermatomes: Sequence[str] | None
    draws: int
    seed: int | None
    weight_kg: float | None
    cells: int
    band: bool
    progress: Callable[[float], None] | None


@dataclass(frozen=True, slots=True)
class Asking:
    """The window (``hours`` long, from ``from_hours`` after the start of the run), where to look, and the band.

    ``draws`` persons are drawn by ``seed``, the same in every preview that does not say otherwise. ``weight_kg`` is
    used where it is known; ``cells`` divide the canal. ``progress`` hears how much of the band is done, from 0 to 1.
    """

    hours: float = HOURS
    from_hours: float = 0.0
    levels: Sequence[str] | None = None
    dermatomes: Sequence[str] | None = None
    draws: int = DRAWS
    seed: int | None = None
    weight_kg: float | None = None
    cells: int = CELLS
    band: bool = True
    progress: Callable[[float], None] | None = None

    @property
    def window(self) -> Window:
        """The readings, in whole seconds."""
        return window_of(round(self.from_hours * 3600), round(self.hours * 3600))

    @property
    def chosen_seed(self) -> int:
        """The seed of the draws."""
        return SEED if self.seed is None else self.seed

    @property
    def chosen_levels(self) -> tuple[str, ...]:
        """Levels at which fluid is shown."""
        return LEVELS if self.levels is None else tuple(self.levels)

    @property
    def chosen_dermatomes(self) -> tuple[str, ...]:
        """Dermatomes at which an effect is shown."""
        return DERMATOMES if self.dermatomes is None else tuple(self.dermatomes)

    def refusal(self) -> NoPreview | None:
        """Why this cannot be asked."""
        if not LEAST_HOURS <= self.hours <= MOST_HOURS:
            return _outside(f"{self.hours:g} h", f"{LEAST_HOURS:g} to {MOST_HOURS:g} h", "ask for a shorter window")
        if not 0 <= self.from_hours <= MOST_DAYS * 24 - self.hours:
            return _outside(f"a window from {self.from_hours:g} h on", f"from 0 h, to day {MOST_DAYS} of the run",
                            "begin within the run")  # fmt: skip
        if not 2 <= self.draws <= MOST_DRAWS:
            return _outside(f"{self.draws} draws", f"2 to {MOST_DRAWS:,}", "ask for another number of draws")
        if not LEAST_CELLS <= self.cells <= MOST_CELLS:
            return _outside(
                f"{self.cells:,} cells", f"{LEAST_CELLS} to {MOST_CELLS:,}", "ask for another number of cells"
            )
        return None


def _outside(found: str, allowed: str, then: str) -> NoPreview:
    return NoPreview(NoPreviewWhy.WINDOW, found, allowed, then)


# From an order to a run -------------------------------------------------------------------------------------------


def scenario_of(order: Order, start: datetime, *, running: bool = False, title: str | None = None) -> Scenario:
    """The scenario of an order from ``start`` on, in pump-clock time, with no events.

    ``running``: the order is what the pump runs already, so that the line holds its mixture and the body its steady
    state. The reservoir is taken as full where the order states no fill.
    """
    fill = order.fill or Fill(order.pump.reservoir)
    previous = Previous(order.mixture, order.program) if running else order.previous
    made = replace(order, fill=fill, previous=previous)
    return Scenario(title or ("running" if running else "order"), made, Run(start, 3, 0, timedelta()))


def as_running(scenario: Scenario) -> Scenario:
    """The same scenario after its own program has run for long: what came before it is taken to be the same."""
    order = scenario.order
    return replace(scenario, order=replace(order, previous=Previous(order.mixture, order.program)))


@dataclass(frozen=True, eq=False, slots=True)
class Ran:
    """A scenario that was run for a window: its trace, and what ran before it."""

    scenario: Scenario
    trace: Trace
    earlier: Before
    notes: tuple[str, ...]


def ran(scenario: Scenario, window: Window, *, whole: bool = False) -> Ran | NoPreview:
    """Run a scenario up to the end of a window; a refusal where it has no tip, no controller or no program.

    With ``whole``, one too where any event could not be done.
    """
    order = scenario.order
    refused = _no_tip(order)
    if refused is not None:
        return refused
    earlier: Before | Refusal = NOTHING_BEFORE
    if order.previous is not None:
        earlier = before(order.previous, scenario.run.start, order.pump.minimum_rate)
    if isinstance(earlier, Refusal):
        return NoPreview(NoPreviewWhy.REFUSED, f"before the order, {earlier.found}", earlier.allowed, earlier.then)
    trace = simulate(_cut(scenario, -(-window.until_s // DAY_S)))
    for refusal in trace.refusals:
        if (whole and refusal.at_s < window.until_s) or (refusal.at_s == 0 and refusal.what in _AT_START):
            found = f"{refusal.what}: {refusal.why}"
            return NoPreview(NoPreviewWhy.REFUSED, found, "what therapy and pump take", "change the order or the event")
    notes = (*_before_notes(order), *_fill_notes(order), *_run_notes(scenario, trace, window))
    return Ran(scenario, trace, earlier, notes)


def _no_tip(order: Order) -> NoPreview | None:
    if order.pump.fixed_flow is not None:
        found, allowed = f"{order.pump.name}, a pump of constant flow", "a pump with a controller"
        return NoPreview(NoPreviewWhy.NO_CONTROLLER, found, allowed, "preview programmable pumps only")
    if order.catheter is None:
        return NoPreview(
            NoPreviewWhy.NO_CATHETER, "an order without a catheter", "a catheter as implanted", "add the catheter"
        )
    if order.catheter.tip_level is None:
        return NoPreview(
            NoPreviewWhy.NO_TIP_LEVEL, "a catheter without a tip level", "the vertebra or disc at the tip, such as T10",
            "state the tip level of the catheter",
        )  # fmt: skip
    return None


def _cut(scenario: Scenario, days: int) -> Scenario:
    """The scenario with a run of so many days, shorter or longer."""
    run = replace(scenario.run, days=days)
    events = tuple(e for e in scenario.events if e.at_s < run.length_s)
    return replace(scenario, run=run, events=events)


def _before_notes(order: Order) -> tuple[str, ...]:
    previous = order.previous
    if previous is None:
        if order.first_fill:
            return ("First fill: the preview starts with no drug in the body.",)
        return ("The order does not say what ran before: the preview starts with no drug in the body.",)
    found = ["What ran before is in its steady state: a year at its mean dose, then 7 days by the clock."]
    if previous.program.patient_bolus is not None and previous.delivered_per_day is None:
        found.append("Nobody says what was delivered before: the boluses that the patient took then are not counted.")
    if previous.gap is None:
        found.append("No gap is stated: delivery is taken to go on without a break.")
    elif previous.gap:
        found.append(f"Then nothing was delivered for {float(previous.gap.number('h')):g} h.")
    return tuple(found)


def _fill_notes(order: Order) -> tuple[str, ...]:
    """A reservoir that begins full, whether that is stated or ``scenario_of`` has taken it so."""
    if order.fill is None or order.fill.volume != order.pump.reservoir:
        return ()
    return (f"The reservoir is taken as full at the beginning: {order.pump.reservoir.text('mL')}.",)


def _run_notes(scenario: Scenario, trace: Trace, window: Window) -> tuple[str, ...]:
    found = []
    if scenario.order.program.patient_bolus is not None and not trace.boluses:
        found.append("No patient bolus is asked for in this preview.")
    for refusal in trace.refusals:
        if refusal.at_s <= window.until_s:
            found.append(f"Not done: {refusal.what}: {refusal.why}")
    for alarm in trace.alarms:
        if alarm.issued_s <= window.until_s:
            found.append(f"Alarm at {minute_text(scenario.run.moment(alarm.issued_s))}: {alarm.name}")
    return tuple(found)
