"""The shape of the files: one entry class for each type of fact, with the fields of the type that it makes."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StrictBool

from thecal.formulary import conversion, drug, limits, stability
from thecal.formulary.entry import (
    ConcentrationText,
    Count,
    DoseRateText,
    DurationText,
    Entry,
    Key,
    Many,
    MassText,
    NumberText,
    PercentText,
    Place,
    Text,
    VolumeText,
    choice,
)

KindText = Annotated[limits.LimitKind, choice(limits.LimitKind)]
PopulationText = Annotated[limits.Population, choice(limits.Population)]


class DoseLimitEntry(Entry):
    """A limit on dose per time."""

    MAKES = limits.DoseLimit
    kind: KindText
    low: DoseRateText | None = None
    high: DoseRateText | None = None
    population: PopulationText | None = None
    condition: Text | None = None
    note: Text | None = None
    source: Key


class MassLimitEntry(Entry):
    """A limit on one dose."""

    MAKES = limits.MassLimit
    kind: KindText
    low: MassText | None = None
    high: MassText | None = None
    population: PopulationText | None = None
    condition: Text | None = None
    note: Text | None = None
    source: Key


class ConcentrationLimitEntry(Entry):
    """A limit on drug per mL."""

    MAKES = limits.ConcentrationLimit
    kind: KindText
    low: ConcentrationText | None = None
    high: ConcentrationText | None = None
    pump: Annotated[limits.PumpKind, choice(limits.PumpKind)] | None = None
    population: PopulationText | None = None
    condition: Text | None = None
    note: Text | None = None
    source: Key


class StrengthEntry(Entry):
    """A product on the market."""

    MAKES = limits.Strength
    concentration: ConcentrationText
    product: Text
    vial: VolumeText | None = None
    note: Text | None = None
    source: Key


class TrialLadderEntry(Entry):
    """Trial doses one after the other."""

    MAKES = limits.TrialLadder
    steps: Annotated[list[MassText], Field(min_length=1)]
    interval: DurationText | None = None
    observe_low: DurationText | None = None
    observe_high: DurationText | None = None
    lead_in: DurationText | None = None
    stop_rule: Text | None = None
    source: Key


class StartRuleEntry(Entry):
    """The first daily dose from the trial dose."""

    MAKES = limits.StartRule
    multiple: NumberText
    multiple_long: NumberText | None = None
    long_effect: DurationText | None = None
    hold: DurationText | None = None
    source: Key


class ObservationEntry(Entry):
    """How long a patient is watched."""

    MAKES = limits.Observation
    after: Text
    low: DurationText | None = None
    high: DurationText | None = None
    note: Text | None = None
    source: Key


class TitrationEntry(Entry):
    """How far and how often a dose may be changed."""

    MAKES = limits.Titration
    kind: KindText
    change: Annotated[limits.Change, choice(limits.Change)] = limits.Change.UP
    phase: Annotated[limits.Phase, choice(limits.Phase)] = limits.Phase.ANY
    step_max: DoseRateText | None = None
    percent_low: PercentText | None = None
    percent_high: PercentText | None = None
    interval_min: DurationText | None = None
    interval_recommended: DurationText | None = None
    interval_max: DurationText | None = None
    max_per_week: Count | None = None
    population: PopulationText | None = None
    condition: Text | None = None
    note: Text | None = None
    source: Key


class StudiedRangeEntry(Entry):
    """The concentrations of one drug that a study covered."""

    MAKES = stability.StudiedRange
    drug: Key
    low: ConcentrationText | None = None
    high: ConcentrationText | None = None


class StabilityEntry(Entry):
    """How long this drug keeps, alone or together with the drugs named in ``with``."""

    MAKES = stability.Stability
    together: Annotated[list[Key], Field(default_factory=list, alias="with")]
    any_other: StrictBool = False
    kind: KindText
    outcome: Annotated[stability.Outcome, choice(stability.Outcome)]
    days: Count | None = None
    remaining: Text | None = None
    vessel: Annotated[stability.Vessel, choice(stability.Vessel)] = stability.Vessel.NOT_STATED
    vessel_name: Text | None = None
    temperature: Text | None = None
    condition: Annotated[stability.FillCondition, choice(stability.FillCondition)] = stability.FillCondition.ANY
    tested: Many[StudiedRangeEntry]
    note: Text | None = None
    source: Key

    def parts(self, place: Place) -> dict[str, Any]:
        """The drugs are this file's drug and those that it is together with."""
        parts = super().parts(place)
        parts["drugs"] = frozenset({place.code, *parts.pop("together")})
        return parts


