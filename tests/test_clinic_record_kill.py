"""A process that writes, or the database itself, is killed at any instant: what was said is there, nothing is half."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped]
import pytest
from sqlalchemy import select
from tests.record_engines import Postgres, new_url, postgres

from thecal.clinic.keeping import backup, look_through
from thecal.clinic.record import Store, StoreError
from thecal.clinic.record.store import Stamp
from thecal.clinic.record.tables import Act, NearMiss, Person
from thecal.clinic.record.verifying import verify
from thecal.clinic.who import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Its lines are counted by the tests of the domain and of the pages; counting them here as well doubles its time.
pytestmark = pytest.mark.no_cover

STAMP = Stamp(SYSTEM, 1, 2, "s", "f")

WRITER = """
import os, sys, time
from thecal.clinic.record import Store, StoreError
from thecal.clinic.record.store import Stamp
from thecal.clinic.record.tables import NearMiss, Person
from thecal.clinic.who import SYSTEM
store = Store(sys.argv[1])
name = f"{os.getpid()}-"
for n in range(10**6):
    try:
        with store.writing(Stamp(SYSTEM, 1, 2, "s", "f"), "three rows and a change", code=name + str(n)) as record:
            record.keep(NearMiss(where="first", code=name + str(n), found="f", allowed="a"))
            person = record.keep(Person(login=name + str(n), name="made", roles=[]))
            record.change(person, "renamed", seen=1, name="renamed")
            record.keep(NearMiss(where="last", code=name + str(n), found="f", allowed="a"))
        print(name + str(n), flush=True)
    except StoreError as wrong:
        print("trouble", wrong.code, flush=True)
        time.sleep(0.05)
"""


class Writer:
    """A process that writes until it is killed, and says each transaction that is done."""

    def __init__(self, url: str) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True)
        self.said: list[str] = []

    def hear(self, lines: int) -> None:
        """Wait for so many lines."""
        assert self.process.stdout is not None
        for _ in range(lines):
            line = self.process.stdout.readline()
            assert line
            self.said.append(line.strip())

    def kill(self) -> set[str]:
        """End it at once; what it had said was done."""
        assert self.process.stdout is not None
        self.process.kill()
        self.said += [line.strip() for line in self.process.stdout if line.endswith("\n")]
        self.process.wait()
        self.process.stdout.close()
        return {line for line in self.said if not line.startswith("trouble")}


def nothing_is_half(store: Store, said: set[str], tries: int) -> None:
    """Each transaction is there as a whole or not at all, all that were said are, and the chain goes through."""
    with store.reading() as session:
        found = verify(session)
        assert found.whole, found.findings
        rows = Counter(session.scalars(select(NearMiss.code)))
        people = {p.login: (p.name, p.revision) for p in session.scalars(select(Person))}
        acts = Counter(session.scalars(select(Act.kind)))
    assert set(rows.values()) <= {2}
    assert rows.keys() == people.keys()
    assert set(people.values()) <= {("renamed", 2)}
    assert acts == Counter({"made": len(people), "renamed": len(people)} if people else {})
    assert said <= rows.keys()
    assert len(rows.keys() - said) <= tries  # done, and killed before it could say so
    assert found.links == len(rows)


def kill_writers(url: str, rounds: int, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 -- instants, not secrets
    said: set[str] = set()
    for _ in range(rounds):
        writer = Writer(url)
        writer.hear(chance.randrange(1, 25))
        time.sleep(chance.random() * 0.02)
        said |= writer.kill()
    with closing(Store(url)) as store:
        nothing_is_half(store, said, rounds)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_writer_killed_at_any_instant_leaves_nothing_half_done(tmp_path: Path, engine: str) -> None:
    kill_writers(new_url(engine, tmp_path), 4, 1)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_hundreds_of_killed_writers_leave_nothing_half_done(tmp_path: Path, engine: str) -> None:
    kill_writers(new_url(engine, tmp_path), 300, 2)


def test_two_writers_of_which_one_is_killed_do_not_hold_each_other_up(tmp_path: Path) -> None:
    for engine in ("sqlite", "postgresql"):
        url = new_url(engine, tmp_path)
        stays, goes = Writer(url), Writer(url)
        stays.hear(3)
        goes.hear(3)
        said = goes.kill()
        stays.hear(30)
        said |= stays.kill()
        with closing(Store(url)) as store:
            nothing_is_half(store, said, 2)


# The database itself


@pytest.fixture
def server() -> Iterator[Postgres]:
    """A PostgreSQL of this test alone."""
    postgres()  # skips where there can be none
    found = Postgres()
    yield found
    found.end()


def crash(server: Postgres) -> None:
    """Kill every process of the database at once, and start it again from what is on the disk."""
    parent = psutil.Process(server.server.get_pid())
    for process in (parent, *parent.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
    psutil.wait_procs([parent], timeout=10)
    server.run()


def crash_often(server: Postgres, rounds: int) -> None:
    chance = random.Random(3)  # noqa: S311 -- instants, not secrets
    url = server.url(server.with_tables())
    writer = Writer(url)
    for _ in range(rounds):
        writer.hear(chance.randrange(3, 30))
        time.sleep(chance.random() * 0.02)
        crash(server)
    writer.hear(40)
    said = writer.kill()
    assert any(line.startswith("trouble") for line in writer.said)
    assert {line.partition(" ")[2] for line in writer.said if line.startswith("trouble")} <= {
        "not reached",
        "not known",
    }
    with closing(Store(url)) as store:
        nothing_is_half(store, said, rounds + 1)


def test_a_database_that_crashes_loses_nothing_that_was_said_and_keeps_nothing_half(server: Postgres) -> None:
    crash_often(server, 2)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_database_that_crashes_again_and_again_loses_nothing(server: Postgres) -> None:
    crash_often(server, 40)


# Backup


BACKER = """
import sys
from pathlib import Path
from thecal.clinic.keeping import backup
from thecal.clinic.record import Store
store = Store(sys.argv[1])
print("ready", flush=True)
for n in range(10**6):
    backup(store, Path(sys.argv[2]), replace=True)
    print("done", n, flush=True)
"""


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_backup_that_was_killed_leaves_the_one_before_whole(tmp_path: Path, engine: str) -> None:
    url = new_url(engine, tmp_path)
    chance = random.Random(4)  # noqa: S311 -- instants, not secrets
    with closing(Store(url)) as store:
        for n in range(60):
            with store.writing(STAMP, "kept") as record:
                record.keep(NearMiss(where="w", code=str(n), found="f", allowed="a"))
        path = tmp_path / "backup"
        backup(store, path)
        for _ in range(3):
            words = [sys.executable, "-c", BACKER, url, str(path)]
            with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as backer:
                assert backer.stdout is not None
                assert backer.stdout.readline() == "ready\n"
                time.sleep(chance.random() * 0.1)
                backer.kill()
            assert look_through(path).verified.links == 60
        with suppress(StoreError):
            backup(store, tmp_path / "another")
        assert look_through(tmp_path / "another").verified.whole
        backup(store, path, replace=True)
        assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
