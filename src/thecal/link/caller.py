"""A role's end of the link: one exchange with a pump, which ends in its answer or in one of three other ways.

Messages are confirmable, and aiocoap repeats one until it is answered. The repeats are the same bytes, and the pump
takes them as one request. An answer without protection is nobody's word and counts as none.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiocoap import Context as Coap
from aiocoap import Message, error, oscore
from aiocoap.message import UndecidedRemote
from aiocoap.numbers import codes as coap
from aiocoap.numbers.constants import TransportTuning
from aiocoap.util import hostportjoin

from thecal.link.key import Side
from thecal.link.outcome import Denial, Denied, NotHeard, NotSent
from thecal.link.protection import Context, Lost

if TYPE_CHECKING:
    from types import TracebackType

    from thecal.link.key import Key
    from thecal.link.vault import Vault

_DONE = {coap.CONTENT, coap.CHANGED}
_DENIED = {
    coap.FORBIDDEN: Denial.FORBIDDEN,
    coap.NOT_FOUND: Denial.UNKNOWN_PATH,
    coap.BAD_REQUEST: Denial.MALFORMED,
}


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an answer is waited for. The defaults are those of RFC 7252, section 4.8.

    The first wait is ``first_s`` to ``first_s * spread`` seconds, each further one twice as long, after ``repeats``
    repeats the last one.
    """

    first_s: float = 2
    spread: float = 1.5
    repeats: int = 4

    def longest_s(self) -> float:
        """Seconds until an exchange has failed at the latest (MAX_TRANSMIT_WAIT)."""
        return self.first_s * self.spread * (2.0 ** (self.repeats + 1) - 1)

    def tuning(self) -> TransportTuning:
        """The same in the library's words."""
        tuning = TransportTuning()
        tuning.ACK_TIMEOUT = self.first_s
        tuning.ACK_RANDOM_FACTOR = self.spread
        tuning.MAX_RETRANSMIT = self.repeats
        tuning.reliability = True
        return tuning


class Caller:
    """One role's talk with one pump, one exchange at a time. ``vault`` holds the counters of ``key``.

    To be used within one event loop, and closed there.
    """

    def __init__(self, vault: Vault, key: Key, patience: Patience | None = None) -> None:
        self._vault = vault
        self._key = key
        self._patience = patience or Patience()
        self._tuning = self._patience.tuning()
        self._turn = asyncio.Lock()
        self._context: Context | None = None
        self._coap: Coap | None = None

    async def exchange(self, address: tuple[str, int], path: str, payload: bytes = b"") -> bytes:
        """Say one message to the pump at ``address`` and return the payload of its answer.

        Raises NotSent, NotHeard or Denied. Cancelled, it was sent or not, as with NotHeard.
        """
        async with self._turn:
            context, wire = await self._ready()
            request = Message(code=coap.POST if payload else coap.GET, uri_path=(path,), payload=payload)
            answer, request_id = await self._asked(context, wire, address, request)
            if answer.code == coap.UNAUTHORIZED and answer.opt.oscore is None:
                # Nobody's word; but a pump that was restarted says so to the numbers that it stored ahead. What it did
                # hear it knows again by the number of the command, so asking once more does nothing twice.
                context.skip()
                try:
                    answer, request_id = await self._asked(context, wire, address, request)
                except NotSent as why:
                    raise NotHeard(f"no answer came that the pump protected, and no further try: {why}") from why
            return _taken(context, answer, request_id)

    async def close(self) -> None:
        """Give up the sockets."""
        async with self._turn:
            if self._coap is not None:
                await self._coap.shutdown()
                self._coap = None
                # The loop closes an aborted socket in its next round.
                await asyncio.sleep(0)

    async def __aenter__(self) -> Caller:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _ready(self) -> tuple[Context, Coap]:
        try:
            if self._context is None:
                self._context = Context(self._vault, Side.CALLER, self._key)
            if self._coap is None:
                self._coap = await Coap.create_client_context(transports=["simple6"])
        except (Lost, OSError) as why:
            raise NotSent(str(why)) from why
        return self._context, self._coap

    async def _asked(
        self, context: Context, wire: Coap, address: tuple[str, int], request: Message
    ) -> tuple[Message, Any]:
        """What came back, and what its protection is bound to."""
        try:
            message, request_id = context.protect(request)
        except (Lost, oscore.ContextUnavailable, OSError) as why:
            raise NotSent(str(why)) from why
        message.remote = UndecidedRemote("coap", hostportjoin(*address))
        message.transport_tuning = self._tuning
        # Without a limit, a forged empty acknowledgment would keep it waiting for ever.
        try:
            async with asyncio.timeout(self._patience.longest_s()):
                answer: Message = await wire.request(message, handle_blockwise=False).response
        except error.ResolutionError as why:
            raise NotSent(f"there is no such address: {address[0]}") from why
        except (TimeoutError, error.Error, OSError) as why:
            raise NotHeard("no answer came: it may have been done or not") from why
        return answer, request_id


def _taken(context: Context, answer: Message, request_id: Any) -> bytes:
    """The payload of an answer that the pump protected."""
    try:
        inner, _ = context.unprotect(answer, request_id)
    except oscore.ProtectionInvalid as why:
        raise NotHeard("an answer came that the pump did not protect: it may have been done or not") from why
    if inner.code in _DENIED:
        raise Denied(_DENIED[inner.code])
    if inner.code not in _DONE:
        raise NotHeard(f"the pump answered {inner.code}, which means nothing here")
    payload: bytes = inner.payload
    return payload
