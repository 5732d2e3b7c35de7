"""A clinic in which a pump runs and a syringe lies ready, for tests of refills; and a refill done step by step."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tests.session_world import begun, now, programmed, serial_of, session_clinic

from thecal.clinic.double_check import Typed
from thecal.clinic.pharmacy.states import State
from thecal.clinic.pharmacy.syringe_code import code_for
from thecal.clinic.programming.order_text import kept_mixture
from thecal.clinic.record.tables import Fill, Preparation, Session
from thecal.clinic.refilling import checklist, filling, hands, medication, second, syringe
from thecal.clinic.refilling.checklist import Phase
from thecal.clinic.refilling.syringe import today_of
from thecal.clinic.refused import Refused
from thecal.clinic.session import begin, read_again
from thecal.clinic.workflow import Step, Workflow
from thecal.quantities import Concentration, Volume
from thecal.therapy.mixture import Ingredient, Mixture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.clinic_world import ClinicWorld

    from thecal.clinic.record.tables import Patient

SAME = (("morphine", "4 mg/mL"), ("bupivacaine", "10 mg/mL"), ("clonidine", "0.15 mg/mL"))
STRONGER = (("morphine", "6 mg/mL"), ("bupivacaine", "15 mg/mL"), ("clonidine", "0.225 mg/mL"))
HYDRO = (("hydromorphone", "2 mg/mL"), ("bupivacaine", "10 mg/mL"))
DAY_TOTAL = "1.4 mg"
DAY_S = 86_400


def refill_clinic(folder: Path, *serials: str, url: str = "") -> Iterator[ClinicWorld]:
    """A clinic with pumps in a rig of its own, on the run's engine where no record is named."""
    yield from session_clinic(folder, *serials, url=url)


def mixture(parts: tuple[tuple[str, str], ...]) -> Mixture:
    """A mixture from text."""
    return Mixture(tuple(Ingredient(d, Concentration.parse(c)) for d, c in parts), preservative_free=True)


def running(world: ClinicWorld, number: str = "1001", serial: str = "B-1", days: int = 30) -> Patient:
    """A patient whose pump has run the first example for some days; the first fill is on record."""
    patient = world.patient(number, serial)
    programmed(world, patient)
    with world.writing("nurse", "filled") as record:
        record.keep(
            Fill(
                patient_id=patient.id,
                serial=serial,
                session_id=None,
                preparation_id=None,
                mixture_id=kept_mixture(record, mixture(SAME)).id,
                filled_utc_s=world.house.now_s(),
                expected=None,
                aspirated=None,
                filled=Volume.of(19, "mL"),
                left=Volume.zero(),
                programmed=Volume.of(19, "mL"),
            )
        )
    for passed in range(0, days, 5):  # a rig that is busy answers within its patience
        world.pass_s(min(5, days - passed) * DAY_S)
    return patient


def prepared(world: ClinicWorld, patient: Patient, parts: tuple[tuple[str, str], ...] = SAME, **changes: Any) -> str:
    """A syringe that was received for a patient; its code."""
    with world.writing("pharmacist", "prepared") as record:
        row = record.keep(
            Preparation(
                patient_id=patient.id,
                order_id=None,
                mixture_id=kept_mixture(record, mixture(parts)).id,
                volume=Volume.parse(changes.pop("volume", "20 mL")),
                overfill=Volume.zero(),
                diluent="sodium chloride 0.9 %, preservative-free",
                preservative_free=True,
                state=changes.pop("state", State.RECEIVED.value),
                needed_by=today_of(record.session, record.now_s),
                beyond_use=today_of(record.session, record.now_s) + timedelta(days=changes.pop("days", 14)),
                syringe_code=None,
                worksheet=None,
                **changes,
            )
        )
        code = code_for("Test clinic", row.id, record.now_s)
        record.change(row, "labeled", syringe_code=code)
    return code


def opened(
    world: ClinicWorld,
    patient: Patient,
    workflow: Workflow = Workflow.REFILL_SAME,
    role: str = "nurse",
    *,
    put_right: bool = True,
) -> Session:
    """A session that was read and begun; what a test before it left untold is put right first."""
    session = begun(world, patient, workflow, role)
    if put_right:
        _put_right(world, session, role)
    return read_step(world, session, role)


