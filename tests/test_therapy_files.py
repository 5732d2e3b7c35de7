from __future__ import annotations

import json
import os
import re
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from thecal.formulary import load
from thecal.pump.families.calibration import Calibration
from thecal.pump.families.catalog import family
from thecal.quantities import Concentration, DoseRate, Duration, Flow, Mass, Volume
from thecal.therapy.files import (
    FileRefused,
    Measured,
    OrderFile,
    Place,
    Problem,
    Trouble,
    parse_order,
    read_order,
    read_order_file,
)
from thecal.therapy.order import Indication
from thecal.therapy.program import (
    Continuous,
    DaySchedule,
    FaultClass,
    MinimumRate,
    RepeatedDoses,
    Response,
    Stopped,
)
from thecal.therapy.review import review
from thecal.twin.scenario import read_scenario

if TYPE_CHECKING:
    from thecal.therapy.envelope import Envelope

EXAMPLES = Path(__file__).parent.parent / "examples"
REFUSED = EXAMPLES / "refused"
FORMULARY = load()


def drugs(text: str) -> str:
    return FORMULARY.drug(text).code


def pumps(name: str, measured: Measured) -> Envelope:
    calibration = Calibration(measured.stroke, measured.tubing, measured.fixed_flow, measured.flow_factor)
    return family(name).envelope(calibration)


HEAD = """
[patient]
reference = "T-1"
[pump]
family = "bench-20"
[mixture]
ingredients = [{ drug = "morphine", concentration = "4 mg/mL" }, { drug = "clonidine", concentration = "150 mcg/mL" }]
"""
CONTINUOUS = '[program]\nbase = "continuous"\ndose = "1.2 mg/day"\n'


def order(text: str, head: str = HEAD) -> OrderFile:
    return parse_order(head + text, "order.toml", drugs=drugs, pumps=pumps)


def problems(text: str, head: str = HEAD) -> tuple[Problem, ...]:
    with pytest.raises(FileRefused) as refused:
        order(text, head)
    return refused.value.problems


def the_problem(text: str, head: str = HEAD) -> Problem:
    found = problems(text, head)
    assert len(found) == 1, [str(p) for p in found]
    return found[0]


# Every bad example: what is wrong, in which line, in which field ----------------------------------------------------

