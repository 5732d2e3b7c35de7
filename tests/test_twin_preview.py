"""A preview: the delay of the catheter, the steady start, the band and its pairing, what is refused, what is named."""

from __future__ import annotations

import ast
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st
from tests.spine_builders import (
    CELLS,
    UNKNOWN_TOO,
    at_tip,
    central,
    long_running,
    ran_long,
    seen,
    spine_order,
    steady,
)
from tests.therapy_builders import day, mg, mixture, ml, per_day, time
from tests.twin_builders import BENCH, BOLUS, DAY, MONDAY, MORPHINE, TRIPLE, bridge, program, scenario

from thecal.body.spine.levels import vertebra_cm
from thecal.body.spine.resolution import SAFETY
from thecal.body.spine.response import Endpoint
from thecal.body.transport.course import Engine
from thecal.body.transport.untrusted import UntrustedError
from thecal.quantities import Duration, Volume
from thecal.therapy.order import Previous
from thecal.therapy.program import EVERY_DAY, Continuous, DaySchedule, MinimumRate, SingleBolus, Stopped
from thecal.twin.asking import LEAST_CELLS, LEAST_HOURS, MOST_CELLS, MOST_HOURS, Asking, as_running, scenario_of
from thecal.twin.course import Body, nominal_person, space_error
from thecal.twin.events import GivenBolus, NewProgram, Press, Refill
from thecal.twin.giving import window_of
from thecal.twin.preview import basis_of, map_times, preview, samples, with_band, with_bands
from thecal.twin.sites import CONCENTRATION, DERMATOMES, EFFECT, LEVELS, RATE, TIMES_EC50, sites_of
from thecal.twin.spine import NoPreview, NoPreviewWhy, SiteKind, SpineCourse

HOUR = 3600


# Where and when -------------------------------------------------------------------------------------------------------


def test_sites_unless_asked_otherwise() -> None:
    course = seen(long_running())
    keys = [line.site.key for line in course.lines]
    assert keys == [
        "tip", "csf-tip", "csf-L3-4", "csf-T4", "csf-C7-T1", "cistern", "tissue-tip", "plasma", "cord-drive-T10",
        "warning-drive", "analgesia-T10", "warning-index",
    ]  # fmt: skip
    assert (LEVELS, DERMATOMES) == (("L3-4", "T10", "T4", "C7-T1"), ("T10",))
    units = {line.site.kind: line.site.unit for line in course.lines}
    assert units.pop(SiteKind.TIP) == RATE
    assert {units.pop(SiteKind.ANALGESIA), units.pop(SiteKind.WARNING_INDEX)} == {EFFECT}
    assert {units.pop(SiteKind.SPINAL_DRIVE), units.pop(SiteKind.WARNING_DRIVE)} == {TIMES_EC50}
    assert set(units.values()) == {CONCENTRATION}
    assert course.line("csf-L3-4", "morphine").site.at_cm == pytest.approx(vertebra_cm("L3-4", 60.0))
    labels = {line.site.kind: line.site.label for line in course.lines}
    for kind in (SiteKind.WARNING_INDEX, SiteKind.WARNING_DRIVE):
        assert "warning index, not a prediction" in labels[kind]
    assert labels[SiteKind.SPINAL_DRIVE] == "cord, times its EC50, dermatome T10"


@pytest.mark.parametrize(("tip", "label"), [("L3-4", "nerve roots at L3-4"), ("T10", "cord tissue at T10")])
def test_there_is_no_cord_below_the_conus(tip: str, label: str) -> None:
    assert next(s.label for s in sites_of(tip, 60.0) if s.kind is SiteKind.TISSUE) == label


def test_levels_that_are_asked_for() -> None:
    course = seen(long_running(), levels=("Th12", "l2/3", "T12"), dermatomes=("L1", "T6"))
    keys = [line.site.key for line in course.lines]
    assert [k for k in keys if k.startswith("csf")] == ["csf-tip", "csf-T12", "csf-L2-3"]
    assert [k for k in keys if k.startswith("analgesia")] == ["analgesia-L1", "analgesia-T6"]
    assert [k for k in keys if k.startswith("cord-drive")] == ["cord-drive-L1", "cord-drive-T6"]


