"""``thecal formulary``: what may be given, as facts with their sources; nothing here is a recommendation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thecal.cli import refusals
from thecal.cli.answer import Answer
from thecal.cli.drug_facts import drug_json, source_json
from thecal.cli.drug_view import named, show
from thecal.cli.exits import Exit
from thecal.formulary import UnknownDrug, load

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from thecal.formulary import Drug, Formulary


def list_drugs(site: Path | None) -> Answer:
    """Every drug in one line."""
    formulary = load(site)
    body = {**_stamp(formulary), "drugs": [_row_json(d) for d in formulary.drugs.values()]}
    return Answer(Exit.GO_ON, body, lambda console: _list(console, formulary))


def show_drug(text: str, site: Path | None) -> Answer:
    """Everything about one drug, found by its code or by a name that means one drug only."""
    formulary = load(site)
    found = formulary.find(text)
    exact = [d for d in found if text.strip().casefold() in (d.code, d.name.casefold())]
    if len(exact) != 1 and len(found) != 1:
        return _unknown(text, found, formulary)
    drug = exact[0] if exact else found[0]
    body = {**_stamp(formulary), "drug": drug_json(drug, formulary)}
    return Answer(Exit.GO_ON, body, lambda console: show(console, drug, formulary))


def check_site(site: Path) -> Answer:
    """A site's directory; what is wrong in it comes out as a refusal."""
    formulary = load(site)
    facts = sum(1 for d in formulary.drugs.values() if d.approval.source.from_site)
    body = {**_stamp(formulary), "drugs": len(formulary.drugs), "approvals_of_site": facts}

    def say(console: Console) -> None:
        from thecal.cli.console import bullets, line, unbroken

        unbroken(console, f"{site}: can be used. {len(formulary.drugs):,} drugs in all.", style="bold")
        bullets(console, [f"laid over ours: {name}" for name in formulary.site_files])
        line(console, f"version {formulary.version}")

    return Answer(Exit.GO_ON, body, say)


def show_version(site: Path | None) -> Answer:
    """The version stamp alone."""
    formulary = load(site)

    def say(console: Console) -> None:
        from thecal.cli.console import bullets, line

        line(console, f"formulary {formulary.version}")
        bullets(console, [f"laid over ours: {name}" for name in formulary.site_files])

    return Answer(Exit.GO_ON, _stamp(formulary), say)


def _unknown(text: str, found: tuple[Drug, ...], formulary: Formulary) -> Answer:
    if found:
        allowed = "write one of: " + ", ".join(d.code for d in found)
        return refusals.of_words("many-drugs", "formulary", f'"{text}", which means several drugs', allowed)
    near = _near(text, formulary)
    allowed = f"did you mean {' or '.join(near)}?" if near else "one of: " + ", ".join(formulary.drugs)
    return refusals.of_words("unknown-drug", "formulary", f'unknown drug "{text}"', allowed)


def _near(text: str, formulary: Formulary) -> tuple[str, ...]:
    try:
        return (formulary.drug(text).code,)
    except UnknownDrug as unknown:
        return unknown.near


def _stamp(formulary: Formulary) -> dict[str, Any]:
    return {"formulary": {"version": formulary.version, "site_files": list(formulary.site_files)}}


def _row_json(drug: Drug) -> dict[str, Any]:
    return {
        "code": drug.code,
        "name": drug.display_name,
        "class": str(drug.drug_class),
        "status": str(drug.status),
        "withdrawal_risk": str(drug.withdrawal.risk),
        "dose_unit": drug.rate_unit,
        "concentration_unit": drug.conc_unit,
        "approval": source_json(drug.approval.source),
    }


def _list(console: Console, formulary: Formulary) -> None:
    from thecal.cli.console import line, table

    rows = [
        [named(d), str(d.drug_class), str(d.status), str(d.withdrawal.risk), d.rate_unit]
        for d in formulary.drugs.values()
    ]
    table(console, ["drug", "class", "status", "if stopped", "dose in"], rows)
    line(console, "Facts with their sources, not recommendations: thecal formulary show DRUG")
    line(console, f"formulary {formulary.version[:12]}")
