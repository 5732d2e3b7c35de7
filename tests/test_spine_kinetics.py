"""The drugs' data files: complete, sourced, converted right, and refused where they are wrong."""

from __future__ import annotations

import math
from dataclasses import fields
from importlib import resources
from pathlib import Path

import pytest

from thecal.body.spine.kinetics import Kinetics, kinetics_parameters, modelled_drugs, read_kinetics
from thecal.body.spine.parameter import DataFileError
from thecal.body.spine.prior import nominal_kinetics
from thecal.body.transport.untrusted import Doubt, UntrustedError

DRUGS = ("baclofen", "bupivacaine", "clonidine", "fentanyl", "hydromorphone", "morphine", "sufentanil", "ziconotide")
CALIBRATED = {
    "tissue_exchange_min",
    "tissue_loss_per_min",
    "dura_cm_per_min",
    "epidural_loss_per_min",
    "fat_exchange_cm2_per_min",
}
KG = 70.0


def text(drug: str) -> str:
    folder = resources.files("thecal.body.spine").joinpath("kinetics")
    return folder.joinpath(f"{drug}.toml").read_text(encoding="utf-8")


def clearance_ml_per_min(drug: str) -> float:
    kinetics = nominal_kinetics(drug)
    return kinetics.k10_per_min * kinetics.v1_ml_per_kg * KG


def slowest_half_life_min(drug: str) -> float:
    """Of plasma, from the characteristic polynomial of two compartments."""
    k = nominal_kinetics(drug)
    total = k.k10_per_min + k.k12_per_min + k.k21_per_min
    beta = (total - math.sqrt(total**2 - 4 * k.k10_per_min * k.k21_per_min)) / 2
    return math.log(2) / beta


def test_the_drugs_are_these_and_named_as_in_the_formulary() -> None:
    assert modelled_drugs() == DRUGS
    formulary = Path(__file__).resolve().parent.parent / "src" / "thecal" / "formulary" / "drugs"
    assert set(DRUGS) <= {file.stem for file in formulary.glob("*.toml")}


@pytest.mark.parametrize("drug", DRUGS)
def test_every_field_has_a_number_with_a_source(drug: str) -> None:
    found = kinetics_parameters(drug)
    assert ["drug", *found] == [f.name for f in fields(Kinetics)]
    for name, parameter in found.items():
        assert parameter.source, name
        if parameter.source.startswith(("ours", "assumed", "general", "calibrated")):
            assert not parameter.verified, name


@pytest.mark.parametrize("drug", DRUGS)
def test_only_morphine_is_calibrated(drug: str) -> None:
    calibrated = {name for name, parameter in kinetics_parameters(drug).items() if parameter.prior is not None}
    assert calibrated == (CALIBRATED if drug == "morphine" else set())


@pytest.mark.parametrize("drug", DRUGS)
def test_what_is_assumed_as_for_morphine_is_as_for_morphine(drug: str) -> None:
    morphine = kinetics_parameters("morphine")
    for name, parameter in kinetics_parameters(drug).items():
        if parameter.source.startswith("assumed as for morphine"):
            assert parameter.value == morphine[name].value, name
            assert (parameter.low, parameter.high) == (morphine[name].low, morphine[name].high), name


def test_published_rates_are_copied_right() -> None:
    morphine, hydromorphone = nominal_kinetics("morphine"), nominal_kinetics("hydromorphone")
    assert (morphine.v1_ml_per_kg, morphine.k10_per_min, morphine.k12_per_min) == (250.0, 0.0705, 0.1273)
    assert (morphine.k21_per_min, morphine.k13_per_min, morphine.k31_per_min) == (0.026, 0.0183, 0.00163)
    assert (hydromorphone.v1_ml_per_kg, hydromorphone.k10_per_min, hydromorphone.k12_per_min) == (160.0, 0.116, 0.3)
    assert (hydromorphone.k21_per_min, hydromorphone.k13_per_min, hydromorphone.k31_per_min) == (0.03, 0.08, 0.00095)


@pytest.mark.parametrize(
    ("drug", "volumes_l", "clearances_l_per_min"),
    [
        ("fentanyl", (12.1, 35.7, 224.0), (0.632, 2.8, 1.55)),
        ("sufentanil", (14.3, 63.4, 252.0), (0.922, 1.553, 0.327)),
    ],
)
def test_volumes_and_clearances_come_back_from_the_rates(
    drug: str, volumes_l: tuple[float, ...], clearances_l_per_min: tuple[float, ...]
) -> None:
    k = nominal_kinetics(drug)
    v1 = k.v1_ml_per_kg * KG / 1000
    assert (v1, v1 * k.k12_per_min / k.k21_per_min, v1 * k.k13_per_min / k.k31_per_min) == pytest.approx(
        volumes_l, rel=1e-3
    )
    out = (k.k10_per_min, k.k12_per_min, k.k13_per_min)
    assert tuple(v1 * rate for rate in out) == pytest.approx(clearances_l_per_min, rel=1e-3)


def test_clearances_and_half_lives_come_back_from_the_rates() -> None:
    assert clearance_ml_per_min("bupivacaine") == pytest.approx(560, rel=1e-3)
    assert nominal_kinetics("bupivacaine").v1_ml_per_kg * KG == pytest.approx(63_000, rel=1e-3)
    assert clearance_ml_per_min("ziconotide") == pytest.approx(270, rel=1e-3)
    assert slowest_half_life_min("ziconotide") == pytest.approx(1.3 * 60, rel=0.02)
    assert clearance_ml_per_min("baclofen") == pytest.approx(180, rel=1e-3)
    assert slowest_half_life_min("baclofen") == pytest.approx(60 * math.log(2) / 0.191, rel=1e-3)
    assert slowest_half_life_min("clonidine") == pytest.approx(8.5 * 60, rel=1e-2)


def test_ranks_of_the_tissues() -> None:
    """Ummenhofer 2000, Anesthesiology 92:739: a large volume of sufentanil in the cord; fentanyl goes to fat."""
    cord = {drug: nominal_kinetics(drug).tissue_partition for drug in DRUGS}
    fat = {drug: nominal_kinetics(drug).fat_partition for drug in DRUGS}
    assert max(cord, key=cord.__getitem__) == "sufentanil"
    assert max(fat, key=fat.__getitem__) == "fentanyl"
    assert fat["morphine"] < fat["sufentanil"]


def test_a_drug_without_kinetics_is_refused_with_those_that_have_them() -> None:
    with pytest.raises(UntrustedError, match="adenosine") as refused:
        kinetics_parameters("adenosine")
    assert refused.value.doubt is Doubt.NO_MODEL
    assert all(drug in str(refused.value) for drug in DRUGS)


def test_a_file_under_the_wrong_name_or_without_one_is_refused() -> None:
    with pytest.raises(DataFileError, match=r"kinetics/fentanyl\.toml: drug: found 'morphine'"):
        read_kinetics(text("morphine"), "fentanyl")
    with pytest.raises(DataFileError, match="found None"):
        read_kinetics("", "fentanyl")
    with pytest.raises(DataFileError, match=r"morphine\.toml: tissue_partition\.value"):
        read_kinetics(text("morphine").replace("[tissue_partition]\nvalue = 1.0", '[tissue_partition]\nvalue = "x"'),
                      "morphine")  # fmt: skip
