"""Files of cases: what is right is read, what is wrong is refused with its field, what was found, what is allowed."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.validation_files import PLAIN, parsed, values, with_measure

from thecal.body.validation.cases import Arm, Status
from thecal.body.validation.reading import MOST_BYTES, CasesRefused, read, shipped

if TYPE_CHECKING:
    from pathlib import Path

STEADY = {"kind": "value", "place": "plasma", "time": "1 h"}


def refusal(found: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Field, what was found and what is allowed, of everything that is wrong."""
    with pytest.raises(CasesRefused) as refused:
        parsed(found)
    return {problem.field_text: (problem.found, problem.allowed) for problem in refused.value.problems}


def test_every_case_that_ships_is_read_and_has_its_own_id() -> None:
    cases = [case for file in shipped() for case in file.file.case]
    assert len({case.id for case in cases}) == len(cases)
    numbers = {case.number for case in cases}
    assert {"1", "2", "3", "4", "5", "6", "9", "10", "17", "19", "20", "21", "22"} <= numbers
    calibrating = {case.number for case in cases if case.status is Status.CALIBRATION and case.number}
    assert calibrating == {"1", "2", "3", "4", "5"}
    assert {case.number for case in cases if case.status is Status.NOT_JUDGED and case.number} == {"6", "20", "21"}


def test_every_changed_number_of_a_shipped_case_has_a_source_and_a_mark() -> None:
    for file in shipped():
        for variant in (*file.file.person.values(), *file.file.drug.values()):
            assert not [name for name, change in variant.change.items() if isinstance(change, str | float)]


def test_an_arm_takes_over_what_it_does_not_say() -> None:
    found = values()
    found["case"][0]["arm"] = [{"name": "a"}, {"name": "b", "tip": "T10", "bolus": []}]
    found["case"][0]["infusion"] = [{"dose": "1 mg/day"}]
    found["case"][0]["check"][0]["measure"]["arm"] = "a"
    first, second = parsed(found).case[0].arms
    assert (first.drug, first.place.text, len(first.bolus)) == ("morphine", "L3-4", 1)
    assert (second.drug, second.place.text, len(second.bolus)) == ("morphine", "T10", 0)
    with pytest.raises(ValueError, match="no tip"):
        _ = Arm(name="nowhere").place


@pytest.mark.parametrize(
    ("change", "field", "found", "allowed"),
    [
        ({"id": "Has Spaces"}, "case[0].id", "'Has Spaces'", "pattern"),
        ({"status": "Z"}, "case[0].status", "'Z'", "'C', 'Q', 'H', 'E'"),
        ({"drug": "aspirin"}, "case[0].drug", "'aspirin'", "morphine"),
        ({"drug": ""}, "case[0].drug", "''", "at least 1"),
        ({"person": "giant"}, "case[0].person", "'giant'", "adult"),
        ({"tip": "T13"}, "case[0].tip", "'T13'", "vertebra or disc"),
        ({"tip": "tip"}, "case[0].tip", "'tip'", "a level or a length"),
        ({"tip": 14}, "case[0].tip", "14", "text, as in"),
        ({"bolus": []}, "case[0]", "nothing given", "bolus, infusion or both"),
        ({"check": []}, "case[0].check", "nothing", "one or more"),
        ({"mood": "good"}, "case[0].mood", "not known", "fields of docs"),
        ({"cells": 10}, "case[0].cells", "10", "50"),
        ({"bolus": [{"dose": "1 mL", "volume": "1 mL"}]}, "case[0].bolus[0].dose", "'1 mL'", "units: ng, mcg, mg, g"),
        ({"bolus": [{"dose": 1, "volume": "1 mL"}]}, "case[0].bolus[0].dose", "1", "text with a unit"),
        ({"bolus": [{"dose": "0 mg", "volume": "1 mL"}]}, "case[0].bolus[0].dose", "'0 mg'", "more than 0"),
        ({"bolus": [{"dose": "1 mg", "volume": "-1 mL"}]}, "case[0].bolus[0].volume", "'-1 mL'", "0 or more"),
        ({"bolus": [{"dose": "1 mg"}]}, "case[0].bolus[0].volume", "nothing", "required"),
        (
            {"bolus": [{"dose": "1 mg", "volume": "1 mL", "times": 3}]},
            "case[0].bolus[0]",
            "times without every",
            "both",
        ),
        (
            {"bolus": [{"dose": "1 mg", "volume": "1 mL", "over": "2 h", "every": "1 h"}]},
            "case[0].bolus[0]",
            "lasts longer",
            "over up to every",
        ),
        ({"infusion": [{"flow": "1 mL/h"}]}, "case[0].infusion[0]", "no single way", "flow with strength"),
        (
            {"infusion": [{"dose": "1 mg/day", "flow": "1 mL/h", "strength": "1 mg/mL"}]},
            "case[0].infusion[0]",
            "no single way",
            "either dose",
        ),
        ({"arm": [{"name": "a"}, {"name": "a"}]}, "case[0].arm", "a name twice", "one arm of each name"),
    ],
)
def test_a_wrong_case_is_refused(change: dict[str, Any], field: str, found: str, allowed: str) -> None:
    file = values()
    file["case"][0] |= change
    problems = refusal(file)
    assert found in problems[field][0]
    assert allowed in problems[field][1]


