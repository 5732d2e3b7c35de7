"""Finding drugs and facts: by code, by name in any capitals, by the exact set of drugs."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thecal.formulary import Outcome, StudiedRange, UnknownDrug, load
from thecal.quantities import Concentration

BOOK = load()
CODES = sorted(BOOK.drugs)


def mg_per_ml(number: int) -> Concentration:
    return Concentration.of(number, "mg/mL")


@pytest.mark.parametrize("code", CODES)
def test_a_drug_is_found_by_its_code_and_name(code: str) -> None:
    drug = BOOK.drug(code)
    assert drug.code == code
    assert BOOK.find(f" {code.upper()} ")[0] is drug
    assert BOOK.find(drug.display_name)[0] is drug


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("FENTAN", ["fentanyl", "sufentanil"]),
        ("Fentanyl", ["fentanyl"]),
        ("morphine", ["morphine"]),
        ("morph", ["hydromorphone", "morphine"]),
        ("prialt", ["ziconotide"]),
        ("Pethidine", ["meperidine"]),
        ("cain", ["bupivacaine", "lidocaine", "ropivacaine", "tetracaine"]),
        ("", []),
        ("  ", []),
        ("moonshine", []),
    ],
)
def test_find(text: str, codes: list[str]) -> None:
    assert [d.code for d in BOOK.find(text)] == codes


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("morfine", "morphine"), ("Morphine", "morphine"), ("clonidin", "clonidine"), ("prialt ", "ziconotide")],
)
@pytest.mark.requirement("OP-6.9.4")
def test_an_unknown_drug_suggests_near_names(wrong: str, near: str) -> None:
    with pytest.raises(UnknownDrug, match=f"{wrong!r}.*did you mean .*{near}") as unknown:
        BOOK.drug(wrong)
    assert unknown.value.found == wrong
    assert near in unknown.value.near


def test_an_unknown_drug_without_a_near_name_says_what_to_do() -> None:
    with pytest.raises(UnknownDrug, match="'xyzzy' is not in the formulary; write the code") as unknown:
        BOOK.drug("xyzzy")
    assert unknown.value.near == ()


def test_stability_of_an_unknown_drug_is_refused() -> None:
    with pytest.raises(UnknownDrug):
        BOOK.stability(["morphine", "moonshine"])


@given(st.lists(st.sampled_from(CODES), min_size=1, max_size=4))
def test_stability_is_about_exactly_the_drugs_asked_for(drugs: list[str]) -> None:
    facts = BOOK.stability(drugs)
    wanted = frozenset(drugs)
    assert all(f.drugs == wanted or (f.any_other and f.drugs < wanted) for f in facts)
    assert len(set(facts)) == len(facts)
    exact = {f for d in BOOK.drugs.values() for f in d.stability if f.drugs == wanted and not f.any_other}
    assert {f for f in facts if not f.any_other} == exact
    assert [f.any_other for f in facts] == sorted(f.any_other for f in facts)


@given(st.permutations(["morphine", "bupivacaine", "clonidine"]))
def test_the_order_of_drugs_does_not_matter(drugs: list[str]) -> None:
    assert BOOK.stability(drugs) == BOOK.stability(sorted(drugs))
    assert BOOK.stability(itertools.chain(drugs, drugs)) == BOOK.stability(drugs)


def test_what_a_study_covered() -> None:
    (fact,) = BOOK.stability(["morphine", "bupivacaine"])
    assert fact.outcome is Outcome.STABLE
    inside = {"morphine": mg_per_ml(12), "bupivacaine": mg_per_ml(37)}
    assert fact.outside(inside) == ()
    assert [r.drug for r in fact.outside(inside | {"morphine": mg_per_ml(11)})] == ["morphine"]
    assert [r.drug for r in fact.outside(inside | {"bupivacaine": mg_per_ml(38)})] == ["bupivacaine"]
    assert [r.drug for r in fact.outside({"morphine": mg_per_ml(20)})] == ["bupivacaine"]
    assert StudiedRange("morphine", None, None).covers(mg_per_ml(1))


def test_the_formulary_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        BOOK.drugs["morphine"] = BOOK.drug("fentanyl")  # type: ignore[index]
