"""A refill on PostgreSQL whose disk fills up, or whose server is started again, in the middle of its writes.

The disk is real: a file system of a few MB that is mounted for the test. Where this machine mounts none for whoever
runs the tests, they are skipped and say so.
"""

from __future__ import annotations

import errno
import subprocess
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text
from tests.record_engines import Postgres
from tests.refilling_world import refill_clinic, running
from tests.test_clinic_refilling_faults import ended, go_on, started, whole

from thecal.clinic.record import StoreError
from thecal.clinic.record.tables import Session
from thecal.clinic.record.unusable import Trouble
from thecal.clinic.record.verifying import verify
from thecal.clinic.session import close

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi.testclient import TestClient
    from tests.clinic_world import ClinicWorld

    from thecal.clinic.record import Record
    from thecal.clinic.record.tables import Patient

# Its lines are counted by the tests of the domain and of the pages; counting them here as well doubles its time.
pytestmark = pytest.mark.no_cover

DISK_MB = 200
WRITES = 15
"""Writes of a refill, as the tests of its faults count them."""
A_PAGE_MORE = text("CREATE TABLE a_page_more AS SELECT repeat(md5('a page'), 300) AS filled")
A_FILE_MORE = text("SELECT pg_switch_wal()")
"""A row may still fit where there is room in a page, and a commit where there is room in the log that is written ahead:
these let the same transaction need a new one."""


class Disk:
    """A file system of its own that can be filled to the last byte, and emptied again."""

    def __init__(self, megabytes: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="thecal-disk-"))
        asked = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "tmpfs", str(self.folder)]
        try:
            ran = subprocess.run(asked, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            pytest.skip("no full disk can be made here: there is no mount")
        if ran.returncode != 0:
            self.folder.rmdir()
            pytest.skip(f"no full disk can be made here: {ran.stderr.strip()}")
        self._filler = self.folder / "filler"

    def fill(self) -> None:
        """Leave no byte."""
        with self._filler.open("ab", buffering=0) as file:
            for size in (1 << 20, 1 << 12):
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError as wrong:
                    assert wrong.errno == errno.ENOSPC

    def make_room(self) -> None:
        """As somebody does who was called."""
        self._filler.unlink(missing_ok=True)

    def end(self) -> None:
        """Take it away, with what is on it."""
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)
        self.folder.rmdir()


class Broken:
    """Does something to the database in the n-th write of a clinic, before that write is committed; once."""

    def __init__(self, at: int, do: Callable[[Record], None]) -> None:
        self.at, self.do, self.writes = at, do, 0

    @contextmanager
    def within(self, world: ClinicWorld) -> Iterator[None]:
        writing = world.house.writing

        @contextmanager
        def broken(*args: Any, **fields: Any) -> Iterator[Any]:
            self.writes += 1
            mine = self.writes == self.at
            with writing(*args, **fields) as record:
                yield record
                if mine:
                    self.do(record)

        world.house.writing = broken  # type: ignore[method-assign]
        try:
            yield
        finally:
            del world.house.writing


@dataclass
class Clinic:
    """A clinic in which a pump runs, the PostgreSQL that its record lives on, and the disk with all that one has."""

    world: ClinicWorld
    patient: Patient
    server: Postgres
    disk: Disk

    def breaks_at(self, at: int, do: Callable[[Record], None]) -> tuple[Session, str, int, StoreError]:
        """A refill that something happens to in its n-th write; what the nurse was told."""
        session, code, before = started(self.world, self.patient)
        broken = Broken(at, do)
        with pytest.raises(StoreError) as found, broken.within(self.world):
            go_on(self.world, session.id, code)
        assert broken.writes == at, "the write that was broken is the one that was told of"
        return session, code, before, found.value

    def goes_on(self, session: Session, code: str, before_nl: int) -> None:
        """The refill ends as any other, and the account of it is whole."""
        go_on(self.world, session.id, code)
        whole(self.world, session.id, before_nl)
        with self.world.store.reading() as db:
            assert verify(db).whole
        ended(self.world, session)


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    disk = Disk(DISK_MB)
    server = Postgres(disk.folder)
    try:
        for statement in ("ALTER SYSTEM SET wal_recycle = off", "SELECT pg_reload_conf()"):  # it keeps no file in hand
            server.do(statement)
        for world in refill_clinic(tmp_path_factory.mktemp("clinic"), url=server.url(server.with_tables())):
            yield Clinic(world, running(world, days=10), server, disk)
    finally:
        server.end()
        disk.end()


