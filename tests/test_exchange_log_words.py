"""A pump's log on paper and on the screen: volumes in mL, and days that were alike as one line."""

from __future__ import annotations

import pytest

from thecal.exchange.papers.log_words import folded, in_ml


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (
            "refill recorded: 18,000,000 nL in the reservoir, 5,976,750 nL expected before",
            "refill recorded: 18 mL in the reservoir, 5.977 mL expected before",
        ),
        ("900 nL of old drug left", "0.0009 mL of old drug left"),
        ("total of the day: 960 strokes confirmed, 0 missed", "total of the day: 960 strokes confirmed, 0 missed"),
        ("a lot named 5 nLX", "a lot named 5 nLX"),
    ],
)
def test_volumes_of_a_log_are_shown_in_ml(said: str, shown: str) -> None:
    assert in_ml(said) == shown


def test_lines_that_say_the_same_one_after_the_other_are_one_line() -> None:
    day = "total of the day: 960 strokes confirmed, 0 missed"
    rows = (
        ("9 Sep 2026 11:00", day),
        ("10 Sep 2026 11:00", day),
        ("11 Sep 2026 09:10", "alarm issued: low reservoir; 1,400,250 nL expected in the reservoir"),
        ("11 Sep 2026 11:00", day),
    )
    assert folded(rows) == (
        ("9 Sep 2026 11:00 to 10 Sep 2026 11:00", f"{day} (2 times)"),
        ("11 Sep 2026 09:10", "alarm issued: low reservoir; 1.4 mL expected in the reservoir"),
        ("11 Sep 2026 11:00", day),
    )
    assert folded(()) == ()
