"""Signing in and looking after people on either engine: what must hold when many do it at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from tests.clinic_world import ClinicWorld, clinic_world
from tests.people_world import PASSWORD, Machine, sign_in, with_passwords, with_second
from tests.record_engines import urls_fixture  # noqa: F401 -- a fixture

from thecal.clinic.people import auditing, entering, staff
from thecal.clinic.people.auditing import Looked
from thecal.clinic.people.entering import Entered, Then
from thecal.clinic.people.signing_in import Visitor
from thecal.clinic.people.staff import Change, StaffFault
from thecal.clinic.people.waiting import FREE_TRIES, WaitFault
from thecal.clinic.record.tables import Person
from thecal.clinic.refused import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DESK = Visitor("192.0.2.10")


@pytest.fixture
def world(record_urls: Callable[..., str]) -> Iterator[ClinicWorld]:
    made = clinic_world(record_urls())
    yield made
    made.end()


@pytest.fixture
def machine(world: ClinicWorld) -> Machine:
    return with_passwords(world, "nurse", "administrator")


def test_a_whole_sign_in_on_either_engine(world: ClinicWorld, machine: Machine) -> None:
    code = with_second(world, "nurse")
    client = world.client(None)
    assert sign_in(client, "nurse").headers["location"].startswith("/sign-in/second")
    assert client.post("/sign-in/second", data={"code": code.at(machine.now_s)}).headers["location"] == "/"
    assert client.get("/account").status_code == 200


def test_a_code_is_taken_once_by_many_at_once(world: ClinicWorld, machine: Machine) -> None:
    code = with_second(world, "nurse").at(machine.now_s)
    halves = [entering.enter(world.house, "nurse", PASSWORD, DESK) for _ in range(4)]
    tokens = [half.token for half in halves if isinstance(half, Entered) and half.then is Then.SECOND]
    assert len(tokens) == 4
    with ThreadPoolExecutor(4) as crowd:
        found = list(crowd.map(lambda token: entering.say_second(world.house, token, code, DESK), tokens))
    assert sum(isinstance(one, Entered) for one in found) == 1


def test_tries_by_many_at_once_count_each(world: ClinicWorld, machine: Machine) -> None:
    def fail(_: int) -> Any:
        return entering.enter(world.house, "nurse", "not the password", DESK)

    with ThreadPoolExecutor(6) as crowd:
        found = list(crowd.map(fail, range(10)))
    assert FREE_TRIES <= sum(one.code is not WaitFault.WAIT for one in found) <= FREE_TRIES + 1


def test_two_administrators_who_demote_each_other_at_once_leave_one(world: ClinicWorld, machine: Machine) -> None:
    one, two = world.people["administrator"], world.people["administrator2"]

    def demote(pair: tuple[Any, Any]) -> Any:
        by, whom = pair
        return staff.set_roles(world.house, by, Change(whom.person_id, "changed work"), ["nurse"])

    with ThreadPoolExecutor(2) as crowd:
        found = list(crowd.map(demote, [(one, two), (two, one)]))
    refused = [each for each in found if isinstance(each, Refused)]
    assert [each.code for each in refused] == [StaffFault.LAST]
    with world.house.reading() as session:
        left = [p.login for p in session.scalars(select(Person)) if "administrator" in p.roles]
    assert len(left) == 1


def test_people_and_the_account_are_searched_on_either_engine(world: ClinicWorld, machine: Machine) -> None:
    with world.house.reading() as session:
        found, total = staff.people(session, "NURSE")
        lines, more = auditing.lines(session, Looked(action="a test"), ZoneInfo("America/Chicago"))
        followed = auditing.follow_newest(session)
    assert [p.login for p in found] == ["nurse", "nurse2"]
    assert total == 2
    assert lines
    assert not more
    assert followed.whole
