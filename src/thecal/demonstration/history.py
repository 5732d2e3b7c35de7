"""The histories of a demonstration's patients: which of the staff's acts, and of nature's, come when.

Each is a function without arguments that is called at its moment. Nothing here writes a row: the acts do.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from thecal.clinic import session as sessions
from thecal.clinic.desk.tasks import tasks_due
from thecal.clinic.who import StaffRole
from thecal.clinic.workflow import Step, Workflow
from thecal.demonstration.happening import Happening, Kind
from thecal.demonstration.pharmacists import Pharmacists
from thecal.demonstration.pressing import presses_between
from thecal.demonstration.refills import PREVIEWED, Refills
from thecal.pump.core.codes import MAX_TIME_S
from thecal.pump.device import KINDS, FaultKind, Identity
from thecal.pump.families import Calibration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from thecal.clinic.record.tables import Patient
    from thecal.demonstration.acts import Staff
    from thecal.demonstration.bench import Bench
    from thecal.demonstration.making import Making
    from thecal.demonstration.scenario import NoticeSaid, PatientSaid, Therapy

    Act = Callable[[], None]

_WAY = ((7, "ordered"), (4, "made"), (2, "shipped"), (1, "received"))
"""How many days before a refill the steps of its syringe are taken. Ours."""
_WAY_AT_S = 10 * 3600 + 1800
_NOTICE_AT_S = 9 * 3600


class Histories:
    """Everything that happens to the patients of a scenario."""

    def __init__(self, making: Making, bench: Bench, staff: Staff) -> None:
        self._making = making
        self._bench = bench
        self._staff = staff
        self._patients: dict[str, Patient] = {}
        self._visits: dict[str, tuple[int, ...]] = {}
        self._preparations: dict[tuple[str, Happening], int] = {}
        self._codes: dict[tuple[str, Happening], str] = {}
        people = staff.people
        self._pharmacists = Pharmacists(staff.practice, staff.physician, staff.nurse, *people[StaffRole.PHARMACIST][:2])
        self._refills = Refills(staff, bench, people[StaffRole.NURSE][1])
        self._do: dict[Kind, Callable[[PatientSaid, Happening], None]] = {
            Kind.REFILL: self._refill,
            Kind.MIXTURE: self._mixture,
            Kind.SYRINGE: lambda _said, _happening: None,  # it is ordered and made before that day
            Kind.CONTACT: lambda said, h: self._staff.contact(self._patients[said.number], h.values),
            Kind.PROGRAM: self._program,
            Kind.STOP: self._stop,
            Kind.READ: self._read,
            Kind.OBSERVE: lambda said, h: self._staff.observe(self._patients[said.number], h.values),
            Kind.OPIOID: lambda said, h: self._staff.opioid(self._patients[said.number], h.values),
            Kind.BOOK: lambda said, h: self._staff.book(self._patients[said.number], h.values),
            Kind.FAULT: self._fault,
            Kind.LOST: self._lost,
        }

    def of(self, said: PatientSaid, polls: tuple[int, ...]) -> list[tuple[int, Act]]:
        """What happens to one patient, each with its moment in UTC; ``polls`` is when all pumps are read."""
        planned = _apart(self._planned(said), polls)
        self._visits[said.number] = (*polls, *(at for at, _ in planned))
        return planned

    def _planned(self, said: PatientSaid) -> Iterator[tuple[int, Act]]:
        making = self._making
        implanted_s = making.moment(said.pump.days_ago, said.pump.at_s)
        yield implanted_s, lambda: self._implant(said)
        for happening in said.happenings:
            yield (
                making.moment(happening.days_ago, happening.at_s),
                self._bound(self._do[happening.kind], said, happening),
            )
            if happening.kind in {Kind.REFILL, Kind.MIXTURE, Kind.SYRINGE}:
                yield from self._syringe(said, happening)
        if said.presses is not None:
            last_s = self._last_press(said)
            for utc_s in presses_between(said.number, said.presses, making.scenario.zone, implanted_s + 3600, last_s):
                yield utc_s, lambda: self._press(said)

    def _last_press(self, said: PatientSaid) -> int:
        """Who lost an answer presses no more until somebody has found out."""
        lost = [self._making.moment(h.days_ago, h.at_s) for h in said.happenings if h.kind is Kind.LOST]
        return min([self._making.now_s, *(at - 1 for at in lost)])

    @staticmethod
    def _bound(do: Callable[[PatientSaid, Happening], None], said: PatientSaid, happening: Happening) -> Act:
        return lambda: do(said, happening)

    def _implant(self, said: PatientSaid) -> None:
        """A new pump: taken on, filled for the first time, its clock set, programmed and started."""
        staff, pump = self._staff, said.pump
        patient = self._patients[said.number] = staff.take_on(said)
        self._bench.make(Identity(pump.family, pump.serial, Calibration()), self._visits[said.number])
        staff.implant(patient, said)
        self._bench.near(said.pump.serial)
        staff.set_clock(patient)
        session = staff.begin(patient, staff.physician, Workflow.PROGRAM)
        self._bench.fill(pump.serial, said.first_fill.floor("nL"))
        staff.ask(session, staff.physician, "refill", level_nl=said.first_fill.floor("nL"))
        therapy = self._making.scenario.therapies[said.therapy]
        staff.first_fill(session, therapy, said.first_fill)
        order = staff.program(session, patient, therapy, said.first_fill, first=True)
        staff.enter(session, staff.physician, Step.PREVIEW, PREVIEWED)
        staff.send(session, staff.physician, order)
        staff.ask(session, staff.physician, "start")
        staff.close(session, staff.physician, "Delivers its first program.")
        self._bench.away(said.pump.serial)

    def _program(self, said: PatientSaid, happening: Happening) -> None:
        staff, patient = self._staff, self._patients[said.number]
        self._bench.near(said.pump.serial)
        session = staff.begin(patient, staff.physician, Workflow.PROGRAM)
        therapy = self._making.scenario.therapies[happening.values["therapy"]]
        order = staff.program(session, patient, therapy, None, first=False)
        staff.enter(session, staff.physician, Step.PREVIEW, PREVIEWED)
        staff.send(session, staff.physician, order)
        staff.close(session, staff.physician, "Delivers the new program.")
        self._bench.away(said.pump.serial)

    def _stop(self, said: PatientSaid, _happening: Happening) -> None:
        staff, patient = self._staff, self._patients[said.number]
        self._bench.near(said.pump.serial)
        session = staff.begin(patient, staff.nurse, Workflow.LOOK)
        staff.ask(session, staff.nurse, "stop")
        staff.close(
            session, staff.nurse, "Delivery is stopped.", "Too drowsy; the physician decides.", "Dr. Pia Physician"
        )
        self._bench.away(said.pump.serial)

    def _read(self, said: PatientSaid, _happening: Happening) -> None:
        staff, patient = self._staff, self._patients[said.number]
        self._bench.near(said.pump.serial)
        session = staff.begin(patient, staff.nurse, Workflow.LOOK)
        staff.close(session, staff.nurse, "Read; nothing was changed.")
        self._bench.away(said.pump.serial)

    def _press(self, said: PatientSaid) -> None:
        self._bench("bolus", serial=said.pump.serial)

    def _lost(self, said: PatientSaid, _happening: Happening) -> None:
        self._bench.lose_answer(said.pump.serial, "bolus")
        self._press(said)

    def _fault(self, said: PatientSaid, happening: Happening) -> None:
        kind: FaultKind = happening.values["fault"]
        hours, now_s = happening.values["hours"], self._bench.clock.now_s()
        until_s = 0 if not KINDS[kind].lasts else MAX_TIME_S + 1 if hours is None else now_s + 1 + hours * 3600
        self._bench.fault(said.pump.serial, kind, until_s, happening.values["amount"])

    # Refills

    def _syringe(self, said: PatientSaid, happening: Happening) -> Iterator[tuple[int, Act]]:
        """The way of the syringe for a refill, over the days before it; for a day to come, as far as it got."""
        for days_before, step in _WAY:
            days_ago = happening.days_ago + days_before - happening.values.get("in_days", 0)
            if 0 <= days_ago < said.pump.days_ago:
                yield self._making.moment(days_ago, _WAY_AT_S), self._stepping(step, said, happening)

    def _stepping(self, step: str, said: PatientSaid, happening: Happening) -> Act:
        def ordered() -> None:
            today = self._staff.clinic_day()
            needed_by = today + timedelta(days=_WAY[0][0])
            order = self._pharmacists.order(
                patient(), self._therapy(said, happening), happening.values["volume"], today, needed_by
            )
            self._preparations[said.number, happening] = order

        def patient() -> Patient:
            return self._patients[said.number]

        def made() -> None:
            mixture = self._therapy(said, happening).mixture
            self._pharmacists.make(self._preparations[said.number, happening], mixture, self._staff.clinic_day())

        def shipped() -> None:
            self._pharmacists.ship(self._preparations[said.number, happening])

        def received() -> None:
            self._codes[said.number, happening] = self._pharmacists.receive(self._preparations[said.number, happening])

        return {"ordered": ordered, "made": made, "shipped": shipped, "received": received}[step]

    def _therapy(self, said: PatientSaid, happening: Happening) -> Therapy:
        """What runs, or what is to run where the mixture changes."""
        return self._making.scenario.therapies[happening.values.get("therapy", said.therapy)]

    def _refill(self, said: PatientSaid, happening: Happening) -> None:
        self._bench.near(said.pump.serial)
        patient, code = self._patients[said.number], self._codes[said.number, happening]
        self._refills.same(patient, code, happening.values["volume"])
        self._bench.away(said.pump.serial)

    def _mixture(self, said: PatientSaid, happening: Happening) -> None:
        self._bench.near(said.pump.serial)
        patient, code = self._patients[said.number], self._codes[said.number, happening]
        self._refills.other(patient, code, happening.values["volume"], self._therapy(said, happening))
        self._bench.away(said.pump.serial)

    # By schedule

    def poll(self) -> None:
        """Every pump that can be reached is read by schedule."""
        for said in self._making.scenario.patients:
            if said.number in self._patients:
                sessions.poll(self._staff.practice, said.pump.serial)

        tasks_due(self._staff.practice)

    def notices(self) -> Iterator[tuple[int, Act]]:
        """The makers' notices of the scenario, each with its moment."""
        for notice in self._making.scenario.notices:
            yield self._making.moment(notice.days_ago, _NOTICE_AT_S), self._noticing(notice)

    def _noticing(self, notice: NoticeSaid) -> Act:
        return lambda: self._staff.notice(notice)


def _apart(planned: Iterable[tuple[int, Act]], polls: tuple[int, ...]) -> list[tuple[int, Act]]:
    """The same with no two at one second, and none at that of a poll: one after the other, at one pump."""
    taken = set(polls)
    found = []
    for utc_s, do in sorted(planned, key=lambda one: one[0]):
        free_s = utc_s
        while free_s in taken:
            free_s += 1
        taken.add(free_s)
        found.append((free_s, do))
    return found


__all__ = ["Histories"]
