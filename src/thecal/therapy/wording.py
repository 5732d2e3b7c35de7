"""The words for amounts, days and the parts of a program: the phrases that a sentence is made of.

A mixture and the way its drugs are shown come in; phrases go out, each amount in the one unit of its drug. Nothing
here decides what is said in which order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from thecal.quantities import DoseRate, Duration, Flow, Mass, duration_text
from thecal.therapy.pattern import Pattern, pattern_of
from thecal.therapy.program import (
    DAY,
    DAY_S,
    EVERY_DAY,
    Continuous,
    DayPlan,
    DaySchedule,
    MinimumRate,
    RepeatedDoses,
    Stopped,
)

if TYPE_CHECKING:
    from thecal.therapy.mixture import Mixture
    from thecal.therapy.program import BridgeBolus, Program

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class DrugWords(Protocol):
    """How a drug is shown: its name, and the one unit of mass that its doses are shown in. A formulary drug is one."""

    @property
    def display_name(self) -> str:
        """The name for the eye."""

    @property
    def dose_unit(self) -> str:
        """The unit of mass, such as mcg."""


Words = Callable[[str], DrugWords]
"""From a drug code to how the drug is shown."""


@dataclass(frozen=True, slots=True)
class DayTotal:
    """What the days ``weekdays`` (Monday = 0) give of one drug in 24 h, each by its source.

    ``base`` is the program's own delivery and None where it depends on a pump that is not known; ``patient`` every
    allowed patient bolus; ``single`` the one-time boluses, which come on one day only.
    """

    weekdays: frozenset[int]
    drug: str
    unit: str
    base: Mass | None
    patient: Mass
    single: Mass

    @property
    def with_patient_boluses(self) -> Mass | None:
        """Base and every allowed patient bolus."""
        return None if self.base is None else self.base + self.patient

    @property
    def with_every_bolus(self) -> Mass | None:
        """Base, every allowed patient bolus and the one-time boluses."""
        return None if self.base is None else self.base + self.patient + self.single

    def as_json(self) -> dict[str, Any]:
        """For ``--json``: amounts exact, null where the base is not known."""
        amounts = {
            "base": self.base,
            "patient_boluses": self.patient,
            "single_boluses": self.single,
            "with_patient_boluses": self.with_patient_boluses,
            "with_every_bolus": self.with_every_bolus,
        }
        shown = {name: None if a is None else a.as_json(self.unit) for name, a in amounts.items()}
        return {"weekdays": [WEEKDAYS[d] for d in sorted(self.weekdays)], "drug": self.drug, **shown}


def clock_text(seconds: int) -> str:
    """A time of day as written: 06:00, 24:00, or 06:00:30 where it has seconds."""
    minutes, rest = divmod(seconds, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}" + (f":{rest:02}" if rest else "")


def weekdays_text(weekdays: Iterable[int]) -> str:
    """Weekdays in words: "every day", "Monday to Friday", "Saturday and Sunday"."""
    days = sorted(weekdays)
    if len(days) == 7:
        return "every day"
    if len(days) > 2 and days[-1] - days[0] == len(days) - 1:
        return f"{WEEKDAYS[days[0]]} to {WEEKDAYS[days[-1]]}"
    return _listed([WEEKDAYS[d] for d in days])


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _begun(text: str) -> str:
    return text[0].upper() + text[1:]


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def day_groups(program: Program) -> tuple[frozenset[int], ...]:
    """Weekdays that are planned alike, the one with the earliest day first."""
    if not isinstance(program.base, DaySchedule):
        return (EVERY_DAY,)
    return tuple(sorted((p.weekdays for p in program.base.plans), key=min))


@dataclass(frozen=True, slots=True)
class Speaker:
    """Says what a program with one mixture does; ``minimum_rate`` is the pump's own, where it is known."""

    mixture: Mixture
    words: Words
    minimum_rate: Flow | None

    # Amounts ----------------------------------------------------------------------------------------------------

    @property
    def primary(self) -> DrugWords:
        """How the primary ingredient is shown."""
        return self.words(self.mixture.primary.drug)

    def mass(self, drug: str, mass: Mass) -> str:
        """An amount of one drug with its name."""
        shown = self.words(drug)
        return f"{mass.text(shown.dose_unit)} {shown.display_name}"

    def each(self, primary: Mass) -> str:
        """A dose of the primary ingredient with what comes along of the others."""
        return _listed([self.mass(d, self.mixture.follow(d, primary)) for d in self.mixture.drugs])

    def rate(self, dose: DoseRate, per: str = "h") -> str:
        """A dose rate of the primary ingredient, without its name."""
        return dose.text(f"{self.primary.dose_unit}/{per}") if dose else "no delivery"

    def named_rate(self, dose: DoseRate) -> str:
        """A dose rate of the primary ingredient with its name."""
        return f"{self.rate(dose)} {self.primary.display_name}" if dose else self.rate(dose)

    # The base ---------------------------------------------------------------------------------------------------

    def base(self, program: Program) -> list[str]:
        """What the program gives by itself."""
        match program.base:
            case Stopped():
                return ["The pump is stopped: no delivery, and boluses are refused."]
            case MinimumRate():
                return [self.minimum()]
            case Continuous(dose=dose):
                return [f"All day: {self.named_rate(dose)}{self.a_day(dose)}, the same every day."]
            case RepeatedDoses() as repeated:
                return self.repeated(repeated)
            case schedule:
                plans = sorted(schedule.plans, key=lambda p: min(p.weekdays))
                return [line for plan in plans for line in self.plan(plan)]

    def a_day(self, dose: DoseRate) -> str:
        """The same rate per day, in brackets."""
        return f" ({self.rate(dose, 'day')})" if dose else ""

    def minimum(self) -> str:
        """The slowest flow, with its dose where the pump is known."""
        if self.minimum_rate is None:
            return "The slowest flow of the pump, all day: the dose depends on the pump and is not known here."
        dose = self.minimum_rate * self.mixture.primary.concentration
        flow = self.minimum_rate.text("mL/day")
        return f"The slowest flow of the pump, all day: {flow}, {self.named_rate(dose)}{self.a_day(dose)}."

    def repeated(self, base: RepeatedDoses) -> list[str]:
        """Repeated doses: each dose, how often a day, and their total."""
        count = base.times_per_day
        how_often = f"{_times(count)} a day, every {duration_text(base.every)}, the first at 00:00"
        between = f"Between doses: {self.named_rate(base.background)}."
        if base.background:
            between = f"All day, beneath the doses: {self.named_rate(base.background)}{self.a_day(base.background)}."
        return [
            f"{_begun(self.each(base.dose))} over {duration_text(base.duration)}, {how_often}.",
            f"These doses together in 24 h: {self.each(base.dose * count)}.",
            between,
        ]

    def plan(self, plan: DayPlan) -> list[str]:
        """The steps of one day plan."""
        runs = _runs(plan)
        said = [f"{clock_text(start)} to {clock_text(end)}: {self.rate(dose)}" for start, end, dose in runs]
        head = f"{_begun(weekdays_text(plan.weekdays))}, in {self.primary.display_name}: "
        return [head + "; ".join(said) + ".", *self.peaks(plan, runs)]

    def peaks(self, plan: DayPlan, runs: list[tuple[int, int, DoseRate]]) -> list[str]:
        """How often a day each raised rate comes, where one comes more than once (E4)."""
        lowest = min(dose for _, _, dose in runs)
        round_midnight = len(runs) > 1 and plan.weekdays == EVERY_DAY and runs[0][2] == runs[-1][2]
        counts = Counter(dose for _, _, dose in (runs[1:] if round_midnight else runs) if dose > lowest)
        return [
            f"{_begun(weekdays_text(plan.weekdays))}, {self.named_rate(dose)} comes {_times(count)} a day."
            for dose, count in counts.items()
            if count > 1
        ]

    # Totals -----------------------------------------------------------------------------------------------------

    def totals(self, program: Program, weekdays: frozenset[int], drug: str) -> DayTotal:
        """What one group of weekdays gives of one drug."""
        base = self.day_mass(program, min(weekdays))
        bolus = program.patient_bolus
        stopped = isinstance(program.base, Stopped)
        patient = Mass.zero() if bolus is None or stopped else bolus.most_in_24h
        single = sum((b.dose for b in program.single_boluses), start=Mass.zero())
        return DayTotal(
            weekdays,
            drug,
            self.words(drug).dose_unit,
            None if base is None else self.mixture.follow(drug, base),
            self.mixture.follow(drug, patient),
            self.mixture.follow(drug, Mass.zero() if stopped else single),
        )

    def day_mass(self, program: Program, weekday: int) -> Mass | None:
        """The base of the primary ingredient on one weekday; None where the pump would have to be known."""
        pattern = pattern_of(program.base, self.mixture, self.minimum_rate)
        if not isinstance(pattern, Pattern):
            return None
        return pattern.between(weekday * DAY_S, (weekday + 1) * DAY_S)

    def day_total(self, program: Program, totals: tuple[DayTotal, ...], weekdays: frozenset[int]) -> list[str]:
        """The total of every ingredient and the volume, of one group of days."""
        bases = [(t.drug, t.base) for t in totals if t.weekdays == weekdays]
        known = [(drug, base) for drug, base in bases if base is not None]
        if not known:
            return ["Day total: not known without the pump."]
        said = _listed([self.mass(drug, base) for drug, base in known])
        volume = self.mixture.volume_of(known[0][1]).text("mL")
        days = "" if weekdays == EVERY_DAY else f", {weekdays_text(weekdays)}"
        boluses = "" if program.patient_bolus is None and not program.single_boluses else " without boluses"
        return [f"Day total{boluses}{days}: {said}, in {volume}."]

    # Boluses ----------------------------------------------------------------------------------------------------

    def patient_bolus(self, program: Program, totals: tuple[DayTotal, ...]) -> list[str]:
        """The patient bolus with its limits, and the totals with every one of them."""
        bolus = program.patient_bolus
        if bolus is None:
            return []
        lines = [
            f"The patient may press for {self.each(bolus.dose)} over {duration_text(bolus.duration)}, "
            f"at most {_times(bolus.most_per_24h)} in 24 h, "
            f"not again within {duration_text(bolus.lockout)} from the start of the last one.",
        ]
        if bolus.starts_in(DAY) < bolus.most_per_24h:
            lines.append(f"The lockout itself lets at most {bolus.starts_in(DAY):,} start in 24 h.")
        if isinstance(program.base, Stopped):
            return [*lines, "While the pump is stopped, every press is refused."]
        return [*lines, *self.with_boluses(totals)]

    def with_boluses(self, totals: tuple[DayTotal, ...]) -> list[str]:
        """The total of every ingredient with every patient bolus, by group of days."""
        lines = []
        for weekdays in dict.fromkeys(t.weekdays for t in totals):
            of_day = [(t.drug, t.with_patient_boluses) for t in totals if t.weekdays == weekdays]
            said = [self.mass(drug, mass) for drug, mass in of_day if mass is not None]
            days = "" if weekdays == EVERY_DAY else f", {weekdays_text(weekdays)}"
            lines += [f"Day total with every patient bolus{days}: {_listed(said)}."] if said else []
        return lines

    def once(self, program: Program, old: Mixture | None) -> list[str]:
        """What happens one time only, in the order in which it happens."""
        lines = []
        if program.priming is not None:
            lines.append(f"Once, at the start: {program.priming.volume.text('mL')} to prime tubing and catheter.")
        if program.bridge is not None:
            lines += self.bridge(program.bridge, old)
        for bolus in program.single_boluses:
            refused = ", which a stopped pump refuses" if isinstance(program.base, Stopped) else ""
            lines.append(f"Once: {self.each(bolus.dose)} over {duration_text(bolus.duration)}{refused}.")
        return lines

    def bridge(self, bridge: BridgeBolus, old: Mixture | None) -> list[str]:
        """The bridge, and what a patient bolus is while it runs."""
        volume = bridge.volume.text("mL")
        speaker = None if old is None else Speaker(old, self.words, None)
        shown = speaker.primary if speaker else self.primary
        name = shown.display_name if speaker else "the old primary drug"
        dose = f"{bridge.dose.text(f'{shown.dose_unit}/h')} {name} ({bridge.dose.text(f'{shown.dose_unit}/day')})"
        lasts = f", for {_about(old, bridge)}" if old is not None and bridge.dose else ""
        lines = [f"First a bridge: {volume} of the old mixture at {dose}{lasts}."]
        if bridge.bolus_in_old_drug is None:
            lines.append("During the bridge patient boluses are blocked.")
        else:
            given = speaker.each(bridge.bolus_in_old_drug) if speaker else ""
            given = given or f"{bridge.bolus_in_old_drug.text(shown.dose_unit)} {name}"
            lines.append(f"During the bridge a patient bolus is {given}.")
        return lines

    def ceilings(self, program: Program) -> list[str]:
        """The ceilings of every ingredient; one that is not stated is named."""
        lines = []
        for drug in self.mixture.drugs:
            ceiling = program.ceiling(drug)
            if ceiling is None:
                lines.append(f"No ceiling is stated for {self.words(drug).display_name}.")
                continue
            hour, day = self.mass(drug, ceiling.per_1h), self.mass(drug, ceiling.per_24h)
            lines.append(f"The pump gives at most {hour} in any 1 h and {day} in any 24 h, from all sources together.")
        return lines


def _about(old: Mixture, bridge: BridgeBolus) -> str:
    lasts = bridge.volume / old.flow_of(bridge.dose)
    return duration_text(Duration.of(lasts.number("min").__round__(), "min"))


def _runs(plan: DayPlan) -> list[tuple[int, int, DoseRate]]:
    """The steps of a day as start, end and dose, equal neighbors joined."""
    runs: list[tuple[int, int, DoseRate]] = []
    ends = [s.start_s for s in plan.steps[1:]] + [DAY_S]
    for step, end in zip(plan.steps, ends, strict=True):
        if runs and runs[-1][2] == step.dose:
            runs[-1] = (runs[-1][0], end, step.dose)
        else:
            runs.append((step.start_s, end, step.dose))
    return runs
