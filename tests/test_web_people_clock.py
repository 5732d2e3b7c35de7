"""A clock that jumps by hours and by years, in the middle of a sign-in and of a session, and what people see then.

There is no memory of the clock in a process: several serve one clinic, and each is started again when it dies.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.clinic_world import ClinicWorld, plain_clinic
from tests.people_world import MACHINE_S, Machine, sign_in, with_passwords, with_second

from thecal.clinic.people.signing_in import BACK_S, HALF_S, IDLE_S, LONGEST_S
from thecal.clinic.practice import Practice
from thecal.clinic.record import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyotp

YEARS_S = 10 * 365 * 86_400
JUMPS = (-YEARS_S, -7200, 7200, YEARS_S)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ClinicWorld]:
    yield from plain_clinic(tmp_path)


@pytest.fixture
def machine(world: ClinicWorld) -> Machine:
    return with_passwords(world, "nurse")


@pytest.fixture
def code(world: ClinicWorld, machine: Machine) -> pyotp.TOTP:
    return with_second(world, "nurse")


def opened(client: object) -> int:
    return int(client.get("/account").status_code)  # type: ignore[attr-defined]


def all_the_way_in(world: ClinicWorld, machine: Machine, code: pyotp.TOTP) -> object:
    client = world.client(None)
    assert sign_in(client, "nurse").status_code == 303
    found = client.post("/sign-in/second", data={"code": code.at(machine.now_s)})
    assert found.status_code == 303, found.text
    assert opened(client) == 200
    return client


@pytest.mark.parametrize("jump_s", JUMPS)
def test_in_the_middle_of_a_sign_in(world: ClinicWorld, machine: Machine, code: pyotp.TOTP, jump_s: int) -> None:
    """The telephone's clock is right before and after the jump; whoever begins again comes in."""
    client = world.client(None)
    sign_in(client, "nurse")
    machine.now_s += jump_s
    found = client.post("/sign-in/second", data={"code": code.at(MACHINE_S)})
    assert found.status_code in {303, 422}
    if found.status_code == 303:
        assert abs(jump_s) <= 60, "a code of another time opens nothing"
    else:
        assert opened(client) == 303
        assert "next" in found.text.casefold(), "it says what to do"
    machine.now_s = MACHINE_S + 120
    all_the_way_in(world, machine, code)


@pytest.mark.parametrize("jump_s", JUMPS)
def test_in_the_middle_of_a_session_and_back_again(
    world: ClinicWorld, machine: Machine, code: pyotp.TOTP, jump_s: int
) -> None:
    client = all_the_way_in(world, machine, code)
    machine.now_s += jump_s
    still = opened(client) == 200
    assert still == (-BACK_S <= jump_s < IDLE_S)
    machine.now_s = MACHINE_S + 60
    if jump_s < 0:
        assert opened(client) == 303, "what ended does not come back with the clock"
    machine.now_s = MACHINE_S + 120
    all_the_way_in(world, machine, code)


def test_a_clock_set_back_bit_by_bit_lengthens_no_idle_screen_by_more_than_it_may_idle(
    world: ClinicWorld, machine: Machine, code: pyotp.TOTP
) -> None:
    """What cannot be told is whether an idle screen idled before the clock went back; that is bounded."""
    client = all_the_way_in(world, machine, code)
    machine.now_s += IDLE_S - 1
    machine.now_s -= IDLE_S - 1 - BACK_S
    machine.now_s += IDLE_S
    assert opened(client) == 303


def test_half_a_sign_in_does_not_live_on_in_a_clock_that_went_back(
    world: ClinicWorld, machine: Machine, code: pyotp.TOTP
) -> None:
    client = world.client(None)
    sign_in(client, "nurse")
    machine.now_s += HALF_S - 1
    machine.now_s -= HALF_S + BACK_S
    assert client.post("/sign-in/second", data={"code": code.at(machine.now_s)}).status_code == 422


def test_processes_that_start_at_different_times_say_the_same_time(
    world: ClinicWorld, machine: Machine, code: pyotp.TOTP
) -> None:
    """One that started after the clock was set back ends what was seen later; the other does not bring it back."""
    client = all_the_way_in(world, machine, code)
    machine.now_s -= 3600
    with closing(Store(world.store.url)) as store:
        other = ClinicWorld(store, replace(world.house, store=store), world.people).client(None)
        for name, secret in client.cookies.items():  # type: ignore[attr-defined]
            other.cookies.set(name, secret)
        assert opened(other) == 303
        assert opened(client) == 303
        other.cookies.clear()
        again = other
        assert sign_in(again, "nurse").status_code == 303
        mine = world.client(None)
        for name, secret in again.cookies.items():
            mine.cookies.set(name, secret)
        assert mine.get("/sign-in/second").status_code == 200, "the first process takes what the other one began"
    assert machine.now_s < MACHINE_S + LONGEST_S


def test_the_practice_keeps_no_clock_of_its_own(world: ClinicWorld) -> None:
    import time

    plain = Practice(world.store, world.house.pumps, world.house.formulary, lambda: 0, "test")
    assert abs(plain.machine_s() - time.time()) < 5
