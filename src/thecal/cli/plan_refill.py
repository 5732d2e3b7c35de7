"""The dates of a refill with and without boluses, what caps them, and the gap between expected and found volume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from thecal.cli.amounts import amount, number
from thecal.cli.parts import Grid, Part
from thecal.quantities import Volume, number_text, percent_text
from thecal.therapy.published import published
from thecal.therapy.refill import Dates, Due, Levels, Planned, programmed_volume, refill_dates
from thecal.therapy.refusal import Refusal, day_text
from thecal.therapy.residual import Visit, gap_report
from thecal.therapy.stability import stability_cap

if TYPE_CHECKING:
    from fractions import Fraction

    from thecal.cli.planning import Case
    from thecal.formulary import Stability
    from thecal.therapy.published import Lead
    from thecal.therapy.residual import Judged

_LEAD = "medtronic-week"


def dates(case: Case) -> Part:
    """Expected alert, worst case, planned refill, empty; the cap by stability is named."""
    order, title = case.order, "Refill dates"
    if order.fill is None:
        return Part("dates", title, missing=["the fill: without its volume there is no date. State [fill] volume."])
    expected = number("--boluses-per-day", case.asked.boluses_per_day)
    cap, lead = stability_cap(order, case.known.formulary), _lead(case)
    levels = Levels(order.program.low_level or order.pump.low_level, published().bolus_end_volume.volume)
    found = refill_dates(
        order.program,
        order.mixture,
        order.pump,
        volume=order.fill.volume,
        start=case.start,
        levels=levels,
        lead_days=lead.days,
        stability_days=None if cap is None else cap.days,
        boluses_per_day=expected,
    )
    if isinstance(found, Refusal):
        return Part("dates", title, refusals=[found])
    return _dates_part(case, found, cap, lead, levels=levels, expected=expected)


def _dates_part(
    case: Case, found: Dates, cap: Stability | None, lead: Lead, *, levels: Levels, expected: Fraction
) -> Part:
    presses = case.order.program.patient_bolus is not None
    use = f", {number_text(expected)} boluses a day" if expected else ", without boluses" if presses else ""
    rows = [(f"low level {levels.low.text('mL')}{use}", found.expected_alert)]
    if presses:
        rows.append((f"{levels.worst.text('mL')} left, every bolus taken", found.worst_alert))
    rows.append((f"empty{use}", found.empty))
    if presses:
        rows.append(("empty, every bolus taken", found.worst_empty))
    rows += [
        ("last day of the drug by stability", found.stability),
        ("PLANNED REFILL", found.planned.due if isinstance(found.planned, Planned) else found.planned),
    ]
    notes = [_planned_text(found, lead)]
    notes.append(_cap_text(cap))
    notes += [f"no date for {name}: {due.message}" for name, due in rows if isinstance(due, Refusal)]
    notes.append("A computed date is an estimate: a pump that delivers more than programmed runs dry before it.")
    body: dict[str, Any] = {
        "low_level": levels.low.as_json("mL"),
        "worst_level": levels.worst.as_json("mL"),
        "boluses_per_day": str(expected),
        "lead_days": lead.days,
        "lead": lead.code,
        "expected_alert": _due_json(found.expected_alert),
        "worst_alert": _due_json(found.worst_alert),
        "planned": _due_json(found.planned.due if isinstance(found.planned, Planned) else found.planned),
        "planned_by": str(found.planned.limit) if isinstance(found.planned, Planned) else None,
        "empty": _due_json(found.empty),
        "worst_empty": _due_json(found.worst_empty),
        "stability": _due_json(found.stability),
    }
    grid = Grid(["date", "on", "after"], [[n, *_due_cells(d)] for n, d in rows], numbers=(2,))
    volume = case.order.fill.volume.text("mL") if case.order.fill else ""
    return Part("dates", "Refill dates", [("filled", volume)], grid, notes, body=body)


def _due_cells(due: Due | Refusal) -> tuple[str, str]:
    return ("not known", "") if isinstance(due, Refusal) else (day_text(due.on), f"{due.days:,} days")


def _due_json(due: Due | Refusal) -> dict[str, Any] | None:
    return None if isinstance(due, Refusal) else {"on": due.on.isoformat(), "days": due.days}


def _planned_text(found: Dates, lead: Lead) -> str:
    if isinstance(found.planned, Refusal):
        return f"No refill can be planned: {found.planned.message}"
    lies = f"{lead.days:,} days before the worst case ({lead.source.name})"
    return f"The planned refill is set by {found.planned.limit}. Where volume sets it, it lies {lies}."


def _cap_text(cap: Stability | None) -> str:
    if cap is None:
        return "No source gives a stability time for this mixture: that is unknown, not unlimited. Ask the pharmacy."
    read = "" if cap.source.verified else ", NOT READ"
    where = cap.kept or "in a vessel that is not stated"
    return f"Stability: {cap.days:,} days {where} ({cap.source.name}{read}), the shortest time that applies."


def _lead(case: Case) -> Lead:
    from dataclasses import replace

    lead = next(entry for entry in published().leads if entry.code == _LEAD)
    days = case.asked.lead_days
    if days is None:
        return lead
    return replace(
        lead, code="as given", days=days, source=replace(lead.source, authority="as given", edition="not stated")
    )


def gap(case: Case) -> Part | None:
    """What was found at the refill against what was to be expected; None where nothing was said of it."""
    asked, order = case.asked, case.order
    found = order.fill.residual if order.fill is not None else None
    if asked.aspirated is not None:
        found = amount("--aspirated", asked.aspirated, Volume)
    if asked.filled is None and asked.aspirated is None and "gap" not in asked.views:
        return None
    programmed = _programmed(case)
    if isinstance(programmed, Refusal):
        return Part("gap", "Residual and gap", refusals=[programmed])
    filled = None if asked.filled is None else amount("--filled", asked.filled, Volume)
    visit = Visit(order.pump.reservoir, filled, programmed, found)
    rules = published()
    report = gap_report(visit, rules.gap_rules, rules.early_depletion.ratio)
    rows = [[j.rule.source.name, _bound_text(j), str(j.outcome), _observed_text(j)] for j in report.judged]
    facts = [
        ("expected residual", _ml(visit.expected)),
        ("found", _ml(visit.aspirated)),
        ("difference", _difference_text(visit)),
        ("verdict", str(report.verdict)),
    ]
    missing = (
        [] if visit.expected is not None else ["what the last fill left and when: --filled, --filled-at, --boluses"]
    )
    notes = ["To consider, most likely first: " + "; ".join(report.causes) + "."]
    body = {
        "expected": visit.expected.as_json("mL") if visit.expected else None,
        "found": visit.aspirated.as_json("mL") if visit.aspirated else None,
        "difference": visit.difference.as_json("mL") if visit.difference is not None else None,
        "verdict": str(report.verdict),
        "fired": [r.code for r in report.fired],
        "causes": [str(c) for c in report.causes],
    }
    grid = Grid(["rule", "fires above", "outcome", "seen"], rows)
    return Part("gap", "Residual and gap", facts, grid, notes, missing, body=body)


def _programmed(case: Case) -> Volume | Refusal | None:
    """What ran since the last fill: the program before where there is one, else the one ordered."""
    from thecal.cli.planning import moment

    asked, order = case.asked, case.order
    if asked.filled_at is None:
        if asked.filled is not None:
            raise typer.BadParameter("state when it was filled as well", param_hint="--filled-at")
        return None
    ran = order.previous or order
    start = moment("--filled-at", asked.filled_at)
    return programmed_volume(ran.program, ran.mixture, order.pump, start=start, end=case.start, boluses=asked.boluses)


def _difference_text(visit: Visit) -> str:
    if visit.difference is None:
        return "not known"
    if not visit.difference:
        return "none"
    share = f" ({percent_text(abs(visit.share))} of what was expected)" if visit.share else ""
    way = "less" if visit.difference.value > 0 else "more"
    return f"{abs(visit.difference).text('mL')} {way} found than expected{share}"


def _ml(volume: Volume | None) -> str:
    return "not known" if volume is None else volume.text("mL")


def _bound_text(judged: Judged) -> str:
    bound = judged.rule.more_than
    size = bound.text("mL") if isinstance(bound, Volume) else percent_text(bound)
    return f"{size}, {judged.rule.measure}"


def _observed_text(judged: Judged) -> str:
    seen = judged.observed
    if seen is None:
        return judged.why
    if isinstance(seen, Volume):
        return f"{abs(seen).text('mL')} {'less' if seen.value > 0 else 'more'} than expected"
    return percent_text(seen)
