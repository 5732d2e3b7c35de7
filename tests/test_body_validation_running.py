"""Cases run: conservation, linearity, steady states and areas against each other, and what is refused stays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from tests.validation_files import parsed, values, with_measure

from thecal.body.spine.prior import nominal_kinetics, nominal_physiology, person
from thecal.body.transport.untrusted import Doubt, UntrustedError
from thecal.body.validation.cases import Arm, Bolus, Infusion
from thecal.body.validation.evaluating import Runner
from thecal.body.validation.giving import Giving
from thecal.body.validation.observables import UnreadableError
from thecal.body.validation.people import subject

CELLS = 60
DAY = 86400.0
FOR_EVER = {"bolus": [], "infusion": [{"dose": "1 mg/day"}]}
AT_NEEDLE = {"place": "csf", "at": "L3-4"}


def number(measure: dict[str, Any], **case: Any) -> float:
    """The number of a measure of the plain case, on a coarse grid."""
    file = parsed(with_measure(measure, **case))
    wanted = file.case[0].check[0].measure
    assert wanted is not None
    return Runner(file.case[0], file, CELLS).number(wanted)


def value(time: str, **reading: Any) -> dict[str, Any]:
    return {"kind": "value", "time": time, **reading}


def test_the_whole_dose_is_somewhere() -> None:
    parts = ("csf", "tissue", "epidural", "fat", "cranial csf", "brain")
    for time in ("0 h", "1 h", "12 h"):
        inside = sum(number(value(time, dose_in=part)) for part in parts)
        assert inside + number(value(time, dose_in="absorbed")) == pytest.approx(1.0, rel=1e-6)
        assert number(value(time, dose_in="unabsorbed")) == pytest.approx(inside, abs=1e-6)
    assert number(value("60 days", dose_in="absorbed")) == pytest.approx(1.0, rel=1e-3)
    assert 0 < number(value("6 h", dose_in="blood")) < number(value("6 h", dose_in="absorbed"))


def test_a_share_of_what_was_given_by_then() -> None:
    assert number(value("0 h", dose_in="csf"), **FOR_EVER) == 0.0
    assert 0 < number(value("2 h", dose_in="csf"), **FOR_EVER) < 1


def test_a_steady_state_is_where_an_infusion_goes() -> None:
    for reading in (AT_NEEDLE, {"place": "plasma"}, {"place": "tissue", "span": ["T10", "T12"]}):
        long = number(value("400 days", **reading), **FOR_EVER)
        assert number(value("steady", **reading), **FOR_EVER) == pytest.approx(long, rel=1e-5)


def test_a_steady_mean_of_boluses_is_that_of_the_cycle() -> None:
    every = {"bolus": [{"dose": "0.25 mg", "volume": "1 mL", "every": "6 h"}]}
    mean = number({"kind": "mean", "between": ["60 days", "60.25 days"], **AT_NEEDLE}, **every)
    assert number(value("steady", **AT_NEEDLE), **every) == pytest.approx(mean, rel=1e-3)


def test_the_area_for_ever_is_that_of_a_long_time() -> None:
    for reading in (AT_NEEDLE, {"place": "plasma"}, {"place": "cistern"}):
        long = number({"kind": "area", "between": ["0 h", "1000 days"], **reading})
        assert number({"kind": "area", **reading}) == pytest.approx(long, rel=1e-4)
    both = {"infusion": [{"dose": "1 mg/day", "lasting": "6 h"}]}
    assert number({"kind": "area", "place": "plasma"}, **both) == pytest.approx(
        2 * number({"kind": "area", "place": "plasma"}), rel=0.02
    )


def test_clearance_from_plasma_is_what_the_drug_has() -> None:
    k, p = nominal_kinetics("morphine"), nominal_physiology()
    clearance_ml_per_s = k.k10_per_min / 60 * k.v1_ml_per_kg * p.weight_kg
    assert number({"kind": "area", "place": "plasma"}) == pytest.approx(250_000 / clearance_ml_per_s, rel=1e-9)


def test_everything_is_linear_in_the_dose() -> None:
    slope = {"kind": "sensitivity", "to": "dose"}
    readings: tuple[tuple[dict[str, Any], float], ...] = (
        (value("2 h", **AT_NEEDLE), 1.0),
        ({"kind": "peak", "place": "plasma", "between": ["0 h", "24 h"]}, 1.0),
        ({"kind": "peak time", "place": "plasma", "between": ["0 h", "24 h"]}, 0.0),
        ({"kind": "half life", "between": ["4 h", "8 h"], **AT_NEEDLE}, 0.0),
        (value("6 h", dose_in="absorbed"), 0.0),
    )
    for measure, expected in readings:
        assert number(slope | {"of": measure}) == pytest.approx(expected, abs=1e-6)


def test_a_sensitivity_to_a_parameter_a_volume_and_a_duration() -> None:
    by_plasma = {"kind": "sensitivity", "to": "k10_per_min", "of": {"kind": "area", "place": "plasma"}}
    assert number(by_plasma) == pytest.approx(-1.0, rel=1e-6)
    wide = {"kind": "sensitivity", "of": {"kind": "spread", "place": "csf", "time": "0 h", "share": 0.8}}
    assert number(wide | {"to": "volume"}, bolus=[{"dose": "1 mg", "volume": "8 mL"}]) > 0.5
    later = {"kind": "sensitivity", "of": {"kind": "peak time", "between": ["0 h", "4 h"], **AT_NEEDLE}, "to": "over"}
    slow = {"bolus": [{"dose": "1 mg", "volume": "1 mL", "over": "10 min"}]}
    assert number(later, **slow) == pytest.approx(1.0, abs=1e-3)
    person_too = {"kind": "sensitivity", "to": "weight_kg", "of": {"kind": "area", "place": "plasma"}}
    assert number(person_too) == pytest.approx(-1.0, rel=1e-6)


def test_a_sensitivity_of_what_is_not_over_zero_is_refused() -> None:
    nothing = {"kind": "sensitivity", "to": "dose", "of": value("0 h", place="plasma")}
    with pytest.raises(UnreadableError, match="no logarithm"):
        number(nothing)


def test_ratio_difference_and_order() -> None:
    early, late = value("1 h", **AT_NEEDLE), value("6 h", **AT_NEEDLE)
    a, b = number(early), number(late)
    assert number({"kind": "ratio", "of": early, "over": late}) == pytest.approx(a / b)
    assert number({"kind": "difference", "of": early, "less": late}) == pytest.approx(a - b)
    assert number({"kind": "order", "falling": [early, late]}) == pytest.approx(a / b)
    assert number({"kind": "order", "falling": [early, late, early]}) == pytest.approx(b / a)
    nothing = value("0 h", place="plasma")
    assert number({"kind": "order", "falling": [early, nothing]}) == math.inf
    assert number({"kind": "order", "falling": [nothing, early]}) == 0.0
    less = {"kind": "difference", "of": nothing, "less": early}
    least = {"kind": "difference", "of": nothing, "less": early | {"time": "0 h"}}
    assert number({"kind": "order", "falling": [less, least]}) > 1
    assert number({"kind": "order", "falling": [less, nothing]}) == 0.0
    assert number({"kind": "order", "falling": [nothing, nothing]}) == 1.0
    with pytest.raises(UnreadableError, match="is 0"):
        number({"kind": "ratio", "of": early, "over": value("0 h", place="plasma")})


def test_readings_of_places() -> None:
    whole = number(value("2 h", place="tissue", at="T12"))
    assert number(value("2 h", place="tissue water", at="T12")) == pytest.approx(
        whole / nominal_kinetics("morphine").tissue_partition
    )
    levels = [number(value("2 h", place="csf", at=f"{cm} cm")) for cm in (19.5, 20.5)]
    mean = number(value("2 h", place="csf", span=["20.5 cm", "19.5 cm"]))
    assert min(levels) < mean < max(levels)
    with pytest.raises(UnreadableError, match="no csf between"):
        number(value("2 h", place="csf", span=["80 cm", "90 cm"]))
    for place in ("epidural", "fat"):
        assert number(value("2 h", place=place, at="L3-4")) > 0
    for place in ("cistern", "cortical", "brainstem", "cortex"):
        assert number(value("2 h", place=place)) > 0


def test_profiles_in_time_and_steady() -> None:
    near = {"kind": "decay length", "place": "csf", "span": ["tip + 1 cm", "tip + 10 cm"]}
    assert number(near | {"time": "30 days"}, **FOR_EVER) == pytest.approx(
        number(near | {"time": "steady"}, **FOR_EVER), rel=1e-3
    )
    narrow = number({"kind": "spread", "place": "csf", "time": "0 h", "share": 0.6827})
    width = math.hypot(1.0, 1.0 / (2 * _area_cm2()))
    assert narrow == pytest.approx(2 * width, rel=0.05)


def _area_cm2() -> float:
    from thecal.body.spine.grid import area_cm2
    from thecal.body.spine.levels import vertebra_cm

    person_ = nominal_physiology()
    return float(area_cm2(person_, np.array([vertebra_cm("L3-4", person_.canal_cm)]))[0])


def test_effects_are_read_from_none_to_all() -> None:
    for name in ("analgesia of cord and brain", "spinal analgesia"):
        effect = {"effect": name, "dermatome": "T10"}
        assert number(value("0 h", **effect)) == pytest.approx(0.0, abs=1e-6)
        assert 0 < number(value("2 h", **effect)) <= 1
        assert 0 < number(value("steady", **effect), **FOR_EVER) <= 1
    assert 0 < number(value("6 h", effect="warning index")) < 1
    lasting = {"kind": "time over", "effect": "spinal analgesia", "dermatome": "T10", "between": ["0 h", "9 days"]}
    assert number(lasting | {"level": "0.5"}) > number(lasting | {"level": "0.9"}) > 0


def test_relief_of_cord_and_brain_together_is_more_than_that_of_the_cord() -> None:
    both, cord = (number(value("12 h", effect=name, dermatome="T10"))
                  for name in ("analgesia of cord and brain", "spinal analgesia"))  # fmt: skip
    assert both > cord > 0


def test_arrival_and_peak_of_a_place() -> None:
    window = {"place": "cistern", "between": ["0 h", "48 h"]}
    first = number({"kind": "arrival", "share": 0.1, **window})
    assert 0 < first < number({"kind": "arrival", "share": 0.5, **window})
    assert number({"kind": "arrival", "share": 0.5, **window}) < number({"kind": "peak time", **window})


@pytest.mark.parametrize(
    ("measure", "case", "says"),
    [
        (value("steady", dose_in="csf"), FOR_EVER, "never steady"),
        (value("steady", place="plasma"), {}, "nothing is given for ever"),
        ({"kind": "area", "place": "plasma"}, FOR_EVER, "given for ever"),
        ({"kind": "area", "dose_in": "csf"}, {}, "only a concentration"),
        ({"kind": "spread", "place": "csf", "time": "steady", "share": 0.5}, {}, "nothing is there"),
        ({"kind": "peak", "place": "plasma", "between": ["0 h", "9 days"]}, FOR_EVER, "still rises"),
    ],
)
def test_what_a_run_does_not_have_is_refused(measure: dict[str, Any], case: dict[str, Any], says: str) -> None:
    with pytest.raises(UnreadableError, match=says):
        number(measure, **case)


@pytest.mark.parametrize(
    ("drug", "effect"),
    [
        ("baclofen", {"effect": "analgesia of cord and brain", "dermatome": "T10"}),
        ("fentanyl", {"effect": "spinal analgesia", "dermatome": "T10"}),
        ("clonidine", {"effect": "warning index"}),
    ],
)
def test_an_effect_without_a_model_is_refused(drug: str, effect: dict[str, Any]) -> None:
    with pytest.raises((UnreadableError, UntrustedError), match="no model"):
        number(value("1 h", **effect), drug=drug)
    with pytest.raises((UnreadableError, UntrustedError), match="no model"):
        number(value("steady", **effect), drug=drug, **FOR_EVER)


def test_an_arm_is_found_by_its_name() -> None:
    arms = [{"name": "low", "tip": "L3-4"}, {"name": "high", "tip": "T10"}]
    low = number(value("1 h", place="cistern", arm="low"), arm=arms)
    assert number(value("1 h", place="cistern", arm="high"), arm=arms) > low


# Who


def test_a_person_is_changed_by_name_and_held_to_its_ranges() -> None:
    file = parsed(values() | {"person": {"p": {"change": {"canal_cm": "58 cm", "conus_share": 0.28}}}})
    arm = file.case[0].arms[0].model_copy(update={"person": "p"})
    who = subject(file, arm)
    assert (who.physiology.canal_cm, who.physiology.conus_share) == (58.0, 0.28)
    assert who.tip_cm == pytest.approx(subject(file, file.case[0].arms[0]).tip_cm * 58 / 60)
    long = parsed(values() | {"person": {"p": {"change": {"canal_cm": "158 cm"}}}})
    with pytest.raises(UntrustedError, match="canal_cm 158 cm"):
        subject(long, arm)


def test_a_reason_lifts_ranges_but_not_reason() -> None:
    changed: dict[str, Any] = {"outside_range": "an animal", "change": {"canal_cm": "158 cm"}}
    arm = parsed(values()).case[0].arms[0].model_copy(update={"person": "p"})
    assert subject(parsed(values() | {"person": {"p": changed}}), arm).physiology.canal_cm == 158.0
    for field, number_ in (("csf_ml", "0 mL"), ("csf_ml", "-1 mL")):
        changed["change"] = {field: number_}
        with pytest.raises(UntrustedError) as refused:
            subject(parsed(values() | {"person": {"p": changed}}), arm)
        assert refused.value.doubt is Doubt.OUT_OF_RANGE


def test_a_drug_like_another() -> None:
    changed = {"like": "morphine", "outside_range": "a tracer", "change": {"tissue_loss_per_min": "0 /min"}}
    file = parsed(values() | {"drug": {"tracer": changed}})
    arm = file.case[0].arms[0].model_copy(update={"drug": "tracer"})
    assert subject(file, arm).kinetics.tissue_loss_per_min == 0.0
    del changed["outside_range"]
    with pytest.raises(UntrustedError, match="tissue_loss_per_min"):
        subject(parsed(values() | {"drug": {"tracer": changed}}), arm)


def test_a_person_and_a_drug_that_are_drawn() -> None:
    file = parsed(values() | {"person": {"p": {"seed": 5, "draw": 2}}, "drug": {"d": {"like": "morphine", "seed": 5}}})
    arm = file.case[0].arms[0].model_copy(update={"person": "p", "drug": "d"})
    assert subject(file, arm).physiology == person(5, 2)
    assert subject(file, arm).kinetics != nominal_kinetics("morphine")


def test_a_dispersion_at_the_tip() -> None:
    from thecal.body.spine.grid import dispersion_cm2_per_s

    file = parsed(values() | {"person": {"p": {"change": {"dispersion_at_tip": "0.01 cm2/s"}}}})
    arm = file.case[0].arms[0].model_copy(update={"person": "p"})
    who = subject(file, arm)
    there = dispersion_cm2_per_s(who.physiology, who.kinetics.molecular_cm2_per_s, np.array([who.tip_cm]))
    assert there[0] == pytest.approx(0.01, rel=1e-12)
    tiny = parsed(values() | {"person": {"p": {"change": {"dispersion_at_tip": "1e-7 cm2/s"}}}})
    with pytest.raises(UntrustedError, match="dispersion_at_tip"):
        subject(tiny, arm)


# What is given


def arm_of(*given: Bolus | Infusion) -> Arm:
    boluses = tuple(one for one in given if isinstance(one, Bolus))
    return Arm(name="a", bolus=boluses, infusion=tuple(one for one in given if isinstance(one, Infusion)))


def table(kind: type[Bolus] | type[Infusion], **fields: Any) -> Any:
    return kind.model_validate(fields)


def test_giving_counts_what_was_given() -> None:
    giving = Giving(
        arm_of(
            table(Bolus, dose="1 mg", volume="2 mL", over="1 h", every="6 h", times=3),
            table(Bolus, dose="1 mg", volume="1 mL", at="1 h"),
            table(Infusion, dose="24 mg/day", start="2 h", lasting="2 h"),
        )
    )
    assert giving.volumes_ml == (0.0, 1.0, 2.0)
    at_s = np.array([0.0, 0.5, 1.0, 3.0, 4.0, 6.5, 30.0]) * 3600
    assert giving.given_ng(at_s) / 1e6 == pytest.approx([0, 0.5, 2, 3, 4, 4.5, 6])
    assert giving.in_all_ng() / 1e6 == pytest.approx([2, 1, 3])
    assert not np.any(giving.for_ever_ng_per_s())
    dosing = giving.until(30 * 3600.0)
    assert np.all(dosing.rate_ng_per_s[:, -1] == 0)


def test_giving_for_ever_is_its_mean() -> None:
    giving = Giving(
        arm_of(
            table(Bolus, dose="1 mg", volume="0 mL", every="12 h"),
            table(Infusion, flow="1 mL/day", strength="3 mg/mL"),
        )
    )
    assert giving.for_ever_ng_per_s() * DAY / 1e6 == pytest.approx([5.0])
    with pytest.raises(UnreadableError, match="for ever"):
        giving.in_all_ng()
    assert giving.given_ng(np.array([0.0, 2 * DAY])) / 1e6 == pytest.approx([1.0, 11.0])


def test_factors_change_what_is_given() -> None:
    arm = arm_of(table(Bolus, dose="1 mg", volume="2 mL", over="1 h"))
    giving = Giving.of(arm, {"dose": 2.0, "volume": 0.5, "over": 3.0, "kappa": 9.0})
    assert giving.volumes_ml == (0.0, 1.0)
    assert giving.until(0.0).t_s[-1] == 3 * 3600.0
    assert giving.in_all_ng() / 1e6 == pytest.approx([0, 2])


def test_too_many_boluses_are_refused() -> None:
    giving = Giving(arm_of(table(Bolus, dose="1 mg", volume="1 mL", every="1 s")))
    with pytest.raises(UnreadableError, match="are the most"):
        giving.until(DAY)
