"""Courses beyond the tip made by hand, for tests of what shows them: a bolus that spreads, falls and reaches blood."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from thecal.twin.spine import (
    Band,
    Comparison,
    Errors,
    FigureName,
    HeatMap,
    KeyFigure,
    Line,
    Site,
    SiteKind,
    SpineCourse,
    band_of,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    FloatArray = npt.NDArray[np.float64]

START = datetime(2026, 3, 2, 9, 30)  # noqa: DTZ001 -- the pump clock has no zone
LEVELS = (
    ("L5", 5.75), ("L4", 9.25), ("L3", 12.75), ("L2", 16.25), ("L1", 19.75), ("T12", 22.5), ("T11", 24.8),
    ("T10", 27.0), ("T8", 31.5), ("T6", 36.0), ("T4", 40.5), ("T2", 45.0), ("C7", 49.0), ("C5", 52.0), ("C3", 55.0),
    ("C1", 58.5),
)  # fmt: skip
TIP = Site("tip", "tip of the catheter", SiteKind.TIP, "L2-3", 14.5, "mcg/h")
FLUID = tuple(
    Site(f"csf-{name}", f"spinal fluid at {name}", SiteKind.CSF, name, cm, "ng/mL")
    for name, cm in (("L2-3", 14.5), ("T10", 27.0), ("C7-T1", 48.0))
)
CISTERN = Site("cistern", "cistern", SiteKind.CISTERN, None, None, "ng/mL")
TISSUE = Site("tissue-T10", "cord tissue at T10", SiteKind.TISSUE, "T10", 27.0, "ng/mL")
STEM = Site("brainstem", "brainstem", SiteKind.BRAINSTEM, None, None, "ng/mL")
PLASMA = Site("plasma", "plasma", SiteKind.PLASMA, None, None, "ng/mL")
RELIEF = Site("analgesia-T10", "relief at T10", SiteKind.ANALGESIA, "T10", 27.0, "")
WARNING = Site("warning", "breathing", SiteKind.WARNING_INDEX, None, None, "0 to 1")
DRIVES = (
    Site("cord-drive-T10", "cord, times its EC50, dermatome T10", SiteKind.SPINAL_DRIVE, "T10", 27.0, "times EC50"),
    Site("warning-drive", "brainstem, times its EC50", SiteKind.WARNING_DRIVE, None, None, "times EC50"),
)
X_CM: FloatArray = np.arange(0.5, 60.0, 1.0, dtype=np.float64)


def fluid(at_s: FloatArray, x_cm: FloatArray, dose: float = 1.0) -> FloatArray:
    """A bolus at 14.5 cm that spreads and fades; ng/mL, shape (times, places)."""
    hours = np.maximum(np.asarray(at_s)[:, None] / 3600, 0.0)
    width = 2.0 + 30.0 * hours / (hours + 3.0)
    return np.asarray(
        dose * 40_000.0 / width * np.exp(-((x_cm[None, :] - 14.5) ** 2) / 2 / width**2) * np.exp(-hours / 5.0)
    )


def banded(central: FloatArray, draws: int = 64) -> Band:
    """Persons who differ up to several-fold."""
    factor = np.exp(np.random.default_rng(5).normal(0, 0.6, draws))
    return band_of(factor[:, None] * central[None, :])


def course(
    *,
    hours: float = 72,
    dose: float = 1.0,
    band: bool = True,
    drugs: tuple[str, ...] = ("morphine",),
    step_s: float = 600,
) -> SpineCourse:
    """A course of so many hours, read every ``step_s``."""
    at_s = np.arange(0.0, hours * 3600 + 1, step_s)
    lines: list[Line] = []
    for n, drug in enumerate(drugs):
        lines.append(Line(TIP, drug, dose * (50.0 + 25.0 * np.sin(at_s / 14_400) ** 2)))
        for site in (*FLUID, CISTERN, TISSUE, STEM, PLASMA):
            lines.append(_line(site, drug, at_s, dose / (n + 1), band=band))
    for site in (RELIEF, WARNING, *DRIVES):
        late = _lagged(at_s, dose)
        central = late / (late + (0.4 if site is RELIEF else 3.0))
        lines.append(Line(site, None, central, banded(central) if band else None))
    seen = at_s[:: max(at_s.size // 300, 1)]
    heat = tuple(HeatMap(d, seen, X_CM, fluid(seen, X_CM, dose / (n + 1)), LEVELS) for n, d in enumerate(drugs))
    model = "10 to 90 of 100 persons drawn" if band else "not known until the band is ready"
    errors = Errors(2e-8, 1.5e-3, model)
    notes = ("Posture and movement are not known.",)
    return SpineCourse("A made-up course", START, at_s, drugs, (), tuple(lines), heat, errors, step_s, notes)


def _line(site: Site, drug: str, at_s: FloatArray, dose: float, *, band: bool) -> Line:
    if site.kind is SiteKind.CSF:
        central = fluid(at_s, np.array([site.at_cm or 0.0]), dose)[:, 0]
    else:
        share = {SiteKind.CISTERN: 0.02, SiteKind.TISSUE: 0.5, SiteKind.BRAINSTEM: 0.02}.get(site.kind, 0.0006)
        central = 12_000 * dose * share * _lagged(at_s, 1.0)
    return Line(site, drug, central, banded(central) if band else None)


def _lagged(at_s: FloatArray, dose: float) -> FloatArray:
    hours = at_s / 3600
    return np.asarray(dose * (np.exp(-hours / 9.0) - np.exp(-hours / 2.5)))


def comparison() -> Comparison:
    """The same with half as much again."""
    current, proposed = course(), course(dose=1.5)
    differences = []
    figures = []
    for before, after in zip(current.lines, proposed.lines, strict=True):
        gap = after.central - before.central
        differences.append(Line(after.site, after.drug, gap, banded(gap) if after.band else None))
        now, then = float(before.central.max()), float(after.central.max())
        ratios = (1.4, 1.5, 1.6) if after.band else (None, None, None)
        figures.append(
            KeyFigure(FigureName.PEAK, after.site, after.drug, after.site.unit, now, then, then / now, *ratios)
        )
    return Comparison("Half as much again", current, proposed, tuple(differences), tuple(figures))
