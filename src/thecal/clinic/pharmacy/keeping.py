"""How long a mixture keeps: two clocks apart. The beyond-use day of the syringe ends when the fill begins; how long the
mixture is in the pump is held against what sources say of it there. No source is "unknown", never a default.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from thecal.formulary import FillCondition, Outcome, UnknownDrug, Vessel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thecal.clinic.record.tables import Preparation
    from thecal.formulary import Formulary, Stability
    from thecal.therapy.mixture import Mixture


class Verdict(StrEnum):
    """What a clock says. Only WITHIN is quiet; every other one is shown with a word and a sign."""

    WITHIN = "within"
    BEYOND = "beyond"
    DEGRADES = "degrades"
    UNTESTED = "untested strength"
    NO_REFILL_DAY = "day of the next refill not stated"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Clock:
    """One clock: its verdict, the last day where there is one, what is said, and by whom.

    ``verified`` is False where nobody read the number in its source.
    """

    verdict: Verdict
    until: date | None
    said: str
    source: str
    verified: bool

    @property
    def amber(self) -> bool:
        """Whether somebody has to look."""
        return self.verdict is not Verdict.WITHIN or not self.verified


def syringe_clock(preparation: Preparation) -> Clock:
    """The beyond-use day of the syringe against the day on which it is needed."""
    sheet = preparation.worksheet or {}
    source = str(sheet.get("beyond_use_source", ""))
    if preparation.beyond_use is None or not source:
        return Clock(Verdict.UNKNOWN, None, "no beyond-use day is stated yet", "", verified=False)
    if preparation.beyond_use < preparation.needed_by:
        said = "it ends before the day on which the syringe is needed"
        return Clock(Verdict.BEYOND, preparation.beyond_use, said, source, verified=True)
    return Clock(Verdict.WITHIN, preparation.beyond_use, "the fill begins on or before this day", source, verified=True)


def pump_clocks(preparation: Preparation, mixture: Mixture, formulary: Formulary) -> tuple[Clock, ...]:
    """How long it stays in the pump against every source on exactly these drugs; one "unknown" where there is none."""
    try:
        facts = formulary.stability(mixture.drugs)
    except UnknownDrug as unknown:
        return (Clock(Verdict.UNKNOWN, None, str(unknown), "", verified=False),)
    in_pump = [f for f in facts if f.vessel in (Vessel.PUMP, Vessel.NOT_STATED)]
    clocks = [_clock(preparation, mixture, fact) for fact in in_pump]
    return tuple(clocks) if clocks else (_no_source(facts),)


def _no_source(elsewhere: Sequence[Stability]) -> Clock:
    kept = ", ".join(dict.fromkeys(f.kept for f in elsewhere if f.kept))
    beside = f" (what there is was kept {kept}, and that is not a pump)" if kept else ""
    return Clock(
        Verdict.UNKNOWN, None, f"no source says how long this mixture keeps in a pump{beside}", "", verified=False
    )


def _clock(preparation: Preparation, mixture: Mixture, fact: Stability) -> Clock:
    held = {i.drug: i.concentration for i in mixture.ingredients}
    source, verified = fact.source.name, fact.source.verified
    of_fill = "" if fact.condition is FillCondition.ANY else f" ({fact.condition})"
    if fact.outcome is Outcome.DEGRADES:
        return Clock(
            Verdict.DEGRADES,
            None,
            f"degrades: {fact.remaining or fact.note or 'no figure stated'}{of_fill}",
            source,
            verified=verified,
        )
    if fact.days is None:
        return Clock(Verdict.UNKNOWN, None, f"the source states no time{of_fill}", source, verified=verified)
    until = preparation.needed_by + timedelta(days=fact.days)
    said = f"{fact.days:,} days{' ' + fact.kept if fact.kept else ''}{of_fill}"
    if fact.outside(held):
        return Clock(Verdict.UNTESTED, until, f"{said}, but not at these strengths", source, verified=verified)
    if preparation.refill_by is None or preparation.refill_by <= preparation.needed_by:
        return Clock(
            Verdict.NO_REFILL_DAY,
            until,
            f"{said}; when the pump is refilled again is not stated",
            source,
            verified=verified,
        )
    verdict = Verdict.WITHIN if preparation.refill_by <= until else Verdict.BEYOND
    return Clock(verdict, until, said, source, verified=verified)
