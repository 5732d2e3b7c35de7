"""Signing in, without a page: what a password may be, how it is kept, and the second factor."""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pyotp
import pytest
from argon2 import PasswordHasher
from sqlalchemy import select
from tests.clinic_world import ClinicWorld, plain_clinic
from tests.people_world import PASSWORD, Machine, make_demonstration, with_passwords, with_second

from thecal.clinic.people import entering, one_time_codes, passwords
from thecal.clinic.people.entering import Entered, EnterFault, Then, enter, say_second, take_second
from thecal.clinic.people.passwords import PasswordFault, kept_password, password_fault, set_password, verify_password
from thecal.clinic.people.signing_in import HALF_S, State, Visitor, sitting
from thecal.clinic.record.tables import Act, Audit, FailedTries, Password, Person, SignIn
from thecal.clinic.refused import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DESK = Visitor("192.0.2.10", "a browser")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ClinicWorld]:
    yield from plain_clinic(tmp_path)


@pytest.fixture
def machine(world: ClinicWorld) -> Machine:
    return with_passwords(world, "nurse")


def state_of(world: ClinicWorld, token: str) -> State:
    with world.house.reading() as session:
        return sitting(session, token, world.house.machine_s()).state


def entered(found: Entered | Refused) -> Entered:
    assert isinstance(found, Entered), found
    return found


def refused(found: object) -> Refused:
    assert isinstance(found, Refused), found
    return found


def all_the_way_in(world: ClinicWorld, machine: Machine, role: str = "nurse") -> Entered:
    code = with_second(world, role)
    half = entered(enter(world.house, role, PASSWORD, DESK))
    return entered(say_second(world.house, half.token, code.at(machine.now_s), DESK))


# Passwords


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short", PasswordFault.SHORT),
        ("elevenchars", PasswordFault.SHORT),
        ("x" * 129, PasswordFault.LONG),
        ("Password1234", PasswordFault.COMMON),
        ("qwertyuiop12", PasswordFault.COMMON),
        ("mmmmmmmmmmmmmmm", PasswordFault.COMMON),
        ("annalindqvist", PasswordFault.LOGIN),
        ("AnnaLindqvist 2026!", PasswordFault.LOGIN),
    ],
)
def test_a_password_that_is_too_easy_is_refused_with_its_reason(password: str, code: PasswordFault) -> None:
    fault = password_fault("annalindqvist", password)
    assert fault is not None
    assert fault.code is code
    assert fault.field == "password"
    assert password not in fault.message


@pytest.mark.parametrize(
    "password", ["twelve chars", "x1" * 64, "lower case words only", "ängström übung", "123 456 789 0 a"]
)
def test_there_is_no_rule_about_kinds_of_characters(password: str) -> None:
    assert password_fault("nurse", password) is None


def test_the_list_of_common_passwords_holds_nothing_that_the_length_refuses_anyway() -> None:
    lines = (passwords._COMMON).read_text("utf-8").split("\n")
    lines = [line for line in lines if line]
    assert len(lines) > 100
    assert len(lines) == len({line.casefold() for line in lines})
    assert all(password_fault("nobody", line) is not None for line in lines)
    assert sum(len(line) < passwords.LEAST_LENGTH for line in lines) <= 1


def test_the_same_characters_count_as_the_same_whatever_keyboard_they_come_from(world: ClinicWorld) -> None:
    with world.writing() as record:
        person = record.session.get_one(Person, world.people["nurse"].person_id)
        assert set_password(record, person, "übung im großen saal") is None
    with world.house.reading() as session:
        kept = kept_password(session, "nurse")
    assert verify_password(kept, "übung im großen saal") is not None


def test_what_is_kept_is_argon2id_and_no_account_names_it(world: ClinicWorld, machine: Machine) -> None:
    with world.house.reading() as session:
        kept = session.scalars(select(Password)).one()
        acts = [str(act.details) + act.kind for act in session.scalars(select(Act).where(Act.subject_kind == "person"))]
        links = [str(link.details) + str(link.rows) for link in session.scalars(select(Audit))]
    assert kept.hash.startswith("$argon2id$v=19$m=65536,t=2,p=1$")
    assert not any(PASSWORD in text or kept.hash in text for text in acts + links)
    assert any("password set" in text for text in acts)


