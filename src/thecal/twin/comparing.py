"""Two scenarios side by side, person by person: differences with their band, and a few numbers counted from both.

Current and proposed are read at the same times, at the same sites and in the same persons. A difference is taken within
each person before the band is, so that how far people differ does not hide what the change does.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from thecal.body.spine.levels import level
from thecal.body.transport.untrusted import UntrustedError
from thecal.twin.asking import Asking
from thecal.twin.preview import basis_of, courses, samples, with_bands, without_band
from thecal.twin.spine import (
    Comparison,
    FigureName,
    KeyFigure,
    Line,
    NoPreview,
    NoPreviewWhy,
    SiteKind,
    SpineCourse,
    Spread,
    band_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Unpack

    import numpy.typing as npt

    from thecal.therapy.order import Order
    from thecal.twin.asking import Asked
    from thecal.twin.scenario import Scenario
    from thecal.twin.spine import Site

    FloatArray = npt.NDArray[np.float64]
    Samples = tuple[FloatArray, FloatArray]

# Not the effects themselves: under doses of every day they are nearly whole, and every ratio of them is near 1.
_COUNTED = frozenset({
    SiteKind.TISSUE, SiteKind.CISTERN, SiteKind.PLASMA, SiteKind.SPINAL_DRIVE, SiteKind.WARNING_DRIVE,
})  # fmt: skip


def compare(
    current: Scenario, proposed: Scenario, *, title: str = "", **asked: Unpack[Asked]
) -> Comparison | NoPreview:
    """Proposed against current, over 72 h unless asked otherwise; ``title`` is made from both where it is empty.

    Both begin with what each order says ran before; ``cases.change`` makes that the same. ``band=False`` leaves the
    band to ``with_paired_bands``.
    """
    return compared((current, proposed), title, Asking(**asked))


def compared(
    pair: tuple[Scenario, Scenario], title: str, asking: Asking, *, whole: bool = False
) -> Comparison | NoPreview:
    """``compare`` of a pair; with ``whole`` it is refused where any event of the runs could not be done."""
    current, proposed = pair
    refused = _not_comparable(current, proposed)
    if refused is not None:
        return refused
    made = courses(pair, asking, whole=whole)
    if isinstance(made, NoPreview):
        return made
    central = _comparison(title or f"{proposed.title} against {current.title}", made[0], made[1], None)
    return with_paired_bands(central) if asking.band else central


def with_paired_bands(comparison: Comparison, *, progress: Callable[[float], None] | None = None) -> Comparison:
    """The same comparison with its bands, each person in both; ``progress`` and no band as in ``with_band``."""
    current, proposed = comparison.current, comparison.proposed
    bases = [basis_of(current), basis_of(proposed)]
    drawn = samples(bases, progress or bases[0].asking.progress)
    if isinstance(drawn, UntrustedError):
        return replace(comparison, current=without_band(current, drawn), proposed=without_band(proposed, drawn))
    now, then = drawn
    banded = with_bands(current, now), with_bands(proposed, then)
    return _comparison(comparison.title, *banded, (now.rows, then.rows))


def _not_comparable(current: Scenario, proposed: Scenario) -> NoPreview | None:
    if current.run.start != proposed.run.start:
        found = f"runs that start at {current.run.start} and {proposed.run.start}"
        return NoPreview(NoPreviewWhy.NOT_COMPARABLE, found, "two runs from one moment on", "start both together")
    tips = [_tip(s.order) for s in (current, proposed)]
    if None not in tips and tips[0] != tips[1]:
        found = f"tips at {tips[0]} and {tips[1]}"
        return NoPreview(NoPreviewWhy.NOT_COMPARABLE, found, "two runs with the tip at one level", "preview each alone")
    return None


def _tip(order: Order) -> str | None:
    """The level of the tip in one spelling; None where it is not known, which a preview refuses by itself."""
    if order.catheter is None or order.catheter.tip_level is None:
        return None
    try:
        return level(order.catheter.tip_level).name
    except UntrustedError:
        return None


def _comparison(title: str, current: SpineCourse, proposed: SpineCourse, drawn: Samples | None) -> Comparison:
    plain = len(current.lines) - len(basis_of(current).looking.rows())
    differences = []
    for n, (a, b) in enumerate(zip(current.lines, proposed.lines, strict=True)):
        band = None if drawn is None or n < plain else band_of(drawn[1][:, n - plain] - drawn[0][:, n - plain])
        differences.append(Line(a.site, a.drug, b.central - a.central, band))
    figures = []
    for n, (a, b) in enumerate(zip(current.lines[plain:], proposed.lines[plain:], strict=True)):
        if _is_counted(a.site):
            own = None if drawn is None else (drawn[0][:, n], drawn[1][:, n])
            figures += _figures(a, b, own, current.step_s)
    return Comparison(title, current, proposed, tuple(differences), tuple(figures))


def _is_counted(site: Site) -> bool:
    """Figures are counted at the tip's own fluid, beyond the canal and of drives; a level between is a line only."""
    return site.kind in _COUNTED or site.key == "csf-tip"


# Figures ----------------------------------------------------------------------------------------------------------


def _figures(current: Line, proposed: Line, drawn: Samples | None, step_s: float) -> list[KeyFigure]:
    found = [
        _ratio(FigureName.PEAK, current, proposed, drawn, np.max),
        _ratio(FigureName.TROUGH, current, proposed, drawn, np.min),
    ]
    if current.central[0] > 0:
        found.append(_below_half(current, proposed, drawn, step_s))
    return found


def _ratio(
    name: FigureName, current: Line, proposed: Line, drawn: Samples | None, of: Callable[..., FloatArray]
) -> KeyFigure:
    now, then = float(of(current.central)), float(of(proposed.central))
    figure = KeyFigure(
        name, current.site, current.drug, current.site.unit, now, then, then / now if _is_some(now, current) else None
    )
    if drawn is None:
        return figure
    each_now, each_then = of(drawn[0], axis=1), of(drawn[1], axis=1)
    figure = replace(figure, current_spread=_spread(each_now), proposed_spread=_spread(each_then))
    if figure.ratio is None or np.any(each_now <= 0):
        return figure
    p10, p50, p90 = _spread(each_then / each_now)
    return replace(figure, ratio_p10=p10, ratio_p50=p50, ratio_p90=p90)


def _is_some(number: float, line: Line) -> bool:
    """Whether a number is more than what rounding leaves of a line."""
    return number > 1e-9 * float(np.max(np.abs(line.central)))


def _below_half(current: Line, proposed: Line, drawn: Samples | None, step_s: float) -> KeyFigure:
    """Hours of the window below half of the level with which current begins; a reading stands for the step before."""

    def hours(rows: FloatArray, level_before: FloatArray) -> FloatArray:
        return np.asarray(np.sum(rows[..., 1:] < 0.5 * level_before[..., None], axis=-1) * step_s / 3600)

    begin = current.central[0]
    figure = KeyFigure(
        FigureName.HOURS_BELOW_HALF,
        current.site,
        current.drug,
        "h",
        float(hours(current.central, begin)),
        float(hours(proposed.central, begin)),
    )
    if drawn is None:
        return figure
    begins = drawn[0][:, 0]
    now, then = _spread(hours(drawn[0], begins)), _spread(hours(drawn[1], begins))
    return replace(figure, current_spread=now, proposed_spread=then)


def _spread(each: FloatArray) -> Spread:
    p10, p50, p90 = np.percentile(each, (10, 50, 90)).tolist()
    return p10, p50, p90
