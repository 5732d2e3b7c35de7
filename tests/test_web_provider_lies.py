"""A provider that says what it must not: tokens that are forged, over, too early, for others or for another round.

The provider here is a small server of the test, so that it can say anything; an honest one is in ``test_web_provider``.
"""

from __future__ import annotations

import hmac
import json
import threading
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from sqlalchemy import select
from tests.clinic_world import ClinicWorld, plain_clinic

from thecal.clinic.people.provider import DRIFT_S, Provider
from thecal.clinic.record.tables import SignIn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fastapi.testclient import TestClient

SECRET = "a-secret-for-tests-alone"  # noqa: S105
KEY = RSAKey.generate_key(2048, {"kid": "one"}, auto_kid=False)
STRANGER = RSAKey.generate_key(2048, {"kid": "one"}, auto_kid=False)
pytestmark = pytest.mark.filterwarnings("ignore:JWS algorithm")


@dataclass
class Liar:
    """What the provider says: ``token`` makes it of the honest claims."""

    issuer: str = ""
    token: Callable[[dict[str, Any]], str] = field(default_factory=lambda: signed)
    described: dict[str, Any] = field(default_factory=dict)
    nonce: str = ""
    asked: dict[str, list[str]] = field(default_factory=dict)

    def claims(self) -> dict[str, Any]:
        now = int(time.time())
        return {
            "iss": self.issuer, "aud": "thecal", "sub": "7", "iat": now, "exp": now + 60, "nonce": self.nonce,
            "preferred_username": "nurse", "amr": ["mfa"],
        }  # fmt: skip


def signed(claims: dict[str, Any], key: Any = KEY, alg: str = "RS256") -> str:
    return jwt.encode({"alg": alg, "kid": "one"}, claims, key, algorithms=[alg])


def signed_with_the_public_key(claims: dict[str, Any]) -> str:
    """The confusion of algorithms, by hand: the library makes no such token."""
    parts = ({"alg": "HS256", "kid": "one"}, claims)
    text = ".".join(urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts)
    digest = hmac.new(KEY.as_pem(private=False), text.encode(), "sha256").digest()
    return f"{text}.{urlsafe_b64encode(digest).decode().rstrip('=')}"


