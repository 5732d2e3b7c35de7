"""``thecal simulate``: every order of a scenario reviewed, the run, its account on the terminal and as a page."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from thecal.cli.account import Account, Judged
from thecal.cli.answer import Answer
from thecal.cli.exits import Exit
from thecal.cli.output_file import unwritable, written
from thecal.cli.progress import bar
from thecal.cli.references import references
from thecal.cli.reviewing import judge
from thecal.cli.run_view import show, show_stopped
from thecal.cli.scenario_orders import orders_of

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from thecal.cli.references import References
    from thecal.twin.scenario import Scenario
    from thecal.twin.trace import Trace

GRAVEST = (Exit.STOPPED, Exit.PUMP_REFUSED, Exit.REASON_NEEDED, Exit.GO_ON)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks of a run; ``quiet`` is True where stdout and stderr belong to a script."""

    report: Path | None
    seed: int | None
    stepping: bool
    teach: bool
    quiet: bool


def simulate_scenario(path: Path, site: Path | None, today: date | None, wanted: Wanted) -> Answer:
    """The scenario in ``path``, reviewed by ``today`` (else the day on which each order begins) and run."""
    known = references(site)
    scenario = known.scenario(path)
    if wanted.seed is not None:
        scenario = replace(scenario, run=replace(scenario.run, seed=wanted.seed))
    judged = tuple(
        Judged(at, judge(at.file, known, today or scenario.run.moment(at.at_s).date())) for at in orders_of(scenario)
    )
    gravest = min((j.reviewed.exit for j in judged), key=GRAVEST.index)
    stops = gravest in (Exit.STOPPED, Exit.PUMP_REFUSED)
    if scenario.order.pump.fixed_flow is not None or (stops and not wanted.teach):
        return _stopped(path, scenario, judged, known, Exit.PUMP_REFUSED if not stops else gravest)
    failed = None if wanted.report is None else unwritable(wanted.report)
    if failed is not None:
        return failed
    account = Account(scenario, _run(scenario, wanted), judged, known, teach=stops)
    if wanted.report is not None:
        failed = _write(account, wanted)
        if failed is not None:
            return failed
    body = {
        **_head(scenario, judged, known),
        "teach": stops,
        "report": _said(wanted.report),
        "trace": account.trace.as_json(),
    }
    return Answer(gravest, body, lambda console: show(console, path, account, wanted.report))


def _said(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _head(scenario: Scenario, judged: tuple[Judged, ...], known: References) -> dict[str, Any]:
    return {
        "title": scenario.title,
        "patient": scenario.order.patient.reference,
        "formulary_version": known.formulary.version,
        "orders": [{"at_s": j.at.at_s, **j.reviewed.as_json()} for j in judged],
    }


def _stopped(path: Path, scenario: Scenario, judged: tuple[Judged, ...], known: References, exit_: Exit) -> Answer:
    """Nothing was run: the reviews that say why, or a pump that has no controller to run."""
    body = {**_head(scenario, judged, known), "trace": None}
    return Answer(exit_, body, lambda console: show_stopped(console, path, scenario, judged, known))


def _run(scenario: Scenario, wanted: Wanted) -> Trace:
    from thecal.twin.simulate import simulate

    with bar(f"Running {scenario.run.days:,} days", quiet=wanted.quiet) as tell:
        return simulate(scenario, progress=tell, stepping=wanted.stepping)


def _write(account: Account, wanted: Wanted) -> Answer | None:
    """Write the page whole or not at all; an answer where it could not be written."""
    from thecal.cli.report import page
    from thecal.cli.spine_of_run import looks

    assert wanted.report is not None  # noqa: S101 -- asked by the caller
    with bar("Following the drugs along the spine", quiet=wanted.quiet) as tell:
        spine = looks(account.scenario, tell)
    with bar("Drawing the report", quiet=wanted.quiet) as tell:
        text = page(account, tell, spine)
    return written(wanted.report, text)