EXPECTED: dict[str, list[tuple[Trouble, int, str]]] = {
    "bad-calibration.toml": [(Trouble.OUT_OF_RANGE, 8, "pump.calibration")],
    "dose-without-time.toml": [(Trouble.WRONG_UNIT, 19, "program.dose")],
    "drug-twice.toml": [(Trouble.DRUG_TWICE, 17, "mixture.ingredients[1].drug")],
    "event-outside-run.toml": [(Trouble.OUTSIDE_RUN, 33, "events[0].day")],
    "first-step-late.toml": [(Trouble.GAP, 20, "program.steps[0].from")],
    "gap.toml": [(Trouble.GAP, 20, "program.steps[0].to")],
    "impossible-date-in-quotes.toml": [(Trouble.BAD_DATE, 23, "fill.on")],
    "impossible-date.toml": [(Trouble.BAD_DATE, 23, "fill.on")],
    "impossible-time.toml": [(Trouble.BAD_TIME, 21, "program.steps[1].from")],
    "key-twice.toml": [(Trouble.KEY_TWICE, 20, "program.dose")],
    "lockout-shorter-than-bolus.toml": [(Trouble.OUT_OF_RANGE, 28, "program.patient_bolus.lockout")],
    "many-problems.toml": [
        (Trouble.UNKNOWN_FIELD, 4, "patient.age"),
        (Trouble.NUMBER_WITHOUT_UNIT, 12, "catheter.removed"),
        (Trouble.BAD_AMOUNT, 16, "mixture.ingredients[0].concentration"),
        (Trouble.NUMBER_WITHOUT_UNIT, 20, "program.dose"),
        (Trouble.BAD_DATE, 24, "fill.on"),
    ],
    "micro-sign.toml": [(Trouble.WRONG_UNIT, 19, "program.dose")],
    "misplaced-field.toml": [(Trouble.MISPLACED_FIELD, 19, "program.dose")],
    "missing-field.toml": [(Trouble.MISSING_FIELD, 17, "program.dose")],
    "missing-table.toml": [(Trouble.MISSING_FIELD, 1, "mixture")],
    "negative.toml": [(Trouble.BAD_AMOUNT, 19, "program.dose")],
    "no-leading-zero.toml": [(Trouble.BAD_AMOUNT, 19, "program.dose")],
    "no-quotes-around-time.toml": [(Trouble.NOT_TOML, 20, "")],
    "no-space.toml": [(Trouble.BAD_AMOUNT, 19, "program.dose")],
    "not-toml.toml": [(Trouble.NOT_TOML, 19, "")],
    "not-utf-8.toml": [(Trouble.NOT_UTF8, 4, "")],
    "number-without-unit.toml": [(Trouble.NUMBER_WITHOUT_UNIT, 19, "program.dose")],
    "overlap.toml": [(Trouble.OVERLAP, 20, "program.steps[0].to")],
    "refill-without-bridge.toml": [(Trouble.MISSING_FIELD, 31, "events[0].bridge")],
    "steps-out-of-order.toml": [(Trouble.OVERLAP, 22, "program.steps[2].from")],
    "table-twice.toml": [(Trouble.KEY_TWICE, 25, "program")],
    "trailing-zero.toml": [(Trouble.BAD_AMOUNT, 19, "program.dose")],
    "trimmed-too-much.toml": [(Trouble.OUT_OF_RANGE, 11, "catheter.removed")],
    "truth-as-text.toml": [(Trouble.WRONG_TYPE, 5, "patient.opioid_naive")],
    "unknown-drug.toml": [(Trouble.UNKNOWN_DRUG, 15, "mixture.ingredients[0].drug")],
    "unknown-field.toml": [
        (Trouble.MISSING_FIELD, 17, "program.dose"),
        (Trouble.UNKNOWN_FIELD, 19, "program.doze"),
    ],
    "unknown-pump.toml": [(Trouble.UNKNOWN_PUMP, 7, "pump.family")],
    "unknown-table.toml": [(Trouble.UNKNOWN_FIELD, 21, "filling")],
    "unknown-word.toml": [(Trouble.UNKNOWN_WORD, 18, "program.base")],
    "weekday-missing.toml": [(Trouble.GAP, 17, "program.days")],
    "weekday-twice.toml": [(Trouble.OVERLAP, 29, "program.days[1].weekdays")],
    "wrong-dimension.toml": [(Trouble.WRONG_UNIT, 19, "program.dose")],
    "wrong-type.toml": [(Trouble.WRONG_TYPE, 15, "mixture.ingredients")],
    "wrong-unit.toml": [(Trouble.WRONG_UNIT, 19, "program.dose")],
    "zero-concentration.toml": [(Trouble.OUT_OF_RANGE, 15, "mixture.ingredients[0].concentration")],
}


def test_every_refused_example_has_its_expectation() -> None:
    assert {f.name for f in REFUSED.iterdir()} == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(EXPECTED))
@pytest.mark.requirement("OP-6.8.8", "OP-6.9.4")
def test_refused_examples(name: str) -> None:
    path = REFUSED / name
    read: Any = read_scenario if "[run]" in path.read_text("latin-1") else read_order
    with pytest.raises(FileRefused) as refused:
        read(path, drugs=drugs, pumps=pumps)
    found = refused.value.problems
    assert [(p.trouble, p.place.line if p.place else 0, p.field) for p in found] == EXPECTED[name]
    for problem in found:
        assert problem.path == str(path)
        assert problem.found and problem.allowed


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("no-leading-zero.toml", "write 0.5 mg/day"),
        ("trailing-zero.toml", "write 1 mg/day"),
        ("no-space.toml", "write 1.2 mg/day"),
        ("micro-sign.toml", "write mcg/day"),
        ("unknown-drug.toml", "did you mean morphine?"),
        ("unknown-pump.toml", "did you mean bench-20?"),
        ("unknown-field.toml", "did you mean dose?"),
        ("unknown-word.toml", 'did you mean "continuous"?'),
        ("wrong-dimension.toml", "which is a volume"),
        ("dose-without-time.toml", "which is a mass"),
        ("not-toml.toml", 'write it in quotes, as in "1.2 mg/day"'),
        ("no-quotes-around-time.toml", 'write it in quotes, as in "00:00"'),
        ("number-without-unit.toml", "number 0.5 without a unit"),
        ("gap.toml", "nothing planned from 06:00 to 08:00"),
        ("overlap.toml", "two steps planned from 08:00 to 09:00"),
        ("weekday-missing.toml", "no plan for Sat, Sun"),
        ("weekday-twice.toml", "Sat planned a second time"),
        ("key-twice.toml", "first in line 19"),
    ],
)
@pytest.mark.requirement("HZ-8.14")
def test_refusals_say_what_to_do(name: str, says: str) -> None:
    with pytest.raises(FileRefused) as refused:
        read_order(REFUSED / name, drugs=drugs, pumps=pumps)
    assert says in str(refused.value)


