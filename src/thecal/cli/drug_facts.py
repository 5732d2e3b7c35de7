"""What the formulary says of one drug, as rows: the number, for whom, who says so, and whether it was read there.

Facts of different authorities stay apart, so that they can be read side by side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from thecal.quantities import Concentration, DoseRate, number_text, percent_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from thecal.formulary import Conversion, Drug, Formulary, Limit, Source, Stability, Titration
    from thecal.quantities import Quantity

READ = {True: "read", False: "NOT READ"}
"""Whether a number was read in the source that is named; not clinical validation either way."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact about a drug: its subject, what is said, for whom, what kind of number it is, and its source."""

    subject: str
    says: str
    for_whom: str
    kind: str
    source: Source
    note: str = ""
    low: Quantity | None = None
    high: Quantity | None = None
    unit: str = ""

    def as_json(self) -> dict[str, Any]:
        """For ``--json``, with both ends exact where it is a range of amounts."""
        low, high = (a.as_json(self.unit) if a is not None else None for a in (self.low, self.high))
        return {
            "subject": self.subject,
            "says": self.says,
            "for_whom": self.for_whom,
            "kind": self.kind,
            "low": low,
            "high": high,
            "note": self.note,
            "source": source_json(self.source),
        }


def source_json(source: Source) -> dict[str, Any]:
    """A source for ``--json``."""
    return {
        "authority": source.authority,
        "edition": source.edition,
        "text": source.text,
        "verified": source.verified,
        "from_site": source.from_site,
    }


def limits(drug: Drug) -> Iterator[Fact]:
    """Every limit, strength and step, in the order in which a prescriber asks for them."""
    groups: tuple[tuple[str, tuple[Limit[Any], ...]], ...] = (
        ("trial bolus", drug.trial_bolus),
        ("starting dose", drug.starting_dose),
        ("most in a day", drug.max_daily_dose),
        ("highest strength", drug.max_concentration),
        ("lowest strength", drug.min_concentration),
    )
    for subject, found in groups:
        for limit in found:
            yield _limit(subject, limit, drug)
    for strength in drug.strengths:
        amount = strength.concentration
        says = f"{amount.text(drug.conc_unit)}, {strength.product}"
        yield Fact("product", says, "", "product", strength.source, strength.note or "", amount, amount, drug.conc_unit)
    for step in drug.titration:
        yield _titration(step, drug)


def _limit(subject: str, limit: Limit[Any], drug: Drug) -> Fact:
    unit = _unit(limit, drug)
    pump = getattr(limit, "pump", None)
    whom = ", ".join(str(w) for w in (limit.population, limit.condition, pump and f"{pump} pump") if w)
    says = _range(limit.low, limit.high, unit)
    return Fact(subject, says, whom, str(limit.kind), limit.source, limit.note or "", limit.low, limit.high, unit)


def _unit(limit: Limit[Any], drug: Drug) -> str:
    end = limit.low if limit.low is not None else limit.high
    if isinstance(end, DoseRate):
        return drug.rate_unit
    return drug.conc_unit if isinstance(end, Concentration) else drug.dose_unit


def _range(low: Quantity | None, high: Quantity | None, unit: str) -> str:
    if low is not None and high is not None:
        return low.text(unit) if low == high else f"{number_text(low.number(unit))} to {high.text(unit)}"
    if high is not None:
        return f"at most {high.text(unit)}"
    return "no number" if low is None else f"at least {low.text(unit)}"


def _titration(step: Titration, drug: Drug) -> Fact:
    parts = []
    if step.step_max is not None:
        parts.append(f"at most {step.step_max.text(drug.rate_unit)} at a time")
    if step.percent_high is not None:
        low = "" if step.percent_low is None else f"{number_text(step.percent_low)} to "
        parts.append(f"{low or 'at most '}{percent_text(step.percent_high / 100)} at a time")
    if step.interval_min is not None:
        parts.append(f"not again within {step.interval_min.text('h')}")
    if step.interval_recommended is not None:
        parts.append(f"better not within {step.interval_recommended.text('days')}")
    if step.max_per_week is not None:
        parts.append(f"{number_text(step.max_per_week)} in any 7 days")
    whom = ", ".join(str(w) for w in (step.population, step.condition, _phase(step)) if w)
    return Fact(f"step {step.change}", "; ".join(parts), whom, str(step.kind), step.source, step.note or "")


