"""What the controller must know of the pump around it: constants of the family, and the motor it commands."""

from .codes import NEVER


class Hardware:
    """Constants of one pump, from its family and calibration; integers, set once before the controller is made."""

    def __init__(self, stroke_nl: int, reservoir_nl: int) -> None:
        self.stroke_nl = stroke_nl
        self.reservoir_nl = reservoir_nl
        self.residual_nl = 0  # what cannot be pumped out
        self.max_rate_pl_per_h = 1000000000
        self.prime_rate_pl_per_h = 1000000000
        self.replace_soon_s = NEVER  # uptime at which the replacement date is reached
        self.end_of_service_s = NEVER


class Motor:
    """A motor that turns as commanded. A virtual or real one offers the same two methods."""

    def turn(self, t0_s: int, t1_s: int, acc: int, rate: int, unit: int, strokes: int) -> int:
        """Do ``strokes`` in the seconds after ``t0_s`` up to ``t1_s``; the answer is how many the rotor confirmed.

        Stroke k of them falls on the first second x with (acc + rate * (x - t0_s)) // unit >= k.
        """
        return strokes

    def good_until(self, now_s: int) -> int:
        """Until when every stroke is certain to be confirmed, so that a simulation may leap; ``now_s`` if unknown."""
        return NEVER
