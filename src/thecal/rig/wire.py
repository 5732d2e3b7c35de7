"""What the link answers, as plain JSON and back: the same names, bytes as hex, nothing left out.

In come the link's own types; ``plain`` gives what goes over a local socket, ``read`` gives the type again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from thecal.link import interrogation, ledger, log_chain, patient, reading, roles, talk, therapy_change
from thecal.link.change import Change

T = TypeVar("T")

_NAMES = {
    "Arm": talk.Arm,
    "Bolus": patient.Bolus,
    "Change": Change,
    "Identity": reading.Identity,
    "Interrogation": interrogation.Interrogation,
    "Mapping": Mapping,
    "Outcome": ledger.Outcome,
    "Record": log_chain.Record,
    "Role": roles.Role,
    "Status": reading.Status,
    "Totals": reading.Totals,
    "Value": ledger.Value,
    "Why": talk.Why,
}
"""What the annotations of the link's types name; some of them are imported for type checking alone."""

KINDS: dict[str, Any] = {
    "answer": patient.BolusAnswer,
    "commands": tuple[ledger.Pending, ...],
    "interrogation": interrogation.Interrogation,
    "proposal": therapy_change.Proposal,
    "result": talk.Result,
    "status": reading.Status,
}
"""The link's answers by the name under which they go over a socket."""


def plain(value: Any) -> Any:
    """A value of the link as JSON."""
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {name: {"hex": held.hex()} if isinstance(held, bytes) else held for name, held in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def read(kind: type[T], found: Any) -> T:
    """A value of ``kind`` from what ``plain`` gave; ValueError, TypeError or KeyError for anything else."""
    value: T = _read(kind, found)
    return value


def told(answer: Mapping[str, Any]) -> Any:
    """The link's own type in an answer of the service: the value of its one entry that KINDS names.

    An answer without such an entry (who is paired) is itself.
    """
    name = next((n for n in answer if n in KINDS), None)
    if name is None:
        return answer
    return _read(KINDS[name], answer[name])


def _read(kind: Any, found: Any) -> Any:
    origin = get_origin(kind)
    if origin is None:
        return _single(kind, found)
    if origin is tuple:
        inner = get_args(kind)
        kinds = [inner[0]] * len(found) if inner[-1] is Ellipsis else inner
        return tuple(_read(k, item) for k, item in zip(kinds, found, strict=True))
    if origin is Mapping:
        return {n: bytes.fromhex(held["hex"]) if isinstance(held, dict) else held for n, held in found.items()}
    return None if found is None else _read(next(k for k in get_args(kind) if k is not NoneType), found)


def _single(kind: Any, found: Any) -> Any:
    if is_dataclass(kind):
        hints = get_type_hints(kind, localns=_NAMES)
        return kind(**{f.name: _read(hints[f.name], found[f.name]) for f in fields(kind)})  # type: ignore[operator]
    if issubclass(kind, Enum):
        return kind(found)
    if kind is bytes:
        return bytes.fromhex(found)
    if type(found) is not kind:
        raise TypeError(f"found {type(found).__name__}; allowed: {kind.__name__}")
    return found
