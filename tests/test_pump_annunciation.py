"""Alarm conditions: the table against the core, its texts, tones, states, and what a reading finds beside them."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, replace
from functools import partial
from importlib.resources import files
from pathlib import Path
from struct import pack, unpack
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core_world import World, hardware, program, world

from thecal.formulary import load
from thecal.pump.annunciation import (
    AlarmFileError,
    AlarmState,
    Base,
    Call,
    Clears,
    Condition,
    Does,
    Facts,
    Priority,
    Raised,
    Sound,
    Supply,
    Withdrawal,
    alarm_states,
    alarm_table,
    before_stop,
    does,
    for_clinician,
    for_patient,
    found_in,
    in_order,
    next_sound,
    restrictions,
    states_of,
    tone,
    tones_of,
)
from thecal.pump.annunciation.condition import Said
from thecal.pump.annunciation.found import Found
from thecal.pump.annunciation.table import CORE, FAULT, FILE, read_table
from thecal.pump.annunciation.wording import Does as WordingDoes
from thecal.pump.core import agenda, codes
from thecal.pump.core import alarms as al
from thecal.pump.core.alarms import Alarms
from thecal.pump.core.commands import Commands
from thecal.pump.core.log import RECORD, SIZE, Log
from thecal.pump.core.record import Keeper, Store
from thecal.pump.families import Kind, family, load_families
from thecal.quantities import Duration
from thecal.therapy.program import ALWAYS_STOP, FaultClass, Response
from thecal.twin.records import ALARMS as NAMES

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
TEXT = files("thecal.pump.annunciation").joinpath(FILE).read_text("utf-8")
TABLE = alarm_table()
BACLOFEN = Withdrawal("baclofen", dangerous=True, text="spasticity returns within hours to days", source="published")
ZICONOTIDE = Withdrawal("ziconotide", dangerous=False, text="no withdrawal", source="label")
CHOICES = st.dictionaries(st.sampled_from(sorted(FaultClass)), st.sampled_from(sorted(Response)))
IDS = [c.code for c in TABLE.conditions]


def each() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("condition", TABLE.conditions, ids=IDS)


# The table and the core


@pytest.mark.requirement("OP-5.1.4", "OP-6.41.1", "OP-6.41.2", "UM-59", "FV-4", "FD-7.4", "ST-05")
def test_every_alarm_of_the_core_has_one_row_that_says_what_the_core_does() -> None:
    assert [c.core for c in TABLE.of_core] == list(range(al.N_ALARMS))
    assert [c.name for c in TABLE.of_core] == [str(n) for n in NAMES]
    for condition in TABLE.of_core:
        assert condition.core is not None
        assert condition.fault is not None
        priority, fault, base, bolus = al.TABLE[condition.core]
        assert (condition.priority is Priority.CRITICAL) == (priority == al.CRITICAL)
        assert FAULT[condition.fault] == fault
        assert condition.base == (Base.NO_CHANGE, Base.STOP, Base.AS_CHOSEN)[base]
        assert condition.forbids_bolus == bool(bolus)
    assert {CORE[name] for name in CORE} == {vars(al)[name] for name in CORE}


def test_the_table_says_which_alarms_somebody_clears() -> None:
    for condition in TABLE.of_core:
        assert condition.core is not None
        by_somebody = condition.clears in (Clears.BY_CLINICIAN, Clears.EITHER)
        assert by_somebody == (condition.core in al.CLEARABLE), condition.code
        follows = agenda.FOLLOWING >> condition.core & 1 == 1
        by_itself = condition.clears in (Clears.BY_ITSELF, Clears.EITHER, Clears.NEVER)
        assert by_itself == (follows or condition.core in (al.STALL, al.HELD)), condition.code


@pytest.mark.requirement("SF-A8")
def test_the_published_classes() -> None:
    """WE-23, and the same list as the family's own data."""
    pump = family("peristaltic-20")
    names = {
        "low reservoir": "low-reservoir",
        "replacement date reached": "replace-soon",
        "non-critical memory error": "memory-minor",
        "empty reservoir": "empty-reservoir",
        "end of service": "end-of-service",
        "motor stall": "motor-stall",
        "stopped over 48 h": "stopped-48h",
        "critical memory error": "memory-critical",
    }
    assert {*pump.critical.events, *pump.advisory.events} == set(names)
    for event, code in names.items():
        wanted = Priority.CRITICAL if event in pump.critical.events else Priority.NON_CRITICAL
        assert TABLE[code].priority is wanted
        assert TABLE[code].verified
    assert {c.code for c in TABLE.conditions if c.verified} == set(names.values())


