"""What a preview says: lines over time at places in the body, heat maps of the spinal fluid, and their three errors.

Values only: whoever draws or prints a preview reads these and nothing else. Times are seconds after ``start`` of the
course. A band comes from draws of the parameters; it says how far people differ, not how well the numbers are known.
Nothing here is fit for dosing, and nothing that sends a program reads it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from datetime import datetime

    import numpy.typing as npt

    FloatArray = npt.NDArray[np.float64]


class SiteKind(StrEnum):
    """What a line is about; its unit goes with it."""

    TIP = "tip"
    CSF = "CSF"
    TISSUE = "cord tissue"
    CISTERN = "cistern"
    BRAINSTEM = "brainstem"
    PLASMA = "plasma"
    ANALGESIA = "analgesia"
    WARNING_INDEX = "warning index"
    SPINAL_DRIVE = "cord, times EC50"
    WARNING_DRIVE = "warning index, times EC50"


@dataclass(frozen=True, slots=True)
class Site:
    """A place with a name: ``key`` for files, ``label`` for people, ``level`` and ``at_cm`` from the end of the sac.

    ``level`` and ``at_cm`` are None where the place is not along the canal; ``unit`` is that of every line there.
    """

    key: str
    label: str
    kind: SiteKind
    level: str | None
    at_cm: float | None
    unit: str


@dataclass(frozen=True, eq=False, slots=True)
class Band:
    """Over ``draws`` persons, at each time (T,): 10 in 100 lie below ``p10``, half below ``p50``, 90 below ``p90``."""

    p10: FloatArray
    p50: FloatArray
    p90: FloatArray
    draws: int


@dataclass(frozen=True, eq=False, slots=True)
class Line:
    """One site over time: ``central`` (T,) with nominal parameters, and the band once it is ready.

    ``drug`` is a formulary name, or None where drugs are combined. A site that the pump alone decides has no band.
    """

    site: Site
    drug: str | None
    central: FloatArray
    band: Band | None = None


@dataclass(frozen=True, eq=False, slots=True)
class HeatMap:
    """A drug in spinal fluid, ``csf_ng_per_ml`` (H, cells), at ``at_s`` (H,) and ``x_cm`` (cells,) from the sac.

    ``levels`` are names with the cm at which they lie, for the edge of a picture.
    """

    drug: str
    at_s: FloatArray
    x_cm: FloatArray
    csf_ng_per_ml: FloatArray
    levels: tuple[tuple[str, float], ...]

    def profile(self, at_s: float) -> FloatArray:
        """The fluid along the canal (cells,) at an instant, between the two nearest times; ValueError outside."""
        if not self.at_s[0] <= at_s <= self.at_s[-1]:
            raise ValueError(f"{at_s} s: the map runs from {self.at_s[0]:g} to {self.at_s[-1]:g} s")
        after = int(np.clip(np.searchsorted(self.at_s, at_s), 1, self.at_s.size - 1))
        before_s, after_s = self.at_s[after - 1], self.at_s[after]
        share = (at_s - before_s) / (after_s - before_s)
        return np.asarray((1 - share) * self.csf_ng_per_ml[after - 1] + share * self.csf_ng_per_ml[after])


@dataclass(frozen=True, slots=True)
class Errors:
    """Errors, never added: of the arithmetic in ``time`` (with a band, the greatest of the central line and of every
    person), of the grid in ``space`` (an estimate for the grid that is shown), and what stands for the ``model``'s own,
    in words. ``strokes`` is the most that is left out for a moment where strokes are given evenly, which is right at
    the tip. Numbers are shares of the greatest value of a line, the worst of all lines that hold one drug.
    """

    time: float
    space: float
    model: str
    strokes: float = 0.0


@dataclass(frozen=True, eq=False, slots=True)
class SpineCourse:
    """What a program does beyond the tip: every line over ``at_s`` (T,), with the drugs that have no model named.

    ``start`` is pump-clock time. ``step_s`` is the distance of readings. ``notes`` say what was assumed, for people.
    ``basis`` is what a band is made from; it is not for reading.
    """

    title: str
    start: datetime
    at_s: FloatArray
    drugs: tuple[str, ...]
    no_model: tuple[str, ...]
    lines: tuple[Line, ...]
    heat: tuple[HeatMap, ...]
    errors: Errors
    step_s: float
    notes: tuple[str, ...] = ()
    basis: Any = field(default=None, repr=False)

    def line(self, key: str, drug: str | None) -> Line:
        """The line of a site and a drug (None: combined); KeyError where there is none."""
        for line in self.lines:
            if line.site.key == key and line.drug == drug:
                return line
        raise KeyError((key, drug))

    def as_json(self) -> dict[str, Any]:
        """For ``--json``: plain values only; heat maps go into pictures and are left out."""
        return {
            "title": self.title,
            "start": self.start.isoformat(),
            "step_s": self.step_s,
            "at_s": self.at_s.tolist(),
            "drugs": list(self.drugs),
            "no_model": list(self.no_model),
            "lines": [_line_json(line) for line in self.lines],
            "errors": asdict(self.errors),
            "notes": list(self.notes),
        }


class FigureName(StrEnum):
    """What is counted from two courses that are compared."""

    PEAK = "peak"
    TROUGH = "trough"
    HOURS_BELOW_HALF = "hours below half of the level before"


Spread = tuple[float, float, float]
"""A number over draws: 10 in 100 below the first, half below the second, 90 below the third."""


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """One number of each of two courses at one site: ``current`` and ``proposed``, in ``unit``.

    ``ratio`` is proposed over current, None where current is nothing or the figure is a time; ``ratio_p10`` and the
    others are over paired draws, and spreads over draws, None without a band.
    """

    name: FigureName
    site: Site
    drug: str | None
    unit: str
    current: float
    proposed: float
    ratio: float | None = None
    ratio_p10: float | None = None
    ratio_p50: float | None = None
    ratio_p90: float | None = None
    current_spread: Spread | None = None
    proposed_spread: Spread | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Comparison:
    """Two courses over the same times and persons; ``differences`` are proposed less current, draw by draw."""

    title: str
    current: SpineCourse
    proposed: SpineCourse
    differences: tuple[Line, ...]
    figures: tuple[KeyFigure, ...]

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "title": self.title,
            "current": self.current.as_json(),
            "proposed": self.proposed.as_json(),
            "differences": [_line_json(line) for line in self.differences],
            "figures": [_figure_json(figure) for figure in self.figures],
        }


class NoPreviewWhy(StrEnum):
    """Why there is no preview."""

    NO_CATHETER = "no catheter"
    NO_TIP_LEVEL = "no tip level"
    UNKNOWN_LEVEL = "unknown level"
    NO_CONTROLLER = "no controller"
    REFUSED = "the pump refuses the order"
    WINDOW = "outside what is previewed"
    NO_SUCH_EVENT = "no such event"
    NO_MODEL = "no model"
    NOT_COMPARABLE = "not comparable"
    UNTRUSTED = "not to be trusted"


@dataclass(frozen=True, slots=True)
class NoPreview:
    """No preview, and why: what was found, what is allowed, what to do next."""

    why: NoPreviewWhy
    found: str
    allowed: str
    then: str

    @property
    def message(self) -> str:
        """One line for a person."""
        return f"no preview: found {self.found}; allowed: {self.allowed}; next: {self.then}"


def band_of(samples: FloatArray) -> Band:
    """The band of samples (draws, T)."""
    p10, p50, p90 = np.percentile(samples, (10, 50, 90), axis=0)
    return Band(p10, p50, p90, samples.shape[0])


def site_json(site: Site) -> dict[str, Any]:
    """A site as JSON."""
    return {
        "key": site.key,
        "label": site.label,
        "kind": str(site.kind),
        "level": site.level,
        "at_cm": site.at_cm,
        "unit": site.unit,
    }


def _line_json(line: Line) -> dict[str, Any]:
    band = line.band
    return {
        "site": site_json(line.site),
        "drug": line.drug,
        "central": line.central.tolist(),
        "band": band
        and {"draws": band.draws, "p10": band.p10.tolist(), "p50": band.p50.tolist(), "p90": band.p90.tolist()},
    }


def _figure_json(figure: KeyFigure) -> dict[str, Any]:
    return {
        "name": str(figure.name),
        "site": figure.site.key,
        "drug": figure.drug,
        "unit": figure.unit,
        "current": figure.current,
        "proposed": figure.proposed,
        "ratio": figure.ratio,
        "ratio_p10": figure.ratio_p10,
        "ratio_p50": figure.ratio_p50,
        "ratio_p90": figure.ratio_p90,
        "current_spread": figure.current_spread,
        "proposed_spread": figure.proposed_spread,
    }
