"""Orders that people write: a TOML file in, an ``Order`` out, or everything that is wrong with the file.

The same words serve scenarios: a scenario is an order with a run, events and faults, which ``read_order`` passes over.
Drugs and pump families are looked up by functions of the caller, so that nothing here knows a formulary or a pump.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from thecal.quantities import Duration, Flow, Length, LinearVolume, Mass, Volume
from thecal.therapy.envelope import Catheter, Envelope
from thecal.therapy.file_problems import FileRefused, Place, Problem, Trouble, lookup_hint
from thecal.therapy.order import Fill, Indication, Order, Patient, Previous
from thecal.therapy.program_file import DrugLookup, mixture_in, program_in
from thecal.therapy.toml_fields import Section
from thecal.therapy.toml_places import Reading, parse_document, read_document

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from thecal.therapy.toml_places import Document

__all__ = [
    "DrugLookup",
    "FileRefused",
    "Measured",
    "OrderFile",
    "Place",
    "Problem",
    "PumpLookup",
    "Trouble",
    "is_scenario",
    "order_in",
    "parse_order",
    "read_order",
    "read_order_file",
]

SCENARIO_ONLY = ("run", "events", "pressers", "faults")
OLDEST_YEARS = 130


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured on this pump, or printed on its label, in place of a constant of its family; None elsewhere."""

    stroke: Volume | None = None
    tubing: Volume | None = None
    fixed_flow: Flow | None = None
    flow_factor: Fraction | None = None


PumpLookup = Callable[[str, Measured], Envelope]
"""From a family as written and what was measured to the envelope; KeyError for an unknown family (with ``near`` or
``known`` where it can), ValueError for a calibration that the family cannot have."""


@dataclass(frozen=True, slots=True)
class OrderFile:
    """An order with what its file says beside it: a title, the pump's serial number and its calibration.

    ``later`` is how many orders follow in a scenario, by its events; None where the file is an order alone.
    """

    order: Order
    title: str | None = None
    serial: str | None = None
    calibration: Measured = field(default_factory=Measured)
    later: int | None = None


def read_order(path: str | Path, *, drugs: DrugLookup, pumps: PumpLookup) -> Order:
    """The order in a TOML file, or in a scenario; FileRefused names every problem."""
    return read_order_file(path, drugs=drugs, pumps=pumps).order


def read_order_file(path: str | Path, *, drugs: DrugLookup, pumps: PumpLookup) -> OrderFile:
    """The order with its title, serial number and calibration; FileRefused names every problem."""
    return _order_file(read_document(path), drugs, pumps)


def parse_order(content: bytes | str, path: str, *, drugs: DrugLookup, pumps: PumpLookup) -> OrderFile:
    """An order that is already in memory; ``path`` is what the messages call it."""
    return _order_file(parse_document(content, path), drugs, pumps)


def _order_file(document: Document, drugs: DrugLookup, pumps: PumpLookup) -> OrderFile:
    reading = Reading(document)
    top = Section.top(reading)
    top.ignore(*SCENARIO_ONLY)
    return replace(reading.result(order_in(top, drugs, pumps)), later=_later(document.values))


def is_scenario(values: Mapping[str, object]) -> bool:
    """True where a document holds a part that only a scenario has."""
    return any(name in values for name in SCENARIO_ONLY)


def _later(values: Mapping[str, object]) -> int | None:
    """The events that change mixture or program; whether they can be used is for the reader of scenarios."""
    if not is_scenario(values):
        return None
    events = values.get("events")
    return sum(1 for e in events if isinstance(e, dict) and _orders(e)) if isinstance(events, list) else 0


def _orders(event: Mapping[str, object]) -> bool:
    return event.get("kind") in ("refill", "program") and ("mixture" in event or "program" in event)


