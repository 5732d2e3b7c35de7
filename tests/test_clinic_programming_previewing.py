"""The preview in the clinic: the twin's central lines and band by digest, two workers, words for what has no model."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from threading import Barrier, Event, Thread
from typing import TYPE_CHECKING

import pytest
from tests.programming_world import FORMULARY, implant_row, morphine_frame, scheduled

from thecal.clinic.programming.arriving import arriving
from thecal.clinic.programming.composing import composed
from thecal.clinic.programming.entries import CeilingRow
from thecal.clinic.programming.previewing import Previews, Wanted, central
from thecal.twin.spine import Comparison, NoPreview, NoPreviewWhy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from thecal.clinic.programming.frame import Frame

START = datetime(2026, 9, 21, 9)  # noqa: DTZ001 -- the pump clock has no zone
NOW = (("00:00", "0.05 mg/h"), ("06:00", "0.06 mg/h"), ("10:00", "0.05 mg/h"))
THEN = (("00:00", "0.05 mg/h"), ("06:00", "0.09 mg/h"), ("10:00", "0.05 mg/h"))


def text(rows: tuple[tuple[str, str], ...], at: Frame | None = None) -> str:
    """The order of a day schedule."""
    found = composed(scheduled(*rows), at or morphine_frame(), FORMULARY)
    assert found.written is not None, found.refused
    return found.written.text


@pytest.fixture
def previews() -> Iterator[Previews]:
    made = Previews()
    yield made
    made.close()


@pytest.fixture(scope="module")
def wanted() -> Wanted:
    return Wanted(text(NOW), text(THEN), START)


def test_the_central_lines_come_first_and_the_band_follows_for_the_same_lines(
    previews: Previews, wanted: Wanted
) -> None:
    lines = previews.lines(wanted, FORMULARY, 60)
    assert isinstance(lines, Comparison)
    assert all(line.band is None for line in lines.proposed.lines)
    banded = previews.band(wanted, FORMULARY, 60)
    assert isinstance(banded, Comparison)
    assert banded.proposed.line("csf-tip", "morphine").band is not None
    same = lines.proposed.line("csf-tip", "morphine").central == banded.proposed.line("csf-tip", "morphine").central
    assert same.all()


def test_what_was_computed_is_kept_by_the_digest_of_both_orders(previews: Previews, wanted: Wanted) -> None:
    first = previews.lines(wanted, FORMULARY, 60)
    assert previews.lines(replace(wanted), FORMULARY, 60) is first
    other = previews.lines(replace(wanted, current=wanted.proposed, proposed=wanted.current or ""), FORMULARY, 60)
    assert other is not first
    assert len({wanted.key, replace(wanted, current=None).key, replace(wanted, weight_g=70_000).key}) == 3


def test_whoever_comes_while_the_worker_is_busy_is_told_to_wait(previews: Previews, wanted: Wanted) -> None:
    held = Event()
    busy = previews._worker("lines").submit(held.wait, 30)
    assert previews.ask(wanted, FORMULARY, "csf-tip", band=True, wait_s=0.05) is None
    assert not busy.done()
    held.set()
    assert busy.result()
    assert isinstance(previews.lines(wanted, FORMULARY, 60), Comparison)


def test_no_line_waits_for_somebody_elses_band(previews: Previews, wanted: Wanted) -> None:
    held = Event()
    busy = previews._worker("band").submit(held.wait, 60)
    made = previews.ask(wanted, FORMULARY, "csf-tip", band=False, wait_s=60)
    assert made is not None and made.shown is not None and not made.banded
    still = previews.ask(wanted, FORMULARY, "csf-tip", band=True, wait_s=0.05)
    assert still is not None and still.shown == made.shown and not still.banded
    assert not busy.done()
    held.set()
    assert busy.result()
    drawn = previews.ask(wanted, FORMULARY, "csf-tip", band=True, wait_s=60)
    assert drawn is not None and drawn.banded and drawn.shown is not None and drawn.shown.draws == 64


def test_many_who_ask_for_the_same_at_once_get_the_same(previews: Previews, wanted: Wanted) -> None:
    together, found = Barrier(8), []

    def ask() -> None:
        together.wait()
        found.append(previews.lines(wanted, FORMULARY, 60))

    threads = [Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(f) for f in found}) == 1


def test_a_preview_names_ratios_notes_errors_and_the_scale(previews: Previews, wanted: Wanted) -> None:
    made = previews.band(wanted, FORMULARY, 60)
    assert isinstance(made, Comparison)
    shown = arriving(made, "csf-tip", FORMULARY)
    assert [c.title.split(":")[0] for c in shown.charts] == ["morphine", "bupivacaine", "cloNIDine"]
    chart = shown.charts[0]
    assert [c.line for c in chart.columns] == ["solid", "low", "high", "outline", "low", "high"]
    assert chart.scale.startswith("0 to ") and "what runs now" in chart.scale
    assert max(float(cell.replace(",", "")) for row in chart.rows for cell in row.cells) <= float(chart.top)
    peak = next(f for f in shown.figures if f.what == "peak" and f.drug == "morphine")
    assert peak.ratio.endswith("times") and " to " in peak.spread
    assert shown.draws == 64
    assert any("steady state" in note for note in shown.notes)
    assert any("not" in error and "dosing" in error for error in shown.errors)
    assert arriving(made, "no such place", FORMULARY).place == "csf-tip"


def test_the_chart_reads_the_clock_of_the_pump(previews: Previews, wanted: Wanted) -> None:
    made = previews.lines(wanted, FORMULARY, 60)
    assert isinstance(made, Comparison)
    rows = arriving(made, "plasma", FORMULARY).charts[0].rows
    assert (rows[0].name, rows[1].name, rows[1].at_s) == ("day 0, 09:00", "day 0, 10:00", 3600)
    assert rows[-1].name == "day 3, 09:00"


def test_no_tip_is_no_preview_and_says_what_to_do() -> None:
    at = morphine_frame(implant=implant_row(tip_level=None))
    found = central(Wanted(text(NOW, at), text(THEN, at), START), FORMULARY)
    assert isinstance(found, NoPreview)
    assert found.why is NoPreviewWhy.NO_TIP_LEVEL
    assert found.then


def test_a_drug_without_a_model_is_named() -> None:
    mixture = {
        "preservative_free": True,
        "compounded": True,
        "diluent": "sodium chloride 0.9 %, preservative-free",
        "ingredients": [
            {"drug": "morphine", "concentration": "4 mg/mL"},
            {"drug": "ropivacaine", "concentration": "2 mg/mL"},
        ],
    }
    at = morphine_frame(mixture=mixture)
    ceilings = (CeilingRow("morphine", "0.25 mg", "2 mg"), CeilingRow("ropivacaine", "0.125 mg", "1 mg"))
    orders = []
    for rows in (NOW, THEN):
        found = composed(scheduled(*rows, ceilings=ceilings), at, FORMULARY)
        assert found.written is not None, found.refused
        orders.append(found.written.text)
    made = central(Wanted(orders[0], orders[1], START), FORMULARY)
    assert isinstance(made, Comparison)
    assert arriving(made, "csf-tip", FORMULARY).without == (FORMULARY.drug("ropivacaine").display_name,)


def test_a_first_program_is_previewed_alone() -> None:
    made = central(Wanted(None, text(THEN), START), FORMULARY)
    assert not isinstance(made, (Comparison, NoPreview))
    shown = arriving(made, "csf-tip", FORMULARY)
    assert [c.line for c in shown.charts[0].columns] == ["solid"]
    assert not shown.figures


def test_an_order_that_cannot_be_read_is_no_preview() -> None:
    assert isinstance(central(Wanted(None, "nothing", START), FORMULARY), NoPreview)
