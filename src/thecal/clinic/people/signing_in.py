"""Who sits at a screen: begun with a password and a second factor, kept by a secret that only the browser holds."""

from __future__ import annotations

import secrets
from hashlib import sha256
from typing import TYPE_CHECKING

from thecal.clinic.people.permissions import actions_of
from thecal.clinic.record.tables import Person, SignIn
from thecal.clinic.who import StaffRole, Who

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

IDLE_S = 15 * 60
"""After so long without a request a screen locks. Ours."""
LONGEST_S = 12 * 3600
"""So long a sign-in lasts at most. Ours."""


def begin(session: Session, person: Person, machine_s: int, *, second_done: bool) -> str:
    """A new sign-in of somebody who has proved who they are; the secret for the browser's cookie."""
    token = secrets.token_urlsafe(32)
    session.add(
        SignIn(
            token_digest=digest(token),
            person_id=person.id,
            begun_s=machine_s,
            seen_s=machine_s,
            second_done=second_done,
        )
    )
    return token


def signed_in(session: Session, token: str, machine_s: int) -> Who | None:
    """Whose sign-in a cookie's secret is; None where it is nobody's, is over, is locked, or lacks its second factor."""
    found = session.get(SignIn, digest(token))
    if found is None or found.ended or found.locked or not found.second_done:
        return None
    if machine_s - found.seen_s > IDLE_S or machine_s - found.begun_s > LONGEST_S:
        return None
    person = session.get(Person, found.person_id)
    return None if person is None or not person.active else who_is(person)


def who_is(person: Person) -> Who:
    """A person as the functions of the clinic take them."""
    roles = frozenset(StaffRole(role) for role in person.roles)
    return Who(person.id, person.name, roles, actions_of(roles))


def digest(token: str) -> str:
    """What is kept of a secret."""
    return sha256(token.encode()).hexdigest()
