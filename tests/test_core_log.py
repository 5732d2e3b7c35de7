"""The log: its chain read by somebody else, its ring, its numbers, and the same bytes for leaping and stepping."""

from __future__ import annotations

from hashlib import sha256
from struct import pack, unpack

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core_world import Recorder, World, hardware, program, world
from tests.fault_store import FaultStore

from thecal.pump.core import codes
from thecal.pump.core.hardware import Motor
from thecal.pump.core.log import PENDING, RECORD, SIZE, Log
from thecal.pump.core.record import Keeper

Row = tuple[int, int, int, int, int, int]
ROWS = st.lists(
    st.tuples(
        st.integers(0, 2**31 - 1),
        st.integers(0, 2**32 - 1),
        st.integers(1, 17),
        st.integers(-(2**62), 2**62),
        st.integers(-(2**62), 2**62),
    ),
    max_size=60,
)


def chain(records: list[bytes], before: bytes = bytes(32)) -> bytes:
    """The digest of the last record, from the records alone."""
    for raw in records:
        before = sha256(before + raw).digest()
    return before


def rows(log: Log) -> list[Row]:
    """Every sealed record that is still here: number, uptime, clock, event, a, b."""
    out = [log.record(n) for n in range(log.oldest(), log.sealed + 1)] if log.oldest() else []
    return [unpack("<IIIIqq", raw) for raw in out]


@given(written=ROWS, capacity=st.integers(1, 70), seal_every=st.integers(1, 80))
@pytest.mark.requirement("P12", "OP-6.44.1")
def test_the_chain_covers_every_record_ever_written(
    written: list[tuple[int, int, int, int, int]], capacity: int, seal_every: int
) -> None:
    log = Log(capacity)
    expected = []
    for i, (t, clock, event, a, b) in enumerate(written):
        log.append(t, clock, event, a, b)
        expected.append(pack("<IIIIqq", i + 1, t, clock, event, a, b))
        assert log.count() == i + 1
        assert log.n_pending <= PENDING
        if (i + 1) % seal_every == 0:
            log.seal()
            assert log.n_pending == 0
    log.seal()
    assert log.sealed == len(written)
    assert bytes(log.digest) == chain(expected)
    kept = expected[-capacity:]
    assert log.oldest() == (len(expected) - len(kept) + 1 if kept else 0)
    assert [log.record(n) for n in range(len(expected) - len(kept) + 1, len(expected) + 1)] == kept
    for outside in (-1, 0, log.oldest() - 1, log.sealed + 1):
        assert log.record(outside) == b""


def test_a_new_log_is_empty() -> None:
    log = Log(4)
    assert (log.count(), log.oldest(), log.sealed, log.lost, log.n_pending) == (0, 0, 0, 0, 0)
    assert bytes(log.digest) == bytes(32)
    assert log.record(0) == log.record(1) == b""
    assert len(log.ring) == 4 * SIZE
    assert len(log.pending) == PENDING * SIZE == 16 * 32
    log.seal()
    assert bytes(log.digest) == bytes(32), "nothing to seal changes nothing"


@pytest.mark.requirement("P12", "OP-6.44.1", "OP-6.6.3")
def test_a_record_is_its_six_numbers() -> None:
    log = Log(4)
    log.append(7, 9, codes.E_ALARM, -3, 1 << 40)
    assert log.record(1) == b"", "not before it is sealed"
    log.seal()
    assert rows(log) == [(1, 7, 9, codes.E_ALARM, -3, 1 << 40)]
    assert log.record(1) == pack(RECORD, 1, 7, 9, codes.E_ALARM, -3, 1 << 40)
    assert len(log.record(1)) == SIZE


def test_what_nobody_seals_seals_itself() -> None:
    log = Log(100)
    for i in range(PENDING):
        log.append(i, i, 1, 0, 0)
    assert (log.sealed, log.n_pending) == (0, PENDING)
    log.append(99, 99, 1, 0, 0)
    assert (log.sealed, log.n_pending) == (PENDING, 1)
    log.seal()
    assert [r[0] for r in rows(log)] == list(range(1, PENDING + 2))
    assert rows(log)[-1][1] == 99


