"""A rinse and a fill that die at any write, or between two movements: what is there goes on, nothing moves twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select
from tests.refilling_world import STRONGER, fine, gap_seen, opened, prepared, refill_clinic, rev, running, syringed
from tests.rig_world import ROOT
from tests.test_clinic_refilling_faults import Died, Dying
from tests.test_clinic_refilling_new import mixed
from tests.test_clinic_refilling_together import WENT_IN, by_hand, to_second_of

from thecal.clinic.record.tables import Act, Fill, Watch
from thecal.clinic.refilling import checklist, hands, mixing, rinsing, second
from thecal.clinic.refilling.checklist import Phase
from thecal.clinic.refilling.filling import enter_volume
from thecal.clinic.refused import Refused
from thecal.clinic.session import close
from thecal.clinic.workflow import Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.clinic_world import ClinicWorld

    from thecal.clinic.record.tables import Patient, Session

# Its lines are counted by the tests of the domain and of the pages; counting them here as well doubles its time.
pytestmark = pytest.mark.no_cover

WRITES = 9
"""Writes from the first rinse to the finished step: two for each rinse, then ticks, intention, fill, end, and the
step."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClinicWorld]:
    yield from refill_clinic(tmp_path_factory.mktemp("rinsing"))


@pytest.fixture(scope="module")
def patient(world: ClinicWorld) -> Patient:
    return running(world, days=10)


@pytest.fixture
def session(world: ClinicWorld, patient: Patient) -> Iterator[Session]:
    """A refill with another strength, up to its rinses."""
    found = opened(world, patient, role="physician")
    mixed(world, found)
    syringed(world, found, prepared(world, patient, STRONGER), "nurse")
    by_hand(world, found)
    gap_seen(world, found, "nurse")
    physician, nurse = world.people["physician"], world.people["nurse"]
    fine(mixing.enter_rinse(world.house, physician, found.id, rev(world, found), "2", "2"))
    fine(enter_volume(world.house, nurse, found.id, rev(world, found), WENT_IN))
    to_second_of(world, found)
    yield found
    _put_back_the_old(world, found)
    row = rev(world, found)
    ended = close(world.house, physician, found.id, row, "running", "a test", "nobody")
    assert not isinstance(ended, Refused), ended


def _put_back_the_old(world: ClinicWorld, session: Session) -> None:
    """The record says again that the mixture of the program is in the pump: the next test changes it anew."""
    from tests.refilling_world import SAME, mixture

    from thecal.clinic.programming.order_text import kept_mixture
    from thecal.quantities import Volume

    with world.writing("nurse", "put back") as record:
        record.keep(
            Fill(
                patient_id=session.patient_id, serial="B-1", session_id=None, preparation_id=None,
                mixture_id=kept_mixture(record, mixture(SAME)).id, filled_utc_s=record.now_s,
                expected=None, aspirated=None, filled=Volume.of(16, "mL"), left=Volume.zero(),
                programmed=Volume.of(16, "mL"),
            )
        )  # fmt: skip


def go_on(world: ClinicWorld, session_id: int) -> None:
    """What a nurse does at the page that is there, until the step is finished."""
    from thecal.clinic.record.tables import Session as SessionRow

    house, nurse = world.house, world.people["nurse"]
    items = [i.id for i in checklist.items(Phase.FILL)]
    for _ in range(12):
        with house.reading() as db:
            row = db.get(SessionRow, session_id)
            assert row is not None
            left, nl = rinsing.left_to_rinse(db, row), hands.filled_nl(db, session_id)
        if Step.SECOND.value in row.entered:
            return
        if left:
            number = str(rinsing.planned(row)[0] - left + 1)
            fine(rinsing.rinse_now(house, house.world, nurse, session_id, number))
        elif nl is None:
            fine(second.fill_now(house, house.world, nurse, session_id, row.revision, items))
        else:
            fine(second.leave(house, nurse, session_id, row.revision))
    raise AssertionError("it does not go on")


def whole(world: ClinicWorld, session: Session, before: hands.Moved) -> None:
    """Two rinses and one fill, each once; the reservoir holds what stayed and what went in."""
    assert world.house.world is not None
    now = world.house.world.moved("B-1")
    assert now.filled_nl - before.filled_nl == 2 * 2_500_000 + 16_000_000
    assert now.drawn_nl - before.drawn_nl == 2 * 2_500_000
    assert int(world.house.world.ask("truth", serial="B-1")["reservoir_nl"]) == 16_000_000  # type: ignore[attr-defined]
    with world.house.reading() as db:
        counted = select(Act.kind, func.count()).where(Act.subject_id == session.id, Act.subject_kind == "session")
        kinds = {str(kind): int(many) for kind, many in db.execute(counted.group_by(Act.kind))}
        fill = db.scalars(select(Fill).where(Fill.session_id == session.id)).one()
        assert db.scalars(select(Watch).where(Watch.session_id == session.id)).one().why == "refill"
    assert (kinds["rinsed by hand"], kinds["filled by hand"]) == (2, 1)
    assert fill.filled is not None and fill.filled.floor("nL") == 15_500_000


