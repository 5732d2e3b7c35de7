from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thecal.formulary import load
from thecal.pump.families.calibration import Calibration
from thecal.pump.families.catalog import family
from thecal.quantities import DoseRate, Duration, Mass, Volume
from thecal.therapy.file_problems import FileRefused, Problem, Trouble
from thecal.therapy.program import BridgeBolus, Continuous
from thecal.twin.events import (
    Accuracy,
    DrugLoss,
    GivenBolus,
    NewProgram,
    NoBridge,
    PlannedBridge,
    Press,
    Presser,
    Prime,
    Refill,
    Stall,
    Start,
    Stop,
)
from thecal.twin.scenario import Scenario, parse_scenario, read_scenario

if TYPE_CHECKING:
    from thecal.therapy.envelope import Envelope
    from thecal.therapy.files import Measured

FIRST = Path(__file__).parent.parent / "examples" / "first-patient.toml"
FORMULARY = load()
DAY_S = 86_400


def drugs(text: str) -> str:
    return FORMULARY.drug(text).code


def pumps(name: str, measured: Measured) -> Envelope:
    return family(name).envelope(Calibration(measured.stroke, measured.tubing))


ORDER = """
[patient]
reference = "T-1"
[pump]
family = "bench-20"
serial = "B-1"
calibration = { stroke = "249 nL" }
[catheter]
supplied = "100 cm"
removed = "32 cm"
volume_per_length = "0.002 mL/cm"
[mixture]
ingredients = [{ drug = "morphine", concentration = "4 mg/mL" }]
[program]
base = "continuous"
dose = "1.2 mg/day"
[program.patient_bolus]
dose = "0.1 mg"
duration = "10 min"
lockout = "3 h"
most_per_24h = 4
[[program.ceilings]]
drug = "morphine"
per_1h = "0.3 mg"
per_24h = "2 mg"
[fill]
volume = "18 mL"
"""
RUN = """
[run]
start = 2026-03-02T09:30:00
days = 30
seed = 7
utc_offset = "+01:00"
"""
STRONGER = 'ingredients = [{ drug = "morphine", concentration = "8 mg/mL" }]'
REFILL = '[[events]]\nkind = "refill"\nday = 10\ntime = "10:00"\nvolume = "18 mL"\nleft = "0.5 mL"\n'


def scenario(text: str = "", head: str = ORDER + RUN) -> Scenario:
    return parse_scenario(head + text, "s.toml", drugs=drugs, pumps=pumps)


def problems(text: str = "", head: str = ORDER + RUN) -> list[tuple[Trouble, str]]:
    return [(p.trouble, p.field) for p in refused(text, head)]


def refused(text: str = "", head: str = ORDER + RUN) -> tuple[Problem, ...]:
    with pytest.raises(FileRefused) as found:
        scenario(text, head)
    return found.value.problems


def event(kind: str, day: int = 3, time: str = "10:00", more: str = "") -> str:
    return f'[[events]]\nkind = "{kind}"\nday = {day}\ntime = "{time}"\n{more}\n'


# What is read ---------------------------------------------------------------------------------------------------------


def test_a_quiet_run() -> None:
    read = scenario()
    assert read.title == "s.toml"
    assert read.serial == "B-1"
    assert read.calibration.stroke == Volume.of(249, "nL")
    assert read.run.start == datetime(2026, 3, 2, 9, 30)  # noqa: DTZ001 -- pump-clock time has no zone
    assert read.run.utc_offset == timedelta(hours=1)
    assert read.run.front_sigma is None
    assert read.run.length_s == 30 * DAY_S
    assert (read.events, read.pressers, read.faults, read.presses()) == ((), (), (), ())
    assert read.run.moment(3600).hour == 10


def test_times_count_from_the_start_on_the_pump_clock() -> None:
    read = scenario(event("press", 0, "09:30") + event("stop", 0, "23:59") + event("start", 30, "09:29"))
    assert read.events == (Press(0), Stop(14 * 3600 + 29 * 60), Start(30 * DAY_S - 60))
    assert read.run.moment(read.events[1].at_s).strftime("%H:%M") == "23:59"


def test_events_are_sorted_and_equal_times_keep_the_order_of_the_file() -> None:
    text = event("start", 5) + event("press", 3) + event("stop", 5) + event("press", 5)
    assert [type(e) for e in scenario(text).events] == [Press, Start, Stop, Press]


