"""Pump families: what the sources say, what is marked as read in none, and what a calibration may replace."""

from __future__ import annotations

from fractions import Fraction
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thecal.pump.families import (
    Calibration,
    CalibrationError,
    Family,
    FamilyFileError,
    HardwareConstants,
    InField,
    Kind,
    PatientControl,
    UnknownCatheter,
    UnknownFamily,
    family,
    load_families,
)
from thecal.pump.families.reading import REQUIRED, read_families
from thecal.quantities import AmountError, Duration, Flow, Length, LinearVolume, Volume
from thecal.therapy.envelope import Can, Envelope

if TYPE_CHECKING:
    from collections.abc import Iterator

CODES = ("bench-20", "constant-flow-30", "peristaltic-20", "peristaltic-40", "valve-20", "valve-40")
HALF = Calibration(fixed_flow=Flow.parse("0.5 mL/day"))


def envelope(code: str) -> Envelope:
    found = family(code)
    return found.envelope(HALF if found.fixed_flow else None)


def hardware(code: str, calibration: Calibration | None = None) -> HardwareConstants:
    found = family(code).hardware_constants(calibration)
    assert found is not None
    return found


def constants(found: Family) -> Iterator[tuple[str, object, str, bool]]:
    """Everything in a family that carries a source: name, value, source, verified."""
    parts = [*found.constants.values(), *(c for model in found.catheters for c in model.constants.values())]
    for c in parts:
        yield c.name, c.value, c.source, c.verified
        yield from ((c.name, was.value, was.source, was.verified) for was in c.history)
    yield from (("can", a.what, a.source, a.verified) for a in found.abilities)
    yield from ((f.topic, f.text, f.source, f.verified) for f in found.facts)


def test_the_families_that_ship() -> None:
    assert tuple(load_families()) == CODES
    assert load_families() is load_families()
    assert all(family(code).code == code for code in CODES)


@pytest.mark.parametrize("code", CODES)
def test_every_constant_has_a_source_and_is_the_field_of_that_name(code: str) -> None:
    found = family(code)
    for constant in found.constants.values():
        assert constant.source
        assert getattr(found, constant.name) == constant.value or constant.value is None
    for name in REQUIRED:
        assert found.constants[name].value is not None


@pytest.mark.parametrize("code", CODES)
def test_what_was_not_read_is_not_verified(code: str) -> None:
    for name, value, source, verified in constants(family(code)):
        doubtful = ("general knowledge", "no source", "not found", "chosen")
        if value is None or (source.startswith(doubtful) and "(" not in name):
            assert not verified, f"{name}: {source}"


def test_nothing_of_the_bench_family_is_verified() -> None:
    bench = family("bench-20")
    assert not any(verified for _, _, _, verified in constants(bench))
    stated = set(Envelope.__dataclass_fields__) & (set(bench.constants) | {"can"})
    assert bench.envelope().unverified == stated > {"reservoir", "tubing", "stroke", "steps_per_day"}
    assert bench.can == frozenset(Can)
    assert bench.envelope().stroke == Volume.of(250, "nL")
    assert bench.envelope().steps_per_day == 48


@pytest.mark.parametrize("size", [20, 40])
def test_the_peristaltic_pump_as_sourced(size: int) -> None:
    found = envelope(f"peristaltic-{size}")
    assert found.reservoir == Volume.of(size, "mL")
    assert found.flow_min == Flow.parse("0.048 mL/day")
    assert found.low_level == Volume.of(2, "mL")
    assert found.steps_per_day == 13
    assert found.approved == {"morphine", "ziconotide", "baclofen"}
    assert found.can == frozenset(Can) - {Can.ZERO_RATE}
    assert found.unverified == {"flow_max", "minimum_rate", "stroke", "youngest_years"}
    assert found.youngest_years == ()
    pump = family(f"peristaltic-{size}")
    assert pump.kind is Kind.PERISTALTIC
    assert pump.accuracy == Fraction(145, 1000)
    assert pump.service_life == Duration.of(7 * 365, "days")
    assert pump.eri_to_eos == Duration.of(90, "days")
    assert pump.in_field is InField.STOPS_AND_RESUMES
    assert pump.level_is_measured is False


@pytest.mark.requirement("IT-02")
def test_the_tubing_correction_is_kept() -> None:
    """Worked example WE-11: 0.199 mL became 0.14 mL, 0.059 mL or 29.65 % less."""
    tubing = family("peristaltic-20").constants["tubing"]
    (was,) = tubing.history
    assert (tubing.value, was.value) == (Volume.parse("0.14 mL"), Volume.parse("0.199 mL"))
    assert was.verified
    assert was.until
    assert was.value - family("peristaltic-20").tubing == Volume.parse("0.059 mL")  # type: ignore[operator]


