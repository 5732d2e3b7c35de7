"""J3, from the review on, in a real browser: review, send, a stopped pump, what is not known, the clock."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.browser_world import PHONE, accessible, chromium, fits, served
from tests.session_world import begun, entered, now, programmed, session_clinic, to_review
from tests.test_clinic_session_killed import relinked

from thecal.clinic.record.tables import ClockDecision, Session
from thecal.clinic.session import close, command, take_over
from thecal.clinic.workflow import Step, Workflow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page
    from tests.browser_world import Served
    from tests.clinic_world import ClinicWorld

    from thecal.clinic.record.tables import Patient

# Its lines are counted by the tests of the domain and of the pages; counting them here as well doubles its time.
pytestmark = pytest.mark.no_cover

FASTER = {'dose = "0.075 mg/h"': 'dose = "0.08 mg/h"'}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    for world in session_clinic(tmp_path_factory.mktemp("j3")):
        with served(world) as found:
            yield found


@pytest.fixture(scope="module")
def world(site: Served) -> ClinicWorld:
    return site.world


@pytest.fixture(scope="module")
def patient(world: ClinicWorld) -> Patient:
    patient = world.patient()
    programmed(world, patient)
    return patient


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(autouse=True)
def left_in_order(world: ClinicWorld, patient: Patient) -> Iterator[None]:
    """Whatever a test leaves open is closed, and the pump runs."""
    from sqlalchemy import select

    yield
    physician = world.people["physician"]
    with world.house.reading() as db:
        left = list(db.scalars(select(Session).where(Session.state == "open")))
    for session in left:
        world.near()
        take_over(world.house, physician, session.id, session.revision)
        if not world.house.pumps.status("B-1").running:  # type: ignore[union-attr]
            command(world.house, physician, session.id, "start")
        close(world.house, physician, session.id, now(world, session).revision, "running", "a test", "nobody")


def checked(page: Page) -> None:
    """Accessible, and no wider than the screen; on a phone as well."""
    accessible(page)
    fits(page)
    desktop = page.viewport_size
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    fits(page)
    page.set_viewport_size(desktop)  # type: ignore[arg-type]


def test_a_session_begins_with_the_reading_and_the_clock_stands_first(
    site: Served, browser: Browser, patient: Patient
) -> None:
    with site.page(browser, "physician") as page:
        page.goto(f"/patients/{patient.id}/session")
        checked(page)
        page.get_by_role("button", name="Change the program").click()
        page.wait_for_url(re.compile(r"/sessions/\d+/read"))
        assert page.locator("h2").first.inner_text() == "Clock"
        assert "Lindqvist, Ada" in page.locator(".patient-head").inner_text()
        assert "1001" in page.locator(".patient-head").inner_text()
        checked(page)


def test_review_shows_old_and_new_and_send_stands_apart(
    site: Served, browser: Browser, world: ClinicWorld, patient: Patient
) -> None:
    session, _ = to_review(world, patient, FASTER)
    with site.page(browser, "physician") as page:
        page.goto(f"/sessions/{session.id}/review")
        changed = page.locator("tr.row-changed").filter(has_text="From 06:00, every day")
        assert "0.075 mg/h" in changed.inner_text()
        assert "0.08 mg/h" in changed.inner_text()
        assert "more" in changed.inner_text()
        assert page.get_by_text("4 times a day").count() >= 1
        assert re.search(r"Day total: 1\.44 mg morphine\. Was 1\.4 mg", page.locator(".says").inner_text())
        assert page.get_by_role("button", name="Send to the pump").count() == 0
        checked(page)
        page.get_by_role("button", name="Bring it to the pump").click()
        page.get_by_text("Found the box not ticked").wait_for()
        page.get_by_role("checkbox").check()
        page.get_by_role("button", name="Bring it to the pump").click()
        page.wait_for_url(re.compile("/send$"))
        assert world.house.pumps.status("B-1").digest != b""  # type: ignore[union-attr]
        assert page.locator(".digest").is_visible()
        checked(page)
        page.get_by_role("button", name="Send to the pump").click()
        page.get_by_role("heading", name="Sent", exact=True).wait_for()
        assert page.get_by_text("Granted").first.is_visible()
        checked(page)


def test_a_stopped_pump_is_a_bar_on_every_page_and_is_not_left_unseen(
    site: Served, browser: Browser, world: ClinicWorld, patient: Patient
) -> None:
    session = begun(world, patient, role="nurse")
    with site.page(browser, "nurse") as page:
        page.goto(f"/sessions/{session.id}/stop")
        assert (
            "loNIDine" in page.locator(".refusals").inner_text() or "lonidine" in page.locator(".refusals").inner_text()
        )
        checked(page)
        page.get_by_role("checkbox").check()
        page.get_by_role("button", name="Stop delivery now").click()
        page.get_by_text("THIS PUMP DOES NOT DELIVER").wait_for()
        page.goto("/help")
        assert page.get_by_text("PUMP STOPPED").is_visible()
        page.goto(f"/sessions/{session.id}/close")
        page.get_by_label("How is the pump left?").fill("stopped")
        page.get_by_role("button", name="Close the session").click()
        page.get_by_text("Found the pump does not deliver").wait_for()
        assert page.get_by_label("How is the pump left?").input_value() == "stopped"
        checked(page)
        page.get_by_label("Why is it left so?").fill("too sleepy")
        page.get_by_label("Who was told?").fill("Dr. One, in person")
        page.get_by_role("button", name="Close the session").click()
        page.wait_for_url(re.compile(r"/patients/\d+$"))
        assert page.get_by_text("PUMP STOPPED").is_visible()
    begun(world, patient)  # the next one starts it again


def test_an_uncertain_outcome_is_shown_as_what_it_is_and_blocks(
    site: Served, browser: Browser, world: ClinicWorld, patient: Patient
) -> None:
    session, _ = to_review(world, patient, {'dose = "0.075 mg/h"': 'dose = "0.07 mg/h"'})
    relinked(world, ("confirm", "after"))
    with site.page(browser, "physician") as page:
        page.goto(f"/sessions/{session.id}/review")
        page.get_by_role("checkbox").check()
        page.get_by_role("button", name="Bring it to the pump").click()
        page.get_by_role("button", name="Send to the pump").click()
        page.wait_for_url(re.compile("/unknown$"))
        relinked(world)
        page.reload()
        assert page.get_by_text("The pump goes on with the program before it.").is_visible()
        assert page.get_by_text("? NOT KNOWN").first.is_visible()
        checked(page)
        page.goto(f"/sessions/{session.id}/send")
        assert page.get_by_role("button", name="Send to the pump").count() == 0
        page.goto(f"/sessions/{session.id}/unknown")
        page.get_by_role("button", name="Ask the pump").click()
        page.get_by_role("heading", name="Everything is known").wait_for()
        assert page.get_by_text("Granted").first.is_visible()
        page.goto(f"/patients/{patient.id}/history")
        checked(page)


def test_the_clock_is_a_task_of_its_own_with_its_choice_and_message_kept(
    site: Served, browser: Browser, world: ClinicWorld, patient: Patient
) -> None:
    from sqlalchemy import select

    with site.page(browser, "physician") as page:
        page.goto(f"/patients/{patient.id}/session")
        page.get_by_role("button", name="Set the pump's clock").click()
        page.wait_for_url(re.compile("/read$"))
        page.get_by_role("button", name="Set the pump's clock").click()
        page.wait_for_url(re.compile("/clock$"))
        checked(page)
        page.get_by_role("button", name="Go on to the review").click()
        page.get_by_text("Found no choice").wait_for()
        page.get_by_role("radio", name="Change it now").check()
        page.get_by_label("Why?").fill("it was never set")
        page.get_by_role("button", name="Go on to the review").click()
        page.wait_for_url(re.compile("/review$"))
        page.get_by_role("checkbox").check()
        page.get_by_role("button", name="Bring it to the pump").click()
        page.get_by_role("button", name="Send to the pump").click()
        page.get_by_role("heading", name="Sent", exact=True).wait_for()
        page.goto(page.url.replace("/send", "/read"))
        assert "pump clock = clock on the wall" in page.locator(".says").first.inner_text().lower()
        checked(page)
    with world.house.reading() as db:
        kept = db.scalars(select(ClockDecision).order_by(ClockDecision.id.desc())).first()
    assert kept is not None
    assert (kept.kind, kept.reason) == ("change it now", "it was never set")
    assert kept.preview


def test_every_setting_by_keyboard_and_without_scripts(
    site: Served, browser: Browser, world: ClinicWorld, patient: Patient
) -> None:
    session = begun(world, patient, Workflow.BOLUS)
    entered(world, session, Step.READ)
    with site.page(browser, "physician", scripts=False) as page:
        page.goto(f"/sessions/{session.id}/bolus")
        page.get_by_label(re.compile("Dose of")).fill(".5 mg")
        page.get_by_label(re.compile("^Over")).fill("10 min")
        page.keyboard.press("Enter")
        page.locator(".wrong p").first.wait_for()
        assert page.get_by_label(re.compile("Dose of")).input_value() == ".5 mg"
        page.get_by_label(re.compile("Dose of")).fill("0.05 mg")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("/review$"))
        assert "0.05 mg" in page.locator("main").inner_text()


def test_the_log_of_a_pump_shows_both_clocks_and_how_far_back_it_reaches(
    site: Served, browser: Browser, patient: Patient
) -> None:
    assert patient.id
    with site.page(browser, "engineer") as page:
        page.goto("/pumps/B-1")
        assert page.get_by_role("columnheader", name="Pump clock").is_visible()
        assert "the clinic keeps" in page.locator("main").inner_text()
        checked(page)