def test_every_kind_of_plain_event() -> None:
    text = event("single bolus", 1, more='dose = "0.2 mg"\nduration = "20 min"') + event(
        "prime", 2, more='volume = "0.3 mL"'
    )
    given_bolus, prime = scenario(text).events
    assert isinstance(given_bolus, GivenBolus)
    assert given_bolus.bolus.dose == Mass.parse("0.2 mg")
    assert given_bolus.bolus.duration == Duration.of(20, "min")
    assert isinstance(prime, Prime)
    assert prime.volume == Volume.parse("0.3 mL")


def test_a_program_may_keep_parts_of_the_one_in_force() -> None:
    text = event("program", 9, more="")
    text += '[events.program]\nbase = "continuous"\ndose = "1.3 mg/day"\nkeep = ["patient_bolus"]\n'
    text += event("program", 5)
    text += '[events.program]\nbase = "continuous"\ndose = "1.25 mg/day"\nkeep = ["ceilings"]\n'
    text += '[events.program.patient_bolus]\ndose = "0.05 mg"\nduration = "5 min"\nlockout = "1 h"\nmost_per_24h = 2\n'
    read = scenario(text)
    first, second = read.events
    assert isinstance(first, NewProgram) and isinstance(second, NewProgram)
    assert first.program.ceilings == read.order.program.ceilings
    assert second.program.patient_bolus == first.program.patient_bolus
    assert second.program.ceilings == ()
    assert read.program_at(0) == read.order.program
    assert read.program_at(second.at_s - 1) == first.program
    assert read.program_at(second.at_s) == second.program


def test_everything_can_be_kept() -> None:
    head = ORDER.replace('dose = "1.2 mg/day"\n', 'dose = "1.2 mg/day"\nlow_level = "3 mL"\nreasons = { a = "b" }\n', 1)
    head = head.replace("[fill]", '[program.fail_safe]\nmotor = "stop"\n[fill]') + RUN
    text = event("program") + '[events.program]\nbase = "stopped"\n'
    text += 'keep = ["patient_bolus", "ceilings", "fail_safe", "low_level", "reasons"]'
    read = scenario(text, head)
    assert replace(read.program_at(10 * DAY_S), base=read.order.program.base) == read.order.program


def test_a_refill_with_the_same_fluid() -> None:
    (refill,) = scenario(REFILL).events
    assert isinstance(refill, Refill)
    assert (refill.volume, refill.left) == (Volume.of(18, "mL"), Volume.parse("0.5 mL"))
    assert (refill.aspirated, refill.mixture, refill.program, refill.bridge) == (None, None, None, None)
    (other,) = scenario(REFILL.replace("left", "aspirated").replace("0.5 mL", "0 mL")).events
    assert isinstance(other, Refill)
    assert (other.left, other.aspirated) == (None, Volume.zero())


@pytest.mark.parametrize(
    ("text", "bridge"),
    [
        ('bridge = "plan"', PlannedBridge()),
        ('bridge = "none"\nbridge_reason = "the line was aspirated"', NoBridge("the line was aspirated")),
        (
            'bridge = { volume = "0.286 mL", dose = "1.2 mg/day" }',
            BridgeBolus(Volume.parse("0.286 mL"), DoseRate.parse("1.2 mg/day")),
        ),
    ],
)
def test_a_refill_with_another_fluid(text: str, bridge: object) -> None:
    read = scenario(REFILL + text + f"\n[events.mixture]\n{STRONGER}")
    (refill,) = read.events
    assert isinstance(refill, Refill)
    assert refill.bridge == bridge
    assert read.mixture_at(refill.at_s) == refill.mixture
    assert read.mixture_at(refill.at_s - 1) == read.order.mixture


def test_the_same_strengths_in_another_bag_need_no_bridge() -> None:
    text = (
        REFILL
        + '[events.mixture]\nbeyond_use = 2026-06-01\ningredients = [{ drug = "morphine", concentration = "4 mg/mL" }]'
    )
    (refill,) = scenario(text).events
    assert isinstance(refill, Refill) and refill.mixture is not None
    assert refill.bridge is None


