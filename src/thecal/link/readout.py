"""What a pump tells of itself: its status, its identity, and pieces of what it holds. Nothing here changes anything."""

from __future__ import annotations

from hashlib import sha256
from struct import pack
from typing import TYPE_CHECKING

from thecal.link.catalogue import Area
from thecal.link.ledger import NO_ANSWER
from thecal.link.roles import SEAT, Role
from thecal.pump.core import codes
from thecal.pump.core.alarms import N_ALARMS
from thecal.pump.core.log import SIZE as RECORD_BYTES
from thecal.pump.core.program import RECORD_SIZE, Program

if TYPE_CHECKING:
    from thecal.link.codec import Decoded
    from thecal.link.surface import Surface
    from thecal.pump.core.controller import Controller


def packed(program: Program) -> bytes:
    """The bytes of a program, as memory holds them and as its digest covers them."""
    data = bytearray(RECORD_SIZE)
    program.pack(data)
    return bytes(data)


def bounded(seconds: int) -> int:
    """A time as answers carry it: from 0 to MAX_TIME_S, which stands for that long or longer."""
    return max(0, min(seconds, codes.MAX_TIME_S))


def status_of(surface: Surface, role: Role, *, near: bool) -> Decoded:
    """The status as ``role`` is told it."""
    c = surface.controller
    alarms = c.alarms
    seen = sum(1 << a for a in range(N_ALARMS) if alarms.on(a) and alarms.acknowledged_s[a])
    newest, answer, wait_s = newest_of(c, role)
    return {
        "uptime_s": c.t,
        "clock_s": c.clock_s(),
        "boots": c.boots,
        "loaded": c.loaded,
        "running": c.running,
        "delivering": c.allowed(),
        "bridging": c.bridging,
        "bridge_left_s": _bridge_left_s(c),
        "held": c.held > 0,
        "rate_pl_per_h": c.rate,
        "level_nl": c.level_nl,
        "strokes": c.strokes,
        "program": c.program.number,
        "digest": sha256(packed(c.program)).digest() if c.loaded else b"",
        "staged": surface.commands.staged_digest(),
        **_boluses(c),
        "stopped_s": 0 if c.running else c.stopped_at_s,
        "alarms": alarms.active,
        "acknowledged": seen,
        "newest": newest,
        "newest_answer": answer,
        "newest_wait_s": wait_s,
        "battery_percent": surface.battery_percent(),
        "log_records": c.log.count(),
        "near": near,
    }


def _boluses(c: Controller) -> Decoded:
    """The bolus that runs, and when the next one of the patient is possible."""
    p = c.program
    has = c.loaded and p.bolus_strokes > 0
    runs = c.b_kind != 0
    return {
        "bolus_kind": c.b_kind,
        "bolus_strokes": c.b_n if runs else 0,
        "bolus_given": c.b_given if runs else 0,
        "bolus_left_s": bounded(c.b_t0 + c.b_s - c.t) if runs else 0,
        "has_bolus": has,
        "lockout_left_s": c.ledger.lockout_left(p.lockout_s, c.t) if has else 0,
        "count_left_s": c.ledger.count_left(p.bolus_most, c.t) if has else 0,
    }


def _bridge_left_s(c: Controller) -> int:
    """How long the old drug lasts at the present rate, or at that of the bridge where nothing is delivered now."""
    rate = c.rate or c.program.bridge_rate_pl_per_h
    return bounded(-(-c.bridge_left // rate)) if c.bridging and rate else 0


def newest_of(c: Controller, role: Role) -> tuple[int, int, int]:
    """Number of the newest command of ``role``, its first answer (NO_ANSWER for none), and seconds left to wait."""
    if role is Role.PATIENT:
        newest = c.ledger.newest
        answer = c.ledger.first_outcome(newest) if newest else NO_ANSWER
        return newest, answer, patient_wait_s(c, answer)
    seat = SEAT.get(role)
    if seat is None or c.ledger.seat_id[seat] == 0:
        return 0, NO_ANSWER, 0
    return c.ledger.seat_id[seat], c.ledger.seat_answer[seat], seat_wait_s(c, seat)


def seat_wait_s(c: Controller, seat: int) -> int:
    """What is left of the time that the newest answer of a seat named."""
    return bounded(c.ledger.seat_at_s[seat] + c.ledger.seat_wait_s[seat] - c.t) if c.ledger.seat_wait_s[seat] else 0


def patient_wait_s(c: Controller, outcome: int) -> int:
    """What is left now of the time that stood against a request of the patient; 0 for any reason without one."""
    match outcome:
        case codes.LOCKOUT:
            return c.ledger.lockout_left(c.program.lockout_s, c.t)
        case codes.COUNT:
            return c.ledger.count_left(c.program.bolus_most, c.t) if c.program.bolus_most else 0
        case codes.BRIDGE:
            return _bridge_left_s(c)
        case codes.RUNNING:
            return bounded(c.b_t0 + c.b_s - c.t) if c.b_kind else 0
        case _:
            return 0


def identity_of(surface: Surface, software: str) -> Decoded:
    """Who the pump is, whose it is, and its accounts."""
    c = surface.controller
    alarms = c.alarms
    times = (t for a in range(N_ALARMS) for t in (alarms.issued_s[a], alarms.acknowledged_s[a], alarms.cleared_s[a]))
    return {
        "family": surface.family().encode(),
        "serial": surface.serial().encode(),
        "software": software.encode(),
        "stroke_nl": c.hw.stroke_nl,
        "reservoir_nl": c.hw.reservoir_nl,
        "residual_nl": c.hw.residual_nl,
        "tubing_nl": surface.tubing_nl(),
        "offset_s": c.offset_s,
        "replace_soon_s": bounded(c.hw.replace_soon_s),
        "end_of_service_s": bounded(c.hw.end_of_service_s),
        "patient": bytes(c.program.patient_ref),
        "order_digest": bytes(c.program.order_digest) if c.loaded else b"",
        "catheter": c.prime_state,
        "alarms": pack(f"<{3 * N_ALARMS}I", *times),
        "log_oldest": c.log.oldest(),
        "log_newest": c.log.sealed,
        "log_digest": bytes(c.log.digest),
        "totals": pack("<5I", c.strokes, c.missed, c.commanded, c.day_strokes, c.day_missed),
    }


def piece_of(surface: Surface, area: Area, at: int, most: int) -> Decoded:
    """Up to ``most`` bytes of what the pump holds, from byte ``at`` of a text or from record ``at`` of the log on."""
    c = surface.controller
    if area is Area.LOG:
        data, before = surface.log_piece(at, most // RECORD_BYTES)
        return {"data": data, "whole": c.log.sealed, "digest": before}
    text = surface.document() if area is Area.DOCUMENT else packed(c.program) if c.loaded else b""
    return {"data": text[at : at + most], "whole": len(text), "digest": sha256(text).digest() if text else b""}
