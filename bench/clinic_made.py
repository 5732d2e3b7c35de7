"""The clinic of the load measurement: staff with passwords and authenticators, and patients whose pumps deliver.

It is a clinic of its own, not a demonstration: second factors are asked for, the world goes at the speed of the
machine, and what pumps write is flushed.
"""

from __future__ import annotations

import random
import secrets
import socket
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyotp

from thecal.clinic.people.passwords import hash_of
from thecal.clinic.people.sealing import KEY, Seal
from thecal.clinic.people.signing_in import who_is
from thecal.clinic.programming.order_text import digest_of
from thecal.clinic.record import Store
from thecal.clinic.record.store import Stamp
from thecal.clinic.record.tables import Clinic, Implant, OneTimeSecret, Order, Password, Patient, Person, Session
from thecal.clinic.session import begin, close, command, enter, propose, send
from thecal.clinic.session.ended import Ended, Proposed
from thecal.clinic.who import SYSTEM, StaffRole, Who
from thecal.clinic.workflow import Step, Workflow
from thecal.link.talk import Arm
from thecal.pump.device import Identity
from thecal.pump.families import Calibration
from thecal.quantities import Length, LinearVolume, Volume
from thecal.rig.host import make_pump
from thecal.rig.local import LocalClient
from thecal.web.beside import open_house

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from thecal.cli.clinic_process import Running
    from thecal.clinic.practice import Practice
    from thecal.rig.home import Home
    from thecal.web.house import House

ROOT = Path(__file__).resolve().parent.parent
LEVEL_NL = 19_000_000
FORMULARY = "bench"
NURSES_WITH_PUMPS = 0.2
SHARES = ((StaffRole.PHYSICIAN, 0.2), (StaffRole.NURSE, 0.5), (StaffRole.PHARMACIST, 0.1), (StaffRole.DESK, 0.2))
"""The staff by role. Ours."""


@dataclass(frozen=True, slots=True)
class Staff:
    """Somebody who signs in; ``patient`` is the one whose pump is theirs alone, 0 where nobody's is."""

    login: str
    role: str
    password: str
    secret: str
    patient: int = 0


def crowd(people: int) -> list[StaffRole]:
    """So many roles, by their shares, one after the other as they come in the morning."""
    roles = [role for role, share in SHARES for _ in range(max(1, round(people * share)))]
    random.Random(1).shuffle(roles)
    return roles[:people]


def pumps_for(roles: list[StaffRole]) -> int:
    """One for every physician, one for every fifth nurse, and the others look at these."""
    nurses = roles.count(StaffRole.NURSE)
    return roles.count(StaffRole.PHYSICIAN) + max(1, round(nurses * NURSES_WITH_PUMPS))


def serial(number: int) -> str:
    """The pump of a patient."""
    return f"L-{number:03}"


def listening() -> socket.socket:
    """A socket of the web on a free port, as ``thecal clinic run`` opens one."""
    found = socket.socket()
    found.bind(("127.0.0.1", 0))
    found.listen(128)
    return found


def factory_new(home: Home, pumps: int) -> None:
    """Bench pumps in the home."""
    for number in range(1, pumps + 1):
        make_pump(home, Identity("bench-20", serial(number), Calibration()))


def written(url: str, roles: list[StaffRole], pumps: int, folder: Path) -> list[Staff]:
    """The record: clinic, staff, patients with their implants. One hash of one password serves all.

    ``folder`` is the clinic's: the key that opens second factors comes there.
    """
    now_s = int(time.time())
    seal = Seal.new().write(folder / KEY)
    store = Store(url)
    password = secrets.token_urlsafe(16)
    hashed = hash_of(password)
    staff: list[Staff] = []
    try:
        with store.writing(Stamp(SYSTEM, now_s, now_s, "bench", FORMULARY), "clinic made") as record:
            record.keep(
                Clinic(name="Load clinic", zone="America/Chicago", phone="+1 312 555 0100", on_call="+1 312 555 0199",
                    address="1 Test Street", demonstration=False, settings={})
            )  # fmt: skip
            for number in range(1, pumps + 1):
                _implanted(record, number)
            theirs = iter(range(1, pumps + 1))
            keys: list[tuple[int, str]] = []
            for number, role in enumerate(sorted(roles, key=lambda r: r is not StaffRole.PHYSICIAN)):
                login = f"{role.value}{number}"
                person = record.keep(Person(login=login, name=f"{role.value.title()} {number}", roles=[role.value]))
                record.session.add(Password(person_id=person.id, hash=hashed))
                keys.append((person.id, pyotp.random_base32()))
                own = next(theirs, 0) if role in {StaffRole.PHYSICIAN, StaffRole.NURSE} else 0
                staff.append(Staff(login, role.value, password, keys[-1][1], own))
        with store.noting() as session:
            for person_id, secret in keys:
                sealed = seal.seal(secret, person_id)
                session.add(OneTimeSecret(person_id=person_id, secret=sealed, newest_step=0))
    finally:
        store.close()
    random.Random(2).shuffle(staff)
    return staff


