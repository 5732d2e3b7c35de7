"""J5 in two browsers: a physician's refill with another strength, a nurse's hands at it, a rinse that moves fluid."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.browser_world import LOOKS, accessible, chromium, fits, looked_at, served
from tests.refilling_world import (
    STRONGER,
    fine,
    gap_seen,
    opened,
    prepared,
    refill_clinic,
    rev,
    running,
    syringed,
    volume_entered,
)
from tests.test_clinic_refilling_new import mixed
from tests.test_clinic_refilling_together import WENT_IN, by_hand, to_second_of

from thecal.clinic.refilling import mixing

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
    for world in refill_clinic(tmp_path_factory.mktemp("j5both")):
        with served(world) as found:
            yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def session(site: Served) -> Session:
    """Up to the second entry that agreed, with one rinse planned."""
    world = site.world
    patient = running(world, days=10)
    found = opened(world, patient, role="physician")
    mixed(world, found)
    syringed(world, found, prepared(world, patient, STRONGER), "nurse")
    by_hand(world, found)
    gap_seen(world, found, "nurse")
    fine(mixing.enter_rinse(world.house, world.people["physician"], found.id, rev(world, found), "1", "2"))
    fine(volume_entered(world, found, WENT_IN, role="nurse"))
    to_second_of(world, found)
    return found


@pytest.mark.parametrize(("size", "dark"), LOOKS)
def test_j5_a_colleagues_pages_are_accessible_and_fit(
    site: Served, browser: Browser, session: Session, size: dict[str, int], dark: bool, tmp_path: Path
) -> None:
    with site.page(browser, "nurse", size=size, dark=dark) as page:
        for step in ("syringe", "checklist", "gap", "fill", "second"):
            page.goto(f"/sessions/{session.id}/{step}")
            assert "Physician One works in this session" in page.locator("main").inner_text()
            looked_at(page, tmp_path, step)
            accessible(page)
            fits(page)


def test_j5_the_rinse_and_the_fill_by_a_nurse_at_a_double_click(
    site: Served, browser: Browser, session: Session, tmp_path: Path
) -> None:
    rig = site.world.house.world
    assert rig is not None
    before = rig.moved("B-1")
    with site.page(browser, "nurse") as page:
        page.goto(f"/sessions/{session.id}/second")
        page.get_by_role("button", name="Rinse with 2 mL").dblclick()
        page.get_by_role("heading", name=re.compile("Now fill")).wait_for()
        looked_at(page, tmp_path, "rinsed")
        for box in page.locator("input[name=items]").all():
            box.check()
        page.get_by_role("button", name="Inject 15.5 mL").dblclick()
        page.get_by_text("15.5 mL went in").wait_for()
        page.go_back()
        page.go_back()
        stale = page.get_by_role("button", name=re.compile("Rinse with|Inject"))
        if stale.count():
            stale.first.click()
        page.goto(f"/sessions/{session.id}/second")
        page.get_by_text("15.5 mL went in").wait_for()
    assert rig.moved("B-1").filled_nl - before.filled_nl == 2_500_000 + 16_000_000
    assert rig.moved("B-1").drawn_nl - before.drawn_nl == 2_500_000