def test_faults() -> None:
    text = """
[[faults]]
kind = "stall"
day = 3
time = "10:00"
until_day = 4
until_time = "12:30"
[[faults]]
kind = "accuracy"
factor = 1.05
[[faults]]
kind = "drug loss"
drug = "morphine"
rate_per_day = 0.001
"""
    at_s = 3 * DAY_S + 1800
    assert scenario(text).faults == (
        Stall(at_s, at_s + DAY_S + 9000),
        Accuracy(Fraction(105, 100), 0, 30 * DAY_S),
        DrugLoss("morphine", Fraction(1, 1000)),
    )


def test_accuracy_for_a_time() -> None:
    one = (
        '[[faults]]\nkind = "accuracy"\nfactor = 1.05\nday = 0\ntime = "09:30"\nuntil_day = 10\nuntil_time = "09:30"\n'
    )
    two = (
        '[[faults]]\nkind = "accuracy"\nfactor = 0.9\nday = 10\ntime = "09:30"\nuntil_day = 30\nuntil_time = "09:30"\n'
    )
    assert [f.until_s for f in scenario(one + two).faults if isinstance(f, Accuracy)] == [10 * DAY_S, 30 * DAY_S]
    assert problems(one + two.replace("day = 10", "day = 9")) == [(Trouble.OVERLAP, "faults[1]")]


def test_stalls_beside_other_faults_may_overlap() -> None:
    stall = '[[faults]]\nkind = "stall"\nday = 3\ntime = "10:00"\nuntil_day = 4\nuntil_time = "12:30"\n'
    loss = '[[faults]]\nkind = "drug loss"\ndrug = "morphine"\nrate_per_day = 0\n'
    accuracy = '[[faults]]\nkind = "accuracy"\nfactor = 1\n'
    assert len(scenario(loss + stall + accuracy).faults) == 3
    assert problems(stall + stall) == [(Trouble.OVERLAP, "faults[1]")]


def test_front_sigma() -> None:
    assert scenario(head=ORDER + RUN + 'front_sigma = "20 mcL"').run.front_sigma == Volume.of(20, "mcL")