def test_72_hours_every_10_minutes() -> None:
    course = seen(long_running())
    assert course.at_s[-1] == 72 * HOUR
    assert course.step_s == 600.0
    assert course.start == MONDAY
    assert "every 10 min" in " ".join(course.notes)


@pytest.mark.parametrize(("hours", "words"), [(1.0, "every 10 s"), (4.0, "every 1 min"), (30 * 24.0, "every 2 h")])
def test_another_length_and_its_resolution(hours: float, words: str) -> None:
    course = seen(long_running(), hours=hours)
    assert course.at_s[-1] == hours * HOUR
    assert words in " ".join(course.notes)


def test_a_window_later_in_the_run() -> None:
    whole = seen(long_running(days=1), hours=48)
    late = seen(long_running(days=1), hours=24, from_hours=24)
    assert late.start == MONDAY + timedelta(days=1)
    same = np.isin(whole.at_s - 24 * HOUR, late.at_s)
    here = np.isin(late.at_s, whole.at_s - 24 * HOUR)
    for line in ("csf-tip", "plasma", "tissue-tip"):
        assert central(late, line)[here] == pytest.approx(central(whole, line)[same], rel=2e-3)


# Delay and steady state -----------------------------------------------------------------------------------------------


@settings(max_examples=10, deadline=None)
@for_all(st.integers(2, 12))
def test_nothing_before_the_first_drug_leaves_the_tip(hundredths: int) -> None:
    made = scenario(spine_order(line=Volume.of(10 * hundredths, "mcL")))
    course = seen(made, hours=12)
    trace_first_s = _first_s(made)
    for line in course.lines:
        some = course.at_s[line.central > 0]
        assert not some.size or some[0] >= trace_first_s, line.site.key
    reached = course.at_s[central(course, "csf-tip") > 0]
    assert reached.size == 0 or reached[0] <= trace_first_s + 2 * course.step_s


def _first_s(made: object) -> float:
    from thecal.twin.simulate import simulate

    trace = simulate(made)  # type: ignore[arg-type]
    return float(trace.stroke_s[trace.arrived_mg(trace.stroke_s)[0] > 0][0])


def test_a_first_fill_starts_from_nothing_and_says_so() -> None:
    first = seen(scenario(replace(spine_order(), first_fill=True)))
    silent = seen(scenario(spine_order()))
    assert "First fill" in first.notes[0]
    assert "does not say what ran before" in silent.notes[0]
    for course in (first, silent):
        assert all(line.central[0] == 0.0 for line in course.lines)
        assert central(course, "csf-tip")[-1] > 0


@pytest.mark.parametrize("key", ["csf-tip", "csf-C7-T1", "cistern", "tissue-tip", "plasma"])
def test_a_steady_start_stays_steady(key: str) -> None:
    line = central(seen(long_running()), key)
    assert line[0] > 0
    assert line == pytest.approx(np.full(line.size, line[0]), rel=0.02)  # the first stroke comes one stroke later
    assert line[6:] == pytest.approx(np.full(line.size - 6, line[0]), rel=2e-3)


def test_the_steady_start_is_the_solution_of_the_system() -> None:
    course = seen(long_running())
    basis = basis_of(course)
    body = Body("morphine", nominal_person(("morphine",)), basis.looking)
    system = body.neuraxis.system
    rate = 10e6 / DAY
    tree = np.linalg.solve(system.tree.matrix.toarray(), -rate * system.inputs[:, 0])
    below = np.linalg.solve(system.below, -(system.feed @ tree))
    true = body.channels.weights @ np.concatenate((tree, below))
    for name, value in zip(body.channels.names, true, strict=True):
        if name in {"csf-tip", "csf-L3-4", "cistern", "plasma", "tissue-tip"}:
            assert central(course, name)[0] == pytest.approx(value, rel=1e-5)


def test_a_day_schedule_of_before_goes_on_without_a_step() -> None:
    base = DaySchedule((day(EVERY_DAY, (0, "6"), (8, "14"), (20, "6")),))
    made = long_running(ordered=program(base))
    course = seen(made, hours=48)
    line = central(course, "csf-tip")
    first_day, second_day = line[course.at_s <= DAY], line[course.at_s >= DAY]
    assert first_day == pytest.approx(second_day, rel=0.02)
    assert line.max() > 1.2 * line.min()


