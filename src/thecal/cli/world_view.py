"""The virtual world on the terminal: which pumps run, what fails in them, what is true of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thecal.cli.console import heading, line, marked, table
from thecal.cli.figures import time_text, volume_text
from thecal.pump.annunciation import alarm_table
from thecal.pump.core.codes import MAX_TIME_S

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    Row = Mapping[str, Any]


def show_pumps(console: Console, rows: Sequence[Row], *, rig: bool) -> None:
    """Every pump of a home: whether a rig runs it, whether it has power, who is near."""
    if not rows:
        line(console, "No pump here. Next: thecal pump new T-0001 --family bench-20")
        return
    cells = [(r["serial"], r.get("family") or "not known", _runs(r), _near(r)) for r in rows]
    table(console, ("serial", "family", "state", "near field"), cells)
    if not rig:
        line(console, "No rig runs. Next: thecal pump run")


def _runs(row: Row) -> str:
    if not row["runs"]:
        return "NO RIG RUNS IT"
    return f"FAILED: {row['failed']}" if row["failed"] else "has power" if row["powered"] else "NO POWER"


def _near(row: Row) -> str:
    left = row.get("near_left_s", 0)
    return f"open for {time_text(left)}" if left else "closed"


_FLUID = (
    ("filled in", "filled_nl"),
    ("in the reservoir", "reservoir_nl"),
    ("went into the catheter", "delivered_nl"),
    ("leaked into the pocket", "pocket_nl"),
    ("taken up by blocked tubing", "tubing_nl"),
    ("drawn out by people", "drawn_nl"),
)


def show_truth(console: Console, serial: str, found: Row) -> None:
    """What is true beside what the pump believes; a pump without power believes nothing."""
    believed = found["believed"]
    line(console, _state(serial, found), style="bold" if believed and believed["running"] else "bold reverse red")
    heading(console, f"True of pump {serial}, {time_text(found['true_s'])} since this world began")
    rows = [(name, volume_text(found[key]), _belief(key, believed)) for name, key in _FLUID]
    rows.append(("strokes of the rotor", f"{sum(found['strokes'].values()):,}", _count(believed, "strokes")))
    rows += [(f"  {kind}", f"{n:,}", "") for kind, n in found["strokes"].items() if n]
    rows.append(("strokes missed", "", _count(believed, "missed")))
    rows.append(("time that passed", time_text(found["true_s"]), _uptime(believed)))
    table(console, ("what", "true", "the pump believes"), rows, numbers=(1, 2))
    for name, key in (("strokes that moved nothing", "lost_strokes"),):
        if found[key]:
            marked(console, f"{name}:", f"{found[key]:,}")
    for name, key in (("held back by a shut way", "stayed_nl"), ("not moved: nothing was left", "dry_nl")):
        if found[key]:
            marked(console, f"{name}:", volume_text(found[key]))
    if found["valve_shut"]:
        marked(console, "!", "The valve is shut, and the pump cannot feel it.", style="bold red")


def _state(serial: str, found: Row) -> str:
    believed = found["believed"]
    if not found["powered"] or believed is None:
        return f"Pump {serial} has NO POWER."
    names = [c.name for number, c in enumerate(alarm_table().of_core) if believed["alarms"] >> number & 1]
    alarms = f" Alarms: {', '.join(names)}." if names else ""
    return f"Pump {serial} is started.{alarms}" if believed["running"] else f"Pump {serial} is STOPPED.{alarms}"


def _belief(key: str, believed: Row | None) -> str:
    return volume_text(believed["level_nl"]) if believed and key == "reservoir_nl" else ""


def _count(believed: Row | None, key: str) -> str:
    return f"{believed[key]:,}" if believed else ""


def _uptime(believed: Row | None) -> str:
    return f"{time_text(believed['uptime_s'])} of uptime" if believed else ""


_FIELDS = {"near": "near field", "far": "far field"}
_GENUINE = ("answered", "repeated")


def show_heard(console: Console, serial: str, heard: Mapping[str, Mapping[str, int]]) -> None:
    """Frames by field and by what became of them; those that were refused come first."""
    refused = sum(n for field in heard.values() for met, n in field.items() if met not in _GENUINE)
    if refused:
        text = "1 frame. It changed nothing." if refused == 1 else f"{refused:,} frames. They changed nothing."
        marked(console, "REFUSED:", text, style="bold red")
    cells = [
        (_FIELDS.get(field, field), met.replace("asleep", "slept through: too many in this hour"), f"{n:,}")
        for field, found in heard.items()
        for met, n in sorted(found.items(), key=lambda pair: pair[0] in _GENUINE)
        if n
    ]
    if cells:
        heading(console, f"Frames that pump {serial} has heard since its radio came on")
        table(console, ("radio", "what became of them", "frames"), cells, numbers=(2,))
    else:
        line(console, f"The radio of pump {serial} has heard nothing since it came on.")


def show_tones(console: Console, serial: str, tones: Sequence[Row]) -> None:
    """What a pump sounded since it started, with the pump's own time."""
    if not tones:
        line(console, f"Pump {serial} has sounded nothing since it started.")
        return
    rows = [(f"{t['number']:,}", time_text(t["uptime_s"]), _tone(t), time_text(t["lasts_s"])) for t in tones]
    heading(console, f"Tones of pump {serial} since it started")
    table(console, ("number", "at uptime", "tone", "lasts"), rows, numbers=(0, 1, 3))


def _tone(tone: Row) -> str:
    return ("critical" if tone["critical"] else "non-critical") + (", a test" if tone["test"] else "")


def show_faults(console: Console, serial: str, faults: Sequence[Row], now_s: int) -> None:
    """The faults of a pump that are there or still to come."""
    if not faults:
        line(console, f"Nothing fails in pump {serial}, and nothing is planned to.")
    for fault in faults:
        marked(console, "-", fault_text(fault, now_s))


def fault_text(fault: Row, now_s: int) -> str:
    """One fault with its time, seen from ``now_s``."""
    kind, from_s, until_s = fault["kind"], fault["from_s"], fault["until_s"]
    begins = "from now on" if from_s <= now_s + 1 else f"in {time_text(from_s - now_s)}"
    amount = f", amount {fault['amount']:,}" if fault["amount"] else ""
    if until_s == from_s:
        return f"{kind}, {'now' if from_s <= now_s + 1 else begins}{amount}"
    if until_s > MAX_TIME_S:
        return f"{kind}, {begins}, until it is healed{amount}"
    lasts = f"for {time_text(until_s - max(from_s, now_s + 1))}" if until_s > now_s + 1 else "over with the next second"
    return f"{kind}, {begins}, {lasts}{amount}"


def show_kinds(console: Console, rows: Sequence[Row]) -> None:
    """Every kind of fault, what its amount means, and what it does."""
    cells = [(r["kind"], _amount(r), r["response"]) for r in rows]
    table(console, ("kind", "--amount", "what happens"), cells)


def _amount(row: Row) -> str:
    if row["least"] == row["most"] == 0:
        return "none"
    return f"{row['amount']} ({row['least']:,} to {row['most']:,})"