# Refusals -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (event("press", 30, "09:30"), [(Trouble.OUTSIDE_RUN, "events[0].day")]),
        (event("press", 0, "09:29"), [(Trouble.OUTSIDE_RUN, "events[0].day")]),
        (event("presses"), [(Trouble.UNKNOWN_WORD, "events[0].kind")]),
        ("[[events]]\nday = 1\ntime = '10:00'", [(Trouble.MISSING_FIELD, "events[0].kind")]),
        (event("press", more='dose = "1 mg"'), [(Trouble.UNKNOWN_FIELD, "events[0].dose")]),
        (event("press", time="10"), [(Trouble.BAD_TIME, "events[0].time")]),
        (event("press").replace("day = 3\n", ""), [(Trouble.MISSING_FIELD, "events[0].day")]),
        (event("program"), [(Trouble.MISSING_FIELD, "events[0].program")]),
        (event("program", more="program = 3"), [(Trouble.WRONG_TYPE, "events[0].program")]),
        (
            event("program") + '[events.program]\nbase = "stopped"\nkeep = ["base", "ceilings"]',
            [(Trouble.UNKNOWN_WORD, "events[0].program.keep")],
        ),
        (
            event("program") + '[events.program]\nbase = "stopped"\nkeep = ["low_level"]\nlow_level = "2 mL"',
            [(Trouble.MISPLACED_FIELD, "events[0].program.low_level")],
        ),
        (
            event("program") + '[events.program]\nbase = "stopped"\npriming = { volume = "0.3 mL" }',
            [(Trouble.MISPLACED_FIELD, "events[0].program.priming")],
        ),
        (REFILL.replace("left", "# left"), [(Trouble.MISSING_FIELD, "events[0]")]),
        (REFILL + 'aspirated = "1 mL"', [(Trouble.MISSING_FIELD, "events[0]")]),
        (REFILL + 'bridge = "plan"', [(Trouble.MISPLACED_FIELD, "events[0].bridge")]),
        (REFILL + f"[events.mixture]\n{STRONGER}", [(Trouble.MISSING_FIELD, "events[0].bridge")]),
        (
            REFILL + f'bridge = "later"\n[events.mixture]\n{STRONGER}',
            [(Trouble.UNKNOWN_WORD, "events[0].bridge")],
        ),
        (
            REFILL + f'bridge = "none"\n[events.mixture]\n{STRONGER}',
            [(Trouble.MISSING_FIELD, "events[0].bridge_reason")],
        ),
        (
            REFILL + f'bridge = "plan"\nbridge_reason = "x"\n[events.mixture]\n{STRONGER}',
            [(Trouble.MISPLACED_FIELD, "events[0].bridge_reason")],
        ),
        (
            REFILL
            + 'bridge = "plan"\n[events.mixture]\ningredients = [{ drug = "baclofen", concentration = "1 mg/mL" }]',
            [(Trouble.MISSING_FIELD, "events[0].program")],
        ),
        ("events = 3", [(Trouble.UNKNOWN_FIELD, "run.events")]),
        ('[[faults]]\nkind = "leak"', [(Trouble.UNKNOWN_WORD, "faults[0].kind")]),
        ('[[faults]]\nkind = "accuracy"\nfactor = 11', [(Trouble.OUT_OF_RANGE, "faults[0].factor")]),
        ('[[faults]]\nkind = "accuracy"\nfactor = "1.05"', [(Trouble.WRONG_TYPE, "faults[0].factor")]),
        (
            '[[faults]]\nkind = "accuracy"\nfactor = 1.05\nday = 1\n',
            [
                (Trouble.MISSING_FIELD, "faults[0].time"),
                (Trouble.MISSING_FIELD, "faults[0].until_day"),
                (Trouble.MISSING_FIELD, "faults[0].until_time"),
            ],
        ),
        (
            '[[faults]]\nkind = "stall"\nday = 4\ntime = "10:00"\nuntil_day = 4\nuntil_time = "10:00"',
            [(Trouble.OUT_OF_RANGE, "faults[0].until_day")],
        ),
        (
            '[[faults]]\nkind = "stall"\nday = 4\ntime = "10:00"\nuntil_day = 31\nuntil_time = "10:00"',
            [(Trouble.OUTSIDE_RUN, "faults[0].until_day")],
        ),
        (
            '[[faults]]\nkind = "drug loss"\ndrug = "morfine"\nrate_per_day = 0.1',
            [(Trouble.UNKNOWN_DRUG, "faults[0].drug")],
        ),
        (
            2 * '[[faults]]\nkind = "drug loss"\ndrug = "morphine"\nrate_per_day = 0.1\n',
            [(Trouble.DRUG_TWICE, "faults[1].drug")],
        ),
        ("[[pressers]]\nheedless_share = 0.2", [(Trouble.MISSING_FIELD, "pressers[0].presses_per_day")]),
        (
            "[[pressers]]\npresses_per_day = 2\nheedless_share = 1.5",
            [(Trouble.OUT_OF_RANGE, "pressers[0].heedless_share")],
        ),
        (
            '[[pressers]]\npresses_per_day = 2\nheedless_share = 0\nfrom = "10:00"\nuntil = "09:00"',
            [(Trouble.OUT_OF_RANGE, "pressers[0].until")],
        ),
        (
            "[[pressers]]\npresses_per_day = 2\nheedless_share = 0\nfrom_day = 3\nuntil_day = 3",
            [(Trouble.OUT_OF_RANGE, "pressers[0].until_day")],
        ),
    ],
)
def test_wrong_scenarios(text: str, expected: list[tuple[Trouble, str]]) -> None:
    assert problems(text) == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("start = 2026-03-02T09:30:00\n", "", (Trouble.MISSING_FIELD, "run.start")),
        ("2026-03-02T09:30:00", "2026-03-02", (Trouble.WRONG_TYPE, "run.start")),
        ("2026-03-02T09:30:00", "2026-03-02T09:30:00Z", (Trouble.BAD_DATE, "run.start")),
        ("2026-03-02T09:30:00", "2026-03-02T09:30:00.5", (Trouble.BAD_DATE, "run.start")),
        ("2026-03-02T09:30:00", "2026-02-30T09:30:00", (Trouble.BAD_DATE, "run.start")),
        ("days = 30", "days = 0", (Trouble.OUT_OF_RANGE, "run.days")),
        ("days = 30", 'days = "30"', (Trouble.WRONG_TYPE, "run.days")),
        ("seed = 7", "seed = -1", (Trouble.OUT_OF_RANGE, "run.seed")),
        ('utc_offset = "+01:00"', "", (Trouble.MISSING_FIELD, "run.utc_offset")),
        ("+01:00", "1", (Trouble.BAD_TIME, "run.utc_offset")),
        ("+01:00", "+14:01", (Trouble.BAD_TIME, "run.utc_offset")),
        ("+01:00", "+01:60", (Trouble.BAD_TIME, "run.utc_offset")),
        ('"+01:00"', "1", (Trouble.WRONG_TYPE, "run.utc_offset")),
    ],
)
def test_wrong_runs(before: str, after: str, expected: tuple[Trouble, str]) -> None:
    # Events are read all the same, but not measured against a run that is not known.
    text = (
        event("press", 99)
        + '[[pressers]]\npresses_per_day = 1\nheedless_share = 0\n[[faults]]\nkind = "accuracy"\nfactor = 1'
    )
    assert problems(text, ORDER + RUN.replace(before, after)) == [expected]


