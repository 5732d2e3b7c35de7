"""When a program that was just confirmed brings its fluid to the tip, and the watch that begins then.

This is written in the same transaction as the confirmation, so that no process that dies in between leaves somebody
unwatched.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from thecal.clinic import watching
from thecal.clinic.programming.order_text import pump_envelope
from thecal.clinic.record.tables import Interrogation
from thecal.clinic.workflow import Step, Workflow
from thecal.pump.wall_clock import PumpClock
from thecal.therapy.bridge import front_arrives, plan_bridge
from thecal.therapy.file_problems import FileRefused
from thecal.therapy.files import parse_order
from thecal.therapy.line import dead_volume
from thecal.therapy.pattern import pattern_of
from thecal.therapy.refusal import Refusal
from thecal.therapy.restart import Line

if TYPE_CHECKING:
    from datetime import datetime

    from thecal.clinic.record import Record
    from thecal.clinic.record.tables import ProgramRun, Watch
    from thecal.clinic.record.tables import Session as SessionRow
    from thecal.therapy.order import Order


def watch_arrival(record: Record, session: SessionRow, run: ProgramRun) -> Watch | None:
    """Begin the watch of a refill with another fluid, or of a restart, at the arrival at the tip; None for other
    sessions.
    """
    if session.workflow not in (Workflow.REFILL_NEW, Workflow.RESTART):
        return None
    why = "restart" if session.workflow == Workflow.RESTART else "new drug"
    after_s = arrival_after_s(record, session, run)
    return watching.begin(record, session, why, run.confirmed_utc_s + (after_s or 0))


def arrival_after_s(record: Record, session: SessionRow, run: ProgramRun) -> int | None:
    """Seconds from the confirmation until the new fluid is at the tip, by plug flow, rounded down; None where not
    known.
    """
    try:
        order = parse_order(run.order_text, "the confirmed order", drugs=str.lower, pumps=pump_envelope).order
    except FileRefused:
        return None
    if (
        session.workflow == Workflow.RESTART
        and (session.entered.get(Step.TIMELINE.value) or {}).get("line") == Line.DRUG
    ):
        return 0
    bridge = order.program.bridge
    if bridge is not None and order.previous is not None:
        made = plan_bridge(bridge.volume, order.previous.mixture, bridge.dose)
        return None if isinstance(made, Refusal) else made.duration.floor("s")
    return _by_schedule(record, session, run, order)


def _by_schedule(record: Record, session: SessionRow, run: ProgramRun, order: Order) -> int | None:
    read = None if session.reading_id is None else record.get(Interrogation, session.reading_id)
    pattern = pattern_of(order.program.base, order.mixture, order.pump.minimum_rate)
    if read is None or order.catheter is None or isinstance(pattern, Refusal):
        return None
    dead = dead_volume(order.pump.tubing, order.catheter.volume)
    found = front_arrives(pattern, order.mixture, dead, _pump_time(read, run.confirmed_utc_s))
    return None if isinstance(found, Refusal) else found.after.floor("s")


def _pump_time(read: Interrogation, utc_s: int) -> datetime:
    return PumpClock(read.pump_clock_s, 0, None).reading + timedelta(seconds=utc_s - read.read_utc_s)