def test_a_code_that_is_not_in_the_table_is_an_error() -> None:
    with pytest.raises(KeyError):
        TABLE["no-such-condition"]


@each()
def test_what_nobody_senses_is_left_to_people(condition: Condition) -> None:
    assert condition.raised.sensed == (condition.raised not in (Raised.REFILL, Raised.PATIENT))
    if not condition.raised.sensed:
        assert "not sense" in condition.clinician.pump
    assert (condition.core is not None) == (condition.raised is Raised.PUMP)
    assert condition.requirements


@each()
def test_every_requirement_is_named_once_in_a_row(condition: Condition) -> None:
    assert len(set(condition.requirements)) == len(condition.requirements)


# A wrong table


@pytest.mark.parametrize(
    ("old", "new", "field", "said"),
    [
        ('priority = "non-critical"', 'priority = "grave"', "alarms.0.priority", "found 'grave'"),
        ('core = "LOW_RESERVOIR"', 'core = "LOW_TIDE"', "alarms.core", "found 'LOW_TIDE'"),
        ('core = "LOW_RESERVOIR"', 'core = "STALL"', "alarms.core", "found LOW_RESERVOIR 0 times"),
        ('core = "LOW_RESERVOIR"\n', "", "alarms.0", "names its alarm in the core"),
        ('code = "empty-reservoir"', 'code = "low-reservoir"', "alarms.code", "'low-reservoir' twice"),
        ('name = "empty reservoir"', 'name = "low reservoir"', "alarms.name", "'low reservoir' twice"),
        ("forbids_bolus = false", "forbids_bolus = true", "alarms.low-reservoir", "the core has"),
        ('pump = "The program goes on unchanged."\n', "", "alarms.0", "say what the pump does"),
        ('call = "now"', 'call = "no"', "alarms.1", "asks for a call"),
        ('clears = "with its cause"', 'clears = "by itself"', "alarms.14", "cannot clear it"),
        ('lasts = "10 min"', 'lasts = "10 minutes"', "pause.lasts", "write min"),
        ("times = 3", "times = 1", "repeats.times", "greater than or equal to 2"),
        ('requirements = ["OP-6.8.9"', 'requirements = ["6.8.9"', "alarms.0.requirements.0", "pattern"),
        ("verified = true\n", "", "pause.verified", "found nothing"),
        ('what = "Your pump is running low on drug."', 'what = "running low"', "alarms.0.patient.what", "pattern"),
        ("[tones]", "[tones", "", "not TOML"),
    ],
)
def test_a_wrong_table_is_refused_with_its_field(old: str, new: str, field: str, said: str) -> None:
    assert old in TEXT
    with pytest.raises(AlarmFileError) as wrong:
        read_table(TEXT.replace(old, new, 1))
    assert wrong.value.field == field
    assert said in str(wrong.value)
    assert str(wrong.value).startswith(FILE)


# What the pump does, by what the program chose


@given(active=st.integers(0, (1 << al.N_ALARMS) - 1), chosen=CHOICES)
@pytest.mark.requirement("UM-30", "UM-60", "UM-61", "UM-63", "UM-64", "SF-03")
def test_restrictions_are_the_union_that_the_core_makes(active: int, chosen: dict[FaultClass, Response]) -> None:
    core = Alarms()
    response = bytearray(codes.N_FAULTS)
    for fault, answer in chosen.items():
        if fault not in ALWAYS_STOP:
            response[FAULT[fault]] = {Response.STOP: 0, Response.FALLBACK: 1, Response.CONTINUE: 2}[answer]
    for number in range(al.N_ALARMS):
        if active >> number & 1:
            core.issue(number, 7)
    done, forbidden = restrictions(alarm_states(core), chosen)
    as_core = {Does.STOP: codes.R_STOP, Does.FALLBACK: codes.R_FALLBACK}.get(done, codes.R_CONTINUE)
    assert as_core == core.base(response)
    assert forbidden == core.forbids_bolus()


