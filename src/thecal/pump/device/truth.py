"""What is true of a virtual pump, and beside it what the pump believes: for teaching, for tests, never for a screen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Believed:
    """What the pump's own accounts say: volumes in nL, uptime in s. The level may be below 0: it is only counted."""

    uptime_s: int
    level_nl: int
    strokes: int
    missed: int
    commanded: int
    alarms: int  # bit mask
    running: bool


@dataclass(frozen=True, slots=True)
class Truth:
    """The fluid of one pump: volumes in nL, rounded down, at the end of true second ``true_s``.

    ``filled_nl`` is what people filled in; it went to ``reservoir_nl``, ``delivered_nl`` (into the catheter),
    ``pocket_nl`` (leaked), ``tubing_nl`` (taken up by a blocked way) and ``drawn_nl`` (drawn out by people).
    ``strokes`` are those that the rotor made, by kind; ``lost_strokes`` of them moved nothing. ``stayed_nl`` and
    ``dry_nl`` are what strokes did not move because the way was shut, or because nothing was left. ``believed`` is None
    while the pump has no power.
    """

    true_s: int
    powered: bool
    reservoir_nl: int
    delivered_nl: int
    pocket_nl: int
    tubing_nl: int
    filled_nl: int
    drawn_nl: int
    stayed_nl: int
    dry_nl: int
    strokes: Mapping[str, int]
    lost_strokes: int
    valve_shut: bool
    believed: Believed | None

    @property
    def turned(self) -> int:
        """Strokes that the rotor made, of every kind."""
        return sum(self.strokes.values())

    def as_json(self) -> dict[str, Any]:
        """As a document for ``--json``."""
        return {**asdict(self), "strokes": dict(self.strokes)}
