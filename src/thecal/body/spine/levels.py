"""Levels of the spine: where vertebrae, discs, segments of the cord and dermatomes lie along the canal.

Positions are in cm from the end of the dural sac. They are known for a canal of 60 cm and scale with the canal;
``levels.toml`` holds the few that are given, with their sources, and what lies between is interpolated. A level that
is written in a way that could mean two things is refused, never guessed.
"""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from thecal.body.spine.parameter import DataFileError, read_toml
from thecal.body.transport.untrusted import Doubt, UntrustedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CANAL_CM = 60.0
VERTEBRAE = (
    *(f"C{n}" for n in range(1, 8)), *(f"T{n}" for n in range(1, 13)), *(f"L{n}" for n in range(1, 6)), "S1", "S2",
)  # fmt: skip
SEGMENTS = (
    *(f"C{n}" for n in range(1, 9)), *(f"T{n}" for n in range(1, 13)), *(f"L{n}" for n in range(1, 6)),
    *(f"S{n}" for n in range(1, 6)),
)  # fmt: skip
DERMATOMES = SEGMENTS[1:]  # the segment C1 has no skin of its own

_FILE = "levels.toml"
_ONE = re.compile(r"(TH|[CTLS])([1-9]\d?)")
_TWO = re.compile(r"(TH|[CTLS])([1-9]\d?)\s*[-/\u2013]\s*(TH|[CTLS])?([1-9]\d?)")
_LENGTH = re.compile(r"[\d.,\s]*(CM|MM)[\d.,\s]*")
_NUMBER = re.compile(r"[\d.,]+")
_ALLOWED = (
    "a vertebra, C1 to C7, T1 (or Th1) to T12, L1 to L5, S1 or S2, or a disc between two of them, such as L2-3, L2/3, "
    "L2-L3 or C7-T1"
)
# Names that a reader looks for come first where a chart has no room for all.
_LANDMARKS = ("T10", "C7", "L1", "T4", "L5", "C1", "T7", "S2", "L3", "T1", "C4", "T12", "T2", "T6", "T8")


class Kind(StrEnum):
    """What a name stands for. T10 alone is a vertebra, a segment of the cord and a dermatome: ask for one of them."""

    VERTEBRA = "vertebra"
    DISC = "disc"
    SEGMENT = "cord segment"
    DERMATOME = "dermatome"


@dataclass(frozen=True, slots=True)
class Level:
    """A level by its standard name. ``cm`` is its middle in a canal of 60 cm, from the end of the sac.

    ``given`` says that the position stands in the data, and is not interpolated; ``verified``, that it was read in
    the source.
    """

    name: str
    kind: Kind
    cm: float
    given: bool
    source: str
    verified: bool

    def at_cm(self, canal_cm: float) -> float:
        """The position in another canal (over 0)."""
        return self.cm * _scale(canal_cm)


@dataclass(frozen=True, slots=True)
class Tick:
    """A name at a position (cm), for a chart."""

    name: str
    cm: float


def level(text: str) -> Level:
    """The vertebra or disc that is written: T10, Th10, L2-3, L2/3, L2-L3, C7-T1, in capitals or not.

    UntrustedError (out of range) for anything else, with what is allowed.
    """
    table = {**_vertebrae(), **_discs()}
    name = _name(text)
    if name is None or name not in table:
        raise UntrustedError(Doubt.OUT_OF_RANGE, f'the level "{text}"{_hint(text, name)}', _ALLOWED)
    return table[name]


def segment(text: str) -> Level:
    """The segment of the cord that is written: C1 to C8, T1 to T12, L1 to L5, S1 to S5; else UntrustedError."""
    return _among(_segments(), text, Kind.SEGMENT)


def dermatome(text: str) -> Level:
    """The dermatome that is written, at its segment of the cord: as ``segment``, without C1; else UntrustedError."""
    return _among(_dermatomes(), text, Kind.DERMATOME)


def vertebra_cm(name: str, canal_cm: float) -> float:
    """Where the middle of a vertebra or disc lies (see ``level``)."""
    return level(name).at_cm(canal_cm)


