"""The shape of the family files: every constant by name and dimension, with its source; nothing else is let in."""

from __future__ import annotations

from typing import Annotated, Any, Generic, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    StrictBool,
    StrictInt,
    StrictStr,
    model_validator,
)

from thecal.pump.families.specification import InField, Kind, PatientControl  # noqa: TC001  (read when run)
from thecal.quantities import Duration, Flow, Length, LinearVolume, Volume, parse_number
from thecal.therapy.envelope import Can  # noqa: TC001  (read when run)

T = TypeVar("T")

Text = Annotated[StrictStr, Field(min_length=1)]
Share = Annotated[StrictStr, AfterValidator(parse_number)]
AVolume = Annotated[Any, PlainValidator(Volume.parse)]
AFlow = Annotated[Any, PlainValidator(Flow.parse)]
ADuration = Annotated[Any, PlainValidator(Duration.parse)]
ALength = Annotated[Any, PlainValidator(Length.parse)]
ALinearVolume = Annotated[Any, PlainValidator(LinearVolume.parse)]
Drug = Annotated[StrictStr, Field(pattern=r"^[a-z][a-z0-9-]*$")]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Was(_Closed, Generic[T]):
    """A value that a constant had before."""

    value: T
    source: Text
    verified: StrictBool
    until: Text


class Stated(_Closed, Generic[T]):
    """One constant with its value."""

    value: T
    source: Text
    verified: StrictBool
    note: Text | None = None
    history: tuple[Was[T], ...] = ()


class Row(Stated[T | None], Generic[T]):
    """One constant; without a value where none was found, which is then read in no source."""

    value: T | None = None

    @model_validator(mode="after")
    def _nothing_is_unverified(self) -> Self:
        if self.value is None and self.verified:
            raise ValueError("a constant without a value is not verified")
        return self


class Constants(_Closed):
    """Every constant that a family may have."""

    reservoir: Row[AVolume] | None = None
    tubing: Row[AVolume] | None = None
    flow_min: Row[AFlow] | None = None
    flow_max: Row[AFlow] | None = None
    low_level: Row[AVolume] | None = None
    steps_per_day: Row[Annotated[StrictInt, Field(ge=1)]] | None = None
    approved: Row[tuple[Drug, ...]] | None = None
    minimum_rate: Row[AFlow] | None = None
    fixed_flow: Row[tuple[AFlow, ...]] | None = None
    stroke: Row[AVolume] | None = None
    prime_rate: Row[AFlow] | None = None
    accuracy: Row[Share] | None = None
    residual: Row[AVolume] | None = None
    service_life: Row[ADuration] | None = None
    eri_to_eos: Row[ADuration] | None = None
    plan_replacement_before_end: Row[ADuration] | None = None
    alarm_when_stopped_for: Row[ADuration] | None = None
    youngest_years: Row[dict[Drug, Annotated[StrictInt, Field(ge=0)]]] | None = None
    no_patient_bolus_of: Row[tuple[Drug, ...]] | None = None
    patient_control: Row[tuple[PatientControl, ...]] | None = None
    critical_sound: Row[Text] | None = None
    critical_lasts: Row[ADuration] | None = None
    critical_every: Row[ADuration] | None = None
    critical_events: Row[tuple[Text, ...]] | None = None
    advisory_sound: Row[Text] | None = None
    advisory_lasts: Row[ADuration] | None = None
    advisory_every: Row[ADuration] | None = None
    advisory_events: Row[tuple[Text, ...]] | None = None
    in_field: Row[InField] | None = None
    empty_before_field: Row[StrictBool] | None = None
    leak_in_field: Row[AVolume] | None = None
    hyperbaric_allowed: Row[StrictBool] | None = None
    level_is_measured: Row[StrictBool] | None = None
    deepest: Row[ALength] | None = None

    def rows(self) -> dict[str, Row[Any]]:
        """The constants that the file states, by name."""
        return {name: getattr(self, name) for name in type(self).model_fields if getattr(self, name) is not None}


class CanRow(_Closed):
    """Abilities that share a source."""

    what: Annotated[tuple[Can, ...], Field(min_length=1)]
    source: Text
    verified: StrictBool


class FactRow(_Closed):
    """Something that people must know."""

    topic: Text
    text: Text
    source: Text
    verified: StrictBool


class CatheterRow(_Closed):
    """A catheter as supplied."""

    model: Text
    supplied: Stated[ALength]
    volume_per_length: Stated[ALinearVolume]


class FamilyRow(_Closed):
    """What is particular to one family of the file."""

    name: Text
    constants: Constants = Constants()


class FamilyFile(_Closed):
    """One file: families that share a drive and most of their constants."""

    kind: Kind
    modeled_on: Text
    constants: Constants = Constants()
    can: tuple[CanRow, ...] = ()
    catheters: tuple[CatheterRow, ...] = ()
    facts: tuple[FactRow, ...] = ()
    families: Annotated[dict[Drug, FamilyRow], Field(min_length=1)]
