"""The process that computes previews, and how the web process asks it: no page waits for somebody else's preview.

A request names both orders, the moment and the place; the answer is what is shown there, as text. Nothing is written.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from thecal.clinic.formulary_versions import in_force
from thecal.clinic.programming.previewing import Preview, Previews, Wanted, Without
from thecal.rig.local import LocalClient, LocalServer, UnreachableError
from thecal.rig.refusal import Refusal, Why

if TYPE_CHECKING:
    from collections.abc import Callable

    from thecal.clinic.record import Store
    from thecal.formulary import Formulary
    from thecal.rig.home import Home

CALLERS = 48
"""Requests that wait at once: more than the web process has threads. Ours."""
BEYOND_S = 10.0
"""How much longer than it asked to wait somebody waits for an answer. Ours."""
OPERATION = "preview"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request; ``formulary`` is the version that is to be in force."""

    wanted: Wanted
    formulary: str
    site: str
    band: bool
    wait_s: float


_ASKED: TypeAdapter[Asked] = TypeAdapter(Asked)
_PREVIEW: TypeAdapter[Preview] = TypeAdapter(Preview)


class PreviewAsk:
    """Previews of the process beside this one (``PreviewSource``)."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def ask(self, wanted: Wanted, formulary: Formulary, site: str, *, band: bool, wait_s: float) -> Preview | None:
        """As ``PreviewSource`` has it; that nobody computes previews now is a preview without anything."""
        asked = Asked(wanted, formulary.version, site, band, wait_s)
        client = LocalClient(self._home.preview_socket, wait_s + BEYOND_S)
        try:
            found = client.ask(OPERATION, asked=_ASKED.dump_python(asked, mode="json"))
        except UnreachableError as away:
            return Preview(None, _away(str(away)))
        if isinstance(found, Refusal):
            return Preview(None, _away(found.message))
        return None if found["preview"] is None else _PREVIEW.validate_python(found["preview"])


def _away(said: str) -> Without:
    _log.info("no preview: %s", said)
    return Without(
        "nobody computes it now", "no answer of the process that computes previews", "one that runs",
        "look again in a minute; where it stays so, call your administrator",
    )  # fmt: skip


class PreviewService:
    """Answers requests for previews, with the formulary that each of them names."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._formulary = in_force(store)
        self._previews = Previews()
        self._callers = ThreadPoolExecutor(CALLERS, thread_name_prefix="caller")

    async def answer(self, message: dict[str, Any]) -> dict[str, Any] | Refusal:
        """One request."""
        try:
            asked = _ASKED.validate_python(message.get("asked"))
        except ValidationError as wrong:
            return Refusal(Why.MALFORMED, f"a request that cannot be read: {wrong.errors()[0]['msg']}", "a preview")
        found = await asyncio.get_running_loop().run_in_executor(self._callers, self._found, asked)
        return {"preview": None if found is None else _PREVIEW.dump_python(found, mode="json")}

    def _found(self, asked: Asked) -> Preview | None:
        if asked.formulary != self._formulary.version:
            self._formulary = in_force(self._store)
        if asked.formulary != self._formulary.version:
            return None  # it changes just now: whoever asks again has the new one too
        return self._previews.ask(asked.wanted, self._formulary, asked.site, band=asked.band, wait_s=asked.wait_s)

    def warm(self) -> None:
        """Load what was compiled before anybody waits for it."""
        from thecal.body.transport.warm import warm  # noqa: PLC0415 -- heavy, and for this process alone

        self._callers.submit(warm)

    def close(self) -> None:
        """Let everybody go."""
        self._callers.shutdown(wait=False, cancel_futures=True)
        self._previews.close()


async def serve_previews(home: Home, store: Store, ready: Callable[[], None]) -> None:
    """Compute previews for a home until SIGTERM or SIGINT."""
    service = PreviewService(store)
    server = LocalServer(home.preview_socket, service.answer)
    leaving = asyncio.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(ending, leaving.set)
    try:
        await server.open()
        ready()
        service.warm()
        await leaving.wait()
    finally:
        await server.close()
        service.close()
