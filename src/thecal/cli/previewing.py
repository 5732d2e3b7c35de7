"""``thecal preview``: an order reviewed, run on the virtual pump, and followed beyond the tip, alone or compared."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import typer

from thecal.cli.account import Judged
from thecal.cli.amounts import amount, percentage
from thecal.cli.answer import NOTICE, Answer
from thecal.cli.console import line, marked, screen, unbroken
from thecal.cli.ended import Ended
from thecal.cli.exits import Exit
from thecal.cli.output_file import unwritable, written
from thecal.cli.planning import start_of
from thecal.cli.progress import bar
from thecal.cli.references import STDIN, pump_envelope, spoken
from thecal.cli.review_view import mixture_text, patient_text
from thecal.cli.reviewing import judge
from thecal.cli.run_view import TEACHING, show_stopped
from thecal.cli.scenario_orders import orders_of
from thecal.cli.simulating import GRAVEST
from thecal.cli.spine_asking import refused
from thecal.cli.spine_figures import span_text, start_text
from thecal.cli.spine_json import comparison_json, course_json
from thecal.cli.spine_view import show_band, show_beside, show_chart, show_comparison, show_course, show_ratios
from thecal.quantities import Duration
from thecal.twin import cases
from thecal.twin.asking import scenario_of
from thecal.twin.comparing import with_paired_bands
from thecal.twin.preview import preview, with_band
from thecal.twin.scenario import parse_scenario
from thecal.twin.spine import Comparison, NoPreview

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date
    from fractions import Fraction
    from pathlib import Path

    from rich.console import Console

    from thecal.cli.references import References
    from thecal.cli.spine_asking import Wanted
    from thecal.twin.scenario import Scenario
    from thecal.twin.spine import SpineCourse

    Made = SpineCourse | Comparison


_MOST_SHARE = 2
"""A restart at more than twice the dose of before is asked for by mistake, if at all."""


class Case(StrEnum):
    """A comparison that is asked for again and again."""

    BRIDGE = "bridge"
    MISSED_REFILL = "missed-refill"
    MRI = "mri"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What it is compared with: another file, or a case with its times as they were written; nothing of both."""

    against: Path | None = None
    case: Case | None = None
    gap: str | None = None
    restart: str | None = None
    stop: str | None = None
    at: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """How a file is read: the references, the day to judge by, when an order begins, and whether it is for teaching."""

    known: References
    today: date
    start: str | None
    teach: bool


def preview_file(path: Path, reading: Reading, compared: Compared, wanted: Wanted) -> Answer:
    """The preview of an order or a scenario, judged first; nothing is computed of what the review stops."""
    scenario = _read(path, reading)
    exit_, stops = _judged(path, scenario, reading)
    failed = None if wanted.report is None else unwritable(wanted.report)
    if failed is not None:
        return failed
    found = _made(scenario, reading, compared, wanted)
    if isinstance(found, NoPreview):
        return refused(found, spoken(path))
    if not wanted.quiet:
        _first(path, scenario, found, reading.known, stops=stops)
    if wanted.band:
        found = _banded(found, wanted)
    return _answer(scenario, found, reading.known, wanted, exit_, teach=stops)


# What is previewed ----------------------------------------------------------------------------------------------------


def _read(path: Path, reading: Reading) -> Scenario:
    """A scenario as it is, an order from its start on."""
    text, file = reading.known.order_text(path)
    if file.later is not None:
        name = "<stdin>" if str(path) == STDIN else str(path)
        return parse_scenario(text, name, drugs=reading.known.drug_code, pumps=pump_envelope)
    start, _ = start_of(file.order, reading.today, reading.start)
    return scenario_of(file.order, start, title=file.title)


def _judged(path: Path, scenario: Scenario, reading: Reading) -> tuple[Exit, bool]:
    """The exit code of the review of every order, and whether it stops one; ends the command where it does."""
    known = reading.known
    judged = tuple(Judged(at, judge(at.file, known, reading.today)) for at in orders_of(scenario))
    gravest = min((j.reviewed.exit for j in judged), key=GRAVEST.index)
    stops = gravest in (Exit.STOPPED, Exit.PUMP_REFUSED)
    if stops and not reading.teach:
        body = {"title": scenario.title, "orders": [j.reviewed.as_json() for j in judged], "course": None}
        raise Ended(Answer(gravest, body, lambda console: show_stopped(console, path, scenario, judged, known)))
    return gravest, stops


def _made(scenario: Scenario, reading: Reading, compared: Compared, wanted: Wanted) -> Made | NoPreview:
    """The central lines."""
    asked = wanted.asked()
    if compared.against is not None and compared.case is not None:
        raise typer.BadParameter("found --against and --case; allowed: one of them")
    _only_with(compared)
    if compared.against is not None:
        return cases.change(_current(compared.against, scenario, reading), scenario, **asked)
    match compared.case:
        case Case.BRIDGE:
            return cases.bridge(scenario, **asked)
        case Case.MISSED_REFILL:
            gap_hours, share = _hours("--gap", compared.gap), _share(compared.restart)
            restart = cases.scaled(scenario.order.program, share)
            return cases.missed_refill(scenario, restart, gap_hours=gap_hours, **asked)
        case Case.MRI:
            at_hours = cases.LEAD_HOURS if compared.at is None else _hours("--at", compared.at)
            return cases.mri_stop(scenario, stop_hours=_hours("--stop", compared.stop), at_hours=at_hours, **asked)
        case _:
            return preview(scenario, **asked)


