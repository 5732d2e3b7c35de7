"""Passkeys (WebAuthn): a key in a person's device that only they can unlock, and so both factors in one.

User verification is asked for and its proof is checked, which is why a passkey is a whole sign-in. A challenge is kept
in the record, serves once, and not for long.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import webauthn
from sqlalchemy import delete, select
from webauthn.helpers import bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from thecal.clinic.people.entering import Entered, come_in
from thecal.clinic.people.signing_in import Visitor, who_is
from thecal.clinic.record.tables import Challenge, Passkey, Person
from thecal.clinic.refused import Refused
from thecal.clinic.who import SYSTEM

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from thecal.clinic.practice import Practice
    from thecal.clinic.who import Who

CHALLENGE_S = 5 * 60
"""So long a challenge serves: WebAuthn recommends 300 to 600 s. Ours is the least of it."""
MOST_PASSKEYS = 20
"""Of one person. Ours."""


class PasskeyFault(StrEnum):
    """Why a passkey was not taken."""

    NOT_RIGHT = "passkey-not-right"
    TOO_MANY = "passkey-too-many"


@dataclass(frozen=True, slots=True)
class Site:
    """What a passkey is bound to: the clinic's address and its name. None of an address that is a number."""

    name: str
    host: str
    origin: str

    @classmethod
    def of(cls, origin: str, clinic: str) -> Site | None:
        """The site at an origin; None where passkeys cannot be: WebAuthn takes names alone, no numbers."""
        host = urlsplit(origin).hostname or ""
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return cls(clinic, host, origin) if host else None
        return None


def registration_options(practice: Practice, who: Who, site: Site) -> str:
    """What a device is asked in order to become somebody's passkey, as JSON for the browser."""
    with practice.store.noting() as session:
        person = session.get_one(Person, who.person_id)
        held = own_passkeys(session, person.id)
        handle = held[0].handle if held else bytes_to_base64url(secrets.token_bytes(32))
        options = webauthn.generate_registration_options(
            rp_id=site.host,
            rp_name=site.name,
            user_name=person.login,
            user_id=webauthn.base64url_to_bytes(handle),
            user_display_name=person.name,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
            ),
            exclude_credentials=[
                PublicKeyCredentialDescriptor(id=webauthn.base64url_to_bytes(p.credential)) for p in held
            ],
        )
        _keep(session, options.challenge, practice.machine_s(), person.id, handle)
    return webauthn.options_to_json(options)


def register(practice: Practice, who: Who, answer: str, label: str, site: Site) -> Refused | None:
    """Take a device's answer as a new passkey of somebody; the reason where it is not taken."""
    machine_s = practice.machine_s()
    found = _challenge_of(practice, answer, machine_s)
    if found is None or found.person_id != who.person_id:
        return _not_right()
    try:
        verified = webauthn.verify_registration_response(
            credential=answer,
            expected_challenge=webauthn.base64url_to_bytes(found.challenge),
            expected_rp_id=site.host,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError):
        return _not_right()
    credential = bytes_to_base64url(verified.credential_id)
    with practice.writing(who, "passkey added") as record:
        taken = record.session.scalars(select(Passkey).where(Passkey.credential == credential)).first()
        if taken is not None:
            return _not_right()
        if len(own_passkeys(record.session, who.person_id)) >= MOST_PASSKEYS:
            return Refused(
                PasskeyFault.TOO_MANY, "no room for another passkey", str(MOST_PASSKEYS), "take one away first"
            )
        record.session.add(
            Passkey(
                person_id=who.person_id,
                credential=credential,
                public_key=verified.credential_public_key,
                handle=found.handle,
                uses=verified.sign_count,
                label=label.strip()[:60] or "Passkey",
                made_s=machine_s,
            )
        )
        record.act("person", who.person_id, "passkey added", {"label": label.strip()[:60]})
    return None


def remove(practice: Practice, who: Who, passkey_id: int) -> bool:
    """Take one of one's own passkeys away; False where there is no such."""
    with practice.reading() as session:
        kept = session.get(Passkey, passkey_id)
    if kept is None or kept.person_id != who.person_id:
        return False
    with practice.writing(who, "passkey taken away") as record:
        record.session.execute(delete(Passkey).where(Passkey.id == passkey_id))
        record.act("person", who.person_id, "passkey taken away", {"label": kept.label})
    return True