# Good examples ------------------------------------------------------------------------------------------------------


def test_first_patient() -> None:
    file = read_order_file(EXAMPLES / "first-patient.toml", drugs=drugs, pumps=pumps)
    read = file.order
    assert file.title == "First patient: a mixture of three, 90 days"
    assert file.serial == "BENCH-0001"
    assert file.calibration.stroke == Volume.of(250, "nL")
    assert read.patient.indication is Indication.CANCER_PAIN
    assert read.mixture.drugs == ("morphine", "bupivacaine", "clonidine")
    assert read.mixture.beyond_use == date(2026, 5, 31)
    assert isinstance(read.program.base, DaySchedule)
    assert read.program.base.plans[0].total == Mass.parse("1.4 mg")
    assert read.program.patient_bolus is not None
    assert read.program.patient_bolus.lockout == Duration.of(3, "h")
    assert read.program.fail_safe is not None
    assert read.program.fail_safe.responses[FaultClass.OVER_DELIVERY] is Response.STOP
    assert read.previous is not None
    assert read.previous.gap == Duration.zero()
    assert read.fill is not None
    assert read.fill.on == date(2026, 3, 2)
    assert read.first_fill is False
    assert read.catheter is not None
    assert read.catheter.volume == Volume.parse("0.136 mL")


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda p: str(p.name))
def test_examples_are_read(path: Path) -> None:
    assert read_order(path, drugs=drugs, pumps=pumps).patient.reference.startswith("EXAMPLE-")


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda p: str(p.name))
def test_examples_follow_the_rules_for_text(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(r"µ|μ|\bug\b|\bcc\b|\bQD\b", text)


def test_first_patient_keeps_within_the_consensus_of_the_formulary() -> None:
    read = read_order(EXAMPLES / "first-patient.toml", drugs=drugs, pumps=pumps)
    bolus = read.program.patient_bolus
    assert bolus is not None and isinstance(read.program.base, DaySchedule)
    most = read.program.base.plans[0].total + bolus.most_in_24h
    for drug, limit in {"morphine": "15 mg", "bupivacaine": "15 mg", "clonidine": "600 mcg"}.items():
        assert read.mixture.follow(drug, most) < Mass.parse(limit)
    assert read.mixture.concentration("morphine") <= Concentration.parse("20 mg/mL")


# The vocabulary -----------------------------------------------------------------------------------------------------


def test_an_order_with_little_leaves_facts_open() -> None:
    read = order(CONTINUOUS).order
    assert read.patient.opioid_naive is None
    assert read.patient.sedatives is None
    assert read.catheter is None
    assert read.fill is None
    assert read.previous is None
    assert read.first_fill is None
    assert read.program.ceilings == ()
    assert read.program.fail_safe is None
    assert read.program.base == Continuous(DoseRate.parse("1.2 mg/day"))


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ('base = "stopped"', Stopped()),
        ('base = "minimum rate"', MinimumRate()),
        ('base = "continuous"\ndose = "0 mg/day"', Continuous(DoseRate.zero())),
    ],
)
def test_plain_bases(text: str, base: object) -> None:
    assert order("[program]\n" + text).order.program.base == base


def test_repeated_doses() -> None:
    text = (
        '[program]\nbase = "repeated doses"\n[program.repeated]\ndose = "0.1 mg"\nduration = "5 min"\nevery = "2 h"\n'
    )
    base = order(text + 'background = "0 mg/h"').order.program.base
    assert base == RepeatedDoses(Mass.parse("0.1 mg"), Duration.of(5, "min"), Duration.of(2, "h"), DoseRate.zero())
    assert the_problem(text).field == "program.repeated.background"
    assert "divides the day" in the_problem(text.replace("2 h", "7 h") + 'background = "0 mg/h"').allowed
    assert the_problem('[program]\nbase = "repeated doses"').trouble is Trouble.MISSING_FIELD