@given(chosen=CHOICES)
def test_what_is_done_follows_the_choice_only_where_there_is_one(chosen: dict[FaultClass, Response]) -> None:
    for condition in TABLE.conditions:
        done = does(condition, chosen)
        if condition.base is Base.AS_CHOSEN and condition.fault not in ALWAYS_STOP:
            assert condition.fault is not None
            assert str(done) == str(chosen.get(condition.fault, Response.STOP))
        else:
            assert done == {Base.STOP: "stop", Base.NO_CHANGE: "no change"}.get(condition.base, "stop")


def test_over_delivery_and_memory_stop_whatever_is_chosen() -> None:
    wrong = replace(TABLE["over-delivery"], base=Base.AS_CHOSEN)
    assert does(wrong, {FaultClass.OVER_DELIVERY: Response.CONTINUE}) is Does.STOP
    assert Does is WordingDoes


# Texts


@each()
@pytest.mark.requirement("OP-6.4.1", "OP-6.42.3", "IT-20")
def test_every_condition_has_its_texts(condition: Condition) -> None:
    for response in Response:
        chosen = dict.fromkeys(FaultClass, response)
        clinician = for_clinician(condition, chosen)
        patient = for_patient(condition, chosen)
        assert all(clinician.lines)
        assert all(patient.lines)
        assert clinician.risk == ()
        assert patient.risk == ""
        assert patient.call is condition.call
        assert not condition.priority.sign.strip("*")


@each()
@pytest.mark.requirement("P11", "OP-5.1.4", "UM-44", "IT-20")
def test_whoever_finds_less_drug_is_told_the_risk_by_name(condition: Condition) -> None:
    for response in Response:
        chosen = dict.fromkeys(FaultClass, response)
        clinician = for_clinician(condition, chosen, (ZICONOTIDE, BACLOFEN))
        patient = for_patient(condition, chosen, (ZICONOTIDE, BACLOFEN))
        less = does(condition, chosen) in (Does.STOP, Does.FALLBACK) or condition.supply is not Supply.GOES_ON
        assert clinician.risk == ((BACLOFEN.warning,) if less else ())
        assert (patient.risk == "You can get very ill without baclofen.") == less
        assert patient.call is (Call.NOW if less else condition.call)
        assert not for_clinician(condition, chosen, (ZICONOTIDE,)).risk
        assert "ziconotide" not in " ".join((*clinician.lines, *patient.lines))


def test_what_a_pump_does_is_said_by_what_was_chosen() -> None:
    stall, lost = TABLE["motor-stall"], TABLE["power-lost"]
    fallback = {FaultClass.MOTOR: Response.FALLBACK, FaultClass.POWER: Response.FALLBACK}
    assert for_clinician(stall, fallback).pump == (
        "The base runs at the fallback rate, as the program chose for a fault of the class motor. While the rotor "
        "stands still nothing is delivered, whatever was chosen. No bolus is given while the alarm is active."
    )
    assert for_clinician(stall, {}).pump.startswith("All delivery is stopped, as the program chose")
    assert "No bolus" not in for_clinician(stall, {}).pump
    assert for_patient(stall, fallback).pump == "You may get no drug."
    assert for_patient(lost, fallback).pump == "It gives a set backup dose now."
    assert for_patient(lost, {FaultClass.POWER: Response.CONTINUE}).pump == "It still gives your dose."
    assert for_patient(lost, {}).pump == "It gives no drug now."
    assert for_clinician(TABLE["held"], {}).pump.endswith("No bolus is given while the alarm is active.")


@pytest.mark.requirement("P11")
def test_whoever_stops_a_pump_is_shown_every_risk() -> None:
    clonidine = replace(BACLOFEN, drug="cloNIDine", text="rebound hypertension")
    assert before_stop((BACLOFEN, ZICONOTIDE, clonidine)) == (
        "baclofen: stopping abruptly may do harm: spasticity returns within hours to days (published).",
        "cloNIDine: stopping abruptly may do harm: rebound hypertension (published).",
    )
    both = for_patient(TABLE["stopped"], {}, (BACLOFEN, clonidine))
    assert both.risk == "You can get very ill without baclofen and cloNIDine."


def test_the_formulary_fits() -> None:
    """A drug of the formulary becomes a withdrawal risk; an unknown one counts as dangerous."""
    found = {}
    for code, drug in load().drugs.items():
        risk = drug.withdrawal
        found[code] = Withdrawal(drug.display_name, risk.risk.physician_must_choose, risk.text, risk.source.text)
    assert found["baclofen"].dangerous
    assert found["clonidine"].dangerous
    assert not found["ziconotide"].dangerous
    assert not found["morphine"].dangerous


