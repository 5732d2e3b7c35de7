"""Mixtures: the primary leads, the others follow, and what is not a mixture is refused."""

from __future__ import annotations

from fractions import Fraction

import pytest

from thecal.quantities import Concentration, DoseRate, Flow, Mass, Volume
from thecal.therapy.mixture import Ingredient, Mixture

THREE = Mixture(
    (
        Ingredient("morphine", Concentration.of(4, "mg/mL")),
        Ingredient("bupivacaine", Concentration.of(10, "mg/mL")),
        Ingredient("clonidine", Concentration.of(150, "mcg/mL")),
    )
)


def test_the_first_ingredient_is_the_primary_one() -> None:
    assert THREE.primary.drug == "morphine"
    assert THREE.drugs == ("morphine", "bupivacaine", "clonidine")


def test_every_ingredient_follows_the_primary_dose() -> None:
    assert THREE.share("bupivacaine") == Fraction(5, 2)
    assert THREE.follow("bupivacaine", Mass.of(1, "mg")) == Mass.parse("2.5 mg")
    assert THREE.follow("clonidine", DoseRate.of(2, "mg/day")) == DoseRate.parse("75 mcg/day")
    assert THREE.follow("morphine", Mass.of(1, "mg")) == Mass.of(1, "mg")


def test_volume_and_flow_of_a_dose() -> None:
    assert THREE.volume_of(Mass.of(1, "mg")) == Volume.of(Fraction(1, 4), "mL")
    assert THREE.flow_of(DoseRate.of(2, "mg/day")) == Flow.of(Fraction(1, 2), "mL/day")


def test_a_drug_that_is_not_in_it() -> None:
    with pytest.raises(KeyError, match="baclofen"):
        THREE.concentration("baclofen")


@pytest.mark.parametrize(
    ("ingredients", "words"),
    [
        ((), "a mixture needs at least one ingredient"),
        ((THREE.primary, THREE.primary), "a mixture names each drug once; found morphine, morphine"),
        ((Ingredient("morphine", Concentration.zero()),), "every concentration is more than zero"),
    ],
)
def test_what_is_no_mixture(ingredients: tuple[Ingredient, ...], words: str) -> None:
    with pytest.raises(ValueError, match=f"^{words}$"):
        Mixture(ingredients)
