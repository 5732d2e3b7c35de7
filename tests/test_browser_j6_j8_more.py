"""Pages that a lot's recall, free days, pairing, a zone's change and years of history need: accessible and fitting."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.browser_world import LOOKS, Served, accessible, chromium, fits, looked_at, served
from tests.clinic_world import NOW_S, clinic_world
from tests.desk_world import give_booking, give_program, plain_order, pump_at_work
from tests.test_clinic_pharmacy import SHEET, TODAY, entry

from thecal.clinic.desk.lines import refresh
from thecal.clinic.pharmacy import ordering, worksheets
from thecal.clinic.pharmacy.states import State
from thecal.clinic.pharmacy.way import step
from thecal.clinic.record.tables import Preparation, Scan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

DAY_S = 86_400
PAGES = (
    ("pharmacist", "/pharmacy/recall?lot=H-77"),
    ("pharmacist", "/pharmacy/settings"),
    ("engineer", "/devices"),
    ("engineer", "/devices/pair?serial=B-1"),
    ("engineer", "/notices/new"),
    ("administrator", "/site"),
    ("nurse", "/patients/1/mri"),
    ("physician", "/patients/1/history?programs=2"),
    ("desk", "/contacts/1?visits=2"),
    ("desk", "/feeds"),
    ("pharmacist", "/formulary/write?file=morphine"),
    ("desk", "/board"),
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    world = clinic_world(tmp_path_factory.mktemp("more"))
    patient = pump_at_work(world, drug="morphine", strength="10 mg/mL", dose="1 mg/day")
    made = ordering.order(world.house, world.people["physician"], entry(patient.id), TODAY)
    assert isinstance(made, Preparation)
    step(world.house, world.people["pharmacist"], made.id, State.ACCEPTED)
    worksheets.write(world.house, world.people["pharmacist"], made.id, SHEET, TODAY)
    text = plain_order(patient, "B-1", "morphine", "10 mg/mL", "1 mg/day")
    with world.writing() as record:
        for number in range(51):
            give_program(record, patient, "B-1", text, NOW_S - number)
            give_booking(record, patient, NOW_S - (number + 1) * DAY_S, state="attended")
        give_booking(record, patient, NOW_S + 60 * DAY_S)
        record.keep(Scan(patient_id=patient.id, serial="B-1", family="bench-20", state="away", cover="oral",
            without_s=60, after=[]))  # fmt: skip
        refresh(record, patient.id)
    with served(world) as found:
        yield found
    world.end()


@pytest.mark.parametrize(("size", "dark"), LOOKS)
def test_every_page_is_accessible_and_fits(
    clinic: Served, browser: Browser, size: dict[str, int], dark: bool, tmp_path: Path
) -> None:
    folder = Path(os.environ.get("THECAL_LOOK", tmp_path))
    for number, (role, address) in enumerate(PAGES):
        with clinic.page(browser, role, size=size, dark=dark) as page:
            answer = page.goto(address)
            assert answer is not None and answer.status == 200, address
            accessible(page)
            fits(page)
            looked_at(page, folder, f"{number:02}-{size['width']}-{'dark' if dark else 'light'}")


def test_j6_a_lot_is_recalled_by_keyboard_and_its_syringe_is_given_up(clinic: Served, browser: Browser) -> None:
    with clinic.page(browser, "pharmacist", scripts=False) as page:
        page.goto("/pharmacy/recall?lot=h-77")
        page.focus("#f-why")
        page.keyboard.type("notice 7 of the maker")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert "notice 7 of the maker" in page.inner_text("main")
        assert "Canceled" in page.inner_text("table")
        assert page.query_selector("#f-why") is None