def _syllables(word: str) -> int:
    groups = len(re.findall(r"[aeiouy]+", word.lower()))
    return max(1, groups - (word.lower().endswith("e") and not word.lower().endswith("le") and groups > 1))


def _grade(sentences: list[str]) -> float:
    """Flesch-Kincaid."""
    words = [w for s in sentences for w in re.findall(r"[A-Za-z]+", s)]
    return 0.39 * len(words) / len(sentences) + 11.8 * sum(map(_syllables, words)) / len(words) - 15.59


@each()
def test_texts_for_patients_are_short_and_plain(condition: Condition) -> None:
    """users-and-interfaces 4.7, P1: grade 6 or lower, sentences of 15 words or fewer; drug names are exempt."""
    for response in Response:
        text = for_patient(condition, dict.fromkeys(FaultClass, response), (BACLOFEN,))
        lines = [line.replace("baclofen", "it") for line in text.lines]
        sentences = [s for line in lines for s in re.split(r"(?<=[.]) ", line)]
        assert all(len(s.split()) <= 15 for s in sentences), sentences
        assert _grade(sentences) <= 6, (_grade(sentences), sentences)


# States


@pytest.mark.requirement("OP-6.44.1", "OP-6.5.17", "UM-71")
def test_issued_acknowledged_and_cleared_are_facts_of_their_own() -> None:
    core = Alarms()
    assert not any(s.ever or s.active for s in alarm_states(core))
    core.issue(al.STALL, 10)
    core.acknowledge(al.STALL, 20)
    stall = alarm_states(core)[al.STALL]
    assert (stall.active, stall.issued_s, stall.acknowledged_s, stall.cleared_s) == (True, 10, 20, None)
    core.clear(al.STALL, 30)
    stall = alarm_states(core)[al.STALL]
    assert (stall.active, stall.issued_s, stall.acknowledged_s, stall.cleared_s) == (False, 10, 20, 30)
    core.issue(al.STALL, 40)
    stall = alarm_states(core)[al.STALL]
    assert (stall.issued_s, stall.acknowledged_s, stall.cleared_s, stall.cleared_before_s) == (40, None, None, 30)
    assert stall.condition is TABLE["motor-stall"]
    assert stall.ever


def test_an_alarm_of_the_first_second_is_one_too() -> None:
    core = Alarms()
    core.issue(al.LOW_RESERVOIR, 0)
    low = alarm_states(core)[al.LOW_RESERVOIR]
    assert (low.active, low.issued_s) == (True, 0)
    core.clear(al.LOW_RESERVOIR, 5)
    low = alarm_states(core)[al.LOW_RESERVOIR]
    assert (low.issued_s, low.cleared_s) == (0, 5)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["issue", "acknowledge", "clear"]), st.integers(0, al.N_ALARMS - 1), st.integers(1, 10_000)
    ),
    max_size=60,
)


def _core(steps: list[tuple[str, int, int]]) -> tuple[Alarms, int]:
    core, now = Alarms(), 0
    for what, alarm, wait in steps:
        now += wait
        getattr(core, what)(alarm, now)
    return core, now


@given(steps=STEPS)
@pytest.mark.requirement("UM-68")
def test_states_are_the_same_from_the_core_and_over_the_link(steps: list[tuple[str, int, int]]) -> None:
    core, now = _core(steps)
    times = b"".join(pack("<III", core.issued_s[i], core.acknowledged_s[i], core.cleared_s[i]) for i in range(14))
    states = states_of(core.active, times)
    assert states == alarm_states(core)
    for state in states:
        known = [t for t in (state.issued_s, state.acknowledged_s, state.cleared_s) if t is not None]
        assert known == sorted(known)
        assert all(t <= now for t in known)
        assert not (state.active and state.cleared_s is not None)
        assert state.ever == (state.issued_s is not None)
    assert states_of(core.active, times[:-1]) is None
    shown = in_order(states)
    assert {s.condition.core for s in shown} == {i for i in range(14) if core.on(i)}
    ranks = [(s.condition.priority is Priority.NON_CRITICAL, -(s.issued_s or 0)) for s in shown]
    assert ranks == sorted(ranks)


