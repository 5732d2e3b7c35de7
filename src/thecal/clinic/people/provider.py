"""Single sign-on: another house vouches for who somebody is (OpenID Connect, code flow with PKCE).

Only people whom the clinic knows, and who are active, come in; nobody is made by it. Where the provider says that it
asked for a second factor, that one counts; else ours is asked for.
"""

from __future__ import annotations

import ipaddress
import json
import secrets
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import httpx
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import OAuth2Client, oauth2_client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from sqlalchemy import delete, select

from thecal.clinic.people.entering import Entered, come_half, come_in
from thecal.clinic.people.signing_in import Visitor, who_is
from thecal.clinic.record.tables import Challenge, Person
from thecal.clinic.refused import Refused
from thecal.clinic.who import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from joserfc.jwk import KeySetSerialization

    from thecal.clinic.practice import Practice

FILE = "sign-in.toml"
"""In a clinic's folder, where it has a provider."""
ROUND_S = 10 * 60
"""So long somebody may take at the provider. Ours."""
ANSWER_S = 10.0
"""So long the provider may take to answer us. Ours."""
DRIFT_S = 60
"""So far the provider's clock may be from ours. Ours."""
SIGNED_BY = ["RS256", "PS256", "ES256", "EdDSA"]
"""Signatures that are taken; never "none", and none that a shared secret makes."""
_NO_ANSWER: tuple[type[Exception], ...] = (httpx.HTTPError, oauth2_client.httpx2.HTTPError)
"""What is raised where the provider does not answer; Authlib asks by a package of its own where that is installed."""
_NOT_DESCRIBED: tuple[type[Exception], ...] = (*_NO_ANSWER, ValueError, KeyError)
SECOND = "mfa"
"""The word of RFC 8176 for more than one factor."""


class ProviderFault(StrEnum):
    """Why nobody came in by the provider."""

    AWAY = "provider-away"
    NOT_RIGHT = "provider-not-right"
    NOT_KNOWN = "provider-not-known"


class ProviderFileError(ValueError):
    """The settings of the provider cannot be used; the message says what is wrong and what is allowed."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A house that vouches: where it is, how it knows us, which claim is the login, which ``acr`` mean two factors."""

    issuer: str
    client_id: str
    client_secret: str
    claim: str = "preferred_username"
    name: str = "single sign-on"
    acr: tuple[str, ...] = ()

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Provider:
        """The provider that a file's table names; ProviderFileError where it does not name one."""
        texts = {key: said[key] for key in ("issuer", "client_id", "client_secret", "claim", "name") if key in said}
        acr = said.get("acr", [])
        unknown = set(said) - {"issuer", "client_id", "client_secret", "claim", "name", "acr"}
        missing = {"issuer", "client_id", "client_secret"} - set(texts)
        wrong = [key for key, text in texts.items() if not isinstance(text, str) or not text]
        wrong += ["acr"] if not isinstance(acr, list) or not all(isinstance(one, str) for one in acr) else []
        if unknown or missing or wrong or not _is_safe(texts["issuer"]):
            what = ", ".join(sorted([*unknown, *missing, *wrong])) or "an issuer without https"
            raise ProviderFileError(
                f"found a provider with something wrong: {what}; "
                "allowed: issuer (https), client_id, client_secret, and claim, name, acr; next: correct the file"
            )
        return cls(**texts, acr=tuple(acr))


def provider_in(folder: Path) -> Provider | None:
    """The provider of a clinic's folder, None where there is no file. ProviderFileError where it cannot be used."""
    path = folder / FILE
    if not path.exists():
        return None
    if path.stat().st_mode & 0o077:
        then = f"allowed: its owner alone, for it holds a secret; next: chmod 600 {path}"
        raise ProviderFileError(f"found {path}, which others can read; {then}")
    try:
        said = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as wrong:
        raise ProviderFileError(f"found {path}, which cannot be read: {wrong}; allowed: TOML") from wrong
    table = said.get("provider")
    if set(said) != {"provider"} or not isinstance(table, dict):
        raise ProviderFileError(f"found {path} with {', '.join(said) or 'nothing'}; allowed: one table, provider")
    return Provider.of(table)


def away_to(practice: Practice, provider: Provider, back: str, then: str) -> tuple[str, str] | Refused:
    """Where to send the browser, and the mark that it has to bring back; ``back`` is our address, ``then`` a page.

    Whoever serves it rations it: each asks the provider, and keeps a round.
    """
    machine_s = practice.machine_s()
    try:
        found = _described(provider)
    except _NOT_DESCRIBED:
        return _away(provider)
    state, nonce, verifier = (secrets.token_urlsafe(48) for _ in range(3))
    with _client(provider, back) as client:
        url, _ = client.create_authorization_url(
            found["authorization_endpoint"], state=state, nonce=nonce, code_verifier=verifier
        )
    with practice.store.noting() as session:
        session.execute(delete(Challenge).where(Challenge.made_s < machine_s - ROUND_S))
        handle = json.dumps({"nonce": nonce, "verifier": verifier, "then": then})
        session.add(Challenge(challenge=state, made_s=machine_s, person_id=None, handle=handle))
    return url, state


@dataclass(frozen=True, slots=True)
class Returned:
    """What the browser came back with: to which address of ours, what was said in it, and its mark."""

    back: str
    said: Mapping[str, str]
    mark: str