def test_a_login_that_there_is_not_takes_as_long_as_one_that_there_is(world: ClinicWorld, machine: Machine) -> None:
    with world.house.reading() as session:
        known, unknown = kept_password(session, "nurse"), kept_password(session, "nobody")
    assert unknown is None
    verify_password(unknown, "first")

    def times(kept: tuple[int, str] | None) -> float:
        spent = []
        for _ in range(7):
            begun = time.perf_counter()
            assert verify_password(kept, "not the password") is None
            spent.append(time.perf_counter() - begun)
        return statistics.median(spent)

    assert 0.5 < times(known) / times(unknown) < 2


def test_a_hash_of_weaker_parameters_is_made_anew_at_the_next_sign_in(world: ClinicWorld, machine: Machine) -> None:
    with world.house.store.noting() as session:
        session.scalars(select(Password)).one().hash = PasswordHasher(time_cost=1, memory_cost=8192).hash(PASSWORD)
    entered(enter(world.house, "nurse", PASSWORD, DESK))
    with world.house.reading() as session:
        assert session.scalars(select(Password)).one().hash.startswith("$argon2id$v=19$m=65536,t=2,p=1$")
    entered(enter(world.house, "nurse", PASSWORD, DESK))


# The way in


def test_wrong_password_unknown_login_and_inactive_person_get_the_same_answer(
    world: ClinicWorld, machine: Machine
) -> None:
    wrong = refused(enter(world.house, "nurse", "not the password", DESK))
    unknown = refused(enter(world.house, "nobody", PASSWORD, DESK))
    with world.writing() as record:
        person = record.session.get_one(Person, world.people["nurse"].person_id)
        record.change(person, "made inactive", active=False)
    inactive = refused(enter(world.house, "nurse", PASSWORD, DESK))
    assert wrong == unknown == inactive
    assert wrong.code is EnterFault.WRONG


def test_what_was_typed_as_login_is_in_no_account(world: ClinicWorld, machine: Machine) -> None:
    refused(enter(world.house, PASSWORD, "nurse", DESK))
    with world.house.reading() as session:
        text = " ".join(str(link.details) + link.action for link in session.scalars(select(Audit)))
        counted = " ".join(session.scalars(select(FailedTries.counted)))
    assert PASSWORD not in text + counted


def test_a_real_clinic_lets_nobody_in_without_a_second_factor(world: ClinicWorld, machine: Machine) -> None:
    first = entered(enter(world.house, "nurse", PASSWORD, DESK))
    assert first.then is Then.ENROLL
    assert state_of(world, first.token) is State.HALF
    with world.house.store.noting() as session:
        secret = one_time_codes.offer(session, world.people["nurse"].person_id, world.house.seal)
    wrong = refused(take_second(world.house, first.token, "000000", DESK))
    assert wrong.field == "code"
    done = entered(take_second(world.house, first.token, pyotp.TOTP(secret).at(machine.now_s), DESK))
    assert state_of(world, done.token) is State.IN
    assert state_of(world, first.token) is State.NOBODY
    assert len(set(done.recovery_codes)) == one_time_codes.RECOVERY_CODES


def test_the_demonstration_waives_the_second_factor_and_keeps_that_it_did(world: ClinicWorld, machine: Machine) -> None:
    make_demonstration(world)
    done = entered(enter(world.house, "nurse", PASSWORD, DESK))
    assert done.then is Then.IN
    with world.house.reading() as session:
        row = session.scalars(select(SignIn)).one()
    assert row.waived
    assert "waived" in row.way


def test_a_clinic_that_stops_being_a_demonstration_asks_again_at_once(world: ClinicWorld, machine: Machine) -> None:
    make_demonstration(world)
    entered(enter(world.house, "nurse", PASSWORD, DESK))
    make_demonstration(world, whether=False)
    assert entered(enter(world.house, "nurse", PASSWORD, DESK)).then is Then.ENROLL


def test_the_demonstration_asks_for_a_second_factor_that_somebody_has_set_up(
    world: ClinicWorld, machine: Machine
) -> None:
    make_demonstration(world)
    with_second(world, "nurse")
    assert entered(enter(world.house, "nurse", PASSWORD, DESK)).then is Then.SECOND


