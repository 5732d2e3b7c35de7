"""How long the web waits for a request that comes slowly: whoever holds a connection and sends little is let go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

COMES_WITHIN_S = 30.0
"""From the first byte of a request, or from the connection, to the last one: a page's form takes a blink. Ours."""


class Patient(H11Protocol):
    """The server's protocol with an end to waiting; between two requests its own keep-alive holds."""

    comes_within_s = COMES_WITHIN_S
    _waits: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Somebody connects; the first request has to come."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """A part of a request: what is not whole goes on waiting from its beginning."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._calm()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.conn.their_state not in {h11.IDLE, h11.SEND_BODY}:
            self._calm()
        elif self._waits is None:
            self._waits = self.loop.call_later(self.comes_within_s, self.transport.close)

    def _calm(self) -> None:
        if self._waits is not None:
            self._waits.cancel()
            self._waits = None
