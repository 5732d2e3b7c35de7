"""Protection of what is said: OSCORE contexts whose sequence numbers and replay window outlive any crash.

The cryptography, the nonces and the form of protected messages are aiocoap's (RFC 8613, AES-CCM-16-64-128 with
HKDF-SHA-256). Added here is memory, with two promises: no sequence number protects two messages, and no request is
accepted twice. Both sides keep one number for each key and store it ahead in blocks (RFC 8613, appendix B.1.1): a
caller before it uses a number at or beyond it, a pump before it accepts one. After a start everything below counts as
used. So a caller skips what was left of its block, and a pump that was restarted refuses the numbers that were left of
the one it was in, until the caller goes beyond: ``Context.skip``. Within a run the pump keeps the library's window.

A pump sends nothing of its own accord, and answers with the nonce of the request, once: it needs no numbers.

Counters are born with their key, in ``pair``. Counters that are missing, damaged, or of another key are lost
counters, never new ones, and then nothing is protected or accepted until the role is paired again under a new key.
There is no resynchronization by challenge (appendix B.1.2): a stranger who can make a pump forget could start one.

What memory alone cannot see: a memory that is put back whole, key and counters together, to an earlier state, looks
like one that never went on. A pump restored so would accept again what it heard since, and answer it under nonces that
it has used. Nothing that lies in the same memory can show this; a counter that cannot be turned back would. So a copy
of a pump's or a caller's memory must never be brought to life: after a restore every role is paired again, with a new
key, and old requests are then of an unknown one. Counters that are put back under a running pump or caller are noticed
before the next block, and counters from before a pairing always. The numbers of commands, which the pump remembers
elsewhere, stop a repeated command even then.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Any

from aiocoap import oscore

from thecal.link.key import Key, Side, keep_key, kept_key, name_of
from thecal.link.roles import KID, PUMP_KID
from thecal.link.vault import Mirrored, Vault

if TYPE_CHECKING:
    from aiocoap import Message

BLOCK = 64
"""Numbers that are stored ahead at once. Ours: one write for so many requests, and at most so many lost at a start."""
MOST_NUMBER: int = oscore.MAX_SEQNO
"""The sequence numbers of a key end before this one (RFC 8613, section 7.2.1)."""
_COUNTERS = Struct(">4s8sQQ")
_MAGIC = b"TLC1"


class Lost(Exception):  # noqa: N818 - a state that a person reads about, not a fault of the program
    """The counters of a key are missing, damaged or of another key: pair the role with the pump again."""


@dataclass(frozen=True, slots=True)
class Counters:
    """How far a key is used: every number below ``used`` counts as such after a start.

    ``turn`` counts the writes, so that the newer of two copies is known.
    """

    turn: int = 0
    used: int = 0


class _CounterRecord:
    """The counters of one key in a memory."""

    def __init__(self, vault: Vault, side: Side, key: Key) -> None:
        self._copies = Mirrored(vault, name_of(side, key.role, key.serial) + "-state")
        self._tag = key.tag()

    def read(self) -> Counters | None:
        found = [_COUNTERS.unpack(copy) for copy in self._copies.read() if len(copy) == _COUNTERS.size]
        mine = [Counters(turn, used) for magic, tag, turn, used in found if magic == _MAGIC and tag == self._tag]
        return max(mine, key=lambda counters: counters.turn, default=None)

    def write(self, counters: Counters) -> None:
        self._copies.write(_COUNTERS.pack(_MAGIC, self._tag, counters.turn, counters.used))


def pair(vault: Vault, side: Side, key: Key) -> None:
    """Store a new key with counters that begin, in place of what this role had with the pump.

    Raises ValueError where this key was paired in this memory before: its numbers must not begin again.
    """
    record = _CounterRecord(vault, side, key)
    known = kept_key(vault, side, key.role, key.serial)
    if record.read() is not None or (known is not None and known.tag() == key.tag()):
        raise ValueError("this key was paired before and cannot begin again: issue a new one")
    # Counters first: a crash between leaves the former key, which either still works or has lost its counters.
    record.write(Counters())
    keep_key(vault, side, key)


class Context(oscore.CanProtect, oscore.CanUnprotect, oscore.SecurityContextUtils):  # type: ignore[misc]
    """One key in use on one side. Raises ``Lost`` where its counters are, when it is made and later.

    Only one context of a key may be in use in a memory; a second one is noticed before the next block.
    """

    echo_recovery = None
    id_context = None
    alg_aead = oscore.algorithms[oscore.DEFAULT_ALGORITHM]
    hashfun = oscore.hashfunctions[oscore.DEFAULT_HASHFUNCTION]

    def __init__(self, vault: Vault, side: Side, key: Key) -> None:
        self._lost = f"the counters of the {key.role} with pump {key.serial} are lost: pair them again"
        self._record = _CounterRecord(vault, side, key)
        counters = self._record.read()
        if counters is None:
            raise Lost(self._lost)
        self._counters = counters
        self._next = counters.used
        self._side = side
        self.authenticated_claims = [key.role.value]
        ours, theirs = (PUMP_KID, KID[key.role]) if side is Side.PUMP else (KID[key.role], PUMP_KID)
        self.sender_id, self.recipient_id = ours, theirs
        self.derive_keys(key.salt, key.secret)
        self.recipient_replay_window = _Window()
        if side is Side.PUMP:
            self.recipient_replay_window.initialize_from_persisted({"index": counters.used, "bitfield": 0})

    def new_sequence_number(self) -> int:
        """A number that was never used before. Raises ContextUnavailable where there is none left, or none allowed."""
        if self._side is Side.PUMP:
            raise oscore.ContextUnavailable("a pump answers and never asks")
        if self._next >= MOST_NUMBER:
            raise oscore.ContextUnavailable("the sequence numbers of this key are used up: pair again")
        self._store_ahead(self._next)
        number = self._next
        self._next += 1
        return number

    def skip(self) -> None:
        """Go on beyond every number that a pump can have struck out ahead and not heard."""
        self._next += BLOCK

    def unprotect(self, protected_message: Message, request_id: Any = None) -> tuple[Message, Any]:
        """As the library does it; a request is handed out only after its number is stored as struck out.

        Raises ProtectionInvalid for whatever is wrong with the message, and what the memory raises where it fails.
        """
        try:
            opened: tuple[Message, Any] = super().unprotect(protected_message, request_id)
        except oscore.ProtectionInvalid:
            raise
        except Exception as odd:
            raise oscore.DecodeError("not a protected message") from odd
        if request_id is None:
            self._store_ahead(self.recipient_replay_window.struck)
        return opened

    def post_seqnoincrease(self) -> None:
        """Nothing is left to do: numbers are stored before they are used, not after."""

    def _store_ahead(self, number: int) -> None:
        """Make sure that ``number`` will count as used after a start."""
        if number < self._counters.used:
            return
        if self._record.read() != self._counters:
            raise Lost(self._lost)
        counters = Counters(self._counters.turn + 1, number + BLOCK)
        self._record.write(counters)
        self._counters = counters


class _Window(oscore.ReplayWindow):  # type: ignore[misc]
    """The library's window, which also tells the number that it struck out last."""

    def __init__(self) -> None:
        super().__init__(oscore.DEFAULT_WINDOWSIZE, lambda: None)
        self.struck = -1

    def strike_out(self, number: int) -> None:
        super().strike_out(number)
        self.struck = number
