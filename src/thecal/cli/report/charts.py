"""The charts of a run: what each shows is in its shape and line as well as in its color, and in a table behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator

from thecal.cli.account import number, scale_text, volume_text, wait_text
from thecal.cli.parts import tick_text
from thecal.cli.report.drawing import ALERT, FILL, FIRST, INK, SECOND, SOFT, Sheet, chart
from thecal.cli.report.markup import Markup, folded, table
from thecal.therapy.program import DAY_S
from thecal.therapy.wording import weekdays_text
from thecal.twin.records import Source

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from thecal.cli.account import Account, DrugAccount
    from thecal.twin.records import Bolus, Installed

_ORDERED, _DELIVERED, _ARRIVED = "ordered", "delivered (left the reservoir)", "arrived (left the tip)"


def _amount_axis(axes: Axes, top: float, label: str) -> None:
    axes.set_ylim(0, top)
    axes.set_ylabel(label)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: number(v)))


def _day_axis(axes: Axes, account: Account, narrow: bool) -> None:
    days = account.trace.days_long
    at = range(0, days + 1, -(-days // (3 if narrow else 6)))
    axes.set_xlim(0, days)
    axes.set_xticks(at, [tick_text(account.scenario.run.moment(n * DAY_S)) for n in at])


def _legend(axes: Axes, columns: int = 1) -> None:
    if not axes.get_legend_handles_labels()[1]:
        return  # a run in which the pump took no program draws none
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=columns, borderaxespad=0.2)


# Doses ---------------------------------------------------------------------------------------------------------------


def daily(one: DrugAccount) -> Markup:
    """Delivered and arrived in each 24 h, with what was ordered as an outline; the scale ends at the ceiling."""
    ordered, delivered, arrived = one.daily()
    unit, name, ceiling = one.drug.dose_unit, one.drug.display_name, one.ceiling()
    most = float(max(ordered.max(), delivered.max(), arrived.max()))
    top = max(float(ceiling or 0), most) or 1.0
    scale = scale_text(ceiling, top, unit)

    def draw(sheet: Sheet) -> None:
        axes = sheet.figure.subplots()
        edges = np.arange(len(ordered) + 1)
        axes.stairs(delivered, edges, fill=True, color=FILL, label=_DELIVERED)
        axes.stairs(ordered, edges, color=INK, linewidth=1.2, label=_ORDERED)
        size = 3 if len(ordered) > 40 or sheet.narrow else 5
        axes.plot(edges[:-1] + 0.5, arrived, "o", color=FIRST, markersize=size, label=_ARRIVED)
        _ceilings(axes, one)
        _amount_axis(axes, top * 1.04, f"{unit} in 24 h")
        _day_axis(axes, one.account, sheet.narrow)
        _legend(axes, 1 if sheet.narrow else 4)

    days = one.account.trace.days()
    rows = [
        [d.date, number(o), number(p), number(a)] for d, o, p, a in zip(days, ordered, delivered, arrived, strict=True)
    ]
    columns = ["24 h from", f"ordered, {unit}", f"delivered, {unit}", f"arrived, {unit}"]
    caption = f"{name} in each 24 h. Scale: {scale}."
    data = folded("Numbers of this chart", table(caption, columns, rows, numbers=(1, 2, 3)))
    return chart(f"daily-{one.drug.code}", caption, 2.5, draw, data)


def _ceilings(axes: Axes, one: DrugAccount) -> None:
    """The ceiling of 24 h as each order has it; where an order states none, nothing is drawn."""
    levels = [np.nan if c is None else float(c) for _, c in one.ceilings()]
    if not np.isnan(levels).all():
        edges = [at_s / DAY_S for at_s, _ in one.ceilings()] + [one.account.trace.days_long]
        axes.stairs(levels, edges, baseline=None, color=ALERT, linestyle="--", linewidth=1.2, label="ceiling of 24 h")


def cumulative(one: DrugAccount) -> Markup:
    """The three amounts since the start."""
    account, unit, name = one.account, one.drug.dose_unit, one.drug.display_name
    at_s = np.unique(np.concatenate([np.arange(account.trace.days_long + 1) * DAY_S, account.trace.event_s()]))
    ordered, delivered, arrived = one.cumulative(at_s)
    top = float(max(ordered[-1], delivered[-1], arrived[-1])) or 1.0
    apart = float(max(np.abs(delivered - ordered).max(), np.abs(arrived - ordered).max())) or 1.0

    def draw(sheet: Sheet) -> None:
        axes, lower = sheet.figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
        for series, color, style, label in (
            (ordered, INK, "-", _ORDERED),
            (delivered, SECOND, "--", _DELIVERED),
            (arrived, FIRST, ":", _ARRIVED),
        ):
            axes.plot(at_s / DAY_S, series, linestyle=style, color=color, linewidth=1.8, label=label)
            if series is not ordered:
                lower.plot(at_s / DAY_S, series - ordered, linestyle=style, color=color, linewidth=1.5)
        _amount_axis(axes, top * 1.04, f"{unit} since the start")
        lower.axhline(0, color=INK, linewidth=1)
        _amount_axis(lower, apart * 1.1, f"{unit} apart")
        lower.set_ylim(-apart * 1.1, apart * 1.1)
        lower.yaxis.set_major_locator(MaxNLocator(nbins=3, symmetric=True))
        _day_axis(lower, account, sheet.narrow)
        _legend(axes, 1 if sheet.narrow else 3)

    edges = np.arange(account.trace.days_long + 1) * DAY_S
    sums = one.cumulative(edges)
    rows = [[account.clock(int(s)), *(number(series[n]) for series in sums)] for n, s in enumerate(edges)]
    columns = ["until", f"ordered, {unit}", f"delivered, {unit}", f"arrived, {unit}"]
    caption = (
        f"{name} since the start of the run, scale 0 to {number(top)} {unit}; below, how far delivered and arrived are "
        f"from ordered, scale {number(apart)} {unit} less to {number(apart)} {unit} more."
    )
    data = folded("Numbers of this chart", table(caption, columns, rows, numbers=(1, 2, 3)))
    return chart(f"sum-{one.drug.code}", caption, 3.4, draw, data)


# The day -------------------------------------------------------------------------------------------------------------


def day_view(account: Account) -> Markup:
    """The program over the hours of a day, and below it every press: given solid, refused hollow."""
    shapes = _programs(account)
    pressed = [b for b in account.trace.boluses if b.source is not Source.PRIME]
    start_s = account.scenario.run.start_s
    drug = account.drugs[0].drug
    top = max((max(rates) for _, _, rates in shapes), default=0.0) * 1.25 or 1.0

    def draw(sheet: Sheet) -> None:
        rows = sheet.figure.subplots(2 if pressed else 1, 1, sharex=True, squeeze=False)[:, 0]
        upper, lower = rows[0], rows[-1]
        styles = ((INK, "-"), (FIRST, "--"), (SECOND, ":"), (SOFT, "-."))
        for (label, edges, rates), (color, style) in zip(shapes, styles * len(shapes), strict=False):
            upper.stairs(rates, edges, baseline=None, color=color, linestyle=style, linewidth=1.8, label=label)
        _amount_axis(upper, top, f"{drug.dose_unit}/h")
        _legend(upper, 1 if sheet.narrow else 2)
        if pressed:
            _presses(lower, account, pressed, sheet.narrow)
        lower.set_xlim(0, 24)
        ticks = range(0, 25, 6 if sheet.narrow else 3)
        lower.set_xticks(list(ticks), [f"{h:02}:00" for h in ticks])

    counts = [0] * 24
    refused = [0] * 24
    for bolus in pressed:
        (counts if bolus.granted else refused)[(bolus.at_s + start_s) % DAY_S // 3600] += 1
    rows = [[f"{h:02}:00 to {h + 1:02}:00", f"{counts[h]:,}", f"{refused[h]:,}"] for h in range(24)]
    presses = ", and every press by hour and day: given solid, refused hollow." if pressed else ". Nobody pressed."
    caption = f"A day of the program ({drug.display_name}, scale 0 to {number(top)} {drug.dose_unit}/h){presses}"
    data = folded("Numbers of this chart", table(caption, ["hour", "given", "refused"], rows, numbers=(1, 2)))
    return chart("day", caption, 4.6 if pressed else 2.3, draw, data)


def _presses(axes: Axes, account: Account, pressed: Sequence[Bolus], narrow: bool) -> None:
    """Every press by its time of day and its day: solid where a bolus was given, hollow where it was refused."""
    start_s = account.scenario.run.start_s
    for granted, face, edge, label in (
        (True, FIRST, FIRST, "bolus given"),
        (False, "none", ALERT, "press refused"),
    ):
        found = [b.at_s + start_s for b in pressed if b.granted is granted]
        hours, days = [s % DAY_S / 3600 for s in found], [s // DAY_S for s in found]
        look = {"markersize": 3.2 if narrow else 4.0, "markerfacecolor": face, "markeredgecolor": edge}
        axes.plot(hours, days, "o", linestyle="none", label=label, **look)  # type: ignore[arg-type]
    axes.set_ylim(account.trace.days_long + 0.5, -0.5)
    axes.set_ylabel("day of the run")
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    _legend(axes, 2)


Shape = tuple[str, Sequence[float], Sequence[float]]
"""What it is called, edges in hours from midnight, and between them the dose of the primary drug in an hour."""


def _programs(account: Account) -> list[Shape]:
    """The days of every program of the run as it was compiled; days that are alike are one."""
    code = account.drugs[0].drug.code
    return [
        shape
        for installed in account.trace.installed
        if code in installed.mixture.drugs
        for shape in _days(account, installed)
    ]


def _days(account: Account, installed: Installed) -> list[Shape]:
    drug, schedule = account.drugs[0].drug, installed.compiled.schedule
    strength = float(installed.mixture.concentration(drug.code).number(drug.conc_unit))
    pieces = list(zip(schedule.starts_s, schedule.rates_pl_per_h, strict=True))
    found: dict[tuple[tuple[int, int], ...], list[int]] = {}
    for weekday in range(max(schedule.cycle_s // DAY_S, 1)):
        first_s = weekday * DAY_S
        before = [rate for start_s, rate in pieces if start_s <= first_s][-1]
        today = {start_s - first_s: rate for start_s, rate in pieces if first_s < start_s < first_s + DAY_S}
        found.setdefault(((0, before), *sorted(today.items())), []).append(weekday)
    name = f"program from {account.clock(installed.at_s)}"
    return [
        (name if len(found) == 1 else f"{name}, {weekdays_text(days)}", *_shape(steps, schedule.cycle_s, strength))
        for steps, days in found.items()
    ]


def _shape(steps: Sequence[tuple[int, int]], cycle_s: int, strength: float) -> tuple[list[float], list[float]]:
    """Edges and doses over 24 h of steps that repeat every ``cycle_s``, or every day where that is longer."""
    repeats = max(DAY_S // cycle_s, 1)
    edges = [(start_s + n * cycle_s) / 3600 for n in range(repeats) for start_s, _ in steps]
    return [*edges, 24.0], [rate / 1e9 * strength for _ in range(repeats) for _, rate in steps]


# The reservoir -------------------------------------------------------------------------------------------------------


def reservoir(account: Account) -> Markup:
    """What is in the reservoir, the level of the alarm, fills, and when it would be empty."""
    trace, pump = account.trace, account.scenario.order.pump
    length_s = trace.length_s
    fills_s = np.array([f.at_s for f in trace.fills], dtype=np.int64)
    grid = np.arange(0, length_s + 1, 6 * 3600)
    at_s = np.unique(np.concatenate([grid, fills_s, fills_s + 1, [length_s]]))
    real, believed = trace.level_ml(at_s), trace.believed_level_ml(at_s)
    size = float(pump.reservoir.number("mL"))
    steps = _low_levels(account)
    empty = _empty_day(account)
    near = empty if empty is not None and empty < 2 * trace.days_long else None  # farther off it would dwarf the run

    def draw(sheet: Sheet) -> None:
        axes = sheet.figure.subplots()
        axes.plot(at_s / DAY_S, real, color=FIRST, linewidth=1.8, label="in the reservoir")
        if np.abs(real - believed).max() > 0.01:
            axes.plot(at_s / DAY_S, believed, color=SECOND, linestyle=":", label="as the pump believes")
        edges = [s / DAY_S for s, _ in steps] + [near or account.trace.days_long]
        axes.stairs(
            [ml for _, ml in steps], edges, baseline=None, color=ALERT, linestyle="--", label="low level: alarm"
        )
        for n, fill in enumerate(trace.fills):
            axes.plot([fill.at_s / DAY_S], [fill.volume_ml], "^", color=INK, markersize=6, clip_on=False,
                      label="fill" if n == 0 else None)  # fmt: skip
        if near:
            last = trace.level_ml(length_s)[0]
            axes.plot([trace.days_long, near], [last, 0], color=SOFT, linestyle="-.", label="to empty, at this use")
            axes.plot([near], [0], "x", color=ALERT, markersize=7, clip_on=False)
        _amount_axis(axes, size * 1.05, "mL")
        _day_axis(axes, account, sheet.narrow)
        if near:
            axes.set_xlim(0, near * 1.02)
            ticks = [float(d) for d in axes.get_xticks() if d < 0.8 * near] + [near]
            axes.set_xticks(ticks, [tick_text(account.scenario.run.moment(int(d * DAY_S))) for d in ticks])
        _legend(axes, 2 if sheet.narrow else 5)

    rows = [[d.date, volume_text(d.level_ml), volume_text(d.believed_level_ml)] for d in trace.days()]
    when = "" if empty is None else f" At this use it would be empty on {account.clock(int(empty * DAY_S))}."
    caption = f"Volume in the reservoir. Scale: 0 to {pump.reservoir.text('mL')}, its size.{when}"
    columns = ["24 h from", "level at the end", "as the pump believes"]
    data = folded("Numbers of this chart", table(caption, columns, rows, numbers=(1, 2)))
    return chart("reservoir", caption, 2.6, draw, data)


def _low_levels(account: Account) -> list[tuple[int, float]]:
    pump = account.scenario.order.pump
    found = [(j.at.at_s, j.reviewed.file.order.program.low_level or pump.low_level) for j in account.judged]
    return [(at_s, float(level.number("mL"))) for at_s, level in found]


def _empty_day(account: Account) -> float | None:
    """The day on which the reservoir would be empty at the use of the time since the last fill."""
    trace = account.trace
    if not trace.fills or trace.length_s - trace.fills[-1].at_s < DAY_S:
        return None
    since_s = trace.length_s - trace.fills[-1].at_s
    level = float(trace.level_ml(trace.length_s)[0])
    used = trace.fills[-1].volume_ml - level
    if used <= 0 or level <= 0:
        return None
    return (trace.length_s + level / used * since_s) / DAY_S


# Fronts --------------------------------------------------------------------------------------------------------------


def fronts(account: Account) -> list[Markup]:
    """For every change of fluid: where its front is between pump and tip, from the fill until it has arrived."""
    arrival = account.trace.arrival
    changed = [f for f in arrival.fronts if not np.allclose(f.c_before_mg_per_ml, f.c_after_mg_per_ml, rtol=1e-9)]
    return [_front(account, n, arrival.fronts.index(f)) for n, f in enumerate(changed) if f.entered_s is not None]


def _front(account: Account, place: int, number_: int) -> Markup:
    arrival = account.trace.arrival
    front = arrival.fronts[number_]
    entered_s = front.entered_s or 0
    end_s = min(front.reaches_tip_s or account.trace.length_s, account.trace.length_s)
    at_s = np.unique(np.linspace(entered_s, max(end_s, entered_s + 1), 121).astype(np.int64))
    ahead = arrival.ahead_ml(at_s)[number_]
    dead = arrival.line.dead_volume_ml
    tubing = float(account.scenario.order.pump.tubing.number("mL"))
    hours = (at_s - entered_s) / 3600

    def draw(sheet: Sheet) -> None:
        axes = sheet.figure.subplots()
        axes.axhspan(
            dead - tubing, dead, facecolor="none", edgecolor=SOFT, hatch="///", linewidth=0, label="tubing of the pump"
        )
        axes.plot(hours, ahead, color=FIRST, linewidth=2, label="front of the new fluid")
        axes.axhline(0, color=INK, linewidth=1.2)
        if front.reaches_tip_s is not None:
            axes.plot([hours[-1]], [0], "D", color=SECOND, markersize=6, clip_on=False, label="at the tip")
        _amount_axis(axes, dead, "mL before the tip")
        axes.set_xlim(0, hours[-1] * 1.02)
        axes.set_xlabel("h since the fill")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda h, _: number(h)))
        _legend(axes, 1 if sheet.narrow else 3)

    filled = account.clock(max(entered_s - 1, 0))
    reached = front.reaches_tip_s
    end = (
        "It did not reach the tip within the run."
        if reached is None
        else (f"It reached the tip on {account.clock(reached)}, after {wait_text(reached - entered_s)}.")
    )
    caption = f"Front of the fluid filled in on {filled}, in plug flow. {end}"
    rows = [[number(h), volume_text(float(ml))] for h, ml in zip(hours[::10], ahead[::10], strict=True)]
    data = folded("Numbers of this chart", table(caption, ["h since the fill", "before the tip"], rows, numbers=(0, 1)))
    return chart(f"front-{place}", caption, 2.3, draw, data)
