"""The log as people read it: what every record means, and what the chain that binds them is worth.

In come pieces of a log as a pump answers them and the digest that the pump says is the newest; out come records and a
verdict: intact, with a gap, or broken at a record. A broken log is a finding and no reason to read nothing. Bytes come
from outside: whatever they are, nothing here raises.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from hashlib import sha256
from struct import unpack
from typing import TYPE_CHECKING

from thecal.link.log_chain import Record
from thecal.link.roles import WHO, Role
from thecal.pump.core import codes as k
from thecal.pump.core.log import RECORD, SIZE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

BEFORE_FIRST = bytes(32)
"""The digest before the first record ever written."""


class Event(IntEnum):
    """What a record is about, as the core numbers it."""

    BOOT = k.E_BOOT
    PROGRAM = k.E_PROGRAM
    STOP = k.E_STOP
    START = k.E_START
    BOLUS = k.E_BOLUS
    BOLUS_END = k.E_BOLUS_END
    BOLUS_CUT = k.E_BOLUS_CUT
    REFUSED = k.E_REFUSED
    REFILL = k.E_REFILL
    ALARM = k.E_ALARM
    CLEAR = k.E_CLEAR
    ACK = k.E_ACK
    BRIDGE_END = k.E_BRIDGE_END
    HELD = k.E_HELD
    CLOCK = k.E_CLOCK
    PRIME = k.E_PRIME
    TOTAL = k.E_TOTAL
    EXTRA = k.E_EXTRA
    BRIDGE_CUT = k.E_BRIDGE_CUT
    VOIDED = k.E_VOIDED
    TEST = k.E_TEST
    SESSION = k.E_SESSION


NAME: Mapping[int, str] = {
    Event.BOOT: "started",
    Event.PROGRAM: "program confirmed",
    Event.STOP: "delivery stopped",
    Event.START: "delivery started",
    Event.BOLUS: "bolus granted",
    Event.BOLUS_END: "bolus ended",
    Event.BOLUS_CUT: "bolus cut short",
    Event.REFUSED: "request refused",
    Event.REFILL: "refill recorded",
    Event.ALARM: "alarm issued",
    Event.CLEAR: "alarm cleared",
    Event.ACK: "alarm acknowledged",
    Event.BRIDGE_END: "bridge ended",
    Event.HELD: "strokes held back",
    Event.CLOCK: "pump clock set",
    Event.PRIME: "prime granted",
    Event.TOTAL: "total of the day",
    Event.EXTRA: "strokes beyond the commanded ones",
    Event.BRIDGE_CUT: "bridge cut short",
    Event.VOIDED: "command withdrawn",
    Event.TEST: "alarm test",
    Event.SESSION: "somebody came near",
}
"""The name of each event; a code that is not here was written by newer software than this."""

KINDS: Mapping[int, str] = {k.PATIENT: "patient bolus", k.SINGLE: "single bolus", k.PRIME: "prime"}
"""The kinds of bolus in words."""


@dataclass(frozen=True, slots=True)
class Words:
    """How numbers in records are said: alarms in the order of the core, answers by their code.

    Left out, the number itself is said.
    """

    alarms: Sequence[str] = ()
    answers: Mapping[int, str] = field(default_factory=dict)

    def alarm(self, number: int) -> str:
        """The name of an alarm."""
        return self.alarms[number] if 0 <= number < len(self.alarms) else f"alarm {number}"

    def answer(self, code: int) -> str:
        """The words of an answer."""
        return self.answers.get(code, f"answer {code}")


def event_name(event: int) -> str:
    """The name of an event, or its number where this software does not know it."""
    return NAME.get(event, f"event {event}")


def record_text(record: Record, words: Words | None = None) -> str:
    """What a record says happened, with its numbers, in words."""
    said = _said(record, words or Words())
    return f"{event_name(record.event)}: {said}" if said else event_name(record.event)


def party(who: int) -> str:
    """Who a record names: a role of the link, or the number where it is none of them."""
    if who == 0:
        return "nobody over the link"
    return next((str(role) for role, number in WHO.items() if number == who), f"party {who}")


def _strokes(number: int) -> str:
    return f"{number:,} stroke" if number == 1 else f"{number:,} strokes"


def _said(record: Record, words: Words) -> str:
    """The two numbers of a record in words."""
    a, b = record.a, record.b
    match record.event:
        case Event.ALARM if b:
            return f"{words.alarm(a)}; {b:,} nL expected in the reservoir"
        case Event.ALARM | Event.CLEAR | Event.ACK:
            return words.alarm(a)
        case Event.STOP | Event.START | Event.SESSION:
            return f"by {party(a)}"
        case Event.BOLUS | Event.BOLUS_END | Event.BOLUS_CUT:
            given = "" if record.event == Event.BOLUS else " given"
            return f"{KINDS.get(a, f'bolus {a}')}, {_strokes(b)}{given}"
        case Event.REFUSED:
            return words.answer(a) + (f"; {b:,} s to wait" if b else "")
        case _:
            return _said_of_accounts(record)


def _said_of_accounts(record: Record) -> str:  # noqa: PLR0911 - one for each event
    a, b = record.a, record.b
    match record.event:
        case Event.BOOT:
            return f"{_strokes(a)} assumed delivered, start {b:,}"
        case Event.PROGRAM:
            return f"number {a:,}, digest begins {b:014x}"
        case Event.REFILL:
            return f"{a:,} nL in the reservoir, {b:,} nL expected before"
        case Event.TOTAL:
            return f"{_strokes(a)} confirmed, {b:,} missed"
        case Event.CLOCK:
            return f"offset {b:,} s, before {a:,} s"
        case Event.PRIME:
            return f"catheter state {a}, {_strokes(b)} beyond the dead volume"
        case Event.BRIDGE_CUT:
            return f"{_strokes(a)} since it began, {b:,} nL of old drug left"
        case Event.BRIDGE_END | Event.HELD | Event.EXTRA:
            return _strokes(a)
        case Event.VOIDED:
            return f"number {b}, by {party(a) if a else Role.PATIENT}"
        case Event.TEST:
            return "critical tone" if a else "non-critical tone"
        case _:
            return f"{a}, {b}"


def read_records(data: bytes) -> tuple[Record, ...]:
    """The whole records of some bytes, in order; what is left over at the end is no record."""
    whole = len(data) // SIZE * SIZE
    return tuple(Record(*unpack(RECORD, data[at : at + SIZE])) for at in range(0, whole, SIZE))


@dataclass(frozen=True, slots=True)
class Piece:
    """Records as a pump answers them: those from number ``first`` on, and the digest of the one before them.

    Both ``data`` and ``before`` are empty where the pump no longer holds that record.
    """

    first: int
    before: bytes
    data: bytes


class Standing(StrEnum):
    """What a chain is worth."""

    INTACT = "intact"
    GAP = "gap"
    """What is held is intact, and some records are no longer held."""
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the chain says of the records from ``first`` to ``last`` (0 and 0: none were read).

    ``broken_at`` is the first record that cannot be trusted, and ``why`` says what is wrong; ``missing`` are ranges of
    numbers, both ends included, that are no longer held.
    """

    standing: Standing
    first: int
    last: int
    missing: tuple[tuple[int, int], ...] = ()
    broken_at: int | None = None
    why: str | None = None

    @property
    def records_missing(self) -> int:
        """How many records are no longer held."""
        return sum(end - start + 1 for start, end in self.missing)

    @property
    def text(self) -> str:
        """In one line."""
        held = f"records {self.first:,} to {self.last:,}" if self.last else "no records"
        if self.standing is Standing.BROKEN:
            return f"the chain is broken at record {self.broken_at:,}: {self.why}"
        if self.missing:
            ranges = ", ".join(f"{a:,} to {b:,}" if a < b else f"{a:,}" for a, b in self.missing)
            return f"{held} are intact; no longer held: {ranges}"
        return f"{held} are intact"