def come_back(
    practice: Practice, provider: Provider, returned: Returned, visitor: Visitor
) -> tuple[Entered, str] | Refused:
    """Let somebody in whom the provider sent back; and the page that they had asked for."""
    said = returned.said
    round_ = _round_of(practice, said.get("state", ""), returned.mark)
    if round_ is None or "code" not in said or said.get("iss", provider.issuer) != provider.issuer:
        return _not_right()
    try:
        claims = _claims(practice, provider, returned, round_)
    except _NO_ANSWER:
        return _away(provider)
    except (AuthlibBaseError, JoseError, ValueError, KeyError, TypeError):
        return _not_right()
    login = str(claims.get(provider.claim, "")).strip().casefold()
    with practice.reading() as session:
        person = session.scalars(select(Person).where(Person.login == login, Person.active == True)).first()  # noqa: E712
    if person is None:
        with practice.writing(SYSTEM, "sign-in by provider refused", login=login[:100], address=visitor.address):
            pass
        return _not_known(login)
    machine_s = practice.machine_s()
    with practice.writing(who_is(person), "provider vouched", address=visitor.address) as record:
        come = come_in if _two_factors(provider, claims) else come_half
        return come(record, person, machine_s, visitor, "provider"), str(round_["then"])


def _round_of(practice: Practice, state: str, mark: str) -> dict[str, Any] | None:
    """What was kept when the browser was sent away; it serves once, and only for the browser that has its mark."""
    if not state or not secrets.compare_digest(state.encode(), mark.encode()):
        return None
    with practice.store.noting() as session:
        kept = session.get(Challenge, state)
        if kept is None or not kept.handle.startswith("{"):
            return None
        session.delete(kept)
    in_time = 0 <= practice.machine_s() - kept.made_s <= ROUND_S
    return dict(json.loads(kept.handle)) if in_time else None


def _claims(practice: Practice, provider: Provider, returned: Returned, round_: dict[str, Any]) -> dict[str, Any]:
    """What the provider says of somebody, signed by it, for us, now, and for this round."""
    found = _described(provider)
    with _client(provider, returned.back) as client:
        token = client.fetch_token(
            found["token_endpoint"], code=returned.said["code"], code_verifier=round_["verifier"]
        )
        keys = KeySet.import_key_set(cast("KeySetSerialization", _json(httpx.get(found["jwks_uri"], timeout=ANSWER_S))))
        decoded = jwt.decode(str(token["id_token"]), keys, algorithms=SIGNED_BY)
        options = {"iss": {"essential": True, "value": provider.issuer}, "aud": {"essential": True}}
        params = {"nonce": round_["nonce"], "client_id": provider.client_id, "access_token": token["access_token"]}
        claims = CodeIDToken(decoded.claims, decoded.header, options, params)
        claims.validate(now=practice.machine_s(), leeway=DRIFT_S)
        told = dict(claims)
        _for_us(provider, told, round_["nonce"])
        if provider.claim not in told and "userinfo_endpoint" in found:
            more = _json(client.get(found["userinfo_endpoint"]))
            told = {**more, **told} if more.get("sub") == told["sub"] else told
    return told


def _for_us(provider: Provider, claims: Mapping[str, Any], nonce: str) -> None:
    """What must hold whatever a library makes of options: said to us, and for this round. ValueError where not."""
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if provider.client_id not in named or claims.get("iss") != provider.issuer or claims.get("nonce") != nonce:
        raise ValueError("a token for somebody else")


def _two_factors(provider: Provider, claims: Mapping[str, Any]) -> bool:
    methods = claims.get("amr", [])
    return (isinstance(methods, list) and SECOND in methods) or claims.get("acr") in provider.acr


def _described(provider: Provider) -> dict[str, Any]:
    """What the provider says of itself (OpenID Connect Discovery). ValueError where it is another one's description."""
    address = f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration"
    found = _json(httpx.get(address, timeout=ANSWER_S))
    if found.get("issuer") != provider.issuer:
        raise ValueError("another issuer")
    return found


def _json(answer: httpx.Response) -> dict[str, Any]:
    answer.raise_for_status()
    found = answer.json()
    if not isinstance(found, dict):
        raise TypeError("no JSON object")
    return found


def _client(provider: Provider, back: str) -> Any:
    return OAuth2Client(
        provider.client_id,
        provider.client_secret,
        scope="openid profile",
        redirect_uri=back,
        code_challenge_method="S256",
        timeout=ANSWER_S,
    )


def _is_safe(issuer: str) -> bool:
    """https, or this very machine."""
    found = urlsplit(issuer)
    if found.scheme == "https":
        return bool(found.hostname)
    try:
        return found.scheme == "http" and ipaddress.ip_address(found.hostname or "").is_loopback
    except ValueError:
        return False


def _away(provider: Provider) -> Refused:
    return Refused(
        ProviderFault.AWAY,
        f"no answer from {provider.name} that can be used",
        "a provider that answers",
        "try again later, or sign in with login and password",
    )


def _not_right() -> Refused:
    return Refused(
        ProviderFault.NOT_RIGHT,
        "a way back from single sign-on that is over, or is not of this browser",
        f"one within {ROUND_S // 60} minutes, in the same browser",
        "begin again",
    )


def _not_known(login: str) -> Refused:
    return Refused(
        ProviderFault.NOT_KNOWN,
        f"{login[:40] or 'nobody'}, whom this clinic does not know or lets in no more",
        "people whom an administrator made",
        "ask an administrator",
    )
