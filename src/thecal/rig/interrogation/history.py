"""The log with its verdict, and the boluses and refusals that it tells of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thecal.link.log_reading import KINDS, Event, Words, event_name, record_text
from thecal.pump.setting import volume_of
from thecal.twin.records import ALARMS, answer_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thecal.link.log_chain import Record
    from thecal.link.log_reading import LogReading
    from thecal.rig.interrogation.moments import Moments

_LAST_ANSWER = 25
"""The highest answer of the core that has words."""

WORDS = Words(
    alarms=tuple(str(a) for a in ALARMS),
    answers={code: str(answer_of(code)) for code in range(_LAST_ANSWER + 1)},
)


def answer_text(code: int) -> str:
    """An answer of the core in words."""
    return WORDS.answer(code)


def log_json(log: LogReading, moments: Moments, oldest: int | None, newest: int | None) -> dict[str, Any]:
    """The log: what its chain is worth, what the pump still holds, and every record that was read."""
    verdict = log.verdict
    records = log.records
    return {
        "chain": {
            "standing": str(verdict.standing),
            "text": verdict.text,
            "broken_at": verdict.broken_at,
            "missing": [list(pair) for pair in verdict.missing],
        },
        "retention": {
            "oldest_held": oldest,
            "newest": newest,
            "read": len(records),
            "reaches_back_s": moments.read_at_s - records[0].uptime_s if records else None,
        },
        "records": [_record(r, moments) for r in records],
    }


def _record(record: Record, moments: Moments) -> dict[str, Any]:
    return {
        "number": record.number,
        "times": moments.of_record(record),
        "event": record.event,
        "name": event_name(record.event),
        "text": record_text(record, WORDS),
        # Up to 64 bits: more than a number of JSON holds everywhere.
        "a": str(record.a),
        "b": str(record.b),
    }


def boluses_json(records: Sequence[Record], moments: Moments, stroke_nl: int | None) -> list[dict[str, Any]]:
    """Every bolus of the log from grant to end, with what was given; times are null where that is not in the log."""
    found: list[dict[str, Any]] = []
    running: dict[str, Any] | None = None
    for record in records:
        if record.event == Event.BOLUS:
            running = _bolus(record, moments)
            found.append(running)
        elif record.event in (Event.BOLUS_END, Event.BOLUS_CUT):
            if running is None:  # begun before the log begins, or waiting and never begun
                found.append(running := _bolus(None, moments, record.a))
            running["ended"] = moments.of_record(record)
            running["given_strokes"] = record.b
            running["given"] = None if stroke_nl is None else volume_of(record.b, stroke_nl).as_json("mL")
            running["cut"] = record.event == Event.BOLUS_CUT
            running = None
    return found


def _bolus(record: Record | None, moments: Moments, kind: int = 0) -> dict[str, Any]:
    return {
        "kind": KINDS.get(kind if record is None else record.a, "other"),
        "granted": None if record is None else moments.of_record(record),
        "granted_strokes": None if record is None else record.b,
        "ended": None,
        "given_strokes": None,
        "given": None,
        "cut": False,
    }


def refusals_json(records: Sequence[Record], moments: Moments) -> list[dict[str, Any]]:
    """Every refusal of the log with its reason; the log does not say what was asked for."""
    return [
        {
            "times": moments.of_record(r),
            "code": r.a,
            "reason": answer_text(r.a),
            "wait_s": r.b,
        }
        for r in records
        if r.event == Event.REFUSED
    ]