@pytest.fixture(autouse=True)
def room(clinic: Clinic) -> Iterator[None]:
    """A test that fails leaves the next one a database that runs, and a pump without a session."""
    yield
    clinic.disk.make_room()
    clinic.server.run()
    house, nurse = clinic.world.house, clinic.world.people["nurse"]
    with house.reading() as db:
        still_open = db.scalars(select(Session).where(Session.state == "open")).all()
    for row in still_open:
        close(house, nurse, row.id, row.revision, "running", "a test", "nobody")


def looked_until_it_is_full(clinic: Clinic, client: TestClient) -> Any:
    """The page of a patient, again and again: each look is written down, until nothing goes in any more.

    What the database gives up meanwhile is filled too: files of its log that somebody still held open.
    """
    for _ in range(400):
        clinic.disk.fill()
        page = client.get(f"/patients/{clinic.patient.id}")
        if page.status_code != 200:
            break
    return page


def every(*often: int) -> list[Any]:
    """Each write of a refill; those that are not often broken wait for the long run."""
    return [at if at in often else pytest.param(at, marks=pytest.mark.long) for at in range(1, WRITES + 1)]


@pytest.mark.parametrize("at", every(4))
def test_a_refill_whose_write_finds_the_disk_full_goes_on_when_there_is_room(clinic: Clinic, at: int) -> None:
    """The database refuses what needs a page more, and lives on."""
    nurse = clinic.world.client("nurse")

    def fill_up(record: Record) -> None:
        for room_in_its_log in ("SELECT pg_switch_wal()", "CHECKPOINT"):
            clinic.server.do(room_in_its_log)
        clinic.disk.fill()
        record.session.execute(A_PAGE_MORE)

    session, code, before, told = clinic.breaks_at(at, fill_up)
    assert told.code is Trouble.FULL
    assert told.then.startswith("make room on the disk")
    page = looked_until_it_is_full(clinic, nurse)
    assert page.status_code == 503 and "make room on the disk" in page.text
    clinic.disk.make_room()
    assert nurse.get(f"/patients/{clinic.patient.id}").status_code == 200
    clinic.goes_on(session, code, before)


@pytest.mark.parametrize("at", every(13))
def test_a_refill_whose_database_ended_on_a_full_disk_goes_on_when_it_runs_again(
    clinic: Clinic, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database cannot write its log ahead: it ends, and nobody hears what became of the commit."""
    monkeypatch.setattr("thecal.clinic.record.store.TRIES", 2)
    nurse = clinic.world.client("nurse")

    def fill_up(record: Record) -> None:
        clinic.disk.fill()
        record.session.execute(A_FILE_MORE)

    session, code, before, told = clinic.breaks_at(at, fill_up)
    assert told.code is Trouble.NOT_KNOWN
    assert told.then.startswith("look whether what you entered is there")
    page = nurse.get(f"/patients/{clinic.patient.id}")
    assert page.status_code == 503 and "that the database runs" in page.text
    clinic.disk.make_room()
    clinic.server.run()
    assert nurse.get(f"/patients/{clinic.patient.id}").status_code == 200
    clinic.goes_on(session, code, before)


@pytest.mark.parametrize("at", every(9))
def test_a_refill_whose_database_is_started_again_in_a_write_goes_on(clinic: Clinic, at: int) -> None:
    def anew(_record: Record) -> None:
        clinic.server.end()
        clinic.server.run()

    session, code, before, told = clinic.breaks_at(at, anew)
    assert told.code is Trouble.NOT_REACHED
    clinic.goes_on(session, code, before)


def test_pages_that_are_asked_for_while_the_database_is_started_again(clinic: Clinic) -> None:
    """Each is whole or says in words that the record is away; the first one after it is whole."""
    client, patient = clinic.world.client("nurse"), clinic.patient.id
    seen: list[int] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            seen.append(client.get(f"/patients/{patient}").status_code)

    readers = [threading.Thread(target=look) for _ in range(4)]
    for reader in readers:
        reader.start()
    try:
        clinic.server.end()
        away = client.get(f"/patients/{patient}")
        clinic.server.run()
        assert client.get(f"/patients/{patient}").status_code == 200
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert away.status_code == 503 and "check the address, and that the database runs" in away.text
    assert set(seen) <= {200, 503}, set(seen)
    with clinic.world.store.reading() as db:
        assert verify(db).whole
