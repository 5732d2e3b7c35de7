"""Runs side by side: each contestant once a round, again and again, so that a busy machine is busy for all of them."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from thecal.body.transport.course import scaled_error

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from thecal.body.transport.tree import FloatArray

SHORT_S = 0.1


@dataclass
class Contestant:
    """What is timed. ``share`` is the part of the problem that it runs; its times are scaled up by that."""

    name: str
    run: Callable[[], FloatArray]
    true: FloatArray
    note: str = ""
    share: float = 1.0
    wall_s: list[float] = field(default_factory=list)
    process_s: list[float] = field(default_factory=list)
    error: float = 0.0

    def once(self) -> None:
        """One round: what is over in less than a tenth of a second is run until then, and its median counts."""
        walls, processes = list[float](), list[float]()
        while not walls or (sum(walls) < SHORT_S and len(walls) < 200):
            wall, process = time.perf_counter(), time.process_time()
            found = self.run()
            processes.append(time.process_time() - process)
            walls.append(time.perf_counter() - wall)
        self.wall_s.append(statistics.median(walls) / self.share)
        self.process_s.append(statistics.median(processes) / self.share)
        self.error = max(self.error, scaled_error(found, self.true))

    @property
    def wall(self) -> float:
        """Median wall seconds of a run of the whole problem."""
        return statistics.median(self.wall_s)

    @property
    def process(self) -> float:
        """Median processor seconds."""
        return statistics.median(self.process_s)

    def as_json(self, first: Contestant) -> dict[str, object]:
        """Times, their ratios to those of the first contestant, and the true error."""
        return {
            "name": self.name,
            "wall_ms": round(self.wall * 1000, 3),
            "process_ms": round(self.process * 1000, 3),
            "least_wall_ms": round(min(self.wall_s) * 1000, 3),
            "ratio_wall": round(self.wall / first.wall, 1),
            "ratio_process": round(self.process / first.process, 1),
            "error": float(f"{self.error:.2g}"),
            "note": self.note,
        }


def race(contestants: Sequence[Contestant], rounds: int) -> list[dict[str, object]]:
    """Each once to warm up, then ``rounds`` rounds; the first contestant is what the others are held against."""
    for one in contestants:
        one.run()
    for _ in range(rounds):
        for one in contestants:
            one.once()
    return [one.as_json(contestants[0]) for one in contestants]


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """The power of size with which time grows, by least squares on logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
