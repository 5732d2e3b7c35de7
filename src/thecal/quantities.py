"""Exact amounts with their units: the only place that parses, converts and prints them.

What comes in is text as a clinician writes it ("0.5 mg", "1,440 mcg/day", "15 min") or exact numbers (int or
Fraction); what goes out is an exact amount, or text by the ISMP rules: a leading zero, no trailing zero, mcg and
mL, a space before the unit, digits grouped from 1,000. Binary floats never come in, and nothing here rounds
except the text that a person reads.

Each dimension is a type of its own. Sums and comparisons are defined within a type; products and quotients are
defined where the result is a known type. Everything else is a type error under the type checker and a TypeError
when run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast, overload

if TYPE_CHECKING:
    from collections.abc import Mapping

Exact = int | Fraction

_NUMBER = re.compile(r"(?P<whole>[0-9]+|[1-9][0-9]{0,2}(?:,[0-9]{3})+)(?:\.(?P<part>[0-9]+))?")
_SPLIT = re.compile(r"(?P<number>[^A-Za-zµμ%\s]*)(?P<gap>\s*)(?P<unit>.*)", re.DOTALL)
_LONGEST = 40  # characters in an amount: a longer one is a mistake, not an amount

# Spellings that the ISMP lists as error-prone, and what to write instead (users-and-interfaces.md 4.1, N3).
_WRITE_INSTEAD: Mapping[str, str] = {
    "µg": "mcg",
    "μg": "mcg",
    "ug": "mcg",
    "cc": "mL",
    "ml": "mL",
    "ML": "mL",
    "µL": "mL",
    "MG": "mg",
    "Mg": "mg",
    "MCG": "mcg",
    "mcgs": "mcg",
    "mgs": "mg",
    "gm": "g",
    "hr": "h",
    "hrs": "h",
    "hour": "h",
    "hours": "h",
    "H": "h",
    "d": "day",
    "D": "day",
    "mins": "min",
    "minute": "min",
    "minutes": "min",
    "sec": "s",
    "second": "s",
    "seconds": "s",
}


class AmountError(ValueError):
    """An amount that cannot be read: ``found`` is the text as written, ``hint`` says what to write instead."""

    def __init__(self, found: str, problem: str, hint: str) -> None:
        super().__init__(f"{found!r}: {problem}; {hint}")
        self.found = found
        self.problem = problem
        self.hint = hint


def _check_spelling(text: str, number: str, unit: str, gap: str) -> None:
    if number.startswith("."):
        raise AmountError(text, "no zero before the decimal point", f"write 0{number} {unit}".rstrip())
    if number.startswith(("-", "+", "\u2212")):
        raise AmountError(text, "an amount carries no sign", "write the amount alone, for example 0.5 mg")
    if number.count(".") == 1 and number.rstrip("0").endswith("."):
        raise AmountError(
            text, "zeros after the decimal point", f"write {number.rstrip('0').rstrip('.')} {unit}".rstrip()
        )
    if number.count(".") == 1 and number.endswith("0"):
        raise AmountError(text, "a trailing zero", f"write {number.rstrip('0')} {unit}".rstrip())
    if unit and gap != " ":
        raise AmountError(text, "number and unit need one space between them", f"write {number} {unit}")


def parse_number(text: str) -> Fraction:
    """The exact value of a plain decimal such as ``0.5`` or ``1,440``; AmountError for anything else."""
    _check_spelling(text, text, "", " ")
    return _decimal(text, text)


def _decimal(number: str, text: str) -> Fraction:
    found = _NUMBER.fullmatch(number)
    if found is None:
        raise AmountError(text, "not a plain decimal number", "write digits such as 0.5, 12 or 1,440")
    whole = found["whole"].replace(",", "")
    if len(whole) > 1 and whole.startswith("0"):
        better = re.sub(r"^0+(?=[0-9])", "", number)
        raise AmountError(text, "a needless leading zero", f"write {text.strip(' ').replace(number, better)}")
    return Fraction(f"{whole}.{found['part'] or '0'}")


def _unit_hint(unit: str, allowed: Mapping[str, Fraction]) -> str:
    better = "/".join(_WRITE_INSTEAD.get(part, part) for part in unit.rstrip(".").split("/"))
    if better != unit and better in allowed:
        return f"write {better}"
    return "allowed units: " + ", ".join(allowed)


@dataclass(frozen=True, slots=True, order=False)
class Quantity:
    """An exact, non-negative or negative amount of one dimension, held in the first unit of ``UNITS``.

    Make one by ``Type.of(number, unit)`` or ``Type.parse(text)``; only differences can be negative.
    """

    value: Fraction
    UNITS: ClassVar[Mapping[str, Fraction]] = {}
    NAME: ClassVar[str] = "amount"

    def __post_init__(self) -> None:
        if not isinstance(self.value, Fraction):
            raise TypeError(f"{type(self).__name__} holds a Fraction, not {type(self.value).__name__}")

    @classmethod
    def of(cls, number: Exact, unit: str) -> Self:
        """The amount of ``number`` times ``unit``; TypeError for a float, ValueError for an unknown unit."""
        if isinstance(number, bool) or not isinstance(number, int | Fraction):
            raise TypeError(f"{cls.__name__} takes an int or a Fraction, not {type(number).__name__}")
        if unit not in cls.UNITS:
            raise ValueError(f"{cls.NAME} in {unit!r}: allowed units: {', '.join(cls.UNITS)}")
        return cls(Fraction(number) * cls.UNITS[unit])

    @classmethod
    def zero(cls) -> Self:
        """Nothing of this dimension."""
        return cls(Fraction(0))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read text such as ``0.5 mg``; AmountError says what was found and what to write instead."""
        if not isinstance(text, str):
            raise AmountError(
                str(text),
                f"a {cls.NAME} is text with its unit",
                f'write it in quotes, as in "{cls.example()}"',
            )
        if len(text) > _LONGEST:
            raise AmountError(text[:_LONGEST] + "...", "too long for an amount", f"write it as in {cls.example()}")
        found = _SPLIT.fullmatch(text.strip(" "))
        number, gap, unit = (found["number"], found["gap"], found["unit"]) if found else ("", "", text)
        if not number:
            raise AmountError(text, "no number", f"write a {cls.NAME} as in {cls.example()}")
        if not unit:
            raise AmountError(text, "no unit", "allowed units: " + ", ".join(cls.UNITS))
        if unit not in cls.UNITS:
            raise AmountError(text, f"{unit!r} is not a unit of {cls.NAME}", _unit_hint(unit, cls.UNITS))
        _check_spelling(text, number, unit, gap)
        return cls(_decimal(number, text) * cls.UNITS[unit])

    @classmethod
    def example(cls) -> str:
        """How one is written, for messages."""
        return f"0.5 {next(iter(cls.UNITS))}"

    def number(self, unit: str) -> Fraction:
        """The exact number of ``unit`` in this amount."""
        if unit not in self.UNITS:
            raise ValueError(f"{self.NAME} in {unit!r}: allowed units: {', '.join(self.UNITS)}")
        return self.value / self.UNITS[unit]

    def floor(self, unit: str) -> int:
        """Whole units in this amount, rounded down."""
        return self.number(unit).__floor__()

    def ceil(self, unit: str) -> int:
        """Whole units in this amount, rounded up."""
        return self.number(unit).__ceil__()

    def text(self, unit: str, significant: int = 4) -> str:
        """For the eye, by the ISMP rules: at most ``significant`` digits, but never fewer than the whole part has."""
        return f"{number_text(self.number(unit), significant)} {unit_text(unit, self.number(unit))}"

    def exact_text(self, unit: str) -> str:
        """Every digit, so that ``parse`` gives the same amount back; ValueError where the decimal never ends."""
        return f"{exact_number_text(self.number(unit))} {unit_text(unit, self.number(unit))}"

    def as_json(self, unit: str) -> dict[str, str]:
        """For ``--json``: decimal text of up to 12 digits, unit, and the exact value as a rational."""
        number = self.number(unit)
        return {"value": number_text(number, 12).replace(",", ""), "unit": unit, "exact": str(number)}

    def __add__(self, other: Self) -> Self:
        if type(other) is not type(self):
            return NotImplemented
        return type(self)(self.value + other.value)

    def __sub__(self, other: Self) -> Self:
        if type(other) is not type(self):
            return NotImplemented
        return type(self)(self.value - other.value)

    def __neg__(self) -> Self:
        return type(self)(-self.value)

    def __abs__(self) -> Self:
        return type(self)(abs(self.value))

    def __bool__(self) -> bool:
        return self.value != 0

    def __lt__(self, other: Self) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.value < other.value

    def __le__(self, other: Self) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.value <= other.value

    def __gt__(self, other: Self) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.value > other.value

    def __ge__(self, other: Self) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.value >= other.value


