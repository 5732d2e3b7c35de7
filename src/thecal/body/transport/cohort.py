"""Many systems through the compiled loop, one after another or in worker processes, with no more held than is kept.

Patient ``k`` is whatever the factory makes of the number k, and his course depends on nothing else: it is the same to
the last bit for any number of workers and any length of chunk. Whom the reduced engine cannot be trusted with is given
to rational stepping; whom no engine can be trusted with is reported by number, and his row is not a number.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import pickle
import tempfile
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from thecal.body.transport.course import Course, Engine
from thecal.body.transport.dosing import Dosing, Timeline, timeline
from thecal.body.transport.reduced import Reduced
from thecal.body.transport.untrusted import Doubt, UntrustedError

if TYPE_CHECKING:
    from thecal.body.transport.system import Channels, System
    from thecal.body.transport.tree import FloatArray

TOLERANCE = 1e-6
CHUNK = 16
MEMORY = Path("/dev/shm")  # noqa: S108 - private files, made by mkstemp
_AHEAD = 2  # chunks that wait for each worker

Values = npt.NDArray[np.floating[Any]]


class Patient(NamedTuple):
    """One system, what is read of it, and what is given where that is not the same for all."""

    system: System
    channels: Channels
    dosing: Dosing | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A patient whose run cannot be trusted: his number, from 0, and why."""

    number: int
    doubt: Doubt
    reason: str


@dataclass(frozen=True, eq=False, slots=True)
class Cohort:
    """What came of the patients: ``values`` (patients, channels, times) where they were kept, ``time_error`` and
    ``engine`` for each patient (infinite and None for whom ``refused`` names).
    """

    names: tuple[str, ...]
    at_s: FloatArray
    values: Values | None
    time_error: FloatArray
    engine: tuple[Engine | None, ...]
    refused: tuple[Refused, ...]


Factory = Callable[[int], Patient]
Keep = Callable[[int, Values], None]


