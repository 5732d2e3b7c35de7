"""How a table in a file becomes a fact: exact amounts are read, names are checked, sources are looked up.

``source`` in an entry is the key of one line of the file's ``[sources]``.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, StrictBool, model_validator
from pydantic_core import PydanticCustomError

from thecal.formulary.limits import Source
from thecal.formulary.problem import FormularyError, Problem
from thecal.quantities import AmountError, Concentration, DoseRate, Duration, Mass, Volume, parse_number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from enum import StrEnum

Item = TypeVar("Item")


def choice(kind: type[StrEnum]) -> BeforeValidator:
    """Reads one of the values of a closed list."""

    def read(found: object) -> StrEnum:
        if not isinstance(found, str) or found not in list(kind):
            raise PydanticCustomError("choice", "one of these", {"allowed": ", ".join(kind)})
        return kind(found)

    return BeforeValidator(read)


def _percent(found: object) -> Fraction:
    if not isinstance(found, str) or not found.endswith(" %"):
        raise AmountError(str(found), "not a percentage", 'write text such as "10 %"')
    return parse_number(found.removesuffix(" %"))


def _plain_number(found: object) -> Fraction:
    if not isinstance(found, str):
        raise AmountError(str(found), "an exact number is text", 'write it in quotes, such as "0.5"')
    return parse_number(found)


Many = Annotated[list[Item], Field(default_factory=list)]
Text = Annotated[str, Field(strict=True, min_length=1, max_length=600)]
Key = Annotated[str, Field(strict=True, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Count = Annotated[int, Field(strict=True, gt=0)]
DoseRateText = Annotated[DoseRate, PlainValidator(DoseRate.parse)]
MassText = Annotated[Mass, PlainValidator(Mass.parse)]
ConcentrationText = Annotated[Concentration, PlainValidator(Concentration.parse)]
DurationText = Annotated[Duration, PlainValidator(Duration.parse)]
VolumeText = Annotated[Volume, PlainValidator(Volume.parse)]
NumberText = Annotated[Fraction, PlainValidator(_plain_number)]
PercentText = Annotated[Fraction, PlainValidator(_percent)]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry stands while it is built: its file, the file's sources, the code of its drug, the way to it."""

    file: str
    sources: Mapping[str, Source]
    code: str = ""
    where: tuple[str | int, ...] = ()

    def at(self, *steps: str | int) -> Place:
        """The place of a field, or of an item of a list, within this one."""
        return Place(self.file, self.sources, self.code, (*self.where, *steps))

    def wrong(self, found: str, allowed: str) -> FormularyError:
        """The error that something here is wrong."""
        return FormularyError(Problem(self.file, self.where, found, allowed))


class Entry(BaseModel):
    """A table in a file. ``MAKES`` is what it is built into; its parameters have the names of the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    MAKES: ClassVar[Callable[..., object]]

    @model_validator(mode="before")
    @classmethod
    def _known_fields(cls, data: object) -> object:
        names = [f.alias or name for name, f in cls.model_fields.items()]
        for key in data if isinstance(data, dict) else ():
            if key not in names:
                raise PydanticCustomError("unknown_field", "unknown", {"key": key, "allowed": ", ".join(names)})
        return data

    def parts(self, place: Place) -> dict[str, Any]:
        """What ``MAKES`` is called with."""
        return {name: _built(getattr(self, name), place.at(name), name) for name in type(self).model_fields}

    def build(self, place: Place) -> Any:
        """The fact itself; FormularyError where its parts do not fit together."""
        parts = self.parts(place)
        try:
            return type(self).MAKES(**parts)
        except ValueError as wrong:
            raise place.wrong("parts that do not fit together", str(wrong)) from wrong


def _built(value: object, place: Place, name: str) -> object:
    if isinstance(value, Entry):
        return value.build(place)
    if isinstance(value, list):
        return tuple(_built(v, place.at(i), "") for i, v in enumerate(value))
    if name == "source":
        return _source(str(value), place)
    return value


def _source(key: str, place: Place) -> Source:
    if key not in place.sources:
        raise place.wrong(repr(key), "a key of [sources] in this file: " + ", ".join(place.sources))
    return place.sources[key]


class SourceEntry(Entry):
    """One line of ``[sources]``."""

    MAKES = Source
    authority: Text
    edition: Text
    text: Text
    verified: StrictBool
