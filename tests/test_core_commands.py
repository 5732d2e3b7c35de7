"""Every answer of every command with the state that causes it, and that a refusal changes nothing but the log."""

from __future__ import annotations

import copy
import struct
from array import array
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core_world import STROKE_NL, World, broken_windows, packed, program, world

from thecal.pump.core import alarms as al
from thecal.pump.core import codes as k
from thecal.pump.core import commands
from thecal.pump.core.commands import CONFIRM_WITHIN_S, Commands
from thecal.pump.core.controller import QUEUE
from thecal.pump.core.ledger import NEW, REMEMBERED, SEATS, STARTS, Ledger
from thecal.pump.core.program import MAX_STARTS, RECORD_SIZE, SIZE, Program
from thecal.pump.core.window import EPOCHS, KNOTS

if TYPE_CHECKING:
    from collections.abc import Callable

HOUR, DAY = k.HOUR_S, k.DAY_S
NG = 5_000_000 * STROKE_NL // 10**6  # a stroke of the programs here
AHEAD_ONLY = ("ahead", "ahead_epoch", "at_s")
MEMORY = ("log", "motor", "staged", "staged_at_s", "dirty", "hw")


def limits(number: int, rates: list[tuple[int, int]], hour: int, day: int, **more: object) -> Program:
    """A program of one channel whose ceilings are so many strokes."""
    return program(number, rates, per_1h=(hour * NG,), per_24h=(day * NG,), **more)  # type: ignore[arg-type]


def events(w: World) -> list[tuple[int, int, int, int]]:
    """Uptime, event and the two numbers of every record."""
    w.c.log.seal()
    found = [struct.unpack("<IIIIqq", w.c.log.record(i)) for i in range(w.c.log.oldest(), w.c.log.sealed + 1)]
    return [(r[1], r[3], r[4], r[5]) for r in found]


def plain(thing: object) -> object:
    """An object as nested plain values, without what is only scratch."""
    if isinstance(thing, array | bytearray):
        return bytes(thing)
    if hasattr(thing, "__dict__"):
        return {n: plain(v) for n, v in vars(thing).items() if n not in MEMORY}
    return copy.deepcopy(thing)


def snapshot(w: World) -> dict[str, object]:
    """Everything that decides what the pump does; of the window what was delivered, with strengths in use."""
    whole = plain(w.c)
    assert isinstance(whole, dict)
    window = w.c.window
    n = window.n
    epochs = {window.now_epoch, *window.epoch[1:n]}
    whole["window"] = {
        "knots": [(window.t[i], window.strokes[i], window.epoch[i] if i else 0) for i in range(n)],
        "charge": [window.charge[e * 8 : e * 8 + 8].tolist() for e in sorted(epochs)],
        "limits": window.limit_fg.tolist(),
        "rest": (window.now_epoch, window.channels, window.margin),
    }
    m = w.c.monitor
    monitor = whole["monitor"]
    assert isinstance(monitor, dict)
    monitor["charge"] = m.charge[m.now_epoch * 8 : m.now_epoch * 8 + 8].tolist()
    for name in (
        "since_s",
        "first",
        "n",
        "n_old",
        "t",
        "upto",
        "epoch",
        "open_n",
        "open_t",
        "gone",
        "group",
        "group_before",
        "epoch_before",
    ):
        monitor.pop(name)  # how its history is held, not what it holds
    return whole


def refused(w: World, ask: Callable[[], int], *, logged: bool = True) -> int:
    """Ask, check that nothing changed but the log (and, for a bolus, the memory of its id), give the answer.

    A stretch that is cut in two at this second says the same, and is no change.
    """
    w.c.mark()
    before = snapshot(w)
    n = w.c.log.count()
    answer = ask()
    assert answer != k.GRANTED
    after = snapshot(w)
    for whole in (before, after):
        whole.pop("ledger")
    assert before == after
    assert w.c.log.count() == n + logged
    if logged:
        assert events(w)[-1] == (w.c.t, k.E_REFUSED, answer, w.k.wait_s)
    return answer


# Patient bolus


@pytest.mark.requirement("OP-5.2.1")
def test_bolus_granted() -> None:
    w = world(program())
    w.c.run(100)
    assert w.k.bolus(5) == k.GRANTED
    assert w.k.wait_s == 0
    assert events(w)[-1] == (100, k.E_BOLUS, k.PATIENT, 40)
    assert w.c.due() == 700


@pytest.mark.requirement("UM-07", "UM-10", "UM-25.1", "UM-77")
def test_bolus_without_a_program_or_while_stopped() -> None:
    w = world()
    assert refused(w, lambda: w.k.bolus(1)) == k.NO_PROGRAM
    w = world(program(), start=False)
    assert refused(w, lambda: w.k.bolus(1)) == k.STOPPED
    assert refused(w, lambda: w.k.single(1, 60)) == k.STOPPED
    assert refused(w, lambda: w.k.prime(1, 1000, 1000, near_field=True)) == k.STOPPED


@pytest.mark.parametrize("request_id", [0, -1, 1 << 62, -(1 << 70)])
def test_bolus_with_an_id_that_is_none(request_id: int) -> None:
    w = world(program())
    assert refused(w, lambda: w.k.bolus(request_id), logged=False) == k.BAD_VALUE
    assert w.c.ledger.n == 0


def test_the_largest_id_is_one() -> None:
    w = world(program())
    assert w.k.bolus((1 << 62) - 1) == k.GRANTED


def test_bolus_that_the_program_does_not_hold() -> None:
    w = world(program(bolus=None))
    assert refused(w, lambda: w.k.bolus(1)) == k.NO_BOLUS


@pytest.mark.requirement("AP-14")
def test_bolus_again_under_the_same_id_is_answered_with_the_first_outcome() -> None:
    w = world(program(bolus=(40, 600, 1000, 6)))
    assert w.k.bolus(3) == k.GRANTED
    w.c.run(10)
    assert refused(w, lambda: w.k.bolus(4)) == k.LOCKOUT
    for request, first in ((3, k.GRANTED), (4, k.LOCKOUT)):
        assert refused(w, lambda r=request: w.k.bolus(r), logged=False) == k.DUPLICATE  # type: ignore[misc]
        assert w.k.first == first
    w.c.run(5000)
    assert w.k.bolus(4) == k.DUPLICATE, "refused once is refused for ever under that id"
    assert w.k.bolus(2) == k.STALE_ID, "never seen, but older than the newest"
    assert w.k.bolus(5) == k.GRANTED


@pytest.mark.requirement("OP-5.2.3", "UM-25.3", "UM-26", "AG-02")
def test_bolus_in_the_lockout_says_when() -> None:
    w = world(program(bolus=(40, 600, 1000, 6)))
    w.k.bolus(1)
    w.c.run(999)
    assert refused(w, lambda: w.k.bolus(2)) == k.LOCKOUT
    assert w.k.wait_s == 1
    w.c.run(1000)
    assert w.k.bolus(3) == k.GRANTED
    assert w.k.wait_s == 0


