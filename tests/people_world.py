"""People of a test clinic with passwords and second factors, and a machine clock that a test moves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyotp

from thecal.clinic.people.passwords import set_password
from thecal.clinic.record.tables import Clinic, OneTimeSecret, Person

if TYPE_CHECKING:
    from fastapi.testclient import TestClient
    from tests.clinic_world import ClinicWorld

PASSWORD = "purple stone river four"  # noqa: S105
MACHINE_S = 1_800_000_000


@dataclass
class Machine:
    """A machine clock that stands where it is put."""

    now_s: int = MACHINE_S

    def __call__(self) -> int:
        return self.now_s


def with_passwords(world: ClinicWorld, *roles: str) -> Machine:
    """Give people passwords, and the clinic a machine clock to move."""
    machine = Machine()
    world.house.machine_s = machine
    for role in roles:
        with world.writing() as record:
            person = record.session.get_one(Person, world.people[role].person_id)
            assert set_password(record, person, PASSWORD) is None
    return machine


def with_second(world: ClinicWorld, role: str) -> pyotp.TOTP:
    """Give somebody an authenticator application; here it is."""
    secret = pyotp.random_base32()
    with world.house.store.noting() as session:
        who = world.people[role].person_id
        session.merge(OneTimeSecret(person_id=who, secret=world.house.seal.seal(secret, who), newest_step=0))
    return pyotp.TOTP(secret)


def make_demonstration(world: ClinicWorld, whether: bool = True) -> None:
    """Let the clinic say of itself that it is one, or is none."""
    with world.writing() as record:
        clinic = record.session.query(Clinic).one()
        if clinic.demonstration != whether:
            record.change(clinic, "changed", demonstration=whether)


def sign_in(client: TestClient, login: str, password: str = PASSWORD, **more: Any) -> Any:
    """Send the form of the sign-in page."""
    return client.post("/sign-in", data={"login": login, "password": password, **more})


def secret_on(page: str) -> str:
    """The secret that an enrollment page shows as text."""
    found = re.search(r'class="secret">([A-Z2-7 ]+)', page)
    assert found is not None, page
    return found.group(1).replace(" ", "")