@pytest.mark.requirement("IT-14")
def test_alarms_as_classified() -> None:
    """Worked example WE-23."""
    pump = family("peristaltic-20")
    assert set(pump.critical.events) == {
        "empty reservoir",
        "end of service",
        "motor stall",
        "stopped over 48 h",
        "critical memory error",
    }
    assert set(pump.advisory.events) == {"low reservoir", "replacement date reached", "non-critical memory error"}
    assert (pump.critical.sound, pump.critical.lasts) == ("two-tone", Duration.of(3, "s"))
    assert (pump.advisory.lasts, pump.advisory.every) == (Duration.of(1, "s"), Duration.of(1, "h"))
    assert pump.alarm_when_stopped_for == Duration.of(48, "h")
    assert not pump.constants["critical_every"].verified
    assert family("valve-20").critical.sound is None


@pytest.mark.parametrize("size", [20, 40])
def test_the_valve_pump_as_sourced(size: int) -> None:
    pump = family(f"valve-{size}")
    found = pump.envelope()
    assert found.reservoir == Volume.of(size, "mL")
    assert found.low_level == Volume.of(3, "mL")
    assert found.approved == {"morphine", "baclofen"}
    assert found.minimum_rate is None
    assert {"flow_min", "flow_max", "stroke", "tubing", "steps_per_day", "can"} == found.unverified
    assert found.youngest_years == (("baclofen", 12), ("morphine", 22))
    assert found.no_patient_bolus_of == {"baclofen"}
    assert set(pump.patient_control) == set(PatientControl)
    assert pump.in_field is InField.STAYS_SHUT
    assert pump.empty_before_field is True
    assert pump.leak_in_field == Volume.of(10, "mcL")
    assert pump.hyperbaric_allowed is False
    assert len(pump.about("MRI")) == 3
    assert pump.about("nothing") == ()


def test_the_constant_flow_pump_can_do_nothing_but_flow() -> None:
    pump = family("constant-flow-30")
    assert pump.can == frozenset()
    assert [f.exact_text("mL/day") for f in pump.fixed_flow] == [
        "0.3 mL/day",
        "0.5 mL/day",
        "1 mL/day",
        "1.5 mL/day",
        "2 mL/day",
        "2.5 mL/day",
    ]
    assert pump.hardware_constants(HALF) is None
    found = pump.envelope(HALF)
    assert found.fixed_flow == found.flow_min == found.flow_max == Flow.parse("0.5 mL/day")
    assert found.stroke is None
    assert found.unverified == {"reservoir", "tubing", "approved", "youngest_years"}


def test_a_constant_flow_pump_is_one_model_and_may_be_measured() -> None:
    pump = family("constant-flow-30")
    measured = Calibration(fixed_flow=Flow.parse("0.5 mL/day"), flow_factor=Fraction(102, 100))
    assert pump.envelope(measured).fixed_flow == Flow.parse("0.51 mL/day")
    with pytest.raises(CalibrationError, match=r"found nothing; state one of 0.3 mL/day, .*2.5 mL/day"):
        pump.envelope()
    with pytest.raises(CalibrationError, match=r"found 0.7 mL/day"):
        pump.hardware_constants(Calibration(fixed_flow=Flow.parse("0.7 mL/day")))
    with pytest.raises(CalibrationError, match="no strokes"):
        pump.envelope(Calibration(fixed_flow=Flow.parse("0.5 mL/day"), stroke=Volume.of(250, "nL")))


@pytest.mark.parametrize("measured", [HALF, Calibration(flow_factor=Fraction(1))])
def test_only_a_constant_flow_pump_has_a_fixed_flow(measured: Calibration) -> None:
    with pytest.raises(CalibrationError, match="state the measured stroke"):
        family("bench-20").envelope(measured)


# --- catheters --------------------------------------------------------------------------------------------------


def test_the_valve_catheter_as_sourced() -> None:
    """Worked example WE-09: 110 cm of 0.0026 mL/cm hold 0.286 mL; trimming less than 0 or all of it is refused."""
    model = family("valve-20").catheter("110 cm")
    assert model.verified
    assert model.implanted(Length.of(0, "cm")).volume == Volume.parse("0.286 mL")
    assert model.implanted(Length.of(10, "cm"), "T10").volume == Volume.parse("0.26 mL")
    assert model.implanted(Length.of(10, "cm"), "T10").tip_level == "T10"
    for removed in (-1, 110, 111):
        with pytest.raises(ValueError, match="removed"):
            model.implanted(Length.of(removed, "cm"))


