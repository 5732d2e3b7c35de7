"""Whether the pump can run it: abilities, flows, steps and strokes. What it cannot do is refused before it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.formulary import Source
from thecal.quantities import DoseRate, Duration, Flow, Volume
from thecal.therapy.doses import check_dose
from thecal.therapy.envelope import Can
from thecal.therapy.pattern import pattern_of
from thecal.therapy.program import Continuous, DaySchedule, MinimumRate, RepeatedDoses, Stopped
from thecal.therapy.refusal import Code as Why
from thecal.therapy.refusal import Refusal
from thecal.therapy.review.finding import Code, amount, apart, counted, said
from thecal.therapy.review.policy import find

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from thecal.quantities import Mass
    from thecal.therapy.program import Base
    from thecal.therapy.review.facts import Case
    from thecal.therapy.review.finding import Finding

_FLOW_CODES: Mapping[Why, tuple[Code, str]] = {
    Why.BELOW_FLOOR: (Code.FLOW_BELOW_FLOOR, "flow_min"),
    Why.ABOVE_CEILING: (Code.FLOW_ABOVE_MAXIMUM, "flow_max"),
    Why.FIXED_FLOW: (Code.FIXED_FLOW, "fixed_flow"),
}


def of_pump(case: Case, field: str) -> Source:
    """A pump's own constant as a source."""
    pump = case.order.pump
    return Source(pump.name, "not stated", f"{field} of {pump.family}", field not in pump.unverified)


def check(case: Case) -> Iterator[Finding]:
    """Everything that the pump could not run as ordered, and what of the pump is not known."""
    yield from _abilities(case)
    yield from _base(case)
    yield from _steps(case)
    yield from _boluses(case)
    yield from _unverified(case)


def needs(base: Base, *, fixed: bool) -> tuple[Can, ...]:
    """The abilities that a base takes; a constant-flow pump runs its one rate without any."""
    match base:
        case Stopped():
            return (Can.STOP,)
        case MinimumRate():
            return (Can.MINIMUM_RATE,)
        case Continuous():
            return () if fixed else (Can.SET_RATE,)
        case DaySchedule(plans=plans) if len(plans) > 1:
            return (Can.DAY_SCHEDULE, Can.WEEKDAYS)
        case DaySchedule():
            return (Can.DAY_SCHEDULE,)
        case _:
            return (Can.REPEATED_DOSES,)


def _abilities(case: Case) -> Iterator[Finding]:
    program, pump = case.program, case.order.pump
    wanted = list(needs(program.base, fixed=pump.fixed_flow is not None))
    wanted += [Can.PATIENT_BOLUS] if program.patient_bolus else []
    wanted += [Can.SINGLE_BOLUS] if program.single_boluses else []
    wanted += [Can.PRIME] if program.priming else []
    wanted += [Can.BRIDGE] if program.bridge else []
    for ability in wanted:
        if ability not in pump.can:
            yield find(
                Code.PUMP_CANNOT,
                f"{ability} on {pump.name}",
                said(f"an order that takes {ability}"),
                said(", ".join(sorted(pump.can)) or "nothing that can be programmed"),
                "order what the pump can do, or another pump",
                source=of_pump(case, "can"),
            )
    if isinstance(program.base, MinimumRate) and pump.minimum_rate is None:
        yield find(
            Code.MINIMUM_RATE_UNKNOWN,
            f"minimum rate of {pump.name}",
            said("none stated"),
            said("a pump family with a minimum rate"),
            "order a continuous dose or stop the pump",
            source=of_pump(case, "minimum_rate"),
        )


def _rates(case: Case) -> tuple[DoseRate, ...]:
    """The dose rates of the base, each once; none for a base that is not a dose, or is the family's own rate."""
    base = case.program.base
    if isinstance(base, Stopped | MinimumRate):
        return ()
    pattern = pattern_of(base, case.order.mixture, None)
    return () if isinstance(pattern, Refusal) else tuple(dict.fromkeys(p.dose for p in pattern.pieces))


def _base(case: Case) -> Iterator[Finding]:
    mixture, pump = case.order.mixture, case.order.pump
    unit = case.dose_unit
    for dose in _rates(case):
        if not dose and Can.ZERO_RATE not in pump.can:
            yield find(
                Code.ZERO_BASE,
                f"base of zero on {pump.name}",
                amount(dose, f"{unit}/day"),
                said(f"{pump.flow_min.text('mL/day')} or more"),
                "order a base within the pump's range",
                drug=mixture.primary.drug,
                source=of_pump(case, "can"),
            )
        yield from _within_flow(case, dose, "base")


def _within_flow(case: Case, dose: DoseRate, what: str) -> Iterator[Finding]:
    mixture, unit = case.order.mixture, case.dose_unit
    refused = check_dose(dose, case.order.pump, mixture.primary.concentration, unit)
    if isinstance(refused, Refusal):
        code, field = _FLOW_CODES[refused.code]
        flow = mixture.flow_of(dose).text("mL/day")
        yield find(
            code,
            f"{case.name(mixture.primary.drug)} {what}",
            amount(dose, f"{unit}/day", after=f", a flow of {flow}"),
            said(refused.allowed),
            refused.then,
            drug=mixture.primary.drug,
            source=of_pump(case, field),
        )


