"""The spine, timed: one patient beside other solvers, a thousand patients, every state, growth with size, first result.

Times are medians of interleaved rounds; where the machine is shared, ratios of processor time say more than those of
wall time, and both are printed. Errors are true ones: the greatest difference from the full modal engine over all times
and channels, each scaled by its greatest value. One thread. Peers come by ``pip install -r requirements-peers.lock``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING, Any

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"

import spine_cohort  # noqa: E402 -- the number of threads is read when numpy is imported
import spine_peers  # noqa: E402 -- the same
import spine_problem  # noqa: E402 -- the same
import spine_runs  # noqa: E402 -- the same

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PARTS = ("one", "shipped", "states", "cohort", "shipped-cohort", "workers", "memory", "growth", "first")
QUICK = ("one", "states", "cohort", "growth", "first")


def asked() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under a minute: no peers, fewer rounds and patients")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--days", type=float, default=1.0, help="days that the slow peers run, then scaled")
    parser.add_argument("--patients", type=int, default=1000)
    parser.add_argument("--peers", nargs="*", choices=list(spine_peers.PEERS), default=list(spine_peers.PEERS))
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    found = parser.parse_args()
    if found.quick:
        found.rounds, found.patients, found.peers = 3, 50, []
        found.only = [part for part in found.only if part in QUICK]
    return found


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """The figures of each part that is wanted, in order."""
    parts: Mapping[str, Callable[[], Any]] = {
        "one": lambda: spine_runs.one_patient(spine_problem.problem(), args.peers, args.days, args.rounds),
        "shipped": lambda: spine_runs.one_patient(
            spine_runs.shipped(), [p for p in args.peers if p == "amici"], args.days, args.rounds
        ),
        "states": lambda: spine_runs.every_state(spine_problem.problem(), args.peers, args.rounds),
        "cohort": lambda: spine_cohort.patients(args.patients, args.rounds),
        "shipped-cohort": lambda: spine_cohort.shipped(args.patients, args.rounds),
        "workers": lambda: spine_cohort.workers(args.patients, args.rounds),
        "memory": lambda: spine_cohort.memory((250, 1000, 4000)),
        "growth": lambda: spine_runs.growth(args.rounds, quick=args.quick),
        "first": lambda: spine_runs.first_result(args.rounds),
    }
    figures: dict[str, Any] = {"python": sys.version.split()[0], "cores": os.cpu_count(), "rounds": args.rounds}
    for name in args.only:
        if not args.json:
            print(f"... {name}", file=sys.stderr, flush=True)
        figures[name] = parts[name]()
    return figures


HEADS = {
    "one": "One patient, test problem: 410 states, 30 days, 16 channels every 10 minutes",
    "shipped": "One patient, the model as it ships: 810 states, the same dosing and channels",
    "states": "Every state every 10 minutes, test problem",
    "cohort": "Virtual patients, each with a physiology of its own, 30 days, 16 channels, one core",
    "shipped-cohort": "The same patients with epidural and fat leaves",
    "workers": "Two worker processes against a plain calibration loop",
    "memory": "Greatest resident memory against the size of the cohort, results streamed",
    "growth": "Time of the default engine against size (exponent 1: linearly)",
    "first": "First result in a new process, compiled code cached",
}
COLUMNS = ("wall_ms", "process_ms", "ratio_wall", "ratio_process", "error")


def table(figures: Mapping[str, Any]) -> str:
    """The figures for people."""
    lines = []
    for part, found in figures.items():
        if part not in HEADS:
            lines.append(f"{part}: {found}")
            continue
        lines += ["", HEADS[part]]
        if not isinstance(found, list):
            lines += [f"  {name}: {value}" for name, value in found.items()]
            continue
        lines.append(f"  {'':36}" + "".join(f"{c:>15}" for c in COLUMNS))
        for row in found:
            cells = "".join(f"{_short(row.get(c)):>15}" for c in COLUMNS)
            lines.append(f"  {row['name']:36}{cells}  {row['note']}".rstrip())
    return "\n".join(lines)


def _short(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,.4g}" if isinstance(value, float) and abs(value) < 1e5 and abs(value) >= 1e-3 else f"{value:.3g}"


def main() -> None:
    args = asked()
    figures = measure(args)
    print(json.dumps(figures, indent=2) if args.json else table(figures))


if __name__ == "__main__":
    main()
