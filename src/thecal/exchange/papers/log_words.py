"""A pump's log for people who read it: volumes in mL, and days that were alike as one line."""

from __future__ import annotations

import re
from itertools import groupby

from thecal.quantities import Volume

_NL = re.compile(r"\b([0-9][0-9,]*) nL\b")


def in_ml(text: str) -> str:
    """What a log says in nL, in mL as everywhere else that people read (four digits, for the eye)."""
    return _NL.sub(lambda found: Volume.of(int(found[1].replace(",", "")), "nL").text("mL"), text)


def folded(rows: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
    """Lines (when, what) with those that say the same one after the other as one line: from, to and how many."""
    found: list[tuple[str, ...]] = []
    for what, alike in groupby(rows, key=lambda row: row[1]):
        times = [row[0] for row in alike]
        if len(times) == 1:
            found.append((times[0], in_ml(what)))
        else:
            found.append((f"{times[0]} to {times[-1]}", f"{in_ml(what)} ({len(times)} times)"))
    return tuple(found)
