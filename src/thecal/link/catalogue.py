"""Every message that a pump understands, as one table: who may send it, over which radio, what it does, the answer.

A message that is not listed does not exist. Payloads are CBOR maps with the names of the fields as keys; a field that
is missing, unknown, of another type or out of range makes the whole message malformed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from thecal.link.roles import Role
from thecal.pump.core.alarms import N_ALARMS
from thecal.pump.core.codes import DAY_S, MAX_STROKES, WEEK_S
from thecal.pump.core.program import MAX_BOLUS, MAX_LEVEL_NL

MOST_ID = (1 << 62) - 1
MOST_PIECE = 768
"""Bytes of one piece of a longer text, so that every frame fits the slowest radio."""
MOST_DOCUMENT = 65_536
"""Bytes of an order document."""


class Effect(StrEnum):
    """What a message can do to delivery."""

    NONE = "none"  # reads, or marks something as seen
    LESS = "less"  # can only lower it
    ANY = "any"  # can raise it: programmer or patient only


class Area(StrEnum):
    """The longer texts that are read, or brought, piece by piece."""

    PROGRAM = "program"
    DOCUMENT = "document"
    LOG = "log"


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number with its bounds, both included."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Bytes:
    """A string of bytes with the bounds of its length."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Word:
    """One of a closed set of words."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Truth:
    """True or false."""


Kind = Whole | Bytes | Word | Truth

ID = Whole(1, MOST_ID)
DIGEST = Bytes(32, 32)


@dataclass(frozen=True, slots=True)
class Message:
    """One message: ``path`` names it on the wire, ``fields`` is its payload, ``answer`` the fields of what comes back.

    ``near`` is True where it is heard in near field only. A message with a ``command`` is done at most once: the pump
    remembers its number and its first outcome.
    """

    path: str
    roles: frozenset[Role]
    near: bool
    effect: Effect
    fields: tuple[tuple[str, Kind], ...] = ()
    answer: str = "done"

    @property
    def numbered(self) -> bool:
        """Whether it carries the number of a command."""
        return any(name == "command" for name, _ in self.fields)


_ALL = frozenset(Role)
_READERS = _ALL
_PROGRAMMER = frozenset({Role.PROGRAMMER})
_SERVICED = frozenset({Role.PROGRAMMER, Role.SERVICE})
_COMMAND = ("command", ID)

MESSAGES: tuple[Message, ...] = (
    # Reading
    Message("status", _READERS, near=False, effect=Effect.NONE, answer="status"),
    Message("identity", _READERS - {Role.PATIENT}, near=False, effect=Effect.NONE, answer="identity"),
    Message(
        "piece",
        _READERS - {Role.PATIENT},
        near=False,
        effect=Effect.NONE,
        # ``at`` counts bytes of the program or document, and records of the log (from 1).
        fields=(
            ("area", Word(tuple(Area))),
            ("at", Whole(0, MAX_STROKES)),
            ("most", Whole(1, MOST_PIECE)),
        ),
        answer="piece",
    ),
    # Therapy: two phases, and nothing changes before the second one
    Message(
        "bring",
        _PROGRAMMER,
        near=True,
        effect=Effect.NONE,
        fields=(
            ("area", Word((Area.PROGRAM, Area.DOCUMENT))),
            ("whole", Whole(1, MOST_DOCUMENT)),
            ("at", Whole(0, MOST_DOCUMENT - 1)),
            ("data", Bytes(1, MOST_PIECE)),
        ),
        answer="brought",
    ),
    Message(
        "propose",
        _PROGRAMMER,
        near=True,
        effect=Effect.NONE,
        fields=(("program", DIGEST), ("document", DIGEST)),
        answer="proposal",
    ),
    Message("confirm", _PROGRAMMER, near=True, effect=Effect.ANY, fields=(_COMMAND, ("digest", DIGEST))),
    Message("start", _PROGRAMMER, near=True, effect=Effect.ANY, fields=(_COMMAND,)),
    Message("stop", _SERVICED | {Role.CARD}, near=True, effect=Effect.LESS, fields=(_COMMAND,)),
    Message(
        "single",
        _PROGRAMMER,
        near=True,
        effect=Effect.ANY,
        fields=(_COMMAND, ("strokes", Whole(1, MAX_BOLUS)), ("seconds", Whole(1, DAY_S))),
    ),
    Message(
        "prime",
        _PROGRAMMER,
        near=True,
        effect=Effect.ANY,
        fields=(
            _COMMAND,
            ("catheter", ID),
            ("volume_nl", Whole(1, MAX_LEVEL_NL)),
            ("dead_nl", Whole(1, MAX_LEVEL_NL)),
        ),
    ),
    Message(
        "refill", _PROGRAMMER, near=True, effect=Effect.ANY, fields=(_COMMAND, ("level_nl", Whole(0, MAX_LEVEL_NL)))
    ),
    Message(
        "clock",
        _PROGRAMMER,
        near=True,
        effect=Effect.ANY,
        fields=(_COMMAND, ("offset_s", Whole(0, WEEK_S * 3500 - 1))),
    ),
    Message("clear", _SERVICED, near=True, effect=Effect.ANY, fields=(_COMMAND, ("alarm", Whole(0, N_ALARMS - 1)))),
    # Withdraw a command whose answer was never heard: it was done, or it never will be
    Message("void", _SERVICED | {Role.CARD}, near=True, effect=Effect.LESS, fields=(_COMMAND,)),
    # The patient
    Message("bolus", frozenset({Role.PATIENT}), near=False, effect=Effect.ANY, fields=(_COMMAND,)),
    Message("withdraw", frozenset({Role.PATIENT}), near=False, effect=Effect.LESS, fields=(_COMMAND,)),
    # Alarms
    Message(
        "acknowledge",
        _SERVICED,
        near=False,
        effect=Effect.NONE,
        fields=(_COMMAND, ("alarm", Whole(0, N_ALARMS - 1))),
    ),
    Message("alarm-test", _SERVICED, near=True, effect=Effect.NONE, fields=(_COMMAND, ("critical", Truth()))),
)

BY_PATH = {m.path: m for m in MESSAGES}

ANSWERS: dict[str, tuple[tuple[str, Kind], ...]] = {
    # What every other answer also carries under "status", so that each reply resolves what was not known.
    "status": (
        ("uptime_s", Whole(0, MAX_STROKES)),
        ("clock_s", Whole(0, 1 << 40)),
        ("boots", Whole(0, MAX_STROKES)),
        ("loaded", Truth()),
        ("running", Truth()),
        ("delivering", Truth()),  # started, loaded, and no alarm stops it
        ("bridging", Truth()),
        ("bridge_left_s", Whole(0, MAX_STROKES)),
        ("held", Truth()),
        ("rate_pl_per_h", Whole(0, 1 << 40)),
        ("level_nl", Whole(-(1 << 40), 1 << 40)),
        ("strokes", Whole(0, MAX_STROKES)),
        ("program", Whole(0, MAX_STROKES)),
        ("digest", Bytes(0, 32)),  # of the running program; empty where there is none
        ("staged", Bytes(0, 32)),  # of a proposed one
        ("bolus_kind", Whole(0, 3)),
        ("bolus_strokes", Whole(0, MAX_BOLUS)),
        ("bolus_given", Whole(0, MAX_STROKES)),  # may be more than was ordered, where a motor turns too far
        ("bolus_left_s", Whole(0, MAX_STROKES)),
        ("has_bolus", Truth()),  # the program holds a patient bolus
        ("lockout_left_s", Whole(0, MAX_STROKES)),
        ("count_left_s", Whole(0, MAX_STROKES)),
        ("stopped_s", Whole(0, MAX_STROKES)),  # since when, where it is stopped
        ("alarms", Whole(0, (1 << N_ALARMS) - 1)),  # bit mask
        ("acknowledged", Whole(0, (1 << N_ALARMS) - 1)),
        ("newest", Whole(0, MOST_ID)),  # number of the newest command of the one who asks
        ("newest_answer", Whole(0, 255)),  # and what it was answered; 255 where there was none
        ("newest_wait_s", Whole(0, MAX_STROKES)),
        ("battery_percent", Whole(0, 100)),
        ("log_records", Whole(0, MAX_STROKES)),
        ("near", Truth()),
    ),
    "identity": (
        ("family", Bytes(1, 64)),
        ("serial", Bytes(1, 64)),
        ("software", Bytes(1, 64)),
        ("stroke_nl", Whole(1, 1_000_000)),
        ("reservoir_nl", Whole(1, MAX_LEVEL_NL)),
        ("residual_nl", Whole(0, MAX_LEVEL_NL)),
        ("tubing_nl", Whole(0, MAX_LEVEL_NL)),
        ("offset_s", Whole(0, 1 << 40)),
        ("replace_soon_s", Whole(0, MAX_STROKES)),
        ("end_of_service_s", Whole(0, MAX_STROKES)),
        ("patient", Bytes(16, 16)),
        ("order_digest", Bytes(0, 32)),
        ("catheter", Whole(0, MOST_ID)),  # newest catheter state that was primed
        ("alarms", Bytes(0, 1024)),  # for each alarm: issued, acknowledged, cleared, as little-endian 32-bit seconds
        ("log_oldest", Whole(0, MAX_STROKES)),
        ("log_newest", Whole(0, MAX_STROKES)),
        ("log_digest", Bytes(32, 32)),
        ("totals", Bytes(0, 1024)),  # strokes confirmed, missed, commanded, day's confirmed and missed: 32-bit each
    ),
    "piece": (
        ("data", Bytes(0, 1024)),
        ("whole", Whole(0, MAX_STROKES)),  # bytes of the whole text; records ever written, for the log
        ("digest", Bytes(0, 32)),  # SHA-256 of the whole text; for the log, of the record before the first one in data
    ),
    "brought": (("held", Whole(0, MOST_DOCUMENT)),),
    "proposal": (
        ("answer", Whole(0, 255)),
        ("wait_s", Whole(0, MAX_STROKES)),
        ("digest", Bytes(0, 32)),
        ("number", Whole(0, MAX_STROKES)),
        # For each of 8 channels: base of 24 h before and after, and the same with every bolus, in ng, as 64-bit.
        ("change", Bytes(0, 1024)),
        ("confirm_within_s", Whole(0, MAX_STROKES)),
    ),
    "done": (
        ("answer", Whole(0, 255)),
        ("first", Whole(0, 255)),  # the first outcome, where the answer is that the number was used before
        ("wait_s", Whole(0, MAX_STROKES)),
    ),
}
"""The fields of each kind of answer. Every answer but ``status`` and ``piece`` also carries ``status``: its fields."""
