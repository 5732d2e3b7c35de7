"""Exact amounts: what is read, what is refused and how, what is printed, and which sums and products exist."""

from __future__ import annotations

import dataclasses
import itertools
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mypy import api as type_checker

from thecal.quantities import (
    AmountError,
    Concentration,
    DoseRate,
    Duration,
    Flow,
    Length,
    LinearVolume,
    Mass,
    Quantity,
    Volume,
    duration_text,
    exact_number_text,
    number_text,
    parse_number,
    percent_text,
    unit_text,
)

if TYPE_CHECKING:
    from pathlib import Path

TYPES: tuple[type[Quantity], ...] = (Mass, Volume, Duration, Concentration, Flow, DoseRate, Length, LinearVolume)
EVERY_UNIT = [(kind, unit) for kind in TYPES for unit in kind.UNITS]

exact = st.fractions(min_value=-1000, max_value=1000, max_denominator=10**6)
positive = st.fractions(min_value=Fraction(1, 10**6), max_value=1000, max_denominator=10**6)
ending = st.builds(lambda n, places: Fraction(n, 10**places), st.integers(0, 10**9), st.integers(0, 9))
kinds = st.sampled_from(TYPES)
kind_and_unit = st.sampled_from(EVERY_UNIT)


# Units: what one of each is, in the first unit of its type, from the definitions of SI and of the day.

DAY_S = 86_400
UNIT_SIZE: dict[type[Quantity], dict[str, Fraction]] = {
    Mass: {
        "mg": Fraction(1),
        "mcg": Fraction(1, 1000),
        "ng": Fraction(1, 1_000_000),
        "g": Fraction(1000),
        "kg": Fraction(1_000_000),
    },
    Volume: {"mL": Fraction(1), "mcL": Fraction(1, 1000), "nL": Fraction(1, 1_000_000), "L": Fraction(1000)},
    Duration: {
        "day": Fraction(1),
        "days": Fraction(1),
        "week": Fraction(7),
        "weeks": Fraction(7),
        "h": Fraction(3600, DAY_S),
        "min": Fraction(60, DAY_S),
        "s": Fraction(1, DAY_S),
    },
    Concentration: {
        "mg/mL": Fraction(1),
        "mcg/mL": Fraction(1, 1000),
        "ng/mL": Fraction(1, 1_000_000),
        "g/mL": Fraction(1000),
    },
    Length: {"cm": Fraction(1), "mm": Fraction(1, 10), "m": Fraction(100)},
    LinearVolume: {"mL/cm": Fraction(1), "mcL/cm": Fraction(1, 1000)},
}


def _per_day(sizes: dict[str, Fraction], names: tuple[str, ...]) -> dict[str, Fraction]:
    return {f"{n}/{t}": sizes[n] * times for t, times in (("day", 1), ("h", 24), ("min", 1440)) for n in names}


UNIT_SIZE[Flow] = _per_day(UNIT_SIZE[Volume], ("mL", "mcL", "nL", "L"))
UNIT_SIZE[DoseRate] = _per_day(UNIT_SIZE[Mass], ("mg", "mcg", "ng", "g"))


@pytest.mark.parametrize("kind", TYPES, ids=lambda k: k.__name__)
def test_units_are_exactly_those_of_the_definitions(kind: type[Quantity]) -> None:
    assert dict(kind.UNITS) == UNIT_SIZE[kind]
    for unit, size in UNIT_SIZE[kind].items():
        assert kind.of(1, unit).value == size
        assert kind.of(Fraction(3, 7), unit).number(unit) == Fraction(3, 7)


def test_names_of_the_dimensions_in_messages() -> None:
    assert [Quantity.NAME] + [k.NAME for k in TYPES] == [
        "amount",
        "mass",
        "volume",
        "duration",
        "concentration",
        "flow",
        "dose per time",
        "length",
        "volume per length",
    ]
    assert [k.example() for k in TYPES] == [
        "0.5 mg",
        "0.5 mL",
        "0.5 day",
        "0.5 mg/mL",
        "0.5 mL/day",
        "0.5 mg/day",
        "0.5 cm",
        "0.5 mL/cm",
    ]


# Reading.


@given(kind_and_unit, ending)
def test_what_is_printed_exactly_is_read_back_exactly(pair: tuple[type[Quantity], str], number: Fraction) -> None:
    kind, unit = pair
    amount = kind.of(number, unit)
    assert kind.parse(amount.exact_text(unit)) == amount


