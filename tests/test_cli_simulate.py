"""``thecal simulate``: reviewed first, run on the virtual pump, accounted for in text, as JSON and as a page."""

from __future__ import annotations

import io
import json
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from thecal.cli import main, simulating
from thecal.cli.exits import Exit

FIRST = (Path(__file__).resolve().parent.parent / "examples" / "first-patient.toml").read_text("utf-8")
ORDER = FIRST[: FIRST.index("\n[run]")]
RUN = """
[run]
start = 2026-03-02T09:30:00
days = 3
seed = 5
utc_offset = "+01:00"

[[pressers]]
presses_per_day = 3
heedless_share = 0.5
from = "07:00"
until = "22:30"
"""
PRESS = '\n[[events]]\nkind = "press"\nday = 1\ntime = "{}"\n'
SAME_FLUID = '\n[[events]]\nkind = "refill"\nday = 1\ntime = "12:00"\nvolume = "19 mL"\naspirated = "19 mL"\n'
WEAKER = """
[[events]]
kind = "refill"
day = 1
time = "12:00"
volume = "19.5 mL"
left = "0.5 mL"
bridge = "plan"

[events.mixture]
preservative_free = true
compounded = true
diluent = "sodium chloride 0.9 %, preservative-free"
beyond_use = 2026-05-31
ingredients = [
  { drug = "morphine", concentration = "3 mg/mL" },
  { drug = "bupivacaine", concentration = "7.5 mg/mL" },
  { drug = "clonidine", concentration = "112.5 mcg/mL" },
]
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "scenario.toml"
    path.write_text(ORDER + RUN + PRESS.format("03:10") + PRESS.format("03:20") + SAME_FLUID, "utf-8")
    return path


def written(tmp_path: Path, text: str, *pairs: tuple[str, str]) -> str:
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new, 1)
    path = tmp_path / "edited.toml"
    path.write_text(text, "utf-8")
    return str(path)


def thecal(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main(["simulate", *words])
    captured = capsys.readouterr()
    assert captured.err == ""
    return code, captured.out


def body(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    code, out = thecal(capsys, *words, "--json")
    found: dict[str, Any] = json.loads(out)
    assert code == found["exit"]
    return found


TOO_MUCH = ('dose = "0.1 mg"\nduration', 'dose = "1.9 mg"\nduration')


def test_a_run_on_the_terminal(
    scenario: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "110")
    code, out = thecal(capsys, str(scenario))
    assert code == Exit.GO_ON
    for words in (
        "Not a medical device. Virtual pump.",
        "3 days from 2 Mar 2026 09:30 by the pump clock, seed 5",
        "Ordered, delivered, arrived",
        "cloNIDine",
        "refused: the lockout still runs",
        "Alarms: 0",
        "The fluid stayed the same all the time.",
        "morphine in each 24 h; scale 0 to 2 mg, the ceiling of 24 h",
        "Reservoir at the end of each 24 h",
        "log: ",
    ):
        assert words in out, words
    assert "TEACHING" not in out


def test_json_is_all_that_is_printed(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = body(capsys, str(scenario))
    assert found["command"] == "simulate"
    assert found["teach"] is False
    assert [o["at_s"] for o in found["orders"]] == [0]
    trace = found["trace"]
    assert trace["days"] == len(trace["series"]) == 3
    assert {b["answer"] for b in trace["boluses"]} >= {"granted", "the lockout still runs"}
    for total in trace["totals_mg"]:
        assert abs(total["unaccounted"]) < 1e-9
        assert total["arrived"] > 0


def test_the_same_seed_gives_the_same_run(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, again = body(capsys, str(scenario)), body(capsys, str(scenario), "--seed", "5")
    other = body(capsys, str(scenario), "--seed", "6")
    assert first == again
    assert first["trace"]["log"] != other["trace"]["log"]
    assert other["trace"]["seed"] == 6


def test_stepping_gives_the_same_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, ORDER + RUN, ("days = 3", "days = 1"))
    leapt, stepped = body(capsys, path), body(capsys, path, "--stepping")
    assert leapt["trace"] == stepped["trace"]


def test_a_new_fluid_is_reviewed_bridged_and_followed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, ORDER + RUN + WEAKER + PRESS.format("13:00"))
    code, out = thecal(capsys, path)
    assert "3 Mar 2026 12:00" in out
    assert "refused: old drug is still ahead of the new one" in " ".join(out.split())
    found = body(capsys, path)
    assert found["exit"] == code
    assert [o["at_s"] for o in found["orders"]] == [0, 95_400]
    later = found["orders"][1]
    assert any("a bridge" in line for line in later["sentence"]["after"]["lines"])
    assert not any(f["code"] == "no-bridge" for f in later["review"]["findings"])
    assert found["trace"]["fronts"][0]["tip_s"] > 95_400


def test_a_new_program_and_a_stop_are_followed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = (
        '\n[[events]]\nkind = "stop"\nday = 0\ntime = "12:00"\n'
        '\n[[events]]\nkind = "start"\nday = 0\ntime = "13:00"\n'
        '\n[[events]]\nkind = "stop"\nday = 1\ntime = "12:00"\n'
        '\n[[events]]\nkind = "program"\nday = 1\ntime = "18:00"\n'
        '[events.program]\nbase = "continuous"\ndose = "1.2 mg/day"\nkeep = ["ceilings", "fail_safe"]\n'
        '\n[[events]]\nkind = "single bolus"\nday = 2\ntime = "12:00"\ndose = "0.1 mg"\nduration = "10 min"\n'
    )
    found = body(capsys, written(tmp_path, ORDER + RUN + events))
    at, later = found["orders"][1]["at_s"], found["orders"][1]
    assert at == 117_000
    assert later["sentence"]["after"]["lines"][0].startswith("All day: 0.05 mg/h morphine")
    assert found["trace"]["programs"][1]["at_s"] == at
    out = thecal(capsys, written(tmp_path, ORDER + RUN + events))[1]
    assert "single boluses: granted, 1" in out


@pytest.mark.requirement("OP-6.9.3")
def test_hard_findings_are_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, ORDER + RUN, TOO_MUCH)
    report = tmp_path / "report.html"
    code, out = thecal(capsys, path, "--report", str(report))
    assert code == Exit.STOPPED
    assert "NOT RUN." in out
    assert "[STOPS]" in out
    assert not report.exists()
    found = body(capsys, path)
    assert (found["exit"], found["trace"]) == (2, None)


def test_a_later_order_stops_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = (
        '\n[[events]]\nkind = "program"\nday = 1\ntime = "18:00"\n[events.program]\nbase = "continuous"\ndose = "{}"\n'
    )
    path = written(tmp_path, ORDER + RUN + program.format("1.2 mg/day"))
    code, out = thecal(capsys, path)
    assert code == Exit.STOPPED
    assert "The order of 3 Mar 2026 18:00:" in out
    assert "The order of 2 Mar 2026" not in out


def test_a_scenario_from_stdin(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Stdin:
        buffer = io.BytesIO((ORDER + RUN).encode())

    monkeypatch.setattr("sys.stdin", Stdin)
    assert thecal(capsys, "-")[0] == Exit.GO_ON


def test_a_front_that_does_not_arrive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "report.html"
    text = (ORDER + RUN + WEAKER).replace("days = 3", "days = 2").replace('time = "12:00"', 'time = "20:00"')
    out = thecal(capsys, written(tmp_path, text), "--report", str(report))[1]
    assert "not within the run" in out
    assert "It did not reach the tip within the run." in report.read_text("utf-8")


def test_teaching_marks_every_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, ORDER + RUN, TOO_MUCH)
    report = tmp_path / "report.html"
    code, out = thecal(capsys, path, "--teach", "--report", str(report))
    assert code == Exit.STOPPED
    assert out.count("TEACHING RUN") == 2
    assert "TEACHING RUN" in report.read_text("utf-8")
    found = body(capsys, path, "--teach")
    assert found["teach"] is True
    assert found["trace"] is not None
    assert found["outcome"] == "stopped"


def test_an_order_that_only_the_pump_refuses(
    scenario: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from thecal.pump.compile import Refused, Why

    refused = Refused(Why.TOO_MANY_DRUGS, "9 drugs", "8 drugs together", "order fewer drugs")
    monkeypatch.setattr("thecal.clinic.programming.achieving.compile_program", lambda *_, **__: refused)
    code, out = thecal(capsys, str(scenario))
    assert code == Exit.PUMP_REFUSED
    assert "NOT RUN." in out


def test_soft_findings_run_and_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start = ORDER.index("[program.reasons]")
    end = ORDER.index("\n[", start + 1)
    path = written(tmp_path, ORDER[:start] + ORDER[end:] + RUN)
    code, out = thecal(capsys, path)
    assert code == Exit.REASON_NEEDED
    assert "REASONS NEEDED" in out
    assert body(capsys, path)["trace"] is not None


def test_a_pump_without_a_controller(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (Path(__file__).resolve().parent.parent / "examples" / "baclofen.toml").read_text("utf-8")
    head, rest = text.split("[program]", 1)
    order = head.replace('"peristaltic-20"', '"constant-flow-30"').replace(
        'serial = "EXAMPLE-P20-0002"', 'calibration = { fixed_flow = "0.5 mL/day" }'
    )
    program = '[program]\nbase = "continuous"\ndose = "500 mcg/day"\n[fill]'
    path = written(tmp_path, order + program + rest.split("[fill]", 1)[1] + RUN)
    code, out = thecal(capsys, path)
    assert code in {Exit.PUMP_REFUSED, Exit.STOPPED}
    assert "has no controller" in out


def test_faults_alarms_and_what_was_not_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faults = (
        '\n[[faults]]\nkind = "stall"\nday = 1\ntime = "12:00"\nuntil_day = 1\nuntil_time = "18:00"\n'
        '\n[[faults]]\nkind = "accuracy"\nfactor = 1.1\n'
        '\n[[events]]\nkind = "refill"\nday = 2\ntime = "12:00"\nvolume = "19 mL"\nleft = "10 mL"\n'
    )
    path = written(tmp_path, ORDER + RUN + faults)
    report = tmp_path / "report.html"
    out = thecal(capsys, path, "--report", str(report))[1]
    assert "motor stall" in out
    assert "Not done: 1" in out
    assert "nothing was done" in " ".join(out.split())
    page = report.read_text("utf-8")
    assert "motor stall" in page
    assert "Asked for and not done" in page
    assert "as the pump believes" in page


def test_the_report_is_written_whole_or_not_at_all(
    scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "deep" / "down" / "report.html"
    assert thecal(capsys, str(scenario), "--report", str(report))[0] == Exit.GO_ON
    first = report.read_bytes()
    assert thecal(capsys, str(scenario), "--report", str(report))[0] == Exit.GO_ON
    assert report.read_bytes() == first
    assert [p.name for p in report.parent.iterdir()] == ["report.html"]

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert main(["simulate", str(scenario), "--report", str(report)]) == Exit.NOT_WRITTEN
    err = capsys.readouterr().err
    assert "No space left on device" in err
    assert "The run was done, and its report was not written." in " ".join(err.split())
    assert report.read_bytes() == first
    assert [p.name for p in report.parent.iterdir()] == ["report.html"]


def test_a_report_that_cannot_be_written(scenario: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    code = main(["simulate", str(scenario), "--report", str(tmp_path / "file" / "report.html"), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (code, found["exit"], found["outcome"]) == (73, 73, "not-written")


def test_a_bar_where_somebody_looks(
    scenario: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert main(["simulate", str(scenario)]) == Exit.GO_ON
    captured = capsys.readouterr()
    assert "Running 3 days" in captured.err
    assert "100 %" in captured.err
    assert "Running" not in captured.out
    assert main(["simulate", str(scenario), "--json"]) == Exit.GO_ON
    assert capsys.readouterr().err == ""


def test_a_terminal_without_utf_8_gets_no_charts(
    scenario: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rich.console.Console.encoding", "ascii")
    assert "Charts need a terminal that shows UTF-8" in thecal(capsys, str(scenario))[1]


def test_the_gravest_order_decides() -> None:
    assert min([Exit.GO_ON, Exit.STOPPED, Exit.REASON_NEEDED], key=simulating.GRAVEST.index) is Exit.STOPPED


BRIDGE_NOTE = "While a bridge runs, stronger fluid leaves the reservoir than arrives; see"
TWO_DRUGS = """
[events.program]
base = "continuous"
dose = "1 mg/day"
keep = ["fail_safe"]

