"""The bridge by plug flow, its checks, and what leaves the tip in time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.therapy_builders import (
    MONDAY,
    MORPHINE,
    PUMP,
    SAME_EVERY_DAY,
    TRIPLE,
    bases,
    flow,
    mg,
    mixture,
    ml,
    per_day,
    positive,
    refused,
    strength,
    time,
)

from thecal.quantities import DoseRate, Duration, Flow, Mass, Volume
from thecal.therapy.bridge import (
    Arrival,
    AtTip,
    Bridge,
    DrugDose,
    Pumped,
    Slug,
    Timeline,
    bridge_between,
    check_bridge,
    check_flow,
    doses_at,
    front_arrives,
    plan_bridge,
    pumped_by,
    tip_timeline,
)
from thecal.therapy.line import BRIDGE_CAUTIONS
from thecal.therapy.mixture import Mixture
from thecal.therapy.pattern import Pattern, pattern_of, steady
from thecal.therapy.program import Continuous, MinimumRate, Program
from thecal.therapy.refusal import Code

if TYPE_CHECKING:
    from thecal.therapy.program import Base

NEW = mixture(morphine="20", bupivacaine="5")


def made(base: Base, mix: Mixture = MORPHINE) -> Pattern:
    pattern = pattern_of(base, mix, None)
    assert isinstance(pattern, Pattern)
    return pattern


@pytest.mark.requirement("IT-18")
def test_a_bridge_gives_the_old_mixture_at_the_old_dose() -> None:
    found = plan_bridge(ml("0.35"), TRIPLE, per_day("5"))
    assert isinstance(found, Bridge)
    assert found.flow == flow("0.5")
    assert found.duration == time("16.8 h")
    assert found.volume == ml("0.35")
    assert found.doses == (
        DrugDose("morphine", per_day("5")),
        DrugDose("bupivacaine", per_day("3.75")),
        DrugDose("clonidine", per_day("0.075")),
    )
    assert found.cautions == BRIDGE_CAUTIONS
    assert found.ends(MONDAY) == MONDAY + timedelta(hours=16, minutes=48)
    refused(plan_bridge(ml("0.35"), TRIPLE, per_day("0")), Code.NEVER)
    refused(replace(found, duration=time("99999999 days")).ends(MONDAY), Code.BEYOND_CALENDAR)


@given(positive, positive, positive)
def test_flow_times_old_concentration_is_the_dose(volume: Fraction, dose: Fraction, conc: Fraction) -> None:
    old = mixture(morphine="1", clonidine="0.3")
    old = Mixture(tuple(replace(i, concentration=i.concentration * conc) for i in old.ingredients))
    v, d = Volume.of(volume, "mL"), DoseRate.of(dose, "mg/day")
    found = plan_bridge(v, old, d)
    assert isinstance(found, Bridge)
    assert found.flow * old.primary.concentration == d
    assert found.flow * found.duration == v
    assert found.duration == v * old.primary.concentration / d
    assert check_bridge(v, found.duration, old.primary.concentration, d) == found.flow


@pytest.mark.parametrize(("dose", "allowed"), [("0.48", True), ("240", True)])
def test_a_bridge_within_the_pumps_flow(dose: str, allowed: bool) -> None:
    found = plan_bridge(ml("0.35"), MORPHINE, per_day(dose))
    assert isinstance(found, Bridge)
    assert (check_flow(found, PUMP) is found) is allowed


def test_a_bridge_outside_the_pumps_flow() -> None:
    slow, fast = (plan_bridge(ml("0.35"), MORPHINE, per_day(d)) for d in ("0.4", "250"))
    assert isinstance(slow, Bridge)
    assert isinstance(fast, Bridge)
    low = refused(check_flow(slow, PUMP), Code.BELOW_FLOOR)
    assert low.found == "a bridge at 0.04 mL/day"
    assert low.allowed == "0.048 mL/day to 24 mL/day"
    assert low.then == "state a higher dose for the bridge"
    high = refused(check_flow(fast, PUMP), Code.ABOVE_CEILING)
    assert high.then == "state a lower dose for the bridge"


def test_a_stated_bridge_that_does_not_add_up_names_both() -> None:
    # 0.16 mL in 6 h at 10 mg/mL gives 6.4 mg/day where 5 mg/day is intended: 7.68 h are needed.
    found = refused(check_bridge(ml("0.16"), time("6 h"), strength("10"), per_day("5")), Code.BRIDGE_INCONSISTENT)
    assert found.found == "0.16 mL in 6 h, which gives 6.4 mg/day where 5 mg/day is intended"
    assert found.allowed == "7.68 h for 0.16 mL at 5 mg/day"
    assert check_bridge(ml("0.16"), time("7.68 h"), strength("10"), per_day("5")) == flow("0.5")
    right = time("7.68 h")
    one, more = Duration.of(1, "s"), Duration.of(Fraction(1001, 1000), "s")
    for off in (one, -one):
        assert check_bridge(ml("0.16"), right + off, strength("10"), per_day("5")) == flow("0.5")
    for off in (more, -more):
        refused(check_bridge(ml("0.16"), right + off, strength("10"), per_day("5")), Code.BRIDGE_INCONSISTENT)


def test_a_bridge_without_dose_or_duration_is_refused() -> None:
    refused(check_bridge(ml("0.16"), time("6 h"), strength("10"), per_day("0")), Code.NEVER)
    found = refused(check_bridge(ml("0.16"), time("0 h"), strength("10"), per_day("5")), Code.NOT_POSITIVE)
    assert found.found == "a bridge that lasts 0 h"
    assert check_bridge(ml("0"), time("1 s"), strength("10"), per_day("5")) == flow("0.5")


def test_the_front_follows_the_day_schedule() -> None:
    pattern = made(SAME_EVERY_DAY)
    # 0.05 mg/h until 06:00 is 0.3 mg, 0.1 mg/h until 09:00 is 0.3 mg; 0.05 mL hold 0.5 mg: reached at 08:00.
    found = front_arrives(pattern, MORPHINE, ml("0.05"), MONDAY)
    assert found == Arrival(time("8 h"), MONDAY + timedelta(hours=8))
    noon = MONDAY + timedelta(hours=12)
    assert front_arrives(pattern, MORPHINE, ml("0.05"), noon) == Arrival(time("10 h"), noon + timedelta(hours=10))
    refused(front_arrives(steady(per_day("0")), MORPHINE, ml("0.05"), MONDAY), Code.NEVER)
    refused(front_arrives(steady(DoseRate.of(1, "ng/day")), MORPHINE, ml("1"), MONDAY), Code.BEYOND_CALENDAR)


def test_arrival_is_exact_and_its_moment_rounds_down() -> None:
    found = front_arrives(steady(per_day("7")), MORPHINE, ml("0.1"), MONDAY)
    assert isinstance(found, Arrival)
    assert found.after == Duration.of(Fraction(1, 7), "day")
    assert found.at == MONDAY + timedelta(seconds=12_342)


def test_what_a_schedule_pumps() -> None:
    start = MONDAY + timedelta(hours=5)
    assert pumped_by(made(SAME_EVERY_DAY), MORPHINE, start, time("5 h")) == (
        Pumped(time("1 h"), flow("0.12"), MORPHINE),
        Pumped(time("3 h"), flow("0.24"), MORPHINE),
        Pumped(time("1 h"), flow("0.12"), MORPHINE),
    )


def test_doses_at_a_flow() -> None:
    assert doses_at(flow("0.1"), NEW) == (DrugDose("morphine", per_day("2")), DrugDose("bupivacaine", per_day("0.5")))


def test_the_old_drug_leaves_first() -> None:
    line = [Slug(ml("0.1"), None), Slug(ml("0.2"), MORPHINE)]
    found = tip_timeline(line, [Pumped(time("1 day"), flow("0.4"), NEW), Pumped(time("1 h"), flow("0"), NEW)])
    assert found == Timeline(
        (
            AtTip(time("0 h"), time("6 h"), flow("0.4"), None),
            AtTip(time("6 h"), time("18 h"), flow("0.4"), MORPHINE),
            AtTip(time("18 h"), time("24 h"), flow("0.4"), NEW),
            AtTip(time("24 h"), time("25 h"), flow("0"), None),
        ),
        (Slug(ml("0.3"), NEW),),
    )
    water, old, new, stop = found.at_tip
    assert water.doses == ()
    assert old.doses == (DrugDose("morphine", per_day("4")),)
    assert new.doses[1] == DrugDose("bupivacaine", per_day("2"))
    assert (new.volume, stop.volume, stop.doses) == (ml("0.1"), ml("0"), ())
    assert AtTip(time("0 h"), time("1 h"), flow("0"), NEW).doses == ()


def test_a_slug_is_cut_where_a_stretch_ends_within_it() -> None:
    found = tip_timeline([Slug(ml("0.2"), MORPHINE)], [Pumped(time("6 h"), flow("0.4"), NEW)])
    assert found.at_tip == (AtTip(time("0 h"), time("6 h"), flow("0.4"), MORPHINE),)
    assert found.in_line == (Slug(ml("0.1"), MORPHINE), Slug(ml("0.1"), NEW))


def test_a_line_without_volume_delivers_at_once_and_nothing_takes_no_time() -> None:
    pumped = [Pumped(time("0 h"), flow("1"), MORPHINE), Pumped(time("1 h"), flow("1"), NEW)]
    found = tip_timeline([Slug(ml("0"), MORPHINE)], pumped)
    assert found == Timeline((AtTip(time("0 h"), time("1 h"), flow("1"), NEW),), ())


def mass_of(volume: Volume, mix: Mixture | None, drug: str) -> Mass:
    return volume * mix.concentration(drug) if mix is not None and drug in mix.drugs else Mass.zero()


MIXES = st.sampled_from([None, MORPHINE, NEW, TRIPLE])
VOLUMES = st.fractions(min_value=0, max_value=1, max_denominator=50)
SLUGS = st.builds(lambda v, m: Slug(Volume.of(v, "mL"), m), VOLUMES, MIXES)
STRETCHES = st.builds(lambda d, f, m: Pumped(Duration.of(d, "day"), Flow.of(f, "mL/day"), m), VOLUMES, VOLUMES, MIXES)


@given(st.lists(SLUGS, max_size=4), st.lists(STRETCHES, max_size=6))
def test_nothing_is_lost_on_the_way(line: list[Slug], pumped: list[Pumped]) -> None:
    found = tip_timeline(line, pumped)
    held = sum((s.volume for s in line), start=Volume.zero())
    assert sum((s.volume for s in found.in_line), start=Volume.zero()) == held
    for drug in ("morphine", "bupivacaine", "clonidine"):
        into = [mass_of(s.volume, s.mixture, drug) for s in line]
        into += [mass_of(p.flow * p.duration, p.mixture, drug) for p in pumped]
        out = [mass_of(t.volume, t.mixture, drug) for t in found.at_tip]
        out += [mass_of(s.volume, s.mixture, drug) for s in found.in_line]
        assert sum(into, start=Mass.zero()) == sum(out, start=Mass.zero())
    ends = [Duration.zero(), *(t.end for t in found.at_tip)]
    assert [t.start for t in found.at_tip] == ends[:-1]
    assert ends[-1] == sum((p.duration for p in pumped), start=Duration.zero())
    assert all(t.start < t.end for t in found.at_tip)
    assert all(s.volume for s in found.in_line)


@given(bases(), positive, st.integers(0, 6 * 1440))
def test_the_front_is_where_the_timeline_puts_it(base: Base, volume: Fraction, minute: int) -> None:
    start = MONDAY + timedelta(minutes=minute)
    dead = Volume.of(volume / 100, "mL")
    pattern = made(base, NEW)
    found = front_arrives(pattern, NEW, dead, start)
    if not isinstance(found, Arrival):
        return
    if found.after > time("2 days"):
        return
    pumped = pumped_by(pattern, NEW, start, found.after + time("1 day"))
    at_tip = tip_timeline([Slug(dead, MORPHINE)], pumped).at_tip
    old_ends = max(t.end for t in at_tip if t.mixture is MORPHINE)
    assert old_ends == found.after
    assert all(t.mixture is not NEW for t in at_tip if t.start < found.after)
    assert mg("1").value == 1


def steady_program(dose: str) -> Program:
    return Program(Continuous(per_day(dose)))


def test_the_bridge_between_two_mixtures_of_one_drug_gives_the_new_dose() -> None:
    found = bridge_between(ml("0.35"), (steady_program("4"), TRIPLE), (steady_program("5"), NEW), PUMP)
    assert found == plan_bridge(ml("0.35"), TRIPLE, per_day("5"))


def test_a_drug_that_goes_on_as_another_ingredient_keeps_its_new_share() -> None:
    led = mixture(bupivacaine="10", morphine="20")
    found = bridge_between(ml("0.35"), (steady_program("4"), TRIPLE), (steady_program("2"), led), PUMP)
    assert found == plan_bridge(ml("0.35"), TRIPLE, per_day("4"))


def test_a_drug_that_ends_is_bridged_at_the_dose_it_had() -> None:
    other = mixture(hydromorphone="2")
    found = bridge_between(ml("0.35"), (steady_program("4"), TRIPLE), (steady_program("1"), other), PUMP)
    assert found == plan_bridge(ml("0.35"), TRIPLE, per_day("4"))


def test_the_bridge_between_is_refused_where_there_is_no_dose_or_no_such_flow() -> None:
    before = (steady_program("4"), TRIPLE)
    refused(
        bridge_between(ml("0.35"), before, (Program(MinimumRate()), NEW), replace(PUMP, minimum_rate=None)),
        Code.UNKNOWN,
    )
    refused(bridge_between(ml("0.35"), before, (steady_program("0"), NEW), PUMP), Code.NEVER)
    refused(bridge_between(ml("0.35"), before, (steady_program("100,000"), NEW), PUMP), Code.ABOVE_CEILING)


def test_the_bridge_before_a_program_at_the_slowest_flow_gives_that_dose() -> None:
    """0.05 mL of the new mixture, its slowest flow of a day, hold 1 mg of morphine."""
    slow = replace(PUMP, minimum_rate=flow("0.05"))
    found = bridge_between(ml("0.35"), (steady_program("4"), TRIPLE), (Program(MinimumRate()), NEW), slow)
    assert found == plan_bridge(ml("0.35"), TRIPLE, per_day("1"))
