"""The first fill of a drug that a new pump takes up, and the times of later fills."""

from __future__ import annotations

from datetime import date

import pytest
from tests.therapy_builders import HERE, ml, refused

from thecal.formulary.drug import FirstFill
from thecal.formulary.limits import LimitKind
from thecal.formulary.reading import load
from thecal.formulary.stability import FillCondition, Outcome, Stability
from thecal.quantities import Concentration, Mass, Volume
from thecal.therapy.first_fill import FirstFillPlan, days_by_dilution, plan_first_fill
from thecal.therapy.refusal import Code

UNDILUTED = Concentration.parse("25 mcg/mL")
RULE = FirstFill(rinses=3, rinse=ml("2"), concentration=UNDILUTED, days=14, source=HERE)
ON = date(2026, 8, 17)


def test_three_rinses_and_fourteen_days() -> None:
    found = plan_first_fill(ml("14"), UNDILUTED, ml("20"), ON, RULE)
    assert found == FirstFillPlan(3, ml("2"), ml("14"), Mass.parse("350 mcg"), date(2026, 8, 31))
    assert isinstance(found, FirstFillPlan)
    assert found.drawn == ml("20")
    assert isinstance(plan_first_fill(ml("0.5"), UNDILUTED, ml("20"), ON, RULE), FirstFillPlan)
    assert isinstance(plan_first_fill(ml("20"), UNDILUTED, ml("20"), ON, RULE), FirstFillPlan)


@pytest.mark.parametrize("entered", [None, Volume.zero()])
def test_the_volume_is_never_assumed(entered: Volume | None) -> None:
    found = refused(plan_first_fill(entered, UNDILUTED, ml("20"), ON, RULE), Code.UNKNOWN)
    assert found.allowed == "the volume that goes in after 3 rinses of 2 mL"


def test_a_first_fill_is_undiluted_and_fits() -> None:
    weak = refused(plan_first_fill(ml("14"), Concentration.parse("20 mcg/mL"), ml("20"), ON, RULE), Code.DILUTED)
    assert weak.found == "a first fill at 20 mcg/mL"
    assert weak.allowed == "25 mcg/mL, undiluted, by test"
    much = refused(plan_first_fill(ml("20.1"), UNDILUTED, ml("20"), ON, RULE), Code.MORE_THAN_RESERVOIR)
    assert much.found == "20.1 mL for a reservoir of 20 mL"
    assert much.allowed == "at most 20 mL"


def fact(condition: FillCondition, days: int | None) -> Stability:
    return Stability(
        drugs=frozenset({"ziconotide"}),
        kind=LimitKind.LABEL,
        outcome=Outcome.STABLE,
        days=days,
        source=HERE,
        condition=condition,
    )


FACTS = (
    fact(FillCondition.FIRST_FILL, 14),
    fact(FillCondition.UNDILUTED, 90),
    fact(FillCondition.UNDILUTED, 84),
    fact(FillCondition.DILUTED, 40),
    fact(FillCondition.DILUTED, None),
)


def test_later_fills_by_dilution() -> None:
    assert days_by_dilution(UNDILUTED, UNDILUTED, FACTS) == 84
    assert days_by_dilution(Concentration.parse("100 mcg/mL"), UNDILUTED, FACTS) == 84
    assert days_by_dilution(Concentration.parse("24.9 mcg/mL"), UNDILUTED, FACTS) == 40
    found = refused(days_by_dilution(UNDILUTED, UNDILUTED, FACTS[:1]), Code.UNKNOWN)
    assert found.found == "no time for a 'refill, undiluted'"


def test_with_the_formulary() -> None:
    drug = load().drug("ziconotide")
    assert drug.first_fill is not None
    found = plan_first_fill(ml("14"), drug.first_fill.concentration, ml("20"), ON, drug.first_fill)
    assert isinstance(found, FirstFillPlan)
    assert (found.drawn, found.refill_by) == (ml("20"), date(2026, 8, 31))
    facts = load().stability(["ziconotide"])
    assert days_by_dilution(drug.first_fill.concentration, UNDILUTED, facts) == 84
    assert days_by_dilution(Concentration.parse("5 mcg/mL"), UNDILUTED, facts) == 40
