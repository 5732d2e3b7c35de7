"""The door: who is at the screen, and whether the table of permissions lets them in. Every route has one.

``may("action")`` is what a route depends on; it gives the ``Visit`` in which the route works.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from fastapi import Request

from thecal.clinic.formulary_versions import follow
from thecal.clinic.people import signing_in
from thecal.clinic.people.permissions import permissions
from thecal.clinic.people.signing_in import LONGEST_S, SEEN_EVERY_S, Sitting, State, Visitor, sitting
from thecal.clinic.record import StoreError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from sqlalchemy.orm import Session
    from starlette.responses import Response

    from thecal.clinic.people.entering import Entered
    from thecal.clinic.record import Record
    from thecal.clinic.who import Who
    from thecal.web.house import House

COOKIE = "thecal"
"""The secret of a sign-in."""
KNOWN = "thecal-known"
"""The mark of a browser in which somebody signed in before."""
HOST_ONLY = "__Host-"
"""What both are called in front by an encrypted way: no neighboring site can set such a cookie (RFC 6265bis 4.1.3)."""
KNOWN_S = 180 * 86_400
"""How long a browser keeps its mark. Ours."""


class SignInFirst(Exception):  # noqa: N818 - one of the ends of a request, not a fault of the program
    """Nobody is signed in, or not wholly, or the screen is locked: the page asks for what is missing."""

    def __init__(self, state: State = State.NOBODY) -> None:
        super().__init__(state)
        self.state = state


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

    def looked(self, action: str, patient_id: int | None = None, **details: Any) -> None:
        """One link of the audit chain for what this page shows, before it shows it."""
        self.house.looked(self.who, action, patient_id, **details)

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
        found = sitting_there(request)
        who = found.who
        if who is None:
            raise SignInFirst(found.state)
        _note_seen(request, found)
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
    return sitting_there(request).who


def sitting_there(request: Request) -> Sitting:
    """What is known of the screen that a request comes from."""
    token = token_of(request)
    if not token:
        return Sitting(State.NOBODY)
    house = house_of(request)
    machine_s = house.machine_s()
    with house.store.reading() as session:
        found = sitting(session, token, machine_s)
        follow(house, session)
    if found.state is State.NOBODY and found.row is not None:
        with house.store.noting() as session:
            signing_in.end_ahead(session, machine_s)
    return found


def _note_seen(request: Request, found: Sitting) -> None:
    """Write down that somebody is there; what a page asks for by itself (htmx, to be read) is nobody's doing."""
    house = house_of(request)
    now_s = house.machine_s()
    by_itself = request.method == "GET" and "hx-request" in request.headers
    if by_itself or found.row is None or now_s - found.row.seen_s < SEEN_EVERY_S:
        return
    try:
        with house.store.noting() as session:
            signing_in.seen(session, found.row, now_s)
    except StoreError:
        return  # a record that cannot be written to may still be read; the screen locks the earlier


def token_of(request: Request) -> str:
    """The secret of a sign-in that the browser holds, empty where it holds none."""
    return request.cookies.get(named(COOKIE, house_of(request)), "")


def visitor_of(request: Request) -> Visitor:
    """Where a request comes from."""
    browser = request.headers.get("user-agent", "")[:200]
    return Visitor(_address(request), browser, request.cookies.get(named(KNOWN, house_of(request)), ""))


def _address(request: Request) -> str:
    """The browser's address; behind a proxy with TLS on this machine, the last one that the proxy wrote down.

    Nothing here encrypts, so that with an https origin whoever asks from this machine is the proxy.
    """
    peer = request.client.host if request.client is not None else ""
    said = request.headers.getlist("x-forwarded-for")
    try:
        if said and serves_https(house_of(request)) and ipaddress.ip_address(peer).is_loopback:
            return str(ipaddress.ip_address(said[-1].rpartition(",")[2].strip()))
    except ValueError:
        pass
    return peer


def hold(response: Response, house: House, entered: Entered) -> Response:
    """Give the browser the secret of a sign-in, and its mark where it is new: for this site, and for no script."""
    secure = serves_https(house)
    held = [(COOKIE, entered.token, LONGEST_S), (KNOWN, entered.known, KNOWN_S)]
    for name, secret, age_s in held:
        if secret:
            response.set_cookie(
                named(name, house), secret, max_age=age_s, httponly=True, samesite="strict", secure=secure
            )
    return response


def let_go(response: Response, house: House) -> Response:
    """Take the secret of a sign-in from the browser."""
    response.delete_cookie(named(COOKIE, house), httponly=True, samesite="strict", secure=serves_https(house))
    return response


def named(cookie: str, house: House) -> str:
    """What a cookie is called here."""
    return f"{HOST_ONLY}{cookie}" if serves_https(house) else cookie


def serves_https(house: House) -> bool:
    """Whether browsers come by an encrypted way, so that cookies may be kept to it."""
    return house.settings.secure_cookies or house.settings.origin.startswith("https://")


def own_path(asked: str) -> str:
    """A path of this clinic to go on to; its beginning where what was asked for is anything else."""
    found = urlsplit(asked) if asked.startswith("/") and asked.isprintable() and len(asked) <= 2000 else None
    if found is None or found.netloc or found.scheme or asked[1:2] in {"/", "\\"} or "\\" in found.path:
        return "/"
    return asked
