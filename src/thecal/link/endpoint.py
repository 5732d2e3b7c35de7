"""The pump's end of the link: one frame in, at most one frame out, and nothing remembered of a stranger.

A frame is a CoAP request, confirmable, POST, whose whole content is protected with OSCORE. Whatever else comes in is
met with 4.01 where it is a confirmable request, and with silence where it is not; it changes no state at all. Who
speaks is the role of the key that opened the frame, and the field is that of the socket it came in on.

The message codec and all of the protection are aiocoap's. Its server is left out on purpose: it remembers each frame
of a stranger for four minutes and starts two tasks for it, answers requests without protection, listens to key
exchange, and lets a forged frame with a guessed number stand in the way of a true one. What a pump needs of it is that
a repeated frame gets the same answer: here the last request of each role is kept, with its answer, and compared whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from aiocoap import ACK, CON, Message, oscore
from aiocoap.numbers import codes as coap
from aiocoap.numbers.optionnumbers import OptionNumber

from thecal.link.answering import Code
from thecal.link.key import Side, kept_key
from thecal.link.protection import Context, Lost
from thecal.link.roles import KID, Role

if TYPE_CHECKING:
    from collections.abc import Hashable

    from thecal.link.answering import Answered
    from thecal.link.roles import Field
    from thecal.link.vault import Vault

MOST_FRAME = 1024
"""Bytes of a frame that is looked at. Ours: the longest message of the catalogue, a piece of 768 bytes, fits."""

_ROLE = {kid: role for role, kid in KID.items()}
_OUTER = {OptionNumber.OSCORE, OptionNumber.URI_HOST, OptionNumber.URI_PORT}
_CODES = {
    Code.UNKNOWN_PATH: coap.NOT_FOUND,
    Code.FORBIDDEN: coap.FORBIDDEN,
    Code.NEAR_ONLY: coap.FORBIDDEN,
    Code.MALFORMED: coap.BAD_REQUEST,
}


class Met(StrEnum):
    """What became of a frame."""

    ANSWERED = "answered"
    DENIED = "denied"  # of a true role, and not done: its answer says so, protected
    REPEATED = "repeated"  # the last request of a role again, answered with the same bytes
    TOO_LONG = "too long"
    UNREADABLE = "unreadable"
    NOT_A_REQUEST = "not a confirmable request"
    UNPROTECTED = "unprotected"
    UNKNOWN_KEY = "unknown key"
    LOST = "counters lost"
    REPLAYED = "replayed"
    NOT_GENUINE = "not genuine"

    @property
    def genuine(self) -> bool:
        """Whether somebody with a key sent it."""
        return self in {Met.ANSWERED, Met.DENIED, Met.REPEATED}


class Answers(Protocol):
    """Who answers for the pump."""

    def answer(self, role: Role, field: Field, path: str, payload: bytes) -> Answered:
        """Do what is asked, durably, and say so."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of a frame, and the frame that goes back; empty for silence."""

    met: Met
    frame: bytes = b""


@dataclass(frozen=True, slots=True)
class _Exchange:
    sender: Hashable
    request: bytes
    answer: bytes