def test_every_optional_part_of_a_program() -> None:
    read = order(
        CONTINUOUS
        + """
low_level = "3 mL"
priming = { volume = "0.3 mL" }
bridge = { volume = "0.3 mL", dose = "1 mg/day", bolus_in_old_drug = "0.05 mg" }
reasons = { "dose-high morphine" = "tolerant" }
[[program.single_bolus]]
dose = "0.2 mg"
duration = "10 min"
[[program.ceilings]]
drug = "morphine"
per_1h = "0.3 mg"
per_24h = "2 mg"
[program.fail_safe]
motor = "stop"
[previous]
mixture = { ingredients = [{ drug = "baclofen", concentration = "500 mcg/mL" }] }
program = { base = "stopped" }
"""
    ).order
    program = read.program
    assert program.low_level == Volume.of(3, "mL")
    assert program.priming is not None and program.priming.volume == Volume.parse("0.3 mL")
    assert program.bridge is not None and program.bridge.bolus_in_old_drug == Mass.parse("0.05 mg")
    assert program.reasons == {"dose-high morphine": "tolerant"}
    assert program.single_boluses[0].dose == Mass.parse("0.2 mg")
    assert program.ceiling("morphine") is not None
    assert program.fail_safe is not None and program.fail_safe.responses == {FaultClass.MOTOR: Response.STOP}
    assert read.previous is not None and read.previous.mixture.drugs == ("baclofen",)


def test_full_names_of_days_and_seconds_in_steps() -> None:
    text = '[program]\nbase = "day schedule"\n[[program.days]]\nweekdays = ["Monday", "Tue"]\n'
    text += 'steps = [{ from = "00:00", dose = "0.1 mg/h" }, { from = "06:00:30", dose = "0 mg/h" }]\n'
    text += '[[program.days]]\nweekdays = ["Wed", "Thu", "Fri", "Sat", "Sun"]\n'
    text += 'steps = [{ from = "00:00", dose = "0 mg/h" }]'
    base = order(text).order.program.base
    assert isinstance(base, DaySchedule)
    assert base.plan(0).steps[1].start_s == 6 * 3600 + 30
    assert base.plan(1) is base.plan(0)
    assert base.plan(6).total == Mass.zero()


def test_measured_constants_reach_the_pump() -> None:
    head = HEAD.replace(
        '"bench-20"', '"bench-20"\ncalibration = { stroke = "248 nL", tubing = "0 mL", flow_factor = 1.02 }'
    )
    seen: list[Measured] = []

    def noting(name: str, measured: Measured) -> Envelope:
        seen.append(measured)
        return family(name).envelope()

    parse_order(head + CONTINUOUS, "order.toml", drugs=drugs, pumps=noting)
    assert seen == [Measured(Volume.of(248, "nL"), Volume.zero(), None, Fraction(102, 100))]
    assert order(CONTINUOUS, head.replace(", flow_factor = 1.02", "")).order.pump.stroke == Volume.of(248, "nL")


def test_constant_flow_pump_takes_its_flow_from_the_file() -> None:
    head = HEAD.replace('"bench-20"', '"constant-flow-30"\ncalibration = { fixed_flow = "0.5 mL/day" }')
    assert order(CONTINUOUS, head).order.pump.fixed_flow == Flow.parse("0.5 mL/day")


def test_a_note_and_scenario_tables_are_passed_over() -> None:
    head = 'note = "for the pharmacist"\n' + HEAD
    assert order(CONTINUOUS + "[run]\nanything = 1\n[[events]]\n[[faults]]\n[[pressers]]\n", head).order


