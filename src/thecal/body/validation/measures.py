"""What is read off a run: a curve in time, a profile along the canal, and how such numbers are compared. Data only."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from thecal.body.validation.fields import Dermatome, Moment, Number, Share, Table, Where, Word, refusal


class Place(StrEnum):
    """Where a concentration is read. ``tissue water`` is tissue over its partition: what is free to act."""

    CSF = "csf"
    TISSUE = "tissue"
    TISSUE_WATER = "tissue water"
    EPIDURAL = "epidural"
    FAT = "fat"
    CISTERN = "cistern"
    CORTICAL = "cortical"
    BRAINSTEM = "brainstem"
    CORTEX = "cortex"
    PLASMA = "plasma"


# Places that lie along the canal, and so need at or span.
ALONG = frozenset({Place.CSF, Place.TISSUE, Place.TISSUE_WATER, Place.EPIDURAL, Place.FAT})


class Effect(StrEnum):
    """What a drug does, from 0 to 1: relief of cord and brain together, of the cord alone (as a preview shows it), or a
    warning index, which is no prediction."""

    TOGETHER = "analgesia of cord and brain"
    SPINAL = "spinal analgesia"
    WARNING_INDEX = "warning index"


class Part(StrEnum):
    """Where a share of the dose is counted; ``absorbed`` is all that ever entered blood, ``blood`` what is in it."""

    CSF = "csf"
    TISSUE = "tissue"
    EPIDURAL = "epidural"
    FAT = "fat"
    CRANIAL = "cranial csf"
    BRAIN = "brain"
    BLOOD = "blood"
    ABSORBED = "absorbed"
    UNABSORBED = "unabsorbed"


class Reading(Table):
    """One thing that changes in time: a concentration at a place, the share of the dose in a part, or an effect."""

    arm: Word | None = None
    place: Place | None = None
    dose_in: Part | None = None
    effect: Effect | None = None
    at: Where | None = None
    span: tuple[Where, Where] | None = None
    dermatome: Dermatome | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        read = [name for name in ("place", "dose_in", "effect") if getattr(self, name) is not None]
        if len(read) != 1:
            raise refusal(" and ".join(read) or "nothing to read", "one of place, dose_in and effect")
        along = self.place in ALONG
        if along and (self.at is None) == (self.span is None):
            raise refusal(f"{self.place} with neither or both of at and span", "one of them")
        if not along and (self.at is not None or self.span is not None):
            raise refusal(f"at or span with {getattr(self, read[0])}", f"them with {', '.join(sorted(ALONG))}")
        if (self.effect in {Effect.TOGETHER, Effect.SPINAL}) != (self.dermatome is not None):
            raise refusal("analgesia without, or a dermatome with something else", "analgesia with its dermatome")
        return self


Steady = Literal["steady"]


class Value(Reading):
    """At a time, or steady: once everything that goes on has gone on for ever (the mean over repeated boluses)."""

    kind: Literal["value"]
    time: Steady | Moment = Field(union_mode="left_to_right")


class Window(Reading):
    """Over a stretch of time."""

    between: tuple[Moment, Moment]

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.between[0] >= self.between[1]:
            raise refusal("between that does not go forward", "an earlier and a later time")
        return self


class Mean(Window):
    """Averaged over time."""

    kind: Literal["mean"]


class HalfLife(Window):
    """From a straight line through the logarithm, at nine even times."""

    kind: Literal["half life"]


class Peak(Window):
    """The greatest value."""

    kind: Literal["peak"]


class PeakTime(Window):
    """When the greatest value is reached, from the start of the arm."""

    kind: Literal["peak time"]


class Area(Reading):
    """The area under the curve, over a time or for ever (then nothing may be given for ever)."""

    kind: Literal["area"]
    between: tuple[Moment, Moment] | None = None


class Arrival(Window):
    """When a share of the greatest value is first reached."""

    kind: Literal["arrival"]
    share: Share


class TimeOver(Window):
    """How long a level is passed."""

    kind: Literal["time over"]
    level: Word


class Profile(Table):
    """A place along the canal at a time, or steady."""

    arm: Word | None = None
    place: Literal["csf", "tissue", "epidural", "fat"]
    time: Steady | Moment = Field(union_mode="left_to_right")


class Spread(Profile):
    """The shortest stretch of canal that holds a share of what is in the place."""

    kind: Literal["spread"]
    share: Share


class DecayLength(Profile):
    """The length over which concentration falls to 1/e, from a straight line through its logarithm along a stretch."""

    kind: Literal["decay length"]
    span: tuple[Where, Where]


class Ratio(Table):
    """One number over another of the same kind."""

    kind: Literal["ratio"]
    of: Measure
    over: Measure


class Difference(Table):
    """One number less another of the same kind."""

    kind: Literal["difference"]
    of: Measure
    less: Measure


class Order(Table):
    """Numbers that should fall from the first to the last: the smallest ratio of one to the next, expected over 1."""

    kind: Literal["order"]
    falling: Annotated[tuple[Measure, ...], Field(min_length=2)]


class Sensitivity(Table):
    """By how many % a number changes for 1 % more of something (the slope of logarithms).

    ``to`` is ``dose``, ``volume``, ``over``, or a parameter of the person or the drug; it is changed by a factor up
    and down.
    """

    kind: Literal["sensitivity"]
    of: Measure
    to: Word
    factor: Annotated[Number, Field(gt=1, le=10)] = 1.1


Measure = Annotated[
    Value | Mean | HalfLife | Peak | PeakTime | Area | Arrival | TimeOver | Spread | DecayLength | Ratio | Difference
    | Order | Sensitivity,
    Field(discriminator="kind"),
]  # fmt: skip

for _table in (Ratio, Difference, Order, Sensitivity):
    _table.model_rebuild()