class Endpoint:
    """One pump on the link. Keys and counters are in ``vault``; a new one is made after each start of the pump.

    What ``answers`` or ``vault`` raise goes through: the owner of the pump must then let it be silent.
    """

    def __init__(self, vault: Vault, serial: str, answers: Answers) -> None:
        self._vault = vault
        self._serial = serial
        self._answers = answers
        self._contexts: dict[Role, Context | Met] = {}
        self._last: dict[Role, _Exchange] = {}

    def lost(self) -> frozenset[Role]:
        """The roles whose counters are lost: they must be paired again."""
        return frozenset(role for role in Role if self._context(role) is Met.LOST)

    def paired(self, role: Role) -> None:
        """A role was paired anew: take its key from memory when it speaks next."""
        self._contexts.pop(role, None)
        self._last.pop(role, None)

    def heard(self, frame: bytes, field: Field, sender: Hashable) -> Reply:
        """Meet one frame; ``sender`` tells where it came from, and is used for nothing but a repeated one."""
        if len(frame) > MOST_FRAME:
            return Reply(Met.TOO_LONG)
        for last in self._last.values():
            if last.request == frame and last.sender == sender:
                return Reply(Met.REPEATED, last.answer)
        message = _decoded(frame)
        if message is None:
            return Reply(Met.UNREADABLE)
        if message.mtype is not CON or not message.code.is_request():
            return Reply(Met.NOT_A_REQUEST)
        met = self._opened(message, field)
        if isinstance(met, Met):
            return Reply(met, _encoded(Message(code=coap.UNAUTHORIZED), message))
        role, answered, response = met
        answer = _encoded(response, message)
        self._last[role] = _Exchange(sender, frame, answer)
        return Reply(answered, answer)

    def _opened(self, message: Message, field: Field) -> tuple[Role, Met, Message] | Met:
        """The protected answer to a message, or why it gets none."""
        if message.code != coap.POST or message.opt.oscore is None or not _only(message, _OUTER):
            return Met.UNPROTECTED
        found = self._known(message)
        if isinstance(found, Met):
            return found
        role, context = found
        try:
            request, request_id = context.unprotect(message)
        except oscore.ReplayError:
            return Met.REPLAYED
        except oscore.ProtectionInvalid:
            return Met.NOT_GENUINE
        except Lost:
            self._contexts[role] = Met.LOST
            return Met.LOST
        response = self._response(role, field, request)
        protected: tuple[Message, Any] = context.protect(response, request_id)
        return role, Met.ANSWERED if response.code.is_successful() else Met.DENIED, protected[0]

    def _known(self, message: Message) -> tuple[Role, Context] | Met:
        try:
            named = oscore.verify_start(message)
        except Exception:  # noqa: BLE001 - the library lets an IndexError through
            return Met.NOT_GENUINE
        role = _ROLE.get(named.get(oscore.COSE_KID))
        if role is None or oscore.COSE_KID_CONTEXT in named:
            return Met.UNKNOWN_KEY
        context = self._context(role)
        return context if isinstance(context, Met) else (role, context)

    def _context(self, role: Role) -> Context | Met:
        if role not in self._contexts:
            self._contexts[role] = self._open(role)
        return self._contexts[role]

    def _open(self, role: Role) -> Context | Met:
        key = kept_key(self._vault, Side.PUMP, role, self._serial)
        if key is None:
            return Met.UNKNOWN_KEY
        try:
            return Context(self._vault, Side.PUMP, key)
        except Lost:
            return Met.LOST

    def _response(self, role: Role, field: Field, request: Message) -> Message:
        """Ask for an answer: GET carries no payload and POST carries one, and one word is the whole path."""
        reads = request.code == coap.GET
        plain = (reads or request.code == coap.POST) and reads == (request.payload == b"")
        if not plain or len(request.opt.uri_path) != 1 or not _only(request, {OptionNumber.URI_PATH}):
            return Message(code=coap.BAD_REQUEST)
        answered = self._answers.answer(role, field, request.opt.uri_path[0], request.payload)
        if answered.code is Code.DONE:
            return Message(code=coap.CONTENT if reads else coap.CHANGED, payload=answered.payload)
        return Message(code=_CODES[answered.code])


def _decoded(frame: bytes) -> Message | None:
    """The message in a frame; None where there is none. The library does not check the length of a token."""
    if len(frame) < 4 or frame[0] & 0x0F > min(8, len(frame) - 4):
        return None
    try:
        return Message.decode(frame)
    except Exception:  # noqa: BLE001 - what a stranger sends may raise anything in the codec
        return None


def _only(message: Message, options: set[OptionNumber]) -> bool:
    return all(option.number in options for option in message.opt.option_list())


def _encoded(response: Message, request: Message) -> bytes:
    """The frame of an answer, carried on the acknowledgment."""
    response.mtype, response.mid, response.token = ACK, request.mid, request.token
    frame: bytes = response.encode()
    return frame