def _current(path: Path, proposed: Scenario, reading: Reading) -> Scenario:
    """What runs now, from the moment on at which the proposed order begins."""
    _, file = reading.known.order_text(path)
    return scenario_of(file.order, proposed.run.start, running=True, title=file.title)


def _only_with(compared: Compared) -> None:
    """Times that belong to a case go with that case alone."""
    for case, names in ((Case.MISSED_REFILL, ("gap", "restart")), (Case.MRI, ("stop", "at"))):
        for name in names:
            if getattr(compared, name) is not None and compared.case is not case:
                raise typer.BadParameter(f"found --{name}; allowed: with --case {case} alone")


def _hours(option: str, text: str | None) -> float:
    if text is None:
        raise typer.BadParameter(f'found no {option}; allowed: a time, as in {option} "24 h"', param_hint=option)
    return float(amount(option, text, Duration).number("h"))


def _share(text: str | None) -> Fraction:
    if text is None:
        raise typer.BadParameter(
            'found no --restart; allowed: a share of the dose that ran before, as in --restart "50 %"',
            param_hint="--restart",
        )
    share = percentage("--restart", text)
    if not 0 < share <= _MOST_SHARE:
        raise typer.BadParameter(
            f"found {text!r}; allowed: over 0 %, up to {_MOST_SHARE * 100} %", param_hint="--restart"
        )
    return share


def _banded(found: Made, wanted: Wanted) -> Made:
    with bar(f"Drawing {wanted.persons:,} persons", quiet=wanted.quiet) as tell:
        if isinstance(found, Comparison):
            return with_paired_bands(found, progress=tell)
        return with_band(found, progress=tell)


# How it is shown ------------------------------------------------------------------------------------------------------


def _first(path: Path, scenario: Scenario, found: Made, known: References, *, stops: bool) -> None:
    """The central lines, before the band is there."""
    console = screen()
    unbroken(console, f"Preview of {spoken(path)}", style="bold")
    line(console, f"{NOTICE} Computed, not measured; nothing here is a dose recommendation.")
    if stops:
        line(console, TEACHING, style="bold red")
    for name, text in _facts(scenario, found, known):
        marked(console, f"{name.lower()}:".ljust(8), text)
    names = _names(known)
    if isinstance(found, Comparison):
        show_comparison(console, found, names)
        show_chart(console, found.proposed, names)
        show_beside(console, found.proposed, names)
    else:
        show_course(console, found, names)
        show_chart(console, found, names)
        show_beside(console, found, names)
    console.file.flush()


def _facts(scenario: Scenario, found: Made, known: References) -> list[tuple[str, str]]:
    course = found.proposed if isinstance(found, Comparison) else found
    order = scenario.order
    facts = [
        ("What", _title(scenario, found)),
        ("Patient", patient_text(order)),
        ("Pump", f"{order.pump.name} [{order.pump.family}]"),
        ("Mixture", mixture_text(order, known)),
        ("Time", f"{span_text(course)} from {start_text(course)} by the pump clock"),
    ]
    if isinstance(found, Comparison) and found.current.title != found.proposed.title:
        facts += [("Current", found.current.title), ("Proposed", found.proposed.title)]
    return facts


def _title(scenario: Scenario, found: Made) -> str:
    """What is shown: a comparison says of what."""
    return f"{scenario.title}: {found.title}" if isinstance(found, Comparison) else found.title


def _names(known: References) -> Callable[[str], str]:
    return lambda code: known.words(code).display_name


def _answer(scenario: Scenario, found: Made, known: References, wanted: Wanted, exit_: Exit, *, teach: bool) -> Answer:
    names = _names(known)
    if wanted.report is not None:
        failed = written(wanted.report, _page(scenario, found, known, teach=teach))
        if failed is not None:
            return failed

    def show(console: Console) -> None:
        if isinstance(found, Comparison):
            show_ratios(console, found, names)
        else:
            show_band(console, found, names)
        if wanted.report is not None:
            unbroken(console, f"Report: {wanted.report}", style="bold")
        if teach:
            line(console, TEACHING, style="bold red")

    body: dict[str, Any] = {
        "patient": scenario.order.patient.reference,
        "formulary_version": known.formulary.version,
        "teach": teach,
        "report": None if wanted.report is None else str(wanted.report),
    }
    if isinstance(found, Comparison):
        return Answer(exit_, {**body, "comparison": comparison_json(found)}, show)
    return Answer(exit_, {**body, "course": course_json(found)}, show)


def _page(scenario: Scenario, found: Made, known: References, *, teach: bool) -> str:
    from thecal.cli.report.preview_page import comparison_page, course_page

    facts = [("Review", TEACHING)] * teach + _facts(scenario, found, known)[1:]
    names = _names(known)
    if isinstance(found, Comparison):
        return comparison_page(replace(found, title=_title(scenario, found)), names, facts)
    return course_page(found, names, facts)
