"""Durable memory: power lost at every write, damaged and lost writes, and what a pump knows when it wakes."""

from __future__ import annotations

from struct import calcsize, pack_into, unpack_from
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core_world import Recorder, hardware, packed
from tests.fault_store import (
    AFTER,
    BEFORE,
    DEAD_NL,
    DEAD_STROKES,
    FIRST,
    OVERWRITTEN,
    TEARS,
    TRUNCATED,
    Life,
    PowerCut,
    digest_of,
    events,
    factory_new,
    kept_number,
    running,
    tight,
)

from thecal.pump.core import alarms as al
from thecal.pump.core import codes, record, window
from thecal.pump.core.commands import Commands
from thecal.pump.core.controller import Controller
from thecal.pump.core.hardware import Hardware, Motor
from thecal.pump.core.log import Log
from thecal.pump.core.program import RECORD_SIZE, Program
from thecal.pump.core.record import PROGRAM, RESERVE_S, STATE, Keeper, Store

DAY = codes.DAY_S


@pytest.mark.requirement("P4", "MX-03", "AP-05")
def test_what_was_reserved_counts_as_delivered() -> None:
    life = running()
    c = life.c
    level, strokes, commanded, t = c.level_nl, c.strokes, c.commanded, c.t
    reserved = c.reserved
    assert reserved - commanded == 2 + 20_000_000 * RESERVE_S // c.unit + 1
    assert kept_number(life.store.read(0), "seg_strokes") > 0
    life.power_cut(0)
    c = life.c
    assumed = reserved - commanded
    assert c.strokes == strokes + assumed
    assert c.commanded == c.reserved == reserved
    assert c.level_nl == level - assumed * 250
    assert c.t == c.regular_at_s == t
    assert c.window.total() == c.monitor.total == reserved
    assert c.guarded
    assert c.dirty
    assert c.seg_strokes == 0
    assert (c.window.t[c.window.n - 1], c.window.t[c.window.n - 2]) == (t, t), "a burst, at the end of what was even"
    assert c.rate == 20_000_000, "the base is planned before the first record reserves for it"
    assert c.run(t + 10) == t, "nothing before the state is written"
    assert events(c) == [
        (codes.E_BOOT, assumed, 1),
        (codes.E_ALARM, al.POWER_LOST, life.c.level_nl),
        (codes.E_ALARM, al.CLOCK_DOUBT, life.c.level_nl),
    ]
    life.power_cut(0)
    assert life.c.boots == 1, "a boot whose state was never written is not remembered"
    life.settle()
    life.power_cut(0)
    assert life.c.boots == 2
    assert events(life.c)[-1][0] == codes.E_BOOT, "alarms that are on already are not issued twice"


def test_the_account_in_doubt_is_looked_at_on_waking() -> None:
    """What is assumed delivered may leave the reservoir low or empty: that is known before the first second."""
    life = running()
    life.c.level_nl = 250 * (life.c.reserved - life.c.commanded + 1)
    life.store.areas[0] = life.store.areas[1] = state_of(life.c, life.keeper.sequence + 1, life.keeper.saved_crc)
    c = Keeper(life.store).wake(hardware(), Recorder(), Log(16))
    assert c.level_nl == 250
    assert c.alarms.on(al.EMPTY_RESERVOIR)
    assert c.alarms.on(al.LOW_RESERVOIR)
    assert c.rate == 0


@pytest.mark.requirement("UM-04")
def test_the_first_state_of_a_new_pump() -> None:
    life = Life()
    assert not life.c.loaded
    assert life.c.guarded
    assert life.c.dirty
    assert life.c.boots == 0
    assert life.c.run(10) == 0
    life.settle()
    assert life.c.run(10) == 10
    life.power_cut(0)
    assert life.c.boots == 1
    assert life.c.alarms.active == 0, "an empty pump lost nothing"


@pytest.mark.parametrize("tear", TEARS)
@pytest.mark.parametrize("write", [1, 2])
def test_power_fails_at_the_first_state_ever(write: int, tear: str) -> None:
    life = Life()
    life.store.cut(write, tear, 50)
    with pytest.raises(PowerCut):
        life.settle()
    c = Keeper(life.store).wake(hardware(), Recorder(), Log(16))
    torn_first = write == 1 and tear in (OVERWRITTEN, TRUNCATED)
    assert c.alarms.on(al.MEMORY_CRITICAL) == torn_first, "one copy that was never whole is a memory in doubt"
    assert c.alarms.on(al.MEMORY_MINOR) == (
        not torn_first and (write, tear) != (1, BEFORE) and (write, tear) != (2, AFTER)
    )