def segment_cm(name: str, canal_cm: float, conus_share: float | None = None) -> float:
    """Where the middle of a segment of the cord lies.

    The cord ends at ``conus_share`` of the canal (from 0, under 1), at L1-2 where none is given; its segments shift
    with its end, and the top stays.
    """
    nominal = segment(name).at_cm(canal_cm)
    if conus_share is None:
        return nominal
    if not 0 <= conus_share < 1:
        raise UntrustedError(Doubt.OUT_OF_RANGE, f"a conus at {conus_share} of the canal", "from 0, under 1")
    return canal_cm - (canal_cm - nominal) * (1 - conus_share) / (1 - conus().cm / CANAL_CM)


def dermatome_cm(name: str, canal_cm: float, conus_share: float | None = None) -> float:
    """Where the segment of the cord lies that serves a dermatome."""
    return segment_cm(dermatome(name).name, canal_cm, conus_share)


def nearest_vertebra(cm: float, canal_cm: float) -> Level:
    """The vertebra whose middle is nearest; of two, the lower. UntrustedError outside the canal."""
    return _nearest(list(_vertebrae().values()), cm, canal_cm)


def nearest_segment(cm: float, canal_cm: float) -> Level | None:
    """The segment of the cord whose middle is nearest; None under the conus, where only roots are."""
    found = _nearest(list(_segments().values()), cm, canal_cm)
    return None if cm < conus().at_cm(canal_cm) else found


def label(cm: float, canal_cm: float) -> str:
    """The name of the vertebra or disc whose middle is nearest, such as ``T10`` or ``L2-3``."""
    return _nearest([*_vertebrae().values(), *_discs().values()], cm, canal_cm).name


def ticks(canal_cm: float, spacing_cm: float = 4.0) -> tuple[Tick, ...]:
    """Vertebrae for the axis of a chart, upwards from the sac, none nearer than ``spacing_cm`` (over 0) to the next."""
    if not (math.isfinite(spacing_cm) and spacing_cm > 0):
        raise UntrustedError(Doubt.OUT_OF_RANGE, f"a spacing of {spacing_cm} cm", "a finite length over 0")
    places = {name: one.at_cm(canal_cm) for name, one in _vertebrae().items()}
    chosen: dict[str, float] = {}
    for name in (*_LANDMARKS, *reversed(VERTEBRAE)):
        if name not in chosen and all(abs(places[name] - cm) >= spacing_cm for cm in chosen.values()):
            chosen[name] = places[name]
    return tuple(Tick(name, cm) for name, cm in sorted(chosen.items(), key=lambda one: one[1]))


def conus() -> Level:
    """The tip of the cord, at the disc that it lies at."""
    one = _data()["conus"]
    return replace(_discs()[one["level"]], source=one["source"], verified=one["verified"], given=True)


def all_levels() -> tuple[Level, ...]:
    """Every vertebra, disc, segment and dermatome; each kind upwards from the sac."""
    tables = (_vertebrae(), _discs(), _segments(), _dermatomes())
    return tuple(one for table in tables for one in sorted(table.values(), key=lambda found: found.cm))


@dataclass(frozen=True, slots=True)
class _Anchor:
    """A place that is given: ``at`` on a row of names (names lie 1 apart), ``to`` in cm or on the row of vertebrae."""

    at: float
    to: float
    source: str
    verified: bool


def _scale(canal_cm: float) -> float:
    if not (math.isfinite(canal_cm) and canal_cm > 0):
        raise UntrustedError(Doubt.OUT_OF_RANGE, f"a canal of {canal_cm} cm", "a finite length over 0")
    return canal_cm / CANAL_CM


def _nearest(levels: Sequence[Level], cm: float, canal_cm: float) -> Level:
    scale = _scale(canal_cm)
    if not 0 <= cm <= canal_cm:
        raise UntrustedError(Doubt.OUT_OF_RANGE, f"{cm} cm from the sac", f"0 to {canal_cm:g} cm, the canal")
    return min(sorted(levels, key=lambda one: one.cm), key=lambda one: abs(one.cm * scale - cm))


def _among(table: Mapping[str, Level], text: str, kind: Kind) -> Level:
    name = _name(text)
    if name is None or name not in table:
        allowed = f"{'C2' if kind is Kind.DERMATOME else 'C1'} to C8, T1 to T12, L1 to L5, S1 to S5"
        raise UntrustedError(Doubt.OUT_OF_RANGE, f'the {kind} "{text}"', allowed)
    return table[name]


