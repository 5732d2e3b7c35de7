"""A pump's status and history on the terminal: what runs, what stands in the way, what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.cli.console import line, marked, table
from thecal.cli.figures import moment_text, time_text, volume_text
from thecal.link import wording
from thecal.pump.annunciation import alarm_table
from thecal.pump.core import codes
from thecal.pump.wall_clock.clock import reading_of
from thecal.quantities import Flow
from thecal.therapy.refusal import minute_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from thecal.link.ledger import Pending
    from thecal.link.reading import Status
    from thecal.pump.annunciation import Condition

_KINDS = {codes.PATIENT: "patient bolus", codes.SINGLE: "clinician's bolus", codes.PRIME: "prime"}
_NAME = 18


def rate_text(pl_per_h: int) -> str:
    """A rate of the core as mL/day."""
    return (Flow.of(pl_per_h, "mL/h") / 1_000_000_000).text("mL/day")


def mode(status: Status) -> str:
    """What the pump does now; where it gives nothing that comes first, in capitals."""
    if not status.loaded:
        return "NO PROGRAM: the pump gives nothing."
    if not status.running:
        return f"STOPPED: the pump gives nothing, for {time_text(status.uptime_s - status.stopped_s)}."
    if not status.delivering:
        return "STOPPED BY AN ALARM: the pump gives nothing."
    return "Delivering: the old drug in the line first (bridge)." if status.bridging else "Delivering."


def show_mode(console: Console, status: Status) -> None:
    """The first line of every view of a pump."""
    line(console, mode(status), style="bold green" if status.delivering else "bold reverse red")


def show_state(console: Console, status: Status, *, mode_shown: bool = False) -> None:
    """What a pump does now, and every alarm that is active."""
    if not mode_shown:
        show_mode(console, status)
    for condition in active(status):
        marked(console, "ALARM:", alarm_text(status, condition), style="bold red")
    for name, text in state_rows(status):
        marked(console, f"{name}:".ljust(_NAME), text)


def state_rows(status: Status) -> list[tuple[str, str]]:
    """Name and text of everything that a reader wants to know first."""
    rows = [
        ("base now", rate_text(status.rate_pl_per_h)),
        *_bolus_rows(status),
        ("reservoir", f"{volume_text(status.level_nl)}, calculated"),
        ("program", f"number {status.program}, {status.digest.hex()[:8]}" if status.loaded else "none"),
    ]
    if status.staged:
        rows.append(("proposed", f"{status.staged.hex()[:8]}, not confirmed"))
    clock = reading_of(status.clock_s)
    rows.append(("pump clock", f"{clock:%a} {minute_text(clock)}"))
    rows.append(("battery", f"{status.battery_percent} %"))
    return rows


def _bolus_rows(status: Status) -> list[tuple[str, str]]:
    """What is given beside the base, and what stands against more."""
    rows = []
    if status.held:
        rows.append(("held back", "strokes that a ceiling does not admit"))
    if status.bridging:
        rows.append(("bridge", f"{wording.duration(status.bridge_left_s)} left at this rate"))
    if status.bolus_kind:
        given = f"{status.bolus_given:,} of {status.bolus_strokes:,} strokes"
        rows.append((_KINDS[status.bolus_kind], f"{given}, {wording.duration(status.bolus_left_s)} left"))
    if status.has_bolus:
        left = max(status.lockout_left_s, status.count_left_s)
        free = f"next in {wording.duration(left)}" if left else "may be asked for"
        rows.append(("patient bolus", against_bolus(status) or free))
    return rows


def against_bolus(status: Status) -> str:
    """Why no patient bolus is given whatever the time; empty where none of that stands against it."""
    if not status.delivering:
        return "none while the pump gives nothing"
    if any(condition.forbids_bolus for condition in active(status)):
        return "none while this alarm is active"
    return ""


def active(status: Status) -> list[Condition]:
    """The active alarms, critical ones first."""
    found = [c for number, c in enumerate(alarm_table().of_core) if status.alarm(number)]
    return sorted(found, key=lambda c: c.priority.sign, reverse=True)


def alarm_text(status: Status, condition: Condition) -> str:
    """An alarm by its name, with its number for acknowledge and clear."""
    seen = ", acknowledged" if status.acknowledged >> (condition.core or 0) & 1 else ""
    return f"{condition.name} ({condition.priority}, number {condition.core}{seen})"


def show_commands(console: Console, commands: Sequence[Pending], none: str) -> None:
    """Commands with their outcomes; where there is no command, ``none`` says so."""
    if not commands:
        line(console, none)
        return
    rows = [(str(p.command), str(p.role), p.path, moment_text(p.written_utc), str(p.outcome), p.said) for p in commands]
    table(console, ("number", "role", "command", "sent (UTC)", "outcome", "how it is known"), rows, numbers=(0,))