def own_passkeys(session: Session, person_id: int) -> list[Passkey]:
    """Somebody's passkeys, the oldest first."""
    return list(session.scalars(select(Passkey).where(Passkey.person_id == person_id).order_by(Passkey.id)))


def authentication_options(practice: Practice, site: Site) -> str:
    """What any device is asked in order to sign somebody in, as JSON. Whoever serves it rations it."""
    options = webauthn.generate_authentication_options(
        rp_id=site.host, user_verification=UserVerificationRequirement.REQUIRED
    )
    with practice.store.noting() as session:
        _keep(session, options.challenge, practice.machine_s(), None, "")
    return webauthn.options_to_json(options)


def enter_with_passkey(practice: Practice, answer: str, site: Site, visitor: Visitor) -> Entered | Refused:
    """A whole sign-in by the answer of somebody's device. Nobody guesses a signature: nothing is counted."""
    machine_s = practice.machine_s()
    found = _challenge_of(practice, answer, machine_s)
    with practice.reading() as session:
        kept = session.scalars(select(Passkey).where(Passkey.credential == _said(answer, "id"))).first()
        person = session.get(Person, kept.person_id) if kept is not None else None
    if found is None or found.person_id is not None or kept is None or person is None or not person.active:
        return _not_right()
    uses = _verified_uses(answer, found, kept, site)
    if uses is None:
        with practice.writing(SYSTEM, "passkey refused", person=person.id, address=visitor.address):
            pass
        return _not_right()
    with practice.writing(who_is(person), "passkey right", address=visitor.address) as record:
        used = record.session.get(Passkey, kept.id)
        if used is None or (used.uses and uses <= used.uses):
            return _not_right()
        used.uses, used.used_s = uses, machine_s
        return come_in(record, person, machine_s, visitor, "passkey")


def _verified_uses(answer: str, found: Challenge, kept: Passkey, site: Site) -> int | None:
    """How often the device says that the key was used, None where its answer does not prove anything."""
    try:
        return webauthn.verify_authentication_response(
            credential=answer,
            expected_challenge=webauthn.base64url_to_bytes(found.challenge),
            expected_rp_id=site.host,
            expected_origin=site.origin,
            credential_public_key=kept.public_key,
            credential_current_sign_count=kept.uses,
            require_user_verification=True,
        ).new_sign_count
    except (WebAuthnException, ValueError, KeyError, TypeError):
        return None


def _keep(session: Session, challenge: bytes, machine_s: int, person_id: int | None, handle: str) -> None:
    session.execute(delete(Challenge).where(Challenge.made_s < machine_s - CHALLENGE_S))
    session.add(
        Challenge(challenge=bytes_to_base64url(challenge), made_s=machine_s, person_id=person_id, handle=handle)
    )


def _challenge_of(practice: Practice, answer: str, machine_s: int) -> Challenge | None:
    """The challenge that an answer is to, taken away so that it serves once; None where there is none."""
    said = _said(_client_data(answer), "challenge")
    with practice.store.noting() as session:
        kept = session.get(Challenge, said)
        if kept is None:
            return None
        session.delete(kept)
    return kept if 0 <= machine_s - kept.made_s <= CHALLENGE_S else None


def _client_data(answer: str) -> str:
    try:
        coded = json.loads(answer)["response"]["clientDataJSON"]
        return base64.urlsafe_b64decode(str(coded) + "==").decode()
    except (ValueError, KeyError, TypeError):
        return ""


def _said(text: str, name: str) -> str:
    """One text of a JSON object, empty where there is none."""
    try:
        found: Any = json.loads(text)
    except ValueError:
        return ""
    value = found.get(name, "") if isinstance(found, dict) else ""
    return value if isinstance(value, str) else ""


def _not_right() -> Refused:
    return Refused(
        PasskeyFault.NOT_RIGHT,
        "an answer of the device that proves nothing here, or is over",
        "a passkey that was made on your account page",
        "try again, or sign in with your password",
    )
