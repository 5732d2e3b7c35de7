"""Comparisons: draws pair, the arithmetic of a bridge, a stop that dips and recovers, a reservoir that ran dry."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.spine_builders import (
    CELLS,
    DRAWS,
    at_tip,
    both,
    central,
    long_running,
    ran_long,
    spine_order,
    steady,
)
from tests.therapy_builders import day, mg, mixture, ml, per_day, time
from tests.twin_builders import BENCH, BOLUS, DAY, GOES_ON, MONDAY, MORPHINE, TRIPLE, bridge, program, scenario

from thecal.quantities import Duration
from thecal.therapy.order import Previous
from thecal.therapy.program import (
    EVERY_DAY,
    Continuous,
    DaySchedule,
    FaultClass,
    MinimumRate,
    RepeatedDoses,
    Response,
    Stopped,
)
from thecal.twin import cases
from thecal.twin.asking import Asking
from thecal.twin.cases import change, missed_refill, mri_stop, scaled
from thecal.twin.comparing import compare, with_paired_bands
from thecal.twin.events import NoBridge, PlannedBridge, Refill
from thecal.twin.preview import basis_of, preview
from thecal.twin.spine import Comparison, FigureName, KeyFigure, NoPreview, NoPreviewWhy, SiteKind

if TYPE_CHECKING:
    from thecal.therapy.mixture import Mixture
    from thecal.twin.events import Bridge
    from thecal.twin.scenario import Scenario

HOUR = 3600
WEAKER = mixture(morphine="5")
STRONGER = mixture(morphine="20")
QUICK = {"cells": CELLS, "draws": DRAWS, "band": False}


def figure(found: Comparison, name: FigureName, key: str, drug: str | None = "morphine") -> KeyFigure:
    return next(f for f in found.figures if (f.name, f.site.key, f.drug) == (name, key, drug))


def refused(found: Comparison | NoPreview) -> NoPreview:
    assert isinstance(found, NoPreview)
    assert found.found and found.allowed and found.then
    return found


# Pairs ----------------------------------------------------------------------------------------------------------------


def test_a_scenario_against_itself_differs_by_nothing_in_every_draw() -> None:
    made = long_running(ordered=steady("10", TRIPLE), mixed=TRIPLE)
    found = both(compare(made, made, hours=6, cells=CELLS, draws=DRAWS))
    assert len(found.differences) == len(found.current.lines)
    for line in found.differences:
        assert not line.central.any()
        if line.site.kind is SiteKind.TIP:
            assert line.band is None
            continue
        assert line.band is not None
        assert not line.band.p10.any()
        assert not line.band.p90.any()
    for one in found.figures:
        if one.ratio is not None:
            assert one.ratio == one.ratio_p10 == one.ratio_p50 == one.ratio_p90 == 1.0


def test_draws_pair() -> None:
    """Twice the dose is twice the concentration in every person, so the ratio has no band where the level has one."""
    low, high = (long_running(ordered=steady(d)) for d in ("5", "10"))
    found = both(compare(low, high, hours=12, cells=CELLS, draws=DRAWS))
    peak = figure(found, FigureName.PEAK, "plasma")
    assert peak.ratio == pytest.approx(2, rel=1e-3)
    assert peak.ratio_p10 == pytest.approx(2, rel=1e-3)
    assert peak.ratio_p90 == pytest.approx(2, rel=1e-3)
    assert peak.current_spread is not None
    assert peak.current_spread[2] > 1.05 * peak.current_spread[0]
    line = next(d for d in found.differences if d.site.key == "plasma")
    assert line.central == pytest.approx(central(found.current, "plasma"), rel=0.01)


def test_the_central_lines_come_first() -> None:
    made = long_running()
    told: list[float] = []
    found = both(compare(made, made, hours=1, cells=CELLS, draws=2, band=False, progress=told.append))
    assert all(line.band is None for line in (*found.differences, *found.current.lines))
    assert told == []
    later = with_paired_bands(found)
    assert told == [0.5, 1.0]
    assert later.differences[1].band is not None
    assert later.current.lines[1].band is not None
    assert later.title == found.title == "a test against a test"


def test_a_band_that_cannot_be_made_leaves_the_central_lines() -> None:
    made = long_running()
    found = both(compare(made, made, hours=1, cells=CELLS, draws=2, band=False))
    sides = [replace(c, basis=replace(b, asking=replace(b.asking, weight_kg=1e6)))
             for c, b in ((c, basis_of(c)) for c in (found.current, found.proposed))]  # fmt: skip
    told = with_paired_bands(replace(found, current=sides[0], proposed=sides[1]))
    assert all(c.notes[-1].startswith("There is no band") for c in (told.current, told.proposed))
    assert all(line.band is None for line in told.differences)


def test_a_comparison_and_two_previews_draw_the_same_persons() -> None:
    low, high = (long_running(ordered=steady(d)) for d in ("5", "10"))
    found = both(compare(low, high, hours=2, cells=CELLS, draws=DRAWS))
    alone = preview(high, hours=2, cells=CELLS, draws=DRAWS)
    assert not isinstance(alone, NoPreview)
    for a, b in zip(found.proposed.lines[1:], alone.lines[1:], strict=True):
        assert a.band is not None and b.band is not None
        assert a.band.p90 == pytest.approx(b.band.p90, rel=1e-9)


def test_what_cannot_be_compared() -> None:
    made = long_running()
    later = replace(made, run=replace(made.run, start=MONDAY + timedelta(hours=1)))
    assert refused(compare(made, later)).why is NoPreviewWhy.NOT_COMPARABLE
    higher = replace(made, order=at_tip(made.order, "T6"))
    assert refused(compare(made, higher)).why is NoPreviewWhy.NOT_COMPARABLE
    spelled = replace(made, order=at_tip(made.order, "Th10"))
    assert isinstance(compare(made, spelled, hours=1, cells=CELLS, band=False), Comparison)
    unknown = replace(made, order=at_tip(made.order, "T13"))
    assert refused(compare(made, unknown)).why is NoPreviewWhy.UNKNOWN_LEVEL
    without = replace(made, order=replace(made.order, catheter=None))
    assert refused(compare(made, without)).why is NoPreviewWhy.NO_CATHETER
    assert refused(compare(made, made, hours=0)).why is NoPreviewWhy.WINDOW


def test_drugs_of_either_side_are_in_both() -> None:
    one, three = long_running(), long_running(ordered=steady("10", TRIPLE), mixed=TRIPLE)
    found = both(compare(one, three, hours=2, cells=CELLS, draws=2))
    assert found.current.drugs == found.proposed.drugs == ("morphine", "bupivacaine", "clonidine")
    assert not central(found.current, "plasma", "clonidine").any()
    peak = figure(found, FigureName.PEAK, "plasma", "clonidine")
    assert peak.current == 0.0
    assert peak.ratio is None
    assert peak.ratio_p50 is None
    assert peak.proposed_spread is not None


def test_a_comparison_as_json() -> None:
    made = long_running()
    found = both(compare(made, made, hours=1, cells=CELLS, draws=2))
    read = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert [f["name"] for f in read["figures"][:3]] == ["peak", "trough", "hours below half of the level before"]
    assert len(read["differences"]) == len(read["current"]["lines"])
    assert read["figures"][0]["ratio_p50"] == 1.0


def test_effects_are_counted_where_they_still_tell_doses_apart() -> None:
    low, high = (long_running(ordered=steady(d)) for d in ("10", "20"))
    found = both(compare(low, high, hours=6, cells=CELLS, draws=DRAWS))
    kinds = {one.site.kind for one in found.figures}
    assert kinds >= {SiteKind.SPINAL_DRIVE, SiteKind.WARNING_DRIVE}
    assert not kinds & {SiteKind.ANALGESIA, SiteKind.WARNING_INDEX}
    for key in ("cord-drive-T10", "warning-drive"):
        trough = figure(found, FigureName.TROUGH, key)
        assert trough.unit == "times EC50"
        assert trough.ratio == pytest.approx(2, rel=5e-3)
    effects = [line.site.kind for line in found.differences if line.drug is None]
    assert effects == [SiteKind.ANALGESIA, SiteKind.WARNING_INDEX]


# Proposed against current ---------------------------------------------------------------------------------------------


def test_a_change_begins_from_what_runs() -> None:
    current = scenario(spine_order(steady("10")))
    proposed = scenario(spine_order(steady("15")))
    found = both(change(current, proposed, **QUICK))  # type: ignore[arg-type]
    now, then = central(found.current, "csf-tip"), central(found.proposed, "csf-tip")
    assert now[0] == then[0] > 0
    assert now[-1] == pytest.approx(now[0], rel=5e-3)
    assert then[-1] == pytest.approx(1.5 * now[-1], rel=0.03)
    assert found.title == "proposed against current"


def test_another_strength_without_a_bridge_gives_a_wrong_dose_at_first() -> None:
    current = scenario(spine_order(steady("10")))
    proposed = scenario(spine_order(steady("10", STRONGER), STRONGER, line=ml("0.05")))
    found = both(change(current, proposed, **QUICK))  # type: ignore[arg-type]
    tip = central(found.proposed, "tip")
    line_h = 0.05 / 0.5 * 24  # 0.05 mL of the old fluid at 10 mg/day of the new, 20 mg/mL
    at_h = found.proposed.at_s / HOUR
    assert np.mean(tip[(at_h > 0.5) & (at_h < line_h - 0.5)]) == pytest.approx(5000 / 24, rel=0.03)
    assert np.mean(tip[at_h > line_h + 0.5]) == pytest.approx(10_000 / 24, rel=0.03)


def test_what_the_proposed_order_knows_of_before_is_kept_where_it_agrees() -> None:
    current = scenario(spine_order(steady("10")))
    stated = Previous(MORPHINE, steady("10"), Duration.of(12, "h"), mg("8"))
    proposed = scenario(replace(spine_order(steady("15")), previous=stated))
    found = both(change(current, proposed, **QUICK))  # type: ignore[arg-type]
    plain = both(change(current, scenario(spine_order(steady("15"))), **QUICK))  # type: ignore[arg-type]
    assert central(found.proposed, "csf-tip")[0] < 0.7 * central(plain.proposed, "csf-tip")[0]
    other = replace(stated, program=steady("3"))
    against = scenario(replace(spine_order(steady("15")), previous=other))
    same = both(change(current, against, **QUICK))  # type: ignore[arg-type]
    assert central(same.proposed, "csf-tip")[0] == central(plain.proposed, "csf-tip")[0]


# With and without the bridge ------------------------------------------------------------------------------------------


def bridged(mixed: Mixture, how: Bridge, dose: str = "10") -> Scenario:
    refill = Refill(
        DAY,
        ml("18"),
        left=ml("0.5"),
        mixture=mixed,
        program=steady(dose, mixed),
        bridge=how,
    )
    order = ran_long(spine_order(steady(dose), line=ml("0.3")))
    return scenario(order, refill, days=3)


@pytest.mark.parametrize(("mixed", "share"), [(STRONGER, 0.5), (WEAKER, 2.0)])
def test_without_a_bridge_the_old_fluid_comes_at_the_new_flow(mixed: Mixture, share: float) -> None:
    found = both(cases.bridge(bridged(mixed, PlannedBridge()), hours=48, **QUICK))  # type: ignore[arg-type]
    assert found.current.start == MONDAY + timedelta(hours=18)
    tip, even = central(found.current, "tip"), central(found.proposed, "tip")
    at_h = found.current.at_s / HOUR - cases.LEAD_HOURS
    new_ml_per_day = 10 / (20 if share < 1 else 5)
    line_h = 0.3 / new_ml_per_day * 24
    inside = (at_h > 0.4) & (at_h < line_h - 0.4)
    assert np.mean(tip[inside]) == pytest.approx(share * 10_000 / 24, rel=0.05)
    assert np.mean(even[inside]) == pytest.approx(10_000 / 24, rel=0.08)
    peak, trough = (figure(found, n, "csf-tip") for n in (FigureName.PEAK, FigureName.TROUGH))
    assert peak.ratio is not None and trough.ratio is not None
    if share < 1:
        assert trough.ratio > 1.2
    else:
        assert peak.ratio < 0.75


def test_a_stated_bridge_is_kept_and_none_at_all_is_planned() -> None:
    stated = both(cases.bridge(bridged(STRONGER, bridge("0.3", "10")), hours=6, **QUICK))  # type: ignore[arg-type]
    planned = both(cases.bridge(bridged(STRONGER, NoBridge("a test")), hours=6, **QUICK))  # type: ignore[arg-type]
    assert central(stated.proposed, "csf-tip") == pytest.approx(central(planned.proposed, "csf-tip"), rel=0.02)


def test_a_scenario_without_another_fluid_has_no_bridge() -> None:
    again = long_running(Refill(DAY, ml("10"), left=ml("1")))
    for made in (long_running(), again):
        assert refused(cases.bridge(made)).why is NoPreviewWhy.NO_SUCH_EVENT


def test_a_refill_that_cannot_be_is_no_comparison() -> None:
    made = bridged(STRONGER, PlannedBridge())
    (refill,) = made.events
    assert isinstance(refill, Refill)
    too_much = replace(refill, volume=ml("30"))
    found = refused(cases.bridge(replace(made, events=(too_much,)), **QUICK))  # type: ignore[arg-type]
    assert found.why is NoPreviewWhy.REFUSED
    assert "the refill" in found.found


# A stop as for MRI ----------------------------------------------------------------------------------------------------


def test_a_stop_dips_and_recovers() -> None:
    found = both(mri_stop(scenario(spine_order()), stop_hours=4, **QUICK))  # type: ignore[arg-type]
    going, stopped = central(found.current, "csf-tip"), central(found.proposed, "csf-tip")
    at_h = found.current.at_s / HOUR
    before, meanwhile = at_h <= cases.LEAD_HOURS, (at_h > cases.LEAD_HOURS) & (at_h <= cases.LEAD_HOURS + 4)
    assert np.array_equal(going[before], stopped[before])
    assert np.all(np.diff(stopped[meanwhile][2:]) < 0)
    assert stopped[meanwhile][-1] < 0.7 * going[meanwhile][-1]
    assert stopped[-1] == pytest.approx(going[-1], rel=0.02)
    trough = figure(found, FigureName.TROUGH, "csf-tip")
    assert trough.proposed == pytest.approx(float(stopped.min()))
    assert trough.ratio == pytest.approx(trough.proposed / trough.current)
    assert found.title == "stopped for 4 h, as for MRI"
    below = figure(found, FigureName.HOURS_BELOW_HALF, "csf-tip")
    assert below.current == 0.0
    assert below.unit == "h"
    assert below.proposed == pytest.approx(np.sum(stopped[1:] < 0.5 * going[0]) / 6)


def test_a_longer_stop_is_longer_below_half() -> None:
    hours = [
        figure(both(mri_stop(scenario(spine_order()), stop_hours=h, cells=CELLS, draws=DRAWS)),
               FigureName.HOURS_BELOW_HALF, "csf-tip")
        for h in (6, 24)
    ]  # fmt: skip
    assert hours[1].proposed > hours[0].proposed + 12
    spread = hours[1].proposed_spread
    assert spread is not None
    assert 0 < spread[0] <= spread[1] <= spread[2]


def test_a_stop_later_in_a_scenario_keeps_what_the_order_says() -> None:
    fresh = scenario(replace(spine_order(), first_fill=True), days=3)
    found = both(mri_stop(fresh, stop_hours=2, at_hours=30, hours=12, **QUICK))  # type: ignore[arg-type]
    assert found.current.start == MONDAY + timedelta(hours=24)
    assert any("First fill" in note for note in found.current.notes)
    known = scenario(ran_long(spine_order()))
    assert isinstance(mri_stop(known, stop_hours=2, hours=12, **QUICK), Comparison)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), 1e9])
def test_a_stop_and_a_gap_have_bounds(bad: float) -> None:
    made = long_running()
    assert refused(mri_stop(made, stop_hours=bad)).why is NoPreviewWhy.WINDOW
    assert refused(mri_stop(made, stop_hours=1, at_hours=bad)).why is NoPreviewWhy.WINDOW
    assert refused(missed_refill(made, steady(), gap_hours=bad)).why is NoPreviewWhy.WINDOW


# A missed refill ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gap_hours", [12.0, 60.0])
def test_a_reservoir_that_runs_dry(gap_hours: float) -> None:
    made = scenario(spine_order())
    found = both(missed_refill(made, scaled(made.order.program, Fraction(1, 2)), gap_hours=gap_hours, **QUICK))  # type: ignore[arg-type]
    at_h = found.current.at_s / HOUR
    for course in (found.current, found.proposed):
        tip = central(course, "tip")
        assert np.mean(tip[(at_h > 1) & (at_h < 23.5)]) == pytest.approx(10_000 / 24, rel=0.01)
        assert not tip[(at_h > 24.5) & (at_h < 23.5 + gap_hours)].any()
    after = at_h > 24.5 + gap_hours
    assert np.mean(central(found.current, "tip")[after]) == pytest.approx(10_000 / 24, rel=0.01)
    assert np.mean(central(found.proposed, "tip")[after]) == pytest.approx(5000 / 24, rel=0.01)
    assert found.current.at_s[-1] == pytest.approx((24 + gap_hours + 72) * HOUR)
    now, then = central(found.current, "csf-tip"), central(found.proposed, "csf-tip")
    assert now[-1] == pytest.approx(now[0], rel=0.03)
    assert then[-1] == pytest.approx(0.5 * now[0], rel=0.03)
    assert figure(found, FigureName.HOURS_BELOW_HALF, "csf-tip").current > 0.5 * gap_hours


def test_whatever_else_a_scenario_holds_is_left_out_of_a_missed_refill() -> None:
    ordered = program(Continuous(per_day("10")), bolus=BOLUS, bridge=None)
    made = scenario(spine_order(ordered), Refill(HOUR, ml("1"), aspirated=ml("1")), days=30)
    found = missed_refill(made, ordered, gap_hours=3, hours=30, **QUICK)  # type: ignore[arg-type]
    assert isinstance(found, Comparison)


def test_a_program_that_gives_nothing_never_runs_dry() -> None:
    stopped = scenario(spine_order(program(Stopped())))
    assert refused(missed_refill(stopped, steady(), gap_hours=3)).why is NoPreviewWhy.NO_SUCH_EVENT
    unknown = replace(spine_order(program(MinimumRate())), pump=replace(BENCH, minimum_rate=None))
    assert refused(missed_refill(scenario(unknown), steady(), gap_hours=3)).why is NoPreviewWhy.NO_SUCH_EVENT
    constant = replace(spine_order(), pump=replace(BENCH, fixed_flow=BENCH.flow_min))
    assert refused(missed_refill(scenario(constant), steady(), gap_hours=3)).why is NoPreviewWhy.NO_CONTROLLER


def test_a_share_of_a_program_is_a_share_of_every_dose() -> None:
    safe = replace(
        GOES_ON, responses={FaultClass.MOTOR: Response.FALLBACK}, fallback_dose=per_day("4"), reason="a test"
    )
    made = replace(program(Continuous(per_day("10")), bolus=BOLUS), fail_safe=safe)
    half = scaled(made, Fraction(1, 2))
    assert half.base == Continuous(per_day("5"))
    assert half.patient_bolus is not None
    assert half.patient_bolus.dose == mg("0.05")
    assert half.fail_safe is not None
    assert half.fail_safe.fallback_dose == per_day("2")
    assert half.ceilings == made.ceilings
    days = program(DaySchedule((day(EVERY_DAY, (0, "6"), (8, "12")),)))
    assert scaled(days, Fraction(1, 3)).base == DaySchedule((day(EVERY_DAY, (0, "2"), (8, "4")),))
    doses = RepeatedDoses(mg("0.5"), time("10 min"), time("6 h"), per_day("1"))
    repeated = scaled(program(doses), Fraction(2)).base
    assert repeated == RepeatedDoses(mg("1"), time("10 min"), time("6 h"), per_day("2"))
    bare = replace(program(Stopped()), fail_safe=None)
    assert scaled(bare, Fraction(1, 2)) == bare
    assert Asking().band
