"""The virtual motor: it turns as commanded, as far as its faults let it, and its feedback counts every turn.

The controller says in one line how many strokes fall where; leaping and stepping give different lines and the same
strokes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.pump.core.codes import NEVER, PATIENT, PRIME
from thecal.pump.core.hardware import Motor
from thecal.pump.device.reservoir import Share, Stroke

if TYPE_CHECKING:
    from collections.abc import Callable

    from thecal.pump.core.controller import Controller
    from thecal.pump.device.oscillator import Oscillator
    from thecal.pump.device.reservoir import Reservoir

    Witness = Callable[[int, int, int, int, int, int, Stroke], None]

_HOUR_S = 3600


class VirtualMotor(Motor):
    """The motor of one pump; ``controller`` and ``oscillator`` are set each time the pump wakes."""

    def __init__(self, reservoir: Reservoir) -> None:
        self.reservoir = reservoir
        self.controller: Controller | None = None
        self.oscillator: Oscillator | None = None
        self.witness: Witness | None = None
        """Called for each train of strokes that was made: the arguments of ``turn``, then why; its times are uptime."""
        # Set by the faults that are there now.
        self.stands = False
        self.missing = Share()
        self.extra_per_h = 0
        # Accounts.
        self.unread = 0  # extra turns that feedback has counted and nobody has read
        self._spun_s = 0  # true second up to which extra turns are accounted for
        self._extra_carry = 0

    def turn(self, t0_s: int, t1_s: int, acc: int, rate: int, unit: int, strokes: int) -> int:  # noqa: PLR0917
        """Do what is commanded; the answer is how many strokes feedback has counted since it was last read."""
        moved = 0 if self.stands else strokes - self.missing.of(strokes)
        if moved:
            why = self._why(unit)
            self.reservoir.push(moved, why)
            if self.witness:
                self.witness(t0_s, t1_s, acc, rate, unit, moved, why)
        if self.extra_per_h and self.oscillator:
            self.spin(self.oscillator.true_s(t1_s))
        return moved + self.read()

    def good_until(self, now_s: int) -> int:
        """Until when every stroke is certain; ``now_s`` while something is wrong with the motor."""
        return now_s if self.doubtful() else NEVER

    def doubtful(self) -> bool:
        """Whether a stroke may not be confirmed, or more than were commanded."""
        return self.stands or self.missing.percent > 0 or self.extra_per_h > 0 or self.unread > 0

    def spin(self, true_s: int) -> None:
        """Let the rotor turn beyond its command, up to and including a true second."""
        seconds = true_s - self._spun_s
        self._spun_s = true_s
        if self.stands:
            return
        whole = self._extra_carry + self.extra_per_h * seconds
        self._extra_carry = whole % _HOUR_S
        turns = whole // _HOUR_S
        if turns:
            self.reservoir.push(turns, Stroke.EXTRA)
            self.unread += turns

    def still_until(self, true_s: int) -> None:
        """Nothing turned beyond its command up to this true second; what feedback had counted is forgotten."""
        self._spun_s = true_s
        self.unread = 0

    def read(self) -> int:
        """Extra turns that feedback has counted since it was last read."""
        turns = self.unread
        self.unread = 0
        return turns

    def _why(self, unit: int) -> Stroke:
        """Why the controller commands: its base lane and its bolus lane count in different units."""
        c = self.controller
        if c is None or unit == c.unit:
            return Stroke.BASE
        if c.b_kind == PATIENT:
            return Stroke.PATIENT
        return Stroke.PRIME if c.b_kind == PRIME else Stroke.SINGLE
