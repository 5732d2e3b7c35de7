"""A review on the terminal: the sentence, asked beside achievable, findings by severity, and the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.cli.answer import NOTICE
from thecal.cli.console import bullets, heading, line, marked, table, unbroken
from thecal.therapy.review import Severity
from thecal.therapy.review.finding import HOUSE
from thecal.therapy.sentence import ChangeSentence

if TYPE_CHECKING:
    from rich.console import Console

    from thecal.cli.references import References
    from thecal.cli.reviewing import Reviewed
    from thecal.therapy.order import Order
    from thecal.therapy.review import Finding

_STYLES = {
    Severity.CONTRAINDICATION: "bold red",
    Severity.LABEL_LIMIT: "yellow",
    Severity.CONSENSUS_LIMIT: "yellow",
    Severity.UNUSUAL: "cyan",
    Severity.MISSING_FACT: "magenta",
}


def show(console: Console, path: str, reviewed: Reviewed, known: References) -> None:
    """The whole review."""
    unbroken(console, f"Review of {path}", style="bold")
    line(console, NOTICE)
    _show_part(console, reviewed.file.later)
    about(console, reviewed, known)
    show_sentence(console, reviewed)
    show_achievable(console, reviewed)
    show_findings(console, reviewed)
    console.print()
    line(console, reviewed.verdict, style="bold")
    line(console, f"formulary {reviewed.review.formulary_version[:12]}")


def _show_part(console: Console, later: int | None) -> None:
    """Of a scenario only the order at its start is judged here."""
    if later is None:
        return
    others = "it has no other" if later == 0 else f"thecal simulate reviews all {later + 1:,}"
    line(console, f"A scenario: judged here is the starting order; {others}.")


def about(console: Console, reviewed: Reviewed, known: References) -> None:
    """Who, which pump, which mixture."""
    order, file = reviewed.file.order, reviewed.file
    if file.title:
        line(console, file.title)
    marked(console, "patient:", patient_text(order))
    serial = f", serial {file.serial}" if file.serial else ""
    marked(console, "pump:   ", f"{order.pump.name} [{order.pump.family}]{serial}")
    marked(console, "mixture:", mixture_text(order, known))


def patient_text(order: Order) -> str:
    """The facts about the patient that are known, in one line."""
    patient = order.patient
    age = "age not stated" if patient.age_years is None else f"{patient.age_years} years"
    return f"{patient.reference}, {patient.indication or 'indication not stated'}, {age}"


def mixture_text(order: Order, known: References) -> str:
    """The ingredients with their strengths, primary first."""
    shown = [(known.words(i.drug), i.concentration) for i in order.mixture.ingredients]
    return ", ".join(f"{drug.display_name} {strength.text(drug.conc_unit)}" for drug, strength in shown)


def show_sentence(console: Console, reviewed: Reviewed) -> None:
    """The program in words."""
    sentence = reviewed.sentence
    if isinstance(sentence, ChangeSentence):
        heading(console, "Before")
        bullets(console, sentence.before.lines)
        heading(console, "Ordered")
        bullets(console, sentence.after.lines)
        heading(console, "What changes")
        bullets(console, sentence.changes)
    else:
        heading(console, "Ordered")
        bullets(console, sentence.lines)


def show_achievable(console: Console, reviewed: Reviewed) -> None:
    """What was asked for beside what the pump gives."""
    found = reviewed.achievable
    heading(console, "Asked for, and what the pump gives")
    if found.refused is not None:
        marked(console, "REFUSED BY THE PUMP:", str(found.refused.why), style="bold red")
        marked(console, "found:  ", found.refused.found, indent=2)
        marked(console, "allowed:", found.refused.allowed, indent=2)
        marked(console, "next:   ", found.refused.then, indent=2)
    if found.rows:
        rows = [[r.name, r.asked, r.given, r.difference] for r in found.rows if r.leads]
        table(console, ["setting", "asked for", "given", "difference"], rows, numbers=(1, 2, 3))
        if len(rows) < len(found.rows):
            line(
                console,
                f"{len(found.rows) - len(rows):,} more settings are given just as asked for; --json lists them.",
            )
    for note in found.notes:
        marked(console, "-", note)


def show_findings(console: Console, reviewed: Reviewed) -> None:
    """Every finding, the gravest first."""
    findings = reviewed.review.findings
    heading(console, f"Findings: {len(findings):,}")
    for severity in Severity:
        of_it = [f for f in findings if f.severity is severity]
        if of_it:
            line(console, f"{str(severity).upper()} ({len(of_it)})", style=_STYLES[severity])
        for finding in of_it:
            _show_finding(console, finding)
    if reviewed.review.unused_reasons:
        marked(console, "note:", "reasons that no finding asked for: " + ", ".join(reviewed.review.unused_reasons))


def gate_text(finding: Finding) -> str:
    """What a finding does to the order, in words."""
    if finding.hard:
        return "STOPS"
    return "REASON NEEDED" if finding.reason is None else "reason given"


def source_text(finding: Finding) -> str:
    """Who says so, and whether the number was read there."""
    return f"{finding.by}{'' if finding.verified or finding.authority == HOUSE else ', NOT READ'}"


def _show_finding(console: Console, finding: Finding) -> None:
    marked(console, f"[{gate_text(finding)}]", f"{finding.what} ({finding.key})", indent=1)
    marked(console, "found:  ", finding.found.text, indent=4)
    marked(console, "allowed:", f"{finding.allowed.text} ({source_text(finding)})", indent=4)
    marked(console, "next:   ", finding.next_step, indent=4)
    if finding.reason is not None:
        marked(console, "reason: ", finding.reason, indent=4)
