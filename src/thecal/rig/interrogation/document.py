"""The interrogation document put together from its sections."""

from __future__ import annotations

import json
from hashlib import sha256
from importlib.resources import files
from struct import unpack
from typing import TYPE_CHECKING, Any, TypeVar

from thecal.link.ledger import NO_ANSWER
from thecal.link.log_reading import KINDS, LogReading, read_log
from thecal.pump.core.codes import MAX_TIME_S
from thecal.pump.document import OrderDocument, UnreadableDocument
from thecal.pump.setting import volume_of
from thecal.pump.wall_clock import PumpClock, compare, drift, offset_text
from thecal.pump.wall_clock.clock import utc_of
from thecal.quantities import Volume
from thecal.rig.interrogation.alarms import UNKNOWN_DRUGS, alarms_json, facts_of, findings_json, states_read
from thecal.rig.interrogation.history import answer_text, boluses_json, log_json, refusals_json
from thecal.rig.interrogation.moments import Moments, later_json, utc_text
from thecal.rig.interrogation.program import chosen, program_json, rate_json, unpacked
from thecal.rig.interrogation.reading import Part

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from thecal.link.ledger import Pending
    from thecal.pump.annunciation import AlarmState
    from thecal.pump.core.program import Program
    from thecal.rig.interrogation.program import Drugs
    from thecal.rig.interrogation.reading import Reading

LAYOUT = 1
SCHEMA_FILE = "interrogation.schema.json"
TOTALS_BYTES = 20
"""Of the five totals of an identity."""

T = TypeVar("T")


def interrogation_schema() -> dict[str, Any]:
    """The published JSON schema (2020-12) of the document."""
    found: dict[str, Any] = json.loads(files("thecal.rig").joinpath(SCHEMA_FILE).read_text("utf-8"))
    return found


def interrogation_document(reading: Reading) -> dict[str, Any]:
    """The document of one reading: plain data for JSON, the same for the same reading."""
    found = _Found(reading)
    return {
        "kind": "interrogation",
        "layout": LAYOUT,
        "simulated": True,
        "reading": {
            "utc": utc_text(utc_of(reading.read_utc_s)),
            "times": found.moments.now() if found.moments else None,
            "near_field": None if found.status is None else found.status["near"],
            "first": reading.first,
            "software": reading.software,
            "formulary": reading.formulary,
            "not_read": found.not_read,
        },
        "clock": found.clock(),
        "pump": None if found.identity is None else pump_json(found.identity),
        "state": found.state(),
        "program": found.program_section(),
        "order": found.order_section(),
        "delivery": found.delivery(),
        "battery": found.battery(),
        "alarms": found.alarms(),
        "findings": found.findings(),
        **found.history(),
        "pending": [pending_json(p) for p in reading.pending],
    }


