"""Pump clock against the clock on the wall: times of records, differences, changes of the zone, setting the clock.

The pump clock has a fixed offset and never follows a zone; schedules run on it. In come readings and UTC as whole
seconds, a zone by its name, a pattern of doses; out come times, sentences and previews in dose, exact. No clock is
read here, and nothing is corrected in silence.
"""

from thecal.pump.wall_clock.change import Choice, ClockTask, DayDose, Kind, NoClock, WhyNot, clock_task, wall_day
from thecal.pump.wall_clock.clock import Belief, PumpClock, Times, UtcIs, offset_for, offset_text, times_of
from thecal.pump.wall_clock.difference import Difference, Drift, Notice, before_change, compare, drift
from thecal.pump.wall_clock.travel import Stay, travel_letter
from thecal.pump.wall_clock.zone import ZoneChange, changes, next_change

__all__ = [
    "Belief",
    "Choice",
    "ClockTask",
    "DayDose",
    "Difference",
    "Drift",
    "Kind",
    "NoClock",
    "Notice",
    "PumpClock",
    "Stay",
    "Times",
    "UtcIs",
    "WhyNot",
    "ZoneChange",
    "before_change",
    "changes",
    "clock_task",
    "compare",
    "drift",
    "next_change",
    "offset_for",
    "offset_text",
    "times_of",
    "travel_letter",
    "wall_day",
]
