"""What is fuzzed: functions that take any bytes, and raise only where a promise is broken.

Each is called with what a stranger, a broken memory or a wrong file could hold. An AssertionError, or any exception at
all, is a finding. ``campaign.py`` searches with coverage as its guide; the tests replay what it kept.
"""

from __future__ import annotations

from functools import cache
from struct import pack_into
from typing import TYPE_CHECKING
from zlib import crc32

from tests.core_world import Recorder, hardware, packed
from tests.link_parts import SERIAL, Memory
from tests.link_world import Pump, ordered

from thecal.link.answering import Answering, Code
from thecal.link.catalogue import ANSWERS, MESSAGES, Bytes, Truth, Whole, Word
from thecal.link.codec import Malformed, decode, decode_answer, encode
from thecal.link.endpoint import Endpoint
from thecal.link.key import Key, Side, new_key
from thecal.link.log_reading import Piece, read_log, record_text
from thecal.link.protection import pair
from thecal.link.roles import Field, Role
from thecal.pump.core.alarms import MEMORY_CRITICAL
from thecal.pump.core.log import Log
from thecal.pump.core.program import RECORD_SIZE, SIZE, Program
from thecal.pump.core.record import Keeper, Store
from thecal.pump.document import OrderDocument, UnreadableDocument

if TYPE_CHECKING:
    from collections.abc import Callable

    from thecal.link.catalogue import Kind

ROLES = tuple(Role)
FIELDS = tuple(Field)


def message(data: bytes) -> None:
    """A payload of any message: refused, or understood in the one spelling that it has."""
    fields = MESSAGES[data[0] % len(MESSAGES)].fields if data else ()
    found = decode(fields, data[1:])
    if not isinstance(found, Malformed):
        assert encode(fields, found) == data[1:], "two spellings of one message"


def answer(data: bytes) -> None:
    """What a client is answered, by anybody."""
    decode_answer(tuple(ANSWERS)[data[0] % len(ANSWERS)] if data else "status", data[1:])


@cache
def _pump() -> Pump:
    return Pump(p=ordered())


def handler(data: bytes) -> None:
    """A frame that was opened: what is not done changes nothing but a counter."""
    pump = _pump()
    answering = Answering(pump)
    head, payload = data[:3].ljust(3, b"\0"), data[3:]
    role, field = ROLES[head[0] % len(ROLES)], FIELDS[head[1] % len(FIELDS)]
    said = MESSAGES[head[2] % len(MESSAGES)]
    path = said.path if head[2] < 2 * len(MESSAGES) else payload[:12].decode("latin-1")
    before = pump.memory()
    found = answering.answer(role, field, path, payload)
    if found.code is not Code.DONE:
        assert found.payload == b""
        assert pump.memory() == before, f"{role} changed something with {path}: {found.code}"
        assert sum(answering.counters.values()) == 1
        return
    assert role in said.roles
    assert field is Field.NEAR or not (said.near or role is Role.CARD)
    if said.roles == {Role.PATIENT} or said.effect != "none" or said.path in ("bring", "propose"):
        _pump.cache_clear()  # it may have been changed, as it should


@cache
def _end() -> tuple[Memory, Endpoint]:
    memory = Memory()
    for role in Role:
        pair(memory, Side.PUMP, new_key(role, SERIAL))
    return memory, Endpoint(memory, SERIAL, Answering(_pump()))


def frame(data: bytes) -> None:
    """A frame of a stranger, who has no key: nothing but a counter changes, and what goes back is short."""
    memory, endpoint = _end()
    before = dict(memory.held)
    met = endpoint.heard(data, FIELDS[len(data) % 2], "somebody")
    assert not met.met.genuine, "a stranger was believed"
    assert len(met.frame) <= 16
    assert memory.held == before


