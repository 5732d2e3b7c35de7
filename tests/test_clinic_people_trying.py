"""Tries under way: a crowd behind one address waits for nobody, and nobody guesses faster by guessing at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select
from tests.clinic_world import ClinicWorld, clinic_world
from tests.people_world import MACHINE_S, PASSWORD, Machine, with_passwords, with_second
from tests.record_engines import urls_fixture  # noqa: F401 -- a fixture

from thecal.clinic.people import waiting
from thecal.clinic.people.entering import Entered, EnterFault, asked_again, enter, say_second
from thecal.clinic.people.signing_in import Visitor
from thecal.clinic.people.waiting import (
    FIRST_WAIT_S,
    FORGOTTEN_S,
    FREE_OF_ADDRESS,
    FREE_TRIES,
    LOST_S,
    Counted,
    Try,
    WaitFault,
)
from thecal.clinic.record import Store
from thecal.clinic.record.tables import Audit, FailedTries, Password, Person, TryUnderWay
from thecal.clinic.refused import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ONE_DOOR = Visitor("192.0.2.10")
LOGIN = Counted("login of somebody")
ADDRESS = Counted.address("192.0.2.10")


@pytest.fixture
def world(record_urls: Callable[..., str]) -> Iterator[ClinicWorld]:
    made = clinic_world(record_urls())
    yield made
    made.end()


@pytest.fixture
def machine(world: ClinicWorld) -> Machine:
    return with_passwords(world, "nurse")


def begun(world: ClinicWorld, *counted: Counted, at_s: int = MACHINE_S) -> Try | Refused:
    with world.store.noting() as session:
        return waiting.begin_try(session, counted, at_s)


def ended(world: ClinicWorld, tried: Try | Refused, *, right: bool, at_s: int = MACHINE_S) -> None:
    assert isinstance(tried, Try), tried
    with world.store.noting() as session:
        (waiting.end_right if right else waiting.end_failed)(session, tried, at_s)


def under_way(world: ClinicWorld) -> int:
    with world.store.reading() as session:
        return session.scalar(select(func.count()).select_from(TryUnderWay)) or 0


def failures(world: ClinicWorld, name: str) -> int:
    with world.store.reading() as session:
        row = session.get(FailedTries, name)
    return 0 if row is None else row.failures


def test_a_whole_clinic_that_signs_in_at_once_behind_one_address_is_told_to_wait_for_nothing(
    world: ClinicWorld, machine: Machine
) -> None:
    """More people than an address has failures free, each right, all at the same instant."""
    logins = [f"crowd{n}" for n in range(FREE_OF_ADDRESS + 10)]
    with world.writing() as record:
        kept = record.session.get_one(Password, world.people["nurse"].person_id).hash
        for login in logins:
            person = record.keep(Person(login=login, name="One Of Many", roles=["nurse"]))
            record.session.add(Password(person_id=person.id, hash=kept))
    with ThreadPoolExecutor(16) as crowd:
        found = list(crowd.map(lambda login: enter(world.house, login, PASSWORD, ONE_DOOR), logins))
    assert [one for one in found if not isinstance(one, Entered)] == []
    assert failures(world, ADDRESS.name) == under_way(world) == 0


def test_there_are_never_more_tries_at_once_than_failures_are_free(world: ClinicWorld) -> None:
    tries = [begun(world, LOGIN) for _ in range(FREE_TRIES)]
    more = begun(world, LOGIN)
    assert isinstance(more, Refused)
    assert (more.code, "1 s" in more.then) == (WaitFault.WAIT, True)
    ended(world, tries[0], right=False)
    assert isinstance(begun(world, LOGIN), Refused), "one failed, and three are under way: none is free"
    for tried in tries[1:]:
        ended(world, tried, right=False)
    last = begun(world, LOGIN)
    assert isinstance(last, Try), "four failed without a wait: one more is looked at, alone"
    assert isinstance(begun(world, LOGIN), Refused)
    ended(world, last, right=False)
    wait = begun(world, LOGIN)
    assert isinstance(wait, Refused)
    assert f"{FIRST_WAIT_S} s" in wait.then


def test_after_a_wait_one_is_looked_at_and_not_a_burst(world: ClinicWorld) -> None:
    for _ in range(FREE_TRIES + 1):
        ended(world, begun(world, LOGIN), right=False)
    later = MACHINE_S + FIRST_WAIT_S
    burst = [begun(world, LOGIN, at_s=later) for _ in range(20)]
    assert [isinstance(one, Try) for one in burst] == [True] + [False] * 19


def test_an_address_that_failed_too_often_does_not_burst_either_and_one_right_try_does_not_clear_it(
    world: ClinicWorld,
) -> None:
    for _ in range(FREE_OF_ADDRESS):
        ended(world, begun(world, ADDRESS), right=False)
    ended(world, begun(world, ADDRESS), right=True)
    assert failures(world, ADDRESS.name) == FREE_OF_ADDRESS
    assert isinstance(begun(world, ADDRESS), Try)
    assert isinstance(begun(world, ADDRESS), Refused)


def test_a_try_whose_process_was_killed_counts_as_a_failure_and_takes_up_no_room_for_ever(world: ClinicWorld) -> None:
    tries = [begun(world, LOGIN) for _ in range(FREE_TRIES)]
    later = MACHINE_S + LOST_S + 1
    assert isinstance(begun(world, LOGIN, at_s=later), Try)
    assert failures(world, LOGIN.name) == FREE_TRIES
    ended(world, tries[0], right=False, at_s=later)
    assert failures(world, LOGIN.name) == FREE_TRIES, "it has counted already"
    assert under_way(world) == 1


@pytest.mark.parametrize("jump_s", [-10 * 365 * 86_400, -7200, 7200, 10 * 365 * 86_400])
def test_a_clock_that_jumps_while_tries_are_under_way_leaves_none_behind(world: ClinicWorld, jump_s: int) -> None:
    tries = [begun(world, LOGIN) for _ in range(FREE_TRIES)]
    assert isinstance(begun(world, LOGIN, at_s=MACHINE_S + jump_s), Refused | Try)
    for tried in tries:
        ended(world, tried, right=True, at_s=MACHINE_S + jump_s)
    found = begun(world, LOGIN, at_s=MACHINE_S + jump_s)
    assert isinstance(found, Try)


def test_tries_count_whichever_process_of_the_web_they_come_to(world: ClinicWorld, machine: Machine) -> None:
    """Two stores are what two processes have: nothing in memory is shared."""
    with closing(Store(world.store.url)) as other:
        tries = []
        for n in range(FREE_TRIES):
            with (other if n % 2 else world.store).noting() as session:
                tries.append(waiting.begin_try(session, [LOGIN], MACHINE_S))
        assert all(isinstance(one, Try) for one in tries)
        with other.noting() as session:
            assert isinstance(waiting.begin_try(session, [LOGIN], MACHINE_S), Refused)


def test_what_is_counted_is_forgotten_and_not_kept_for_ever(world: ClinicWorld) -> None:
    for n in range(5):
        ended(world, begun(world, Counted(f"login {n}")), right=False)
    ended(world, begun(world, LOGIN, at_s=MACHINE_S + FORGOTTEN_S + 1), right=False, at_s=MACHINE_S + FORGOTTEN_S + 1)
    with world.store.reading() as session:
        assert session.scalars(select(FailedTries.counted)).all() == [LOGIN.name]


def test_a_failure_leaves_the_same_behind_at_a_login_that_there_is_not(world: ClinicWorld, machine: Machine) -> None:
    """So that neither the account nor the time that writing takes tells them apart for a stranger."""
    for login in ("nurse", "no-such-login"):
        found = enter(world.house, login, "not the password", ONE_DOOR)
        assert isinstance(found, Refused)
        assert found.code is EnterFault.WRONG
    with world.store.reading() as session:
        links = session.scalars(select(Audit).where(Audit.action == "sign-in refused")).all()
    assert [link.details["person"] for link in links] == [world.people["nurse"].person_id, 0]
    assert "no-such-login" not in str([link.details for link in links])


def test_every_way_of_trying_leaves_nothing_under_way(world: ClinicWorld, machine: Machine) -> None:
    code = with_second(world, "nurse")
    who = world.people["nurse"]
    enter(world.house, "nurse", "not the password", ONE_DOOR)
    half = enter(world.house, "nurse", PASSWORD, ONE_DOOR)
    assert isinstance(half, Entered)
    assert isinstance(say_second(world.house, half.token, "000000", ONE_DOOR), Refused)
    assert isinstance(say_second(world.house, half.token, code.at(machine.now_s), ONE_DOOR), Entered)
    assert asked_again(world.house, who, "not the password") is not None
    assert asked_again(world.house, who, PASSWORD) is None
    assert under_way(world) == 0


def test_a_password_that_is_asked_again_waits_at_its_field(world: ClinicWorld, machine: Machine) -> None:
    who = world.people["nurse"]
    for _ in range(FREE_TRIES + 1):
        asked_again(world.house, who, "not the password", "old")
    found = asked_again(world.house, who, PASSWORD, "old")
    assert found is not None
    assert (found.code, found.field) == (WaitFault.WAIT, "old")