@pytest.mark.requirement("UM-25.4", "UM-27")
def test_bolus_over_the_count_says_when() -> None:
    w = world(program(bolus=(4, 60, 100, 2)))
    w.k.bolus(1)
    w.c.run(500)
    w.k.bolus(2)
    w.c.run(1000)
    assert refused(w, lambda: w.k.bolus(3)) == k.COUNT
    assert w.k.wait_s == DAY - 1000
    w.c.run(DAY)
    assert w.k.bolus(4) == k.GRANTED


@pytest.mark.requirement("UM-25.5")
def test_bolus_while_a_single_runs() -> None:
    w = world(program())
    assert w.k.single(10, 300) == k.GRANTED
    w.c.run(100)
    assert refused(w, lambda: w.k.bolus(1)) == k.RUNNING
    assert w.k.wait_s == 200
    w.c.run(300)
    assert w.k.bolus(2) == k.GRANTED


def test_bolus_during_a_bridge() -> None:
    bridge = (5_000_000, 18_000_000, 0)
    w = world(program(bridge=bridge))
    w.c.run(100)
    assert refused(w, lambda: w.k.bolus(1)) == k.BRIDGE
    assert w.k.wait_s == 900
    assert refused(w, lambda: w.k.single(1, 60)) == k.BRIDGE
    assert w.k.wait_s == 900
    w.c.run(1000)
    assert w.k.bolus(2) == k.GRANTED
    w = world(program(bridge=(5_000_000, 18_000_000, 7)))
    assert w.k.bolus(1) == k.GRANTED
    assert events(w)[-1][3] == 7, "in the old drug"


@pytest.mark.requirement("P9", "OP-5.2.5", "AP-12")
def test_bolus_over_a_ceiling_says_when() -> None:
    w = world(limits(1, [(0, 5_000_000)], 80, 1000, bolus=(40, 600, 600, 10)))
    w.k.bolus(1)
    w.c.run(700)
    assert refused(w, lambda: w.k.bolus(2)) == k.CEILING_1H
    assert 0 < w.k.wait_s <= HOUR
    w.c.run(700 + w.k.wait_s)
    assert w.k.bolus(3) == k.GRANTED
    w = world(limits(1, [(0, 1_000_000)], 160, 160, bolus=(40, 600, 600, 10)))
    w.k.bolus(1)
    w.c.run(700)
    assert refused(w, lambda: w.k.bolus(2)) == k.CEILING_24H
    assert DAY - HOUR < w.k.wait_s <= DAY
    w = world(limits(1, [(0, 1_000_000)], 50, 150, bolus=(40, 600, 600, 10)))
    assert refused(w, lambda: w.k.bolus(2)) == k.CEILING_1H
    assert w.k.wait_s == 0, "it never fits"


@pytest.mark.requirement("UM-18")
def test_bolus_with_too_little_left() -> None:
    w = world(program(low_nl=0), level_nl=41 * STROKE_NL)
    assert refused(w, lambda: w.k.bolus(1)) == k.EMPTY
    assert refused(w, lambda: w.k.single(40, 600)) == k.EMPTY
    assert refused(w, lambda: w.k.prime(1, 40 * STROKE_NL, 50 * STROKE_NL, near_field=True)) == k.EMPTY
    assert refused(w, lambda: w.k.prime(1, 40 * STROKE_NL, 20 * STROKE_NL, near_field=True)) == k.EMPTY
    w.k.refill(42 * STROKE_NL)
    assert w.k.bolus(2) == k.GRANTED
    w = world(program(low_nl=0), level_nl=100 * STROKE_NL)
    assert w.k.single(40, 600) == k.GRANTED
    assert w.k.single(30, 600) == k.GRANTED
    assert refused(w, lambda: w.k.single(29, 600)) == k.EMPTY, "what runs and what waits is counted"
    assert w.k.single(28, 600) == k.GRANTED


def test_bolus_with_an_empty_reservoir() -> None:
    w = world(program(low_nl=0), level_nl=0)
    assert w.c.alarms.on(al.EMPTY_RESERVOIR)
    assert refused(w, lambda: w.k.bolus(1)) == k.EMPTY


@pytest.mark.parametrize("alarm", range(al.N_ALARMS))
@pytest.mark.parametrize("response", [k.R_STOP, k.R_CONTINUE])
@pytest.mark.requirement("OP-5.3.4", "UM-25.1")
def test_alarms_forbid_by_the_table(alarm: int, response: int) -> None:
    w = world(program(responses=(response, response, response, 0, 0, response)))
    w.c.issue(alarm)
    w.c.run(w.c.t + 1) if alarm not in (al.EMPTY_RESERVOIR,) else None
    w.c.alarms.issue(alarm, w.c.t)
    stops = al.TABLE[alarm][2] == al.B_STOP or (al.TABLE[alarm][2] == al.B_CHOSEN and response == k.R_STOP)
    expected = k.ALARM if al.TABLE[alarm][3] or stops else k.GRANTED
    if alarm == al.EMPTY_RESERVOIR:
        expected = k.EMPTY
    assert w.k.bolus(1) == expected
    assert w.k.single(1, 60) == expected


