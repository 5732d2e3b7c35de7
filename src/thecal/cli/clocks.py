"""``thecal programmer clock``: pump clock against the clock on the wall, and what setting it means in dose."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from thecal.cli.answer import Answer
from thecal.cli.asking import asking, ended, ended_by, of_result, pump_at
from thecal.cli.exits import Exit
from thecal.cli.interrogating import zone_named
from thecal.cli.programming import read_now
from thecal.cli.references import pump_envelope, references
from thecal.pump.core.codes import DAY_S, WEEK_S
from thecal.pump.document import OrderDocument, UnreadableDocument
from thecal.pump.wall_clock import ClockTask, Kind, NoClock, PumpClock, clock_task, compare
from thecal.pump.wall_clock.zone import zone_offset
from thecal.quantities import Concentration, DoseRate
from thecal.rig.clock import WorldClock
from thecal.therapy.files import parse_order
from thecal.therapy.mixture import Ingredient, Mixture
from thecal.therapy.pattern import Pattern, Piece, pattern_of
from thecal.therapy.refusal import minute_text

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from thecal.cli.asking import At
    from thecal.cli.references import References
    from thecal.link.interrogation import Interrogation
    from thecal.pump.wall_clock import Choice
    from thecal.therapy.order import Order

_NO_PATTERN = Pattern(DAY_S, (Piece(Fraction(0), DoseRate.zero()),))
_NO_MIXTURE = Mixture((Ingredient("none", Concentration.of(1, "mg/mL")),))


def clock(given: Path | None, serial: str, zone_name: str, site: Path | None, *, to_set: bool) -> Answer:
    """Compare; where ``to_set``, bring the pump clock to the wall."""
    at, zone, known = pump_at(given, serial), zone_named(zone_name), references(site)
    with asking(at.home) as link:
        read = read_now(link, at)
        utc_s = WorldClock(at.home.world).utc_s()
        offset_s = zone_offset(zone, utc_s)
        here = PumpClock(read.status.uptime_s, read.identity.offset_s, offset_s)
        order = _order(read, known)
        task = _task(here, utc_s, offset_s, order)
        if not to_set:
            return _compared(at, compare(here, utc_s, zone).text(), task, known, programmed=order is not None)
        now = task.choice(Kind.NOW)
        result = link.told("clock", serial=serial, offset_s=now.offset_s)
        return of_result(result, at, *_lines(now, known, programmed=order is not None))


def _order(read: Interrogation, known: References) -> Order | None:
    """The order that the pump holds, from its document; None for a pump without one."""
    if not read.document:
        return None
    try:
        document = OrderDocument.decode(read.document)
    except UnreadableDocument as wrong:
        raise ended_by(Exit.PUMP_REFUSED, wrong, "call the service; the pump goes on as before") from wrong
    return parse_order(document.order, "the order in the pump", drugs=known.drug_code, pumps=pump_envelope).order


def _task(here: PumpClock, utc_s: int, offset_s: int, order: Order | None) -> ClockTask:
    """The choices; a pump without a program gives no dose by its clock, whatever it shows."""
    if order is None:
        task = clock_task(here, utc_s, offset_s, _NO_PATTERN, _NO_MIXTURE)
    else:
        pattern = pattern_of(order.program.base, order.mixture, order.pump.minimum_rate)
        if not isinstance(pattern, Pattern):
            allowed, then = "an order with a base", "propose another program"
            raise ended(Exit.PUMP_REFUSED, "an order without a pattern in time", allowed, then)
        task = clock_task(here, utc_s, offset_s, pattern, order.mixture)
    if isinstance(task, NoClock):
        raise ended(Exit.PUMP_REFUSED, task.found, task.allowed, task.then)
    if order is None:
        choices = (replace(c, skipped={}, repeated={}, next_24h={}) for c in task.choices)
        return replace(task, choices=tuple(choices))
    return task


def _lines(choice: Choice, known: References, *, programmed: bool) -> tuple[str, ...]:
    """A choice in sentences; over more than a week no sum of doses says anything to anybody."""
    first, *doses = choice.lines(known.words)
    if not programmed:
        return (first,)
    if abs(choice.shift_s) > WEEK_S:
        return (first, "That is more than a week: the pump clock was never set, or it is wrong.", *doses[2:])
    return (first, *doses)


def _compared(at: At, text: str, task: ClockTask, known: References, *, programmed: bool) -> Answer:
    lines = [line for choice in task.choices for line in _lines(choice, known, programmed=programmed)]
    body = {
        "difference": text,
        "wanted": task.wanted,
        "choices": [
            {
                "kind": str(c.kind),
                "shift_s": c.shift_s,
                "offset_s": c.offset_s,
                "skipped": {drug: mass.as_json("mg") for drug, mass in c.skipped.items()},
                "repeated": {drug: mass.as_json("mg") for drug, mass in c.repeated.items()},
                "next_24h": {drug: mass.as_json("mg") for drug, mass in c.next_24h.items()},
            }
            for c in task.choices
        ],
    }

    def show(console: Console) -> None:
        from thecal.cli.console import heading, line

        leave = task.choices[0].before
        line(console, f"Pump clock: {minute_text(leave)}. On the wall: {minute_text(task.choices[1].after)}.")
        if abs(task.choices[1].shift_s) <= WEEK_S:
            line(console, f"{text}.", style="bold")
        heading(console, "What can be done")
        for said in lines:
            line(console, said)
        near = "" if at.near() else f"thecal pump near {at.serial}; then "
        line(console, f"The pump changes nothing by itself. To set it: {near}the same command with --set.")

    return Answer(Exit.GO_ON, body, show)
