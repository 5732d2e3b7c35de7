"""Catheter and tubing volumes, priming, the cautions that go with them."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from tests.therapy_builders import ml, refused

from thecal.quantities import Length, LinearVolume
from thecal.therapy.line import (
    BRIDGE_CAUTIONS,
    PI,
    PRIME_CAUTIONS,
    Caution,
    Implanted,
    Prime,
    TubingCorrection,
    bore_volume,
    dead_volume,
    implanted_catheter,
    prime,
    tubing_correction,
)
from thecal.therapy.published import published
from thecal.therapy.refusal import Code

PER_CM = LinearVolume.parse("0.0026 mL/cm")


def cm(text: str) -> Length:
    return Length.parse(f"{text} cm")


def test_catheter() -> None:
    assert implanted_catheter(cm("110"), cm("0"), PER_CM) == Implanted(cm("110"), ml("0.286"))
    assert implanted_catheter(cm("110"), cm("37.3"), PER_CM) == Implanted(cm("72.7"), ml("0.18902"))
    assert implanted_catheter(cm("110"), cm("110"), PER_CM) == Implanted(cm("0"), ml("0"))


def test_a_trim_out_of_range_is_refused() -> None:
    over = refused(implanted_catheter(cm("110"), cm("110.1"), PER_CM), Code.TRIM_OUT_OF_RANGE)
    assert over.found == "110.1 cm trimmed off 110 cm"
    assert over.allowed == "0 cm to 110 cm"
    refused(implanted_catheter(cm("110"), -cm("0.1"), PER_CM), Code.TRIM_OUT_OF_RANGE)


def test_bore() -> None:
    found = bore_volume(Length.parse("0.8 mm"), cm("32"))
    assert found.number("mL") == PI * Fraction(16, 10_000) * 32
    assert abs(float(PI) - math.pi) < 1e-15
    assert found.text("mL") == "0.1608 mL"


@pytest.mark.requirement("HZ-1.24", "IT-02")
def test_priming_volume() -> None:
    assert dead_volume(ml("0.14"), ml("0.2")) == ml("0.34")
    new = prime(ml("0.14"), ml("0.2"), pump_primed=False)
    assert new == Prime(ml("0.14"), ml("0.2"), PRIME_CAUTIONS)
    assert new.volume == ml("0.34")
    done = prime(ml("0.14"), ml("0.2"), pump_primed=True)
    assert (done.tubing, done.volume) == (ml("0"), ml("0.2"))


@pytest.mark.requirement("IT-01")
def test_cautions_speak_of_mixing() -> None:
    assert Caution.EARLY_DRUG in PRIME_CAUTIONS
    assert set(BRIDGE_CAUTIONS) == {Caution.PLUG_FLOW, Caution.MIXING}
    assert all(c in PRIME_CAUTIONS for c in BRIDGE_CAUTIONS)


@pytest.mark.requirement("IT-02")
def test_the_corrected_tubing_volume_holds() -> None:
    found = tubing_correction(ml("0.199"), ml("0.14"))
    assert found == TubingCorrection(ml("0.059"), Fraction(59, 199))
    assert published().tubing_of("SynchroMed II").volume == ml("0.14")
