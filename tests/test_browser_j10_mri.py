"""Journey J10, MRI and back, in a browser: the card by family, the cover plan, two readings, the sign-off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.browser_world import PHONE, accessible, chromium, fits, served
from tests.clinic_world import clinic_world, delivering, with_pumps

from thecal.pump.families import load_families

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page
    from tests.browser_world import Served
    from tests.clinic_world import ClinicWorld

    from thecal.clinic.record.tables import Patient

# Its lines are counted by the tests of the domain and of the pages; counting them here as well doubles its time.
pytestmark = pytest.mark.no_cover


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClinicWorld]:
    folder = tmp_path_factory.mktemp("mri")
    found = with_pumps(clinic_world(folder), folder / "rig")
    yield found
    found.end()


@pytest.fixture(scope="module")
def patient(world: ClinicWorld) -> Patient:
    return delivering(world)


@pytest.fixture(scope="module")
def site(world: ClinicWorld) -> Iterator[Served]:
    with served(world) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).click()


def test_ac_the_return_is_closed_on_two_readings_twenty_minutes_apart(
    world: ClinicWorld, site: Served, browser: Browser, patient: Patient
) -> None:
    with site.page(browser, "nurse") as page:
        page.goto(f"/patients/{patient.id}")
        accessible(page)
        page.get_by_role("link", name="MRI worksheet").click()
        press(page, "Begin the worksheet")
        assert "enter how long the patient may be without drug" in page.locator("#w-without").inner_text().lower()
        accessible(page)
        page.get_by_label("How long may the patient be without drug?").fill("4 h")
        page.get_by_label("What covers that time?").fill("Oral morphine as needed")
        press(page, "Begin the worksheet")
        press(page, "Read the pump before the scan")
        press(page, "The patient goes to the scan")
        world.near()
        press(page, "Read the pump after the scan")
        assert "two readings at least 20 min apart" in page.locator("main").inner_text()
        assert page.get_by_role("button", name="Sign off").count() == 0
        accessible(page)
        world.pass_s(20 * 60)
        world.near()
        press(page, "Read the pump after the scan")
        press(page, "Sign off: the pump delivers again")
        assert "signed off" in page.locator("main").inner_text()


def test_ac_no_card_of_an_emptied_family_is_without_its_first_line(
    site: Served, browser: Browser, world: ClinicWorld
) -> None:
    code = next(code for code, pump in load_families().items() if pump.empty_before_field)
    patient = world.patient("7777", serial=None)
    entered = {"serial": "V-1", "family": code, "model": "Valve", "implanted_on": "2026-03-02"}
    assert world.client("nurse").post(f"/patients/{patient.id}/implant", data=entered).status_code == 303
    with site.page(browser, "nurse", size=PHONE, dark=True) as page:
        page.goto(f"/patients/{patient.id}/mri")
        assert page.locator(".mri-lines li").first.inner_text().startswith("EMPTY FIRST")
        accessible(page)
        fits(page)


def test_patients_pages_are_accessible_and_fit(site: Served, browser: Browser, patient: Patient) -> None:
    for dark, size in ((False, None), (True, PHONE)):
        with site.page(browser, "physician", size=size, dark=dark) as page:
            for path in ("", "/facts", "/implant", "/days", "/profile", "/mri"):
                page.goto(f"/patients/{patient.id}{path}")
                accessible(page)
                fits(page)
            for path in ("/patients", "/patients/new"):
                page.goto(path)
                accessible(page)
                fits(page)
