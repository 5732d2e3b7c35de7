"""A record that cannot be used says so in words, and never leaves half of anything."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError
from tests.pg_proxy import Door
from tests.record_engines import new_url, postgres, raw, store_fixture, urls_fixture  # noqa: F401 -- fixtures

from thecal.clinic.record import Store, StoreError, opening
from thecal.clinic.record.store import Stamp
from thecal.clinic.record.tables import LinkNumber, NearMiss
from thecal.clinic.record.unusable import Trouble
from thecal.clinic.record.verifying import verify
from thecal.clinic.who import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STAMP = Stamp(SYSTEM, 1, 2, "s", "f")
NOBODY = 65_534


def keep(store: Store, code: str = "code") -> None:
    with store.writing(STAMP, "kept") as record:
        record.keep(NearMiss(where="w", code=code, found="f", allowed="a"))


def count(store: Store) -> int:
    with store.reading() as session:
        assert verify(session).whole
        return session.scalars(select(func.count()).select_from(NearMiss)).one()


def refused(url: str, *, make: bool = True) -> StoreError:
    with pytest.raises(StoreError, match=r"^found .*; allowed: .*; next: .*$") as found:
        Store(url, make=make)
    return found.value


# A file


@pytest.mark.about_sqlite("who may read its file")
def test_a_record_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "record"
    with closing(Store(f"sqlite:///{path}")) as store:
        keep(store)
        assert {stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()} == {0o600}
    path.chmod(0o644)
    with closing(Store(f"sqlite:///{path}")) as store:
        keep(store)
        assert {stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()} == {0o600}


@pytest.mark.about_sqlite("a file that is not there")
def test_a_record_that_is_not_there_is_not_made_unasked(tmp_path: Path) -> None:
    wrong = refused(f"sqlite:///{tmp_path}/record", make=False)
    assert (wrong.code, list(tmp_path.iterdir())) == (Trouble.ABSENT, [])
    assert refused(f"sqlite:///{tmp_path}/no/folder/record").code is Trouble.READ_ONLY
    assert refused(f"sqlite:///{tmp_path}", make=False).code is Trouble.ABSENT


def test_a_database_without_a_record_is_not_made_one_unasked() -> None:
    url = postgres().url(postgres().make())
    wrong = refused(url, make=False)
    assert (wrong.code, "thecal clinic init" in wrong.then) == (Trouble.ABSENT, True)
    Store(url).close()
    Store(url, make=False).close()


@pytest.mark.about_sqlite("a file that is none of its own")
def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "record"
    path.write_bytes(b"no database at all" * 500)
    assert refused(f"sqlite:///{path}").code is Trouble.NOT_OURS
    assert path.read_bytes() == b"no database at all" * 500


@pytest.mark.about_sqlite("a damaged file")
def test_a_damaged_file_is_told_wherever_it_shows(tmp_path: Path) -> None:
    path = tmp_path / "record"
    with closing(Store(f"sqlite:///{path}")) as store:
        for n in range(400):
            keep(store, str(n))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] + os.urandom(len(whole) // 4) + whole[len(whole) * 3 // 4 :])
    with (
        pytest.raises(StoreError, match="next: restore a backup") as found,
        closing(Store(f"sqlite:///{path}")) as store,
        store.reading() as session,
    ):
        verify(session)
    assert found.value.code is Trouble.DAMAGED
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    assert refused(f"sqlite:///{path}").code is Trouble.DAMAGED


READER = """
import json, os, sys
from thecal.clinic.record import Store, StoreError
from thecal.clinic.record.store import Stamp
from thecal.clinic.record.tables import LinkNumber, NearMiss
from thecal.clinic.who import SYSTEM
if os.getuid() == 0:
    os.setgid(int(sys.argv[2])), os.setuid(int(sys.argv[2]))
try:
    store = Store(sys.argv[1])
    with store.writing(Stamp(SYSTEM, 1, 2, "s", "f"), "kept") as record:
        record.keep(NearMiss(where="w", code="c", found="f", allowed="a"))
except StoreError as wrong:
    print(json.dumps([wrong.code, str(wrong)]))
