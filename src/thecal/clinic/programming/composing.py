"""From a filled-in form to the text of an order with its judgment; and the reasons that still hold for it.

A reason was given for what was found then. Where a finding has found something else since, its reason is gone and is
asked for again: a reason for 10 mg is none for 100 mg.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from thecal.clinic.programming.draft import Draft, Written, draft_in
from thecal.clinic.programming.entries import Fields, ReasonRow, Wrong, fields_of, program_tables, unit_refusals
from thecal.clinic.programming.judging import Judged, judged_by
from thecal.clinic.programming.order_text import Tables, digest_of, known, parsed_by, tables_of
from thecal.clinic.programming.planned import planned_mass, rules
from thecal.clinic.refused import Refused
from thecal.therapy.review import review

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from thecal.clinic.programming.frame import Frame
    from thecal.formulary import Formulary
    from thecal.therapy.review import Finding

OTHER = "Other"
"""The choice that needs words of one's own."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Soft findings under one key, which one reason answers; ``found`` names what they found."""

    key: str
    found: str
    findings: tuple[Finding, ...]
    choice: str = ""
    words: str = ""

    @property
    def answered(self) -> bool:
        """Whether a reason is there."""
        return all(not f.stops for f in self.findings)


@dataclass(frozen=True, slots=True)
class Composed:
    """What came of a form: the fields as they are shown again, and the text with its judgment where it can be read."""

    fields: Fields
    refused: tuple[Refused, ...] = ()
    written: Written | None = None
    judged: Judged | None = None

    @property
    def asked(self) -> tuple[Asked, ...]:
        """Every soft finding, with the reason that was given for it."""
        return () if self.judged is None else asked_of(self.judged)


def composed(fields: Fields, frame: Frame, formulary: Formulary) -> Composed:
    """The order of a form. ``refused`` has everything that is wrong, each at its field; then there is no text."""
    program, wrong = program_tables(fields)
    wrong = (*wrong, *unit_refusals(program, formulary, frame.drugs))
    first = parsed_by(frame.text(program), formulary)
    at = {r.field for r in wrong}
    unread = first if isinstance(first, tuple) else ()
    refused = (*wrong, *(r for r in unread if r.field not in at), *_unread_plan(fields))
    if refused or isinstance(first, tuple):
        return Composed(fields, refused)
    given = any(row.choice or row.words for row in fields.reasons)
    findings = review(first.order, formulary, today=frame.today).findings if given else ()
    reasons, wordless = _reasons(fields.reasons, findings)
    if reasons:
        program["reasons"] = reasons
    text, plan = frame.text(program), tuple(p.strip() for p in fields.plan)
    found = judged_by(text, formulary, frame.today, plan)
    shown = replace(fields, reasons=tuple(ReasonRow(a.key, a.found, a.choice, a.words) for a in asked_of(found)))
    return Composed(shown, wordless, Written(text, plan), found)


def _unread_plan(fields: Fields) -> tuple[Refused, ...]:
    """Plans that were typed and cannot be read; one that is missing is for the judgment."""
    typed = ((f"plan.{n}", text) for n, text in enumerate(fields.plan) if text.strip())
    read = (planned_mass(where, text) for where, text in typed)
    return tuple(r for r in read if isinstance(r, Refused))


def opened(frame: Frame, formulary: Formulary) -> Composed:
    """The form as it opens: the draft, else what runs where that is changed, else empty (N12). The plan opens empty."""
    draft = fitting(frame)
    if draft is not None:
        return of_text(draft.now, frame, formulary)
    if frame.begins is None:
        return Composed(fields_of(None, (), formulary, frame.drugs))
    return of_text(beginning(frame, formulary), frame, formulary)


