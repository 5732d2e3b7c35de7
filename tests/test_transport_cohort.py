"""Cohorts: the same to the last bit however they are cut and whoever does the work, and nobody lost on the way."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.transport_people import coarse, drawn, looks, month, patient, shallow

from thecal.body.transport import cohort as module
from thecal.body.transport.cohort import Cohort, Patient, Workers, run_cohort
from thecal.body.transport.course import Engine, scaled_error
from thecal.body.transport.dosing import Dosing
from thecal.body.transport.modal import Modes
from thecal.body.transport.system import Channels
from thecal.body.transport.untrusted import Doubt, UntrustedError

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNT = 16
DOSING, AT_S = month(2), looks(2)


@pytest.fixture(scope="module")
def crew() -> Iterator[Workers]:
    with Workers(2) as workers:
        yield workers


@pytest.fixture(scope="module")
def alone() -> Cohort:
    return run_cohort(coarse, COUNT, DOSING, AT_S)


def same(found: Cohort, true: Cohort) -> None:
    assert found.values is not None
    assert true.values is not None
    assert np.array_equal(np.asarray(found.values), true.values, equal_nan=True)
    assert np.array_equal(found.time_error, true.time_error)
    assert (found.engine, found.refused, found.names) == (true.engine, true.refused, true.names)


def test_everybody_is_there_and_right(alone: Cohort) -> None:
    assert alone.values is not None
    assert alone.values.shape == (COUNT, 16, AT_S.size)
    for number in range(COUNT):
        if number == 12:
            assert alone.engine[number] is None
            assert alone.time_error[number] == np.inf
            assert np.all(np.isnan(alone.values[number]))
            continue
        stepped = number % 7 == 3
        assert alone.engine[number] is (Engine.STEPPING if stepped else Engine.REDUCED)
        assert alone.time_error[number] <= module.TOLERANCE
        if not stepped:
            one = coarse(number)
            true = Modes(one.system).run(DOSING, AT_S, one.channels).values
            assert scaled_error(alone.values[number], true) < 1e-6
    (nobody,) = alone.refused
    assert (nobody.number, nobody.doubt) == (12, Doubt.OUT_OF_RANGE)
    assert "volume over 0" in nobody.reason


@pytest.mark.parametrize("chunk", [1, 5, 100])
def test_the_length_of_a_chunk_changes_nothing(alone: Cohort, chunk: int) -> None:
    same(run_cohort(coarse, COUNT, DOSING, AT_S, chunk=chunk), alone)


@pytest.mark.parametrize("chunk", [1, 5])
def test_two_workers_change_nothing(alone: Cohort, crew: Workers, chunk: int) -> None:
    same(run_cohort(coarse, COUNT, DOSING, AT_S, chunk=chunk, workers=crew), alone)


def test_workers_of_its_own_change_nothing(alone: Cohort) -> None:
    same(run_cohort(coarse, COUNT, DOSING, AT_S, workers=2), alone)


@pytest.mark.parametrize("together", [False, True])
def test_chunks_are_passed_on_in_order_and_nothing_is_kept(alone: Cohort, crew: Workers, together: bool) -> None:
    assert alone.values is not None
    parts: list[Any] = []
    told: list[tuple[int, int]] = []
    rooms = set()

    def keep(first: int, values: module.Values) -> None:
        parts.append((first, np.array(values)))
        rooms.add(np.asarray(values).__array_interface__["data"][0])

    found = run_cohort(
        coarse, COUNT, DOSING, AT_S, chunk=3, workers=crew if together else 1, keep=keep,
        progress=lambda done, of: told.append((done, of)),
    )  # fmt: skip
    assert found.values is None
    assert [first for first, _ in parts] == [0, 3, 6, 9, 12, 15]
    assert np.array_equal(np.concatenate([values for _, values in parts]), alone.values, equal_nan=True)
    assert told == [(3, 16), (6, 16), (9, 16), (12, 16), (15, 16), (16, 16)]
    assert len(rooms) == (4 if together else 1)
    assert found.refused == alone.refused


def test_half_the_bits_are_the_same_numbers_rounded(alone: Cohort, crew: Workers) -> None:
    assert alone.values is not None
    for workers in (1, crew):
        found = run_cohort(coarse, COUNT, DOSING, AT_S, single=True, workers=workers)
        assert found.values is not None
        assert found.values.dtype == np.float32
        assert np.array_equal(np.asarray(found.values), alone.values.astype(np.float32), equal_nan=True)


def test_everybody_may_have_a_dosing_of_his_own() -> None:
    people = [
        Patient(one.system, one.channels, None if k else Dosing.bolus(7.0, over_s=3600.0))
        for k, one in enumerate([coarse(0), coarse(0), coarse(3)])
    ]
    people[2] = Patient(people[2].system, people[2].channels, Dosing.steady(2.0))
    found = run_cohort(people, 3, DOSING, AT_S)
    assert found.values is not None
    assert found.engine == (Engine.REDUCED, Engine.REDUCED, Engine.STEPPING)
    assert np.max(found.values[0]) < 1e-3 * np.max(found.values[1])


def test_a_cohort_of_whom_nobody_can_be_made_says_so() -> None:
    found = run_cohort(lambda _: coarse(12), 2, DOSING, AT_S)
    assert found.names == ()
    assert [one.number for one in found.refused] == [0, 1]
    with Workers(1) as one:
        same(run_cohort(nobody, 2, DOSING, AT_S, workers=one), found)


def nobody(_number: int) -> Patient:
    return coarse(12)


def others(number: int) -> Patient:
    """The second patient has channels of other names."""
    one = coarse(0)
    names = ("x", *one.channels.names[1:]) if number else one.channels.names
    return Patient(one.system, Channels(names, one.channels.weights))


def test_a_run_that_breaks_leaves_no_file_behind(crew: Workers) -> None:
    def files() -> set[Path]:
        return set(Path("/dev/shm").glob("thecal-*")) if Path("/dev/shm").is_dir() else set()  # noqa: S108

    before = files()
    for workers in (1, crew):
        with pytest.raises(UntrustedError, match="as before") as refused:
            run_cohort(others, 6, DOSING, AT_S, chunk=1, workers=workers)
        assert refused.value.doubt is Doubt.SHAPE
    assert files() <= before


def test_a_dosing_that_does_not_fit_its_patient_breaks_the_run() -> None:
    one = coarse(0)
    two_rows = Dosing(np.zeros(1), np.zeros((2, 1)), np.zeros((2, 1)))
    with pytest.raises(UntrustedError, match="a row for each input"):
        run_cohort([Patient(one.system, one.channels, two_rows)], 1, DOSING, AT_S)


@pytest.mark.parametrize(("count", "chunk"), [(0, 1), (1, 0), (4, 1)])
def test_numbers_of_patients_that_cannot_be_are_refused(count: int, chunk: int) -> None:
    with pytest.raises(UntrustedError) as refused:
        run_cohort([coarse(0)], count, DOSING, AT_S, chunk=chunk)
    assert refused.value.doubt is Doubt.SHAPE


def test_no_workers_and_no_time_are_refused() -> None:
    with pytest.raises(UntrustedError, match="1 or more"):
        Workers(0)
    with pytest.raises(UntrustedError) as refused:
        run_cohort(coarse, 1, DOSING, [np.inf])
    assert refused.value.doubt is Doubt.TIME


def test_an_error_says_where_it_came_from() -> None:
    error = UntrustedError(Doubt.TIME, "a day", "an hour")
    for same_error in (error, pickle.loads(pickle.dumps(error))):  # noqa: S301
        assert str(same_error) == "time: found a day; allowed: an hour"
        assert (same_error.doubt, same_error.found, same_error.allowed) == (Doubt.TIME, "a day", "an hour")


def test_where_there_is_no_memory_to_share_a_file_is_used(monkeypatch: pytest.MonkeyPatch, crew: Workers) -> None:
    monkeypatch.setattr(module, "MEMORY", Path("/nowhere"))
    found = run_cohort(coarse, 3, DOSING, AT_S, workers=crew)
    same(found, run_cohort(coarse, 3, DOSING, AT_S))


@pytest.mark.long
def test_a_thousand_people_are_right() -> None:
    """Every one of them, against all modes; few need the other engine."""
    dosing, at_s = month(30), looks(30)
    found = run_cohort(shallow, 1000, dosing, at_s)
    assert found.values is not None
    assert not found.refused
    assert sum(engine is Engine.STEPPING for engine in found.engine) < 30
    for number, engine in enumerate(found.engine):
        one = patient(drawn(5, number))
        if engine is Engine.REDUCED:  # where it is not, all modes are wrong in these digits too
            true = Modes(one.system).run(dosing, at_s, one.channels).values
            assert scaled_error(found.values[number], true) <= 1e-6