@pytest.mark.requirement("AP-11")
def test_bolus_with_a_full_history() -> None:
    w = world(program(bolus=(4, 60, 60, 48)))
    for _ in range(KNOTS // 2):
        w.k.stop(1)
        w.c.run(w.c.t + 40)
        w.k.start(1)
        w.c.run(w.c.t + 100)
    assert refused(w, lambda: w.k.bolus(1)) == k.HISTORY_FULL
    wait = w.k.wait_s
    assert wait > 0
    for request in range(2, 200):
        w.c.run(w.c.t + wait)
        answer = w.k.bolus(request)
        wait = w.k.wait_s
        if answer == k.GRANTED:
            break
        assert answer == k.HISTORY_FULL
    assert answer == k.GRANTED
    assert w.c.t < DAY + 20_000


# Single boluses


@pytest.mark.parametrize(
    ("strokes", "seconds"), [(0, 60), (-1, 60), (100_001, 60), (1, 0), (1, -5), (1, DAY + 1), (1 << 70, 1)]
)
@pytest.mark.requirement("OP-5.3.5")
def test_single_with_a_value_out_of_range(strokes: int, seconds: int) -> None:
    w = world(program())
    assert refused(w, lambda: w.k.single(strokes, seconds), logged=False) == k.BAD_VALUE


@pytest.mark.requirement("OP-5.3.2", "OP-5.3.6")
def test_single_faster_than_the_motor() -> None:
    w = world(program(rates=((0, 20_000_000), (100, 90_000_000))))
    # 1,000,000,000 pL/h less the fastest step leaves 910,000,000 pL/h: 60 strokes of 250 nL take 59.3 s.
    assert refused(w, lambda: w.k.single(60, 59)) == k.BAD_VALUE
    assert w.k.single(60, 60) == k.GRANTED
    w = world(program(rates=((0, 20_000_000),), bridge=(1000, 90_000_000, 0)))
    w.c.run(100)
    assert refused(w, lambda: w.k.single(60, 59)) == k.BAD_VALUE
    assert w.k.single(60, 60) == k.GRANTED


def test_the_largest_and_the_quickest_single() -> None:
    w = world(program(stroke_nl=100, bolus=None))
    assert refused(w, lambda: w.k.single(100_000, DAY)) == k.CEILING_24H
    w = world(program(rates=((0, 0),)))
    assert w.k.single(1, 1) == k.GRANTED


def test_while_a_prime_holds_a_bridge_up_nobody_knows_how_long_it_takes() -> None:
    w = world(program(bridge=(5_000_000, 18_000_000, 0)))
    assert w.k.prime(1, 5000, 5000, near_field=True) == k.GRANTED
    for ask in (lambda: w.k.single(1, 60), lambda: w.k.bolus(1)):
        assert refused(w, ask) == k.BRIDGE
        assert w.k.wait_s == 0


@pytest.mark.requirement("OP-5.3.1", "OP-6.5.7", "OP-6.6.1")
def test_singles_wait_for_each_other_and_the_queue_is_bounded() -> None:
    w = world(program())
    for i in range(1 + QUEUE):
        assert w.k.single(i + 1, 100) == k.GRANTED
    assert refused(w, lambda: w.k.single(1, 100)) == k.QUEUE_FULL
    w.c.run(2000)
    found = [(t, e, b) for t, e, _, b in events(w) if e in (k.E_BOLUS, k.E_BOLUS_END)]
    assert found == [
        row for i in range(5) for row in ((100 * i, k.E_BOLUS, i + 1), (100 * i + 100, k.E_BOLUS_END, i + 1))
    ]


@pytest.mark.requirement("OP-5.3.7")
def test_a_single_that_does_not_fit_says_when() -> None:
    w = world(limits(1, [(0, 5_000_000)], 80, 1000, bolus=None))
    assert w.k.single(20, 600) == k.GRANTED
    assert refused(w, lambda: w.k.single(30, 600)) == k.CEILING_1H
    assert w.k.wait_s > 0
    w.c.run(w.k.wait_s)
    assert w.k.single(30, 600) == k.GRANTED


@pytest.mark.requirement("UM-05", "UM-46")
def test_stopping_drops_what_waits() -> None:
    w = world(program(rates=((0, 0),)))
    w.k.single(5, 100)
    w.k.single(6, 100)
    w.c.run(20)
    assert w.k.stop(9) == k.GRANTED
    assert (w.c.b_kind, w.c.q_len) == (0, 0)
    assert (20, k.E_STOP, 9, 0) in events(w)
    assert (20, k.E_BOLUS_CUT, k.SINGLE, 1) in events(w)
    assert (20, k.E_BOLUS_CUT, k.SINGLE, 0) in events(w), "the one that waited gave nothing"
    w.k.start(9)
    w.c.run(5000)
    assert len(w.motor.strokes) == 1


# Prime


@pytest.mark.parametrize(
    ("state", "volume", "dead"),
    [
        (1, 0, 5000),
        (1, -5, 5000),
        (1, 5000, 0),
        (1, STROKE_NL - 1, 5000),
        (1, 5000, STROKE_NL - 1),
        (1, 100_001 * STROKE_NL, 100_001 * STROKE_NL),
        (1, 100_003 * STROKE_NL, STROKE_NL),
        (0, 5000, 5000),
        (-3, 5000, 5000),
        (1 << 62, 5000, 5000),
    ],
)
def test_prime_with_a_value_out_of_range(state: int, volume: int, dead: int) -> None:
    w = world(program())
    assert refused(w, lambda: w.k.prime(state, volume, dead, near_field=True)) == k.BAD_VALUE


@pytest.mark.requirement("SC-05")
def test_prime_needs_near_field_and_a_free_lane() -> None:
    w = world(program())
    assert refused(w, lambda: w.k.prime(1, 5000, 5000, near_field=False)) == k.NEAR_FIELD
    w.k.single(5, 100)
    w.c.run(10)
    assert refused(w, lambda: w.k.prime(1, 5000, 5000, near_field=True)) == k.RUNNING
    assert w.k.wait_s == 90
    w.c.run(100)
    assert w.k.prime(1, 5000, 5000, near_field=True) == k.GRANTED


@pytest.mark.requirement("P1", "HZ-1.24")
def test_prime_is_free_once_for_each_newer_state() -> None:
    w = world(limits(1, [(0, 1_000_000)], 30, 130, bolus=None))
    w.c.run(10)
    assert w.k.prime(3, 200 * STROKE_NL, 200 * STROKE_NL, near_field=True) == k.GRANTED
    assert events(w)[-2:] == [(10, k.E_PRIME, 3, 0), (10, k.E_BOLUS, k.PRIME, 200)]
    assert w.c.prime_state == 3
    assert w.c.rate == 0, "the base waits"
    w.c.run(2000)
    assert w.c.rate == 1_000_000
    assert sum(s.free for s in w.motor.strokes) == 200
    assert w.c.window.total() + w.c.seg_strokes == len(w.motor.strokes) - 200
    for state in (3, 2, 1):
        assert refused(w, lambda s=state: w.k.prime(s, 5000, 5000, near_field=True)) == k.PRIMED  # type: ignore[misc]
    assert w.k.prime(4, 5000, 5000, near_field=True) == k.GRANTED


def test_a_refused_prime_leaves_the_dead_volume_of_the_monitor_alone() -> None:
    w = world(program())
    assert w.k.prime(1, 5000, 5000, near_field=True) == k.GRANTED
    w.c.run(1000)
    assert w.c.monitor.dead_strokes == 20
    assert refused(w, lambda: w.k.prime(1, 9000, 9000, near_field=True)) == k.PRIMED
    assert w.c.monitor.dead_strokes == 20


def test_prime_beyond_the_dead_volume_is_charged_and_follows() -> None:
    w = world(limits(1, [(0, 0)], 60, 100, bolus=None))
    assert refused(w, lambda: w.k.prime(1, 150 * STROKE_NL, 100 * STROKE_NL, near_field=True)) == k.CEILING_1H
    assert w.k.wait_s == 0
    assert w.k.prime(1, 130 * STROKE_NL, 100 * STROKE_NL, near_field=True) == k.GRANTED
    w.c.run(DAY)
    kinds = [(e, a, b) for _, e, a, b in events(w) if e in (k.E_PRIME, k.E_BOLUS, k.E_BOLUS_END)]
    assert kinds == [
        (k.E_PRIME, 1, 30),
        (k.E_BOLUS, k.PRIME, 100),
        (k.E_BOLUS_END, k.PRIME, 100),
        (k.E_BOLUS, k.SINGLE, 30),
        (k.E_BOLUS_END, k.SINGLE, 30),
    ]
    assert w.c.window.total() + w.c.seg_strokes == 30


def test_a_single_may_wait_for_a_prime_that_is_not_charged() -> None:
    w = world(limits(1, [(0, 1_000_000)], 60, 200, bolus=None))
    assert w.k.prime(1, 200 * STROKE_NL, 200 * STROKE_NL, near_field=True) == k.GRANTED
    w.c.run(20)
    assert w.k.single(20, 100) == k.GRANTED


def test_what_is_left_of_a_prime_is_lost_when_it_is_stopped() -> None:
    w = world(program(rates=((0, 0),)))
    w.k.prime(1, 100 * STROKE_NL, 100 * STROKE_NL, near_field=True)
    w.c.run(30)
    w.k.stop(1)
    assert w.c.monitor.free == 0
    assert 0 < len(w.motor.strokes) < 100


# Programs: propose, read back, confirm


@pytest.mark.requirement("P7", "UM-08", "UM-09", "UM-54", "UM-56")
def test_a_running_program_is_untouched_until_the_proposed_one_is_confirmed() -> None:
    w = world(program())
    w.c.run(100)
    before = snapshot(w)
    n = w.c.log.count()
    new = program(2, rates=((0, 10_000_000),))
    assert w.k.propose(packed(new)) == k.GRANTED
    assert snapshot(w) == before
    assert w.c.log.count() == n
    digest = w.k.staged_digest()
    w.c.run(200)
    assert w.c.rate == 20_000_000
    assert w.k.confirm(digest) == k.GRANTED
    assert w.c.program.number == 2
    assert w.c.rate == 10_000_000
    assert events(w)[-1] == (200, k.E_PROGRAM, 2, int.from_bytes(digest[:7], "big"))
    assert w.k.staged_digest() == b""
    assert w.k.confirm(digest) == k.UNKNOWN, "once"


@pytest.mark.requirement("P7", "P8", "UM-55", "SC-16")
def test_proposals_that_are_refused() -> None:
    w = world(program(5))
    good = packed(program(6))
    assert refused(w, lambda: w.k.propose(good[:-1])) == k.BAD_VALUE
    assert refused(w, lambda: w.k.propose(good + b"\0")) == k.BAD_VALUE
    assert refused(w, lambda: w.k.propose(bytearray())) == k.BAD_VALUE
    for number in (5, 4, 1):
        assert refused(w, lambda n=number: w.k.propose(packed(program(n)))) == k.STALE_ID  # type: ignore[misc]
    faulty = program(6)
    faulty.lockout_s = 1
    assert refused(w, lambda: w.k.propose(packed(faulty))) == k.BAD_VALUE
    other = program(6, stroke_nl=STROKE_NL + 1)
    assert refused(w, lambda: w.k.propose(packed(other))) == k.BAD_VALUE, "made for another pump"
    fast = program(6)
    fast.max_rate_pl_per_h = w.c.hw.max_rate_pl_per_h + 1
    assert refused(w, lambda: w.k.propose(packed(fast))) == k.BAD_VALUE
    missing = program(6)
    missing.ceiling_1h_ng[0] = 0
    assert refused(w, lambda: w.k.propose(packed(missing))) == k.BAD_VALUE, "a missing ceiling refuses"
    assert w.k.propose(good) == k.GRANTED


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, RECORD_SIZE - 1), bit=st.integers(0, 7))
@pytest.mark.requirement("P7", "FD-7.3")
def test_a_damaged_proposal_is_refused_and_the_one_before_it_is_gone(at: int, bit: int) -> None:
    w = world(program())
    w.k.propose(packed(program(2)))
    damaged = packed(program(3))
    damaged[at] ^= 1 << bit
    assert refused(w, lambda: w.k.propose(damaged)) == k.BAD_VALUE
    assert w.k.staged_digest() == b""
    assert refused(w, lambda: w.k.confirm(b"")) == k.UNKNOWN


