"""Watching: from arrival, scores at their times, late and missed as they are, an end that asks for what is
outstanding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select
from tests.clinic_world import NOW_S, plain_clinic

from thecal.clinic import watch_plans, watching
from thecal.clinic.record.tables import Observation, Session, Watch
from thecal.clinic.refused import EditedMeanwhile
from thecal.clinic.watching import Leaving, NotWatched, Standing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.clinic_world import ClinicWorld

GOOD = Leaving("at home", "Her sister", "")
HOME: dict[str, Any] = {
    "serial": "B-1",
    "workflow": "refill-same",
    "step": "watch",
    "state": "open",
    "parent": None,
    "entered": {},
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ClinicWorld]:
    yield from plain_clinic(tmp_path)


def began(world: ClinicWorld, why: str = "refill", at_s: int = NOW_S, number: str = "1001") -> Watch:
    patient = world.patient(number, None)
    with world.writing("nurse", "a session") as record:
        session = record.keep(Session(patient_id=patient.id, person_id=1, **{**HOME, "serial": number}))
        return watching.begin(record, session, why, at_s)


def at(world: ClinicWorld, minutes: int) -> None:
    world.house.now_s = lambda: NOW_S + minutes * 60


def shown(world: ClinicWorld, watch: Watch) -> watching.Shown:
    with world.house.reading() as db:
        row = db.get(Watch, watch.id)
        assert row is not None
        return watching.shown(db, row, world.house.now_s())


def scored(world: ClinicWorld, watch: Watch, number: int, value: str = "0", note: str = "") -> object:
    return watching.score(world.house, world.people["nurse"], watch.id, number, value, note)


def test_every_plan_names_scores_that_there_are_and_its_source() -> None:
    for plan in watch_plans.plans().values():
        assert set(plan.look) <= set(watch_plans.scales())
        assert plan.source.text and max(plan.at_minutes) <= plan.minutes


def test_scores_are_planned_due_late_missed_and_done(world: ClinicWorld) -> None:
    watch = began(world)
    states = {m: [s.standing for s in _at(world, watch, m)][:2] for m in (-1, 0, 12, 61)}
    assert states == {
        -1: [Standing.PLANNED] * 2,
        0: [Standing.DUE] * 2,
        12: [Standing.LATE] * 2,
        61: [Standing.MISSED] * 2,
    }
    at(world, 61)
    assert isinstance(scored(world, watch, 0, "1", "asleep in the chair"), Observation)
    found = shown(world, watch)
    assert found.scores[0].standing is Standing.DONE and found.scores[1].standing is Standing.MISSED
    assert found.scores[0].seen is not None and found.scores[0].seen.value == "1"
    assert found.late == 5  # all but the one that was seen, and the two of the last minute
    again = scored(world, watch, 0)
    assert isinstance(again, tuple) and again[0].field == "number"


def _at(world: ClinicWorld, watch: Watch, minutes: int) -> tuple[watching.Score, ...]:
    at(world, minutes)
    return shown(world, watch).scores


@pytest.mark.parametrize("value", ["", "4", "-1", "1.0", "one", "9999"])
def test_a_score_off_its_scale_is_refused(world: ClinicWorld, value: str) -> None:
    found = scored(world, began(world), 0, value)
    assert isinstance(found, tuple)
    assert {r.field for r in found} == {"value"}


def test_a_score_before_its_time_is_refused(world: ClinicWorld) -> None:
    watch = began(world, at_s=NOW_S + 3600)
    found = scored(world, watch, 0)
    assert isinstance(found, tuple) and found[0].code is NotWatched.TOO_EARLY
    assert not shown(world, watch).begun


def test_an_end_with_scores_outstanding_needs_a_reason(world: ClinicWorld) -> None:
    watch = began(world)
    nurse = world.people["nurse"]
    refused = watching.close(world.house, nurse, watch.id, 1, Leaving("", "", ""))
    assert {r.field for r in refused} == {"naloxone", "drives", "reason"}
    refused = watching.close(world.house, nurse, watch.id, 1, GOOD)
    assert [r.code for r in refused] == [NotWatched.OUTSTANDING] and "8 scores" in refused[0].found
    with pytest.raises(EditedMeanwhile):
        watching.close(world.house, nurse, watch.id, 7, Leaving("at home", "Her sister", "went home against advice"))
    assert (
        watching.close(world.house, nurse, watch.id, 1, Leaving("at home", "Her sister", "went home against advice"))
        == ()
    )
    with world.house.reading() as db:
        row = db.get(Watch, watch.id)
    assert row is not None and row.state == "closed"
    assert row.plan["left"] == {
        "naloxone": "at home",
        "drives": "Her sister",
        "reason": "went home against advice",
        "outstanding": 8,
    }
    assert isinstance(scored(world, watch, 0), tuple)


def test_an_end_with_every_score_seen_needs_none(world: ClinicWorld) -> None:
    watch = began(world)
    at(world, 60)
    for n in range(8):
        assert isinstance(scored(world, watch, n), Observation)
    assert shown(world, watch).outstanding == ()
    assert watching.close(world.house, world.people["nurse"], watch.id, 1, GOOD) == ()


def test_a_watch_begins_once_for_each_reason_and_follows_its_arrival(world: ClinicWorld) -> None:
    watch = began(world, "new drug", NOW_S + 100)
    with world.writing("nurse", "again") as record:
        session = record.get(Session, watch.session_id or 0)
        assert session is not None
        assert watching.begin(record, session, "new drug", NOW_S + 100).revision == 1
        assert watching.begin(record, session, "new drug", NOW_S + 500).begins_utc_s == NOW_S + 500
    with world.house.reading() as db:
        row = db.scalars(select(Watch)).one()
    assert row.plan["scores"][0]["at_utc_s"] == NOW_S + 500


def test_the_list_is_searched_and_paged_in_the_database(world: ClinicWorld) -> None:
    for n in range(watching.PAGE + 2):
        began(world, number=str(2000 + n))
    with world.house.reading() as db:
        first, second = watching.open_watches(db, NOW_S), watching.open_watches(db, NOW_S, page=2)
        one = watching.open_watches(db, NOW_S, "2003 lindqvist")
        none = watching.open_watches(db, NOW_S, "100%")
    assert (first.found, first.pages, len(first.lines), len(second.lines)) == (52, 2, 50, 2)
    assert [line.patient.number for line in one.lines] == ["2003"]
    assert none.lines == ()
