"""Durable memory: the state in two mirrored slots, programs in two alternating ones, and how a pump wakes up.

Before strokes are delivered, the state that counts them as delivered is in memory: a record reserves the strokes of
the next quarter of an hour, and the controller stops at that mark until the next record is written. Power may fail at
any write: each state is written to one slot and then to the other, so one of them is always whole, and nothing is
delivered under a state before both are. On waking, what was reserved counts as delivered, a bolus is never resumed,
and a memory that cannot be trusted stops the pump (promises 4 and 11).
"""

from array import array
from binascii import crc32
from struct import pack_into, unpack_from

from . import alarms as al
from . import codes as k
from .controller import Controller
from .program import RECORD_SIZE
from .window import AHEAD, KNOTS, DoseWindow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hardware import Hardware, Motor
    from .log import Log

MAGIC = 0x54485331  # "THS", layout 1
STATE = (0, 1)  # areas of the store
PROGRAM = (2, 3)
RESERVE_S = 900

# What is kept, by owner: whole numbers first, then arrays.
NUMBERS = (
    "t offset_s loaded running stopped_at_s regular_at_s acc bridging bridge_left bridge_strokes "
    "b_kind b_n b_s b_t0 b_done b_given recent worst_hour worst_day base_epoch strokes missed commanded level_nl "
    "total_s day_strokes day_missed seg_strokes failed_row reserved prime_state boots",
    "n now_epoch since_s channels margin",
    "first n n_old gone total open_n open_t group now_epoch since_s channels most_hour most_day free primed_state "
    "dead_strokes",
    "n next newest n_starts next_start",
    "active",
    "sealed",
)
ARRAYS = (
    "recent_end_s recent_n",
    "t strokes epoch charge limit_fg",
    "t upto epoch charge limit_fg",
    "id outcome at_s start_s",
    "issued_s acknowledged_s cleared_s",
    "digest",
)


class Store:
    """Memory that survives: four areas that are written and read whole. A real or faulty one has the same methods."""

    def __init__(self) -> None:
        self.areas = [b"", b"", b"", b""]

    def write(self, area: int, data: "bytearray") -> None:
        """Replace an area."""
        self.areas[area] = bytes(data)

    def read(self, area: int) -> "bytes":
        """What an area holds; empty where it was never written."""
        return self.areas[area]


class Keeper:
    """Writes the state of one controller to a store, and reads it back at waking."""

    def __init__(self, store: "Store") -> None:
        self.store = store
        self.sequence = 0
        self.saved_number = 0  # number of the program that memory holds as the running one
        self.program_buf = bytearray(RECORD_SIZE)

    def wake(self, hardware: "Hardware", motor: "Motor", log: "Log") -> Controller:
        """The controller as memory knows it, with what was reserved counted as delivered; a new one from blank memory.

        The controller is guarded: it delivers nothing until ``settle`` has written this state.
        """
        a = self.store.read(STATE[0])
        b = self.store.read(STATE[1])
        c = Controller(hardware, motor, log)
        if not a and not b:
            c.guarded = True
            c.dirty = True
            return c
        first, other = (a, b) if _sequence(a) >= _sequence(b) else (b, a)
        if not _sound(first) or not _unpack(c, first):
            c = Controller(hardware, motor, log)
            c.alarms.issue(al.MEMORY_CRITICAL, c.t)
        else:
            self.sequence = _sequence(first)
            self._wake_program(c)
            if not _sound(other):
                c.alarms.issue(al.MEMORY_MINOR, c.t)
        self._count_doubt(c)
        c.guarded = True
        c.dirty = True
        c.check()
        c.plan()
        return c

    def _wake_program(self, c: Controller) -> None:
        """Read the running program; without it nothing may run."""
        number = c.program.number
        if not c.loaded:
            return
        packed = bytearray(self.store.read(PROGRAM[number % 2]))
        whole = len(packed) == RECORD_SIZE and c.program.unpack(packed)
        self.saved_number = number
        if not whole or c.program.number != number or c.program.fault():
            c.program.number = number
            c.loaded = False
            c.alarms.issue(al.MEMORY_CRITICAL, c.t)

    def _count_doubt(self, c: Controller) -> None:
        """What was reserved may have been delivered: count it, end the bolus, and say that power was lost."""
        assumed = c.reserved - c.commanded if c.reserved > c.commanded else 0
        free = 0
        if c.b_kind == k.PRIME:
            free = c.b_n - c.b_done if c.b_n - c.b_done < assumed else assumed
        c.boots += 1
        c.mark()
        c.window.mark(c.t, assumed - free)
        c.monitor.free = 0
        c.monitor.count(c.t, c.t, assumed - free)
        c.commanded += assumed
        c.strokes += assumed
        c.level_nl -= assumed * c.hw.stroke_nl
        if c.bridging:
            c.bridge_left -= (assumed - free) * c.unit
        c.reserved = c.commanded
        c.regular_at_s = c.t
        c.note(k.E_BOOT, assumed, c.boots)
        if c.b_kind:
            c.note(k.E_BOLUS_CUT, c.b_kind, c.b_given)
            c.b_kind = 0
        if c.loaded:
            c.alarms.issue(al.POWER_LOST, c.t)
            c.alarms.issue(al.CLOCK_DOUBT, c.t)

    def settle(self, c: Controller) -> None:
        """Seal the log and write the state, reserving what comes next; call it whenever ``run`` returned early."""
        c.log.seal()
        if c.loaded and c.program.number != self.saved_number:
            c.program.pack(self.program_buf)
            self.store.write(PROGRAM[c.program.number % 2], self.program_buf)
            self.saved_number = c.program.number
        c.reserved = c.commanded + _next_strokes(c)
        self.sequence += 1
        record = _pack(c, self.sequence)
        self.store.write(STATE[0], record)
        self.store.write(STATE[1], record)
        c.dirty = False


