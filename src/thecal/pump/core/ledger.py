"""Who asked for what: requests for a bolus with their first outcome, the newest command of each other seat, and starts.

Ids rise. The newest REMEMBERED are answered again with their first outcome; an older one is refused, so that with
bounded memory no id ever delivers twice (promise 2). Starts are kept for as long as any count can reach.
"""

from array import array

from .codes import DAY_S, NEVER

REMEMBERED = 32
STARTS = 48
SEATS = 4  # who else commands: programmer, service, emergency card, and one to spare
NEW = 255


class Ledger:
    """Bounded memory of requests and of bolus starts; times are pump uptime in s."""

    def __init__(self) -> None:
        self.id = array("q", [0] * REMEMBERED)
        self.outcome = bytearray(REMEMBERED)
        self.at_s = array("I", [0] * REMEMBERED)
        self.n = 0  # requests remembered
        self.next = 0
        self.newest = 0
        # The newest command of each seat with its answer: repeated, it is answered again and not done again.
        self.seat_id = array("q", [0] * SEATS)
        self.seat_answer = bytearray(SEATS)
        self.seat_wait_s = array("I", [0] * SEATS)
        self.seat_at_s = array("I", [0] * SEATS)
        self.start_s = array("I", [0] * STARTS)
        self.n_starts = 0
        self.next_start = 0

    def first_outcome(self, request: int) -> int:
        """What this id was answered with before; NEW where it is newer than every other; -1 where it is too old."""
        if request > self.newest:
            return NEW
        for i in range(self.n):
            if self.id[i] == request:
                return self.outcome[i]
        return -1

    def remember(self, request: int, outcome: int, now_s: int) -> None:
        """Keep the outcome of a new id, over the oldest one."""
        self.id[self.next] = request
        self.outcome[self.next] = outcome
        self.at_s[self.next] = now_s
        self.next = (self.next + 1) % REMEMBERED
        if self.n < REMEMBERED:
            self.n += 1
        self.newest = request

    def seat_outcome(self, seat: int, command: int) -> int:
        """What the seat's command was answered with; NEW where it is newer than all before it; -1 where it is older."""
        if command > self.seat_id[seat]:
            return NEW
        return self.seat_answer[seat] if command == self.seat_id[seat] else -1

    def seat_remember(self, seat: int, command: int, answer: int, wait_s: int, now_s: int) -> None:
        """Keep the answer to the newest command of a seat."""
        self.seat_id[seat] = command
        self.seat_answer[seat] = answer
        self.seat_wait_s[seat] = wait_s
        self.seat_at_s[seat] = now_s

    def start(self, now_s: int) -> None:
        """A patient bolus began."""
        self.start_s[self.next_start] = now_s
        self.next_start = (self.next_start + 1) % STARTS
        if self.n_starts < STARTS:
            self.n_starts += 1

    def lockout_left(self, lockout_s: int, now_s: int) -> int:
        """Seconds until the lockout from the last start has passed; 0 where it has."""
        if self.n_starts == 0:
            return 0
        left = self.start_s[(self.next_start - 1) % STARTS] + lockout_s - now_s
        return left if left > 0 else 0

    def count_left(self, most: int, now_s: int) -> int:
        """Seconds until fewer than ``most`` starts lie in the past 24 h; 0 where that is so now."""
        if most > STARTS:
            return NEVER
        if self.n_starts < most:
            return 0
        left = self.start_s[(self.next_start - most) % STARTS] + DAY_S - now_s
        return left if left > 0 else 0
