"""The administrator's page of the clinic and the engineer's list of pumps, in a browser: read, and used by keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.browser_world import LOOKS, accessible, chromium, fits, served
from tests.clinic_world import clinic_world
from tests.desk_world import pump_at_work

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser
    from tests.browser_world import Served

# Its lines are counted by the tests of the domain and of the pages; counting them here as well doubles its time.
pytestmark = pytest.mark.no_cover


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    world = clinic_world(tmp_path_factory.mktemp("site"))
    try:
        pump_at_work(world)
        for number in range(55):
            world.patient(str(2000 + number), f"T-{number:04}")
        with served(world) as found:
            yield found
    finally:
        world.end()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.mark.parametrize(("size", "dark"), LOOKS)
@pytest.mark.parametrize(("role", "path"), [("administrator", "/site"), ("engineer", "/devices")])
def test_it_is_accessible_at_any_width(
    site: Served, browser: Browser, role: str, path: str, size: dict[str, int], dark: bool
) -> None:
    with site.page(browser, role, size=size, dark=dark) as page:
        page.goto(path)
        accessible(page)
        fits(page)


def test_the_administrator_changes_the_clinic(site: Served, browser: Browser) -> None:
    with site.page(browser, "administrator", scripts=False) as page:
        page.goto("/site")
        page.get_by_label("Name").fill("Lake clinic")
        page.get_by_label("Time zone").fill("Lakeside")
        page.get_by_label("Paper").select_option("a4")
        page.get_by_role("button", name="Keep").press("Enter")
        assert "tz database" in page.locator("#w-zone").inner_text()
        assert page.get_by_label("Name").input_value() == "Lake clinic"
        page.get_by_label("Time zone").fill("America/Denver")
        page.get_by_role("button", name="Keep").press("Enter")
        assert page.get_by_label("Paper").input_value() == "a4"
        assert page.title() == "The clinic · Lake clinic"
        page.get_by_role("link", name="Settings of the desk").click()
        assert page.locator("h1").inner_text() == "Settings of the desk"
        page.goto("/site")
        page.get_by_role("link", name="Lead times").click()
        assert page.locator("h1").inner_text() == "Lead times and notes of this site"


def test_two_administrators_do_not_write_over_each_other(site: Served, browser: Browser) -> None:
    with site.page(browser, "administrator") as first, site.page(browser, "administrator2") as second:
        first.goto("/site")
        second.goto("/site")
        first.get_by_label("Address").fill("2 Lake Road")
        first.get_by_role("button", name="Keep").click()
        second.get_by_label("Address").fill("9 Hill Road")
        second.get_by_role("button", name="Keep").click()
        assert "meanwhile" in second.locator("main").inner_text()
        first.goto("/site")
        assert first.get_by_label("Address").input_value() == "2 Lake Road"


def test_the_engineer_finds_a_pump(site: Served, browser: Browser) -> None:
    with site.page(browser, "engineer", scripts=False) as page:
        page.goto("/board")
        page.get_by_role("navigation", name="Workplaces").get_by_role("link", name="Pumps", exact=True).click()
        assert "56 pumps, page 1 of 2" in page.locator("main").inner_text()
        page.get_by_role("link", name="Next page").click()
        assert page.locator("tbody tr").count() == 6
        page.get_by_label("Serial number, family or model").fill("b-1")
        page.get_by_role("button", name="Find").click()
        row = page.locator("tbody tr").inner_text()
        assert "bench-20" in row
        assert "old)" in row
        assert "Lindqvist" not in page.locator("main").inner_text()
        page.get_by_role("link", name="B-1", exact=True).click()
        assert page.url.endswith("/pumps/B-1")


def test_a_new_pump_is_made_where_the_page_says(site: Served, browser: Browser) -> None:
    with site.page(browser, "engineer") as page:
        page.goto("/devices?find=nothing-like-this")
        assert "No pump is found by that." in page.locator("main").inner_text()
        assert page.locator("ol code").all_inner_texts()[0] == "thecal pump new T-0001 --family bench-20"
