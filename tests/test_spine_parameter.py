"""A number as data: what a file may hold, and what a distribution gives."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thecal.body.spine.parameter import (
    DataFileError,
    Distribution,
    Parameter,
    read_parameters,
    read_toml,
    unit_of,
)

ROOT = Path(__file__).resolve().parent.parent
GOOD: dict[str, Any] = {
    "value": 2.0,
    "unit": "mL",
    "low": 1.0,
    "high": 4.0,
    "distribution": "lognormal",
    "spread": 0.3,
    "source": "a source",
    "verified": False,
}


def parameter(**changed: object) -> Parameter:
    return Parameter.model_validate({**GOOD, **changed})


@pytest.mark.parametrize(
    ("field", "unit"),
    [
        ("a_cm2_per_min", "cm2/min"),
        ("a_cm2_per_s", "cm2/s"),
        ("a_cm_per_min", "cm/min"),
        ("a_ml_per_min", "mL/min"),
        ("a_ml_per_kg", "mL/kg"),
        ("a_per_min", "1/min"),
        ("a_cm2", "cm2"),
        ("a_cm", "cm"),
        ("a_ml", "mL"),
        ("a_kg", "kg"),
        ("a_min", "min"),
        ("kappa", "1"),
    ],
)
def test_the_end_of_a_name_is_its_unit(field: str, unit: str) -> None:
    assert unit_of(field) == unit


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"value": 5.0}, "value 5"),
        ({"value": float("nan")}, "finite"),
        ({"high": float("inf")}, "finite"),
        ({"prior": 0.5}, "prior 0.5"),
        ({"spread": None}, "spread None"),
        ({"spread": 0.0}, "greater than 0"),
        ({"distribution": "uniform"}, "spread 0.3"),
        ({"distribution": "fixed"}, "spread 0.3"),
        ({"distribution": "beta"}, "'fixed', 'uniform', 'normal' or 'lognormal'"),
        ({"low": 2.0, "high": 2.0}, "a range of one number"),
        ({"low": 0.0}, "over 0"),
        ({"source": ""}, "at least 3"),
        ({"verified": "maybe"}, "bool"),
        ({"color": "red"}, "Extra inputs"),
        ({"unit": "L"}, "'mL'"),
    ],
)
def test_a_wrong_field_is_refused_by_file_and_field(changed: dict[str, object], says: str) -> None:
    with pytest.raises(DataFileError, match=r"^here\.toml: a_ml") as refused:
        read_parameters({"a_ml": {**GOOD, **changed}}, ["a_ml"], "here.toml")
    assert says in str(refused.value)


def test_missing_and_unknown_fields_are_both_named() -> None:
    with pytest.raises(DataFileError, match=r"unknown \['b_ml'\], missing \['a_ml'\]"):
        read_parameters({"b_ml": GOOD}, ["a_ml"], "here.toml")
    with pytest.raises(DataFileError, match="a_ml"):
        read_parameters({"a_ml": 3.0}, ["a_ml"], "here.toml")
    with pytest.raises(DataFileError, match="allowed: TOML"):
        read_toml("a = ", "here.toml")


def test_a_good_file_keeps_the_order_of_the_fields() -> None:
    tables = read_toml("[b_ml]\nvalue = 1\n", "here.toml")
    assert tables == {"b_ml": {"value": 1}}
    found = read_parameters({"b_ml": GOOD, "a_ml": GOOD}, ["a_ml", "b_ml"], "here.toml")
    assert list(found) == ["a_ml", "b_ml"]
    assert found["a_ml"].value == 2.0
    assert found["a_ml"].distribution is Distribution.LOGNORMAL


@pytest.mark.parametrize("low", [1.0, 2.0])
def test_a_fixed_number_is_its_value(low: float) -> None:
    fixed = parameter(distribution="fixed", spread=None, low=low, high=2.0)
    assert fixed.quantile(0.9) == 2.0


def test_quantiles_in_closed_form() -> None:
    assert parameter(distribution="uniform", spread=None).quantile(0.25) == pytest.approx(1.75)
    wide = parameter(low=1e-9, high=1e9)
    assert wide.quantile(0.5) == pytest.approx(2.0)
    assert math.log(wide.quantile(0.8413447460685429) / 2) == pytest.approx(0.3)
    straight = parameter(distribution="normal", low=-100.0, high=100.0, spread=0.5)
    assert straight.quantile(0.8413447460685429) == pytest.approx(2.5)
    half = parameter(distribution="normal", low=2.0, high=100.0, spread=0.5)
    assert half.quantile(0.6826894921370859) == pytest.approx(2.5)  # what is cut off is shared out over the rest


@given(
    share=st.floats(1e-12, 1 - 1e-12),
    more=st.floats(0, 1),
    distribution=st.sampled_from(list(Distribution)),
    spread=st.floats(0.01, 50),
)
def test_a_quantile_ascends_and_stays_in_the_range(
    share: float, more: float, distribution: Distribution, spread: float
) -> None:
    spreads = distribution in {Distribution.NORMAL, Distribution.LOGNORMAL}
    number = parameter(distribution=distribution, spread=spread if spreads else None)
    low, high = number.quantile(share), number.quantile(min(1 - 1e-12, share + more * (1 - share)))
    assert number.low <= low <= number.high
    assert low <= high * (1 + 1e-12)


def test_the_page_is_what_the_script_writes() -> None:
    path = ROOT / "scripts" / "body_parameters.py"
    spec = importlib.util.spec_from_file_location("body_parameters", path)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.PAGE.read_text(encoding="utf-8") == script.page()