@pytest.mark.requirement("P7", "UM-09", "HZ-8.7")
def test_confirming_what_was_not_read_back() -> None:
    w = world(program())
    assert refused(w, lambda: w.k.confirm(b"")) == k.UNKNOWN
    assert refused(w, lambda: w.k.confirm(bytes(32))) == k.UNKNOWN
    w.k.propose(packed(program(2)))
    digest = w.k.staged_digest()
    assert len(digest) == 32
    wrong = bytes([digest[0] ^ 1]) + digest[1:]
    assert refused(w, lambda: w.k.confirm(wrong)) == k.UNKNOWN
    assert refused(w, lambda: w.k.confirm(digest[:-1])) == k.UNKNOWN
    w.k.propose(packed(program(2, rates=((0, 19_000_000),))))
    assert refused(w, lambda: w.k.confirm(digest)) == k.UNKNOWN, "the digest of an older proposal"
    assert w.k.confirm(w.k.staged_digest()) == k.GRANTED


@pytest.mark.requirement("P7", "UM-58", "HZ-8.7", "SC-10")
def test_a_confirmation_that_comes_too_late() -> None:
    for late, answer in ((0, k.GRANTED), (1, k.EXPIRED)):
        w = world(program())
        w.c.run(50)
        w.k.propose(packed(program(2)))
        digest = w.k.staged_digest()
        w.c.run(50 + CONFIRM_WITHIN_S + late)
        assert w.k.confirm(digest) == answer
        assert w.k.staged_digest() == b""
        assert w.k.confirm(digest) == k.UNKNOWN


def test_confirming_while_a_bolus_runs_or_waits() -> None:
    w = world(program())
    w.k.single(5, 100)
    w.k.single(6, 100)
    w.c.run(40)
    w.k.propose(packed(program(2)))
    assert refused(w, lambda: w.k.confirm(w.k.staged_digest())) == k.RUNNING
    assert w.k.wait_s == 60
    w.c.run(100)
    assert refused(w, lambda: w.k.confirm(w.k.staged_digest())) == k.RUNNING
    assert w.k.wait_s == 100
    w.c.run(200)
    assert w.k.confirm(w.k.staged_digest()) == k.GRANTED


