"""What the programmer asks of a pump, one command at a time, and how each ended."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from thecal.cli.answer import Answer
from thecal.cli.asking import CORRECT, asking, ended, ended_by, of_result, pump_at
from thecal.cli.exits import Exit
from thecal.cli.held import held_order, withdrawal_of
from thecal.link.catalogue import MOST_ID
from thecal.link.talk import Arm, Result, Why
from thecal.pump.annunciation import before_stop
from thecal.pump.boluses import bolus_strokes
from thecal.pump.core.codes import DAY_S
from thecal.pump.refused import Refused
from thecal.pump.refused import Why as PumpWhy
from thecal.pump.setting import volume_of
from thecal.quantities import AmountError, Duration, Mass, Volume
from thecal.rig.wire import plain

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from thecal.cli.asking import Asked, At
    from thecal.link.interrogation import Interrogation
    from thecal.link.reading import Status


def command(given: Path | None, operation: str, serial: str, **fields: Any) -> Answer:
    """One command, and how it ended."""
    at = pump_at(given, serial)
    with asking(at.home) as link:
        result: Result = link.told(operation, serial=serial, **fields)
        if result.why is Why.NOT_READ:  # nobody has read it: this command is the whole session, and begins with that
            read = link.told("status", serial=serial, role="programmer")
            result = read if isinstance(read, Result) else link.told(operation, serial=serial, **fields)
    then = f"an alarm stops the pump all the same: thecal programmer read {serial} says which one and what to do"
    held = operation == "start" and result.status is not None and not result.status.delivering
    return of_result(result, at, then=then if held else "")


def commands(given: Path | None, operation: str, serial: str, none: str, **fields: Any) -> Answer:
    """Commands that were written down, with their outcomes; those that are not known are said by the exit code."""
    from thecal.link.ledger import Outcome

    at = pump_at(given, serial)
    with asking(at.home) as link:
        found = link.told(operation, serial=serial, **fields)
    open_ = [p for p in found if p.outcome is Outcome.NOT_KNOWN]
    next_ = _resolving(at, str(open_[0].role), operation) if open_ else ""

    def show(console: Console) -> None:
        from thecal.cli.console import marked
        from thecal.cli.pump_view import show_commands

        show_commands(console, found, none)
        if next_:
            marked(console, "Next:", next_)

    return Answer(Exit.NOT_KNOWN if open_ else Exit.GO_ON, {"commands": plain(found), "next": next_}, show)


def _resolving(at: At, role: str, operation: str) -> str:
    """What to do about a command that is not known."""
    if operation == "resolve":
        lost = f"thecal programmer give-up {at.serial} NUMBER --role {role} counts it as more drug"
        return f"{at.next_step(role)}; where the pump is lost for good: {lost}"
    return f"ask the pump: thecal programmer resolve {at.serial} --role {role}"


def give_up(given: Path | None, serial: str, number: int, role: str) -> Answer:
    """A command that can never be found out is counted as the arm with more drug."""
    at = pump_at(given, serial)
    with asking(at.home) as link:
        result: Result = link.told("give_up", serial=serial, role=role, command=number)
    if result.arm is not Arm.NOT_KNOWN:
        return of_result(result, at, role=role, then=f"thecal programmer pending {serial} shows their numbers")

    def show(console: Console) -> None:
        from thecal.cli.console import line, marked

        marked(console, "COUNTED:", f"{result.said}.", style="bold red")
        line(console, "Nobody knows whether the pump did it. Commands are sent again from now on.")

    return Answer(Exit.GO_ON, {"result": plain(result)}, show)


def status(given: Path | None, serial: str, role: str) -> Answer:
    """What a pump does now."""
    at = pump_at(given, serial)
    with asking(at.home) as link:
        found: Status | Result = link.told("status", serial=serial, role=role)
    if isinstance(found, Result):
        return of_result(found, at)

    def show(console: Console) -> None:
        from thecal.cli.console import line
        from thecal.cli.pump_view import show_state

        show_state(console, found)
        if found.alarms:
            line(console, f"What the alarms mean and what to do: thecal programmer read {serial}")

    return Answer(Exit.GO_ON, {"status": plain(found)}, show)


def stop(given: Path | None, serial: str, role: str, site: Path | None) -> Answer:
    """Stop at once; then say what stopping can do, from the order that the pump holds."""
    at = pump_at(given, serial)
    with asking(at.home) as link:
        result: Result = link.told("stop", serial=serial, role=role)
        if result.arm in {Arm.NOT_REACHED, Arm.BLOCKED}:
            return of_result(result, at, "The pump goes on as before.", role=role)
        read = link.told("interrogate", serial=serial, role=role)
    if isinstance(read, Result):
        return of_result(result, at, "What the pump holds was not read: assume that stopping is dangerous.", role=role)
    result = replace(result, status=read.status)
    risks = before_stop(withdrawal_of(read, site))
    then = "cover these drugs in another way, and watch the patient" if risks else ""
    return of_result(result, at, *risks, role=role, then=then)


def read_now(link: Asked, at: At) -> Interrogation:
    """The pump as it is read now; Ended where it was not."""
    from thecal.cli.ended import Ended

    found = link.told("interrogate", serial=at.serial)
    if isinstance(found, Result):
        raise Ended(of_result(found, at))
    read: Interrogation = found
    return read


def single(given: Path | None, serial: str, dose_text: str, over_text: str, site: Path | None) -> Answer:
    """One bolus as a dose of the primary drug, in whole strokes, rounded down."""
    at = pump_at(given, serial)
    try:
        dose, over = Mass.parse(dose_text), Duration.parse(over_text)
    except AmountError as wrong:
        raise ended_by(Exit.USAGE, wrong) from wrong
    seconds = over.ceil("s")
    if not 0 < seconds <= DAY_S:
        raise ended(Exit.USAGE, f"a bolus over {over_text}", "more than 0 s, at most 24 h", CORRECT)
    with asking(at.home) as link:
        read = read_now(link, at)
        order = held_order(read, site)
        stroke_nl = read.identity.stroke_nl
        strokes = bolus_strokes(dose, order.mixture, stroke_nl, "a single bolus")
        if isinstance(strokes, Refused):
            allowed = strokes.allowed
            if strokes.why is PumpWhy.BOLUS_UNDER_STROKE:
                allowed = f"one stroke or more: {', '.join(order.doses(volume_of(1, stroke_nl)))}"
            raise ended(Exit.PUMP_REFUSED, f"a bolus of {dose_text}", allowed, CORRECT)
        volume = volume_of(strokes, stroke_nl)
        result = link.told("single", serial=serial, strokes=strokes, seconds=seconds)
    count = f"{strokes:,} stroke{'' if strokes == 1 else 's'}"
    return of_result(result, at, f"{volume.text('mL')} in {count}: {', '.join(order.doses(volume))}")


def prime(given: Path | None, serial: str, catheter: int, text: str | None) -> Answer:
    """Tubing and catheter are filled; the dead volume is the one in the order that the pump holds."""
    if catheter > MOST_ID:
        raise ended(Exit.USAGE, f"catheter state {catheter}", f"1 to {MOST_ID}", CORRECT)
    at = pump_at(given, serial)
    with asking(at.home) as link:
        dead_nl = held_order(read_now(link, at)).dead_volume_nl
        if dead_nl is None:
            allowed, then = "an order that states tubing and catheter", "propose an order with [catheter]"
            raise ended(Exit.PUMP_REFUSED, "an order without a catheter", allowed, then)
        volume_nl = dead_nl if text is None else volume_nl_of(text)
        result = link.told("prime", serial=serial, catheter=catheter, volume_nl=volume_nl, dead_nl=dead_nl)
    from thecal.cli.figures import volume_text

    return of_result(result, at, f"{volume_text(volume_nl)}; tubing and catheter hold {volume_text(dead_nl)}")


def refill(given: Path | None, serial: str, text: str) -> Answer:
    """What the reservoir holds now."""
    return command(given, "refill", serial, level_nl=volume_nl_of(text))


def volume_nl_of(text: str) -> int:
    """A volume on the command line in nL, rounded down; Ended where it is none."""
    try:
        return Volume.parse(text).floor("nL")
    except AmountError as wrong:
        raise ended_by(Exit.USAGE, wrong) from wrong


def paired(given: Path | None) -> Answer:
    """Pumps and roles with a key."""
    from thecal.cli.asking import home_at

    with asking(home_at(given)) as link:
        body = link.plain("paired")

    def show(console: Console) -> None:
        from thecal.cli.console import line, table

        rows = [(row["serial"], row["role"]) for row in body["paired"]]
        if rows:
            table(console, ("serial", "role"), rows)
        else:
            line(console, "Nobody is paired. Next: thecal pump pair SERIAL programmer")

    return Answer(Exit.GO_ON, body, show)