def _name(text: str) -> str | None:
    """The standard spelling of what is written, known or not; None where it is no spelling of a level."""
    plain = text.strip().upper()
    if one := _ONE.fullmatch(plain):
        return f"{one[1][0]}{one[2]}"
    if two := _TWO.fullmatch(plain):
        upper, lower = two[1][0], (two[3] or two[1])[0]
        return f"{upper}{two[2]}-{'' if upper == lower else lower}{two[4]}"
    return None


def _hint(text: str, name: str | None) -> str:
    if name in SEGMENTS:
        return ", which is a segment of the cord and no vertebra"
    plain = text.strip().upper()
    if _LENGTH.fullmatch(plain) or _NUMBER.fullmatch(plain):
        return ", a length that does not say from where"
    return ""


def _vertebra_ordinal(name: str) -> float:
    """C1 is 1, S2 is 26; the disc under a vertebra is half further."""
    upper = name.partition("-")[0]
    return VERTEBRAE.index(upper) + (1.0 if upper == name else 1.5)


def _disc_names() -> tuple[str, ...]:
    pairs = itertools.pairwise(VERTEBRAE)
    return tuple(f"{a}-{b[1:] if a[0] == b[0] else b}" for a, b in pairs)


@cache
def _data() -> Mapping[str, Any]:
    return read_toml(resources.files(__package__).joinpath(_FILE).read_text(encoding="utf-8"), _FILE)


@cache
def _spine() -> tuple[_Anchor, ...]:
    """Vertebrae and discs that are given, down from the foramen magnum, in cm."""
    top = _data()["foramen_magnum"]
    given = [(0.5, top), *((_vertebra_ordinal(one["at"]), one) for one in _data()["vertebra"])]
    return _falling([_Anchor(at, one["cm"], one["source"], one["verified"]) for at, one in given])


@cache
def _cord() -> tuple[_Anchor, ...]:
    """Segments of the cord that are given, downwards, against vertebrae."""
    found = []
    for one in _data()["segment"]:
        against = _vertebra_ordinal(one["level"]) + one["below"]
        found.append(_Anchor(SEGMENTS.index(one["at"]) + 1.0, against, one["source"], one["verified"]))
    return _falling(found)


def _falling(anchors: Sequence[_Anchor]) -> tuple[_Anchor, ...]:
    """The anchors from the top down; DataFileError where two change places or are one."""
    found = sorted(anchors, key=lambda one: one.at)
    steps = [(b.at - a.at, b.to - a.to) for a, b in itertools.pairwise(found)]
    if any(at <= 0 for at, _ in steps) or len({to > 0 for _, to in steps}) != 1 or any(to == 0 for _, to in steps):
        raise DataFileError(f"{_FILE}: places {[(a.at, a.to) for a in found]}; allowed: all in one order")
    return tuple(found)


def _between(anchors: Sequence[_Anchor], at: float) -> _Anchor:
    """What lies at a place of the row: given, or evenly between its neighbors, and then not verified."""
    for one in anchors:
        if one.at == at:
            return one
    above = max((one for one in anchors if one.at < at), key=lambda one: one.at)
    below = min((one for one in anchors if one.at > at), key=lambda one: one.at)
    share = (at - above.at) / (below.at - above.at)
    sources = " and ".join(dict.fromkeys((above.source, below.source)))
    return _Anchor(at, above.to + share * (below.to - above.to), f"interpolated between: {sources}", verified=False)


def _on_spine(name: str, kind: Kind) -> Level:
    at = _vertebra_ordinal(name)
    found = _between(_spine(), at)
    return Level(name, kind, found.to, any(one.at == at for one in _spine()), found.source, found.verified)


def _in_cord(name: str, kind: Kind) -> Level:
    at = SEGMENTS.index(name) + 1.0
    against = _between(_cord(), at)
    found = _between(_spine(), against.to)
    return Level(name, kind, found.to, any(one.at == at for one in _cord()), against.source, verified=False)


@cache
def _vertebrae() -> Mapping[str, Level]:
    return {name: _on_spine(name, Kind.VERTEBRA) for name in VERTEBRAE}


@cache
def _discs() -> Mapping[str, Level]:
    return {name: _on_spine(name, Kind.DISC) for name in _disc_names()}


@cache
def _segments() -> Mapping[str, Level]:
    return {name: _in_cord(name, Kind.SEGMENT) for name in SEGMENTS}


@cache
def _dermatomes() -> Mapping[str, Level]:
    return {name: _in_cord(name, Kind.DERMATOME) for name in DERMATOMES}
