"""J9 in a browser: found empty: hours without drug, tolerance, nothing of the dose of before, the learning report."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from tests.browser_world import LOOKS, accessible, chromium, fits, looked_at, served
from tests.refilling_world import opened, refill_clinic, running

from thecal.clinic.workflow import Workflow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser
    from tests.browser_world import Served

    from thecal.clinic.record.tables import Session

# Its lines are counted by the tests of the domain and of the pages; counting them here as well doubles its time.
pytestmark = pytest.mark.no_cover


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    for world in refill_clinic(tmp_path_factory.mktemp("j9")):
        with served(world) as found:
            yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def session(site: Served) -> Session:
    return opened(site.world, running(site.world, days=70), Workflow.RESTART, "physician")


def test_j9_hours_without_drug_and_a_plan_from_zero(site: Served, browser: Browser, session: Session) -> None:
    with site.page(browser, "physician") as page:
        page.goto(f"/sessions/{session.id}/timeline")
        text = page.locator("main").inner_text()
        assert re.search(r"Empty since, by the pump's log\s+\d+ \w+ 20\d\d \d\d:\d\d", text)
        assert "TOLERANCE MUST BE TAKEN AS LOST" in text
        assert "Two needles" in text and "Ultrasound" in text and "Fluoroscopy" in text
        html = page.content()
        assert "1.4 mg" not in html and "0.05 mg/h" not in html
        with page.expect_navigation():
            page.get_by_role("button", name=re.compile("from zero")).click()
        assert page.locator(".wrong p").count() == 4
        page.get_by_role("radio", name=re.compile("No drug")).check()
        page.get_by_role("checkbox", name=re.compile("withdrawal")).check()
        page.get_by_role("radio", name=re.compile("Two needles")).check()
        page.get_by_label(re.compile("What covers the patient")).fill("Oral morphine, tapered over a week")
        accessible(page)
        with page.expect_navigation():
            page.get_by_role("button", name=re.compile("from zero")).click()
        page.wait_for_url("**/syringe")


def test_j9_the_previous_dose_is_never_prefilled(site: Served, session: Session) -> None:
    client = site.world.client("physician")
    for page in ("timeline", "program"):
        html = client.get(f"/sessions/{session.id}/{page}").text
        values = re.findall(r'<input[^>]*value="([^"]*)"', html)
        assert not any(re.search(r"\d\s*(mg|mcg)", v) for v in values), values


def test_j9_root_cause_and_a_report_without_names(site: Served, browser: Browser, session: Session) -> None:
    with site.page(browser, "nurse") as page:
        page.goto(f"/sessions/{session.id}/root-cause")
        page.get_by_label("What it was").select_option("schedule")
        page.get_by_label(re.compile("What happened")).fill("Ada Lindqvist missed her visit on 3 Oct 2026.")
        page.get_by_role("button", name="Keep it").click()
        page.wait_for_url("**/learning")
        text = page.get_by_label("The report", exact=True).inner_text()
        for secret in ("Ada", "Lindqvist", "1001", "3 Oct", "2026"):
            assert secret not in text
        accessible(page)
    found = site.world.client("nurse").get(f"/sessions/{session.id}/learning.json")
    assert found.headers["content-disposition"].startswith("attachment")
    assert json.loads(found.text)["root_cause"]["text"].count("(left out)") == 3
    assert "Lindqvist" not in found.text and "B-1" not in found.text


@pytest.mark.parametrize(("size", "dark"), LOOKS)
def test_j9_pages_are_accessible_and_fit(
    site: Served, browser: Browser, session: Session, size: dict[str, int], dark: bool, tmp_path: Path
) -> None:
    with site.page(browser, "physician", size=size, dark=dark) as page:
        for step in ("timeline", "root-cause", "learning"):
            page.goto(f"/sessions/{session.id}/{step}")
            looked_at(page, tmp_path, step)
            accessible(page)
            fits(page)
