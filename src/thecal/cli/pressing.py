"""What the patient's controller asks of a pump, in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.cli.answer import Answer
from thecal.cli.asking import asking, of_result, pump_at
from thecal.cli.exits import Exit
from thecal.link import wording
from thecal.link.patient import Bolus
from thecal.link.talk import Result
from thecal.pump.annunciation import for_patient
from thecal.pump.core import codes
from thecal.rig.wire import plain
from thecal.therapy.program import FaultClass, Response

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from thecal.cli.asking import At
    from thecal.link.patient import BolusAnswer
    from thecal.link.reading import Status

_EXITS = {
    Bolus.GRANTED: Exit.GO_ON,
    Bolus.DELIVERING: Exit.GO_ON,
    Bolus.DUPLICATE: Exit.GO_ON,
    Bolus.REFUSED: Exit.PUMP_REFUSED,
    Bolus.STOPPED: Exit.PUMP_REFUSED,
}

_CALL = "If it stays so, call your clinic."


def bolus(given: Path | None, serial: str) -> Answer:
    """One press, one answer."""
    with asking(pump_at(given, serial).home) as link:
        pressed: BolusAnswer = link.told("bolus", serial=serial)
    exit_ = _EXITS.get(pressed.answer, Exit.NOT_KNOWN if pressed.pending else Exit.NOT_REACHED)

    def show(console: Console) -> None:
        from thecal.cli.console import line, marked

        good = exit_ is Exit.GO_ON
        marked(console, f"{pressed.answer.upper()}:", pressed.said, style="bold green" if good else "bold red")
        if exit_ in {Exit.NOT_REACHED, Exit.NOT_KNOWN}:
            line(console, _CALL)

    return Answer(exit_, {"answer": plain(pressed)}, show)


def status(given: Path | None, serial: str) -> Answer:
    """Whether a bolus can be asked for, and what the alarms mean for a patient."""
    at = pump_at(given, serial)
    with asking(at.home) as link:
        found: Status | Result = link.told("status", serial=serial, role="patient")
    if isinstance(found, Result):
        return _silent(found, at)
    return Answer(Exit.GO_ON, {"status": plain(found)}, lambda console: _show(console, found))


def _silent(result: Result, at: At) -> Answer:
    """The pump did not answer; in the words of the one who holds the controller."""
    body = of_result(result, at, role="patient").body

    def show(console: Console) -> None:
        from thecal.cli.console import line

        line(console, "YOUR PUMP COULD NOT BE REACHED. Nothing was changed.", style="bold red")
        line(console, "Hold the controller closer and look again.")
        line(console, _CALL)

    return Answer(Exit.NOT_REACHED, body, show)


def _show(console: Console, found: Status) -> None:
    from thecal.cli.console import line, marked
    from thecal.cli.figures import volume_text
    from thecal.cli.pump_view import active, against_bolus

    line(console, _now(found), style="bold green" if found.delivering else "bold reverse red")
    # What the program chose is not the patient's to read; what the pump does because of it is in its status.
    chosen = dict.fromkeys(FaultClass, Response.CONTINUE if found.delivering else Response.STOP)
    for condition in active(found):
        for text in for_patient(condition, chosen).lines:
            marked(console, "!", text, style="bold red")
    if found.has_bolus and found.delivering:
        left = max(found.lockout_left_s, found.count_left_s)
        free = f"Next extra dose: in {wording.duration(left)}." if left else "You can ask for an extra dose now."
        line(console, "No extra dose is possible now." if against_bolus(found) else free)
    line(console, f"Medicine left, as counted: {volume_text(found.level_nl)}. Battery: {found.battery_percent} %.")


def _now(found: Status) -> str:
    if not found.loaded:
        return "YOUR PUMP HAS NO PROGRAM. It gives nothing. Call your clinic."
    if not found.running:
        return "YOUR PUMP IS STOPPED. It gives nothing. Call your clinic."
    if not found.delivering:
        return "YOUR PUMP HAS STOPPED BECAUSE OF AN ALARM. It gives nothing. Call your clinic."
    return "Your pump is giving an extra dose." if found.bolus_kind == codes.PATIENT else "Your pump is working."
