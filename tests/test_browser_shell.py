"""The frame of every page in a real browser: reachable by keyboard, readable at any width and in the dark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.browser_world import LOOKS, accessible, chromium, fits, served
from tests.clinic_world import clinic_world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser
    from tests.browser_world import Served

# Its lines are counted by the tests of the domain and of the pages; counting them here as well doubles its time.
pytestmark = pytest.mark.no_cover


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("shell")
    world = clinic_world(folder)
    try:
        with served(world) as found:
            yield found
    finally:
        world.end()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.mark.parametrize(("size", "dark"), LOOKS)
def test_the_frame_is_accessible(site: Served, browser: Browser, size: dict[str, int], dark: bool) -> None:
    with site.page(browser, "nurse", size=size, dark=dark) as page:
        page.goto("/help")
        assert page.locator("html").get_attribute("data-bs-theme") == ("dark" if dark else "light")
        accessible(page)
        fits(page)


def test_the_first_key_leads_to_the_content(site: Served, browser: Browser) -> None:
    with site.page(browser, "physician") as page:
        page.goto("/help")
        page.keyboard.press("Tab")
        assert page.locator(":focus").inner_text() == "To the content"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"


def test_it_reads_without_scripts(site: Served, browser: Browser) -> None:
    with site.page(browser, "desk", scripts=False) as page:
        page.goto("/help")
        assert page.locator("h1").inner_text() == "Help"
        assert page.locator("nav a").count() > 3


def test_a_page_that_is_not_there(site: Served, browser: Browser) -> None:
    with site.page(browser, "desk") as page:
        answer = page.goto("/nowhere")
        assert answer is not None
        assert answer.status == 404
        assert "Found: /nowhere" in page.locator("main").inner_text()
        accessible(page)