@given(kind_and_unit, ending)
def test_what_is_printed_for_the_eye_can_be_typed_again(pair: tuple[type[Quantity], str], number: Fraction) -> None:
    kind, unit = pair
    printed = kind.of(number, unit).text(unit)
    assert kind.parse(printed).text(unit) == printed


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.5 mg", Fraction(1, 2)),
        ("0 mg", Fraction(0)),
        ("0.05 mg", Fraction(1, 20)),
        ("12 mg", Fraction(12)),
        ("1,440 mcg", Fraction(144, 100)),
        ("1440 mcg", Fraction(144, 100)),
        ("12,345,678 ng", Fraction(12345678, 10**6)),
        ("10 kg", Fraction(10**7)),
        ("1,000.5 mg", Fraction(2001, 2)),
        ("  5 mg ", Fraction(5)),
        ("0.123456789012345678901234567890123 mg", Fraction(123456789012345678901234567890123, 10**33)),
    ],
)
def test_amounts_that_are_read(text: str, value: Fraction) -> None:
    assert Mass.parse(text) == Mass(value)


# Found text, problem, hint; every message is whole, because a person acts on it.
REFUSED: list[tuple[type[Quantity], str, str, str]] = [
    (Mass, ".5 mg", "no zero before the decimal point", "write 0.5 mg"),
    (Mass, ".05 mcg", "no zero before the decimal point", "write 0.05 mcg"),
    (Mass, "1.0 mg", "zeros after the decimal point", "write 1 mg"),
    (Mass, "1.00 mg", "zeros after the decimal point", "write 1 mg"),
    (Mass, "10.0 mg", "zeros after the decimal point", "write 10 mg"),
    (Mass, "5. mg", "zeros after the decimal point", "write 5 mg"),
    (Mass, "0.50 mg", "a trailing zero", "write 0.5 mg"),
    (Mass, "10.500 mg", "a trailing zero", "write 10.5 mg"),
    (Mass, "-1 mg", "an amount carries no sign", "write the amount alone, for example 0.5 mg"),
    (Mass, "+1 mg", "an amount carries no sign", "write the amount alone, for example 0.5 mg"),
    (Mass, "\u22121 mg", "an amount carries no sign", "write the amount alone, for example 0.5 mg"),
    (Mass, "5mg", "number and unit need one space between them", "write 5 mg"),
    (Mass, "5  mg", "number and unit need one space between them", "write 5 mg"),
    (Mass, "5\tmg", "number and unit need one space between them", "write 5 mg"),
    (Mass, "5", "no unit", "allowed units: mg, mcg, ng, g, kg"),
    (Mass, "", "no number", "write a mass as in 0.5 mg"),
    (Mass, "mg", "no number", "write a mass as in 0.5 mg"),
    (Mass, "X5 mg", "no number", "write a mass as in 0.5 mg"),
    (Mass, "\t5 mg", "no number", "write a mass as in 0.5 mg"),
    (Mass, "some mg", "no number", "write a mass as in 0.5 mg"),
    (Flow, "mL/day", "no number", "write a flow as in 0.5 mL/day"),
    (Mass, "5 \u00b5g", "'\u00b5g' is not a unit of mass", "write mcg"),
    (Mass, "5 \u03bcg", "'\u03bcg' is not a unit of mass", "write mcg"),
    (Mass, "5\u00b5g", "'\u00b5g' is not a unit of mass", "write mcg"),
    (Mass, "5 ug", "'ug' is not a unit of mass", "write mcg"),
    (Mass, "5 mcgs", "'mcgs' is not a unit of mass", "write mcg"),
    (Mass, "5 mgs", "'mgs' is not a unit of mass", "write mg"),
    (Mass, "5 mg.", "'mg.' is not a unit of mass", "write mg"),
    (Mass, "5 mgX", "'mgX' is not a unit of mass", "allowed units: mg, mcg, ng, g, kg"),
    (Mass, "5 mg\n", "'mg\\n' is not a unit of mass", "allowed units: mg, mcg, ng, g, kg"),
    (Mass, "5 MG", "'MG' is not a unit of mass", "write mg"),
    (Mass, "5 gm", "'gm' is not a unit of mass", "write g"),
    (Volume, "5 cc", "'cc' is not a unit of volume", "write mL"),
    (Volume, "5 ml", "'ml' is not a unit of volume", "write mL"),
    (Volume, "5 ML", "'ML' is not a unit of volume", "write mL"),
    (Duration, "5 hr", "'hr' is not a unit of duration", "write h"),
    (Duration, "5 hours", "'hours' is not a unit of duration", "write h"),
    (Duration, "5 d", "'d' is not a unit of duration", "write day"),
    (Duration, "5 minutes", "'minutes' is not a unit of duration", "write min"),
    (Duration, "5 seconds", "'seconds' is not a unit of duration", "write s"),
    (DoseRate, "5 ug/hr", "'ug/hr' is not a unit of dose per time", "write mcg/h"),
    (Flow, "5 ml/d", "'ml/d' is not a unit of flow", "write mL/day"),
    (Concentration, "5 mg/ml", "'mg/ml' is not a unit of concentration", "write mg/mL"),
    (Concentration, "5 %", "'%' is not a unit of concentration", "allowed units: mg/mL, mcg/mL, ng/mL, g/mL"),
    (Mass, "5 mL", "'mL' is not a unit of mass", "allowed units: mg, mcg, ng, g, kg"),
    (Mass, "5 ml", "'ml' is not a unit of mass", "allowed units: mg, mcg, ng, g, kg"),
    (Mass, "5 mg mg", "'mg mg' is not a unit of mass", "allowed units: mg, mcg, ng, g, kg"),
    (Mass, "5 \nmg", "number and unit need one space between them", "write 5 mg"),
    (Mass, "1,44 mg", "not a plain decimal number", "write digits such as 0.5, 12 or 1,440"),
    (Mass, "1,4400 mg", "not a plain decimal number", "write digits such as 0.5, 12 or 1,440"),
    (Mass, "1234,567 mg", "not a plain decimal number", "write digits such as 0.5, 12 or 1,440"),
    (Mass, "1.2.0 mg", "not a plain decimal number", "write digits such as 0.5, 12 or 1,440"),
    (Mass, "1.2.50 mg", "not a plain decimal number", "write digits such as 0.5, 12 or 1,440"),
    (Mass, "1.2.3 mg", "not a plain decimal number", "write digits such as 0.5, 12 or 1,440"),
    (Mass, "1/3 mg", "not a plain decimal number", "write digits such as 0.5, 12 or 1,440"),
    (Mass, "\u0661 mg", "not a plain decimal number", "write digits such as 0.5, 12 or 1,440"),
    (Mass, "1e3 mg", "'e3 mg' is not a unit of mass", "allowed units: mg, mcg, ng, g, kg"),
    (Mass, "05 mg", "a needless leading zero", "write 5 mg"),
    (Mass, "00.5 mg", "a needless leading zero", "write 0.5 mg"),
    (Mass, "00 mg", "a needless leading zero", "write 0 mg"),
    (Mass, "  007 mg ", "a needless leading zero", "write 7 mg"),
    # A comma after zero is a decimal comma more likely than a group, so that no number is suggested.
    (Mass, "0,005 mg", "not a plain decimal number", "write digits such as 0.5, 12 or 1,440"),
    (Mass, "0,5 mg", "not a plain decimal number", "write digits such as 0.5, 12 or 1,440"),
    (Mass, "05,000 mg", "not a plain decimal number", "write digits such as 0.5, 12 or 1,440"),
    (Mass, "0" * 41, "too long for an amount", "write it as in 0.5 mg"),
]


