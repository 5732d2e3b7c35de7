"""The time of a virtual world goes on while nobody looks, is the same for everybody, and never goes back."""

from __future__ import annotations

import json
import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thecal.rig import clock as clocks
from thecal.rig.clock import (
    MOST_SPEED,
    MOST_TRUE_S,
    Anchor,
    Machine,
    RealClock,
    TestClock,
    WorldClock,
    WorldFileError,
    open_clock,
    read_anchor,
    write_anchor,
)

if TYPE_CHECKING:
    from pathlib import Path

MORNING = Machine(1_000_000_000, 1_700_000_000, "first start")


def later(machine: Machine, seconds: float, *, boot: str | None = None) -> Machine:
    return Machine(
        machine.monotonic_ns + int(seconds * 1e9), machine.utc_s + int(seconds), machine.boot if boot is None else boot
    )


@given(st.integers(0, 10**6), st.integers(1, MOST_SPEED), st.integers(0, 10**15))
def test_true_time_runs_at_the_speed_of_its_anchor(true_s: int, speed: int, passed_ns: int) -> None:
    anchor = Anchor(true_s, 0, speed, MORNING)
    at = anchor.true_at(replace(MORNING, monotonic_ns=MORNING.monotonic_ns + passed_ns))
    assert at == min(true_s + passed_ns * speed // 10**9, MOST_TRUE_S)


@given(st.integers(0, 10**6), st.integers(0, 1000), st.lists(st.tuples(st.integers(0, 10**13), st.integers(0, 1000))))
def test_no_change_of_speed_takes_true_time_back(true_s: int, speed: int, moves: list[tuple[int, int]]) -> None:
    anchor = Anchor(true_s, 0, speed, MORNING)
    machine = MORNING
    for passed_ns, then in moves:
        machine = replace(machine, monotonic_ns=machine.monotonic_ns + passed_ns)
        after = anchor.moved(machine, then)
        assert after.true_s >= anchor.true_s
        assert after.true_s == anchor.true_at(machine)
        anchor = after


def test_after_another_start_of_the_machine_its_utc_counts_and_never_back() -> None:
    anchor = Anchor(100, 0, 60, MORNING)
    assert anchor.true_at(later(MORNING, 10)) == 700
    restarted = Machine(5, MORNING.utc_s + 20, "second start")
    assert anchor.true_at(restarted) == 1300
    assert anchor.true_at(replace(restarted, utc_s=0)) == 100
    unnamed = replace(anchor, machine=replace(MORNING, boot=""))
    assert unnamed.true_at(Machine(MORNING.monotonic_ns + 10**12, MORNING.utc_s + 1, "")) == 160
    assert anchor.true_at(Machine(0, MORNING.utc_s + 3, MORNING.boot)) == 280


def test_a_world_is_born_once_and_goes_on_while_no_process_runs(tmp_path: Path) -> None:
    path = tmp_path / "world.json"
    first = open_clock(path, 60, MORNING)
    assert isinstance(first, RealClock)
    assert first.anchor == Anchor(0, MORNING.utc_s, 60, MORNING)
    second = open_clock(path, 1, later(MORNING, 10))
    assert isinstance(second, RealClock)
    assert second.anchor == Anchor(600, MORNING.utc_s, 1, later(MORNING, 10))
    third = open_clock(path, 0, later(MORNING, 15))
    assert isinstance(third, TestClock)
    assert third.now_s() == 605
    fourth = open_clock(path, 1, later(MORNING, 1000))
    assert fourth.anchor.true_s == 605


def test_a_real_clock_reads_the_machine_and_says_how_long_to_wait(tmp_path: Path) -> None:
    clock = open_clock(tmp_path / "world.json", 3600)
    assert isinstance(clock, RealClock)
    now = clock.now_s()
    assert now >= 0
    assert clock.utc_s() >= clock.anchor.birth_utc_s + now
    assert clock.wait_s(now) == 0.0
    assert 0.0 < clock.wait_s(now + 7200) <= 2.0
    deadline = time.monotonic() + 60
    while clock.now_s() < now + 60 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert clock.now_s() >= now + 60


@given(st.integers(1, MOST_SPEED), st.integers(0, 10**9), st.integers(1, 10**6))
def test_after_the_wait_the_time_has_come(speed: int, true_s: int, ahead_s: int) -> None:
    anchor = Anchor(true_s, 0, speed, MORNING)
    waited_ns = -(-ahead_s * 10**9 // speed)
    assert anchor.true_at(replace(MORNING, monotonic_ns=MORNING.monotonic_ns + waited_ns)) >= true_s + ahead_s


@pytest.mark.parametrize("speed", [0, -1, MOST_SPEED + 1])
def test_a_real_clock_has_a_speed(speed: int) -> None:
    with pytest.raises(ValueError, match="allowed: 1 to"):
        RealClock(Anchor(0, 0, speed, MORNING))


def test_a_test_clock_moves_by_hand_and_writes_it_down_first(tmp_path: Path) -> None:
    path = tmp_path / "world.json"
    clock = open_clock(path, 0, MORNING)
    assert isinstance(clock, TestClock)
    assert clock.wait_s(0) == 0.0
    assert clock.wait_s(1) == math.inf
    assert clock.advance(90) == 90
    assert (clock.now_s(), clock.utc_s()) == (90, MORNING.utc_s + 90)
    assert WorldClock(path).now_s() == 90
    assert open_clock(path, 0, later(MORNING, 10**6)).now_s() == 90
    path.unlink()
    path.mkdir()
    with pytest.raises(OSError, match="world"):
        clock.advance(1)
    assert clock.now_s() == 90
    alone = TestClock(Anchor(0, 0, 0, MORNING))
    assert alone.advance(0) == 0


@pytest.mark.parametrize("seconds", [-1, MOST_TRUE_S + 1])
def test_a_test_clock_does_not_move_out_of_its_range(seconds: int) -> None:
    with pytest.raises(ValueError, match="allowed: 0 to"):
        TestClock(Anchor(0, 0, 0, MORNING)).advance(seconds)


def test_another_process_reads_the_same_time(tmp_path: Path) -> None:
    path = tmp_path / "world.json"
    view = WorldClock(path)
    assert view.now_s() == 0
    assert view.utc_s() > 1_700_000_000
    clock = open_clock(path, 100)
    before = clock.now_s()
    seen = view.now_s()
    assert before <= seen <= clock.now_s()
    assert clock.anchor.birth_utc_s <= view.utc_s() <= clock.utc_s() + 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"true_s": 0}',
        '{"true_s": -1, "birth_utc_s": 0, "speed": 1, "machine": {"monotonic_ns": 0, "utc_s": 0, "boot": ""}}',
        '{"true_s": 0, "birth_utc_s": 0, "speed": -1, "machine": {"monotonic_ns": 0, "utc_s": 0, "boot": ""}}',
        '{"true_s": 0.5, "birth_utc_s": 0, "speed": 1, "machine": {"monotonic_ns": 0, "utc_s": 0, "boot": ""}}',
        '{"true_s": 0, "birth_utc_s": 0, "speed": 1, "machine": {"monotonic_ns": 0, "utc_s": 0}}',
    ],
)
def test_a_damaged_time_file_is_refused_and_never_guessed(tmp_path: Path, text: str) -> None:
    path = tmp_path / "world.json"
    path.write_text(text)
    with pytest.raises(WorldFileError, match=r"found a time file that is damaged \(world.json"):
        open_clock(path, 1)


def test_a_time_file_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "world.json"
    assert read_anchor(path) is None
    anchor = Anchor(5, 6, 7, MORNING)
    write_anchor(path, anchor)
    assert read_anchor(path) == anchor
    assert json.loads(path.read_text())["speed"] == 7


def test_a_machine_without_a_name_for_its_start_still_has_clocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Machine.now().monotonic_ns > 0
    monkeypatch.setattr(clocks, "_BOOT_FILE", tmp_path / "nothing")
    assert Machine.now().boot == ""
    assert open_clock(tmp_path / "world.json", 1).now_s() >= 0
