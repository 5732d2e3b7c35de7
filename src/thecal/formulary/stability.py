"""How long drugs keep together, and in what: facts from labels and studies, never an estimate."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from thecal.formulary.limits import LimitKind, Source
    from thecal.quantities import Concentration


class Vessel(StrEnum):
    """What a mixture was kept in while it was measured; stability in a vial is not stability in a pump."""

    PUMP = "pump"
    VIAL = "vial"
    SYRINGE = "syringe"
    PVC = "PVC"
    IN_VITRO = "in vitro"
    NOT_STATED = "not stated"


class Outcome(StrEnum):
    """What the stability study or label says."""

    STABLE = "stable"
    DEGRADES = "degrades"
    NOT_STATED = "not stated"


class FillCondition(StrEnum):
    """Which fill a stability time is for."""

    ANY = "any"
    FIRST_FILL = "first fill"
    UNDILUTED = "refill, undiluted"
    DILUTED = "refill, diluted"


@dataclass(frozen=True, slots=True)
class StudiedRange:
    """The concentrations of one drug that a study covered, both inclusive; None is an end that it leaves open."""

    drug: str
    low: Concentration | None
    high: Concentration | None

    def covers(self, concentration: Concentration) -> bool:
        """True where ``concentration`` lies in the range."""
        return (self.low is None or self.low <= concentration) and (self.high is None or concentration <= self.high)


@dataclass(frozen=True, slots=True)
class Stability:
    """How long exactly these drugs together keep, in which vessel; ``days`` is how long the study or the label goes.

    ``days`` is None where the source gives no time; a drug that degrades has them too, as how long it was watched.
    ``any_other`` is True where the fact holds for the drugs named together with any other drug. ``kind`` is LABEL
    or CONSENSUS for a limit on use, OBSERVED for a study.
    """

    drugs: frozenset[str]
    kind: LimitKind
    outcome: Outcome
    days: int | None
    source: Source
    remaining: str | None = None
    vessel: Vessel = Vessel.NOT_STATED
    vessel_name: str | None = None
    temperature: str | None = None
    tested: tuple[StudiedRange, ...] = ()
    condition: FillCondition = FillCondition.ANY
    any_other: bool = False
    note: str | None = None

    @property
    def kept(self) -> str:
        """Where it was kept, as a sentence goes on: "in SynchroMed", "in patients"; empty where nothing is stated."""
        if self.vessel_name in ("in vivo", "implanted"):
            return "in patients" if self.vessel_name == "in vivo" else "in implanted pumps"
        if self.vessel_name is not None:
            return f"in {self.vessel_name}"
        if self.vessel is Vessel.NOT_STATED:
            return ""
        return {Vessel.IN_VITRO: "in vitro", Vessel.PVC: "in PVC"}.get(self.vessel, f"in a {self.vessel}")

    def holds_for(self, drugs: frozenset[str]) -> bool:
        """True where the fact is about exactly this set of drugs."""
        return self.drugs < drugs if self.any_other else self.drugs == drugs

    def outside(self, concentrations: Mapping[str, Concentration]) -> tuple[StudiedRange, ...]:
        """The tested ranges that these concentrations do not lie in; a drug without a concentration is outside."""
        return tuple(r for r in self.tested if r.drug not in concentrations or not r.covers(concentrations[r.drug]))
