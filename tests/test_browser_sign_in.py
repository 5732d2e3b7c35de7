"""Signing in with a real browser: password and code, passkeys by a virtual authenticator, a screen that locks."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyotp
import pytest
from sqlalchemy import select
from tests.browser_world import LOOKS, accessible, chromium, fits, looked_at, served
from tests.clinic_world import ClinicWorld, clinic_world
from tests.people_world import PASSWORD, secret_on, with_passwords, with_second

from thecal.clinic.people.signing_in import IDLE_S
from thecal.clinic.record.tables import Challenge, OneTimeSecret, Passkey, SignIn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, CDPSession, Page
    from tests.browser_world import Served
    from tests.people_world import Machine


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClinicWorld]:
    made = clinic_world(tmp_path_factory.mktemp("browser"))
    yield made
    made.end()


@pytest.fixture(scope="module")
def machine(world: ClinicWorld) -> Machine:
    return with_passwords(world, "nurse", "nurse2", "desk", "physician", "administrator")


@pytest.fixture(scope="module")
def clinic(world: ClinicWorld, machine: Machine) -> Iterator[Served]:
    with served(world, "localhost") as made:  # WebAuthn takes no number for a name
        yield made


@contextmanager
def authenticator(page: Page, *, verifies: bool = True) -> Iterator[CDPSession]:
    """A device that holds passkeys, as Chromium plays one; ``verifies``: its owner unlocks it."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": verifies,
        "automaticPresenceSimulation": True,
    }
    made = session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    try:
        yield session
    finally:
        session.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": made["authenticatorId"]})


def enter(page: Page, login: str, password: str = PASSWORD) -> None:
    page.get_by_label("Login").fill(login)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def add_passkey(page: Page, label: str = "My telephone") -> None:
    page.goto("/account")
    section = page.get_by_role("region", name="Passkeys")
    section.get_by_label("What to call it").fill(label)
    section.get_by_label("Your password").fill(PASSWORD)
    section.get_by_role("button", name="Add a passkey").click()


def test_first_sign_in_sets_up_the_second_factor(clinic: Served, browser: Browser, machine: Machine) -> None:
    with clinic.page(browser, None) as page:
        page.goto("/account")
        accessible(page)
        enter(page, "nurse")
        page.get_by_role("heading", name="Set up the second factor").wait_for()
        accessible(page)
        picture = page.get_by_alt_text("The secret as a picture")
        assert picture.evaluate("image => image.complete && image.naturalWidth > 100")
        code = pyotp.TOTP(secret_on(page.content())).at(machine.now_s)
        page.get_by_label("The code that the application shows now").fill(code)
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Your recovery codes").wait_for()
        accessible(page)
        page.get_by_role("link", name="I have written them down").click()
        page.get_by_role("heading", name="Nurse One").wait_for()


def test_sign_in_works_without_scripts(clinic: Served, browser: Browser, machine: Machine, world: ClinicWorld) -> None:
    code = with_second(world, "desk")
    with clinic.page(browser, None, scripts=False) as page:
        page.goto("/help")
        enter(page, "desk")
        page.get_by_label("Code").fill(code.at(machine.now_s))
        page.get_by_role("button", name="Go on").click()
        assert page.url.endswith("/help")
        page.get_by_role("button", name="Sign out").click()
        assert page.url.endswith("/sign-in")


def test_a_passkey_is_made_on_the_account_page_and_is_a_whole_sign_in(
    clinic: Served, browser: Browser, world: ClinicWorld
) -> None:
    with clinic.page(browser, "physician") as page, authenticator(page):
        add_passkey(page)
        page.get_by_text("My telephone").wait_for()
        accessible(page)
        page.get_by_role("button", name="Sign out").click()
        page.goto("/help")
        page.get_by_role("button", name="Sign in with a passkey").click()
        page.get_by_role("heading", name="Help").wait_for()
    with world.house.reading() as session:
        ways = [row.way for row in session.scalars(select(SignIn).where(SignIn.way == "passkey"))]
        kept = session.scalars(select(Passkey)).one()
        assert session.scalars(select(Challenge)).all() == [], "a challenge serves once"
        has_code = session.get(OneTimeSecret, world.people["physician"].person_id)
    assert ways == ["passkey"]
    assert kept.used_s is not None
    assert has_code is None, "it was all that was asked for"
    with clinic.page(browser, "physician") as page:
        page.goto("/account")
        page.get_by_role("button", name="Take My telephone away").click()
        page.get_by_text("None yet.").wait_for()


