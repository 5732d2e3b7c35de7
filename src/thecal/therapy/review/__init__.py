"""The review of an order: what a physician, a pharmacist and an engineer would stop at, before anything is sent.

In come an order, a formulary and, where the date matters, today; out comes a ``Review`` whose findings each name the
authority and edition that they rest on, the numbers on both sides and what to do next. Where authorities differ, each
has its finding. A missing fact is a finding and never a default. Nothing here changes an order, and nothing here says
that an order is right: a review without findings says that nothing known to it speaks against it.

Which findings stop and which a reason can carry is in ``policy``; the thresholds that belong to no one drug are in
``rules.toml`` and in ``published.toml`` one room up; facts of drugs are in the formulary.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from thecal.therapy.review import (
    ceilings,
    change,
    failsafe,
    feasibility,
    filling,
    limits,
    mixing,
    person,
    slips,
    transition,
)
from thecal.therapy.review.facts import case_of
from thecal.therapy.review.finding import Code, Finding, Measure, Severity
from thecal.therapy.review.policy import GROUPS, Gate, Group

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from thecal.formulary import Formulary
    from thecal.therapy.order import Order

__all__ = ["GROUPS", "Code", "Finding", "Gate", "Group", "Measure", "Review", "Severity", "review"]

_CHECKS = (
    mixing.check,
    person.check,
    limits.check,
    ceilings.check,
    change.check,
    slips.check,
    transition.check,
    feasibility.check,
    filling.check,
    failsafe.check,
)


@dataclass(frozen=True, slots=True)
class Review:
    """What was found, the gravest first, by which version of the formulary.

    ``unused_reasons`` are reasons in the order that no finding asked for: they excuse nothing.
    """

    findings: tuple[Finding, ...]
    formulary_version: str
    unused_reasons: tuple[str, ...] = ()

    @property
    def stops(self) -> bool:
        """True where the order cannot go on as it is: a hard finding, or a soft one without a reason."""
        return any(f.stops for f in self.findings)

    @property
    def hard(self) -> tuple[Finding, ...]:
        """The findings that no reason carries the order past."""
        return tuple(f for f in self.findings if f.hard)

    @property
    def unreasoned(self) -> tuple[Finding, ...]:
        """The soft findings that still need a reason."""
        return tuple(f for f in self.findings if f.stops and not f.hard)

    def of(self, code: Code) -> tuple[Finding, ...]:
        """The findings with this code."""
        return tuple(f for f in self.findings if f.code is code)

    def as_json(self) -> dict[str, object]:
        """For ``--json``; the keys that reasons are filed under are listed once each."""
        return {
            "stops": self.stops,
            "formulary_version": self.formulary_version,
            "hard": list(dict.fromkeys(f.key for f in self.hard)),
            "unreasoned": list(dict.fromkeys(f.key for f in self.unreasoned)),
            "unused_reasons": list(self.unused_reasons),
            "findings": [f.as_json() for f in self.findings],
        }


def review(order: Order, formulary: Formulary, *, today: date | None = None) -> Review:
    """Everything that speaks against an order. ``today`` stands in for the date of a fill that states none."""
    case = case_of(order, formulary, today)
    found = [f for check in _CHECKS for f in check(case)]
    reasons = {key: text.strip() for key, text in order.program.reasons.items() if text.strip()}
    answered = sorted((_with_reason(f, reasons) for f in found), key=_order)
    used = {key for f in found if not f.hard for key in (f.key, str(f.code))}
    unused = tuple(sorted(key for key in order.program.reasons if key not in used))
    return Review(tuple(answered), formulary.version, unused)


def _with_reason(finding: Finding, reasons: Mapping[str, str]) -> Finding:
    """The reason for this drug before the one for the code at large; none helps with a hard finding."""
    given = reasons.get(finding.key) or reasons.get(str(finding.code))
    return finding if finding.hard or given is None else replace(finding, reason=given)


def _order(finding: Finding) -> tuple[int, bool, str, str, str, str]:
    severity = finding.severity.rank
    return (severity, not finding.hard, finding.code, finding.drug or "", finding.authority, finding.edition)
