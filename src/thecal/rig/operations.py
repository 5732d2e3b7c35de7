"""Closed tables of operations with checked fields: what may be asked over a local socket, and nothing else."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from thecal.link.catalogue import Bytes, Truth, Whole, Word
from thecal.rig.home import SERIAL
from thecal.rig.refusal import Refusal, Why

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Text:
    """Words of a person, or a name: up to ``most`` characters, in a form of its own where ``form`` says so."""

    most: int
    form: str = ".*"
    said: str = "text"


@dataclass(frozen=True, slots=True)
class Optional:
    """A field that may be left out; it is then ``default``."""

    kind: Kind
    default: Any = None


Kind = Whole | Bytes | Word | Truth | Text

SERIAL_FIELD = ("serial", Text(64, SERIAL.pattern, "a serial number: letters, digits, '.', '_' and '-'"))


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: its name, and its fields, each needed unless it is Optional."""

    name: str
    fields: tuple[tuple[str, Kind | Optional], ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """An operation that was asked for, with every field present and checked."""

    operation: str
    values: Mapping[str, Any] = field(default_factory=dict)


def check(operations: Sequence[Operation], message: Mapping[str, Any]) -> Request | Refusal:
    """Read ``{"operation": ..., field: ...}``; bytes are base64 text. The first thing that is wrong is said."""
    name = message.get("operation")
    operation = next((o for o in operations if o.name == name), None)
    if operation is None:
        allowed = ", ".join(o.name for o in operations)
        return Refusal(Why.UNKNOWN_OPERATION, f"operation {_shown(name)}", allowed)
    known = {"operation", *(f for f, _ in operation.fields)}
    for found in message:
        if found not in known:
            allowed = ", ".join(f for f, _ in operation.fields) or "no fields"
            return Refusal(Why.FIELD, f"the field {_shown(found)} of {operation.name}", allowed)
    values: dict[str, Any] = {}
    for label, wanted in operation.fields:
        value = _value(label, wanted, message)
        if isinstance(value, Refusal):
            return value
        values[label] = value
    return Request(operation.name, values)


def _value(label: str, wanted: Kind | Optional, message: Mapping[str, Any]) -> Any:
    """One field as the operation takes it, or the refusal."""
    kind = wanted.kind if isinstance(wanted, Optional) else wanted
    if label not in message:
        if isinstance(wanted, Optional):
            return wanted.default
        return Refusal(Why.FIELD, f"no field {label!r}", allowed(kind))
    value = message[label]
    read = _read(kind, value)
    if read is None:
        return Refusal(Why.FIELD, f"{label} = {_shown(value)}", allowed(kind))
    return read


def _read(kind: Kind, value: Any) -> Any:
    """The value of a kind, None where it is not of that kind."""
    match kind:
        case Whole():
            return value if type(value) is int and kind.least <= value <= kind.most else None
        case Truth():
            return value if isinstance(value, bool) else None
        case Word():
            return value if isinstance(value, str) and value in kind.words else None
        case Text():
            good = isinstance(value, str) and len(value) <= kind.most and re.fullmatch(kind.form, value, re.DOTALL)
            return value if good else None
        case _:
            return _bytes(kind, value)


def _bytes(kind: Bytes, value: Any) -> bytes | None:
    if not isinstance(value, str):
        return None
    try:
        data = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if kind.least <= len(data) <= kind.most else None


def allowed(kind: Kind) -> str:
    """What a field may be, in words."""
    match kind:
        case Whole():
            return f"a whole number from {kind.least} to {kind.most}"
        case Truth():
            return "true or false"
        case Word():
            return ", ".join(kind.words)
        case Text():
            return f"{kind.said}, at most {kind.most} characters"
        case _:
            return f"base64 of {kind.least} to {kind.most} bytes"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text)} characters)"
