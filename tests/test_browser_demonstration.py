"""A visitor of the demonstration: signs in as printed, sees that it is one, and moves its clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.browser_world import DESKTOP, PHONE, accessible, chromium, fits
from tests.demonstration_world import PRESSER, STOPPED, small_world
from tests.test_cli_clinic_run import Running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

# Its lines are counted by the tests of the domain and of the pages; counting them here as well doubles its time.
pytestmark = pytest.mark.no_cover


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("visit") / "demonstration"
    small_world(folder, PRESSER, STOPPED)
    made = Running(folder, "--demonstration")
    yield made
    made.end()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def page(running: Running, browser: Browser) -> Iterator[Page]:
    """A visitor who has typed what the terminal printed for the nurse, and nothing else."""
    context = browser.new_context(base_url=running.url, viewport=DESKTOP)  # type: ignore[arg-type]
    context.set_default_timeout(60_000)
    found = context.new_page()
    found.goto("/sign-in")
    found.fill("input[name=login]", "nurse")
    found.fill("input[name=password]", "look around, nurse")
    found.click("main button")
    found.wait_for_url("**/board")
    yield found
    context.close()


def test_no_second_factor_is_asked_for_and_every_page_says_what_this_is(page: Page) -> None:
    for path in ("/board", "/patients", "/help"):
        page.goto(path)
        assert "Nobody here is real" in page.inner_text("[aria-label=Demonstration]")
    assert "Standstill" in page.inner_text(".bar-stopped")


def test_the_bar_moves_the_clinics_clock_and_shows_the_same_page(page: Page) -> None:
    page.goto("/patients")
    before = page.inner_text(".clock")
    page.click("button[name=by][value=hour]")
    page.wait_for_load_state()
    assert page.url.endswith("/patients")
    assert page.inner_text(".clock") != before
    page.click("button[name=by][value=event]")
    page.wait_for_load_state()
    assert page.url.endswith("/patients")


def test_the_bar_is_for_everybody(page: Page) -> None:
    for size in (DESKTOP, PHONE):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        page.goto("/help")
        accessible(page)
        fits(page)
