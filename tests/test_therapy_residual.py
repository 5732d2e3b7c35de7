"""Gap rules: which fire, which cannot be judged, the causes, the trend; and that no outcome says all is well."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.therapy_builders import HERE, ml

from thecal.quantities import Volume
from thecal.therapy.published import Direction, GapRule, Measure, published
from thecal.therapy.residual import (
    LESS_LEFT,
    MORE_LEFT,
    Cause,
    Judged,
    RuleOutcome,
    Side,
    Trend,
    Verdict,
    Visit,
    causes,
    gap_report,
    judge,
    side_of,
    trend,
)

HALF = Fraction(1, 2)
RULES = published().gap_rules


def visit(
    filled: str | None = None,
    programmed: str | None = None,
    aspirated: str | None = None,
    *,
    injected: str | None = None,
    measured: str | None = None,
    reservoir: str = "20",
) -> Visit:
    amounts = [None if x is None else ml(x) for x in (filled, programmed, aspirated, injected, measured)]
    return Visit(ml(reservoir), *amounts)


def rule(
    measure: Measure, more_than: Volume | Fraction, direction: Direction = Direction.EITHER, size: str | None = None
) -> GapRule:
    return GapRule("r", measure, more_than, direction, HERE, None if size is None else ml(size))


@pytest.mark.requirement("OP-6.8.2")
def test_what_a_visit_says() -> None:
    seen = visit("20", "7", "11.5", injected="18", measured="16.5")
    assert seen.expected == ml("13")
    assert seen.difference == ml("1.5")
    assert seen.share == Fraction(3, 26)
    assert seen.over_programmed == Fraction(3, 14)
    assert seen.after_refill == ml("1.5")
    less = visit("20", "8", "14", injected="16", measured="17")
    assert less.difference == ml("12") - ml("14")
    assert less.over_programmed == Fraction(-1, 4)
    assert less.after_refill == ml("16") - ml("17")


@pytest.mark.parametrize("seen", [visit(None, "7", "11"), visit("20", None, "11"), visit("20", "7", None), visit()])
def test_what_is_missing_stays_unknown(seen: Visit) -> None:
    assert seen.difference is None
    assert seen.share is None
    assert seen.over_programmed is None
    assert seen.after_refill is None


def test_parts_of_nothing_are_unknown() -> None:
    dry = visit("20", "20", "0")
    assert dry.difference == ml("0")
    assert dry.share is None
    assert visit("20", "0", "20").over_programmed is None
    assert visit(injected="18").after_refill is None
    assert visit(measured="18").after_refill is None


@pytest.mark.parametrize(
    ("aspirated", "outcome"),
    [
        ("11", RuleOutcome.NOT_FIRED),
        ("10.9", RuleOutcome.FIRED),
        ("15", RuleOutcome.NOT_FIRED),
        ("15.1", RuleOutcome.FIRED),
    ],
)
@pytest.mark.requirement("OP-6.1.1", "OP-6.1.3")
def test_a_rule_fires_above_its_bound_on_either_side(aspirated: str, outcome: RuleOutcome) -> None:
    seen = visit("20", "7", aspirated)
    found = judge(rule(Measure.RESIDUAL, ml("2")), seen)
    assert found == Judged(found.rule, outcome, seen.difference, "")


@pytest.mark.parametrize(
    ("aspirated", "either", "over"),
    [
        ("8.55", RuleOutcome.NOT_FIRED, RuleOutcome.NOT_FIRED),
        ("8.54", RuleOutcome.FIRED, RuleOutcome.FIRED),
        ("11.45", RuleOutcome.NOT_FIRED, RuleOutcome.NOT_FIRED),
        ("11.46", RuleOutcome.FIRED, RuleOutcome.NOT_FIRED),
    ],
)
def test_accuracy_rules(aspirated: str, either: RuleOutcome, over: RuleOutcome) -> None:
    seen = visit("20", "10", aspirated)
    bound = Fraction(145, 1000)
    assert judge(rule(Measure.DELIVERED, bound), seen).outcome is either
    assert judge(rule(Measure.DELIVERED, bound, Direction.OVER), seen).outcome is over


def test_the_other_measures() -> None:
    seen = visit("20", "10", "8", injected="18", measured="16.9")
    predicted = judge(rule(Measure.PREDICTED, Fraction(1, 5)), seen)
    assert (predicted.outcome, predicted.observed) == (RuleOutcome.NOT_FIRED, Fraction(1, 5))
    assert judge(rule(Measure.PREDICTED, Fraction(19, 100)), seen).outcome is RuleOutcome.FIRED
    after = judge(rule(Measure.AFTER_REFILL, ml("1"), size="20"), seen)
    assert (after.outcome, after.observed) == (RuleOutcome.FIRED, ml("1.1"))


def test_what_cannot_be_judged_says_why() -> None:
    other = judge(rule(Measure.RESIDUAL, ml("2"), size="40"), visit("20", "7", "1"))
    assert other.outcome is RuleOutcome.NOT_JUDGED
    assert other.why == "published for a 40 mL reservoir; this one holds 20 mL"
    assert other.observed is None
    missing = judge(rule(Measure.AFTER_REFILL, ml("2")), visit("20", "7", "1"))
    assert missing.outcome is RuleOutcome.NOT_JUDGED
    assert missing.why == "a volume for the measure 'after refill' is missing"


@pytest.mark.requirement("IT-19")
def test_no_verdict_says_that_all_is_well() -> None:
    assert {v.name for v in Verdict} == {"FIRED", "UNPROVEN", "NOT_JUDGED"}
    assert {o.name for o in RuleOutcome} == {"FIRED", "NOT_FIRED", "NOT_JUDGED"}
    for verdict in (Verdict.UNPROVEN, Verdict.NOT_JUDGED):
        assert "volume alone" in verdict


@pytest.mark.requirement("IT-22")
def test_thirteen_expected_and_eleven_and_a_half_found() -> None:
    found = gap_report(visit("20", "7", "11.5"), RULES, HALF)
    assert [r.code for r in found.fired] == [
        "asra-2017-accuracy",
        "manufacturer-overinfusion",
        "maino-2017-20-residual",
    ]
    assert found.verdict is Verdict.FIRED
    assert found.causes[0] is Cause.POCKET_FILL
    outcomes = {j.rule.code: j.outcome for j in found.judged}
    assert outcomes["asra-2017-volume"] is RuleOutcome.NOT_FIRED
    assert outcomes["maino-2017-20"] is RuleOutcome.NOT_JUDGED
    assert outcomes["maino-2017-40"] is RuleOutcome.NOT_JUDGED
    assert len(found.judged) == len(RULES)


@pytest.mark.requirement("IT-22")
def test_an_exact_residual_is_still_unproven() -> None:
    seen = visit("20", "7", "13")
    rules = [r for r in RULES if r.measure is Measure.RESIDUAL and r.reservoir is None]
    found = gap_report(seen, rules, HALF)
    assert found.visit is seen
    assert found.verdict is Verdict.UNPROVEN
    assert found.fired == ()
    assert found.causes[0] is Cause.POCKET_FILL
    assert gap_report(seen, RULES, HALF).verdict is Verdict.NOT_JUDGED
    assert gap_report(seen, (), HALF).verdict is Verdict.NOT_JUDGED
    assert gap_report(visit(), RULES, HALF).verdict is Verdict.NOT_JUDGED


@pytest.mark.requirement("OP-6.1.3", "FD-3.6")
def test_causes_by_direction() -> None:
    assert causes(visit("20", "7", "13"), HALF) == LESS_LEFT
    assert causes(visit("20", "7", "6.5"), HALF) == LESS_LEFT
    early = causes(visit("20", "7", "6.4"), HALF)
    assert early[:2] == (Cause.WRONG_VOLUME, Cause.POCKET_FILL)
    assert sorted(early) == sorted(LESS_LEFT)
    assert causes(visit("20", "7", "13.1"), HALF) == MORE_LEFT
    assert causes(visit("20", "20", "0"), HALF) == LESS_LEFT
    unknown = causes(visit(), HALF)
    assert set(unknown) == set(Cause)
    assert len(unknown) == len(Cause)
    assert unknown[0] is Cause.POCKET_FILL


@pytest.mark.requirement("HZ-8.1")
def test_a_wrong_volume_comes_first_when_forty_was_typed_for_twenty() -> None:
    # 40 typed, 20 filled, 20 mL programmed since: 20 expected, none found.
    found = gap_report(visit("40", "20", "0", reservoir="40"), RULES, published().early_depletion.ratio)
    assert found.causes[0] is Cause.WRONG_VOLUME


@given(
    st.one_of(st.none(), st.integers(0, 40)),
    st.one_of(st.none(), st.integers(0, 40)),
    st.one_of(st.none(), st.integers(0, 40)),
)
@pytest.mark.requirement("FD-3.6", "IT-19")
def test_pocket_fill_is_always_among_the_causes(filled: int | None, programmed: int | None, found: int | None) -> None:
    texts = [None if x is None else str(x) for x in (filled, programmed, found)]
    report = gap_report(visit(*texts), RULES, HALF)
    assert Cause.POCKET_FILL in report.causes
    fired = any(j.outcome is RuleOutcome.FIRED for j in report.judged)
    assert (report.verdict is Verdict.FIRED) == fired == bool(report.fired)


def gaps(*texts: str) -> list[Volume]:
    return [Volume.zero() - ml(t[1:]) if t.startswith("-") else ml(t) for t in texts]


@pytest.mark.parametrize(
    ("seen", "side", "run", "repeated"),
    [
        (["1"], Side.LESS_LEFT, 1, False),
        (["1", "2"], Side.LESS_LEFT, 2, True),
        (["-1", "2"], Side.LESS_LEFT, 1, False),
        (["2", "-3", "-1", "-0.5"], Side.MORE_LEFT, 3, True),
        (["-1", "0", "-1"], Side.MORE_LEFT, 1, False),
        (["1", "0", "0"], Side.EXACT, 2, False),
    ],
)
@pytest.mark.requirement("IT-22")
def test_trend(seen: list[str], side: Side, run: int, repeated: bool) -> None:
    assert trend(gaps(*seen), 2) == Trend(tuple(gaps(*seen)), side, run, repeated)


def test_a_trend_shows_the_last_six_and_counts_all() -> None:
    seen = gaps("1", "2", "3", "4", "5", "6", "7", "8")
    found = trend(seen, 9)
    assert found.gaps == tuple(seen[2:])
    assert (found.run, found.repeated) == (8, False)
    assert trend(seen, 8).repeated


def test_a_trend_needs_a_visit() -> None:
    with pytest.raises(ValueError, match="at least one visit"):
        trend([], 2)
    assert side_of(ml("0")) is Side.EXACT
