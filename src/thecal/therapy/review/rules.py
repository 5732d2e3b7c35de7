"""The thresholds that the review measures by, from ``rules.toml``: each with its authority, edition and source.

Out comes one ``Rules``, read once. Facts of one drug are in the formulary and not here.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thecal.formulary import Source
from thecal.therapy.order import Indication

if TYPE_CHECKING:
    from collections.abc import Mapping

    from thecal.therapy.review.finding import Code

PATH = Path(__file__).with_name("rules.toml")


@dataclass(frozen=True, slots=True)
class Threshold:
    """A number without a dimension, and who states it."""

    value: Fraction
    source: Source


@dataclass(frozen=True, slots=True)
class AgeRule:
    """The youngest patient, in years, that the label of ``drug`` names."""

    drug: str
    years: int
    source: Source


@dataclass(frozen=True, slots=True)
class IndicationRule:
    """What the label of ``drug`` is for."""

    drug: str
    allowed: frozenset[Indication]
    source: Source


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything in ``rules.toml``.

    ``share`` is the usual patient bolus as a part of the base of a day, and ``share_factor`` how far off is unusual;
    ``tenfold`` and ``hourly`` are the factors of two slips; a number for children is for patients below ``child_below``
    years.
    """

    house: Source
    sources: Mapping[str, Source]
    share: Threshold
    share_factor: int
    tenfold: Threshold
    hourly: Threshold
    child_below: int
    ages: tuple[AgeRule, ...]
    indications: tuple[IndicationRule, ...]

    def source(self, code: Code) -> Source:
        """Who states the rule behind ``code``; this review itself where nobody else does."""
        return self.sources.get(str(code), self.house)


def _threshold(table: Mapping[str, Any], field: str, scale: int = 1) -> Threshold:
    return Threshold(Fraction(table[field], scale), Source(**table["source"]))


def _age(table: Mapping[str, Any]) -> AgeRule:
    return AgeRule(table["drug"], table["years"], Source(**table["source"]))


def _indication(table: Mapping[str, Any]) -> IndicationRule:
    return IndicationRule(table["drug"], frozenset(map(Indication, table["allowed"])), Source(**table["source"]))


@cache
def rules() -> Rules:
    """The rules that ship with the review."""
    table = tomllib.loads(PATH.read_text(encoding="utf-8"))
    return Rules(
        house=Source(**table["house"]),
        sources={code: Source(**source) for code, source in table["source"].items()},
        share=_threshold(table["bolus_share"], "percent", 100),
        share_factor=table["bolus_share"]["factor"],
        tenfold=_threshold(table["tenfold"], "factor"),
        hourly=_threshold(table["hourly"], "times"),
        child_below=table["child"]["years"],
        ages=tuple(map(_age, table["age"])),
        indications=tuple(map(_indication, table["indication"])),
    )
