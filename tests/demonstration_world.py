"""A small demonstration world for tests: some patients of the file that ships, made as the whole one is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.record_engines import engine_of_run, new_url

from thecal.clinic.record import Store
from thecal.clinic.site import record_address
from thecal.demonstration.making import Making, make_world
from thecal.demonstration.scenario import FILE, read_scenario
from thecal.formulary import load

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from thecal.demonstration.scenario import Scenario

NOW_S = 1_800_000_000
"""15 Jan 2027 08:00 UTC: the moment at which the worlds of tests end."""
STOPPED, UNRESOLVED, BRIDGE, AWAY, NOTICE = "D-1001", "D-1002", "D-1006", "D-1007", "D-1008"
PRESSER = "D-1032"


def some_of(numbers: Sequence[str], days: int = 100) -> Scenario:
    """The file that ships, with these patients alone."""
    scenario = read_scenario(FILE, load())
    patients = tuple(p for p in scenario.patients if p.number in numbers)
    return replace(scenario, days=days, patients=patients)


def small_world(folder: Path, *numbers: str, now_s: int = NOW_S) -> Scenario:
    """Make a world of some patients in a new folder, with its record on the run's engine."""
    scenario = some_of(numbers)
    elsewhere = new_url("postgresql", folder, empty=True) if engine_of_run() == "postgresql" else ""
    make_world(folder, Making(scenario, load(), now_s, "test", elsewhere))
    return scenario


def record_of(folder: Path) -> Store:
    """The record of a world, where its folder says."""
    return Store(record_address(folder, {}), make=False)
