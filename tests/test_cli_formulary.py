"""``thecal formulary``: facts with their sources, side by side; conversions never as one number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from thecal.cli import main
from thecal.cli.exits import Exit
from thecal.formulary import load


def thecal(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main(list(words))
    return code, capsys.readouterr().out


def body(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    code, out = thecal(capsys, *words, "--json")
    found: dict[str, Any] = json.loads(out)
    assert code == found["exit"]
    return found


def test_list_names_every_drug_with_its_status(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    code, out = thecal(capsys, "formulary")
    assert code == Exit.GO_ON
    assert thecal(capsys, "formulary", "list") == (code, out)
    for drug in load().drugs.values():
        assert drug.display_name in out
        assert str(drug.status) in out
    listed = body(capsys, "formulary", "list")["drugs"]
    assert [d["code"] for d in listed] == list(load().drugs)


def test_show_sets_authorities_side_by_side(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    code, out = thecal(capsys, "formulary", "show", "clonidine")
    assert code == Exit.GO_ON
    for limit in load().drug("clonidine").max_daily_dose:
        assert limit.source.name in out
    assert "cloNIDine" in out
    assert "mcg/day" in out
    assert "the physician chooses" in out


@pytest.mark.parametrize("code", sorted(load().drugs))
def test_every_drug_can_be_shown(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert thecal(capsys, "formulary", "show", code)[0] == Exit.GO_ON
    shown = body(capsys, "formulary", "show", code)["drug"]
    assert shown["code"] == code
    for fact in (*shown["limits"], *shown["stability"]):
        assert fact["says"]
        assert isinstance(fact["source"]["verified"], bool)
        assert fact["source"]["authority"]


def test_show_finds_a_drug_by_its_product(capsys: pytest.CaptureFixture[str]) -> None:
    assert body(capsys, "formulary", "show", "Infumorph")["drug"]["code"] == "morphine"
    assert body(capsys, "formulary", "show", "MORPHINE")["drug"]["code"] == "morphine"


def test_conversions_are_ranges_with_direction_and_warning(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    found = body(capsys, "formulary", "show", "morphine")["drug"]["conversions"]
    assert found
    for conversion in found:
        assert conversion["low_ratio"] != conversion["high_ratio"]
        assert conversion["warning"].startswith("Not a dose.")
        assert conversion["from"] != conversion["to"]
    out = thecal(capsys, "formulary", "show", "morphine")[1]
    assert "oral morphine to intrathecal morphine: divide by 10 to 300; safe end: the highest divisor" in out
    assert "never one number" in out


@pytest.mark.parametrize(
    ("text", "hint"),
    [("morphin3", "did you mean morphine?"), ("caine", "bupivacaine, lidocaine"), ("zzz", "one of: ")],
)
def test_a_drug_that_nobody_knows(text: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["formulary", "show", text]) == Exit.FILE_REFUSED
    assert hint in capsys.readouterr().err.replace("\n           ", " ")


@pytest.mark.requirement("HZ-5.6", "FD-7.5")
def test_version_follows_the_site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours = body(capsys, "formulary", "version")["formulary"]
    (tmp_path / "notes.md").write_text("nothing", "utf-8")
    assert body(capsys, "formulary", "version", "--formulary", str(tmp_path))["formulary"]["version"] == ours["version"]
    text = (Path(__file__).parents[1] / "src/thecal/formulary/drugs/morphine.toml").read_text("utf-8")
    (tmp_path / "morphine.toml").write_text(text.replace("approved", "off label", 1), "utf-8")
    code, out = thecal(capsys, "formulary", "check", str(tmp_path))
    assert code == Exit.GO_ON
    assert "morphine.toml" in out
    theirs = body(capsys, "formulary", "--formulary", str(tmp_path), "version")["formulary"]
    assert theirs["version"] != ours["version"]
    assert any("morphine" in name for name in theirs["site_files"])
    assert theirs["version"] in thecal(capsys, "formulary", "version", "--formulary", str(tmp_path))[1]
    assert body(capsys, "formulary", "check", str(tmp_path))["drugs"] == len(load().drugs)


def test_options_may_stand_before_the_subcommand(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["formulary", "--json", "show", "morphine"])
    assert code == Exit.GO_ON
    assert json.loads(capsys.readouterr().out)["drug"]["code"] == "morphine"


def test_a_name_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert thecal(capsys, "formulary", "show", "morphine")[1].startswith("morphine: opioid")
    assert "HYDROmorphone: " in thecal(capsys, "formulary", "show", "hydromorphone")[1]


def test_where_a_mixture_was_kept_fits_its_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    kept = {fact.kept for drug in load().drugs.values() for fact in drug.stability}
    assert {"in patients", "in implanted pumps", "in SynchroMed", "in vitro"} <= kept
    assert not any("in in" in text or text.endswith(("vivo", "implanted", "not stated")) for text in kept)
    assert "in patients" in thecal(capsys, "formulary", "show", "morphine")[1]
