"""J6, order to label: its acceptance criteria in a real browser, by the people whose work it is."""

from __future__ import annotations

import re
from contextlib import ExitStack
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from tests.browser_world import DESKTOP, PHONE, accessible, chromium, fits, served
from tests.clinic_world import clinic_world

from thecal.clinic.pharmacy import by_code, mixture_in
from thecal.clinic.pharmacy.labeling import TOLERANCE
from thecal.clinic.record.tables import BoardLine
from thecal.quantities import Mass, Volume

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page
    from tests.browser_world import Served

    from thecal.clinic.record.tables import Patient

# Its lines are counted by the tests of the domain and of the pages; counting them here as well doubles its time.
pytestmark = pytest.mark.no_cover


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    world = clinic_world(tmp_path_factory.mktemp("j6"))
    try:
        with served(world) as found:
            yield found
    finally:
        world.end()


@pytest.fixture(scope="module")
def patient(site: Served) -> Patient:
    return site.world.patient()


@pytest.fixture(scope="module")
def people(site: Served, browser: Browser) -> Iterator[dict[str, Page]]:
    with ExitStack() as stack:
        yield {
            role: stack.enter_context(site.page(browser, role))
            for role in ("physician", "pharmacist", "pharmacist2", "nurse")
        }


def order(
    page: Page, patient: Patient, strengths: dict[str, str], needed_by: str = "2026-10-05", refill: str = ""
) -> str:
    page.goto(f"/pharmacy/order?patient={patient.id}")
    for at, (drug, strength) in enumerate(strengths.items()):
        page.select_option(f"[id='f-drugs.{at}']", drug)
        page.fill(f"[id='f-strengths.{at}']", strength)
    page.fill("#f-volume", "20 mL")
    page.fill("#f-diluent", "sodium chloride 0.9 %, preservative-free")
    page.select_option("#f-preservative_free", "yes")
    page.fill("#f-needed_by", needed_by)
    if refill:
        page.fill("#f-refill_by", refill)
    page.get_by_role("button", name="Order this syringe", exact=True).click()
    return page.url


def worksheet(page: Page, url: str, stock: list[str], beyond_use: str = "2026-10-20") -> None:
    page.goto(url)
    page.get_by_role("button", name="Accept the prescription", exact=True).click()
    page.get_by_role("link", name="Write the worksheet", exact=True).click()
    for at, strength in enumerate(stock):
        page.select_option(f"[id='f-kinds.{at}']", "solution")
        page.fill(f"[id='f-strengths.{at}']", strength)
        page.fill(f"[id='f-products.{at}']", f"Product {at}")
        page.fill(f"[id='f-lots.{at}']", f"LOT-{at}")
        page.fill(f"[id='f-expires.{at}']", "2027-01-31")
        page.select_option(f"[id='f-preservative_free.{at}']", "yes")
    page.fill("#f-diluent_product", "Sodium chloride 0.9 %")
    page.fill("#f-diluent_lot", "S-1")
    page.fill("#f-diluent_expires", "2027-03-31")
    page.select_option("#f-diluent_free", "yes")
    page.fill("#f-overfill", "1 mL")
    if beyond_use:
        page.fill("#f-beyond_use", beyond_use)
        page.fill("#f-beyond_use_source", "USP <797>, category 2")
    page.get_by_role("button", name="Compute and keep this worksheet", exact=True).click()


def second(page: Page, url: str, draws: list[tuple[str, str, str]]) -> None:
    page.goto(url)
    page.get_by_role("link", name="Second check", exact=True).click()
    for at, (drug, strength, drawn) in enumerate(draws):
        page.select_option(f"[id='f-drugs.{at}']", drug)
        page.fill(f"[id='f-strengths.{at}']", strength)
        page.fill(f"[id='f-draws.{at}']", drawn)
    page.fill("#f-total", "21 mL")
    page.click("button:text('Compare')")


TWO = {"hydromorphone": "4 mg/mL", "bupivacaine": "10 mg/mL"}
TWO_DRAWS = [("bupivacaine", "30 mg/mL", "7 mL"), ("hydromorphone", "10 mg/mL", "8.4 mL")]