def _phase(step: Titration) -> str:
    return "" if step.phase == "any" else str(step.phase)


def stability(drug: Drug) -> Iterator[Fact]:
    """How long it keeps, alone and in mixtures."""
    for fact in drug.stability:
        yield _stability(fact)


def _stability(fact: Stability) -> Fact:
    drugs = " + ".join(sorted(fact.drugs)) + (" + any other" if fact.any_other else "")
    days = "no time stated" if fact.days is None else f"{fact.days:,} days"
    left = f" ({fact.remaining})" if fact.remaining else ""
    fill = "" if fact.condition == "any" else str(fact.condition)
    whom = ", ".join(w for w in (fact.kept or "vessel not stated", fact.temperature or "", fill) if w)
    return Fact(drugs, f"{fact.outcome}, {days}{left}", whom, str(fact.kind), fact.source, fact.note or "")


def conversions(drug: Drug, formulary: Formulary) -> tuple[Conversion, ...]:
    """Conversions from or to this drug."""
    return tuple(c for c in formulary.conversions if drug.code in (c.from_drug, c.to_drug))


def conversion_text(found: Conversion) -> str:
    """Direction and range; never one number."""
    low, high = number_text(found.low_ratio), number_text(found.high_ratio)
    way = f"{found.from_route} {found.from_drug} to {found.to_route} {found.to_drug}"
    return f"{way}: {found.operation} by {low} to {high}; safe end: the {found.safe_end}"


def _conversion_json(found: Conversion) -> dict[str, Any]:
    return {
        "from": {"drug": found.from_drug, "route": str(found.from_route)},
        "to": {"drug": found.to_drug, "route": str(found.to_route)},
        "operation": str(found.operation),
        "low_ratio": str(found.low_ratio),
        "high_ratio": str(found.high_ratio),
        "safe_end": str(found.safe_end),
        "warning": found.warning,
        "reports": [
            {"low": str(r.low), "high": str(r.high), "text": r.text, "source": source_json(r.source)}
            for r in found.reports
        ],
    }


def drug_json(drug: Drug, formulary: Formulary) -> dict[str, Any]:
    """Everything about one drug for ``--json``."""
    return {
        "code": drug.code,
        "name": drug.display_name,
        "class": str(drug.drug_class),
        "status": str(drug.status),
        "salt": drug.salt,
        "dose_unit": drug.rate_unit,
        "concentration_unit": drug.conc_unit,
        "approval": {
            "us": drug.approval.us,
            "product": drug.approval.product,
            "indication": drug.approval.indication,
            "source": source_json(drug.approval.source),
        },
        "withdrawal": {
            "risk": str(drug.withdrawal.risk),
            "text": drug.withdrawal.text,
            "stop_abruptly": drug.withdrawal.stop_abruptly,
            "source": source_json(drug.withdrawal.source),
        },
        "patient_bolus": {
            "policy": str(drug.patient_bolus.policy),
            "not_with": list(drug.patient_bolus.not_with),
            "source": source_json(drug.patient_bolus.source),
        },
        "limits": [f.as_json() for f in limits(drug)],
        "stability": [f.as_json() for f in stability(drug)],
        "conversions": [_conversion_json(c) for c in conversions(drug, formulary)],
        "statements": [
            {"kind": kind, "code": s.code, "text": s.text, "boxed": s.boxed, "source": source_json(s.source)}
            for kind, group in statements(drug)
            for s in group
        ],
        "codes": [{"system": str(c.system), "value": c.value, "source": source_json(c.source)} for c in drug.codes],
    }


def statements(drug: Drug) -> tuple[tuple[str, tuple[Any, ...]], ...]:
    """What is said in words, by kind."""
    return (
        ("contraindication", drug.contraindications),
        ("warning", drug.warnings),
        ("handling", drug.handling),
    )