# Tones


@pytest.mark.requirement("OP-6.43.1", "UM-72", "IT-14", "ST-06")
def test_tones_come_from_the_family() -> None:
    pump = family("peristaltic-20")
    critical, other = tone(pump, Priority.CRITICAL), tone(pump, Priority.NON_CRITICAL)
    assert critical is not None
    assert other is not None
    assert (critical.sound, critical.lasts, critical.every) == (
        "two-tone",
        Duration.of(3, "s"),
        Duration.of(10, "min"),
    )
    assert not critical.verified  # the interval was not read in a source
    assert (other.sound, other.lasts, other.every) == ("single tone", Duration.of(1, "s"), Duration.of(1, "h"))
    assert other.verified
    assert not critical.stands_in


@pytest.mark.requirement("OP-6.43.1")
def test_every_family_with_electronics_sounds_and_the_one_without_never_does() -> None:
    for pump in load_families().values():
        found = tones_of(pump)
        if pump.kind is Kind.CONSTANT_FLOW:
            assert not found
            assert tone(pump, Priority.CRITICAL) is None
        else:
            assert set(found) == set(Priority)
            assert all(t.stands_in == (pump.kind is not Kind.PERISTALTIC) for t in found.values())
            assert not any(t.verified for t in found.values() if t.stands_in)


def test_a_family_that_cannot_stand_in_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "thecal.pump.annunciation.tones.alarm_table", lambda: replace(TABLE, stand_in="constant-flow-30")
    )
    with pytest.raises(RuntimeError, match="constant-flow-30"):
        tone(family("bench-20"), Priority.CRITICAL)


TONES = tones_of(family("peristaltic-20"))


def _state(code: str, issued: int, acknowledged: int | None = None) -> AlarmState:
    return AlarmState(TABLE[code], active=True, issued_s=issued, acknowledged_s=acknowledged, cleared_s=None)


def _next(now: int, *states: AlarmState) -> tuple[int, Priority] | None:
    found = next_sound(states, TONES, now)
    return None if found is None else (found.at_s, found.tone.priority)


@pytest.mark.requirement("OP-6.43.5", "OP-6.44.2", "OP-6.5.14", "OP-6.5.15", "OP-6.7.7", "UM-72", "UM-73")
@pytest.mark.requirement("UM-75", "UM-76", "SF-A6", "FD-7.4")
def test_a_tone_comes_at_once_then_by_its_interval_and_a_pause_ends_by_itself() -> None:
    stall, low = _state("motor-stall", 100), _state("low-reservoir", 50)
    critical, other = Priority.CRITICAL, Priority.NON_CRITICAL
    assert _next(100) is None
    assert _next(100, stall) == (100, critical)
    assert _next(101, stall) == (700, critical)
    assert _next(50, low) == (50, other)
    assert _next(51, low) == (3650, other)
    assert _next(3650, low, stall) == (3700, critical)  # the graver one takes its place
    assert _next(700, _state("motor-stall", 100, 700)) == (1300, critical)  # acknowledged: quiet for 10 min
    assert _next(800, _state("motor-stall", 100, 750)) == (1900, critical)
    late = _state("motor-stall", 100, 3640)
    assert _next(3641, low, late) == (3650, other)  # meanwhile the lesser one is heard
    assert _next(3651, low, late) == (4300, critical)
    assert _next(710, stall, _state("empty-reservoir", 705)) == (1305, critical)  # one rhythm for both
    assert _next(800, _state("motor-stall", 100, 750), _state("empty-reservoir", 705, 720)) == (1905, critical)
    assert next_sound([stall], {}, 100) is None


@given(steps=STEPS)
@pytest.mark.requirement("OP-6.43.5", "OP-6.5.14", "UM-76", "SF-A6")
def test_nothing_is_silent_for_good(steps: list[tuple[str, int, int]]) -> None:
    core, now = _core(steps)
    states = alarm_states(core)
    found = next_sound(states, TONES, now)
    active = [s for s in states if s.active]
    if not active:
        assert found is None
        return
    assert isinstance(found, Sound)
    graver = any(s.condition.priority is Priority.CRITICAL for s in active)
    slowest = TONES[Priority.CRITICAL if graver else Priority.NON_CRITICAL].every.floor("s")
    assert now <= found.at_s < now + slowest + TABLE.pause.lasts.floor("s") + 1


