"""The audit chain finds what was changed behind the program's back, whatever it was."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import date
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text
from tests.record_engines import raw, store_fixture, unguarded, urls_fixture  # noqa: F401 -- fixtures

from thecal.clinic.record import StoreError
from thecal.clinic.record.chain import BEFORE_FIRST, canonical, link_hash, row_digest
from thecal.clinic.record.heads import BadHead, Head, against, read_head, sign, signing_key
from thecal.clinic.record.store import Stamp
from thecal.clinic.record.tables import Audit, Implant, NearMiss, Patient, Person
from thecal.clinic.record.verifying import Tampering, Verified, verify
from thecal.clinic.who import SYSTEM
from thecal.quantities import Length, Volume

if TYPE_CHECKING:
    from pathlib import Path

    from thecal.clinic.record import Store

STAMP = Stamp(SYSTEM, 1_790_000_000, 1_790_000_001, "1.0", "f1")


@pytest.fixture
def told(store: Store) -> Store:
    """Ten transactions that kept one row each, and one living row that was changed; links 1 to 12."""
    for n in range(10):
        with store.writing(STAMP, "stopped", n=n) as record:
            record.keep(NearMiss(where="w", code=str(n), found="f", allowed="a"))
    with store.writing(STAMP, "made") as record:
        person = record.keep(Person(login="nora", name="Nora", roles=["nurse"]))
    with store.writing(STAMP, "renamed") as record:
        record.change(record.session.get_one(Person, person.id), "renamed", seen=1, name="Nora N")
    return store


def look(store: Store) -> Verified:
    with store.reading() as session:
        return verify(session)


def codes(store: Store) -> list[Tampering]:
    return [finding.code for finding in look(store).findings]


def test_an_untouched_record_is_whole(told: Store) -> None:
    found = look(told)
    assert (found.whole, found.links, found.rows, found.seq, found.count) == (True, 12, 13, 12, 0)


def test_an_empty_record_is_whole(store: Store) -> None:
    found = look(store)
    assert (found.whole, found.links, found.hash) == (True, 0, BEFORE_FIRST)


@pytest.mark.parametrize(
    ("column", "value"),
    [("action", "other"), ("by_person", 99), ("at_utc_s", 1), ("machine_utc_s", 1), ("patient_id", 5),
     ("details", '{"n":77}'), ("software", "0")],
)  # fmt: skip
def test_a_link_that_was_changed_is_found(told: Store, column: str, value: object) -> None:
    unguarded(told, "audit", f"UPDATE audit SET {column} = ? WHERE seq = 4", value)  # noqa: S608 -- in a test
    assert codes(told) == [Tampering.LINK_CHANGED]
    assert "link 4" in look(told).findings[0].found


def test_a_link_whose_list_of_rows_was_changed_is_found(told: Store) -> None:
    unguarded(told, "audit", "UPDATE audit SET rows = '[]' WHERE seq = 4")
    assert codes(told) == [Tampering.LINK_CHANGED, Tampering.ROW_ADDED]
    unguarded(told, "audit", "UPDATE audit SET rows = 'x' WHERE seq = 4")
    assert codes(told) == [Tampering.LINK_CHANGED, Tampering.LINK_CHANGED, Tampering.ROW_ADDED]


def test_a_link_that_was_changed_with_its_hash_is_found_by_the_next_one(told: Store) -> None:
    ((prev,),) = raw(told, "SELECT prev FROM audit WHERE seq = 4")
    rows = raw(told, "SELECT * FROM audit WHERE seq = 4")
    names = [c.name for c in Audit.__table__.columns]
    with told.reading() as session:
        content = dict(session.execute(text("SELECT * FROM audit WHERE seq = 4")).mappings().one())
    assert len(rows[0]) == len(names)
    forged = link_hash(bytes(prev), {**content, "action": "other"})
    unguarded(told, "audit", "UPDATE audit SET action = 'other', hash = ? WHERE seq = 4", forged)
    assert codes(told) == [Tampering.LINK_MISSING]
    assert "link 5" in look(told).findings[0].found


def test_a_link_that_was_taken_away_is_found_and_so_is_its_row(told: Store) -> None:
    unguarded(told, "audit", "DELETE FROM audit WHERE seq = 4")
    assert codes(told) == [Tampering.LINK_MISSING, Tampering.ROW_ADDED]


def test_the_first_link_is_missed_too(told: Store) -> None:
    unguarded(told, "audit", "DELETE FROM audit WHERE seq = 1")
    assert codes(told) == [Tampering.LINK_MISSING, Tampering.ROW_ADDED]


def test_a_tail_that_was_cut_off_is_found_by_the_head(told: Store) -> None:
    unguarded(told, "audit", "DELETE FROM audit WHERE seq > 11")
    assert codes(told) == [Tampering.TAIL_CUT, Tampering.ROW_ADDED, Tampering.ROW_CHANGED]


def test_an_emptied_chain_is_found(told: Store) -> None:
    unguarded(told, "audit", "DELETE FROM audit")
    unguarded(told, "audit_head", "DELETE FROM audit_head")
    found = look(told)
    assert {f.code for f in found.findings} == {Tampering.ROW_ADDED}
    assert found.count == 13


def test_a_kept_row_that_was_changed_is_found(told: Store) -> None:
    unguarded(told, "near_miss", "UPDATE near_miss SET allowed = 'b' WHERE code = '3'")
    assert codes(told) == [Tampering.ROW_CHANGED]


def test_a_living_row_that_was_changed_as_the_guards_allow_is_found(told: Store) -> None:
    raw(told, "UPDATE person SET name = 'Other', revision = revision + 1")
    assert codes(told) == [Tampering.ROW_CHANGED]


def test_a_living_row_that_was_set_back_is_found(told: Store) -> None:
    unguarded(told, "person", "UPDATE person SET name = 'Nora', revision = 1")
    assert codes(told) == [Tampering.ROW_CHANGED]


def test_a_row_that_is_gone_is_found(told: Store) -> None:
    unguarded(told, "near_miss", "DELETE FROM near_miss WHERE code = '3'")
    assert codes(told) == [Tampering.ROW_GONE]


def test_a_row_that_no_link_names_is_found(told: Store) -> None:
    raw(
        told,
        'INSERT INTO near_miss (id, at_utc_s, by_person, software, formulary, "where", code, found, allowed) '
        "VALUES (99, 1, 0, 's', 'f', 'w', 'c', 'f', 'a')",
    )
    assert codes(told) == [Tampering.ROW_ADDED]
    assert look(told).findings[0].found == "near miss 99, which no link names"


def test_a_row_of_a_table_that_there_is_not_and_one_written_twice_are_found(told: Store) -> None:
    """Links that were forged whole, at the end of the chain, with its head."""
    with told.reading() as session:
        ((digest,),) = [r[2:] for r in session.scalars(select(Audit).where(Audit.seq == 1)).one().rows]
    with told.writing(STAMP, "forged") as record:
        record._written["near_miss", (1,)] = None, digest  # type: ignore[assignment]
        record._written["no_such_table", (1,)] = None, digest  # type: ignore[assignment]
    assert codes(told) == [Tampering.ROW_CHANGED, Tampering.ROW_GONE]


def test_findings_are_bounded_and_counted(told: Store) -> None:
    for n in range(300):
        with told.writing(STAMP, "more") as record:
            record.keep(NearMiss(where="w", code=f"more {n}", found="f", allowed="a"))
    unguarded(told, "near_miss", "UPDATE near_miss SET allowed = 'x'")
    found = look(told)
    assert (found.count, len(found.findings)) == (310, 200)


def test_progress_is_told_and_ends_at_the_whole(told: Store) -> None:
    parts: list[float] = []
    with told.reading() as session:
        verify(session, parts.append)
    assert parts == sorted(parts)
    assert parts[-1] == 1


# Digests


@given(
    st.dictionaries(
        st.text(min_size=1), st.none() | st.integers(-(2**63), 2**63 - 1) | st.text() | st.binary(), max_size=6
    )
)
def test_canonical_json_reads_back_as_what_was_said_without_what_is_empty(content: dict[str, Any]) -> None:
    said = json.loads(canonical(content))
    assert said.keys() == {name for name, value in content.items() if value is not None}
    for name, value in said.items():
        was = content[name]
        assert value == (was.hex() if isinstance(was, bytes) else str(was) if isinstance(value, str) else was)


def test_the_digest_is_what_anybody_can_compute_from_the_database() -> None:
    content = {"b": 1, "a": "é\n", "gone": None, "raw": b"\x01\xff"}
    assert row_digest(content) == sha256('{"a":"é\\n","b":1,"raw":"01ff"}'.encode()).hexdigest()
    assert link_hash(b"p", {"seq": 1, "prev": b"x", "hash": b"y"}) == sha256(b'p{"seq":1}').digest()


def test_a_column_that_is_added_later_changes_no_digest(told: Store) -> None:
    raw(told, "ALTER TABLE near_miss ADD COLUMN later TEXT")
    raw(told, "ALTER TABLE audit ADD COLUMN later BIGINT" if told.dialect != "sqlite" else
        "ALTER TABLE audit ADD COLUMN later INTEGER")  # fmt: skip
    assert look(told).whole
    unguarded(told, "near_miss", "UPDATE near_miss SET later = 'x' WHERE code = '3'")
    assert codes(told) == [Tampering.ROW_CHANGED]


def test_amounts_days_bytes_and_large_numbers_are_digested_as_the_database_holds_them(store: Store) -> None:
    with store.writing(STAMP, "made") as record:
        patient = record.keep(
            Patient(
                number="1", reference="R", given="A", family="B", birth_date=date(1965, 3, 9), search="x",
                weight_g=2**60, risks=["é", {"k": [1, None, True]}],
            )
        )  # fmt: skip
        record.keep(
            Implant(
                patient_id=patient.id, serial="S", family="f", model="m", implanted_on=date(2026, 1, 1),
                tubing=Volume.of(1, "mL") / 3, catheter_supplied=Length.of(100, "cm"),
            )
        )  # fmt: skip
    assert look(store).whole


def test_what_is_no_part_of_the_account_may_change(told: Store) -> None:
    from thecal.clinic.record.tables import LinkNumber

    with told.noting() as session:
        session.add(LinkNumber(serial="P", role="patient", newest=1))
    with told.writing(STAMP, "with one") as record:
        record.keep(LinkNumber(serial="Q", role="patient", newest=1))
    with told.noting() as session:
        session.get_one(LinkNumber, ("Q", "patient")).newest = 2
    assert look(told).whole


# Heads


def test_a_head_goes_out_and_comes_back_and_its_signature_is_of_all_of_it(told: Store) -> None:
    key = Ed25519PrivateKey.generate()
    with told.reading() as session:
        head = sign(session, key, 123)
        assert read_head(json.dumps(head.as_json())) == head
        assert against(session, head, head.key) == []
    assert (head.seq, head.at_utc_s) == (12, 123)
    for name, other in {"seq": 11, "hash": "00" * 32, "at_utc_s": 5, "key": "00" * 32, "form": "x"}.items():
        with pytest.raises(BadHead):
            read_head(json.dumps({**head.as_json(), name: other}))


@given(st.recursive(st.none() | st.text() | st.integers(), lambda i: st.lists(i) | st.dictionaries(st.text(), i)))
def test_nothing_else_is_a_head(said: Any) -> None:
    for text_ in (json.dumps(said), str(said)):
        with pytest.raises(BadHead, match="; allowed: "):
            read_head(text_)


def test_a_chain_that_was_written_anew_as_a_whole_shows_against_a_kept_head(told: Store, record_urls: Any) -> None:
    from thecal.clinic.record import Store as AnyStore

    key = Ed25519PrivateKey.generate()
    with told.reading() as session:
        head = sign(session, key, 1)
    with closing(AnyStore(record_urls())) as anew:
        for n in range(14):
            with anew.writing(STAMP, "stopped", n=n) as record:
                record.keep(NearMiss(where="w", code=str(n), found="f", allowed="a"))
        assert look(anew).whole
        with anew.reading() as session:
            assert [f.code for f in against(session, head)] == [Tampering.OTHER_HEAD]
            far = Head(99, head.hash, 1, head.key, head.signature)
            assert [f.code for f in against(session, far)] == [Tampering.TAIL_CUT]
            assert [f.code for f in against(session, Head(0, BEFORE_FIRST.hex(), 1, head.key, ""), "00")] == [
                Tampering.OTHER_KEY
            ]


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    with pytest.raises(StoreError, match="no key that heads can be signed with"):
        signing_key(path)
    made = signing_key(path, make=True)
    assert signing_key(path, make=True).private_bytes_raw() == made.private_bytes_raw()
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("no key", "utf-8")
    with pytest.raises(StoreError, match="no key that heads can be signed with"):
        signing_key(path, make=True)
