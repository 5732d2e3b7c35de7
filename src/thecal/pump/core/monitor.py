"""The monitor: a second channel that counts what the rotor reports and can hold delivery down, never raise it.

It keeps its own copy of strengths and ceilings and its own history, in another form than the dose window: groups of
strokes, each with the time of its last one and the count so far. A group counts until that time has left the window,
so the count is never too low, and too high by less than one group. It knows nothing of programs, schedules or
boluses; it imports neither the controller nor the window (promise 5).
"""

from array import array

from .codes import DAY_S, HOUR_S, MAX_CHANNELS, MAX_STROKES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .program import Program

GROUPS = 320
EPOCHS = 4
PAD = 4  # strokes by which evenly spaced strokes of two lanes may come later than the mean says


class Monitor:
    """Strokes confirmed in the last 1 h and 24 h, in groups, and how many more may follow."""

    def __init__(self) -> None:
        # A ring of groups, oldest at ``first``: time of the last stroke, count up to and with it, strength.
        self.t = array("I", [0] * GROUPS)
        self.upto = array("I", [0] * GROUPS)
        self.epoch = bytearray(GROUPS)
        self.first = 0
        self.n = 0  # groups that the day still holds
        self.n_old = 0  # of them, groups that the hour no longer holds
        self.gone = 0  # count up to and with the newest group that left the day
        self.total = 0  # strokes counted, those of the open group included
        self.open_n = 0  # strokes of the group that is being filled
        self.open_t = 0
        self.group = 1  # strokes to a group
        self.group_before = 1  # under the limits before the newest ones, with their strength
        self.epoch_before = 0
        self.now_epoch = 0
        self.since_s = -DAY_S  # when the present strength was loaded
        self.channels = 0
        self.charge = array("q", [0] * (EPOCHS * MAX_CHANNELS))
        self.limit_fg = array("q", [0] * (2 * MAX_CHANNELS))
        self.most_hour = 0  # strokes of the present strength that its ceilings allow
        self.most_day = 0
        self.free = 0  # strokes of a prime that are still allowed without charge
        self.primed_state = 0  # newest catheter state that was primed
        self.dead_strokes = 0  # its own copy of the dead volume

    def load(self, program: "Program", dead_strokes: int, now_s: int) -> bool:
        """Copy strengths, ceilings and dead volume; False where history holds strokes of too many strengths."""
        p = program
        self._expire(now_s)
        self._close()
        e = self._epoch_for(p)
        if e < 0 or self.open_n:
            return False
        if e != self.now_epoch:
            self.since_s = now_s
        self.group_before = self.group
        self.epoch_before = self.now_epoch
        self.now_epoch = e
        self.channels = p.n_channels
        for c in range(MAX_CHANNELS):
            self.charge[e * MAX_CHANNELS + c] = p.strength_ng_per_ml[c] * p.stroke_nl if c < p.n_channels else 0
            self.limit_fg[c] = p.ceiling_1h_ng[c] * 1000000 if c < p.n_channels else 0
            self.limit_fg[MAX_CHANNELS + c] = p.ceiling_24h_ng[c] * 1000000 if c < p.n_channels else 0
        self.dead_strokes = dead_strokes
        self._measure()
        return True

    def _measure(self) -> None:
        """What the present strength allows in strokes, and from it how many make a group."""
        at = self.now_epoch * MAX_CHANNELS
        self.most_hour = MAX_STROKES
        self.most_day = MAX_STROKES
        for c in range(self.channels):
            k = self.limit_fg[c] // self.charge[at + c]
            if k < self.most_hour:
                self.most_hour = k
            k = self.limit_fg[MAX_CHANNELS + c] // self.charge[at + c]
            if k < self.most_day:
                self.most_day = k
        hour = self.most_hour // 64
        day = self.most_day if self.most_day < 24 * self.most_hour else 24 * self.most_hour
        day = -(-day // (GROUPS - 64))  # rounded up: the groups of a full day must find room in the ring
        self.group = hour if hour > day else day
        if self.group == 0:
            self.group = 1

    def margin(self) -> int:
        """By how many strokes the count may be too high: what admission keeps free."""
        return self.group + PAD + 1

    def margin_at(self, at_s: int, channel: int, going_on: bool = False) -> int:
        """The same for windows that end after ``at_s``, while groups of earlier ceilings or strengths are in reach.

        Strokes of another strength count as strokes of the present one by what they charge in ``channel``. With
        ``going_on`` groups are made under the limits before the present ones until then.
        """
        most = self.group if self.group > self.open_n else self.open_n
        most += PAD + 1
        before = self.gone
        for i in range(self.n):
            g = (self.first + i) % GROUPS
            n = self.upto[g] - before + PAD + 1
            before = self.upto[g]
            if self.t[g] + DAY_S > at_s:
                n = self._in_present(n, self.epoch[g], channel)
                if n > most:
                    most = n
        if going_on:
            n = self._in_present(self.group_before + PAD + 1, self.epoch_before, channel)
            if n > most:
                most = n
        return most

    def _in_present(self, strokes: int, epoch: int, channel: int) -> int:
        """Strokes of a strength as strokes of the present one, by what they charge in a channel, rounded up."""
        if epoch == self.now_epoch:
            return strokes
        fg = strokes * self.charge[epoch * MAX_CHANNELS + channel]
        return -(-fg // self.charge[self.now_epoch * MAX_CHANNELS + channel])

    def _epoch_for(self, p: "Program") -> int:
        for e in range(EPOCHS):
            if p.charges(self.charge, e * MAX_CHANNELS):
                return e
        for e in range(EPOCHS):
            used = e == self.now_epoch and self.n > 0
            for i in range(self.n):
                if self.epoch[(self.first + i) % GROUPS] == e:
                    used = True
            if not used:
                return e
        return -1

    def _behind(self, until_s: int, low: int) -> int:
        """How many groups of the ring ended at or before ``until_s``, at least ``low``."""
        high = self.n
        while low < high:
            middle = (low + high) // 2
            if self.t[(self.first + middle) % GROUPS] <= until_s:
                low = middle + 1
            else:
                high = middle
        return low

    def _expire(self, now_s: int) -> None:
        """Let go of groups whose last stroke has left the window of seconds that end at ``now_s``."""
        self.n_old = self._behind(now_s - HOUR_S, self.n_old)
        left = self._behind(now_s - DAY_S, 0)
        if left:
            self.gone = self.upto[(self.first + left - 1) % GROUPS]
            self.first = (self.first + left) % GROUPS
            self.n -= left
            self.n_old -= left

    def _close(self) -> None:
        """Put the open group into the ring; a full ring lengthens its newest group, which can only hold more."""
        if self.open_n == 0:
            return
        at = (self.first + self.n) % GROUPS
        if self.n < GROUPS:
            self.n += 1
        else:
            at = (self.first + GROUPS - 1) % GROUPS
            if self.epoch[at] != self.now_epoch or self.n_old == GROUPS:
                return  # it stays open, and goes on counting as new
        self.t[at] = self.open_t
        self.upto[at] = self.total
        self.epoch[at] = self.now_epoch
        self.open_n = 0

    def count(self, t0_s: int, t1_s: int, strokes: int) -> None:
        """The rotor reports ``strokes``, evenly over the seconds after ``t0_s`` up to ``t1_s``."""
        if self.free:
            used = strokes if strokes < self.free else self.free
            self.free -= used
            strokes -= used
        done = 0
        span = t1_s - t0_s
        group = self.group
        while strokes - done > group - self.open_n > 0:
            part = group - self.open_n
            done += part
            self.total += part
            late = t0_s + (done + PAD) * span // strokes + 1
            if late > t1_s:
                late = t1_s
            n = self.n
            if n < GROUPS:  # as in _close, which is too slow to call for each group of a leap
                n += self.first
                if n >= GROUPS:
                    n -= GROUPS
                self.t[n] = late
                self.upto[n] = self.total
                self.epoch[n] = self.now_epoch
                self.n += 1
                self.open_n = 0
            else:
                self.open_n = group
                self.open_t = late
                self._close()
        if done < strokes:
            self.total += strokes - done
            self.open_n += strokes - done
            self.open_t = t1_s
        if self.open_n >= self.group:
            self._close()

    def room(self, now_s: int) -> int:
        """How many strokes may still follow at ``now_s`` without any window passing its ceiling in any channel."""
        if self.open_n and self.open_t + HOUR_S <= now_s:
            self._close()
        self._expire(now_s)
        if self.since_s + DAY_S > now_s:
            least = self._room_of_many()
        else:
            before = self.upto[(self.first + self.n_old - 1) % GROUPS] if self.n_old else self.gone
            least = self.most_hour - (self.total - before)
            day = self.most_day - (self.total - self.gone)
            if day < least:
                least = day
        return (least if least > 0 else 0) + self.free

    def _room_of_many(self) -> int:
        """The same where strokes of several strengths may be in reach: channel by channel, group by group."""
        least = MAX_STROKES
        for c in range(self.channels):
            hour = self.limit_fg[c]
            day = self.limit_fg[MAX_CHANNELS + c]
            before = self.gone
            for i in range(self.n):
                g = (self.first + i) % GROUPS
                fg = (self.upto[g] - before) * self.charge[self.epoch[g] * MAX_CHANNELS + c]
                before = self.upto[g]
                day -= fg
                if i >= self.n_old:
                    hour -= fg
            charge = self.charge[self.now_epoch * MAX_CHANNELS + c]
            least = _least(least, (day if day < hour else hour) // charge - self.open_n)
        return least

    def prime(self, catheter_state: int, strokes: int) -> bool:
        """Allow a prime without charge: once for each newer catheter state, at most the dead volume."""
        if catheter_state <= self.primed_state or strokes > self.dead_strokes:
            return False
        self.primed_state = catheter_state
        self.free = strokes
        return True


def _least(a: int, b: int) -> int:
    return a if a < b else b