@pytest.mark.parametrize(
    ("kind", "text", "problem", "hint"), REFUSED, ids=lambda v: repr(v) if isinstance(v, str) else ""
)
@pytest.mark.requirement("HZ-8.14")
def test_amounts_that_are_refused_say_what_to_write(kind: type[Quantity], text: str, problem: str, hint: str) -> None:
    with pytest.raises(AmountError) as caught:
        kind.parse(text)
    error = caught.value
    found = text if len(text) <= 40 else text[:40] + "..."
    assert (error.found, error.problem, error.hint) == (found, problem, hint)
    assert str(error) == f"{found!r}: {problem}; {hint}"
    assert isinstance(error, ValueError)


@pytest.mark.parametrize(
    "case", [c for c in REFUSED if c[3].startswith("write ") and c[3][6].isdigit()], ids=lambda c: c[1]
)
def test_what_a_hint_tells_to_write_is_accepted(case: tuple[type[Quantity], str, str, str]) -> None:
    kind, _, _, hint = case
    amount = kind.parse(hint.removeprefix("write "))
    assert amount.exact_text(next(u for u in kind.UNITS if hint.endswith(" " + u))) == hint.removeprefix("write ")


def test_forty_characters_are_read_and_forty_one_are_not() -> None:
    forty = "1." + "1" * 35 + " mg"
    assert len(forty) == 40
    assert Mass.parse(forty).number("mg") > 1
    with pytest.raises(AmountError, match="too long for an amount"):
        Mass.parse("1" + forty)


