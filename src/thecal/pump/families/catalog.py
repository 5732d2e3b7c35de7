"""Every pump family that ships with Thecal, by code."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING

from thecal.pump.families.specification import near_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from thecal.pump.families.specification import Family


class FamilyFileError(ValueError):
    """A family file that cannot be used: the file, the path of the field in it, and what is wrong."""

    def __init__(self, file: str, field: str, problem: str) -> None:
        super().__init__(f"{file}: {field}: {problem}" if field else f"{file}: {problem}")
        self.file = file
        self.field = field
        self.problem = problem


class UnknownFamily(KeyError):  # noqa: N818  (named as people say it)
    """A family that there is none of: ``found`` is what was asked for, ``near`` are codes like it, ``known`` all."""

    def __init__(self, found: str, known: tuple[str, ...]) -> None:
        super().__init__(found)
        self.found = found
        self.known = known
        self.near = near_names(found, known)

    def __str__(self) -> str:
        if self.near:
            return f"pump family {self.found!r} is not known; did you mean {' or '.join(self.near)}?"
        return f"pump family {self.found!r} is not known; allowed: {', '.join(self.known)}"


@cache
def load_families() -> Mapping[str, Family]:
    """Every family by its code, in alphabetical order; FamilyFileError where a file is wrong."""
    from thecal.pump.families.reading import read_families  # noqa: PLC0415  (the schema is heavy)

    found: dict[str, Family] = {}
    for file in sorted(files(__package__).iterdir(), key=lambda f: f.name):
        if file.name.endswith(".toml"):
            found.update((f.code, f) for f in read_families(file.read_text("utf-8"), file.name))
    return MappingProxyType(dict(sorted(found.items())))


def family(name: str) -> Family:
    """The family with this code; UnknownFamily, which names codes like it, for any other text."""
    known = load_families()
    if name not in known:
        raise UnknownFamily(name, tuple(known))
    return known[name]
