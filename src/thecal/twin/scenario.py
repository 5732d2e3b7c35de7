"""A scenario: an order, how long it runs, what people do on the way, and what goes wrong.

A TOML file comes in; out goes a ``Scenario`` whose times are whole seconds after the start of the run, on the pump
clock, or every problem of the file. Nothing here delivers anything: the twin does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING

from thecal.quantities import Volume
from thecal.therapy.file_problems import Trouble
from thecal.therapy.files import Measured, order_in
from thecal.therapy.program import DAY_S
from thecal.therapy.program_file import bridge_bolus_in, drug_in, mixture_in, program_in, single_bolus_in
from thecal.therapy.toml_fields import Section
from thecal.therapy.toml_places import Reading, parse_document, read_document
from thecal.therapy.wording import clock_text
from thecal.twin.events import (
    Accuracy,
    Bridge,
    DrugLoss,
    Event,
    Fault,
    GivenBolus,
    NewProgram,
    NoBridge,
    PlannedBridge,
    Press,
    Presser,
    Prime,
    Refill,
    Run,
    Stall,
    Start,
    Stop,
    wishes,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from thecal.therapy.files import DrugLookup, OrderFile, PumpLookup
    from thecal.therapy.mixture import Mixture
    from thecal.therapy.order import Order
    from thecal.therapy.program import Program
    from thecal.therapy.toml_places import Document

MOST_DAYS = 7_305  # twenty years: longer than any pump serves
MOST_PRESSES_PER_DAY = 1_000
_OFFSET = re.compile(r"([+-])([0-9]{2}):([0-9]{2})")
_MOST_OFFSET = timedelta(hours=14)
_NOT_IN_EVENTS = ("priming", "bridge", "single_bolus")


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything a twin needs: the order as it stands at the start, the run, events in order of time, habits, faults.

    At the start the reservoir holds ``order.fill``; tubing and catheter hold ``order.previous.mixture``, or no drug
    where nothing ran before. ``order.fill`` and ``order.catheter`` are never None in a scenario.
    """

    title: str
    order: Order
    run: Run
    events: tuple[Event, ...] = ()
    pressers: tuple[Presser, ...] = ()
    faults: tuple[Fault, ...] = ()
    serial: str | None = None
    calibration: Measured = field(default_factory=Measured)

    def program_at(self, at_s: int) -> Program:
        """The program ordered last until ``at_s`` (included), whether or not a bridge still runs before it."""
        changed = [e.program for e in self.events if isinstance(e, NewProgram | Refill) and e.at_s <= at_s]
        return next((p for p in reversed(changed) if p is not None), self.order.program)

    def mixture_at(self, at_s: int) -> Mixture:
        """The mixture filled last until ``at_s`` (included)."""
        filled = [e.mixture for e in self.events if isinstance(e, Refill) and e.at_s <= at_s]
        return next((m for m in reversed(filled) if m is not None), self.order.mixture)

    def presses(self) -> tuple[Press, ...]:
        """Every press of the run, the listed ones and those drawn by the seed, in order of time."""
        listed = [e for e in self.events if isinstance(e, Press)]
        drawn = [Press(at_s) for number, p in enumerate(self.pressers) for at_s in self._drawn(number, p)]
        return tuple(sorted([*listed, *drawn], key=lambda p: p.at_s))

    def _drawn(self, number: int, presser: Presser) -> list[int]:
        """The presses of one habit, in the order in which they come to mind."""
        found: list[int] = []
        last = None
        for wish in wishes(self.run, number, presser):
            free_s = wish.at_s if last is None else last + self._lockout_s(last)
            at_s = wish.at_s if wish.heedless or wish.at_s >= free_s else free_s + wish.wait_s
            if at_s < self.run.length_s:
                found.append(at_s)
                last = at_s if last is None else max(last, at_s)
        return found

    def _lockout_s(self, at_s: int) -> int:
        bolus = self.program_at(at_s).patient_bolus
        return 0 if bolus is None else bolus.lockout.ceil("s")


