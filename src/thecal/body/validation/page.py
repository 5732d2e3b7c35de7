"""The validation as a page: counts first, then every check, then how each case was run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.body.validation.cases import Change, Status
from thecal.body.validation.judging import Verdict
from thecal.body.validation.wording import (
    STATUS_WORDS,
    arm_text,
    inside_text,
    model_text,
    ratio_text,
    space_error_text,
    time_error_text,
    verdict_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from thecal.body.validation.cases import CaseFile
    from thecal.body.validation.judging import Finding

HEAD = """\
<!-- Written by `make validate` from src/thecal/body/validation/cases; not by hand. -->

# Validation of the spine

What papers measured, and what the model gives with the parameters that ship with it. This is no proof that the model is
right. Most cases are a single number of a single study, several contradict each other, and many parameters are not
verified. **Not a medical device: nothing here is fit for dosing decisions.**

"""
GROUPS = (
    (
        Status.CALIBRATION,
        "Calibration",
        "Parameters were fitted to these numbers, or derived from them. That they are inside says little.",
    ),
    (
        Status.HELD_OUT,
        "Held out",
        "Numbers of other papers, and other numbers of the same ones. No parameter of the drug was set by them, and "
        "nobody tunes to them.",
    ),
    (Status.QUALITATIVE, "Orders and signs", "What a paper says about more and less. Nobody tunes to these either."),
    (Status.EXACT, "Exactness", "What must hold in the model whatever is measured."),
    (
        Status.NOT_JUDGED,
        "Shown without a verdict",
        "The paper measured something else than the model gives, or its number is in doubt. For the reader only.",
    ),
)
READING = """\
## How to read it

- **Ratio** is the model over the paper: over its number, over the middle of its band (the geometric mean of the ends),
  or over its one limit. For an order it is the smallest ratio of one number to the next, which is over 1 where the
  order holds. An order or a sign counts only where it is more than 0.1 %.
- **Inside** is what the paper or the validation table allows. Where neither says, it is ours and the note says so.
- The **error in time** is what the engine states of its own arithmetic. The **error in space** is by how much the
  number changes on a grid of half as many cells. Neither says anything about people: they differ by much more.
- A case that the model cannot say is *not applicable*; one that cannot be run says why. Neither is left out.
- The *warning index* is no prediction.