def program(data: bytes) -> None:
    """A program with a sound checksum, and anything in it: it may be refused, and it may not break the check."""
    packed = bytearray(data[:SIZE].ljust(RECORD_SIZE, b"\0"))
    pack_into("<I", packed, 0, 0x54484301)
    pack_into("<I", packed, SIZE, crc32(bytes(packed[:SIZE])))
    found = Program()
    if found.unpack(packed) and found.fault() == "":
        again = bytearray(RECORD_SIZE)
        found.pack(again)
        assert again == packed
        assert found.index(0) == 0


def waking(data: bytes) -> None:
    """Memory with anything in it: the pump wakes, and runs nothing that it cannot trust."""
    store = Store()
    parts = data.split(b"--", 3)
    for area, part in enumerate(parts):
        store.areas[area] = part
    controller = Keeper(store).wake(hardware(), Recorder(), Log(16))
    if store.areas[0] or store.areas[1]:
        assert controller.alarms.on(MEMORY_CRITICAL)
    assert not controller.allowed()


def document(data: bytes) -> None:
    """An order document of any bytes."""
    try:
        found = OrderDocument.decode(data)
    except UnreadableDocument:
        return
    assert OrderDocument.decode(found.encode()) == found


def log(data: bytes) -> None:
    """Records of the log, as somebody hands them over: judged and said in words, whatever they are."""
    head, rest = data[:66].ljust(66, b"\0"), data[66:]
    pieces = [
        Piece(head[0], head[2:34], rest[: 32 * head[1]]),
        Piece(head[0] + head[1], head[34:66], rest[32 * head[1] :]),
    ]
    found = read_log(pieces, head[34:66], head[0] + head[1], wanted=1, known={})
    assert all(record_text(record) for record in found.records)
    assert len(found.records) <= len(rest) // 32 + 1


def key(data: bytes) -> None:
    """A stored key of any bytes."""
    try:
        found = Key.decode(data)
    except ValueError:
        return
    assert Key.decode(found.encode()) == found


def seeds(name: str) -> list[bytes]:  # noqa: PLR0911 - one for each target
    """Sound bytes for a target to start from."""
    match name:
        case "message":
            return [bytes([i]) + encode(m.fields, _least(m.fields)) for i, m in enumerate(MESSAGES)]
        case "handler":
            return [
                bytes([ROLES.index(role), 0, i]) + encode(m.fields, _least(m.fields))
                for i, m in enumerate(MESSAGES)
                for role in m.roles
            ]
        case "answer":
            pump = Pump(p=ordered())
            asked = [Answering(pump).answer(Role.PROGRAMMER, Field.NEAR, path, b"") for path in ("status", "identity")]
            return [bytes([tuple(ANSWERS).index(kind)]) + a.payload for kind, a in zip(ANSWERS, asked, strict=False)]
        case "program":
            return [bytes(packed(ordered()))]
        case "waking":
            return [b"--".join(Pump(p=ordered()).store.areas[:3])[:1500]]
        case "document":
            held = OrderDocument(
                patient="P", software="0", formulary="f", mixture=(), channels=(None,), sentence=("s",), order="o"
            )
            return [held.encode()]
        case "log":
            pump = Pump(p=ordered())
            return [b"\x01\x04" + bytes(64) + b"".join(pump.records[:4])]
        case "key":
            return [Key(Role.CARD, SERIAL, 1, bytes(16), bytes(8)).encode()]
        case _:
            return [bytes.fromhex("44010000deadbeef9b0900ff010203040506070809")]


def _least(fields: tuple[tuple[str, Kind], ...]) -> dict[str, int | bool | bytes | str]:
    """The least value of every field."""
    found: dict[str, int | bool | bytes | str] = {}
    for name, kind in fields:
        match kind:
            case Whole(least, _):
                found[name] = least
            case Bytes(least, _):
                found[name] = bytes(least)
            case Word(words):
                found[name] = str(words[0])
            case Truth():
                found[name] = True
    return found


TARGETS: dict[str, Callable[[bytes], None]] = {
    t.__name__: t for t in (message, answer, handler, frame, program, waking, document, log, key)
}