def _steps(case: Case) -> Iterator[Finding]:
    base, pump = case.program.base, case.order.pump
    if not isinstance(base, DaySchedule):
        return
    most = max(len(plan.steps) for plan in base.plans)
    if most > pump.steps_per_day:
        yield find(
            Code.TOO_MANY_STEPS,
            f"steps in one day on {pump.name}",
            counted(most, "steps"),
            counted(pump.steps_per_day, "steps"),
            "join steps, or use repeated doses",
            source=of_pump(case, "steps_per_day"),
        )


def _named_boluses(case: Case) -> Iterator[tuple[str, Mass, Duration]]:
    program = case.program
    if program.patient_bolus is not None:
        yield "patient bolus", program.patient_bolus.dose, program.patient_bolus.duration
    for bolus in program.single_boluses:
        yield "single bolus", bolus.dose, bolus.duration
    if isinstance(program.base, RepeatedDoses):
        yield "repeated dose", program.base.dose, program.base.duration


def _boluses(case: Case) -> Iterator[Finding]:
    stroke = case.order.pump.stroke
    some = False
    for name, dose, duration in _named_boluses(case):
        some = True
        if dose.value <= 0 or duration.value <= 0:
            yield _empty(case, name, dose, duration)
        else:
            yield from _bolus_flow(case, name, dose, duration)
            yield from _in_strokes(case, name, dose, stroke)
    if some and isinstance(case.program.base, Stopped):
        yield find(
            Code.BOLUS_WHILE_STOPPED,
            "boluses with a stopped pump",
            said("a base of stopped, with boluses"),
            said("a base of zero where only boluses shall be given"),
            "order a continuous dose of zero, or leave the boluses out",
        )
    if some and stroke is None and case.order.pump.fixed_flow is None:
        yield find(
            Code.STROKE_UNKNOWN,
            f"stroke of {case.order.pump.name}",
            said("no source gives it"),
            said("a volume, from a source or a calibration"),
            "calibrate the pump: what it makes of a bolus cannot be said",
            source=of_pump(case, "stroke"),
        )


def _empty(case: Case, name: str, dose: Mass, duration: Duration) -> Finding:
    return find(
        Code.BOLUS_EMPTY,
        f"{name} of nothing, or in no time",
        amount(dose, case.dose_unit, after=f" over {duration.text('min')}"),
        said("more than nothing, over more than 0 min"),
        "state dose and duration, or leave the bolus out",
        drug=case.order.mixture.primary.drug,
    )


def _bolus_flow(case: Case, name: str, dose: Mass, duration: Duration) -> Iterator[Finding]:
    """A bolus adds to the base; a repeated dose is part of the base and was looked at there."""
    mixture, pump = case.order.mixture, case.order.pump
    base = mixture.flow_of(max(_rates(case), default=DoseRate.zero()))
    flow = base + mixture.volume_of(dose) / duration
    if name == "repeated dose" or flow <= pump.flow_max:
        return
    room = pump.flow_max - base
    shortest = (mixture.volume_of(dose) / room).text("min") if room > Flow.zero() else None
    digits = apart(flow, pump.flow_max, "mL/day")
    yield find(
        Code.BOLUS_FLOW_ABOVE_MAXIMUM,
        f"{name} of {dose.text(case.dose_unit)} over {duration.text('min')} with the highest base",
        amount(flow, "mL/day", digits=digits),
        amount(pump.flow_max, "mL/day", "at most ", digits=digits),
        f"give it over {shortest} or more" if shortest else "lower the base",
        drug=mixture.primary.drug,
        source=of_pump(case, "flow_max"),
    )


def _in_strokes(case: Case, name: str, dose: Mass, stroke: Volume | None) -> Iterator[Finding]:
    """What whole strokes make of a bolus, rounded down: asked for and achievable side by side."""
    if stroke is None or stroke.value <= 0:
        return
    mixture, unit = case.order.mixture, case.dose_unit
    volume = mixture.volume_of(dose)
    count = (volume / stroke).__floor__()
    one = stroke * mixture.primary.concentration
    source, drug = of_pump(case, "stroke"), mixture.primary.drug
    if count == 0:
        yield find(
            Code.BOLUS_UNDER_STROKE,
            f"{name} smaller than one stroke",
            amount(dose, unit, after=f", {volume.text('nL')}"),
            amount(one, unit, "at least ", f", {stroke.text('nL')}"),
            "order one stroke or more, or compound a weaker mixture",
            drug=drug,
            source=source,
        )
    elif stroke * count != volume:
        achieved = one * count
        digits = apart(dose, achieved, unit)
        yield find(
            Code.DOSE_QUANTIZED,
            f"{name} in whole strokes",
            amount(dose, unit, "asked for ", digits=digits),
            amount(achieved, unit, "achievable ", " in 1 stroke" if count == 1 else f" in {count:,} strokes", digits),
            "order the achievable dose, or say that the difference does not matter",
            drug=drug,
            source=source,
        )


def _unverified(case: Case) -> Iterator[Finding]:
    pump = case.order.pump
    if pump.unverified:
        yield find(
            Code.PUMP_UNVERIFIED,
            f"constants of {pump.name}",
            said("not read in a source: " + ", ".join(sorted(pump.unverified))),
            said("constants from the manual, or from a calibration"),
            "check them against the pump's manual",
            source=Source(pump.name, "not stated", f"constants of {pump.family}", verified=False),
        )
