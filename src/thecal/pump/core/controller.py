"""The controller: strokes from a program, one second or one year at a time, with the same result.

``run`` delivers what is due up to a time. Between two events (a step, the end of a bolus, an alarm, a reservoir
mark) strokes are counted in closed form, so calling it each second and leaping from event to event give the same
strokes at the same seconds and the same log. ``due`` says when the next event comes. ``run`` allocates nothing.

Commands are in ``commands``, what is to come in ``foresight``, durable memory in ``record``.
"""

from array import array

from . import agenda
from . import alarms as al
from . import codes as k
from .alarms import Alarms
from .codes import DAY_S, HOUR_S, NEVER, PRIME, R_STOP
from .ledger import Ledger
from .log import Log
from .monitor import Monitor
from .program import Program
from .window import DoseWindow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hardware import Hardware, Motor

QUEUE = 4
RECENT = 64
STALL_STROKES = 3  # strokes in a row without feedback


class Controller:
    """One pump. ``t`` is its uptime in s; everything it did is in ``window``, ``monitor``, ``ledger`` and ``log``."""

    def __init__(self, hardware: "Hardware", motor: "Motor", log: "Log") -> None:
        self.hw = hardware
        self.motor = motor
        self.log = log
        self.window = DoseWindow()
        self.monitor = Monitor()
        self.ledger = Ledger()
        self.alarms = Alarms()
        self.program = Program()
        self.staged = Program()
        self.staged_at_s = NEVER  # when a program was proposed; NEVER: none is staged
        self.t = 0
        self.offset_s = 0  # pump clock = uptime + offset
        self.loaded = False  # a program was committed
        self.running = False  # started, and not stopped since
        self.stopped_at_s = 0
        self.regular_at_s = 0  # since when the base ran by this program at this clock, at most
        # Base lane: acc counts pL/h times s towards the next stroke.
        self.acc = 0
        self.rate = 0
        self.unit = hardware.stroke_nl * 1000 * HOUR_S
        self.step_end_s = NEVER
        self.bridging = False
        self.bridge_left = 0  # pL/h times s of old drug still ahead of the program
        self.bridge_strokes = 0  # strokes since the bridge began
        # Bolus lane: b_n strokes, evenly over b_s from b_t0 on.
        self.b_kind = 0
        self.b_n = 0
        self.b_s = 0
        self.b_t0 = 0
        self.b_done = 0  # commanded
        self.b_given = 0  # confirmed
        self.q_kind = bytearray(QUEUE)
        self.q_n = [0] * QUEUE
        self.q_s = [0] * QUEUE
        self.q_len = 0
        self.recent_end_s = array("I", [0] * RECENT)  # ends and strokes of charged boluses, a ring
        self.recent_n = array("I", [0] * RECENT)
        self.recent = 0
        self.worst_hour = 0  # strokes of the base in the worst hour and day of the program
        self.worst_day = 0
        self.base_epoch = 0  # strength that the base runs at
        # Accounts.
        self.strokes = 0  # confirmed since the beginning
        self.missed = 0  # commanded and not confirmed
        self.commanded = 0
        self.level_nl = 0  # what the pump believes to be in the reservoir
        self.total_s = DAY_S  # when the day's totals are logged next
        self.day_strokes = 0
        self.day_missed = 0
        self.seg_strokes = 0  # charged since the last knot of the window
        self.failed_row = 0
        self.held = 0  # strokes held back since the monitor began to hold
        self.reserved = k.MAX_STROKES  # commanded strokes that durable memory already counts as delivered
        self.guarded = False  # durable memory is attached: stop for it
        self.dirty = False  # something happened that durable memory should know soon
        self.prime_state = 0
        self.boots = 0
        self.event_s = NEVER
        self.plan()

    # Looking ahead

    def due(self) -> int:
        """The uptime of the next event: until then nothing but evenly spaced strokes happens."""
        return self.event_s

    def clock_s(self) -> int:
        """The pump clock: seconds since the Monday on which it counts from."""
        return self.t + self.offset_s

    def usable_strokes(self) -> int:
        """Strokes until the reservoir account reaches what cannot be pumped."""
        n = (self.level_nl - self.hw.residual_nl) // self.hw.stroke_nl
        return n if n > 0 else 0

    def empty(self) -> bool:
        """Whether nothing is left but a stroke, so that two due in one second could not both be given."""
        return self.usable_strokes() <= 1

    def low_strokes(self) -> int:
        """Strokes until the account is at or under the low level; 0 where it is."""
        over = self.level_nl - self.program.low_nl
        return -(-over // self.hw.stroke_nl) if over > 0 else 0

    # Time

    def run(self, until_s: int) -> int:
        """Deliver and handle everything up to and at ``until_s``; the answer is the uptime reached.

        That is ``until_s``, or earlier where durable memory must be written before more may be delivered: settle
        and call again.
        """
        if until_s > k.MAX_TIME_S:
            until_s = k.MAX_TIME_S
        while self.t < until_s and not (self.guarded and self.dirty):
            end = until_s if until_s < self.event_s else self.event_s
            self._deliver(end)
            if self.t >= self.event_s:
                agenda.handle(self)
            if self.guarded and self.t < end and self.t < self.event_s:
                return self.t
        return self.t

    def _count(self, end_s: int) -> int:
        """Strokes due in the seconds after ``t`` up to ``end_s``, both lanes."""
        n = 0
        if self.rate:
            n = (self.acc + self.rate * (end_s - self.t)) // self.unit
        if self.b_kind:
            n += self.bolus_by(end_s) - self.b_done
        return n

    def bolus_by(self, end_s: int) -> int:
        """Strokes of the running bolus that are due from its start up to ``end_s``."""
        if end_s >= self.b_t0 + self.b_s:
            return self.b_n
        return (end_s - self.b_t0) * self.b_n // self.b_s

    def _when(self, strokes: int, end_s: int) -> int:
        """The first second after ``t``, at the latest ``end_s``, by which that many strokes are due."""
        low = self.t
        high = end_s
        while high - low > 1:
            middle = (low + high) // 2
            if self._count(middle) >= strokes:
                high = middle
            else:
                low = middle
        return high

    def _deliver(self, end_s: int) -> None:
        """Strokes up to ``end_s``, in stretches that no mark, limit or doubt of the motor cuts through."""
        while self.t < end_s and self.t < self.event_s:
            n = self._count(end_s)
            if n == 0:
                self._turn(end_s)
                return
            stop = end_s
            usable = self.usable_strokes()
            mark = self._mark(usable)
            good = self.motor.good_until(self.t)
            if self.held or self.failed_row or self.alarms.on(al.STALL):
                good = self.t  # the very next stroke decides
            if good < end_s:
                # Beyond the motor's word every stroke is a stretch of its own.
                stop = good if good > self.t and self._count(good) > 0 else self._when(1, end_s)
                n = self._count(stop)
            if n >= mark:
                stop = self._when(mark, stop)
                n = self._count(stop)
            limit = self._limit(usable)
            if n > limit:
                stop = self._when(limit + 1, stop) - 1
                if stop == self.t:
                    if self.guarded and self.commanded + self._count(self.t + 1) > self.reserved:
                        return
                    self._hold(self.t + 1)
                    continue
            self._turn(stop)

    def _mark(self, usable: int) -> int:
        """Strokes until the reservoir account reaches its next mark (low level, or nothing left), at least 1."""
        n = usable - 1
        low = self.low_strokes()
        if 0 < low < n:
            n = low
        return n if n > 0 else 1

    def _limit(self, usable: int) -> int:
        """Strokes that may be commanded now: what the monitor, the reservoir and durable memory leave."""
        n = self.monitor.room(self.t)
        if usable < n:
            n = usable
        if self.guarded and self.reserved - self.commanded < n:
            n = self.reserved - self.commanded
        return n if n > 0 else 0

    def _turn(self, end_s: int) -> None:
        """Command the strokes of both lanes up to ``end_s`` and account for what the rotor confirms."""
        t0 = self.t
        sent = 0
        back = 0
        charged = 0
        if self.rate:
            whole = self.acc + self.rate * (end_s - t0)
            n = whole // self.unit
            c = self.motor.turn(t0, end_s, self.acc, self.rate, self.unit, n) if n else 0
            self.acc = whole - n * self.unit
            sent = n
            back = c
            charged = c if c > n else n
            if self.bridging:
                self.bridge_left -= self.rate * (end_s - t0) - (n - c) * self.unit
                self.bridge_strokes += c
        if self.b_kind:
            n = self.bolus_by(end_s) - self.b_done
            if n:
                ahead = (t0 - self.b_t0) * self.b_n - self.b_done * self.b_s
                c = self.motor.turn(t0, end_s, ahead, self.b_n, self.b_s, n)
                self.b_done += n
                self.b_given += c
                sent += n
                back += c
                if self.b_kind != PRIME:
                    charged += c if c > n else n
                if self.bridging:
                    self.bridge_left -= c * self.unit  # whatever moves the fluid moves the old drug on
                    self.bridge_strokes += c
        self.t = end_s
        if sent or back:
            self._account(t0, sent, back, charged)

    def _account(self, t0_s: int, sent: int, back: int, charged: int) -> None:
        """Book strokes: ``sent`` commanded, ``back`` confirmed, ``charged`` against the ceilings."""
        if self.held:
            self.window.mark(t0_s, self.seg_strokes)  # the pause ends here
            self.seg_strokes = 0
            self.held = 0
            self.clear(al.HELD)
        self.commanded += sent
        self.strokes += back
        self.day_strokes += back
        self.level_nl -= back * self.hw.stroke_nl
        self.seg_strokes += charged
        self.monitor.count(t0_s, self.t, back)
        if back < sent:
            self.missed += sent - back
            self.day_missed += sent - back
            self.failed_row = self.failed_row + sent if back == 0 else 0
            if self.failed_row >= STALL_STROKES:
                agenda.stall(self)
        else:
            self.failed_row = 0
            if self.alarms.on(al.STALL) and not self.alarms.unread:
                self.clear(al.STALL)
        if back > sent:
            self.regular_at_s = self.t  # the base was more than the program says
            self.note(k.E_EXTRA, back - sent, 0)
            self.issue(al.OVER_DELIVERY)
        if (self.empty() and not self.alarms.on(al.EMPTY_RESERVOIR)) or (
            self.low_strokes() == 0 and not self.alarms.on(al.LOW_RESERVOIR)
        ):
            self.event_s = self.t  # a mark of the reservoir: looked at before another stroke

    def turned(self, strokes: int) -> None:
        """The rotor turned ``strokes`` without a command: they left the pump and count like all that did."""
        self._account(self.t, 0, strokes, strokes)
        self.plan()

    def _hold(self, end_s: int) -> None:
        """A stroke is due and may not be given: let its time pass, say so once, and cut a bolus short."""
        lost = self._count(end_s)
        if self.rate:
            self.acc = (self.acc + self.rate * (end_s - self.t)) % self.unit
        if self.held == 0:
            self.window.mark(self.t, self.seg_strokes)
            self.seg_strokes = 0
        first = self.held == 0
        self.held += lost
        self.t = end_s
        if first:
            self.note(k.E_HELD, lost, 0)
            self.issue(al.HELD)
        if self.b_kind:
            self.cut_bolus()
            self.event_s = self.t

    # Events

    def check(self) -> None:
        """Issue and clear the alarms that follow from accounts and times."""
        agenda.check(self)

    def plan(self) -> None:
        """Set the base rate for this second and find the next event."""
        agenda.plan(self)

    def issue(self, alarm: int) -> None:
        """Make an alarm active; its response takes effect in this same second."""
        if self.alarms.issue(alarm, self.t):
            self.note(k.E_ALARM, alarm, self.level_nl)
            self.event_s = self.t

    def clear(self, alarm: int) -> None:
        """End an alarm; what it asked for is looked at again in this same second."""
        if self.alarms.clear(alarm, self.t):
            self.note(k.E_CLEAR, alarm, 0)
            self.event_s = self.t

    def note(self, event: int, a: int, b: int) -> None:
        """Write to the log, at this second."""
        self.log.append(self.t, self.clock_s(), event, a, b)
        self.dirty = True

    # Boluses

    def begin_bolus(self, kind: int, strokes: int, seconds: int) -> None:
        """Put a bolus into the lane; the lane must be empty."""
        self.mark()
        self.b_kind = kind
        self.b_n = strokes
        self.b_s = seconds
        self.b_t0 = self.t
        self.b_done = 0
        self.b_given = 0
        if kind != PRIME:
            if self.recent_end_s[self.recent] + DAY_S > self.t:
                self.regular_at_s = self.t  # the ring is too short for 24 h: the quick test must not be used
            self.recent_end_s[self.recent] = self.t + seconds
            self.recent_n[self.recent] = strokes
            self.recent = (self.recent + 1) % RECENT
        self.note(k.E_BOLUS, kind, strokes)

    def recent_boluses(self, window_s: int) -> int:
        """Strokes of every charged bolus that ended less than ``window_s`` ago or runs."""
        n = 0
        i = (self.recent - 1) % RECENT
        for _ in range(RECENT):
            if self.recent_end_s[i] + window_s <= self.t:
                break  # one lane: ends rise, so all before it ended earlier
            n += self.recent_n[i]
            i = (i - 1) % RECENT
        return n

    def start_next(self) -> None:
        """Begin the oldest waiting bolus where the lane is free and delivery is allowed."""
        if self.b_kind == 0 and self.q_len and self.allowed():
            kind = self.q_kind[0]
            n = self.q_n[0]
            s = self.q_s[0]
            self.q_len -= 1
            for i in range(self.q_len):
                self.q_kind[i] = self.q_kind[i + 1]
                self.q_n[i] = self.q_n[i + 1]
                self.q_s[i] = self.q_s[i + 1]
            self.begin_bolus(kind, n, s)

    def cut_bolus(self) -> None:
        """Interrupt the running bolus and drop those that wait; it still counts whole for lockout and count."""
        if self.b_kind:
            self.end_bolus(k.E_BOLUS_CUT)
        for i in range(self.q_len):
            self.note(k.E_BOLUS_CUT, self.q_kind[i], 0)
        self.q_len = 0

    def end_bolus(self, event: int) -> None:
        """Empty the lane; ``event`` says whether the bolus was given whole or cut."""
        self.mark()
        self.note(event, self.b_kind, self.b_given)
        if self.b_kind == PRIME:
            self.monitor.free = 0
        self.b_kind = 0

    def allowed(self) -> bool:
        """Whether the pump may deliver at all: started, a program, and no alarm that stops it."""
        return self.loaded and self.running and self.alarms.base(self.program.response) != R_STOP

    def mark(self) -> None:
        """Close the stretch of even strokes in the dose window: a knot at this second."""
        self.window.mark(self.t, self.seg_strokes)
        self.seg_strokes = 0
