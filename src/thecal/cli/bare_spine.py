"""``thecal spine``: the body alone, without a pump: a bolus, an infusion or both into the fluid at a level."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import typer

from thecal.body.spine.levels import level, ticks
from thecal.body.spine.prior import modelled_drugs, nominal_physiology
from thecal.body.transport.dosing import Dosing
from thecal.body.transport.untrusted import UntrustedError
from thecal.cli import refusals
from thecal.cli.amounts import amount
from thecal.cli.answer import NOTICE, Answer
from thecal.cli.console import line, screen, unbroken
from thecal.cli.ended import Ended
from thecal.cli.exits import Exit
from thecal.cli.output_file import unwritable, written
from thecal.cli.progress import bar
from thecal.cli.references import references
from thecal.cli.spine_asking import place, untrusted
from thecal.cli.spine_figures import NO_CLOCK, span_text, start_text
from thecal.cli.spine_json import course_json
from thecal.cli.spine_view import show_band, show_beside, show_chart, show_course
from thecal.formulary import UnknownDrug
from thecal.quantities import DoseRate, Mass, Volume
from thecal.twin.asking import CELLS, Asking
from thecal.twin.course import Body, Looking, drawn_person, nominal_person, read, readings, space_error, tip_row
from thecal.twin.giving import Given, window_of
from thecal.twin.preview import map_times, silent_notes, without_band
from thecal.twin.sites import sites_of
from thecal.twin.spine import Errors, HeatMap, Line, SiteKind, SpineCourse, band_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from thecal.cli.spine_asking import Wanted
    from thecal.formulary import Drug

    Names = Callable[[str], str]

HOURS = 24.0
"""So long is looked unless asked otherwise."""
_DAY_S = 86_400
_SAYS = "thecal spine"
_NO_BAND = "nominal parameters only; people differ several-fold, and nothing of this is validated for dosing."
_BAND = (
    "the band holds 80 of 100 persons drawn from the parameters' distributions; it does not hold what the equations "
    "leave out, and nothing of this is validated for dosing."
)


@dataclass(frozen=True, slots=True)
class Into:
    """What goes into the fluid, as it was written on the command line."""

    bolus: str | None
    volume: str | None
    infusion: str | None
    tip: str


@dataclass(frozen=True, eq=False, slots=True)
class Experiment:
    """A drug into the fluid at a level, and where and when it is looked at."""

    title: str
    looking: Looking
    given: Given
    asking: Asking


def try_spine(drug: str, into: Into, wanted: Wanted) -> Answer:
    """The experiment in figures, with a page where one is wanted."""
    known = _drug(drug)
    experiment = _experiment(known, into, wanted)
    failed = None if wanted.report is None else unwritable(wanted.report)
    if failed is not None:
        return failed

    def names(_: str) -> str:
        return known.display_name

    try:
        course = central(experiment)
        if not wanted.quiet:
            _first(experiment, course, names)
        if wanted.band:
            with bar(f"Drawing {experiment.asking.draws:,} persons", quiet=wanted.quiet) as tell:
                course = drawn(experiment, course, tell)
    except UntrustedError as wrong:
        return untrusted(wrong, _SAYS)
    return _answer(course, wanted, names)


# What was asked -------------------------------------------------------------------------------------------------------


def _drug(text: str) -> Drug:
    """The drug that is meant, where it has a model; the end of the command for any other."""
    known = references(None)
    models = ", ".join(modelled_drugs())
    try:
        drug = known.formulary.drug(text)
    except UnknownDrug:
        found = f'unknown drug "{text}"'
        raise Ended(refusals.of_words("unknown-drug", _SAYS, found, f"one with a model: {models}")) from None
    if drug.code not in modelled_drugs():
        found, then = f"{drug.display_name}, which has no model of the spine", "Nothing was computed."
        raise Ended(refusals.of_words("no-model", _SAYS, found, models, Exit.PUMP_REFUSED, then=then))
    return drug


def _experiment(drug: Drug, into: Into, wanted: Wanted) -> Experiment:
    asked = wanted.asked()
    asked.setdefault("hours", HOURS)
    asking = Asking(**asked)
    tip = place("--tip", level, into.tip)
    bolus = None if into.bolus is None else amount("--bolus", into.bolus, Mass)
    infusion = None if into.infusion is None else amount("--infusion", into.infusion, DoseRate)
    if bolus is None and infusion is None:
        raise typer.BadParameter('found neither --bolus nor --infusion; allowed: one or both, as in --bolus "0.25 mg"')
    if (bolus is None) != (into.volume is None):
        raise typer.BadParameter(
            "found only one of --bolus and --volume; allowed: both, because a bolus first spreads by its volume"
        )
    volume = Volume.of(0, "mL") if into.volume is None else amount("--volume", into.volume, Volume)
    looking = Looking(
        tip_level=tip.name,
        sites=sites_of(tip.name, nominal_physiology().canal_cm, asking.chosen_levels, asking.chosen_dermatomes),
        window=window_of(0, round(asking.hours * 3600)),
        drugs=(drug.code,),
        bolus_ml=(0.0, float(volume.number("mL"))),
        cells=CELLS,
    )
    rate_ng_per_s = 0.0 if infusion is None else float(infusion.number("ng/day")) / _DAY_S
    mass_ng = 0.0 if bolus is None else float(bolus.number("ng"))
    dosing = Dosing(np.zeros(1), np.array([[rate_ng_per_s], [0.0]]), np.array([[0.0], [mass_ng]]))
    parts = [
        *([f"{bolus.text(drug.dose_unit)} in {volume.text('mL')}"] if bolus is not None else []),
        *([infusion.text(drug.rate_unit)] if infusion is not None else []),
    ]
    title = f"{drug.display_name} at {tip.name}: {' and '.join(parts)}, without a pump"
    return Experiment(title, looking, Given(drug.code, dosing, displaced_ng=0.0, displaced_before_ng=0.0), asking)


# What comes of it -----------------------------------------------------------------------------------------------------


def central(experiment: Experiment) -> SpineCourse:
    """The lines with nominal parameters, from an empty body. UntrustedError where the body refuses a number."""
    looking, (drug,) = experiment.looking, experiment.looking.drugs
    person, giving = nominal_person(looking.drugs), {drug: experiment.given}
    body = Body(drug, person, looking)
    (shown,) = read(person, looking, [giving])
    (finer,) = readings(person, replace(looking, cells=2 * looking.cells), [giving])
    at_s = looking.window.at_s
    map_s = map_times(at_s)
    fluid = body.fluid(experiment.given, map_s)
    levels = tuple((tick.name, tick.cm) for tick in ticks(body.neuraxis.physiology.canal_cm))
    tip = next(site for site in looking.sites if site.kind is SiteKind.TIP)
    return SpineCourse(
        title=experiment.title,
        start=NO_CLOCK,
        at_s=at_s,
        drugs=looking.drugs,
        no_model=(),
        lines=(
            Line(tip, drug, tip_row(experiment.given, looking.window)),
            *(Line(*of, row) for of, row in zip(looking.rows(), shown.rows, strict=True)),
        ),
        heat=(HeatMap(drug, map_s, body.neuraxis.x_cm, fluid, levels),),
        errors=Errors(shown.time_error, space_error(looking, shown.rows, finer), _NO_BAND),
        step_s=float(looking.window.step_s),
        notes=(
            "The body holds no drug before. There is no pump and no catheter: what is given is there at once.",
            *silent_notes(looking),
        ),
    )


def drawn(experiment: Experiment, course: SpineCourse, progress: Callable[[float], None]) -> SpineCourse:
    """The same with its band, or with a note that says why it has none; ``progress`` hears how much is done, 0 to 1."""
    looking, asking = experiment.looking, experiment.asking
    giving = {looking.drugs[0]: experiment.given}
    rows = np.empty((asking.draws, len(looking.rows()), course.at_s.size))
    worst = course.errors.time
    for draw in range(asking.draws):
        try:
            person = drawn_person(looking.drugs, asking.chosen_seed, draw)
            (found,) = read(person, looking, [giving])
        except UntrustedError as wrong:
            return without_band(course, wrong)
        rows[draw], worst = found.rows, max(worst, found.time_error)
        progress((draw + 1) / asking.draws)
    plain = len(course.lines) - rows.shape[1]
    lines = [replace(one, band=band_of(rows[:, n])) for n, one in enumerate(course.lines[plain:])]
    errors = replace(course.errors, model=_BAND, time=worst)
    return replace(course, lines=(*course.lines[:plain], *lines), errors=errors)


# How it is shown ------------------------------------------------------------------------------------------------------


def _first(experiment: Experiment, course: SpineCourse, names: Names) -> None:
    """The central line, before the band is there."""
    console = screen()
    unbroken(console, experiment.title, style="bold")
    line(console, f"{NOTICE} Computed, not measured; nothing here is a dose recommendation.")
    show_course(console, course, names)
    show_chart(console, course, names)
    show_beside(console, course, names)
    console.file.flush()


def _answer(course: SpineCourse, wanted: Wanted, names: Names) -> Answer:
    if wanted.report is not None:
        from thecal.cli.report.preview_page import course_page

        facts = [("Time", f"{span_text(course)} from {start_text(course)}")]
        failed = written(wanted.report, course_page(course, names, facts))
        if failed is not None:
            return failed

    def show(console: Console) -> None:
        show_band(console, course, names)
        if wanted.report is not None:
            unbroken(console, f"Report: {wanted.report}", style="bold")

    body = {"report": None if wanted.report is None else str(wanted.report), "course": course_json(course)}
    return Answer(Exit.GO_ON, body, show)
