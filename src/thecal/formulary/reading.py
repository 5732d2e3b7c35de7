"""Reads the files into a formulary: parse, lay the site's files over ours, check, build, stamp.

A site's directory holds ``<code>.toml`` files, and may hold ``mixtures.toml`` and ``conversions.toml``. A file
replaces ours of that name whole; a drug file with ``extends = "<code>"`` replaces only the fields that it names. Every
fact of a site cites a source of the same file, and every such source is marked as the site's.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from thecal.formulary.catalog import Formulary
from thecal.formulary.drug import Status
from thecal.formulary.entry import Entry, Place, SourceEntry
from thecal.formulary.problem import FormularyError, Problem
from thecal.formulary.schema import ConversionsEntry, DrugEntry, MixturesEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pydantic_core import ErrorDetails

    from thecal.formulary.drug import Drug
    from thecal.formulary.limits import Source

Raw = dict[str, Any]
Before = TypeVar("Before")
After = TypeVar("After")

_OURS = Path(__file__).parent
_SHARED: Mapping[str, type[Entry]] = {"conversions": ConversionsEntry, "mixtures": MixturesEntry}
_LONGEST = 1_000_000  # bytes in one file: a longer one is a mistake
_NOTES = (".md", ".txt")  # files that a site may keep beside its facts
_ALLOWED = {
    "missing": "this field has to be there",
    "string_type": "text in quotes",
    "string_too_short": "text that is not empty",
    "string_too_long": "text of at most {max_length} characters",
    "string_pattern_mismatch": "text of the form {pattern}",
    "int_type": "a whole number, without quotes",
    "greater_than": "a whole number above {gt}",
    "bool_type": "true or false, without quotes",
    "list_type": "a list in square brackets",
    "too_short": "a list with at least one item",
    "model_type": "a table",
    "choice": "{allowed}",
    "unknown_field": "{allowed}",
}


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A file as it was parsed; nobody changes ``raw``."""

    path: Path
    raw: Raw


@dataclass(frozen=True, slots=True)
class _File:
    """A file as it counts, the site's laid over ours: its place for messages and sources, and its facts."""

    name: str
    place: Place
    facts: Raw


def load(site: Path | None = None) -> Formulary:
    """The built-in formulary with the files of ``site`` over it; FormularyError lists everything that is wrong.

    The built-in one alone is made once; a site's directory is read anew each time.
    """
    return _built_in() if site is None else _formulary(_parsed(_site_paths(site)))


@cache
def _built_in() -> Formulary:
    return _formulary({})


def _formulary(theirs: Mapping[str, _Parsed]) -> Formulary:
    ours = _ours()
    files = _each(lambda name: _laid_over(name, ours.get(name), theirs.get(name)), sorted({*ours, *theirs}))
    built = dict(zip((f.name for f in files), _each(_built, files), strict=True))
    shared = {name: built.pop(name) for name in _SHARED}
    drugs: dict[str, Drug] = built
    places = {f.name: f.place for f in files}
    _each(lambda code: _check_stability(drugs[code], drugs, places[code]), drugs)
    _check_conversions(shared["conversions"]["conversions"], drugs, places["conversions"])
    return Formulary(
        drugs=MappingProxyType(_with_shared_stability(drugs)),
        mixture_rules=shared["mixtures"]["rules"],
        contraindications=shared["mixtures"]["contraindications"],
        conversions=shared["conversions"]["conversions"],
        conversion_notes=shared["conversions"]["notes"],
        version=_version(ours, theirs),
        site_files=tuple(sorted(str(f.path) for f in theirs.values())),
    )


def _each(work: Callable[[Before], After], items: Iterable[Before]) -> list[After]:
    """Do ``work`` on every item, so that what is wrong with all of them is told at once."""
    done: list[After] = []
    problems: list[Problem] = []
    for item in items:
        try:
            done.append(work(item))
        except FormularyError as wrong:
            problems += wrong.problems
    if problems:
        raise FormularyError(*problems)
    return done


@cache
def _ours() -> Mapping[str, _Parsed]:
    """The files that ship with Thecal, parsed once: they cannot change while a program runs."""
    return _parsed([*sorted(_OURS.glob("*.toml")), *sorted((_OURS / "drugs").glob("*.toml"))])


def _site_paths(site: Path) -> list[Path]:
    if not site.is_dir():
        raise FormularyError(Problem(str(site), (), "no directory", "a directory with <code>.toml files"))
    found = sorted(p for p in site.iterdir() if not p.name.startswith(".") and p.suffix not in _NOTES)
    odd = [p for p in found if p.suffix != ".toml" or not p.is_file()]
    allowed = "<code>.toml, mixtures.toml, conversions.toml, and notes in .md or .txt"
    if odd:
        raise FormularyError(*(Problem(str(p), (), "something that is not a formulary file", allowed) for p in odd))
    return found


def _parsed(paths: Iterable[Path]) -> dict[str, _Parsed]:
    return {p.path.stem: p for p in _each(_parse, paths)}


def _parse(path: Path) -> _Parsed:
    try:
        data = path.read_bytes()
    except OSError as wrong:
        raise FormularyError(Problem(str(path), (), f"no readable file ({wrong})", "a file in TOML")) from wrong
    if len(data) > _LONGEST:
        raise FormularyError(Problem(str(path), (), f"{len(data):,} bytes", f"at most {_LONGEST:,} bytes"))
    try:
        return _Parsed(path, tomllib.loads(data.decode("utf-8-sig")))
    except (ValueError, RecursionError) as wrong:
        raise FormularyError(Problem(str(path), (), f"text that is not TOML ({wrong})", "TOML in UTF-8")) from wrong


