"""The ledger survives a kill at any instant, gives no number twice, and lets nobody edit what was written.

What every ledger must do is tried on the link service's own file and on a clinic's record, on either engine.
"""

from __future__ import annotations

import random
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.record_engines import new_url

from thecal.clinic.pending import RecordLedger
from thecal.clinic.record import Store
from thecal.clinic.record.store import Stamp
from thecal.clinic.who import SYSTEM
from thecal.link.catalogue import MOST_ID
from thecal.link.ledger import Outcome, Pending
from thecal.link.roles import Role
from thecal.rig.ledger import SCHEMA, LedgerError, SqliteLedger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from thecal.link.ledger import Ledger

    Ledgers = Callable[[str], AbstractContextManager[Ledger]]

ONE = Pending("P1", Role.PATIENT, 5, "bolus", {"command": 5}, "2026-01-01T00:00:00Z", 12)
TWO = Pending("P1", Role.PROGRAMMER, 5, "confirm", {"command": 5, "digest": b"\x01" * 32, "x": True}, "then")
NAMES = count(1)
DONE = replace(ONE, outcome=Outcome.GRANTED, answer=0, wait_s=3, said="granted", resolved_utc="later")


@contextmanager
def in_record(url: str) -> Iterator[Ledger]:
    """The ledger in a clinic's record."""
    with closing(Store(url)) as store:
        yield RecordLedger(store, lambda: Stamp(SYSTEM, 0, 0, "test", "test"))


@pytest.fixture(params=["file", "sqlite", "postgresql"])
def ledgers(request: pytest.FixtureRequest, tmp_path: Path) -> Ledgers:
    """Opens a ledger by its name, the same one again by the same name."""
    if request.param == "file":
        return lambda name: closing(SqliteLedger(tmp_path / name))
    urls: dict[str, str] = {}

    def open_(name: str) -> AbstractContextManager[Ledger]:
        if name not in urls:
            urls[name] = new_url(request.param, tmp_path)
        return in_record(urls[name])

    return open_


@pytest.mark.requirement("P10", "AP-06")
def test_a_command_is_pending_until_it_is_resolved_and_in_the_history_for_ever(ledgers: Ledgers) -> None:
    with ledgers("ledger") as ledger:
        for pending in (TWO, ONE, replace(ONE, serial="P2")):
            ledger.write_down(pending)
        assert ledger.pending("P1") == [TWO, ONE]
        ledger.resolve(DONE)
        assert ledger.pending("P1") == [TWO]
    with ledgers("ledger") as again:
        assert again.pending("P1") == [TWO]
        assert again.history("P1") == [TWO, DONE]
        assert again.history("P2") == [replace(ONE, serial="P2")]
        assert again.history("P3") == []


@pytest.mark.requirement("SC-18")
def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    with closing(SqliteLedger(tmp_path / "ledger")) as ledger:
        ledger.write_down(ONE)
        assert {stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()} == {0o600}


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from(["P1", "P2"]), st.sampled_from(list(Role)[:2]), st.integers(0, 30)), max_size=9)
)
def test_no_number_is_given_out_twice_and_each_is_above_the_pumps_own(
    ledgers: Ledgers, asked: list[tuple[str, Role, int]]
) -> None:
    name = f"ledger-{next(NAMES)}"
    given_out: dict[tuple[str, Role], int] = {}
    for serial, role, newest in asked:
        with ledgers(name) as ledger:
            number = ledger.next_command(serial, role, newest)
        assert number == max(newest, given_out.get((serial, role), 0)) + 1
        given_out[serial, role] = number


def test_numbers_end_and_do_not_begin_again(ledgers: Ledgers) -> None:
    with ledgers("ledger") as ledger:
        assert ledger.next_command("P1", Role.PATIENT, MOST_ID - 1) == MOST_ID
        with pytest.raises(ValueError, match="allowed: up to"):
            ledger.next_command("P1", Role.PATIENT, 0)
        assert ledger.next_command("P1", Role.CARD, 0) == 1


def test_what_was_written_is_written_once(ledgers: Ledgers) -> None:
    with ledgers("ledger") as ledger:
        ledger.write_down(ONE)
        with pytest.raises(ValueError, match="command 5 of patient is written down already"):
            ledger.write_down(replace(ONE, path="withdraw"))
        with pytest.raises(ValueError, match="has an outcome before"):
            ledger.write_down(replace(DONE, command=6))
        with pytest.raises(ValueError, match="has no outcome yet"):
            ledger.resolve(ONE)
        with pytest.raises(ValueError, match="was never written down"):
            ledger.resolve(replace(DONE, command=7))
        ledger.resolve(DONE)
        with pytest.raises(ValueError, match="is resolved already"):
            ledger.resolve(replace(DONE, outcome=Outcome.NEVER))
        assert ledger.history("P1") == [DONE]


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE command SET path = 'other'",
        "DELETE FROM command",
        "UPDATE outcome SET answer = 1",
        "DELETE FROM outcome",
        "UPDATE number SET newest = newest",
        "UPDATE number SET role = 'card', newest = newest + 1",
        "DELETE FROM number",
        "INSERT INTO number VALUES ('P1', 'patient', 'five')",
        "INSERT INTO outcome VALUES (99, 'granted', 0, 0, '', '')",
    ],
)
@pytest.mark.requirement("P12")
def test_the_database_itself_refuses_to_edit_the_record(tmp_path: Path, edit: str) -> None:
    with closing(SqliteLedger(tmp_path / "ledger")) as ledger:
        ledger.next_command("P1", Role.PATIENT, 0)
        ledger.write_down(ONE)
        ledger.resolve(DONE)
    with closing(sqlite3.connect(tmp_path / "ledger")) as db:
        db.execute("PRAGMA foreign_keys = ON")
        with pytest.raises(sqlite3.IntegrityError):
            db.execute(edit)


