"""Draws the picture of README.md from a real run of examples/first-patient.toml, for light and for dark pages.

Shown are the three days around the refill with a stronger fluid: what was ordered, what left the reservoir and what
arrived at the tip, hour by hour, and below it the drug in the spinal fluid by level. The same run without its bridge is
drawn beside what arrived. Nothing is drawn by hand: change the example or the code, run this again, and the picture
follows.

    python scripts/picture.py
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter

from thecal.cli.report.scale import scale_of
from thecal.cli.spine_figures import figure_text
from thecal.formulary import load
from thecal.pump.families import Calibration, family
from thecal.quantities import Duration, duration_text, number_text
from thecal.twin.events import NoBridge, Refill
from thecal.twin.preview import preview
from thecal.twin.records import Kind, Source
from thecal.twin.scenario import read_scenario
from thecal.twin.simulate import simulate
from thecal.twin.spine import NoPreview, SiteKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from matplotlib.axes import Axes

    from thecal.therapy.envelope import Envelope
    from thecal.therapy.files import Measured
    from thecal.twin.scenario import Scenario
    from thecal.twin.spine import SpineCourse
    from thecal.twin.trace import Trace

    FloatArray = npt.NDArray[np.float64]
    IntArray = npt.NDArray[np.int64]

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "first-patient.toml"
PICTURES = ROOT / "docs" / "pictures"
HOUR_S = 3600
BEFORE_H, AFTER_H = 18, 54
TOP = 0.25  # mg in an hour, with room for words above the highest bar


@dataclass(frozen=True)
class Colors:
    """One page's colors: words, lines, and one color for each stage of a dose's way."""

    name: str
    ink: str
    soft: str
    grid: str
    band: str
    ordered: str
    delivered: str
    arrived: str
    without: str
    heat: tuple[str, ...]


_PALE_TO_DARK = (
    "#ffffd9", "#edf8b1", "#c6e9b4", "#7ecdbb", "#40b5c4", "#1d90c0", "#225da8", "#243392", "#081d58",
)  # fmt: skip
PAGES = (
    Colors(
        "light", "#1b1f24", "#57606a", "#d5dbe1", "#eef2f6", "#57606a", "#a85a0a", "#0b5cab", "#b0122b",
        ("#ffffff", *_PALE_TO_DARK),
    ),
    Colors(
        "dark", "#e8edf2", "#a5b1bd", "#333b44", "#1d2530", "#a5b1bd", "#f2ab6c", "#6fb3f5", "#ff9696",
        ("#14181d", *reversed(_PALE_TO_DARK)),
    ),
)  # fmt: skip
STYLE: Any = {
    "svg.fonttype": "path",
    "svg.hashsalt": "thecal",
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
}


@dataclass(frozen=True)
class Story:
    """The run, the same run without its bridge, and the seconds that matter."""

    trace: Trace
    without: Trace
    spine: SpineCourse
    refill_s: int
    bridge_end_s: int
    tip_s: int
    strengths: tuple[str, str]

    @property
    def hours(self) -> IntArray:
        """The full hours that are shown, as seconds of the run."""
        first = self.refill_s - BEFORE_H * HOUR_S
        return first + HOUR_S * np.arange(BEFORE_H + AFTER_H + 1, dtype=np.int64)

    def moment(self, at_s: int) -> datetime:
        """The pump clock at a second of the run."""
        return self.trace.start + timedelta(seconds=at_s)


def _envelope(code: str, measured: Measured) -> Envelope:
    return family(code).envelope(Calibration(stroke=measured.stroke, tubing=measured.tubing))


def story() -> Story:
    """Run the example twice."""
    formulary = load()
    scenario = read_scenario(EXAMPLE, drugs=lambda text: formulary.drug(text).code, pumps=_envelope)
    trace = simulate(scenario)
    new = next(e for e in scenario.events if isinstance(e, Refill) and e.mixture is not None)
    (front,) = trace.fronts
    end = next(h for h in trace.happenings if h.kind is Kind.BRIDGE_END)
    if front.tip_s is None or new.mixture is None:
        raise RuntimeError("the new fluid does not arrive within the run: there is nothing to draw")
    old, stronger = (m.primary.concentration.text("mg/mL") for m in (scenario.order.mixture, new.mixture))
    spine = preview(scenario, hours=BEFORE_H + AFTER_H, from_hours=new.at_s / HOUR_S - BEFORE_H, band=False)
    if isinstance(spine, NoPreview):
        raise RuntimeError(spine.message)  # noqa: TRY004 -- the example has a tip and a model
    without = simulate(_without_bridge(scenario))
    return Story(trace, without, spine, new.at_s, end.at_s, front.tip_s, (old, stronger))


def _without_bridge(scenario: Scenario) -> Scenario:
    """The same scenario where the new program starts at once."""
    none = NoBridge("for comparison")
    events = tuple(replace(e, bridge=none) if isinstance(e, Refill) and e.mixture else e for e in scenario.events)
    return replace(scenario, events=events)


def draw(told: Story, colors: Colors) -> str:
    """The picture as SVG."""
    x = (told.hours - told.refill_s) / HOUR_S
    trace = told.trace
    rows = [
        ("ordered", colors.ordered, trace.ordered_mg(told.hours)[0]),
        ("left the reservoir", colors.delivered, trace.delivered_mg(told.hours)[0]),
        ("arrived at the tip", colors.arrived, trace.arrived_mg(told.hours)[0]),
    ]
    with rc_context(STYLE):
        figure = Figure(figsize=(8.6, 7.8), layout=ConstrainedLayoutEngine(h_pad=0.07))
        *panels, spine, key = figure.subplots(5, 1, height_ratios=[10, 10, 10, 22, 1.4])
        for axes, (name, color, mass) in zip(panels, rows, strict=True):
            _panel(axes, told, colors)
            axes.stairs(np.diff(mass), x, fill=True, color=color, alpha=0.75, linewidth=0)
            axes.text(0.0, 1.0, name, transform=axes.transAxes, color=color, weight="bold", va="bottom", fontsize=10.5)
        _words(panels, told, colors, x)
        for axes in (*panels, spine):
            _clock(axes, told, colors, named=axes in (panels[-1], spine))
        panels[1].set_ylabel("morphine, mg in each hour", color=colors.soft, fontsize=9)
        _spine(spine, key, told, colors)
        out = StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = out.getvalue()
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    return re.sub(r' d="[^"]*"', _short, svg)


def _short(path: re.Match[str]) -> str:
    """Coordinates to a hundredth of a point: nobody sees more."""
    return re.sub(r"-?\d+\.\d{3,}", lambda n: f"{float(n[0]):.2f}".rstrip("0").rstrip("."), path[0])


def _panel(axes: Axes, told: Story, colors: Colors) -> None:
    axes.set_ylim(0, TOP)
    axes.set_yticks([0, 0.1, 0.2])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: number_text(round(v, 3)) if v else "0"))
    axes.grid(axis="y", color=colors.grid, linewidth=0.7)
    axes.tick_params(colors=colors.soft, length=0, labelsize=8.5)
    axes.spines["bottom"].set_color(colors.soft)
    axes.axvspan(0, (told.bridge_end_s - told.refill_s) / HOUR_S, color=colors.band, linewidth=0, zorder=0)
    axes.axvline(0, color=colors.ink, linewidth=1.1)


def _words(panels: Sequence[Axes], told: Story, colors: Colors, x: FloatArray) -> None:
    """What the eye should be led to, each word where it happens."""
    ordered, left, arrived = panels
    old, new = told.strengths
    bridge_s = told.bridge_end_s - told.refill_s
    lasts = duration_text(Duration.of(round(bridge_s / 60), "min"))
    _say(ordered, 0, (f"refill: {old} to {new}", f"bridge: {lasts}"), colors.ink)
    _say(left, 0, ("the stronger fluid leaves,", "the line still holds the old"), colors.ink)
    without = np.diff(told.without.arrived_mg(told.hours)[0])
    dots: Any = {"linewidth": 1.3, "linestyle": (0, (2, 1.5))}
    arrived.stairs(without, x, baseline=None, color=colors.without, **dots)
    _say(arrived, 0, ("dotted: without a bridge",), colors.without)
    tip_h = (told.tip_s - told.refill_s) / HOUR_S
    arrived.axvline(tip_h, color=colors.ink, linewidth=1.1)
    _say(arrived, tip_h, (f"new fluid at the tip: {told.moment(told.tip_s):%H:%M}",), colors.ink)
    _presses(ordered, told, colors)


def _say(axes: Axes, at_h: float, lines: Sequence[str], color: str) -> None:
    """Words that begin at an hour, from the top of a panel down."""
    for n, line in enumerate(lines):
        axes.text(at_h + 0.4, TOP * (0.98 - 0.17 * n), line, fontsize=8.8, color=color, va="top")


def _presses(axes: Axes, told: Story, colors: Colors) -> None:
    """Every press at the foot of the first panel: given solid, refused hollow, and a key to both."""
    asked = [b for b in told.trace.boluses if b.source is Source.PATIENT]
    for granted in (True, False):
        at = [(b.at_s - told.refill_s) / HOUR_S for b in asked if b.granted is granted]
        shown = [h for h in at if -BEFORE_H <= h < AFTER_H]
        face = colors.ink if granted else "none"
        key = "press, bolus given" if granted else "press, refused"
        marks: Any = {"markersize": 5, "color": colors.ink, "markerfacecolor": face, "linestyle": "none", "label": key}
        axes.plot(shown, [-0.022] * len(shown), "^", clip_on=False, **marks)
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 0.98),
        ncols=2,
        frameon=False,
        fontsize=8.8,
        labelcolor=colors.ink,
        handletextpad=0.1,
        borderaxespad=0,
    )


def _spine(axes: Axes, key: Axes, told: Story, colors: Colors) -> None:
    """The drug in the spinal fluid, by level and time, with the scale of its colors."""
    heat = told.spine.heat[0]
    scale = scale_of([heat])
    if scale is None:
        raise RuntimeError("no drug reaches the spinal fluid: there is nothing to draw")
    x = heat.at_s / HOUR_S - BEFORE_H
    logs = np.log10(np.maximum(heat.csf_ng_per_ml.T, scale.floor / 10))
    axes.set_facecolor(colors.heat[0])
    for color, edge in zip(colors.heat[1:], scale.edges[:-1], strict=True):
        if logs.max() > np.log10(edge):
            axes.contourf(x, heat.x_cm, logs, levels=[np.log10(edge), np.log10(scale.top) + 1], colors=[color])
    axes.set_yticks([cm for _, cm in heat.levels], [name for name, _ in heat.levels])
    axes.set_ylim(0, heat.x_cm[-1] + heat.x_cm[0])
    axes.set_ylabel("level of the spine", color=colors.soft, fontsize=9)
    tip = next(line.site for line in told.spine.lines if line.site.kind is SiteKind.TIP)
    axes.axhline(tip.at_cm or 0.0, color=colors.ink, linewidth=1.2, linestyle=(0, (5, 3)))
    axes.axvline(0, color=colors.ink, linewidth=1.1)
    said = f"morphine in the spinal fluid, as computed; the dashed line is the tip ({tip.level})"
    axes.text(0.0, 1.02, said, transform=axes.transAxes, color=colors.arrived, weight="bold", fontsize=10)
    axes.tick_params(colors=colors.soft, length=0, labelsize=8.5)
    axes.spines["bottom"].set_color(colors.soft)
    _key(key, scale.edges, colors)


def _key(axes: Axes, edges: Sequence[float], colors: Colors) -> None:
    for n, color in enumerate(colors.heat):
        axes.add_patch(Rectangle((n, 0), 1, 1, facecolor=color, edgecolor=colors.soft, linewidth=0.5))
    axes.set_xlim(0, len(colors.heat) + 0.3)
    axes.set_xticks(range(1, len(edges) + 1), [figure_text(edge) for edge in edges])
    axes.set_yticks([])
    axes.tick_params(colors=colors.soft, length=0, labelsize=8.5)
    axes.spines["bottom"].set_visible(False)
    axes.set_xlabel("ng/mL", color=colors.soft, fontsize=9, labelpad=2)


def _clock(axes: Axes, told: Story, colors: Colors, *, named: bool) -> None:
    """Midnights and noons by the pump clock."""
    hours = [int(h) for h in told.hours if told.moment(int(h)).hour in (0, 12)]
    labels = [f"{m:%d %b}" if m.hour == 0 else f"{m:%H:%M}" for m in map(told.moment, hours)]
    axes.set_xticks([(h - told.refill_s) / HOUR_S for h in hours], labels if named else [""] * len(hours))
    axes.set_xlim(-BEFORE_H, AFTER_H)
    axes.tick_params(axis="x", colors=colors.soft)


def main() -> int:
    told = story()
    PICTURES.mkdir(parents=True, exist_ok=True)
    for colors in PAGES:
        path = PICTURES / f"first-patient-{colors.name}.svg"
        path.write_text(draw(told, colors), "utf-8")
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
