"""The SBML file of a system: what libsbml says of it, what stands in it, and what another program makes of it."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

import libsbml
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thecal.body.spine import sbml
from thecal.body.spine.neuraxis import EffectSite, Neuraxis, build, channels
from thecal.body.spine.prior import modelled_drugs, nominal_kinetics, nominal_physiology
from thecal.body.transport.course import scaled_error
from thecal.body.transport.dosing import Dosing
from thecal.body.transport.modal import Modes
from thecal.body.transport.system import Channels, Lag, Plasma, System
from thecal.body.transport.tree import FloatArray, Tree
from thecal.body.transport.untrusted import Doubt, UntrustedError

if TYPE_CHECKING:
    from thecal.body.transport.tree import IntArray

EFFECTS = (EffectSite("analgesia T10", "tissue", 31.0, 0.0026), EffectSite("warning", "brainstem", 0.0, 0.0026, 0.3))
SITES = {
    "csf L2-3": ("csf", 14.5),
    "tissue T10": ("tissue", 27.0),
    "epidural T10": ("epidural", 27.0),
    "cistern": ("cistern", 0.0),
    "plasma": ("plasma", 0.0),
    "analgesia T10": ("analgesia T10", 0.0),
    "warning": ("warning", 0.0),
}
GIVEN = Dosing(
    np.array([600.0, 4200.5, 7800.0, 8040.0]),
    np.array([[10.0, 5.0, 5.0, 0.0], [0.0, 0.0, 1000.0, 0.0]]),
    np.array([[0.0, 1000.0, 0.0, 0.0], [250_000.0, 0.0, 0.0, 500.0]]),
)


def neuraxis(drug: str = "morphine", cells: int = 10) -> Neuraxis:
    return build(nominal_physiology(), nominal_kinetics(drug), 14.5, bolus_ml=(0.0, 1.0), cells=cells, effects=EFFECTS)


def model_of(text: str) -> Any:
    document = libsbml.readSBMLFromString(text)
    assert document.getNumErrors(libsbml.LIBSBML_SEV_ERROR) == 0
    return document, document.getModel()


def value(node: Any, known: dict[str, float]) -> float:
    """What a formula of sums, differences and products comes to."""
    kind = node.getType()
    parts = [value(node.getChild(n), known) for n in range(node.getNumChildren())]
    if kind == libsbml.AST_NAME:
        return known[node.getName()]
    if kind == libsbml.AST_PLUS:
        return math.fsum(parts)
    if kind == libsbml.AST_TIMES:
        return math.prod(parts)
    if kind == libsbml.AST_MINUS:
        return -parts[0] if len(parts) == 1 else parts[0] - parts[1]
    assert kind in (libsbml.AST_REAL, libsbml.AST_REAL_E, libsbml.AST_INTEGER)
    return float(node.getValue())


def state_keys(model: Any) -> list[str]:
    lags = [r.getVariable() for r in model.getListOfRules() if r.isRate()]
    return [s.getId() for s in model.getListOfSpecies()] + lags


def known_of(model: Any, state: FloatArray) -> dict[str, float]:
    """Every symbol of the model when its state is ``state``."""
    known = {p.getId(): p.getValue() for p in model.getListOfParameters() if p.isSetValue()}
    known.update(zip(state_keys(model), state.tolist(), strict=True))
    for rule in model.getListOfRules():
        if rule.isAssignment():
            known[rule.getVariable()] = value(rule.getMath(), known)
    return known


def change_of(model: Any, state: FloatArray) -> FloatArray:
    """What the file says that the state changes by in a second."""
    known, found = known_of(model, state), dict.fromkeys(state_keys(model), 0.0)
    for reaction in model.getListOfReactions():
        rate = value(reaction.getKineticLaw().getMath(), known)
        for sign, references in ((-1, reaction.getListOfReactants()), (1, reaction.getListOfProducts())):
            for one in references:
                found[one.getSpecies()] += sign * one.getStoichiometry() * rate
    for rule in model.getListOfRules():
        if rule.isRate():
            found[rule.getVariable()] = value(rule.getMath(), known)
    return np.array(list(found.values()))


def changes(system: System, state: FloatArray, rate_ng_per_s: FloatArray) -> FloatArray:
    """The same by the system itself."""
    n = system.tree.size
    up = system.tree.matrix @ state[:n] + system.inputs @ rate_ng_per_s
    return np.concatenate((up, system.feed @ state[:n] + system.below @ state[n:]))


@pytest.mark.parametrize("drug", modelled_drugs())
def test_the_file_of_each_drug_has_nothing_that_libsbml_finds(drug: str) -> None:
    of = neuraxis(drug)
    assert sbml.problems(sbml.of_neuraxis(of, GIVEN, channels(of, SITES))) == ()


def test_what_is_wrong_with_a_file_is_named() -> None:
    text = sbml.of_neuraxis(neuraxis(), GIVEN)
    (found, *_) = sbml.problems(text.replace('units="per_s"', 'units="per_day"', 1))
    assert "per_day" in found


def test_the_file_is_level_3_version_2_in_ng_ml_and_s_and_says_what_it_is_not() -> None:
    of = neuraxis()
    document, model = model_of(sbml.of_neuraxis(of, GIVEN, title="A made-up person"))
    assert (document.getLevel(), document.getVersion()) == (3, 2)
    assert (model.getSubstanceUnits(), model.getVolumeUnits(), model.getTimeUnits()) == ("ng", "mL", "second")
    assert model.getName() == "A made-up person"
    assert "Not a medical device" in model.getNotesString()
    assert "600.0 s of the dosing" in model.getNotesString()
    assert all(s.getHasOnlySubstanceUnits() and s.getSubstanceUnits() == "ng" for s in model.getListOfSpecies())
    assert all(p.isSetUnits() for p in model.getListOfParameters())


def test_the_title_names_the_drug_where_none_is_given() -> None:
    _, model = model_of(sbml.of_neuraxis(neuraxis("baclofen"), GIVEN))
    assert model.getName() == "baclofen along the neuraxis, tip 14.5 cm from the end of the sac"


def test_names_say_pool_and_level() -> None:
    of = neuraxis(cells=40)
    _, model = model_of(sbml.of_neuraxis(of, GIVEN))
    assert model.getSpecies("csf_010").getName() == "CSF at L2-3, 14.25 cm from the end of the sac"
    there = model.getParameter("k_csf_010_to_csf_011")
    assert there.getName().startswith("CSF at L2-3, 14.25 cm from the end of the sac to CSF at ")
    assert there.getValue() == pytest.approx(of.system.tree.up_per_s[of.fluid[9]], rel=1e-14)
    assert model.getParameter("k_csf_011_to_csf_010").getValue() == pytest.approx(
        of.system.tree.down_per_s[of.fluid[9]], rel=1e-14
    )
    assert model.getParameter("k_cistern_to_cortical") is not None
    assert model.getParameter("k_cortex_to_plasma_central") is not None


def test_each_pool_has_its_volume() -> None:
    of = neuraxis()
    _, model = model_of(sbml.of_neuraxis(of, GIVEN))
    sizes = {c.getId(): c.getSize() for c in model.getListOfCompartments()}
    found = [sizes[s.getCompartment()] for s in model.getListOfSpecies()]
    np.testing.assert_allclose(found, [*of.volume_ml, *[of.system.plasma.v1_ml] * 3], rtol=1e-14)


def test_pools_without_a_volume_share_one_that_says_so() -> None:
    of = neuraxis()
    _, model = model_of(sbml.of_system(of.system, GIVEN))
    assert [c.getId() for c in model.getListOfCompartments()] == ["volume_plasma", "volume_unknown"]
    assert model.getSpecies("pool_0001").getName() == "pool 1"


def test_a_file_changes_as_the_system_does_and_reads_the_same() -> None:
    of = neuraxis()
    read = channels(of, SITES)
    _, model = model_of(sbml.of_neuraxis(of, GIVEN, read))
    state = np.random.default_rng(1).uniform(1.0, 1000.0, of.system.size)
    found, true = change_of(model, state), changes(of.system, state, GIVEN.rate_ng_per_s[:, 0])
    np.testing.assert_allclose(found, true, rtol=1e-11, atol=1e-12 * np.max(np.abs(true)))
    known = known_of(model, state)
    seen = [known[f"read_{name}"] for name in ("csf_L2_3", "tissue_T10", "epidural_T10", "cistern", "plasma")]
    np.testing.assert_allclose(seen, (read.weights @ state)[:5], rtol=1e-12)


def test_it_begins_with_the_state_and_what_is_given_first() -> None:
    of = neuraxis()
    begun = np.random.default_rng(2).uniform(0.0, 5.0, of.system.size)
    _, model = model_of(sbml.of_neuraxis(of, GIVEN, state=begun))
    amounts = [s.getInitialAmount() for s in model.getListOfSpecies()]
    n = of.system.tree.size
    np.testing.assert_allclose(amounts[:n], begun[:n] + of.system.inputs @ GIVEN.mass_ng[:, 0], rtol=1e-13)
    np.testing.assert_allclose(amounts[n:], begun[n : n + 3], rtol=1e-13)
    lags = [model.getParameter(r.getVariable()).getValue() for r in model.getListOfRules() if r.isRate()]
    np.testing.assert_allclose(lags, begun[n + 3 :], rtol=1e-13)


def test_there_is_an_event_for_each_change_and_for_nothing_else() -> None:
    of = neuraxis()
    still = Dosing(np.array([0.0, 60.0, 120.0]), np.array([[1.0, 1.0, 2.0], [0.0] * 3]), np.zeros((2, 3)))
    _, model = model_of(sbml.of_neuraxis(of, still))
    (event,) = model.getListOfEvents()
    assert event.getName() == "at 120.0 s"
    (assignment,) = event.getListOfEventAssignments()
    assert (assignment.getVariable(), value(assignment.getMath(), {})) == ("rate_1", 2.0)


def test_names_that_are_no_identifiers_or_the_same_stay_apart() -> None:
    of = neuraxis()
    read = Channels(("à 1/2", "à 1-2", "read"), np.eye(3, of.system.size))
    _, model = model_of(sbml.of_neuraxis(of, GIVEN, read))
    found = [p.getId() for p in model.getListOfParameters() if p.getId().startswith("read_")]
    assert found == ["read___1_2", "read___1_2_2", "read_read"]
    assert sbml.problems(sbml.of_neuraxis(of, GIVEN, read)) == ()
    same = [sbml.Pool("1st", "a")] * of.system.tree.size
    _, model = model_of(sbml.of_system(of.system, GIVEN, pools=same))
    assert [s.getId() for s in model.getListOfSpecies()][:3] == ["_1st", "_1st_2", "_1st_3"]


def test_a_reading_of_nothing_is_nothing() -> None:
    of = neuraxis()
    text = sbml.of_neuraxis(of, GIVEN, Channels(("none",), np.zeros((1, of.system.size))))
    assert sbml.problems(text) == ()
    _, model = model_of(text)
    assert known_of(model, np.ones(of.system.size))["read_none"] == 0.0


def test_numbers_too_small_for_a_reader_are_written_as_nothing() -> None:
    tree = Tree(np.array([1, -1]), np.array([5e-320, 0.0]), np.array([1e-3, 0.0]), np.zeros(2), np.zeros(2))
    system = System(tree, np.array([[1.0], [5e-320]]), Plasma(1000.0, 1e-4))
    text = sbml.of_system(system, Dosing.bolus(5e-320))
    assert sbml.problems(text) == ()
    _, model = model_of(text)
    assert model.getParameter("k_pool_0001_to_pool_0002") is None
    assert model.getSpecies("pool_0001").getInitialAmount() == 0.0
    assert len(model.getReaction("give_1").getListOfProducts()) == 1


def test_a_negative_number_is_written_as_one() -> None:
    of = neuraxis()
    n = of.system.size
    text = sbml.of_neuraxis(
        of,
        Dosing(np.array([0.0, 60.0]), np.array([[0.0, -2.5], [0.0, 0.0]]), np.array([[0.0, -7.0], [0.0, 0.0]])),
        Channels(("difference",), np.eye(n)[:1] - np.eye(n)[1:2]),
    )
    assert sbml.problems(text) == ()
    _, model = model_of(text)
    state = np.arange(1.0, n + 1)
    known = known_of(model, state)
    assert known["read_difference"] == -1.0
    (event,) = model.getListOfEvents()
    found = {a.getVariable(): value(a.getMath(), known) for a in event.getListOfEventAssignments()}
    assert found.pop("rate_1") == -2.5
    assert sum(found[key] - known[key] for key in found) == pytest.approx(-7.0, rel=1e-12)


@pytest.mark.parametrize(
    ("part", "doubt"),
    [
        ({"dosing": Dosing.steady(1.0)}, Doubt.SHAPE),
        ({"channels": Channels(("a",), np.zeros((1, 3)))}, Doubt.SHAPE),
        ({"pools": []}, Doubt.SHAPE),
        ({"state": np.zeros(2)}, Doubt.SHAPE),
        ({"state": np.full(49, np.nan)}, Doubt.SHAPE),
        (
            {"dosing": Dosing(np.arange(sbml.MOST_INSTANTS + 1.0), *np.zeros((2, 2, sbml.MOST_INSTANTS + 1)))},
            Doubt.TIME,
        ),
    ],
)
def test_what_does_not_fit_is_refused(part: dict[str, Any], doubt: Doubt) -> None:
    of = neuraxis()
    assert of.system.size == 49
    asked: dict[str, Any] = {"dosing": GIVEN, **part}
    with pytest.raises(UntrustedError) as refused:
        sbml.of_system(of.system, asked.pop("dosing"), asked.pop("channels", None), **asked)
    assert refused.value.doubt is doubt


def test_without_libsbml_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "libsbml", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'thecal\[sbml\]'"):
        sbml.of_neuraxis(neuraxis(), GIVEN)


def test_a_formula_that_cannot_be_read_stops_the_program() -> None:
    of = neuraxis()
    writer = sbml._Writer(sbml.library(), of.system, sbml.places(of), "a")
    with pytest.raises(AssertionError, match="cannot read"):
        writer._formula("1 +")


@st.composite
def systems(draw: st.DrawFn) -> System:
    n = draw(st.integers(1, 6))
    rates = st.one_of(st.just(0.0), st.floats(1e-9, 10.0), st.floats(0, 1e-290))
    parent: IntArray = np.array([draw(st.integers(i + 1, n - 1)) for i in range(n - 1)] + [-1], dtype=np.int64)
    up, down, loss = (np.array([draw(rates) for _ in range(n)]) for _ in range(3))
    up[-1] = down[-1] = 0.0
    tree = Tree(parent, up, down, loss, loss * draw(st.sampled_from([0.0, 0.25, 1.0])))
    shares = np.array([[draw(st.floats(0.0, 1.0)) + (1.0 if i == 0 else 0.0)] for i in range(n)])
    plasma = Plasma(draw(st.floats(1.0, 1e5)), *(draw(rates) for _ in range(5)))
    weights = np.array([draw(st.floats(0.0, 2.0)) for _ in range(n)])
    lags = tuple(Lag(f"lag {k}", 0.01, weights, draw(st.floats(0.0, 1.0))) for k in range(draw(st.integers(0, 2))))
    return System(tree, shares / shares.sum(), plasma, lags)


@settings(deadline=None, max_examples=40)
@given(systems(), st.floats(0.0, 1e6), st.randoms(use_true_random=False))
def test_any_system_is_written_as_it_is(system: System, rate: float, chance: Any) -> None:
    text = sbml.of_system(system, Dosing.steady(rate))
    assert sbml.problems(text) == ()
    _, model = model_of(text)
    state = np.array([chance.uniform(0.0, 1e4) for _ in range(system.size)])
    found, true = change_of(model, state), changes(system, state, np.array([rate]))
    np.testing.assert_allclose(found, true, rtol=1e-11, atol=1e-10 * max(1.0, float(np.max(np.abs(true)))))


def ran_elsewhere(text: str, at_s: FloatArray, names: tuple[str, ...]) -> FloatArray:
    """The readings of a file as libroadrunner runs it; its times are from the first instant of the dosing."""
    import roadrunner

    roadrunner.Logger.setLevel(roadrunner.Logger.LOG_ERROR)
    runner = roadrunner.RoadRunner(text)
    runner.integrator.relative_tolerance = 1e-10
    runner.integrator.absolute_tolerance = 1e-10
    readings = [k for k in runner.model.getGlobalParameterIds() if k.startswith("read_")]
    assert len(readings) == len(names)
    found = runner.simulate(times=np.concatenate(([0.0], at_s)).tolist(), selections=["time", *readings])
    return np.asarray(found)[1:, 1:].T


@pytest.mark.parametrize("begun", [False, True])
def test_another_program_finds_the_same(begun: bool) -> None:
    of = neuraxis(cells=20)
    read = channels(of, SITES)
    state = np.random.default_rng(3).uniform(0.0, 100.0, of.system.size) if begun else None
    at_s = np.linspace(900.0, 43_200.0, 48)
    ours = Modes(of.system).run(GIVEN, at_s + GIVEN.t_s[0], read, state=state)
    theirs = ran_elsewhere(sbml.of_neuraxis(of, GIVEN, read, state=state), at_s, read.names)
    assert scaled_error(theirs, ours.values) < 1e-6


@pytest.mark.long
def test_another_program_finds_the_same_with_every_cell() -> None:
    of = neuraxis(cells=200)
    read = channels(of, SITES)
    text = sbml.of_neuraxis(of, GIVEN, read)
    assert sbml.problems(text) == ()
    at_s = np.linspace(600.0, 172_800.0, 288)
    ours = Modes(of.system).run(GIVEN, at_s + GIVEN.t_s[0], read)
    assert scaled_error(ran_elsewhere(text, at_s, read.names), ours.values) < 1e-6