# The core itself: each alarm raised by its cause, and what it does is what its row says

RATE = 25_000_000  # a stroke of 250 nL every 36 s
FALLBACK = 10_000_000


def _world(chosen: int, **changes: Any) -> World:
    """A pump whose program chose the same for every class of fault that it may choose for."""
    responses = tuple(0 if fault in (codes.F_MEMORY, codes.F_OVER) else chosen for fault in range(codes.N_FAULTS))
    return world(program(rates=((0, RATE),), responses=responses, fallback=FALLBACK), **changes)


def _low(chosen: int) -> World:
    w = _world(chosen, level_nl=2_000_250)
    w.c.run(36)
    return w


def _empty(chosen: int) -> World:
    w = _world(chosen, level_nl=1_000)
    w.c.run(200)
    return w


def _old(chosen: int, *, end: bool) -> World:
    w = _world(chosen)
    w.c.hw.replace_soon_s, w.c.hw.end_of_service_s = 100, 200
    w.c.plan()
    w.c.run(250 if end else 150)
    return w


def _stalled(chosen: int) -> World:
    w = _world(chosen)
    w.motor.stalls.append((0, 10**6))
    w.c.run(200)
    return w


def _left_stopped(chosen: int) -> World:
    w = _world(chosen)
    assert w.k.stop(1) == codes.GRANTED
    w.c.run(codes.STOPPED_TOO_LONG_S)
    return w


def _woken(chosen: int, *damaged: int) -> World:
    """A pump that lost its power, with some of its two copies of the state damaged."""
    before = _world(chosen)
    store, log = Store(), Log(256)
    keeper = Keeper(store)
    keeper.settle(before.c)
    for slot in damaged:
        store.areas[slot] = b"no record at all"
    c = Keeper(store).wake(hardware(), before.motor, log)
    before.motor.controller = c
    return World(c, Commands(c), before.motor)


def _turned_too_far(chosen: int) -> World:
    w = _world(chosen)
    w.motor.extra_at = 36
    w.c.run(40)
    return w


def _held(chosen: int) -> World:
    w = _world(chosen)
    w.c.monitor.most_hour = 0  # a monitor that disagrees with the program
    w.c.run(40)
    return w


def _battery(chosen: int) -> World:
    w = _world(chosen)
    w.c.issue(al.BATTERY_RESET)  # raised by the device around the core
    w.c.run(w.c.t + 1)
    return w


def _short_stalls(chosen: int) -> World:
    w = _world(codes.R_CONTINUE)  # with any other response a stall does not end by itself
    for hour in range(3):
        w.motor.stalls.append((hour * 3600 + 100, hour * 3600 + 400))
    w.c.run(3 * 3600)
    return w


CAUSES: dict[int, Callable[[int], World]] = {
    al.LOW_RESERVOIR: _low,
    al.EMPTY_RESERVOIR: _empty,
    al.REPLACE_SOON: partial(_old, end=False),
    al.END_OF_SERVICE: partial(_old, end=True),
    al.STALL: _stalled,
    al.STOPPED_48H: _left_stopped,
    al.MEMORY_MINOR: lambda chosen: _woken(chosen, 1),
    al.MEMORY_CRITICAL: lambda chosen: _woken(chosen, 0, 1),
    al.OVER_DELIVERY: _turned_too_far,
    al.HELD: _held,
    al.POWER_LOST: _woken,
    al.CLOCK_DOUBT: _woken,
    al.BATTERY_RESET: _battery,
    al.SHORT_STALLS: _short_stalls,
}
BY_CORE = [pytest.param(c, id=c.code, marks=pytest.mark.requirement(*c.requirements)) for c in TABLE.of_core]


