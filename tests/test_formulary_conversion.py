"""Conversions: a range with a direction and a warning, never one number."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thecal.formulary import Conversion, DoseRange, Operation, Report, Route, SafeEnd, Source, load
from thecal.quantities import DoseRate, Mass

BOOK = load()
ORAL, INTRATHECAL = Route.ORAL, Route.INTRATHECAL
SOURCE = Source("published", "2000", "somewhere", verified=False)
AMOUNTS = st.fractions(min_value=Fraction(1, 10**6), max_value=10**4)
RATIOS = st.fractions(min_value=Fraction(1, 100), max_value=1000)


def only(from_drug: str, from_route: Route, to_drug: str, to_route: Route) -> Conversion:
    (conversion,) = BOOK.conversions_of(from_drug, from_route, to_drug, to_route)
    return conversion


def test_towards_the_spine_the_highest_divisor_is_safe() -> None:
    conversion = only("morphine", ORAL, "morphine", INTRATHECAL)
    assert (conversion.low_ratio, conversion.high_ratio) == (Fraction(10), Fraction(300))
    found = conversion.of(Mass.parse("300 mg"))
    assert (found.low, found.high) == (Mass.parse("1 mg"), Mass.parse("30 mg"))
    assert found.safe_end is SafeEnd.HIGHEST_DIVISOR
    assert "highest divisor" in found.warning


def test_away_from_the_spine_the_lowest_multiplier_is_safe() -> None:
    conversion = only("morphine", INTRATHECAL, "morphine", ORAL)
    assert conversion.low_ratio <= 12
    found = conversion.of(DoseRate.parse("1 mg/day"))
    assert (found.low, found.high) == (DoseRate.parse("10 mg/day"), DoseRate.parse("300 mg/day"))
    assert found.safe_end is SafeEnd.LOWEST_MULTIPLIER
    assert "lowest multiplier" in found.warning


def test_morphine_and_hydromorphone_in_the_spine() -> None:
    there = only("morphine", INTRATHECAL, "hydromorphone", INTRATHECAL)
    back = only("hydromorphone", INTRATHECAL, "morphine", INTRATHECAL)
    assert {there.low_ratio, there.high_ratio} == {back.low_ratio, back.high_ratio} == {5, 6}
    assert [r.source.verified for r in sorted(there.reports, key=lambda r: r.low)] == [False, True]


def test_a_direction_or_a_drug_without_a_range_has_no_conversion() -> None:
    assert BOOK.conversions_of("morphine", Route.INTRAVENOUS, "morphine", INTRATHECAL) == ()
    assert BOOK.conversions_of("baclofen", ORAL, "baclofen", INTRATHECAL) == ()
    assert BOOK.conversions_of("fentanyl", INTRATHECAL, "morphine", INTRATHECAL) == ()
    assert {n.code for n in BOOK.conversion_notes} >= {"intravenous-epidural-intrathecal", "lipophilic", "no-mme"}


@pytest.mark.parametrize("conversion", BOOK.conversions)
@given(amount=AMOUNTS)
def test_what_comes_out_is_a_range_whose_low_end_is_the_safe_one(conversion: Conversion, amount: Fraction) -> None:
    found = conversion.of(Mass(amount))
    assert Mass.zero() < found.low < found.high
    every = [
        amount / ratio if conversion.operation is Operation.DIVIDE else amount * ratio
        for report in conversion.reports
        for ratio in (report.low, report.high)
    ]
    assert (found.low.value, found.high.value) == (min(every), max(every))
    assert found.warning
    assert found.reports == conversion.reports


@given(amount=AMOUNTS, ratios=st.lists(RATIOS, min_size=1, max_size=5), operation=st.sampled_from(Operation))
def test_no_conversion_gives_a_point_value(amount: Fraction, ratios: list[Fraction], operation: Operation) -> None:
    reports = tuple(Report(r, r, "a ratio", SOURCE) for r in ratios)
    if len(set(ratios)) == 1:
        with pytest.raises(ValueError, match="one ratio alone is not a range"):
            Conversion("a", ORAL, "b", INTRATHECAL, operation, reports, "warning")
        return
    found = Conversion("a", ORAL, "b", INTRATHECAL, operation, reports, "warning").of(Mass(amount))
    assert found.low < found.high
    assert {f.name for f in dataclasses.fields(found)} == {"low", "high", "safe_end", "warning", "reports"}
    assert not any(hasattr(found, name) for name in ("__float__", "__int__", "__index__", "value", "middle", "mean"))


def test_a_range_cannot_be_made_of_one_dose() -> None:
    dose = Mass.parse("1 mg")
    with pytest.raises(ValueError, match="a conversion is a range"):
        DoseRange(dose, dose, SafeEnd.HIGHEST_DIVISOR, "warning", ())


@pytest.mark.parametrize("number", [0, -1])
def test_nothing_cannot_be_converted(number: int) -> None:
    with pytest.raises(ValueError, match="has to be more than zero"):
        BOOK.conversions[0].of(Mass.of(number, "mg"))
