"""Who sits at a screen: begun with a password and a second factor, kept by a secret that only the browser holds.

A sign-in locks by idleness and ends by time, by leaving, or because the person's roles changed. Times are of the
machine's clock and stand in the record alone: processes that were started at different times say the same of a sign-in.
Where the clock is found to have gone back behind what was seen last, the sign-in is over; a smaller step back while a
screen idles lengthens that idling by itself, and so by no more than ``IDLE_S``.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from thecal.clinic.people.permissions import actions_of
from thecal.clinic.record.tables import Person, SignIn
from thecal.clinic.who import StaffRole, Who

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

IDLE_S = 15 * 60
"""After so long without anything done a screen locks. Ours."""
LONGEST_S = 12 * 3600
"""So long a sign-in lasts at most. Ours."""
HALF_S = 10 * 60
"""So long somebody whose password was right may take for the second factor. Ours."""
BACK_S = 5
"""So far the clock may seem to go back: two requests at once may read it in the other order. Ours."""
SEEN_EVERY_S = 30
"""How often it is written down that somebody is still there. Ours; a screen locks that much earlier at most."""


class State(StrEnum):
    """What a cookie's secret is good for."""

    NOBODY = "nobody"
    HALF = "half"  # the password was right, the rest is still to come
    LOCKED = "locked"
    IN = "in"


@dataclass(frozen=True, slots=True)
class Sitting:
    """What is known of a screen. ``person`` and ``row`` are None where nobody sits there.

    A row with nobody is a sign-in that was seen later than now is: it has to be ended (``end_ahead``).
    """

    state: State
    person: Person | None = None
    row: SignIn | None = None

    @property
    def who(self) -> Who | None:
        """Who is signed in, None unless somebody is."""
        return who_is(self.person) if self.state is State.IN and self.person is not None else None


_NOBODY = Sitting(State.NOBODY)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Where somebody comes from: address, browser as it names itself, and the mark of a browser used before."""

    address: str = ""
    browser: str = ""
    known: str = ""


def begin(
    session: Session,
    person: Person,
    machine_s: int,
    *,
    second_done: bool,
    way: str = "password",
    waived: bool = False,
    visitor: Visitor | None = None,
) -> str:
    """A new sign-in of somebody who has proved who they are; the secret for the browser's cookie."""
    token = secrets.token_urlsafe(32)
    seen = visitor or Visitor()
    session.add(
        SignIn(
            token_digest=digest(token),
            person_id=person.id,
            begun_s=machine_s,
            seen_s=machine_s,
            second_done=second_done,
            way=way,
            waived=waived,
            address=seen.address,
            browser=seen.browser,
        )
    )
    return token


def sitting(session: Session, token: str, machine_s: int) -> Sitting:
    """What a cookie's secret is good for, and whose it is."""
    asked = select(SignIn, Person).outerjoin(Person, Person.id == SignIn.person_id)
    found = session.execute(asked.where(SignIn.token_digest == digest(token))).one_or_none() if token else None
    row, person = (None, None) if found is None else (found[0], found[1])
    if row is None or row.ended:
        return _NOBODY
    if machine_s < row.seen_s - BACK_S:
        return Sitting(State.NOBODY, None, row)
    if person is None or not person.active or machine_s - row.begun_s >= LONGEST_S:
        return _NOBODY
    if not row.second_done:
        return _NOBODY if machine_s - row.begun_s >= HALF_S else Sitting(State.HALF, person, row)
    idle = row.locked or machine_s - row.seen_s >= IDLE_S
    return Sitting(State.LOCKED if idle else State.IN, person, row)


def signed_in(session: Session, token: str, machine_s: int) -> Who | None:
    """Whose sign-in a cookie's secret is; None where it is nobody's, is over, is locked, or lacks its second factor."""
    return sitting(session, token, machine_s).who


def seen(session: Session, row: SignIn, machine_s: int) -> None:
    """Write down that somebody did something; never in a way that a clock that went back could undo."""
    session.execute(
        update(SignIn)
        .where(SignIn.token_digest == row.token_digest, SignIn.seen_s < machine_s, SignIn.locked == False)  # noqa: E712
        .values(seen_s=machine_s)
    )


def lock(session: Session, token: str) -> None:
    """Ask for the password before anything else is done at this screen."""
    session.execute(update(SignIn).where(SignIn.token_digest == digest(token)).values(locked=True))


def end(session: Session, token: str) -> None:
    """Sign out at one screen."""
    session.execute(update(SignIn).where(SignIn.token_digest == digest(token)).values(ended=True))


def end_ahead(session: Session, machine_s: int) -> None:
    """End every sign-in that was seen later than now is: the clock went back, and how long it lasted is not known."""
    ahead = SignIn.seen_s > machine_s + BACK_S
    session.execute(update(SignIn).where(ahead, SignIn.ended == False).values(ended=True))  # noqa: E712


def end_all(session: Session, person_id: int, but: str = "") -> int:
    """End every sign-in of a person but the one with this secret; how many there were."""
    rows = session.scalars(
        select(SignIn).where(
            SignIn.person_id == person_id,
            SignIn.ended == False,  # noqa: E712
            SignIn.token_digest != (digest(but) if but else ""),
        )
    ).all()
    for row in rows:
        row.ended = True
    return len(rows)


def own_sign_ins(session: Session, person_id: int, machine_s: int) -> list[SignIn]:
    """A person's sign-ins that are not over, the newest first."""
    query = (
        select(SignIn)
        .where(
            SignIn.person_id == person_id,
            SignIn.ended == False,  # noqa: E712
            SignIn.second_done == True,  # noqa: E712
            SignIn.begun_s > machine_s - LONGEST_S,
        )
        .order_by(SignIn.begun_s.desc())
        .limit(50)
    )
    return list(session.scalars(query))


def who_is(person: Person) -> Who:
    """A person as the functions of the clinic take them."""
    roles = frozenset(StaffRole(role) for role in person.roles)
    return Who(person.id, person.name, roles, actions_of(roles))


def digest(token: str) -> str:
    """What is kept of a secret."""
    return sha256(token.encode()).hexdigest()
