"""What is known of one drug: names, approval, limits, steps, stability, risks and codes, each fact with its source.

These types state facts only. They hold no severity and no decision: the review of an order decides what a fact
means for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fractions import Fraction

    from thecal.formulary.limits import (
        ConcentrationLimit,
        DoseLimit,
        MassLimit,
        Observation,
        Source,
        StartRule,
        Strength,
        Titration,
        TrialLadder,
    )
    from thecal.formulary.stability import Stability
    from thecal.quantities import Concentration, Volume


class WithdrawalRisk(StrEnum):
    """What stopping abruptly can do."""

    NONE = "none"
    MODERATE = "moderate"
    HIGH = "high"
    UNKNOWN = "unknown"

    @property
    def physician_must_choose(self) -> bool:
        """True where a program has no default for what a pump does on a fault: stopping may itself do harm."""
        return self in (WithdrawalRisk.HIGH, WithdrawalRisk.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """The risk of stopping abruptly, and what is shown to whoever stops the pump.

    ``stop_abruptly`` is True or False where a source says so in as many words.
    """

    risk: WithdrawalRisk
    text: str
    source: Source
    stop_abruptly: bool | None = None


class Status(StrEnum):
    """Where a drug stands for delivery by an implanted intrathecal pump."""

    APPROVED = "approved"
    OFF_LABEL = "off label"
    RESTRICTED = "restricted"
    NOT_RECOMMENDED = "not recommended"
    RESEARCH_ONLY = "research only"
    DO_NOT_INFUSE = "do not infuse"
    FORBIDDEN = "forbidden"


@dataclass(frozen=True, slots=True)
class Approval:
    """What the label approves; ``us`` is None where nobody has said. ``pumps`` says which pumps, where it matters."""

    us: bool | None
    source: Source
    product: str | None = None
    indication: str | None = None
    monotherapy_only: bool = False
    do_not_mix: bool = False
    pumps: str | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """A fact in words, by its code: a contraindication, a warning, a rule of handling. ``boxed`` as on the label."""

    code: str
    text: str
    source: Source
    boxed: bool = False


class BolusPolicy(StrEnum):
    """Whether a patient may give boluses of a mixture with this drug."""

    ALLOWED = "allowed"
    NOT_EVERY_PUMP = "not with every pump"
    FORBIDDEN = "forbidden"
    NOT_STATED = "not stated"


@dataclass(frozen=True, slots=True)
class PatientBolusRule:
    """The policy on patient boluses, and the pump families whose patient controller is not for this drug."""

    policy: BolusPolicy
    source: Source
    not_with: tuple[str, ...] = ()
    text: str | None = None


@dataclass(frozen=True, slots=True)
class FirstFill:
    """How a pump that never held this drug is filled: rinses of ``rinse``, then ``concentration`` undiluted."""

    rinses: int
    rinse: Volume
    concentration: Concentration
    days: int
    source: Source


@dataclass(frozen=True, slots=True)
class MolarMass:
    """Grams per mole of ``species``."""

    g_per_mol: Fraction
    species: str
    source: Source


class CodeSystem(StrEnum):
    """Code lists that a drug is known in."""

    ATC = "ATC"
    RXNORM = "RxNorm"
    HCPCS = "HCPCS"


@dataclass(frozen=True, slots=True)
class Code:
    """One code of one list, with the edition of the list in its source."""

    system: CodeSystem
    value: str
    source: Source


class DrugClass(StrEnum):
    """What a drug is."""

    OPIOID_HYDROPHILIC = "opioid, hydrophilic"
    OPIOID_LIPOPHILIC = "opioid, lipophilic"
    OPIOID = "opioid"
    LOCAL_ANESTHETIC = "local anesthetic"
    ALPHA_2_AGONIST = "alpha-2 agonist"
    GABA_B_AGONIST = "GABA-B agonist"
    N_TYPE_CALCIUM_CHANNEL_BLOCKER = "N-type calcium channel blocker"
    NMDA_ANTAGONIST = "NMDA antagonist"
    SOMATOSTATIN_ANALOG = "somatostatin analog"
    GABAPENTINOID = "gabapentinoid"
    NUCLEOSIDE = "nucleoside"
    BENZODIAZEPINE = "benzodiazepine"
    BUTYROPHENONE = "butyrophenone"
    CHOLINESTERASE_INHIBITOR = "cholinesterase inhibitor"
    VINCA_ALKALOID = "vinca alkaloid"

    @property
    def is_opioid(self) -> bool:
        """True for every class of opioid."""
        return self in (DrugClass.OPIOID_HYDROPHILIC, DrugClass.OPIOID_LIPOPHILIC, DrugClass.OPIOID)


@dataclass(frozen=True, slots=True)
class TallMan:
    """The spelling that tells look-alike names apart; for the eye only, never for search or storage."""

    text: str
    source: Source


@dataclass(frozen=True, slots=True)
class Drug:
    """Everything the formulary knows of one drug. An empty tuple means that no source gave a fact, never "no limit".

    ``dose_unit`` and ``conc_unit`` are the only units that this drug is shown in. ``stability`` holds every fact
    that names this drug, alone or in a mixture.
    """

    code: str
    name: str
    drug_class: DrugClass
    status: Status
    dose_unit: str
    conc_unit: str
    approval: Approval
    withdrawal: Withdrawal
    patient_bolus: PatientBolusRule
    salt: str | None = None
    tall_man: TallMan | None = None
    starting_dose: tuple[DoseLimit, ...] = ()
    start_rule: StartRule | None = None
    trial_bolus: tuple[MassLimit, ...] = ()
    trial_ladders: tuple[TrialLadder, ...] = ()
    observation: tuple[Observation, ...] = ()
    max_daily_dose: tuple[DoseLimit, ...] = ()
    typical_dose: tuple[DoseLimit, ...] = ()
    """What was usual, a mean or a median, where a source tells; never a limit."""
    max_concentration: tuple[ConcentrationLimit, ...] = ()
    min_concentration: tuple[ConcentrationLimit, ...] = ()
    strengths: tuple[Strength, ...] = ()
    titration: tuple[Titration, ...] = ()
    stability: tuple[Stability, ...] = ()
    first_fill: FirstFill | None = None
    molar_mass: tuple[MolarMass, ...] = ()
    contraindications: tuple[Statement, ...] = ()
    warnings: tuple[Statement, ...] = ()
    handling: tuple[Statement, ...] = ()
    codes: tuple[Code, ...] = ()

    @property
    def rate_unit(self) -> str:
        """The unit that dose per time is shown in."""
        return f"{self.dose_unit}/day"

    @property
    def display_name(self) -> str:
        """The name for the eye: tall-man where its spelling was read in a source, the plain name otherwise."""
        return self.tall_man.text if self.tall_man is not None and self.tall_man.source.verified else self.name
