"""The fluid of a virtual pump: what is truly in the reservoir and where the rest went, whatever the pump believes.

Volumes are whole femtolitres, so that a stroke that moves a millionth more than its nominal volume is exact, and every
account is the same whether strokes come one by one or by the thousand.
"""

from __future__ import annotations

from enum import StrEnum

FL_PER_NL = 1_000_000
_HOUR_S = 3600


class Stroke(StrEnum):
    """Why a stroke was made."""

    BASE = "base"
    PATIENT = "patient bolus"
    SINGLE = "single bolus"
    PRIME = "prime"
    EXTRA = "extra"  # beyond any command


_KEPT = (
    *("volume_fl", "delivered_fl", "pocket_fl", "tubing_fl", "dry_fl", "stayed_fl", "filled_fl", "drawn_fl"),
    *("lost_strokes", "shut", "leaked_s", "leak_carry"),
)


class Share:
    """So many percent of strokes, spread evenly: the same ones however the strokes are grouped."""

    def __init__(self) -> None:
        self.percent = 0
        self.carry = 0

    def of(self, strokes: int) -> int:
        """How many of these strokes it takes."""
        whole = self.carry + strokes * self.percent
        self.carry = whole % 100
        return whole // 100


class ReservoirError(ValueError):
    """More than the reservoir has room for, or less than nothing: says what was found and what is allowed."""


class Reservoir:
    """Reservoir, the way of the fluid behind it, and what can be wrong with both. Every number is what is true."""

    def __init__(self, stroke_nl: int, room_nl: int, residual_nl: int) -> None:
        self._stroke_nl = stroke_nl
        self._room_fl = room_nl * FL_PER_NL
        self._residual_fl = residual_nl * FL_PER_NL  # no stroke reaches it
        # Set by the faults that are there now.
        self.over_millionths = 0
        self.lost = Share()
        self.blocked = False
        self.takes_fl = 0  # what the tubing takes up while the way is blocked
        self.leak_nl_per_h = 0
        # Accounts.
        self.volume_fl = 0
        self.delivered_fl = 0
        self.pocket_fl = 0
        self.tubing_fl = 0  # taken up by the tubing
        self.dry_fl = 0  # what strokes would have moved if there had been fluid
        self.stayed_fl = 0  # what strokes would have moved if the way had been free
        self.filled_fl = 0
        self.drawn_fl = 0
        self.lost_strokes = 0
        self.shut = False  # the valve, until it is reset
        self.strokes = dict.fromkeys(Stroke, 0)  # that the rotor made
        self.leaked_s = 0  # true second up to which the leak is accounted for
        self.leak_carry = 0

    # Strokes

    def push(self, strokes: int, why: Stroke) -> None:
        """The rotor made strokes; the fluid goes where the faults let it."""
        self.strokes[why] += strokes
        lost = self.lost.of(strokes)
        self.lost_strokes += lost
        volume = (strokes - lost) * self._stroke_nl * (FL_PER_NL + self.over_millionths)
        if self.shut:
            self.stayed_fl += volume
            return
        moved = min(volume, self._reachable())
        if self.blocked:
            taken = max(0, min(moved, self.takes_fl - self.tubing_fl))
            self.stayed_fl += volume - taken
            self.tubing_fl += taken
            self.volume_fl -= taken
            return
        self.dry_fl += volume - moved
        self.delivered_fl += moved
        self.volume_fl -= moved

    def _reachable(self) -> int:
        return max(0, self.volume_fl - self._residual_fl)

    # Faults

    def free(self) -> None:
        """The way is free again: what the tubing had taken up goes into the catheter at once."""
        self.blocked = False
        self.takes_fl = 0
        self.delivered_fl += self.tubing_fl
        self.tubing_fl = 0

    def shut_valve(self, passes_nl: int) -> None:
        """The valve shuts after that much went through, and stays shut."""
        if not self.shut:
            passed = min(passes_nl * FL_PER_NL, self._reachable())
            self.delivered_fl += passed
            self.volume_fl -= passed
            self.shut = True

    def leak_to(self, true_s: int) -> None:
        """Account for the leak up to and including a true second."""
        out, self.leak_carry = self._leaked(true_s)
        self.pocket_fl += out
        self.volume_fl -= out
        self.leaked_s = max(true_s, self.leaked_s)

    def _leaked(self, true_s: int) -> tuple[int, int]:
        whole = self.leak_carry + self.leak_nl_per_h * FL_PER_NL * max(0, true_s - self.leaked_s)
        return min(whole // _HOUR_S, self.volume_fl), whole % _HOUR_S

    def leaking_fl(self, true_s: int) -> int:
        """What has leaked by a true second and is not in the accounts yet."""
        return self._leaked(true_s)[0]

    # People

    def fill(self, volume_nl: int) -> None:
        """Somebody fills fluid in; ReservoirError for more than there is room for, and then nothing goes in."""
        room = (self._room_fl - self.volume_fl) // FL_PER_NL
        if not 0 <= volume_nl <= room:
            raise ReservoirError(
                f"found {volume_nl:,} nL to fill; allowed: 0 to {max(room, 0):,} nL; nothing was filled: draw first"
            )
        self.volume_fl += volume_nl * FL_PER_NL
        self.filled_fl += volume_nl * FL_PER_NL

    def draw(self) -> int:
        """Somebody draws out all there is, what no stroke reaches included; the answer is in whole nL."""
        drawn = self.volume_fl // FL_PER_NL
        self.volume_fl -= drawn * FL_PER_NL
        self.drawn_fl += drawn * FL_PER_NL
        return drawn

    # Memory

    def state(self) -> dict[str, int]:
        """Everything that must outlive the process."""
        kept = {name: int(getattr(self, name)) for name in _KEPT}
        kept |= {f"strokes, {why}": n for why, n in self.strokes.items()}
        kept["lost carry"] = self.lost.carry
        return kept

    def restore(self, kept: dict[str, int]) -> None:
        """Take over what ``state`` gave."""
        for name in _KEPT:
            setattr(self, name, kept[name])
        self.shut = bool(kept["shut"])
        self.strokes = {why: kept[f"strokes, {why}"] for why in Stroke}
        self.lost.carry = kept["lost carry"]
