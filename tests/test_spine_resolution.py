"""The grid's error: of about second order, and what is estimated is about what is so."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest

from thecal.body.spine.neuraxis import EffectSite, Leaves, build, channels
from thecal.body.spine.prior import nominal_kinetics, nominal_physiology
from thecal.body.spine.resolution import SAFETY, SpaceError, estimate, space_error
from thecal.body.transport import engine
from thecal.body.transport.dosing import Dosing

if TYPE_CHECKING:
    from thecal.body.transport.tree import FloatArray

MINE, MORPHINE = nominal_physiology(), nominal_kinetics("morphine")
TIP_CM = 16.1
WANTED = {
    "tip": ("csf", 16.1),
    "L3-4": ("csf", 11.0),
    "T10": ("csf", 27.0),
    "cord": ("tissue", 30.0),
    "cistern": ("cistern", 0.0),
    "plasma": ("plasma", 0.0),
}
AT_S = np.array([0.25, 0.5, 1, 2, 4, 8, 24]) * 3600
GIVEN = Dosing.bolus(1e6)


def readings(cells: int) -> FloatArray:
    neuraxis = build(MINE, MORPHINE, TIP_CM, bolus_ml=(1.0,), cells=cells)
    return engine.run(neuraxis.system, GIVEN, AT_S, channels(neuraxis, WANTED)).values


def test_the_estimate_covers_the_error_and_is_no_caricature_of_it() -> None:
    found = space_error(MINE, MORPHINE, TIP_CM, dosing=GIVEN, at_s=AT_S, wanted=WANTED, bolus_ml=(1.0,), cells=50)
    right, rough = readings(400), readings(50)
    true = np.max(np.abs(rough - right), axis=1) / np.max(np.abs(right), axis=1)
    assert found.names == tuple(WANTED)
    assert found.cells == 50
    assert np.all(true <= found.share)
    assert found.worst <= 5 * np.max(true)
    assert found.worst == np.max(found.share)


def test_the_shipped_grid_is_right_to_a_few_parts_in_a_thousand() -> None:
    """Transport-science 5.2 states 1.5e-3 for 200 cells, worst of its channels."""
    found = space_error(MINE, MORPHINE, TIP_CM, dosing=GIVEN, at_s=AT_S, wanted=WANTED, bolus_ml=(1.0,))
    assert found.worst < 3e-3


def test_halving_the_cells_quarters_the_error() -> None:
    right = readings(400)
    errors = [np.max(np.abs(readings(n) - right) / np.max(np.abs(right), axis=1)[:, None]) for n in (25, 50, 100)]
    for rough, fine in itertools.pairwise(errors):
        assert rough > 2.5 * fine


def test_effects_and_leaves_are_those_of_the_run() -> None:
    effects = (EffectSite("ache", "tissue", 30.0, 0.01),)
    found = space_error(
        MINE,
        MORPHINE,
        TIP_CM,
        dosing=GIVEN,
        at_s=AT_S,
        wanted={"ache": ("ache", 0.0)},
        cells=20,
        effects=effects,
        leaves=Leaves.TISSUE,
    )
    assert isinstance(found, SpaceError)
    assert 0 < found.worst < 0.5


def test_an_estimate_from_readings() -> None:
    coarse, fine = np.array([[1.0, 3.0], [0.0, 0.0]]), np.array([[1.0, 4.0], [0.0, 0.0]])
    assert estimate(coarse, fine).tolist() == pytest.approx([SAFETY * 0.25, 0.0])
