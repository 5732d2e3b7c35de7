"""Transactions on the record: all or nothing, one writer at a time, and a database that refuses to edit."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError, StatementError
from tests.record_engines import raw, store_fixture, urls_fixture  # noqa: F401 -- fixtures

from thecal.clinic.record import Store
from thecal.clinic.record.columns import Exact, Structure, exact_text
from thecal.clinic.record.guards import all_guards, kept_tables, living_tables
from thecal.clinic.record.store import Stamp
from thecal.clinic.record.tables import Act, Audit, AuditHead, Clinic, LinkNumber, NearMiss, Patient, Person
from thecal.clinic.record.verifying import verify
from thecal.clinic.refused import EditedMeanwhile
from thecal.clinic.who import SYSTEM, Who
from thecal.quantities import Flow, Mass, Volume

if TYPE_CHECKING:
    from collections.abc import Callable

WHO = Who(7, "Nora Nurse", frozenset())
STAMP = Stamp(WHO, 1_790_000_000, 1_790_000_001, "1.0", "f1")


def near_miss(code: str = "code") -> NearMiss:
    return NearMiss(where="refill", code=code, found="5 mL", allowed="20 mL")


def person(login: str = "nora") -> Person:
    return Person(login=login, name="Nora", roles=["nurse"])


def count(store: Store, kind: type[Any]) -> int:
    with store.reading() as session:
        return session.scalars(select(func.count()).select_from(kind)).one()


def is_whole(store: Store) -> bool:
    with store.reading() as session:
        return verify(session).whole


# What a transaction leaves


def test_a_kept_row_says_when_by_whom_and_by_which_versions(store: Store) -> None:
    with store.writing(STAMP, "stopped here", patient_id=3, why="test") as record:
        assert (record.who, record.now_s) == (WHO, STAMP.at_utc_s)
        row = record.keep(near_miss())
    with store.reading() as session:
        found = session.get_one(NearMiss, row.id)
        assert (found.at_utc_s, found.by_person, found.software, found.formulary) == (1_790_000_000, 7, "1.0", "f1")
        link = session.scalars(select(Audit)).one()
        assert (link.seq, link.action, link.patient_id, link.details) == (1, "stopped here", 3, {"why": "test"})
        assert (link.at_utc_s, link.machine_utc_s, link.by_person) == (STAMP.at_utc_s, STAMP.machine_utc_s, 7)
        assert [named[:2] for named in link.rows] == [["near_miss", [row.id]]]


@pytest.mark.requirement("P12")
def test_every_change_of_a_living_row_raises_its_revision_and_leaves_an_act(store: Store) -> None:
    with store.writing(STAMP, "made") as record:
        made = record.keep(person(), invited="by letter")
    with store.writing(STAMP, "changed") as record:
        row = record.session.get_one(Person, made.id)
        record.change(row, "renamed", seen=1, details={"why": "wedding"}, name="Nora New")
        record.change(row, "left", active=False)
    with store.reading() as session:
        assert session.get_one(Person, made.id).revision == 3
        acts = session.scalars(select(Act).order_by(Act.id)).all()
    assert [(a.kind, a.revision) for a in acts] == [("made", 1), ("renamed", 2), ("left", 3)]
    assert acts[0].details["login"] == "nora"
    assert acts[0].details["invited"] == "by letter"
    assert acts[1].details == {"name": "Nora New", "why": "wedding"}
    assert acts[2].details == {"active": False}
    assert is_whole(store)


def test_a_structure_that_was_changed_in_its_place_is_written(store: Store) -> None:
    with store.writing(STAMP, "made") as record:
        made = record.keep(person())
    with store.writing(STAMP, "changed") as record:
        row = record.session.get_one(Person, made.id)
        row.roles.append("desk")
        record.change(row, "more roles", roles=row.roles)
    with store.reading() as session:
        assert session.get_one(Person, made.id).roles == ["nurse", "desk"]
    assert is_whole(store)


def test_what_a_structure_becomes_after_it_was_kept_does_not_touch_its_digest(store: Store) -> None:
    details = {"seen": [1]}
    with store.writing(STAMP, "made") as record:
        record.act("pump", 1, "looked at", details)
        details["seen"].append(2)
    with store.reading() as session:
        assert session.scalars(select(Act)).one().details == {"seen": [1]}
    assert is_whole(store)


def test_an_exception_anywhere_gives_all_of_it_up(store: Store) -> None:
    with pytest.raises(RuntimeError, match="half way"), store.writing(STAMP, "kept") as record:
        record.keep(near_miss())
        record.keep(person())
        raise RuntimeError("half way")
    assert [count(store, kind) for kind in (NearMiss, Person, Act, Audit, AuditHead)] == [0, 0, 0, 0, 0]


def test_a_failure_that_somebody_swallows_gives_all_of_it_up_too(store: Store) -> None:
    with store.writing(STAMP, "made") as record:
        record.keep(person())
    with pytest.raises(Exception, match="rolled back"), store.writing(STAMP, "again") as record:
        record.keep(near_miss())
        with pytest.raises(IntegrityError):
            record.keep(person())
    assert (count(store, NearMiss), count(store, Audit)) == (0, 1)


def test_what_a_savepoint_takes_back_is_not_in_the_account(store: Store) -> None:
    with store.writing(STAMP, "made") as record:
        record.keep(near_miss("before"))
        with pytest.raises(IntegrityError), record.session.begin_nested():
            record.keep(person())
            record.keep(person())
        with record.session.begin_nested():
            record.keep(near_miss("after"))
    assert (count(store, NearMiss), count(store, Person)) == (2, 0)
    assert is_whole(store)


def test_a_row_of_another_transaction_is_neither_kept_again_nor_changed(store: Store) -> None:
    with store.writing(STAMP, "made") as record:
        row = record.keep(person())
    with (
        pytest.raises(ValueError, match="allowed: one that this transaction read"),
        store.writing(STAMP, "x") as record,
    ):
        record.change(row, "renamed", name="Other")
    with pytest.raises(ValueError, match="allowed: a new one"), store.writing(STAMP, "x") as record:
        record.keep(row)
    assert count(store, Audit) == 1


def test_a_look_cannot_write(store: Store) -> None:
    with pytest.raises(Exception, match=r"read-?only"), store.reading() as session:
        session.add(LinkNumber(serial="P", role="patient", newest=1))
        session.flush()
    with store.reading() as session:
        session.add(LinkNumber(serial="P", role="patient", newest=1))  # and what is never sent is never written
    assert count(store, LinkNumber) == 0


def test_a_transaction_without_a_link_takes_no_row_of_the_account(store: Store) -> None:
    with store.noting() as session:
        session.add(LinkNumber(serial="P", role="patient", newest=1))
    with pytest.raises(ValueError, match="no part of the account"), store.noting() as session:
        session.add(near_miss())
        session.flush()
    assert (count(store, LinkNumber), count(store, NearMiss), count(store, Audit)) == (1, 0, 0)


def test_a_transaction_within_another_is_refused_at_once(store: Store) -> None:
    with pytest.raises(RuntimeError, match="within another one"), store.writing(STAMP, "outer") as record:
        record.keep(near_miss())
        with store.noting():
            pass
    assert (count(store, NearMiss), count(store, Audit)) == (0, 0)
    with store.writing(STAMP, "after"), store.reading() as session:
        assert session.scalars(select(Audit)).all() == []


def test_a_look_sees_one_instant(store: Store) -> None:
    with store.reading() as session:
        before = session.scalars(select(func.count()).select_from(NearMiss)).one()
        with store.writing(STAMP, "kept") as record:
            record.keep(near_miss())
        assert session.scalars(select(func.count()).select_from(NearMiss)).one() == before
    assert count(store, NearMiss) == before + 1


# Several at once


def test_of_two_who_change_what_they_both_saw_the_second_is_told_and_writes_nothing(store: Store) -> None:
    with store.writing(STAMP, "made") as record:
        made = record.keep(person())
    with store.writing(STAMP, "first") as record:
        record.change(record.session.get_one(Person, made.id), "renamed", seen=1, name="First")
    with (
        pytest.raises(EditedMeanwhile, match="you saw revision 1, it is now 2") as told,
        store.writing(STAMP, "second") as record,
    ):
        record.keep(near_miss())
        record.change(record.session.get_one(Person, made.id), "renamed", seen=1, name="Second")
    assert (told.value.what, told.value.seen, told.value.now) == (f"person {made.id}", 1, 2)
    assert (count(store, NearMiss), count(store, Audit)) == (0, 2)
    with store.reading() as session:
        assert session.get_one(Person, made.id).name == "First"


def test_of_many_at_the_same_moment_one_succeeds_and_each_other_is_told(store: Store) -> None:
    with store.writing(STAMP, "made") as record:
        made = record.keep(person())
    together = threading.Barrier(6)

    def rename(name: str) -> bool:
        together.wait()
        try:
            with store.writing(STAMP, "renamed") as record:
                record.change(record.session.get_one(Person, made.id), "renamed", seen=1, name=name)
        except EditedMeanwhile:
            return False
        return True

    with ThreadPoolExecutor(6) as threads:
        assert sorted(threads.map(rename, "abcdef")) == [False] * 5 + [True]
    assert (count(store, Audit), count(store, Act)) == (2, 2)
    assert is_whole(store)


def test_what_a_writer_read_holds_until_it_has_written(store: Store) -> None:
    """Each adds one only where fewer than five are there: with a look and a write apart there would be more."""

    def add(_n: int) -> None:
        with store.writing(STAMP, "one more") as record:
            if record.session.scalars(select(func.count()).select_from(NearMiss)).one() < 5:
                record.keep(near_miss())

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(add, range(24)))
    assert (count(store, NearMiss), count(store, Audit)) == (5, 24)
    assert is_whole(store)


def test_links_of_many_writers_follow_one_another(store: Store) -> None:
    def write(n: int) -> None:
        with store.writing(STAMP, f"act {n}") as record:
            record.keep(near_miss(str(n)))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(40)))
    with store.reading() as session:
        found = verify(session)
    assert (found.whole, found.links, found.rows, found.seq) == (True, 40, 40, 40)


def test_two_processes_may_open_an_empty_record_at_once(record_urls: Callable[..., str]) -> None:
    url = record_urls(empty=True)
    with ThreadPoolExecutor(4) as threads:
        stores = list(threads.map(lambda _n: Store(url), range(4)))
    with stores[0].writing(STAMP, "made") as record:
        record.keep(near_miss())
    assert all(count(store, NearMiss) == 1 for store in stores)
    for found in stores:
        found.close()


# What the database itself refuses


def test_every_table_that_is_kept_or_lives_has_its_guards(store: Store) -> None:
    asked = (
        "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
        if store.dialect == "postgresql"
        else "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    )
    assert {name for (name,) in raw(store, asked)} == {guard.trigger for guard in all_guards(store.dialect)}
    assert set(kept_tables()) & set(living_tables()) == set()
    assert {"act", "audit", "link_command", "log_record"} <= set(kept_tables())
    assert {"patient", "order", "session"} <= set(living_tables())


def filled(store: Store) -> None:
    """One row in each of five tables, which stand for the others: guards are made by one rule."""
    with store.writing(STAMP, "made") as record:
        record.keep(near_miss())
        record.keep(person())
    with store.noting() as session:
        session.add(LinkNumber(serial="P", role="patient", newest=5))


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE near_miss SET code = 'x'",
        "UPDATE near_miss SET code = code",
        "DELETE FROM near_miss",
        "UPDATE act SET kind = 'x'",
        "DELETE FROM act",
        "UPDATE audit SET action = 'x'",
        "DELETE FROM audit",
        "UPDATE person SET name = 'x'",
        "UPDATE person SET name = 'x', revision = revision + 2",
        "UPDATE person SET revision = revision + 1, at_utc_s = 1",
        "UPDATE person SET revision = revision + 1, by_person = 1",
        "UPDATE person SET revision = revision + 1, id = 99",
        "DELETE FROM person",
        "UPDATE audit_head SET seq = 0",
        "DELETE FROM audit_head",
        "INSERT INTO audit_head (one, seq, hash) SELECT 2, seq, hash FROM audit_head",
        "UPDATE link_number SET newest = newest",
        "UPDATE link_number SET newest = newest + 1, role = 'card'",
        "DELETE FROM link_number",
        "INSERT INTO link_number VALUES ('Q', 'patient', 0)",
        "INSERT INTO link_outcome VALUES (99, 'granted', 0, 0, '', '')",
    ],
)
@pytest.mark.requirement("P12")
def test_the_database_itself_refuses_to_edit_the_record(store: Store, edit: str) -> None:
    filled(store)
    with pytest.raises(IntegrityError):
        raw(store, edit)
    assert is_whole(store)


@pytest.mark.requirement("P12")
def test_no_row_is_emptied_out_or_replaced_by_what_a_database_has_beside_deleting(store: Store) -> None:
    filled(store)
    if store.dialect == "postgresql":
        edits = [f'TRUNCATE "{table}" CASCADE' for table in (*kept_tables(), *living_tables(), "audit_head")]
    else:
        edits = [
            "INSERT OR REPLACE INTO near_miss SELECT * FROM near_miss",
            "REPLACE INTO person SELECT * FROM person",
            "REPLACE INTO link_number VALUES ('P', 'patient', 1)",
        ]
        # Columns may be added to these tables: the statement is made of those that are there.
        columns = ", ".join(f'"{row[1]}"' for row in raw(store, "PRAGMA table_info(person)") if row[1] != "id")
        edits.append(f"REPLACE INTO person (id, {columns}) SELECT 99, {columns} FROM person")  # noqa: S608
    for edit in edits:
        with pytest.raises(IntegrityError):
            raw(store, edit)
    assert is_whole(store)


def test_each_guarded_table_refuses_to_lose_a_row(store: Store) -> None:
    """Every guard by its own table: what it says is looked up, and its condition is tried above."""
    for guard in all_guards(store.dialect):
        asked = (
            "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = ?"
            if store.dialect == "postgresql"
            else "SELECT sql FROM sqlite_master WHERE name = ?"
        )
        ((made,),) = raw(store, asked, guard.trigger)
        assert f"BEFORE {guard.on} ON" in made
        assert guard.said in made


def test_columns_are_strict(store: Store) -> None:
    with pytest.raises(Exception, match=r"cannot store TEXT|invalid input syntax"):
        raw(store, "INSERT INTO link_number VALUES ('P', 'patient', 'five')")
    if store.dialect == "sqlite":
        loose = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE '%STRICT%'"
        assert raw(store, loose) == [("alembic_version",)]


# What columns hold


@given(st.fractions(), st.sampled_from([(Volume, "mL"), (Mass, "mcg"), (Flow, "nL/h")]))
def test_an_amount_comes_back_exactly(number: Fraction, kind: tuple[Any, str]) -> None:
    column = Exact(*kind)
    amount = kind[0].of(number, kind[1])
    text = column.process_bind_param(amount, None)  # type: ignore[arg-type]
    assert text is not None
    assert column.process_result_value(text, None) == amount  # type: ignore[arg-type]
    assert Fraction(exact_text(number)) == number
    assert "e" not in text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("2.7", "2.7"),
        ("1/3", "1/3"),
        ("-0.05", "-0.05"),
        ("1000", "1000"),
        ("0", "0"),
        ("-7/3", "-7/3"),
        ("1/8", "0.125"),
    ],
)
def test_an_amount_is_kept_as_people_write_it(number: str, text: str) -> None:
    assert exact_text(Fraction(number)) == text


def test_an_amount_of_another_kind_and_a_float_are_refused(store: Store) -> None:
    column = Exact(Volume, "mL")
    with pytest.raises(TypeError, match="allowed: Volume"):
        column.process_bind_param(Mass.parse("1 mg"), None)  # type: ignore[arg-type]
    for wrong in ({"dose": 0.5}, {"steps": [1, [2.0]]}):
        with pytest.raises(StatementError, match="amounts are kept exactly"), store.writing(STAMP, "x") as record:
            record.act("pump", 1, "x", wrong)
    assert count(store, Audit) == 0


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_a_structure_comes_back_as_it_was(value: Any) -> None:
    column = Structure()
    assert column.process_result_value(column.process_bind_param(value, None), None) == value  # type: ignore[arg-type]


def test_every_kind_of_column_comes_back_from_both_engines(store: Store) -> None:
    with store.writing(STAMP, "made") as record:
        made = record.keep(
            Patient(
                number="1", reference="R", given="Ådå", family="O'Neil \u2028 \U0001f600", birth_date=date(1965, 3, 9),
                search="x", opioid_naive=False, sedatives=None, risks=["far", {"km": 40}], weight_g=2**62,
            )
        )  # fmt: skip
        record.keep(
            Clinic(name="C", zone="Europe/Berlin", phone="1", on_call="2", address="3", demonstration=True, settings={})
        )
    with store.reading() as session:
        found = session.get_one(Patient, made.id)
        assert (found.given, found.family, found.birth_date) == ("Ådå", "O'Neil \u2028 \U0001f600", date(1965, 3, 9))
        assert (found.opioid_naive, found.sleep_apnea, found.sedatives) == (False, None, None)
        assert (found.risks, found.weight_g, found.active) == (["far", {"km": 40}], 2**62, True)
        assert session.scalars(select(Clinic)).one().demonstration is True
    assert is_whole(store)


def test_the_clinics_own_processes_write_as_nobody(store: Store) -> None:
    with store.writing(Stamp(SYSTEM, 1, 2, "s", "f"), "read by schedule") as record:
        assert record.keep(near_miss()).by_person == 0


# What people see


def test_what_somebody_saw_is_a_link_of_its_own(store: Store) -> None:
    store.looked(STAMP, "saw a chart", 3, page=2)
    with store.reading() as session:
        link = session.scalars(select(Audit)).one()
    assert (link.action, link.patient_id, link.details, link.rows) == ("saw a chart", 3, {"page": 2}, [])
    assert (link.by_person, link.at_utc_s, link.machine_utc_s) == (WHO.person_id, STAMP.at_utc_s, STAMP.machine_utc_s)
    assert is_whole(store)


def test_looks_that_come_while_somebody_writes_are_written_together_and_none_is_lost(store: Store) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def write() -> None:
        with store.writing(STAMP, "wrote"):
            begun.set()
            assert go_on.wait(30)

    with ThreadPoolExecutor(17) as pool:
        writer = pool.submit(write)
        assert begun.wait(30)
        looks = [pool.submit(store.looked, STAMP, "saw a chart", n) for n in range(16)]
        while len(store._looks) < 16:
            pass
        assert not any(look.done() for look in looks)
        go_on.set()
        writer.result(30)
        for look in looks:
            look.result(30)
    with store.reading() as session:
        links = session.scalars(select(Audit).order_by(Audit.seq)).all()
    assert [link.action for link in links] == ["wrote"] + ["saw a chart"] * 16
    assert {link.patient_id for link in links[1:]} == set(range(16))
    assert is_whole(store)


def test_a_look_that_cannot_be_written_is_told_to_everybody_who_waits_and_the_next_one_is_written(store: Store) -> None:
    unsaid: Any = None
    bad = Stamp(WHO, STAMP.at_utc_s, STAMP.machine_utc_s, unsaid, "f1")
    begun, go_on = threading.Event(), threading.Event()

    def write() -> None:
        with store.writing(STAMP, "wrote"):
            begun.set()
            assert go_on.wait(30)

    with ThreadPoolExecutor(4) as pool:
        writer = pool.submit(write)
        assert begun.wait(30)
        looks = [pool.submit(store.looked, stamp, "saw a chart") for stamp in (STAMP, bad, STAMP)]
        while len(store._looks) < 3:
            pass
        go_on.set()
        writer.result(30)
        for look in looks:
            with pytest.raises(IntegrityError):
                look.result(30)
    assert count(store, Audit) == 1
    store.looked(STAMP, "saw a chart")
    assert count(store, Audit) == 2
    assert is_whole(store)


def test_a_look_within_a_transaction_is_refused_and_not_waited_for(store: Store) -> None:
    with pytest.raises(RuntimeError, match="within another one"), store.writing(STAMP, "wrote"):
        store.looked(STAMP, "saw a chart")
    store.looked(STAMP, "saw a chart")
    assert count(store, Audit) == 1
