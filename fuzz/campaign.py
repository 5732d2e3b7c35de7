"""Search for bytes that break a promise, guided by which lines they reach (atheris, that is libFuzzer).

    python -m fuzz.campaign handler --seconds 60
    python -m fuzz.campaign --seconds 60            every target in turn, each in a process of its own

What opens new lines is kept in fuzz/corpus/<target>, small, and the tests replay it. A finding ends the run with the
bytes in a file out/fuzz/crash-*.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

CORPUS = Path(__file__).resolve().parent / "corpus"
OUT = CORPUS.parent.parent / "out" / "fuzz"
MOST_BYTES = 2048


def search(name: str, seconds: int) -> None:
    """Search one target in this process, from the seeds and what was kept; it ends the process."""
    import atheris

    with atheris.instrument_imports(include=["thecal", "cbor2", "aiocoap"], enable_loader_override=False):
        from fuzz.targets import TARGETS, seeds

    OUT.mkdir(parents=True, exist_ok=True)
    kept = CORPUS / name
    kept.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(name)):
        (kept / f"seed-{number:02}").write_bytes(seed)
    options = (f"-max_total_time={seconds}", "-timeout=10", f"-artifact_prefix={OUT}/")
    _libfuzzer(TARGETS[name], *options, str(kept))


def _libfuzzer(target: Callable[[bytes], None], *options: str) -> None:
    import atheris

    atheris.Setup([sys.argv[0], f"-max_len={MOST_BYTES}", "-print_final_stats=1", *options], target)
    atheris.Fuzz()


def run(name: str, seconds: int) -> bool:
    """Search one target in a process of its own, and keep what is new; whether nothing was found."""
    print(f"{name}: {seconds} s", flush=True)
    words = [sys.executable, "-m", "fuzz.campaign", name, "--seconds", str(seconds)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    lines = done.stderr.splitlines()
    stats = [line.removeprefix("stat::") for line in lines if line.startswith("stat::")]
    print("  " + "; ".join(" ".join(s.split()) for s in stats[:3]), flush=True)
    if done.returncode:
        print("\n".join(lines[-40:]))
    return done.returncode == 0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Search for bytes that break a promise.")
    parser.add_argument("target", nargs="?", help="one target; all where it is left out")
    parser.add_argument("--seconds", type=int, default=60, help="how long for each target")
    chosen = parser.parse_args(arguments)
    if chosen.target:
        search(chosen.target, chosen.seconds)
    from fuzz.targets import TARGETS  # only now: what is imported before a search is not instrumented

    failed = [name for name in TARGETS if not run(name, chosen.seconds)]
    print("found: " + (", ".join(failed) or "nothing"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