"""


@pytest.mark.about_sqlite("who may write its file")
def test_a_file_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    """As another user, who may read it and no more: for root, rights do not hold."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "record"
        with closing(Store(f"sqlite:///{path}")) as store:
            keep(store)
        folder.chmod(0o555)
        path.chmod(0o444)
        ran = subprocess.run(
            [sys.executable, "-c", READER, f"sqlite:///{path}", str(NOBODY)], capture_output=True, text=True, check=True
        )
        code, said = json.loads(ran.stdout)
        assert code == Trouble.READ_ONLY
        assert "next: give the owner of this process the right to write" in said
        folder.chmod(0o755)


# Waiting for another writer


@contextmanager
def held(url: str) -> Iterator[None]:
    """Somebody else writes, and does not come to an end."""
    with closing(Store(url)) as other:
        entered, leave = threading.Event(), threading.Event()

        def hold() -> None:
            with other.noting():
                entered.set()
                leave.wait()

        holder = threading.Thread(target=hold)
        holder.start()
        entered.wait()
        try:
            yield
        finally:
            leave.set()
            holder.join()


def test_a_writer_waits_and_is_told_where_it_lasts(
    record_urls: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = record_urls()
    monkeypatch.setattr(opening, "BUSY_S", 0.4)
    with closing(Store(url)) as store:
        with held(url):
            began = time.monotonic()
            with pytest.raises(StoreError, match="a record that is busy") as found:
                keep(store)
            assert 0.3 < time.monotonic() - began < 5
            assert found.value.code is Trouble.BUSY
            assert count(store) == 0  # and who looks does not wait
        keep(store)
        assert count(store) == 1


def test_a_writer_gets_its_turn_when_the_other_is_done(record_urls: Callable[..., str]) -> None:
    url = record_urls()
    with closing(Store(url)) as store:
        leaving = held(url)
        leaving.__enter__()
        threading.Timer(0.4, lambda: leaving.__exit__(None, None, None)).start()
        keep(store)
        assert count(store) == 1


def test_a_crowd_that_looks_holds_nobody_up(store: Store) -> None:
    looks = [store.reading() for _ in range(20)]
    for look in looks:
        look.__enter__().scalars(select(NearMiss)).all()
    keep(store)
    for look in looks:
        look.__exit__(None, None, None)
    assert count(store) == 1


def test_what_a_refused_row_holds_is_in_no_message(store: Store) -> None:
    row = {"digest": "Ada Lindqvist", "begun": None}
    with pytest.raises(IntegrityError) as wrong, store.noting() as session:
        session.execute(text("INSERT INTO sign_in (token_digest, person_id, begun_s) VALUES (:digest, 1, :begun)"), row)
    for said in (str(wrong.value), str(wrong.value.orig)):
        assert "null" in said.lower() and "Ada Lindqvist" not in said


# PostgreSQL goes away


def test_a_database_that_does_not_answer_is_told_without_its_password(tmp_path: Path) -> None:
    wrong = refused(f"postgresql+psycopg://me:geheim@/clinic?host={tmp_path}")
    assert (wrong.code, "geheim" in str(wrong)) == (Trouble.NOT_REACHED, False)
    wrong = refused(postgres().url("no_such_database"))
    assert wrong.code is Trouble.NOT_REACHED


@pytest.fixture
def door() -> Iterator[Door]:
    found = Door(postgres().host)
    yield found
    found.close()


@pytest.mark.parametrize("heard", ["before", "after"])
def test_a_commit_whose_answer_was_lost_is_looked_up(door: Door, heard: str) -> None:
    """Whether the database took it up cannot be seen from outside: it is found out, and told as it was."""
    with closing(Store(door.url(postgres().with_tables()))) as store:
        keep(store, "first")
        door.shut = heard
        if heard == "after":
            keep(store, "second")
        else:
            with pytest.raises(StoreError) as found:
                keep(store, "second")
            assert found.value.code is Trouble.NOT_REACHED
        assert door.shut_count == 1
        assert count(store) == (2 if heard == "after" else 1)
        keep(store, "third")


def test_a_commit_that_cannot_be_looked_up_is_not_known(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thecal.clinic.record.store.TRIES", 2)
    with closing(Store(door.url(postgres().with_tables()))) as store:
        keep(store, "first")
        door.shut, door.gone = "after", True
        with pytest.raises(StoreError, match="look whether what you entered is there") as found:
            keep(store, "second")
        assert found.value.code is Trouble.NOT_KNOWN
        door.gone = False
        assert count(store) == 2
        door.shut = "before"
        with pytest.raises(StoreError) as found, store.noting() as session:
            session.add(LinkNumber(serial="P", role="patient", newest=1))
        assert found.value.code is Trouble.NOT_KNOWN


def test_a_database_that_comes_back_in_time_is_asked_what_became_of_it(door: Door) -> None:
    with closing(Store(door.url(postgres().with_tables()))) as store:
        keep(store, "first")
        door.shut, door.gone = "after", True
        threading.Timer(0.6, setattr, (door, "gone", False)).start()
        keep(store, "second")
        assert count(store) == 2


def test_a_connection_that_was_cut_between_transactions_is_made_anew() -> None:
    with closing(Store(postgres().url(postgres().with_tables()))) as store:
        keep(store)
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ? AND pid <> pg_backend_pid()"
        raw(store, cut, str(store.url.database))
        keep(store)
        assert count(store) == 2


def test_a_connection_that_is_cut_in_a_transaction_gives_it_up() -> None:
    database = postgres().with_tables()
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ? AND pid <> pg_backend_pid()"
    with closing(Store(postgres().url(database))) as store, closing(Store(postgres().url(database))) as other:
        with pytest.raises(StoreError) as found, store.writing(STAMP, "kept") as record:
            record.keep(NearMiss(where="w", code="1", found="f", allowed="a"))
            raw(other, cut, database)
            record.keep(NearMiss(where="w", code="2", found="f", allowed="a"))
        assert found.value.code is Trouble.NOT_REACHED
        keep(store)
        assert count(store) == 1


# The disk is full

FILLER = """
import resource, sys
from thecal.clinic.record import Store, StoreError
from thecal.clinic.record.store import Stamp
from thecal.clinic.record.tables import LinkNumber, NearMiss
from thecal.clinic.who import SYSTEM
store = Store(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
for n in range(10**6):
    try:
        with store.writing(Stamp(SYSTEM, 1, 2, "s", "f"), "kept") as record:
            record.keep(NearMiss(where="a", code=str(n), found="f" * 3000, allowed="a"))
            record.keep(NearMiss(where="b", code=str(n), found="f" * 3000, allowed="a"))
    except StoreError as wrong:
        print("stopped", wrong.code, wrong, flush=True)
        break
    print("written", n, flush=True)
"""


@pytest.mark.about_sqlite("how large its files may grow")
@pytest.mark.parametrize("room", [600_000, 654_321, 1_000_000])
def test_a_full_disk_is_told_and_leaves_nothing_half_written(tmp_path: Path, room: int) -> None:
    url = f"sqlite:///{tmp_path}/record"
    Store(url).close()
    ran = subprocess.run([sys.executable, "-c", FILLER, url, str(room)], capture_output=True, text=True, check=True)
    *written, stopped = ran.stdout.splitlines()
    assert stopped.startswith("stopped full or failing found a record that is full or failing")
    assert "next: make room on the disk" in stopped
    assert ran.stderr == ""
    assert written
    with closing(Store(url)) as store:
        assert count(store) == 2 * len(written)
        keep(store, "there is room again")
        assert count(store) == 2 * len(written) + 1
    with closing(sqlite3.connect(tmp_path / "record")) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.about_sqlite("the most pages of a file")
def test_a_record_that_may_grow_no_more_is_told(tmp_path: Path) -> None:
    with closing(Store(new_url("sqlite", tmp_path))) as store:
        ((pages,),) = raw(store, "PRAGMA page_count")
        with store.engine.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 3}")
            connection.rollback()
        with pytest.raises(StoreError, match="database or disk is full") as found:
            for n in range(1000):
                keep(store, f"{n}" * 500)
        assert found.value.code is Trouble.FULL
        assert count(store) >= 0
