"""Numbers of a validation as people read them: three significant digits, grouped, in the unit of the paper."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING

from thecal.body.validation.cases import ADULT, Status
from thecal.body.validation.measures import Order

if TYPE_CHECKING:
    from thecal.body.validation.cases import Arm, Bolus, Expected, Infusion
    from thecal.body.validation.judging import Finding

DIGITS = 3
STATUS_WORDS = {
    Status.CALIBRATION: "calibration",
    Status.QUALITATIVE: "order or sign",
    Status.HELD_OUT: "held out",
    Status.EXACT: "exactness",
    Status.NOT_JUDGED: "not judged",
}
_MASS = ((1e6, "mg", 1e5), (1e3, "mcg", 1e2), (1.0, "ng", 0.0))  # in ng, and from where on it is used
_TIME = ((86400.0, "days", 172800.0), (3600.0, "h", 3600.0), (60.0, "min", 60.0), (1.0, "s", 0.0))
_NEAR_ONE = 0.01
_LEAST_TIME_ERROR = 1e-6
_LEAST_SPACE_ERROR = 1e-3


def figure(number: float, digits: int = DIGITS) -> str:
    """A number with this many significant digits, grouped, without zeros at its end: ``4,250``, ``0.564``."""
    if number == 0:
        return "0"
    if not math.isfinite(number):
        return "without end"
    places = digits - 1 - math.floor(math.log10(abs(number)))
    step = Decimal(1).scaleb(-places)
    rounded = Decimal(repr(number)).quantize(step, rounding=ROUND_HALF_EVEN)
    text = f"{rounded:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def with_unit(number: float, unit: str) -> str:
    """A figure and its unit."""
    return f"{figure(number)} {unit}".rstrip()


def model_text(finding: Finding) -> str:
    """What the model gives, or nothing."""
    if finding.model is None or isinstance(finding.check.measure, Order):
        return ""
    return with_unit(finding.model, finding.unit)


def ratio_text(finding: Finding) -> str:
    """Model over paper; more digits where it is nearly 1."""
    if finding.ratio is None:
        return ""
    return figure(finding.ratio, 6 if abs(finding.ratio - 1) < _NEAR_ONE else DIGITS)


def inside_text(finding: Finding) -> str:
    """When a check is inside, in words."""
    expected = finding.check.expected
    if isinstance(finding.check.measure, Order):
        return "ratio over 1"
    if expected is None or not expected.judged or finding.status is Status.NOT_JUDGED:
        return ""
    if expected.value is not None:
        return f"within {_tolerance(expected)}"
    return expected.sign or _band(expected)


def _tolerance(expected: Expected) -> str:
    if expected.factor is not None:
        return f"a factor of {expected.factor:g}"
    return f"± {_plain(expected.plus_minus or 0.0)}"


def _band(expected: Expected) -> str:
    """From where to where, the unit once."""
    if expected.least is None or expected.most is None:
        limit = expected.most if expected.least is None else expected.least
        return f"at {'most' if expected.least is None else 'least'} {_plain(limit or 0.0)}"
    least, most = _plain(expected.least), _plain(expected.most)
    number, _, name = least.partition(" ")
    return f"{number if most.endswith(f' {name}') else least} to {most}"


def _plain(value: str | float) -> str:
    """An expected value as the file has it."""
    return value if isinstance(value, str) else figure(value, 6)


def verdict_text(finding: Finding) -> str:
    """The verdict, with its reason where there is none."""
    return f"{finding.verdict}: {finding.why}" if finding.why else str(finding.verdict)


def time_error_text(*findings: Finding) -> str:
    """The engine's greatest error as an upper power of ten, so that it reads the same on every machine."""
    error = max(_LEAST_TIME_ERROR, *(finding.time_error for finding in findings))
    return f"under 1e{math.ceil(math.log10(error) - 1e-9):d}"


def space_error_text(*findings: Finding) -> str:
    """The greatest change on a grid of half as many cells."""
    known = [finding.space_error for finding in findings if finding.space_error is not None]
    if len(known) < len(findings):
        return "not known"
    worst = max(known)
    return "under 0.1 %" if worst < _LEAST_SPACE_ERROR else f"up to {figure(100 * worst, 1)} %"


def arm_text(arm: Arm) -> str:
    """Who is given what, in words."""
    parts = [arm.drug or "", f"person {arm.person}" if arm.person not in {None, ADULT} else ""]
    parts.append(f"tip at {arm.tip.text}" if arm.tip is not None else "")
    parts += [_bolus(bolus) for bolus in arm.bolus] + [_infusion(infusion) for infusion in arm.infusion]
    said = ", ".join(part for part in parts if part)
    return f"{arm.name}: {said}" if arm.name else said


def _bolus(bolus: Bolus) -> str:
    text = f"{_largest(bolus.dose, _MASS)} in {figure(bolus.volume)} mL"
    if bolus.over:
        text += f" over {_largest(bolus.over, _TIME)}"
    if bolus.at:
        text += f" at {_largest(bolus.at, _TIME)}"
    if bolus.every is not None:
        text += f" every {_largest(bolus.every, _TIME)}"
        text += f", {bolus.times} times" if bolus.times is not None else ""
    return text


def _infusion(infusion: Infusion) -> str:
    text = f"{_largest(infusion.rate_ng_per_s * 86400, _MASS)}/day"
    if infusion.start:
        text += f" from {_largest(infusion.start, _TIME)}"
    return text + (f" for {_largest(infusion.lasting, _TIME)}" if infusion.lasting is not None else "")


def _largest(number: float, units: tuple[tuple[float, str, float], ...]) -> str:
    """In the largest unit that people use for as much."""
    factor, name, _ = next(one for one in units if number >= one[2] * (1 - 1e-9))
    return f"{figure(number / factor, 4)} {name}"
