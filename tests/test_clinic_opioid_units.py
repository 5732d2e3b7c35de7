"""Opioids by mouth or patch in the one unit of each: a milligram for a microgram is a thousand times the load."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.clinic_world import plain_clinic

from thecal.clinic import opioids

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clinic_world import ClinicWorld


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClinicWorld]:
    yield from plain_clinic(tmp_path_factory.mktemp("opioids"))


@pytest.mark.parametrize(
    ("drug", "amount", "taken"),
    [
        ("fentanyl patch", "25 mcg", True),
        ("fentanyl patch", "25 mg", False),
        ("fentanyl patch", "0 mg", True),
        ("morphine", "30 mg", True),
        ("morphine", "30 mcg", False),
        ("morphine", "0.03 g", False),
        ("morphine", "30,5 mg", False),
        ("morphine", "-30 mg", False),
        ("morphine", "30", False),
        ("morphine", "0 mg", True),
        ("hydromorphone", "8\N{NO-BREAK SPACE}mg", False),
    ],
)
def test_an_amount_is_taken_in_the_unit_of_its_opioid_alone(
    world: ClinicWorld, drug: str, amount: str, taken: bool
) -> None:
    patient = world.patient(f"{drug} {amount}", None)
    found = opioids.write_down(
        world.house, world.people["physician"], patient.id, drug=drug, route="x", from_day="2026-09-01", per_day=amount
    )
    assert isinstance(found, tuple) != taken
    if isinstance(found, tuple):
        assert {r.field for r in found} == {"per_day"}
        with world.house.reading() as db:
            assert not opioids.taken(db, patient.id)