def test_a_gap_before_the_order_shows() -> None:
    made = spine_order()
    course = seen(scenario(replace(made, previous=Previous(MORPHINE, made.program, Duration.of(12, "h")))))
    assert central(course, "csf-tip")[0] < 0.7 * central(seen(long_running()), "csf-tip")[0]
    assert any("12 h" in note for note in course.notes)


def test_what_leaves_the_tip_is_what_the_program_says() -> None:
    course = seen(long_running())
    assert central(course, "tip")[2:] == pytest.approx(np.full(431, 10_000 / 24), rel=0.02)
    assert central(course, "tip")[0] == pytest.approx(10_000 / 24)


def test_the_same_drugs_fade_when_the_pump_is_changed_to_another() -> None:
    made = spine_order(steady("10", TRIPLE), TRIPLE)
    changed = replace(made, mixture=MORPHINE, program=steady("10"), previous=Previous(TRIPLE, made.program))
    course = seen(scenario(changed))
    assert course.drugs == ("morphine", "bupivacaine", "clonidine")
    gone = central(course, "csf-tip", "bupivacaine")
    assert gone[0] > 0
    assert gone[-1] < 0.05 * gone[0]


def test_a_large_bolus_is_a_group_of_its_own() -> None:
    big = GivenBolus(2 * HOUR, SingleBolus(mg("10"), time("90 min")))
    course = seen(long_running(big), hours=12)
    assert len(basis_of(course).looking.bolus_ml) == 2
    assert any("Boluses whose first widths at the tip nominally differ" in note for note in course.notes)
    assert central(course, "csf-tip").max() > 3 * central(course, "csf-tip")[0]


# Orders ---------------------------------------------------------------------------------------------------------------


def test_an_order_becomes_a_scenario() -> None:
    made = replace(spine_order(), fill=None)
    new, running = scenario_of(made, MONDAY), scenario_of(made, MONDAY, running=True)
    assert new.order.fill is not None
    assert new.order.fill.volume == made.pump.reservoir
    full = "The reservoir is taken as full at the beginning: 20 mL."
    assert full in seen(new, hours=1).notes
    assert full not in seen(scenario(spine_order(filled="18")), hours=1).notes
    assert (new.title, running.title) == ("order", "running")
    assert new.order.previous is None
    assert running.order.previous == Previous(MORPHINE, made.program)
    assert scenario_of(made, MONDAY, title="of today").title == "of today"
    filled = spine_order()
    assert scenario_of(filled, MONDAY).order == filled
    assert central(seen(running), "plasma")[0] > 0
    assert as_running(new).order == running.order


# Drugs without a model ------------------------------------------------------------------------------------------------


def test_a_drug_without_a_model_is_named_and_seen_at_the_tip() -> None:
    course = seen(long_running(ordered=steady("10", UNKNOWN_TOO), mixed=UNKNOWN_TOO))
    assert course.drugs == ("morphine", "ketamine")
    assert course.no_model == ("ketamine",)
    of_ketamine = [line for line in course.lines if line.drug == "ketamine"]
    assert [line.site.kind for line in of_ketamine] == [SiteKind.TIP]
    assert of_ketamine[0].central[-1] == pytest.approx(5000 / 24, rel=0.02)


def test_only_drugs_without_a_model() -> None:
    alone = mixture(ketamine="10")
    course = seen(long_running(ordered=steady("10", alone), mixed=alone), band=True)
    assert course.no_model == course.drugs == ("ketamine",)
    assert [line.site.key for line in course.lines] == ["tip"]
    assert course.heat == ()
    assert (course.errors.time, course.errors.space, course.errors.strokes) == (0.0, 0.0, 0.0)


def test_a_drug_without_a_model_for_an_effect_is_named() -> None:
    course = seen(long_running(ordered=steady("10", TRIPLE), mixed=TRIPLE))
    silent = [note for note in course.notes if "does not count" in note]
    assert [note.split(":")[0] for note in silent] == [
        "Analgesia does not count bupivacaine", "The warning index does not count bupivacaine",
        "The warning index does not count clonidine",
    ]  # fmt: skip
    assert "bupivacaine relieves pain" in silent[0]
    assert course.notes[-1] == "What is not counted is not harmless."
    assert course.notes[-1] not in seen(long_running(), hours=1).notes
    alone = mixture(baclofen="1")
    still = seen(long_running(ordered=steady("0.5", alone), mixed=alone), hours=1)
    assert any("baclofen can stop breathing; the warning index does not see it" in note for note in still.notes)
    kinds = {line.site.kind for line in still.lines}
    assert not kinds & {SiteKind.ANALGESIA, SiteKind.SPINAL_DRIVE, SiteKind.WARNING_INDEX, SiteKind.WARNING_DRIVE}


