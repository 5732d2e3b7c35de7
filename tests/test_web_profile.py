"""The day view and the therapy profile (rules C1 to C6): each chart's table says what is drawn, and on which scale."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from tests.browser_world import LOOKS, accessible, chromium, fits, looked_at, served
from tests.clinic_world import NOW_S, SERIAL, clinic_world, order_text
from tests.desk_world import STATUS, give_program

from thecal.clinic.programmed import _together
from thecal.clinic.record.tables import Interrogation, LogRecord, Observation, Order
from thecal.pump.core import codes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fastapi.testclient import TestClient
    from playwright.sync_api import Browser
    from tests.browser_world import Served
    from tests.clinic_world import ClinicWorld

    from thecal.clinic.record import Record
    from thecal.clinic.record.tables import Patient

MIDNIGHT = NOW_S - 33_200
"""00:00 in Chicago, a Monday; it is 09:13:20 now."""
DAY_S = 86_400
EVENTS = (
    (3600, codes.E_ALARM, 0, 0),
    (5400, codes.E_STOP, 1, 0),
    (5460, codes.E_START, 1, 0),
    (7200, codes.E_BOLUS, codes.PATIENT, 100),
    (7800, codes.E_BOLUS_END, codes.PATIENT, 100),
    (9000, codes.E_REFUSED, 1, 600),
    (20_000, codes.E_BOLUS, codes.PATIENT, 100),
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClinicWorld]:
    found = clinic_world(tmp_path_factory.mktemp("profile"))
    yield found
    found.end()


@pytest.fixture(scope="module")
def patient(world: ClinicWorld) -> Patient:
    """Somebody whose pump runs the first example, with a day of events, two weeks of scores and a pending order."""
    made = world.patient()
    text = order_text(world, made)
    with world.writing() as record:
        _log(record, made)
        give_program(record, made, SERIAL, text, NOW_S - 30 * DAY_S)
        record.keep(
            Order(patient_id=made.id, serial=SERIAL, title="", state="signed", digest="d",
                text=text.replace('"0.075 mg/h"', '"0.09 mg/h"'))
        )  # fmt: skip
        for day in range(13):
            for hour, value in ((2, 3 + day % 3), (8, 6 + day % 2), (20, 4)):
                if day % 6:
                    _score(record, made, "pain-now", MIDNIGHT - day * DAY_S + hour * 3600, value)
        _score(record, made, "pain-goal", MIDNIGHT, 4)
        _score(record, made, "pain-now", MIDNIGHT + 9000, 7)
        _score(record, made, "sedation", MIDNIGHT + 9000, 1)
    return made


def _log(record: Record, patient: Patient) -> None:
    reading = record.keep(
        Interrogation(
            serial=SERIAL, patient_id=patient.id, read_utc_s=NOW_S - 60, uptime_s=90 * DAY_S,
            pump_clock_s=70 * DAY_S + 33_140, pump_offset_s=0, whole=1, status={**STATUS, "level_nl": 15_000_000},
            identity={"reservoir_nl": 20_000_000, "stroke_nl": 250, "software": "1.0", "serial": SERIAL}, program=b"p",
            document=b"d", log_last=0, log_digest=bytes(32), log_missing=0, log_fault="",
        )
    )  # fmt: skip
    for number, (at_s, event, a, b) in enumerate(EVENTS, 1):
        fields: dict[str, Any] = {"a": a, "b": b, "clock_s": at_s}
        record.keep(
            LogRecord(serial=SERIAL, number=number, uptime_s=number, utc_s=MIDNIGHT + at_s, event=event, fields=fields,
                interrogation_id=reading.id)
        )  # fmt: skip


def _score(record: Record, patient: Patient, kind: str, at_utc_s: int, value: int) -> None:
    record.keep(Observation(patient_id=patient.id, kind=kind, value=str(value), unit="", seen_utc_s=at_utc_s, note=""))


@pytest.fixture(scope="module")
def nurse(world: ClinicWorld) -> TestClient:
    return world.client("nurse")


@pytest.fixture(scope="module")
def day(nurse: TestClient, patient: Patient) -> str:
    return nurse.get(f"/patients/{patient.id}/days").text


@pytest.fixture(scope="module")
def profile(nurse: TestClient, patient: Patient) -> str:
    return nurse.get(f"/patients/{patient.id}/profile").text


def _table(page: str, caption: str) -> str:
    """The table with a caption, from its tag to its end."""
    at = page.index(f"<caption>{caption}")
    return page[page.rindex("<table", 0, at) : page.index("</table>", at)]


def _rows(table: str) -> list[list[str]]:
    """The cells of the body."""
    body = table[table.index("<tbody>") :]
    rows = re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
    return [[re.sub("<[^>]+>", "", cell).strip() for cell in re.split(r"</t[hd]>", row)[:-1]] for row in rows]


def test_c1_events_stand_on_the_time_axis_each_in_its_lane(day: str) -> None:
    table = _table(day, "Events and alarms")
    assert 'data-chart="lanes"' in table
    assert f'data-from="{MIDNIGHT}"' in table
    assert re.findall(r'data-line="points">(\w+)', table) == ["Alarm", "Delivery", "Program", "Refill", "Pump"]
    rows = _rows(table)
    assert [bool(cell) for cell in rows[0][1:]] == [True, False, False, False, False]
    assert rows[0][1].startswith("Alarm issued: ")
    assert rows[1][2].startswith("Delivery stopped")
    assert f'data-at="{MIDNIGHT + 3600}"' in table


def test_c1_sedation_stands_on_the_time_axis(day: str) -> None:
    table = _table(day, "Signs with scales of their own")
    assert 'data-line="points">Sedation' in table
    assert [row[1:] for row in _rows(table)] == [["1"]]


def test_c1_a_pending_program_is_an_outline_beside_what_runs(day: str) -> None:
    table = _table(day, "Programmed rate of")
    assert 'data-line="solid">Runs' in table
    assert 'data-line="outline">Pending' in table
    assert [row[1:] for row in _rows(table)] == [
        ["0.05 mg/h", "0.05 mg/h"],
        ["0.075 mg/h", "0.09 mg/h"],
        ["0.05 mg/h", "0.05 mg/h"],
        ["0.075 mg/h", "0.09 mg/h"],
        ["0.05 mg/h", "0.05 mg/h"],
    ]
    assert "It does not run." in day


def test_c1_what_is_pending_has_no_place_in_a_day_that_is_over(nurse: TestClient, patient: Patient) -> None:
    page = nurse.get(f"/patients/{patient.id}/days", params={"until": "2026-09-20"}).text
    assert "Runs</th>" in page
    assert "Pending" not in page


def test_c2_the_low_level_is_drawn_in_the_reservoir(day: str) -> None:
    table = _table(day, "Left in the reservoir")
    assert 'data-line="dashed">Low level' in table
    assert [row[1:] for row in _rows(table)] == [["", "2 mL"], ["15 mL", "2 mL"], ["", "2 mL"]]


def test_c5_boluses_stand_on_the_scale_of_the_plan(day: str) -> None:
    table = _table(day, "Boluses")
    assert 'data-top="0.0625"' in table
    assert "0 to 0.0625 mL, the plan&#39;s own ceiling for 1 h, 0.25 mg of" in table
    assert "at 4 mg/mL" in table
    assert [row[1:4] for row in _rows(table)] == [["0.025 mL", "", ""], ["", "0 mL", ""], ["", "", "0.025 mL"]]


def test_c5_another_drug_is_never_drawn_on_the_scale_of_the_one_that_runs() -> None:
    steps = _together([(200, "0.05 mg/h")], [], [(100, "Fentanyl 5 mcg/h")])
    assert [(s.text, s.other) for s in steps] == [("", "Fentanyl 5 mcg/h"), ("0.05 mg/h", "")]


def test_c3_the_program_stands_behind_the_folded_days(profile: str) -> None:
    pain = _table(profile, "Pain of 14 days by hour")
    assert 'data-behind="program-steps"' in pain
    program = _table(profile, "The program of")
    assert 'id="program-steps"' in program
    assert 'data-top="0.25"' in program
    assert _rows(program) == [
        ["00:00", "0.05 mg/h"],
        ["06:00", "0.075 mg/h"],
        ["10:00", "0.05 mg/h"],
        ["18:00", "0.075 mg/h"],
        ["22:00", "0.05 mg/h"],
    ]


def test_c3_scores_at_and_over_the_goal_make_one_bar(profile: str) -> None:
    table = _table(profile, "Scores of pain at or under the goal of 4, and over it")
    assert 'data-chart="stacked"' in table
    assert _rows(table) == [["At or under the goal", "16", "52 %"], ["Over the goal", "15", "48 %"]]


def test_c3_every_day_has_its_panel_those_without_a_score_too(profile: str) -> None:
    table = _table(profile, "Pain of each day")
    days = re.findall(r'data-day="([^"]+)"', table)
    assert len(dict.fromkeys(days)) == 14
    assert days[-1] == "Mon 21 Sep 2026"
    assert ["Tue 15 Sep 2026", "no score", "", ""] in _rows(table)
    assert _rows(table)[-1] == ["Mon 21 Sep 2026", "02:30", "7", "7"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def site(world: ClinicWorld) -> Iterator[Served]:
    with served(world) as found:
        yield found


@pytest.mark.parametrize(("size", "dark"), LOOKS)
def test_every_chart_is_drawn_and_read_by_keys(
    site: Served, browser: Browser, patient: Patient, tmp_path: Path, size: dict[str, int], *, dark: bool
) -> None:
    with site.page(browser, "nurse", size=size, dark=dark) as page:
        for place, charts in (("days", 6), ("profile", 4)):
            page.goto(f"/patients/{patient.id}/{place}")
            page.wait_for_selector("figure .chart svg, figure .chart canvas")
            assert page.locator("figure .chart").count() == charts
            fits(page)
            accessible(page)
            looked_at(page, tmp_path, place)
        panels = page.locator(".chart-panels")
        panels.focus()
        panels.press("End")
        assert "Mon 21 Sep 2026: 02:30 7." in page.locator("figure:has(.chart-panels) output").inner_text()
        pain = page.locator("figure:has([data-behind]) .chart-area")
        pain.focus()
        for _ in range(8):
            pain.press("ArrowRight")
        said = page.locator("figure:has([data-behind]) output").inner_text()
        assert said.startswith("08:00:")
        assert "Program 0.075 mg/h" in said
