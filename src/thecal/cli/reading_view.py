"""A reading of a pump on the terminal: stopped or not, alarms and doubts with what to do, then the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thecal.cli.console import heading, line, marked, table
from thecal.cli.figures import for_people, moment_text, time_text, volume_text
from thecal.cli.held import known
from thecal.cli.pump_view import show_mode, state_rows
from thecal.formulary import load
from thecal.pump.core.codes import DAY_S
from thecal.quantities import Concentration

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from thecal.link.interrogation import Interrogation

SHOWN_RECORDS = 12
_NAME = 18


def show_reading(
    console: Console, read: Interrogation, document: dict[str, Any], out: Path | None, site: Path | None
) -> None:
    """Everything that a reader wants to know, the most urgent first."""
    show_mode(console, read.status)
    _doubts(console, document)
    _alarms(console, document)
    heading(console, f"Pump {read.identity.serial}, {read.identity.family}")
    marked(console, "patient:".ljust(_NAME), _patient(document))
    for name, text in state_rows(read.status):
        marked(console, f"{name}:".ljust(_NAME), text)
    wall = (document["clock"] or {}).get("wall")
    if wall is not None:
        marked(console, "on the wall:".ljust(_NAME), _wall(wall))
    _order(console, document, site)
    _account(console, read)
    _records(console, document)
    if out is not None:
        line(console, f"The whole reading is in {out}.")


def _wall(wall: dict[str, Any]) -> str:
    differs_s = int(wall["differs_s"])
    if abs(differs_s) > DAY_S:
        ahead = "ahead of" if differs_s > 0 else "behind"
        return f"{time_text(abs(differs_s))} {ahead} the pump clock ({wall['zone']})"
    return f"{wall['text']} ({wall['zone']})"


def _doubts(console: Console, document: dict[str, Any]) -> None:
    """What makes a reading less than whole: it comes before everything that rests on it."""
    chain = (document["log"] or {"chain": {"standing": "not read", "text": ""}})["chain"]
    if chain["standing"] == "broken":
        marked(console, "LOG:", chain["text"], style="bold red")
    for pending in document["pending"]:
        what = f"{pending['path']}, command {pending['command']} of the {pending['role']}"
        said = f"whether the pump did it: {what}, sent {moment_text(pending['written_utc'])} UTC"
        marked(console, "NOT KNOWN:", said, style="bold red")
    for part in document["reading"]["not_read"]:
        marked(console, "NOT READ:", f"{part['part']}: {part['why']}", style="bold magenta")


def _alarms(console: Console, document: dict[str, Any]) -> None:
    """Every active alarm and every finding, each with what a clinician is told."""
    rows = (document["alarms"] or {"rows": []})["rows"]
    for row in [r for r in rows if r["active"]]:
        since = "" if row["issued"] is None else f", since {_moment(row['issued'])}"
        seen = "" if row["acknowledged"] is None else ", acknowledged"
        _condition(console, row, "ALARM:", f"{row['priority']}, number {row['core']}{since}{seen}")
    for row in document["findings"]:
        count = f", {row['count']:,} in all" if row["count"] > 1 else ""
        _condition(console, row, "FOUND:", f"{row['priority']}{count}")


def _condition(console: Console, row: dict[str, Any], mark: str, more: str) -> None:
    style = "bold red" if row["priority"] == "critical" else "bold magenta"
    marked(console, mark, f"{row['name']} ({more})", style=style)
    said = row["clinician"]
    if row["priority"] != "critical" and mark == "FOUND:":
        marked(console, "do:".ljust(7), said["act"], indent=2)
        return
    for name, text in (("what:", said["what"]), ("pump:", said["pump"])):
        if text:
            marked(console, name.ljust(7), text, indent=2)
    for risk in said["risk"]:
        marked(console, "RISK:  ", risk, indent=2, style="bold red")
    for name, text in (("check:", said["check"]), ("do:", said["act"]), ("ends:", said["clears"])):
        marked(console, name.ljust(7), text, indent=2)


def _moment(times: dict[str, Any]) -> str:
    clock = times["pump_clock"]
    return "a time that is not known" if clock is None else f"{moment_text(clock)} by the pump clock"


def _patient(document: dict[str, Any]) -> str:
    order = document["order"]
    if order is None:
        return "none: the pump holds no order" if document["program"] is None else "not known: no order was read"
    content = order["content"]
    return str(content["patient"]) if content else "not known: the order in the pump cannot be read"


def _order(console: Console, document: dict[str, Any], site: Path | None) -> None:
    content = (document["order"] or {}).get("content")
    if not content:
        return
    formulary = load(site)
    heading(console, "Running program, as its order says it")
    parts = []
    for part in content["mixture"]:
        drug, strength = known(formulary, part["drug"]), Concentration.parse(part["concentration"])
        parts.append(f"{drug.display_name} {strength.text(drug.conc_unit)}" if drug else " ".join(part.values()))
    line(console, f"Mixture: {', '.join(parts)}.")
    for text in content["sentence"]:
        line(console, text)


def _account(console: Console, read: Interrogation) -> None:
    who = read.identity
    given = volume_text(who.totals.confirmed * who.stroke_nl)
    heading(console, "Account since the pump was made")
    line(console, f"{given} in {who.totals.confirmed:,} confirmed strokes; {who.totals.missed:,} missed.")


def _records(console: Console, document: dict[str, Any]) -> None:
    log = document["log"]
    if log is None or not log["records"]:
        return
    found = log["records"]
    shown = found[-SHOWN_RECORDS:]
    newest = f"; the newest {len(shown)} of {len(found):,}:" if len(shown) < len(found) else ""
    heading(console, f"Log: {log['chain']['text']}{newest}")
    rows = [(moment_text(r["times"]["pump_clock"]), for_people(r["text"])) for r in shown]
    table(console, ("pump clock", "what happened"), rows)
