"""Durable memory: the state in two mirrored slots, programs in two alternating ones, and how a pump wakes up.

Before strokes are delivered, the state that counts them as delivered is in memory: a record reserves the strokes of
the next quarter of an hour, and the controller stops at that mark until the next record is written. Power may fail at
any write: each state is written to one slot and then to the other, the older one first, so one of them is always
whole, and nothing is delivered under a state before both are. A new program goes where the running one is not, and the
state names it by number and checksum. What was written is read back. On waking, what was reserved counts as delivered,
a bolus is never resumed, and a memory that cannot be trusted stops the pump (promises 4 and 11).
"""

from array import array
from binascii import crc32
from struct import pack_into, unpack_from

from . import alarms as al
from . import codes as k
from .controller import Controller
from .program import RECORD_SIZE, SIZE, Program
from .window import AHEAD, KNOTS, DoseWindow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hardware import Hardware, Motor
    from .log import Log

MAGIC = 0x54485334  # "THS", layout 4
HEAD = 24  # magic, sequence, size, number and checksum of the program
STATE = (0, 1)  # areas of the store
PROGRAM = (2, 3)
RESERVE_S = 900
DAMAGED = -1  # in place of the sequence of a record
BLANK = -2

# What is kept, by owner: whole numbers first, then arrays.
NUMBERS = (
    "t offset_s loaded running stopped_at_s regular_at_s acc bridging bridge_left bridge_strokes "
    "b_kind b_n b_s b_t0 b_done b_given q_len recent worst_hour worst_day base_epoch strokes missed commanded level_nl "
    "total_s day_strokes day_missed seg_strokes failed_row held reserved prime_state boots",
    "n now_epoch since_s channels margin",
    "first n n_old gone total open_n open_t group now_epoch since_s channels most_hour most_day free primed_state "
    "dead_strokes",
    "n next newest n_starts next_start",
    "active stalls stalls_since_s",
    "sealed",
)
ARRAYS = (
    "recent_end_s recent_n",
    "t strokes epoch charge limit_fg",
    "t upto epoch charge limit_fg",
    "id outcome at_s start_s seat_id seat_answer seat_wait_s seat_at_s",
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

    def holds(self, area: int, data: "bytearray") -> bool:
        """Whether an area holds just this, read back from it."""
        return self.areas[area] == data


class Keeper:
    """Writes the state of one controller to a store, and reads it back at waking."""

    def __init__(self, store: "Store") -> None:
        self.store = store
        self.sequence = 0
        self.older = STATE[0]  # the slot that is written first: the other one is whole until then
        self.saved_number = 0  # program that memory holds as the running one, where, and its checksum
        self.saved_area = PROGRAM[1]
        self.saved_crc = 0
        self.program_buf = bytearray(RECORD_SIZE)
        self.buf = bytearray(0)  # one record, made once

    def wake(self, hardware: "Hardware", motor: "Motor", log: "Log") -> Controller:
        """The controller as memory knows it, with what was reserved counted as delivered; a new one from blank memory.

        The controller is guarded: it delivers nothing until ``settle`` has written this state.
        """
        a = _sequence(self.store.read(STATE[0]))
        b = _sequence(self.store.read(STATE[1]))
        c = Controller(hardware, motor, log)
        if a != BLANK or b != BLANK:
            self.older = STATE[1] if a >= b else STATE[0]
            alarm = self._wake_from(c, self.store.read(STATE[1] - self.older), a >= 0 and b >= 0)
            self._count_doubt(c)
            if alarm != al.N_ALARMS:
                _raise(c, alarm)
        c.guarded = True
        c.dirty = True
        c.check()
        c.plan()
        return c

    def _wake_from(self, c: Controller, newest: "bytes", both: bool) -> int:
        """Take over the newest state and its program; the answer is the alarm to raise, N_ALARMS for none."""
        known = _sequence(newest)
        if known >= 0:
            self.sequence = known
        if known < 0 or not _unpack(c, newest):
            c.reserved = 0  # nothing is known; the full day that the alarm asks for stands for what was delivered
            return al.MEMORY_CRITICAL
        if c.loaded and not self._wake_program(c, unpack_from("<I", newest, 20)[0]):
            return al.MEMORY_CRITICAL
        return al.N_ALARMS if both else al.MEMORY_MINOR

    def _wake_program(self, c: Controller, crc: int) -> bool:
        """Read the running program; False where neither area holds it, and then nothing may run."""
        number = c.program.number
        for area in PROGRAM:
            packed = self.store.read(area)
            if len(packed) == RECORD_SIZE and unpack_from("<I", packed, SIZE)[0] == crc and c.program.unpack(packed):
                if c.program.number == number and not c.program.fault() and c.program.stroke_nl == c.hw.stroke_nl:
                    self.saved_number = number
                    self.saved_area = area
                    self.saved_crc = crc
                    return True
        c.program = Program()
        c.program.number = number
        c.loaded = False
        c.running = False
        return False

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
        for _ in range(c.q_len):
            c.note(k.E_BOLUS_CUT, k.SINGLE, 0)  # the patient's own never waits
        c.q_len = 0
        if c.loaded:
            _raise(c, al.POWER_LOST)
            _raise(c, al.CLOCK_DOUBT)

    def settle(self, c: Controller) -> None:
        """Seal the log and write the state, reserving what comes next; call it whenever ``run`` returned early.

        Where memory does not read back what was written, the alarm for it leaves the controller dirty: settle again.
        """
        c.log.seal()
        kept = True
        if c.loaded and c.program.number != self.saved_number:
            kept = self._save_program(c)
        c.reserved = c.commanded + _next_strokes(c)
        self.sequence += 1
        c.dirty = False
        if len(self.buf) == 0:
            self.buf = bytearray(_size(c))
        _pack(c, self.buf, self.sequence, self.saved_crc)
        one = self._write(self.older, self.buf)
        two = self._write(STATE[1] - self.older, self.buf)
        if not kept or not (one or two):
            _raise(c, al.MEMORY_CRITICAL)
            c.plan()
        elif not (one and two):
            _raise(c, al.MEMORY_MINOR)

    def _save_program(self, c: Controller) -> bool:
        """Write a new program where the running one is not; False where it does not read back."""
        c.program.pack(self.program_buf)
        area = PROGRAM[0] + PROGRAM[1] - self.saved_area
        if not self._write(area, self.program_buf):
            return False
        self.saved_number = c.program.number
        self.saved_area = area
        self.saved_crc = unpack_from("<I", self.program_buf, SIZE)[0]
        return True

    def _write(self, area: int, data: "bytearray") -> bool:
        """Write an area; whether it reads back."""
        self.store.write(area, data)
        return self.store.holds(area, data)


def _raise(c: Controller, alarm: int) -> None:
    """Issue an alarm that memory or power is the cause of, with its record in the log."""
    if c.alarms.issue(alarm, c.t):
        c.note(k.E_ALARM, alarm, c.level_nl)


def _next_strokes(c: Controller) -> int:
    """Strokes that the next RESERVE_S may hold at most, the rest of a bolus included; none while nothing is due."""
    if c.rate == 0 and c.b_kind == 0:
        return 0  # whatever begins is written down before its first stroke
    n = 2 + c.rate * RESERVE_S // c.unit + 1
    if c.b_kind:
        n += c.b_n - c.b_done
    return n if c.commanded + n < k.MAX_STROKES else k.MAX_STROKES - c.commanded


def _owners(c: Controller) -> "tuple[object, ...]":
    return (c, c.window, c.monitor, c.ledger, c.alarms, c.log)


def _size(c: Controller) -> int:
    """How many bytes a record has."""
    size = HEAD + 4
    for names in NUMBERS:
        size += 8 * len(names.split())
    for owner, names in zip(_owners(c), ARRAYS):
        for name in names.split():
            size += len(_part(owner, name))
    return size


def _pack(c: Controller, buf: "bytearray", sequence: int, crc: int) -> None:
    """Write the state as bytes: magic, sequence, size, program number and checksum, numbers, arrays, CRC-32."""
    pack_into("<IIIqI", buf, 0, MAGIC, sequence, len(buf), c.program.number, crc)
    at = HEAD
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


def _part(owner: object, name: str) -> "bytes":
    """The bytes of an array; of the window only what was delivered, not what was laid out to come."""
    raw = bytes(getattr(owner, name))
    if isinstance(owner, DoseWindow) and name in ("t", "strokes", "epoch"):
        return raw[: len(raw) // (KNOTS + AHEAD) * KNOTS]
    return raw


def _sequence(record: "bytes") -> int:
    """The sequence of a sound record; DAMAGED for any other, BLANK where nothing was ever written."""
    if len(record) == 0:
        return BLANK
    return unpack_from("<I", record, 4)[0] if _sound(record) else DAMAGED


def _sound(record: "bytes") -> bool:
    if len(record) <= HEAD or unpack_from("<I", record, 0)[0] != MAGIC:
        return False
    if unpack_from("<I", record, 8)[0] != len(record):
        return False
    found: int = unpack_from("<I", record, len(record) - 4)[0]
    return found == crc32(memoryview(record)[: len(record) - 4])


def _unpack(c: Controller, record: "bytes") -> bool:
    """Put a sound record into a new controller; False where it is of another layout."""
    if len(record) != _size(c):
        return False
    c.program.number = unpack_from("<q", record, 12)[0]
    at = HEAD
    for owner, names in zip(_owners(c), NUMBERS):
        for name in names.split():
            value = unpack_from("<q", record, at)[0]
            setattr(owner, name, value != 0 if name in ("loaded", "running", "bridging") else value)
            at += 8
    for owner, names in zip(_owners(c), ARRAYS):
        for name in names.split():
            kept = getattr(owner, name)
            size = len(_part(owner, name))
            raw = bytes(record[at : at + size])
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
    return "q" if name in ("charge", "limit_fg", "id", "seat_id") else "I"


assert RESERVE_S < k.HOUR_S
