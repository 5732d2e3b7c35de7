"""The pump's side of the link: a role, a field, a path and bytes come in, and the answer goes out.

No network is known here. What is not in the catalogue, not for this role, not for this field or not well formed changes
nothing but a counter (promise 6). A numbered command is done at most once: its effect and its first outcome are made
durable together before the answer leaves, and a repeat is answered from memory (promises 2 and 10).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from typing import TYPE_CHECKING, cast

from thecal.link import readout
from thecal.link.bringing import Brought
from thecal.link.catalogue import BY_PATH, Area, Message
from thecal.link.change import change, pack_change
from thecal.link.codec import Malformed, decode, encode_answer
from thecal.link.roles import SEAT, SKIN, WHO, Field, Role
from thecal.pump.core import codes
from thecal.pump.core.commands import CONFIRM_WITHIN_S
from thecal.pump.core.ledger import NEW
from thecal.pump.core.program import Program

if TYPE_CHECKING:
    from thecal.link.codec import Decoded
    from thecal.link.surface import Surface
    from thecal.pump.core.controller import Controller


SESSION_S = 600
"""Silence of a role in near field, in s, after which the next word begins another session. Ours."""


class Code(StrEnum):
    """What became of a frame."""

    DONE = "done"
    UNKNOWN_PATH = "no such message"
    FORBIDDEN = "not for this role"
    NEAR_ONLY = "in near field only"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to one frame; ``payload`` is empty for everything but DONE."""

    code: Code
    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A frame that may be answered."""

    message: Message
    role: Role
    field: Field
    values: Decoded

    def whole(self, name: str) -> int:
        return cast("int", self.values[name])

    def raw(self, name: str) -> bytes:
        return cast("bytes", self.values[name])

    def area(self) -> Area:
        return Area(cast("str", self.values["area"]))


class Answering:
    """Answers for one pump. ``counters`` counts the frames that were not answered, by reason and role.

    Where ``surface.settle`` raises, power is gone: the pump must be started anew, and its answers with it.
    """

    def __init__(self, surface: Surface, software: str = version("thecal")) -> None:
        self.counters: Counter[tuple[Code, Role]] = Counter()
        self._surface = surface
        self._software = software
        self._brought = Brought()
        self._heard_s: dict[Role, int] = {}  # when each role was heard last in near field

    def answer(self, role: Role, field: Field, path: str, payload: bytes) -> Answered:
        """Do what a frame asks for, once the pump has run up to this second, and answer it. It takes any bytes."""
        asked = self._admit(role, field, path, payload)
        if isinstance(asked, Code):
            self.counters[asked, role] += 1
            return Answered(asked)
        self._signal(asked)
        status_too = asked.message.answer not in {"status", "piece"}
        values = self._values(asked)
        status = self._status(asked) if status_too else {}
        return Answered(Code.DONE, encode_answer(asked.message.answer, values, status))

    def _admit(self, role: Role, field: Field, path: str, payload: bytes) -> _Asked | Code:
        message = BY_PATH.get(path)
        if message is None:
            return Code.UNKNOWN_PATH
        if role not in message.roles:
            return Code.FORBIDDEN
        if (message.near or role in SKIN) and field is not Field.NEAR:
            return Code.NEAR_ONLY
        values = decode(message.fields, payload)
        return Code.MALFORMED if isinstance(values, Malformed) else _Asked(message, role, field, values)

    def _values(self, asked: _Asked) -> Decoded:  # noqa: PLR0911 - one for each kind of message
        match asked.message.path:
            case "status":
                self._read(asked.role)
                return self._status(asked)
            case "identity":
                return readout.identity_of(self._surface, self._software)
            case "piece":
                return readout.piece_of(self._surface, asked.area(), asked.whole("at"), asked.whole("most"))
            case "bring":
                held = self._brought.take(asked.area(), asked.whole("whole"), asked.whole("at"), asked.raw("data"))
                return {"held": held}
            case "propose":
                return self._propose(asked)
            case "bolus" | "withdraw":
                return self._patient(asked)
            case "void":
                return self._void(asked)
            case _:
                return self._once(asked)

    @property
    def _c(self) -> Controller:
        return self._surface.controller

    def _status(self, asked: _Asked) -> Decoded:
        return readout.status_of(self._surface, asked.role, near=asked.field is Field.NEAR)

    def _settle(self) -> None:
        self._c.dirty = True
        self._surface.settle()

    def _read(self, role: Role) -> None:
        """A status read by anybody but a monitor is a reading: some pumps resume, or log, only then (facts 1.3)."""
        if role is not Role.MONITOR:
            self._surface.interrogated()
            if self._c.dirty:
                self._surface.settle()

    def _signal(self, asked: _Asked) -> None:
        """The patient hears it when somebody begins to talk to the pump in near field, and the log keeps it."""
        if asked.field is not Field.NEAR or asked.role not in SEAT:
            return
        now_s = self._c.t
        last_s = self._heard_s.get(asked.role)
        self._heard_s[asked.role] = now_s
        if last_s is None or now_s >= last_s + SESSION_S:
            self._c.note(codes.E_SESSION, WHO[asked.role], 0)
            self._surface.signal()
            self._surface.settle()

    # Numbered commands

    def _once(self, asked: _Asked) -> Decoded:
        """Do a numbered command of a seat, or answer again what it was answered first."""
        c = self._c
        seat, command = SEAT[asked.role], asked.whole("command")
        known = c.ledger.seat_outcome(seat, command)
        if known != NEW:
            return self._repeated(seat, known)
        self._surface.commands.wait_s = 0
        answer = self._do(asked)
        wait_s = readout.bounded(self._surface.commands.wait_s)
        c.ledger.seat_remember(seat, command, answer, wait_s, c.t)
        self._settle()
        if asked.message.path == "confirm" and answer == codes.GRANTED:
            self._brought.forget()
        return _done(answer, answer, wait_s)

    def _do(self, asked: _Asked) -> int:  # noqa: PLR0911 - one for each message
        """Carry out a numbered command of a seat, now and for the first time; the answer is a code of the core."""
        k = self._surface.commands
        match asked.message.path:
            case "confirm":
                return k.confirm(asked.raw("digest"))
            case "start":
                return k.start(WHO[asked.role])
            case "stop":
                return k.stop(WHO[asked.role])
            case "single":
                return k.single(asked.whole("strokes"), asked.whole("seconds"))
            case "prime":
                near = asked.field is Field.NEAR
                return k.prime(asked.whole("catheter"), asked.whole("volume_nl"), asked.whole("dead_nl"), near)
            case "refill":
                return k.refill(asked.whole("level_nl"))
            case "clock":
                return k.set_clock(asked.whole("offset_s"))
            case "clear":
                return k.clear(asked.whole("alarm"))
            case "acknowledge":
                return k.acknowledge(asked.whole("alarm"))
            case "alarm-test":
                return self._test_alarm(critical=asked.values["critical"] is True)
            case path:
                raise AssertionError(f"{path} is in the catalogue and nobody does it")

    def _test_alarm(self, *, critical: bool) -> int:
        self._surface.test_alarm(critical=critical)
        self._c.note(codes.E_TEST, int(critical), 0)
        return codes.GRANTED

    def _repeated(self, seat: int, known: int) -> Decoded:
        if known < 0:
            return _done(codes.STALE_ID, codes.STALE_ID, 0)
        return _done(codes.DUPLICATE, known, readout.seat_wait_s(self._c, seat))

    def _void(self, asked: _Asked) -> Decoded:
        """Withdraw a command of the asking seat: it was done, and its first outcome is told, or it never will be."""
        c = self._c
        seat, command = SEAT[asked.role], asked.whole("command")
        known = c.ledger.seat_outcome(seat, command)
        if known != NEW:
            return self._repeated(seat, known)
        c.ledger.seat_remember(seat, command, codes.VOIDED, 0, c.t)
        c.note(codes.E_VOIDED, WHO[asked.role], command)
        self._settle()
        return _done(codes.VOIDED, codes.VOIDED, 0)

    def _patient(self, asked: _Asked) -> Decoded:
        """A bolus, or its withdrawal: the core keeps these requests itself."""
        k = self._surface.commands
        known = self._c.ledger.first_outcome(asked.whole("command"))
        ask = k.bolus if asked.message.path == "bolus" else k.void
        answer = ask(asked.whole("command"))
        if known == NEW:
            self._settle()
        if answer == codes.DUPLICATE:
            return _done(answer, k.first, readout.patient_wait_s(self._c, k.first))
        return _done(answer, answer, readout.bounded(k.wait_s))

    # Programs

    def _propose(self, asked: _Asked) -> Decoded:
        """Stage what was brought; the running program is untouched (promise 7)."""
        c = self._c
        k = self._surface.commands
        k.wait_s = 0
        packed = self._brought.text(Area.PROGRAM, asked.raw("program"))
        document = self._brought.text(Area.DOCUMENT, asked.raw("document"))
        answer = self._may_propose(packed, document, asked.raw("document"))
        if answer == codes.GRANTED:
            answer = k.propose(bytearray(packed))
        else:
            c.staged_at_s = codes.NEVER  # whatever was proposed before is not what is wanted any more
            c.note(codes.E_REFUSED, answer, 0)
        if c.dirty:
            self._surface.settle()
        staged = answer == codes.GRANTED
        rows = change(c.program if c.loaded else None, c.staged) if staged else ()
        return {
            "answer": answer,
            "wait_s": readout.bounded(k.wait_s),
            "digest": k.staged_digest(),
            "number": c.staged.number if staged else 0,
            "change": pack_change(rows),
            "confirm_within_s": CONFIRM_WITHIN_S if staged else 0,
        }

    def _may_propose(self, packed: bytes, document: bytes, digest: bytes) -> int:
        """Whether program and document are held whole, belong together, and are for the patient of this pump."""
        if not packed or not document:
            return codes.UNKNOWN
        proposed = Program()
        if not proposed.unpack(packed):
            return codes.BAD_VALUE
        if proposed.order_digest != digest:
            return codes.DOCUMENT
        if self._c.loaded and self._c.program.patient_ref != proposed.patient_ref:
            return codes.OTHER_PATIENT
        return codes.GRANTED if self._surface.keep_document(document) else codes.DOCUMENT


def _done(answer: int, first: int, wait_s: int) -> Decoded:
    return {"answer": answer, "first": first, "wait_s": wait_s}
