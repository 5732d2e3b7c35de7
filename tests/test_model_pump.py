"""Every state of one small pump that a handful of acts can reach: no promise is broken in any of them.

The pump is the real core on a store whose power can fail within a command. Its program is tiny: a few strokes an hour,
a bolus of three, ceilings that leave room for little more, so that everything that can collide does so within a few
acts. The same search finds the breach when a promise is broken on purpose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.core_world import program
from tests.fault_store import AFTER, BEFORE, Life, PowerCut, per
from tests.model_search import BrokenPromise, Explored, Model, explore

from thecal.pump.core import codes, commands, foresight
from thecal.pump.core.ledger import NEW, Ledger
from thecal.pump.core.monitor import Monitor

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from thecal.pump.core.controller import Controller
    from thecal.pump.core.program import Program

# A search through many lives: its lines are counted by the tests of each part, and counting them here doubles its time.
pytestmark = pytest.mark.no_cover

QUARTER_S = 1200
STRENGTHS = (4_000_000, 5_000_000)


def small(number: int) -> Program:
    """Six strokes an hour; odd numbers are weaker than even ones; at most 44 strokes an hour and 190 a day."""
    strength = STRENGTHS[number % 2]
    return program(
        number,
        ((0, 1_500_000),),
        strengths=(strength,),
        per_1h=[per(44, 5_000_000)],
        per_24h=[per(190, 5_000_000)],
        bolus=(8, 120, QUARTER_S, 2),
    )


class Patient(Life):
    """A pump with the numbers of what was asked of it."""

    request = 0
    number = 1

    def newest(self) -> int:
        return self.c.ledger.newest


def begin() -> Patient:
    life = Patient()
    life.settle()
    life.refill(18_000_000)
    assert life.load(small(1)) == codes.GRANTED
    assert life.start() == codes.GRANTED
    life.wait_until(life.true_s() + 60)
    return life


def press(p: Patient) -> None:
    p.request += 1
    p.press(p.request)


def press_again(p: Patient) -> None:
    """The same number once more, as after a lost answer."""
    if p.request:
        given = (p.requests + p.motor.requests)[p.request]
        answer = p.k.bolus(p.request)
        p.settle()
        assert answer != codes.GRANTED or given == 0, "granted twice"
        if answer == codes.GRANTED:
            p.motor.request = p.request


def withdraw_and_press(p: Patient) -> None:
    """Withdraw a number that never arrived; a late frame then brings it."""
    p.request += 1
    assert p.k.void(p.request) == codes.VOIDED
    p.settle()
    assert p.k.bolus(p.request) == codes.DUPLICATE, "withdrawn, and done"


def wait(seconds: int) -> Callable[[Patient], None]:
    return lambda p: p.wait_until(p.true_s() + seconds)


def reprogram(p: Patient) -> None:
    if p.load(small(p.number + 1)) == codes.GRANTED:
        p.number += 1


def stop(p: Patient) -> None:
    p.stop()


def start(p: Patient) -> None:
    p.start()


def clock(p: Patient) -> None:
    p.k.set_clock((p.c.offset_s + 8 * codes.HOUR_S) % codes.WEEK_S)
    p.settle()


def single(p: Patient) -> None:
    p.single(20, 60)


def power_cut(p: Patient) -> None:
    """The power fails with strokes given that no record knows of but as reserved."""
    p.c.run(p.c.t + 700)
    p.power_cut(300)


def power_cut_within(act: Callable[[Patient], None], write: int, tear: str) -> Callable[[Patient], None]:
    """An act whose ``write``-th write is the last thing that happens before the power fails."""

    def cut(p: Patient) -> None:
        p.store.cut(write, tear)
        try:
            act(p)
        except PowerCut:
            p.power_cut(60)
            if p.c.loaded:
                p.number = p.c.program.number
        p.store.cut_at = 0

    return cut


ACTS: dict[str, Callable[[Patient], None]] = {
    "press": press,
    "the same press again": press_again,
    "withdraw, then a late frame": withdraw_and_press,
    "20 min pass": wait(QUARTER_S),
    "3 min pass": wait(180),
    "23 h pass": wait(23 * codes.HOUR_S),
    "stop": stop,
    "start": start,
    "another strength": reprogram,
    "clock 8 h on": clock,
    "clinician's bolus": single,
    "power cut": power_cut,
    "press, power cut before its first write": power_cut_within(press, 1, BEFORE),
    "press, power cut after its first write": power_cut_within(press, 1, AFTER),
    "another strength, power cut after the program": power_cut_within(reprogram, 1, AFTER),
    "another strength, power cut between the states": power_cut_within(reprogram, 2, AFTER),
}


def key(p: Patient) -> Hashable:
    """What decides about what comes: doses of the past day by age, lockout, count, modes, the newest request."""
    now = p.true_s()
    past: dict[tuple[int, int], int] = {}
    for s in p.all_strokes():
        if now - s.t < codes.DAY_S:
            at = ((now - s.t) // QUARTER_S, s.charge_fg[0])
            past[at] = past.get(at, 0) + s.n
    c = p.c
    return (
        tuple(sorted(past.items())),
        c.ledger.lockout_left(QUARTER_S, c.t) // 60,
        c.ledger.count_left(2, c.t) // QUARTER_S,
        (c.running, c.b_kind, c.q_len, c.alarms.active, c.program.number % 2),
        c.ledger.first_outcome(p.request) if p.request else NEW,
        (p.c.strokes - p.delivered()) // 4,
    )


def modes(p: Patient) -> list[str]:
    """Every mode that this state is in, each told by itself: there is to be one (GPCA REQ 1)."""
    c = p.c
    delivering = c.loaded and c.running and c.alarms.base(c.program.response) != codes.R_STOP
    base = delivering and c.b_kind != codes.PRIME
    response = c.alarms.base(c.program.response)
    told = {
        "no program": not c.loaded,
        "stopped": c.loaded and not c.running,
        "halted by an alarm": c.loaded and c.running and response == codes.R_STOP,
        "priming": delivering and c.b_kind == codes.PRIME,
        "fallback": base and response == codes.R_FALLBACK,
        "bridge": base and response == codes.R_CONTINUE and c.bridging,
        "schedule": base and response == codes.R_CONTINUE and not c.bridging,
    }
    return [mode for mode, is_on in told.items() if is_on]


def check(p: Patient) -> None:
    """All that must hold in a state."""
    p.judge()
    (mode,) = modes(p)
    program = p.c.program
    rates = {"fallback": program.fallback_pl_per_h, "bridge": program.bridge_rate_pl_per_h, "schedule": 1_500_000}
    assert p.c.rate == rates.get(mode, 0), f"{mode} at {p.c.rate} pL/h"
    assert p.c.b_kind == 0 or mode not in ("no program", "stopped", "halted by an alarm"), f"a bolus while {mode}"


def model(*acts: str) -> Model[Patient]:
    """The whole model, or with these acts alone."""
    return Model(begin, {name: ACTS[name] for name in acts or ACTS}, key, check)


def searched(depth: int) -> Explored:
    return explore(model(), depth=depth)


@pytest.mark.requirement("P1", "P2", "P4", "UM-01", "SF-10")
def test_no_promise_is_broken_within_three_acts() -> None:
    found = searched(3)
    assert found.depth == 3
    assert found.states > 300


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.requirement("P1", "P2")
def test_no_promise_is_broken_within_five_acts() -> None:
    assert explore(model(), depth=5, most_states=60_000).states > 5_000


# The search can fail: each promise broken on purpose is found.


def forget_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ledger, "first_outcome", lambda self, request: NEW)
    monkeypatch.setattr(Ledger, "lockout_left", lambda self, lockout_s, now_s: 0)


def forget_the_lockout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ledger, "lockout_left", lambda self, lockout_s, now_s: 0)


def forget_the_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ledger, "count_left", lambda self, most, now_s: 0)


def forget_the_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    def fits(c: Controller, strokes: int, seconds: int, after_s: int = 0) -> int:
        return codes.GRANTED

    monkeypatch.setattr(commands, "bolus_fits", fits)
    monkeypatch.setattr(foresight, "bolus_fits", fits)
    monkeypatch.setattr(Monitor, "room", lambda self, now_s: 10**6)


def forget_the_reservation(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was reserved is not counted on waking."""
    from thecal.pump.core.record import Keeper

    before = Keeper._count_doubt

    def count(self: Keeper, c: Controller) -> None:
        c.reserved = c.commanded
        before(self, c)

    monkeypatch.setattr(Keeper, "_count_doubt", count)


@pytest.mark.parametrize(
    ("broken", "acts"),
    [
        (forget_requests, ("press", "the same press again", "3 min pass")),
        (forget_the_lockout, ("press", "stop", "3 min pass")),
        (forget_the_count, ("press", "20 min pass")),
        (forget_the_ceiling, ("press", "clinician's bolus", "20 min pass")),
        (forget_the_reservation, ("press", "power cut")),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
@pytest.mark.requirement("P1", "P2")
def test_a_promise_broken_on_purpose_is_found(
    monkeypatch: pytest.MonkeyPatch, broken: Callable[[pytest.MonkeyPatch], None], acts: tuple[str, ...]
) -> None:
    assert explore(model(*acts), depth=6, most_states=200).depth > 1, "whole, it holds"
    broken(monkeypatch)
    with pytest.raises(BrokenPromise):
        explore(model(*acts), depth=6, most_states=200)