class Workers:
    """Processes that wait for work and may serve many cohorts; close them, or use them as a context.

    They start anew (spawn), so that a factory must be something that can be pickled: a function of a module, or a
    ``functools.partial`` of one.
    """

    def __init__(self, count: int) -> None:
        if count < 1:
            raise UntrustedError(Doubt.OUT_OF_RANGE, f"{count} workers", "1 or more")
        self.count = count
        self.pool = ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"))

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the processes; what has not begun is not done."""
        self.pool.shutdown(cancel_futures=True)


@dataclass(frozen=True, eq=False)
class _Job:
    """What every chunk of a cohort has in common."""

    patients: Factory | Sequence[Patient]
    dosing: Dosing
    at_s: FloatArray
    names: tuple[str, ...]
    tolerance: float

    def patient(self, number: int) -> Patient:
        """The patient of a number."""
        found = self.patients(number) if callable(self.patients) else self.patients[number]
        if found.channels.names != self.names:
            raise UntrustedError(
                Doubt.SHAPE, f"channels {found.channels.names} of {number}", f"{self.names}, as before"
            )
        return found

    @cached_property
    def line(self) -> Timeline:
        """The instants of everybody who has no dosing of his own."""
        return timeline(self.dosing, self.at_s)


class _Outcome(NamedTuple):
    """Errors and engines of a chunk, in order, and whom it refuses."""

    time_error: list[float]
    engine: list[Engine | None]
    refused: list[Refused]


def run_cohort(
    patients: Factory | Sequence[Patient],
    count: int,
    dosing: Dosing,
    at_s: npt.ArrayLike,
    *,
    workers: int | Workers = 1,
    chunk: int = CHUNK,
    keep: Keep | None = None,
    tolerance: float = TOLERANCE,
    single: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Cohort:
    """Run ``count`` patients; ``patients`` makes each from his number, or is a row of them.

    Without ``keep`` all values are kept. With it, ``keep(first, values)`` gets each chunk in order, (patients,
    channels, times) from patient number ``first``, and must copy what it wants to hold: the array is used again.
    ``single`` keeps 32 bits of each value. ``progress(done, count)`` is told after each chunk. All patients have the
    channels of the first; UntrustedError (SHAPE) where they have not, or where ``count`` or ``chunk`` is under 1.
    """
    if count < 1 or chunk < 1 or (not callable(patients) and len(patients) < count):
        found = f"{count} patients in chunks of {chunk}"
        raise UntrustedError(Doubt.SHAPE, found, "1 or more, and no more than there are")
    asked = np.asarray(at_s, dtype=np.float64)
    job = _Job(patients, dosing, asked, _names(patients, count), tolerance)
    shape = len(job.names), timeline(dosing, asked).read.size
    kind = np.dtype(np.float32 if single else np.float64)
    chunks = [(first, min(chunk, count - first)) for first in range(0, count, chunk)]
    outcomes: list[_Outcome] = []
    rows = count if keep is None else chunk
    with contextlib.ExitStack() as stack:
        values: Values
        if workers == 1 or not job.names:
            values = np.empty((rows, *shape), kind)
            stream = _alone(job, chunks, values, again=keep is not None)
        else:
            crew = workers if isinstance(workers, Workers) else stack.enter_context(Workers(workers))
            slots = crew.count * _AHEAD
            shared = stack.enter_context(_shared((rows if keep is None else rows * slots, *shape), kind))
            values, stream = shared, _together(job, chunks, shared, crew, slots, again=keep is not None)
        stack.enter_context(contextlib.closing(stream))
        for (first, size), (outcome, block) in zip(chunks, stream, strict=True):
            outcomes.append(outcome)
            if keep is not None:
                keep(first, block)
            if progress is not None:
                progress(first + size, count)
    return Cohort(
        job.names,
        asked,
        values if keep is None else None,
        np.array([error for outcome in outcomes for error in outcome.time_error]),
        tuple(engine for outcome in outcomes for engine in outcome.engine),
        tuple(refused for outcome in outcomes for refused in outcome.refused),
    )


def _names(patients: Factory | Sequence[Patient], count: int) -> tuple[str, ...]:
    """The channels of the first patient who can be made."""
    for number in range(count):
        with contextlib.suppress(UntrustedError):
            return (patients(number) if callable(patients) else patients[number]).channels.names
    return ()


def _alone(
    job: _Job, chunks: Sequence[tuple[int, int]], values: Values, *, again: bool
) -> Generator[tuple[_Outcome, Values], None, None]:
    for first, size in chunks:
        row = 0 if again else first
        block = values[row : row + size]
        yield _work(job, first, block), block


def _together(
    job: _Job, chunks: Sequence[tuple[int, int]], values: np.memmap[Any, Any], crew: Workers, slots: int, *, again: bool
) -> Generator[tuple[_Outcome, Values], None, None]:
    """The same in worker processes, in order; no more chunks wait or run than there are slots for."""
    load = pickle.dumps(job)
    key = f"{os.getpid()}-{next(_NUMBERS)}"
    room = chunks[0][1]
    waiting: deque[tuple[Future[_Outcome], Values]] = deque()
    try:
        for number, (first, size) in enumerate(chunks):
            if len(waiting) == slots:
                future, block = waiting.popleft()
                yield future.result(), block
            row = number % slots * room if again else first
            place = str(values.filename), values.dtype.str, values.shape, row, size
            waiting.append((crew.pool.submit(_far, key, load, first, place), values[row : row + size]))
        while waiting:
            future, block = waiting.popleft()
            yield future.result(), block
    finally:
        for future, _ in waiting:
            future.cancel()
        wait([future for future, _ in waiting])


_NUMBERS = itertools.count()
_last: dict[str, _Job] = {}


def _far(key: str, load: bytes, first: int, place: tuple[str, str, tuple[int, ...], int, int]) -> _Outcome:
    """In a worker process: a chunk of a job, which is kept for the next chunk, written where it belongs."""
    if key not in _last:
        _last.clear()
        _last[key] = pickle.loads(load)  # noqa: S301 - from the process that started this one
    path, kind, shape, row, size = place
    values = np.memmap(path, dtype=kind, mode="r+", shape=shape)
    return _work(_last[key], first, values[row : row + size])


@contextlib.contextmanager
def _shared(shape: tuple[int, ...], kind: np.dtype[Any]) -> Iterator[np.memmap[Any, Any]]:
    """An array that other processes can write into: a file in memory where there is such a place. Its name goes when
    the work is done; the array lives on.
    """
    handle, name = tempfile.mkstemp(prefix="thecal-", dir=MEMORY if MEMORY.is_dir() else None)
    os.close(handle)
    try:
        yield np.memmap(name, dtype=kind, mode="w+", shape=shape)
    finally:
        # Where a mapped file keeps its name, it stays for the system to remove.
        with contextlib.suppress(PermissionError):
            Path(name).unlink()


def _work(job: _Job, first: int, values: Values) -> _Outcome:
    """Run the patients from number ``first`` into the rows of ``values``."""
    found = _Outcome([], [], [])
    for row in range(values.shape[0]):
        try:
            course = _course(job, first + row, np.asarray(values[row]))
        except UntrustedError as error:
            if error.doubt is Doubt.SHAPE:
                raise
            values[row] = np.nan
            found.time_error.append(np.inf)
            found.engine.append(None)
            found.refused.append(Refused(first + row, error.doubt, str(error)))
        else:
            if not np.may_share_memory(values, course.values):
                values[row] = course.values
            found.time_error.append(course.time_error)
            found.engine.append(course.engine)
    return found


def _course(job: _Job, number: int, values: Values) -> Course:
    """One patient: reduced, straight into ``values`` where they have as many bits, or by rational stepping where that
    cannot be trusted.
    """
    system, channels, dosing = job.patient(number)
    line = job.line if dosing is None else timeline(dosing, job.at_s)
    try:
        into = np.asarray(values, dtype=np.float64) if values.dtype == np.float64 else None
        return Reduced(system, channels, tolerance=job.tolerance).follow(line, job.at_s, values=into)
    except UntrustedError as error:
        if error.doubt is not Doubt.LOST_DIGITS:
            raise
    from thecal.body.transport.engine import run  # noqa: PLC0415 - needed seldom, and it knows this module

    given = job.dosing if dosing is None else dosing
    return run(system, given, job.at_s, channels, engine=Engine.STEPPING, tolerance=job.tolerance)