def test_the_peristaltic_catheters_are_marked() -> None:
    found = {c.model: c for c in family("peristaltic-40").catheters}
    assert {m: c.supplied for m, c in found.items()} == {
        "8709SC": Length.of(89, "cm"),
        "8731": Length.of(104, "cm"),
        "8780": Length.of(114, "cm"),
        "8781": Length.of(140, "cm"),
    }
    assert {c.volume_per_length for c in found.values()} == {LinearVolume.parse("0.0022 mL/cm")}
    assert not any(c.verified for c in found.values())
    assert found["8709SC"].constants["supplied"].verified


def test_an_unknown_catheter_names_the_known_ones() -> None:
    with pytest.raises(UnknownCatheter) as refused:
        family("peristaltic-20").catheter("8782")
    assert str(refused.value) == ("catheter '8782' is not known for peristaltic-20; allowed: 8709SC, 8731, 8780, 8781")
    with pytest.raises(UnknownCatheter, match="state its length"):
        family("constant-flow-30").catheter("8782")


# --- calibration and the controller's integers -------------------------------------------------------------------


@given(st.integers(1, 10**7), st.integers(0, 10**7))
@pytest.mark.requirement("FD-3.5")
def test_a_calibration_replaces_the_constant_and_clears_its_mark(stroke_nl: int, tubing_nl: int) -> None:
    measured = Calibration(stroke=Volume.of(stroke_nl, "nL"), tubing=Volume.of(tubing_nl, "nL"))
    for code in ("bench-20", "peristaltic-20", "valve-40"):
        before, after = family(code).envelope(), family(code).envelope(measured)
        assert (after.stroke, after.tubing) == (measured.stroke, measured.tubing)
        assert after.unverified == before.unverified - {"stroke", "tubing"}
        assert (hardware(code, measured).stroke_nl, hardware(code, measured).tubing_nl) == (stroke_nl, tubing_nl)


def test_a_calibration_is_read_exactly() -> None:
    texts = {"stroke": "0.248 mcL", "tubing": "0.14 mL", "flow_factor": "1.02", "fixed_flow": "0.5 mL/day"}
    assert Calibration.parse(texts) == Calibration(
        Volume.of(248, "nL"), Volume.of(140_000, "nL"), Flow.parse("0.5 mL/day"), Fraction(51, 50)
    )
    assert Calibration.parse({}) == Calibration()


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ({"stroke": "0.5 nL"}, "whole number of nL, 1 or more"),
        ({"stroke": "0 nL"}, "whole number of nL, 1 or more"),
        ({"tubing": "0.1400005 mL"}, "whole number of nL, 0 or more"),
        ({"flow_factor": "0"}, "more than 0"),
        ({"strok": "250 nL"}, "allowed are stroke, tubing, fixed_flow, flow_factor"),
    ],
)
@pytest.mark.requirement("FD-3.5")
def test_calibrations_that_cannot_be(texts: dict[str, str], words: str) -> None:
    with pytest.raises(CalibrationError, match=words):
        Calibration.parse(texts)


def test_a_calibration_with_a_bad_amount_says_what_to_write() -> None:
    with pytest.raises(AmountError, match=r"write 0\.5 mcL"):
        Calibration.parse({"stroke": ".5 mcL"})


def test_the_controllers_integers() -> None:
    assert hardware("peristaltic-20") == HardwareConstants(
        stroke_nl=250,
        reservoir_nl=20_000_000,
        residual_nl=1_400_000,
        tubing_nl=140_000,
        low_level_nl=2_000_000,
        max_rate_pl_per_h=1_000_000_000,
        min_rate_pl_per_h=2_000_000,
        minimum_rate_pl_per_h=250_000,
        prime_rate_pl_per_h=1_000_000_000,
        replace_soon_s=(2555 - 90) * 86_400,
        end_of_service_s=2555 * 86_400,
    )


@pytest.mark.parametrize("code", [c for c in CODES if c != "constant-flow-30"])
@pytest.mark.requirement("OP-5.1.2")
def test_integers_never_promise_more_than_the_family(code: str) -> None:
    found, pump = hardware(code), family(code)
    assert found.max_rate_pl_per_h <= pump.flow_max.number("nL/h") * 1000 < found.max_rate_pl_per_h + 1
    assert found.min_rate_pl_per_h - 1 < pump.flow_min.number("nL/h") * 1000 <= found.min_rate_pl_per_h
    assert found.minimum_rate_pl_per_h <= found.min_rate_pl_per_h or not pump.flow_min
    assert found.prime_rate_pl_per_h <= found.max_rate_pl_per_h
    assert 0 <= found.residual_nl <= found.low_level_nl < found.reservoir_nl
    assert 0 < found.replace_soon_s < found.end_of_service_s