def test_fentanyl_has_no_relief_without_a_number_for_the_cord() -> None:
    alone = mixture(fentanyl="0.1")
    course = seen(long_running(ordered=steady("0.1", alone), mixed=alone), hours=1)
    assert {line.site.kind for line in course.lines} >= {SiteKind.WARNING_INDEX, SiteKind.WARNING_DRIVE}
    assert not [line for line in course.lines if line.site.kind in {SiteKind.ANALGESIA, SiteKind.SPINAL_DRIVE}]
    assert any("Analgesia does not count fentanyl: no source" in note for note in course.notes)


# Times EC50 -----------------------------------------------------------------------------------------------------------


def test_drives_tell_doses_apart_where_effects_are_whole() -> None:
    one, two = (seen(long_running(ordered=steady(d)), hours=6) for d in ("10", "20"))
    for key in ("cord-drive-T10", "warning-drive"):
        assert central(two, key)[0] == pytest.approx(2 * central(one, key)[0], rel=1e-6)
    for key in ("analgesia-T10", "warning-index"):
        assert 1 < central(two, key, None)[0] / central(one, key, None)[0] < 1.2


def test_a_drive_and_its_effect_are_of_one_concentration() -> None:
    course = seen(scenario(spine_order()), hours=12)
    curve = nominal_person(("morphine",)).effects["morphine"].targets[Endpoint.WARNING_INDEX].curve
    drive = central(course, "warning-drive")
    assert central(course, "warning-index", None) == pytest.approx(curve.effect(drive * curve.ec50_ng_per_ml))
    assert drive[0] == 0
    assert drive[-1] > 0


def test_every_drug_has_its_own_drive() -> None:
    course = seen(long_running(ordered=steady("10", TRIPLE), mixed=TRIPLE), hours=6, band=True)
    drives = [line for line in course.lines if line.site.unit == TIMES_EC50]
    assert [(line.site.key, line.drug) for line in drives] == [
        ("cord-drive-T10", "morphine"), ("cord-drive-T10", "clonidine"), ("warning-drive", "morphine"),
    ]  # fmt: skip
    for line in drives:
        assert line.band is not None
        assert np.all(line.band.p90 > line.band.p10)


# The band -------------------------------------------------------------------------------------------------------------


def test_the_band_is_in_order_and_of_so_many_draws() -> None:
    course = seen(long_running(ordered=steady("10", TRIPLE), mixed=TRIPLE), band=True, hours=6)
    for line in course.lines:
        if line.site.kind is SiteKind.TIP:
            assert line.band is None
            continue
        band = line.band
        assert band is not None
        assert band.draws == 5
        assert np.all(band.p10 <= band.p50)
        assert np.all(band.p50 <= band.p90)
    plasma = course.line("plasma", "morphine").band
    assert plasma is not None
    assert np.all(plasma.p90 > 1.05 * plasma.p10)


def test_a_seed_is_a_band_and_another_seed_another() -> None:
    made = long_running()
    first, again, other = (seen(made, band=True, hours=2, seed=s) for s in (7, 7, 8))
    for a, b, c in zip(first.lines[1:], again.lines[1:], other.lines[1:], strict=True):
        assert a.band is not None and b.band is not None and c.band is not None
        assert np.array_equal(a.band.p50, b.band.p50)
        if a.site.kind not in {SiteKind.ANALGESIA, SiteKind.WARNING_INDEX}:
            assert not np.array_equal(a.band.p50, c.band.p50)
        assert np.array_equal(a.central, c.central)


def test_the_central_line_comes_first_and_the_band_later_is_the_same() -> None:
    made = long_running()
    told: list[float] = []
    course = seen(made, hours=2)
    assert all(line.band is None for line in course.lines)
    assert "Nominal parameters only" in course.errors.model
    later = with_band(course, progress=told.append)
    at_once = seen(made, hours=2, band=True)
    assert told == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert "80 of 100 persons" in later.errors.model
    for a, b in zip(later.lines, at_once.lines, strict=True):
        assert (a.band is None) == (b.band is None)
        if a.band is not None and b.band is not None:
            assert np.array_equal(a.band.p90, b.band.p90)


