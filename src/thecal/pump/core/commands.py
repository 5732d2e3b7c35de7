"""What a pump can be asked: each answer is a code, and ``wait`` beside it says when asking again would help.

A request is granted whole or refused (promise 9). Commands may allocate; they are not the step. Nothing here delivers:
``run`` does.
"""

from hashlib import sha256

from . import alarms as al
from . import codes as k
from .controller import QUEUE
from .foresight import (
    base_fits,
    base_wait,
    bolus_fits,
    bolus_wait,
    program_alone,
    program_fits,
    program_wait,
    top_rate,
    worst_strokes,
)
from .ledger import NEW
from .program import MAX_BOLUS, RECORD_SIZE, SIZE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .controller import Controller
    from .program import Program

CONFIRM_WITHIN_S = 300


class Commands:
    """The commands of one controller. ``wait_s`` and ``first`` belong to the newest answer."""

    def __init__(self, controller: "Controller") -> None:
        self.c = controller
        self.wait_s = 0  # seconds until asking again would help; 0: at once, or never
        self.first = k.GRANTED  # the first outcome, where the answer is DUPLICATE
        self.buf = bytearray(RECORD_SIZE)

    # Boluses

    def bolus(self, request: int) -> int:
        """The patient asks for a bolus; ``request`` rises from one to the next and names this press for ever."""
        c = self.c
        self.wait_s = 0
        if request <= 0 or request >= 1 << 62:
            return k.BAD_VALUE
        known = c.ledger.first_outcome(request)
        if known != NEW:
            self.first = known
            return k.STALE_ID if known < 0 else k.DUPLICATE
        answer = self._may_bolus()
        c.ledger.remember(request, answer, c.t)
        if answer != k.GRANTED:
            return self._refuse(answer)
        c.ledger.start(c.t)
        c.begin_bolus(k.PATIENT, self._bolus_strokes(), c.program.bolus_s)
        c.plan()
        return k.GRANTED

    def void(self, request: int) -> int:
        """Withdraw a request for a bolus whose answer was never heard: its first outcome stands, or it never delivers.

        DUPLICATE with ``first`` where the request had arrived; VOIDED where it had not, and now never will.
        """
        c = self.c
        self.wait_s = 0
        if request <= 0 or request >= 1 << 62:
            return k.BAD_VALUE
        known = c.ledger.first_outcome(request)
        if known != NEW:
            self.first = known
            return k.STALE_ID if known < 0 else k.DUPLICATE
        c.ledger.remember(request, k.VOIDED, c.t)
        c.note(k.E_VOIDED, 0, request)
        return k.VOIDED

    def _bolus_strokes(self) -> int:
        p = self.c.program
        return p.bridge_bolus_strokes if self.c.bridging else p.bolus_strokes

    def _may_bolus(self) -> int:
        """The first reason against a patient bolus, in a fixed order, with the time that heals it."""
        c = self.c
        p = c.program
        answer = self._may_deliver()
        if answer != k.GRANTED:
            return answer
        if p.bolus_strokes == 0:
            return k.NO_BOLUS
        if c.bridging and p.bridge_bolus_strokes == 0:
            self.wait_s = -(-c.bridge_left // c.rate) if c.rate else 0
            return k.BRIDGE
        self.wait_s = c.ledger.lockout_left(p.lockout_s, c.t)
        if self.wait_s:
            return k.LOCKOUT
        self.wait_s = c.ledger.count_left(p.bolus_most, c.t)
        if self.wait_s:
            return k.COUNT
        if c.b_kind:
            self.wait_s = c.b_t0 + c.b_s - c.t
            return k.RUNNING
        return self._fits(self._bolus_strokes(), p.bolus_s)

    def _may_deliver(self) -> int:
        c = self.c
        if not c.loaded:
            return k.NO_PROGRAM
        if not c.running:
            return k.STOPPED
        if c.alarms.on(al.EMPTY_RESERVOIR):
            return k.EMPTY
        if c.alarms.forbids_bolus() or not c.allowed():
            return k.ALARM
        return k.GRANTED

    def _fits(self, strokes: int, seconds: int, after_s: int = 0) -> int:
        c = self.c
        waiting = strokes + (c.b_n - c.b_done if c.b_kind else 0)
        for i in range(c.q_len):
            waiting += c.q_n[i]
        if c.usable_strokes() <= waiting + 1:
            return k.EMPTY
        answer = bolus_fits(c, strokes, seconds, after_s)
        if answer != k.GRANTED:
            self.wait_s = bolus_wait(c, strokes, seconds, after_s)
        return answer

    def single(self, strokes: int, seconds: int) -> int:
        """A clinician's bolus over ``seconds``, at once or after the one that runs."""
        c = self.c
        self.wait_s = 0
        if not 0 < strokes <= MAX_BOLUS or not 0 < seconds <= k.DAY_S:
            return k.BAD_VALUE
        if -(-strokes * c.hw.stroke_nl * 1000 * k.HOUR_S // seconds) + top_rate(c) > c.hw.max_rate_pl_per_h:
            return self._refuse(k.BAD_VALUE)
        answer = self._may_deliver()
        if answer == k.GRANTED and c.bridging:
            self.wait_s = -(-c.bridge_left // c.rate) if c.rate else 0
            answer = k.BRIDGE
        if answer == k.GRANTED and c.q_len == QUEUE:
            answer = k.QUEUE_FULL
        if answer == k.GRANTED:
            answer = self._fits(strokes, seconds)
        if answer != k.GRANTED:
            return self._refuse(answer)
        c.q_kind[c.q_len] = k.SINGLE
        c.q_n[c.q_len] = strokes
        c.q_s[c.q_len] = seconds
        c.q_len += 1
        c.start_next()
        c.plan()
        return k.GRANTED

    def prime(self, catheter_state: int, volume_nl: int, dead_nl: int, near_field: bool) -> int:
        """Fill tubing and catheter: once for each newer ``catheter_state``, at most the dead volume free of charge.

        Strokes beyond the dead volume are a charged bolus that follows.
        """
        c = self.c
        self.wait_s = 0
        free = (volume_nl if volume_nl < dead_nl else dead_nl) // c.hw.stroke_nl
        beyond = volume_nl // c.hw.stroke_nl - free
        if free <= 0 or free > MAX_BOLUS or beyond > MAX_BOLUS or not 0 < catheter_state < 1 << 62:
            return self._refuse(k.BAD_VALUE)
        if not near_field:
            return self._refuse(k.NEAR_FIELD)
        answer = self._may_deliver()
        if answer == k.GRANTED and c.b_kind:
            self.wait_s = c.b_t0 + c.b_s - c.t
            answer = k.RUNNING
        if answer == k.GRANTED and c.usable_strokes() <= free + beyond + 1:
            answer = k.EMPTY
        prime_s = -(-free * c.hw.stroke_nl * 1000 * k.HOUR_S // c.hw.prime_rate_pl_per_h)
        seconds = -(-beyond * c.hw.stroke_nl * 1000 * k.HOUR_S // c.hw.prime_rate_pl_per_h)
        if answer == k.GRANTED and beyond:
            answer = self._fits(beyond, seconds, prime_s)
        before = c.monitor.dead_strokes
        c.monitor.dead_strokes = dead_nl // c.hw.stroke_nl
        if answer == k.GRANTED and not c.monitor.prime(catheter_state, free):
            answer = k.PRIMED
        if answer != k.GRANTED:
            c.monitor.dead_strokes = before
        if answer != k.GRANTED:
            return self._refuse(answer)
        c.prime_state = catheter_state
        c.note(k.E_PRIME, catheter_state, beyond)
        if beyond:
            c.q_kind[c.q_len] = k.SINGLE
            c.q_n[c.q_len] = beyond
            c.q_s[c.q_len] = seconds
            c.q_len += 1
        c.begin_bolus(k.PRIME, free, prime_s)
        c.plan()
        return k.GRANTED

    def _refuse(self, answer: int) -> int:
        self.c.note(k.E_REFUSED, answer, self.wait_s)
        return answer

    # Programs

    def propose(self, packed: "bytearray") -> int:
        """Stage a program (RECORD_SIZE bytes); the running one is untouched until it is confirmed (promise 7)."""
        c = self.c
        self.wait_s = 0
        c.staged_at_s = k.NEVER
        if len(packed) != RECORD_SIZE or not c.staged.unpack(packed):
            return self._refuse(k.BAD_VALUE)
        p = c.staged
        if p.fault() or p.stroke_nl != c.hw.stroke_nl or p.max_rate_pl_per_h > c.hw.max_rate_pl_per_h:
            return self._refuse(k.BAD_VALUE)
        if p.number <= c.program.number:
            return self._refuse(k.STALE_ID)
        c.staged_at_s = c.t
        return k.GRANTED

    def staged_digest(self) -> "bytes":
        """SHA-256 of the staged program, to be read back and confirmed; empty where none is staged."""
        if self.c.staged_at_s == k.NEVER:
            return b""
        self.c.staged.pack(self.buf)
        return sha256(self.buf).digest()

    def confirm(self, digest: "bytes") -> int:
        """Commit the staged program if it is the one read back, in time, and fits under its ceilings with history."""
        c = self.c
        self.wait_s = 0
        if c.staged_at_s == k.NEVER or digest != self.staged_digest():
            return self._refuse(k.UNKNOWN)
        if c.t > c.staged_at_s + CONFIRM_WITHIN_S:
            c.staged_at_s = k.NEVER
            return self._refuse(k.EXPIRED)
        if c.alarms.on(al.MEMORY_CRITICAL):
            return self._refuse(k.MEMORY)
        if c.b_kind or c.q_len:
            self.wait_s = c.b_t0 + c.b_s - c.t if c.b_kind else 0
            return self._refuse(k.RUNNING)
        answer = self._commit()
        if answer != k.GRANTED:
            return self._refuse(answer)
        c.note(k.E_PROGRAM, c.program.number, int.from_bytes(digest[:7], "big"))
        c.check()
        c.plan()
        return k.GRANTED

    def _commit(self) -> int:
        """Load limits of the staged program, test it against history, and swap; put the old limits back if not."""
        c = self.c
        old = c.program
        new = c.staged
        c.mark()
        if not c.window.load(new, c.t) or not c.monitor.load(new, c.monitor.dead_strokes, c.t):
            self._restore(old)
            self.wait_s = k.DAY_S
            return k.HISTORY_FULL
        c.window.margin = c.monitor.margin()
        answer = program_alone(c, new)
        if answer == k.GRANTED:
            answer = program_fits(c, new, c.t)
            if answer != k.GRANTED:
                self.wait_s = program_wait(c, new)
        if answer != k.GRANTED:
            self._restore(old)
            return answer
        if c.bridging and c.bridge_left > 0:
            # What a program leaves unbridged is for the physician to decide, and for the log to say.
            c.note(k.E_BRIDGE_CUT, c.bridge_strokes, c.bridge_left // (1000 * k.HOUR_S))
        c.program = new
        c.staged = old
        c.staged_at_s = k.NEVER
        first = not c.loaded and c.commanded == 0
        c.loaded = True
        c.base_epoch = c.window.now_epoch
        c.worst_hour = worst_strokes(new, k.HOUR_S)
        c.worst_day = worst_strokes(new, k.DAY_S)
        c.regular_at_s = c.t - k.DAY_S if first and not new.bridge_pl else c.t
        c.bridging = new.bridge_pl > 0
        c.bridge_left = new.bridge_pl * k.HOUR_S
        c.bridge_strokes = 0
        if first:
            c.stopped_at_s = c.t
        return k.GRANTED

    def _restore(self, old: "Program") -> None:
        c = self.c
        if c.loaded:
            c.window.load(old, c.t)
            c.monitor.load(old, c.monitor.dead_strokes, c.t)
            c.window.margin = c.monitor.margin()

    def start(self, who: int) -> int:
        """Start delivery; history is kept, and a pump that would break a window is refused until it would not."""
        c = self.c
        self.wait_s = 0
        if not c.loaded:
            return self._refuse(k.NO_PROGRAM)
        if c.alarms.on(al.MEMORY_CRITICAL):
            return self._refuse(k.MEMORY)
        if c.running:
            return k.NOT_NEEDED
        answer = base_fits(c, c.offset_s)
        if answer != k.GRANTED:
            self.wait_s = base_wait(c, c.offset_s)
            return self._refuse(answer)
        c.running = True
        c.note(k.E_START, who, 0)
        c.check()
        c.plan()
        return k.GRANTED

    def stop(self, who: int) -> int:
        """Stop all delivery at once; a running bolus is interrupted and still counts whole."""
        c = self.c
        self.wait_s = 0
        if not c.running:
            return k.NOT_NEEDED
        c.running = False
        c.stopped_at_s = c.t
        c.note(k.E_STOP, who, 0)
        c.plan()
        c.mark()
        return k.GRANTED

    def refill(self, level_nl: int) -> int:
        """The reservoir now holds ``level_nl``; low and empty are looked at again."""
        c = self.c
        self.wait_s = 0
        if not 0 <= level_nl <= c.hw.reservoir_nl:
            return self._refuse(k.BAD_VALUE)
        c.note(k.E_REFILL, level_nl, c.level_nl)
        c.level_nl = level_nl
        c.check()
        c.plan()
        return k.GRANTED

    def set_clock(self, offset_s: int) -> int:
        """Move the pump clock; refused where the hours that the schedule repeats would break a window."""
        c = self.c
        self.wait_s = 0
        if not 0 <= offset_s < k.WEEK_S * 3500:
            return self._refuse(k.BAD_VALUE)
        before = c.offset_s
        if c.loaded and c.running:
            answer = base_fits(c, offset_s)
            if answer != k.GRANTED:
                self.wait_s = base_wait(c, offset_s)
                return self._refuse(answer)
        c.offset_s = offset_s
        c.regular_at_s = c.t
        c.note(k.E_CLOCK, before, offset_s)
        c.plan()
        return k.GRANTED

    def acknowledge(self, alarm: int) -> int:
        """Somebody has seen an alarm; what it asks for stays in force."""
        c = self.c
        self.wait_s = 0
        if not 0 <= alarm < al.N_ALARMS or not c.alarms.acknowledge(alarm, c.t):
            return k.NOT_NEEDED
        c.note(k.E_ACK, alarm, 0)
        return k.GRANTED

    def clear(self, alarm: int) -> int:
        """Clear an alarm that does not clear by itself; only its own restrictions go."""
        c = self.c
        self.wait_s = 0
        if alarm not in al.CLEARABLE or not c.alarms.on(alarm):
            return k.NOT_NEEDED
        if alarm == al.MEMORY_CRITICAL and c.t < c.alarms.issued_s[alarm] + k.DAY_S:
            self.wait_s = c.alarms.issued_s[alarm] + k.DAY_S - c.t
            return self._refuse(k.MEMORY)  # lost history counts as a full day of drug
        c.alarms.clear(alarm, c.t)
        c.failed_row = 0
        if alarm == al.SHORT_STALLS:
            c.alarms.stalls = 0
        c.note(k.E_CLEAR, alarm, 0)
        c.plan()
        return k.GRANTED


assert SIZE < RECORD_SIZE