# Refusals of single fields ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "trouble", "field"),
    [
        ("[program]\nbase = 3", Trouble.WRONG_TYPE, "program.base"),
        ("[program]", Trouble.MISSING_FIELD, "program.base"),
        ('[program]\nbase = "quite different"', Trouble.UNKNOWN_WORD, "program.base"),
        ("program = 3", Trouble.UNKNOWN_FIELD, "mixture.program"),
        (CONTINUOUS + "dose_ = 1", Trouble.UNKNOWN_FIELD, "program.dose_"),
        (CONTINUOUS + 'low_level = ""', Trouble.BAD_AMOUNT, "program.low_level"),
        (CONTINUOUS + 'low_level = "0 mL"', Trouble.OUT_OF_RANGE, "program.low_level"),
        (CONTINUOUS + 'reasons = { a = " " }', Trouble.OUT_OF_RANGE, "program.reasons.a"),
        (CONTINUOUS + 'keep = ["ceilings"]', Trouble.UNKNOWN_FIELD, "program.keep"),
        (CONTINUOUS + 'single_bolus = ["a"]', Trouble.WRONG_TYPE, "program.single_bolus[0]"),
        (CONTINUOUS + "priming = {}", Trouble.MISSING_FIELD, "program.priming.volume"),
        (CONTINUOUS + 'priming = { volume = "0.3 mL", dose = 1 }', Trouble.UNKNOWN_FIELD, "program.priming.dose"),
        (CONTINUOUS + 'fill = { volume = "18 mL" }', Trouble.UNKNOWN_FIELD, "program.fill"),
        (CONTINUOUS + '[fill]\nvolume = "18 mL"\non = 2026-03-02T10:00:00', Trouble.BAD_DATE, "fill.on"),
        (CONTINUOUS + '[fill]\nvolume = "18 mL"\non = 20260302', Trouble.WRONG_TYPE, "fill.on"),
        (CONTINUOUS + '[fill]\nvolume = "18 mL"\non = "20260302"', Trouble.BAD_DATE, "fill.on"),
        (CONTINUOUS + '[fill]\nvolume = "18 mL"\non = 2026-02-30T25:00:00', Trouble.BAD_DATE, "fill.on"),
        (CONTINUOUS + "[fill]\nvolume = true", Trouble.WRONG_TYPE, "fill.volume"),
        (CONTINUOUS + "[fill]\nvolume = 10:00:00", Trouble.WRONG_TYPE, "fill.volume"),
        (CONTINUOUS + "[fill]\nvolume = {}", Trouble.WRONG_TYPE, "fill.volume"),
        (CONTINUOUS + "[fill]\nvolume = []", Trouble.WRONG_TYPE, "fill.volume"),
        (CONTINUOUS + "[previous]\ngap = '0 h'", Trouble.MISSING_FIELD, "previous.mixture"),
        (CONTINUOUS + "first_fill = true", Trouble.UNKNOWN_FIELD, "program.first_fill"),
        (
            CONTINUOUS + '[program.fail_safe]\nmotor = "fallback"',
            Trouble.MISSING_FIELD,
            "program.fail_safe.fallback_dose",
        ),
        (CONTINUOUS + '[program.fail_safe]\nmotor = "slower"', Trouble.UNKNOWN_WORD, "program.fail_safe.motor"),
        (
            CONTINUOUS
            + '[program.patient_bolus]\ndose = "0.1 mg"\nduration = "5 min"\nlockout = "1 h"\nmost_per_24h = 0',
            Trouble.OUT_OF_RANGE,
            "program.patient_bolus.most_per_24h",
        ),
        (
            CONTINUOUS
            + '[program.patient_bolus]\ndose = "0.1 mg"\nduration = "5 min"\nlockout = "1 h"\nmost_per_24h = 1.5',
            Trouble.WRONG_TYPE,
            "program.patient_bolus.most_per_24h",
        ),
        (
            CONTINUOUS + '[program.patient_bolus]\ndose = "0.1 mg"\nduration = "5 min"\nlockout = "1 h"',
            Trouble.MISSING_FIELD,
            "program.patient_bolus.most_per_24h",
        ),
        (
            CONTINUOUS + '[[program.ceilings]]\ndrug = "baclofen"\nper_1h = "1 mg"\nper_24h = "2 mg"',
            Trouble.UNKNOWN_DRUG,
            "program.ceilings[0].drug",
        ),
        (
            CONTINUOUS + '[[program.ceilings]]\ndrug = "morphine"\nper_1h = "3 mg"\nper_24h = "2 mg"',
            Trouble.OUT_OF_RANGE,
            "program.ceilings[0].per_1h",
        ),
        (
            CONTINUOUS + '[[program.ceilings]]\nper_1h = "1 mg"\nper_24h = "2 mg"',
            Trouble.MISSING_FIELD,
            "program.ceilings[0].drug",
        ),
    ],
)
@pytest.mark.requirement("AP-09")
def test_wrong_fields(text: str, trouble: Trouble, field: str) -> None:
    found = problems(text)
    assert (trouble, field) in [(p.trouble, p.field) for p in found], [str(p) for p in found]