def test_offset_to_the_west() -> None:
    assert scenario(head=ORDER + RUN.replace("+01:00", "-03:30")).run.utc_offset == -timedelta(hours=3, minutes=30)


def test_an_order_alone_is_no_scenario() -> None:
    assert problems(head=ORDER) == [(Trouble.MISSING_FIELD, "run")]
    stripped = ORDER.replace('[fill]\nvolume = "18 mL"\n', "").replace("[catheter]", "[nothing]")
    found = problems(head=stripped + RUN)
    assert (Trouble.MISSING_FIELD, "fill") in found
    assert (Trouble.MISSING_FIELD, "catheter") in found


def test_a_wrong_order_does_not_hide_what_is_wrong_in_the_events() -> None:
    wrong = ORDER.replace('"4 mg/mL"', '"4.0 mg/mL"')
    text = (
        REFILL
        + f"[events.mixture]\n{STRONGER}\n"
        + event("program", 12)
        + '[events.program]\nbase = "x"\nkeep = ["ceilings"]'
    )
    assert problems(text, wrong + RUN) == [
        (Trouble.BAD_AMOUNT, "mixture.ingredients[0].concentration"),
        (Trouble.UNKNOWN_WORD, "events[1].program.base"),
    ]


# Presses --------------------------------------------------------------------------------------------------------------


def with_presser(seed: int = 7, **changes: object) -> Scenario:
    text = "[[pressers]]\npresses_per_day = 6.5\nheedless_share = 0.25\n" + event("press", 3)
    read = scenario(text, ORDER + RUN.replace("seed = 7", f"seed = {seed}"))
    return replace(read, pressers=(replace(read.pressers[0], **changes),))  # type: ignore[arg-type]


def test_presses_are_the_same_for_the_same_seed_for_ever() -> None:
    assert with_presser().presses() == with_presser().presses()
    assert with_presser().presses() != with_presser(8).presses()
    # Pinned: another order of draws would make old results impossible to repeat.
    assert [p.at_s for p in with_presser().presses()[:4]] == [18_911, 24_439, 35_726, 59_717]


def test_two_habits_are_not_the_same() -> None:
    read = with_presser()
    both = replace(read, pressers=(read.pressers[0], read.pressers[0])).presses()
    assert len({p.at_s for p in both}) > 1.8 * len(read.presses())


def test_listed_presses_are_among_them() -> None:
    read = with_presser()
    assert set(read.events) <= set(read.presses())


@settings(max_examples=30)
@given(st.integers(0, 2**63 - 1), st.fractions(0, 12, max_denominator=4), st.integers(0, 22), st.integers(1, 24))
def test_who_heeds_the_lockout_never_presses_within_it(seed: int, often: Fraction, first: int, length: int) -> None:
    until_s = min(first + length, 24) * 3600
    read = replace(
        with_presser(seed),
        events=(),
        pressers=(Presser(often, Fraction(0), first * 3600, until_s, 0, 31),),
    )
    times = [p.at_s for p in read.presses()]
    assert times == sorted(times)
    assert all(b - a >= 3 * 3600 for a, b in pairwise(times))
    assert all(0 <= t < read.run.length_s for t in times)


