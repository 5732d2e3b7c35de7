"""The blind double check: exact, by another person, both entries kept, nothing of the first given away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from tests.clinic_world import NOW_S, plain_clinic
from tests.refilling_world import HYDRO, SAME, mixture, typed

from thecal.clinic import double_check
from thecal.clinic.double_check import NotChecked, Typed, Values, differs, read, values_of
from thecal.clinic.people.passwords import set_password
from thecal.clinic.people.signing_in import Visitor
from thecal.clinic.record.tables import DoubleCheck, NearMiss, Person, Session, SignIn
from thecal.clinic.refused import Refused
from thecal.clinic.who import Who
from thecal.quantities import Mass, Volume

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.clinic_world import ClinicWorld

SECRET = "violet kettle under seven maps"  # noqa: S105


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ClinicWorld]:
    yield from plain_clinic(tmp_path)


def first(volume: str = "19.5 mL", total: str = "1.4 mg") -> Values:
    return values_of(mixture(SAME), Volume.parse(volume), Mass.parse(total))


def second(world: ClinicWorld, entry: Typed) -> Values:
    found = read(entry, world.house.formulary)
    assert isinstance(found, Values), found
    return found


def test_other_units_and_another_order_are_the_same(world: ClinicWorld) -> None:
    entry = Typed(
        ("Clonidine", "morphine", "bupivacaine", ""), ("150 mcg/mL", "4 mg/mL", "10 mg/mL", ""), "19.5 mL", "1,400 mcg"
    )
    assert differs(first(), second(world, entry)) == ()


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        (typed(volume="19.6 mL"), ("volume",)),
        (typed(total="1.5 mg"), ("day total",)),
        (typed(HYDRO), ("drugs or strengths",)),
        (typed((("morphine", "40 mg/mL"), *SAME[1:])), ("drugs or strengths",)),
        (typed(SAME[:2]), ("drugs or strengths",)),
        (typed(HYDRO, "1 mL", "9 mg"), ("drugs or strengths", "volume", "day total")),
    ],
)
def test_whatever_differs_is_found_without_a_number(world: ClinicWorld, entry: Typed, what: tuple[str, ...]) -> None:
    assert differs(first(), second(world, entry)) == what


def test_without_a_day_total_nothing_agrees(world: ClinicWorld) -> None:
    one = values_of(mixture(SAME), Volume.parse("19.5 mL"), None)
    assert differs(one, second(world, typed())) == ("day total",)


@pytest.mark.parametrize(
    ("entry", "fields"),
    [
        (Typed(("", ""), ("", ""), "19.5 mL", "1.4 mg"), {"drug-0"}),
        (Typed(("nothing",), ("4 mg/mL",), "19.5 mL", "1.4 mg"), {"drug-0"}),
        (Typed(("morphine",), ("4",), "19.5 mL", "1.4 mg"), {"strength-0"}),
        (Typed(("morphine", "Morphine"), ("4 mg/mL", "4 mg/mL"), "19.5 mL", "1.4 mg"), {"drug-1"}),
        (Typed(("morphine",), (".4 mg/mL",), "19.5", ""), {"strength-0", "volume", "day_total"}),
    ],
)
def test_what_cannot_be_read_is_said_at_its_field(world: ClinicWorld, entry: Typed, fields: set[str]) -> None:
    found = read(entry, world.house.formulary)
    assert isinstance(found, tuple)
    assert {r.field for r in found} == fields


def test_both_entries_are_kept_whatever_comes_of_it(world: ClinicWorld) -> None:
    patient = world.patient(serial=None)
    with world.writing("nurse2", "double check") as record:
        session = record.keep(
            Session(
                patient_id=patient.id,
                serial="B-1",
                workflow="refill-same",
                step="second",
                state="open",
                parent=None,
                entered={},
                person_id=3,
            )
        )
        bad = double_check.compare(record, session, "refill", 3, first(), second(world, typed(volume="40 mL")))
        good = double_check.compare(record, session, "refill", 3, first(), second(world, typed()))
    assert (bad.matched, good.matched) == (False, True)
    with world.house.reading() as db:
        rows = db.scalars(select(DoubleCheck).order_by(DoubleCheck.id)).all()
        miss = db.scalars(select(NearMiss)).one()
        assert double_check.newest(db, session.id) is not None
    assert [(r.matched, r.first["volume"], r.second["volume"]) for r in rows] == [
        (0, "19.5", "40"),
        (1, "19.5", "19.5"),
    ]
    assert miss.found == "two entries that differ in volume"
    shown = double_check.beside(rows[0], world.house.formulary)
    assert ("volume", "19.5 mL", "40 mL", False) in shown
    assert sum(not same for *_, same in shown) == 1


def test_the_second_person_is_another_one_who_may(world: ClinicWorld) -> None:
    nurse = world.people["nurse"]
    assert double_check.against(world.people["pharmacist"], nurse.person_id) is None
    same = double_check.against(nurse, nurse.person_id)
    assert same is not None and same.code is NotChecked.SAME_PERSON
    desk = double_check.against(world.people["desk"], nurse.person_id)
    assert desk is not None and desk.code is NotChecked.NOT_ALLOWED


def test_the_second_person_signs_in_at_the_same_screen_for_one_entry(world: ClinicWorld) -> None:
    with world.writing() as record:
        person = record.session.scalars(select(Person).where(Person.login == "nurse2")).one()
        assert set_password(record, person, SECRET) is None
        from thecal.clinic.people import one_time_codes

        secret = one_time_codes.offer(record.session, person.id, world.house.seal)
        import pyotp

        code = pyotp.TOTP(secret).at(NOW_S)
        assert one_time_codes.confirm(record.session, person.id, code, NOW_S, world.house.seal)
    world.house.machine_s = lambda: NOW_S + 60
    now_code = pyotp.TOTP(secret).at(NOW_S + 60)
    wrong = double_check.vouched(world.house, "nurse2", "not this one", now_code, Visitor())
    assert isinstance(wrong, Refused) and wrong.field == "second_login"
    half = double_check.vouched(world.house, "nurse2", SECRET, "000000", Visitor())
    assert isinstance(half, Refused) and half.field == "second_code"
    who = double_check.vouched(world.house, "nurse2", SECRET, now_code, Visitor())
    assert isinstance(who, Who) and who.name == "Nurse Two"
    with world.house.reading() as db:
        open_ones = [s for s in db.scalars(select(SignIn)) if s.second_done and not s.ended]
    assert open_ones == [], "nobody stays signed in by it"
