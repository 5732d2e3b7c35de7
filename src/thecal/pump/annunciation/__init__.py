"""Alarm conditions as data: what raises each, how urgent it is, what the pump does, how it sounds, what is said.

In comes the table of this package and the facts of one pump: which alarms are active, what its program chose, which
drugs must not be stopped abruptly. Out come states with their times, restrictions, tones and texts. Nothing here
raises an alarm or moves fluid; drug facts are passed in, never looked up.
"""

from thecal.pump.annunciation.condition import Base, Call, Clears, Condition, Priority, Raised, Said, Supply
from thecal.pump.annunciation.found import Entry, Facts, Found, found_in
from thecal.pump.annunciation.state import AlarmState, alarm_states, in_order, restrictions, states_of, without_times
from thecal.pump.annunciation.table import AlarmFileError, Pause, Repeats, Table, alarm_table
from thecal.pump.annunciation.tones import Sound, Tone, next_sound, tone, tones_of
from thecal.pump.annunciation.wording import (
    ClinicianText,
    Does,
    PatientText,
    Withdrawal,
    before_stop,
    does,
    for_clinician,
    for_patient,
)

__all__ = [
    "AlarmFileError",
    "AlarmState",
    "Base",
    "Call",
    "Clears",
    "ClinicianText",
    "Condition",
    "Does",
    "Entry",
    "Facts",
    "Found",
    "PatientText",
    "Pause",
    "Priority",
    "Raised",
    "Repeats",
    "Said",
    "Sound",
    "Supply",
    "Table",
    "Tone",
    "Withdrawal",
    "alarm_states",
    "alarm_table",
    "before_stop",
    "does",
    "for_clinician",
    "for_patient",
    "found_in",
    "in_order",
    "next_sound",
    "restrictions",
    "states_of",
    "tone",
    "tones_of",
    "without_times",
]
