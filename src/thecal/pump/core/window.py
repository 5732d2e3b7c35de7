"""The dose window: no interval of 1 h or 24 h, wherever it starts, may hold more than its ceiling (promise 1).

What was delivered is kept as knots: at every change of regime (a step, a bolus begins or ends, a stop) the time and
the count of strokes so far. Between two knots strokes are evenly spaced. What is to come is laid out in the same form
by the controller. A sliding sum over a piecewise linear curve is largest where one end of the window lies on a
knot, so trying the knots tries every window. Even spacing is true to ``SLACK`` strokes, which are charged on top: the
answer is never too lenient, and too strict by at most that. Memory is bounded; when it is full, requests are refused.

Turned down: buckets (fixed ones let twice the ceiling through; sliding ones are as coarse as they are short), and a
record of every stroke (100,000 a day at the fastest rate).
"""

from array import array

from .codes import DAY_S, HOUR_S, MAX_CHANNELS, MAX_TIME_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .program import Program

KNOTS = 160
AHEAD = 160  # knots that the controller may lay out to come
EPOCHS = 4  # strengths that 24 h may hold strokes of
SLACK = 5  # strokes: two lanes at each end of the window, each true to one, and one for the end itself


class DoseWindow:
    """Delivered strokes of the last 24 h, and the question whether more of them fit under the ceilings."""

    def __init__(self) -> None:
        self.t = array("I", [0] * (KNOTS + AHEAD))  # knots, oldest first; what is to come follows them
        self.strokes = array("I", [0] * (KNOTS + AHEAD))  # strokes so far at each knot
        self.epoch = bytearray(KNOTS + AHEAD)  # strength of the strokes that end at each knot
        self.n = 1  # knots delivered; the first is the beginning of history
        self.ahead = 0  # knots to come, laid out after them
        self.now_epoch = 0
        self.since_s = -DAY_S  # when the present strength was loaded
        self.ahead_epoch = 0  # strength of what is being laid out
        self.charge = array("q", [0] * (EPOCHS * MAX_CHANNELS))  # femtograms a stroke, by epoch and channel
        self.channels = 0
        self.limit_fg = array("q", [0] * (2 * MAX_CHANNELS))  # ceilings of 1 h, then of 24 h
        self.margin = 0  # strokes that the monitor may count twice
        self.margin_then = array("q", [0] * MAX_CHANNELS)  # and how many more while it holds earlier strengths
        self.at_s = 0  # where the last refusal broke: the end of that window

    def total(self) -> int:
        """Strokes charged so far."""
        return self.strokes[self.n - 1]

    def mark(self, now_s: int, strokes: int) -> bool:
        """A change of regime at ``now_s``: ``strokes`` were charged since the last one. False where memory is full."""
        last = self.n - 1
        if strokes == 0 and (now_s == self.t[last] or (last and self.strokes[last] == self.strokes[last - 1])):
            self.t[last] = now_s  # nothing happened, or a pause that goes on
            return True
        if self.n == KNOTS:
            self._forget(now_s)
            last = self.n - 1
        if self.n == KNOTS:
            # Bounded memory: the two newest stretches, of one strength, become one burst at the later time of them,
            # and the stretch before them reaches to it: later strokes can only make the window stricter for what
            # follows.
            self.strokes[last] += strokes
            self.t[last] = now_s
            self.t[last - 1] = now_s
            return False
        self.t[self.n] = now_s
        self.strokes[self.n] = self.strokes[last] + strokes
        self.epoch[self.n] = self.now_epoch
        self.n += 1
        return True

    def _forget(self, now_s: int) -> None:
        """Drop knots that no window from now on can reach, keeping the one that begins the oldest stretch in reach."""
        drop = 0
        while drop + 1 < self.n and self.t[drop + 1] + DAY_S <= now_s:
            drop += 1
        if drop:
            base = self.strokes[drop]
            for i in range(self.n - drop):
                self.t[i] = self.t[i + drop]
                self.strokes[i] = self.strokes[i + drop] - base
                self.epoch[i] = self.epoch[i + drop]
            self.n -= drop

    def room(self, now_s: int) -> int:
        """How many more changes of regime the memory holds."""
        if self.n > KNOTS // 2:
            self._forget(now_s)
        return KNOTS - self.n

    def load(self, program: "Program", now_s: int) -> bool:
        """Take strengths and ceilings of a program; False where 24 h already hold strokes of too many strengths, or
        too many changes of regime for another strength to be told from the one before."""
        p = program
        free = self._epoch_for(p, now_s)
        if free < 0 or (free != self.now_epoch and self.room(now_s) < 2):
            return False
        if free != self.now_epoch:
            self.since_s = now_s
        self.now_epoch = free
        self.channels = p.n_channels
        for c in range(MAX_CHANNELS):
            in_use = c < p.n_channels
            self.charge[free * MAX_CHANNELS + c] = p.strength_ng_per_ml[c] * p.stroke_nl if in_use else 0
            self.limit_fg[c] = p.ceiling_1h_ng[c] * 1000000 if in_use else MAX_LIMIT_FG
            self.limit_fg[MAX_CHANNELS + c] = p.ceiling_24h_ng[c] * 1000000 if in_use else MAX_LIMIT_FG
        return True

    def _epoch_for(self, p: "Program", now_s: int) -> int:
        """The epoch of these strengths: one that has them already, a free one, or -1."""
        for e in range(EPOCHS):
            if p.charges(self.charge, e * MAX_CHANNELS):
                return e
        self._forget(now_s)
        for e in range(EPOCHS):
            used = e == self.now_epoch and self.n > 1
            for i in range(1, self.n):
                if self.epoch[i] == e:
                    used = True
            if not used:
                return e
        return -1

    def most_strokes(self, window_s: int) -> int:
        """How many strokes of the present strength any window may hold, in the tightest channel, margins taken off."""
        first = 0 if window_s == HOUR_S else MAX_CHANNELS
        most = MAX_TIME_S
        at = self.now_epoch * MAX_CHANNELS
        for c in range(self.channels):
            k = self.limit_fg[first + c] // self.charge[at + c]
            if k < most:
                most = k
        return most - SLACK - self.margin

    def one_strength(self, now_s: int) -> bool:
        """Whether every stroke that a window can still reach has the present strength."""
        return self.since_s + DAY_S <= now_s

    def clear_ahead(self) -> None:
        """Forget what was laid out to come."""
        self.ahead = 0

    def lay(self, t_s: int, strokes: int) -> bool:
        """Lay out what is to come: by ``t_s``, ``strokes`` more than at the knot before. False where it is full."""
        if self.ahead == AHEAD:
            return False
        i = self.n + self.ahead
        self.t[i] = t_s
        self.strokes[i] = self.strokes[i - 1] + strokes
        self.epoch[i] = self.ahead_epoch
        self.ahead += 1
        return True

    def broken(self, now_s: int, after_s: int) -> int:
        """The window length (3600 or 86400) that what is laid out would break, with ``at_s`` set; 0 if none.

        Every window that ends after ``after_s`` is tried, in every channel; the first of them too, since what was
        delivered under a higher ceiling may be over this one until it leaves.
        """
        for first, window_s in ((MAX_CHANNELS, DAY_S), (0, HOUR_S)):
            only = self._tightest(first) if self.one_strength(now_s) else -1
            for c in range(self.channels):
                if only in (-1, c) and self._breaks(c, window_s, after_s):
                    return window_s
        return 0

    def _tightest(self, first: int) -> int:
        """The channel that allows the fewest strokes of the present strength."""
        at = self.now_epoch * MAX_CHANNELS
        best = 0
        for c in range(1, self.channels):
            if self.limit_fg[first + c] // self.charge[at + c] < self.limit_fg[first + best] // self.charge[at + best]:
                best = c
        return best

    def _breaks(self, c: int, window_s: int, after_s: int) -> bool:
        """Slide one window over the knots: the head adds, the tail takes away, the sum is tried at every stop."""
        end = self.n + self.ahead
        limit_fg = self.limit_fg[c if window_s == HOUR_S else MAX_CHANNELS + c]
        margin = self.margin + self.margin_then[c]
        limit_fg -= SLACK * self._dearest(c, after_s) + margin * self.charge[self.now_epoch * MAX_CHANNELS + c]
        head = 0  # knots before and at the head are behind it
        tail = 0
        total = 0  # femtograms in the whole stretches between knot tail and knot head
        at = after_s + 1  # the end of the next window to try
        while head + 1 < end:
            # The window ends at the next knot of the head, or where its start reaches the next knot of the tail.
            e = self.t[head + 1]
            stop = self.t[tail + 1] + window_s
            if at <= e and at <= stop:
                if self._over(c, head, tail, total, at, window_s, limit_fg):
                    self.at_s = at
                    return True
                begin = self.t[0] + window_s  # where the window lets go of the beginning of history
                at = begin if begin > at else MAX_TIME_S
                continue
            if stop <= e:
                # A burst is still counted here: it is in the window that ends a second earlier.
                if stop > after_s and self._over(c, head, tail, total, stop, window_s, limit_fg):
                    self.at_s = stop
                    return True
                tail += 1
                total -= self._stretch(c, tail)
                continue
            head += 1
            total += self._stretch(c, head)
            if e > after_s and self._over(c, head, tail, total, e, window_s, limit_fg):
                self.at_s = e
                return True
        return False

    def _dearest(self, c: int, after_s: int) -> int:
        """The most that a stroke in reach of any window after ``after_s`` charges in this channel."""
        most = self.charge[self.now_epoch * MAX_CHANNELS + c]
        for i in range(1, self.n + self.ahead):
            if self.t[i] + DAY_S > after_s and self.strokes[i] != self.strokes[i - 1]:
                fg = self.charge[self.epoch[i] * MAX_CHANNELS + c]
                if fg > most:
                    most = fg
        return most

    def _stretch(self, c: int, i: int) -> int:
        return (self.strokes[i] - self.strokes[i - 1]) * self.charge[self.epoch[i] * MAX_CHANNELS + c]

    def _over(self, c: int, head: int, tail: int, total: int, e: int, window_s: int, limit_fg: int) -> bool:
        """Whether the window that ends at ``e`` is over: whole stretches, the part after the head's knot, less the
        part of the tail's stretch that is already out."""
        if e > self.t[head]:
            i = head + 1
            n = self.strokes[i] - self.strokes[head]
            total += (
                -(-n * (e - self.t[head]) // (self.t[i] - self.t[head])) * self.charge[self.epoch[i] * MAX_CHANNELS + c]
            )
        start = e - window_s
        if start > self.t[tail]:
            i = tail + 1
            n = self.strokes[i] - self.strokes[tail]
            gone = n * (start - self.t[tail]) // (self.t[i] - self.t[tail])
            total -= gone * self.charge[self.epoch[i] * MAX_CHANNELS + c]
        return total > limit_fg


MAX_LIMIT_FG = 1 << 61