def test_a_newer_ledger_and_one_of_another_program_are_refused(tmp_path: Path) -> None:
    for name, pragma in (("newer", f"user_version = {SCHEMA + 1}"), ("other", "application_id = 77")):
        with closing(sqlite3.connect(tmp_path / name)) as db:
            db.execute(f"PRAGMA {pragma}")
            db.commit()
        with pytest.raises(LedgerError, match="next: use the version of Thecal that wrote it"):
            SqliteLedger(tmp_path / name)
    with closing(sqlite3.connect(tmp_path / "unnamed")) as db:
        db.execute("CREATE TABLE foreign_table (x)")
        db.commit()
    with pytest.raises(LedgerError, match="version 0 of application"):
        SqliteLedger(tmp_path / "unnamed")


def test_a_damaged_ledger_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(b"no database at all" * 100)
    with pytest.raises(LedgerError, match="without it no command may be sent"):
        SqliteLedger(tmp_path / "noise")
    assert (tmp_path / "noise").read_bytes() == b"no database at all" * 100
    with closing(SqliteLedger(tmp_path / "ledger")) as ledger:
        for number in range(1, 400):
            ledger.write_down(replace(ONE, command=number, fields={"command": number}))
    whole = (tmp_path / "ledger").read_bytes()
    (tmp_path / "ledger").write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))
    with pytest.raises(LedgerError, match="found a ledger that cannot be read"):
        SqliteLedger(tmp_path / "ledger")


def test_a_write_that_fails_leaves_nothing_half_done(tmp_path: Path) -> None:
    with closing(SqliteLedger(tmp_path / "ledger")) as ledger, closing(sqlite3.connect(tmp_path / "ledger")) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            ledger.write_down(ONE)
        other.rollback()
        ledger.write_down(ONE)
        assert ledger.pending("P1") == [ONE]


WRITER = """
import pathlib, sys
from thecal.link.ledger import Outcome, Pending
from thecal.link.roles import Role
from dataclasses import replace
from thecal.clinic.pending import RecordLedger
from thecal.clinic.record.store import Stamp, Store
from thecal.clinic.who import SYSTEM
from thecal.rig.ledger import SqliteLedger
if "://" in sys.argv[1]:
    ledger = RecordLedger(Store(sys.argv[1]), lambda: Stamp(SYSTEM, 0, 0, "test", "test"))
else:
    ledger = SqliteLedger(pathlib.Path(sys.argv[1]))
for round in range(10**6):
    number = ledger.next_command("P1", Role.PATIENT, 0)
    print("number", number, flush=True)
    one = Pending("P1", Role.PATIENT, number, "bolus", {"command": number}, "then")
    ledger.write_down(one)
    print("written", number, flush=True)
    if number % 2:
        ledger.resolve(replace(one, outcome=Outcome.GRANTED, resolved_utc="later"))
        print("resolved", number, flush=True)
"""


def kill_a_writer(where: str, ledger_again: AbstractContextManager[Ledger], rounds: int) -> None:
    """Kill a process that writes, again and again: whatever it said it had done is done."""
    chance = random.Random(20)  # noqa: S311 -- instants, not secrets
    said: dict[str, set[int]] = {"number": set(), "written": set(), "resolved": set()}
    for _ in range(rounds):
        with subprocess.Popen([sys.executable, "-c", WRITER, where], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            for _ in range(chance.randrange(1, 60)):
                what, number = writer.stdout.readline().split()
                assert what != "number" or int(number) not in said["number"]
                said[what].add(int(number))
            writer.kill()
            for rest in writer.stdout:
                if rest.endswith("\n"):
                    what, number = rest.split()
                    said[what].add(int(number))
    with ledger_again as ledger:
        history = {p.command: p for p in ledger.history("P1")}
        assert said["written"] <= history.keys() <= said["number"]
        assert all(history[n].outcome is Outcome.GRANTED for n in said["resolved"])
        assert {p.command for p in ledger.pending("P1")} == {n for n, p in history.items() if not p.resolved_utc}
        assert ledger.next_command("P1", Role.PATIENT, 0) > max(said["number"])


def killed(engine: str, folder: Path, rounds: int) -> None:
    """The same on the file, or on the record of an engine."""
    where = str(folder / "ledger") if engine == "file" else new_url(engine, folder)
    again = closing(SqliteLedger(folder / "ledger")) if engine == "file" else in_record(where)
    kill_a_writer(where, again, rounds)


@pytest.mark.no_cover  # a process that is killed tells of no lines
@pytest.mark.parametrize(("engine", "rounds"), [("file", 4), ("sqlite", 2), ("postgresql", 2)])
@pytest.mark.requirement("P10", "AP-06")
def test_a_kill_at_any_instant_loses_nothing_that_was_said_to_be_done(tmp_path: Path, engine: str, rounds: int) -> None:
    killed(engine, tmp_path, rounds)


@pytest.mark.long
@pytest.mark.parametrize(("engine", "rounds"), [("file", 300), ("sqlite", 100), ("postgresql", 100)])
@pytest.mark.requirement("P10")
def test_hundreds_of_kills_lose_nothing_that_was_said_to_be_done(tmp_path: Path, engine: str, rounds: int) -> None:
    killed(engine, tmp_path, rounds)