@pytest.mark.parametrize(
    ("days", "trouble", "field"),
    [
        ("days = []", Trouble.OUT_OF_RANGE, "program.days"),
        ("", Trouble.MISSING_FIELD, "program.days"),
        ("days = [{ steps = [] }]", Trouble.MISSING_FIELD, "program.days[0].weekdays"),
        ('days = [{ weekdays = "every day" }]', Trouble.MISSING_FIELD, "program.days[0].steps"),
        ('days = [{ weekdays = "sometimes" }]', Trouble.UNKNOWN_WORD, "program.days[0].weekdays"),
        ('days = [{ weekdays = ["Mo"] }]', Trouble.UNKNOWN_WORD, "program.days[0].weekdays"),
        ('days = [{ weekdays = ["Mon", "Mon"] }]', Trouble.WRONG_TYPE, "program.days[0].weekdays"),
        ("days = [{ weekdays = 3 }]", Trouble.WRONG_TYPE, "program.days[0].weekdays"),
        ('days = [{ weekdays = "every day", hours = 3 }]', Trouble.UNKNOWN_FIELD, "program.days[0].hours"),
        ('steps = []\ndays = [{ weekdays = "every day" }]', Trouble.MISPLACED_FIELD, "program.days"),
        ('steps = [{ from = "00:00", dose = "0.1 mg/h", at = 1 }]', Trouble.UNKNOWN_FIELD, "program.steps[0].at"),
        ('steps = [{ from = "6:00", dose = "0.1 mg/h" }]', Trouble.BAD_TIME, "program.steps[0].from"),
        ('steps = [{ from = "24:00", dose = "0.1 mg/h" }]', Trouble.BAD_TIME, "program.steps[0].from"),
        ('steps = [{ from = "00:60", dose = "0.1 mg/h" }]', Trouble.BAD_TIME, "program.steps[0].from"),
        ("steps = [{ from = 06:00:00, dose = '0.1 mg/h' }]", Trouble.WRONG_TYPE, "program.steps[0].from"),
        ('steps = [{ from = "00:00", to = "23:00", dose = "0.1 mg/h" }]', Trouble.GAP, "program.steps[0].to"),
        (
            'steps = [{ from = "00:00", dose = "0.1 mg/h" }, { from = "00:00", dose = "0.1 mg/h" }]',
            Trouble.OVERLAP,
            "program.steps[1].from",
        ),
    ],
)
def test_wrong_days(days: str, trouble: Trouble, field: str) -> None:
    found = problems('[program]\nbase = "day schedule"\n' + days)
    assert (trouble, field) in [(p.trouble, p.field) for p in found], [str(p) for p in found]


@pytest.mark.parametrize(
    ("line", "trouble", "field"),
    [
        ("", Trouble.MISSING_FIELD, "patient.reference"),
        ('reference = ""', Trouble.OUT_OF_RANGE, "patient.reference"),
        ('reference = "T"\nindication = "pain"', Trouble.UNKNOWN_WORD, "patient.indication"),
        ('reference = "T"\nage_years = 131', Trouble.OUT_OF_RANGE, "patient.age_years"),
        ('reference = "T"\nage_years = true', Trouble.WRONG_TYPE, "patient.age_years"),
        ('reference = "T"\nsedatives = "none"', Trouble.WRONG_TYPE, "patient.sedatives"),
        ('reference = "T"\nsedatives = [1]', Trouble.WRONG_TYPE, "patient.sedatives"),
    ],
)
def test_wrong_patients(line: str, trouble: Trouble, field: str) -> None:
    problem = the_problem(CONTINUOUS, HEAD.replace('reference = "T-1"', line))
    assert (problem.trouble, problem.field) == (trouble, field)


@pytest.mark.parametrize(
    ("line", "trouble", "field"),
    [
        ('calibration = { stroke = "0 nL" }', Trouble.OUT_OF_RANGE, "pump.calibration.stroke"),
        ("calibration = { flow_factor = 0 }", Trouble.OUT_OF_RANGE, "pump.calibration.flow_factor"),
        ("calibration = { flow_factor = nan }", Trouble.OUT_OF_RANGE, "pump.calibration.flow_factor"),
        ("calibration = { flow_factor = true }", Trouble.WRONG_TYPE, "pump.calibration.flow_factor"),
        ("calibration = { stroke_volume = 1 }", Trouble.UNKNOWN_FIELD, "pump.calibration.stroke_volume"),
    ],
)
def test_wrong_calibrations(line: str, trouble: Trouble, field: str) -> None:
    problem = the_problem(CONTINUOUS, HEAD.replace('family = "bench-20"', f'family = "bench-20"\n{line}'))
    assert (problem.trouble, problem.field) == (trouble, field)


