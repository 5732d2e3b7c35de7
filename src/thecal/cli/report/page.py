"""The page: what was ordered and judged, what was delivered and arrived, and what one must know to believe it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from thecal.cli.account import counted, mass_text, volume_text, wait_text
from thecal.cli.answer import NOTICE
from thecal.cli.fluid_notes import fluid_notes
from thecal.cli.report import charts
from thecal.cli.report.document import contents, document, section
from thecal.cli.report.markup import Markup, folded, joined, listed, table, tag, terms
from thecal.cli.report.orders import orders
from thecal.cli.report.spine import READING, beside, course_glance, course_parts, overview_parts
from thecal.cli.review_view import mixture_text, patient_text
from thecal.cli.run_view import TEACHING
from thecal.cli.versions import software_version
from thecal.quantities import Duration, duration_text
from thecal.twin.records import Answer as PumpAnswer
from thecal.twin.records import Source
from thecal.twin.spine import NoPreview

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from thecal.cli.account import Account
    from thecal.cli.spine_of_run import Look
    from thecal.twin.records import Bolus
    from thecal.twin.trace import Total

_ROUNDED_MG = 1e-6
_ROUNDING = (
    "Numbers are rounded to four digits for the eye only, half to even. What was ordered is exact; what the pump "
    "delivers is counted in whole strokes; masses in the body are computed in double precision from those strokes. "
    "Nothing that was rounded for this page goes into anything else."
)
_PLUG_FLOW = (
    "Fluid moves through tubing and catheter as a plug: this is an assumption. In a real line fluids mix, most of all "
    "at priming speed, so a time of arrival is an estimate and no promise."
)
_NOT_MODELED = (
    "What is shown beyond the tip is computed from published parameters and validated for no dosing. A pump counts "
    "strokes; a leak or a wrong stroke volume is invisible to it."
)
_CLOSE_S = 600.0  # readings that are no further apart miss no peak that matters
_APART = "Readings lie far apart here: between two of them there are peaks that these charts do not show."
_NO_SPINE = "Nothing can be shown beyond the tip:"


def page(account: Account, progress: Callable[[float], None] = lambda _: None, spine: Sequence[Look] = ()) -> str:
    """The whole file; ``progress`` hears how much of it is done, from 0 to 1. ``spine`` is what lies beyond the tip."""
    sections: list[tuple[str, str, Callable[[Account], Markup]]] = [
        ("glance", "At a glance", _glance),
        ("order", "Orders and their review", orders),
        ("day-view", "The program and the presses", charts.day_view),
        ("doses", "Delivered and arrived, day by day", _doses),
        ("sums", "Since the start", _sums),
        ("level", "The reservoir", _level),
        ("fronts", "Changes of fluid", _fronts),
        *((f"spine-{look.key}", f"Beyond the tip: {look.title}", partial(_spine, look=look)) for look in spine),
        ("boluses", "Boluses", _boluses),
        ("alarms", "Alarms and what was not done", _alarms),
        ("balance", "Mass balance", _balance),
        ("time-line", "Time line", _time_line),
        ("method", "How to read this", _method),
    ]
    made = []
    for number, (key, title, make) in enumerate(sections):
        made.append(section(key, title, make(account)))
        progress((number + 1) / len(sections))
    return document(
        account.scenario.title,
        *_banners(account),
        tag("header", tag("h1", account.scenario.title), _facts(account)),
        tag("main", contents([(key, title) for key, title, _ in sections]), *made),
        _footer(account),
    )


def _banners(account: Account) -> list[Markup]:
    text = f"{NOTICE} {TEACHING}" if account.teach else f"{NOTICE} Simulation."
    return [tag("div", text, class_="banner stop" if account.teach else "banner", role="note")]


def _facts(account: Account) -> Markup:
    scenario, run = account.scenario, account.scenario.run
    order, catheter = scenario.order, scenario.order.catheter
    serial = f", serial {scenario.serial}" if scenario.serial else ""
    facts = [
        ("Patient", patient_text(order)),
        ("Pump", f"{order.pump.name} [{order.pump.family}]{serial}, {order.pump.reservoir.text('mL')} reservoir"),
        ("Mixture at the start", mixture_text(order, account.known)),
        ("Run", f"{run.days:,} days from {account.clock(0)} by the pump clock; seed {run.seed}"),
    ]
    if catheter is not None:
        tip = f", tip at {catheter.tip_level}" if catheter.tip_level else ""
        dead = (order.pump.tubing + catheter.volume).text("mL")
        facts.insert(2, ("Catheter", f"{catheter.length.text('cm')}{tip}; {dead} from reservoir to tip"))
    return terms(facts)


def _glance(account: Account) -> Markup:
    trace = account.trace
    rows = []
    for one, total in zip(account.drugs, trace.totals, strict=True):
        rows.append([one.drug.display_name, *(one.text(mg) for mg in (total.ordered, total.delivered, total.arrived))])
    asked = [b for b in trace.boluses if b.source is Source.PATIENT]
    granted = sum(b.granted for b in asked)
    arrived = [f for f in trace.fronts if f.tip_s is not None and f.filled_s is not None]
    points = [f"Of {len(asked):,} presses {granted:,} were granted, {len(asked) - granted:,} refused with a reason."]
    points += [
        f"The fluid filled in on {account.clock(f.filled_s or 0)} first left the tip on {account.clock(f.tip_s or 0)}."
        for f in arrived
    ]
    undone = counted(len(trace.refusals), "thing not done", "things not done")
    points.append(f"{counted(len(trace.fills), 'fill')}; {counted(len(trace.alarms), 'alarm')}; {undone}.")
    columns = ["drug", "ordered", "delivered", "arrived"]
    notes = fluid_notes(account, "Changes of fluid")
    return joined(
        [table("Over the whole run", columns, rows, numbers=(1, 2, 3)), *(tag("p", n) for n in notes), listed(points)]
    )


def _doses(account: Account) -> Markup:
    said = tag(
        "p",
        "Delivered has left the reservoir, arrived has left the tip. Each 24 h begins at the time of the start. While "
        "a stronger fluid fills the line more leaves the reservoir than arrives; while a weaker one does, less.",
    )
    return joined([said, *(joined([tag("h3", d.drug.display_name), charts.daily(d)]) for d in account.drugs)])


def _sums(account: Account) -> Markup:
    return joined(joined([tag("h3", d.drug.display_name), charts.cumulative(d)]) for d in account.drugs)


def _level(account: Account) -> Markup:
    rows = []
    for n, fill in enumerate(account.trace.fills):
        less = fill.believed_ml - fill.found_ml
        gap = volume_text(abs(less)) + (" less" if less > 1e-9 else " more" if less < -1e-9 else "")
        seen = [volume_text(fill.believed_ml), volume_text(fill.found_ml), gap] if n else ["", "", ""]
        rows.append([account.clock(fill.at_s), *seen, volume_text(fill.volume_ml)])
    columns = ["when", "expected left", "found", "gap", "holds then"]
    return joined([charts.reservoir(account), table("Fills", columns, rows, numbers=(1, 2, 3, 4))])


def _fronts(account: Account) -> Markup:
    drawn = charts.fronts(account)
    return joined(drawn) if drawn else tag("p", "The fluid stayed the same all the time.")


def _spine(account: Account, look: Look) -> Markup:
    if isinstance(look.course, NoPreview):
        return tag("p", f"{_NO_SPINE} found {look.course.found}; allowed: {look.course.allowed}.")

    def names(code: str) -> str:
        return account.known.words(code).display_name

    near = look.key != "run" or look.course.step_s <= _CLOSE_S
    parts = (course_parts if near else overview_parts)(look.course, names, f"{look.key}-")
    shown = (joined([tag("h3", part.title), part.inside]) for part in parts)
    figures = course_glance(look.course, names) if near else joined([tag("p", _APART), beside(look.course, names)])
    return joined([tag("p", READING), figures, *shown])


def _boluses(account: Account) -> Markup:
    asked = account.trace.boluses
    if not asked:
        return tag("p", "Nobody asked for a bolus.")
    rows = [
        [str(source), answer if answer == PumpAnswer.GRANTED else f"refused: {answer}", f"{count:,}"]
        for source in Source
        for answer, count in account.answers(source).most_common()
    ]
    counts = table("Answers of the pump", ["asked by", "answer", "times"], rows, numbers=(2,))
    each = table(
        "Every bolus that was asked for",
        ["when", "asked by", "answer", "wait", "given", "primary drug"],
        [_bolus_cells(account, b) for b in asked],
        numbers=(5,),
    )
    return joined([counts, folded(f"Each of them, with waiting times: {len(asked):,}", each)])


def _bolus_cells(account: Account, bolus: Bolus) -> Sequence[str]:
    drug = account.drugs[0].drug
    wait = f"{wait_text(bolus.wait_s)}, until {account.clock(bolus.at_s + bolus.wait_s)}" if bolus.wait_s else ""
    given = (
        f"{bolus.given:,} of {bolus.strokes:,} strokes{', interrupted' if bolus.cut else ''}" if bolus.granted else ""
    )
    dose = mass_text(bolus.dose_mg[drug.code], drug.dose_unit) if drug.code in bolus.dose_mg else ""
    return [account.clock(bolus.at_s), str(bolus.source), str(bolus.answer), wait, given, dose]


def _alarms(account: Account) -> Markup:
    trace = account.trace
    parts = []
    if trace.alarms:
        rows = [
            [
                account.clock(a.issued_s),
                "*** critical" if a.critical else "* advisory",
                str(a.name),
                "not within the run" if a.cleared_s is None else account.clock(a.cleared_s),
            ]
            for a in trace.alarms
        ]
        parts.append(table("Alarms of the pump", ["issued", "priority", "alarm", "cleared"], rows))
    else:
        parts.append(tag("p", "The pump issued no alarm."))
    if trace.refusals:
        rows = [
            [account.clock(r.at_s), r.what, r.why, "" if r.fits_at_s is None else account.clock(r.fits_at_s)]
            for r in trace.refusals
        ]
        parts.append(table("Asked for and not done", ["when", "what", "why", "fits at"], rows))
    if trace.lost_strokes:
        parts.append(tag("p", f"{trace.lost_strokes:,} strokes were commanded and did not move."))
    return joined(parts)


def _balance(account: Account) -> Markup:
    drugs, totals = account.drugs, account.trace.totals
    places: list[tuple[str, Callable[[Total], float]]] = [
        ("in the line at the start", lambda t: t.line_at_start),
        ("filled in", lambda t: t.filled),
        ("drawn out at fills", lambda t: t.removed),
        ("decayed in the reservoir", lambda t: t.lost),
        ("arrived at the tip", lambda t: t.arrived),
        ("still in the line", lambda t: t.in_line),
        ("still in the reservoir", lambda t: t.in_reservoir),
    ]
    rows = [[name, *(d.text(of(t)) for d, t in zip(drugs, totals, strict=True))] for name, of in places]
    rest = max(abs(t.unaccounted) for t in totals)
    left = "less than 0.000001 mg of any" if rest < _ROUNDED_MG else f"up to {mass_text(rest, 'mg')}"
    said = tag("p", f"The first two came in; the others say where it went. Unaccounted for: {left}.")
    columns = ["where", *(d.drug.display_name for d in drugs)]
    return joined([said, table("Where every ingredient is at the end", columns, rows, numbers=range(1, len(columns)))])


def _time_line(account: Account) -> Markup:
    happened = account.trace.happenings
    rows = [[account.clock(h.at_s), str(h.kind), h.text] for h in happened]
    made = table("Everything that happened, by the pump clock", ["when", "kind", "what"], rows)
    return folded(f"Everything, in order of time: {len(rows):,}", made)


def _method(account: Account) -> Markup:
    trace, run = account.trace, account.scenario.run
    offset = duration_text(Duration.of(int(abs(run.utc_offset).total_seconds()), "s"))
    sign = "before" if run.utc_offset.total_seconds() >= 0 else "behind"
    width = f" The front has a width of {run.front_sigma.text('mL')}." if run.front_sigma else ""
    return joined(
        [
            listed([_ROUNDING, _PLUG_FLOW + width, _NOT_MODELED]),
            terms(
                [
                    ("Software", f"Thecal {software_version()}"),
                    ("Formulary", account.known.formulary.version),
                    ("Pump log", f"{trace.log_records:,} records, digest {trace.log_digest}"),
                    ("Strokes", f"{trace.stroke_s.size:,} of {trace.stroke_nl:,} nL each"),
                    (
                        "Pump clock",
                        f"{offset} {sign} UTC, fixed; 24-hour times throughout" if offset != "0 s" else "UTC",
                    ),
                    ("Seed", str(run.seed)),
                ]
            ),
        ]
    )


def _footer(account: Account) -> Markup:
    made = f"Thecal {software_version()}, simulation, seed {account.trace.seed}."
    text = f"{NOTICE} Nothing here is a dose recommendation. {made}"
    return tag("footer", tag("p", text))
