"""A run on the terminal: what was ordered, delivered and arrived, boluses, refills, alarms, and two charts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.cli.account import volume_text
from thecal.cli.answer import NOTICE
from thecal.cli.console import bullets, heading, line, marked, table, unbroken
from thecal.cli.fluid_notes import fluid_notes
from thecal.cli.references import spoken
from thecal.cli.review_view import mixture_text, patient_text
from thecal.cli.review_view import show as show_review
from thecal.cli.terminal_charts import show_charts
from thecal.quantities import Duration, duration_text
from thecal.therapy.refusal import minute_text
from thecal.twin.records import Answer as PumpAnswer
from thecal.twin.records import Source

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from thecal.cli.account import Account, Judged
    from thecal.cli.references import References
    from thecal.twin.scenario import Scenario

TEACHING = "TEACHING RUN: the review stops an order of this scenario. No pump may be programmed like this."


def show(console: Console, path: Path, account: Account, report: Path | None) -> None:
    """The whole account."""
    scenario = account.scenario
    unbroken(console, f"Simulation of {spoken(path)}", style="bold")
    line(console, NOTICE)
    if account.teach:
        line(console, TEACHING, style="bold red")
    line(console, scenario.title)
    marked(console, "patient:", patient_text(scenario.order))
    marked(console, "pump:   ", f"{scenario.order.pump.name} [{scenario.order.pump.family}]")
    marked(console, "mixture:", mixture_text(scenario.order, account.known))
    run = scenario.run
    marked(console, "run:    ", f"{run.days:,} days from {minute_text(run.start)} by the pump clock, seed {run.seed}")
    _orders(console, account)
    _totals(console, account)
    _boluses(console, account)
    _arrivals(console, account)
    _refills(console, account)
    _trouble(console, account)
    show_charts(console, account)
    _end(console, account, report)


def show_stopped(
    console: Console, path: Path, scenario: Scenario, judged: tuple[Judged, ...], known: References
) -> None:
    """Why nothing was run."""
    if scenario.order.pump.fixed_flow is not None:
        line(console, f"{scenario.order.pump.name} has no controller: there is nothing to run.", style="bold red")
        line(console, "Thecal plans and reviews a constant-flow pump, and does not simulate it.")
        return
    for one in judged:
        if one.reviewed.review.hard or one.reviewed.achievable.refused is not None:
            line(console, f"The order of {minute_text(scenario.run.moment(one.at.at_s))}:", style="bold")
            show_review(console, spoken(path), one.reviewed, known)
    console.print()
    line(
        console,
        "NOT RUN. Correct the order, or add --teach to run it on the virtual pump for teaching.",
        style="bold red",
    )


def _orders(console: Console, account: Account) -> None:
    heading(console, "Orders and their review")
    for one in account.judged:
        count = len(one.reviewed.review.findings)
        marked(console, f"{account.clock(one.at.at_s)}:", f"{one.reviewed.verdict} Findings: {count}.")
        row = one.reviewed.achievable.farthest
        if row is not None:
            marked(
                console,
                "-",
                f"least exact: {row.name}, asked {row.asked}, given {row.given} ({row.difference})",
                indent=2,
            )


def _totals(console: Console, account: Account) -> None:
    heading(console, "Ordered, delivered, arrived")
    rows = []
    for one, total in zip(account.drugs, account.trace.totals, strict=True):
        amounts = (total.ordered, total.delivered, total.arrived, total.in_line, total.in_reservoir)
        rows.append([one.drug.display_name, *(one.text(mg) for mg in amounts)])
    table(
        console, ["drug", "ordered", "delivered", "arrived", "in the line", "in reservoir"], rows, numbers=range(1, 6)
    )
    line(console, "Delivered has left the reservoir; arrived has left the tip of the catheter (plug flow assumed).")
    for text in fluid_notes(account, "A new fluid at the tip"):
        line(console, text)


def _boluses(console: Console, account: Account) -> None:
    asked = [b for b in account.trace.boluses if b.source is Source.PATIENT]
    heading(console, f"Patient boluses: {len(asked):,} asked for")
    rows = [
        ["granted" if answer == PumpAnswer.GRANTED else f"refused: {answer}", f"{count:,}"]
        for answer, count in account.answers(Source.PATIENT).most_common()
    ]
    if rows:
        table(console, ["answer", "times"], rows, numbers=(1,))
    for source, name in ((Source.CLINICIAN, "single boluses"), (Source.PRIME, "priming")):
        for answer, count in account.answers(source).most_common():
            marked(console, f"{name}:", f"{answer}, {count:,}")


def _arrivals(console: Console, account: Account) -> None:
    heading(console, "A new fluid at the tip")
    rows = []
    for front in account.trace.fronts:
        filled = "in the line at the start" if front.filled_s is None else account.clock(front.filled_s)
        tip = "not within the run" if front.tip_s is None else account.clock(front.tip_s)
        took = "" if front.tip_s is None else duration_text(Duration.of(front.tip_s - (front.filled_s or 0), "s"))
        rows.append([filled, tip, took])
    if rows:
        table(console, ["filled in", "first at the tip", "after"], rows)
    else:
        line(console, "The fluid stayed the same all the time.")


def _refills(console: Console, account: Account) -> None:
    heading(console, "Fills")
    rows = []
    for n, fill in enumerate(account.trace.fills):
        expected = volume_text(fill.believed_ml) if n else "none"
        found = volume_text(fill.found_ml) if n else "none"
        less = fill.believed_ml - fill.found_ml
        gap = "" if not n else volume_text(abs(less)) + (" less" if less > 1e-9 else " more" if less < -1e-9 else "")
        rows.append([account.clock(fill.at_s), expected, found, gap, volume_text(fill.volume_ml)])
    table(console, ["when", "expected left", "found", "gap", "holds then"], rows, numbers=(1, 2, 3, 4))


def _trouble(console: Console, account: Account) -> None:
    trace = account.trace
    heading(console, f"Alarms: {len(trace.alarms):,}")
    for alarm in trace.alarms:
        until = "not cleared" if alarm.cleared_s is None else f"until {account.clock(alarm.cleared_s)}"
        mark = "***" if alarm.critical else "*"
        marked(console, mark, f"{account.clock(alarm.issued_s)}: {alarm.name}, {until}")
    if trace.refusals:
        heading(console, f"Not done: {len(trace.refusals):,}")
        for refusal in trace.refusals:
            fits = "" if refusal.fits_at_s is None else f"; it fits at {account.clock(refusal.fits_at_s)}"
            marked(console, "-", f"{account.clock(refusal.at_s)}: {refusal.what}: {refusal.why}{fits}")
    if trace.lost_strokes:
        marked(console, "-", f"{trace.lost_strokes:,} strokes were commanded and did not move")


def _end(console: Console, account: Account, report: Path | None) -> None:
    console.print()
    bullets(
        console,
        [
            "Numbers are rounded for the eye to four digits; --json has them in full.",
            f"log: {account.trace.log_records:,} records, digest {account.trace.log_digest[:16]}",
            f"formulary {account.known.formulary.version[:12]}",
        ],
    )
    if report is not None:
        unbroken(console, f"Report: {report}", style="bold")
    if account.teach:
        line(console, TEACHING, style="bold red")
