"""Limits of a drug as bounds to compare with: editions that say the same are one bound, those that differ are several.

A tuple of limits comes in; bounds on one side go out, each naming its authority and every edition that states it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar

from thecal.quantities import Concentration, DoseRate, Mass
from thecal.therapy.review.facts import applies, meets
from thecal.therapy.review.finding import Finding, amount, apart
from thecal.therapy.review.policy import find

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from thecal.formulary import Limit, LimitKind, Population, Source
    from thecal.therapy.order import Patient
    from thecal.therapy.review.facts import Part
    from thecal.therapy.review.finding import Code

A = TypeVar("A", DoseRate, Mass, Concentration)


@dataclass(frozen=True, slots=True)
class Bound(Generic[A]):
    """One end of a limit, for ``population`` under ``condition`` where it is not for everybody."""

    amount: A
    kind: LimitKind
    source: Source
    population: Population | None
    condition: str | None

    @property
    def for_whom(self) -> str:
        """Whom it is for, in words to put behind the amount; empty where it is for everybody."""
        words = [str(w) for w in (self.population, self.condition) if w]
        return f" ({', '.join(words)})" if words else ""

    def may_hold(self, patient: Patient) -> bool:
        """True unless it is known to be for other patients."""
        return applies(self.population, patient) is not False and meets(self.condition, patient) is not False

    def holds(self, patient: Patient) -> bool:
        """True where it is known to be for this patient."""
        return applies(self.population, patient) is True and meets(self.condition, patient) is True

    def counts(self, patient: Patient) -> bool:
        """Limits that bind count unless they are for others; what was merely observed only where it surely holds."""
        return self.may_hold(patient) if self.kind.binds else self.holds(patient)


def _together(sources: list[Source]) -> Source:
    """Several editions of one authority as one source."""
    editions = ", ".join(dict.fromkeys(s.edition for s in sources))
    texts = "; ".join(dict.fromkeys(s.text for s in sources))
    return replace(sources[0], edition=editions, text=texts)


def _folded(ends: Iterable[tuple[A | None, Limit[A]]]) -> tuple[Bound[A], ...]:
    groups: dict[tuple[object, ...], list[tuple[A, Limit[A]]]] = {}
    for end, limit in ends:
        if end is not None:
            source = limit.source
            key = (
                end,
                limit.kind,
                source.authority,
                source.verified,
                source.from_site,
                limit.population,
                limit.condition,
            )
            groups.setdefault(key, []).append((end, limit))
    return tuple(_bound(group) for group in groups.values())


def _bound(group: list[tuple[A, Limit[A]]]) -> Bound[A]:
    end, limit = group[0]
    source = _together([same.source for _, same in group])
    return Bound(end, limit.kind, source, limit.population, limit.condition)


def highs(limits: Iterable[Limit[A]]) -> tuple[Bound[A], ...]:
    """The upper ends that are stated."""
    return _folded((limit.high, limit) for limit in limits)


def lows(limits: Iterable[Limit[A]]) -> tuple[Bound[A], ...]:
    """The lower ends that are stated."""
    return _folded((limit.low, limit) for limit in limits)


def _unit(part: Part, quantity: A) -> str:
    if isinstance(quantity, DoseRate):
        return part.drug.rate_unit
    return part.drug.dose_unit if isinstance(quantity, Mass) else part.drug.conc_unit


def above(
    code: Code,
    part: Part,
    what: str,
    found: A,
    bounds: Iterable[Bound[A]],
    *,
    after: str = "",
    then: str = "order less",
) -> Iterator[Finding]:
    """A finding for every bound that ``found`` lies above; ``after`` is said behind the amount found."""
    for bound in bounds:
        if found > bound.amount:
            unit = _unit(part, found)
            digits = apart(found, bound.amount, unit)
            yield find(
                code,
                f"{part.name} {what}",
                amount(found, unit, after=after, digits=digits),
                amount(bound.amount, unit, "at most ", bound.for_whom, digits),
                f"{then}, or give a reason for going past {bound.source.name}",
                drug=part.drug.code,
                source=bound.source,
                kind=bound.kind,
            )


def below(code: Code, part: Part, what: str, found: A, bounds: Iterable[Bound[A]]) -> Iterator[Finding]:
    """A finding for every bound that ``found`` lies below."""
    for bound in bounds:
        if found < bound.amount:
            unit = _unit(part, found)
            digits = apart(found, bound.amount, unit)
            yield find(
                code,
                f"{part.name} {what}",
                amount(found, unit, digits=digits),
                amount(bound.amount, unit, "at least ", bound.for_whom, digits),
                f"check the number and its unit, or give a reason for staying below {bound.source.name}",
                drug=part.drug.code,
                source=bound.source,
                kind=bound.kind,
            )
