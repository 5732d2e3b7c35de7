"""What was read from a pump, and what could not be."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from struct import pack
from typing import TYPE_CHECKING, Any

from thecal.link.log_reading import LogReading, Standing, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from zoneinfo import ZoneInfo

    from thecal.link.interrogation import Interrogation
    from thecal.link.ledger import Pending
    from thecal.link.log_reading import Piece
    from thecal.link.reading import Identity
    from thecal.pump.annunciation import Withdrawal
    from thecal.pump.wall_clock import Belief


class Part(StrEnum):
    """What is read, part by part."""

    STATUS = "status"
    IDENTITY = "identity"
    PROGRAM = "program"
    DOCUMENT = "order document"
    LOG = "log"


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of a pump. A part is None where it was not read; ``unread`` says why.

    ``status`` and ``identity`` are answers as ``catalogue.ANSWERS`` has them, ``program`` and ``document`` whole texts
    (empty where the pump holds none), ``log`` the pieces from record ``log_from`` on, or records that
    a session has checked already. ``read_utc_s`` is the UTC of the
    reading in Unix seconds; ``beliefs`` which UTC offset the pump clock was believed to keep since when; ``known``
    digests of the log that were kept from earlier readings. ``withdrawal`` is None where the drugs in the pump are not
    known, and then stopping counts as dangerous. ``first`` is False for a second reading in one session.
    """

    read_utc_s: int
    software: str
    formulary: str | None = None
    status: Mapping[str, Any] | None = None
    identity: Mapping[str, Any] | None = None
    program: bytes | None = None
    document: bytes | None = None
    log: Sequence[Piece] | LogReading | None = None
    log_from: int = 1
    known: Mapping[int, bytes] = field(default_factory=dict)
    beliefs: Sequence[Belief] = ()
    zone: ZoneInfo | None = None
    withdrawal: Sequence[Withdrawal] | None = None
    pending: Sequence[Pending] = ()
    unread: Mapping[Part, str] = field(default_factory=dict)
    first: bool = True


def of_session(found: Interrogation, software: str) -> Reading:
    """A reading by a session of the link, which has checked the chain of its records; ``replace`` adds the rest."""
    return Reading(
        read_utc_s=int(datetime.fromisoformat(found.read_utc).timestamp()),
        software=software,
        status=asdict(found.status),
        identity=_values(found.identity),
        program=found.program,
        document=found.document,
        log=_checked(found),
    )


def _values(identity: Identity) -> dict[str, Any]:
    """The identity as the answer that it was read from."""
    values = asdict(identity)
    for name in ("family", "serial", "software"):
        values[name] = values[name].encode()
    values["alarms"] = b"".join(pack("<III", a.issued_s, a.acknowledged_s, a.cleared_s) for a in identity.alarms)
    values["totals"] = pack("<5I", *values["totals"].values())
    return values


def _checked(found: Interrogation) -> LogReading:
    """The records with the verdict of the session that read them."""
    first = found.records[0].number if found.records else found.log_end[0] + 1
    last = found.records[-1].number if found.records else 0
    missing = ((first - found.missing, first - 1),) if found.missing else ()
    if found.log_fault:
        # The session says what is wrong and trusts none of what it read; no more is claimed here.
        verdict = Verdict(Standing.BROKEN, first if last else 0, last, missing, broken_at=first, why=found.log_fault)
        return LogReading(found.records, verdict)
    standing = Standing.GAP if missing else Standing.INTACT
    return LogReading(found.records, Verdict(standing, first if last else 0, last, missing))