@pytest.mark.requirement("P4")
def test_a_bolus_that_waited_its_turn_is_not_given_after_a_loss_of_power() -> None:
    life = running()
    assert [life.single(8, 600), life.single(4, 600)] == [codes.GRANTED, codes.GRANTED]
    life.wait_until(life.true_s() + 60)
    assert (life.c.b_kind, life.c.q_len) == (codes.SINGLE, 1)
    life.power_cut(0)
    assert (life.c.b_kind, life.c.q_len) == (0, 0)
    assert (codes.E_BOLUS_CUT, codes.SINGLE, 0) in events(life.c)


@pytest.mark.requirement("MX-03")
def test_a_bolus_is_never_resumed_and_its_rest_is_counted() -> None:
    life = running()
    assert life.press(1) == codes.GRANTED
    life.wait_until(life.true_s() + 60)
    assert life.c.b_kind == codes.PATIENT
    kept = kept_number(life.store.read(0), "b_given")
    life.power_cut(0)
    assert life.c.b_kind == 0
    assert (codes.E_BOLUS_CUT, codes.PATIENT, kept) in events(life.c)
    assert life.press(1) == codes.DUPLICATE
    assert life.k.first == codes.GRANTED
    assert life.press(2) == codes.LOCKOUT
    before = life.requests[1]
    life.wait_until(life.true_s() + 1000)
    assert (life.requests + life.motor.requests)[1] == before < 40


def test_a_prime_in_doubt_is_free_once_and_never_again() -> None:
    life = factory_new()
    life.refill(18_000_000)
    life.load(FIRST)
    life.start()
    life.wait_until(900)
    total = life.c.window.total() + life.c.seg_strokes
    assert life.prime(1, DEAD_NL, DEAD_NL) == codes.GRANTED
    reserved, commanded, strokes = life.c.reserved, life.c.commanded, life.c.strokes
    life.power_cut(0)
    c = life.c
    assert c.strokes - strokes == reserved - commanded
    assert c.window.total() == total + (reserved - commanded) - DEAD_STROKES
    assert c.monitor.total == c.window.total()
    assert c.monitor.free == 0
    assert (codes.E_BOLUS_CUT, codes.PRIME, 0) in events(c)
    assert life.prime(1, DEAD_NL, DEAD_NL) == codes.PRIMED


def test_a_prime_with_less_in_doubt_than_its_rest() -> None:
    """Where the reservation is smaller than the rest of the prime, no more is free than was in doubt."""
    life = factory_new()
    life.refill(18_000_000)
    life.load(FIRST)
    life.start()
    life.prime(1, DEAD_NL, DEAD_NL)
    life.c.reserved = life.c.commanded + 7
    raw = state_of(life.c, life.keeper.sequence + 1, life.keeper.saved_crc)
    life.store.areas[0] = life.store.areas[1] = raw
    total = life.c.window.total() + life.c.seg_strokes
    life.power_cut(0)
    assert life.c.window.total() == total
    assert life.c.strokes == 7


def test_a_bridge_counts_what_is_in_doubt() -> None:
    life = factory_new()
    life.refill(18_000_000)
    life.load(tight(1, (5_000_000,), ((0, 10_000_000),), bridge=(50_000_000, 20_000_000, 0)))
    life.start()
    life.wait_until(100)
    left, reserved, commanded = life.c.bridge_left, life.c.reserved, life.c.commanded
    kept = kept_number(life.store.read(0), "bridge_left")
    assert kept >= left
    life.power_cut(0)
    assert life.c.bridging
    assert life.c.bridge_left == kept - (reserved - kept_number(life.store.read(0), "commanded")) * life.c.unit
    assert reserved > commanded


