"""What a case says: who is given what and where, what is read off, and what a paper found. Data only; nothing runs.

Amounts are strings with units. A person is the shipped adult with changes by name, a drug one of those that ship or one
like it with changes. Places along the canal are names of levels, cm from the end of the dural sac, or cm from the tip.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, StrictBool, StrictStr, model_validator

from thecal.body.validation.fields import (
    Count,
    Flow,
    Lapse,
    Mass,
    MassRate,
    Moment,
    Number,
    Quantity,
    Strength,
    Table,
    Volume,
    Where,
    Word,
    refusal,
)
from thecal.body.validation.measures import Measure  # noqa: TC001 -- pydantic reads it when the table is made
from thecal.body.validation.positions import Position  # noqa: TC001 -- the same

MOST_REPEATS = 5000
ADULT = "adult"


class Status(StrEnum):
    """How a case may be used, as the validation table has it; H and E are ours."""

    CALIBRATION = "C"
    QUALITATIVE = "Q"
    HELD_OUT = "H"
    EXACT = "E"
    NOT_JUDGED = "X"


class Bolus(Table):
    """A dose in a volume, ``over`` a time or at once; repeated ``every`` so often, ``times`` times or for ever."""

    dose: Mass
    volume: Volume
    at: Moment = 0.0
    over: Moment = 0.0
    every: Lapse | None = None
    times: Annotated[Count, Field(ge=1, le=MOST_REPEATS)] | None = None

    @model_validator(mode="after")
    def _repeats(self) -> Self:
        if self.times is not None and self.every is None:
            raise refusal("times without every", 'both, as in every = "6 h", times = 4')
        if self.every is not None and self.over > self.every:
            raise refusal("a bolus that lasts longer than the time to the next", "over up to every")
        return self


class Infusion(Table):
    """A steady dose, or a flow of some strength, ``start``ed at a time and held for ``lasting`` or for ever."""

    dose: MassRate | None = None
    flow: Flow | None = None
    strength: Strength | None = None
    start: Moment = 0.0
    lasting: Lapse | None = None

    @model_validator(mode="after")
    def _given(self) -> Self:
        if (self.dose is None) == (self.flow is None) or (self.flow is None) != (self.strength is None):
            raise refusal("no single way to say how much", "either dose, or flow with strength")
        return self

    @property
    def rate_ng_per_s(self) -> float:
        """Drug per second."""
        return self.dose if self.dose is not None else (self.flow or 0.0) * (self.strength or 0.0)


class Change(Table):
    """A parameter that differs from what ships: text with its unit, where it comes from, and whether that was read."""

    value: Quantity
    source: Word
    verified: StrictBool


class Variant(Table):
    """A person or a drug: as shipped, or one drawn by ``seed`` and ``draw``, then changed by name.

    ``outside_range`` is the reason why changes may leave the range of the shipped one, as in an animal.
    """

    like: Word | None = None
    seed: Count | None = None
    draw: Annotated[Count, Field(le=9999)] = 0
    change: dict[str, Change | Quantity] = Field(default_factory=dict)
    outside_range: Word | None = None
    note: StrictStr = ""


class Given(Table):
    """Who is given what: fields of a case that its arms may take over or replace."""

    drug: Word | None = None
    person: Word | None = None
    tip: Where | None = None
    bolus: tuple[Bolus, ...] = ()
    infusion: tuple[Infusion, ...] = ()


class Arm(Given):
    """One of several ways of giving in one case, under a name."""

    name: Word

    @property
    def place(self) -> Position:
        """Where the tip lies; every arm of a file that was read has one."""
        if self.tip is None:
            raise ValueError(f"the arm {self.name!r} has no tip")
        return self.tip


class Expected(Table):
    """What a paper found and how far off is still inside, in one of these ways: ``value`` with ``factor`` or
    ``plus_minus``; ``least``, ``most`` or both; ``sign``. A value alone is shown beside the model and not judged.
    """

    value: Quantity | None = None
    factor: Annotated[Number, Field(gt=1)] | None = None
    plus_minus: Quantity | None = None
    least: Quantity | None = None
    most: Quantity | None = None
    sign: Literal["positive", "negative"] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        around = self.value is not None
        band = self.least is not None or self.most is not None
        tolerances = (self.factor is not None) + (self.plus_minus is not None)
        if around + band + (self.sign is not None) != 1 or tolerances > (1 if around else 0):
            raise refusal(
                f"{', '.join(sorted(self.model_fields_set)) or 'nothing'}",
                "value with factor or plus_minus; or least, most or both; or sign",
            )
        return self

    @property
    def judged(self) -> bool:
        """Whether it says how far off is still inside."""
        return self.value is None or self.factor is not None or self.plus_minus is not None


class Check(Table):
    """One number of a case beside the paper's. Where the model cannot say, ``not_applicable`` gives the reason."""

    what: Word
    paper: Word
    measure: Measure | None = None
    expected: Expected | None = None
    unit: StrictStr | None = None
    status: Status | None = None
    source: Word | None = None
    note: StrictStr = ""
    not_applicable: Word | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.measure is None) == (self.not_applicable is None):
            raise refusal("neither or both of measure and not_applicable", "one of them")
        return self


class Case(Given):
    """One published observation with what was given, and one or more checks."""

    id: Annotated[StrictStr, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
    number: StrictStr = ""
    title: Word
    status: Status
    source: Word
    note: StrictStr = ""
    cells: Annotated[Count, Field(ge=50, le=1600)] | None = None
    arm: tuple[Arm, ...] = ()
    check: Annotated[tuple[Check, ...], Field(min_length=1)]

    @property
    def arms(self) -> tuple[Arm, ...]:
        """Every arm with what it takes over from the case; a case without arms is one itself, without a name."""
        own = {name: getattr(self, name) for name in Given.model_fields}
        if not self.arm:
            return (Arm.model_construct(name="", **own),)
        return tuple(
            Arm.model_construct(
                name=arm.name, **{k: getattr(arm, k) if k in arm.model_fields_set else v for k, v in own.items()}
            )
            for arm in self.arm
        )


class CaseFile(Table):
    """What a file holds: cases, and the persons and drugs that they name."""

    person: dict[str, Variant] = Field(default_factory=dict)
    drug: dict[str, Variant] = Field(default_factory=dict)
    case: Annotated[tuple[Case, ...], Field(min_length=1)]