def _product(a: object, b: object) -> Any:
    """The product of two amounts, or of one and an exact number; NotImplemented where it has no type."""
    for x, y in ((a, b), (b, a)):
        if isinstance(x, Quantity) and _is_exact(y):
            return type(x)(x.value * y)  # type: ignore[operator]
        found = _PRODUCTS.get((type(x), type(y)))
        if found is not None:
            return found(x.value * y.value)  # type: ignore[attr-defined]
    return NotImplemented


def _quotient(a: Quantity, b: object) -> Any:
    """The quotient of two amounts, or of one by an exact number; NotImplemented where it has no type."""
    if _is_exact(b):
        return type(a)(a.value / b)  # type: ignore[operator]
    if type(a) is type(b):
        return a.value / b.value
    found = _QUOTIENTS.get((type(a), type(b)))
    return NotImplemented if found is None else found(a.value / b.value)  # type: ignore[attr-defined]


def _is_exact(number: object) -> bool:
    return isinstance(number, int | Fraction) and not isinstance(number, bool)


_MG_PER = {
    "mg": Fraction(1),
    "mcg": Fraction(1, 1000),
    "ng": Fraction(1, 10**6),
    "g": Fraction(1000),
    "kg": Fraction(10**6),
}
_ML_PER = {"mL": Fraction(1), "mcL": Fraction(1, 1000), "nL": Fraction(1, 10**6), "L": Fraction(1000)}
_PER_DAY = {"day": Fraction(1), "h": Fraction(24), "min": Fraction(1440)}


