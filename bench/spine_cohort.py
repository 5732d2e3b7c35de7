"""Virtual patients by the thousand: time for each, error of each, two workers, and memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import spine_problem
from spine_peers import ROOT, ScipyBdf

from thecal.body.spine.neuraxis import Leaves
from thecal.body.transport.cohort import Workers, run_cohort
from thecal.body.transport.course import scaled_error
from thecal.body.transport.modal import Modes
from thecal.body.transport.untrusted import UntrustedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from thecal.body.transport.cohort import Cohort, Keep, Patient
    from thecal.body.transport.tree import FloatArray

CHUNK = 25
AIM = 1e-6
REFERENCE = 1e-8  # what the full modal engine itself may be off by where its scale ratio is great


def forget(_first: int, _values: object) -> None:
    """Keep nothing of a chunk."""


def go(patients: Callable[[int], Patient], count: int, keep: Keep = forget, workers: Workers | int = 1) -> Cohort:
    """A cohort under the dosing of the problem, streamed."""
    given, at_s = spine_problem.dosing(), spine_problem.looks()
    return run_cohort(patients, count, given, at_s, keep=keep, workers=workers, chunk=CHUNK)


def patients(count: int, rounds: int, leaves: Leaves = Leaves.TISSUE) -> dict[str, Any]:
    """Milliseconds for each patient from his system to his readings, on one core, and the true error of every one."""
    make = partial(spine_problem.patient, leaves=leaves)
    began = time.process_time()
    people = [make(number) for number in range(count)]
    build_ms = (time.process_time() - began) / count * 1000
    walls, processes = [], []
    go(people.__getitem__, min(count, 10))
    for _ in range(rounds):
        wall, process = time.perf_counter(), time.process_time()
        go(people.__getitem__, count)
        processes.append((time.process_time() - process) / count * 1000)
        walls.append((time.perf_counter() - wall) / count * 1000)
    errors: list[float] = []
    judged: list[str] = []

    def judge(first: int, values: Any) -> None:
        for one, found in zip(people[first : first + CHUNK], values, strict=True):
            by, true = truth(one)
            judged.append(by)
            errors.append(scaled_error(found[:, : true.shape[1]], true))

    found = go(people.__getitem__, count, judge)
    bound = found.time_error
    sure = [n for n, by in enumerate(judged) if by == "full modal" and errors[n] > REFERENCE]
    engines = Counter(str(engine) for engine in found.engine)
    return {
        "patients": count,
        "states": people[0].system.size,
        "ms_each_wall": round(median(walls), 3),
        "ms_each_process": round(median(processes), 3),
        "least_ms_each_process": round(min(processes), 3),
        "build_ms_each_not_counted": round(build_ms, 3),
        "engines": dict(engines),
        "held_against": dict(Counter(judged)),
        "refused": len(found.refused),
        "greatest_error": float(f"{max(errors):.2g}"),
        "median_error": float(f"{median(errors):.2g}"),
        "over_1e-6": sum(not e <= AIM for e in errors),
        "truth_over_what_was_stated": round(max((errors[n] / bound[n] for n in sure), default=0.0), 2),
    }


def truth(one: Patient) -> tuple[str, FloatArray]:
    """The readings of a patient by the full modal engine; where that loses digits, two days of them by scipy."""
    given, at_s = spine_problem.dosing(), spine_problem.looks()
    whole = spine_problem.Problem("patient", one.system, given, at_s, one.channels)
    try:
        return "full modal", Modes(one.system).run(given, at_s, one.channels).values
    except UntrustedError:
        return "scipy BDF 1e-9, 2 days", ScipyBdf().run(whole.first(2), 1e-9, 100.0)


def burn(first: int, count: int) -> float:
    """A plain loop of arithmetic that touches no memory, some milliseconds for each of ``count``."""
    x = float(first)
    for n in range(60_000 * count):
        x = x * 0.999_999 + n
    return x


def _loop(workers: Workers, count: int) -> None:
    parts = range(0, count, CHUNK)
    list(workers.pool.map(burn, parts, [min(CHUNK, count - first) for first in parts]))


def _cohort(workers: Workers, count: int) -> None:
    go(spine_problem.patient, count, forget, workers)


def workers(count: int, rounds: int) -> dict[str, Any]:
    """Speed-up that two processes give, for patients (made there) and for a loop, interleaved; least times count."""
    taken: dict[str, list[float]] = {}
    with Workers(1) as one, Workers(2) as two:
        jobs = [(n, kind, run) for kind, run in (("loop", _loop), ("cohort", _cohort)) for n in (one, two)]
        for crew, _, run in jobs:
            run(crew, 4 * CHUNK)
        for _ in range(rounds):
            for crew, kind, run in jobs:
                began = time.perf_counter()
                run(crew, count)
                taken.setdefault(f"{kind} {crew.count}", []).append(time.perf_counter() - began)
    best = {name: min(times) for name, times in taken.items()}
    pairs = {kind: [a / b for a, b in zip(taken[f"{kind} 1"], taken[f"{kind} 2"], strict=True)] for kind in KINDS}
    loop, cohort = (best[f"{kind} 1"] / best[f"{kind} 2"] for kind in KINDS)
    return {
        "patients": count,
        "least_s": {name: round(s, 2) for name, s in best.items()},
        "speed_up": {"loop": round(loop, 2), "cohort": round(cohort, 2)},
        "share_of_the_loops": round(cohort / loop, 3),
        "median_share_of_rounds": round(median(c / k for k, c in zip(*pairs.values(), strict=True)), 3),
    }


KINDS = ("loop", "cohort")

MEMORY = """
import json, sys
sys.path.insert(0, "bench")
import spine_cohort, spine_problem
spine_cohort.go(spine_problem.patient, 50)
begun = spine_cohort.most_resident_kb()
spine_cohort.go(spine_problem.patient, int(sys.argv[1]))
print(json.dumps([begun, spine_cohort.most_resident_kb()]))
"""


def most_resident_kb() -> int:
    """The greatest resident memory of this process so far (Linux; what getrusage says may be that of its parent)."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM:")))


def memory(counts: tuple[int, ...]) -> dict[str, Any]:
    """Greatest resident memory (MB) of a process after 50 patients and after all of them."""
    found = {}
    for count in counts:
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, str(count)], cwd=ROOT, check=True, capture_output=True, text=True
        )
        begun, most = json.loads(done.stdout)
        found[str(count)] = {"after_50_mb": round(begun / 1024, 1), "greatest_mb": round(most / 1024, 1)}
    return found


def shipped(count: int, rounds: int) -> dict[str, Any]:
    """The same patients with epidural and fat leaves."""
    return patients(count, rounds, Leaves.ALL)
