"""Fill volume against syringe, model and room; partial fills; mixing; the drug at risk."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from tests.therapy_builders import (
    MORPHINE,
    PUMP,
    PUMP_40,
    TRIPLE,
    mg,
    mixture,
    ml,
    not_negative,
    positive,
    refused,
    strength,
)

from thecal.quantities import Volume
from thecal.therapy.mixture import Mixture
from thecal.therapy.refusal import Code
from thecal.therapy.reservoir import (
    DrugMass,
    FillAccepted,
    FillRefused,
    PartialFill,
    check_fill,
    drug_in,
    mixed,
    partial_fill,
)

if TYPE_CHECKING:
    from thecal.therapy.envelope import Envelope


def test_drug_at_risk() -> None:
    assert drug_in(ml("13"), mixture(hydromorphone="1")) == (DrugMass("hydromorphone", mg("13")),)
    assert [d.mass for d in drug_in(ml("2"), TRIPLE)] == [mg("20"), mg("15"), mg("0.3")]


def test_a_fill_that_fits() -> None:
    found = check_fill(ml("18"), ml("20"), PUMP, ml("1.5"))
    assert found == FillAccepted(ml("18"), ml("19.5"), ml("0.5"), ml("2"))
    assert isinstance(check_fill(ml("20"), ml("20"), PUMP, ml("0")), FillAccepted)
    assert isinstance(check_fill(ml("18.5"), ml("20"), PUMP, ml("1.5")), FillAccepted)


def codes(typed: str, dispensed: str | None, left: str | None, pump: Envelope = PUMP) -> list[Code]:
    found = check_fill(
        ml(typed),
        None if dispensed is None else ml(dispensed),
        pump,
        None if left is None else ml(left),
    )
    assert isinstance(found, FillRefused)
    for refusal in found.refusals:
        refused(refusal, refusal.code)
    return [r.code for r in found.refusals]


@pytest.mark.requirement("HZ-8.1", "FD-10.1")
def test_forty_typed_when_twenty_was_dispensed_names_both() -> None:
    found = check_fill(ml("40"), ml("20"), PUMP, ml("0"))
    assert isinstance(found, FillRefused)
    syringe, model = found.refusals
    assert syringe.code is Code.MORE_THAN_DISPENSED
    assert syringe.found == "40 mL typed when 20 mL was dispensed"
    assert syringe.allowed == "at most 20 mL"
    assert model.code is Code.MORE_THAN_RESERVOIR
    assert model.found == "40 mL typed for Test 20, which holds 20 mL"
    assert model.allowed == "at most 20 mL"
    assert model.then == "check the model of the pump and the volume"
    assert codes("40", "20", "0", PUMP_40) == [Code.MORE_THAN_DISPENSED]


def test_room_left_after_aspiration() -> None:
    found = check_fill(ml("19"), ml("20"), PUMP, ml("1.5"))
    assert isinstance(found, FillRefused)
    (room,) = found.refusals
    assert room.code is Code.NO_ROOM
    assert room.found == "19 mL typed with 1.5 mL left in a reservoir of 20 mL"
    assert room.allowed == "at most 18.5 mL"
    over = check_fill(ml("1"), ml("20"), PUMP, ml("21"))
    assert isinstance(over, FillRefused)
    assert over.refusals[0].allowed == "at most 0 mL"


def test_nothing_typed_and_nothing_known() -> None:
    assert codes("0", "20", "0") == [Code.NOT_POSITIVE]
    assert codes("18", None, "0") == [Code.UNKNOWN]
    assert codes("18", "20", None) == [Code.UNKNOWN]
    assert codes("40", None, None) == [Code.UNKNOWN, Code.MORE_THAN_RESERVOIR]
    assert codes("18", None, "3") == [Code.UNKNOWN, Code.NO_ROOM]


@pytest.mark.parametrize(
    ("dispensed", "left", "what"),
    [(None, "0", "the volume dispensed"), ("20", None, "the volume left in the reservoir")],
)
@pytest.mark.requirement("P8")
def test_what_is_missing_is_named(dispensed: str | None, left: str | None, what: str) -> None:
    found = check_fill(ml("18"), None if dispensed is None else ml(dispensed), PUMP, None if left is None else ml(left))
    assert isinstance(found, FillRefused)
    assert found.refusals[0].found == f"no entry for {what}"
    assert found.refusals[0].then == f"measure and enter {what}"


def test_partial_fill() -> None:
    assert partial_fill(ml("18"), ml("9"), ml("1")) == PartialFill(ml("18"), ml("9"), ml("9"), ml("10"))
    assert isinstance(partial_fill(ml("18"), ml("18"), ml("0")), PartialFill)
    assert isinstance(partial_fill(ml("18"), ml("0"), ml("0")), PartialFill)
    found = refused(partial_fill(ml("18"), ml("18.1"), ml("0")), Code.MORE_THAN_DISPENSED)
    assert found.found == "18.1 mL injected of 18 mL"
    refused(partial_fill(ml("18"), ml("0") - ml("1"), ml("0")), Code.MORE_THAN_DISPENSED)


def test_a_fill_on_top_of_a_remainder() -> None:
    new = Mixture(
        mixture(hydromorphone="2", bupivacaine="10").ingredients, diluent="saline", beyond_use=date(2026, 9, 1)
    )
    found = mixed(ml("2"), TRIPLE, ml("18"), new)
    assert found.drugs == ("hydromorphone", "bupivacaine", "morphine", "clonidine")
    assert found.concentration("hydromorphone") == strength("1.8")
    assert found.concentration("bupivacaine") == strength("9.75")
    assert found.concentration("morphine") == strength("1")
    assert found.concentration("clonidine") == strength("0.015")
    assert found.diluent == "saline"
    assert mixed(ml("0"), TRIPLE, ml("18"), new) is new


@given(not_negative, positive)
def test_mixing_keeps_every_drug(left: Fraction, filled: Fraction) -> None:
    a, b = Volume.of(left, "mL"), Volume.of(filled, "mL")
    new = mixture(hydromorphone="2", morphine="5")
    after = mixed(a, TRIPLE, b, new)
    for drug in after.drugs:
        before = [drug_in(v, m) for v, m in ((a, TRIPLE), (b, new))]
        total = sum((d.mass.value for found in before for d in found if d.drug == drug), start=Fraction(0))
        assert (after.concentration(drug) * (a + b)).value == total
    assert MORPHINE.drugs == ("morphine",)