class ApprovalEntry(Entry):
    """What the label approves."""

    MAKES = drug.Approval
    us: StrictBool | None = None
    product: Text | None = None
    indication: Text | None = None
    monotherapy_only: StrictBool = False
    do_not_mix: StrictBool = False
    pumps: Text | None = None
    source: Key


class WithdrawalEntry(Entry):
    """What stopping abruptly can do."""

    MAKES = drug.Withdrawal
    risk: Annotated[drug.WithdrawalRisk, choice(drug.WithdrawalRisk)]
    text: Text
    stop_abruptly: StrictBool | None = None
    source: Key


class StatementEntry(Entry):
    """A fact in words."""

    MAKES = drug.Statement
    code: Key
    text: Text
    boxed: StrictBool = False
    source: Key


class PatientBolusEntry(Entry):
    """The policy on patient boluses."""

    MAKES = drug.PatientBolusRule
    policy: Annotated[drug.BolusPolicy, choice(drug.BolusPolicy)]
    not_with: Many[Text]
    text: Text | None = None
    source: Key


class FirstFillEntry(Entry):
    """How a pump that never held this drug is filled."""

    MAKES = drug.FirstFill
    rinses: Count
    rinse: VolumeText
    concentration: ConcentrationText
    days: Count
    source: Key


class MolarMassEntry(Entry):
    """Grams per mole of one species."""

    MAKES = drug.MolarMass
    g_per_mol: NumberText
    species: Text
    source: Key


class CodeEntry(Entry):
    """One code of one list."""

    MAKES = drug.Code
    system: Annotated[drug.CodeSystem, choice(drug.CodeSystem)]
    value: Text
    source: Key


class TallManEntry(Entry):
    """The spelling that tells look-alike names apart."""

    MAKES = drug.TallMan
    text: Text
    source: Key


class DrugEntry(Entry):
    """A drug file."""

    MAKES = drug.Drug
    code: Key
    name: Text
    salt: Text | None = None
    drug_class: Annotated[drug.DrugClass, choice(drug.DrugClass)]
    status: Annotated[drug.Status, choice(drug.Status)]
    dose_unit: Annotated[str, Field(strict=True, pattern="^(mg|mcg)$")]
    conc_unit: Annotated[str, Field(strict=True, pattern="^(mg|mcg)/mL$")]
    tall_man: TallManEntry | None = None
    approval: ApprovalEntry
    withdrawal: WithdrawalEntry
    patient_bolus: PatientBolusEntry
    starting_dose: Many[DoseLimitEntry]
    start_rule: StartRuleEntry | None = None
    trial_bolus: Many[MassLimitEntry]
    trial_ladders: Many[TrialLadderEntry]
    observation: Many[ObservationEntry]
    max_daily_dose: Many[DoseLimitEntry]
    typical_dose: Many[DoseLimitEntry]
    max_concentration: Many[ConcentrationLimitEntry]
    min_concentration: Many[ConcentrationLimitEntry]
    strengths: Many[StrengthEntry]
    titration: Many[TitrationEntry]
    stability: Many[StabilityEntry]
    first_fill: FirstFillEntry | None = None
    molar_mass: Many[MolarMassEntry]
    contraindications: Many[StatementEntry]
    warnings: Many[StatementEntry]
    handling: Many[StatementEntry]
    codes: Many[CodeEntry]


class ReportEntry(Entry):
    """Ratios that one source reports."""

    MAKES = conversion.Report
    low: NumberText
    high: NumberText
    text: Text
    source: Key


class ConversionEntry(Entry):
    """A conversion in one direction."""

    MAKES = conversion.Conversion
    from_drug: Key
    from_route: Annotated[conversion.Route, choice(conversion.Route)]
    to_drug: Key
    to_route: Annotated[conversion.Route, choice(conversion.Route)]
    operation: Annotated[conversion.Operation, choice(conversion.Operation)]
    reports: list[ReportEntry]
    warning: Text


class ConversionsEntry(Entry):
    """The conversions file."""

    MAKES = dict
    conversions: Many[ConversionEntry]
    notes: Many[StatementEntry]


class MixturesEntry(Entry):
    """The file of what holds for any mixture and any pump."""

    MAKES = dict
    rules: Many[StatementEntry]
    contraindications: Many[StatementEntry]