def test_a_device_whose_owner_does_not_unlock_it_makes_no_passkey(
    clinic: Served, browser: Browser, world: ClinicWorld
) -> None:
    with clinic.page(browser, "nurse2") as page, authenticator(page, verifies=False):
        add_passkey(page, "Left open")
        page.get_by_text("Nothing came from the device").wait_for()
    with world.house.reading() as session:
        found = session.scalars(select(Passkey).where(Passkey.person_id == world.people["nurse2"].person_id)).all()
    assert found == []


def test_a_passkey_needs_the_password_first(clinic: Served, browser: Browser) -> None:
    with clinic.page(browser, "nurse2") as page, authenticator(page):
        page.goto("/account")
        page.get_by_role("button", name="Add a passkey").click()
        page.get_by_text("a wrong password").wait_for()


def test_a_passkey_that_was_taken_away_opens_nothing(clinic: Served, browser: Browser, world: ClinicWorld) -> None:
    with clinic.page(browser, "administrator") as page, authenticator(page):
        add_passkey(page, "Lost")
        page.get_by_role("button", name="Take Lost away").click()
        page.get_by_text("None yet.").wait_for()
        page.get_by_role("button", name="Sign out").click()
        page.goto("/sign-in")
        page.get_by_role("button", name="Sign in with a passkey").click()
        page.get_by_text("an answer of the device that proves nothing here").wait_for()


def test_the_answer_of_a_device_serves_once(clinic: Served, browser: Browser, world: ClinicWorld) -> None:
    with clinic.page(browser, "nurse2") as page, authenticator(page):
        add_passkey(page, "Once")
        page.get_by_text("Once").wait_for()
        page.get_by_role("button", name="Sign out").click()
        page.goto("/sign-in")
        with page.expect_request("**/sign-in/passkey") as sent:
            page.get_by_role("button", name="Sign in with a passkey").click()
        page.get_by_role("link", name="Nurse Two").wait_for()
        body = sent.value.post_data
        assert body is not None
        page.get_by_role("button", name="Sign out").click()
        again = page.request.post(
            f"{clinic.origin}/sign-in/passkey",
            data=body,
            headers={"content-type": "application/x-www-form-urlencoded", "origin": clinic.origin},
            max_redirects=0,
        )
        assert again.status == 422


def test_what_was_typed_is_sent_after_the_screen_was_locked_and_unlocked(
    clinic: Served, browser: Browser, machine: Machine
) -> None:
    with clinic.page(browser, "nurse") as page:
        page.goto("/patients/new")
        page.locator("[name=given]").fill("Greta")
        page.locator("[name=family]").fill("Öberg")
        machine.now_s += IDLE_S
        page.locator("main form button").last.click()
        page.get_by_role("heading", name="This screen was locked").wait_for()
        accessible(page)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Unlock").click()
        page.get_by_role("heading", name="Send what you entered?").wait_for()
        accessible(page)
        fits(page)
        page.get_by_role("button", name="Send it now").click()
        assert page.locator("[name=given]").input_value() == "Greta", "back in the form, with what is still missing"


PAGES = [
    ("nobody", "/sign-in"),
    ("administrator", "/account"),
    ("administrator", "/people"),
    ("administrator", "/people/new"),
    ("administrator", "/people/1"),
    ("administrator", "/people/11"),
    ("administrator", "/audit"),
    ("nurse", "/people"),
    ("nurse", "/no-such-page"),
]


@pytest.mark.parametrize(("size", "dark"), LOOKS)
def test_pages_are_accessible_and_fit_light_and_dark_wide_and_narrow(
    clinic: Served, browser: Browser, size: dict[str, int], dark: bool
) -> None:
    for role, path in PAGES:
        with clinic.page(browser, None if role == "nobody" else role, size=size, dark=dark) as page:
            page.goto(path)
            fits(page)
            accessible(page)
            if folder := os.environ.get("THECAL_PICTURES"):
                name = f"{role}{path.replace('/', '-')}-{size['width']}-{'dark' if dark else 'light'}"
                looked_at(page, Path(folder), name)


def test_the_theme_that_somebody_chose_goes_before_the_system(clinic: Served, browser: Browser) -> None:
    with clinic.page(browser, "nurse", dark=False) as page:
        page.goto("/account")
        page.get_by_role("radio", name="Dark").check()
        page.get_by_role("button", name="Set it").click()
        assert page.locator("html").get_attribute("data-bs-theme") == "dark"
        accessible(page)
