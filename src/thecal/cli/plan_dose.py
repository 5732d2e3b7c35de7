"""Doses that change over time: the restart after a gap, and a titration where one is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from thecal.cli.amounts import amount, percentage
from thecal.cli.parts import Grid, Part
from thecal.formulary import Change, Population
from thecal.quantities import DoseRate, Duration, percent_text
from thecal.therapy.doses import totals
from thecal.therapy.order import Indication
from thecal.therapy.program import DAY
from thecal.therapy.published import published
from thecal.therapy.refusal import Refusal, minute_text
from thecal.therapy.restart import Tolerance, restart
from thecal.therapy.titration import DatedDose, Plan, plan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from fractions import Fraction

    from thecal.cli.planning import Case
    from thecal.formulary import Drug, Titration

_RESTART = "Restart after a gap"
_POPULATION = {
    Indication.CANCER_PAIN: Population.CANCER_PAIN,
    Indication.NON_CANCER_PAIN: Population.NON_CANCER_PAIN,
    Indication.SPASTICITY_SPINAL: Population.SPASTICITY_SPINAL,
    Indication.SPASTICITY_CEREBRAL: Population.SPASTICITY_CEREBRAL,
}


def restart_part(case: Case) -> Part | None:
    """What a gap means for each drug; None where there was none or none is known, unless this part is asked for."""
    previous = case.order.previous
    if previous is None:
        return _nothing(case, "restart", _RESTART, "Nothing ran before: the order has no [previous].")
    if previous.gap is None:
        return _nothing(case, "restart", _RESTART, "How long no drug ran is not stated: [previous] has no gap.")
    if not previous.gap:
        return _nothing(case, "restart", _RESTART, "No gap: the drug ran until this order.")
    classes = {code: case.known.words(code).drug_class for code in case.order.mixture.drugs}
    state = restart(previous.gap, classes, published().tolerance)
    rows = []
    for found in state.drugs:
        rule = found.rule
        read = "" if rule is None or rule.source.verified else ", NOT READ"
        says = "no rule" if rule is None else f"{rule.after.text('h')} ({rule.source.name}{read})"
        rows.append([case.known.words(found.drug).display_name, f"tolerance: {found.state}", says])
    begin = "from zero: the physician enters a first dose with a reason, below what ran before"
    notes = ["A plan after a gap never begins with the dose that ran before."]
    if any(case.known.words(c).withdrawal.risk.physician_must_choose for c in classes):
        notes.append("Stopping carries a high or unknown risk of withdrawal for a drug of this mixture.")
    body = {
        "gap": previous.gap.as_json("h"),
        "from_empty": state.from_empty,
        "drugs": {d.drug: {"lost": d.state is Tolerance.LOST, "says": str(d.state)} for d in state.drugs},
    }
    facts = [("without drug", previous.gap.text("h")), ("begin", begin if state.from_empty else "with a reason")]
    return Part("restart", _RESTART, facts, Grid(["drug", "state", "rule"], rows), notes, body=body)


def _nothing(case: Case, key: str, title: str, why: str) -> Part | None:
    """Why a part has nothing to say, for whoever asks for that part."""
    return Part(key, title, notes=[why]) if key in case.asked.views else None


def titration(case: Case) -> Part | None:
    """Dated steps to a dose, held against every rule that is for this patient; None where nobody asked."""
    asked = case.asked
    if asked.titrate_to is None:
        if asked.step is not None or asked.every is not None:
            raise typer.BadParameter("state the dose to reach as well", param_hint="--titrate-to")
        return _nothing(case, "titration", "Titration", "No steps are asked for: state --titrate-to, --step, --every.")
    if asked.step is None or asked.every is None:
        raise typer.BadParameter("state --step and --every as well", param_hint="--titrate-to")
    drug = case.known.words(case.order.mixture.primary.drug)
    goal, every = amount("--titrate-to", asked.titrate_to, DoseRate), amount("--every", asked.every, Duration)
    step: DoseRate | Fraction = (
        percentage("--step", asked.step) if asked.step.endswith("%") else amount("--step", asked.step, DoseRate)
    )
    now = totals(case.order.program, case.order.mixture, case.order.pump)
    if isinstance(now, Refusal):
        return Part("titration", "Titration", refusals=[now])
    start = DatedDose(case.start, now[0].average / DAY)
    rules = list(_rules(drug, case))
    if not rules:
        return Part("titration", "Titration", missing=[f"a rule for raising {drug.display_name}: no source gives one"])
    made = [(rule, plan(start, goal, step, every, rule=rule, maximum=None, unit=drug.rate_unit)) for rule in rules]
    return _titration_part(made, drug, goal)


def _rules(drug: Drug, case: Case) -> Iterator[Titration]:
    population = _POPULATION[case.order.patient.indication] if case.order.patient.indication else None
    for rule in drug.titration:
        if rule.change is Change.UP and (rule.population is None or rule.population is population):
            yield rule


def _titration_part(made: list[tuple[Titration, Plan | tuple[Refusal, ...]]], drug: Drug, goal: DoseRate) -> Part:
    refusals = [r for _, found in made if not isinstance(found, Plan) for r in found]
    plans = [found for _, found in made if isinstance(found, Plan)]
    facts = [("held against", "; ".join(dict.fromkeys(_rule_text(rule) for rule, _ in made)))]
    notes = [f"No limit on the day's dose is applied here: the review judges {goal.text(drug.rate_unit)}."]
    if refusals or not plans:
        return Part("titration", "Titration", facts, notes=notes, refusals=list(dict.fromkeys(refusals)))
    steps = plans[0].steps
    rows = [
        [minute_text(s.at), s.dose.text(drug.rate_unit), "" if n == 0 else _up(steps[n - 1].dose, s.dose)]
        for n, s in enumerate(steps)
    ]
    body: dict[str, Any] = {"steps": [{"at": s.at.isoformat(), "dose": s.dose.as_json(drug.rate_unit)} for s in steps]}
    grid = Grid(["from", f"{drug.display_name}", "up by"], rows, numbers=(1, 2))
    return Part("titration", "Titration", facts, grid, notes, body=body)


def _up(before: DoseRate, after: DoseRate) -> str:
    return percent_text(after / before - 1) if before else "from nothing"


def _rule_text(rule: Titration) -> str:
    return f"{rule.source.name}{'' if rule.source.verified else ', NOT READ'} ({rule.kind})"
