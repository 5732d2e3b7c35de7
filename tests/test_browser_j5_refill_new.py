"""J5 in a browser: a refill with another mixture: both beside each other, the bridge, the moving front, the watch."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.browser_world import LOOKS, accessible, chromium, fits, looked_at, served
from tests.refilling_world import (
    STRONGER,
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
    typed,
    volume_entered,
)
from tests.test_clinic_refilling_new import programmed_here

from thecal.clinic.refilling import bridging, mixing, second
from thecal.clinic.refilling.case import case_of, proposed_order
from thecal.clinic.session import Proposed, enter, propose, send
from thecal.clinic.session.ended import Ended
from thecal.clinic.workflow import Step
from thecal.link.talk import Arm

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
    for world in refill_clinic(tmp_path_factory.mktemp("j5")):
        with served(world) as found:
            yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def session(site: Served) -> Session:
    return opened(site.world, running(site.world, days=20), role="physician")


def test_j5_old_and_new_mixture_from_empty_fields(site: Served, browser: Browser, session: Session) -> None:
    answered(site.world, session, "different", "physician")
    with site.page(browser, "physician") as page:
        page.goto(f"/sessions/{session.id}/mixture")
        for n in range(3):
            assert page.get_by_label(f"Drug {n + 1}").input_value() == ""
        page.get_by_label("Drug 1").fill("hydromorphone")
        page.get_by_label("Strength, with its unit 1").fill("2 mg/mL")
        page.get_by_label("Preservative-free").select_option("yes")
        with page.expect_navigation():
            page.get_by_role("button", name="Take this mixture").click()
        text = page.locator("main").inner_text()
        assert "HYDROmorphone" in text and "One opioid in place of another" in text and "Potency ratio" in text
        accessible(page)
        for n, (drug, strength) in enumerate(STRONGER):
            page.get_by_label(f"Drug {n + 1}").fill(drug)
            page.get_by_label(f"Strength, with its unit {n + 1}").fill(strength)
        page.get_by_label("Preservative-free").select_option("yes")
        with page.expect_navigation():
            page.get_by_role("button", name="Take this mixture").click()
        text = page.locator("main").inner_text()
        assert "stronger" in text and "One opioid in place of another" not in text


def test_j5_the_bridge_to_the_second_and_the_front_that_moves(  # noqa: PLR0915 -- one journey
    site: Served, browser: Browser, session: Session, tmp_path: Path
) -> None:
    world, who = site.world, site.world.people["physician"]
    with world.house.reading() as db:
        patient = case_of(world.house, db, session.id).patient
    syringed(world, session, prepared(world, patient, STRONGER), "physician")
    aspirated(world, session, "physician")
    gap_seen(world, session, "physician")
    fine(mixing.enter_rinse(world.house, who, session.id, rev(world, session), "0", ""))
    fine(volume_entered(world, session, role="physician"))
    programmed_here(world, session)
    with site.page(browser, "physician") as page:
        page.goto(f"/sessions/{session.id}/bridge")
        with world.house.reading() as db:
            case = case_of(world.house, db, session.id)
            drafted = proposed_order(world.house, db, case.session)
        assert drafted is not None
        plan = bridging.planned(case, drafted[1].order)
        assert isinstance(plan, bridging.Planned)
        assert f"({plan.seconds:,} s)" in page.locator("main").inner_text()
        page.get_by_role("radio", name=re.compile("No bridge")).check()
        with page.expect_navigation():
            page.get_by_role("button", name="Sign the order").click()
        assert "characters of justification" in page.locator("main").inner_text()
        page.get_by_role("radio", name=re.compile("This bridge")).check()
        page.get_by_label("Patient boluses meanwhile").select_option("blocked")
        with page.expect_navigation():
            page.get_by_role("button", name="Sign the order").click()
        page.wait_for_url("**/preview")
        page.goto(f"/sessions/{session.id}/bridge")
        with page.expect_navigation():
            page.get_by_role("link", name="Run the twin").click()
        text = page.locator("main").inner_text()
        assert "Plug flow on paper" in text and "assume plug flow" in text
        looked_at(page, tmp_path, "bridge")
        accessible(page)
    fine(enter(world.house, who, session.id, rev(world, session), Step.PREVIEW, {"seen": "yes"}))
    assert fine(checked(world, session, typed(STRONGER, total="1.5 mg"))).matched
    fine(filled(world, session, "physician"))
    fine(second.leave(world.house, who, session.id, rev(world, session)))
    world.near()
    with world.house.reading() as db:
        drafted = proposed_order(world.house, db, case_of(world.house, db, session.id).session)
    assert drafted is not None
    made = propose(world.house, who, session.id, drafted[0].id)
    assert isinstance(made, Proposed), made
    end = send(world.house, who, session.id, made.digest)
    assert isinstance(end, Ended) and end.arm is Arm.GRANTED, end
    world.pass_s(plan.seconds // 2)
    with site.page(browser, "physician") as page:
        page.goto(f"/sessions/{session.id}/watch")
        text = page.locator("main").inner_text()
        assert "50 % of the way" in text
        said = re.search(r"The new medicine reaches you about (\d+ \w+ \d+ \d\d:\d\d)", text)
        assert said is not None
        section = page.locator("section.tile", has_text="new medicine reaches the tip").inner_text()
        assert said[1] in section, "the watch begins at the arrival"
        assert "not yet" in section
        looked_at(page, tmp_path, "watch")
        accessible(page)


@pytest.mark.parametrize(("size", "dark"), LOOKS)
def test_j5_pages_are_accessible_and_fit(
    site: Served, browser: Browser, session: Session, size: dict[str, int], dark: bool, tmp_path: Path
) -> None:
    with site.page(browser, "physician", size=size, dark=dark) as page:
        for step in ("mixture", "rinse", "bridge", "watch"):
            page.goto(f"/sessions/{session.id}/{step}")
            looked_at(page, tmp_path, step)
            accessible(page)
            fits(page)