def _rates(amounts: Mapping[str, Fraction]) -> dict[str, Fraction]:
    return {f"{a}/{t}": f * g for t, g in _PER_DAY.items() for a, f in amounts.items()}


@dataclass(frozen=True, slots=True, order=False)
class Mass(Quantity):
    """An amount of drug, in mg inside."""

    UNITS: ClassVar[Mapping[str, Fraction]] = _MG_PER
    NAME: ClassVar[str] = "mass"

    def __mul__(self, other: Exact) -> Mass:
        return cast("Mass", _product(self, other))

    def __rmul__(self, other: Exact) -> Mass:
        return cast("Mass", _product(self, other))

    @overload
    def __truediv__(self, other: Exact) -> Mass: ...
    @overload
    def __truediv__(self, other: Mass) -> Fraction: ...
    @overload
    def __truediv__(self, other: Volume) -> Concentration: ...
    @overload
    def __truediv__(self, other: Concentration) -> Volume: ...
    @overload
    def __truediv__(self, other: Duration) -> DoseRate: ...
    @overload
    def __truediv__(self, other: DoseRate) -> Duration: ...
    def __truediv__(self, other: object) -> object:
        return _quotient(self, other)


@dataclass(frozen=True, slots=True, order=False)
class Volume(Quantity):
    """An amount of fluid, in mL inside."""

    UNITS: ClassVar[Mapping[str, Fraction]] = _ML_PER
    NAME: ClassVar[str] = "volume"

    @overload
    def __mul__(self, other: Exact) -> Volume: ...
    @overload
    def __mul__(self, other: Concentration) -> Mass: ...
    def __mul__(self, other: object) -> object:
        return _product(self, other)

    def __rmul__(self, other: Exact) -> Volume:
        return cast("Volume", _product(self, other))

    @overload
    def __truediv__(self, other: Exact) -> Volume: ...
    @overload
    def __truediv__(self, other: Volume) -> Fraction: ...
    @overload
    def __truediv__(self, other: Duration) -> Flow: ...
    @overload
    def __truediv__(self, other: Flow) -> Duration: ...
    @overload
    def __truediv__(self, other: Length) -> LinearVolume: ...
    @overload
    def __truediv__(self, other: LinearVolume) -> Length: ...
    def __truediv__(self, other: object) -> object:
        return _quotient(self, other)


