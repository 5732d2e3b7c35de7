"""The log as its reader takes it: meanings of every event, and a chain that tells intact, gap and broken apart."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from itertools import pairwise
from struct import pack

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.core_world import World, program, world

from thecal.link.log_chain import Record
from thecal.link.log_reading import (
    BEFORE_FIRST,
    NAME,
    Event,
    LogReading,
    Piece,
    Standing,
    Words,
    event_name,
    party,
    read_log,
    read_records,
    record_text,
)
from thecal.link.roles import WHO, Role
from thecal.pump.core import alarms as al
from thecal.pump.core import codes
from thecal.pump.core.log import RECORD, SIZE, Log
from thecal.twin.records import ALARMS, answer_of

WORDS = Words(tuple(str(a) for a in ALARMS), {code: str(answer_of(code)) for code in range(26)})
EVENTS = {name: value for name, value in vars(codes).items() if name.startswith("E_")}


def log_of(count: int, capacity: int = 1_000) -> Log:
    log = Log(capacity)
    for n in range(count):
        log.append(n * 10, n * 10 + 5, 1 + n % 21, n, -n)
    log.seal()
    return log


def digests(log: Log) -> dict[int, bytes]:
    """The digest of every record that is held, from the records alone (all of them have to be)."""
    found, digest = {0: BEFORE_FIRST}, BEFORE_FIRST
    for number in range(1, log.sealed + 1):
        digest = sha256(digest + log.record(number)).digest()
        found[number] = digest
    return found


def pieces_of(log: Log, cuts: list[int], first: int = 1) -> list[Piece]:
    """The log in pieces that begin at ``first`` and at every cut after it."""
    before = digests(log)
    edges = sorted({first, *(c for c in cuts if first < c <= log.sealed), log.sealed + 1})
    return [Piece(a, before[a - 1], b"".join(log.record(n) for n in range(a, b))) for a, b in pairwise(edges) if b > a]


def reading(log: Log, pieces: list[Piece], **more: object) -> LogReading:
    return read_log(pieces, bytes(log.digest), log.sealed, **more)  # type: ignore[arg-type]


# Meanings


def test_every_event_of_the_core_has_a_name() -> None:
    assert {e.name: e.value for e in Event} == {name[2:]: value for name, value in EVENTS.items()}
    assert set(NAME) == set(Event)
    assert len(set(NAME.values())) == len(NAME)


@pytest.mark.parametrize(
    ("event", "a", "b", "text"),
    [
        (codes.E_BOOT, 1, 3, "started: 1 stroke assumed delivered, start 3"),
        (codes.E_PROGRAM, 2, 0xAB, "program confirmed: number 2, digest begins 000000000000ab"),
        (codes.E_STOP, WHO[Role.CARD], 0, "delivery stopped: by card"),
        (codes.E_START, 0, 0, "delivery started: by nobody over the link"),
        (codes.E_BOLUS, codes.PATIENT, 40, "bolus granted: patient bolus, 40 strokes"),
        (codes.E_BOLUS_END, codes.SINGLE, 1_200, "bolus ended: single bolus, 1,200 strokes given"),
        (codes.E_BOLUS_CUT, codes.PRIME, 0, "bolus cut short: prime, 0 strokes given"),
        (codes.E_BOLUS, 9, 1, "bolus granted: bolus 9, 1 stroke"),
        (codes.E_REFUSED, codes.LOCKOUT, 60, "request refused: the lockout still runs; 60 s to wait"),
        (codes.E_REFUSED, codes.STOPPED, 0, "request refused: the pump is stopped"),
        (codes.E_REFILL, 20_000_000, 12, "refill recorded: 20,000,000 nL in the reservoir, 12 nL expected before"),
        (codes.E_ALARM, al.STALL, 0, "alarm issued: motor stall"),
        (codes.E_CLEAR, 99, 0, "alarm cleared: alarm 99"),
        (codes.E_ACK, -1, 0, "alarm acknowledged: alarm -1"),
        (codes.E_BRIDGE_END, 7, 0, "bridge ended: 7 strokes"),
        (codes.E_HELD, 1, 0, "strokes held back: 1 stroke"),
        (codes.E_CLOCK, 5, 3600, "pump clock set: offset 3,600 s, before 5 s"),
        (codes.E_PRIME, 3, 2, "prime granted: catheter state 3, 2 strokes beyond the dead volume"),
        (codes.E_TOTAL, 480, 2, "total of the day: 480 strokes confirmed, 2 missed"),
        (codes.E_EXTRA, 1, 0, "strokes beyond the commanded ones: 1 stroke"),
        (codes.E_BRIDGE_CUT, 4, 900, "bridge cut short: 4 strokes since it began, 900 nL of old drug left"),
        (codes.E_VOIDED, 0, 17, "command withdrawn: number 17, by patient"),
        (codes.E_VOIDED, WHO[Role.PROGRAMMER], 17, "command withdrawn: number 17, by programmer"),
        (codes.E_TEST, 1, 0, "alarm test: critical tone"),
        (codes.E_TEST, 0, 0, "alarm test: non-critical tone"),
        (200, 1, 2, "event 200: 1, 2"),
    ],
)
def test_a_record_says_what_happened(event: int, a: int, b: int, text: str) -> None:
    assert record_text(Record(1, 0, 0, event, a, b), WORDS) == text


def test_without_words_the_numbers_are_said() -> None:
    assert record_text(Record(1, 0, 0, codes.E_ALARM, 4, 0)) == "alarm issued: alarm 4"
    assert record_text(Record(1, 0, 0, codes.E_REFUSED, 5, 0)) == "request refused: answer 5"
    assert party(77) == "party 77"
    assert {party(number) for number in WHO.values()} == {str(r) for r in Role}


# Intact chains, as a real core writes them


@cache
def busy() -> World:
    """A pump that has done a bit of everything."""
    w = world(program(bolus=(40, 600, 3600, 6)))
    w.motor.stalls.append((7000, 20_000))
    for n in range(8):
        w.c.run((n + 1) * 1800)
        w.k.bolus(n + 1)
    assert w.k.stop(WHO[Role.PROGRAMMER]) == codes.GRANTED
    w.c.run(3 * codes.DAY_S)
    assert w.k.start(WHO[Role.PROGRAMMER]) == codes.GRANTED
    w.c.run(4 * codes.DAY_S)
    w.c.log.seal()
    return w


@given(cuts=st.lists(st.integers(2, 80), max_size=6))
@example(cuts=[])
@pytest.mark.requirement("P12", "OP-6.6.1", "OP-6.6.2", "UM-77", "UM-81", "MX-07")
def test_the_log_of_a_pump_is_read_whole_and_intact(cuts: list[int]) -> None:
    log = busy().c.log
    found = reading(log, pieces_of(log, cuts))
    assert found.verdict.standing is Standing.INTACT
    assert (found.verdict.first, found.verdict.last) == (1, log.sealed)
    assert found.verdict.text == f"records 1 to {log.sealed:,} are intact"
    assert [r.number for r in found.records] == list(range(1, log.sealed + 1))
    names = {event_name(r.event) for r in found.records}
    assert {"bolus granted", "request refused", "alarm issued", "delivery stopped", "total of the day"} <= names


@given(
    count=st.integers(0, 60),
    capacity=st.integers(1, 70),
    cuts=st.lists(st.integers(1, 61), max_size=5),
    again=st.integers(0, 5),
)
def test_what_is_held_is_intact_and_what_is_not_is_a_gap(
    count: int, capacity: int, cuts: list[int], again: int
) -> None:
    """A small ring overwrites; pieces may be read twice or overlap, and come in any order."""
    whole, ring = log_of(count), log_of(count, capacity)
    first = ring.oldest()
    pieces = pieces_of(whole, cuts, first) if first else []
    if pieces and again:
        last = pieces[-1]
        start = max(first, last.first - again)
        before = digests(whole)[start - 1]
        pieces.append(Piece(start, before, b"".join(whole.record(n) for n in range(start, count + 1))))
    found = reading(ring, pieces[::-1]).verdict
    assert found.standing is (Standing.GAP if first > 1 else Standing.INTACT)
    assert found.missing == (((1, first - 1),) if first > 1 else ())
    assert found.records_missing == max(0, first - 1)
    assert found.last == count


def test_gaps_are_said_in_words() -> None:
    log = log_of(10)
    before = digests(log)
    pieces = [Piece(2, before[1], log.record(2)), Piece(5, before[4], log.record(5) + log.record(6))]
    found = reading(log, pieces)
    assert found.verdict.standing is Standing.GAP
    assert found.verdict.missing == ((1, 1), (3, 4), (7, 10))
    assert found.verdict.text == "records 2 to 6 are intact; no longer held: 1, 3 to 4, 7 to 10"
    nothing = reading(log, [Piece(1, b"", b"")]).verdict
    assert nothing.text == "no records are intact; no longer held: 1 to 10"
    assert reading(log_of(0), []).verdict.text == "no records are intact"


def test_a_reader_goes_on_where_it_stopped() -> None:
    log = log_of(10)
    before = digests(log)
    found = reading(log, pieces_of(log, [], 6), wanted=6, known={5: before[5]})
    assert found.verdict.standing is Standing.INTACT
    assert found.verdict.first == 6
    more = reading(log, pieces_of(log, []), wanted=6, known={5: before[5]})  # more than was asked for
    assert (more.verdict.standing, more.verdict.first) == (Standing.INTACT, 1)
    late = read_log(pieces_of(log, []), before[7], 7)  # the pump wrote on while it was read
    assert (late.verdict.standing, late.verdict.last) == (Standing.INTACT, 7)


# Broken chains


@given(
    count=st.integers(1, 30),
    where=st.integers(0, 10**6),
    bit=st.integers(0, 7),
    cuts=st.lists(st.integers(2, 31), max_size=4),
)
@pytest.mark.requirement("P12", "MX-07", "FD-10.7")
def test_a_changed_bit_is_told_and_lies_where_the_verdict_says_or_later(
    count: int, where: int, bit: int, cuts: list[int]
) -> None:
    log = log_of(count)
    pieces = pieces_of(log, cuts)
    at = where % (count * SIZE)
    number = at // SIZE + 1
    for i, piece in enumerate(pieces):
        if piece.first <= number < piece.first + len(piece.data) // SIZE:
            data = bytearray(piece.data)
            data[at - (piece.first - 1) * SIZE] ^= 1 << bit
            pieces[i] = Piece(piece.first, piece.before, bytes(data))
            start = piece.first
    found = reading(log, pieces).verdict
    assert found.standing is Standing.BROKEN
    assert found.broken_at is not None
    assert start <= found.broken_at <= number
    assert f"broken at record {found.broken_at:,}" in found.text


def test_a_log_rewritten_as_a_whole_is_told_by_what_was_kept() -> None:
    """Another log, sound in itself, up to the same number: only a digest of an earlier reading tells."""
    true, forged = log_of(10), Log(100)
    for n in range(10):
        forged.append(n, n, codes.E_TOTAL, n, 0)
    forged.seal()
    kept = {5: digests(true)[5]}
    assert reading(forged, pieces_of(forged, [])).verdict.standing is Standing.INTACT
    found = reading(forged, pieces_of(forged, []), known=kept).verdict
    assert (found.standing, found.broken_at) == (Standing.BROKEN, 1)
    assert found.why == "the digest of record 5 is not the one that was kept"
    assert reading(true, pieces_of(true, []), known=kept).verdict.standing is Standing.INTACT


def test_a_log_that_was_cut_back_is_told_by_what_was_kept() -> None:
    true, short = log_of(10), log_of(6)
    kept = {9: digests(true)[9]}
    found = reading(short, pieces_of(short, []), known=kept).verdict
    assert (found.standing, found.broken_at) == (Standing.BROKEN, 7)
    assert found.why == "record 9 was read before and is gone"


@pytest.mark.parametrize(
    ("change", "at", "why"),
    [
        ("cut", 3, "it is cut off"),
        ("number", 2, "it has the number 9"),
        ("before", 1, "the digest before record 1 is another one"),
        ("short before", 1, "the digest before record 1 is another one"),
        ("head", 1, "the pump gives another digest for its newest record"),
    ],
)
def test_each_way_to_break_is_named(change: str, at: int, why: str) -> None:
    log = log_of(4)
    data = b"".join(log.record(n) for n in range(1, 5))
    before, head = BEFORE_FIRST, bytes(log.digest)
    if change == "cut":
        data = data[: 2 * SIZE + 5]
    elif change == "number":
        data = data[:SIZE] + pack(RECORD, 9, 0, 0, 1, 0, 0) + data[2 * SIZE :]
    elif change == "before":
        before = bytes([1]) * 32
    elif change == "short before":
        before = b""
    else:
        head = bytes([1]) * 32
    found = read_log([Piece(1, before, data)], head, 4).verdict
    assert (found.standing, found.broken_at, found.why) == (Standing.BROKEN, at, why)


def test_pieces_that_do_not_fit_together_are_told() -> None:
    log = log_of(8)
    before = digests(log)
    first = Piece(1, BEFORE_FIRST, b"".join(log.record(n) for n in range(1, 5)))
    assert reading(log, [first, Piece(5, before[3], log.record(5))]).verdict.broken_at == 1
    assert reading(log, [Piece(3, b"short", log.record(3))]).verdict.why == "there is no digest before it"
    twice = reading(log, [first, Piece(4, before[3], log.record(5))]).verdict
    assert (twice.broken_at, twice.why) == (4, "it was read twice and is not the same")
    after = reading(log, [first, Piece(4, before[3], log.record(5)), Piece(6, before[5], log.record(6))])
    assert after.verdict.last == 4  # nothing is taken after a break


@given(
    pieces=st.lists(st.builds(Piece, st.integers(-5, 40), st.binary(max_size=40), st.binary(max_size=200)), max_size=5),
    head=st.binary(max_size=40),
    newest=st.integers(-3, 2**31),
    wanted=st.integers(-3, 50),
    known=st.dictionaries(st.integers(0, 40), st.binary(max_size=40), max_size=4),
)
def test_nothing_from_outside_makes_it_raise(
    pieces: list[Piece], head: bytes, newest: int, wanted: int, known: dict[int, bytes]
) -> None:
    found = read_log(pieces, head, newest, wanted=wanted, known=known)
    assert found.verdict.text
    for record in found.records:
        assert record_text(record, WORDS)
    for piece in pieces:
        assert len(read_records(piece.data)) == len(piece.data) // SIZE
