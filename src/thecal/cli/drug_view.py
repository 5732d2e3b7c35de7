"""One drug on the terminal: limits of every authority side by side, each with its mark of verification."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.cli.console import bullets, heading, line, marked, table
from thecal.cli.drug_facts import READ, conversion_text, conversions, limits, stability, statements

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from thecal.cli.drug_facts import Fact
    from thecal.formulary import Drug, Formulary

_COLUMNS = ["what", "says", "for whom", "kind", "authority", "read"]
_READ = {True: "yes", False: "NO"}


def show(console: Console, drug: Drug, formulary: Formulary) -> None:
    """Everything about one drug."""
    _head(console, drug)
    _facts(console, "Limits, by authority", limits(drug))
    _facts(console, "Stability", stability(drug))
    _conversions(console, drug, formulary)
    for kind, group in statements(drug):
        if group:
            heading(console, f"{kind.capitalize()}s" if kind != "handling" else "Handling")
            for s in group:
                box = "boxed warning: " if s.boxed else ""
                marked(console, "-", f"{box}{s.text} ({s.source.name}, {READ[s.source.verified]})")
    heading(console, "How to read this")
    bullets(
        console,
        [
            "An authority that is not listed has said nothing that is known here; that is never the same as no limit.",
            "read: the number was read in the source that is named. NO or NOT READ: it was not, and may be wrong.",
            "Label, consensus and caution bind a review; observed and product numbers are context only.",
        ],
    )
    line(console, f"formulary {formulary.version[:12]}")


def named(drug: Drug) -> str:
    """The name for the eye, with the code behind it where files need another word."""
    same = drug.display_name.casefold() == drug.code
    return drug.display_name if same else f"{drug.display_name} [{drug.code}]"


def _head(console: Console, drug: Drug) -> None:
    line(console, f"{named(drug)}: {drug.drug_class}; {drug.status}", style="bold")
    product = f", as {drug.approval.product}" if drug.approval.product else ""
    approved = {True: f"approved in the US{product}", False: "not approved in the US for this route", None: "unknown"}
    source = drug.approval.source
    marked(console, "approval:", f"{approved[drug.approval.us]} ({source.name}, {READ[source.verified]})")
    risk, source = drug.withdrawal, drug.withdrawal.source
    marked(console, "stopping:", f"risk {risk.risk}: {risk.text} ({source.name}, {READ[source.verified]})")
    if risk.risk.physician_must_choose:
        marked(console, "on a fault:", "there is no default; the physician chooses what the pump does, with a reason")
    bolus, source = drug.patient_bolus, drug.patient_bolus.source
    but = f"; not with {', '.join(bolus.not_with)}" if bolus.not_with else ""
    marked(console, "patient bolus:", f"{bolus.policy}{but} ({source.name}, {READ[source.verified]})")
    marked(console, "shown in:", f"{drug.dose_unit}, {drug.rate_unit}, {drug.conc_unit}")


def _facts(console: Console, title: str, facts: Iterable[Fact]) -> None:
    heading(console, title)
    found = list(facts)
    if not found:
        line(console, "Nothing is known here. That is a missing fact, not an absence of limits.")
        return
    table(
        console,
        _COLUMNS,
        [[f.subject, f.says, f.for_whom, f.kind, f.source.name, _READ[f.source.verified]] for f in found],
    )
    for note in dict.fromkeys(f"{f.subject}, {f.source.name}: {f.note}" for f in found if f.note):
        marked(console, "note:", note)


def _conversions(console: Console, drug: Drug, formulary: Formulary) -> None:
    found = conversions(drug, formulary)
    if not found:
        return
    heading(console, "Conversions: a range and a direction, never one number")
    for conversion in found:
        marked(console, "-", conversion_text(conversion))
        marked(console, "warning:", conversion.warning, indent=2)
        reported = dict.fromkeys(f"{r.source.name} ({READ[r.source.verified]})" for r in conversion.reports)
        marked(console, "reported by:", "; ".join(reported), indent=2)
