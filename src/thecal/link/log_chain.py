"""A record of the pump's log as its reader holds it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Record:
    """One record: its number, uptime and pump clock in s, event (a code of the core), and two numbers."""

    number: int
    uptime_s: int
    clock_s: int
    event: int
    a: int
    b: int
