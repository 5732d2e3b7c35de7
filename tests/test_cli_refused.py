"""Every kind of bad file: where it is wrong, what was found, what is allowed, exit code 3, and the same as JSON."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest

from thecal.cli import main
from thecal.cli.exits import Exit

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
REFUSED = sorted((EXAMPLES / "refused").glob("*.toml"))
SCENARIO_ONLY = {"event-outside-run.toml", "refill-without-bridge.toml"}
ORDER = (EXAMPLES / "baclofen.toml").read_text("utf-8")


def thecal(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(list(words))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_there_is_an_example_of_every_kind() -> None:
    assert len(REFUSED) >= 30


@pytest.mark.parametrize(
    ("command", "path"),
    [
        pytest.param(command, path, id=f"{command}-{path.stem}")
        for command in ("review", "plan", "simulate")
        for path in REFUSED
        if command == "simulate" or path.name not in SCENARIO_ONLY  # an order is all that the others read
    ],
)
@pytest.mark.requirement("OP-6.9.4")
def test_a_refused_file(command: str, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = thecal(capsys, command, str(path))
    assert (code, out) == (Exit.FILE_REFUSED, "")
    flat = re.sub(r"\s+", "", err)
    assert re.search(re.escape(path.name) + r":[0-9]+:[0-9]+", flat), err
    assert "found:" in err
    assert "allowed:" in err
    assert "Nothing was done." in err
    assert "Traceback" not in err


@pytest.mark.parametrize("path", REFUSED, ids=lambda p: p.stem)
def test_a_refused_file_as_json(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = thecal(capsys, "simulate", str(path), "--json")
    body = json.loads(out)
    assert (code, err, body["exit"], body["outcome"]) == (Exit.FILE_REFUSED, "", 3, "file-refused")
    assert body["problems"]
    for problem in body["problems"]:
        assert set(problem) == {"code", "path", "line", "column", "field", "found", "allowed"}
        assert problem["path"] == str(path)
        assert problem["line"] >= 1


@pytest.mark.parametrize(
    ("old", "new", "code", "hint"),
    [
        ('"240 mcg/day"', '".5 mg/day"', "bad-amount", "write 0.5 mg/day"),
        ('"240 mcg/day"', '"240.0 mcg/day"', "bad-amount", "write 240 mcg/day"),
        ('"240 mcg/day"', '"240 mcg"', "wrong-unit", "allowed units"),
        ('"240 mcg/day"', '"240 ug/day"', "wrong-unit", "mcg/day"),
        ('drug = "baclofen", c', 'drug = "baclofin", c', "unknown-drug", "did you mean baclofen"),
        ("on = 2026-03-02", "on = 2026-02-30", "bad-date", "2026-03-01"),
        ("age_years = 42", "age = 42", "unknown-field", "age_years"),
        ('family = "peristaltic-20"', 'family = "peristaltic-25"', "unknown-pump", "peristaltic-20"),
    ],
)
@pytest.mark.requirement("OP-6.8.8")
def test_what_was_found_and_what_is_allowed(
    old: str, new: str, code: str, hint: str, *, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert old in ORDER
    path = tmp_path / "order.toml"
    path.write_text(ORDER.replace(old, new, 1), "utf-8")
    number, out, _ = thecal(capsys, "review", str(path), "--json")
    assert number == Exit.FILE_REFUSED
    problem = json.loads(out)["problems"][0]
    assert problem["code"] == code
    assert hint in problem["allowed"]
    assert new in path.read_text("utf-8").splitlines()[problem["line"] - 1]


@pytest.mark.parametrize("command", ["review", "plan", "simulate"])
def test_a_path_that_is_not_a_file(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = thecal(capsys, command, str(tmp_path / "none.toml"))
    assert (code, out) == (Exit.FILE_REFUSED, "")
    assert "no such file" in err
    code, out, err = thecal(capsys, command, str(tmp_path))
    assert (code, out) == (Exit.FILE_REFUSED, "")
    assert "a directory" in err


def test_an_order_from_stdin(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Stdin:
        buffer = io.BytesIO(ORDER.replace("12 mcg/h", "12 mcg/hr").encode())

    monkeypatch.setattr("sys.stdin", Stdin)
    code, _, err = thecal(capsys, "review", "-")
    assert code == Exit.FILE_REFUSED
    assert "<stdin>:" in err


@pytest.mark.requirement("UM-52")
def test_a_site_formulary_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["review", str(EXAMPLES / "baclofen.toml")], ["formulary"]):
        code, out, err = thecal(capsys, *words, "--formulary", str(tmp_path / "none"))
        assert (code, out) == (Exit.FILE_REFUSED, "")
        assert "no directory" in err


def test_a_site_formulary_that_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "morphine.toml").write_text('extends = "morphine"\nbogus = 1\n', "utf-8")
    code, out, err = thecal(capsys, "formulary", "check", str(tmp_path))
    assert (code, out) == (Exit.FILE_REFUSED, "")
    assert "morphine.toml" in err
    assert "bogus" in err
    code, out, _ = thecal(capsys, "formulary", "check", str(tmp_path), "--json")
    problems = json.loads(out)["problems"]
    assert code == Exit.FILE_REFUSED
    assert all(p["code"] == "bad-formulary" for p in problems)
