"""How long a mixture keeps in a pump: the shortest time that a source gives for these drugs and this kind of fill."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.therapy_review_orders import BACLOFEN, CLEAN, alone, known, mix, ordered

from thecal.formulary import UnknownDrug
from thecal.therapy.stability import stability_cap

if TYPE_CHECKING:
    from thecal.therapy.order import Order


def days(order: Order) -> int | None:
    found = stability_cap(order, known())
    return None if found is None else found.days


def test_the_shortest_time_of_just_these_drugs_is_taken() -> None:
    both = mix(morphine="10 mg/mL", clonidine="100 mcg/mL")
    assert days(BACLOFEN) == 28
    assert days(CLEAN) == 180
    assert days(ordered(mixture={"ingredients": both.ingredients})) == 90


@pytest.mark.parametrize(
    ("strength", "first_fill", "within"),
    [
        ("25 mcg/mL", True, 14),
        ("25 mcg/mL", None, 14),
        ("25 mcg/mL", False, 84),
        ("100 mcg/mL", False, 84),
        ("5 mcg/mL", True, 14),
        ("5 mcg/mL", False, 40),
    ],
)
def test_a_first_fill_and_a_diluted_one_keep_shorter(strength: str, first_fill: bool | None, within: int) -> None:
    """The label of ziconotide; where nobody says which fill it is, it may be the first."""
    order = alone("ziconotide", strength, "6 mcg/day", "19 mcg")
    assert days(replace(order, first_fill=first_fill)) == within


def test_a_time_in_another_vessel_says_nothing_of_a_pump() -> None:
    assert known().stability(("sufentanil",))
    assert days(alone("sufentanil", "50 mcg/mL", "20 mcg/day", "60 mcg")) is None


def test_without_a_source_it_is_unknown_and_an_unknown_drug_is_refused() -> None:
    drugs = mix(baclofen="2 mg/mL", ketamine="1 mg/mL")
    assert days(ordered(mixture={"ingredients": drugs.ingredients})) is None
    with pytest.raises(UnknownDrug):
        days(ordered(mixture={"ingredients": mix(elixir="1 mg/mL").ingredients}))
