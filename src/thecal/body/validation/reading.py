"""Files of cases, read and checked whole: every problem with its file, field, what was found and what is allowed."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from thecal.body.spine.kinetics import modelled_drugs
from thecal.body.validation.cases import ADULT, CaseFile, Status
from thecal.body.validation.dimensions import LEVERS, dimension, leaves, level_of, number, shown_unit, whole
from thecal.body.validation.measures import Order, Sensitivity, TimeOver
from thecal.body.validation.people import changes
from thecal.body.validation.units import BadAmountError, unit, units_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic_core import ErrorDetails

    from thecal.body.validation.cases import Arm, Case, Check, Variant
    from thecal.body.validation.units import Dimension

SHIPPED = Path(__file__).parent / "cases"
MOST_BYTES = 1024 * 1024
_SHOWN = 60
Field = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a file of cases; ``field`` is the way to it, list positions counted from 0."""

    path: str
    field: Field
    found: str
    allowed: str

    @property
    def field_text(self) -> str:
        """The field as people read it: ``case[2].check[0].expected``."""
        return "".join(f"[{f}]" if isinstance(f, int) else f".{f}" for f in self.field).removeprefix(".")

    def __str__(self) -> str:
        return f"{self.path}: {self.field_text}: found {self.found}; allowed: {self.allowed}"


class CasesRefused(Exception):  # noqa: N818 -- a refusal of what a person wrote, not an error of the program
    """A file of cases that cannot be used: every problem that was found in it."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(p) for p in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Cases:
    """A file that was read, and where it stands."""

    path: str
    file: CaseFile


def shipped() -> tuple[Cases, ...]:
    """The cases that come with Thecal, in the order of their files."""
    return tuple(read(path) for path in sorted(SHIPPED.glob("*.toml")))


def read(path: Path) -> Cases:
    """The cases of a file; CasesRefused for anything that cannot be read or run as it stands."""
    name = str(path)
    try:
        raw = path.read_bytes()
    except OSError as wrong:
        raise CasesRefused((Problem(name, (), wrong.strerror or "no file", "a file of cases"),)) from None
    if len(raw) > MOST_BYTES:
        raise CasesRefused((Problem(name, (), f"{len(raw)} bytes", f"up to {MOST_BYTES}"),))
    try:
        values = tomllib.loads(raw.decode("utf-8"))
    except ValueError as wrong:
        raise CasesRefused((Problem(name, (), str(wrong), "TOML in UTF-8"),)) from None
    except RecursionError:
        raise CasesRefused((Problem(name, (), "lists or tables nested too deep", "a flatter file"),)) from None
    return Cases(name, parse(values, name))


def parse(values: dict[str, object], path: str = "cases") -> CaseFile:
    """The same from values that were read elsewhere."""
    try:
        file = CaseFile.model_validate(values)
    except ValidationError as wrong:
        raise CasesRefused(tuple(_problem(path, error, values) for error in _first(wrong.errors()))) from None
    problems = tuple(Problem(path, field, found, allowed) for field, found, allowed in _misfits(file))
    if problems:
        raise CasesRefused(problems)
    return file


def _first(errors: list[ErrorDetails]) -> Iterator[ErrorDetails]:
    """The errors without those of lists that are too short only because something in them is wrong."""
    for error in errors:
        way = error["loc"]
        inside = any(other["loc"][: len(way)] == way and len(other["loc"]) > len(way) for other in errors)
        if not (error["type"] == "too_short" and inside):
            yield error


def _problem(path: str, error: ErrorDetails, values: object) -> Problem:
    """One of pydantic's errors in our words; branches of unions are no part of the file and leave the field."""
    context = error.get("ctx", {})
    field = _field(error["loc"], values, missing=error["type"] in {"missing", "extra_forbidden"})
    if error["type"] == "thecal":
        return Problem(path, field, context["found"], context["allowed"])
    if error["type"] == "union_tag_invalid":
        return Problem(path, (*field, "kind"), repr(context["tag"]), str(context["expected_tags"]))
    if error["type"] == "union_tag_not_found":
        return Problem(path, field, "no kind", 'kind, as in kind = "value"')
    if error["type"] == "extra_forbidden":
        return Problem(path, field, "a field that is not known", "fields of docs/how-to/validate-the-spine.md")
    found = "nothing" if error["type"] in {"missing", "too_short"} else _written(error["input"])
    return Problem(path, field, found, "one or more" if error["type"] == "too_short" else error["msg"])


def _field(way: Field, values: object, *, missing: bool) -> Field:
    """The part of pydantic's way that the file has; a field that is missing ends it."""
    found: list[str | int] = []
    for place, step in enumerate(way, start=1):
        if _has(values, step):
            values = values[step]  # type: ignore[index]  # _has says so
        elif not (missing and place == len(way)):
            continue
        found.append(step)
    return tuple(found)


def _has(values: object, step: str | int) -> bool:
    if isinstance(values, dict):
        return step in values
    return isinstance(values, list) and isinstance(step, int) and step < len(values)


