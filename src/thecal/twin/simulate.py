"""Runs a scenario: the real controller through time, then every stroke through reservoir, tubing and catheter.

Leaping and stepping give the same trace to the byte. What happens in one second is done in this order: strokes up to
and including that second, what people do in the order of the scenario, then presses.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from thecal.body.catheter import Line, Parcel, tip_arrival
from thecal.body.reservoir import Refill, Reservoir
from thecal.therapy.program import DAY_S
from thecal.twin.bedside import Bedside
from thecal.twin.events import Accuracy, DrugLoss, Press, Stall
from thecal.twin.implant import Implant, hardware_of
from thecal.twin.motor import VirtualMotor
from thecal.twin.records import Arrived, Filled, Happening, Kind
from thecal.twin.trace import Total, Trace

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from thecal.body.catheter import TipArrival
    from thecal.quantities import Volume
    from thecal.therapy.mixture import Mixture
    from thecal.twin.bedside import Fill
    from thecal.twin.events import Event
    from thecal.twin.ordered import Curve
    from thecal.twin.scenario import Scenario

    FloatArray = npt.NDArray[np.float64]
    IntArray = npt.NDArray[np.int64]


def simulate(scenario: Scenario, *, progress: Callable[[float], None] | None = None, stepping: bool = False) -> Trace:
    """The trace of a scenario; ``progress`` hears how much of the run is done, from 0 to 1.

    ``stepping`` runs every second by itself, hundreds of times slower. ValueError for a pump without a controller.
    """
    motor = VirtualMotor([f for f in scenario.faults if isinstance(f, Stall)])
    implant = Implant(hardware_of(scenario.order.pump), motor, stepping=stepping)
    bedside = Bedside(scenario, implant)
    tell = progress or (lambda _: None)
    bedside.begin()
    for event in _events(scenario):
        _advance(bedside, implant, event.at_s, scenario.run.length_s, tell)
        bedside.do(event)
    _advance(bedside, implant, scenario.run.length_s, scenario.run.length_s, tell)
    trace = _Making(scenario, implant, bedside).trace()
    tell(1.0)
    return trace


def _events(scenario: Scenario) -> list[Event]:
    """Everything in order of time; at one second, what the clinic does comes before a press."""
    others = [e for e in scenario.events if not isinstance(e, Press)]
    return sorted([*others, *scenario.presses()], key=lambda e: e.at_s)


def _advance(bedside: Bedside, implant: Implant, until_s: int, length_s: int, tell: Callable[[float], None]) -> None:
    """Let the pump run up to and including ``until_s``, a day at a time at most."""
    while implant.now_s < until_s:
        implant.run(min(until_s, implant.now_s + DAY_S))
        bedside.read()
        tell(implant.now_s / length_s)


def _plain(mixture: Mixture) -> dict[str, float]:
    return {i.drug: float(i.concentration.number("mg/mL")) for i in mixture.ingredients}


def _ml(volume: Volume) -> float:
    return float(volume.number("mL"))


class _Making:
    """Puts the trace together from the strokes of a finished run."""

    def __init__(self, scenario: Scenario, implant: Implant, bedside: Bedside) -> None:
        self._scenario = scenario
        self._implant = implant
        self._bedside = bedside
        self._hardware = implant.controller.hw
        self._stroke_s = implant.motor.stroke_s()
        self._stroke_ml = self._real_strokes()

    def trace(self) -> Trace:
        """Everything of the run."""
        scenario, controller, diary = self._scenario, self._implant.controller, self._bedside.dosing.diary
        arrival = self._arrival()
        curve = self._bedside.ordering.curve(scenario.run.length_s, arrival.ingredients)
        fronts = self._fronts(arrival)
        happenings = [*diary.happenings, *self._front_news(fronts), *self._fault_news()]
        return Trace(
            title=scenario.title,
            start=scenario.run.start,
            days_long=scenario.run.days,
            seed=scenario.run.seed,
            stroke_nl=self._hardware.stroke_nl,
            arrival=arrival,
            curve=curve,
            happenings=tuple(sorted(happenings, key=lambda h: h.at_s)),
            boluses=tuple(diary.boluses),
            alarms=tuple(diary.alarms),
            refusals=tuple(diary.refusals),
            installed=tuple(self._bedside.installed),
            fills=self._fills(arrival),
            fronts=fronts,
            totals=self._totals(arrival, curve),
            lost_strokes=self._implant.motor.lost,
            log_records=controller.log.count(),
            log_digest=self._implant.log_digest(),
        )

    def _real_strokes(self) -> FloatArray:
        """What each stroke really moves (mL): the nominal stroke, times the accuracy of its second."""
        nominal_ml = self._hardware.stroke_nl / 1e6
        faults = [f for f in self._scenario.faults if isinstance(f, Accuracy)]
        if not faults:
            return np.asarray(nominal_ml)
        factor = np.ones(self._stroke_s.size)
        for fault in faults:
            first, last = np.searchsorted(self._stroke_s, (fault.from_s, fault.until_s), side="left")
            factor[first:last] = float(fault.factor)
        return np.asarray(nominal_ml * factor)

    def _arrival(self) -> TipArrival:
        order, run = self._scenario.order, self._scenario.run
        dead_ml = _ml(self._bedside.dead)
        contents = (Parcel(dead_ml, _plain(order.previous.mixture)),) if order.previous else ()
        sigma_ml = _ml(run.front_sigma) if run.front_sigma else 0.0
        filled_first = bool(self._bedside.first_fill_done)
        reservoir = Reservoir(
            _ml(self._bedside.first_fill) if filled_first else 0.0,
            _plain(order.mixture),
            {f.drug: float(f.rate_per_day) for f in self._scenario.faults if isinstance(f, DrugLoss)},
            self._hardware.residual_nl / 1e6,
        )
        line = Line(dead_ml, contents, sigma_ml)
        return tip_arrival(self._stroke_s, self._stroke_ml, reservoir, line, self._refills(reservoir))

    def _refills(self, reservoir: Reservoir) -> list[Refill]:
        """The fills as the body takes them: each after the strokes of its second, with what really stays in."""
        found, volume_ml, first = [], reservoir.volume_ml, 0
        for fill in self._bedside.fills:
            last = int(np.searchsorted(self._stroke_s, fill.at_s, side="right"))
            volume_ml -= min(self._moved_ml(first, last), max(volume_ml - reservoir.unusable_ml, 0.0))
            left_ml = self._left_ml(fill, volume_ml)
            found.append(Refill(fill.at_s + 1, left_ml, _ml(fill.filled), _plain(fill.mixture)))
            volume_ml, first = left_ml + _ml(fill.filled), last
        return found

    def _moved_ml(self, first: int, last: int) -> float:
        """What the strokes from one number up to another ask for."""
        if self._stroke_ml.ndim == 0:
            return (last - first) * float(self._stroke_ml)
        return math.fsum(self._stroke_ml[first:last])

    def _left_ml(self, fill: Fill, found_ml: float) -> float:
        """What is left is what was stated, or what was found less what was drawn out; never more than was found."""
        if fill.left is not None:
            return min(_ml(fill.left), found_ml)
        drawn_ml = _ml(fill.aspirated) if fill.aspirated is not None else 0.0
        return max(found_ml - drawn_ml, 0.0)

    def _fills(self, arrival: TipArrival) -> tuple[Filled, ...]:
        first_ml = arrival.drawn.periods[0].volume_ml
        if not self._bedside.first_fill_done:
            return ()
        found = [Filled(0, 0.0, first_ml, 0.0, 0.0, first_ml)]
        for fill, real in zip(self._bedside.fills, arrival.refills, strict=True):
            strokes = np.searchsorted(self._stroke_s, (found[-1].at_s, fill.at_s), side="right")
            believed_ml = found[-1].told_ml - int(strokes[1] - strokes[0]) * self._hardware.stroke_nl / 1e6
            found.append(Filled(fill.at_s, believed_ml, _ml(fill.told), real.found_ml, real.removed_ml, real.volume_ml))
        return tuple(found)

    def _fronts(self, arrival: TipArrival) -> tuple[Arrived, ...]:
        """Boundaries between fluids that differ; a fill with the same fluid makes none."""
        found = []
        for front in arrival.fronts:
            if np.allclose(front.c_before_mg_per_ml, front.c_after_mg_per_ml, rtol=1e-9, atol=0.0):
                continue
            filled_s = None if front.entered_s is None else max(front.entered_s - 1, 0)
            after = dict(zip(arrival.ingredients, front.c_after_mg_per_ml.tolist(), strict=True))
            found.append(Arrived(filled_s, front.reaches_tip_s, after))
        return tuple(found)

    def _happening(self, at_s: int, kind: Kind, text: str) -> Happening:
        return Happening(at_s, self._scenario.run.moment(at_s).isoformat(), kind, text)

    def _front_news(self, fronts: tuple[Arrived, ...]) -> list[Happening]:
        text = "fluid of the fill of {} reaches the tip"
        return [
            self._happening(f.tip_s, Kind.FRONT, text.format(self._scenario.run.moment(f.filled_s or 0).date()))
            for f in fronts
            if f.tip_s is not None
        ]

    def _fault_news(self) -> list[Happening]:
        found = []
        for fault in self._scenario.faults:
            if isinstance(fault, DrugLoss):
                continue
            text = "the motor stalls" if isinstance(fault, Stall) else "strokes move another volume than they should"
            found.append(self._happening(fault.from_s, Kind.FAULT, text))
            end = "the stall is over" if isinstance(fault, Stall) else "strokes move what they should again"
            found.append(self._happening(fault.until_s, Kind.FAULT_END, end))
        return found

    def _totals(self, arrival: TipArrival, curve: Curve) -> tuple[Total, ...]:
        end_s = self._scenario.run.length_s
        volume_ml, c = arrival.reservoir_at(end_s)
        filled = np.zeros(len(arrival.ingredients))
        filled += arrival.drawn.periods[0].volume_ml * arrival.drawn.periods[0].c_mg_per_ml
        removed = np.zeros_like(filled)
        for fill, real in zip(self._bedside.fills, arrival.refills, strict=True):
            plain = _plain(fill.mixture)
            filled += _ml(fill.filled) * np.array([plain.get(i, 0.0) for i in arrival.ingredients])
            removed += real.removed_mg
        rows = np.column_stack(
            (
                curve.mass(end_s)[:, 0],
                arrival.delivered_mg(end_s)[:, 0],
                arrival.arrived_mg(end_s)[:, 0],
                arrival.in_line_mg(end_s)[:, 0],
                volume_ml[0] * c[:, 0],
                arrival.initial_line_mg,
                filled,
                removed,
                _lost_mg(arrival, end_s),
            )
        )
        return tuple(Total(name, *row) for name, row in zip(arrival.ingredients, rows.tolist(), strict=True))


def _lost_mg(arrival: TipArrival, end_s: int) -> FloatArray:
    """What decayed in the reservoir: between two strokes, the volume there times the fall of the concentration."""
    lost = np.zeros(len(arrival.ingredients))
    if not arrival.drawn.loss_per_day.any():
        return lost
    periods = arrival.drawn.periods
    ends = [*((p.first, p.t_s) for p in periods[1:]), (arrival.t_s.size, end_s)]
    for period, (last, until_s) in zip(periods, ends, strict=True):
        part = slice(period.first, last)
        times = np.concatenate(([period.t_s], arrival.t_s[part], [until_s]))
        pumped_ml = np.concatenate(([period.pumped_ml], arrival.drawn.pumped_ml[part]))
        volume_ml = period.volume_ml + period.pumped_ml - pumped_ml
        c = arrival.drawn.concentration(period, times)
        lost += (volume_ml * (c[:, :-1] - c[:, 1:])).sum(axis=1)
    return lost
