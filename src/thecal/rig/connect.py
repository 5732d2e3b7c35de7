"""How a command reaches the link: it asks the service that runs, or is the service for as long as it runs itself.

Either way there is one service, and everybody else in the meantime asks that one.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from thecal.rig.exchange import PATIENCE
from thecal.rig.host import InUseError
from thecal.rig.late import hush_late_frames
from thecal.rig.local import LocalClient, LocalServer, UnreachableError, answers
from thecal.rig.service import LinkService

if TYPE_CHECKING:
    from collections.abc import Iterator

    from thecal.link.caller import Patience
    from thecal.rig.home import Home
    from thecal.rig.refusal import Refusal

ANSWER_S = 300.0
"""How long an answer of the service is waited for. Ours: a whole log over a slow radio fits."""
HANDOVER_S = 10.0
"""How long two commands may argue about who is the service. Ours."""
FINISH_S = 30.0


class Link:
    """Somebody who asks the link service of a home."""

    def __init__(self, home: Home, patience: Patience) -> None:
        self._home = home
        self._patience = patience
        self._client = LocalClient(home.service_socket, ANSWER_S)
        self._own: _Service | None = None

    def ask(self, operation: str, **fields: Any) -> dict[str, Any] | Refusal:
        """One operation of ``service.OPERATIONS``; UnreachableError where the service ended in the middle of it.

        InUseError where a process holds the link and does not answer.
        """
        deadline = time.monotonic() + HANDOVER_S
        while True:
            try:
                return self._client.ask(operation, **fields)
            except UnreachableError as gone:
                if gone.asked:
                    raise
            self._become(deadline)

    def _become(self, deadline: float) -> None:
        """Be the service, unless somebody else begins to be."""
        try:
            self._own = _Service(self._home, self._patience)
        except InUseError:
            if time.monotonic() > deadline and not answers(self._home.service_socket):
                raise
            time.sleep(0.05)

    def close(self) -> None:
        """Finish what others have asked, and let the next one be the service."""
        own, self._own = self._own, None
        if own is not None:
            own.close()


class _Service:
    """A link service in a thread of this process."""

    def __init__(self, home: Home, patience: Patience) -> None:
        self._leaving = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._faults: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, args=(home, patience), name="link service", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._faults:
            self._thread.join()
            raise self._faults[0]

    def _run(self, home: Home, patience: Patience) -> None:
        try:
            self._loop.run_until_complete(self._serve(home, patience))
        except BaseException as fault:  # noqa: BLE001 -- it is raised where the service was asked for
            self._faults.append(fault)
        finally:
            self._loop.close()
            self._ready.set()

    async def _serve(self, home: Home, patience: Patience) -> None:
        service = LinkService(home, "is the link service while a command runs", patience)
        server = LocalServer(home.service_socket, service.answer)
        hush_late_frames(self._loop)
        try:
            await server.open()
            self._ready.set()
            await self._leaving.wait()
        finally:
            await server.close(FINISH_S)
            await service.close()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._leaving.set)
        self._thread.join()


@contextmanager
def connect(home: Home, patience: Patience = PATIENCE) -> Iterator[Link]:
    """The link of a home, for a command: the service that runs, or this process for as long as the block lasts."""
    link = Link(home, patience)
    try:
        yield link
    finally:
        link.close()