@pytest.mark.requirement("OP-6.6.2")
@pytest.mark.parametrize("chosen", [codes.R_STOP, codes.R_FALLBACK, codes.R_CONTINUE])
@pytest.mark.parametrize("condition", BY_CORE)
def test_each_alarm_is_raised_by_its_cause_and_does_what_its_row_says(condition: Condition, chosen: int) -> None:
    assert condition.core is not None
    w = CAUSES[condition.core](chosen)
    states = alarm_states(w.c.alarms)
    state = states[condition.core]
    assert state.active
    assert state.issued_s is not None
    assert state.acknowledged_s is state.cleared_s is None
    choices = {
        fault: (Response.STOP, Response.FALLBACK, Response.CONTINUE)[w.c.program.response[number]]
        for fault, number in FAULT.items()
    }
    base, forbidden = restrictions(states, choices)
    assert base.rank >= does(condition, choices).rank
    assert forbidden >= condition.forbids_bolus
    if not w.c.loaded or not w.c.running or base is Does.STOP:
        assert w.c.rate == 0
    else:
        assert w.c.rate == (FALLBACK if base is Does.FALLBACK else RATE)
    answer = w.k.bolus(1)
    if forbidden or w.c.rate == 0:
        assert answer != codes.GRANTED
    events = [unpack(RECORD, w.c.log.pending[i * SIZE : (i + 1) * SIZE]) for i in range(w.c.log.n_pending)]
    w.c.log.seal()
    events += [unpack(RECORD, w.c.log.record(n)) for n in range(max(1, w.c.log.oldest()), w.c.log.sealed + 1)]
    assert any(e[3] == codes.E_ALARM and e[4] == condition.core for e in events), "it is in the log"


def _bolus(kind: int) -> World:
    w = _world(codes.R_CONTINUE)
    w.c.run(30)
    assert (w.k.bolus(1) if kind == codes.PATIENT else w.k.single(40, 3600)) == codes.GRANTED
    w.c.run(60)
    return w


@pytest.mark.parametrize("kind", [codes.PATIENT, codes.SINGLE])
@pytest.mark.requirement("OP-5.2.6", "OP-5.3.4", "OP-6.4.4", "OP-6.4.5", "OP-6.4.6", "OP-6.4.7")
def test_too_much_and_too_little_are_noticed_in_a_bolus_too_and_end_it(kind: int) -> None:
    for stalled in (True, False):
        w = _bolus(kind)
        if stalled:
            w.motor.stalls.append((w.c.t, 10**6))
        else:
            w.motor.extra_at = w.c.t + 50
        w.c.run(w.c.t + 400)
        states = alarm_states(w.c.alarms)
        assert states[al.STALL if stalled else al.OVER_DELIVERY].active
        assert w.c.b_kind == 0
        assert _cuts(w) == [(kind, w.c.b_given)]


@pytest.mark.requirement("OP-5.3.7", "UM-20", "SF-A3")
def test_a_bolus_that_the_monitor_holds_back_is_cut_with_an_alarm() -> None:
    w = _bolus(codes.SINGLE)
    w.c.monitor.most_hour = 0
    w.c.run(w.c.t + 200)
    assert alarm_states(w.c.alarms)[al.HELD].active
    assert _cuts(w) == [(codes.SINGLE, w.c.b_given)]


def _cuts(w: World) -> list[tuple[int, int]]:
    """Kind and strokes of every bolus that was cut, from the log."""
    w.c.log.seal()
    rows = (unpack(RECORD, w.c.log.record(n)) for n in range(1, w.c.log.sealed + 1))
    return [(row[4], row[5]) for row in rows if row[3] == codes.E_BOLUS_CUT]


def test_no_alarm_of_the_core_is_without_a_cause() -> None:
    assert set(CAUSES) == set(range(al.N_ALARMS))


NOT_SENSED = [pytest.param(c, id=c.code) for c in TABLE.conditions if not c.raised.sensed]


@pytest.mark.parametrize("condition", NOT_SENSED)
def test_what_no_pump_senses_is_said_to_be_so(condition: Condition) -> None:
    """Nothing here claims to be noticed: the text sends somebody to look, and says that the pump counts on."""
    assert condition.core is None
    assert condition.base is Base.NO_CHANGE
    assert "not sense" in for_clinician(condition, {}).pump
    pump = for_patient(condition, {}).pump
    assert "sense" in pump or "may" in pump or "cannot" in pump


def test_requirements_are_those_of_the_table_of_requirements() -> None:
    """Every id exists there, and applies."""
    listed = ROOT / "docs" / "trace" / "requirements.toml"
    rows = tomllib.loads(listed.read_text("utf-8"))["rows"]
    named = {i for c in TABLE.conditions for i in c.requirements} | set(TABLE.requirements)
    assert named <= set(rows)
    assert not [i for i in named if rows[i].get("applies") == "n"]


# What a reading finds


@dataclass(frozen=True)
class Line:
    uptime_s: int
    event: int
    a: int = 0
    b: int = 0


