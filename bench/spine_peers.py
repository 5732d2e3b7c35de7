"""The same problem by other people's solvers, each driven in the quickest fair way that was found.

Right-hand sides jump at each of the 36 changes of rate a day, so every solver restarts there. All get the same
relative tolerance, and that share of the least of the states' greatest amounts as the absolute one. A peer that is
missing is said to be so; ``pip install -r requirements-peers.lock`` brings them.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import sys
import time
import warnings
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spine_problem import Problem

    from thecal.body.transport.tree import FloatArray

ROOT = Path(__file__).resolve().parent.parent
HOW = "pip install -r requirements-peers.lock"


class Peer(Protocol):
    """A solver: made ready once, then run and timed."""

    name: str
    how: str
    ready_s: float

    def run(self, problem: Problem, tolerance: float, floor: float, *, every_state: bool = False) -> FloatArray:
        """Readings (channels, times), or every state (states, times)."""


def segments(problem: Problem) -> Iterator[tuple[float, float, float, FloatArray]]:
    """Stretches of one rate: begin, end, rate, and the times to look at in them, the last of which may be the end."""
    dosing, end = problem.dosing, float(problem.at_s[-1])
    instants = np.append(dosing.t_s[dosing.t_s < end], end)
    for number, (a, b) in enumerate(pairwise(instants)):
        low, high = np.searchsorted(problem.at_s, [a, b], side="right")
        yield float(a), float(b), float(dosing.rate_ng_per_s[0, number]), problem.at_s[low:high]


def whole_matrix(problem: Problem) -> Any:
    """The system as one sparse matrix over all states, rows compressed."""
    from scipy import sparse

    s = problem.system
    return sparse.bmat([[s.tree.matrix, None], [s.feed, s.below]], format="csr")


def given(problem: Problem) -> FloatArray:
    """What a ng/s gives to each state."""
    return np.concatenate((problem.system.inputs[:, 0], np.zeros(problem.states - problem.system.tree.size)))


class ScipyBdf:
    """scipy.integrate.solve_ivp, method BDF, with the sparse Jacobian, a call for each stretch."""

    name = "scipy BDF"
    how = "sparse Jacobian given, one call for each stretch"
    ready_s = 0.0

    def run(self, problem: Problem, tolerance: float, floor: float, *, every_state: bool = False) -> FloatArray:
        from scipy.integrate import solve_ivp

        matrix, b = whole_matrix(problem), given(problem)
        jacobian, x, kept = matrix.tocsc(), np.zeros(problem.states), []
        for begin, end, rate, looks in segments(problem):
            add = b * rate
            looked = looks if looks.size and looks[-1] == end else np.append(looks, end)
            found = solve_ivp(
                lambda _, y, add=add: matrix @ y + add, (begin, end), x, method="BDF", t_eval=looked, rtol=tolerance,
                atol=tolerance * floor, jac=jacobian,
            )  # fmt: skip
            x = found.y[:, -1]
            kept.append(found.y[:, : looks.size])
        return _read(np.concatenate(kept, axis=1), problem, every_state)


class Sundae:
    """CVODE of SUNDIALS by scikit-SUNDAE: sparse direct solver with the Jacobian, compiled right-hand side."""

    name = "scikit-SUNDAE CVODE"
    how = "sparse solver and Jacobian, right-hand side compiled by numba, restarted for each stretch"
    ready_s = 0.0

    def run(self, problem: Problem, tolerance: float, floor: float, *, every_state: bool = False) -> FloatArray:
        from sksundae.cvode import CVODE

        matrix, b, rate_now = whole_matrix(problem), given(problem), np.zeros(1)
        columns = matrix.tocsc()
        columns.sort_indices()
        multiply, rows = _multiply(), (matrix.data, matrix.indices, matrix.indptr)

        def change(_t: float, y: FloatArray, dy: FloatArray) -> None:
            multiply(rows, y, b, rate_now[0], dy)

        def jacobian(_t: float, _y: FloatArray, _dy: FloatArray, found: FloatArray) -> None:
            found[:] = columns.data

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # it says that it takes the Jacobian that it is given
            solver = CVODE(
                change, method="BDF", rtol=tolerance, atol=tolerance * floor, linsolver="sparse", sparsity=columns,
                jacfn=jacobian, max_num_steps=100_000, nthreads=1,
            )  # fmt: skip
        x, kept = np.zeros(problem.states), []
        for begin, end, rate, looks in segments(problem):
            rate_now[0] = rate
            looked = looks if looks.size and looks[-1] == end else np.append(looks, end)
            found = solver.solve(np.concatenate(([begin], looked)), x)
            if not found.success:
                raise RuntimeError(f"CVODE: {found.message}")
            x = found.y[-1]
            # with two times it returns every step of its own between them
            kept.append(found.y[-1:][: looks.size] if looked.size == 1 else found.y[1 : looks.size + 1])
        return _read(np.concatenate(kept).T, problem, every_state)


class RoadRunner:
    """libroadrunner over the exported SBML file, its rate set for each stretch and its integrator restarted."""

    name = "libroadrunner"
    how = "exported SBML, CVODE with its own dense solver, rate set and restarted for each stretch"

    def __init__(self, problem: Problem) -> None:
        import roadrunner

        began = time.perf_counter()
        roadrunner.Logger.setLevel(roadrunner.Logger.LOG_ERROR)
        self.model = roadrunner.RoadRunner(_without_events(problem))
        self.ready_s = time.perf_counter() - began
        self.readings = [k for k in self.model.model.getGlobalParameterIds() if k.startswith("read_")]
        self.states = _state_keys(problem)

    def run(self, problem: Problem, tolerance: float, floor: float, *, every_state: bool = False) -> FloatArray:
        model = self.model
        model.resetToOrigin()
        model.timeCourseSelections = self.states if every_state else self.readings
        model.integrator.relative_tolerance = tolerance
        model.integrator.setValue("absolute_tolerance", tolerance * floor)
        kept = []
        for begin, end, rate, looks in segments(problem):
            model.setValue("rate_1", rate)
            model.integrator.restart(begin)
            looked = looks if looks.size and looks[-1] == end else np.append(looks, end)
            found = np.asarray(model.simulate(times=np.concatenate(([begin], looked))))
            kept.append(found[1 : looks.size + 1])
        return np.concatenate(kept).T


class Amici:
    """CVODES with KLU by AMICI: compiled from the exported SBML with every change of rate as an event at a known time.

    One call runs all days. Sensitivities are off and the list of parameters to differentiate for is empty: left as it
    comes it holds every parameter, and each time looked at then allocates an array for each of them, which alone took
    forty times longer than the solver.
    """

    name = "AMICI (CVODES, KLU)"
    how = "compiled from the exported SBML, changes of rate as events at known times, one call, no sensitivities"

    def __init__(self, problem: Problem) -> None:
        from thecal.body.spine import sbml

        self.model, self.ready_s = amici_model(sbml.of_system(problem.system, problem.dosing, problem.channels))
        self.model.set_parameter_list(())
        self.inside_s: list[float] = []  # of each run, without handing what was found over to Python
        names = list(self.model.get_state_ids())
        self.order = [names.index(key) for key in _state_keys(problem)]

    def run(self, problem: Problem, tolerance: float, floor: float, *, every_state: bool = False) -> FloatArray:
        from amici._installation import amici as native
        from amici.sim import sundials

        model, solver = self.model, self.model.create_solver()
        solver.set_relative_tolerance(tolerance)
        solver.set_absolute_tolerance(tolerance * floor)
        solver.set_linear_solver(sundials.LinearSolver_KLU)
        solver.set_sensitivity_order(sundials.SensitivityOrder.none)
        solver.set_max_steps(10_000_000)
        if not every_state:
            solver.set_return_data_reporting_mode(sundials.RDataReporting_observables_likelihood)
        model.set_timepoints(problem.at_s)
        found = native.run_simulation(solver.get(), None, model.get())
        if found.status != 0:
            raise RuntimeError(f"AMICI ended with status {found.status}")
        self.inside_s.append(found.cpu_time_total / 1000)
        view = sundials.ReturnDataView(found)
        return np.asarray(view.x.T[self.order] if every_state else view.y.T)


def amici_model(text: str) -> tuple[Any, float]:
    """A compiled model of an SBML file, kept under out/peers, and the seconds that compiling it took."""
    import amici.sim.sundials  # noqa: F401 -- a compiled model looks for it
    from amici import MeasurementChannel, import_model_module
    from amici.importers.sbml import SbmlImporter

    name = f"spine_{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    folder = ROOT / "out" / "peers" / name
    said = folder / "ready.json"
    if not said.exists():
        began = time.perf_counter()
        # cmake and swig come as packages whose commands stand beside the interpreter
        os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        importer = SbmlImporter(text, from_file=False)
        rules = [p.getId() for p in importer.sbml_model.getListOfParameters() if p.getId().startswith("read_")]
        importer.sbml2amici(
            name, folder, observation_model=[MeasurementChannel(id_=f"y_{r}", formula=r) for r in rules],
            compute_conservation_laws=False, generate_sensitivity_code=False,
        )  # fmt: skip
        said.write_text(json.dumps({"compile_s": round(time.perf_counter() - began, 1)}))
    model = import_model_module(name, folder).get_model()
    return model, float(json.loads(said.read_text())["compile_s"])


class AmiciByParts(Amici):
    """The same model without events: the state and the rate are handed over by the API for each stretch."""

    name = "AMICI, by parts"
    how = "compiled from the exported SBML, one call for each stretch, state handed over in Python"

    def __init__(self, problem: Problem) -> None:
        self.model, self.ready_s = amici_model(_without_events(problem))
        self.model.set_parameter_list(())

    def run(self, problem: Problem, tolerance: float, floor: float, *, every_state: bool = False) -> FloatArray:
        from amici._installation import amici as native
        from amici.sim import sundials

        model, solver = self.model, self.model.create_solver()
        solver.set_relative_tolerance(tolerance)
        solver.set_absolute_tolerance(tolerance * floor)
        solver.set_linear_solver(sundials.LinearSolver_KLU)
        solver.set_sensitivity_order(sundials.SensitivityOrder.none)
        solver.set_max_steps(10_000_000)
        x, kept = np.zeros(problem.states), []
        for begin, end, rate, looks in segments(problem):
            looked = looks if looks.size and looks[-1] == end else np.append(looks, end)
            model.set_t0(begin)
            model.set_timepoints(looked)
            model.set_initial_state(x)
            model.set_free_parameter_by_id("rate_1", rate)
            found = native.run_simulation(solver.get(), None, model.get())
            if found.status != 0:
                raise RuntimeError(f"AMICI ended with status {found.status}")
            view = sundials.ReturnDataView(found)
            x = view.x[-1]
            kept.append((view.x if every_state else view.y)[: looks.size])
        return np.concatenate(kept).T


def _read(states: FloatArray, problem: Problem, every_state: bool) -> FloatArray:
    return states if every_state else problem.channels.weights @ states


def _without_events(problem: Problem) -> str:
    from thecal.body.spine import sbml
    from thecal.body.transport.dosing import Dosing

    return sbml.of_system(problem.system, Dosing.steady(0.0), problem.channels)


def _state_keys(problem: Problem) -> list[str]:
    """Names of the states in the exported file, in the order of the state."""
    text = _without_events(problem)
    species = re.findall(r'<species id="([^"]+)"', text)
    return species + re.findall(r'<rateRule variable="([^"]+)"', text)


def _multiply() -> Any:
    import numba

    @numba.njit
    def multiply(matrix, y, b, rate, dy):  # type: ignore[no-untyped-def]
        data, indices, starts = matrix
        for row in range(dy.size):
            total = b[row] * rate
            for k in range(starts[row], starts[row + 1]):
                total += data[k] * y[indices[k]]
            dy[row] = total

    return multiply


PEERS: dict[str, tuple[str, ...]] = {
    "scipy": ("scipy",),
    "sundae": ("sksundae",),
    "roadrunner": ("roadrunner", "libsbml"),
    "amici": ("amici", "libsbml"),
    "amici-parts": ("amici", "libsbml"),
}


def missing(peer: str) -> str:
    """The first package that a peer lacks here; nothing where it can run."""
    return next((p for p in PEERS[peer] if importlib.util.find_spec(p) is None), "")


def make(peer: str, problem: Problem) -> Peer:
    """A peer, made ready for a problem."""
    if peer == "scipy":
        return ScipyBdf()
    if peer == "sundae":
        return Sundae()
    if peer == "roadrunner":
        return RoadRunner(problem)
    return Amici(problem) if peer == "amici" else AmiciByParts(problem)