@pytest.mark.requirement("P8", "OP-6.5.22", "UM-13", "UM-45")
def test_nothing_is_confirmed_or_started_with_memory_in_doubt() -> None:
    w = world(program(), start=False)
    w.c.issue(al.MEMORY_CRITICAL)
    w.k.propose(packed(program(2)))
    assert refused(w, lambda: w.k.confirm(w.k.staged_digest())) == k.MEMORY
    assert refused(w, lambda: w.k.start(1)) == k.MEMORY


def test_a_program_whose_base_never_fits() -> None:
    w = world()
    assert w.load(limits(1, [(0, 20_000_000)], 80, 5000, bolus=None)) == k.CEILING_1H
    assert w.k.wait_s == 0
    assert w.load(limits(1, [(0, 20_000_000)], 200, 1900, bolus=None)) == k.CEILING_24H
    assert w.k.wait_s == 0
    assert not w.c.loaded
    assert w.load(limits(1, [(0, 20_000_000)], 200, 2000, bolus=None)) == k.GRANTED


@pytest.mark.requirement("P7")
def test_a_program_that_does_not_fit_beside_history_says_when() -> None:
    w = world(limits(1, [(0, 5_000_000)], 200, 1000, bolus=(60, 600, 600, 10)))
    w.c.run(1000)
    w.k.bolus(1)
    w.c.run(1700)
    steep = limits(2, [(0, 20_000_000)], 110, 3000, bolus=None)
    w.k.propose(packed(steep))
    assert refused(w, lambda: w.k.confirm(w.k.staged_digest())) == k.CEILING_1H
    wait = w.k.wait_s
    assert 0 < wait <= HOUR
    assert w.c.program.number == 1
    w.c.run(1700 + wait - 1000)
    w.c.run(1700 + wait)
    assert w.load(steep) == k.GRANTED, "a refused program may be proposed again"


def test_more_strengths_than_history_holds() -> None:
    w = world(program(strengths=(5_000_000,)))
    w.c.run(1000)
    for i in range(2, EPOCHS + 1):
        assert w.load(program(i, strengths=(5_000_000 + i,))) == k.GRANTED
        w.c.run(1000 * i)
    w.k.propose(packed(program(99, strengths=(6_000_000,))))
    assert refused(w, lambda: w.k.confirm(w.k.staged_digest())) == k.HISTORY_FULL
    assert w.k.wait_s == DAY
    assert w.c.program.number == EPOCHS
    w.c.run(w.c.t + DAY)
    assert w.load(program(99, strengths=(6_000_000,))) == k.GRANTED


def test_a_monitor_that_cannot_take_a_program_keeps_the_window_from_taking_it(monkeypatch: pytest.MonkeyPatch) -> None:
    w = world(program())
    w.c.run(1000)
    real = type(w.c.monitor).load
    monkeypatch.setattr(type(w.c.monitor), "load", lambda s, p, d, t: p.number == 1 and real(s, p, d, t))
    w.k.propose(packed(program(2, strengths=(6_000_000,))))
    assert refused(w, lambda: w.k.confirm(w.k.staged_digest())) == k.HISTORY_FULL


@pytest.mark.requirement("OP-6.5.3", "UM-14", "SF-13")
def test_a_program_is_committed_while_stopped_and_delivers_when_started() -> None:
    w = world(program(), start=False)
    assert w.load(program(2, rates=((0, 10_000_000),))) == k.GRANTED
    assert w.c.rate == 0
    assert w.k.start(4) == k.GRANTED
    assert w.c.rate == 10_000_000


def test_a_schedule_with_more_changes_than_can_be_laid_out_is_refused() -> None:
    busy = [(i * 180, 2_000_000 + i % 2) for i in range(20)]  # 480 changes a day
    w = world(program(rates=((0, 2_000_000),)))
    assert w.load(program(2, busy, cycle_s=HOUR)) == k.HISTORY_FULL
    assert w.k.wait_s == 0
    half = [(0, 2_000_000), (900, 1_000_000)]  # 96 a day
    assert w.load(limits(3, half, 60, 600, bolus=None, cycle_s=1800)) == k.GRANTED


def test_a_single_that_begins_behind_too_many_changes_is_refused() -> None:
    w = world(limits(1, [(0, 2_000_000), (900, 1_000_000)], 60, 600, bolus=None, cycle_s=1800))
    w.c.run(2 * DAY)
    assert w.k.single(5, DAY) == k.GRANTED
    assert w.k.single(5, DAY) == k.GRANTED
    assert refused(w, lambda: w.k.single(45, 600)) == k.HISTORY_FULL
    assert w.k.wait_s == 0


def test_a_bolus_during_a_bridge_at_the_fallback_rate_is_looked_at_with_it() -> None:
    p = limits(
        1,
        [(0, 1_000_000)],
        120,
        2000,
        bolus=(30, 600, 600, 40),
        bridge=(60_000_000, 1_000_000, 30),
        responses=(0, 2, 1, 0, 0, 2),
        fallback=12_000_000,
    )
    w = world(p)
    w.c.issue(al.POWER_LOST)
    w.c.run(100)
    assert w.c.rate == 12_000_000
    answers = []
    for i in range(1, 40):
        answers.append(w.k.bolus(i))
        w.c.run(w.c.t + 601)
    assert k.CEILING_1H in answers
    assert k.GRANTED in answers
    assert k.E_HELD not in [e for _, e, _, _ in events(w)]
    assert broken_windows(w.motor.strokes) == []


def test_a_wait_that_memory_cannot_lay_out_is_none() -> None:
    # 154 changes a day can be laid out for a day, and not for the longest wait with boluses before it.
    w = world(limits(1, [(0, 2_000_000), (600, 1_000_000)], 60, 600, bolus=None, cycle_s=1120))
    w.k.stop(1)
    w.c.run(2 * DAY)
    w.k.start(1)
    for _ in range(QUEUE):
        assert w.k.single(1, 100) == k.GRANTED
    assert refused(w, lambda: w.k.single(55, 600)) in (k.CEILING_1H, k.HISTORY_FULL)
    assert w.k.wait_s == 0


def test_what_a_bolus_that_was_cut_had_left_is_not_counted() -> None:
    w = world(program(rates=((0, 0),), low_nl=0, bolus=(40, 600, 600, 6)), level_nl=62 * STROKE_NL)
    assert w.k.bolus(1) == k.GRANTED
    w.c.run(300)
    w.k.stop(1)
    assert w.c.running is False
    w.c.run(600)
    w.k.start(1)
    assert w.c.usable_strokes() == 42
    assert w.k.bolus(2) == k.GRANTED


# Stop, start, refill, clock


