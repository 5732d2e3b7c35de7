"""Figures as people read them: seconds as hours and minutes, nanolitres as mL, moments as dates."""

from __future__ import annotations

import re
from datetime import datetime

from thecal.quantities import Duration, Volume, duration_text
from thecal.therapy import refusal

_FIGURE = re.compile(r"(?<![\w.,-])(\d[\d,]*) (nL|s)\b(?! a stroke)")
_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")
_LEAST = {"nL": 1_000, "s": 60}


def time_text(seconds: int) -> str:
    """Seconds in the largest units that say them exactly: 6 h 20 min."""
    return duration_text(Duration.of(seconds, "s"))


def volume_text(nl: int) -> str:
    """Nanolitres as mL; an account under zero says so."""
    return Volume.of(nl, "nL").text("mL") if nl >= 0 else f"{Volume.of(-nl, 'nL').text('mL')} under zero, as counted"


def for_people(text: str) -> str:
    """A message of another room: nanolitres from 1,000 on as mL, seconds from 60 on as time, moments as dates."""
    return _UTC.sub(lambda found: f"{moment_text(found[0])} UTC", _FIGURE.sub(_said, text))


def _said(found: re.Match[str]) -> str:
    number, unit = int(found[1].replace(",", "")), found[2]
    if number < _LEAST[unit]:
        return found[0]
    return time_text(number) if unit == "s" else volume_text(number)


def moment_text(iso: str) -> str:
    """A moment of a document, or of the ledger, as 22 Nov 2026 15:19:40; the zone stands in the heading."""
    return refusal.moment_text(datetime.fromisoformat(iso))
