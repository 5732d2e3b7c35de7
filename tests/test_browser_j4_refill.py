"""J4 in a browser: a refill with the same medication, from the reading to the watch, without a scanner."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.browser_world import LOOKS, accessible, chromium, fits, looked_at, served
from tests.refilling_world import (
    DAY_TOTAL,
    SAME,
    answered,
    aspirated,
    checked,
    filled,
    fine,
    gap_seen,
    opened,
    prepared,
    refill_clinic,
    rev,
    running,
    syringed,
    to_second,
)
from tests.session_world import now

from thecal.clinic.session import close

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page
    from tests.browser_world import Served

    from thecal.clinic.record.tables import Patient, Session

# Its lines are counted by the tests of the domain and of the pages; counting them here as well doubles its time.
pytestmark = pytest.mark.no_cover


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    for world in refill_clinic(tmp_path_factory.mktemp("j4")):
        with served(world) as found:
            yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def patient(site: Served) -> Patient:
    return running(site.world, days=20)


@pytest.fixture
def session(site: Served, patient: Patient) -> Iterator[Session]:
    found = opened(site.world, patient)
    yield found
    row = now(site.world, found)
    if row.state == "open":
        close(site.world.house, site.world.people["nurse"], found.id, row.revision, "running", "a test", "nobody")


PAINTED = """(e, name) => {
  const c = document.createElement("canvas").getContext("2d");
  c.fillStyle = getComputedStyle(e).getPropertyValue(name);
  c.fillRect(0, 0, 1, 1);
  return Array.from(c.getImageData(0, 0, 1, 1).data);
}"""
"""What a color of an element looks like: red, green, blue, how opaque."""


def tick_all(page: Page) -> None:
    for box in page.locator("input[name=items]").all():
        box.check()


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_j4_refill_nothing_else_changes_without_a_scanner(  # noqa: PLR0915 -- one journey
    site: Served, browser: Browser, patient: Patient, session: Session, scripts: bool, tmp_path: Path
) -> None:
    code = prepared(site.world, patient)
    with site.page(browser, "nurse", scripts=scripts) as page:
        page.goto(f"/sessions/{session.id}/medication")
        page.get_by_role("radio", name=re.compile("same medication")).check()
        page.get_by_label("Consent to this refill").select_option("patient")
        page.get_by_role("button", name="Go on").click()
        page.wait_for_url("**/syringe")
        page.get_by_label("Code on the label").fill(code.lower())
        page.get_by_label("Code on the label").press("Enter")
        page.get_by_text("Twenty milliliters in the syringe").wait_for()
        page.get_by_role("button", name="Every word agrees").click()
        page.wait_for_url("**/checklist")
        page.get_by_role("button", name="Aspirate everything").click()
        volume = re.search(r"[0-9.]+", page.locator(".hands .number").inner_text())
        assert volume is not None
        tick_all(page)
        page.get_by_label(re.compile("Volume aspirated")).fill(volume[0])
        page.get_by_label(re.compile("Volume that stays")).fill("0")
        page.get_by_role("button", name="All done").click()
        page.wait_for_url("**/gap")
        assert "pocket fill" in page.locator(".causes").inner_text()
        page.get_by_label(re.compile("What was looked at")).fill("Nothing remarkable")
        page.get_by_role("button", name=re.compile("Go on")).click()
        page.wait_for_url("**/fill")
        page.get_by_label(re.compile("Volume that goes in")).fill("19.5")
        page.get_by_role("button", name=re.compile("Check it")).click()
        page.wait_for_url("**/second")
    with site.page(browser, "nurse2", scripts=scripts) as page:
        page.goto(f"/sessions/{session.id}/second")
        assert "19.5" not in page.content()
        for n, (drug, strength) in enumerate(SAME):
            page.get_by_label(f"Drug {n + 1}").fill(drug)
            page.get_by_label(f"Strength, with its unit {n + 1}").fill(strength)
        page.get_by_label(re.compile("Volume that goes in")).fill("19.5 mL")
        page.get_by_label(re.compile("Day total")).fill(DAY_TOTAL)
        page.get_by_role("button", name="Compare").click()
        page.get_by_text("Both entries are the same").wait_for()
    with site.page(browser, "nurse", scripts=scripts) as page:
        page.goto(f"/sessions/{session.id}/second")
        tick_all(page)
        page.get_by_role("button", name="Inject 19.5 mL").click()
        page.get_by_text("went in").wait_for()
        assert "Next visit on or before" in page.content()
        assert page.get_by_role("link", name="Book the visit").count() == 1
        page.get_by_role("button", name="Go on").click()
        page.wait_for_url("**/review")
        site.world.near()
        page.goto(f"/sessions/{session.id}/watch")
        assert "Not yet" in page.locator("h1").inner_text()
    with site.page(browser, "nurse", scripts=scripts) as page:
        page.goto("/watches")
        page.get_by_role("link", name="Lindqvist, Ada").last.click()
        page.get_by_label("Score", exact=True).fill("0")
        page.get_by_role("button", name="Write it down").click()
        page.get_by_text("1 of 8 scores seen").wait_for()
        page.get_by_role("button", name="End the watch").click()
        page.get_by_text("7 scores outstanding and no reason").wait_for()
        accessible(page) if scripts else None


def test_j4_40_typed_when_20_was_dispensed_is_a_hard_stop_naming_both_numbers(
    site: Served, browser: Browser, patient: Patient, session: Session
) -> None:
    world = site.world
    answered(world, session)
    syringed(world, session, prepared(world, patient))
    aspirated(world, session)
    gap_seen(world, session)
    with site.page(browser, "nurse") as page:
        page.goto(f"/sessions/{session.id}/fill")
        assert page.get_by_label(re.compile("Volume that goes in")).input_value() == ""
        page.get_by_label(re.compile("Volume that goes in")).fill("40")
        page.get_by_role("button", name=re.compile("Check it")).click()
        said = page.locator(".refusals").inner_text()
        assert "40 mL" in said and "20 mL" in said
        assert page.get_by_label(re.compile("Volume that goes in")).input_value() == "40"
        accessible(page)
    with world.writing("nurse", "put it back") as _:
        pass
    assert world.house.world is not None
    world.house.world.fill("B-1", 10_000_000)


def test_j4_residual_13_expected_and_11_5_found_is_not_green(
    site: Served, browser: Browser, patient: Patient, session: Session
) -> None:
    """The pump is told that it holds 13 mL; 11.5 are drawn."""
    world = site.world
    assert world.house.world is not None
    close(world.house, world.people["nurse"], session.id, rev(world, session), "running", "a test", "nobody")
    world.house.world.draw("B-1")
    world.house.world.fill("B-1", 11_500_000)
    world.near()
    read = world.house.pumps.status("B-1")
    assert read is not None
    told = world.house.pumps.command("refill", "B-1", level_nl=13_000_000)
    assert told.arm.value == "granted", told
    session = opened(world, patient)
    try:
        gap_of_13_and_11_5(site, browser, patient, session)
    finally:
        close(world.house, world.people["nurse"], session.id, rev(world, session), "running", "a test", "nobody")
        world.house.world.fill("B-1", 11_000_000)


def gap_of_13_and_11_5(site: Served, browser: Browser, patient: Patient, session: Session) -> None:
    world = site.world
    answered(world, session)
    syringed(world, session, prepared(world, patient))
    aspirated(world, session)
    with site.page(browser, "nurse") as page:
        page.goto(f"/sessions/{session.id}/gap")
        text = page.locator("main").inner_text()
        assert re.search(r"Expected\s+1[23]\.?\d* mL", text) and re.search(r"Aspirated\s+11\.5 mL", text)
        assert "pocket fill" in page.locator(".causes").inner_text()
        assert "the watch after this refill is needed in every case" in text
        verdict = page.locator(".verdict")
        for name in ("color", "background-color", "border-left-color"):
            red, green, blue, seen = verdict.evaluate(PAINTED, name)
            assert not seen or not (green > red + 20 and green > blue + 20), (name, red, green, blue)
        assert "✓" not in verdict.inner_text()
        accessible(page)


def test_j4_entries_that_differ_show_both_and_lead_back_to_the_source(
    site: Served, browser: Browser, patient: Patient, session: Session
) -> None:
    from tests.refilling_world import typed

    world = site.world
    to_second(world, patient, session, prepared(world, patient))
    assert not fine(checked(world, session, typed(volume="9.5 mL"))).matched
    with site.page(browser, "nurse") as page:
        page.goto(f"/sessions/{session.id}/syringe")
        text = page.locator("main").inner_text()
        assert "The two entries differ" in text and "19.5 mL" in text and "9.5 mL" in text
        accessible(page)
    world.house.world.fill("B-1", 10_000_000)  # type: ignore[union-attr]


@pytest.mark.parametrize(("size", "dark"), LOOKS)
def test_j4_pages_are_accessible_and_fit(
    site: Served, browser: Browser, patient: Patient, session: Session, size: dict[str, int], dark: bool, tmp_path: Path
) -> None:
    world = site.world
    to_second(world, patient, session, prepared(world, patient))
    fine(checked(world, session))
    fine(filled(world, session))
    with site.page(browser, "nurse", size=size, dark=dark) as page:
        for step in ("medication", "syringe", "checklist", "gap", "fill", "second"):
            page.goto(f"/sessions/{session.id}/{step}")
            looked_at(page, tmp_path, step)
            accessible(page)
            fits(page)
        page.goto("/watches")
        accessible(page)
        fits(page)