@pytest.mark.parametrize("value", [5, 0.5, None, True, b"5 mg", ["5 mg"]])
def test_only_text_is_parsed(value: Any) -> None:
    with pytest.raises(AmountError) as caught:
        Mass.parse(value)
    assert caught.value.found == str(value)
    assert caught.value.problem == "a mass is text with its unit"
    assert caught.value.hint == 'write it in quotes, as in "0.5 mg"'


@given(kinds, st.text(max_size=45))
def test_any_text_is_read_or_refused_and_nothing_else_happens(kind: type[Quantity], text: str) -> None:
    try:
        amount = kind.parse(text)
    except AmountError as error:
        assert error.problem
        assert error.hint
    else:
        assert amount.value >= 0
        assert type(amount) is kind


@given(kinds, st.from_regex(r"\A[0-9.,]{1,8} ?(mg|mcg|mL|h|day|cm|mL/day|mg/h|mg/mL)\Z"))
def test_what_is_accepted_follows_the_rules(kind: type[Quantity], text: str) -> None:
    try:
        kind.parse(text)
    except AmountError:
        return
    number, _, unit = text.partition(" ")
    assert unit in kind.UNITS
    assert number[0] != "."
    assert not ("." in number and number[-1] in "0.")


@pytest.mark.parametrize(
    ("text", "value"), [("0.5", Fraction(1, 2)), ("12", Fraction(12)), ("1,440", Fraction(1440)), ("0", Fraction(0))]
)
def test_plain_numbers_are_read(text: str, value: Fraction) -> None:
    assert parse_number(text) == value


@pytest.mark.parametrize(
    ("text", "problem", "hint"),
    [
        (".5", "no zero before the decimal point", "write 0.5"),
        ("1.0", "zeros after the decimal point", "write 1"),
        ("2.50", "a trailing zero", "write 2.5"),
        ("-1", "an amount carries no sign", "write the amount alone, for example 0.5 mg"),
        ("007", "a needless leading zero", "write 7"),
        ("", "not a plain decimal number", "write digits such as 0.5, 12 or 1,440"),
        ("12 mg", "not a plain decimal number", "write digits such as 0.5, 12 or 1,440"),
        ("nan", "not a plain decimal number", "write digits such as 0.5, 12 or 1,440"),
        ("1e5", "not a plain decimal number", "write digits such as 0.5, 12 or 1,440"),
    ],
)
def test_plain_numbers_that_are_refused(text: str, problem: str, hint: str) -> None:
    with pytest.raises(AmountError) as caught:
        parse_number(text)
    assert (caught.value.found, caught.value.problem, caught.value.hint) == (text, problem, hint)


@given(ending)
def test_plain_numbers_round_trip(number: Fraction) -> None:
    assert parse_number(exact_number_text(number)) == number


# Making.


@pytest.mark.parametrize("number", [0.5, True, "1", None, Decimal(1)])
def test_only_exact_numbers_make_an_amount(number: Any) -> None:
    with pytest.raises(TypeError, match=rf"^Mass takes an int or a Fraction, not {type(number).__name__}$"):
        Mass.of(number, "mg")


def test_an_unknown_unit_makes_nothing() -> None:
    with pytest.raises(ValueError, match=r"^mass in 'ml': allowed units: mg, mcg, ng, g, kg$"):
        Mass.of(1, "ml")
    with pytest.raises(ValueError, match=r"^length in 'inch': allowed units: cm, mm, m$"):
        Length.of(1, "cm").number("inch")


@pytest.mark.parametrize("value", [1, 0.5, "1"])
def test_an_amount_holds_a_fraction(value: Any) -> None:
    with pytest.raises(TypeError, match=rf"^Volume holds a Fraction, not {type(value).__name__}$"):
        Volume(value)


@pytest.mark.parametrize("kind", TYPES, ids=lambda k: k.__name__)
def test_zero_is_nothing(kind: type[Quantity]) -> None:
    zero = kind.zero()
    assert zero == kind.of(0, next(iter(kind.UNITS)))
    assert type(zero) is kind
    assert not zero
    assert kind(Fraction(1, 10**30))


def test_amounts_cannot_be_changed_and_can_be_counted_in_sets() -> None:
    amount = Mass.of(1, "mg")
    with pytest.raises(dataclasses.FrozenInstanceError):
        amount.value = Fraction(2)  # type: ignore[misc]
    assert len({amount, Mass.of(1000, "mcg"), Mass.of(2, "mg")}) == 2
    other: object = Volume.of(1, "mL")
    assert amount != other


# Sums and comparisons within a type.