def test_a_pump_held_by_its_monitor_is_let_go_again() -> None:
    """The alarm clears with the first stroke that fits, also where power was lost meanwhile."""
    life = running()
    life.c.monitor.most_hour = 10
    life.wait_until(life.true_s() + 1000)
    assert life.c.alarms.on(al.HELD)
    held = life.c.held
    assert held > 0
    life.power_cut(0)
    assert life.c.alarms.on(al.HELD)
    assert life.c.held > 0
    life.c.monitor.most_hour = 300
    life.wait_until(life.true_s() + 8000)
    assert not life.c.alarms.on(al.HELD)


def test_reservation_holds_a_bolus_and_ends_at_the_last_stroke_a_pump_can_count() -> None:
    life = running()
    life.press(1)
    assert life.c.reserved == life.c.commanded + 2 + 20_000_000 * RESERVE_S // life.c.unit + 1 + 40
    life.c.commanded = codes.MAX_STROKES - 4
    life.settle()
    assert life.c.reserved == codes.MAX_STROKES
    life.c.commanded = codes.MAX_STROKES - 100
    life.c.b_kind = 0
    life.settle()
    room = 2 + 20_000_000 * RESERVE_S // life.c.unit + 1
    assert life.c.reserved == life.c.commanded + room
    life.c.commanded = codes.MAX_STROKES - room
    life.settle()
    assert life.c.reserved == codes.MAX_STROKES


def state_of(c: Controller, sequence: int, crc: int) -> bytes:
    """A controller as a record of durable memory."""
    buf = bytearray(record._size(c))
    record._pack(c, buf, sequence, crc)
    return bytes(buf)


# Damage


@settings(max_examples=60)
@given(area=st.sampled_from(STATE), byte=st.integers(0, 20_000), bit=st.integers(0, 7))
@pytest.mark.requirement("OP-6.6.4", "OP-7.4.4", "UM-86", "FD-3.3")
def test_one_damaged_copy_leaves_the_other(area: int, byte: int, bit: int) -> None:
    life = running()
    before = life.c.reserved, digest_of(life.c.program), life.c.ledger.newest
    life.store.flip(area, byte, bit)
    life.power_cut(0)
    assert life.c.alarms.on(al.MEMORY_MINOR)
    assert (life.c.commanded, digest_of(life.c.program), life.c.ledger.newest) == before
    assert (codes.E_ALARM, al.MEMORY_MINOR, life.c.level_nl) in events(life.c)
    life.settle()
    assert life.store.read(0) == life.store.read(1)
    life.power_cut(0)
    assert life.c.alarms.on(al.MEMORY_MINOR), "until somebody clears it"
    assert life.clear(al.MEMORY_MINOR) == codes.GRANTED
    life.power_cut(0)
    assert not life.c.alarms.on(al.MEMORY_MINOR)


@pytest.mark.requirement("OP-7.4.4", "FD-6.4")
def test_every_single_bit_of_a_small_part_is_seen() -> None:
    life = running()
    for byte in list(range(40)) + list(range(-40, 0)):
        for bit in range(8):
            store = life.store.copy()
            store.flip(0, byte, bit)
            c = Keeper(store).wake(hardware(), Recorder(), Log(16))
            assert c.alarms.on(al.MEMORY_MINOR)
            assert c.loaded


def stays_stopped(store: Store, level: int = 18_000_000) -> None:
    """A pump whose memory is in doubt: it refuses programs, starts and boluses for a full day, and until cleared."""
    keeper = Keeper(store)
    motor = Recorder()
    c = keeper.wake(hardware(), motor, Log(64))
    motor.controller = c
    k = Commands(c)
    assert c.alarms.on(al.MEMORY_CRITICAL)
    assert (codes.E_ALARM, al.MEMORY_CRITICAL, c.level_nl) in events(c)
    assert not c.loaded
    assert not c.running
    keeper.settle(c)
    begin = c.t
    p = tight(c.program.number + 1, (5_000_000,), ((0, 20_000_000),))
    assert k.refill(level) == codes.GRANTED

    def attempts() -> list[int]:
        out = [k.propose(packed(p)), k.confirm(k.staged_digest()), k.start(1), k.bolus(c.ledger.newest + 1)]
        keeper.settle(c)
        return out

    assert attempts() == [codes.GRANTED, codes.MEMORY, codes.NO_PROGRAM, codes.NO_PROGRAM]
    assert k.clear(al.MEMORY_CRITICAL) == codes.MEMORY
    assert k.wait_s == DAY
    keeper.settle(c)
    while c.t < begin + DAY - 1:
        c.run(begin + DAY - 1)
        keeper.settle(c)
    assert k.clear(al.MEMORY_CRITICAL) == codes.MEMORY
    assert k.wait_s == 1
    keeper.settle(c)
    c.run(begin + DAY)
    keeper.settle(c)
    assert attempts()[1] == codes.MEMORY, "time alone does not heal it"
    assert k.clear(al.MEMORY_CRITICAL) == codes.GRANTED
    assert motor.strokes == []
    assert attempts()[1:3] == [codes.GRANTED, codes.GRANTED]
    keeper.settle(c)
    c.run(c.t + 500)
    assert motor.strokes


