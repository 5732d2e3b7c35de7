"""``thecal sbml``: the file it writes, what it says, and what it refuses."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import libsbml
import pytest
import typer
from typer.testing import CliRunner

from thecal.body.spine import sbml
from thecal.cli import sbml_app

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

SMALL = ("--cells", "10")


@pytest.fixture(name="out")
def out_of(tmp_path: Path) -> Path:
    return tmp_path / "new" / "spine.xml"


def ran(*words: str) -> Result:
    app = typer.Typer(rich_markup_mode=None)
    app.callback()(lambda: None)
    sbml_app.register(app)
    return CliRunner().invoke(app, ["sbml", *words, *SMALL], standalone_mode=False)


def test_a_bolus_becomes_a_file_that_libsbml_finds_nothing_in(out: Path) -> None:
    found = ran("morphine", "--tip", "L3-4", "--bolus", "0.25 mg", "--volume", "1 mL", "--level", "T10", "-o", str(out))
    assert found.return_value == 0
    assert "44 pools, 3 of plasma, 0 of effect; 7 readings." in found.stdout
    assert "Not a medical device" in found.stdout
    assert f"SBML: {out}" in found.stdout.replace("\n", "")
    text = out.read_text("utf-8")
    assert sbml.problems(text) == ()
    document = libsbml.readSBMLFromString(text)
    model = document.getModel()
    assert sum(s.getInitialAmount() for s in model.getListOfSpecies()) == pytest.approx(250_000, rel=1e-12)
    assert model.getParameter("read_csf_T10") is not None
    assert model.getParameter("rate_1").getValue() == 0.0


def test_an_infusion_and_an_effect_compartment(out: Path) -> None:
    words = ("morphine", "--tip", "T10", "--infusion", "0.864 mg/day", "--dermatome", "T10", "-o", str(out), "--json")
    found = ran(*words)
    said = json.loads(found.stdout)
    assert (found.return_value, said["file"], said["pools"]) == (0, str(out), 44)
    assert said["effects"]
    assert set(said["effects"]) < set(said["readings"])
    document = libsbml.readSBMLFromFile(str(out))
    model = document.getModel()
    assert model.getParameter("rate_1").getValue() == pytest.approx(10.0, rel=1e-14)
    assert model.getParameter("rate_2").getValue() == 0.0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "neither --bolus nor --infusion"),
        (("--infusion", "1 mg/day", "--volume", "1 mL"), "--volume without --bolus"),
        (("--bolus", ".5 mg"), "'.5 mg'"),
    ],
)
def test_a_dose_that_makes_no_sense_is_a_usage_error(out: Path, words: tuple[str, ...], said: str) -> None:
    found = ran("morphine", "--tip", "L3-4", *words, "-o", str(out))
    assert isinstance(found.exception, typer.BadParameter)
    assert said in found.exception.format_message()
    assert not out.exists()


@pytest.mark.parametrize(
    ("drug", "words", "said"),
    [
        ("aspirin", ("--tip", "L3-4"), "a drug with kinetics"),
        ("morphine", ("--tip", "X9"), "L2-3"),
        ("morphine", ("--tip", "L3-4", "--dermatome", "T99"), "T99"),
    ],
)
def test_what_there_is_not_is_refused_with_what_there_is(
    out: Path, drug: str, words: tuple[str, ...], said: str
) -> None:
    found = ran(drug, *words, "--bolus", "0.25 mg", "-o", str(out))
    assert found.return_value == 4
    assert said in found.stderr
    assert not out.exists()


def test_without_libsbml_it_says_what_to_install(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "libsbml", None)
    found = ran("morphine", "--tip", "L3-4", "--bolus", "0.25 mg", "-o", str(out))
    assert found.return_value == 73
    assert "pip install 'thecal[sbml]'" in found.stderr
    assert not out.exists()


def test_a_place_that_cannot_be_written_is_said(out: Path) -> None:
    out.parent.mkdir()
    out.mkdir()
    found = ran("morphine", "--tip", "L3-4", "--bolus", "0.25 mg", "-o", str(out))
    assert found.return_value == 73
    assert "a directory" in found.stderr
