"""The parts of a virtual pump, each alone: fluid, clock, battery, buzzer, field, identity and documents."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.device_world import BENCH, DAY, HOUR, PERISTALTIC, VALVE, new, order, running
from tests.test_pump_device_memory import BrokenDisk

from thecal.pump.core import alarms as al
from thecal.pump.core import codes
from thecal.pump.core.alarms import Alarms
from thecal.pump.device import Device, FaultKind, Identity, IdentityError, RamDisk, ReservoirError, WorldError, make
from thecal.pump.device.battery import Battery
from thecal.pump.device.buzzer import NEWEST, Buzzer, Tone
from thecal.pump.device.documents import MOST_DOCUMENT, Documents
from thecal.pump.device.field import Field
from thecal.pump.device.identity import read_identity
from thecal.pump.device.motor import VirtualMotor
from thecal.pump.device.oscillator import Oscillator
from thecal.pump.device.reservoir import FL_PER_NL, Reservoir, Stroke
from thecal.pump.families import Calibration, family
from thecal.quantities import Volume

if TYPE_CHECKING:
    from collections.abc import Mapping

# Fluid

FAULTY = st.fixed_dictionaries(
    {
        "over_millionths": st.sampled_from([0, 145_000, 4_000_000, 1]),
        "percent": st.sampled_from([0, 1, 33, 100]),
        "blocked": st.booleans(),
        "takes_nl": st.sampled_from([0, 700, 10_000]),
        "shut": st.booleans(),
    }
)


def faulty(setting: dict[str, int]) -> Reservoir:
    made = Reservoir(250, 20_000_000, 1_000)
    made.fill(400_000)
    made.over_millionths = setting["over_millionths"]
    made.lost.percent = setting["percent"]
    made.blocked = bool(setting["blocked"])
    made.takes_fl = setting["takes_nl"] * FL_PER_NL
    made.shut = bool(setting["shut"])
    return made


@given(setting=FAULTY, strokes=st.lists(st.integers(1, 900), max_size=12))
def test_fluid_does_not_care_how_strokes_are_grouped(setting: dict[str, int], strokes: list[int]) -> None:
    whole, parts = faulty(setting), faulty(setting)
    whole.push(sum(strokes), Stroke.BASE)
    for n in strokes:
        parts.push(n, Stroke.BASE)
    assert whole.state() == parts.state()
    assert 0 <= whole.volume_fl == whole.filled_fl - whole.delivered_fl - whole.tubing_fl
    assert whole.strokes[Stroke.BASE] == sum(strokes)
    moved = (sum(strokes) - whole.lost_strokes) * 250 * (FL_PER_NL + whole.over_millionths)
    assert moved == whole.delivered_fl + whole.tubing_fl + whole.dry_fl + whole.stayed_fl


def test_no_stroke_reaches_what_stays_behind() -> None:
    r = Reservoir(250, 20_000_000, 1_400_000)
    r.fill(1_400_600)
    r.push(10, Stroke.SINGLE)
    assert (r.volume_fl, r.delivered_fl, r.dry_fl) == (1_400_000 * FL_PER_NL, 600 * FL_PER_NL, 1_900 * FL_PER_NL)
    assert r.draw() == 1_400_000


def test_a_reservoir_takes_only_what_there_is_room_for() -> None:
    pump = new()
    for wrong in (-1, 20_000_001):
        with pytest.raises(ReservoirError, match="allowed: 0 to 20,000,000 nL; nothing was filled"):
            pump.device.fill(wrong)
    pump.device.fill(15_000_000)
    with pytest.raises(ReservoirError, match="found 5,000,001 nL to fill; allowed: 0 to 5,000,000 nL"):
        pump.device.fill(5_000_001)
    assert pump.device.draw() == 15_000_000
    assert pump.device.draw() == 0
    pump.restart()
    assert pump.device.truth().drawn_nl == 15_000_000


def test_a_valve_passes_no_more_than_there_is() -> None:
    r = Reservoir(250, 20_000_000, 0)
    r.fill(4_000)
    r.shut_valve(10_000)
    r.shut_valve(10_000)
    assert (r.delivered_fl, r.volume_fl) == (4_000 * FL_PER_NL, 0)


@given(rate=st.integers(1, 5_000_000), looks=st.lists(st.integers(0, 5000), max_size=10))
def test_a_leak_does_not_care_when_somebody_looks(rate: int, looks: list[int]) -> None:
    whole, parts = Reservoir(250, 20_000_000, 0), Reservoir(250, 20_000_000, 0)
    for r in (whole, parts):
        r.fill(20_000_000)
        r.leak_nl_per_h = rate
    for s in sorted(looks):
        assert parts.leaking_fl(s) >= 0
        parts.leak_to(s)
    end = max(looks, default=0)
    whole.leak_to(end)
    assert (whole.pocket_fl, whole.volume_fl) == (parts.pocket_fl, parts.volume_fl)
    assert whole.pocket_fl == min(rate * FL_PER_NL * end // HOUR, 20_000_000 * FL_PER_NL)


def test_a_motor_that_nobody_commands_belongs_to_the_base() -> None:
    r = Reservoir(250, 20_000_000, 0)
    motor = VirtualMotor(r)
    motor.extra_per_h = 3600
    assert motor.turn(0, 10, 0, 1, 10, 1) == 1
    assert r.strokes[Stroke.BASE] == 1


# Clock


@given(
    start=st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)),
    parts=st.lists(st.tuples(st.integers(1, 10**6), st.integers(-100_000, 100_000)), min_size=1, max_size=6),
)
def test_uptime_rises_with_true_time_and_is_found_again(start: tuple[int, int], parts: list[tuple[int, int]]) -> None:
    true_s, up_s = start
    clock = Oscillator(true_s, up_s)
    assert clock.uptime_s(true_s) == up_s
    expected = up_s * 10**6
    for seconds, ppm in parts:
        before = clock.uptime_s(true_s)
        clock.drift(true_s, ppm)
        assert clock.uptime_s(true_s) == before
        true_s += seconds
        expected += seconds * (10**6 + ppm)
        now = clock.uptime_s(true_s)
        assert now == expected // 10**6
        first = clock.true_s(now)
        assert clock.uptime_s(first) >= now > clock.uptime_s(first - 1)


def test_of_two_counters_the_proven_one_stands() -> None:
    clock = Oscillator(100, 5)
    assert clock.agree(110)
    clock.jump(30)
    assert (clock.main_counter_s(110), clock.uptime_s(110)) == (45, 15)
    assert not clock.agree(110)
    assert clock.main_counter_s(110) == 15
    assert clock.agree(110)


# Battery


@pytest.mark.requirement("OP-7.3.2", "OP-7.3.3", "OP-7.3.4", "FD-5.1")
def test_a_battery_wears_by_age_strokes_and_frames() -> None:
    b = Battery(900 * DAY, 1000 * DAY)
    assert (b.percent(0), b.percent(500 * DAY), b.percent(1000 * DAY), b.percent(2000 * DAY)) == (100, 50, 0, 0)
    b.measure(0, 1_000_000)
    assert b.replace_soon_s() == 900 * DAY - 300_000
    b.frames = 1_000
    b.measure(0, 1_000_000)
    assert b.replace_soon_s() == 900 * DAY - 300_500
    assert b.end_of_service_s() == 1000 * DAY - 300_500
    b.measure(0, 0)
    assert b.used_s == 300_500, "what was used is used"
    b.film = True
    b.measure(77, 0)
    b.measure(99, 0)
    assert (b.replace_soon_s(), b.end_of_service_s()) == (77, 77 + 100 * DAY)
    b.measure(0, 10**9)
    assert b.replace_soon_s() == 0
    assert Battery(0, 0).percent(5) == 0


@pytest.mark.requirement("SC-21", "SC-26")
def test_frames_cost_battery_and_bring_the_replacement_nearer() -> None:
    pump = running(identity=PERISTALTIC)
    assert pump.device.battery_percent() == 99
    before = pump.c.hw.replace_soon_s
    pump.device.heard(2 * 86_400)
    pump.device.heard()
    pump.wait(DAY)
    kept = pump.c.hw.replace_soon_s
    assert DAY + 576 <= before - kept <= DAY + 612  # half a second for a frame, 0.3 s for a stroke
    pump.restart()
    assert kept - 100 <= pump.c.hw.replace_soon_s <= kept


@pytest.mark.requirement("OP-7.3.4", "FD-5.1")
def test_the_battery_ends_as_the_family_says() -> None:
    """device-facts 1.2: the pump goes on for 90 days after the replacement alarm, then it stops."""
    pump = running(order(rates=((0, 2_000_000),), bolus=None), identity=PERISTALTIC)
    pump.device.heard(2 * (2_465 - 2) * DAY)  # so many frames that the replacement is due in two days
    pump.wait(DAY)
    assert (pump.alarms(), pump.device.battery_percent()) == (set(), 98)
    pump.wait(DAY)
    assert pump.alarms() == {al.REPLACE_SOON}
    assert pump.c.rate > 0
    pump.wait(90 * DAY)
    assert al.END_OF_SERVICE in pump.alarms()
    assert pump.c.rate == 0


# Buzzer

LOW, EMPTY = 1 << al.LOW_RESERVOIR, 1 << al.EMPTY_RESERVOIR


def alarms(mask: int, acknowledged: Mapping[int, int] | None = None) -> Alarms:
    """Alarms of which these are active, and some of them acknowledged at a second."""
    found = Alarms()
    for alarm in range(al.N_ALARMS):
        if mask >> alarm & 1:
            found.issue(alarm, 0)
    for alarm, at_s in (acknowledged or {}).items():
        found.acknowledge(alarm, at_s)
    return found


def tones(buzzer: Buzzer) -> list[tuple[int, int, bool]]:
    return [(t.uptime_s, t.lasts_s, t.critical) for t in buzzer.since(0)]


@pytest.mark.requirement("OP-6.43.1", "UM-72", "SF-A6", "IT-14")
def test_two_tones_every_ten_minutes_and_one_every_hour() -> None:
    """device-facts 4: two-tone for 3 s every 10 min, single for 1 s about once an hour."""
    buzzer = Buzzer(family("peristaltic-20"))
    buzzer.update(100, alarms(0))
    assert (tones(buzzer), buzzer.next_s()) == ([], codes.NEVER)
    buzzer.update(200, alarms(LOW))
    buzzer.update(200 + 2 * HOUR, alarms(LOW))
    assert tones(buzzer) == [(200 + i * HOUR, 1, False) for i in range(3)]
    assert buzzer.next_s() == 200 + 3 * HOUR
    buzzer.update(8000, alarms(LOW | EMPTY))
    buzzer.update(9200, alarms(LOW | EMPTY | 1 << al.STALL))
    assert tones(buzzer)[3:] == [(8000 + i * 600, 3, True) for i in range(3)]
    buzzer.update(9300, alarms(LOW))
    assert tones(buzzer)[6:] == [(9300, 1, False)]
    buzzer.update(9400, alarms(0))
    buzzer.update(99_000, alarms(0))
    assert len(tones(buzzer)) == 7
    assert buzzer.next_s() == codes.NEVER
    buzzer.update(99_001, alarms(LOW))
    assert tones(buzzer)[7:] == [(99_001, 1, False)]
    assert buzzer.since(7) == [Tone(8, 99_001, 1, critical=False, test=False)]


def test_a_family_without_tones_of_its_own_uses_the_published_ones() -> None:
    assert family("valve-20").critical.lasts is None
    buzzer = Buzzer(family("valve-20"))
    buzzer.update(0, alarms(EMPTY))
    buzzer.update(600, alarms(EMPTY))
    assert tones(buzzer) == [(0, 3, True), (600, 3, True)]


def test_only_the_newest_tones_can_be_read_and_all_are_counted() -> None:
    leaping, stepping = Buzzer(family("bench-20")), Buzzer(family("bench-20"))
    for buzzer in (leaping, stepping):
        buzzer.update(0, alarms(EMPTY))
    for t in range(0, 5 * DAY, 60):
        stepping.update(t, alarms(EMPTY))
    leaping.update(5 * DAY - 60, alarms(EMPTY))
    assert leaping.sounded == stepping.sounded == 5 * 144
    assert leaping.since(0) == stepping.since(0)
    assert len(leaping.since(0)) == NEWEST


@pytest.mark.requirement("OP-6.5.19")
def test_an_alarm_test_sounds_once() -> None:
    pump = running()
    assert pump.device.sounded_since(0) == []
    for critical in (True, False):
        pump.device.test_alarm(critical=critical)
    found = pump.device.sounded_since(0)
    assert [(t.critical, t.test, t.lasts_s) for t in found] == [(True, True, 3), (False, True, 1)]
    pump.wait(DAY)
    assert pump.device.sounded_since(found[-1].number) == []


@pytest.mark.requirement("OP-6.43.5", "SF-A6")
def test_a_pump_sounds_from_the_second_of_the_alarm_until_it_is_cleared() -> None:
    pump = running()
    pump.inject(FaultKind.STALL, 1, 2 * HOUR)
    pump.wait(2 * HOUR)
    issued_s = pump.c.alarms.issued_s[al.STALL]
    assert pump.device.commands.acknowledge(al.STALL) == codes.GRANTED
    heard = [t.uptime_s for t in pump.device.sounded_since(0)]
    assert heard == list(range(issued_s, pump.c.t + 1, 600))
    pump.wait(HOUR)
    cleared_s = pump.c.alarms.cleared_s[al.STALL]
    assert [t.uptime_s for t in pump.device.sounded_since(0)] == list(range(issued_s, cleared_s, 600))


@pytest.mark.requirement("OP-6.5.15", "UM-73", "OP-6.7.7")
def test_an_acknowledged_alarm_is_quiet_for_its_pause_and_sounds_again() -> None:
    buzzer = Buzzer(family("peristaltic-20"))
    buzzer.update(100, alarms(EMPTY))
    seen = alarms(EMPTY, {al.EMPTY_RESERVOIR: 150})
    buzzer.update(150, seen)
    assert buzzer.next_s() == 750, "ten minutes after it was acknowledged, not after it last sounded"
    buzzer.update(749, seen)
    assert tones(buzzer) == [(100, 3, True)]
    buzzer.update(2000, seen)
    assert tones(buzzer)[1:] == [(750 + i * 600, 3, True) for i in range(3)]


def test_in_the_pause_of_a_critical_alarm_another_one_is_heard() -> None:
    buzzer = Buzzer(family("peristaltic-20"))
    both = alarms(LOW | EMPTY, {al.EMPTY_RESERVOIR: 50})
    buzzer.update(60, both)
    buzzer.update(700, both)
    assert tones(buzzer) == [(60, 1, False), (650, 3, True)]
    other = alarms(LOW | EMPTY | 1 << al.STALL, {al.EMPTY_RESERVOIR: 50})
    buzzer.update(800, other)
    buzzer.update(1250, other)
    assert tones(buzzer)[2:] == [(1250, 3, True)], "an alarm that nobody has seen is not in a pause"


def test_a_long_pause_is_leapt_over_without_a_tone_too_many() -> None:
    leaping, stepping = Buzzer(family("peristaltic-20")), Buzzer(family("peristaltic-20"))
    both = alarms(LOW | EMPTY, {al.EMPTY_RESERVOIR: 400 * HOUR})
    for buzzer in (leaping, stepping):
        buzzer.update(0, both)
    leaping.update(401 * HOUR, both)
    for at_s in range(0, 401 * HOUR + 1, 600):
        stepping.update(at_s, both)
    assert leaping.sounded == stepping.sounded
    assert tones(leaping) == tones(stepping)


# Field


def test_a_field_leaves_the_rotor_standing_for_as_long_as_the_longest() -> None:
    field = Field()
    assert not field.stands(0)
    assert not field.interrogated(0)
    field.enter(100, 50, alarming=False, unread=True)
    field.enter(80, 10, alarming=False, unread=False)
    assert (field.stands(149), field.stands(150)) == (True, False)
    assert not field.interrogated(149)
    assert [field.interrogated(150) for _ in range(3)] == [True, True, False]
    field.enter(200, 0, alarming=True, unread=False)
    field.enter(210, 0, alarming=False, unread=False)
    assert field.stands(10_000)
    assert not field.interrogated(209)
    assert field.interrogated(210)
    assert not field.stands(210)


# Identity


@pytest.mark.parametrize(
    "identity",
    [
        BENCH,
        PERISTALTIC,
        VALVE,
        Identity("peristaltic-40", "A" * 32, Calibration(Volume.of(248, "nL"), Volume.of(140_000, "nL"))),
    ],
)
def test_an_identity_is_kept(identity: Identity) -> None:
    disk = RamDisk()
    make(disk, identity)
    assert read_identity(disk) == identity
    device = Device(disk, 0)
    assert (device.family(), device.serial()) == (identity.family, identity.serial)
    constants = family(identity.family).hardware_constants(identity.calibration)
    assert constants is not None
    assert device.tubing_nl() == constants.tubing_nl
    hw = device.controller.hw
    assert (hw.stroke_nl, hw.reservoir_nl, hw.residual_nl) == (
        constants.stroke_nl,
        constants.reservoir_nl,
        constants.residual_nl,
    )
    assert (hw.max_rate_pl_per_h, hw.prime_rate_pl_per_h) == (
        constants.max_rate_pl_per_h,
        constants.prime_rate_pl_per_h,
    )
    assert (hw.replace_soon_s, hw.end_of_service_s) == (constants.replace_soon_s, constants.end_of_service_s)


@pytest.mark.parametrize("serial", ["", "-a", "a b", "a" * 33, "a\n", "\u00e4", "../x", "a_b"])
def test_a_serial_number_has_plain_characters(serial: str) -> None:
    with pytest.raises(IdentityError, match="allowed: 1 to 32 letters"):
        Identity("bench-20", serial, Calibration())


@pytest.mark.parametrize(
    ("code", "calibration", "says"),
    [
        ("peristaltic-2", Calibration(), "did you mean peristaltic-20"),
        ("none", Calibration(), "next: choose one of bench-20"),
        ("bench-20", Calibration(fixed_flow=family("constant-flow-30").fixed_flow[0]), "has no fixed flow"),
        ("constant-flow-30", Calibration(), "comes in fixed flows"),
        (
            "constant-flow-30",
            Calibration(fixed_flow=family("constant-flow-30").fixed_flow[0]),
            "has no controller; allowed: a family with strokes",
        ),
    ],
)
def test_a_pump_that_cannot_be_is_refused(code: str, calibration: Calibration, says: str) -> None:
    with pytest.raises(IdentityError, match=says):
        Identity(code, "A-1", calibration)


def test_a_place_holds_one_pump() -> None:
    disk = RamDisk()
    make(disk, BENCH)
    for _ in range(2):
        with pytest.raises(IdentityError, match="found a pump here already"):
            make(disk, PERISTALTIC)
        Device(disk, 0)
    disk.erase("identity")
    with pytest.raises(IdentityError, match="found a pump here already"):
        make(disk, PERISTALTIC)


def test_no_pump_and_a_damaged_one_are_refused() -> None:
    disk = RamDisk()
    with pytest.raises(IdentityError, match="no pump was ever made here"):
        Device(disk, 0)
    make(disk, BENCH)
    held = disk.read("identity")
    for byte in range(0, len(held), 7):
        disk.write("identity", held[:byte] + bytes([held[byte] ^ 4]) + held[byte + 1 :])
        with pytest.raises(IdentityError, match="damaged identity"):
            Device(disk, 0)
    disk.write("identity", held)
    assert Device(disk, 0).serial() == "B-1"


def test_an_identity_that_another_version_wrote_is_refused() -> None:
    disk = RamDisk()
    text = json.dumps({"layout": 1, "family": "bench-20", "serial": "A", "calibration": {"stroke": "250"}}).encode()
    disk.write("identity", sha256(text).hexdigest().encode() + text)
    with pytest.raises(IdentityError, match="calibration that cannot be read"):
        read_identity(disk)


def test_memory_that_holds_nothing_makes_no_pump() -> None:
    class Leaky(RamDisk):
        def write(self, name: str, data: bytes) -> None:
            super().write(name, data[:-1] if name == "identity" else data)

    with pytest.raises(IdentityError, match="does not hold what is written"):
        make(Leaky(), BENCH)


def test_a_pump_of_which_nobody_knows_what_is_true_is_refused() -> None:
    pump = running()
    pump.disk.flip("world-0", 20)
    pump.restart()
    pump.disk.flip("world-0", 20)
    pump.disk.erase("world-1")
    with pytest.raises(WorldError, match="no whole record of what is truly in this pump"):
        pump.restart()


# Documents


def test_documents_take_turns_and_the_running_one_stays() -> None:
    pump = running(order(1, document=b"one"))
    d = pump.device
    assert d.document() == b""
    assert d.keep_document(b"one")
    assert d.document() == b"one"
    for text in (b"two", b"three", b"four", b"one", b"x" * MOST_DOCUMENT):
        assert d.keep_document(text)
        assert d.document() == b"one"
    assert not d.keep_document(b"")
    assert not d.keep_document(b"x" * (MOST_DOCUMENT + 1))
    assert d.keep_document(b"two")
    assert pump.load(order(2, document=b"two")) == codes.GRANTED
    assert d.document() == b"two"
    assert d.keep_document(b"three")
    assert d.document() == b"two"
    pump.restart()
    assert pump.device.document() == b"two"


def test_a_new_pump_has_no_document_and_keeps_one() -> None:
    pump = new()
    assert pump.device.document() == b""
    assert pump.device.keep_document(b"one")
    assert pump.load(order(1, document=b"one")) == codes.GRANTED
    assert pump.device.document() == b"one"


def test_a_damaged_document_is_none() -> None:
    pump = running(order(1, document=b"one"))
    assert pump.device.keep_document(b"one")
    pump.disk.flip("document-0", 1)
    assert pump.device.document() == b""
    assert pump.device.keep_document(b"one")
    assert pump.device.document() == b"one"


def test_a_document_that_does_not_read_back_is_not_kept() -> None:
    pump = running(order(1, document=b"one"))
    pump.disk.lose_write(1)
    assert not pump.device.keep_document(b"one")
    assert not Documents(BrokenDisk(reads=True)).keep(b"one", b"")
    assert Documents(BrokenDisk(reads=False)).held(b"") == b""
