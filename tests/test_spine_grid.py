"""Profiles along the canal: they integrate to the person's volumes, and the face flux is a flux."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thecal.body.spine.grid import (
    area_cm2,
    bernoulli,
    centers_cm,
    dispersion_cm2_per_s,
    edge_shares,
    fluid_shares,
    spread,
    tissue_ml,
)
from thecal.body.spine.prior import nominal_physiology, person

cells_of = st.sampled_from([10, 17, 60, 200])


@given(seed=st.integers(0, 1000), cells=cells_of)
def test_cells_sum_to_the_volumes_of_the_person(seed: int, cells: int) -> None:
    mine = person(seed, 0)
    assert math.isclose(fluid_shares(cells).sum(), 1.0, rel_tol=1e-12)
    assert math.isclose(tissue_ml(mine, cells).sum(), mine.cord_ml + mine.root_ml, rel_tol=1e-12)
    assert np.all(fluid_shares(cells) > 0)
    assert np.all(tissue_ml(mine, cells) > 0)


def test_the_area_is_what_the_cells_hold() -> None:
    mine = nominal_physiology()
    fine = 4000
    at_cm = centers_cm(mine.canal_cm, fine)
    assert at_cm.shape == (fine,)
    assert area_cm2(mine, at_cm).sum() * mine.canal_cm / fine == pytest.approx(mine.csf_ml, rel=1e-6)
    in_cells = fluid_shares(200) * mine.csf_ml / (mine.canal_cm / 200)
    assert in_cells == pytest.approx(area_cm2(mine, centers_cm(mine.canal_cm, 200)), rel=5e-3)


def test_there_is_no_cord_under_the_conus() -> None:
    mine = nominal_physiology()
    held = tissue_ml(mine, 100)
    roots = mine.root_ml / 100
    assert held[:30] == pytest.approx(np.full(30, roots), rel=1e-12)
    assert held[30:] == pytest.approx(np.full(70, roots + mine.cord_ml / 70), rel=1e-12)


def test_edges_and_middles() -> None:
    assert edge_shares(4).tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert centers_cm(60.0, 4).tolist() == [7.5, 22.5, 37.5, 52.5]


def test_dispersion_is_of_the_molecule_at_the_sac_and_grows_with_the_square_of_displacement() -> None:
    mine = nominal_physiology()
    at_cm = np.array([0.0, 27.0, 60.0])
    found = dispersion_cm2_per_s(mine, 5e-6, at_cm)
    assert found[0] == 5e-6
    assert np.all(np.diff(found) > 0)
    beats = mine.heart_per_min / 60 * mine.stroke_ml**2 + mine.breaths_per_min / 60 * mine.breath_stroke_ml**2
    top = mine.kappa * beats / float(area_cm2(mine, at_cm)[2]) ** 2
    assert found[2] == pytest.approx(5e-6 + top, rel=1e-12)
    twice = dispersion_cm2_per_s(
        replace(mine, stroke_ml=2 * mine.stroke_ml, breath_stroke_ml=2 * mine.breath_stroke_ml), 5e-6, at_cm
    )
    assert twice - 5e-6 == pytest.approx(4 * (found - 5e-6))
    still = dispersion_cm2_per_s(replace(mine, kappa=0.0), 5e-6, at_cm)
    assert still.tolist() == [5e-6] * 3


@given(z=st.floats(-1e6, 1e6))
def test_the_share_of_a_face_flux_is_never_negative_and_balances(z: float) -> None:
    one, other = bernoulli(np.array([z, -z]))
    assert one >= 0
    assert other >= 0
    assert math.isclose(other - one, z, rel_tol=1e-9, abs_tol=1e-8)


@pytest.mark.parametrize("z", [1e-3, 0.5, 3.0])
def test_the_share_of_a_face_flux_in_closed_form(z: float) -> None:
    assert float(bernoulli(np.array([z]))[0]) == pytest.approx(z / (math.exp(z) - 1), rel=1e-9)
    assert bernoulli(np.array([0.0, 1e300])).tolist() == [1.0, 0.0]


@given(tip=st.floats(0.01, 59.99), width=st.floats(0.3, 10.0), cells=cells_of)
def test_what_is_given_lies_whole_within_the_canal(tip: float, width: float, cells: int) -> None:
    share = spread(60.0, cells, tip, np.array([width, 2 * width]))
    assert share.shape == (cells, 2)
    assert np.all(share >= 0)
    assert share.sum(axis=0) == pytest.approx([1.0, 1.0], abs=1e-12)


def test_what_is_given_is_a_normal_density_about_the_tip() -> None:
    share = spread(60.0, 600, 30.0, np.array([2.0]))[:, 0]
    at_cm = centers_cm(60.0, 600)
    assert share @ at_cm == pytest.approx(30.0, abs=1e-9)
    assert math.sqrt(share @ (at_cm - 30.0) ** 2) == pytest.approx(2.0, rel=1e-3)