def test_a_code_is_never_taken_twice(world: ClinicWorld, machine: Machine) -> None:
    code = with_second(world, "nurse")
    said = code.at(machine.now_s)
    for expected in (Entered, Refused):
        half = entered(enter(world.house, "nurse", PASSWORD, DESK))
        assert isinstance(say_second(world.house, half.token, said, DESK), expected)
    machine.now_s += 30
    half = entered(enter(world.house, "nurse", PASSWORD, DESK))
    assert isinstance(say_second(world.house, half.token, said, DESK), Refused), "an older step after a newer one"
    entered(say_second(world.house, half.token, code.at(machine.now_s), DESK))


def test_a_code_is_not_taken_twice_by_two_at_the_same_instant(world: ClinicWorld, machine: Machine) -> None:
    code = with_second(world, "nurse").at(machine.now_s)
    halves = [entered(enter(world.house, "nurse", PASSWORD, DESK)).token for _ in range(4)]
    with ThreadPoolExecutor(4) as crowd:
        found = list(crowd.map(lambda token: say_second(world.house, token, code, DESK), halves))
    assert sum(isinstance(one, Entered) for one in found) == 1


@pytest.mark.parametrize(("aside_s", "taken"), [(-60, False), (-30, True), (0, True), (30, True), (60, False)])
def test_the_window_of_a_code_is_one_step_to_either_side(
    world: ClinicWorld, machine: Machine, aside_s: int, taken: bool
) -> None:
    code = with_second(world, "nurse")
    half = entered(enter(world.house, "nurse", PASSWORD, DESK))
    found = say_second(world.house, half.token, code.at(machine.now_s + aside_s), DESK)
    assert isinstance(found, Entered) == taken


def test_a_recovery_code_serves_once_and_for_its_person_alone(world: ClinicWorld, machine: Machine) -> None:
    with_passwords(world, "desk")
    world.house.machine_s = machine
    for role in ("nurse", "desk"):
        with_second(world, role)
    with world.house.store.noting() as session:
        codes = one_time_codes.new_recovery_codes(session, world.people["nurse"].person_id)
    stranger = entered(enter(world.house, "desk", PASSWORD, DESK))
    refused(say_second(world.house, stranger.token, codes[0], DESK))
    for expected in (Entered, Refused):
        half = entered(enter(world.house, "nurse", PASSWORD, DESK))
        found = say_second(world.house, half.token, codes[0].upper().replace("-", " "), DESK)
        assert isinstance(found, expected)


def test_the_second_step_has_to_follow_within_ten_minutes(world: ClinicWorld, machine: Machine) -> None:
    code = with_second(world, "nurse")
    half = entered(enter(world.house, "nurse", PASSWORD, DESK))
    machine.now_s += HALF_S
    assert refused(say_second(world.house, half.token, code.at(machine.now_s), DESK)).code is EnterFault.OVER


def test_somebody_who_has_a_second_factor_cannot_set_up_another_with_the_password_alone(
    world: ClinicWorld, machine: Machine
) -> None:
    with_second(world, "nurse")
    half = entered(enter(world.house, "nurse", PASSWORD, DESK))
    with world.house.store.noting() as session:
        secret = one_time_codes.offer(session, world.people["nurse"].person_id, world.house.seal)
    refused(take_second(world.house, half.token, pyotp.TOTP(secret).at(machine.now_s), DESK))


def test_two_hundred_sign_ins_in_a_minute_fit_on_two_cores() -> None:
    hashed = passwords.hash_of(PASSWORD)
    begun = time.process_time()
    for _ in range(3):
        assert verify_password((1, hashed), PASSWORD) is not None
    each_s = (time.process_time() - begun) / 3
    assert 200 * each_s < 0.75 * 2 * 60, f"{each_s:.3f} s of processor for each"


def test_everything_that_enters_says_how(world: ClinicWorld, machine: Machine) -> None:
    all_the_way_in(world, machine)
    with world.house.reading() as session:
        acts = session.scalars(select(Act).where(Act.kind == "signed in")).all()
    assert [act.details["way"] for act in acts] == ["password and code"]
    assert entering.is_demonstration(session) is False
