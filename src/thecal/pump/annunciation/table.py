"""The table of alarm conditions: read once from its file, checked, and held against the core's own table."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from thecal.pump.annunciation.condition import Base, Condition, Priority, Said
from thecal.pump.core import alarms as al
from thecal.pump.core import codes as k
from thecal.therapy.program import FaultClass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

    from thecal.pump.annunciation.schema import AlarmFile, AlarmRow, ClinicianRow, PatientRow
    from thecal.quantities import Duration

FILE = "alarms.toml"

CORE: Mapping[str, int] = {
    "LOW_RESERVOIR": al.LOW_RESERVOIR,
    "EMPTY_RESERVOIR": al.EMPTY_RESERVOIR,
    "REPLACE_SOON": al.REPLACE_SOON,
    "END_OF_SERVICE": al.END_OF_SERVICE,
    "STALL": al.STALL,
    "STOPPED_48H": al.STOPPED_48H,
    "MEMORY_MINOR": al.MEMORY_MINOR,
    "MEMORY_CRITICAL": al.MEMORY_CRITICAL,
    "OVER_DELIVERY": al.OVER_DELIVERY,
    "HELD": al.HELD,
    "POWER_LOST": al.POWER_LOST,
    "CLOCK_DOUBT": al.CLOCK_DOUBT,
    "BATTERY_RESET": al.BATTERY_RESET,
    "SHORT_STALLS": al.SHORT_STALLS,
}
"""The core's alarms by the names that the file uses."""

FAULT: Mapping[FaultClass, int] = {
    FaultClass.RESERVOIR: k.F_RESERVOIR,
    FaultClass.MOTOR: k.F_MOTOR,
    FaultClass.POWER: k.F_POWER,
    FaultClass.MEMORY: k.F_MEMORY,
    FaultClass.OVER_DELIVERY: k.F_OVER,
    FaultClass.CLOCK: k.F_CLOCK,
}
"""The core's number of each class of fault."""

_PRIORITY = {Priority.NON_CRITICAL: al.NON_CRITICAL, Priority.CRITICAL: al.CRITICAL}
_BASE = {Base.NO_CHANGE: al.B_NONE, Base.STOP: al.B_STOP, Base.AS_CHOSEN: al.B_CHOSEN}


class AlarmFileError(ValueError):
    """An alarm file that cannot be used: the path of the field in it, and what is wrong."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{FILE}: {field}: {problem}" if field else f"{FILE}: {problem}")
        self.field = field
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Pause:
    """For how long an acknowledged alarm is quiet before it sounds again, and where that was read."""

    lasts: Duration
    source: str
    verified: bool


@dataclass(frozen=True, slots=True)
class Repeats:
    """How many repeats of one alarm, each with a start after it, within which time, are a loop."""

    times: int
    within: Duration
    source: str
    verified: bool


@dataclass(frozen=True, slots=True)
class Table:
    """Every condition, in the order of the file; ``requirements`` are those that the table as a whole answers."""

    conditions: tuple[Condition, ...]
    pause: Pause
    repeats: Repeats
    stand_in: str
    """The pump family whose tones stand in where a family with electronics has none."""
    requirements: tuple[str, ...]

    def __getitem__(self, code: str) -> Condition:
        """The condition with that code; KeyError where there is none."""
        for found in self.conditions:
            if found.code == code:
                return found
        raise KeyError(code)

    @property
    def of_core(self) -> tuple[Condition, ...]:
        """The conditions that the pump itself raises, by the core's numbers."""
        return tuple(sorted((c for c in self.conditions if c.core is not None), key=lambda c: c.core or 0))


@cache
def alarm_table() -> Table:
    """The table that ships with Thecal; AlarmFileError where its file is wrong."""
    return read_table(files(__package__).joinpath(FILE).read_text("utf-8"))


def read_table(text: str) -> Table:
    """Read and check a table; AlarmFileError names the field, what was found and what is allowed."""
    from pydantic import ValidationError  # noqa: PLC0415  (the schema is heavy)

    from thecal.pump.annunciation.schema import AlarmFile  # noqa: PLC0415

    try:
        file = AlarmFile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as wrong:
        raise AlarmFileError("", f"text that is not TOML ({wrong})") from wrong
    except ValidationError as wrong:
        raise AlarmFileError(*_first(wrong.errors(include_url=False)[0])) from wrong
    _unique(file)
    for row in file.alarms:
        _agrees(row)
    return Table(
        conditions=tuple(_condition(row) for row in file.alarms),
        pause=Pause(file.pause.lasts, file.pause.source, file.pause.verified),
        repeats=Repeats(file.repeats.times, file.repeats.within, file.repeats.source, file.repeats.verified),
        stand_in=file.tones.stand_in,
        requirements=file.requirements,
    )


def _first(error: ErrorDetails) -> tuple[str, str]:
    field = ".".join(str(step) for step in error["loc"])
    found = "nothing" if error["type"] == "missing" else repr(error["input"])[:80]
    return field, f"found {found}: {error['msg']}"


def _unique(file: AlarmFile) -> None:
    """Codes and names once, and the alarms of the core each exactly once."""
    for what, found in (("code", [r.code for r in file.alarms]), ("name", [r.name for r in file.alarms])):
        for text in found:
            if found.count(text) > 1:
                raise AlarmFileError(f"alarms.{what}", f"found {text!r} twice: state it once")
    named = [r.core for r in file.alarms if r.core is not None]
    for name in named:
        if name not in CORE:
            raise AlarmFileError("alarms.core", f"found {name!r}: allowed are {', '.join(CORE)}")
    for name in CORE:
        if named.count(name) != 1:
            raise AlarmFileError("alarms.core", f"found {name} {named.count(name)} times: each has exactly one row")


def _agrees(row: AlarmRow) -> None:
    """What the file says of an alarm of the core is what the core does."""
    if row.core is None or row.fault is None:
        return
    said = (_PRIORITY[row.priority], FAULT[row.fault], _BASE[row.base], int(row.forbids_bolus))
    done = al.TABLE[CORE[row.core]]
    if said != done:
        raise AlarmFileError(
            f"alarms.{row.code}", f"priority, fault, base, bolus: found {said}, and the core has {done}"
        )


def _condition(row: AlarmRow) -> Condition:
    return Condition(
        code=row.code,
        name=row.name,
        raised=row.raised,
        cause=row.cause,
        priority=row.priority,
        base=row.base,
        forbids_bolus=row.forbids_bolus,
        supply=row.supply,
        call=row.call,
        clears=row.clears,
        source=row.source,
        verified=row.verified,
        requirements=row.requirements,
        clinician=_to_clinician(row.clinician),
        patient=_to_patient(row.patient),
        core=None if row.core is None else CORE[row.core],
        fault=row.fault,
        note=row.note,
    )


def _to_clinician(row: ClinicianRow) -> Said:
    return Said(what=row.what, act=row.act, pump=row.pump or "", check=row.check, clears=row.clears)


def _to_patient(row: PatientRow) -> Said:
    return Said(what=row.what, act=row.act, pump=row.pump or "", avoid=row.avoid)


assert len(CORE) == al.N_ALARMS  # noqa: S101 -- both lists are closed
assert len(FAULT) == k.N_FAULTS  # noqa: S101
