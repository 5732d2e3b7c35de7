"""The event log on disk: what the core keeps in a ring in working memory, kept over any loss of power.

A slot holds the digest of the record before it and the record, 64 bytes; SHA-256 of a slot is the digest of its record.
Records are on disk before the state that counts them, so a crash between the two leaves records that nobody counts,
and the chain of those that are counted verifies. At waking the chain is followed backwards from the digest that the
state holds; the first slot that does not fit ends it, and everything older is lost and said to be.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from thecal.pump.core.log import SIZE, Log
from thecal.pump.device.memory import LOG

if TYPE_CHECKING:
    from thecal.pump.device.memory import Disk

LOG_RECORDS = 4_096
"""Records that are kept: 409 days at 10 a day. The oldest go first."""

DIGEST = 32
SLOT = DIGEST + SIZE
_LOST = b"\xff" * SLOT  # where a chain was found broken: known, and not said again at the next waking


class History:
    """The log of one pump on its disk. Make it at waking, give the core its ``log``, then ``verify`` and ``flush``."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        held = self._read()
        held = held[: LOG_RECORDS * SLOT].ljust(LOG_RECORDS * SLOT, b"\0")
        self._before = bytearray(LOG_RECORDS * DIGEST)  # digest before each record, by its place
        self._after = [bytes(DIGEST)] * LOG_RECORDS  # digest of each record
        self.log = self._log(held)
        self._kept = 0  # newest record that is on disk
        self._digest = bytes(DIGEST)  # and its digest

    def _log(self, held: bytes) -> Log:
        """A log that goes on behind the newest record on disk; a sound state of the core takes its place."""
        log = Log(LOG_RECORDS)
        for i in range(LOG_RECORDS):
            slot = held[i * SLOT : (i + 1) * SLOT]
            number = _number(slot)
            if number and (number - 1) % LOG_RECORDS == i:
                log.ring[i * SIZE : (i + 1) * SIZE] = slot[DIGEST:]
                self._before[i * DIGEST : (i + 1) * DIGEST] = slot[:DIGEST]
                self._after[i] = sha256(slot).digest()
                if number > log.sealed and self._follows(log, number):
                    log.sealed = number
                    log.digest[:] = self._after[i]
            elif slot == _LOST:
                log.ring[i * SIZE : (i + 1) * SIZE] = slot[DIGEST:]
        return log

    def _follows(self, log: Log, number: int) -> bool:
        """Whether the record before this one is here too and belongs to it; a slot alone proves nothing."""
        if number == 1:
            return self._before[:DIGEST] == bytes(DIGEST)
        i = (number - 2) % LOG_RECORDS
        return _number_in(log, i) == number - 1 and self._after[i] == self._digest_before(number)

    def verify(self) -> bool:
        """Set what the log has lost, now that the core woke; False where records are missing that nothing explains.

        A crash may have left newer records, uncounted, in the place of the oldest ones; that explains it.
        """
        log = self.log
        expected = bytes(log.digest)
        number = log.sealed
        oldest = log.sealed - LOG_RECORDS
        while number > 0 and number > oldest:
            i = (number - 1) % LOG_RECORDS
            if _number_in(log, i) != number or self._after[i] != expected:
                break
            expected = self._digest_before(number)
            number -= 1
        log.lost = number if number > 0 else 0
        self._kept = log.sealed
        self._digest = bytes(log.digest)
        self._after = []
        if number <= 0 or number <= oldest:
            return True
        found = _number_in(log, (number - 1) % LOG_RECORDS)
        if found in (number + LOG_RECORDS, _number(_LOST)):
            return True
        self._write((number - 1) % LOG_RECORDS, _LOST)
        return False

    def flush(self) -> bool:
        """Write what was sealed since; True where it reads back, or where there was nothing to write."""
        log = self.log
        log.seal()
        if log.sealed == self._kept:
            return True
        first = self._kept
        digest = self._digest
        slots = bytearray()
        for number in range(first + 1, log.sealed + 1):
            slot = digest + log.record(number)
            i = (number - 1) % LOG_RECORDS
            self._before[i * DIGEST : (i + 1) * DIGEST] = digest
            digest = sha256(slot).digest()
            slots += slot
        done = self._write_ring(first % LOG_RECORDS, bytes(slots))
        # What does not read back is tried again, until the ring in working memory could run over it.
        if done or log.sealed - first > LOG_RECORDS // 2:
            self._kept = log.sealed
            self._digest = digest
        return done

    def piece(self, first: int, most: int) -> tuple[bytes, bytes]:
        """Up to ``most`` records from number ``first`` on that are on disk, and the digest of the one before them.

        Both are empty where that record is not held.
        """
        oldest = self.log.oldest()
        if not 0 < oldest <= first <= self._kept:
            return b"", b""
        last = min(self._kept, first + most - 1)
        records = b"".join(self.log.record(number) for number in range(first, last + 1))
        return records, self._digest_before(first)

    def _digest_before(self, number: int) -> bytes:
        at = (number - 1) % LOG_RECORDS * DIGEST
        return bytes(self._before[at : at + DIGEST])

    def _write_ring(self, place: int, slots: bytes) -> bool:
        """Write slots from a place on, in two parts where they pass the end of the ring."""
        head = (LOG_RECORDS - place) * SLOT
        kept = self._write(place, slots[:head])
        if len(slots) > head:
            kept = self._write(0, slots[head:]) and kept
        return kept

    def _write(self, place: int, slots: bytes) -> bool:
        """Write slots; whether they read back."""
        at = place * SLOT
        try:
            self._disk.write_at(LOG, at, slots)
        except OSError:
            return False
        return self._read()[at : at + len(slots)] == slots

    def _read(self) -> bytes:
        try:
            return self._disk.read(LOG)
        except OSError:
            return _LOST


def _number(slot: bytes) -> int:
    """The number of the record in a slot; 0 in a blank one."""
    return int.from_bytes(slot[DIGEST : DIGEST + 4], "little")


def _number_in(log: Log, place: int) -> int:
    """The number of the record at a place of the ring."""
    return int.from_bytes(log.ring[place * SIZE : place * SIZE + 4], "little")