def test_how_many_writes_there_are(world: ClinicWorld, session: Session) -> None:
    before = world.house.world.moved("B-1")  # type: ignore[union-attr]
    count = Dying(0, after=False)
    world.house.writing = count.wrap(world.house)  # type: ignore[method-assign]
    try:
        go_on(world, session.id)
    finally:
        del world.house.writing
    whole(world, session, before)
    assert count.writes == WRITES - 1, count.writes


OFTEN = frozenset({2, 3, 7})


@pytest.mark.parametrize("after", [False, True], ids=["before it is written", "after it is written"])
@pytest.mark.parametrize(
    "at", [at if at in OFTEN else pytest.param(at, marks=pytest.mark.long) for at in range(1, WRITES)]
)
def test_rinses_and_fill_that_die_at_any_write_go_on(
    world: ClinicWorld, session: Session, at: int, after: bool
) -> None:
    before = world.house.world.moved("B-1")  # type: ignore[union-attr]
    dying = Dying(at, after=after)
    world.house.writing = dying.wrap(world.house)  # type: ignore[method-assign]
    try:
        with pytest.raises(Died):
            go_on(world, session.id)
    finally:
        del world.house.writing
    go_on(world, session.id)
    whole(world, session, before)


@pytest.mark.parametrize("move", ["fill", "draw"])
def test_a_rinse_that_dies_between_its_two_movements_goes_on(world: ClinicWorld, session: Session, move: str) -> None:
    """Fluid went in, or came out, and the process was gone before anybody could write it down."""
    rig = world.house.world
    assert rig is not None
    before, really = rig.moved("B-1"), getattr(rig, move)

    def moved_and_gone(*args: Any, **fields: Any) -> int:
        really(*args, **fields)
        raise Died

    setattr(rig, move, moved_and_gone)
    try:
        with pytest.raises(Died):
            go_on(world, session.id)
    finally:
        delattr(rig, move)
    with world.house.reading() as db:
        assert hands.under_way(db, session.id, hands.RINSE)
        assert hands.went_in(db, session.id), "what may have gone in closes what was entered before"
    go_on(world, session.id)
    whole(world, session, before)


def test_a_rig_that_says_no_to_drawing_leaves_the_rinse_open(world: ClinicWorld, session: Session) -> None:
    rig = world.house.world
    assert rig is not None
    before = rig.moved("B-1")

    def away(*_args: Any, **_fields: Any) -> int:
        raise RuntimeError("the rig does not answer")

    rig.draw = away  # type: ignore[method-assign]
    try:
        found = rinsing.rinse_now(world.house, rig, world.people["nurse"], session.id, "1")
    finally:
        del rig.draw
    assert isinstance(found, Refused) and "not drawn out again" in found.found
    go_on(world, session.id)
    whole(world, session, before)


CHILD = """
import sys
from tests.test_clinic_refilling_rinsing_faults import child
child(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
"""


def child(url: str, folder: str, session_id: int, move: str) -> None:
    """Another process of the same clinic, which is killed right after fluid was moved."""
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
    rig, store = RigWorld(home), Store(url)
    house = House(store, Pumps(LinkAsk(home)), load(), rig.utc_s, "test", settings=Settings(ORIGIN), world=rig)
    with store.reading() as db:
        people = {p.login: who_is(p) for p in db.scalars(select(Person))}
    really: Callable[..., int] = getattr(rig, move)

    def moved_and_gone(*args: Any, **fields: Any) -> int:
        really(*args, **fields)
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    setattr(rig, move, moved_and_gone)
    go_on(ClinicWorld(store, house, people), session_id)


@pytest.mark.parametrize("move", ["draw", pytest.param("fill", marks=pytest.mark.long)])
def test_a_process_that_is_killed_while_it_rinses_leaves_a_refill_that_goes_on(
    world: ClinicWorld, session: Session, move: str
) -> None:
    assert world.rig is not None
    before = world.house.world.moved("B-1")  # type: ignore[union-attr]
    url = world.house.store.url.render_as_string(hide_password=False)
    died = subprocess.run(
        [sys.executable, "-c", CHILD, url, str(world.rig.home.folder), str(session.id), move],
        cwd=os.fspath(ROOT),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr
    go_on(world, session.id)
    whole(world, session, before)
