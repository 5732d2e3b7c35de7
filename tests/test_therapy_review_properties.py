"""Properties of the review: it never raises, more drug never removes a limit that was met, both sides agree."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.therapy_builders import bases, boluses
from tests.therapy_review_orders import CATHETER, CLEAN, FILL, PUMP, known, reviewed

from thecal.quantities import Concentration, DoseRate, Duration, Flow, Mass, Volume
from thecal.therapy.envelope import Can, Envelope
from thecal.therapy.mixture import Ingredient, Mixture
from thecal.therapy.order import Fill, Indication, Order, Patient, Previous
from thecal.therapy.program import (
    BridgeBolus,
    Ceiling,
    Continuous,
    FailSafe,
    FaultClass,
    MinimumRate,
    PrimingBolus,
    Program,
    Response,
    SingleBolus,
    Stopped,
)
from thecal.therapy.review import Code

if TYPE_CHECKING:
    from thecal.therapy.review import Finding

# A search through many lives: its lines are counted by the tests of each part, and counting them here doubles its time.
pytestmark = pytest.mark.no_cover

UPPER = frozenset(
    {
        Code.DAILY_DOSE_ABOVE,
        Code.DAILY_DOSE_ABOVE_WITH_BOLUSES,
        Code.START_DOSE_ABOVE,
        Code.BOLUS_ABOVE_TRIAL,
        Code.CEILING_BELOW_PROGRAM,
        Code.CHANGE_UP,
        Code.CHANGE_UP_WITH_BOLUSES,
    }
)
MORE = UPPER | {
    Code.CONCENTRATION_ABOVE,
    Code.CEILING_ABOVE_LIMIT,
    Code.CEILINGS_REVERSED,
    Code.CEILING_TWICE,
    Code.CHANGE_DOWN,
    Code.WITHDRAWAL_RISK,
    Code.STABILITY_EXCEEDED,
    Code.BRIDGE_DOSE,
    Code.PRIMING_ABOVE_DEAD_VOLUME,
    Code.BOLUS_FLOW_ABOVE_MAXIMUM,
    Code.TOO_MANY_STEPS,
    Code.DOSE_QUANTIZED,
    Code.FALLBACK_ABOVE_BASE,
    Code.HOURLY_FOR_DAILY,
}
LESS = frozenset(
    {
        Code.DAILY_DOSE_BELOW,
        Code.DAILY_DOSE_TENFOLD_LOW,
        Code.CONCENTRATION_BELOW,
        Code.BOLUS_UNDER_STROKE,
        Code.LOW_LEVEL_LOW,
        Code.SYRINGE_NOT_EMPTIED,
        Code.AGE_BELOW_LABEL,
    }
)

maybe = st.one_of(st.none(), st.booleans())
names = st.sampled_from([*sorted(known().drugs), "xqzzy"])
small = st.fractions(min_value=0, max_value=40, max_denominator=1000)


masses = small.map(lambda n: Mass.of(n, "mg"))
volumes = small.map(lambda n: Volume.of(n, "mL"))
rates = small.map(lambda n: DoseRate.of(n, "mg/day"))
flows = small.map(lambda n: Flow.of(n, "mL/day"))
times = st.integers(0, 10**6).map(lambda n: Duration.of(n, "s"))
words = st.lists(st.sampled_from(["lorazepam", "infection", "maoi-14-days", "odd"]), max_size=2).map(tuple)


@st.composite
def mixtures(draw: st.DrawFn) -> Mixture:
    drugs = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    strengths = st.fractions(min_value=Fraction(1, 1000), max_value=60, max_denominator=1000)
    held = tuple(Ingredient(d, Concentration.of(draw(strengths), "mg/mL")) for d in drugs)
    beyond = draw(st.one_of(st.none(), st.dates(date(2026, 1, 1), date(2026, 12, 31))))
    return Mixture(held, draw(maybe), draw(maybe), None, beyond)


@st.composite
def programs(draw: st.DrawFn, mixture: Mixture) -> Program:
    base = draw(st.one_of(bases(), st.just(Stopped()), st.just(MinimumRate())))
    ceilings = st.builds(Ceiling, st.sampled_from([*mixture.drugs, "morphine"]), masses, masses)
    responses = st.dictionaries(st.sampled_from(FaultClass), st.sampled_from(Response))
    fail_safe = st.builds(FailSafe, responses, st.one_of(st.none(), rates), st.sampled_from([None, "", "why"]))
    return Program(
        base,
        draw(st.one_of(st.none(), boluses())),
        tuple(draw(st.lists(st.builds(SingleBolus, masses, times), max_size=2))),
        draw(st.one_of(st.none(), st.builds(PrimingBolus, volumes))),
        draw(st.one_of(st.none(), st.builds(BridgeBolus, volumes, rates))),
        tuple(draw(st.lists(ceilings, max_size=3))),
        draw(st.one_of(st.none(), fail_safe)),
        draw(st.one_of(st.none(), volumes)),
    )


@st.composite
def pumps(draw: st.DrawFn) -> Envelope:
    return replace(
        PUMP,
        can=draw(st.frozensets(st.sampled_from(Can))),
        approved=draw(st.frozensets(names, max_size=3)),
        flow_min=draw(flows),
        flow_max=draw(flows.filter(bool)),  # a pump that can give nothing at all is no pump
        minimum_rate=draw(st.one_of(st.none(), flows)),
        fixed_flow=draw(st.one_of(st.none(), flows.filter(bool))),
        stroke=draw(st.one_of(st.none(), volumes)),
        steps_per_day=draw(st.integers(0, 5)),
        low_level=draw(volumes),
        unverified=draw(st.frozensets(st.sampled_from(["stroke", "can", "flow_max"]))),
        youngest_years=draw(st.sampled_from([(), (("morphine", 22), ("baclofen", 12))])),
        no_patient_bolus_of=draw(st.frozensets(names, max_size=1)),
    )


patients = st.builds(
    Patient,
    st.just("test"),
    st.one_of(st.none(), st.sampled_from(Indication)),
    maybe,
    st.one_of(st.none(), words),
    maybe,
    st.one_of(st.none(), words),
    st.one_of(st.none(), words),
    st.one_of(st.none(), st.integers(0, 120)),
)
fills = st.builds(
    Fill,
    volumes,
    st.one_of(st.none(), volumes),
    st.one_of(st.none(), volumes),
    st.one_of(st.none(), st.just(date(2026, 6, 1))),
)


@st.composite
def orders(draw: st.DrawFn) -> Order:
    """Any order whose parts are well typed, sensible or not."""
    mixture, old = draw(mixtures()), draw(mixtures())
    old = draw(st.sampled_from([mixture, old]))
    before = st.builds(Previous, st.just(old), programs(old), st.one_of(st.none(), times), st.one_of(st.none(), masses))
    return Order(
        draw(patients),
        draw(pumps()),
        draw(st.sampled_from([None, CATHETER])),
        mixture,
        draw(programs(mixture)),
        draw(st.one_of(st.none(), fills)),
        draw(st.one_of(st.none(), before)),
        draw(maybe),
    )


@given(orders())
def test_no_well_typed_order_makes_the_review_raise(order: Order) -> None:
    result = reviewed(order)
    assert reviewed(order) == result
    assert result.as_json()["stops"] is result.stops
    for finding in result.findings:
        assert finding.what
        assert finding.found.text
        assert finding.allowed.text
        assert finding.next_step
        assert finding.authority
        assert finding.edition
        assert finding.source.text
        assert finding.text == f"{finding.message}; next: {finding.next_step}"
        _both_sides_agree(finding)


def _both_sides_agree(finding: Finding) -> None:
    """Where both sides are numbers of one unit, they differ in the direction that the finding says, in print too."""
    found, allowed = finding.found, finding.allowed
    if found.exact is None or allowed.exact is None:
        return
    assert found.unit == allowed.unit
    if finding.code in MORE:
        assert found.exact > allowed.exact, finding
    if finding.code in LESS:
        assert found.exact < allowed.exact, finding


def _met(order: Order, codes: frozenset[Code]) -> set[tuple[str, str, str, str]]:
    return {(f.key, f.authority, f.edition, f.allowed.text) for f in reviewed(order).findings if f.code in codes}


@given(
    st.sampled_from(sorted(known().drugs)),
    st.fractions(min_value=Fraction(1, 1000), max_value=40, max_denominator=1000),
    st.fractions(min_value=1, max_value=30, max_denominator=100),
    patients,
    st.booleans(),
)
def test_more_drug_never_removes_an_upper_limit_that_was_met(
    code: str, dose: Fraction, factor: Fraction, patient: Patient, fresh: bool
) -> None:
    """Base, boluses and ceilings' needs rise together; a limit that was met stays met."""

    def order(scale: Fraction) -> Order:
        def program(times: Fraction) -> Program:
            bolus = SingleBolus(Mass.of(dose * times / 5, "mg"), Duration.of(1, "h"))
            ceiling = Ceiling(code, Mass.of(3, "mg"), Mass.of(20, "mg"))
            return Program(
                Continuous(DoseRate.of(dose * times, "mg/day")), single_boluses=(bolus,), ceilings=(ceiling,)
            )

        held = Mixture((Ingredient(code, Concentration.of(1, "mg/mL")),))
        previous = None if fresh else Previous(held, program(Fraction(1, 2)), Duration.zero())
        return Order(patient, PUMP, CATHETER, held, program(scale), FILL, previous, first_fill=False)

    less, more = order(Fraction(1)), order(factor)
    # What is allowed is printed with as many digits as it takes, so the exact bound is compared and not its words.
    assert {(k, a, e) for k, a, e, _ in _met(less, UPPER)} <= {(k, a, e) for k, a, e, _ in _met(more, UPPER)}