def _put_right(world: ClinicWorld, session: Session, role: str) -> None:
    """Let the reservoir hold what the pump counts, where a session was left before the pump was told."""
    with world.house.reading() as db:
        if hands.untold(db, session) is None:
            return
    rig, pumps = world.house.world, world.house.pumps
    assert rig is not None
    level = pumps.status(session.serial).level_nl  # type: ignore[union-attr]
    rig.draw(session.serial)
    rig.fill(session.serial, level)
    assert pumps.command("refill", session.serial, level_nl=level).arm.value == "granted"
    assert isinstance(read_again(world.house, world.people[role], session.id, rev(world, session)), Session)


def read_step(world: ClinicWorld, session: Session, role: str) -> Session:
    """The reading looked at."""
    from thecal.clinic.session import enter

    found = enter(world.house, world.people[role], session.id, now(world, session).revision, Step.READ, {"seen": "yes"})
    assert isinstance(found, Session), found
    return found


def rev(world: ClinicWorld, session: Session) -> int:
    """The revision that is there now."""
    return now(world, session).revision


def fine(found: Any) -> Any:
    """What was done; fails where it was refused."""
    assert not isinstance(found, Refused), found
    assert not (isinstance(found, tuple) and found and isinstance(found[0], Refused)), found
    return found


def answered(world: ClinicWorld, session: Session, what: str = "same", role: str = "nurse") -> None:
    """The fork."""
    fine(medication.answer(world.house, world.people[role], session.id, rev(world, session), what, "patient", ""))


def syringed(world: ClinicWorld, session: Session, code: str, role: str = "nurse") -> None:
    """The syringe, typed and confirmed."""
    fine(syringe.choose(world.house, world.people[role], session.id, code, rev(world, session)))
    fine(syringe.confirm(world.house, world.people[role], session.id, rev(world, session)))


def aspirated(world: ClinicWorld, session: Session, role: str = "nurse", volume: str = "") -> Volume:
    """Everything drawn out, and the checklist finished with the volume that came."""
    assert world.house.world is not None
    moved = world.house.world.ask("truth", serial=session.serial)  # type: ignore[attr-defined]
    if not int(moved["reservoir_nl"]) and volume != "0":  # a test before this one left it dry
        world.house.world.fill(session.serial, 10_000_000)
    nl = fine(hands.aspirate(world.house, world.house.world, world.people[role], session.id))
    out = Volume.of(nl, "nL")
    items = [i.id for i in checklist.items(Phase.ASPIRATE)]
    text = volume or f"{float(out.number('mL')):.1f}".rstrip("0").rstrip(".")
    fine(checklist.note(world.house, world.people[role], session.id, rev(world, session), items, text, "0", whole=True))
    return out


def gap_seen(world: ClinicWorld, session: Session, role: str = "nurse") -> None:
    """The gap looked at."""
    from thecal.clinic.refilling.entries import finish

    fine(finish(world.house, world.people[role], session.id, rev(world, session), Step.GAP, {"action": "seen"}))


def volume_entered(world: ClinicWorld, session: Session, text: str = "19.5", role: str = "nurse") -> Any:
    """The volume that goes in."""
    return filling.enter_volume(world.house, world.people[role], session.id, rev(world, session), text)


def typed(parts: tuple[tuple[str, str], ...] = SAME, volume: str = "19.5 mL", total: str = DAY_TOTAL) -> Typed:
    """A second entry."""
    return Typed(tuple(d for d, _ in parts), tuple(c for _, c in parts), volume, total)


def checked(world: ClinicWorld, session: Session, entry: Typed | None = None, role: str = "nurse2") -> Any:
    """The second entry."""
    return second.enter(world.house, world.people[role], session.id, entry or typed())


def filled(world: ClinicWorld, session: Session, role: str = "nurse") -> Any:
    """The fluid in."""
    items = [i.id for i in checklist.items(Phase.FILL)]
    return second.fill_now(world.house, world.house.world, world.people[role], session.id, rev(world, session), items)


def to_second(world: ClinicWorld, patient: Patient, session: Session, code: str) -> None:
    """A refill with the same medication, up to the second entry."""
    answered(world, session)
    syringed(world, session, code)
    aspirated(world, session)
    gap_seen(world, session)
    fine(volume_entered(world, session))


__all__ = ["begin", "serial_of"]