# Reading ----------------------------------------------------------------------------------------------------------


class EventKind(StrEnum):
    """What ``kind`` of an event may say."""

    PRESS = "press"
    REFILL = "refill"
    PROGRAM = "program"
    STOP = "stop"
    START = "start"
    SINGLE_BOLUS = "single bolus"
    PRIME = "prime"


class FaultKind(StrEnum):
    """What ``kind`` of a fault may say."""

    STALL = "stall"
    ACCURACY = "accuracy"
    DRUG_LOSS = "drug loss"


def read_scenario(path: str | Path, *, drugs: DrugLookup, pumps: PumpLookup) -> Scenario:
    """The scenario in a TOML file; FileRefused names every problem."""
    return _scenario(read_document(path), drugs, pumps)


def parse_scenario(content: bytes | str, path: str, *, drugs: DrugLookup, pumps: PumpLookup) -> Scenario:
    """A scenario that is already in memory; ``path`` is what the messages call it."""
    return _scenario(parse_document(content, path), drugs, pumps)


def _scenario(document: Document, drugs: DrugLookup, pumps: PumpLookup) -> Scenario:
    reading = Reading(document)
    top = Section.top(reading)
    top.ignore("run", "events", "pressers", "faults")
    read = order_in(top, drugs, pumps)
    ordered = read if top.sound else None
    for key in ("fill", "catheter"):
        if not top.has(key):
            top.missing(key, f"a scenario starts with a [{key}]")
    run = _run(top)
    events = _Events(drugs, run, ordered).read(top.sections("events"))
    pressers = tuple(_presser(section, run) for section in top.sections("pressers"))
    faults = _faults(top.sections("faults"), run, drugs)

    def whole() -> Scenario:
        assert ordered is not None and run is not None  # noqa: S101
        title = ordered.title or document.path
        return Scenario(title, ordered.order, run, events, pressers, faults, ordered.serial, ordered.calibration)

    return reading.result(top.made(whole))


def _run(top: Section) -> Run | None:
    section = top.section("run", "a table with start, days, seed and utc_offset is needed")
    if section is None:
        return None
    start, days = section.moment("start"), section.whole("days", 1, MOST_DAYS)
    seed = section.whole("seed", 0, 2**63 - 1)
    offset = _offset(section)
    sigma = section.amount_or_none("front_sigma", Volume)
    run = section.made(lambda: Run(start, days, seed, offset, sigma))
    return run if section.sound else None


def _offset(section: Section) -> timedelta:
    allowed = 'hours and minutes from "-14:00" to "+14:00" are needed, in quotes, as in "+01:00"'
    if not section.has("utc_offset"):
        section.missing("utc_offset", allowed)
    text = section.text_or_none("utc_offset") or ""
    found = _OFFSET.fullmatch(text)
    minutes = int(found[2]) * 60 + int(found[3]) if found and int(found[3]) < 60 else None
    if minutes is None or timedelta(minutes=minutes) > _MOST_OFFSET:
        if section.sound_at("utc_offset"):
            section.refuse(Trouble.BAD_TIME, "utc_offset", f'"{text}"', allowed)
        return timedelta()
    return timedelta(minutes=minutes) * (-1 if found and found[1] == "-" else 1)


def _at(section: Section, run: Run | None, day: str = "day", time: str = "time", *, ends: bool = False) -> int:
    """Seconds after the start at which something happens; with ``ends``, at which it ends."""
    number, clock_s = section.whole(day, 0, MOST_DAYS), section.clock(time)
    if run is None or not (section.sound_at(day) and section.sound_at(time)):
        return 0
    at_s = number * DAY_S + clock_s - run.start_s
    if not (0 < at_s <= run.length_s if ends else 0 <= at_s < run.length_s):
        found = f"day {number}, {clock_text(clock_s)}"
        start = clock_text(run.start_s)
        allowed = f"the run lasts from day 0, {start} to day {run.days}, {start}"
        section.refuse(Trouble.OUTSIDE_RUN, day, found, allowed)
    return at_s


