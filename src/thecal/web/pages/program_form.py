"""The program's form: what was posted as the fields of ``clinic.programming``, with rows added and taken away by
buttons.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import zip_longest
from typing import Annotated

from pydantic import BaseModel, Field

from thecal.clinic.programming.entries import (
    BOLUS,
    FAULTS,
    MOST_ROWS,
    REPEATED,
    CeilingRow,
    Fields,
    ReasonRow,
    StepRow,
)

Words = Annotated[str, Field(max_length=2000)]
Rows = Annotated[list[Words], Field(max_length=400)]


class ProgramForm(BaseModel):
    """Every entry as it was typed; rows of tables come as lists of the same length."""

    press: Words = ""
    seen: Words = ""
    base: Words = ""
    days: Words = ""
    plan: Rows = []
    continuous: Words = ""
    step_day: Rows = []
    step_from: Rows = []
    step_to: Rows = []
    step_dose: Rows = []
    repeated_dose: Words = ""
    repeated_duration: Words = ""
    repeated_every: Words = ""
    repeated_background: Words = ""
    bolus_dose: Words = ""
    bolus_duration: Words = ""
    bolus_lockout: Words = ""
    bolus_most_per_24h: Words = ""
    ceiling_drug: Rows = []
    ceiling_1h: Rows = []
    ceiling_24h: Rows = []
    safe_reservoir: Words = ""
    safe_motor: Words = ""
    safe_power: Words = ""
    safe_clock: Words = ""
    safe_fallback_dose: Words = ""
    safe_reason: Words = ""
    low_level: Words = ""
    reason_key: Rows = []
    reason_found: Rows = []
    reason_choice: Rows = []
    reason_words: Rows = []

    def revision(self) -> int:
        """The revision of the session that the person looked at; 0 for anything that is none."""
        return int(self.seen) if self.seen.isascii() and self.seen.isdigit() and len(self.seen) < 10 else 0


def fields_in(form: ProgramForm, drugs: list[str]) -> Fields:
    """What was posted; ceilings are of the drugs of this mixture alone, blank rows of steps are left out."""
    ceilings = {
        drug: (one, day)
        for drug, one, day in zip_longest(form.ceiling_drug, form.ceiling_1h, form.ceiling_24h, fillvalue="")
    }
    return Fields(
        base=form.base,
        days=form.days,
        plan=tuple(form.plan[:7]),
        continuous=form.continuous,
        steps=_steps(form),
        repeated={name: str(getattr(form, f"repeated_{name}")) for name in REPEATED},
        bolus={name: str(getattr(form, f"bolus_{name}")) for name in BOLUS},
        ceilings=tuple(CeilingRow(drug, *ceilings.get(drug, ("", ""))) for drug in drugs),
        fail_safe={
            name: str(getattr(form, f"safe_{name}")) for name in (*(f.value for f in FAULTS), "fallback_dose", "reason")
        },
        low_level=form.low_level,
        reasons=tuple(
            ReasonRow(*row)
            for row in zip_longest(
                form.reason_key, form.reason_found, form.reason_choice, form.reason_words, fillvalue=""
            )
        ),
    )


def _steps(form: ProgramForm) -> tuple[tuple[StepRow, ...], ...]:
    tables: list[list[StepRow]] = [[] for _ in range(7)]
    for day, *row in zip_longest(form.step_day, form.step_from, form.step_to, form.step_dose, fillvalue=""):
        step = StepRow(*(text.strip() for text in row))
        if day in tuple("0123456") and not step.blank:
            tables[int(day)].append(step)
    return tuple(tuple(rows) for rows in tables)


def pressed(fields: Fields, press: str) -> tuple[Fields, int | None]:
    """The fields after a button that adds or takes a row, and the table that a new row was asked for."""
    what, _, where = press.partition("-")
    day, _, row = where.partition("-")
    if day not in tuple("0123456"):
        return fields, None
    if what == "add":
        return fields, int(day)
    if what == "remove" and row.isascii() and row.isdigit() and len(row) < 4:
        tables = list(fields.steps)
        tables[int(day)] = tuple(s for n, s in enumerate(tables[int(day)]) if n != int(row))
        return replace(fields, steps=tuple(tables)), None
    return fields, None


def shown_steps(fields: Fields, more: int | None = None) -> list[tuple[str, list[StepRow]]]:
    """The tables of steps with their names; an empty table opens with one row, and ``more`` gets another one."""
    tables = []
    for number, name in enumerate(fields.groups):
        rows = list(fields.steps[number]) if number < len(fields.steps) else []
        wanted = (not rows) + (more == number)
        rows += [StepRow()] * min(wanted, MOST_ROWS - len(rows))
        tables.append((name, rows))
    return tables


def ceiling_places(fields: Fields) -> list[tuple[CeilingRow, int]]:
    """Each ceiling with its number among those that were filled in: by it the order's messages name it."""
    number, places = 0, []
    for row in fields.ceilings:
        places.append((row, number))
        number += bool(row.per_1h or row.per_24h)
    return places
