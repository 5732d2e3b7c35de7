"""The shape of the alarm file: every field of every row, and what has to hold between them."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, StrictBool, StrictInt, StrictStr, model_validator

from thecal.pump.annunciation.condition import Base, Call, Clears, Priority, Raised, Supply
from thecal.quantities import Duration
from thecal.therapy.program import FaultClass  # noqa: TC001  (read when run)

Text = Annotated[StrictStr, Field(min_length=1)]
Ended = Annotated[StrictStr, Field(pattern=r"^[A-Z].*[.]$")]
Code = Annotated[StrictStr, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Requirement = Annotated[StrictStr, Field(pattern=r"^[A-Z]{2}-[A-Z0-9.]+$")]
ADuration = Annotated[Any, PlainValidator(Duration.parse)]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Sourced(_Closed):
    source: Text
    verified: StrictBool
    note: Ended | None = None


class Tones(_Sourced):
    """The family whose tones stand in where a family has none of its own."""

    stand_in: Code


class PauseRow(_Sourced):
    """For how long an acknowledged alarm is quiet."""

    lasts: ADuration


class RepeatsRow(_Sourced):
    """How many repeats of one alarm, each with a start of delivery after it, within which time, are a loop."""

    times: Annotated[StrictInt, Field(ge=2)]
    within: ADuration


class ClinicianRow(_Closed):
    """What a clinician is told."""

    what: Ended
    pump: Ended | None = None
    check: Ended
    act: Ended
    clears: Ended


class PatientRow(_Closed):
    """What a patient is told."""

    what: Ended
    pump: Ended | None = None
    act: Ended
    avoid: Ended


class AlarmRow(_Sourced):
    """One alarm condition."""

    code: Code
    name: Text
    core: Text | None = None
    raised: Raised
    cause: Text
    priority: Priority
    fault: FaultClass | None = None
    base: Base
    forbids_bolus: StrictBool
    supply: Supply
    call: Call
    clears: Clears
    requirements: Annotated[tuple[Requirement, ...], Field(min_length=1)]
    clinician: ClinicianRow
    patient: PatientRow

    @model_validator(mode="after")
    def _raised_by(self) -> Self:
        if (self.raised is Raised.PUMP) != (self.core is not None) or (self.core is None) != (self.fault is None):
            raise ValueError(
                "what the pump raises, and nothing else, names its alarm in the core and its class of fault"
            )
        if self.core is None and (self.base is not Base.NO_CHANGE or self.clears is not Clears.WITH_ITS_CAUSE):
            raise ValueError("a pump does nothing about what it does not raise, and cannot clear it")
        return self

    @model_validator(mode="after")
    def _said(self) -> Self:
        if self.base is Base.NO_CHANGE and (self.clinician.pump is None or self.patient.pump is None):
            raise ValueError("where the base is not touched, clinician.pump and patient.pump say what the pump does")
        if self.priority is Priority.CRITICAL and self.call is Call.NO:
            raise ValueError("a critical alarm asks for a call")
        return self


class AlarmFile(_Closed):
    """The whole file."""

    requirements: Annotated[tuple[Requirement, ...], Field(min_length=1)]
    tones: Tones
    pause: PauseRow
    repeats: RepeatsRow
    alarms: Annotated[tuple[AlarmRow, ...], Field(min_length=1)]