@settings(max_examples=15)
@given(one=st.integers(0, 20_000), other=st.integers(0, 20_000))
@pytest.mark.requirement("P4", "OP-7.4.1", "OP-7.4.6", "FD-3.3", "IT-17")
def test_both_copies_damaged_stop_the_pump(one: int, other: int) -> None:
    life = running()
    life.store.flip(0, one)
    life.store.flip(1, other)
    stays_stopped(life.store)


@pytest.mark.requirement("OP-7.4.1", "HZ-5.11")
def test_memory_of_nonsense_is_not_a_new_pump() -> None:
    for junk in (b"\0", b"x" * record.HEAD, b"y" * 9000):
        store = Store()
        store.areas[0] = junk
        store.areas[1] = junk
        stays_stopped(store)
    store = Store()
    store.areas[1] = b"?"
    stays_stopped(store)


def another_layout(raw: bytes, longer: int) -> bytes:
    """A sound record of more or fewer bytes."""
    body = bytearray(raw[:-4] + bytes(longer)) if longer > 0 else bytearray(raw[: longer - 4])
    pack_into("<I", body, 8, len(body) + 4)
    return bytes(body) + crc32(body).to_bytes(4, "little")


@pytest.mark.parametrize("longer", [1, 8, -8, -4000])
@pytest.mark.requirement("FD-7.5")
def test_another_layout_stops_the_pump(longer: int) -> None:
    life = running()
    sequence = life.keeper.sequence
    for area in STATE:
        life.store.areas[area] = another_layout(life.store.areas[area], longer)
    assert record._sound(life.store.areas[0])
    stays_stopped(life.store.copy())
    keeper = Keeper(life.store)
    c = keeper.wake(hardware(), Recorder(), Log(16))
    life.store.cut(1, AFTER)
    with pytest.raises(PowerCut):
        keeper.settle(c)
    assert keeper.sequence == sequence + 1, "newer than what it replaces"
    assert Keeper(life.store).wake(hardware(), Recorder(), Log(16)).boots == 2


@pytest.mark.parametrize("magic", [record.MAGIC - 1, 0x54484331])
@pytest.mark.requirement("FD-7.5")
def test_another_magic_is_not_a_record(magic: int) -> None:
    raw = bytearray(running().store.areas[0])
    pack_into("<I", raw, 0, magic)
    pack_into("<I", raw, len(raw) - 4, crc32(memoryview(raw)[:-4]))
    assert not record._sound(bytes(raw))
    assert record._sequence(bytes(raw)) == record.DAMAGED
    assert record._sequence(b"") == record.BLANK


def test_a_record_must_be_longer_than_its_head() -> None:
    for n in range(record.HEAD + 6):
        raw = bytearray(n)
        if n >= 12:
            pack_into("<I", raw, 0, record.MAGIC)
            pack_into("<I", raw, 8, n)
            pack_into("<I", raw, n - 4, crc32(memoryview(raw)[: n - 4]))
        assert record._sound(bytes(raw)) == (n > record.HEAD)


@settings(max_examples=40)
@given(byte=st.integers(0, RECORD_SIZE - 1), bit=st.integers(0, 7))
@pytest.mark.requirement("OP-7.4.1")
def test_a_damaged_program_stops_the_pump(byte: int, bit: int) -> None:
    life = running()
    life.store.flip(life.keeper.saved_area, byte, bit)
    c = Keeper(life.store).wake(hardware(), Recorder(), Log(16))
    assert c.alarms.on(al.MEMORY_CRITICAL)
    assert not c.loaded
    assert c.program.number == 1, "its number is never used again"
    assert c.window.total() > 0, "what was delivered is not forgotten"