def test_a_course_from_elsewhere_has_no_band() -> None:
    course = seen(long_running(), hours=2)
    with pytest.raises(ValueError, match="not made by a preview"):
        with_band(replace(course, basis=None))


def test_a_known_weight_changes_plasma_alone() -> None:
    light, heavy = (seen(long_running(), hours=2, weight_kg=kg) for kg in (50.0, 100.0))
    assert central(light, "plasma")[0] == pytest.approx(2 * central(heavy, "plasma")[0], rel=1e-6)
    assert central(light, "csf-tip") == pytest.approx(central(heavy, "csf-tip"), rel=1e-6)
    assert not any("weight" in note for note in light.notes)
    assert any("No weight is known" in note for note in seen(long_running(), hours=2).notes)


# Heat maps and errors -------------------------------------------------------------------------------------------------


def test_the_heat_map_holds_the_lines() -> None:
    course = seen(long_running(), hours=24)
    (heat,) = course.heat
    assert heat.at_s.size <= 200
    assert heat.csf_ng_per_ml.shape == (heat.at_s.size, CELLS)
    assert dict(heat.levels)["T10"] == pytest.approx(27.0)
    line = course.line("csf-tip", "morphine")
    own = np.interp(heat.at_s, course.at_s, line.central)
    assert line.site.at_cm is not None
    across = [float(np.interp(line.site.at_cm, heat.x_cm, row)) for row in heat.csf_ng_per_ml]
    assert across == pytest.approx(own, rel=1e-6)


@pytest.mark.parametrize("hours", [1.0, 4.0, 24.0, 72.0, 100.0, 200.0, 30 * 24.0])
def test_a_map_reaches_as_far_as_the_lines(hours: float) -> None:
    at_s = window_of(7200, round(hours * HOUR)).at_s
    shown = map_times(at_s)
    assert (shown[0], shown[-1]) == (at_s[0], at_s[-1])
    assert shown.size <= 200
    assert np.isin(shown, at_s).all()


@for_all(st.integers(2, 2000))
def test_a_map_of_any_number_of_readings_ends_with_the_last(count: int) -> None:
    shown = map_times(np.arange(count, dtype=np.float64))
    assert shown[-1] == count - 1
    assert min(count, 100) <= shown.size <= 200


def test_the_profile_of_the_last_reading() -> None:
    course = seen(scenario(spine_order()), hours=100)
    (heat,) = course.heat
    assert heat.at_s[-1] == course.at_s[-1]
    site = course.line("csf-tip", "morphine").site
    there = np.interp(site.at_cm or 0.0, heat.x_cm, heat.profile(float(course.at_s[-1])))
    assert there == pytest.approx(central(course, "csf-tip")[-1], rel=1e-4)


def test_a_profile_at_an_instant() -> None:
    (heat,) = seen(scenario(spine_order()), hours=6).heat
    middle = 0.5 * (heat.at_s[10] + heat.at_s[11])
    assert heat.profile(float(heat.at_s[10])) == pytest.approx(heat.csf_ng_per_ml[10])
    assert heat.profile(middle) == pytest.approx(0.5 * (heat.csf_ng_per_ml[10] + heat.csf_ng_per_ml[11]))
    assert heat.profile(float(heat.at_s[-1])) == pytest.approx(heat.csf_ng_per_ml[-1])
    with pytest.raises(ValueError, match="the map runs"):
        heat.profile(float(heat.at_s[-1]) + 1)


def test_errors_are_apart_and_fall_with_cells() -> None:
    coarse, fine = (seen(long_running(), hours=6, cells=n).errors for n in (20, 80))
    assert 0 < fine.space < 0.3 * coarse.space < 0.3
    for errors in (coarse, fine):
        assert 0 <= errors.time < 1e-6
        assert 0 < errors.strokes < 1


def test_the_error_in_space_is_that_of_the_shown_grid() -> None:
    """Not under that against a much finer grid, and not several times as much."""
    course, right = (seen(scenario(spine_order()), hours=6, cells=n) for n in (25, 400))
    true = max(
        float(np.max(np.abs(a.central - b.central)) / np.max(b.central))
        for a, b in zip(course.lines, right.lines, strict=True)
        if a.drug is not None and a.site.kind is not SiteKind.TIP
    )
    assert true < course.errors.space < 1.5 * SAFETY * true