class _Found:
    """What several sections need of one reading; notes what could not be read."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.not_read: list[dict[str, str]] = []
        self.status = self._read(Part.STATUS, reading.status)
        self.identity = self._read(Part.IDENTITY, reading.identity)
        self.packed = self._read(Part.PROGRAM, reading.program)
        self.held = self._read(Part.DOCUMENT, reading.document)
        self._read(Part.LOG, reading.log)
        self.program = self._program()
        self.bound = self.program is not None and _digest(self.held) == bytes(self.program.order_digest)
        self.order = self._order()
        self.log = self._log()
        self.moments = self._moments()
        self.states = self._states()
        self.drugs = UNKNOWN_DRUGS if reading.withdrawal is None else tuple(reading.withdrawal)

    def _read(self, part: Part, found: T | None) -> T | None:
        if found is None:
            self._note(part, self.reading.unread.get(part, "nobody asked for it"))
        return found

    def _note(self, part: Part, why: str) -> None:
        self.not_read.append({"part": str(part), "why": why})

    def _program(self) -> Program | None:
        if not self.packed:
            return None  # a pump without a program holds no bytes of one
        program = unpacked(self.packed)
        if program is None:
            self._note(Part.PROGRAM, f"its {len(self.packed):,} bytes are damaged, or no program that a pump runs")
        return program

    def _order(self) -> OrderDocument | None:
        """The order document, where it can be read and belongs to the running program."""
        if not self.held:
            return None
        if not self.bound:
            self._note(Part.DOCUMENT, "it is not the one that the running program names: nothing is taken from it")
            return None
        try:
            return OrderDocument.decode(self.held)
        except UnreadableDocument as wrong:
            self._note(Part.DOCUMENT, str(wrong))
            return None

    def _log(self) -> LogReading | None:
        pieces = self.reading.log
        if pieces is None:
            return None
        if self.identity is None or self.status is None:
            self._note(Part.LOG, "without status and identity neither its times nor its end are known")
            return None
        if isinstance(pieces, LogReading):
            return pieces
        return read_log(
            pieces,
            self.identity["log_digest"],
            self.identity["log_newest"],
            wanted=self.reading.log_from,
            known=self.reading.known,
        )

    def _moments(self) -> Moments | None:
        if self.status is None:
            return None
        return Moments(
            read_at_s=self.status["uptime_s"],
            read_utc_s=self.reading.read_utc_s,
            offset_s=self.status["clock_s"] - self.status["uptime_s"],
            beliefs=self.reading.beliefs,
            records=() if self.log is None else self.log.records,
            newest=None if self.log is None or self.identity is None else self.identity["log_newest"],
        )

    def _states(self) -> tuple[AlarmState, ...] | None:
        if self.status is None:
            return None
        times = None if self.identity is None else self.identity["alarms"]
        states = states_read(self.status["alarms"], times)
        if states is None:
            self._note(Part.IDENTITY, f"times of alarms: {len(times or b''):,} bytes are not those of this software")
            return states_read(self.status["alarms"], None)
        return states

    @property
    def channel_drugs(self) -> Drugs:
        """The drug of each channel, by the order document."""
        return () if self.order is None else tuple(c.drug if c else None for c in self.order.channels)

    # Sections

    def clock(self) -> dict[str, Any] | None:
        """The pump clock against the offset believed and the clock on the wall."""
        if self.status is None:
            return None
        uptime_s, utc_s = self.status["uptime_s"], self.reading.read_utc_s
        clock = PumpClock(uptime_s, self.status["clock_s"] - uptime_s, self._believed(uptime_s))
        off = drift(clock, utc_s)
        return {
            "offset_s": clock.offset_s,
            "believed_offset": None if clock.utc_offset_s is None else offset_text(clock.utc_offset_s),
            "drift_s": None if off is None else off.seconds,
            "drift": None if off is None else off.text,
            "wall": None if self.reading.zone is None else _wall(clock, utc_s, self.reading.zone),
        }

    def _believed(self, uptime_s: int) -> int | None:
        known = [b for b in self.reading.beliefs if b.since_s <= uptime_s]
        return max(known, key=lambda b: b.since_s).utc_offset_s if known else None

    def state(self) -> dict[str, Any] | None:
        """What the pump does at the reading."""
        s = self.status
        if s is None or self.moments is None:
            return None
        stopped = s["loaded"] and not s["running"]
        return {
            "loaded": s["loaded"],
            "running": s["running"],
            "delivering": s["delivering"],
            "held": s["held"],
            "bridge_left_s": s["bridge_left_s"] if s["bridging"] else None,
            "stopped": self.moments.at(s["stopped_s"]) if stopped else None,
            "starts": s["boots"],
            "rate": rate_json(self.program, s["rate_pl_per_h"], self.channel_drugs),
            "level": Volume.of(s["level_nl"], "nL").as_json("mL"),
            "program": s["program"] if s["loaded"] else None,
            "digest": s["digest"].hex() or None,
            "proposed": s["staged"].hex() or None,
            "bolus": _running_bolus(s),
            "next_bolus": {"lockout_left_s": s["lockout_left_s"], "count_left_s": s["count_left_s"]}
            if s["has_bolus"]
            else None,
            "newest_command": _newest(s),
        }

    def program_section(self) -> dict[str, Any] | None:
        """The running program in integers, and in the words of its order."""
        if self.program is None or not self.packed:
            return None
        words = None if self.order is None else self.order.sentence
        return program_json(self.program, self.packed, self.channel_drugs, words)

    def order_section(self) -> dict[str, Any] | None:
        """The order document beside the program."""
        if not self.held:
            return None
        return {
            "digest": _digest(self.held).hex(),
            "bound": self.bound,
            "content": None if self.order is None else self.order.model_dump(mode="json"),
        }

    def delivery(self) -> dict[str, Any] | None:
        """What was delivered since the beginning, by counted strokes."""
        if self.identity is None:
            return None
        totals = self.identity["totals"]
        if len(totals) != TOTALS_BYTES:
            self._note(Part.IDENTITY, f"accounts: {len(totals):,} bytes are not those of this software")
            return None
        stroke_nl = self.identity["stroke_nl"]
        names = ("confirmed", "missed", "commanded", "confirmed_today", "missed_today")
        return {
            name: {"strokes": n, "volume": volume_of(n, stroke_nl).as_json("mL")}
            for name, n in zip(names, unpack("<5I", totals), strict=True)
        }

    def battery(self) -> dict[str, Any] | None:
        """The battery, and the dates of the pump where it has them."""
        if self.status is None:
            return None
        read = (self.status["uptime_s"], self.reading.read_utc_s)

        def date(name: str) -> dict[str, Any] | None:
            at = None if self.identity is None else self.identity[name]
            return None if at is None or at >= MAX_TIME_S else later_json(at, *read)

        return {
            "percent": self.status["battery_percent"],
            "replacement": date("replace_soon_s"),
            "end_of_service": date("end_of_service_s"),
        }

    def alarms(self) -> dict[str, Any] | None:
        """Alarms with their three times and texts."""
        if self.states is None:
            return None
        return alarms_json(self.states, chosen(self.program), self.drugs, self.moments)

    def findings(self) -> list[dict[str, Any]]:
        """What the reading finds beside them."""
        clock = self.clock()
        drift_s = None if clock is None else clock["drift_s"]
        wall_s = None if clock is None or clock["wall"] is None else clock["wall"]["differs_s"]
        facts = facts_of(self.status, self.log, wall_s or drift_s, first=self.reading.first)
        return findings_json(self.log, facts, chosen(self.program), self.drugs, self.moments)

    def history(self) -> dict[str, Any]:
        """The log, and what it tells of boluses and refusals; null where it was not read."""
        if self.log is None or self.moments is None or self.identity is None:
            return {"boluses": None, "refusals": None, "log": None}
        records = self.log.records
        return {
            "boluses": boluses_json(records, self.moments, self.identity["stroke_nl"]),
            "refusals": refusals_json(records, self.moments),
            "log": log_json(self.log, self.moments, self.identity["log_oldest"], self.identity["log_newest"]),
        }


def _digest(held: bytes | None) -> bytes:
    return sha256(held).digest() if held else b""


def _wall(clock: PumpClock, utc_s: int, zone: ZoneInfo) -> dict[str, Any]:
    found = compare(clock, utc_s, zone)
    return {
        "zone": found.zone,
        "differs_s": found.seconds,
        "text": found.text(),
        "next_change": None if found.change is None else found.change.text,
    }


def _running_bolus(status: Mapping[str, Any]) -> dict[str, Any] | None:
    if not status["bolus_kind"]:
        return None
    return {
        "kind": KINDS.get(status["bolus_kind"], "other"),
        "strokes": status["bolus_strokes"],
        "given_strokes": status["bolus_given"],
        "left_s": status["bolus_left_s"],
    }


def _newest(status: Mapping[str, Any]) -> dict[str, Any] | None:
    """The newest command of the one who read; its number may be too large for a number of JSON."""
    if status["newest_answer"] == NO_ANSWER:
        return None
    return {
        "number": str(status["newest"]),
        "answer": answer_text(status["newest_answer"]),
        "wait_s": status["newest_wait_s"],
    }


def pump_json(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Who the pump is, and whose."""

    def volume(name: str, unit: str) -> dict[str, str]:
        return Volume.of(identity[name], "nL").as_json(unit)

    return {
        "family": identity["family"].decode("utf-8", "replace"),
        "serial": identity["serial"].decode("utf-8", "replace"),
        "software": identity["software"].decode("utf-8", "replace"),
        "patient": identity["patient"].hex(),
        "order_digest": identity["order_digest"].hex() or None,
        "catheter": str(identity["catheter"]) if identity["catheter"] else None,
        "stroke": volume("stroke_nl", "nL"),
        "reservoir": volume("reservoir_nl", "mL"),
        "residual": volume("residual_nl", "mL"),
        "tubing": volume("tubing_nl", "mL"),
    }


def pending_json(pending: Pending) -> dict[str, Any]:
    """A command as its sender wrote it down before it was sent."""
    return {
        "command": str(pending.command),
        "role": str(pending.role),
        "path": pending.path,
        "fields": {name: v.hex() if isinstance(v, bytes) else str(v) for name, v in pending.fields.items()},
        "written_utc": pending.written_utc,
        "outcome": str(pending.outcome),
        "answer": None if pending.answer == NO_ANSWER else answer_text(pending.answer),
        "wait_s": pending.wait_s,
        "said": pending.said or None,
        "resolved_utc": pending.resolved_utc or None,
    }