def _found(*lines: Line, facts: Facts | None = None) -> dict[str, Found]:
    return {f.condition.code: f for f in found_in(lines, facts or Facts())}


@pytest.mark.requirement("UM-26", "UM-27")
def test_refusals_and_ends_are_counted_since_the_last_reading() -> None:
    found = _found(
        Line(10, codes.E_REFUSED, codes.LOCKOUT, 50),
        Line(20, codes.E_REFUSED, codes.LOCKOUT, 40),
        Line(30, codes.E_REFUSED, codes.COUNT, 9),
        Line(40, codes.E_REFUSED, codes.CEILING_1H, 9),
        Line(50, codes.E_REFUSED, codes.CEILING_24H, 9),
        Line(60, codes.E_REFUSED, codes.STOPPED),
        Line(70, codes.E_BOLUS_CUT, codes.PATIENT, 3),
        Line(80, codes.E_BRIDGE_END, 7),
        Line(90, codes.E_TOTAL, 100, 0),
        Line(95, codes.E_STOP, 1),
    )
    assert {code: (f.count, f.first_s, f.last_s) for code, f in found.items()} == {
        "bolus-too-soon": (2, 10, 20),
        "bolus-count-reached": (1, 30, 30),
        "ceiling-refused": (2, 40, 50),
        "bolus-cut": (1, 70, 70),
        "bridge-ended": (1, 80, 80),
    }
    assert list(found) == [c for c in IDS if c in found]


@pytest.mark.requirement("OP-6.4.3", "UM-17")
def test_missed_strokes_are_added_up_over_the_days() -> None:
    found = _found(Line(1, codes.E_TOTAL, 9, 2), Line(2, codes.E_TOTAL, 9, 0), Line(3, codes.E_TOTAL, 9, 5))
    assert found == {"strokes-missed": Found(TABLE["strokes-missed"], 7, 1, 3)}


@pytest.mark.requirement("OP-6.5.18", "OP-EC23")
def test_the_same_alarm_three_times_in_ten_minutes_is_a_loop() -> None:
    def times(*at: int, alarm: int = al.STALL) -> list[Line]:
        return [Line(t, codes.E_ALARM, alarm) for t in at]

    assert not _found(*times(0, 1, 2)[:2])
    assert not _found(*times(0, 300, 601))
    assert not _found(*times(0, 300), *times(301, alarm=al.HELD))
    assert _found(*times(0, 300, 600)) == {"alarm-loop": Found(TABLE["alarm-loop"], 1, 0, 600)}
    assert _found(*times(0, 300, 600, 900))["alarm-loop"] == Found(TABLE["alarm-loop"], 2, 0, 900)


@pytest.mark.requirement("UM-29", "FD-10.2", "FD-10.5")
def test_what_the_reading_itself_finds() -> None:
    assert not _found()
    found = _found(facts=Facts(stopped=True, stalled=True, log_broken=True, records_missing=12, clock_off_s=-3))
    assert {code: f.count for code, f in found.items()} == {
        "stopped": 1,
        "stall-not-recovered": 1,
        "log-broken": 1,
        "log-gap": 12,
        "clock-differs": 1,
    }
    assert all(f.first_s is None for f in found.values())


@pytest.mark.requirement("UM-29", "UM-44", "UM-15", "FD-10.2")
def test_a_pump_that_is_left_stopped_raises_its_alarm() -> None:
    """The core itself: stopped, found stopped at a reading, and after 48 h an alarm of its own."""
    w = world(program())
    assert w.k.stop(1) == codes.GRANTED
    w.c.run(codes.STOPPED_TOO_LONG_S)
    states = alarm_states(w.c.alarms)
    assert [s.condition.code for s in in_order(states)] == ["stopped-48h"]
    assert w.k.acknowledge(al.STOPPED_48H) == codes.GRANTED
    assert w.k.start(1) == codes.GRANTED
    late = alarm_states(w.c.alarms)[al.STOPPED_48H]
    assert (late.active, late.cleared_s) == (False, codes.STOPPED_TOO_LONG_S)
    assert late.acknowledged_s == codes.STOPPED_TOO_LONG_S


def test_texts_that_are_empty_belong_to_the_other_reader() -> None:
    said = Said("What.", "Act.")
    assert (said.pump, said.check, said.clears, said.avoid) == ("", "", "", "")
