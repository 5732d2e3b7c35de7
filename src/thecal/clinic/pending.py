"""The link's ledger in the clinic's record: every command before it is sent, and what became of it (``link.ledger``).

Commands and outcomes are rows of the account, each named by a link of the audit chain. What a method did is durable
when it returns; one that cannot make it so raises StoreError, and nothing is sent.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from thecal.clinic.record.tables import LinkCommand, LinkNumber, LinkOutcome
from thecal.link.catalogue import MOST_ID
from thecal.link.ledger import Outcome, Pending
from thecal.link.roles import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

    from thecal.clinic.record import Store
    from thecal.clinic.record.store import Stamp
    from thecal.link.ledger import Value


class RecordLedger:
    """``link.ledger.Ledger`` on the tables of a record. ``stamp`` says who writes, when, and in which version.

    One process at a time: the link's lock sees to that, not this class. The store belongs to whoever opened it.
    """

    def __init__(self, store: Store, stamp: Callable[[], Stamp]) -> None:
        self._store = store
        self._stamp = stamp

    # link.ledger.Ledger

    def next_command(self, serial: str, role: Role, newest_at_pump: int) -> int:
        """A number above every one given out before for this pump and role, and above ``newest_at_pump``."""
        with self._store.noting() as session:
            row = session.get(LinkNumber, (serial, role.value))
            number = max(newest_at_pump, row.newest if row else 0) + 1
            if number > MOST_ID:
                raise ValueError(f"command number {number}; allowed: up to {MOST_ID}")
            if row is None:
                session.add(LinkNumber(serial=serial, role=role.value, newest=number))
            else:
                row.newest = number
        return number

    def write_down(self, pending: Pending) -> None:
        """Keep a command that is about to be sent; ValueError where its number is already written down."""
        if pending.outcome is not Outcome.NOT_KNOWN:
            raise ValueError(f"command {pending.command} has an outcome before it was sent")
        with self._store.writing(self._stamp(), "command written down", **_about(pending)) as record:
            if _command(record.session, pending) is not None:
                raise ValueError(f"command {pending.command} of {pending.role} is written down already")
            record.keep(
                LinkCommand(
                    serial=pending.serial,
                    role=pending.role.value,
                    command=pending.command,
                    path=pending.path,
                    fields=_packed(pending.fields),
                    written_utc=pending.written_utc,
                    log_records=pending.log_records,
                )
            )

    def pending(self, serial: str) -> list[Pending]:
        """Every command of this pump whose outcome is not known, in the order written."""
        return self._read(_commands(serial).where(LinkOutcome.row.is_(None)))

    def resolve(self, resolved: Pending) -> None:
        """Keep what became of a command; ValueError where it is not written down, or its outcome is known."""
        if resolved.outcome is Outcome.NOT_KNOWN:
            raise ValueError(f"command {resolved.command} has no outcome yet")
        details = {**_about(resolved), "outcome": resolved.outcome.value}
        with self._store.writing(self._stamp(), "command resolved", **details) as record:
            command = _command(record.session, resolved)
            if command is None:
                raise ValueError(f"command {resolved.command} of {resolved.role} was never written down")
            if record.get(LinkOutcome, command.row) is not None:
                raise ValueError(f"command {resolved.command} of {resolved.role} is resolved already")
            record.keep(
                LinkOutcome(
                    row=command.row,
                    outcome=resolved.outcome.value,
                    answer=resolved.answer,
                    wait_s=resolved.wait_s,
                    said=resolved.said,
                    resolved_utc=resolved.resolved_utc,
                )
            )

    def history(self, serial: str) -> list[Pending]:
        """Every command of this pump that was ever written down, in the order written."""
        return self._read(_commands(serial))

    def _read(self, asked: Select[LinkCommand, LinkOutcome]) -> list[Pending]:
        with self._store.reading() as session:
            return [_pending(command, outcome) for command, outcome in session.execute(asked)]


def _commands(serial: str) -> Select[LinkCommand, LinkOutcome]:
    joined = select(LinkCommand, LinkOutcome).outerjoin(LinkOutcome, LinkOutcome.row == LinkCommand.row)
    return joined.where(LinkCommand.serial == serial).order_by(LinkCommand.row)


def _command(session: Session, pending: Pending) -> LinkCommand | None:
    return session.scalars(
        select(LinkCommand).where(
            LinkCommand.serial == pending.serial,
            LinkCommand.role == pending.role.value,
            LinkCommand.command == pending.command,
        )
    ).one_or_none()


def _about(pending: Pending) -> dict[str, Any]:
    return {
        "serial": pending.serial,
        "role": pending.role.value,
        "command": pending.command,
        "path": pending.path,
    }


def _pending(command: LinkCommand, outcome: LinkOutcome | None) -> Pending:
    written = Pending(
        *(command.serial, Role(command.role), command.command, command.path, _unpacked(command.fields)),
        *(command.written_utc, command.log_records),
    )
    if outcome is None:
        return written
    return replace(
        written,
        outcome=Outcome(outcome.outcome),
        answer=outcome.answer,
        wait_s=outcome.wait_s,
        said=outcome.said,
        resolved_utc=outcome.resolved_utc,
    )


def _packed(fields: Mapping[str, Value]) -> dict[str, Any]:
    """Fields as a structure: bytes as {"bytes": hex}."""
    return {name: {"bytes": value.hex()} if isinstance(value, bytes) else value for name, value in fields.items()}


def _unpacked(fields: Mapping[str, Any]) -> dict[str, Value]:
    return {name: bytes.fromhex(v["bytes"]) if isinstance(v, dict) else v for name, v in fields.items()}
