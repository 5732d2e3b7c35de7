"""Charts in the terminal: delivered against arrived of the primary drug, and the level of the reservoir."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.cli.account import scale_text
from thecal.cli.console import heading, line
from thecal.cli.parts import tick_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from thecal.cli.account import Account

_WIDEST, _HEIGHT = 110, 16
_TICKS = 4


def show_charts(console: Console, account: Account) -> None:
    """Both charts; nothing where the terminal cannot show their characters."""
    if not console.encoding.startswith("utf"):
        line(console, "Charts need a terminal that shows UTF-8; the numbers are above and in --json.")
        return
    _doses(console, account)
    _level(console, account)


def _doses(console: Console, account: Account) -> None:
    primary = account.drugs[0]
    ordered, delivered, arrived = (series.tolist() for series in primary.daily())
    unit, ceiling = primary.drug.dose_unit, primary.ceiling()
    top = max(float(ceiling or 0), *ordered, *delivered, *arrived)
    heading(console, f"{primary.drug.display_name} in each 24 h; scale {scale_text(ceiling, top, unit)}")
    line(
        console, "x arrived at the tip   o delivered from the reservoir   - ordered; where they are alike, only x shows"
    )
    _draw(console, account, [(ordered, "-"), (delivered, "o"), (arrived, "x")], top)


def _level(console: Console, account: Account) -> None:
    days = account.trace.days()
    size = account.scenario.order.pump.reservoir
    low = account.scenario.order.program.low_level or account.scenario.order.pump.low_level
    heading(console, f"Reservoir at the end of each 24 h, mL; scale 0 to {size.text('mL')}, its size")
    line(console, f"o level   - low level, {low.text('mL')}")
    flat = [float(low.number("mL"))] * len(days)
    _draw(console, account, [(flat, "-"), ([d.level_ml for d in days], "o")], float(size.number("mL")))


def _draw(console: Console, account: Account, series: Sequence[tuple[Sequence[float], str]], top: float) -> None:
    from plotext import figure

    days = account.trace.days_long
    figure.clear()
    figure.theme("colorless")
    figure.plot_size(min(console.width, _WIDEST), _HEIGHT)
    for values, mark in series:
        signal = figure.signal(list(range(1, days + 1)), list(values), marker=mark)
        if mark == "-":
            signal.lines(True)
        figure.draw(signal)
    figure.ruler("y", "left").lim(0, top or 1)
    at = sorted({1 + round(n * (days - 1) / _TICKS) for n in range(_TICKS + 1)})
    figure.ruler("x", "lower").ticks(at, [tick_text(account.scenario.run.moment((n - 1) * 86_400)) for n in at])
    console.print(figure.build().string(colorless=True).rstrip("\n"), soft_wrap=True)
    figure.clear()
