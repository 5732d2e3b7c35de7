"""What is looked at when somebody is watched, and on which scale: data with its sources (``watching.toml``)."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thecal.clinic.observing import kinds
from thecal.formulary.limits import Source

if TYPE_CHECKING:
    from collections.abc import Mapping

_FILE = Path(__file__).with_name("watching.toml")


@dataclass(frozen=True, slots=True)
class Plan:
    """How long somebody is watched and when what is looked at, in minutes from the beginning."""

    why: str
    what: str
    minutes: int
    at_minutes: tuple[int, ...]
    look: tuple[str, ...]
    source: Source


@dataclass(frozen=True, slots=True)
class Scale:
    """A score: whole numbers from ``low`` to ``high``; ``source`` says whose it is."""

    id: str
    name: str
    scale: str
    low: int
    high: int
    source: str


@cache
def _read() -> dict[str, Any]:
    return tomllib.loads(_FILE.read_text("utf-8"))


@cache
def plans() -> Mapping[str, Plan]:
    """Every plan by why somebody is watched."""
    return {
        r["why"]: Plan(
            r["why"], r["what"], r["minutes"], tuple(r["at_minutes"]), tuple(r["look"]), Source(**r["source"])
        )
        for r in _read()["plan"]
    }


@cache
def scales() -> Mapping[str, Scale]:
    """Every score that a plan may ask for: the clinic's observations."""
    return {k.code: Scale(k.code, k.name, k.scale, k.low, k.high, k.source) for k in kinds().values()}


def late_after_s() -> int:
    """After so long a score is late."""
    return int(_read()["limits"]["late_after_minutes"]) * 60


def missed_after_s() -> int:
    """After so long it is missed."""
    return int(_read()["limits"]["missed_after_minutes"]) * 60