@pytest.mark.parametrize(
    ("measure", "field", "found", "allowed"),
    [
        ({}, "measure", "no kind", "kind, as in"),
        ({"kind": "guess"}, "measure.kind", "'guess'", "half life"),
        ({"kind": "value", "place": "csf", "time": "1 h"}, "measure", "neither or both", "one of them"),
        ({"kind": "value", "place": "plasma", "at": "L1", "time": "1 h"}, "measure", "at or span with", "csf"),
        ({"kind": "value", "time": "1 h"}, "measure", "nothing to read", "one of place"),
        (STEADY | {"dose_in": "csf"}, "measure", "place and dose_in", "one of place"),
        ({"kind": "value", "effect": "spinal analgesia", "time": "1 h"}, "measure", "dermatome", "with its dermatome"),
        (
            {"kind": "value", "effect": "spinal analgesia", "dermatome": "C1", "time": "1 h"},
            "measure.dermatome",
            "C1",
            "C2 to C8",
        ),
        (
            {"kind": "value", "effect": "spinal analgesia", "dermatome": 4, "time": "1 h"},
            "measure.dermatome",
            "4",
            "T10",
        ),
        ({"kind": "value", "place": "plasma", "time": "soon"}, "measure.time", "soon", ""),
        (
            {"kind": "peak", "place": "plasma", "between": ["2 h", "1 h"]},
            "measure",
            "does not go forward",
            "an earlier and a later",
        ),
        ({"kind": "spread", "place": "csf", "time": "1 h", "share": 1.5}, "measure.share", "1.5", "less than 1"),
        ({"kind": "time over", "place": "plasma", "between": ["0 h", "1 h"], "level": "3"}, "measure", "'3'", "ng/mL"),
        ({"kind": "order", "falling": [STEADY]}, "measure.falling", "nothing", "one or more"),
        (
            {
                "kind": "ratio",
                "of": STEADY,
                "over": {"kind": "peak time", "place": "plasma", "between": ["0 h", "1 h"]},
            },
            "measure",
            "different kinds",
            "of one kind",
        ),
        ({"kind": "sensitivity", "of": STEADY, "to": "mood"}, "measure", "'mood'", "dose, volume, over, canal_cm"),
        (STEADY | {"arm": "left"}, "measure", "'left'", "there is one arm"),
    ],
)
def test_a_wrong_measure_is_refused(measure: dict[str, Any], field: str, found: str, allowed: str) -> None:
    problems = refusal(with_measure(measure))
    assert found in problems[f"case[0].check[0].{field}"][0]
    assert allowed in problems[f"case[0].check[0].{field}"][1]


@pytest.mark.parametrize(
    ("expected", "field", "found", "allowed"),
    [
        ({}, "expected", "nothing", "value with factor"),
        ({"value": "1 ng/mL", "factor": 2, "plus_minus": "1 ng/mL"}, "expected", "factor", "value with factor"),
        ({"factor": 2}, "expected", "factor", "value with factor"),
        ({"value": "1 ng/mL", "least": "1 ng/mL"}, "expected", "least", "value with factor"),
        ({"least": "1 ng/mL", "sign": "positive"}, "expected", "least, sign", "value with factor"),
        ({"value": "1 ng/mL"}, "expected", "without a tolerance", "factor or plus_minus"),
        ({"value": "1 mg", "factor": 2}, "expected", "the unit 'mg'", "ng/mL"),
        ({"value": 4, "factor": 2}, "expected.value", "'4'", "ng/mL"),
        ({"value": "1 ng/mL", "plus_minus": "1 h"}, "expected.plus_minus", "'1 h'", "ng/mL"),
        ({"value": "1 ng/mL", "factor": 0.5}, "expected.factor", "0.5", "greater than 1"),
        ({"value": "1 ng/mL", "factor": "2"}, "expected.factor", "'2'", "valid number"),
    ],
)
def test_a_wrong_expectation_is_refused(expected: dict[str, Any], field: str, found: str, allowed: str) -> None:
    problems = refusal(with_measure(STEADY, expected, status="H"))
    assert found in problems[f"case[0].check[0].{field}"][0]
    assert allowed in problems[f"case[0].check[0].{field}"][1]


def test_an_order_expects_nothing_and_every_other_check_something() -> None:
    order = {"kind": "order", "falling": [STEADY, STEADY]}
    assert "an order holds" in refusal(with_measure(order, {"least": 1}))["case[0].check[0].expected"][1]
    assert parsed(with_measure(order, status="H")).case[0].check[0].expected is None
    assert "unless the status is X" in refusal(with_measure(STEADY, status="H"))["case[0].check[0].expected"][1]


def test_a_unit_of_its_own_must_fit() -> None:
    found = with_measure(STEADY)
    found["case"][0]["check"][0]["unit"] = "parsec"
    assert "ng/mL" in refusal(found)["case[0].check[0].unit"][1]