@pytest.mark.requirement("OP-6.5.6", "OP-6.6.1", "UM-07", "UM-29", "UM-77", "UM-78", "SF-02", "IT-17")
def test_start_and_stop() -> None:
    w = world()
    assert refused(w, lambda: w.k.start(1)) == k.NO_PROGRAM
    assert w.k.stop(1) == k.NOT_NEEDED
    w = world(program(), start=False)
    assert w.k.start(7) == k.GRANTED
    assert events(w)[-1] == (0, k.E_START, 7, 0)
    assert w.k.start(7) == k.NOT_NEEDED
    w.c.run(10)
    assert w.k.stop(8) == k.GRANTED
    assert events(w)[-1] == (10, k.E_STOP, 8, 0)
    assert w.c.stopped_at_s == 10
    assert w.k.stop(8) == k.NOT_NEEDED
    assert w.k.wait_s == 0


@pytest.mark.requirement("FD-10.2")
def test_a_pump_that_was_stopped_for_two_days_says_so_until_it_is_started() -> None:
    w = world(program())
    w.k.stop(1)
    w.c.run(2 * DAY - 1)
    assert not w.c.alarms.on(al.STOPPED_48H)
    w.c.run(2 * DAY)
    assert w.c.alarms.on(al.STOPPED_48H)
    w.k.start(1)
    assert not w.c.alarms.on(al.STOPPED_48H)


@pytest.mark.parametrize("level", [-1, 20_000_001, 1 << 70])
def test_refill_with_a_value_out_of_range(level: int) -> None:
    w = world(program())
    assert refused(w, lambda: w.k.refill(level)) == k.BAD_VALUE


@pytest.mark.requirement("UM-79")
def test_refill_looks_at_low_and_empty_again() -> None:
    w = world(program(low_nl=2_000_000))
    assert w.k.refill(1_000_000) == k.GRANTED
    assert w.c.alarms.on(al.LOW_RESERVOIR)
    assert w.k.refill(0) == k.GRANTED
    assert w.c.alarms.on(al.EMPTY_RESERVOIR)
    assert w.c.rate == 0
    assert w.k.refill(20_000_000) == k.GRANTED
    assert w.c.alarms.active == 0
    assert w.c.rate == 20_000_000
    assert [(a, b) for _, e, a, b in events(w) if e == k.E_REFILL][-3:] == [
        (1_000_000, 20_000_000),
        (0, 1_000_000),
        (20_000_000, 0),
    ]


@pytest.mark.parametrize("offset", [-1, k.WEEK_S * 5000, 1 << 70])
def test_a_clock_out_of_range(offset: int) -> None:
    w = world(program())
    assert refused(w, lambda: w.k.set_clock(offset)) == k.BAD_VALUE


def test_a_clock_that_repeats_a_steep_hour_is_refused_until_it_fits() -> None:
    w = world(limits(1, [(0, 0), (7200, 20_000_000), (10_800, 0)], 130, 130, bolus=None))
    w.c.run(12_000)
    assert refused(w, lambda: w.k.set_clock(7 * DAY - 6000)) == k.CEILING_24H
    wait = w.k.wait_s
    assert 0 < wait < DAY
    w.c.run(12_000 + wait)
    assert w.k.set_clock(7 * DAY - 6000) == k.GRANTED
    assert events(w)[-1] == (12_000 + wait, k.E_CLOCK, 0, 7 * DAY - 6000)


def test_a_clock_is_set_before_there_is_a_program() -> None:
    w = world()
    assert w.k.set_clock(1234) == k.GRANTED
    assert w.c.clock_s() == 1234


# Alarms


@pytest.mark.requirement("OP-6.6.1", "UM-65", "UM-81")
def test_acknowledging_and_clearing() -> None:
    w = world(program(responses=(0, 0, 2, 0, 0, 2)))
    w.motor.stalls = [(0, 1000)]
    w.c.run(1000)
    assert w.c.alarms.on(al.STALL)
    assert w.c.rate == 0
    assert w.k.acknowledge(al.STALL) == k.GRANTED
    assert events(w)[-1] == (1000, k.E_ACK, al.STALL, 0)
    assert w.c.alarms.acknowledged_s[al.STALL] == 1000
    assert w.c.rate == 0, "what it asks for stays in force"
    assert w.k.clear(al.STALL) == k.GRANTED
    assert events(w)[-1] == (1000, k.E_CLEAR, al.STALL, 0)
    assert w.c.rate == 20_000_000
    assert w.c.failed_row == 0
    for ask in (w.k.acknowledge, w.k.clear):
        for alarm in (al.STALL, -1, al.N_ALARMS, 99):
            assert ask(alarm) == k.NOT_NEEDED


@pytest.mark.parametrize("alarm", [al.LOW_RESERVOIR, al.EMPTY_RESERVOIR, al.END_OF_SERVICE, al.STOPPED_48H, al.HELD])
def test_alarms_that_clear_by_themselves_cannot_be_cleared(alarm: int) -> None:
    w = world(program())
    w.c.issue(alarm)
    assert w.k.clear(alarm) == k.NOT_NEEDED
    assert w.c.alarms.on(alarm)
    assert w.k.acknowledge(alarm) == k.GRANTED


@pytest.mark.requirement("UM-66", "UM-67")
def test_clearing_one_alarm_lifts_nothing_that_another_asks_for() -> None:
    w = world(program(responses=(0, 0, 2, 0, 0, 2)))
    w.c.issue(al.STALL)
    w.c.issue(al.OVER_DELIVERY)
    w.k.clear(al.STALL)
    assert w.c.rate == 0
    w.k.clear(al.OVER_DELIVERY)
    assert w.c.rate == 20_000_000


@pytest.mark.requirement("FD-3.3")
def test_memory_in_doubt_is_cleared_after_a_day_at_the_earliest() -> None:
    w = world(program())
    assert w.k.clear(al.MEMORY_CRITICAL) == k.NOT_NEEDED, "it is not on"
    w.c.run(100)
    w.c.issue(al.MEMORY_CRITICAL)
    w.c.run(200)
    assert refused(w, lambda: w.k.clear(al.MEMORY_CRITICAL)) == k.MEMORY
    assert w.k.wait_s == DAY - 100
    assert w.k.acknowledge(99) == k.NOT_NEEDED
    assert w.k.wait_s == 0
    w.c.run(100 + DAY)
    assert w.k.clear(al.MEMORY_CRITICAL) == k.GRANTED
    assert w.k.wait_s == 0


@pytest.mark.parametrize(
    "ask",
    [
        lambda w: w.k.bolus(0),
        lambda w: w.k.void(0),
        lambda w: w.k.single(0, 0),
        lambda w: w.k.prime(0, 0, 0, near_field=True),
        lambda w: w.k.propose(bytearray()),
        lambda w: w.k.confirm(b""),
        lambda w: w.k.start(1),
        lambda w: w.k.refill(-1),
        lambda w: w.k.set_clock(-1),
        lambda w: w.k.acknowledge(99),
        lambda w: w.k.clear(99),
        lambda w: w.k.stop(1),
    ],
)
@pytest.mark.requirement("UM-54")
def test_no_answer_carries_the_wait_of_the_one_before(ask: Callable[[World], int]) -> None:
    w = world(program())
    w.k.wait_s = 99
    ask(w)
    assert w.k.wait_s == 0