def order_in(top: Section, drugs: DrugLookup, pumps: PumpLookup) -> OrderFile:
    """The order in a document; what else the document may hold is to be read or ignored first."""
    title = top.text_or_none("title")
    top.text_or_none("note")
    patient = _patient(top)
    pump, serial, calibration = _pump(top, pumps)
    catheter = _catheter(top)
    mixed = top.section("mixture", "a table with ingredients is needed")
    mixture = mixture_in(mixed, drugs) if mixed else None
    ordered = top.section("program", "a table with a base is needed")
    program = program_in(ordered, drugs, mixture) if ordered else None
    fill = _fill(top)
    previous = _previous(top, drugs)
    first_fill = top.flag_or_none("first_fill")

    def whole() -> OrderFile:
        assert pump is not None and mixture is not None and program is not None  # noqa: S101
        order = Order(patient, pump, catheter, mixture, program, fill, previous, first_fill)
        return OrderFile(order, title, serial, calibration)

    return top.made(whole)


def _patient(top: Section) -> Patient:
    section = top.section("patient", "a table with a reference is needed")
    if section is None:
        return Patient("")
    reference = section.text("reference")
    indication = section.choice_or_none("indication", Indication)
    naive, apnea = section.flag_or_none("opioid_naive"), section.flag_or_none("sleep_apnea")
    sedatives, opioids = section.names_or_none("sedatives"), section.names_or_none("systemic_opioids")
    contraindications = section.names_or_none("contraindications")
    age = section.whole_or_none("age_years", 0, OLDEST_YEARS)
    return section.made(
        lambda: Patient(reference, indication, naive, sedatives, apnea, opioids, contraindications, age)
    )


def _pump(top: Section, pumps: PumpLookup) -> tuple[Envelope | None, str | None, Measured]:
    section = top.section("pump", "a table with a family is needed")
    if section is None:
        return None, None, Measured()
    family = section.text("family")
    serial = section.text_or_none("serial")
    calibration = _calibration(section)
    section.close()
    return (_looked_up(section, family, calibration, pumps) if section.sound else None), serial, calibration


def _calibration(section: Section) -> Measured:
    inner = section.section_or_none("calibration")
    if inner is None:
        return Measured()
    stroke = inner.amount_or_none("stroke", Volume)
    tubing = inner.amount_or_none("tubing", Volume, zero=True)
    fixed_flow = inner.amount_or_none("fixed_flow", Flow)
    factor = inner.number_or_none("flow_factor", Fraction(1, 10), Fraction(10))
    return inner.made(lambda: Measured(stroke, tubing, fixed_flow, factor))


def _looked_up(section: Section, family: str, calibration: Measured, pumps: PumpLookup) -> Envelope | None:
    try:
        return pumps(family, calibration)
    except KeyError as error:
        hint = lookup_hint(error, "write the code of a pump family that Thecal holds")
        section.refuse(Trouble.UNKNOWN_PUMP, "family", f'unknown pump family "{family}"', hint)
    except ValueError as error:
        section.refuse(Trouble.OUT_OF_RANGE, "calibration", "a calibration that the family does not take", str(error))
    return None


def _catheter(top: Section) -> Catheter | None:
    section = top.section_or_none("catheter")
    if section is None:
        return None
    supplied, removed = section.amount("supplied", Length), section.amount("removed", Length, zero=True)
    per_length = section.amount("volume_per_length", LinearVolume)
    tip = section.text_or_none("tip_level")
    return section.made(lambda: Catheter(supplied, removed, per_length, tip), at="removed")


def _fill(top: Section) -> Fill | None:
    section = top.section_or_none("fill")
    if section is None:
        return None
    volume, syringe = section.amount("volume", Volume), section.amount_or_none("syringe", Volume)
    residual = section.amount_or_none("residual", Volume, zero=True)
    on = section.date_or_none("on")
    return section.made(lambda: Fill(volume, syringe, residual, on))


def _previous(top: Section, drugs: DrugLookup) -> Previous | None:
    section = top.section_or_none("previous")
    if section is None:
        return None
    mixed = section.section("mixture", "the mixture that ran before is needed")
    mixture = mixture_in(mixed, drugs) if mixed else None
    ran = section.section("program", "the program that ran before is needed")
    program = program_in(ran, drugs, mixture) if ran else None
    gap = section.amount_or_none("gap", Duration, zero=True)
    delivered = section.amount_or_none("delivered_per_day", Mass, zero=True)

    def whole() -> Previous:
        assert mixture is not None and program is not None  # noqa: S101
        return Previous(mixture, program, gap, delivered)

    return section.made(whole)
