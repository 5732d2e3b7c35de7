"""A backup is whole, restores to either engine, and is tried by destroying what it was made of."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from tests.record_engines import ENGINES, new_url, raw, store_fixture, unguarded, urls_fixture  # noqa: F401 -- fixtures

from thecal.clinic.keeping import Damaged, backup, look_through, restore
from thecal.clinic.pending import RecordLedger
from thecal.clinic.record import Store, StoreError
from thecal.clinic.record.opening import address, engine_at
from thecal.clinic.record.store import Stamp
from thecal.clinic.record.tables import Audit, Base, LinkNumber, NearMiss, Patient, Person
from thecal.clinic.record.unusable import Trouble
from thecal.clinic.record.verifying import chained_tables, verify
from thecal.clinic.who import SYSTEM
from thecal.link.ledger import Pending
from thecal.link.roles import Role

if TYPE_CHECKING:
    from collections.abc import Callable

# Its lines are counted by the tests of the domain and of the pages; counting them here as well doubles its time.
pytestmark = pytest.mark.no_cover

STAMP = Stamp(SYSTEM, 1_790_000_000, 1_790_000_001, "1.0", "f1")
ONE = Pending("P1", Role.PATIENT, 5, "bolus", {"command": 5, "digest": b"\x01" * 32}, "then", 12)


def fill(store: Store, rows: int = 30) -> None:
    """Something of each kind: kept, living, referred to, with empty columns, bytes and odd text; and numbers."""
    with store.writing(STAMP, "made") as record:
        record.keep(Person(login="nora", name="Nøra\u2028", roles=["nurse"]))
        patient = record.keep(
            Patient(number="1", reference="R", given="A", family="O'N", birth_date=date(1965, 3, 9), search="a")
        )
        record.change(patient, "facts", opioid_naive=False)
    for n in range(rows):
        with store.writing(STAMP, "stopped", n=n) as record:
            record.keep(NearMiss(where="w", code=str(n), found="f", allowed="a"))
    ledger = RecordLedger(store, lambda: STAMP)
    ledger.next_command("P1", Role.PATIENT, 4)
    ledger.write_down(ONE)


def content(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """Everything that a record holds, as the database has it; the link of the restoring is left out."""
    found = {}
    for table in Base.metadata.sorted_tables:
        keys = ", ".join(f'"{column.name}"' for column in table.columns)
        order = ", ".join(f'"{column.name}"' for column in table.primary_key)
        rows = raw(store, f'SELECT {keys} FROM "{table.name}" ORDER BY {order}')  # noqa: S608 -- in a test
        found[table.name] = [tuple(bytes(v) if isinstance(v, memoryview) else v for v in row) for row in rows]
    found["audit"] = [row for row in found["audit"] if "record restored" not in str(row)]
    del found["audit_head"]
    return found


def destroy(store: Store) -> None:
    """Nothing of a record is left."""
    store.close()
    if store.dialect == "sqlite":
        Path(str(store.url.database)).write_bytes(os.urandom(5000))
        return
    engine = engine_at(store.url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    engine.dispose()


@pytest.mark.requirement("SC-22")
@pytest.mark.parametrize("to", ENGINES)
@pytest.mark.parametrize("of", ENGINES)
def test_a_record_comes_back_whole_after_the_original_was_destroyed(tmp_path: Path, of: str, to: str) -> None:
    url = new_url(of, tmp_path)
    store = Store(url)
    fill(store)
    before = content(store)
    parts: list[float] = []
    kept = backup(store, tmp_path / "backup", tell=parts.append)
    assert (kept.verified.whole, kept.verified.links, kept.version) == (True, 32, "0001")
    assert parts == sorted(parts)
    assert parts[-1] == pytest.approx(1)
    destroy(store)
    again_url = f"sqlite:///{tmp_path}/again.sqlite" if to == "sqlite" else new_url(to, tmp_path, empty=True)
    restored = restore(tmp_path / "backup", again_url, STAMP)
    assert (restored.verified.whole, restored.verified.links) == (True, 33)
    with closing(Store(again_url, make=False)) as again:
        assert content(again) == before
        with again.reading() as session:
            last = session.scalars(select(Audit).order_by(Audit.seq.desc())).first()
            assert last is not None
            assert (last.action, last.details["seq"]) == ("record restored from a backup", 32)
        # It goes on: numbers of rows from behind those that are there, guards in force, the ledger as it was.
        fill_more(again)
        with pytest.raises(IntegrityError):
            raw(again, "DELETE FROM near_miss")


def fill_more(store: Store) -> None:
    with store.writing(STAMP, "after") as record:
        record.keep(NearMiss(where="w", code="new", found="f", allowed="a"))
        record.keep(Person(login="new", name="New", roles=[]))
    ledger = RecordLedger(store, lambda: STAMP)
    assert ledger.pending("P1") == [ONE]
    assert ledger.next_command("P1", Role.PATIENT, 0) == 6
    with store.reading() as session:
        assert verify(session).whole


def test_a_backup_is_for_its_owner_alone_stands_by_itself_and_replaces_only_when_told(
    store: Store, tmp_path: Path
) -> None:
    fill(store, 3)
    path = tmp_path / "folder" / "backup"
    path.parent.mkdir()
    backup(store, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first = path.read_bytes()
    with pytest.raises(StoreError, match="which is there already") as refused:
        backup(store, path)
    assert (refused.value.code, path.read_bytes()) == (Trouble.NOT_WRITTEN, first)
    fill_more_rows(store)
    assert backup(store, path, replace=True).verified.links > 0
    assert path.read_bytes() != first
    look_through(path)
    assert [p.name for p in path.parent.iterdir()] == ["backup"]


def fill_more_rows(store: Store) -> None:
    with store.writing(STAMP, "after") as record:
        record.keep(NearMiss(where="w", code="new", found="f", allowed="a"))


def test_a_restore_goes_into_an_empty_place_alone(
    store: Store, tmp_path: Path, record_urls: Callable[..., str]
) -> None:
    fill(store, 3)
    backup(store, tmp_path / "backup")
    there = record_urls()
    with closing(Store(there)) as target:
        fill_more_rows(target)
        before = content(target)
    with pytest.raises(StoreError) as refused:
        restore(tmp_path / "backup", there, STAMP)
    assert refused.value.code is Trouble.NOT_WRITTEN
    with closing(Store(there)) as target:
        assert content(target) == before


def test_what_is_no_backup_or_not_whole_is_refused_and_nothing_is_left(
    tmp_path: Path, record_urls: Callable[..., str]
) -> None:
    store = Store(f"sqlite:///{tmp_path}/record.sqlite")
    fill(store, 300)
    good = tmp_path / "good"
    backup(store, good)
    cases = {
        "absent": None,
        "noise": b"no database at all" * 500,
        "empty": b"",
        "cut": good.read_bytes()[: good.stat().st_size // 2],
        "other": _of_another_program(tmp_path / "other-program"),
    }
    for name, content_ in cases.items():
        if content_ is not None:
            (tmp_path / name).write_bytes(content_)
        url = record_urls(empty=True)
        with pytest.raises(StoreError, match=r"; allowed: .*; next: "):
            restore(tmp_path / name, url, STAMP)
        assert is_empty(url)
    url = record_urls(empty=True)
    changed = good.read_bytes().replace(b"O'N", b"O'M")
    (tmp_path / "changed").write_bytes(changed)
    with pytest.raises(Damaged, match=r"2 things .* the first: act 2, which is not") as refused:
        restore(tmp_path / "changed", url, STAMP)
    assert refused.value.verified.count == 2
    assert is_empty(url)
    assert restore(tmp_path / "changed", url, STAMP, anyway=True).verified.count == 2
    store.close()


def _of_another_program(path: Path) -> bytes:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE other (x)")
        db.commit()
    return path.read_bytes()


def is_empty(url: str) -> bool:
    """Whether nothing is at an address."""
    if url.startswith("sqlite"):
        return not Path(url.removeprefix("sqlite:///")).exists()
    engine = engine_at(address(url))
    with engine.connect() as connection:
        count = connection.exec_driver_sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").scalar_one()
    engine.dispose()
    return bool(count == 0)


def test_a_record_that_was_tampered_with_is_backed_up_only_when_told(store: Store, tmp_path: Path) -> None:
    fill(store, 3)
    unguarded(store, "near_miss", "UPDATE near_miss SET code = 'x' WHERE code = '1'")
    with pytest.raises(Damaged, match="thecal clinic audit verify"):
        backup(store, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()
    assert backup(store, tmp_path / "backup", anyway=True).verified.count == 1


def test_a_backup_is_of_one_instant_while_others_write(store: Store, tmp_path: Path) -> None:
    fill(store, 5)
    leave = threading.Event()

    def write() -> None:
        while not leave.is_set():
            fill_more_rows(store)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for n in range(3):
            assert backup(store, tmp_path / f"backup-{n}").verified.whole
    finally:
        leave.set()
        writer.join()


def test_every_table_is_in_a_backup(store: Store, tmp_path: Path) -> None:
    with store.noting() as session:
        session.add(LinkNumber(serial="P", role="patient", newest=3))
    backup(store, tmp_path / "backup")
    with closing(sqlite3.connect(tmp_path / "backup")) as db:
        names = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert names == {table.name for table in Base.metadata.sorted_tables} | {"alembic_version"}
        assert db.execute("SELECT newest FROM link_number").fetchall() == [(3,)]
    assert set(chained_tables()) < names
