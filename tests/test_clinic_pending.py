"""The ledger in the record: what it shares with any other is in test_rig_ledger; here is what only a record adds."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from tests.record_engines import raw, store_fixture, unguarded, urls_fixture  # noqa: F401 -- fixtures

from thecal.clinic.pending import RecordLedger
from thecal.clinic.record import Store, StoreError
from thecal.clinic.record.store import Stamp
from thecal.clinic.record.tables import Audit
from thecal.clinic.record.verifying import Tampering, verify
from thecal.clinic.who import SYSTEM
from thecal.link.ledger import Outcome, Pending
from thecal.link.roles import Role
from thecal.rig.home import Home
from thecal.rig.ledger import LedgerError, SqliteLedger
from thecal.rig.service import LinkService

if TYPE_CHECKING:
    from pathlib import Path

ONE = Pending("P1", Role.PATIENT, 5, "bolus", {"command": 5, "digest": b"\x00\xff", "sure": True, "w": "x"}, "then", 12)


def ledger_of(store: Store) -> RecordLedger:
    return RecordLedger(store, lambda: Stamp(SYSTEM, 100, 200, "s", "f"))


def test_commands_and_outcomes_are_part_of_the_account(store: Store) -> None:
    ledger = ledger_of(store)
    assert ledger.next_command("P1", Role.PATIENT, 4) == 5
    ledger.write_down(ONE)
    with store.reading() as session:
        links = session.scalars(select(Audit)).all()
        assert [(link.action, link.details["command"], link.at_utc_s) for link in links] == [
            ("command written down", 5, 100)
        ]
        assert verify(session).whole
    unguarded(store, "link_command", "UPDATE link_command SET path = 'stop'")
    with store.reading() as session:
        assert [f.code for f in verify(session).findings] == [Tampering.ROW_CHANGED]


@pytest.mark.parametrize(
    "edit",
    ["UPDATE link_command SET path = 'x'", "DELETE FROM link_command", "UPDATE link_outcome SET answer = 1",
     "DELETE FROM link_outcome", "UPDATE link_number SET newest = newest - 1", "DELETE FROM link_number"],
)  # fmt: skip
@pytest.mark.requirement("P12")
def test_the_database_itself_refuses_to_edit_the_ledger(store: Store, edit: str) -> None:
    ledger = ledger_of(store)
    ledger.next_command("P1", Role.PATIENT, 4)
    ledger.write_down(ONE)
    ledger.resolve(
        Pending("P1", Role.PATIENT, 5, "bolus", ONE.fields, "then", 12, outcome=Outcome.GRANTED, resolved_utc="later")
    )
    with pytest.raises(IntegrityError):
        raw(store, edit)


@pytest.mark.about_sqlite("its own lock")
def test_a_ledger_that_cannot_write_raises_and_has_written_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/record.sqlite"
    with closing(Store(url)) as store:
        store.engine.dispose()
        with store.engine.connect() as holding:
            holding.exec_driver_sql("ROLLBACK")
            holding.exec_driver_sql("BEGIN IMMEDIATE")
            with closing(Store(url)) as other, other.engine.connect() as quick:
                quick.exec_driver_sql("PRAGMA busy_timeout = 10")
                quick.commit()
                quick.close()
                with pytest.raises(StoreError, match="a record that is busy"):
                    ledger_of(other).write_down(ONE)
            holding.exec_driver_sql("ROLLBACK")
        assert ledger_of(store).history("P1") == []


@pytest.mark.requirement("P10")
def test_a_link_service_uses_the_ledger_that_it_is_given_and_no_other_does_beside_it(
    tmp_path: Path, store: Store
) -> None:
    home = Home(tmp_path / "home").ready()
    ledger = ledger_of(store)
    ledger.write_down(ONE)

    async def told() -> object:
        service = LinkService(home, ledger=ledger)
        try:
            return await service.answer({"operation": "history", "serial": "P1"})
        finally:
            await service.close()

    found = asyncio.run(told())
    assert isinstance(found, dict)
    assert [command["command"] for command in found["commands"]] == [5]
    assert ledger.history("P1") == [ONE]  # the store is still open: it is not the service's
    with pytest.raises(LedgerError, match="kept in a clinic's record"):
        LinkService(home)
    asyncio.run(told())


@pytest.mark.requirement("P10")
def test_a_home_with_unresolved_commands_of_its_own_keeps_its_own_ledger(tmp_path: Path, store: Store) -> None:
    home = Home(tmp_path / "home").ready()
    home.pump("P1").mkdir()
    with closing(SqliteLedger(home.link / "ledger.sqlite")) as own:
        own.write_down(ONE)
    with pytest.raises(LedgerError, match="whose outcome is not known"):
        LinkService(home, ledger=ledger_of(store))

    async def leave() -> None:
        await LinkService(home).close()

    asyncio.run(leave())
