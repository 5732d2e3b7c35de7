"""Single sign-on by OpenID Connect, against a provider of somebody else: npm's oidc-provider in its own node."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sqlalchemy import select
from tests.clinic_world import ORIGIN, ClinicWorld, plain_clinic
from tests.people_world import with_passwords, with_second

from thecal.clinic.people.provider import ROUND_S, Provider, ProviderFileError, provider_in
from thecal.clinic.record.tables import Act, Challenge, Person, SignIn
from thecal.web.door import COOKIE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi.testclient import TestClient

SOURCES = Path(__file__).parent / "data" / "oidc"
BACK = f"{ORIGIN}/sign-in/provider/back"


@dataclass
class Vouching:
    """The provider at work, and a browser of somebody who goes there."""

    issuer: str

    def of(self, **more: Any) -> Provider:
        return replace(Provider(self.issuer, "thecal", "a-secret-for-tests-alone"), **more)

    def go(self, address: str, login: str, methods: str = "pwd") -> dict[str, str]:
        """What the provider sends the browser back with, once somebody signed in there."""
        with httpx.Client(follow_redirects=False) as browser:
            asked = browser.get(address)
            where = asked.headers["location"]
            assert "/interaction/" in where, asked.text
            found = browser.get(f"{self.issuer}{urlsplit(where).path}", params={"as": login, "amr": methods})
            while not found.headers["location"].startswith(ORIGIN):
                found = browser.get(found.headers["location"])
        return {name: texts[0] for name, texts in parse_qs(urlsplit(found.headers["location"]).query).items()}


def cannot(reason: str) -> None:
    """Skip on a user's machine; in CI that is a failure."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def vouching(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vouching]:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        cannot("no node on this machine")
    folder = tmp_path_factory.mktemp("oidc")
    for source in SOURCES.iterdir():
        shutil.copy(source, folder)
    made = subprocess.run(
        [str(npm), "ci", "--omit=dev", "--no-audit", "--no-fund", "--ignore-scripts"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if made.returncode != 0:
        cannot(f"npm could not fetch the provider: {made.stderr[-300:]}")
    with subprocess.Popen([str(node), "provider.mjs", BACK], cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Vouching(process.stdout.readline().strip())
        finally:
            process.terminate()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ClinicWorld]:
    yield from plain_clinic(tmp_path)


@pytest.fixture
def client(world: ClinicWorld, vouching: Vouching) -> TestClient:
    world.house.settings = replace(world.house.settings, provider=vouching.of())
    return world.client(None)


def away(client: TestClient, asked: str = "/help") -> str:
    found = client.get("/sign-in/provider", params={"next": asked})
    assert found.status_code == 303, found.text
    return found.headers["location"]


def back(client: TestClient, said: dict[str, str]) -> Any:
    return client.get("/sign-in/provider/back", params=said)


def test_somebody_whom_the_clinic_knows_comes_in_with_both_factors_of_the_provider(
    client: TestClient, vouching: Vouching, world: ClinicWorld
) -> None:
    assert "Sign in by single sign-on" in client.get("/sign-in").text
    address = away(client)
    asked = parse_qs(urlsplit(address).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == [BACK]
    found = back(client, vouching.go(address, "nurse", "pwd otp mfa"))
    assert found.status_code == 200, found.text
    assert 'content="0; url=/help"' in found.text
    assert client.get("/help").status_code == 200
    with world.house.reading() as session:
        act = session.scalars(select(Act).where(Act.kind == "signed in")).one()
        assert session.scalars(select(Challenge)).all() == []
    assert act.details["way"] == "provider"
    assert act.by_person == world.people["nurse"].person_id


def test_without_a_second_factor_of_the_provider_ours_is_asked_for(
    client: TestClient, vouching: Vouching, world: ClinicWorld
) -> None:
    machine = with_passwords(world)
    import time

    machine.now_s = int(time.time())
    code = with_second(world, "nurse")
    found = back(client, vouching.go(away(client), "nurse"))
    assert "/sign-in/second?next=/help" in found.text
    assert client.get("/help").status_code == 303
    done = client.post("/sign-in/second", data={"code": code.at(machine.now_s), "next": "/help"})
    assert done.headers["location"] == "/help"
    with world.house.reading() as session:
        assert [row.way for row in session.scalars(select(SignIn).where(SignIn.second_done == True))] == [  # noqa: E712
            "provider and code"
        ]


def test_somebody_without_any_second_factor_sets_one_up_first(client: TestClient, vouching: Vouching) -> None:
    assert "/sign-in/enroll?next=/help" in back(client, vouching.go(away(client), "nurse")).text


def test_nobody_is_made_by_it_and_nobody_inactive_comes_in(
    client: TestClient, vouching: Vouching, world: ClinicWorld
) -> None:
    stranger = back(client, vouching.go(away(client), "stranger", "mfa"))
    assert stranger.status_code == 422
    assert "does not know" in stranger.text
    with world.writing() as record:
        record.change(record.session.get_one(Person, world.people["nurse"].person_id), "made inactive", active=False)
    assert back(client, vouching.go(away(client), "nurse", "mfa")).status_code == 422
    assert COOKIE not in client.cookies


def test_a_way_back_serves_once(client: TestClient, vouching: Vouching) -> None:
    address = away(client)
    mark = client.cookies["thecal-provider"]
    said = vouching.go(address, "nurse", "mfa")
    assert back(client, said).status_code == 200
    client.cookies.clear()
    client.cookies.set("thecal-provider", mark)
    assert back(client, said).status_code == 422


def test_a_way_back_is_of_the_browser_that_was_sent_away(
    client: TestClient, vouching: Vouching, world: ClinicWorld
) -> None:
    said = vouching.go(away(client), "nurse", "mfa")
    other = world.client(None)
    assert back(other, said).status_code == 422
    away(other)
    assert back(other, said).status_code == 422, "a mark of another round does not serve either"


@pytest.mark.parametrize("wrong", [{"code": "x"}, {"iss": "http://127.0.0.1:1"}, {"state": "x"}, {"code": None}])
def test_a_way_back_that_was_changed_opens_nothing(
    client: TestClient, vouching: Vouching, wrong: dict[str, str | None]
) -> None:
    said = {**vouching.go(away(client), "nurse", "mfa"), **wrong}
    found = back(client, {name: text for name, text in said.items() if text is not None})
    assert found.status_code == 422
    assert COOKIE not in client.cookies


def test_a_code_of_another_round_is_not_taken(client: TestClient, vouching: Vouching) -> None:
    """PKCE and nonce: what a stranger got from the provider cannot be slipped to somebody else's browser."""
    stolen = vouching.go(away(client), "physician", "mfa")["code"]
    said = vouching.go(away(client), "nurse", "mfa")
    assert back(client, {**said, "code": stolen}).status_code == 422


def test_whoever_takes_too_long_begins_again(client: TestClient, vouching: Vouching, world: ClinicWorld) -> None:
    import time

    machine = with_passwords(world)
    machine.now_s = int(time.time())
    said = vouching.go(away(client), "nurse", "mfa")
    machine.now_s += ROUND_S + 1
    assert back(client, said).status_code == 422


def test_a_provider_that_is_another_than_it_says_is_not_used(
    client: TestClient, vouching: Vouching, world: ClinicWorld
) -> None:
    name = vouching.issuer.replace("127.0.0.1", "localhost")
    world.house.settings = replace(world.house.settings, provider=vouching.of(issuer=name))
    found = client.get("/sign-in/provider")
    assert found.status_code == 422
    assert "no answer from single sign-on that can be used" in found.text


def test_a_provider_that_is_away_leaves_the_other_ways(client: TestClient, world: ClinicWorld) -> None:
    provider = Provider("http://127.0.0.1:9", "thecal", "x")
    world.house.settings = replace(world.house.settings, provider=provider)
    found = client.get("/sign-in/provider")
    assert found.status_code == 422
    assert 'name="password"' in found.text


def test_a_wrong_secret_lets_nobody_in(client: TestClient, vouching: Vouching, world: ClinicWorld) -> None:
    world.house.settings = replace(world.house.settings, provider=vouching.of(client_secret="wrong"))  # noqa: S106
    assert back(client, vouching.go(away(client), "nurse", "mfa")).status_code == 422


def test_methods_in_acr_count_where_the_clinic_says_so() -> None:
    from thecal.clinic.people.provider import _two_factors

    plain = Provider("https://id.test", "a", "b")
    assert not _two_factors(plain, {"acr": "urn:two"})
    assert _two_factors(replace(plain, acr=("urn:two",)), {"acr": "urn:two"})
    assert not _two_factors(plain, {"amr": "mfa"}), "a word that only looks like a list"
    assert _two_factors(plain, {"amr": ["pwd", "mfa"]})


def test_without_a_provider_there_is_no_such_page(world: ClinicWorld) -> None:
    client = world.client(None)
    assert "provider" not in client.get("/sign-in").text
    assert client.get("/sign-in/provider").status_code == 404
    assert client.get("/sign-in/provider/back").status_code == 404


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1", "allowed: one table"),
        ("[provider]\nissuer = 'https://id.test'", "client_id, client_secret"),
        ("[provider]\nissuer = 'http://id.test'\nclient_id = 'a'\nclient_secret = 'b'", "without https"),
        ("[provider]\nissuer = 'https://id.test'\nclient_id = 1\nclient_secret = 'b'", "client_id"),
        ("[provider]\nissuer = 'https://id.test'\nclient_id = 'a'\nclient_secret = 'b'\nmore = 1", "more"),
        ("[provider", "cannot be read"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_with_a_message(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "sign-in.toml").write_text(text)
    (tmp_path / "sign-in.toml").chmod(0o600)
    with pytest.raises(ProviderFileError, match=said):
        provider_in(tmp_path)


def test_settings_are_read_from_the_clinics_folder(tmp_path: Path) -> None:
    assert provider_in(tmp_path) is None
    text = "[provider]\nissuer = 'https://id.test'\nclient_id = 'a'\nclient_secret = 'b'\nacr = ['two']\nclaim = 'uid'"
    (tmp_path / "sign-in.toml").write_text(text)
    (tmp_path / "sign-in.toml").chmod(0o600)
    assert provider_in(tmp_path) == Provider("https://id.test", "a", "b", "uid", acr=("two",))


def test_a_file_with_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    text = '[provider]\nissuer = "https://id.test"\nclient_id = "a"\nclient_secret = "b"\n'
    (tmp_path / "sign-in.toml").write_text(text)
    (tmp_path / "sign-in.toml").chmod(0o640)
    with pytest.raises(ProviderFileError, match="chmod 600"):
        provider_in(tmp_path)
