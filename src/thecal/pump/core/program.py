"""A program as the pump runs it: integers only, checked whole, and one fixed layout of bytes for memory and digest.

Rates are picolitres per hour, so that a year of rounding down stays under one stroke. The base is a cycle of steps
(one for a steady rate, a day, a week, or the interval of repeated doses) laid out against the pump clock from
``anchor_s`` on. Channels are unnamed: a strength in ng per mL and two ceilings in ng.
"""

from array import array
from binascii import crc32
from struct import pack_into, unpack_from

from . import codes as k
from .codes import DAY_S, HOUR_S, MAX_CHANNELS, MAX_STEPS, N_FAULTS

MAGIC = 0x54484301  # "THC", layout 1
NUMBERS = (
    "number stroke_nl n_channels cycle_s anchor_s n_steps bolus_strokes bolus_s lockout_s bolus_most bridge_pl "
    "bridge_rate_pl_per_h bridge_bolus_strokes fallback_pl_per_h low_nl max_rate_pl_per_h"
)
ARRAYS = "strength_ng_per_ml ceiling_1h_ng ceiling_24h_ng order_digest patient_ref response step_s rate_pl_per_h"
SIZE = 4 + 16 * 8 + 3 * 8 * MAX_CHANNELS + 32 + 16 + N_FAULTS + 8 * MAX_STEPS
MAX_RATE_PL_PER_H = 2000000000  # 48 mL/day: above every pump in the facts
MAX_STARTS = 48
MAX_BOLUS = 100000  # strokes
MAX_BRIDGE_PL = 10000000000
MAX_BRIDGE_S = 2592000  # 30 days, ours: the old drug of any catheter has left long before
MAX_NUMBER = 0x7FFFFFFF  # a new program every second for 68 years
MAX_LEVEL_NL = 1000000000  # 1 L: above every reservoir in the facts


