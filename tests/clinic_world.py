"""A clinic for tests: a real record, real pumps in a rig of its own processes, and somebody of each role.

``RecordWorld`` has a record alone; ``ClinicWorld`` has the web application over it and, where asked for, pumps.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from fastapi.testclient import TestClient
from tests.record_engines import record_in
from tests.rig_world import ROOT, SERVICE, Process, Rig, bench_pump

from thecal.clinic.people.sealing import Seal
from thecal.clinic.people.signing_in import begin, who_is
from thecal.clinic.programming.order_text import parsed
from thecal.clinic.pumps import LinkAway, Pumps
from thecal.clinic.record.store import Record, Stamp, Store
from thecal.clinic.record.tables import Clinic, Implant, Patient, Person
from thecal.clinic.who import SYSTEM, StaffRole, Who
from thecal.formulary import load
from thecal.link.interrogation import Interrogation
from thecal.link.talk import Arm
from thecal.link.therapy_change import Proposal
from thecal.pump.document import Prepared, Written, prepare
from thecal.quantities import Length, LinearVolume, Volume
from thecal.rig.home import Home
from thecal.rig.local import LocalClient
from thecal.therapy.files import OrderFile
from thecal.web.app import make_app
from thecal.web.beside import LinkAsk, RigWorld
from thecal.web.door import COOKIE
from thecal.web.house import House, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

NOW_S = 1_790_000_000
"""21 Sep 2026 14:13:20 UTC, where no rig runs; a rig's world has a time of its own."""
ORIGIN = "http://127.0.0.1:8080"
SERIAL = "B-1"
FIRST_ORDER = (ROOT / "examples" / "first-patient.toml").read_text("utf-8")


def nobody_answers(operation: str, **_fields: object) -> Any:
    """A link service that is not there."""
    raise LinkAway(f"no link service runs ({operation})", asked=False)


@dataclass
class ClinicWorld:
    """A clinic. ``people`` has one person of each role, with the role as login."""

    store: Store
    house: House
    people: dict[str, Who] = field(default_factory=dict)
    rig: Rig | None = None
    link: Process | None = None

    def writing(
        self, role: str = "administrator", action: str = "a test", **more: Any
    ) -> AbstractContextManager[Record]:
        """One transaction by somebody of a role."""
        return self.house.writing(self.people[role], action, **more)

    def client(self, role: str | None) -> TestClient:
        """A browser without scripts: signed in as somebody of a role, or as nobody."""
        origin = self.house.settings.origin
        client = TestClient(make_app(self.house), base_url=origin, headers={"origin": origin}, follow_redirects=False)
        if role is not None:
            client.cookies.set(COOKIE, self.token(role))
        return client

    def token(self, role: str) -> str:
        """The secret of a new sign-in."""
        with self.writing() as record:
            person = record.get(Person, self.people[role].person_id)
            assert person is not None
            return begin(record.session, person, self.house.machine_s(), second_done=True)

    def patient(self, number: str = "1001", serial: str | None = SERIAL, **facts: Any) -> Patient:
        """A patient with a bench pump, as of the first example."""
        given, family = facts.pop("given", "Ada"), facts.pop("family", "Lindqvist")
        known = {
            "opioid_naive": False,
            "sleep_apnea": False,
            "sedatives": [],
            "systemic_opioids": [],
            "contraindications": [],
        }
        with self.writing() as record:
            patient = record.keep(
                Patient(
                    number=number,
                    reference=f"EXAMPLE-{number}",
                    given=given,
                    family=family,
                    birth_date=date(1965, 3, 9),
                    search=f"{given} {family} {number}".lower(),
                    indication="cancer pain",
                    **{**known, **facts},
                )
            )
            if serial is not None:
                record.keep(
                    Implant(
                        patient_id=patient.id,
                        serial=serial,
                        family="bench-20",
                        model="Bench 20",
                        implanted_on=date(2026, 3, 2),
                        stroke=Volume.of(250, "nL"),
                        tubing=Volume.of(150_000, "nL"),
                        catheter_supplied=Length.of(100, "cm"),
                        catheter_removed=Length.of(32, "cm"),
                        catheter_volume=LinearVolume.parse("0.002 mL/cm"),
                        tip_level="T10",
                    )
                )
        return patient

    def near(self, serial: str = SERIAL) -> None:
        """Hold the programmer over a pump."""
        assert self.house.world is not None
        self.house.world.near(serial)

    def pass_s(self, seconds: int) -> int:
        """Move the world on; its UTC then."""
        assert self.house.world is not None
        return self.house.world.move(seconds)

    def end(self) -> None:
        """Leave nothing running."""
        if self.link is not None:
            self.link.end()
        if self.rig is not None:
            self.rig.leave()
        self.store.close()


