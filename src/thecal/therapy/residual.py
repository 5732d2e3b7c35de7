"""The gap between what the reservoir should hold and what was found: which published rules it fires, and causes.

What comes in is what was programmed and measured at a visit; what goes out is a report. No outcome here says that
all is well: a fill beside the reservoir can leave an unremarkable residual, so volume alone proves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from thecal.quantities import Volume
from thecal.therapy.published import Direction, Measure
from thecal.therapy.refill import account

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    from thecal.therapy.published import GapRule

SHOWN = 6  # gaps that a trend shows (users-and-interfaces journey J4)


@dataclass(frozen=True, slots=True)
class Visit:
    """What is known at a refill; None is what nobody measured.

    ``filled`` is what the reservoir held after the fill before, ``programmed`` what it was programmed to deliver
    since, boluses included, ``aspirated`` what was drawn out. ``injected`` and ``measured_after`` belong to the new
    fill: what went in and what the reservoir was then measured to hold.
    """

    reservoir: Volume
    filled: Volume | None = None
    programmed: Volume | None = None
    aspirated: Volume | None = None
    injected: Volume | None = None
    measured_after: Volume | None = None

    @property
    def expected(self) -> Volume | None:
        """The residual by the program; None where the fill or the program is not known."""
        if self.filled is None or self.programmed is None:
            return None
        return account(self.filled, self.programmed).residual

    @property
    def difference(self) -> Volume | None:
        """Expected less aspirated: above zero where less was found (device-facts F10)."""
        if self.expected is None or self.aspirated is None:
            return None
        return self.expected - self.aspirated

    @property
    def share(self) -> Fraction | None:
        """The difference as a part of what was expected; None where nothing was expected."""
        if self.difference is None or not self.expected:
            return None
        return self.difference / self.expected

    @property
    def over_programmed(self) -> Fraction | None:
        """How far delivery was above the program, as a part of the programmed volume; below zero where it was less."""
        if self.filled is None or self.aspirated is None or not self.programmed:
            return None
        return (self.filled - self.aspirated) / self.programmed - 1

    @property
    def after_refill(self) -> Volume | None:
        """Injected less measured after the refill: above zero where less was found."""
        if self.injected is None or self.measured_after is None:
            return None
        return self.injected - self.measured_after


class RuleOutcome(StrEnum):
    """What became of one rule."""

    FIRED = "fired"
    NOT_FIRED = "did not fire"
    NOT_JUDGED = "could not be judged"


@dataclass(frozen=True, slots=True)
class Judged:
    """One rule with its outcome, what was observed (mL or a part), and why it could not be judged."""

    rule: GapRule
    outcome: RuleOutcome
    observed: Volume | Fraction | None
    why: str


class Verdict(StrEnum):
    """What the rules say together. None of them says that the refill went well."""

    FIRED = "a gap rule fired: look for the cause before going on"
    UNPROVEN = "no gap rule fired; volume alone does not prove that the drug is where it should be"
    NOT_JUDGED = "no rule fired, but not every rule could be judged; volume alone proves nothing"


class Cause(StrEnum):
    """What to consider."""

    POCKET_FILL = "drug beside the reservoir at a refill (pocket fill)"
    WRONG_VOLUME = "a wrong volume entered at a fill"
    OVER_INFUSION = "the pump delivers more than programmed"
    INCOMPLETE_ASPIRATION = "the reservoir was not emptied by the aspiration"
    LEAK = "a leak of reservoir, tubing or catheter connection"
    DIVERSION = "drug taken out by someone (diversion)"
    UNDER_INFUSION = "the pump delivers less than programmed"
    CATHETER = "a kinked or blocked catheter"
    STOPPED = "the pump stood still for a time (stall, magnet field, stopped and not restarted)"
    ADDED = "fluid put in by someone"


LESS_LEFT = (
    Cause.POCKET_FILL,
    Cause.WRONG_VOLUME,
    Cause.OVER_INFUSION,
    Cause.INCOMPLETE_ASPIRATION,
    Cause.LEAK,
    Cause.DIVERSION,
)
MORE_LEFT = (
    Cause.UNDER_INFUSION,
    Cause.CATHETER,
    Cause.STOPPED,
    Cause.WRONG_VOLUME,
    Cause.POCKET_FILL,
    Cause.ADDED,
)


def _observed(visit: Visit, measure: Measure) -> Volume | Fraction | None:
    match measure:
        case Measure.RESIDUAL:
            return visit.difference
        case Measure.AFTER_REFILL:
            return visit.after_refill
        case Measure.DELIVERED:
            return visit.over_programmed
        case _:
            return visit.share


def _size(amount: Volume | Fraction) -> Fraction:
    return amount.number("mL") if isinstance(amount, Volume) else amount


def judge(rule: GapRule, visit: Visit) -> Judged:
    """One rule on one visit; it fires only above its bound, not at it."""
    if rule.reservoir is not None and rule.reservoir != visit.reservoir:
        why = f"published for a {rule.reservoir.text('mL')} reservoir; this one holds {visit.reservoir.text('mL')}"
        return Judged(rule, RuleOutcome.NOT_JUDGED, None, why)
    observed = _observed(visit, rule.measure)
    if observed is None:
        return Judged(rule, RuleOutcome.NOT_JUDGED, None, f"a volume for the measure '{rule.measure}' is missing")
    size = _size(observed) if rule.direction is Direction.OVER else abs(_size(observed))
    fired = size > _size(rule.more_than)
    return Judged(rule, RuleOutcome.FIRED if fired else RuleOutcome.NOT_FIRED, observed, "")


def causes(visit: Visit, early: Fraction) -> tuple[Cause, ...]:
    """What to consider, most likely first; with an unknown difference both directions are listed.

    Where less was found than expected by more than the part ``early``, a wrong volume entered comes first.
    """
    if visit.difference is None:
        return tuple(dict.fromkeys((*LESS_LEFT, *MORE_LEFT)))
    if visit.difference.value < 0:
        return MORE_LEFT
    if visit.share is not None and visit.share > early:
        return (Cause.WRONG_VOLUME, *(c for c in LESS_LEFT if c is not Cause.WRONG_VOLUME))
    return LESS_LEFT


@dataclass(frozen=True, slots=True)
class GapReport:
    """The gap of one visit: rules with their outcomes, the verdict, and the causes to consider."""

    visit: Visit
    judged: tuple[Judged, ...]
    verdict: Verdict
    causes: tuple[Cause, ...]

    @property
    def fired(self) -> tuple[GapRule, ...]:
        """The rules that fired."""
        return tuple(j.rule for j in self.judged if j.outcome is RuleOutcome.FIRED)


def _verdict(judged: Sequence[Judged]) -> Verdict:
    outcomes = {j.outcome for j in judged}
    if RuleOutcome.FIRED in outcomes:
        return Verdict.FIRED
    if RuleOutcome.NOT_JUDGED in outcomes or not outcomes:
        return Verdict.NOT_JUDGED
    return Verdict.UNPROVEN


def gap_report(visit: Visit, rules: Sequence[GapRule], early: Fraction) -> GapReport:
    """Every rule on one visit; ``early`` is the part that counts as early depletion."""
    judged = tuple(judge(rule, visit) for rule in rules)
    return GapReport(visit, judged, _verdict(judged), causes(visit, early))


class Side(StrEnum):
    """Which way gaps go."""

    LESS_LEFT = "less left than expected"
    MORE_LEFT = "more left than expected"
    EXACT = "as expected"


@dataclass(frozen=True, slots=True)
class Trend:
    """The last gaps, oldest first, the side of the newest, and how many of the newest in a row are on that side."""

    gaps: tuple[Volume, ...]
    side: Side
    run: int
    repeated: bool


def side_of(gap: Volume) -> Side:
    """Which way one gap goes (expected less aspirated)."""
    if not gap:
        return Side.EXACT
    return Side.LESS_LEFT if gap.value > 0 else Side.MORE_LEFT


def trend(gaps: Sequence[Volume], repeats: int) -> Trend:
    """Signed gaps of several visits, oldest first; ``repeated`` where ``repeats`` in a row go the same way.

    ValueError without a gap. A gap of nothing at all ends a run.
    """
    if not gaps:
        raise ValueError("a trend needs the gap of at least one visit")
    side = side_of(gaps[-1])
    run = next((n for n, gap in enumerate(reversed(gaps)) if side_of(gap) is not side), len(gaps))
    return Trend(tuple(gaps[-SHOWN:]), side, run, side is not Side.EXACT and run >= repeats)
