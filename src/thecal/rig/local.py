"""Request and answer on this machine: one JSON object on a line, over a unix socket that only its owner may use.

``{"operation": ...}`` goes in; ``{"answer": {...}}`` or ``{"error": {...}}`` comes out, in the order of the requests.
Lines are bounded. A socket file that nobody listens on any more is taken over, one that is alive is not.
"""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import socket
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thecal.rig.home import OWNER_FILE
from thecal.rig.refusal import Refusal, Why

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Handler = Callable[[dict[str, Any]], Awaitable[dict[str, Any] | Refusal]]

MOST_REQUEST = 256 * 1024
"""Bytes of a request: an order document and a program in base64 fit well within it."""
MOST_ANSWER = 8 * 1024 * 1024
MOST_CALLERS = 64
MOST_PATH = 100
"""Bytes of a socket's path that every system takes."""

_log = logging.getLogger(__name__)


class LocalServer:
    """A listening socket; ``handler`` answers one request at a time for each caller, and several callers at once."""

    def __init__(self, path: Path, handler: Handler) -> None:
        self._path = path
        self._handler = handler
        self._server: asyncio.Server | None = None
        self._elsewhere: Path | None = None
        self._callers: set[asyncio.Task[None]] = set()
        self._answering = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def open(self) -> None:
        """Listen; AlreadyServedError where somebody alive does so at this path."""
        if answers(self._path):
            raise AlreadyServedError(f"found a live socket at {self._path.name}; allowed: one process at a time")
        self._path.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            real = self._short()
            listening.bind(str(real))
            real.chmod(OWNER_FILE)
            if real != self._path:
                self._path.symlink_to(real)
            self._server = await asyncio.start_unix_server(self._accept, sock=listening, limit=MOST_REQUEST)
        except BaseException:
            listening.close()
            self._clean()
            raise

    def _short(self) -> Path:
        """Where to bind: a path that is too long for a socket gets a private folder elsewhere, and a link to it."""
        if len(str(self._path).encode()) <= MOST_PATH:
            return self._path
        self._elsewhere = Path(tempfile.mkdtemp(prefix="thecal-"))
        return self._elsewhere / "socket"

    async def close(self, finish_s: float = 0.0) -> None:
        """Stop listening, let go of every caller, and leave no file behind.

        What is being answered may take up to ``finish_s`` seconds more.
        """
        if self._server is not None:
            self._server.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(finish_s):
                await self._idle.wait()
        for task in list(self._callers):
            task.cancel()
        await asyncio.gather(*self._callers, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()
        self._clean()

    def _clean(self) -> None:
        self._path.unlink(missing_ok=True)
        if self._elsewhere is not None:
            shutil.rmtree(self._elsewhere, ignore_errors=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a caller is served outside of a task")  # pragma: no cover
        self._callers.add(task)
        try:
            if len(self._callers) > MOST_CALLERS:
                busy = Refusal(Why.BUSY, f"{MOST_CALLERS} callers", f"up to {MOST_CALLERS}", "ask again later")
                await _send(writer, busy.as_json())
            else:
                await self._serve(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass  # the caller went away, or the server closes: nothing is owed
        finally:
            self._callers.discard(task)
            writer.close()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                line = await reader.readuntil(b"\n")
            except asyncio.IncompleteReadError:
                return
            except asyncio.LimitOverrunError:
                await _send(writer, _too_long().as_json())
                return
            await _send(writer, await self._answer(line))

    async def _answer(self, line: bytes) -> dict[str, Any]:
        message = read_line(line)
        if isinstance(message, Refusal):
            return message.as_json()
        self._answering += 1
        self._idle.clear()
        try:
            answer = await self._handler(message)
        except Exception:  # noqa: BLE001 -- a defect must not end the process that delivers
            _log.exception("a request over %s failed", self._path.name)
            return _defect().as_json()
        finally:
            self._answering -= 1
            if not self._answering:
                self._idle.set()
        return answer.as_json() if isinstance(answer, Refusal) else {"answer": answer}


class AlreadyServedError(RuntimeError):
    """Somebody else listens at this path."""


class UnreachableError(ConnectionError):
    """Nobody answers at a local socket; the message says what to do next. ``asked``: the request may have arrived."""

    def __init__(self, said: str, *, asked: bool) -> None:
        super().__init__(said)
        self.asked = asked


async def _send(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
    writer.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")
    await writer.drain()


def read_line(line: bytes) -> dict[str, Any] | Refusal:
    """One JSON object from one line."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return Refusal(Why.MALFORMED, "a line that is not JSON", "one JSON object on each line")
    if not isinstance(message, dict):
        return Refusal(Why.MALFORMED, f"JSON of another kind: {type(message).__name__}", "one JSON object on each line")
    return message


def _too_long() -> Refusal:
    return Refusal(Why.TOO_LONG, "a longer line", f"up to {MOST_REQUEST} bytes on a line")


def _defect() -> Refusal:
    return Refusal(Why.DEFECT, "an error inside", "none", "see the log of the process that answers")


def answers(path: Path) -> bool:
    """Whether somebody listens at a socket; a stale file is not an answer."""
    try:
        with _connected(path, 5.0):
            return True
    except OSError:
        return False


def _connected(path: Path, timeout_s: float) -> socket.socket:
    calling = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        calling.settimeout(timeout_s)
        calling.connect(str(path.resolve()))
    except BaseException:
        calling.close()
        raise
    return calling


@dataclass(frozen=True, slots=True)
class LocalClient:
    """Asks at a socket, one request on each connection, and waits for the answer; for commands, not for servers."""

    path: Path
    timeout_s: float = 60.0

    def ask(self, operation: str, **fields: Any) -> dict[str, Any] | Refusal:
        """One request; UnreachableError where nobody listens or no answer comes in time."""
        line = json.dumps({"operation": operation, **fields}).encode() + b"\n"
        if len(line) > MOST_REQUEST:
            return _too_long()
        try:
            calling = _connected(self.path, self.timeout_s)
        except OSError as wrong:
            raise UnreachableError(
                f"found nobody at {self.path.name} ({wrong}); allowed: a running process; next: start it", asked=False
            ) from wrong
        try:
            with calling:
                return _told(_exchange(calling, line))
        except OSError as wrong:
            raise UnreachableError(
                f"found no answer at {self.path.name} ({wrong}); allowed: an answer within {self.timeout_s:g} s; "
                "next: look whether it was done before asking again",
                asked=True,
            ) from wrong


def _exchange(calling: socket.socket, line: bytes) -> bytes:
    """What is answered to ``line``, also by somebody who has said all and left before the line was sent."""
    try:
        calling.sendall(line)
    except (BrokenPipeError, ConnectionResetError) as gone:
        with suppress(OSError):
            return _receive(calling)
        raise gone from None
    return _receive(calling)


def _receive(calling: socket.socket) -> bytes:
    parts: list[bytes] = []
    held = 0
    while not parts or not parts[-1].endswith(b"\n"):
        part = calling.recv(65_536)
        held += len(part)
        if not part or held > MOST_ANSWER:
            raise ConnectionError("the answer ended early" if not part else "the answer is too long")
        parts.append(part)
    return b"".join(parts)


def _told(line: bytes) -> dict[str, Any] | Refusal:
    message = json.loads(line)
    if "error" in message:
        return Refusal.from_json(message["error"])
    answer: dict[str, Any] = message["answer"]
    return answer
