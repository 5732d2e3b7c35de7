"""What a device asks of the core: withdrawn requests, remembered commands, a rotor that turns by itself, stalls."""

from __future__ import annotations

import pytest
from tests import core_world
from tests.core_world import World, program
from tests.fault_store import events, running

from thecal.pump.core import alarms as al
from thecal.pump.core import codes
from thecal.pump.core.ledger import NEW, SEATS, Ledger


def world(**changes: object) -> World:
    return core_world.world(program(**changes))  # type: ignore[arg-type]


@pytest.mark.requirement("P2")
def test_a_withdrawn_request_never_delivers() -> None:
    w = world()
    assert w.k.void(3) == codes.VOIDED
    assert w.k.bolus(3) == codes.DUPLICATE
    assert w.k.first == codes.VOIDED
    assert w.c.b_kind == 0
    assert w.c.ledger.n_starts == 0
    assert (codes.E_VOIDED, 0, 3) in events(w.c)
    assert w.k.bolus(4) == codes.GRANTED


@pytest.mark.requirement("AP-02")
def test_withdrawing_what_arrived_tells_its_first_outcome() -> None:
    w = world()
    assert w.k.bolus(1) == codes.GRANTED
    assert w.k.bolus(2) == codes.LOCKOUT
    assert (w.k.void(1), w.k.first) == (codes.DUPLICATE, codes.GRANTED)
    assert (w.k.void(2), w.k.first) == (codes.DUPLICATE, codes.LOCKOUT)
    assert w.c.b_kind == codes.PATIENT


@pytest.mark.requirement("AP-14")
def test_withdrawing_twice_is_the_same_as_once() -> None:
    w = world()
    assert w.k.void(5) == codes.VOIDED
    assert (w.k.void(5), w.k.first) == (codes.DUPLICATE, codes.VOIDED)
    assert w.k.void(4) == codes.STALE_ID


@pytest.mark.parametrize("request_id", [0, -1, 1 << 62])
def test_a_request_to_withdraw_has_a_number(request_id: int) -> None:
    assert world().k.void(request_id) == codes.BAD_VALUE


@pytest.mark.requirement("AP-02")
def test_a_seat_remembers_its_newest_command() -> None:
    ledger = Ledger()
    assert ledger.seat_outcome(0, 1) == NEW
    ledger.seat_remember(0, 7, codes.LOCKOUT, 30, 500)
    assert ledger.seat_outcome(0, 7) == codes.LOCKOUT
    assert ledger.seat_outcome(0, 6) == -1
    assert ledger.seat_outcome(0, 8) == NEW
    assert [ledger.seat_outcome(i, 7) for i in range(1, SEATS)] == [NEW] * (SEATS - 1)
    assert (ledger.seat_wait_s[0], ledger.seat_at_s[0]) == (30, 500)


def test_seats_and_stalls_survive_a_power_cut() -> None:
    life = running()
    life.c.ledger.seat_remember(2, 1 << 40, codes.GRANTED, 9, life.c.t)
    life.c.alarms.stalls, life.c.alarms.stalls_since_s = 2, 77
    life.settle()
    life.power_cut(60)
    assert life.c.ledger.seat_outcome(2, 1 << 40) == codes.GRANTED
    assert life.c.ledger.seat_wait_s[2] == 9
    assert (life.c.alarms.stalls, life.c.alarms.stalls_since_s) == (2, 77)


@pytest.mark.requirement("P3", "OP-6.1.1", "OP-6.4.2", "MX-10", "FD-3.2")
def test_a_rotor_that_turns_by_itself_stops_the_pump_and_is_charged() -> None:
    w = world(rates=((0, 0),))
    w.c.run(5000)
    level, charged = w.c.level_nl, w.c.seg_strokes
    w.c.turned(3)
    assert w.c.alarms.on(al.OVER_DELIVERY)
    assert not w.c.allowed()
    assert w.c.level_nl == level - 750
    assert w.c.strokes == 3
    assert charged == 0
    assert w.c.monitor.open_n + w.c.monitor.n > 0, "the monitor counts it too"
    assert (codes.E_EXTRA, 3, 0) in events(w.c)
    w.c.run(6000)
    assert w.c.rate == 0


def test_a_rotor_may_turn_before_the_first_second() -> None:
    w = core_world.world()
    w.c.turned(1)
    assert w.c.strokes == 1
    assert w.c.alarms.on(al.OVER_DELIVERY)


def stalled(w: World, start_s: int) -> None:
    """A stall from ``start_s`` on that is found and ends."""
    w.motor.stalls.append((start_s, start_s + 400))
    w.c.run(start_s + 900)
    assert not w.c.alarms.on(al.STALL)


@pytest.mark.requirement("IT-03")
def test_the_third_short_stall_of_a_week_asks_for_a_replacement() -> None:
    w = world(responses=(0, 2, 2, 0, 0, 2))
    stalled(w, 1000)
    stalled(w, 3000)
    assert not w.c.alarms.on(al.SHORT_STALLS)
    stalled(w, 5000)
    assert w.c.alarms.on(al.SHORT_STALLS)
    assert w.c.allowed()
    assert w.k.clear(al.SHORT_STALLS) == codes.GRANTED
    stalled(w, 7000)
    assert not w.c.alarms.on(al.SHORT_STALLS), "counting starts again"


def test_stalls_of_different_weeks_are_not_added_up() -> None:
    w = world(responses=(0, 2, 2, 0, 0, 2))
    stalled(w, 1000)
    stalled(w, 3000)
    first = w.c.alarms.stalls_since_s
    stalled(w, first + codes.WEEK_S + 10)
    assert not w.c.alarms.on(al.SHORT_STALLS)
    assert w.c.alarms.stalls == 1


@pytest.mark.requirement("UM-80")
def test_an_alarm_is_logged_with_what_is_left() -> None:
    """What the reservoir is expected to hold when the alarm comes; the mode follows from the records before it."""
    w = world(rates=((0, 20_000_000),))
    w.motor.stalls.append((5000, 9000))
    w.c.run(6000)
    assert w.c.alarms.on(al.STALL)
    (left,) = [b for event, a, b in events(w.c) if (event, a) == (codes.E_ALARM, al.STALL)]
    assert left == w.c.level_nl == 20_000_000 - 250 * w.c.strokes


@pytest.mark.requirement("OP-7.2.6")
def test_a_blocked_stroke_counts_against_the_ceilings_and_not_as_delivered() -> None:
    """Whether its fluid moved is not known: for the ceilings it did, for the reservoir and the patient it did not."""
    w = world(rates=((0, 20_000_000),), responses=(0, 2, 2, 0, 0, 2))
    w.motor.stalls.append((0, 3000))
    w.c.run(3000)
    w.c.mark()
    assert w.c.missed > 0
    assert w.c.strokes == 0
    assert w.c.level_nl == 20_000_000
    assert w.c.window.total() == w.c.missed, "every commanded stroke is charged"