def test_drives_are_in_the_error_in_space() -> None:
    basis = basis_of(seen(long_running(), hours=1))
    rows = np.ones((len(basis.looking.rows()), 3))
    of_drive = next(n for n, (site, _) in enumerate(basis.looking.rows()) if site.kind is SiteKind.WARNING_DRIVE)
    finer = rows.copy()
    finer[of_drive] = 1.25
    assert space_error(basis.looking, rows, finer) == pytest.approx(SAFETY * 0.2)
    finer[of_drive], finer[-1] = 1.0, 2.0  # drugs together
    assert space_error(basis.looking, rows, finer) == 0.0


def test_the_error_in_time_is_the_greatest_of_all_runs() -> None:
    course = seen(long_running(), hours=6)
    basis = basis_of(course)
    drawn = samples([basis])
    assert not isinstance(drawn, UntrustedError)
    assert drawn[0].time_error > 0
    for error in (drawn[0].time_error, 1e-3, 0.0):
        told = with_bands(course, replace(drawn[0], time_error=error))
        assert told.errors.time == max(course.errors.time, error)
    assert with_band(course).errors.time == max(course.errors.time, drawn[0].time_error)


def test_strokes_are_told_in_plain_words() -> None:
    course = seen(long_running(ordered=steady("0.4")), hours=24)
    (note,) = [note for note in course.notes if note.startswith("A stroke comes as a drop")]
    at_tip = float(f"{100 * course.errors.strokes:.2g}")
    assert f"Right at the tip the fluid jumps for a moment, by up to {at_tip:g} %" in note
    assert "any other line moves by up to" in note
    stopped = seen(scenario(spine_order(program(Stopped()))), hours=1)
    assert not [note for note in stopped.notes if note.startswith("A stroke")]


def test_the_ripple_that_is_left_out_is_under_its_bound() -> None:
    from thecal.twin.giving import Strokes, given
    from thecal.twin.simulate import simulate

    made = scenario(ran_long(spine_order(steady("0.4"))), days=1)
    course = seen(made, hours=24)
    looking = basis_of(course).looking
    sharp = given(simulate(made), looking.window, strokes=Strokes.EACH)["morphine"]
    even = given(simulate(made), looking.window)["morphine"]
    body = Body("morphine", nominal_person(("morphine",)), looking)
    a, b = body.course(sharp), body.course(even)
    greatest = np.abs(b.values).max(axis=1, keepdims=True)
    moved = np.max(np.abs(a.values - b.values) / greatest, axis=1)
    assert np.all(moved <= body.ripple(even, b) + 1e-9)
    assert np.argmax(body.ripple(even, b)) == b.names.index("csf-tip")
    assert not body.ripple(sharp, a).any()


# Refusals -------------------------------------------------------------------------------------------------------------


def refused(made: object, **asked: object) -> NoPreview:
    found = preview(made, **asked)  # type: ignore[arg-type]
    assert isinstance(found, NoPreview)
    assert found.found and found.allowed and found.then
    assert found.message == f"no preview: found {found.found}; allowed: {found.allowed}; next: {found.then}"
    return found


def test_what_is_not_previewed() -> None:
    made = long_running()
    assert refused(replace(made, order=replace(made.order, catheter=None))).why is NoPreviewWhy.NO_CATHETER
    assert refused(replace(made, order=at_tip(made.order, None))).why is NoPreviewWhy.NO_TIP_LEVEL
    nowhere = refused(replace(made, order=at_tip(made.order, "T13")))
    assert nowhere.why is NoPreviewWhy.UNKNOWN_LEVEL
    assert "T13" in nowhere.found
    assert refused(made, levels=("27 cm",)).why is NoPreviewWhy.UNKNOWN_LEVEL
    assert refused(made, dermatomes=("C1",)).why is NoPreviewWhy.UNKNOWN_LEVEL
    outside = replace(made, order=at_tip(made.order, "S2"))
    assert refused(outside).why is NoPreviewWhy.UNTRUSTED
    assert refused(made, weight_kg=float("nan")).why is NoPreviewWhy.UNTRUSTED