def labeled(people: dict[str, Page], patient: Patient) -> str:
    url = order(people["physician"], patient, TWO, refill="2026-11-30")
    worksheet(people["pharmacist"], url, ["10 mg/mL", "30 mg/mL"])
    second(people["pharmacist2"], url, TWO_DRAWS)
    people["pharmacist"].goto(url)
    people["pharmacist"].get_by_role("button", name="Make the label", exact=True).click()
    return url


def test_j6_the_label_has_total_amount_per_total_volume_as_its_main_line(
    people: dict[str, Page], patient: Patient
) -> None:
    labeled(people, patient)
    page = people["pharmacist"]
    page.get_by_role("link", name="Label on paper", exact=True).click()
    main = page.locator(".main dd").all_inner_texts()
    assert main == ["84 mg per 21 mL", "210 mg per 21 mL"]
    large = page.locator(".main dd").first.evaluate("e => parseFloat(getComputedStyle(e).fontSize)")
    other = page.locator("dl div:not(.main) dd").first.evaluate("e => parseFloat(getComputedStyle(e).fontSize)")
    assert large > other
    assert page.locator("dl div:not(.main) dd").first.inner_text() == "(4 mg/mL)"
    assert "HYDROmorphone" in page.locator("h1").inner_text()
    accessible(page)


def test_j6_recomputing_from_the_label_reproduces_the_order(
    site: Served, people: dict[str, Page], patient: Patient
) -> None:
    labeled(people, patient)
    page = people["pharmacist"]
    page.get_by_role("link", name="Label on paper", exact=True).click()
    code = page.locator(".symbol figcaption").inner_text()
    printed = [re.fullmatch(r"(.+) per (.+)", said) for said in page.locator(".main dd").all_inner_texts()]
    with site.world.house.reading() as db:
        row = by_code(db, code)
        assert row is not None
        ordered = mixture_in(db, row)
    for found, ingredient in zip(printed, ordered.ingredients, strict=True):
        assert found is not None
        read = Mass.parse(found[1]) / Volume.parse(found[2])
        assert abs(read / ingredient.concentration - 1) <= TOLERANCE < Fraction(1, 100)


def test_j6_above_a_ceiling_cannot_be_released_without_a_named_override(
    people: dict[str, Page], patient: Patient
) -> None:
    url = order(people["physician"], patient, {"hydromorphone": "20 mg/mL"})
    worksheet(people["pharmacist"], url, ["50 mg/mL"])
    second(people["pharmacist2"], url, [("hydromorphone", "50 mg/mL", "8.4 mL")])
    page = people["pharmacist"]
    page.goto(url)
    page.get_by_role("button", name="Make the label", exact=True).click()
    page.click("button:text-is('Release')")
    said = page.locator(".refusals").inner_text()
    assert "HYDROmorphone" in said
    assert "PACC" in said
    accessible(page)
    page.goto(url)
    while page.locator("button:has-text('Pass this limit as Pharmacist One')").count():
        page.fill("#why-1", "palliative, agreed with the physician")
        with page.expect_navigation():
            page.locator("button:has-text('Pass this limit')").first.click()
    with page.expect_navigation():
        page.click("button:text-is('Release')")
    assert "Released" in page.locator(".steps-bar [aria-current]").inner_text()
    assert "passed by Pharmacist One. Reason: palliative" in page.locator("main").inner_text()


def test_j6_no_stability_source_is_amber_and_unknown(people: dict[str, Page], patient: Patient) -> None:
    url = order(people["physician"], patient, {"baclofen": "2 mg/mL", "ketamine": "1 mg/mL"}, refill="2026-12-01")
    page = people["pharmacist"]
    page.goto(url)
    clocks = page.locator(".clock-box").all_inner_texts()
    assert len(clocks) == 2
    assert all("UNKNOWN" in said for said in clocks)
    assert page.locator(".clock-box.clock-amber").count() == 2
    assert page.locator(".clock-box .number").count() == 0
    accessible(page)