def _written(raw: object) -> str:
    text = " ".join(repr(raw).split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _misfits(file: CaseFile) -> Iterator[tuple[Field, str, str]]:
    """What does not hold together, beyond the fields themselves."""
    for kind, variants in (("person", file.person), ("drug", file.drug)):
        for name, variant in variants.items():
            yield from _of_variant(kind, name, variant)
    seen: set[str] = set()
    for place, case in enumerate(file.case):
        if case.id in seen:
            yield ("case", place, "id"), f"{case.id!r} twice", "one case of each id"
        seen.add(case.id)
        yield from _of_case(("case", place), case, file)


def _of_variant(kind: str, name: str, variant: Variant) -> Iterator[tuple[Field, str, str]]:
    way: Field = (kind, name)
    drugs = modelled_drugs()
    if kind == "person" and (name == ADULT or variant.like is not None):
        yield (
            way,
            f"{name!r}" if name == ADULT else "like",
            "another name than adult, and no like: every person is like it",
        )
        return
    if kind == "drug" and variant.like not in drugs:
        yield (*way, "like"), repr(variant.like), ", ".join(drugs)
        return
    if kind == "drug" and name in drugs:
        yield way, f"{name!r}, which ships", "another name"
    for misfit in changes(variant, drug=kind == "drug")[1]:
        yield (*way, "change", misfit.name), misfit.found, misfit.allowed


def _of_case(way: Field, case: Case, file: CaseFile) -> Iterator[tuple[Field, str, str]]:
    measured = [check.measure for check in case.check if check.measure is not None]
    if measured:
        for place, arm in enumerate(case.arms):
            yield from _of_arm((*way, "arm", place) if case.arm else way, arm, file)
    names = [arm.name for arm in case.arms]
    if len(set(names)) < len(names):
        yield (*way, "arm"), "a name twice", "one arm of each name"
    for place, check in enumerate(case.check):
        yield from _of_check((*way, "check", place), check, case)


def _of_arm(way: Field, arm: Arm, file: CaseFile) -> Iterator[tuple[Field, str, str]]:
    drugs, persons = (*modelled_drugs(), *file.drug), (ADULT, *file.person)
    if arm.drug not in drugs:
        yield (*way, "drug"), repr(arm.drug) if arm.drug else "nothing", ", ".join(drugs)
    if (arm.person or ADULT) not in persons:
        yield (*way, "person"), repr(arm.person), ", ".join(persons)
    if arm.tip is None or arm.tip.level == "tip":
        yield (*way, "tip"), "nothing" if arm.tip is None else "'tip'", 'a level or a length, as in "L2-3"'
    if not arm.bolus and not arm.infusion:
        yield way, "nothing given", "bolus, infusion or both"


def _of_check(way: Field, check: Check, case: Case) -> Iterator[tuple[Field, str, str]]:
    if check.measure is None:
        return
    names = [arm.name for arm in case.arms]
    for leaf in leaves(check.measure):
        if leaf.arm not in names and not (leaf.arm is None and len(names) == 1):
            found = repr(leaf.arm) if leaf.arm else "no arm"
            yield (*way, "measure"), found, f"arm = one of {', '.join(names) if case.arm else 'none: there is one arm'}"
    try:
        meant = dimension(check.measure)
        for measure in whole(check.measure):
            if isinstance(measure, TimeOver):
                level_of(measure)
            if isinstance(measure, Sensitivity):
                _known_lever(measure.to)
    except BadAmountError as wrong:
        yield (*way, "measure"), wrong.found, wrong.allowed
        return
    yield from _of_expected(way, check, case, meant)


def _known_lever(name: str) -> None:
    if name not in LEVERS:
        raise BadAmountError(f"to = {name!r}", ", ".join(LEVERS))


def _is_unit_of(name: str, meant: Dimension) -> bool:
    try:
        return unit(name).dimension == meant
    except BadAmountError:
        return False


def _of_expected(way: Field, check: Check, case: Case, meant: Dimension) -> Iterator[tuple[Field, str, str]]:
    expected, status = check.expected, check.status or case.status
    if not _is_unit_of(shown_unit(check, meant), meant):
        where = (*way, "unit" if check.unit else "expected")
        yield where, f"the unit {shown_unit(check, meant)!r}", f"units: {units_of(meant)}"
        return
    if isinstance(check.measure, Order):
        if expected is not None:
            yield (*way, "expected"), "something", "nothing: an order holds or it does not"
        return
    if expected is None:
        if status is not Status.NOT_JUDGED:
            yield (*way, "expected"), "nothing", "what is expected, unless the status is X"
        return
    if not expected.judged and status is not Status.NOT_JUDGED:
        yield (*way, "expected"), "a value without a tolerance", "factor or plus_minus, unless the status is X"
    for name in ("value", "plus_minus", "least", "most"):
        raw = getattr(expected, name)
        if raw is not None:
            try:
                number(raw, meant)
            except BadAmountError as wrong:
                yield (*way, "expected", name), wrong.found, wrong.allowed