@pytest.mark.parametrize("byte", range(SIZE))
@pytest.mark.requirement("P12", "MX-07")
def test_every_changed_byte_breaks_the_chain(byte: int) -> None:
    log = Log(8)
    for i in range(3):
        log.append(i, i, 5, i, i)
    log.seal()
    records = [log.record(n) for n in (1, 2, 3)]
    assert chain(records) == bytes(log.digest)
    changed = bytearray(records[1])
    changed[byte] ^= 1
    assert chain([records[0], bytes(changed), records[2]]) != bytes(log.digest)
    assert chain([records[1], records[0], records[2]]) != bytes(log.digest)


@pytest.mark.requirement("P12", "MX-07")
def test_a_reader_that_knows_a_digest_can_check_what_follows() -> None:
    log = Log(3)
    for i in range(5):
        log.append(i, i, 5, 0, 0)
    log.seal()
    known = bytes(log.digest)
    for i in range(3):
        log.append(i, i, 6, 0, 0)
    log.seal()
    assert log.oldest() == 6
    assert chain([log.record(n) for n in (6, 7, 8)], known) == bytes(log.digest)


def test_records_from_before_waking_are_gone_and_their_numbers_and_chain_go_on() -> None:
    store = FaultStore()
    motor = Recorder()
    keeper = Keeper(store)
    c = keeper.wake(hardware(), motor, Log(64))
    motor.controller = c
    for i in range(5):
        c.note(codes.E_ACK, i, 0)
    keeper.settle(c)
    before = bytes(c.log.digest)
    assert c.log.sealed == 5
    woken = Keeper(store).wake(hardware(), Motor(), Log(64))
    log = woken.log
    assert (log.sealed, log.lost, log.count()) == (5, 5, 6)
    assert log.oldest() == 0
    assert log.record(5) == b""
    log.seal()
    assert log.oldest() == 6
    assert log.record(5) == b""
    assert rows(log) == [(6, 0, 0, codes.E_BOOT, 0, 1)], "nothing was due, so nothing was reserved"
    assert chain([log.record(6)], before) == bytes(log.digest)


def test_a_short_ring_after_waking_starts_at_its_own_oldest() -> None:
    log = Log(2)
    log.sealed = log.lost = 10
    for i in range(3):
        log.append(i, 0, 1, 0, 0)
    log.seal()
    assert log.oldest() == 12
    assert [r[0] for r in rows(log)] == [12, 13]


def day(w: World, leap: bool) -> bytes:
    """A day and a half with a bolus, a stop and an edge, in leaps or second by second."""
    for wait, act in ((4000, "press"), (3000, "stop"), (500, "start"), (82_000, "clock"), (40_000, "")):
        if leap:
            w.c.run(w.c.t + wait)
        else:
            w.step(wait)
        if act == "press":
            assert w.k.bolus(1) == codes.GRANTED
        elif act == "stop":
            w.k.stop(1)
        elif act == "start":
            w.k.start(1)
        elif act == "clock":
            w.k.set_clock(7200)
    w.c.log.seal()
    return bytes(w.c.log.ring) + bytes(w.c.log.digest)


@pytest.mark.requirement("UM-77")
def test_leaping_and_stepping_write_the_same_bytes() -> None:
    p = program(rates=((0, 20_000_000), (7200, 40_000_000), (50_000, 5_000_000)))
    leap, step = world(p, level_nl=3_000_000), world(p, level_nl=3_000_000)
    assert day(leap, leap=True) == day(step, leap=False)
    assert leap.c.log.sealed > 8
    assert chain([leap.c.log.record(n) for n in range(1, leap.c.log.sealed + 1)]) == bytes(leap.c.log.digest)
    times = [r[1] for r in rows(leap.c.log)]
    assert times == sorted(times)
