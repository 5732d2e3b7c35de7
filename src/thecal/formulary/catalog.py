"""The formulary as a whole: every drug, every mixture fact, every conversion, under one version."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from thecal.formulary.conversion import Conversion, Route
    from thecal.formulary.drug import Drug, Statement
    from thecal.formulary.stability import Stability


class UnknownDrug(KeyError):  # noqa: N818  (named as people say it)
    """A drug that the formulary does not hold: ``found`` is what was asked for, ``near`` are codes like it."""

    def __init__(self, found: str, near: tuple[str, ...]) -> None:
        super().__init__(found)
        self.found = found
        self.near = near

    def __str__(self) -> str:
        if self.near:
            return f"drug {self.found!r} is not in the formulary; did you mean {' or '.join(self.near)}?"
        return f"drug {self.found!r} is not in the formulary; write the code of a drug that it holds"


@dataclass(frozen=True, slots=True)
class Formulary:
    """What may be given, as loaded: ``drugs`` by code in alphabetical order, facts about any mixture, conversions.

    ``version`` is a SHA-256 over the meaning of every file, the site's included; ``site_files`` are the site's.
    """

    drugs: Mapping[str, Drug]
    mixture_rules: tuple[Statement, ...]
    contraindications: tuple[Statement, ...]
    conversions: tuple[Conversion, ...]
    conversion_notes: tuple[Statement, ...]
    """What sources say of ratios that are no range, and so are not conversions."""
    version: str
    site_files: tuple[str, ...] = ()

    def drug(self, code: str) -> Drug:
        """The drug with this code; UnknownDrug, which names codes like it, for any other text."""
        try:
            return self.drugs[code]
        except KeyError:
            raise UnknownDrug(code, self._near(code)) from None

    def find(self, text: str) -> tuple[Drug, ...]:
        """Drugs whose code, name or product holds ``text``, in any mix of capitals; the closest match first."""
        wanted = text.strip().casefold()
        if not wanted:
            return ()
        found = [d for d in self.drugs.values() if any(wanted in name.casefold() for name in _names(d))]
        return tuple(sorted(found, key=lambda d: (wanted not in (d.code, d.name.casefold()), d.code)))

    def stability(self, drugs: Iterable[str]) -> tuple[Stability, ...]:
        """Every fact about exactly this set of drugs, from whichever file; facts on the exact set come first.

        UnknownDrug where a drug is not in the formulary.
        """
        wanted = frozenset(self.drug(code).code for code in drugs)
        facts = dict.fromkeys(s for code in sorted(wanted) for s in self.drugs[code].stability)
        return tuple(sorted((s for s in facts if s.holds_for(wanted)), key=lambda s: s.any_other))

    def conversions_of(
        self, from_drug: str, from_route: Route, to_drug: str, to_route: Route
    ) -> tuple[Conversion, ...]:
        """The conversions known for these drugs and routes, in this direction; none where no source gives a range."""
        wanted = (from_drug, from_route, to_drug, to_route)
        return tuple(c for c in self.conversions if (c.from_drug, c.from_route, c.to_drug, c.to_route) == wanted)

    def _near(self, text: str) -> tuple[str, ...]:
        names = {name.casefold(): drug.code for drug in self.drugs.values() for name in _names(drug)}
        close = get_close_matches(text.strip().casefold(), sorted(names), n=3, cutoff=0.6)
        return tuple(dict.fromkeys(names[name] for name in close))


def _names(drug: Drug) -> tuple[str, ...]:
    products = (drug.approval.product or "").split(", ")
    return tuple(name for name in (drug.code, drug.name, *products) if name)
