"""A pump, a client and a radio between them for the tests of the link: the real core, and memory that never fails.

``Pump`` is a Surface whose time moves only when it is told to; it wakes again from its store like a real one.
``Radio`` loses requests, loses answers, repeats frames and lets old ones arrive late.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, deque
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from tests.core_world import STROKE_NL, Recorder, hardware, packed, program

from thecal.link.answering import Answering, Code
from thecal.link.catalogue import BY_PATH, Bytes, Kind, Truth, Whole, Word
from thecal.link.ledger import Outcome, Pending
from thecal.link.outcome import Denial, Denied, NotHeard, NotSent
from thecal.link.roles import Field, Role
from thecal.pump.core import codes
from thecal.pump.core.commands import Commands
from thecal.pump.core.log import SIZE, Log
from thecal.pump.core.record import Keeper, Store

if TYPE_CHECKING:
    from thecal.link.answering import Answered
    from thecal.pump.core.controller import Controller
    from thecal.pump.core.program import Program

PATIENT = b"patient of this "
OTHER = b"somebody else's "
DOCUMENT = b"an order document, as long as it needs to be " * 40
LOG_RECORDS = 256


def ordered(number: int = 1, *, document: bytes = DOCUMENT, patient: bytes = PATIENT, **others: object) -> Program:
    """A program bound to an order document and a patient."""
    p = program(number, **others)  # type: ignore[arg-type]
    p.order_digest[:] = sha256(document).digest()
    p.patient_ref[:] = patient
    return p


def digest_of(p: Program) -> bytes:
    return sha256(packed(p)).digest()


def values_of(kind: Kind) -> st.SearchStrategy[Any]:
    match kind:
        case Whole(least, most):
            return st.integers(least, most) | st.sampled_from((least, most))
        case Bytes(least, most):
            return st.binary(min_size=least, max_size=min(most, least + 64)) | st.just(b"x" * most)
        case Word(words):
            return st.sampled_from(words)
        case Truth():
            return st.booleans()


def maps_of(fields: tuple[tuple[str, Kind], ...]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({name: values_of(kind) for name, kind in fields})


class Turner(Recorder):
    """A recorder that also counts what each request of the patient truly delivered."""

    def __init__(self) -> None:
        super().__init__()
        self.of_request: Counter[int] = Counter()
        self.singles = 0

    def turn(self, t0_s: int, t1_s: int, acc: int, rate: int, unit: int, strokes: int) -> int:
        done = super().turn(t0_s, t1_s, acc, rate, unit, strokes)
        assert self.controller is not None
        c = self.controller
        if c.b_kind and unit == c.b_s and rate == c.b_n:
            self.of_request[c.ledger.newest if c.b_kind == codes.PATIENT else 0] += done
        return done


class Witness(Commands):
    """The commands of a pump, with every one that was granted, in order."""

    def __init__(self, controller: Controller, granted: list[str]) -> None:
        super().__init__(controller)
        self.granted = granted

    def _seen(self, name: str, answer: int) -> int:
        if answer == codes.GRANTED:
            self.granted.append(name)
        return answer

    def bolus(self, request: int) -> int:
        return self._seen("bolus", super().bolus(request))

    def single(self, strokes: int, seconds: int) -> int:
        return self._seen("single", super().single(strokes, seconds))

    def prime(self, catheter_state: int, volume_nl: int, dead_nl: int, near_field: bool) -> int:
        return self._seen("prime", super().prime(catheter_state, volume_nl, dead_nl, near_field))

    def confirm(self, digest: bytes) -> int:
        return self._seen("confirm", super().confirm(digest))

    def start(self, who: int) -> int:
        return self._seen("start", super().start(who))

    def stop(self, who: int) -> int:
        return self._seen("stop", super().stop(who))

    def refill(self, level_nl: int) -> int:
        return self._seen("refill", super().refill(level_nl))

    def set_clock(self, offset_s: int) -> int:
        return self._seen("clock", super().set_clock(offset_s))

    def acknowledge(self, alarm: int) -> int:
        return self._seen("acknowledge", super().acknowledge(alarm))


class Pump:
    """The real core with durable memory that works, as the link sees it. It satisfies ``link.surface.Surface``."""

    def __init__(self, *, p: Program | None = None, start: bool = True, document: bytes = DOCUMENT) -> None:
        self.store = Store()
        self.documents: dict[bytes, bytes] = {}
        self.records: list[bytes] = []  # the log as it is kept, whole
        self.chain: list[bytes] = [bytes(32)]
        self.settled = 0
        self.readings = 0
        self.signals = 0
        self.tones: list[bool] = []
        self.keeps = True  # whether a document reads back
        self.motor = Turner()
        self.granted: list[str] = []
        self.wake()
        self.settle()
        assert self.commands.refill(20_000_000) == codes.GRANTED
        if p is not None:
            self.keep_document(document)
            assert self.commands.propose(packed(p)) == codes.GRANTED
            assert self.commands.confirm(self.commands.staged_digest()) == codes.GRANTED
            if start:
                assert self.commands.start(1) == codes.GRANTED
        self.settle()

    def wake(self) -> None:
        """Start the pump from what its store holds; working memory is gone."""
        self.keeper = Keeper(self.store)
        self._controller = self.keeper.wake(hardware(), self.motor, Log(LOG_RECORDS))
        self.motor.controller = self._controller
        self._commands: Commands = Witness(self._controller, self.granted)

    @property
    def controller(self) -> Controller:
        return self._controller

    @property
    def commands(self) -> Commands:
        return self._commands

    def run(self, seconds: int) -> None:
        """Let time pass."""
        until = self.controller.t + seconds
        while self.controller.run(until) < until or self.controller.dirty:
            self.keeper.settle(self.controller)
            self._keep_log()

    def settle(self) -> None:
        self.settled += 1
        self.keeper.settle(self.controller)
        self._keep_log()

    def _keep_log(self) -> None:
        log = self.controller.log
        for number in range(len(self.records) + 1, log.sealed + 1):
            record = log.record(number)
            self.records.append(record)
            self.chain.append(sha256(self.chain[-1] + record).digest())

    def memory(self) -> tuple[bytes, ...]:
        """Everything durable, and what is proposed, to be compared."""
        c = self.controller
        kept = tuple(self.store.areas)
        return (*kept, *self.documents, *self.records, self.commands.staged_digest(), repr(c.t).encode())

    def family(self) -> str:
        return "bench-20"

    def serial(self) -> str:
        return "T-1"

    def tubing_nl(self) -> int:
        return 10_000

    def battery_percent(self) -> int:
        return 88

    def document(self) -> bytes:
        return self.documents.get(bytes(self.controller.program.order_digest), b"")

    def keep_document(self, document: bytes) -> bool:
        if self.keeps:
            self.documents[sha256(document).digest()] = document
        return self.keeps

    def log_piece(self, first: int, most: int) -> tuple[bytes, bytes]:
        if not 1 <= first <= len(self.records):
            return b"", b""
        return b"".join(self.records[first - 1 : first - 1 + most]), self.chain[first - 1]

    def test_alarm(self, *, critical: bool) -> None:
        self.tones.append(critical)

    def signal(self) -> None:
        self.signals += 1

    def interrogated(self) -> None:
        self.readings += 1


class BookOfMemory:
    """A ledger that lasts as long as the test: the protocol, and nothing more."""

    def __init__(self) -> None:
        self.numbers: dict[tuple[str, Role], int] = {}
        self.rows: dict[tuple[str, Role, int], Pending] = {}

    def next_command(self, serial: str, role: Role, newest_at_pump: int) -> int:
        number = max(newest_at_pump, self.numbers.get((serial, role), 0)) + 1
        self.numbers[serial, role] = number
        return number

    def write_down(self, pending: Pending) -> None:
        key = (pending.serial, pending.role, pending.command)
        if key in self.rows or pending.outcome is not Outcome.NOT_KNOWN:
            raise ValueError(f"{key} is written down already")
        self.rows[key] = pending

    def pending(self, serial: str) -> list[Pending]:
        return [p for p in self.history(serial) if p.outcome is Outcome.NOT_KNOWN]

    def resolve(self, resolved: Pending) -> None:
        key = (resolved.serial, resolved.role, resolved.command)
        if self.rows[key].outcome is not Outcome.NOT_KNOWN or resolved.outcome is Outcome.NOT_KNOWN:
            raise ValueError(f"{key} is resolved already, or not now")
        was = self.rows[key]
        assert replace(resolved, outcome=was.outcome, answer=255, wait_s=0, said="", resolved_utc="") == was
        self.rows[key] = resolved

    def history(self, serial: str) -> list[Pending]:
        return [p for (s, _, _), p in self.rows.items() if s == serial]


@dataclass
class Time:
    """The client's clock; it moves with the pump."""

    s: int = 0

    def now_s(self) -> int:
        return self.s

    def utc_s(self) -> int:
        return 1_770_000_000 + self.s


