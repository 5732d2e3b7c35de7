"""The verdict of each check: the model's number beside the paper's, the ratio, and inside or outside.

Every check comes out with a verdict. One that the model cannot say, or that cannot be run, says why and stays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from thecal.body.spine.neuraxis import CELLS
from thecal.body.transport.untrusted import UntrustedError
from thecal.body.validation.cases import Status
from thecal.body.validation.dimensions import dimension, number, shown_unit
from thecal.body.validation.evaluating import Runner
from thecal.body.validation.measures import Order
from thecal.body.validation.observables import UnreadableError
from thecal.body.validation.units import unit

if TYPE_CHECKING:
    from thecal.body.validation.cases import Case, CaseFile, Check, Expected
    from thecal.body.validation.measures import Measure
    from thecal.body.validation.units import Dimension

_ROUNDING = 1e-6  # a limit is met by a number that misses it by less, as a share
_TELLING = 1e-3  # ours: an order or a sign needs more than this, about what the grid leaves open


class Verdict(StrEnum):
    """What came of a check."""

    INSIDE = "inside"
    OUTSIDE = "outside"
    NOT_JUDGED = "not judged"
    NOT_APPLICABLE = "not applicable"
    NOT_RUN = "could not be run"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check and what came of it.

    ``model`` is in ``unit``; ``ratio`` is model over paper: over the value, the middle of a band (the geometric mean
    of its ends), or the one limit. ``why`` says why there is no verdict. ``time_error`` is the engine's, as a share;
    ``space_error`` the share by which the number differs on a grid of half as many cells.
    """

    case: Case
    check: Check
    verdict: Verdict
    unit: str = ""
    model: float | None = None
    ratio: float | None = None
    why: str = ""
    engines: tuple[str, ...] = ()
    cells: int = 0
    time_error: float = 0.0
    space_error: float | None = None

    @property
    def status(self) -> Status:
        """The check's own, or the case's."""
        return self.check.status or self.case.status


def judge(file: CaseFile) -> tuple[Finding, ...]:
    """Every check of a file, in its order."""
    return tuple(finding for case in file.case for finding in judge_case(case, file))


def judge_case(case: Case, file: CaseFile) -> tuple[Finding, ...]:
    """Every check of a case. It is run on its grid, and on one of half as many cells for the error in space."""
    cells = case.cells or CELLS
    fine, coarse = Runner(case, file, cells), Runner(case, file, cells // 2)
    return tuple(_judged(case, check, fine, coarse) for check in case.check)


def _judged(case: Case, check: Check, fine: Runner, coarse: Runner) -> Finding:
    if check.measure is None:
        return Finding(case, check, Verdict.NOT_APPLICABLE, why=check.not_applicable or "")
    meant = dimension(check.measure)
    name = shown_unit(check, meant)
    fine.account.clear()
    try:
        model = fine.number(check.measure)
    except (UntrustedError, UnreadableError) as refused:
        return Finding(case, check, Verdict.NOT_RUN, unit=name, why=str(refused), cells=fine.cells)
    verdict, ratio = _against(check, check.status or case.status, model, meant)
    return Finding(
        case,
        check,
        verdict,
        name,
        model / unit(name).factor if math.isfinite(model) else None,
        ratio,
        "",
        tuple(sorted(fine.account.engines)),
        fine.cells,
        fine.account.time_error,
        _space_error(check.measure, model, coarse),
    )


def _space_error(measure: Measure, model: float, coarse: Runner) -> float | None:
    """How much the number changes on the coarser grid, as a share; nothing where that cannot be run."""
    try:
        rough = coarse.number(measure)
    except (UntrustedError, UnreadableError):
        return None
    if not (math.isfinite(rough) and math.isfinite(model)):
        return 0.0 if rough == model else None
    return abs(rough - model) / abs(model) if model else abs(rough)


def _against(check: Check, status: Status, model: float, meant: Dimension) -> tuple[Verdict, float | None]:
    """The verdict, and the ratio of the model to the paper where there is one."""
    if isinstance(check.measure, Order):
        return _verdict(model > 1 + _TELLING, status), model if math.isfinite(model) else None
    expected = check.expected
    if expected is None:
        return Verdict.NOT_JUDGED, None
    if expected.sign is not None:
        holds = model > _TELLING if expected.sign == "positive" else model < -_TELLING
        return _verdict(holds, status), None
    low, high = limits(expected, meant)
    middle = _middle(expected, low, high, meant)
    ratio = model / middle if middle else None
    if not expected.judged:
        return Verdict.NOT_JUDGED, ratio
    slack = _ROUNDING * abs(model)
    return _verdict(low - slack <= model <= high + slack, status), ratio


def limits(expected: Expected, meant: Dimension) -> tuple[float, float]:
    """From where to where a number is inside; infinite where there is no limit."""
    if expected.value is not None:
        value = number(expected.value, meant)
        if expected.factor is not None:
            return value / expected.factor, value * expected.factor
        width = number(expected.plus_minus, meant) if expected.plus_minus is not None else 0.0
        return value - width, value + width
    least = number(expected.least, meant) if expected.least is not None else -math.inf
    most = number(expected.most, meant) if expected.most is not None else math.inf
    return least, most


def _middle(expected: Expected, low: float, high: float, meant: Dimension) -> float:
    if expected.value is not None:
        return number(expected.value, meant)
    if math.isinf(low) or math.isinf(high):
        return high if math.isinf(low) else low
    return math.sqrt(low * high) if low > 0 else (low + high) / 2


def _verdict(holds: bool, status: Status) -> Verdict:
    if status is Status.NOT_JUDGED:
        return Verdict.NOT_JUDGED
    return Verdict.INSIDE if holds else Verdict.OUTSIDE
