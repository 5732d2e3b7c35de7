"""Every closed set of the core, each value once: modes, outcomes, refusals, faults, events.

Numbers are part of the log and of the records in durable memory: a value is never given a second meaning.
"""

HOUR_S = 3600
DAY_S = 86400
WEEK_S = 604800
STOPPED_TOO_LONG_S = 172800  # 48 h: device-facts 4, critical on the peristaltic family

MAX_CHANNELS = 8
MAX_STEPS = 168  # in a cycle: 48 on a day, or 24 on each day of a week
MAX_TIME_S = 0x7FFFFFFF  # 68 years of uptime
MAX_STROKES = 0x7FFFFFFF
NEVER = 0x7FFFFFFF

# Answers to a command: granted, or the reason why not.
GRANTED = 0
DUPLICATE = 1  # the same request id again: the first outcome stands beside it
STOPPED = 2
NO_PROGRAM = 3
NO_BOLUS = 4  # the program holds no patient bolus
LOCKOUT = 5
COUNT = 6
RUNNING = 7  # another bolus is being given
BRIDGE = 8  # old drug is still ahead of the new one
CEILING_1H = 9
CEILING_24H = 10
HISTORY_FULL = 11  # more changes in 24 h than the window can hold
EMPTY = 12
ALARM = 13  # an active alarm forbids it
STALE_ID = 14  # a request id older than those that are remembered
BAD_VALUE = 15
NEAR_FIELD = 16  # allowed in near field only
PRIMED = 17  # this catheter state was primed before
QUEUE_FULL = 18
UNKNOWN = 19  # nothing staged, or another digest than the one read back
EXPIRED = 20  # the confirmation came too late
MEMORY = 21
NOT_NEEDED = 22
VOIDED = 23  # withdrawn by its sender before it arrived: this id never delivers
OTHER_PATIENT = 24  # the program is for another patient than the one this pump is in
DOCUMENT = 25  # the order document that the program names is not held whole

# Boluses.
PATIENT = 1
SINGLE = 2
PRIME = 3

# Classes of fault, and what a program may choose for each (promise 11).
F_RESERVOIR = 0
F_MOTOR = 1
F_POWER = 2
F_MEMORY = 3
F_OVER = 4
F_CLOCK = 5
N_FAULTS = 6
R_STOP = 0
R_FALLBACK = 1
R_CONTINUE = 2

# Log events. ``a`` and ``b`` are the two numbers of the record.
E_BOOT = 1  # a: strokes assumed delivered, b: boots
E_PROGRAM = 2  # a: program number, b: first half of its digest
E_STOP = 3  # a: who
E_START = 4  # a: who
E_BOLUS = 5  # granted; a: kind, b: strokes
E_BOLUS_END = 6  # a: kind, b: strokes given
E_BOLUS_CUT = 7  # interrupted; a: kind, b: strokes given
E_REFUSED = 8  # a: reason, b: time to wait in s, 0 where time does not heal it
E_REFILL = 9  # a: volume in the reservoir in nL, b: volume expected before in nL
E_ALARM = 10  # a: alarm, b: volume expected in the reservoir then, in nL
E_CLEAR = 11  # a: alarm
E_ACK = 12  # a: alarm
E_BRIDGE_END = 13  # a: strokes since the bridge began
E_HELD = 14  # the monitor held strokes back; a: strokes
E_CLOCK = 15  # a: offset of the pump clock before, b: after
E_PRIME = 16  # a: catheter state, b: strokes beyond the dead volume
E_TOTAL = 17  # once a day; a: strokes confirmed, b: strokes missed
E_EXTRA = 18  # the rotor turned further than commanded; a: strokes
E_BRIDGE_CUT = 19  # a new program took the place of a bridge; a: strokes since it began, b: old drug left, in nL
E_VOIDED = 20  # a: who asked for it, b: id of the command
E_TEST = 21  # alarm test; a: 1 for the critical tone
E_SESSION = 22  # somebody began to talk to the pump in near field, and it sounded; a: who