def test_a_case_needs_arms_that_its_checks_name() -> None:
    found = values()
    found["case"][0]["arm"] = [{"name": "a"}, {"name": "b"}]
    assert refusal(found)["case[0].check[0].measure"] == ("no arm", "arm = one of a, b")


def test_a_check_has_a_measure_or_says_why_not() -> None:
    found = values()
    found["case"][0]["check"][0]["not_applicable"] = "because"
    assert "neither or both" in refusal(found)["case[0].check[0]"][0]
    found["case"][0] = {k: found["case"][0][k] for k in ("id", "title", "status", "source")} | {
        "check": [{"what": "it", "paper": "all", "not_applicable": "because"}]
    }
    assert parsed(found).case[0].check[0].not_applicable == "because"


def test_one_case_of_each_id() -> None:
    found = values()
    found["case"].append(found["case"][0])
    assert refusal(found)["case[1].id"][1] == "one case of each id"


@pytest.mark.parametrize(
    ("kind", "name", "table", "field", "found", "allowed"),
    [
        ("person", "adult", {}, "person.adult", "'adult'", "another name"),
        ("person", "p", {"like": "adult"}, "person.p", "like", "no like"),
        ("person", "p", {"change": {"mood": "1 cm"}}, "person.p.change.mood", "not known", "canal_cm"),
        ("person", "p", {"change": {"canal_cm": "1 mL"}}, "person.p.change.canal_cm", "'1 mL'", "cm"),
        ("person", "p", {"change": {"canal_cm": 60}}, "person.p.change.canal_cm", "60, which has no unit", "'cm'"),
        ("person", "p", {"seed": -1}, "person.p.seed", "-1", "greater than or equal to 0"),
        ("drug", "d", {}, "drug.d.like", "None", "morphine"),
        ("drug", "d", {"like": "aspirin"}, "drug.d.like", "'aspirin'", "morphine"),
        ("drug", "morphine", {"like": "morphine"}, "drug.morphine", "which ships", "another name"),
        (
            "drug",
            "d",
            {"like": "morphine", "change": {"canal_cm": "9 cm"}},
            "drug.d.change.canal_cm",
            "not known",
            "k10",
        ),
    ],
)
def test_a_wrong_person_or_drug_is_refused(
    kind: str, name: str, table: dict[str, Any], field: str, found: str, allowed: str
) -> None:
    problems = refusal(values() | {kind: {name: table}})
    assert found in problems[field][0]
    assert allowed in problems[field][1]


def test_a_change_with_its_source_or_alone() -> None:
    changed = {
        "canal_cm": "58 cm",
        "conus_share": 0.3,
        "csf_ml": {"value": "90 mL", "source": "made up", "verified": False},
    }
    file = parsed(values() | {"person": {"p": {"change": changed}}})
    assert file.person["p"].change["csf_ml"].source == "made up"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "cases.toml"
    for content, says in (
        (None, "No such file"),
        (b"\xff\xfe", "utf-8"),
        (b"[[case]", "at line 1"),
        (b"a = " + b"[" * 100_000, "nested too deep"),
        (b"a = " + b"9" * 5000, "digits"),
        (b"#" * (MOST_BYTES + 1), "bytes"),
        (b"", "nothing"),
    ):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(CasesRefused, match=says) as refused:
            read(path)
        assert str(refused.value).startswith(str(path))


def test_a_file_that_is_right(tmp_path: Path) -> None:
    path = tmp_path / "cases.toml"
    path.write_text(PLAIN, "utf-8")
    assert read(path).file.case[0].id == "plain"


def leaves(found: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value of a file."""
    if isinstance(found, dict):
        return [way, *(leaf for key, inside in found.items() for leaf in leaves(inside, (*way, key)))]
    if isinstance(found, list):
        return [way, *(leaf for key, inside in enumerate(found) for leaf in leaves(inside, (*way, key)))]
    return [way]


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["1 mg", "tip", "1 h"]),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=6), inside, max_size=3),
    max_leaves=5,
)


@given(st.data())
def test_whatever_stands_in_a_file_it_is_read_or_refused(data: st.DataObject) -> None:
    ratio = {"kind": "ratio", "of": STEADY, "over": STEADY | {"dose_in": "csf", "place": None}}
    base = data.draw(
        st.sampled_from([values(), with_measure(ratio), with_measure({"kind": "order", "falling": [STEADY]})])
    )
    base = copy.deepcopy(base)  # its parts are shared, and one of them is changed below
    base["person"] = {"p": {"change": {"canal_cm": {"value": "58 cm", "source": "x", "verified": False}}}}
    base["drug"] = {"d": {"like": "morphine", "change": {"k10_per_min": "0.07 /min"}}}
    base["case"][0]["infusion"] = [{"flow": "1 mL/day", "strength": "1 mg/mL"}]
    way = data.draw(st.sampled_from(leaves(base)[1:]))
    inside = base
    for step in way[:-1]:
        inside = inside[step]
    inside[way[-1]] = data.draw(ANYTHING)
    try:
        parsed(base)
    except CasesRefused as refused:
        assert refused.problems
        assert all(problem.found and problem.allowed for problem in refused.problems)