def test_j6_changing_the_needed_by_day_updates_the_board(site: Served, people: dict[str, Page]) -> None:
    person = site.world.patient("1055", serial="B-55", given="Board", family="Mover")
    url = order(people["physician"], person, {"morphine": "4 mg/mL"})
    page = people["nurse"]
    page.goto(url)
    page.fill("#f-needed_by", "2026-09-29")
    page.fill("#f-move-why", "the visit was moved up")
    page.get_by_role("button", name="Move the day", exact=True).click()
    assert "29 Sep 2026" in page.locator("h1").inner_text()
    with site.world.house.reading() as db:
        line = db.get(BoardLine, person.id)
    assert line is not None
    assert "2026-09-29" in str(line.shown["order"])


def test_j6_a_blind_entry_that_differs_says_where_and_not_what(people: dict[str, Page], patient: Patient) -> None:
    url = order(people["physician"], patient, TWO)
    worksheet(people["pharmacist"], url, ["10 mg/mL", "30 mg/mL"])
    second(people["pharmacist2"], url, [TWO_DRAWS[0], ("hydromorphone", "10 mg/mL", "4.8 mL")])
    page = people["pharmacist2"]
    assert page.locator("[id='f-draws.1']").get_attribute("aria-invalid") == "true"
    assert "8.4 mL" not in page.locator("body").inner_text()
    accessible(page)
    page.fill("[id='f-draws.1']", "8.4 mL")
    page.click("button:text('Compare')")
    assert "Checked" in page.locator(".steps-bar [aria-current]").inner_text()


def test_j6_received_by_a_scanner_that_types(people: dict[str, Page], patient: Patient) -> None:
    url = labeled(people, patient)
    page = people["pharmacist"]
    code = page.locator("#h-label ~ p strong").inner_text()
    page.click("button:text-is('Release')")
    page.fill("#f-carrier", "own driver")
    page.click("button:text-is('Shipped')")
    nurse = people["nurse"]
    nurse.goto("/pharmacy/receive")
    assert nurse.evaluate("document.activeElement.id") == "f-code"
    nurse.keyboard.type(code.replace("-", ""))
    nurse.keyboard.press("Enter")
    nurse.wait_for_url(url)
    assert "Received" in nurse.locator(".steps-bar [aria-current]").inner_text()


@pytest.fixture(scope="module")
def made(people: dict[str, Page], patient: Patient) -> dict[str, str]:
    """A syringe with its label, and one that waits for its second check."""
    url = labeled(people, patient)
    waiting = order(people["physician"], patient, TWO)
    worksheet(people["pharmacist"], waiting, ["10 mg/mL", "30 mg/mL"])
    return {"label": url, "waiting": waiting, "number": url.rsplit("/", 1)[1], "patient": str(patient.id)}


PAGES = [
    ("pharmacist2", "/pharmacy"),
    ("pharmacist2", "/pharmacy/receive"),
    ("pharmacist2", "/pharmacy/recall?lot=LOT-0"),
    ("pharmacist2", "/pharmacy/settings"),
    ("pharmacist2", "{label}"),
    ("pharmacist2", "{waiting}"),
    ("pharmacist2", "{waiting}/check"),
    ("pharmacist2", "{waiting}/worksheet"),
    ("pharmacist2", "/papers/label/{number}"),
    ("pharmacist2", "/papers/worksheet/{number}"),
    ("pharmacist2", "/formulary"),
    ("pharmacist2", "/formulary/hydromorphone"),
    ("pharmacist2", "/formulary/write?file=morphine"),
    ("pharmacist2", "/overrides"),
    ("pharmacist2", "/overrides/list?what=near-misses"),
    ("physician", "/pharmacy/order?find=lindqvist"),
    ("physician", "/pharmacy/order?patient={patient}"),
]


@pytest.mark.parametrize(("size", "dark"), [(DESKTOP, False), (PHONE, True)], ids=["desktop-light", "phone-dark"])
def test_the_pages_are_accessible(
    site: Served, browser: Browser, made: dict[str, str], size: dict[str, int], dark: bool
) -> None:
    for role in ("pharmacist2", "physician"):
        with site.page(browser, role, size=size, dark=dark) as page:
            for path in (path for of, path in PAGES if of == role):
                page.goto(path.format(**made))
                accessible(page)
                fits(page)


def test_the_order_works_without_scripts(site: Served, browser: Browser, patient: Patient) -> None:
    with site.page(browser, "physician", scripts=False) as page:
        order(page, patient, TWO)
        assert "Syringe needed by 5 Oct 2026" in page.locator("h1").inner_text()
