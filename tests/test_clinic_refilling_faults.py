"""A refill that dies at any write: what is there goes on, no drug moves twice, nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select
from tests.refilling_world import fine, opened, prepared, refill_clinic, rev, running, typed
from tests.rig_world import ROOT
from tests.session_world import now

from thecal.clinic.record.tables import Act, DoubleCheck, Fill, Preparation, Watch
from thecal.clinic.refilling import checklist, filling, hands, medication, second, syringe
from thecal.clinic.refilling.case import case_of
from thecal.clinic.refilling.checklist import Phase
from thecal.clinic.refilling.entries import finish
from thecal.clinic.session import Proposed, close, propose, send
from thecal.clinic.session.asking import granted_in
from thecal.clinic.session.ended import Ended
from thecal.clinic.workflow import Step
from thecal.link.talk import Arm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.clinic_world import ClinicWorld

    from thecal.clinic.practice import Practice
    from thecal.clinic.record.tables import Patient, Session
    from thecal.clinic.who import Who

# Its lines are counted by the tests of the domain and of the pages; counting them here as well doubles its time.
pytestmark = pytest.mark.no_cover

VOLUME_NL = 18_000_000
WRITES = 15
OFTEN = frozenset({4, 9, 13})
"""Writes that every run breaks; `make long` breaks all of them."""
"""Writes of a refill from the fork to the pump being told; the test that counts them fails where it is no longer so."""


class Died(BaseException):
    """The process is gone."""


class Dying:
    """Dies at the n-th write of a practice: before it is committed, or right after."""

    def __init__(self, at: int, *, after: bool) -> None:
        self.at, self.after, self.writes = at, after, 0

    def wrap(self, practice: Practice) -> Callable[..., Any]:
        writing = practice.writing

        @contextmanager
        def dying(*args: Any, **fields: Any) -> Iterator[Any]:
            self.writes += 1
            mine = self.writes == self.at
            with writing(*args, **fields) as record:
                yield record
                if mine and not self.after:
                    raise Died
            if mine:
                raise Died

        return dying


def go_on(world: ClinicWorld, session_id: int, code: str) -> None:
    """What a nurse does with the page that is there, again and again until the pump is told: one step at a time."""
    nurse, other = world.people["nurse"], world.people["nurse2"]
    for _ in range(60):
        row = _row(world, session_id)
        if "send" in row.entered:
            return
        one_step(world, row, code, nurse, other)
    raise AssertionError(f"it does not go on: {_row(world, session_id).step}")


def _row(world: ClinicWorld, session_id: int) -> Session:
    from thecal.clinic.record.tables import Session as SessionRow

    with world.house.reading() as db:
        found = db.get(SessionRow, session_id)
    assert found is not None
    return found


def one_step(world: ClinicWorld, row: Session, code: str, nurse: Who, other: Who) -> None:  # noqa: PLR0912 -- one journey
    house, seen = world.house, row.revision
    assert house.world is not None
    match Step(row.step):
        case Step.MEDICATION:
            fine(medication.answer(house, nurse, row.id, seen, "same", "patient", ""))
        case Step.SYRINGE:
            if not (row.entered.get("begun") or {}).get("syringe"):
                fine(syringe.choose(house, nurse, row.id, code, seen))
            else:
                fine(syringe.confirm(house, nurse, row.id, seen))
        case Step.CHECKLIST:
            nl = fine(hands.aspirate(house, house.world, nurse, row.id))
            items = [i.id for i in checklist.items(Phase.ASPIRATE)]
            read = f"{nl / 10**6:.1f}".removesuffix(".0")
            fine(checklist.note(house, nurse, row.id, seen, items, read, "0", whole=True))
        case Step.GAP:
            fine(finish(house, nurse, row.id, seen, Step.GAP, {"note": "seen"}))
        case Step.FILL:
            fine(filling.enter_volume(house, nurse, row.id, seen, "18"))
        case Step.SECOND:
            with house.reading() as db:
                done = second.second_done(house, db, case_of(house, db, row.id))
                nl = hands.filled_nl(db, row.id)
            if not done:
                assert fine(second.enter(house, other, row.id, typed(volume="18 mL"))).matched
            elif nl is None:
                items = [i.id for i in checklist.items(Phase.FILL)]
                fine(second.fill_now(house, house.world, nurse, row.id, seen, items))
            else:
                fine(second.leave(house, nurse, row.id, seen))
        case Step.REVIEW | Step.SEND:
            _tell(world, row, nurse)
        case other_step:
            raise AssertionError(other_step)


def _tell(world: ClinicWorld, row: Session, nurse: Who) -> None:
    from thecal.clinic.session import read_again, resolve
    from thecal.clinic.session.asking import open_asks

    house = world.house
    world.near()
    with house.reading() as db:
        asks = open_asks(db, row.serial)
    if asks:  # a command that the link has not written down may be on its way for a minute
        machine_s = house.machine_s
        house.machine_s = lambda: machine_s() + 90
        resolve(house, nurse, row.id)
        house.machine_s = machine_s
        if "send" in _row(world, row.id).entered:
            return
    made = propose(house, nurse, row.id)
    if not isinstance(made, Proposed):
        read_again(house, nurse, row.id, rev(world, row))
        made = propose(house, nurse, row.id)
    assert isinstance(made, Proposed), made
    end = send(house, nurse, row.id, made.digest)
    assert isinstance(end, Ended) and end.arm is Arm.GRANTED, end


def whole(world: ClinicWorld, session_id: int, before_nl: int) -> None:
    """Everything is there once: fluid, fill, watch, syringe, second entry, what the pump was told."""
    assert world.house.world is not None
    assert world.house.world.moved("B-1").filled_nl - before_nl == VOLUME_NL
    with world.house.reading() as db:
        fill = db.scalars(select(Fill).where(Fill.session_id == session_id)).one()
        watches = db.scalars(select(Watch).where(Watch.session_id == session_id)).all()
        row = db.get(Preparation, fill.preparation_id)
        told = [f for operation, f in granted_in(db, session_id) if operation == "refill"]
        ends = db.scalar(
            select(func.count())
            .select_from(Act)
            .where(Act.subject_id == session_id, Act.subject_kind == "session", Act.kind.in_(hands.DONE.values()))
        )
        checks = db.scalars(select(DoubleCheck).where(DoubleCheck.session_id == session_id)).all()
    assert fill.filled is not None and fill.filled.floor("nL") == VOLUME_NL
    assert len(watches) == 1 and row is not None and row.state == "used"
    assert [t["level_nl"] for t in told] == [VOLUME_NL]
    assert ends == 2
    assert all(c.matched for c in checks) and checks
    level = world.house.pumps.status("B-1").level_nl  # type: ignore[union-attr]
    assert 0 <= VOLUME_NL - level < 100_000


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClinicWorld]:
    yield from refill_clinic(tmp_path_factory.mktemp("faults"))


@pytest.fixture(scope="module")
def patient(world: ClinicWorld) -> Patient:
    return running(world, days=10)


def started(world: ClinicWorld, patient: Patient) -> tuple[Session, str, int]:
    session = opened(world, patient)
    assert world.house.world is not None
    return session, prepared(world, patient, volume="18 mL"), world.house.world.moved("B-1").filled_nl


def ended(world: ClinicWorld, session: Session) -> None:
    row = now(world, session)
    from thecal.clinic.refused import Refused

    found = close(world.house, world.people["nurse"], session.id, row.revision, "running")
    assert not isinstance(found, Refused), found
    world.pass_s(3600)


def test_how_many_writes_there_are(world: ClinicWorld, patient: Patient) -> None:
    session, code, before = started(world, patient)
    count = Dying(0, after=False)
    world.house.writing = count.wrap(world.house)  # type: ignore[method-assign]
    try:
        go_on(world, session.id, code)
    finally:
        del world.house.writing
    whole(world, session.id, before)
    ended(world, session)
    assert count.writes >= WRITES, count.writes


@pytest.mark.parametrize("after", [False, True], ids=["before it is written", "after it is written"])
@pytest.mark.parametrize(
    "at", [at if at in OFTEN else pytest.param(at, marks=pytest.mark.long) for at in range(1, WRITES + 1)]
)
def test_a_refill_that_dies_at_any_write_goes_on(world: ClinicWorld, patient: Patient, at: int, after: bool) -> None:
    session, code, before = started(world, patient)
    dying = Dying(at, after=after)
    world.house.writing = dying.wrap(world.house)  # type: ignore[method-assign]
    try:
        with pytest.raises(Died):
            go_on(world, session.id, code)
    finally:
        del world.house.writing
    go_on(world, session.id, code)
    whole(world, session.id, before)
    ended(world, session)


CHILD = """
import os, signal, sys
from tests.test_clinic_refilling_faults import child
child(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5]), sys.argv[6])
"""


def child(url: str, folder: str, session_id: int, code: str, at: int, where: str) -> None:
    """Another process of the same clinic, which is killed: at a write, or between the fluid and the write after it."""
    from pathlib import Path

    from tests.clinic_world import ORIGIN, ClinicWorld

    from thecal.clinic.people.signing_in import who_is
    from thecal.clinic.pumps import Pumps
    from thecal.clinic.record.store import Store
    from thecal.clinic.record.tables import Person
    from thecal.formulary import load
    from thecal.rig.home import Home
    from thecal.web.beside import LinkAsk, RigWorld
    from thecal.web.house import House, Settings

    home = Home(Path(folder))
    rig = RigWorld(home)
    store = Store(url)
    house = House(store, Pumps(LinkAsk(home)), load(), rig.utc_s, "test", settings=Settings(ORIGIN), world=rig)
    with store.reading() as db:
        people = {p.login: who_is(p) for p in db.scalars(select(Person))}
    world = ClinicWorld(store, house, people)

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    if where == "fluid":
        fill = rig.fill

        def filled(serial: str, volume_nl: int, only_at: int | None = None) -> int:
            fill(serial, volume_nl, only_at)
            die()
            return 0

        rig.fill = filled  # type: ignore[method-assign]
    elif where == "draw":
        draw = rig.draw

        def drawn(serial: str, only_at: int | None = None) -> int:
            draw(serial, only_at)
            die()
            return 0

        rig.draw = drawn  # type: ignore[method-assign]
    else:
        writing, count = house.writing, [0]

        @contextmanager
        def counted(*args: Any, **fields: Any) -> Iterator[Any]:
            count[0] += 1
            with writing(*args, **fields) as record:
                yield record
                if where == "before" and count[0] == at:
                    die()
            if where == "after" and count[0] == at:
                die()

        house.writing = counted  # type: ignore[method-assign]
    go_on(world, session_id, code)


@pytest.mark.parametrize(
    ("where", "at"),
    [
        ("draw", 0),
        ("fluid", 0),
        pytest.param("before", 5, marks=pytest.mark.long),
        pytest.param("after", 5, marks=pytest.mark.long),
        pytest.param("before", 11, marks=pytest.mark.long),
        ("after", 11),
        pytest.param("before", 13, marks=pytest.mark.long),
        pytest.param("after", 14, marks=pytest.mark.long),
    ],
)
def test_a_process_that_is_killed_leaves_a_refill_that_goes_on(
    world: ClinicWorld, patient: Patient, where: str, at: int
) -> None:
    session, code, before = started(world, patient)
    assert world.rig is not None
    url = world.house.store.url.render_as_string(hide_password=False)
    arguments = [url, str(world.rig.home.folder), str(session.id), code, str(at), where]
    died = subprocess.run(
        [sys.executable, "-c", CHILD, *arguments],
        cwd=os.fspath(ROOT),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr
    go_on(world, session.id, code)
    whole(world, session.id, before)
    ended(world, session)