# --- names and files --------------------------------------------------------------------------------------------


def test_an_unknown_family_names_those_like_it() -> None:
    with pytest.raises(UnknownFamily) as refused:
        family("Peristaltic20")
    assert refused.value.near == ("peristaltic-20", "peristaltic-40")
    assert str(refused.value) == (
        "pump family 'Peristaltic20' is not known; did you mean peristaltic-20 or peristaltic-40?"
    )


def test_a_family_like_nothing_lists_all() -> None:
    with pytest.raises(UnknownFamily, match="allowed: bench-20, constant-flow-30"):
        family("xyz")


def bench(old: str = "", new: str = "") -> str:
    text = files("thecal.pump.families").joinpath("bench.toml").read_text("utf-8")
    assert old in text
    return text.replace(old, new, 1)


def test_a_file_is_read_as_it_stands() -> None:
    (found,) = read_families(bench(), "bench.toml")
    assert found == family("bench-20")


@pytest.mark.parametrize(
    ("old", "new", "field", "words"),
    [
        ('kind = "bench"', "kind = ", "", "not TOML"),
        ('kind = "bench"', 'kind = "piston"', "kind", "'peristaltic', 'valve'"),
        ('kind = "bench"', "", "kind", "found nothing"),
        ("[constants.stroke]", "[constants.strok]", "constants.strok", "not permitted"),
        ('value = "250 nL"', 'value = "250nL"', "constants.stroke.value", "write 250 nL"),
        ('value = "250 nL"', 'value = "250 mg"', "constants.stroke.value", "not a unit of volume"),
        ('value = "250 nL"', "value = 250", "constants.stroke.value", "in quotes"),
        ('value = "0.05"', "value = 0.05", "constants.accuracy.value", "valid string"),
        ('value = "0.05"', 'value = ".05"', "constants.accuracy.value", "write 0.05"),
        ("value = 48", "value = 48.5", "constants.steps_per_day.value", "valid integer"),
        ("value = 48", "value = 0", "constants.steps_per_day.value", "greater than or equal to 1"),
        ("verified = false", 'verified = "no"', "constants.flow_min.verified", "valid boolean"),
        ('source = "chosen for the bench"', 'source = ""', "constants.flow_min.source", "at least 1"),
        ('"stop", ', '"fly", ', "can.0.what.0", "'stop'"),
        ("[families.bench-20]", "[families.Bench-20]", "families.Bench-20.[key]", "match pattern"),
        ('supplied = { value = "100 cm", ', "supplied = { ", "catheters.0.supplied.value", "found nothing"),
        ("[constants.tubing]\nvalue", "[constants.tubing]\nwas", "constants.tubing.was", "not permitted"),
        ('value = "0.15 mL"\n', "", "families.bench-20.constants.tubing", "every family has one"),
        (
            '[constants.prime_rate]\nvalue = "21.6 mL/day"\nsource = "chosen for the bench: one stroke a second"\n'
            "verified = false",
            '[constants.prime_rate]\nsource = "none"\nverified = true',
            "constants.prime_rate",
            "without a value is not verified",
        ),
        (
            "[families.bench-20.constants.reservoir]",
            "[families.bench-20.constants.residual]",
            "families.bench-20.constants.residual",
            "state it once",
        ),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_field(old: str, new: str, field: str, words: str) -> None:
    with pytest.raises(FamilyFileError) as refused:
        read_families(bench(old, new), "bench.toml")
    assert refused.value.file == "bench.toml"
    assert refused.value.field == field
    assert words in refused.value.problem
    assert str(refused.value).startswith("bench.toml: ")


def test_a_family_without_a_required_constant_is_refused() -> None:
    text = bench("[families.bench-20.constants.reservoir]", "[families.bench-20.constants.deepest]")
    with pytest.raises(FamilyFileError, match=r"constants.deepest.value.*not a unit of length"):
        read_families(text, "bench.toml")
    with pytest.raises(FamilyFileError, match=r"constants.reservoir: found nothing"):
        read_families(text.replace('value = "20 mL"', 'value = "2 cm"'), "bench.toml")


def test_constants_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        family("bench-20").constants["stroke"] = family("bench-20").constants["tubing"]  # type: ignore[index]
    with pytest.raises(TypeError):
        load_families()["bench-20"] = family("valve-20")  # type: ignore[index]
