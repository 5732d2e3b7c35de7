"""A magnet or a scanner: the rotor stands in its field, and what comes after is not always what people expect."""

from __future__ import annotations

READINGS = 2  # interrogations after which a recovery that was not logged at once is


class Field:
    """Whether the rotor stands for a magnetic field. Times are true seconds."""

    def __init__(self) -> None:
        self.left_s = 0  # when the pump leaves the field
        self.turns_s = 0  # when its rotor turns again
        self.trapped = False  # it was alarming when it came into the field: it stands until it is interrogated
        self.unread = 0  # interrogations until the recovery is logged

    def enter(self, left_s: int, delay_s: int, *, alarming: bool, unread: bool) -> None:
        """The pump comes into a field until ``left_s``; its rotor needs ``delay_s`` more to recover."""
        self.left_s = max(self.left_s, left_s)
        self.turns_s = max(self.turns_s, left_s + delay_s)
        self.trapped = self.trapped or alarming
        if unread:
            self.unread = READINGS

    def leave(self, true_s: int) -> None:
        """The pump leaves the field before its time; its rotor recovers at once, and a trapped one stays trapped."""
        self.left_s = min(self.left_s, true_s)
        self.turns_s = min(self.turns_s, true_s)

    def stands(self, true_s: int) -> bool:
        """Whether the rotor stands in this second."""
        return true_s < self.turns_s or self.trapped

    def interrogated(self, true_s: int) -> bool:
        """Somebody reads the pump in this second; whether that changed anything."""
        if self.trapped and true_s >= self.left_s:
            self.trapped = False
            return True
        if self.unread and not self.stands(true_s):
            self.unread -= 1
            return True
        return False
