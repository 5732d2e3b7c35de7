"""``thecal review``: the sentence, asked beside given, findings with authority and numbers, and the exit code."""

from __future__ import annotations

import io
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from thecal.cli import main
from thecal.cli.exits import Exit
from thecal.cli.references import references
from thecal.therapy.review import review

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
FIRST = EXAMPLES / "first-patient.toml"
ON = "--today=2026-03-02"


def thecal(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main(list(words))
    captured = capsys.readouterr()
    assert captured.err == ""
    return code, captured.out


def body(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    code, out = thecal(capsys, *words, "--json")
    found: dict[str, Any] = json.loads(out)
    assert code == found["exit"]
    return found


def changed(tmp_path: Path, *pairs: tuple[str, str]) -> str:
    text = FIRST.read_text("utf-8")
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "order.toml"
    path.write_text(text, "utf-8")
    return str(path)


def without_reasons(tmp_path: Path) -> str:
    """The first patient's order with every reason left out."""
    lines = FIRST.read_text("utf-8").splitlines()
    inside, kept = False, []
    for line in lines:
        if line.startswith("["):
            inside = line.startswith("[program.reasons]")
        if not inside:
            kept.append(line)
    path = tmp_path / "order.toml"
    path.write_text("\n".join(kept) + "\n", "utf-8")
    return str(path)


def test_an_order_that_may_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = thecal(capsys, "review", str(FIRST), ON)
    assert code == Exit.GO_ON
    assert "MAY GO ON" in out
    assert "not proof that it is right" in " ".join(out.split())
    assert "Not a medical device. Virtual pump." in out


@pytest.mark.requirement("OP-6.5.9")
def test_soft_findings_without_a_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = without_reasons(tmp_path)
    code, out = thecal(capsys, "review", path, ON)
    assert code == Exit.REASON_NEEDED
    assert "[REASON NEEDED]" in out
    assert "[program.reasons]" in out
    found = body(capsys, "review", path, ON)
    assert found["outcome"] == "reason-needed"
    assert found["review"]["unreasoned"]
    assert found["review"]["hard"] == []


@pytest.mark.requirement("OP-6.5.10")
def test_hard_findings_stop(capsys: pytest.CaptureFixture[str]) -> None:
    path = str(EXAMPLES / "hourly-instead-of-daily.toml")
    code, out = thecal(capsys, "review", path, ON)
    assert code == Exit.STOPPED
    assert "[STOPS]" in out
    assert "24 times a day" in out
    assert "REFUSED BY THE PUMP" in out
    found = body(capsys, "review", path, ON)
    assert found["review"]["hard"]
    assert found["achievable"]["refused"]["why"]


def test_the_pump_alone_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from thecal.pump.compile import Refused, Why

    refused = Refused(Why.TOO_MANY_DRUGS, "9 drugs", "8 drugs together", "order fewer drugs")
    monkeypatch.setattr("thecal.clinic.programming.achieving.compile_program", lambda *_, **__: refused)
    code, out = thecal(capsys, "review", str(FIRST), ON)
    assert code == Exit.PUMP_REFUSED
    assert "REFUSED BY THE PUMP: too many drugs" in out
    assert "order fewer drugs" in out
    assert "the pump cannot run this order" in out


def test_every_finding_is_shown_with_its_authority_and_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    path = without_reasons(tmp_path)
    known = references(None)
    found = review(known.order(Path(path)).order, known.formulary).findings
    out = thecal(capsys, "review", path, ON)[1]
    flat = " ".join(out.split())
    assert len(found) > 5
    for finding in found:
        for text in (finding.what, finding.found.text, finding.allowed.text, finding.source.name, finding.next_step):
            assert " ".join(text.split()) in flat, text
        assert finding.key in flat


@pytest.mark.requirement("IT-07")
def test_the_sentence_says_before_and_after(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    out = thecal(capsys, "review", str(FIRST), ON)[1]
    before, after, change = (out.index(f"\n{title}\n") for title in ("Before", "Ordered", "What changes"))
    assert before < after < change
    assert "1.4 mg morphine" in out[after:change]
    assert "cloNIDine" in out
    assert "Was 1.2 mg (16.7 % more)." in out[change:]
    sentence = body(capsys, "review", str(FIRST), ON)["sentence"]
    assert {"before", "after", "changes"} == set(sentence)


def test_an_order_without_a_past_has_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    path = str(EXAMPLES / "ziconotide-first-fill.toml")
    out = thecal(capsys, "review", path, ON)[1]
    assert "\nBefore\n" not in out
    assert "\nOrdered\n" in out
    assert set(body(capsys, "review", path, ON)["sentence"]) == {"lines", "totals"}


@pytest.mark.requirement("HZ-1.25")
def test_asked_beside_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    path = changed(tmp_path, ('"4 mg/mL"', '"3 mg/mL"'))
    out = thecal(capsys, "review", path, ON)[1]
    row = next(line for line in out.splitlines() if line.startswith("morphine, base of a day"))
    assert row.endswith("less")
    asked, given = (Fraction(row.split(" mg")[n].split()[-1]) for n in (0, 1))
    assert asked == Fraction("1.4") > given
    assert "the pump admits" in out
    settings = body(capsys, "review", path, ON)["achievable"]["settings"]
    for setting in settings:
        assert {"name", "asked", "achieved", "difference"} == set(setting)
        assert set(setting["asked"]) == {"value", "unit", "exact"}


def test_json_has_a_stable_head(capsys: pytest.CaptureFixture[str]) -> None:
    found = body(capsys, "review", str(FIRST), ON)
    assert list(found)[:5] == ["thecal", "notice", "command", "exit", "outcome"]
    assert found["command"] == "review"
    assert found["patient"] == "EXAMPLE-0001"
    assert found["pump"] == {"family": "bench-20", "name": "bench pump, 20 mL", "serial": "BENCH-0001"}
    for finding in found["review"]["findings"]:
        assert finding["authority"]
        assert isinstance(finding["hard"], bool)
        assert finding["found"]["text"]


def test_a_constant_flow_pump(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (EXAMPLES / "baclofen.toml").read_text("utf-8")
    head, rest = text.split("[program]", 1)
    order = head.replace('"peristaltic-20"', '"constant-flow-30"').replace(
        'serial = "EXAMPLE-P20-0002"', 'calibration = { fixed_flow = "0.5 mL/day" }'
    )
    path = tmp_path / "order.toml"
    path.write_text(order + '[program]\nbase = "continuous"\ndose = "500 mcg/day"\n[fill]' + rest.split("[fill]", 1)[1])
    out = thecal(capsys, "review", str(path), ON)[1]
    assert "this pump has one flow, 0.5 mL/day" in out
    assert "baclofen: 500 mcg in 24 h" in out


def test_a_program_that_stays_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (EXAMPLES / "ziconotide-first-fill.toml").read_text("utf-8")
    text = text.replace('base = "continuous"\ndose = "1.2 mcg/day"', 'base = "stopped"')
    text = text.replace('[program.priming] # tubing and catheter, and not more\nvolume = "0.29 mL"\n', "")
    text = text.replace('motor = "stop"\n', "")
    path = tmp_path / "order.toml"
    path.write_text(text, "utf-8")
    out = " ".join(thecal(capsys, "review", str(path), ON)[1].split())
    assert "this order leaves the pump stopped" in out
    assert "no response is ordered for a fault of motor: the pump stops" in out


def test_reasons_that_nothing_asked_for_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = without_reasons(tmp_path)
    text = Path(path).read_text("utf-8").replace("[fill]", '[program.reasons]\n"two-opioids" = "none"\n\n[fill]', 1)
    Path(path).write_text(text, "utf-8")
    assert "reasons that no finding asked for: two-opioids" in " ".join(thecal(capsys, "review", path, ON)[1].split())


def test_today_decides_where_the_order_states_no_date(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = changed(tmp_path, ("on = 2026-03-02\n", ""))
    early = body(capsys, "review", path, "--today", "2026-03-02")["review"]["hard"]
    late = body(capsys, "review", path, "--today", "2027-03-02")["review"]["hard"]
    assert "beyond-use-passed" not in early
    assert "beyond-use-passed" in late


def test_a_site_formulary_is_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = Path(__file__).parents[1] / "src/thecal/formulary/drugs/morphine.toml"
    (tmp_path / "morphine.toml").write_text(source.read_text("utf-8").replace("approved", "off label", 1), "utf-8")
    ours = body(capsys, "review", str(FIRST), ON)["review"]["formulary_version"]
    theirs = body(capsys, "review", str(FIRST), ON, "--formulary", str(tmp_path))["review"]["formulary_version"]
    assert ours != theirs


def test_of_a_scenario_the_starting_order_is_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "judged here is the starting order; thecal simulate reviews all 2." in spaced(capsys, str(FIRST))
    assert body(capsys, "review", str(FIRST), ON)["later_orders"] == 1
    text = FIRST.read_text("utf-8")
    path = tmp_path / "order.toml"
    path.write_text(text[: text.index("[[events]]")], "utf-8")
    assert "judged here is the starting order; it has no other." in spaced(capsys, str(path))
    path.write_text("events = 3\n" + text[: text.index("\n[run]")], "utf-8")
    assert body(capsys, "review", str(path), ON)["later_orders"] == 0
    order = str(EXAMPLES / "baclofen.toml")
    assert "starting order" not in spaced(capsys, order)
    assert body(capsys, "review", order, ON)["later_orders"] is None


def spaced(capsys: pytest.CaptureFixture[str], path: str) -> str:
    return " ".join(thecal(capsys, "review", path, ON)[1].split())


def test_standard_input_has_a_name(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for words in ("review", "plan"):
        stdin = io.TextIOWrapper(io.BytesIO(FIRST.read_bytes()))
        monkeypatch.setattr("sys.stdin", stdin)
        assert thecal(capsys, words, "-", ON)[1].startswith(f"{words.capitalize()} of standard input\n")


def test_a_rule_of_the_review_is_no_authority(capsys: pytest.CaptureFixture[str]) -> None:
    _, out = thecal(capsys, "review", str(EXAMPLES / "hourly-instead-of-daily.toml"), ON)
    assert "(a rule of this review)" in out
    assert "Thecal review 1" not in out


def test_what_an_example_excuses_is_what_it_gives_a_reason_for(capsys: pytest.CaptureFixture[str]) -> None:
    found = body(capsys, "review", str(EXAMPLES / "hourly-instead-of-daily.toml"), ON)
    assert found["exit"] == Exit.STOPPED
    (stop,) = (f for f in found["review"]["findings"] if f["code"] == "fail-safe-stop-risk")
    assert "so the pump stops" in stop["reason"]
