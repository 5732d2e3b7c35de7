"""All measurements in one run: process time, medians, and ratios where there is something to compare with.

Figures that are kept stand in docs/evidence.md with date and machine. No test asserts a time.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import link
from pump_year import compare

ROOT = Path(__file__).resolve().parent.parent
ORDERS = ("first-patient", "baclofen", "ziconotide-first-fill", "hourly-instead-of-daily")


def process_s(command: list[str], rounds: int) -> float:
    """Median user and system time of a command's process, bytecode compiled."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    taken = []
    for _ in range(rounds + 1):
        before = os.times()
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, env=env)
        after = os.times()
        taken.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return round(statistics.median(taken[1:]), 4)


def review_ms(rounds: int) -> dict[str, float]:
    """Median milliseconds to review each example order that is read already, in this process."""
    from thecal.cli.references import references
    from thecal.therapy.review import review

    known = references(None)
    found = {}
    for name in ORDERS:
        order = known.order(ROOT / "examples" / f"{name}.toml").order
        taken = []
        for _ in range(rounds):
            began = time.process_time()
            review(order, known.formulary)
            taken.append(time.process_time() - began)
        found[name] = round(statistics.median(taken) * 1000, 2)
    return found


def twin_s(rounds: int) -> float:
    """Median seconds for the 90 days of the first patient, order to tip."""
    from thecal.cli.references import references
    from thecal.twin.simulate import simulate

    scenario = references(None).scenario(ROOT / "examples" / "first-patient.toml")
    taken = []
    for _ in range(rounds):
        began = time.process_time()
        simulate(scenario)
        taken.append(time.process_time() - began)
    return round(statistics.median(taken), 3)


def spine() -> dict[str, object]:
    """The spine in a process of its own, which holds its arithmetic to one thread; peers where they are installed."""
    command = [sys.executable, str(ROOT / "bench" / "spine.py"), "--json"]
    return dict(json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout))


def main() -> None:
    thecal = [str(Path(sys.executable).with_name("thecal"))]
    bare = process_s([sys.executable, "-c", "pass"], 9)
    figures = {
        "python": sys.version.split()[0],
        "cores": os.cpu_count(),
        "help_process_s": process_s([*thecal, "--help"], 9),
        "bare_interpreter_process_s": bare,
        "review_in_process_ms": review_ms(21),
        "review_command_process_s": process_s([*thecal, "review", "examples/first-patient.toml"], 3),
        "first_patient_90_days_s": twin_s(3),
        "link": link.figures(),
        "pump_year": [compare(365, 1, headroom) for headroom in (100, 50, 10)],
        "spine": spine(),
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