@pytest.mark.requirement("P8", "UM-55")
def test_every_missing_table_is_named() -> None:
    assert [p.field for p in problems("", "")] == ["patient", "pump", "mixture", "program"]
    assert {p.trouble for p in problems("", "")} == {Trouble.MISSING_FIELD}


def test_lookups_without_suggestions_say_what_there_is() -> None:
    class KnownError(KeyError):
        known = ("p-1", "p-2")

    def no_drug(_: str) -> str:
        raise KeyError("x")

    def no_pump(_: str, __: Measured) -> Envelope:
        raise KnownError("x")

    with pytest.raises(FileRefused) as refused:
        parse_order(HEAD + CONTINUOUS, "o", drugs=no_drug, pumps=no_pump)
    said = str(refused.value)
    assert "allowed: p-1, p-2" in said
    assert "write the code of a drug in the formulary" in said


def test_two_unknown_drugs_of_the_same_name_are_unknown_and_not_twice() -> None:
    head = HEAD.replace('"clonidine"', '"xyz"').replace('"morphine"', '"xyz"')
    assert [p.trouble for p in problems(CONTINUOUS, head)] == [Trouble.UNKNOWN_DRUG, Trouble.UNKNOWN_DRUG]


def test_no_more_than_a_hundred_problems_are_listed() -> None:
    assert len(problems(CONTINUOUS + "".join(f"x{n} = 1\n" for n in range(500)))) == 100
    assert len(problems(CONTINUOUS + "".join("x = 1\n" for _ in range(500)))) == 100


# Files ----------------------------------------------------------------------------------------------------------------


def refused_file(path: Path) -> Problem:
    with pytest.raises(FileRefused) as refused:
        read_order(path, drugs=drugs, pumps=pumps)
    return refused.value.problems[0]


def test_files_that_are_none(tmp_path: Path) -> None:
    assert refused_file(tmp_path / "missing.toml").trouble is Trouble.MISSING_FILE
    assert refused_file(tmp_path).trouble is Trouble.NOT_A_FILE
    assert refused_file(Path(os.devnull)).trouble is Trouble.NOT_A_FILE
    assert refused_file(tmp_path / ("x" * 5000)).trouble is Trouble.UNREADABLE


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.toml"
    path.write_text(HEAD + CONTINUOUS)

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    problem = refused_file(path)
    assert (problem.trouble, problem.found) == (Trouble.UNREADABLE, "Permission denied")


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "large.toml"
    path.write_bytes(b"# " + b"x" * 1024 * 1024)
    assert refused_file(path).trouble is Trouble.TOO_LARGE


def test_a_byte_order_mark_and_windows_lines_are_read() -> None:
    text = "\ufeff" + (HEAD + CONTINUOUS).replace("\n", "\r\n")
    assert parse_order(text.encode(), "o", drugs=drugs, pumps=pumps).order


# Problems -------------------------------------------------------------------------------------------------------------


def test_a_problem_as_text_and_as_json() -> None:
    problem = the_problem(CONTINUOUS.replace("1.2 mg", ".5 mg"))
    assert str(problem).startswith("order.toml:10:8: program.dose: ")
    assert problem.place == Place(10, 8)
    said = json.loads(json.dumps(problem.as_json()))
    assert said == {
        "code": "bad-amount",
        "path": "order.toml",
        "line": 10,
        "column": 8,
        "field": "program.dose",
        "found": '".5 mg/day": no zero before the decimal point',
        "allowed": "write 0.5 mg/day",
    }
    bare = Problem(Trouble.MISSING_FILE, "x.toml", "", "no such file", "check the path")
    assert str(bare) == "x.toml: no such file; check the path"
    assert bare.as_json()["line"] is None


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda p: str(p.name))
def test_the_review_stops_the_wrong_example_and_no_other(path: Path) -> None:
    found = review(read_order(path, drugs=drugs, pumps=pumps), FORMULARY)
    assert found.stops == (path.name == "hourly-instead-of-daily.toml")
    assert found.unused_reasons == ()
    assert bool(found.hard) == found.stops
