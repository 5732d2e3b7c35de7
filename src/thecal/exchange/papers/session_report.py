"""The report of a session at a pump (rule C7): everything that a colleague, an auditor or a payer asks of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.exchange.papers.log_words import folded
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
    Table,
)

if TYPE_CHECKING:
    from thecal.clinic.session_account import Account

NONE = "none"
SIMULATION = (
    "SIMULATION: this report is about a virtual pump. Numbers are rounded for the eye; the record keeps every digit."
)


def session_report(person: Person, account: Account, clinic: str, made: str, size: Sheet) -> Paper:
    """The paper of what a session found, changed and left behind."""
    blocks: tuple[Block, ...] = (
        Paragraph(SIMULATION, strong=True),
        _facts(account.session),
        Heading("Pump and catheter"),
        _facts(account.device),
        Heading("Medication in the reservoir"),
        _table("Drugs", ("drug", "strength"), account.mixture, "what is in the reservoir is not known", (1,)),
        Heading("Program"),
        *(Paragraph(line) for line in account.sentence),
        _table(
            "Settings, old and new", ("setting", "old", "new", "change"), account.settings, "no program was confirmed"
        ),
        Heading("Reservoir"),
        _facts(account.reservoir),
        Heading("Refill date"),
        _facts(account.refill),
        Heading("Alarms and events since the visit before"),
        _table("Log of the pump", ("when", "what"), folded(account.log), "the log has nothing since then"),
        Heading("Checks"),
        _table(
            "Second entries", ("what", "first", "second", "result"), account.checks, "no second entry in this session"
        ),
        _table("Limits that were passed", ("finding", "found", "allowed", "reason"), account.passed, "none was passed"),
        Signatures((f"done by: {account.done_by}", "seen by:")),
    )
    return Paper("Session report", clinic, made, blocks, person, size)


def _facts(rows: tuple[tuple[str, str], ...]) -> Facts:
    return Facts(tuple(Fact(name, value or NONE) for name, value in rows))


def _table(
    caption: str,
    head: tuple[str, ...],
    rows: tuple[tuple[str, ...], ...],
    nothing: str,
    numbers: tuple[int, ...] = (),
) -> Block:
    """A table, or the words that there is nothing to put into it: an empty table says neither."""
    return Table(caption, head, rows, numbers) if rows else Paragraph(f"{caption}: {nothing}.")