_DENIALS = {
    Code.FORBIDDEN: Denial.FORBIDDEN,
    Code.NEAR_ONLY: Denial.FORBIDDEN,
    Code.UNKNOWN_PATH: Denial.UNKNOWN_PATH,
    Code.MALFORMED: Denial.MALFORMED,
}
HEARD, NOT_SENT, REQUEST_LOST, ANSWER_LOST, TWICE, LATE = FATES = (
    *("heard", "not sent", "request lost", "answer lost", "twice", "late"),
)


@dataclass
class Radio:
    """Between one role and the pump. ``fates`` says what happens to the next exchanges; without any, all is heard."""

    pump: Pump
    answering: Answering
    role: Role
    field: Field = Field.NEAR
    fates: deque[str] = dataclasses.field(default_factory=deque)
    late: list[tuple[str, bytes]] = dataclasses.field(default_factory=list)
    said: list[tuple[str, bytes]] = dataclasses.field(default_factory=list)

    async def __call__(self, path: str, payload: bytes) -> bytes:
        fate = self.fates.popleft() if self.fates else HEARD
        if fate == NOT_SENT:
            raise NotSent("counters are lost")
        self.said.append((path, payload))
        if fate == LATE:
            self.late.append((path, payload))
        if fate in {LATE, REQUEST_LOST}:
            raise NotHeard("no answer came")
        answered = self.arrive(path, payload)
        if fate == TWICE:
            answered = self.arrive(path, payload)
        if fate == ANSWER_LOST:
            raise NotHeard("no answer came")
        if answered.code is not Code.DONE:
            raise Denied(_DENIALS[answered.code])
        return answered.payload

    def arrive(self, path: str, payload: bytes) -> Answered:
        """A frame reaches the pump now."""
        assert path in BY_PATH
        return self.answering.answer(self.role, self.field, path, payload)

    def arrive_late(self, which: int = 0) -> None:
        """An old frame reaches the pump at last; nobody waits for its answer any more."""
        path, payload = self.late.pop(which)
        self.arrive(path, payload)


assert SIZE == 32
assert STROKE_NL == 250