@pytest.mark.parametrize("held", [b"", b"short", bytes(RECORD_SIZE)])
def test_a_missing_program_stops_the_pump(held: bytes) -> None:
    life = running()
    life.store.areas[life.keeper.saved_area] = held
    stays_stopped(life.store)


@pytest.mark.requirement("FD-6.1")
def test_another_sound_program_of_the_same_number_is_not_the_one() -> None:
    life = running()
    life.store.areas[life.keeper.saved_area] = bytes(packed(tight(1, (6_000_000,), ((0, 20_000_000),))))
    stays_stopped(life.store)


def rewritten(life: Life, p: Program, number: int) -> None:
    """Make memory name ``p`` by a number, with everything else in order."""
    raw = packed(p)
    life.store.areas[life.keeper.saved_area] = bytes(raw)
    life.c.program.number = number
    state = state_of(life.c, life.keeper.sequence + 1, unpack_from("<I", raw, RECORD_SIZE - 4)[0])
    life.store.areas[0] = life.store.areas[1] = state


def test_a_kept_program_of_another_number_a_fault_or_another_stroke_is_refused() -> None:
    good = tight(1, (5_000_000,), ((0, 20_000_000),))
    life = running()
    rewritten(life, good, 1)
    assert Keeper(life.store).wake(hardware(), Recorder(), Log(16)).loaded
    rewritten(life, good, 2)
    stays_stopped(life.store.copy())
    life = running()
    bad = tight(1, (5_000_000,), ((0, 20_000_000),))
    bad.cycle_s = 11
    rewritten(life, bad, 1)
    stays_stopped(life.store.copy())
    life = running()
    c = Keeper(life.store).wake(Hardware(251, 20_000_000), Recorder(), Log(16))
    assert not c.loaded
    assert c.alarms.on(al.MEMORY_CRITICAL), "strokes of another size: no account holds any more"


# Writes that are reported and did not happen


@pytest.mark.parametrize("write", [1, 2])
@pytest.mark.requirement("OP-7.4.2", "FD-6.4", "FD-7.1")
def test_one_lost_write_is_noticed_and_written_again(write: int) -> None:
    life = running()
    life.k.acknowledge(0)
    life.store.lost = {life.store.writes + write}
    life.settle()
    assert life.c.alarms.active == 1 << al.MEMORY_MINOR
    again = life.c.dirty
    life.settle()
    assert (again, life.c.dirty) == (True, False)
    assert life.store.read(0) == life.store.read(1)


def test_a_copy_that_never_takes_a_write_does_not_keep_the_pump_from_running() -> None:
    life = running()
    store = life.store
    frozen = store.areas[1]
    real = store.write

    def write(area: int, data: bytearray) -> None:
        if area != 1:
            real(area, data)

    store.write = write  # type: ignore[method-assign]
    t = life.c.t
    for _ in range(50):
        life.keeper.settle(life.c)
        life.motor.store = Twice(store.areas[0])
        life.c.run(t + 3000)
    assert life.c.t == t + 3000
    assert life.c.alarms.on(al.MEMORY_MINOR)
    assert store.areas[1] == frozen


class Twice(Store):
    """Both copies as the one that took the write."""

    def __init__(self, raw: bytes) -> None:
        super().__init__()
        self.areas = [raw, raw, b"", b""]


@pytest.mark.requirement("OP-7.4.2", "FD-6.4", "AP-11")
def test_memory_that_takes_nothing_stops_the_pump() -> None:
    life = running()
    strokes = life.c.commanded
    life.store.lost = set(range(life.store.writes + 1, life.store.writes + 10_000))
    reserved = kept_number(life.store.read(0), "reserved")
    life.settle()
    assert life.c.alarms.on(al.MEMORY_CRITICAL)
    assert life.c.rate == 0
    life.wait_until(life.true_s() + 5000)
    assert life.c.commanded == strokes <= reserved
    assert life.press(9) == codes.ALARM
    assert life.c.run(life.c.t + 10) > 0