def said(liar: Liar) -> type[BaseHTTPRequestHandler]:
    class Says(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            described = {
                "issuer": liar.issuer,
                "authorization_endpoint": f"{liar.issuer}/auth",
                "token_endpoint": f"{liar.issuer}/token",
                "jwks_uri": f"{liar.issuer}/keys",
                **liar.described,
            }
            self._say({"keys": [KEY.as_dict(private=False)]} if self.path == "/keys" else described)

        def do_POST(self) -> None:
            liar.asked = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
            self._say({"access_token": "a", "token_type": "Bearer", "id_token": liar.token(liar.claims())})

        def _say(self, what: dict[str, Any]) -> None:
            text = json.dumps(what).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    return Says


@pytest.fixture
def liar() -> Iterator[Liar]:
    found = Liar()
    server = ThreadingHTTPServer(("127.0.0.1", 0), said(found))
    found.issuer = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield found
    server.shutdown()
    server.server_close()


@pytest.fixture
def world(tmp_path: Path, liar: Liar) -> Iterator[ClinicWorld]:
    for made in plain_clinic(tmp_path):
        made.house.settings = replace(made.house.settings, provider=Provider(liar.issuer, "thecal", SECRET))
        yield made


def round_trip(world: ClinicWorld, liar: Liar) -> tuple[TestClient, Any]:
    """Off to the provider and back, with what it says this time."""
    client = world.client(None)
    found = client.get("/sign-in/provider")
    assert found.status_code == 303, found.text
    asked = {name: texts[0] for name, texts in parse_qs(urlsplit(found.headers["location"]).query).items()}
    liar.nonce = asked["nonce"]
    return client, client.get("/sign-in/provider/back", params={"state": asked["state"], "code": "c"})


def sign_ins(world: ClinicWorld) -> int:
    with world.house.reading() as session:
        return len(session.scalars(select(SignIn)).all())


def test_an_honest_token_opens_so_that_the_others_are_refused_for_what_is_wrong_with_them(
    world: ClinicWorld, liar: Liar
) -> None:
    client, found = round_trip(world, liar)
    assert found.status_code == 200, found.text
    assert client.get("/help").status_code == 200
    assert liar.asked["code_verifier"][0]


LIES: dict[str, Callable[[dict[str, Any]], str]] = {
    "signed by nobody": lambda c: jwt.encode({"alg": "none"}, c, OctKey.import_key(SECRET), algorithms=["none"]),
    "signed with our own secret": lambda c: signed(c, OctKey.import_key(SECRET), "HS256"),
    "signed with its public key as a secret": signed_with_the_public_key,
    "signed by a stranger under its name": lambda c: signed(c, STRANGER),
    "changed after it was signed": lambda c: "A".join(signed(c).rsplit(signed(c)[-1], 1)) + "x",
    "over": lambda c: signed({**c, "iat": c["iat"] - 4000, "exp": int(time.time()) - DRIFT_S - 2}),
    "without an end": lambda c: signed({k: v for k, v in c.items() if k != "exp"}),
    "made in the future": lambda c: signed({**c, "iat": c["iat"] + 4000, "exp": c["exp"] + 9000}),
    "for another client": lambda c: signed({**c, "aud": "another"}),
    "for others beside us, asked for by them": lambda c: signed({**c, "aud": ["thecal", "another"], "azp": "another"}),
    "for nobody": lambda c: signed({k: v for k, v in c.items() if k != "aud"}),
    "of another issuer": lambda c: signed({**c, "iss": "https://elsewhere.test"}),
    "of another round": lambda c: signed({**c, "nonce": "another"}),
    "of no round": lambda c: signed({k: v for k, v in c.items() if k != "nonce"}),
    "of nobody": lambda c: signed({k: v for k, v in c.items() if k != "sub"}),
    "of somebody unknown": lambda c: signed({**c, "preferred_username": "stranger"}),
    "of a login that is no text": lambda c: signed({**c, "preferred_username": ["nurse"]}),
    "no token at all": lambda _: "nonsense",
    "an empty one": lambda _: "",
}


@pytest.mark.parametrize("lie", LIES)
def test_a_token_that_is_not_right_lets_nobody_in(world: ClinicWorld, liar: Liar, lie: str) -> None:
    liar.token = LIES[lie]
    client, found = round_trip(world, liar)
    assert found.status_code == 422, found.text
    assert "thecal=" not in str(found.headers.get_list("set-cookie"))
    assert client.get("/help").status_code == 303
    assert sign_ins(world) == 0


@pytest.mark.parametrize("off_s", [-DRIFT_S + 5, DRIFT_S - 5])
def test_a_clock_of_the_provider_that_is_a_little_off_is_borne_with(world: ClinicWorld, liar: Liar, off_s: int) -> None:
    now = int(time.time())
    liar.token = lambda c: signed({**c, "iat": now + off_s, "exp": max(now + off_s, now - DRIFT_S + 5)})
    _, found = round_trip(world, liar)
    assert found.status_code == 200, found.text


@pytest.mark.parametrize("jump_s", [-3600, 3600, 10 * 365 * 86_400])
def test_a_clock_that_jumps_while_somebody_is_at_the_provider_lets_nobody_in(
    world: ClinicWorld, liar: Liar, jump_s: int
) -> None:
    client = world.client(None)
    found = client.get("/sign-in/provider")
    asked = {name: texts[0] for name, texts in parse_qs(urlsplit(found.headers["location"]).query).items()}
    liar.nonce = asked["nonce"]
    world.house.machine_s = lambda: int(time.time()) + jump_s
    back = client.get("/sign-in/provider/back", params={"state": asked["state"], "code": "c"})
    assert (back.status_code, sign_ins(world)) == (422, 0)
    world.house.machine_s = lambda: int(time.time())
    assert round_trip(world, liar)[1].status_code == 200, "and the next round works"


@pytest.mark.parametrize("amr", [[], ["pwd"], "mfa", None, {"mfa": 1}])
def test_a_word_that_is_no_second_factor_is_none(world: ClinicWorld, liar: Liar, amr: Any) -> None:
    liar.token = lambda c: signed({**c, "amr": amr})
    client, found = round_trip(world, liar)
    if found.status_code == 200:
        assert client.get("/help").headers["location"].startswith("/sign-in/second"), "half way in, and no further"
    else:
        assert (found.status_code, sign_ins(world)) == (422, 0), "what is no list of words is no token"


def test_a_provider_that_breaks_off_in_the_middle_is_said_to_be_away(world: ClinicWorld, liar: Liar) -> None:
    liar.token = lambda _: str(1 // 0)
    _, found = round_trip(world, liar)
    assert found.status_code == 422
    assert "no answer from single sign-on" in found.text