def beginning(frame: Frame, formulary: Formulary) -> Written:
    """What runs, as a text of today: its reasons stay where the same is found as when they were given."""
    program = known({**(frame.begins or {}), "reasons": None})
    now = _found(_findings(frame.text(program), frame, formulary))
    before = {} if frame.running is None else _found(_findings(frame.running, frame, formulary))
    held = {key: before[key][1] for key, (found, _) in now.items() if key in before and before[key][0] == found}
    reasons = {key: reason for key, reason in held.items() if reason}
    return Written(frame.text({**program, "reasons": reasons or None}), ())


def _findings(text: str, frame: Frame, formulary: Formulary) -> tuple[Finding, ...]:
    """What the review finds in a text; nothing where it cannot be read."""
    file = parsed_by(text, formulary)
    return () if isinstance(file, tuple) else review(file.order, formulary, today=frame.today).findings


def _found(findings: Iterable[Finding]) -> Mapping[str, tuple[str, str]]:
    """By key, what its soft findings found, and the reason that was given."""
    return {key: (found_of(group), group[0].reason or "") for key, group in _grouped(findings).items()}


def fitting(frame: Frame) -> Draft | None:
    """The draft of the session where it is about this mixture; what was derived from another one is void (E10)."""
    draft = draft_in(frame.session)
    return draft if draft is not None and frame.holds(draft.now.text) else None


def of_text(written: Written, frame: Frame, formulary: Formulary) -> Composed:
    """The form of what was written, with the facts around it as they are today."""
    program: Tables = tables_of(written.text)["program"]
    text = frame.text(program)
    found = judged_by(text, formulary, frame.today, written.plan)
    fields = fields_of(program, written.plan, formulary, frame.drugs)
    reasons = tuple(ReasonRow(a.key, a.found, a.choice, a.words) for a in asked_of(found))
    return Composed(replace(fields, reasons=reasons), (), Written(text, written.plan), found)


# Reasons ----------------------------------------------------------------------------------------------------------


def asked_of(found: Judged) -> tuple[Asked, ...]:
    """Soft findings by the key that a reason is filed under, in the order of the review."""
    return tuple(
        Asked(key, found_of(group), group, *parts_of(group[0].reason or ""))
        for key, group in _grouped(found.findings).items()
    )


def _grouped(findings: Iterable[Finding]) -> dict[str, tuple[Finding, ...]]:
    groups: dict[str, tuple[Finding, ...]] = {}
    for finding in findings:
        if not finding.hard:
            groups[finding.key] = (*groups.get(finding.key, ()), finding)
    return groups


def found_of(findings: Iterable[Finding]) -> str:
    """What findings found, in short: the same as long as they find the same."""
    return digest_of("|".join(f"{f.found.text}/{f.allowed.text}/{f.by}" for f in findings))[:16]


def parts_of(reason: str) -> tuple[str, str]:
    """A reason as the choice of the short list and the words that were added."""
    for choice in rules().reasons:
        if choice != OTHER and (reason == choice or reason.startswith(f"{choice}: ")):
            return choice, reason.removeprefix(choice).removeprefix(": ")
    return (OTHER, reason) if reason else ("", "")


def reason_text(choice: str, words: str) -> str:
    """A choice and words as one reason; empty where there is none."""
    words = " ".join(words.split())
    if choice in rules().reasons and choice != OTHER:
        return f"{choice}: {words}" if words else choice
    return words


def _reasons(rows: Iterable[ReasonRow], findings: Iterable[Finding]) -> tuple[dict[str, str], tuple[Refused, ...]]:
    """The reasons that hold for what is found now, and choices that need words and have none."""
    now = {key: found_of(group) for key, group in _grouped(findings).items()}
    held, wrong = {}, []
    for row in rows:
        if now.get(row.key) != row.found:
            continue
        text = reason_text(row.choice, row.words)
        if text:
            held[row.key] = text
        elif row.choice == OTHER:
            allowed = "a reason in words of your own"
            wrong.append(Refused(Wrong.REASON_IN_WORDS, "no words", allowed, "write the reason", f"reason.{row.key}"))
    return held, tuple(wrong)
