"""The compounding worksheet, its check sum, the label, and the recipe of a constant-flow pump."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from tests.therapy_builders import (
    MORPHINE,
    TRIPLE,
    flow,
    mg,
    ml,
    not_negative,
    per_day,
    positive,
    refused,
    strength,
    time,
)

from thecal.quantities import Concentration, Mass, Volume
from thecal.therapy.compounding import (
    LabelLine,
    Line,
    Powder,
    Recipe,
    Solution,
    Stock,
    Worksheet,
    constant_flow_recipe,
    label,
    mixture_of_label,
    worksheet,
)
from thecal.therapy.refusal import Code

STOCKS: dict[str, Stock] = {
    "morphine": Powder(Fraction(4, 5)),
    "bupivacaine": Solution(strength("30")),
    "clonidine": Solution(strength("0.5")),
}


def sheet_of(volume: str, overfill: str) -> Worksheet:
    found = worksheet(TRIPLE, ml(volume), ml(overfill), STOCKS)
    assert isinstance(found, Worksheet)
    return found


def test_amounts_and_diluent() -> None:
    found = sheet_of("18", "2")
    assert found.lines == (
        Line("morphine", mg("200"), mg("250"), ml("0")),
        Line("bupivacaine", mg("150"), mg("0"), ml("5")),
        Line("clonidine", mg("3"), mg("0"), ml("6")),
    )
    assert (found.volume, found.overfill, found.total) == (ml("18"), ml("2"), ml("20"))
    assert found.diluent == ml("9")
    assert found.check_sum == ml("20")
    assert found.concentration("clonidine") == strength("0.15")
    with pytest.raises(KeyError, match="fentanyl"):
        found.concentration("fentanyl")


def test_stock_as_strong_as_the_order_needs_no_diluent() -> None:
    found = worksheet(MORPHINE, ml("20"), ml("0"), {"morphine": Solution(strength("10"))})
    assert isinstance(found, Worksheet)
    assert (found.diluent, found.lines[0].draw) == (ml("0"), ml("20"))


def test_stock_too_weak_names_the_worst() -> None:
    weak: dict[str, Stock] = {**STOCKS, "clonidine": Solution(strength("0.1"))}
    found = refused(worksheet(TRIPLE, ml("18"), ml("2"), weak), Code.STOCK_TOO_WEAK)
    assert found.found == "35 mL of stock for 20 mL, most of it 30 mL of clonidine"
    assert found.allowed == "at most 20 mL of stock"
    assert found.then == "use a stronger stock or powder, first of clonidine"


def test_every_ingredient_needs_stock() -> None:
    found = refused(worksheet(TRIPLE, ml("18"), ml("2"), {"morphine": STOCKS["morphine"]}), Code.NO_STOCK)
    assert found.found == "no stock for bupivacaine, clonidine"


@pytest.mark.parametrize(("volume", "overfill"), [(ml("0"), ml("1")), (ml("1"), -ml("1")), (-ml("1"), ml("3"))])
def test_volumes_that_cannot_be(volume: Volume, overfill: Volume) -> None:
    refused(worksheet(TRIPLE, volume, overfill, STOCKS), Code.NOT_POSITIVE)


@given(positive, not_negative, positive, positive)
def test_the_worksheet_makes_exactly_the_order(
    volume: Fraction, overfill: Fraction, bupivacaine: Fraction, clonidine: Fraction
) -> None:
    stocks: dict[str, Stock] = {
        "morphine": Powder(Fraction(9, 10)),
        "bupivacaine": Solution(Concentration.of(bupivacaine, "mg/mL")),
        "clonidine": Solution(Concentration.of(clonidine, "mg/mL")),
    }
    found = worksheet(TRIPLE, Volume.of(volume, "mL"), Volume.of(overfill, "mL"), stocks)
    if not isinstance(found, Worksheet):
        refused(found, Code.STOCK_TOO_WEAK)
        assert Fraction(15, 2) / bupivacaine + Fraction(3, 20) / clonidine > 1
        return
    assert found.check_sum == found.total == Volume.of(volume + overfill, "mL")
    assert found.diluent >= Volume.zero()
    for ingredient in TRIPLE.ingredients:
        assert found.concentration(ingredient.drug) == ingredient.concentration
    for line in found.lines:
        stock = stocks[line.drug]
        drawn = line.weigh * stock.content if isinstance(stock, Powder) else line.draw * stock.concentration
        assert drawn == line.amount
    units = dict.fromkeys(TRIPLE.drugs, "mg")
    assert mixture_of_label(label(found, units)).ingredients == TRIPLE.ingredients


def test_the_label_says_total_per_total_first() -> None:
    lines = label(sheet_of("18", "2"), {"morphine": "mg", "bupivacaine": "mg", "clonidine": "mcg"})
    assert lines[0] == LabelLine("morphine", mg("200"), ml("20"), "mg")
    assert (lines[0].main, lines[0].strength) == ("morphine 200 mg per 20 mL", "(10 mg/mL)")
    assert (lines[2].main, lines[2].strength) == ("clonidine 3,000 mcg per 20 mL", "(150 mcg/mL)")


def test_constant_flow_recipe() -> None:
    found = constant_flow_recipe(
        "morphine",
        reservoir=ml("20"),
        flow=flow("0.5"),
        dose=per_day("2"),
        stock=strength("25"),
        overfill=ml("3"),
    )
    assert isinstance(found, Recipe)
    assert found.lasts == time("40 days")
    assert found.drug == mg("80")
    assert found.sheet.lines == (Line("morphine", mg("92"), Mass.zero(), ml("3.68")),)
    assert found.sheet.diluent == ml("19.32")
    assert found.sheet.check_sum == ml("23")


@pytest.mark.parametrize(("rate", "dose"), [("0", "2"), ("0.5", "0")])
def test_a_recipe_needs_flow_and_dose(rate: str, dose: str) -> None:
    found = constant_flow_recipe(
        "m", reservoir=ml("20"), flow=flow(rate), dose=per_day(dose), stock=strength("25"), overfill=ml("3")
    )
    assert refused(found, Code.NOT_POSITIVE).found == f"a flow of {rate} mL/day and a dose of {dose} mg/day"


def test_a_recipe_for_a_small_dose() -> None:
    found = constant_flow_recipe(
        "m", reservoir=ml("20"), flow=flow("0.5"), dose=per_day("0.5"), stock=strength("25"), overfill=ml("3")
    )
    assert isinstance(found, Recipe)
    assert found.drug == mg("20")


def test_a_recipe_with_weak_stock() -> None:
    found = constant_flow_recipe(
        "m", reservoir=ml("20"), flow=flow("0.5"), dose=per_day("2"), stock=strength("3.9"), overfill=ml("3")
    )
    refused(found, Code.STOCK_TOO_WEAK)
