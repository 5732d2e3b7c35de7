"""What is computed beyond the tip, for ``--json``: every array with its unit in its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thecal.cli.spine_figures import NO_CLOCK, figures, unit_name
from thecal.twin.spine import site_json

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from thecal.twin.spine import Comparison, Errors, HeatMap, KeyFigure, Line, SpineCourse

    FloatArray = npt.NDArray[np.float64]

_MAP_DIGITS = 6
"""So many digits has a map, which is for pictures; lines have all."""


def course_json(course: SpineCourse) -> dict[str, Any]:
    """One course; times are seconds after ``start``."""
    return {
        "title": course.title,
        "start": None if course.start == NO_CLOCK else course.start.isoformat(),
        "at_s": course.at_s.tolist(),
        "drugs": list(course.drugs),
        "no_model": list(course.no_model),
        "errors": errors_json(course.errors),
        "notes": list(course.notes),
        "lines": [{**_line(line), "figures": figures(line, course).as_json(_unit(line))} for line in course.lines],
        "neuraxis": [_map(heat) for heat in course.heat],
    }


def comparison_json(found: Comparison) -> dict[str, Any]:
    """Two courses with their difference: proposed less current, person by person."""
    return {
        "title": found.title,
        "current": course_json(found.current),
        "proposed": course_json(found.proposed),
        "differences": [_line(line) for line in found.differences],
        "figures": [_figure(figure) for figure in found.figures],
    }


def errors_json(errors: Errors) -> dict[str, Any]:
    """The errors apart; shares are of the greatest value of a line."""
    return {
        "time_share": errors.time,
        "strokes_share": errors.strokes,
        "space_share": errors.space,
        "model": errors.model,
    }


def _unit(line: Line) -> str:
    return unit_name(line.site.unit)


def _line(line: Line) -> dict[str, Any]:
    unit, band = _unit(line), line.band
    spread = None
    if band is not None:
        spread = {
            "draws": band.draws,
            f"p10_{unit}": band.p10.tolist(),
            f"p50_{unit}": band.p50.tolist(),
            f"p90_{unit}": band.p90.tolist(),
        }
    return {"site": site_json(line.site), "drug": line.drug, f"central_{unit}": line.central.tolist(), "band": spread}


def _map(heat: HeatMap) -> dict[str, Any]:
    return {
        "drug": heat.drug,
        "at_s": heat.at_s.tolist(),
        "x_cm": _short(heat.x_cm),
        "csf_ng_per_ml": _short(heat.csf_ng_per_ml),
        "levels": [{"name": name, "at_cm": cm} for name, cm in heat.levels],
    }


def _short(values: FloatArray) -> Any:
    """Numbers to six digits, in the same rows."""
    if values.ndim > 1:
        return [_short(row) for row in values]
    return [float(f"{value:.{_MAP_DIGITS}g}") for value in values.tolist()]


def _figure(figure: KeyFigure) -> dict[str, Any]:
    return {
        "name": str(figure.name),
        "site": figure.site.key,
        "drug": figure.drug,
        "unit": figure.unit,
        "current": figure.current,
        "proposed": figure.proposed,
        "current_p10_p50_p90": figure.current_spread,
        "proposed_p10_p50_p90": figure.proposed_spread,
        "ratio": figure.ratio,
        "ratio_p10": figure.ratio_p10,
        "ratio_p50": figure.ratio_p50,
        "ratio_p90": figure.ratio_p90,
    }
