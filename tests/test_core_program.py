"""A program as bytes and as numbers: round trips, damage, every fault from both sides, and its worst window."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core_world import packed, program

from thecal.pump.core import codes
from thecal.pump.core.program import (
    ARRAYS,
    MAGIC,
    MAX_BOLUS,
    MAX_BRIDGE_PL,
    MAX_LEVEL_NL,
    MAX_NUMBER,
    MAX_RATE_PL_PER_H,
    MAX_STARTS,
    NUMBERS,
    RECORD_SIZE,
    SIZE,
    Program,
)

DAY = codes.DAY_S
WEEK = codes.WEEK_S
HOUR = codes.HOUR_S
LIMITS = {"I": 2**32 - 1, "q": 2**62}


@st.composite
def any_program(draw: st.DrawFn) -> Program:
    """Every field anything that the layout can hold."""
    p = Program()
    for name in NUMBERS.split():
        setattr(p, name, draw(st.integers(0, 2**62)))
    for name in ARRAYS.split():
        held = getattr(p, name)
        most = 255 if isinstance(held, bytearray) else LIMITS[held.typecode]
        for i, value in enumerate(draw(st.lists(st.integers(0, most), max_size=len(held)))):
            held[i] = value
    return p


def fields(p: Program) -> dict[str, object]:
    return {name: list(v) if isinstance(v, (bytearray, array)) else v for name, v in vars(p).items()}


def test_the_layout_names_every_field_once() -> None:
    names = NUMBERS.split() + ARRAYS.split()
    assert sorted(names) == sorted(vars(Program()))
    assert len(set(names)) == len(names)


@settings(max_examples=50)
@given(p=any_program())
@pytest.mark.requirement("FD-7.1")
def test_packing_and_unpacking_are_inverse(p: Program) -> None:
    buf = packed(p)
    other = Program()
    assert other.unpack(buf)
    assert fields(other) == fields(p)
    assert packed(other) == buf
    assert other.unpack(bytes(buf))


def test_the_layout_is_fixed() -> None:
    p = program(7, ((0, 11), (60, 13)))
    buf = packed(p)
    assert len(buf) == RECORD_SIZE == SIZE + 4
    assert SIZE == 4 + 16 * 8 + 3 * 8 * 8 + 32 + 16 + 6 + 4 * 168 * 2
    assert int.from_bytes(buf[:4], "little") == MAGIC
    assert int.from_bytes(buf[4:12], "little") == 7
    assert int.from_bytes(buf[12:20], "little") == 250
    assert int.from_bytes(buf[132:140], "little") == 5_000_000
    assert int.from_bytes(buf[SIZE:], "little") == crc32(buf[:SIZE])


def test_numbers_out_of_range_stay_what_they_are_and_are_refused() -> None:
    p, other = program(), Program()
    p.number = 2**64 - 1
    assert other.unpack(packed(p))
    assert (other.number, other.fault()) == (2**64 - 1, "number")
    p.number, p.strength_ng_per_ml[0] = 1, -1
    assert other.unpack(packed(p))
    assert (other.strength_ng_per_ml[0], other.fault()) == (-1, "strength_ng_per_ml")


@pytest.mark.requirement("OP-7.4.4", "FD-7.3")
def test_every_damaged_byte_is_seen() -> None:
    buf = packed(program(rates=((0, 20_000_000), (3600, 10_000_000))))
    p = Program()
    before = fields(p)
    for byte in range(RECORD_SIZE):
        for bit in (0, 3, 7):
            damaged = bytearray(buf)
            damaged[byte] ^= 1 << bit
            assert not p.unpack(damaged)
    assert fields(p) == before, "a damaged program changes nothing"


def test_another_magic_with_a_right_checksum_is_not_a_program() -> None:
    buf = packed(program())
    buf[0:4] = (MAGIC + 1).to_bytes(4, "little")
    buf[SIZE:] = crc32(buf[:SIZE]).to_bytes(4, "little")
    assert not Program().unpack(buf)


# Faults

Change = Callable[[Program], None]


def put(name: str, value: int) -> Change:
    return lambda p: setattr(p, name, value)


def put_at(name: str, i: int, value: int) -> Change:
    def change(p: Program) -> None:
        getattr(p, name)[i] = value

    return change


def many(*changes: Change) -> Change:
    def change(p: Program) -> None:
        for one in changes:
            one(p)

    return change


def free_of_bolus(*changes: Change) -> Change:
    return many(put("bolus_strokes", 0), *changes)


def only_step(rate: int, top: int) -> Change:
    return many(
        put("bolus_strokes", 0), put("n_steps", 1), put_at("rate_pl_per_h", 0, rate), put("max_rate_pl_per_h", top)
    )


FLOW = 40 * 250 * 1000 * HOUR // 600  # of the patient bolus below, in pL/h
TOP = 1_000_000_000
BOTH_SIDES: tuple[tuple[str, Change, Change], ...] = (
    ("number", put("number", 1), put("number", 0)),
    ("number", put("number", MAX_NUMBER), put("number", MAX_NUMBER + 1)),
    ("stroke_nl", free_of_bolus(put("stroke_nl", 1)), free_of_bolus(put("stroke_nl", 0))),
    ("stroke_nl", free_of_bolus(put("stroke_nl", 1_000_000)), free_of_bolus(put("stroke_nl", 1_000_001))),
    ("n_channels", put("n_channels", 1), put("n_channels", 0)),
    ("n_channels", put("n_channels", 8), put("n_channels", 9)),
    ("strength_ng_per_ml", put_at("strength_ng_per_ml", 1, 1), put_at("strength_ng_per_ml", 1, 0)),
    ("strength_ng_per_ml", put_at("strength_ng_per_ml", 1, 10**9), put_at("strength_ng_per_ml", 1, 10**9 + 1)),
    ("strength_ng_per_ml", put_at("strength_ng_per_ml", 8 - 1, 5), put_at("strength_ng_per_ml", 0, -1)),
    ("ceiling_ng", put_at("ceiling_1h_ng", 2, 1), put_at("ceiling_1h_ng", 2, 0)),
    ("ceiling_ng", put_at("ceiling_1h_ng", 0, 900), put_at("ceiling_1h_ng", 0, 901)),
    ("ceiling_ng", put_at("ceiling_24h_ng", 0, 10**12), put_at("ceiling_24h_ng", 0, 10**12 + 1)),
    ("cycle_s", put("cycle_s", 14_400), put("cycle_s", 14_401)),
    ("cycle_s", put("cycle_s", WEEK), put("cycle_s", 2 * WEEK)),
    ("cycle_s", many(put("n_steps", 1), put("cycle_s", 1)), many(put("n_steps", 1), put("cycle_s", 0))),
    ("anchor_s", put("anchor_s", 0), put("anchor_s", -1)),
    ("anchor_s", put("anchor_s", WEEK - 1), put("anchor_s", WEEK)),
    ("n_steps", put("n_steps", 1), put("n_steps", 0)),
    ("n_steps", put("n_steps", 168), put("n_steps", 169)),
    ("n_steps", put_at("step_s", 0, 0), put_at("step_s", 0, 1)),
    ("step_s", put_at("step_s", 1, 1), put_at("step_s", 1, 0)),
    ("step_s", put_at("step_s", 2, 3601), put_at("step_s", 2, 3600)),
    ("step_s", put_at("step_s", 167, 166 * 3600 + 1), put_at("step_s", 167, 166 * 3600)),
    ("step_s", many(put("n_steps", 3), put("cycle_s", 8400)), many(put("n_steps", 3), put("cycle_s", 7200))),
    ("max_rate_pl_per_h", put("max_rate_pl_per_h", MAX_RATE_PL_PER_H), put("max_rate_pl_per_h", MAX_RATE_PL_PER_H + 1)),
    ("max_rate_pl_per_h", only_step(0, 1), only_step(0, 0)),
    ("rate_pl_per_h", only_step(TOP, TOP), only_step(TOP + 1, TOP)),
    (
        "fallback_pl_per_h",
        free_of_bolus(put("fallback_pl_per_h", TOP)),
        free_of_bolus(put("fallback_pl_per_h", TOP + 1)),
    ),
    ("fallback_pl_per_h", put("fallback_pl_per_h", 0), put("fallback_pl_per_h", -1)),
    (
        "fallback_pl_per_h",
        many(put_at("response", codes.F_CLOCK, 1), put("fallback_pl_per_h", 1)),
        put_at("response", codes.F_CLOCK, 1),
    ),
    ("bolus", put("bolus_s", 1000), put("bolus_s", 0)),
    ("bolus", many(put("stroke_nl", 1), put("bolus_s", 1)), many(put("stroke_nl", 1), put("bolus_s", 0))),
    ("bolus", put("bolus_s", 3600), put("bolus_s", 3601)),
    ("bolus", put("lockout_s", 600), put("lockout_s", 599)),
    ("bolus", put("lockout_s", DAY), put("lockout_s", DAY + 1)),
    ("bolus", put("bolus_most", 1), put("bolus_most", 0)),
    ("bolus", put("bolus_most", MAX_STARTS), put("bolus_most", MAX_STARTS + 1)),
    ("bolus", put("bolus_strokes", 0), put("bolus_strokes", -1)),
    ("bolus", put("bridge_bolus_strokes", 0), put("bridge_bolus_strokes", -1)),
    ("bolus", put("bridge_bolus_strokes", 1), free_of_bolus(put("bridge_bolus_strokes", 1))),
    *(
        (
            "bolus",
            many(put("stroke_nl", 1), put("bolus_s", DAY), put("lockout_s", DAY), put(name, MAX_BOLUS)),
            many(put("stroke_nl", 1), put("bolus_s", DAY), put("lockout_s", DAY), put(name, MAX_BOLUS + 1)),
        )
        for name in ("bolus_strokes", "bridge_bolus_strokes")
    ),
    ("bolus flow", put_at("rate_pl_per_h", 1, TOP - FLOW), put_at("rate_pl_per_h", 1, TOP - FLOW + 1)),
    ("bolus flow", put("fallback_pl_per_h", TOP - FLOW), put("fallback_pl_per_h", TOP - FLOW + 1)),
    ("bolus flow", put("bridge_rate_pl_per_h", TOP - FLOW), put("bridge_rate_pl_per_h", TOP - FLOW + 1)),
    (
        "bolus flow",
        many(put("bridge_bolus_strokes", 80), put("bridge_rate_pl_per_h", TOP - 2 * FLOW)),
        many(put("bridge_bolus_strokes", 80), put("bridge_rate_pl_per_h", TOP - 2 * FLOW + 1)),
    ),
    (
        "bolus flow",
        many(put("bolus_s", 599), put("bridge_rate_pl_per_h", TOP - 60_100_167)),
        many(put("bolus_s", 599), put("bridge_rate_pl_per_h", TOP - 60_100_166)),
    ),
    (
        "bridge_rate_pl_per_h",
        free_of_bolus(put("bridge_rate_pl_per_h", TOP)),
        free_of_bolus(put("bridge_rate_pl_per_h", TOP + 1)),
    ),
    ("bridge_rate_pl_per_h", put("bridge_rate_pl_per_h", 0), put("bridge_rate_pl_per_h", -1)),
    (
        "bridge_rate_pl_per_h",
        many(put("bridge_pl", 1), put("bridge_rate_pl_per_h", 1)),
        many(put("bridge_pl", 1), put("bridge_rate_pl_per_h", 0)),
    ),
    (
        "bridge_pl",
        many(put("bridge_pl", MAX_BRIDGE_PL), put("bridge_rate_pl_per_h", 20_000_000)),
        many(put("bridge_pl", MAX_BRIDGE_PL + 1), put("bridge_rate_pl_per_h", 20_000_000)),
    ),
    (
        "bridge_pl",
        many(put("bridge_pl", 720), put("bridge_rate_pl_per_h", 1)),
        many(put("bridge_pl", 721), put("bridge_rate_pl_per_h", 1)),
    ),
    ("bridge_pl", put("bridge_pl", 0), many(put("bridge_pl", -1), put("bridge_rate_pl_per_h", 1))),
    ("low_nl", put("low_nl", MAX_LEVEL_NL), put("low_nl", MAX_LEVEL_NL + 1)),
    ("low_nl", put("low_nl", 0), put("low_nl", -1)),
    ("response", put_at("response", codes.F_POWER, 2), put_at("response", codes.F_POWER, 3)),
    ("response", put_at("response", codes.F_CLOCK, 2), put_at("response", codes.F_CLOCK, 3)),
    ("response", put_at("response", codes.F_MEMORY, 0), put_at("response", codes.F_MEMORY, 2)),
    (
        "response",
        put("fallback_pl_per_h", 5),
        many(put("fallback_pl_per_h", 5), put_at("response", codes.F_OVER, codes.R_FALLBACK)),
    ),
)  # fmt: skip


def sound() -> Program:
    """Eight channels, 168 steps: every limit of count is reached already."""
    p = program(
        1, [(0, 20_000_000)], strengths=(5,) * 8, per_1h=(900,) * 8, per_24h=(900,) * 8, bolus=(40, 600, 3600, 6)
    )
    p.cycle_s = WEEK
    p.n_steps = 168
    for i in range(168):
        p.step_s[i] = i * 3600
        p.rate_pl_per_h[i] = 20_000_000
    p.step_s[167] = 167 * 3600
    return p


def room_for(change: Change, p: Program) -> Program:
    """The sound program with one change; where the change is to the cycle, the steps are made to fit in it."""
    change(p)
    return p


@pytest.mark.parametrize(("name", "good", "bad"), BOTH_SIDES)
@pytest.mark.requirement("P11", "OP-5.2.2", "UM-51", "FD-7.6", "SC-16", "AP-08")
def test_every_limit_from_both_sides(name: str, good: Change, bad: Change) -> None:
    base = sound()
    if name == "cycle_s":
        base.n_steps = 4
    assert base.fault() == ""
    allowed = sound()
    refused = sound()
    for p in (allowed, refused):
        if name in ("cycle_s",):
            p.n_steps = 4
    good(allowed)
    bad(refused)
    assert allowed.fault() == ""
    assert refused.fault() == name


@pytest.mark.requirement("UM-04", "HZ-5.11")
def test_a_new_program_may_not_run() -> None:
    p = Program()
    assert p.fault() == "number"
    assert p.cycle_s == DAY
    assert None not in vars(p).values()
    p.cycle_s = 0
    assert not any(any(v) if isinstance(v, list) else v for v in fields(p).values()), "nothing is preset"


def test_the_limits_are_part_of_the_layout() -> None:
    assert MAGIC == 0x54484301
    assert (MAX_RATE_PL_PER_H, MAX_STARTS, MAX_BOLUS) == (2_000_000_000, 48, 100_000)
    assert (MAX_BRIDGE_PL, MAX_NUMBER, MAX_LEVEL_NL) == (10**10, 2**31 - 1, 10**9)


def test_charges_compare_every_channel() -> None:
    p = program(strengths=(3, 5))
    fg = array("q", [0] * 24)
    fg[8] = 3 * 250
    fg[9] = 5 * 250
    assert p.charges(fg, 8)
    assert not p.charges(fg, 0)
    assert not p.charges(fg, 16)
    for i in range(8):
        fg[8 + i] += 1
        assert not p.charges(fg, 8)
        fg[8 + i] -= 1
    p.strength_ng_per_ml[2] = 9
    assert p.charges(fg, 8), "a channel that is not in use charges nothing"


# Schedules


@st.composite
def schedules(draw: st.DrawFn) -> Program:
    """Random cycles of a few steps, short enough to go through second by second."""
    cycle = draw(st.sampled_from([1, 2, 3, 60, 100, 1350, 2700, 3600, 4800]))
    offsets = sorted(draw(st.sets(st.integers(1, max(1, cycle - 1)), max_size=6)) | {0})
    offsets = [o for o in offsets if o < cycle]
    rates = draw(st.lists(st.integers(0, 90_000_000), min_size=len(offsets), max_size=len(offsets)))
    fallback = draw(st.sampled_from([0, 0, 40_000_000]))
    p = program(rates=list(zip(offsets, rates, strict=True)), cycle_s=cycle, bolus=None, fallback=fallback)
    assert p.fault() == ""
    return p


def each_second(p: Program) -> list[int]:
    """The rate of every second of one cycle, no lower than the fallback rate."""
    steps = list(zip(p.step_s[: p.n_steps], p.rate_pl_per_h[: p.n_steps], strict=True))
    return [max([r for s, r in steps if s <= t][-1], p.fallback_pl_per_h) for t in range(p.cycle_s)]


@settings(max_examples=150)
@given(p=schedules(), window=st.integers(1, 12_000))
def test_worst_window_is_the_largest_of_all_windows(p: Program, window: int) -> None:
    cycle = each_second(p)
    whole, part = divmod(window, len(cycle))
    sums = [0]
    for r in cycle + cycle:
        sums.append(sums[-1] + r)
    brute = max(sums[s + part] - sums[s] for s in range(len(cycle))) + whole * sum(cycle)
    assert p.worst_pl_s_per_h(window) == brute


@settings(max_examples=100)
@given(p=schedules(), data=st.data())
def test_index_rate_and_volume_are_those_of_each_second(p: Program, data: st.DataObject) -> None:
    phase = data.draw(st.integers(0, p.cycle_s - 1))
    length = data.draw(st.integers(0, p.cycle_s))
    cycle = each_second(p)
    i = p.index(phase)
    assert p.step_s[i] <= phase
    assert i + 1 == p.n_steps or phase < p.step_s[i + 1]
    assert p.rate_of(i) == cycle[phase]
    assert p.volume(phase, length) == sum((cycle + cycle)[phase : phase + length])


def test_index_finds_every_step_of_a_full_program() -> None:
    p = sound()
    for i in range(168):
        assert p.index(i * 3600) == i
        assert p.index(i * 3600 + 3599) == i


def test_the_rate_of_a_step_for_the_worst_case() -> None:
    p = program(rates=((0, 5), (10, 9)), fallback=7)
    assert [p.rate_of(i) for i in (0, 1)] == [7, 9]
    p.fallback_pl_per_h = 9
    assert p.rate_of(1) == 9
