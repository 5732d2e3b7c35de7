"""Amounts as people write them in a case, ``"0.25 mg"`` or ``"35 mL/min"``, read strictly into ng, cm, s and kg.

A volume is a length cubed, so that 1 mL is 1 cm3; kg is weight of the body alone. A unit that means anything else than
what is asked for is refused, and the message lists what is allowed.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:e-?[0-9]{1,2})?")
_WORD = r"[A-Za-z]+[23]?"
_UNIT = re.compile(rf"/?{_WORD}(?:[*/]{_WORD})*")
_PART = re.compile(r"([*/]?)([A-Za-z]+)([23]?)")


class Dimension(NamedTuple):
    """Powers of drug mass, length, time and body weight."""

    mass: int = 0
    length: int = 0
    time: int = 0
    weight: int = 0


class Unit(NamedTuple):
    """What 1 of a unit is in ng, cm, s and kg, and its dimension."""

    factor: float
    dimension: Dimension


class BadAmountError(ValueError):
    """Text that is no amount of what is asked for: ``found`` and ``allowed`` in words."""

    def __init__(self, found: str, allowed: str) -> None:
        super().__init__(f"found {found}; allowed: {allowed}")
        self.found = found
        self.allowed = allowed


_MASS, _LENGTH, _VOLUME, _TIME = Dimension(mass=1), Dimension(length=1), Dimension(length=3), Dimension(time=1)
_NAMES = {
    "ng": Unit(1.0, _MASS), "mcg": Unit(1e3, _MASS), "mg": Unit(1e6, _MASS), "g": Unit(1e9, _MASS),
    "cm": Unit(1.0, _LENGTH), "mm": Unit(0.1, _LENGTH),
    "mL": Unit(1.0, _VOLUME), "mcL": Unit(1e-3, _VOLUME), "nL": Unit(1e-6, _VOLUME), "L": Unit(1e3, _VOLUME),
    "s": Unit(1.0, _TIME), "min": Unit(60.0, _TIME), "h": Unit(3600.0, _TIME), "day": Unit(86400.0, _TIME),
    "days": Unit(86400.0, _TIME), "kg": Unit(1.0, Dimension(weight=1)),
}  # fmt: skip
_BASES = {
    Dimension(): ("a number", "%"),
    _MASS: ("ng", "mcg", "mg", "g"),
    _LENGTH: ("mm", "cm"),
    Dimension(length=2): ("cm2", "mm2"),
    _VOLUME: ("nL", "mcL", "mL", "L"),
    _TIME: ("s", "min", "h", "days"),
    Dimension(weight=1): ("kg",),
    Dimension(mass=1, length=-3): ("ng/mL", "mcg/mL", "mg/mL"),
    Dimension(mass=1, length=-3, time=1): ("ng*min/mL", "ng*h/mL", "mcg*h/mL"),
    Dimension(mass=1, time=-1): ("mcg/h", "mcg/day", "mg/day"),
    Dimension(length=3, time=-1): ("mcL/h", "mL/h", "mL/min", "mL/day"),
    Dimension(time=-1): ("/s", "/min", "/h"),
    Dimension(length=1, time=-1): ("cm/s", "cm/min"),
    Dimension(length=2, time=-1): ("cm2/s", "cm2/min"),
    Dimension(length=3, weight=-1): ("mL/kg", "L/kg"),
    Dimension(length=3, time=-1, weight=-1): ("mL/min/kg",),
}  # fmt: skip


def unit(text: str) -> Unit:
    """What a unit such as ``mL/min/kg``, ``cm2/s`` or ``/h`` means; BadAmountError for any other text."""
    if text in {"", "%"}:
        return Unit(0.01 if text else 1.0, Dimension())
    parts = _PART.findall(text) if _UNIT.fullmatch(text) else []
    if not parts or any(name not in _NAMES for _, name, _ in parts):
        raise BadAmountError(f"the unit {text!r}", f"{', '.join(_NAMES)}, %, and such joined by / or *, as in mL/min")
    factor, powers = 1.0, Dimension()
    for per, name, power in parts:
        times = int(power or 1) * (-1 if per == "/" else 1)
        factor *= _NAMES[name].factor ** times
        powers = Dimension(*(p + times * k for p, k in zip(powers, _NAMES[name].dimension, strict=True)))
    return Unit(factor, powers)


def units_of(dimension: Dimension) -> str:
    """The usual units of a dimension, in words."""
    return ", ".join(_BASES.get(dimension, ("units that fit",)))


def split(text: str) -> tuple[float, str]:
    """The number and the unit that a text holds, a single space between them; BadAmountError for anything else."""
    number, _, name = text.partition(" ")
    if not _NUMBER.fullmatch(number) or (name and name != name.strip()):
        raise BadAmountError(repr(text), 'a number with a zero before its point, a space and a unit, as in "0.25 mg"')
    found = float(number)
    if not math.isfinite(found):
        raise BadAmountError(repr(text), "a finite number")
    return found, name


def amount(text: str, dimension: Dimension) -> float:
    """An amount in ng, cm, s and kg; BadAmountError where it is not one, or one of something else."""
    number, name = split(text)
    meant = unit(name)
    if meant.dimension != dimension:
        found = f"{text!r}, which has no unit" if not name else f"{text!r}"
        raise BadAmountError(found, f"units: {units_of(dimension)}")
    return number * meant.factor