class _Events:
    """Reads events in order of time, and knows what mixture and program are in force at each."""

    def __init__(self, drugs: DrugLookup, run: Run | None, ordered: OrderFile | None) -> None:
        self._drugs = drugs
        self._run = run
        self._mixture = ordered.order.mixture if ordered else None
        self._program = ordered.order.program if ordered else None

    def read(self, sections: list[Section]) -> tuple[Event, ...]:
        timed = [(_at(section, self._run), section) for section in sections]
        events = [self._event(section, at_s) for at_s, section in sorted(timed, key=lambda t: t[0])]
        return tuple(e for e in events if e is not None)

    def _event(self, section: Section, at_s: int) -> Event | None:
        match section.choice("kind", EventKind):
            case None:
                return None
            case EventKind.REFILL:
                return self._refill(section, at_s)
            case EventKind.PROGRAM:
                program = self._program_in(section, required=True)
                return section.made(lambda: NewProgram(at_s, program)) if program else None
            case kind:
                return _plain_event(section, kind, at_s)

    def _program_in(self, section: Section, *, required: bool) -> Program | None:
        inner = section.section_or_none("program")
        if inner is None:
            if required and not section.has("program"):
                section.missing("program", "a table with a base is needed")
            return None
        inner.misplaced(_NOT_IN_EVENTS, "say it as an event of its own, or as the bridge of a refill")
        self._program = program_in(inner, self._drugs, self._mixture, self._program, keeps=True)
        return self._program

    def _refill(self, section: Section, at_s: int) -> Refill:
        volume = section.amount("volume", Volume)
        left = section.amount_or_none("left", Volume, zero=True)
        aspirated = section.amount_or_none("aspirated", Volume, zero=True)
        if section.has("left") == section.has("aspirated"):
            found = "both" if section.has("left") else "neither"
            allowed = "one of left (what stays) and aspirated (what is drawn out) is needed"
            section.refuse(Trouble.MISSING_FIELD, None, f"{found} of left and aspirated", allowed)
        before = self._mixture
        mixture = self._new_mixture(section)
        program = self._program_in(section, required=_other_drug(before, mixture))
        bridge = _bridge(section, changes=_other(before, mixture))
        return section.made(lambda: Refill(at_s, volume, left, aspirated, mixture, program, bridge))

    def _new_mixture(self, section: Section) -> Mixture | None:
        inner = section.section_or_none("mixture")
        mixture = mixture_in(inner, self._drugs) if inner else None
        self._mixture = mixture or self._mixture
        return mixture


def _plain_event(section: Section, kind: EventKind, at_s: int) -> Event:
    """An event that changes neither mixture nor program."""
    if kind is EventKind.SINGLE_BOLUS:
        bolus = single_bolus_in(section)
        return section.made(lambda: GivenBolus(at_s, bolus))
    if kind is EventKind.PRIME:
        volume = section.amount("volume", Volume)
        return section.made(lambda: Prime(at_s, volume))
    simple: Mapping[EventKind, type[Press | Stop | Start]] = {
        EventKind.PRESS: Press,
        EventKind.STOP: Stop,
        EventKind.START: Start,
    }
    return section.made(lambda: simple[kind](at_s))


def _other(before: Mixture | None, after: Mixture | None) -> bool | None:
    """Whether the fluid changes; None where the mixture before could not be read."""
    if after is None:
        return False
    return None if before is None else before.ingredients != after.ingredients


def _other_drug(before: Mixture | None, after: Mixture | None) -> bool:
    """Whether the old program's doses would mean another drug."""
    return before is not None and after is not None and before.primary.drug != after.primary.drug