@given(kinds, exact, exact, exact)
def test_sums_are_exact(kind: type[Quantity], a: Fraction, b: Fraction, c: Fraction) -> None:
    x, y, z = kind(a), kind(b), kind(c)
    assert (x + y).value == a + b
    assert (x - y).value == a - b
    assert (-x).value == -a
    assert abs(x).value == abs(a)
    assert (x + y) + z == x + (y + z)
    assert x + y - y == x
    assert type(x + y) is type(x - y) is type(-x) is type(abs(x)) is kind


@given(kinds, exact, exact)
def test_comparisons_are_those_of_the_numbers(kind: type[Quantity], a: Fraction, b: Fraction) -> None:
    x, y = kind(a), kind(b)
    assert (x < y, x <= y, x > y, x >= y, x == y) == (a < b, a <= b, a > b, a >= b, a == b)
    assert (x.__lt__(y), x.__le__(y), x.__gt__(y), x.__ge__(y)) == (a < b, a <= b, a > b, a >= b)
    assert (x < x, x <= x, x > x, x >= x) == (False, True, False, True)  # noqa: PLR0124
    assert bool(x) is (a != 0)


def _refuse(action: str, a: Any, b: Any) -> None:
    with pytest.raises(TypeError):
        eval(action, {"a": a, "b": b})  # noqa: S307


@pytest.mark.parametrize(("left", "right"), list(itertools.permutations(TYPES, 2)))
@pytest.mark.parametrize("action", ["a + b", "a - b", "a < b", "a <= b", "a > b", "a >= b"])
@pytest.mark.requirement("HZ-8.14")
def test_dimensions_do_not_mix(action: str, left: type[Quantity], right: type[Quantity]) -> None:
    _refuse(action, left(Fraction(2)), right(Fraction(2)))


@pytest.mark.parametrize("kind", TYPES, ids=lambda k: k.__name__)
@pytest.mark.parametrize("number", [1, Fraction(1, 2), 0.5, True, "1", None])
def test_an_amount_and_a_number_are_not_added_or_compared(kind: type[Quantity], number: Any) -> None:
    for action in ("a + b", "b + a", "a - b", "b - a", "a < b", "a <= b", "a > b", "a >= b"):
        _refuse(action, kind(Fraction(2)), number)
    assert kind(Fraction(2)) != number


# Products and quotients: the whole table, and nothing beside it.

PRODUCTS: dict[tuple[type[Quantity], type[Quantity]], type[Quantity]] = {
    (Concentration, Volume): Mass,
    (Concentration, Flow): DoseRate,
    (Flow, Duration): Volume,
    (DoseRate, Duration): Mass,
    (Length, LinearVolume): Volume,
}


@pytest.mark.parametrize(("left", "right"), list(itertools.product(TYPES, TYPES)))
def test_products_are_exact_where_they_are_defined_and_refused_elsewhere(
    left: type[Quantity], right: type[Quantity]
) -> None:
    a: Any = left(Fraction(3, 7))
    b: Any = right(Fraction(5, 11))
    kind = PRODUCTS.get((left, right)) or PRODUCTS.get((right, left))
    if kind is None:
        _refuse("a * b", a, b)
    else:
        assert a * b == b * a == kind(Fraction(15, 77))
        assert type(a * b) is kind


@pytest.mark.parametrize(("left", "right"), list(itertools.product(TYPES, TYPES)))
def test_quotients_undo_products_and_are_refused_elsewhere(left: type[Quantity], right: type[Quantity]) -> None:
    a: Any = left(Fraction(3, 7))
    b: Any = right(Fraction(5, 11))
    if left is right:
        assert a / b == Fraction(33, 35)
        assert type(a / b) is Fraction
        return
    kind = next(
        (y if x is right else x for (x, y), z in PRODUCTS.items() if z is left and right in (x, y)),
        None,
    )
    if kind is None:
        _refuse("a / b", a, b)
    else:
        assert a / b == kind(Fraction(33, 35))
        assert type(a / b) is kind


@pytest.mark.parametrize("kind", TYPES, ids=lambda k: k.__name__)
@given(exact, exact)
def test_scaling_by_a_number_is_exact(kind: type[Quantity], a: Fraction, factor: Fraction) -> None:
    x: Any = kind(a)
    assert x * factor == factor * x == kind(a * factor)
    assert type(x * factor) is type(factor * x) is kind
    assert x * 3 == 3 * x == kind(a * 3)
    assert x / 3 == kind(a / 3)
    if factor:
        assert x / factor == kind(a / factor)
        assert type(x / factor) is kind
        assert x * factor / factor == x