@given(orders())
@pytest.mark.requirement("OP-6.5.10")
def test_no_reason_carries_an_order_past_a_hard_finding(order: Order) -> None:
    reasons = {str(code): "because" for code in Code}
    result = reviewed(replace(order, program=replace(order.program, reasons=reasons)))
    assert result.unreasoned == ()
    assert result.stops is bool(result.hard)
    assert all(f.reason is None for f in result.hard)


@given(orders())
@pytest.mark.requirement("P8")
def test_facts_that_are_missing_are_never_filled_in(order: Order) -> None:
    """Nobody has said anything: every question that this mixture raises is asked."""
    silent = replace(order, patient=Patient("test"), mixture=replace(order.mixture, preservative_free=None))
    codes = {f.code for f in reviewed(silent).findings}
    assert {Code.CONTRAINDICATIONS_UNKNOWN, Code.INDICATION_UNKNOWN, Code.PRESERVATIVE_UNKNOWN} <= codes
    opioid = any(d in known().drugs and known().drugs[d].drug_class.is_opioid for d in order.mixture.drugs)
    asked = {Code.OPIOID_NAIVE_UNKNOWN, Code.SEDATIVES_UNKNOWN, Code.SLEEP_APNEA_UNKNOWN, Code.SYSTEMIC_OPIOIDS_UNKNOWN}
    assert (codes & asked) == (asked if opioid else set())


@given(orders())
@pytest.mark.requirement("P8", "UM-53")
def test_every_ingredient_without_a_ceiling_stops(order: Order) -> None:
    result = reviewed(replace(order, program=replace(order.program, ceilings=())))
    assert {f.drug for f in result.of(Code.CEILING_MISSING)} == set(order.mixture.drugs)
    assert result.stops


def test_a_clean_order_is_among_them() -> None:
    assert reviewed(CLEAN).findings == ()
