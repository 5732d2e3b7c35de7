"""What goes with every answer, and which requests are not taken up: pages of this origin alone, nothing inline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers as HeaderMap
from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "frame-ancestors 'none'; form-action 'self'"
)
ALWAYS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
SAFE = {"GET", "HEAD", "OPTIONS"}


class Headers:
    """Puts the headers of ALWAYS on every answer; what is not a file of ours is never stored by browsers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        ours = scope["path"].startswith("/static/")

        async def said(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in ALWAYS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "max-age=3600" if ours else "no-store")
            await send(message)

        await self.app(scope, receive, said)


class SameOrigin:
    """Refuses what a page of another origin asks for: a request that changes something must say that it is ours.

    Browsers send ``Sec-Fetch-Site`` or at least ``Origin``; a request that changes something and has neither, or another
    one, is refused. Together with SameSite cookies this is the guard against forged requests.
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
