"""The person's data file: complete, sourced, and refused where it is wrong."""

from __future__ import annotations

from dataclasses import fields
from importlib import resources

import pytest

from thecal.body.spine.parameter import DataFileError, Distribution
from thecal.body.spine.physiology import Physiology, area_shape, physiology_parameters, read_physiology

TEXT = resources.files("thecal.body.spine").joinpath("physiology.toml").read_text(encoding="utf-8")
SHAPE = 'share = [0.0, 1.0]\nrelative = [1.0, 2.0]\nsource = "ours"\nverified = false\n'


def test_every_field_has_a_number_with_a_source() -> None:
    found = physiology_parameters()
    assert list(found) == [f.name for f in fields(Physiology)]
    for name, parameter in found.items():
        assert parameter.source, name
        assert parameter.low <= parameter.value <= parameter.high


def test_what_is_calibrated_says_so_and_is_not_called_verified() -> None:
    calibrated = {name for name, p in physiology_parameters().items() if p.prior is not None}
    assert calibrated == {"kappa", "stroke_exponent", "top_exchange_ml_per_min"}
    for name in calibrated:
        assert physiology_parameters()[name].source.startswith("calibrated to ")
        assert not physiology_parameters()[name].verified
        assert "Prior:" in physiology_parameters()[name].note


def test_numbers_of_the_literature_are_copied_right() -> None:
    found = physiology_parameters()
    values = {name: parameter.value for name, parameter in found.items() if parameter.verified}
    assert values == {
        "canal_cm": 60.0,
        "csf_ml": 97.3,
        "cord_ml": 19.9,
        "root_ml": 5.8,
        "dura_cm2": 318.5,
        "stroke_ml": 2.1,
    }
    assert found["stroke_ml"].distribution is Distribution.NORMAL
    assert found["stroke_ml"].spread == 0.7
    assert (found["spinal_share"].low, found["spinal_share"].high) == (0.2, 0.5)
    assert (found["kappa"].prior, found["kappa"].spread) == (0.15, 0.8)


def test_the_shape_covers_the_canal() -> None:
    shape = area_shape()
    assert shape.share[0] == 0
    assert shape.share[-1] == 1
    assert not shape.verified


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (SHAPE.replace("0.0, 1.0", "0.0, 0.9"), "ascending from 0 to 1"),
        (SHAPE.replace("0.0, 1.0", "0.1, 1.0"), "ascending from 0 to 1"),
        (SHAPE.replace("0.0, 1.0", "0.0, 0.7, 0.7, 1.0"), "ascending from 0 to 1"),
        (SHAPE.replace("[0.0, 1.0]", "[0.0, 0.5, 0.5]"), "ascending from 0 to 1"),
        (SHAPE.replace("1.0, 2.0", "1.0, 0.0"), "sizes over 0"),
        (SHAPE + "color = 1\n", "Extra inputs"),
        ("", "Field required"),
    ],
)
def test_a_wrong_shape_is_refused(changed: str, says: str) -> None:
    with pytest.raises(DataFileError, match="area_shape") as refused:
        read_physiology("[area_shape]\n" + changed)
    assert says in str(refused.value)


def test_a_file_without_a_shape_or_without_a_number_is_refused() -> None:
    with pytest.raises(DataFileError, match="area_shape"):
        read_physiology("")
    with pytest.raises(DataFileError, match=r"mine\.toml: unknown \[\], missing \['canal_cm'"):
        read_physiology("[area_shape]\n" + SHAPE, "mine.toml")


def test_the_shipped_file_reads_the_same_under_any_name() -> None:
    parameters, shape = read_physiology(TEXT, "mine.toml")
    assert parameters == physiology_parameters()
    assert shape == area_shape()