@given(positive, positive, positive)
def test_a_dose_is_the_same_by_every_way(c: Fraction, f: Fraction, t: Fraction) -> None:
    strength, flow, time = Concentration(c), Flow(f), Duration(t)
    mass = strength * (flow * time)
    assert mass == (strength * flow) * time == Mass(c * f * t)
    assert mass / time == strength * flow
    assert mass / strength == flow * time
    assert (mass / time) / flow == strength
    assert (mass / time) / strength == flow
    assert mass / (mass / time) == time
    assert (flow * time) / flow == time


@pytest.mark.parametrize("kind", TYPES, ids=lambda k: k.__name__)
@pytest.mark.parametrize("other", [0.5, True, "2", None, Decimal(2), 1j])
def test_amounts_are_scaled_by_exact_numbers_only(kind: type[Quantity], other: Any) -> None:
    for action in ("a * b", "b * a", "a / b", "b / a"):
        _refuse(action, kind(Fraction(2)), other)
    _refuse("b / a", kind(Fraction(2)), 1)


def test_nothing_is_divided_by_nothing() -> None:
    for divisor in (0, Mass.zero(), Volume.zero()):
        with pytest.raises(ZeroDivisionError):
            _ = Mass.of(1, "mg") / divisor


@given(positive, st.sampled_from(["mg", "mcg", "ng"]))
def test_whole_units_are_rounded_as_their_name_says(a: Fraction, unit: str) -> None:
    amount = Mass(a)
    floor, ceil = amount.floor(unit), amount.ceil(unit)
    assert isinstance(floor, int)
    assert isinstance(ceil, int)
    assert Mass.of(floor, unit) <= amount < Mass.of(floor + 1, unit)
    assert Mass.of(ceil - 1, unit) < amount <= Mass.of(ceil, unit)


# Printing.


@pytest.mark.parametrize(
    ("number", "significant", "text"),
    [
        (Fraction(-1, 10**40), 4, "-0." + "0" * 39 + "1"),
        (Fraction(5, 2), 1, "2"),
        (Fraction(1), 4, "1"),
        (Fraction(1, 2), 4, "0.5"),
        (Fraction(-1, 2), 4, "-0.5"),
        (Fraction(0), 4, "0"),
        (Fraction(999), 4, "999"),
        (Fraction(1000), 4, "1,000"),
        (Fraction(12345), 4, "12,345"),
        (Fraction(-12345), 4, "-12,345"),
        (Fraction(123456789), 2, "123,456,789"),
        (Fraction(1234567, 100), 4, "12,346"),
        (Fraction(1, 3), 4, "0.3333"),
        (Fraction(2, 3), 4, "0.6667"),
        (Fraction(2, 3), 1, "0.7"),
        (Fraction(1, 30000), 4, "0.00003333"),
        (Fraction(1, 10**9), 4, "0.000000001"),
        (Fraction(100), 1, "100"),
        (Fraction(10), 4, "10"),
        (Fraction(99995, 10000), 4, "10"),
        (Fraction(10005, 10), 4, "1,000"),
        (Fraction(10015, 10), 4, "1,002"),
        (Fraction(12345, 10000), 4, "1.234"),
        (Fraction(12355, 10000), 4, "1.236"),
        (Fraction(7), 12, "7"),
    ],
)
def test_numbers_for_the_eye(number: Fraction, significant: int, text: str) -> None:
    assert number_text(number, significant) == text


def test_four_digits_unless_asked_otherwise() -> None:
    assert number_text(Fraction(1, 3)) == "0.3333"
    assert number_text(7) == "7"
    assert Mass(Fraction(1, 3)).text("mg") == "0.3333 mg"
    assert Mass(Fraction(1, 3)).text("mg", 2) == "0.33 mg"
    assert percent_text(Fraction(1, 3)) == "33.3 %"
    assert percent_text(Fraction(1, 3), 5) == "33.333 %"
    assert percent_text(Fraction(1, 8)) == "12.5 %"
    assert percent_text(1) == "100 %"
    assert percent_text(Fraction(-1, 4)) == "-25 %"


@given(exact, st.integers(1, 15))
def test_rounding_for_the_eye_is_within_half_of_the_last_digit(number: Fraction, significant: int) -> None:
    printed = Fraction(number_text(number, significant).replace(",", ""))
    if number == 0:
        assert printed == 0
        return
    whole = len(str(abs(number).__floor__()))
    decade = Fraction(1)
    while decade > abs(number):
        decade /= 10
    while decade * 10 <= abs(number):
        decade *= 10
    last = decade / Fraction(10) ** (max(significant, whole) - 1)
    assert abs(printed - number) <= last / 2


