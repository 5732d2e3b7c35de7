"""What arrives beyond the tip, now and as proposed, by the twin: the central lines first, the band when it is ready.

Two texts of orders and a moment come in, a course or a comparison goes out, or what is shown of it at one place. Lines
and bands have a worker each, so that no line waits for a band; whoever asks meanwhile is told to wait. What was
computed is kept by the digest of both texts. A preview gates nothing: no function that reviews, signs or sends reads
it.
"""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003 -- what goes to another process is read by its types
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from thecal.clinic.programming.arriving import Arriving, arriving
from thecal.clinic.programming.order_text import digest_of, parsed_by
from thecal.therapy.files import OrderFile
from thecal.twin import cases
from thecal.twin.asking import scenario_of
from thecal.twin.comparing import with_paired_bands
from thecal.twin.preview import preview, with_band
from thecal.twin.spine import Comparison, NoPreview, NoPreviewWhy

if TYPE_CHECKING:
    from collections.abc import Callable

    from thecal.formulary import Formulary
    from thecal.twin.spine import SpineCourse

    Made = Comparison | SpineCourse | NoPreview
    Work = Callable[[], Made]

MODEL = "Thecal's one-dimensional model of the spinal fluid, with the tissues beside it"
"""What the preview is computed with, in words."""
MOST_KEPT = 64
"""How many previews are kept, central lines and bands each."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One preview: the order in the pump (None where there is none), the one proposed, and the pump-clock moment."""

    current: str | None
    proposed: str
    start: datetime
    weight_g: int | None = None

    @property
    def key(self) -> str:
        """The digest of everything that the answer depends on."""
        parts = (self.current or "", self.proposed, self.start.isoformat(), str(self.weight_g))
        return digest_of("\0".join(digest_of(part) for part in parts))


@dataclass(frozen=True, slots=True)
class Without:
    """Why nothing can be shown, in words."""

    why: str
    found: str
    allowed: str
    then: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What is shown at one place: the lines, ``banded`` with their band; or why there is nothing."""

    shown: Arriving | None
    none: Without | None = None
    banded: bool = False


class PreviewSource(Protocol):
    """Where previews come from: this process, or one beside it."""

    def ask(self, wanted: Wanted, formulary: Formulary, site: str, *, band: bool, wait_s: float) -> Preview | None:
        """What is shown at ``site``, with the band where that is asked for and ready; None where nothing is yet."""


def central(wanted: Wanted, formulary: Formulary) -> Made:
    """The central lines, with nominal parameters; the running order is in its steady state."""
    proposed = parsed_by(wanted.proposed, formulary)
    current = None if wanted.current is None else parsed_by(wanted.current, formulary)
    if not isinstance(proposed, OrderFile) or isinstance(current, tuple):
        return NoPreview(NoPreviewWhy.REFUSED, "an order that cannot be read", "an order", "correct it first")
    kg = None if wanted.weight_g is None else wanted.weight_g / 1000
    then = scenario_of(proposed.order, wanted.start, title="proposed")
    if current is None:
        return preview(then, weight_kg=kg, band=False)
    now = scenario_of(current.order, wanted.start, running=True, title="current")
    return cases.change(now, then, weight_kg=kg, band=False)


def banded(made: Made) -> Made:
    """The same with its band, of the persons that every preview draws."""
    if isinstance(made, NoPreview):
        return made
    return with_paired_bands(made) if isinstance(made, Comparison) else with_band(made)


@dataclass
class Previews:
    """The previews of one process: a worker for lines, one for bands, and what they computed."""

    _kept: OrderedDict[str, Future[Made]] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)
    _workers: dict[str, ThreadPoolExecutor] = field(default_factory=dict)

    def ask(self, wanted: Wanted, formulary: Formulary, site: str, *, band: bool, wait_s: float) -> Preview | None:
        """As ``PreviewSource`` has it."""
        lines = self.lines(wanted, formulary, wait_s)
        banded = self.band(wanted, formulary, wait_s) if band else None
        made = banded or lines
        if made is None:
            return None
        if isinstance(made, NoPreview):
            return Preview(None, Without(made.why.value, made.found, made.allowed, made.then))
        return Preview(arriving(made, site, formulary), banded=banded is not None)

    def lines(self, wanted: Wanted, formulary: Formulary, wait_s: float) -> Made | None:
        """The central lines; None where they are not ready after ``wait_s``: ask again."""
        return _ready(self._of("lines", wanted, lambda: central(wanted, formulary)), wait_s)

    def band(self, wanted: Wanted, formulary: Formulary, wait_s: float) -> Made | None:
        """The same with the band; None where it is not ready yet."""
        made = self.lines(wanted, formulary, wait_s)
        if made is None:
            return None
        return _ready(self._of("band", wanted, lambda: banded(made)), wait_s)

    def _of(self, what: str, wanted: Wanted, work: Work) -> Future[Made]:
        key = f"{what} {wanted.key}"
        with self._lock:
            found = self._kept.get(key)
            if found is None or found.cancelled() or (found.done() and found.exception() is not None):
                found = self._kept[key] = self._worker(what).submit(work)
            self._kept.move_to_end(key)
            while len(self._kept) > 2 * MOST_KEPT:
                self._kept.popitem(last=False)[1].cancel()
            return found

    def _worker(self, what: str) -> ThreadPoolExecutor:
        if what not in self._workers:
            self._workers[what] = ThreadPoolExecutor(1, thread_name_prefix=f"preview {what}")
        return self._workers[what]

    def close(self) -> None:
        """Let the workers go; what waits is given up."""
        for worker in self._workers.values():
            worker.shutdown(wait=True, cancel_futures=True)


def _ready(future: Future[Made], wait_s: float) -> Made | None:
    try:
        return future.result(timeout=wait_s)
    except (TimeoutError, CancelledError):
        return None
