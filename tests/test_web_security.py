"""What goes with every answer, and what is not taken up: headers, origins, hosts, sizes, cookies, faults."""

from __future__ import annotations

import logging
import re
import socket
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from starlette.requests import Request
from tests.clinic_world import ORIGIN, ClinicWorld, clinic_world
from tests.people_world import PASSWORD, make_demonstration, sign_in, with_passwords

from thecal.web.app import make_app
from thecal.web.door import COOKIE, own_path, visitor_of
from thecal.web.screen import HERE
from thecal.web.security import ALWAYS, MOST_BODY

if TYPE_CHECKING:
    from collections.abc import Iterator

TEMPLATES = sorted((HERE / "templates").rglob("*.html"))
OWN_SCRIPTS = sorted((HERE / "static").glob("*.js"))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClinicWorld]:
    made = clinic_world(tmp_path_factory.mktemp("security"))
    with_passwords(made, "nurse")
    make_demonstration(made)
    yield made
    made.end()


@pytest.fixture(scope="module")
def nurse(world: ClinicWorld) -> TestClient:
    return world.client("nurse")


def answers(world: ClinicWorld, nurse: TestClient) -> dict[str, Any]:
    nobody = world.client(None)
    return {
        "page": nurse.get("/account"),
        "sign-in": nobody.get("/sign-in"),
        "redirect": nobody.get("/account"),
        "not found": nurse.get("/no-such-page"),
        "not allowed": nurse.get("/people"),
        "nobody posts": nobody.post("/account/password"),
        "wrong form": nurse.post("/account/theme", data={"theme": "pink"}),
        "unreadable": nurse.get("/account/passkeys/x/remove"),
        "other origin": nurse.post("/account/theme", headers={"origin": "http://elsewhere.test"}),
        "other host": nurse.get("/account", headers={"host": "elsewhere.test"}),
        "too large": nurse.post("/account/theme", content=b"x" * (MOST_BODY + 1)),
        "own file": nurse.get("/static/thecal.css"),
        "no such file": nurse.get("/static/none.css"),
        "JSON": nurse.get("/openapi.json"),
    }


# Headers


@pytest.mark.parametrize("header", sorted(ALWAYS))
def test_every_kind_of_answer_carries_the_header(world: ClinicWorld, nurse: TestClient, header: str) -> None:
    for kind, found in answers(world, nurse).items():
        assert found.headers.get(header) == ALWAYS[header], f"{header} of {kind} ({found.status_code})"


def test_nothing_but_our_own_files_is_stored_by_browsers(world: ClinicWorld, nurse: TestClient) -> None:
    for kind, found in answers(world, nurse).items():
        expected = "max-age=3600" if kind == "own file" else "no-store"
        assert found.headers["cache-control"] == expected, kind


def test_the_policy_allows_no_inline_script_and_no_other_host() -> None:
    policy = ALWAYS["content-security-policy"]
    parts = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert parts["default-src"] == "'self'"
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "script-src" not in parts
    assert "style-src" not in parts
    assert parts["frame-ancestors"] == parts["object-src"] == parts["base-uri"] == "'none'"


def test_https_is_held_to_where_it_is_used(world: ClinicWorld) -> None:
    before = world.house.settings
    world.house.settings = replace(before, origin="https://clinic.test")
    try:
        client = world.client(None)
        assert client.get("/sign-in").headers["strict-transport-security"].startswith("max-age=")
        cookies = sign_in(client, "nurse").headers.get_list("set-cookie")
        assert cookies
        assert all("; Secure" in cookie for cookie in cookies)
        assert {cookie.partition("=")[0] for cookie in cookies} == {"__Host-thecal", "__Host-thecal-known"}
        assert all("; Path=/" in cookie and "domain" not in cookie.casefold() for cookie in cookies)
        stranger = {"cookie": f"thecal={world.token('nurse')}"}
        assert world.client(None).get("/account", headers=stranger).status_code == 303, "as a neighboring site sets it"
        own = {"cookie": f"__Host-thecal={world.token('nurse')}"}
        assert world.client(None).get("/account", headers=own).status_code == 200
    finally:
        world.house.settings = before
    assert "strict-transport-security" not in world.client(None).get("/sign-in").headers