@given(exact, st.integers(1, 15))
def test_printed_numbers_follow_the_rules(number: Fraction, significant: int) -> None:
    text = number_text(number, significant).removeprefix("-")
    whole, point, part = text.partition(".")
    assert whole
    assert bool(point) == bool(part)
    assert not part.endswith("0")
    assert "E" not in text.upper()
    assert [len(group) for group in whole.split(",")[1:]] == [3] * whole.count(",")
    assert all(len(group) <= 3 for group in whole.split(","))


def exact_decimal(digits: int, places: int) -> str:
    """``digits`` with the point ``places`` from the right, built from text alone."""
    return "0." + str(digits).rjust(places, "0")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (Fraction(1, 8), "0.125"),
        (Fraction(0), "0"),
        (Fraction(-3, 2), "-1.5"),
        (Fraction(1, 5**3), "0.008"),
        (Fraction(1, 2**10), "0.0009765625"),
        (Fraction(10**20 + 1, 2 * 10**22), "0.00500000000000000000005"),
        (Fraction(5**30 + 2**60, 10**60), exact_decimal(5**30 + 2**60, 60)),
        (Fraction(1, 2**70), exact_decimal(5**70, 70)),
        (Fraction(1, 2 * 5**30), exact_decimal(2**29, 30)),
        (Fraction(1234567), "1,234,567"),
        (Fraction(10**40), "10" + ",000" * 13),
        (Fraction(1234567891234567891234567891234567, 10**3), "1,234,567,891,234,567,891,234,567,891,234.567"),
        (5, "5"),
    ],
)
def test_every_digit_is_printed(number: Fraction | int, text: str) -> None:
    assert exact_number_text(number) == text


@pytest.mark.parametrize("number", [Fraction(1, 3), Fraction(1, 6), Fraction(7, 15), Fraction(1, 10**6 + 3)])
def test_a_decimal_that_never_ends_is_refused(number: Fraction) -> None:
    with pytest.raises(ValueError, match=rf"^{number} has no decimal that ends; print it rounded$"):
        exact_number_text(number)
    with pytest.raises(ValueError, match="has no decimal that ends"):
        Mass(number).exact_text("mg")


@pytest.mark.parametrize(
    ("amount", "unit", "text"),
    [
        (Mass.of(1, "mg"), "mg", "1 mg"),
        (Mass.of(1440, "mcg"), "mcg", "1,440 mcg"),
        (Mass.of(1440, "mcg"), "mg", "1.44 mg"),
        (Duration.of(1, "day"), "day", "1 day"),
        (Duration.of(1, "day"), "days", "1 day"),
        (Duration.of(2, "day"), "day", "2 days"),
        (Duration.of(2, "weeks"), "week", "2 weeks"),
        (Duration.of(7, "days"), "weeks", "1 week"),
        (Duration.of(2, "h"), "h", "2 h"),
        (Duration.of(0, "day"), "day", "0 days"),
        (DoseRate.of(2, "mg/day"), "mg/day", "2 mg/day"),
        (DoseRate.of(24, "mg/day"), "mg/h", "1 mg/h"),
        (DoseRate.of(1, "mcg/min"), "mg/day", "1.44 mg/day"),
        (Flow.of(1, "nL/h"), "nL/day", "24 nL/day"),
        (LinearVolume.of(22, "mcL/cm"), "mL/cm", "0.022 mL/cm"),
    ],
)
def test_amounts_as_text(amount: Quantity, unit: str, text: str) -> None:
    assert amount.text(unit) == text
    assert amount.exact_text(unit) == text


def test_units_as_printed() -> None:
    assert unit_text("day", 1) == unit_text("days", 1) == "day"
    assert unit_text("day", 2) == unit_text("days", 2) == unit_text("days", 0) == "days"
    assert unit_text("week", Fraction(1, 2)) == "weeks"
    assert unit_text("weeks", Fraction(1)) == "week"
    assert unit_text("s", 2) == unit_text("s", 1) == "s"
    assert unit_text("h", 2) == "h"
    assert unit_text("mg/day", 2) == "mg/day"