class Program:
    """Everything the controller runs by. Fields are set by the compiler; ``fault`` says whether they may be run."""

    def __init__(self) -> None:
        self.number = 0  # counts programs of this pump
        self.stroke_nl = 0
        self.n_channels = 0
        self.strength_ng_per_ml = array("q", [0] * MAX_CHANNELS)
        self.ceiling_1h_ng = array("q", [0] * MAX_CHANNELS)
        self.ceiling_24h_ng = array("q", [0] * MAX_CHANNELS)
        self.cycle_s = DAY_S
        self.anchor_s = 0  # pump-clock second at which a cycle starts
        self.n_steps = 0
        self.step_s = array("I", [0] * MAX_STEPS)  # offset in the cycle, first 0, rising
        self.rate_pl_per_h = array("I", [0] * MAX_STEPS)
        self.bolus_strokes = 0  # 0: no patient bolus
        self.bolus_s = 0
        self.lockout_s = 0
        self.bolus_most = 0  # starts in any 24 h
        self.bridge_pl = 0  # volume of old drug that goes before this program; 0: none
        self.bridge_rate_pl_per_h = 0
        self.bridge_bolus_strokes = 0  # patient bolus while the bridge runs; 0: blocked
        self.fallback_pl_per_h = 0
        self.low_nl = 0
        self.max_rate_pl_per_h = 0  # of the pump: base and bolus together never pass it
        self.response = bytearray(N_FAULTS)  # one of R_STOP, R_FALLBACK, R_CONTINUE for each class of fault
        self.order_digest = bytearray(32)  # of the order document that is stored beside it
        self.patient_ref = bytearray(16)  # pump-held patient reference

    def fault(self) -> str:
        """Why this program must not run, naming the field; an empty string for a sound one."""
        if not 0 < self.number <= MAX_NUMBER:
            return "number"
        if not 0 < self.stroke_nl <= 1000000:
            return "stroke_nl"
        if not 1 <= self.n_channels <= MAX_CHANNELS:
            return "n_channels"
        for i in range(self.n_channels):
            if not 0 < self.strength_ng_per_ml[i] <= 1000000000:
                return "strength_ng_per_ml"
            # A missing ceiling refuses (promise 8).
            if not 0 < self.ceiling_1h_ng[i] <= self.ceiling_24h_ng[i] <= 1000000000000:
                return "ceiling_ng"
        return self._schedule_fault() or self._bolus_fault() or self._response_fault()

    def _schedule_fault(self) -> str:
        if not (0 < self.cycle_s <= k.WEEK_S and (k.WEEK_S % self.cycle_s == 0)):
            return "cycle_s"
        if not 0 <= self.anchor_s < k.WEEK_S:
            return "anchor_s"
        if not 1 <= self.n_steps <= MAX_STEPS or self.step_s[0] != 0:
            return "n_steps"
        if not 0 < self.max_rate_pl_per_h <= MAX_RATE_PL_PER_H:
            return "max_rate_pl_per_h"
        for i in range(self.n_steps):
            end = self.step_s[i + 1] if i + 1 < self.n_steps else self.cycle_s
            if self.step_s[i] >= end:
                return "step_s"
            if self.rate_pl_per_h[i] > self.max_rate_pl_per_h:
                return "rate_pl_per_h"
        if not 0 <= self.fallback_pl_per_h <= self.max_rate_pl_per_h:
            return "fallback_pl_per_h"
        return ""

    def _bolus_fault(self) -> str:
        top = self.max_rate_pl_per_h
        if not 0 <= self.bolus_strokes <= MAX_BOLUS or not 0 <= self.bridge_bolus_strokes <= MAX_BOLUS:
            return "bolus"
        if self.bolus_strokes:
            if not 0 < self.bolus_s <= self.lockout_s <= DAY_S or not 1 <= self.bolus_most <= MAX_STARTS:
                return "bolus"
            most = self.bolus_strokes if self.bolus_strokes > self.bridge_bolus_strokes else self.bridge_bolus_strokes
            flow = -(-most * self.stroke_nl * 1000 * HOUR_S // self.bolus_s)
            for i in range(self.n_steps):
                if self.rate_of(i) + flow > top:
                    return "bolus flow"
            if self.bridge_rate_pl_per_h + flow > top:
                return "bolus flow"
        elif self.bridge_bolus_strokes:
            return "bolus"
        if not 0 <= self.bridge_rate_pl_per_h <= top or (self.bridge_pl and self.bridge_rate_pl_per_h == 0):
            return "bridge_rate_pl_per_h"
        if not 0 <= self.bridge_pl <= MAX_BRIDGE_PL:
            return "bridge_pl"
        if self.bridge_pl * HOUR_S > self.bridge_rate_pl_per_h * MAX_BRIDGE_S:
            return "bridge_pl"
        return ""

    def _response_fault(self) -> str:
        if not 0 <= self.low_nl <= MAX_LEVEL_NL:
            return "low_nl"
        for i in range(N_FAULTS):
            if self.response[i] > k.R_CONTINUE:
                return "response"
            if self.response[i] == k.R_FALLBACK and self.fallback_pl_per_h == 0:
                return "fallback_pl_per_h"
        if self.response[k.F_MEMORY] != k.R_STOP or self.response[k.F_OVER] != k.R_STOP:
            return "response"  # doubtful memory and suspected over-delivery always stop
        return ""

    def charges(self, fg: "array[int]", at: int) -> bool:
        """Whether ``fg`` holds, from ``at`` on, what a stroke of this program charges in each channel."""
        for c in range(MAX_CHANNELS):
            if fg[at + c] != (self.strength_ng_per_ml[c] * self.stroke_nl if c < self.n_channels else 0):
                return False
        return True

    def index(self, phase_s: int) -> int:
        """The step that runs at ``phase_s`` of the cycle."""
        low = 0
        high = self.n_steps
        while high - low > 1:
            middle = (low + high) // 2
            if self.step_s[middle] <= phase_s:
                low = middle
            else:
                high = middle
        return low

    def rate_of(self, i: int) -> int:
        """The rate of step ``i`` in pL/h, or the fallback rate where that is more (for the worst case only)."""
        rate = self.rate_pl_per_h[i]
        if rate < self.fallback_pl_per_h:
            return self.fallback_pl_per_h
        return rate

    def worst_pl_s_per_h(self, window_s: int) -> int:
        """The most that any ``window_s`` seconds of the base hold, in pL/h times s, wherever they start.

        The sum over a sliding interval of a piecewise constant rate is largest with one end on a step: both kinds
        are tried, each window unrolled over as many cycles as it needs.
        """
        whole = window_s // self.cycle_s
        part = window_s - whole * self.cycle_s
        total = self.volume(0, self.cycle_s)
        most = 0
        for i in range(self.n_steps):
            v = self.volume(self.step_s[i], part)
            if v > most:
                most = v
            v = self.volume((self.step_s[i] - part) % self.cycle_s, part)
            if v > most:
                most = v
        return whole * total + most

    def volume(self, phase_s: int, length_s: int) -> int:
        """What ``length_s`` (at most one cycle) seconds from ``phase_s`` on hold at the worst, in pL/h times s."""
        i = self.index(phase_s)
        v = 0
        while length_s > 0:
            end = self.step_s[i + 1] if i + 1 < self.n_steps else self.cycle_s
            dt = end - phase_s
            if dt > length_s:
                dt = length_s
            v += self.rate_of(i) * dt
            length_s -= dt
            phase_s = end
            i += 1
            if i == self.n_steps:
                i = 0
                phase_s = 0
        return v

    def pack(self, buf: "bytearray") -> None:
        """Write the fixed layout into ``buf`` (RECORD_SIZE bytes), closed by its CRC-32."""
        pack_into("<I", buf, 0, MAGIC)
        at = 4
        for name in NUMBERS.split():
            pack_into("<Q", buf, at, getattr(self, name))
            at += 8
        for name in ARRAYS.split():
            raw = bytes(getattr(self, name))
            buf[at : at + len(raw)] = raw
            at += len(raw)
        pack_into("<I", buf, SIZE, crc32(memoryview(buf)[:SIZE]))

    def unpack(self, buf: "bytes | bytearray") -> bool:
        """Read the fixed layout; False where it is damaged or not one (the fields are then not to be used)."""
        if unpack_from("<I", buf, 0)[0] != MAGIC or unpack_from("<I", buf, SIZE)[0] != crc32(memoryview(buf)[:SIZE]):
            return False
        at = 4
        for name in NUMBERS.split():
            setattr(self, name, unpack_from("<Q", buf, at)[0])
            at += 8
        for name in ARRAYS.split():
            kept = getattr(self, name)
            size = len(bytes(kept))
            part = bytes(buf[at : at + size])
            values = part if isinstance(kept, bytearray) else array("I" if len(part) == 4 * MAX_STEPS else "q", part)
            for i in range(len(kept)):
                kept[i] = values[i]
            at += size
        return True


RECORD_SIZE = SIZE + 4  # with the checksum
