"""Payloads as bytes: CBOR maps by the catalogue, one spelling for each, and everything else malformed.

A message without fields is no bytes at all. Anything may come in; out goes a map that has exactly the fields asked for,
each of its kind and in its bounds, or the reason why not. Bounds are looked at before anything is parsed, and what was
parsed must encode to the same bytes: so there are no second spellings, tags, floats, duplicate keys, open lengths, or
bytes behind the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, cast

import cbor2

from thecal.link.catalogue import ANSWERS, Bytes, Kind, Whole, Word

if TYPE_CHECKING:
    from collections.abc import Mapping

    from thecal.link.ledger import Value

    Fields = tuple[tuple[str, Kind], ...]
    Values = Mapping[str, object]
    Decoded = dict[str, Value]

_ALONE = frozenset({"status", "piece"})
"""Answers that carry no status beside them."""

# Heads of items by RFC 8949, section 3: the major type in three bits, a length or value in the other five or behind.
_MAJORS = frozenset({0, 1, 2, 3, 5})  # unsigned and negative numbers, bytes, texts, maps
_STRINGS = frozenset({2, 3})
_SIMPLE = 7
_TRUTHS = frozenset({20, 21})
_ONE_BYTE = 24
_EIGHT_BYTES = 27


@dataclass(frozen=True, slots=True)
class Malformed:
    """Bytes that are not the message they should be, and the first reason found."""

    reason: str


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the pump as values; ``status`` is the pump's status, and empty for the answers that carry none."""

    values: Decoded
    status: Decoded


def encode(fields: Fields, values: Values) -> bytes:
    """The one spelling of ``values``; ValueError where they are not what ``fields`` asks for."""
    reason = wrong(fields, values)
    if reason:
        raise ValueError(reason)
    return _spell(values) if fields else b""


def decode(fields: Fields, data: bytes) -> Decoded | Malformed:
    """The values in ``data``, or why they are not to be used. It never raises."""
    if not fields:
        return Malformed("bytes where none belong") if data else {}
    found = _parse(data, longest(fields))
    return found if isinstance(found, Malformed) else _checked(fields, found)


def encode_answer(kind: str, values: Values, status: Values) -> bytes:
    """An answer of ``kind`` (a key of ANSWERS) with the pump's status inside it, where that kind carries one."""
    if kind in _ALONE:
        return encode(ANSWERS[kind], values)
    reason = wrong(ANSWERS[kind], values) or wrong(ANSWERS["status"], status)
    if reason:
        raise ValueError(reason)
    return _spell({**values, "status": status})


def decode_answer(kind: str, data: bytes) -> Reply | Malformed:
    """The values and the status in an answer of ``kind``, or why they are not to be used. It never raises."""
    found = _parse(data, longest_answer(kind))
    if isinstance(found, Malformed):
        return found
    inner = {} if kind in _ALONE else found.pop("status", None)
    values = _checked(ANSWERS[kind], found)
    if isinstance(values, Malformed):
        return values
    if kind in _ALONE:
        return Reply(values, values if kind == "status" else {})
    status = _checked(ANSWERS["status"], inner) if isinstance(inner, dict) else Malformed("no status")
    return status if isinstance(status, Malformed) else Reply(values, status)


def _checked(fields: Fields, found: dict[str, object]) -> Decoded | Malformed:
    reason = wrong(fields, found)
    return Malformed(reason) if reason else cast("Decoded", found)


def wrong(fields: Fields, values: Values) -> str:
    """Why ``values`` are not what ``fields`` asks for, naming the field; empty where they are."""
    names = {name for name, _ in fields}
    if values.keys() != names:
        odd = sorted(map(repr, values.keys() ^ names))
        return f"fields differ: {odd[0]}"
    for name, kind in fields:
        if not _fits(kind, values[name]):
            return f"field {name}: allowed is {_allowed(kind)}"
    return ""


@cache
def longest(fields: Fields) -> int:
    """The most bytes that a payload with these fields can have."""
    return 3 + sum(_text(name) + _most(kind) for name, kind in fields)  # 3: a map of up to 65,535 fields


def longest_answer(kind: str) -> int:
    """The most bytes that an answer of ``kind`` can have, its status included."""
    most = longest(ANSWERS[kind])
    return most if kind in _ALONE else most + _text("status") + longest(ANSWERS["status"])


def _text(text: str) -> int:
    return 3 + len(text.encode())


def _most(kind: Kind) -> int:
    match kind:
        case Whole():
            return 9
        case Bytes(_, most):
            return 5 + most
        case Word(words):
            return max(map(_text, words))
        case _:
            return 1


def _fits(kind: Kind, value: object) -> bool:
    match kind:
        case Whole(least, most):
            return type(value) is int and least <= value <= most
        case Bytes(least, most):
            return type(value) is bytes and least <= len(value) <= most
        case Word(words):
            return isinstance(value, str) and value in words
        case _:
            return type(value) is bool


def _allowed(kind: Kind) -> str:
    match kind:
        case Whole(least, most):
            return f"a whole number from {least} to {most}"
        case Bytes(least, most):
            return f"{least} to {most} bytes"
        case Word(words):
            return "one of " + ", ".join(words)
        case _:
            return "true or false"


def _parse(data: bytes, most: int) -> dict[str, object] | Malformed:
    """One map in its one spelling, in at most ``most`` bytes."""
    if len(data) > most:
        return Malformed(f"{len(data)} bytes, at most {most} are allowed")
    if not _plain(data):
        return Malformed("something other than numbers, texts, bytes, maps, true and false")
    try:
        found = cbor2.loads(data, max_depth=2, allow_indefinite=False, allow_duplicate_keys=False)
        if isinstance(found, dict) and _spell(found) == data:
            return found
    except Exception as error:  # noqa: BLE001 - the parser promises no closed set, and nothing may get past here
        return Malformed(f"no CBOR: {type(error).__name__}")
    return Malformed("not one map in its one spelling")


def _plain(data: bytes) -> bool:
    """Whether every item is of a kind that the catalogue uses, so that the parser never meets a tag or a float."""
    at = 0
    while at < len(data):
        major, short = data[at] >> 5, data[at] & 31
        at += 1
        if major == _SIMPLE and short in _TRUTHS:
            continue
        if major not in _MAJORS or short > _EIGHT_BYTES:
            return False
        value = short
        if short >= _ONE_BYTE:
            size = 1 << (short - _ONE_BYTE)
            value = int.from_bytes(data[at : at + size], "big")
            at += size
        if major in _STRINGS:
            at += value
    return True


def _spell(values: Values) -> bytes:
    return cbor2.dumps(values, canonical=True)