def _laid_over(name: str, ours: _Parsed | None, theirs: _Parsed | None) -> _File:
    """The file of ``name`` as it counts: ours, the site's whole, or ours with the site's fields over it."""
    if theirs is None:
        assert ours is not None  # noqa: S101  (names come from one of the two)
        return _File(name, Place(str(ours.path), _sources(ours, from_site=False), name), _facts(ours))
    place = Place(str(theirs.path), _sources(theirs, from_site=True), name)
    facts = _facts(theirs)
    if "extends" in facts:
        place, facts = _extended(place, facts, ours)
    if ours is not None and ours.raw.get("status") == Status.FORBIDDEN and facts.get("status") != Status.FORBIDDEN:
        raise place.at("status").wrong(_short(facts.get("status")), "forbidden: no site can allow a forbidden drug")
    return _File(name, place, facts)


def _extended(place: Place, facts: Raw, ours: _Parsed | None) -> tuple[Place, Raw]:
    """Our facts with those of the site over them; every fact of the site cites a source of the site."""
    facts = dict(facts)
    extends = facts.pop("extends")
    if ours is None or extends != place.code or place.code in _SHARED:
        allowed = "the code of a drug that ships with Thecal, with the same name as the file"
        raise place.at("extends").wrong(_short(extends), allowed)
    old = _sources(ours, from_site=False)
    for key in place.sources:
        if key in old:
            raise place.at("sources", key).wrong(f"{key!r} again", "a key that our file does not use already")
    for cited, source in _citations(facts, place):
        if not isinstance(source, str) or source not in place.sources:
            raise cited.wrong(_short(source), "a key of [sources] in this file: " + ", ".join(place.sources))
    return replace(place, sources={**old, **place.sources}), {**_facts(ours), **facts}


def _citations(value: object, place: Place) -> Iterator[tuple[Place, object]]:
    """Every place below this one that cites a source, with the key that it cites."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "source":
                yield place.at(key), inner
            else:
                yield from _citations(inner, place.at(key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _citations(inner, place.at(index))


def _facts(parsed: _Parsed) -> Raw:
    return {key: value for key, value in parsed.raw.items() if key != "sources"}


def _sources(parsed: _Parsed, *, from_site: bool) -> dict[str, Source]:
    place = Place(str(parsed.path), {}).at("sources")
    found = parsed.raw.get("sources", {})
    if not isinstance(found, dict):
        raise place.wrong(_short(found), "a table with a line for each source")
    return {
        key: replace(_checked(SourceEntry, raw, place.at(key)).build(place.at(key)), from_site=from_site)
        for key, raw in found.items()
    }


def _checked(kind: type[Entry], raw: object, place: Place) -> Entry:
    try:
        return kind.model_validate(raw)
    except ValidationError as wrong:
        raise FormularyError(*(_problem(e, place) for e in wrong.errors(include_url=False))) from wrong


def _problem(error: ErrorDetails, place: Place) -> Problem:
    place = place.at(*error["loc"])
    context = error.get("ctx", {})
    found = "nothing" if error["type"] == "missing" else _short(error["input"])
    if error["type"] == "unknown_field":
        place, found = place.at(context["key"]), "a field that is not known here"
    allowed = _ALLOWED.get(error["type"], "{error}").format(**{"error": error["msg"], **context})
    return place.wrong(found, allowed).problems[0]


def _short(found: object) -> str:
    text = repr(found)
    return text if len(text) <= 80 else text[:77] + "..."


def _built(file: _File) -> Any:
    entry = _checked(_SHARED.get(file.name, DrugEntry), file.facts, file.place)
    if isinstance(entry, DrugEntry) and entry.code != file.name:
        raise file.place.at("code").wrong(repr(entry.code), f"{file.name!r}, the name of the file")
    return entry.build(file.place)


def _check_stability(drug: Drug, drugs: Mapping[str, Drug], place: Place) -> None:
    for index, fact in enumerate(drug.stability):
        here = place.at("stability", index)
        for code in sorted(fact.drugs - drugs.keys()):
            raise here.at("with").wrong(repr(code), "codes of drugs in the formulary")
        for tested in fact.tested:
            if tested.drug not in fact.drugs:
                raise here.at("tested").wrong(repr(tested.drug), "one of " + ", ".join(sorted(fact.drugs)))


def _check_conversions(conversions: Iterable[Any], drugs: Mapping[str, Drug], place: Place) -> None:
    for index, conversion in enumerate(conversions):
        for code in (conversion.from_drug, conversion.to_drug):
            if code not in drugs:
                raise place.at("conversions", index).wrong(repr(code), "codes of drugs in the formulary")


def _with_shared_stability(drugs: Mapping[str, Drug]) -> dict[str, Drug]:
    """Give every drug the facts on mixtures with it that stand in the file of another drug."""
    facts = list(dict.fromkeys(fact for drug in drugs.values() for fact in drug.stability))
    return {code: replace(drug, stability=tuple(f for f in facts if code in f.drugs)) for code, drug in drugs.items()}


def _version(ours: Mapping[str, _Parsed], theirs: Mapping[str, _Parsed]) -> str:
    """SHA-256 over what the files say: comments, spacing and the order of keys do not count."""
    said = {"ours": {n: p.raw for n, p in ours.items()}, "site": {n: p.raw for n, p in theirs.items()}}
    return sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()