def test_a_pump_of_constant_flow_is_not_previewed() -> None:
    pump = replace(BENCH, fixed_flow=BENCH.flow_min)
    assert refused(scenario(replace(spine_order(), pump=pump))).why is NoPreviewWhy.NO_CONTROLLER


@pytest.mark.parametrize(
    "asked",
    [
        {"hours": LEAST_HOURS / 2}, {"hours": MOST_HOURS + 1}, {"hours": float("nan")}, {"from_hours": -1.0},
        {"from_hours": 1e9}, {"draws": 1}, {"draws": 10**6}, {"cells": 9}, {"cells": 3201},
    ],
)  # fmt: skip
def test_windows_and_draws_have_bounds(asked: dict[str, float]) -> None:
    assert refused(long_running(), **asked).why is NoPreviewWhy.WINDOW


def test_the_grid_of_the_error_in_space_is_within_what_a_body_takes() -> None:
    assert (LEAST_CELLS, MOST_CELLS) == (10, 3200)
    assert refused(long_running(), cells=9).message.startswith("no preview: found 9 cells; allowed: 10 to 3,200; next:")
    for cells in (LEAST_CELLS, MOST_CELLS):
        assert Asking(cells=cells).refusal() is None
    assert seen(long_running(), cells=LEAST_CELLS, hours=1).errors.space > 0


def test_an_order_that_the_pump_refuses_shows_nothing() -> None:
    too_fast = refused(long_running(ordered=steady("10000")))
    assert too_fast.why is NoPreviewWhy.REFUSED
    assert "the order" in too_fast.found
    unknown = replace(spine_order(), pump=replace(BENCH, minimum_rate=None))
    before = replace(unknown, previous=Previous(MORPHINE, program(MinimumRate())))
    assert "before the order" in refused(scenario(before)).found
    assert refused(scenario(spine_order(filled="21"))).why is NoPreviewWhy.REFUSED


def test_what_is_not_done_later_is_a_note() -> None:
    late = NewProgram(HOUR, steady("10000"))
    course = seen(long_running(late), hours=2)
    assert any(note.startswith("Not done: the new program") for note in course.notes)
    unasked = seen(long_running(ordered=program(Continuous(per_day("10")), bolus=BOLUS)), hours=2)
    assert "No patient bolus is asked for in this preview." in unasked.notes
    assert any("boluses that the patient took then are not counted" in note for note in unasked.notes)
    asked = seen(long_running(Press(HOUR), ordered=program(Continuous(per_day("10")), bolus=BOLUS)), hours=2)
    assert "No patient bolus is asked for in this preview." not in asked.notes


def test_what_comes_after_the_window_is_no_note() -> None:
    made = spine_order(replace(steady(), low_level=ml("19.5")))
    before = Previous(MORPHINE, made.program, Duration.zero())
    late = NewProgram(5 * HOUR, steady("10000"))
    course = seen(scenario(replace(made, previous=before), late), hours=2)
    assert not [n for n in course.notes if n.startswith(("Not done", "Alarm", "No gap", "Then nothing"))]


def test_events_after_the_window_are_left_out() -> None:
    refill = Refill(2 * DAY, ml("10"), left=ml("1"), mixture=mixture(morphine="20"), bridge=bridge("0.05", "10"))
    course = seen(long_running(refill), hours=24)
    assert course.drugs == ("morphine",)
    assert central(course, "tip")[2:] == pytest.approx(np.full(course.at_s.size - 2, 10_000 / 24), rel=0.05)


def test_alarms_are_notes() -> None:
    made = scenario(ran_long(spine_order(replace(steady(), low_level=ml("19.5")))), days=1)
    assert any(note.startswith("Alarm at 2 Mar 2026") for note in seen(made, hours=24).notes)


# Values ---------------------------------------------------------------------------------------------------------------


def test_json_holds_plain_values() -> None:
    course = seen(long_running(), hours=1, band=True)
    read = json.loads(json.dumps(course.as_json(), allow_nan=False))
    assert read["lines"][1]["site"]["key"] == "csf-tip"
    assert read["lines"][0]["band"] is None
    assert read["lines"][1]["band"]["draws"] == 5
    assert set(read["errors"]) == {"time", "space", "model", "strokes"}
    with pytest.raises(KeyError):
        course.line("csf-tip", "ziconotide")