def test_amounts_as_json() -> None:
    assert Mass(Fraction(1, 3)).as_json("mcg") == {"value": "333.333333333", "unit": "mcg", "exact": "1000/3"}
    assert Mass.of(12345, "mg").as_json("mg") == {"value": "12345", "unit": "mg", "exact": "12345"}
    assert Flow.of(1, "mL/h").as_json("mL/day") == {"value": "24", "unit": "mL/day", "exact": "24"}


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (Duration.of(0, "s"), "0 s"),
        (Duration.of(1, "s"), "1 s"),
        (Duration.of(59, "s"), "59 s"),
        (Duration.of(60, "s"), "1 min"),
        (Duration.of(61, "s"), "1 min 1 s"),
        (Duration.of(820, "min"), "13 h 40 min"),
        (Duration.of(26, "h"), "1 day 2 h"),
        (Duration.of(2, "weeks"), "14 days"),
        (Duration.of(1000, "days"), "1,000 days"),
        (Duration.of(90061, "s"), "1 day 1 h 1 min 1 s"),
        (-Duration.of(90061, "s"), "-1 day 1 h 1 min 1 s"),
        (-Duration.of(1, "s"), "-1 s"),
        (Duration.of(Fraction(1, 4), "s"), "0 s"),
        (Duration.of(Fraction(3, 4), "s"), "1 s"),
        (-Duration.of(Fraction(1, 4), "s"), "0 s"),
    ],
)
def test_durations_in_words(duration: Duration, text: str) -> None:
    assert duration_text(duration) == text


@given(st.integers(0, 10**9))
def test_durations_in_words_say_every_second(seconds: int) -> None:
    words = duration_text(Duration.of(seconds, "s")).replace(",", "").split(" ")
    size = {"day": 86400, "days": 86400, "h": 3600, "min": 60, "s": 1}
    parts = [(int(n), size[u]) for n, u in zip(words[::2], words[1::2], strict=True)]
    assert sum(n * s for n, s in parts) == seconds
    assert all(n * s < bigger for (n, s), bigger in zip(parts[1:], [s for _, s in parts], strict=False))


# The type checker refuses what running refuses.

RIGHT = """
from fractions import Fraction
from typing import assert_type
from thecal.quantities import *

mass, volume, time = Mass.of(1, "mg"), Volume.of(1, "mL"), Duration.of(1, "day")
strength, flow, dose = Concentration.of(1, "mg/mL"), Flow.of(1, "mL/day"), DoseRate.of(1, "mg/day")
length, bore = Length.of(1, "cm"), LinearVolume.of(1, "mL/cm")

assert_type(mass + mass, Mass)
assert_type(mass - mass, Mass)
assert_type(mass * 2, Mass)
assert_type(2 * mass, Mass)
assert_type(mass / Fraction(2), Mass)
assert_type(mass / mass, Fraction)
assert_type(mass / volume, Concentration)
assert_type(mass / strength, Volume)
assert_type(mass / time, DoseRate)
assert_type(mass / dose, Duration)
assert_type(volume * strength, Mass)
assert_type(volume / time, Flow)
assert_type(volume / flow, Duration)
assert_type(volume / length, LinearVolume)
assert_type(volume / bore, Length)
assert_type(time * flow, Volume)
assert_type(time * dose, Mass)
assert_type(strength * volume, Mass)
assert_type(strength * flow, DoseRate)
assert_type(flow * time, Volume)
assert_type(flow * strength, DoseRate)
assert_type(dose * time, Mass)
assert_type(dose / strength, Flow)
assert_type(dose / flow, Concentration)
assert_type(length * bore, Volume)
assert_type(bore * length, Volume)
assert_type(Mass.parse("1 mg"), Mass)
assert_type(Mass.zero(), Mass)
"""

WRONG = [
    "mass + volume",
    "mass + dose",
    "dose - mass",
    "flow + dose",
    "mass < volume",
    "dose >= mass",
    "mass * mass",
    "mass * volume",
    "mass * dose",
    "dose * volume",
    "volume * volume",
    "strength * mass",
    "strength * time",
    "volume / mass",
    "volume / strength",
    "time / mass",
    "dose / mass",
    "dose / time",
    "flow / volume",
    "length / bore",
    "mass + 1",
    "1 + mass",
    "mass * 0.5",
    "0.5 * mass",
    "mass / 0.5",
    "1 / mass",
    'Mass.of(0.5, "mg")',
    "Mass(0.5)",
    "Mass.parse(5)",
]


@pytest.mark.outside
@pytest.mark.requirement("HZ-8.14")
def test_dimension_errors_are_type_errors_under_the_type_checker(tmp_path: Path) -> None:
    head = RIGHT + "\n"
    module = tmp_path / "amounts.py"
    module.write_text(head + "\n".join(WRONG) + "\n", "utf-8")
    out, err, _ = type_checker.run(
        ["--strict", "--no-incremental", "--cache-dir", str(tmp_path / "cache"), str(module)]
    )
    assert not err
    wrong_lines = {int(line.split(":")[1]) for line in out.splitlines() if ": error:" in line}
    first = head.count("\n") + 1
    missed = [text for n, text in enumerate(WRONG, first) if n not in wrong_lines]
    assert not missed, f"the type checker lets these pass: {missed}"
    assert min(wrong_lines) >= first, out
