"""The orders in a scenario: the one at the start and every change of mixture or program, each to be reviewed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from thecal.cli.plan_line import planned_bridge
from thecal.quantities import Duration
from thecal.therapy.bridge import Bridge
from thecal.therapy.files import OrderFile
from thecal.therapy.order import Fill, Previous
from thecal.therapy.program import BridgeBolus
from thecal.twin.events import NewProgram, PlannedBridge, Refill, Start, Stop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from thecal.therapy.order import Order
    from thecal.twin.scenario import Scenario


@dataclass(frozen=True, slots=True)
class OrderAt:
    """An order as it stands ``at_s`` seconds after the start of the run."""

    at_s: int
    file: OrderFile


def orders_of(scenario: Scenario) -> Iterator[OrderAt]:
    """The order at the start, then every order that changes mixture or program, in order of time."""
    yield OrderAt(0, _file(scenario, scenario.order))
    stopped_s: int | None = None
    for event in scenario.events:
        match event:
            case Stop():
                stopped_s = event.at_s if stopped_s is None else stopped_s
            case Start():
                stopped_s = None
            case Refill(mixture=None, program=None):
                pass
            case Refill() | NewProgram():
                yield OrderAt(event.at_s, _file(scenario, _order(scenario, event, stopped_s)))
                stopped_s = None
            case _:
                pass


def _file(scenario: Scenario, order: Order) -> OrderFile:
    return OrderFile(order, scenario.title, scenario.serial, scenario.calibration)


def _order(scenario: Scenario, event: Refill | NewProgram, stopped_s: int | None) -> Order:
    """What a clinic would send at this event, with what ran before and how long nothing did."""
    before = event.at_s - 1
    gap = Duration.of(0 if stopped_s is None else event.at_s - stopped_s, "s")
    previous = Previous(scenario.mixture_at(before), scenario.program_at(before), gap)
    fill = None
    if isinstance(event, Refill):
        on = scenario.run.moment(event.at_s).date()
        fill = Fill(event.volume, event.volume, event.aspirated, on)
    order = replace(
        scenario.order,
        mixture=scenario.mixture_at(event.at_s),
        program=scenario.program_at(event.at_s),
        previous=previous,
        fill=fill,
        first_fill=False,
    )
    return _bridged(order, event, previous)


def _bridged(order: Order, event: Refill | NewProgram, previous: Previous) -> Order:
    """The order with the bridge that goes before it, where the event has one."""
    bridge = event.bridge if isinstance(event, Refill) else None
    if isinstance(bridge, PlannedBridge) and order.catheter is not None:
        made = planned_bridge(order, order.pump.tubing + order.catheter.volume, previous)
        if isinstance(made, Bridge):
            bridge = BridgeBolus(made.volume, made.doses[0].dose)
    if not isinstance(bridge, BridgeBolus):
        return order
    return replace(order, program=replace(order.program, bridge=bridge))
