"""Boluses in whole strokes, rounded down, over whole seconds, rounded up.

A dose, its mixture and the program so far come in; strokes go out with what was asked beside them, or a refusal.
Base and bolus together never pass the highest flow of the pump.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thecal.pump.core.codes import DAY_S, HOUR_S
from thecal.pump.core.program import MAX_STARTS
from thecal.pump.refused import Refused, Why
from thecal.pump.schedule import cannot
from thecal.pump.setting import Setting, flow_of, volume_of
from thecal.quantities import Duration, Volume
from thecal.therapy.envelope import Can

if TYPE_CHECKING:
    from thecal.pump.core.program import Program
    from thecal.quantities import Mass
    from thecal.therapy.envelope import Envelope
    from thecal.therapy.mixture import Mixture
    from thecal.therapy.program import PatientBolus, SingleBolus

MOST_STROKES = 100_000  # of the core, in one bolus


@dataclass(frozen=True, slots=True)
class Strokes:
    """A bolus that is a command of its own: how many strokes, over how many seconds, and what was asked for.

    ``seconds`` is 0 for a prime, which runs at the priming rate of the pump.
    """

    strokes: int
    seconds: int
    settings: tuple[Setting, ...]


def bolus_strokes(dose: Mass, mixture: Mixture, stroke_nl: int, what: str) -> int | Refused:
    """The whole strokes in a dose of the primary ingredient."""
    volume = mixture.volume_of(dose)
    strokes = (volume / Volume.of(stroke_nl, "nL")).__floor__()
    if strokes < 1:
        return Refused(
            Why.BOLUS_UNDER_STROKE,
            f"{what} of {volume.text('mL')}",
            f"at least one stroke, {Volume.of(stroke_nl, 'nL').text('mL')}",
            "order a larger bolus, or a lower concentration",
        )
    if strokes > MOST_STROKES:
        most = volume_of(MOST_STROKES, stroke_nl)
        return Refused(
            Why.BOLUS_TOO_BIG, f"{what} of {volume.text('mL')}", f"at most {most.text('mL')}", "order a smaller bolus"
        )
    return strokes


def bolus_rate(strokes: int, stroke_nl: int, seconds: int) -> int:
    """The rate of a bolus in pL/h, rounded up."""
    return -(-strokes * stroke_nl * 1000 * HOUR_S // seconds)


def check_patient_bolus(
    bolus: PatientBolus, mixture: Mixture, pump: Envelope, program: Program
) -> tuple[Setting, ...] | Refused:
    """Put the patient's bolus into ``program``, which holds its base and bridge; the answer is what was asked for."""
    strokes = bolus_strokes(bolus.dose, mixture, program.stroke_nl, "a patient bolus")
    if isinstance(strokes, Refused):
        return strokes
    seconds, lockout_s = bolus.duration.ceil("s"), bolus.lockout.ceil("s")
    refused = _timing(bolus, lockout_s) or _together(max(strokes, program.bridge_bolus_strokes), seconds, pump, program)
    if refused is not None:
        return refused
    program.bolus_strokes, program.bolus_s = strokes, seconds
    program.lockout_s, program.bolus_most = lockout_s, bolus.most_per_24h
    volume = volume_of(strokes, program.stroke_nl)
    doses = tuple(
        Setting(f"{i.drug}, patient bolus", mixture.follow(i.drug, bolus.dose), volume * i.concentration)
        for i in mixture.ingredients
    )
    return (
        *doses,
        Setting("duration of a patient bolus", bolus.duration, Duration.of(seconds, "s")),
        Setting("lockout", bolus.lockout, Duration.of(lockout_s, "s")),
    )


def _timing(bolus: PatientBolus, lockout_s: int) -> Refused | None:
    if lockout_s > DAY_S:
        return Refused(
            Why.LOCKOUT_TOO_LONG,
            f"a lockout of {bolus.lockout.text('h')}",
            "at most 24 h",
            "order a shorter lockout and one bolus in 24 h",
        )
    if bolus.most_per_24h > MAX_STARTS:
        return Refused(
            Why.TOO_MANY_BOLUSES,
            f"{bolus.most_per_24h:,} boluses in 24 h",
            f"at most {MAX_STARTS}",
            "order fewer and larger boluses, or a higher base",
        )
    return None


def _together(strokes: int, seconds: int, pump: Envelope, program: Program) -> Refused | None:
    """Base and bolus, or bridge and bolus, within the highest flow."""
    base = max(*program.rate_pl_per_h[: program.n_steps], program.bridge_rate_pl_per_h)
    flow = base + bolus_rate(strokes, program.stroke_nl, seconds)
    if flow <= program.max_rate_pl_per_h:
        return None
    return Refused(
        Why.BOLUS_FLOW,
        f"base and bolus together at {flow_of(flow).text('mL/day')}",
        f"at most {pump.flow_max.text('mL/day')}",
        "let the bolus last longer",
    )


def single_strokes(bolus: SingleBolus, mixture: Mixture, pump: Envelope, program: Program) -> Strokes | Refused:
    """A clinician's bolus on top of ``program``."""
    if Can.SINGLE_BOLUS not in pump.can:
        return cannot(pump, Can.SINGLE_BOLUS)
    strokes = bolus_strokes(bolus.dose, mixture, program.stroke_nl, "a single bolus")
    if isinstance(strokes, Refused):
        return strokes
    seconds = bolus.duration.ceil("s")
    if not 0 < seconds <= DAY_S:
        return Refused(
            Why.BOLUS_TOO_BIG,
            f"a single bolus over {bolus.duration.text('h')}",
            "more than 0 h, at most 24 h",
            "order it over a shorter time, or as a base",
        )
    refused = _together(strokes, seconds, pump, program)
    if refused is not None:
        return refused
    volume = volume_of(strokes, program.stroke_nl)
    doses = tuple(
        Setting(f"{i.drug}, single bolus", mixture.follow(i.drug, bolus.dose), volume * i.concentration)
        for i in mixture.ingredients
    )
    lasts = Setting("duration of a single bolus", bolus.duration, Duration.of(seconds, "s"))
    return Strokes(strokes, seconds, (*doses, lasts))


def prime_strokes(volume: Volume, pump: Envelope) -> Strokes | Refused:
    """A priming volume in whole strokes."""
    if Can.PRIME not in pump.can or pump.stroke is None:
        return cannot(pump, Can.PRIME)
    strokes = (volume / pump.stroke).__floor__()
    if strokes < 1:
        return Refused(
            Why.PRIME_UNDER_STROKE,
            f"a priming volume of {volume.text('mL')}",
            f"at least one stroke, {pump.stroke.text('mL')}",
            "state the volume of tubing and catheter",
        )
    return Strokes(strokes, 0, (Setting("priming volume", volume, pump.stroke * strokes),))
