"""What is to come, laid out against the dose window: does a bolus fit, does a program fit, and if not, when would it.

A ceiling that looks only back is passed later by the base alone. So a request is granted only if the base, the
boluses that run or wait, and the request itself, for as long as any window can reach them, stay under every ceiling
together with what was delivered.
"""

from . import codes as k
from .codes import DAY_S, HOUR_S
from .window import AHEAD, SLACK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .controller import Controller
    from .program import Program

TRY_EVERY_S = 900  # "when would it fit" is answered to the next quarter of an hour after the present second
TRIES = 100
SPARE = 2  # strokes by which what is laid out from now may differ from what is laid out at that time


def program_alone(c: "Controller", p: "Program") -> int:
    """Whether the base of ``p`` alone stays under every ceiling for ever, with the margins of admission."""
    if worst_strokes(p, HOUR_S) > c.window.most_strokes(HOUR_S):
        return k.CEILING_1H
    if worst_strokes(p, DAY_S) > c.window.most_strokes(DAY_S):
        return k.CEILING_24H
    return k.GRANTED


def worst_strokes(p: "Program", window_s: int) -> int:
    """The most strokes of the base in any window, rounded up."""
    return -(-p.worst_pl_s_per_h(window_s) // (p.stroke_nl * 1000 * HOUR_S))


def bolus_fits(c: "Controller", strokes: int, seconds: int, after_s: int) -> int:
    """Whether a bolus that starts in ``after_s`` seconds fits: GRANTED or the ceiling that it would break."""
    if c.window.room(c.t) < 8:
        return k.HISTORY_FULL
    if _surely_fits(c, strokes):
        return k.GRANTED
    return _try(c, c.program, c.t + after_s, strokes, seconds)


def bolus_wait(c: "Controller", strokes: int, seconds: int, after_s: int) -> int:
    """Seconds until such a bolus would fit if nothing else happened; 0 where waiting does not heal it.

    It is found with strokes to spare, so that asking again at that time is granted.
    """
    for i in range(1, TRIES):
        wait_s = i * TRY_EVERY_S
        if _try(c, c.program, c.t + wait_s + after_s, strokes + SPARE, seconds) == k.GRANTED:
            return wait_s
    return 0


def program_fits(c: "Controller", p: "Program", from_s: int) -> int:
    """Whether ``p``, started at ``from_s``, stays under every ceiling together with what was delivered.

    The window must hold the ceilings and strengths of ``p`` already.
    """
    return _try(c, p, from_s, 0, 1, c.offset_s)


def program_wait(c: "Controller", p: "Program") -> int:
    """Seconds until ``p`` would fit if nothing were delivered meanwhile but what runs now; 0 if never within a day."""
    return _base_wait(c, p, c.offset_s)


def base_fits(c: "Controller", offset_s: int) -> int:
    """Whether the program, started if it was stopped, may run from now on with the pump clock at ``offset_s``."""
    return _try(c, c.program, c.t, 0, 1, offset_s)


def base_wait(c: "Controller", offset_s: int) -> int:
    """Seconds until that would fit, going on meanwhile as now; 0 if never within a day."""
    return _base_wait(c, c.program, offset_s)


def _base_wait(c: "Controller", p: "Program", offset_s: int) -> int:
    for i in range(1, TRIES):
        if _try(c, p, c.t + i * TRY_EVERY_S, SPARE, 1, offset_s) == k.GRANTED:
            return i * TRY_EVERY_S
    return 0


def _surely_fits(c: "Controller", strokes: int) -> bool:
    """A quick and stricter test: the worst base of any window plus every bolus it can reach, however they fall."""
    w = c.window
    if c.bridging or c.regular_at_s + DAY_S > c.t or not w.one_strength(c.t):
        return False
    waiting = strokes
    for i in range(c.q_len):
        waiting += c.q_n[i]
    day = waiting + c.recent_boluses(DAY_S)
    if _base(c, DAY_S) + day > w.most_strokes(DAY_S):
        return False
    hour = waiting + c.recent_boluses(HOUR_S)
    return _base(c, HOUR_S) + hour <= w.most_strokes(HOUR_S)


def _base(c: "Controller", window_s: int) -> int:
    return c.worst_hour if window_s == HOUR_S else c.worst_day


def _try(c: "Controller", p: "Program", start_s: int, strokes: int, seconds: int, offset_s: int = k.NEVER) -> int:
    """Lay out what runs until ``start_s``, then ``p`` with a bolus at that second, and look for a broken window.

    With an ``offset_s`` the pump is started then, if it was stopped, and its clock set to it.
    """
    w = c.window
    w.clear_ahead()
    w.ahead_epoch = c.base_epoch
    if c.t > w.t[w.n - 1] or c.seg_strokes:
        w.lay(c.t, c.seg_strokes)
    full = not Ahead(c, c.base_epoch).lay_out(p, start_s, strokes, seconds, offset_s)
    going_on = p is not c.program and start_s > c.t and c.running
    for channel in range(w.channels):
        more = c.monitor.margin_at(start_s, channel, going_on) - w.margin
        w.margin_then[channel] = more if more > 0 else 0
    length = w.broken(c.t, start_s)  # until then what runs now is kept under the ceilings that it was admitted to
    for channel in range(w.channels):
        w.margin_then[channel] = 0
    w.clear_ahead()
    if length == HOUR_S:
        return k.CEILING_1H
    if length == DAY_S:
        return k.CEILING_24H
    return k.HISTORY_FULL if full else k.GRANTED


class Ahead:
    """A walk into the future: the base step by step and every bolus, laid down as knots of the window."""

    def __init__(self, c: "Controller", epoch: int) -> None:
        self.c = c
        self.t = c.t
        self.acc = c.acc
        self.left = c.bridge_left if c.bridging else 0
        self.bridge_rate = c.program.bridge_rate_pl_per_h
        self.stopped = not c.loaded or not c.running  # a stop by an alarm may end at any time
        self.offset_s = c.offset_s
        self.prime_end_s = c.b_t0 + c.b_s if c.b_kind == k.PRIME else 0
        self.falling_back = c.alarms.base(c.program.response) == k.R_FALLBACK
        c.window.ahead_epoch = epoch
        # A running bolus and those that wait, each end to end, as the lane gives them.
        self.ends = [c.b_t0 + c.b_s] if c.b_kind else []
        self.sizes = [c.b_n - c.b_done if c.b_kind != k.PRIME else 0] if c.b_kind else []
        end = self.ends[0] if c.b_kind else c.t
        for i in range(c.q_len):
            end += c.q_s[i]
            self.ends.append(end)
            self.sizes.append(c.q_n[i])

    def lay_out(self, p: "Program", start_s: int, strokes: int, seconds: int, offset_s: int) -> bool:
        """Knots from now until no window can reach what runs and what is asked for; False where memory is full."""
        c = self.c
        if not self._walk(c.program, start_s) if start_s > c.t else False:
            return False
        if p is not c.program:
            self.left = p.bridge_pl * HOUR_S
            self.bridge_rate = p.bridge_rate_pl_per_h
            self.falling_back = c.alarms.base(p.response) == k.R_FALLBACK
        if offset_s != k.NEVER:
            self.offset_s = offset_s
            self.stopped = False
        c.window.ahead_epoch = c.window.now_epoch
        if strokes:
            begin = self.ends[-1] if self.ends and self.ends[-1] > start_s else start_s
            if begin > start_s and not self._walk(p, begin):
                return False
            self.ends.append(begin + seconds)
            self.sizes.append(strokes)
        last = self.ends[-1] if self.ends else start_s
        if self.left and self.bridge_rate:
            last += -(-self.left // self.bridge_rate)
        return self._walk(p, (last if last > start_s else start_s) + DAY_S)

    def _walk(self, p: "Program", until_s: int) -> bool:
        while self.t < until_s:
            end, rate = self._stretch(p, until_s)
            whole = self.acc + rate * (end - self.t)
            n = whole // self.c.unit
            self.acc = whole - n * self.c.unit
            bolus = self._bolus_part(end) if self.ends else 0
            if self.left:
                self.left -= rate * (end - self.t) + bolus * self.c.unit  # both draw old drug in
                if self.left < 0:
                    self.left = 0
            n += bolus
            if not self.c.window.lay(end, n):
                return False
            self.t = end
        return True

    def _stretch(self, p: "Program", until_s: int) -> "tuple[int, int]":
        """Where the next change of regime lies, and the base rate until there."""
        end = until_s
        if self.ends and self.ends[0] < end:
            end = self.ends[0]
        if self.stopped or self.t < self.prime_end_s:
            return end, 0
        if self.left:
            rate = self.bridge_rate
            if self.falling_back and rate < p.fallback_pl_per_h:
                rate = p.fallback_pl_per_h
            return self._bridge_end(end, rate), rate
        phase = (self.t + self.offset_s - p.anchor_s) % p.cycle_s
        i = p.index(phase)
        if p.n_steps > 1:
            step_end = self.t + (p.step_s[i + 1] if i + 1 < p.n_steps else p.cycle_s) - phase
            if step_end < end:
                end = step_end
        return end, p.rate_of(i) if self.falling_back else p.rate_pl_per_h[i]

    def _bridge_end(self, end_s: int, rate: int) -> int:
        """The first second by which base and bolus have moved what is left of the old drug, or ``end_s``."""
        low = self.t
        high = end_s
        while high - low > 1:
            middle = (low + high) // 2
            moved = rate * (middle - self.t)
            if self.ends:
                moved += self.sizes[0] * (middle - self.t) // (self.ends[0] - self.t) * self.c.unit
            if moved >= self.left:
                high = middle
            else:
                low = middle
        return high

    def _bolus_part(self, end_s: int) -> int:
        """Strokes of the first bolus that fall until ``end_s``; the last of them no later than its end."""
        if self.ends[0] <= end_s:
            n = self.sizes[0]
            self.ends = self.ends[1:]
            self.sizes = self.sizes[1:]
            return n
        n = -(-self.sizes[0] * (end_s - self.t) // (self.ends[0] - self.t))
        self.sizes[0] -= n
        return n


def top_rate(c: "Controller") -> int:
    """The fastest base of the program, in pL/h."""
    top = c.program.bridge_rate_pl_per_h
    for i in range(c.program.n_steps):
        if c.program.rate_of(i) > top:
            top = c.program.rate_of(i)
    return top


assert AHEAD > 2 * SLACK