@pytest.mark.requirement("OP-5.3.2")
def test_values_at_the_edge_are_taken() -> None:
    w = world(program(rates=((0, 0),), bolus=None))
    assert w.k.set_clock(0) == k.GRANTED
    assert w.k.set_clock(k.WEEK_S * 3500 - 1) == k.GRANTED
    assert refused(w, lambda: w.k.set_clock(k.WEEK_S * 3500)) == k.BAD_VALUE
    assert w.k.refill(w.c.hw.reservoir_nl) == k.GRANTED
    assert w.k.single(10, 9) == k.GRANTED, "exactly as fast as the motor"
    w = world(program(rates=((0, 1),), bolus=None))
    assert refused(w, lambda: w.k.single(10, 9)) == k.BAD_VALUE
    assert w.k.single(10, DAY) == k.GRANTED
    assert w.k.prime(1, STROKE_NL, 5000, near_field=True) == k.RUNNING
    w = world(program())
    assert w.k.prime(1, STROKE_NL, STROKE_NL, near_field=True) == k.GRANTED


def test_what_was_given_of_a_running_bolus_is_not_counted_again() -> None:
    w = world(program(rates=((0, 0),), low_nl=0), level_nl=100 * STROKE_NL)
    assert w.k.single(60, 600) == k.GRANTED
    w.c.run(300)
    assert w.c.usable_strokes() == 70
    assert refused(w, lambda: w.k.single(39, 600)) == k.EMPTY
    assert w.k.single(38, 600) == k.GRANTED


def test_numbers_that_others_build_on() -> None:
    assert CONFIRM_WITHIN_S == 300
    assert (REMEMBERED, STARTS, MAX_STARTS) == (32, 48, 48)
    assert NEW > k.NOT_NEEDED


# A prime to the stroke and to the second


def test_a_prime_may_be_as_large_as_a_bolus() -> None:
    w = world(program())
    most = 100_000 * STROKE_NL
    assert refused(w, lambda: w.k.prime(1, most, most, near_field=True)) == k.EMPTY
    assert refused(w, lambda: w.k.prime(1, most + STROKE_NL, STROKE_NL, near_field=True)) == k.EMPTY


def test_a_prime_leaves_a_stroke_in_the_reservoir() -> None:
    for left, answer in ((2, k.GRANTED), (1, k.EMPTY)):
        w = world(program(low_nl=0), level_nl=(30 + 10 + left) * STROKE_NL)
        assert w.k.prime(1, 40 * STROKE_NL, 30 * STROKE_NL, near_field=True) == answer


def test_a_prime_runs_at_its_own_rate_and_so_does_what_is_beyond_it() -> None:
    w = world(program(rates=((0, 0),)))
    assert w.k.prime(1, 130 * STROKE_NL, 100 * STROKE_NL + 99, near_field=True) == k.GRANTED
    assert type(w.c.monitor.dead_strokes) is int
    w.c.run(200)
    assert [(t, e, b) for t, e, _, b in events(w) if e in (k.E_BOLUS, k.E_BOLUS_END)] == [
        (0, k.E_BOLUS, 100),
        (90, k.E_BOLUS_END, 100),
        (90, k.E_BOLUS, 30),
        (117, k.E_BOLUS_END, 30),
    ]


def test_what_is_beyond_a_prime_is_looked_at_for_its_time_and_after_the_prime(monkeypatch: pytest.MonkeyPatch) -> None:
    w = world(program())
    asked: list[tuple[int, int, int]] = []

    def fits(answer: int) -> Callable[[object, int, int, int], int]:
        def ask(_: object, strokes: int, seconds: int, after_s: int) -> int:
            asked.append((strokes, seconds, after_s))
            return answer

        return ask

    monkeypatch.setattr(commands, "bolus_fits", fits(k.CEILING_1H))
    monkeypatch.setattr(commands, "bolus_wait", fits(1234))
    assert refused(w, lambda: w.k.prime(1, 130 * STROKE_NL, 100 * STROKE_NL, near_field=True)) == k.CEILING_1H
    assert w.k.wait_s == 1234
    assert asked == [(30, 27, 90)] * 2
    asked.clear()
    assert refused(w, lambda: w.k.single(30, 77)) == k.CEILING_1H
    assert asked == [(30, 77, 0)] * 2


def test_what_is_put_back_after_a_refused_program_is_as_new_as_this_second() -> None:
    w = world(limits(1, [(0, 5_000_000)], 200, 1000))
    w.c.run(1000)
    steep = program(2, [(0, 20_000_000)], strengths=(6_000_000,), per_1h=(10 * NG,), per_24h=(3000 * NG,), bolus=None)
    w.k.propose(packed(steep))
    assert w.k.confirm(w.k.staged_digest()) == k.CEILING_1H
    assert w.c.window.since_s == w.c.monitor.since_s == 1000
    assert w.k.bolus(1) == k.GRANTED


def test_a_bridge_that_is_cut_short_is_told_with_what_was_left() -> None:
    w = world(program(bridge=(30_000_000, 20_000_000, 0)))
    w.c.run(1000)
    assert w.load(program(2)) == k.GRANTED
    assert events(w)[-2] == (1000, k.E_BRIDGE_CUT, 22, 24_444)
    for number, bridging, left, told in ((3, True, 1, 1), (4, True, 0, 0), (5, False, 7, 0)):
        w.c.bridging, w.c.bridge_left = bridging, left
        before = len(events(w))
        assert w.load(program(number)) == k.GRANTED
        assert len(events(w)) == before + told + 1


def test_since_when_the_base_is_regular() -> None:
    w = world()
    w.c.run(50)
    assert w.load(program(1)) == k.GRANTED
    assert (w.c.regular_at_s, w.c.stopped_at_s) == (50 - DAY, 50), "before the first program nothing was given"
    w.c.run(100)
    assert w.load(program(2)) == k.GRANTED
    assert (w.c.regular_at_s, w.c.stopped_at_s) == (100, 50)
    w.c.loaded, w.c.commanded = False, 5
    assert w.load(program(3)) == k.GRANTED
    assert (w.c.regular_at_s, w.c.stopped_at_s) == (100, 50), "not the first: what was given is not forgotten"
    w = world()
    w.c.bridge_strokes = 5
    w.c.run(50)
    assert w.load(program(1, bridge=(1, 1, 0))) == k.GRANTED
    assert (w.c.regular_at_s, w.c.bridging, w.c.bridge_left, w.c.bridge_strokes) == (50, True, HOUR, 0)


