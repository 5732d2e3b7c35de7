"""Numbers that a source gives for a drug: limits, strengths, trial doses, titration steps.

Every number is exact and says which authority and edition it comes from, and whether it was read in the source that
is named. Nothing here judges an order.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

from thecal.quantities import Concentration, DoseRate, Mass

if TYPE_CHECKING:
    from fractions import Fraction

    from thecal.quantities import Duration, Volume

NOT_STATED = "not stated"
Amount = TypeVar("Amount", DoseRate, Mass, Concentration)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a fact comes from. ``verified`` is True only where the number was read in the source named by ``text``.

    ``edition`` is ``NOT_STATED`` where the source gives none. True is not clinical validation.
    """

    authority: str
    edition: str
    text: str
    verified: bool
    from_site: bool = False
    """True where a site's own file states it, whatever authority that file names."""

    @property
    def name(self) -> str:
        """Authority and edition for people, such as "PACC 2017"; a fact of a site's own file says so."""
        edition = "" if self.edition == NOT_STATED else f" {self.edition}"
        return f"{self.authority}{edition}" + (" (site)" if self.from_site else "")


class LimitKind(StrEnum):
    """What sort of number a limit is. Only the first three bind; the others are context."""

    LABEL = "label"
    """A limit that the drug's label states."""
    CONSENSUS = "consensus"
    """A limit that a consensus panel states, such as PACC."""
    CAUTION = "caution"
    """A threshold that a label asks to be careful above."""
    OBSERVED = "observed"
    """A published, observed or tested range; not a recommendation."""
    PRODUCT = "product"
    """The strength of a product on the market; not a recommendation."""

    @property
    def binds(self) -> bool:
        """True where an order beyond it is beyond a limit; False where the number is context only."""
        return self in (LimitKind.LABEL, LimitKind.CONSENSUS, LimitKind.CAUTION)


class Population(StrEnum):
    """Whom a number is for, where it is not for everybody."""

    OPIOID_NAIVE = "opioid naive"
    OPIOID_TOLERANT = "opioid tolerant"
    CANCER_PAIN = "cancer pain"
    NON_CANCER_PAIN = "non-cancer pain"
    SPASTICITY_SPINAL = "spasticity of spinal origin"
    SPASTICITY_CEREBRAL = "spasticity of cerebral origin"
    CHILD = "child"


class PumpKind(StrEnum):
    """Where the pump is; some concentrations differ by it."""

    INTERNAL = "internal"
    EXTERNAL = "external"


@dataclass(frozen=True, slots=True)
class Limit(Generic[Amount]):
    """From ``low`` to ``high``, both inclusive; None is an end that the source leaves open.

    Both ends are None only where the source speaks and states no number; ``note`` then says what it states.
    It is for ``population`` under ``condition``; None is everybody, always.
    """

    kind: LimitKind
    low: Amount | None
    high: Amount | None
    source: Source
    population: Population | None = None
    condition: str | None = None
    note: str | None = None

    def __post_init__(self) -> None:
        if self.low is None and self.high is None and not self.note:
            raise ValueError("a limit has a low or a high end, or a note that says why it has neither")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError("the low end of a limit is not above its high end")


@dataclass(frozen=True, slots=True)
class DoseLimit(Limit[DoseRate]):
    """A limit on dose per time."""


@dataclass(frozen=True, slots=True)
class MassLimit(Limit[Mass]):
    """A limit on one dose, such as a trial bolus."""


@dataclass(frozen=True, slots=True)
class ConcentrationLimit(Limit[Concentration]):
    """A limit on drug per mL; ``pump`` is None where it holds for every pump."""

    pump: PumpKind | None = None


@dataclass(frozen=True, slots=True)
class Strength:
    """A product on the market: drug per mL, the name of the product and what it is for."""

    concentration: Concentration
    product: str
    source: Source
    vial: Volume | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class TrialLadder:
    """Trial doses one after the other, at least ``interval`` apart, each watched ``observe_low`` to ``observe_high``.

    ``stop_rule`` says what follows when the last one has no effect.
    """

    steps: tuple[Mass, ...]
    source: Source
    interval: Duration | None = None
    observe_low: Duration | None = None
    observe_high: Duration | None = None
    lead_in: Duration | None = None
    stop_rule: str | None = None


@dataclass(frozen=True, slots=True)
class StartRule:
    """The first daily dose as a multiple of the trial dose that worked.

    ``multiple_long`` where its effect lasted longer than ``long_effect``; no increase within ``hold``.
    """

    multiple: Fraction
    multiple_long: Fraction | None
    long_effect: Duration | None
    hold: Duration | None
    source: Source


@dataclass(frozen=True, slots=True)
class Observation:
    """How long a patient is watched after ``after``; None is an end that the source leaves open."""

    after: str
    low: Duration | None
    high: Duration | None
    source: Source
    note: str | None = None


class Change(StrEnum):
    """Which way a titration step goes."""

    UP = "up"
    DOWN = "down"


class Phase(StrEnum):
    """When in the course of therapy a titration rule holds."""

    ANY = "any"
    TITRATION = "titration"
    MAINTENANCE = "maintenance"


@dataclass(frozen=True, slots=True)
class Titration:
    """How far and how often a dose may be changed: an absolute step, or a range in percent of the running dose.

    ``interval_min`` and ``interval_max`` are the shortest and longest interval that the source names between steps;
    ``max_per_week`` counts steps in any 7 days; percentages are numbers such as 10. None is what no source states.
    """

    kind: LimitKind
    source: Source
    change: Change = Change.UP
    phase: Phase = Phase.ANY
    step_max: DoseRate | None = None
    percent_low: Fraction | None = None
    percent_high: Fraction | None = None
    interval_min: Duration | None = None
    interval_recommended: Duration | None = None
    interval_max: Duration | None = None
    max_per_week: int | None = None
    population: Population | None = None
    condition: str | None = None
    note: str | None = None

    def __post_init__(self) -> None:
        if self.step_max is None and self.percent_high is None:
            raise ValueError("a titration rule has a largest step or a largest percentage")
