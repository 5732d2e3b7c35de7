"""Days on the command line: one that is written, and the one on the wall."""

from __future__ import annotations

from datetime import date

import typer


def day(text: str) -> date:
    """A date that exists, as in 2026-03-01; a usage error for anything else."""
    try:
        return date.fromisoformat(text) if len(text) == 10 else _no_date(text)
    except ValueError:
        return _no_date(text)


def this_day() -> date:
    """The day on the wall of whoever types; every room takes it as an argument."""
    return date.today()  # noqa: DTZ011 -- read at the edge, and nowhere else


def _no_date(text: str) -> date:
    raise typer.BadParameter(f"found {text!r}; allowed: a date that exists, as in 2026-03-01")