def test_nothing_is_confirmed_while_a_bolus_only_waits() -> None:
    w = world(program())
    w.k.propose(packed(program(2)))
    w.c.run(100)
    w.c.q_len = 1
    assert w.k.confirm(w.k.staged_digest()) == k.RUNNING
    assert w.k.wait_s == 0


def test_new_commands_have_nothing_to_say() -> None:
    commands_of = Commands(world().c)
    assert (commands_of.wait_s, commands_of.first) == (0, k.GRANTED)


def test_short_stalls_that_were_cleared_are_forgotten() -> None:
    w = world(program())
    w.c.alarms.stalls = 3
    w.c.issue(al.SHORT_STALLS)
    assert w.k.clear(al.SHORT_STALLS) == k.GRANTED
    assert w.c.alarms.stalls == 0


def test_the_clock_of_a_stopped_pump_may_be_set_to_anything() -> None:
    w = world(limits(1, [(0, 0), (7200, 20_000_000), (10_800, 0)], 130, 130, bolus=None))
    w.c.run(12_000)
    w.k.stop(1)
    assert w.k.set_clock(7 * DAY - 6000) == k.GRANTED
    assert refused(w, lambda: w.k.start(1)) == k.CEILING_24H
    wait = w.k.wait_s
    assert 0 < wait < DAY
    w.c.run(12_000 + wait)
    assert w.k.start(1) == k.GRANTED


# The ledger


@settings(max_examples=80, deadline=None)
@given(ids=st.lists(st.integers(1, 120), max_size=120))
@pytest.mark.requirement("P2")
def test_no_id_is_new_twice(ids: list[int]) -> None:
    ledger = Ledger()
    seen: dict[int, int] = {}
    order: list[int] = []
    for i, request in enumerate(ids):
        first = ledger.first_outcome(request)
        if order and request <= max(order):
            assert first != NEW
        if request in order[-REMEMBERED:]:
            assert first == seen[request]
        elif order and request <= max(order):
            assert first == -1
        if first == NEW:
            assert request not in seen
            seen[request] = i % 23
            order.append(request)
            ledger.remember(request, seen[request], i)
            assert ledger.at_s[(ledger.next - 1) % REMEMBERED] == i


@settings(max_examples=80, deadline=None)
@given(gaps=st.lists(st.integers(0, 20_000), max_size=80), most=st.integers(1, STARTS), lockout=st.integers(0, DAY))
@pytest.mark.requirement("P2", "OP-5.2.3", "FD-10.6")
def test_lockout_and_count_against_every_start(gaps: list[int], most: int, lockout: int) -> None:
    ledger = Ledger()
    starts: list[int] = []
    now = 0
    for gap in gaps:
        now += gap
        inside = sorted(s for s in starts if s > now - DAY)
        assert ledger.count_left(most, now) == (0 if len(inside) < most else inside[-most] + DAY - now)
        last = starts[-1] if starts else None
        assert ledger.lockout_left(lockout, now) == (0 if last is None else max(0, last + lockout - now))
        if len(inside) < STARTS:
            ledger.start(now)
            starts.append(now)


def test_the_newest_requests_and_starts_are_kept_and_no_more() -> None:
    ledger = Ledger()
    for i in range(1, REMEMBERED + 9):
        ledger.remember(i, i % 20, i)
        assert ledger.n == min(i, REMEMBERED)
    assert [ledger.first_outcome(i) for i in (1, 8, 9, 40, 41)] == [-1, -1, 9, 0, NEW]
    for i in range(STARTS + 9):
        assert ledger.n_starts == min(i, STARTS)
        ledger.start(100 * i)
    assert ledger.count_left(STARTS, 5600) == 900 + DAY - 5600
    assert ledger.count_left(2, 5500 + DAY - 1) == 1
    assert ledger.count_left(2, 5500 + DAY) == 0
    assert ledger.count_left(2, 5500 + 2 * DAY) == 0


def test_a_new_ledger_is_empty() -> None:
    held = {n: (v.typecode, v.tolist()) if isinstance(v, array) else v for n, v in vars(Ledger()).items()}
    assert held == {
        "id": ("q", [0] * REMEMBERED),
        "outcome": bytearray(REMEMBERED),
        "at_s": ("I", [0] * REMEMBERED),
        "n": 0,
        "next": 0,
        "newest": 0,
        "seat_id": ("q", [0] * SEATS),
        "seat_answer": bytearray(SEATS),
        "seat_wait_s": ("I", [0] * SEATS),
        "seat_at_s": ("I", [0] * SEATS),
        "start_s": ("I", [0] * STARTS),
        "n_starts": 0,
        "next_start": 0,
    }
    assert SEATS == 4


@pytest.mark.requirement("FD-10.6")
def test_a_count_that_memory_does_not_reach_is_never_free() -> None:
    ledger = Ledger()
    assert ledger.count_left(STARTS, 0) == 0
    assert ledger.count_left(STARTS + 1, 0) == k.NEVER


def test_a_record_of_a_program_has_its_checksum_behind_it() -> None:
    assert RECORD_SIZE == SIZE + 4
    assert len(Commands(world().c).buf) == RECORD_SIZE


# Found in the controller


@pytest.mark.requirement("OP-5.3.4", "OP-6.4.7", "UM-37")
def test_a_bolus_that_waits_never_begins_after_a_stop_by_an_alarm() -> None:
    # The last three strokes of the first bolus stall in its last seconds: the alarm comes with its end.
    w = world(program(rates=((0, 0),), responses=(0, 0, 2, 0, 0, 2)))
    w.k.single(10, 100)
    w.k.single(7, 100)
    w.motor.stalls = [(80, 2000)]
    w.c.run(5000)
    assert w.c.alarms.on(al.STALL)
    assert w.c.b_kind == 0
    assert w.c.q_len == 0
    assert w.k.clear(al.STALL) == k.GRANTED
    w.c.run(3 * DAY)
    assert len(w.motor.strokes) == 7


def test_strokes_beyond_the_commanded_ones_are_seen_when_a_bolus_is_asked_for() -> None:
    # Each was confirmed, said to be over-delivery, and cleared; the next bolus must fit beside them.
    w = world(limits(1, [(0, 20_000_000)], 150, 3000, bolus=(40, 600, 600, 10)))
    w.c.run(2 * DAY)
    for _ in range(50):
        w.motor.extra_at = w.c.t + 2
        w.c.run(w.c.t + 60)
        assert w.k.clear(al.OVER_DELIVERY) == k.GRANTED
    assert w.k.bolus(1) == k.CEILING_1H
    w.c.run(w.c.t + w.k.wait_s)
    assert w.k.bolus(2) == k.GRANTED
    w.c.run(w.c.t + DAY)
    assert k.E_HELD not in [e for _, e, _, _ in events(w)]
