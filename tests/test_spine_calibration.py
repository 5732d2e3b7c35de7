"""What the shipped values give for the cases they were fitted to, and that nothing else was fitted."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from thecal.body.spine import calibration
from thecal.body.spine.calibration import CASES, READINGS, found
from thecal.body.spine.kinetics import kinetics_parameters
from thecal.body.spine.physiology import physiology_parameters
from thecal.body.spine.prior import nominal_kinetics, nominal_physiology

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def shipped() -> dict[str, float]:
    return found(nominal_physiology(), nominal_kinetics("morphine"))


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("calibrate", ROOT / "scripts" / "calibrate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["calibrate"] = module
    spec.loader.exec_module(module)
    return module


def test_the_cases_are_those_marked_for_calibration() -> None:
    """Transport-science section 4, cases 1 to 5."""
    ranges = {case.key: (case.low, case.high) for case in CASES}
    assert ranges == {
        "csf_1h": (pytest.approx(4228 / 1.5), pytest.approx(4228 * 1.5)),
        "half_life": (73, 196),
        "ratio_l2": (pytest.approx(7 / 1.6), pytest.approx(7 * 1.6)),
        "ratio_t10": (pytest.approx(2 / 1.6), pytest.approx(2 * 1.6)),
        "csf_plasma": (300, 5000),
        "plasma_max": (pytest.approx(2.3 / 2), pytest.approx(2.3 * 2)),
        "plasma_at": (140, 300),
    }
    assert len(READINGS) == 4


def test_every_case_lies_inside_its_range(shipped: dict[str, float]) -> None:
    assert set(shipped) == {case.key for case in CASES}
    outside = {case.key: shipped[case.key] for case in CASES if not case.inside(shipped[case.key])}
    assert not outside
    assert shipped["ratio_l2"] > shipped["ratio_t10"]


def test_a_case_knows_its_range() -> None:
    case = CASES[1]
    assert case.inside(73)
    assert case.inside(196)
    assert not case.inside(72.9)
    assert not case.inside(196.1)


def test_the_figures_are_those_of_the_pages(shipped: dict[str, float]) -> None:
    """The table in the explanation shows what the shipped values give, to three digits."""
    page = (ROOT / "docs" / "explanation" / "spine.md").read_text(encoding="utf-8")
    for case in CASES:
        row = re.search(rf"^\| {re.escape(case.title)}[^|]*\|.*\| ([\d.]+) \|$", page, re.MULTILINE)
        assert row is not None, case.title
        assert float(row[1]) == pytest.approx(shipped[case.key], rel=6e-3), case.title


def test_the_figures_do_not_hang_on_the_grid(shipped: dict[str, float]) -> None:
    coarse = found(nominal_physiology(), nominal_kinetics("morphine"), 60)
    assert list(coarse.values()) == pytest.approx([shipped[key] for key in coarse], rel=3e-3)


def test_the_top_of_a_curve() -> None:
    at = np.arange(0.0, 10.0)
    assert calibration._peak(at, 5 - (at - 4.3) ** 2) == pytest.approx((4.3, 5.0))
    assert calibration._peak(at, at) == (9.0, 9.0)
    assert calibration._peak(at, -at) == (0.0, 0.0)


def test_only_these_numbers_were_fitted(script: ModuleType) -> None:
    person = {name for name, parameter in physiology_parameters().items() if parameter.prior is not None}
    drug = {name for name, parameter in kinetics_parameters("morphine").items() if parameter.prior is not None}
    assert person == set(script.PERSON)
    assert drug == set(script.MORPHINE)


def test_no_shipped_value_lies_far_from_its_prior(script: ModuleType) -> None:
    for name, parameter in script.parameters().items():
        assert abs(script.penalty(name, parameter.value, parameter)) < 1, name


def test_the_priors_alone_fit_worse(script: ModuleType, shipped: dict[str, float]) -> None:
    old = {name: script.before(parameter) for name, parameter in script.parameters().items()}
    physiology, kinetics = script.model(old)
    before = found(physiology, kinetics, 60)
    assert sum(x**2 for x in script.misfit(shipped)) < 0.7 * sum(x**2 for x in script.misfit(before))


@pytest.mark.long
def test_the_script_finds_the_shipped_values_again(script: ModuleType) -> None:
    for start in script.starts(1, 1):
        _, values = script.fit(start, script.FIT_CELLS)
        for name, parameter in script.parameters().items():
            assert values[name] == pytest.approx(parameter.value, rel=0.06), name
