"""What is measured of the spine for one patient: beside the peers, with every state, and against size."""

from __future__ import annotations

import subprocess
import sys
import time
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import spine_cohort
import spine_peers
import spine_problem
from spine_timing import Contestant, exponent, race

from thecal.body.spine.neuraxis import Leaves
from thecal.body.transport import engine
from thecal.body.transport.course import Engine
from thecal.body.transport.modal import Modes
from thecal.body.transport.reduced import Reduced
from thecal.body.transport.system import Channels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from spine_problem import Problem

    from thecal.body.transport.tree import FloatArray

Rows = list[dict[str, object]]
TOLERANCES = {
    "scipy": (1e-6,),
    "sundae": (1e-6,),
    "roadrunner": (1e-6,),
    "amici": (1e-6, 1e-7, 1e-9),
    "amici-parts": (1e-6,),
}
WHOLE = ("amici", "amici-parts")


def ours(problem: Problem, true: FloatArray) -> list[Contestant]:
    """Our engines, from the system to the readings; then a second dosing of a person who is reduced already."""
    held = Reduced(problem.system, problem.channels)
    kinds: list[tuple[str, Engine | None]] = [("default engine", None), ("stepping", Engine.STEPPING)]
    rows = [Contestant(f"Thecal, {name}", partial(_by, problem, problem.channels, kind), true) for name, kind in kinds]
    full = Contestant("Thecal, full modal (reference)", partial(_modal, problem), true)
    again = Contestant(
        "Thecal, reduced already", lambda: held.run(problem.dosing, problem.at_s).values, true, "another dosing"
    )
    return [rows[0], again, rows[1], full]


def _by(problem: Problem, channels: Channels | None, kind: Engine | None) -> FloatArray:
    return engine.run(problem.system, problem.dosing, problem.at_s, channels, engine=kind).values


def _modal(problem: Problem) -> FloatArray:
    return Modes(problem.system).run(problem.dosing, problem.at_s, problem.channels).values


def one_patient(problem: Problem, peers: Sequence[str], days: float, rounds: int) -> Rows:
    """30 days through 16 channels: our engines and those peers that are here, interleaved."""
    modes = Modes(problem.system)
    true = modes.run(problem.dosing, problem.at_s, problem.channels).values
    floor = float(np.min(np.max(modes.run(problem.dosing, problem.at_s).values, axis=1)))
    contestants = ours(problem, true)
    lacking: Rows = []
    for name in peers:
        if spine_peers.missing(name):
            lacking.append({"name": name, "note": f"not installed: {spine_peers.HOW}"})
            continue
        peer = spine_peers.make(name, problem)
        part = problem if name in WHOLE else problem.first(days)
        for tolerance in TOLERANCES[name]:
            note = f"made ready in {peer.ready_s:.0f} s, not counted" if peer.ready_s else ""
            if part.at_s.size < problem.at_s.size:
                note = f"{days:g} days, scaled; {note}".removesuffix("; ")
            contestants.append(
                Contestant(
                    f"{peer.name}, {tolerance:g}",
                    partial(peer.run, part, tolerance, floor),
                    true[:, : part.at_s.size],
                    note,
                    part.at_s.size / problem.at_s.size,
                )
            )
    return [*race(contestants, rounds), *lacking]


def every_state(problem: Problem, peers: Sequence[str], rounds: int) -> Rows:
    """30 days of every state every 10 minutes."""
    true = Modes(problem.system).run(problem.dosing, problem.at_s).values
    floor = float(np.min(np.max(true, axis=1)))
    eye = Channels(tuple(f"state {n}" for n in range(problem.states)), np.eye(problem.states))
    contestants = [
        Contestant("Thecal, default engine", partial(_by, problem, None, None), true),
        Contestant("Thecal, a channel for each state", partial(_by, problem, eye, None), true),
        Contestant("Thecal, full modal", lambda: Modes(problem.system).run(problem.dosing, problem.at_s).values, true),
    ]
    if "amici" not in peers or spine_peers.missing("amici"):
        return race(contestants, rounds)
    peer, of_ours, tolerances = spine_peers.Amici(problem), len(contestants), TOLERANCES["amici"]
    for tolerance in tolerances:
        run = partial(peer.run, problem, tolerance, floor, every_state=True)
        contestants.append(Contestant(f"{peer.name}, {tolerance:g}", run, true))
    rows = race(contestants, rounds)
    for number, row in enumerate(rows[of_ours:]):
        inside_s = median(peer.inside_s[number :: len(tolerances)])
        times = inside_s / min(one.process for one in contestants[:of_ours])
        row["note"] = f"{inside_s * 1000:.0f} ms, {times:.0f} times our quickest, before states are handed to Python"
    return rows


def growth(rounds: int, *, quick: bool) -> dict[str, dict[str, Any]]:
    """How the time of the default engine grows with cells, boluses, days, patients; the exponent of each."""
    cells = (50, 100, 200, 400) if quick else (50, 100, 200, 400, 800, 1600)
    boluses, days = (6, 12, 24, 48, 96), ((8, 15, 30) if quick else (8, 15, 30, 60, 120))
    patients = (10, 20, 40) if quick else (50, 100, 200, 400)
    return {
        "states": _grown({2 * n + 10: _default(spine_problem.problem(cells=n)) for n in cells}, rounds),
        "events": _grown({36 * 30 + 60 * (n - 6): _default(spine_problem.problem(boluses=n)) for n in boluses}, rounds),
        "days": _grown({n: _default(spine_problem.problem(days=n)) for n in days}, rounds),
        "patients": _grown({n: partial(spine_cohort.go, spine_problem.patient, n) for n in patients}, 1),
    }


def _default(problem: Problem) -> Callable[[], object]:
    return partial(_by, problem, problem.channels, None)


def _grown(runs: dict[int, Callable[[], object]], rounds: int) -> dict[str, Any]:
    taken: dict[int, list[float]] = {size: [] for size in runs}
    for run in runs.values():
        run()
    for _ in range(5 * rounds):
        for size, run in runs.items():
            began = time.process_time()
            run()
            taken[size].append(time.process_time() - began)
    sizes, seconds = list(runs), [median(times) for times in taken.values()]
    return {
        "sizes": sizes,
        "process_ms": [round(s * 1000, 2) for s in seconds],
        "exponent": round(exponent(sizes, seconds), 2),
        "exponent_of_the_last_two": round(exponent(sizes[-2:], seconds[-2:]), 2),
    }


FIRST = """
import sys
sys.path.insert(0, "bench")
import spine_problem
from thecal.body.transport import engine
p = spine_problem.problem()
print(engine.run(p.system, p.dosing, p.at_s, p.channels).values.shape)
"""


def first_result(rounds: int) -> dict[str, float]:
    """Seconds from the start of a new process to the readings of 30 days, compiled code cached on disk."""
    walls = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", FIRST], cwd=spine_peers.ROOT, check=True, stdout=subprocess.DEVNULL)
        walls.append(time.perf_counter() - began)
    return {"first_s": round(walls[0], 2), "median_s": round(median(walls[1:]), 2), "least_s": round(min(walls), 2)}


def shipped() -> Problem:
    """The model as it ships."""
    return spine_problem.problem(leaves=Leaves.ALL)
