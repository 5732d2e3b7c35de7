"""The pages of sign-in and of one's own account, as a browser without scripts sees them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pyotp
import pytest
from sqlalchemy import text
from tests.clinic_world import ClinicWorld, plain_clinic
from tests.people_world import PASSWORD, Machine, make_demonstration, secret_on, sign_in, with_passwords, with_second

from thecal.clinic.people.signing_in import IDLE_S, LONGEST_S
from thecal.web.door import COOKIE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fastapi.testclient import TestClient


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ClinicWorld]:
    yield from plain_clinic(tmp_path)


@pytest.fixture
def machine(world: ClinicWorld) -> Machine:
    return with_passwords(world, "nurse", "administrator")


@pytest.fixture
def nurse(world: ClinicWorld, machine: Machine) -> TestClient:
    return world.client("nurse")


@pytest.fixture
def administrator(world: ClinicWorld, machine: Machine) -> TestClient:
    return world.client("administrator")


# The way in


def test_first_sign_in_of_a_real_clinic_step_by_step(world: ClinicWorld, machine: Machine) -> None:
    client = world.client(None)
    asked = client.get("/account")
    assert asked.headers["location"] == "/sign-in?next=/account"
    first = sign_in(client, "nurse", next="/account")
    assert first.headers["location"] == "/sign-in/enroll?next=/account"
    assert client.get("/account").headers["location"].startswith("/sign-in/second?"), "not in yet"
    shown = client.get("/sign-in/enroll?next=/account")
    assert 'src="data:image/svg+xml' in shown.text
    secret = secret_on(shown.text)
    wrong = client.post("/sign-in/enroll", data={"code": "000000", "next": "/account"})
    assert wrong.status_code == 422
    assert secret_on(wrong.text) == secret, "the picture stays the same until a code of it was right"
    done = client.post("/sign-in/enroll", data={"code": pyotp.TOTP(secret).at(machine.now_s), "next": "/account"})
    assert len(re.findall(r"<li><code>[a-z2-9-]{19}</code>", done.text)) == 10
    assert 'href="/account"' in done.text
    assert client.get("/account").status_code == 200


def test_second_sign_in_asks_for_the_code_and_then_leads_where_it_was_asked_to(
    world: ClinicWorld, machine: Machine
) -> None:
    code = with_second(world, "nurse")
    client = world.client(None)
    assert sign_in(client, "Nurse ", next="/help").headers["location"] == "/sign-in/second?next=/help"
    half = client.cookies[COOKIE]
    done = client.post("/sign-in/second", data={"code": code.at(machine.now_s), "next": "/help"})
    assert done.headers["location"] == "/help"
    assert client.cookies[COOKIE] != half
    assert client.get("/sign-in").headers["location"] == "/", "somebody who is in goes on"


def test_the_page_of_a_demonstration_says_that_it_waives_the_second_factor_and_a_real_one_never(
    world: ClinicWorld, machine: Machine
) -> None:
    client = world.client(None)
    assert "demonstration" not in client.get("/sign-in").text
    make_demonstration(world)
    assert "This is a demonstration: no second factor is asked for" in client.get("/sign-in").text
    assert sign_in(client, "nurse").headers["location"] == "/"
    assert client.get("/account").status_code == 200


def test_a_wrong_password_keeps_the_login_and_shows_no_password(world: ClinicWorld, machine: Machine) -> None:
    found = sign_in(world.client(None), "nurse", "not the password")
    assert found.status_code == 422
    assert 'value="nurse"' in found.text
    assert "not the password" not in found.text
    assert "set-cookie" not in found.headers


def test_a_new_secret_at_each_sign_in(world: ClinicWorld, machine: Machine) -> None:
    make_demonstration(world)
    seen = {sign_in(world.client(None), "nurse").cookies[COOKIE] for _ in range(3)}
    assert len(seen) == 3


def test_signing_out_ends_the_sign_in_and_takes_the_cookie(nurse: TestClient) -> None:
    token = nurse.cookies[COOKIE]
    found = nurse.post("/sign-out")
    assert found.headers["location"] == "/sign-in"
    assert 'thecal=""' in found.headers["set-cookie"]
    assert nurse.get("/account", headers={"cookie": f"{COOKIE}={token}"}).status_code == 303


# Locking


def test_a_screen_that_idled_is_locked_and_the_password_leads_back(nurse: TestClient, machine: Machine) -> None:
    machine.now_s += IDLE_S
    assert nurse.get("/help").headers["location"] == "/unlock?next=/help"
    page = nurse.get("/unlock?next=/help")
    assert "Nurse One is signed in" in page.text
    assert nurse.post("/unlock", data={"password": "no", "next": "/help"}).status_code == 422
    assert nurse.post("/unlock", data={"password": PASSWORD, "next": "/help"}).headers["location"] == "/help"
    assert nurse.get("/help").status_code == 200


def test_what_was_entered_before_the_screen_locked_is_shown_again_to_be_sent(
    nurse: TestClient, machine: Machine, world: ClinicWorld
) -> None:
    entered = {"number": "2002", "given": "Greta & <b>", "family": "Öberg"}
    machine.now_s += IDLE_S
    locked = nurse.post("/patients/new", data=entered)
    assert locked.status_code == 401
    kept = hidden(locked.text)
    wrong = nurse.post("/unlock", data={**kept, "password": "no"})
    assert wrong.status_code == 422
    assert hidden(wrong.text)["kept"] == kept["kept"], "a wrong password loses nothing"
    shown = nurse.post("/unlock", data={**kept, "password": PASSWORD})
    assert shown.status_code == 200
    assert 'action="/patients/new"' in shown.text
    assert {name: text for name, text in hidden(shown.text).items() if name in entered} == entered
    with world.house.reading() as session:
        assert session.execute(text("SELECT count(*) FROM patient")).scalar_one() == 0, "nothing is sent by itself"
    assert nurse.post("/patients/new", data=hidden(shown.text)).status_code in {303, 422}


def test_what_was_entered_before_a_sign_in_ended_is_kept_by_the_window(
    nurse: TestClient, machine: Machine, world: ClinicWorld
) -> None:
    machine.now_s += LONGEST_S
    ended = nurse.post("/patients/new", data={"given": "Greta"})
    assert ended.status_code == 401
    kept = hidden(ended.text)
    too_soon = nurse.post("/sign-in/send", data=kept)
    assert too_soon.status_code == 401
    assert hidden(too_soon.text) == kept
    nurse.cookies.clear()
    nurse.cookies.set(COOKIE, world.token("nurse"))
    assert hidden(nurse.post("/sign-in/send", data=kept).text) == {"given": "Greta"}


def test_what_a_page_asks_for_by_itself_keeps_no_screen_awake(nurse: TestClient, machine: Machine) -> None:
    for _ in range(3):
        machine.now_s += IDLE_S // 3
        found = nurse.get("/help", headers={"hx-request": "true"})
    assert found.status_code == 401
    assert "screen is locked" in found.text
    assert "<html" not in found.text


def test_doing_something_keeps_a_screen_awake(nurse: TestClient, machine: Machine) -> None:
    for _ in range(4):
        machine.now_s += IDLE_S - 60
        assert nurse.get("/help").status_code == 200


def test_locking_by_hand(nurse: TestClient) -> None:
    assert nurse.post("/account/lock").headers["location"] == "/unlock"
    assert nurse.get("/help").headers["location"].startswith("/unlock")


def test_a_clock_that_went_back_ends_the_sign_in_for_good(nurse: TestClient, machine: Machine) -> None:
    machine.now_s -= 3600
    assert nurse.get("/help").headers["location"].startswith("/sign-in")
    machine.now_s += 3600
    assert nurse.get("/help").headers["location"].startswith("/sign-in")


# One's own account


def test_a_password_is_changed_with_the_old_one_and_other_sign_ins_end(
    nurse: TestClient, world: ClinicWorld, machine: Machine
) -> None:
    other = world.client("nurse")
    new = "green lamp winter seven"
    for wrong, field in (
        ({"old": "no", "new": new, "again": new}, "f-old"),
        ({"old": PASSWORD, "new": new, "again": "other"}, "f-again"),
        ({"old": PASSWORD, "new": "short", "again": "short"}, "f-new"),
    ):
        found = nurse.post("/account/password", data=wrong)
        assert found.status_code == 422
        assert re.search(rf'id="{field}"[^>]*aria-invalid="true"', found.text), field
        assert new not in found.text
    done = nurse.post("/account/password", data={"old": PASSWORD, "new": new, "again": new})
    assert done.status_code == 303
    assert nurse.get("/help").status_code == 200
    assert other.get("/help").status_code == 303
    assert sign_in(world.client(None), "nurse").status_code == 422
    assert sign_in(world.client(None), "nurse", new).status_code == 303


def test_the_application_is_replaced_with_the_password_and_serves_from_its_first_code_on(
    nurse: TestClient, world: ClinicWorld, machine: Machine
) -> None:
    old = with_second(world, "nurse")
    assert nurse.get("/account/second-factor").headers["location"] == "/account"
    assert nurse.post("/account/second-factor", data={"password": "no"}).status_code == 422
    assert nurse.post("/account/second-factor", data={"password": PASSWORD}).status_code == 303
    new = pyotp.TOTP(secret_on(nurse.get("/account/second-factor").text))
    assert nurse.post("/account/second-factor/confirm", data={"code": old.at(machine.now_s)}).status_code == 422
    codes = nurse.post("/account/second-factor/confirm", data={"code": new.at(machine.now_s)})
    assert "recovery codes" in codes.text
    machine.now_s += 60
    client = world.client(None)
    sign_in(client, "nurse")
    assert client.post("/sign-in/second", data={"code": old.at(machine.now_s)}).status_code == 422
    assert client.post("/sign-in/second", data={"code": new.at(machine.now_s)}).status_code == 303


def test_new_recovery_codes_void_those_of_before(nurse: TestClient, world: ClinicWorld, machine: Machine) -> None:
    with_second(world, "nurse")
    assert nurse.post("/account/recovery-codes", data={"password": "no"}).status_code == 422
    first = codes_on(nurse.post("/account/recovery-codes", data={"password": PASSWORD}).text)
    second = codes_on(nurse.post("/account/recovery-codes", data={"password": PASSWORD}).text)
    client = world.client(None)
    sign_in(client, "nurse")
    assert client.post("/sign-in/second", data={"code": first[0]}).status_code == 422
    assert client.post("/sign-in/second", data={"code": second[0]}).status_code == 303


def test_own_sign_ins_are_listed_and_the_others_ended(nurse: TestClient, world: ClinicWorld) -> None:
    other, stranger = world.client("nurse"), world.client("desk")
    page = nurse.get("/account").text
    assert page.count("this one") == 1
    assert len(re.findall(r"<td class=\"browser\">", page)) == 2
    nurse.post("/account/sign-ins/end")
    assert nurse.get("/help").status_code == 200
    assert stranger.get("/help").status_code == 200
    assert other.get("/help").status_code == 303


@pytest.mark.parametrize("theme", ["light", "dark", "auto"])
def test_light_or_dark_is_kept_by_the_browser(nurse: TestClient, theme: str) -> None:
    found = nurse.post("/account/theme", data={"theme": theme, "back": "/help"})
    assert found.headers["location"] == "/help"
    assert f'data-theme="{theme}"' in nurse.get("/help").text


def test_a_theme_that_there_is_not_is_refused_at_its_field(nurse: TestClient) -> None:
    found = nurse.post("/account/theme", data={"theme": "pink"})
    assert found.status_code == 422
    assert "Found pink. Allowed: auto, light, dark" in found.text


def test_passkeys_are_not_offered_where_the_address_is_a_number(nurse: TestClient, world: ClinicWorld) -> None:
    assert "data-passkey" not in nurse.get("/account").text
    assert "data-passkey" not in world.client(None).get("/sign-in").text
    assert nurse.post("/account/passkeys/options", data={"password": PASSWORD}).status_code == 422
    assert nurse.post("/account/passkeys/1/remove").status_code == 404


def hidden(page: str) -> dict[str, str]:
    """The hidden fields of a page's last form that has any."""
    from html import unescape

    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page.split("<main", 1)[1])
    return {unescape(name): unescape(value) for name, value in found}


def codes_on(page: str) -> list[str]:
    return re.findall(r"<li><code>([a-z2-9-]{19})</code>", page)
