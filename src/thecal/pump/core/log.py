"""The event log: a bounded ring of records of one size, chained by SHA-256.

Appending allocates nothing; ``seal`` extends the chain over what was appended since, outside the step. Each record
carries its number, pump uptime, pump clock, event and two numbers. The digest of a record covers the one before it,
so a reader that knows any digest can check all that follows.
"""

from hashlib import sha256
from struct import pack_into

RECORD = "<IIIIqq"
SIZE = 32
PENDING = 16


class Log:
    """The newest ``capacity`` sealed records, and up to PENDING that are not sealed yet."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.ring = bytearray(capacity * SIZE)
        self.pending = bytearray(PENDING * SIZE)
        self.n_pending = 0
        self.sealed = 0  # records sealed ever
        self.lost = 0  # of them, records that this memory never held
        self.digest = bytearray(32)  # of the newest sealed record; zeros before the first

    def count(self) -> int:
        """Records written ever."""
        return self.sealed + self.n_pending

    def append(self, now_s: int, clock_s: int, event: int, a: int, b: int) -> None:
        """Write one record. Where nobody has sealed for PENDING records, it seals (the only case that allocates)."""
        if self.n_pending == PENDING:
            self.seal()
        at = self.n_pending * SIZE
        pack_into(RECORD, self.pending, at, self.count() + 1, now_s, clock_s, event, a, b)
        self.n_pending += 1

    def seal(self) -> None:
        """Chain the pending records and move them into the ring, over the oldest."""
        view = memoryview(self.pending)
        for i in range(self.n_pending):
            record = view[i * SIZE : (i + 1) * SIZE]
            h = sha256(self.digest)
            h.update(record)
            self.digest[:] = h.digest()
            at = self.sealed % self.capacity * SIZE
            self.ring[at : at + SIZE] = record
            self.sealed += 1
        self.n_pending = 0

    def oldest(self) -> int:
        """The number of the oldest sealed record that is still here, counted from 1; 0 where there is none."""
        if self.sealed == self.lost:
            return 0
        first = self.sealed - self.capacity
        return (first if first > self.lost else self.lost) + 1

    def record(self, number: int) -> "bytes":
        """The bytes of a sealed record that is still here (``oldest`` to ``sealed``); empty for any other."""
        if not 0 < self.oldest() <= number <= self.sealed:
            return b""
        at = (number - 1) % self.capacity * SIZE
        return bytes(self.ring[at : at + SIZE])