@dataclass(frozen=True, slots=True)
class LogReading:
    """The records that were read, in order, and what their chain is worth."""

    records: tuple[Record, ...]
    verdict: Verdict


def read_log(
    pieces: Iterable[Piece], head: bytes, newest: int, *, wanted: int = 1, known: Mapping[int, bytes] | None = None
) -> LogReading:
    """Read a log from number ``wanted`` on and follow its chain to ``head``, the digest of record ``newest``.

    Records after ``newest``, which the pump wrote meanwhile, are left for the next reading. ``known`` are digests by
    number that the reader kept from earlier readings: a log that was rewritten as a whole is told by them. The chain
    is compared wherever a digest is known, so a break lies between two of those.
    """
    chain = _Chain(wanted, {**(known or {}), 0: BEFORE_FIRST}, head, newest)
    for piece in sorted(pieces, key=lambda p: p.first):
        chain.take(piece)
    return chain.close()


class _Chain:
    """Follows a chain record by record; the first break ends it, gaps are noted."""

    def __init__(self, wanted: int, known: Mapping[int, bytes], head: bytes, newest: int) -> None:
        self.next = self.sure = max(wanted, 1)  # ``sure``: the first record that no comparison has reached
        self.known = known
        self.head = head
        self.newest = newest
        self.digest = known.get(self.next - 1)
        self.records: list[Record] = []
        self.raw: dict[int, bytes] = {}
        self.missing: list[tuple[int, int]] = []
        self.broken: tuple[int, str] | None = None

    def take(self, piece: Piece) -> None:
        """The next piece, by the number of its first record."""
        if self.broken is not None or not piece.data:
            return
        if piece.first > self.next:
            self.missing.append((self.next, piece.first - 1))
        if piece.first > self.next or (piece.first < self.next and not self.records):
            self.next = self.sure = piece.first
            self.digest = self.known.get(piece.first - 1)
        rows = [piece.data[at : at + SIZE] for at in range(0, len(piece.data), SIZE)]
        again = self.next - piece.first
        for number, raw in enumerate(rows[:again], piece.first):
            if self.raw.get(number) != raw:
                self._break(number, "it was read twice and is not the same")
                return
        if again == 0 and self.digest is not None and self.digest != piece.before:
            self._break(self.sure, f"the digest before record {piece.first:,} is another one")
        elif again == 0 and len(piece.before) != len(BEFORE_FIRST):
            self._break(piece.first, "there is no digest before it")
        else:
            self._follow(rows[again:], piece.before if again == 0 else self.digest or b"")

    def _follow(self, rows: Sequence[bytes], digest: bytes) -> None:
        """Go on from ``digest``, which is the one before the first of these rows."""
        if self.digest is not None:
            self.sure = self.next
        for raw in rows:
            if self.next > self.newest:
                break
            digest = sha256(digest + raw).digest()
            wrong = self._wrong(raw, digest)
            if wrong is not None:
                self._break(*wrong)
                return
            self.records.append(Record(*unpack(RECORD, raw)))
            self.raw[self.next] = raw
            self.next += 1
            if self.next - 1 in self.known:
                self.sure = self.next
        self.digest = digest

    def _wrong(self, raw: bytes, digest: bytes) -> tuple[int, str] | None:
        """What is wrong with the next record, and from which record on nothing can be trusted."""
        if len(raw) != SIZE:
            return self.next, "it is cut off"
        number = unpack(RECORD, raw)[0]
        if number != self.next:
            return self.next, f"it has the number {number:,}"
        if self.known.get(number, digest) != digest:
            return self.sure, f"the digest of record {number:,} is not the one that was kept"
        if number == self.newest and digest != self.head:
            return self.sure, "the pump gives another digest for its newest record"
        return None

    def _break(self, at: int, why: str) -> None:
        self.broken = (at, why)

    def close(self) -> LogReading:
        """The verdict, once every piece was taken."""
        if self.broken is None and self.next <= self.newest:
            self.missing.append((self.next, self.newest))
        if self.broken is None and self.newest < max(self.known):
            self._break(self.newest + 1, f"record {max(self.known):,} was read before and is gone")
        standing = Standing.GAP if self.missing else Standing.INTACT
        at, why = self.broken or (None, None)
        verdict = Verdict(
            standing=Standing.BROKEN if self.broken else standing,
            first=self.records[0].number if self.records else 0,
            last=self.records[-1].number if self.records else 0,
            missing=tuple(self.missing),
            broken_at=at,
            why=why,
        )
        return LogReading(tuple(self.records), verdict)