@settings(max_examples=30)
@given(st.integers(0, 2**63 - 1), st.integers(0, 22), st.integers(1, 24))
def test_who_heeds_nothing_presses_as_often_as_said_in_the_hours_said(seed: int, first: int, length: int) -> None:
    until_s = min(first + length, 24) * 3600
    read = replace(
        with_presser(seed),
        events=(),
        pressers=(Presser(Fraction(4), Fraction(1), first * 3600, until_s, 2, 12),),
    )
    clock = [(p.at_s + read.run.start_s) % DAY_S for p in read.presses()]
    days = {(p.at_s + read.run.start_s) // DAY_S for p in read.presses()}
    assert len(clock) == 40
    assert days == set(range(2, 12))
    assert all(first * 3600 <= c < until_s for c in clock)


def test_some_presses_come_too_early() -> None:
    times = [p.at_s for p in with_presser(heedless_share=Fraction(1, 2)).presses()]
    assert any(b - a < 3 * 3600 for a, b in pairwise(times))
    assert any(b - a > 3 * 3600 for a, b in pairwise(times))


def test_without_a_patient_bolus_there_is_no_lockout_to_heed() -> None:
    read = with_presser()
    bare = replace(read, order=replace(read.order, program=replace(read.order.program, patient_bolus=None)))
    assert len(bare.presses()) >= len(read.presses())


# The first patient ----------------------------------------------------------------------------------------------------


def test_first_patient() -> None:
    read = read_scenario(FIRST, drugs=drugs, pumps=pumps)
    assert read.run.days == 90
    refills = [e for e in read.events if isinstance(e, Refill)]
    assert [r.bridge for r in refills] == [None, PlannedBridge()]
    last = refills[-1]
    assert last.program is not None and last.mixture is not None
    assert last.program.fail_safe == read.order.program.fail_safe
    assert last.program.low_level == Volume.of(2, "mL")
    assert not isinstance(last.program.base, Continuous)
    presses = read.presses()
    assert 150 < len(presses) < 300
    gaps = [b.at_s - a.at_s for a, b in pairwise(presses)]
    assert min(gaps) < 3 * 3600 < max(gaps)


def test_first_patient_never_runs_dry() -> None:
    read = read_scenario(FIRST, drugs=drugs, pumps=pumps)
    assert read.order.fill is not None and read.order.program.low_level is not None
    fills = [(0, read.order.fill.volume)]
    fills += [(e.at_s, e.volume) for e in read.events if isinstance(e, Refill)]
    ends = [at_s for at_s, _ in fills[1:]] + [read.run.length_s]
    for (start_s, volume), end_s in zip(fills, ends, strict=True):
        program, mixture = read.program_at(start_s), read.mixture_at(start_s)
        bolus = program.patient_bolus
        assert bolus is not None
        most = program.base.plans[0].total + bolus.most_in_24h  # type: ignore[union-attr]
        used = mixture.volume_of(most * (Duration.of(end_s - start_s, "s") / Duration.of(1, "day")))
        assert volume - used > read.order.program.low_level


TEXT = FIRST.read_text("utf-8")
LINES = TEXT.splitlines()
VALUES = st.sampled_from(
    [
        '""',
        '"0 mg"',
        '"1.0 mg"',
        "0.5",
        "true",
        "[]",
        "{}",
        "[[]]",
        '["Mon"]',
        '"plan"',
        "2026-02-30",
        "10:00:00",
        "-1",
        "nan",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_spoiled_file_is_read_or_refused_with_a_place(data: st.DataObject) -> None:
    lines = list(LINES)
    for _ in range(data.draw(st.integers(1, 4))):
        number = data.draw(st.integers(0, len(lines) - 1))
        key, equals, _value = lines[number].partition("=")
        match data.draw(st.sampled_from(["drop", "twice", "value", "key", "swap"])):
            case "drop":
                del lines[number]
            case "twice":
                lines.insert(number, lines[number])
            case "value":
                lines[number] = f"{key}= {data.draw(VALUES)}" if equals else lines[number]
            case "key":
                lines[number] = f"x{lines[number]}"
            case _:
                other = data.draw(st.integers(0, len(lines) - 1))
                lines[number], lines[other] = lines[other], lines[number]
    try:
        read = scenario(head="\n".join(lines))
    except FileRefused as error:
        assert error.problems
        assert all(p.place is not None and 1 <= p.place.line <= len(lines) + 1 for p in error.problems)
    else:
        assert all(0 <= e.at_s < read.run.length_s for e in read.events)
