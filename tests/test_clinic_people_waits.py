"""Waits after failures, sign-ins that lock and end, and clocks that jump."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from tests.clinic_world import ClinicWorld, plain_clinic
from tests.people_world import MACHINE_S, PASSWORD, Machine, with_passwords, with_second
from tests.record_engines import bytes_of

from thecal.clinic.people import signing_in, waiting
from thecal.clinic.people.entering import Entered, EnterFault, enter, say_second, unlock
from thecal.clinic.people.signing_in import BACK_S, IDLE_S, LONGEST_S, State, Visitor, sitting
from thecal.clinic.people.waiting import FREE_OF_ADDRESS, FREE_TRIES, LONGEST_WAIT_S, Counted, Try, WaitFault
from thecal.clinic.record.tables import Person, SignIn
from thecal.clinic.refused import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.orm import Session

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


# Waits


def fail(world: ClinicWorld, visitor: Visitor = DESK, login: str = "nurse") -> Refused:
    return refused(enter(world.house, login, "not the password", visitor))


def wait_s(found: Refused) -> int:
    assert found.code is WaitFault.WAIT, found
    number, unit = found.then.split(" in ")[1].split(",")[0].split()
    return int(number) * (60 if unit == "min" else 1)


def test_waits_grow_and_end_and_say_when_to_try_again(world: ClinicWorld, machine: Machine) -> None:
    for _ in range(FREE_TRIES + 1):
        assert fail(world).code is EnterFault.WRONG
    waits = []
    for _ in range(10):
        waits.append(wait_s(fail(world)))
        machine.now_s += waits[-1]
        assert fail(world).code is EnterFault.WRONG, "after the wait a try is looked at"
    assert waits[:4] == [5, 10, 20, 40]
    assert waits[-1] == LONGEST_WAIT_S


def test_the_right_password_during_a_wait_is_not_looked_at_and_after_it_all_is_forgotten(
    world: ClinicWorld, machine: Machine
) -> None:
    for _ in range(FREE_TRIES + 1):
        fail(world)
    waits = wait_s(refused(enter(world.house, "nurse", PASSWORD, DESK)))
    machine.now_s += waits
    entered(enter(world.house, "nurse", PASSWORD, DESK))
    assert fail(world).code is EnterFault.WRONG
    assert fail(world).code is EnterFault.WRONG


def test_waits_survive_a_restart(world: ClinicWorld, machine: Machine, tmp_path: Path) -> None:
    for _ in range(FREE_TRIES + 1):
        fail(world)
    world.store.engine.dispose()
    assert fail(world).code is WaitFault.WAIT


def test_a_stranger_who_tries_a_login_for_hours_does_not_lock_its_person_out(
    world: ClinicWorld, machine: Machine
) -> None:
    done = all_the_way_in(world, machine)
    assert done.known
    own = Visitor(DESK.address, DESK.browser, done.known)
    waits = 0
    for n in range(60):
        waits += fail(world, Visitor(f"198.51.100.{n}")).code is WaitFault.WAIT
        machine.now_s += 60
    assert waits > 45, "an hour of tries from sixty addresses, and hardly any was looked at"
    entered(enter(world.house, "nurse", PASSWORD, own))


def test_a_known_browser_waits_for_its_own_failures(world: ClinicWorld, machine: Machine) -> None:
    own = Visitor(DESK.address, DESK.browser, all_the_way_in(world, machine).known)
    for _ in range(FREE_TRIES + 1):
        fail(world, own)
    assert fail(world, own).code is WaitFault.WAIT


def test_the_mark_of_one_person_does_not_open_the_way_to_another_login(world: ClinicWorld, machine: Machine) -> None:
    own = Visitor(DESK.address, DESK.browser, all_the_way_in(world, machine).known)
    for _ in range(FREE_TRIES + 1):
        fail(world, Visitor("198.51.100.1"), "desk")
    assert fail(world, own, "desk").code is WaitFault.WAIT


def failed(session: Session, one: Counted, machine_s: int) -> None:
    tried = waiting.begin_try(session, [one], machine_s)
    assert isinstance(tried, Try)
    waiting.end_failed(session, tried, machine_s)


def test_one_address_that_tries_many_logins_waits(world: ClinicWorld, machine: Machine) -> None:
    with world.house.store.noting() as session:
        for _ in range(FREE_OF_ADDRESS):
            failed(session, Counted.address(DESK.address), machine.now_s)
    assert fail(world, login="somebody").code is EnterFault.WRONG
    assert fail(world, login="one-more").code is WaitFault.WAIT
    assert fail(world, Visitor("192.0.2.11"), "one-more").code is EnterFault.WRONG


def test_an_address_forgets_slips_one_by_one(world: ClinicWorld) -> None:
    with world.house.store.noting() as session:
        for n in range(3 * FREE_OF_ADDRESS):
            at_s = MACHINE_S + n * waiting.LEAK_S
            failed(session, Counted.address(DESK.address), at_s)


def test_tries_at_the_same_instant_count_each(world: ClinicWorld, machine: Machine) -> None:
    with ThreadPoolExecutor(8) as crowd:
        found = list(crowd.map(lambda _: fail(world), range(12)))
    assert FREE_TRIES <= sum(one.code is EnterFault.WRONG for one in found) <= FREE_TRIES + 1


def test_tries_at_the_second_factor_wait_too(world: ClinicWorld, machine: Machine) -> None:
    code = with_second(world, "nurse")
    half = entered(enter(world.house, "nurse", PASSWORD, DESK))
    for _ in range(FREE_TRIES + 1):
        assert refused(say_second(world.house, half.token, "000000", DESK)).code is EnterFault.CODE
    right = code.at(machine.now_s)
    assert refused(say_second(world.house, half.token, right, DESK)).code is WaitFault.WAIT


def test_a_clock_that_goes_back_makes_nobody_wait_longer_than_the_longest(world: ClinicWorld, machine: Machine) -> None:
    for _ in range(FREE_TRIES + 1):
        fail(world)
    machine.now_s -= 10 * 365 * 86_400
    fail(world)
    machine.now_s += LONGEST_WAIT_S
    entered(enter(world.house, "nurse", PASSWORD, DESK))


# Sign-ins that lock, end, and outlast no clock


@pytest.mark.requirement("OP-EC24")
def test_a_screen_locks_after_fifteen_minutes_and_the_password_is_enough_to_go_on(
    world: ClinicWorld, machine: Machine
) -> None:
    done = all_the_way_in(world, machine)
    machine.now_s += IDLE_S - 1
    assert state_of(world, done.token) is State.IN
    machine.now_s += 1
    assert state_of(world, done.token) is State.LOCKED
    refused(unlock(world.house, done.token, "not the password", DESK))
    again = entered(unlock(world.house, done.token, PASSWORD, DESK))
    assert state_of(world, again.token) is State.IN
    assert state_of(world, done.token) is State.NOBODY, "a new secret at each step"


def test_unlocking_does_not_lengthen_a_sign_in(world: ClinicWorld, machine: Machine) -> None:
    done = all_the_way_in(world, machine)
    began = machine.now_s
    token = done.token
    for _ in range(4):
        machine.now_s += IDLE_S
        token = entered(unlock(world.house, token, PASSWORD, DESK)).token
    while machine.now_s + IDLE_S < began + LONGEST_S:
        machine.now_s += IDLE_S - 1
        with world.house.store.noting() as session:
            signing_in.seen(session, session.get_one(SignIn, signing_in.digest(token)), machine.now_s)
        assert state_of(world, token) is State.IN
    machine.now_s = began + LONGEST_S
    assert state_of(world, token) is State.NOBODY
    refused(unlock(world.house, token, PASSWORD, DESK))


def test_a_locked_screen_tries_passwords_with_waits(world: ClinicWorld, machine: Machine) -> None:
    done = all_the_way_in(world, machine)
    machine.now_s += IDLE_S
    for _ in range(FREE_TRIES + 1):
        refused(unlock(world.house, done.token, "not the password", DESK))
    assert refused(unlock(world.house, done.token, PASSWORD, DESK)).code is WaitFault.WAIT


def test_a_sign_in_that_was_seen_later_than_now_is_over(world: ClinicWorld, machine: Machine) -> None:
    done = all_the_way_in(world, machine)
    machine.now_s -= BACK_S + 1
    assert state_of(world, done.token) is State.NOBODY
    with world.house.store.noting() as session:
        signing_in.end_ahead(session, machine.now_s)
    machine.now_s += BACK_S + 1
    assert state_of(world, done.token) is State.NOBODY, "it does not come back with the clock"


@pytest.mark.parametrize("jump_s", [-36_000, -900, 900, 36_000])
def test_no_jump_of_the_wall_clock_lengthens_a_sign_in_beyond_its_longest(world: ClinicWorld, jump_s: int) -> None:
    passed = [0.0]
    clock = with_passwords(world, "nurse")
    with world.writing() as record:
        person = record.session.get_one(Person, world.people["nurse"].person_id)
        token = signing_in.begin(record.session, person, clock(), second_done=True)

    def live(seconds: float) -> None:
        clock.now_s += int(seconds)
        passed[0] += seconds

    for _ in range(LONGEST_S // 600):
        if state_of(world, token) is not State.IN:
            break
        with world.house.store.noting() as session:
            signing_in.seen(session, session.get_one(SignIn, signing_in.digest(token)), clock())
        live(300)
        clock.now_s += jump_s
        live(300)
    assert passed[0] <= LONGEST_S
    live(LONGEST_S - passed[0])
    assert state_of(world, token) is not State.IN


def test_roles_hold_at_once_and_nobody_who_is_inactive_is_in(world: ClinicWorld, machine: Machine) -> None:
    done = all_the_way_in(world, machine)
    with world.writing() as record:
        person = record.session.get_one(Person, world.people["nurse"].person_id)
        record.change(person, "made inactive", active=False)
    assert state_of(world, done.token) is State.NOBODY


def test_the_secret_of_a_sign_in_is_not_in_the_record(world: ClinicWorld, machine: Machine) -> None:
    done = all_the_way_in(world, machine)
    kept = bytes_of(world.store)
    assert done.token.encode() not in kept
    assert done.known.encode() not in kept
    assert signing_in.digest(done.token).encode() in kept
