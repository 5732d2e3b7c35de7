"""Journey J3 in a browser, steps 2 to 4: a program is written, answered while it is written, drafted, and previewed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from tests.browser_world import LOOKS, accessible, chromium, fits, served
from tests.programming_world import baclofen_runs
from tests.session_world import begun, entered, now, programmed, session_clinic

from thecal.clinic.programming.draft import DRAFT, draft_in
from thecal.clinic.record.tables import NearMiss, Order, Patient
from thecal.clinic.session import close
from thecal.clinic.workflow import Step, Workflow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page
    from tests.browser_world import Served

    from thecal.clinic.record.tables import Session

# Its lines are counted by the tests of the domain and of the pages; counting them here as well doubles its time.
pytestmark = pytest.mark.no_cover


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    for world in session_clinic(tmp_path_factory.mktemp("j3"), "B-1", "B-2"):
        with served(world) as found:
            yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def patient(site: Served) -> Patient:
    made = site.world.patient()
    programmed(site.world, made)
    return made


@pytest.fixture(scope="module")
def on_baclofen(site: Served) -> Patient:
    made = site.world.patient("1002", "B-2", given="Ben")
    with site.world.writing("physician", "changed facts") as record:
        row = record.get(Patient, made.id)
        assert row is not None
        record.change(row, "facts", indication="spasticity of spinal origin")
    baclofen_runs(site.world, row)
    return row


def opened(site: Served, patient: Patient) -> Session:
    """A session at the step of the program."""
    made = begun(site.world, patient, Workflow.PROGRAM)
    entered(site.world, made, Step.READ)
    return made


@pytest.fixture
def session(site: Served, patient: Patient) -> Iterator[Session]:
    made = opened(site, patient)
    yield made
    close(site.world.house, site.world.people["physician"], made.id, now(site.world, made).revision, "running")


def field(page: Page, path: str) -> str:
    """The selector of an entry by its place in the order."""
    assert page
    return f'[id="f-{path}"]'


def test_j3_every_hour_when_the_plan_says_once_a_day(site: Served, browser: Browser, on_baclofen: Patient) -> None:
    session = opened(site, on_baclofen)
    with site.page(browser, "physician") as page:
        page.goto(f"/sessions/{session.id}/program")
        page.fill(field(page, "plan.0"), "60 mcg")
        assert page.input_value(field(page, "program.repeated.dose")) == "60 mcg"
        page.fill(field(page, "program.repeated.every"), "1 h")
        page.locator("#answer").get_by_text("24 times a day, every 1 h").wait_for()
        answer = page.locator("#answer").inner_text()
        assert "CANNOT GO ON" in answer
        assert "60 mcg baclofen over 30 min, 24 times a day, every 1 h" in answer
        assert "1,440 mcg in 24 h, 24 times the plan" in answer
        accessible(page)
        page.get_by_role("button", name="Keep this program and go on").click()
        page.locator(".refusals").wait_for()
        assert "24 times the plan" in page.locator(".refusals").inner_text()
        assert page.url.endswith("/program")
    with site.world.house.reading() as db:
        assert not db.scalars(select(Order).where(Order.session_id == session.id)).all()
        codes = set(db.scalars(select(NearMiss.code).where(NearMiss.session_id == session.id)))
    assert {"total differs from the plan", "hourly-for-daily"} <= codes
    close(site.world.house, site.world.people["physician"], session.id, now(site.world, session).revision, "running")


def test_j3_steps_are_typed_or_drawn_and_answered_while_they_are_written(
    site: Served, browser: Browser, session: Session
) -> None:
    with site.page(browser, "physician") as page:
        page.goto(f"/sessions/{session.id}/program")
        page.fill(field(page, "plan.0"), "1.5 mg")
        page.fill(field(page, "program.days.0.steps.1.dose"), "0.1 mg/h")
        page.get_by_text("06:00 to 10:00: 0.1 mg/h").wait_for()
        assert "Day total without boluses: 1.5 mg morphine" in page.locator("#answer").inner_text()
        over = page.locator(".steps-chart .u-over")
        box = over.bounding_box()
        assert box is not None
        eight = box["x"] + box["width"] * 8 / 24
        page.mouse.move(eight, box["y"] + box["height"] * 0.6)
        page.mouse.down()
        page.mouse.move(eight, box["y"] + box["height"] * 0.2, steps=5)
        page.mouse.up()
        drawn = page.input_value(field(page, "program.days.0.steps.1.dose"))
        assert drawn.endswith(" mg/h") and 0.18 <= float(drawn.split()[0]) <= 0.22
        page.get_by_text(f"06:00 to 10:00: {drawn}").wait_for()
        page.fill(field(page, "program.days.0.steps.1.dose"), "0.1 mg/h")
        page.get_by_text("06:00 to 10:00: 0.1 mg/h").wait_for()
    assert DRAFT not in now(site.world, session).entered


def test_j3_an_overlap_is_refused_at_its_field(site: Served, browser: Browser, session: Session) -> None:
    with site.page(browser, "physician") as page:
        page.goto(f"/sessions/{session.id}/program")
        page.fill(field(page, "program.days.0.steps.2.from"), "05:00")
        page.get_by_role("button", name="Apply to the draft").click()
        wrong = page.locator('[id="w-program.days.0.steps.2.from"]')
        wrong.wait_for()
        assert "05:00 after a step from 06:00" in wrong.inner_text()
        assert page.get_attribute(field(page, "program.days.0.steps.2.from"), "aria-invalid") == "true"
        page.locator(".refusals a").first.click()
        assert page.locator(":focus").get_attribute("id") == "f-program.days.0.steps.2.from"
        accessible(page)


def test_j3_undo_restores_byte_identical_state(site: Served, browser: Browser, session: Session) -> None:
    with site.page(browser, "physician") as page:
        page.goto(f"/sessions/{session.id}/program")
        page.fill(field(page, "plan.0"), "1.4 mg")
        page.get_by_role("button", name="Apply to the draft").click()
        page.get_by_text("A draft.").wait_for()
        first = draft_in(now(site.world, session))
        page.fill(field(page, "program.days.0.steps.1.dose"), "0.09 mg/h")
        page.get_by_role("button", name="Apply to the draft").click()
        page.get_by_role("button", name="Undo").and_(page.locator(":enabled")).wait_for()
        second = draft_in(now(site.world, session))
        assert first is not None and second is not None
        assert "0.09 mg/h" in second.now.text
        page.get_by_role("button", name="Undo").click()
        page.get_by_role("button", name="Redo").and_(page.locator(":enabled")).wait_for()
        undone = draft_in(now(site.world, session))
        assert undone is not None
        assert undone.now.text.encode() == first.now.text.encode()
        assert page.input_value(field(page, "program.days.0.steps.1.dose")) == "0.075 mg/h"
        page.get_by_role("button", name="Leave the draft").click()
        page.get_by_text("What you see is what runs in this pump now.").wait_for()
    assert DRAFT not in now(site.world, session).entered


def test_j3_the_days_are_planned_alike_or_apart_by_keyboard_alone(
    site: Served, browser: Browser, session: Session
) -> None:
    with site.page(browser, "physician") as page:
        page.goto(f"/sessions/{session.id}/program")
        page.locator(field(page, "program.days")).focus()
        page.keyboard.type("Weekdays")
        page.keyboard.press("Enter")
        page.locator("#steps-1").wait_for()
        assert page.locator("#steps-0").inner_text() == "Monday to Friday"
        page.locator("#press-add-1").focus()
        page.keyboard.press("Enter")
        page.locator(field(page, "program.days.1.steps.1.from")).wait_for()
        assert page.locator(field(page, "plan.1")).count() == 1


def test_j3_the_preview_shows_lines_then_the_band_and_reads_by_keyboard(
    site: Served, browser: Browser, session: Session
) -> None:
    with site.page(browser, "physician") as page:
        page.goto(f"/sessions/{session.id}/program")
        page.fill(field(page, "plan.0"), "1.5 mg")
        page.fill(field(page, "program.days.0.steps.1.dose"), "0.1 mg/h")
        page.get_by_role("button", name="Keep this program and go on").click()
        page.wait_for_url("**/preview")
        assert "Computed, not measured; not a dose recommendation." in page.locator("main").inner_text()
        page.get_by_text("of 64 drawn persons").wait_for()
        chart = page.locator("#arriving .chart-area").first
        chart.focus()
        page.keyboard.press("Home")
        page.keyboard.press("ArrowRight")
        said = page.locator("#arriving .chart-reading").first.inner_text()
        page.locator("#arriving details").first.locator("summary").click()
        row = page.locator("#arriving table[data-chart]").first.locator("tbody tr").nth(1)
        cells = row.locator("td").all_inner_texts()
        assert said.startswith(row.locator("th").inner_text())
        assert f"Runs now {cells[0]}" in said and f"Proposed {cells[3]}" in said
        assert "ng/mL; computed by the twin, not measured" in said
        box = chart.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        assert page.locator("#arriving .chart-reading").first.inner_text() != said
        page.get_by_role("button", name="Go on").click()
        page.wait_for_url("**/review")


def test_j3_the_whole_path_works_without_scripts(site: Served, browser: Browser, session: Session) -> None:
    with site.page(browser, "physician", scripts=False) as page:
        page.goto(f"/sessions/{session.id}/program")
        page.fill(field(page, "plan.0"), "1.5 mg")
        page.fill(field(page, "program.days.0.steps.1.dose"), "0.1 mg/h")
        page.get_by_role("button", name="Look again").click()
        assert "06:00 to 10:00: 0.1 mg/h" in page.locator("#answer").inner_text()
        assert page.locator("#answer table[data-chart]").is_visible()
        page.get_by_role("button", name="Keep this program and go on").click()
        page.wait_for_url("**/preview")
        assert page.locator("#arriving table[data-chart]").first.is_visible()


@pytest.mark.parametrize(
    ("size", "dark"),
    [*LOOKS, pytest.param({"width": 640, "height": 450}, False, id="200 %")],
)
def test_j3_the_pages_are_accessible_and_fit(
    site: Served, browser: Browser, session: Session, size: dict[str, int], dark: bool
) -> None:
    with site.page(browser, "physician", size=size, dark=dark) as page:
        page.goto(f"/sessions/{session.id}/program")
        page.locator(".steps-chart canvas").wait_for()
        accessible(page)
        fits(page)
        page.fill(field(page, "plan.0"), "1.4 mg")
        page.get_by_role("button", name="Apply to the draft").click()
        page.get_by_text("A draft.").wait_for()
        page.goto(f"/sessions/{session.id}/preview")
        page.get_by_text("of 64 drawn persons").wait_for()
        accessible(page)
        fits(page)