[[events.program.ceilings]]
drug = "morphine"
per_1h = "0.3 mg"
per_24h = "2 mg"

[[events.program.ceilings]]
drug = "bupivacaine"
per_1h = "0.75 mg"
per_24h = "5 mg"
"""


def test_a_bridge_and_what_stayed_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "report.html"
    path = written(tmp_path, FIRST, ("days = 90", "days = 65"))
    out = " ".join(thecal(capsys, path, "--report", str(report))[1].split())
    page = report.read_text("utf-8")
    stayed = "After the refill of 4 May 2026 the reservoir holds 5.95 mg/mL morphine (ordered 6 mg/mL), "
    assert f"{BRIDGE_NOTE} 'A new fluid at the tip'." in out
    assert stayed in out
    assert "223.1 mcg/mL cloNIDine (ordered 225 mcg/mL): 0.5 mL of the old fluid stayed." in out
    shown = unescape(page).replace("\u00a0", " ")
    assert f"{BRIDGE_NOTE} 'Changes of fluid'." in shown
    assert stayed in shown


def test_a_weaker_fluid_has_no_such_bridge(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = " ".join(thecal(capsys, written(tmp_path, ORDER + RUN + WEAKER), "--teach")[1].split())
    assert BRIDGE_NOTE not in out
    assert "the reservoir holds 3.025 mg/mL morphine (ordered 3 mg/mL)" in out


def test_a_drug_that_is_left_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = '  { drug = "clonidine", concentration = "112.5 mcg/mL" },\n'
    assert line in WEAKER
    path = written(tmp_path, ORDER + RUN + WEAKER.replace(line, "") + TWO_DRUGS)
    out = " ".join(thecal(capsys, path, "--teach")[1].split())
    assert "3.75 mcg/mL cloNIDine (not ordered)" in out


def test_the_same_fluid_is_as_its_label_says(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "After the refill of" not in thecal(capsys, str(scenario))[1]


def test_where_no_report_can_go_nothing_is_run(
    scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ran(*_: object) -> None:
        raise AssertionError("it was run")

    monkeypatch.setattr(simulating, "_run", ran)
    (tmp_path / "file").write_text("", "utf-8")
    for target in (tmp_path, tmp_path / "file" / "report.html"):
        assert main(["simulate", str(scenario), "--report", str(target)]) == Exit.NOT_WRITTEN
        assert "Nothing was run." in capsys.readouterr().err


def test_an_order_is_no_scenario(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "this is an order, not a scenario: thecal review reads it; a scenario also has [run]"

    def refused(path: str) -> str:
        assert main(["simulate", path]) == Exit.FILE_REFUSED
        return " ".join(capsys.readouterr().err.split())

    assert said in refused(written(tmp_path, ORDER))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(ORDER.encode())))
    assert said in refused("-")
    assert said not in refused(written(tmp_path, ORDER + PRESS.format("03:10")))
    assert "run" in refused(written(tmp_path, ORDER + PRESS.format("03:10")))
    assert said not in refused(str(tmp_path / "none.toml"))
