"""The orders of a run on the page: the sentence, asked beside given, and every finding with who says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.cli.report.markup import Markup, folded, joined, listed, table, tag
from thecal.cli.review_view import gate_text, mixture_text, source_text
from thecal.therapy.review import Severity
from thecal.therapy.sentence import ChangeSentence

if TYPE_CHECKING:
    from thecal.cli.account import Account, Judged
    from thecal.cli.reviewing import Reviewed
    from thecal.therapy.review import Finding


def orders(account: Account) -> Markup:
    """Every order of the run, in order of time."""
    return joined(_order(account, one) for one in account.judged)


def _order(account: Account, one: Judged) -> Markup:
    reviewed = one.reviewed
    return joined(
        [
            tag("h3", f"From {account.clock(one.at.at_s)}"),
            tag("p", reviewed.verdict, class_="verdict"),
            tag("p", f"Mixture: {mixture_text(reviewed.file.order, account.known)}"),
            _sentence(reviewed),
            _given(reviewed),
            _findings(reviewed),
        ]
    )


def _sentence(reviewed: Reviewed) -> Markup:
    said = reviewed.sentence
    if not isinstance(said, ChangeSentence):
        return listed(said.lines)
    before = folded("What ran before", listed(said.before.lines), printed=True)
    return joined([listed(said.after.lines), before, tag("p", "What changes:"), listed(said.changes)])


def _given(reviewed: Reviewed) -> Markup:
    found = reviewed.achievable
    if found.refused is not None:
        return tag("p", f"The pump refuses it, {found.refused.why}: {found.refused.message}.", class_="verdict")
    rows = [[r.name, r.asked, r.given, r.difference] for r in found.rows]
    made = table("Asked for, and what the pump gives", ["setting", "asked for", "given", "difference"], rows, (1, 2, 3))
    farthest = found.farthest
    most = "all given just as asked" if farthest is None else f"least exact: {farthest.name}, {farthest.difference}"
    return folded(f"Asked for beside given: {len(rows):,} settings, {most}", made, listed(found.notes))


def _findings(reviewed: Reviewed) -> Markup:
    findings = reviewed.review.findings
    if not findings:
        return tag("p", "The review found nothing that speaks against it. That is not proof that it is right.")
    parts = []
    for severity in Severity:
        of_it = [f for f in findings if f.severity is severity]
        if of_it:
            parts.append(tag("p", tag("strong", f"{str(severity).capitalize()}: {len(of_it):,}")))
            parts += [_finding(f) for f in of_it]
    shown = joined(parts)
    stops = [f for f in findings if f.stops]
    return shown if stops else folded(f"{len(findings):,} findings, each with a reason", shown, printed=True)


def _finding(finding: Finding) -> Markup:
    lines = [
        tag("p", tag("span", gate_text(finding), class_="gate"), f": {finding.what}"),
        tag("p", f"Found: {finding.found.text}. Allowed: {finding.allowed.text} ({source_text(finding)})."),
        tag("p", f"Next: {finding.next_step}."),
    ]
    if finding.reason is not None:
        lines.append(tag("p", f"Reason: {finding.reason}"))
    return tag("div", *lines, class_="finding stops" if finding.stops else "finding")
