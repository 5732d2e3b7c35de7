"""What goes with every answer, and which requests are not taken up: pages of this origin alone, nothing inline.

From the outside in: ``Headers`` on every answer, ``Faults`` where the program fails, ``Hosts`` and ``SameOrigin`` for
who asks, ``Small`` for how much, ``Readable`` for what no record can keep as text.
"""

from __future__ import annotations

import logging
import secrets
import traceback
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes, urlsplit

from starlette.datastructures import Headers as HeaderMap
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "frame-ancestors 'none'; form-action 'self'"
)
ALWAYS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
WITH_HTTPS = {"strict-transport-security": "max-age=31536000"}
"""A year, as MDN and OWASP advise; only where the clinic is served that way."""
SAFE = {"GET", "HEAD", "OPTIONS"}
MOST_BODY = 1_000_000
"""Bytes of one request. The largest form, an order, is a hundredth of it. Ours."""

_LOG = logging.getLogger("thecal.web")


class Headers:
    """Puts the headers of ALWAYS on every answer; what is not a file of ours is never stored by browsers."""

    def __init__(self, app: ASGIApp, *, https: bool = False) -> None:
        self.app = app
        self.always = {**ALWAYS, **(WITH_HTTPS if https else {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        ours = scope["path"].startswith("/static/")

        async def said(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.always.items():
                    headers.setdefault(name, value)
                kept = ours and message["status"] in {200, 206, 304}
                headers.setdefault("cache-control", "max-age=3600" if kept else "no-store")
            await send(message)

        await self.app(scope, receive, said)


class Faults:
    """Where the program itself fails: a page with a number to quote, and the lines of the program in the log.

    What the fault says of itself is in neither: it may quote what somebody entered, a patient's name or a secret. Nor
    is the address, which may hold one; the route is.
    """

    def __init__(self, app: ASGIApp, page: Callable[[Request, str], str]) -> None:
        self.app = app
        self.page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        begun = False

        async def said(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, said)
        except Exception as wrong:
            if begun or scope["type"] != "http":
                raise
            number = secrets.token_hex(4)
            route = getattr(scope.get("route"), "path", "no route")
            _LOG.error("fault %s at %s %s\n%s", number, scope["method"], route, lines_of(wrong))
            await HTMLResponse(self.page(Request(scope), number), 500)(scope, receive, send)


def lines_of(wrong: BaseException) -> str:
    """Where the program failed: its own lines and the kinds of what was raised, without what these say."""
    ahead, parts = wrong.__cause__ or wrong.__context__, []
    if ahead is not None:
        parts.append(lines_of(ahead))
    parts += [*traceback.format_tb(wrong.__traceback__), f"{type(wrong).__module__}.{type(wrong).__qualname__}"]
    return "".join(parts)


class Hosts:
    """Refuses requests to another name than the clinic's: a stranger's name that points here opens nothing."""

    def __init__(self, app: ASGIApp, origin: str) -> None:
        self.app = app
        self.origin = origin
        self.host = urlsplit(origin).netloc.casefold()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http" and HeaderMap(scope=scope).get("host", "").casefold() != self.host:
            said = f"This clinic is at {self.origin} and answers at no other name."
            await PlainTextResponse(said, 400)(scope, receive, send)
            return
        await self.app(scope, receive, send)


class SameOrigin:
    """Refuses what a page of another origin asks for: a request that changes something must say that it is ours.

    Browsers send ``Sec-Fetch-Site`` or at least ``Origin``; a request that changes something and has neither, or
    another one, is refused. Together with SameSite cookies this is the guard against forged requests.
    """

    def __init__(self, app: ASGIApp, origin: str) -> None:
        self.app = app
        self.origin = origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http" and scope["method"] not in SAFE and not self._ours(HeaderMap(scope=scope)):
            await PlainTextResponse("This request did not come from a page of this clinic.", 403)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _ours(self, headers: HeaderMap) -> bool:
        site = headers.get("sec-fetch-site")
        if site is not None and site != "same-origin":
            return False
        origin = headers.get("origin")
        return origin == self.origin if origin is not None else site == "same-origin"


class Small:
    """Refuses requests of more than MOST_BODY bytes, by what they say of themselves and by what comes."""

    def __init__(self, app: ASGIApp, most: int = MOST_BODY) -> None:
        self.app = app
        self.most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        said = HeaderMap(scope=scope).get("content-length", "0")
        if not said.isdigit() or int(said) > self.most:
            await PlainTextResponse(self._said, 413)(scope, receive, send)
            return
        await self.app(scope, self._counted(receive), send)

    def _counted(self, receive: Receive) -> Receive:
        """What comes, until it is too much: then the answer is the same."""
        came = 0

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > self.most:
                raise HTTPException(413, self._said)
            return message

        return counted

    @property
    def _said(self) -> str:
        return f"Found a request that is too large; allowed: up to {self.most:,} bytes; next: send less."


class Readable:
    """Refuses text that no record can keep: bytes that are not UTF-8, and control characters, in address and form.

    PostgreSQL keeps no U+0000; no browser lets anybody type the others but tabs and ends of lines. What is no form is
    left to whoever reads it. ``page`` makes the answer.
    """

    def __init__(self, app: ASGIApp, page: Callable[[str], str]) -> None:
        self.app = app
        self.page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        wrong = unreadable(scope.get("raw_path", b"")) or unreadable(scope.get("query_string", b""))
        if not wrong and _is_form(scope):
            try:
                body = await _whole(receive)
            except HTTPException as too_large:
                await PlainTextResponse(too_large.detail, too_large.status_code)(scope, receive, send)
                return
            if body is None:
                return
            wrong, receive = unreadable(body), _again(body, receive)
        if wrong:
            await HTMLResponse(self.page(wrong), 400)(scope, receive, send)
            return
        await self.app(scope, receive, send)


def unreadable(sent: bytes) -> str:
    """What of an address or a form cannot be read as text, in words; empty where all of it can."""
    try:
        text = unquote_to_bytes(sent).decode()
    except UnicodeDecodeError:
        return "bytes that are no text (UTF-8)"
    found = next((c for c in text if (c < " " and c not in "\t\r\n") or c == "\x7f"), None)
    return "" if found is None else f"the control character U+{ord(found):04X}"


def _is_form(scope: Scope) -> bool:
    kind = HeaderMap(scope=scope).get("content-type", "").partition(";")[0].strip().casefold()
    return scope["method"] not in SAFE and kind in {"application/x-www-form-urlencoded", "multipart/form-data"}


async def _whole(receive: Receive) -> bytes | None:
    """The body of a request, which ``Small`` keeps short; None where the browser went away before its end."""
    parts = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """The same body once more, then whatever comes after it."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