def test_what_is_asked_unless_otherwise() -> None:
    asking = Asking()
    assert (asking.hours, asking.draws, asking.band, asking.cells) == (72.0, 64, True, 200)
    assert asking.chosen_seed == Asking(seed=1).chosen_seed
    assert Asking(seed=0).chosen_seed == 0


def test_lines_of_a_linear_drug_scale_with_the_dose() -> None:
    one, two = (seen(long_running(ordered=steady(d)), hours=6) for d in ("5", "10"))
    for key in ("csf-tip", "plasma"):
        assert central(two, key)[0] == pytest.approx(2 * central(one, key)[0], rel=1e-9)


# A preview gates nothing ----------------------------------------------------------------------------------------------

_SRC = Path(__file__).parents[1] / "src" / "thecal"
_PREVIEW = {"asking", "cases", "comparing", "course", "giving", "preview", "sites", "spine"}


def imported(path: Path) -> set[str]:
    """Every module that a file names in an import."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_no_room_that_reviews_compiles_or_sends_reads_a_preview() -> None:
    previews = {f"thecal.twin.{name}" for name in _PREVIEW}
    readers = {p.relative_to(_SRC).parts[0] for p in _SRC.rglob("*.py") if imported(p) & previews}
    assert readers <= {"twin", "cli", "web", "clinic"}
    clinic = {p.relative_to(_SRC).as_posix(): imported(p) for p in (_SRC / "clinic").rglob("*.py")}
    shown = {f"thecal.{name.removesuffix('.py').replace('/', '.')}" for name, read in clinic.items() if read & previews}
    assert shown <= {"thecal.clinic.programming.previewing", "thecal.clinic.programming.arriving"}
    assert not [
        name for name, read in clinic.items() if read & shown and f"thecal.{name[:-3].replace('/', '.')}" not in shown
    ]
    twin = {p.stem for p in (_SRC / "twin").glob("*.py") if imported(p) & previews}
    assert twin <= _PREVIEW


def test_a_refused_band_leaves_the_order_as_it_was() -> None:
    made = long_running()
    before = (made, repr(made))
    assert isinstance(preview(made, hours=0.0), NoPreview)
    assert isinstance(seen(made, hours=1, band=True), SpineCourse)
    assert (made, repr(made)) == before


# Engines and bands that fail ------------------------------------------------------------------------------------------


def test_a_body_that_modes_cannot_hold_is_stepped() -> None:
    looking = basis_of(seen(long_running(), hours=6)).looking
    giving = basis_of(seen(long_running(), hours=6)).givings["morphine"]
    nominal = nominal_person(("morphine",))
    least = replace(nominal.physiology, kappa=0.015, stroke_ml=0.5, breath_stroke_ml=0.0, spinal_share=0.5)
    still = replace(nominal, physiology=least)
    body = Body("morphine", still, replace(looking, cells=200))
    assert body.neuraxis.system.tree.scale_ratio > 1e8
    course = body.course(giving)
    assert course.engine is Engine.STEPPING
    at_s = looking.window.at_s[::50]
    fluid = body.fluid(giving, at_s)
    assert fluid.shape == (at_s.size, 200)
    assert np.interp(vertebra_cm("T10", 60.0), body.neuraxis.x_cm, fluid[-1]) == pytest.approx(
        course.of("csf-tip")[::50][-1], rel=1e-4
    )


def test_times_before_anything_is_given_are_not_read() -> None:
    basis = basis_of(seen(long_running(), hours=6))
    body = Body("morphine", nominal_person(("morphine",)), basis.looking)
    long_ago = np.array([-1e9])
    with pytest.raises(UntrustedError, match="time"):
        body.run(basis.givings["morphine"].dosing, long_ago)
    with pytest.raises(UntrustedError, match="time"):
        body.fluid(basis.givings["morphine"], long_ago)


def test_a_band_that_cannot_be_made_leaves_the_central_line() -> None:
    course = seen(long_running(), hours=1)
    basis = basis_of(course)
    nobody = replace(basis, asking=replace(basis.asking, weight_kg=1e6))
    told = with_band(replace(course, basis=nobody))
    assert told.notes[-1].startswith("There is no band: out of range")
    assert all(line.band is None for line in told.lines)
    assert np.array_equal(central(told, "plasma"), central(course, "plasma"))
