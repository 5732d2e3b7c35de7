"""A program said in words: times of day, how often a day, and the 24-hour total of every ingredient.

A program and its mixture come in; lines for people and exact totals go out. A number in the text is the exact amount
rounded for the eye. A prescriber who meant once a day and wrote once an hour is to meet the count and the total here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from thecal.quantities import Flow, Mass, percent_text
from thecal.therapy.wording import DayTotal, DrugWords, Speaker, Words, day_groups, weekdays_text

if TYPE_CHECKING:
    from thecal.therapy.mixture import Mixture
    from thecal.therapy.program import Program

__all__ = ["ChangeSentence", "DayTotal", "DrugWords", "Sentence", "Words", "say", "say_change"]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A program in words, line by line, and the totals that the words state, primary ingredient first."""

    lines: tuple[str, ...]
    totals: tuple[DayTotal, ...]

    @property
    def text(self) -> str:
        """All lines as one text."""
        return " ".join(self.lines)

    def total(self, drug: str, weekday: int) -> DayTotal:
        """The total of one drug on one weekday (Monday = 0); KeyError for a drug that is not in the mixture."""
        found = next((t for t in self.totals if t.drug == drug and weekday in t.weekdays), None)
        if found is None:
            raise KeyError(drug)
        return found

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {"lines": list(self.lines), "totals": [t.as_json() for t in self.totals]}


@dataclass(frozen=True, slots=True)
class ChangeSentence:
    """A program in words beside the one before it; ``lines`` are the new program and what changes by it."""

    before: Sentence
    after: Sentence
    changes: tuple[str, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """The new program, then the change of every total."""
        return (*self.after.lines, *self.changes)

    @property
    def text(self) -> str:
        """All lines as one text."""
        return " ".join(self.lines)

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {"before": self.before.as_json(), "after": self.after.as_json(), "changes": list(self.changes)}


def say(
    program: Program,
    mixture: Mixture,
    words: Words,
    *,
    minimum_rate: Flow | None = None,
    old_mixture: Mixture | None = None,
    ceilings: bool = False,
) -> Sentence:
    """A program in words. ``minimum_rate`` is the pump's own, ``old_mixture`` what a bridge pushes out, where known.

    With ``ceilings`` the ceilings of every drug are said as well.
    """
    speaker = Speaker(mixture, words, minimum_rate)
    days = day_groups(program)
    totals = tuple(speaker.totals(program, weekdays, drug) for weekdays in days for drug in mixture.drugs)
    lines = [
        *speaker.once(program, old_mixture),
        *speaker.base(program),
        *(line for weekdays in days for line in speaker.day_total(program, totals, weekdays)),
        *speaker.patient_bolus(program, totals),
        *(speaker.ceilings(program) if ceilings else ()),
    ]
    return Sentence(tuple(lines), totals)


def say_change(
    before: tuple[Program, Mixture],
    after: tuple[Program, Mixture],
    words: Words,
    *,
    minimum_rate: Flow | None = None,
    ceilings: bool = False,
) -> ChangeSentence:
    """The new program in words, and for every ingredient of either mixture its 24-hour total, now and before."""
    old = say(*before, words, minimum_rate=minimum_rate)
    new = say(*after, words, minimum_rate=minimum_rate, old_mixture=before[1], ceilings=ceilings)
    drugs = dict.fromkeys((*after[1].drugs, *before[1].drugs))
    changes = tuple(line for drug in drugs for line in _changes(old, new, drug, words(drug)))
    return ChangeSentence(old, new, changes)


# Changes ----------------------------------------------------------------------------------------------------------


def _changes(old: Sentence, new: Sentence, drug: str, shown: DrugWords) -> list[str]:
    """One line for every group of weekdays whose totals are alike, before and after."""
    pairs: dict[tuple[Pair, Pair], list[int]] = {}
    for weekday in range(7):
        pair = _pair(old, drug, weekday), _pair(new, drug, weekday)
        pairs.setdefault(pair, []).append(weekday)
    lines = []
    for (before, after), weekdays in pairs.items():
        days = "" if len(weekdays) == 7 else f", {weekdays_text(weekdays)}"
        lines.append(f"Day total{days}: {_change(before[0], after[0], shown)}")
        if before[1] != before[0] or after[1] != after[0]:
            lines.append(f"With every patient bolus{days}: {_change(before[1], after[1], shown)}")
    return lines


Pair = tuple[Mass | None, Mass | None]


def _pair(sentence: Sentence, drug: str, weekday: int) -> Pair:
    """Base and base with patient boluses; nothing of a drug that is not in the mixture."""
    found = next((t for t in sentence.totals if t.drug == drug and weekday in t.weekdays), None)
    return (Mass.zero(), Mass.zero()) if found is None else (found.base, found.with_patient_boluses)


def _change(before: Mass | None, after: Mass | None, shown: DrugWords) -> str:
    unit, name = shown.dose_unit, shown.display_name
    now = f"not known for {name}" if after is None else f"{after.text(unit)} {name}"
    if before is None:
        return f"{now}. What it was is not known."
    was = before.text(unit)
    if after is None:
        return f"{now}. Was {was}."
    if before == after:
        return f"{now}, unchanged."
    if not before:
        return f"{now}. Was none."
    more = "more" if after > before else "less"
    return f"{now}. Was {was} ({percent_text(abs(after / before - 1))} {more})."
