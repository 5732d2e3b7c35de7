"""Restart after a gap: hours at the tip, tolerance by class, never the previous dose."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.therapy_builders import HERE, MONDAY, flow, ml, per_day, refused, time

from thecal.formulary.drug import DrugClass
from thecal.quantities import DoseRate, Duration
from thecal.therapy.published import ToleranceRule, published
from thecal.therapy.refusal import Code
from thecal.therapy.restart import (
    DrugTolerance,
    FirstDose,
    Line,
    Restart,
    Tolerance,
    check_first_dose,
    gap_at_tip,
    restart,
)

OPIOID = ToleranceRule(DrugClass.OPIOID_HYDROPHILIC, time("24 h"), HERE)
RULES = {OPIOID.drug_class: OPIOID}


def test_hours_without_drug_at_the_tip() -> None:
    back = MONDAY + timedelta(days=2, hours=3, seconds=30, microseconds=500_000)
    still = Duration.of(183_630, "s") + Duration.of(1, "s") / 2
    assert gap_at_tip(MONDAY, back, Line.DRUG, ml("0.3"), flow("0")) == still
    assert gap_at_tip(MONDAY, back, Line.NO_DRUG, ml("0.3"), flow("0.6")) == still + time("12 h")
    assert gap_at_tip(MONDAY, MONDAY, Line.DRUG, ml("0.3"), flow("0")) == time("0 h")


def test_a_gap_that_cannot_be() -> None:
    early = MONDAY - timedelta(minutes=1)
    found = refused(gap_at_tip(MONDAY, early, Line.DRUG, ml("0.3"), flow("1")), Code.OUT_OF_ORDER)
    assert found.found == "a restart at 16 Aug 2026 23:59:00 before the stop at 17 Aug 2026 00:00:00"
    refused(gap_at_tip(MONDAY, MONDAY, Line.NO_DRUG, ml("0.3"), flow("0")), Code.NEVER)


@pytest.mark.parametrize(
    ("gap", "state"), [("23.9 h", Tolerance.NOT_PROVEN), ("24 h", Tolerance.LOST), ("60 days", Tolerance.LOST)]
)
def test_tolerance_by_hours(gap: str, state: Tolerance) -> None:
    found = restart(time(gap), {"morphine": DrugClass.OPIOID_HYDROPHILIC}, RULES)
    assert found == Restart(time(gap), (DrugTolerance("morphine", state, OPIOID),))
    assert found.from_empty is (state is Tolerance.LOST)


@pytest.mark.parametrize("kind", [None, DrugClass.LOCAL_ANESTHETIC])
def test_a_drug_without_a_rule_is_unknown_and_counts_as_lost(kind: DrugClass | None) -> None:
    found = restart(time("1 h"), {"morphine": DrugClass.OPIOID_HYDROPHILIC, "other": kind}, RULES)
    assert found.drugs[1] == DrugTolerance("other", Tolerance.UNKNOWN, None)
    assert found.from_empty


def test_no_outcome_says_that_tolerance_is_kept() -> None:
    assert {t.name for t in Tolerance} == {"LOST", "NOT_PROVEN", "UNKNOWN"}


def test_the_rules_that_come_along_are_not_verified() -> None:
    rules = published().tolerance
    assert rules[DrugClass.OPIOID_HYDROPHILIC].after == time("24 h")
    assert rules[DrugClass.GABA_B_AGONIST].after == time("24 h")
    assert rules[DrugClass.ALPHA_2_AGONIST].after == time("48 h")
    assert not any(rule.source.verified for rule in rules.values())


LOST = restart(time("60 days"), {"morphine": DrugClass.OPIOID_HYDROPHILIC}, RULES)
SHORT = restart(time("1 h"), {"morphine": DrugClass.OPIOID_HYDROPHILIC}, RULES)


def test_the_previous_dose_is_refused_after_a_gap() -> None:
    found = refused(check_first_dose(LOST, per_day("2"), per_day("2"), "pain"), Code.PREVIOUS_DOSE)
    assert found.found == "2 mg/day after 1,440 h without drug, where 2 mg/day ran before"
    assert found.allowed == "less than 2 mg/day, planned from zero"
    refused(check_first_dose(LOST, per_day("2.1"), per_day("2"), "pain"), Code.PREVIOUS_DOSE)
    assert check_first_dose(LOST, per_day("0.2"), per_day("2"), "as naive") == FirstDose(per_day("0.2"), "as naive")
    mcg = check_first_dose(LOST, per_day("2"), per_day("2"), "pain", "mcg/day")
    assert refused(mcg, Code.PREVIOUS_DOSE).allowed == "less than 2,000 mcg/day, planned from zero"


def test_a_reason_is_always_asked_for() -> None:
    assert isinstance(check_first_dose(SHORT, per_day("2"), per_day("2"), "one hour in the scanner"), FirstDose)
    for empty in ("", "  "):
        refused(check_first_dose(SHORT, per_day("2"), per_day("2"), empty), Code.UNKNOWN)
        refused(check_first_dose(LOST, per_day("0.2"), per_day("2"), empty), Code.UNKNOWN)


@given(st.integers(0, 100_000))
@pytest.mark.requirement("HZ-5.11")
def test_a_plan_begins_at_nothing(hours: int) -> None:
    found = restart(Duration.of(hours, "h"), {"morphine": DrugClass.OPIOID_HYDROPHILIC}, RULES)
    assert found.begins_at == DoseRate.zero()
    assert found.from_empty is (hours >= 24)