@dataclass(frozen=True, slots=True, order=False)
class Duration(Quantity):
    """A length of time, in days inside; written in weeks, days, h, min or s."""

    UNITS: ClassVar[Mapping[str, Fraction]] = {
        "day": Fraction(1),
        "days": Fraction(1),
        "week": Fraction(7),
        "weeks": Fraction(7),
        "h": Fraction(1, 24),
        "min": Fraction(1, 1440),
        "s": Fraction(1, 86400),
    }
    NAME: ClassVar[str] = "duration"

    @overload
    def __mul__(self, other: Exact) -> Duration: ...
    @overload
    def __mul__(self, other: Flow) -> Volume: ...
    @overload
    def __mul__(self, other: DoseRate) -> Mass: ...
    def __mul__(self, other: object) -> object:
        return _product(self, other)

    def __rmul__(self, other: Exact) -> Duration:
        return cast("Duration", _product(self, other))

    @overload
    def __truediv__(self, other: Exact) -> Duration: ...
    @overload
    def __truediv__(self, other: Duration) -> Fraction: ...
    def __truediv__(self, other: object) -> object:
        return _quotient(self, other)


@dataclass(frozen=True, slots=True, order=False)
class Concentration(Quantity):
    """Drug per volume of fluid, in mg/mL inside."""

    UNITS: ClassVar[Mapping[str, Fraction]] = {f"{m}/mL": f for m, f in _MG_PER.items() if m != "kg"}
    NAME: ClassVar[str] = "concentration"

    @overload
    def __mul__(self, other: Exact) -> Concentration: ...
    @overload
    def __mul__(self, other: Volume) -> Mass: ...
    @overload
    def __mul__(self, other: Flow) -> DoseRate: ...
    def __mul__(self, other: object) -> object:
        return _product(self, other)

    def __rmul__(self, other: Exact) -> Concentration:
        return cast("Concentration", _product(self, other))

    @overload
    def __truediv__(self, other: Exact) -> Concentration: ...
    @overload
    def __truediv__(self, other: Concentration) -> Fraction: ...
    def __truediv__(self, other: object) -> object:
        return _quotient(self, other)


@dataclass(frozen=True, slots=True, order=False)
class Flow(Quantity):
    """Fluid per time, in mL/day inside."""

    UNITS: ClassVar[Mapping[str, Fraction]] = _rates(_ML_PER)
    NAME: ClassVar[str] = "flow"

    @overload
    def __mul__(self, other: Exact) -> Flow: ...
    @overload
    def __mul__(self, other: Duration) -> Volume: ...
    @overload
    def __mul__(self, other: Concentration) -> DoseRate: ...
    def __mul__(self, other: object) -> object:
        return _product(self, other)

    def __rmul__(self, other: Exact) -> Flow:
        return cast("Flow", _product(self, other))

    @overload
    def __truediv__(self, other: Exact) -> Flow: ...
    @overload
    def __truediv__(self, other: Flow) -> Fraction: ...
    def __truediv__(self, other: object) -> object:
        return _quotient(self, other)


@dataclass(frozen=True, slots=True, order=False)
class DoseRate(Quantity):
    """Drug per time, in mg/day inside."""

    UNITS: ClassVar[Mapping[str, Fraction]] = _rates({m: f for m, f in _MG_PER.items() if m != "kg"})
    NAME: ClassVar[str] = "dose per time"

    @overload
    def __mul__(self, other: Exact) -> DoseRate: ...
    @overload
    def __mul__(self, other: Duration) -> Mass: ...
    def __mul__(self, other: object) -> object:
        return _product(self, other)

    def __rmul__(self, other: Exact) -> DoseRate:
        return cast("DoseRate", _product(self, other))

    @overload
    def __truediv__(self, other: Exact) -> DoseRate: ...
    @overload
    def __truediv__(self, other: DoseRate) -> Fraction: ...
    @overload
    def __truediv__(self, other: Concentration) -> Flow: ...
    @overload
    def __truediv__(self, other: Flow) -> Concentration: ...
    def __truediv__(self, other: object) -> object:
        return _quotient(self, other)


