"""Everything a pump holds, read piece by piece and checked: identity, program, order document, log with its chain."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, cast

from thecal.link.catalogue import MOST_DOCUMENT, MOST_PIECE, Area
from thecal.link.log_reading import Piece, Standing, read_log
from thecal.link.outcome import Denied, NotHeard, NotSent
from thecal.link.reading import Identity, Status
from thecal.link.talk import Arm, Result, Why
from thecal.pump.core.log import SIZE as RECORD_BYTES
from thecal.pump.core.program import RECORD_SIZE, Program

if TYPE_CHECKING:
    from thecal.link.log_chain import Record
    from thecal.link.log_reading import LogReading
    from thecal.link.talk import Talk

FROM_THE_START = (0, bytes(32))
"""The record before the first one, and its digest."""


@dataclass(frozen=True, slots=True)
class Interrogation:
    """A pump as it was read. ``program`` and ``document`` are bytes, empty where the pump holds none.

    ``records`` are those of the log from the asked one on; ``missing`` counts the asked ones that it no longer holds.
    ``log_end`` is the number and digest of the newest record read, to go on from next time. ``log_fault`` says what is
    wrong with the log, and is empty for a sound one: a damaged log is a finding, and no reason to read nothing else.
    """

    status: Status
    identity: Identity
    program: bytes
    document: bytes
    records: tuple[Record, ...]
    missing: int
    log_end: tuple[int, bytes]
    read_utc: str
    log_fault: str = ""

    def running(self) -> Program | None:
        """The program that the pump holds, None where it holds none."""
        return unpacked(self.program) if self.program else None


class _Odd(Exception):  # noqa: N818 - carries a finding out of the reading, and never leaves this module
    """What was read does not fit together."""

    def __init__(self, why: Why, said: str) -> None:
        super().__init__(said)
        self.why = why


def unpacked(data: bytes) -> Program | None:
    """A program from its bytes; None where they are not one."""
    program = Program()
    return program if len(data) == RECORD_SIZE and program.unpack(data) else None


async def interrogate(talk: Talk, known: tuple[int, bytes] = FROM_THE_START) -> Interrogation | Result:
    """Read all of a pump, and its log from behind ``known`` on: the number and digest of a record read before.

    A result where the pump was not reached, or where what it said does not fit together.
    """
    try:
        return await _interrogate(talk, known)
    except (NotSent, NotHeard, Denied) as why:
        return Result(
            Arm.NOT_REACHED, f"the pump was not read to the end: {why}; nothing was changed; next: read it again"
        )
    except _Odd as odd:
        said = f"{odd}; do not rely on this reading; next: read the pump again"
        return Result(Arm.NOT_REACHED, said, why=odd.why, status=talk.status)


async def _interrogate(talk: Talk, known: tuple[int, bytes]) -> Interrogation:
    await talk.ask("status")  # the one reading that a pump counts
    program = await _text(talk, Area.PROGRAM)
    document = await _text(talk, Area.DOCUMENT)
    reply = await talk.ask("identity")
    try:
        identity, status = Identity.of(reply.values), Status.of(reply.status)
    except ValueError as unknown:
        raise _Odd(Why.MISMATCH, f"the identity of the pump cannot be read: {unknown}") from unknown
    if identity.serial != talk.serial:
        raise _Odd(Why.OTHER_PUMP, f"pump {identity.serial} answers in place of {talk.serial}")
    _check(identity, status, program, document)
    log = await _log(talk, known, identity)
    missing, fault = _judged(log, known, identity)
    end = known if fault else (identity.log_newest, identity.log_digest)
    return Interrogation(status, identity, program, document, log.records, missing, end, talk.utc(), fault)


def _check(identity: Identity, status: Status, program: bytes, document: bytes) -> None:
    """Program, document, patient and running digest belong together."""
    if not program:
        if status.loaded:
            raise _Odd(Why.MISMATCH, "the pump runs a program that it does not show")
        return
    if not status.loaded or sha256(program).digest() != status.digest:
        raise _Odd(Why.MISMATCH, "the program was changed while it was read")
    held = unpacked(program)
    if held is None or bytes(held.patient_ref) != identity.patient:
        raise _Odd(Why.MISMATCH, "the program that was read is not the pump's")
    if bytes(held.order_digest) != identity.order_digest or sha256(document).digest() != identity.order_digest:
        raise _Odd(Why.DOCUMENT, "the order document in the pump is not the one that its program names")


async def _text(talk: Talk, area: Area) -> bytes:
    """A whole text, checked against the digest that came with each piece of it."""
    text = b""
    digest = b""
    while True:
        piece = (await talk.ask("piece", area=area.value, at=len(text), most=MOST_PIECE)).values
        data, whole = cast("bytes", piece["data"]), cast("int", piece["whole"])
        if whole > MOST_DOCUMENT:
            raise _Odd(
                Why.MISMATCH, f"the {area} is said to have {whole:,} bytes, at most {MOST_DOCUMENT:,} are allowed"
            )
        if text and piece["digest"] != digest:
            raise _Odd(Why.MISMATCH, f"the {area} was changed while it was read")
        text, digest = text + data, cast("bytes", piece["digest"])
        if len(text) >= whole or not data:
            break
    if len(text) != whole or (sha256(text).digest() if text else b"") != digest:
        raise _Odd(Why.MISMATCH, f"the {area} that was read is not whole")
    return text


async def records_after(talk: Talk, number: int) -> tuple[Record, ...] | None:
    """The records of the log behind ``number``; None where they cannot be read whole."""
    try:
        identity = Identity.of((await talk.ask("identity")).values)
        log = await _log(talk, (number, b""), identity)
    except (NotSent, NotHeard, Denied, ValueError):
        return None
    return log.records if log.verdict.standing is Standing.INTACT else None


async def _log(talk: Talk, known: tuple[int, bytes], identity: Identity) -> LogReading:
    """The log behind ``known`` up to the newest record of ``identity``, as far as the pump holds it."""
    number, digest = known
    pieces: list[Piece] = []
    at, newest = number + 1, identity.log_newest
    while at <= newest:
        found = (await talk.ask("piece", area=Area.LOG.value, at=at, most=MOST_PIECE)).values
        data = cast("bytes", found["data"])
        if data:
            pieces.append(Piece(at, cast("bytes", found["digest"]), data))
            at += max(1, len(data) // RECORD_BYTES)
        elif not pieces and identity.log_oldest > at:
            at = identity.log_oldest
        else:
            break
    kept = {number: digest} if number and digest else {}
    return read_log(pieces, identity.log_digest, newest, wanted=number + 1, known=kept)


def _judged(log: LogReading, known: tuple[int, bytes], identity: Identity) -> tuple[int, str]:
    """How many of the asked records are no longer held, and what is wrong with the others."""
    verdict = log.verdict
    if verdict.standing is Standing.BROKEN:
        return verdict.records_missing, verdict.text
    if known[0] == identity.log_newest and known[1] != identity.log_digest:
        return 0, f"record {known[0]:,} is not the one that was read before"
    if verdict.missing and verdict.missing[-1][1] == identity.log_newest:
        return verdict.records_missing, f"records up to {identity.log_newest:,} are said to be there, and are not shown"
    return verdict.records_missing, ""