@pytest.mark.requirement("FD-6.4")
def test_a_lost_program_stops_the_pump_before_it_runs() -> None:
    life = running()
    new = tight(2, (5_000_000,), ((0, 10_000_000),))
    life.digests.add(digest_of(new))
    life.store.lost = {life.store.writes + 1}
    answer = life.k.propose(packed(new)) or life.k.confirm(life.k.staged_digest())
    assert answer == codes.GRANTED
    life.settle()
    assert life.c.alarms.on(al.MEMORY_CRITICAL)
    assert life.c.rate == 0
    assert life.keeper.saved_number == 1
    life.settle()
    assert life.keeper.saved_number == 2, "written again"
    c = Keeper(life.store).wake(hardware(), Recorder(), Log(16))
    assert c.loaded
    assert c.program.number == 2
    assert c.alarms.on(al.MEMORY_CRITICAL)


def test_a_lost_program_and_then_lost_power() -> None:
    life = running()
    new = tight(2, (5_000_000,), ((0, 10_000_000),))
    life.store.lost = {life.store.writes + 1}
    life.k.propose(packed(new))
    life.k.confirm(life.k.staged_digest())
    life.settle()
    stays_stopped(life.store)


# What is kept


def everything(c: Controller) -> list[object]:
    """Every number and array that a controller holds, by name, without what is laid out or staged."""
    out: list[object] = []
    for owner in (c, c.window, c.monitor, c.ledger, c.alarms):
        for name, value in sorted(vars(owner).items()):
            if isinstance(value, (int, bool)):
                out.append((type(owner).__name__, name, value))
            elif isinstance(value, (bytearray, list)) or hasattr(value, "typecode"):
                n = window.KNOTS if owner is c.window and name in ("t", "strokes", "epoch") else len(value)
                out.append((type(owner).__name__, name, list(value)[:n]))
    return out


# Found again, or begun anew, on waking: nothing of these needs to be kept.
NOT_KEPT = {
    "staged_at_s", "rate", "step_end_s", "q_kind", "q_n", "q_s", "guarded", "dirty", "event_s", "unit",
    "ahead", "ahead_epoch", "at_s_window",
}  # fmt: skip


@pytest.mark.requirement("FD-7.1")
def test_the_record_keeps_everything_that_waking_cannot_find_again() -> None:
    """A new attribute of the controller is either kept, or stands above with the others that need not be."""
    life = running()
    life.press(1)
    life.press(1 << 40)
    life.c.motor.stalls = [(life.c.t + 100, life.c.t + 200)]  # type: ignore[attr-defined]
    life.wait_until(life.true_s() + 300)
    raw = state_of(life.c, 7, 9)
    c = Controller(hardware(), Motor(), Log(16))
    assert record._unpack(c, raw)
    kept = [r for r in everything(life.c) if r[1] not in NOT_KEPT and r[:2] != ("DoseWindow", "at_s")]  # type: ignore[index]
    found = [r for r in everything(c) if r[1] not in NOT_KEPT and r[:2] != ("DoseWindow", "at_s")]  # type: ignore[index]
    assert kept == found
    assert len(kept) > 60
    assert c.log.sealed == c.log.lost == life.c.log.sealed
    assert c.log.digest == life.c.log.digest
    assert state_of(c, 7, 9) == raw
    assert isinstance(c.running, bool)
    assert isinstance(c.loaded, bool)
    assert isinstance(c.bridging, bool)
    assert c.staged_at_s == codes.NEVER
    assert c.event_s == c.t
    assert calcsize("<IIIqI") == record.HEAD
    assert (int.from_bytes(b"4SHT", "little"), 900) == (record.MAGIC, record.RESERVE_S)
    assert unpack_from("<IIIqI", raw) == (record.MAGIC, 7, len(raw), life.c.program.number, 9)


def test_settling_writes_the_older_copy_first() -> None:
    order: list[int] = []

    class Noted(Store):
        def write(self, area: int, data: bytearray) -> None:
            order.append(area)
            super().write(area, data)

    store = Noted()
    keeper = Keeper(store)
    keeper.settle(keeper.wake(hardware(), Motor(), Log(16)))
    assert order == [0, 1]
    saved = store.areas[0]
    store.areas[0] = b"damaged"
    order.clear()
    keeper = Keeper(store)
    keeper.settle(keeper.wake(hardware(), Motor(), Log(16)))
    assert order == [0, 1]
    store.areas = [saved, b"damaged", b"", b""]
    order.clear()
    keeper = Keeper(store)
    keeper.settle(keeper.wake(hardware(), Motor(), Log(16)))
    assert order == [1, 0]
    assert PROGRAM == (2, 3)


