"""What can happen in the history of a demonstration's patient: a closed set, each with its own fields."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from thecal.pump.device import KINDS, FaultKind
from thecal.quantities import Volume
from thecal.therapy.file_problems import Trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from thecal.therapy.toml_fields import Section

    KnownTherapy = Callable[[Section, str, str], None]


class Kind(StrEnum):
    """What happens. All of it is done by the clinic's own functions, by the pump, or by nature."""

    REFILL = "refill"  # the same medication
    PROGRAM = "program"  # another program with the same mixture
    MIXTURE = "mixture"  # a refill with another mixture, and a bridge where one is needed
    SYRINGE = "syringe"  # a syringe is ordered for a refill that is still to come
    STOP = "stop"  # the clinic stops delivery, and leaves it so
    READ = "read"  # the pump is read, and nothing changed
    OBSERVE = "observe"  # something is seen or said
    OPIOID = "opioid"  # an opioid by mouth or patch
    CONTACT = "contact"  # a try to reach the patient
    BOOK = "book"  # a visit is agreed
    FAULT = "fault"  # something goes wrong with the pump
    LOST = "lost answer"  # the patient presses, and the radio loses the answer


@dataclass(frozen=True, slots=True, eq=False)
class Happening:
    """One thing that happens, so many days before the making and at a second of that day at the clinic."""

    kind: Kind
    days_ago: int
    at_s: int
    values: Mapping[str, Any] = field(default_factory=dict)


def happenings_in(outer: Section, days: int, known: KnownTherapy) -> list[Happening]:
    """The happenings of a patient, as the file has them."""
    return [_happening(section, days, known) for section in outer.sections("history")]


def _happening(section: Section, days: int, known: KnownTherapy) -> Happening:
    kind = section.choice("kind", Kind)
    days_ago, at_s = section.whole("days_ago", 0, days), section.clock("at")
    if kind is None:
        return Happening(Kind.READ, 0, 0)
    values = _FIELDS[kind](section, known)
    return section.made(lambda: Happening(kind, days_ago, at_s, values))


def _refill(section: Section, _known: KnownTherapy) -> dict[str, Any]:
    return {"volume": section.amount("volume", Volume)}


def _program(section: Section, known: KnownTherapy) -> dict[str, Any]:
    therapy = section.text("therapy")
    known(section, "therapy", therapy)
    return {"therapy": therapy}


def _mixture(section: Section, known: KnownTherapy) -> dict[str, Any]:
    return {
        **_program(section, known),
        "volume": section.amount("volume", Volume),
    }


def _syringe(section: Section, _known: KnownTherapy) -> dict[str, Any]:
    return {"volume": section.amount("volume", Volume), "in_days": section.whole("in_days", 0, 60)}


def _nothing(_section: Section, _known: KnownTherapy) -> dict[str, Any]:
    return {}


def _observe(section: Section, _known: KnownTherapy) -> dict[str, Any]:
    return {"what": section.text("what"), "value": section.text("value"), "note": section.text_or_none("note") or ""}


def _opioid(section: Section, _known: KnownTherapy) -> dict[str, Any]:
    return {name: section.text(name) for name in ("drug", "route", "per_day")}


def _contact(section: Section, _known: KnownTherapy) -> dict[str, Any]:
    words = {name: section.text(name) for name in ("way", "about", "outcome")}
    return {**words, "note": section.text_or_none("note") or ""}


def _book(section: Section, _known: KnownTherapy) -> dict[str, Any]:
    return {
        "visit": section.text("visit"),
        "in_days": section.whole("in_days", 0, 400),
        "hour_s": section.clock("hour"),
        "minutes": section.whole("minutes", 5, 480),
    }


def _fault(section: Section, _known: KnownTherapy) -> dict[str, Any]:
    fault = section.choice("fault", FaultKind)
    amount = section.whole_or_none("amount", -4_000_000_000, 4_000_000_000) or 0
    hours = section.whole_or_none("hours", 1, 10_000)
    if fault is not None:
        kind = KINDS[fault]
        if not kind.least <= amount <= kind.most:
            section.refuse(Trouble.OUT_OF_RANGE, "amount", f"{amount}", f"{kind.least} to {kind.most} ({kind.amount})")
        if hours is not None and not kind.lasts:
            section.misplaced(["hours"], f"{fault} is a matter of a moment")
    return {"fault": fault, "amount": amount, "hours": hours}


_FIELDS: Mapping[Kind, Callable[[Section, KnownTherapy], dict[str, Any]]] = {
    Kind.REFILL: _refill,
    Kind.PROGRAM: _program,
    Kind.MIXTURE: _mixture,
    Kind.SYRINGE: _syringe,
    Kind.STOP: _nothing,
    Kind.READ: _nothing,
    Kind.OBSERVE: _observe,
    Kind.OPIOID: _opioid,
    Kind.CONTACT: _contact,
    Kind.BOOK: _book,
    Kind.FAULT: _fault,
    Kind.LOST: _nothing,
}