def _bridge(section: Section, *, changes: bool | None) -> Bridge | None:
    allowed = '"plan", "none" with a bridge_reason, or a table with volume and dose'
    if changes is False:
        section.misplaced(["bridge", "bridge_reason"], "the fluid stays the same: there is nothing to bridge")
        return None
    if changes and not section.has("bridge"):
        section.missing("bridge", f"the fluid changes: {allowed} is needed")
    if not section.is_text("bridge"):
        section.misplaced(["bridge_reason"], 'a reason goes with bridge = "none"')
        inner = section.section_or_none("bridge")
        return bridge_bolus_in(inner) if inner else None
    word = section.text("bridge")
    if word == "none":
        reason = section.text("bridge_reason")
        return NoBridge(reason)
    section.misplaced(["bridge_reason"], 'a reason goes with bridge = "none"')
    if word != "plan":
        section.refuse(Trouble.UNKNOWN_WORD, "bridge", f'"{word}"', allowed)
    return PlannedBridge()


def _presser(section: Section, run: Run | None) -> Presser:
    per_day = section.number("presses_per_day", Fraction(0), Fraction(MOST_PRESSES_PER_DAY))
    heedless = section.number("heedless_share", Fraction(0), Fraction(1))
    first = section.clock_or_none("from") or 0
    last = section.clock_or_none("until", midnight_ends=True)
    days = run.days + 1 if run else MOST_DAYS
    from_day = section.whole_or_none("from_day", 0, days) or 0
    until_day = section.whole_or_none("until_day", 0, days)
    end, end_day = DAY_S if last is None else last, days if until_day is None else until_day
    if section.sound and (first >= end or from_day >= end_day):
        key = "until" if first >= end else "until_day"
        section.refuse(
            Trouble.OUT_OF_RANGE, key, "an end that is not after its beginning", "an end after its beginning"
        )
    return section.made(lambda: Presser(per_day, heedless, first, end, from_day, end_day))


# Faults -----------------------------------------------------------------------------------------------------------


def _faults(sections: list[Section], run: Run | None, drugs: DrugLookup) -> tuple[Fault, ...]:
    faults: list[Fault] = []
    for section in sections:
        fault = _fault(section, run, drugs)
        if fault is not None and section.sound:
            _beside(section, fault, faults)
            faults.append(fault)
    return tuple(faults)


def _fault(section: Section, run: Run | None, drugs: DrugLookup) -> Fault | None:
    match section.choice("kind", FaultKind):
        case None:
            return None
        case FaultKind.STALL:
            from_s, until_s = _span(section, run)
            return section.made(lambda: Stall(from_s, until_s))
        case FaultKind.ACCURACY:
            factor = section.number("factor", Fraction(1, 10), Fraction(10))
            timed = any(section.has(key) for key in _SPAN)
            section.ignore(*_SPAN)
            from_s, until_s = _span(section, run) if timed else (0, run.length_s if run else DAY_S)
            return section.made(lambda: Accuracy(factor, from_s, until_s))
        case _:
            drug = drug_in(section, "drug", drugs)
            rate = section.number("rate_per_day", Fraction(0), Fraction(1))
            return section.made(lambda: DrugLoss(drug, rate))


_SPAN = ("day", "time", "until_day", "until_time")


def _span(section: Section, run: Run | None) -> tuple[int, int]:
    from_s = _at(section, run)
    until_s = _at(section, run, "until_day", "until_time", ends=True)
    if run is not None and section.sound and until_s <= from_s:
        section.refuse(Trouble.OUT_OF_RANGE, "until_day", "an end that is not after its beginning", "an end after it")
    return from_s, until_s


def _beside(section: Section, fault: Fault, others: list[Fault]) -> None:
    """Faults of one kind do not lie over each other: what they would do together is not said."""
    for other in others:
        if isinstance(fault, DrugLoss) and isinstance(other, DrugLoss) and fault.drug == other.drug:
            section.refuse(Trouble.DRUG_TWICE, "drug", f'drug "{fault.drug}" a second time', "one loss for each drug")
        elif not isinstance(fault, DrugLoss) and _overlap(fault, other):
            found = "a time that another fault of this kind covers"
            section.refuse(Trouble.OVERLAP, None, found, "one fault of a kind at a time")


def _overlap(fault: Stall | Accuracy, other: Fault) -> bool:
    if isinstance(other, DrugLoss) or type(fault) is not type(other):
        return False
    return fault.from_s < other.until_s and other.from_s < fault.until_s