# To the stroke and to the byte


def written_as(life: Life) -> None:
    """Both copies hold the controller as it is now, whatever was settled before."""
    raw = state_of(life.c, life.keeper.sequence + 1, life.keeper.saved_crc)
    life.store.areas[0] = life.store.areas[1] = raw


def test_a_new_store_and_its_keeper_hold_nothing() -> None:
    store = Store()
    assert [store.read(area) for area in range(4)] == [b""] * 4
    keeper = Keeper(store)
    assert (keeper.sequence, keeper.saved_number, keeper.saved_crc) == (0, 0, 0)
    keeper.settle(keeper.wake(hardware(), Motor(), Log(16)))
    assert unpack_from("<IIIqI", store.read(0))[1:] == (1, len(store.read(0)), 0, 0)


@pytest.mark.parametrize("sequence", [0, 1, 0xFFFFFFF0])
def test_the_first_and_the_last_sequences_are_as_good_as_any(sequence: int) -> None:
    life = running()
    life.store.areas[0] = life.store.areas[1] = state_of(life.c, sequence, life.keeper.saved_crc)
    keeper = Keeper(life.store)
    c = keeper.wake(hardware(), Recorder(), Log(16))
    assert c.loaded
    assert keeper.sequence == sequence
    assert not c.alarms.on(al.MEMORY_MINOR)
    assert not c.alarms.on(al.MEMORY_CRITICAL)


def test_of_a_bolus_that_runs_only_its_rest_is_reserved() -> None:
    life = running()
    assert life.press(1) == codes.GRANTED
    life.wait_until(life.true_s() + 100)
    c = life.c
    assert 0 < c.b_done < 40
    assert c.reserved == c.commanded + 2 + 20_000_000 * RESERVE_S // c.unit + 1 + 40 - c.b_done


def test_of_the_window_only_what_was_delivered_is_kept() -> None:
    c = running().c
    sizes = [len(record._part(c.window, name)) for name in ("t", "strokes", "epoch", "charge", "limit_fg")]
    assert sizes == [4 * window.KNOTS, 4 * window.KNOTS, window.KNOTS, 8 * 4 * 8, 8 * 2 * 8]
    assert len(record._part(c.monitor, "t")) == 4 * len(c.monitor.t)


def test_a_program_that_memory_holds_is_not_written_again() -> None:
    life = running()
    life.power_cut(0)
    assert (life.keeper.saved_number, life.keeper.saved_area) == (1, PROGRAM[0])
    writes = life.store.writes
    life.settle()
    assert life.store.writes == writes + 2


def test_memory_of_nothing_counts_no_stroke() -> None:
    store = Store()
    store.areas[0] = store.areas[1] = b"?"
    c = Keeper(store).wake(hardware(), Recorder(), Log(16))
    assert (c.commanded, c.strokes, c.reserved, c.level_nl, c.window.total()) == (0, 0, 0, 0, 0)


def test_a_reservation_behind_what_was_commanded_counts_nothing() -> None:
    life = running()
    life.c.reserved = life.c.commanded - 5
    written_as(life)
    commanded, strokes = life.c.commanded, life.c.strokes
    life.power_cut(0)
    assert (life.c.commanded, life.c.strokes) == (commanded, strokes)


@pytest.mark.parametrize(("in_doubt", "free"), [(30, 30), (31, 30), (69, 30), (100, 30), (29, 29)])
def test_of_a_prime_in_doubt_only_its_rest_is_free(in_doubt: int, free: int) -> None:
    life = factory_new()
    life.refill(18_000_000)
    life.load(tight(1, (5_000_000,), ((0, 10_000_000),), bridge=(50_000_000, 20_000_000, 0)))
    life.start()
    assert life.prime(1, DEAD_NL, DEAD_NL) == codes.GRANTED
    life.c.b_done = 10
    life.c.reserved = life.c.commanded + in_doubt
    written_as(life)
    total, left = life.c.window.total() + life.c.seg_strokes, life.c.bridge_left
    life.power_cut(0)
    assert life.c.window.total() == total + in_doubt - free
    assert life.c.monitor.total == in_doubt - free
    assert life.c.bridge_left == left - (in_doubt - free) * life.c.unit
    assert life.c.strokes == in_doubt
