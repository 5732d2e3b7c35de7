"""Amounts of a case: read exactly, and refused with what is allowed."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thecal.body.transport.untrusted import UntrustedError
from thecal.body.validation.positions import NOMINAL_CM, position
from thecal.body.validation.units import BadAmountError, Dimension, Unit, amount, split, unit, units_of

MASS, TIME, LENGTH = Dimension(mass=1), Dimension(time=1), Dimension(length=1)
CONCENTRATION = Dimension(mass=1, length=-3)


@pytest.mark.parametrize(
    ("text", "dimension", "expected"),
    [
        ("0.25 mg", MASS, 250_000.0),
        ("50 mcg", MASS, 50_000.0),
        ("1 g", MASS, 1e9),
        ("2 days", TIME, 172_800.0),
        ("1 day", TIME, 86_400.0),
        ("90 min", TIME, 5400.0),
        ("15 mm", LENGTH, 1.5),
        ("1 mL", Dimension(length=3), 1.0),
        ("20 mcL/h", Dimension(length=3, time=-1), 0.02 / 3600),
        ("1 mg/day", Dimension(mass=1, time=-1), 1e6 / 86400),
        ("5 mg/mL", CONCENTRATION, 5e6),
        ("2 mcg*h/mL", Dimension(mass=1, length=-3, time=1), 2e3 * 3600),
        ("66 /min", Dimension(time=-1), 1.1),
        ("0.001 cm2/s", Dimension(length=2, time=-1), 0.001),
        ("250 mL/kg", Dimension(length=3, weight=-1), 250.0),
        ("78 %", Dimension(), 0.78),
        ("7", Dimension(), 7.0),
        ("-2 cm", LENGTH, -2.0),
        ("3e-4 cm2/s", Dimension(length=2, time=-1), 3e-4),
    ],
)
def test_an_amount_is_what_it_says(text: str, dimension: Dimension, expected: float) -> None:
    assert amount(text, dimension) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (".5 mg", "a zero before its point"),
        ("0.5mg", "a space and a unit"),
        ("05 mg", "a zero before its point"),
        ("0.5  mg", "a space and a unit"),
        ("one mg", "a space and a unit"),
        ("", "a space and a unit"),
        ("1 ug", "ng, mcg, mg"),
        ("1 Mg", "ng, mcg, mg"),
        ("1 mg//mL", "joined by / or *"),
        ("1 mL", "units: ng, mcg, mg, g"),
        ("1", "units: ng, mcg, mg, g"),
        ("1 mg/mL", "units: ng, mcg, mg, g"),
    ],
)
def test_what_is_no_mass_is_refused_with_what_is_allowed(text: str, says: str) -> None:
    with pytest.raises(BadAmountError) as refused:
        amount(text, MASS)
    assert says in refused.value.allowed
    assert refused.value.found in str(refused.value)


def test_an_amount_without_a_unit_is_said_to_have_none() -> None:
    with pytest.raises(BadAmountError, match="which has no unit"):
        amount("5", MASS)


def test_a_number_over_all_bounds_is_refused() -> None:
    with pytest.raises(BadAmountError, match="finite"):
        split("1" + "0" * 400 + " mg")


@given(st.floats(1e-6, 1e6), st.sampled_from(["ng", "mcg", "mg", "g"]))
def test_every_mass_comes_back(number: float, name: str) -> None:
    text = f"{number:.9f}".rstrip("0").rstrip(".")
    assert math.isclose(amount(f"{text} {name}", MASS), float(text) * unit(name).factor)


def test_units_multiply_and_divide() -> None:
    assert unit("mL/min/kg") == Unit(1 / 60, Dimension(length=3, time=-1, weight=-1))
    assert unit("") == Unit(1.0, Dimension())
    assert units_of(Dimension(mass=3)) == "units that fit"


def test_places_along_the_canal() -> None:
    assert position("14 cm").cm(60.0, 20.0) == 14.0
    assert position("tip").cm(60.0, 20.0) == 20.0
    assert position("tip + 5 cm").cm(60.0, 20.0) == 25.0
    assert position("tip - 15 mm").cm(60.0, 20.0) == 18.5
    assert position("L2-3").cm(30.0, 0.0) == position("L2-3").cm(NOMINAL_CM, 0.0) / 2
    assert position("L2-3 - 2 cm").cm(60.0, 0.0) == pytest.approx(position("L2-3").cm(60.0, 0.0) - 2)


@pytest.mark.parametrize("text", ["L9", "neck", "14", "14 mL", "tip + 5", "tip + L2", "", "tip + 5 mg"])
def test_a_place_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadAmountError):
        position(text)


def test_a_level_is_refused_in_its_own_words() -> None:
    with pytest.raises(BadAmountError) as refused:
        position("T13")
    assert "a vertebra or disc such as T10" in refused.value.allowed
    assert not isinstance(refused.value, UntrustedError)
