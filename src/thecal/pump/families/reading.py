"""Reads one family file: parse, check its shape, put shared and particular constants together, build the families."""

from __future__ import annotations

import tomllib
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from thecal.pump.families.catalog import FamilyFileError
from thecal.pump.families.schema import CatheterRow, FamilyFile, FamilyRow, Stated
from thecal.pump.families.specification import Ability, CatheterModel, Constant, Fact, Family, Superseded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

REQUIRED = ("reservoir", "tubing", "flow_min", "flow_max", "low_level", "steps_per_day", "approved")


def read_families(text: str, name: str) -> tuple[Family, ...]:
    """The families that ``text`` defines; FamilyFileError names file, field, what was found and what is allowed."""
    try:
        file = FamilyFile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as wrong:
        raise FamilyFileError(name, "", f"text that is not TOML ({wrong})") from wrong
    except ValidationError as wrong:
        raise FamilyFileError(name, *_first(wrong.errors(include_url=False)[0])) from wrong
    return tuple(_family(code, row, file, name) for code, row in file.families.items())


def _first(error: ErrorDetails) -> tuple[str, str]:
    field = ".".join(str(step) for step in error["loc"])
    found = "nothing" if error["type"] == "missing" else repr(error["input"])[:80]
    return field, f"found {found}: {error['msg']}"


def _family(code: str, row: FamilyRow, file: FamilyFile, name: str) -> Family:
    shared, own = file.constants.rows(), row.constants.rows()
    for twice in sorted(shared.keys() & own.keys()):
        raise FamilyFileError(name, f"families.{code}.constants.{twice}", "found twice: state it once")
    constants = {key: _constant(key, found) for key, found in {**shared, **own}.items()}
    for key in REQUIRED:
        if key not in constants or constants[key].value is None:
            raise FamilyFileError(name, f"families.{code}.constants.{key}", "found nothing: every family has one")
    values: dict[str, Any] = {key: c.value for key, c in constants.items() if c.value is not None}
    return Family(
        code=code,
        name=row.name,
        kind=file.kind,
        modeled_on=file.modeled_on,
        abilities=tuple(Ability(what, c.source, c.verified) for c in file.can for what in c.what),
        constants=MappingProxyType(constants),
        catheters=tuple(_catheter(c) for c in file.catheters),
        facts=tuple(Fact(f.topic, f.text, f.source, f.verified) for f in file.facts),
        **values,
    )


def _constant(name: str, row: Stated[Any]) -> Constant:
    history = tuple(Superseded(_frozen(w.value), w.source, w.verified, w.until) for w in row.history)
    return Constant(name, _frozen(row.value), row.source, row.verified, row.note, history)


def _frozen(value: object) -> object:
    return MappingProxyType(value) if isinstance(value, dict) else value


def _catheter(row: CatheterRow) -> CatheterModel:
    constants: Mapping[str, Constant] = {
        "supplied": _constant("supplied", row.supplied),
        "volume_per_length": _constant("volume_per_length", row.volume_per_length),
    }
    return CatheterModel(row.model, row.supplied.value, row.volume_per_length.value, MappingProxyType(constants))