# Templates and scripts


class Inline(HTMLParser):
    """Collects what the policy would refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        if tag == "style" or (tag == "script" and not names.get("src")):
            self.wrong.append(f"<{tag}>")
        for name, value in attrs:
            if name == "style" or re.fullmatch(r"on[a-z]+|hx-on.*", name):
                self.wrong.append(f"{name}={value!r}")
            if (value or "").strip().casefold().startswith("javascript:"):
                self.wrong.append(f"{name}={value!r}")


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(HERE)))
def test_no_template_holds_inline_script_or_style(path: Any) -> None:
    inline = Inline()
    inline.feed(re.sub(r"\{#.*?#\}", "", path.read_text("utf-8"), flags=re.S))
    assert not inline.wrong
    assert not re.search(r"\bsrc=\"https?://|\bhref=\"https?://|\|\s*safe\b", path.read_text("utf-8"))


@pytest.mark.parametrize("path", OWN_SCRIPTS, ids=lambda path: path.name)
def test_no_script_of_ours_evaluates_text(path: Any) -> None:
    """A page may hold the result of ``innerHTML`` only where it is a text that stands in the script itself."""
    text = re.sub(r"innerHTML\s*=\s*([\w.()]+\s*\?\s*)?'[^'$]*'(\s*:\s*'[^'$]*')?\s*;", "", path.read_text("utf-8"))
    found = re.search(r"\beval\(|new Function|innerHTML|document\.write|insertAdjacentHTML", text)
    assert found is None, found


def test_the_search_finds_what_it_looks_for() -> None:
    inline = Inline()
    inline.feed('<p style="x"></p><a onclick="x">y</a><script>1</script><style></style><a href="javascript:1">z</a>')
    assert len(inline.wrong) == 5


# Origins, hosts, sizes


@pytest.mark.parametrize(
    ("headers", "taken"),
    [
        ({"origin": ORIGIN}, True),
        ({"origin": ORIGIN, "sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://elsewhere.test"}, False),
        ({"origin": f"{ORIGIN}.elsewhere.test"}, False),
        ({"origin": ORIGIN.replace("http", "https")}, False),
        ({"origin": ORIGIN, "sec-fetch-site": "cross-site"}, False),
        ({"origin": ORIGIN, "sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "none"}, False),
    ],
)
def test_a_change_is_taken_up_from_our_own_pages_alone(
    world: ClinicWorld, headers: dict[str, str], taken: bool
) -> None:
    client = TestClient(make_app(world.house), base_url=ORIGIN, follow_redirects=False)
    client.cookies.set(COOKIE, world.token("nurse"))
    found = client.post("/account/theme", data={"theme": "dark"}, headers=headers)
    assert found.status_code == (303 if taken else 403)
    assert ("set-cookie" in found.headers) == taken


@pytest.mark.parametrize("host", ["elsewhere.test", "127.0.0.1", "127.0.0.1:8081", "127.0.0.1:8080.elsewhere.test", ""])
def test_another_name_than_the_clinics_opens_nothing(nurse: TestClient, host: str) -> None:
    found = nurse.get("/account", headers={"host": host})
    assert found.status_code == 400
    assert ORIGIN in found.text


def test_a_request_that_is_too_large_is_refused_by_what_it_says_and_by_what_comes(nurse: TestClient) -> None:
    said = nurse.post("/account/theme", content=b"", headers={"content-length": str(MOST_BODY + 1)})
    assert said.status_code == 413

    def parts() -> Iterator[bytes]:
        for _ in range(MOST_BODY // 50_000 + 2):
            yield b"theme=dark&" + b"x" * 50_000

    kind = {"content-type": "application/x-www-form-urlencoded"}
    came = nurse.post("/account/theme", content=parts(), headers=kind)
    assert came.status_code == 413
    assert nurse.post("/account/theme", content=b"", headers={"content-length": "many"}).status_code in {400, 413}


@pytest.mark.parametrize(
    "asked",
    [
        "//elsewhere.test",
        "/\\elsewhere.test",
        "\\\\elsewhere.test",
        "http://elsewhere.test/",
        "https:elsewhere.test",
        "javascript:alert(1)",
        "elsewhere.test",
        "/a\r\nset-cookie: x=1",
        "/a\tb",
        "",
        "/" + "a" * 3000,
    ],
)
def test_next_leads_to_our_own_pages_alone(world: ClinicWorld, asked: str) -> None:
    assert own_path(asked) == "/"
    found = sign_in(world.client(None), "nurse", next=asked[:2000])
    assert found.status_code in {303, 422}
    assert found.headers.get("location", "/") in {"/", "/a" + "a" * 1999, "/" + "a" * 1999}


@pytest.mark.parametrize("asked", ["/", "/patients/7?page=2&find=%2F%2Fx", "/board#top"])
def test_next_keeps_a_page_of_ours(asked: str) -> None:
    assert own_path(asked) == asked


# Cookies


def test_the_cookies_of_a_sign_in_are_for_no_script_and_no_other_site(world: ClinicWorld) -> None:
    found = sign_in(world.client(None), "nurse")
    cookies = found.headers.get_list("set-cookie")
    assert {cookie.partition("=")[0] for cookie in cookies} == {"thecal", "thecal-known"}
    for cookie in cookies:
        flags = {part.strip().casefold() for part in cookie.split(";")[1:]}
        assert {"httponly", "samesite=strict", "path=/"} <= flags
        assert "secure" not in flags, "where settings do not say https"
        assert not any(flag.startswith("domain") for flag in flags)


def test_a_secret_that_was_there_before_is_never_taken_on(world: ClinicWorld) -> None:
    client = world.client(None)
    client.cookies.set(COOKIE, "chosen-by-a-stranger", domain="127.0.0.1")
    found = sign_in(client, "nurse")
    assert "chosen-by-a-stranger" not in found.headers["set-cookie"]
    assert client.get("/account", headers={"cookie": "thecal=chosen-by-a-stranger"}).status_code == 303


# Addresses


@pytest.mark.parametrize(
    ("origin", "peer", "said", "counted"),
    [
        ("https://clinic.test", "127.0.0.1", ["192.0.2.7"], "192.0.2.7"),
        ("https://clinic.test", "::1", ["198.51.100.1, 192.0.2.7"], "192.0.2.7"),
        ("https://clinic.test", "127.0.0.1", ["198.51.100.1", "2001:db8::7"], "2001:db8::7"),
        ("https://clinic.test", "127.0.0.1", ["<script>"], "127.0.0.1"),
        ("https://clinic.test", "127.0.0.1", [], "127.0.0.1"),
        ("https://clinic.test", "203.0.113.9", ["192.0.2.7"], "203.0.113.9"),
        (ORIGIN, "127.0.0.1", ["192.0.2.7"], "127.0.0.1"),
    ],
)
def test_behind_a_proxy_on_this_machine_an_address_is_the_one_that_it_wrote_down(
    world: ClinicWorld, origin: str, peer: str, said: list[str], counted: str
) -> None:
    """What a stranger writes before it, or sends past a proxy, does not count."""
    before = world.house.settings
    world.house.settings = replace(before, origin=origin)
    headers = [(b"x-forwarded-for", one.encode()) for one in said]
    scope = {"type": "http", "headers": headers, "client": (peer, 4000), "app": make_app(world.house)}
    try:
        assert visitor_of(Request(scope)).address == counted
    finally:
        world.house.settings = before


# Faults


INSIDE = "the secret inside of the program"


class BrokenError(RuntimeError):
    """Says what must never be on a page."""


@pytest.fixture
def breaking(world: ClinicWorld) -> TestClient:
    app = make_app(world.house)

    def fails() -> None:
        raise BrokenError(INSIDE)

    app.add_api_route("/fails", fails)
    client = TestClient(app, base_url=ORIGIN, headers={"origin": ORIGIN})
    client.cookies.set(COOKIE, world.token("nurse"))
    return client


def test_a_fault_of_ours_is_a_page_with_a_number_to_quote(
    breaking: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "thecal.web"):
        found = breaking.get("/fails")
    assert found.status_code == 500
    assert found.headers["content-security-policy"] == ALWAYS["content-security-policy"]
    for inside in ("Traceback", "BrokenError", "secret inside", ".py", "sqlalchemy"):
        assert inside not in found.text
    number = re.search(r'class="number">([0-9a-f]{8})<', found.text)
    assert number is not None
    assert number.group(1) in caplog.text
    assert "BrokenError" in caplog.text
    assert "in fails" in caplog.text, "the lines of the program"
    assert INSIDE not in caplog.text, "what a fault says may quote a patient"


def test_no_address_that_is_a_secret_gets_into_the_log(
    world: ClinicWorld, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from thecal.clinic.desk import feeds

    monkeypatch.setattr(feeds, "feed_of", lambda *_: 1 / 0)
    with caplog.at_level(logging.ERROR, "thecal.web"):
        found = world.client(None).get("/calendar/the-secret-of-a-feed.ics")
    assert found.status_code == 500
    assert "/calendar/{secret}.ics" in caplog.text
    assert "the-secret-of-a-feed" not in caplog.text


def test_what_the_database_was_told_is_in_no_message_of_it(world: ClinicWorld) -> None:
    with pytest.raises(IntegrityError) as wrong, world.writing() as record:
        record.session.execute(
            text("INSERT INTO sign_in (token_digest, person_id, begun_s) VALUES (:a, 1, :b)"),
            {"a": "Ada Lindqvist", "b": None},
        )
    assert "Ada Lindqvist" not in str(wrong.value)


def test_a_record_that_cannot_be_used_is_a_plain_page_that_says_so(tmp_path: Any) -> None:
    world = clinic_world(tmp_path)
    client = world.client("nurse")
    with world.store.engine.connect() as connection:
        connection.execute(text("ALTER TABLE sign_in RENAME TO gone"))
        connection.commit()
    found = client.get("/account")
    assert found.status_code in {500, 503}
    assert "Quote the number" in found.text or "cannot be used" in found.text
    for inside in ("Traceback", "SELECT", "sqlalchemy", "no such table"):
        assert inside not in found.text
    world.end()


def test_entries_beyond_all_measure_are_a_page_and_no_bare_error(nurse: TestClient) -> None:
    found = nurse.post("/account/theme", data={"theme": "x" * 5000})
    assert found.status_code == 422
    assert found.headers["content-type"].startswith("text/html")
    assert "could not be read" in found.text


def test_what_is_entered_is_shown_as_text_and_never_as_markup(world: ClinicWorld) -> None:
    bad = "<script>alert(1)</script>\"'><img src=x>"
    for found in (
        sign_in(world.client(None), bad),
        world.client("administrator").get("/people", params={"find": bad}),
        world.client("administrator").get("/audit", params={"day": bad}),
        world.client("administrator").get("/audit", params={"action": bad}),
        world.client(None).get("/sign-in", params={"next": f"/{bad}"}),
    ):
        assert "<script>alert" not in found.text
        assert "<img src=x" not in found.text


def test_a_whole_server_on_a_socket_answers_with_the_headers_and_no_name_of_its_own(world: ClinicWorld) -> None:
    """What the test client does not show: what the server itself adds."""
    import threading
    import time

    import httpx
    import uvicorn

    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    before = world.house.settings
    world.house.settings = replace(before, origin=f"http://127.0.0.1:{held.getsockname()[1]}")
    server = uvicorn.Server(uvicorn.Config(make_app(world.house), log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, args=([held],), daemon=True)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        found = httpx.get(f"{world.house.settings.origin}/sign-in")
        assert found.status_code == 200
        assert found.headers["content-security-policy"] == ALWAYS["content-security-policy"]
    finally:
        world.house.settings = before
        server.should_exit = True
        thread.join(10)
        held.close()


def test_the_sign_in_page_waits_and_says_for_how_long(world: ClinicWorld) -> None:
    client = world.client(None)
    for _ in range(5):
        assert sign_in(client, "pharmacist", "not the password").status_code == 422
    found = sign_in(client, "pharmacist", PASSWORD)
    assert found.status_code == 422
    assert "try again in 5 s" in found.text
