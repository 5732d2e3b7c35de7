"""The door: who is at the screen, and whether the table of permissions lets them in. Every route has one.

``may("action")`` is what a route depends on; it gives the ``Visit`` in which the route works.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from fastapi import Request

from thecal.clinic.people.permissions import permissions
from thecal.clinic.people.signing_in import signed_in

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from sqlalchemy.orm import Session

    from thecal.clinic.record import Record
    from thecal.clinic.who import Who
    from thecal.web.house import House

COOKIE = "thecal"


class SignInFirst(Exception):  # noqa: N818 - one of the ends of a request, not a fault of the program
    """Nobody is signed in: the page asks them to."""


class NotAllowed(Exception):  # noqa: N818 - as above
    """The table of permissions does not let this person do this."""

    def __init__(self, action: str, who: Who) -> None:
        super().__init__(action)
        self.action = action
        self.who = who


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of one person who may make it."""

    request: Request
    house: House
    who: Who

    @property
    def now_s(self) -> int:
        """UTC of the clinic's world, in s."""
        return self.house.now_s()

    def writing(self, action: str, patient_id: int | None = None, **details: Any) -> AbstractContextManager[Record]:
        """One transaction on the record, with its link of the audit chain."""
        return self.house.writing(self.who, action, patient_id, **details)

    def reading(self) -> AbstractContextManager[Session]:
        """A look at the record."""
        return self.house.store.reading()


@dataclass(frozen=True, slots=True)
class Door:
    """A dependency of a route: lets in whoever may do ``action``."""

    action: str

    def __call__(self, request: Request) -> Visit:
        """The visit; SignInFirst or NotAllowed."""
        house = house_of(request)
        who = who_is_there(request)
        if who is None:
            raise SignInFirst
        if not who.may(self.action):
            raise NotAllowed(self.action, who)
        return Visit(request, house, who)


def may(action: str) -> Door:
    """The door for an action; KeyError for one that the table of permissions does not have."""
    return Door(permissions()[action].action)


def house_of(request: Request) -> House:
    """The clinic that this process serves."""
    return cast("House", request.app.state.house)


def who_is_there(request: Request) -> Who | None:
    """Who is signed in, None where nobody is."""
    token = request.cookies.get(COOKIE)
    if not token:
        return None
    house = house_of(request)
    with house.store.reading() as session:
        return signed_in(session, token, house.machine_s())
