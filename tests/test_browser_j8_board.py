"""J8, the Monday board, in a browser: what its acceptance criteria say, as the desk and the nurse lead see it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from ical.calendar_stream import IcsCalendarStream
from playwright.sync_api import expect
from tests.browser_world import LOOKS, Served, accessible, chromium, fits, served
from tests.clinic_world import NOW_S, clinic_world
from tests.desk_world import give_reading, pump_at_work

from thecal.clinic.desk.days import as_date, day_of
from thecal.clinic.desk.lines import refresh
from thecal.clinic.record.tables import FieldNotice, Patient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

# Its lines are counted by the tests of the domain and of the pages; counting them here as well doubles its time.
pytestmark = pytest.mark.no_cover

TODAY = as_date(day_of(NOW_S, ZoneInfo("America/Chicago")))
STEADY = {"strength": "500 mcg/mL", "dose": "200 mcg/day", "level": "18"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def clinic(tmp_path: Any) -> Iterator[Served]:
    world = clinic_world(tmp_path)
    people = (("Ada", "Lindqvist", "morphine"), ("Bo", "Ekman", "baclofen"), ("Cy", "Berg", "clonidine"))
    for number, (given, family, drug) in enumerate(people, 1):
        more = {"strength": "4 mg/mL", "dose": "1.6 mg/day", "level": "18"} if drug == "morphine" else STEADY
        about = {"given": given, "family": family}
        pump_at_work(world, str(number), f"B-{number}", drug=drug, software="1.3", about=about, **more)
    with served(world) as found:
        yield found
    world.end()


def book(page: Page, name: str, in_days: int) -> None:
    """Book a refill from the board, as the desk does."""
    page.goto("/board")
    page.locator("tr", has_text=name).get_by_role("link", name=f"Book a refill for {name}").click()
    page.get_by_label("Day").fill((TODAY + timedelta(days=in_days)).isoformat())
    page.get_by_label("Time at the clinic").fill("09:30")
    page.get_by_label("Length in minutes").fill("30")
    page.get_by_role("button", name="Book").click()


def names(page: Page) -> list[str]:
    return page.locator(".board-name").all_inner_texts()


def test_j8_baclofen_and_clonidine_rank_above_equal_dates(clinic: Served, browser: Browser) -> None:
    with clinic.page(browser, "desk") as page:
        page.goto("/board")
        assert names(page) == ["Bo Ekman", "Cy Berg", "Ada Lindqvist"]
        assert len(set(page.locator(".board-date").all_inner_texts())) == 1
        expect(page.locator("tr", has_text="Cy Berg")).to_contain_text("Dangerous to stop: cloNIDine")


def test_j8_a_patient_whose_worst_case_date_is_before_the_booked_date_is_never_outside_the_top_band(
    clinic: Served, browser: Browser
) -> None:
    with clinic.page(browser, "desk") as page:
        book(page, "Ada Lindqvist", 30)
        page.goto("/board")
        expect(page.locator("tr", has_text="Ada Lindqvist").locator(".cell-band")).to_contain_text("Plan")
        with clinic.world.writing() as record:
            give_reading(record, record.session.get_one(Patient, 1), "B-1", level="10")
            refresh(record, 1)
        page.goto("/board?band=now")
        row = page.locator("tr", has_text="Ada Lindqvist")
        expect(row.locator(".cell-band")).to_contain_text("■ Act now")
        expect(row).to_contain_text("Booked too late")
        expect(row).to_contain_text("behind the worst case")


def test_j8_canceling_a_visit_without_a_new_one_raises_a_task_at_once(clinic: Served, browser: Browser) -> None:
    with clinic.page(browser, "nurse") as page:
        book(page, "Bo Ekman", 20)
        page.get_by_label("Why it is canceled").fill("in hospital")
        page.get_by_role("button", name="Cancel the visit").click()
        expect(page.locator("main")).to_contain_text("Canceled")
        page.get_by_role("link", name="Tasks", exact=True).click()
        expect(page.locator("main")).to_contain_text("Refill canceled without a new one: in hospital")
        accessible(page)


def test_j8_a_refill_nearer_than_the_forced_days_is_booked_by_name_alone(clinic: Served, browser: Browser) -> None:
    with clinic.page(browser, "desk") as page:
        book(page, "Bo Ekman", 38)
        expect(page.locator("main")).to_contain_text("7 days before the worst case")
        assert page.get_by_label("Time at the clinic").input_value() == "09:30"
        accessible(page)
        page.get_by_label("Why this refill may lie so late").fill("Abroad until then")
        page.get_by_role("button", name="Book").click()
        expect(page.locator("h1")).to_contain_text("Refill: Bo Ekman")


def test_j8_the_calendar_feed_is_read_by_another_parser_and_removing_a_patient_removes_the_event(
    clinic: Served, browser: Browser
) -> None:
    with clinic.page(browser, "desk") as page:
        book(page, "Ada Lindqvist", 20)
        page.goto("/feeds")
        page.get_by_label("Where it is used").fill("telephone of the nurse lead")
        page.get_by_role("button", name="Make the feed").click()
        address = page.locator(".secret").inner_text()
        accessible(page)
    with clinic.page(browser, None) as page:
        body = page.request.get(address).text()
        (event,) = IcsCalendarStream.calendar_from_ics(body).events
        assert event.summary == "Refill: A.L."
        with clinic.world.writing() as record:
            record.change(record.session.get_one(Patient, 1), "left", active=False)
        assert IcsCalendarStream.calendar_from_ics(page.request.get(address).text()).events == []


def test_j8_a_field_notice_lists_its_patients_and_counts_on_the_board(clinic: Served, browser: Browser) -> None:
    with clinic.page(browser, "engineer") as page:
        page.goto("/notices/new")
        for label, text in (
            ("Title", "Motor stall"), ("From whom", "Maker FN-7"), ("Published on", "2026-09-01"),
            ("What is asked for", "Read the pump"), ("Software", "1.3"),
        ):  # fmt: skip
            page.get_by_label(label).fill(text)
        accessible(page)
        page.get_by_role("button", name="Enter the notice").click()
        expect(page.locator("tbody tr")).to_have_count(3)
        accessible(page)
        page.get_by_label("What was done for Cy Berg").fill("Log read, no stall")
        page.locator("tr", has_text="Berg").get_by_role("button", name="Dealt with").click()
        page.goto("/board?only=notice")
        assert sorted(names(page)) == ["Ada Lindqvist", "Bo Ekman"]


def test_j8_the_board_by_keyboard_and_without_scripts(clinic: Served, browser: Browser) -> None:
    with clinic.page(browser, "desk", scripts=False) as page:
        page.goto("/board")
        page.get_by_label("Name, number or pump").focus()
        page.keyboard.type("ekman")
        page.keyboard.press("Enter")
        expect(page.locator(".board-name")).to_have_count(1)


@pytest.mark.parametrize(("size", "dark"), LOOKS)
def test_j8_every_page_of_the_desk_is_accessible_and_fits(
    clinic: Served, browser: Browser, size: dict[str, int] | None, dark: bool
) -> None:
    with clinic.world.writing() as record:
        record.keep(FieldNotice(title="Motor stall", source="Maker FN-7", published_on=TODAY, action="Read the pump",
            families=[], models=["Bench 20"], serials=[], softwares=[]))  # fmt: skip
        for number in (1, 2, 3):
            refresh(record, number)
    with clinic.page(browser, "desk", size=size, dark=dark) as page:
        book(page, "Bo Ekman", 20)
        visit = page.url
        for address in ("/board", visit, "/bookings", "/bookings/new?patient=1", "/contacts/2", "/tasks", "/notices",
            "/notices/1", "/feeds"):  # fmt: skip
            page.goto(address)
            accessible(page)
            fits(page)


def test_j8_the_board_prints_without_what_is_only_for_the_screen(clinic: Served, browser: Browser) -> None:
    with clinic.page(browser, "desk") as page:
        page.goto("/board")
        page.emulate_media(media="print")
        expect(page.locator(".board-find")).to_be_hidden()
        expect(page.locator("tr", has_text="Bo Ekman")).to_contain_text("40 days")
