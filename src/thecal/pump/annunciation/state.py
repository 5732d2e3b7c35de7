"""Which alarms are active and when each was issued, acknowledged and cleared: three facts, each with its own time.

In come the core's arrays, or the bytes in which a pump tells them; out come states, their order on a screen, and what
they ask for together. Times are pump uptime in s.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import unpack
from typing import TYPE_CHECKING

from thecal.pump.annunciation.condition import Priority
from thecal.pump.annunciation.table import alarm_table
from thecal.pump.annunciation.wording import Does, does
from thecal.pump.core.alarms import N_ALARMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from thecal.pump.annunciation.condition import Condition
    from thecal.pump.core.alarms import Alarms
    from thecal.therapy.program import FaultClass, Response

TIMES_BYTES = 12 * N_ALARMS
"""Of the three times of every alarm as a pump tells them: little-endian, 32 bits each."""


@dataclass(frozen=True, slots=True)
class AlarmState:
    """One alarm of the pump. A time is None where the thing did not happen since the alarm was last issued.

    ``cleared_before_s`` is when an earlier one was cleared, while this one is active. The pump keeps only the newest
    times; what was before stands in its log.
    """

    condition: Condition
    active: bool
    issued_s: int | None
    acknowledged_s: int | None
    cleared_s: int | None
    cleared_before_s: int | None = None

    @property
    def ever(self) -> bool:
        """Whether it was ever issued."""
        return self.issued_s is not None


def alarm_states(alarms: Alarms) -> tuple[AlarmState, ...]:
    """The state of every alarm of a running core, in the order of its table."""
    return _states(alarms.active, alarms.issued_s, alarms.acknowledged_s, alarms.cleared_s)


def states_of(active: int, times: bytes) -> tuple[AlarmState, ...] | None:
    """The same from what a pump tells: a bit mask, and issued, acknowledged, cleared of one alarm after the other.

    None where the bytes are not as many as that.
    """
    if len(times) != TIMES_BYTES:
        return None
    numbers = unpack(f"<{3 * N_ALARMS}I", times)
    return _states(active, numbers[0::3], numbers[1::3], numbers[2::3])


def without_times(active: int) -> tuple[AlarmState, ...]:
    """The states where only the mask of the active ones could be read."""
    return tuple(
        AlarmState(c, (active >> number) & 1 == 1, None, None, None) for number, c in enumerate(alarm_table().of_core)
    )


def _states(
    active: int, issued: Sequence[int], acknowledged: Sequence[int], cleared: Sequence[int]
) -> tuple[AlarmState, ...]:
    return tuple(
        _state(condition, (active >> number) & 1 == 1, issued[number], acknowledged[number], cleared[number])
        for number, condition in enumerate(alarm_table().of_core)
    )


def _state(condition: Condition, active: bool, issued: int, acknowledged: int, cleared: int) -> AlarmState:
    """The core writes 0 where a thing did not happen; a time of 0 says something only with its alarm active."""
    ever = active or issued > 0 or cleared > 0
    return AlarmState(
        condition=condition,
        active=active,
        issued_s=issued if ever else None,
        acknowledged_s=acknowledged or None,
        cleared_s=cleared if ever and not active else None,
        cleared_before_s=(cleared or None) if active else None,
    )


def in_order(states: Iterable[AlarmState]) -> tuple[AlarmState, ...]:
    """The active ones as a screen shows them: by priority, then the newest first; none is left out."""
    active = (s for s in states if s.active)
    return tuple(sorted(active, key=lambda s: (s.condition.priority is not Priority.CRITICAL, -(s.issued_s or 0))))


def restrictions(states: Iterable[AlarmState], chosen: Mapping[FaultClass, Response]) -> tuple[Does, bool]:
    """What all active alarms ask for together: the most restrictive for the base, and whether boluses are forbidden.

    They are a union: a newer or graver alarm never lifts what another one asks for.
    """
    active = [s.condition for s in states if s.active]
    worst = max((does(c, chosen) for c in active), key=lambda d: d.rank, default=Does.NO_CHANGE)
    return worst, any(c.forbids_bolus for c in active)