def clinic_world(where: Path | str) -> ClinicWorld:
    """A clinic over an empty record, without pumps. ``where`` is a folder, for the run's engine, or an address."""
    store = Store(where if isinstance(where, str) else record_in(where))
    house = House(
        store, Pumps(nobody_answers), load(), lambda: NOW_S, "test", settings=Settings(ORIGIN), seal=Seal.new()
    )
    world = ClinicWorld(store, house)
    with store.writing(Stamp(SYSTEM, NOW_S, NOW_S, "test", "test"), "clinic made") as record:
        record.keep(
            Clinic(name="Test clinic", zone="America/Chicago", phone="+1 312 555 0100", on_call="+1 312 555 0199",
                address="1 Test Street", demonstration=False, settings={})
        )  # fmt: skip
        for role in StaffRole:
            person = record.keep(Person(login=role.value, name=f"{role.value.title()} One", roles=[role.value]))
            second = record.keep(Person(login=f"{role.value}2", name=f"{role.value.title()} Two", roles=[role.value]))
            world.people[role.value], world.people[f"{role.value}2"] = who_is(person), who_is(second)
    return world


def with_pumps(world: ClinicWorld, folder: Path, *serials: str) -> ClinicWorld:
    """Let a rig under a test clock run bench pumps beside the clinic, with the link service; the programmer is paired.

    The clinic's clock is the world's from now on.
    """
    home = Home(folder)
    for serial in serials or (SERIAL,):
        bench_pump(home, serial)
    world.rig = Rig(home).start(0)
    world.link = Process(SERVICE, [str(home.folder)]).start()
    rig_world = RigWorld(home)
    world.house.pumps = Pumps(LinkAsk(home))
    world.house.world = rig_world
    world.house.now_s = rig_world.utc_s
    client = LocalClient(home.service_socket)
    for serial in serials or (SERIAL,):
        for role in ("programmer", "patient"):
            assert isinstance(client.ask("pair", serial=serial, role=role), dict)
    return world


def order_text(world: ClinicWorld, patient: Patient, serial: str = SERIAL) -> str:
    """The first example's order, for a patient and a pump of this clinic."""
    head = FIRST_ORDER.split("[run]")[0]
    return head.replace("EXAMPLE-0001", patient.reference).replace("BENCH-0001", serial)


def delivering(world: ClinicWorld, number: str = "1001", serial: str = SERIAL) -> Patient:
    """A patient whose pump runs the first example's program. The record was told of the implant alone."""
    patient = world.patient(number, serial)
    text = order_text(world, patient, serial)
    file = parsed(text, world.house)
    assert isinstance(file, OrderFile), file
    pumps, rig = world.house.pumps, world.house.world
    assert rig is not None
    world.near(serial)
    rig.draw(serial)
    rig.fill(serial, 18_000_000)
    assert isinstance(pumps.interrogate(serial), Interrogation)
    assert pumps.command("refill", serial, level_nl=18_000_000).arm is Arm.GRANTED
    written = Written(software="test", formulary="test", sentence=("A sentence.",), order=text, title=file.title)
    made = prepare(file.order, written, number=1, held=None, changed_within_a_day=False)
    assert isinstance(made, Prepared), made
    patient_ref = bytes(made.compiled.program().patient_ref)
    found = pumps.propose(serial, made.compiled.packed, made.document, patient_ref)
    assert isinstance(found, Proposal), found
    assert pumps.confirm(serial, found.digest).arm is Arm.GRANTED
    started = pumps.command("start", serial)
    assert started.status is not None
    assert started.status.delivering
    return patient


__all__ = [
    "NOW_S",
    "ORIGIN",
    "SERIAL",
    "ClinicWorld",
    "clinic_world",
    "order_text",
    "with_pumps",
]


def plain_clinic(folder: Path) -> Iterator[ClinicWorld]:
    """A clinic without pumps, ended at the end of the test."""
    world = clinic_world(folder)
    try:
        yield world
    finally:
        world.end()
