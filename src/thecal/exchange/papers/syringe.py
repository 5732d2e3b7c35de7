"""The papers of a syringe: its label, and the worksheet that it was made by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thecal.exchange.papers.paper import (
    Block,
    Fact,
    Facts,
    Heading,
    Paper,
    Paragraph,
    Person,
    Sheet,
    Signatures,
    Symbol,
    Table,
)
from thecal.therapy.refusal import day_text

if TYPE_CHECKING:
    from thecal.clinic.pharmacy.said import SaidLabelLine, SaidLine, SaidSheet

ROUTE = "For the intrathecal pump only"
FREE = "Preservative-free"
UNKNOWN = "not stated"


@dataclass(frozen=True, slots=True)
class SyringeFacts:
    """What the papers of a syringe say beside its worksheet, as text; days have their month spelled."""

    person: Person
    clinic: str
    made: str
    code: str
    diluent: str
    prescriber: str
    pharmacist: str
    second: str
    made_on: str
    beyond_use: str
    needed_by: str


def label_paper(facts: SyringeFacts, lines: tuple[SaidLabelLine, ...], volume: str) -> Paper:
    """The label: of each drug total amount per total volume first (rule N7), then strength; code in two forms."""
    drugs = [
        fact
        for line in lines
        for fact in (Fact(f"{line.name} [{line.drug_class}]", line.main, main=True), Fact("strength", line.strength))
    ]
    rest = (
        Fact("in the syringe", volume),
        Fact("diluent", facts.diluent),
        Fact("beyond use", facts.beyond_use or UNKNOWN),
        Fact("made", facts.made_on),
        Fact("prescriber", facts.prescriber or UNKNOWN),
        Fact("pharmacists", ", ".join(p for p in (facts.pharmacist, facts.second) if p) or UNKNOWN),
    )
    blocks: tuple[Block, ...] = (
        Facts(tuple(drugs)),
        Paragraph(f"{ROUTE}. {FREE}.", strong=True),
        Facts(rest),
        Symbol(facts.code, facts.code),
    )
    title = " + ".join(line.name for line in lines)
    return Paper(title, facts.clinic, facts.made, blocks, facts.person, Sheet.LABEL)


def worksheet_paper(
    facts: SyringeFacts, sheet: SaidSheet, notes: tuple[tuple[str, str, str], ...], size: Sheet
) -> Paper:
    """The worksheet: what to take, what it adds up to, and lines for the hands that did it."""
    blocks: tuple[Block, ...] = (
        Facts(
            (
                Fact("volume", sheet.volume),
                Fact("overfill", sheet.overfill),
                Fact("total to make", sheet.total, main=True),
                Fact("needed by", facts.needed_by),
                Fact("beyond use", facts.beyond_use or UNKNOWN),
                Fact("beyond use by", sheet.beyond_use_source or UNKNOWN),
            )
        ),
        _take(sheet),
        Paragraph("Powder is counted as taking no volume: the diluent is made up to the mark."),
        Heading("pH, osmolality and handling"),
        Facts((Fact("pH of the mixture", sheet.ph or UNKNOWN), Fact("osmolality", sheet.osmolality or UNKNOWN))),
        Table("What the formulary says", ("drug", "note", "by"), notes),
        *((Paragraph(sheet.note),) if sheet.note else ()),
        Signatures((f"made by: {sheet.by_name}", f"second check: {facts.second or 'not done yet'}")),
    )
    return Paper("Compounding worksheet", facts.clinic, facts.made, blocks, facts.person, size)


def _take(sheet: SaidSheet) -> Table:
    diluent = (f"diluent: {sheet.diluent_product}", "", "", sheet.diluent_lot, "", "", f"{sheet.diluent} to the mark")
    check = ("check sum of all volumes", "", "", "", "", "", sheet.check_sum)
    return Table(
        "What to take",
        ("take", "drug in it", "stock", "lot", "expires", "weigh", "draw"),
        (*(_line(line) for line in sheet.lines), diluent, check),
        (1, 5, 6),
    )


def _line(line: SaidLine) -> tuple[str, ...]:
    expires = day_text(line.expires)
    return (f"{line.name} ({line.product})", line.amount, line.stock, line.lot, expires, line.weigh, line.draw)
