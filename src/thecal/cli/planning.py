"""``thecal plan``: the arithmetic around an order, each part by the room that knows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from typing import TYPE_CHECKING

import typer

from thecal.cli import plan_dose, plan_line, plan_pharmacy, plan_refill
from thecal.cli.answer import NOTICE, Answer
from thecal.cli.exits import Exit
from thecal.cli.references import references, spoken
from thecal.therapy.refusal import minute_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date
    from pathlib import Path

    from rich.console import Console

    from thecal.cli.parts import Part
    from thecal.cli.references import References
    from thecal.therapy.files import OrderFile
    from thecal.therapy.order import Order


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks of a plan, as text; each part reads what is its own."""

    views: tuple[str, ...]
    start: str | None
    boluses_per_day: str
    lead_days: int | None
    stock: tuple[str, ...]
    overfill: str | None
    titrate_to: str | None
    step: str | None
    every: str | None
    filled: str | None
    filled_at: str | None
    boluses: int
    aspirated: str | None


@dataclass(frozen=True, slots=True)
class Case:
    """An order to be planned, from ``start`` on the pump clock."""

    file: OrderFile
    known: References
    start: datetime
    start_from: str
    asked: Asked

    @property
    def order(self) -> Order:
        """The order itself."""
        return self.file.order


_PARTS: Mapping[str, Callable[[Case], Part | None]] = {
    "dates": plan_refill.dates,
    "bridge": plan_line.bridge,
    "prime": plan_line.prime_part,
    "restart": plan_dose.restart_part,
    "titration": plan_dose.titration,
    "worksheet": plan_pharmacy.worksheet_part,
    "gap": plan_refill.gap,
}


def plan_order(path: Path, site: Path | None, today: date, asked: Asked) -> Answer:
    """The plan of an order; a part that has no answer says why and makes the exit code that of a refusal."""
    known = references(site)
    file = known.order(path)
    start, start_from = start_of(file.order, today, asked.start)
    case = Case(file, known, start, start_from, asked)
    made = [(key, make(case)) for key, make in _PARTS.items() if not asked.views or key in asked.views]
    parts = [part for _, part in made if part is not None]
    body = {
        "title": file.title,
        "patient": file.order.patient.reference,
        "start": start.isoformat(),
        "start_from": start_from,
        "formulary_version": known.formulary.version,
        "parts": {p.key: p.as_json() for p in parts},
    }
    refused = any(p.refusals for p in parts)
    return Answer(Exit.PUMP_REFUSED if refused else Exit.GO_ON, body, lambda console: _show(console, path, case, parts))


def start_of(order: Order, today: date, start: str | None) -> tuple[datetime, str]:
    """When an order begins by the pump clock, and where that is known from; ``start`` is what the command line says."""
    if start is not None:
        return moment("--start", start), "as given"
    if order.fill is not None and order.fill.on is not None:
        return datetime.combine(order.fill.on, time()), "the day of the fill, from 00:00"
    return datetime.combine(today, time()), "today, from 00:00: the order states no day of a fill"


def moment(option: str, text: str) -> datetime:
    """A moment of the pump clock on the command line."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is not None or len(text) < len("2026-03-01T10:00"):
        raise typer.BadParameter(
            f"found {text!r}; allowed: a moment of the pump clock without an offset, as in 2026-03-01T10:00",
            param_hint=option,
        )
    return found


def _show(console: Console, path: Path, case: Case, parts: list[Part]) -> None:
    from thecal.cli.console import line, marked, unbroken
    from thecal.cli.review_view import mixture_text, patient_text

    unbroken(console, f"Plan of {spoken(path)}", style="bold")
    line(console, NOTICE)
    if case.file.title:
        line(console, case.file.title)
    marked(console, "patient:", patient_text(case.order))
    marked(console, "mixture:", mixture_text(case.order, case.known))
    marked(console, "from:   ", f"{minute_text(case.start)} by the pump clock ({case.start_from})")
    for part in parts:
        part.show(console)
    console.print()
    line(console, "Not a review: run thecal review before anything is sent.")