`make validate` writes this page, and `make check` fails where it is not the newest. `thecal validate` shows the same in
a terminal, and runs cases of your own: [write a case](how-to/validate-the-spine.md).
"""


def page(files: Sequence[CaseFile], findings: Sequence[Finding]) -> str:
    """The page as markdown."""
    lines = [HEAD + "## Summary\n", *_counts(findings), "", *_named(findings), READING]
    for status, title, said in GROUPS:
        group = [finding for finding in findings if finding.status is status]
        if group:
            lines += [f"## {title}\n", f"{said}\n", *_table(group), ""]
    lines += ["## How each case was run\n", *_runs(findings), *_variants(files)]
    return "\n".join(lines).rstrip("\n") + "\n"


def _counts(findings: Sequence[Finding]) -> Iterator[str]:
    """How many checks of each status came out how."""
    kinds = (Verdict.INSIDE, Verdict.OUTSIDE, Verdict.NOT_APPLICABLE, Verdict.NOT_RUN, Verdict.NOT_JUDGED)
    yield f"| status | checks | {' | '.join(kinds)} |"
    yield f"| --- | {'--- | ' * (len(kinds) + 1)}".rstrip()
    for status, title, _ in GROUPS:
        group = [finding for finding in findings if finding.status is status]
        if group:
            numbers = " | ".join(str(sum(finding.verdict is kind for finding in group)) for kind in kinds)
            yield f"| {title} ({status}) | {len(group)} | {numbers} |"


def _named(findings: Sequence[Finding]) -> Iterator[str]:
    """One sentence for calibration and one for the others, and every check that is not inside by its name."""
    fitted = [f for f in findings if f.status is Status.CALIBRATION]
    others = [f for f in findings if f.status in {Status.HELD_OUT, Status.QUALITATIVE}]
    for name, group in (("calibration", fitted), ("all others that are judged", others)):
        judged = [f for f in group if f.verdict in {Verdict.INSIDE, Verdict.OUTSIDE}]
        inside = sum(f.verdict is Verdict.INSIDE for f in judged)
        yield f"Of {name}, **{inside} of {len(judged)} checks are inside**.\n"
    for verdict, title in (
        (Verdict.OUTSIDE, "Outside"),
        (Verdict.NOT_APPLICABLE, "Not applicable"),
        (Verdict.NOT_RUN, "Could not be run"),
    ):
        group = [f for f in findings if f.verdict is verdict]
        if group:
            yield f"{title}:\n"
            yield from (f"- {_line(finding)}" for finding in group)
            yield ""


def _line(finding: Finding) -> str:
    text = f"{_title(finding)}: {finding.check.what} ({STATUS_WORDS[finding.status]}"
    text += f", ratio {ratio_text(finding)})" if finding.ratio is not None else ")"
    return f"{text}: {finding.why}" if finding.why else text


def _title(finding: Finding) -> str:
    case = finding.case
    return f"{case.number}. {case.title}" if case.number else case.title


def _table(group: Sequence[Finding]) -> Iterator[str]:
    yield "| case | check | paper | model | ratio | inside if | verdict | source |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for finding in group:
        cells = (
            _title(finding),
            finding.check.what,
            finding.check.paper,
            model_text(finding),
            ratio_text(finding),
            inside_text(finding),
            _strong(finding),
            finding.check.source or finding.case.source,
        )
        yield f"| {' | '.join(_cell(text) for text in cells)} |"


def _strong(finding: Finding) -> str:
    text = verdict_text(finding)
    return f"**{text}**" if finding.verdict in {Verdict.OUTSIDE, Verdict.NOT_RUN} else text


def _runs(findings: Sequence[Finding]) -> Iterator[str]:
    """For each case who was given what, on which grid, with which errors, and its notes.

    Which engine made a run is left out here: where one gives way to another may hang on a machine's last digit.
    """
    seen: dict[str, list[Finding]] = {}
    for finding in findings:
        seen.setdefault(finding.case.id, []).append(finding)
    for group in seen.values():
        case, run = group[0].case, [finding for finding in group if finding.model is not None]
        yield f"### {_title(group[0])}\n"
        yield f"`{case.id}`. {' '.join(_notes(group))}".rstrip() + "\n"
        if run:
            yield from (f"- {_cell(arm_text(arm))}" for arm in case.arms)
            errors = f"error in time {time_error_text(*run)}, in space {space_error_text(*run)}"
            yield f"- {run[0].cells} cells; {errors}\n"


def _notes(group: Iterable[Finding]) -> Iterator[str]:
    notes: dict[str, None] = {}
    for finding in group:
        for note in (finding.case.note, finding.check.note):
            if note:
                notes[note] = None
    yield from notes


def _variants(files: Sequence[CaseFile]) -> Iterator[str]:
    """Every person and drug that differs from what ships, with the marks of its numbers."""
    rows = []
    for file in files:
        for variants in (file.person, file.drug):
            for name, variant in variants.items():
                for parameter, change in variant.change.items():
                    rows.append((name, parameter, *_change(change)))
    if rows:
        yield "## Persons and drugs that differ from those shipped\n"
        yield "| name | parameter | value | source | read in the source |"
        yield "| --- | --- | --- | --- | --- |"
        yield from (f"| {' | '.join(_cell(text) for text in row)} |" for row in rows)


def _change(change: Change | str | float) -> tuple[str, str, str]:
    if isinstance(change, Change):
        return str(change.value), change.source, "yes" if change.verified else "no"
    return str(change), "none given", "no"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
