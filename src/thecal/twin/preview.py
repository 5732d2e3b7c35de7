"""From an order or a scenario to what happens beyond the tip: the central line first, the band when it is ready.

One call runs the real controller, gives its strokes to the body, and reads the body at the sites. The band comes from
persons that are drawn by a seed: the same persons for every preview of that seed, so that two previews can be compared
person by person. A preview informs people. Nothing that reviews, compiles or sends a program reads it, and a band never
holds anything up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from thecal.body.spine.effect import why_no_model
from thecal.body.spine.grid import area_cm2
from thecal.body.spine.levels import level, ticks
from thecal.body.spine.prior import modelled_drugs, nominal_physiology
from thecal.body.transport.untrusted import UntrustedError
from thecal.twin.asking import Asking, Ran, ran
from thecal.twin.course import (
    BAND_TOLERANCE,
    Body,
    Looking,
    Person,
    drawn_person,
    endpoint_of,
    nominal_person,
    read,
    readings,
    space_error,
    table,
    time_error,
    tip_row,
)
from thecal.twin.giving import given, pushed
from thecal.twin.sites import is_effect, sites_of
from thecal.twin.spine import Errors, HeatMap, Line, NoPreview, NoPreviewWhy, SiteKind, SpineCourse, band_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Unpack

    import numpy.typing as npt

    from thecal.body.transport.course import Course
    from thecal.twin.asking import Asked
    from thecal.twin.giving import Given
    from thecal.twin.scenario import Scenario
    from thecal.twin.spine import Site

    FloatArray = npt.NDArray[np.float64]

MOST_HEAT_TIMES = 200
_NO_BAND = "Nominal parameters only; people differ several-fold. Nothing here is validated for dosing."
_BAND = (
    "The band holds 80 of 100 persons drawn from the parameters' distributions, and nothing that the equations leave "
    "out. Nothing here is validated for dosing."
)

_WHAT = {SiteKind.ANALGESIA: "Analgesia", SiteKind.WARNING_INDEX: "The warning index"}


@dataclass(frozen=True, eq=False, slots=True)
class Basis:
    """What a band is made from: what was asked, where is looked, and what is given of every drug."""

    asking: Asking
    looking: Looking
    givings: Mapping[str, Given]


def preview(scenario: Scenario, **asked: Unpack[Asked]) -> SpineCourse | NoPreview:
    """What a scenario does beyond the tip, over 72 h from its start unless asked otherwise.

    ``band=False`` leaves the band to ``with_band``. An order becomes a scenario by ``scenario_of``. What cannot be
    previewed is a value that says what was found, what is allowed and what to do next.
    """
    asking = Asking(**asked)
    made = courses([scenario], asking)
    if isinstance(made, NoPreview):
        return made
    return with_band(made[0]) if asking.band else made[0]


def with_band(course: SpineCourse, *, progress: Callable[[float], None] | None = None) -> SpineCourse:
    """The same course with its band, of the draws it was asked with; ValueError for one not made by a preview.

    ``progress`` hears how much is done, from 0 to 1; without it, the one that the preview was asked with. Where a
    drawn person cannot be trusted there is no band, and a note says why: the central line stands as it is.
    """
    basis = basis_of(course)
    drawn = samples([basis], progress or basis.asking.progress)
    return without_band(course, drawn) if isinstance(drawn, UntrustedError) else with_bands(course, drawn[0])


# The central line -------------------------------------------------------------------------------------------------


def courses(scenarios: Sequence[Scenario], asking: Asking, *, whole: bool = False) -> list[SpineCourse] | NoPreview:
    """The central lines of scenarios that are to be compared: the same sites, drugs, times and groups of boluses.

    With ``whole`` nothing is shown of a run in which an event could not be done.
    """
    refused = asking.refusal()
    if refused is not None:
        return refused
    runs = []
    for scenario in scenarios:
        done = ran(scenario, asking.window, whole=whole)
        if isinstance(done, NoPreview):
            return done
        runs.append(done)
    try:
        sites, *_ = [_sites(run, asking) for run in runs]
    except UntrustedError as error:
        return NoPreview(NoPreviewWhy.UNKNOWN_LEVEL, error.found, error.allowed, "name levels as they are allowed")
    try:
        return _central(runs, _bases(runs, asking, sites))
    except UntrustedError as error:
        return NoPreview(NoPreviewWhy.UNTRUSTED, error.found, error.allowed, "ask for what is allowed")


def _tip_level(run: Ran) -> str:
    catheter = run.scenario.order.catheter
    assert catheter is not None and catheter.tip_level is not None  # noqa: S101  (``ran`` has looked)
    return catheter.tip_level


def _sites(run: Ran, asking: Asking) -> tuple[Site, ...]:
    canal_cm = nominal_physiology().canal_cm
    return sites_of(_tip_level(run), canal_cm, asking.chosen_levels, asking.chosen_dermatomes)


def _bases(runs: Sequence[Ran], asking: Asking, sites: tuple[Site, ...]) -> list[Basis]:
    """What every scenario gives, in the same groups of boluses and of the same drugs."""
    physiology, window, tip_level = nominal_physiology(asking.weight_kg), asking.window, _tip_level(runs[0])
    tip_cm = np.array([level(tip_level).at_cm(physiology.canal_cm)])
    groups, boluses = pushed([r.trace for r in runs], physiology.tip_spread_cm, float(area_cm2(physiology, tip_cm)[0]))
    drugs = tuple(dict.fromkeys(d for r in runs for d in (*r.trace.ingredients, *r.earlier.rate_ng_per_s)))
    known = tuple(d for d in drugs if d in modelled_drugs())
    looking = Looking(tip_level, sites, window, known, groups, asking.cells)
    found = []
    for run, own in zip(runs, boluses, strict=True):
        giving = given(run.trace, window, boluses=own, groups=len(groups), earlier=run.earlier, drugs=drugs)
        found.append(Basis(asking, looking, {d: giving[d] for d in drugs}))
    return found


def _central(runs: Sequence[Ran], bases: Sequence[Basis]) -> list[SpineCourse]:
    looking, asking = bases[0].looking, bases[0].asking
    person = nominal_person(looking.drugs, asking.weight_kg)
    bodies = {drug: Body(drug, person, looking) for drug in looking.drugs}
    finer = readings(person, replace(looking, cells=2 * looking.cells), [b.givings for b in bases])
    return [_course(run, basis, person, bodies, fine) for run, basis, fine in zip(runs, bases, finer, strict=True)]


def _course(run: Ran, basis: Basis, person: Person, bodies: Mapping[str, Body], finer: FloatArray) -> SpineCourse:
    looking, window = basis.looking, basis.looking.window
    found = {drug: body.course(basis.givings[drug]) for drug, body in bodies.items()}
    rows = table(person, looking, found)
    at_tip, elsewhere = _ripples(basis, bodies, found)
    errors = Errors(time_error(found), space_error(looking, rows, finer), _NO_BAND, max(at_tip, elsewhere))
    return SpineCourse(
        title=run.scenario.title,
        start=run.scenario.run.moment(window.from_s),
        at_s=window.at_s - window.from_s,
        drugs=tuple(basis.givings),
        no_model=tuple(d for d in basis.givings if d not in looking.drugs),
        lines=(*_tip_lines(basis), *(Line(*w, r) for w, r in zip(looking.rows(), rows, strict=True))),
        heat=tuple(_heat(drug, body, basis) for drug, body in bodies.items()),
        errors=errors,
        step_s=float(window.step_s),
        notes=(*run.notes, *_notes(basis, person), *_stroke_notes(at_tip, elsewhere), *silent_notes(looking)),
        basis=basis,
    )


def _tip_lines(basis: Basis) -> tuple[Line, ...]:
    looking = basis.looking
    tips = [s for s in looking.sites if s.kind is SiteKind.TIP]
    return tuple(Line(site, drug, tip_row(g, looking.window)) for site in tips for drug, g in basis.givings.items())


def _heat(drug: str, body: Body, basis: Basis) -> HeatMap:
    """The fluid of every cell at the times of ``map_times``."""
    window, canal_cm = basis.looking.window, body.neuraxis.physiology.canal_cm
    at_s = map_times(window.at_s)
    fluid = body.fluid(basis.givings[drug], at_s)
    levels = tuple((tick.name, tick.cm) for tick in ticks(canal_cm))
    return HeatMap(drug, at_s - window.from_s, body.neuraxis.x_cm, fluid, levels)


def map_times(at_s: FloatArray) -> FloatArray:
    """Every so many of two or more readings, and always the last, so that a map reaches as far as the lines do."""
    every = -(-(at_s.size - 1) // (MOST_HEAT_TIMES - 1))
    return np.unique(np.append(at_s[::every], at_s[-1]))


def _ripples(basis: Basis, bodies: Mapping[str, Body], found: Mapping[str, Course]) -> tuple[float, float]:
    """What giving strokes evenly leaves out: in the fluid at the tip, and the most of all other lines."""
    each = [
        (name == "csf-tip", float(share))
        for drug, body in bodies.items()
        for name, share in zip(found[drug].names, body.ripple(basis.givings[drug], found[drug]), strict=True)
    ]
    at_tip, elsewhere = (max((share for tip, share in each if tip is of), default=0.0) for of in (True, False))
    return at_tip, elsewhere


def _notes(basis: Basis, person: Person) -> tuple[str, ...]:
    looking, window = basis.looking, basis.looking.window
    found = [f"A reading every {_span(window.step_s)}: a peak between two is not seen."]
    if basis.asking.weight_kg is None:
        kg = person.physiology.weight_kg
        found.append(f"No weight is known: plasma is that of {kg:g} kg, and of drawn weights in the band.")
    if len(looking.bolus_ml) > 1:
        found.append(
            "Boluses whose first widths at the tip nominally differ by less than 1 % are given alike; in a drawn "
            "person they may differ by more."
        )
    return tuple(found)


def _stroke_notes(at_tip: float, elsewhere: float) -> tuple[str, ...]:
    """What is left out between strokes, in plain words."""
    if not at_tip:
        return ()
    return (
        "A stroke comes as a drop, and is shown as if it came evenly until the next. Right at the tip the fluid jumps "
        f"for a moment, by up to {_percent(at_tip)} of the highest value of its line; any other line moves by up to "
        f"{_percent(elsewhere)}.",
    )


def _percent(share: float) -> str:
    return "less than 0.1 %" if share < 1e-3 else f"{float(f'{100 * share:.2g}'):g} %"


def silent_notes(looking: Looking) -> tuple[str, ...]:
    """Drugs that an effect does not count, each with the reason."""
    kinds = {site.kind: site for site in looking.sites if is_effect(site)}
    found = [
        f"{_WHAT[kind]} does not count {drug}: {why_no_model(drug, endpoint_of(site))}."
        for kind, site in kinds.items()
        for drug in looking.drugs
        if drug not in looking.acting(site)
    ]
    return (*found, "What is not counted is not harmless.") if found else ()


def _span(seconds: int) -> str:
    if seconds % 3600 == 0:
        return f"{seconds // 3600} h"
    return f"{seconds // 60} min" if seconds % 60 == 0 else f"{seconds} s"


# The band ---------------------------------------------------------------------------------------------------------


def basis_of(course: SpineCourse) -> Basis:
    """What a course was made from; ValueError for one that was not made by a preview."""
    if not isinstance(course.basis, Basis):
        raise ValueError("a course that was not made by a preview has no band")  # noqa: TRY004
    return course.basis


@dataclass(frozen=True, eq=False, slots=True)
class Drawn:
    """The rows of every drawn person (draws, rows, T), and the greatest error in time of their runs."""

    rows: FloatArray
    time_error: float


def samples(bases: Sequence[Basis], progress: Callable[[float], None] | None = None) -> list[Drawn] | UntrustedError:
    """What is read in every drawn person, the same persons for each basis; or why there are none."""
    looking, asking = bases[0].looking, bases[0].asking
    found = [np.empty((asking.draws, len(looking.rows()), looking.window.at_s.size)) for _ in bases]
    worst = [0.0 for _ in bases]
    for draw in range(asking.draws):
        try:
            drawn = drawn_person(looking.drugs, asking.chosen_seed, draw, asking.weight_kg)
            each = read(drawn, looking, [b.givings for b in bases], BAND_TOLERANCE)
        except UntrustedError as error:
            return error
        for n, one in enumerate(each):
            found[n][draw], worst[n] = one.rows, max(worst[n], one.time_error)
        if progress is not None:
            progress((draw + 1) / asking.draws)
    return [Drawn(rows, error) for rows, error in zip(found, worst, strict=True)]


def with_bands(course: SpineCourse, drawn: Drawn) -> SpineCourse:
    """A course with the bands of its samples; its error in time is then the greatest of all runs."""
    plain = len(course.lines) - drawn.rows.shape[1]
    lines = [replace(line, band=band_of(drawn.rows[:, n])) for n, line in enumerate(course.lines[plain:])]
    errors = replace(course.errors, model=_BAND, time=max(course.errors.time, drawn.time_error))
    return replace(course, lines=(*course.lines[:plain], *lines), errors=errors)


def without_band(course: SpineCourse, error: UntrustedError) -> SpineCourse:
    """A course that says why it has no band."""
    return replace(course, notes=(*course.notes, f"There is no band: {error}"))