def _implanted(record: Any, number: int) -> None:
    given, family = f"Given{number}", f"Family{number}"
    patient = record.keep(
        Patient(
            number=f"{number:05}", reference=f"LOAD-{number:04}", given=given, family=family,
            birth_date=date(1965, 3, 9), search=f"{given} {family} {number:05}".lower(), indication="cancer pain",
            opioid_naive=False, sleep_apnea=False, sedatives=[], systemic_opioids=[], contraindications=[],
        )
    )  # fmt: skip
    record.keep(
        Implant(
            patient_id=patient.id, serial=serial(number), family="bench-20", model="Bench 20",
            implanted_on=date(2026, 3, 2), stroke=Volume.of(250, "nL"), tubing=Volume.of(150_000, "nL"),
            catheter_supplied=Length.of(100, "cm"), catheter_removed=Length.of(32, "cm"),
            catheter_volume=LinearVolume.parse("0.002 mL/cm"), tip_level="T10",
        )
    )  # fmt: skip


def more_lines(url: str, lines: int) -> None:
    """So many more patients with lines of the board, as ``board.py`` draws them; they have no pumps in the rig."""
    from board import line

    from thecal.clinic.desk.days import day_of
    from thecal.clinic.desk.settings import desk_of
    from thecal.clinic.record.tables import BoardLine

    now_s, chance, store = int(time.time()), random.Random(1), Store(url, make=False)
    try:
        with store.writing(Stamp(SYSTEM, now_s, now_s, "bench", FORMULARY), "lines made") as record:
            today = day_of(now_s, desk_of(record.session).zone)
            stamps = {"at_utc_s": now_s, "by_person": 1, "software": "bench", "formulary": FORMULARY, "revision": 1}
            people = [
                Patient(
                    number=f"M{n:06}", reference=f"M{n}", given=f"Given{n % 211}", family=f"Family{n % 997}",
                    birth_date=date(1960, 1, 1), search=f"given{n % 211} family{n % 997} m{n:06}", **stamps,
                )
                for n in range(1, lines + 1)
            ]  # fmt: skip
            record.session.add_all(people)
            record.session.flush()
            record.session.add_all(line(chance, BoardLine, p, today, now_s) for p in people)
    finally:
        store.close()


@contextmanager
def opened(running: Running) -> Iterator[House]:
    """The clinic as its web process holds it, for this process too."""
    house = open_house(running.at(), running.record, "bench", running.origin, demonstration=False)
    try:
        yield house
    finally:
        house.store.close()


def delivering(running: Running, pumps: int, tell: Callable[[str], None]) -> None:
    """Fill every pump, program it with the first example in a session, start it, and close the session."""
    client = LocalClient(running.at().service_socket)
    with opened(running) as house:
        who = _physician(house)
        for number in range(1, pumps + 1):
            for role in ("programmer", "patient"):
                assert isinstance(client.ask("pair", serial=serial(number), role=role), dict)
            _programmed(house, who, number)
            if number % 10 == 0 or number == pumps:
                tell(f"{number} of {pumps} pumps deliver")


def _physician(house: House) -> Who:
    with house.reading() as db:
        return who_is(db.query(Person).filter(Person.login.like("physician%")).order_by(Person.id).first())  # type: ignore[arg-type]


def _programmed(house: House, who: Who, number: int) -> None:
    own = serial(number)
    assert house.world is not None
    house.world.near(own)
    house.world.fill(own, LEVEL_NL)
    session = begin(house, who, number, Workflow.PROGRAM)
    assert isinstance(session, Session), session
    order = _signed(house, who, session)
    for step, values in (
        (Step.READ, {}), (Step.PROGRAM, {"order": order.id}), (Step.PREVIEW, {"seen": "yes"}),
    ):  # fmt: skip
        done = enter(house, who, session.id, _revision(house, session), step, dict(values))
        assert isinstance(done, Session), done
    _granted(command(house, who, session.id, "refill", level_nl=LEVEL_NL))
    made = propose(house, who, session.id, order.id)
    assert isinstance(made, Proposed), made
    _granted(send(house, who, session.id, made.digest))
    _granted(command(house, who, session.id, "start"))
    ended = close(house, who, session.id, _revision(house, session), "running")
    assert isinstance(ended, Session), ended


def _granted(end: Any) -> None:
    assert isinstance(end, Ended) and end.arm is Arm.GRANTED, end


def _revision(house: House, session: Session) -> int:
    with house.reading() as db:
        return db.get_one(Session, session.id).revision


def _signed(house: Practice, who: Who, session: Session) -> Order:
    """The first example's order for a patient, signed."""
    text = (ROOT / "examples" / "first-patient.toml").read_text("utf-8").split("[run]")[0]
    text = text.replace("EXAMPLE-0001", f"LOAD-{session.patient_id:04}").replace("BENCH-0001", session.serial)
    text = text.replace("2026-05-31", str(datetime.now(tz=UTC).date() + timedelta(days=90)))
    with house.writing(who, "signed an order", session.patient_id) as record:
        return record.keep(
            Order(patient_id=session.patient_id, serial=session.serial, session_id=session.id, title="An order",
                state="signed", text=text, digest=digest_of(text))
        )  # fmt: skip
