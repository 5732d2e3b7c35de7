"""Alarms, their priority and what each does to delivery, as one table; and which of them are active now.

Restrictions are the union of all active alarms: clearing one never lifts what another asks for.
"""

from array import array

from .codes import F_CLOCK, F_MEMORY, F_MOTOR, F_OVER, F_POWER, F_RESERVOIR, N_FAULTS, R_CONTINUE, R_FALLBACK, R_STOP

LOW_RESERVOIR = 0
EMPTY_RESERVOIR = 1
REPLACE_SOON = 2
END_OF_SERVICE = 3
STALL = 4
STOPPED_48H = 5
MEMORY_MINOR = 6
MEMORY_CRITICAL = 7
OVER_DELIVERY = 8
HELD = 9
POWER_LOST = 10
CLOCK_DOUBT = 11
BATTERY_RESET = 12
SHORT_STALLS = 13
N_ALARMS = 14

NON_CRITICAL = 0
CRITICAL = 1

# Base delivery: nothing, always stop, or as the program chose for the class of fault.
B_NONE = 0
B_STOP = 1
B_CHOSEN = 2

# alarm: priority, class of fault, what it does to the base, whether it forbids boluses.
# Priorities as published for the peristaltic family (device-facts 4); those of the rest follow the same reasoning:
# critical where delivery stops or may be wrong.
TABLE = (
    (NON_CRITICAL, F_RESERVOIR, B_NONE, 0),  # low reservoir
    (CRITICAL, F_RESERVOIR, B_STOP, 1),  # empty: no flow that could be trusted
    (NON_CRITICAL, F_POWER, B_NONE, 0),  # replacement date reached
    (CRITICAL, F_POWER, B_STOP, 1),  # end of service
    (CRITICAL, F_MOTOR, B_CHOSEN, 1),  # stall
    (CRITICAL, F_RESERVOIR, B_NONE, 0),  # stopped over 48 h
    (NON_CRITICAL, F_MEMORY, B_NONE, 0),  # one copy of a record was damaged
    (CRITICAL, F_MEMORY, B_STOP, 1),  # memory in doubt
    (CRITICAL, F_OVER, B_STOP, 1),  # the rotor turned further than commanded
    (CRITICAL, F_OVER, B_NONE, 1),  # the monitor holds strokes back until they fit
    (NON_CRITICAL, F_POWER, B_CHOSEN, 0),  # power was lost and is back
    (NON_CRITICAL, F_CLOCK, B_CHOSEN, 0),  # the pump clock may be behind
    (CRITICAL, F_POWER, B_CHOSEN, 1),  # the battery was too low to go on and the pump reset itself
    (NON_CRITICAL, F_MOTOR, B_NONE, 0),  # several short stalls: the pump should be replaced
)

# What somebody clears after looking; the rest goes by itself.
CLEARABLE = (
    STALL,
    MEMORY_MINOR,
    MEMORY_CRITICAL,
    OVER_DELIVERY,
    POWER_LOST,
    CLOCK_DOUBT,
    BATTERY_RESET,
    SHORT_STALLS,
)


class Alarms:
    """Which alarms are active, when each was issued, acknowledged and cleared (uptime in s; 0 where it was not)."""

    def __init__(self) -> None:
        self.active = 0  # bit mask
        self.unread = False  # that a stall is over is said only when somebody has read the pump
        self.stalls = 0  # since stalls_since_s
        self.stalls_since_s = 0
        self.issued_s = array("I", [0] * N_ALARMS)
        self.acknowledged_s = array("I", [0] * N_ALARMS)
        self.cleared_s = array("I", [0] * N_ALARMS)

    def on(self, alarm: int) -> bool:
        """Whether it is active."""
        return (self.active >> alarm) & 1 == 1

    def issue(self, alarm: int, now_s: int) -> bool:
        """Make it active; False where it already was."""
        if self.on(alarm):
            return False
        self.active |= 1 << alarm
        self.issued_s[alarm] = now_s
        self.acknowledged_s[alarm] = 0
        return True

    def clear(self, alarm: int, now_s: int) -> bool:
        """Make it inactive; False where it was not active."""
        if not self.on(alarm):
            return False
        self.active &= ~(1 << alarm)
        self.cleared_s[alarm] = now_s
        return True

    def acknowledge(self, alarm: int, now_s: int) -> bool:
        """Somebody has seen it; it stays active. False where it is not active."""
        if not self.on(alarm):
            return False
        self.acknowledged_s[alarm] = now_s
        return True

    def base(self, response: "bytearray") -> int:
        """What all active alarms together do to the base: R_STOP before R_FALLBACK before R_CONTINUE."""
        worst = R_CONTINUE
        if self.active == 0:
            return worst
        for alarm in range(N_ALARMS):
            if self.on(alarm):
                effect = TABLE[alarm][2]
                chosen = R_CONTINUE
                if effect == B_STOP:
                    chosen = R_STOP
                elif effect == B_CHOSEN:
                    chosen = response[TABLE[alarm][1]]
                if chosen < worst:
                    worst = chosen
        return worst

    def forbids_bolus(self) -> bool:
        """Whether any active alarm forbids boluses."""
        if self.active == 0:
            return False
        for alarm in range(N_ALARMS):
            if self.on(alarm) and TABLE[alarm][3]:
                return True
        return False


assert len(TABLE) == N_ALARMS
assert N_FAULTS == 6
assert R_STOP < R_FALLBACK < R_CONTINUE