def _next_strokes(c: Controller) -> int:
    """Strokes that the next RESERVE_S may hold at most, the rest of a bolus included; at least a few."""
    n = 2 + c.rate * RESERVE_S // c.unit + 1
    if c.b_kind:
        n += c.b_n - c.b_done
    return n if c.commanded + n < k.MAX_STROKES else k.MAX_STROKES - c.commanded


def _owners(c: Controller) -> "tuple[object, ...]":
    return (c, c.window, c.monitor, c.ledger, c.alarms, c.log)


def _pack(c: Controller, sequence: int) -> "bytearray":
    """The state as bytes: magic, sequence, program number, numbers, arrays, CRC-32."""
    size = 24
    for names in NUMBERS:
        size += 8 * len(names.split())
    for owner, names in zip(_owners(c), ARRAYS):
        for name in names.split():
            size += len(_part(owner, name))
    buf = bytearray(size)
    pack_into("<IIIq", buf, 0, MAGIC, sequence, size, c.program.number)
    at = 20
    for owner, names in zip(_owners(c), NUMBERS):
        for name in names.split():
            pack_into("<q", buf, at, int(getattr(owner, name)))
            at += 8
    for owner, names in zip(_owners(c), ARRAYS):
        for name in names.split():
            raw = _part(owner, name)
            buf[at : at + len(raw)] = raw
            at += len(raw)
    pack_into("<I", buf, at, crc32(memoryview(buf)[:at]))
    return buf


def _part(owner: object, name: str) -> "bytes":
    """The bytes of an array; of the window only what was delivered, not what was laid out to come."""
    raw = bytes(getattr(owner, name))
    if isinstance(owner, DoseWindow) and name in ("t", "strokes", "epoch"):
        return raw[: len(raw) // (KNOTS + AHEAD) * KNOTS]
    return raw


def _sequence(record: "bytes") -> int:
    """The sequence of a sound record; -1 for any other."""
    return unpack_from("<I", record, 4)[0] if _sound(record) else -1


def _sound(record: "bytes") -> bool:
    if len(record) < 16 or unpack_from("<I", record, 0)[0] != MAGIC:
        return False
    if unpack_from("<I", record, 8)[0] != len(record):
        return False
    found: int = unpack_from("<I", record, len(record) - 4)[0]
    return found == crc32(memoryview(record)[: len(record) - 4])


def _unpack(c: Controller, record: "bytes") -> bool:
    """Put a sound record into a new controller; False where it is of another layout."""
    if len(record) != len(_pack(c, 0)):
        return False
    c.program.number = unpack_from("<q", record, 12)[0]
    at = 20
    for owner, names in zip(_owners(c), NUMBERS):
        for name in names.split():
            value = unpack_from("<q", record, at)[0]
            setattr(owner, name, value != 0 if name in ("loaded", "running", "bridging") else value)
            at += 8
    for owner, names in zip(_owners(c), ARRAYS):
        for name in names.split():
            kept = getattr(owner, name)
            size = len(_part(owner, name))
            raw = record[at : at + size]
            values = raw if isinstance(kept, bytearray) else array(_code(name), raw)
            for i in range(len(values)):
                kept[i] = values[i]
            at += size
    c.staged_at_s = k.NEVER
    c.event_s = c.t
    c.log.lost = c.log.sealed
    return True


def _code(name: str) -> str:
    """The element type of an array that is not bytes."""
    return "q" if name in ("charge", "limit_fg", "id") else "I"


assert RESERVE_S < k.HOUR_S
