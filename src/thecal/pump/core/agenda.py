"""What happens at an event, and when the next one comes: steps, ends of boluses and bridges, alarms, daily totals.

Between two events the controller only counts even strokes; everything else that time alone brings about is here.
"""

from . import alarms as al
from . import codes as k
from .codes import DAY_S, HOUR_S, MAX_TIME_S, NEVER, PRIME, R_FALLBACK, R_STOP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .controller import Controller


SHORT_STALLS = 3  # in a week; together they ask for a replacement (the number is ours)

# Alarms that follow from accounts and times alone: they come and go by themselves.
FOLLOWING = (
    1 << al.LOW_RESERVOIR
    | 1 << al.EMPTY_RESERVOIR
    | 1 << al.REPLACE_SOON
    | 1 << al.END_OF_SERVICE
    | 1 << al.STOPPED_48H
)


def handle(c: "Controller") -> None:
    """Handle everything that is due at ``t``, then plan the next event."""
    if c.b_kind and c.t >= c.b_t0 + c.b_s:
        c.end_bolus(k.E_BOLUS_END)
    if c.bridging and c.bridge_left <= 0:
        c.bridging = False
        c.regular_at_s = c.t
        c.note(k.E_BRIDGE_END, c.bridge_strokes, 0)
    if c.t >= c.total_s:
        c.total_s += DAY_S
        c.note(k.E_TOTAL, c.day_strokes, c.day_missed)
        c.day_strokes = 0
        c.day_missed = 0
    if c.guarded:
        c.dirty = True  # durable memory hears of every event, and so of the time
    check(c)
    c.start_next()
    plan(c)


def check(c: "Controller") -> None:
    """Issue and clear the alarms that follow from accounts and times."""
    mask = 0
    if c.loaded:
        if c.low_strokes() == 0:
            mask = 1 << al.LOW_RESERVOIR
        if c.empty():
            mask |= 1 << al.EMPTY_RESERVOIR
        if not c.running and c.t >= c.stopped_at_s + k.STOPPED_TOO_LONG_S:
            mask |= 1 << al.STOPPED_48H
    if c.t >= c.hw.replace_soon_s:
        mask |= 1 << al.REPLACE_SOON
    if c.t >= c.hw.end_of_service_s:
        mask |= 1 << al.END_OF_SERVICE
    if mask == c.alarms.active & FOLLOWING:
        return
    for alarm in range(al.N_ALARMS):
        bit = 1 << alarm
        if bit & FOLLOWING and mask & bit:
            c.issue(alarm)
        elif bit & FOLLOWING:
            c.clear(alarm)


def stall(c: "Controller") -> None:
    """The rotor does not turn. Short stalls that come again in a week are an alarm of their own (device-facts 4)."""
    if not c.alarms.on(al.STALL):
        if c.t >= c.alarms.stalls_since_s + k.WEEK_S:
            c.alarms.stalls = 0
            c.alarms.stalls_since_s = c.t
        c.alarms.stalls += 1
        if c.alarms.stalls >= SHORT_STALLS:
            c.issue(al.SHORT_STALLS)
    c.issue(al.STALL)


def plan(c: "Controller") -> None:
    """Set the base rate for this second and find the next event."""
    if (c.b_kind or c.q_len) and (not c.allowed() or (c.b_kind != PRIME and c.alarms.forbids_bolus())):
        c.cut_bolus()
    rate = _base_rate(c)
    if rate != c.rate:
        c.mark()
        c.rate = rate
    due = c.step_end_s if c.step_end_s < c.total_s else c.total_s
    due = _earlier(due, c.hw.replace_soon_s, c.t)
    due = _earlier(due, c.hw.end_of_service_s, c.t)
    if c.loaded and not c.running:
        due = _earlier(due, c.stopped_at_s + k.STOPPED_TOO_LONG_S, c.t)
    if c.guarded:
        due = _earlier(due, c.t + HOUR_S, c.t)  # uptime that memory does not know is lost with the power
    if c.b_kind:
        due = _earlier(due, c.b_t0 + c.b_s, c.t)
    if c.bridging:
        due = _earlier(due, _bridge_end(c, due), c.t)
    c.event_s = due if due < MAX_TIME_S else MAX_TIME_S


def _bridge_end(c: "Controller", by_s: int) -> int:
    """The first second after ``t`` by which base and bolus have moved what is left of the old drug, or ``by_s``."""
    low = c.t
    high = by_s
    while high - low > 1:
        middle = (low + high) // 2
        moved = c.rate * (middle - c.t)
        if c.b_kind:
            moved += (c.bolus_by(middle) - c.b_done) * c.unit
        if moved >= c.bridge_left:
            high = middle
        else:
            low = middle
    return high


def _base_rate(c: "Controller") -> int:
    """The base rate of this second in pL/h; ``step_end_s`` is set to where the schedule changes it."""
    c.step_end_s = NEVER
    if not c.loaded or not c.running:
        return 0
    response = c.alarms.base(c.program.response)
    if response == R_STOP or c.b_kind == PRIME:
        return 0
    if response == R_FALLBACK:
        return c.program.fallback_pl_per_h
    assert response == k.R_CONTINUE
    if c.bridging:
        return c.program.bridge_rate_pl_per_h
    p = c.program
    phase = (c.clock_s() - p.anchor_s) % p.cycle_s
    i = p.index(phase)
    if p.n_steps > 1:
        c.step_end_s = c.t + (p.step_s[i + 1] if i + 1 < p.n_steps else p.cycle_s) - phase
    return p.rate_pl_per_h[i]


def _earlier(due_s: int, other_s: int, now_s: int) -> int:
    """The earlier of two times, where the other is still to come."""
    return other_s if now_s < other_s < due_s else due_s