@dataclass(frozen=True, slots=True, order=False)
class Length(Quantity):
    """A length of catheter, in cm inside."""

    UNITS: ClassVar[Mapping[str, Fraction]] = {"cm": Fraction(1), "mm": Fraction(1, 10), "m": Fraction(100)}
    NAME: ClassVar[str] = "length"

    @overload
    def __mul__(self, other: Exact) -> Length: ...
    @overload
    def __mul__(self, other: LinearVolume) -> Volume: ...
    def __mul__(self, other: object) -> object:
        return _product(self, other)

    def __rmul__(self, other: Exact) -> Length:
        return cast("Length", _product(self, other))

    @overload
    def __truediv__(self, other: Exact) -> Length: ...
    @overload
    def __truediv__(self, other: Length) -> Fraction: ...
    def __truediv__(self, other: object) -> object:
        return _quotient(self, other)


@dataclass(frozen=True, slots=True, order=False)
class LinearVolume(Quantity):
    """Volume per length of tube, in mL/cm inside."""

    UNITS: ClassVar[Mapping[str, Fraction]] = {"mL/cm": Fraction(1), "mcL/cm": Fraction(1, 1000)}
    NAME: ClassVar[str] = "volume per length"

    @overload
    def __mul__(self, other: Exact) -> LinearVolume: ...
    @overload
    def __mul__(self, other: Length) -> Volume: ...
    def __mul__(self, other: object) -> object:
        return _product(self, other)

    def __rmul__(self, other: Exact) -> LinearVolume:
        return cast("LinearVolume", _product(self, other))

    @overload
    def __truediv__(self, other: Exact) -> LinearVolume: ...
    @overload
    def __truediv__(self, other: LinearVolume) -> Fraction: ...
    def __truediv__(self, other: object) -> object:
        return _quotient(self, other)


_PRODUCTS: Mapping[tuple[type, type], type[Quantity]] = {
    (Concentration, Volume): Mass,
    (Concentration, Flow): DoseRate,
    (Flow, Duration): Volume,
    (DoseRate, Duration): Mass,
    (Length, LinearVolume): Volume,
}
_QUOTIENTS: Mapping[tuple[type, type], type[Quantity]] = {
    pair: other for (a, b), c in _PRODUCTS.items() for pair, other in (((c, a), b), ((c, b), a))
}


def number_text(number: Exact, significant: int = 4) -> str:
    """A number for the eye: rounded half to even to ``significant`` digits, grouped, without trailing zero.

    Whole parts are never cut: 12,345 stays 12,345 at four digits.
    """
    number = Fraction(number)
    whole_digits = len(str(abs(number).__floor__()))
    context = Context(prec=max(significant, whole_digits), rounding=ROUND_HALF_EVEN)
    rounded = context.divide(Decimal(number.numerator), Decimal(number.denominator))
    return _plain(rounded)


def exact_number_text(number: Exact) -> str:
    """Every digit of a number whose decimal ends; ValueError for one that never does, such as 1/3."""
    number = Fraction(number)
    rest, twos, fives = number.denominator, 0, 0
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    if rest != 1:
        raise ValueError(f"{number} has no decimal that ends; print it rounded")
    places = max(twos, fives)
    scaled = number.numerator * 10**places // number.denominator
    return _plain(Decimal(scaled).scaleb(-places, Context(prec=len(str(abs(scaled))) + places + 1)))


def _plain(number: Decimal) -> str:
    text = f"{number:,f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text


def unit_text(unit: str, number: Exact) -> str:
    """The unit as printed: "1 day" but "2 days"; symbols never take a plural."""
    singular = unit.removesuffix("s")
    if singular in {"day", "week"}:
        return singular if number == 1 else singular + "s"
    return unit


def duration_text(duration: Duration) -> str:
    """A duration in the largest units that say it exactly to the second: "1 day 2 h", "13 h 40 min"."""
    seconds = duration.number("s").__round__()
    sign = "-" if seconds < 0 else ""
    days, rest = divmod(abs(seconds), 86400)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    parts = [f"{days:,} {unit_text('day', days)}"] if days else []
    parts += [f"{n} {u}" for n, u in ((hours, "h"), (minutes, "min"), (seconds, "s")) if n]
    return sign + (" ".join(parts) or "0 s")


def percent_text(ratio: Exact, significant: int = 3) -> str:
    """A ratio as a percentage for the eye: ``Fraction(1, 8)`` is "12.5 %"."""
    return f"{number_text(Fraction(ratio) * 100, significant)} %"
